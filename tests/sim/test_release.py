"""Work put off by prices seen before: against a model with plain loops, by hand, and at the ends of its range."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from fluid_kit import case_from, flow

from gramwise.optimize.slots import solve_slots
from gramwise.sim.case import Case
from gramwise.sim.fluid import account

PUT_OFF = ("threshold", "k-search", "double-threshold", "pressure")


def one_node(prices: list[float], waiting: list[float], window: int, capacity_s: float = 1e6) -> Case:
    """One node of 1 J and 1 s a request, all of it can wait."""
    zero = [0.0] * len(prices)
    return case_from([[1.0]], [[1.0]], [prices], capacity_s, [zero], waiting=[waiting], window=[window])


def started_by_threshold(prices: list[float], waiting: list[float], window: int) -> list[float]:
    """Hours in which work starts at sqrt(low x high) of the hours before, in plain Python."""
    queue: list[tuple[int, float]] = []
    started = []
    for t, price in enumerate(prices):
        queue.append((t, waiting[t]))
        seen = prices[max(0, t - 168) : t]
        limit = math.sqrt(min(seen) * max(seen)) if seen else math.inf
        last = t == len(prices) - 1
        goes = [price <= limit * (1 + 1e-9) or t - came >= window or last for came, _ in queue]
        started.append(sum(amount for go, (_, amount) in zip(goes, queue, strict=True) if go))
        queue = [each for go, each in zip(goes, queue, strict=True) if not go]
    return started


def test_threshold_starts_when_plain_loops_say() -> None:
    moved = 0.0
    for seed in range(25):
        rng = np.random.default_rng(seed)
        hours, window = int(rng.integers(1, 30)), int(rng.integers(0, 7))
        prices, waiting = rng.uniform(1.0, 9.0, hours).tolist(), rng.uniform(0.0, 50.0, hours).tolist()
        case = one_node(prices, waiting, window)
        done = flow(case, "threshold")
        assert done.started[0] == pytest.approx(started_by_threshold(prices, waiting, window), abs=1e-9), seed
        moved += account(case, done).deferred
    assert moved > 1000.0


def test_threshold_forgets_what_is_older_than_a_week() -> None:
    # The dear hour 0 is out of memory from hour 169 on: then 4 is above sqrt(3 x 4) and has to wait.
    prices = [100.0, 3.0] + [4.0] * 178
    waiting = [0.0] * 180
    waiting[160] = waiting[175] = 10.0
    started = flow(one_node(prices, waiting, 3), "threshold").started[0]
    assert started[160] == 10.0
    assert started[175] == 10.0, "after hour 169 the week knows 4 alone: a flat price is the limit itself"
    started = flow(
        one_node([100.0, 4.0, 4.0] + [4.0] * 100 + [3.0] * 60 + [4.0] * 17, waiting, 3), "threshold"
    ).started[0]
    assert (started[175], started[178]) == (0.0, 10.0)


@pytest.mark.parametrize("name", PUT_OFF)
def test_what_still_waits_at_the_end_is_done_there(name: str) -> None:
    case = one_node([1.0, 9.0, 9.0, 9.0], [0.0, 5.0, 6.0, 7.0], 3)
    done = flow(case, name)
    assert done.served.sum() == pytest.approx(18.0)
    assert account(case, done).carbon_g >= solve_slots(case.problem()).carbon_g * (1 - 1e-9)
    longer = flow(dataclasses.replace(case, window=np.array([50])), name)
    assert longer.served.sum() == pytest.approx(18.0)


@pytest.mark.parametrize("name", [*PUT_OFF, "predictive"])
def test_work_starts_before_an_hour_left_out_if_its_window_ends_there(name: str) -> None:
    missing = np.array([False, False, False, True, True, False])
    case = one_node([1.0, 9.0, 9.0, np.nan, np.nan, 2.0], [0.0, 5.0, 6.0, 0.0, 0.0, 0.0], 2)
    case = dataclasses.replace(
        case, missing=missing, capacity_s=case.capacity_s * ~missing, known_g_per_j=np.full((1, 6, 4), 3.0)
    )
    done = flow(case, name)
    assert not done.started[0, 3:].any()
    assert done.started.sum() == pytest.approx(11.0)
    assert not done.unserved.any()


@pytest.mark.parametrize("name", PUT_OFF)
def test_one_hour_and_no_window(name: str) -> None:
    assert flow(one_node([5.0], [7.0], 4), name).served[0, 0].tolist() == [7.0]
    assert flow(one_node([1.0, 5.0], [7.0, 7.0], 0), name).served[0, 0] == pytest.approx([7.0, 7.0])


@pytest.mark.parametrize("name", PUT_OFF)
def test_free_electricity_is_no_reason_to_wait(name: str) -> None:
    done = flow(one_node([0.0, 0.0, 0.0], [7.0, 7.0, 7.0], 2), name)
    assert done.served[0, 0] == pytest.approx([7.0, 7.0, 7.0])


@pytest.mark.parametrize("name", [*PUT_OFF, "predictive"])
def test_waiting_for_a_falling_price_never_costs_more(name: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(6):
        prices, waiting = (
            np.sort(rng.uniform(1.0, 9.0, 12))[::-1].tolist(),
            rng.uniform(0.0, 20.0, 12).tolist(),
        )
        at_once = sum(p * n for p, n in zip(prices, waiting, strict=True))
        case = one_node(prices, waiting, 4)
        assert account(case, flow(case, name)).carbon_g <= at_once * (1 + 1e-9)
        assert account(case, flow(case, "grams")).carbon_g == pytest.approx(at_once)


def test_pressure_pays_more_the_longer_it_has_waited() -> None:
    # Seen: 1 to 9. Of a window of 4, work of age a pays up to 1 + 2a.
    prices = [9.0, 1.0, 7.5, 6.5, 6.0, 9.0, 9.0]
    done = flow(one_node(prices, [0.0, 0.0, 8.0, 0.0, 0.0, 0.0, 0.0], 4), "pressure")
    # Age 0: 7.5 > 1; age 1: 6.5 > 3; age 2: 6 > 5; age 3: 9 > 7; age 4 is the last hour.
    assert done.started[0].tolist() == [0.0] * 6 + [8.0]
    done = flow(
        one_node([9.0, 1.0, 7.5, 6.5, 4.9, 9.0, 9.0], [0.0, 0.0, 8.0, 0.0, 0.0, 0.0, 0.0], 4), "pressure"
    )
    assert done.started[0].tolist() == [0.0] * 4 + [8.0, 0.0, 0.0]


def test_parts_of_k_search_start_at_prices_of_their_own() -> None:
    done = flow(one_node([9.0, 1.0, 2.8, 9.0, 9.0, 9.0], [0.0, 0.0, 12.0, 0.0, 0.0, 0.0], 3), "k-search")
    assert 0.0 < done.started[0, 2] < 12.0
    assert done.started[0, 2] == pytest.approx(round(done.started[0, 2])), "twelve parts of one request each"
    assert done.started[0].sum() == pytest.approx(12.0)


def test_work_waits_for_its_node_and_does_not_spill_to_a_dirty_one_at_a_bad_moment() -> None:
    # The clean node has 10 s left beside the rest and 40 want to start; the other was at 10 and is at 50 now.
    case = case_from(
        [[1.0, 1.0]], [[1.0, 1.0]], [[1.0] * 5, [10.0] + [50.0] * 4], [[3600.0] * 5, [3600.0] * 5],
        [[3590.0] * 5], waiting=[[0.0, 40.0, 0.0, 0.0, 0.0]], window=[3],
    )  # fmt: skip
    for name in ("threshold", "pressure"):
        done = flow(case, name)
        assert done.served[0, 0, 1:] == pytest.approx([3600.0] * 4), name
        assert not done.served[0, 1].any(), name
        assert not done.unserved.any(), name
    assert flow(case, "grams").served[0, 1, 1] == pytest.approx(30.0)


def test_work_that_cannot_wait_comes_first() -> None:
    case = case_from(
        [[1.0]],
        [[1.0]],
        [[5.0, 1.0, 1.0]],
        [[10.0, 10.0, 10.0]],
        [[0.0, 8.0, 8.0]],
        waiting=[[0.0, 6.0, 0.0]],
        window=[1],
    )
    done = flow(case, "threshold")
    # Two fit in hour 1; hour 2 has room for two of the other four, and the last two are given up.
    assert done.started[0].tolist() == pytest.approx([0.0, 2.0, 4.0])
    assert done.unserved[0].tolist() == pytest.approx([0.0, 0.0, 2.0])
