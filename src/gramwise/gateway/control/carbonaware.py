"""The routes of the Carbon Aware SDK over gramwise's intensities: same names and fields, and four added fields.

Its shapes lack what makes two numbers comparable, so every value also says ``signal``, ``unit``, ``provider`` and
``estimated`` (null where the provider does not tell). Source of names, fields and defaults: Green Software Foundation,
carbon-aware-sdk, CarbonAware.WebApi (controllers and models), as of 2023 to 2026.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from gramwise.core.clock import Clock
from gramwise.core.errors import DataGap, did_you_mean
from gramwise.core.series import Series
from gramwise.core.units import S_PER_DAY, S_PER_HOUR

from .faults import Fault
from .views import Foreseen, GridView

LONGEST_S = 32 * S_PER_DAY
"""Of one question for rows."""
LONGEST_MEAN_S = 366 * S_PER_DAY
HORIZON_S = 4 * S_PER_DAY
MOST_LOCATIONS, MOST_IN_BATCH, LONGEST_WINDOW_MIN = 50, 100, 7 * 24 * 60
_MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class CarbonAware:
    """Answers the questions; times are Unix seconds, None where the client left them out.

    Args:
        grid: who knows intensities.
        clock: for now.
    """

    grid: GridView
    clock: Clock

    def emissions(
        self, locations: Sequence[str], time_s: float | None, to_s: float | None
    ) -> list[dict[str, Any]]:
        """What was observed: over the span, or the step in force at ``time_s``, by default now.

        Raises:
            Fault: 400, a location that is not known, or a span that is none or too long.
        """
        now_s = self.clock.now_s()
        start_s = now_s if time_s is None else time_s
        end_s = start_s if to_s is None else to_s
        _check_span(start_s, end_s, LONGEST_S)
        rows: list[dict[str, Any]] = []
        for zone in self._checked(locations):
            try:
                seen = self.grid.history(zone, start_s, max(end_s, start_s + 1.0))
            except DataGap:
                continue
            said = {
                "signal": seen.series.signal,
                "unit": seen.series.unit,
                "provider": seen.provider,
                "estimated": seen.estimated,
            }
            for begin_s, length_s, value in _steps(seen.series, start_s, max(end_s, start_s + 1.0)):
                head = {"location": zone, "time": iso(begin_s), "rating": value, "duration": span(length_s)}
                rows.append({**head, **said})
        return rows

    def best(
        self, locations: Sequence[str], time_s: float | None, to_s: float | None
    ) -> list[dict[str, Any]]:
        """Of `emissions`, the rows with the lowest rating; only rows of one signal can be compared.

        Raises:
            Fault: as `emissions`; 409 where the locations have different signals.
        """
        rows = self.emissions(locations, time_s, to_s)
        if len({row["signal"] for row in rows}) > 1:
            raise Fault(
                409, "these locations have average and marginal intensities, which cannot be compared."
            )
        least = min((row["rating"] for row in rows), default=math.nan)
        return [row for row in rows if row["rating"] == least]

    def mean(self, location: str, start_s: float, end_s: float) -> dict[str, Any]:
        """The time-weighted mean over a span.

        Raises:
            Fault: 400 as above; 404 where a part of the span is not known: a mean of the rest is another number.
        """
        if not start_s < end_s:
            raise Fault(400, "endTime: a span ends after it begins.")
        _check_span(start_s, end_s, LONGEST_MEAN_S)
        (zone,) = self._checked([location])
        seen = self.grid.history(zone, start_s, end_s)
        return {
            "location": zone,
            "startTime": iso(start_s),
            "endTime": iso(end_s),
            "carbonIntensity": seen.series.mean(start_s, end_s),
            "signal": seen.series.signal,
            "unit": seen.series.unit,
            "provider": seen.provider,
            "estimated": seen.estimated,
        }

    def forecast(
        self,
        location: str,
        start_s: float | None,
        end_s: float | None,
        window_min: int | None,
        requested_s: float | None = None,
    ) -> dict[str, Any]:
        """The forecast as it was known at ``requested_s``, in means over windows, with the lowest of them.

        Args:
            location: a zone.
            start_s, end_s: of the data; by default all that the forecast has from the moment of the question on.
            window_min: minutes of the workload; by default one step of the forecast.
            requested_s: a moment of the past; None for now.

        Raises:
            Fault: 400 as above; 404 where the forecast does not reach there; 501 where nobody foresees.
        """
        at_s = self.clock.now_s() if requested_s is None else requested_s
        if at_s > self.clock.now_s() + _MINUTE_S:
            raise Fault(400, "requestedAt: this moment has not come yet.")
        from_s = at_s if start_s is None else start_s
        to_s = from_s + HORIZON_S if end_s is None else end_s
        if not from_s < to_s:
            raise Fault(400, "dataEndAt: the data ends after it begins.")
        _check_span(from_s, to_s, LONGEST_S)
        (zone,) = self._checked([location])
        found = self.grid.forecast(zone, from_s, to_s, at_s)
        series = found.forecast.series
        step_s = (*series.times_s[1:], series.end_s)[0] - series.times_s[0]
        window_s = step_s if window_min is None else window_min * _MINUTE_S
        points = list(_windows(zone, found, from_s, to_s, window_s))
        least = min((point["value"] for point in points), default=math.nan)
        return {
            "generatedAt": iso(found.forecast.issued_s),
            "requestedAt": iso(at_s),
            "location": zone,
            "dataStartAt": iso(from_s if start_s is not None else max(from_s, series.times_s[0])),
            "dataEndAt": iso(to_s if end_s is not None else min(to_s, series.end_s)),
            "windowSize": round(window_s / _MINUTE_S),
            "optimalDataPoints": [point for point in points if point["value"] == least],
            "forecastData": points,
            **_kind(found),
        }

    def locations(self) -> dict[str, Any]:
        """Every zone that may be asked about; where it lies is not known here."""
        return {
            zone: {"name": zone, "latitude": None, "longitude": None}
            for zone in sorted(self.grid.locations())
        }

    def _checked(self, locations: Sequence[str]) -> list[str]:
        """The locations, each once, all known: a client may not make the gateway ask providers about anything else."""
        known = {zone.lower(): zone for zone in self.grid.locations()}
        for name in locations:
            if name.lower() not in known:
                raise Fault(
                    400, f"location: {name[:40]!r} is not known. {did_you_mean(name, known.values())}".strip()
                )
        return list(dict.fromkeys(known[name.lower()] for name in locations))


def _windows(
    zone: str, found: Foreseen, from_s: float, to_s: float, window_s: float
) -> Iterator[dict[str, Any]]:
    """The mean of each window that begins with a step and lies in the data and in the forecast as a whole."""
    series = found.forecast.series
    for begin_s in (max(t, from_s) for t in series.times_s if t < to_s):
        if begin_s + window_s > min(to_s, series.end_s):
            continue
        try:
            value = series.mean(begin_s, begin_s + window_s)
        except DataGap:
            continue
        head = {"location": zone, "timestamp": iso(begin_s), "duration": round(window_s / _MINUTE_S)}
        yield {**head, "value": value, **_kind(found)}


def _kind(found: Foreseen) -> dict[str, Any]:
    series = found.forecast.series
    return {"signal": series.signal, "unit": series.unit, "provider": found.provider, "estimated": True}


def _steps(series: Series, start_s: float, end_s: float) -> Iterator[tuple[float, float, float]]:
    """Begin, length and value of the steps that reach into a span; what is missing is left out."""
    ends = (*series.times_s[1:], series.end_s)
    for begin, end, value in zip(series.times_s, ends, series.values, strict=True):
        if value == value and begin < end_s and end > start_s:
            if (
                end - begin > S_PER_DAY
            ):  # a mean of a year is told as the whole hours of it that were asked about
                begin = max(begin, start_s // S_PER_HOUR * S_PER_HOUR)
                end = min(end, -(-end_s // S_PER_HOUR) * S_PER_HOUR)
            yield begin, end - begin, value


def _check_span(start_s: float, end_s: float, longest_s: float) -> None:
    if end_s < start_s:
        raise Fault(400, "toTime: a span ends after it begins.")
    if end_s - start_s > longest_s:
        raise Fault(400, f"toTime: at most {longest_s / S_PER_DAY:.0f} days are told at once.")


def iso(time_s: float) -> str:
    """As the SDK writes a time: ``2026-11-21T18:00:00+00:00``."""
    return datetime.fromtimestamp(round(time_s), UTC).isoformat()


def span(length_s: float) -> str:
    """As .NET writes a span of time: ``00:30:00``, or ``1.06:00:00`` with a day."""
    length = timedelta(seconds=round(length_s))
    hours, rest = divmod(length.seconds, 3600)
    days = f"{length.days}." if length.days else ""
    return f"{days}{hours:02d}:{rest // 60:02d}:{rest % 60:02d}"


def seconds(told: datetime | None, name: str) -> float | None:
    """`moment` of a time that may be left out."""
    return None if told is None else moment(told, name)


def moment(told: datetime, name: str) -> float:
    """Unix seconds of a time; one without an offset is taken as UTC, as the SDK in a container takes it.

    Raises:
        Fault: 400, before 2000 or after 2100: there is nothing to be known.
    """
    if not 2000 <= told.year < 2100:
        raise Fault(400, f"{name}: nothing is known of the year {told.year}.")
    return (told if told.tzinfo is not None else told.replace(tzinfo=UTC)).timestamp()
