"""A run directory holds what happened, gives every decision back, and outlives a full disk."""

from __future__ import annotations

import asyncio
import csv
import dataclasses
import json
import math
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runtime_kit import Mortal, Prices, node, plans, request, world

from gramwise.core.clock import SystemClock
from gramwise.core.decision import Cost, Decision, Outcome, PlanTable, Snapshot
from gramwise.core.errors import RunDirectoryError
from gramwise.runtime.engine import Engine
from gramwise.runtime.rundir import NODE_COLUMNS, OUTCOME_COLUMNS, RunDirectory, read_decisions, rebuild
from gramwise.schedule import load_policy, policy_names
from gramwise.testing import example_request, example_snapshot


def outcome(name: str = "r0", **changes: Any) -> Outcome:
    given: dict[str, Any] = {
        "request": name,
        "policy": "grams",
        "status": "completed",
        "node": "a",
        "variant": "v0",
        "count": 4,
        "correct": 3,
        "arrival_s": 1.0,
        "start_s": 1.1,
        "end_s": 1.2,
        "attempts": 1,
        "late": False,
        "fallback": True,
        "cpu_s": 0.1 + 0.2,
        "method": "modelled",
        "decision_s": 1e-5,
        "cost": Cost(latency_s=0.2, energy_j=1 / 3, carbon_g=1e-9 / 7),
    }
    return Outcome(**{**given, **changes})


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def bits(record: Snapshot | PlanTable) -> dict[str, object]:
    values = {f.name: getattr(record, f.name) for f in dataclasses.fields(record) if f.name != "plans"}
    return {
        k: (v.dtype.kind, v.tobytes()) if isinstance(v, np.ndarray) else repr(v) for k, v in values.items()
    }


def test_it_says_what_where_and_when(tmp_path: Path) -> None:
    facts = {"scenario": 'a "quoted" name', "seed": 3, "host_flop_per_s": None, "period": 0.01}
    directory = RunDirectory(tmp_path / "runs", "tiny", facts, 'name = "tiny"\n')
    begun = tomllib.loads((directory.path / "run.toml").read_text("utf-8"))
    assert begun == {
        "schema": 1,
        "run": {"scenario": 'a "quoted" name', "seed": 3, "period": 0.01, "finished": False},
    }
    assert (directory.path / "scenario.toml").read_text() == 'name = "tiny"\n'
    directory.finish({"schema": "gramwise.bench/1", "value": None})
    directory.close()
    ended = tomllib.loads((directory.path / "run.toml").read_text("utf-8"))["run"]
    assert ended["finished"] is True
    assert ended["ended"]
    assert json.loads((directory.path / "summary.json").read_text()) == {
        "schema": "gramwise.bench/1",
        "value": None,
    }


def test_runs_of_one_second_do_not_share_a_directory(tmp_path: Path) -> None:
    paths = []
    for _ in range(3):
        directory = RunDirectory(tmp_path, "tiny", {}, "")
        directory.close()
        paths.append(directory.path)
    assert len(set(paths)) == 3


@pytest.mark.parametrize("name", ["../../escape", "a/b", "x" * 500, "Drei Städte, ein Netz", "..."])
def test_any_name_of_a_scenario_makes_one_directory_in_its_place(tmp_path: Path, name: str) -> None:
    directory = RunDirectory(tmp_path / "runs", name, {}, "")
    directory.close()
    assert directory.path.parent == tmp_path / "runs"
    assert [p.name for p in tmp_path.iterdir()] == ["runs"]


def test_numbers_come_back_exactly_and_unknown_is_empty(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path, "tiny", {}, "")
    directory.outcome(outcome(), 2, 7)
    nothing = Cost(latency_s=math.nan, energy_j=math.nan, carbon_g=math.nan)
    lost = outcome("r1", status="lost", node="", correct=None, start_s=math.nan, cpu_s=math.nan, cost=nothing)
    directory.outcome(lost, 2, 8)
    directory.node({**dict.fromkeys(NODE_COLUMNS, 0.1), "policy": "grams", "metered_j": None})
    directory.close()
    first, second = rows(directory.path / "outcomes.csv")
    assert tuple(first) == OUTCOME_COLUMNS
    assert float(first["cpu_s"]) == 0.1 + 0.2
    assert float(first["energy_j"]) == 1 / 3
    assert float(first["carbon_g"]) == 1e-9 / 7
    assert (first["repeat"], first["seq"], first["late"], first["fallback"]) == ("2", "7", "0", "1")
    assert [second[k] for k in ("node", "correct", "start_s", "cpu_s", "energy_j", "carbon_g")] == [""] * 6
    (window,) = rows(directory.path / "nodes.csv")
    assert window["metered_j"] == ""


def recorded(tmp_path: Path, decisions: list[Decision]) -> tuple[Path, list[tuple[Any, Any]]]:
    directory = RunDirectory(tmp_path, "tiny", {}, "")
    for decision in decisions:
        directory.decision(decision, fallback=False)
    directory.close()
    return directory.path, list(read_decisions(directory.path))


