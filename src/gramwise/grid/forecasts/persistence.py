"""Persistence: every hour to come is like the newest known one. The best there is for the very next hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gramwise.core.decision import Floats

    from .past import Past


class Persistence:
    """The last known value at every lead."""

    name = "persistence"

    def means(self, past: Past, horizon: int) -> Floats:
        """One row an hour, shape (T, horizon), g/kWh; NaN while nothing is known."""
        mean = past.last(horizon)
        mean[: past.first + 1] = np.nan
        return mean


PLUGIN = Persistence
