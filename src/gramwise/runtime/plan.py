"""Plan a model over a scenario's nodes: the best placement, the front, the reason, the price of each goal.

Nothing is started: costs come from a profile that ``gramwise profile`` measured, or else from the roofline, labelled
modelled. All figures are of one request of ``workload.count`` inferences.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from gramwise.core.clock import SystemClock
from gramwise.core.errors import ConfigError, did_you_mean
from gramwise.core.machines import Node
from gramwise.fleet.links import links_of
from gramwise.fleet.scenario import Scenario
from gramwise.partition.build import Goals, Links, Profile, problem_of, undeclared_energy
from gramwise.partition.front import Front
from gramwise.partition.front import front as front_of
from gramwise.partition.problem import OBJECTIVES, Objective, Problem, evaluate, runs
from gramwise.partition.solver import PartitionResult, solve_problem
from gramwise.partition.verdict import Verdict, judge
from gramwise.power.model import host_rate_flop_per_s
from gramwise.runtime.assembly import grids_of, priced
from gramwise.runtime.layercosts import costs_of, goals_of
from gramwise.runtime.pricing import CpuPrice, needs_host_rate
from gramwise.runtime.profilefile import profile_path, read_profile
from gramwise.runtime.subject import Subject, subject_of
from gramwise.runtime.world import Grid

SCHEMA = "gramwise.plan/1"

Tell = Callable[[str, float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a plan is made from: everything that `gramwise.partition.problem_of` wants, and where it came from."""

    subject: Subject
    nodes: tuple[Node, ...]
    links: Links
    costs: Profile
    goals: Goals
    price: CpuPrice
    grids: tuple[Grid, ...]

    def problem(self, objective: Objective) -> Problem:
        """The placement problem."""
        return problem_of(
            self.subject.graph, self.nodes, self.links, self.costs, objective=objective, goals=self.goals
        )


