"""The matrix of the slot program and its solution by HiGHS: the one module of `optimize` that speaks to a solver here.

Columns: ``x[g, p, t]`` what group g gets from candidate p in slot t; ``b[k, t]`` what of class k still waits after
slot t, between 0 and what may wait; where asked for, ``u[g, t]`` what is given up. Rows: for every group and slot,
what is served equals what is due to be served, and for every node and slot, seconds used are at most seconds given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gramwise.core.errors import Infeasible, SolverError, SourceUnavailable

if TYPE_CHECKING:
    from gramwise.core.decision import Bools, Floats, Ints

SHED_FACTOR = 1e3
"""Giving up an inference costs this many times the dearest plan: it is the last resort, and no plan's price."""


_MANY, _WIDE = 20_000, 100
"""Columns in all, and a slot, above which the interior point method is the quicker one where work can wait."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Program:
    """What `solve` needs: G groups, P candidates, N nodes, T slots, K classes.

    Attributes:
        cost: grams of one inference, (G, P, T); inf where not permitted.
        objective: what is minimised of one inference, of the same shape; ``cost`` unless it has a worth as well.
        busy_s: (G, P).
        node: (P,).
        capacity_s: (N, T).
        group: of each class, (K,).
        arrivals, due: (K, T).
        waits: classes with work that can wait, (K,).
    """

    cost: Floats
    objective: Floats
    busy_s: Floats
    node: Ints
    capacity_s: Floats
    group: Ints
    arrivals: Floats
    due: Floats
    waits: Bools


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """What came out: served (G, P, T), done by class (K, T), unserved by class (K, T), prices (N, T)."""

    carbon_g: float
    served: Floats
    done: Floats
    unserved: Floats
    price_g_per_s: Floats


def solve(program: Program, *, shed: bool, method: str | None = None) -> Answer:
    """Solve it.

    Args:
        program: the data.
        shed: permit giving up work.
        method: of SciPy's ``linprog``; by default the one that is quicker for programs of this shape.

    Raises:
        Infeasible: the work does not fit.
        SolverError: HiGHS stopped without an answer.
        SourceUnavailable: SciPy is not installed.
    """
    try:
        from scipy.optimize import linprog
    except ImportError as fault:
        raise SourceUnavailable("the LP bound needs SciPy: pip install 'gramwise[plan]'") from fault
    layout = Layout(program, shed)
    if not layout.columns:
        if program.arrivals.any():
            raise Infeasible("there are requests and no plan for them at a known intensity.")
        return layout.answer(np.zeros(0), np.zeros(0))
    how = method or layout.method
    found = linprog(
        layout.objective, A_ub=layout.use, b_ub=layout.use_limit, A_eq=layout.balance, b_eq=layout.balance_due,
        bounds=layout.bounds, method=how,
    )  # fmt: skip
    if found.status == 2:
        raise Infeasible("the requests do not fit into the capacity of the nodes.")
    if found.status != 0:
        raise SolverError(f"HiGHS stopped without an answer: {found.message}")
    return layout.answer(found.x, found.ineqlin.marginals)


class Layout:
    """Columns, rows and scales. Everything is solved in units near one: HiGHS's tolerances are absolute."""

    def __init__(self, program: Program, shed: bool) -> None:
        from scipy.sparse import coo_array

        self.program, self.shed = program, shed
        groups, _, slots = program.cost.shape
        g, p, t = np.nonzero(np.isfinite(program.cost))
        self.g, self.p, self.t = g, p, t
        waiting = np.flatnonzero(program.waits)
        self.waiting, self.wait_columns = waiting, len(waiting) * slots
        self.columns = len(g) + self.wait_columns + (groups * slots if shed else 0)
        cost = program.objective[g, p, t]
        self.unit_g = float(np.abs(cost).max(initial=0.0)) or 1.0
        mean = program.arrivals.sum(axis=1).max(initial=0.0) / max(1, slots)
        self.unit_n = float(mean) or 1.0
        kept = np.cumsum(program.arrivals - program.due, axis=1)
        limit = np.maximum(kept[waiting], 0.0).ravel() / self.unit_n
        upper = np.full(self.columns, np.inf)
        upper[len(g) : len(g) + self.wait_columns] = limit
        self.bounds = np.column_stack([np.zeros(self.columns), upper])
        self.objective = np.zeros(self.columns)
        self.objective[: len(g)] = cost / self.unit_g
        if shed:
            self.objective[len(g) + self.wait_columns :] = SHED_FACTOR
        self._rows(coo_array, groups, slots)

    @property
    def method(self) -> str:
        """The dual simplex, but for wide programs whose slots hang together: there it takes twice as long as the
        interior point method with crossover, which takes twice as long for narrow ones (docs/measurements/03-when.md).
        """
        slots = self.program.cost.shape[2]
        wide = bool(self.wait_columns) and self.columns > _MANY and self.columns > _WIDE * slots
        return "highs-ipm" if wide else "highs-ds"

    def _rows(self, coo_array: Any, groups: int, slots: int) -> None:
        program, n_x = self.program, len(self.g)
        b = n_x + np.arange(self.wait_columns).reshape(len(self.waiting), slots)
        of = program.group[self.waiting]
        balance_row = of[:, None] * slots + np.arange(slots)[None]
        # served(g, t) = arrivals + waiting before - waiting after: x - b[t-1] + b[t] = arrivals
        rows = [self.g * slots + self.t, balance_row.ravel(), balance_row[:, 1:].ravel()]
        cols = [np.arange(n_x), b.ravel(), b[:, :-1].ravel()]
        data = [np.ones(n_x), np.ones(b.size), -np.ones(b[:, :-1].size)]
        if self.shed:
            rows.append(np.arange(groups * slots))
            cols.append(n_x + self.wait_columns + np.arange(groups * slots))
            data.append(np.ones(groups * slots))
        shape = (groups * slots, self.columns)
        self.balance = coo_array(
            (np.concatenate(data), (np.concatenate(rows), np.concatenate(cols))), shape=shape
        )
        arriving = np.zeros((groups, slots))
        np.add.at(arriving, program.group, program.arrivals)
        self.balance_due = arriving.ravel() / self.unit_n
        self._use(coo_array, b, slots)

    def _use(self, coo_array: Any, b: Ints, slots: int) -> None:
        program, n_x = self.program, len(self.g)
        nodes = len(program.capacity_s)
        self.scale_s = np.where(program.capacity_s > 0, program.capacity_s, 1.0)
        node = program.node[self.p]
        rows = [node * slots + self.t]
        cols = [np.arange(n_x)]
        data = [program.busy_s[self.g, self.p] * self.unit_n / self.scale_s[node, self.t]]
        limit = [(program.capacity_s / self.scale_s).ravel()]
        # nobody is served before having come: b[t] - b[t-1] <= arrivals of that class
        if b.size:
            base = nodes * slots + np.arange(b.size).reshape(b.shape)
            rows += [base.ravel(), base[:, 1:].ravel()]
            cols += [b.ravel(), b[:, :-1].ravel()]
            data += [np.ones(b.size), -np.ones(b[:, :-1].size)]
            limit.append(program.arrivals[self.waiting].ravel() / self.unit_n)
        shape = (nodes * slots + b.size, self.columns)
        self.use = coo_array(
            (np.concatenate(data), (np.concatenate(rows), np.concatenate(cols))), shape=shape
        )
        self.use_limit = np.concatenate(limit)

    def answer(self, x: Floats, duals: Floats) -> Answer:
        """Back into inferences, grams and seconds."""
        program, n_x = self.program, len(self.g)
        groups, _, slots = program.cost.shape
        served = np.zeros(program.cost.shape)
        served[self.g, self.p, self.t] = np.maximum(x[:n_x], 0.0) * self.unit_n
        done = program.arrivals.copy()
        if self.wait_columns:
            after = x[n_x : n_x + self.wait_columns].reshape(-1, slots) * self.unit_n
            before = np.concatenate([np.zeros((len(after), 1)), after[:, :-1]], axis=1)
            done[self.waiting] = np.maximum(program.arrivals[self.waiting] + before - after, 0.0)
        unserved = np.zeros_like(done)
        if self.shed and len(x):
            given_up = np.maximum(x[n_x + self.wait_columns :], 0.0).reshape(groups, slots) * self.unit_n
            unserved = self._spread(given_up, done)
            done = done - unserved
        nodes = len(program.capacity_s)
        price = np.zeros((nodes, slots))
        if len(duals):
            shadow = -duals[: nodes * slots].reshape(nodes, slots)
            price = np.maximum(shadow, 0.0) * self.unit_g * self.unit_n / self.scale_s
        carbon_g = float((served[self.g, self.p, self.t] * program.cost[self.g, self.p, self.t]).sum())
        return Answer(carbon_g=carbon_g, served=served, done=done, unserved=unserved, price_g_per_s=price)

    def _spread(self, given_up: Floats, done: Floats) -> Floats:
        """What a group gave up, among its classes in proportion to their work."""
        total = np.zeros_like(given_up)
        np.add.at(total, self.program.group, done)
        of = self.program.group
        share = np.divide(done, total[of], out=np.zeros_like(done), where=total[of] > 0)
        spread: Floats = given_up[of] * share
        return spread
