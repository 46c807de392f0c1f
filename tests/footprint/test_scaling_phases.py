"""Phases: the formula, what a table of a scenario may say, idle and its owner, kinds of intensity, hours of series."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from gramwise.core.errors import ConfigError, DataGap, MixedKinds
from gramwise.core.footprint import Footprint
from gramwise.core.series import Series
from gramwise.footprint.bill import bill
from gramwise.footprint.scaling.account import Account
from gramwise.footprint.scaling.intensity import Intensity, of_zone, typed
from gramwise.footprint.scaling.operating import phase_lines
from gramwise.footprint.scaling.phases import (
    OPERATIONAL,
    PhaseSpec,
    idle_owed_j,
    it_energy_j,
    mean_power_w,
    operational_g,
)

PLAIN: dict[str, Any] = {
    "name": "train", "phase": "training", "intensity_g_per_kwh": 400, "signal": "average", "basis": "lifecycle",
    "pue": 1.2, "devices": 8, "hours": 100, "idle_w": 100, "max_w": 400, "utilisation_frac": 0.5,
}  # fmt: skip
METERED: dict[str, Any] = dict.fromkeys(("idle_w", "max_w", "utilisation_frac", "devices", "hours"))
START = "2026-01-01T00:00+00:00"
START_S = 1767225600.0


def table(**changes: Any) -> dict[str, Any]:
    """The plain table with some keys changed; None takes a key out."""
    return {k: v for k, v in {**PLAIN, **changes}.items() if v is not None}


def billed(account: Account) -> Footprint:
    return bill(account.lines, account.factors, functional_unit="x", units=1, boundary="b", draws=500)


def priced(zones: dict[str, Any] | None = None, **changes: Any) -> Footprint:
    return billed(phase_lines([PhaseSpec.from_mapping(table(**changes))], zones))


def test_the_formula_by_hand() -> None:
    # 8 machines x 100 h x (100 + 0.5 x 300) W = 200 kWh; x 1.2 x 400 g/kWh = 96 kg
    found = priced()
    assert found.total.value == pytest.approx(96_000.0, rel=1e-12)
    assert math.fsum(i.energy_j.value for i in found.items if i.energy_j) == pytest.approx(
        200 * 3.6e6, rel=1e-12
    )


def test_idle_while_reserved_stands_apart_and_belongs_to_the_phase() -> None:
    found = priced()
    work, idle = found.items
    assert (work.phase, idle.phase) == ("training", "training")
    assert idle.carbon.value == pytest.approx(8 * 100 * 100 / 1000 * 1.2 * 400)
    assert work.carbon.value == pytest.approx(8 * 100 * 150 / 1000 * 1.2 * 400)


def test_the_pool_s_unreserved_idle_is_owed_in_proportion() -> None:
    # Reserved for 40 % of the time: to every reserved hour belong 1.5 hours that nobody reserved.
    found = priced(pool_reserved_frac=0.4)
    owed = next(i for i in found.items if i.name.endswith("idle of the pool"))
    idle = next(i for i in found.items if i.name.endswith("idle while reserved"))
    assert owed.carbon.value == pytest.approx(1.5 * idle.carbon.value)
    assert owed.phase == "training"


def test_a_pool_that_is_not_described_is_said_to_be_left_out() -> None:
    assert "pool_reserved_frac" in phase_lines([PhaseSpec.from_mapping(table())]).not_included[0]
    assert phase_lines([PhaseSpec.from_mapping(table(pool_reserved_frac=1.0))]).not_included == []


def test_mean_power_and_energy_say_the_same_as_the_load() -> None:
    load = priced().total.value
    mean = priced(idle_w=None, max_w=None, utilisation_frac=None, average_w=250).total.value
    energy = {**METERED}
    metered = priced(**energy, energy_kwh=200, method="measured")
    assert mean == pytest.approx(load, rel=1e-12)
    assert metered.total.value == pytest.approx(load, rel=1e-12)
    assert metered.factors["phase.train.energy_kwh"].method == "measured"
    assert metered.items[0].carbon.method == "assumed", "the intensity was declared only"


def test_a_measured_energy_in_full_keeps_its_own_story() -> None:
    bare = {**METERED}
    meter = {
        "value": 10.0,
        "low": 9.9,
        "high": 10.1,
        "method": "measured",
        "source": "wall meter 7",
        "key": "meter7",
    }
    account = phase_lines([PhaseSpec.from_mapping(table(**bare, energy_kwh=meter, pue=1.0))])
    kept = next(f for f in account.factors if f.key == "meter7")
    assert (kept.low, kept.high, kept.method, kept.source) == (9.9, 10.1, "measured", "wall meter 7")


def test_two_tables_that_name_one_factor_share_its_draw() -> None:
    pue = {"value": 1.5, "low": 1.1, "high": 1.9, "source": "site", "key": "pue.hall"}
    sure = {"value": 400.0, "low": 400.0, "high": 400.0, "source": "s", "key": "grid.x"}
    bare: dict[str, Any] = {**METERED}
    energy = {"value": 1.0, "low": 1.0, "high": 1.0, "source": "s"}

    def width(**second: Any) -> float:
        same = table(**bare, energy_kwh=energy, pue=pue, intensity_g_per_kwh=sure)
        other = {**same, "name": "tune", "phase": "tuning", **second}
        total = billed(phase_lines([PhaseSpec.from_mapping(t) for t in (same, other)])).total
        return total.high - total.low

    shared, apart = width(), width(pue={**pue, "key": "pue.other"})
    assert shared > 1.2 * apart, "what is common does not average out"


def test_a_pue_is_uncertain_in_its_overhead_and_never_below_one() -> None:
    pue = PhaseSpec.from_mapping(table(pue=1.1)).pue
    assert [pue.low, pue.high] == pytest.approx([1.08, 1.12])
    assert PhaseSpec.from_mapping(table(pue=1)).pue.spread == "exact"


@pytest.mark.parametrize("phase", OPERATIONAL)
def test_every_operational_phase_is_accepted(phase: str) -> None:
    assert PhaseSpec.from_mapping(table(phase=phase)).phase == phase


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"utilisation_frac": None}, "utilisation_frac"),
        ({"utilisation_frac": 1.01}, "utilisation_frac"),
        ({"utilisation_frac": -0.1}, "utilisation_frac"),
        ({"utilisation_frac": []}, "utilisation_frac"),
        ({"utilisation_frac": [0.1, 2.0]}, "utilisation_frac"),
        ({"utilisation_frac": True}, "utilisation_frac"),
        ({"pue": 0.9}, "pue"),
        ({"pue": None}, "pue"),
        ({"pue": {"value": 1.2, "low": 0.9, "high": 1.3, "source": "s"}}, "pue.low"),
        ({"pue": {"value": 1.2, "low": 1.1, "high": 1.3}}, "pue.source"),
        ({"pue": {"value": 1.2, "low": 1.3, "high": 1.4, "source": "s"}}, "pue.value"),
        ({"pue": {"value": 1.2, "low": 1.1, "high": 1.3, "source": "s", "unit": "1"}}, "pue.unit"),
        ({"devices": 0}, "devices"),
        ({"devices": -1}, "devices"),
        ({"hours": 0}, "hours"),
        ({"hours": math.inf}, "hours"),
        ({"hours": "ten"}, "hours"),
        ({"max_w": 0}, "max_w"),
        ({"idle_w": -1}, "idle_w"),
        ({"idle_w": 500}, "idle_w"),
        ({"phase": "manufacture"}, "phase"),
        ({"phase": "trainin"}, "phase"),
        ({"name": ""}, "name"),
        ({"name": 3}, "name"),
        ({"utilization_frac": 0.5}, "utilization_frac"),
        ({"zone": "DE"}, "zone"),
        ({"signal": None}, "signal"),
        ({"basis": "net"}, "basis"),
        ({"intensity_g_per_kwh": -1}, "intensity_g_per_kwh"),
        ({"intensity_g_per_kwh": None}, "zone"),
        ({"intensity_g_per_kwh": None, "zone": "DE"}, "signal"),
        ({"average_w": 3}, "max_w"),
        ({"energy_kwh": 3}, "max_w"),
        ({"energy_kwh": 3, "max_w": None}, "idle_w"),
        ({"energy_kwh": -3, "max_w": None, "idle_w": None}, "energy_kwh"),
        ({"method": "measured"}, "method"),
        ({"pool_reserved_frac": 0}, "pool_reserved_frac"),
        ({"start": "yesterday"}, "start"),
        ({"start": "2026-01-01T00:00"}, "start"),
    ],
)
def test_bad_tables_are_refused_with_their_key(changes: dict[str, Any], key: str) -> None:
    if "energy_kwh" in changes and changes["energy_kwh"] == -3:
        changes = {**changes, "utilisation_frac": None, "devices": None, "hours": None}
    with pytest.raises(ConfigError) as fault:
        PhaseSpec.from_mapping(table(**changes), "footprint.phases[0]", "s.toml")
    assert fault.value.key == f"footprint.phases[0].{key}"
    assert fault.value.fix
    assert "s.toml" in str(fault.value)


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(ConfigError, match="table"):
        PhaseSpec.from_mapping([1])  # type: ignore[arg-type]


def test_a_misspelt_key_is_told_its_neighbour() -> None:
    with pytest.raises(ConfigError, match="'utilisation_frac'"):
        PhaseSpec.from_mapping(table(utilization_frac=0.5))


def test_kinds_are_not_mixed() -> None:
    one = PhaseSpec.from_mapping(table())
    for other in ({"signal": "marginal"}, {"basis": "direct"}):
        two = PhaseSpec.from_mapping(table(name="tune", **other))
        with pytest.raises(MixedKinds, match="tune"):
            phase_lines([one, two])


def test_two_phases_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="two lines"):
        phase_lines([PhaseSpec.from_mapping(table())] * 2)


def test_a_zone_has_the_shipped_mean_and_its_key_is_shared() -> None:
    by_zone = {"intensity_g_per_kwh": None, "signal": None, "basis": None, "zone": "DE"}
    account = phase_lines([PhaseSpec.from_mapping(table(name=n, **by_zone)) for n in ("a", "b")])
    assert [f.key for f in account.factors].count("grid.DE") == 1
    rate = of_zone("DE").rate
    assert billed(account).total.value == pytest.approx(2 * 200 * 1.2 * rate.value)  # type: ignore[union-attr]


def hourly(values: tuple[float, ...]) -> Series:
    return Series(
        times_s=tuple(START_S + 3600.0 * i for i in range(len(values))),
        values=values,
        end_s=START_S + 3600.0 * len(values),
        unit="g/kWh",
        signal="average",
        basis="lifecycle",
        source="made for this test",
    )


BY_HOUR: dict[str, Any] = {
    "intensity_g_per_kwh": None, "signal": None, "basis": None, "zone": "Z", "start": START, "hours": 4,
    "utilisation_frac": [0.0, 1.0, 1.0, 0.5],
}  # fmt: skip


def test_load_and_intensity_that_change_by_the_hour() -> None:
    rates = (100.0, 200.0, 400.0, 300.0)
    found = priced({"Z": hourly(rates)}, **BY_HOUR)
    power = mean_power_w(100.0, 400.0, np.array([0.0, 1.0, 1.0, 0.5]))
    by_hand = operational_g(it_energy_j(8.0, 1.0, power), np.array(rates), 1.2)
    assert found.total.value == pytest.approx(float(by_hand), rel=1e-12)
    joules = float(np.sum(it_energy_j(8.0, 1.0, power)))
    assert math.fsum(i.energy_j.value for i in found.items if i.energy_j) == pytest.approx(joules, rel=1e-12)


def test_a_flat_series_is_a_factor() -> None:
    flat = priced({"Z": hourly((250.0,) * 4)}, **BY_HOUR)
    by_number = priced(
        **{**BY_HOUR, "zone": None, "intensity_g_per_kwh": 250, "signal": "average", "basis": "lifecycle"}
    )
    assert flat.total.value == pytest.approx(by_number.total.value, rel=1e-12)


def test_a_series_needs_to_know_when_and_to_cover_it() -> None:
    with pytest.raises(ConfigError, match="start"):
        priced({"Z": hourly((1.0,) * 4)}, **{**BY_HOUR, "start": None})
    with pytest.raises(DataGap):
        priced({"Z": hourly((1.0,) * 3)}, **BY_HOUR)
    with pytest.raises(DataGap, match="missing"):
        priced({"Z": hourly((1.0, math.nan, 1.0, 1.0))}, **BY_HOUR)


def test_a_series_in_another_unit_or_kind_is_refused() -> None:
    series = Series.constant(1.0, unit="lb/MWh", source="s")
    with pytest.raises(ConfigError, match="g/kWh"):
        typed(series)
    with pytest.raises(MixedKinds):
        Intensity(rate=hourly((1.0,)), signal="marginal", basis="lifecycle")


def test_ends_of_power_that_cross_give_no_energy_back() -> None:
    account = phase_lines([PhaseSpec.from_mapping(table(idle_w=390, max_w=400, utilisation_frac=1.0))])
    work = billed(account).items[0].carbon
    assert work.low == 0.0 < work.value


def test_idle_is_owed_in_proportion_to_reserved_time() -> None:
    owed = idle_owed_j(1000.0, np.array([1.0, 3.0, 0.0]))
    assert owed.tolist() == [250.0, 750.0, 0.0]
    for bad in ([0.0, 0.0], [2.0, -1.0]):
        with pytest.raises(ConfigError):
            idle_owed_j(1.0, np.array(bad))
