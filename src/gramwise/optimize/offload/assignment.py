"""Family A: each task to the phone, an edge site or the cloud, with deadlines, room for steps and memory (MILP).

Decisions are sites, integers (n, k, N). A raw array holds one block of M scores for each task.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gramwise.core.errors import ConfigError

from .case import Block, Reference
from .packing import Packing, at, broken, greedy, improve, optimum, place
from .sites import (
    World,
    draw,
    fits_memory,
    relative,
    reorder,
    site_features,
    step_g,
    task_features,
    transfer_g,
    transfer_s,
)

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from gramwise.optimize.typed.record import Problem

PROVEN_FRAC = 1e-3
"""A bound this close to the best known cost counts as proof."""


class Assignment:
    """Tasks by sites. Besides the protocol: `packing`, `greedy`, `exact`.

    Args:
        tasks: N.
        sites: M, the phone and the cloud among them; at least 3.
        limit_s: time of the exact solver for each reference, s.

    Raises:
        ConfigError: fewer than 3 sites or no task.
    """

    def __init__(self, tasks: int = 6, sites: int = 4, limit_s: float = 20.0) -> None:
        if tasks < 1 or sites < 3:
            raise ConfigError(f"an offloading case has a task and 3 sites at least, not {tasks}x{sites}.")
        self.tasks, self.sites, self.limit_s = tasks, sites, limit_s
        self.name = f"A-{tasks}x{sites}"
        self.dim = tasks * sites
        self.blocks = tuple(Block("choice", i * sites, sites) for i in range(tasks))

    def sample(self, rng: Generator, n: int) -> World:
        """See `sites.draw`."""
        return draw(rng, n, self.tasks, self.sites)

    def packing(self, instances: World) -> Packing:
        """The instances as rows of a packing problem; load is steps."""
        grams = transfer_g(instances) + instances.steps[..., None] * step_g(instances)[:, None, :]
        late = transfer_s(instances) + instances.steps[..., None] * instances.step_s[:, None, :]
        allowed = (late <= instances.deadline_s[..., None]) & fits_memory(instances)
        allowed[..., -1] = True
        return Packing(
            grams=grams,
            allowed=allowed,
            load=np.repeat(instances.steps[..., None], self.sites, axis=2),
            memory=instances.memory_gb,
            room=instances.room_steps,
            shelf=instances.shelf_gb,
            site=np.arange(self.sites),
        )

    def features(self, instances: World) -> NDArray[np.float32]:
        """Relative costs and bars (N M), tasks (4 N), rooms (2 (M - 2)); the tasks' parts follow their order."""
        packing = self.packing(instances)
        parts = [
            relative(packing.grams, packing.allowed),
            task_features(instances),
            site_features(instances),
        ]
        flat = [np.asarray(p, dtype=np.float32).reshape(len(instances), -1) for p in parts]
        return np.concatenate(flat, axis=1)

    def decode(self, raw: NDArray[Any], instances: World) -> NDArray[np.int64]:
        """See `packing.place`."""
        n, k, _ = raw.shape
        packing = self.packing(instances).rows(np.repeat(np.arange(n), k))
        return place(raw.reshape(n * k, self.tasks, self.sites), packing).reshape(n, k, self.tasks)

    def encode(self, decisions: NDArray[Any]) -> NDArray[np.float32]:
        """1 for the site, -1 for the others."""
        hot = decisions[..., None] == np.arange(self.sites)
        return np.where(hot, np.float32(1), np.float32(-1)).reshape(*decisions.shape[:2], self.dim)

    def cost(self, decisions: NDArray[Any], instances: World) -> NDArray[np.float64]:
        """Sum of the tasks' grams."""
        grams = self.packing(instances).grams
        return np.asarray(np.take_along_axis(grams[:, None], decisions[..., None], axis=3).sum(axis=(2, 3)))

    def violations(self, decisions: NDArray[Any], instances: World) -> NDArray[np.int64]:
        """Barred sites, rooms and shelves that are overfull."""
        n, k, _ = decisions.shape
        packing = self.packing(instances).rows(np.repeat(np.arange(n), k))
        return broken(packing, decisions.reshape(n * k, -1)).reshape(n, k)

    def polish(self, decisions: NDArray[Any], instances: World, steps: int) -> NDArray[np.int64]:
        """Best shifts and swaps, at most ``steps`` of them; each different decision is searched from once."""
        n, k, _ = decisions.shape
        flat = np.concatenate(
            [np.repeat(np.arange(n), k)[:, None], decisions.reshape(n * k, -1)], axis=1
        ).astype(np.int64)
        different, back = np.unique(flat, axis=0, return_inverse=True)
        packing = self.packing(instances).rows(different[:, 0])
        return improve(packing, different[:, 1:], steps)[back.reshape(-1)].reshape(n, k, self.tasks)

    def mutate(self, decisions: NDArray[Any], instances: World, rng: Generator) -> NDArray[np.int64]:
        """One or two tasks get another wish, and the decoder makes the rest fit."""
        raw = self.encode(decisions).reshape(*decisions.shape, self.sites)
        raw += rng.uniform(-0.1, 0.1, raw.shape).astype(np.float32)
        n, k, tasks = decisions.shape
        for _ in range(2):
            task = rng.integers(tasks, size=(n, k))
            rows = np.arange(n)[:, None], np.arange(k)[None], task
            raw[rows] = rng.uniform(-1.0, 4.0, (n, k, self.sites)).astype(np.float32)
        return self.decode(raw.reshape(n, k, self.dim), instances)

    def permute(
        self, instances: World, decisions: NDArray[Any], rng: Generator
    ) -> tuple[World, NDArray[np.int64]]:
        """Each instance's users in an order of its own."""
        order = np.argsort(rng.random((len(instances), self.tasks)), axis=1)
        return reorder(instances, order), np.take_along_axis(decisions, order[:, None, :], axis=2)

    def greedy(self, instances: World, how: str) -> NDArray[np.int64]:
        """``cheapest`` or ``regret``: see `packing.greedy`; (n, 1, N)."""
        return greedy(self.packing(instances), how)[:, None]

    def exact(self, instances: World, limit_s: float, gap: float = 1e-6) -> tuple[NDArray[Any], Reference]:
        """Decisions (n, 1, N) and what is proven of each; see `prove`."""
        picked, reference = prove(self.packing(instances), limit_s, gap)
        return picked[:, None], reference

    def reference(self, instances: World) -> Reference:
        """The optimum by HiGHS, in up to ``limit_s`` an instance."""
        return self.exact(instances, self.limit_s)[1]

    def problem(self, instances: World, i: int) -> Problem:
        """With every term of the formula, for the compiler: see `statements.assignment_problem`."""
        from .statements import assignment_problem

        return assignment_problem(instances.take([i]), self.name)


def prove(packing: Packing, limit_s: float, gap: float) -> tuple[NDArray[np.int64], Reference]:
    """Options (r, N) and what is proven of each row, by HiGHS; where the greedy with local search is better, that."""
    best = improve(packing, greedy(packing, "regret"), 1000)
    grams = at(packing.grams, best).sum(1)
    bounds = np.full(len(packing), np.nan)
    for i in range(len(packing)):
        found = optimum(packing, i, limit_s, gap)
        bounds[i] = found.bound_g
        if found.grams < grams[i]:
            best[i], grams[i] = found.picked, found.grams
    proven = grams - bounds <= PROVEN_FRAC * np.abs(grams)
    how = (
        f"HiGHS, up to {limit_s:g} s an instance, or the regret greedy with local search where that is better"
    )
    return best, Reference(grams, bounds, proven, how)
