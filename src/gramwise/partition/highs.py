"""Linear and mixed-integer programs by HiGHS through SciPy, the only module of this package that imports it.

HiGHS takes a constraint as kept within 1e-6 and stops 1e-6 short of the optimum, both absolute, so programs come here
scaled: limits to about a thousand (see `program`), objectives to about ten thousand.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gramwise.core.errors import SolverError, SourceUnavailable

from .program import Rows

if TYPE_CHECKING:
    from gramwise.core.decision import Floats


@dataclass(frozen=True, eq=False)
class Relaxation:
    """Optimum of a program without whole numbers.

    Attributes:
        value: of the objective; inf where nothing is feasible.
        z: the columns.
        reduced: what the objective rises at least for each unit that a column at 0 is raised.
    """

    value: float
    z: Floats
    reduced: Floats


@dataclass(frozen=True, eq=False)
class Answer:
    """What a mixed-integer program gave.

    Attributes:
        z: the columns of the best solution found; None for none.
        bound: no solution is below; inf where nothing is feasible.
    """

    z: Floats | None
    bound: float


def relaxation(objective: Floats, rows: Rows, upper: Floats) -> Relaxation:
    """Minimise ``objective @ z`` with ``rows`` kept and z between 0 and ``upper``.

    Raises:
        SourceUnavailable: SciPy is not installed.
        SolverError: HiGHS stopped without an answer.
    """
    optimize, sparse = _scipy()
    matrix = _matrix(sparse, rows, len(upper))
    equal = rows.low == rows.high
    above, below = np.isfinite(rows.low) & ~equal, np.isfinite(rows.high) & ~equal
    answer = optimize.linprog(
        objective,
        A_ub=sparse.vstack([matrix[below], -matrix[above]]),
        b_ub=np.concatenate([rows.high[below], -rows.low[above]]),
        A_eq=matrix[equal],
        b_eq=rows.low[equal],
        bounds=np.stack([np.zeros(len(upper)), upper], axis=1),
        method="highs-ds",
    )
    if answer.status == 2:
        return Relaxation(math.inf, np.zeros(0), np.zeros(0))
    if answer.status != 0:
        raise SolverError(f"HiGHS stopped without an answer: {answer.message}")
    return Relaxation(float(answer.fun), answer.x, np.maximum(answer.lower.marginals, 0.0))


def integer(objective: Floats, rows: Rows, upper: Floats, whole: int, time_limit_s: float) -> Answer:
    """As `relaxation`, with the first ``whole`` columns whole numbers; stops after ``time_limit_s``.

    Raises:
        SourceUnavailable: SciPy is not installed.
        SolverError: HiGHS stopped without an answer for another reason than time.
    """
    optimize, sparse = _scipy()
    matrix = _matrix(sparse, rows, len(upper))
    for presolve in (True, False):
        with nothing_on_stdout():
            answer = optimize.milp(
                objective,
                constraints=optimize.LinearConstraint(matrix, rows.low, rows.high),
                integrality=np.arange(len(upper)) < whole,
                bounds=optimize.Bounds(0.0, upper),
                options={"mip_rel_gap": 0.0, "time_limit": max(time_limit_s, 0.05), "presolve": presolve},
            )
        if answer.status in (0, 1, 2):
            break
    else:
        raise SolverError(f"HiGHS stopped without an answer: {answer.message}")
    if answer.status == 2:
        return Answer(None, math.inf)
    bound = -math.inf if answer.mip_dual_bound is None else float(answer.mip_dual_bound)
    return Answer(answer.x, bound)


@contextmanager
def nothing_on_stdout() -> Iterator[None]:
    """Standard output goes to standard error meanwhile: HiGHS prints a line of its own when it repairs a solution,
    whatever it is told about display, and ``--json`` must stay JSON."""
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


def _scipy() -> tuple[Any, Any]:
    try:
        from scipy import optimize, sparse
    except ImportError as fault:
        raise SourceUnavailable("the MILP needs SciPy: pip install 'gramwise[plan]'") from fault
    return optimize, sparse


def _matrix(sparse: Any, rows: Rows, columns: int) -> Any:
    entries = (rows.value, (rows.row, rows.column))
    return sparse.csr_array(sparse.coo_array(entries, shape=(len(rows.low), columns)))
