"""Tasks into options of sites with room: the decoder, the local search and the exact program of families A and B.

An option is a site, or a site at one clock. Sites have room for load (steps, or busy seconds) and for memory; tasks may
be barred from options (deadline, memory of a phone). The last option is open to every task and its site has no limits:
so there is always an answer. Everything is vectorised over a batch of rows, one row an instance with one candidate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .exact import Choice, Uses, choose

if TYPE_CHECKING:
    from numpy.typing import NDArray

TINY = 1e-9
"""Slack of capacity, as a share: what summing in another order may cost."""
_CHUNK = 4_000_000  # entries of a swap matrix that are held at once


@dataclass(frozen=True, slots=True, eq=False)
class Packing:
    """Rows of a packing problem; r rows, N tasks, O options, M sites.

    Attributes:
        grams: gCO2e of a task at an option, (r, N, O).
        allowed: whether it may go there, (r, N, O); the last option is always allowed.
        load: what it takes of the site, steps or s, (r, N, O).
        memory: what it holds there, GB, (r, N).
        room: load a site has room for, (r, M); infinite where there is no limit.
        shelf: memory a site has, GB, (r, M); infinite where there is no limit.
        site: site of each option, (O,).
    """

    grams: NDArray[np.float64]
    allowed: NDArray[np.bool_]
    load: NDArray[np.float64]
    memory: NDArray[np.float64]
    room: NDArray[np.float64]
    shelf: NDArray[np.float64]
    site: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.grams)

    def rows(self, index: NDArray[np.int64]) -> Packing:
        """Some rows, also repeated."""
        return Packing(
            self.grams[index],
            self.allowed[index],
            self.load[index],
            self.memory[index],
            self.room[index],
            self.shelf[index],
            self.site,
        )


def at(values: NDArray[Any], chosen: NDArray[np.int64]) -> NDArray[Any]:
    """Entries (r, N) of ``values`` (r, N, O) at the options ``chosen`` (r, N)."""
    return np.take_along_axis(values, chosen[..., None], axis=2)[..., 0]


def used(packing: Packing, chosen: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Load and memory taken at each site, two arrays (r, M)."""
    here = packing.site[chosen][..., None] == np.arange(packing.room.shape[1])
    load, memory = at(packing.load, chosen), packing.memory
    return np.einsum("rnm,rn->rm", here, load), np.einsum("rnm,rn->rm", here, memory)


