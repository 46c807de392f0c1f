"""What the planner is told in a simulation: the operator's profile of demand, and intensities as foreseen by then."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from gramwise.core.units import S_PER_HOUR
from gramwise.fleet.traffic import TrafficTable
from gramwise.runtime.ahead import CAUTION_FRAC_PER_HOUR, Planner, Stream
from gramwise.runtime.engine import Engine
from gramwise.sim.arrivals import limits
from gramwise.sim.demand import profile_per_s
from gramwise.sim.trial import Plan, Planning, Scene

if TYPE_CHECKING:
    from gramwise.core.decision import Floats

GUIDED = frozenset({"shadow-price", "fractions", "predictive", "two-choices", "budget"})
"""Policies that go by a solver's guidance; for the others nothing is solved."""

BUDGETED = "budget"


Counting = Callable[[int, bool, float, "Floats"], "Floats"]
"""(class, whether of its work that can wait, now, starts of slots in Unix seconds) -> inferences that come in each."""


def planning_of(scene: Scene, name: str, scale: float, counting: Counting | None = None) -> Planning | None:
    """How the hours to come are planned for a policy, or None where the policy has no use for it.

    Args:
        scene: what it meets.
        name: of the policy.
        scale: factor on all rates, as on the requests.
        counting: what is foreseen of demand, instead of the operator's profile.
    """
    if name not in GUIDED:
        return None
    simulation, goals = scene.scenario.simulation, scene.scenario.goals
    streams, rates = _streams(scene, scale)
    kinds = [(k, waits) for k, waits, _ in _kinds(scene)]

    def planning(engine: Engine, spent_g: Callable[[float], float]) -> Plan:
        issued, asked_s = 0, scene.offered.start_s

        def expect(i: int, starts_s: Floats) -> Floats:
            if counting is not None:
                return counting(*kinds[i], asked_s, starts_s)
            return rates[i](starts_s) * simulation.slot_s

        def foresee(zone: str, starts_s: Floats) -> Floats:
            return scene.signals.foreseen(scene.signals.zones.index(zone), issued, starts_s)

        planner = Planner(
            streams,
            foresee,
            expect,
            engine.waiting.values,
            slot_s=simulation.slot_s,
            horizon_slots=max(1, round(simulation.horizon_hours * S_PER_HOUR / simulation.slot_s)),
            max_busy_frac=goals.max_busy_frac,
            budget_g_per_day=goals.carbon_budget_g_per_day if name == BUDGETED else None,
            spent_g=spent_g,
            caution_frac_per_hour=0.0 if simulation.forecast == "perfect" else CAUTION_FRAC_PER_HOUR,
        )

        def plan(now_s: float) -> None:
            nonlocal issued, asked_s
            asked_s, issued = now_s, scene.signals.hour_of(now_s)
            planner.renew(engine.world, now_s)

        return plan

    return planning


Rate = Callable[["Floats"], "Floats"]
"""Starts of slots, Unix seconds -> inferences per second."""


def _streams(scene: Scene, scale: float) -> tuple[list[Stream], list[Rate]]:
    """What each kind asks for, with what the operator expects of it."""
    streams, rates = [], []
    for k, waits, share in _kinds(scene):
        row = scene.offered.rows[k]
        deadline_s, zones = limits(scene.scenario, row)
        key = (row.model, row.accuracy_floor_frac, zones)
        window_s = row.deferrable_s if waits else 0.0
        streams.append(Stream(key=key, window_s=window_s, deadline_s=deadline_s, count=row.count))
        rates.append(_rate(scene, k, row, share * row.count * scale))
    return streams, rates


def _kinds(scene: Scene) -> list[tuple[int, bool, float]]:
    """Each class twice, work that can wait apart, with its share; a kind without a share is left out."""
    shares = [
        (k, waits, row.deferrable_frac if waits else 1.0 - row.deferrable_frac)
        for k, row in enumerate(scene.offered.rows)
        for waits in (False, True)
    ]
    return [kind for kind in shares if kind[2] > 0.0]


def _rate(scene: Scene, k: int, row: TrafficTable, factor: float) -> Rate:
    """The profile at the middle of each hour; of a file, whose profile nobody stated, its mean."""
    if row.file is None:
        return lambda starts_s: profile_per_s(row, (starts_s // S_PER_HOUR + 0.5) * S_PER_HOUR) * factor
    offered = scene.offered
    mean_per_s = int((offered.of == k).sum()) / (offered.end_s - offered.start_s)
    return lambda starts_s: np.full(len(starts_s), mean_per_s * factor)
