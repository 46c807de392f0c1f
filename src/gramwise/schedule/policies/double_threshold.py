"""For work in pieces that can pause: it resumes at one price and pauses at a higher one, since switching costs.

Whether the work of a threshold runs at the moment is rebuilt from the prices of the last days, so that the decision
stays a pure function. Pieces are requests: piece ``seq mod k`` goes by the thresholds of that number
(`gramwise.schedule.search.pause_thresholds`). What a change between running and paused costs (saving and loading state)
is given as a share of the mean price of a piece.
"""

from __future__ import annotations

from collections.abc import Sequence

from gramwise.schedule.search import pause_thresholds, running
from gramwise.schedule.waiting import Prices, Reservation

UNITS = 12
"""Pieces of a job unless given (our choice)."""

SWITCH_FRAC = 0.05
"""Grams of one change over the mean grams of a piece unless given: our own choice, to be measured for the case."""


class DoubleThreshold(Reservation):
    """Least grams, started at or below a low threshold and kept running up to a higher one.

    Args:
        switch_frac: grams of one change over the mean grams of a piece.
        k: pieces of a job, at least 1.
    """

    name = "double-threshold"

    def __init__(self, switch_frac: float = SWITCH_FRAC, k: int = UNITS) -> None:
        super().__init__()
        self.switch_frac, self.k = switch_frac, k

    def limits_g(self, seen: Prices) -> Sequence[float]:
        switch_g = self.switch_frac * sum(seen.path_g) / len(seen.path_g)
        if 2.0 * switch_g >= seen.high_g - seen.low_g:
            return [seen.high_g]  # pausing never pays
        both = pause_thresholds(seen.low_g, seen.high_g, switch_g, self.k)
        return [each.stop if running(seen.path_g, each) else each.start for each in both]


PLUGIN = DoubleThreshold
