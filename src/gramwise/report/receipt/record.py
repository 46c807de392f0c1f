"""The receipt of a run, from its run directory alone: which joules met which intensity at which site.

An account is one policy; its items are what each node served. Idle and wasted work stand apart, as in the run's own
tables. What a run does not keep (a sweep has no joules by node) is copied and marked ``recorded``.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from gramwise.core.errors import RunDirectoryError
from gramwise.core.receipt import SCHEMA, Document, receipt, seal
from gramwise.report.html import write_whole
from gramwise.report.load import read_facts, read_summary, read_text
from gramwise.report.receipt.benches import bench_accounts
from gramwise.report.receipt.simulations import simulate_accounts, sweep_accounts

NAME = "receipt.json"
_FILES = ("scenario.toml", "outcomes.csv", "nodes.csv", "hours.csv", "decisions.jsonl", "summary.json")
"""What a receipt is worked out from. ``run.toml`` is copied whole, and ``report.html`` is only a picture of these."""
_SHIPPED = "package:"
_ACCOUNTS = {
    "gramwise.bench/1": bench_accounts,
    "gramwise.simulate/1": simulate_accounts,
    "gramwise.sweep/1": sweep_accounts,
}


def receipt_of_run(run_dir: str | Path, *, home: str | Path | None = None) -> Document:
    """The sealed receipt of a finished run.

    Args:
        run_dir: what ``gramwise bench``, ``simulate`` or ``sweep`` wrote.
        home: folder that relative model files of the scenario are relative to; without it their digests are null.

    Raises:
        RunDirectoryError: not a run, unfinished, of a kind without grams, or a broken file.
    """
    folder = Path(run_dir)
    facts, summary = read_facts(folder), read_summary(folder)
    if summary is None or facts.get("finished") is not True:
        raise RunDirectoryError(
            f"{folder} holds an unfinished run, and a receipt is of a whole one; run it again."
        )
    make = _ACCOUNTS.get(str(summary.get("schema")))
    if make is None:
        raise RunDirectoryError(
            f"{folder}: no receipt can be made of {summary.get('schema')!r}; "
            f"receipts are made of {', '.join(_ACCOUNTS)}."
        )
    scenario = _scenario(folder)
    books = make(folder, facts, scenario, summary)
    inputs = {
        "run": {key: value for key, value in facts.items() if value is not None},
        "scenario": scenario,
        "models": _models(scenario, None if home is None else Path(home)),
        "files": {name: digest for name in _FILES if (digest := file_digest(folder / name))},
        "provenance": list(summary.get("provenance") or ()),
    }
    return receipt(
        "run", inputs=inputs, methods=books.methods, factors=books.factors, accounts=books.accounts
    )


def write_receipt(run_dir: str | Path, *, home: str | Path | None = None) -> Path:
    """Write ``receipt.json`` into a run directory; arguments and errors as of `receipt_of_run`."""
    file = Path(run_dir) / NAME
    save(receipt_of_run(run_dir, home=home), file)
    return file


def save(document: Mapping[str, Any], file: Path) -> None:
    """Write a receipt for people to read; its hash is over the canonical form, not over this layout.

    An older receipt is replaced only by a whole new one.

    Raises:
        RunDirectoryError: the file cannot be written.
    """
    write_whole(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n", file)


def read_receipt(path: str | Path) -> Document:
    """A receipt from its file, or from the run directory that holds it. Nothing is checked but its schema.

    Raises:
        RunDirectoryError: there is none, it is not JSON, or of another schema.
    """
    file = Path(path) / NAME if Path(path).is_dir() else Path(path)
    if not file.is_file():
        raise RunDirectoryError(
            f"{file}: there is no such receipt; give the file or the run directory that holds it."
        )
    try:
        document = json.loads(read_text(file), parse_constant=_refuse, object_pairs_hook=_once)
    except (ValueError, RecursionError) as fault:
        raise RunDirectoryError(f"{file} is not a receipt: {fault}.") from fault
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        found = document.get("schema") if isinstance(document, dict) else type(document).__name__
        raise RunDirectoryError(f"{file}: schema is {found!r}, and this gramwise reads {SCHEMA!r}.")
    return document


def read_sealed(path: str | Path) -> Document:
    """A receipt as `read_receipt` reads it, whose hash is that of what it says.

    Raises:
        RunDirectoryError: as of `read_receipt`; or something in it was changed after it was made.
        DataError: it holds something that no receipt can.
    """
    document = read_receipt(path)
    if seal(document)["hash"] != document.get("hash"):
        raise RunDirectoryError(
            f"{path}: hash: something in this receipt was changed after it was made; "
            "gramwise receipt verify says what."
        )
    return document


@contextmanager
def well_built(path: object) -> Iterator[None]:
    """Whoever writes a receipt of his own can seal it as well, so its parts may be of any kind.

    Raises:
        RunDirectoryError: what is done here with the receipt met a part that no receipt has.
    """
    try:
        yield
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as fault:
        raise RunDirectoryError(
            f"{path} is not built as a receipt is ({type(fault).__name__}: {fault}); make the run again."
        ) from fault


def file_digest(file: Path) -> str | None:
    """``sha256:`` and the hex digest of a file's bytes; None where there is no such file."""
    if not file.is_file():
        return None
    try:
        return "sha256:" + hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as fault:
        raise RunDirectoryError(f"{file} cannot be read: {fault.strerror or fault}.") from fault


def _scenario(folder: Path) -> dict[str, Any]:
    file = folder / "scenario.toml"
    try:
        return tomllib.loads(read_text(file))
    except tomllib.TOMLDecodeError as fault:
        raise RunDirectoryError(f"{file} is not valid TOML: {fault}.") from fault


def _models(scenario: Mapping[str, Any], home: Path | None) -> list[dict[str, Any]]:
    """Every variant's file with its digest; null where the file is not at hand."""
    return [
        {"model": model, "variant": variant, "file": row.get("file"), "digest": _model(row.get("file"), home)}
        for model, table in (scenario.get("models") or {}).items()
        for variant, row in (table.get("variants") or {}).items()
    ]


def _model(name: str | None, home: Path | None) -> str | None:
    if not name:
        return None
    if name.startswith(_SHIPPED):
        return file_digest(Path(str(files("gramwise") / "data" / "models" / name.removeprefix(_SHIPPED))))
    at = Path(name) if home is None else home / name
    return file_digest(at) if at.is_absolute() or home is not None else None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} has no place in JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):  # which of two values counts would depend on the reader
        raise ValueError("a key stands twice in one table")
    return table
