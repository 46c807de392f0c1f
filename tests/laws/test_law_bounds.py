"""Policy >= B1 >= B0: on random fleets served by a small queueing model, and on random years of the fluid model."""

from __future__ import annotations

import dataclasses
import heapq
from collections import Counter

import numpy as np
import pytest
from fluid_kit import EVERY, flows, random_case
from hypothesis import given, settings
from hypothesis import strategies as st

from gramwise.core.decision import PlanTable, Request, Snapshot
from gramwise.core.units import carbon_g
from gramwise.optimize.bounds import capacity_bound, captured_frac, closed_form_bound, gap_frac
from gramwise.optimize.slots import closed_form_slots, due_of, solve_slots
from gramwise.schedule import load_policy, policy_names
from gramwise.schedule.filters import ELIGIBLE
from gramwise.sim.case import Case
from gramwise.sim.fluid import Flow, account
from gramwise.testing import example_request, example_snapshot

FLOORS = (None, 0.965)
"""Two classes of requests: the reference only, and any variant that is accurate enough."""

ROUNDING = 1e-6
"""HiGHS stops within 1e-7 of feasible in units in which everything is near one."""


@dataclasses.dataclass
class Served:
    """What a run did: requests by (class, row), and the window in which it did it."""

    done: Counter[tuple[int, int]]
    window_s: float


def serve(name: str, snapshot: Snapshot, requests: int, gap_s: float, seed: int) -> Served:
    """Requests in random order of class, one every ``gap_s`` on average, each waiting for a free slot of its node."""
    policy, soonest = load_policy(name), load_policy("fastest")
    rng, table = np.random.default_rng(seed), snapshot.plans
    slots = [[0.0] * int(n) for n in snapshot.slots]
    done: Counter[tuple[int, int]] = Counter()
    now_s = window_s = 0.0
    for seq in range(requests):
        now_s += float(rng.exponential(gap_s))
        kind = int(rng.integers(len(FLOORS)))
        state = dataclasses.replace(snapshot, backlog_s=np.array([max(0.0, min(s) - now_s) for s in slots]))
        request = dataclasses.replace(
            example_request(seq), arrival_s=now_s, accuracy_floor_frac=FLOORS[kind], deadline_s=0.3
        )
        row = policy.decide(request, state).row
        if row < 0:  # refused: equal work asks for the answer all the same
            row = soonest.decide(request, state).row
        free = slots[int(table.node[row])]
        end_s = max(now_s, heapq.heappop(free)) + float(table.latency_s[row])
        heapq.heappush(free, end_s)
        done[kind, row] += 1
        window_s = max(window_s, end_s)
    return Served(done, window_s)


def grams_of_rows(snapshot: Snapshot) -> np.ndarray:
    table: PlanTable = snapshot.plans
    return carbon_g(table.energy_j, snapshot.intensity_g_per_kwh[table.node], snapshot.pue[table.node])


def ladder(snapshot: Snapshot, run: Served) -> tuple[float, float, float]:
    """Carbon of the run, B1 and B0 of the same requests at the same costs."""
    each = grams_of_rows(snapshot)
    permitted = np.array([keep(floor, snapshot) for floor in FLOORS])
    cost = np.where(permitted, each, np.inf)
    count = np.array(
        [float(sum(n for (k, _), n in run.done.items() if k == kind)) for kind in range(len(FLOORS))]
    )
    busy_s = np.broadcast_to(snapshot.plans.latency_s, cost.shape)
    capacity_s = np.array([float(n) * run.window_s for n in snapshot.slots])
    b1 = capacity_bound(cost, count, busy_s, snapshot.plans.node, capacity_s)
    spent = sum(n * each[row] for (_, row), n in run.done.items())
    return float(spent), b1.carbon_g, closed_form_bound(cost, count)


def keep(floor: float | None, snapshot: Snapshot) -> np.ndarray:
    request: Request = dataclasses.replace(example_request(), accuracy_floor_frac=floor)
    kept: np.ndarray = np.logical_and.reduce([rule.keep(request, snapshot) for rule in ELIGIBLE])
    return kept


