"""From a profile, or without one from the roofline, to what each layer costs on each node: what a plan rests on.

Borders first. A run of one model on one node takes the CPU seconds of its layers, a fixed part for being a model of its
own, and a part for every byte that enters or leaves it (memory for outputs, tensors laid out anew, cold caches):

    piece = layers + b0 + b1 (bytes in + bytes out) / 2
    sum of the pieces - whole = b0 x borders + b1 x bytes over all borders

``b0`` and ``b1`` follow from the same network cut in several ways (least squares, neither below 0). What remains of the
pieces is scaled so that together they are the whole. docs/method/profile.md
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gramwise.core.errors import ConfigError
from gramwise.core.machines import Node
from gramwise.core.model import ModelGraph
from gramwise.core.quantity import weakest
from gramwise.fleet.links import place
from gramwise.fleet.scenario import Scenario
from gramwise.partition.build import Goals, Profile
from gramwise.power.roofline import Roof, host_roof, stand_ins, work_s
from gramwise.runtime import models
from gramwise.runtime.pricing import CpuPrice
from gramwise.runtime.profilefile import NodeTimes, Part, ProfileFile, Timed, profile_path, read_profile
from gramwise.runtime.world import Grid

if TYPE_CHECKING:
    from gramwise.core.decision import Floats

__all__ = [
    "Border",
    "borders",
    "costs_of",
    "goals_of",
    "piece_cpu_s",
    "profile_path",
    "read_profile",
    "rested_s",
]


def goals_of(scenario: Scenario, graph: ModelGraph | None = None) -> Goals:
    """What a plan for this scenario must keep to.

    Args:
        scenario: as loaded.
        graph: where it is given, the operators under ``split.may_run`` are checked against it.

    Raises:
        ConfigError: an operator that the network has, written in other letters.
    """
    split = scenario.split
    if graph is not None:
        _check_operators(scenario, graph)
    return Goals(
        latency_limit_s=scenario.goals.deadline_s,
        rate_per_s=split.rate_per_s,
        taken_frac={name: node.taken_frac for name, node in scenario.nodes.items()},
        origin=place(split.origin, scenario.nodes),
        destination=place(split.destination, scenario.nodes),
        input_stays=split.input_stays,
        may_run=split.may_run,
        charge_idle=split.charge_idle,
        line=split.line,
    )


def _check_operators(scenario: Scenario, graph: ModelGraph) -> None:
    there = {op for layer in graph.layers for op in layer.op.split("+")}
    by_letters = {op.casefold(): op for op in there}
    for op in scenario.split.may_run:
        meant = by_letters.get(op.casefold())
        if meant is not None and op not in there:
            raise ConfigError(
                f"the network has no operator {op!r}.",
                file=scenario.path,
                key=f"split.may_run.{op}",
                fix=f"Did you mean {meant!r}?",
            )


def costs_of(
    scenario: Scenario,
    graph: ModelGraph,
    price: CpuPrice,
    grids: Sequence[Grid],
    measured: ProfileFile | None = None,
    *,
    roof: Roof | None = None,
) -> Profile:
    """What each layer takes on each node of a scenario.

    Args:
        scenario: its nodes, and the zones that data may travel to: a node outside has no times, so nothing runs there.
        graph: of atoms, for requests of ``workload.count`` inferences.
        price: joules of a CPU second, by node.
        grids: of the nodes, in the scenario's order.
        measured: from `read_profile`; None takes the roofline of this host, which is measured now (half a second).
        roof: instead of measuring one; not used with a profile, which brings its own.

    Returns:
        Seconds and marginal joules of every layer for one request, and what handing over costs. NaN where unknown.

    Raises:
        ConfigError: the profile is of other pieces, another ``workload.count`` or another ``cpu_share``.
        MeterError: this host's rates could not be measured.
    """
    nodes = scenario.node_records()
    if measured is None:
        return _modelled(scenario, graph, nodes, price, grids, roof or host_roof())
    _check_same(scenario, graph, nodes, measured)
    border = borders(measured)
    parts_s = piece_cpu_s(measured, [node.name for node in nodes], border)
    shares = [_shares(graph, part, measured.rates.roof()) for part in measured.pieces]
    cpu_s = np.concatenate([share[:, None] * seconds for share, seconds in zip(shares, parts_s, strict=True)])
    stretch = np.array([measured.nodes[node.name].stretch for node in nodes])
    j_per_s = _j_per_cpu_s(nodes, price)
    hop_s, hop_s_per_byte = (measured.hop.fixed_s, measured.hop.s_per_byte) if measured.hop else (0.0, 0.0)
    return Profile(
        digest=graph.digest,
        layers=tuple(layer.name for layer in graph.layers),
        nodes=tuple(node.name for node in nodes),
        latency_s=_where_allowed(scenario, nodes, cpu_s * stretch),
        energy_j=cpu_s * j_per_s,
        intensity_g_per_kwh=_intensities(grids),
        method="measured",
        source=_story(measured, nodes),
        base_bytes=models.RUNTIME_BYTES,
        bytes_per_weight_byte=models.LOAD_FACTOR,
        # One figure for all pairs: a border costs the CPU seconds of either end, stretched by a node in the middle.
        handover_s=hop_s + border.fixed_s * float(stretch.mean()),
        handover_s_per_byte=hop_s_per_byte + border.s_per_byte * float(stretch.mean()),
        handover_cpu_j=border.fixed_s * np.nan_to_num(j_per_s),
        handover_j_per_byte=border.s_per_byte / 2 * np.nan_to_num(j_per_s),
    )


def _modelled(
    scenario: Scenario,
    graph: ModelGraph,
    nodes: Sequence[Node],
    price: CpuPrice,
    grids: Sequence[Grid],
    roof: Roof,
) -> Profile:
    """The roofline: CPU seconds of this host, which runs the nodes; a share below one stretches them."""
    works, precisions = [v.work for v in graph.layers], [v.precision for v in graph.layers]
    cpu_s = np.stack([work_s(works, precisions, roof, node.device) for node in nodes], axis=1)
    j_per_s = _j_per_cpu_s(nodes, price)
    copy_s_per_byte = 1.0 / roof.bytes_per_s.value
    said = [roof.source, *dict.fromkeys(s for n in nodes for s in stand_ins(precisions, roof, n.device))]
    if graph.uncounted_ops:
        said.append(f"{', '.join(graph.uncounted_ops)} by their bytes alone")
    said.append("a hand-over taken as one copy at each end, its fixed part unknown and left out")
    return Profile(
        digest=graph.digest,
        layers=tuple(layer.name for layer in graph.layers),
        nodes=tuple(node.name for node in nodes),
        latency_s=_where_allowed(scenario, nodes, cpu_s * [1.0 / min(1.0, node.cpu_share) for node in nodes]),
        energy_j=cpu_s * j_per_s,
        intensity_g_per_kwh=_intensities(grids),
        method=weakest("modelled", *(price.method(node.name) for node in nodes)),
        source="; ".join(said),
        base_bytes=models.RUNTIME_BYTES,
        bytes_per_weight_byte=models.LOAD_FACTOR,
        # A copy reads and writes each byte.
        handover_s_per_byte=2 * 2 * copy_s_per_byte,
        handover_j_per_byte=2 * copy_s_per_byte * np.nan_to_num(j_per_s),
    )


def rested_s(profile: ProfileFile, node: str, latency_s: float) -> float:
    """Seconds of a stage whose node rests between requests, as it does while other nodes run the other stages.

    A quota holds over periods and not within one: work that begins after a rest uses up what was saved first, at full
    speed. A plan rests on work without a pause, which is what a busy node gives; this is what a single request at a
    time sees.

    Args:
        profile: as read.
        node: where the stage runs.
        latency_s: of the stage, as the plan has it: CPU seconds times the node's stretch.

    Returns:
        ``max(cpu, latency - saved)``: never shorter than its CPU seconds.
    """
    times = profile.nodes[node]
    return max(latency_s / times.stretch, latency_s - times.saved_s)


class Border(NamedTuple):
    """What a border between two models costs in CPU seconds: by itself, and for each byte that crosses it."""

    fixed_s: float
    s_per_byte: float


def borders(profile: ProfileFile) -> Border:
    """Fit what borders cost to the same pieces cut in several ways, over all nodes.

    Args:
        profile: with at least one model of several pieces; without, borders cost nothing that is known.

    Returns:
        Least squares of ``sum of the models - longest = n x fixed + bytes x s_per_byte``, neither below 0. All nodes
        count alike, since they run on one machine and CPU seconds do not know a quota.
    """
    rows = np.array(list(_excesses(profile)), dtype=np.float64).reshape(-1, 3)
    if not len(rows):
        return Border(0.0, 0.0)
    scale = np.maximum(rows[:, :2].max(axis=0), 1.0)
    counts, excess = rows[:, :2] / scale, rows[:, 2]
    candidates = []
    for used in ([0, 1], [0], [1]):
        found = np.zeros(2)
        found[used] = np.linalg.lstsq(counts[:, used], excess, rcond=None)[0]
        found = np.maximum(found, 0.0)
        candidates.append((float(((counts @ found - excess) ** 2).sum()), tuple(found / scale)))
    _, (fixed_s, s_per_byte) = min(candidates)
    return Border(float(fixed_s), float(s_per_byte))


def _excesses(profile: ProfileFile) -> Iterator[tuple[int, float, float]]:
    """Borders, bytes over them, and seconds more than as one model, for every way in which a node was timed."""
    for node in profile.nodes.values():
        for longest in node.longest:
            for row in (*node.between, [piece for piece in node.pieces if piece is not None]):
                inside = [t for t in row if longest.first <= t.first and t.last <= longest.last]
                if len(inside) > 1:
                    crossed = [profile.pieces[t.last].send_bytes for t in inside[:-1]]
                    more_s = sum(t.cpu_s.median for t in inside) - longest.cpu_s.median
                    yield len(crossed), float(sum(crossed)), more_s


def piece_cpu_s(profile: ProfileFile, nodes: Sequence[str], border: Border) -> Floats:
    """CPU seconds of the layers of each piece on each node, borders taken off.

    How a network's time falls on its pieces is a matter of the machine, not of a quota, so it is the median over the
    nodes: what differs from node to node in one piece is noise, and a plan that chased it would promise what it cannot
    keep. Each node keeps its own sum.

    Args:
        profile: as read.
        nodes: k names.
        border: see `borders`.

    Returns:
        (pieces, k) seconds, >= 0; their sum on a node is its models as long as fit, less their borders. A piece that
        fits one node only has that node's time everywhere; one that fits none is NaN.
    """
    own = np.full((len(profile.pieces), len(nodes)), math.nan)
    for column, name in enumerate(nodes):
        for i, timed in enumerate(profile.nodes[name].pieces):
            if timed is not None:
                own[i, column] = _inner_s(profile, timed, border)
    known = np.isfinite(own)
    some = known.any(axis=1)
    typical = np.full(len(own), math.nan)
    typical[some] = np.nanmedian(own[some], axis=1)
    seconds = np.repeat(typical[:, None], len(nodes), axis=1)
    for column, name in enumerate(nodes):
        as_one_s = sum(_inner_s(profile, timed, border) for timed in profile.nodes[name].longest)
        together_s = float(typical[known[:, column]].sum())
        if together_s > 0:
            seconds[:, column] *= as_one_s / together_s
    return seconds


def _inner_s(profile: ProfileFile, timed: Timed, border: Border) -> float:
    """CPU seconds of a model without what its two ends cost."""
    crossed = profile.pieces[timed.first].receive_bytes + profile.pieces[timed.last].send_bytes
    return max(0.0, timed.cpu_s.median - border.fixed_s - border.s_per_byte * crossed / 2)


def _shares(graph: ModelGraph, part: Part, roof: Roof) -> Floats:
    """How the layers of a piece share its time: as the roofline says; alike where it says nothing."""
    by_name = {layer.name: layer for layer in graph.layers}
    layers = [by_name[name] for name in part.layers]
    seconds = work_s([v.work for v in layers], [v.precision for v in layers], roof)
    total = float(seconds.sum())
    return seconds / total if total > 0 else np.full(len(layers), 1.0 / len(layers))


def _where_allowed(scenario: Scenario, nodes: Sequence[Node], latency_s: Floats) -> Floats:
    """Unknown on nodes in zones to which the data may not travel, so that nothing is placed there."""
    zones = scenario.goals.allowed_zones
    outside = [zones is not None and node.zone not in zones for node in nodes]
    return np.where(outside, math.nan, latency_s)


def _j_per_cpu_s(nodes: Sequence[Node], price: CpuPrice) -> Floats:
    return np.array([price.energy_j(node.name, 1.0) for node in nodes])


def _intensities(grids: Sequence[Grid]) -> Floats:
    return np.array([math.nan if g.intensity is None else g.intensity.value for g in grids])


def _check_same(scenario: Scenario, graph: ModelGraph, nodes: Sequence[Node], measured: ProfileFile) -> None:
    anew = "Profile the model anew: gramwise profile MODEL --scenario SCENARIO."
    if measured.digest != graph.digest:
        raise ConfigError(
            f"the profile is of {measured.model}, digest {measured.digest[:12]}; the model has {graph.digest[:12]}.",
            key="profile",
            fix=anew,
        )
    if measured.count != scenario.workload.count:
        raise ConfigError(
            f"the profile was taken with {measured.count} inferences a request, not with {scenario.workload.count}.",
            file=scenario.path,
            key="workload.count",
            fix=anew,
        )
    if [name for part in measured.pieces for name in part.layers] != [layer.name for layer in graph.layers]:
        raise ConfigError(
            f"the profile was taken with onnxruntime {measured.onnxruntime}, which fuses this model in another way than"
            " the one installed here.",
            key="profile",
            fix=anew,
        )
    for node in nodes:
        was = measured.nodes[node.name].cpu_share
        if not math.isclose(was, node.cpu_share):
            raise ConfigError(
                f"the profile was taken with {was:g} of a CPU, not with {node.cpu_share:g}.",
                file=scenario.path,
                key=f"nodes.{node.name}.cpu_share",
                fix=anew,
            )


def _story(measured: ProfileFile, nodes: Sequence[Node]) -> str:
    def held(times: NodeTimes) -> str:
        return f"{times.stretch:.3g} wall seconds a CPU second ({times.stretch_of})"

    stretches = ", ".join(f"{node.name} {held(measured.nodes[node.name])}" for node in nodes)
    shared = any(len(part.layers) > 1 for part in measured.pieces)
    return (
        f"{len(measured.pieces)} pieces timed {measured.made} on {measured.machine}, onnxruntime"
        f" {measured.onnxruntime}; {stretches}"
        + ("; within a piece shared out by the roofline" if shared else "")
    )
