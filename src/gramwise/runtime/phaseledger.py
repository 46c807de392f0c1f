"""The ledger of measured runs: a file of JSON lines to which every process appends whole records.

Each line is a whole run as it stood at that moment, and the last line of an id is what counts: a run leaves a line when
it begins, some while it lives, and one when it ends, so that one which is killed is not lost. A line is written by one
``write`` to a descriptor opened with O_APPEND, under an advisory lock, and brought to disk. A line that was torn by a
full disk or a lost machine is closed by the next writer, which says so in its own line; any other line that cannot be
read is an error with file and line.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from gramwise.core.errors import ConfigError, DataError, did_you_mean
from gramwise.core.phase import PhasePart, PhaseRun
from gramwise.core.quantity import Basis, Quantity, Signal

SCHEMA = "gramwise.phase/1"
LEDGER = Path(".gramwise") / "ledger.jsonl"
"""Where runs are kept unless told otherwise: below the working directory."""

_log = logging.getLogger(__name__)

_QUANTITIES = ("energy", "idle", "intensity", "carbon", "idle_carbon")
_NUMBERS = ("started_s", "seen_s", "wall_s", "pue")
_NUMBERS_OR_NONE = ("ended_s", "cpu_s")
_TEXTS = ("id", "phase", "name", "status", "cpu_method")
_TEXTS_OR_NONE = ("zone", "command_digest", "parent", "signal", "basis")
_KEYS = frozenset(
    (*_QUANTITIES, *_NUMBERS, *_NUMBERS_OR_NONE, *_TEXTS, *_TEXTS_OR_NONE, "parts", "host", "notes", "schema")
)
_MENDS = "after_torn_line"


def document(run: PhaseRun) -> dict[str, Any]:
    """A run as plain values for JSON: the fields of `PhaseRun` and the schema; what is unknown is None."""
    plain = asdict(run)
    return {"schema": SCHEMA, **plain, "host": dict(run.host), "notes": list(run.notes)}


def append(path: str | Path, run: PhaseRun) -> None:
    """Add one line to a ledger, which is made when it is missing.

    Raises:
        DataError: it cannot be written; what stood there before is left as it was.
    """
    ledger = Path(path)
    try:
        ledger.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(ledger, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as fault:
        raise DataError(f"{ledger}: the ledger cannot be opened for writing: {fault.strerror}.") from fault
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        _write(descriptor, run)
    except OSError as fault:
        raise DataError(f"{ledger}: the ledger cannot be written: {fault.strerror}.") from fault
    finally:
        os.close(descriptor)


def _write(descriptor: int, run: PhaseRun) -> None:
    size = os.fstat(descriptor).st_size
    torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
    line = json.dumps({**document(run), **({_MENDS: True} if torn else {})}, allow_nan=False)
    data = (b"\n" if torn else b"") + line.encode() + b"\n"
    try:
        if os.write(descriptor, data) != len(data):
            raise OSError(0, "only a part was taken, as by a full disk")
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, size)  # under the lock nobody else has added anything
        raise


def read_ledger(path: str | Path) -> list[PhaseRun]:
    """Every run of a ledger, in the order in which they began.

    A last line that was torn is passed over with a warning in the log, and so is one that a later writer has closed. A
    run without a line of its end has the status ``unknown``.

    Args:
        path: the file.

    Raises:
        ConfigError: no such file.
        DataError: a line that is no record of this schema; file and line.
    """
    ledger = Path(path)
    try:
        text = ledger.read_bytes()
    except FileNotFoundError:
        raise ConfigError(
            "there is no such ledger.", file=ledger, fix="'gramwise measure -- COMMAND' makes one."
        ) from None
    except OSError as fault:
        raise DataError(f"{ledger}: the ledger cannot be read: {fault.strerror}.") from fault
    runs: dict[str, PhaseRun] = {}
    for where, record in _records(text, str(ledger)):
        run = run_of(record, where)
        if run.id in runs and runs[run.id].status != "unknown":
            raise DataError(f"{where}: id: the run {run.id} has already ended on a line before.")
        runs[run.id] = run
    return sorted(runs.values(), key=lambda run: run.started_s)


def _records(text: bytes, ledger: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each record with its file and line; torn lines are passed over where that is allowed."""
    broken: tuple[str, str] | None = None
    lines = text.split(b"\n")
    for number, line in enumerate(lines, 1):
        where = f"{ledger}:{number}"
        if not line.strip():
            continue
        try:
            record = _record(line)
        except ValueError as fault:
            if broken is not None:
                break
            broken = (where, str(fault))
            continue
        if broken is not None:
            if _MENDS not in record:
                break
            _log.warning("%s: a torn line is passed over", broken[0])
            broken = None
        yield where, record
    if broken is not None:
        # Only a line without an end can be one whose writer was stopped.
        if broken[0] != f"{ledger}:{len(lines)}":
            raise DataError(f"{broken[0]}: {broken[1]}.")
        _log.warning("%s: the last line is torn and passed over", broken[0])


