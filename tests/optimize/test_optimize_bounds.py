"""The bounds on cases small enough to solve by hand, the prices by finite difference, and the ends of their range."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from gramwise.core.errors import Infeasible
from gramwise.optimize.bounds import CapacityBound, capacity_bound, captured_frac, closed_form_bound, gap_frac

INF = math.inf


def b1(
    carbon_g: list[list[float]], count: list[float], busy_s: list[list[float]], capacity_s: list[float]
) -> CapacityBound:
    """B1 with candidate j on node j."""
    nodes = np.arange(len(capacity_s))
    return capacity_bound(np.array(carbon_g), np.array(count), np.array(busy_s), nodes, np.array(capacity_s))


def test_without_capacity_everyone_takes_the_best() -> None:
    assert closed_form_bound(np.array([[1.0, 3.0], [5.0, 2.0]]), np.array([10.0, 4.0])) == 18.0
    assert closed_form_bound(np.array([[INF, 3.0]]), np.array([2.0])) == 6.0


def test_the_papers_limit_at_equal_energy() -> None:
    energy_kwh = 1e-5
    best = closed_form_bound(energy_kwh * np.array([[620.0, 530.0, 380.0]]), np.array([50.0]))
    assert best / (50 * energy_kwh * 530.0) == pytest.approx(0.717, abs=0.0005)


def test_a_full_node_spills_to_the_next() -> None:
    # Ten requests of 1 s; the clean node gives 6 s: 6 x 1 g + 4 x 3 g.
    found = b1([[1.0, 3.0]], [10.0], [[1.0, 1.0]], [6.0, 10.0])
    assert found.carbon_g == pytest.approx(18.0)
    assert found.served == pytest.approx(np.array([[6.0, 4.0]]))
    assert found.price_g_per_s == pytest.approx([2.0, 0.0])
    assert closed_form_bound(np.array([[1.0, 3.0]]), np.array([10.0])) == 10.0


def test_a_price_is_grams_per_second_of_the_node() -> None:
    # 2 s a request on the clean node: one more second there moves half a request, 1 g.
    found = b1([[1.0, 3.0]], [10.0], [[2.0, 1.0]], [6.0, 10.0])
    assert found.carbon_g == pytest.approx(3 * 1.0 + 7 * 3.0)
    assert found.price_g_per_s == pytest.approx([1.0, 0.0])


def test_scarce_time_goes_to_the_class_that_gains_most_by_it() -> None:
    # On the clean node the first class saves 4 g in 1 s, the second 6 g in 3 s.
    found = b1([[1.0, 5.0], [1.0, 7.0]], [2.0, 2.0], [[1.0, 1.0], [3.0, 3.0]], [5.0, 100.0])
    assert found.served == pytest.approx(np.array([[2.0, 0.0], [1.0, 1.0]]))
    assert found.carbon_g == pytest.approx(2 * 1.0 + 1.0 + 7.0)
    assert found.price_g_per_s == pytest.approx([2.0, 0.0])


def test_where_nothing_binds_b1_is_b0_and_time_is_free() -> None:
    found = b1([[1.0, 3.0], [5.0, 2.0]], [10.0, 4.0], [[1.0, 1.0], [1.0, 1.0]], [100.0, 100.0])
    assert found.carbon_g == pytest.approx(18.0)
    assert found.price_g_per_s == pytest.approx([0.0, 0.0])


def test_candidates_of_one_node_share_its_time() -> None:
    # Two variants on node 0, one on node 1: the light variant takes all of node 0.
    found = capacity_bound(
        np.array([[4.0, 2.0, 9.0]]),
        np.array([4.0]),
        np.array([[2.0, 1.0, 1.0]]),
        np.array([0, 0, 1]),
        np.array([3.0, 9.0]),
    )
    assert found.served == pytest.approx(np.array([[0.0, 3.0, 1.0]]))
    assert found.carbon_g == pytest.approx(15.0)


@pytest.mark.parametrize("seed", range(8))
def test_prices_equal_finite_differences(seed: int) -> None:
    rng = np.random.default_rng(seed)
    carbon, busy = rng.uniform(1, 10, (3, 4)), rng.uniform(0.5, 2.0, (3, 4))
    count, node = rng.uniform(5, 20, 3), np.arange(4)
    # Between what the best plans would ask of each node and plenty, so that some capacities bind and some do not.
    capacity = rng.uniform(0.3, 1.2, 4) * float((busy.mean(axis=1) * count).sum()) / 2

    def grams(capacity_s: Any) -> float:
        return capacity_bound(carbon, count, busy, node, capacity_s).carbon_g

    price = capacity_bound(carbon, count, busy, node, capacity).price_g_per_s
    assert (price >= 0).all()
    step_s = 1e-3
    for n in range(4):
        more, less = capacity.copy(), capacity.copy()
        more[n] += step_s
        less[n] -= step_s
        gained, lost = grams(capacity) - grams(more), grams(less) - grams(capacity)
        # At a corner the two sides differ and the price lies between them.
        assert gained / step_s - 1e-4 <= price[n] <= lost / step_s + 1e-4


def test_some_of_those_prices_are_not_zero() -> None:
    found = b1([[1.0, 3.0]], [10.0], [[1.0, 1.0]], [6.0, 10.0])
    more = b1([[1.0, 3.0]], [10.0], [[1.0, 1.0]], [6.5, 10.0])
    assert (found.carbon_g - more.carbon_g) / 0.5 == pytest.approx(found.price_g_per_s[0])


@pytest.mark.parametrize(("unit_g", "times"), [(1e-7, 1.0), (1e-12, 1.0), (1e-7, 1e6), (1e6, 1e-3)])
def test_tiny_and_huge_figures_are_solved_as_well(unit_g: float, times: float) -> None:
    found = b1(
        [[1.0 * unit_g, 1.001 * unit_g, 3.0 * unit_g]],
        [10.0 * times],
        [[1.0, 1.0, 1.0]],
        [4.0 * times, 4.0 * times, 9.0 * times],
    )
    assert found.carbon_g == pytest.approx((4.0 + 4.004 + 6.0) * unit_g * times, rel=1e-9)
    assert found.served[0] == pytest.approx(np.array([4.0, 4.0, 2.0]) * times, rel=1e-7)
    assert found.price_g_per_s == pytest.approx(
        np.array([2.0, 1.999, 0.0]) * unit_g, rel=1e-6, abs=1e-9 * unit_g
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("unit_g", [1e-7, 1e-10])
def test_the_bound_does_not_depend_on_the_unit_of_mass(seed: int, unit_g: float) -> None:
    # HiGHS holds prices below 1e-7 for zero; figures of that size are usual for one inference.
    rng = np.random.default_rng(seed)
    carbon, busy = rng.uniform(1, 10, (12, 8)), rng.uniform(0.5, 2.0, (12, 8))
    count, node = rng.uniform(5, 20, 12), np.arange(8)
    capacity = np.full(8, float((busy.mean(axis=1) * count).sum()) / 7)
    plain = capacity_bound(carbon, count, busy, node, capacity)
    small = capacity_bound(carbon * unit_g, count, busy, node, capacity)
    assert small.carbon_g == pytest.approx(plain.carbon_g * unit_g, rel=1e-9)
    assert small.price_g_per_s == pytest.approx(plain.price_g_per_s * unit_g, rel=1e-6)
    assert plain.carbon_g > closed_form_bound(carbon, count) * 1.001


@pytest.mark.parametrize("seed", range(20))
def test_b1_is_never_below_b0(seed: int) -> None:
    rng = np.random.default_rng(seed)
    classes, candidates, nodes = (int(n) for n in rng.integers(1, 6, 3))
    carbon = rng.uniform(1e-7, 1e-5, (classes, candidates))
    carbon[rng.random(carbon.shape) < 0.2] = INF
    carbon[:, 0] = 1e-5
    count, busy = rng.uniform(0, 100, classes), rng.uniform(0.01, 1.0, carbon.shape)
    node = rng.integers(0, nodes, candidates)
    capacity = np.full(nodes, float(count.sum()) * 1.1)
    capacity[1:] *= rng.random(nodes - 1)
    capacity[node[0]] = float(count.sum()) * 1.1
    found = capacity_bound(carbon, count, busy, node, capacity)
    assert found.carbon_g >= closed_form_bound(carbon, count) * (1 - 1e-9)
    assert found.served.sum(axis=1) == pytest.approx(count, rel=1e-6, abs=1e-6)
    used = np.bincount(node, weights=(found.served * busy).sum(axis=0), minlength=nodes)
    assert (used <= capacity * (1 + 1e-6) + 1e-9).all()
    assert (found.served[~np.isfinite(carbon)] == 0.0).all()


def test_too_much_work_is_infeasible() -> None:
    with pytest.raises(Infeasible, match="do not fit into the capacity"):
        b1([[1.0, 3.0]], [17.0], [[1.0, 1.0]], [6.0, 10.0])


def test_a_class_that_nobody_may_serve_is_infeasible_in_both() -> None:
    nobody = [[1.0, 2.0], [INF, INF]]
    with pytest.raises(Infeasible, match="no permitted plan"):
        closed_form_bound(np.array(nobody), np.array([1.0, 1.0]))
    with pytest.raises(Infeasible, match="no permitted plan"):
        b1(nobody, [1.0, 1.0], [[1.0, 1.0]] * 2, [10.0, 10.0])
    with pytest.raises(Infeasible, match="no permitted plan"):
        closed_form_bound(np.empty((1, 0)), np.array([1.0]))


def test_a_class_that_nobody_asked_for_costs_nothing() -> None:
    idle = [[1.0, 2.0], [INF, INF]]
    assert closed_form_bound(np.array(idle), np.array([3.0, 0.0])) == 3.0
    assert b1(idle, [3.0, 0.0], [[1.0, 1.0]] * 2, [10.0, 10.0]).carbon_g == pytest.approx(3.0)
    assert b1([[INF, INF]], [0.0], [[1.0, 1.0]], [10.0, 10.0]).carbon_g == 0.0


def test_a_node_without_any_time_serves_nobody() -> None:
    found = b1([[1.0, 3.0]], [10.0], [[1.0, 1.0]], [0.0, 20.0])
    assert found.carbon_g == pytest.approx(30.0)
    assert found.price_g_per_s == pytest.approx([2.0, 0.0])


def test_free_energy_is_a_bound_of_zero() -> None:
    assert b1([[0.0, 0.0]], [10.0], [[1.0, 1.0]], [6.0, 10.0]).carbon_g == 0.0


def test_a_missing_scipy_is_named_with_its_cure() -> None:
    code = (
        "import sys; sys.modules['scipy'] = sys.modules['scipy.optimize'] = None\n"
        "import numpy as np\n"
        "from gramwise.core.errors import SourceUnavailable\n"
        "from gramwise.optimize.bounds import capacity_bound, closed_form_bound\n"
        "one = np.ones((1, 1))\n"
        "assert closed_form_bound(one, np.ones(1)) == 1.0\n"
        "try:\n    capacity_bound(one, np.ones(1), one, np.zeros(1, int), np.ones(1))\n"
        "except SourceUnavailable as fault:\n    print(fault)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert said == "the LP bound needs SciPy: pip install 'gramwise[plan]'\n"


def test_gap_and_captured_share() -> None:
    assert gap_frac(110.0, 100.0) == pytest.approx(0.1)
    assert gap_frac(100.0, 100.0) == 0.0
    assert captured_frac(530.0, 380.0, 380.0) == 1.0
    assert captured_frac(530.0, 530.0, 380.0) == 0.0
    assert captured_frac(530.0, 620.0, 380.0) == pytest.approx(-0.6)
    assert captured_frac(0.0053, 0.0041, 0.0053 * 380 / 530) == pytest.approx(0.80, abs=0.005)


@pytest.mark.parametrize("bound_g", [None, 0.0])
def test_no_gap_without_a_bound(bound_g: float | None) -> None:
    assert gap_frac(110.0, bound_g) is None


@pytest.mark.parametrize(
    ("baseline_g", "bound_g"),
    [(100.0, None), (100.0, 100.0), (100.0, 100.0 * (1 - 1e-15)), (90.0, 100.0), (0.0, 0.0)],
)
def test_no_share_where_there_is_nothing_to_save(baseline_g: float, bound_g: float | None) -> None:
    assert captured_frac(baseline_g, 95.0, bound_g) is None
