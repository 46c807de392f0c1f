"""The main job: every policy serves the same stream on the same nodes, and each gram is accounted for.

Policies take turns in short blocks, in an order that rotates, so that a noisy minute of the machine falls on all of
them alike. Each keeps its own history, as if it were alone.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import os
import platform
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from gramwise.core.decision import Outcome, Request
from gramwise.core.errors import GramwiseError
from gramwise.core.protocols import NodeUsage
from gramwise.fleet.scenario import VARIANTS_SUFFIX, Scenario
from gramwise.runtime import tally
from gramwise.runtime.account import summarise
from gramwise.runtime.arrivals import Arrival, stream
from gramwise.runtime.assembly import Fleet, assemble, nothing_alive, resolve_variants
from gramwise.runtime.engine import Engine, Part, refusal
from gramwise.runtime.inputs import Inputs, load_inputs
from gramwise.runtime.planfile import PlanFile
from gramwise.runtime.rundir import RunDirectory
from gramwise.runtime.session import Session
from gramwise.runtime.tasks import together
from gramwise.schedule import load_policy

PLAN = "plan"
"""The policy that serves with a plan file and nothing else."""


class Serve(Protocol):
    """Serves one arrival, which was due ``due_s`` seconds after the block began (None: now)."""

    def __call__(self, arrival: Arrival, due_s: float | None = None) -> Coroutine[Any, Any, None]: ...


Progress = Callable[[str, float], None]
"""Hears what is going on and how much of the whole is done, 0 to 1."""


@dataclass(slots=True)
class Contestant:
    """One line of the table: a policy, its engine and what its requests permit."""

    name: str
    engine: Engine
    floor: float | None
    outcomes: list[tuple[int, int, int, Outcome]] = field(default_factory=list)
    blocks: list[tally.Block] = field(default_factory=list)
    split: dict[str, tuple[Part, ...]] = field(default_factory=dict)

    def line(self) -> tally.Line:
        """What it did, for the bill."""
        return tally.Line(
            self.name,
            self.floor,
            self.outcomes,
            self.blocks,
            list(self.engine.snapshot_times_s),
            self.split,
        )


async def bench(
    scenario: Scenario,
    *,
    out: Path,
    plan: PlanFile | None = None,
    command: str = "",
    progress: Progress = lambda _text, _done: None,
) -> dict[str, Any]:
    """Run a scenario's comparison and write its run directory.

    Args:
        scenario: from `gramwise.runtime.assembly.read_scenario`.
        out: directory in which the run directory is made.
        plan: from `gramwise.runtime.planfile.read_plan`; served by the policy ``plan`` beside the others, whose nodes
            hold its pieces first and whole variants as far as memory goes.
        command: what the user typed, for the record.
        progress: hears how far it is.

    Returns:
        The ``gramwise.bench/1`` document.

    Raises:
        GramwiseError: what was measured before stays in the run directory.
    """
    inputs = _inputs(scenario, whole=plan is None or not plan.split)
    fleet = await assemble(
        scenario, inputs=inputs.request(0), plan=plan, tell=lambda text: progress(text, 0.0)
    )
    try:
        directory = RunDirectory(out, scenario.name, _facts(fleet, command, inputs), scenario.toml())
        try:
            names = [*scenario.bench.policies, *([PLAN] if plan else [])]
            contestants = [_contestant(name, fleet, directory) for name in dict.fromkeys(names)]
            meter_start = fleet.meter.read() if fleet.meter else None
            await _serve_all(fleet, contestants, inputs, directory, progress)
            measured_j = (
                fleet.meter.read().total_j - meter_start.total_j if fleet.meter and meter_start else None
            )
            summary = summarise(
                fleet,
                [c.line() for c in contestants],
                inputs.description,
                str(directory.path),
                measured_j,
            )
            directory.finish(summary)
            return summary
        finally:
            directory.close()
    finally:
        await fleet.executor.close()


def _inputs(scenario: Scenario, whole: bool) -> Inputs:
    """The workload's tensors, fitted to the reference variant's input."""
    variants = resolve_variants(scenario, whole=whole)
    reference = next(v for v in variants if v.model == scenario.model)
    try:
        spec = Session(reference.path).inputs
    except GramwiseError as fault:
        key = f"models.{reference.model}.variants.{reference.name}.file"
        raise type(fault)(f"{scenario.path}: {key}: {fault}") from fault
    w = scenario.workload
    return load_inputs(w.inputs, w.count, w.seed, spec, scenario.path.parent, scenario.path)


def _contestant(name: str, fleet: Fleet, directory: RunDirectory) -> Contestant:
    with_variants = name.endswith(VARIANTS_SUFFIX)
    engine = fleet.engine(load_policy(name.removesuffix(VARIANTS_SUFFIX)), on_decision=directory.decision)
    floor = fleet.scenario.goals.accuracy_floor_frac if with_variants else None
    return Contestant(name=name, engine=engine, floor=floor)


async def _serve_all(
    fleet: Fleet,
    contestants: Sequence[Contestant],
    inputs: Inputs,
    directory: RunDirectory,
    progress: Progress,
) -> None:
    w, size = fleet.scenario.workload, fleet.scenario.bench.block
    turns = [
        (repeat, block, arrivals[block * size : (block + 1) * size])
        for repeat in range(w.repeats)
        for arrivals in [stream(w.arrivals, w.requests, w.rate_per_s, w.seed, repeat)]
        for block in range(-(-w.requests // size))
    ]
    done, total = 0, len(turns) * len(contestants)
    for turn, (repeat, block, arrivals) in enumerate(turns):
        shift = turn % len(contestants)
        for contestant in (*contestants[shift:], *contestants[:shift]):
            progress(contestant.name, done / total)
            await _serve_block(fleet, contestant, inputs, repeat, block, arrivals, directory)
            directory.flush()
            done += 1
            fault = nothing_alive(fleet)
            if fault is not None:
                raise fault


async def _serve_block(
    fleet: Fleet,
    contestant: Contestant,
    inputs: Inputs,
    repeat: int,
    block: int,
    arrivals: Sequence[Arrival],
    directory: RunDirectory,
) -> None:
    before = await _usage(fleet)
    start_s = fleet.clock.now_s()

    async def one(arrival: Arrival, due_s: float | None = None) -> None:
        arrival_s = fleet.clock.now_s() if due_s is None else start_s + due_s
        request = _request(fleet.scenario, contestant, repeat, arrival, arrival_s)
        served = await contestant.engine.serve(request, inputs.request(arrival.seq))
        correct = inputs.correct(arrival.seq, served.outputs)
        outcome = dataclasses.replace(served.outcome, policy=contestant.name, correct=correct)
        contestant.outcomes.append((repeat, block, arrival.seq, outcome))
        if len(served.parts) > 1:
            contestant.split[outcome.request] = served.parts
        directory.outcome(outcome, repeat, arrival.seq)
        if outcome.status == "refused":
            raise nothing_alive(fleet) or refusal(served.decision)

    if fleet.scenario.workload.arrivals == "poisson":
        await _open_loop(arrivals, one)
    else:
        await _closed_loop(arrivals, one, fleet.scenario.workload.concurrency)
    window_s = fleet.clock.now_s() - start_s
    after = await _usage(fleet)
    measured = tally.block(fleet, contestant.name, repeat, block, window_s, before, after)
    contestant.blocks.append(measured)
    for row in measured.rows():
        directory.node(row)


async def _open_loop(arrivals: Sequence[Arrival], one: Serve) -> None:
    """Each request at its time, whatever became of those before."""
    loop = asyncio.get_running_loop()
    start_s = loop.time()

    async def timed(arrival: Arrival, due_s: float) -> None:
        await asyncio.sleep(max(0.0, start_s + due_s - loop.time()))
        await one(arrival, due_s)

    gaps = [arrival.gap_s or 0.0 for arrival in arrivals]
    due = itertools.accumulate([0.0, *gaps[1:]])
    await together(timed(arrival, due_s) for arrival, due_s in zip(arrivals, due, strict=True))


async def _closed_loop(arrivals: Sequence[Arrival], one: Serve, concurrency: int) -> None:
    """Each of ``concurrency`` clients sends its next request when it has its answer."""
    waiting = iter(arrivals)

    async def client() -> None:
        for arrival in waiting:
            await one(arrival)

    await together(client() for _ in range(concurrency))


def _request(
    scenario: Scenario, contestant: Contestant, repeat: int, arrival: Arrival, now_s: float
) -> Request:
    goals, w = scenario.goals, scenario.workload
    return Request(
        id=f"{contestant.name}-{repeat}-{arrival.seq}",
        seq=repeat * w.requests + arrival.seq,
        draw=arrival.draw,
        model=scenario.model,
        arrival_s=now_s,
        deadline_s=goals.deadline_s,
        count=w.count,
        accuracy_floor_frac=contestant.floor,
        allowed_zones=frozenset(goals.allowed_zones) if goals.allowed_zones is not None else None,
    )


async def _usage(fleet: Fleet) -> Mapping[str, NodeUsage]:
    return {node.name: await fleet.executor.usage(node.name) for node in fleet.nodes}


def _facts(fleet: Fleet, command: str, inputs: Inputs) -> dict[str, Any]:
    scenario = fleet.scenario
    return {
        "scenario": scenario.name,
        "scenario_file": scenario.path.name,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "gramwise": version("gramwise"),
        "command": command,
        "caps": fleet.executor.caps,
        "cfs_period_s": scenario.executor.period_s,
        "seed": scenario.workload.seed,
        "inputs": inputs.description,
        "plan": fleet.plan.path.name if fleet.plan else None,
        "python": platform.python_version(),
        "onnxruntime": version("onnxruntime"),
        "numpy": version("numpy"),
        "host": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs, {_cpu_model()}",
        "host_flop_per_s": fleet.host_flop_per_s.value if fleet.host_flop_per_s else None,
    }


def _cpu_model() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown CPU"
