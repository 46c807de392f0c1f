"""What is foreseen for a job that may wait, and what the same foresight was worth on past days.

Each past day is asked at the same time of day, with the forecast as it was (or would have been) issued then, and held
against the hours that came true. Nothing that was known later enters an advice.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gramwise.core.errors import ConfigError, DataError, DataGap, MixedKinds, SourceUnavailable
from gramwise.core.units import S_PER_HOUR
from gramwise.grid.forecasts import Record, hourly, rolling_forecast

if TYPE_CHECKING:
    from gramwise.core.decision import Floats
    from gramwise.core.protocols import ForecastSource, IntensitySource
    from gramwise.core.series import Series

METHOD = "regression"
LEARNING_DAYS = 60
"""Stored days before the first one that is tested, for the forecast to learn from."""
LONGEST_H = 168
_DAY_H = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to run: ``hours`` long, done ``within`` hours from now, which is ``into_h`` hours after a whole hour."""

    hours: float
    within: float
    into_h: float

    @property
    def horizon_h(self) -> int:
        """Whole hours that must be foreseen, the running one included."""
        return math.ceil(self.into_h + self.within)

    def starts(self) -> Floats:
        """Hours after the running hour began at which the job may start: now, and each whole hour that leaves time."""
        last = self.into_h + self.within - self.hours
        edges = np.arange(1, math.floor(last + 1e-9) + 1, dtype=np.float64)
        return np.concatenate([[self.into_h], edges[edges > self.into_h]])

    def means(self, intensity: Floats) -> Floats:
        """Mean intensity over the job for each start, by exact integration of hourly steps; one per `starts`."""
        total = np.concatenate([[0.0], np.cumsum(intensity)])
        edges = np.arange(len(total), dtype=np.float64)
        starts = self.starts()
        grams = np.interp(starts + self.hours, edges, total) - np.interp(starts, edges, total)
        means: Floats = grams / self.hours
        return means


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """One past day: which start was advised, what saving was foreseen and what came true, both as shares of now."""

    start: int
    foreseen_frac: float
    realised_frac: float


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """What is foreseen now, and how what was foreseen on earlier days came true.

    Attributes:
        ahead: expected intensity of the running hour and those after it, (horizon,), g/kWh.
        tested: one entry a past day, the newest first.
        series: what the source gave, for its kind and name.
        foreseen_by, tested_by: names of the forecasts of now and of the past days; None where no day could be tested.
    """

    ahead: Floats
    tested: tuple[Tested, ...]
    series: Series
    foreseen_by: str
    tested_by: str | None


def job_of(hours: float, within: float, now_s: float) -> Job:
    """The job, if there is time for it.

    Raises:
        ConfigError: it runs no time, does not fit into the window, or the window is longer than anybody foresees.
    """
    if not 0 < hours < math.inf:
        raise ConfigError(f"a job cannot run {hours:g} hours.", key="hours", fix="Write a number above 0.")
    if not hours <= within:
        raise ConfigError(
            f"{hours:g} hours do not fit within {within:g}.", key="within", fix=f"Write {hours:g} or more."
        )
    if within > LONGEST_H:
        raise ConfigError(
            f"nobody foresees a grid {within:g} hours ahead.", key="within", fix=f"Write {LONGEST_H} or less."
        )
    return Job(hours=hours, within=within, into_h=now_s % S_PER_HOUR / S_PER_HOUR)


def look(
    zone: str,
    job: Job,
    source: IntensitySource,
    forecast: ForecastSource | None,
    now_s: float,
    past_days: int,
    tz_offset_hours: float,
) -> Outlook:
    """Today's forecast and the tests of earlier ones.

    Args:
        zone, job, now_s: what is asked, where and when.
        source: of past intensities.
        forecast: of somebody else, or None for our own.
        past_days: days to test; those without a forecast as issued, or with a gap in what came true, are left out.
        tz_offset_hours: of local time against UTC.

    Raises:
        ConfigError, DataGap, MixedKinds, SourceUnavailable: as `gramwise.runtime.when.when_document`.
    """
    spans = sorted({past_days + LEARNING_DAYS, LEARNING_DAYS, 28, 14, 8, 2}, reverse=True)
    record = Record.until(source, zone, now_s, spans)
    if record.age_h > _DAY_H:
        raise DataGap(
            f"{record.series.source}: no value of {zone} in the last {_DAY_H} hours: a gap in the data"
        )
    ours = Ours(record, job, tz_offset_hours)
    if forecast is None:
        foreseers: list[Ours | Theirs] = [ours]
    else:
        foreseers = [Theirs(forecast, zone, record, job), ours]
    ahead = foreseers[0].row(len(record.values))
    foreseen_by = foreseers[0].name
    for foreseer in foreseers:
        tested = tuple(_tested(job, record, foreseer, past_days))
        if tested:
            return Outlook(ahead, tested, record.series, foreseen_by, foreseer.name)
    return Outlook(ahead, (), record.series, foreseen_by, None)


