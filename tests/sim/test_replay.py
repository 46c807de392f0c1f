"""`gramwise replay`: recorded runs, simulated and measured, come again as they were, and other policies beside them."""

from __future__ import annotations

import asyncio
import csv
import json
import shutil
from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sim_kit import START, case, costs, node, simulation, traffic, write_trace

from gramwise.core.decision import PlanTable, Stage, columns
from gramwise.core.errors import ConfigError, RunDirectoryError
from gramwise.fleet.traffic import unix_s
from gramwise.runtime.assembly import read_scenario, read_simulated
from gramwise.runtime.bench import bench
from gramwise.sim.arrivals import classes_of, offered
from gramwise.sim.replay import replay
from gramwise.sim.replay_bench import last_hours_rate, true_counts, unsplit
from gramwise.sim.simulate import simulate

Write = Callable[..., Path]
Lines = list[dict[str, Any]]

Again = Callable[..., dict[str, Any]]

WEEK = Path(__file__).parents[2] / "examples" / "week-ahead.toml"
"""Simulated for two days and a half, which hold the blackout."""


def _days(day: float, night: float) -> Callable[[datetime], float]:
    return lambda moment: (day if 8 <= moment.hour < 18 else night) + moment.day


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The example on invented hourly intensities, recorded; its run directory and document."""
    home = tmp_path_factory.mktemp("week")
    traces = home / "traces"
    for zone, day, night in (("DE", 300.0, 600.0), ("FR", 60.0, 40.0), ("ES", 90.0, 250.0)):
        write_trace(traces, zone, _days(day, night))
    scenario = read_simulated(WEEK, {"simulation.hours": 60.0})
    document = simulate(
        scenario,
        traces=traces,
        policies=["fastest", "grams", "predictive"],
        out=home / "runs",
        record=True,
        timing=False,
    )
    return Path(document["run_dir"]), document


@pytest.fixture(scope="module")
def replayed(week: tuple[Path, dict[str, Any]]) -> Again:
    """``replayed(policy, recorded)``: a replay of the week, made once."""
    return cache(lambda policy, recorded=None: replay(week[0], policy=policy, recorded=recorded))


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, furnished: Path) -> Path:
    """A small bench run in this process: three sites, two repeats of ten requests in blocks of five."""
    home = tmp_path_factory.mktemp("bench")
    shutil.copytree(furnished, home, dirs_exist_ok=True)
    text = (Path(__file__).parents[1] / "e2e" / "tiny.toml").read_text("utf-8")
    for old, new in (
        ('kind = "processes"', 'kind = "in-process"'),
        ('"grams"]', '"grams", "grams+variants"]'),
        ("[workload]", "[goals]\ndeadline_s = 5.0\naccuracy_floor_frac = 0.2\n\n[workload]"),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    (home / "tiny.toml").write_text(text, "utf-8")
    return Path(asyncio.run(bench(read_scenario(home / "tiny.toml"), out=home / "runs"))["run_dir"])


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[Path], Path]:
    def copied(run: Path) -> Path:
        return Path(shutil.copytree(run, tmp_path / "copy"))

    return copied


def lines(run: Path) -> Lines:
    return [json.loads(line) for line in (run / "decisions.jsonl").read_text("utf-8").splitlines()]


def write_lines(run: Path, records: Lines) -> None:
    (run / "decisions.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records), "utf-8")


def outcomes(run: Path, policy: str) -> list[dict[str, str]]:
    with (run / "outcomes.csv").open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["policy"] == policy]


# --- a simulated run -------------------------------------------------------------------------------------------------


def test_a_simulated_run_comes_again_as_it_was(week: tuple[Path, dict[str, Any]], replayed: Again) -> None:
    _, document = week
    rows = {row["name"]: row for row in document["policies"]}
    assert rows["predictive"]["deferred_frac"] > 0.01
    for name, other in (("grams", "fastest"), ("predictive", "grams")):
        found = replayed(other, name)
        again, recorded = found["recorded_again"], found["recorded"]
        assert again["carbon_g"] == pytest.approx(rows[name]["carbon_g"], rel=1e-9)
        assert again["wasted_g"] == pytest.approx(rows[name]["wasted_g"], rel=1e-9)
        assert recorded["wasted_g"] == rows[name]["wasted_g"]
        assert abs(found["model_error_frac"]) <= 1e-9
        for key in ("late_frac", "refused_frac", "lost_frac", "deferred_frac", "requests"):
            assert again[key] == recorded[key], key
        assert again["p95_s"] == pytest.approx(recorded["p95_s"], rel=1e-9)
        assert again["p50_s"] == pytest.approx(rows[name]["latency_s"]["p50"], rel=1e-9)
        assert found["other"]["carbon_g"] == pytest.approx(rows[other]["carbon_g"], rel=1e-9)
        assert found["bound_g"] == pytest.approx(document["bounds"]["b1_g"], rel=1e-9)


def test_regret_has_the_sign_of_who_is_better(replayed: Again) -> None:
    found = replayed("fastest", "grams")
    assert found["schema"] == "gramwise.replay/1"
    assert found["other"]["carbon_g"] > found["recorded_again"]["carbon_g"]
    assert found["regret_g"] < 0
    back = replayed("grams", "fastest")
    assert back["regret_g"] == pytest.approx(-found["regret_g"], rel=1e-9)
    whole_g = back["recorded_again"]["carbon_g"] + back["recorded_again"]["wasted_g"]
    assert back["regret_frac"] == pytest.approx(back["regret_g"] / whole_g, rel=1e-9)


def test_perfect_knowledge_lies_between_the_bound_and_the_recorded_policy(replayed: Again) -> None:
    for policy, recorded in (("fastest", "grams"), ("grams", "fastest")):
        found = replayed(policy, recorded)
        perfect, again = found["perfect"], found["recorded_again"]
        assert perfect["carbon_g"] >= found["bound_g"] * (1 - 1e-9)
        assert perfect["carbon_g"] < again["carbon_g"]  # it knows when the grids are clean, and waits for it
        assert perfect["policy"] == "predictive, told everything"
        assert perfect["deferred_frac"] > 0.01
        assert (perfect["refused_frac"], perfect["lost_frac"]) == (0.0, 0.0)
        saved_g = sum(again[key] - perfect[key] for key in ("carbon_g", "wasted_g"))
        assert found["regret_perfect_g"] == pytest.approx(saved_g, rel=1e-9)
        assert found["regret_perfect_frac"] > 0
    # Tides so regular are foreseen as well as known: then nothing is left to regret, and never less than nothing.
    foreseen = replayed("grams", "predictive")
    assert 0 <= foreseen["regret_perfect_frac"] < 0.01
    assert foreseen["perfect"]["carbon_g"] >= foreseen["bound_g"] * (1 - 1e-9)


def test_the_same_replay_twice_is_the_same_document(
    week: tuple[Path, dict[str, Any]], replayed: Again
) -> None:
    first = json.dumps(replayed("fastest"))  # the baseline, so that the first of the others is replayed
    assert json.loads(first, parse_constant=pytest.fail)["policy_recorded"] == "grams"  # nor is there a NaN
    assert json.dumps(replay(week[0], policy="fastest")) == first


def test_equal_simulations_leave_equal_scenes(tmp_path: Path) -> None:
    scenario = case(tmp_path, node("a", "FR", 100.0), costs("a"), traffic(), simulation(1.0))
    runs = [
        simulate(scenario, policies=["grams"], out=tmp_path / "runs", record=True)["run_dir"]
        for _ in range(2)
    ]
    first, second = ((Path(run) / "scene.npz").read_bytes() for run in runs)
    assert runs[0] != runs[1]
    assert first == second


def test_a_declared_bandwidth_is_replayed_too(tmp_path: Path) -> None:
    slow = node("a", "FR", 50.0) + "[nodes.a.link]\nbytes_per_s = 1000.0\nrtt_s = 0.1\n"
    scenario = case(
        tmp_path, slow, node("b", "DE", 400.0), costs("a", "b"), traffic(rate_per_s=0.2), simulation(1.0)
    )
    document = simulate(scenario, policies=["grams"], out=tmp_path / "runs", record=True)
    found = replay(document["run_dir"], policy="fastest")
    assert found["model_error_frac"] == 0.0
    assert found["recorded"]["p50_s"] > 1.1  # an inference takes a second, the way there the rest
    assert found["recorded_again"]["p50_s"] == found["recorded"]["p50_s"]
    assert found["other"]["p50_s"] < found["recorded"]["p50_s"]


def test_of_a_simulation_cut_short_it_takes_what_is_there(
    week: tuple[Path, dict[str, Any]], copied: Callable[[Path], Path]
) -> None:
    run = copied(week[0])
    kept, seen = [], 0
    for record in lines(run):
        kept.append(record)
        seen += record["type"] == "decision" and record["policy"] == "grams"
        if seen == 200:
            break
    write_lines(run, kept)
    with (run / "decisions.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"type": "decision", "requ')  # the machine stopped here
    head = (run / "outcomes.csv").read_text("utf-8").splitlines(keepends=True)[0]
    (run / "outcomes.csv").write_text(head, "utf-8")
    (run / "summary.json").unlink()
    facts = (run / "run.toml").read_text("utf-8")
    (run / "run.toml").write_text(facts.replace("finished = true", "finished = false"), "utf-8")

    found = replay(run, policy="fastest")
    assert found["policy_recorded"] == "grams"
    assert not found["finished"]
    assert found["recorded"]["carbon_g"] is None
    assert found["recorded"]["wasted_g"] is None
    assert found["model_error_frac"] is None
    assert 150 < found["requests"] <= 200 < found["requests_planned"]
    assert found["other"]["carbon_g"] > found["recorded_again"]["carbon_g"] > 0
    assert any(f"{found['requests']} of {found['requests_planned']}" in said for said in found["provenance"])


# --- a measured run --------------------------------------------------------------------------------------------------


def test_a_bench_run_is_replayed_on_its_plan_table(measured: Path) -> None:
    found = replay(measured, policy="fastest", recorded="grams")
    rows = outcomes(measured, "grams")
    assert found["requests"] == found["requests_planned"] == len(rows) == 20
    assert found["recorded"]["carbon_g"] == pytest.approx(sum(float(r["carbon_g"]) for r in rows), rel=1e-12)
    first = next(r for r in lines(measured) if r["type"] == "snapshot")
    row = min(
        (i for i, is_reference in enumerate(first["plans"]["reference"]) if is_reference),
        key=lambda i: first["plans"]["energy_j"][i] * first["intensity_g_per_kwh"][first["plans"]["node"][i]],
    )
    g_per_j = first["intensity_g_per_kwh"][first["plans"]["node"][row]] / 3.6e6
    expected_g = 20 * 40 * first["plans"]["energy_j"][row] * g_per_j
    assert found["bound_g"] == pytest.approx(expected_g, rel=1e-9)
    assert found["recorded_again"]["carbon_g"] >= expected_g * (1 - 1e-9)
    error = found["recorded_again"]["carbon_g"] / found["recorded"]["carbon_g"] - 1
    assert found["model_error_frac"] == pytest.approx(error, rel=1e-9)
    assert found["model_error_frac"] != 0.0  # one is measured, the other is not
    said = " ".join(found["provenance"])
    assert "replays are modelled" in said
    assert "do not wait" in said


def test_lines_of_a_bench_are_told_apart_and_the_baseline_is_not_taken(measured: Path) -> None:
    assert replay(measured, policy="grams")["policy_recorded"] == "round-robin"
    plain, floored = (replay(measured, policy="fastest", recorded=f"grams{end}") for end in ("", "+variants"))
    # With the accuracy floor the small variant may serve.
    assert floored["recorded_again"]["carbon_g"] < plain["recorded_again"]["carbon_g"]
    assert floored["bound_g"] < plain["bound_g"]


def test_guided_policies_are_replayed_on_a_bench_run(measured: Path) -> None:
    found = replay(measured, policy="predictive", recorded="round-robin")
    assert found["other"]["carbon_g"] < found["recorded_again"]["carbon_g"]
    assert found["other"]["refused_frac"] == 0.0
    assert found["perfect"]["carbon_g"] <= found["recorded_again"]["carbon_g"] * (1 + 1e-9)
    assert found["perfect"]["carbon_g"] >= found["bound_g"] * (1 - 1e-9)


def _second_hour(run: Path, change: Callable[[dict[str, Any]], None]) -> int:
    """Put the second repeat of grams an hour later, where it meets a changed snapshot; how many requests those are."""
    records, moved = [], 0
    newest: dict[str, Any] = {}
    for record in lines(run):
        if record["type"] == "snapshot":
            newest[record["version"]] = record
        elif record["request"]["id"].startswith("grams-1-"):
            if not moved:
                changed = json.loads(json.dumps(newest[record["version"]]))
                changed["version"] += 1_000_000
                change(changed)
                records.append(changed)
            record["version"] += 1_000_000
            record["at_s"] += 3600.0
            record["request"]["arrival_s"] += 3600.0
            moved += 1
        records.append(record)
    write_lines(run, records)
    return moved


def test_intensities_change_when_the_run_knew_them_to(measured: Path, copied: Callable[[Path], Path]) -> None:
    def ten_times(snapshot: dict[str, Any]) -> None:
        snapshot["intensity_g_per_kwh"] = [10 * value for value in snapshot["intensity_g_per_kwh"]]

    before = replay(measured, policy="fastest", recorded="grams")
    run = copied(measured)
    assert _second_hour(run, ten_times) == 10
    after = replay(run, policy="fastest", recorded="grams")
    for key in ("recorded_again", "other", "perfect"):
        assert after[key]["carbon_g"] == pytest.approx(before[key]["carbon_g"] * (1 + 10) / 2, rel=1e-6), key


def test_a_node_is_lost_when_the_run_lost_it(measured: Path, copied: Callable[[Path], Path]) -> None:
    before = replay(measured, policy="fastest", recorded="grams")
    used = {row["node"] for row in outcomes(measured, "grams")}
    assert used == {"clean"}

    def lose(snapshot: dict[str, Any]) -> None:
        snapshot["alive"][snapshot["nodes"].index("clean")] = False

    run = copied(measured)
    assert _second_hour(run, lose) == 10
    after = replay(run, policy="fastest", recorded="grams")
    table = next(r for r in lines(measured) if r["type"] == "snapshot")
    grams = {
        table["nodes"][i]: 40 * energy_j * table["intensity_g_per_kwh"][i] / 3.6e6
        for i, energy_j, reference in zip(
            table["plans"]["node"], table["plans"]["energy_j"], table["plans"]["reference"], strict=True
        )
        if reference
    }
    left_g = min(grams["middle"], grams["dirty"])
    assert before["recorded_again"]["carbon_g"] == pytest.approx(20 * grams["clean"], rel=1e-9)
    assert after["recorded_again"]["carbon_g"] == pytest.approx(10 * (grams["clean"] + left_g), rel=1e-9)
    assert after["recorded_again"]["lost_frac"] == 0.0
    assert any("lost" in said for said in after["provenance"])


def test_of_a_bench_cut_short_it_takes_the_answered_requests(
    measured: Path, copied: Callable[[Path], Path]
) -> None:
    run = copied(measured)
    text = (run / "outcomes.csv").read_text("utf-8")
    cut = text.index("\ngrams-0-7,") + 5
    (run / "outcomes.csv").write_text(text[:cut], "utf-8")
    (run / "summary.json").unlink()
    facts = (run / "run.toml").read_text("utf-8")
    (run / "run.toml").write_text(facts.replace("finished = true", "finished = false"), "utf-8")
    found = replay(run, policy="fastest", recorded="grams")
    assert found["requests"] == len(outcomes(measured, "grams")[:7]) == 7
    assert found["requests_planned"] == 20
    assert found["recorded"]["carbon_g"] > 0
    assert any("7 of 20 requests" in said for said in found["provenance"])


def test_unknown_grams_stay_unknown(measured: Path, copied: Callable[[Path], Path]) -> None:
    run = copied(measured)
    records = lines(run)
    for record in records:
        if record["type"] == "snapshot":
            record["intensity_g_per_kwh"] = [None] * 3
    write_lines(run, records)
    found = replay(run, policy="round-robin", recorded="round-robin")
    assert found["recorded_again"]["carbon_g"] is None
    assert found["regret_g"] is None
    assert found["bound_g"] is None
    assert found["bound_note"]


def test_rows_of_split_plans_are_left_out() -> None:
    def table(planned: int) -> PlanTable:
        return PlanTable(
            node=np.array([0, 0, 1]),
            model=("m",) * 3,
            variant=("a", "split", "b"),
            reference=np.array([True, True, False]),
            latency_s=columns([1.0, 2.0, 3.0]),
            fixed_s=columns([0.0] * 3),
            energy_j=columns([1.0, 2.0, 3.0]),
            accuracy_frac=columns([0.5] * 3),
            memory_bytes=columns([1.0] * 3),
            stages={1: (Stage(node="x"), Stage(node="y"))},
            planned=planned,
        )

    whole = unsplit(table(2))
    assert whole.variant == ("a", "b")
    assert whole.energy_j.tolist() == [1.0, 3.0]
    assert whole.node.tolist() == [0, 1]
    assert not whole.stages
    assert whole.planned == 1
    assert unsplit(table(1)).planned == -1


def test_what_is_foreseen_of_demand_is_the_past_and_with_all_knowledge_the_truth(tmp_path: Path) -> None:
    (tmp_path / "came.csv").write_text("time_s\n0\n600\n1200\n3000\n4000\n9000\n", "utf-8")
    row = '[[traffic]]\nname = "live"\nmodel = "digits"\nfile = "came.csv"\ncount = 10\n'
    scenario = case(tmp_path, node("a", "FR", 100.0), costs("a"), row, simulation(3.0))
    start_s = unix_s(START)
    came = offered(scenario, classes_of(scenario), start_s, 3.0)
    starts_s = start_s + np.array([0.0, 3600.0, 7200.0])

    truth, past = true_counts(came, 3600.0), last_hours_rate(came, 3600.0)
    assert truth(0, False, start_s, starts_s).tolist() == [40.0, 10.0, 10.0]
    # Half of the hour is left, with one request of ten: as a whole hour, of which the planner takes half, two.
    assert truth(0, False, start_s + 1800.0, starts_s).tolist() == [20.0, 10.0, 10.0]
    assert truth(0, True, start_s, starts_s).tolist() == [0.0] * 3
    assert past(0, False, start_s, starts_s).tolist() == [0.0] * 3
    assert past(0, False, start_s + 1800.0, starts_s).tolist() == [60.0] * 3
    assert past(0, False, start_s + 7200.0, starts_s[2:]).tolist() == [10.0]


# --- what cannot be replayed -----------------------------------------------------------------------------------------


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="no such folder"):
        replay(tmp_path / "nowhere", policy="grams")
    with pytest.raises(RunDirectoryError, match=r"lacks run\.toml"):
        replay(tmp_path, policy="grams")


def test_a_simulation_without_record_says_what_to_do(tmp_path: Path) -> None:
    scenario = case(tmp_path, node("a", "FR", 100.0), costs("a"), traffic(), simulation(1.0))
    document = simulate(scenario, policies=["grams"], out=tmp_path / "runs")
    with pytest.raises(RunDirectoryError, match="simulate with --record"):
        replay(document["run_dir"], policy="fastest")


@pytest.mark.parametrize("left", ["nothing", "half", "nonsense"])
def test_a_missing_or_broken_scene_says_what_to_do(
    left: str, week: tuple[Path, dict[str, Any]], copied: Callable[[Path], Path]
) -> None:
    run = copied(week[0])
    file = run / "scene.npz"
    whole = file.read_bytes()
    file.unlink()
    if left != "nothing":
        file.write_bytes(whole[: len(whole) // 2] if left == "half" else b"nonsense")
    with pytest.raises(RunDirectoryError, match="again with --record"):
        replay(run, policy="fastest")


def test_unknown_policies_are_named_with_the_nearest(measured: Path) -> None:
    with pytest.raises(ConfigError, match=r"--policy.*Did you mean 'fastest'"):
        replay(measured, policy="fastst")
    with pytest.raises(
        ConfigError, match=r"--recorded.*It has: monolithic, round-robin, grams, grams\+variants"
    ):
        replay(measured, policy="fastest", recorded="predictive")
    with pytest.raises(ConfigError, match="needs a budget"):
        replay(measured, policy="budget")
    with pytest.raises(ConfigError, match="none that runs on one node"):
        replay(measured, policy="plan")


def test_another_schema_and_broken_rows_are_refused(measured: Path, copied: Callable[[Path], Path]) -> None:
    run = copied(measured)
    text = (run / "outcomes.csv").read_text("utf-8")
    (run / "outcomes.csv").write_text(text.replace("carbon_g", "carbon"), "utf-8")
    with pytest.raises(RunDirectoryError, match=r"outcomes\.csv cannot be read"):
        replay(run, policy="fastest")
    (run / "run.toml").write_text("schema = 2\n", "utf-8")
    with pytest.raises(RunDirectoryError, match="schema 2"):
        replay(run, policy="fastest")
