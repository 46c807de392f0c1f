"""How few grams are possible: the ladder of lower bounds that every policy is measured against.

Classes k of requests, candidate plans j, each candidate on one node. B0 lets every request take its own best plan and
forgets capacity; B1 keeps capacity and forgets queueing and integrality. Both are true lower bounds, so for every
policy that served all requests ``policy >= B1 >= B0``. Method: carbon-aware inference, the oracle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gramwise.core.errors import Infeasible, SolverError, SourceUnavailable

if TYPE_CHECKING:
    from gramwise.core.decision import Bools, Floats, Ints


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CapacityBound:
    """Solution of B1.

    Attributes:
        carbon_g: the bound, grams for all requests.
        served: inferences of class k by candidate j, (K, J).
        price_g_per_s: grams that one more second of each node would save, (N,), >= 0: the shadow prices.
    """

    carbon_g: float
    served: Floats
    price_g_per_s: Floats


def closed_form_bound(carbon_g: Floats, count: Floats) -> float:
    """B0: every inference at its own best plan, capacity relaxed.

    Args:
        carbon_g: marginal grams of one inference of class k by candidate j, (K, J); inf where not permitted.
        count: inferences of each class, (K,).

    Returns:
        Grams: ``sum_k count_k min_j carbon_kj``.

    Raises:
        Infeasible: a class has no permitted candidate.
    """
    # Only the classes that were asked for: infinity times no request is not a number.
    asked = count > 0
    best = carbon_g.min(axis=1, initial=np.inf)[asked]
    if not np.isfinite(best).all():
        raise Infeasible("a class of requests has no permitted plan on any node.")
    return float((best * count[asked]).sum())


def capacity_bound(
    carbon_g: Floats, count: Floats, busy_s: Floats, node: Ints, capacity_s: Floats
) -> CapacityBound:
    """B1: the least grams with node capacity kept, as a linear program (HiGHS through SciPy).

    Args:
        carbon_g: marginal grams of one inference of class k by candidate j, (K, J); inf where not permitted.
        count: inferences of each class, (K,).
        busy_s: seconds that one inference keeps its node busy, (K, J).
        node: node of each candidate, (J,), in 0 .. N-1.
        capacity_s: seconds that each node can give (slots x window), (N,).

    Returns:
        The bound, the fractions that attain it and the price of each node's time. Equation: min sum x c subject to
        sum_j x_kj = count_k, sum_{k,j on n} x_kj busy_kj <= capacity_n, x >= 0.

    Raises:
        SourceUnavailable: SciPy is not installed.
        Infeasible: not all requests fit into the capacity, or a class has no permitted candidate.
        SolverError: HiGHS stopped without an answer.
    """
    try:
        from scipy.optimize import linprog
        from scipy.sparse import coo_array
    except ImportError as fault:
        raise SourceUnavailable("the LP bound needs SciPy: pip install 'gramwise[plan]'") from fault

    closed_form_bound(carbon_g, count)  # says which of the two infeasibilities it is
    k, j = np.nonzero(np.isfinite(carbon_g))
    if not len(k):  # nothing permitted and nothing asked: no program to solve
        return CapacityBound(
            carbon_g=0.0, served=np.zeros_like(carbon_g), price_g_per_s=np.zeros_like(capacity_s)
        )
    columns = np.arange(len(k))
    cost = carbon_g[k, j]
    # HiGHS has absolute tolerances near 1e-7, and grams of one inference are smaller than that: solve in units of
    # the dearest plan and of the whole count, so that every coefficient is near one.
    unit_g = float(cost.max(initial=0.0)) or 1.0
    total = float(count.sum()) or 1.0
    demand = coo_array((np.ones(len(k)), (k, columns)), shape=(len(count), len(k)))
    scale_s = np.where(capacity_s > 0, capacity_s, 1.0)
    use = coo_array(
        (busy_s[k, j] * total / scale_s[node[j]], (node[j], columns)), shape=(len(capacity_s), len(k))
    )
    answer = linprog(
        cost / unit_g,
        A_ub=use,
        b_ub=capacity_s / scale_s,
        A_eq=demand,
        b_eq=count / total,
        bounds=(0, None),
        method="highs",
    )
    if answer.status == 2:
        raise Infeasible("the requests do not fit into the capacity of the nodes.")
    if answer.status != 0:
        raise SolverError(f"HiGHS stopped without an answer: {answer.message}")
    served = np.zeros_like(carbon_g)
    served[k, j] = answer.x * total
    price = np.maximum(-answer.ineqlin.marginals, 0.0) * unit_g * total / scale_s
    return CapacityBound(carbon_g=float(answer.fun) * unit_g * total, served=served, price_g_per_s=price)


def most_that_fits(permitted: Bools, busy_s: Floats, node: Ints, capacity_s: Floats, mix: Floats) -> float:
    """How many times a mix of requests fits into the capacity at most.

    Args:
        permitted: whether candidate j may serve class k, (K, J).
        busy_s: seconds that one request keeps its node busy, (K, J).
        node: node of each candidate, (J,).
        capacity_s: seconds that each node can give, (N,).
        mix: requests of each class, (K,), not all 0.

    Returns:
        The largest s such that ``s x mix`` can be served: a linear program (maximum concurrent flow).

    Raises:
        SourceUnavailable: SciPy is not installed.
        Infeasible: a class of the mix has no permitted candidate.
        SolverError: HiGHS stopped without an answer.
    """
    try:
        from scipy.optimize import linprog
    except ImportError as fault:
        raise SourceUnavailable("the load factor needs SciPy: pip install 'gramwise[plan]'") from fault
    if not permitted[mix > 0].any(axis=1).all():
        raise Infeasible("a class of requests has no permitted plan on any node.")
    k, j = np.nonzero(permitted)
    # In shares of capacity: columns are the share of its node that (k, j) takes, and s in units of a rough guess.
    least_s = np.where(permitted, busy_s, np.inf).min(axis=1)
    rough = float(capacity_s.sum()) / float((least_s[mix > 0] * mix[mix > 0]).sum())
    balance = np.zeros((len(mix), len(k) + 1))
    balance[k, np.arange(len(k))] = capacity_s[node[j]] / busy_s[k, j]
    balance[:, -1] = -mix * rough
    scale = np.maximum(np.abs(balance).max(axis=1, keepdims=True), 1e-300)
    use = np.zeros((len(capacity_s), len(k) + 1))
    use[node[j], np.arange(len(k))] = 1.0
    gain = np.zeros(len(k) + 1)
    gain[-1] = -1.0
    answer = linprog(
        gain,
        A_ub=use,
        b_ub=np.ones(len(capacity_s)),
        A_eq=balance / scale,
        b_eq=np.zeros(len(mix)),
        bounds=(0, None),
        method="highs",
    )
    if answer.status != 0:
        raise SolverError(f"HiGHS stopped without an answer: {answer.message}")
    return float(answer.x[-1]) * rough


def gap_frac(carbon_g: float, bound_g: float | None) -> float | None:
    """How far above the bound: ``carbon / bound - 1``; None when there is no bound."""
    return carbon_g / bound_g - 1.0 if bound_g else None


def captured_frac(baseline_g: float, carbon_g: float, bound_g: float | None) -> float | None:
    """Share of the possible saving that was saved: ``(baseline - carbon) / (baseline - bound)``.

    Args:
        baseline_g, carbon_g, bound_g: grams per inference of the same requests.

    Returns:
        1 at the bound, 0 at the baseline, negative above it; None when there is no bound, or nothing to save.
    """
    if bound_g is None or baseline_g - bound_g <= 1e-12 * abs(baseline_g):
        return None
    return (baseline_g - carbon_g) / (baseline_g - bound_g)
