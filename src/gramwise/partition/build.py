"""From a graph, machines, links and a profile to a `Problem`: the one place where units and unknowns are settled."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gramwise.core.errors import ConfigError, did_you_mean
from gramwise.core.machines import Link, Node
from gramwise.core.model import ModelGraph
from gramwise.core.quantity import Method
from gramwise.core.units import carbon_g
from gramwise.graph.cuts import legal_cuts

from .problem import GIVEN, Objective, Problem, Tensor, Ways, Weight
from .published import layer_costs

if TYPE_CHECKING:
    from gramwise.core.decision import Floats

OUTSIDE = ""
"""What links call the client, who gives the input and takes the answer unless another place is named."""

Links = Mapping[tuple[str, str], Link]
"""Link by (from, to), both directions listed apart; a pair that is not there cannot speak."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Profile:
    """What each layer takes on each node; n layers, k nodes.

    Attributes:
        digest: of the model that was profiled.
        layers, nodes: names, in the order of the arrays.
        latency_s: seconds of one inference of each layer, (n, k); NaN where unknown.
        energy_j: marginal joules of one inference of each layer, (n, k); NaN where unknown.
        intensity_g_per_kwh: of each node's grid, (k,); NaN where unknown.
        method: measured, modelled or assumed: how the times are known.
        source: how they were obtained, in words: machine, version, date.
        base_bytes: what a node holds besides weights and activations.
        bytes_per_weight_byte: what holding a byte of weights takes.
        handover_s, handover_s_per_byte: seconds that a message takes at its two ends, besides the link.
        handover_cpu_j: joules that a node spends on receiving a message, (k,).
        handover_j_per_byte: joules that a node spends on a byte that it sends or receives, (k,).
    """

    digest: str
    layers: tuple[str, ...]
    nodes: tuple[str, ...]
    latency_s: Floats
    energy_j: Floats
    intensity_g_per_kwh: Floats
    method: Method
    source: str
    base_bytes: float = 0.0
    bytes_per_weight_byte: float = 1.0
    handover_s: float = 0.0
    handover_s_per_byte: float = 0.0
    handover_cpu_j: Floats | None = None
    handover_j_per_byte: Floats | None = None


@dataclass(frozen=True, kw_only=True)
class Goals:
    """What a plan must keep to, and where its data is.

    Attributes:
        latency_limit_s: seconds of one inference; None for no limit.
        rate_per_s: inferences a second that every node and link must sustain; None for no goal.
        taken_frac: share of a node's time that other work takes, by node; needs ``rate_per_s``, a node that is wholly
            taken does not.
        origin, destination: node where the input is born, and where the answer is wanted; `OUTSIDE` for the client.
        input_stays: the input must not leave its origin.
        may_run: nodes that may run each operator type, by operator; an operator that is not listed may run anywhere.
        charge_idle: a node that takes part is charged its idle power while it waits for the others.
        line: nodes in the order in which tensors may be passed on, to the next one only; None for any.
    """

    latency_limit_s: float | None = None
    rate_per_s: float | None = None
    taken_frac: Mapping[str, float] | None = None
    origin: str = OUTSIDE
    destination: str = OUTSIDE
    input_stays: bool = False
    may_run: Mapping[str, Collection[str]] | None = None
    charge_idle: bool = False
    line: tuple[str, ...] | None = None


