"""Work that can wait starts when its price is at or below ``sqrt(L x U)`` of the last days' lowest and highest.

Whatever prices come, as long as they stay between L and U, a request costs at most ``sqrt(U / L)`` times what it would
have cost at its best moment (one-way search: El-Yaniv, Fiat, Karp, Turpin 2001). It needs no forecast. On a flat grid
it is safe and gains nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from gramwise.schedule.search import reservation
from gramwise.schedule.waiting import Prices, Reservation


class Threshold(Reservation):
    """Least grams, started at or below one reservation price."""

    name = "threshold"

    def limits_g(self, seen: Prices) -> Sequence[float]:
        return [reservation(seen.low_g, seen.high_g)]


PLUGIN = Threshold
