"""HiGHS through highspy, the one module that imports it: as `milp`, with a warm start.

highspy and OR-tools in one process crash each other (google/or-tools issue 5246), whichever comes first, so that this
solver refuses to load beside it.
"""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from gramwise.core.errors import SolverError, SourceUnavailable

from ..compiled.highs import Answer, scaled
from ..compiled.solution import Run
from .milp import solved

if TYPE_CHECKING:
    from gramwise.core.decision import Floats

    from ..compiled.milp import Milp
    from ..compiled.solution import Solution
    from ..typed.bind import Bound


class HighsSolver:
    """HiGHS by highspy, one thread.

    Args:
        gap_frac: stop when this near to the bound; 0 for a proof.
    """

    def __init__(self, gap_frac: float = 0.0) -> None:
        self.gap_frac = gap_frac

    def solve(
        self, bound: Bound, *, time_limit_s: float = 60.0, seed: int = 0, start: Floats | None = None
    ) -> Solution:
        """See `Solver`; ``start`` becomes HiGHS's first incumbent where it is feasible.

        Raises:
            SourceUnavailable: highspy is not installed.
            SolverError: OR-tools is loaded in this process, or HiGHS failed.
        """
        highspy = _highspy()

        def once(milp: Milp, left_s: float) -> Answer:
            return _once(highspy, milp, left_s, self.gap_frac, seed, start)

        return solved(bound, once, Run("highs", time_limit_s, seed, "highspy"))


def _highspy() -> Any:
    if "ortools" in sys.modules:
        raise SolverError(
            "highspy and OR-tools crash each other in one process, and OR-tools is loaded: use the solver `milp`, "
            "or another process."
        )
    try:
        import highspy
    except ImportError as fault:
        raise SourceUnavailable("this solver needs highspy: pip install 'gramwise[solvers]'") from fault
    return highspy


def _once(
    highspy: Any, milp: Milp, time_limit_s: float, gap_frac: float, seed: int, start: Floats | None
) -> Answer:
    if (milp.lb > milp.ub).any():
        return Answer("infeasible", None, math.inf)
    s = scaled(milp)
    solver = highspy.Highs()
    for name, value in (
        ("output_flag", False),
        ("threads", 1),
        ("random_seed", seed),
        ("mip_rel_gap", gap_frac),
        ("time_limit", max(time_limit_s, 0.01)),
    ):
        solver.setOptionValue(name, value)
    solver.passModel(_model(highspy, s, milp.integrality))
    if start is not None:
        guess = highspy.HighsSolution()
        guess.col_value = (milp.lift(start[None])[0] / s.column).tolist()
        solver.setSolution(guess)
    solver.run()
    return _answer(highspy, solver, milp, s)


def _model(highspy: Any, s: Any, whole: Any) -> Any:
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(s.c), len(s.low)
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = s.c, s.lower, s.upper
    lp.row_lower_, lp.row_upper_ = s.low, s.high
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = s.matrix.indptr
    lp.a_matrix_.index_ = s.matrix.indices
    lp.a_matrix_.value_ = s.matrix.data
    kinds = highspy.HighsVarType
    if whole.any():
        lp.integrality_ = [kinds.kInteger if w else kinds.kContinuous for w in whole.tolist()]
    return lp


def _answer(highspy: Any, solver: Any, milp: Milp, s: Any) -> Answer:
    status, kinds = solver.getModelStatus(), highspy.HighsModelStatus
    if status == kinds.kInfeasible:
        return Answer("infeasible", None, math.inf)
    if status == kinds.kUnbounded:
        return Answer("unbounded", None, -math.inf)
    if status not in (kinds.kOptimal, kinds.kTimeLimit, kinds.kIterationLimit, kinds.kSolutionLimit):
        raise SolverError(f"HiGHS stopped without an answer: {solver.modelStatusToString(status)}")
    info = solver.getInfo()
    value = info.mip_dual_bound if milp.integrality.any() else info.objective_function_value
    proved = bool(milp.integrality.any()) or status == kinds.kOptimal
    bound = float(value) / s.worth + milp.offset if proved and math.isfinite(value) else -math.inf
    feasible = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    z = np.array(solver.getSolution().col_value) * s.column if feasible else None
    return Answer("optimal" if status == kinds.kOptimal else "limit", z, bound)


PLUGIN = HighsSolver
