"""A language model as formulator: draft, judge, repair with codes only, at most three times; then give up by name."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from gramwise.core.errors import BadReply
from gramwise.optimize.typed.findings import Finding
from gramwise.optimize.typed.record import Problem
from gramwise.optimize.words.formulator import Answer, Draft

from .chat import Chat, NoAnswer, Said
from .prompt import opening, repair
from .settings import Endpoint
from .wire import STAGES, Reply, problem_of, schema

REPAIRS = 3

Judge = Callable[[Problem, str], Sequence[Finding]]
Cards = Callable[[str], Sequence[tuple[str, str]]]


@dataclass(slots=True)
class LlmFormulator:
    """Asks a model; believes nothing that the validator does not.

    Attributes:
        endpoint: whom to ask.
        judge: the validator, (problem, text) -> findings.
        cards: retrieved knowledge for a text, as (id, text).
        staged: ask in three stages instead of one.
        log: what was said in each round, for the curious: codes by round, mode, tokens.
    """

    endpoint: Endpoint
    judge: Judge
    cards: Cards = field(default=lambda text: ())
    staged: bool = False
    name: str = "llm"
    version: str = "1"
    log: list[dict[str, Any]] = field(default_factory=list)

    def formulate(self, text: str, answers: Sequence[Answer] = ()) -> Draft:
        """The draft for ``text``; see the protocol.

        Raises:
            BadReply: no valid problem after three repairs, with the codes that remained; or no chat completion.
            SourceUnavailable: the endpoint cannot be reached or is too slow.
        """
        began = time.process_time()
        chat = Chat(self.endpoint)
        messages = opening(text, answers, self.cards(text), "Answer with the object.")
        self.log = []
        tokens: int | None = 0
        findings: Sequence[Finding] = ()
        for attempt in range(REPAIRS + 1):
            said, draft, findings = self._round(chat, messages, text, answers, first=attempt == 0)
            tokens = None if tokens is None or said is None or said.tokens is None else tokens + said.tokens
            self.log.append(
                {"round": attempt, "mode": said.mode if said else None, "codes": [f.code for f in findings]}
            )
            if draft is not None:
                spent = [("cpu_s", time.process_time() - began), ("calls", float(chat.calls))]
                return _with_spent(draft, spent + ([] if tokens is None else [("tokens", float(tokens))]))
            if said is not None:
                messages = [*messages[:2], {"role": "assistant", "content": said.raw}]
            messages = [*messages, {"role": "user", "content": repair(findings)}]
        codes = ", ".join(sorted({f.code for f in findings}))
        raise BadReply(
            f"{self.endpoint.model} at {self.endpoint.host} gave no valid problem in {REPAIRS + 1} tries;"
            f" what remained: {codes}. First: {findings[0]} Use --formulator offline."
        )

    def _round(
        self, chat: Chat, messages: list[dict[str, str]], text: str, answers: Sequence[Answer], *, first: bool
    ) -> tuple[Said | None, Draft | None, Sequence[Finding]]:
        try:
            said = self._staged(chat, messages) if self.staged and first else chat.ask(messages, schema())
        except NoAnswer as fault:
            return None, None, [_schema_fault(fault.why, str(fault))]
        try:
            reply = Reply.model_validate(said.content)
            problem = self._problem(reply, text, answers)
        except ValidationError as fault:
            return said, None, _schema_faults(fault)
        except ValueError as fault:
            return said, None, [_schema_fault("problem", str(fault))]
        return said, *self._judged(reply, problem, text)

    def _staged(self, chat: Chat, messages: list[dict[str, str]]) -> Said:
        """Three questions, each for some of the fields, seeing what was said before; put together without a model."""
        together: dict[str, Any] = {}
        said = None
        tokens: int | None = 0
        for title, fields in STAGES:
            ask = {"role": "user", "content": f"Answer now only {title}: the fields {', '.join(fields)}."}
            seen: list[dict[str, str]] = [] if said is None else [{"role": "assistant", "content": said.raw}]
            messages = [*messages, *seen, ask]
            said = chat.ask(messages, schema(fields))
            tokens = None if tokens is None or said.tokens is None else tokens + said.tokens
            together |= {name: said.content[name] for name in fields if name in said.content}
        return Said(content=together, raw=json.dumps(together), mode=said.mode if said else "", tokens=tokens)

    def _problem(self, reply: Reply, text: str, answers: Sequence[Answer]) -> Problem | None:
        if reply.status == "out_of_scope" or (reply.status == "contradiction" and not reply.params):
            return None
        meta = {
            "id": "words",
            "title": reply.title,
            "family": reply.family or "other",
            "description_hash": hashlib.sha256(text.encode()).hexdigest(),
            "formulator": {"name": self.name, "version": self.version, "model": self.endpoint.model},
        }
        return problem_of(reply, text, {i: a.text for i, a in enumerate(answers, 1)}, meta)

    def _judged(
        self, reply: Reply, problem: Problem | None, text: str
    ) -> tuple[Draft | None, Sequence[Finding]]:
        if problem is None:
            if reply.reason.strip():
                return Draft(status=reply.status, family=reply.family, reason=reply.reason.strip()), ()
            return None, [_schema_fault("reason", f"status {reply.status} needs a reason")]
        findings = list(self.judge(problem, text))
        # An open parameter is a question, and a draft that asks or names a clash need not be solvable.
        waived = {"formulated": set(), "needs_input": {"E404"}}.get(reply.status, {"E404", "E801"})
        blocking = [f for f in findings if f.blocks and f.code not in waived]
        open_ones = [p.name for p in problem.params if p.kind == "open"]
        if reply.status == "needs_input" and not (problem.open_questions and open_ones):
            blocking.append(
                _schema_fault("questions", "needs_input has an open parameter and a question about it")
            )
        if blocking:
            return None, blocking
        return (
            Draft(
                status=reply.status,
                family=reply.family,
                problem=problem,
                findings=tuple(findings),
                questions=problem.open_questions,
                reason=reply.reason.strip(),
            ),
            findings,
        )


def _with_spent(draft: Draft, spent: list[tuple[str, float]]) -> Draft:
    return replace(draft, spent=tuple(spent))


def _schema_fault(where: str, message: str) -> Finding:
    return Finding(code="E101", where=where, message=message[:300])


def _schema_faults(fault: ValidationError) -> list[Finding]:
    return [
        Finding(
            code="E101",
            where=".".join(str(part) for part in error["loc"]) or "object",
            message=error["msg"],
            fragment=repr(error.get("input"))[:60],
        )
        for error in fault.errors(include_url=False)[:12]
    ]
