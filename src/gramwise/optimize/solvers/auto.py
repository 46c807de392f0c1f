"""Chooses the solver by the class of the problem after rewrites, and says why; exact first, always.

linear, whole or not; exact rewrites           milp, proved
smooth and real, not exact as a matrix         milp for the bound, convex from its point for the decision
anything else that a matrix can only relax     milp for the bound, local search from its point for the decision
no bounded relaxation                          local search, nothing proved
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..compiled.structure import Structure, structure
from .convex import MOST_WIDTH, ConvexSolver
from .local import LocalSolver
from .milp import MilpSolver

if TYPE_CHECKING:
    from gramwise.core.decision import Floats

    from ..compiled.solution import Solution
    from ..typed.bind import Bound


class AutoSolver:
    """Routes by structure."""

    def solve(
        self, bound: Bound, *, time_limit_s: float = 60.0, seed: int = 0, start: Floats | None = None
    ) -> Solution:
        """See `Solver`; ``rewrites`` begins with the reason for the choice.

        Raises:
            Refused: the problem does not compile.
            SourceUnavailable: SciPy is not installed.
        """
        kind = structure(bound)
        share = 1.0 if kind.exact else 0.5
        first = MilpSolver().solve(bound, time_limit_s=share * time_limit_s, seed=seed, start=start)
        if first.status in ("optimal", "infeasible", "unbounded") or kind.exact:
            return replace(first, rewrites=(f"milp: {kind.reason}", *first.rewrites))
        smooth = kind.real and bound.width <= MOST_WIDTH
        second = (ConvexSolver() if smooth else LocalSolver()).solve(
            bound,
            time_limit_s=(1 - share) * time_limit_s,
            seed=seed,
            start=first.point if start is None else start,
        )
        return _joined(first, second, kind)


def _joined(first: Solution, second: Solution, kind: Structure) -> Solution:
    """The better decision with the relaxation's bound."""
    kept = [s for s in (first, second) if s.grams is not None and not s.violations]
    if not kept:
        best = replace(second, status="no_feasible_found", bound=first.bound, gap_frac=None)
    else:
        best = min(kept, key=lambda s: float(s.grams or 0.0))
    gap, bound, grams = None, first.bound, best.grams
    if kept and bound is not None and grams:
        gap = max(0.0, grams - bound) / abs(grams)
    return replace(
        best,
        bound=bound,
        gap_frac=gap,
        wall_s=first.wall_s + second.wall_s,
        cpu_s=first.cpu_s + second.cpu_s,
        solver=f"{first.solver}+{second.solver}",
        versions={**first.versions, **second.versions},
        rewrites=(f"{first.solver}, then {second.solver}: {kind.reason}", *first.rewrites, *second.rewrites),
    )


PLUGIN = AutoSolver
