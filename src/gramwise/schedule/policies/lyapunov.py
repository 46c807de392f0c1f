"""Drift plus penalty: grams weighed against queues, with no forecast.

Each request takes the row of least ``V g + Q t``: grams of one inference against the backlog Q of the row's node times
the service time it would add. More V saves more and queues longer: O(1/V) from the optimum for O(V) of backlog
(M. J. Neely, "Stochastic Network Optimization", 2010).

In seconds: ``V g = services x median(t) x g / median(g)`` and ``Q t`` is taken as ``Q x t / median(t)``. So one median
request's grams are worth the queue of ``services`` median requests, whatever units, intensities or machines are.

A request that can wait is served once the pressure of its waiting reaches what starting now costs above the least seen:
``waited / allowed >= (g - low) / (high - low)`` with low and high from the last days of prices. Every request is served
once, so the part below the least is paid in any case. Without such a memory it starts at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gramwise.schedule.filters import finish_s
from gramwise.schedule.pipeline import predicted
from gramwise.schedule.split import grams, wait_of, wait_s
from gramwise.schedule.waiting import Prices, Waiting, prices

if TYPE_CHECKING:
    from gramwise.core.decision import Floats, Ints, Request, Snapshot

SERVICES = 10.0
"""Queue, in median requests, that one median request's grams are worth: our own choice, to be set for the case."""


class Drift(NamedTuple):
    """Penalty and weight of each row, (R,), and by row, once asked for, its prices of the last days."""

    rows: Ints
    penalty_s: Floats
    weight: Floats
    seen: dict[int, Prices]


class Lyapunov(Waiting[Drift]):
    """Least V x grams + queue x service time among the rows in time.

    Args:
        services: V in median requests of queue for one median request's grams, at least 0.
    """

    name = "lyapunov"

    def __init__(self, services: float = SERVICES) -> None:
        super().__init__()
        self.services = services

    def prepare(self, request: Request, snapshot: Snapshot, rows: Ints) -> Drift:
        rows = rows[
            np.isfinite(snapshot.plans.latency_s[rows])
        ]  # a node that holds no such variant never ends
        if not len(rows):
            return Drift(rows, np.zeros(0), np.zeros(0), {})
        latency_s, carbon_g = snapshot.plans.latency_s[rows], grams(snapshot, rows)
        usual_s, usual_g = float(np.median(latency_s)), float(np.median(carbon_g))
        relative = carbon_g / usual_g if usual_g > 0.0 else np.zeros(len(rows))
        weight = latency_s / usual_s if usual_s > 0.0 else np.ones(len(rows))
        return Drift(rows, self.services * usual_s * relative, weight, {})

    def choose(self, ready: Drift, request: Request, snapshot: Snapshot) -> int:
        rows, table = ready.rows, snapshot.plans
        if not len(rows):
            return -1
        wait = wait_s(snapshot)[rows]
        score = ready.penalty_s + wait * ready.weight
        if request.deadline_s is not None:
            done_s = finish_s(request, wait, table.fixed_s[rows], table.latency_s[rows])
            score[done_s > request.deadline_s] = np.inf
        best = int(score.argmin())
        return rows.item(best) if score.item(best) < np.inf else -1

    def later_s(self, ready: Drift, request: Request, snapshot: Snapshot, row: int) -> float | None:
        if request.deferrable_until_s is None:
            return None
        if row not in ready.seen:
            ready.seen[row] = prices(snapshot, row)
        seen = ready.seen[row]
        if not seen.high_g > seen.low_g:
            return None
        here_g = float(grams(snapshot, np.array([row]))[0])
        stake = min(1.0, max(0.0, (here_g - seen.low_g) / (seen.high_g - seen.low_g)))
        allowed_s = request.deferrable_until_s - request.arrival_s
        ripe_s = request.arrival_s + stake * allowed_s
        # Another price may come before that moment: ask once a step.
        return min(ripe_s, snapshot.at_s + seen.step_s) if ripe_s > snapshot.at_s else None

    def scores(self, request: Request, snapshot: Snapshot, row: int) -> Mapping[str, float]:
        ready = self.prepared(request, snapshot)
        at = int(np.flatnonzero(ready.rows == row)[0])
        queue_s = wait_of(snapshot, row) * float(ready.weight[at])
        penalty_s = float(ready.penalty_s[at])
        return {
            **predicted(request, snapshot, row),
            "penalty_s": penalty_s,
            "queue_s": queue_s,
            "score_s": penalty_s + queue_s,
        }


PLUGIN = Lyapunov
