"""B2: against every pattern of on and off, and in order with B1, always-on and its own windows."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gramwise.core.errors import Infeasible
from gramwise.optimize.branches import slot_bounds
from gramwise.optimize.onoff import OnOffProblem, onoff_bound, solve_onoff, span
from gramwise.optimize.slots import SlotProblem, due_of, solve_slots

INF = float("inf")


def drawn(
    seed: int, *, nodes: int = 3, slots: int = 3, classes: int = 2, starts: bool = True, wait: int = 0
) -> OnOffProblem:
    """A small instance: one plan a node, idle grams near those of the work, about half of the capacity used."""
    rng = np.random.default_rng(seed)
    energy, busy = rng.uniform(1, 10, (classes, nodes)), rng.uniform(0.5, 2.0, (classes, nodes))
    arrivals = rng.uniform(1, 10, (classes, slots))
    capacity = np.full((nodes, slots), float(arrivals.sum(axis=0).max()) * 2.0 / max(1, nodes - 1))
    due = due_of(arrivals, np.full(classes, wait))
    work = SlotProblem(
        energy_j=energy,
        busy_s=busy,
        node=np.arange(nodes),
        g_per_j=rng.uniform(0.2, 1.0, (nodes, slots)),
        capacity_s=capacity,
        arrivals=arrivals,
        due=due,
    )
    return OnOffProblem(
        slots=work,
        idle_g=rng.uniform(2, 30, (nodes, slots)),
        start_g=rng.uniform(0, 20, (nodes, slots)) if starts else np.zeros((nodes, slots)),
    )


def hand(
    idle_g: Any, start_g: Any, arrivals: Any, *, capacity_s: float = 10.0, before: Any = None
) -> OnOffProblem:
    """Two nodes; an inference takes 1 s on both, 1 g on the first and 3 g on the second."""
    came = np.array([arrivals])
    shape = (2, came.shape[1])
    return OnOffProblem(
        slots=SlotProblem(
            energy_j=np.array([[1.0, 3.0]]),
            busy_s=np.ones((1, 2)),
            node=np.arange(2),
            g_per_j=np.ones(shape),
            capacity_s=np.full(shape, capacity_s),
            arrivals=came,
            due=came,
        ),
        idle_g=np.broadcast_to(np.array(idle_g, dtype=float)[:, None], shape).copy(),
        start_g=np.broadcast_to(np.array(start_g, dtype=float)[:, None], shape).copy(),
        on_before=None if before is None else np.array(before),
    )


def least_of_all(problem: OnOffProblem) -> float:
    """Every pattern of on and off, the work placed by B1 with the capacity of those that are on."""
    least = math.inf
    for bits in itertools.product((False, True), repeat=problem.idle_g.size):
        on = np.array(bits).reshape(problem.idle_g.shape)
        open_s = problem.slots.capacity_s * on
        try:
            work = solve_slots(replace(problem.slots, capacity_s=open_s)).carbon_g
        except Infeasible:
            continue
        before = on[:, 0] if problem.on_before is None else problem.on_before
        extra = 0.0
        for n, t in np.ndindex(on.shape):
            was = before[n] if t == 0 else on[n, t - 1]
            extra += problem.idle_g[n, t] * on[n, t] + problem.start_g[n, t] * (on[n, t] and not was)
        least = min(least, work + extra)
    return least


def always_on_g(problem: OnOffProblem) -> float:
    """B1 and everybody's idle grams."""
    return solve_slots(problem.slots).carbon_g + float(problem.idle_g.sum())


@pytest.mark.parametrize(("seed", "slots"), [(0, 2), (1, 2), (2, 2), (3, 2), (4, 3)])
@pytest.mark.parametrize(("before", "wait"), [(None, 0), ((True, False, False), 0), (None, 1)])
def test_it_is_the_least_of_all_patterns(seed: int, slots: int, before: Any, wait: int) -> None:
    problem = drawn(seed, slots=slots, wait=wait)
    problem = replace(problem, on_before=None if before is None else np.array(before))
    found = solve_onoff(problem)
    assert found.carbon_g == pytest.approx(least_of_all(problem), rel=1e-5)
    assert found.bound_g <= found.carbon_g <= found.bound_g * (1 + 2e-6)


@pytest.mark.parametrize("seed", range(6))
def test_the_schedule_is_one_that_serves_everything(seed: int) -> None:
    problem = drawn(seed, wait=seed % 2)
    found = solve_onoff(problem)
    work = problem.slots
    assert found.served.sum(axis=(1, 2)) == pytest.approx(work.arrivals.sum(axis=1), rel=1e-6)
    used = (found.served * work.busy_s[:, :, None]).sum(axis=0)
    assert (used <= work.capacity_s * found.on * (1 + 1e-5) + 1e-5).all()
    dynamic = (found.served * work.energy_j[:, :, None] * work.g_per_j[None]).sum()
    assert found.carbon_g == pytest.approx(dynamic + problem.grams_of(found.on), rel=1e-6)


