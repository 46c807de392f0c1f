"""Bound B2 of a case of the fluid model: nodes that serve nobody in an hour may be off in it.

Starts cost nothing here, since no catalogue says what booting such a machine takes; so the bound stays one.
The total holds the idle grams of the hours in which nodes are on, so it compares with a policy's grams plus ``idle_g``
of nodes that are always on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gramwise.core.units import S_PER_HOUR
from gramwise.optimize.branches import slot_bounds
from gramwise.optimize.onoff import OnOffProblem
from gramwise.optimize.slots import SlotProblem, solve_slots
from gramwise.sim.case import Case

if TYPE_CHECKING:
    from gramwise.core.decision import Floats


def b2_of_case(case: Case, *, gap_frac: float = 1e-4) -> float | None:
    """The least grams of requests and idle nodes together, proven; None where a node's idle power is unknown.

    Work that can wait ties the hours of a year into one program with a binary for each node and hour, which nobody
    solves in a minute. Then the answer is that program without whole numbers: a node costs the share of its idle power
    that it is used. It is below B2, so still a bound, and never below B1.

    Args:
        case: the case; hours that are left out cost nothing.
        gap_frac: how much may be missing from each hour's optimum.

    Raises:
        Infeasible, SolverError, SourceUnavailable: as for `gramwise.optimize.onoff.solve_onoff`. What no node has time
            for is given up, as in B1.
    """
    if case.idle_w is None:
        return None
    problem = case.problem()
    if problem.waits.any():
        return solve_slots(_shared_idle(problem, case.idle_w), shed=True).carbon_g
    return float(slot_bounds(onoff_of(problem, case.idle_w), gap_frac=gap_frac).sum())


def onoff_of(problem: SlotProblem, idle_w: Floats) -> OnOffProblem:
    """Hours of a case with idle power, (N,), W; starts are free and an unknown intensity costs nothing."""
    grams = np.nan_to_num(idle_w[:, None] * S_PER_HOUR * problem.g_per_j, nan=0.0)
    return OnOffProblem(slots=problem, idle_g=grams, start_g=np.zeros_like(grams))


def _shared_idle(problem: SlotProblem, idle_w: Floats) -> SlotProblem:
    """Every second that a node is used carries its share of the node's idle joules of that hour."""
    most_s = problem.capacity_s.max(axis=1)
    share_w = np.divide(idle_w * S_PER_HOUR, most_s, out=np.zeros_like(most_s), where=most_s > 0)
    return replace(problem, energy_j=problem.energy_j + share_w[problem.node] * problem.busy_s)
