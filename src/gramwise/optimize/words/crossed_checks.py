"""When another way to read a text may be believed: every number and every set of it has its place, no limit is lost."""

from __future__ import annotations

import re

from .formulator import Draft
from .statement import Reading
from .unexplained import all_used

_ONE = re.compile(r"\b(only|just|no more than|at most)\b[^.;:,\d]{0,24}\bone\b", re.IGNORECASE)


def told_in_full(draft: Draft, other: Reading) -> bool:
    """Whether ``draft`` may be taken, which came of another way to read the text.

    Args:
        draft: a problem.
        other: that reading, with other sets of names than the first.
    """
    if draft.problem is None or not all_used(draft.findings, other):
        return False
    named = [g.labels for g in other.groups if len(g.labels) > 1]
    bound = {frozenset(s.labels or ()) for s in draft.problem.sets}
    told = {label for f in other.figures for label in f.subjects}
    if any(set(labels) <= told and frozenset(labels) not in bound for labels in named):
        return False  # a set of which numbers are told, and which is none of the problem's
    return not (_ONE.search(other.text) and not any(f.value == 1.0 for f in other.figures))
