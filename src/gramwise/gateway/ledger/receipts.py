"""Receipts of the ledger: the rows of a span, their totals, a chain of hashes over the rows, and a hash over all of it.

The form of the document is that of `gramwise.core.receipt`: canonical JSON (RFC 8785) and SHA-256, so that any
language can check it. Each link of the chain is the hash of the link before and of a row, so that neither a row nor
their order can change unseen. A receipt that carries its rows is checked alone; any receipt is checked against a ledger
that still has the rows. The hash shows an accident or a careless edit. It is not a signature.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from typing import Any, cast

import msgspec

from gramwise.core.errors import BadReply, ConfigError, DataError, DataGap
from gramwise.core.receipt import TOLERANCE, canonical, fingerprint, seal
from gramwise.core.units import carbon_g

from .answers import Document, checked, rows_of, totals
from .book import Book
from .rows import Cells, Row
from .schema import OUTCOME_COLUMNS
from .tally import rolled_all

SCHEMA = "gramwise.ledger-receipt/1"
MOST_ROWS = 100_000
"""A receipt of more rows than this leaves them in the ledger."""

_types = (*(field.type for field in msgspec.structs.fields(Row)), str)
_ROWS: Any = list[tuple[_types]]  # type: ignore[valid-type]
_AT = {name: place for place, name in enumerate(OUTCOME_COLUMNS)}


def receipt(
    book: Book,
    from_s: float,
    to_s: float,
    *,
    where: Mapping[str, str] | None = None,
    with_rows: bool = True,
) -> Document:
    """A sealed receipt of the requests of a span.

    Args:
        book: the ledger, as it is now.
        from_s, to_s: the requests that arrived from here to before there, Unix seconds.
        where: value asked for, by name of `DIMENSIONS`.
        with_rows: carry the rows, where there are at most `MOST_ROWS`.

    Returns:
        ``gramwise.ledger-receipt/1``. The same rows give the same document, byte for byte, by the same version.

    Raises:
        ConfigError: no such name in ``where``, or a span that is none.
        DataGap: rows of the span are gone.
    """
    where = checked(where)
    if not (math.isfinite(from_s) and math.isfinite(to_s) and from_s <= to_s):
        fix = "Write two moments in Unix seconds."
        raise ConfigError("a receipt needs a span that begins before it ends.", key="receipt", fix=fix)
    body: Document = {
        "schema": SCHEMA,
        "gramwise": version("gramwise"),
        "span": {"from_s": from_s, "to_s": to_s},
        "where": where,
        "columns": list(OUTCOME_COLUMNS),
    }
    kept: list[Cells] = []
    count, link, sums = _chained(
        body, _watched(rows_of(book, from_s, to_s, where), kept if with_rows else None)
    )
    rows = [list(row) for row in kept] if with_rows and count <= MOST_ROWS else None
    return seal({**body, "count": count, "chain": link, "totals": sums, "rows": rows})


def _watched(rows: Iterable[Cells], kept: list[Cells] | None) -> Iterator[Cells]:
    for row in rows:
        if kept is not None and len(kept) <= MOST_ROWS:
            kept.append(row)
        yield row


def _chained(body: Mapping[str, Any], rows: Iterable[Cells]) -> tuple[int, str, Document]:
    """How many rows, the last link of their chain, and their totals."""
    link = fingerprint({name: body[name] for name in ("schema", "span", "where", "columns")})
    count = 0

    def linked() -> Iterator[Cells]:
        nonlocal link, count
        for row in rows:
            link = "sha256:" + hashlib.sha256(link.encode() + canonical(row)).hexdigest()
            count += 1
            yield row

    sums = totals(rolled_all(linked()))
    return count, link, sums


def parse(text: str) -> Document:
    """A receipt that was read as text.

    Raises:
        BadReply: it is no JSON object, a key stands twice in one, or it is no receipt of a ledger.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a key stands twice in one object")
        return found

    try:
        document = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError) as fault:
        raise BadReply(f"this is no receipt: {fault}.") from fault
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise BadReply(f"this is no receipt of a ledger: its schema is not {SCHEMA}.")
    return document


