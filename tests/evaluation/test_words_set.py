"""The set of descriptions: whole, frozen, sound; and the equivalence test tells the same from the different."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from evaluation.words.build.exact import simplex  # noqa: E402
from evaluation.words.build.freeze import build  # noqa: E402
from evaluation.words.build.marks import read  # noqa: E402
from evaluation.words.equivalence import equivalent, fingerprint  # noqa: E402
from evaluation.words.mutants import KINDS, corrupt  # noqa: E402
from evaluation.words.run import load  # noqa: E402
from evaluation.words.scores import score, slots  # noqa: E402

from gramwise.optimize.solvers.milp import MilpSolver  # noqa: E402
from gramwise.optimize.typed.bind import bind  # noqa: E402
from gramwise.optimize.typed.record import Problem, Question  # noqa: E402
from gramwise.optimize.typed.validate import validate  # noqa: E402
from gramwise.optimize.words.formulator import Draft  # noqa: E402

ITEMS: list[dict[str, Any]] = [*load("dev"), *load("used"), *load("test")]
SOLVABLE = [d for d in ITEMS if d["truth"]]
SMALL = next(d for d in SOLVABLE if d["id"] == "dev-01-1")


def truth(item: dict[str, Any]) -> Problem:
    return Problem.model_validate(item["truth"])


def test_the_split_is_even() -> None:
    assert Counter(d["id"].split("-")[0] for d in ITEMS) == {"dev": 60, "used": 60, "test": 60}
    by_class = Counter((d["id"][:3], d["class"]) for d in ITEMS)
    for half in ("dev", "use", "tes"):
        assert [by_class[half, k] for k in ("plain", "long", "mixed", "under", "contradictory", "out")] == [
            24,
            12,
            6,
            6,
            6,
            6,
        ]
    assert set(Counter(d["family"] for d in ITEMS).values()) == {15}
    assert max(Counter(d["level"] for d in ITEMS).values()) <= 75


def test_texts_are_plain_and_distinct() -> None:
    assert len({d["text"] for d in ITEMS}) == 180
    assert not [d["id"] for d in ITEMS if set("{}") & set(d["text"])]


def test_the_files_are_what_the_builders_make() -> None:
    assert json.loads(json.dumps(build("dev"))) == load("dev")


@pytest.mark.parametrize("item", ITEMS[::3], ids=lambda d: d["id"])
def test_every_status_comes_with_what_it_needs(item: dict[str, Any]) -> None:
    assert (item["truth"] is not None) == (item["status"] == "formulated")
    assert bool(item["questions"]) == (item["status"] == "needs_input")
    assert bool(item["conflict"]) == (item["status"] == "contradiction")
    assert bool(item["why"]) == (item["status"] in ("contradiction", "out_of_scope"))


def test_truths_pass_the_validator() -> None:
    alarms = {d["id"] for d in SOLVABLE if any(f.blocks for f in validate(truth(d), text=d["text"]).findings)}
    # Two sentences leave out a unit that another number gives; the validator then reads a neighbour's.
    assert alarms <= {"used-02-3", "used-08-4"}


@pytest.mark.parametrize("item", SOLVABLE[1::6], ids=lambda d: d["id"])
def test_the_package_finds_the_enumerated_optimum(item: dict[str, Any]) -> None:
    bound, findings = bind(truth(item))
    assert bound is not None, findings
    solution = MilpSolver().solve(bound)
    assert solution.status == "optimal"
    assert solution.grams == pytest.approx(item["optimum_g"], rel=1e-6)


def test_names_and_order_do_not_matter() -> None:
    problem = truth(SMALL)
    document = problem.document()
    document["constraints"].reverse()
    document["sets"].reverse()
    for variable in document["variables"]:
        variable["name"] = "placed"
    other = Problem.model_validate_json(json.dumps(document).replace("x[j,s]", "placed[j,s]"))
    assert other != problem
    verdict = equivalent(problem, other, kept=[tuple(k) for k in SMALL["kept"]], draws=5)
    assert verdict.same
    assert verdict.decisions
    assert verdict.same_region
    assert fingerprint(problem) == fingerprint(other)


def test_the_same_optimum_by_chance_is_not_the_same_problem() -> None:
    problem = truth(SMALL)
    fixed = next(p for p in problem.params if p.name == "ci")
    # the same figures, each cited from another place: equal on the text's numbers, different on any others
    turned = fixed.model_copy(update={"source": tuple(reversed(fixed.source))})
    other = problem.model_copy(update={"params": tuple(turned if p is fixed else p for p in problem.params)})
    assert bind(other)[0] is not None
    assert not equivalent(problem, other, draws=5).same


@pytest.mark.parametrize("kind", ["drop", "flip", "unit_3600", "unit_prefix", "index"])
def test_faults_are_noticed(kind: str) -> None:
    mutant = corrupt(truth(SMALL), kind, np.random.default_rng(3))
    assert mutant is not None
    verdict = equivalent(truth(SMALL), mutant, kept=[tuple(k) for k in SMALL["kept"]], draws=5)
    # What never binds at an optimum shows only in what is feasible.
    assert not verdict.same or verdict.same_region is False


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_corrupted_problem_is_another_record(kind: str) -> None:
    mutant = corrupt(truth(SMALL), kind, np.random.default_rng(1))
    assert mutant is not None
    assert mutant.digest() != truth(SMALL).digest()


def test_a_perfect_draft_has_perfect_marks() -> None:
    made = score(SMALL, Draft(status="formulated", problem=truth(SMALL)))
    assert made.verdict is not None
    assert made.verdict.same
    assert made.slots == (15, 15, 15)
    assert made.used == 1.0
    assert (made.unit_errors, made.invented, made.questions) == (0, 0, 0)


def test_a_wrong_label_costs_its_slots() -> None:
    problem = truth(SMALL)
    sites = next(s for s in problem.sets if s.name == "SITE")
    turned = sites.model_copy(update={"labels": (sites.labels or ())[::-1]})
    other = problem.model_copy(update={"sets": tuple(turned if s is sites else s for s in problem.sets)})
    made = score(SMALL, Draft(status="formulated", problem=other))
    assert made.slots == (5, 15, 15)
    assert len(slots(other)) == 15


def test_the_question_must_be_about_the_missing_thing() -> None:
    item = next(d for d in ITEMS if d["id"] == "dev-10-4")
    right = Question(id="q1", about="cap", text="How much memory does the node have?", unit="GB")
    wrong = Question(id="q1", about="ci", text="How clean is the memory's grid?", unit="gCO2e/kWh")
    assert score(item, Draft(status="needs_input", questions=(right,))).hit
    assert not score(item, Draft(status="needs_input", questions=(wrong,))).hit


def test_marks_leave_the_text_and_keep_the_place() -> None:
    marked = read("A {e=1.5||kWh} kWh, B {e=900|0.9} Wh.")
    assert marked.text == "A 1.5 kWh, B 900 Wh.\n"
    assert [marked.text[a:b] for a, b in marked.spans["e"]] == ["1.5", "900"]
    assert marked.base("e", 2) == [5.4e6, 3.24e6]


def test_the_rational_simplex() -> None:
    # max 3x + 5y, x <= 4, 2y <= 12, 3x + 2y <= 18: the textbook's 36 at (2, 6)
    rows = [([1, 0], "<=", 4), ([0, 2], "<=", 12), ([3, 2], "<=", 18)]
    assert simplex([-3, -5], rows) == -36
    assert simplex([1, 1], [([1, 1], "<=", 1), ([1, 0], ">=", 2)]) is None
    with pytest.raises(ArithmeticError):
        simplex([-1.0], [([1.0], ">=", 0.0)])
