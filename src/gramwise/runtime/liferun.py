"""A bill kept as a run directory, as bench and sweep keep theirs: what was asked, the document, a receipt."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gramwise.core.receipt import receipt_of_footprint
from gramwise.core.units import S_PER_YEAR
from gramwise.fleet.scenario import Scenario
from gramwise.footprint.document import read_document
from gramwise.runtime.rundir import RunDirectory


def keep(scenario: Scenario, document: Mapping[str, Any], out: Path, command: str) -> dict[str, Any]:
    """Write a run directory under ``out``.

    Args:
        scenario: that was billed.
        document: from `gramwise.runtime.lifecycle.footprint`.
        out: its parent, made when missing.
        command: what the user typed, for the record.

    Returns:
        The document with ``run_dir``, as ``summary.json`` has it.

    Raises:
        RunDirectoryError: it cannot be written.
    """
    facts = {
        "scenario": scenario.name,
        "scenario_file": scenario.path.name,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "gramwise": version("gramwise"),
        "command": command,
        "seed": scenario.footprint.seed,
        "python": platform.python_version(),
        "numpy": version("numpy"),
    }
    directory = RunDirectory(out, scenario.name, facts, scenario.toml())
    try:
        kept = {**document, "run_dir": str(directory.path)}
        directory.finish(kept)
        return kept
    finally:
        directory.close()


def receipt_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """The receipt of a document of `gramwise.runtime.lifecycle.footprint`: the same every time it is made."""
    return receipt_of_footprint(
        read_document(document),
        document["inputs"],
        name=document["scenario"],
        period={"start": document["start"], "duration_s": document["years"] * S_PER_YEAR},
    )
