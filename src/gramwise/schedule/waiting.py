"""Policies that may put work off: the rule that never starts it too late, and what the last days say about prices.

A request that can wait carries its latest start. A policy names a moment, never after that one, at which it is asked
again with what is known then. What nobody can answer in time now, because queues are long, waits for the queue rather
than being late: that is the admission by capacity which keeps put-off work from piling up on the next dirtier node.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gramwise.core.decision import Decision, Request, Snapshot, Verdict, nodes_of
from gramwise.core.units import carbon_g

from .filters import ACCOUNTABLE, DEADLINE, finish_s, surviving
from .pipeline import Prepared, Ranking, TablePolicy, predicted
from .policies.grams import Grams
from .split import grams, wait_s

if TYPE_CHECKING:
    from gramwise.core.decision import Floats, Ints

PLAIN = Grams()
"""The ordinary way, where nothing is known of the hours to come."""

LEAST_OF_HIGHEST = 1e-3
"""Prices below this share of the highest count as that much: the ratios need a lowest price above 0 (our choice)."""

BEAR_FRAC = 0.01
"""Share of the time until its latest start that a request waits at least where all queues are full (our choice)."""

YIELDING = 2.0
"""Work that can still wait joins a queue only where its wait is at most half of what its deadline allows. The other
half stays for work that cannot: or a plan that fills the clean hours would make that late (docs/method/policies.md)."""

_SLACK = 1.0 + 1e-9
"""On a flat grid the reservation price is the price itself but for rounding."""


class Waiting(TablePolicy[Prepared]):
    """A policy that may put off requests that can wait. Subclasses give `later_s` besides what `TablePolicy` wants."""

    filters = ACCOUNTABLE
    load_filters = (DEADLINE,)

    def later_s(self, ready: Prepared, request: Request, snapshot: Snapshot, row: int) -> float | None:
        """When to ask again (Unix seconds) instead of starting ``row`` now, or None; asked only where it can wait."""
        raise NotImplementedError

    def decide(self, request: Request, snapshot: Snapshot) -> Decision:
        """Choose row and moment; ``start_s`` is never after ``request.deferrable_until_s``."""
        ready = self.prepared(request, snapshot)
        limit_s = request.deferrable_until_s
        if limit_s is None or not limit_s > snapshot.at_s:
            return Decision(request, snapshot, self, self.choose(ready, request, snapshot))
        row = self.choose(ready, request, crowded(snapshot))
        full_until_s = None
        if row < 0:
            row = self.choose(ready, request, idle(snapshot))
            if row < 0:
                return Decision(request, snapshot, self, row)
            # Where queues stay full, asking again and again would be work of its own: bear with a part of what is left.
            bear_s = BEAR_FRAC * (limit_s - snapshot.at_s)
            full_until_s = max(self._room_s(request, snapshot), snapshot.at_s + bear_s)
        later_s = self.later_s(ready, request, snapshot, row)
        start_s = max((s for s in (later_s, full_until_s) if s is not None), default=snapshot.at_s)
        put_off = start_s > snapshot.at_s
        return Decision(request, snapshot, self, row, min(start_s, limit_s) if put_off else None)

    def _room_s(self, request: Request, snapshot: Snapshot) -> float:
        """When the shortest queue would be in time again if nothing more came; not before one service from now."""
        snapshot = crowded(snapshot)
        rows, table = surviving(self.filters, request, snapshot), snapshot.plans
        service_s = finish_s(request, np.zeros(len(rows)), table.fixed_s[rows], table.latency_s[rows])
        deadline_s = math.inf if request.deadline_s is None else request.deadline_s
        able = service_s <= deadline_s
        late_s = (wait_s(snapshot)[rows] + service_s)[able].min() - deadline_s
        return snapshot.at_s + max(float(late_s), float(service_s[able].min()))

    def verdicts(self, request: Request, snapshot: Snapshot) -> list[Verdict]:
        """One verdict for every candidate; queues of now say nothing about a start that is put off."""
        decision = self.decide(request, snapshot)
        if decision.start_s is None:
            return list(self._judge(decision.row, request, snapshot))
        put_off_s = decision.start_s - snapshot.at_s
        return [
            verdict._replace(scores={**verdict.scores, "put_off_s": put_off_s}) if verdict.chosen else verdict
            for verdict in self._judge(decision.row, request, idle(snapshot))
        ]


def crowded(snapshot: Snapshot) -> Snapshot:
    """The same snapshot with every queue as long again: what work that can still wait takes them for."""
    return dataclasses.replace(snapshot, backlog_s=snapshot.backlog_s * YIELDING)


def idle(snapshot: Snapshot) -> Snapshot:
    """The same snapshot with every queue empty."""
    return dataclasses.replace(snapshot, backlog_s=np.zeros(len(snapshot.nodes)))


class Prices(NamedTuple):
    """What one inference would have cost at a plan, over the days that are remembered and now.

    Attributes:
        path_g: grams of one inference, in order of time, the present one last.
        low_g, high_g: the least and the most of it, 0 < low <= high; both 0 where all is free.
        step_s: seconds between two prices; inf where only the present one is known.
    """

    path_g: list[float]
    low_g: float
    high_g: float
    step_s: float


def prices(snapshot: Snapshot, row: int) -> Prices:
    """Prices over ``snapshot.recent`` of a row.

    It is the row that the request would get now, against that same row's past: where the clean nodes are full, the
    best plan's price says nothing about what waiting could save.

    Args:
        snapshot: N nodes.
        row: a candidate whose grams are known now.

    Returns:
        See `Prices`. Where nothing is remembered the present price is the only one.
    """
    times_s, steps_s = _times(snapshot)
    seen = [math.nan] * len(times_s)
    if times_s:
        intensity = _intensity(snapshot, np.array(times_s))
        seen = _grams_at(snapshot, np.array([row]), intensity)[0].tolist()
    path_g = [*(price for price in seen if price == price), float(grams(snapshot, np.array([row]))[0])]
    high_g = max(path_g)
    low_g = max(min(path_g), LEAST_OF_HIGHEST * high_g)
    return Prices(path_g, low_g, high_g, steps_s)


def _times(snapshot: Snapshot) -> tuple[list[float], float]:
    """When any remembered intensity changed, and the usual seconds between two such moments."""
    series = [snapshot.recent[zone] for zone in dict.fromkeys(snapshot.zone) if zone in snapshot.recent]
    times_s = sorted({t for each in series for t in each.times_s if math.isfinite(t) and t <= snapshot.at_s})
    ends_s = [each.end_s for each in series if math.isfinite(each.end_s)]
    if not times_s or not ends_s:
        return times_s, math.inf
    return times_s, float(np.median(np.diff([*times_s, max(*ends_s, times_s[-1] + 1.0)])))


def _intensity(snapshot: Snapshot, times_s: Floats) -> Floats:
    """Intensity of each node at each moment, (N, T); NaN where nothing is remembered."""
    by_zone: dict[str, Floats] = {}
    for zone, series in snapshot.recent.items():
        step = np.searchsorted(np.array(series.times_s), times_s, side="right") - 1
        inside = (step >= 0) & (times_s < series.end_s)
        by_zone[zone] = np.where(inside, np.array(series.values)[np.maximum(step, 0)], np.nan)
    unknown = np.full(len(times_s), np.nan)
    return np.array([by_zone.get(zone, unknown) for zone in snapshot.zone])


def _grams_at(snapshot: Snapshot, rows: Ints, intensity: Floats) -> Floats:
    """Grams of one inference of each row at each moment, (R, T); of a split row the sum over its stages."""
    table = snapshot.plans
    node = table.node[rows]
    total: Floats = carbon_g(table.energy_j[rows, None], intensity[node], snapshot.pue[node, None])
    for row, stages in table.stages.items():
        for i in np.flatnonzero(rows == row).tolist():
            total[i] = sum(
                carbon_g(stage.energy_j, intensity[n], snapshot.pue.item(n))
                for stage, n in zip(stages, nodes_of(snapshot, row), strict=True)
            )
    return total


class Reserve(NamedTuple):
    """The grams ranking, and by row, once asked for, up to which price (grams of one inference) a request may start
    there, by ``seq`` mod k, and how long a price holds."""

    ranking: Ranking
    limits: dict[int, tuple[Sequence[float], float]]


class Reservation(Waiting[Reserve]):
    """Least grams, started once its price is at or below a reservation price. Subclasses give `limits_g`."""

    def limits_g(self, seen: Prices) -> Sequence[float]:
        """Reservation prices from what was seen; request ``seq`` goes by number ``seq mod k``, from 0."""
        raise NotImplementedError

    def prepare(self, request: Request, snapshot: Snapshot, rows: Ints) -> Reserve:
        return Reserve(PLAIN.prepare(request, snapshot, rows), {})

    def _limit_g(self, ready: Reserve, request: Request, snapshot: Snapshot, row: int) -> tuple[float, float]:
        """The reservation price of the request at a row, and how long a price holds."""
        if row not in ready.limits:
            seen = prices(snapshot, row)
            limits = self.limits_g(seen) if seen.high_g > 0.0 else (math.inf,)
            ready.limits[row] = (limits, seen.step_s)
        limits, step_s = ready.limits[row]
        return limits[request.seq % len(limits)], step_s

    def choose(self, ready: Reserve, request: Request, snapshot: Snapshot) -> int:
        return PLAIN.choose(ready.ranking, request, snapshot)

    def later_s(self, ready: Reserve, request: Request, snapshot: Snapshot, row: int) -> float | None:
        limit_g, step_s = self._limit_g(ready, request, snapshot, row)
        if float(grams(snapshot, np.array([row]))[0]) <= limit_g * _SLACK:
            return None
        # Asked again once a step at the moment of it that the request came at: arrivals spread over the step, and so
        # do starts, where all asked at the edge would come as a herd.
        return snapshot.at_s + step_s

    def scores(self, request: Request, snapshot: Snapshot, row: int) -> Mapping[str, float]:
        ready = self.prepared(request, snapshot)
        limit_g, _ = self._limit_g(ready, request, snapshot, row)
        return {**predicted(request, snapshot, row), "reservation_g": limit_g * request.count}
