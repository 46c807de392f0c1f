"""The slot program against a program written another way, against trying everything, and its prices by differences."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog

from gramwise.core.errors import Infeasible
from gramwise.optimize.bounds import capacity_bound, most_that_fits
from gramwise.optimize.slots import SlotProblem, closed_form_slots, due_of, solve_slots

INF = math.inf


def problem(
    energy_j: Any,
    busy_s: Any,
    g_per_j: Any,
    capacity_s: Any,
    arrivals: Any,
    window: Any = (),
    node: Any = None,
) -> SlotProblem:
    """A problem of lists; a candidate a node unless told otherwise."""
    energy, g, came = np.array(energy_j, float), np.array(g_per_j, float), np.array(arrivals, float)
    return SlotProblem(
        energy_j=energy,
        busy_s=np.broadcast_to(np.array(busy_s, float), energy.shape).copy(),
        node=np.arange(energy.shape[1]) if node is None else np.array(node),
        g_per_j=g,
        capacity_s=np.broadcast_to(np.array(capacity_s, float), g.shape).copy(),
        arrivals=came,
        due=due_of(came, np.array(window)) if len(window) else came,
    )


def random_problem(seed: int, *, waits: bool = True) -> tuple[SlotProblem, list[int]]:
    rng = np.random.default_rng(seed)
    classes, nodes, hours = int(rng.integers(1, 4)), int(rng.integers(1, 4)), int(rng.integers(1, 6))
    node = np.repeat(np.arange(nodes), 2)
    energy = rng.uniform(1.0, 10.0, (classes, 2 * nodes))
    energy[rng.random(energy.shape) < 0.2] = INF
    energy[:, 0] = rng.uniform(1.0, 10.0, classes)
    busy = rng.uniform(0.5, 2.0, energy.shape)
    if classes > 1 and seed % 3 == 0:
        energy[1], busy[1] = energy[0], busy[0]  # alike: the two share their variables
    window = (rng.integers(0, hours + 2, classes) * waits).tolist()
    g, capacity = rng.uniform(1.0, 9.0, (nodes, hours)), rng.uniform(5.0, 20.0, (nodes, hours))
    came = rng.uniform(0.0, 4.0, (classes, hours))
    return problem(energy, busy, g, capacity, came, window, node), window


def by_arrival_and_hour(p: SlotProblem, window: list[int]) -> float | None:
    """B1 with a variable for every class, candidate, hour of arrival and of service; None where it does not fit."""
    hours = p.arrivals.shape[1]
    columns = [
        (k, j, a, r)
        for k, wait in enumerate(window)
        for j in np.flatnonzero(np.isfinite(p.energy_j[k])).tolist()
        for a in range(hours)
        for r in range(a, min(a + wait, hours - 1) + 1)
    ]
    cost = [p.energy_j[k, j] * p.g_per_j[p.node[j], r] for k, j, _, r in columns]
    demand = np.zeros((p.arrivals.size, len(columns)))
    use = np.zeros((p.capacity_s.size, len(columns)))
    for i, (k, j, a, r) in enumerate(columns):
        demand[k * hours + a, i] = 1.0
        use[p.node[j] * hours + r, i] = p.busy_s[k, j]
    found = linprog(
        cost, A_ub=use, b_ub=p.capacity_s.ravel(), A_eq=demand, b_eq=p.arrivals.ravel(), method="highs-ipm"
    )
    return None if found.status == 2 else float(found.fun)


@pytest.mark.parametrize("waits", [False, True])
def test_optimum_is_that_of_a_program_written_another_way(waits: bool) -> None:
    fitted = 0
    for seed in range(80):
        p, window = random_problem(seed, waits=waits)
        expected = by_arrival_and_hour(p, window)
        if expected is None:
            with pytest.raises(Infeasible):
                solve_slots(p)
            continue
        found = solve_slots(p)
        fitted += 1
        assert found.carbon_g == pytest.approx(expected, rel=1e-6), seed
        cost = np.where(np.isfinite(p.energy_j), p.energy_j, 0.0)[:, :, None] * p.g_per_j[p.node][None]
        assert float((found.served * cost).sum()) == pytest.approx(found.carbon_g, rel=1e-9)
        used = np.zeros_like(p.capacity_s)
        np.add.at(used, p.node, (found.served * p.busy_s[:, :, None]).sum(axis=0))
        assert (used <= p.capacity_s * (1 + 1e-9)).all()
        done = np.cumsum(found.served.sum(axis=1), axis=1)
        assert (done <= np.cumsum(p.arrivals, axis=1) + 1e-6).all(), "nobody is served before having come"
        assert (done >= np.cumsum(p.due, axis=1) - 1e-6).all(), "nobody is served too late"
        assert closed_form_slots(p) <= found.carbon_g * (1 + 1e-9)
    assert fitted > 30


def test_optimum_is_the_best_of_all_ways_for_whole_requests() -> None:
    # With whole seconds and requests of one second the program is a flow: its optimum is one of these ways.
    for seed in range(12):
        rng = np.random.default_rng(seed)
        energy, g = rng.uniform(1.0, 5.0, (2, 2)), rng.uniform(1.0, 5.0, (2, 2))
        came, room = rng.integers(0, 3, (2, 2)), rng.integers(1, 4, (2, 2))
        window = [int(seed % 2), 1]
        requests = [(k, a) for k in range(2) for a in range(2) for _ in range(came[k, a])]
        ways = [[(j, r) for j in range(2) for r in range(a, min(a + window[k], 1) + 1)] for k, a in requests]
        best = INF
        for way in itertools.product(*ways):
            used = np.zeros((2, 2), int)
            for place in way:
                used[place] += 1
            if (used <= room).all():
                total = sum(energy[k, j] * g[j, r] for (k, _), (j, r) in zip(requests, way, strict=True))
                best = min(best, float(total))
        p = problem(energy, 1.0, g, room, came, window)
        if math.isinf(best):
            with pytest.raises(Infeasible):
                solve_slots(p)
        else:
            assert solve_slots(p).carbon_g == pytest.approx(best, rel=1e-9, abs=1e-12), seed


def test_without_waiting_every_slot_is_the_bound_of_its_own() -> None:
    for seed in range(20):
        p, _ = random_problem(seed, waits=False)
        try:
            found = solve_slots(p)
        except Infeasible:
            continue
        alone = [
            capacity_bound(
                np.where(np.isfinite(p.energy_j), p.energy_j * p.g_per_j[p.node, t], INF),
                p.arrivals[:, t], p.busy_s, p.node, p.capacity_s[:, t],
            ).carbon_g
            for t in range(p.arrivals.shape[1])
        ]  # fmt: skip
        assert found.carbon_g == pytest.approx(sum(alone), rel=1e-6)


def test_bundles_of_slots_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    p, _ = random_problem(4, waits=False)
    whole = solve_slots(p)
    monkeypatch.setattr("gramwise.optimize.slots._BUNDLE", 1)
    parts = solve_slots(p)
    assert parts.carbon_g == pytest.approx(whole.carbon_g, rel=1e-9)
    assert parts.served == pytest.approx(whole.served, abs=1e-6)
    assert parts.price_g_per_s == pytest.approx(whole.price_g_per_s, rel=1e-6)


def test_price_is_what_a_second_more_saves() -> None:
    small_s, told = 1e-4, 0
    for seed in range(35):
        p, _ = random_problem(seed)
        try:
            found = solve_slots(p)
        except Infeasible:
            continue
        for n, t in np.ndindex(*p.capacity_s.shape):
            around = []
            for change_s in (-small_s, small_s):
                capacity = p.capacity_s.copy()
                capacity[n, t] += change_s
                around.append(solve_slots(dataclasses.replace(p, capacity_s=capacity)).carbon_g)
            less, more = (around[0] - found.carbon_g) / small_s, (found.carbon_g - around[1]) / small_s
            price = found.price_g_per_s[n, t]
            # The optimum is convex in capacity: a price lies between the slopes on both sides, which mostly agree.
            assert more - 1e-4 <= price <= less + 1e-4, (seed, n, t)
            told += bool(price > 0.01 and less == pytest.approx(more, abs=1e-3))
    assert told > 10


def test_closed_form_takes_the_best_hour_of_each_window() -> None:
    for seed in range(60):
        p, window = random_problem(seed)
        hours, expected = p.arrivals.shape[1], 0.0
        for k, wait in enumerate(window):
            each = np.where(np.isfinite(p.energy_j[k]), p.energy_j[k], INF)[:, None] * p.g_per_j[p.node]
            for a in range(hours):
                expected += p.arrivals[k, a] * each[:, a : min(a + wait, hours - 1) + 1].min()
        assert closed_form_slots(p) == pytest.approx(expected, rel=1e-9), seed


def test_due_is_the_end_of_the_window_and_the_last_slot_at_the_latest() -> None:
    came = np.array([[1.0, 2.0, 4.0, 8.0]] * 4)
    assert due_of(came, np.array([0, 1, 3, 99])).tolist() == [
        [1.0, 2.0, 4.0, 8.0],
        [0.0, 1.0, 2.0, 12.0],
        [0.0, 0.0, 0.0, 15.0],
        [0.0, 0.0, 0.0, 15.0],
    ]
    assert due_of(np.array([[3.0]]), np.array([5])).tolist() == [[3.0]]


def test_work_due_before_it_comes_is_refused() -> None:
    with pytest.raises(ValueError, match="due before it arrives"):
        dataclasses.replace(
            problem([[1.0]], 1.0, [[1.0, 1.0]], 9.0, [[0.0, 2.0]]), due=np.array([[2.0, 0.0]])
        )


def test_what_does_not_fit_is_given_up_or_refused() -> None:
    # Room for six and for three of ten requests of one second; the first class costs more everywhere.
    p = problem([[2.0, 4.0], [1.0, 3.0]], 1.0, [[1.0], [1.0]], [[6.0], [3.0]], [[5.0], [5.0]])
    with pytest.raises(Infeasible, match="do not fit"):
        solve_slots(p)
    found = solve_slots(p, shed=True)
    assert found.unserved.sum() == pytest.approx(1.0)
    assert found.served.sum() == pytest.approx(9.0)
    # Five of the second class and one of the first on node 0, three of the first on node 1.
    assert found.carbon_g == pytest.approx(5 * 1.0 + 1 * 2.0 + 3 * 4.0)
    assert (found.served.sum(axis=1) + found.unserved) == pytest.approx(p.arrivals)


def test_waiting_work_fills_later_hours_before_any_is_given_up() -> None:
    p = problem([[1.0]], 1.0, [[1.0, 5.0, 2.0]], 4.0, [[9.0, 0.0, 0.0]], [2])
    found = solve_slots(p, shed=True)
    assert found.served[0, 0] == pytest.approx([4.0, 1.0, 4.0])
    assert found.unserved.sum() == pytest.approx(0.0, abs=1e-9)
    assert found.carbon_g == pytest.approx(4 + 5 + 8)


def test_unknown_intensity_is_never_used() -> None:
    p = problem([[1.0, 9.0]], 1.0, [[math.nan, 1.0], [2.0, 2.0]], 50.0, [[3.0, 3.0]])
    found = solve_slots(p)
    assert found.served[0] == pytest.approx(np.array([[0.0, 3.0], [3.0, 0.0]]))
    assert closed_form_slots(p) == pytest.approx(3 * 18.0 + 3 * 1.0)


def test_work_without_any_known_intensity_is_not_lost() -> None:
    p = problem([[1.0]], 1.0, [[math.nan, math.nan]], 50.0, [[3.0, 2.0]])
    with pytest.raises(Infeasible):
        solve_slots(p)
    with pytest.raises(Infeasible):
        closed_form_slots(p)
    found = solve_slots(p, shed=True)
    assert found.unserved == pytest.approx(np.array([[3.0, 2.0]]))
    assert found.carbon_g == 0.0


def test_class_without_a_candidate() -> None:
    forbidden = problem([[1.0], [INF]], 1.0, [[1.0]], 9.0, [[1.0], [1.0]])
    with pytest.raises(Infeasible, match="no permitted plan"):
        solve_slots(forbidden)
    with pytest.raises(Infeasible, match="no permitted plan"):
        closed_form_slots(forbidden)
    nobody_asks = dataclasses.replace(
        forbidden, arrivals=np.array([[1.0], [0.0]]), due=np.array([[1.0], [0.0]])
    )
    assert solve_slots(nobody_asks).carbon_g == pytest.approx(1.0)
    assert closed_form_slots(nobody_asks) == pytest.approx(1.0)


def test_no_work_costs_nothing_and_time_is_worth_nothing() -> None:
    p = problem([[1.0, 2.0]], 1.0, [[1.0, 2.0], [3.0, 4.0]], [[5.0, 0.0], [0.0, 5.0]], [[0.0, 0.0]])
    found = solve_slots(p)
    assert found.carbon_g == 0.0
    assert not found.served.any()
    assert not found.price_g_per_s.any()
    assert closed_form_slots(p) == 0.0


def test_small_and_large_units_give_the_same_choice() -> None:
    p, _ = random_problem(3)
    found = solve_slots(p)
    for g, n in ((1e-9, 1.0), (1.0, 1e6), (1e-7, 1e-3)):
        other = solve_slots(
            dataclasses.replace(
                p, g_per_j=p.g_per_j * g, capacity_s=p.capacity_s * n, arrivals=p.arrivals * n, due=p.due * n
            )
        )
        assert other.carbon_g == pytest.approx(found.carbon_g * g * n, rel=1e-9)
        assert other.price_g_per_s == pytest.approx(found.price_g_per_s * g, rel=1e-6)


def test_accuracy_may_be_worth_grams() -> None:
    # Two variants on one node: 1 g, or 3 g and 4 g of worth; carbon stays that of what was served.
    p = dataclasses.replace(
        problem([[1.0, 3.0]], [[1.0, 1.0]], [[1.0]], 10.0, [[5.0]], node=[0, 0]),
        extra_g=np.array([[0.0, -4.0]]),
    )
    found = solve_slots(p)
    assert found.served[0, :, 0] == pytest.approx([0.0, 5.0])
    assert found.carbon_g == pytest.approx(15.0)


def test_most_that_fits_is_the_edge_of_what_can_be_served() -> None:
    for seed in range(15):
        p, _ = random_problem(seed, waits=False)
        mix, room = p.arrivals[:, 0] + 0.1, p.capacity_s[:, 0]
        most = most_that_fits(np.isfinite(p.energy_j), p.busy_s, p.node, room, mix)
        cost = np.where(np.isfinite(p.energy_j), p.energy_j, INF)
        capacity_bound(cost, mix * most * (1 - 1e-6), p.busy_s, p.node, room)
        with pytest.raises(Infeasible):
            capacity_bound(cost, mix * most * (1 + 1e-4), p.busy_s, p.node, room)
    with pytest.raises(Infeasible):
        most_that_fits(
            np.array([[False]]), np.array([[1.0]]), np.array([0]), np.array([1.0]), np.array([1.0])
        )
