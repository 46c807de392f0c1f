"""Reservation prices: when to run work that can wait, with a guarantee and without a forecast.

All that is known is that intensity stays between a lowest value L and a highest U. Sources: El-Yaniv, Fiat, Karp,
Turpin 2001 (one unit, ``sqrt(L U)``); Lorenz, Panagiotou, Steger 2009 (k-min search); Lechowicz et al. 2023, arXiv
2303.17551 (two thresholds where switching costs). The thresholds of the last are derived here from their balance
equations and agree with the paper as remembered; see docs/method/policies.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

_HALVINGS = 200
"""Bisection steps: more than a double has bits."""


def worst_ratio(theta: float, k: float) -> float:
    """Worst cost of k-min search over the best possible, ``a`` in ``(1 - 1/theta) / (1 - 1/a) = (1 + 1/(a k))^k``.

    It holds where no accepted price is below the threshold of the next unit; a lower one comes off both costs, and the
    quotient may then be a little higher (docs/method/policies.md).

    Args:
        theta: highest over lowest intensity, at least 1.
        k: units to be bought, at least 1; `math.inf` for the limit, where the right side is ``exp(1/a)``.

    Returns:
        The ratio, 1 where ``theta`` is 1; ``sqrt(theta)`` for one unit.

    Raises:
        ValueError: theta or k below 1.
    """
    if not (1.0 <= theta < math.inf and k >= 1.0):
        raise ValueError("theta (highest over lowest) and k are at least 1")

    def short(a: float) -> bool:
        growth = math.exp(1.0 / a) if math.isinf(k) else (1.0 + 1.0 / (a * k)) ** k
        return 1.0 - 1.0 / theta > (1.0 - 1.0 / a) * growth

    return _bisect(short, 1.0, theta)


def reservation(low: float, high: float) -> float:
    """The one threshold of a single unit, ``sqrt(low x high)``: it costs at most ``sqrt(high / low)`` of the best."""
    return math.sqrt(low * high)


def search_thresholds(low: float, high: float, k: int) -> list[float]:
    """The k reservation prices of k-min search, falling: unit i is bought at the first price at or below the i-th.

    Args:
        low, high: lowest and highest price, 0 < low <= high.
        k: units, at least 1.

    Returns:
        ``high x (1 - (1 - 1/a) (1 + 1/(a k))^(i-1))`` for i = 1 .. k, with ``a`` of `worst_ratio`; the one after the
        last would be ``low``.

    Raises:
        ValueError: prices out of order or not above 0, or k below 1.
    """
    _check_range(low, high)
    a = worst_ratio(high / low, k)
    return [high * (1.0 - (1.0 - 1.0 / a) * (1.0 + 1.0 / (a * k)) ** i) for i in range(k)]


class Hysteresis(NamedTuple):
    """Two thresholds of one unit: paused work resumes at or below ``start``, running work pauses above ``stop``."""

    start: float
    stop: float


def pause_ratio(low: float, high: float, switch: float, k: int) -> float:
    """Worst cost of the double threshold rule over the best possible, switching included.

    ``a`` in ``(U - L - 2b) / (U (1 - 1/a) - 2b (1 - 1/k + 1/(a k))) = (1 + 1/(a k))^k``; with ``b = 0`` that is
    `worst_ratio`.

    Args:
        low, high: lowest and highest price L and U of a unit, 0 < L <= U.
        switch: cost b of one change between running and paused, in the prices' unit, ``2 b < U - L``.
        k: units (pieces of the job), at least 1.

    Raises:
        ValueError: prices out of order, k below 1, or switching so dear that pausing never pays.
    """
    _check_range(low, high)
    if k < 1 or switch < 0.0:
        raise ValueError("a job has at least one piece and switching costs at least nothing")
    if high > low and 2.0 * switch >= high - low:
        raise ValueError("pausing never pays: stopping and starting costs more than prices differ")

    def short(a: float) -> bool:
        first = high * (1.0 - 1.0 / a) - 2.0 * switch * (1.0 - 1.0 / k + 1.0 / (a * k))
        return high - low - 2.0 * switch > first * (1.0 + 1.0 / (a * k)) ** k

    return _bisect(short, 1.0, high / low)


def pause_thresholds(low: float, high: float, switch: float, k: int) -> list[Hysteresis]:
    """Both thresholds of each of k pieces, falling; arguments and errors as `pause_ratio`.

    Returns:
        ``stop_i = U - (U (1 - 1/a) - 2b (1 - 1/k + 1/(a k))) (1 + 1/(a k))^(i-1)`` and ``start_i = stop_i - 2b``: a
        piece that begins a run pays for going on and off, so it must be that much cheaper.
    """
    a = pause_ratio(low, high, switch, k)
    first = high * (1.0 - 1.0 / a) - 2.0 * switch * (1.0 - 1.0 / k + 1.0 / (a * k))
    stops = [high - first * (1.0 + 1.0 / (a * k)) ** i for i in range(k)]
    return [Hysteresis(stop - 2.0 * switch, stop) for stop in stops]


def running(prices: Sequence[float], thresholds: Hysteresis) -> bool:
    """Whether work under these thresholds runs after the last price, having been paused before the first.

    Args:
        prices: in order of time; a missing one (NaN) changes nothing.
    """
    on = False
    for price in prices:
        if price == price:
            on = price <= (thresholds.stop if on else thresholds.start)
    return on


def _check_range(low: float, high: float) -> None:
    if not 0.0 < low <= high < math.inf:
        raise ValueError("the lowest price is above 0 and not above the highest")


def _bisect(short: Callable[[float], bool], low: float, high: float) -> float:
    """Where ``short`` turns from true to false, given that it does so once between ``low`` and ``high``."""
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if short(middle):
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)
