"""The energy model: its laws, its intervals, and the balance that the parts must close."""

from __future__ import annotations

import math
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gramwise.core.errors import MeterError
from gramwise.core.quantity import Quantity
from gramwise.power.model import (
    Balance,
    energy_quantity,
    host_rate_flop_per_s,
    idle_energy_j,
    marginal_energy_j,
    speed_factor,
    speed_factor_quantity,
)

positive = st.floats(1e-3, 1e6)
share = st.floats(0.0, 1.0)


def quantity(value, low, high, unit="W", method="measured", boundary="wall", source="a test"):
    return Quantity(
        value=value, low=low, high=high, unit=unit, method=method, boundary=boundary, source=source
    )


IDLE = quantity(2.7, 2.5, 3.0, source="idle row")
BUSY = quantity(7.2, 7.0, 7.5, source="busy row")


def test_published_power_and_time_give_the_published_energy():
    # 141 W for 254.85 ms: 35.9 J, 9.98e-6 kWh.
    energy_j = marginal_energy_j(0.25485, 1.0, 0.0, 141.0)
    assert energy_j == pytest.approx(35.934, abs=1e-3)
    assert energy_j / 3.6e6 == pytest.approx(9.98e-6, rel=1e-3)


def test_a_machine_of_ten_cores_spends_a_tenth_of_its_dynamic_power_on_one():
    # A device that is ten of the host's CPUs: one CPU-second of work occupies it whole for 0.1 s.
    assert marginal_energy_j(1.0, speed_factor(1e9, 10e9), 20.0, 120.0) == pytest.approx(10.0)


def test_idle_power_is_charged_for_time_and_not_for_work():
    assert idle_energy_j(3600.0, 2.7) == pytest.approx(9720.0)
    assert marginal_energy_j(5.0, 1.0, 9.0, 9.0) == 0.0


@given(cpu_s=positive, speed=positive, idle_w=positive, dynamic_w=positive, k=positive)
def test_energy_is_linear_in_work_and_in_dynamic_power(cpu_s, speed, idle_w, dynamic_w, k):
    one = marginal_energy_j(cpu_s, speed, idle_w, idle_w + dynamic_w)
    assert marginal_energy_j(k * cpu_s, speed, idle_w, idle_w + dynamic_w) == pytest.approx(k * one)
    assert marginal_energy_j(cpu_s, k * speed, idle_w, idle_w + dynamic_w) == pytest.approx(k * one)
    assert marginal_energy_j(cpu_s, speed, 0.0, dynamic_w) == pytest.approx(one, rel=1e-5)


@given(parts=st.lists(positive, min_size=1, max_size=20))
def test_energy_of_the_requests_is_the_energy_of_their_sum(parts):
    energies_j = [marginal_energy_j(cpu_s, 3.2, 2.7, 7.2) for cpu_s in parts]
    assert math.fsum(energies_j) == pytest.approx(marginal_energy_j(math.fsum(parts), 3.2, 2.7, 7.2))


def test_arrays_go_through_in_one_piece_and_unknown_stays_unknown():
    cpu_s = np.array([1.0, 2.0, 3.0])
    energy_j = marginal_energy_j(cpu_s, np.array([1.0, 0.5, 1.0]), np.array([2.0, 2.0, math.nan]), 10.0)
    assert energy_j[:2] == pytest.approx([8.0, 8.0])
    assert math.isnan(energy_j[2])


def test_interval_takes_idle_power_from_its_other_end():
    energy = energy_quantity(2.0, speed=3.0, idle_w=IDLE, busy_w=BUSY)
    assert energy.value == pytest.approx(6.0 * (7.2 - 2.7))
    assert energy.low == pytest.approx(6.0 * (7.0 - 3.0))
    assert energy.high == pytest.approx(6.0 * (7.5 - 2.5))
    assert (energy.unit, energy.method, energy.boundary) == ("J", "modelled", "wall")


