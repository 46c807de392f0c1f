"""Family B: as A, and besides the clock of the site and the number of denoising steps of each task.

Quality follows the line of D2SAC (arXiv 2303.13052): least ``ay`` up to ``ax`` steps, most ``by`` from ``bx`` steps,
linear between. Every task names the quality it wants. Sites have room for busy seconds, so a slower clock saves joules
and takes room. Decisions are (option, steps) for each task, integers (n, k, N, 2); option = site x clocks + clock.

Closed form: energy, time and load all grow with the steps, so the least number that reaches the quality is optimal,
and what is left is a packing problem over options. Black-box solvers are not told; local search and the exact solver
are.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gramwise.footprint.factors import table

from .assignment import Assignment, prove
from .case import Block, Reference
from .packing import Packing, broken, greedy, place
from .sites import (
    PER_TASK,
    World,
    between,
    draw,
    fits_memory,
    relative,
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

CLOCKS = np.array([0.55, 0.7, 0.85, 1.0])
"""Shares of full clock; accelerators offer steps, not a range. With idle and embodied shares the fewest grams a step
lie near 0.7 for servers and 0.9 for phones."""
_WANTED = (0.2, 0.95)  # quality asked for, as a place on the rising part of the line


@dataclass(frozen=True, slots=True, eq=False)
class Menu(World):
    """A world whose ``steps`` are the least that reach ``wanted`` on each task's line; all (n, N)."""

    ax: NDArray[np.float64]
    ay: NDArray[np.float64]
    bx: NDArray[np.float64]
    by: NDArray[np.float64]
    wanted: NDArray[np.float64]


LINE = ("ax", "ay", "bx", "by", "wanted")


def quality(steps: NDArray[Any], menu: Menu) -> NDArray[np.float64]:
    """Quality after ``steps`` (n, k, N)."""
    ax, ay, bx, by = (getattr(menu, f)[:, None] for f in LINE[:4])
    return np.asarray(ay + (by - ay) * np.clip((steps - ax) / (bx - ax), 0.0, 1.0))


def least_steps(menu: Menu) -> NDArray[np.float64]:
    """Steps that reach the wanted quality, whole, within the range of the table; (n, N)."""
    need = menu.ax + (menu.wanted - menu.ay) / (menu.by - menu.ay) * (menu.bx - menu.ax)
    row = table("offload")["task.steps"]
    return np.clip(np.ceil(need - 1e-9), row.low, row.high)


