"""The document of a sweep: its keys, its arithmetic, its settings, and that it says the same thing twice."""

from __future__ import annotations

import dataclasses
import json
import math
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fluid_kit import first_hours
from sim_kit import case as scenario_of
from sim_kit import costs, node, simulation, traffic, write_trace

from gramwise.core.errors import ConfigError
from gramwise.fleet.scenario import Scenario
from gramwise.sim.case import case_of
from gramwise.sim.fluid import Account
from gramwise.sim.sweep import Task, run_task, sweep, variations, weekly

POLICIES = (
    "round-robin",
    "fastest",
    "greenest-zone",
    "grams",
    "shadow-price",
    "fractions",
    "two-choices",
    "grams+perfect",
)

NODES = (
    node("a", "FR"),
    node("b", "DE", slots=2),
    costs("a", energy_j=5.0),
    costs("b", latency_s=0.5, energy_j=2.0),
)
LATE = {"deferrable_frac": 0.4, "deferrable_s": 7200.0}
CLASSES = (
    traffic("live", 0.4, noise_frac=0.05, swing_frac=0.2),
    traffic("forms", 0.3, accuracy_floor_frac=0.9, **LATE),
)


def wave(base: float, swing: float) -> Any:
    def value(moment: datetime) -> float:
        hour = moment.timestamp() / 3600.0
        return base + swing * math.sin(hour / 3.8) + 0.3 * swing * math.sin(hour / 31.0)

    return value


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("traces")
    write_trace(folder, "FR", wave(60.0, 25.0), days=365)
    return write_trace(folder, "DE", wave(400.0, 200.0), days=365)


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    return scenario_of(tmp_path_factory.mktemp("case"), *NODES, *CLASSES, simulation(load_frac=0.5))


@pytest.fixture(scope="module")
def document(scenario: Scenario, traces: Path) -> dict[str, Any]:
    return sweep([({}, scenario)], traces=traces, policies=POLICIES, workers=1)


def bare(document: dict[str, Any]) -> dict[str, Any]:
    """Without what a clock says."""
    return {key: value for key, value in document.items() if key != "seconds"}


def test_document_has_the_keys_that_were_promised(document: dict[str, Any]) -> None:
    assert document["schema"] == "gramwise.sweep/1"
    assert {"hours", "requests", "bounds", "policies", "seconds"} <= set(document)
    assert {"b0_g", "b1_g"} <= set(document["bounds"])
    row = {
        "name",
        "carbon_g",
        "gap_b1_frac",
        "captured_frac",
        "slo_miss_frac",
        "deferred_frac",
        "accuracy_frac",
    }
    assert [each["name"] for each in document["policies"]] == list(POLICIES)
    assert all(row <= set(each) for each in document["policies"])
    assert document["hours"] == 8760
    assert document["simulated"] is True
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_document_adds_up(document: dict[str, Any]) -> None:
    bounds, rows = document["bounds"], {each["name"]: each for each in document["policies"]}
    assert 0 < bounds["b0_g"] <= bounds["b1_g"] <= bounds["b1_at_once_g"]
    base = rows["fastest"]["carbon_g"]
    for row in rows.values():
        assert row["deferred_frac"] == 0.0, "none of these puts work off"
        if row["gap_b1_frac"] is None:
            assert row["slo_miss_frac"] > 0
            continue
        assert row["carbon_g"] >= bounds["b1_at_once_g"] * (1 - 1e-9)
        assert row["gap_b1_frac"] == pytest.approx(row["carbon_g"] / bounds["b1_g"] - 1.0)
        saved = (base - row["carbon_g"]) / (base - bounds["b1_g"])
        assert row["captured_frac"] == pytest.approx(saved)
    assert rows["grams"]["carbon_g"] < base
    assert rows["grams+perfect"]["carbon_g"] != rows["grams"]["carbon_g"]
    assert rows["fractions"]["slo_miss_frac"] <= rows["fastest"]["slo_miss_frac"]


def test_provenance_says_what_it_is(document: dict[str, Any]) -> None:
    said = " ".join(document["provenance"])
    for part in ("Simulated", "made up", "lifecycle", "2022", "own forecast of past hours", "B1"):
        assert part in said


@pytest.mark.slow
def test_same_figures_twice_and_with_two_processes(
    document: dict[str, Any], scenario: Scenario, traces: Path
) -> None:
    again = sweep([({}, scenario)], traces=traces, policies=POLICIES, workers=2)
    assert bare(again) == bare(document)


def test_a_policy_that_puts_off_misses_no_more_than_fastest(scenario: Scenario, traces: Path) -> None:
    case = first_hours(case_of(scenario, traces=traces), 24 * 8)
    done: dict[str, Account] = {}
    for task in (Task("alone:predictive", ("predictive",)), Task("alone:threshold", ("threshold",))):
        done |= dict(run_task(case, task).accounts)
    done |= dict(run_task(case, Task("rules:fastest", ("fastest",))).accounts)
    done |= dict(run_task(case, Task("rules:fractions", ("fractions",))).accounts)
    bound = run_task(case, Task("b1"))
    for name in ("predictive", "threshold", "fractions"):
        assert done[name].late_frac <= done["fastest"].late_frac, name
        assert done[name].carbon_g >= bound.bound_g * (1 - 1e-9), name
    assert 0.0 < done["predictive"].deferred <= case.waiting.sum()
    assert done["predictive"].carbon_g < done["fractions"].carbon_g
    assert done["fastest"].deferred == 0.0


