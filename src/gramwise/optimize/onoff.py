"""The fewest grams where nodes may also be switched off: bound B2, the slot program with a binary a node and slot.

B1 takes every node to be always on and leaves its idle power out, since nothing changes it. Here a node that is on
costs its idle grams, one that is off serves nobody, and switching on may cost a start. The total therefore holds idle
grams: it compares with a policy's own grams plus those of the nodes that it keeps on. Method: docs/method/bounds.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gramwise.core.errors import Infeasible, SolverError, SourceUnavailable
from gramwise.partition.highs import nothing_on_stdout

from .program import Answer, Layout, Program
from .slots import SlotProblem, by_class, cost_of, cut_slots, groups_of, solve_slots

if TYPE_CHECKING:
    from gramwise.core.decision import Bools, Floats, Ints

_SOLVED, _STOPPED, _INFEASIBLE = 0, 1, 2
"""What SciPy's ``milp`` calls optimal, out of time, and infeasible."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OnOffProblem:
    """A `SlotProblem` whose N nodes may be off in any of its T slots.

    Attributes:
        slots: classes, candidates, traffic and electricity; without ``extra_g``, since the bound is one on grams.
        idle_g: grams of a node that is on for a whole slot and serves nobody, (N, T), >= 0. Where it is unknown, 0
            keeps the bound a bound.
        start_g: grams of switching a node on at the start of a slot, (N, T), >= 0; 0 where it is free or unknown.
        on_before: which nodes were on before the first slot, (N,); None leaves it open, so that nobody pays a start
            there.
    """

    slots: SlotProblem
    idle_g: Floats
    start_g: Floats
    on_before: Bools | None = None

    def __post_init__(self) -> None:
        if self.slots.extra_g is not None:
            raise ValueError("B2 bounds grams: extra_g must be None")
        shape = self.slots.capacity_s.shape
        for name, grams in (("idle_g", self.idle_g), ("start_g", self.start_g)):
            if grams.shape != shape or not (np.isfinite(grams) & (grams >= 0)).all():
                raise ValueError(f"{name} must be {shape}, finite and not negative")
        if self.on_before is not None and self.on_before.shape != shape[:1]:
            raise ValueError(f"on_before must be {shape[:1]}")

    def grams_of(self, on: Bools) -> float:
        """Idle and start grams of a schedule, (N, T): everything but the requests themselves."""
        before = on[:, 0] if self.on_before is None else self.on_before
        started = on & ~np.column_stack([before, on[:, :-1]])
        return float(self.idle_g[on].sum() + self.start_g[started].sum())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OnOffSolution:
    """The best schedule found, and how much better one could be.

    Attributes:
        carbon_g: grams of requests, idle nodes and starts.
        on: which node is on in which slot, (N, T).
        bound_g: proven: no schedule has fewer grams.
        served: inferences of class k by candidate p in slot t, (K, P, T).
    """

    carbon_g: float
    on: Bools
    bound_g: float
    served: Floats


