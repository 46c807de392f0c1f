"""B2 of a case: in order with B1 and with policies on nodes that are always on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fluid_kit import case_from

from gramwise.core.units import J_PER_KWH, S_PER_HOUR
from gramwise.fleet.scenario import load_scenario
from gramwise.optimize.onoff import solve_onoff, span
from gramwise.optimize.slots import solve_slots
from gramwise.sim.case import Case, case_of
from gramwise.sim.fluid import account
from gramwise.sim.rules import RULES, view_of
from gramwise.sim.switching import b2_of_case, onoff_of

YEAR = Path(__file__).resolve().parents[2] / "examples" / "year.toml"


def drawn(seed: int, *, wait: int = 0) -> Case:
    """Two classes, four nodes, six hours; the nodes idle at up to 2 W and serve a request with up to 3 J."""
    rng = np.random.default_rng(seed)
    classes, nodes, hours = 2, 4, 6
    g_per_j = rng.uniform(50, 600, (nodes, hours)) / J_PER_KWH
    came = rng.uniform(0.5, 1.0, (classes, hours)) * nodes * S_PER_HOUR * 0.2
    share = 0.4 if wait else 0.0
    idle_w = rng.uniform(0.2, 2.0, nodes)
    return case_from(
        rng.uniform(0.5, 3.0, (classes, nodes)),
        rng.uniform(0.5, 1.0, (classes, nodes)),
        g_per_j,
        S_PER_HOUR,
        came * (1.0 - share),
        waiting=came * share,
        window=np.full(classes, wait),
        idle_g=float((idle_w[:, None] * S_PER_HOUR * g_per_j).sum()),
        idle_w=idle_w,
    )


def b2(case: Case) -> float:
    found = b2_of_case(case, gap_frac=1e-9)
    assert found is not None
    return found


@pytest.mark.parametrize("seed", range(4))
def test_hours_are_solved_one_by_one(seed: int) -> None:
    case = drawn(seed)
    assert case.idle_w is not None
    problem = onoff_of(case.problem(), case.idle_w)
    alone = [solve_onoff(span(problem, t, t + 1)).carbon_g for t in range(case.hours)]
    assert b2(case) == pytest.approx(sum(alone), rel=1e-5)
    assert problem.idle_g.sum() == pytest.approx(case.idle_g)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", ["fastest", "grams", "fractions"])
def test_no_policy_with_nodes_always_on_is_below(seed: int, name: str) -> None:
    case = drawn(seed)
    rule, solved = RULES[name]
    done = account(case, rule(view_of(case, solved=solved)))
    assert done.unserved == 0.0
    assert case.idle_g is not None
    b1_g = solve_slots(case.problem()).carbon_g
    assert b1_g < b2(case) < done.carbon_g + case.idle_g


@pytest.mark.parametrize("seed", range(4))
def test_with_waiting_it_is_a_bound_between_b1_and_the_whole_program(seed: int) -> None:
    case = drawn(seed, wait=2)
    assert case.idle_w is not None
    whole = solve_onoff(onoff_of(case.problem(), case.idle_w)).carbon_g
    assert solve_slots(case.problem()).carbon_g < b2(case) <= whole * (1 + 1e-6)
    assert b2(case) < b2(replace(drawn(seed), idle_w=case.idle_w)) * (1 + 1e-6)


def test_an_unknown_idle_power_leaves_it_unknown() -> None:
    assert b2_of_case(replace(drawn(0), idle_w=None)) is None


def test_hours_that_are_left_out_cost_nothing() -> None:
    case = drawn(1)
    gone = np.arange(case.hours) == 2
    keep = {name: getattr(case, name) * ~gone for name in ("fixed", "waiting", "capacity_s")}
    dark = case.g_per_j.copy()
    dark[1, 2] = np.nan
    holed = replace(case, missing=gone, g_per_j=dark, **keep)
    assert case.idle_w is not None
    third = solve_onoff(span(onoff_of(case.problem(), case.idle_w), 2, 3)).carbon_g
    assert b2(holed) == pytest.approx(b2(case) - third, rel=1e-5)


def test_an_hour_with_too_much_work_gives_up_as_little_as_b1() -> None:
    case = drawn(2)
    crowded = case.fixed.copy()
    crowded[:, 3] *= 5.0
    full = replace(case, fixed=crowded)
    found = solve_slots(full.problem(), shed=True)
    assert found.unserved[:, 3].sum() > 0
    assert case.idle_g is not None
    assert found.carbon_g < b2(full) < found.carbon_g + case.idle_g


def test_a_scenarios_idle_power_comes_from_its_devices() -> None:
    case = case_of(load_scenario(YEAR))
    assert case.idle_w is not None
    assert case.idle_w.shape == (len(case.nodes),)
    assert (case.idle_w > 0).all()
    assert float(np.nansum(case.idle_w[:, None] * S_PER_HOUR * case.g_per_j)) == pytest.approx(case.idle_g)
