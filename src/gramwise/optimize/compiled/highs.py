"""Matrix forms by HiGHS through SciPy, the one module of this package that imports it.

HiGHS keeps rows within 1e-6 and stops 1e-6 short of the optimum, both absolute, so that columns, rows and the objective
are scaled by powers of two to sizes near one before they go there: 1e-9 grams of a small job are as good as tonnes.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gramwise.core.errors import SolverError, SourceUnavailable

if TYPE_CHECKING:
    from gramwise.core.decision import Floats

    from .milp import Milp

_WORTH = 1e4
"""The largest term of the objective is brought to this size: the absolute 1e-6 is then 1e-10 of it."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What HiGHS said.

    Attributes:
        status: its verdict.
        z: best columns found, base units; None for none.
        bound: no solution has fewer grams; -inf where nothing is proved.
        duals: grams that one unit more of ``row_hi`` or less of ``row_lo`` saves, (M,); None for whole programs.
    """

    status: Literal["optimal", "infeasible", "unbounded", "limit"]
    z: Floats | None
    bound: float
    duals: Floats | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Scaled:
    """A matrix form in sizes near one: ``z = column * y``, row i times ``row[i]``, the objective times ``worth``."""

    matrix: Any
    c: Floats
    low: Floats
    high: Floats
    lower: Floats
    upper: Floats
    column: Floats
    row: Floats
    worth: float


def scaled(milp: Milp) -> Scaled:
    """Bring a form to sizes near one.

    Raises:
        SourceUnavailable: SciPy is not installed.
    """
    _, sparse = scipy_parts()
    reach = np.maximum(np.abs(milp.lb), np.abs(milp.ub))
    free = ~milp.integrality & np.isfinite(reach) & (reach > 0)
    column = np.where(free, _power(np.where(free, reach, 1.0)), 1.0)
    value = milp.val * column[milp.col]
    biggest = np.zeros(len(milp.row_lo))
    np.maximum.at(biggest, milp.row, np.abs(value))
    row = 1.0 / _power(np.where(biggest > 0, biggest, 1.0))
    c = milp.c * column
    top = float(np.abs(c).max(initial=0.0))
    worth = _WORTH / float(_power(np.array([top]))[0]) if top > 0 else 1.0
    entries = (value * row[milp.row], (milp.row, milp.col))
    matrix = sparse.csr_array(sparse.coo_array(entries, shape=(len(milp.row_lo), len(milp.c))))
    return Scaled(
        matrix,
        c * worth,
        milp.row_lo * row,
        milp.row_hi * row,
        milp.lb / column,
        milp.ub / column,
        column,
        row,
        worth,
    )


def solve(
    milp: Milp, *, time_limit_s: float = math.inf, gap_frac: float = 0.0, presolve: bool = True
) -> Answer:
    """Solve a form as it is; ``milp.relaxed`` and `Milp.refined` say what the answer is worth.

    Args:
        milp: the form.
        time_limit_s: wall-clock seconds.
        gap_frac: stop when this near to the bound.
        presolve: let HiGHS simplify first; tried without when it fails with.

    Raises:
        SourceUnavailable: SciPy is not installed.
        SolverError: HiGHS stopped for another reason than time.
    """
    if (milp.lb > milp.ub).any():
        return Answer("infeasible", None, math.inf)
    if not milp.integrality.any():
        return _linear(milp, time_limit_s)
    optimize, _ = scipy_parts()
    s = scaled(milp)
    options: dict[str, Any] = {"mip_rel_gap": gap_frac, "presolve": presolve}
    if math.isfinite(time_limit_s):
        options["time_limit"] = max(time_limit_s, 0.01)
    with nothing_on_stdout():
        found = optimize.milp(
            s.c,
            constraints=optimize.LinearConstraint(s.matrix, s.low, s.high) if len(s.low) else (),
            integrality=milp.integrality.astype(np.int64),
            bounds=optimize.Bounds(s.lower, s.upper),
            options=options,
        )
    if found.status == 4 and presolve:
        # "infeasible or unbounded" and numerical trouble: once more without simplification
        return solve(milp, time_limit_s=time_limit_s, gap_frac=gap_frac, presolve=False)
    if found.status not in (0, 1, 2, 3):
        raise SolverError(f"HiGHS stopped without an answer: {found.message}")
    bound = -math.inf
    if found.mip_dual_bound is not None and found.status in (0, 1):
        bound = float(found.mip_dual_bound) / s.worth + milp.offset
    z = None if found.x is None else np.asarray(found.x) * s.column
    return Answer(_VERDICTS[found.status], z, bound)


_VERDICTS: dict[int, Literal["optimal", "limit", "infeasible", "unbounded"]] = {
    0: "optimal",
    1: "limit",
    2: "infeasible",
    3: "unbounded",
}


def _linear(milp: Milp, time_limit_s: float) -> Answer:
    optimize, sparse = scipy_parts()
    s = scaled(milp)
    equal = s.low == s.high
    above, below = np.isfinite(s.low) & ~equal, np.isfinite(s.high) & ~equal
    options = {"time_limit": max(time_limit_s, 0.01)} if math.isfinite(time_limit_s) else {}
    found = optimize.linprog(
        s.c,
        A_ub=sparse.vstack([s.matrix[below], -s.matrix[above]]) if len(s.low) else None,
        b_ub=np.concatenate([s.high[below], -s.low[above]]) if len(s.low) else None,
        A_eq=s.matrix[equal] if len(s.low) else None,
        b_eq=s.low[equal] if len(s.low) else None,
        bounds=np.stack([s.lower, s.upper], axis=1),
        method="highs",
        options=options,
    )
    if found.status not in (0, 1, 2, 3):
        raise SolverError(f"HiGHS stopped without an answer: {found.message}")
    if found.status != 0:
        return Answer(_VERDICTS[found.status], None, math.inf if found.status == 2 else -math.inf)
    duals = np.zeros(len(s.low))
    if len(s.low):
        tops = int(below.sum())
        duals[below] -= found.ineqlin.marginals[:tops]
        duals[above] += found.ineqlin.marginals[tops:] * -1.0
        duals[equal] = -found.eqlin.marginals
    grams = float(found.fun) / s.worth + milp.offset
    return Answer("optimal", found.x * s.column, grams, duals * s.row / s.worth)


def scipy_parts() -> tuple[Any, Any]:
    """``scipy.optimize`` and ``scipy.sparse``.

    Raises:
        SourceUnavailable: SciPy is not installed.
    """
    try:
        from scipy import optimize, sparse
    except ImportError as fault:
        raise SourceUnavailable("the exact solver needs SciPy: pip install 'gramwise[plan]'") from fault
    return optimize, sparse


@contextmanager
def nothing_on_stdout() -> Iterator[None]:
    """Standard output goes to standard error meanwhile: HiGHS prints lines of its own whatever it is told."""
    sys.stdout.flush()
    try:
        out = os.dup(1)
        os.dup2(2, 1)
    except OSError:  # a process without standard streams has nothing to protect
        yield
        return
    try:
        yield
    finally:
        os.dup2(out, 1)
        os.close(out)


def _power(x: Floats) -> Floats:
    """The nearest power of two, so that scaling rounds nothing."""
    return np.asarray(2.0 ** np.round(np.log2(x)))
