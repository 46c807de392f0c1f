"""From outcomes and clocks to the bill: energy balance, means with intervals, distance to the bounds, provenance."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gramwise.core.decision import Outcome
from gramwise.core.errors import SourceUnavailable
from gramwise.core.protocols import NodeUsage
from gramwise.core.quantity import Quantity, weakest
from gramwise.core.series import percentile
from gramwise.core.units import carbon_g
from gramwise.optimize.bounds import capacity_bound, captured_frac, closed_form_bound, gap_frac
from gramwise.power.model import Balance, idle_energy_j
from gramwise.runtime.assembly import Fleet
from gramwise.runtime.engine import variant_key
from gramwise.runtime.provenance import sentences
from gramwise.runtime.stats import paired_interval, relative_change

SCHEMA = "gramwise.bench/1"

_BOUNDARIES = ("chip", "board", "wall", "site")

Kept = tuple[int, int, int, Outcome]
"""Repeat, block, position and what happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeBlock:
    """One node over one block: CPU seconds by their own clocks and counters, and the joules they stand for."""

    node: str
    attributed_s: float
    overhead_s: float | None
    metered_s: float | None
    balance: Balance


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """All nodes over one block of one policy."""

    policy: str
    repeat: int
    block: int
    window_s: float
    nodes: tuple[NodeBlock, ...]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Rows of ``nodes.csv``."""
        for n in self.nodes:
            yield {
                "policy": self.policy,
                "repeat": self.repeat,
                "block": self.block,
                "node": n.node,
                "window_s": self.window_s,
                **asdict(n.balance),
                "attributed_s": n.attributed_s,
                "overhead_s": n.overhead_s,
                "metered_s": n.metered_s,
            }


def block(
    fleet: Fleet,
    policy: str,
    repeat: int,
    number: int,
    window_s: float,
    before: Mapping[str, NodeUsage],
    after: Mapping[str, NodeUsage],
) -> Block:
    """Account one block: each part from its own clock, all through the same power model."""
    nodes = tuple(
        _node_block(fleet, node.name, window_s, before[node.name], after[node.name]) for node in fleet.nodes
    )
    return Block(policy=policy, repeat=repeat, block=number, window_s=window_s, nodes=nodes)


def _node_block(fleet: Fleet, node: str, window_s: float, before: NodeUsage, after: NodeUsage) -> NodeBlock:
    idle_w = fleet.price.idle_w[node]
    idle_j = math.nan if idle_w is None else idle_energy_j(window_s, idle_w.value)
    known = before.metered_s is not None and after.metered_s is not None
    metered_s = (after.metered_s or 0.0) - (before.metered_s or 0.0) if known else None
    attributed_s = after.attributed_s - before.attributed_s
    counted = before.overhead_s is not None and after.overhead_s is not None
    overhead_s = (after.overhead_s or 0.0) - (before.overhead_s or 0.0) if counted else None
    balance = Balance(
        attributed_j=fleet.price.energy_j(node, attributed_s),
        idle_j=idle_j,
        overhead_j=math.nan if overhead_s is None else fleet.price.energy_j(node, overhead_s),
        metered_j=None if metered_s is None else fleet.price.energy_j(node, metered_s) + idle_j,
    )
    return NodeBlock(
        node=node, attributed_s=attributed_s, overhead_s=overhead_s, metered_s=metered_s, balance=balance
    )


@dataclass(frozen=True, slots=True)
class Line:
    """What one policy did: accuracy floor of its requests, outcomes, blocks, and how long its snapshots took."""

    name: str
    floor: float | None
    kept: Sequence[Kept]
    blocks: Sequence[Block]
    snapshot_times_s: Sequence[float]

    @property
    def done(self) -> list[Outcome]:
        return [o for *_, o in self.kept if o.status == "completed"]

    @property
    def inferences(self) -> int:
        return sum(o.count for o in self.done)

    @property
    def window_s(self) -> float:
        return sum(b.window_s for b in self.blocks)

    def per_inference(self, what: Callable[[Outcome], float]) -> float | None:
        """Sum over outcomes per inference; None when unknown or nothing was completed."""
        total = sum(what(o) for o in self.done)
        return _known(total / self.inferences) if self.inferences else None

    def carbon(self) -> float | None:
        return self.per_inference(lambda o: o.cost.carbon_g)

    def pairs(self) -> dict[tuple[int, int], tuple[int, float]]:
        """Block and grams per inference by (repeat, position), for pairing."""
        return {
            (repeat, seq): (number, o.cost.carbon_g / o.count)
            for repeat, number, seq, o in self.kept
            if o.status == "completed" and math.isfinite(o.cost.carbon_g)
        }


def summarise(
    fleet: Fleet,
    results: Sequence[Line],
    inputs: str,
    run_dir: str,
    host_measured_j: float | None = None,
) -> dict[str, Any]:
    """The ``gramwise.bench/1`` document; every number is finite or None (unknown).

    Args:
        fleet: what served.
        results: what each policy did.
        inputs: what the requests carried, in words.
        run_dir: where the run lies.
        host_measured_j: what this machine's own meter read over the run, everything on it included; None without one.
    """
    lines = list(results)
    baseline = next((line for line in lines if line.name == "monolithic"), None)
    pool = _Pool(fleet, lines)
    bounds = {line.name: (*pool.bounds(line.floor), _captured_pooled(pool, line, baseline)) for line in lines}
    plain = pool.bounds(None)
    floor = fleet.scenario.goals.accuracy_floor_frac
    loose = pool.bounds(floor) if floor is not None else (None, None)
    balance = _balance(lines)
    return {
        "schema": SCHEMA,
        "scenario": fleet.scenario.name,
        "caps": fleet.executor.caps,
        "baseline": "monolithic" if baseline else None,
        "baseline_node": fleet.scenario.baseline_node,
        "policies": [_policy(fleet, line, baseline, *bounds[line.name]) for line in lines],
        "bounds": {
            "b0_g_per_inference": plain[0],
            "b1_g_per_inference": plain[1],
            "b0_variants_g_per_inference": loose[0],
            "b1_variants_g_per_inference": loose[1],
        },
        "nodes": [_node(fleet, i, pool) for i in range(len(fleet.nodes))],
        "balance": None if balance is None else {k: _known(v) for k, v in asdict(balance).items()},
        "energy_closure_frac": balance.closure_frac if balance else None,
        "dynamic_closure_frac": balance.dynamic_closure_frac if balance else None,
        "host_measured_j": host_measured_j,
        "provenance": list(sentences(fleet, inputs, host_measured_j)),
        "run_dir": run_dir,
    }


def _policy(
    fleet: Fleet,
    line: Line,
    baseline: Line | None,
    b0_g: float | None,
    b1_g: float | None,
    pooled: float | None,
) -> dict[str, Any]:
    done = line.done
    carbon = line.carbon()
    if baseline is not None and any(
        o.fallback or o.node != fleet.scenario.baseline_node for o in baseline.done
    ):
        baseline = None  # its node was lost: what it did since is no baseline
    base = baseline.carbon() if baseline else None
    change = carbon / base - 1.0 if carbon is not None and base else None
    interval = _change_interval(line, baseline) if baseline and baseline is not line else None
    if baseline is line:
        interval = (0.0, 0.0)
    latencies = [o.cost.latency_s for o in done]
    decisions = [o.decision_s for *_, o in line.kept]
    labelled = [o for o in done if o.correct is not None]
    count = sum(o.count for o in labelled)
    return {
        "name": line.name,
        "requests": len(line.kept),
        "completed": len(done),
        "late": sum(o.late for o in done),
        "fallback": sum(o.fallback for o in done),
        "retried": sum(o.attempts > 1 for o in done),
        "accuracy_frac": sum(o.correct or 0 for o in labelled) / count if count else None,
        "accuracy_floor_frac": line.floor,
        "latency_s": {"p50": percentile(latencies, 0.50), "p95": percentile(latencies, 0.95)},
        "throughput_per_s": line.inferences / line.window_s if line.window_s else None,
        "energy_j_per_inference": line.per_inference(lambda o: o.cost.energy_j),
        "idle_g_per_inference": _idle_g(fleet, line),
        "transfer_g_per_inference": _transfer_g(fleet, line),
        "carbon_g_per_inference": carbon,
        "carbon": _carbon_quantity(fleet, line),
        "inferences_per_g": 1.0 / carbon if carbon else None,
        "change_frac": change,
        "change_low_frac": interval[0] if interval else None,
        "change_high_frac": interval[1] if interval else None,
        "snapshot_s": {
            "p50": percentile(line.snapshot_times_s, 0.50),
            "p99": percentile(line.snapshot_times_s, 0.99),
        },
        "node_share": _share(fleet, line),
        "variant_share": {k: v / len(done) for k, v in Counter(o.variant for o in done).items()},
        "decision_s": {"p50": percentile(decisions, 0.50), "p99": percentile(decisions, 0.99)},
        "b0_g_per_inference": b0_g,
        "b1_g_per_inference": b1_g,
        "gap_b1_frac": gap_frac(carbon, b1_g) if carbon is not None else None,
        "captured_b0_frac": captured_frac(base, carbon, b0_g) if base and carbon is not None else None,
        "captured_b1_frac": captured_frac(base, carbon, b1_g) if base and carbon is not None else None,
        "captured_b0_pooled_frac": pooled,
    }


def _change_interval(line: Line, baseline: Line) -> tuple[float, float] | None:
    ours, theirs = line.pairs(), baseline.pairs()
    both = sorted(set(ours) & set(theirs))
    return paired_interval(
        [ours[k][1] for k in both],
        [theirs[k][1] for k in both],
        [(k[0], ours[k][0]) for k in both],
        relative_change,
    )


def _share(fleet: Fleet, line: Line) -> dict[str, float | None]:
    served = Counter(o.node for o in line.done)
    total = sum(served.values())
    return {n.name: served[n.name] / total if total else None for n in fleet.nodes}


def _idle_g(fleet: Fleet, line: Line) -> float | None:
    """Grams that the nodes spent being on over the policy's windows, per inference; unknown if any is unknown."""
    if not line.inferences:
        return None
    total = 0.0
    for node, grid in zip(fleet.nodes, fleet.grids, strict=True):
        idle_w = fleet.price.idle_w[node.name]
        if idle_w is None or grid.intensity is None:
            return None
        total += carbon_g(idle_energy_j(line.window_s, idle_w.value), grid.intensity.value, node.pue)
    return total / line.inferences


