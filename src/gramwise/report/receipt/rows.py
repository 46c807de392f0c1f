"""What the accounts of runs of every kind share: rows of CSV files, sums of joules and grams, factor rows of a node."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gramwise.core.errors import RunDirectoryError
from gramwise.core.receipt import Document, point, versioned
from gramwise.report.load import read_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """The accounts of a run, the factors they rest on, and the methods by name."""

    accounts: list[Document]
    factors: dict[str, Document]
    methods: dict[str, str]


def rows(file: Path, *columns: str) -> list[dict[str, str]]:
    """The rows of a CSV file of a run.

    Raises:
        RunDirectoryError: it cannot be read, or lacks a column.
    """
    reader = csv.DictReader(io.StringIO(read_text(file)))
    missing = [column for column in columns if column not in (reader.fieldnames or ())]
    if missing:
        raise RunDirectoryError(f"{file} has no column {missing[0]!r}; make the run again.")
    return list(reader)


def number(cell: str) -> float:
    """A cell as a number; NaN where it is empty, which is unknown.

    Raises:
        RunDirectoryError: it holds something else.
    """
    try:
        return float(cell) if cell else math.nan
    except ValueError as fault:
        raise RunDirectoryError(f"a table of the run holds {cell!r} where a number belongs.") from fault


def added(values: Iterable[float]) -> float | None:
    """The sum; None where a term is unknown or there is none."""
    found = list(values)
    total = math.fsum(found) if found else math.nan
    return total if math.isfinite(total) else None


def pue_row(value: float) -> Document:
    """The factor row of a node's PUE."""
    return versioned(
        point(value, "1", "assumed", "declared in the scenario, without an interval", boundary="site")
    )


def grams(value: float | None, source: str, method: str = "modelled") -> Document | None:
    """Grams of which a run keeps no interval; None where they are unknown."""
    return None if value is None else point(value, "g", method, source, boundary="site")


def joules(value: float | None, method: str, source: str) -> Document | None:
    """Joules of which a run keeps no interval; None where they are unknown."""
    return None if value is None else point(value, "J", method, source)


def least_sure(*methods: str) -> str:
    """The provenance of a result is that of its least sure term."""
    return next((method for method in ("assumed", "modelled", "measured") if method in methods), "assumed")


def zone_of(scenario: Mapping[str, Any], node: str) -> str | None:
    """The grid zone of a node of the scenario."""
    zone = (scenario.get("nodes") or {}).get(node, {}).get("zone")
    return None if zone is None else str(zone)


def pue_of(scenario: Mapping[str, Any], node: str) -> float:
    """The PUE of a node's site; 1 where the scenario names none, which is its default."""
    return float((scenario.get("nodes") or {}).get(node, {}).get("pue", 1.0))