def case_of(
    scenario: Scenario,
    *,
    variant: str | None = None,
    profile: Path | None = None,
    latency_limit_s: float | None = None,
    rate_per_s: float | None = None,
    tell: Tell = lambda _text, _done: None,
) -> Case:
    """Read the model of a scenario's workload and gather what its layers cost on the scenario's nodes.

    Args: as `make_plan`.

    Raises:
        GramwiseError: with file and key for what the user can mend.
    """
    tell("reading the model", 0.0)
    subject = subject_of(scenario, None, variant)
    nodes = scenario.node_records()
    found = profile or profile_path(scenario, subject.model, subject.graph.digest)
    measured = None
    if profile is not None or found.is_file():
        measured = read_profile(found, subject.graph.digest, [node.name for node in nodes])
    tell("gathering costs", 0.1)
    host = host_rate_flop_per_s() if needs_host_rate(nodes) else None
    grids = grids_of(scenario, SystemClock().now_s())
    price = priced(scenario, nodes, host)
    costs = costs_of(scenario, subject.graph, price, grids, measured)
    goals = goals_of(scenario, subject.graph)
    for key, value in (("--latency-limit", latency_limit_s), ("--rate", rate_per_s)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise ConfigError(f"{value:g} is no limit.", key=key, fix="Write a number above 0.")
    goals = replace(
        goals,
        latency_limit_s=goals.latency_limit_s if latency_limit_s is None else latency_limit_s,
        rate_per_s=goals.rate_per_s if rate_per_s is None else rate_per_s,
    )
    return Case(
        subject=subject,
        nodes=nodes,
        links=links_of(scenario),
        costs=costs,
        goals=goals,
        price=price,
        grids=grids,
    )


def make_plan(
    scenario: Scenario,
    *,
    objective: str = "carbon",
    latency_limit_s: float | None = None,
    rate_per_s: float | None = None,
    method: str | None = None,
    variant: str | None = None,
    profile: Path | None = None,
    tell: Tell = lambda _text, _done: None,
) -> dict[str, Any]:
    """The ``gramwise.plan/1`` document of a scenario's model.

    Args:
        scenario: from `gramwise.runtime.assembly.read_scenario`.
        objective: what to minimise.
        latency_limit_s: of one request; the scenario's ``goals.deadline_s`` by default.
        rate_per_s: requests a second to sustain; the scenario's ``split.rate_per_s`` by default.
        method: of partitioning; by default one that is exact.
        variant: of the model; its reference by default.
        profile: file that ``gramwise profile`` wrote; by default the one that it writes for this scenario and model
            unless told otherwise, where that is there; else costs are modelled.
        tell: hears what is going on.

    Raises:
        ConfigError, ModelError, Infeasible, SourceUnavailable: with file and key for what the user can mend.
    """
    aim = next((known for known in OBJECTIVES if known == objective), None)
    if aim is None:
        raise ConfigError(
            f"there is no objective {objective!r}.",
            key="--objective",
            fix=did_you_mean(objective, OBJECTIVES),
        )
    case = case_of(
        scenario,
        variant=variant,
        profile=profile,
        latency_limit_s=latency_limit_s,
        rate_per_s=rate_per_s,
        tell=tell,
    )
    try:
        problem = case.problem(aim)
    except ConfigError as fault:
        raise ConfigError(
            fault.message, file=fault.file or scenario.path, key=fault.key, fix=fault.fix
        ) from fault
    tell("solving", 0.4)
    found = solve_problem(problem, method)
    tell("the front", 0.6)
    start_s = time.perf_counter()
    front = front_of(problem, np.array([found.placement]))
    front_s = time.perf_counter() - start_s
    verdict = judge(found, case.nodes, case.goals, lambda text: tell(text, 0.8))
    return {
        "schema": SCHEMA,
        "scenario": scenario.name,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "gramwise": version("gramwise"),
        "model": case.subject.model,
        "variant": case.subject.variant,
        "digest": case.subject.graph.digest,
        "count": scenario.workload.count,
        "objective": objective,
        "limits": {"latency_s": _finite(problem.latency_limit_s), "rate_per_s": case.goals.rate_per_s},
        "costs": {"method": case.costs.method, "source": case.costs.source},
        "transfer_energy_known": not undeclared_energy(case.links),
        "method": found.method,
        "exact": found.exact,
        "feasible": found.feasible,
        "gap_frac": _finite(found.gap_frac),
        "layers": [problem.layers[v] for v in found.order],
        "stages": _stages(found),
        "cost": _cost(found) | _intervals(found, case),
        "runtime_bytes": case.costs.base_bytes,
        "single": _single(problem, case.nodes, verdict),
        "reason": verdict.reason,
        "reasons": list(verdict.reasons),
        "prices": _prices(verdict),
        "pareto": _front(problem, front),
        "pareto_space": front.space,
        "pareto_complete": front.complete,
        "solve_s": found.solve_s,
        "pareto_s": front_s,
    }


def write_plan(document: Mapping[str, Any], out: Path) -> None:
    """Write a plan document whole or not at all.

    Raises:
        ConfigError: it cannot be written, or something else stands there.
    """
    check_place(out)
    draft = out.with_name(f".{out.name}.draft")
    try:
        draft.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        draft.replace(out)
    except OSError as fault:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise ConfigError(
            f"cannot be written: {(fault.strerror or str(fault)).lower()}.",
            file=out,
            fix="Name another file with --out.",
        ) from fault


def check_place(out: Path) -> None:
    """Refuse a file that is no plan before anything is computed for it.

    Raises:
        ConfigError: something else stands there, or there is no such folder.
    """
    if out.exists() and not _is_plan(out):
        raise ConfigError(
            "is there and is not a plan, so it was left as it is.",
            file=out,
            fix="Name another file with --out.",
        )
    if not out.parent.is_dir():
        raise ConfigError(
            "cannot be written: no such directory.", file=out, fix="Name another file with --out."
        )


def _is_plan(path: Path) -> bool:
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["schema"]).startswith("gramwise.plan/")
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _stages(found: PartitionResult) -> list[dict[str, Any]]:
    return [
        {
            "node": stage.node,
            "first_layer": stage.layers[0] if stage.layers else 0,
            "last_layer": stage.layers[1] - 1 if stage.layers else found.problem.n - 1,
            "send_bytes": stage.send_bytes,
            "receive_bytes": stage.receive_bytes,
            "latency_s": stage.latency_s,
            "energy_j": stage.energy_j,
            "carbon_g": carbon_g,
            "memory_bytes": stage.memory_bytes,
            "inputs": list(stage.inputs),
            "outputs": list(stage.outputs),
        }
        for stage, carbon_g in zip(found.stages, found.carbon_g, strict=True)
    ]


