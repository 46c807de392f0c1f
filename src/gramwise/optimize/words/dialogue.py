"""Asking for what is missing: a pure function from the text and the answers so far to the next question.

Nothing is kept between turns, so a caller only collects answers in order and calls again; the same text and answers
give the same turn. "I don't know" leaves a thing open, and where a card has a sourced figure it is offered by name,
to be taken by saying "default". The dialogue ends formulated, declined, or with what stays open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gramwise.optimize.knowledge.base import Base, shipped
from gramwise.optimize.typed.record import Question

from .answers import hear
from .formulator import Answer, Draft, Formulator

MOST_TRIES = 3
"""How often one thing is asked before it is left open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Where a dialogue stands.

    Attributes:
        draft: what the formulator makes of the text and the answers so far.
        question: what to ask now; None where the dialogue is over.
        note: about the last answer, for the person: that it cannot be used and why, or that a figure may stand in.
    """

    draft: Draft
    question: Question | None = None
    note: str = ""

    @property
    def over(self) -> bool:
        """Whether nothing is left to ask."""
        return self.question is None


def next_turn(text: str, answers: Sequence[Answer], formulator: Formulator, base: Base | None = None) -> Turn:
    """The next question, and a word about the last answer.

    Args:
        text: the description.
        answers: so far, in order; each carries the id and the symbol of the question that it answers.
        formulator: who drafts.
        base: cards, for sourced defaults; the shipped ones where None.

    Raises:
        ConfigError, SourceUnavailable: as the formulator's.
    """
    draft = formulator.formulate(text, answers)
    if draft.status != "needs_input":
        return Turn(draft=draft)
    cards = base if base is not None else shipped()
    for question in draft.questions:
        tries = [a for a in answers if a.about == question.about]
        if not tries:
            return Turn(draft=draft, question=question, note=_note(answers, draft, cards))
        if len(tries) < MOST_TRIES and _worth_asking_again(tries, question, cards):
            return Turn(draft=draft, question=question, note=_note(answers, draft, cards))
    return Turn(draft=draft, note=_note(answers, draft, cards))


def _worth_asking_again(tries: Sequence[Answer], question: Question, cards: Base) -> bool:
    """After an answer that could not be used; and once after "I don't know" where a figure can be offered."""
    last = hear(tries[-1], question.unit)
    if not last.unknown:
        return True
    return _offer(question.about, cards) != "" and sum(hear(a, question.unit).unknown for a in tries) == 1


def _note(answers: Sequence[Answer], draft: Draft, cards: Base) -> str:
    if not answers:
        return ""
    last = answers[-1]
    open_now = next((q for q in draft.questions if q.about == last.about), None)
    if open_now is None:
        return ""
    heard = hear(last, open_now.unit)
    if heard.unknown:
        offered = _offer(last.about, cards)
        return f"It stays open. {offered}".strip()
    return heard.note or next(
        (f.message for f in draft.findings if f.code == "W405" and last.about in f.where), ""
    )


def _offer(about: str, cards: Base) -> str:
    """The sourced figure of a card, in words; empty where none has one."""
    symbol = cards.symbols.get(about)
    if symbol is None or symbol.default is None:
        return ""
    unit = "" if symbol.unit == "1" else f" {symbol.unit}"
    return f"A figure could stand in: {symbol.default:g}{unit} ({symbol.default_source}). Say 'default' to take it."
