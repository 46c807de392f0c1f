"""The dialogue: what is missing is asked, answers carry their number, and what is not known stays open."""

from __future__ import annotations

import pytest

from gramwise.optimize.words.dialogue import MOST_TRIES, Turn, next_turn
from gramwise.optimize.words.formulator import Answer
from gramwise.optimize.words.offline import OfflineFormulator

TEXT = (
    "Two jobs run at home or in the cloud. Each job uses 2 kWh. "
    "The grid at home emits 400 g/kWh. Minimise emissions."
)


@pytest.fixture(scope="module")
def formulator() -> OfflineFormulator:
    return OfflineFormulator()


def say(formulator: OfflineFormulator, *words: str) -> Turn:
    """The turn after these answers, each given to the question that was open then."""
    answers: list[Answer] = []
    for word in words:
        question = next_turn(TEXT, answers, formulator).question
        assert question is not None
        answers.append(Answer(question=question.id, about=question.about, text=word))
    return next_turn(TEXT, answers, formulator)


def test_an_answer_with_another_unit_of_the_same_kind_completes_the_problem(
    formulator: OfflineFormulator,
) -> None:
    turn = say(formulator, "0.1 kg/kWh")
    assert turn.over
    assert turn.draft.status == "formulated"
    assert turn.draft.problem is not None
    ci = next(p for p in turn.draft.problem.params if p.name == "CI")
    assert ci.values == (400.0, 100.0)
    assert ci.source[1] == "answer:1"


def test_a_bare_number_is_in_the_unit_of_the_question(formulator: OfflineFormulator) -> None:
    problem = say(formulator, "60").draft.problem
    assert problem is not None
    assert next(p for p in problem.params if p.name == "CI").values == (400.0, 60.0)


def test_an_answer_of_another_kind_is_named_and_asked_again(formulator: OfflineFormulator) -> None:
    turn = say(formulator, "5 kWh")
    assert turn.question is not None
    assert "gCO2e/kWh" in turn.note


def test_what_is_not_known_stays_open(formulator: OfflineFormulator) -> None:
    turn = say(formulator, "I don't know")
    assert turn.over
    assert turn.draft.status == "needs_input"
    assert turn.note.startswith("It stays open")


def test_it_does_not_ask_for_ever(formulator: OfflineFormulator) -> None:
    turn = say(formulator, *["twelve blorps"] * MOST_TRIES)
    assert turn.over
    assert turn.draft.status == "needs_input"
