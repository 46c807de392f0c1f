"""Contiguous placements: the network cut into stretches of neighbouring layers, each on a node of its own.

They are few enough to be listed: C(n - 1, m - 1) ways to cut n layers into m stretches, k! / (k - m)! ways to put these
on k nodes. MobileNetV2 (65 layers after fusion) on 3 nodes has 12,483.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from .dominance import nondominated
from .problem import Evaluation, Problem, evaluate

if TYPE_CHECKING:
    from gramwise.core.decision import Floats, Ints

_CHUNK = 4096


def count(layers: int, nodes: int, stages: int) -> int:
    """How many contiguous placements have at most this many stages."""
    return sum(math.comb(layers - 1, m - 1) * math.perm(nodes, m) for m in range(1, min(stages, layers) + 1))


def most_stages(layers: int, nodes: int, most: int) -> int:
    """The largest number of stages, at least 1, for which there are at most ``most`` placements."""
    fitting = [m for m in range(1, nodes + 1) if count(layers, nodes, m) <= most]
    return max(fitting, default=1)


def contiguous(problem: Problem, stages: int) -> Iterator[Ints]:
    """Every contiguous placement of at most this many stages on nodes that may run them, in blocks (A, n)."""
    waiting: list[Ints] = []
    for block in _blocks(problem, stages):
        waiting.append(block)
        if sum(map(len, waiting)) >= _CHUNK:
            yield np.concatenate(waiting)
            waiting = []
    if waiting:
        yield np.concatenate(waiting)


def _blocks(p: Problem, stages: int) -> Iterator[Ints]:
    for m in range(1, min(stages, p.n, p.k) + 1):
        cuts = itertools.combinations(range(1, p.n), m - 1)
        for some in _batches(cuts):
            ends = np.array(some, dtype=np.int64).reshape(len(some), m - 1)
            stage = (np.arange(p.n)[None, :, None] >= ends[:, None, :]).sum(axis=2)
            for nodes in itertools.permutations(range(p.k), m):
                placements = np.array(nodes, dtype=np.int64)[stage]
                able = p.allowed[np.arange(p.n), placements].all(axis=1)
                if able.any():
                    yield placements[able]


def survivors(problem: Problem, stages: int, figures: Callable[[Evaluation], Floats]) -> Ints:
    """The contiguous placements that keep all limits and that no other one beats.

    Args:
        problem: with limits.
        stages: at most this many.
        figures: what is to be small, (A, R) for A placements.

    Returns:
        (F, n); of placements that are equal to twelve digits one.
    """
    kept: Ints = np.zeros((0, problem.n), dtype=np.int64)
    values: Floats | None = None
    for placements in contiguous(problem, stages):
        costs = evaluate(problem, placements)
        rows = np.flatnonzero(costs.feasible)
        if not len(rows):
            continue
        value = figures(costs)[rows]
        kept = np.concatenate([kept, placements[rows]])
        values = value if values is None else np.concatenate([values, value])
        best = nondominated(rounded(values))
        kept, values = kept[best], values[best]
    return kept


def rounded(figures: Floats) -> Floats:
    """Figures (A, R) to about twelve digits: plans that differ by the order of summation only become equal."""
    size = figures.min(axis=0, initial=np.inf)
    grain = np.where((size > 0) & np.isfinite(size), size, 1.0) * 1e-12
    whole: Floats = np.rint(figures / grain)
    return whole


def incumbent(problem: Problem, extra: Ints | None = None, most: int = 3000) -> tuple[Ints, float] | None:
    """The best of some contiguous placements and of others.

    Args:
        problem: with limits.
        extra: placements to look at as well, (A, n).
        most: how many contiguous ones to look at; those of the fewest stages are taken.

    Returns:
        A feasible placement (n,) and its objective; None where none of them keeps the limits.
    """
    candidates = list(contiguous(problem, most_stages(problem.n, problem.k, most)))
    if extra is not None and len(extra):
        candidates.append(extra)
    best: tuple[Ints, float] | None = None
    for placements in candidates:
        costs = evaluate(problem, placements)
        value: Floats = np.where(costs.feasible, costs.value(problem.objective), np.inf)
        row = int(value.argmin())
        if math.isfinite(float(value[row])) and (best is None or value[row] < best[1]):
            best = placements[row], float(value[row])
    return best


def _batches(cuts: Iterator[tuple[int, ...]]) -> Iterator[list[tuple[int, ...]]]:
    while batch := list(itertools.islice(cuts, _CHUNK)):
        yield batch
