"""Rows that are split: every filter asks all of their nodes, grams add over stages, and few policies take them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gramwise.core.decision import PlanTable, Request, Snapshot, Stage, columns, plan_of
from gramwise.core.units import carbon_g
from gramwise.schedule import load_policy, policy_names
from gramwise.schedule.filters import ACCOUNTABLE, DEADLINE, WHOLE
from gramwise.testing import check_policy

Fleet = Callable[..., Snapshot]
Ask = Callable[..., Request]

SPLITTING = {
    *("grams", "plan", "soonest", "shadow-price", "fractions", "predictive", "budget", "lyapunov"),
    *("threshold", "k-search", "double-threshold", "two-choices"),
}


def split(snapshot: Snapshot, *stages: Stage, planned: bool = True, fixed_s: float = 0.0) -> Snapshot:
    """The snapshot with one row more, split over these stages."""
    t = snapshot.plans
    first = snapshot.nodes.index(stages[0].node)
    table = PlanTable(
        node=np.append(t.node, first),
        model=(*t.model, "m"),
        variant=(*t.variant, t.variant[0]),
        reference=np.append(t.reference, True),
        latency_s=columns([*t.latency_s, sum(s.latency_s for s in stages)]),
        fixed_s=columns([*t.fixed_s, fixed_s]),
        energy_j=columns([*t.energy_j, sum(s.energy_j for s in stages)]),
        accuracy_frac=columns([*t.accuracy_frac, t.accuracy_frac[0]]),
        memory_bytes=columns([*t.memory_bytes, stages[0].memory_bytes]),
        stages={len(t): stages},
        planned=len(t) if planned else -1,
    )
    return dataclasses.replace(snapshot, plans=table)


def stage(node: str, energy_j: float = 0.1, latency_s: float = 0.004, mib: float = 10) -> Stage:
    return Stage(node=node, energy_j=energy_j, latency_s=latency_s, memory_bytes=round(mib * 2**20))


BOTH = (stage("a"), stage("b", 0.2))


def rejected(policy: str, request: Request, snapshot: Snapshot) -> tuple[str, str]:
    verdict = load_policy(policy).verdicts(request, snapshot)[-1]
    return verdict.rejected_by, verdict.reason


def test_grams_of_a_split_row_add_over_its_stages(fleet: Fleet, ask: Ask) -> None:
    nodes = ({"intensity": 100.0, "pue": 1.5}, {"intensity": 600.0})
    snapshot = split(fleet(*nodes), *BOTH)
    decision = load_policy("grams").decide(ask(count=3), snapshot)
    verdict = decision.verdicts[-1]
    expected = 3 * (carbon_g(0.1, 100.0, 1.5) + carbon_g(0.2, 600.0))
    assert verdict.node == "a > b"
    assert verdict.scores["carbon_g"] == pytest.approx(expected)
    assert verdict.scores["energy_j"] == pytest.approx(0.9)
    assert verdict.scores["intensity_g_per_kwh"] == pytest.approx((0.1 * 100 + 0.2 * 600) / 0.3)
    assert decision.row == 2  # 0.3 J on both beats 1 J on either
    assert plan_of(ask(count=3), snapshot, 2).cost.carbon_g == pytest.approx(expected)
    assert plan_of(ask(), snapshot, 2).stages == BOTH


def test_grams_takes_the_split_row_exactly_when_it_costs_least(fleet: Fleet, ask: Ask) -> None:
    policy = load_policy("grams")
    rng = np.random.default_rng(0)
    taken = 0
    for _ in range(200):
        nodes = [
            {"intensity": float(rng.uniform(20, 800)), "energy_j": float(rng.uniform(0.1, 1))} for _ in "abc"
        ]
        stages = [stage(n, float(rng.uniform(0.01, 0.4))) for n in rng.choice(list("abc"), 2, replace=False)]
        snapshot = split(fleet(*nodes), *stages)
        grams = [carbon_g(n["energy_j"], n["intensity"]) for n in nodes]
        at = {name: n["intensity"] for name, n in zip("abc", nodes, strict=True)}
        grams.append(sum(carbon_g(s.energy_j, at[s.node]) for s in stages))
        row = policy.decide(ask(), snapshot).row
        assert grams[row] == pytest.approx(min(grams))
        taken += row == 3
    assert 20 < taken < 180


@pytest.mark.parametrize(
    ("second", "asked", "by", "reason"),
    [
        ({"alive": False}, {}, "alive", "node b is lost"),
        ({"memory": 5 * 2.0**20}, {}, "memory", "needs 10 MiB of 5 MiB"),
        ({"zone": "Y"}, {"allowed_zones": frozenset("Z")}, "zone", "zone Y is not among the allowed ones"),
        ({"intensity": math.nan}, {}, "unknown", "its grid intensity is unknown"),
        ({"age_s": 90.0}, {}, "freshness", "its intensity is 90 s old, the limit is 60 s"),
        ({"backlog_s": 5.0}, {"deadline_s": 1.0}, "latency", "would answer after 5008.0 ms"),
    ],
)
def test_every_filter_asks_all_of_its_nodes(
    fleet: Fleet, ask: Ask, second: dict[str, Any], asked: dict[str, Any], by: str, reason: str
) -> None:
    snapshot = split(fleet({}, second, {}, max_age_s=60.0), *BOTH)
    found = rejected("grams", ask(**asked), snapshot)
    assert found[0] == by
    assert reason in found[1]
    good = split(
        fleet({}, {}, second, max_age_s=60.0), *BOTH
    )  # the same fault on a node that it does not use
    assert rejected("grams", ask(**asked), good) == ("", "")
    assert load_policy("grams").decide(ask(**asked), good).row == 3


def test_unknown_energy_of_one_stage_rejects_the_row(fleet: Fleet, ask: Ask) -> None:
    snapshot = split(fleet({}, {}), stage("a"), stage("b", math.nan))
    assert rejected("grams", ask(), snapshot) == ("unknown", "its energy is unknown")


def test_the_wait_is_the_largest_of_its_nodes_wherever_it_is_ranked(fleet: Fleet, ask: Ask) -> None:
    deadline_s = 0.1
    for cheaper in range(12):  # the first rows are probed one by one, later ones tested at once
        nodes = [{"energy_j": 1.0 + i, "latency_s": 1.0} for i in range(11)]  # too slow for the deadline
        nodes.append({"energy_j": 99.0})
        joules = (cheaper + 0.5) / 2
        for busy_s, row in ((0.0, 12), (0.5, 11)):
            loaded = [{**n, "backlog_s": busy_s if i == 1 else 0.0} for i, n in enumerate(nodes)]
            for i, n in enumerate(loaded):
                n["name"] = f"n{i}"
            snapshot = split(fleet(*loaded), stage("n0", joules), stage("n1", joules))
            assert load_policy("grams").decide(ask(deadline_s=deadline_s), snapshot).row == row, cheaper


def test_equal_scores_go_to_the_row_that_answers_soonest_split_or_not(fleet: Fleet, ask: Ask) -> None:
    equal = (stage("a", 0.5, 0.002), stage("b", 0.5, 0.002))
    slow_b = fleet({"intensity": 100.0}, {"intensity": 100.0, "backlog_s": 0.5})
    assert load_policy("grams").decide(ask(), split(slow_b, *equal)).row == 0
    idle = fleet({"intensity": 100.0}, {"intensity": 100.0})
    assert load_policy("grams").decide(ask(), split(idle, *equal)).row == 2


@pytest.mark.parametrize("name", policy_names())
def test_published_policies_and_baselines_take_whole_models_only(fleet: Fleet, ask: Ask, name: str) -> None:
    nodes = ({"memory": 2.0**33}, {"memory": 2.0**33})
    far_better = (stage("a", 1e-6, 1e-6), stage("b", 1e-6, 1e-6))
    snapshot = split(fleet(*nodes, baseline="a"), *far_better)
    decision = load_policy(name).decide(ask(draw=0.9), snapshot)  # one of the two choices is the last row
    verdict = decision.verdicts[-1]
    if name in SPLITTING:
        assert decision.row == 2
        assert verdict.chosen
    else:
        assert decision.row in (0, 1)
        assert verdict.rejected_by == "whole"
        assert verdict.reason == "it is split over a > b, and this policy runs whole models only"


def test_plan_takes_its_row_or_nothing(fleet: Fleet, ask: Ask) -> None:
    policy = load_policy("plan")
    dear = (stage("a", 50.0, 9.0), stage("b", 50.0, 9.0))
    snapshot = split(fleet({}, {}), *dear)
    assert policy.decide(ask(deadline_s=0.1), snapshot).row == 2  # the plan stands, also where it is late
    assert [v.reason for v in policy.verdicts(ask(), snapshot)[:2]] == ["the plan asks for another"] * 2
    none = split(fleet({}, {}), *dear, planned=False)
    assert policy.decide(ask(), none).row == -1
    assert policy.verdicts(ask(), none)[2].reason == "no plan was given (bench --plan)"
    dead = split(fleet({}, {"alive": False}), *dear)
    assert policy.decide(ask(), dead).row == -1
    whole = dataclasses.replace(fleet({}, {}), plans=dataclasses.replace(fleet({}, {}).plans, planned=1))
    assert policy.decide(ask(), whole).node == "b"
    other = dataclasses.replace(ask(), model="n")
    assert policy.decide(other, snapshot).row == -1


def test_plan_and_soonest_keep_the_contract() -> None:
    for name in ("plan", "soonest"):
        check_policy(load_policy(name), fresh=lambda name=name: load_policy(name))


def test_soonest_looks_at_split_rows_and_fastest_does_not(fleet: Fleet, ask: Ask) -> None:
    snapshot = split(fleet({"latency_s": 0.1}, {"latency_s": 0.2}), *BOTH, fixed_s=0.01)
    assert load_policy("fastest").decide(ask(), snapshot).row == 0
    decision = load_policy("soonest").decide(ask(), snapshot)
    assert decision.row == 2
    assert decision.verdicts[-1].scores["finish_s"] == pytest.approx(0.018)
    waiting = split(fleet({"latency_s": 0.1}, {"backlog_s": 1.0, "latency_s": 0.2}), *BOTH)
    assert load_policy("soonest").decide(ask(), waiting).row == 0


def test_a_table_without_split_rows_filters_as_it_always_did(fleet: Fleet, ask: Ask) -> None:
    snapshot = fleet({}, {"alive": False}, {"memory": 1.0}, {"intensity": math.nan}, {"backlog_s": 9.0})
    keep = {f.name: f.keep(ask(deadline_s=1.0), snapshot).tolist() for f in (*ACCOUNTABLE, DEADLINE, WHOLE)}
    assert keep["alive"] == [True, False, True, True, True]
    assert keep["memory"] == [True, True, False, True, True]
    assert keep["unknown"] == [True, True, True, False, True]
    assert keep["latency"] == [True, True, True, True, False]
    assert all(keep["whole"])
