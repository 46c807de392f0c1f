"""Each rule on cases small enough to work out by hand, and against the policy of its name deciding one by one."""

from __future__ import annotations

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest
from fluid_kit import case_from, flow, flows, random_case

from gramwise.core.errors import ConfigError
from gramwise.core.units import J_PER_KWH
from gramwise.optimize.slots import solve_slots
from gramwise.schedule import load_policy
from gramwise.sim.case import Case
from gramwise.sim.fluid import account
from gramwise.sim.foresight import foresee
from gramwise.sim.rules import RULES, check_rule
from gramwise.sim.sweep import ALONE
from gramwise.testing import example_request, example_snapshot


def three_nodes(demand: float) -> Case:
    """Quick and dirty, green but hungry, and thrifty: 1, 2 and 4 s; 60, 40 and 20 g."""
    return case_from(
        [[1.0, 4.0, 1.0]],
        [[1.0, 2.0, 4.0]],
        [[60.0], [10.0], [20.0]],
        [[3600.0], [3600.0], [3600.0]],
        [[demand]],
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("fastest", [3600.0, 400.0, 0.0]),
        ("greenest-zone", [1300.0, 1800.0, 900.0]),
        ("grams", [1300.0, 1800.0, 900.0]),
        ("round-robin", [4000 / 3, 4000 / 3, 900.0]),
    ],
)
def test_order_of_the_nodes(name: str, expected: list[float]) -> None:
    done = flow(three_nodes(4000.0), name)
    assert done.served[0, :, 0] == pytest.approx(expected)
    assert done.unserved.sum() == pytest.approx(4000.0 - sum(expected))


def test_first_choice_under_little_load() -> None:
    chosen = {name: done.served[0, :, 0].argmax() for name, done in flows(three_nodes(90.0)).items()}
    assert chosen["fastest"] == 0
    assert chosen["greenest-zone"] == 1
    for name in ("grams", "shadow-price", "fractions", "two-choices", "lyapunov", "predictive", "threshold"):
        assert chosen[name] == 2, name
    assert flow(three_nodes(90.0), "round-robin").served[0, :, 0] == pytest.approx([30.0] * 3)


@pytest.mark.parametrize("name", ["fastest", "greenest-zone", "grams"])
def test_fluid_does_what_the_policy_does_one_by_one(name: str) -> None:
    """Requests of one class come one after another; a node whose time is used up has a queue beyond the deadline."""
    for seed in range(6):
        snapshot = dataclasses.replace(
            example_snapshot(4, seed), backlog_s=np.zeros(4), slots=np.ones(4, np.int64)
        )
        table, policy = snapshot.plans, load_policy(name)
        request = dataclasses.replace(example_request(), deadline_s=1.0, accuracy_floor_frac=None)
        room = np.full(4, 40 * float(np.median(table.latency_s)))
        left, counts = room.copy(), np.zeros(len(table.node))
        while counts.sum() < 110:
            full = left < table.latency_s[np.argsort(table.node)]
            now = dataclasses.replace(snapshot, backlog_s=np.where(full, 1e3, 0.0))
            row = policy.decide(request, now).row
            if row < 0:
                break
            counts[row] += 1
            left[table.node[row]] -= table.latency_s[row]
        g = (snapshot.intensity_g_per_kwh * snapshot.pue / J_PER_KWH)[:, None]
        intensity = (snapshot.intensity_g_per_kwh / J_PER_KWH)[:, None]
        case = case_from(
            table.energy_j[None], table.latency_s[None], g, room[:, None], [[counts.sum()]], node=table.node,
            latency_s=(table.fixed_s + table.latency_s)[None],
            known=(intensity if name == "greenest-zone" else g)[:, :, None],
        )  # fmt: skip
        # The last request of a node may not fit as a whole: one on each side.
        assert flow(case, name).served[0, :, 0] == pytest.approx(counts, abs=2.0), (name, seed)


def test_fractions_meet_the_optimum_where_all_is_known() -> None:
    for seed in range(8):
        rng = np.random.default_rng(seed)
        case = random_case(rng, waits=False).known_perfectly()
        bound = solve_slots(case.problem(), shed=True)
        if not bound.unserved.any():
            for name in ("fractions", "predictive"):
                assert account(case, flow(case, name)).carbon_g == pytest.approx(bound.carbon_g, rel=1e-6), (
                    name,
                    seed,
                )


def test_two_choices_prefers_the_better_of_two_draws() -> None:
    case = three_nodes(900.0 / 0.45)
    # The program sends 900 of 2000 to the thrifty node and the rest to the green one.
    share = 900.0 / 2000.0
    served = flow(case, "two-choices").served[0, :, 0]
    best = 2000.0 * (1.0 - (1.0 - share) ** 2)
    assert served == pytest.approx([0.0, 2000.0 - min(best, 900.0), min(best, 900.0)])
    # With more room nothing spills, and the probability shows: 1 - (1 - s)^2 of the draws.
    roomy = dataclasses.replace(case, fixed=case.fixed / 10.0)
    assert flow(roomy, "two-choices").served[0, :, 0] == pytest.approx([0.0, 200.0 - best / 10, best / 10])


