"""The validator: seven passes over a typed problem, every fault with a stable code.

Passes 1 and 2 (record, names) must succeed before the others can read the problem. Passes 8 and 9, feasibility and
degeneracy, need a compiled form and live in `compiled`. The table of codes is in docs/method/problem.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .bind import Bound, bind
from .checks.completeness import check_completeness
from .checks.provenance import check_provenance
from .checks.sanity import check_sanity
from .checks.structure import check_structure
from .checks.units import check_units
from .findings import Finding
from .known import Known
from .record import Problem


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """What the validator says.

    Attributes:
        findings: in the order of the passes; those that block are E.
        bound: the problem with its names resolved; None where that failed.
    """

    findings: tuple[Finding, ...]
    bound: Bound | None

    @property
    def ok(self) -> bool:
        """Whether nothing blocks."""
        return self.bound is not None and not any(f.blocks for f in self.findings)

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes, each once, in order."""
        return tuple(sorted({f.code for f in self.findings}))


def validate(
    problem: Problem,
    *,
    text: str | None = None,
    knowledge: Mapping[str, Known] | None = None,
    answers: Sequence[str] | None = None,
) -> Report:
    """Check a problem.

    Args:
        problem: the record.
        text: the description that its spans point into; without it only their form is checked.
        knowledge: entries that sources, families and symbols refer to, by id (`known.known_from`); without it entries
            are believed and no family is known.
        answers: what the user said, for ``answer:1`` and so on; without them answers are believed.

    Returns:
        The report; it never raises on what a problem holds.
    """
    bound, findings = bind(problem)
    findings = [*findings, *check_provenance(problem, bound, text=text, knowledge=knowledge, answers=answers)]
    if bound is not None:
        findings += check_units(bound)
        findings += check_completeness(bound, knowledge)
        findings += check_sanity(bound, knowledge)
        findings += check_structure(bound)
    findings.sort(key=lambda f: f.code[1:2])
    return Report(tuple(findings), bound)
