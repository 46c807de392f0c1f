"""The bill of a scenario, held against numbers worked out by hand, and against everything that could be counted twice,
vanish or be mixed up on the way.
"""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gramwise.core.errors import ConfigError, DataError, MixedKinds
from gramwise.core.phase import MODELLED_CPU, PhasePart, PhaseRun
from gramwise.core.quantity import Quantity
from gramwise.core.units import J_PER_KWH, S_PER_YEAR
from gramwise.footprint.document import as_document
from gramwise.footprint.scaling.intensity import of_zone
from gramwise.grid.sources.annual import Annual
from gramwise.runtime.assembly import read_scenario
from gramwise.runtime.lifecycle import again, footprint
from gramwise.runtime.phaseledger import append

Document = dict[str, Any]
Bill = Callable[..., Document]
EXAMPLE = Path(__file__).parents[2] / "examples" / "whole-life.toml"

BASE = """
schema = 1
name = "hand"
baseline_node = "a"
[models.digits]
reference = "fp32"
variants.fp32.file = "package:digits-fp32.onnx"
[devices.box]
name = "Box"
idle_w = 5.0
busy_w = 10.0
embodied_g = 40000.0
lifetime_s = 126230400.0
source = "made up"
[[costs]]
model = "digits"
variant = "fp32"
device = "box"
latency_s = 0.1
energy_j = 0.5
source = "made up"
[nodes]
a = { zone = "DE", device = "box", cpu_share = 1.0, memory = "1 GiB", pue = 1.2 }
b = { zone = "FI", device = "box", cpu_share = 1.0, memory = "1 GiB" }
[footprint]
draws = 200
"""
PHASE = """
[[footprint.phases]]
name = "fit"
phase = "training"
pue = 1.0
energy_kwh = 10.0
"""
DUTY = """
[footprint.duty.bell]
inferences_per_day = 100.0
inference_j = 0.005
active_s = 0.2
sleep_w = 5.0e-5
supply = "mains"
regulator_frac = 0.9
supply_frac = 0.8
life_days = 2000.0
"""


@pytest.fixture
def bill(tmp_path: Path) -> Bill:
    def make(text: str = "", base: str = BASE) -> Document:
        file = tmp_path / "s.toml"
        told = re.search(r"^(# )?inferences( =|$)", text, re.MULTILINE)
        file.write_text(base + ("" if told else "inferences = 1.0e6\n") + text)
        return footprint(read_scenario(file))

    return make


def run(id_: str, **changes: Any) -> PhaseRun:
    energy = changes.pop("energy", amount(3.6e6, "J"))
    plain: dict[str, Any] = {
        "id": id_,
        "phase": "training",
        "name": "job",
        "status": "done",
        "wall_s": 100.0,
        "started_s": 1000.0,
        "seen_s": 1100.0,
        "ended_s": 1100.0,
        "energy": energy,
        "parts": (PhasePart(component=MODELLED_CPU, energy=energy),) if energy else (),
        "zone": "DE",
        "intensity": Annual().intensity("DE").quantity,
        "signal": "average",
        "basis": "lifecycle",
    }
    return PhaseRun(**{**plain, **changes})


def amount(value: float, unit: str) -> Quantity:
    return Quantity(
        value=value,
        low=0.9 * value,
        high=1.1 * value,
        unit=unit,
        method="measured",
        boundary="wall",
        source="a test",
    )


def rows(document: Document) -> dict[str, float]:
    return {item["name"]: item["carbon"]["value"] for item in document["items"]}


def said(document: Document) -> str:
    return "\n".join([*document["assumptions"], *document["not_included"]])


def zone_g(zone: str) -> float:
    return float(of_zone(zone).rate.value)  # type: ignore[union-attr]


def test_every_row_by_hand(bill: Bill) -> None:
    found = rows(bill("years = 2.0\nreserved_frac = 0.5\nshares = { a = 0.75, b = 0.25 }\n"))
    de, fi = zone_g("DE"), zone_g("FI")
    idle_kwh = 5.0 * 2.0 * S_PER_YEAR * 0.5 / J_PER_KWH
    expected = {
        "a, inference": 0.75e6 * 0.5 / J_PER_KWH * de * 1.2,
        "b, inference": 0.25e6 * 0.5 / J_PER_KWH * fi,
        "a, idle": idle_kwh * de * 1.2,
        "b, idle": idle_kwh * fi,
        "a, made": 40000.0 * 2.0 * 0.5 / 4.0,
        "b, made": 40000.0 * 2.0 * 0.5 / 4.0,
    }
    assert found == pytest.approx(expected, rel=1e-12)


def test_the_network_is_on_the_nodes_grid_without_the_sites_pue(bill: Bill) -> None:
    link = 'pue = 1.2, link = { energy_j_per_byte = 1.0e-6, source = "made up" }'
    document = bill(base=BASE.replace("pue = 1.2", link))
    picture_bytes = 4.0 * 96 * 96  # of the shipped model, fp32
    least = 1e6 * picture_bytes * 1e-6 / J_PER_KWH * zone_g("DE")
    assert least < rows(document)["a, network"] < 1.02 * least  # and its ten answers
    assert "network to a" not in said(document)


