"""The slot program of a day: 20 nodes, 5 classes, 3 variants, 5-minute slots, without and with work that waits 6 hours.

Direct intensities are those of 20 zones on the first whole day of a folder of traces, each hour held for twelve slots;
without a folder they swing by a sine. Energies and times are drawn from a seed, and on each node the variants trade
one for the other, so that none can be left out. Two thirds of what fits is asked for, which binds many nodes.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from gramwise.core.units import J_PER_KWH
from gramwise.grid.sources.trace import Trace
from gramwise.optimize.bounds import most_that_fits
from gramwise.optimize.slots import SlotProblem, due_of, solve_slots
from record import finish, row

TRACES = Path(
    os.environ.get("GRAMWISE_TRACES") or Path(__file__).resolve().parents[1] / "../shared/data/traces"
)
YEAR = 2022

NODES, CLASSES, VARIANTS, SLOTS, SLOT_S = 20, 5, 3, 288, 300.0
WAIT_SLOTS, WAITING_FRAC = 72, 0.4
LOAD_FRAC = 0.67
RUNS = 3
LIMIT_S = 5.0


def main() -> None:
    """Measure and print."""
    intensity, source = grid()
    rows, details = [], {}
    for what, waiting_frac in (("nothing waits", 0.0), (f"{WAITING_FRAC:.0%} waits up to 6 h", WAITING_FRAC)):
        problem = day(intensity, waiting_frac)
        seconds, carbon_g = [], 0.0
        for _ in range(RUNS):
            start_s = time.perf_counter()
            carbon_g = solve_slots(problem).carbon_g
            seconds.append(time.perf_counter() - start_s)
        took_s = statistics.median(seconds)
        details[what] = {"seconds": seconds, "b1_g": carbon_g}
        rows.append(
            row(
                f"24 h, 20 nodes, 5 classes, 3 variants, 5 min: {what} (s)",
                f"<= {LIMIT_S:g}",
                took_s,
                took_s <= LIMIT_S,
            )
        )
    finish(
        "slot_program", rows, details=details, intensities=source, columns=NODES * CLASSES * VARIANTS * SLOTS
    )


def grid() -> tuple[Any, str]:
    """Intensity, g/kWh, (NODES, SLOTS), and where it comes from."""
    zones = sorted(file.stem.removesuffix(f"_{YEAR}") for file in TRACES.glob(f"*_{YEAR}.csv"))
    if len(zones) >= NODES:
        trace = Trace(TRACES, basis="direct")
        hours = np.array([trace.hourly_values(zone, YEAR) for zone in zones[:NODES]])
        days = hours[:, : hours.shape[1] // 24 * 24].reshape(NODES, -1, 24)
        whole = int(np.flatnonzero(~np.isnan(days).any(axis=(0, 2)))[0])
        return np.repeat(
            days[:, whole], SLOTS // 24, axis=1
        ), f"direct intensities of {YEAR}, day {whole + 1}"
    rng = np.random.default_rng(0)
    mean, phase = rng.uniform(30, 700, (NODES, 1)), rng.uniform(0, 24, (NODES, 1))
    hour = np.repeat(np.arange(24.0), SLOTS // 24)[None]
    return mean * (1.0 + 0.3 * np.cos(2 * np.pi * (hour - phase) / 24)), "synthetic: no traces were found"


def day(intensity: Any, waiting_frac: float) -> SlotProblem:
    """The day's program; work that waits is in classes of its own, beside that of the same kind that does not."""
    rng = np.random.default_rng(1)
    node = np.repeat(np.arange(NODES), VARIANTS)
    speed = rng.uniform(0.5, 4.0, NODES)[node] * rng.uniform(0.7, 1.4, (CLASSES, NODES * VARIANTS))
    effort = rng.uniform(0.2, 2.0, (CLASSES, 1))
    # A variant that needs fewer joules takes longer: none is better in both.
    slower, leaner = np.tile([1.0, 1.2, 1.5], NODES), np.tile([1.0, 0.75, 0.6], NODES)
    busy_s = effort / speed * 0.1
    busy_s = busy_s[:, (np.arange(NODES * VARIANTS) // VARIANTS) * VARIANTS] * slower
    energy_j = effort * rng.uniform(1.0, 6.0, (CLASSES, NODES)).repeat(VARIANTS, axis=1) * leaner
    capacity_s = np.full((NODES, SLOTS), 4 * SLOT_S * 0.9)
    fits = most_that_fits(np.isfinite(energy_j), busy_s, node, capacity_s[:, 0], np.ones(CLASSES))
    swing = 1.0 + 0.3 * np.cos(
        2 * np.pi * (np.arange(SLOTS)[None] / 12 - rng.uniform(8, 18, (CLASSES, 1))) / 24
    )
    came = LOAD_FRAC * fits * swing * rng.lognormal(0.0, 0.05, (CLASSES, SLOTS))
    fixed, waiting = came * (1.0 - waiting_frac), came * waiting_frac
    arrivals, due = fixed, fixed
    if waiting_frac:
        energy_j, busy_s = np.concatenate([energy_j] * 2), np.concatenate([busy_s] * 2)
        arrivals = np.concatenate([fixed, waiting])
        due = np.concatenate([fixed, due_of(waiting, np.full(CLASSES, WAIT_SLOTS))])
    return SlotProblem(
        energy_j=energy_j,
        busy_s=busy_s,
        node=node,
        g_per_j=intensity / J_PER_KWH,
        capacity_s=capacity_s,
        arrivals=arrivals,
        due=due,
    )


if __name__ == "__main__":
    sys.exit(main())
