"""What is not solved: statements that exclude each other, numbers that found no place, figures that repeat others."""

from __future__ import annotations

import pytest

from gramwise.optimize.words.excluded import excluding
from gramwise.optimize.words.formulator import Answer, Draft
from gramwise.optimize.words.offline import OfflineFormulator
from gramwise.optimize.words.reading import read
from gramwise.optimize.words.restated import without_restated


@pytest.fixture(scope="module")
def formulator() -> OfflineFormulator:
    return OfflineFormulator()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Five clients, A, B, C and D, may train at least CO2.", "lists 4"),
        ("The level must never be above 4 kWh and never below 6 kWh.", "at least 6 kWh"),
        ("Model A has to be kept, says the auditor. Model A must not be kept. Model B may be.", "forbids"),
        ("It must go through Ada's computer, and they must not go through Ada's computer.", "forbids"),
    ],
)
def test_words_that_exclude_each_other(text: str, words: str) -> None:
    assert words in " ".join(c.message for c in excluding(read(text)))


@pytest.mark.parametrize(
    "text",
    [
        "Four clients, A, B, C and D, may train; at least two clients must.",
        "Three of the clients A, B, C and D train.",
        "The level must never be below 4 kWh and never above 6 kWh.",
        "Charge at least 6 kWh in all. The battery holds at most 4 kWh.",
        "Model A must be kept. Model B must not be kept.",
        "Job A must run in Lyon and job B must not run in Lyon.",
        "It must run in Lyon. It must not run in Oslo.",
    ],
)
def test_words_that_go_together(text: str) -> None:
    assert excluding(read(text)) == []


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("A job needs 0.5 kWh (that is 1.8 MJ) at 90 g/kWh.", [0.5, 90.0]),
        ("The memory has 3 GB (3000 MB).", [3.0]),
        ("It gets 150 requests per second, about 540,000 an hour.", [150.0]),
        ("A takes 1 kWh and B takes 2 kWh, so 3 kWh in all.", [1.0, 2.0]),
        ("A job needs 0.5 kWh (that is 1.9 MJ).", [0.5, 1.9]),
        ("The laptop takes 2 kWh or 3 kWh.", [2.0, 3.0]),
        ("A takes 1 kWh and B takes 2 kWh, at most 3 kWh in all.", [1.0, 2.0, 3.0]),
    ],
)
def test_what_is_said_again_is_no_second_quantity(text: str, kept: list[float]) -> None:
    assert [f.value for f in without_restated(read(text)).figures if f.unit] == kept


JOBS = (
    "Two jobs, the scan and the report, run each either in Hall One or in Hall Two. The scan uses 2 kWh, the report "
    "3 kWh, wherever it runs. The grid emits 50 g/kWh in Hall One and 400 g/kWh in Hall Two.{more} Least CO2, please."
)


def asked(draft: Draft) -> str:
    return " ".join(q.text for q in draft.questions)


@pytest.mark.parametrize(
    ("more", "status", "words"),
    [
        ("", "formulated", ""),
        (" Hall One can take one job.", "formulated", ""),
        (" Hall One's grid emits 70 g/kWh.", "contradiction", "two values"),
        (" The cooling draws 12 W.", "needs_input", "'12 W'"),
        (" The scan needs 4 blorps.", "formulated", ""),
        (" Last year the grid emitted 90 g/kWh.", "formulated", ""),
        (" The manager earns 4000 EUR and walks 3 km.", "formulated", ""),
    ],
)
def test_a_number_that_was_meant_is_not_left_out(
    formulator: OfflineFormulator, more: str, status: str, words: str
) -> None:
    draft = formulator.formulate(JOBS.format(more=more))
    assert draft.status == status, draft
    assert words in draft.reason + asked(draft)


def test_a_number_that_does_not_matter_can_be_waived(formulator: OfflineFormulator) -> None:
    text = JOBS.format(more=" The cooling draws 12 W.")
    questions = formulator.formulate(text).questions
    answers = [Answer(question=q.id, about=q.about, text="ignore it") for q in questions]
    assert formulator.formulate(text, answers).status == "formulated"
    vague = [Answer(question=q.id, about=q.about, text="hm") for q in questions]
    assert formulator.formulate(text, vague).status == "needs_input"


def test_a_unit_that_nobody_knows_is_asked_for(formulator: OfflineFormulator) -> None:
    draft = formulator.formulate(JOBS.format(more="").replace("2 kWh", "2 blorps per job"))
    assert draft.status == "needs_input"
    assert "blorps" in asked(draft)
