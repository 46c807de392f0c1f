"""Exact methods for sums against closed enumeration, and against each other where enumeration cannot go."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gramwise.core.plugins import create
from gramwise.partition.instances import SHAPES, Shape, random_problem
from gramwise.partition.maxflow import SINK, SOURCE, CutNetwork
from gramwise.partition.methods import chain as chain_module
from gramwise.partition.methods.chain import Chain
from gramwise.partition.methods.enumeration import Enumeration
from gramwise.partition.methods.layered import Layered
from gramwise.partition.methods.mincut import MinimumCut
from gramwise.partition.problem import GIVEN, Objective, Partitioner, Problem, evaluate

SEEDS = 60
SUMS: tuple[Objective, ...] = ("carbon", "energy", "latency")
LIMITS: list[dict[str, bool]] = [
    {},
    {"memory": True},
    {"latency": True},
    {"memory": True, "latency": True},
    {"rate": True},
    {"memory": True, "latency": True, "rate": True},
]


def value_of(p: Problem, placement: tuple[int, ...]) -> float:
    costs = evaluate(p, np.array([placement]))
    assert costs.feasible[0]
    return float(costs.value(p.objective)[0])


def agree(method: Partitioner, p: Problem) -> bool:
    """Assert that a method finds what enumeration finds; whether anything is feasible."""
    assert method.why_not(p) == ""
    best, got = Enumeration().split(p), method.split(p)
    assert got.exact
    if best.placement is None:
        assert got.placement is None
        assert math.isinf(got.bound)
        return False
    assert got.placement is not None
    assert value_of(p, got.placement) == pytest.approx(best.bound, rel=1e-9)
    assert got.bound == pytest.approx(best.bound, rel=1e-9)
    return True


def small(shape: Shape, nodes: int, **more: Any) -> Iterator[Problem]:
    """Problems that enumeration answers quickly, over all sums and several sizes."""
    most = {2: 8, 3: 6, 4: 5}[nodes]
    for seed in range(SEEDS // 3):
        objective = SUMS[seed % 3]
        yield random_problem(
            shape, most - seed % 3, nodes, seed, objective=objective, missing_links=0.25, **more
        )


@pytest.mark.parametrize("shape", SHAPES)
def test_minimum_cut_equals_enumeration(shape: Shape) -> None:
    found = []
    for seed in range(SEEDS):
        p = random_problem(shape, 1 + seed % 8, 2, seed, objective=SUMS[seed % 3], missing_links=0.3)
        found.append(agree(MinimumCut(), p))
    assert any(found)


@pytest.mark.parametrize("shape", SHAPES)
def test_layered_cut_equals_enumeration(shape: Shape) -> None:
    found = [agree(Layered(), p) for nodes in (2, 3, 4) for p in small(shape, nodes, line=True)]
    assert any(found)


@pytest.mark.parametrize("shape", SHAPES)
def test_layered_cut_on_part_of_the_nodes_equals_enumeration(shape: Shape) -> None:
    for seed in range(20):
        p = random_problem(shape, 4, 4, seed, line=True)
        assert p.line is not None
        agree(Layered(), replace(p, line=p.line[1:], input_stays=False))
        agree(Layered(), replace(p, line=p.line[:1]))


@pytest.mark.parametrize("limits", LIMITS, ids=lambda kinds: "+".join(kinds) or "none")
@pytest.mark.parametrize("line", [False, True], ids=["any way", "line"])
def test_chain_equals_enumeration(limits: dict[str, bool], line: bool) -> None:
    found = [agree(Chain(), p) for nodes in (2, 3, 4) for p in small("chain", nodes, line=line, **limits)]
    assert any(found)
    # Limits are drawn so that now and then nothing is left.
    assert not limits or not all(found)


def test_chain_with_many_shared_weights_equals_enumeration() -> None:
    found = [
        agree(Chain(), p)
        for nodes in (2, 3, 4)
        for p in small("chain", nodes, memory=True, shared_weights=4.0)
    ]
    assert any(found)


def test_limits_change_the_answer() -> None:
    changed = 0
    for p in small("chain", 3, memory=True, latency=True):
        free = replace(p, memory_bytes=np.full(p.k, math.inf), latency_limit_s=math.inf)
        changed += Chain().split(p).placement != Chain().split(free).placement
    assert changed >= 5


def test_a_chain_that_ran_out_of_labels_claims_nothing_it_cannot_prove(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chain_module, "_EFFORTS", ((3, 1),))
    unsure = 0
    for seed in range(SEEDS // 2):
        p = random_problem("chain", 7, 3, seed, memory=True, latency=seed % 2 == 0)
        best, got = Enumeration().split(p), Chain().split(p)
        unsure += not got.exact
        assert got.bound <= best.bound * (1 + 1e-9)
        if got.placement is not None:
            assert value_of(p, got.placement) >= best.bound * (1 - 1e-9)
        if got.exact:
            assert got.bound == best.bound or got.bound == pytest.approx(best.bound, rel=1e-9)
            assert (got.placement is None) == (best.placement is None)
    assert unsure


def test_large_chains_without_limits_have_one_optimum_by_every_method() -> None:
    split = 0
    for seed in range(4):
        on_two = random_problem("chain", 150, 2, seed)
        on_a_line = random_problem("chain", 150, 5, seed, line=True)
        for p, method in ((on_two, MinimumCut()), (on_a_line, Layered())):
            other, got = method.split(p), Chain().split(p)
            assert other.placement is not None
            assert got.placement is not None
            assert got.bound == pytest.approx(other.bound, rel=1e-9)
            split += len(set(got.placement)) > 1
    assert split


def test_a_large_chain_with_memory_limits_is_settled_or_bounded() -> None:
    settled = 0
    for seed in (0, 4, 10, 11, 20):
        p = random_problem("chain", 150, 5, seed, memory=True)
        got = Chain().split(p)
        assert got.placement is not None
        assert value_of(p, got.placement) >= got.bound * (1 - 1e-9)
        settled += got.exact
    assert settled >= 3


def test_methods_say_what_they_are_not_for() -> None:
    two, three = random_problem("dag", 6, 2, 0), random_problem("dag", 6, 3, 0)
    on_line, limited = random_problem("dag", 6, 2, 0, line=True), random_problem("dag", 6, 2, 0, memory=True)
    waiting = random_problem("dag", 6, 2, 0, idle=True)
    chain = random_problem("chain", 6, 2, 0)
    assert "two nodes" in MinimumCut().why_not(three)
    assert "line" in MinimumCut().why_not(on_line)
    assert "limits" in MinimumCut().why_not(limited)
    assert "idle" in MinimumCut().why_not(waiting)
    assert "line" in Layered().why_not(two)
    assert "limits" in Layered().why_not(replace(on_line, latency_limit_s=1.0))
    assert "throughput" in Layered().why_not(replace(on_line, objective="throughput"))
    assert "no chain" in Chain().why_not(two)
    assert "throughput" in Chain().why_not(replace(chain, objective="throughput"))
    assert "idle" in Chain().why_not(replace(chain, idle_w=np.ones(2)))
    assert "placements" in Enumeration().why_not(random_problem("dag", 40, 3, 0))
    assert Enumeration().why_not(two) == ""


@pytest.mark.parametrize("name", ["enumeration", "chain", "mincut", "layered"])
def test_methods_are_found_by_name(name: str) -> None:
    method = create("partitioner", name)
    assert isinstance(method, Partitioner)
    assert (method.name, method.exact) == (name, True)


def test_enumeration_tries_allowed_nodes_only_and_all_of_them() -> None:
    p = random_problem("dag", 5, 3, 1)
    every = np.array(list(np.ndindex(*(3,) * 5)))
    costs = evaluate(p, every)
    assert Enumeration().split(p).bound == np.where(costs.feasible, costs.carbon_g, math.inf).min()
    barred = p.allowed.copy()
    barred[2] = False
    assert Enumeration().split(replace(p, allowed=barred)) == (None, math.inf, True)


def test_a_cut_network_charges_what_is_shared_once() -> None:
    network = CutNetwork()
    maker, first, second = network.vertices(3)
    network.choose(maker, 0.0, 9.0)
    network.choose(first, 2.0, 0.0)
    network.choose(second, 2.0, 0.0)
    # Twice 2.0 to keep both readers, 3.0 once to send both over.
    network.once_ahead(maker, (first, second), 3.0)
    sides = network.with_sink()
    assert sides is not None
    assert [sides[v] for v in (SOURCE, SINK, maker, first, second)] == [False, True, False, True, True]


def test_a_cut_network_without_a_finite_cut_says_so() -> None:
    network = CutNetwork()
    (middle,) = network.vertices(1)
    network.arc(SOURCE, middle, math.inf)
    network.arc(middle, SINK, 1.0)
    assert network.with_sink() is not None
    network.arc(middle, SINK, math.inf)
    assert network.with_sink() is None


@pytest.mark.parametrize("shape", SHAPES)
def test_instances_are_what_was_asked_for(shape: Shape) -> None:
    for seed in range(20):
        p = random_problem(shape, 9, 3, seed, memory=True, latency=True, rate=True, idle=True)
        again = random_problem(shape, 9, 3, seed, memory=True, latency=True, rate=True, idle=True)
        assert (p.n, p.k) == (9, 3)
        assert p.tensors == again.tensors
        assert p.latency_limit_s == again.latency_limit_s
        assert (p.energy_j == again.energy_j).all()
        assert p.allowed.any(axis=1).all()
        for tensor in p.tensors:
            assert tensor.consumers or tensor.wanted
            assert tensor.producer == GIVEN or all(v > tensor.producer for v in tensor.consumers)
            assert list(tensor.consumers) == sorted(set(tensor.consumers))
    assert any(len(t.consumers) > 1 for t in p.tensors) == (shape != "chain")