def test_a_zone_of_ones_own_needs_no_annual_mean(bill: Bill) -> None:
    own = BASE.replace('zone = "FI"', 'zone = "lab", intensity_g_per_kwh = 10.0, intensity_source = "roof"')
    assert rows(bill(base=own))["b, idle"] == pytest.approx(5.0 * S_PER_YEAR / J_PER_KWH * 10.0)


def test_nodes_that_declare_one_grid_share_its_factor_and_others_do_not(bill: Bill) -> None:
    own = 'intensity_g_per_kwh = 300.0, intensity_source = "contract"'
    text = BASE.replace('zone = "DE"', f'zone = "DE", {own}')
    same = bill(base=text.replace('zone = "FI"', f'zone = "DE", {own}'))
    other = bill(base=text.replace('zone = "FI"', f'zone = "DE", {own.replace("contract", "bill")}'))
    grids = [[f["key"] for f in d["factors"] if f["unit"] == "g/kWh"] for d in (same, other)]
    assert grids == [["grid.DE.a"], ["grid.DE.a", "grid.DE.b"]]


def test_more_inferences_than_fit_are_told(bill: Bill) -> None:
    most = S_PER_YEAR * 5.0 / 0.5  # joules above idle at full load, over those of an inference
    assert "would be busy" not in said(bill(f"inferences = {most * 0.99}\n"))
    assert "at least 3 such machines" in said(bill(f"inferences = {most * 2.5}\n"))


def test_nodes_that_serve_nothing_lives_that_end_and_nothing_reserved_are_told(bill: Bill) -> None:
    plain = said(bill())
    assert "b serves no inference" in plain
    assert "lives 4 years" not in plain
    long = bill("years = 6.0\ninferences = 1.0\n")
    assert "a lives 4 years: over 6 years 1.5 such machines" in said(long)
    assert rows(long)["a, made"] == pytest.approx(60000.0)
    nothing = bill("reserved_frac = 0.0\ninferences = 1.0\n")
    assert "No time of the nodes is reserved" in said(nothing)
    assert rows(nothing)["a, idle"] == rows(nothing)["a, made"] == 0.0


def test_traffic_of_other_models_and_from_files_is_not_counted(bill: Bill) -> None:
    cars = '[models.cars]\nreference = "fp32"\nvariants.fp32.file = "package:digits-fp32.onnx"\n'
    base = BASE.replace("[devices.box]", f"{cars}[devices.box]")
    one = '# inferences\n[[traffic]]\nname = "x"\nmodel = "digits"\nrate_per_s = 2.0\ncount = 3\n'
    two = '[[traffic]]\nname = "y"\nmodel = "cars"\nrate_per_s = 50.0\n'
    assert bill(one + two, base)["units"] == pytest.approx(6.0 * S_PER_YEAR)
    with pytest.raises(ConfigError, match="inferences_per_day"):
        bill(one + '[[traffic]]\nname = "z"\nmodel = "digits"\nfile = "a.csv"\n', base)
    with pytest.raises(ConfigError, match="inferences_per_day"):
        bill("# inferences\n")


def test_hardware_of_a_phase_does_not_tell_of_its_electricity(bill: Bill) -> None:
    hardware = """
[[footprint.hardware]]
name = "phones"
serves = "client"
devices = 1.0
hours = 10.0
kind = "phone"
utilisation_frac = 0.5
manufacture_g = 5.0e4
"""
    assert "the clients' own devices: no table tells of it" in said(bill(hardware))


def test_a_duty_shares_its_zones_factor_and_its_making_is_not_forgotten(bill: Bill) -> None:
    zoned = bill(DUTY + 'zone = "DE"\n')
    sleep = next(item for item in zoned["items"] if item["name"] == "bell, sleep")
    assert "grid.DE" in sleep["factors"]
    assert "bell: making, bringing and scrapping" in said(zoned)
    assert "bell infers itself" in said(zoned)
    with pytest.raises(ConfigError, match=r"duty\.bell\.zone"):
        bill(DUTY + 'zone = "DE"\nintensity = 300.0\n')
    with pytest.raises(ConfigError, match=r"duty\.bell\.sleep_ww"):
        bill(DUTY + 'zone = "DE"\nsleep_ww = 300.0\n')


def test_kinds_are_never_mixed_and_both_are_named(bill: Bill, tmp_path: Path) -> None:
    other = 'intensity_g_per_kwh = 500.0\nsignal = "marginal"\nbasis = "lifecycle"\n'
    with pytest.raises(MixedKinds, match=r"nodes\.a.*fit"):
        bill(PHASE + other)
    with pytest.raises(MixedKinds, match=r"nodes\.a.*footprint\.duty\.bell"):
        bill(DUTY + 'intensity = 500.0\nbasis = "direct"\n')
    with pytest.raises(ConfigError, match=r"duty\.bell\.signal"):
        bill(DUTY + 'intensity = 500.0\nsignal = "mean"\n')
    append(tmp_path / "l.jsonl", run("odd", signal="marginal"))
    with pytest.raises(MixedKinds, match=r"nodes\.a.*job \(odd\)"):
        bill('ledger = ["l.jsonl"]\n')


