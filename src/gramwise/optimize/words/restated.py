"""Numbers that only say again what was just said: in other units, in brackets, or as the total of a list.

"0.5 kWh (that is 1.8 MJ)", "3 GB (3000 MB)", "1, 2 and 3 kWh, 6 kWh in all": the last figure is no other quantity.
It is taken out before numbers are given a meaning, so that it cannot pass for one; where it does not agree it stays.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from gramwise.optimize.typed.findings import Refused
from gramwise.optimize.typed.units import Unit, parse_unit

from .statement import Figure, Reading

_AGAIN = re.compile(
    r"[\s,;]*(\(|=|≈|\bi\.?\s?e\.?|\bthat (is|means)|\bor\b|\bin other words|\bwhich is|\bso\b|\babout\b|\bie\b)"
    r"[\s,(:=≈]*((i\.?e\.?|that is|about|roughly|around|ca\.?|=|≈|or)[\s,:]*)*",
    re.IGNORECASE,
)
_TOTAL = re.compile(
    r"\b(in all|in total|altogether|all together|together|total|overall|sum)\b", re.IGNORECASE
)
_COUNTED = re.compile(r"\b(request|item|job|image|sample|query|frame|user|client)\b")
_SAME, _ABOUT = 2e-3, 3e-2
_NEAR = 45


def without_restated(reading: Reading) -> Reading:
    """The reading without figures that repeat another one.

    Args:
        reading: the text, read.
    """
    spare = {(f.start, f.end) for f in (*_in_other_units(reading), *_totals(reading))}
    if not spare:
        return reading
    runs = tuple(r for r in reading.runs if not spare & {(f.start, f.end) for f in r.figures})
    return replace(
        reading, figures=tuple(f for f in reading.figures if (f.start, f.end) not in spare), runs=runs
    )


def _in_other_units(reading: Reading) -> Iterator[Figure]:
    for a, b in pairwise(sorted(reading.figures, key=lambda f: f.start)):
        between = reading.text[a.end : b.start]
        if a.unit and b.unit and a.unit != b.unit and len(between) <= _NEAR and _AGAIN.fullmatch(between):
            one, other = _plain(a.unit), _plain(b.unit)
            if one is not None and other is not None and one.same(other):
                near = _ABOUT if "about" in (a.relation, b.relation) else _SAME
                if math.isclose(one.to_base(a.value), other.to_base(b.value), rel_tol=near):
                    yield b


def _plain(unit: str) -> Unit | None:
    """A unit with what is counted left out, as speech does: "150 requests per second, 540 000 an hour"."""
    try:
        return parse_unit(_COUNTED.sub("1", unit))
    except Refused:
        return None


def _totals(reading: Reading) -> Iterator[Figure]:
    """Figures that are told as the total of numbers of several members, and are it."""
    for figure in reading.figures:
        around = reading.text[max(0, figure.start - 12) : figure.end + 16]
        if figure.relation not in ("is", "about") or not figure.unit or not _TOTAL.search(around):
            continue
        if any(_adds_up(figure, parts) for parts in _parts(figure, reading)):
            yield figure


def _parts(figure: Figure, reading: Reading) -> Iterator[Sequence[Figure]]:
    """Lists of the text, and the figures of different members, that the figure may be the total of."""
    own = _plain(figure.unit)
    for run in reading.runs:
        if figure not in run.figures:
            yield run.figures
    told = [
        f
        for f in reading.figures
        if f is not figure
        and f.subjects
        and f.relation == "is"
        and own is not None
        and (unit := _plain(f.unit)) is not None
        and unit.same(own)
    ]
    yield [f for f in told if f.start < figure.start]


def _adds_up(figure: Figure, parts: Sequence[Figure]) -> bool:
    own, units = _plain(figure.unit), [_plain(f.unit or figure.unit) for f in parts]
    if len(parts) < 2 or own is None or any(u is None or not u.same(own) for u in units):
        return False
    total = math.fsum(u.to_base(f.value) for u, f in zip(units, parts, strict=True) if u is not None)
    near = _ABOUT if figure.relation == "about" else _SAME
    return math.isclose(total, own.to_base(figure.value), rel_tol=near)
