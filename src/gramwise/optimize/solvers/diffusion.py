"""A diffusion sampler trained on the best decisions of this one problem found so far, then polished by local search.

Self-imitation on a single instance: a pool of the best different decisions, a denoiser that learns to draw more like
them, the shared decoder and the true objective to judge what it draws, and `local.Search` from the best few at the end.
It needs no matrix, no gradient and no labels, and proves nothing; where a matrix exists, ``milp`` is faster and does.
Time is spent on training first and the rest on polishing; the answer says what training took. Method: generative
planning, sections 2.6 and 5.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gramwise.core.errors import ConfigError

from ..compiled.blackbox import BlackBox
from ..compiled.solution import Run
from ..learned.network import Learner
from ..learned.samplers import new
from ..offload.case import Block
from .local import Search

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from gramwise.core.decision import Floats

    from ..compiled.solution import Solution
    from ..typed.bind import Bound

MOST_WIDTH = 4000
TRAINING_FRAC = 0.6
POOL, DRAWS, BATCH, UPDATES, RATE = 128, 256, 128, 10, 1e-3
STEPS, HIDDEN, SHAKE, POLISHED = 5, (128, 128), 0.4, 8


class DiffusionSolver:
    """Trains on one problem and answers it.

    Args:
        rounds: of drawing and training, at most; the time limit may strike first.
    """

    def __init__(self, rounds: int = 40) -> None:
        self.rounds = rounds

    def solve(
        self, bound: Bound, *, time_limit_s: float = 10.0, seed: int = 0, start: Floats | None = None
    ) -> Solution:
        """See `Solver`; a start joins the first pool. ``rewrites`` says what training took.

        Raises:
            ConfigError: there are more than `MOST_WIDTH` scalar variables.
        """
        if bound.width > MOST_WIDTH:
            raise ConfigError(
                f"the diffusion solver takes up to {MOST_WIDTH} scalar variables, not {bound.width}.",
                fix="Use --solver milp.",
            )
        run = Run("diffusion", time_limit_s, seed, "numpy")
        box = BlackBox(bound)
        pool = Elite(box, np.random.default_rng(seed), start)
        done = pool.train(self.rounds, lambda: run.left_s < (1.0 - TRAINING_FRAC) * time_limit_s)
        trained_s = run.cpu_s
        best, key = pool.points[0], float(pool.keys[0])
        for point in pool.points[:POLISHED]:
            if run.left_s <= 0:
                break
            found, mine = pool.search.descend(point, run.left_s)
            if mine < key:
                best, key = found, mine
        note = (
            f"{done} rounds of self-imitation on this problem took {trained_s:.2f} CPU-s; nothing is proved"
        )
        return run.judged(box.evaluator, best, rewrites=(note,))


class Elite:
    """The best different decisions of one problem, and a denoiser that imitates them.

    Attributes:
        points: (E, width), best first.
        keys: what `Search.keys` says of them, (E,).
    """

    def __init__(self, box: BlackBox, rng: np.random.Generator, start: Floats | None) -> None:
        self.box, self.rng, self.search = box, rng, Search(box)
        self.lower, span = box.decoder.lower, box.decoder.upper - box.decoder.lower
        self.span = np.where(span > 0, span, 1.0)
        self.points: NDArray[np.float64] = np.zeros((0, box.dim))
        self.keys: NDArray[np.float64] = np.zeros(0)
        self._keep(box.decode(rng.uniform(-1, 1, (DRAWS, box.dim))))
        if start is not None:
            self._keep(np.asarray(start, dtype=np.float64)[None])

    def train(self, rounds: int, over: Callable[[], bool]) -> int:
        """Draw, keep, imitate, until the rounds or the time are over; rounds done."""
        whole = self.search.whole
        blocks = [Block("choice" if w else "real", i, 1) for i, w in enumerate(whole.tolist())]
        given = np.ones((1, 1), np.float32)  # one problem: nothing to tell apart
        sampler = new("diffusion", blocks, 1, self.rng, steps=STEPS, hidden=HIDDEN)
        learner = Learner(sampler.layers, RATE)
        for done in range(rounds):
            for _ in range(UPDATES):
                raw = self._raw()[self.rng.integers(0, len(self.points), BATCH)]
                learner.update(*sampler.lesson(np.repeat(given, BATCH, axis=0), raw, self.rng))
            if over():
                return done
            drawn = sampler.draw(given, DRAWS, self.rng)[0]
            drawn[::2] += SHAKE * self.rng.standard_normal(drawn[::2].shape, dtype=np.float32)
            self._keep(self.box.decode(np.clip(drawn, -1, 1)))
        return rounds

    def _raw(self) -> NDArray[np.float32]:
        """The pool as raw vectors in [-1, 1]."""
        return (2 * (self.points - self.lower) / self.span - 1).astype(np.float32)

    def _keep(self, points: Floats) -> None:
        every, first = np.unique(np.concatenate([self.points, points]), axis=0, return_index=True)
        del every
        joined = np.concatenate([self.points, points])[np.sort(first)]
        keys = np.concatenate([self.keys, self.search.keys(points)])[np.sort(first)]
        best = np.argsort(keys, kind="stable")[:POOL]
        self.points, self.keys = joined[best], keys[best]


PLUGIN = DiffusionSolver