def _transfer_g(fleet: Fleet, line: Line) -> float | None:
    """Grams of sending the inputs; unknown unless every node that was used declares its link's energy."""
    grids = {n.name: (n, g) for n, g in zip(fleet.nodes, fleet.grids, strict=True)}
    used = {o.node for o in line.done}
    if not used or any(grids[name][0].link.energy_j_per_byte is None for name in used):
        return None
    total = 0.0
    for o in line.done:
        node, grid = grids[o.node]
        if grid.intensity is None:
            return None
        energy_j = (node.link.energy_j_per_byte or 0.0) * fleet.request_bytes
        total += carbon_g(energy_j, grid.intensity.value)
    return total / line.inferences


def _carbon_quantity(fleet: Fleet, line: Line) -> dict[str, Any] | None:
    """Grams per inference with the interval that the factors (not the sampling) leave, as a `Quantity`."""
    cpu_s: Counter[str] = Counter()
    for o in line.done:
        cpu_s[o.node] += o.cpu_s  # type: ignore[assignment]  # a Counter adds any number
    if not cpu_s:
        return None
    parts: list[tuple[float, Quantity, Quantity, float]] = []
    for node, grid in zip(fleet.nodes, fleet.grids, strict=True):
        price = fleet.price.j_per_cpu_s[node.name]
        if node.name in cpu_s:
            if price is None or grid.intensity is None:
                return None
            parts.append((cpu_s[node.name], price, grid.intensity, node.pue))

    def total(end: str) -> float:
        grams = sum(
            carbon_g(s * getattr(price, end), getattr(intensity, end), pue)
            for s, price, intensity, pue in parts
        )
        return float(grams / line.inferences)

    boundaries = {price.boundary for _, price, _, _ in parts}
    return asdict(
        Quantity(
            value=total("value"),
            low=total("low"),
            high=total("high"),
            unit="g",
            method=weakest(*(q.method for _, price, i, _ in parts for q in (price, i))),
            boundary=min(boundaries, key=_BOUNDARIES.index),  # of several, the one that includes least
            source="thread CPU seconds x energy model of each node's device x its zone's intensity",
        )
    )


