"""Ours on fleets small enough to work out by hand: which node, and why not the others."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest

from gramwise.core.decision import Request, Snapshot, Verdict
from gramwise.core.protocols import Policy
from gramwise.schedule import load_policy

Fleet = Callable[..., Snapshot]
Ask = Callable[..., Request]


@pytest.fixture
def grams() -> Policy:
    return load_policy("grams")


def rejections(verdicts: tuple[Verdict, ...]) -> dict[str, tuple[str, str]]:
    return {v.node: (v.rejected_by, v.reason) for v in verdicts if v.rejected_by}


def test_least_grams_is_neither_the_cleanest_zone_nor_the_least_energy(
    grams: Policy, fleet: Fleet, ask: Ask
) -> None:
    # J x g/kWh: 4 x 100 = 400, 1 x 500 = 500, 2 x 150 = 300.
    snapshot = fleet(
        {"energy_j": 4.0, "intensity": 100.0},
        {"energy_j": 1.0, "intensity": 500.0},
        {"energy_j": 2.0, "intensity": 150.0},
    )
    decision = grams.decide(ask(), snapshot)
    assert decision.node == "c"
    assert decision.plan is not None
    assert decision.plan.cost.carbon_g == pytest.approx(300.0 / 3.6e6)
    assert load_policy("greenest-zone").decide(ask(), snapshot).node == "a"
    assert load_policy("fastest").decide(ask(), snapshot).node == "a"


def test_pue_counts(grams: Policy, fleet: Fleet, ask: Ask) -> None:
    assert grams.decide(ask(), fleet({"intensity": 500.0}, {"intensity": 490.0})).node == "b"
    assert grams.decide(ask(), fleet({"intensity": 500.0}, {"intensity": 490.0, "pue": 1.1})).node == "a"


def test_the_second_best_takes_over_where_the_queue_breaks_the_deadline(
    grams: Policy, fleet: Fleet, ask: Ask
) -> None:
    nodes = [{"intensity": 100.0}, {"intensity": 200.0}, {"intensity": 300.0}]
    for backlog_s, expected in ((0.0, "a"), (0.09, "a"), (0.0901, "b"), (9.0, "b")):
        snapshot = fleet({**nodes[0], "backlog_s": backlog_s}, *nodes[1:])
        assert grams.decide(ask(deadline_s=0.1), snapshot).node == expected
    everywhere = fleet(*({**node, "backlog_s": 1.0} for node in nodes))
    assert grams.decide(ask(deadline_s=0.1), everywhere).node is None
    assert grams.decide(ask(), everywhere).node == "a"


def test_service_hand_over_and_batch_count_against_the_deadline(
    grams: Policy, fleet: Fleet, ask: Ask
) -> None:
    snapshot = fleet(
        {"intensity": 100.0, "latency_s": 0.02, "fixed_s": 0.03}, {"intensity": 200.0, "latency_s": 0.001}
    )
    assert grams.decide(ask(deadline_s=0.05), snapshot).node == "a"
    assert grams.decide(ask(deadline_s=0.049), snapshot).node == "b"
    assert grams.decide(ask(deadline_s=0.05, count=2), snapshot).node == "b"


@pytest.mark.parametrize("tied", [1, 3])
def test_the_first_free_node_is_found_wherever_it_stands(
    tied: int, grams: Policy, fleet: Fleet, ask: Ask
) -> None:
    # Rows are tested one by one, then in ever larger runs: no position may fall between two of them.
    nodes = 700
    snapshot = fleet(*({"name": f"n{i}", "intensity": 100.0 + i // tied} for i in range(nodes)))
    for free in range(nodes):
        backlog_s = np.full(nodes, 1.0)
        backlog_s[free] = 0.0
        state = dataclasses.replace(snapshot, backlog_s=backlog_s)
        assert grams.decide(ask(deadline_s=0.1), state).node == f"n{free}"
        backlog_s[free:] = 0.0
        assert grams.decide(ask(deadline_s=0.1), state).node == f"n{free}"


def test_ties_go_to_the_soonest(grams: Policy, fleet: Fleet, ask: Ask) -> None:
    snapshot = fleet({"backlog_s": 0.03}, {"backlog_s": 0.01}, {"backlog_s": 0.02}, {"intensity": 900.0})
    assert grams.decide(ask(), snapshot).node == "b"
    assert grams.decide(ask(deadline_s=0.1), snapshot).node == "b"


def test_a_tie_after_a_node_that_is_late_goes_to_the_soonest_too(
    grams: Policy, fleet: Fleet, ask: Ask
) -> None:
    snapshot = fleet(
        {"intensity": 100.0, "backlog_s": 1.0},
        {"intensity": 200.0, "backlog_s": 0.5},
        {"intensity": 200.0, "backlog_s": 0.05},
        {"intensity": 200.0, "backlog_s": 0.02},
    )
    assert grams.decide(ask(deadline_s=0.1), snapshot).node == "d"


def test_a_lost_node_is_not_chosen(grams: Policy, fleet: Fleet, ask: Ask) -> None:
    decision = grams.decide(ask(), fleet({"intensity": 100.0, "alive": False}, {"intensity": 200.0}))
    assert decision.node == "b"
    assert rejections(decision.verdicts) == {"a": ("alive", "node a is lost")}


def test_memory_must_hold_the_variant(grams: Policy, fleet: Fleet, ask: Ask) -> None:
    snapshot = fleet(
        {"intensity": 100.0, "memory": 32 * 2.0**20}, {"intensity": 200.0, "memory": 64 * 2.0**20}
    )
    decision = grams.decide(ask(), snapshot)
    assert decision.node == "b"
    assert rejections(decision.verdicts) == {"a": ("memory", "needs 64 MiB of 32 MiB")}


def test_without_a_floor_only_the_reference_serves(grams: Policy, fleet: Fleet, ask: Ask) -> None:
    snapshot = fleet({}, variants=[("fp32", 0.98, 1.0), ("int8", 0.99, 0.1)])
    decision = grams.decide(ask(), snapshot)
    assert decision.variant == "fp32"
    assert decision.verdicts[1].rejected_by == "accuracy"
    assert "not the reference" in decision.verdicts[1].reason


def test_a_floor_permits_the_cheapest_variant_that_keeps_it(grams: Policy, fleet: Fleet, ask: Ask) -> None:
    snapshot = fleet(
        {}, variants=[("fp32", 0.98, 1.0), ("int8", 0.975, 0.4), ("tiny", 0.9, 0.1), ("new", math.nan, 0.01)]
    )
    assert [grams.decide(ask(accuracy_floor_frac=f), snapshot).variant for f in (0.99, 0.98, 0.97, 0.5)] == [
        None,
        "fp32",
        "int8",
        "tiny",
    ]
    verdicts = grams.decide(ask(accuracy_floor_frac=0.97), snapshot).verdicts
    assert verdicts[2].reason == "accuracy 90.00%, below the floor of 97.00%"
    assert verdicts[3].reason == "accuracy unknown, below the floor of 97.00%"


def test_unknown_is_never_chosen(grams: Policy, fleet: Fleet, ask: Ask) -> None:
    snapshot = fleet({"intensity": math.nan}, {"energy_j": math.nan}, {"intensity": 800.0})
    for policy in (grams, load_policy("greenest-zone")):
        decision = policy.decide(ask(), snapshot)
        assert decision.node == "c"
        assert rejections(decision.verdicts) == {
            "a": ("unknown", "its grid intensity is unknown"),
            "b": ("unknown", "its energy is unknown"),
        }
    nothing = fleet({"intensity": math.nan}, {"energy_j": math.nan})
    assert grams.decide(ask(), nothing).plan is None


def test_stale_intensity_is_rejected(grams: Policy, fleet: Fleet, ask: Ask) -> None:
    nodes = ({"intensity": 100.0, "age_s": 3601.0}, {"intensity": 200.0, "age_s": 3600.0})
    decision = grams.decide(ask(), fleet(*nodes, max_age_s=3600.0))
    assert decision.node == "b"
    assert rejections(decision.verdicts) == {
        "a": ("freshness", "its intensity is 3601 s old, the limit is 3600 s")
    }
    assert grams.decide(ask(), fleet(*nodes)).node == "a"
    ageless = grams.decide(ask(), fleet({"age_s": math.nan}, max_age_s=3600.0))
    assert rejections(ageless.verdicts) == {
        "a": ("freshness", "its intensity is of unknown age, the limit is 3600 s")
    }


def test_data_stays_in_the_allowed_zones(grams: Policy, fleet: Fleet, ask: Ask) -> None:
    snapshot = fleet({"intensity": 100.0, "zone": "NO"}, {"intensity": 200.0, "zone": "DE"})
    decision = grams.decide(ask(allowed_zones=frozenset({"DE", "FR"})), snapshot)
    assert decision.node == "b"
    assert rejections(decision.verdicts) == {"a": ("zone", "zone NO is not among the allowed ones")}
    assert grams.decide(ask(allowed_zones=frozenset()), snapshot).plan is None


def test_nothing_feasible_is_a_decision_that_says_why(grams: Policy, fleet: Fleet, ask: Ask) -> None:
    snapshot = fleet({"backlog_s": 1.0}, {"alive": False}, {"memory": 1.0}, {"intensity": math.nan})
    decision = grams.decide(ask(deadline_s=0.1), snapshot)
    assert (decision.row, decision.plan, decision.node) == (-1, None, None)
    assert not any(v.chosen for v in decision.verdicts)
    assert rejections(decision.verdicts) == {
        "a": ("latency", "would answer after 1010.0 ms (of which 1000.0 ms waiting), deadline 100.0 ms"),
        "b": ("alive", "node b is lost"),
        "c": ("memory", "needs 64 MiB of 0 MiB"),
        "d": ("unknown", "its grid intensity is unknown"),
    }


@pytest.mark.parametrize("name", ["grams", "greenest-zone", "fastest", "round-robin", "monolithic", "amp4ec"])
def test_no_candidate_at_all_is_a_decision_without_a_plan(name: str, fleet: Fleet, ask: Ask) -> None:
    policy = load_policy(name)
    other = policy.decide(ask(model="unheard-of"), fleet({}, baseline="a"))
    assert (other.plan, other.verdicts) == (None, ())
    dead = policy.decide(ask(), fleet({"alive": False}, baseline="a"))
    assert dead.plan is None
    assert [v.rejected_by for v in dead.verdicts] == ["alive"]


def test_two_models_in_one_table_are_kept_apart(grams: Policy, fleet: Fleet, ask: Ask) -> None:
    snapshot = fleet({"energy_j": 1.0}, {"energy_j": 2.0})
    mixed = dataclasses.replace(snapshot, plans=dataclasses.replace(snapshot.plans, model=("other", "m")))
    decision = grams.decide(ask(), mixed)
    assert decision.node == "b"
    assert [v.node for v in decision.verdicts] == ["b"]


def test_scores_say_what_ranked(grams: Policy, fleet: Fleet, ask: Ask) -> None:
    snapshot = fleet(
        {"energy_j": 2.0, "intensity": 360.0, "backlog_s": 0.5, "fixed_s": 0.25, "latency_s": 0.125}
    )
    (verdict,) = grams.decide(ask(count=2), snapshot).verdicts
    assert verdict.chosen
    assert verdict.scores == pytest.approx(
        {"carbon_g": 4.0 * 1e-4, "energy_j": 4.0, "intensity_g_per_kwh": 360.0, "finish_s": 1.0}
    )
    assert np.isfinite(list(verdict.scores.values())).all()
