"""What a profile predicts for MobileNetV2 in two pieces on two nodes, beside what the same pieces then take.

The three nodes of examples/paper-three-nodes.toml, on this machine, first with the caps that it has and then at a
declared virtual speed. Wall seconds mean something only on a machine that is otherwise idle: its load is printed.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gramwise.core.clock import SystemClock
from gramwise.fleet.scenario import Scenario, links_of
from gramwise.partition.build import problem_of
from gramwise.partition.problem import Problem, evaluate
from gramwise.runtime.assembly import grids_of, read_scenario
from gramwise.runtime.layercosts import borders, costs_of, goals_of, read_profile, rested_s
from gramwise.runtime.layerprofile import profile_model, start_nodes
from gramwise.runtime.pricing import cpu_price
from gramwise.runtime.profilefile import ProfileFile
from gramwise.runtime.subject import Pieces, subject_of
from record import finish, row

SCENARIO = Path(__file__).resolve().parents[1] / "examples" / "paper-three-nodes.toml"
AT = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Where to cut, as shares of the pieces."""

PAIRS = ((0, 1), (0, 2), (1, 2), (2, 0))
RUNS, WARM_UPS = 15, 3


def main() -> None:
    """Run both and print."""
    rows, details = [], {}
    for caps in ("auto", "virtual"):
        read = read_scenario(SCENARIO, {"executor.caps": caps})
        with tempfile.TemporaryDirectory() as folder:
            measured = asyncio.run(measure(read, Path(folder)))
        details[caps] = measured
        for figure, goal in (("cpu", 0.10), ("latency", 0.10), ("rested", 0.10)):
            errors = [abs(s[f"{figure}_error_frac"]) for s in measured["splits"]]
            what = f"{caps}: predicted {figure} of two pieces, median error and largest"
            value = [statistics.median(errors), max(errors)]
            rows.append(row(what, f"median <= {goal:.0%}", value, value[0] <= goal))
        rows.append(row(f"{caps}: whole and sum of its pieces, CPU ms", "", measured["sums_ms"], None))
        rows.append(row(f"{caps}: a border, CPU us and ns a byte", "", measured["border"], None))
    finish("profiled_split", rows, load=os.getloadavg(), **details)


async def measure(scenario: Scenario, folder: Path) -> dict[str, Any]:
    """Profile, predict, run."""
    document = await profile_model(scenario, out=folder / "p.json")
    nodes = scenario.node_records()
    subject = subject_of(scenario, None, None)
    profile = read_profile(folder / "p.json", subject.graph.digest, [node.name for node in nodes])
    price = cpu_price(nodes, None)  # the example declares its speed factors
    costs = costs_of(scenario, subject.graph, price, grids_of(scenario, SystemClock().now_s()), profile)
    goals = replace(goals_of(scenario), latency_limit_s=None)
    problem = problem_of(subject.graph, nodes, links_of(scenario), costs, objective="latency", goals=goals)
    j_per_cpu_s = price.energy_j(nodes[0].name, 1.0)
    pieces = Pieces(scenario, subject, folder)
    executor = await start_nodes(scenario, nodes)
    try:
        splits = []
        for cut, pair in wanted(len(pieces.parts)):
            seconds, cpu_s = await two(executor, problem, pieces, cut, pair)
            predicted = prediction(problem, profile, pieces.ends[cut], pair, j_per_cpu_s)
            splits.append(
                {
                    "after_piece": cut,
                    "bytes": pieces.bytes_at(cut),
                    "nodes": [problem.nodes[i] for i in pair],
                    "predicted_s": predicted,
                    "measured_s": {"latency": seconds, "cpu": cpu_s},
                    "latency_error_frac": predicted["latency"] / seconds - 1,
                    "rested_error_frac": predicted["rested"] / seconds - 1,
                    "cpu_error_frac": predicted["cpu"] / cpu_s - 1,
                }
            )
    finally:
        await executor.close()
    first = profile.nodes[nodes[0].name]
    border = borders(profile)
    return {
        "splits": splits,
        "stretch": {name: node["stretch"] for name, node in document["nodes"].items()},
        "hop": document["hop"],
        "sums_ms": [
            first.longest[0].cpu_s.median * 1e3,
            sum(piece.cpu_s.median for piece in first.pieces if piece) * 1e3,
        ],
        "border": [border.fixed_s * 1e6, border.s_per_byte * 1e9],
    }


def wanted(pieces: int) -> Iterator[tuple[int, tuple[int, int]]]:
    """Cuts and pairs of nodes."""
    return ((int(pieces * share), pair) for share in AT for pair in PAIRS)


async def two(
    executor: Any, problem: Problem, pieces: Pieces, cut: int, pair: tuple[int, int]
) -> tuple[float, float]:
    """Median seconds and CPU seconds of head and tail, one after the other, the tensor going from node to node."""
    head, tail = (problem.nodes[i] for i in pair)
    files = pieces.cut([0, cut, len(pieces.parts)])
    crossing = pieces.alive[cut]
    await executor.load(head, "head", str(files[0]))
    await executor.load(tail, "tail", str(files[1]))
    seconds, cpu_s = [], []
    for turn in range(-WARM_UPS, RUNS):
        start_s = time.perf_counter()
        made = await executor.run(head, "head", pieces.given[0], hold=crossing)
        answer = await executor.run(tail, "tail", {name: made.held[name] for name in crossing})
        executor.release(made.held.values())
        if turn >= 0:
            seconds.append(time.perf_counter() - start_s)
            cpu_s.append(made.cpu_s + answer.cpu_s)
    await executor.drop(head, "head")
    await executor.drop(tail, "tail")
    return statistics.median(seconds), statistics.median(cpu_s)


def prediction(
    problem: Problem, profile: ProfileFile, cut: int, pair: tuple[int, int], j_per_cpu_s: float
) -> dict[str, float]:
    """Latency as a plan has it, the same on nodes that rest between requests, and CPU seconds."""
    head, tail = pair
    found = evaluate(problem, np.array([[head] * cut + [tail] * (problem.n - cut)]))
    latency_s = rested = float(found.latency_s[0])
    for node in pair:
        stage_s = float(found.busy_s[0, node])
        rested -= stage_s - rested_s(profile, problem.nodes[node], stage_s)
    return {"latency": latency_s, "rested": rested, "cpu": float(found.energy_j[0]) / j_per_cpu_s}


if __name__ == "__main__":
    main()
