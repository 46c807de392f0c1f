"""What a node's making is known by, what the account owes of it, and tables that cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gramwise.core.errors import ConfigError
from gramwise.footprint.bill import bill
from gramwise.footprint.embodied.catalogue import embodied_of
from gramwise.footprint.factors import factor
from gramwise.runtime.assembly import read_scenario
from gramwise.runtime.gathered import gather
from gramwise.runtime.made import Made, made, made_lines

BASE = """
schema = 1
name = "made"
baseline_node = "a"
[models.digits]
reference = "fp32"
variants.fp32.file = "package:digits-fp32.onnx"
[devices.box]
name = "Box"
idle_w = 5.0
busy_w = 10.0
source = "made up"
[[costs]]
model = "digits"
variant = "fp32"
node = "a"
latency_s = 0.1
energy_j = 0.5
source = "made up"
[nodes]
a = { zone = "DE", device = "DEVICE", cpu_share = 1.0, memory = "1 GiB" }
[footprint]
inferences = 1.0
shares = { a = 1.0 }
"""
BOARD = 'name = "board"\n[silicon.cpu]\nmodel = "logic"\nprocess = "7nm"\narea = "1 cm2"\nn_ics = 1\n'
Find = Callable[..., Made]


@pytest.fixture
def find(tmp_path: Path) -> Find:
    def made_of(table: str = "", device: str = "n100") -> Made:
        file = tmp_path / "s.toml"
        (tmp_path / "b.toml").write_text(BOARD)
        body = f"[footprint.embodied.a]\n{table}\n" if table else ""
        file.write_text(BASE.replace("DEVICE", device) + body)
        scenario = read_scenario(file)
        return made(scenario, scenario.node_records()[0], gather(scenario).boms)

    return made_of


def grams(each: Made, years: float = 1.0, reserved_frac: float = 1.0) -> dict[str, float]:
    account = made_lines(each, years, reserved_frac)
    found = bill(
        account.lines, account.factors, functional_unit="life", units=1.0, boundary="a test", draws=200
    )
    return {item.name: item.carbon.value for item in found.items}


def test_the_catalogue_is_the_last_resort_and_its_phases_stay_apart(find: Find) -> None:
    known = embodied_of("n100")
    assert known is not None
    whole = {key: f.value for key, f in {f.key: f for f in known.factors}.items()}
    life = find().life.value
    by_phase: dict[str, float] = {}
    for line in known.lines:
        by_phase[line.phase] = by_phase.get(line.phase, 0.0) + float(line.carbon_g(whole)) / life
    found = grams(find())
    assert found["a, made"] == pytest.approx(by_phase["manufacture"])
    assert sum(found.values()) == pytest.approx(sum(by_phase.values()))


def test_a_vendors_figure_by_hand(find: Find) -> None:
    table = "vendor_kg = 48.0\ntransport_kg = 2.0\nend_of_life_kg = 1.0\nlifetime_years = 5.0"
    expected = {"a, made": 48e3 / 5 * 3 / 2, "a, brought": 2e3 / 5 * 3 / 2, "a, scrapped": 1e3 / 5 * 3 / 2}
    assert grams(find(table), 3.0, 0.5) == pytest.approx(expected)


def test_what_is_owed_is_linear_beyond_a_life_as_well(find: Find) -> None:
    each = find("vendor_kg = 10.0\nlifetime_years = 4.0")
    assert [grams(each, years)["a, made"] for years in (2.0, 4.0, 6.0)] == pytest.approx([5e3, 10e3, 15e3])


def test_a_vendors_figure_alone_says_what_it_lacks(find: Find) -> None:
    account = made_lines(find("vendor_kg = 10.0"), 1.0, 1.0)
    assert sorted(account.not_included) == ["a: end of life", "a: transport from the factory"]


def test_a_bill_of_materials_with_what_lists_leave_out_is_dearer(find: Find) -> None:
    plain, upper = (
        grams(find(f'bom = "b.toml"\ntruncation = {flag}'))["a, made"] for flag in ("false", "true")
    )
    assert 0.0 < plain < upper
    assert grams(find('bom = " b.toml "'))["a, made"] == plain


def test_another_devices_making_and_blocks(find: Find) -> None:
    owed = [grams(find(table, device)) for table, device in (('device = "pi4"', "n100"), ("", "pi4"))]
    lives = [find(table, device).life.value for table, device in (('device = "pi4"', "n100"), ("", "pi4"))]
    assert owed[0]["a, made"] * lives[0] == pytest.approx(owed[1]["a, made"] * lives[1])
    low, high = (
        grams(find(f'blocks = [{{ type = "processing", hsl_level = "HSL-{n}" }}]'))["a, made"] for n in (1, 2)
    )
    assert 0.0 < low < high


def test_the_life_is_the_tables_then_the_devices_then_its_kinds(find: Find) -> None:
    assert find("vendor_kg = 1.0\nlifetime_years = 7.0").life.value == 7.0
    assert find('vendor_kg = 1.0\nkind = "phone"').life == factor("scaling_factors", "lifetime.phone_years")
    assert find("vendor_kg = 1.0", "pi4").life == factor("scaling_factors", "lifetime.sensor_years")


def test_what_nobody_knows_is_said_and_is_no_line(find: Find) -> None:
    account = made_lines(find(device="box"), 1.0, 1.0)
    assert account.lines == []
    assert account.not_included[0].startswith("making of a:")


def test_the_share_of_a_life_is_drawn_with_it(find: Find) -> None:
    each = find("vendor_kg = { value = 10.0, low = 10.0, high = 10.0, source = 'x' }\nlifetime_years = 5.0")
    line = made_lines(each, 1.0, 1.0).lines[0]
    drawn = {line.factors[0]: np.full(3, 10.0), line.factors[1]: np.array([4.0, 5.0, 8.0])}
    assert np.asarray(line.carbon_g(drawn)).tolist() == [2500.0, 2000.0, 1250.0]


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("vendor_kg = 1.0\nbom = 'b.toml'", r"a\.bom: vendor_kg says the same"),
        ("vendor_kg = -1.0", r"a\.vendor_kg"),
        ("vendor_kg = 0.0", r"a\.vendor_kg"),
        ("vendor_g = 1.0", r"a\.vendor_g"),
        ("transport_kg = 1.0", r"a\.transport_kg: it stands beside vendor_kg only"),
        ("vendor_kg = 1.0\ntruncation = true", r"a\.truncation: it stands beside bom only"),
        ("bom = 'b.toml'\ntruncation = 'no'", r"a\.truncation: this is yes or no"),
        ("bom = 'none.toml'", r"none\.toml"),
        ("bom = ''", r"a\.bom"),
        ("bom = 3", r"a\.bom"),
        ("blocks = 3", r"a\.blocks: this must be a list"),
        ("blocks = ['x']", r"a\.blocks: this must be a list"),
        ("blocks = []", r"a\.blocks"),
        ("blocks = [{ type = 'processing', hsl_level = 'HSL-1', units = 'x' }]", r"blocks\[0\]\.units"),
        ("blocks = [{ type = 'procesing', hsl_level = 'HSL-1' }]", r"processing"),
        ("vendor_kg = 1.0\nlifetime_years = 4.0\nkind = 'server'", r"a\.kind: lifetime_years says the same"),
        ("vendor_kg = 1.0\nlifetime_years = 0.0", r"a\.lifetime_years"),
        ("vendor_kg = 1.0\nkind = 'toaster'", r"a\.kind"),
        ("device = 'n10'", r"n10"),
    ],
)
def test_tables_that_cannot_be_are_refused_by_key(find: Find, table: str, key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        find(table)
