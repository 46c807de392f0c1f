"""The published partitioner and other baselines beside ours, MobileNetV2 on three nodes: what each split would cost.

Two sets of sites (equal machines with the paper's caps and grids; the three unlike machines of three-sites.toml), each
without declared links, where tensors travel for nothing but the hand-over, and over 100 Mbit/s with 2 ms round trip:
settings of this table, not claims about any network, and without energy, because none is known. No split is run: the
figures are what `evaluate` predicts from a profile, which is measured now (half a minute) or read from a file, or with
--modelled from the roofline.

    python benchmarks/partition_table.py [--profile FILE | --modelled] [--markdown]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from dataclasses import replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from gramwise.core import plugins
from gramwise.core.clock import SystemClock
from gramwise.core.model import ModelGraph
from gramwise.fleet.scenario import Scenario, links_of
from gramwise.graph import zoo
from gramwise.graph.atoms import merge
from gramwise.graph.load import load_graph
from gramwise.graph.zoo.modules import mobilenetv2_modules
from gramwise.partition.build import Profile, problem_of
from gramwise.partition.problem import OBJECTIVES, Problem, evaluate, runs
from gramwise.partition.published import equation_5, fill
from gramwise.partition.solver import solve_problem
from gramwise.power.model import host_rate_flop_per_s
from gramwise.runtime.assembly import grids_of, priced, read_scenario
from gramwise.runtime.layercosts import costs_of, goals_of
from gramwise.runtime.layerprofile import profile_model
from gramwise.runtime.pricing import needs_host_rate
from gramwise.runtime.profilefile import ProfileFile, read_profile
from gramwise.runtime.session import optimised_outputs
from record import finish, row

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
NETWORK = "mobilenetv2-1.0-224"
PARTS = {2: (116, 25), 3: (108, 16, 17), 4: (100, 16, 16, 9)}
SITES = {
    "paper-three-nodes": {},
    "three-sites": {
        "models.digits.variants.fp32.file": f"zoo:{NETWORK}",
        "workload.inputs": "random",
        "workload.count": 1,
    },
}
LINKS: dict[str, dict[str, float]] = {
    "no links declared": {},
    "100 Mbit/s, 2 ms": {"bytes_per_s": 100e6 / 8, "rtt_s": 2e-3},
}
BASELINES = ("amp4ec", "equal", "neurosurgeon")
MOST_STAGES = 6
KEYS = ("latency_s", "energy_j", "carbon_g", "moved_bytes", "period_s")
HEAD = ("placement", "ms", "mJ", "µg", "KiB moved", "period ms", "carbon", "latency", "period")


def main() -> None:
    """Solve and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    costs_from = parser.add_mutually_exclusive_group()
    costs_from.add_argument(
        "--profile", type=Path, help="of paper-three-nodes; written there if it is not there yet"
    )
    costs_from.add_argument("--modelled", action="store_true", help="take the roofline")
    parser.add_argument("--markdown", action="store_true", help="print the tables as in the documentation")
    arguments = parser.parse_args()
    path = zoo.path(NETWORK)
    graph = merge(load_graph(path), optimised_outputs(path))
    profile = None if arguments.modelled else profiled(graph, arguments.profile)
    tables: dict[str, Any] = {}
    lines = reproduction()
    for site, changes in SITES.items():
        scenario = read_scenario(EXAMPLES / f"{site}.toml", changes)
        costs = costs_of_nodes(scenario, graph, profile)
        for links, link in LINKS.items():
            keys = {
                f"nodes.{name}.link.{key}": value for name in scenario.nodes for key, value in link.items()
            }
            linked = read_scenario(EXAMPLES / f"{site}.toml", {**changes, **keys})
            entries = table(linked, graph, costs)
            tables[f"{site}, {links}"] = {"costs": costs.method, "source": costs.source, "rows": entries}
            lines += verdicts(f"{site}, {links}", entries)
    if arguments.markdown:
        print_markdown(tables)
    finish("partition_table", lines, tables=tables)


def profiled(graph: ModelGraph, file: Path | None) -> ProfileFile:
    """The profile of the paper's three nodes, measured where there is none yet."""
    scenario = read_scenario(EXAMPLES / "paper-three-nodes.toml")
    with tempfile.TemporaryDirectory() as folder:
        place = file or Path(folder) / "measured.profile.json"
        if not place.exists():
            asyncio.run(profile_model(scenario, out=place))
        return read_profile(place, graph.digest, list(scenario.nodes))


def reproduction() -> list[dict[str, Any]]:
    """AMP4EC's published parts, from its rule."""
    modules = mobilenetv2_modules()
    costs = [equation_5(m.kernel, m.groups, m.parameters) for m in modules]
    lines = []
    for parts, published in PARTS.items():
        ours = fill(costs, parts)
        ends = [0, *accumulate(ours)]
        mac = [sum(m.mac for m in modules[a:b]) for a, b in pairwise(ends)]
        shares = [round(100 * part / sum(mac), 1) for part in mac]
        lines.append(row(f"AMP4EC's rule, {parts} parts", "as published", ours, ours == published))
        lines.append(row("  share of the multiply-accumulates, %", "", shares, None))
    return lines


