"""Seasonal naive: every hour to come is like the same hour one day before it.

A day is the season to take: on hourly traces of 21 zones the same hour two days or a week before is further off in
every one of them (docs/method/forecasts.md), so this is the hardest of the naive standards to be measured against.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .past import DAY
from .persistence import Persistence

if TYPE_CHECKING:
    from gramwise.core.decision import Floats

    from .past import Past


class SeasonalNaive:
    """The same hour of the newest day that is known; persistence while that is less than one day."""

    name = "seasonal-naive"

    def means(self, past: Past, horizon: int) -> Floats:
        """One row an hour, shape (T, horizon), g/kWh; NaN while nothing is known."""
        mean = past.same_hour(horizon)
        young = slice(0, past.first + DAY)
        mean[young] = Persistence().means(past, horizon)[young]
        return mean


PLUGIN = SeasonalNaive
