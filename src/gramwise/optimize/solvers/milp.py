"""The default: HiGHS through SciPy on the matrix form, exact where every rewrite was, with a true bound where not.

Where curves were replaced by tangents it solves again with tangents at the solution until they agree (outer
approximation, Duran and Grossmann 1986): the bound rises and stays one. It takes no start; `highs` does.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..compiled import highs
from ..compiled.evaluate import Evaluator
from ..compiled.milp import Milp, compile_milp
from ..compiled.solution import Run, Solution, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from gramwise.core.decision import Floats

    from ..typed.bind import Bound

MOST_ROUNDS = 12
_CLOSE = 1e-6


class MilpSolver:
    """HiGHS by SciPy.

    Args:
        gap_frac: stop when this near to the bound; 0 for a proof.
    """

    def __init__(self, gap_frac: float = 0.0) -> None:
        self.gap_frac = gap_frac

    def solve(
        self, bound: Bound, *, time_limit_s: float = 60.0, seed: int = 0, start: Floats | None = None
    ) -> Solution:
        """See `Solver`. Deterministic but for where a time limit falls; ``seed`` and ``start`` are passed over.

        Raises:
            Refused: the problem does not compile (E103, E404, E704).
            SourceUnavailable: SciPy is not installed.
            SolverError: HiGHS failed.
        """
        del start

        def once(milp: Milp, left_s: float) -> highs.Answer:
            return highs.solve(milp, time_limit_s=left_s, gap_frac=self.gap_frac)

        return solved(bound, once, Run("milp", time_limit_s, seed, "scipy"))


def solved(bound: Bound, once: Callable[[Milp, float], highs.Answer], run: Run) -> Solution:
    """Compile, solve, add tangents while they move the answer, and judge: what every exact solver does."""
    milp = compile_milp(bound)
    answer = once(milp, run.left_s)
    floor, done = answer.bound, answer.status != "optimal"
    for _ in range(MOST_ROUNDS):
        tighter = milp.refined(answer.z) if answer.z is not None and milp.curves else None
        if tighter is None:
            break
        if run.left_s <= 0:
            done = True
            break
        milp, again = tighter, once(tighter, run.left_s)
        done = again.status != "optimal"
        if again.z is None:
            if again.status == "infeasible":
                answer, floor = again, again.bound
            break
        answer, floor = again, max(floor, again.bound)
    point = None if answer.z is None else milp.decision(answer.z)
    evaluator = Evaluator(bound, milp.grids)
    if point is not None and (milp.curves or milp.relaxed):
        point = _nearer(bound, evaluator, point, milp)
    found = run.judged(
        evaluator,
        point,
        status=_status(answer, point, proved=not done and not milp.relaxed),
        bound=floor if math.isfinite(floor) else None,
        rewrites=(*milp.notes, *(f"relaxed: {text}" for text in milp.relaxed)),
    )
    return _settled(found, milp)


def _status(answer: highs.Answer, point: Floats | None, *, proved: bool) -> Status:
    if answer.status == "infeasible":
        return "infeasible"
    if answer.status == "unbounded":
        return "unbounded"
    if point is None:
        return "time_limit"
    return "optimal" if proved else "feasible"


def _settled(found: Solution, milp: Milp) -> Solution:
    """A relaxation whose optimum the evaluator confirms is optimal after all; an unbounded one proves nothing."""
    if found.status in ("optimal", "feasible") and found.gap_frac is not None:
        # proved within what HiGHS itself tells apart
        return replace(found, status="optimal" if found.gap_frac <= _CLOSE else "feasible")
    if found.status == "unbounded" and milp.relaxed:
        return replace(found, status="no_feasible_found")
    return found


def _nearer(bound: Bound, evaluator: Evaluator, point: Floats, milp: Milp) -> Floats:
    """Move the real part of a relaxation's solution to where the problem itself is kept and best, whole ones as they
    are: tangents come only as close as the solver's tolerance lets them."""
    from .convex import polish

    free = ~milp.integrality[: bound.width]
    free[milp.eliminated.column] = False
    moved = polish(bound, evaluator, point, free)
    values = evaluator(np.stack([point, moved]))
    if values.kept.all():
        return moved if values.grams[1] < values.grams[0] else point
    return moved if values.worst[1] < values.worst[0] else point


PLUGIN = MilpSolver