class Ours:
    """The regression, issued at the start of any hour of the record."""

    def __init__(self, record: Record, job: Job, tz_offset_hours: float) -> None:
        self.name = f"own forecast ({METHOD}) from {record.series.source}"
        self._mean = rolling_forecast(
            record.with_next(),
            record.start_s,
            method=METHOD,
            horizon=job.horizon_h,
            tz_offset_hours=tz_offset_hours,
        ).mean

    def row(self, hour: int) -> Floats:
        """What was expected of the hours from ``hour`` on, (horizon,)."""
        row: Floats = self._mean[hour]
        return row


class Theirs:
    """Somebody else's forecasts, as they were issued at this time of day."""

    def __init__(self, forecast: ForecastSource, zone: str, record: Record, job: Job) -> None:
        self.name = "provider"
        self._forecast, self._zone, self._record, self._job = forecast, zone, record, job

    def row(self, hour: int) -> Floats:
        """What was expected of the hours from ``hour`` on, (horizon,).

        Raises:
            DataGap: it does not reach the end of the window.
            DataError: it was issued later than it may be used.
            MixedKinds: it is of another kind than the record.
            SourceUnavailable: nothing was issued by then.
        """
        record, job = self._record, self._job
        start_s = record.start_s + S_PER_HOUR * hour
        end_s = start_s + S_PER_HOUR * job.horizon_h
        issued_s = start_s + S_PER_HOUR * job.into_h
        made = self._forecast.forecast(self._zone, start_s, end_s, issued_s)
        self.name = made.series.source
        if made.issued_s > issued_s:
            raise DataError(
                f"{self.name}: answered with a forecast that was issued after the moment asked about"
            )
        if (made.series.signal, made.series.basis) != (record.series.signal, record.series.basis):
            raise MixedKinds(
                f"the forecast is {made.series.signal} and {made.series.basis}, the record "
                f"{record.series.signal} and {record.series.basis}: a saving between the two means nothing."
            )
        row = hourly(made.series, start_s, job.horizon_h)
        if np.isnan(row[0]) and hour > 0:
            row[0] = record.values[
                hour - 1
            ]  # many begin with the next hour; the running one is like the last
        if np.isnan(row).any():
            reach_h = max(0.0, (made.series.end_s - start_s) / S_PER_HOUR - job.into_h)
            raise DataGap(
                f"{self.name}: the forecast has a gap or ends after {reach_h:.0f} hours, before the window of "
                f"{job.within:g} does. Write a smaller --within."
            )
        return row


def _tested(job: Job, record: Record, foreseer: Ours | Theirs, past_days: int) -> Iterator[Tested]:
    """The same advice on past days, where a forecast was issued and all of what came true is known."""
    now = len(record.values)
    for hour in range(now - _DAY_H, max(0, now - _DAY_H * past_days) - 1, -_DAY_H):
        came = record.values[hour : hour + job.horizon_h]
        if len(came) < job.horizon_h or np.isnan(came).any():
            continue
        try:
            foreseen = job.means(foreseer.row(hour))
        except (DataError, SourceUnavailable):
            continue
        true = job.means(came)
        if np.isnan(foreseen).any() or foreseen[0] <= 0 or true[0] <= 0:
            continue
        best = int(np.argmin(foreseen))
        yield Tested(
            start=best,
            foreseen_frac=float(1 - foreseen[best] / foreseen[0]),
            realised_frac=float(1 - true[best] / true[0]),
        )