def test_grams_of_weeks_are_all_grams_but_those_of_the_odd_days(scenario: Scenario, traces: Path) -> None:
    case = first_hours(case_of(scenario, traces=traces), 2 * 168 + 30)
    done = run_task(case, Task("rules:grams", ("grams",))).accounts["grams"]
    weeks = weekly(done)
    assert len(weeks) == 2
    assert weeks.sum() + done.booked_g[2 * 168 :].sum() == pytest.approx(done.carbon_g, rel=1e-12)


def test_dropped_requests_are_no_saving(scenario: Scenario, traces: Path) -> None:
    crowded = dataclasses.replace(first_hours(case_of(scenario, traces=traces), 24), window=np.array([0, 0]))
    crowded = dataclasses.replace(crowded, fixed=crowded.fixed * 4.0)
    bound = run_task(crowded, Task("b1"))
    assert bound.unserved > 0
    done = run_task(crowded, Task("rules:grams", ("grams", "round-robin"))).accounts
    assert done["round-robin"].unserved >= bound.unserved * (1 - 1e-9)
    assert done["grams"].unserved >= bound.unserved * (1 - 1e-9)


def test_settings_make_every_combination(scenario: Scenario) -> None:
    found = variations(scenario.path, ["simulation.load_frac=0.3,0.7", "traffic.*.deferrable_s=3600,7200"])
    assert [each for each, _ in found] == [
        {"simulation.load_frac": load, "traffic.*.deferrable_s": wait}
        for load in (0.3, 0.7)
        for wait in (3600, 7200)
    ]
    for parameters, made in found:
        assert made.simulation.load_frac == parameters["simulation.load_frac"]
        assert [row.deferrable_s for row in made.traffic] == [parameters["traffic.*.deferrable_s"]] * 2
        assert [row.name for row in made.traffic] == ["live", "forms"]
        assert made.traffic[1].accuracy_floor_frac == 0.9, "what is not set stays"
    assert variations(scenario.path, [])[0][0] == {}


def test_settings_of_text_and_of_lists(scenario: Scenario) -> None:
    found = variations(scenario.path, ["simulation.forecast=own,perfect"])
    assert [made.simulation.forecast for _, made in found] == ["own", "perfect"]
    ((_, made),) = variations(scenario.path, ['traffic.*.allowed_zones=["FR","DE"]'])
    assert made.traffic[0].allowed_zones == ("FR", "DE")


@pytest.mark.parametrize(
    ("setting", "match"),
    [
        ("simulation.load_frac", "sets nothing"),
        ("=3", "sets nothing"),
        ("simulation.load_frac=", "sets nothing"),
        ("simulation.load_frac=much", "simulation.load_frac"),
        ("simulation.load_frac=0.5,much", "simulation.load_frac"),
        ("simulation.load_frac=NaN", "simulation.load_frac"),
        ("simulation.load=0.5", "load_frac"),
        ("traffic.*.rate_per_s=many", "rate_per_s"),
        ("traffic.*.rate=1", "rate"),
        ("traffic.*.deferrable_frac=2", "deferrable_frac"),
    ],
)
def test_settings_that_are_none(scenario: Scenario, setting: str, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        variations(scenario.path, [setting])


def test_a_setting_of_every_class_where_there_is_none(tmp_path: Path) -> None:
    path = scenario_of(tmp_path, *NODES, "[workload]\nrate_per_s = 1.0", simulation()).path
    with pytest.raises(ConfigError, match="no class of traffic"):
        variations(path, ["traffic.*.deferrable_frac=0.4"])


def test_policies_that_are_none(scenario: Scenario, traces: Path) -> None:
    with pytest.raises(ConfigError, match=r"simulation\.policies: .*'fractons'.*fractions"):
        sweep([({}, scenario)], traces=traces, policies=["fractons"], workers=1)
    with pytest.raises(ConfigError, match="carbonedge"):
        sweep([({}, scenario)], traces=traces, policies=["carbonedge"], workers=1)
    ((_, other),) = variations(scenario.path, ["simulation.baseline=fastets"])
    with pytest.raises(ConfigError, match=r"simulation\.baseline: .*fastest"):
        sweep([({}, other)], traces=traces, policies=["grams"], workers=1)


def test_several_cases_stand_beside_each_other(scenario: Scenario) -> None:
    told: list[tuple[str, float]] = []
    found = sweep(
        variations(scenario.path, ["simulation.load_frac=0.2,0.4", "traffic.*.deferrable_frac=0"]),
        policies=["grams"], workers=1, tell=lambda text, done: told.append((text, done)),
    )  # fmt: skip
    assert [each["parameters"]["simulation.load_frac"] for each in found["cases"]] == [0.2, 0.4]
    low, high = found["cases"]
    assert high["requests"] == pytest.approx(2.0 * low["requests"])
    assert found["requests"] == low["requests"]
    assert low["bounds"]["b1_at_once_g"] == low["bounds"]["b1_g"]
    assert high["policies"][0]["gap_b1_frac"] >= -1e-9
    assert "annual means" in " ".join(found["provenance"])
    shares = [done for _, done in told]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