class _Pool:
    """Mean joules and CPU seconds of one inference by node and variant, pooled over all policies of the run."""

    def __init__(self, fleet: Fleet, lines: Sequence[Line]) -> None:
        self.fleet, self.lines = fleet, lines
        self.cpu_s: dict[tuple[str, str], float] = {}
        count: Counter[tuple[str, str]] = Counter()
        total: dict[tuple[str, str], float] = {}
        for line in lines:
            for o in line.done:
                key = (o.node, o.variant)
                count[key] += o.count
                total[key] = total.get(key, 0.0) + o.cpu_s
        for i, node in enumerate(fleet.plans.node.tolist()):
            name, variant = fleet.nodes[node].name, fleet.plans.variant[i]
            if fleet.plans.model[i] != fleet.scenario.model:
                continue
            profile = fleet.profiles.get((name, variant_key(fleet.scenario.model, variant)))
            if count[name, variant]:
                self.cpu_s[name, variant] = total[name, variant] / count[name, variant]
            elif profile is not None:  # nobody used it in this run: what warming up measured
                self.cpu_s[name, variant] = (
                    float(np.mean(profile.cpu_times_s)) / fleet.scenario.workload.count
                )

    def candidates(self, floor: float | None) -> Iterator[tuple[int, float, float]]:
        """Node, grams and CPU seconds of one inference, for each plan that a request with this floor permits."""
        table = self.fleet.plans
        for row, node in enumerate(table.node.tolist()):
            name, variant = self.fleet.nodes[node].name, table.variant[row]
            permitted = table.reference[row] if floor is None else table.accuracy_frac[row] >= floor
            grams = self.grams(node, variant)
            if permitted and math.isfinite(grams):
                yield node, grams, self.cpu_s[name, variant]

    def grams(self, node: int, variant: str) -> float:
        """Grams of one inference at pooled CPU seconds; NaN when unknown."""
        at, grid = self.fleet.nodes[node], self.fleet.grids[node].intensity
        cpu_s = self.cpu_s.get((at.name, variant), math.nan)
        return (
            math.nan
            if grid is None
            else carbon_g(self.fleet.price.energy_j(at.name, cpu_s), grid.value, at.pue)
        )

    def carbon_g(self, line: Line) -> float | None:
        """Grams per inference of what a policy chose, at pooled CPU seconds."""
        index = {node.name: i for i, node in enumerate(self.fleet.nodes)}
        return line.per_inference(lambda o: self.grams(index[o.node], o.variant) * o.count)

    def bounds(self, floor: float | None) -> tuple[float | None, float | None]:
        """B0 and B1 in grams per inference, for the stream that the run served.

        B1 gives each node the longest window that any policy took, so it bounds every one of them.
        """
        options = list(self.candidates(floor))
        count = max((line.inferences for line in self.lines), default=0)
        if not options or not count:
            return None, None
        grams = np.array([[o[1] for o in options]])
        busy_s = np.array([[o[2] for o in options]])
        number = np.array([float(count)])
        window_s = max(line.window_s for line in self.lines)
        capacity_s = np.array([min(n.slots, n.cpu_share) * window_s for n in self.fleet.nodes])  # CPU seconds
        b0 = closed_form_bound(grams, number) / count
        try:
            b1 = capacity_bound(grams, number, busy_s, np.array([o[0] for o in options]), capacity_s)
        except SourceUnavailable:
            return b0, None
        return b0, b1.carbon_g / count


