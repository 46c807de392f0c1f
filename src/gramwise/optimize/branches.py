"""Bound B2 of many slots that nothing ties, each by its own branch and bound, all of them advanced together.

Without work that waits and with free starts every slot is a small problem of its own: which nodes are on. A general
solver spends most of its time on the way in and out of such a problem. Here all slots' open branches are the slots of
one linear program without whole numbers. Method: docs/method/bounds.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .onoff import OnOffProblem, refuse_unserved
from .program import Answer, Program, solve
from .slots import groups_of

if TYPE_CHECKING:
    from gramwise.core.decision import Floats, Ints

_OFF, _ON, _FREE = 0, 1, 2
_AT_ONCE = 15_000
"""Columns of one linear program of many branches (measured: 1,000 take twice as long)."""

_TRACE = 1e-9
"""Share of a node's time or of a slot's work that is rounding."""


def slot_bounds(problem: OnOffProblem, *, gap_frac: float = 1e-4, rounds: int = 40) -> Floats:
    """B2 of each slot where nothing ties the slots: no work waits and starts are free. Grams, (T,), each proven.

    A branch and bound of our own: with a node neither off nor on, the least that its idle time can cost is the share
    of it that is used, so a tree's branch is a linear program without a column for on, and the branches of all slots'
    trees are solved together. For thousands of small slots that is some ten times quicker than as many calls of a
    general solver (docs/method/bounds.md). Work that does not fit is given up, as little as can be; such slots keep
    the bound of their first program.

    Args:
        problem: without work that waits and without ``start_g``.
        gap_frac: branches this near to the best schedule are not looked into.
        rounds: branch at most so often in a row; the bounds hold whenever it ends.

    Raises:
        ValueError: the slots are tied.
        Infeasible, SolverError, SourceUnavailable: as for `solve_onoff`, but for work that does not fit.
    """
    if problem.slots.waits.any() or problem.start_g.any():
        raise ValueError("slots are tied by work that waits or by starts: use onoff_bound")
    refuse_unserved(problem.slots)
    trees = _Trees(problem)
    slots = problem.idle_g.shape[1]
    at, state = np.arange(slots), np.full((slots, len(problem.idle_g)), _FREE, dtype=np.int8)
    best, closed = np.full(slots, np.inf), np.full(slots, np.inf)
    for depth in range(rounds + 1):
        value, whole, worst = trees.relax(at, state)
        np.minimum.at(best, at, whole)
        stays = (worst >= 0) & (value < best[at] * (1.0 - gap_frac)) & (depth < rounds)
        np.minimum.at(closed, at[~stays], value[~stays])
        at, state, worst = at[stays], state[stays], worst[stays]
        if not len(at):
            break
        both = [state.copy(), state.copy()]
        for side, setting in zip(both, (_OFF, _ON), strict=True):
            side[np.arange(len(at)), worst] = setting
        at, state = np.concatenate([at, at]), np.concatenate(both)
    found: Floats = np.minimum(closed, best)  # by rounding a branch may lie a hair above its own schedule
    return found


class _Trees:
    """Solves branches: each a slot with some nodes off, some on and the rest free."""

    def __init__(self, problem: OnOffProblem) -> None:
        self.problem, self.groups = problem, groups_of(problem.slots)
        self.columns = max(1, int(np.isfinite(self.groups.energy_j).sum()))

    def relax(self, at: Ints, state: Any) -> tuple[Floats, Floats, Ints]:
        """Bound of each branch, grams of a schedule in it, and the node to branch at, -1 where there is nothing to."""
        each = max(1, _AT_ONCE // self.columns)
        parts = [self._bundle(at[i : i + each], state[i : i + each]) for i in range(0, len(at), each)]
        value, whole, worst = (np.concatenate(column) for column in zip(*parts, strict=True))
        return value, whole, worst

    def _bundle(self, at: Ints, state: Any) -> tuple[Floats, Floats, Ints]:
        slots, groups, setting = self.problem.slots, self.groups, state.T
        node, capacity, idle = slots.node, slots.capacity_s[:, at], self.problem.idle_g[:, at]
        a_second = np.divide(idle, capacity, out=np.zeros_like(idle), where=capacity > 0)
        a_second[setting != _FREE] = 0.0
        with np.errstate(invalid="ignore"):
            own: Floats = groups.energy_j[:, :, None] * slots.g_per_j[node][None, :, at]
        cost: Floats = own + groups.busy_s[:, :, None] * a_second[node][None]
        cost[:, setting[node] == _OFF] = np.inf
        cost[np.isnan(cost)] = np.inf
        arrivals = slots.arrivals[:, at]
        program = Program(
            cost=cost, objective=cost, busy_s=groups.busy_s, node=node, capacity_s=capacity, group=groups.of,
            arrivals=arrivals, due=arrivals, waits=np.zeros(len(arrivals), dtype=np.bool_),
        )  # fmt: skip
        answer = solve(program, shed=True)
        return self._judge(answer, program, setting, idle, a_second)

    def _judge(
        self, answer: Answer, program: Program, setting: Any, idle: Floats, a_second: Floats
    ) -> tuple[Floats, Floats, Ints]:
        use = np.zeros_like(idle)
        np.add.at(use, program.node, np.einsum("gpt,gp->pt", answer.served, program.busy_s))
        known = np.where(np.isfinite(program.cost), program.cost, 0.0)
        work = (answer.served * known).sum(axis=(0, 1))
        value = work + (idle * (setting == _ON)).sum(axis=0)
        free_use = use * a_second
        # What the program's answer leaves unpaid when its free nodes are switched on for what they do.
        unpaid = np.where((setting == _FREE) & (use > _TRACE * program.capacity_s), idle - free_use, 0.0)
        whole = value + np.maximum(unpaid, 0.0).sum(axis=0)
        worst = np.where(unpaid.max(axis=0) > 0, unpaid.argmax(axis=0), -1)
        lost = answer.unserved.sum(axis=0) > _TRACE * program.arrivals.sum(axis=0)
        first = (setting == _FREE).all(axis=0)
        # A branch that cannot serve what came is none, unless it is a slot's first: then nothing better is known.
        value = np.where(lost & ~first, np.inf, value)
        return value, np.where(lost, np.inf, whole), np.where(lost, -1, worst)
