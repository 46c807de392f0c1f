"""Placing layers one by one: what must be remembered of the layers placed so far, and what each next step costs.

Of the tensors made so far only those matter that some later layer still reads, and of each of them only which node
made it and which nodes have it. That is a *state*. Networks for images keep one to three tensors alive, so there are
few states, and every placement is a path through them: a step a layer, a choice a node. A cost that is a sum over
layers and transfers is then a sum over the steps of the path (Bellman's principle), for any acyclic graph. Weights
that several layers share are remembered in the same way where memory counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from .problem import GIVEN, Problem

if TYPE_CHECKING:
    from gramwise.core.decision import Bools, Floats, Ints


class Move(NamedTuple):
    """Transfers of a step, flat arrays of equal length.

    Attributes:
        row: state x k + node: the step they belong to.
        tensor, start, end: what moves, from where, to where.
    """

    row: Ints
    tensor: Ints
    start: Ints
    end: Ints


@dataclass(frozen=True, eq=False)
class Step:
    """Placing one layer from each of S states on each of k nodes.

    Attributes:
        follow: state that it leads to, (S, k); -1 where the layer may not run there.
        move: the transfers that it needs.
        held_bytes: weights that the node must newly hold, (S, k); 0 where memory does not count.
    """

    follow: Ints
    move: Move
    held_bytes: Floats


@dataclass(frozen=True, eq=False)
class Frontier:
    """All states and steps of a problem.

    Attributes:
        problem: it belongs to.
        steps: one a layer, in topological order.
        first: transfers before the first layer, whatever the placement: (tensor, from, to).
        last_states: states after the last layer.
    """

    problem: Problem
    steps: tuple[Step, ...]
    first: tuple[tuple[int, int, int], ...]
    last_states: int

    def charge(self, layer: Floats, move: Floats) -> list[Floats]:
        """What every step costs.

        Args:
            layer: cost of each layer on each node, (n, k).
            move: cost of each transfer, (T, k + 1, k + 1).

        Returns:
            For each layer (S, k), 0 where there is no step. Transfers before the first layer are in `first_cost`.
        """
        costs = []
        for v, step in enumerate(self.steps):
            m = step.move
            paid = np.bincount(m.row, weights=move[m.tensor, m.start, m.end], minlength=step.follow.size)
            costs.append(np.where(step.follow < 0, 0.0, layer[v] + paid.reshape(step.follow.shape)))
        return costs

    def first_cost(self, move: Floats) -> float:
        """What the transfers before the first layer cost."""
        return math.fsum(float(move[i, u, v]) for i, u, v in self.first)

    def least(self, costs: list[Floats]) -> list[Floats]:
        """Least cost of everything still to come, from each state: n + 1 arrays (S,) or (S, R); inf for dead ends.

        Args:
            costs: of each step, (S, k) or (S, k, R); each of R costs is minimised for itself.
        """
        return self._back(costs, np.inf)

    def most(self, costs: list[Floats]) -> list[Floats]:
        """Largest cost of everything still to come, as `least`; -inf for dead ends."""
        return self._back(costs, -np.inf)

    def _back(self, costs: list[Floats], no_way: float) -> list[Floats]:
        pick = np.min if no_way > 0 else np.max
        found = [np.zeros((self.last_states, *costs[-1].shape[2:]))]
        for step, cost in zip(self.steps[::-1], costs[::-1], strict=True):
            # Where there is no step the state is -1: the row added at the end.
            beyond = np.full((1, *found[-1].shape[1:]), no_way)
            found.append(pick(cost + np.concatenate([found[-1], beyond])[step.follow], axis=1))
        return found[::-1]

    def walk(self, costs: list[Floats], ahead: list[Floats]) -> tuple[tuple[int, int], ...] | None:
        """A way of least cost.

        Args:
            costs: of each step, (S, k).
            ahead: what `least` answers for them.

        Returns:
            The state before each layer and the node it is placed on; of several ways the one whose first different
            node is the lowest. None where there is no way at all.
        """
        if not math.isfinite(float(ahead[0][0])):
            return None
        state, way = 0, []
        for v, step in enumerate(self.steps):
            follow = step.follow[state]
            total = np.where(follow < 0, np.inf, costs[v][state] + ahead[v + 1][follow])
            way.append((state, int(total.argmin())))
            state = int(follow[way[-1][1]])
        return tuple(way)


def frontier(
    problem: Problem,
    *,
    contiguous: bool = False,
    most_nodes: int | None = None,
    most_steps: int = 300_000,
) -> Frontier | None:
    """The states and steps of a problem.

    Args:
        problem: limits other than ``allowed``, the line and missing links are not looked at.
        contiguous: only placements in which every node runs one stretch of neighbouring layers.
        most_nodes: then, the largest number of nodes that take part; None for all.
        most_steps: how many steps (states x nodes, summed over layers) may be made.

    Returns:
        None where there would be more steps.
    """
    return _Builder(problem, contiguous, most_nodes or problem.k).build(most_steps)


def _code(start: int, has: int, k: int) -> int:
    """Who made a tensor (or where it began) and which nodes have it, as one number."""
    return (start + 1) << k | has


Key: TypeAlias = tuple[str, int]
"""A column of the state matrix: what kind of thing it remembers, and which."""

_NO_MOVE = Move(*(np.zeros(0, dtype=np.int64) for _ in range(4)))


class _Builder:
    """Columns of the state matrix: one for each live tensor, one for each shared weight, two for contiguous stages."""

    def __init__(self, problem: Problem, contiguous: bool, most_nodes: int) -> None:
        self.p = p = problem
        self.contiguous, self.most_nodes = contiguous, most_nodes
        self.place = {node: i for i, node in enumerate(range(p.k) if p.line is None else p.line)}
        self.starts = True
        self.last = [max(t.consumers, default=-1) for t in p.tensors]
        self.reads: list[list[int]] = [[] for _ in range(p.n)]
        self.makes: list[list[int]] = [[] for _ in range(p.n)]
        for i, tensor in enumerate(p.tensors):
            for reader in tensor.consumers:
                self.reads[reader].append(i)
            if tensor.producer != GIVEN:
                self.makes[tensor.producer].append(i)
        self.weights: list[list[int]] = [[] for _ in range(p.n)]
        if p.memory_binds:
            for i, weight in enumerate(p.weights):
                for v in weight.layers:
                    self.weights[v].append(i)

    def build(self, most_steps: int) -> Frontier | None:
        first, columns = self._begin()
        self.starts = all(math.isfinite(float(self.p.move_s[move])) for move in first)
        matrix = np.array([list(columns.values())], dtype=np.int64)
        keys, steps, made = list(columns), [], 0
        for v in range(self.p.n):
            made += len(matrix) * self.p.k
            if made > most_steps:
                return None
            step, matrix, keys = self._step(v, matrix, keys)
            steps.append(step)
        return Frontier(self.p, tuple(steps), first, len(matrix))

    def _begin(self) -> tuple[tuple[tuple[int, int, int], ...], dict[Key, int]]:
        """Inputs at their origin: transfers that are due whatever the placement, and the columns of the first state."""
        p = self.p
        first: list[tuple[int, int, int]] = []
        columns: dict[Key, int] = {}
        for i, tensor in enumerate(p.tensors):
            if tensor.producer != GIVEN:
                continue
            has = 1 << p.origin if p.origin < p.k else 0
            if tensor.wanted and p.destination != p.origin:
                first.append((i, p.origin, p.destination))
                has |= 1 << p.destination if p.destination < p.k else 0
            if p.line is not None and tensor.consumers:
                if p.origin not in self.place:  # the client, or a node that is not on the line
                    first.append((i, p.origin, p.line[0]))
                begin = self.place.get(p.origin, 0)
                columns["tensor", i] = _code(begin, begin, p.k)
            elif tensor.consumers:
                columns["tensor", i] = _code(p.origin, has, p.k)
        if self.contiguous:
            columns |= {("now", 0): p.k, ("used", 0): 0}
        return tuple(first), columns

    def _step(self, v: int, matrix: Ints, keys: list[Key]) -> tuple[Step, Ints, list[Key]]:
        p, count = self.p, len(matrix)
        held = np.zeros((count, p.k))
        moves = [_NO_MOVE]
        reached: list[tuple[Ints, Ints]] = []
        after: list[Key] = []
        for node in range(p.k):
            columns = {key: matrix[:, i] for i, key in enumerate(keys)}
            ok = np.full(count, self.starts and bool(p.allowed[v, node]) and node in self.place)
            found: list[Move] = []
            for i in self.reads[v]:
                columns["tensor", i] = self._read(i, node, columns["tensor", i], ok, found)
            for i in self.makes[v]:
                columns["tensor", i] = self._make(i, node, ok, found)
            for i in self.weights[v]:
                held[:, node] += self._hold(i, node, columns, count)
            if self.contiguous:
                self._stay(node, columns, ok)
            columns = self._forget(v, columns)
            after, rows = list(columns), np.flatnonzero(ok)
            moves += [Move(*(part[ok[m.row // p.k]] for part in m)) for m in found]
            block = np.array([columns[key][rows] for key in after], dtype=np.int64)
            reached.append((rows, block.reshape(len(after), len(rows)).T))
        states, inverse = _distinct(np.concatenate([block for _, block in reached]), len(after))
        follow = np.full((count, p.k), -1, dtype=np.int64)
        begin = 0
        for node, (rows, _) in enumerate(reached):
            follow[rows, node] = inverse[begin : begin + len(rows)]
            begin += len(rows)
        return (
            Step(follow, Move(*(np.concatenate(part) for part in zip(*moves, strict=True))), held),
            states,
            after,
        )

    def _forget(self, v: int, columns: dict[Key, Ints]) -> dict[Key, Ints]:
        """Columns that some later layer asks for, without what makes no difference to it."""
        p = self.p
        kept: dict[Key, Ints] = {}
        for (kind, i), column in columns.items():
            if kind == "weight":
                if p.weights[i].layers[-1] > v:
                    kept[kind, i] = column
            elif kind != "tensor" or p.line is not None:
                if kind != "tensor" or self.last[i] > v:
                    kept[kind, i] = column
            elif self.last[i] > v:
                asks = self._may_ask(i, v, columns)
                start, has = column >> p.k, column & asks
                kept[kind, i] = np.where(has == asks, 0, start) << p.k | has
        return kept

    def _may_ask(self, i: int, v: int, columns: dict[Key, Ints]) -> Ints:
        """Nodes on which a later layer may still read tensor i, one bit each, for every state."""
        later = [c for c in self.p.tensors[i].consumers if c > v]
        asks = np.int64(sum(1 << node for node in np.flatnonzero(self.p.allowed[later].any(axis=0)).tolist()))
        if not self.contiguous:
            return np.array([asks])
        now, used = columns["now", 0], columns["used", 0]
        return asks & (~used | np.int64(1) << now)

    def _read(self, i: int, node: int, column: Ints, ok: Bools, found: list[Move]) -> Ints:
        """A layer on this node reads tensor i: brings it there where it is not yet."""
        p = self.p
        start, has = (column >> p.k) - 1, column & ((1 << p.k) - 1)
        if p.line is not None:
            return self._read_along(i, node, start, has, ok, found)
        lacks = np.flatnonzero((has >> node & 1) == 0)
        self._send(i, node, lacks, start[lacks], np.full(len(lacks), node), ok, found)
        return (start + 1) << p.k | has | 1 << node

    def _read_along(self, i: int, node: int, begin: Ints, far: Ints, ok: Bools, found: list[Move]) -> Ints:
        """As `_read` on a line: a state holds the place where the tensor was made and the furthest it has come."""
        p = self.p
        assert p.line is not None
        place = self.place.get(node, -1)
        ok &= place >= begin
        for hop in range(max(0, place)):
            due = np.flatnonzero(far <= hop)
            u, w = p.line[hop], p.line[hop + 1]
            self._send(i, node, due, np.full(len(due), u), np.full(len(due), w), ok, found)
        return (begin + 1) << p.k | np.maximum(far, place)

    def _send(
        self, i: int, node: int, states: Ints, start: Ints, end: Ints, ok: Bools, found: list[Move]
    ) -> None:
        """Tensor i goes from start to end as the layer is placed on this node."""
        ok[states] &= np.isfinite(self.p.move_s[i, start, end])
        found.append(Move(states * self.p.k + node, np.full(len(states), i), start, end))

    def _make(self, i: int, node: int, ok: Bools, found: list[Move]) -> Ints:
        """A layer on this node makes tensor i; where it is wanted elsewhere it goes there at once."""
        p, count = self.p, len(ok)
        has = 1 << node
        if p.tensors[i].wanted and p.destination != node:
            every = np.arange(count)
            self._send(i, node, every, np.full(count, node), np.full(count, p.destination), ok, found)
            has |= 1 << p.destination if p.destination < p.k else 0
        place = self.place.get(node, 0)
        return np.full(count, _code(node, has, p.k) if p.line is None else _code(place, place, p.k))

    def _hold(self, i: int, node: int, columns: dict[Key, Ints], count: int) -> Floats:
        """Bytes of weight i that this node does not hold yet, for every state."""
        holds = columns.get(("weight", i), np.zeros(count, dtype=np.int64))
        columns["weight", i] = holds | 1 << node
        return np.where(holds >> node & 1, 0.0, self.p.weights[i].bytes)

    def _stay(self, node: int, columns: dict[Key, Ints], ok: Bools) -> None:
        """A node that was left may not be used again."""
        now, used = columns["now", 0], columns["used", 0]
        ok &= (now == node) | ((used >> node & 1) == 0)
        used = used | 1 << node
        ok &= np.bitwise_count(used) <= self.most_nodes
        columns["now", 0], columns["used", 0] = np.full(len(now), node), used


def _distinct(rows: Ints, columns: int) -> tuple[Ints, Ints]:
    """Distinct rows, sorted, and which of them each row is."""
    if not columns or not len(rows):
        return rows[:1], np.zeros(len(rows), dtype=np.int64)
    reach = (rows.max(axis=0) + 1).tolist()
    if math.prod(reach) < 2**62:  # one number a row sorts ten times faster than the row
        keys = np.ravel_multi_index(tuple(rows.T), reach)
        _, where, inverse = np.unique(keys, return_index=True, return_inverse=True)
        return rows[where], inverse.reshape(-1)
    states, inverse = np.unique(rows, axis=0, return_inverse=True)
    return states, inverse.reshape(-1)
