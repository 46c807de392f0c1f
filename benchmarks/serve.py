"""One bench run as a child process, exactly as a user starts it: what the serving benchmarks share."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from gramwise.runtime.stats import paired_interval, relative_change

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def run(scenario: str, *flags: str) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """The bench document and the rows of outcomes.csv."""
    with tempfile.TemporaryDirectory() as out:
        command = [
            sys.executable,
            "-m",
            "gramwise",
            "bench",
            str(EXAMPLES / scenario),
            "--json",
            "--out",
            out,
            *flags,
        ]
        answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        document = json.loads(answer.stdout)
        with (Path(document["run_dir"]) / "outcomes.csv").open(encoding="utf-8", newline="") as file:
            return document, list(csv.DictReader(file))


def policies(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By name."""
    return {p["name"]: p for p in document["policies"]}


def paired(
    rows: list[dict[str, str]], ours: str, theirs: str, block: int
) -> tuple[list[float], list[float], list[tuple[int, int]]]:
    """Grams per inference of two policies on the same requests, and the block that each pair belongs to."""
    grams: dict[str, dict[tuple[int, int], float]] = {ours: {}, theirs: {}}
    for row in rows:
        if row["policy"] in grams and row["status"] == "completed":
            grams[row["policy"]][int(row["repeat"]), int(row["seq"])] = float(row["carbon_g"]) / int(
                row["count"]
            )
    keys = sorted(set(grams[ours]) & set(grams[theirs]))
    a, b = ([grams[name][key] for key in keys] for name in (ours, theirs))
    return a, b, [(r, seq // block) for r, seq in keys]


def paired_change(
    rows: list[dict[str, str]], ours: str, theirs: str, block: int
) -> tuple[float, float, float]:
    """Grams of one policy against another's on the same requests: change with its 95 % interval."""
    a, b, blocks = paired(rows, ours, theirs, block)
    interval = paired_interval(a, b, blocks, relative_change)
    assert interval is not None
    return sum(a) / sum(b) - 1.0, *interval
