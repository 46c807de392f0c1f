"""The plan table of a scenario without running anything: declared costs first, else the roofline of the catalogue.

A simulation has no node to measure. What one inference takes is then what the scenario's ``[[costs]]`` say, or

    t = sum over layers of max(flop / peak, bytes / bandwidth),    e = t x (busy_w - idle_w)

with the peaks and the bandwidth of the device as its vendor states them (Williams, Waterman and Patterson, "Roofline",
CACM 52(4), 2009). Real programs reach a part of a peak, so the modelled time is a lower limit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gramwise.core.decision import PlanTable, columns
from gramwise.core.errors import ConfigError, UnknownShape
from gramwise.core.machines import Device, Node
from gramwise.core.model import ModelGraph, Variant
from gramwise.core.quantity import Method, Quantity, weakest
from gramwise.fleet.catalogue import half_width_frac
from gramwise.fleet.scenario import Scenario
from gramwise.fleet.traffic import CostTable
from gramwise.footprint.operational.kernels import of_layer
from gramwise.footprint.operational.ladder import Known, predict
from gramwise.power.roofline import FALLBACK, roofline_s
from gramwise.runtime.assembly import resolve_variants
from gramwise.runtime.chain import OUTSIDE
from gramwise.runtime.engine import variant_key
from gramwise.runtime.planfile import network_of
from gramwise.runtime.start import held_by

if TYPE_CHECKING:
    from gramwise.core.decision import Floats


_ROOFLINE = "modelled: roofline of catalogue peaks, a lower limit of time"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Modelled:
    """What a simulation knows of its machines; P rows in the table, in the order nodes x variants.

    Attributes:
        nodes: the machines, each with the link over which requests reach it.
        variants: of every model, references first.
        plans: the candidates; ``latency_s`` counts the transfer of an inference's inputs where a bandwidth is declared.
        service_s: seconds that one inference holds one slot of its node, (P,): ``latency_s`` without the transfer;
            infinite where the node cannot hold the variant.
        methods: how each row's figures are known, length P.
        input_bytes: of one inference, by model; only models that somebody reaches over a declared bandwidth.
        provenance: sentences for reports.
    """

    nodes: tuple[Node, ...]
    variants: tuple[Variant, ...]
    plans: PlanTable
    service_s: Floats
    methods: tuple[Method, ...]
    input_bytes: Mapping[str, int]
    provenance: tuple[str, ...]


class _Cost(NamedTuple):
    """Of one inference on a node: seconds in one of its slots, marginal joules, how known, and from where."""

    service_s: float
    energy_j: float
    method: Method
    source: str


def modelled_table(scenario: Scenario) -> Modelled:
    """A row for every node and every variant of every model, from declared costs or from the catalogue's figures.

    A declared cost of a node goes before one of its device, and both before the roofline. The roofline takes a node for
    the whole device, whatever ``cpu_share`` says; its ``slots`` share the device, so each is that much slower and an
    inference takes the same joules. A node that cannot hold a variant beside those before it has a row that its memory
    rules out.

    Args:
        scenario: as `gramwise.runtime.assembly.read_scenario` gives it.

    Returns:
        Nodes, variants, table and where each figure comes from.

    Raises:
        ConfigError: neither a cost is declared nor are the device's figures known; with file, key and what to write.
        ModelError: a model file is missing or cannot be analysed.
        SourceUnavailable: a model must be analysed and onnx is not installed.
    """
    links = network_of(scenario).links
    nodes = tuple(replace(node, link=links[OUTSIDE, node.name]) for node in scenario.node_records())
    variants = resolve_variants(scenario)
    held = held_by(scenario, nodes, variants, None)
    sizes = _input_sizes(scenario, nodes, variants)
    costs = {
        (node.name, variant.model, variant.name): _cost(scenario, node, variant)
        for node in nodes
        for variant in variants
        if variant_key(variant.model, variant.name) in held[node.name]
    }
    rows = [(i, node, variant) for i, node in enumerate(nodes) for variant in variants]
    found = [costs.get((node.name, variant.model, variant.name)) for _, node, variant in rows]
    service_s = columns([cost.service_s if cost else math.inf for cost in found])
    transfer_s = [_transfer_s(node, sizes.get(variant.model, 0)) for _, node, variant in rows]
    memory = [
        variant.memory_bytes if cost else max(variant.memory_bytes, node.memory_bytes + 1)
        for (_, node, variant), cost in zip(rows, found, strict=True)
    ]
    references = {(name, table.reference) for name, table in scenario.models.items()}
    plans = PlanTable(
        node=np.array([i for i, _, _ in rows]),
        model=tuple(variant.model for _, _, variant in rows),
        variant=tuple(variant.name for _, _, variant in rows),
        reference=np.array([(v.model, v.name) in references for _, _, v in rows], dtype=np.bool_),
        latency_s=columns((service_s + np.array(transfer_s)).tolist()),
        fixed_s=columns([node.link.rtt_s for _, node, _ in rows]),
        energy_j=columns([cost.energy_j if cost else math.nan for cost in found]),
        accuracy_frac=columns([_or_nan(variant.accuracy_frac) for _, _, variant in rows]),
        memory_bytes=columns(memory),
    )
    return Modelled(
        nodes=nodes,
        variants=variants,
        plans=plans,
        service_s=service_s,
        methods=tuple(cost.method if cost else "assumed" for cost in found),
        input_bytes=sizes,
        provenance=_provenance(costs),
    )


def _cost(scenario: Scenario, node: Node, variant: Variant) -> _Cost:
    declared = _declared(scenario.costs, node, variant)
    if declared is not None:
        said = f"declared: {variant.model}/{variant.name} on {declared.node or declared.device} ({declared.source})"
        return _Cost(declared.latency_s, declared.energy_j, "assumed", said)
    graph = _analysed(scenario, node, variant)
    whole_s = device_s(graph, node.device)
    idle_w, busy_w = node.device.idle_w, node.device.busy_w
    if whole_s is None or idle_w is None or busy_w is None:
        raise _undeclared(
            scenario, node, variant, f"the catalogue does not know {_missing(graph, node.device)} of"
        )
    said = _ROOFLINE
    if graph.uncounted_ops:
        said += f", operators without a formula counted in bytes only: {', '.join(graph.uncounted_ops)}"
    return _Cost(whole_s * node.slots, whole_s * (busy_w - idle_w), _method(graph, node.device), said)


def modelled_cost(scenario: Scenario, node: Node, variant: Variant) -> Quantity:
    """Marginal joules of one inference without running anything, with the interval that a bill needs.

    A declared cost has the interval of what is written without one. Else it is the highest rung of
    `gramwise.footprint.operational.ladder` that the catalogue reaches, and of it the part above idle power: an
    estimate, where `modelled_table` has the least time that peaks allow.

    Args:
        scenario, node, variant: as of `modelled_table`; the file of the variant is resolved.

    Raises:
        ConfigError: neither a cost is declared nor are the device's figures known.
    """
    declared = _declared(scenario.costs, node, variant)
    if declared is not None:
        half, rule = half_width_frac("declared")
        return Quantity(
            value=declared.energy_j,
            low=declared.energy_j * (1.0 - half),
            high=declared.energy_j * (1.0 + half),
            unit="J",
            method="assumed",
            boundary="board",
            source=f"{declared.source}, declared in {scenario.path.name}; interval by rule declared, {rule}",
        )
    idle_w, busy_w = node.device.idle_w, node.device.busy_w
    if idle_w is None or busy_w is None:
        raise _undeclared(scenario, node, variant, "the catalogue does not know idle_w and busy_w of")
    layers = _analysed(scenario, node, variant).layers
    try:
        whole = predict(Known(kernels=tuple(of_layer(layer) for layer in layers), device=node.device))
    except ConfigError as fault:
        why = "no peak or bandwidth is known of"
        raise _undeclared(scenario, node, variant, why) from fault
    share = max(busy_w - idle_w, 0.0) / busy_w
    return Quantity(
        value=whole.value * share,
        low=whole.low * share,
        high=whole.high * share,
        unit="J",
        method=weakest(whole.method, *(node.device.facts[key].method for key in ("idle_w", "busy_w"))),
        boundary=whole.boundary,
        source=f"{whole.source}; of it the {share:.0%} above idle power",
    )


def message_bytes(scenario: Scenario, node: Node, variant: Variant) -> int:
    """Bytes of one inference's inputs and outputs together.

    Raises:
        ConfigError: the file leaves a shape open.
    """
    graph = _analysed(scenario, node, variant)
    return sum(graph.tensor_bytes[name] for name in (*graph.inputs, *graph.outputs))


def _declared(costs: Sequence[CostTable], node: Node, variant: Variant) -> CostTable | None:
    """The cost that the scenario declares: the node's own before its device's."""
    fits = [cost for cost in costs if (cost.model, cost.variant) == (variant.model, variant.name)]
    own = [cost for cost in fits if cost.node == node.name]
    return next(iter([*own, *(cost for cost in fits if cost.device == node.device.id)]), None)


def device_s(graph: ModelGraph, device: Device) -> float | None:
    """Least seconds of one inference on a whole device: layer after layer, each at its roofline.

    Args:
        graph: analysed for a batch of one.
        device: with peaks by precision; one that the device does not know is taken as fp32.

    Returns:
        Seconds, or None where a peak or the bandwidth that is needed is not known.
    """
    bandwidth = device.memory_bytes_per_s
    rates = [_peak_flop_per_s(layer.precision, device) for layer in graph.layers if layer.work.flop > 0]
    if bandwidth is None or None in rates:
        return None
    works = [layer.work for layer in graph.layers]
    # A layer without arithmetic is bound by memory whatever the peak.
    peaks = [_peak_flop_per_s(layer.precision, device) or math.inf for layer in graph.layers]
    moved = [work.read_bytes + work.write_bytes for work in works]
    return math.fsum(roofline_s([work.flop for work in works], moved, peaks, bandwidth).tolist())


def _peak_flop_per_s(precision: str, device: Device) -> float | None:
    return device.peak_flop_per_s.get(precision, device.peak_flop_per_s.get(FALLBACK))


def _method(graph: ModelGraph, device: Device) -> Method:
    """As sure as the least sure figure that was used."""
    peaks = device.peak_flop_per_s
    used = {layer.precision if layer.precision in peaks else FALLBACK for layer in graph.layers}
    keys = [f"peak_flop_per_s.{precision}" for precision in used]
    known = [
        device.facts[key].method
        for key in (*keys, "memory_bytes_per_s", "idle_w", "busy_w")
        if key in device.facts
    ]
    return weakest("modelled", *known)


def _missing(graph: ModelGraph, device: Device) -> str:
    figures = {
        "memory_bytes_per_s": device.memory_bytes_per_s,
        "idle_w": device.idle_w,
        "busy_w": device.busy_w,
    }
    precisions = sorted({layer.precision for layer in graph.layers if layer.work.flop > 0})
    figures |= {f"peak_flop_per_s.{each}": _peak_flop_per_s(each, device) for each in precisions}
    return " and ".join(name for name, value in figures.items() if value is None)


def _undeclared(scenario: Scenario, node: Node, variant: Variant, why: str) -> ConfigError:
    return ConfigError(
        f"what {variant.model}/{variant.name} takes on {node.name} cannot be modelled: {why} {node.device.id!r}.",
        file=scenario.path,
        key="[[costs]]",
        fix=f'Write [[costs]] with model = "{variant.model}", variant = "{variant.name}", '
        f'device = "{node.device.id}", latency_s, energy_j and source.',
    )


def _analysed(scenario: Scenario, node: Node, variant: Variant) -> ModelGraph:
    path = Path(variant.path)
    stat = path.stat()
    try:
        return _graph(path, stat.st_mtime_ns, stat.st_size)
    except UnknownShape as fault:
        raise _undeclared(scenario, node, variant, f"{fault} That leaves open the time on") from fault


@cache
def _graph(path: Path, _mtime_ns: int, _size: int) -> ModelGraph:
    """Analysed once a process and file; its time and size are there so that a new file is read anew."""
    from gramwise.graph.load import load_graph

    return load_graph(path)


def _input_sizes(scenario: Scenario, nodes: Sequence[Node], variants: Sequence[Variant]) -> dict[str, int]:
    """Bytes of an inference's inputs by model, worked out only where a declared bandwidth makes them matter."""
    slow = [node for node in nodes if node.link.bytes_per_s]
    if not slow:
        return {}
    sizes: dict[str, int] = {}
    for variant in variants:
        if variant.model not in sizes:  # the reference comes first
            graph = _analysed(scenario, slow[0], variant)
            sizes[variant.model] = sum(graph.tensor_bytes[name] for name in graph.inputs)
    return sizes


def _transfer_s(node: Node, size_bytes: int) -> float:
    return size_bytes / node.link.bytes_per_s if node.link.bytes_per_s else 0.0


def _provenance(costs: Mapping[tuple[str, str, str], _Cost]) -> tuple[str, ...]:
    """Where the figures come from, each sentence once, with what it holds for where it is a model's."""
    where: dict[str, list[tuple[str, str]]] = {}
    for (node, model, variant), cost in costs.items():
        where.setdefault(cost.source, []).append((node, f"{model}/{variant}"))
    return tuple(
        source if source.startswith("declared") else f"{source}: {_holds_for(rows)}"
        for source, rows in where.items()
    )


def _holds_for(rows: Sequence[tuple[str, str]]) -> str:
    """Variants and nodes in words, those alike together."""
    nodes_of: dict[str, list[str]] = {}
    for node, variant in rows:
        nodes_of.setdefault(variant, []).append(node)
    alike: dict[tuple[str, ...], list[str]] = {}
    for variant, nodes in nodes_of.items():
        alike.setdefault(tuple(nodes), []).append(variant)
    return "; ".join(f"{', '.join(variants)} on {', '.join(nodes)}" for nodes, variants in alike.items())


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
