"""Least grams plus what the node's time is worth to others: each plan pays the shadow price of the seconds it takes.

With true prices this is the optimum of several classes on scarce nodes; ties between plans then oscillate, which is
why `fractions` goes before it where a solver gives fractions. Without guidance for this moment: `grams`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gramwise.core.decision import nodes_of
from gramwise.schedule.filters import ACCOUNTABLE, DEADLINE
from gramwise.schedule.pipeline import RankedPolicy, Ranking, TablePolicy, predicted
from gramwise.schedule.policies.grams import Grams
from gramwise.schedule.split import grams

if TYPE_CHECKING:
    from gramwise.core.ahead import Guidance
    from gramwise.core.decision import Floats, Ints, Request, Snapshot


def price_g(snapshot: Snapshot, rows: Ints, guidance: Guidance) -> Floats:
    """Grams that one inference of each row takes from others by keeping its nodes busy, (R,): price x busy seconds."""
    table = snapshot.plans
    total: Floats = guidance.price_g_per_s[table.node[rows]] * table.latency_s[rows]
    for row, stages in table.stages.items():
        total[rows == row] = sum(
            guidance.price_g_per_s.item(node) * stage.latency_s
            for stage, node in zip(stages, nodes_of(snapshot, row), strict=True)
        )
    return total


class _Priced(RankedPolicy):
    """The ranking by grams and price; used only where the snapshot has guidance."""

    name = "grams and price"

    def static_score(self, snapshot: Snapshot, rows: Ints) -> Floats:
        assert snapshot.guidance is not None
        return grams(snapshot, rows) + price_g(snapshot, rows, snapshot.guidance)


_PLAIN, _PRICED = Grams(), _Priced()


class Guided(NamedTuple):
    """Both rankings, and the slot in which the one with prices holds: time is no part of the upper block."""

    start_s: float
    end_s: float
    priced: Ranking
    plain: Ranking

    def holds(self, at_s: float) -> bool:
        """Whether the guidance is for this moment."""
        return self.start_s <= at_s < self.end_s

    def choose(self, request: Request, snapshot: Snapshot) -> int:
        """Least grams plus price among the rows in time; least grams where no guidance holds."""
        if self.start_s <= snapshot.at_s < self.end_s:
            return _PRICED.choose(self.priced, request, snapshot)
        return _PLAIN.choose(self.plain, request, snapshot)


def guided(request: Request, snapshot: Snapshot, rows: Ints) -> Guided:
    """Both rankings of some rows. Guidance for another fleet, told by its length, is none."""
    plain, guidance = _PLAIN.prepare(request, snapshot, rows), snapshot.guidance
    if guidance is None or len(guidance.price_g_per_s) != len(snapshot.nodes):
        return Guided(math.nan, math.nan, plain, plain)
    return Guided(guidance.start_s, guidance.end_s, _PRICED.prepare(request, snapshot, rows), plain)


def guided_scores(ready: Guided, request: Request, snapshot: Snapshot, row: int) -> dict[str, float]:
    """What a row is predicted to cost, with its price where guidance holds."""
    scores = predicted(request, snapshot, row)
    if snapshot.guidance is not None and ready.holds(snapshot.at_s):
        scores["price_g"] = float(price_g(snapshot, np.array([row]), snapshot.guidance)[0]) * request.count
        scores["score_g"] = scores["carbon_g"] + scores["price_g"]
    return scores


class ShadowPrice(TablePolicy[Guided]):
    """Least grams plus price of node time, among the rows in time."""

    name = "shadow-price"
    filters = ACCOUNTABLE
    load_filters = (DEADLINE,)

    def prepare(self, request: Request, snapshot: Snapshot, rows: Ints) -> Guided:
        return guided(request, snapshot, rows)

    def choose(self, ready: Guided, request: Request, snapshot: Snapshot) -> int:
        return ready.choose(request, snapshot)

    def scores(self, request: Request, snapshot: Snapshot, row: int) -> Mapping[str, float]:
        return guided_scores(self.prepared(request, snapshot), request, snapshot, row)


PLUGIN = ShadowPrice
