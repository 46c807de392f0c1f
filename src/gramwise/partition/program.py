"""The placement problem as a mixed-integer linear program: columns, rows and what any figure is in them.

``x[v, d]`` is 1 where layer v runs on node d. What a layer c reads of a layer p is a flow from the nodes of p to those
of c, ``sum over b of w[a, b] = x[p, a]`` and ``sum over a of w[a, b] = x[c, b]``, which is tighter than
``x[p, a] + x[c, b] - 1``; a tensor that several layers read is paid once for a node, so its transfers are as large as
the largest of these flows. Along a line a tensor crosses hop h when it is made at or before it and read after it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .problem import GIVEN, SLACK, Problem, Tensor
from .sums import Sum

if TYPE_CHECKING:
    from gramwise.core.decision import Floats, Ints


@dataclass(frozen=True, eq=False)
class Rows:
    """Linear constraints ``low <= A z <= high`` in coordinate form.

    Attributes:
        row, column, value: entries of A, equal lengths; entries of one place add up.
        low, high: one figure a row.
    """

    row: Ints
    column: Ints
    value: Floats
    low: Floats
    high: Floats


@dataclass
class Program:
    """A problem in columns and rows.

    Args:
        problem: whose placements are the whole-numbered solutions. Limits on memory are rows already; limits on sums
            are added with `limit`.

    Attributes:
        x: column of each layer on each node, (n, k); -1 where it may not run.
        upper: of each column; all are at least 0, and those in ``x``, which come first, are whole numbers.
        minimise, constant: the objective, once `aim` or `aim_period` has set it.
    """

    problem: Problem
    x: Ints = field(init=False)
    upper: list[float] = field(init=False, default_factory=list)
    minimise: Floats = field(init=False)
    constant: float = field(init=False, default=0.0)
    _flows: list[tuple[int, list[int]]] = field(init=False, default_factory=list)
    _charges: list[tuple[int, int, int, int]] = field(init=False, default_factory=list)
    _due: list[tuple[int, int, int]] = field(init=False, default_factory=list)
    _entries: list[tuple[int, int, float]] = field(init=False, default_factory=list)
    _bounds: list[tuple[float, float]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        p = self.problem
        able = p.allowed.copy()
        if p.line is not None:
            able[:, [d for d in range(p.k) if d not in p.line]] = False
        self.x = np.full((p.n, p.k), -1, dtype=np.int64)
        self.x[able] = np.arange(int(able.sum()))
        self.upper = [1.0] * int(able.sum())
        for v in range(p.n):
            self.row([(int(c), 1.0) for c in self.x[v] if c >= 0], 1.0, 1.0)
        for i, tensor in enumerate(p.tensors):
            self._place_answer(i, tensor)
            if p.line is not None:
                self._along(i, tensor)
            elif tensor.producer == GIVEN:
                self._from_origin(i, tensor)
            else:
                self._flow(i, tensor)
        if p.memory_binds:
            for node in np.flatnonzero(np.isfinite(p.memory_bytes)).tolist():
                self._memory(node)

    def column(self, upper: float = 1.0) -> int:
        """A new column between 0 and ``upper``."""
        self.upper.append(upper)
        return len(self.upper) - 1

    def row(self, entries: list[tuple[int, float]], low: float, high: float) -> None:
        """A new row: the sum of (column, factor) is between low and high."""
        self._entries += [(len(self._bounds), column, value) for column, value in entries]
        self._bounds.append((low, high))

    def express(self, figure: Sum) -> tuple[Floats, float]:
        """A figure as factors of the columns and a constant."""
        factors = np.zeros(len(self.upper))
        able = self.x >= 0
        factors[self.x[able]] = figure.layer[able]
        for column, i, u, v in self._charges:
            factors[column] += figure.move[i, u, v]
        return factors, math.fsum(float(figure.move[move]) for move in self._due)

    def aim(self, figure: Sum) -> None:
        """Make a figure the objective."""
        self.minimise, self.constant = self.express(figure)

    def aim_period(self, busy: list[Sum]) -> None:
        """Make the largest of some figures the objective: its column is the last one."""
        unit = max(float(figure.layer.sum() + figure.move.max(initial=0.0)) for figure in busy) or 1.0
        period = self.column(math.inf)
        for figure in busy:
            factors, constant = self.express(figure)
            entries = [(int(c), float(factors[c]) / unit) for c in np.flatnonzero(factors)]
            self.row([*entries, (period, -1.0)], -math.inf, -constant / unit)
        self.minimise = np.zeros(len(self.upper))
        self.minimise[period] = unit

    def implied(self, reduced: Floats) -> Floats:
        """What the objective rises at least where a layer runs on a node: its own reduced cost and the least of each
        flow that must then be there, for the columns of ``x``."""
        rise = reduced[: int(self.x.max()) + 1].copy()
        for column, flows in self._flows:
            rise[column] += min((reduced[c] for c in flows), default=math.inf)
        return rise

    def limit(self, figure: Sum) -> None:
        """Keep a figure to its limit, scaled so that the solver's tolerance is far below the limit's rounding."""
        factors, constant = self.express(figure)
        room = figure.limit - constant
        scale = SCALE / figure.limit if figure.limit > 0 else 1.0
        for c in np.flatnonzero(factors > room).tolist():
            self.upper[c] = 0.0
        entries = [(int(c), float(factors[c]) * scale) for c in np.flatnonzero(factors)]
        if float(factors.clip(min=0.0) @ np.array(self.upper)) > room:
            self.row(entries, -math.inf, room * scale)

    def rows(self) -> Rows:
        """All rows so far."""
        row, column, value = zip(*self._entries, strict=True)
        low, high = zip(*self._bounds, strict=True)
        return Rows(np.array(row), np.array(column), np.array(value), np.array(low), np.array(high))

    def _charge(self, column: int, i: int, u: int, v: int) -> None:
        """Where the column is 1, tensor i goes from u to v."""
        if np.isfinite(self.problem.move_s[i, u, v]):
            self._charges.append((column, i, u, v))
        else:
            self.upper[column] = 0.0

    def _pay(self, i: int, u: int, v: int) -> None:
        """Tensor i goes from u to v in any case."""
        if np.isfinite(self.problem.move_s[i, u, v]):
            self._due.append((i, u, v))
        else:
            self.row([], 1.0, 1.0)

    def _nodes(self, v: int) -> list[int]:
        return np.flatnonzero(self.x[v] >= 0).tolist()

    def _place_answer(self, i: int, tensor: Tensor) -> None:
        """A wanted tensor goes to the destination from whoever makes it."""
        p = self.problem
        if not tensor.wanted:
            return
        if tensor.producer == GIVEN:
            if p.origin != p.destination:
                self._pay(i, p.origin, p.destination)
            return
        for node in self._nodes(tensor.producer):
            if node != p.destination:
                self._charge(int(self.x[tensor.producer, node]), i, node, p.destination)

    def _free_at(self, tensor: Tensor) -> int:
        """The node where a tensor is in any case once it is made; -1 for none."""
        return self.problem.destination if tensor.wanted else -1

    def _from_origin(self, i: int, tensor: Tensor) -> None:
        p = self.problem
        for node in range(p.k):
            readers = [int(self.x[c, node]) for c in tensor.consumers if self.x[c, node] >= 0]
            if not readers or node in (p.origin, self._free_at(tensor)):
                continue
            moved = readers[0] if len(readers) == 1 else self.column()
            self._charge(moved, i, p.origin, node)
            if len(readers) > 1:
                for reader in readers:
                    self.row([(moved, 1.0), (reader, -1.0)], 0.0, math.inf)

    def _flow(self, i: int, tensor: Tensor) -> None:
        makers = self._nodes(tensor.producer)
        moved: dict[tuple[int, int], int] = {}
        for consumer in tensor.consumers:
            flow: dict[tuple[int, int], int] = {}
            for a in makers:
                for b in self._nodes(consumer):
                    if a == b or np.isfinite(self.problem.move_s[i, a, b]):
                        flow[a, b] = self.column()
            for a in makers:
                out = [c for (u, _), c in flow.items() if u == a]
                self._balance(int(self.x[tensor.producer, a]), out)
            for b in self._nodes(consumer):
                into = [c for (_, w), c in flow.items() if w == b]
                self._balance(int(self.x[consumer, b]), into)
            for (a, b), c in flow.items():
                if a == b or b == self._free_at(tensor):
                    continue
                if len(tensor.consumers) == 1:
                    self._charge(c, i, a, b)
                    continue
                if (a, b) not in moved:
                    moved[a, b] = self.column()
                    self._charge(moved[a, b], i, a, b)
                self.row([(moved[a, b], 1.0), (c, -1.0)], 0.0, math.inf)

    def _balance(self, layer: int, flows: list[int]) -> None:
        """The flows at one end of an edge are what runs there."""
        self._flows.append((layer, flows))
        self.row([*((c, 1.0) for c in flows), (layer, -1.0)], 0.0, 0.0)

    def _along(self, i: int, tensor: Tensor) -> None:
        p = self.problem
        assert p.line is not None
        if not tensor.consumers:
            return
        begin = 0
        if tensor.producer == GIVEN:
            if p.origin in p.line:
                begin = p.line.index(p.origin)
            else:  # the client, or a node that is not on the line
                self._pay(i, p.origin, p.line[0])
        for hop in range(len(p.line)):
            if tensor.producer == GIVEN:
                made, here = [], float(hop >= begin)
            else:
                made, here = self._until(tensor.producer, hop, 1.0), 0.0
            last = hop == len(p.line) - 1
            crosses = -1 if last else self.column()
            if not last:
                self._charge(crosses, i, p.line[hop], p.line[hop + 1])
            for consumer in tensor.consumers:
                ahead = [*made, *self._until(consumer, hop, -1.0)]
                self.row(ahead, -here, math.inf)
                if not last:
                    self.row([*ahead, (crosses, -1.0)], -math.inf, -here)

    def _until(self, v: int, hop: int, factor: float) -> list[tuple[int, float]]:
        """Whether a layer runs at this place of the line or before it."""
        assert self.problem.line is not None
        columns = (int(self.x[v, node]) for node in self.problem.line[: hop + 1])
        return [(c, factor) for c in columns if c >= 0]

    def _memory(self, node: int) -> None:
        """Weights held once, and the largest working set as a flight of steps, each there if a layer reaches it."""
        p = self.problem
        scale = SCALE / max(float(p.memory_bytes[node]), 1.0)
        used: list[tuple[int, float]] = []
        for weight in p.weights:
            readers = [int(self.x[v, node]) for v in weight.layers if self.x[v, node] >= 0]
            if not readers:
                continue
            held = readers[0] if len(readers) == 1 else self.column()
            used.append((held, weight.bytes * scale))
            if len(readers) > 1:
                for reader in readers:
                    self.row([(held, 1.0), (reader, -1.0)], 0.0, math.inf)
        sizes = sorted({float(p.working_bytes[v]) for v in range(p.n) if self.x[v, node] >= 0})
        below, lower = -1, 0.0
        for size in sizes:
            step = self.column()
            used.append((step, (size - lower) * scale))
            if below >= 0:
                self.row([(below, 1.0), (step, -1.0)], 0.0, math.inf)
            for v in np.flatnonzero((p.working_bytes == size) & (self.x[:, node] >= 0)).tolist():
                self.row([(step, 1.0), (int(self.x[v, node]), -1.0)], 0.0, math.inf)
            below, lower = step, size
        self.row(used, -math.inf, float(p.memory_bytes[node]) * (1 + SLACK) * scale)


SCALE = 1e3
"""What limits are scaled to: the solver's tolerance of 1e-6 is then as small as the rounding that limits allow."""