def _captured_pooled(pool: _Pool, line: Line, baseline: Line | None) -> float | None:
    """Captured share of B0 with every inference at its node's pooled joules: decisions without the clocks' noise."""
    ours, base = pool.carbon_g(line), pool.carbon_g(baseline) if baseline else None
    return None if ours is None or base is None else captured_frac(base, ours, pool.bounds(line.floor)[0])


def _balance(lines: Sequence[Line]) -> Balance | None:
    total: Balance | None = None
    for line in lines:
        for each in line.blocks:
            for node in each.nodes:
                total = node.balance if total is None else total + node.balance
    return total


def _node(fleet: Fleet, i: int, pool: _Pool) -> dict[str, Any]:
    node, grid = fleet.nodes[i], fleet.grids[i]
    price, idle_w = fleet.price.j_per_cpu_s[node.name], fleet.price.idle_w[node.name]
    reference = fleet.scenario.models[fleet.scenario.model].reference
    cpu_s = pool.cpu_s.get((node.name, reference))
    energy = None
    if price is not None and cpu_s is not None:
        energy = Quantity(
            value=price.value * cpu_s,
            low=price.low * cpu_s,
            high=price.high * cpu_s,
            unit="J",
            method=price.method,
            boundary=price.boundary,
            source=price.source,
        )
    return {
        "name": node.name,
        "zone": node.zone,
        "device": node.device.id,
        "device_name": node.device.name,
        "cpu_share": node.cpu_share,
        "memory_bytes": node.memory_bytes,
        "pue": node.pue,
        "intensity_g_per_kwh": grid.intensity.value if grid.intensity else None,
        "intensity": asdict(grid.intensity) if grid.intensity else None,
        "intensity_signal": grid.signal,
        "intensity_basis": grid.basis,
        "intensity_age_s": _known(grid.age_s),
        "alive": fleet.executor.alive()[node.name],
        "cpu_s_per_inference": cpu_s,
        "energy_j_per_inference": asdict(energy) if energy else None,
        "idle_w": asdict(idle_w) if idle_w else None,
    }


def _known(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
