"""What a unit of room in each constraint is worth, in grams: duals of a linear program, and re-solving of any other.

The dual of a linear program is the slope at the optimum. Whole programs have no slope, so that all rows of one
constraint are given 1 % more room at once and the program is solved again; where that saves nothing, room for the
smallest term, as one job more. The saving is divided by the room given; 0 holds for these steps, not for every step.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..compiled import highs
from ..compiled.milp import compile_milp

if TYPE_CHECKING:
    from gramwise.core.decision import Floats, Ints

    from ..compiled.milp import Milp
    from ..compiled.solution import Solution
    from ..typed.bind import Bound

STEP_FRAC = 0.01
_EQUAL = "an equality has no room"


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
        return _dual(milp, names, solution, np.abs(answer.duals))
    return _resolved(milp, names, solution, time_limit_s)


def _dual(milp: Milp, names: list[str], solution: Solution, duals: Floats) -> Solution:
    prices: dict[str, float | None] = {}
    saved: dict[str, float | None] = {}
    notes: dict[str, str] = {}
    for name in names:
        rows = _rows(milp, name)
        prices[name] = float(duals[rows].sum())
        saved[name], notes[name] = None, f"{_EQUAL}; its dual is {prices[name]:.4g} g a base unit"
        if not _equal(milp, rows):
            saved[name] = float((duals[rows] * np.abs(_limit(milp, rows))).sum() * STEP_FRAC)
            notes[name] = f"{STEP_FRAC:.0%} more room in each of its rows, by the dual of the linear program"
    return replace(solution, prices=prices, saved=saved, price_notes=notes)


def _resolved(milp: Milp, names: list[str], solution: Solution, time_limit_s: float) -> Solution:
    begun, grams = time.perf_counter(), float(solution.grams or 0.0)
    prices: dict[str, float | None] = {}
    saved: dict[str, float | None] = {}
    notes: dict[str, str] = {}
    for name in names:
        prices[name], saved[name] = None, None
        rows = _rows(milp, name)
        if _equal(milp, rows):
            notes[name] = _EQUAL
            continue
        notes[name] = "not solved again in the time given"
        for step, why in _steps(milp, rows):
            left_s = time_limit_s - (time.perf_counter() - begun)
            gained = None if left_s <= 0 else _with_room(milp, rows, step, grams, left_s)
            if gained is None:
                break
            prices[name], saved[name], notes[name] = gained / step, gained, f"{why}, solved again"
            if gained > 0:
                break
    return replace(solution, prices=prices, saved=saved, price_notes=notes)


def _steps(milp: Milp, rows: Ints) -> list[tuple[float, str]]:
    """Room to try: 1 % of the largest limit; where that is too little for anything, what the smallest term takes."""
    share = float(np.abs(_limit(milp, rows)).max(initial=0.0)) * STEP_FRAC
    terms = np.abs(milp.val[np.isin(milp.row, rows) & (milp.val != 0)])
    least = float(terms.min(initial=np.inf))
    steps = [(share, f"{STEP_FRAC:.0%} of the largest limit more room in every row of it")]
    steps.append((least, "room for its smallest term in every row of it"))
    return [(step, why) for step, why in steps if 0 < step < np.inf]


def _with_room(milp: Milp, rows: Ints, step: float, grams: float, left_s: float) -> float | None:
    """Grams saved with ``step`` more room in ``rows``; None where that was not settled."""
    high, low = milp.row_hi.copy(), milp.row_lo.copy()
    high[rows] += step
    low[rows] -= step
    answer = highs.solve(replace(milp, row_hi=high, row_lo=low), time_limit_s=left_s)
    if answer.z is None or answer.status != "optimal":
        return None
    saved = grams - float(milp.c @ answer.z + milp.offset)
    return saved if saved > 1e-9 * abs(grams) else 0.0


def _rows(milp: Milp, name: str) -> Ints:
    return np.flatnonzero(np.array(milp.constraint) == name)


def _equal(milp: Milp, rows: Ints) -> bool:
    return bool((milp.row_lo[rows] == milp.row_hi[rows]).any())


def _limit(milp: Milp, rows: Ints) -> Floats:
    return np.where(np.isfinite(milp.row_hi[rows]), milp.row_hi[rows], milp.row_lo[rows])
