"""Solvers: known optima, time limits, prices, routing, and refusals."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from test_compiled_forms import binary, bound_of, real

from gramwise.core.errors import SourceUnavailable
from gramwise.optimize.compiled.instances import clocked, offloading, param, random_problem
from gramwise.optimize.compiled.solution import flat
from gramwise.optimize.solvers.auto import AutoSolver
from gramwise.optimize.solvers.cmaes import CmaesSolver
from gramwise.optimize.solvers.convex import ConvexSolver, kkt_residual
from gramwise.optimize.solvers.highs import HighsSolver
from gramwise.optimize.solvers.local import LocalSolver
from gramwise.optimize.solvers.milp import MilpSolver
from gramwise.optimize.solvers.prices import with_prices
from gramwise.optimize.typed.bind import Bound, bind
from gramwise.optimize.typed.findings import Refused
from gramwise.optimize.typed.record import Problem, Variable


def bound(problem: Problem) -> Bound:
    made, findings = bind(problem)
    assert made is not None, findings
    return made


def test_the_same_problem_gives_the_same_answer_twice() -> None:
    one, other = (MilpSolver().solve(bound(offloading(8, 4, 2)), time_limit_s=10) for _ in range(2))
    assert one.decision == other.decision
    assert one.status == "optimal"
    assert one.gap_frac == pytest.approx(0.0, abs=1e-12)
    assert one.document()["versions"]["scipy"]


def test_a_solution_can_be_read_back() -> None:
    made = bound(clocked(4, 3, 1))
    found = MilpSolver().solve(made, time_limit_s=10)
    assert found.point is not None
    np.testing.assert_allclose(flat(made, found.decision), found.point, rtol=1e-12)


def test_no_time_gives_no_proof() -> None:
    found = MilpSolver().solve(bound(offloading(60, 10, 0, slack=1.02)), time_limit_s=0.02)
    assert found.status in ("time_limit", "feasible")
    assert found.status == "time_limit" or (found.gap_frac is not None and found.gap_frac > 0)


def test_small_things_are_not_lost_in_tolerances() -> None:
    """Micrograms among microgram differences: HiGHS's tolerances are absolute."""
    made = bound_of("1e-9*(3*x + 2*w + 2.001*z)", variables=(binary("x"), binary("w"), binary("z")),
                    rows=[("some", "", "x + w + z", ">=", "1")])  # fmt: skip
    found = MilpSolver().solve(made, time_limit_s=5)
    assert found.decision == {"x": 0.0, "w": 1.0, "z": 0.0}
    assert found.grams == pytest.approx(2e-9)


def test_prices_of_a_linear_program_are_its_duals() -> None:
    made = bound_of(
        "3*y + 5*z",
        variables=(real("y", 0, 10), real("z", 0, 10)),
        params=(param("need", 6.0), param("room", 4.0)),
        rows=[
            ("need_", "", "y + z", ">=", "need"),
            ("room_", "", "y", "<=", "room"),
            ("far", "", "z", "<=", "9"),
        ],
    )
    found = with_prices(made, MilpSolver().solve(made, time_limit_s=5))
    assert found.grams == pytest.approx(22.0)
    assert found.prices == {
        "need_": pytest.approx(5.0),
        "room_": pytest.approx(2.0),
        "far": pytest.approx(0.0),
    }


def test_prices_of_whole_programs_come_from_solving_again() -> None:
    made = bound_of(
        "100 - 7*n",
        variables=(Variable(name="n", domain="integer", lower=0, upper=200),),
        params=(param("room", 10.0),),
        rows=[("room_", "", "n/10", "<=", "room")],
    )
    found = with_prices(made, MilpSolver().solve(made, time_limit_s=5))
    assert found.prices["room_"] == pytest.approx(70.0)  # 1 % of 10 is one more n, worth 7 grams
    assert "1%" in found.price_notes["room_"]