@settings(deadline=None, max_examples=25)
@given(
    nodes=st.integers(1, 6),
    seed=st.integers(0, 10_000),
    requests=st.integers(1, 80),
    gap_s=st.sampled_from([0.0005, 0.005, 0.05]),
)
def test_policy_is_never_below_b1_nor_b1_below_b0(nodes: int, seed: int, requests: int, gap_s: float) -> None:
    snapshot = example_snapshot(nodes, seed, variants=3)
    for name in policy_names():
        run = serve(name, snapshot, requests, gap_s, seed)
        assert sum(run.done.values()) == requests
        spent, b1, b0 = ladder(snapshot, run)
        assert spent >= b1 * (1 - ROUNDING), name
        assert b1 >= b0 * (1 - ROUNDING), name


def test_the_three_are_truly_apart_under_load_and_meet_without() -> None:
    snapshot = example_snapshot(6, 2, variants=3)
    crowded, quiet = serve("grams", snapshot, 400, 0.0005, 1), serve("grams", snapshot, 50, 1.0, 1)
    spent, b1, b0 = ladder(snapshot, crowded)
    assert spent > b1 * 1.001
    assert b1 > b0 * 1.001
    assert ladder(snapshot, quiet) == pytest.approx((ladder(snapshot, quiet)[2],) * 3, rel=ROUNDING)


def test_without_queues_grams_captures_the_whole_saving() -> None:
    for seed in range(10):
        snapshot = example_snapshot(5, seed, variants=3)
        spent, _, b0 = ladder(snapshot, serve("grams", snapshot, 30, 1.0, seed))
        assert gap_frac(spent, b0) == pytest.approx(0.0, abs=1e-9)
        baseline, _, _ = ladder(snapshot, serve("monolithic", snapshot, 30, 1.0, seed))
        share = captured_frac(baseline, spent, b0)
        assert share is None or share == pytest.approx(1.0, abs=1e-6)


def test_dropped_requests_are_not_savings() -> None:
    # The bound falls with the work, so a run that serves fewer requests is held against a lower bound.
    cost, count = np.array([[1.0, 3.0], [2.0, 1.5]]), np.array([10.0, 4.0])
    whole = closed_form_bound(cost, count)
    assert closed_form_bound(cost, count / 2) == pytest.approx(whole / 2)
    fewer = count - np.array([3.0, 0.0])
    assert gap_frac(whole - 3.0, closed_form_bound(cost, fewer)) == pytest.approx(
        gap_frac(whole, whole), abs=1e-12
    )


def keeps_the_books(case: Case, name: str, done: Flow) -> float:
    """Asserts what holds of every flow, whatever the policy; its grams where it served all, else infinity."""
    came, sums = case.fixed + case.waiting, account(case, done)
    some = 1e-9 * max(1.0, float(came.sum()))
    assert (done.served >= 0).all(), name
    assert (done.unserved >= 0).all(), name
    given = done.served.sum(axis=1) + done.unserved
    assert given == pytest.approx(case.fixed + done.started, abs=some), name
    assert float(given.sum()) == pytest.approx(float(came.sum()), abs=some), name
    assert (sums.load <= 1 + 1e-9).all(), name
    assert not done.served[:, :, case.missing].any(), name
    assert not done.served[~np.isfinite(case.energy_j)].any(), name
    assert float(sums.booked_g.sum()) == pytest.approx(sums.carbon_g, rel=1e-9), name
    # Never before it came, never after its window; what is done is the oldest, so that sums over time say it all.
    started = np.cumsum(done.started, axis=1)
    assert (started <= np.cumsum(case.waiting, axis=1) + some).all(), name
    latest = np.cumsum(due_of(case.waiting, case.window), axis=1)
    assert (started >= latest - some)[:, ~case.missing].all(), name
    return sums.carbon_g if done.unserved.sum() <= some else np.inf


