"""From a placement to a better one near by: move layers one at a time while that helps, limits priced while broken.

No proof of anything; a good placement early is what lets exact methods strike out most of the rest.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .problem import Problem, evaluate

if TYPE_CHECKING:
    from gramwise.core.decision import Floats, Ints

_PRICES = (1.0, 4.0)
"""What breaking a limit by its own size costs, in times the objective: first mild, then strict."""

_MOST_ROUNDS = 40

_NO_WAY = 1e300
"""Score of what lacks a link: finite, so that differences of scores are."""


def descend(problem: Problem, placement: Ints) -> Ints:
    """Placements on the way down from one.

    Args:
        problem: with limits.
        placement: where to start, (n,); may break limits.

    Returns:
        The best feasible placement of every round, (A, n); A may be 0.
    """
    found = [np.zeros((0, problem.n), dtype=np.int64)]
    for price in _PRICES:
        score = _score(problem, placement[None], price)[0][0]
        for _ in range(_MOST_ROUNDS):
            moved = _neighbours(problem, placement)
            scores, value = _score(problem, moved, price)
            together = _joined(problem, placement, moved, score - scores)
            joint, joint_value = _score(problem, together, price)
            for rows, values in ((moved, value), (together, joint_value)):
                best = int(values.argmin()) if len(values) else 0
                if len(values) and math.isfinite(float(values[best])):
                    found.append(rows[best : best + 1])
            if not len(together):
                break
            placement, score = together[joint.argmin()], joint.min()
    return np.concatenate(found)


def _neighbours(p: Problem, placement: Ints) -> Ints:
    """Every placement that differs in one layer, on a node that may run it."""
    able = p.allowed.copy()
    able[np.arange(p.n), placement] = False
    layers, nodes = np.nonzero(able)
    moved = np.repeat(placement[None], len(layers), axis=0)
    moved[np.arange(len(layers)), layers] = nodes
    return moved


def _joined(p: Problem, placement: Ints, moved: Ints, gain: Floats) -> Ints:
    """The best moves made together: all that gain, half of them, a quarter ... and the best one alone."""
    order = np.argsort(-gain, kind="stable")
    order = order[gain[order] > 0]
    layer = (moved[order] != placement).argmax(axis=1) if len(order) else order
    order = order[np.sort(np.unique(layer, return_index=True)[1])]
    joined = []
    count = len(order)
    while count:
        together = placement.copy()
        for row in order[:count]:
            changed = moved[row] != placement
            together[changed] = moved[row][changed]
        joined.append(together)
        count //= 2
    return np.array(joined, dtype=np.int64).reshape(len(joined), p.n)


def _score(p: Problem, placements: Ints, price: float) -> tuple[Floats, Floats]:
    """Objective with broken limits priced in; and the objective where every limit is kept, inf elsewhere."""
    if not len(placements):
        return np.zeros(0), np.zeros(0)
    costs = evaluate(p, placements)
    value = costs.value(p.objective)
    reachable = np.isfinite(value)
    latency_s = np.where(reachable, costs.latency_s, 0.0)
    over = np.maximum(0.0, latency_s / p.latency_limit_s - 1.0)
    for used, limit in ((costs.memory_bytes, p.memory_bytes), (costs.occupied_s, p.budget_s)):
        over += np.maximum(0.0, used / np.maximum(limit, 1e-9) - 1.0).sum(axis=1)
    score = np.where(reachable, value, 0.0) * (1.0 + price * over)
    return np.where(reachable, score, _NO_WAY), np.where(costs.feasible, value, math.inf)
