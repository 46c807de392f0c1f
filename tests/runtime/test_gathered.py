"""What a bill takes from outside: read once, told without folders, and read back to the digit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gramwise.core.errors import ConfigError, DataError
from gramwise.core.phase import MODELLED_CPU, PhasePart, PhaseRun
from gramwise.core.quantity import Quantity
from gramwise.fleet.scenario import Scenario
from gramwise.runtime.assembly import read_scenario
from gramwise.runtime.gathered import as_inputs, from_inputs, gather, measured
from gramwise.runtime.phaseledger import append

BASE = """
schema = 1
name = "gathered"
baseline_node = "a"
[models.digits]
reference = "fp32"
variants.fp32.file = "package:digits-fp32.onnx"
[nodes]
a = { zone = "DE", device = "n100", cpu_share = 1.0, memory = "1 GiB" LINK }
[footprint]
start = "2026-01-01T00:00:00Z"
inferences = 1.0e6
"""
LINK = ', link = { energy_j_per_byte = 1.0e-6, source = "made up" }'
BOARD = """
name = "board"
[silicon.cpu]
process = "7nm"
area = "1 cm2"
fab_yield = 0.8
[silicon.ram]
model = "dram"
process = "lpddr4"
capacity = "4 GB"
"""
Read = Callable[..., Scenario]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def make(text: str = "", link: str = "") -> Scenario:
        file = tmp_path / "s.toml"
        file.write_text(BASE.replace("LINK", link) + text)
        return read_scenario(file)

    return make


def run(id_: str, parent: str | None = None) -> PhaseRun:
    energy = Quantity(
        value=1.0 / 3.0, low=0.1, high=0.7, unit="J", method="measured", boundary="wall", source="meter"
    )
    return PhaseRun(
        id=id_,
        phase="tuning",
        name="trial",
        started_s=0.1 + 0.2,
        seen_s=9.0,
        ended_s=9.0,
        status="failed",
        wall_s=8.7,
        energy=energy,
        parts=(PhasePart(component=MODELLED_CPU, energy=energy),),
        intensity=replace(energy, unit="g/kWh"),
        signal="average",
        basis="lifecycle",
        host={"id": "here"},
        parent=parent,
        notes=("a", "b"),
    )


def test_there_and_back_through_json_to_the_digit(read: Read, tmp_path: Path) -> None:
    append(tmp_path / "l.jsonl", run("one"))
    (tmp_path / "b.toml").write_text(BOARD)
    scenario = read('ledger = ["l.jsonl"]\n[footprint.embodied.a]\nbom = "b.toml"\n', LINK)
    gathered = gather(scenario)
    text = json.dumps(as_inputs(scenario, gathered), allow_nan=False)
    back, same = from_inputs(json.loads(text))
    assert same == gathered
    assert back.model_dump() == scenario.model_dump()
    assert json.dumps(as_inputs(back, same), allow_nan=False) == text
    assert str(tmp_path) not in text
    assert gathered.message_bytes is not None
    assert len(gathered.boms["b.toml"].parts) == 2
    assert gathered.runs["l.jsonl"] == (run("one"),)


def test_sizes_are_read_only_where_a_link_has_a_price(read: Read) -> None:
    assert gather(read()).message_bytes is None


def test_files_that_are_not_there_are_named(read: Read) -> None:
    with pytest.raises(ConfigError, match=r"footprint\.ledger: there is no ledger .*none\.jsonl"):
        gather(read('ledger = ["none.jsonl"]\n'))
    with pytest.raises(ConfigError, match=r"none\.toml"):
        gather(read('[footprint.embodied.a]\nbom = "none.toml"\n'))


@pytest.mark.parametrize("key", ["scenario", "scenario_file", "served", "ledgers", "boms", "message_bytes"])
def test_inputs_without_a_key_are_refused(read: Read, key: str) -> None:
    scenario = read()
    inputs = as_inputs(scenario, gather(scenario))
    del inputs[key]
    with pytest.raises(DataError, match=key):
        from_inputs(inputs)


def test_a_run_inside_one_of_another_ledger_is_billed_once(read: Read, tmp_path: Path) -> None:
    append(tmp_path / "l.jsonl", run("outer"))
    append(tmp_path / "m.jsonl", run("inner", parent="outer"))
    both, _ = measured(gather(read('ledger = ["l.jsonl", "m.jsonl"]\n')), ())
    assert [line.name for line in both.lines] == ["trial (outer)"]
    assert both.serves == {"trial (outer)": "tuning"}
    alone, billed = measured(gather(read('ledger = ["m.jsonl"]\n')), ())
    assert (alone.lines, billed) == ([], [])
    assert alone.not_included == ["trial (inner): it ran inside outer, which no ledger of this bill holds."]


def test_one_ledger_under_two_names_is_refused(read: Read, tmp_path: Path) -> None:
    append(tmp_path / "l.jsonl", run("one"))
    with pytest.raises(DataError, match="the run one is given twice"):
        measured(gather(read('ledger = ["l.jsonl", "./l.jsonl"]\n')), ())
