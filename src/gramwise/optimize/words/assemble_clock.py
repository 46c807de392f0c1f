"""Times of day and numbers of hours, told as times since the first hour of the series: "by 6:00" after "from 22:00".

The problem keeps what the text says: the time of day with its characters, the time at which the series begins with its
own, and a derived term that subtracts them; a day is added where midnight lies between. Nothing is computed out of
sight, so every number can still be found in the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gramwise.optimize.typed.record import Derived, Param, Values

from .assemble_arrays import Array
from .assemble_groups import Frame
from .statement import Figure, Reading, Run

_HOUR_S = 3600.0


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
    series = next((r for r in reading.runs if r.start is not None and len(r.figures) > 1), None)
    begin = _begin(series, reading) if series is not None else None
    if series is None or series.start is None or begin is None:
        array.values = [float("nan")] * len(array.values)
        return None
    closing = _closes(array.figures)
    said = tuple(v / _HOUR_S for v in array.values)
    offsets = [h - series.start + closing for h in said]
    day = (
        any(f.clock and f.value == series.start and f.value > 1 for f in reading.figures) or series.start > 1
    )
    wraps = tuple(
        1.0 if o < 0 or (o == 0 and array.symbol.relation == "at_most" and day) else 0.0 for o in offsets
    )
    array.values = [(o + 24 * w) * _HOUR_S for o, w in zip(offsets, wraps, strict=True)]
    return Clock(said, series.start, begin, wraps, closing)


def _closes(figures: Sequence[Figure]) -> bool:
    return all("end" in f.before[-4:] for f in figures)


def _begin(series: Run, reading: Reading) -> tuple[int, int] | None:
    """Characters that say when the series begins: the nearest figure of that time."""
    first = series.figures[0].start
    told = [f for f in reading.figures if f.value == series.start and (f.clock or f.unit in ("", "h"))]
    best = min(told, key=lambda f: abs(f.start - first), default=None)
    return (best.start, best.end) if best is not None else None


def clock_records(array: Array, clock: Clock, frame: Frame) -> tuple[list[Param], Derived]:
    """Parameters for what is said and the derived term that replaces the symbol; sets are of one dimension at most."""
    name, index = array.symbol.name, array.symbol.index
    binder = f"{index[0][0].lower()}" if index else ""
    at = f"[{binder}]" if binder else ""
    one = len(set(array.sources)) == 1
    params = [
        Param(
            name=f"clock_{name}",
            text=f"{array.symbol.text}, as a time of day or number of an hour",
            index=index,
            unit="h",
            values=_values(clock.said_h, index, one),
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
