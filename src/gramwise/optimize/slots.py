"""The fewest grams over hours: classes of requests x candidate plans x slots of time, as one sparse linear program.

It is bound B1 with time: work is done inside its window, every node gives no more seconds than it has, each gram is
counted at its own hour's intensity. Without work that can wait the slots are independent and are solved in bundles;
with it one program spans all of them, since a sum over shorter windows is no bound. The duals of the capacity rows are
the shadow prices of node time. Method: docs/method/bounds.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gramwise.core.errors import Infeasible

from .program import SHED_FACTOR, Program, solve

if TYPE_CHECKING:
    from gramwise.core.decision import Bools, Floats, Ints

_BUNDLE = 4000
"""Variables solved at once where slots are independent: fewer waste calls, more waste pivots (measured)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SlotProblem:
    """K classes of requests, P candidate plans on N nodes, T slots of time.

    Attributes:
        energy_j: marginal joules of one inference of class k by candidate p, (K, P); inf where not permitted.
        busy_s: seconds that it keeps the candidate's node busy, (K, P).
        node: node of each candidate, (P,), in 0 .. N-1.
        g_per_j: grams of a joule at each node, intensity x PUE / 3.6e6, (N, T); NaN where unknown: not to be used then.
        capacity_s: seconds that each node can give in each slot, (N, T).
        arrivals: inferences of each class that arrive in each slot, (K, T).
        due: what must be done at the latest in each slot, (K, T), with the same total as ``arrivals``. Equal to it
            for work that cannot wait. Work of one class is done in the order in which it came.
        extra_g: added to the grams of one inference in what is minimised, (K, P), for instance minus what its accuracy
            is worth; None for nothing. ``carbon_g`` of the solution stays without it.
    """

    energy_j: Floats
    busy_s: Floats
    node: Ints
    g_per_j: Floats
    capacity_s: Floats
    arrivals: Floats
    due: Floats
    extra_g: Floats | None = None

    def __post_init__(self) -> None:
        early = np.cumsum(self.due - self.arrivals, axis=1).max(initial=0.0)
        if early > 1e-6 * max(1.0, float(self.arrivals.sum())):
            raise ValueError("work is due before it arrives")

    @property
    def waits(self) -> Bools:
        """Which classes have work that can wait, (K,)."""
        moved: Floats = np.abs(self.due - self.arrivals).max(axis=1, initial=0.0)
        return moved > 1e-12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SlotSolution:
    """The optimum of a `SlotProblem`.

    Attributes:
        carbon_g: grams of everything served: the bound.
        served: inferences of class k by candidate p in slot t, (K, P, T).
        price_g_per_s: grams that one more second of a node would save, (N, T), >= 0.
        unserved: inferences that no node had time for, (K, T), by the slot in which they were given up.
    """

    carbon_g: float
    served: Floats
    price_g_per_s: Floats
    unserved: Floats


def due_of(arrivals: Floats, window: Ints) -> Floats:
    """Latest service of work that may wait.

    Args:
        arrivals: (K, T) inferences.
        window: slots that each class can wait, (K,), 0 for none.

    Returns:
        (K, T): what arrived ``window`` slots before; what would be due later is due in the last slot.
    """
    due = np.zeros_like(arrivals)
    slots = arrivals.shape[1]
    for k, wait in enumerate(window.tolist()):
        wait = min(wait, slots - 1)
        due[k, wait:] = arrivals[k, : slots - wait]
        due[k, -1] += arrivals[k, slots - wait :].sum()
    return due


