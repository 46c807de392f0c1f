"""A valid scenario becomes records; environment and caller beat the file; the schema knows every key."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from gramwise.core.errors import ConfigError, Infeasible
from gramwise.fleet.scenario import (
    Scenario,
    check_floor,
    check_memory,
    load_scenario,
    scenario_schema,
    template,
)

Write = Callable[..., Path]
MIB = 1024**2


def load(file: Path, **arguments: Any) -> Scenario:
    return load_scenario(file, environ={}, **arguments)


def test_nodes_become_records(write: Write) -> None:
    lyon, oslo = load(write()).node_records()
    assert (lyon.name, lyon.zone, lyon.cpu_share, lyon.memory_bytes, lyon.slots, lyon.pue) == (
        "lyon",
        "FR",
        0.4,
        512 * MIB,
        1,
        1.0,
    )
    assert (lyon.device.id, lyon.device.busy_w) == ("pi4", 7.2)
    assert (lyon.link.bytes_per_s, lyon.link.rtt_s, lyon.link.energy_j_per_byte) == (1.25e7, 0.002, None)
    assert (oslo.slots, oslo.pue, oslo.speed_factor, oslo.memory_bytes) == (2, 1.2, 1.5, 1024 * MIB)


def test_a_contract_stands_beside_the_grid_and_is_unknown_where_there_is_none(write: Write) -> None:
    contract = '[nodes.oslo.contract]\nintensity_g_per_kwh = 0.0\nsource = "guarantees of origin, 2026"\n'
    scenario = load(write("[devices.paper-host]", f"{contract}\n[devices.paper-host]"))
    assert scenario.contract_intensities() == {"oslo": 0.0}
    assert scenario.nodes["oslo"].intensity_g_per_kwh == 380.0
    assert load(write("", "", scenario.toml())).contract_intensities() == {"oslo": 0.0}
    assert load(write()).contract_intensities() == {}


def test_a_device_of_ones_own_has_facts_with_its_source(write: Write) -> None:
    box = load(write()).node_records()[1].device
    assert (box.idle_w, box.busy_w, box.sustained_flop_per_s) == (10.0, 45.0, 60e9)
    assert (box.embodied_g, box.lifetime_s) == (150000.0, 1.57788e8)
    busy, idle = box.facts["busy_w"], box.facts["idle_w"]
    assert (busy.low, busy.high, busy.source) == (40.0, 50.0, "assumed for the test")
    assert (idle.low, idle.high) == (8.0, 12.0)
    assert "gramwise's own judgement" in idle.source
    assert {fact.method for fact in box.facts.values()} == {"assumed"}


def test_variants_become_records_reference_first(write: Write) -> None:
    scenario = load(write('reference = "fp32"', 'reference = "int8"'))
    first, second = scenario.variant_records()
    assert (first.name, second.name) == ("int8", "fp32")
    assert first.path == str(scenario.path.parent / "small.onnx")
    assert (second.accuracy_frac, second.accuracy_source) == (0.985, "held-out set, 797 images")


def test_package_names_stay_and_an_accuracy_of_ones_own_wins(write: Write) -> None:
    scenario = load(write('file = "model.onnx"', 'file = "package:digits-fp32.onnx"'))
    variant = scenario.variant_records()[0]
    assert variant.path == "package:digits-fp32.onnx"
    assert variant.accuracy_frac == 0.985


def test_a_shipped_file_brings_its_measured_accuracy() -> None:
    facts = Path(__file__).parents[2] / "src/gramwise/data/models/digits.json"
    if not facts.is_file():
        pytest.skip("the shipped models are not built yet")
    text = template(host="here", cores=2, memory_bytes=4096 * MIB, zone="FR")
    scenario = Scenario.model_validate(tomllib.loads(text))
    by_name = {variant.name: variant for variant in scenario.variant_records()}
    assert 0.9 < (by_name["fp32"].accuracy_frac or 0) <= 1
    assert "held-out" in by_name["int8"].accuracy_source


def test_a_file_without_a_figure_has_unknown_accuracy(write: Write) -> None:
    gone = 'accuracy_frac = 0.985\naccuracy_source = "held-out set, 797 images"\n'
    assert load(write(gone, "")).variant_records()[0].accuracy_frac is None


def test_what_is_resolved_reads_back_the_same(write: Write, tmp_path: Path) -> None:
    first = load(write(), overrides={"name": 'quoted "name" \\ with\ttab'})
    copy = tmp_path / "copy.toml"
    copy.write_text(first.toml(), "utf-8")
    assert load(copy).model_dump() == first.model_dump()


def test_environment_beats_the_file_and_the_caller_beats_both(write: Write) -> None:
    environ = {
        "GRAMWISE_WORKLOAD__REQUESTS": "10",
        "GRAMWISE_WORKLOAD__COUNT": "7",
        "GRAMWISE_NODES__LYON__ZONE": "DE",
        "GRAMWISE_DEVICES__PAPER_HOST__BUSY_W": "48",
        "GRAMWISE_BENCH__POLICIES": '["grams"]',
        "GRAMWISE_GOALS__ALLOWED_ZONES": '["DE"]',
        "GRAMWISE_CACHE": "not a setting",
        "PATH": "/bin",
    }
    scenario = load_scenario(write(), overrides={"workload.requests": 20}, environ=environ)
    assert (scenario.workload.requests, scenario.workload.count) == (20, 7)
    assert scenario.nodes["lyon"].zone == "DE"
    assert scenario.devices["paper-host"].busy_w == 48
    assert scenario.bench.policies == ("grams",)


def test_the_process_environment_counts_by_default(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAMWISE_WORKLOAD__SEED", "42")
    assert load_scenario(write()).workload.seed == 42


def test_defaults_stand_where_the_file_is_silent(write: Write) -> None:
    text = write().read_text().split("[goals]")[0]
    scenario = load(write(text=text))
    assert scenario.model == "digits"
    assert scenario.goals.accuracy_floor_frac is None
    assert (scenario.workload.arrivals, scenario.workload.inputs) == ("closed", "random")
    assert "grams" in scenario.bench.policies
    assert (scenario.executor.kind, scenario.executor.caps, scenario.executor.period_s) == (
        "processes",
        "auto",
        0.01,
    )


def test_only_nodes_without_an_intensity_need_a_known_zone(write: Write) -> None:
    asked: list[str] = []
    load(write(), known_zones=asked.append)
    assert asked == ["FR"]


def test_memory_must_hold_one_variant(write: Write) -> None:
    scenario = load(write())
    check_memory(scenario, {"fp32": 900 * MIB, "int8": 512 * MIB})
    with pytest.raises(ConfigError, match=r"nodes\.lyon\.memory: 512\.0MiB cannot hold any") as caught:
        check_memory(scenario, {"fp32": 900 * MIB, "int8": 512.5 * MIB})
    assert "'int8', needs 512.5MiB" in str(caught.value)
    assert 'Write memory = "513 MiB" or more, or split the model: gramwise plan SCENARIO.' in str(
        caught.value
    )


def test_a_floor_that_no_variant_meets_is_infeasible(write: Write) -> None:
    check_floor(load(write()))
    with pytest.raises(Infeasible, match=r"goals\.accuracy_floor_frac") as caught:
        check_floor(load(write(), overrides={"goals.accuracy_floor_frac": 0.99}))
    assert "fp32 0.985, int8 0.98" in str(caught.value)
    assert "Write accuracy_floor_frac = 0.985 or less" in str(caught.value)
    assert [verdict.variant for verdict in caught.value.verdicts] == ["fp32", "int8"]  # type: ignore[attr-defined]


def test_unknown_accuracy_meets_no_floor(write: Write) -> None:
    text = "\n".join(
        line for line in write().read_text().splitlines() if not line.startswith("accuracy_frac")
    )
    with pytest.raises(Infeasible, match="fp32 unknown, int8 unknown"):
        check_floor(load(write(text=text)))


def keys(model: type[BaseModel]) -> Iterator[tuple[str, str | None]]:
    for name, field in model.model_fields.items():
        yield field.alias or name, field.description


def test_the_schema_describes_every_key() -> None:
    schema = scenario_schema()
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert schema["title"] == "gramwise scenario"
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == {key for key, _ in keys(Scenario)}
    tables = [schema, *schema["$defs"].values()]
    assert len(tables) == 19
    for table in tables:
        for key, entry in table["properties"].items():
            assert entry.get("description"), key
    assert {"cpu_share", "memory", "zone"} <= set(schema["$defs"]["NodeTable"]["required"])


@pytest.mark.parametrize("zone", ["DE", None])
@pytest.mark.parametrize(("cores", "memory_mib"), [(1, 700), (2, 4096), (128, 10**6)])
def test_the_template_loads_and_fits_the_machine(
    zone: str | None, cores: int, memory_mib: int, tmp_path: Path
) -> None:
    file = tmp_path / "new.toml"
    file.write_text(template(host="my\nhost", cores=cores, memory_bytes=memory_mib * MIB, zone=zone), "utf-8")
    nodes = load(file).node_records()
    assert sum(node.cpu_share for node in nodes) <= cores
    assert {node.zone for node in nodes} == {zone or "FR"}
    assert ("PLACEHOLDER" in file.read_text()) == (zone is None)
    if memory_mib > 1024:
        assert sum(node.memory_bytes for node in nodes) <= memory_mib * MIB * 0.75


GUIDE = (Path(__file__).parents[2] / "docs" / "how-to" / "scenario.md").read_text("utf-8")


def test_the_guide_holds_a_scenario_that_loads(tmp_path: Path) -> None:
    file = tmp_path / "guide.toml"
    file.write_text(GUIDE.split("```toml\n")[1].split("```")[0], "utf-8")
    assert [node.name for node in load(file).node_records()] == ["lyon", "oslo"]


def test_the_guide_explains_every_key() -> None:
    schema = scenario_schema()
    for table in (schema, *schema["$defs"].values()):
        for key in table["properties"]:
            assert f"`{key}`" in GUIDE or f"[{key}" in GUIDE or f".{key}]" in GUIDE, key


def test_tables_inside_the_footprint_survive_being_written_and_read(write: Write, tmp_path: Path) -> None:
    rows = """
