"""One policy serves a simulation's requests: the very engine, on simulated nodes, in virtual time."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from gramwise.core.decision import Decision, Outcome
from gramwise.core.units import S_PER_DAY, S_PER_HOUR
from gramwise.fleet.scenario import Scenario
from gramwise.runtime.engine import Engine
from gramwise.runtime.modelled import Modelled
from gramwise.runtime.world import World
from gramwise.schedule import load_policy
from gramwise.sim.arrivals import Offered
from gramwise.sim.loop import VirtualClock, run_virtually
from gramwise.sim.nodes import TENSOR, Measured, SimulatedNodes, SimulatedPower, Wasted, simulated_input
from gramwise.sim.signals import Signals

if TYPE_CHECKING:
    import numpy.typing as npt

    Inputs = Mapping[str, npt.NDArray[np.generic]]

Plan = Callable[[float], None]
"""Solves the slot that begins now (Unix seconds) and gives an engine's world its guidance."""

Planning = Callable[[Engine, Callable[[float], float]], Plan]
"""Makes the plan of an engine; the second argument tells what a day (UTC) has cost until now: (Unix seconds) -> g."""

Recorder = Callable[[Decision, bool], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """What every policy of a simulation meets.

    Attributes:
        scenario: failures, slots of planning and goals.
        table: the machines.
        power: prices of their joules.
        signals: their electricity.
        offered: the requests.
        inputs: tensor of each request, length R.
        measured: service times of real requests, where they stand in for the table's.
    """

    scenario: Scenario
    table: Modelled
    power: SimulatedPower
    signals: Signals
    offered: Offered
    inputs: tuple[Inputs, ...]
    measured: Measured = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trial:
    """What one policy did.

    Attributes:
        policy: its name.
        outcomes: of each request, in the order in which they came; grams as they were known when it was served.
        wasted: work that was undone by the death of a node.
        wall_s: seconds that it took on the wall clock.
        snapshot_s: newest seconds of building snapshots.
    """

    policy: str
    outcomes: tuple[Outcome, ...]
    wasted: tuple[Wasted, ...]
    wall_s: float
    snapshot_s: tuple[float, ...]


def scene_of(
    scenario: Scenario,
    table: Modelled,
    signals: Signals,
    offered: Offered,
    measured: Measured | None = None,
) -> Scene:
    """Gather what all policies share; tensors are made once, equal ones are one object."""
    made: dict[tuple[int, int, float], Inputs] = {}
    inputs = []
    for request, stretch in zip(offered.requests, offered.stretch.tolist(), strict=True):
        size = table.input_bytes.get(request.model, 0)
        key = (request.count, size, stretch)
        if key not in made:
            made[key] = {TENSOR: simulated_input(request.count, size, stretch)}
        inputs.append(made[key])
    return Scene(
        scenario=scenario,
        table=table,
        power=SimulatedPower.of(table),
        signals=signals,
        offered=offered,
        inputs=tuple(inputs),
        measured=measured or {},
    )


def try_policy(
    scene: Scene, name: str, *, planning: Planning | None = None, recorder: Recorder | None = None
) -> Trial:
    """Serve every request of a scene with one policy, from an idle fleet to the last answer.

    Args:
        scene: what it meets.
        name: of the policy.
        planning: makes what is called at the start of every slot, for policies that go by a solver's guidance.
        recorder: hears each decision and whether it was the fallback's.

    Raises:
        ConfigError: no such policy.
        NotVirtual: the policy reached for a thread, a socket or a subprocess.
    """
    begin_s = time.perf_counter()
    outcomes, nodes, engine = run_virtually(_serve(scene, name, planning, recorder))
    return Trial(
        policy=name,
        outcomes=outcomes,
        wasted=tuple(nodes.wasted()),
        wall_s=time.perf_counter() - begin_s,
        snapshot_s=tuple(engine.snapshot_times_s),
    )


async def _serve(
    scene: Scene, name: str, planning: Planning | None, recorder: Recorder | None
) -> tuple[tuple[Outcome, ...], SimulatedNodes, Engine]:
    loop = asyncio.get_running_loop()
    start_s = scene.offered.start_s
    nodes = SimulatedNodes(scene.table, scene.power, start_s, scene.measured)
    engine = Engine(
        load_policy(name),
        _world(scene),
        nodes,
        scene.power,
        VirtualClock(loop, start_s),
        soonest=load_policy("fastest"),
        on_decision=recorder,
    )
    crowd = _Crowd(scene, engine)
    run = crowd.start(_drive(scene, engine, planning and planning(engine, crowd.spent_g)))
    for failure in scene.scenario.failures:
        crowd.start(_fail(engine, nodes, failure.node, failure.at_s, failure.for_s))
    try:
        outcomes = await crowd.served()
    finally:
        run.cancel()
    return outcomes, nodes, engine


def _world(scene: Scene) -> World:
    scenario, table = scene.scenario, scene.table
    return World(
        table.nodes,
        scene.signals.nodes_grids(0),
        table.plans,
        baseline=scenario.baseline_node,
        max_intensity_age_s=scenario.goals.max_intensity_age_s,
        history=_history(scene),
    )


def _history(scene: Scene) -> dict[str, list[float]]:
    """What warming up would have shown: the reference variant's time on each node that holds it."""
    plans, model = scene.table.plans, scene.offered.rows[0].model
    rows = [row for row in np.flatnonzero(plans.reference).tolist() if plans.model[row] == model]
    times = {scene.table.nodes[plans.node.item(row)].name: scene.table.service_s.item(row) for row in rows}
    return {name: [time_s] for name, time_s in times.items() if np.isfinite(time_s)}


async def _drive(scene: Scene, engine: Engine, plan: Plan | None) -> None:
    """Bring the world what is newly known at the edge of each hour, and a new plan at the edge of each slot."""
    loop, signals, start_s = asyncio.get_running_loop(), scene.signals, scene.offered.start_s
    hours = {start_s + S_PER_HOUR * hour: hour for hour in range(signals.hours)}
    slots = _slots(start_s, scene.offered.end_s, scene.scenario.simulation.slot_s) if plan else frozenset()
    for edge_s in sorted({*hours, *slots}):
        await asyncio.sleep(edge_s - start_s - loop.time())
        if edge_s in hours:
            _tell(signals, engine.world, hours[edge_s])
        if plan is not None and edge_s in slots:
            plan(edge_s)


def _slots(start_s: float, end_s: float, slot_s: float) -> frozenset[float]:
    """Starts of the slots of planning, which begin at whole multiples since 1970; the first may be cut short."""
    first = math.floor(start_s / slot_s)
    return frozenset(max(start_s, i * slot_s) for i in range(first, math.ceil(end_s / slot_s)))


def _tell(signals: Signals, world: World, hour: int) -> None:
    if hour and signals.fixed:
        return  # an annual mean is as it was
    world.renew(
        grids=signals.nodes_grids(hour), forecast=signals.forecasts(hour), recent=signals.recent(hour)
    )


async def _fail(engine: Engine, nodes: SimulatedNodes, node: str, at_s: float, for_s: float | None) -> None:
    """The engine learns of a death by the request that meets it, and of a return at once, as by a node's own call."""
    await asyncio.sleep(at_s)
    nodes.die(node)
    if for_s is not None:
        await asyncio.sleep(for_s)
        nodes.come_back(node)
        engine.world.found(node)


class _Crowd:
    """The requests, each a task that starts at its moment; the first fault of any task ends the simulation."""

    def __init__(self, scene: Scene, engine: Engine) -> None:
        self._loop, self._engine = asyncio.get_running_loop(), engine
        self._requests, self._inputs = scene.offered.requests, scene.inputs
        self._times_s = scene.offered.time_s.tolist()
        self._outcomes: dict[int, Outcome] = {}
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._tasks: set[asyncio.Task[None]] = set()
        self._day_g: dict[int, float] = {}

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something beside the requests."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def served(self) -> tuple[Outcome, ...]:
        """Let them all come, one timer at a time, and wait for the last outcome."""
        if self._requests:
            self._loop.call_at(self._times_s[0], self._next, 0)
            await self._over
        return tuple(self._outcomes[seq] for seq in range(len(self._requests)))

    def spent_g(self, now_s: float) -> float:
        """Grams of the day (UTC) until now, by the intensities that were known."""
        return self._day_g.get(int(now_s // S_PER_DAY), 0.0)

    def _next(self, seq: int) -> None:
        if seq + 1 < len(self._requests):
            self._loop.call_at(self._times_s[seq + 1], self._next, seq + 1)
        self.start(self._one(seq))

    async def _one(self, seq: int) -> None:
        served = await self._engine.serve(self._requests[seq], self._inputs[seq])
        outcome = self._outcomes[seq] = served.outcome
        if outcome.status == "completed":
            day = int(outcome.end_s // S_PER_DAY)
            self._day_g[day] = self._day_g.get(day, 0.0) + outcome.cost.carbon_g
        if len(self._outcomes) == len(self._requests) and not self._over.done():
            self._over.set_result(None)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        fault = None if task.cancelled() else task.exception()
        if fault is not None and not self._over.done():
            self._over.set_exception(fault)
