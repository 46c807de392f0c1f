"""Fluid form of policies that put work off by prices seen before, with no forecast: thresholds and drift plus penalty.

Work that can wait asks for the plan with the fewest grams that has room. It starts there if that node's electricity is
at or below a limit, which the policy of that name derives from what the same node's was in the last days
(`gramwise.schedule.waiting.Prices`), and waits otherwise; at its latest hour it starts anyhow. So what is released
never spills to a node at a bad moment. Work that cannot wait is placed first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gramwise.core.units import S_PER_HOUR
from gramwise.schedule import load_policy
from gramwise.schedule.waiting import LEAST_OF_HIGHEST, Prices, Reservation
from gramwise.sim.case import Case
from gramwise.sim.fluid import Flow, fill
from gramwise.sim.rules import View, quickest

if TYPE_CHECKING:
    from gramwise.core.decision import Bools, Floats

REMEMBERED_HOURS = 7 * 24
"""Hours of prices that policies remember: as long as the snapshots of simulate carry."""

_SLACK = 1.0 + 1e-9

_LEAST_ROOM_S = 1e-6
"""Slot seconds an hour below which a node is full: rounding."""

Limits = Callable[[Prices, int], Sequence[float]]
"""(prices seen at a node, hours that work can wait) -> limits in the same unit, one for each part of the work."""


def by_reservation(name: str) -> Callable[[View], Flow]:
    """The flow of a policy with reservation prices: the limits are the policy's own."""
    policy = load_policy(name)
    if not isinstance(policy, Reservation):
        raise TypeError(f"{name} has no reservation prices")
    return lambda view: _released(view, lambda seen, _window: policy.limits_g(seen), by_age=False)


def by_pressure(view: View) -> Flow:
    """``lyapunov`` where work can wait: it may pay the more of the range seen, the longer it has waited."""

    def limits(seen: Prices, window: int) -> list[float]:
        step_g = (seen.high_g - seen.low_g) / max(window, 1)
        return [seen.low_g + age * step_g for age in range(window + 1)]

    return _released(view, limits, by_age=True)


def _released(view: View, limits: Limits, *, by_age: bool) -> Flow:
    case = view.case
    classes, hours = len(case.classes), case.hours
    longest, until_open = int(case.window.max(initial=0)), case.until_open().tolist()
    limit = _limits(case, limits, longest)  # (N, T, parts): what each part may pay at each node
    parts = 1 if by_age else limit.shape[2]
    queue = np.zeros((classes, parts, longest + 1))  # [k, i, a]: part i of class k that came a hours ago
    served = np.zeros((*case.energy_j.shape, hours))
    unserved, started = np.zeros(case.fixed.shape), np.zeros(case.fixed.shape)
    for t in range(hours):
        if case.missing[t]:
            queue = _older(queue)
            continue
        queue[:, :, 0] += case.waiting[:, t, None] / parts
        score, room = view.now_g[:, :, t : t + 1], case.capacity_s[:, t : t + 1]
        placed, left, room = fill(score, case.fixed[:, t : t + 1], case, room)
        free = queue.copy()
        for k, window in enumerate(case.window.tolist()):
            # Its last hour is this one, or all later ones of its window are left out or after the end.
            free[k, :, max(window + 1 - until_open[t], 0) :] = 0.0
        due = (queue - free).sum(axis=(1, 2))
        more, late, room = fill(score, due[:, None], case, room)
        if late.any() or left.any():
            rest, late, room = fill(quickest(case, 1), late + left, case, room)
            more += rest
        amounts = free[:, 0, :] if by_age else free.sum(axis=2)
        gone = np.zeros_like(amounts)
        if amounts.any():
            open_now = case.known_g_per_j[:, t, 0, None] <= limit[:, t] * _SLACK
            extra, gone, room = _within(case, score[:, :, 0], open_now, amounts, room)
            more[:, :, 0] += extra
        served[:, :, t] = placed[:, :, 0] + more[:, :, 0]
        unserved[:, t] = late[:, 0]
        started[:, t] = due + gone.sum(axis=1)
        queue = _older(_without(free, gone, by_age))
    return Flow(served=served, unserved=unserved, started=started)


def _within(
    case: Case, score: Floats, open_now: Bools, amounts: Floats, room: Floats
) -> tuple[Floats, Floats, Floats]:
    """Place parts of classes on the nodes that are open to them (N, parts); served (K, P), gone (K, parts), room."""
    order = np.argsort(score, axis=1, kind="stable")
    has_room = room[case.node, 0] > _LEAST_ROOM_S
    shut = (
        ~open_now[case.node].T & has_room
    )  # (parts, P): here work would rather wait than go on to the next plan
    in_order = shut[:, order].transpose(1, 0, 2)  # (K, parts, P)
    beyond = np.zeros_like(in_order)
    np.put_along_axis(beyond, order[:, None, :], np.logical_or.accumulate(in_order, axis=2), axis=2)
    scores = np.where(beyond, np.inf, score[:, None, :])
    rows = np.flatnonzero(np.isfinite(scores).any(axis=(0, 1)))
    some = np.argwhere((amounts > 0) & np.isfinite(scores).any(axis=2))
    gone, served = np.zeros_like(amounts), np.zeros(score.shape)
    if not len(some):
        return served, gone, room
    of, i = some[:, 0], some[:, 1]
    small = case.narrowed(rows).of_classes(of)
    placed, left, room = fill(scores[of, i][:, rows, None], amounts[of, i][:, None], small, room)
    gone[of, i] = amounts[of, i] - left[:, 0]
    np.add.at(served, (of[:, None], rows[None]), placed[:, :, 0])
    return served, gone, room


def _without(queue: Floats, gone: Floats, by_age: bool) -> Floats:
    """What still waits once ``gone`` has started, the oldest first within a part."""
    left = queue.copy()
    if by_age:
        left[:, 0, :] = np.maximum(left[:, 0, :] - gone, 0.0)
        return left
    for a in range(left.shape[2] - 1, -1, -1):
        out = np.minimum(left[:, :, a], gone)
        left[:, :, a] -= out
        gone = gone - out
    return left


def _older(queue: Floats) -> Floats:
    moved = np.zeros_like(queue)
    moved[:, :, 1:] = queue[:, :, :-1]
    moved[:, :, -1] += queue[:, :, -1]  # nothing is that old but in hours that were left out
    return moved


def _limits(case: Case, limits: Limits, longest: int) -> Floats:
    """What each part of the work may pay at each node in each hour, in grams of a joule, (N, T, parts)."""
    first: dict[bytes, int] = {}
    same = [first.setdefault(row.tobytes(), n) for n, row in enumerate(case.g_per_j)]
    made = {
        n: [_limits_at(case.g_per_j[n], limits, t, longest) for t in range(case.hours)] for n in set(same)
    }
    parts = max(len(each) for rows in made.values() for each in rows)
    wide = {n: np.array([np.resize(each, parts) for each in rows]) for n, rows in made.items()}
    return np.array([wide[n] for n in same])


def _limits_at(path: Floats, limits: Limits, t: int, longest: int) -> Sequence[float]:
    seen = path[max(0, t - REMEMBERED_HOURS) : t]
    seen = seen[~np.isnan(seen)]
    if not len(seen):
        return (np.inf,)  # nothing is known of prices: start at once
    high = float(seen.max())
    if high == 0.0:
        return (np.inf,)  # all was free: nothing to wait for
    low = max(float(seen.min()), LEAST_OF_HIGHEST * high)
    return limits(Prices(seen.tolist(), low, high, S_PER_HOUR), longest)