def _cost(found: PartitionResult) -> dict[str, float]:
    return {
        "latency_s": found.cost.latency_s,
        "energy_j": found.cost.energy_j,
        "carbon_g": found.cost.carbon_g,
        "period_s": found.period_s,
    }


def _intervals(found: PartitionResult, case: Case) -> dict[str, list[float] | None]:
    """Ends of the plan's joules and grams: each stage at the ends of its node's price of a CPU second and of its grid.

    The intervals of devices and grids only: how far the predicted seconds are off is not in them. None where a node
    that takes part has a figure without an interval.
    """
    energy_j, carbon_g = [0.0, 0.0], [0.0, 0.0]
    grids = {node.name: grid for node, grid in zip(case.nodes, case.grids, strict=True)}
    for stage, grams in zip(found.stages, found.carbon_g, strict=True):
        price, intensity = case.price.j_per_cpu_s[stage.node], grids[stage.node].intensity
        if price is None or intensity is None:
            return {"energy_j_interval": None, "carbon_g_interval": None}
        for end, (joules, clean) in enumerate(((price.low, intensity.low), (price.high, intensity.high))):
            share = joules / price.value if price.value else 1.0
            energy_j[end] += stage.energy_j * share
            carbon_g[end] += grams * share * (clean / intensity.value if intensity.value else 1.0)
    return {"energy_j_interval": energy_j, "carbon_g_interval": carbon_g}


def _single(problem: Problem, nodes: Sequence[Node], verdict: Verdict) -> list[dict[str, Any]]:
    """What each node alone would cost, and which of them keeps every limit."""
    costs = evaluate(problem, np.array([[node] * problem.n for node in range(problem.k)]))
    return [
        {
            "node": name,
            "feasible": bool(costs.feasible[i]),
            "best": name == verdict.best_single,
            "latency_s": _finite(float(costs.latency_s[i])),
            "energy_j": _finite(float(costs.energy_j[i])),
            "carbon_g": _finite(float(costs.carbon_g[i])),
            "memory_bytes": float(costs.memory_bytes[i, i]),
            "cap_bytes": nodes[i].memory_bytes,
        }
        for i, name in enumerate(problem.nodes)
    ]


def _prices(verdict: Verdict) -> list[dict[str, Any]]:
    return [
        {
            "goal": price.goal,
            "carbon_g": price.carbon_g,
            "energy_j": price.energy_j,
            "latency_s": price.latency_s,
            "splits_without": price.splits_without,
            "exact": price.exact,
        }
        for price in verdict.prices
    ]


def _front(problem: Problem, front: Front) -> list[dict[str, Any]]:
    points = []
    for i, placement in enumerate(front.placements.tolist()):
        points.append(
            {
                "latency_s": float(front.costs.latency_s[i]),
                "energy_j": float(front.costs.energy_j[i]),
                "carbon_g": float(front.costs.carbon_g[i]),
                "period_s": float(front.costs.period_s[i]),
                "moved_bytes": float(front.costs.moved_bytes[i]),
                "stages": [
                    [problem.nodes[run.node], len(run.layers)] for run in runs(problem, tuple(placement))
                ],
            }
        )
    return sorted(points, key=lambda point: (point["carbon_g"], point["latency_s"]))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