def test_prices_of_the_hour_decide() -> None:
    # Two classes want the clean node, which has not even time for the second, that gains more by it.
    case = case_from(
        [[1.0, 2.0], [1.0, 9.0]], [[1.0, 1.0], [1.0, 1.0]], [[1.0] * 3] * 2, [[2700.0] * 3, [9000.0] * 3],
        [[3000.0] * 3, [3000.0] * 3],
    )  # fmt: skip
    served = flow(case, "shadow-price").served
    assert served[:, 0] == pytest.approx(np.array([[0.0] * 3, [2700.0] * 3]))
    assert flow(case, "grams").served[:, 0, 0] == pytest.approx([1350.0, 1350.0])  # what no price tells apart


def test_lyapunov_finds_the_split_of_the_program() -> None:
    case = case_from(
        [[1.0, 2.0], [1.0, 9.0]], [[1.0, 1.0], [1.0, 1.0]], [[1.0] * 2] * 2, [[3600.0] * 2, [9000.0] * 2],
        [[3000.0] * 2, [3000.0] * 2],
    )  # fmt: skip
    best = solve_slots(case.problem()).carbon_g
    assert account(case, flow(case, "lyapunov")).carbon_g == pytest.approx(best, rel=0.02)
    assert account(case, flow(case, "grams")).carbon_g > 1.5 * best


def test_before_anything_is_known_the_soonest_serves() -> None:
    case = dataclasses.replace(three_nodes(90.0), known_g_per_j=np.full((3, 1, 1), math.nan))
    for name, done in flows(case).items():
        expected = [30.0] * 3 if name == "round-robin" else [90.0, 0.0, 0.0]
        assert done.served[0, :, 0] == pytest.approx(expected), name
        assert not done.unserved.any(), name


def foreseen_case(intensity: np.ndarray, rng: np.random.Generator, how: str) -> Case:
    """A case of these intensities, with what was foreseen of them made as the sweep makes it."""
    table = SimpleNamespace(forecast_error_frac=0.0, seed=0)
    known = foresee(intensity, 0.0, how, table, 6)  # type: ignore[arg-type]
    hours = intensity.shape[1]
    energy, busy = rng.uniform(1.0, 5.0, (2, 3)), rng.uniform(0.5, 1.5, (2, 3))
    rate = rng.uniform(500.0, 2000.0, (2, hours))
    return case_from(
        energy,
        busy,
        intensity / J_PER_KWH,
        3600.0,
        rate,
        waiting=0.3 * rate,
        window=[3, 2],
        known=known / J_PER_KWH,
    )


@pytest.mark.parametrize("how", ["own", "persistence", "seasonal-naive"])
def test_nobody_sees_what_is_to_come(how: str) -> None:
    hours, at = 80, 42
    truth = np.random.default_rng(1).uniform(50.0, 600.0, (3, hours))
    other = truth.copy()
    other[:, at:] = np.random.default_rng(2).uniform(50.0, 600.0, (3, hours - at))
    one, two = (foreseen_case(each, np.random.default_rng(3), how) for each in (truth, other))
    ours, theirs = flows(one), flows(two)
    for name, done in ours.items():
        # What is decided in hour t rests on hours before it: the first difference may come one hour later.
        assert theirs[name].served[:, :, : at + 1] == pytest.approx(done.served[:, :, : at + 1], abs=1e-6), (
            name
        )
        blind = name in ("round-robin", "fastest")
        assert (np.abs(theirs[name].served - done.served).max() > 1.0) != blind, name


def test_nobody_sees_requests_to_come() -> None:
    case = foreseen_case(
        np.random.default_rng(1).uniform(50.0, 600.0, (3, 40)), np.random.default_rng(3), "own"
    )
    more = case.fixed.copy()
    more[:, 21:] *= 1.7
    ours, theirs = flows(case), flows(dataclasses.replace(case, fixed=more))
    for name, done in ours.items():
        assert theirs[name].served[:, :, :21] == pytest.approx(done.served[:, :, :21], abs=1e-6), name


def test_perfect_knowledge_is_the_truth_and_no_more() -> None:
    case = foreseen_case(
        np.random.default_rng(1).uniform(50.0, 600.0, (3, 30)), np.random.default_rng(3), "own"
    )
    knows = case.known_perfectly()
    assert knows.forecast == "perfect"
    for t, h in ((0, 0), (5, 3), (29, 0)):
        assert knows.known_g_per_j[:, t, h] == pytest.approx(case.g_per_j[:, t + h])
    assert knows.known_g_per_j[:, 29, 5] == pytest.approx(case.g_per_j[:, 29])
    with_a_gap = dataclasses.replace(case, g_per_j=np.where(np.arange(30) == 7, np.nan, case.g_per_j))
    assert with_a_gap.known_perfectly().known_g_per_j[:, 7, 0] == pytest.approx(case.g_per_j[:, 6])


def test_a_name_that_is_none() -> None:
    with pytest.raises(ConfigError, match=r"fluid model has no policy 'fractons'.*fractions"):
        check_rule("fractons", ALONE)
    check_rule("fractions")
    check_rule("k-search", ALONE)
    with pytest.raises(ConfigError):
        check_rule("k-search")
    assert not set(RULES) & set(ALONE)
