"""Plans for the minutes that come, for policies that follow one: shares of each class that fit the nodes' capacity.

At an hour's edge, when another zone becomes the cleanest, a policy that looks at grams alone sends everything there
until queues stop it. Shares made by the linear programme (`gramwise.runtime.ahead`) fill each node up to
``goals.max_busy_frac`` of its time and no further, so that no herd forms. Demand is what came lately, class by class.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from gramwise.core.ahead import ClassKey, class_of
from gramwise.core.clock import Clock
from gramwise.core.decision import Request, Snapshot
from gramwise.core.errors import DataError, Infeasible, SolverError, SourceUnavailable
from gramwise.runtime.ahead import Planner, Stream

from .fleet import LiveFleet

if TYPE_CHECKING:
    from gramwise.core.decision import Floats

_LOG = logging.getLogger("gramwise.gateway.front")

GUIDED = frozenset({"fractions", "predictive", "shadow-price"})
"""Policies that read a plan; the others need none."""

SLOT_S = 60.0
"""A plan holds for a minute of the clock, or until the next one."""

EVERY_S = 10.0
"""How often a plan is made: intensities, nodes and demand change in between."""

MEMORY_S = 60.0
"""Time constant of the demand: our own choice, some plans long."""

MOST_CLASSES = 32
"""Classes that are planned for; further ones go by prices."""


class Demand:
    """Inferences a second by class, as an exponential mean."""

    def __init__(self) -> None:
        self._counts: dict[ClassKey, int] = {}
        self._deadline_s: dict[ClassKey, float] = {}
        self.per_s: dict[ClassKey, float] = {}

    def came(self, request: Request) -> None:
        """A request is here."""
        key = class_of(request)
        self._counts[key] = self._counts.get(key, 0) + request.count
        if request.deadline_s is not None:
            self._deadline_s[key] = max(request.deadline_s, self._deadline_s.get(key, 0.0))

    def settle(self, passed_s: float) -> None:
        """Take what came over the last ``passed_s`` seconds into the means."""
        keep = math.exp(-passed_s / MEMORY_S)
        for key in self.per_s.keys() | self._counts.keys():
            came_per_s = self._counts.get(key, 0) / passed_s
            old_per_s = self.per_s.get(key, came_per_s)
            self.per_s[key] = old_per_s * keep + came_per_s * (1.0 - keep)
        self._counts.clear()

    def streams(self) -> list[Stream]:
        """The busiest classes."""
        busiest = sorted(self.per_s, key=lambda key: -self.per_s[key])[:MOST_CLASSES]
        return [
            Stream(key=key, deadline_s=self._deadline_s.get(key)) for key in busiest if self.per_s[key] > 0.0
        ]


class Guiding:
    """Makes plans for a fleet as long as it runs.

    Args:
        fleet: whose world gets them.
        clock: of it.
    """

    def __init__(self, fleet: LiveFleet, clock: Clock) -> None:
        self._fleet, self._clock = fleet, clock
        self.demand = Demand()

    async def run(self) -> None:
        """Now, at every minute's edge and in between, until cancelled."""
        settled_s = self._clock.now_s()
        while True:
            now_s = self._clock.now_s()
            edge_s = (math.floor(now_s / SLOT_S) + 1) * SLOT_S
            await asyncio.sleep(min(EVERY_S, max(edge_s - now_s, 0.05)))
            now_s = self._clock.now_s()
            self.demand.settle(max(now_s - settled_s, 1e-3))
            settled_s = now_s
            await self.plan()

    async def plan(self) -> bool:
        """Make one plan, beside the serving; without one, policies go by grams. Tells whether there is one."""
        fleet, streams = self._fleet, self.demand.streams()
        if not streams:
            return False
        force = fleet.now
        per_s = [self.demand.per_s[stream.key] for stream in streams]
        planner = Planner(
            streams,
            foresee(force.world.snapshot(self._clock.now_s())),
            lambda i, starts_s: np.full(len(starts_s), per_s[i] * SLOT_S),
            slot_s=SLOT_S,
            horizon_slots=1,
            max_busy_frac=fleet.scenario.goals.max_busy_frac,
        )
        try:
            guidance = await asyncio.to_thread(planner.solve, force.world.snapshot(self._clock.now_s()))
        except (Infeasible, SolverError, SourceUnavailable, DataError) as fault:
            _LOG.warning("no plan was made, so requests go by grams: %s", fault)
            return False
        if fleet.now is force:
            force.world.renew(guidance=guidance)
        return True


def foresee(snapshot: Snapshot) -> Callable[[str, Floats], Floats]:
    """What is known of each zone, for a minute: its intensity now, the mean where its nodes declare different ones."""
    by_zone: dict[str, list[float]] = {}
    for zone, value in zip(snapshot.zone, snapshot.intensity_g_per_kwh.tolist(), strict=True):
        by_zone.setdefault(zone, []).append(value)
    return lambda zone, starts_s: np.full(len(starts_s), sum(by_zone[zone]) / len(by_zone[zone]))
