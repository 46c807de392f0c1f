"""Reservation prices against their published table, their equations, and the worst that prices can do."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gramwise.schedule.search import (
    Hysteresis,
    pause_ratio,
    pause_thresholds,
    reservation,
    running,
    search_thresholds,
    worst_ratio,
)

TABLE = {
    1.5: [1.22, 1.18, 1.17, 1.16],
    2.0: [1.41, 1.34, 1.31, 1.30],
    3.0: [1.73, 1.59, 1.55, 1.53],
    6.0: [2.45, 2.17, 2.09, 2.05],
}
"""Worst-case ratio of k-min search by highest over lowest price, for k = 1, 4, 12 and without end."""


@pytest.mark.parametrize("theta", TABLE)
def test_the_known_table_comes_out(theta: float) -> None:
    ratios = [worst_ratio(theta, k) for k in (1, 4, 12, math.inf)]
    assert ratios == pytest.approx(TABLE[theta], abs=0.006)


@given(st.floats(1.001, 100.0), st.integers(1, 500))
def test_the_ratio_solves_its_equation(theta: float, k: int) -> None:
    a = worst_ratio(theta, k)
    assert (1 - 1 / theta) / (1 - 1 / a) == pytest.approx((1 + 1 / (a * k)) ** k, rel=1e-6)
    assert worst_ratio(theta, math.inf) <= a * (1 + 1e-9) <= math.sqrt(theta) * (1 + 2e-9)


def test_one_unit_is_the_root_and_a_flat_grid_is_safe() -> None:
    assert worst_ratio(9.0, 1) == pytest.approx(3.0)
    assert reservation(100.0, 400.0) == 200.0
    assert search_thresholds(100.0, 400.0, 1) == pytest.approx([200.0])
    assert worst_ratio(1.0, 7) == pytest.approx(1.0)
    assert search_thresholds(250.0, 250.0, 3) == pytest.approx([250.0] * 3)


@given(st.floats(1.01, 50.0), st.integers(1, 40))
def test_thresholds_fall_and_the_one_after_the_last_is_the_lowest_price(theta: float, k: int) -> None:
    limits = search_thresholds(1.0, theta, k)
    assert limits == sorted(limits, reverse=True)
    a = worst_ratio(theta, k)
    assert limits[0] == pytest.approx(theta / a)
    after = theta * (1 - (1 - 1 / a) * (1 + 1 / (a * k)) ** k)
    assert after == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    ("low", "high", "k"), [(0.0, 1.0, 1), (2.0, 1.0, 1), (1.0, math.inf, 1), (1.0, 2.0, 0)]
)
def test_what_is_no_range_is_refused(low: float, high: float, k: int) -> None:
    with pytest.raises(ValueError, match=r"above 0|at least 1"):
        search_thresholds(low, high, k)


def k_search_cost(prices: list[float], limits: list[float], high: float) -> float:
    """Buy unit i at the first price at or below limit i, one a step; what is left at the end costs the highest."""
    bought, paid = 0, 0.0
    for price in prices:
        if bought < len(limits) and price <= limits[bought]:
            bought, paid = bought + 1, paid + price
    return paid + (len(limits) - bought) * high


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(1.0, 5.0), min_size=4, max_size=25), st.integers(1, 4))
def test_k_search_keeps_its_ratio_whatever_comes(prices: list[float], k: int) -> None:
    # A unit bought below the limit of the next one takes as much off both sides, and the quotient may rise.
    limits, bought = search_thresholds(1.0, 5.0, k), list[float]()
    for price in prices:
        if len(bought) < k and price <= limits[len(bought)]:
            bought.append(price)
    assume(len(bought) == k or not bought or min(bought) >= limits[len(bought)])
    best = sum(sorted([*prices, *[5.0] * k])[:k])
    assert k_search_cost(prices, search_thresholds(1.0, 5.0, k), 5.0) <= worst_ratio(5.0, k) * best * (
        1 + 1e-9
    )


def test_a_very_low_price_early_may_exceed_the_ratio() -> None:
    prices, k = [1.0, 2.0, 2.0, 1.875], 2
    cost = k_search_cost(prices, search_thresholds(1.0, 5.0, k), 5.0)
    assert worst_ratio(5.0, k) < cost / (1.0 + 1.875) < 1.001 * worst_ratio(5.0, k)


def test_the_worst_case_of_k_search_is_attained() -> None:
    # Prices just above each limit in turn: the bound is tight, so the test above is no idle one.
    limits, worst = search_thresholds(1.0, 5.0, 4), 0.0
    for stop in range(5):
        prices = limits[:stop] + ([limits[stop] + 1e-9] * 4 if stop < 4 else [1.0] * 4)
        best = sum(sorted(prices)[:4])
        worst = max(worst, k_search_cost(prices, limits, 5.0) / best)
    assert worst == pytest.approx(worst_ratio(5.0, 4), rel=1e-6)


def pause_cost(prices: list[float], both: list[Hysteresis], switch: float) -> float:
    """The double threshold rule on a job of k pieces that must be done when prices end."""
    done, on, paid, k = 0, False, 0.0, len(both)
    for t, price in enumerate(prices):
        must = len(prices) - t <= k - done
        run = done < k and (must or price <= (both[done].stop if on else both[done].start))
        paid += switch * (run != on) + price * run
        done, on = done + run, run
    return paid + switch * on


def best_pause_cost(prices: list[float], k: int, switch: float) -> float:
    """The cheapest way to do it with knowledge of all prices, by trying each way that differs."""

    @cache
    def rest(t: int, left: int, on: bool) -> float:
        if t == len(prices):
            return math.inf if left else switch * on
        off = switch * on + rest(t + 1, left, False)
        run = switch * (not on) + prices[t] + rest(t + 1, left - 1, True) if left else math.inf
        return min(off, run)

    return rest(0, k, False)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.floats(1.0, 5.0) | st.sampled_from([1.0, 5.0]), min_size=4, max_size=16),
    st.integers(1, 4),
    st.floats(0.0, 1.9),
)
def test_the_double_threshold_keeps_its_ratio(prices: list[float], k: int, switch: float) -> None:
    both, ratio = pause_thresholds(1.0, 5.0, switch, k), pause_ratio(1.0, 5.0, switch, k)
    best = best_pause_cost(prices, k, switch)
    assert best * (1 - 1e-9) <= pause_cost(prices, both, switch) <= ratio * best * (1 + 1e-9)


def test_the_double_threshold_is_k_search_where_switching_is_free() -> None:
    for k in (1, 3, 12):
        assert pause_ratio(1.0, 5.0, 0.0, k) == pytest.approx(worst_ratio(5.0, k))
        both = pause_thresholds(1.0, 5.0, 0.0, k)
        assert [h.start for h in both] == pytest.approx(search_thresholds(1.0, 5.0, k))
        assert all(h.start == h.stop for h in both)


@given(st.floats(1.2, 20.0), st.floats(0.0, 0.49), st.integers(1, 30))
def test_both_thresholds_solve_their_balance(high: float, frac: float, k: int) -> None:
    switch = frac * (high - 1.0)
    a, both = pause_ratio(1.0, high, switch, k), pause_thresholds(1.0, high, switch, k)
    paid = 0.0
    for i, each in enumerate(both):
        # So far i pieces at their worst and the rest at the highest price, against all at just above this start.
        worst = paid + (k - i) * high + 2 * switch
        assert worst == pytest.approx(a * (k * each.start + 2 * switch), rel=1e-6)
        assert each.stop - each.start == pytest.approx(2 * switch)
        paid += each.stop
    assert paid + 2 * switch == pytest.approx(a * (k + 2 * switch), rel=1e-6)


def test_switching_that_never_pays_is_refused() -> None:
    with pytest.raises(ValueError, match="pausing never pays"):
        pause_thresholds(1.0, 2.0, 0.5, 3)
    with pytest.raises(ValueError, match="at least one piece"):
        pause_ratio(1.0, 2.0, -0.1, 3)


def test_the_state_remembers_between_the_thresholds() -> None:
    both = Hysteresis(start=2.0, stop=4.0)
    assert not running([], both)
    assert not running([3.0], both)
    assert running([2.0, 3.0, 4.0], both)
    assert not running([2.0, 4.5, 3.0], both)
    assert running([1.0, math.nan], both)
    rng = np.random.default_rng(0)
    path = rng.uniform(1.0, 5.0, 200).tolist()
    assert running([*path, 1.9], both)
    assert not running([*path, 4.1], both)
