"""Work that is put off: never beyond its limit, never as a herd, and for a reason that the prices give."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ahead_kit import SLOT_S, WAITING, remember, series
from hypothesis import given, settings
from hypothesis import strategies as st

from gramwise.core.ahead import Guidance, class_of
from gramwise.core.decision import Request, Snapshot
from gramwise.schedule import load_policy
from gramwise.schedule.policies.double_threshold import DoubleThreshold
from gramwise.schedule.policies.k_search import KSearch
from gramwise.schedule.policies.lyapunov import Lyapunov
from gramwise.schedule.policies.predictive import GRACE_FRAC
from gramwise.schedule.search import pause_thresholds, search_thresholds
from gramwise.schedule.waiting import prices
from gramwise.testing import example_request, example_snapshot

Fleet = Callable[..., Snapshot]
Ask = Callable[..., Request]
BASE = example_snapshot(5, 3)
NOW_S = BASE.at_s
SECONDS = st.floats(-4e4, 4e4)


@st.composite
def guidances(draw: Any) -> Guidance:
    start_s = NOW_S + draw(st.floats(-9000.0, 2000.0))
    key = class_of(example_request())
    rows = [draw(st.floats(0.01, 1.0)) for _ in range(5)]
    return Guidance(
        start_s=start_s,
        end_s=start_s + draw(st.sampled_from([300.0, 3600.0])),
        price_g_per_s=np.zeros(5),
        fractions={key: np.array(rows) / sum(rows)},
        fresh_frac=draw(st.just({}) | st.fixed_dictionaries({key: st.floats(0.0, 1.0)})),
        release_before_s=draw(
            st.just({}) | st.fixed_dictionaries({key: st.floats(NOW_S - 5e4, NOW_S + 5e4)})
        ),
    )


@settings(max_examples=250, deadline=None)
@given(
    st.sampled_from(WAITING),
    st.none() | guidances(),
    st.booleans(),
    st.floats(0.0, 2e4),
    SECONDS,
    st.none() | st.floats(1e-3, 1.0),
    st.floats(0.0, 1.0, exclude_max=True),
    st.floats(0.0, 50.0),
)
def test_nothing_starts_after_its_limit(
    name: str,
    guidance: Guidance | None,
    remembers: bool,
    waited_s: float,
    window_s: float,
    deadline_s: float | None,
    draw: float,
    backlog_s: float,
) -> None:
    recent = remember(BASE, 1) if remembers else {}
    limit_s = NOW_S + window_s
    request = dataclasses.replace(
        example_request(),
        arrival_s=NOW_S - waited_s,
        draw=draw,
        deadline_s=deadline_s,
        deferrable_until_s=limit_s,
    )
    policy, at_s = load_policy(name), NOW_S
    for _ in range(2000):
        # Time goes on, the plan does not come anew and queues do not get shorter: the worst a waiting request can meet.
        s = dataclasses.replace(
            BASE, at_s=at_s, guidance=guidance, recent=recent, backlog_s=np.full(5, backlog_s)
        )
        start_s = policy.decide(request, s).start_s
        if start_s is None:
            break
        assert at_s < start_s <= limit_s
        at_s = start_s
    else:
        pytest.fail("put off for ever")
    assert at_s <= max(NOW_S, limit_s)


def test_what_nobody_can_do_in_time_now_waits_for_the_queue(fleet: Fleet, ask: Ask) -> None:
    s = fleet({"backlog_s": 5.0, "intensity": 100.0}, {"backlog_s": 2.0, "intensity": 900.0})
    for name in WAITING:
        policy = load_policy(name)
        decision = policy.decide(ask(deadline_s=1.0, deferrable_until_s=50.0), s)
        # Until the shorter queue, taken for twice as long, would be in time.
        assert decision.start_s == pytest.approx(2 * 2.0 + 0.01 - 1.0)
        assert decision.row == 0  # what it is worth then is decided then
        assert policy.decide(ask(deadline_s=1.0, deferrable_until_s=0.5), s).start_s == 0.5
        assert policy.decide(ask(deadline_s=1.0), s).row == -1  # who cannot wait is not put off
        hopeless = policy.decide(ask(deadline_s=0.001, deferrable_until_s=50.0), s)
        assert (hopeless.row, hopeless.start_s) == (-1, None)


def test_work_that_can_wait_leaves_half_of_the_queue_to_work_that_cannot(fleet: Fleet, ask: Ask) -> None:
    s = fleet({"backlog_s": 0.6, "intensity": 100.0})
    for name in WAITING:
        policy = load_policy(name)
        assert policy.decide(ask(deadline_s=1.0), s).row == 0
        patient = policy.decide(ask(deadline_s=1.0, deferrable_until_s=50.0), s)
        assert patient.start_s is not None
        assert (
            policy.decide(ask(deadline_s=1.0, deferrable_until_s=0.0), s).start_s is None
        )  # its time has come
        short = dataclasses.replace(s, backlog_s=np.array([0.4]))
        assert policy.decide(ask(deadline_s=1.0, deferrable_until_s=50.0), short).start_s is None


# --- predictive -----------------------------------------------------------------------------------------------------


def slot(s: Snapshot, at_s: float = 0.0, **changes: Any) -> Snapshot:
    """The slot [0, 3600) with an even plan for the class of `ask`, seen at a moment."""
    usual: dict[str, Any] = {
        "start_s": 0.0,
        "end_s": SLOT_S,
        "price_g_per_s": np.zeros(len(s.nodes)),
        "fractions": {("m", None, None): np.full(len(s.plans), 1.0 / len(s.plans))},
    }
    return dataclasses.replace(s, at_s=at_s, guidance=Guidance(**usual | changes))


KEY = ("m", None, None)
DRAWS = [(i + 0.5) / 2000 for i in range(2000)]


def test_of_what_arrives_the_planned_share_starts_at_once_and_on_every_row_alike(
    fleet: Fleet, ask: Ask
) -> None:
    s = slot(fleet({}, {}, {}, {}), 600.0, fresh_frac={KEY: 0.3})
    policy = load_policy("predictive")
    made = [policy.decide(ask(draw=u, arrival_s=600.0, deferrable_until_s=1e5), s) for u in DRAWS]
    now = [d for d in made if d.start_s is None]
    assert len(now) / len(made) == pytest.approx(0.3, abs=0.03)
    assert {d.start_s for d in made} == {None, SLOT_S}
    # Were the two chances one, those who start at once would sit on one or two rows.
    rows = np.bincount([d.row for d in now], minlength=4) / len(now)
    assert rows == pytest.approx([0.25] * 4, abs=0.05)


def test_released_work_is_spread_over_the_slot_and_then_runs(fleet: Fleet, ask: Ask) -> None:
    s = slot(fleet({}, {}), release_before_s={KEY: -1000.0})
    policy = load_policy("predictive")
    starts = []
    for u in DRAWS:
        request = ask(draw=u, arrival_s=-2000.0, deferrable_until_s=1e5)
        start_s = policy.decide(request, s).start_s
        assert start_s is not None
        assert policy.decide(request, dataclasses.replace(s, at_s=start_s)).start_s is None
        starts.append(start_s)
    counts, _ = np.histogram(starts, bins=10, range=(0.0, SLOT_S))
    assert counts.sum() == len(DRAWS)
    assert counts.max() < 1.25 * len(DRAWS) / 10


def test_others_wait_for_the_next_slot_or_their_limit(fleet: Fleet, ask: Ask) -> None:
    s = slot(fleet({}, {}), release_before_s={KEY: -1000.0})
    policy = load_policy("predictive")
    assert policy.decide(ask(arrival_s=-500.0, deferrable_until_s=1e5), s).start_s == SLOT_S
    assert policy.decide(ask(arrival_s=-500.0, deferrable_until_s=900.0), s).start_s == 900.0
    assert policy.decide(ask(arrival_s=-500.0, deferrable_until_s=0.0), s).start_s is None
    # A class of which the plan says nothing: what arrives starts, what waited is released.
    other = ask(arrival_s=0.0, deferrable_until_s=1e5, accuracy_floor_frac=0.5)
    assert policy.decide(other, s).start_s is None
    assert policy.decide(dataclasses.replace(other, arrival_s=-1.0), s).start_s < SLOT_S


def test_another_slot_is_another_chance(fleet: Fleet, ask: Ask) -> None:
    bare, policy, asked = fleet({}, {}), load_policy("predictive"), []
    for k in range(40):
        start_s = k * SLOT_S
        s = slot(bare, start_s, start_s=start_s, end_s=start_s + SLOT_S, fresh_frac={KEY: 0.5})
        request = ask(draw=0.7, arrival_s=start_s, deferrable_until_s=1e9)
        asked.append(policy.decide(request, s).start_s is None)
    assert 8 < sum(asked) < 32


def test_a_plan_that_is_a_little_late_is_waited_for_and_not_as_a_herd(fleet: Fleet, ask: Ask) -> None:
    policy, s = load_policy("predictive"), slot(fleet({}, {}), SLOT_S)
    starts = []
    for u in DRAWS[:200]:
        request = ask(draw=u, arrival_s=0.0, deferrable_until_s=1e5)
        start_s = policy.decide(request, s).start_s
        assert start_s is not None
        assert SLOT_S < start_s <= SLOT_S * (1.0 + GRACE_FRAC)
        assert policy.decide(request, dataclasses.replace(s, at_s=start_s)).start_s is None
        starts.append(start_s)
    assert len(set(starts)) == len(starts)
    # What has just arrived does not wait for a plan that may never come.
    assert policy.decide(ask(arrival_s=SLOT_S, deferrable_until_s=1e5), s).start_s is None


def test_a_released_request_whose_row_is_full_spills(fleet: Fleet, ask: Ask) -> None:
    s = slot(fleet({"backlog_s": 9.0}, {"intensity": 900.0}), fractions={KEY: np.array([1.0, 0.0])})
    decision = load_policy("predictive").decide(ask(deadline_s=1.0, deferrable_until_s=1e5), s)
    assert (decision.row, decision.start_s) == (1, None)


# --- prices of the last days ----------------------------------------------------------------------------------------


def test_prices_are_those_of_the_row_itself(fleet: Fleet) -> None:
    s = fleet(
        {"zone": "X", "intensity": 300.0, "energy_j": 3.6e6},
        {"zone": "Y", "intensity": 500.0, "energy_j": 3.6e6, "pue": 2.0},
        {"zone": "Z", "intensity": 900.0, "energy_j": 3.6e6},
    )
    recent = {"X": series([400.0, 200.0, 600.0], 0.0), "Y": series([150.0, 250.0, float("nan")], 0.0)}
    remembering = dataclasses.replace(s, recent=recent)
    seen = prices(remembering, 0)
    assert seen.path_g == [400.0, 200.0, 600.0, 300.0]
    assert (seen.low_g, seen.high_g, seen.step_s) == (200.0, 600.0, SLOT_S)
    assert prices(remembering, 1).path_g == [
        300.0,
        500.0,
        1000.0,
    ]  # twice the intensity: PUE; the gap is left out
    assert prices(remembering, 2).path_g == [900.0]  # nothing is remembered of Z


def remembered(fleet: Fleet, now: float, *past: float) -> Snapshot:
    """One node, 1 kWh an inference, so that grams are the intensity."""
    s = fleet({"intensity": now, "energy_j": 3.6e6})
    return dataclasses.replace(s, recent={"Z": series(list(past), 0.0)})


def waits(policy: Any, s: Snapshot, request: Request) -> bool:
    return policy.decide(request, s).start_s is not None


@pytest.mark.parametrize("name", ["threshold", "k-search", "double-threshold", "lyapunov"])
def test_on_a_flat_grid_or_without_memory_nothing_waits(name: str, fleet: Fleet, ask: Ask) -> None:
    policy, request = load_policy(name), ask(deferrable_until_s=1e5)
    assert not waits(policy, remembered(fleet, 311.7, 311.7, 311.7, 311.7), request)
    assert not waits(policy, fleet({"intensity": 311.7}), request)
    assert not waits(policy, remembered(fleet, 0.0, 0.0, 0.0), request)


def test_the_reservation_price_is_the_root_of_lowest_times_highest(fleet: Fleet, ask: Ask) -> None:
    policy, request = load_policy("threshold"), ask(deferrable_until_s=1e5)
    assert not waits(policy, remembered(fleet, 200.0, 100.0, 400.0), request)
    assert waits(policy, remembered(fleet, 200.1, 100.0, 400.0), request)
    decision = policy.decide(request, remembered(fleet, 200.1, 100.0, 400.0))
    assert decision.start_s == SLOT_S  # asked again a step later
    assert decision.verdicts[0].scores["reservation_g"] == pytest.approx(200.0)


def test_each_of_k_requests_in_a_row_has_its_own_price(fleet: Fleet, ask: Ask) -> None:
    policy, limits = KSearch(4), search_thresholds(100.0, 400.0, 4)
    for now in (130.0, 150.0, 180.0, 210.0, 230.0):
        s = remembered(fleet, now, 100.0, 400.0)
        told = [waits(policy, s, ask(seq=seq, deferrable_until_s=1e5)) for seq in range(8)]
        assert told == [now > limit for limit in limits] * 2


def test_pausable_work_keeps_running_between_the_thresholds(fleet: Fleet, ask: Ask) -> None:
    policy, request = DoubleThreshold(0.1, 1), ask(deferrable_until_s=1e5)
    low, high = 100.0, 400.0
    for past, runs in (((400.0, 100.0), True), ((100.0, 400.0), False)):
        s = remembered(fleet, 220.0, *past)
        (both,) = pause_thresholds(low, high, 0.1 * (220.0 + sum(past)) / 3, 1)
        assert both.start < 220.0 < both.stop
        assert waits(policy, s, request) is not runs
    assert not waits(DoubleThreshold(5.0, 1), remembered(fleet, 400.0, 100.0), request)  # pausing never pays


def test_drift_plus_penalty_starts_when_the_pressure_reaches_the_price(fleet: Fleet, ask: Ask) -> None:
    policy = load_policy("lyapunov")
    for waited_s, now, expected in (
        (0.0, 100.0, False),
        (0.0, 110.0, True),
        (5000.0, 250.0, False),
        (4000.0, 250.0, True),
    ):
        request = ask(arrival_s=-waited_s, deferrable_until_s=10_000.0 - waited_s)
        assert waits(policy, remembered(fleet, now, 100.0, 400.0), request) is expected
    # At the price of 250, half way from 100 to 400, half of the allowed time is waited: 1000 s more.
    request = ask(arrival_s=-4000.0, deferrable_until_s=6000.0)
    assert policy.decide(request, remembered(fleet, 250.0, 100.0, 400.0)).start_s == pytest.approx(1000.0)


def test_drift_plus_penalty_weighs_grams_against_queues(fleet: Fleet, ask: Ask) -> None:
    # Median grams are (1 + 3) / 2 units, median service 10 ms: the difference, one median, is worth 10 services.
    for queue_s, node in ((0.09, "a"), (0.11, "b")):
        s = fleet({"intensity": 100.0, "backlog_s": queue_s}, {"intensity": 300.0})
        assert load_policy("lyapunov").decide(ask(), s).node == node
    s = fleet({"intensity": 100.0, "backlog_s": 0.05}, {"intensity": 300.0})
    assert Lyapunov(services=20.0).decide(ask(), s).node == "a"
    assert Lyapunov(services=1.0).decide(ask(), s).node == "b"
    assert Lyapunov(services=20.0).decide(ask(deadline_s=0.02), s).node == "b"
    scores = Lyapunov(services=10.0).decide(ask(), s).verdicts[0].scores
    assert scores["score_s"] == pytest.approx(scores["penalty_s"] + scores["queue_s"]) == pytest.approx(0.1)
