"""Our own forecast for live use: history from any source of intensity, and a method from this package."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gramwise.core.ahead import Forecast
from gramwise.core.errors import ConfigError, DataGap, SourceUnavailable
from gramwise.core.series import Series
from gramwise.core.units import S_PER_DAY, S_PER_HOUR

from .past import DAY
from .rolling import Method, Rolling, find, rolling_forecast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gramwise.core.decision import Floats
    from gramwise.core.protocols import IntensitySource

HISTORY_DAYS = (60, 28, 14, 8, 2)
"""How far back to ask, the longest first: a source that does not go back so far is asked for less."""
OLDEST_H = DAY
"""A forecast that stands on nothing newer than this is not made."""


def hourly(series: Series, start_s: float, hours: int) -> Floats:
    """Hourly means of a series, (hours,), from ``start_s``; NaN where any part of the hour is missing or outside.

    Steps shorter than an hour are averaged by their length, longer ones repeated.
    """
    values = np.full(hours, np.nan)
    for hour in range(hours):
        begin = start_s + hour * S_PER_HOUR
        try:
            values[hour] = series.mean(begin, begin + S_PER_HOUR)
        except DataGap:
            continue
    return values


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """Whole hours of a zone that lie before a moment.

    Attributes:
        values: hourly means, (T,), g/kWh; NaN is a gap.
        start_s: begin of the first hour, Unix seconds.
        series: what the source gave.
    """

    values: Floats
    start_s: float
    series: Series

    @classmethod
    def until(cls, source: IntensitySource, zone: str, now_s: float, days: Sequence[int]) -> Record:
        """What ``source`` knows before the hour that is running at ``now_s``.

        Args:
            days: how far back to ask; the first that the source can answer is taken.

        Raises:
            ConfigError, DataGap, SourceUnavailable: the source's own, for the last of ``days``.
        """
        end_s = math.floor(now_s / S_PER_HOUR) * S_PER_HOUR
        series = _longest(source, zone, end_s, days)
        first_s = max(series.times_s[0], end_s - max(days) * S_PER_DAY)
        start_s = math.ceil(first_s / S_PER_HOUR) * S_PER_HOUR
        hours = round((end_s - start_s) / S_PER_HOUR)
        if hours < 1:
            raise DataGap(f"{series.source}: not one whole hour of {zone} is known before now")
        return cls(hourly(series, start_s, hours), start_s, series)

    @property
    def end_s(self) -> float:
        """End of the last hour: where forecasts begin."""
        return self.start_s + S_PER_HOUR * len(self.values)

    @property
    def age_h(self) -> float:
        """Hours from the begin of the newest known hour to the end; infinite where none is known."""
        known = np.flatnonzero(~np.isnan(self.values))
        return float(len(self.values) - known[-1]) if len(known) else math.inf

    def with_next(self) -> Floats:
        """The values and one unknown hour: the row of a rolling forecast for it is the newest forecast, (T+1,)."""
        return np.append(self.values, np.nan)


def _longest(source: IntensitySource, zone: str, end_s: float, days: Sequence[int]) -> Series:
    for span in days[:-1]:
        try:
            return source.history(zone, end_s - span * S_PER_DAY, end_s)
        except (DataGap, ConfigError):  # a trace without the year before calls it a matter of what was asked
            continue
    return source.history(zone, end_s - days[-1] * S_PER_DAY, end_s)


class OwnForecast:
    """A `ForecastSource` that foresees from what an `IntensitySource` has seen.

    It keeps no store: the same history and issue time give the same forecast. Nothing at or after the whole hour of
    ``issued_s`` is asked for, so a back-test of it does not look ahead.

    Args:
        source: of the history; the forecast is of its kind (signal, basis).
        method: a name, or an object of one's own.
        horizon_h: hours to foresee.
        coverage_frac: share of outcomes that the interval shall hold.
        tz_offset_hours: of local time against UTC, for the weekend.

    Raises:
        ConfigError: no such method.
    """

    def __init__(
        self,
        source: IntensitySource,
        method: str | Method = "regression",
        *,
        horizon_h: int = 24,
        coverage_frac: float = 0.8,
        tz_offset_hours: float = 0.0,
    ) -> None:
        self._source = source
        self._method = find(method) if isinstance(method, str) else method
        self._horizon_h, self._coverage_frac = horizon_h, coverage_frac
        self._tz_offset_hours = tz_offset_hours

    @property
    def name(self) -> str:
        """The method's name."""
        return self._method.name

    def forecast(self, zone: str, start_s: float, end_s: float, issued_s: float) -> Forecast:
        """What is expected at ``issued_s`` over ``[start_s, end_s)``, as far as the horizon goes, in hourly steps.

        The steps begin with the hour that is running at ``issued_s``. Without a week of past errors there is no
        interval.

        Raises:
            ConfigError: no such zone.
            DataGap: the source has nothing, or nothing newer than a day.
            SourceUnavailable: the source cannot be reached, or the horizon ends before ``start_s``.
        """
        record = Record.until(self._source, zone, issued_s, HISTORY_DAYS)
        if record.age_h > OLDEST_H:
            raise DataGap(
                f"{record.series.source}: no value of {zone} in the {OLDEST_H} hours before the forecast, "
                "so there is nothing to foresee from"
            )
        rolling = rolling_forecast(
            record.with_next(),
            record.start_s,
            method=self._method,
            horizon=self._horizon_h,
            coverage_frac=self._coverage_frac,
            tz_offset_hours=self._tz_offset_hours,
        )
        return self._cut(zone, rolling, record, (start_s, end_s), issued_s)

    def _cut(
        self, zone: str, rolling: Rolling, record: Record, span_s: tuple[float, float], issued_s: float
    ) -> Forecast:
        """The steps of the newest row that touch the span."""
        past, begins_s = record.series, record.end_s + S_PER_HOUR * np.arange(self._horizon_h)
        mean, low, high = rolling.mean[-1], rolling.low[-1], rolling.high[-1]
        wanted = (begins_s + S_PER_HOUR > span_s[0]) & (begins_s < span_s[1]) & ~np.isnan(mean)
        if not wanted.any():
            raise SourceUnavailable(
                f"own forecast ({self.name}): it reaches {self._horizon_h} hours from the hour of issue, and none of "
                "them is in the span asked for"
            )
        times_s = begins_s[wanted]
        bounded = not np.isnan(low[wanted]).any()
        return Forecast(
            zone=zone,
            issued_s=issued_s,
            series=Series(
                times_s=tuple(times_s.tolist()),
                values=tuple(mean[wanted].tolist()),
                end_s=float(times_s[-1] + S_PER_HOUR),
                unit=past.unit,
                signal=past.signal,
                basis=past.basis,
                source=f"own forecast ({self.name}) from {past.source}",
            ),
            low=tuple(low[wanted].tolist()) if bounded else None,
            high=tuple(high[wanted].tolist()) if bounded else None,
            coverage_frac=self._coverage_frac if bounded else None,
        )