def problem_of(
    graph: ModelGraph,
    nodes: Sequence[Node],
    links: Links,
    profile: Profile,
    *,
    objective: Objective = "carbon",
    goals: Goals | None = None,
) -> Problem:
    """The placement problem of a network on these nodes.

    Args:
        graph: layers in topological order; its digest must be the profile's.
        nodes: the machines, in the profile's order.
        links: between nodes, and between `OUTSIDE` and nodes.
        profile: times and joules of every layer.
        objective: what to minimise.
        goals: limits.

    Returns:
        The problem. A layer whose time or energy is unknown on a node, or a node of unknown intensity where carbon
        counts, may not be used: unknown is never the best. Energy of links that nobody declared counts as nothing
        here; the caller says so (see `undeclared_energy`).

    Raises:
        ConfigError: profile and graph do not belong together; a name that is not there; a limit that makes no sense.
    """
    goals = goals or Goals()
    _same_model(graph, nodes, profile)
    names = tuple(node.name for node in nodes)
    k = len(nodes)
    g_per_j = np.array(
        [carbon_g(1.0, i, node.pue) for i, node in zip(profile.intensity_g_per_kwh, nodes, strict=True)]
        + [0.0]
    )
    known = np.isfinite(profile.latency_s) & np.isfinite(profile.energy_j)
    if objective == "carbon":
        known &= np.isfinite(g_per_j[:k])
    allowed = known & _may_run(graph, names, goals)
    budget_s = budgets(nodes, goals)
    return Problem(
        layers=tuple(layer.name for layer in graph.layers),
        nodes=names,
        objective=objective,
        latency_s=np.where(known, profile.latency_s, 0.0),
        energy_j=np.where(known, profile.energy_j, 0.0),
        g_per_j=np.where(np.isfinite(g_per_j), g_per_j, 0.0),
        tensors=tensors_of(graph),
        ways=_ways(names, links, profile),
        origin=_place(goals.origin, names, "origin"),
        destination=_place(goals.destination, names, "destination"),
        allowed=allowed,
        weights=_weights(graph, profile.bytes_per_weight_byte),
        working_bytes=_working_bytes(graph),
        memory_bytes=np.array([max(0.0, node.memory_bytes - profile.base_bytes) for node in nodes]),
        slots=np.array([float(node.slots) for node in nodes]),
        budget_s=budget_s,
        link_budget_s=1.0 / goals.rate_per_s if goals.rate_per_s else math.inf,
        latency_limit_s=math.inf if goals.latency_limit_s is None else goals.latency_limit_s,
        idle_w=_idle_w(nodes, goals),
        line=None if goals.line is None else tuple(_place(name, names, "line") for name in goals.line),
        input_stays=goals.input_stays,
        published_cost=layer_costs(graph),
    )


def tensors_of(graph: ModelGraph) -> tuple[Tensor, ...]:
    """Every tensor that some layer or the outside reads, with who makes it and who reads it."""
    producer = {name: v for v, layer in enumerate(graph.layers) for name in layer.outputs}
    readers: dict[str, list[int]] = {}
    for v, layer in enumerate(graph.layers):
        for name in dict.fromkeys(layer.inputs):
            readers.setdefault(name, []).append(v)
    wanted = set(graph.outputs)
    names = [*graph.inputs, *producer]
    return tuple(
        Tensor(
            name,
            graph.tensor_bytes[name],
            producer.get(name, GIVEN),
            tuple(readers.get(name, ())),
            name in wanted,
        )
        for name in names
        if name in readers or name in wanted
    )


def undeclared_energy(links: Links) -> bool:
    """Whether some link does not say what a byte costs, so that the energy of transfers is not fully known."""
    return any(link.energy_j_per_byte is None for link in links.values())


def _same_model(graph: ModelGraph, nodes: Sequence[Node], profile: Profile) -> None:
    if profile.digest != graph.digest:
        raise ConfigError(
            f"the profile is of another model: its digest begins with {profile.digest[:12]}, that of {graph.name} with"
            f" {graph.digest[:12]}.",
            key="profile",
            fix="Profile this model: gramwise profile MODEL --scenario SCENARIO.",
        )
    if profile.layers != tuple(layer.name for layer in graph.layers):
        raise ConfigError(
            f"the profile has {len(profile.layers)} layers and the graph {len(graph.layers)}, or they differ in name.",
            key="profile",
            fix="Profile this model anew with this version: gramwise profile MODEL --scenario SCENARIO.",
        )
    if profile.nodes != tuple(node.name for node in nodes):
        raise ConfigError(
            f"the profile is of the nodes {', '.join(profile.nodes)}, not of {', '.join(n.name for n in nodes)}.",
            key="profile",
            fix="Profile the model on this scenario's nodes.",
        )


def _place(name: str, names: Sequence[str], key: str) -> int:
    if name == OUTSIDE:
        return len(names)
    if name not in names:
        raise ConfigError(f"there is no node {name!r}.", key=key, fix=did_you_mean(name, names))
    return list(names).index(name)


