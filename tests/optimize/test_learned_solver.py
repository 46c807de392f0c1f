"""The diffusion solver on typed problems: beside the proven optimum, within its time, and refused in words."""

from __future__ import annotations

import numpy as np
import pytest

from gramwise.core.errors import ConfigError
from gramwise.optimize.compiled.instances import offloading, random_problem
from gramwise.optimize.solvers.diffusion import DiffusionSolver
from gramwise.optimize.solvers.milp import MilpSolver
from gramwise.optimize.typed.bind import Bound, bind
from gramwise.optimize.typed.record import Problem


def test_it_comes_near_the_proven_optimum_and_keeps_every_row() -> None:
    bound = bound_of(offloading(6, 4, 1))
    exact = MilpSolver().solve(bound, time_limit_s=10)
    found = DiffusionSolver(rounds=15).solve(bound, time_limit_s=60, seed=0)
    assert exact.status == "optimal"
    assert exact.grams is not None
    assert found.grams is not None
    assert found.status == "feasible"
    assert not found.violations
    assert exact.grams * (1 - 1e-6) <= found.grams <= 1.01 * exact.grams
    assert "took" in found.rewrites[0]
    assert found.cpu_s > 0


def test_same_seed_same_answer() -> None:
    bound = bound_of(random_problem(3))
    first, second = (DiffusionSolver(rounds=3).solve(bound, time_limit_s=60, seed=5) for _ in range(2))
    assert first.grams == second.grams
    assert np.array_equal(first.point, second.point)  # type: ignore[arg-type]


def test_a_good_start_is_never_lost() -> None:
    bound = bound_of(offloading(6, 4, 2))
    exact = MilpSolver().solve(bound, time_limit_s=10)
    found = DiffusionSolver(rounds=1).solve(bound, time_limit_s=5, start=exact.point)
    assert found.grams == pytest.approx(exact.grams, rel=1e-9)


def test_the_time_limit_holds() -> None:
    bound = bound_of(offloading(12, 5, 0))
    found = DiffusionSolver(rounds=10_000).solve(bound, time_limit_s=1.0)  # minutes, if nothing stopped it
    assert int(found.rewrites[0].split(" rounds")[0]) < 10_000


def test_a_problem_that_is_too_wide_is_refused_in_words() -> None:
    with pytest.raises(ConfigError, match="up to 4000 scalar variables, not 4005"):
        DiffusionSolver().solve(bound_of(offloading(801, 5, 0)), time_limit_s=1.0)


def bound_of(problem: Problem) -> Bound:
    """The problem with its data, which must be whole."""
    bound, findings = bind(problem)
    assert bound is not None, findings
    return bound
