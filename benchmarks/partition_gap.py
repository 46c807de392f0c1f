"""Every exact method against exhaustive search, on 200 random instances of each shape; and how quick they are.

Instances are drawn by `gramwise.partition.instances.random_problem` from seeds 0 to 199: 2 to 4 nodes, all four
combinations of memory and latency limits in turn, all objectives in turn. A method answers where it says that it can;
the gap is what `evaluate` says of its placement against the least of all placements. Quickness: ratios mean little
here, so seconds are given, medians of several runs.
"""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gramwise.core import plugins
from gramwise.partition.build import Goals, problem_of
from gramwise.partition.front import front as front_of
from gramwise.partition.instances import SHAPES, random_problem
from gramwise.partition.problem import OBJECTIVES, Problem, evaluate
from gramwise.partition.solver import EXACT_METHODS, solve_problem
from gramwise.runtime.assembly import read_scenario
from gramwise.runtime.plan import case_of
from record import finish, row

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"

INSTANCES = 200
LAYERS = {2: 11, 3: 7, 4: 6}
"""Layers by nodes: few enough for 2^11, 3^7, 4^6 placements."""

CHAINS = 40
MOST_CHANGES = 15
"""Of node, in the best placement: seldom where moving tensors costs more than layers differ between nodes."""

METHODS = tuple(name for name in EXACT_METHODS if name != "enumeration")
RUNS = 5