def solve_onoff(
    problem: OnOffProblem, *, gap_frac: float = 1e-6, limit_s: float | None = None
) -> OnOffSolution:
    """The least grams with on/off decisions, by HiGHS's branch and bound through SciPy.

    Equation: minimise ``sum x c + sum on idle + sum start boot`` with the rows of B1, but ``seconds <= capacity x on``
    and ``start[t] >= on[t] - on[t-1]``; on is binary.

    Args:
        problem: what to serve and what being on costs.
        gap_frac: stop when bound and schedule are this near, as a share of the schedule.
        limit_s: stop after so many seconds; the bound is proven all the same. Where no schedule was found until then,
            the answer is the one that leaves every node on.

    Returns:
        Schedule, grams and bound.

    Raises:
        Infeasible: a class has no permitted candidate, or the work does not fit with all nodes on.
        SolverError: HiGHS stopped without an answer.
        SourceUnavailable: SciPy is not installed.
    """
    try:
        from scipy.optimize import milp
    except ImportError as fault:
        raise SourceUnavailable("the on/off bound needs SciPy: pip install 'gramwise[plan]'") from fault
    refuse_unserved(problem.slots)
    matrix = _Matrix(problem)
    options = {"mip_rel_gap": gap_frac, **({} if limit_s is None else {"time_limit": limit_s})}
    with nothing_on_stdout():
        found = milp(
            matrix.objective,
            integrality=matrix.binary,
            bounds=matrix.bounds,
            constraints=matrix.rows,
            options=options,
        )
    if found.status == _INFEASIBLE:
        raise Infeasible("the requests do not fit into the capacity of the nodes.")
    if found.status not in (_SOLVED, _STOPPED):
        raise SolverError(f"HiGHS stopped without an answer: {found.message}")
    if found.x is None:
        return _always_on(problem, matrix.grams(found.mip_dual_bound))
    answer, on = matrix.answer(found.x)
    carbon_g = answer.carbon_g + problem.grams_of(on)
    # Rounding may put the proven bound a hair above the schedule.
    bound_g = min(matrix.grams(found.mip_dual_bound), carbon_g)
    return OnOffSolution(
        carbon_g=carbon_g,
        on=on,
        bound_g=bound_g,
        served=by_class(answer.served, answer.done, matrix.of),
    )


def onoff_bound(
    problem: OnOffProblem, window: int = 24, *, gap_frac: float = 1e-6, limit_s: float | None = None
) -> float:
    """B2 over a long span, grams: the sum of the proven bounds of windows.

    Take the best schedule of the whole span and look at one window. Without work that waits it serves that window's
    work inside the window, so it is one of the window's own schedules, and its first slot costs no more there, since
    whether a node was on before is left open. So it has no fewer grams there than the window's optimum, and the sum of
    the optima is at most the whole. Where starts cost nothing, nothing ties the slots
    and the sum is the whole; `gramwise.optimize.branches` is quicker then.
    Work that waits could leave every window unserved by its end, or would have to be tied to it; neither gives a
    bound worth having, so such a span is one program whatever ``window`` says.

    Args:
        problem: the span.
        window: slots solved at once.
        gap_frac, limit_s: of each window, as for `solve_onoff`.

    Raises:
        Infeasible, SolverError, SourceUnavailable: as for `solve_onoff`.
    """
    slots = problem.idle_g.shape[1]
    if problem.slots.waits.any():
        window = slots
    starts = range(0, slots, max(1, window))
    return math.fsum(
        solve_onoff(span(problem, t, t + window), gap_frac=gap_frac, limit_s=limit_s).bound_g for t in starts
    )


def span(problem: OnOffProblem, start: int, stop: int) -> OnOffProblem:
    """Slots ``start`` to ``stop`` of it, apart from the others; only the first knows which nodes were on before."""
    return replace(
        problem,
        slots=cut_slots(problem.slots, start, stop),
        idle_g=problem.idle_g[:, start:stop],
        start_g=problem.start_g[:, start:stop],
        on_before=problem.on_before if start == 0 else None,
    )


def refuse_unserved(slots: SlotProblem) -> None:
    """Raises Infeasible where a class that was asked for has no permitted candidate."""
    asked = slots.arrivals.sum(axis=1) > 0
    if not np.isfinite(slots.energy_j[asked]).any(axis=1).all():
        raise Infeasible("a class of requests has no permitted plan on any node.")


def _always_on(problem: OnOffProblem, bound_g: float) -> OnOffSolution:
    """Every node on: B1 and all idle grams. B1 itself is a bound as well, since being on is never free of grams."""
    found, on = solve_slots(problem.slots), np.ones(problem.idle_g.shape, dtype=np.bool_)
    carbon_g = found.carbon_g + problem.grams_of(on)
    return OnOffSolution(carbon_g=carbon_g, on=on, bound_g=max(bound_g, found.carbon_g), served=found.served)


