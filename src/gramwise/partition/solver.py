"""Solve a partitioning: build the problem, take a method that is exact for it, and turn its placement into stages."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gramwise.core import plugins
from gramwise.core.decision import Cost, Stage
from gramwise.core.errors import ConfigError, Infeasible, SolverError
from gramwise.core.machines import Node
from gramwise.core.model import ModelGraph

from .build import Goals, Links, Profile, problem_of
from .problem import (
    GIVEN,
    OBJECTIVES,
    Evaluation,
    Objective,
    Partitioner,
    Problem,
    Run,
    Split,
    crossings,
    evaluate,
    runs,
)

if TYPE_CHECKING:
    from gramwise.core.decision import Ints

EXACT_METHODS = ("mincut", "layered", "chain", "labels", "milp", "enumeration")
"""Methods in the order in which they are tried where the caller names none: the quickest first."""

CLOSE_FRAC = 0.05
"""Throughput is as hard as sharing out numbers evenly, and its optimum chops a network into many stages for the last
per cent. So contiguous stages are taken where they are proven this close, and an integer programme is asked beyond."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PartitionResult:
    """A placement with everything that is known of it.

    Attributes:
        problem: what was solved.
        method: its name.
        exact: nothing better exists among all placements of the problem (proven).
        feasible: every limit is kept; the rule of a published method may break some.
        placement: node of each layer, n of them.
        order: positions of the layers in the order in which the stages run them.
        stages: what each node runs; times and bytes of one inference.
        carbon_g: of each stage, grams.
        cost: sums over the stages.
        period_s: seconds between two inferences of a full pipeline.
        bound: proven least value of the objective.
        gap_frac: how far the value is above it at most; inf where nothing is proven.
        solve_s: seconds that solving took.
    """

    problem: Problem
    method: str
    exact: bool
    feasible: bool
    placement: tuple[int, ...]
    order: tuple[int, ...]
    stages: tuple[Stage, ...]
    carbon_g: tuple[float, ...]
    cost: Cost
    period_s: float
    bound: float
    gap_frac: float
    solve_s: float

    @property
    def split(self) -> bool:
        """Whether more than one node takes part."""
        return len(set(self.placement)) > 1

    @property
    def value(self) -> float:
        """The figure that the objective minimises."""
        figures = {"carbon": self.cost.carbon_g, "energy": self.cost.energy_j, "latency": self.cost.latency_s}
        return figures.get(self.problem.objective, self.period_s)


def solve(
    graph: ModelGraph,
    nodes: Sequence[Node],
    links: Links,
    profile: Profile,
    *,
    objective: Objective = "carbon",
    latency_limit_s: float | None = None,
    method: str | None = None,
    goals: Goals | None = None,
) -> PartitionResult:
    """Place the layers of a network on nodes.

    Args:
        graph: layers in topological order.
        nodes: the machines.
        links: by (from, to), node names or ``""`` for the client.
        profile: times and joules of every layer on every node, of this very graph.
        objective: ``"carbon"``, ``"energy"``, ``"latency"`` or ``"throughput"``.
        latency_limit_s: seconds of one inference; beats ``goals``.
        method: name of a method; None takes the first that is exact for this problem.
        goals: other limits, and where the data is.

    Returns:
        The best placement; ``exact`` says whether that is proven.

    Raises:
        ConfigError: profile and graph do not belong together, or a name or limit makes no sense.
        Infeasible: no placement keeps the limits; says what stands against each node alone.
        SolverError: a method ended without an answer and without proving that there is none.
        SourceUnavailable: a library that the method needs is not installed.
    """
    if objective not in OBJECTIVES:
        raise ConfigError(
            f"there is no objective {objective!r}.", fix=f"Write one of: {', '.join(OBJECTIVES)}."
        )
    goals = goals or Goals()
    if latency_limit_s is not None:
        goals = replace(goals, latency_limit_s=latency_limit_s)
    if goals.latency_limit_s is not None and not goals.latency_limit_s > 0:
        raise ConfigError(
            f"a latency limit of {goals.latency_limit_s} s cannot be kept.", fix="Write seconds, more than 0."
        )
    return solve_problem(problem_of(graph, nodes, links, profile, objective=objective, goals=goals), method)


def solve_problem(problem: Problem, method: str | None = None) -> PartitionResult:
    """As `solve`, for a problem that is already built."""
    start_s = time.perf_counter()
    name, split = _named(problem, method) if method else _first_exact(problem)
    took_s = time.perf_counter() - start_s
    if split.placement is None:
        if split.exact:
            raise infeasible(problem)
        raise SolverError(
            f"{name} found no placement that keeps the limits, and did not prove that there is none."
        )
    return result(problem, name, split, took_s)


