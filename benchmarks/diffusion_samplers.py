"""Self-imitation: the diffusion sampler, its ablation and a regressor, beside random starts with the same time.

Families A (6x4, 16x5) and C (8 links), unseen instances, gaps to the best known cost, several seeds (of training and of
drawing), bootstrap intervals over seeds and over instances, one thread, CPU-seconds of this process; a busy machine
shows in the milliseconds, which are medians of five. Every learned row stands beside random starts that were given the
same milliseconds and the same local search (``equal time``), and for family C also beside starts that switch each link
on with probability 0.3, which is what most optima look like.

Run: ``python benchmarks/diffusion_samplers.py [--case C-8] [--seeds 5] [--rounds 40] [--kinds diffusion,marginals]``.
The records of each case are kept under .cache/benchmarks as they come.
"""

from __future__ import annotations

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import argparse
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from gramwise.optimize.learned.imitate import Recipe, imitate
from gramwise.optimize.learned.measure import Proposer, at_random, health, interval, measure
from gramwise.optimize.learned.samplers import KINDS
from gramwise.optimize.offload.assignment import Assignment
from gramwise.optimize.offload.powers import Powers
from record import OUT, finish, row

UNSEEN_SEED = 99_000
REPEATS = 5
SPARSE = 0.3


@dataclass(frozen=True)
class Bench:
    """A case, how many unseen instances, what is asked of it (decisions, steps of local search), and the recipe."""

    make: Any
    unseen: int
    asked: tuple[tuple[int, int], ...]
    recipe: Recipe


CASES = {
    "A-6x4": Bench(lambda: Assignment(6, 4), 300, ((1, 0), (16, 0), (64, 0), (64, 20)), Recipe(rounds=20)),
    "A-16x5": Bench(lambda: Assignment(16, 5), 100, ((1, 0), (16, 0), (64, 0), (64, 30)), Recipe(rounds=40)),
    "C-8": Bench(
        lambda: Powers(8), 300, ((1, 0), (16, 0), (16, 20), (64, 20)), Recipe(rounds=40, polish_steps=20)
    ),
}


def sparse(dim: int) -> Proposer:
    """Links on with probability `SPARSE`, off otherwise."""

    def draw(features: Any, k: int, rng: Any) -> Any:
        on = rng.random((len(features), k, dim), dtype=np.float32) < SPARSE
        return np.where(on, np.float32(1), np.float32(-1))

    return draw


def run(name: str, seeds: int, rounds: int | None, kinds: list[str]) -> list[dict[str, Any]]:
    """All records of one case."""
    bench = CASES[name]
    case = bench.make()
    instances = case.sample(np.random.default_rng(UNSEEN_SEED), bench.unseen)
    reference = case.reference(instances)
    told = {
        "family": name[0],
        "size": name[2:],
        "unseen": bench.unseen,
        "proven_frac": float(reference.proven.mean()),
    }
    records: list[dict[str, Any]] = []

    def one(method: str, proposer: Proposer, k: int, steps: int, seed: int, **more: Any) -> dict[str, Any]:
        found = measure(
            case, proposer, instances, reference, k=k, polish_steps=steps, seed=seed, repeats=REPEATS
        )
        low, high = interval(found.pop("gaps"))
        records.append(
            {"method": method} | told | found | {"gap_low_frac": low, "gap_high_frac": high} | more
        )
        keep(name, records)
        return records[-1]

    chance = at_random(case.dim)
    plain = {"random": chance} | ({"random, 0.3 on": sparse(case.dim)} if name[0] == "C" else {})
    recipe = Recipe(**{**_fields(bench.recipe), **({"rounds": rounds} if rounds else {})})
    for seed in range(seeds):
        for method, proposer in plain.items():
            for k, steps in bench.asked:
                one(method, proposer, k, steps, seed, training_cpu_s=0.0)
        for kind in kinds:
            trained = imitate(case, kind, recipe=recipe, seed=seed)  # type: ignore[arg-type]
            draw = trained.sampler.draw
            state = health(case, draw, instances, reference)
            for k, steps in bench.asked:
                mine = one(kind, draw, k, steps, seed, training_cpu_s=trained.cpu_s, **state)
                if steps:
                    beside(one, plain, mine)
    return records


