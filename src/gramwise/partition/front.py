"""The Pareto front: every plan that no other beats in carbon, energy and latency together."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from .dominance import nondominated
from .frontier import Frontier, frontier
from .labelling import Labelling, column
from .problem import Evaluation, Problem, evaluate
from .stages import most_stages, rounded, survivors
from .sums import MOST_CHARGED, Sums, resources, sums

if TYPE_CHECKING:
    from gramwise.core.decision import Floats, Ints

MOST_PLACEMENTS = 50_000
"""Contiguous placements that are listed; more stages than fit into it are left out."""

_WEIGHTS = tuple(w for w in itertools.product(range(9), repeat=3) if sum(w) == 8)
"""Weightings of carbon, energy and latency: 45."""

MOST_LABELS = 200_000
"""Labels that may be kept in a search through all placements: a count, not seconds, so that the answer is the same
on every machine."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Front:
    """Plans that no other plan of the space beats.

    Attributes:
        placements: node of each layer, (F, n), the fewest grams first.
        costs: what each costs, columns of length F.
        space: which plans were compared, in words.
        complete: every placement was compared, so that no plan whatever beats one of these.
    """

    placements: Ints
    costs: Evaluation
    space: str
    complete: bool


def front(problem: Problem, extra: Ints | None = None, *, most_labels: int = MOST_LABELS) -> Front:
    """The front over every placement where that can be searched through, else over contiguous stages.

    Args:
        problem: its limits are kept, the one on latency too. Grams count at ``g_per_j``, so a problem built for another
            objective than carbon must know every intensity.
        extra: placements to compare as well, (A, n).
        most_labels: labels kept before the search through all placements is given up.

    Returns:
        Complete over the space that it names; equal plans once. No point where nothing keeps the limits.
    """
    views = _views(problem)
    known = _with(problem, survivors(problem, 1, _figures), extra)
    found = _every(problem, views, _figures(evaluate(problem, known)), most_labels)
    if found is not None:
        return _front(problem, np.concatenate([known, found]), "every placement", complete=True)
    for view in views:
        known = _with(problem, known, view.weighted())
    near = contiguous_front(problem, known)
    best = f", and the best of all placements for {len(_WEIGHTS)} weightings" if views else ""
    return replace(near, space=near.space + best)


def contiguous_front(problem: Problem, extra: Ints | None = None) -> Front:
    """The front over contiguous stages, each node once, and over any other placements that are handed in.

    Args:
        problem: its limits are kept.
        extra: other placements, (A, n).

    Returns:
        Complete over the space that it names.
    """
    most = most_stages(problem.n, problem.k, MOST_PLACEMENTS)
    placements = _with(problem, survivors(problem, most, _figures), extra)
    limit = "" if most >= min(problem.k, problem.n) else f" of at most {most}"
    return _front(problem, placements, f"contiguous stages{limit}, each node once", complete=False)


def _with(problem: Problem, placements: Ints, extra: Ints | None) -> Ints:
    """Placements and those of some others that keep the limits."""
    if extra is None or not len(extra):
        return placements
    return np.concatenate([placements, extra[evaluate(problem, extra).feasible]])


class _View:
    """States, figures and limits with one set of nodes that are charged idle power."""

    def __init__(self, states: Frontier, view: Sums) -> None:
        self.states = states
        self.criteria = [column(states, figure) for figure in (view.carbon, view.energy, view.latency)]
        self.limited = [c for c in (column(states, f) for f in resources(view.problem)) if c.binds]

    def weighted(self) -> Ints:
        """The best placement for each weighting of the three figures, limits aside, (A, n); A is 0 where none is."""
        found = []
        for weights in _WEIGHTS:
            # Each figure in parts of its least.
            scales = [
                w / (c.first + float(c.least[0][0]) or 1.0)
                for w, c in zip(weights, self.criteria, strict=True)
            ]
            costs = [
                sum((s * c for s, c in zip(scales, step, strict=True)), np.zeros_like(step[0]))
                for step in zip(*(c.costs for c in self.criteria), strict=True)
            ]
            way = self.states.walk(costs, self.states.least(costs))
            if way is None:
                break
            found.append([node for _, node in way])
        return np.array(found, dtype=np.int64).reshape(len(found), self.states.problem.n)


def _views(problem: Problem) -> list[_View]:
    """Every set of charged nodes; empty where there are too many sets or too many states."""
    views: list[_View] = []
    if int((problem.idle_w > 0).sum()) > MOST_CHARGED:
        return []
    for view in sums(replace(problem, objective="carbon")):
        states = frontier(view.problem)
        if states is None:
            return []
        views.append(_View(states, view))
    return views


def _every(problem: Problem, views: list[_View], known: Floats, most_labels: int) -> Ints | None:
    """Feasible placements that no known one beats, out of all; None where that is too much to search through."""
    found = [np.zeros((0, problem.n), dtype=np.int64)]
    for view in views:
        labels = Labelling(
            view.states, view.criteria, view.limited, known=known, most_labels=most_labels, paced=True
        ).run()
        if labels is None:
            return None
        found.append(labels.placements[evaluate(problem, labels.placements).feasible])
    return np.concatenate(found) if views else None


def _front(problem: Problem, placements: Ints, space: str, *, complete: bool) -> Front:
    costs = evaluate(problem, placements)
    kept = placements[nondominated(rounded(_figures(costs)))]
    return Front(placements=kept, costs=evaluate(problem, kept), space=space, complete=complete)


def _figures(costs: Evaluation) -> Floats:
    return np.stack([costs.carbon_g, costs.energy_j, costs.latency_s], axis=1)
