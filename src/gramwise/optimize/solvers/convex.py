"""Small smooth problems of real variables by SciPy's SLSQP from several starts, with a check of the KKT conditions.

It proves nothing by itself: a point that satisfies KKT is optimal where the problem is convex, and a local optimum
elsewhere, so the status stays ``feasible``. Gradients are central differences of the evaluator, all in one batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gramwise.core.errors import SourceUnavailable

from ..compiled.evaluate import Evaluator
from ..compiled.solution import Run
from ..typed.findings import Refused

if TYPE_CHECKING:
    from gramwise.core.decision import Bools, Floats

    from ..compiled.solution import Solution
    from ..typed.bind import Bound

MOST_WIDTH = 200
STARTS = 12


class ConvexSolver:
    """SLSQP from several starts."""

    def solve(
        self, bound: Bound, *, time_limit_s: float = 60.0, seed: int = 0, start: Floats | None = None
    ) -> Solution:
        """See `Solver`; the first start is ``start``, then the middle of the bounds, then random points.

        Raises:
            Refused: E705 the problem has whole variables, or too many.
            SourceUnavailable: SciPy is not installed.
        """
        if any(v.domain != "real" for v in bound.variables.values()) or bound.width > MOST_WIDTH:
            raise Refused(
                "E705",
                f"this solver takes at most {MOST_WIDTH} variables, all real.",
                fix="Write --solver auto.",
            )
        run = Run("convex", time_limit_s, seed, "scipy")
        rng, evaluator = np.random.default_rng(seed), Evaluator(bound)
        lower, upper = box(bound)
        free = np.ones(bound.width, dtype=np.bool_)
        first = [] if start is None else [np.clip(start, lower, upper)]
        best: Floats | None = None
        key = (np.inf, np.inf)
        for i in range(STARTS):
            begin = (
                first.pop()
                if first
                else lower + (upper - lower) * (0.5 if i < 2 else rng.random(bound.width))
            )
            point = polish(bound, evaluator, begin, free)
            values = evaluator(point[None])
            mine = (0.0 if values.kept[0] else float(values.worst[0]), float(values.grams[0]))
            if mine < key:
                best, key = point, mine
            if run.left_s < 0:
                break
        assert best is not None
        residual = kkt_residual(bound, best)
        note = f"no rewrite; what is left of the KKT conditions is {residual:.2g} of the grams."
        return run.judged(evaluator, best, rewrites=(note,))


def box(bound: Bound) -> tuple[Floats, Floats]:
    """Bounds of all scalars, (width,) each, base units."""
    lower = np.concatenate([v.lower.ravel() for v in bound.variables.values()])
    upper = np.concatenate([v.upper.ravel() for v in bound.variables.values()])
    return lower, upper


def polish(bound: Bound, evaluator: Evaluator, point: Floats, free: Bools) -> Floats:
    """SLSQP over the ``free`` scalars from ``point``, the rest as they are; the point itself where it fails.

    Raises:
        SourceUnavailable: SciPy is not installed.
    """
    minimize = _minimize()
    lower, upper = box(bound)
    free = free & (upper > lower)
    width = np.where(
        np.isfinite(upper - lower) & (upper > lower), upper - lower, np.maximum(1.0, np.abs(point))
    )
    if not free.any() or free.sum() > MOST_WIDTH:
        return point
    local = _Local(bound, evaluator, point, free, width)
    bounds = np.stack([((lower - point) / width)[free], ((upper - point) / width)[free]], axis=1)
    kinds = [{"type": "ineq", "fun": local.room, "jac": local.room_slope}] if local.inequalities else []
    if local.equalities:
        kinds.append({"type": "eq", "fun": local.balance, "jac": local.balance_slope})
    with np.errstate(all="ignore"):
        found = minimize(
            local.grams, np.zeros(int(free.sum())), jac=local.grams_slope, bounds=bounds, constraints=kinds,
            method="SLSQP", options={"maxiter": 200, "ftol": 1e-14},
        )  # fmt: skip
    moved = local.whole(found.x[None])[0]
    return np.asarray(np.clip(moved, lower, upper)) if np.isfinite(moved).all() else point


class _Local:
    """Objective and rows around a point, in steps of the bounds' width, scaled to sizes near one."""

    def __init__(self, bound: Bound, evaluator: Evaluator, point: Floats, free: Bools, width: Floats) -> None:
        self.evaluator, self.point, self.free, self.width = evaluator, point, free, width
        self.rels = {c.record.name: c.rel for c in bound.constraints}
        self.inequalities = any(rel != "==" for rel in self.rels.values())
        self.equalities = any(rel == "==" for rel in self.rels.values())
        self.size = abs(float(evaluator(point[None]).grams[0])) or 1.0
        if not np.isfinite(self.size):
            self.size = 1.0

    def whole(self, steps: Floats) -> Floats:
        made = np.repeat(self.point[None], len(steps), axis=0)
        made[:, self.free] += steps * self.width[self.free]
        return np.asarray(made)

    def _gram_rows(self, steps: Floats) -> Floats:
        return np.asarray(self.evaluator(self.whole(steps)).grams[:, None] / self.size)

    def _rows(self, steps: Floats, *, equal: bool) -> Floats:
        found = []
        for made in self.whole(steps):
            parts = []
            for name, (left, right) in self.evaluator.sides(made).items():
                if (self.rels[name] == "==") is equal:
                    scale = np.maximum(np.maximum(np.abs(left), np.abs(right)), 1e-30).max(initial=1e-30)
                    parts.append((right - left if self.rels[name] != ">=" else left - right) / scale)
            found.append(np.concatenate(parts))
        return np.asarray(np.nan_to_num(np.array(found), nan=-1.0, posinf=1e6, neginf=-1e6))

    def _slope(self, of: Any, x: Floats) -> Floats:
        h = 1e-6
        eye = np.eye(len(x)) * h
        both = of(np.concatenate([x + eye, x - eye]))
        return np.asarray(np.nan_to_num((both[: len(x)] - both[len(x) :]).T / (2 * h)))

    def grams(self, x: Floats) -> float:
        value = float(self._gram_rows(x[None])[0, 0])
        return value if np.isfinite(value) else 1e9

    def grams_slope(self, x: Floats) -> Floats:
        return np.asarray(self._slope(self._gram_rows, x)[0])

    def room(self, x: Floats) -> Floats:
        return np.asarray(self._rows(x[None], equal=False)[0])

    def room_slope(self, x: Floats) -> Floats:
        return self._slope(lambda s: self._rows(s, equal=False), x)

    def balance(self, x: Floats) -> Floats:
        return np.asarray(self._rows(x[None], equal=True)[0])

    def balance_slope(self, x: Floats) -> Floats:
        return self._slope(lambda s: self._rows(s, equal=True), x)


