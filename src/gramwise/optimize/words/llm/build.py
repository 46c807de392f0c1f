"""The language-model formulator with all it leans on: the configured endpoint, the validator, the cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from gramwise.optimize.compiled.validate_more import check_solvable
from gramwise.optimize.knowledge.base import shipped
from gramwise.optimize.knowledge.retrieve import retrieve
from gramwise.optimize.typed.findings import Finding
from gramwise.optimize.typed.known import Known, known_from
from gramwise.optimize.typed.record import Problem
from gramwise.optimize.typed.validate import validate

from .formulate import LlmFormulator
from .settings import Endpoint, endpoint

CARDS = 3
"""Families that are shown to the model: more distract (GP 1.1, one or three chunks did best)."""


def llm_formulator(where: Endpoint | None = None, *, staged: bool = False) -> LlmFormulator:
    """The formulator that asks the configured endpoint.

    Raises:
        SourceUnavailable: none is configured.
        ConfigError: its settings make no sense.
    """
    return LlmFormulator(where or endpoint(), judge=judged, cards=retrieved, staged=staged)


def judged(problem: Problem, text: str) -> Sequence[Finding]:
    """Findings of all nine passes; the last two only where the first seven do not block."""
    report = validate(problem, text=text, knowledge=_known())
    if report.bound is None or any(f.blocks for f in report.findings):
        return report.findings
    return [*report.findings, *check_solvable(report.bound)]


@cache
def _known() -> Mapping[str, Known]:
    base = shipped()
    return known_from(base.entries.values(), base.symbols.values())


def retrieved(text: str) -> Sequence[tuple[str, str]]:
    """Cards of the families that fit the text best."""
    return [(hit.entry.id, _card(hit.entry)) for hit in retrieve(text, k=CARDS)]


def _card(entry: object) -> str:
    lines = [getattr(entry, "title", ""), getattr(entry, "text", "")]
    model = getattr(entry, "model", None)
    if model is not None:
        lines.append(f"objective: {model.objective}")
        lines += [f"variable {v.name}[{','.join(v.index)}] {v.domain}" for v in model.variables]
        lines += [
            f"constraint {c.name}: forall {c.forall or '-'}: {c.lhs} {c.rel} {c.rhs}"
            for c in model.constraints
        ]
    return "\n".join(lines)
