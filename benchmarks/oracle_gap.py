"""How near the policies come to B1 on a year of real traces, over loads, classes and sets of zones.

One class at a time (`grams` and `fractions`), three classes (`fractions`), and three classes of which 40 % may wait
up to 6 hours (`predictive`, with its own forecasts and knowing the future), against `fractions` by the week in which
work came. Sets of zones are all 13 of the example and some drawn from a seed, each as loaded as the whole. It takes
more than an hour; ``--quick`` takes a few weeks of two sets, and ``--sets N``, ``--weeks N``, ``--loads 0.3,0.5``,
``--workers N`` choose what there is to do.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gramwise.core.errors import Infeasible
from gramwise.optimize.bounds import gap_frac
from gramwise.sim.case import Case, case_of
from gramwise.sim.fluid import Account
from gramwise.sim.parallel import spread
from gramwise.sim.sweep import PERFECT, Task, run_task, variations, weekly
from record import finish, row
from year_sweep import TRACES, YEAR, fitting, of_hours, of_nodes, scaled

LOADS = (0.3, 0.5, 0.7)
SETS = 6
WAITING_FRAC, WINDOW_H = 0.4, 6
BASELINE = "fastest"
TRACE = 1e-9
"""Share of a week's grams or of all requests that is rounding."""

REACH = {"one class": 0.005, "three classes": 0.03, "waiting": 0.05, "waiting, perfect": 0.05}
MOST_WEEKS_ABOVE, WORST_EXCESS = 0.01, 0.005


@dataclass(slots=True)
class Seen:
    """What one kind of case came to: gaps to B1 and misses beyond the baseline's, by case, and excess by week."""

    gaps: dict[str, float | None] = field(default_factory=dict)
    misses: dict[str, float] = field(default_factory=dict)
    excess: list[float] = field(default_factory=list)


def main() -> None:
    """Measure and print."""
    chosen = arguments()
    if not TRACES.is_dir():
        raise SystemExit(f"no traces in {TRACES}: name a folder of ZONE_YEAR.csv in GRAMWISE_TRACES")
    case = case_of(variations(YEAR, [])[0][1], traces=TRACES)
    case = of_hours(case, 0, min(case.hours, 168 * chosen.weeks))
    seen: dict[str, dict[float, Seen]] = {}
    begun_s = time.perf_counter()
    sets = list(zone_sets(case, chosen.sets))
    for load in chosen.loads:
        for name, few in sets:
            measure(seen, name, load, scaled(few, load / utilisation(few)), chosen.workers)
            print(
                f"load {load:g}, {name}: {time.perf_counter() - begun_s:.0f} s", file=sys.stderr, flush=True
            )
    details = {
        kind: {
            f"{load:g}": {"gaps": each.gaps, "misses": each.misses, "weeks": len(each.excess)}
            for load, each in by.items()
        }
        for kind, by in seen.items()
    }
    finish("oracle_gap", table(seen), details=details, weeks=chosen.weeks, sets=[name for name, _ in sets])


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="3 weeks, 2 sets, one load")
    parser.add_argument("--weeks", type=int)
    parser.add_argument("--sets", type=int)
    parser.add_argument("--loads", type=lambda text: tuple(float(load) for load in text.split(",")))
    parser.add_argument("--workers", type=int, default=None)
    chosen = parser.parse_args()
    usual = (3, 2, LOADS[1:2]) if chosen.quick else (53, SETS, LOADS)
    for name, value in zip(("weeks", "sets", "loads"), usual, strict=True):
        if getattr(chosen, name) is None:
            setattr(chosen, name, value)
    return chosen


def zone_sets(case: Case, count: int) -> Iterator[tuple[str, Case]]:
    """All nodes, then 5 to 8 of them by chance, where each class has somewhere to run."""
    yield "all", case
    rng = np.random.default_rng(0)
    found = 1
    while found < count:
        nodes = np.sort(rng.permutation(len(case.nodes))[: rng.integers(5, 9)])
        try:
            few = of_nodes(case, nodes)
        except Infeasible:
            continue
        found += 1
        yield " ".join(few.zones), few


def utilisation(case: Case) -> float:
    """Mean demand as a share of the most that fits."""
    return 1.0 / fitting(case)


