"""Closed enumeration: every placement through `evaluate`. The reference for other methods: slow, certainly right."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gramwise.partition.problem import Problem, Split, evaluate

if TYPE_CHECKING:
    from gramwise.core.decision import Ints

MOST = 2_000_000
"""Placements above which this method declines."""

_CHUNK = 8192
"""Placements evaluated at a time; the working arrays of a chunk stay in the cache."""


class Enumeration:
    """Tries every placement on allowed nodes; any objective, any limit. Of equal placements the first wins."""

    name = "enumeration"
    exact = True

    def why_not(self, problem: Problem) -> str:
        """Empty unless there are too many placements."""
        count = _count(problem)
        if count > MOST:
            return f"it would try {count:.2g} placements, and tries at most {MOST:,}".replace(",", " ")
        return ""

    def split(self, problem: Problem) -> Split:
        """The best feasible placement, O(k^n (n + T k)) time."""
        best, found = math.inf, None
        for placements in _placements(problem):
            costs = evaluate(problem, placements)
            value = np.where(costs.feasible, costs.value(problem.objective), math.inf)
            row = int(value.argmin())
            if value[row] < best:
                best, found = float(value[row]), tuple(int(x) for x in placements[row])
        return Split(found, best, exact=True)


def _count(problem: Problem) -> int:
    return math.prod(int(c) for c in problem.allowed.sum(axis=1))


def _placements(problem: Problem) -> Iterator[Ints]:
    """Every placement on allowed nodes, (at most _CHUNK, n) at a time: the digits of a counter of mixed base."""
    choices = [np.flatnonzero(row) for row in problem.allowed]
    total = _count(problem)
    for start in range(0, total, _CHUNK):
        number = np.arange(start, min(start + _CHUNK, total))
        placements = np.empty((len(number), problem.n), dtype=np.int64)
        for v in reversed(range(problem.n)):
            number, digit = np.divmod(number, len(choices[v]))
            placements[:, v] = choices[v][digit]
        yield placements


PLUGIN = Enumeration
