"""Model-predictive: the plan's fractions for where, and the plan's amounts for when.

The solver looks over the hours to come and says, for the slot that is running, how much of the work that can wait
starts in it: which part of what arrives now, and those already waiting that came before a certain moment. The amounts
fit the capacity, so that released work does not pile up and spill to dirty nodes. Solved anew each slot, only the first
step of each plan is carried out. Without guidance for this moment: `grams`, at once.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gramwise.core.ahead import class_of
from gramwise.schedule.alias import chance
from gramwise.schedule.policies.fractions import Fractions, Shares
from gramwise.schedule.waiting import Waiting

if TYPE_CHECKING:
    from gramwise.core.ahead import Guidance
    from gramwise.core.decision import Request, Snapshot

GRACE_FRAC = 0.1
"""Share of a slot for which waiting work bears with a plan that is late (our choice): at the edge of a slot it may be
asked a moment before the new plan is there, and without one all of it would start at once."""


class Predictive(Waiting[Shares], Fractions):
    """Rows as `fractions`, and deferral as planned."""

    name = "predictive"

    def later_s(self, ready: Shares, request: Request, snapshot: Snapshot, row: int) -> float | None:
        guidance = snapshot.guidance
        if guidance is None or not guidance.start_s <= snapshot.at_s:
            return None
        slot_s = guidance.end_s - guidance.start_s
        # The row is drawn with ``draw``; this is another number, and another one each slot.
        lot = chance(request.draw, int(guidance.start_s))
        if snapshot.at_s >= guidance.end_s:
            return _grace_s(request, guidance, lot * slot_s * GRACE_FRAC)
        key = class_of(request)
        if request.arrival_s >= guidance.start_s:
            return None if lot < guidance.fresh_frac.get(key, 1.0) else guidance.end_s
        if request.arrival_s < guidance.release_before_s.get(key, math.inf):
            return guidance.start_s + lot * slot_s  # evenly over the slot, not as a herd at its edge
        return guidance.end_s


def _grace_s(request: Request, guidance: Guidance, spread_s: float) -> float | None:
    """Until when work that was waiting bears with an outdated plan; None where it does not."""
    return guidance.end_s + spread_s if request.arrival_s < guidance.end_s else None


PLUGIN = Predictive
