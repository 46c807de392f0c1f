"""Corners of the placement problem: data from a node off the line, layers without a node, rules that break limits."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from gramwise.core import plugins
from gramwise.core.errors import ConfigError, Infeasible
from gramwise.core.machines import Device, Link, Node
from gramwise.core.model import Layer, ModelGraph, Work
from gramwise.partition import OUTSIDE, Goals, Profile, solve
from gramwise.partition.front import front
from gramwise.partition.instances import random_problem
from gramwise.partition.problem import Tensor
from gramwise.partition.solver import solve_problem
from gramwise.partition.verdict import judge


@pytest.mark.parametrize("method", ["chain", "labels", "milp"])
@pytest.mark.parametrize("seed", range(4))
def test_an_input_born_off_the_line_pays_its_way_to_the_first_node(method: str, seed: int) -> None:
    p = random_problem("chain", 5, 3, seed, line=True, missing_links=0.0)
    assert p.line is not None
    p = replace(p, line=p.line[1:], origin=p.line[0], input_stays=False, allowed=np.ones_like(p.allowed))
    partitioner = plugins.create("partitioner", method)
    if partitioner.why_not(p):
        pytest.skip("two tensors between neighbours: no chain")
    reference, split = solve_problem(p, "enumeration"), partitioner.split(p)
    assert split.exact
    assert split.bound == pytest.approx(reference.value, rel=1e-9)


def test_a_pipeline_whose_input_is_born_off_the_line_ends() -> None:
    p = random_problem("chain", 4, 3, 3, line=True, missing_links=0.0, objective="throughput")
    assert p.line is not None
    p = replace(p, line=p.line[1:], origin=p.line[0], input_stays=False, allowed=np.ones_like(p.allowed))
    found, least = solve_problem(p), solve_problem(p, "enumeration")
    assert found.bound <= least.value * (1 + 1e-9)
    assert found.value <= least.value * 1.06


def test_no_way_to_the_line_is_no_plan() -> None:
    p = random_problem("series-parallel", 5, 3, 1, line=True, missing_links=0.0)
    assert p.line is not None
    fixed_s = p.ways.fixed_s.copy()
    fixed_s[p.line[0], p.line[1]] = math.inf
    p = replace(p, line=p.line[1:], origin=p.line[0], ways=replace(p.ways, fixed_s=fixed_s))
    for method in ("labels", "milp"):
        assert plugins.create("partitioner", method).split(p).placement is None


@pytest.mark.parametrize("objective", ["carbon", "throughput"])
def test_layers_that_no_node_may_run_are_infeasible_and_no_fault(objective: str) -> None:
    p = random_problem("chain", 4, 2, 0, objective=objective)  # type: ignore[arg-type]
    for layers in ([2], [0, 1, 2, 3]):
        allowed = p.allowed.copy()
        allowed[layers] = False
        nowhere = replace(p, allowed=allowed)
        with pytest.raises(Infeasible, match="may not run"):
            solve_problem(nowhere)
        split = plugins.create("partitioner", "milp").split(nowhere)
        assert split == (None, math.inf, True)


def test_a_chain_keeps_layers_without_inputs_on_the_line() -> None:
    p = random_problem("chain", 3, 2, 5, missing_links=0.0)
    tensors = (Tensor("a", 10, 1, (2,)), Tensor("y", 10, 2, (), wanted=True))
    cheap = np.array([[1.0, 0.1]] * 3)
    p = replace(
        p, tensors=tensors, line=(0,), origin=2, destination=2, energy_j=cheap, allowed=np.ones((3, 2), bool)
    )
    split = plugins.create("partitioner", "chain").split(p)
    assert split.placement == (0, 0, 0)


def test_a_hopeless_front_is_given_up_early_and_says_which_plans_it_compared() -> None:
    p = random_problem("dag", 8, 3, 2)
    whole, short = front(p), front(p, most_labels=1)
    assert whole.complete
    assert not short.complete
    assert "contiguous" in short.space


def _graph() -> ModelGraph:
    layers = tuple(
        Layer(
            name=f"l{i}",
            op="Conv",
            work=Work(flop=1.0),
            weight_bytes=0,
            inputs=(f"t{i}",),
            outputs=(f"t{i + 1}",),
            precision="fp32",
        )
        for i in range(4)
    )
    return ModelGraph(
        name="chain",
        layers=layers,
        tensor_bytes={f"t{i}": 1000 for i in range(5)},
        inputs=("t0",),
        outputs=("t4",),
        weight_bytes=0,
        digest="d" * 64,
    )


def _node(name: str, idle_w: float | None = 1.0) -> Node:
    device = Device(id=name, name=name, device_class="test", idle_w=idle_w)
    return Node(name=name, zone="X", device=device, cpu_share=1.0, memory_bytes=10**9)


NODES = (_node("green"), _node("brown"))


def _links(**joules: float) -> dict[tuple[str, str], Link]:
    places = (OUTSIDE, "green", "brown")
    return {
        (a, b): Link(
            bytes_per_s=1e6, energy_j_per_byte=joules.get(f"{a or 'client'}_{b or 'client'}", 0.0), source="x"
        )
        for a in places
        for b in places
        if a != b
    }


def _costs(energy_j: list[list[float]], latency_s: float = 0.1) -> Profile:
    graph = _graph()
    return Profile(
        digest=graph.digest,
        layers=tuple(layer.name for layer in graph.layers),
        nodes=("green", "brown"),
        latency_s=np.full((4, 2), latency_s),
        energy_j=np.array(energy_j),
        intensity_g_per_kwh=np.array([100.0, 400.0]),
        method="assumed",
        source="by hand",
    )


ALIKE = [[1.0, 1.0]] * 4


def test_a_rule_that_splits_for_nothing_is_told_so() -> None:
    found = solve(_graph(), NODES, _links(), _costs(ALIKE), method="equal")
    verdict = judge(found, NODES, Goals())
    assert found.split
    assert verdict.reasons == ()
    assert verdict.reason.startswith("equal splits by its rule, and that lowers nothing: green alone needs")


def test_a_rule_that_breaks_a_limit_is_told_so_and_gets_no_reason() -> None:
    goals = Goals(latency_limit_s=0.3)
    found = solve(_graph(), NODES, _links(), _costs(ALIKE), method="equal", goals=goals)
    assert not found.feasible
    verdict = judge(found, NODES, goals)
    assert verdict.reasons == ()
    assert "breaks one or more" in verdict.reason


def test_a_rule_that_sends_where_no_link_leads_is_refused_in_a_sentence() -> None:
    links = {pair: link for pair, link in _links().items() if OUTSIDE in pair}
    with pytest.raises(Infeasible, match="equal hands a tensor on where no link leads"):
        solve(_graph(), NODES, links, _costs(ALIKE), method="equal")


def test_a_dear_way_in_is_not_hidden_behind_the_theorem() -> None:
    """Green is the cheapest for every layer, but the client's way to it costs; a detour by brown is better or not."""
    detour = solve(_graph(), NODES, _links(client_green=1e-3), _costs(ALIKE))
    assert detour.split == (detour.stages[0].node == "brown")
    dear = _costs([[1.0, 3.0]] * 4)
    found = solve(_graph(), NODES, _links(client_green=1e-3), dear)
    assert not found.split
    reason = judge(found, NODES, Goals()).reason
    assert "a transfer costs nothing or more" not in reason
    assert "proven by" in reason
    ruled = solve(_graph(), NODES, _links(client_green=1e-3), dear, method="neurosurgeon")
    assert "not proven" in judge(ruled, NODES, Goals()).reason


def test_two_nodes_that_take_turns_are_split_for_throughput() -> None:
    found = solve(_graph(), NODES, _links(), _costs(ALIKE), objective="throughput")
    verdict = judge(found, NODES, Goals())
    assert found.period_s == pytest.approx(0.2)
    assert verdict.reasons == ("throughput goal",)
    assert "shorten the period" in verdict.reason


def test_idle_power_that_nobody_declared_is_not_taken_as_nothing() -> None:
    nodes = (_node("green", None), _node("brown"))
    with pytest.raises(ConfigError, match=r"split\.charge_idle: .*'green'.* is not known"):
        solve(_graph(), nodes, _links(), _costs(ALIKE), goals=Goals(charge_idle=True))
    assert not solve(_graph(), nodes, _links(), _costs(ALIKE)).split