@pytest.mark.slow
def test_law_of_the_sweep_on_a_thousand_cases() -> None:
    served_all = apart = 0
    for seed in range(1000):
        case = random_case(np.random.default_rng(seed), waits=seed % 2 == 1, gaps=seed % 4 >= 2)
        problem = case.problem()
        bound = solve_slots(problem, shed=True)
        if bound.unserved.sum() <= 1e-9 * max(1.0, case.requests):
            assert bound.carbon_g >= closed_form_slots(problem) * (1 - 1e-9), seed
        # The averaging of lyapunov takes as long as all others together: every fourth case.
        names = EVERY if seed % 8 < 2 else [name for name in EVERY if name != "lyapunov"]
        for name, done in flows(case, names).items():
            carbon = keeps_the_books(case, f"{name}, case {seed}", done)
            assert carbon >= bound.carbon_g * (1 - 1e-9), (name, seed)
            served_all += np.isfinite(carbon)
            apart += np.isfinite(carbon) and carbon > bound.carbon_g * 1.01
    assert served_all > 8000, "too few cases say anything"
    assert apart > 3000, "the cases are too easy"


def test_twice_the_intensity_is_twice_the_carbon_and_no_other_choice() -> None:
    for seed in range(10):
        case = random_case(np.random.default_rng(seed), waits=seed % 2 == 1)
        dearer = dataclasses.replace(case, g_per_j=2.0 * case.g_per_j, known_g_per_j=2.0 * case.known_g_per_j)
        ours, theirs = flows(case), flows(dearer)
        for name, done in ours.items():
            assert theirs[name].served == pytest.approx(done.served, abs=1e-6), (name, seed)
            twice = account(dearer, theirs[name]).carbon_g
            assert twice == pytest.approx(2.0 * account(case, done).carbon_g, rel=1e-9), (name, seed)
        bound, other = (solve_slots(c.problem(), shed=True) for c in (case, dearer))
        assert other.carbon_g == pytest.approx(2.0 * bound.carbon_g, rel=1e-9)
        assert other.price_g_per_s == pytest.approx(2.0 * bound.price_g_per_s, rel=1e-6)


def beside(columns: np.ndarray, column: np.ndarray) -> np.ndarray:
    return np.concatenate([columns, column], axis=1)


def dirtier(per_node: np.ndarray) -> np.ndarray:
    """The rows of all nodes and one above them all."""
    return np.concatenate([per_node, 1.1 * per_node.max(axis=0, keepdims=True)])


def with_a_dominated_node(case: Case) -> Case:
    """One more node, on the dirtiest grid, needing more of everything than any plan there is."""
    finite = np.where(np.isfinite(case.energy_j), case.energy_j, 0.0)
    one = np.ones((len(case.classes), 1))
    return dataclasses.replace(
        case,
        nodes=(*case.nodes, "worst"),
        zones=(*case.zones, "worst"),
        pue=(*case.pue, 1.0),
        variants=(*case.variants, "fp32"),
        energy_j=beside(case.energy_j, 1.1 * finite.max() * one),
        busy_s=beside(case.busy_s, 10.0 * case.busy_s.max() * one),
        latency_s=beside(case.latency_s, 10.0 * case.latency_s.max() * one),
        accuracy_frac=np.append(case.accuracy_frac, np.nan),
        node=np.append(case.node, len(case.nodes)),
        capacity_s=np.concatenate([case.capacity_s, 3600.0 * np.ones((1, case.hours))]),
        g_per_j=dirtier(case.g_per_j),
        known_g_per_j=dirtier(case.known_g_per_j),
    )


def test_a_dominated_node_changes_nothing() -> None:
    # Round robin uses it by design, the queues of lyapunov average choices while they settle, and at shadow prices the
    # plans of the marginal class cost the same, so that rounding decides among them: why there are fractions.
    names = (
        "fastest",
        "greenest-zone",
        "grams",
        "fractions",
        "threshold",
        "pressure",
        "predictive",
    )
    compared = 0
    for seed in range(20):
        case = random_case(np.random.default_rng(seed), waits=seed % 2 == 1)
        before, after = flows(case, names), flows(with_a_dominated_node(case), names)
        for name in names:
            if before[name].unserved.any():
                continue  # there is more time now
            assert after[name].served[:, :-1] == pytest.approx(before[name].served, abs=1e-6), (name, seed)
            assert after[name].served[:, -1] == pytest.approx(0.0, abs=1e-6), (name, seed)
            compared += 1
    assert compared > 100
