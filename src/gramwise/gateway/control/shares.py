"""From a solved plan to shares: of each thing that was planned, how much of it goes to which place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gramwise.optimize.typed.bind import Bound, bind
from gramwise.optimize.typed.record import Problem
from gramwise.runtime.wordscenario import Stage, stage_of

EVERYTHING = ""
"""Stands for all things where the plan tells none apart."""
_TINY = 1e-9


def shares_of(document: Mapping[str, Any]) -> dict[str, dict[str, float]] | None:
    """The shares of a solved ``gramwise.words/1`` document.

    A decision over places and one further set is taken thing by thing; over more sets it is summed over them. Hours
    are summed over: a plan that waits says where, and waiting is asked for by each request.

    Args:
        document: with ``problem`` and ``solution``.

    Returns:
        By thing (``""`` for all), by place, shares that sum to 1; None where nothing is decided over places.
    """
    if document.get("status") != "solved" or not document.get("solution"):
        return None
    bound, _ = bind(Problem.model_validate(document["problem"]))
    stage = None if bound is None else stage_of(bound)
    if bound is None or stage is None or not stage.sites:
        return None
    decision = document["solution"]["decision"]
    amounts: defaultdict[str, dict[str, float]] = defaultdict(lambda: dict.fromkeys(stage.labels, 0.0))
    for name, variable in bound.variables.items():
        if stage.sites in variable.index and name in decision:
            values = np.abs(np.asarray(decision[name], dtype=np.float64)).reshape(variable.shape)
            for thing, row in _things(bound, stage, variable.index, values):
                for place, amount in zip(stage.labels, row, strict=True):
                    amounts[thing][place] += amount
    return _normal(amounts) or None


def _things(
    bound: Bound, stage: Stage, index: Sequence[str], values: np.ndarray[Any, np.dtype[np.float64]]
) -> list[tuple[str, list[float]]]:
    """Of one variable, by thing, the amount at each place."""
    others = [s for s in index if s not in (stage.sites, stage.hours)]
    thing = others[0] if len(others) == 1 else None
    away = tuple(i for i, s in enumerate(index) if s not in (stage.sites, thing))
    summed = values.sum(axis=away)
    if thing is None:
        return [(EVERYTHING, summed.tolist())]
    if index.index(stage.sites) < index.index(thing):
        summed = summed.T
    declared = next(s for s in bound.problem.sets if s.name == thing)
    return [(declared.label(i), row) for i, row in enumerate(summed.tolist())]


def _normal(amounts: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    shares = {}
    for thing, by_place in amounts.items():
        whole = sum(by_place.values())
        if whole > _TINY:
            shares[thing] = {
                place: amount / whole for place, amount in by_place.items() if amount > _TINY * whole
            }
    return shares