def beside(one: Any, plain: dict[str, Proposer], mine: dict[str, Any]) -> None:
    """The same local search from as many random starts as fit into the same milliseconds."""
    for method, proposer in plain.items():
        trial = one(method, proposer, mine["k"], mine["polish_steps"], mine["seed"], equal_time_of="trial")
        k = max(1, round(mine["k"] * mine["ms_per_answer"] / trial["ms_per_answer"]))
        one(
            method,
            proposer,
            k,
            mine["polish_steps"],
            mine["seed"],
            equal_time_of=f"{mine['method']} {mine['k']}+{mine['polish_steps']}",
        )


def _fields(recipe: Recipe) -> dict[str, Any]:
    return {name: getattr(recipe, name) for name in Recipe.__slots__}


def keep(name: str, records: list[dict[str, Any]]) -> None:
    """Write what there is so far."""
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"diffusion_samplers_{name}.json").write_text(
        json.dumps(records, indent=1) + "\n", encoding="utf-8"
    )


def summary(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One line for each method and asking: mean over seeds with its interval, milliseconds, training."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for r in records:
        if r.get("equal_time_of") != "trial":
            at = None if r.get("equal_time_of") else r["k"]
            groups.setdefault((r["method"], r.get("equal_time_of", ""), at, r["polish_steps"]), []).append(r)
    lines = []
    for (method, equal, _, steps), some in groups.items():
        gaps = [r["gap_mean_frac"] for r in some]
        low, high = interval(gaps)
        lines.append(
            {
                "family": some[0]["family"],
                "size": some[0]["size"],
                "method": method + (f" in the time of {equal}" if equal else ""),
                "best_of": float(np.mean([r["k"] for r in some])),
                "polish_steps": steps,
                "gap_mean_frac": float(np.mean(gaps)),
                "gap_low_frac": low,
                "gap_high_frac": high,
                "gap_p95_frac": float(np.mean([r["gap_p95_frac"] for r in some])),
                "violation_frac": float(np.mean([r["violation_frac"] for r in some])),
                "ms_per_answer": float(np.median([r["ms_per_answer"] for r in some])),
                "training_cpu_s": float(np.median([r.get("training_cpu_s", 0.0) for r in some])),
                "seeds": len(some),
            }
        )
    return lines


def goals(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of the issue that this benchmark can speak to."""
    rows = []
    for line in lines:
        what = f"{line['family']}-{line['size']} {line['method']}"
        what += f", best of {line['best_of']:.0f}, {line['polish_steps']} steps"
        figure = [
            100 * line["gap_mean_frac"],
            100 * line["gap_low_frac"],
            100 * line["gap_high_frac"],
            line["ms_per_answer"],
        ]
        reach, met = "gap %, low, high, ms", None
        if line["method"] == "diffusion" and line["polish_steps"]:
            limit = {"C": 0.005, "A": 0.01 if line["size"] == "6x4" else 0.03}[line["family"]]
            in_time = line["family"] != "C" or line["ms_per_answer"] <= 2.0
            reach, met = f"<= {100 * limit:g} %", line["gap_mean_frac"] <= limit and in_time
        rows.append(row(what, reach, figure, met))
    return rows


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--case", choices=sorted(CASES), action="append")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--kinds", default=",".join(KINDS))
    asked = parser.parse_args()
    lines = []
    for name in asked.case or sorted(CASES):
        lines += summary(run(name, asked.seeds, asked.rounds, asked.kinds.split(",")))
    name = "diffusion_samplers" + "".join(f"_{c}_summary" for c in asked.case or [])
    finish(name, goals(lines), lines=lines)


if __name__ == "__main__":
    main()