def instance(shape: Any, seed: int) -> Problem:
    """Instance ``seed``: limits, objective and number of nodes go round by different periods."""
    nodes = 2 + seed % 3
    return random_problem(
        shape,
        LAYERS[nodes],
        nodes,
        seed,
        memory=bool(seed // 3 % 2),
        latency=bool(seed // 6 % 2),
        objective=OBJECTIVES[seed // 12 % 4],
        line=seed % 10 == 9,
    )


def value(problem: Problem, placement: tuple[int, ...] | None) -> float:
    """What a placement costs by the one definition; inf for none, or for one that breaks a limit."""
    if placement is None:
        return math.inf
    costs = evaluate(problem, np.array([placement]))
    return float(costs.value(problem.objective)[0]) if costs.feasible[0] else math.inf


def gaps() -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """A row a shape, and by method how many instances it answered, how many it proved, and the largest gap."""
    rows, methods = [], {name: {"answered": 0, "proved": 0, "largest_gap": 0.0} for name in METHODS}
    for shape in SHAPES:
        worst = infeasible = 0.0
        for seed in range(INSTANCES):
            problem = instance(shape, seed)
            least = value(problem, plugins.create("partitioner", "enumeration").split(problem).placement)
            infeasible += math.isinf(least)
            for name in METHODS:
                method = plugins.create("partitioner", name)
                if method.why_not(problem):
                    continue
                split = method.split(problem)
                found = value(problem, split.placement)
                gap = 0.0 if found == least else abs(found / least - 1)
                seen = methods[name]
                seen["answered"] += 1
                seen["proved"] += split.exact
                seen["largest_gap"] = max(seen["largest_gap"], gap)
                worst = max(worst, gap)
        what = f"largest gap, {INSTANCES} {shape} instances ({infeasible:.0f} without any plan), every method"
        rows.append(row(what, "0 (to 1e-9)", worst, worst <= 1e-9))
    unproved = [name for name, seen in methods.items() if seen["proved"] < seen["answered"]]
    rows.append(row("methods that left an instance unproved", "none", unproved or "none", not unproved))
    return rows, methods


def seconds(work: Callable[[], Any]) -> float:
    """Median of several runs after one to warm up."""
    work()
    times = []
    for _ in range(RUNS):
        start_s = time.perf_counter()
        work()
        times.append(time.perf_counter() - start_s)
    return statistics.median(times)


def quickness() -> list[dict[str, Any]]:
    """The rows with a time: minimum cut and front on MobileNetV2, a long chain, a large general problem."""
    two, three = mobilenet(2), mobilenet(3)
    rows = [timed("two devices, MobileNetV2, minimum cut", two, "mincut", 0.050)]
    rows += chains()
    rows += general()
    rows += front(three)
    return rows


def general() -> list[dict[str, Any]]:
    """The integer programme on large general graphs: seconds, and its proven gap where it did not finish."""
    rows = []
    for limits in ({}, {"memory": True}, {"memory": True, "latency": True}):
        found = []
        for seed in range(3):
            problem = random_problem("dag", 150, 5, seed, **limits)
            start_s = time.perf_counter()
            split = plugins.create("partitioner", "milp").split(problem)
            took_s = time.perf_counter() - start_s
            gap = 0.0 if split.exact else value(problem, split.placement) / split.bound - 1
            found.append((took_s, gap))
        slowest_s, largest = (max(column) for column in zip(*found, strict=True))
        proved = sum(gap == 0.0 for _, gap in found)
        what = f"general MILP, 150 operators, 5 devices, {' and '.join(limits) or 'no'} limits: slowest of 3"
        figure = f"{slowest_s:.1f} s, {proved} of 3 proved, largest gap {largest:.2%}"
        rows.append(row(what, "<= 10 s or proven gap", figure, slowest_s <= 11 and largest < math.inf))
    return rows


def timed(what: str, problem: Problem, method: str, limit_s: float) -> dict[str, Any]:
    """One row: the method must prove its answer within the limit."""
    found = solve_problem(problem, method)
    took_s = seconds(lambda: solve_problem(problem, method))
    return row(what, f"<= {limit_s * 1e3:.0f} ms", took_s, took_s <= limit_s and found.exact)


def chains() -> list[dict[str, Any]]:
    """Chains of 150 operators under memory limits, apart by how often the best placement changes node: how quick the
    method for chains is, and what it leaves unproved."""
    calm: list[tuple[float, bool]] = []
    restless: list[tuple[float, bool]] = []
    for seed in range(CHAINS):
        problem = random_problem("chain", 150, 5, seed, memory=True)
        method = plugins.create("partitioner", "chain")
        start_s = time.perf_counter()
        split = method.split(problem)
        took_s = time.perf_counter() - start_s
        changes = 0 if split.placement is None else int((np.diff(split.placement) != 0).sum())
        (calm if changes <= MOST_CHANGES else restless).append((took_s, split.exact))
    rows = []
    for what, found in ((f"at most {MOST_CHANGES} changes of node", calm), ("more changes", restless)):
        if not found:
            continue
        times = [took_s for took_s, _ in found]
        value = [
            statistics.median(times),
            sum(t <= 0.2 for t in times) / len(times),
            sum(e for _, e in found) / len(found),
        ]
        name = f"chain of 150, 5 devices, memory limits, {what} ({len(found)} of {CHAINS}): median s, in time, proved"
        rows.append(row(name, "<= 200 ms each", value, max(times) <= 0.2))
    return rows


def front(problem: Problem) -> list[dict[str, Any]]:
    """The front of MobileNetV2 over three nodes: its time, and whether any of 10,000 random plans dominates a point."""
    found = front_of(problem)
    took_s = seconds(lambda: front_of(problem))
    ours = np.stack([found.costs.carbon_g, found.costs.energy_j, found.costs.latency_s])
    beaten = 0
    for plans in random_plans(problem):
        costs = evaluate(problem, plans)
        theirs = np.stack([costs.carbon_g, costs.energy_j, costs.latency_s])[:, costs.feasible]
        for point in ours.T:
            no_worse = (theirs <= point[:, None] * (1 + 1e-12)).all(axis=0)
            better = (theirs < point[:, None] * (1 - 1e-9)).any(axis=0)
            beaten += bool((no_worse & better).any())
    size = f"{len(found.placements)} points over {found.space}"
    return [
        row(f"Pareto front, MobileNetV2, 3 nodes: {size}", "<= 1 s", took_s, took_s <= 1.0),
        row("points of it dominated by one of 10,000 random plans", "0", beaten, beaten == 0),
    ]


def random_plans(problem: Problem) -> list[Any]:
    """10,000 plans: a third places every layer by chance, a third cuts at two random positions, a third changes one
    layer in ten of a random single-node plan."""
    rng = np.random.default_rng(0)
    n, k, third = problem.n, problem.k, 3334
    anywhere = rng.integers(0, k, size=(third, n))
    cuts = np.sort(rng.integers(0, n + 1, size=(third, 2)), axis=1)
    order = np.stack([rng.permutation(k)[:3] if k >= 3 else rng.integers(0, k, 3) for _ in range(third)])
    stage = (np.arange(n) >= cuts[:, :1]).astype(int) + (np.arange(n) >= cuts[:, 1:])
    contiguous = np.take_along_axis(order, stage, axis=1)
    single = np.repeat(rng.integers(0, k, size=(third, 1)), n, axis=1)
    mutated = np.where(rng.random((third, n)) < 0.1, rng.integers(0, k, size=(third, n)), single)
    return [anywhere, contiguous, mutated]


def mobilenet(nodes: int) -> Problem:
    """MobileNetV2 on the paper's three nodes, or the first two of them, as `gramwise plan` builds it."""
    case = case_of(read_scenario(EXAMPLES / "paper-three-nodes.toml"))
    costs, kept = case.costs, [node.name for node in case.nodes[:nodes]]
    few = replace(
        costs,
        nodes=costs.nodes[:nodes],
        latency_s=costs.latency_s[:, :nodes],
        energy_j=costs.energy_j[:, :nodes],
        intensity_g_per_kwh=costs.intensity_g_per_kwh[:nodes],
        handover_cpu_j=None if costs.handover_cpu_j is None else costs.handover_cpu_j[:nodes],
        handover_j_per_byte=None if costs.handover_j_per_byte is None else costs.handover_j_per_byte[:nodes],
    )
    links = {pair: link for pair, link in case.links.items() if all(name in ("", *kept) for name in pair)}
    return problem_of(case.subject.graph, case.nodes[:nodes], links, few, goals=Goals())


def main() -> None:
    """Print rows; ``--quick`` leaves the 600 instances away."""
    rows, methods = ([], {}) if "--quick" in sys.argv else gaps()
    finish("partition_gap", rows + quickness(), methods=methods, layers_by_nodes=LAYERS)


if __name__ == "__main__":
    main()