def costs_of_nodes(scenario: Scenario, graph: ModelGraph, profile: ProfileFile | None) -> Profile:
    """What each atom takes on each node.

    Both sets of sites hold their nodes to the same three CPU shares on this one machine, so one profile is that of
    both: a node has the times of the profiled one of its share.
    """
    nodes = scenario.node_records()
    price = priced(scenario, nodes, host_rate_flop_per_s() if needs_host_rate(nodes) else None)
    grids = grids_of(scenario, SystemClock().now_s())
    if profile is None:
        return costs_of(scenario, graph, price, grids)
    by_share = {times.cpu_share: times for times in profile.nodes.values()}
    renamed = {node.name: by_share[node.cpu_share] for node in nodes}
    return costs_of(scenario, graph, price, grids, msgspec.structs.replace(profile, nodes=renamed))


def table(scenario: Scenario, graph: ModelGraph, costs: Profile) -> list[dict[str, Any]]:
    """Each node alone, the baselines, and ours for each objective."""
    goals = replace(goals_of(scenario), latency_limit_s=None)
    problem = problem_of(graph, scenario.node_records(), links_of(scenario), costs, goals=goals)
    named: dict[str, tuple[int, ...]] = {
        f"all on {name}": (node,) * problem.n for node, name in enumerate(problem.nodes)
    }
    for name in BASELINES:
        for objective in ("latency", "carbon") if name == "neurosurgeon" else ("carbon",):
            label = f"{name}, {objective}" if name == "neurosurgeon" else name
            named[label] = solve_problem(replace(problem, objective=objective), name).placement
    for objective in OBJECTIVES:
        found = solve_problem(replace(problem, objective=objective))
        label = f"ours, {objective} ({found.method}{'' if found.exact else ', not proven'})"
        named[label] = found.placement
    if "pipeline" in plugins.names("partitioner"):
        found = solve_problem(replace(problem, objective="throughput"), "pipeline")
        named["ours, throughput in contiguous stages (pipeline)"] = found.placement
    figures = evaluate(problem, np.array(list(named.values())))
    singles = slice(0, problem.k)
    entries = []
    for i, (label, placement) in enumerate(named.items()):
        entry = {key: float(getattr(figures, key)[i]) for key in KEYS}
        for key in ("latency_s", "energy_j", "carbon_g", "period_s"):
            entry[f"{key}_over_best_single"] = entry[key] / float(getattr(figures, key)[singles].min())
        entries.append({"what": label, "placement": described(problem, placement), **entry})
    return entries


def described(problem: Problem, placement: tuple[int, ...]) -> str:
    """Nodes with the number of layers of each stage; only their number where there are many."""
    stages = runs(problem, placement)
    if len(stages) > MOST_STAGES:
        return f"{len(stages)} stages on {len(set(placement))} nodes"
    return " > ".join(f"{problem.nodes[run.node]} {len(run.layers)}" for run in stages)


def verdicts(where: str, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ours against every other row, each in what it minimises."""
    lines = []
    for objective, key in zip(OBJECTIVES, ("carbon_g", "energy_j", "latency_s", "period_s"), strict=True):
        ours = next(e for e in entries if e["what"].startswith(f"ours, {objective} "))
        best = min(e[key] for e in entries if not e["what"].startswith("ours"))
        ratio = ours[key] / best
        lines.append(row(f"{where}: {objective}, ours / best other", "<= 1", ratio, ratio <= 1 + 1e-9))
        theirs = next(e for e in entries if e["what"] == "amp4ec")
        lines.append(row(f"  {objective}, amp4ec / ours", "", theirs[key] / ours[key], None))
    return lines


def print_markdown(tables: dict[str, Any]) -> None:
    """The tables to standard error, figures rounded; the last three columns relative to the best single node."""
    for title, content in tables.items():
        print(f"\n{title} ({content['costs']}: {content['source']})\n", file=sys.stderr)
        print(f"| | {' | '.join(HEAD)} |\n|{' --- |' * (len(HEAD) + 1)}", file=sys.stderr)
        for e in content["rows"]:
            cells = [
                e["what"],
                e["placement"],
                f"{e['latency_s'] * 1e3:.1f}",
                f"{e['energy_j'] * 1e3:.3g}",
                f"{e['carbon_g'] * 1e6:.3g}",
                f"{e['moved_bytes'] / 1024:.0f}",
                f"{e['period_s'] * 1e3:.1f}",
                *(f"{e[f'{key}_over_best_single']:.2f}" for key in ("carbon_g", "latency_s", "period_s")),
            ]
            print(f"| {' | '.join(cells)} |", file=sys.stderr)


if __name__ == "__main__":
    main()
