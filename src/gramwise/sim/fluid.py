"""The fluid model of an hour: what flows to which node, and what that costs.

Requests are so many that they flow. In an hour every class offers its flow to its plans in the order that its policy
ranks them; a node that is offered more than it has time for takes the same share of every flow, and the rest goes to
the next plan of each. For one class that is exactly what a policy does that fills nodes in order and moves on where a
queue would break the deadline. All hours are worked out at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from gramwise.sim.case import Case

if TYPE_CHECKING:
    from gramwise.core.decision import Floats

_NOTHING = 1e-12
"""Share of a flow below which it counts as placed: rounding."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Flow:
    """What a policy did with a case; K classes, P plans, T hours.

    Attributes:
        served: requests of each class by each plan in each hour, (K, P, T).
        unserved: requests that found no node with time, (K, T), by the hour in which they were given up.
        started: of those that could wait, the ones that started (or were given up) in each hour, (K, T).
    """

    served: Floats
    unserved: Floats
    started: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What a flow comes to.

    Attributes:
        carbon_g: true grams.
        requests, unserved, deferred: how many came, found no time, started in a later hour than they came.
        accuracy_frac: mean over what was served; None where some accuracy is unknown.
        accuracy_by_class: the same for each class, by name.
        late_frac: share of requests without an answer in time: in this model the unserved ones.
        booked_g: grams by the hour in which the work arrived, (T,).
        load: share of each node's time that was used, (N, T); 0 where it has none.
    """

    carbon_g: float
    requests: float
    unserved: float
    deferred: float
    accuracy_frac: float | None
    accuracy_by_class: tuple[tuple[str, float | None], ...]
    booked_g: Floats = field(repr=False)
    load: Floats = field(repr=False)

    @property
    def late_frac(self) -> float:
        return self.unserved / self.requests if self.requests else 0.0


def fill(score: Floats, demand: Floats, case: Case, room_s: Floats) -> tuple[Floats, Floats, Floats]:
    """Offer each class's demand to its plans from the least score upwards.

    Args:
        score: (K, P, S) for S hours; inf where not permitted.
        demand: requests, (K, S).
        case: busy seconds and nodes of the plans.
        room_s: slot seconds left at each node, (N, S).

    Returns:
        Served (K, P, S), unserved (K, S), room left (N, S).
    """
    classes, plans, hours = score.shape
    nodes = len(room_s)
    order = np.argsort(score, axis=1, kind="stable")
    permitted = np.isfinite(score)
    rounds = int(permitted.sum(axis=1).max(initial=0))
    served, left, room = np.zeros(score.shape), demand.copy(), room_s.copy()
    k, t = np.arange(classes)[:, None], np.arange(hours)[None]
    for r in range(min(rounds, plans)):
        p = order[:, r, :]
        wants = np.where(permitted[k, p, t], left, 0.0)
        busy = case.busy_s[k, p]
        node = case.node[p]
        cell = (node * hours + t).ravel()
        need = np.bincount(cell, (wants * busy).ravel(), nodes * hours).reshape(nodes, hours)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(need > room, room / need, 1.0)
        given = wants * share[node, t]
        served[k, p, t] += given
        left = left - given
        room = np.maximum(room - need * share, 0.0)
        if not (left > _NOTHING * np.maximum(demand, 1.0)).any():
            break
    left[left <= _NOTHING * np.maximum(demand, 1.0)] = 0.0
    return served, left, room


def split(
    fractions: Floats, score: Floats, demand: Floats, case: Case, room_s: Floats
) -> tuple[Floats, Floats, Floats]:
    """Send demand by fractions; what a full node cannot take spills to the least score that has room.

    Args:
        fractions: share of each class for each plan, (K, P, S), summing to 1 or to 0 over plans.
        score, demand, case, room_s: as for `fill`.

    Returns:
        Served (K, P, S), unserved (K, S), room left (N, S).
    """
    hours = demand.shape[1]
    wanted = fractions * demand[:, None, :]
    seconds = (wanted * case.busy_s[:, :, None]).sum(axis=0)
    need = np.zeros_like(room_s)
    np.add.at(need, case.node, seconds)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(need > room_s, room_s / need, 1.0)
    served = wanted * share[case.node][None]
    room = np.maximum(room_s - need * share, 0.0)
    left = np.maximum(demand - served.sum(axis=1), 0.0)
    some = left > _NOTHING * np.maximum(demand, 1.0)
    unserved = np.where(some, left, 0.0)
    spills = np.flatnonzero(some.any(axis=0))
    if len(spills) and hours:
        more, unserved[:, spills], rest = fill(
            score[:, :, spills], unserved[:, spills], case, room[:, spills]
        )
        served[:, :, spills] += more
        room[:, spills] = rest
    return served, unserved, room


def fractions_of(served: Floats) -> Floats:
    """Shares of each class by plan, (K, P, S), from what a solver served; zeros where it served nothing."""
    total = served.sum(axis=1, keepdims=True)
    shares: Floats = np.divide(served, total, out=np.zeros_like(served), where=total > 0)
    return shares


def grams(case: Case, g_per_j: Floats) -> Floats:
    """Grams of a request by class, plan and hour, (K, P, T); inf where not permitted."""
    at_plan = g_per_j[case.node]
    with np.errstate(invalid="ignore"):
        cost: Floats = case.energy_j[:, :, None] * at_plan[None]
    cost[np.isnan(cost)] = np.inf
    return cost


def account(case: Case, flow: Flow) -> Account:
    """What it cost with the true intensities, and when the work that caused it had come."""
    true = np.where(np.isnan(case.g_per_j), 0.0, case.g_per_j)
    finite = np.where(np.isfinite(case.energy_j), case.energy_j, 0.0)
    by_class = np.einsum("kpt,kp,pt->kt", flow.served, finite, true[case.node])
    seconds = np.einsum("kpt,kp->pt", flow.served, case.busy_s)
    used = np.zeros_like(case.capacity_s)
    np.add.at(used, case.node, seconds)
    load = np.divide(used, case.capacity_s, out=np.zeros_like(used), where=case.capacity_s > 0)
    by_plan = flow.served.sum(axis=2)
    by_name = tuple(
        (name, _mean_accuracy(case.accuracy_frac, row))
        for name, row in zip(case.classes, by_plan, strict=True)
    )
    booked, deferred = _book(case, flow, by_class)
    return Account(
        carbon_g=float(by_class.sum()),
        requests=case.requests,
        unserved=float(flow.unserved.sum()),
        deferred=deferred,
        accuracy_frac=_mean_accuracy(case.accuracy_frac, by_plan.sum(axis=0)),
        accuracy_by_class=by_name,
        booked_g=booked,
        load=load,
    )


def _mean_accuracy(accuracy_frac: Floats, served: Floats) -> float | None:
    """Mean over what was served of each plan; None where nothing was, or some of it has no known accuracy."""
    used = served > 0
    mean = float((accuracy_frac[used] * served[used]).sum() / served[used].sum()) if used.any() else np.nan
    return None if np.isnan(mean) else mean


def _book(case: Case, flow: Flow, by_class: Floats) -> tuple[Floats, float]:
    """Grams by hour of arrival, and requests that started later: work that waits starts in the order it came.

    All requests of a class in an hour cost the same, whether they had waited or not.
    """
    total = case.fixed + flow.started
    each = np.divide(by_class, total, out=np.zeros_like(by_class), where=total > 0)
    booked, deferred = (each * case.fixed).sum(axis=0), 0.0
    for k in range(len(case.waiting)):
        came, started = np.cumsum(case.waiting[k]), np.cumsum(flow.started[k])
        marks = np.unique(np.concatenate([[0.0], came, started]))
        amounts, middle = np.diff(marks), (marks[1:] + marks[:-1]) / 2
        last = case.hours - 1
        arrived = np.minimum(np.searchsorted(came, middle), last)
        ran = np.minimum(np.searchsorted(started, middle), last)
        booked += np.bincount(arrived, amounts * each[k, ran], case.hours)
        deferred += float(amounts[ran > arrived].sum())
    return booked, deferred
