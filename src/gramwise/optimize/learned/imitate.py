"""Training without labels, critic or gradient of the objective: a sampler imitates the best decisions found so far.

A pool of instances holds the best known decision of each. Every round the sampler proposes a few decisions for each
instance, mutation proposes one more, the true objective scores them, and what is cheaper takes the place of the old
one; then the sampler is trained to reproduce the pool, with tasks in random order. The same recipe trains a diffusion
sampler, its ablation (a product of marginals) and a regressor. Method: generative planning, section 2.6.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from gramwise.optimize.offload.case import best_of, pick

from .network import Array, Learner
from .samplers import HIDDEN, Kind, Sampler, new
from .schedule import Form

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from gramwise.optimize.offload.case import Case


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How long and how hard to train.

    Attributes:
        pool: instances that are kept.
        opening: random decisions from which each instance's first is chosen.
        rounds: of proposing and training.
        draws: decisions proposed to an instance in a round, beside one mutation of its best.
        shake: deviation of the noise that is added to half of them.
        updates: training steps in a round.
        batch: instances in each.
        rate: of Adam, falling to a tenth by the last round along a cosine.
        polish_steps: local search given to what is proposed before it is scored; 0 for none.
    """

    pool: int = 4000
    opening: int = 16
    rounds: int = 50
    draws: int = 4
    shake: float = 0.4
    updates: int = 60
    batch: int = 512
    rate: float = 1e-3
    polish_steps: int = 0


@dataclass(slots=True, kw_only=True)
class Trained:
    """A sampler and how it came about.

    Attributes:
        sampler: ready to draw.
        kind: which of the three.
        cpu_s: CPU-seconds of this process that training took, everything included.
        rounds: how many were done; fewer than asked where the CPU limit struck.
        history: a row a round: mean cost of the pool, share of instances improved, loss, CPU-seconds so far.
        recipe, seed: what it was trained with.
    """

    sampler: Sampler
    kind: Kind
    cpu_s: float
    rounds: int
    seed: int
    recipe: Recipe
    history: list[dict[str, float]] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """As plain data, without the weights."""
        told = {"kind": self.kind, "training_cpu_s": self.cpu_s, "rounds": self.rounds, "seed": self.seed}
        return told | {
            "recipe": asdict(self.recipe),
            "sampler": self.sampler.settings(),
            "history": self.history,
        }


class Pool:
    """Instances and the best decision known of each."""

    def __init__(self, case: Case, size: int, opening: int, rng: Generator) -> None:
        self.case, self.instances = case, case.sample(rng, size)
        raw = rng.uniform(-1, 1, (size, opening, case.dim)).astype(np.float32)
        decisions = case.decode(raw, self.instances)
        grams = case.cost(decisions, self.instances)
        place = best_of(grams)
        self.decisions: NDArray[Any] = pick(decisions, place)
        self.grams: NDArray[np.float64] = grams[np.arange(size), place]
        self.features: Array = case.features(self.instances)

    def improve(self, decisions: NDArray[Any], polish_steps: int) -> float:
        """Keep what is cheaper among ``decisions`` (n, k, ...); returns the share of instances improved."""
        if polish_steps:
            decisions = self.case.polish(decisions, self.instances, polish_steps)
        grams = self.case.cost(decisions, self.instances)
        place = best_of(grams)
        found = grams[np.arange(len(grams)), place]
        better = found < self.grams - 1e-12 * np.abs(self.grams)
        self.decisions[better] = pick(decisions, place)[better]
        self.grams[better] = found[better]
        return float(better.mean())

    def batch(self, rng: Generator, size: int) -> tuple[Array, Array]:
        """Features and raw decisions of random instances, their tasks in random order."""
        rows = rng.integers(0, len(self.grams), size)
        instances, decisions = self.case.permute(self.instances.take(rows), self.decisions[rows], rng)
        return self.case.features(instances), self.case.encode(decisions)[:, 0]


def imitate(
    case: Case,
    kind: Kind = "diffusion",
    *,
    recipe: Recipe | None = None,
    seed: int = 0,
    steps: int = 5,
    form: Form = "start",
    hidden: tuple[int, ...] = HIDDEN,
    cpu_limit_s: float | None = None,
) -> Trained:
    """Train a sampler for a case.

    Args:
        case: family and size.
        kind: what to train.
        recipe: see `Recipe`.
        seed: of instances, weights and draws; same seed, same machine, same sampler.
        steps: T of a diffusion sampler.
        form: what a diffusion sampler predicts.
        hidden: widths of the hidden layers.
        cpu_limit_s: no new round begins after so many CPU-seconds of this process.
    """
    begun = time.process_time()
    recipe, rng = recipe or Recipe(), np.random.default_rng(seed)
    pool = Pool(case, recipe.pool, recipe.opening, rng)
    sampler = new(kind, case.blocks, pool.features.shape[1], rng, steps=steps, form=form, hidden=hidden)
    learner = Learner(sampler.layers, recipe.rate)
    trained = Trained(sampler=sampler, kind=kind, cpu_s=0.0, rounds=0, seed=seed, recipe=recipe)
    for done in range(recipe.rounds):
        if cpu_limit_s is not None and time.process_time() - begun > cpu_limit_s:
            break
        improved = pool.improve(_proposed(sampler, pool, recipe, rng, first=done == 0), recipe.polish_steps)
        rate = recipe.rate * (0.55 + 0.45 * np.cos(np.pi * done / recipe.rounds))
        loss = 0.0
        for _ in range(recipe.updates):
            features, target = pool.batch(rng, recipe.batch)
            loss += learner.update(*sampler.lesson(features, target, rng), rate=rate) / recipe.updates
        trained.rounds = done + 1
        trained.cpu_s = time.process_time() - begun
        trained.history.append(
            {
                "pool_g": float(pool.grams.mean()),
                "improved_frac": improved,
                "loss": loss,
                "cpu_s": trained.cpu_s,
            }
        )
    return trained


def _proposed(sampler: Sampler, pool: Pool, recipe: Recipe, rng: Generator, *, first: bool) -> NDArray[Any]:
    """Decisions for every instance: drawn (not in the first round, when there is nothing to draw from) and mutated."""
    mutated = pool.case.mutate(pool.decisions, pool.instances, rng)
    if first:
        return mutated
    raw = sampler.draw(pool.features, recipe.draws, rng)
    shaken = raw[:, : recipe.draws // 2]
    shaken += recipe.shake * rng.standard_normal(shaken.shape, dtype=np.float32)
    return np.concatenate([pool.case.decode(np.clip(raw, -1, 1), pool.instances), mutated], axis=1)
