"""For those who add a source of forecasts or a way to forecast: the checks of the contracts, to run on your own.

Each raises AssertionError with a sentence that says what the contract wants; they need no test runner.
"""

from __future__ import annotations

import math
from typing import get_args

import numpy as np

from gramwise.core.errors import ConfigError
from gramwise.core.protocols import ForecastSource
from gramwise.core.quantity import Basis, Signal

from .forecasts.past import Past
from .forecasts.rolling import Method, rolling_forecast

_START_S = 1_654_041_600.0
"""1 June 2022 (UTC), a whole hour."""


def check_forecast(
    source: ForecastSource, zone: str, *, issued_s: float, start_s: float, end_s: float
) -> None:
    """Check a source against `gramwise.core.protocols.ForecastSource`.

    Args:
        source: the one to check.
        zone: one that it foresees.
        issued_s: moment at which it has a forecast, Unix seconds.
        start_s, end_s: interval that the forecast covers at least in part.

    Raises:
        AssertionError: what the contract wants.
    """
    made = source.forecast(zone, start_s, end_s, issued_s)
    series = made.series
    assert made.zone == zone, f"a forecast names its zone: {zone}, not {made.zone}."
    assert made.issued_s <= issued_s, "a forecast issued after the moment asked for is a look ahead."
    assert series.unit == "g/kWh", f"{zone}: unit is 'g/kWh', not {series.unit!r}; convert where you read it."
    assert series.signal in get_args(Signal), f"{zone}: signal is one of {get_args(Signal)}."
    assert series.basis in get_args(Basis), f"{zone}: basis is one of {get_args(Basis)}."
    assert series.times_s[0] < end_s, f"{zone}: the forecast begins after the interval asked for."
    assert series.end_s > start_s, f"{zone}: the forecast ends before the interval asked for."
    known = [value for value in series.values if not math.isnan(value)]
    assert known, f"{zone}: every value is missing; raise DataGap instead."
    assert all(math.isfinite(value) for value in known), f"{zone}: what is foreseen is finite."
    if made.low is not None and made.high is not None:
        assert made.coverage_frac is not None, "an interval says which share of outcomes it is meant to hold."
        ends = zip(made.low, series.values, made.high, strict=True)
        assert all(math.isnan(v) or low <= v <= high for low, v, high in ends), (
            f"{zone}: the expected value lies in its interval."
        )
    again = source.forecast(zone, start_s, end_s, issued_s)
    assert repr(again.series) == repr(series), f"{zone}: asked twice, the source gave two forecasts."
    try:
        source.forecast("no-such-zone", start_s, end_s, issued_s)
    except ConfigError:
        return
    raise AssertionError("an unknown zone raises ConfigError that names it; it never gets a forecast.")


def check_forecaster(method: Method) -> None:
    """Check a way to forecast against `gramwise.grid.forecasts.rolling.Method`.

    Asked are forty days of an invented record: a row an hour and a column a lead; nothing of an hour's own value or of
    later ones in its row; the same twice; a flat record foreseen as it is; a gap that does not silence what follows.

    Raises:
        AssertionError: what the contract wants.
    """
    assert method.name, "a method has a name: it stands in forecasts and tables."
    hours = np.arange(40 * 24)
    noise = np.random.default_rng(0).normal(0.0, 10.0, len(hours))
    values = 300.0 + 80.0 * np.sin(2.0 * math.pi * hours / 24.0) + noise
    rows = method.means(Past.of(values, _START_S), 24)
    assert rows.shape == (len(hours), 24), f"{method.name}: a row an hour, a column a lead."
    made = rolling_forecast(values, _START_S, method=method, horizon=24).mean
    assert np.isfinite(made[24:]).all(), f"{method.name}: after a day of record it has something to say."
    for cut in (30, 400, 900):
        other = values.copy()
        other[cut:] = 1e4
        changed = rolling_forecast(other, _START_S, method=method, horizon=24).mean
        assert np.array_equal(changed[: cut + 1], made[: cut + 1], equal_nan=True), (
            f"{method.name}: the row of hour {cut} or one before it knows what came at hour {cut} or later."
        )
    again = rolling_forecast(values, _START_S, method=method, horizon=24).mean
    assert np.array_equal(again, made, equal_nan=True), f"{method.name}: the same record, two forecasts."
    flat = rolling_forecast(np.full(len(hours), 120.0), _START_S, method=method, horizon=24).mean
    assert np.allclose(flat[24:], 120.0), f"{method.name}: a flat record goes on flat."
    holed = values.copy()
    holed[500:503] = np.nan
    after = rolling_forecast(holed, _START_S, method=method, horizon=24).mean
    assert np.isfinite(after[24:]).all(), f"{method.name}: three missing hours silence it."
