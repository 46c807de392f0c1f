"""How results are put into words and digits: unit prefixes, percentages, the headline, the bounds, the
balance.

Terminal and page share these, so that they never say different things about one run. Unknown is said, never
0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gramwise.report.document import VIRTUAL, Balance, Summary

UNKNOWN = "unknown"
SHOWN = 4
"""Names that a list of shares may hold in a table cell."""

_PREFIXES = {-12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G"}


@dataclass(frozen=True, slots=True)
class Scale:
    """One readable unit for a whole column.

    Attributes:
        unit: with its prefix, for instance ``"mJ"``.
        power: the prefix as a power of ten, a multiple of three.
        decimals: digits after the point, the same in every row so that points line up.
    """

    unit: str
    power: int
    decimals: int

    def show(self, value: float | None) -> str | None:
        """The number without its unit, or None when it is unknown."""
        return None if value is None else signless_zero(f"{value / 10.0**self.power:.{self.decimals}f}")


def scale(values: Iterable[float | None], unit: str) -> Scale:
    """The prefix that puts the smallest value at 1 or above and the decimals that show it to three digits.

    Args:
        values: in ``unit``; None is passed over, and so is 0, which looks alike in any unit.
        unit: base unit such as ``"J"``, ``"g"`` or ``"s"``.
    """
    sizes = [abs(value) for value in values if value]
    if not sizes:
        return Scale(unit, 0, 0)
    power = _floor3(min(sizes))
    if max(sizes) >= 1e5 * 10.0**power:  # one tiny row must not turn the others into rows of digits
        power = _floor3(max(sizes))
    digits = math.floor(math.log10(min(sizes)) - power + 1e-9)
    return Scale(_PREFIXES[power] + unit, power, min(max(2 - digits, 0), 4))


def times_ten(power: int) -> str:
    """``×10⁶`` for 6; empty for 0."""
    return f"×10{str(power).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}" if power else ""


def percent(frac: float | None, *, signed: bool = False) -> str | None:
    """A ratio as percent, without the word: one decimal, none from 1000 % on; None when it is unknown."""
    if frac is None:
        return None
    decimals = 1 if abs(frac) < 10 else 0
    text = f"{100 * frac:{'+' if signed else ''}.{decimals}f}"
    return text.lstrip("+-") if float(text) == 0 else text


def signless_zero(text: str) -> str:
    """``-0.0`` without its sign."""
    return text.lstrip("-") if float(text) == 0 else text


def quantity(value: float | None, unit: str) -> str:
    """One number with its unit in running text, or ``unknown``."""
    if value is None:
        return UNKNOWN
    fit = scale([value], unit)
    return f"{fit.show(value)} {fit.unit}"


def printable(text: object) -> str:
    """Text without control characters: names come from users, and a terminal obeys what it is sent."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in str(text))


def short(name: str, letters: int = 28) -> str:
    """A name that leaves room for a picture: printable, and cut where it has more than so many letters."""
    name = printable(name)
    return name if len(name) <= letters else f"{name[: letters - 1]}…"


def baseline_name(summary: Summary) -> str:
    """The baseline with the node it is tied to."""
    if not summary.baseline:
        return UNKNOWN
    return printable(summary.baseline + (f" on {summary.baseline_node}" if summary.baseline_node else ""))


def bounds_sentence(summary: Summary) -> str:
    """The physical limit in one sentence, all terms in one unit."""
    b = summary.bounds
    terms = [
        b.b0_g_per_inference,
        b.b1_g_per_inference,
        b.b0_variants_g_per_inference,
        b.b1_variants_g_per_inference,
    ]
    fit = scale(terms, "g")
    shown = [UNKNOWN if text is None else f"{text} {fit.unit}" for text in map(fit.show, terms)]
    said = (
        f"Limit per inference: B0 {shown[0]} (each request at its own best node), "
        f"B1 {shown[1]} (LP, with the nodes' capacity)"
    )
    if terms[2] is None and terms[3] is None:
        return f"{said}."
    return f"{said}; with other variants of the model allowed, B0 {shown[2]}, B1 {shown[3]}."


def balance_sentence(balance: Balance, closure_frac: float | None, dynamic_closure_frac: float | None) -> str:
    """The energy balance: the three parts, their sum, the meter, and how near they come."""
    terms = [balance.attributed_j, balance.idle_j, balance.overhead_j, balance.parts_j, balance.metered_j]
    fit = scale([balance.parts_j, balance.metered_j], "J")
    fit = Scale(fit.unit, fit.power, max(1, fit.decimals))  # the smallest part still shows
    shown = [UNKNOWN if text is None else f"{text} {fit.unit}" for text in map(fit.show, terms)]
    closes = percent(closure_frac if closure_frac is not None else balance.closure_frac)
    dynamic = percent(dynamic_closure_frac)
    said = [f"closes to {closes} %" if closes else "closure unknown"]
    said += [f"without idle {dynamic} %"] if dynamic else []
    return (
        f"Energy: attributed {shown[0]} + idle {shown[1]} + overhead {shown[2]} = {shown[3]} "
        f"against metered {shown[4]} ({'; '.join(said)})"
    )


def caps_sentence(caps: str | None) -> str:
    """How the nodes' CPU shares were held."""
    if caps is None:
        return "How the nodes' CPU shares were held is unknown."
    if caps == VIRTUAL:
        return (
            "CPU shares were not enforced: each node's times follow its declared speed (virtual caps), "
            "and are not to be compared with capped runs."
        )
    return f"CPU shares were enforced by the kernel ({printable(caps)})."


def shares(share: dict[str, float] | None, order: Sequence[str] = ()) -> str | None:
    """``lyon 67, essen 33``: percentages, or None when unknown.

    Zeros are left out. Of more than ``SHOWN`` names the largest are shown and the rest is summed.
    """
    if share is None:
        return None
    used = [name for name in (*order, *sorted(set(share) - set(order))) if share.get(name, 0.0) > 0]
    shown = used
    if len(used) > SHOWN:
        largest = sorted(used, key=lambda name: -share[name])[: SHOWN - 1]
        shown = [name for name in used if name in largest]
    parts = [f"{printable(name)} {100 * share[name]:.0f}" for name in shown]
    rest = [share[name] for name in used if name not in shown]
    return ", ".join([*parts, *([f"{len(rest)} others {100 * sum(rest):.0f}"] if rest else [])]) or None


def _floor3(size: float) -> int:
    return min(max(3 * math.floor((math.log10(size) + 1e-9) / 3), min(_PREFIXES)), max(_PREFIXES))
