"""A device's day, its life, its batteries, and what a person may write about them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gramwise.core.errors import ConfigError, DataGap, MixedKinds
from gramwise.core.footprint import Factor, Footprint
from gramwise.core.quantity import Quantity
from gramwise.core.series import Series
from gramwise.footprint.bill import bill
from gramwise.footprint.operational.charging import charging_intensity
from gramwise.footprint.operational.declared import duty_from_mapping
from gramwise.footprint.operational.duty import Battery, Duty, batteries, lines, meter_j_per_day, not_included


def _q(value: float, unit: str, half: float = 0.0) -> Quantity:
    return Quantity(
        value=value,
        low=value * (1 - half),
        high=value * (1 + half),
        unit=unit,
        method="measured",
        boundary="board",
        source="test",
    )


def _grid(value: float = 400.0) -> Factor:
    return Factor(
        key="grid.X", value=value, low=value, high=value, unit="g/kWh", method="measured", source="test"
    )


CELL = Battery(capacity_j=_q(1000.0, "J"), cycles=10.0, embodied_g=_q(90.0, "g"))
NODE = Duty(
    name="node",
    inferences_per_day=100.0,
    inference_j=_q(0.02, "J", 0.1),
    active_s=0.5,
    sleep_w=_q(1e-5, "W"),
    supply="rechargeable",
    regulator_frac=_q(0.8, "1"),
    supply_frac=_q(0.5, "1"),
    life_days=3650.0,
    intensity=_grid(),
    transmissions_per_day=24.0,
    payload_bytes=50.0,
    radio_j=_q(0.03, "J"),
    radio_j_per_byte=_q(2e-4, "J/B"),
    sensor_j_per_day=_q(1.0, "J"),
    battery=CELL,
)
LOAD_J = 100 * 0.02 + 1e-5 * (86400 - 50) + 24 * (0.03 + 50 * 2e-4) + 1.0
MAINS = replace(NODE, supply="mains", battery=None, no_load_w=_q(0.05, "W"))
PRIMARY = replace(NODE, supply="primary", intensity=None, supply_frac=None, battery=replace(CELL, cycles=1.0))


def _bill(duty: Duty, span_days: float | None = None) -> Footprint:
    found, factors = lines(duty, span_days)
    return bill(found, factors, functional_unit="day", units=1.0, boundary="test", draws=400)


def test_day_by_hand() -> None:
    assert sum(meter_j_per_day(NODE).values()) == pytest.approx(LOAD_J / 0.8 / 0.5)
    assert meter_j_per_day(NODE)["radio"] == pytest.approx(24 * 0.04 / 0.4)
    assert sum(meter_j_per_day(MAINS).values()) == pytest.approx(LOAD_J / 0.4 + 0.05 * 86400)


def test_a_day_in_grams() -> None:
    footprint = _bill(NODE, 1.0)
    assert footprint.operational.value == pytest.approx(LOAD_J / 0.4 * 400 / 3.6e6)
    assert set(footprint.by_phase()) == {"inference", "idle", "network", "data", "manufacture"}
    assert footprint.total.value == math.fsum(i.carbon.value for i in footprint.items)


def test_a_life_is_its_days() -> None:
    assert _bill(NODE).total.value == pytest.approx(3650 * _bill(NODE, 1.0).total.value)


def test_batteries_are_replaced_when_worn_out() -> None:
    needed = 3650 * LOAD_J / 0.8 / (1000.0 * 10)
    assert batteries(NODE) == math.ceil(needed) == 3
    assert _bill(NODE).embodied.value == pytest.approx((math.ceil(needed) - 1) * 90.0)
    assert batteries(replace(NODE, life_days=365.0)) == 1
    assert _bill(replace(NODE, life_days=365.0)).embodied.value == 0.0
    assert batteries(MAINS) == 0


def test_a_battery_worn_out_on_the_last_day_is_not_replaced() -> None:
    exact = replace(CELL, capacity_j=_q(3650 * LOAD_J / 0.8 / 20.0 * (1 + 1e-12), "J"))
    assert batteries(replace(NODE, battery=exact)) == 2


def test_a_primary_cell_takes_no_electricity_from_the_grid() -> None:
    footprint = _bill(PRIMARY)
    assert [i.phase for i in footprint.items] == ["manufacture"]
    assert footprint.embodied.value == pytest.approx((math.ceil(3650 * LOAD_J / 0.8 / 1000.0) - 1) * 90.0)
    assert meter_j_per_day(PRIMARY) == {}


def test_an_uncertain_inference_moves_electricity_and_batteries_together() -> None:
    footprint = _bill(replace(NODE, inference_j=_q(0.02, "J", 0.9)))
    item = next(i for i in footprint.items if i.phase == "manufacture")
    assert item.carbon.low < item.carbon.high
    assert {item.carbon.low, item.carbon.high} <= {0.0, 90.0, 180.0, 270.0}  # whole batteries
    assert "node.inference_j" in item.factors
    assert footprint.contributors[0].key == "node.inference_j"


def test_more_of_anything_never_costs_less() -> None:
    base = _bill(MAINS).total.value
    worsened: dict[str, Any] = {
        "inferences_per_day": 200.0,
        "inference_j": _q(0.03, "J"),
        "transmissions_per_day": 48.0,
        "payload_bytes": 500.0,
        "sensor_j_per_day": _q(2.0, "J"),
        "regulator_frac": _q(0.7, "1"),
        "supply_frac": _q(0.4, "1"),
        "no_load_w": _q(0.1, "W"),
        "life_days": 4000.0,
    }
    for key, worse in worsened.items():
        assert _bill(replace(MAINS, **{key: worse})).total.value > base, key


def test_what_is_unknown_is_named_and_not_zero() -> None:
    bare = replace(MAINS, sensor_j_per_day=None, no_load_w=None)
    assert {i.name for i in _bill(bare).items} == {"node, inference", "node, sleep", "node, radio"}
    assert len(not_included(bare)) == 2
    assert len(not_included(NODE)) == 1


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"active_s": 900.0}, "active_s"),
        ({"inferences_per_day": -1.0}, "inferences_per_day"),
        ({"life_days": 0.0}, "life_days"),
        ({"supply": "solar"}, "supply"),
        ({"regulator_frac": _q(1.2, "1")}, "regulator_frac"),
        ({"supply_frac": _q(0.0, "1")}, "supply_frac"),
        ({"supply_frac": None}, "supply_frac"),
        ({"intensity": None}, "intensity"),
        ({"battery": None}, "battery"),
        ({"radio_j": None}, "radio_j"),
        ({"no_load_w": _q(1.0, "W")}, "no_load_w"),
        ({"sleep_w": _q(-1.0, "W", -0.1)}, "sleep_w"),
        ({"intensity": replace(_grid(), unit="g/J")}, "intensity"),
    ],
)
def test_duty_refuses(change: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError, match=f"^{key}"):
        replace(NODE, **change)


def test_supplies_refuse_what_they_cannot_have() -> None:
    with pytest.raises(ConfigError, match=r"^battery:"):
        replace(MAINS, battery=CELL)
    with pytest.raises(ConfigError, match=r"^battery.cycles"):
        replace(PRIMARY, battery=CELL)
    with pytest.raises(ConfigError, match=r"^battery.cycles"):
        replace(CELL, cycles=0.0)
    with pytest.raises(ConfigError, match=r"^span_days"):
        lines(NODE, 0.0)


def _series(unit: str = "g/kWh", gap: bool = False) -> Series:
    hours = np.arange(72)
    values = np.where(hours % 24 < 6, 100.0, 500.0) + 10.0 * (hours // 24)
    values = np.where((hours == 26) & gap, np.nan, values)
    return Series(
        times_s=tuple(float(h) * 3600 for h in hours),
        values=tuple(float(v) for v in values),
        end_s=72 * 3600.0,
        unit=unit,
        signal="average",
        basis="lifecycle",
        source="made up",
    )


def test_charging_at_night_has_the_nights_intensity() -> None:
    night, day = charging_intensity(_series(), 0.0, 6.0), charging_intensity(_series(), 10.0, 6.0)
    assert [night.value, day.value] == pytest.approx([110.0, 510.0])
    assert night.low == pytest.approx(101.0)
    assert night.high == pytest.approx(119.0)
    assert "average lifecycle" in night.source


def test_charging_leaves_out_days_with_gaps() -> None:
    assert charging_intensity(_series(gap=True), 0.0, 6.0).value == pytest.approx(110.0)
    assert "on 2 days" in charging_intensity(_series(gap=True), 0.0, 6.0).source
    assert (
        "on 2 days" in charging_intensity(_series(), 22.0, 6.0).source
    )  # the last night ends after the series
    with pytest.raises(DataGap):
        charging_intensity(replace(_series(), times_s=(0.0,), values=(1.0,), end_s=3600.0), 0.0, 6.0)
    with pytest.raises(MixedKinds):
        charging_intensity(_series("g/J"), 0.0, 6.0)
    with pytest.raises(ConfigError, match=r"^start_hour"):
        charging_intensity(_series(), 25.0, 6.0)


WRITTEN: dict[str, Any] = {
    "name": "cam",
    "inferences_per_day": 100,
    "inference_j": {"value": 0.02, "low": 0.01, "high": 0.03, "source": "a meter", "method": "measured"},
    "active_s": 0.5,
    "sleep_w": 1e-5,
    "supply": "rechargeable",
    "regulator_frac": 0.9,
    "supply_frac": {"value": 0.7, "low": 0.6, "high": 0.8},
    "life_days": 365,
    "intensity": 300,
    "battery": {"capacity_j": 10000, "cycles": 500, "embodied_g": 900},
}


def test_a_written_duty_is_read() -> None:
    duty = duty_from_mapping(WRITTEN, "duty.toml")
    assert duty.inference_j.method == "measured"
    assert duty.inference_j.source == "a meter"
    assert [duty.sleep_w.low, duty.sleep_w.high] == pytest.approx([0.8e-5, 1.2e-5])
    assert duty.sleep_w.source.startswith("declared in duty.toml; interval by rule declared")
    assert {q.boundary for q in (duty.inference_j, duty.sleep_w)} == {"board"}
    assert [duty.regulator_frac.low, duty.regulator_frac.high] == pytest.approx([0.72, 1.0])
    assert duty.supply_frac is not None
    assert duty.supply_frac.source == "declared in duty.toml"
    assert duty.intensity is not None
    assert [duty.intensity.low, duty.intensity.high] == pytest.approx([240.0, 360.0])
    assert duty.intensity.key == "cam.intensity"
    assert _bill(duty).total.value > 0.0


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"inferences": 1}, "inferences"),
        ({"active_s": "soon"}, "active_s"),
        ({"active_s": True}, "active_s"),
        ({"name": ""}, "name"),
        ({"sleep_w": -1.0}, "sleep_w"),
        ({"active_s": float("nan")}, "active_s"),
        ({"life_days": 0}, "life_days"),
        ({"supply": "solar"}, "supply"),
        ({"regulator_frac": 1.2}, "regulator_frac"),
        ({"regulator_frac": {"value": 0.9, "low": 0.0, "high": 1.0}}, "regulator_frac.low"),
        ({"sleep_w": {"value": 1.0, "low": 2.0, "high": 3.0}}, "sleep_w.value"),
        ({"sleep_w": {"value": 1.0}}, "sleep_w.low"),
        ({"sleep_w": {"value": 1.0, "low": 1.0, "high": 1.0, "method": "guessed"}}, "sleep_w.method"),
        ({"sleep_w": {"value": 1.0, "low": 1.0, "high": 1.0, "source": " "}}, "sleep_w.source"),
        ({"sleep_w": {"value": 1.0, "low": 1.0, "high": 1.0, "spread": "exact"}}, "sleep_w.spread"),
        ({"sleep_w": {"value": 1.0, "low": 1.0, "high": 1.0, "unit": "W"}}, "sleep_w.unit"),
        ({"battery": {"capacity_j": 1, "cycles": 1}}, "battery.embodied_g"),
        ({"battery": {"capacity_j": 1, "cycles": 1, "embodied_g": 1, "colour": 1}}, "battery.colour"),
        ({"battery": {"capacity_j": 0, "cycles": 1, "embodied_g": 1}}, "battery.capacity_j"),
        ({"battery": 3}, "battery"),
    ],
)
def test_a_written_duty_is_refused_by_key(change: dict[str, Any], where: str) -> None:
    with pytest.raises(ConfigError) as refused:
        duty_from_mapping({**WRITTEN, **change}, "duty.toml")
    assert str(refused.value).startswith(f"duty.toml: {where}: ")
    assert refused.value.key == where


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^life_days: this is required"):
        duty_from_mapping({k: v for k, v in WRITTEN.items() if k != "life_days"})


def test_what_may_be_nought_may_be_written_so() -> None:
    idle = {**WRITTEN, "inferences_per_day": 0, "inference_j": 0, "active_s": 0, "intensity": 0}
    duty = duty_from_mapping(idle)
    assert [duty.inferences_per_day, duty.inference_j.value, duty.active_s] == [0.0, 0.0, 0.0]
    assert duty.intensity is not None
    assert duty.intensity.spread == "exact"
    assert duty.sleep_w.source.startswith("declared in the scenario; ")


def test_an_intensity_may_be_shared() -> None:
    named = {"value": 300, "low": 250, "high": 350, "source": "a supplier", "key": "grid.own"}
    assert duty_from_mapping({**WRITTEN, "intensity": named}).intensity == Factor(
        key="grid.own",
        value=300.0,
        low=250.0,
        high=350.0,
        unit="g/kWh",
        method="assumed",
        source="a supplier",
    )
    assert duty_from_mapping({**WRITTEN, "intensity": _grid()}).intensity == _grid()
