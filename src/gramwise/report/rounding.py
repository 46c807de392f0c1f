"""Rounding a column so that what is printed still sums to what is printed below it."""

from __future__ import annotations

import math
from collections.abc import Sequence


def largest_remainder(values: Sequence[float], step: float) -> tuple[list[float], float]:
    """Round values to whole steps, and their sum likewise, so that the rounded ones sum to the rounded sum.

    Every value is rounded down, and the steps that the sum lacks go to the largest remainders (Hamilton's method;
    Balinski and Young, "Fair Representation", 1982, chapter 3). No value moves by a whole step or more.

    Args:
        values: finite, of any sign.
        step: of the last place that is shown, above 0.

    Returns:
        The rounded values in their order, and the rounded sum; both are multiples of ``step``.
    """
    scaled = [value / step for value in values]
    floors = [math.floor(value) for value in scaled]
    whole = round(math.fsum(scaled))
    order = sorted(range(len(scaled)), key=lambda i: (floors[i] - scaled[i], i))
    lifted = set(order[: whole - sum(floors)])
    return [(floor + (i in lifted)) * step for i, floor in enumerate(floors)], whole * step
