"""The compiler against arithmetic by hand: values, subscripts, rewrites, closed forms."""

from __future__ import annotations

import math
import sys
from collections import Counter
from typing import Any

import numpy as np
import pytest

from gramwise.optimize.compiled.affine import ground
from gramwise.optimize.compiled.evaluate import Evaluator, evaluate
from gramwise.optimize.compiled.instances import clocked, offloading, param
from gramwise.optimize.compiled.milp import compile_milp
from gramwise.optimize.compiled.solution import flat, nested
from gramwise.optimize.compiled.structure import structure
from gramwise.optimize.solvers.milp import MilpSolver
from gramwise.optimize.typed.bind import Bound, bind
from gramwise.optimize.typed.findings import Refused
from gramwise.optimize.typed.record import Constraint, Meta, Objective, Problem, SetDecl, Variable


def bound_of(expr: str, *, variables: Any = (), params: Any = (), rows: Any = (), sets: Any = ()) -> Bound:
    """A problem of its parts; rows are (name, forall, lhs, rel, rhs)."""
    constraints = [
        Constraint(name=n, kind="other", forall=f, lhs=left, rel=rel, rhs=right)
        for n, f, left, rel, right in rows
    ]
    bound, findings = bind(
        Problem(
            meta=Meta(id="made"),
            sets=sets,
            params=params,
            variables=variables,
            objective=Objective(expr=expr),
            constraints=tuple(constraints),
        )
    )
    assert bound is not None, findings
    return bound


def real(name: str, low: float, high: float, *index: str, unit: str = "1") -> Variable:
    return Variable(name=name, index=index, domain="real", lower=low, upper=high, unit=unit)


def binary(name: str, *index: str) -> Variable:
    return Variable(name=name, index=index, domain="binary", lower=0, upper=1)


def test_grams_of_energy_are_kilowatt_hours_times_intensity() -> None:
    bound = bound_of(
        "P*t*CI",
        variables=(real("t", 0, 10, unit="h"),),
        params=(param("P", 2.0, "kW"), param("CI", 300.0, "gCO2e/kWh")),
    )
    decision = flat(bound, {"t": 3.0})
    assert decision[0] == 3 * 3600
    assert evaluate(bound, decision).grams[0] == pytest.approx(2 * 3 * 300)
    assert nested(bound, decision) == {"t": pytest.approx(3.0)}


def test_decibels_become_factors_of_their_reference() -> None:
    bound = bound_of(
        "t*db_to_linear(P - loss)*CI",
        variables=(real("t", 0, 1, unit="s"),),
        params=(param("P", 30.0, "dBm"), param("loss", 10.0, "dB"), param("CI", 1.0, "gCO2e/J")),
    )
    assert evaluate(bound, np.ones(1)).grams[0] == pytest.approx(0.1)  # 20 dBm is 0.1 W
    assert compile_milp(bound).grams(np.ones((1, 1)))[0] == pytest.approx(0.1)


def test_violations_are_the_worst_row_in_base_units() -> None:
    bound = bound_of(
        "0*sum(a in A) y[a]",
        sets=(SetDecl(name="A", size=3),),
        variables=(real("y", 0, 100, "A", unit="min"),),
        params=(param("limit", [1.0, 2.0, 3.0], "min", "A"),),
        rows=[("soon", "a in A", "y[a]", "<=", "limit[a]")],
    )
    values = evaluate(bound, np.array([[90.0, 60.0, 300.0], [60.0, 120.0, 180.0]]))
    assert values.violations["soon"].tolist() == [120.0, 0.0]
    assert values.kept.tolist() == [False, True]


def test_conditions_and_shifted_subscripts() -> None:
    bound = bound_of(
        "sum(t in T where t > 1) abs(y[t] - y[t-1])*k[t]",
        sets=(SetDecl(name="T", size=4, ordered=True),),
        variables=(real("y", 0, 9, "T"),),
        params=(param("k", [5.0, 1.0, 10.0, 100.0], "1", "T"),),
    )
    assert evaluate(bound, np.array([1.0, 3.0, 2.0, 2.5])).grams[0] == pytest.approx(2 + 10 + 50)


def test_a_subscript_outside_its_set_is_refused() -> None:
    bound = bound_of(
        "sum(t in T) y[t-1]",
        sets=(SetDecl(name="T", size=4, ordered=True),),
        variables=(real("y", 0, 9, "T"),),
    )
    with pytest.raises(Refused, match="no finite number") as refused:
        ground(bound)
    assert refused.value.code == "E704"
    assert math.isnan(evaluate(bound, np.ones(4)).grams[0])


def test_a_division_by_nothing_is_refused() -> None:
    bound = bound_of("y/z", variables=(real("y", 0, 1),), params=(param("z", 0.0),))
    with pytest.raises(Refused) as refused:
        ground(bound)
    assert refused.value.code == "E704"


def test_pieces_between_unused_elements_do_not_matter() -> None:
    bound = bound_of(
        "sum(a in A where r[a]) y[a]/r[a]",
        sets=(SetDecl(name="A", size=2),),
        variables=(real("y", 0, 1, "A"),),
        params=(param("r", [0.0, 2.0], "1", "A"),),
    )
    assert ground(bound).objective.val.tolist() == [0.5]


