"""What could have been reached at best with the very requests of a simulation: bounds B0 and B1 at true intensities.

Work that can wait is due in the hour that holds its last start. A bound takes every node for always there and every
service time for its mean; it permits the plans that would be in time on idle nodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gramwise.core.errors import Infeasible
from gramwise.core.units import J_PER_KWH, S_PER_HOUR
from gramwise.optimize.slots import SlotProblem, closed_form_slots, solve_slots
from gramwise.sim.costs import request_costs

if TYPE_CHECKING:
    from gramwise.sim.trial import Scene

UNPRICED = "no bound: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Grams at best, without capacity (B0) and with it (B1); None where there is no bound, and why in ``note``."""

    b0_g: float | None
    b1_g: float | None
    note: str = ""


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
    energy_j, busy_s, _ = request_costs(scene.scenario, table, offered.rows)
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
