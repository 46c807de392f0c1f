"""`gramwise simulate`: grams that can be worked out by hand, laws between policies and bounds, and equal bytes."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sim_kit import START, case, cost, costs, node, simulation, traffic, write_trace

from gramwise.core.errors import ConfigError, DataGap
from gramwise.fleet.scenario import Scenario
from gramwise.sim.simulate import simulate

TRACES = Path(os.environ.get("GRAMWISE_TRACES") or Path(__file__).parents[2] / "../shared/data/traces")


def lines(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in document["policies"]}


def two_sites(folder: Path, *rows: str, **more: object) -> Scenario:
    """``a`` is quick and dirty, ``b`` slow and clean."""
    return case(
        folder,
        node("a", "PL", 800.0),
        node("b", "FR", 50.0),
        costs("a", latency_s=1.0),
        costs("b", latency_s=2.0),
        *(rows or (traffic(rate_per_s=0.2),)),
        simulation(**{"hours": 3.0, **more}),  # type: ignore[arg-type]
    )


def test_grams_are_joules_times_intensity_and_nothing_is_lost(tmp_path: Path) -> None:
    scenario = case(
        tmp_path, node("a", "FR", 100.0), costs("a"), traffic(rate_per_s=0.1, count=2), simulation(4.0)
    )
    document = simulate(scenario, policies=["grams"])
    (row,) = document["policies"]
    requests = document["requests"]
    assert requests > 1000
    assert document["inferences"] == 2 * requests
    assert row["completed"] == requests
    assert row["energy_j"] == pytest.approx(requests * 2 * 36.0, rel=1e-12)
    assert row["carbon_g"] == pytest.approx(requests * 2 * 36.0 / 3.6e6 * 100.0, rel=1e-12)
    assert document["bounds"]["b1_g"] == pytest.approx(row["carbon_g"], rel=1e-9)
    assert row["gap_b1_frac"] == pytest.approx(0.0, abs=1e-9)
    assert row["idle_g"] == pytest.approx(2.7 * 4 * 3600 / 3.6e6 * 100.0)  # the catalogue's Raspberry Pi 4
    assert row["node_share_frac"] == {"a": 1.0}
    assert document["simulated"] is True
    assert any("nothing was measured" in sentence for sentence in document["provenance"])


def test_policies_differ_as_they_should_and_none_is_below_the_bound(tmp_path: Path) -> None:
    document = simulate(two_sites(tmp_path), policies=["fastest", "grams", "fractions", "two-choices"])
    rows, bounds = lines(document), document["bounds"]
    assert rows["grams"]["carbon_g"] < 0.5 * rows["fastest"]["carbon_g"]
    assert rows["fastest"]["latency_s"]["mean"] < rows["grams"]["latency_s"]["mean"]
    for row in rows.values():
        assert row["completed"] == document["requests"]
        assert row["carbon_g"] >= bounds["b1_g"] * (1 - 1e-9)
    assert bounds["b1_g"] >= bounds["b0_g"] * (1 - 1e-12)
    assert rows["fastest"]["captured_frac"] == 0.0
    assert 0.5 < rows["grams"]["captured_frac"] <= 1.0


def test_every_policy_meets_the_same_requests(tmp_path: Path) -> None:
    document = simulate(
        two_sites(tmp_path, service_noise_frac=0.4), policies=["fastest", "grams"], out=tmp_path / "runs"
    )
    came: dict[str, list[str]] = {}
    with (Path(document["run_dir"]) / "outcomes.csv").open(encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            came.setdefault(row["policy"], []).append(row["arrival_s"])
    assert came["fastest"] == came["grams"]
    assert len(came["grams"]) == document["requests"]


def test_the_run_directory_adds_up(tmp_path: Path) -> None:
    document = simulate(two_sites(tmp_path), policies=["grams"], out=tmp_path / "runs")
    home, row = Path(document["run_dir"]), lines(document)["grams"]
    with (home / "outcomes.csv").open(encoding="utf-8") as file:
        outcomes = list(csv.DictReader(file))
    with (home / "hours.csv").open(encoding="utf-8") as file:
        hours = list(csv.DictReader(file))
    with (home / "nodes.csv").open(encoding="utf-8") as file:
        nodes = list(csv.DictReader(file))
    assert sum(float(o["carbon_g"]) for o in outcomes) == pytest.approx(row["carbon_g"])
    assert sum(float(n["attributed_j"]) for n in nodes) == pytest.approx(row["energy_j"])
    assert {o["decision_s"] for o in outcomes} == {""}  # a virtual decision took no time that we know
    busy_s = sum(float(h["busy_frac"]) * 3600 for h in hours)
    ran_s = sum(float(o["end_s"]) - float(o["start_s"]) for o in outcomes)
    assert busy_s == pytest.approx(ran_s, rel=1e-6)
    assert {(h["node"], h["true_g_per_kwh"]) for h in hours} == {("a", "800.0"), ("b", "50.0")}
    assert json.loads((home / "summary.json").read_text("utf-8"))["schema"] == "gramwise.simulate/1"
    assert not (home / "decisions.jsonl").read_text("utf-8")


def test_decisions_are_recorded_when_asked(tmp_path: Path) -> None:
    document = simulate(two_sites(tmp_path), policies=["grams"], out=tmp_path / "runs", record=True)
    text = (Path(document["run_dir"]) / "decisions.jsonl").read_text("utf-8")
    kinds = [json.loads(line)["type"] for line in text.splitlines()]
    assert kinds.count("decision") == document["requests"]
    assert kinds[0] == "snapshot"


def test_a_lost_node_is_left_and_taken_again_when_it_is_back(tmp_path: Path) -> None:
    away = '[[failures]]\nnode = "b"\nat_s = 3600.5\nfor_s = 3600.0\n'
    document = simulate(
        two_sites(tmp_path, traffic(rate_per_s=0.2), away), policies=["grams"], out=tmp_path / "runs"
    )
    (row,) = document["policies"]
    assert row["completed"] == row["requests"]
    assert row["retried"] >= 1
    with (Path(document["run_dir"]) / "outcomes.csv").open(encoding="utf-8") as file:
        outcomes = list(csv.DictReader(file))
    begin = min(float(o["arrival_s"]) for o in outcomes) // 3600 * 3600
    by_hour = [
        {o["node"] for o in outcomes if h <= (float(o["end_s"]) - begin) / 3600 < h + 0.99} for h in range(3)
    ]
    assert "b" in by_hour[0]
    assert by_hour[1] - {"b"} == {"a"}
    assert all(o["node"] == "a" for o in outcomes if 3610 < float(o["start_s"]) - begin < 7190)
    assert "b" in by_hour[2]


def test_work_that_died_with_its_node_is_counted_apart(tmp_path: Path) -> None:
    away = '[[failures]]\nnode = "a"\nat_s = 1800.0\nfor_s = 60.0\n'
    scenario = case(
        tmp_path, node("a", "FR", 100.0), node("b", "FR", 100.0), cost("a", latency_s=900.0), cost("b"), away,
        cost("a", "small"), cost("b", "small"), traffic(rate_per_s=0.01), simulation(1.0),
    )  # fmt: skip
    (row,) = simulate(scenario, policies=["monolithic"])["policies"]
    assert row["wasted_j"] > 0
    assert row["wasted_g"] == pytest.approx(row["wasted_j"] / 3.6e6 * 100.0)


def _tides(moment: datetime) -> float:
    """Dirty for three hours, clean for three."""
    return 900.0 if moment.hour % 6 < 3 else 100.0


def _waiting(folder: Path, **more: object) -> Scenario:
    return case(
        folder,
        node("a", "FR"),
        costs("a"),
        traffic(rate_per_s=0.05, deferrable_frac=1.0, deferrable_s=14_400.0),
        simulation(**{"hours": 24.0, "forecast": "perfect", **more}),  # type: ignore[arg-type]
    )


def test_work_that_can_wait_is_put_off_to_clean_hours_within_its_limit(tmp_path: Path) -> None:
    traces = write_trace(tmp_path / "traces", "FR", _tides)
    document = simulate(
        _waiting(tmp_path), traces=traces, policies=["grams", "predictive"], out=tmp_path / "runs"
    )
    rows = lines(document)
    assert rows["grams"]["deferred_frac"] == 0.0
    assert rows["predictive"]["deferred_frac"] > 0.3
    assert rows["predictive"]["carbon_g"] < 0.4 * rows["grams"]["carbon_g"]
    assert rows["predictive"]["carbon_g"] >= document["bounds"]["b1_g"] * (1 - 1e-9)
    assert rows["predictive"]["gap_b1_frac"] < 0.05
    with (Path(document["run_dir"]) / "outcomes.csv").open(encoding="utf-8") as file:
        for o in csv.DictReader(file):
            put_off = float(o["deferred_s"])
            assert put_off <= 14_400.0 + 1e-3
            assert float(o["latency_s"]) == pytest.approx(float(o["end_s"]) - float(o["arrival_s"]) - put_off)


def test_bills_are_the_truths_whatever_was_foreseen(tmp_path: Path) -> None:
    traces = write_trace(tmp_path / "traces", "FR", _tides)
    totals = set()
    for how in ("perfect", "persistence", "seasonal-naive", "own"):
        hours = simulation(24.0, forecast=how, forecast_error_frac=0.5)
        scenario = case(tmp_path, node("a", "FR"), costs("a"), traffic(), hours)
        totals.add(simulate(scenario, traces=traces, policies=["grams"])["policies"][0]["carbon_g"])
    assert len(totals) == 1  # one node: nothing depends on what was known


def test_what_is_foreseen_does_decide(tmp_path: Path) -> None:
    traces = write_trace(tmp_path / "traces", "FR", _tides)
    write_trace(traces, "DE", lambda moment: 1000.0 - _tides(moment))

    def grams(how: str) -> float:
        scenario = case(
            tmp_path,
            node("a", "FR"),
            node("b", "DE"),
            costs("a", "b"),
            traffic(),
            simulation(24.0, forecast=how),
        )
        return float(simulate(scenario, traces=traces, policies=["grams"])["policies"][0]["carbon_g"])

    assert grams("perfect") < grams("persistence")  # which is wrong for an hour at each turn of the tide


CODE = """
import json, sys
from pathlib import Path
from gramwise.runtime.assembly import read_scenario
from gramwise.sim.simulate import simulate
d = simulate(read_scenario(sys.argv[1]), traces=Path(sys.argv[2]), out=Path(sys.argv[3]), timing=False)
home = Path(d.pop("run_dir"))
sys.stdout.write(json.dumps(d))
for name in ("outcomes.csv", "hours.csv", "nodes.csv"):
    sys.stdout.write((home / name).read_text("utf-8"))
