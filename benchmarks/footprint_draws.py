"""A full bill with 10,000 draws: the example of a whole life, and one of two hundred lines over four hundred factors.

Reading the scenario and drawing pages are not in it: timed are the evaluation at the values, on all draws, and of
every factor alone for what it contributes.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gramwise.core.footprint import Factor
from gramwise.footprint.bill import Line, bill
from gramwise.runtime.assembly import read_scenario
from gramwise.runtime.gathered import gather
from gramwise.runtime.lifecycle import evaluate
from record import finish, row

EXAMPLE = Path(__file__).parents[1] / "examples" / "whole-life.toml"
LINES, TURNS, DRAWS, LIMIT_S = 200, 7, 10_000, 1.0


def main() -> None:
    """Measure and print."""
    scenario = read_scenario(EXAMPLE, {"footprint.draws": DRAWS})
    gathered = gather(scenario)
    lines, factors = synthetic()
    example_s = median_s(lambda: evaluate(scenario, gathered))
    large_s = median_s(
        lambda: bill(lines, factors, functional_unit="x", units=1.0, boundary="synthetic", draws=DRAWS)
    )
    _, found = evaluate(scenario, gathered)
    finish(
        "footprint_draws",
        [
            row(
                f"bill of {len(found.items)} items, {DRAWS} draws (s)",
                f"<= {LIMIT_S:g}",
                example_s,
                example_s <= LIMIT_S,
            ),
            row(
                f"bill of {LINES} items, {len(factors)} factors, {DRAWS} draws (s)", "reported", large_s, None
            ),
        ],
        details={"items": len(found.items), "factors": len(found.factors)},
    )


def synthetic() -> tuple[list[Line], list[Factor]]:
    """Lines of three factors each, of which every third is shared by ten lines."""

    def factor(key: str) -> Factor:
        return Factor(key=key, value=2.0, low=1.0, high=4.0, unit="1", method="assumed", source="synthetic")

    def line(i: int) -> Line:
        keys = (f"energy.{i}", f"pue.{i % 20}", f"grid.{i % 10}")
        return Line(
            name=str(i),
            phase="training",
            factors=keys,
            carbon_g=lambda f: f[keys[0]] * f[keys[1]] * f[keys[2]],
        )

    lines = [line(i) for i in range(LINES)]
    return lines, [factor(key) for key in dict.fromkeys(key for each in lines for key in each.factors)]


def median_s(job: Callable[[], Any]) -> float:
    """Median wall time of a job, seconds, after one that does not count."""
    job()
    times = []
    for _ in range(TURNS):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


if __name__ == "__main__":
    sys.exit(main())
