"""Work that can wait starts at one of k falling reservation prices: k-min search over the last days' range.

Request ``seq`` takes threshold ``seq mod k`` (0 is the highest), so that k requests in a row are the k units of one
search. Some start at a middling price and some wait for a low one, which is why the worst case is better than with
one threshold for all: `gramwise.schedule.search.worst_ratio`.
"""

from __future__ import annotations

from collections.abc import Sequence

from gramwise.schedule.search import search_thresholds
from gramwise.schedule.waiting import Prices, Reservation

UNITS = 12
"""k unless given: with 12 the worst case is within a few per cent of the limit for any k (our choice)."""


class KSearch(Reservation):
    """Least grams, started at or below one of k reservation prices.

    Args:
        k: how many, at least 1; 1 is `threshold`.
    """

    name = "k-search"

    def __init__(self, k: int = UNITS) -> None:
        super().__init__()
        self.k = k

    def limits_g(self, seen: Prices) -> Sequence[float]:
        return search_thresholds(seen.low_g, seen.high_g, self.k)


PLUGIN = KSearch
