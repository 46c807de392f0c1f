"""The protocol of those who turn words into a problem, and the record of what they return."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from gramwise.optimize.typed.findings import Finding
from gramwise.optimize.typed.record import Problem, Question

Status = Literal["formulated", "needs_input", "contradiction", "out_of_scope"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a person said when asked: the question's id (and ``about``), and their words, a number with its unit."""

    question: str
    about: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a formulator made of a description.

    Attributes:
        status: ``formulated`` has no open parameter; ``contradiction`` names the sentences in ``reason``;
            ``out_of_scope`` says in ``reason`` what is done here instead.
        family: id of the family that was chosen; empty where none was.
        problem: the typed problem, also with open parameters; None where there is none.
        findings: of the validator, on the problem as it stands.
        questions: what must be known, in the order to be asked.
        reason: one or two sentences for a person.
        understood: sentences that say the problem back in plain words.
        spent: what the formulating took: ``cpu_s``, and ``tokens`` where a model was asked.
    """

    status: Status
    family: str = ""
    problem: Problem | None = None
    findings: tuple[Finding, ...] = ()
    questions: tuple[Question, ...] = ()
    reason: str = ""
    understood: tuple[str, ...] = ()
    spent: tuple[tuple[str, float], ...] = ()


@runtime_checkable
class Formulator(Protocol):
    """Turns words into a typed problem, or says what is missing, clashes or is out of scope; invents no number."""

    name: str
    version: str

    def formulate(self, text: str, answers: Sequence[Answer] = ()) -> Draft:
        """The draft for ``text`` and the answers given so far.

        Raises:
            ConfigError: empty, too long or unreadable text.
            SourceUnavailable: the endpoint cannot be reached, with what to do.
        """
        ...
