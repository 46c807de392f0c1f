"""Plans for the minutes that come, for policies that follow one: shares of each class that fit the nodes' capacity.

At an hour's edge, when another zone becomes the cleanest, a policy that looks at grams alone sends everything there
until queues stop it. Shares made by the linear programme (`gramwise.runtime.ahead`) fill each node up to `FILL_FRAC`
of its time and no further, so that no herd forms. Demand is what came lately, class by class. A plan is made anew as
soon as anything changes that it rests on: intensities, nodes, times, or demand.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gramwise.core.ahead import ClassKey, Guidance, class_of
from gramwise.core.clock import Clock
from gramwise.core.decision import Request, Snapshot
from gramwise.core.errors import DataError, Infeasible, SolverError, SourceUnavailable
from gramwise.optimize.slots import SlotProblem, solve_slots
from gramwise.runtime.ahead import Planner, Stream

from .fleet import LiveFleet

if TYPE_CHECKING:
    from gramwise.core.decision import Floats

_LOG = logging.getLogger("gramwise.gateway.front")

GUIDED = frozenset({"fractions", "predictive", "shadow-price"})
"""Policies that read a plan; the others need none."""

FILL_FRAC = 0.9
"""Share of a node's time that plans fill at most: above it queues grow long by chance alone. Chosen by experiment
(docs/method/gateway.md)."""

SLOT_S = 60.0
"""Length of what is planned. A plan holds for two of them or until the next one: none must run out unreplaced."""

EVERY_S = 10.0
"""How often a plan is made where nothing that it rests on has changed but the demand."""

LOOK_S = 0.25
"""How often it is looked whether something else has: for so long, requests go by shares of before."""

SETTLE_S = 1.0
"""How often the demand is looked at."""

MEMORY_S = 60.0
"""Time constant of the demand: our own choice, some plans long."""

SURPRISE = 4.0
"""Standard deviations of a Poisson stream: what came is another demand then, and what was before is forgotten."""

MOST_CLASSES = 32
"""Classes that are planned for; further ones go by prices."""

MOST_FLOWS = 1024
"""Classes that are counted: a client that asks for ever other accuracies makes ever more of them."""

MOST_COUNT = 65_536
"""Inferences that one request may claim to be: nothing bounds what a shape says before a node has read it."""

_GONE_PER_S = 1e-4
"""A class that is asked for less often is forgotten."""


class _Flow:
    """The demand of one class: inferences a second, a mean over its life at first and over `MEMORY_S` later."""

    __slots__ = ("came", "deadline_s", "largest", "per_s", "weight")

    def __init__(self) -> None:
        self.came = self.largest = 0
        self.deadline_s: float | None = None
        self.per_s, self.weight = 0.0, 0.0

    def settle(self, passed_s: float) -> bool:
        """Take what came into the mean; True where that was a surprise."""
        came, self.came = self.came, 0
        known = self.weight > 0.0
        expected = self.per_s * passed_s
        chance = SURPRISE * math.sqrt(max(expected, 1.0) * max(self.largest, 1))
        surprised = not known or abs(came - expected) > chance
        if surprised:
            self.per_s, self.weight = 0.0, 0.0
        new = 1.0 - math.exp(-passed_s / MEMORY_S)
        total = self.weight * (1.0 - new) + new
        self.per_s += (came / passed_s - self.per_s) * new / total
        self.weight = total
        return surprised


class Demand:
    """What is asked for, by class.

    Attributes:
        flows: of each class.
    """

    def __init__(self) -> None:
        self.flows: dict[ClassKey, _Flow] = {}
        self._requests = self._inferences = 0.0

    def came(self, request: Request) -> None:
        """A request is here."""
        key = class_of(request)
        flow = self.flows.get(key)
        if flow is None:
            if len(self.flows) >= MOST_FLOWS:
                return
            flow = self.flows[key] = _Flow()
        count, deadline_s = min(request.count, MOST_COUNT), request.deadline_s
        flow.came += count
        self._requests += 1.0
        if count > flow.largest:
            flow.largest = count
        if deadline_s is not None and (flow.deadline_s is None or deadline_s > flow.deadline_s):
            flow.deadline_s = deadline_s

    def never(self, request: Request) -> None:
        """One that came was nothing to be served: its shape may have been a lie."""
        flow = self.flows.get(class_of(request))
        if flow is not None:
            count = min(request.count, MOST_COUNT)
            flow.came = max(0, flow.came - count)
            self._requests = max(0.0, self._requests - 1.0)

    def settle(self, passed_s: float) -> bool:
        """Take what came over the last ``passed_s`` seconds into the means; True where it was a surprise."""
        self._inferences += sum(flow.came for flow in self.flows.values())
        surprises = [flow.settle(passed_s) for flow in self.flows.values()]
        keep = math.exp(-passed_s / MEMORY_S)
        self._requests, self._inferences = self._requests * keep, self._inferences * keep
        for key in [key for key, flow in self.flows.items() if flow.per_s < _GONE_PER_S]:
            del self.flows[key]
        return any(surprises)

    @property
    def count(self) -> float:
        """Inferences of a mean request."""
        return max(1.0, self._inferences / self._requests) if self._requests > _GONE_PER_S else 1.0

    def streams(self) -> list[Stream]:
        """The busiest classes."""
        busiest = sorted(self.flows.items(), key=lambda pair: -pair[1].per_s)[:MOST_CLASSES]
        return [Stream(key=key, deadline_s=flow.deadline_s) for key, flow in busiest if flow.per_s > 0.0]


Solve = Callable[[Callable[[Snapshot], Guidance], Snapshot], Awaitable[Guidance]]
"""Runs a solver beside the serving."""


class Guiding:
    """Makes plans for a fleet as long as it runs.

    Args:
        fleet: whose world gets them.
        clock: of it.
        solve: where the solver runs; a thread beside the loop.
    """

    def __init__(self, fleet: LiveFleet, clock: Clock, solve: Solve = asyncio.to_thread) -> None:
        self._fleet, self._clock, self._solve = fleet, clock, solve
        self._version, self._warned = -1, ""
        self.demand = Demand()

    @staticmethod
    def ready() -> None:
        """Load the solver now: it takes a moment, in which nothing should wait."""
        one, none = np.ones((1, 1)), np.zeros(1, dtype=np.int64)
        smallest = SlotProblem(
            energy_j=one, busy_s=one, node=none, g_per_j=one, capacity_s=one, arrivals=one, due=one
        )
        with contextlib.suppress(SourceUnavailable):  # the first plan says so
            solve_slots(smallest)

    async def run(self) -> None:
        """Plan where something has changed, and every ten seconds, until cancelled."""
        settled_s, planned_s = self._clock.now_s(), -math.inf
        while True:
            await asyncio.sleep(LOOK_S)
            now_s, surprised = self._clock.now_s(), False
            if now_s - settled_s >= SETTLE_S:
                surprised, settled_s = self.demand.settle(now_s - settled_s), now_s
            if surprised or now_s - planned_s >= EVERY_S or self._fleet.now.world.version != self._version:
                planned_s = now_s
                try:
                    await self.plan()
                except Exception as fault:  # noqa: BLE001 - a planner that ended would leave requests without plans in silence
                    _LOG.exception("a plan failed")
                    self._warn(f"{type(fault).__name__}: {fault}")

    async def plan(self) -> bool:
        """Make one plan; without one, policies go by grams. Tells whether there is one."""
        fleet, streams = self._fleet, self.demand.streams()
        now_s, world = self._clock.now_s(), fleet.now.world
        self._version = world.version
        if not streams or fleet.told_until_s > now_s:
            return False
        snapshot = self._priced(world.snapshot(now_s))
        if not snapshot.alive.any():
            return False
        per_s = [self.demand.flows[stream.key].per_s for stream in streams]
        planner = Planner(
            streams,
            foresee(snapshot),
            lambda i, starts_s: np.full(len(starts_s), per_s[i] * SLOT_S),
            slot_s=SLOT_S,
            horizon_slots=1,
            max_busy_frac=min(FILL_FRAC, fleet.scenario.goals.max_busy_frac),
            lean_frac=1.0,
        )
        try:
            guidance = await self._solve(planner.solve, snapshot)
        except (Infeasible, SolverError, SourceUnavailable, DataError) as fault:
            self._warn(str(fault))
            return False
        self._warned = ""
        # What has changed meanwhile is planned for at the next look: these shares would be of something else.
        if fleet.now.world is not world or world.version != self._version or fleet.told_until_s > now_s:
            return False
        world.renew(guidance=replace(guidance, end_s=guidance.end_s + SLOT_S))
        self._version = world.version
        return True

    def _priced(self, snapshot: Snapshot) -> Snapshot:
        """With the seconds that a mean request keeps its node busy besides its inferences put on these.

        ``fixed_s`` holds the way to the node, which keeps nobody busy, and the node's own hand-over, which does. The
        shortest look at its readiness tells the way.
        """
        plans = snapshot.plans
        peers = self._fleet.peers
        way_s = np.array([peers[name].way_s if name in peers else math.inf for name in snapshot.nodes])
        own_s = np.maximum(plans.fixed_s - way_s[plans.node], 0.0)
        table = replace(
            plans, fixed_s=plans.fixed_s - own_s, latency_s=plans.latency_s + own_s / self.demand.count
        )
        return replace(snapshot, plans=table)

    def _warn(self, why: str) -> None:
        """Once for each reason, not every ten seconds."""
        if why != self._warned:
            _LOG.warning("no plan was made, so requests go by grams: %s", why)
            self._warned = why


def foresee(snapshot: Snapshot) -> Callable[[str, Floats], Floats]:
    """What is known of each zone, for a minute: its intensity now, the mean where its nodes declare different ones."""
    by_zone: dict[str, list[float]] = {}
    for zone, value in zip(snapshot.zone, snapshot.intensity_g_per_kwh.tolist(), strict=True):
        by_zone.setdefault(zone, []).append(value)
    return lambda zone, starts_s: np.full(len(starts_s), sum(by_zone[zone]) / len(by_zone[zone]))