"""


def test_same_seed_same_bytes_in_any_process(tmp_path: Path) -> None:
    traces = write_trace(tmp_path / "traces", "FR", _tides)
    write_trace(traces, "DE", lambda moment: 1000.0 - _tides(moment))
    away = '[[failures]]\nnode = "b"\nat_s = 9000.0\nfor_s = 600.0\n'
    more = {
        "service_noise_frac": 0.2,
        "forecast_error_frac": 0.1,
        "policies": ["fastest", "lyapunov", "predictive"],
    }
    scenario = case(
        tmp_path, node("a", "FR"), node("b", "DE", slots=2), costs("a", "b"), away,
        traffic(rate_per_s=0.1, deferrable_frac=0.5, deferrable_s=7200.0, noise_frac=0.2),
        simulation(6.0, **more),  # type: ignore[arg-type]
    )  # fmt: skip
    texts = [
        subprocess.run(
            [sys.executable, "-c", CODE, str(scenario.path), str(traces), str(tmp_path / seed)],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]
    assert texts[0] == texts[1]
    assert len(texts[0]) > 100_000


@pytest.mark.parametrize(
    ("parts", "options", "said"),
    [
        ((simulation(2.5, basis="direct"),), {}, "simulation.basis"),
        ((simulation(2.0).replace(START, "2022-06-06T00:30:00Z"),), {}, "full hour"),
        (
            (simulation(2.0, load_frac=0.5), '[[traffic]]\nname = "f"\nmodel = "digits"\nfile = "x.csv"\n'),
            {},
            "load_frac",
        ),
        ((simulation(2.0),), {"policies": ["gram"]}, "--policy"),
        ((simulation(2.0),), {"policies": ["budget"]}, "carbon_budget_g_per_day"),
    ],
)
def test_what_cannot_be_simulated_is_said(
    tmp_path: Path, parts: tuple[str, ...], options: dict[str, Any], said: str
) -> None:
    scenario = case(tmp_path, node("a", "FR"), costs("a"), traffic(), *parts)
    with pytest.raises(ConfigError, match=said):
        simulate(scenario, **options)


def test_gaps_and_other_years_of_traces_are_said(tmp_path: Path) -> None:
    traces = write_trace(
        tmp_path / "traces", "FR", lambda m: None if (m.month, m.day, m.hour) == (6, 6, 1) else 50.0
    )
    scenario = case(tmp_path, node("a", "FR"), costs("a"), traffic(), simulation(3.0))
    with pytest.raises(DataGap, match=r"FR has no value for 2022-06-06T01:00Z"):
        simulate(scenario, traces=traces)
    with pytest.raises(ConfigError, match="no trace of 2021, only of 2022"):
        simulate(scenario, traces=traces, year=2021)


def test_more_work_than_fits_has_no_bound_and_says_so(tmp_path: Path) -> None:
    scenario = case(tmp_path, node("a", "FR"), costs("a"), traffic(rate_per_s=1.5), simulation(1.0))
    document = simulate(scenario, policies=["grams"])
    assert document["bounds"]["b1_g"] is None
    assert "more work" in document["bounds"]["note"]
    assert document["policies"][0]["gap_b1_frac"] is None


@pytest.mark.skipif(not TRACES.is_dir(), reason=f"no traces in {TRACES}; set GRAMWISE_TRACES")
def test_a_day_of_real_traces(tmp_path: Path) -> None:
    scenario = case(
        tmp_path, node("a", "DE"), node("b", "ES"), costs("a", latency_s=1.0), costs("b", latency_s=2.0),
        traffic(rate_per_s=0.05, deferrable_frac=0.5, deferrable_s=21_600.0), simulation(24.0),
    )  # fmt: skip
    document = simulate(scenario, traces=TRACES, policies=["fastest", "grams", "predictive"])
    rows, b1_g = lines(document), document["bounds"]["b1_g"]
    assert b1_g * (1 - 1e-6) <= rows["predictive"]["carbon_g"] < rows["fastest"]["carbon_g"]
    assert rows["predictive"]["gap_b1_frac"] < 0.2
    assert all(row["late"] == row["refused"] == row["lost"] == 0 for row in rows.values())
