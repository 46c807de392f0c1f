"""A problem that the validator blocks is not solved: it is told in plain words, and asked about where that helps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from gramwise.optimize.typed.record import Param, Problem
from gramwise.optimize.typed.validate import validate
from gramwise.optimize.words.formulator import Answer, Draft
from gramwise.runtime.words import Guarded, plan_from_words

TEXT = "Two jobs take 40 Wh each. Each runs in Oslo at 30 g/kWh or in Brno at 480 g/kWh."


def problem(energy: float, source: str, unit: str = "Wh") -> Problem:
    """Jobs to sites, with an energy that somebody claims to have read."""
    at = [f"text:{TEXT.index(word)}-{TEXT.index(word) + len(word)}" for word in ("30 g/kWh", "480 g/kWh")]
    return Problem.model_validate(
        {
            "meta": {"id": "two", "family": "assignment"},
            "sets": [{"name": "JOB", "size": 2, "source": "text:0-3"}, {"name": "SITE", "labels": ["Oslo", "Brno"]}],
            "params": [
                {"name": "e", "text": "energy of a job", "unit": unit, "values": energy, "source": source},
                {"name": "ci", "index": ["SITE"], "unit": "gCO2e/kWh", "values": [30, 480], "source": at},
            ],
            "variables": [{"name": "x", "index": ["JOB", "SITE"], "domain": "binary", "lower": 0, "upper": 1}],
            "objective": {"expr": "sum(j in JOB, s in SITE) x[j,s]*e*ci[s]"},
            "constraints": [
                {"name": "once", "kind": "logic", "forall": "j in JOB", "lhs": "sum(s in SITE) x[j,s]", "rel": "==",
                 "rhs": "1"}
            ],
        }
    )  # fmt: skip


class Careless:
    """Formulates one problem whatever is said, until the energy is answered."""

    name, version = "careless", "1"

    def __init__(self, made: Problem) -> None:
        self.made = made

    def formulate(self, text: str, answers: Sequence[Answer] = ()) -> Draft:
        """The problem, with what the validator says of it."""
        said = [a.text for a in answers]
        made = self.made
        if said:
            mended = Param.model_validate({**made.params[0].model_dump(), "source": f"answer:{len(said)}"})
            made = made.model_copy(update={"params": (mended, *made.params[1:])})
        findings = validate(made, text=text, answers=said).findings
        return Draft(status="formulated", family="family.assignment", problem=made, findings=findings)


E40 = f"text:{TEXT.index('40 Wh')}-{TEXT.index('40 Wh') + 5}"


def test_a_sound_problem_is_solved() -> None:
    found = plan_from_words(TEXT, formulator=Careless(problem(40, E40)))
    assert (found["status"], found["questions"]) == ("solved", [])
    assert found["solution"]["objective_g"] == pytest.approx(2 * 0.040 * 30)


@pytest.mark.parametrize(
    ("energy", "source", "unit", "code", "words"),
    [
        (41, E40, "Wh", "E401", "41 Wh"),
        (40, E40, "kWh", "E401", "40 kWh"),
        (40, "", "Wh", "E401", "no source"),
        (40, E40, "gCO2e", "E303", "Objective"),
    ],
)
def test_a_blocked_one_is_not(energy: float, source: str, unit: str, code: str, words: str) -> None:
    found = plan_from_words(TEXT, formulator=Careless(problem(energy, source, unit)))
    assert (found["status"], found["solution"]) == ("needs_input", None)
    assert code in found["codes"]
    assert words in found["reason"]
    assert found["problem"] is not None  # what was understood is still shown


def test_what_is_asked_can_be_answered() -> None:
    asked = []

    def answer(question: object) -> str:
        asked.append(question)
        return "It is 41 Wh."

    careless = Careless(problem(41, E40))
    found = plan_from_words(TEXT, formulator=careless, answer=answer)
    assert [q["about"] for q in asked] == ["e"]  # type: ignore[index]
    assert found["status"] == "solved"
    assert found["solution"]["objective_g"] == pytest.approx(2 * 0.041 * 30)


def test_another_status_stays() -> None:
    class Clashing(Careless):
        def formulate(self, text: str, answers: Sequence[Answer] = ()) -> Draft:
            return replace(super().formulate(text, answers), status="contradiction", reason="both")

    draft = Guarded(Clashing(problem(41, E40))).formulate(TEXT)
    assert (draft.status, draft.reason, draft.questions) == ("contradiction", "both", ())