@pytest.mark.parametrize("name", policy_names())
def test_every_decision_comes_back_bit_for_bit(tmp_path: Path, name: str) -> None:
    policy = load_policy(name)
    decisions = []
    for seed in range(3):
        snapshot = example_snapshot(3, seed, variants=2)
        energy_j, latency_s = snapshot.plans.energy_j.copy(), snapshot.plans.latency_s.copy()
        energy_j[0], latency_s[1] = math.nan, math.inf  # unknown, and not held by the node
        table = dataclasses.replace(snapshot.plans, energy_j=energy_j, latency_s=latency_s)
        snapshot = dataclasses.replace(snapshot, plans=table)
        asked = example_request(seed)
        zones = frozenset(snapshot.zone)
        for each in (asked, dataclasses.replace(asked, allowed_zones=zones, accuracy_floor_frac=0.9)):
            decisions.append(policy.decide(each, snapshot))
    _, found = recorded(tmp_path, decisions)
    assert len(found) == len(decisions)
    for decision, (record, upper) in zip(decisions, found, strict=True):
        asked, snapshot = rebuild(record, upper)
        assert asked == decision.request
        assert bits(snapshot) == bits(decision.snapshot)
        assert bits(snapshot.plans) == bits(decision.snapshot.plans)
        again = load_policy(record["policy"]).decide(asked, snapshot)
        assert again.row == decision.row == record["row"]
        assert again.verdicts == decision.verdicts or "nan" in repr(decision.verdicts)


def test_the_upper_block_is_written_once_a_version(tmp_path: Path) -> None:
    w = world([node("a"), node("b")], plans(2))
    policy = load_policy("grams")
    decisions = [policy.decide(request(i), w.snapshot(float(i))) for i in range(3)]
    w.lost("a")
    decisions += [policy.decide(request(i), w.snapshot(float(i))) for i in range(3, 5)]
    path, found = recorded(tmp_path, decisions)
    types = [json.loads(line)["type"] for line in (path / "decisions.jsonl").read_text().splitlines()]
    assert types == ["snapshot", *["decision"] * 3, "snapshot", *["decision"] * 2]
    assert [upper["alive"][0] for _, upper in found] == [True] * 3 + [False] * 2
    assert [load_policy("grams").decide(*rebuild(*each)).node for each in found] == ["a"] * 3 + ["b"] * 2


def test_a_line_cut_short_ends_the_reading_and_nonsense_is_named(tmp_path: Path) -> None:
    policy, w = load_policy("grams"), world([node("a")])
    path, _ = recorded(tmp_path, [policy.decide(request(i), w.snapshot(0.0)) for i in range(3)])
    file = path / "decisions.jsonl"
    whole = file.read_text()
    file.write_text(whole[:-40])
    assert [record["request"]["id"] for record, _ in read_decisions(path)] == ["r0", "r1"]
    file.write_text(whole.splitlines()[0] + "\nnonsense\n")
    with pytest.raises(RunDirectoryError, match=r"decisions\.jsonl: line 2 cannot be read"):
        list(read_decisions(path))
    with pytest.raises(RunDirectoryError, match="not a run directory"):
        list(read_decisions(tmp_path / "absent"))


def test_a_full_disk_is_said_and_keeps_the_earlier_rows(small_disk: Path) -> None:
    directory = RunDirectory(small_disk, "tiny", {}, "")
    kept = 0

    def write_on() -> None:
        nonlocal kept
        for i in range(10_000):
            directory.outcome(outcome(f"r{i}"), 0, i)
            if i % 20 == 19:
                directory.flush()
                kept = i + 1

    with pytest.raises(RunDirectoryError, match=r"cannot be written: No space left.*--out") as caught:
        write_on()
    directory.close()
    assert str(directory.path) in str(caught.value)
    assert "What was measured before is kept" in str(caught.value)
    assert kept > 100
    names = [row["request"] for row in rows(directory.path / "outcomes.csv")]
    assert names[:kept] == [f"r{i}" for i in range(kept)]
    assert tomllib.loads((directory.path / "run.toml").read_text())["run"]["finished"] is False


@pytest.mark.parametrize("make", ["file", "below a file"])
def test_a_place_that_cannot_be_a_directory_is_named(tmp_path: Path, make: str) -> None:
    (tmp_path / "taken").write_text("")
    home = tmp_path / "taken" if make == "file" else tmp_path / "taken" / "runs"
    with pytest.raises(RunDirectoryError, match=r"taken.*cannot be written"):
        RunDirectory(home, "tiny", {}, "")


def test_an_engine_writes_its_decisions_as_it_goes(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path, "tiny", {}, "")
    w = world([node("a"), node("b")])
    executor = Mortal(["a", "b"])
    executor.doomed = {"a"}
    engine = Engine(
        load_policy("grams"), w, executor, Prices(), SystemClock(), on_decision=directory.decision
    )
    asyncio.run(engine.serve(request(), {}))
    directory.close()
    seen = [(r["request"]["id"], r["row"], u["alive"]) for r, u in read_decisions(directory.path)]
    assert seen == [("r0", 0, [True, True]), ("r0", 1, [False, True])]
