"""Neurosurgeon's single cut: the first layers on one node, the rest on another, every position tried.

Source: Kang et al., "Neurosurgeon: Collaborative Intelligence Between the Cloud and Mobile Edge", ASPLOS 2017: the cut
of a chain between a device and a server that takes the least time or energy, by enumeration. Here every ordered pair of
nodes may be that device and server, graphs with branches are cut in their topological order, and what travels is what
`evaluate` charges. Its limits are the published ones: none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from gramwise.partition.problem import Problem, Split, evaluate

if TYPE_CHECKING:
    from gramwise.core.decision import Ints

_BLOCK = 2**21
"""Entries of placements evaluated at a time: 16 MiB."""


class Neurosurgeon:
    """The best of all single cuts, unsplit ones included; of equals an unsplit one, then the first.

    Memory, time, rate and latency limits are ignored, as published. Where a layer may not run, or its cost is not
    known, there is no cost to compare, so that node is not an option.
    """

    name = "neurosurgeon"
    exact = False

    def why_not(self, problem: Problem) -> str:
        if problem.objective == "throughput":
            return "Neurosurgeon minimises what adds up over one inference, not the time of the slowest stage"
        return ""

    def split(self, problem: Problem) -> Split:
        free = replace(
            problem,
            memory_bytes=np.full(problem.k, math.inf),
            budget_s=np.full(problem.k, math.inf),
            link_budget_s=math.inf,
            latency_limit_s=math.inf,
        )
        best: tuple[float, tuple[int, ...] | None] = (math.inf, None)
        for placements in _single_cuts(problem.n, problem.k):
            found = evaluate(free, placements)
            value = np.where(found.feasible, found.value(problem.objective), math.inf)
            row = int(value.argmin())
            if value[row] < best[0]:
                best = float(value[row]), tuple(placements[row].tolist())
        return Split(best[1], -math.inf, False)


def _single_cuts(n: int, k: int) -> Iterator[Ints]:
    """All placements of n layers with one change of node at most, in blocks, unsplit ones first."""
    whole = [(node, node, n) for node in range(k)]
    cuts = [(first, second, at) for first, second in permutations(range(k), 2) for at in range(1, n)]
    table = np.array(whole + cuts, dtype=np.int64)
    step = max(1, _BLOCK // n)
    for start in range(0, len(table), step):
        first, second, at = table[start : start + step].T[:, :, None]
        yield np.where(np.arange(n) < at, first, second)


PLUGIN = Neurosurgeon
