"""What a simulation leaves in its run directory besides the summary: outcomes, nodes, and the hours for pictures."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from typing import Any

from gramwise.core.errors import RunDirectoryError
from gramwise.core.units import S_PER_HOUR
from gramwise.runtime.rundir import RunDirectory
from gramwise.sim.bill import Bill

DAY_AHEAD = 23
"""Column of a forecast that foresees the hour a day after the newest known one: issued 23 hours before it begins."""

HOUR_COLUMNS = (
    *(
        "policy",
        "node",
        "zone",
        "time_s",
        "true_g_per_kwh",
        "known_g_per_kwh",
        "low_g_per_kwh",
        "high_g_per_kwh",
    ),
    *("day_ahead_g_per_kwh", "day_ahead_low_g_per_kwh", "day_ahead_high_g_per_kwh", "busy_frac"),
)
"""Of ``hours.csv``: a row a policy, node and hour. ``known`` is what was foreseen at the start of that hour, with its
80 % interval, and ``day_ahead`` what was foreseen for it a day ago; empty is unknown."""


def write_rows(directory: RunDirectory, bills: Sequence[Bill]) -> None:
    """Write ``outcomes.csv``, ``nodes.csv`` and ``hours.csv``.

    Raises:
        RunDirectoryError: cannot be written.
    """
    for bill in bills:
        for seq, outcome in enumerate(bill.outcomes()):
            directory.outcome(outcome, 0, seq)
        for row in _nodes(bill):
            directory.node(row)
    directory.flush()
    file = directory.path / "hours.csv"
    try:
        with file.open("w", encoding="utf-8", newline="") as lines:
            writer = csv.writer(lines, lineterminator="\n")
            writer.writerow(HOUR_COLUMNS)
            for bill in bills:
                writer.writerows(_hours(bill))
    except OSError as fault:
        raise RunDirectoryError(f"{file} cannot be written: {fault.strerror or fault}.") from fault


def _nodes(bill: Bill) -> Iterator[dict[str, Any]]:
    """Joules of each node over the whole simulation, as a bench has them a block."""
    scene = bill.scene
    window_s = scene.offered.end_s - scene.offered.start_s
    joules: dict[str, list[float]] = {node.name: [] for node in scene.table.nodes}
    for outcome in bill.done:
        joules[outcome.node].append(outcome.cost.energy_j)
    for node in scene.table.nodes:
        attributed_j = math.fsum(joules[node.name])
        yield {
            "policy": bill.trial.policy,
            "repeat": 0,
            "block": 0,
            "node": node.name,
            "window_s": window_s,
            "attributed_j": attributed_j,
            "idle_j": None if node.device.idle_w is None else node.device.idle_w * window_s,
            "overhead_j": None,
            "metered_j": None,
            "attributed_s": attributed_j / scene.power.watts[node.name],
            "overhead_s": None,
            "metered_s": None,
        }


def _hours(bill: Bill) -> Iterator[list[Any]]:
    signals, busy_s = bill.scene.signals, bill.busy_s()
    for i, node in enumerate(bill.scene.table.nodes):
        z = int(signals.of[i])
        for hour in range(signals.hours):
            figures = [
                signals.truth[z, hour],
                *(column[z, hour, 0] for column in (signals.known, signals.low, signals.high)),
                *_day_ahead(bill, z, hour),
                busy_s[i, hour] / (node.slots * S_PER_HOUR),
            ]
            time_s = signals.start_s + S_PER_HOUR * hour
            yield [
                bill.trial.policy,
                node.name,
                node.zone,
                repr(time_s),
                *(_cell(float(each)) for each in figures),
            ]


def _day_ahead(bill: Bill, z: int, hour: int) -> tuple[float, float, float]:
    signals, issued = bill.scene.signals, hour - DAY_AHEAD
    if issued < 0 or signals.known.shape[2] <= DAY_AHEAD:
        return math.nan, math.nan, math.nan
    at = (z, issued, DAY_AHEAD)
    return float(signals.known[at]), float(signals.low[at]), float(signals.high[at])


def _cell(value: float) -> str:
    return repr(value) if math.isfinite(value) else ""