def test_ledgers_are_one_account(bill: Bill, tmp_path: Path) -> None:
    text = 'ledger = ["l.jsonl", "m.jsonl"]\n'
    append(tmp_path / "l.jsonl", run("outer", energy=None))
    append(tmp_path / "m.jsonl", run("inner", parent="outer"))
    append(tmp_path / "m.jsonl", run("later", intensity=amount(100.0, "g/kWh")))
    append(tmp_path / "l.jsonl", run("other", intensity=amount(200.0, "g/kWh")))
    append(tmp_path / "m.jsonl", run("stray", parent="elsewhere"))
    document = bill(text)
    found = rows(document)
    assert found["job (inner)"] == pytest.approx(zone_g("DE"))  # what contains it has no figure of its own
    assert found["job (later)"] + found["job (other)"] == pytest.approx(300.0)
    assert "job (stray)" not in found
    assert "it ran inside elsewher, which no ledger of this bill holds" in said(document)
    assert "machines that phases ran on" in said(document)
    shutil.copy(tmp_path / "l.jsonl", tmp_path / "m.jsonl")
    with pytest.raises(DataError, match="given twice"):
        bill(text)


def test_a_measured_run_shares_its_zones_error_where_the_figure_is_the_same(
    bill: Bill, tmp_path: Path
) -> None:
    append(tmp_path / "l.jsonl", run("same", idle=amount(10.0, "J")))
    append(tmp_path / "l.jsonl", run("hours", intensity=amount(50.0, "g/kWh")))
    document = bill('ledger = ["l.jsonl"]\n')
    used = {item["name"]: item["factors"] for item in document["items"]}
    assert used["job (same)"] == ["ledger.same.energy", "grid.DE"]
    assert used["job (same), idle"] == ["ledger.same.idle", "grid.DE"]
    assert any(key.startswith("ledger.grid.DE") for key in used["job (hours)"])
    assert rows(document)["job (same)"] == pytest.approx(zone_g("DE"))
    energy = next(item["energy"] for item in document["items"] if item["name"] == "job (same)")
    assert energy["source"] == "a test"  # the joules do not rest on the grid


def test_a_receipts_inputs_give_every_digit_again(tmp_path: Path) -> None:
    text = EXAMPLE.read_text("utf-8")
    for name, making in {
        "essen": "vendor_kg = 40.0\ntransport_kg = 2.0\nlifetime_years = 5.0",
        "sevilla": 'bom = "b.toml"\ntruncation = true',
        "turku": 'blocks = [{ type = "processing", hsl_level = "HSL-1" }]',
    }.items():
        text += f"\n[footprint.embodied.{name}]\n{making}\n"
    text = text.replace("provider_unit =", 'ledger = ["l.jsonl"]\ndraws = 500\nprovider_unit =')
    text += '\n[[footprint.sites]]\nname = "hall"\nserves = "training"\nconstruction_g = 5.0e10\n'
    text += "it_capacity_w = 1.0e6\nlifetime_years = 20.0\nit_power_w = 300.0\nhours = 178.0\n"
    folder = tmp_path / "one"
    folder.mkdir()
    (folder / "s.toml").write_text(text)
    (folder / "b.toml").write_text(
        'name = "board"\n[silicon.cpu]\nmodel = "logic"\nprocess = "7nm"\narea = "1 cm2"\nn_ics = 1\n'
        '[silicon.ram]\nmodel = "dram"\nprocess = "lpddr4"\ncapacity = "4 GB"\nfab_yield = 0.8\n'
    )
    append(folder / "l.jsonl", run("x", host={"id": "h"}, pue=1.1, notes=("n",)))
    document = footprint(read_scenario(folder / "s.toml"))
    kept = json.dumps(document["inputs"], allow_nan=False)
    shutil.rmtree(folder)
    same = json.loads(json.dumps(as_document(again(json.loads(kept))), allow_nan=False))
    assert {key: document[key] for key in same} == same
    assert document["total"]["value"] == math.fsum(rows(document).values())
    assert str(tmp_path) not in kept


def test_foreign_inputs_are_refused() -> None:
    with pytest.raises(DataError, match="inputs of this receipt"):
        again({"scenario": {}})


def test_same_seed_same_bytes_and_no_nan(bill: Bill) -> None:
    text = "inferences = 1.0e6\ngrowth_frac_per_year = -0.9\n" + PHASE + 'zone = "FR"\n'
    first, second = (json.dumps(bill(text), allow_nan=False, sort_keys=True) for _ in range(2))
    assert first == second
    assert json.loads(first)["break_even"] is not None
    assert json.dumps(bill("seed = 1\n" + text), sort_keys=True) != first