[footprint]
years = 2.0
shares = { lyon = 0.25, oslo = 0.75 }

[[footprint.phases]]
name = "training"
phase = "training"
energy_kwh = { value = 120.0, low = 100.0, high = 150.0, source = "a \\"quoted\\" meter" }

[footprint.embodied.lyon]
vendor_kg = 48.0
"""
    first = load(_with(write(), rows))
    copy = tmp_path / "copy.toml"
    copy.write_text(first.toml(), "utf-8")
    assert load(copy).footprint == first.footprint
    assert first.footprint.phases[0]["energy_kwh"]["source"] == 'a "quoted" meter'


def _with(file: Path, rows: str) -> Path:
    file.write_text(file.read_text("utf-8") + rows, "utf-8")
    return file


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("[footprint]\nshares = { lyon = 0.5 }", "sum to 0.5"),
        ("[footprint]\nshares = { lyo = 1.0 }", "lyon"),
        ("[footprint]\nyears = 0.0", "footprint.years"),
        ("[footprint]\nyear = 1.0", "years"),
        ("[footprint]\ninferences = 1.0\ninferences_per_day = 1.0", "twice"),
        ('[footprint]\npolicy = "grams"', "footprint.policy"),
        ("[footprint.embodied.paris]\nvendor_kg = 1.0", "footprint.embodied.paris"),
    ],
)
def test_a_footprint_that_cannot_be_is_refused(write: Write, rows: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load(_with(write(), "\n" + rows + "\n"))
