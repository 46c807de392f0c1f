"""The baselines: monolithic, round-robin, fastest, greenest-zone."""

from __future__ import annotations

from collections.abc import Callable

from gramwise.core.decision import Request, Snapshot
from gramwise.schedule import load_policy, policy_names

Fleet = Callable[..., Snapshot]
Ask = Callable[..., Request]


def test_monolithic_uses_the_named_node_and_no_other(fleet: Fleet, ask: Ask) -> None:
    policy = load_policy("monolithic")
    snapshot = fleet({"intensity": 30.0}, {"intensity": 800.0}, {"intensity": 30.0}, baseline="b")
    decision = policy.decide(ask(), snapshot)
    assert decision.node == "b"
    assert [(v.rejected_by, v.reason) for v in decision.verdicts] == [
        ("baseline", "only b serves under this policy"),
        ("", ""),
        ("baseline", "only b serves under this policy"),
    ]
    busy = fleet({}, {"backlog_s": 99.0}, baseline="b")
    assert policy.decide(ask(deadline_s=0.1), busy).node == "b"
    assert policy.decide(ask(), fleet({}, {"alive": False}, baseline="b")).plan is None
    assert policy.decide(ask(), fleet({}, {}, baseline="nobody")).plan is None


def test_monolithic_keeps_the_reference_whatever_a_floor_permits(fleet: Fleet, ask: Ask) -> None:
    variants = [("fp32", 0.98, 1.0), ("int8", 0.985, 0.1)]
    policy, snapshot = load_policy("monolithic"), fleet({}, baseline="a", variants=variants)
    assert policy.decide(ask(accuracy_floor_frac=0.9), snapshot).variant == "fp32"
    assert policy.decide(ask(accuracy_floor_frac=0.983), snapshot).variant == "int8"


def test_monolithic_serves_on_a_grid_that_nobody_knows(fleet: Fleet, ask: Ask) -> None:
    decision = load_policy("monolithic").decide(ask(), fleet({"intensity": float("nan")}, baseline="a"))
    assert decision.node == "a"
    assert decision.plan is not None
    assert decision.plan.cost.carbon_g != decision.plan.cost.carbon_g  # unknown, not 0


def test_round_robin_follows_the_position_in_the_stream(fleet: Fleet, ask: Ask) -> None:
    policy, snapshot = load_policy("round-robin"), fleet({}, {}, {})
    assert [policy.decide(ask(seq=i), snapshot).node for i in range(7)] == list("abcabca")
    assert [policy.decide(ask(seq=i), snapshot).node for i in (4, 2, 4)] == list("bcb")


def test_round_robin_steps_over_the_lost(fleet: Fleet, ask: Ask) -> None:
    policy, snapshot = load_policy("round-robin"), fleet({}, {"alive": False}, {})
    assert [policy.decide(ask(seq=i), snapshot).node for i in range(4)] == list("acac")


def test_fastest_counts_the_queue_the_hand_over_and_the_batch(fleet: Fleet, ask: Ask) -> None:
    policy = load_policy("fastest")
    snapshot = fleet(
        {"latency_s": 0.01, "backlog_s": 0.03}, {"latency_s": 0.03}, {"latency_s": 0.005, "fixed_s": 0.03}
    )
    assert policy.decide(ask(count=1), snapshot).node == "b"
    assert policy.decide(ask(count=2), snapshot).node == "c"
    assert policy.decide(ask(), fleet({"backlog_s": 0.02}, {})).node == "b"


def test_fastest_answers_alike_in_its_loop_and_in_its_arrays(fleet: Fleet, ask: Ask) -> None:
    policy = load_policy("fastest")
    for nodes in (15, 16, 17, 40):
        times_s = [0.1 + ((i * 7 + 3) % nodes) * 0.01 for i in range(nodes)]
        state = [{"name": f"n{i}", "latency_s": time_s} for i, time_s in enumerate(times_s)]
        best = times_s.index(min(times_s))
        assert policy.decide(ask(), fleet(*state)).node == f"n{best}"


def test_fastest_is_late_rather_than_silent(fleet: Fleet, ask: Ask) -> None:
    assert load_policy("fastest").decide(ask(deadline_s=0.001), fleet({}, {})).node == "a"


def test_greenest_zone_looks_at_the_grid_alone(fleet: Fleet, ask: Ask) -> None:
    policy = load_policy("greenest-zone")
    assert (
        policy.decide(ask(), fleet({"intensity": 100.0, "energy_j": 99.0}, {"intensity": 101.0})).node == "a"
    )
    same = fleet(
        {"intensity": 100.0, "backlog_s": 0.2}, {"intensity": 100.0, "backlog_s": 0.1}, {"intensity": 101.0}
    )
    assert policy.decide(ask(), same).node == "b"
    assert policy.decide(ask(deadline_s=0.05), same).node == "c"


def test_policy_names_are_those_that_load() -> None:
    assert [load_policy(name).name for name in policy_names()] == policy_names()
