"""What a unit of room in each constraint is worth, in grams: duals of a linear program, and re-solving of any other.

The dual of a linear program is the slope at the optimum. Whole programs have no slope, so that all rows of one
constraint are given 1 % more room at once and the program is solved again; the saving is divided by the room given.
Where 1 % saves nothing the price is 0 for that step, not for every step.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..compiled import highs
from ..compiled.milp import compile_milp

if TYPE_CHECKING:
    from ..compiled.milp import Milp
    from ..compiled.solution import Solution
    from ..typed.bind import Bound

STEP_FRAC = 0.01


def with_prices(bound: Bound, solution: Solution, *, time_limit_s: float = 5.0) -> Solution:
    """The same solution with its prices.

    Args:
        bound: the problem.
        solution: an optimum of its matrix form; any other comes back as it is.
        time_limit_s: for all constraints together; those that do not fit in have the price None.

    Raises:
        SourceUnavailable: SciPy is not installed.
    """
    if solution.status != "optimal" or solution.grams is None:
        return solution
    milp = compile_milp(bound)
    if milp.relaxed or milp.curves:
        return solution
    names = [c.record.name for c in bound.constraints]
    answer = highs.solve(milp) if not milp.integrality.any() else None
    if answer is not None and answer.duals is not None:
        rows = {name: [i for i, n in enumerate(milp.constraint) if n == name] for name in names}
        prices: dict[str, float | None] = {
            name: float(np.abs(answer.duals[rows[name]]).sum()) for name in names
        }
        return replace(
            solution,
            prices=prices,
            price_notes=dict.fromkeys(names, "dual of the linear program, summed over its rows"),
        )
    return _resolved(milp, names, solution, time_limit_s)


def _resolved(milp: Milp, names: list[str], solution: Solution, time_limit_s: float) -> Solution:
    begun, grams = time.perf_counter(), float(solution.grams or 0.0)
    prices: dict[str, float | None] = {}
    notes: dict[str, str] = {}
    constraint = np.array(milp.constraint)
    for name in names:
        rows = np.flatnonzero(constraint == name)
        equal = milp.row_lo[rows] == milp.row_hi[rows]
        if equal.any():
            prices[name], notes[name] = None, "an equality has no room"
            continue
        limit = np.where(np.isfinite(milp.row_hi[rows]), milp.row_hi[rows], milp.row_lo[rows])
        step = float(np.abs(limit).max(initial=0.0)) * STEP_FRAC
        left_s = time_limit_s - (time.perf_counter() - begun)
        if step == 0.0 or left_s <= 0:
            prices[name] = None
            notes[name] = (
                "its limit is 0, so that 1 % of it is nothing" if step == 0.0 else "no time was left"
            )
            continue
        high, low = milp.row_hi.copy(), milp.row_lo.copy()
        high[rows] += step
        low[rows] -= step
        answer = highs.solve(replace(milp, row_hi=high, row_lo=low), time_limit_s=left_s)
        if answer.z is None or answer.status != "optimal":
            prices[name], notes[name] = None, "not solved again in the time given"
            continue
        saved = max(0.0, grams - float(milp.c @ answer.z + milp.offset))
        prices[name] = saved / step if saved > 1e-9 * abs(grams) else 0.0
        notes[name] = f"solved again with {STEP_FRAC:.0%} of the largest limit more room in every row of it"
    return replace(solution, prices=prices, price_notes=notes)
