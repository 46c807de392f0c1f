"""How flows fill nodes: against a model of one hour written with plain loops, and by hand."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import pytest
from fluid_kit import case_from, flow, random_case

from gramwise.optimize.slots import solve_slots
from gramwise.sim.case import Case
from gramwise.sim.fluid import Flow, account, fill, fractions_of, grams, split


def fill_an_hour(
    score: list[list[float]], demand: list[float], case: Case, room: list[float]
) -> tuple[dict[tuple[int, int], float], list[float], list[float]]:
    """`fill` of one hour, in plain Python."""
    order = [
        [p for p in sorted(range(len(row)), key=row.__getitem__) if math.isfinite(row[p])] for row in score
    ]
    left, room, served = list(demand), list(room), defaultdict[tuple[int, int], float](float)
    for turn in range(max(map(len, order), default=0)):
        offers = {k: ways[turn] for k, ways in enumerate(order) if turn < len(ways)}
        need = defaultdict[int, float](float)
        for k, p in offers.items():
            need[int(case.node[p])] += left[k] * case.busy_s[k, p]
        share = {n: min(1.0, room[n] / s) if s > 0 else 1.0 for n, s in need.items()}
        for k, p in offers.items():
            given = left[k] * share[int(case.node[p])]
            served[k, p] += given
            left[k] -= given
        for n, s in need.items():
            room[n] = max(0.0, room[n] - s * share[n])
    return dict(served), left, room


def test_filling_is_what_plain_loops_do() -> None:
    spilled = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        case = random_case(rng, waits=False)
        score = np.where(
            np.isfinite(case.energy_j)[:, :, None], rng.random((*case.energy_j.shape, case.hours)), np.inf
        )
        demand = 2.0 * case.fixed
        served, left, room = fill(score, demand, case, case.capacity_s)
        for t in range(case.hours):
            row, rest, empty = fill_an_hour(
                score[:, :, t].tolist(), demand[:, t].tolist(), case, case.capacity_s[:, t].tolist()
            )
            spilled += len(row)
            for (k, p), n in row.items():
                assert served[k, p, t] == pytest.approx(n, rel=1e-9, abs=1e-7)
            assert left[:, t] == pytest.approx(rest, rel=1e-9, abs=1e-7)
            assert room[:, t] == pytest.approx(empty, rel=1e-9, abs=1e-6)
    assert spilled > 300


def test_two_classes_share_a_full_node_by_what_they_offer() -> None:
    case = case_from(
        [[1.0, 2.0], [1.0, 2.0]], [[1.0, 1.0], [3.0, 1.0]], [[1.0], [1.0]], 3600.0, [[0.0], [0.0]]
    )
    score, demand = np.array([[[1.0], [2.0]], [[1.0], [2.0]]]), np.array([[1800.0], [1800.0]])
    # 1800 x 1 s and 1800 x 3 s are offered to 3600 s: half of each is taken.
    served, left, room = fill(score, demand, case, case.capacity_s)
    assert served[:, :, 0].tolist() == [[900.0, 900.0], [900.0, 900.0]]
    assert not left.any()
    assert room[:, 0].tolist() == [0.0, 1800.0]


def test_shares_are_kept_and_the_rest_spills() -> None:
    case = case_from([[1.0, 1.0, 1.0]], [[1.0] * 3], [[1.0]] * 3, [[100.0], [100.0], [50.0]], [[0.0]])
    shares, score = np.array([[[0.75], [0.25], [0.0]]]), np.array([[[1.0], [3.0], [2.0]]])
    served, unserved, room = split(shares, score, np.array([[160.0]]), case, case.capacity_s)
    # 120 and 40 are wanted; 20 too many go to the third, which has the lower score of those with room.
    assert served[0, :, 0] == pytest.approx([100.0, 40.0, 20.0])
    assert not unserved.any()
    assert room[:, 0] == pytest.approx([0.0, 60.0, 30.0])
    served, unserved, room = split(shares, score, np.array([[300.0]]), case, case.capacity_s)
    assert served[0, :, 0] == pytest.approx([100.0, 100.0, 50.0])
    assert unserved[0, 0] == pytest.approx(50.0)
    assert not room.any()


def test_nothing_asked_and_nothing_given() -> None:
    case = case_from(
        [[1.0, 2.0]], [[1.0, 1.0]], [[1.0, 1.0], [1.0, 1.0]], [[0.0, 5.0], [0.0, 5.0]], [[4.0, 0.0]]
    )
    served, left, _ = fill(grams(case, case.g_per_j), case.fixed, case, case.capacity_s)
    assert not served.any()
    assert left.tolist() == [[4.0, 0.0]]
    assert not fractions_of(served).any()
    shares = np.zeros((1, 2, 2))
    assert split(shares, grams(case, case.g_per_j), case.fixed, case, case.capacity_s)[1].tolist() == [
        [4.0, 0.0]
    ]


def test_unknown_intensity_is_never_the_best() -> None:
    case = case_from([[1.0, 5.0]], [[1.0, 1.0]], [[math.nan], [2.0]], 3600.0, [[10.0]])
    assert grams(case, case.g_per_j)[0, :, 0].tolist() == [math.inf, 10.0]
    assert flow(case, "grams").served[0, :, 0].tolist() == [0.0, 10.0]


def test_forbidden_at_zero_grams_is_still_forbidden() -> None:
    case = case_from([[math.inf, 5.0]], [[1.0, 1.0]], [[0.0], [2.0]], 3600.0, [[10.0]])
    for name in (
        "grams",
        "greenest-zone",
        "fractions",
        "predictive",
        "round-robin",
        "lyapunov",
        "two-choices",
    ):
        assert flow(case, name).served[0, :, 0] == pytest.approx([0.0, 10.0]), name


def test_account_by_hand() -> None:
    case = case_from(
        [[2.0, 3.0]], [[10.0, 20.0]], [[1.0, 4.0], [5.0, 6.0]], 100.0, [[4.0, 2.0]], waiting=[[3.0, 0.0]], window=[1],
        accuracy_frac=np.array([0.9, 0.6]),
    )  # fmt: skip
    done = Flow(
        served=np.array([[[4.0, 3.0], [0.0, 1.0]]]),
        unserved=np.array([[0.0, 1.0]]),
        started=np.array([[0.0, 3.0]]),
    )
    sums = account(case, done)
    # Hour 0: 4 x 2 J x 1; hour 1: 3 x 2 J x 4 and 1 x 3 J x 6.
    assert sums.carbon_g == pytest.approx(8 + 24 + 18)
    assert (sums.requests, sums.unserved, sums.deferred) == (9.0, 1.0, 3.0)
    assert sums.late_frac == pytest.approx(1 / 9)
    assert sums.accuracy_frac == pytest.approx((7 * 0.9 + 1 * 0.6) / 8)
    assert dict(sums.accuracy_by_class) == {"class0": sums.accuracy_frac}
    assert sums.load == pytest.approx(np.array([[0.4, 0.3], [0.0, 0.2]]))
    # Three of the five of hour 1 had come in hour 0, and all of an hour cost the same.
    assert sums.booked_g == pytest.approx([8 + 42 * 3 / 5, 42 * 2 / 5])


def test_accuracy_of_what_was_served_only() -> None:
    case = case_from(
        [[2.0, 3.0]], [[1.0, 1.0]], [[1.0], [5.0]], 100.0, [[4.0]], accuracy_frac=np.array([0.9, math.nan])
    )
    first = Flow(served=np.array([[[4.0], [0.0]]]), unserved=np.zeros((1, 1)), started=np.zeros((1, 1)))
    both = Flow(served=np.array([[[3.0], [1.0]]]), unserved=np.zeros((1, 1)), started=np.zeros((1, 1)))
    none = Flow(served=np.zeros((1, 2, 1)), unserved=np.full((1, 1), 4.0), started=np.zeros((1, 1)))
    assert account(case, first).accuracy_frac == pytest.approx(0.9)
    assert account(case, both).accuracy_frac is None
    assert account(case, none).accuracy_frac is None


def test_work_is_booked_in_the_order_it_came() -> None:
    # Hour by hour 5 and 5 come, 0, 2 and 8 start: the two are from hour 0, of the eight three are.
    case = case_from(
        [[1.0]], [[1.0]], [[1.0, 10.0, 100.0]], 99.0, [[0.0] * 3], waiting=[[5.0, 5.0, 0.0]], window=[2]
    )
    done = Flow(
        served=np.array([[[0.0, 2.0, 8.0]]]), unserved=np.zeros((1, 3)), started=np.array([[0.0, 2.0, 8.0]])
    )
    sums = account(case, done)
    assert sums.booked_g == pytest.approx([2 * 10 + 3 * 100, 5 * 100, 0])
    assert sums.deferred == pytest.approx(10.0)


def test_one_class_filled_by_grams_is_the_optimum() -> None:
    # Greedy is optimal for one class of equal service times: the fluid form meets the program exactly.
    for seed in range(10):
        rng = np.random.default_rng(seed)
        g, busy = rng.uniform(1.0, 9.0, (4, 6)), np.full((1, 4), 2.0)
        case = case_from(rng.uniform(1.0, 5.0, (1, 4)), busy, g, 3600.0, rng.uniform(1000.0, 6500.0, (1, 6)))
        assert account(case, flow(case, "grams")).carbon_g == pytest.approx(
            solve_slots(case.problem()).carbon_g, rel=1e-9
        )
