"""Two rows drawn, the better one taken: for thousands of nodes, and for queues that are known a little late.

Two choices cut the longest queues exponentially against one (Azar, Broder, Karlin, Upfal 1999; Mitzenmacher 2001), and
neither scan nor sort is needed per request. Rows are drawn by the plan's fractions where guidance holds, else evenly.
The better one has less ``g + rate x backlog``, where the rate is the median of g / latency over the rows kept: a second
of queue counts as what a usual node emits in it. Where neither is in time: `grams`' ordinary way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gramwise.schedule.alias import AliasTable, alias_table, chance
from gramwise.schedule.filters import ACCOUNTABLE, DEADLINE
from gramwise.schedule.pipeline import TablePolicy, predicted
from gramwise.schedule.policies.fractions import Entry, entries_of, entry_finish_s, shares_of
from gramwise.schedule.policies.shadow_price import Guided, guided
from gramwise.schedule.split import grams, wait_of

if TYPE_CHECKING:
    from gramwise.core.decision import Floats, Ints, Request, Snapshot

_SECOND = 2
"""Salt of the second draw."""


class Pairs(NamedTuple):
    """What two rows are drawn from and compared by; ``table`` is None where the plan gives no shares."""

    entries: list[Entry]
    carbon_g: list[float]
    rate_g_per_s: float
    table: AliasTable | None
    guided: Guided


class TwoChoices(TablePolicy[Pairs]):
    """The better one of two drawn rows by grams and queue."""

    name = "two-choices"
    filters = ACCOUNTABLE
    load_filters = (DEADLINE,)

    def prepare(self, request: Request, snapshot: Snapshot, rows: Ints) -> Pairs:
        share, carbon_g = shares_of(request, snapshot, rows), grams(snapshot, rows)
        return Pairs(
            entries_of(snapshot, rows),
            carbon_g.tolist(),
            _rate_g_per_s(carbon_g, snapshot.plans.latency_s[rows]),
            None if share is None else alias_table(share.tolist()),
            guided(request, snapshot, rows),
        )

    def choose(self, ready: Pairs, request: Request, snapshot: Snapshot) -> int:
        count = len(ready.entries)
        if not count:
            return -1
        one, other = request.draw, chance(request.draw, _SECOND)
        if ready.table is not None and ready.guided.holds(snapshot.at_s):
            pair = ready.table.pick(one), ready.table.pick(other)
        else:
            pair = int(one * count), int(other * count)
        best, least_g = -1, float("inf")
        for i in pair:
            entry = ready.entries[i]
            done_s = entry_finish_s(entry, request, snapshot)
            if request.deadline_s is None or done_s <= request.deadline_s:
                wait_s = done_s - entry[2] - entry[3] * request.count
                score_g = ready.carbon_g[i] + ready.rate_g_per_s * wait_s
                if score_g < least_g:
                    best, least_g = entry[0], score_g
        return best if best >= 0 else ready.guided.choose(request, snapshot)

    def scores(self, request: Request, snapshot: Snapshot, row: int) -> Mapping[str, float]:
        scores = predicted(request, snapshot, row)
        queue_g = self.prepared(request, snapshot).rate_g_per_s * wait_of(snapshot, row)
        return {**scores, "queue_g": queue_g, "score_g": scores["carbon_g"] / request.count + queue_g}


def _rate_g_per_s(carbon_g: Floats, latency_s: Floats) -> float:
    """Grams that a usual node emits in a busy second."""
    timed = latency_s > 0.0
    return float(np.median(carbon_g[timed] / latency_s[timed])) if timed.any() else 0.0


PLUGIN = TwoChoices
