"""Why a request went where it went: the recorded decision, rebuilt and decided again by the same code."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

from gramwise.core.errors import ConfigError, DataError, did_you_mean
from gramwise.runtime.rundir import read_decisions, rebuild
from gramwise.schedule import load_policy

SCHEMA = "gramwise.explain/1"


def explain(run: Path, request_id: str) -> dict[str, Any]:
    """Every decision that a request of a run met (two when its first node died), with all verdicts.

    Args:
        run: run directory.
        request_id: as in ``outcomes.csv``.

    Returns:
        The ``gramwise.explain/1`` document. ``agrees`` says whether deciding again chose the recorded row.

    Raises:
        RunDirectoryError: not a run directory.
        ConfigError: no such request.
    """
    ids, found = [], []
    for record, upper in read_decisions(run):
        ids.append(record["request"]["id"])
        if ids[-1] == request_id:
            found.append(_decision(record, upper))
    if not found:
        raise ConfigError(
            f"no decision about request {request_id!r} is recorded.",
            file=run / "decisions.jsonl",
            fix=did_you_mean(request_id, set(ids), limit=3),
        )
    return {
        "schema": SCHEMA,
        "run_dir": str(run),
        "request": request_id,
        "decisions": found,
        "outcome": _outcome(run / "outcomes.csv", request_id),
    }


def _decision(record: dict[str, Any], upper: dict[str, Any]) -> dict[str, Any]:
    request, snapshot = rebuild(record, upper)
    policy = load_policy(record["policy"])
    decision = policy.decide(request, snapshot)
    verdicts = decision.verdicts
    chosen = next((v for v in verdicts if v.chosen), None)
    return {
        "policy": record["policy"],
        "fallback": record["fallback"],
        "at_s": record["at_s"],
        "signal": snapshot.signal,
        "basis": snapshot.basis,
        "count": request.count,
        "deadline_s": request.deadline_s,
        "accuracy_floor_frac": request.accuracy_floor_frac,
        "sentence": _sentence(record["policy"], record["fallback"], chosen, verdicts),
        "agrees": decision.row == record["row"],
        "verdicts": [
            {**v._asdict(), "scores": {k: _finite(x) for k, x in v.scores.items()}} for v in verdicts
        ],
    }


def _sentence(policy: str, fallback: bool, chosen: Any, verdicts: Any) -> str:
    if chosen is None:
        return f"{policy} found no plan: every candidate was rejected."
    rejected = sum(bool(v.rejected_by) for v in verdicts)
    others = [v for v in verdicts if not v.chosen and not v.rejected_by and "carbon_g" in v.scores]
    text = f"{policy} chose {chosen.node} with {chosen.variant}"
    if fallback:
        text += ", as the fallback: no plan met the limits of the policy asked first"
    if others and "carbon_g" in chosen.scores:
        second = min(others, key=lambda v: v.scores["carbon_g"])
        theirs = second.scores["carbon_g"]
        saved = 1.0 - chosen.scores["carbon_g"] / theirs if theirs else 0.0
        wait = (chosen.scores["finish_s"] - second.scores["finish_s"]) * 1e3
        less = f"{abs(saved):.0%} {'fewer' if saved >= 0 else 'more'} predicted grams"
        less += f" than {second.node}/{second.variant}"
        text += f": {less}, {wait:+.0f} ms"
    return f"{text}. {rejected} of {len(verdicts)} candidates were rejected."


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _outcome(file: Path, request_id: str) -> dict[str, str] | None:
    """The row of outcomes.csv as written, or None when the run stopped before it."""
    try:
        with file.open(encoding="utf-8", newline="") as rows:
            return next((row for row in csv.DictReader(rows) if row["request"] == request_id), None)
    except (OSError, KeyError, csv.Error) as fault:
        raise DataError(f"{file}: cannot be read ({fault}).") from fault
