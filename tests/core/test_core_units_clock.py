"""Conversions with a hand-worked figure, and clocks that never run backwards."""

from __future__ import annotations

import time

import numpy as np
import pytest

from gramwise.core.clock import ManualClock, SystemClock
from gramwise.core.units import FLOP_PER_MAC, J_PER_KWH, S_PER_DAY, S_PER_HOUR, S_PER_YEAR, carbon_g


def test_the_published_inference_in_joules_kilowatt_hours_and_grams() -> None:
    # 141 W for 254.85 ms, at 530 g/kWh: the audit of the published system.
    energy_j = 141.0 * 0.25485
    assert energy_j == pytest.approx(35.9, abs=0.05)
    assert energy_j / J_PER_KWH == pytest.approx(9.98e-6, abs=0.005e-6)
    assert carbon_g(energy_j, 530.0) == pytest.approx(0.00529, abs=0.000005)


def test_one_kilowatt_hour_weighs_its_intensity() -> None:
    assert carbon_g(3.6e6, 530.0) == 530.0
    assert carbon_g(3.6e6, 530.0, 1.5) == 795.0


def test_carbon_works_on_arrays_as_on_scalars() -> None:
    energy, intensity, pue = np.array([1.0, 2.0]), np.array([500.0, 30.0]), np.array([1.0, 1.2])
    each = [carbon_g(float(e), float(i), float(p)) for e, i, p in zip(energy, intensity, pue, strict=True)]
    assert carbon_g(energy, intensity, pue).tolist() == each


def test_unknown_stays_unknown() -> None:
    assert np.isnan(carbon_g(np.array([1.0, np.nan]), np.array([np.nan, 500.0]))).all()


def test_constants_by_definition() -> None:
    assert J_PER_KWH == 1000.0 * S_PER_HOUR
    assert S_PER_DAY == 24 * S_PER_HOUR
    assert S_PER_YEAR == 365.25 * S_PER_DAY
    assert FLOP_PER_MAC == 2.0


def test_the_system_clock_is_unix_time_and_does_not_run_back() -> None:
    clock = SystemClock()
    marks = [clock.now_s() for _ in range(1000)]
    assert marks == sorted(marks)
    assert marks[-1] == pytest.approx(time.time(), abs=1.0)


def test_a_manual_clock_moves_when_told() -> None:
    clock = ManualClock(100.0)
    assert clock.now_s() == 100.0
    clock.advance(2.5)
    clock.advance(0.0)
    assert clock.now_s() == 102.5
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-0.1)
