"""Whether a receipt holds: its hash, its sums, its grams worked out again from its factors, its files, its inputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from gramwise.core.errors import GramwiseError, RunDirectoryError
from gramwise.core.footprint import EMBODIED, Footprint
from gramwise.core.receipt import (
    SCHEMA,
    TOLERANCE,
    electricity_g,
    fingerprint,
    receipt_of_footprint,
    seal,
    versioned,
)
from gramwise.report.receipt.record import file_digest, read_receipt, receipt_of_run

Recompute = Callable[[Mapping[str, Any]], Footprint]
_SHOWN = 20
"""Differences from a recomputation that are listed; more tell no more."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that verification has to say.

    Attributes:
        kind: ``"wrong"``: the receipt does not hold; ``"unchecked"``: this could not be checked, and why.
        place: dotted path into the receipt.
        text: a sentence.
    """

    kind: Literal["wrong", "unchecked"]
    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


def verify(
    source: str | Path | Mapping[str, Any],
    recompute: Recompute | None = None,
    *,
    run_dir: str | Path | None = None,
    home: str | Path | None = None,
) -> list[Finding]:
    """Check a receipt in every way that what is at hand allows.

    Args:
        source: a receipt's file, the run directory that holds it, or the document.
        recompute: evaluates a bill from the recorded ``inputs`` (without their digest); None leaves that unchecked.
        run_dir: where a run's files are; by default the receipt's own folder.
        home: as of `receipt_of_run`.

    Returns:
        What is wrong, and what could not be checked. The receipt holds when nothing is ``"wrong"``.

    Raises:
        RunDirectoryError: there is no receipt there, or it is no JSON or of another schema.
    """
    if isinstance(source, Mapping):
        document, folder = dict(source), None
        if document.get("schema") != SCHEMA:
            raise RunDirectoryError(
                f"schema is {document.get('schema')!r}, and this gramwise reads {SCHEMA!r}."
            )
    else:
        document = read_receipt(source)
        folder = Path(source) if Path(source).is_dir() else Path(source).parent
    where = Path(run_dir) if run_dir is not None else folder
    try:
        return [*_own(document), *_others(document, where, recompute, home)]
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as fault:
        return [Finding("wrong", "", f"it is not built as a receipt is ({type(fault).__name__}: {fault}).")]


def _own(document: Mapping[str, Any]) -> Iterator[Finding]:
    """What the document says about itself."""
    try:
        if seal(document)["hash"] != document.get("hash"):
            yield Finding("wrong", "hash", "something in this receipt was changed after it was made.")
    except GramwiseError as fault:
        yield Finding("wrong", "hash", str(fault))
    inputs = {key: value for key, value in document["inputs"].items() if key != "digest"}
    if fingerprint(inputs) != document["inputs"].get("digest"):
        yield Finding("wrong", "inputs.digest", "the inputs are not those of this digest.")
    for key, row in document["factors"].items():
        if versioned(row)["version"] != row.get("version"):
            yield Finding("wrong", f"factors.{key}", "the row is not that of its version.")
        yield from _ordered(f"factors.{key}", row)
    names = [book["name"] for book in document["accounts"]]
    if len(set(names)) < len(names):
        yield Finding("wrong", "accounts", "two accounts have the same name.")
    for book in document["accounts"]:
        yield from _book(book, document["factors"])


def _book(book: Mapping[str, Any], factors: Mapping[str, Any]) -> Iterator[Finding]:
    at = f"accounts.{book['name']}"
    for part in ("items", "apart"):
        for row in book[part]:
            yield from _item(f"{at}.{part}.{row['name']}", row, factors)
    results, items = book["results"], book["items"]
    halves: tuple[tuple[str, Callable[[Any], bool]], ...] = (
        ("total", lambda row: True),
        ("operational", lambda row: row["phase"] not in EMBODIED),
        ("embodied", lambda row: row["phase"] in EMBODIED),
    )
    for name, keep in halves:
        if results[name] is None and not any(map(keep, items)):
            continue  # what has no item was not counted, which is not 0
        yield from _equal(
            f"{at}.results.{name}", _value(results[name]), _sum(items, keep), "the sum of its items"
        )
        yield from _ordered(f"{at}.results.{name}", results[name])
    for phase in {*results["by_phase"], *(row["phase"] for row in items)}:
        summed = _sum(items, lambda row, phase=phase: row["phase"] == phase)  # type: ignore[misc]
        yield from _equal(
            f"{at}.results.by_phase.{phase}", results["by_phase"].get(phase), summed, "its items' sum"
        )
    total, units = _value(results["total"]), book["units"]
    each = total / units if total is not None and units else None
    yield from _equal(f"{at}.results.per_unit", _value(results["per_unit"]), each, "total over units")
    if book["facts"].get("carbon_g") is not None:
        yield from _equal(f"{at}.facts.carbon_g", book["facts"]["carbon_g"], total, "the sum of the items")


def _item(at: str, row: Mapping[str, Any], factors: Mapping[str, Any]) -> Iterator[Finding]:
    missing = [key for key in row["factors"] if key not in factors]
    if missing:
        yield Finding("wrong", at, f"it rests on {missing[0]!r}, which the receipt does not hold.")
        return
    yield from _ordered(f"{at}.carbon", row["carbon"])
    yield from _ordered(f"{at}.energy_j", row["energy_j"])
    if row["rule"] == "electricity":
        grams = electricity_g(row, factors)
        yield from _equal(f"{at}.carbon", _value(row["carbon"]), grams, "joules x intensity x PUE")
    elif row["rule"] not in ("bill", "recorded"):
        yield Finding("wrong", f"{at}.rule", f"there is no rule {row['rule']!r}.")
    elif row["rule"] == "recorded" and row["carbon"] is not None:
        yield Finding("unchecked", at, row["carbon"]["source"] + "; nothing to work it out from.")


def _equal(at: str, said: float | None, found: float | None, what: str) -> Iterator[Finding]:
    if said is None and found is None:
        return
    if said is None or found is None or not _close(said, found):
        yield Finding("wrong", at, f"it says {said!r}, and {what} gives {found!r}.")


def _ordered(at: str, row: Mapping[str, Any] | None) -> Iterator[Finding]:
    if row is None:
        return
    ends = [row["low"], row["value"], row["high"]]
    known = [end for end in ends if end is not None]
    if row["value"] is None or known != sorted(known):
        yield Finding("wrong", at, f"its interval is out of order: {ends}.")


def _sum(items: list[Mapping[str, Any]], keep: Callable[[Mapping[str, Any]], bool]) -> float | None:
    values = [_value(row["carbon"]) for row in items if keep(row)]
    return None if any(value is None for value in values) else math.fsum(v for v in values if v is not None)


def _value(row: Mapping[str, Any] | None) -> float | None:
    return None if row is None else row["value"]


def _close(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=0.0)


def _others(
    document: Mapping[str, Any], folder: Path | None, recompute: Recompute | None, home: str | Path | None
) -> Iterator[Finding]:
    """What files and formulas outside the document say about it."""
    if document["gramwise"] != version("gramwise"):
        text = f"written by gramwise {document['gramwise']}; this is {version('gramwise')}, whose factors may differ."
        yield Finding("unchecked", "gramwise", text)
    if document["kind"] == "run":
        yield from _run(document, folder, home)
    elif document["kind"] == "footprint":
        yield from _bill(document, recompute)
    else:
        yield Finding("wrong", "kind", f"there is no kind of receipt {document['kind']!r}.")


def _run(document: Mapping[str, Any], folder: Path | None, home: str | Path | None) -> Iterator[Finding]:
    if folder is None or not (folder / "run.toml").is_file():
        yield Finding("unchecked", "inputs.files", "the run's own files are not beside this receipt.")
        return
    broken = False
    for name, digest in document["inputs"]["files"].items():
        found = file_digest(folder / name)
        if found != digest:
            broken = True
            what = "is not there" if found is None else "was changed since"
            yield Finding(
                "unchecked" if found is None else "wrong", f"inputs.files.{name}", f"{name} {what}."
            )
    if broken:
        return
    try:
        again = receipt_of_run(folder, home=home)
    except GramwiseError as fault:
        yield Finding("wrong", "inputs.files", str(fault))
        return
    yield from _models(document, again)
    yield from _same(document, again)


def _models(document: Mapping[str, Any], again: Any) -> Iterator[Finding]:
    """Models that are not at hand now cannot be checked; they are no difference."""
    for before, after in zip(document["inputs"]["models"], again["inputs"]["models"], strict=True):
        if before["digest"] is not None and after["digest"] is None:
            yield Finding(
                "unchecked", f"inputs.models.{before['variant']}", f"{before['file']} is not at hand."
            )
            after["digest"] = before["digest"]
        elif before["digest"] is None:
            after["digest"] = None
    inputs = {key: value for key, value in again["inputs"].items() if key != "digest"}
    again["inputs"]["digest"] = fingerprint(inputs)


def _bill(document: Mapping[str, Any], recompute: Recompute | None) -> Iterator[Finding]:
    if recompute is None:
        yield Finding("unchecked", "inputs", "the bill was not evaluated again from its inputs.")
        return
    inputs = {key: value for key, value in document["inputs"].items() if key != "digest"}
    book = document["accounts"][0]
    try:
        footprint = recompute(inputs)
    except GramwiseError as fault:
        yield Finding("wrong", "inputs", f"the bill cannot be evaluated again: {fault}")
        return
    again = receipt_of_footprint(
        footprint, inputs, name=book["name"], methods=document["methods"], period=book["period"]
    )
    yield from _same(document, again)


def _same(document: Mapping[str, Any], again: Mapping[str, Any]) -> Iterator[Finding]:
    """Where a receipt differs from the one worked out again; its hash and version are checked elsewhere.

    Another version of gramwise may have other factors: there a difference is no proof that the receipt is wrong.
    """
    kind: Literal["wrong", "unchecked"] = (
        "wrong" if document["gramwise"] == version("gramwise") else "unchecked"
    )
    left = {key: value for key, value in document.items() if key not in ("hash", "gramwise")}
    right = {key: value for key, value in again.items() if key not in ("hash", "gramwise")}
    for place, said, found in islice(_differences("", left, right), _SHOWN):
        yield Finding(kind, place, f"it says {said!r:.80}, and worked out again it is {found!r:.80}.")


def _differences(at: str, a: Any, b: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for key in dict.fromkeys((*a, *b)):
            yield from _differences(f"{at}.{key}".lstrip("."), a.get(key), b.get(key))
    elif isinstance(a, list | tuple) and isinstance(b, list | tuple) and len(a) == len(b):
        for index, (left, right) in enumerate(zip(a, b, strict=True)):
            name = left.get("name", index) if isinstance(left, Mapping) else index
            yield from _differences(f"{at}.{name}", left, right)
    elif _plain(a) and _plain(b):
        if not _close(a, b):
            yield at, a, b
    elif a != b or isinstance(a, bool) != isinstance(b, bool):
        yield at, a, b


def _plain(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