def broken(packing: Packing, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    """Constraints that do not hold: barred options, loads above room, memories above shelves, (r,)."""
    load, memory = used(packing, chosen)
    barred = ~at(packing.allowed, chosen)
    over = (load > packing.room * (1 + TINY)).sum(1) + (memory > packing.shelf * (1 + TINY)).sum(1)
    return np.asarray(barred.sum(1) + over, dtype=np.int64)


def place(
    scores: NDArray[Any], packing: Packing, order: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Each task's best-scored option that is allowed and still has room, (r, N).

    Args:
        scores: preference for each option, (r, N, O).
        packing: the problem.
        order: of the tasks, (r, N); by default the surest first, by how far its best allowed option leads the next.
    """
    r, n, _ = scores.shape
    open_scores = np.where(packing.allowed, scores, -np.inf)
    if order is None:
        order = np.argsort(-_lead(open_scores), axis=1, kind="stable")
    chosen = np.empty((r, n), dtype=np.int64)
    row = np.arange(r)
    room, shelf = packing.room.copy(), packing.shelf.copy()
    for task in order.T:
        load, memory = packing.load[row, task], packing.memory[row, task]
        fits = load <= room[:, packing.site] * (1 + TINY)
        fits &= memory[:, None] <= shelf[:, packing.site] * (1 + TINY)
        pick = np.where(fits, open_scores[row, task], -np.inf).argmax(1)
        # Where every allowed option is full, argmax of nothing but -inf is 0: the last one is open to all.
        pick = np.where(fits[row, pick] & packing.allowed[row, task, pick], pick, scores.shape[2] - 1)
        chosen[row, task] = pick
        room[row, packing.site[pick]] -= load[row, pick]
        shelf[row, packing.site[pick]] -= memory
    return chosen


def _lead(scores: NDArray[Any]) -> NDArray[Any]:
    if scores.shape[2] == 1:
        return np.zeros(scores.shape[:2])
    top = np.partition(scores, -2, axis=2)[..., -2:]
    return np.asarray(top[..., 1] - top[..., 0])  # infinite where one option is left


def improve(packing: Packing, chosen: NDArray[np.int64], steps: int) -> NDArray[np.int64]:
    """Local search: the best shift of one task, and where none helps the best swap of two; (r, N).

    Args:
        packing: the problem.
        chosen: feasible options, (r, N).
        steps: most moves a row makes; rows stop where neither kind of move helps.
    """
    best = chosen.copy()
    active, sub = np.arange(len(best)), packing
    for _ in range(steps):
        now = best[active]
        load, memory = used(sub, now)
        room, shelf = sub.room - load, sub.shelf - memory
        moved = _shift(sub, now, room, shelf)
        still = np.flatnonzero(~moved)
        if len(still):
            moved[still], now[still] = _swap(sub.rows(still), now[still], room[still], shelf[still])
        best[active] = now
        if not moved.any():
            break
        active, sub = active[moved], sub.rows(np.flatnonzero(moved))
    return best


def _shift(
    packing: Packing, now: NDArray[np.int64], room: NDArray[np.float64], shelf: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Moves the task that saves most, in place; tells which rows moved."""
    saved = at(packing.grams, now)[..., None] - packing.grams
    saves = packing.allowed & (saved > _least(packing)[:, None, None])
    row, task, option = np.nonzero(saves)
    site, own = packing.site[option], now[row, task]
    home = packing.site[own] == site  # the task frees its room where it stays on its site
    need = packing.load[row, task, option] - np.where(home, packing.load[row, task, own], 0.0)
    fits = (need <= room[row, site]) & (home | (packing.memory[row, task] <= shelf[row, site]))
    rows, best = _greatest(row[fits], saved[row[fits], task[fits], option[fits]])
    now[rows, task[fits][best]] = option[fits][best]
    moved = np.zeros(len(now), dtype=bool)
    moved[rows] = True
    return moved


def _swap(
    packing: Packing, now: NDArray[np.int64], room: NDArray[np.float64], shelf: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Exchanges the options of the two tasks that save most; which rows moved, and the options."""
    n = now.shape[1]
    pairs = np.triu_indices(n, 1)
    size = max(1, _CHUNK // max(1, len(pairs[0])))
    after, moved = now.copy(), np.zeros(len(now), dtype=bool)
    for start in range(0, len(now), size):
        rows = slice(start, start + size)
        part = packing.rows(np.arange(start, min(start + size, len(now))))
        row, i, j = _best_swap(part, now[rows], room[rows], shelf[rows], pairs)
        row = row + start
        moved[row] = True
        after[row, i], after[row, j] = now[row, j], now[row, i]
    return moved, after


def _best_swap(
    packing: Packing,
    now: NDArray[np.int64],
    room: NDArray[np.float64],
    shelf: NDArray[np.float64],
    pairs: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Rows that can gain, and their two tasks."""
    (i, j), (n, options) = pairs, packing.grams.shape[1:]
    base = np.arange(len(now))[:, None] * (n * options)
    cost = np.where(packing.allowed, packing.grams, np.inf).ravel()
    own = at(packing.grams, now)
    saved = (own[:, i] - cost[base + i * options + now[:, j]]) + (
        own[:, j] - cost[base + j * options + now[:, i]]
    )
    row, pair = np.nonzero(saved > _least(packing)[:, None])
    i, j, gain = i[pair], j[pair], saved[row, pair]
    to_i, to_j = now[row, j], now[row, i]  # what each task would get
    there_i, there_j = packing.site[to_i], packing.site[to_j]
    load, memory = packing.load, packing.memory
    more_i = load[row, i, to_i] - load[row, j, to_i]  # at i's new site, where j leaves
    more_j = load[row, j, to_j] - load[row, i, to_j]
    heavier = memory[row, i] - memory[row, j]
    fits = (there_i != there_j) & (more_i <= room[row, there_i]) & (more_j <= room[row, there_j])
    fits &= (heavier <= shelf[row, there_i]) & (-heavier <= shelf[row, there_j])
    rows, best = _greatest(row[fits], gain[fits])
    return rows, i[fits][best], j[fits][best]


def _greatest(
    row: NDArray[np.int64], gain: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each row that occurs: its number, and the place of its greatest gain."""
    order = np.lexsort((-gain, row))
    rows, first = np.unique(row[order], return_index=True)
    return rows, order[first]


def _least(packing: Packing) -> NDArray[np.float64]:
    """A saving smaller than this is rounding; without it two moves could undo each other forever."""
    return np.asarray(1e-9 * np.abs(packing.grams[:, 0, -1]))


def greedy(packing: Packing, how: str) -> NDArray[np.int64]:
    """``cheapest``: tasks in the order given, each to the cheapest option with room. ``regret``: that task first which
    loses most where it does not get its cheapest option. (r, N)
    """
    if how == "regret":
        return place(-packing.grams, packing)
    order = np.broadcast_to(np.arange(packing.grams.shape[1]), packing.grams.shape[:2])
    return place(-packing.grams, packing, order)


def optimum(packing: Packing, row: int, limit_s: float, gap_frac: float) -> Choice:
    """One row by integer programming: see `exact.choose`; ``picked`` are options, (N,)."""
    task, option = np.nonzero(packing.allowed[row])
    site, sites = packing.site[option], packing.room.shape[1]
    limit = np.concatenate([packing.room[row], packing.shelf[row]])
    columns = np.arange(len(task))
    uses = Uses(
        resource=np.concatenate([site, site + sites]),
        column=np.concatenate([columns, columns]),
        amount=np.concatenate([packing.load[row, task, option], packing.memory[row, task]]),
        limit=limit,
    )
    found = choose(packing.grams[row, task, option], task, uses, limit_s, gap_frac)
    return replace(found, picked=option[found.picked] if len(found.picked) else found.picked)