def _named(problem: Problem, method: str) -> tuple[str, Split]:
    partitioner: Partitioner = plugins.create("partitioner", method)
    why_not = partitioner.why_not(problem)
    if why_not:
        raise ConfigError(
            f"the method {method!r} cannot answer this: {why_not}.",
            key="--method",
            fix="Leave the method away, and one that can is chosen.",
        )
    return method, partitioner.split(problem)


def _first_exact(problem: Problem) -> tuple[str, Split]:
    """The first exact answer; where there is none, the best placement with the best bound of all."""
    tried: list[tuple[str, Split]] = []
    for name in ("pipeline", *EXACT_METHODS) if problem.objective == "throughput" else EXACT_METHODS:
        partitioner: Partitioner = plugins.create("partitioner", name)
        if not partitioner.why_not(problem):
            split = partitioner.split(problem)
            if split.exact or (name == "pipeline" and _close(problem, split)):
                return name, split
            tried.append((name, split))
    found = [(name, split) for name, split in tried if split.placement is not None]
    if not found:
        return tried[-1] if tried else ("none", Split(None, -math.inf, False))
    name, best = min(found, key=lambda pair: _value(problem, pair[1].placement or ()))
    return name, best._replace(bound=max(split.bound for _, split in tried))


def _close(problem: Problem, split: Split) -> bool:
    return split.placement is not None and _value(problem, split.placement) <= split.bound * (1 + CLOSE_FRAC)


def _value(problem: Problem, placement: tuple[int, ...]) -> float:
    return float(evaluate(problem, np.array([placement])).value(problem.objective)[0])


def result(problem: Problem, method: str, split: Split, solve_s: float) -> PartitionResult:
    """What a placement means: its stages and their costs.

    Raises:
        SolverError: the method's placement breaks a limit that it said it keeps.
        Infeasible: a published rule hands a tensor on where there is no way, so that there is no cost.
    """
    assert split.placement is not None
    placement = tuple(int(node) for node in split.placement)
    costs = evaluate(problem, np.array([placement]))
    value = float(costs.value(problem.objective)[0])
    if split.exact and not costs.feasible[0]:
        raise SolverError(f"{method} answered with a placement that breaks a limit: a fault of gramwise.")
    if not math.isfinite(value):
        raise Infeasible(
            f"{method} hands a tensor on where no link leads or the input must stay, since its rule looks at neither."
            " Leave the method away, and one that does is chosen."
        )
    stages, carbon_g, order = _stages(problem, placement, costs)
    gap_frac = 0.0 if split.exact else (value / split.bound - 1 if split.bound > 0 else math.inf)
    return PartitionResult(
        problem=problem,
        method=method,
        exact=split.exact,
        feasible=bool(costs.feasible[0]),
        placement=placement,
        order=order,
        stages=stages,
        carbon_g=carbon_g,
        cost=Cost(
            latency_s=float(costs.latency_s[0]),
            energy_j=float(costs.energy_j[0]),
            carbon_g=float(costs.carbon_g[0]),
        ),
        period_s=float(costs.period_s[0]),
        bound=value if split.exact else split.bound,
        gap_frac=gap_frac,
        solve_s=solve_s,
    )


class _Tally:
    """What one stage adds up to."""

    def __init__(self) -> None:
        self.latency_s = self.energy_j = self.carbon_g = 0.0
        self.sent = self.received = 0


def _stages(
    p: Problem, placement: tuple[int, ...], costs: Evaluation
) -> tuple[tuple[Stage, ...], tuple[float, ...], tuple[int, ...]]:
    parts = runs(p, placement)
    order = tuple(v for run in parts for v in run.layers)
    stage_of = {v: i for i, run in enumerate(parts) for v in run.layers}
    tallies = [_Tally() for _ in parts]
    for tally, run in zip(tallies, parts, strict=True):
        for v in run.layers:
            tally.latency_s += float(p.latency_s[v, run.node])
            tally.energy_j += float(p.energy_j[v, run.node])
        tally.carbon_g = tally.energy_j * float(p.g_per_j[run.node])
    for i, u, v in _moves(p, placement):
        _charge(p, parts, stage_of, tallies, i, u, v)
    for node in set(placement):
        wait_j = float(p.idle_w[node] * (costs.latency_s[0] - costs.busy_s[0, node]))
        first = next(i for i, run in enumerate(parts) if run.node == node)
        tallies[first].energy_j += wait_j
        tallies[first].carbon_g += wait_j * float(p.g_per_j[node])
    stages, begin = [], 0
    for run, tally in zip(parts, tallies, strict=True):
        inputs, outputs = _interface(p, run, stage_of)
        stages.append(
            Stage(
                node=p.nodes[run.node],
                layers=(begin, begin + len(run.layers)),
                send_bytes=tally.sent,
                receive_bytes=tally.received,
                inputs=inputs,
                outputs=outputs,
                latency_s=tally.latency_s,
                energy_j=tally.energy_j,
                memory_bytes=round(float(costs.memory_bytes[0, run.node])),
            )
        )
        begin += len(run.layers)
    return tuple(stages), tuple(tally.carbon_g for tally in tallies), order


