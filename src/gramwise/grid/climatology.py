"""What is usual: the mean of a zone by hour of the day, kind of day and time of the year, from stored history.

The last forecast of all, for when nobody else says anything. It needs a past to be usual in: where a cell has seen
fewer than `MIN_SEEN` values, it says unknown.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gramwise.core.ahead import Forecast
from gramwise.core.errors import DataGap
from gramwise.core.protocols import IntensitySource
from gramwise.core.series import Series
from gramwise.core.units import S_PER_DAY, S_PER_HOUR

if TYPE_CHECKING:
    import numpy.typing as npt

    from gramwise.core.decision import Floats, Ints

    Bools = npt.NDArray[np.bool_]

MIN_SEEN = 4
"""Values that a cell needs: two weeks of hours hold four of each weekend cell. Our own choice."""

_HOURS, _MONTHS = 24, 12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Usual:
    """Mean and interval at H moments, g/kWh, each of shape (H,); NaN where unknown."""

    mean: Floats
    low: Floats
    high: Floats


def usual(
    times_s: Floats,
    values: Floats,
    at_s: Floats,
    *,
    coverage_frac: float = 0.8,
    tz_offset_hours: float = 0.0,
) -> Usual:
    """The usual intensity at given moments.

    A cell is one hour of the day, of working days (Monday to Friday) or of weekends, in the month asked for and the
    months beside it, of any year. Its mean is the answer. The interval comes from quantiles of surprises: what each
    value of the cell, and of the cells an hour before and after, was off the mean of those before it. Surprises are
    out of sample, so a drift of the grid widens the interval; a jump that was never seen is not in it. With a first
    year of thirteen zones, day by day from March on, 80 % intervals held 67 to 79 % of hours: too narrow while the
    past is short.

    Args:
        times_s: begin of each step, Unix seconds, increasing, (T,).
        values: g/kWh, (T,); NaN is missing and does not count.
        at_s: moments asked for, Unix seconds, (H,).
        coverage_frac: share of outcomes that the interval is meant to hold.
        tz_offset_hours: of local time from UTC: people's habits follow their own clock.

    Returns:
        NaN for moments whose cell holds fewer than `MIN_SEEN` values.
    """
    seen = np.isfinite(values)
    hour, weekend, month = _calendar(times_s[seen], tz_offset_hours)
    known = values[seen]
    hour_at, weekend_at, month_at = _calendar(at_s, tz_offset_hours)
    mean, low, high = (np.full(len(at_s), math.nan) for _ in range(3))
    for now in np.unique(month_at):
        apart = (month - now) % _MONTHS
        near = (apart <= 1) | (apart == _MONTHS - 1)
        for rest in (False, True):
            kept = near & (weekend == rest)
            asked = (month_at == now) & (weekend_at == rest)
            cells = _day(hour[kept], known[kept], np.unique(hour_at[asked]), coverage_frac)
            for target, of_day in zip((mean, low, high), cells, strict=True):
                target[asked] = of_day[hour_at[asked]]
    return Usual(mean=mean, low=low, high=high)


def _day(hour: Ints, values: Floats, wanted: Ints, coverage_frac: float) -> tuple[Floats, Floats, Floats]:
    """Mean and interval of the wanted hours of a day, each (24,), from values of one kind of day in order of time."""
    mean, low, high = (np.full(_HOURS, math.nan) for _ in range(3))
    of_hour = [values[hour == h] for h in range(_HOURS)]
    surprises = [_surprises(seen) for seen in of_hour]
    tail = (1 - coverage_frac) / 2
    for h in wanted:
        if len(of_hour[h]) < MIN_SEEN:
            continue
        mean[h] = of_hour[h].mean()
        near = np.concatenate([surprises[k % _HOURS] for k in (h - 1, h, h + 1)])
        # Weibull's rule, rank / (n + 1), is the one whose quantiles hold a next value as often as they say.
        below, above = np.quantile(near, [tail, 1 - tail], method="weibull")
        # Intensities are not negative, and where all surprises were upwards the mean itself is the low end.
        low[h], high[h] = max(0.0, mean[h] + min(below, 0.0)), mean[h] + max(above, 0.0)
    return mean, low, high


def _surprises(values: Floats) -> Floats:
    """Each value but the first ones less the mean of all values before it, (n - 2,)."""
    before = np.cumsum(values)[:-1] / np.arange(1, max(len(values), 1))
    return (values[1:] - before)[1:]


def _calendar(times_s: Floats, tz_offset_hours: float) -> tuple[Ints, Bools, Ints]:
    """Hour of the day 0 to 23, whether it is weekend, and month 0 to 11, each of the shape of ``times_s``."""
    local_s = np.floor(times_s + tz_offset_hours * S_PER_HOUR).astype(np.int64)
    days = local_s // int(S_PER_DAY)
    hour = local_s % int(S_PER_DAY) // int(S_PER_HOUR)
    weekend = (days + 3) % 7 >= 5  # day 0 was a Thursday
    month = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % _MONTHS
    return hour, weekend, month


class Climatology:
    """A `ForecastSource` that foresees the usual, from the history of an `IntensitySource`.

    Args:
        source: its past; an archive's is best, since it says NaN where it has nothing.
        days: how much of the past is read: a year and the months beside it.
        coverage_frac, tz_offset_hours: see `usual`.
    """

    name = "climatology"

    def __init__(
        self,
        source: IntensitySource,
        *,
        days: float = 400.0,
        coverage_frac: float = 0.8,
        tz_offset_hours: float = 0.0,
    ) -> None:
        self._source, self._days = source, days
        self._coverage_frac, self._tz_offset_hours = coverage_frac, tz_offset_hours

    def forecast(self, zone: str, start_s: float, end_s: float, issued_s: float) -> Forecast:
        """The usual, hour by hour over ``[start_s, end_s)``, from what was observed before ``issued_s``.

        Raises:
            DataGap: too little was observed for any hour of the interval; whatever the source raises.
        """
        history = self._source.history(zone, issued_s - self._days * S_PER_DAY, issued_s)
        times, values = _hourly(history)
        starts = np.arange(start_s // S_PER_HOUR * S_PER_HOUR, end_s, S_PER_HOUR)
        found = usual(
            times,
            values,
            starts,
            coverage_frac=self._coverage_frac,
            tz_offset_hours=self._tz_offset_hours,
        )
        if not np.isfinite(found.mean).any():
            raise DataGap(
                f"{zone}: too little is stored of these hours, days and months to know what is usual "
                f"(fewer than {MIN_SEEN} values each)."
            )
        starts[0] = max(starts[0], start_s)
        return Forecast(
            zone=zone,
            issued_s=issued_s,
            series=Series(
                times_s=tuple(starts.tolist()),
                values=tuple(found.mean.tolist()),
                end_s=end_s,
                unit="g/kWh",
                signal=history.signal,
                basis=history.basis,
                source=f"usual for the hour, kind of day and month, from {history.source}",
            ),
            low=tuple(found.low.tolist()),
            high=tuple(found.high.tolist()),
            coverage_frac=self._coverage_frac,
        )


def _hourly(series: Series) -> tuple[Floats, Floats]:
    """Steps of at most an hour: a mean of a day or of a year says nothing of its hours."""
    times = np.array(series.times_s)
    length = np.diff(np.append(times, series.end_s))
    kept = length <= S_PER_HOUR
    return times[kept], np.array(series.values)[kept]
