"""Times of day and numbers of hours, told as times since the first hour of the series: "by 6:00" after "from 22:00".

The problem keeps what the text says: the time of day with its characters, the time at which the series begins with its
own, and a derived term that subtracts them; a day is added where midnight lies between. Nothing is computed out of
sight, so every number can still be found in the text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from gramwise.optimize.typed.record import Derived, Param, Values
from gramwise.optimize.typed.units import parse_unit

from .assemble_arrays import Array
from .assemble_axis import numbered_from
from .assemble_groups import Frame
from .assemble_quantity import unit_of
from .statement import Figure, Reading, Run

_HOUR_S = 3600.0
_INTENSITY = parse_unit("gCO2e/J")
_STOP = re.compile(r"[.!?;]\s|\n\s*\n")


@dataclass(frozen=True, slots=True)
class Clock:
    """How an array of times follows from the text.

    Attributes:
        said_h: time of day or number of the hour for each element, hours.
        begin_h: the same for the start of the series; ``begin`` its characters.
        wraps: 1 where midnight lies between.
        closing: the end of the hour that is named is meant, one hour later.
    """

    said_h: tuple[float, ...]
    begin_h: float
    begin: tuple[int, int]
    wraps: tuple[float, ...]
    closing: bool


def clocked(array: Array, reading: Reading) -> Clock | None:
    """The clock form of a time limit whose figures are times of day, its values turned into seconds since the start.

    None where it is an ordinary duration, or where the text does not say when the series begins; then the array loses
    its values, because they would be wrong.
    """
    if not array.figures or not all(f.clock for f in array.figures):
        return None
    found = series_start(reading)
    if found is None:
        array.values = [float("nan")] * len(array.values)
        return None
    start, begin = found
    closing = _closes(array.figures)
    said = tuple(v / _HOUR_S for v in array.values)
    offsets = [h - start + closing for h in said]
    day = any(f.clock and f.value == start and f.value > 1 for f in reading.figures) or start > 1
    wraps = tuple(
        1.0 if o < 0 or (o == 0 and array.symbol.relation == "at_most" and day) else 0.0 for o in offsets
    )
    array.values = [(o + 24 * w) * _HOUR_S for o, w in zip(offsets, wraps, strict=True)]
    return Clock(said, start, begin, wraps, closing)


def series_start(reading: Reading) -> tuple[float, tuple[int, int]] | None:
    """Clock or number of the first step of the text's series, with its characters; None where that is not said."""
    runs = [r for r in reading.runs if len(r.figures) > 1]
    for run in runs:
        if run.start is not None and (begin := _begin(run, reading)) is not None:
            return run.start, begin
    for run in runs:
        if (not run.over or len(run.over) == 1) and (told := numbered_from(reading, run)) is not None:
            return told
    return next((told for run in runs if (told := _told_beside(run, reading)) is not None), None)


def _told_beside(run: Run, reading: Reading) -> tuple[float, tuple[int, int]] | None:
    """When an intensity series begins: a time of day in its own sentence, or else a window of times just as long.

    "The forecast for the six hours starting at 22:00 is 412, ..."; "between 18:00 and 23:00 ... five values".
    """
    unit = unit_of(run.figures[0])
    if unit is None or not unit.same(_INTENSITY) or len(run.over) > 1:
        return None
    first, last = run.figures[0], run.figures[-1]
    clocks = [f for f in reading.figures if f.clock and f.value % 1 == 0 and f not in run.figures]
    opening = max((m.end() for m in _STOP.finditer(reading.text, 0, first.start)), default=0)
    ending = _STOP.search(reading.text, last.end)
    mine = [f for f in clocks if opening <= f.start < (ending.start() if ending else len(reading.text))]
    windows = [
        a
        for a, b in pairwise(clocks)
        if (b.value - a.value) % 24 == len(run.figures) % 24 and b.start - a.end < 40
    ]
    told = [f for f in mine if f in windows] or mine or windows
    starts = {f.value for f in told}
    if not told or (len(starts) > 1 and told[0] not in windows):
        return None
    return told[0].value, (told[0].start, told[0].end)


def _closes(figures: Sequence[Figure]) -> bool:
    return all("end" in f.before[-4:] for f in figures)


def _begin(series: Run, reading: Reading) -> tuple[int, int] | None:
    """Characters that say when the series begins: the nearest figure of that time."""
    first = series.figures[0].start
    told = [f for f in reading.figures if f.value == series.start and (f.clock or f.unit in ("", "h"))]
    best = min(told, key=lambda f: abs(f.start - first), default=None)
    if best is not None:
        return best.start, best.end
    label = re.search(
        r"(\d{1,2}(?:[:.]00)?)\s*(?:h|am|pm)?\s*[:=–|-]?\s*$", reading.text[max(0, first - 14) : first]
    )
    if label is None or float(re.split(r"[:.]", label[1])[0]) != series.start:
        return None
    begin = max(0, first - 14)
    return begin + label.start(1), begin + label.end(1)


def clock_records(array: Array, clock: Clock, frame: Frame) -> tuple[list[Param], Derived]:
    """Parameters for what is said and the derived term that replaces the symbol; sets are of one dimension at most."""
    name, index = array.symbol.name, array.symbol.index
    stated = next((h for h in clock.said_h if h == h), 0.0)
    said = tuple(h if h == h else stated for h in clock.said_h)  # no rule looks where none is stated
    binder = f"{index[0][0].lower()}" if index else ""
    at = f"[{binder}]" if binder else ""
    one = len(set(array.sources)) == 1
    params = [
        Param(
            name=f"clock_{name}",
            text=f"{array.symbol.text}, as a time of day or number of an hour",
            index=index,
            unit="h",
            values=_values(said, index, one),
            source=array.sources[0] if one else tuple(array.sources),
        ),
        Param(
            name=f"begin_{name}",
            text="time of day or number of the hour at which the series begins",
            unit="h",
            values=clock.begin_h,
            source=f"text:{clock.begin[0]}-{clock.begin[1]}",
        ),
    ]
    expr = f"clock_{name}{at} - begin_{name}"
    if any(clock.wraps):
        params.append(
            Param(
                name=f"wrap_{name}",
                text="whether midnight lies between",
                index=index,
                values=_values(clock.wraps, index, False),
                source="structure",
            )
        )
        expr += f" + wrap_{name}{at}*1 [d]"
    if clock.closing:
        expr += " + 1 [h]"
    forall = f"{binder} in {index[0]}" if binder else ""
    return params, Derived(
        name=name, text=array.symbol.text, forall=forall, unit=array.symbol.unit, expr=expr
    )


def _values(values: tuple[float, ...], index: tuple[str, ...], one: bool) -> Values:
    return values[0] if one or not index else values
