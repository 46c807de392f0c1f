"""The critic-trained forms on our instances: GDMOPT and D2SAC beside a plain network, SAC and PPO, several seeds.

Continuous, one decision an episode (families A-6x4 and C-8): ``gdm``, ``gdm-noise``, ``mlp``, ``sac``, ``ppo``.
Discrete, a task at a time (A-6x4): ``d2sac-published``, ``-clipped``, ``-start`` and ``-mlp``. All see as many scored
decisions as each other within their kind, pass through the same decoder, and run on one thread. These are
reproductions of the form, not of the published numbers: see docs/method/diffusion.md for every deviation. Needs JAX.

Run: ``python benchmarks/diffusion_critics.py [--case A-6x4] [--seeds 5] [--updates 1000]``; hours at four thousand.
"""

from __future__ import annotations

import os

os.environ.update(
    OMP_NUM_THREADS="1",
    OPENBLAS_NUM_THREADS="1",
    JAX_PLATFORMS="cpu",
    XLA_FLAGS="--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
)

import argparse
import json
import time
from typing import Any

import numpy as np

from gramwise.optimize.learned import critic, discrete
from gramwise.optimize.learned.measure import health, interval, measure
from gramwise.optimize.offload.assignment import Assignment
from gramwise.optimize.offload.case import gap_frac
from gramwise.optimize.offload.powers import Powers
from record import OUT, finish, row

CASES: dict[str, Any] = {"A-6x4": lambda: Assignment(6, 4), "C-8": lambda: Powers(8)}
UNSEEN, UNSEEN_SEED = 300, 99_000
BEST_OF = 16


def continuous(case: Any, seen: Any, method: str, updates: int, seed: int) -> dict[str, Any]:
    """One record of a one-step actor."""
    instances, reference = seen
    actor = critic.reproduce(case, method, updates=updates, seed=seed)  # type: ignore[arg-type]
    found = measure(case, actor.draw, instances, reference, k=BEST_OF, seed=seed)
    found.pop("gaps")
    state = health(case, actor.draw, instances, reference)
    return {"method": method, "training_cpu_s": actor.cpu_s, "scored": actor.scored} | found | state


def discretely(case: Any, seen: Any, actor: str, updates: int, seed: int) -> dict[str, Any]:
    """One record of a task-by-task actor."""
    instances, reference = seen
    trained = discrete.train(case, actor, updates=updates, seed=seed)  # type: ignore[arg-type]
    trained.decide(instances, BEST_OF, np.random.default_rng(seed))  # compiles
    begun = time.process_time()
    decisions = trained.decide(instances, BEST_OF, np.random.default_rng(seed))
    spent_s = time.process_time() - begun
    grams = case.cost(decisions, instances)
    gaps = gap_frac(grams.min(axis=1), reference)
    single = float(gap_frac(grams[:, 0], reference).mean())
    return {
        "method": f"d2sac-{actor}",
        "training_cpu_s": trained.cpu_s,
        "scored": trained.scored,
        "k": BEST_OF,
        "gap_mean_frac": float(gaps.mean()),
        "gap_p95_frac": float(np.quantile(gaps, 0.95)),
        "gap_single_frac": single,
        "violation_frac": float((case.violations(decisions, instances) > 0).mean()),
        "ms_per_answer": 1e3 * spent_s / len(instances),
        "seed": seed,
        "best_over_first": float(gaps.mean()) / single if single else float("nan"),
    }


def run(name: str, seeds: int, updates: int) -> list[dict[str, Any]]:
    """All records of one case, seed by seed; kept as they come."""
    case = CASES[name]()
    instances = case.sample(np.random.default_rng(UNSEEN_SEED), UNSEEN)
    seen = instances, case.reference(instances)
    records: list[dict[str, Any]] = []
    for seed in range(seeds):
        jobs: list[tuple[Any, str]] = [(continuous, method) for method in critic.METHODS]
        jobs += [(discretely, actor) for actor in discrete.ACTORS] if name.startswith("A") else []
        for how, what in jobs:
            told = {"family": name[0], "size": name[2:], "updates": updates}
            records.append(told | how(case, seen, what, updates, seed))
            OUT.mkdir(parents=True, exist_ok=True)
            (OUT / f"diffusion_critics_{name}.json").write_text(json.dumps(records, indent=1) + "\n")
    return records


def main() -> None:
    """Train, measure, print; no goals, these are reported as they are."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--case", choices=sorted(CASES), action="append")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--updates", type=int, default=1000)
    asked = parser.parse_args()
    rows, every = [], []
    for name in asked.case or sorted(CASES):
        records = run(name, asked.seeds, asked.updates)
        every += records
        for method in dict.fromkeys(r["method"] for r in records):
            some = [r for r in records if r["method"] == method]
            single = [100 * r["gap_single_frac"] for r in some]
            best = [100 * r["gap_mean_frac"] for r in some]
            figure = [float(np.mean(single)), *interval(single), float(np.mean(best)), *interval(best)]
            cpu = float(np.median([r["training_cpu_s"] for r in some]))
            what = f"{name} {method}, {len(some)} seeds, {cpu:.0f} CPU-s"
            rows.append(row(what, "gap %: single, best of 16", figure, None))
    finish("diffusion_critics", rows, records=every)


if __name__ == "__main__":
    main()
