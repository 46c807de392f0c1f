"""One network, several nodes: which layer runs where, and what every answer to that costs.

A *placement* gives each of n layers one of k nodes. A request runs its layers one after another, so its latency is a
sum, as energy and carbon are:

    latency = sum over layers of t(v, node of v)  +  sum over transfers of (fixed + bytes x seconds per byte)

A tensor is a transfer for every node that needs it and does not make it: paid once for a node however many layers
there read it. It goes straight from the node that makes it, or, where ``line`` is given, from neighbour to neighbour
along that line, forwards only. Index k of the square arrays is *outside*: the client, which runs no layer. Several
tensors that cross together are charged as several messages (docs/decisions/0006). Method: carbon-aware inference,
section 3.3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias, get_args, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    from gramwise.core.decision import Bools, Floats, Ints

Objective: TypeAlias = Literal["carbon", "energy", "latency", "throughput"]
OBJECTIVES: tuple[Objective, ...] = get_args(Objective)

GIVEN = -1
"""Producer of a tensor that no layer makes: the input, which is born at the origin."""

SLACK = 1e-9
"""Relative room in comparisons with a limit, so that a plan that meets it exactly is not lost to rounding."""


class Tensor(NamedTuple):
    """An activation that layers pass on.

    Attributes:
        name: in the graph.
        bytes: one inference.
        producer: position of the layer that makes it, or `GIVEN`.
        consumers: positions of the layers that read it, ascending, each once.
        wanted: it is an output of the network and must reach the destination.
    """

    name: str
    bytes: int
    producer: int
    consumers: tuple[int, ...]
    wanted: bool = False


class Weight(NamedTuple):
    """Stored constants that the same layers read: held once by every node that runs one of them.

    Attributes:
        bytes: what holding them takes.
        layers: positions of those layers, ascending.
    """

    bytes: float
    layers: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Ways:
    """How tensors cross from node to node, (k + 1, k + 1) each, row from, column to; index k is outside.

    Attributes:
        fixed_s: seconds that a message takes besides its bytes; inf where there is no link.
        s_per_byte: seconds that a byte keeps the link busy.
        send_j_per_byte: joules that the sender spends on a byte, on its own grid.
        receive_j_per_byte: joules that the receiver spends on a byte, on its own grid.
        receive_j: joules that the receiver spends on a message besides its bytes.
        receive_busy_s: seconds of its own that the receiver spends on a message besides its bytes; part of
            ``fixed_s``. None for nothing.
        receive_busy_s_per_byte: likewise on a byte; part of ``s_per_byte``. None for nothing.
    """

    fixed_s: Floats
    s_per_byte: Floats
    send_j_per_byte: Floats
    receive_j_per_byte: Floats
    receive_j: Floats
    receive_busy_s: Floats | None = None
    receive_busy_s_per_byte: Floats | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """Everything that choosing a placement needs; n layers in topological order, k nodes.

    Attributes:
        layers: names, n of them.
        nodes: names, k of them.
        objective: what to minimise: grams, joules or seconds of one inference, or the seconds between two inferences
            of a full pipeline (its slowest node or link).
        latency_s: of each layer on each node, (n, k) seconds.
        energy_j: marginal, of each layer on each node, (n, k) joules.
        g_per_j: grams of a joule on each node and outside, (k + 1,).
        tensors: every tensor that a layer or the outside reads.
        ways: between nodes.
        origin: where the inputs are born, 0 .. k.
        destination: where the answer is wanted, 0 .. k.
        allowed: whether a layer may run on a node, (n, k).
        weights: stored constants.
        working_bytes: activations alive while each layer runs, (n,).
        memory_bytes: room on each node for weights and the largest working set, (k,); inf for no limit.
        slots: inferences that a node runs at a time, (k,); the period of a pipeline divides by it.
        budget_s: seconds that one inference may keep each node busy, computing and taking in, over all its slots
            together, (k,); inf for no limit. A rate goal and a node that other work fills are such limits.
        link_budget_s: seconds that one inference may keep each link busy; inf for no limit.
        latency_limit_s: inf for no limit.
        idle_w: power at which a node that takes part waits while the others work, (k,) watts; 0 where idle power is
            spent anyway.
        line: nodes in the order in which tensors may move, forwards and from neighbour to neighbour only; None for
            any direction, directly. What comes from outside, or from a node that is not on the line, enters at its
            first node; an answer goes straight from the node that makes it.
        input_stays: the network's inputs must not leave the origin.
        published_cost: what AMP4EC's Equation 5 charges each layer, (n,); None where nobody worked it out. Only the
            reproduction of that rule reads it.
    """

    layers: tuple[str, ...]
    nodes: tuple[str, ...]
    objective: Objective
    latency_s: Floats
    energy_j: Floats
    g_per_j: Floats
    tensors: tuple[Tensor, ...]
    ways: Ways
    origin: int
    destination: int
    allowed: Bools
    weights: tuple[Weight, ...] = ()
    working_bytes: Floats
    memory_bytes: Floats
    slots: Floats
    budget_s: Floats
    link_budget_s: float = math.inf
    latency_limit_s: float = math.inf
    idle_w: Floats
    line: tuple[int, ...] | None = None
    input_stays: bool = False
    published_cost: Floats | None = None

    @property
    def n(self) -> int:
        """Number of layers."""
        return len(self.layers)

    @property
    def k(self) -> int:
        """Number of nodes; also the index of outside."""
        return len(self.nodes)

    @cached_property
    def move_busy_s(self) -> Floats:
        """Seconds that each tensor keeps each link busy, (T, k + 1, k + 1)."""
        return self._sizes[:, None, None] * self.ways.s_per_byte

    @cached_property
    def receive_busy_s(self) -> Floats:
        """Seconds that each transfer keeps its receiver busy, (T, k + 1, k + 1); 0 on the diagonal."""
        ways, size = self.ways, self._sizes[:, None, None]
        busy_s = np.zeros((len(self.tensors), self.k + 1, self.k + 1))
        if ways.receive_busy_s is not None:
            busy_s += ways.receive_busy_s
        if ways.receive_busy_s_per_byte is not None:
            busy_s += size * ways.receive_busy_s_per_byte
        busy_s[:, np.arange(self.k + 1), np.arange(self.k + 1)] = 0.0
        return busy_s

    @cached_property
    def move_s(self) -> Floats:
        """Seconds that each transfer adds to the latency, (T, k + 1, k + 1); 0 on the diagonal, inf for no way."""
        return self._off_diagonal(self.ways.fixed_s + self.move_busy_s)

    @cached_property
    def send_j(self) -> Floats:
        """Joules that the sender spends on each transfer, (T, k + 1, k + 1); inf for no way."""
        return self._off_diagonal(self._reach + self._sizes[:, None, None] * self.ways.send_j_per_byte)

    @cached_property
    def receive_j(self) -> Floats:
        """Joules that the receiver spends on each transfer, (T, k + 1, k + 1); inf for no way."""
        size = self._sizes[:, None, None]
        return self._off_diagonal(self._reach + self.ways.receive_j + size * self.ways.receive_j_per_byte)

    @cached_property
    def layer_cost(self) -> Floats:
        """Objective of each layer on each node, (n, k), inf where it is not allowed; for sums, not for throughput."""
        cost = {
            "carbon": self.energy_j * self.g_per_j[: self.k],
            "energy": self.energy_j,
            "latency": self.latency_s,
        }
        return np.where(self.allowed, cost[self.objective], math.inf)

    @cached_property
    def move_cost(self) -> Floats:
        """Objective of each direct transfer, (T, k + 1, k + 1), inf for no way; for sums, not for throughput."""
        if self.objective == "latency":
            return self.move_s
        if self.objective == "energy":
            return self.send_j + self.receive_j
        no_way = np.isinf(self.send_j)
        with np.errstate(invalid="ignore"):
            cost = self.send_j * self.g_per_j[:, None] + self.receive_j * self.g_per_j[None, :]
        return np.where(no_way, math.inf, cost)

    @property
    def additive(self) -> bool:
        """Whether the objective is a sum over layers and transfers and nothing else."""
        return self.objective != "throughput" and not (self.objective != "latency" and self.idle_w.any())

    @property
    def remembers(self) -> bool:
        """Whether a limit other than ``allowed`` binds a whole placement: memory, time, rate."""
        return self.memory_binds or self.rate_binds or math.isfinite(self.latency_limit_s)

    @property
    def memory_binds(self) -> bool:
        """Whether some node could be asked for more memory than it has."""
        whole = sum(w.bytes for w in self.weights) + float(self.working_bytes.max(initial=0.0))
        return bool((self.memory_bytes < whole).any())

    @property
    def rate_binds(self) -> bool:
        """Whether nodes or links have limited seconds for one inference."""
        return bool(np.isfinite(self.budget_s).any()) or math.isfinite(self.link_budget_s)

    @cached_property
    def _sizes(self) -> Floats:
        return np.array([t.bytes for t in self.tensors], dtype=np.float64)

    @cached_property
    def _reach(self) -> Floats:
        """0 where a tensor may go, inf where there is no link or the input must stay, (T, k + 1, k + 1)."""
        reach = np.where(np.isfinite(self.ways.fixed_s), 0.0, math.inf)
        reach = np.repeat(reach[None], len(self.tensors), axis=0)
        if self.input_stays:
            for i, tensor in enumerate(self.tensors):
                if tensor.producer == GIVEN:
                    reach[i, self.origin, :] = math.inf
        return reach

    def _off_diagonal(self, cost: Floats) -> Floats:
        cost = cost + self._reach
        cost[:, np.arange(self.k + 1), np.arange(self.k + 1)] = 0.0
        return cost


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """What A placements cost.

    Attributes:
        latency_s, energy_j, carbon_g: of one inference, (A,); inf where a tensor has no way.
        period_s: seconds between two inferences of a full pipeline, (A,).
        node_energy_j: joules on each node and outside, (A, k + 1); a dot product with ``g_per_j`` is the carbon.
        busy_s: seconds that each node computes, (A, k).
        occupied_s: seconds that each node computes and takes in what it is sent, (A, k).
        memory_bytes: what each node holds, (A, k).
        moved_bytes: bytes that cross between nodes or to and from outside, (A,).
        feasible: every limit is kept, (A,).
    """

    latency_s: Floats
    energy_j: Floats
    carbon_g: Floats
    period_s: Floats
    node_energy_j: Floats
    busy_s: Floats
    occupied_s: Floats
    memory_bytes: Floats
    moved_bytes: Floats
    feasible: Bools

    def value(self, objective: Objective) -> Floats:
        """The figure that ``objective`` minimises, (A,)."""
        figures = {"carbon": self.carbon_g, "energy": self.energy_j, "latency": self.latency_s}
        return figures.get(objective, self.period_s)


def evaluate(problem: Problem, placements: Ints) -> Evaluation:
    """What placements cost and whether they keep every limit. The one definition that all methods are held to.

    Args:
        problem: n layers, k nodes.
        placements: node of each layer, (A, n) integers in 0 .. k - 1.

    Returns:
        Columns of length A.
    """
    p, a = problem, np.asarray(placements, dtype=np.int64)
    count, every = len(a), np.arange(p.n)
    latency_s = p.latency_s[every, a].sum(axis=1)
    joules = np.zeros((count, p.k + 1))
    busy_s, memory = np.zeros((count, p.k)), np.zeros((count, p.k))
    for node in range(p.k):
        here = a == node
        busy_s[:, node] = (here * p.latency_s[:, node]).sum(axis=1)
        joules[:, node] = (here * p.energy_j[:, node]).sum(axis=1)
        memory[:, node] = (here * p.working_bytes).max(axis=1, initial=0.0)
        for weight in p.weights:
            memory[:, node] += weight.bytes * here[:, weight.layers].any(axis=1)
    link_s = np.zeros((count, p.k + 1, p.k + 1))
    occupied_s = np.concatenate([busy_s, np.zeros((count, 1))], axis=1)
    moved = np.zeros(count)
    for i, tensor in enumerate(p.tensors):
        for start, end, sent in crossings(p, tensor, a):
            rows = np.flatnonzero(sent)
            if not len(rows):
                continue
            u, v = start[rows], end[rows]
            latency_s[rows] += p.move_s[i, u, v]
            joules[rows, u] += p.send_j[i, u, v]
            joules[rows, v] += p.receive_j[i, u, v]
            link_s[rows, u, v] += p.move_busy_s[i, u, v]
            occupied_s[rows, v] += p.receive_busy_s[i, u, v]
            moved[rows] += tensor.bytes
    used = np.stack([(a == node).any(axis=1) for node in range(p.k)], axis=1)
    if p.idle_w.any():
        finite = np.where(np.isfinite(latency_s), latency_s, 0.0)
        joules[:, : p.k] += used * p.idle_w * (finite[:, None] - busy_s)
    occupied_s = occupied_s[:, : p.k]
    node_period_s = (occupied_s / p.slots).max(axis=1, initial=0.0)
    period_s = np.maximum(node_period_s, link_s.max(axis=(1, 2), initial=0.0))
    period_s = np.where(np.isfinite(latency_s), period_s, math.inf)
    reachable = np.isfinite(latency_s)
    with np.errstate(invalid="ignore"):
        carbon_g = np.where(reachable, joules @ p.g_per_j, math.inf)
    room = 1 + SLACK
    feasible = (
        reachable
        & _forward(p, a)
        & p.allowed[every, a].all(axis=1)
        & (latency_s <= p.latency_limit_s * room)
        & (occupied_s <= p.budget_s * room).all(axis=1)
        & (link_s <= p.link_budget_s * room).all(axis=(1, 2))
        & (memory <= p.memory_bytes * room).all(axis=1)
    )
    return Evaluation(
        latency_s=latency_s,
        energy_j=np.where(reachable, joules.sum(axis=1), math.inf),
        carbon_g=carbon_g,
        period_s=period_s,
        node_energy_j=joules,
        busy_s=busy_s,
        occupied_s=occupied_s,
        memory_bytes=memory,
        moved_bytes=moved,
        feasible=feasible,
    )


def crossings(p: Problem, tensor: Tensor, a: Ints) -> list[tuple[Ints, Ints, Bools]]:
    """Transfers of one tensor: (from (A,), to (A,), whether it happens (A,)) for each possible one."""
    count = len(a)
    start = np.full(count, p.origin) if tensor.producer == GIVEN else a[:, tensor.producer]
    readers = a[:, tensor.consumers]
    if p.line is not None:
        crossings = _along_the_line(p, tensor, start, readers)
    else:
        crossings = [
            (start, np.full(count, node), (readers == node).any(axis=1) & (start != node))
            for node in range(p.k)
        ]
    if tensor.wanted:
        end = np.full(count, p.destination)
        already = (
            (readers == p.destination).any(axis=1) if p.line is None else np.zeros(count, dtype=np.bool_)
        )
        crossings.append((start, end, (start != end) & ~already))
    return crossings


def _along_the_line(p: Problem, tensor: Tensor, start: Ints, readers: Ints) -> list[tuple[Ints, Ints, Bools]]:
    assert p.line is not None
    count = len(start)
    if not tensor.consumers:
        return []
    crossings = []
    place = _places(p)
    if tensor.producer == GIVEN and place[p.origin] < 0:
        first = np.full(count, p.line[0])
        crossings.append((start, first, np.ones(count, dtype=np.bool_)))
        start = first
    begin, furthest = place[start], place[readers].max(axis=1)
    for hop, (u, v) in enumerate(zip(p.line, p.line[1:], strict=False)):
        sent = (begin <= hop) & (furthest > hop)
        crossings.append((np.full(count, u), np.full(count, v), sent))
    return crossings


def _places(p: Problem) -> Ints:
    """Place of each node on the line, (k + 1,); nodes that are not on it, and outside, are before its start."""
    place = np.full(p.k + 1, -1)
    place[list(p.line or ())] = np.arange(len(p.line or ()))
    return place


def _forward(p: Problem, a: Ints) -> Bools:
    """Whether no tensor has to move back along the line, (A,)."""
    keep = np.ones(len(a), dtype=np.bool_)
    if p.line is None:
        return keep
    place = _places(p)
    keep &= (place[a] >= 0).all(axis=1)
    for tensor in p.tensors:
        begin = place[a[:, tensor.producer]] if tensor.producer != GIVEN else max(0, int(place[p.origin]))
        for reader in tensor.consumers:
            keep &= place[a[:, reader]] >= begin
    return keep


class Split(NamedTuple):
    """What a method answers.

    Attributes:
        placement: node of each layer; None when there is none that keeps the limits.
        bound: proven least value of the objective; the value itself when ``exact``, -inf when nothing is proven.
        exact: nothing better exists (or, without a placement, nothing at all does).
    """

    placement: tuple[int, ...] | None
    bound: float
    exact: bool


@runtime_checkable
class Partitioner(Protocol):
    """A method: one file under ``gramwise.partition.methods`` that ends in ``PLUGIN = ThatClass``.

    ``split`` is a pure function. An exact method returns the optimum of `evaluate` over every placement of the problem
    that is feasible there; a baseline returns the placement of its rule, whether or not it keeps the limits.
    """

    name: str
    exact: bool

    def why_not(self, problem: Problem) -> str:
        """Why this method does not answer this problem, as the end of a sentence; empty when it does."""
        ...

    def split(self, problem: Problem) -> Split:
        """Place every layer."""
        ...


class Run(NamedTuple):
    """Layers that a node runs without a break: positions in the order in which they run."""

    node: int
    layers: tuple[int, ...]


def runs(problem: Problem, placement: tuple[int, ...]) -> tuple[Run, ...]:
    """The stages of a placement: an order of the layers that respects the graph and changes node seldom.

    Stays on a node as long as anything is ready there, then goes to the node of the first layer that is ready. Layers
    of a run keep their order.
    """
    needs: list[set[int]] = [set() for _ in range(problem.n)]
    for tensor in problem.tensors:
        if tensor.producer != GIVEN:
            for reader in tensor.consumers:
                needs[reader].add(tensor.producer)
    done: set[int] = set()
    found: list[Run] = []
    left = list(range(problem.n))
    while left:
        node = placement[next(v for v in left if needs[v] <= done)]
        run: list[int] = []
        for v in left:
            if placement[v] == node and needs[v] <= done:
                run.append(v)
                done.add(v)
        found.append(Run(node, tuple(run)))
        left = [v for v in left if v not in done]
    return tuple(found)
