"""Exact solving of assignments with deadlines and capacities, by way of the typed problem and from its bare matrix.

Family A of the offloading case at 6x4, 16x5 and 50x8. The typed path is everything from the record on: names, grids,
rewrites, HiGHS, and the evaluator's verdict. The direct path hands HiGHS the same rows from NumPy arrays without any
language. Medians of 30 instances for the small sizes, in seconds of CPU, which is wall-clock time on a machine with
nothing else to do; the wall-clock figures stand beside them. At 50x8 the figure is the gap that is left after 5 s.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import numpy as np

from gramwise.optimize.compiled.evaluate import Evaluator
from gramwise.optimize.compiled.milp import compile_milp
from gramwise.optimize.compiled.solution import Run
from gramwise.optimize.offload.assignment import Assignment
from gramwise.optimize.offload.packing import optimum
from gramwise.optimize.offload.statements import assignment_problem
from gramwise.optimize.solvers.milp import MilpSolver
from gramwise.optimize.typed.bind import Bound, bind
from record import finish, row

SIZES = ((6, 4, 30, 0.020), (16, 5, 30, 0.5), (50, 8, 4, 5.0))
BIG_S = 5.0
PARTS = {"bind_s": "binding names", "compile_s": "compiling", "judge_s": "judging"}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="six instances of the small sizes, one of 50x8")
    quick = parser.parse_args().quick
    rows, details = [], {}
    measure(6, 4, 1, 1.0)  # SciPy is imported once
    for tasks, sites, count, limit_s in SIZES:
        seen = measure(tasks, sites, min(count, 6 if tasks < 50 else 1) if quick else count, limit_s)
        size = f"{tasks}x{sites}"
        details[size] = seen
        typed_s, direct_s = (statistics.median(x[k] for x in seen) for k in ("typed_s", "direct_s"))
        if tasks < 50:
            proved = all(x["status"] == "optimal" for x in seen)
            rows.append(
                row(f"{size}: typed problem to proven optimum, median (CPU-s)", f"<= {limit_s:g}", typed_s,
                    proved and typed_s <= limit_s)
            )  # fmt: skip
            rows.append(
                row(f"{size}: slowest of {len(seen)} (CPU-s)", "", max(x["typed_s"] for x in seen), None)
            )
            wall_s = statistics.median(x["wall_s"] for x in seen)
            rows.append(row(f"{size}: the same by the clock, median (s)", "", wall_s, None))
            rows.append(row(f"{size}: matrix from arrays, median (CPU-s)", "", direct_s, None))
            apart = max(abs(x["grams"] / x["direct_grams"] - 1.0) for x in seen)
            rows.append(
                row(f"{size}: the two optima differ by at most (fraction)", "<= 1e-9", apart, apart <= 1e-9)
            )
        else:
            gaps = [x["gap_frac"] for x in seen]
            rows.append(
                row(f"{size}: seconds to the best known with its gap, slowest", f"<= {limit_s:g}",
                    max(x["wall_s"] for x in seen),
                    max(x["wall_s"] for x in seen) <= limit_s * 1.05 and None not in gaps)
            )  # fmt: skip
            rows.append(row(f"{size}: gap left (fraction), median and largest", "",
                            [statistics.median(gaps), max(gaps)], None))  # fmt: skip
        for part in ("bind_s", "compile_s", "judge_s"):
            part_s = statistics.median(x[part] for x in seen)
            rows.append(row(f"{size}: {PARTS[part]} alone, median (CPU-s)", "", part_s, None))
    finish("words_exact", rows, details=details)


def measure(tasks: int, sites: int, count: int, limit_s: float) -> list[dict[str, Any]]:
    """One dictionary for each instance."""
    case = Assignment(tasks, sites)
    found = []
    for seed in range(count):
        world = case.sample(np.random.default_rng([tasks, sites, seed]), 1)
        problem = assignment_problem(world, f"A-{tasks}x{sites}-{seed}")
        begun, cpu = time.perf_counter(), time.process_time()
        bound = _bound(problem)
        spent, spent_cpu = time.perf_counter() - begun, time.process_time() - cpu
        cpu = time.process_time()
        milp = compile_milp(bound)
        compile_s = time.process_time() - cpu
        begun, cpu = time.perf_counter(), time.process_time()
        left_s = 60.0 if tasks < 50 else BIG_S - spent - 0.1
        answer = MilpSolver().solve(bound, time_limit_s=left_s)
        wall_s, typed_s = time.perf_counter() - begun + spent, time.process_time() - cpu + spent_cpu
        cpu = time.process_time()
        Run("milp", left_s, seed).judged(Evaluator(bound, milp.grids), answer.point)
        judge_s = time.process_time() - cpu
        cpu = time.process_time()
        direct = optimum(case.packing(world), 0, left_s, 0.0)
        direct_s = time.process_time() - cpu
        found.append(
            {
                "status": answer.status,
                "grams": answer.grams,
                "bound_g": answer.bound,
                "gap_frac": answer.gap_frac,
                "wall_s": wall_s,
                "typed_s": typed_s,
                "bind_s": spent_cpu,
                "compile_s": compile_s,
                "judge_s": judge_s,
                "direct_s": direct_s,
                "direct_grams": direct.grams,
            }
        )
    return found


def _bound(problem: Any) -> Bound:
    made, findings = bind(problem)
    if made is None:
        raise SystemExit("; ".join(str(f) for f in findings))
    return made


if __name__ == "__main__":
    main()
