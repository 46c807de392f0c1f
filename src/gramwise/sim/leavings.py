"""What a sweep leaves on disk: its scenario, its document, and every hour of its best policy for the pictures."""

from __future__ import annotations

import csv
import math
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gramwise.core.errors import RunDirectoryError
from gramwise.core.units import J_PER_KWH, S_PER_HOUR
from gramwise.fleet.scenario import Scenario
from gramwise.runtime.rundir import RunDirectory
from gramwise.sim.case import Case
from gramwise.sim.fluid import Account
from gramwise.sim.rows import DAY_AHEAD, HOUR_COLUMNS


def leave(
    out: Path,
    scenario: Scenario,
    case: Case,
    policy: str,
    done: Account,
    document: dict[str, Any],
    command: str,
) -> Path:
    """Write a run directory under ``out`` and return its path; it is put into the document as well.

    Args:
        out: its parent.
        scenario: that was swept.
        case: what policies met.
        policy: whose hours are written; a year of all of them would be a gigabyte.
        done: its account.
        document: the sweep's.
        command: what the user typed.

    Raises:
        RunDirectoryError: it cannot be written.
    """
    facts = {
        "scenario": scenario.name,
        "scenario_file": scenario.path.name,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "gramwise": version("gramwise"),
        "command": command,
        "simulated": True,
        "seed": scenario.simulation.seed,
        "hours": case.hours,
        "python": platform.python_version(),
        "numpy": version("numpy"),
    }
    directory = RunDirectory(out, scenario.name, facts, scenario.toml())
    file = directory.path / "hours.csv"
    try:
        with file.open("w", encoding="utf-8", newline="") as lines:
            writer = csv.writer(lines, lineterminator="\n")
            writer.writerow(HOUR_COLUMNS)
            writer.writerows(_hours(case, policy, done))
        document["run_dir"] = str(directory.path)
        directory.finish(document)
    except OSError as fault:
        raise RunDirectoryError(f"{file} cannot be written: {fault.strerror or fault}.") from fault
    finally:
        directory.close()
    return directory.path


def _hours(case: Case, policy: str, done: Account) -> Iterator[list[str]]:
    ahead = case.known_g_per_j.shape[2]
    for n, (node, zone) in enumerate(zip(case.nodes, case.zones, strict=True)):
        # g/J at the node counts the site's PUE; the grid's own intensity does not.
        to_kwh = J_PER_KWH / case.pue[n]
        true, now = case.g_per_j[n] * to_kwh, case.known_g_per_j[n, :, 0] * to_kwh
        for t in range(case.hours):
            issued = t - DAY_AHEAD
            known = issued >= 0 and ahead > DAY_AHEAD
            early = case.known_g_per_j[n, issued, DAY_AHEAD] * to_kwh if known else math.nan
            cells = (true[t], now[t], math.nan, math.nan, early, math.nan, math.nan, done.load[n, t])
            time_s = case.start_s + S_PER_HOUR * t
            yield [policy, node, zone, repr(time_s), *(_cell(float(each)) for each in cells)]


def _cell(value: float) -> str:
    return repr(value) if math.isfinite(value) else ""
