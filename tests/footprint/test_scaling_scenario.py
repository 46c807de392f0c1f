"""The scaling tables of a scenario together: one bill, what it leaves out, unknown tables, and its speed."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path

import pytest

from gramwise.core.errors import ConfigError
from gramwise.core.footprint import EMBODIED
from gramwise.core.series import Series
from gramwise.footprint.bill import bill
from gramwise.footprint.scaling import amortise, phases, replacing, site
from gramwise.footprint.scaling.scenario import NO_HARDWARE, Scaling
from gramwise.footprint.scaling.site import OMITTED

TEXT = """
[[phases]]
name = "train"
phase = "training"
zone = "SE"
pue = { value = 1.1, low = 1.08, high = 1.15, source = "operator's report", key = "pue.lulea" }
devices = 64
hours = 300
idle_w = 90
max_w = 450
utilisation_frac = { value = 0.7, low = 0.6, high = 0.8, method = "measured", source = "counters" }
pool_reserved_frac = 0.8

[[phases]]
name = "serve"
phase = "inference"
zone = "DE"
pue = 1.0
energy_kwh = 1200
method = "measured"
start = 2026-01-01T00:00:00Z
hours = 8760

[[hardware]]
name = "trainer"
serves = "training"
kind = "server"
devices = 64
hours = 300
utilisation_frac = 0.6
manufacture_g = 164000

[[sites]]
name = "lulea"
serves = "training"
construction_g = 4e10
lifetime_years = 20
it_capacity_w = 2e7
it_power_w = 28800
hours = 300

[[renewal]]
name = "nodes"
old_devices = 4
new_devices = 1
old_idle_w = 20
new_idle_w = 15
old_j_per_unit = 2
new_j_per_unit = 0.5
units_per_s = 10
making_g = 100000
new_lifetime_years = 5
zone = "DE"
pue = 1
"""


def scaling() -> Scaling:
    return Scaling.from_mapping(tomllib.loads(TEXT), "a.toml")


def test_a_scenario_becomes_one_bill_whose_parts_sum() -> None:
    account = scaling().account()
    whole = bill(account.lines, account.factors, functional_unit="x", units=1e6, boundary="b", seed=1)
    assert math.fsum(whole.by_phase().values()) == pytest.approx(whole.total.value, rel=1e-15)
    assert set(whole.by_phase()) == {"training", "inference", "manufacture", "datacentre", "end-of-life"}
    assert whole.total.low < whole.total.value < whole.total.high
    assert set(account.serves.values()) == {"training", "inference"}
    assert set(account.serves) == {line.name for line in account.lines}
    assert account.not_included == ["trainer: transport (transport_g)"]


def test_what_is_absent_is_named() -> None:
    bare = Scaling.from_mapping({"phases": tomllib.loads(TEXT)["phases"]}).account()
    assert bare.not_included == [NO_HARDWARE, OMITTED]
    assert not any(line.phase in EMBODIED for line in bare.lines)


def test_a_zone_s_series_takes_the_place_of_its_mean() -> None:
    flat = Series.constant(100.0, unit="g/kWh", source="made for this test")
    account = scaling().account({"DE": flat})
    whole = bill(account.lines, account.factors, functional_unit="x", units=1, boundary="b", draws=500)
    assert whole.by_phase()["inference"] == pytest.approx(1200 * 100.0)


def test_every_line_reads_only_the_factors_it_names() -> None:
    account = scaling().account()
    values = {f.key: f.value for f in account.factors}
    for line in account.lines:
        named = {key: values[key] for key in line.factors}
        assert float(line.carbon_g(named)) > 0.0
        for key in named:
            moved = float(line.carbon_g({**named, key: named[key] * 0.9}))
            assert moved != float(line.carbon_g(named)), f"{line.name} does not depend on {key}"


def test_no_line_is_below_zero_in_any_draw() -> None:
    account = scaling().account()
    whole = bill(account.lines, account.factors, functional_unit="x", units=1, boundary="b", draws=2000)
    assert all(item.carbon.low >= 0.0 for item in whole.items)


def test_the_page_tells_every_key_of_every_table() -> None:
    page = (Path(__file__).parents[2] / "docs/method/scaling.md").read_text("utf-8")
    for module, heading in (
        (phases, "phases"),
        (amortise, "hardware"),
        (site, "sites"),
        (replacing, "renewal"),
    ):
        section = page.split(f"`[[footprint.{heading}]]`")[1].split("`[[footprint.")[0]
        assert [key for key in module._KEYS if f"`{key}`" not in section] == []


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        ({"phase": []}, "footprint.phase"),
        ({"phases": {}}, "footprint.phases"),
        ({"phases": [{"name": "a"}]}, "footprint.phases[0].phase"),
        ({"hardware": [{}]}, "footprint.hardware[0].name"),
        ({"sites": [3]}, "footprint.sites[0]"),
    ],
)
def test_bad_tables_are_refused_with_their_place(raw: dict[str, object], key: str) -> None:
    with pytest.raises(ConfigError) as fault:
        Scaling.from_mapping(raw, "a.toml")
    assert fault.value.key == key
    assert "a.toml" in str(fault.value)
