"""Limits priced instead of kept: a bound for problems with limits, and placements that come near them.

With a price on every limited resource the best placement is found by one backward pass over the frontier. What it
costs, less the price of all that may be used, is a lower bound of the problem with limits, whatever the prices
(Lagrange); the prices are moved along the overuse (Held, Wolfe and Crowder 1974; step by Polyak) to raise it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .frontier import Frontier
from .labelling import Column, Floor, holds
from .problem import SLACK

if TYPE_CHECKING:
    from gramwise.core.decision import Floats, Ints

_ROUNDS = 60
_PATIENCE = 6
"""Rounds without a better bound after which the step is halved."""


@dataclass(frozen=True, eq=False)
class Relaxed:
    """What pricing the limits gave.

    Attributes:
        bound: no placement that keeps the limits costs less, in grains of the objective; inf where there is none.
        floor: the priced sum that gave it; its cap is still to be set by `floor_below`.
        price_total: what all resources together cost at these prices: what `floor_below` adds.
        placements: the best placement at each round's prices, (A, n).
    """

    bound: float
    floor: Floor
    price_total: float
    placements: Ints

    def floor_below(self, value: float) -> Floor:
        """The floor for what must cost less than ``value`` grains."""
        floor = self.floor
        rounding = 1e-12 * (abs(value) + self.price_total)
        return Floor(floor.first, floor.costs, floor.least, value + self.price_total + rounding)


def relax(frontier: Frontier, objective: Column, limited: list[Column], guess: float) -> Relaxed:
    """Price the limited resources and the weights of nodes whose memory may run out.

    Args:
        frontier: states and steps.
        objective: what is to be small.
        limited: what else has limits.
        guess: a value of the objective that the bound will hardly reach, in grains; inf for unknown.
    """
    rows = _resources(frontier, limited)
    used = [
        np.stack([row.costs[v] for row in rows], axis=2) if rows else np.zeros((*cost.shape, 0))
        for v, cost in enumerate(objective.costs)
    ]
    scale = np.array([row.limit if row.limit > 0 else 1.0 for row in rows])
    room = np.array([row.limit - row.first for row in rows])
    price = np.zeros(len(rows))
    none = np.zeros((0, frontier.problem.n), dtype=np.int64)
    best, found, step, since = Relaxed(-math.inf, _no_floor(), 0.0, none), [], 1.0, 0
    for _ in range(_ROUNDS if rows else 1):
        costs = [cost + use @ (price / scale) for cost, use in zip(objective.costs, used, strict=True)]
        least = frontier.least(costs)
        way = frontier.walk(costs, least)
        if way is None:
            return Relaxed(math.inf, _no_floor(), 0.0, none)
        total = float(price @ (room / scale))
        bound = objective.first + float(least[0][0]) - total
        found.append([node for _, node in way])
        since += 1
        if bound > best.bound:
            best = Relaxed(bound, Floor(objective.first, costs, least, math.inf), total, none)
            since = 0
        elif since >= _PATIENCE:
            step, since = step / 2, 0
        over = (sum(used[v][state, node] for v, (state, node) in enumerate(way)) - room) / scale
        length = float((over[(over > 0) | (price > 0)] ** 2).sum())
        if not length or step < 1e-3 or best.bound >= guess * (1 - 1e-12):
            break
        gap = max((guess if math.isfinite(guess) else 1.05 * abs(best.bound)) - bound, 1e-3 * abs(bound))
        price = np.maximum(0.0, price + step * gap / length * over)
    return Relaxed(best.bound, best.floor, best.price_total, np.unique(np.array(found), axis=0))


def _no_floor() -> Floor:
    return Floor(0.0, [], [], math.inf)


@dataclass(frozen=True, eq=False)
class _Row:
    costs: list[Floats]
    first: float
    limit: float


def _resources(frontier: Frontier, limited: list[Column]) -> list[_Row]:
    p = frontier.problem
    rows = [_Row(column.costs, column.first, column.limit) for column in limited]
    if p.memory_binds:
        for node in range(p.k):
            working = float(p.working_bytes[p.allowed[:, node]].min(initial=math.inf))
            room = max(0.0, float(p.memory_bytes[node]) * (1 + SLACK) - working)
            costs = holds(frontier, node)
            if float(frontier.most(costs)[0][0]) > room:
                rows.append(_Row(costs, 0.0, room))
    return rows
