"""Our forecasts on real traces, by rolling origin: skill against seasonal naive, coverage, bias, and time.

Needs hourly traces of 2022 in the directory that GRAMWISE_TRACES names, else in ../shared/data/traces. The first four
weeks of the year are not scored: methods and intervals learn in them.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from gramwise.core.quantity import Basis
from gramwise.grid.forecasts import Rolling, rolling_forecast, score
from gramwise.grid.sources.trace import Trace
from record import finish, row

TRACES = Path(
    os.environ.get("GRAMWISE_TRACES", Path(__file__).resolve().parents[1] / "../shared/data/traces")
)
YEAR, START_S = 2022, 1640995200.0
ZONES = ("BE", "BR-CS", "CA-ON", "CA-QC", "CH", "DE", "ES", "FI", "FR", "GB", "IT-NO", "NL", "PL")
DIRECT = tuple(f"US-{name}" for name in ("AZPS", "BPAT", "CISO", "ERCO", "MISO", "NYIS", "PJM", "SOCO"))
LEADS = (1, 6, 24, None)


def main() -> None:
    """Measure and print."""
    if not TRACES.is_dir():
        finish("forecast", [row("forecasts on traces", "reported", "no traces here", None)])
        return
    begin = time.process_time()
    values = {zone: read(zone) for zone in (*ZONES, *DIRECT)}
    read_s, begin = time.process_time() - begin, time.process_time()
    made = {zone: rolling_forecast(values[zone], START_S) for zone in ZONES}
    seconds = time.process_time() - begin
    made |= {zone: rolling_forecast(values[zone], START_S) for zone in DIRECT}
    figures = {zone: table(values[zone], made[zone]) for zone in made}
    rows = [goal_skill(figures), *goal_coverage(figures)]
    rows.append(row("CPU seconds, 13 zone-years x 24 leads, one thread", "<= 6 s", seconds, seconds <= 6))
    rows += [summary("13 zones", ZONES, figures), summary("8 US zones, direct", DIRECT, figures)]
    finish("forecast", rows, figures=figures, naive=naive(values), read_s=read_s)


def read(zone: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A year of hours."""
    basis: Basis = "direct" if zone in DIRECT else "lifecycle"
    return Trace(TRACES, basis).hourly_values(zone, YEAR)


def table(values: np.ndarray[Any, np.dtype[np.float64]], made: Rolling) -> dict[str, dict[str, float | None]]:
    """Scores of the regression by lead; "all" is every lead together."""
    found = {}
    for lead in LEADS:
        result = score(values, made, lead)
        found[str(lead or "all")] = {
            "mae_g_per_kwh": result.mae_g_per_kwh,
            "skill_frac": result.skill_frac,
            "coverage_frac": result.coverage_frac,
            "bias_over_mae": result.bias_g_per_kwh / result.mae_g_per_kwh,
        }
    return found


def naive(values: dict[str, np.ndarray[Any, np.dtype[np.float64]]]) -> dict[str, dict[str, float]]:
    """Mean absolute error of the same hour some days before: which season is the hardest standard."""
    found = {}
    for zone, hours in values.items():
        scored = {
            f"{back // 24} d": np.abs(hours[168:] - hours[168 - back : -back]) for back in (24, 48, 168)
        }
        found[zone] = {name: float(np.nanmean(error)) for name, error in scored.items()}
    return found


def goal_skill(figures: dict[str, Any]) -> dict[str, Any]:
    """Zones in which the regression beats seasonal naive, at 24 h and over all leads."""
    won = [sum(figures[zone][lead]["skill_frac"] > 0 for zone in ZONES) for lead in ("24", "all")]
    return row("zones of 13 that beat seasonal naive, lead 24 h / all leads", ">= 10", won, min(won) >= 10)


def goal_coverage(figures: dict[str, Any]) -> list[dict[str, Any]]:
    """Least and greatest coverage over the zones."""
    rows = []
    for lead in ("24", "all"):
        covered = [figures[zone][lead]["coverage_frac"] for zone in (*ZONES, *DIRECT)]
        ends = [min(covered), max(covered)]
        met = ends[0] >= 0.75 and ends[1] <= 0.85
        rows.append(row(f"80 % interval, lead {lead}, least and greatest zone", "0.75 to 0.85", ends, met))
    return rows


def summary(what: str, zones: tuple[str, ...], figures: dict[str, Any]) -> dict[str, Any]:
    """Mean skill over zones at each lead."""
    means = [
        float(np.mean([figures[zone][str(lead or "all")]["skill_frac"] for zone in zones])) for lead in LEADS
    ]
    return row(f"mean skill, lead 1 / 6 / 24 / all, {what}", "reported", means, None)


if __name__ == "__main__":
    main()
