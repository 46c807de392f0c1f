"""Label-setting over the frontier: exact for any acyclic graph of small width, with any limits.

Without limits it is a plain recursion over layers and states. With limits it keeps every label that may still become
the optimum; a bound from priced limits and a good placement found on the way keep these few.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gramwise.partition.frontier import Frontier, frontier
from gramwise.partition.labelling import Column, Floor, Labelling, column
from gramwise.partition.problem import Problem, Split, evaluate
from gramwise.partition.relax import Relaxed, relax
from gramwise.partition.stages import incumbent
from gramwise.partition.sums import MOST_CHARGED, Sums, resources, sums

if TYPE_CHECKING:
    from gramwise.core.decision import Ints


class LabelSetting:
    """The best placement by labels. `Split.exact` is false only where labels ran out.

    Args:
        most_labels: labels that may be kept, summed over the layers.
    """

    name = "labels"
    exact = True

    def __init__(self, most_labels: int = 50_000) -> None:
        self.most_labels = most_labels

    def why_not(self, problem: Problem) -> str:
        """Empty where the objective is a sum and the frontier is narrow."""
        if problem.objective == "throughput":
            return "the seconds of the slowest node or link are no sum over layers"
        if int((problem.idle_w > 0).sum()) > MOST_CHARGED:
            return f"more than {MOST_CHARGED} nodes are charged idle power"
        if frontier(problem) is None:
            return "too many tensors are alive at once"
        return ""

    def split(self, problem: Problem) -> Split:
        """Place every layer; a bound and the best known placement where labels run out."""
        best = incumbent(problem) if problem.remembers else None
        views = sorted((_View(view, best[1] if best else math.inf) for view in sums(problem)), key=_bound)
        bound = math.inf
        for view in views:
            if best is not None and view.bound >= best[1] * (1 - 1e-12):
                bound = min(bound, view.bound)
                break  # the rest is no better: views come by rising bounds
            found, proven = view.search(problem, best, self.most_labels)
            best, bound = _better(problem, best, found), min(bound, proven)
        if best is None:
            return Split(None, bound, math.isinf(bound))
        exact = bound >= best[1] * (1 - 1e-10)
        return Split(tuple(best[0].tolist()), best[1] if exact else bound, exact)


class _View:
    """The problem with one set of charged nodes: a sum with limits."""

    def __init__(self, view: Sums, guess: float) -> None:
        found = frontier(view.problem)
        assert found is not None  # why_not looked at the widest one
        self.frontier: Frontier = found
        self.objective = column(found, view.objective(view.problem.objective))
        others = [view.latency] if view.problem.objective != "latency" else []
        columns = [column(found, figure) for figure in (*others, *resources(view.problem))]
        self.limited: list[Column] = [c for c in columns if c.binds]
        self.relaxed: Relaxed = relax(found, self.objective, self.limited, guess / self.objective.grain)

    @property
    def bound(self) -> float:
        return self.relaxed.bound * self.objective.grain

    def search(
        self, problem: Problem, best: tuple[Ints, float] | None, most_labels: int
    ) -> tuple[Ints, float]:
        """Placements (A, n) among which the best of this view is, if it beats ``best``; and the proven bound."""
        rough = self.relaxed.placements
        if not len(rough):
            return rough, math.inf
        if not self.limited and not problem.memory_binds and not self.objective.binds:
            return rough, self.bound
        best = _better(problem, best, rough)
        cap = best[1] / self.objective.grain if best else math.inf
        o = self.objective
        floors = [self.relaxed.floor_below(cap), Floor(o.first, o.costs, o.least, cap)]
        labels = Labelling(
            self.frontier, [self.objective], self.limited, floors=floors, most_labels=most_labels
        ).run()
        if labels is None:
            return rough, self.bound
        least = float(labels.values.min(initial=math.inf))
        return np.concatenate([rough, labels.placements]), min(least, best[1] if best else math.inf)


def _bound(view: _View) -> float:
    return view.bound


def _better(problem: Problem, best: tuple[Ints, float] | None, found: Ints) -> tuple[Ints, float] | None:
    """The best feasible of some placements and the one that is known."""
    if not len(found):
        return best
    costs = evaluate(problem, found)
    value = np.where(costs.feasible, costs.value(problem.objective), math.inf)
    row = int(value.argmin())
    if not math.isfinite(float(value[row])) or (best is not None and best[1] <= value[row]):
        return best
    return found[row], float(value[row])


PLUGIN = LabelSetting