@pytest.mark.parametrize(
    ("expr", "best"),
    [
        ("max(y, 3) - y/2", 1.5),
        ("abs(y - 2.5) + 1", 1.0),
        ("4 - min(y, 3)", 1.0),
        ("5 - abs(y - 1)", 2.0),  # wrong way round: needs a binary
        ("max(3 - max(y, 1), 0) + y/4", 0.75),
        ("x*y - 3*x - y/10", -3.0),
        ("x*w - x - w + 1 + y", 0.0),
        ("y^2 - 2*y", -1.0),
        ("exp(y) - 2*y", 2 - 2 * math.log(2)),
        ("1/y + y", 2.0),
        ("y - 2*ln(y)", 2 - 2 * math.log(2)),
        ("y*y - 6*y + 10", 1.0),
        ("3 - x*w*y", -1.0),
        ("abs(abs(y - 2) - 1) + abs(y - 3) + 1", 1.0),
        ("(1 + y)/(2 + x)", 1 / 3),
        ("y^1.5 - y + 1", 1 - 4 / 27),
    ],
)
def test_rewrites_give_the_optimum_that_calculus_gives(expr: str, best: float) -> None:
    low = 0.1 if "/y" in expr or "ln" in expr else 0.0
    bound = bound_of(expr, variables=(real("y", low, 4.0), binary("x"), binary("w")))
    found = MilpSolver().solve(bound, time_limit_s=5)
    assert found.grams == pytest.approx(best, abs=2e-4)
    assert found.bound is not None
    assert found.bound <= best + 1e-6
    assert found.gap_frac is None or found.gap_frac < 1e-3


def test_rewrites_say_whether_they_are_exact() -> None:
    assert structure(bound_of("y", variables=(real("y", 0, 1),))).kind == "LP"
    assert structure(bound_of("y*x", variables=(real("y", -1, 1), binary("x")))).kind == "MILP"
    assert structure(bound_of("y^2", variables=(real("y", -1, 1),))).kind == "convex"
    assert structure(bound_of("y^2*x", variables=(real("y", -1, 1), binary("x")))).kind == "mixed convex"
    bent = structure(bound_of("0 - y^2", variables=(real("y", -1, 1),)))
    assert (bent.kind, bent.exact) == ("non-convex", False)
    assert "off by at most" in bent.relaxed[0]
    two = structure(bound_of("y*z", variables=(real("y", -1, 1), real("z", -1, 1))))
    assert two.written == ("bilinear",)
    assert not two.exact


def test_a_product_of_two_reals_is_only_bounded() -> None:
    bound = bound_of("y*z + 1", variables=(real("y", -1, 2), real("z", -3, 1)))
    found = MilpSolver().solve(bound, time_limit_s=5)
    assert found.bound == pytest.approx(-5.0)
    assert found.grams == pytest.approx(-5.0)  # at a corner the envelope is exact
    assert found.status == "optimal"


def test_the_least_clock_is_worked_out() -> None:
    bound, _ = bind(clocked(6, 4, 3))
    assert bound is not None
    found = MilpSolver().solve(bound, time_limit_s=10)
    assert found.status == "optimal"
    assert any("least value that their deadline permits" in note for note in found.rewrites)
    d = found.decision
    values = {p.name: np.asarray(p.values) for p in bound.problem.params}
    for j in range(6):
        s = int(np.argmax(d["x"][j]))
        wait_s = values["remote"][s] * values["D"][j] / values["rate"][s]
        assert d["f"][j][s] == pytest.approx(values["W"][j] / (values["L"] - wait_s), rel=1e-9)
    fixed, _ = bind(offloading(6, 4, 3))
    assert fixed is not None
    full = MilpSolver().solve(fixed, time_limit_s=10)
    assert full.grams is not None
    assert found.grams is not None
    assert found.grams < full.grams  # slower clocks than the fixed ones are cheaper


def test_a_clock_that_also_stands_alone_is_left_in() -> None:
    problem = clocked(3, 3, 0)
    shared = Constraint(
        name="shared",
        kind="capacity",
        forall="s in SITE",
        lhs="sum(j in JOB) f[j,s]",
        rel="<=",
        rhs="3*fmax[s]",
    )
    bound, findings = bind(problem.model_copy(update={"constraints": (*problem.constraints, shared)}))
    assert bound is not None, findings
    milp = compile_milp(bound)
    assert not len(milp.eliminated.column)


def test_compiling_takes_as_many_steps_for_a_large_problem_as_for_a_small_one() -> None:
    def calls(jobs: int, sites: int) -> int:
        bound, _ = bind(offloading(jobs, sites, 0))
        assert bound is not None
        seen: Counter[str] = Counter()
        sys.setprofile(lambda frame, event, arg: seen.update([event]))
        try:
            compile_milp(bound)
        finally:
            sys.setprofile(None)
        return seen["call"]

    calls(3, 2)  # what is cached once
    assert calls(200, 20) <= 1.1 * calls(6, 4)  # 167 times the scalars: no tree is walked once for each


def test_derived_terms_can_be_read_at_a_decision() -> None:
    bound, _ = bind(offloading(3, 2, 0))
    assert bound is not None
    table = Evaluator(bound).derived("t_tx", np.zeros(6))
    assert table.shape == (3, 2)
    assert (table[:, 0] == 0).all()
    assert (table[:, 1] > 0).all()
