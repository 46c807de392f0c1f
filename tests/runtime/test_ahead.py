"""The planner: what it asks the solver and makes of the answer, and how near brute force policies come by it."""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from runtime_kit import MODEL, node, plans, request, world

from gramwise.core.ahead import ClassKey, Guidance
from gramwise.core.clock import ManualClock
from gramwise.core.decision import Request, plan_of
from gramwise.core.units import J_PER_KWH
from gramwise.runtime.ahead import Planner, Stream, released
from gramwise.runtime.world import World
from gramwise.schedule import load_policy

pytest.importorskip("scipy", reason="the planner's solver needs SciPy")

HOUR_S = 3600.0
KEY: ClassKey = (MODEL, None, None)
FREE: ClassKey = (MODEL, 0.0, None)
Array = npt.NDArray[np.float64]


def exact(*args: Any, **kwargs: Any) -> Planner:
    """A planner that takes what is foreseen at its word."""
    return Planner(*args, **{"lean_frac": 1.0, "caution_frac_per_hour": 0.0, **kwargs})


def foresee(by_zone: dict[str, Sequence[float]], start_s: float = 0.0) -> Callable[[str, Array], Array]:
    """Perfect knowledge of hourly values; NaN outside."""

    def at(zone: str, starts_s: Array) -> Array:
        hours = ((starts_s - start_s) // HOUR_S).astype(int)
        known = by_zone[zone]
        return np.array([known[h] if 0 <= h < len(known) else math.nan for h in hours.tolist()])

    return at


def steady(*per_slot: float) -> Callable[[int, Array], Array]:
    return lambda stream, starts_s: np.full(len(starts_s), per_slot[stream])


def fleet(
    *, latency_s: float = 360.0, count: int = 2, accuracy: Sequence[float] = (0.9,), **kit: Any
) -> World:
    return world([node("abc"[i], **kit) for i in range(count)], plans(count, latency_s, accuracy))


def solved(planner: Planner, w: World, now_s: float = 0.0) -> Guidance:
    guidance = planner.renew(w, now_s)
    assert guidance is not None
    assert w.snapshot(now_s).guidance is guidance
    return guidance


def test_work_that_cannot_wait_fills_the_clean_node_and_the_rest_goes_on() -> None:
    # An inference takes 360 s: a node has room for ten an hour.
    w = fleet()
    flat = foresee({"A": [100.0] * 24, "B": [300.0] * 24})
    planner = exact([Stream(key=KEY)], flat, steady(16.0))
    guidance = solved(planner, w)
    assert (guidance.start_s, guidance.end_s) == (0.0, HOUR_S)
    assert guidance.fractions[KEY].tolist() == pytest.approx([10 / 16, 6 / 16])
    # One more second at A saves 1 / 360 of 0.1 J x 200 g/kWh.
    assert guidance.price_g_per_s == pytest.approx([0.1 * 200.0 / J_PER_KWH / 360.0, 0.0])
    assert guidance.bound_g == pytest.approx(0.1 * (10 * 100.0 + 6 * 300.0) / J_PER_KWH)
    assert guidance.fresh_frac == {}


def test_slots_cores_and_the_share_that_may_be_filled_are_capacity() -> None:
    flat = foresee({"A": [100.0], "B": [300.0]})
    filled = exact([Stream(key=KEY)], flat, steady(16.0), max_busy_frac=0.5)
    assert solved(filled, fleet(slots=3)).fractions[KEY].tolist() == pytest.approx([15 / 16, 1 / 16])


def test_half_a_slot_has_half_the_demand_and_half_the_room() -> None:
    planner = exact([Stream(key=KEY)], foresee({"A": [100.0], "B": [300.0]}), steady(16.0))
    guidance = solved(planner, fleet(), now_s=1800.0)
    assert (guidance.start_s, guidance.end_s) == (0.0, HOUR_S)
    assert guidance.fractions[KEY].tolist() == pytest.approx([10 / 16, 6 / 16])


def test_more_than_fits_is_shed_by_the_plan_and_has_no_bound() -> None:
    planner = exact([Stream(key=KEY)], foresee({"A": [100.0], "B": [300.0]}), steady(50.0))
    guidance = solved(planner, fleet())
    assert guidance.fractions[KEY].tolist() == pytest.approx([0.5, 0.5])
    assert guidance.bound_g is None


def test_a_zone_of_unknown_intensity_and_a_lost_node_get_no_share() -> None:
    w = fleet(count=3)
    planner = exact([Stream(key=KEY)], foresee({"A": [math.nan], "B": [300.0], "C": [200.0]}), steady(5.0))
    assert solved(planner, w).fractions[KEY].tolist() == [0.0, 0.0, 1.0]
    w.lost("c")
    assert solved(planner, w).fractions[KEY].tolist() == [0.0, 1.0, 0.0]


def test_rows_too_slow_for_the_deadline_are_not_planned() -> None:
    table = plans(2)
    table.latency_s.setflags(write=True)
    table.latency_s[:] = [2.0, 0.5]
    w = world([node("a"), node("b")], table)
    flat = foresee({"A": [100.0], "B": [900.0]})
    for deadline_s, count, wanted in ((None, 1, [1.0, 0.0]), (1.2, 1, [0.0, 1.0]), (1.2, 2, [0.0, 1.0])):
        planner = exact([Stream(key=KEY, deadline_s=deadline_s, count=count)], flat, steady(5.0))
        assert solved(planner, w).fractions[KEY].tolist() == wanted
    hopeless = exact([Stream(key=KEY, deadline_s=0.1)], flat, steady(5.0))
    assert hopeless.renew(w, 0.0) is None


def test_variants_under_the_floor_are_part_of_the_plan() -> None:
    w = fleet(count=1, accuracy=(0.95, 0.9))
    flat = foresee({"A": [100.0]})
    streams = [Stream(key=KEY), Stream(key=FREE), Stream(key=(MODEL, 0.92, None))]
    fractions = solved(exact(streams, flat, steady(1.0, 1.0, 1.0)), w).fractions
    assert [fractions[s.key].tolist() for s in streams] == [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]


def test_what_waits_is_released_as_far_as_it_fits_and_the_oldest_first() -> None:
    w = fleet(count=1)
    waiting = [request(i, arrival_s=-3000.0 + i, deferrable_until_s=5 * HOUR_S) for i in range(14)]
    low_now = foresee({"A": [100.0] + [200.0] * 23})
    planner = exact([Stream(key=KEY, window_s=6 * HOUR_S)], low_now, steady(4.0), lambda: waiting)
    guidance = solved(planner, w)
    assert guidance.release_before_s[KEY] == -3000.0 + 10  # ten fit
    assert guidance.fresh_frac[KEY] == 0.0
    waiting = waiting[:7]
    guidance = solved(planner, w)
    assert guidance.release_before_s[KEY] == math.inf
    assert guidance.fresh_frac[KEY] == pytest.approx(3 / 4)
    high_now = foresee({"A": [300.0] + [200.0] * 23})
    held = exact([Stream(key=KEY, window_s=6 * HOUR_S)], high_now, steady(1.0), lambda: waiting)
    guidance = solved(held, w)
    assert (guidance.release_before_s[KEY], guidance.fresh_frac[KEY]) == (-3000.0, 0.0)
    assert KEY not in guidance.fractions  # nothing runs, nothing is drawn


def test_what_is_due_now_is_served_now_however_dirty() -> None:
    w = fleet(count=1)
    limits_s = [1000.0, 2000.0, 3 * HOUR_S]
    waiting = [request(i, arrival_s=-10.0 + i, deferrable_until_s=s) for i, s in enumerate(limits_s)]
    planner = exact([], foresee({"A": [900.0, 100.0, 100.0]}), steady(), lambda: waiting, horizon_slots=3)
    guidance = solved(planner, w)
    assert guidance.release_before_s[KEY] == -8.0  # the first two, and not the third
    assert guidance.bound_g == pytest.approx(0.1 * (2 * 900.0 + 100.0) / J_PER_KWH)


def test_work_that_can_wait_and_work_that_cannot_share_one_key() -> None:
    w = fleet(count=1)
    rising = foresee({"A": [100.0, 50.0]})
    streams = [Stream(key=KEY), Stream(key=KEY, window_s=2 * HOUR_S), Stream(key=FREE)]
    guidance = solved(exact(streams, rising, steady(2.0, 2.0, 1.0), horizon_slots=2), w)
    assert guidance.fresh_frac == {KEY: 0.0}
    assert guidance.fractions[KEY].tolist() == [1.0]
    assert set(guidance.fractions) == {KEY, FREE}


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (0.0, (0.0, 1.0)),
        (0.6, (0.0, 2.0)),
        (2.0, (0.0, 3.0)),
        (5.0, (0.25, math.inf)),
        (99.0, (1.0, math.inf)),
    ],
)
def test_an_amount_becomes_a_moment_and_a_share(amount: float, expected: tuple[float, float]) -> None:
    queue = [request(i, arrival_s=float(i), count=1 if i < 3 else 2) for i in (1, 2, 3)]
    assert released(queue, 4.0, amount) == expected
    assert released([], 0.0, amount) == (1.0, math.inf)