def measure(
    seen: dict[str, dict[float, Seen]], name: str, load: float, case: Case, workers: int | None
) -> None:
    """All kinds of case on one set of zones at one load."""
    for k, label in enumerate(case.classes):
        alone = case.of_classes(np.array([k]))
        alone = scaled(alone, load / utilisation(alone))
        bound, accounts = served(alone, (BASELINE, "grams", "fractions"), workers)
        for policy in ("grams", "fractions"):
            add(
                seen,
                f"one class, {policy}",
                load,
                f"{name}: {label}",
                accounts[policy],
                bound,
                accounts[BASELINE],
            )
    bound, accounts = served(case, (BASELINE, "fractions"), workers)
    add(seen, "three classes, fractions", load, name, accounts["fractions"], bound, accounts[BASELINE])
    waiting = some_waits(case)
    names = (BASELINE, "fractions", "predictive", "predictive" + PERFECT)
    bound, accounts = served(waiting, names, workers)
    for policy, kind in (("predictive", "waiting"), ("predictive" + PERFECT, "waiting, perfect")):
        add(seen, kind, load, name, accounts[policy], bound, accounts[BASELINE])
        weeks, base = weekly(accounts[policy]), weekly(accounts["fractions"])
        seen[kind][load].excess += (weeks / base - 1.0).tolist()


def some_waits(case: Case) -> Case:
    """Of every class the same share may wait."""
    total, foreseen = case.fixed + case.waiting, case.fixed_foreseen + case.waiting_foreseen
    return replace(
        case,
        fixed=total * (1.0 - WAITING_FRAC),
        waiting=total * WAITING_FRAC,
        fixed_foreseen=foreseen * (1.0 - WAITING_FRAC),
        waiting_foreseen=foreseen * WAITING_FRAC,
        window=np.full(len(case.classes), WINDOW_H),
    )


def served(case: Case, names: tuple[str, ...], workers: int | None) -> tuple[Any, dict[str, Account]]:
    """B1 and the account of each policy."""
    tasks = [Task(f"alone:{name}", (name,)) for name in names if name.startswith("predictive")]
    tasks += [Task("b1")]
    tasks += [Task(f"rules:{name}", (name,)) for name in names if not name.startswith("predictive")]
    done = dict(spread(run_task, case, tasks, workers=workers))
    accounts = {name: each for result in done.values() for name, each in result.accounts.items()}
    return next(result for i, result in done.items() if tasks[i].kind == "b1"), accounts


def add(
    seen: dict[str, dict[float, Seen]],
    kind: str,
    load: float,
    case: str,
    done: Account,
    bound: Any,
    base: Account,
) -> None:
    """Keep one figure; no gap where more was dropped than the bound dropped, for dropped work is no saving."""
    at = seen.setdefault(kind, {}).setdefault(load, Seen())
    alike = done.unserved <= bound.unserved + TRACE * max(done.requests, 1.0)
    at.gaps[case] = gap_frac(done.carbon_g, bound.bound_g) if alike else None
    at.misses[case] = done.late_frac - base.late_frac


def table(seen: dict[str, dict[float, Seen]]) -> list[dict[str, Any]]:
    """The rows: the largest gap of each kind and load, weeks above the policy that never waits, and misses."""
    rows = []
    for kind, by_load in seen.items():
        limit = REACH[kind if kind in REACH else kind.split(",")[0]]
        for load, at in by_load.items():
            known = [gap for gap in at.gaps.values() if gap is not None]
            whole = len(known) == len(at.gaps)
            largest = max(known) if known else None
            met = largest is not None and largest <= limit and whole
            lost = "" if whole else f", {len(at.gaps) - len(known)} without one"
            rows.append(
                row(
                    f"{kind}, load {load:g}: largest gap of {len(at.gaps)}{lost}",
                    f"<= {limit:g}",
                    largest,
                    met,
                )
            )
            worst = max(at.misses.values())
            rows.append(row("  misses beyond the baseline's, at most", "<= 0", worst, worst <= TRACE))
        excess = np.array([value for at in by_load.values() for value in at.excess])
        if excess.size:
            rows += weeks_above(kind, excess)
    return rows


def weeks_above(kind: str, excess: Any) -> list[dict[str, Any]]:
    """How often and how far deferral cost more than it saved, by the week in which work came."""
    above, worst = float((excess > TRACE).mean()), float(excess.max())
    never = kind.endswith("perfect")
    most, far = (0.0, TRACE) if never else (MOST_WEEKS_ABOVE, WORST_EXCESS)
    return [
        row(f"{kind}: weeks above fractions, of {excess.size}", f"<= {most:g}", above, above <= most),
        row("  the worst of them", "never" if never else f"<= {far:g}", worst, worst <= far),
    ]


if __name__ == "__main__":
    sys.exit(main())