class Levels(Assignment):
    """Tasks by sites by clocks."""

    def __init__(self, tasks: int = 6, sites: int = 4, limit_s: float = 20.0) -> None:
        super().__init__(tasks, sites, limit_s)
        self.name = f"B-{tasks}x{sites}"
        self.options = sites * len(CLOCKS)
        self.most = table("offload")["task.steps"].high
        wide = self.options + 1
        self.dim = tasks * wide
        self.blocks = tuple(
            block
            for i in range(tasks)
            for block in (Block("choice", i * wide, self.options), Block("real", i * wide + self.options, 1))
        )

    def sample(self, rng: Generator, n: int) -> Menu:
        """A line and a wanted quality for each task; then as in family A."""
        shape = (n, self.tasks)
        line = {f: between(rng, f"task.quality_{f}", shape) for f in LINE[:4]}
        place_frac = rng.uniform(*_WANTED, shape)
        line["wanted"] = line["ay"] + place_frac * (line["by"] - line["ay"])
        unset = np.zeros(shape)
        # Least steps need the line only; the rest of the world is drawn for them.
        draft = Menu(**{f.name: line.get(f.name, unset) for f in fields(Menu)})
        world = draw(rng, n, self.tasks, self.sites, least_steps(draft))
        return Menu(**{f.name: getattr(world, f.name) for f in fields(World)}, **line)

    def packing(self, instances: World) -> Packing:
        """At the least steps: the closed form."""
        return self.packing_of(instances, instances.steps[:, None])

    def packing_of(self, instances: World, steps: NDArray[Any]) -> Packing:
        """Rows (n k) for given steps (n, k, N); load is busy seconds."""
        n, k, tasks = steps.shape
        run = np.repeat(instances.step_s, len(CLOCKS), axis=1) / np.tile(CLOCKS, self.sites)
        busy_s = steps[..., None] * run[:, None, None, :]
        grams = np.repeat(transfer_g(instances), len(CLOCKS), axis=2)[:, None]
        grams = grams + steps[..., None] * step_g(instances, CLOCKS).reshape(n, 1, 1, -1)
        late = np.repeat(transfer_s(instances), len(CLOCKS), axis=2)[:, None] + busy_s
        allowed = late <= instances.deadline_s[:, None, :, None]
        allowed &= np.repeat(fits_memory(instances), len(CLOCKS), axis=2)[:, None]
        allowed[..., -1] = True
        row = np.repeat(np.arange(n), k)
        return Packing(
            grams=grams.reshape(n * k, tasks, -1),
            allowed=allowed.reshape(n * k, tasks, -1),
            load=busy_s.reshape(n * k, tasks, -1),
            memory=instances.memory_gb[row],
            room=(instances.room_steps * instances.step_s)[row],
            shelf=instances.shelf_gb[row],
            site=np.repeat(np.arange(self.sites), len(CLOCKS)),
        )

    def features(self, instances: World) -> NDArray[np.float32]:
        """As A, with a column of costs for each option."""
        packing = self.packing(instances)
        parts = [relative(packing.grams, packing.allowed), task_features(instances), site_features(instances)]
        return np.concatenate([np.asarray(p, np.float32).reshape(len(instances), -1) for p in parts], axis=1)

    def decode(self, raw: NDArray[Any], instances: World) -> NDArray[np.int64]:
        """Steps between the least and what the cloud can do in time; then options as in `packing.place`."""
        n, k, _ = raw.shape
        blocks = raw.reshape(n, k, self.tasks, self.options + 1)
        least = instances.steps[:, None]
        spare_s = instances.deadline_s - transfer_s(instances)[..., -1]
        most = np.clip(
            np.floor(spare_s / instances.step_s[:, -1:])[:, None], least, np.maximum(self.most, least)
        )
        share = np.clip(0.5 * (blocks[..., -1] + 1.0), 0.0, 1.0)
        steps = np.round(least + share * (most - least))
        packing = self.packing_of(instances, steps)
        option = place(blocks[..., :-1].reshape(n * k, self.tasks, -1), packing).reshape(n, k, self.tasks)
        return np.stack([option, steps.astype(np.int64)], axis=-1)

    def encode(self, decisions: NDArray[Any]) -> NDArray[np.float32]:
        """1 for the option, -1 for the others; -1 for the least steps, which is where good decisions are."""
        hot = np.where(decisions[..., :1] == np.arange(self.options), np.float32(1), np.float32(-1))
        raw = np.concatenate([hot, np.full((*hot.shape[:-1], 1), -1.0, dtype=np.float32)], axis=-1)
        return raw.reshape(*decisions.shape[:2], self.dim)

    def cost(self, decisions: NDArray[Any], instances: World) -> NDArray[np.float64]:
        """Sum of the tasks' grams at their steps."""
        n, k = decisions.shape[:2]
        packing = self.packing_of(instances, decisions[..., 1])
        option = decisions[..., 0].reshape(n * k, self.tasks, 1)
        return np.asarray(np.take_along_axis(packing.grams, option, axis=2).sum(axis=(1, 2)).reshape(n, k))

    def violations(self, decisions: NDArray[Any], instances: World) -> NDArray[np.int64]:
        """As A, and qualities that are missed."""
        assert isinstance(instances, Menu)
        n, k = decisions.shape[:2]
        packing = self.packing_of(instances, decisions[..., 1])
        packed = broken(packing, decisions[..., 0].reshape(n * k, -1)).reshape(n, k)
        poor = quality(decisions[..., 1], instances) < instances.wanted[:, None] - 1e-9
        return np.asarray(packed + poor.sum(axis=-1), dtype=np.int64)

    def polish(self, decisions: NDArray[Any], instances: World, steps: int) -> NDArray[np.int64]:
        """Least steps first (none of them costs a constraint), then shifts and swaps of options."""
        if steps <= 0:
            return np.asarray(decisions)
        option = super().polish(decisions[..., 0], instances, steps)
        return self._least(option, instances)

    def mutate(self, decisions: NDArray[Any], instances: World, rng: Generator) -> NDArray[np.int64]:
        """Some tasks get another wish, at the least steps."""
        n, k = decisions.shape[:2]
        raw = self.encode(decisions).reshape(n, k, self.tasks, self.options + 1)
        raw[..., :-1] += rng.uniform(-0.1, 0.1, (n, k, self.tasks, self.options)).astype(np.float32)
        for _ in range(2):
            rows = np.arange(n)[:, None], np.arange(k)[None], rng.integers(self.tasks, size=(n, k))
            wish = rng.uniform(-1.0, 4.0, (n, k, self.options + 1)).astype(np.float32)
            wish[..., -1] = -1.0
            raw[rows] = wish
        return self.decode(raw.reshape(n, k, self.dim), instances)

    def permute(
        self, instances: World, decisions: NDArray[Any], rng: Generator
    ) -> tuple[World, NDArray[np.int64]]:
        """Each instance's users in an order of its own."""
        order = np.argsort(rng.random((len(instances), self.tasks)), axis=1)
        moved = {f: np.take_along_axis(getattr(instances, f), order, axis=1) for f in (*PER_TASK, *LINE)}
        return replace(instances, **moved), np.take_along_axis(decisions, order[:, None, :, None], axis=2)

    def greedy(self, instances: World, how: str) -> NDArray[np.int64]:
        """At the least steps; see `packing.greedy`."""
        return self._least(greedy(self.packing(instances), how)[:, None], instances)

    def exact(self, instances: World, limit_s: float, gap: float = 1e-6) -> tuple[NDArray[Any], Reference]:
        """By the closed form and HiGHS."""
        option, reference = prove(self.packing(instances), limit_s, gap)
        return self._least(option[:, None], instances), reference

    def problem(self, instances: World, i: int) -> Problem:
        """See `statements.levels_problem`."""
        from .statements import levels_problem

        return levels_problem(instances.take([i]), self.name, CLOCKS)

    def _least(self, option: NDArray[np.int64], instances: World) -> NDArray[np.int64]:
        steps = np.broadcast_to(instances.steps[:, None].astype(np.int64), option.shape)
        return np.stack([option, steps], axis=-1)
