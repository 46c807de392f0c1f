"""What the tests of the families' twists share: a filled family, solved and proven."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gramwise.optimize.knowledge.base import shipped
from gramwise.optimize.knowledge.entry import Worked
from gramwise.optimize.knowledge.fill import fill
from gramwise.optimize.solvers.milp import MilpSolver
from gramwise.optimize.typed.bind import bind
from gramwise.optimize.typed.validate import validate

KWH = 3.6e6
Values = Mapping[str, Any]
Pick = tuple[int, ...]


def solved(family: str, groups: Mapping[str, int], values: Values) -> float:
    """Grams that the exact solver proves for a filled family that passes the validator; a value of None is not told."""
    told = {k: v for k, v in values.items() if v is not None}
    worked = Worked.model_validate({"family": f"family.{family}", "groups": groups, "values": told})
    problem = fill(worked, source="kb:worked.cache", base=shipped(seldom=True))
    assert [str(f) for f in validate(problem).findings if f.blocks] == []
    bound, findings = bind(problem)
    assert bound is not None, findings
    answer = MilpSolver().solve(bound)
    assert answer.grams is not None, answer.status
    return answer.grams
