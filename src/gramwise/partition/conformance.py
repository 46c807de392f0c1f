"""What the kit asks of a partitioner; offered as `gramwise.testing.check_partitioner`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from gramwise.partition.instances import SHAPES, random_problem
from gramwise.partition.methods.enumeration import Enumeration
from gramwise.partition.problem import SLACK, Partitioner, Problem, evaluate

_LAYERS = {2: 7, 3: 5}


def check_partitioner(method: Partitioner, *, seeds: int = 6) -> None:
    """Assert what every method must keep to, on small random networks of every shape.

    Asked are: a placement for every layer or none; the same answer twice; a bound that no placement beats; and of an
    exact method, or of an answer that calls itself exact, the optimum over every placement, found by trying them all,
    and no placement exactly where there is none.

    Args:
        method: an instance.
        seeds: random networks of each shape and each set of limits.

    Raises:
        AssertionError: says on which network which rule is broken.
    """
    answered = 0
    for where, problem in _problems(seeds):
        if method.why_not(problem):
            continue
        answered += 1
        _check(method, where, problem)
    assert answered, f"{method.name} answered none of the example networks: its why_not refuses everything"


def _problems(seeds: int) -> Iterator[tuple[str, Problem]]:
    for shape in SHAPES:
        for seed in range(seeds):
            for nodes, layers in _LAYERS.items():
                for asked in ({}, {"memory": True}, {"latency": True}, {"objective": "throughput"}):
                    where = f"random_problem({shape!r}, {layers}, {nodes}, {seed}, **{asked})"
                    problem = random_problem(shape, layers, nodes, seed, **asked)
                    yield where, replace(problem, published_cost=problem.latency_s[:, 0])
        yield f"random_problem({shape!r}, 5, 3, 0, line=True)", random_problem(shape, 5, 3, 0, line=True)


def _check(method: Partitioner, where: str, problem: Problem) -> None:
    split, again = method.split(problem), method.split(problem)
    assert split == again, f"{method.name} gave two answers to {where}"
    least = _value(problem, Enumeration().split(problem).placement)
    room = SLACK * (abs(least) if math.isfinite(least) else 1.0)
    if split.placement is not None:
        right = len(split.placement) == problem.n and set(split.placement) <= set(range(problem.k))
        assert right, f"{method.name} did not place every layer of {where} on a node"
    found = _value(problem, split.placement)
    assert split.bound <= least + room, (
        f"{method.name} proved {split.bound} for {where}, and {least} is possible"
    )
    if method.exact and split.exact:
        assert found <= least + room, (
            f"{method.name} called {found} the best of {where}, and {least} is possible"
        )
    assert not split.exact or method.exact, f"{method.name} is not exact and called an answer to {where} so"


def _value(problem: Problem, placement: tuple[int, ...] | None) -> float:
    """What a placement costs; inf where there is none or it breaks a limit."""
    if placement is None:
        return math.inf
    costs = evaluate(problem, np.array([placement]))
    return float(costs.value(problem.objective)[0]) if costs.feasible[0] else math.inf
