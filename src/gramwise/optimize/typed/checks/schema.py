"""Passes 1 and 2: a document becomes a record, or the faults that stand in the way, each with its place."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from ..findings import Finding
from ..record import Problem

MOST_BYTES = 4_000_000
_MISSING_BOUND = ("lower", "upper")
_SIZES = ("less_than_equal", "too_long", "int_parsing_size", "greater_than_equal", "greater_than")


def read_problem(document: str | bytes | dict[str, Any]) -> tuple[Problem | None, list[Finding]]:
    """A problem from JSON or from plain data.

    Returns:
        The problem, or None and up to 100 findings: E101 (unknown field, wrong type, no JSON), E102 (a variable without
        a bound), E103 (a size out of range, a document of more than 4 MB).
    """
    try:
        if isinstance(document, dict):
            return Problem.model_validate(document), []
        if len(document) > MOST_BYTES:
            return None, [Finding(code="E103", where="problem", message=f"at most {MOST_BYTES} bytes.")]
        return Problem.model_validate_json(document), []
    except ValidationError as fault:
        return None, [_finding(error) for error in fault.errors(include_url=False)[:100]]
    except RecursionError:
        return None, [
            Finding(code="E101", where="problem", message="lists stand too deep inside each other.")
        ]


def _finding(error: Any) -> Finding:
    place = [str(part) for part in error["loc"]]
    code = "E101"
    if error["type"] == "missing" and place[-1:] and place[-1] in _MISSING_BOUND:
        code = "E102"
    elif error["type"] in _SIZES:
        code = "E103"
    return Finding(
        code=code,
        where=".".join(place) or "problem",
        message=str(error["msg"])[:200],
        fix="Remove it." if error["type"] == "extra_forbidden" else "",
        fragment=repr(error.get("input"))[:80],
    )
