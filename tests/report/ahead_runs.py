"""Run directories of simulations made by hand, in the format that simulate and sweep write."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

from gramwise.sim.rows import HOUR_COLUMNS

START_S = 1654473600.0
"""6 June 2022, a Monday, UTC."""

PLACES = (("dirty", "CC", 400.0), ("clean", "AA", 60.0), ("middle", "BB", 200.0))
_ROWS = (
    {"name": "plain", "carbon_g": 8.0, "gap_b1_frac": 3.0, "captured_frac": 0.0},
    {"name": "smart", "carbon_g": 2.1, "gap_b1_frac": 0.05, "captured_frac": 0.983},
    {"name": "lazy", "carbon_g": 0.5, "gap_b1_frac": None, "captured_frac": None},
)


def document(schema: str, *, wasted_g: float = 0.0, **changes: Any) -> dict[str, Any]:
    """A summary of three policies, of which ``lazy`` drops a quarter of the requests."""
    simulated = schema == "gramwise.simulate/1"
    policies = []
    for row in _ROWS:
        dropped = 0.25 if row["name"] == "lazy" else 0.0
        policy: dict[str, Any] = {
            **row,
            "slo_miss_frac": dropped,
            "deferred_frac": 0.1,
            "accuracy_frac": 0.99,
        }
        if simulated:
            latency_s = {"mean": 0.2, "p50": 0.1, "p95": 0.3, "p99": None}
            policy |= {"requests": 1000, "refused": int(1000 * dropped), "lost": 0, "late": 0, "retried": 0}
            policy |= {"wasted_g": wasted_g, "idle_g": 100.0, "latency_s": latency_s, "deferred_mean_s": None}
        policies.append(policy)
    made = {
        "schema": schema,
        "scenario": "three places",
        "simulated": True,
        "hours": 168.0,
        "requests": 1000,
        "baseline": "plain",
        "bounds": {"b0_g": 1.5, "b1_g": 2.0},
        "policies": policies,
        "provenance": ["Everything here is simulated."],
    }
    if not simulated:
        made |= {"idle_g": 100.0, "model": "fluid, hour by hour", "hours_left_out": 0, "seconds": 1.5}
    return {**made, **changes}


def write_ahead(
    folder: Path,
    *,
    schema: str = "gramwise.simulate/1",
    hours: int = 168,
    busy_week: int = 0,
    band: float = 0.1,
    **changes: Any,
) -> Path:
    """A finished run directory."""
    folder.mkdir(parents=True)
    facts = 'schema = 1\n\n[run]\nscenario = "three places"\nsimulated = true\nseed = 1\nfinished = true\n'
    (folder / "run.toml").write_text(facts, encoding="utf-8")
    (folder / "scenario.toml").write_text('name = "three <places>"\n', encoding="utf-8")
    (folder / "summary.json").write_text(json.dumps(document(schema, **changes)), encoding="utf-8")
    write_hours(folder, hours=hours, busy_week=busy_week, band=band)
    return folder


def write_hours(
    folder: Path,
    *,
    policies: tuple[str, ...] = ("plain", "smart"),
    hours: int = 168,
    busy_week: int = 0,
    band: float = 0.1,
    places: tuple[tuple[str, str, float], ...] = PLACES,
) -> None:
    """``hours.csv``: a daily wave; hour 9 of the clean place is not known, and the dirty place idles under smart."""
    with (folder / "hours.csv").open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(HOUR_COLUMNS)
        for policy in policies:
            for node, zone, base in places:
                for hour in range(hours):
                    wave = math.cos(2 * math.pi * hour / 24)
                    truth = base * (1 + 0.3 * wave)
                    ends = [truth * (1 - band), truth * (1 + band)]
                    ahead = [truth, truth * 0.8, truth * 1.2] if hour >= 23 else ["", "", ""]
                    load = 0.3 * (1 - wave) * (1.5 if hour // 168 == busy_week else 1.0) * 60 / base
                    load = 0.0 if policy == "smart" and node == "dirty" else load
                    cell = "" if node == "clean" and hour == 9 else repr(truth)
                    time_s = repr(START_S + 3600 * hour)
                    writer.writerow([policy, node, zone, time_s, cell, truth, *ends, *ahead, repr(load)])
