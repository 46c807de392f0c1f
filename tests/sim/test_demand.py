"""Requests of an hour: the day's swing, the weekend, the noise, and that means are what was asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from gramwise.fleet.traffic import TrafficTable
from gramwise.sim.demand import hour_noise, hourly_requests, profile_per_s

MONDAY_S = datetime(2022, 6, 6, tzinfo=UTC).timestamp()
WEEK_S = MONDAY_S + 3600.0 * np.arange(7 * 24, dtype=np.float64)


def row(**more: Any) -> TrafficTable:
    return TrafficTable(**{"name": "live", "model": "digits", "rate_per_s": 2.0, **more})


def test_a_flat_rate_is_itself() -> None:
    assert profile_per_s(row(), WEEK_S) == pytest.approx(2.0)
    foreseen, came = hourly_requests(row(), MONDAY_S, 5, seed=1)
    assert foreseen == pytest.approx(7200.0)
    assert came == pytest.approx(7200.0)


def test_swing_peaks_at_its_hour_in_utc() -> None:
    rates = profile_per_s(row(swing_frac=0.25, peak_hour_utc=14.0), WEEK_S)
    assert int(rates[:24].argmax()) == 14
    assert rates[14] == pytest.approx(2.5)
    assert rates[2] == pytest.approx(1.5)
    assert rates[24:48] == pytest.approx(rates[:24])
    assert rates.mean() == pytest.approx(2.0)


def test_weekend_is_saturday_and_sunday_and_the_mean_of_a_week_stays() -> None:
    rates = profile_per_s(row(weekend_frac=0.5), WEEK_S)
    assert rates[:120] == pytest.approx(rates[0])
    assert rates[120:] == pytest.approx(0.5 * rates[0])
    assert rates.mean() == pytest.approx(2.0)
    saturday = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
    friday = profile_per_s(
        row(weekend_frac=0.5), np.array([saturday - 1.0, saturday, saturday + 2 * 86400.0])
    )
    assert friday == pytest.approx([rates[0], 0.5 * rates[0], rates[0]])


def test_an_hour_has_the_rate_of_its_middle() -> None:
    wavy = row(swing_frac=0.5, peak_hour_utc=10.5)
    foreseen, _ = hourly_requests(wavy, MONDAY_S, 24, seed=1)
    assert foreseen[10] == pytest.approx(3600.0 * 3.0)
    assert foreseen.sum() == pytest.approx(86400.0 * 2.0)


def test_noise_has_mean_one_and_the_deviation_asked_for() -> None:
    hours = range(24 * 2000)
    factor = hour_noise(row(noise_frac=0.2), hours, seed=3)
    assert (factor > 0).all()
    assert factor.mean() == pytest.approx(1.0, abs=0.005)
    assert factor.std() == pytest.approx(0.2, rel=0.03)
    assert np.corrcoef(factor[:-1], factor[1:])[0, 1] == pytest.approx(0.0, abs=0.02)


def test_noise_of_an_hour_does_not_hang_on_what_else_is_asked() -> None:
    noisy = row(noise_frac=0.2)
    long = hour_noise(noisy, range(1000, 1100), seed=3)
    assert hour_noise(noisy, range(1037, 1041), seed=3).tolist() == long[37:41].tolist()
    assert hour_noise(noisy, range(1000, 1100), seed=4).tolist() != long.tolist()
    assert hour_noise(row(noise_frac=0.2, name="other"), range(1000, 1100), seed=3).tolist() != long.tolist()
    assert hour_noise(noisy, range(0), seed=3).tolist() == []


def test_what_is_foreseen_has_no_noise() -> None:
    noisy = row(noise_frac=0.3, swing_frac=0.2)
    foreseen, came = hourly_requests(noisy, MONDAY_S, 48, seed=1)
    calm, _ = hourly_requests(row(swing_frac=0.2), MONDAY_S, 48, seed=9)
    assert foreseen.tolist() == calm.tolist()
    assert np.abs(came / foreseen - 1.0).max() > 0.1


def test_a_file_has_no_profile() -> None:
    with pytest.raises(ValueError, match="has no profile"):
        profile_per_s(TrafficTable(name="x", model="digits", file="a.csv"), WEEK_S)
