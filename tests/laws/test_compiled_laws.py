"""Laws of the compiler: both forms and the trees agree, bounds are bounds, and the project's own solvers concur."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest

from gramwise.core.errors import Infeasible
from gramwise.optimize.compiled.blackbox import BlackBox
from gramwise.optimize.compiled.carry import placement_problem, slots_problem
from gramwise.optimize.compiled.evaluate import Evaluator
from gramwise.optimize.compiled.instances import clocked, offloading, random_problem
from gramwise.optimize.compiled.milp import compile_milp
from gramwise.optimize.slots import solve_slots
from gramwise.optimize.solvers.convex import box
from gramwise.optimize.solvers.milp import MilpSolver
from gramwise.optimize.typed.bind import Bound, bind
from gramwise.optimize.typed.record import Problem
from gramwise.partition.instances import random_problem as random_placement
from gramwise.partition.problem import evaluate

sys.path.insert(0, str(Path(__file__).parents[1] / "optimize"))


def bound_of(problem: Problem) -> Bound:
    bound, findings = bind(problem)
    assert bound is not None, findings
    return bound


def random_decisions(bound: Bound, count: int, seed: int) -> np.ndarray:
    lower, upper = box(bound)
    points = lower + (upper - lower) * np.random.default_rng(seed).random((count, bound.width))
    whole = np.concatenate([np.full(v.size, v.domain != "real") for v in bound.variables.values()])
    points[:, whole] = np.round(points[:, whole])
    return points


@pytest.mark.parametrize("first", range(0, 60, 10))
def test_the_matrix_and_the_trees_agree_on_grams_and_violations(first: int) -> None:
    for seed in range(first, first + 10):
        bound = bound_of(random_problem(seed))
        points = random_decisions(bound, 20, seed)
        milp, values = compile_milp(bound, simplify=False), Evaluator(bound)(points)
        scale = max(1.0, float(np.abs(values.grams).max()))
        assert np.abs(milp.grams(points) - values.grams).max() <= 1e-9 * scale, seed
        for name, missed in milp.violations(points).items():
            assert np.abs(missed - values.violations[name]).max() <= 1e-9 * scale, (seed, name)
        assert any(v.max() > 0 for v in values.violations.values())


def test_no_kept_decision_is_below_the_bound() -> None:
    judged = 0
    for seed in (1, 7, 9, 13):
        bound = bound_of(random_problem(seed))
        box_ = BlackBox(bound)
        found = MilpSolver().solve(bound, time_limit_s=0.7)
        points = np.concatenate(
            [
                box_.decode(np.random.default_rng(seed).normal(size=(400, box_.dim))),
                random_decisions(bound, 400, seed),
            ]
        )
        values = box_.values(points)
        assert found.bound is not None
        assert (values.grams[values.kept] >= found.bound - 1e-6 * max(1.0, abs(found.bound))).all(), seed
        judged += int(values.kept.sum())
    assert judged > 1000


def test_decoded_decisions_keep_every_row() -> None:
    rng = np.random.default_rng(5)
    for problem in (
        *(offloading(6, 4, s, slack=1.05) for s in range(4)),
        *(random_problem(s, linear=True) for s in range(12)),
        *(clocked(5, 3, s) for s in range(3)),
    ):
        bound = bound_of(problem)
        black = BlackBox(bound)
        raw = np.concatenate(
            [
                rng.normal(size=(40, black.dim)),
                rng.uniform(-1e6, 1e6, (8, black.dim)),
                np.zeros((1, black.dim)),
                np.full((1, black.dim), np.inf),
                np.full((1, black.dim), np.nan),
            ]
        )
        points = black.decode(raw)
        kept = Evaluator(bound)(points).kept
        assert kept.all() if black.fallback is not None else black.missed == (~kept).sum(), problem.meta.id
        lower, upper = box(bound)
        assert ((points >= lower) & (points <= upper)).all()


def test_scores_decide_where_nothing_stands_against_it() -> None:
    bound = bound_of(offloading(5, 3, 1, slack=50.0))
    loose = BlackBox(
        bound_of(
            bound.problem.model_copy(
                update={"constraints": tuple(c for c in bound.problem.constraints if c.name == "one_site")}
            )
        )
    )
    raw = np.random.default_rng(0).normal(size=(30, loose.dim))
    chosen = loose.decode(raw).reshape(30, 5, 3).argmax(axis=2)
    assert (chosen == raw.reshape(30, 5, 3).argmax(axis=2)).all()


def test_assignments_are_best_by_trying_all() -> None:
    for seed in range(6):
        problem = offloading(5, 3, seed, slack=1.1)
        bound = bound_of(problem)
        every = np.array(list(itertools.product(range(3), repeat=5)))
        points = (every[:, :, None] == np.arange(3)).reshape(len(every), -1).astype(float)
        values = Evaluator(bound)(points)
        found = MilpSolver().solve(bound, time_limit_s=10)
        assert found.status == "optimal"
        assert found.grams == pytest.approx(values.grams[values.kept].min(), rel=1e-9)


def test_a_placement_carried_over_has_the_optimum_of_trying_all() -> None:
    feasible = 0
    for seed in range(12):
        p = random_placement(
            ("chain", "series-parallel", "dag")[seed % 3],
            5,
            3,
            seed,
            memory=seed % 2 == 0,
            latency=seed % 4 < 2,
        )
        every = np.array(list(itertools.product(range(p.k), repeat=p.n)))
        costs = evaluate(p, every)
        found = MilpSolver().solve(bound_of(placement_problem(p)), time_limit_s=10)
        if not costs.feasible.any():
            assert found.status == "infeasible"
            continue
        feasible += 1
        assert found.grams == pytest.approx(float(costs.carbon_g[costs.feasible].min()), rel=1e-9), seed
    assert feasible >= 6


def test_a_slot_program_carried_over_has_its_optimum() -> None:
    from test_slots import random_problem as random_slots

    agreed = 0
    for seed in range(15):
        slots, _ = random_slots(seed)
        found = MilpSolver().solve(bound_of(slots_problem(slots)), time_limit_s=10)
        try:
            grams = solve_slots(slots).carbon_g
        except Infeasible:
            assert found.status == "infeasible"
            continue
        agreed += 1
        assert found.grams == pytest.approx(grams, rel=1e-9), seed
    assert agreed >= 8


def test_two_builds_of_highs_agree_on_fifty_models() -> None:
    pytest.importorskip("highspy", reason="highspy is an extra: pip install 'gramwise[solvers]'")
    from gramwise.optimize.solvers.highs import HighsSolver

    solved = 0
    for seed in range(50):
        problem = random_problem(seed, linear=True) if seed % 2 else offloading(6, 4, seed, slack=1.1)
        bound = bound_of(problem)
        one, other = MilpSolver().solve(bound, time_limit_s=10), HighsSolver().solve(bound, time_limit_s=10)
        assert one.status == other.status, seed
        if one.grams is not None:
            solved += 1
            assert other.grams == pytest.approx(one.grams, rel=1e-7, abs=1e-12), seed
    assert solved > 40
