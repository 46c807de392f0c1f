"""Where inferences are served: runs as bench and simulate leave them, runs of other machines, and half a run."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gramwise.core.errors import ConfigError, MixedKinds, RunDirectoryError
from gramwise.core.units import J_PER_KWH
from gramwise.fleet.scenario import Scenario
from gramwise.footprint.scaling.intensity import of_zone
from gramwise.runtime.assembly import read_scenario
from gramwise.runtime.gathered import gather
from gramwise.runtime.lifecycle import account_of, evaluate
from gramwise.runtime.questions import assumptions
from gramwise.runtime.rundir import OUTCOME_COLUMNS
from gramwise.runtime.served import serving

BASE = """
schema = 1
name = "served"
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
device = "box"
latency_s = 0.1
energy_j = 0.5
source = "made up"
[nodes]
a = { zone = "DE", device = "box", cpu_share = 1.0, memory = "1 GiB", pue = 1.5 }
b = { zone = "FI", device = "box", cpu_share = 1.0, memory = "1 GiB" }
c = { zone = "FI", device = "box", cpu_share = 1.0, memory = "1 GiB" }
[footprint]
inferences = 1.0e6
draws = 200
"""
DE, FI = (float(of_zone(zone).rate.value) for zone in ("DE", "FI"))  # type: ignore[union-attr]
Read = Callable[..., Scenario]
Run = Callable[..., Path]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def make(text: str = 'run = "run"\n', base: str = BASE) -> Scenario:
        file = tmp_path / "s.toml"
        file.write_text(base + text)
        return read_scenario(file)

    return make


@pytest.fixture
def leave(tmp_path: Path, read: Read) -> Run:
    """Leave a run directory as the verbs do."""

    def make(
        *outcomes: dict[str, Any], base: str = BASE, kind: str = "average", model: str = "digits"
    ) -> Path:
        folder = tmp_path / "run"
        folder.mkdir(exist_ok=True)
        (folder / "scenario.toml").write_text(read("", base).toml())
        (folder / "summary.json").write_text(json.dumps({"scenario": "served", "nodes": []}))
        with (folder / "outcomes.csv").open("w", newline="") as text:
            table = csv.DictWriter(text, OUTCOME_COLUMNS, restval="", extrasaction="ignore")
            table.writeheader()
            table.writerows({"request": i, **row} for i, row in enumerate(outcomes))
        lines: list[dict[str, Any]] = [
            {"type": "snapshot", "version": 1, "signal": kind, "basis": "lifecycle"}
        ]
        for i, row in enumerate(outcomes):
            asked = {"id": str(i), "model": row.get("model", model)}
            lines.append({"type": "decision", "version": 1, "request": asked})
        text_lines = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / "decisions.jsonl").write_text(text_lines)
        return folder

    return make


def row(
    node: str, count: int = 1, joules: Any = 1.0, grams: Any = 1e-4, policy: str = "grams"
) -> dict[str, Any]:
    status = {"status": "completed", "policy": policy, "node": node, "count": count}
    return {**status, "energy_j": joules, "carbon_g": grams, "method": "modelled"}


def grams(scenario: Scenario) -> dict[str, float]:
    _, found = evaluate(scenario, gather(scenario))
    return {item.name: item.carbon.value for item in found.items if item.phase == "inference"}


def test_shares_joules_and_grams_are_the_runs(leave: Run, read: Read) -> None:
    leave(row("a", 3, 6.0, 0.5), row("b", 1, 1.0, 0.25), {"status": "refused", "policy": "grams", "count": 9})
    found = {place.place: place for place in serving(read()).places}
    assert (found["a"].share_frac, found["b"].share_frac) == (0.75, 0.25)
    energy = found["a"].energy
    assert energy is not None
    assert energy.value == 2.0
    assert energy.low < 2.0 < energy.high
    # Grams are those of the run for as many inferences, PUE counted once.
    assert grams(read()) == pytest.approx({"a, inference": 0.5 / 4 * 1e6, "b, inference": 0.25 / 4 * 1e6})


def test_the_zones_error_stays_shared_where_hours_come_from_a_run(leave: Run, read: Read) -> None:
    leave(row("a"))
    scenario = read()
    lines = {line.name: line for line in account_of(scenario, gather(scenario), 1e6).lines}
    assert "grid.DE" in lines["a, inference"].factors
    assert "grid.DE" in lines["a, idle"].factors


def test_written_shares_go_before_the_runs(leave: Run, read: Read) -> None:
    leave(row("a", 3, 6.0, 0.5), row("b", 1, 1.0, 0.25))
    scenario = read('run = "run"\nshares = { a = 0.5, b = 0.0, c = 0.5 }\n')
    found = serving(scenario)
    assert {place.place: place.share_frac for place in found.places} == {"a": 0.5, "c": 0.5}
    joules = {place.place: place.energy.value for place in found.places if place.energy}
    assert joules == {"a": 2.0, "c": 0.5}  # of the run, and as the scenario declares
    assert "Shares are as footprint.shares says" in found.said


def test_without_a_run_the_baseline_serves_or_the_shares(read: Read) -> None:
    assert [(p.place, p.share_frac) for p in serving(read("")).places] == [("a", 1.0)]
    some = serving(read("shares = { b = 1.0, c = 0.0 }\n"))
    assert [(p.place, p.share_frac) for p in some.places] == [("b", 1.0)]
    assert some.kind is None


def test_a_split_plan_is_one_place_of_several_nodes(leave: Run, read: Read) -> None:
    leave(row("a > b", 1, 2.0, 0.3), row("b > c", 1, 1.0, 0.1))
    scenario = read()
    assert grams(scenario) == pytest.approx({"a > b, inference": 0.15e6, "b > c, inference": 0.05e6})
    account = account_of(scenario, gather(scenario), 1e6)
    used = {line.name: line.factors for line in account.lines}
    assert "grid.FI" in used["b > c, inference"]  # both stand there
    assert "run.a > b.g_per_kwh" in used["a > b, inference"]
    assert any("network of a > b" in text for text in account.not_included)
    assert not any("serves no inference" in text for text in assumptions(scenario, gather(scenario)))


def test_unknown_joules_are_left_out_by_name_and_unknown_grams_take_the_mean(leave: Run, read: Read) -> None:
    leave(row("a", 1, ""), row("a", 2), row("b", 1, 3.6, "", policy="grams"), row("b > a", 1, 1.0, ""))
    scenario = read('run = "run"\npolicy = "grams"\n')
    assert grams(scenario) == pytest.approx({"b, inference": 1e6 / 5 * 3.6 / J_PER_KWH * FI})
    omitted = account_of(scenario, gather(scenario), 1e6).not_included
    assert any("does not know the joules of 1 of its 3 inferences" in text for text in omitted)
    assert any("does not know the grams of its split plan" in text for text in omitted)


def test_the_policy_is_the_one_with_the_fewest_grams_unless_named(leave: Run, read: Read) -> None:
    leave(row("a", grams=3e-4, policy="fastest"), row("b", grams=1e-4), row("c", grams="", policy="dark"))
    assert [place.place for place in serving(read()).places] == ["b"]
    named = serving(read('run = "run"\npolicy = "dark"\n'))
    assert [place.place for place in named.places] == ["c"]
    assert "annual mean" in named.said
    with pytest.raises(ConfigError, match=r"footprint\.policy.*'fastest'"):
        serving(read('run = "run"\npolicy = "fastes"\n'))
    leave(row("c", grams="", policy="dark"))
    with pytest.raises(ConfigError, match=r"footprint\.policy.*dark"):
        serving(read())


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('b = { zone = "FI"', 'b = { zone = "SE"', "zone of b was 'SE' in the run and is 'FI' now"),
        ("pue = 1.5", "pue = 1.4", "pue of a was 1.4"),
        ('b = { zone = "FI", device = "box"', 'b = { zone = "FI", device = "pi5"', "device of b was 'pi5'"),
        (
            'b = { zone = "FI"',
            'b = { zone = "FI", intensity_g_per_kwh = 9.0, intensity_source = "x"',
            "intensity_g_per_kwh of b was 9.0",
        ),
    ],
)
def test_a_run_of_other_machines_is_refused(leave: Run, read: Read, old: str, new: str, told: str) -> None:
    leave(row("a"), row("b"), base=BASE.replace(old, new))
    with pytest.raises(ConfigError, match=r"footprint\.run") as fault:
        serving(read())
    assert told in str(fault.value)


def test_a_run_of_nodes_that_are_not_here_is_refused(leave: Run, read: Read) -> None:
    leave(row("a > lyon"))
    with pytest.raises(ConfigError, match="'lyon', which is no node"):
        serving(read())


def test_only_answers_of_the_billed_model_count(leave: Run, read: Read) -> None:
    cars = '[models.cars]\nreference = "fp32"\nvariants.fp32.file = "package:digits-fp32.onnx"\n'
    both = BASE.replace("[devices.box]", f'{cars}[workload]\nmodel = "digits"\n[devices.box]')
    mine = row("a", 1, 2.0)
    leave({**row("a", 9, 900.0), "model": "cars"}, mine, base=both)
    energy = serving(read(base=both)).places[0].energy
    assert energy is not None
    assert energy.value == 2.0
    leave({**mine, "model": "cars"}, base=both)
    with pytest.raises(ConfigError, match="answered no request for digits"):
        serving(read(base=both))
    folder = leave(mine, base=both)
    (folder / "decisions.jsonl").write_text("")
    with pytest.raises(RunDirectoryError, match="does not say which the request 0 asked for"):
        serving(read(base=both))


def test_a_marginal_run_is_not_added_to_average_grids(leave: Run, read: Read) -> None:
    leave(row("a"), kind="marginal")
    with pytest.raises(MixedKinds, match=r"nodes\.a.*average/lifecycle.*footprint\.run.*marginal/lifecycle"):
        evaluate(read(), gather(read()))


def test_the_kind_comes_from_decisions_nodes_or_provenance_else_hours_are_not_used(
    leave: Run, read: Read
) -> None:
    folder = leave(row("a"))
    assert serving(read()).kind == "average/lifecycle"
    (folder / "decisions.jsonl").write_text("")
    unknown = serving(read())
    assert (unknown.kind, unknown.places[0].g_per_kwh) == (None, None)
    assert "annual mean" in unknown.said
    said = "Intensity of DE: trace hours, DE, direct.", "Intensity of a's: my contract."
    for sentences, kind in ((said, "average/direct"), (said[1:], "average/lifecycle"), ((), None)):
        told = {"simulated": True, "provenance": ["Nothing was run.", *sentences]}
        (folder / "summary.json").write_text(json.dumps(told))
        assert serving(read()).kind == kind
    nodes = {"nodes": [{"name": "a", "intensity_signal": "marginal", "intensity_basis": "direct"}]}
    (folder / "summary.json").write_text(json.dumps(nodes))
    assert serving(read()).kind == "marginal/direct"


def test_half_a_run_is_refused(leave: Run, read: Read) -> None:
    with pytest.raises(ConfigError, match="there is no folder"):
        serving(read())
    folder = leave(row("a"))
    for name in ("summary.json", "outcomes.csv", "scenario.toml"):
        text = (folder / name).read_text()
        (folder / name).unlink()
        with pytest.raises(RunDirectoryError, match=name):
            serving(read())
        (folder / name).write_text(text)
    table = (folder / "outcomes.csv").read_text()
    head = table.splitlines()[0]
    for torn in ("0,grams,0,0,completed,a,fp32", "0,grams,0,0,completed,a,fp32,two,,,,,,,,,,1.0,1.0,,,"):
        (folder / "outcomes.csv").write_text(f"{head}\n{torn}\n")
        with pytest.raises(RunDirectoryError, match=r"outcomes\.csv:2"):
            serving(read())
    (folder / "outcomes.csv").write_text(head + "\n")
    with pytest.raises(RunDirectoryError, match="a sweep and a footprint keep none"):
        serving(read())
    leave(row("a", 0))
    with pytest.raises(RunDirectoryError, match="makes no sense"):
        serving(read())
