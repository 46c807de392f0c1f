"""Label-setting: every placement that may still be the best, kept layer by layer as a row of figures.

A *label* stands for the layers placed so far: the state it is in (`Frontier`), the figures that are to be small, and
what it used of each limited resource. A label goes when no completion keeps a limit, when none can beat what is known,
or when another label in its state has no larger figure anywhere: whatever completes the one completes the other
(Martins 1984; resources as in Irnich and Desaulniers 2005). Nothing else is dropped, so what is left is exact.

Figures are rounded to multiples of about 6e-14 of their least total, which makes their sums exact: two placements that
cost the same in another order are equal, and one of them goes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .dominance import dominated_by, nondominated
from .frontier import Frontier
from .problem import SLACK, Problem
from .sums import Sum

if TYPE_CHECKING:
    from gramwise.core.decision import Bools, Floats, Ints

_GRAIN = 2.0**-44


@dataclass(frozen=True, eq=False)
class Column:
    """One additive figure along every way, in grains.

    Attributes:
        first: what is due before the first layer.
        costs: of each step, (S, k).
        least, most: of everything still to come, n + 1 arrays (S,).
        limit: inf for none.
        grain: what one is worth, in the unit of the figure.
    """

    first: float
    costs: list[Floats]
    least: list[Floats]
    most: list[Floats]
    limit: float
    grain: float

    @property
    def binds(self) -> bool:
        """Whether some way breaks the limit."""
        return self.first + float(self.most[0][0]) > self.limit


def column(frontier: Frontier, figure: Sum) -> Column:
    """A figure along every way of a frontier."""
    costs = frontier.charge(figure.layer, figure.move)
    first = frontier.first_cost(figure.move)
    total = first + float(frontier.least(costs)[0][0])
    if not 0 < total < math.inf:
        total = min((float(c[c > 0].min(initial=math.inf)) for c in costs), default=math.inf)
    grain = total * _GRAIN if 0 < total < math.inf else 1.0
    costs = [np.rint(cost / grain) for cost in costs]
    limit = figure.limit / grain
    return Column(
        float(np.rint(first / grain)), costs, frontier.least(costs), frontier.most(costs), limit, grain
    )


@dataclass(frozen=True, eq=False)
class Floor:
    """A sum along every way that what is of use stays below.

    Attributes:
        first: what is due before the first layer.
        costs: of each step, (S, k).
        least: of everything still to come, n + 1 arrays (S,).
        cap: a label whose sum so far and to come reaches it cannot beat what is known.
    """

    first: float
    costs: list[Floats]
    least: list[Floats]
    cap: float


@dataclass(frozen=True, eq=False)
class Labels:
    """The labels that are left after the last layer.

    Attributes:
        values: the figures, (N, C), in their units.
        placements: (N, n).
    """

    values: Floats
    placements: Ints


class Labelling:
    """One search.

    Args:
        frontier: states and steps.
        criteria: the figures that are to be small, C of them; their limits count.
        limited: other figures, which only must keep their limits.
        floors: for pruning.
        known: figures of placements that are known, (P, C), in their units; what cannot beat them is dropped.
        most_labels: labels that may be kept, summed over the layers.
        paced: and no larger share of them than the share of layers placed, so that a search that will not end well
            ends early.
    """

    def __init__(
        self,
        frontier: Frontier,
        criteria: list[Column],
        limited: list[Column],
        *,
        floors: list[Floor] | None = None,
        known: Floats | None = None,
        most_labels: int = 200_000,
        paced: bool = False,
    ) -> None:
        self.frontier, self.criteria, self.floors = frontier, criteria, floors or []
        self.columns = [*criteria, *limited]
        self.limits = np.array([c.limit for c in self.columns])
        self.grains = np.array([c.grain for c in criteria])
        # Short of the known figures by their rounding: what only repeats them is dropped as well.
        self.known = None if known is None else known / self.grains * (1 - 1e-12)
        self.most_labels, self.paced = most_labels, paced
        self.memory = _Memory(frontier) if frontier.problem.memory_binds else None

    def run(self) -> Labels | None:
        """Every label that is left; None where there would be more than ``most_labels``."""
        p, kept = self.frontier.problem, 0
        memory = self.memory.width if self.memory else 0
        values = np.array([[*(c.first for c in self.columns), *[0.0] * memory]])
        floor = np.array([[f.first for f in self.floors]])
        state = np.zeros(1, dtype=np.int64)
        trace: list[tuple[Ints, Ints]] = []
        for v in range(p.n):
            parent, node, values, floor, state = self._grow(v, values, floor, state)
            self._forget(v + 1, values, state)
            rows = nondominated(values, state)
            kept += len(rows)
            if kept > self.most_labels * ((v + 1) / p.n if self.paced else 1.0):
                return None
            trace.append((parent[rows], node[rows]))
            values, floor, state = values[rows], floor[rows], state[rows]
        rows = nondominated(values[:, : len(self.criteria)])
        return Labels(values[rows][:, : len(self.criteria)] * self.grains, _placements(trace, rows))

    def _grow(
        self, v: int, values: Floats, floor: Floats, state: Ints
    ) -> tuple[Ints, Ints, Floats, Floats, Ints]:
        """Every label with layer v placed on every node, less those that are of no use."""
        step = self.frontier.steps[v]
        parts = []
        for node in range(self.frontier.problem.k):
            parent = np.flatnonzero(step.follow[state, node] >= 0)
            origin = state[parent]
            grown, sunk = values[parent], floor[parent]
            for i, cost in enumerate(column.costs[v] for column in self.columns):
                grown[:, i] += cost[origin, node]
            for i, cost in enumerate(f.costs[v] for f in self.floors):
                sunk[:, i] += cost[origin, node]
            if self.memory:
                self.memory.place(v, node, origin, grown[:, len(self.columns) :])
            follow = step.follow[origin, node]
            keep = np.flatnonzero(self._useful(v + 1, grown, sunk, follow))
            parts.append((parent[keep], np.full(len(keep), node), grown[keep], sunk[keep], follow[keep]))
        parent, nodes, grown, sunk, follow = (np.concatenate(part) for part in zip(*parts, strict=True))
        return parent, nodes, grown, sunk, follow

    def _useful(self, v: int, values: Floats, floor: Floats, state: Ints) -> Bools:
        """Whether a label before layer v may be completed within the limits to something that nothing known beats."""
        count = len(self.columns)
        ahead = np.stack([column.least[v][state] for column in self.columns], axis=1)
        keep: Bools = np.all(values[:, :count] + ahead <= self.limits, axis=1)
        if self.memory:
            keep = keep & self.memory.fits(values[:, count:])
        for i, sunk in enumerate(self.floors):
            keep = keep & (floor[:, i] + sunk.least[v][state] < sunk.cap)
        if self.known is not None and len(self.known):
            rows = np.flatnonzero(keep)
            c = len(self.criteria)
            keep[rows] = ~dominated_by(self.known, values[rows, :c] + ahead[rows, :c])
        return keep

    def _forget(self, v: int, values: Floats, state: Ints) -> None:
        """A resource that cannot run out any more is no reason to prefer a label."""
        for i in range(len(self.criteria), len(self.columns)):
            column = self.columns[i]
            values[values[:, i] + column.most[v][state] <= column.limit, i] = 0.0
        if self.memory:
            self.memory.forget(v, values[:, len(self.columns) :], state)


class _Memory:
    """Memory of the nodes whose memory may run out: two columns each, weights held so far and peak so far."""

    def __init__(self, frontier: Frontier) -> None:
        p: Problem = frontier.problem
        self.frontier = frontier
        whole = sum(w.bytes for w in p.weights) + p.working_bytes.max(initial=0.0)
        self.nodes = np.flatnonzero(p.memory_bytes < whole).tolist()
        self.limits = p.memory_bytes[self.nodes] * (1 + SLACK)
        self.width = 2 * len(self.nodes)
        self.to_hold = [frontier.most(holds(frontier, node)) for node in self.nodes]
        self.to_work = [self._largest_working(node) for node in self.nodes]

    def place(self, v: int, node: int, state: Ints, used: Floats) -> None:
        """Book layer v on a node, in place."""
        if node not in self.nodes:
            return
        i = 2 * self.nodes.index(node)
        fresh = self.frontier.steps[v].held_bytes[state, node]
        used[:, i] += fresh
        used[:, i + 1] = np.maximum(
            used[:, i + 1] + fresh, used[:, i] + self.frontier.problem.working_bytes[v]
        )

    def fits(self, used: Floats) -> Bools:
        """Whether no node holds more than it can."""
        room: Bools = np.all(used[:, 1::2] <= self.limits, axis=1)
        return room

    def forget(self, v: int, used: Floats, state: Ints) -> None:
        """Clear both columns of a node that will have room whatever comes."""
        for i, limit in enumerate(self.limits):
            held, peak = used[:, 2 * i], used[:, 2 * i + 1]
            to_hold, to_work = self.to_hold[i][v][state], self.to_work[i][v][state]
            roomy = np.maximum(peak, held + to_work) + to_hold <= limit
            used[roomy, 2 * i : 2 * i + 2] = 0.0

    def _largest_working(self, node: int) -> list[Floats]:
        """Largest working set that a node may still need from each state: n + 1 arrays (S,)."""
        found = [np.zeros(self.frontier.last_states)]
        for v in range(self.frontier.problem.n - 1, -1, -1):
            follow = self.frontier.steps[v].follow
            ahead = np.append(found[-1], 0.0)[follow]
            ahead[:, node] = np.where(
                follow[:, node] < 0, 0.0, np.maximum(ahead[:, node], self.frontier.problem.working_bytes[v])
            )
            found.append(ahead.max(axis=1))
        return found[::-1]


def holds(frontier: Frontier, node: int) -> list[Floats]:
    """Bytes that each step makes a node newly hold, (S, k) a layer."""
    only = np.arange(frontier.problem.k) == node
    return [np.where(only & (step.follow >= 0), step.held_bytes, 0.0) for step in frontier.steps]


def _placements(trace: list[tuple[Ints, Ints]], rows: Ints) -> Ints:
    """The nodes on the way to these labels."""
    placements = np.zeros((len(rows), len(trace)), dtype=np.int64)
    for v in range(len(trace) - 1, -1, -1):
        parent, node = trace[v]
        placements[:, v] = node[rows]
        rows = parent[rows]
    return placements
