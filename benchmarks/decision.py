"""One decision of `grams` at 3, 100 and 10,000 nodes, beside a plain Python loop over the same nodes in the same run.

Steady state means: plans and intensities as they were, queues different at every decision (a hundred snapshots of one
version with unlike loads, in turn), explanation available from what the decision holds. Reported as well: the same
with the better half of the plans busy, so that the choice lies deep in the ranking; the first decision after a new
snapshot version; and the case in which no plan is feasible.
"""

from __future__ import annotations

import dataclasses
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gramwise import load_policy
from gramwise.core.decision import Snapshot
from gramwise.testing import example_request, example_snapshot
from record import finish, row

LIMITS_US = {3: 3.0, 100: 10.0, 10_000: 60.0}
LOADS = 100
ROUNDS = 30


def main() -> None:
    """Measure and print."""
    rows, details = [], {}
    for nodes, limit_us in LIMITS_US.items():
        figures = measure(nodes)
        details[str(nodes)] = figures
        rows.append(
            row(
                f"one decision, {nodes} nodes, p50 (us)",
                f"<= {limit_us:g}",
                figures["steady_p50_us"],
                figures["steady_p50_us"] <= limit_us,
            )
        )
        for key in (
            "steady_p99_us",
            "best_half_busy_p50_us",
            "first_of_version_us",
            "nothing_feasible_us",
            "plain_loop_us",
            "times_plain_loop",
        ):
            rows.append(row(f"  {nodes} nodes, {key}", "reported", figures[key], None))
    finish("decision", rows, details=details)


def measure(nodes: int) -> dict[str, float]:
    """Microseconds per decision, by case."""
    base = example_snapshot(nodes, 0)
    request = dataclasses.replace(example_request(0), deadline_s=generous(base))
    loads = [with_load(base, seed) for seed in range(LOADS)]
    policy = load_policy("grams")
    decision = policy.decide(request, loads[0])
    assert decision.plan is not None
    assert len(decision.verdicts) == len(base.plans)  # it can be explained
    steady = timed(lambda s: policy.decide(request, s), loads)
    busy = [with_best_half_busy(base) for _ in range(LOADS)]
    deep = timed(lambda s: policy.decide(request, s), busy)
    hopeless = dataclasses.replace(request, deadline_s=1e-9)
    policy.decide(hopeless, loads[0])
    nothing = timed(lambda s: policy.decide(hopeless, s), loads)
    versions = [dataclasses.replace(base, version=10_000 + i) for i in range(LOADS)]
    first = timed(lambda s: policy.decide(request, s), versions, rounds=1)
    lists = [as_lists(s) for s in loads]
    loop = timed(lambda s: plain_loop(s, request.deadline_s or 0.0, request.count), lists, rounds=3)
    assert all(
        plain_loop(as_lists(s), request.deadline_s or 0.0, request.count) == policy.decide(request, s).row
        for s in loads
    )  # the peer answers the same question
    p50 = statistics.median(steady)
    return {
        "steady_p50_us": p50,
        "steady_p99_us": float(np.quantile(steady, 0.99)),
        "best_half_busy_p50_us": statistics.median(deep),
        "first_of_version_us": statistics.median(first),
        "nothing_feasible_us": statistics.median(nothing),
        "plain_loop_us": statistics.median(loop),
        "times_plain_loop": p50 / statistics.median(loop),
    }


def generous(snapshot: Snapshot) -> float:
    """A deadline that most nodes meet and a loaded one misses."""
    table = snapshot.plans
    return float(np.quantile(table.latency_s + table.fixed_s + snapshot.backlog_s[table.node], 0.9)) * 2


def with_load(snapshot: Snapshot, seed: int) -> Snapshot:
    """The same version under another load."""
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(snapshot.backlog_s)
    return dataclasses.replace(snapshot, backlog_s=shuffled, queued=rng.permutation(snapshot.queued))


def with_best_half_busy(snapshot: Snapshot) -> Snapshot:
    """The same version with the greener half of the plans too busy for any deadline: the search has to go far."""
    table = snapshot.plans
    grams = table.energy_j * snapshot.intensity_g_per_kwh[table.node] * snapshot.pue[table.node]
    backlog = np.zeros(len(snapshot.nodes))
    backlog[table.node[np.argsort(grams)[: len(table) // 2]]] = 1e6
    return dataclasses.replace(snapshot, backlog_s=backlog)


def timed(call: Callable[[Any], object], cases: Sequence[Any], rounds: int = ROUNDS) -> list[float]:
    """Microseconds of each call, the clock's own cost taken off."""
    clock = time.perf_counter_ns
    empty = statistics.median(-(clock() - clock()) for _ in range(1000))
    samples = []
    for _ in range(rounds):
        for case in cases:
            start = clock()
            call(case)
            samples.append((clock() - start - empty) / 1e3)
    return samples


def as_lists(s: Snapshot) -> tuple[list[float], ...]:
    """The same columns as Python lists, ready for the loop: the peer is not charged for converting them."""
    t = s.plans
    node = t.node
    return (
        (t.energy_j).tolist(),
        s.intensity_g_per_kwh[node].tolist(),
        s.pue[node].tolist(),
        s.backlog_s[node].tolist(),
        t.fixed_s.tolist(),
        t.latency_s.tolist(),
        t.memory_bytes.tolist(),
        s.memory_bytes[node].tolist(),
    )


def plain_loop(columns: tuple[list[float], ...], deadline_s: float, count: int) -> int:
    """What one would write first: score every plan that fits and is in time, keep the least."""
    best, best_g = -1, float("inf")
    for i, (energy, intensity, pue, wait, fixed, latency, needs, has) in enumerate(
        zip(*columns, strict=True)
    ):
        if needs <= has and wait + fixed + latency * count <= deadline_s:
            grams = energy * (intensity * pue / 3.6e6)
            if grams < best_g:
                best, best_g = i, grams
    return best


if __name__ == "__main__":
    sys.exit(main())
