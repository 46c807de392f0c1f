"""Planning each hour anew: the optimum where all is known, windows kept where it is not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from fluid_kit import case_from, flow

from gramwise.optimize.slots import solve_slots
from gramwise.sim.case import Case
from gramwise.sim.fluid import account
from gramwise.sim.predictive import predictive


def exact(rng: np.random.Generator, hours: int, window: int, load: float = 0.4) -> Case:
    """Two classes on three nodes, the second can wait; all is known and comes as foreseen."""
    energy, busy = rng.uniform(1.0, 5.0, (2, 3)), rng.uniform(0.5, 1.5, (2, 3))
    rate = load * rng.uniform(2000.0, 4000.0, (2, hours))
    g = rng.uniform(1.0, 9.0, (3, hours))
    waiting = np.array([[0.0], [0.6]]) * rate
    return case_from(energy, busy, g, 3600.0, rate - waiting, waiting=waiting, window=[0, window])


def test_known_future_and_room_for_all_is_the_bound() -> None:
    for seed in range(6):
        case = exact(np.random.default_rng(seed), 14, int(1 + seed % 3), load=0.05)
        assert account(case, predictive(case)).carbon_g == pytest.approx(
            solve_slots(case.problem()).carbon_g, rel=1e-6
        )


def test_near_the_bound_under_load_and_better_than_at_once() -> None:
    for seed in range(6):
        case = exact(np.random.default_rng(seed), 14, 3)
        bound = solve_slots(case.problem()).carbon_g
        planned, at_once = (account(case, flow(case, name)).carbon_g for name in ("predictive", "fractions"))
        assert bound * (1 - 1e-9) <= planned <= bound * 1.03
        assert planned <= at_once


def test_work_runs_in_the_cheapest_hour_of_its_window() -> None:
    case = case_from(
        [[1.0]],
        [[1.0]],
        [[5.0, 4.0, 6.0, 1.0, 7.0]],
        1e5,
        [[0.0] * 5],
        waiting=[[10.0, 20.0, 0.0, 0.0, 30.0]],
        window=[2],
    )
    # Of hour 0 the cheapest of 0..2 is 1; of hour 1 that of 1..3 is 3.
    assert predictive(case).started[0] == pytest.approx([0.0, 10.0, 0.0, 20.0, 30.0])
    assert account(case, predictive(case)).deferred == pytest.approx(30.0)


def test_caution_where_the_future_is_foreseen_only() -> None:
    # A thousandth less in an hour's time is within the error of a forecast, a tenth is not.
    for later, waits in ((0.999, False), (0.9, True)):
        known = np.array([[[1.0, later], [1.0, 1.0]]])
        case = case_from(
            [[1.0]],
            [[1.0]],
            [[1.0, later]],
            1e5,
            [[0.0, 0.0]],
            waiting=[[10.0, 0.0]],
            window=[1],
            known=known,
        )
        assert (predictive(case).started[0, 1] > 0) == waits
        knows = case.known_perfectly()
        assert predictive(knows).started[0] == pytest.approx([0.0, 10.0])


def test_more_than_foreseen_is_done_all_the_same() -> None:
    rng = np.random.default_rng(5)
    case = exact(rng, 12, 4)
    lively = dataclasses.replace(case, waiting=case.waiting * 1.3, fixed=case.fixed * 1.2)
    done = predictive(lively)
    assert done.served.sum() + done.unserved.sum() == pytest.approx(lively.requests, rel=1e-9)
    assert not done.unserved.any()
    quiet = dataclasses.replace(case, waiting=case.waiting * 0.2)
    assert predictive(quiet).served.sum() == pytest.approx(quiet.requests, rel=1e-9)


def test_a_horizon_shorter_than_the_window_still_keeps_the_window() -> None:
    case = exact(np.random.default_rng(2), 12, 6)
    for horizon in (1, 2, 3, None):
        done = predictive(case, horizon)
        assert done.served.sum() == pytest.approx(case.requests, rel=1e-9)
        started, came = np.cumsum(done.started[1]), np.cumsum(case.waiting[1])
        assert (started[6:] >= came[:-6] - 1e-6).all()
        assert (started <= came + 1e-6).all()
    assert predictive(case, 1).started == pytest.approx(case.waiting), (
        "who sees one hour has nothing to wait for"
    )


def test_plans_make_room_for_what_cannot_wait() -> None:
    # Hour 1 is clean but full of work that cannot wait: what waits runs in hour 2, not on the dirty node in hour 1.
    case = case_from(
        [[1.0, 1.0]], [[1.0, 1.0]], [[5.0, 1.0, 2.0], [50.0, 50.0, 50.0]], 3600.0, [[0.0, 3600.0, 0.0]],
        waiting=[[100.0, 0.0, 0.0]], window=[2],
    )  # fmt: skip
    done = predictive(case)
    assert done.started[0] == pytest.approx([0.0, 0.0, 100.0])
    assert done.served[0, 1].sum() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("hours", [1, 2])
def test_very_short_cases(hours: int) -> None:
    case = exact(np.random.default_rng(0), hours, 5)
    assert predictive(case).served.sum() == pytest.approx(case.requests, rel=1e-9)


def test_no_requests_at_all() -> None:
    case = exact(np.random.default_rng(0), 4, 2)
    none = np.zeros_like(case.fixed)
    empty = dataclasses.replace(case, fixed=none, waiting=none, fixed_foreseen=none, waiting_foreseen=none)
    done = predictive(empty)
    assert not done.served.any()
    assert account(empty, done).carbon_g == 0.0
