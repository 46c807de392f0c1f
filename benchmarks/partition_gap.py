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
from typing import Any

import numpy as np

from gramwise.core import plugins
from gramwise.partition.instances import SHAPES, random_problem
from gramwise.partition.problem import OBJECTIVES, Problem, evaluate
from gramwise.partition.solver import EXACT_METHODS, solve_problem
from record import finish, row

INSTANCES = 200
LAYERS = {2: 11, 3: 7, 4: 6}
"""Layers by nodes: few enough for 2^11, 3^7, 4^6 placements."""

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
    chain = [random_problem("chain", 150, 5, seed, memory=True) for seed in range(5)]
    rows.append(
        timed_worst("chain of 150 operators, 5 devices, memory limits (slowest of 5)", chain, "chain", 0.200)
    )
    for limits in ({}, {"memory": True}, {"memory": True, "latency": True}):
        worst_s, gap = 0.0, 0.0
        for seed in range(3):
            problem = random_problem("dag", 150, 5, seed, **limits)
            start_s = time.perf_counter()
            found = solve_problem(problem, "milp")
            worst_s, gap = max(worst_s, time.perf_counter() - start_s), max(gap, found.gap_frac)
        what = (
            f"general MILP, 150 operators, 5 devices, limits: {' and '.join(limits) or 'none'} (slowest of 3)"
        )
        rows.append(
            row(
                what,
                "10 s, or gap printed",
                f"{worst_s:.2f} s, gap {gap:.2g}",
                worst_s <= 10 or gap < math.inf,
            )
        )
    rows += front(three)
    return rows


def timed(what: str, problem: Problem, method: str, limit_s: float) -> dict[str, Any]:
    """One row: the method must prove its answer within the limit."""
    found = solve_problem(problem, method)
    took_s = seconds(lambda: solve_problem(problem, method))
    return row(what, f"<= {limit_s * 1e3:.0f} ms", took_s, took_s <= limit_s and found.exact)


def timed_worst(what: str, problems: list[Problem], method: str, limit_s: float) -> dict[str, Any]:
    """As `timed`, the slowest of several problems."""
    return max(
        (timed(what, problem, method, limit_s) for problem in problems), key=lambda r: float(r["value"])
    )


def front(problem: Problem) -> list[dict[str, Any]]:
    """The front of MobileNetV2 over three nodes: its time, and whether any of 10,000 random plans dominates a point."""
    method = plugins.create("partitioner", "labels")
    found = method.front(problem)
    took_s = seconds(lambda: method.front(problem))
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
    """MobileNetV2 over the paper's three nodes, or the first two of them, as `gramwise plan` builds it."""
    from pathlib import Path

    from gramwise.runtime.assembly import read_scenario
    from gramwise.runtime.plan import problem_of_scenario

    scenario = read_scenario(Path(__file__).parents[1] / "examples" / "split-three-sites.toml")
    return problem_of_scenario(scenario, nodes=nodes)


def main() -> None:
    """Print rows; ``--quick`` leaves the 600 instances away."""
    rows, methods = ([], {}) if "--quick" in sys.argv else gaps()
    finish("partition_gap", rows + quickness(), methods=methods, layers_by_nodes=LAYERS)


if __name__ == "__main__":
    main()
