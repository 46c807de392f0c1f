"""Pipelines: the shortest period over contiguous stages, each on a node of its own.

A period is possible when no node and no link is busy for longer, which is a question of limits that label-setting
answers; the period is found by halving. The answer is the optimum over contiguous stages in the order of the layers,
on chains as on other graphs; whether it is the optimum over all placements is claimed only where it meets a bound that
holds for all of them.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gramwise.partition.frontier import frontier
from gramwise.partition.labelling import Labelling, column
from gramwise.partition.problem import Problem, Split, evaluate
from gramwise.partition.stages import incumbent
from gramwise.partition.sums import Sum, busy, resources, sums

if TYPE_CHECKING:
    from gramwise.core.decision import Floats, Ints

_HALVINGS_TO = 1e-3
"""Relative width at which halving ends; the last step is to ask for anything better than what was found."""

_AS_GOOD = 1e-9
_ROUNDS = 300
_MOST_LABELS = 50_000


class Pipeline:
    """The best contiguous stages for throughput."""

    name = "pipeline"
    exact = False

    def why_not(self, problem: Problem) -> str:
        """Empty where throughput is the objective and the frontier is narrow."""
        if problem.objective != "throughput":
            return "it shortens the period of a pipeline; the objective is another"
        if frontier(problem, contiguous=True) is None:
            return "too many tensors are alive at once"
        return ""

    def split(self, problem: Problem) -> Split:
        """Place every layer; without a placement where no contiguous stages keep the limits."""
        least = least_period(problem)
        if math.isinf(least):  # a layer that no node may run
            return Split(None, math.inf, True)
        best = incumbent(problem)
        search = _Search(problem)
        low, high = least, best[1] if best else math.inf
        while low < high * (1 - _AS_GOOD):
            wide = high > low * (1 + _HALVINGS_TO)
            goal = high * (1 - _AS_GOOD) if not wide else math.sqrt(low * high) if low > 0 else high / 2
            if math.isinf(goal):
                goal = search.longest
            found = search.within(goal)
            if found is not None and found[1] < high:
                best = found
                high = found[1]
            elif goal >= search.longest or not wide:
                break
            else:
                low = goal
        if best is None:
            return Split(None, least, False)
        exact = best[1] <= least * (1 + _AS_GOOD)
        return Split(tuple(best[0].tolist()), best[1] if exact else least, exact)


class _Search:
    """Whether contiguous stages have a period."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        states = frontier(problem, contiguous=True)
        assert states is not None  # why_not looked
        self.frontier = states
        nothing = np.zeros((len(problem.tensors), problem.k + 1, problem.k + 1))
        self.no_matter = column(states, Sum(np.zeros((problem.n, problem.k)), nothing))
        self.loads = [column(states, figure) for figure in busy(problem)]
        view = next(sums(problem))
        self.limited = [column(states, figure) for figure in (view.latency, *resources(problem))]
        self.longest = max((c.first + float(c.most[0][0])) * c.grain for c in self.loads)

    def within(self, period_s: float) -> tuple[Ints, float] | None:
        """A placement of at most this period, and its period; None where there is none."""
        loads = [replace(c, limit=period_s * (1 + 1e-12) / c.grain) for c in self.loads]
        limited = [c for c in (*loads, *self.limited) if c.binds]
        labels = Labelling(self.frontier, [self.no_matter], limited, most_labels=_MOST_LABELS).run()
        if labels is None or not len(labels.placements):
            return None
        costs = evaluate(self.problem, labels.placements)
        return (labels.placements[0], float(costs.period_s[0])) if costs.feasible[0] else None


def least_period(problem: Problem) -> float:
    """Seconds that no placement's period is below: layers shared out in parts, transfers for nothing.

    For weights of the nodes that sum to 1 the period is at least ``sum over v of min over d of w_d t(v, d) / slots_d``;
    the weights are moved towards the nodes that this loads most (multiplicative weights).
    """
    p = problem
    seconds = np.where(p.allowed, p.latency_s / p.slots, math.inf)
    best = float(seconds.min(axis=1).max(initial=0.0))
    weight: Floats = np.full(p.k, 1.0 / p.k)
    for turn in range(_ROUNDS):
        charged = np.where(p.allowed, seconds * weight, math.inf)
        node = charged.argmin(axis=1)
        best = max(best, float(charged[np.arange(p.n), node].sum()))
        if not math.isfinite(best):
            break
        load = np.bincount(node, weights=seconds[np.arange(p.n), node], minlength=p.k)
        weight = weight * np.exp(load / max(float(load.max()), 1e-300) / math.sqrt(turn + 1.0))
        weight /= weight.sum()
    return best


PLUGIN = Pipeline