def solve_slots(problem: SlotProblem, *, shed: bool = False) -> SlotSolution:
    """The least grams, where each inference ran in that case, and what a second of each node was worth.

    Args:
        problem: the classes, candidates and slots.
        shed: give up what does not fit, at a price above every plan's, instead of raising.

    Raises:
        Infeasible: a class has no permitted candidate, or the work does not fit into the capacity.
        SolverError: HiGHS stopped without an answer.
        SourceUnavailable: SciPy is not installed.
    """
    asked = problem.arrivals.sum(axis=1) > 0
    if not np.isfinite(problem.energy_j[asked]).any(axis=1).all():
        raise Infeasible("a class of requests has no permitted plan on any node.")
    groups = groups_of(problem)
    if problem.waits.any():
        return _solve(problem, groups, shed)
    slots = problem.arrivals.shape[1]
    each = max(1, _BUNDLE // max(1, int(np.isfinite(problem.energy_j).sum())))
    parts = [_solve(cut_slots(problem, t, t + each), groups, shed) for t in range(0, slots, each)]
    return SlotSolution(
        carbon_g=sum(part.carbon_g for part in parts),
        served=np.concatenate([part.served for part in parts], axis=2),
        price_g_per_s=np.concatenate([part.price_g_per_s for part in parts], axis=1),
        unserved=np.concatenate([part.unserved for part in parts], axis=1),
    )


def closed_form_slots(problem: SlotProblem) -> float:
    """B0 with time, grams: every inference at its best candidate in the best slot of its window, capacity relaxed.

    Raises:
        Infeasible: a class has no permitted candidate in any slot of its window.
    """
    total = 0.0
    for k in range(len(problem.arrivals)):
        best = cost_of(problem, problem.energy_j[k : k + 1])[0].min(axis=0)
        total += _cheapest_window(best, problem.arrivals[k], problem.due[k])
    return total


def _cheapest_window(best_g: Floats, arrivals: Floats, due: Floats) -> float:
    """Grams of one class when each bit of work takes the least of ``best_g`` between its arrival and its due slot."""
    came, left = np.cumsum(arrivals), np.cumsum(due)
    marks = np.unique(np.concatenate([[0.0], came, left]))
    amounts, middle = np.diff(marks), (marks[1:] + marks[:-1]) / 2
    some = amounts > 1e-12 * max(1.0, float(came[-1]))
    amounts, middle = amounts[some], middle[some]
    last = len(best_g) - 1
    first_slot = np.minimum(np.searchsorted(came, middle), last)
    last_slot = np.minimum(np.searchsorted(left, middle), last)
    least = _range_min(best_g, first_slot, np.maximum(first_slot, last_slot))
    if not np.isfinite(least).all():
        raise Infeasible("a class of requests has no permitted plan on any node.")
    return float((least * amounts).sum())


def _range_min(values: Floats, first: Ints, last: Ints) -> Floats:
    """Least of ``values[first .. last]``, both ends included, for arrays of ranges: a sparse table."""
    table = [values]
    while 2 ** len(table) <= len(values):
        half = 2 ** (len(table) - 1)
        table.append(np.minimum(table[-1][:-half], table[-1][half:]))
    level = np.floor(np.log2(last - first + 1)).astype(np.int64)
    found = np.empty(len(first))
    for i in np.unique(level).tolist():
        here = level == i
        found[here] = np.minimum(table[i][first[here]], table[i][last[here] - 2**i + 1])
    return found


def cut_slots(problem: SlotProblem, start: int, stop: int) -> SlotProblem:
    """The slots from ``start`` to before ``stop`` alone; only where nothing waits from one to the next."""
    columns = {
        name: getattr(problem, name)[:, start:stop] for name in ("g_per_j", "capacity_s", "arrivals", "due")
    }
    return replace(problem, **columns)


def cost_of(problem: SlotProblem, energy_j: Floats) -> Floats:
    """Grams of one inference, (G, P, T); inf where not permitted or unknown."""
    with np.errstate(invalid="ignore"):
        cost: Floats = energy_j[:, :, None] * problem.g_per_j[problem.node][None]
    cost[np.isnan(cost)] = np.inf
    return cost


@dataclass(frozen=True, slots=True)
class Groups:
    """Classes that cost the same everywhere share their variables: ``of`` maps class to group."""

    of: Ints
    energy_j: Floats
    busy_s: Floats
    extra_g: Floats | None


def groups_of(problem: SlotProblem) -> Groups:
    """Classes by their costs, with candidates that are never needed taken out."""
    seen: dict[bytes, int] = {}
    of = []
    extra = problem.extra_g
    for k, (energy, busy) in enumerate(zip(problem.energy_j, problem.busy_s, strict=True)):
        mark = energy.tobytes() + busy.tobytes() + (b"" if extra is None else extra[k].tobytes())
        of.append(seen.setdefault(mark, len(seen)))
    first = [of.index(group) for group in range(len(seen))]
    energy_j, busy_s = problem.energy_j[first].copy(), problem.busy_s[first]
    if extra is None:
        _drop_dominated(energy_j, busy_s, problem.node)
    return Groups(np.array(of), energy_j, busy_s, None if extra is None else extra[first])


def _drop_dominated(energy_j: Floats, busy_s: Floats, node: Ints) -> None:
    """On one node, a candidate that needs no less energy and no less time than another is never needed."""
    for n in np.unique(node).tolist():
        here = np.flatnonzero(node == n)
        for g in range(len(energy_j)):
            order = here[np.lexsort((busy_s[g, here], energy_j[g, here]))]
            least_s = np.inf
            for p in order.tolist():
                if busy_s[g, p] < least_s:
                    least_s = busy_s[g, p]
                else:
                    energy_j[g, p] = np.inf


def _solve(problem: SlotProblem, groups: Groups, shed: bool) -> SlotSolution:
    cost = cost_of(problem, groups.energy_j)
    extra = (
        0.0
        if groups.extra_g is None
        else np.where(np.isfinite(groups.energy_j), groups.extra_g, 0.0)[:, :, None]
    )
    program = Program(
        cost=cost,
        objective=cost + extra,
        busy_s=groups.busy_s,
        node=problem.node,
        capacity_s=problem.capacity_s,
        group=groups.of,
        arrivals=problem.arrivals,
        due=problem.due,
        waits=problem.waits,
    )
    try:
        answer = solve(program, shed=False)
    except Infeasible:
        if not shed:
            raise
        answer = solve(program, shed=True)
    return SlotSolution(
        carbon_g=answer.carbon_g,
        served=by_class(answer.served, answer.done, groups.of),
        price_g_per_s=answer.price_g_per_s,
        unserved=answer.unserved,
    )


def by_class(served: Floats, done: Floats, of: Ints) -> Floats:
    """Split what a group was served among its classes in proportion to what each had done, slot by slot."""
    total = np.zeros((len(served), served.shape[2]))
    np.add.at(total, of, done)
    share = np.divide(done, total[of], out=np.zeros_like(done), where=total[of] > 0)
    split: Floats = served[of] * share[:, None, :]
    return split


__all__ = [
    "SHED_FACTOR",
    "SlotProblem",
    "SlotSolution",
    "closed_form_slots",
    "due_of",
    "solve_slots",
]
