"""The solver's fractions, drawn by alias table: near the optimum for several classes, at the cost of one draw.

Each request of a class is sent to a row with the probability that the plan gives it. Where that row would be late, the
request spills to the row of least grams plus price among those in time. Without guidance for this moment: `grams`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gramwise.core.ahead import class_of
from gramwise.schedule.alias import AliasTable, alias_table
from gramwise.schedule.filters import ACCOUNTABLE, DEADLINE
from gramwise.schedule.pipeline import TablePolicy
from gramwise.schedule.policies.shadow_price import Guided, guided, guided_scores
from gramwise.schedule.split import wait_of

if TYPE_CHECKING:
    from gramwise.core.decision import Floats, Ints, Request, Snapshot

_SPLIT = -1
"""Stands for the node of a row that has several."""

Entry = tuple[int, int, float, float]
"""Row, its node, fixed_s, latency_s."""


class Shares(NamedTuple):
    """The alias table over the rows that have a share, and what to do where it does not serve."""

    start_s: float
    end_s: float
    table: AliasTable | None
    entries: list[Entry]
    guided: Guided


def shares_of(request: Request, snapshot: Snapshot, rows: Ints) -> Floats | None:
    """What the plan gives to those rows that the filters keep, renormalised, (R,); None where it gives them nothing."""
    guidance = snapshot.guidance
    planned = None if guidance is None else guidance.fractions.get(class_of(request))
    if planned is None or len(planned) != len(snapshot.plans):
        return None
    kept = planned[rows]
    total = float(kept.sum())
    return kept / total if total > 0.0 else None


def entries_of(snapshot: Snapshot, rows: Ints) -> list[Entry]:
    """What a deadline test needs, as plain numbers, row by row."""
    table = snapshot.plans
    return [
        (row, _SPLIT if row in table.stages else table.node.item(row), fixed_s, latency_s)
        for row, fixed_s, latency_s in zip(
            rows.tolist(), table.fixed_s[rows].tolist(), table.latency_s[rows].tolist(), strict=True
        )
    ]


def entry_finish_s(entry: Entry, request: Request, snapshot: Snapshot) -> float:
    """Predicted seconds from now to the answer."""
    row, node, fixed_s, latency_s = entry
    wait_s = snapshot.backlog_s.item(node) if node >= 0 else wait_of(snapshot, row)
    return wait_s + fixed_s + latency_s * request.count


class Fractions(TablePolicy[Shares]):
    """A row drawn by the plan's fractions; where it would be late, the least grams plus price."""

    name = "fractions"
    filters = ACCOUNTABLE
    load_filters = (DEADLINE,)

    def prepare(self, request: Request, snapshot: Snapshot, rows: Ints) -> Shares:
        both, share = guided(request, snapshot, rows), shares_of(request, snapshot, rows)
        if share is None:
            return Shares(both.start_s, both.end_s, None, [], both)
        some = np.flatnonzero(share > 0.0)
        table, entries = alias_table(share[some].tolist()), entries_of(snapshot, rows[some])
        return Shares(both.start_s, both.end_s, table, entries, both)

    def choose(self, ready: Shares, request: Request, snapshot: Snapshot) -> int:
        table = ready.table
        if table is None or not ready.start_s <= snapshot.at_s < ready.end_s:
            return ready.guided.choose(request, snapshot)
        entry = ready.entries[table.pick(request.draw)]
        limit_s = request.deadline_s
        if limit_s is None or entry_finish_s(entry, request, snapshot) <= limit_s:
            return entry[0]
        return ready.guided.choose(request, snapshot)

    def scores(self, request: Request, snapshot: Snapshot, row: int) -> Mapping[str, float]:
        ready = self.prepared(request, snapshot)
        scores = guided_scores(ready.guided, request, snapshot, row)
        if ready.table is not None and ready.guided.holds(snapshot.at_s):
            by_row = dict(zip((entry[0] for entry in ready.entries), ready.table.shares(), strict=True))
            scores["share_frac"] = by_row.get(row, 0.0)
        return scores


PLUGIN = Fractions
