"""From outcomes and clocks to the bill: energy balance, means with intervals, distance to the bounds, provenance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from gramwise.core.quantity import Quantity, weakest
from gramwise.core.series import percentile
from gramwise.core.units import carbon_g
from gramwise.optimize.bounds import captured_frac, gap_frac
from gramwise.power.model import Balance, idle_energy_j
from gramwise.runtime.assembly import Fleet
from gramwise.runtime.chain import OUTSIDE
from gramwise.runtime.engine import NODES_JOINED, Part
from gramwise.runtime.pool import Pool
from gramwise.runtime.provenance import sentences
from gramwise.runtime.stats import paired_interval, relative_change
from gramwise.runtime.tally import Line, known

SCHEMA = "gramwise.bench/1"

_BOUNDARIES = ("chip", "board", "wall", "site")


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
    pool = Pool(fleet, lines)
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
        "balance": None if balance is None else {k: known(v) for k, v in asdict(balance).items()},
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
        "captured_b0_frac": _captured(base, carbon, b0_g, pooled),
        "captured_b1_frac": _captured(base, carbon, b1_g, pooled),
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
    """Share of the completed requests by node; a split plan stands there as ``a > b > c``."""
    served = Counter(o.node.replace(NODES_JOINED, f" {NODES_JOINED} ") for o in line.done)
    total = sum(served.values())
    places = dict.fromkeys([*(n.name for n in fleet.nodes), *served])
    return {place: served[place] / total if total else None for place in places}


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
    """Grams of moving tensors: the inputs, and those between the stages of a split plan.

    Unknown unless every link that was used declares its energy.
    """
    total = 0.0
    for o in line.done:
        grams = _moved_g(fleet, line.split.get(o.request), o.node)
        if grams is None:
            return None
        total += grams
    return total / line.inferences if line.inferences else None


def _moved_g(fleet: Fleet, parts: Sequence[Part] | None, node: str) -> float | None:
    """Grams of moving the tensors of one request; None when unknown."""
    if parts is None:
        moves: list[tuple[str, str, float]] = [(OUTSIDE, node, float(fleet.request_bytes))]
    elif fleet.split is None:
        return None
    else:
        sizes = fleet.split.nbytes
        moves = [(m.start, m.end, sizes[m.tensor]) for m in fleet.split.route.moves]
    total = 0.0
    for start, end, nbytes in moves:
        link = fleet.network.links.get((start, end))
        if link is None or link.energy_j_per_byte is None:
            return None
        # What the client's end spends is on no grid that we know: the node at the other end stands in for it.
        spent = ((start or end, link.energy_j_per_byte), (end or start, link.receive_j_per_byte or 0.0))
        for payer, j_per_byte in spent:
            grid = next(g for n, g in zip(fleet.nodes, fleet.grids, strict=True) if n.name == payer)
            if grid.intensity is None:
                return None
            total += carbon_g(j_per_byte * nbytes, grid.intensity.value)
    return total


def _carbon_quantity(fleet: Fleet, line: Line) -> dict[str, Any] | None:
    """Grams per inference with the interval that the factors (not the sampling) leave, as a `Quantity`."""
    cpu_s: Counter[str] = Counter()
    for part in (part for o in line.done for part in line.parts(o)):
        cpu_s[part.node] += part.cpu_s  # type: ignore[assignment]  # a Counter adds any number
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


def _captured(
    base: float | None, carbon: float | None, bound_g: float | None, pooled: float | None
) -> float | None:
    """Captured share, unknown where at pooled joules the baseline leaves nothing to capture but the clocks' noise."""
    if base is None or carbon is None or pooled is None:
        return None
    return captured_frac(base, carbon, bound_g)


def _captured_pooled(pool: Pool, line: Line, baseline: Line | None) -> float | None:
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


def _node(fleet: Fleet, i: int, pool: Pool) -> dict[str, Any]:
    node, grid = fleet.nodes[i], fleet.grids[i]
    price, idle_w = fleet.price.j_per_cpu_s[node.name], fleet.price.idle_w[node.name]
    reference = fleet.scenario.models[fleet.scenario.model].reference
    spent = pool.cpu_s.get((node.name, reference))
    cpu_s = spent[0] if spent else None
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
        "intensity_age_s": known(grid.age_s),
        "alive": fleet.executor.alive()[node.name],
        "cpu_s_per_inference": cpu_s,
        "energy_j_per_inference": asdict(energy) if energy else None,
        "idle_w": asdict(idle_w) if idle_w else None,
    }