def kkt_residual(bound: Bound, point: Floats) -> float:
    """How much of the objective's gradient no active row or bound takes up, 0 at a KKT point.

    The gradient is that of grams as a share of their amount, over the width of each variable's bounds: 1e-3 means that
    crossing them all would change the grams by about a thousandth.
    """
    try:
        from scipy.optimize import nnls
    except ImportError as fault:
        raise SourceUnavailable("this solver needs SciPy: pip install 'gramwise[plan]'") from fault
    evaluator = Evaluator(bound)
    lower, upper = box(bound)
    width = np.where(
        np.isfinite(upper - lower) & (upper > lower), upper - lower, np.maximum(1.0, np.abs(point))
    )
    local = _Local(bound, evaluator, point, np.ones(len(point), dtype=np.bool_), width)
    zero = np.zeros(len(point))
    slope = local.grams_slope(zero)
    at_low, at_high = (point - lower) / width < 1e-7, (upper - point) / width < 1e-7
    normals = [np.eye(len(point))[at_low], -np.eye(len(point))[at_high]]
    if local.inequalities:
        room = local.room(zero)
        normals.append(local.room_slope(zero)[room < 1e-6])
    if local.equalities:
        rows = local.balance_slope(zero)
        normals += [rows, -rows]
    active = np.concatenate(normals)
    if not len(active):  # SciPy's nnls corrupts memory without columns
        return float(np.linalg.norm(slope))
    _, left = nnls(active.T, slope)
    return float(left)


def _minimize() -> Any:
    try:
        from scipy.optimize import minimize
    except ImportError as fault:
        raise SourceUnavailable("this solver needs SciPy: pip install 'gramwise[plan]'") from fault
    return minimize


__all__ = ["ConvexSolver", "box", "kkt_residual", "polish"]
PLUGIN = ConvexSolver
