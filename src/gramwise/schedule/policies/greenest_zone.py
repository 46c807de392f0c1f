"""Baseline: the cleanest grid among the plans that meet every goal, whatever energy the node spends there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gramwise.schedule.filters import ACCOUNTABLE, WHOLE
from gramwise.schedule.pipeline import RankedPolicy

if TYPE_CHECKING:
    from gramwise.core.decision import Floats, Ints, Snapshot


class GreenestZone(RankedPolicy):
    """Least grid intensity first; within a zone, the node that would answer soonest."""

    name = "greenest-zone"
    filters = (WHOLE, *ACCOUNTABLE)

    def static_score(self, snapshot: Snapshot, rows: Ints) -> Floats:
        score: Floats = snapshot.intensity_g_per_kwh[snapshot.plans.node[rows]]
        return score


PLUGIN = GreenestZone