class _Matrix:
    """B1's columns and rows, then ``on[n, t]`` and ``start[n, t]``, all in B1's units, which are near one."""

    def __init__(self, problem: OnOffProblem) -> None:
        from scipy.optimize import Bounds

        groups, slots = groups_of(problem.slots), problem.slots
        cost = cost_of(slots, groups.energy_j)
        self.of: Ints = groups.of
        self.layout = Layout(
            Program(
                cost=cost, objective=cost, busy_s=groups.busy_s, node=slots.node, capacity_s=slots.capacity_s,
                group=groups.of, arrivals=slots.arrivals, due=slots.due, waits=slots.waits,
            ),
            shed=False,
        )  # fmt: skip
        self.shape = problem.idle_g.shape
        cells, work = problem.idle_g.size, self.layout.columns
        self.unit_g = self.layout.unit_g * self.layout.unit_n
        self.objective = np.concatenate(
            [
                self.layout.objective,
                problem.idle_g.ravel() / self.unit_g,
                problem.start_g.ravel() / self.unit_g,
            ]
        )
        # Starts need not be said to be binary: at the optimum they are what on makes them.
        self.binary = np.concatenate([np.zeros(work), np.ones(cells), np.zeros(cells)])
        lower, upper = self.layout.bounds.T
        self.bounds = Bounds(
            np.concatenate([lower, np.zeros(2 * cells)]), np.concatenate([upper, np.ones(2 * cells)])
        )
        self.rows = self._rows(problem, work, cells)

    def _rows(self, problem: OnOffProblem, work: int, cells: int) -> list[Any]:
        from scipy.optimize import LinearConstraint
        from scipy.sparse import block_array, coo_array, csr_array, vstack

        layout = self.layout
        on_limit = layout.use_limit[:cells]
        use = csr_array(layout.use)
        blocks = [[use[:cells], coo_array((-on_limit, (np.arange(cells),) * 2), shape=(cells, cells))]]
        limit = [np.zeros(cells)]
        if use.shape[0] > cells:  # nobody is served before having come
            blocks.append([use[cells:], None])
            limit.append(layout.use_limit[cells:])
        switched, before = self._switched(problem, cells)
        top = block_array(blocks)
        above = block_array([[top, coo_array((top.shape[0], cells))]])
        starts = block_array([[coo_array((cells, work)), switched, -_eye(cells)]])
        balance = block_array([[layout.balance, coo_array((len(layout.balance_due), 2 * cells))]])
        return [
            LinearConstraint(vstack([above, starts]).tocsr(), -np.inf, np.concatenate([*limit, before])),
            LinearConstraint(balance.tocsr(), layout.balance_due, layout.balance_due),
        ]

    def _switched(self, problem: OnOffProblem, cells: int) -> tuple[Any, Floats]:
        """``on[t] - on[t-1] - start[t] <= before``: the on part of the rows, and the right side."""
        from scipy.sparse import coo_array

        nodes, slots = self.shape
        cell = np.arange(cells).reshape(self.shape)
        later = cell[:, 1:].ravel()
        first = np.ones(nodes) if problem.on_before is None else problem.on_before.astype(np.float64)
        before = np.zeros(self.shape)
        before[:, 0] = first
        rows, columns = np.concatenate([cell.ravel(), later]), np.concatenate([cell.ravel(), later - 1])
        data = np.concatenate([np.ones(cells), -np.ones(nodes * (slots - 1))])
        return coo_array((data, (rows, columns)), shape=(cells, cells)), before.ravel()

    def answer(self, x: Floats) -> tuple[Answer, Bools]:
        """What was served, and which nodes were on."""
        work = self.layout.columns
        on: Bools = x[work : work + math.prod(self.shape)].reshape(self.shape) > 0.5
        return self.layout.answer(x[:work], np.zeros(0)), on

    def grams(self, value: float | None) -> float:
        """A value of the objective in grams; minus infinity where the solver has none."""
        return -math.inf if value is None or math.isnan(value) else float(value) * self.unit_g


def _eye(cells: int) -> Any:
    from scipy.sparse import eye_array

    return eye_array(cells)


__all__ = ["OnOffProblem", "OnOffSolution", "onoff_bound", "refuse_unserved", "solve_onoff", "span"]
