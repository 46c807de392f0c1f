"""The case study: families A to E of mobile AIGC offloading, heuristics and learned samplers on one decoder.

Gaps are to the best known cost in grams, proven where it says so; percentages of a reward do not occur. Every method is
asked for the same unseen instances; what is random runs over seeds. Intervals are 95 % bootstraps over instances of the
mean over seeds; the spread of seeds stands beside them. Milliseconds are CPU time of this process, one thread. A row
``multi-start in the time of X`` gives random starts with the same local search as much CPU time as X took, as many in
one batch as the row with 64 allows; for family C ``sparse`` starts have each link on with probability 0.3.

Run: ``python benchmarks/offload_table.py [--cases A-6x4,C-8] [--seeds 5] [--train] [--reproduce] [--quick]``.
JSON goes to standard output and to .cache/benchmarks/offload_table.json; ``--markdown FILE`` writes the tables too,
and ``--collect FILE`` those of all cases that were measured.
"""

from __future__ import annotations

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gramwise.core.errors import SourceUnavailable
from gramwise.optimize.offload import dispatch, methods, rolling
from gramwise.optimize.offload.case import Case, Reference, create, gap_frac, naked
from gramwise.optimize.offload.own import emitted_g
from offload_rows import balance, goals, markdown
from record import OUT, finish, row

UNSEEN_SEED = 99_000
KS = (1, 16, 64)
SPARSE = 0.3
PLAIN = {"random": "multi-start", "sparse": "sparse multi-start"}
SOME = 40


@dataclass(frozen=True)
class Study:
    """A size: unseen instances, limit of the exact solver, steps of local search, evaluations of CMA-ES, rounds of
    self-imitation (0: not trained here)."""

    unseen: int
    limit_s: float
    steps: int
    evaluations: int
    rounds: int = 0


STUDIES = {
    "A-6x4": Study(300, 20, 50, 1000, 20),
    "A-16x5": Study(100, 20, 50, 1000, 20),
    "A-50x8": Study(10, 10, 100, 0),
    "A-200x20": Study(3, 20, 400, 0),
    "B-6x4": Study(200, 20, 50, 1000, 15),
    "B-16x5": Study(60, 20, 50, 1000, 15),
    "B-50x8": Study(5, 10, 100, 0),
    "B-200x20": Study(2, 20, 400, 0),
    "C-8": Study(300, 0, 20, 1000, 20),
    "D-6x4": Study(200, 20, 12, 1000, 15),
    "D-16x5": Study(40, 20, 16, 1000, 15),
    "D-50x8": Study(5, 20, 10, 0),
    "D-200x20": Study(2, 20, 2, 0),
}


@dataclass
class Table:
    """Rows of one case; `add` measures a method over seeds."""

    case: Case
    study: Study
    seeds: int
    file: str
    rows: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.instances = self.case.sample(np.random.default_rng(UNSEEN_SEED), self.study.unseen)
        begun = time.process_time()
        solve = getattr(self.case, "exact", None)
        self.exact: methods.Answer | None = None
        if solve is None:
            self.reference: Reference = self.case.reference(self.instances)
        else:
            decisions, self.reference = solve(self.instances, self.study.limit_s)
            spent = time.process_time() - begun
            self.exact = methods.Answer(decisions, self.reference.grams, 1, spent)

    def add(
        self,
        method: str,
        ask: Callable[[int], methods.Answer],
        *,
        k: int | None = None,
        seeds: int | None = None,
        train_s: tuple[float, ...] = (0.0,),
        naive: float | None = None,
    ) -> dict[str, Any]:
        """One row from answers of ``ask(seed)``."""
        answers = [ask(s) for s in range(self.seeds if seeds is None else seeds)]
        n = len(answers[0].grams)  # a slow method may answer the first of the instances only
        best = self.reference.grams[:n]
        gaps = np.array([(a.grams - best) / np.abs(best) for a in answers])
        some = self.instances.take(slice(n))
        broken = [float((self.case.violations(a.decisions, some) > 0).mean()) for a in answers]
        low, high = interval(gaps.mean(axis=0))
        told = {
            "case": self.case.name,
            "method": method,
            "k": k,
            "instances": n,
            "gap_mean_frac": float(gaps.mean()),
            "gap_low_frac": low,
            "gap_high_frac": high,
            "gap_p95_frac": float(np.quantile(gaps, 0.95)),
            "seed_means_frac": [float(g) for g in gaps.mean(axis=1)],
            "seeds": len(answers),
            "seeds_low_frac": interval(gaps.mean(axis=1))[0],
            "seeds_high_frac": interval(gaps.mean(axis=1))[1],
            "violation_frac": max(broken),
            "violation_before_decoder_frac": naive,
            "tried": float(np.mean([a.tried for a in answers])),
            "ms_per_answer": float(np.median([1e3 * a.cpu_s / n for a in answers])),
            "answer_g": emitted_g(float(np.median([a.cpu_s / n for a in answers]))).value,
            "training_cpu_s": float(np.mean(train_s)),
            "rounds": self.study.rounds if any(train_s) else None,
            "training_g": emitted_g(float(np.mean(train_s))).value,
            "grams_mean": float(np.mean([a.grams.mean() for a in answers])),
        }
        self.rows.append(told)
        keep(self.file, self.rows)
        print(
            f"  {method:<44} {100 * told['gap_mean_frac']:7.3f} %  {told['ms_per_answer']:9.3f} ms",
            file=sys.stderr,
        )
        return told