@pytest.mark.parametrize("seed", range(10))
def test_it_lies_between_b1_and_always_on(seed: int) -> None:
    problem = drawn(seed, nodes=4, slots=5, wait=2 * (seed % 2))
    found = solve_onoff(problem)
    assert found.bound_g >= solve_slots(problem.slots).carbon_g * (1 - 1e-9)
    assert found.carbon_g <= always_on_g(problem) * (1 + 1e-6)


@pytest.mark.parametrize("seed", range(10))
def test_no_policy_with_nodes_always_on_is_below_it(seed: int) -> None:
    # A policy that knows nothing: each class in equal shares to nodes that have time for all of it.
    problem = drawn(seed, nodes=4, slots=4)
    work = problem.slots
    nodes = len(work.node)
    share = work.arrivals[:, None, :] / nodes * np.ones((1, nodes, 1))
    assert ((share * work.busy_s[:, :, None]).sum(axis=0) <= work.capacity_s).all()
    policy = float((share * work.energy_j[:, :, None] * work.g_per_j[None]).sum())
    assert solve_onoff(problem).carbon_g <= (policy + float(problem.idle_g.sum())) * (1 + 1e-6)


def test_nodes_go_off_where_the_work_fits_on_fewer() -> None:
    # 5 requests fit on either node. First: 5 x 1 + 20 idle = 25; second: 5 x 3 + 2 idle = 17.
    found = solve_onoff(hand([20.0, 2.0], [0.0, 0.0], [5.0]))
    assert found.carbon_g == pytest.approx(17.0)
    assert found.on.tolist() == [[False], [True]]
    # 12 requests need both: 10 x 1 + 2 x 3 + 22.
    assert solve_onoff(hand([20.0, 2.0], [0.0, 0.0], [12.0])).carbon_g == pytest.approx(38.0)


def test_free_idle_time_is_b1() -> None:
    problem = hand([0.0, 0.0], [0.0, 0.0], [12.0, 3.0])
    assert solve_onoff(problem).bound_g == pytest.approx(solve_slots(problem.slots).carbon_g)


def test_a_start_that_costs_keeps_a_node_on_through_a_quiet_slot() -> None:
    # Both are needed in the first and the last slot; between them the second would save 4 g of idling.
    def second(start_g: float) -> list[bool]:
        found = solve_onoff(hand([1.0, 4.0], [0.0, start_g], [15.0, 5.0, 15.0]))
        return list(found.on[1].tolist())

    assert second(3.0) == [True, False, True]
    assert second(5.0) == [True, True, True]


def test_what_was_on_before_need_not_be_started() -> None:
    told = {
        before: solve_onoff(hand([1.0, 1.0], [7.0, 7.0], [5.0], before=before)).carbon_g
        for before in ((True, False), (False, False), (False, True))
    }
    assert told[True, False] == pytest.approx(5.0 + 1.0)
    assert told[False, False] == pytest.approx(5.0 + 1.0 + 7.0)
    assert told[False, True] == pytest.approx(5.0 + 1.0 + 7.0)  # as good: 15 + 1 on the second is more
    assert solve_onoff(hand([1.0, 1.0], [7.0, 7.0], [5.0])).carbon_g == pytest.approx(6.0)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("window", [1, 2, 5])
def test_windows_add_up_to_no_more_than_the_whole(seed: int, window: int) -> None:
    problem = replace(drawn(seed, slots=6), on_before=np.array([False, True, False]))
    whole = solve_onoff(problem)
    parts = onoff_bound(problem, window)
    assert parts <= whole.carbon_g * (1 + 1e-9)
    # Only starts at the borders are lost.
    assert parts >= whole.bound_g - float(problem.start_g[:, ::window].sum()) - 1e-3


def test_some_windows_lose_a_start() -> None:
    problem = hand([1.0, 4.0], [0.0, 5.0], [15.0, 5.0, 15.0], before=[True, False])
    assert solve_onoff(problem).bound_g - onoff_bound(problem, 2) == pytest.approx(4.0)


def test_work_that_waits_is_one_program_whatever_the_window() -> None:
    problem = drawn(3, slots=6, wait=2)
    assert onoff_bound(problem, 2) == pytest.approx(solve_onoff(problem).bound_g)
    assert onoff_bound(problem, 2) < onoff_bound(
        replace(problem, slots=replace(problem.slots, due=problem.slots.arrivals)), 6
    )


@pytest.mark.parametrize("seed", range(10))
def test_trees_of_slots_find_what_the_solver_finds(seed: int) -> None:
    problem = drawn(seed, nodes=6, slots=4, classes=3, starts=False)
    found = slot_bounds(problem, gap_frac=1e-9)
    alone = [solve_onoff(span(problem, t, t + 1)).carbon_g for t in range(4)]
    assert found == pytest.approx(np.array(alone), rel=1e-5)
    assert found.sum() == pytest.approx(onoff_bound(problem), rel=1e-5)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("gap_frac", "rounds"), [(1e-9, 0), (1e-9, 2), (0.05, 40)])