def _may_run(
    graph: ModelGraph, names: tuple[str, ...], goals: Goals
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    allowed = np.ones((len(graph.layers), len(names)), dtype=np.bool_)
    for v, layer in enumerate(graph.layers):
        for op in layer.op.split("+"):
            if goals.may_run and op in goals.may_run:
                allowed[v] &= [name in goals.may_run[op] for name in names]
    return allowed


def budgets(nodes: Sequence[Node], goals: Goals) -> Floats:
    """Seconds that one inference may keep each node busy."""
    budgets = []
    for node in nodes:
        free_frac = 1.0 - (goals.taken_frac or {}).get(node.name, 0.0)
        rate = goals.rate_per_s
        budgets.append(0.0 if free_frac <= 0 else node.slots * free_frac / rate if rate else math.inf)
    return np.array(budgets)


def _idle_w(nodes: Sequence[Node], goals: Goals) -> Floats:
    """Idle power that is charged to each node."""
    if not goals.charge_idle:
        return np.zeros(len(nodes))
    for node in nodes:
        if node.device.idle_w is None:
            raise ConfigError(
                f"idle power is charged, and that of {node.device.name} (node {node.name!r}) is not known.",
                key="split.charge_idle",
                fix="Write charge_idle = false, or declare the device with its idle_w under [devices].",
            )
    return np.array([node.device.idle_w for node in nodes], dtype=np.float64)


def _weights(graph: ModelGraph, factor: float) -> tuple[Weight, ...]:
    """Constants grouped by the layers that read them: those of one group are held together or not at all."""
    readers: dict[str, list[int]] = {}
    for v, layer in enumerate(graph.layers):
        for name in dict.fromkeys(layer.constants):
            readers.setdefault(name, []).append(v)
    groups: dict[tuple[int, ...], float] = {}
    for name, layers in readers.items():
        groups[tuple(layers)] = groups.get(tuple(layers), 0.0) + factor * graph.constant_bytes[name]
    return tuple(Weight(size, layers) for layers, size in groups.items() if size)


def _working_bytes(graph: ModelGraph) -> Floats:
    """Activations alive while each layer runs: what is alive before it, and what it makes. A piece holds no more."""
    cuts = legal_cuts(graph)
    return np.array(
        [
            cuts[v].bytes + sum(graph.tensor_bytes[t] for t in layer.outputs)
            for v, layer in enumerate(graph.layers)
        ],
        dtype=np.float64,
    )


def _ways(names: tuple[str, ...], links: Links, profile: Profile) -> Ways:
    k = len(names)
    index = {name: i for i, name in enumerate((*names, OUTSIDE))}
    none = np.full((k + 1, k + 1), np.inf)
    np.fill_diagonal(none, 0.0)
    fixed_s, s_per_byte = none, np.zeros((k + 1, k + 1))
    send_j, receive_j, message_j, busy_s, busy_s_per_byte = (np.zeros((k + 1, k + 1)) for _ in range(5))
    own_j = np.append(np.zeros(k) if profile.handover_cpu_j is None else profile.handover_cpu_j, 0.0)
    own_j_per_byte = np.append(
        np.zeros(k) if profile.handover_j_per_byte is None else profile.handover_j_per_byte, 0.0
    )
    for (start, end), link in links.items():
        for name in (start, end):
            if name not in index:
                raise ConfigError(f"there is no node {name!r}.", key="links", fix=did_you_mean(name, names))
        u, v = index[start], index[end]
        if u == v:
            continue
        sent, received = link.energy_j_per_byte or 0.0, link.receive_j_per_byte or 0.0
        # What the client's end spends is on no grid that we know: a node at the other end stands in for it.
        sent, received = (
            (0.0, sent + received) if u == k else (sent + received, 0.0) if v == k else (sent, received)
        )
        # The client is no node: what leaves for it needs no new model, and only our end of its messages is ours.
        share = 0.5 if k in (u, v) else 1.0
        fixed_s[u, v] = link.rtt_s / 2 + (profile.handover_s if v != k else 0.0)
        byte_s = profile.handover_s_per_byte * share
        s_per_byte[u, v] = (1.0 / link.bytes_per_s if link.bytes_per_s else 0.0) + byte_s
        if v != k:
            busy_s[u, v], busy_s_per_byte[u, v] = profile.handover_s, profile.handover_s_per_byte / 2
        send_j[u, v], receive_j[u, v] = sent + own_j_per_byte[u], received + own_j_per_byte[v]
        message_j[u, v] = own_j[v]
    return Ways(
        fixed_s=fixed_s,
        s_per_byte=s_per_byte,
        send_j_per_byte=send_j,
        receive_j_per_byte=receive_j,
        receive_j=message_j,
        receive_busy_s=busy_s,
        receive_busy_s_per_byte=busy_s_per_byte,
    )
