"""A year of thirteen zones by `gramwise sweep`: seconds, memory, and how the cost grows with hours and zones.

The default policies with their bounds in one go; apart from them the model-predictive policy with 40 % of the work free
to wait up to 6 hours, whose bound is one program over the year. Growth is measured on the same case cut to half its
hours or to 7 of its 13 nodes, with the load kept. ``--quick`` leaves the predictive policy away.
"""

from __future__ import annotations

import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gramwise.core.errors import Infeasible
from gramwise.optimize.bounds import most_that_fits
from gramwise.sim.case import Case, case_of
from gramwise.sim.rules import RULES
from gramwise.sim.sweep import Task, run_task, sweep, variations
from gramwise.sim.switching import b2_of_case
from record import finish, row

ROOT = Path(__file__).resolve().parents[1]
TRACES = Path(os.environ.get("GRAMWISE_TRACES") or ROOT / "../shared/data/traces")
YEAR = ROOT / "examples" / "year.toml"
WAITING = ("traffic.*.deferrable_frac=0.4", "traffic.*.deferrable_s=21600")

LIMIT_S, PREDICTIVE_LIMIT_S, MEMORY_BYTES = 60.0, 300.0, 2e9
B2_LIMIT_S = 60.0
GROWTH = 1.25
"""What is linear: twice the hours cost at most this many times twice the seconds."""
RUNS = 3


def main() -> None:
    """Measure and print."""
    if not TRACES.is_dir():
        raise SystemExit(f"no traces in {TRACES}: name a folder of ZONE_YEAR.csv in GRAMWISE_TRACES")
    document = sweep(variations(YEAR, []), traces=TRACES)
    peak = peak_bytes()  # before anything else of this process counts
    names = [each["name"] for each in document["policies"]]
    what = f"{document['hours']} h x 13 zones x {len(names)} policies"
    rows = [
        row(
            f"{what}, B1 included (s)", f"<= {LIMIT_S:g}", document["seconds"], document["seconds"] <= LIMIT_S
        ),
        row("  memory of all its processes, at most (GB)", "<= 2", peak / 1e9, peak <= MEMORY_BYTES),
    ]
    case = case_of(variations(YEAR, [])[0][1], traces=TRACES)
    rows += growth(case, names)
    took_s = seconds(lambda: b2_of_case(case), 1)
    rows.append(row("B2 of the year, starts free (s)", f"<= {B2_LIMIT_S:g}", took_s, took_s <= B2_LIMIT_S))
    if "--quick" not in sys.argv:
        rows += with_waiting()
    finish("year_sweep", rows, policies=document["policies"], bounds=document["bounds"], cores=os.cpu_count())


def with_waiting() -> list[dict[str, Any]]:
    """The predictive policy and its bound."""
    scenarios = variations(YEAR, WAITING)
    document = sweep(scenarios, traces=TRACES, policies=("predictive",))
    took_s = document["seconds"]
    case = case_of(scenarios[0][1], traces=TRACES)
    b1_s = seconds(lambda: run_task(case, Task("b1")), 1)
    gap = document["policies"][0]["gap_b1_frac"]
    return [
        row(
            "predictive, 40 % waits up to 6 h, bounds included (s)",
            f"<= {PREDICTIVE_LIMIT_S:g}",
            took_s,
            took_s <= PREDICTIVE_LIMIT_S,
        ),
        row("  of it B1 as one program, alone (s)", "reported", b1_s, None),
        row("  its gap to B1", "<= 0.05", gap, gap is not None and gap <= 0.05),
    ]


def growth(case: Case, names: list[str]) -> list[dict[str, Any]]:
    """Seconds of B1 and of the policies on parts of the case against the whole, in one process."""
    half, seven = of_hours(case, 0, case.hours // 2), of_nodes(case, np.arange(7))
    solved = tuple(name for name in names if name in RULES and RULES[name][1])
    plain = tuple(name for name in names if name in RULES and not RULES[name][1])
    tasks = (
        ("B1", Task("b1")),
        ("policies with hourly programs", Task("rules", solved)),
        ("other policies", Task("rules", plain)),
    )
    rows = []
    for what, part, times in (
        ("12 months / 6", half, case.hours / half.hours),
        ("13 zones / 7", seven, 13 / 7),
    ):
        for kind, task in tasks:
            ratio = seconds(lambda: run_task(case, task), RUNS) / seconds(lambda: run_task(part, task), RUNS)  # noqa: B023
            limit = GROWTH * times
            rows.append(
                row(
                    f"{kind}: cost of {what} ({times:.3g} times the size)",
                    f"<= {limit:.3g}",
                    ratio,
                    ratio <= limit,
                )
            )
    return rows


def seconds(work: Callable[[], Any], runs: int) -> float:
    """Median of several runs."""
    times = []
    for _ in range(runs):
        start_s = time.perf_counter()
        work()
        times.append(time.perf_counter() - start_s)
    return statistics.median(times)


def peak_bytes() -> float:
    """At most what this process and its children held together: each core's worker as large as the largest was."""
    unit = 1 if sys.platform == "darwin" else 1024
    own, child = (
        resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    workers = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return float(unit * (own + workers * child))


def of_hours(case: Case, start: int, stop: int) -> Case:
    """The same for some of its hours."""
    by_hour = (
        "capacity_s",
        "g_per_j",
        "known_g_per_j",
        "fixed",
        "waiting",
        "fixed_foreseen",
        "waiting_foreseen",
    )
    return replace(
        case,
        start_s=case.start_s + 3600.0 * start,
        missing=case.missing[start:stop],
        **{name: getattr(case, name)[:, start:stop] for name in by_hour},
    )


def of_nodes(case: Case, nodes: Any) -> Case:
    """The same with these nodes only and so much less traffic that they are as loaded as the whole was.

    Raises:
        Infeasible: none of them may serve some class.
    """
    few = case.narrowed(np.flatnonzero(np.isin(case.node, nodes)))
    place = {n: i for i, n in enumerate(nodes.tolist())}
    few = replace(
        few,
        node=np.array([place[n] for n in few.node.tolist()]),
        nodes=tuple(case.nodes[n] for n in nodes),
        zones=tuple(case.zones[n] for n in nodes),
        pue=tuple(case.pue[n] for n in nodes),
        idle_w=None if case.idle_w is None else case.idle_w[nodes],
        idle_g=None,
        capacity_s=case.capacity_s[nodes],
        g_per_j=case.g_per_j[nodes],
        known_g_per_j=case.known_g_per_j[nodes],
    )
    return scaled(few, fitting(few) / fitting(case))


def fitting(case: Case) -> float:
    """How many times the case's mean hour fits into its nodes at most."""
    permitted = np.isfinite(case.energy_j)
    if not permitted.any(axis=1).all():
        raise Infeasible("some class may run on none of these nodes.")
    mix = (case.fixed_foreseen + case.waiting_foreseen).mean(axis=1)
    return most_that_fits(permitted, case.busy_s, case.node, case.capacity_s.max(axis=1), mix)


def scaled(case: Case, factor: float) -> Case:
    """The same with this many times its traffic."""
    flows = ("fixed", "waiting", "fixed_foreseen", "waiting_foreseen")
    return replace(case, **{name: getattr(case, name) * factor for name in flows})


if __name__ == "__main__":
    sys.exit(main())