@given(at_speed=share, at_idle=share, at_busy=share)
def test_no_choice_of_factors_leaves_the_interval(at_speed, at_idle, at_busy):
    speed = quantity(3.0, 2.0, 5.0, unit="1")

    def inside(q, at):
        return q.low + at * (q.high - q.low)

    energy = energy_quantity(1.5, speed=speed, idle_w=IDLE, busy_w=BUSY)
    drawn_j = marginal_energy_j(1.5, inside(speed, at_speed), inside(IDLE, at_idle), inside(BUSY, at_busy))
    assert energy.low - 1e-9 <= drawn_j <= energy.high + 1e-9


def test_overlapping_powers_never_give_negative_energy():
    energy = energy_quantity(1.0, speed=1.0, idle_w=quantity(5.0, 4.0, 7.0), busy_w=quantity(6.0, 5.0, 8.0))
    assert (energy.low, energy.value, energy.high) == (0.0, 1.0, 4.0)


def test_busy_below_idle_is_refused():
    with pytest.raises(ValueError, match="below idle power"):
        energy_quantity(1.0, speed=1.0, idle_w=BUSY, busy_w=IDLE)


def test_energy_is_as_sure_as_its_least_sure_factor():
    guess = quantity(2.7, 2.0, 3.4, method="assumed")
    assert energy_quantity(1.0, speed=1.0, idle_w=guess, busy_w=BUSY).method == "assumed"


def test_source_tells_factors_and_a_foreign_boundary():
    board = quantity(2.7, 2.5, 3.0, boundary="board", source="idle row")
    source = energy_quantity(1.0, speed=1.5, idle_w=board, busy_w=BUSY).source
    assert "declared, 1.5" in source
    assert "busy row" in source
    assert "idle row, taken at the board" in source


def test_speed_factor_is_least_on_the_slowest_host_and_the_fastest_device():
    host = quantity(40e9, 30e9, 50e9, unit="FLOP/s", boundary="chip")
    device = quantity(10e9, 8e9, 12e9, unit="FLOP/s")
    speed = speed_factor_quantity(host, device)
    assert (speed.low, speed.value, speed.high) == pytest.approx((2.5, 4.0, 6.25))
    assert (speed.unit, speed.method, speed.boundary) == ("1", "modelled", "wall")


def test_host_rate_is_measured_and_plausible():
    rate = host_rate_flop_per_s(seconds=0.05)
    assert (rate.unit, rate.method, rate.boundary) == ("FLOP/s", "measured", "chip")
    assert 0 < rate.low < rate.value < rate.high
    # Between a microcontroller and the best core on sale; a slip of units is a factor of a thousand.
    assert 1e8 < rate.value < 1e12


def test_host_rate_says_why_it_could_not_be_measured(tmp_path, monkeypatch):
    (tmp_path / "numpy.py").write_text("raise ImportError('numpy is broken here')\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    with pytest.raises(MeterError, match="numpy is broken here"):
        host_rate_flop_per_s(seconds=0.01)


def balance(attributed_j=40.0, idle_j=50.0, overhead_j=8.0, metered_j=100.0):
    return Balance(attributed_j=attributed_j, idle_j=idle_j, overhead_j=overhead_j, metered_j=metered_j)


def test_balance_closes_over_all_and_more_strictly_without_idle():
    assert balance().closure_frac == pytest.approx(0.98)
    assert balance().dynamic_closure_frac == pytest.approx(0.96)


def test_balance_without_a_meter_is_unknown_and_not_perfect():
    unknown = balance(metered_j=None)
    assert unknown.closure_frac is None
    assert unknown.dynamic_closure_frac is None
    assert (balance() + unknown).closure_frac is None
    assert balance(attributed_j=math.nan).closure_frac is None


def test_balance_of_nothing_is_unknown():
    nothing = balance(0.0, 0.0, 0.0, 0.0)
    assert nothing.closure_frac is None
    assert balance(0.0, 50.0, 0.0, 50.0).dynamic_closure_frac is None
    assert balance(0.0, 50.0, 0.0, 50.0).closure_frac == 1.0


def test_balances_of_nodes_add_part_by_part():
    both = balance() + balance(attributed_j=20.0, idle_j=10.0, overhead_j=2.0, metered_j=32.0)
    assert both == balance(attributed_j=60.0, idle_j=60.0, overhead_j=10.0, metered_j=132.0)
