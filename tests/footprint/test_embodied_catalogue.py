"""Embodied carbon of the catalogue's devices, and the docs table that sets published answers beside ours."""

from __future__ import annotations

import csv
import json
import os
import re
from importlib.resources import files
from pathlib import Path

import pytest

from gramwise.core.errors import ConfigError
from gramwise.fleet.catalogue import devices
from gramwise.footprint.bill import bill
from gramwise.footprint.embodied.bom import parse
from gramwise.footprint.embodied.catalogue import embodied_of, known_devices, what_to_write
from gramwise.footprint.embodied.device import DeviceEmbodied, of_bom, representative
from gramwise.footprint.embodied.parts import part_factor, priced

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/method/embodied.md"
CASES = Path(os.environ.get("GRAMWISE_CASES", ROOT / "../shared/cases")) / "embodied.json"


def known(device_id: str) -> DeviceEmbodied:
    found = embodied_of(device_id)
    assert found is not None
    return found


def test_every_row_is_of_a_device_of_the_catalogue() -> None:
    assert set(known_devices()) <= {d.id for d in devices()}


@pytest.mark.parametrize("device_id", known_devices())
def test_every_known_device_has_a_figure_with_interval_tier_and_sources(device_id: str) -> None:
    found = known(device_id)
    footprint = found.footprint(draws=500)
    assert 0.0 < footprint.total.low <= footprint.total.value <= footprint.total.high
    assert footprint.total.high > 1.1 * footprint.total.value
    assert footprint.operational.value == 0.0
    assert all(len(f.source) > 10 for f in found.factors)
    phases = {line.phase for line in found.lines}
    for phase, word in (("transport", "transport"), ("end-of-life", "end of life")):
        assert (phase in phases) != any(word in text for text in found.not_included)


def test_an_unknown_device_is_unknown_and_not_zero() -> None:
    assert embodied_of("no_such_device") is None
    assert "not counted" in what_to_write("no_such_device")
    assert "no_such_device" in what_to_write("no_such_device")


def test_every_row_states_unit_source_and_order() -> None:
    text = (files("gramwise") / "data" / "embodied_devices.csv").read_text("utf-8")
    for row in csv.DictReader(text.splitlines()):
        if row["part"] == "missing":
            assert row["note"]
            continue
        assert float(row["low"]) <= float(row["quantity"]) <= float(row["high"])
        assert row["unit"]
        assert row["source"]


def test_the_pi_4_by_hand() -> None:
    found = known("pi4")
    assert found.tier == "bom"
    by_hand = (48.75 + 65.77) / 100 * 1328.2286 + 4 * 48 / 0.875 + 15 * 150 + 47.6 * 10.8
    assert found.footprint(draws=200).total.value == pytest.approx(by_hand, rel=1e-5)
    assert any("passives" in text for text in found.not_included)


def test_the_mac_mini_is_split_by_phase() -> None:
    found = known("mac_mini_m4")
    assert found.tier == "vendor"
    assert found.footprint(draws=200).by_phase() == pytest.approx(
        {"manufacture": 70600.0, "transport": 1120.0, "end-of-life": 1120.0}
    )


def test_devices_of_one_fleet_share_what_is_common_in_one_bill() -> None:
    fleet = [known(d) for d in ("pi4", "pi5", "orin_nano_8gb")]
    lines = [line for device in fleet for line in device.lines]
    factors = {f.key: f for device in fleet for f in device.factors}
    whole = bill(lines, factors.values(), functional_unit="fleet", units=1.0, boundary="embodied")
    assert whole.total.value == pytest.approx(sum(d.footprint(draws=100).total.value for d in fleet))


def test_a_representative_terminal_or_none() -> None:
    assert representative("laptop").footprint(draws=200).total.value == pytest.approx(100_000.0)
    with pytest.raises(ConfigError, match=r"whole\.television"):
        representative("television")


def own_server() -> float:
    """The written-out server of the page by the own method: dies and memories ours, the rest the study's."""
    silicon = {f"cpu{i}": {"area": "588 mm2", "process": "14nm", "n_ics": 1} for i in range(2)}
    memory = {
        "ram": {"model": "dram", "process": "ddr4_10nm", "capacity": "128 GB"},
        "ssd": {"model": "flash", "process": "nand_tlc_v3", "capacity": "800 GB"},
    }
    made = (
        of_bom(parse({"name": "server", "silicon": {**silicon, **memory}})).footprint(draws=200).total.value
    )
    rest = [("supply", 20.0), ("case_rack", 1.0), ("motherboard", 1.0), ("assembly", 1.0)]
    for key, amount in rest:
        item = priced(key, amount, part_factor(f"server.{key}"))
        made += float(item.line.carbon_g({f.key: f.value for f in item.factors}))
    return made / 1000.0


def ours(name: str) -> float | None:
    """What the page's third column says, in kg: a device of the catalogue, a representative, or the server above."""
    kind, _, key = name.partition(" ")
    if kind == "catalogue":
        return known(key).footprint(draws=200).total.value / 1000.0
    if kind == "representative":
        return representative(key).footprint(draws=200).total.value / 1000.0
    return own_server() if kind == "parts" else None


def rows_of_page() -> list[list[str]]:
    lines = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `BOA-")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_page_sets_published_answers_beside_ours() -> None:
    rows = rows_of_page()
    assert len(rows) >= 12
    for case, theirs, whose, mine, reason in rows:
        assert float(theirs) > 0.0, case
        assert len(reason) > 30, case
        found = ours(whose)
        if found is None:
            assert mine == "unknown", case
        else:
            assert float(mine) == pytest.approx(found, rel=5e-3), case


def test_the_page_has_every_terminal_server_and_gpu_of_the_cases() -> None:
    if not CASES.exists():
        pytest.skip(f"{CASES} is not there")
    wanted = {
        case["id"]: case["output"]["embedded_kgco2e"]["value"]
        for case in json.loads(CASES.read_text("utf-8"))["cases"]
        if case["kind"] in {"terminal", "peripheral", "server", "gpu"}
    }
    page = {re.sub("`", "", row[0]): float(row[1]) for row in rows_of_page()}
    assert page == wanted
