"""Multi-start local search over decoded decisions: change one choice, swap two, move one number; keep what is better.

It needs no matrix and proves nothing: what it finds is judged by the evaluator and called ``feasible``.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from ..compiled.blackbox import BlackBox
from ..compiled.solution import Run

if TYPE_CHECKING:
    from gramwise.core.decision import Floats

    from ..compiled.solution import Solution
    from ..typed.bind import Bound

STARTS = 64
_STEPS = (0.5, 0.1, 0.02, 0.004, 8e-4, 1.6e-4, 3.2e-5)


class LocalSolver:
    """Local search from several starts.

    Args:
        starts: how many; the first is the given one, the second all zeros.
    """

    def __init__(self, starts: int = STARTS) -> None:
        self.starts = starts

    def solve(
        self, bound: Bound, *, time_limit_s: float = 10.0, seed: int = 0, start: Floats | None = None
    ) -> Solution:
        """See `Solver`."""
        run = Run("local", time_limit_s, seed)
        rng = np.random.default_rng(seed)
        box = BlackBox(bound)
        raw = rng.normal(size=(self.starts, box.dim))
        raw[0] = 0.0
        begins = box.decode(raw)
        if start is not None:
            begins = np.concatenate([start[None], begins])
        search = Search(box)
        keys = search.keys(begins)
        best, key = begins[keys.argmin()], float(keys.min())
        for point in begins[np.argsort(keys, kind="stable")]:
            if run.left_s <= 0:
                break
            found, mine = search.descend(point, run.left_s)
            if mine < key:
                best, key = found, mine
        return run.judged(box.evaluator, best)


class Search:
    """Steepest descent among neighbours, all evaluated in one batch."""

    def __init__(self, box: BlackBox) -> None:
        self.box, decoder = box, box.decoder
        self.options, self.valid, self.others = decoder.options, decoder.valid, decoder.others
        self.lower, self.upper = np.maximum(decoder.lower, -1e9), np.minimum(decoder.upper, 1e9)
        self.whole = decoder.whole

    def keys(self, points: Floats) -> Floats:
        """What is compared, (B,): grams where everything is kept, otherwise something above all grams."""
        values = self.box.values(points)
        far = 1e30 * (1.0 + np.nan_to_num(values.worst, nan=1e9, posinf=1e9))
        return np.where(values.kept, values.grams, far)

    def descend(self, point: Floats, time_limit_s: float) -> tuple[Floats, float]:
        """The local optimum below a decision, and its key."""
        begun = time.perf_counter()
        key, level = float(self.keys(point[None])[0]), 0
        while level < len(_STEPS) and time.perf_counter() - begun < time_limit_s:
            near = self.neighbours(point, _STEPS[level])
            if not len(near):
                break
            keys = self.keys(near)
            i = int(keys.argmin())
            if keys[i] < key - 1e-12 * abs(key):
                point, key = near[i], float(keys[i])
            elif len(self.others) and level + 1 < len(_STEPS):
                level += 1
            else:
                break
        return point, key

    def neighbours(self, point: Floats, step: float) -> Floats:
        """Every decision that differs in one choice, in two that swap, or in one number by ``step`` of its range."""
        made = [self._single(point), self._swapped(point), self._moved(point, step)]
        return np.concatenate([m for m in made if len(m)] or [np.zeros((0, len(point)))])

    def _now(self, point: Floats) -> Floats:
        held = np.where(self.options >= 0, point[np.maximum(self.options, 0)], 0.5)
        return np.asarray(np.where(self.valid, held, -1.0).argmax(axis=1))

    def _with(self, point: Floats, groups: Floats, picks: Floats) -> Floats:
        """Copies (n, width) with choices (n, k) set to options (n, k)."""
        made = np.repeat(point[None], len(groups), axis=0)
        rows = np.arange(len(groups))[:, None]
        old = self.options[groups]  # (n, k, m)
        padded = np.concatenate([made, np.zeros((len(made), 1))], axis=1)
        padded[rows[:, :, None], old] = 0.0
        padded[rows, self.options[groups, picks]] = 1.0
        return padded[:, :-1]

    def _single(self, point: Floats) -> Floats:
        if not len(self.options):
            return np.zeros((0, len(point)))
        now = self._now(point)
        group, option = np.nonzero(self.valid)
        other = option != now[group]
        return self._with(point, group[other][:, None], option[other][:, None])

    def _swapped(self, point: Floats) -> Floats:
        """Two choices of one size trade places; at most a few thousand pairs."""
        count = len(self.options)
        if count < 2 or count > 80:
            return np.zeros((0, len(point)))
        now = self._now(point)
        a, b = np.triu_indices(count, 1)
        fine = (now[a] != now[b]) & self.valid[a, now[b]] & self.valid[b, now[a]]
        fine &= self.valid[a].sum(axis=1) == self.valid[b].sum(axis=1)
        a, b = a[fine], b[fine]
        return self._with(point, np.stack([a, b], axis=1), np.stack([now[b], now[a]], axis=1))

    def _moved(self, point: Floats, step: float) -> Floats:
        if not len(self.others):
            return np.zeros((0, len(point)))
        reach = (self.upper - self.lower)[self.others] * step
        reach = np.where(self.whole[self.others], np.maximum(np.round(reach), 1.0), reach)
        made = np.repeat(point[None], 2 * len(self.others), axis=0)
        for sign, rows in (
            (1.0, np.arange(len(self.others))),
            (-1.0, len(self.others) + np.arange(len(self.others))),
        ):
            made[rows, self.others] = np.clip(
                made[rows, self.others] + sign * reach, self.lower[self.others], self.upper[self.others]
            )
        return made


PLUGIN = LocalSolver
