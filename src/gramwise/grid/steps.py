"""Steps of time as the archive keeps them: from a series to rows, and back with every hole marked."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gramwise.core.ahead import Forecast
from gramwise.core.errors import DataError, DataGap, MixedKinds
from gramwise.core.quantity import Basis, Signal
from gramwise.core.series import Series


def to_series(
    rows: Sequence[tuple[float, float, float | None]],
    start_s: float,
    end_s: float,
    signal: Signal,
    basis: Basis,
    source: str,
) -> Series:
    """Steps in order of time as a series over exactly ``[start_s, end_s)``: a hole is a step of NaN."""
    times: list[float] = []
    values: list[float] = []
    until_s = start_s
    for i, (begin, end, value) in enumerate(rows):
        # A step gives way to the next one: a provider may have turned from hours to half-hours.
        end = min(end, rows[i + 1][0], end_s) if i + 1 < len(rows) else min(end, end_s)
        begin = max(begin, start_s)
        if end <= begin:
            continue
        if begin > until_s:
            times.append(until_s)
            values.append(math.nan)
        times.append(begin)
        values.append(nan(value))
        until_s = end
    if until_s < end_s:
        times.append(until_s)
        values.append(math.nan)
    return Series(
        times_s=tuple(times),
        values=tuple(values),
        end_s=end_s,
        unit="g/kWh",
        signal=signal,
        basis=basis,
        source=source,
    )


def to_steps(series: Series) -> list[tuple[float, float, float | None]]:
    """Begin, end and value of each step, None where it is missing.

    Raises:
        MixedKinds: not in g/kWh.
        DataError: without begin or end.
    """
    if series.unit != "g/kWh":
        raise MixedKinds(f"{series.source}: is in {series.unit}; the archive holds g/kWh.")
    if not (math.isfinite(series.times_s[0]) and math.isfinite(series.end_s)):
        raise DataError(f"{series.source}: has no begin or no end and cannot be stored.")
    ends = (*series.times_s[1:], series.end_s)
    return [(a, b, null(value)) for a, b, value in zip(series.times_s, ends, series.values, strict=True)]


def null(value: float) -> float | None:
    """NaN as SQLite keeps it."""
    return None if value != value else value


def nan(value: float | None) -> float:
    """NULL as a series keeps it."""
    return math.nan if value is None else value


def clip(forecast: Forecast, start_s: float, end_s: float) -> Forecast:
    """The part of a forecast in ``[start_s, end_s)``; raises `DataGap` where it has none."""
    series = forecast.series
    ends = (*series.times_s[1:], series.end_s)
    kept = [i for i, (a, b) in enumerate(zip(series.times_s, ends, strict=True)) if a < end_s and b > start_s]
    if not kept:
        raise DataGap(
            f"{series.source}: the forecast of {forecast.zone} reaches from {series.times_s[0]:.0f} to "
            f"{series.end_s:.0f}, not into [{start_s:.0f}, {end_s:.0f})."
        )
    first, last = kept[0], kept[-1] + 1
    return Forecast(
        zone=forecast.zone,
        issued_s=forecast.issued_s,
        series=Series(
            times_s=(max(series.times_s[first], start_s), *series.times_s[first + 1 : last]),
            values=series.values[first:last],
            end_s=min(ends[last - 1], end_s),
            unit=series.unit,
            signal=series.signal,
            basis=series.basis,
            source=series.source,
        ),
        low=forecast.low[first:last] if forecast.low is not None else None,
        high=forecast.high[first:last] if forecast.high is not None else None,
        coverage_frac=forecast.coverage_frac,
    )
