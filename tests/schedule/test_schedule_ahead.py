"""Policies that follow a solver's guidance: prices, fractions, two choices; and the laws that all of these keep."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ahead_kit import AHEAD, WAITING, guide, remember, scaled

from gramwise.core.ahead import Guidance, class_of
from gramwise.core.decision import Request, Snapshot
from gramwise.schedule import load_policy
from gramwise.testing import example_request, example_snapshot

Fleet = Callable[..., Snapshot]
Ask = Callable[..., Request]
NOW_S = example_request().arrival_s


def plan(snapshot: Snapshot, **changes: Any) -> Guidance:
    usual: dict[str, Any] = {
        "start_s": -100.0,
        "end_s": 100.0,
        "price_g_per_s": np.zeros(len(snapshot.nodes)),
        "fractions": {},
    }
    return Guidance(**usual | changes)


def told(snapshot: Snapshot, **changes: Any) -> Snapshot:
    return dataclasses.replace(snapshot, guidance=plan(snapshot, **changes))


def questions(seed: int) -> list[Request]:
    base = example_request(seed)
    return [
        dataclasses.replace(
            base,
            seq=3 * seed + i,
            draw=float(np.random.default_rng([seed, i]).random()),
            deadline_s=deadline_s,
            accuracy_floor_frac=floor_frac,
            arrival_s=NOW_S - waited_s,
            deferrable_until_s=until_s,
        )
        for i, (deadline_s, floor_frac, waited_s, until_s) in enumerate(
            (
                (0.1, None, 0.0, None),
                (0.05, 0.96, 0.0, None),
                (0.1, None, 0.0, NOW_S + 9000.0),
                (0.03, 0.96, 7200.0, NOW_S + 2000.0),
                (None, 0.96, 5000.0, NOW_S + 20_000.0),
                (0.1, None, 9000.0, NOW_S),
            )
        )
    ]


def states() -> list[Snapshot]:
    found = []
    for nodes, seed in ((1, 0), (3, 1), (20, 2), (100, 3)):
        bare = example_snapshot(nodes, seed, variants=3)
        whole = dataclasses.replace(
            bare, recent=remember(bare, seed), guidance=guide(bare, questions(seed), seed)
        )
        found += [bare, dataclasses.replace(bare, recent=whole.recent), whole]
    return found


def answer(name: str, request: Request, snapshot: Snapshot) -> tuple[int, float | None]:
    decision = load_policy(name).decide(request, snapshot)
    return decision.row, decision.start_s


@pytest.mark.parametrize("name", AHEAD)
def test_scaling_all_intensities_changes_no_choice(name: str) -> None:
    for i, snapshot in enumerate(states()):
        for request in questions(i):
            # Powers of two are exact in binary: any change at all would be the policy's.
            expected = answer(name, request, snapshot)
            assert [answer(name, request, scaled(snapshot, f)) for f in (2.0, 0.25)] == [expected] * 2


@pytest.mark.parametrize("name", AHEAD)
def test_turning_intensities_does_change_choices(name: str) -> None:
    # Or else the law above would hold for a policy that looks at nothing.
    changed = 0
    for i, snapshot in enumerate(states()):
        turned = dataclasses.replace(snapshot, intensity_g_per_kwh=830.0 - snapshot.intensity_g_per_kwh)
        changed += sum(answer(name, r, snapshot) != answer(name, r, turned) for r in questions(i))
    assert changed > 0


@pytest.mark.parametrize("name", AHEAD)
def test_the_same_draw_gives_the_same_answer(name: str) -> None:
    used = load_policy(name)
    for i, snapshot in enumerate(states()):
        for request in questions(i):
            first = used.decide(request, snapshot)
            again = used.decide(dataclasses.replace(request, id="another"), snapshot)
            assert (first.row, first.start_s) == (again.row, again.start_s) == answer(name, request, snapshot)


@pytest.mark.parametrize("name", AHEAD)
def test_who_cannot_wait_is_never_put_off_and_all_is_explained(name: str) -> None:
    put_off = 0
    for i, snapshot in enumerate(states()):
        for request in questions(i):
            decision = load_policy(name).decide(request, snapshot)
            verdicts = decision.verdicts
            assert sum(v.chosen for v in verdicts) == (decision.row >= 0)
            assert not any(v.chosen and v.rejected_by for v in verdicts)
            assert all(v.scores or v.rejected_by for v in verdicts)
            if request.deferrable_until_s is None or request.deferrable_until_s <= snapshot.at_s:
                assert decision.start_s is None
            if decision.start_s is not None:
                put_off += 1
                chosen = next(v for v in verdicts if v.chosen)
                assert chosen.scores["put_off_s"] == decision.start_s - snapshot.at_s > 0.0
    assert (put_off > 0) == (name in WAITING)


@pytest.mark.parametrize("name", AHEAD)
def test_unknown_and_stale_intensity_is_never_chosen_under_guidance(name: str) -> None:
    for seed in range(6):
        s = example_snapshot(20, seed)
        unknown = np.arange(20) % 3 == 0
        stale = np.arange(20) % 3 == 1
        s = dataclasses.replace(
            s,
            intensity_g_per_kwh=np.where(unknown, np.nan, s.intensity_g_per_kwh),
            intensity_age_s=np.where(stale, 1e5, 10.0),
            guidance=guide(s, questions(seed), seed),
            recent=remember(s, seed),
        )
        for request in questions(seed):
            row = load_policy(name).decide(request, s).row
            assert row < 0 or row % 3 == 2


# --- prices ---------------------------------------------------------------------------------------------------------


def test_a_price_moves_work_to_the_node_that_needs_less_time(fleet: Fleet, ask: Ask) -> None:
    # 1 J at 360 and 396 g/kWh: 1.0e-4 and 1.1e-4 g. The clean one takes 20 ms, the other 5 ms.
    s = fleet({"intensity": 360.0, "latency_s": 0.02}, {"intensity": 396.0, "latency_s": 0.005})
    policy = load_policy("shadow-price")
    assert policy.decide(ask(), s).node == "a"
    assert policy.decide(ask(), told(s, price_g_per_s=np.array([1e-4, 1e-4]))).node == "a"  # 1.02 and 1.105
    assert policy.decide(ask(), told(s, price_g_per_s=np.array([1e-3, 1e-3]))).node == "b"  # 1.2 and 1.15
    scores = policy.decide(ask(count=3), told(s, price_g_per_s=np.array([1e-3, 1e-3]))).verdicts[0].scores
    assert scores["carbon_g"] == pytest.approx(3e-4)
    assert scores["price_g"] == pytest.approx(6e-5)
    assert scores["score_g"] == pytest.approx(3.6e-4)


@pytest.mark.parametrize("name", ["shadow-price", "fractions", "budget", "two-choices"])
@pytest.mark.parametrize(("start_s", "end_s"), [(1.0, 100.0), (-100.0, 0.0)])
def test_guidance_for_another_time_is_none(
    name: str, start_s: float, end_s: float, fleet: Fleet, ask: Ask
) -> None:
    s = fleet({"intensity": 100.0}, {"intensity": 200.0}, {"intensity": 300.0})
    key = class_of(ask())
    only_last = {"price_g_per_s": np.array([1.0, 1.0, 0.0]), "fractions": {key: np.array([0.0, 0.0, 1.0])}}
    draws = [i / 40 for i in range(40)]
    policy = load_policy(name)
    assert {policy.decide(ask(draw=u), told(s, **only_last)).node for u in draws} == {"c"}
    outdated = told(s, start_s=start_s, end_s=end_s, **only_last)
    plain = [policy.decide(ask(draw=u), s).node for u in draws]
    assert [policy.decide(ask(draw=u), outdated).node for u in draws] == plain
    assert plain[0] == "a"


def test_guidance_for_another_fleet_is_none(fleet: Fleet, ask: Ask) -> None:
    s = fleet({"intensity": 100.0}, {"intensity": 200.0})
    wrong = told(s, price_g_per_s=np.ones(3), fractions={class_of(ask()): np.ones(5) / 5})
    for name in AHEAD:
        assert load_policy(name).decide(ask(draw=0.1), wrong).node == "a"


# --- fractions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["fractions", "budget", "predictive"])
def test_rows_come_as_often_as_the_plan_says(name: str) -> None:
    s = example_snapshot(30, 1)
    s = dataclasses.replace(s, backlog_s=np.zeros(30), guidance=guide(s, [example_request()], 1))
    assert s.guidance is not None
    wanted = s.guidance.fractions[class_of(example_request())]
    policy, n = load_policy(name), 20_000
    base = dataclasses.replace(example_request(), deadline_s=None)
    counts = Counter(policy.decide(dataclasses.replace(base, draw=(i + 0.5) / n), s).row for i in range(n))
    assert [counts[row] / n for row in range(30)] == pytest.approx(wanted.tolist(), abs=30 / n)


def test_rows_that_are_rejected_have_no_share_and_the_rest_is_renormalised(fleet: Fleet, ask: Ask) -> None:
    s = fleet({}, {"alive": False}, {}, {"intensity": math.nan})
    s = told(s, fractions={class_of(ask()): np.array([0.1, 0.4, 0.2, 0.3])})
    policy = load_policy("fractions")
    shares = [v.scores.get("share_frac") for v in policy.decide(ask(), s).verdicts]
    assert shares == [pytest.approx(1 / 3), None, pytest.approx(2 / 3), None]
    assert {policy.decide(ask(draw=i / 50), s).node for i in range(50)} == {"a", "c"}


def test_a_class_without_fractions_goes_by_prices(fleet: Fleet, ask: Ask) -> None:
    s = fleet({"intensity": 100.0}, {"intensity": 101.0})
    priced = told(s, price_g_per_s=np.array([1.0, 0.0]), fractions={class_of(ask()): np.array([1.0, 0.0])})
    policy = load_policy("fractions")
    assert policy.decide(ask(), priced).node == "a"
    assert policy.decide(ask(accuracy_floor_frac=0.5), priced).node == "b"


def test_who_would_be_late_spills_to_the_least_grams_and_price(fleet: Fleet, ask: Ask) -> None:
    s = fleet({"backlog_s": 1.0}, {"intensity": 300.0}, {"intensity": 310.0})
    s = told(
        s, price_g_per_s=np.array([0.0, 1e-2, 0.0]), fractions={class_of(ask()): np.array([1.0, 0.0, 0.0])}
    )
    policy = load_policy("fractions")
    assert policy.decide(ask(), s).node == "a"  # no deadline, no spilling
    assert policy.decide(ask(deadline_s=0.5), s).node == "c"
    assert policy.decide(ask(deadline_s=0.005), s).row == -1


# --- two choices ----------------------------------------------------------------------------------------------------


def test_of_two_drawn_rows_the_better_is_taken(fleet: Fleet, ask: Ask) -> None:
    s = fleet(*({"intensity": 100.0 * (i + 1), "name": f"n{i}"} for i in range(10)))
    n = 4000
    policy = load_policy("two-choices")
    rng = np.random.default_rng(0)
    counts = Counter(policy.decide(ask(draw=float(u)), s).row for u in rng.random(n))
    # The better of two even draws among ten is row i with chance (2 (9 - i) + 1) / 100.
    wanted = [(2 * (9 - i) + 1) / 100 for i in range(10)]
    assert [counts[i] / n for i in range(10)] == pytest.approx(wanted, abs=0.025)


def test_a_long_queue_costs_as_much_as_its_grams(fleet: Fleet, ask: Ask) -> None:
    # Grams 1e-4 and 2e-4 in 10 ms each: the usual rate is their median, 0.015 g/s, so 1e-4 g are a queue of 6.7 ms.
    light, heavy = ({"intensity": 360.0, "backlog_s": q} for q in (0.006, 0.008))
    other = {"intensity": 720.0}
    policy = load_policy("two-choices")
    draws = [float(u) for u in np.random.default_rng(2).random(200)]
    assert Counter(policy.decide(ask(draw=u), fleet(light, other)).node for u in draws)["a"] > 130
    assert Counter(policy.decide(ask(draw=u), fleet(heavy, other)).node for u in draws)["b"] > 130


def test_where_neither_is_in_time_the_ordinary_way_serves(fleet: Fleet, ask: Ask) -> None:
    s = fleet(*({"backlog_s": 9.0, "intensity": 50.0} for _ in range(9)), {"intensity": 800.0})
    policy = load_policy("two-choices")
    assert {policy.decide(ask(draw=i / 100, deadline_s=1.0), s).row for i in range(100)} == {9}


def test_two_choices_level_the_queues_better_than_one(fleet: Fleet, ask: Ask) -> None:
    rng = np.random.default_rng(3)
    longest = {}
    for name in ("fractions", "two-choices"):
        nodes, queue = fleet(*({"name": f"n{i}"} for i in range(50))), np.zeros(50)
        shares = plan(nodes, fractions={class_of(ask()): np.full(50, 0.02)})
        policy = load_policy(name)
        for draw in rng.random(2000).tolist():
            s = dataclasses.replace(nodes, backlog_s=queue.copy(), guidance=shares)
            queue[policy.decide(ask(draw=draw), s).row] += 0.01
        longest[name] = queue.max() - queue.mean()
    assert longest["two-choices"] < 0.4 * longest["fractions"]