def verify(document: Mapping[str, Any], book: Book | None = None) -> Document:
    """Check a receipt, and with a ledger also against it.

    Args:
        document: from `receipt` or `parse`.
        book: the ledger that it is said to be of; None checks what the receipt alone can show.

    Returns:
        ``valid``: False where a check failed; None where nothing failed and the rows could not be seen; and
        ``checks``, each with its ``name``, ``ok`` (None for what could not be checked) and ``said``.
    """
    checks = [_sealed(document)]
    rows = _own_rows(document)
    if isinstance(rows, str):
        checks.append(_check("rows", False, rows))
    elif rows is None:
        checks.append(_check("rows", None, "The receipt does not carry its rows."))
    else:
        checks += [*_against(document, rows, "its own rows"), _grams(rows)]
    if book is not None:
        checks += _against_book(document, book)
    oks = [check["ok"] for check in checks]
    seen = any(check["ok"] for check in checks if check["name"].startswith("chain"))
    valid = False if False in oks else True if seen else None
    return {"schema": "gramwise.ledger-verification/1", "valid": valid, "checks": checks}


def _check(name: str, ok: bool | None, said: str) -> Document:
    return {"name": name, "ok": ok, "said": said}


def _sealed(document: Mapping[str, Any]) -> Document:
    try:
        same = seal(document)["hash"] == document.get("hash")
    except DataError as fault:
        return _check("hash", False, str(fault))
    return _check("hash", same, "The hash is that of the document." if same else "The document was changed.")


def _own_rows(document: Mapping[str, Any]) -> list[Cells] | str | None:
    """The rows that it carries; a sentence where they are none."""
    if document.get("rows") is None:
        return None
    if document.get("columns") != list(OUTCOME_COLUMNS):
        return "Its columns are those of another version, so its rows cannot be read by this one."
    try:
        return cast("list[Cells]", msgspec.convert(document["rows"], _ROWS))
    except msgspec.ValidationError as fault:
        return f"Its rows are no rows of a ledger: {fault}."


def _against(document: Mapping[str, Any], rows: Iterable[Cells], whose: str) -> list[Document]:
    try:
        count, link, sums = _chained(document, rows)
    except (KeyError, DataError) as fault:
        return [_check(f"chain over {whose}", False, f"It cannot be worked out: {fault}.")]
    linked = (count, link) == (document.get("count"), document.get("chain"))
    same = _alike(sums, document.get("totals"))
    return [
        _check(
            f"chain over {whose}",
            linked,
            f"{count} rows give its chain." if linked else f"{count} rows give another chain than its own.",
        ),
        _check(f"totals of {whose}", same, "They add up." if same else "They add up to something else."),
    ]


def _against_book(document: Mapping[str, Any], book: Book) -> list[Document]:
    try:
        span = document["span"]
        rows = rows_of(book, float(span["from_s"]), float(span["to_s"]), checked(document["where"]))
    except DataGap as fault:
        return [_check("chain over the ledger's rows", None, str(fault))]
    except (ConfigError, KeyError, TypeError, ValueError, AttributeError):
        return [_check("chain over the ledger's rows", False, "Its span or its filter is none.")]
    return _against(document, rows, "the ledger's rows")


def _grams(rows: Iterable[Cells]) -> Document:
    """Grams against joules, intensity and PUE of the same row, where it has them all."""
    recorded = 0
    for row in rows:
        joules, grams, intensity, pue = (
            row[_AT[n]] for n in ("energy_j", "carbon_g", "intensity_g_per_kwh", "pue")
        )
        if None in (joules, grams, intensity):
            recorded += grams is not None
        elif not math.isclose(
            carbon_g(joules, intensity, 1.0 if pue is None else pue), grams, rel_tol=TOLERANCE
        ):
            return _check("grams", False, f"The grams of {row[0]} are not its joules x intensity x PUE.")
    more = f" {recorded} rows record grams without their terms." if recorded else ""
    return _check("grams", True, "Grams are joules x intensity x PUE wherever a row has all of them." + more)


def _alike(one: Any, other: Any) -> bool:
    """Equal, but for the rounding of numbers."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    if isinstance(one, float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=TOLERANCE)
    return bool(one == other)
