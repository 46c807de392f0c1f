"""Yes-or-no facts that no word states and the numbers leave no choice about.

"The job needs 9 kWh; no hour can take more than 2.5 kWh" never says that the job may be spread, and yet it must be: a
job that is told by its energy alone, beside a limit below it on the energy of an hour, is done in several hours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gramwise.optimize.knowledge.entry import Model, Symbol

from .assemble_arrays import Array
from .assemble_cues import stem
from .statement import Reading

_LIMITS_J, _LIMITS_W = ("E_own", "E_cap_t"), ("P_own", "P_cap")
_HOUR_S = 3600.0


_IN_WORDS = "charge charges fill fills take takes swallow absorb load store accept in into"
_OUT_WORDS = "discharge deliver give release unload empty drain return supply out"
_IN, _OUT = frozenset(map(stem, _IN_WORDS.split())), frozenset(map(stem, _OUT_WORDS.split()))
_PAIRS = (("P_ch", "P_dis", "P_bat"), ("eta_ch", "eta_dis", "eta_way"), ("loss_ch", "loss_dis", "loss_way"))


def both_ways(given: Mapping[str, Array], symbols: Mapping[str, Symbol]) -> list[tuple[str, Array]]:
    """Figures of one way of a battery whose own words name both: "it swallows or delivers at most 1.6 kW".

    Args:
        given: arrays so far.
        symbols: of all cards.

    Returns:
        for each the symbol that took the figure, and its array as the symbol of both ways.
    """
    found = []
    for one, other, both in _PAIRS:
        names = [n for n in (one, other) if n in given]
        if len(names) != 1 or both in given or both not in symbols or len(given[names[0]].figures) != 1:
            continue
        array = given[names[0]]
        figure = array.figures[0]
        before = figure.before[-figure.own_before :] if figure.own_before else ()
        words = [stem(w) for w in (*before, *figure.after[: figure.own_after])]
        if any(_joined(*words[k : k + 3]) for k in range(len(words) - 2)):
            found.append((names[0], replace(array, symbol=symbols[both])))
    return found


def _joined(first: str, link: str, last: str) -> bool:
    """ "swallows or delivers", "discharging and charging"."""
    ways = (first in _IN and last in _OUT) or (first in _OUT and last in _IN)
    return ways and link in ("or", "and", "nor")


def implied_spread(
    model: Model, given: Mapping[str, Array], symbols: Mapping[str, Symbol], reading: Reading
) -> Array | None:
    """The flag ``divisible`` where the numbers imply it; None where it is said, not of this model, or not implied.

    Args:
        model: of the family.
        given: arrays so far.
        symbols: of all cards.
        reading: the text, whose words may forbid to interrupt.
    """
    flag = symbols.get("divisible")
    if flag is None or "divisible" not in model.optional or "divisible" in given or "dur" in given:
        return None
    jobs = given.get("E_job")
    if jobs is None or not jobs.complete or any(n.lower() in reading.text.lower() for n in flag.negations):
        return None
    step_s = given["dt"].values[0] if "dt" in given else _HOUR_S
    limits = [(n, v, 1.0) for n in _LIMITS_J if n in given for v in given[n].values]
    limits += [(n, v, step_s) for n in _LIMITS_W if n in given for v in given[n].values]
    binding = next((n for n, v, span in limits if v * span < max(jobs.values) * (1 - 1e-9)), None)
    if binding is None:
        return None
    spots = [(f.start, f.end) for f in (*jobs.figures, *given[binding].figures)]
    return Array(flag, [1.0], ["structure"], spots=spots)