def _record(line: bytes) -> dict[str, Any]:
    """The JSON object of a line.

    Raises:
        ValueError: it holds none.
    """
    try:
        record = json.loads(line)
    except (UnicodeDecodeError, json.JSONDecodeError) as fault:
        raise ValueError(f"this is no line of JSON ({fault})") from None
    if not isinstance(record, dict):
        raise ValueError("a line holds one JSON object")
    return record


def run_of(record: Mapping[str, Any], where: str) -> PhaseRun:
    """The run that a line of a ledger holds.

    Args:
        record: the line, parsed.
        where: it stands, for errors: file and line.

    Raises:
        DataError: another schema, a key that is not known or missing, a value that is no such thing.
    """
    if record.get("schema") != SCHEMA:
        raise DataError(f"{where}: schema: this reads {SCHEMA!r}, not {record.get('schema')!r}.")
    for key in record:
        if key not in _KEYS and key != _MENDS:
            raise DataError(f"{where}: {key}: there is no such key. {did_you_mean(key, _KEYS)}")
    missing = sorted(_KEYS - set(record))
    if missing:
        raise DataError(f"{where}: {missing[0]}: the key is missing; what is unknown is null.")
    try:
        return PhaseRun(
            **{key: _text(record, key) for key in _TEXTS},
            **{key: _text_or_none(record, key) for key in _TEXTS_OR_NONE},
            **{key: _number(record, key) for key in _NUMBERS},
            **{key: _number_or_none(record, key) for key in _NUMBERS_OR_NONE},
            **{key: _quantity_or_none(record[key], key) for key in _QUANTITIES},
            parts=tuple(_part(row) for row in _list(record, "parts")),
            host=_host(record["host"]),
            notes=tuple(str(note) for note in _list(record, "notes")),
        )
    except (KeyError, TypeError, ValueError) as fault:
        raise DataError(f"{where}: {fault}.") from fault


def _text(record: Mapping[str, Any], key: str) -> Any:
    if not isinstance(record[key], str):
        raise ValueError(f"{key}: this is a text, not {record[key]!r}")
    return record[key]


def _text_or_none(record: Mapping[str, Any], key: str) -> Any:
    value = None if record[key] is None else _text(record, key)
    kinds = {"signal": get_args(Signal), "basis": get_args(Basis)}.get(key)
    if kinds and value not in (None, *kinds):
        raise ValueError(f"{key}: {value!r} is none of: {', '.join(kinds)}")
    return value


def _number(record: Mapping[str, Any], key: str) -> Any:
    value = record[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -1e300 < value < 1e300:
        raise ValueError(f"{key}: this is a number, not {value!r}")
    return float(value)


def _number_or_none(record: Mapping[str, Any], key: str) -> Any:
    return None if record[key] is None else _number(record, key)


def _quantity_or_none(value: Any, key: str) -> Any:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ValueError(f"{key}: this is a quantity or null, not {value!r}")
    try:
        quantity = Quantity(**value)
    except (TypeError, ValueError) as fault:
        raise ValueError(f"{key}: {fault}") from None
    wanted = {"intensity": "g/kWh", "carbon": "g", "idle_carbon": "g"}.get(key, "J")
    if quantity.unit != wanted:
        raise ValueError(f"{key}: its unit is {wanted}, not {quantity.unit!r}")
    if quantity.low < 0.0:
        raise ValueError(f"{key}: nothing here is below 0, and {quantity.low} is")
    return quantity


def _part(row: Any) -> PhasePart:
    if not isinstance(row, dict) or set(row) != {"component", "energy", "whole_machine"}:
        raise ValueError("parts: each has component, energy and whole_machine")
    energy = _quantity_or_none(row["energy"], "parts.energy")
    if energy is None or not isinstance(row["component"], str) or not isinstance(row["whole_machine"], bool):
        raise ValueError("parts: each has a component (text), an energy and whole_machine (true or false)")
    return PhasePart(component=row["component"], energy=energy, whole_machine=row["whole_machine"])


def _list(record: Mapping[str, Any], key: str) -> list[Any]:
    if not isinstance(record[key], list):
        raise ValueError(f"{key}: this is a list, not {record[key]!r}")
    return list(record[key])


def _host(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise ValueError("host: these are texts by name")
    return value
