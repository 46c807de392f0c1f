"""Model-predictive control in the fluid model: each hour a plan of the hours ahead, of which only the first is done.

The plan is the slot program over what is foreseen of intensity and demand, with what waits already and by when it
must start. From its first hour come the fractions of every class and how much of the waiting work starts now; that
amount fits into the nodes beside the rest, so work that waits does not pile up and spill to dirty nodes. Then the hour
happens as it does, and the next plan starts from what is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gramwise.optimize.slots import SlotProblem, SlotSolution, solve_slots
from gramwise.runtime.ahead import CAUTION_FRAC_PER_HOUR, LEAN_FRAC, SOONER_FRAC_PER_HOUR
from gramwise.sim.case import Case
from gramwise.sim.fluid import Flow, fill, fractions_of, split
from gramwise.sim.rules import quickest

if TYPE_CHECKING:
    from gramwise.core.decision import Bools, Floats, Ints


RESERVE_FRAC = 0.05
"""Share of each node's time in the hours to come that plans leave free: one standard deviation of the demand's noise in
our example (docs/measurements/03-when.md)."""


def predictive(case: Case, horizon: int | None = None) -> Flow:
    """``predictive``: fractions, and deferral by a plan that is made anew each hour.

    Args:
        case: the case.
        horizon: hours planned ahead; by default twice the longest window and at most what is foreseen.
    """
    rows: Ints = np.flatnonzero(np.isfinite(case.energy_j).any(axis=0)).astype(np.int64)
    longest = int(case.window.max(initial=0))
    ahead = min(horizon or max(2 * longest, 1), case.known_g_per_j.shape[2])
    caution = SOONER_FRAC_PER_HOUR if case.forecast == "perfect" else CAUTION_FRAC_PER_HOUR
    queue = np.zeros((len(case.classes), longest + 1))
    served, until_open = np.zeros((*case.energy_j.shape, case.hours)), case.until_open().tolist()
    unserved, started = np.zeros(case.fixed.shape), np.zeros(case.fixed.shape)
    for t in range(case.hours):
        if case.missing[t]:
            queue = _age(queue, case)
            continue
        plan, problem = _plan(case, rows, queue, t, min(ahead, case.hours - t), caution)
        k = len(case.classes)
        first, wants = plan.served[:, :, 0], plan.served[k:, :, 0].sum(axis=1) + plan.unserved[k:, 0]
        must, may = _release(case, queue, wants, t, until_open[t])
        shares = fractions_of((first[:k] + first[k:])[:, :, None])
        placed, unserved[:, t], went = _place(
            case, rows, shares, plan, problem, t, case.fixed[:, t] + must, may
        )
        now = must + went
        served[:, rows, t], started[:, t] = placed, now
        queue = _age(_taken(queue, now, case.waiting[:, t]), case)
    return Flow(served=served, unserved=unserved, started=started)


def _plan(
    case: Case, rows: Ints, queue: Floats, t: int, ahead: int, caution: float
) -> tuple[SlotSolution, SlotProblem]:
    """The program over ``ahead`` hours from t, classes that cannot wait first, those that can after them."""
    hours = slice(t, t + ahead)
    lean = 1.0 if case.forecast == "perfect" else LEAN_FRAC
    fixed, fresh = case.fixed_foreseen[:, hours] * lean, case.waiting_foreseen[:, hours]
    open_hours = ~case.missing[hours]
    fixed, fresh = fixed * open_hours, fresh * open_hours
    waiting = fresh.copy()
    waiting[:, 0] += queue.sum(axis=1)
    due = np.zeros_like(fresh)
    for k, window in enumerate(case.window.tolist()):
        # queue[k, a] came a + 1 hours ago: its last hour is window - (a + 1) from now.
        for a, amount in enumerate(queue[k].tolist()):
            if amount:
                due[k, min(max(window - a - 1, 0), ahead - 1)] += amount
        for h in range(ahead):
            due[k, min(h + window, ahead - 1)] += fresh[k, h]
    if not open_hours.all():
        due = _earlier(due, open_hours)
    foreseen = case.known_g_per_j[:, t, :ahead] * (1.0 + caution * np.arange(ahead))
    problem = SlotProblem(
        energy_j=np.concatenate([case.energy_j[:, rows]] * 2),
        busy_s=np.concatenate([case.busy_s[:, rows]] * 2),
        node=case.node[rows],
        g_per_j=foreseen,
        capacity_s=_reserved(case.capacity_s[:, hours], case.forecast == "perfect"),
        arrivals=np.concatenate([fixed, waiting]),
        due=np.concatenate([fixed, due]),
    )
    return solve_slots(problem, shed=True), problem


def _reserved(capacity_s: Floats, known: bool) -> Floats:
    """Hours to come are not planned to the brim, or work put off to one of them may find it full of what came since."""
    reserved = capacity_s.copy()
    if not known:
        reserved[:, 1:] *= 1.0 - RESERVE_FRAC
    return reserved


def _earlier(due: Floats, open_hours: Bools) -> Floats:
    moved, last = np.zeros_like(due), 0
    for h in range(due.shape[1]):
        last = h if open_hours[h] else last
        moved[:, last] += due[:, h]
    return moved


def _release(case: Case, queue: Floats, wants: Floats, t: int, until_open: int) -> tuple[Floats, Floats]:
    """Waiting work that must start, and what else the plan wants, at most what is there.

    What must is what would be past its window in the next hour that counts.
    """
    must = np.array([queue[k, max(w - until_open, 0) :].sum() for k, w in enumerate(case.window.tolist())])
    must += np.where(case.window < until_open, case.waiting[:, t], 0.0)
    there = queue.sum(axis=1) + case.waiting[:, t]
    must = np.minimum(must, there)
    return must, np.clip(wants - must, 0.0, there - must)


def _taken(queue: Floats, now: Floats, fresh: Floats) -> Floats:
    """What still waits, oldest first out: column a came a + 1 hours before the next hour once `_age` has moved it."""
    left = queue.copy()
    for k, amount in enumerate(now.tolist()):
        for a in range(queue.shape[1] - 1, -1, -1):
            out = min(left[k, a], amount)
            left[k, a] -= out
            amount -= out
    came = np.maximum(fresh - np.maximum(now - queue.sum(axis=1), 0.0), 0.0)
    return np.concatenate([came[:, None], left], axis=1)


def _age(queue: Floats, case: Case) -> Floats:
    """One hour later. `_taken` has put what came in front; without it (an hour left out) nothing came."""
    longest = int(case.window.max(initial=0)) + 1
    if queue.shape[1] == longest:
        queue = np.concatenate([np.zeros((len(queue), 1)), queue], axis=1)
    kept = queue[:, :longest].copy()
    kept[:, -1] += queue[:, longest:].sum(axis=1)
    return kept


def _place(
    case: Case,
    rows: Ints,
    shares: Floats,
    plan: SlotSolution,
    problem: SlotProblem,
    t: int,
    demand: Floats,
    may: Floats,
) -> tuple[Floats, Floats, Floats]:
    """The hour as it happens: fractions, spill by grams and price, and the soonest plan where nothing is known.

    What may wait on comes after what may not, and goes only where the plan wants it: served, unserved, and how much of
    ``may`` found room.
    """
    k = len(case.classes)
    at = problem.node
    with np.errstate(invalid="ignore"):  # no plan at no grams
        score = problem.energy_j[:k] * problem.g_per_j[at, 0] + plan.price_g_per_s[at, 0] * problem.busy_s[:k]
    score[np.isnan(score)] = np.inf
    view = case.narrowed(rows)
    room = case.capacity_s[:, t : t + 1]
    placed, left, room = split(shares, score[:, :, None], demand[:, None], view, room)
    if left.any():
        more, left, room = fill(quickest(view, 1), left, view, room)
        placed += more
    extra, stays, _ = split(shares, np.full_like(score, np.inf)[:, :, None], may[:, None], view, room)
    return (placed + extra)[:, :, 0], left[:, 0], may - stays[:, 0]
