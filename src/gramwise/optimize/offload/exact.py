"""One option for each task within limited resources, as an integer program for HiGHS: the yardstick of A, B and D.

It is written on matrices, apart from the typed problem and its compiler, so that the two check each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gramwise.core.errors import SourceUnavailable
from gramwise.optimize.compiled.highs import nothing_on_stdout

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Uses:
    """What columns take of resources, entry by entry; columns by tasks and options that are allowed.

    Attributes:
        resource, column, amount: entries, (U,) each.
        limit: of each resource, (R,); infinite where there is none.
    """

    resource: NDArray[np.int64]
    column: NDArray[np.int64]
    amount: NDArray[np.float64]
    limit: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The best that was found and what is proven: ``picked`` (N,) one column a task, empty where none was found."""

    grams: float
    bound_g: float
    picked: NDArray[np.int64]


def choose(
    grams: NDArray[np.float64], task: NDArray[np.int64], uses: Uses, limit_s: float, gap_frac: float
) -> Choice:
    """The cheapest choice of one column for each task.

    Args:
        grams: cost of a column, gCO2e, (C,).
        task: whose column it is, 0 .. N-1, every one at least once, (C,).
        uses: what the columns take.
        limit_s: time for the solver, s.
        gap_frac: it may stop this close to its bound.

    Returns:
        The choice; grams are infinite where none was found in time.

    Raises:
        SourceUnavailable: SciPy is not installed.
    """
    try:
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import coo_array
    except ImportError as fault:
        raise SourceUnavailable("exact references need SciPy: pip install 'gramwise[plan]'") from fault
    columns, tasks = len(grams), int(task.max()) + 1
    unit_g = float(np.abs(grams).max()) or 1.0
    one = coo_array((np.ones(columns), (task, np.arange(columns))), shape=(tasks, columns))
    constraints = [LinearConstraint(one.tocsr(), 1.0, 1.0)]
    bound = np.isfinite(uses.limit)
    if bound.any():
        kept = bound[uses.resource]
        where = np.cumsum(bound) - 1
        limit = np.maximum(uses.limit[bound], 1e-300)
        amount = uses.amount[kept] / limit[where[uses.resource[kept]]]
        take = coo_array(
            (amount, (where[uses.resource[kept]], uses.column[kept])), shape=(len(limit), columns)
        )
        constraints.append(LinearConstraint(take.tocsr(), -np.inf, 1.0))
    with nothing_on_stdout():
        found = milp(
            grams / unit_g,
            constraints=constraints,
            integrality=np.ones(columns),
            bounds=Bounds(0.0, 1.0),
            options={"time_limit": limit_s, "mip_rel_gap": gap_frac},
        )
    least = getattr(found, "mip_dual_bound", None)
    bound_g = float(least) * unit_g if least is not None else float("nan")
    if found.x is None:
        return Choice(float("inf"), bound_g, np.zeros(0, dtype=np.int64))
    chosen = np.flatnonzero(found.x > 0.5)
    picked = chosen[np.argsort(task[chosen], kind="stable")]
    return Choice(float(grams[picked].sum()), bound_g, picked)
