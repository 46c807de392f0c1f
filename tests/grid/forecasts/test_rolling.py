"""Forecasts by rolling origin: no look-ahead, gaps, youth, intervals, and what they must reach on real traces."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from gramwise.core.errors import ConfigError
from gramwise.grid.forecasts import Rolling, rolling_forecast, score

Floats = npt.NDArray[np.float64]
METHODS = ("persistence", "seasonal-naive", "regression")
LIFECYCLE = ["BE", "BR-CS", "CA-ON", "CA-QC", "CH", "DE", "ES", "FI", "FR", "GB", "IT-NO", "NL", "PL"]
DIRECT = [f"US-{name}" for name in ("AZPS", "BPAT", "CISO", "ERCO", "MISO", "NYIS", "PJM", "SOCO")]
START_S = 1640995200.0  # 2022-01-01T00:00Z
TRACES = Path(os.environ.get("GRAMWISE_TRACES", Path(__file__).parents[3] / "../shared/data/traces"))


def weather(days: int, seed: int = 1) -> Floats:
    """A made-up grid: day, weekend and slow weather."""
    rng = np.random.default_rng(seed)
    hours = np.arange(days * 24)
    slow = np.zeros(len(hours))
    for t in range(1, len(hours)):
        slow[t] = 0.97 * slow[t - 1] + rng.normal(0, 8)
    weekend = ((hours // 24 + 5) % 7 >= 5) * -40.0
    values: Floats = 300 + 60 * np.sin(2 * np.pi * hours / 24) + weekend + slow
    return values


def trace(zone: str) -> Floats:
    """A year of a zone, or a skip with the reason."""
    file = TRACES / f"{zone}_2022.csv"
    if not file.exists():
        pytest.skip(f"no trace {file.name} (set GRAMWISE_TRACES to a directory of traces)")
    column = "direct_g_per_kwh" if zone.startswith("US-") else "lifecycle_g_per_kwh"
    with file.open(encoding="utf-8") as lines:
        return np.array([float(row[column] or "nan") for row in csv.DictReader(lines)])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("cut", [1, 30, 24 * 20, 24 * 40 + 7, 24 * 59 + 22])
def test_what_comes_later_changes_no_earlier_forecast(method: str, cut: int) -> None:
    values = weather(60)
    other = values.copy()
    other[cut:] = np.random.default_rng(2).uniform(0, 2000, len(values) - cut)
    ours, theirs = (rolling_forecast(v, START_S, method=method) for v in (values, other))
    for part in ("mean", "low", "high"):
        one, two = getattr(ours, part), getattr(theirs, part)
        np.testing.assert_allclose(one[: cut + 1], two[: cut + 1], rtol=1e-9, atol=1e-9)
    assert not np.allclose(ours.mean[cut + 1], theirs.mean[cut + 1], equal_nan=True)


@pytest.mark.parametrize("method", METHODS)
def test_a_longer_record_changes_no_earlier_forecast(method: str) -> None:
    values = weather(50)
    whole = rolling_forecast(values, START_S, method=method)
    part = rolling_forecast(values[: 24 * 41 + 5], START_S, method=method)
    for name in ("mean", "low", "high"):
        np.testing.assert_allclose(getattr(whole, name)[: 24 * 41 + 5], getattr(part, name), rtol=1e-9)


def test_naive_methods_say_what_they_are_called() -> None:
    values = np.arange(96.0)
    last = rolling_forecast(values, START_S, method="persistence").mean
    assert np.isnan(last[0]).all()
    np.testing.assert_array_equal(last[50], np.full(24, 49.0))
    day = rolling_forecast(values, START_S, method="seasonal-naive", horizon=30).mean
    np.testing.assert_array_equal(day[50, :24], np.arange(26.0, 50.0))
    np.testing.assert_array_equal(day[50, 24:], np.arange(26.0, 32.0))  # the newest day that is known, again
    np.testing.assert_array_equal(day[10], np.full(30, 9.0))  # younger than a day: persistence


def test_the_regression_grows_out_of_the_naive_methods() -> None:
    values = weather(40)
    ours, day = (rolling_forecast(values, START_S, method=m).mean for m in ("regression", "seasonal-naive"))
    np.testing.assert_array_equal(ours[1:25], day[1:25])
    young, hours = slice(25, 14 * 24), np.arange(25, 14 * 24)
    missed = (values[hours - 1] - values[hours - 25])[:, None] * 0.85 ** np.arange(1, 25)
    np.testing.assert_allclose(ours[young], np.maximum(day[young] + missed, 0.0))
    assert np.abs(ours[20 * 24 :] - day[20 * 24 :]).max() > 1.0


def test_a_weekend_is_learnt_at_local_time() -> None:
    hours = np.arange(120 * 24)
    local = (hours + 9) // 24
    values = 300.0 - 100.0 * ((local + 5) % 7 >= 5) + np.random.default_rng(0).normal(0, 5, len(hours))
    right, wrong = (rolling_forecast(values, START_S, tz_offset_hours=tz) for tz in (9.0, 0.0))
    assert score(values, right, None).mae_g_per_kwh < 0.9 * score(values, wrong, None).mae_g_per_kwh
    assert (score(values, right, 24).skill_frac or 0) > 0.2


def test_a_constant_record_is_foreseen_exactly() -> None:
    rolling = rolling_forecast(np.full(24 * 40, 120.0), START_S)
    np.testing.assert_allclose(rolling.mean[1:], 120.0, rtol=1e-9)
    np.testing.assert_allclose(rolling.high[24 * 20 :], 120.0, rtol=1e-9)


def test_gaps_are_filled_from_the_past_and_flagged() -> None:
    values = weather(60)
    holed = values.copy()
    gaps = np.r_[100:103, 24 * 45 : 24 * 46 + 3, 24 * 59 + 20]
    holed[gaps] = np.nan
    for method in METHODS:
        rolling = rolling_forecast(holed, START_S, method=method)
        assert np.flatnonzero(rolling.filled).tolist() == gaps.tolist()
        assert not np.isnan(rolling.mean[1:]).any()
        assert not np.isnan(rolling.low[24 * 20 :]).any()
    after = rolling_forecast(holed, START_S, method="persistence").mean[24 * 45 + 2, 0]
    assert after == values[24 * 44 + 1]  # the same hour one day before the gap
    full = score(values, rolling_forecast(values, START_S), 1)
    part = score(holed, rolling_forecast(holed, START_S), 1)
    assert part.count == full.count - 28  # 27 hours and 1: a gap is no outcome


def test_an_hour_that_is_never_known_takes_no_other_with_it() -> None:
    values = weather(80)
    values[3::24] = np.nan
    rolling = rolling_forecast(values, START_S)
    assert not np.isnan(rolling.mean[1:]).any()
    assert not np.isnan(rolling.low[24 * 20 :]).any()
    assert score(values, rolling).coverage_frac == pytest.approx(0.8, abs=0.05)


def test_a_record_that_begins_with_gaps_begins_later() -> None:
    values = np.concatenate([np.full(31, np.nan), weather(40)])
    for method in METHODS:
        mean = rolling_forecast(values, START_S, method=method).mean
        assert np.isnan(mean[:32]).all()
        assert not np.isnan(mean[32:]).any()


def test_a_record_of_gaps_only_is_unknown() -> None:
    for method in METHODS:
        rolling = rolling_forecast(np.full(24 * 30, np.nan), START_S, method=method)
        assert np.isnan(rolling.mean).all()
        assert np.isnan(rolling.high).all()
        assert rolling.filled.all()


def test_intervals_hold_what_they_say() -> None:
    values = weather(200)
    for coverage in (0.5, 0.8, 0.95):
        rolling = rolling_forecast(values, START_S, coverage_frac=coverage)
        got = score(values, rolling, None).coverage_frac
        assert got == pytest.approx(coverage, abs=0.03)
    assert np.isnan(rolling.low[: 24 * 8]).all()
    there = ~np.isnan(rolling.low)
    assert (rolling.low[there] <= rolling.mean[there]).all()
    assert (rolling.mean[there] <= rolling.high[there]).all()


def test_nothing_is_foreseen_below_zero_unless_it_was_there() -> None:
    values = np.maximum(weather(60) - 300, 0.0)
    rolling = rolling_forecast(values, START_S)
    assert np.nanmin(rolling.mean) >= 0
    assert np.nanmin(rolling.low) >= 0
    below = rolling_forecast(weather(60) - 300, START_S)
    assert np.nanmin(below.mean) < 0


def test_a_score_is_what_it_says() -> None:
    values = np.arange(24.0 * 40)
    rolling = rolling_forecast(values, START_S, method="seasonal-naive")
    result = score(values, rolling, 24)
    assert result.mae_g_per_kwh == 24.0
    assert result.bias_g_per_kwh == -24.0
    assert result.skill_frac == 0.0
    assert score(values, rolling_forecast(values, START_S, method="persistence"), 6).skill_frac == 1 - 6 / 24


def test_wrong_asks_are_refused() -> None:
    values = weather(3)
    with pytest.raises(ConfigError, match="regression"):
        rolling_forecast(values, START_S, method="regresion")
    with pytest.raises(ValueError, match="at least one hour"):
        rolling_forecast(values, START_S, horizon=0)
    with pytest.raises(ValueError, match="between 0 and 1"):
        rolling_forecast(values, START_S, coverage_frac=80)
    with pytest.raises(ValueError, match="at least one"):
        rolling_forecast(np.array([]), START_S)
    with pytest.raises(ValueError, match="1 to 24"):
        score(values, rolling_forecast(values, START_S), 25)
    with pytest.raises(ValueError, match="no outcome"):
        score(values, rolling_forecast(values, START_S), 1)  # three days are all skipped


@pytest.fixture(scope="module")
def year() -> dict[str, tuple[Floats, Rolling]]:
    """Every zone foreseen once."""
    return {zone: (values := trace(zone), rolling_forecast(values, START_S)) for zone in LIFECYCLE + DIRECT}


def test_on_real_traces_the_regression_beats_seasonal_naive(year: dict[str, tuple[Floats, Rolling]]) -> None:
    skill = {zone: score(*pair, 24).skill_frac or 0.0 for zone, pair in year.items()}
    assert sum(skill[zone] > 0 for zone in LIFECYCLE) == 13
    assert np.mean([skill[zone] for zone in LIFECYCLE]) > 0.08
    assert min(score(*year[zone]).skill_frac or 0.0 for zone in LIFECYCLE + DIRECT) > 0.10
    assert min(skill.values()) > -0.01


def test_on_real_traces_four_of_five_lie_in_the_interval(year: dict[str, tuple[Floats, Rolling]]) -> None:
    for zone, pair in year.items():
        for lead in (1, 6, 24, None):
            covered = score(*pair, lead).coverage_frac
            assert covered is not None
            assert 0.75 <= covered <= 0.85, (zone, lead, covered)


def test_on_real_traces_the_mean_is_a_mean(year: dict[str, tuple[Floats, Rolling]]) -> None:
    for zone, pair in year.items():
        result = score(*pair)
        assert abs(result.bias_g_per_kwh) < 0.12 * result.mae_g_per_kwh, zone
