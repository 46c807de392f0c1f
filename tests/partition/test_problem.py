"""Costs and limits of placements against figures worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gramwise.partition.problem import GIVEN, Problem, Tensor, Ways, Weight, evaluate, runs

OUTSIDE = 2
"""Index of outside where there are two nodes."""


def ways(k: int, **changes: np.ndarray) -> Ways:
    """1 ms a message, 1 us a byte, 2 uJ to send a byte, 1 uJ to receive it, 1 mJ to receive a message."""
    shape = (k + 1, k + 1)
    fixed_s = np.full(shape, 1e-3)
    np.fill_diagonal(fixed_s, 0.0)
    plain = Ways(
        fixed_s=fixed_s,
        s_per_byte=np.full(shape, 1e-6),
        send_j_per_byte=np.full(shape, 2e-6),
        receive_j_per_byte=np.full(shape, 1e-6),
        receive_j=np.full(shape, 1e-3),
    )
    return replace(plain, **changes)


def problem(
    tensors: tuple[Tensor, ...], latency_s: list[list[float]], energy_j: list[list[float]], **changes: object
) -> Problem:
    """Input and answer are outside, which is on no grid; node 0 emits 1 g, node 1 emits 10 g and so on for a joule."""
    n, k = len(latency_s), len(latency_s[0])
    plain = Problem(
        layers=tuple(f"layer{v}" for v in range(n)),
        nodes=tuple(f"node{x}" for x in range(k)),
        objective="carbon",
        latency_s=np.array(latency_s),
        energy_j=np.array(energy_j),
        g_per_j=np.append(10.0 ** np.arange(k), 0.0),
        tensors=tensors,
        ways=ways(k),
        origin=k,
        destination=k,
        allowed=np.ones((n, k), dtype=np.bool_),
        working_bytes=np.zeros(n),
        memory_bytes=np.full(k, math.inf),
        slots=np.ones(k),
        budget_s=np.full(k, math.inf),
        idle_w=np.zeros(k),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def pair(**changes: object) -> Problem:
    """input (1000 B) -> layer 0 -> middle (500 B) -> layer 1 -> answer (100 B)."""
    tensors = (
        Tensor("input", 1000, GIVEN, (0,)),
        Tensor("middle", 500, 0, (1,)),
        Tensor("answer", 100, 1, (), wanted=True),
    )
    return problem(tensors, [[0.010, 0.020], [0.030, 0.040]], [[0.1, 0.2], [0.3, 0.4]], **changes)


def one(p: Problem, *placement: int) -> dict[str, float]:
    costs = evaluate(p, np.array([placement]))
    names = ("latency_s", "energy_j", "carbon_g", "period_s", "moved_bytes", "feasible")
    return {name: getattr(costs, name)[0] for name in names}


def test_one_node_pays_its_layers_the_input_and_the_answer() -> None:
    got = one(pair(), 0, 0)
    # 10 + 30 ms of layers; input 1 ms + 1000 us; answer 1 ms + 100 us.
    assert got["latency_s"] == pytest.approx(0.010 + 0.030 + 0.002 + 0.0011)
    # The client spends 2 mJ on sending and 1.1 mJ on receiving; node 0 receives 1 mJ + 1 mJ and sends 0.2 mJ.
    assert got["energy_j"] == pytest.approx(0.4 + 0.002 + 0.002 + 0.0002 + 0.0011)
    assert got["carbon_g"] == pytest.approx(0.4 + 0.002 + 0.0002)
    assert got["moved_bytes"] == 1100
    assert got["feasible"]


def test_a_split_pays_both_ends_each_on_its_own_grid() -> None:
    got = one(pair(), 0, 1)
    assert got["latency_s"] == pytest.approx(0.010 + 0.040 + 0.002 + 0.0015 + 0.0011)
    # Node 0: layer, receiving the input, sending 500 B. Node 1: layer, receiving 500 B, sending 100 B, at ten grams.
    node0_j, node1_j = 0.1 + 0.002 + 0.001, 0.4 + 0.0015 + 0.0002
    assert got["carbon_g"] == pytest.approx(node0_j + 10 * node1_j)
    assert got["moved_bytes"] == 1600


def test_figures_by_node_add_up() -> None:
    p = pair()
    costs = evaluate(p, np.array([[0, 0], [0, 1], [1, 0], [1, 1]]))
    assert costs.node_energy_j.sum(axis=1) == pytest.approx(costs.energy_j)
    assert costs.node_energy_j @ p.g_per_j == pytest.approx(costs.carbon_g)
    assert costs.busy_s == pytest.approx(np.array([[0.04, 0], [0.01, 0.04], [0.03, 0.02], [0, 0.06]]))


def test_objectives_pick_their_figure() -> None:
    costs = evaluate(pair(), np.array([[0, 1]]))
    assert costs.value("carbon") is costs.carbon_g
    assert costs.value("energy") is costs.energy_j
    assert costs.value("latency") is costs.latency_s
    assert costs.value("throughput") is costs.period_s


def fork(**changes: object) -> Problem:
    """Layer 0 makes one tensor of 1000 B that layers 1, 2 and 3 read."""
    tensors = (Tensor("input", 0, GIVEN, (0,)), Tensor("shared", 1000, 0, (1, 2, 3)))
    return problem(tensors, [[0.01] * 3] * 4, [[0.1] * 3] * 4, **changes)


def test_a_tensor_is_paid_once_for_each_node_however_many_layers_read_it_there() -> None:
    alone, two, three = (one(fork(), *a)["moved_bytes"] for a in ((0, 0, 0, 0), (0, 1, 1, 1), (0, 1, 2, 2)))
    assert (alone, two, three) == (0, 1000, 2000)
    extra_s = one(fork(), 0, 1, 1, 1)["latency_s"] - one(fork(), 0, 0, 0, 0)["latency_s"]
    assert extra_s == pytest.approx(0.002)


def test_an_answer_that_is_at_its_destination_already_is_not_sent_again() -> None:
    tensors = (Tensor("input", 0, GIVEN, (0,)), Tensor("both", 1000, 0, (1,), wanted=True))
    p = problem(tensors, [[0.01] * 2] * 2, [[0.1] * 2] * 2, destination=1)
    assert one(p, 0, 1)["moved_bytes"] == 1000
    assert one(p, 0, 0)["moved_bytes"] == 1000
    assert one(p, 1, 0)["moved_bytes"] == 1000
    assert one(p, 1, 1)["moved_bytes"] == 0


def test_an_input_that_is_an_answer_is_sent_once() -> None:
    tensors = (Tensor("input", 700, GIVEN, (0,), wanted=True),)
    p = problem(tensors, [[0.01] * 2], [[0.1] * 2], origin=0, destination=1)
    assert one(p, 0)["moved_bytes"] == 700
    assert one(p, 1)["moved_bytes"] == 700
    assert one(replace(p, destination=0), 0)["moved_bytes"] == 0


def test_without_a_link_there_is_no_way_and_no_warning() -> None:
    fixed_s = ways(2).fixed_s.copy()
    fixed_s[0, 1] = math.inf
    p = pair(ways=ways(2, fixed_s=fixed_s))
    got = one(p, 0, 1)
    assert not got["feasible"]
    assert math.isinf(got["latency_s"])
    assert math.isinf(got["carbon_g"])
    assert math.isinf(got["energy_j"])
    assert math.isinf(got["period_s"])
    assert one(p, 1, 0)["feasible"]


def test_an_input_that_stays_keeps_its_readers() -> None:
    p = pair(origin=0, input_stays=True)
    assert one(p, 0, 1)["feasible"]
    assert not one(p, 1, 1)["feasible"]
    assert one(replace(p, input_stays=False), 1, 1)["feasible"]


def three_in_a_line(**changes: object) -> Problem:
    """input (1000 B) -> 0 -> a (500 B) -> 1 -> answer (100 B); tensors move from node 2 to node 0 to node 1."""
    tensors = (
        Tensor("input", 1000, GIVEN, (0,)),
        Tensor("a", 500, 0, (1,)),
        Tensor("answer", 100, 1, (), True),
    )
    return problem(tensors, [[0.01] * 3] * 2, [[0.1] * 3] * 2, line=(2, 0, 1), **changes)


def test_on_a_line_tensors_pass_every_hop_and_never_go_back() -> None:
    p = three_in_a_line()
    # The input enters at node 2; on to node 1 are two hops.
    assert one(p, 2, 1)["moved_bytes"] == 1000 + 2 * 500 + 100
    assert one(p, 1, 1)["moved_bytes"] == 3 * 1000 + 100
    assert one(p, 2, 1)["latency_s"] == pytest.approx(0.02 + 0.002 + 2 * 0.0015 + 0.0011)
    assert one(p, 0, 1)["feasible"]
    assert not one(p, 0, 2)["feasible"]
    assert not one(p, 1, 0)["feasible"]


def test_on_a_line_an_input_of_a_later_node_cannot_be_read_before_it() -> None:
    p = three_in_a_line(origin=0)
    assert not one(p, 2, 2)["feasible"]
    assert one(p, 0, 0)["moved_bytes"] == 100
    assert one(p, 1, 1)["moved_bytes"] == 1100


def test_an_input_of_a_node_off_the_line_enters_at_its_first_node_and_is_paid() -> None:
    p = replace(three_in_a_line(origin=0), line=(2, 1))
    assert one(p, 2, 2)["moved_bytes"] == 1000 + 100
    assert one(p, 1, 1)["moved_bytes"] == 2 * 1000 + 100
    assert not one(p, 0, 0)["feasible"]
    assert not one(p, 2, 0)["feasible"]


def test_a_node_holds_shared_weights_once_and_its_largest_working_set() -> None:
    weights = (Weight(100.0, (0,)), Weight(50.0, (1,)), Weight(1000.0, (0, 1)))
    p = pair(weights=weights, working_bytes=np.array([7.0, 5.0]))
    memory = evaluate(p, np.array([[0, 0], [0, 1]])).memory_bytes
    assert memory.tolist() == [[1157.0, 0.0], [1107.0, 1055.0]]
    assert evaluate(
        replace(p, memory_bytes=np.array([1157.0, 0.0])), np.array([[0, 0], [0, 1]])
    ).feasible.tolist() == [
        True,
        False,
    ]
    assert not one(replace(p, memory_bytes=np.array([1156.0, 0.0])), 0, 0)["feasible"]


def test_nodes_that_take_part_are_charged_while_they_wait() -> None:
    base, idle = one(pair(), 0, 1), one(pair(idle_w=np.array([2.0, 3.0])), 0, 1)
    latency_s = base["latency_s"]
    waits_j = 2.0 * (latency_s - 0.010) + 3.0 * (latency_s - 0.040)
    assert idle["energy_j"] - base["energy_j"] == pytest.approx(waits_j)
    # A node that does nothing of this network waits for nobody.
    alone = one(pair(idle_w=np.array([0.0, 3.0])), 0, 0)
    assert alone["energy_j"] == pytest.approx(one(pair(), 0, 0)["energy_j"])


def test_the_slowest_node_or_link_sets_the_period() -> None:
    assert one(pair(), 0, 1)["period_s"] == pytest.approx(0.040)
    assert one(pair(slots=np.array([1.0, 8.0])), 0, 1)["period_s"] == pytest.approx(0.010)
    # 1000 B at 50 us each keep the link for longer than any node computes; the fixed part keeps nobody busy.
    slow = pair(ways=ways(2, s_per_byte=np.full((3, 3), 5e-5)))
    assert one(slow, 0, 1)["period_s"] == pytest.approx(0.050)


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        ("latency_limit_s", 0.010 + 0.040 + 0.002 + 0.0015 + 0.0011),
        ("link_budget_s", 0.001),
        ("budget_s", np.array([0.010, 0.040])),
    ],
)
def test_a_limit_that_is_met_exactly_is_kept_and_a_little_less_is_not(limit: str, value: Any) -> None:
    assert one(pair(**{limit: value}), 0, 1)["feasible"]
    assert not one(pair(**{limit: np.multiply(value, 1 - 1e-6)}), 0, 1)["feasible"]


def test_a_layer_runs_only_where_it_may() -> None:
    p = pair(allowed=np.array([[True, False], [True, True]]))
    assert one(p, 0, 1)["feasible"]
    assert not one(p, 1, 1)["feasible"]
    assert math.isinf(p.layer_cost[0, 1])


def test_what_binds_is_said() -> None:
    p = pair(weights=(Weight(100.0, (0, 1)),), working_bytes=np.array([7.0, 5.0]))
    assert p.additive
    assert not p.remembers
    assert replace(p, memory_bytes=np.array([106.0, math.inf])).memory_binds
    assert not replace(p, memory_bytes=np.array([107.0, math.inf])).remembers
    assert replace(p, budget_s=np.array([1.0, math.inf])).rate_binds
    assert replace(p, latency_limit_s=1.0).remembers
    assert not replace(p, objective="throughput").additive
    waiting = replace(p, idle_w=np.array([1.0, 0.0]))
    assert not waiting.additive
    assert replace(waiting, objective="latency").additive


def test_stages_stay_on_a_node_while_anything_is_ready_there() -> None:
    # 0 -> {1, 2} -> 3: layer 2 is ready as soon as 0 has run, so node 0 goes on with it.
    tensors = (
        Tensor("input", 1, GIVEN, (0,)),
        Tensor("a", 1, 0, (1, 2)),
        Tensor("b", 1, 1, (3,)),
        Tensor("c", 1, 2, (3,)),
        Tensor("d", 1, 3, (), True),
    )
    p = problem(tensors, [[0.01] * 2] * 4, [[0.1] * 2] * 4)
    assert runs(p, (0, 1, 0, 1)) == ((0, (0, 2)), (1, (1, 3)))
    assert runs(p, (0, 0, 0, 0)) == ((0, (0, 1, 2, 3)),)
    assert runs(p, (0, 1, 0, 0)) == ((0, (0, 2)), (1, (1,)), (0, (3,)))
