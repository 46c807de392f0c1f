"""Ours: the fewest grams among the plans that meet latency, memory, accuracy floor, zone and freshness.

The score is predicted marginal grams, energy x intensity x PUE, of a split plan summed over its stages: no weights, no
mixing of units. With one request class
and no coupling in time, filling nodes in this order is the optimum (bound B1 of `gramwise.optimize.bounds`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gramwise.schedule.pipeline import RankedPolicy
from gramwise.schedule.split import grams

if TYPE_CHECKING:
    from gramwise.core.decision import Floats, Ints, Snapshot


class Grams(RankedPolicy):
    """Least marginal grams first; the next best takes over where a queue would break the deadline."""

    name = "grams"

    def static_score(self, snapshot: Snapshot, rows: Ints) -> Floats:
        return grams(snapshot, rows)


PLUGIN = Grams
