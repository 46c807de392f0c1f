"""From the rows of a provider's reply to a `Series`: times with their offset, numbers checked, gaps that stay gaps.

Every provider answers with points in time; each holds for the provider's period. A point that is not there, or null, is
a step of NaN: nothing is carried forward and nothing is filled in.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from gramwise.core.errors import BadReply, DataGap
from gramwise.core.quantity import Basis, Signal
from gramwise.core.series import Series

Point = tuple[float, float]
"""Unix seconds and value; NaN where the provider has none."""


def instant_s(value: object, where: str) -> float:
    """Unix seconds of an ISO 8601 text that says its offset from UTC.

    A local time without offset is refused: on two days a year it would be wrong by an hour and nobody would see it.

    Raises:
        BadReply: no such text; ``where`` stands in the message.
    """
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadReply(f"{where}: {value!r} is no time with its offset from UTC.")
    return moment.timestamp()


def iso(time_s: float) -> str:
    """Unix seconds as ``2026-11-21T18:00:00Z``; fractions of a second are cut off."""
    return datetime.fromtimestamp(math.floor(time_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def amount(value: object, where: str) -> float:
    """A finite number that is not negative; NaN for null.

    Raises:
        BadReply: anything else.
    """
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value < math.inf:
        raise BadReply(f"{where}: {value!r} is no intensity.")
    return float(value)


def rows(reply: Mapping[str, Any], key: str, where: str) -> list[Mapping[str, Any]]:
    """The list of objects under ``key``.

    Raises:
        BadReply: there is none; names the keys there are.
    """
    found = reply.get(key)
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise BadReply(
            f"{where}: no list under {key!r}; the reply has {', '.join(sorted(reply)) or 'no key'}."
        )
    return found


def merge(points: Iterable[Point], where: str) -> list[Point]:
    """Points in order of time, each time once; pages of one answer may overlap where they agree.

    Raises:
        BadReply: two values for one time.
    """
    found: dict[float, float] = {}
    for time_s, value in points:
        known = found.setdefault(time_s, value)
        if known != value and not (math.isnan(known) and math.isnan(value)):
            raise BadReply(f"{where}: two values for {iso(time_s)}: {known:g} and {value:g}.")
    return sorted(found.items())


def steps(
    points: list[Point],
    *,
    period_s: float,
    start_s: float,
    end_s: float,
    signal: Signal,
    basis: Basis,
    source: str,
    whole: bool,
) -> Series:
    """A `Series` in g/kWh over the steps that touch ``[start_s, end_s)``.

    Args:
        points: in order, as `merge` gives them, in g/kWh.
        period_s: how long a point holds at most; what lies beyond is a gap.
        start_s, end_s: Unix seconds.
        signal, basis, source: of the series.
        whole: fill both ends with gaps, so that the series covers the interval (a history); else it goes as far as
            the points do (a forecast).

    Raises:
        DataGap: not one value inside the interval.
    """
    inside = [(t, v) for t, v in points if t < end_s and t + period_s > start_s]
    if all(math.isnan(value) for _, value in inside):
        raise DataGap(f"{source}: no value between {iso(start_s)} and {iso(end_s)}.")
    found = list(_gapped(inside, period_s))
    until_s = found[-1][0] + period_s
    if whole and inside[0][0] > start_s:
        found.insert(0, (start_s, math.nan))
    if whole and until_s < end_s:
        found.append((until_s, math.nan))
        until_s = end_s
    return Series(
        times_s=tuple(t for t, _ in found),
        values=tuple(v for _, v in found),
        end_s=until_s,
        unit="g/kWh",
        signal=signal,
        basis=basis,
        source=source,
    )


def _gapped(points: list[Point], period_s: float) -> Iterator[Point]:
    """The points, with a step of NaN wherever one ends before the next begins."""
    for (time_s, value), (next_s, _) in zip(points, [*points[1:], (math.inf, 0.0)], strict=True):
        yield time_s, value
        if time_s + period_s < next_s < math.inf:
            yield time_s + period_s, math.nan


def windows(start_s: float, end_s: float, longest_s: float) -> Iterator[tuple[float, float]]:
    """``[start_s, end_s)`` in pieces of at most ``longest_s``."""
    while start_s < end_s:
        yield start_s, min(end_s, start_s + longest_s)
        start_s += longest_s
