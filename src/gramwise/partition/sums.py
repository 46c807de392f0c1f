"""What a placement costs, written as sums over layers and transfers; one writing for each set of waiting nodes.

Grams, joules and seconds are sums already, but for the idle power of nodes that take part and wait: it depends on who
takes part. Fix the set of charged nodes C that may take part, charge all of them, and it is a sum again:

    sum over d in C of idle_w(d) x (latency - busy(d))

That is never too little for a placement that stays within C, and right for one that uses all of C. So the least over
all sets is the least over all placements.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from .problem import SLACK, Objective, Problem

if TYPE_CHECKING:
    from gramwise.core.decision import Floats

MOST_CHARGED = 6
"""Nodes with idle power to charge: every set of them is a problem of its own, so at most 63 problems."""


@dataclass(frozen=True, eq=False)
class Sum:
    """A figure that is a sum over layers and transfers.

    Attributes:
        layer: of each layer on each node, (n, k).
        move: of each transfer, (T, k + 1, k + 1); 0 where there is no way, which `Frontier` knows.
        limit: what it may reach, rounding included; inf for any.
    """

    layer: Floats
    move: Floats
    limit: float = math.inf


@dataclass(frozen=True, eq=False)
class Sums:
    """The figures of a problem where one set of charged nodes takes part.

    Attributes:
        problem: with layers allowed on these nodes and on those that are not charged only.
        carbon, energy, latency: grams, joules and seconds of one inference; latency with its limit.
    """

    problem: Problem
    carbon: Sum
    energy: Sum
    latency: Sum

    def objective(self, objective: Objective) -> Sum:
        """The figure that is to be small; throughput is none of these."""
        return {"carbon": self.carbon, "energy": self.energy, "latency": self.latency}[objective]


def sums(problem: Problem) -> Iterator[Sums]:
    """The figures of a problem, once for each set of nodes that are charged idle power; all nodes first.

    Once only where nobody is charged, or where the objective does not ask for it.
    """
    p = problem
    charged = np.flatnonzero(p.idle_w > 0).tolist() if p.objective in ("carbon", "energy") else []
    for count in range(len(charged), -1, -1):
        for chosen in itertools.combinations(charged, count):
            out = [d for d in charged if d not in chosen]
            allowed = p.allowed.copy()
            allowed[:, out] = False
            if allowed.any(axis=1).all():
                yield _of(replace(p, allowed=allowed) if out else p, chosen)


def resources(problem: Problem) -> list[Sum]:
    """Seconds of nodes and links that are limited, each with its limit; latency and memory are not among them."""
    p = problem
    found = []
    nothing = np.zeros((len(p.tensors), p.k + 1, p.k + 1))
    for node in np.flatnonzero(np.isfinite(p.budget_s)).tolist():
        layer = np.zeros((p.n, p.k))
        layer[:, node] = p.latency_s[:, node]
        taken = nothing.copy()
        taken[:, :, node] = p.receive_busy_s[:, :, node]
        found.append(Sum(layer, taken, float(p.budget_s[node]) * (1 + SLACK)))
    if math.isfinite(p.link_budget_s):
        for u, v in itertools.product(range(p.k + 1), repeat=2):
            if u != v and math.isfinite(float(p.ways.fixed_s[u, v])):
                move = nothing.copy()
                move[:, u, v] = p.move_busy_s[:, u, v]
                found.append(Sum(np.zeros((p.n, p.k)), move, p.link_budget_s * (1 + SLACK)))
    return found


def busy(problem: Problem) -> list[Sum]:
    """Seconds that an inference takes of each node, over its slots, and of each link; the largest is the period."""
    p = problem
    free = replace(p, budget_s=np.ones(p.k), link_budget_s=1.0)
    found = resources(free)
    slots = [*p.slots, *[1.0] * (len(found) - p.k)]
    return [Sum(f.layer / count, f.move / count) for f, count in zip(found, slots, strict=True)]


def _of(p: Problem, chosen: tuple[int, ...]) -> Sums:
    idle_w = np.zeros(p.k)
    idle_w[list(chosen)] = p.idle_w[list(chosen)]
    idle_g_per_s = idle_w * p.g_per_j[: p.k]
    move_s = _finite(p.move_s)
    send_j, receive_j = _finite(p.send_j), _finite(p.receive_j)
    grams = send_j * p.g_per_j[:, None] + receive_j * p.g_per_j[None, :]
    return Sums(
        problem=p,
        carbon=Sum(
            p.energy_j * p.g_per_j[: p.k] + p.latency_s * (idle_g_per_s.sum() - idle_g_per_s),
            grams + move_s * idle_g_per_s.sum(),
        ),
        energy=Sum(
            p.energy_j + p.latency_s * (idle_w.sum() - idle_w), send_j + receive_j + move_s * idle_w.sum()
        ),
        latency=Sum(p.latency_s, move_s, p.latency_limit_s * (1 + SLACK)),
    )


def _finite(cost: Floats) -> Floats:
    return np.where(np.isfinite(cost), cost, 0.0)
