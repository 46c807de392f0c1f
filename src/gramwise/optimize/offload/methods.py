"""Heuristics on the shared decoder: greedy, random, multi-start, CMA-ES, each with or without the shared local search.

A method answers a batch of instances with one decision each. Times are CPU-seconds of this process, so that a busy
machine changes them less; `for_time` gives random starts as much time as another method took.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .case import best_of, pick

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator
    from numpy.typing import NDArray

    from .case import Case

_BATCH = 64  # random starts that are tried together
_WIDE = 0.5  # deviation of the first generation of CMA-ES, in raw units


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """One decision an instance, (n, 1, ...); its gCO2e, (n,); decisions scored an instance; CPU-seconds in all."""

    decisions: NDArray[Any]
    grams: NDArray[np.float64]
    tried: float
    cpu_s: float


def greedy(case: Case, instances: Any, how: str, polish_steps: int = 0) -> Answer:
    """The family's own: ``regret`` or ``cheapest``."""
    begun = time.process_time()
    decisions = case.greedy(instances, how)
    return _answer(case, instances, decisions, polish_steps, begun, 1)


def random_best(case: Case, instances: Any, k: int, rng: Generator, polish_steps: int = 0) -> Answer:
    """The best of ``k`` random decisions, after local search where asked: multi-start."""
    begun = time.process_time()
    decisions = case.decode(rng.uniform(-1.0, 1.0, (len(instances), k, case.dim)), instances)
    return _answer(case, instances, decisions, polish_steps, begun, k)


def for_time(case: Case, instances: Any, ms: float, rng: Generator, polish_steps: int) -> Answer:
    """Multi-start with ``ms`` CPU-milliseconds an instance: random starts until they are used up, at least one."""
    begun = time.process_time()
    limit_s = ms * 1e-3 * len(instances)
    best, k, tried = None, 1, 0
    while best is None or time.process_time() - begun < limit_s:
        found = random_best(case, instances, k, rng, polish_steps)
        tried += k
        if best is None or (found.grams < best.grams).any():
            best = found if best is None else cheaper(best, found)
        left = limit_s - (time.process_time() - begun)
        k = max(1, min(_BATCH, 2 * k, int(left / max(found.cpu_s / k, 1e-9))))
        if left < found.cpu_s / k:
            break
    return Answer(best.decisions, best.grams, tried, time.process_time() - begun)


def evolution(case: Case, instances: Any, evaluations: int, seed: int, polish_steps: int = 0) -> Answer:
    """CMA-ES on raw arrays, instance by instance, then local search where asked.

    Raises:
        SourceUnavailable: the package ``cma`` is not installed.
    """
    from gramwise.optimize.solvers.cmaes import _cma

    cma, begun, best = _cma(), time.process_time(), []
    for i in range(len(instances)):
        one, asked = instances.take([i]), 0
        least, held = np.inf, case.decode(np.zeros((1, 1, case.dim)), one)
        strategy = cma.CMAEvolutionStrategy(
            np.zeros(max(2, case.dim)), _WIDE, {"seed": seed + 1, "verbose": -9, "bounds": [-1, 1]}
        )
        while asked < evaluations and not strategy.stop():
            raw = strategy.ask()
            decisions = case.decode(np.array(raw)[None, :, : case.dim], one)
            grams = case.cost(decisions, one)
            strategy.tell(raw, grams[0].tolist())
            asked += len(raw)
            if grams.min() < least:
                least, held = float(grams.min()), pick(decisions, best_of(grams))
        best.append(held)
    return _answer(case, instances, np.concatenate(best), polish_steps, begun, evaluations)


def from_draws(
    case: Case, instances: Any, draw: Callable[[Any, int], NDArray[Any]], k: int, polish_steps: int
) -> Answer:
    """The best of ``k`` decisions that ``draw(features, k)`` proposes as raw arrays: how learned samplers answer."""
    begun = time.process_time()
    decisions = case.decode(draw(case.features(instances), k), instances)
    return _answer(case, instances, decisions, polish_steps, begun, k)


def _answer(
    case: Case, instances: Any, decisions: NDArray[Any], polish_steps: int, begun: float, tried: float
) -> Answer:
    if polish_steps:
        decisions = case.polish(decisions, instances, polish_steps)
    grams = case.cost(decisions, instances)
    best = best_of(grams)
    return Answer(
        pick(decisions, best), grams[np.arange(len(grams)), best], tried, time.process_time() - begun
    )


def cheaper(a: Answer, b: Answer) -> Answer:
    """The better of two answers for each instance; what both tried and took is summed."""
    less = b.grams < a.grams
    spread = (-1,) + (1,) * (a.decisions.ndim - 1)
    decisions = np.where(less.reshape(spread), b.decisions, a.decisions)
    return Answer(decisions, np.minimum(a.grams, b.grams), a.tried + b.tried, a.cpu_s + b.cpu_s)