# --- against brute force --------------------------------------------------------------------------------------------

A_G, B_G = (300.0, 100.0, 200.0), (500.0, 400.0, 250.0)
ROOM = 3


def brute_force_g(slots: Sequence[int], last: int) -> float:
    """Least grams (per 0.1 J and g/kWh) of requests that came in ``slots``: every placement that fits is tried."""
    best = math.inf
    places = [(t, n) for t in range(last + 1) for n in (0, 1)]
    for tried in itertools.product(places, repeat=len(slots)):
        if all(t >= came for (t, _), came in zip(tried, slots, strict=True)) and all(
            tried.count(place) <= ROOM for place in set(tried)
        ):
            best = min(best, sum((A_G, B_G)[n][t] for t, n in tried))
    return best


def test_predictive_finds_what_brute_force_finds() -> None:
    came = [0, 0, 0, 0, 1, 1]
    w = fleet(latency_s=1200.0)  # three an hour
    requests = [
        request(i, draw=(i + 0.5) / 6, arrival_s=t * HOUR_S + i, deferrable_until_s=3 * HOUR_S - 1)
        for i, t in enumerate(came)
    ]
    left: list[Request] = []
    demand = {0: 4.0, 1: 2.0, 2: 0.0}
    planner = exact(
        [Stream(key=KEY, window_s=2 * HOUR_S)],
        foresee({"A": A_G, "B": B_G}),
        lambda stream, starts_s: np.array([demand.get(int(s // HOUR_S), 0.0) for s in starts_s.tolist()]),
        lambda: left,
        horizon_slots=3,
    )
    policy, carbon_g, ran = load_policy("predictive"), 0.0, []
    for t in range(3):
        solved(planner, w, t * HOUR_S)
        end_s = (t + 1) * HOUR_S
        for each in left + [r for r in requests if t * HOUR_S <= r.arrival_s < end_s]:
            at_s = max(each.arrival_s, t * HOUR_S)
            decision = policy.decide(each, w.snapshot(at_s))
            if decision.start_s is not None and decision.start_s < end_s:
                decision = policy.decide(each, w.snapshot(decision.start_s))
            if decision.start_s is None:
                ran.append((each.id, t))
                carbon_g += (A_G, B_G)[decision.row][t]
        left = [r for r in requests if r.arrival_s < end_s and r.id not in dict(ran)]
    assert len(ran) == 6
    assert [t for _, t in sorted(ran)] == [1, 1, 1, 2, 2, 2]  # first come, first served
    assert carbon_g == brute_force_g(came, 2) == 900.0


# --- budget ---------------------------------------------------------------------------------------------------------


def test_the_budget_buys_as_much_accuracy_as_it_can() -> None:
    # 24 inferences a day cost 0.1 J each, or 0.05 J with the less accurate variant.
    w = fleet(count=1, accuracy=(0.95, 0.9))
    day_g = 24 * 0.1 * 100.0 / J_PER_KWH

    def share(budget_g: float, spent_g: float = 0.0, now_s: float = 0.0) -> float:
        planner = exact(
            [Stream(key=FREE)],
            foresee({"A": [100.0] * 48}),
            steady(1.0),
            budget_g_per_day=budget_g,
            spent_g=lambda at_s: spent_g,
        )
        return float(solved(planner, w, now_s).fractions[FREE][0])

    assert share(2 * day_g) == 1.0
    assert share(day_g * 0.75) == pytest.approx(0.5, rel=1e-4)  # ties go to the sooner by a millionth an hour
    assert share(day_g * 0.4) == 0.0  # it cannot be kept, and nothing dearer than need be is done
    # Half a day later with three quarters of 24 accurate ones paid, as much as six accurate ones are left for twelve,
    # and the 24 hours that are planned reach half into a day with its own budget.
    assert share(day_g, 0.75 * day_g, 12 * HOUR_S) == pytest.approx(0.5, rel=1e-4)
    with pytest.raises(ValueError, match="spent_g"):
        exact([], foresee({}), steady(), budget_g_per_day=1.0)


def test_the_budget_policy_draws_the_variants_that_the_plan_allows() -> None:
    w = fleet(count=1, latency_s=0.01, accuracy=(0.95, 0.9))
    budget_g = 24 * 0.075 * 100.0 / J_PER_KWH
    planner = exact(
        [Stream(key=FREE)],
        foresee({"A": [100.0] * 24}),
        steady(1.0),
        budget_g_per_day=budget_g,
        spent_g=lambda at_s: 0.0,
    )
    solved(planner, w)
    policy, snapshot = load_policy("budget"), w.snapshot(0.0)
    asked = [request(i, draw=(i + 0.5) / 1000, accuracy_floor_frac=0.0) for i in range(1000)]
    joules = [plan_of(r, snapshot, policy.decide(r, snapshot).row).cost.energy_j for r in asked]
    assert sum(joules) / 1000 == pytest.approx(0.075, rel=1e-3)


# --- carrying on ----------------------------------------------------------------------------------------------------


class Stop(Exception):
    """Ends a loop that would go on for ever."""


async def ran_for(planner: Planner, w: World, start_s: float, until_s: float) -> list[Guidance | None]:
    clock, seen = ManualClock(start_s), []

    async def sleep(seconds: float) -> None:
        seen.append(w.snapshot(clock.now_s()).guidance)
        clock.advance(seconds)
        if clock.now_s() > until_s:
            raise Stop
        await asyncio.sleep(0)

    with pytest.raises(Stop):
        await planner.run(w, clock, sleep)
    return seen


def test_each_slot_is_solved_anew_at_its_edge() -> None:
    start_s = 1_750_000_000.5
    first = start_s // HOUR_S * HOUR_S
    turning = foresee({"A": [100.0, 900.0, 100.0, 900.0], "B": [500.0] * 4}, first)
    w = fleet()
    planner = exact([Stream(key=KEY)], turning, steady(5.0))
    seen = asyncio.run(ran_for(planner, w, start_s, first + 3 * HOUR_S + 1))
    assert [(g.start_s - first) / HOUR_S for g in seen if g] == [0.0, 1.0, 2.0, 3.0]
    assert [g.fractions[KEY].tolist() for g in seen if g] == [[1.0, 0.0], [0.0, 1.0]] * 2


def test_a_failure_is_logged_and_policies_go_on_by_grams(caplog: pytest.LogCaptureFixture) -> None:
    w = fleet()
    nobody = exact([Stream(key=("unheard-of", None, None))], foresee({"A": [1.0], "B": [1.0]}), steady(5.0))
    with caplog.at_level(logging.WARNING):
        assert nobody.renew(w, 0.0) is None
    assert "policies go by grams" in caplog.text
    assert "no permitted plan" in caplog.text
    for name in ("fractions", "predictive", "shadow-price"):
        decision = load_policy(name).decide(request(deferrable_until_s=1e9), w.snapshot(0.0))
        assert (decision.node, decision.start_s) == ("a", None)


def test_guidance_alone_makes_a_new_version_and_new_plans_drop_it() -> None:
    w = fleet()
    before = w.snapshot(0.0)
    assert before.guidance is None
    guidance = Guidance(start_s=0.0, end_s=1.0, price_g_per_s=np.zeros(2), fractions={})
    w.renew(guidance=guidance)
    after = w.snapshot(0.0)
    assert after.guidance is guidance
    assert after.version > before.version
    w.lost("b")
    assert w.snapshot(0.0).guidance is guidance
    w.renew(plans(2))
    assert w.snapshot(0.0).guidance is None


@pytest.mark.parametrize(
    "wrong", [{"slot_s": 0.0}, {"horizon_slots": 0}, {"max_busy_frac": 0.0}, {"max_busy_frac": 1.1}]
)
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a slot is longer"):
        exact([], foresee({}), steady(), **wrong)


def test_by_default_it_plans_for_less_than_is_foreseen_and_spills_the_rest() -> None:
    flat = foresee({"A": [100.0] * 24, "B": [300.0] * 24})
    guidance = solved(Planner([Stream(key=KEY)], flat, steady(16.0)), fleet())
    assert guidance.fractions[KEY] == pytest.approx([10.0 / 15.2, 5.2 / 15.2])  # 95 % of 16
    assert guidance.bound_g is None  # the least grams of other work are no bound
    assert solved(exact([Stream(key=KEY)], flat, steady(16.0)), fleet()).bound_g is not None


@pytest.mark.parametrize(("later", "waits"), [(100.0, False), (99.9, False), (99.0, True)])
def test_work_waits_for_more_than_the_error_of_a_forecast(later: float, waits: bool) -> None:
    falling = foresee({"A": [100.0, later], "B": [300.0, 300.0]})
    planner = Planner([Stream(key=KEY, window_s=HOUR_S)], falling, steady(2.0), horizon_slots=2)
    assert (solved(planner, fleet()).fresh_frac[KEY] < 1.0) == waits


def test_of_two_hours_that_cost_the_same_it_takes_the_sooner() -> None:
    flat = foresee({"A": [100.0] * 6, "B": [300.0] * 6})
    planner = exact([Stream(key=KEY, window_s=3 * HOUR_S)], flat, steady(2.0), horizon_slots=6)
    assert solved(planner, fleet()).fresh_frac[KEY] == 1.0
