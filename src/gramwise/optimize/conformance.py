"""A check for solvers of typed problems: small assignments whose optimum is found by trying everything."""

from __future__ import annotations

import itertools

import numpy as np

from .compiled.evaluate import Evaluator
from .compiled.solution import Solution, Solver
from .typed.bind import Bound, bind
from .typed.findings import Refused
from .typed.record import Problem

JOBS, SITES = 4, 3
_SLACK = 1e-6


def check_solver(solver: Solver, *, seeds: int = 4, time_limit_s: float = 5.0) -> None:
    """Assert what every solver must keep to, on small assignments with room for few, one of them without any answer.

    Asked are: grams and violations that the evaluator finds too; a feasible decision where it says so; a bound that no
    decision beats; the optimum where it says ``optimal``; ``infeasible`` only where nothing keeps the limits; the
    same answer for the same seed.

    Args:
        solver: an instance.
        seeds: random problems.
        time_limit_s: of each.

    Raises:
        AssertionError: says on which problem which rule is broken.
    """
    answered = 0
    for seed in range(seeds):
        for room in (2, 1):
            bound = example_problem(seed, room)
            try:
                found = solver.solve(bound, time_limit_s=time_limit_s, seed=seed)
            except Refused:
                continue  # a form that it does not suit, said in words
            answered += 1
            _check(bound, found, f"example_problem({seed}, {room})")
            again = solver.solve(bound, time_limit_s=time_limit_s, seed=seed)
            assert again.grams == found.grams, f"two answers to example_problem({seed}, {room}) with one seed"
    assert answered, "it refused all of the example problems"


def example_problem(seed: int, room: int) -> Bound:
    """Four jobs on three sites, ``room`` on each: invented figures; with room for one each nothing is feasible."""
    rng = np.random.default_rng(seed)
    params = [
        {
            "name": "E",
            "index": ["JOB", "SITE"],
            "unit": "kJ",
            "values": rng.uniform(1, 9, (JOBS, SITES)).tolist(),
        },
        {
            "name": "CI",
            "index": ["SITE"],
            "unit": "gCO2e/kWh",
            "values": rng.uniform(20, 700, SITES).tolist(),
        },
        {"name": "room", "values": float(room)},
    ]
    problem = Problem.model_validate(
        {
            "meta": {"id": "example"},
            "sets": [{"name": "JOB", "size": JOBS}, {"name": "SITE", "size": SITES}],
            "params": params,
            "variables": [
                {"name": "x", "index": ["JOB", "SITE"], "domain": "binary", "lower": 0, "upper": 1}
            ],
            "objective": {"expr": "sum(j in JOB, s in SITE) x[j,s]*E[j,s]*CI[s]"},
            "constraints": [
                _row("one", "logic", "j in JOB", "sum(s in SITE) x[j,s]", "==", "1"),
                _row("few", "capacity", "s in SITE", "sum(j in JOB) x[j,s]", "<=", "room"),
            ],
        }
    )
    bound, findings = bind(problem)
    assert bound is not None, findings
    return bound


def _row(name: str, kind: str, forall: str, lhs: str, rel: str, rhs: str) -> dict[str, str]:
    return {"name": name, "kind": kind, "forall": forall, "lhs": lhs, "rel": rel, "rhs": rhs}


def _check(bound: Bound, found: Solution, where: str) -> None:
    choices = np.array(list(itertools.product(range(SITES), repeat=JOBS)))
    values = Evaluator(bound)(np.eye(SITES)[choices].reshape(len(choices), -1))
    feasible = values.grams[values.kept]
    if found.status == "infeasible":
        assert not len(feasible), f"{where} has an answer, and it says there is none"
    if found.point is None:
        assert found.status not in ("optimal", "feasible"), f"{where}: {found.status}, and no decision"
        return
    truth = Evaluator(bound)(found.point[None])
    assert found.grams is not None, f"{where}: a decision without grams"
    assert abs(found.grams - truth.grams[0]) <= _SLACK * abs(truth.grams[0]), (
        f"{where}: grams are not the evaluator's"
    )
    if found.status in ("optimal", "feasible"):
        assert truth.kept[0], f"{where}: {found.status}, and limits are missed: {found.violations}"
        least = feasible.min()
        assert found.bound is None or found.bound <= least * (1 + _SLACK), (
            f"{where}: a decision beats the bound"
        )
        assert found.status != "optimal" or found.grams <= least * (1 + _SLACK), f"{where}: not the optimum"