def test_auto_says_why() -> None:
    exact = AutoSolver().solve(bound(offloading(6, 4, 0)), time_limit_s=5)
    assert exact.rewrites[0].startswith("milp: every term is linear")
    bent = bound_of("0 - y^2 - z^2 + 2*y*z", variables=(real("y", 0, 3), real("z", -1, 2)))
    found = AutoSolver().solve(bent, time_limit_s=4)
    assert found.grams == pytest.approx(-16.0, abs=1e-6)
    assert found.bound is not None
    assert found.bound <= -16.0 + 1e-6
    assert found.status in ("feasible", "optimal")


def test_convex_finds_a_point_that_keeps_kkt() -> None:
    made = bound_of(
        "y^2 + z^2 + exp(y - z)",
        variables=(real("y", -3, 3), real("z", -3, 3)),
        rows=[("sum", "", "y + z", ">=", "1")],
    )
    found = ConvexSolver().solve(made, time_limit_s=10)
    assert found.point is not None
    assert kkt_residual(made, found.point) < 1e-4
    assert kkt_residual(made, np.array([1.0, 0.0])) > 1e-2
    exact = MilpSolver().solve(made, time_limit_s=10)
    assert exact.grams == pytest.approx(found.grams, rel=1e-6)
    inside = bound_of("(y - 1)^2 + 2", variables=(real("y", -3, 3),))
    free = ConvexSolver().solve(inside, time_limit_s=10)
    assert free.grams == pytest.approx(2.0)
    assert free.point is not None
    assert kkt_residual(inside, free.point) < 1e-4
    with pytest.raises(Refused, match="all real"):
        ConvexSolver().solve(bound(offloading(3, 2, 0)))


def test_local_search_comes_close_to_the_optimum_and_starts_where_told() -> None:
    made = bound(offloading(8, 4, 4, slack=1.1))
    exact = MilpSolver().solve(made, time_limit_s=10)
    found = LocalSolver(starts=16).solve(made, time_limit_s=3, seed=1)
    assert exact.grams is not None
    assert found.grams is not None
    assert found.status == "feasible"
    assert exact.grams <= found.grams * (1 + 1e-9)
    assert found.grams <= 1.02 * exact.grams
    told = LocalSolver(starts=1).solve(made, time_limit_s=1, start=exact.point)
    assert told.grams == pytest.approx(exact.grams, rel=1e-12)


def test_cmaes_improves_on_its_first_guess() -> None:
    made = bound(random_problem(6))
    if find_spec("cma") is None:
        with pytest.raises(SourceUnavailable, match="pip install 'gramwise"):
            CmaesSolver().solve(made)
        return
    few, many = (CmaesSolver(evaluations=n).solve(made, time_limit_s=5) for n in (1, 1500))
    assert few.grams is not None
    assert many.grams is not None
    assert many.grams < few.grams


def test_highspy_starts_warm_or_says_how_to_get_it() -> None:
    made = bound(offloading(8, 4, 3, slack=1.1))
    if find_spec("highspy") is None:
        with pytest.raises(SourceUnavailable, match="pip install 'gramwise"):
            HighsSolver().solve(made)
        return
    cold = HighsSolver().solve(made, time_limit_s=10)
    warm = HighsSolver().solve(made, time_limit_s=10, start=cold.point)
    assert warm.status == "optimal"
    assert warm.grams == pytest.approx(cold.grams, rel=1e-9)


def test_highspy_refuses_to_load_beside_ortools(tmp_path: Path) -> None:
    (tmp_path / "ortools.py").write_text("")
    program = (
        "import ortools\n"
        "from gramwise.core.errors import SolverError\n"
        "from gramwise.optimize.solvers.highs import _highspy\n"
        "try:\n    _highspy()\nexcept SolverError as fault:\n    print(fault)\n"
    )
    source = Path(__file__).parents[2] / "src"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{source}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "OR-tools is loaded" in done.stdout
