"""A run directory read back: ``run.toml``, ``scenario.toml``, ``outcomes.csv``, ``nodes.csv`` and
``summary.json``.

A finished run has all of them. One that was stopped may lack the summary and may end in half a line; what it
holds is then worked out again from its outcomes, and the record says that it is unfinished.
"""

from __future__ import annotations

import csv
import io
import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from gramwise.core.errors import RunDirectoryError
from gramwise.report.document import Summary, parse_summary
from gramwise.report.recount import NodeWindow, OutcomeRow, summary_from_outcomes

RUN_SCHEMA = 1
BILLED = "gramwise.footprint/1"
"""Schema of a summary that `gramwise.report.footprint_page` reads."""
SIMULATED = ("gramwise.simulate/1", "gramwise.sweep/1")
"""Schemas of summaries that `gramwise.report.ahead` reads."""
Row = TypeVar("Row", OutcomeRow, NodeWindow)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run directory.

    Attributes:
        path: the folder.
        id: its name in reports.
        finished: False when the run was stopped before it wrote its summary, or says so itself.
        facts: ``run.toml`` with nested tables as dotted keys (``a.b``); started, versions, seed, command
        ... scenario_text: ``scenario.toml`` as it stands; empty when the run has none. summary: the bench
        document; recounted from the outcomes when the run has none. recounted: True when ``summary`` was
        recounted. outcomes: one row a request and policy, in the order served; empty when the run has none.
        windows: one row a node and block; empty when the run has none.
    """

    path: Path
    id: str
    finished: bool
    facts: Mapping[str, object]
    scenario_text: str
    summary: Summary
    recounted: bool
    outcomes: tuple[OutcomeRow, ...]
    windows: tuple[NodeWindow, ...]

    @property
    def host(self) -> str | None:
        """The machine that it ran on, in words, or None when the run does not say."""
        host = self.facts.get("host")
        return None if host is None else str(host)


def load_run(path: str | Path) -> Run:
    """Read a run directory.

    Args:
        path: the folder that ``gramwise bench`` wrote.

    Raises:
        RunDirectoryError: not a run, another schema, a file missing or broken; says which, and what to do.
    """
    folder = Path(path)
    facts = read_facts(folder)
    if is_simulation(folder):
        raise RunDirectoryError(
            f"{folder} holds a simulation, which is not set beside runs of gramwise bench; "
            "show it alone: gramwise report with this folder only."
        )
    if is_bill(folder):
        raise RunDirectoryError(
            f"{folder} holds the bill of a life, which is not set beside runs of gramwise bench; "
            "show it alone, or set two bills side by side with: gramwise receipt diff."
        )
    finished = facts.get("finished") is True
    outcomes = _rows(folder / "outcomes.csv", OutcomeRow, whole=finished)
    windows = _rows(folder / "nodes.csv", NodeWindow, whole=finished)
    document = read_summary(folder)
    summary = None if document is None else parse_summary(document, str(folder / "summary.json"))
    if summary is None and not outcomes:
        raise RunDirectoryError(
            f"{folder} holds neither summary.json nor a single outcome in outcomes.csv, so there is nothing "
            "to show; run gramwise bench again."
        )
    scenario = folder / "scenario.toml"
    return Run(
        path=folder,
        id=str(facts.get("id") or folder.resolve().name),
        finished=finished and summary is not None,
        facts=facts,
        scenario_text=read_text(scenario) if scenario.is_file() else "",
        summary=summary or summary_from_outcomes(facts, outcomes, windows),
        recounted=summary is None,
        outcomes=outcomes,
        windows=windows,
    )


def read_facts(folder: Path) -> dict[str, object]:
    """``run.toml`` with nested tables as dotted keys.

    Raises:
        RunDirectoryError: not a run, or another schema.
    """
    file = folder / "run.toml"
    if not file.is_file():
        what = "there is no such folder" if not folder.is_dir() else "it has no run.toml"
        raise RunDirectoryError(
            f"{folder} is not a run directory: {what}; give a folder that gramwise bench wrote."
        )
    try:
        document = tomllib.loads(read_text(file))
    except tomllib.TOMLDecodeError as error:
        raise RunDirectoryError(f"{file} is not valid TOML: {error}; run gramwise bench again.") from error
    facts = _dotted({k: v for k, v in document.items() if k != "run"})
    facts.update(_dotted(document["run"] if isinstance(document.get("run"), dict) else {}))
    if facts.get("schema") != RUN_SCHEMA:
        raise RunDirectoryError(
            f"{file}: schema is {facts.get('schema')!r}, and this gramwise reads {RUN_SCHEMA}; "
            "read it with the gramwise that wrote it."
        )
    return facts


def _dotted(table: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in table.items():
        flat.update(_dotted(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value})
    return flat


def read_summary(folder: Path) -> dict[str, Any] | None:
    """``summary.json`` of a run of any kind; its ``schema`` says which. None when the run has none.

    Raises:
        RunDirectoryError: it is not a JSON object.
    """
    file = folder / "summary.json"
    if not file.is_file():
        return None
    try:
        # Python writes NaN where JSON has null: both say unknown.
        document = json.loads(read_text(file), parse_constant=lambda _: None)
    except ValueError as error:
        raise RunDirectoryError(
            f"{file} is not valid JSON: {error}; delete it to see what outcomes.csv holds, "
            "or run gramwise bench again."
        ) from error
    if not isinstance(document, dict):
        raise RunDirectoryError(f"{file} is not a bench document; run gramwise bench again.")
    return document


def is_simulation(path: str | Path) -> bool:
    """Whether ``gramwise simulate`` or ``gramwise sweep`` wrote it, so that `gramwise.report.ahead` reads it.

    Raises:
        RunDirectoryError: not a run directory.
    """
    folder = Path(path)
    return (
        read_facts(folder).get("simulated") is True or (read_summary(folder) or {}).get("schema") in SIMULATED
    )


def is_bill(path: str | Path) -> bool:
    """Whether ``gramwise footprint`` wrote it, so that `gramwise.report.footprint_page` reads it.

    Raises:
        RunDirectoryError: ``summary.json`` is not a JSON object.
    """
    return (read_summary(Path(path)) or {}).get("schema") == BILLED


def _rows(file: Path, kind: type[Row], *, whole: bool) -> tuple[Row, ...]:
    if not file.is_file():
        return ()
    text = read_text(file)
    if not whole and not text.endswith("\n"):
        text = text[: text.rfind("\n") + 1]  # the line that was being written when the run stopped
    reader = csv.DictReader(io.StringIO(text))
    missing = [field.name for field in fields(kind) if field.name not in (reader.fieldnames or ())]
    if missing:
        raise RunDirectoryError(f"{file} has no column {missing[0]!r}; run gramwise bench again.")
    return tuple(_row(file, reader.line_num, kind, cells) for cells in reader)


def _row(file: Path, line: int, kind: type[Row], cells: Mapping[str, str | None]) -> Row:
    values = {}
    for name, annotation in get_type_hints(kind).items():
        read, wanted = _READERS[annotation]
        try:
            values[name] = read(cells[name] or "")
        except ValueError as error:
            raise RunDirectoryError(
                f"{file}, line {line}: {name} is {cells[name]!r}, which is not {wanted}; "
                "run gramwise bench again."
            ) from error
    return kind(**values)


def read_text(file: Path) -> str:
    """The text of a file of a run.

    Raises:
        RunDirectoryError: it cannot be read.
    """
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RunDirectoryError(
            f"{file} cannot be read: {error}; check the file and its permissions."
        ) from error


def _flag(cell: str) -> bool:
    if cell.strip().lower() not in ("true", "false", "1", "0"):
        raise ValueError(cell)
    return cell.strip().lower() in ("true", "1")


def _number(cell: str) -> float | None:
    value = float(cell) if cell.strip() else None
    return None if value is None or value != value else value


_READERS: dict[object, tuple[Callable[[str], Any], str]] = {
    str: (str, "text"),
    int: (int, "a whole number"),
    bool: (_flag, "true or false"),
    int | None: (lambda cell: int(cell) if cell.strip() else None, "a whole number or empty"),
    float | None: (_number, "a number or empty"),
}
