"""Why nothing fits, in words; and when an optimum says nothing."""

from __future__ import annotations

import numpy as np
import pytest
from test_compiled_forms import binary, bound_of, real

from gramwise.optimize.compiled.feasible import misses
from gramwise.optimize.compiled.instances import offloading, param
from gramwise.optimize.compiled.milp import compile_milp
from gramwise.optimize.compiled.validate_more import check_solvable
from gramwise.optimize.solvers.milp import MilpSolver
from gramwise.optimize.typed.bind import bind
from gramwise.optimize.typed.record import SetDecl


def codes(bound: object) -> list[str]:
    return [f.code for f in check_solvable(bound)]  # type: ignore[arg-type]


def test_a_deadline_that_cannot_be_met_is_named_with_its_amount() -> None:
    bound = bound_of(
        "sum(j in JOB) y[j]",
        sets=(SetDecl(name="JOB", labels=("ads", "mail", "cam")),),
        variables=(real("y", 0, 10, "JOB"),),
        params=(param("need", [1.0, 2.0, 2.4], "s", "JOB"), param("L", 2.0, "s")),
        rows=[("deadline", "j in JOB", "need[j] + 0*y[j]*L", "<=", "L")],
    )
    (finding,) = check_solvable(bound)
    assert finding.code == "E801"
    assert "deadline for j = cam is missed by 0.4 s at best" in finding.message
    assert "ads" not in finding.message
    assert MilpSolver().solve(bound, time_limit_s=5).status == "infeasible"


def test_the_smallest_set_is_left_when_rows_compete() -> None:
    bound = bound_of(
        "y",
        variables=(real("y", 0, 10, unit="h"),),
        params=(param("a", 3.0, "h"), param("b", 5.0, "h"), param("c", 9.0, "h")),
        rows=[("most", "", "y", "<=", "a"), ("least", "", "y", ">=", "b"), ("loose", "", "y", "<=", "c")],
    )
    missed = misses(compile_milp(bound))
    assert missed is not None
    assert len(missed) == 1
    assert missed[0].constraint in ("most", "least")
    assert missed[0].amount == pytest.approx(2 * 3600)
    assert "2 h" in missed[0].text


def test_capacity_is_told_in_its_own_unit() -> None:
    problem = offloading(6, 3, 0)
    tight = tuple(
        p.model_copy(update={"values": tuple(v / 4 for v in p.values)}) if p.name == "cap" else p  # type: ignore[union-attr]
        for p in problem.params
    )
    bound, _ = bind(problem.model_copy(update={"params": tight}))
    assert bound is not None
    (finding,) = check_solvable(bound)
    assert finding.code == "E801"
    assert "Mcycle at best" in finding.message
    assert "one_site" not in finding.message


def test_nothing_is_missed_where_all_can_be_kept() -> None:
    bound, _ = bind(offloading(5, 3, 0))
    assert bound is not None
    assert misses(compile_milp(bound)) is None
    assert "E801" not in codes(bound)


def test_a_problem_that_is_not_linear_is_never_called_infeasible_without_proof() -> None:
    bound = bound_of(
        "y + z",
        variables=(real("y", 0, 1), real("z", 0, 1)),
        rows=[("round", "", "y*z", ">=", "0.24"), ("sum", "", "y + z", "<=", "0.96")],
    )
    assert codes(bound) == ["W803"]  # the envelope permits it, the product (at most 0.2304) does not
    assert MilpSolver().solve(bound, time_limit_s=5).status == "no_feasible_found"


def test_only_one_decision_fits() -> None:
    bound = bound_of(
        "sum(a in A) x[a]*c[a]",
        sets=(SetDecl(name="A", size=3),),
        variables=(binary("x", "A"),),
        params=(param("c", [1.0, 2.0, 3.0], "gCO2e", "A"),),
        rows=[("all", "", "sum(a in A) x[a]", ">=", "3")],
    )
    assert "W802" in codes(bound)


def test_doing_nothing_is_best() -> None:
    bound = bound_of(
        "sum(a in A) x[a]*c[a]",
        sets=(SetDecl(name="A", size=3),),
        variables=(binary("x", "A"),),
        params=(param("c", [1.0, 2.0, 3.0], "gCO2e", "A"),),
        rows=[("room", "", "sum(a in A) x[a]", "<=", "2")],
    )
    assert "W901" in codes(bound)
    assert "W902" in codes(bound)


def test_a_real_choice_draws_no_remark() -> None:
    for seed in range(4):
        bound, _ = bind(offloading(6, 4, seed))
        assert bound is not None
        assert codes(bound) == []


def test_grams_without_end_are_told() -> None:
    bound = bound_of("0 - y", variables=(real("y", 0, 1e9),))
    assert "E702" not in codes(bound)
    assert np.isfinite(MilpSolver().solve(bound, time_limit_s=5).grams or np.nan)
