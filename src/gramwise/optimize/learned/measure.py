"""How good a proposer of decisions is: gap to the best known cost, best of K, spread, and milliseconds an answer.

A proposer is a function of (features, k, generator) that gives raw decisions; random numbers are one, a trained sampler
another, so that both pass through the same decoder, local search and clock. CPU-seconds are of this process.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from gramwise.optimize.offload.case import gap_frac

from .network import Array

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from gramwise.optimize.offload.case import Case, Reference

Proposer: TypeAlias = "Callable[[Array, int, Generator], Array]"
SPREAD_PAIRS = 8


def at_random(dim: int) -> Proposer:
    """Proposes uniform raw decisions of ``dim`` entries: the starts of a multi-start search."""

    def draw(features: Array, k: int, rng: Generator) -> Array:
        return (2 * rng.random((len(features), k, dim), dtype=np.float32) - 1).astype(np.float32)

    return draw


def answer(
    case: Case, proposer: Proposer, instances: Any, k: int, polish_steps: int, rng: Generator
) -> tuple[NDArray[Any], NDArray[np.float64], float]:
    """Propose, decode, polish and score ``k`` decisions an instance.

    Returns:
        decisions (n, k, ...), their gCO2e (n, k), and CPU-seconds for all of it, features included.
    """
    begun = time.process_time()
    raw = proposer(case.features(instances), k, rng)
    decisions = case.decode(raw, instances)
    if polish_steps:
        decisions = case.polish(decisions, instances, polish_steps)
    grams = case.cost(decisions, instances)
    return decisions, grams, time.process_time() - begun


def measure(
    case: Case,
    proposer: Proposer,
    instances: Any,
    reference: Reference,
    *,
    k: int,
    polish_steps: int = 0,
    seed: int = 0,
    repeats: int = 1,
) -> dict[str, Any]:
    """One row of results.

    Args:
        case, proposer: what is measured.
        instances, reference: unseen instances and their best known costs.
        k: decisions an instance.
        polish_steps: of local search after decoding.
        seed: of the draws.
        repeats: how often to time it; the median counts.

    Returns:
        gaps as shares of the best known cost: mean and 95th percentile of the best of k, mean of the first alone,
        median CPU-milliseconds an instance, share of broken decisions, and the gaps one by one.
    """
    times = []
    for _ in range(repeats):
        decisions, grams, cpu_s = answer(
            case, proposer, instances, k, polish_steps, np.random.default_rng(seed)
        )
        times.append(1e3 * cpu_s / len(instances))
    gaps = gap_frac(grams.min(axis=1), reference)
    single = gap_frac(grams[:, 0], reference)
    return {
        "k": k,
        "polish_steps": polish_steps,
        "gap_mean_frac": float(gaps.mean()),
        "gap_p95_frac": float(np.quantile(gaps, 0.95)),
        "gap_single_frac": float(single.mean()),
        "violation_frac": float((case.violations(decisions, instances) > 0).mean()),
        "ms_per_answer": float(np.median(times)),
        "seed": seed,
        "gaps": gaps.tolist(),
    }


def health(
    case: Case, proposer: Proposer, instances: Any, reference: Reference, *, k: int = 16, seed: int = 0
) -> dict[str, float]:
    """Whether a sampler still samples: collapsed ones give the same answer ``k`` times.

    Returns:
        ``best_over_first``: mean gap of the best of k by that of the first (1 is collapse); ``distance``: mean
        root-mean-square distance between raw decisions of one instance, 0 (collapse) to 2.
    """
    rng = np.random.default_rng(seed)
    raw = proposer(case.features(instances), k, rng)
    grams = case.cost(case.decode(raw, instances), instances)
    first = float(gap_frac(grams[:, 0], reference).mean())
    best = float(gap_frac(grams.min(axis=1), reference).mean())
    pairs = [
        (a, (a + step) % k) for a in range(min(k, SPREAD_PAIRS)) for step in (1, 3) if (a + step) % k != a
    ]
    apart = [np.sqrt(((raw[:, a] - raw[:, b]) ** 2).mean(axis=1)).mean() for a, b in pairs]
    return {"best_over_first": best / first if first else float("nan"), "distance": float(np.mean(apart))}


def interval(values: Any, *, seed: int = 0, draws: int = 2000) -> tuple[float, float]:
    """95 % bootstrap interval of the mean of ``values`` (n,): by seeds where there are several, else by instances."""
    held = np.asarray(values, dtype=np.float64)
    rows = np.random.default_rng(seed).integers(0, len(held), (draws, len(held)))
    low, high = np.quantile(held[rows].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)