def test_trees_cut_short_still_bound(seed: int, gap_frac: float, rounds: int) -> None:
    problem = drawn(seed, nodes=6, slots=4, classes=3, starts=False)
    short, full = slot_bounds(problem, gap_frac=gap_frac, rounds=rounds), slot_bounds(problem, gap_frac=1e-9)
    assert (short <= full * (1 + 1e-9)).all()
    assert (short >= np.array([solve_slots(span(problem, t, t + 1).slots).carbon_g for t in range(4)])).all()


def test_trees_refuse_slots_that_are_tied() -> None:
    for problem in (drawn(0), drawn(0, starts=False, wait=1)):
        with pytest.raises(ValueError, match="tied"):
            slot_bounds(problem)


def test_a_slot_with_too_much_work_keeps_its_first_bound() -> None:
    # 25 requests, room for 20: all of both nodes' time is used, so all of their idle grams are paid.
    found = slot_bounds(hand([20.0, 2.0], [0.0, 0.0], [25.0, 5.0]))
    assert found == pytest.approx(np.array([10.0 + 30.0 + 22.0, 17.0]))


def test_too_much_work_is_infeasible() -> None:
    for served in (solve_onoff, onoff_bound):
        with pytest.raises(Infeasible, match="do not fit into the capacity"):
            served(hand([1.0, 1.0], [0.0, 0.0], [25.0]))


def test_a_class_that_nobody_may_serve_is_infeasible() -> None:
    problem = hand([1.0, 1.0], [0.0, 0.0], [5.0])
    nobody = replace(problem, slots=replace(problem.slots, energy_j=np.full((1, 2), INF)))
    for served in (solve_onoff, onoff_bound, slot_bounds):
        with pytest.raises(Infeasible, match="no permitted plan"):
            served(nobody)


def test_out_of_time_the_bound_still_holds() -> None:
    problem = drawn(1, nodes=6, slots=12, classes=3)
    quick, sure = solve_onoff(problem, limit_s=1e-6), solve_onoff(problem, gap_frac=1e-2, limit_s=5.0)
    assert solve_slots(problem.slots).carbon_g * (1 - 1e-9) <= quick.bound_g <= sure.carbon_g * (1 + 1e-6)
    assert quick.carbon_g >= sure.bound_g * (1 - 1e-6)
    assert quick.carbon_g <= always_on_g(problem) * (1 + 1e-9)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"idle_g": np.array([[1.0], [np.nan]])}, "idle_g"),
        ({"start_g": np.array([[1.0], [-1.0]])}, "start_g"),
        ({"start_g": np.zeros(2)}, "start_g"),
        ({"on_before": np.array([True])}, "on_before"),
    ],
)
def test_figures_that_are_none_are_refused(change: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        replace(hand([1.0, 1.0], [0.0, 0.0], [5.0]), **change)


def test_worth_of_accuracy_has_no_place_in_a_bound_on_grams() -> None:
    problem = hand([1.0, 1.0], [0.0, 0.0], [5.0])
    with pytest.raises(ValueError, match="extra_g"):
        replace(problem, slots=replace(problem.slots, extra_g=np.zeros((1, 2))))


@pytest.mark.parametrize("unit_g", [1e-7, 1e5])
def test_the_unit_of_mass_does_not_matter(unit_g: float) -> None:
    plain = drawn(4, slots=4)
    work = replace(plain.slots, g_per_j=plain.slots.g_per_j * unit_g)
    scaled = replace(plain, slots=work, idle_g=plain.idle_g * unit_g, start_g=plain.start_g * unit_g)
    assert solve_onoff(scaled).carbon_g == pytest.approx(solve_onoff(plain).carbon_g * unit_g, rel=1e-5)


def test_a_missing_scipy_is_named_with_its_cure() -> None:
    code = (
        "import sys; sys.modules['scipy'] = sys.modules['scipy.optimize'] = None\n"
        "import numpy as np\n"
        "from gramwise.core.errors import SourceUnavailable\n"
        "from gramwise.optimize.onoff import OnOffProblem, solve_onoff\n"
        "from gramwise.optimize.slots import SlotProblem\n"
        "one = np.ones((1, 1))\n"
        "work = SlotProblem(energy_j=one, busy_s=one, node=np.zeros(1, int), g_per_j=one, capacity_s=one,\n"
        "                   arrivals=one, due=one)\n"
        "try:\n    solve_onoff(OnOffProblem(slots=work, idle_g=one, start_g=one))\n"
        "except SourceUnavailable as fault:\n    print(fault)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert said == "the on/off bound needs SciPy: pip install 'gramwise[plan]'\n"