def keep(file: str, rows: list[dict[str, Any]]) -> None:
    """What there is of a case so far: a run that is cut short is not lost."""
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / file).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def interval(values: Any, draws: int = 2000) -> tuple[float, float]:
    """95 % bootstrap interval of the mean of ``values`` (n,)."""
    held = np.asarray(values)
    rows = np.random.default_rng(0).integers(0, len(held), (draws, len(held)))
    low, high = np.quantile(held[rows].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def undecoded(case: Case, raw: Any, instances: Any) -> float:
    """Share of raw answers that break a constraint when they are taken at their word, without the decoder."""
    n, k, _ = raw.shape
    named = naked(case, raw)
    if case.name[0] == "C":
        return 0.0
    if case.name[0] == "D":
        named = named.reshape(n, k, -1, 2)
    if case.name[0] == "B":
        steps = 20 + np.round(115 * (1 + raw[..., [b.start for b in case.blocks if b.kind == "real"]]))
        named = np.stack([named[..., ::2], steps.astype(np.int64)], axis=-1)
    return float((case.violations(named, instances) > 0).mean())


def heuristics(table: Table) -> None:
    """Exact, greedy, random, multi-start, CMA-ES; each learned-free method with and without local search."""
    case, inst, steps = table.case, table.instances, table.study.steps
    exact(table)
    for how in ("regret", "cheapest"):
        table.add(f"{how} greedy", lambda _, h=how: methods.greedy(case, inst, h), seeds=1)
        table.add(f"{how} greedy + search", lambda _, h=how: methods.greedy(case, inst, h, steps), seeds=1)
    raw = np.random.default_rng(1).uniform(-1, 1, (len(inst), 4, case.dim))
    naive = undecoded(case, raw, inst)
    small = case.dim < 2000
    for k in KS if small else KS[:2]:
        table.add(f"random@{k}", lambda s, k=k: methods.random_best(case, inst, k, _rng(s)), k=k, naive=naive)
        if k <= 16 or case.dim <= 100:
            table.add(
                f"random@{k} + search",
                lambda s, k=k: methods.random_best(case, inst, k, _rng(s), steps), k=k, naive=naive,
            )  # fmt: skip
    if case.name[0] == "C":
        for k in KS:
            table.add(f"sparse@{k}", lambda s, k=k: scattered(table, _rng(s), k, 0), k=k)
            table.add(f"sparse@{k} + search", lambda s, k=k: scattered(table, _rng(s), k, steps), k=k)
        table.add("on/off flips from random@16", lambda s: flips(table, s, 0), k=16)
        table.add("on/off flips from random@16 + search", lambda s: flips(table, s, steps), k=16)
    evolved(table)


def evolved(table: Table) -> None:
    """CMA-ES, which takes its time: the first instances, one seed, and the same answers with local search."""
    case, study = table.case, table.study
    some = table.instances.take(slice(SOME))
    for n in (200, study.evaluations) if study.evaluations else ():
        try:
            found = methods.evolution(case, some, n, 0)
        except SourceUnavailable as absent:
            table.rows.append({"case": case.name, "method": f"CMA-ES {n}", "not_run": str(absent)})
            return
        table.add(f"CMA-ES {n}", lambda _, a=found: a, k=n, seeds=1)
        begun = time.process_time()
        polished = case.polish(found.decisions, some, study.steps)
        spent = found.cpu_s + time.process_time() - begun
        searched = methods.Answer(polished, case.cost(polished, some)[:, 0], n, spent)
        table.add(f"CMA-ES {n} + search", lambda _, a=searched: a, k=n, seeds=1)


def exact(table: Table) -> None:
    """The reference solver as a method, with what it proves."""
    if table.exact is None:
        return
    answer, found = table.exact, table.reference
    table.add("exact (HiGHS)", lambda _: answer, seeds=1)
    table.rows[-1]["proven_frac"] = float(found.proven.mean())
    over = (found.grams - found.bound_g) / np.abs(found.grams)
    table.rows[-1]["gap_to_bound_frac"] = float(np.nanmean(over)) if np.isfinite(over).any() else None


def flips(table: Table, seed: int, steps: int) -> methods.Answer:
    """Family C's other local search, from 16 random patterns."""
    case: Any = table.case
    begun = time.process_time()
    starts = _rng(seed).random((len(table.instances), 16, case.dim))
    found = case.flip(starts, table.instances, 2 * case.dim)
    if steps:
        found = case.polish(found, table.instances, steps)
    grams = case.cost(found, table.instances)
    best = grams.argmin(1)
    rows = np.arange(len(best))
    return methods.Answer(found[rows, best][:, None], grams[rows, best], 16, time.process_time() - begun)


def scattered(table: Table, rng: Any, k: int, steps: int) -> methods.Answer:
    """Family C: starts with each link on with probability `SPARSE`, which needs one number about the family."""

    def draw(features: Any, k: int) -> Any:
        return np.where(rng.random((len(features), k, table.case.dim), dtype=np.float32) < SPARSE, 1.0, -1.0)

    return methods.from_draws(table.case, table.instances, draw, k, steps)


def equal(table: Table, other: dict[str, Any]) -> None:
    """Random starts with the same search and the CPU time of another row, and sparse ones for family C."""
    case, inst, steps = table.case, table.instances, table.study.steps
    held = {r["method"]: r for r in table.rows}
    starts: dict[str, Callable[[Any, int], methods.Answer]] = {
        "random": lambda rng, k: methods.random_best(case, inst, k, rng, steps),
        "sparse": lambda rng, k: scattered(table, rng, k, steps),
    }
    for kind, start in starts.items():
        base = held.get(f"{kind}@64 + search") or held.get(f"{kind}@16 + search")
        if base is None:
            continue
        k = max(1, round(base["k"] * other["ms_per_answer"] / base["ms_per_answer"]))

        def ask(seed: int, k: int = k, start: Any = start, most: int = base["k"]) -> methods.Answer:
            rng, left = _rng(seed), k
            best: methods.Answer = start(rng, min(left, most))
            while (left := left - most) > 0:  # greater batches fall out of the cache, and would be slower
                best = methods.cheaper(best, start(rng, min(left, most)))
            return best

        table.add(f"{PLAIN[kind]} in the time of {other['method']}", ask, k=k)


def learned(table: Table, kinds: tuple[str, ...]) -> None:
    """Self-imitation: diffusion, and its ablation under the same recipe."""
    from gramwise.optimize.learned.imitate import Recipe, imitate

    case, steps = table.case, table.study.steps
    polish = steps if case.name[0] == "C" else 0
    for kind in kinds:
        recipe = Recipe(rounds=table.study.rounds, polish_steps=polish)
        trained = [imitate(case, kind, recipe=recipe, seed=s) for s in range(table.seeds)]  # type: ignore[arg-type]
        spent = tuple(t.cpu_s for t in trained)
        sample(table, kind, [t.sampler.draw for t in trained], spent, steps)


def reproduced(table: Table, updates: int) -> None:
    """The critic-trained forms, where the autodiff extra is installed."""
    from gramwise.optimize.learned.critic import METHODS, reproduce

    for method in METHODS:
        try:
            done = [reproduce(table.case, method, updates=updates, seed=s) for s in range(table.seeds)]
        except SourceUnavailable as absent:
            table.rows.append({"case": table.case.name, "method": method, "not_run": str(absent)})
            return
        sample(
            table,
            f"{method} (critic)",
            [d.draw for d in done],
            tuple(d.cpu_s for d in done),
            table.study.steps,
        )


def sample(table: Table, name: str, draws: list[Any], train_s: tuple[float, ...], steps: int) -> None:
    """Rows of a trained sampler: best of k raw, and with local search beside its multi-start."""
    case, inst = table.case, table.instances

    def ask(seed: int, k: int, polish: int) -> methods.Answer:
        rng = _rng(1000 + seed)
        return methods.from_draws(case, inst, lambda f, k: draws[seed](f, k, rng), k, polish)

    naive = undecoded(case, draws[0](case.features(inst), 4, _rng(0)), inst)
    for k in KS:
        table.add(f"{name} @{k}", partial(_ask, ask, k, 0), k=k, train_s=train_s, naive=naive)
    for k in (16, 64):
        done = table.add(
            f"{name} @{k} + search", partial(_ask, ask, k, steps), k=k, train_s=train_s, naive=naive
        )
        equal(table, done)


def _ask(ask: Any, k: int, steps: int, seed: int) -> methods.Answer:
    answer: methods.Answer = ask(seed, k, steps)
    return answer


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng([7, seed])


def arrivals(seeds: int) -> list[dict[str, Any]]:
    """Family E: totals of the policies, their shortfall from the bound, tasks lost in crashes."""
    day = dispatch.draw(np.random.default_rng(UNSEEN_SEED), 4 * seeds)
    found = []
    for variant in ("utility", "carbon"):
        most = dispatch.bound(day, variant)  # type: ignore[arg-type]
        for name, policy in dispatch.POLICIES.items():
            played = dispatch.play(day, variant, policy, _rng(0))  # type: ignore[arg-type]
            low, high = interval(played.total)
            short = (most - played.total) / np.abs(most)
            found.append({
                "case": f"E-{variant}", "method": name, "total_mean": float(played.total.mean()),
                "total_low": low, "total_high": high, "short_of_bound_frac": float(short.mean()),
                "lost_frac": float(played.lost_frac.mean()), "bound_mean": float(most.mean()), "episodes": 4 * seeds,
            })  # fmt: skip
    return found


def online(seeds: int) -> list[dict[str, Any]]:
    """Family D as the day unfolds: regret against the plan that knows it, by error of the forecast."""
    case: Any = create("D", 16, 5)
    found = []
    rng = np.random.default_rng(UNSEEN_SEED)
    jobs = case.sample(rng, 8 * seeds)
    reference = case.reference(jobs)
    for error in (0.0, 0.1, 0.3):
        steps = rolling.walk(rng, jobs, error)
        asked = (
            ("at once", None),
            ("day ahead", None),
            ("day ahead", 5.0),
            ("rolling", None),
            ("rolling", 5.0),
        )
        for how, plan_s in asked:
            decisions = rolling.run(case, jobs, steps, how, plan_s)  # type: ignore[arg-type]
            gaps = gap_frac(case.cost(decisions, jobs)[:, 0], reference)
            low, high = interval(gaps)
            plan = "" if how == "at once" else ", greedy plan" if plan_s is None else ", exact plan"
            found.append({
                "case": "D-online-16x5", "method": how + plan, "error_frac": error, "gap_mean_frac": float(gaps.mean()),
                "gap_low_frac": low, "gap_high_frac": high, "days": 8 * seeds,
            })  # fmt: skip
    return found


def collect(file: Path) -> None:
    """The tables of every case that was measured so far."""
    rows: list[dict[str, Any]] = []
    for name in STUDIES:
        kept = OUT / f"offload_table_{name}.json"
        if kept.is_file():
            some = json.loads(kept.read_text(encoding="utf-8"))
            balance(some)
            rows += some
    file.write_text(markdown(rows), encoding="utf-8")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", default=",".join(STUDIES))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--train", action="store_true", help="self-imitation too: minutes a case")
    parser.add_argument(
        "--reproduce", type=int, default=0, metavar="UPDATES", help="critic-trained forms too"
    )
    parser.add_argument("--share", type=float, default=1.0, help="of the unseen instances")
    parser.add_argument("--rounds", type=int, help="of self-imitation, where the case is trained at all")
    parser.add_argument("--quick", action="store_true", help="a tenth of the instances, one seed")
    parser.add_argument("--sequential", action="store_true", help="family E and D online too")
    parser.add_argument("--markdown", type=Path)
    parser.add_argument(
        "--collect", type=Path, metavar="FILE", help="only write the tables of what was measured"
    )
    asked = parser.parse_args()
    if asked.collect:
        collect(asked.collect)
        return
    seeds = 1 if asked.quick else asked.seeds
    rows: list[dict[str, Any]] = []
    for name in filter(None, asked.cases.split(",")):
        print(name, file=sys.stderr)
        study = STUDIES[name]
        if asked.quick:
            study = Study(
                max(2, study.unseen // 10), min(5.0, study.limit_s), study.steps, 0, min(2, study.rounds)
            )
        rounds = asked.rounds if asked.rounds and study.rounds else study.rounds
        study = replace(study, unseen=max(1, round(asked.share * study.unseen)), rounds=rounds)
        size = [int(s) for s in name[2:].split("x")]
        case: Any = create(name[0], *size)
        case.limit_s = study.limit_s
        table = Table(case, study, seeds, f"{'quick_' * asked.quick}offload_table_{name}.json")
        heuristics(table)
        if asked.train and study.rounds:
            learned(table, ("diffusion", "marginals"))
        if asked.reproduce:
            reproduced(table, asked.reproduce)
        balance(table.rows)
        rows += table.rows
        keep(table.file, table.rows)
    sequential = arrivals(seeds) + online(seeds) if asked.sequential else []
    if asked.markdown:
        asked.markdown.write_text(markdown(rows), encoding="utf-8")
    whole = [r for r in rows if "violation_frac" in r]
    worst = max((r["violation_frac"] for r in whole), default=0.0)
    finish(
        "quick_offload_table" if asked.quick else "offload_table",
        [
            row("answers that break a constraint, all methods", "0", worst, worst == 0.0),
            *([] if asked.quick else goals(rows)),
        ],
        table=rows,
        sequential=sequential,
        seeds=seeds,
    )


if __name__ == "__main__":
    main()
