"""Random placement problems from a seed: what methods are held against each other on, in tests, benchmarks and the kit.

The spreads are chosen to make the choice hard, they measure nothing: nodes that differ in speed, power, grid and in
what they are good at, links that differ by direction and may be missing, activations that shrink and weights that grow
with depth, as in networks for images. Limits are set around what some random placement needs, so that they often bind
and seldom leave nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np

from gramwise.core.units import carbon_g

from .problem import GIVEN, Objective, Problem, Tensor, Ways, Weight, evaluate

if TYPE_CHECKING:
    from gramwise.core.decision import Bools, Floats, Ints

Shape: TypeAlias = Literal["chain", "series-parallel", "dag"]
SHAPES: tuple[Shape, ...] = get_args(Shape)

_SAMPLES = 64
"""Random placements from which the one that sets the limits is drawn."""

_KINDS = 4
"""Sorts of operator; each node has its own speed for each."""


def random_problem(
    shape: Shape,
    layers: int,
    nodes: int,
    seed: int,
    *,
    memory: bool = False,
    latency: bool = False,
    objective: Objective = "carbon",
    line: bool = False,
    rate: bool = False,
    idle: bool = False,
    shared_weights: float = 1.0,
    missing_links: float = 0.15,
) -> Problem:
    """A problem that this seed and these arguments name: the same ones give the same problem.

    Args:
        shape: a chain (now and then with two tensors between neighbours), blocks in series and in parallel with skip
            connections, or any acyclic graph with layers of several outputs.
        layers: how many, at least 1.
        nodes: how many, at least 1.
        seed: of the only generator used.
        memory: set memory limits.
        latency: set a latency limit.
        objective: of the problem.
        line: tensors move forwards along a random line through all nodes only.
        rate: set time budgets of nodes and links.
        idle: nodes that take part are charged idle power.
        shared_weights: mean number of layers that also read constants of earlier ones.
        missing_links: chance that a node cannot send to another; links to and from outside are always there.

    Returns:
        The problem. Nothing may be feasible, by chance of the links or of the limits.
    """
    rng = np.random.default_rng([SHAPES.index(shape), layers, nodes, seed])
    draft = _GROWERS[shape](rng, layers)
    # A chain's last tensors, and whatever else nobody reads, are the answer.
    tensors = tuple(t._replace(wanted=t.wanted or not t.consumers) for t in draft.tensors())
    kind = rng.integers(_KINDS, size=layers)
    latency_s, energy_j = _layer_figures(rng, kind, nodes)
    order = tuple(int(x) for x in rng.permutation(nodes)) if line else None
    origin, destination = (int(x) for x in rng.integers(nodes + 1, size=2))
    if rng.random() < 0.4:
        origin = destination = nodes
    if order is not None and origin < nodes:
        # Nodes before the origin are of no use on a line.
        origin = order[int(rng.integers(max(1, nodes // 2)))]
    problem = Problem(
        layers=tuple(f"layer{v}" for v in range(layers)),
        nodes=tuple(f"node{x}" for x in range(nodes)),
        objective=objective,
        latency_s=latency_s,
        energy_j=energy_j,
        g_per_j=np.append(carbon_g(np.ones(nodes), 10 ** rng.uniform(1.3, 2.9, nodes)), 0.0),
        tensors=tensors,
        ways=_random_ways(rng, nodes, missing_links, order),
        origin=origin,
        destination=destination,
        allowed=_random_allowed(rng, kind, nodes),
        weights=_random_weights(rng, layers, shared_weights),
        working_bytes=_working_bytes(tensors, layers),
        memory_bytes=np.full(nodes, math.inf),
        slots=rng.integers(1, 5, nodes).astype(np.float64),
        budget_s=np.full(nodes, math.inf),
        idle_w=rng.uniform(0.5, 4.0, nodes) if idle else np.zeros(nodes),
        line=order,
        input_stays=bool(origin < nodes and rng.random() < 0.15),
    )
    return _limit(rng, problem, memory=memory, latency=latency, rate=rate)


@dataclass
class _Draft:
    """Tensors while layers are added one by one."""

    rng: np.random.Generator
    layers: int
    made: list[Tensor] = field(default_factory=list)
    readers: list[list[int]] = field(default_factory=list)
    placed: int = 0

    def tensor(self, producer: int) -> int:
        """A new tensor; the deeper its producer, the smaller it tends to be."""
        depth = max(0, producer) / self.layers
        size = int(self.rng.lognormal(math.log(2e5) - 2.0 * depth, 1.0)) + 1
        name = f"input{len(self.made)}" if producer == GIVEN else f"t{len(self.made)}"
        self.made.append(Tensor(name, size, producer, ()))
        self.readers.append([])
        return len(self.made) - 1

    def layer(self, reads: list[int], outputs: int = 1) -> list[int]:
        """The next layer, its inputs and its new outputs."""
        for tensor in dict.fromkeys(reads):
            self.readers[tensor].append(self.placed)
        self.placed += 1
        return [self.tensor(self.placed - 1) for _ in range(outputs)]

    def tensors(self) -> list[Tensor]:
        return [t._replace(consumers=tuple(r)) for t, r in zip(self.made, self.readers, strict=True)]

    def want(self, chance: float) -> None:
        """Make some tensors that layers read answers as well."""
        self.made = [t._replace(wanted=bool(self.rng.random() < chance)) for t in self.made]


def _grow_chain(rng: np.random.Generator, layers: int) -> _Draft:
    draft = _Draft(rng, layers)
    between = [draft.tensor(GIVEN) for _ in range(1 + int(rng.random() < 0.2))]
    for _ in range(layers):
        between = draft.layer(between, 1 + int(rng.random() < 0.1))
    draft.want(0.1 / layers)
    return draft


def _grow_blocks(rng: np.random.Generator, layers: int) -> _Draft:
    """Blocks in series and in parallel by recursive composition; an empty branch is a skip connection."""
    draft = _Draft(rng, layers)

    def grow(source: int, budget: int) -> int:
        if budget <= 0:
            return source
        if budget < 3 or rng.random() < 0.35:
            first = int(rng.integers(1, budget + 1))
            if first == budget:
                for _ in range(budget):
                    source = draft.layer([source])[0]
                return source
            return grow(grow(source, first), budget - first)
        branches = np.sort(rng.integers(0, budget, size=int(rng.integers(1, 3))))
        sizes = np.diff(np.concatenate([[0], branches, [budget - 1]]))
        ends = [grow(source, int(size)) for size in sizes]
        return draft.layer(ends)[0]

    grow(draft.tensor(GIVEN), layers)
    draft.want(0.2 / layers)
    return draft


def _grow_dag(rng: np.random.Generator, layers: int) -> _Draft:
    draft = _Draft(rng, layers)
    for _ in range(1 + int(rng.random() < 0.3)):
        draft.tensor(GIVEN)
    for _ in range(layers):
        # Recent tensors are likelier, as in real networks; any may be read again.
        count = min(len(draft.made), int(rng.integers(1, 4)))
        age = np.arange(len(draft.made), 0, -1.0)
        reads = rng.choice(len(draft.made), size=count, replace=False, p=age**-1.2 / (age**-1.2).sum())
        draft.layer(sorted(int(r) for r in reads), 1 + int(rng.random() < 0.2))
    draft.want(0.5 / layers)
    return draft


_GROWERS = {"chain": _grow_chain, "series-parallel": _grow_blocks, "dag": _grow_dag}


def _layer_figures(rng: np.random.Generator, kind: Ints, nodes: int) -> tuple[Floats, Floats]:
    """Seconds and joules of each layer on each node, (n, k) each."""
    work_flop = rng.lognormal(math.log(2e7), 1.2, len(kind))
    flop_per_s = 10 ** rng.uniform(8.7, 10.0, nodes)
    # Affinity is what makes a split worth while: the best node differs by operator.
    spread = rng.uniform(0.1, 0.7)
    affinity = rng.lognormal(0.0, spread, (_KINDS, nodes))
    busy_w = flop_per_s**0.5 / 1e4 * rng.uniform(1.0, 4.0, nodes)
    noise = rng.lognormal(0.0, spread / 4, (len(kind), nodes))
    latency_s = work_flop[:, None] / (flop_per_s * affinity[kind]) * noise
    return latency_s, latency_s * busy_w


def _random_allowed(rng: np.random.Generator, kind: Ints, nodes: int) -> Bools:
    """A sort of operator that a node lacks it lacks for all layers; some node has every sort."""
    able = rng.random((_KINDS, nodes)) < 0.92
    able[np.arange(_KINDS), rng.integers(nodes, size=_KINDS)] = True
    if rng.random() < 0.7:
        able[:, rng.integers(nodes)] = True
    return able[kind]


def _random_ways(rng: np.random.Generator, nodes: int, missing: float, order: tuple[int, ...] | None) -> Ways:
    shape = (nodes + 1, nodes + 1)
    there = rng.random(shape) >= missing
    there[nodes, :] = there[:, nodes] = True
    for u, v in zip(order or (), (order or ())[1:], strict=False):
        there[u, v] = True
    fixed_s = np.where(there, 10 ** rng.uniform(-3.3, -2.0, shape), math.inf)
    np.fill_diagonal(fixed_s, 0.0)
    # From a wire to a radio: a network is cut into many runs here and into few there.
    dear = 10 ** rng.uniform(-0.3, 1.4)
    send, receive = (dear * 10 ** rng.uniform(-8.6, -7.1, shape) for _ in range(2))
    message = dear * rng.uniform(0.0, 2e-3, shape)
    # Outside is on no grid that is known.
    send[nodes, :] = receive[:, nodes] = message[:, nodes] = 0.0
    s_per_byte = dear * 10 ** -rng.uniform(6.5, 8.2, shape)
    return Ways(
        fixed_s=fixed_s,
        s_per_byte=s_per_byte,
        send_j_per_byte=send,
        receive_j_per_byte=receive,
        receive_j=message,
        receive_busy_s=0.4 * np.where(there, fixed_s, 0.0),  # some of the time is the receiver's own
        receive_busy_s_per_byte=0.3 * s_per_byte,
    )


def _random_weights(rng: np.random.Generator, layers: int, shared: float) -> tuple[Weight, ...]:
    weights = []
    for v in range(layers):
        if rng.random() < 0.75:
            size = float(int(rng.lognormal(math.log(2e5) + 2.0 * v / layers, 1.0)))
            weights.append(Weight(size, (v,)))
        if v and rng.random() * layers < shared:
            others = rng.integers(0, v, size=int(rng.integers(1, 3)))
            size = float(int(rng.lognormal(math.log(4e5), 1.0)))
            weights.append(Weight(size, (*sorted({int(u) for u in others}), v)))
    return tuple(weights)


def _working_bytes(tensors: tuple[Tensor, ...], layers: int) -> Floats:
    """What is alive while each layer runs in the given order: from being made until the last reader has run."""
    alive = np.zeros(layers)
    for tensor in tensors:
        last = layers - 1 if tensor.wanted else max(tensor.consumers)
        alive[max(0, tensor.producer) : last + 1] += tensor.bytes
    return alive


def _limit(rng: np.random.Generator, p: Problem, *, memory: bool, latency: bool, rate: bool) -> Problem:
    """Limits around the figures of one random placement: nearly what it needs, or somewhat more."""
    costs = evaluate(p, _random_placements(rng, p))
    usable = np.flatnonzero(costs.feasible)
    if not len(usable) or not (memory or latency or rate):
        return p
    # Many random placements are dear and slow: one of the better half makes the limits bite.
    ranked = usable[np.argsort((costs.latency_s if latency else costs.value(p.objective))[usable])]
    row = int(ranked[rng.integers((len(ranked) + 1) // 2)])
    room = (1.0 + rng.exponential(0.1, size=4)) * (0.8 if rng.random() < 0.1 else 1.0)
    whole = sum(w.bytes for w in p.weights) + p.working_bytes.max()
    changes: dict[str, object] = {}
    if memory:
        spare = rng.uniform(0.05, 0.5, p.k) * whole
        changes["memory_bytes"] = np.maximum(costs.memory_bytes[row] * room[0], spare)
    if latency:
        changes["latency_limit_s"] = float(costs.latency_s[row] * room[1])
    if rate:
        busy = costs.occupied_s[row] * room[2]
        changes["budget_s"] = np.where(busy > 0, busy, rng.choice([0.0, 0.5, math.inf], p.k) * busy.max())
        changes["link_budget_s"] = float(costs.period_s[row] * room[3]) if rng.random() < 0.7 else math.inf
    return replace(p, **changes)  # type: ignore[arg-type]


def _random_placements(rng: np.random.Generator, p: Problem) -> Ints:
    """Placements in a few runs of layers each, on nodes that may run them, forwards along the line if there is one."""
    rows = []
    start = p.line.index(p.origin) if p.line and p.origin in p.line else 0
    for _ in range(_SAMPLES):
        ends = np.sort(rng.integers(0, p.n + 1, size=int(rng.integers(0, 2 * p.k))))
        part = np.searchsorted(ends, np.arange(p.n), side="right")
        wish = rng.integers(start if p.line else 0, p.k, size=len(ends) + 1)
        if p.line:
            node = _forwards(p, np.sort(wish)[part])
        else:
            can = p.allowed[np.arange(p.n), wish[part]]
            node = np.where(can, wish[part], np.argmax(p.allowed * rng.random((p.n, p.k)), axis=1))
        if p.input_stays:
            node[[v for t in p.tensors if t.producer == GIVEN for v in t.consumers]] = p.origin
        rows.append(node)
    return np.array(rows, dtype=np.int64)


def _forwards(p: Problem, places: Ints) -> Ints:
    """The nodes at these places of the line, or further on where a layer may not run there."""
    assert p.line is not None
    place, nodes = 0, []
    for v, wish in enumerate(places):
        place = max(place, int(wish))
        while place < p.k - 1 and not p.allowed[v, p.line[place]]:
            place += 1
        nodes.append(p.line[place])
    return np.array(nodes)
