"""Renewal: payback against integration step by step, never, keep against replace, and the table of a scenario."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gramwise.core.errors import ConfigError
from gramwise.core.units import J_PER_KWH, S_PER_YEAR
from gramwise.footprint.bill import bill
from gramwise.footprint.scaling.renewal import (
    decline_per_s,
    fleet_power_w,
    keep_g,
    makings,
    payback_s,
    replace_g,
    running_g,
)
from gramwise.footprint.scaling.replacing import Renewal, compare, payback, renewal_lines

EXACT = {"method": "assumed", "source": "made for this test"}


def sure(value: float) -> dict[str, Any]:
    return {"value": value, "low": value, "high": value, **EXACT}


# 80 W saved at 438.3 g/kWh: 307.4 kg a year; 100 kg of making is back after 0.325 years.
TABLE: dict[str, Any] = {
    "name": "racks", "old_devices": 4, "new_devices": 1, "old_idle_w": sure(20), "new_idle_w": sure(15),
    "old_j_per_unit": sure(2.0), "new_j_per_unit": sure(0.5), "units_per_s": sure(10), "making_g": sure(100_000),
    "new_lifetime_years": sure(4), "intensity_g_per_kwh": sure(438.3), "signal": "average", "basis": "lifecycle",
    "pue": 1,
}  # fmt: skip


def spec(**changes: Any) -> Renewal:
    return Renewal.from_mapping({k: v for k, v in {**TABLE, **changes}.items() if v is not None})


def test_power_and_payback_by_hand() -> None:
    old, new = float(fleet_power_w(4, 20, 10, 2.0)), float(fleet_power_w(1, 15, 10, 0.5))
    assert (old, new) == (100.0, 20.0)
    per_year = 80.0 / 1000 * 8766 * 438.3
    found = payback(spec())
    assert found.value_s == pytest.approx(100_000 / per_year * S_PER_YEAR, rel=1e-12)
    assert found.low_s == found.value_s == found.high_s, "nothing is uncertain here"
    assert found.never_frac == 0.0


@given(st.floats(1e2, 1e7), st.floats(0.1, 1e4), st.floats(1.0, 1000.0), st.floats(-0.2, 0.5))
def test_at_payback_the_savings_are_the_making(making: float, saved: float, rate: float, fall: float) -> None:
    d = decline_per_s(fall)
    at_s = float(payback_s(making, saved, rate, 1.2, d))
    assume(at_s < 1e4 * S_PER_YEAR)
    assert float(running_g(saved, rate, 1.2, 0.0, at_s, d)) == pytest.approx(making, rel=1e-6)


def test_a_cleaning_grid_against_a_sum_over_days() -> None:
    edges = np.arange(0.0, 3 * S_PER_YEAR, 86_400.0)
    end = edges[-1] + 86_400.0
    rates = 300.0 * 0.9 ** ((edges + 43_200.0) / S_PER_YEAR)
    by_days = float(np.sum(50.0 * 86_400.0 / J_PER_KWH * rates * 1.1))
    assert float(running_g(50.0, 300.0, 1.1, 0.0, end, decline_per_s(0.1))) == pytest.approx(
        by_days, rel=1e-6
    )


def test_never_and_at_once() -> None:
    found = payback_s(np.array([100.0, 100.0, 0.0]), np.array([0.0, -5.0, -5.0]), 400.0, 1.0)
    assert found.tolist() == [np.inf, np.inf, 0.0]
    assert float(payback_s(100.0, 5.0, 0.0, 1.0)) == np.inf, "clean electricity repays nothing"


def test_a_grid_that_cleans_fast_can_make_a_payback_impossible() -> None:
    # 10 W at 100 g/kWh save 8766 g in the first year of a constant grid; halving each year, 12,647 g for ever.
    reach = 8766.0 / np.log(2.0)
    d = decline_per_s(0.5)
    assert np.isfinite(payback_s(np.array([reach * 0.99, reach * 1.01]), 10.0, 100.0, 1.0, d)).tolist() == [
        True,
        False,
    ]


def test_a_table_over_work_rate_and_intensity_is_one_call() -> None:
    rates, intensities = np.array([0.0, 1.0, 100.0]), np.array([20.0, 400.0])
    saved = fleet_power_w(1, 5.0, rates[:, None], 2.0) - fleet_power_w(1, 8.0, rates[:, None], 0.5)
    found = payback_s(50_000.0, saved, intensities[None, :], 1.0)
    assert found.shape == (3, 2)
    assert np.isinf(found[:2]).all(), "the new one idles dearer: at little work it never pays"
    assert found[2, 0] == pytest.approx(20.0 * found[2, 1])


def test_the_page_prints_what_the_code_answers() -> None:
    page = (Path(__file__).parents[2] / "docs/method/scaling.md").read_text("utf-8")
    intensities = np.array([30.0, 100.0, 438.3, 700.0])
    for rate in (0, 10, 50):
        saved = fleet_power_w(4, 20.0, rate, 2.0) - fleet_power_w(1, 15.0, rate, 0.5)
        flat, falling = (
            payback_s(1e5, saved, intensities, 1.0, decline_per_s(d)) / S_PER_YEAR for d in (0.0, 0.1)
        )
        cells = (f"{a:.2f}, {b:.2f}" for a, b in zip(flat, falling, strict=True))
        assert f"| {rate} | {' | '.join(cells)} |" in page


def test_makings_are_whole_machines() -> None:
    assert makings(np.array([0.0, 0.5, 1.0, 1.01, 3.0]), 1.0).tolist() == [0, 1, 1, 2, 3]
    assert float(makings(-1.0, 1.0)) == 0.0
    assert float(makings(0.1 + 0.2, 0.1)) == 3.0


def test_keep_and_replace_by_hand() -> None:
    year = S_PER_YEAR
    common: dict[str, Any] = {
        "new_w": 20.0, "making_g": 1000.0, "new_life_s": 4 * year, "intensity_g_per_kwh": 100.0, "pue": 1.0,
        "horizon_s": 4 * year,
    }  # fmt: skip
    g_per_w_year = 8.766 * 100.0
    lasting = float(keep_g(old_w=100.0, remaining_s=np.inf, **common))
    failing = float(keep_g(old_w=100.0, remaining_s=year, **common))
    assert lasting == pytest.approx(400 * g_per_w_year)
    assert failing == pytest.approx((100 + 3 * 20) * g_per_w_year + 1000)
    assert float(replace_g(**common)) == pytest.approx(4 * 20 * g_per_w_year + 1000)


def test_the_lines_say_what_the_formulas_say() -> None:
    changes = {"old_remaining_years": sure(1.5), "decline_frac_per_year": sure(0.07)}
    horizon_s = 6 * S_PER_YEAR
    arguments: dict[str, Any] = {
        "new_w": 20.0, "making_g": 100_000.0, "new_life_s": 4 * S_PER_YEAR, "intensity_g_per_kwh": 438.3, "pue": 1.0,
        "horizon_s": horizon_s, "decline": decline_per_s(0.07),
    }  # fmt: skip
    found = compare(spec(**changes), horizon_s)
    kept = float(keep_g(old_w=100.0, remaining_s=1.5 * S_PER_YEAR, **arguments))
    assert found.keep.value == pytest.approx(kept, rel=1e-12)
    assert found.replace.value == pytest.approx(float(replace_g(**arguments)), rel=1e-12)
    account = renewal_lines(spec(**changes), "keep", horizon_s)
    whole = bill(account.lines, account.factors, functional_unit="x", units=1, boundary="b", draws=200)
    assert whole.total.value == pytest.approx(kept, rel=1e-12)
    assert set(whole.by_phase()) == {"inference", "manufacture"}


def test_the_change_is_surer_than_the_difference_of_its_ends() -> None:
    wide = {"value": 438.3, "low": 200.0, "high": 700.0, **EXACT}
    found = compare(spec(intensity_g_per_kwh=wide, new_j_per_unit=sure(1.9)), 4 * S_PER_YEAR)
    apart = (found.replace.high - found.keep.low) - (found.replace.low - found.keep.high)
    assert found.change.high - found.change.low < 0.5 * apart
    assert found.change.value == pytest.approx(found.replace.value - found.keep.value)


def test_a_payback_that_may_never_come_has_an_open_end() -> None:
    unsure = {"value": 2.0, "low": 0.5, "high": 9.0, **EXACT}
    found = payback(spec(new_j_per_unit=unsure, units_per_s=sure(20)), draws=2000)
    assert found.value_s is not None
    assert found.high_s is None
    assert 0.05 < found.never_frac < 0.95
    never = payback(spec(new_j_per_unit=sure(20)))
    assert (never.value_s, never.low_s, never.high_s, never.never_frac) == (None, None, None, 1.0)


def test_same_seed_same_interval() -> None:
    loose = spec(making_g=100_000, pue=1.3)
    assert payback(loose, seed=3) == payback(loose, seed=3) != payback(loose, seed=4)


def test_a_zone_in_place_of_a_number() -> None:
    found = spec(intensity_g_per_kwh=None, signal=None, basis=None, zone="DE")
    assert found.intensity.rate.key == "grid.DE"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"old_devices": 0}, "old_devices"),
        ({"making_g": 0}, "making_g"),
        ({"making_g": None}, "making_g"),
        ({"new_lifetime_years": 0}, "new_lifetime_years"),
        ({"units_per_s": -1}, "units_per_s"),
        ({"pue": 0.5}, "pue"),
        ({"decline_frac_per_year": 1.0}, "decline_frac_per_year"),
        ({"decline_frac_per_year": -0.1}, "decline_frac_per_year"),
        ({"zone": "DE"}, "zone"),
        ({"signal": "mean"}, "signal"),
        ({"intensity_g_per_kwh": None}, "zone"),
        ({"old_remaining_years": -1}, "old_remaining_years"),
        ({"horizon_years": 3}, "horizon_years"),
    ],
)
def test_bad_tables_are_refused_with_their_key(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as fault:
        spec(**changes)
    assert fault.value.key == f"footprint.renewal.{key}"


@pytest.mark.parametrize("horizon_s", [0.0, -1.0, float("inf"), float("nan")])
def test_a_horizon_is_a_time(horizon_s: float) -> None:
    with pytest.raises(ConfigError, match="horizon"):
        renewal_lines(spec(), "replace", horizon_s)