def _moves(p: Problem, placement: tuple[int, ...]) -> Iterator[tuple[int, int, int]]:
    """Every transfer of a placement: (tensor, from, to), hops along a line apart."""
    row: Ints = np.array([placement])
    for i, tensor in enumerate(p.tensors):
        for start, end, sent in crossings(p, tensor, row):
            if sent[0]:
                yield i, int(start[0]), int(end[0])


def _charge(
    p: Problem, parts: Sequence[Run], stage_of: dict[int, int], tallies: list[_Tally], i: int, u: int, v: int
) -> None:
    """Book one transfer: time at whoever waits for it, joules at the node that spends them."""
    tensor = p.tensors[i]
    made_by = stage_of.get(tensor.producer)
    readers = sorted(stage_of[c] for c in tensor.consumers)
    there = [s for s in readers if parts[s].node == v]
    if v == p.destination and tensor.wanted and not there:
        receiver = made_by if made_by is not None else len(parts) - 1
    else:  # a node of a line that only passes it on has no stage: its costs go to the next reader
        receiver = there[0] if there else next((s for s in readers if s != made_by), readers[0])
        tallies[receiver].received += tensor.bytes if there else 0
    tallies[receiver].latency_s += float(p.move_s[i, u, v])
    sender = made_by if made_by is not None and parts[made_by].node == u else receiver
    if sender is made_by and made_by is not None:
        tallies[made_by].sent += tensor.bytes
    for stage, joules, payer in ((sender, p.send_j[i, u, v], u), (receiver, p.receive_j[i, u, v], v)):
        tallies[stage].energy_j += float(joules)
        tallies[stage].carbon_g += float(joules * p.g_per_j[payer])


def _interface(p: Problem, run: Run, stage_of: dict[int, int]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the tensors that a stage reads and did not make, and of those that it makes for others."""
    here = set(run.layers)
    inputs = [t.name for t in p.tensors if t.producer not in here and here.intersection(t.consumers)]
    outputs = [
        t.name
        for t in p.tensors
        if t.producer != GIVEN
        and t.producer in here
        and (t.wanted or any(c not in here for c in t.consumers))
    ]
    return tuple(inputs), tuple(outputs)


def infeasible(problem: Problem) -> Infeasible:
    """The error for a problem without any feasible placement: what stands against each node alone, and against all."""
    p = problem
    alone = np.array([[node] * p.n for node in range(p.k)])
    costs = evaluate(p, alone)
    whys = [f"{p.nodes[node]}: {_why_not_alone(p, costs, node)}" for node in range(p.k)]
    total = sum(w.bytes for w in p.weights)
    room = float(p.memory_bytes.sum())
    together = ""
    if total > room:
        together = (
            f" Its weights take {_mib(total)} once loaded and all nodes together have room for {_mib(room)}."
        )
    elif p.memory_binds:
        largest = max((w.bytes for w in p.weights), default=0.0)
        if largest > float(p.memory_bytes.max()):
            together = f" One layer alone needs {_mib(largest)}, more than any node has room for."
    return Infeasible(f"no placement keeps the limits, not even split. {'; '.join(whys)}.{together}", whys)


def _why_not_alone(p: Problem, costs: Evaluation, node: int) -> str:
    forbidden = [p.layers[v] for v in np.flatnonzero(~p.allowed[:, node])]
    if forbidden:
        others = f" and {len(forbidden) - 1} other layers" if forbidden[1:] else ""
        return f"may not run {forbidden[0]}{others}, or what that takes there is unknown"
    if not math.isfinite(float(costs.latency_s[node])):
        return "no link brings the input there and the answer back, or the input may not leave its origin"
    if costs.memory_bytes[node, node] > p.memory_bytes[node]:
        need, room = float(costs.memory_bytes[node, node]), float(p.memory_bytes[node])
        return f"needs {_mib(need)} besides the runtime, has {_mib(room)} for that"
    if costs.latency_s[node] > p.latency_limit_s:
        return f"takes {costs.latency_s[node] * 1e3:.4g} ms, limit {p.latency_limit_s * 1e3:.4g} ms"
    if costs.occupied_s[node, node] > p.budget_s[node]:
        return (
            f"is busy {costs.occupied_s[node, node] * 1e3:.4g} ms an inference and has"
            f" {p.budget_s[node] * 1e3:.4g} ms for one"
        )
    return "its links cannot carry the rate"


def _mib(size: float) -> str:
    return f"{size / 2**20:.1f} MiB"
