"""What could have been reached at best with the very requests of a simulation: bounds B0 and B1 at true intensities.

Work that can wait is due in the hour that holds its last start. A bound takes every node for always there and every
service time for its mean; it permits the plans that would be in time on idle nodes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gramwise.core.errors import ConfigError, Infeasible
from gramwise.core.units import J_PER_KWH, S_PER_HOUR
from gramwise.optimize.bounds import most_that_fits
from gramwise.optimize.slots import SlotProblem, closed_form_slots, solve_slots
from gramwise.sim.arrivals import limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gramwise.core.decision import Floats
    from gramwise.fleet.scenario import Scenario
    from gramwise.fleet.traffic import TrafficTable
    from gramwise.runtime.modelled import Modelled
    from gramwise.sim.trial import Scene

UNPRICED = "no bound: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Grams at best, without capacity (B0) and with it (B1); None where there is no bound, and why in ``note``."""

    b0_g: float | None
    b1_g: float | None
    note: str = ""


def plan_costs(scenario: Scenario, table: Modelled, rows: Sequence[TrafficTable]) -> tuple[Floats, Floats]:
    """Joules and slot seconds of one request of each class by each plan.

    Args:
        scenario: goals.
        table: P plans.
        rows: K classes.

    Returns:
        (K, P) joules, inf where the plan does not hold the model, is not accurate enough, stands where the data may not
        go, does not fit its node or could not be in time on an idle one; and (K, P) seconds.
    """
    plans, nodes = table.plans, table.nodes
    zones = [nodes[i].zone for i in plans.node.tolist()]
    energy_j, busy_s = [], []
    for row in rows:
        deadline_s, allowed = limits(scenario, row)
        floor = row.accuracy_floor_frac
        keep = plans.reference if floor is None else plans.accuracy_frac >= floor
        keep = keep & np.array([model == row.model for model in plans.model])
        keep &= np.array([allowed is None or zone in allowed for zone in zones])
        keep &= plans.fixed_s + plans.latency_s * row.count <= (
            math.inf if deadline_s is None else deadline_s
        )
        keep &= np.isfinite(table.service_s) & np.isfinite(plans.energy_j)
        energy_j.append(np.where(keep, plans.energy_j * row.count, np.inf))
        busy_s.append(np.where(np.isfinite(table.service_s), table.service_s, 1.0) * row.count)
    return np.array(energy_j), np.array(busy_s)


def load_scale(scenario: Scenario, table: Modelled, rows: Sequence[TrafficTable]) -> float:
    """Factor on all rates that makes mean demand the share ``simulation.load_frac`` of what fits; 1 without one.

    Raises:
        ConfigError: a class comes from a file, whose rate cannot be scaled.
        Infeasible: a class that no node can serve in time.
        SourceUnavailable: SciPy is not installed.
    """
    load = scenario.simulation.load_frac
    if load is None:
        return 1.0
    rates = [row.rate_per_s for row in rows]
    if None in rates:
        raise ConfigError(
            "a load can be set only where every class has a rate; one comes from a file.",
            file=scenario.path,
            key="simulation.load_frac",
            fix="Leave load_frac out, or write rate_per_s for every class.",
        )
    energy_j, busy_s = plan_costs(scenario, table, rows)
    # The share that other work takes is not there for us, as in the sweep.
    free = [n.slots * (1.0 - scenario.nodes[n.name].taken_frac) for n in table.nodes]
    capacity_s = np.array(free) * scenario.goals.max_busy_frac
    mix = np.array([rate or 0.0 for rate in rates])
    return load * most_that_fits(np.isfinite(energy_j), busy_s, np.asarray(table.plans.node), capacity_s, mix)


def bounds_of(scene: Scene) -> Bounds:
    """B0 and B1 of the requests of a scene.

    Raises:
        SolverError: the solver stopped without an answer.
        SourceUnavailable: SciPy is not installed.
    """
    problem = _problem(scene)
    try:
        b0_g = closed_form_slots(problem)
        solution = solve_slots(problem, shed=True)
    except Infeasible as fault:
        return Bounds(b0_g=None, b1_g=None, note=f"{UNPRICED}{fault}")
    if solution.unserved.sum() > 1e-6 * max(1.0, float(problem.arrivals.sum())):
        return Bounds(
            b0_g=b0_g, b1_g=None, note=f"{UNPRICED}more work comes than the nodes have time for in its window"
        )
    return Bounds(b0_g=b0_g, b1_g=solution.carbon_g)


def _problem(scene: Scene) -> SlotProblem:
    """Classes twice, those that can wait apart, hour by hour, in requests."""
    offered, signals, table = scene.offered, scene.signals, scene.table
    energy_j, busy_s = plan_costs(scene.scenario, table, offered.rows)
    hours, classes = signals.hours, len(offered.rows)
    kind = offered.of + classes * offered.can_wait
    came = np.minimum((offered.time_s // S_PER_HOUR).astype(int), hours - 1)
    left_s = np.array([r.deferrable_until_s or r.arrival_s for r in offered.requests]) - offered.start_s
    left = np.where(offered.can_wait, np.clip((left_s // S_PER_HOUR).astype(int), came, hours - 1), came)
    arrivals, due = np.zeros((2 * classes, hours)), np.zeros((2 * classes, hours))
    np.add.at(arrivals, (kind, came), 1.0)
    np.add.at(due, (kind, left), 1.0)
    pue = np.array([node.pue for node in table.nodes])
    slots = np.array([node.slots for node in table.nodes], dtype=np.float64)
    return SlotProblem(
        energy_j=np.concatenate([energy_j, energy_j]),
        busy_s=np.concatenate([busy_s, busy_s]),
        node=np.asarray(table.plans.node),
        g_per_j=signals.truth[signals.of, :hours] * (pue / J_PER_KWH)[:, None],
        capacity_s=np.repeat(slots[:, None] * S_PER_HOUR, hours, axis=1),
        arrivals=arrivals,
        due=due,
    )
