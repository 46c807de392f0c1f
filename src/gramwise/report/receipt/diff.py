"""Why two receipts differ: the change in grams by cause, and under each cause the factor rows that changed.

Causes are ``energy`` (joules), ``placement`` (which component's share of a phase's joules), ``intensity`` (grams of a
kWh), ``pue``, ``hardware`` (grams of making, bringing and scrapping), ``method`` (another source, boundary, signal or
way of knowing, or a phase that only one of the two counts) and ``other`` (operational grams without known joules).
Electricity is a product, so its change has no natural order: each cause gets its Shapley value, the mean of what it
adds over all orders in which the causes may change. The parts sum to the change.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, Literal

from gramwise.core.errors import ConfigError, DataError, did_you_mean
from gramwise.core.footprint import EMBODIED, PHASES
from gramwise.core.receipt import receipt_of_footprint, versioned
from gramwise.report.receipt.causes import Row, Side, phase_parts, reversioned
from gramwise.report.receipt.verify import Recompute

SCHEMA = "gramwise.receipt-diff/1"
CAUSES = ("energy", "placement", "intensity", "pue", "hardware", "method", "other")


def diff(
    a: Row,
    b: Row,
    *,
    account: str | None = None,
    other: str | None = None,
    per: Literal["total", "unit"] = "total",
    recompute: Recompute | None = None,
) -> dict[str, Any]:
    """Explain the change from one receipt to another.

    Args:
        a, b: receipts, the earlier first; the same one twice compares two of its accounts.
        account: which account of ``a``; None where each has one only, or one name in common.
        other: which account of ``b``; None for the one called as in ``a``.
        recompute: evaluates a bill from recorded inputs, as for `verify`. With it, two bills are first evaluated again
            with the factors of today; what that moves is ``method``, and the rest is a change of inputs.
        per: ``"total"``, or ``"unit"`` for grams of one functional unit.

    Returns:
        A ``gramwise.receipt-diff/1`` document: ``change_g``, ``causes`` (each with ``carbon_g``, its parts by phase and
        the ``factors`` that changed, before and after) and ``notes``.

    Raises:
        ConfigError: no such account, several to choose from, unlike functional units, or unknown grams.
    """
    books = _pick(a, account, b, other)
    found = [_Reading(document, book, per) for document, book in zip((a, b), books, strict=True)]
    first, last = found
    if recompute is not None and a["kind"] == b["kind"] == "footprint":
        found = [first, *(reading.renewed(recompute, per) for reading in found), last]
    parts: list[tuple[str, str, float]] = []
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    for step, (before, after) in enumerate(itertools.pairwise(found)):
        inputs_moved = len(found) == 2 or step == 1
        parts += _parts(before, after, notes) if inputs_moved else _drift(before, after)
        rows += [r if inputs_moved else {**r, "cause": "method"} for r in _changed(before.side, after.side)]
    change = last.carbon_g - first.carbon_g
    return {
        "schema": SCHEMA,
        "per": per,
        "unit": "g" if per == "total" else f"g/{books[0]['functional_unit']}",
        "a": first.named(),
        "b": last.named(),
        "change_g": change,
        "change_frac": change / first.carbon_g if first.carbon_g else None,
        "order": "Shapley value: mean over all orders in which the causes may change",
        "causes": [_cause(cause, parts, rows) for cause in CAUSES],
        "factors": rows,
        "notes": [*notes, *_boundaries(a, b, books)],
    }


class _Reading:
    """One account of one receipt, in grams of the total or of a unit."""

    def __init__(self, document: Row, book: Row, per: str) -> None:
        self.document, self.book = document, book
        self.side = Side(book, _factors(document), _scale(book, per))
        self.carbon_g = float(book["results"]["total"]["value"]) * self.side.scale

    def renewed(self, recompute: Recompute, per: str) -> _Reading:
        """The same inputs with the factors of today."""
        inputs = {key: value for key, value in self.document["inputs"].items() if key != "digest"}
        document = receipt_of_footprint(recompute(inputs), inputs, name=self.book["name"])
        return _Reading(document, document["accounts"][0], per)

    def named(self) -> dict[str, Any]:
        return {
            "hash": self.document.get("hash"),
            "gramwise": self.document.get("gramwise"),
            "account": self.book["name"],
            "units": self.book["units"],
            "carbon_g": self.carbon_g,
        }


def _factors(document: Row) -> dict[str, Row]:
    """Its factors, their scenario called that whatever its file is called: to rename it is no change of method."""
    name = document["inputs"].get("scenario_file") if document["kind"] == "footprint" else None
    if not name:
        return dict(document["factors"])
    declared, ours = f"declared in {name}", "declared in the scenario"
    return {
        key: versioned({**row, "source": row["source"].replace(declared, ours)})
        if declared in row["source"]
        else row
        for key, row in document["factors"].items()
    }


def _parts(before: _Reading, after: _Reading, notes: list[str]) -> Iterator[tuple[str, str, float]]:
    """Phase, cause and grams of every part of a change."""
    for phase in PHASES:
        if before.side.has(phase) or after.side.has(phase):
            for cause, grams in phase_parts(phase, before.side, after.side, notes):
                yield phase, cause, grams


def _drift(before: _Reading, after: _Reading) -> Iterator[tuple[str, str, float]]:
    """What the same inputs come to with other factors: of method, phase by phase."""
    for phase in PHASES:
        rows = [reading.side.rows(phase) for reading in (before, after)]
        if any(rows):
            yield phase, "method", after.side.grams(rows[1]) - before.side.grams(rows[0])


def _pick(a: Row, account: str | None, b: Row, other: str | None) -> tuple[Row, Row]:
    left, right = ({book["name"]: book for book in doc["accounts"]} for doc in (a, b))
    if not left or not right:
        raise DataError("one of these receipts holds no account, so there is nothing to compare.")
    if account is None and len(left) == len(right) == 1:
        account, other = next(iter(left)), other or next(iter(right))
    if account is None:
        shared = [name for name in left if name in right]
        if len(shared) != 1:
            raise ConfigError(
                f"these receipts hold several accounts: {', '.join(left)}.", fix="Name the one to compare."
            )
        account = shared[0]
    name = other or account
    for wanted, there in ((account, left), (name, right)):
        if wanted not in there:
            raise ConfigError(f"the receipt has no account {wanted!r}.", fix=did_you_mean(wanted, there))
    pair = left[account], right[name]
    if any(book["results"]["total"] is None for book in pair):
        raise ConfigError("the grams of one of these accounts are unknown, so there is no change to explain.")
    return pair


def _scale(book: Row, per: str) -> float:
    if per == "total":
        return 1.0
    if not book["units"]:
        raise ConfigError(f"the account {book['name']!r} covers no units.", fix="Compare totals.")
    return 1.0 / float(book["units"])


def _changed(a: Side, b: Side) -> Iterator[dict[str, Any]]:
    """Every factor row that the two accounts do not share, with the cause it belongs to."""
    used = [{key for row in side.book["items"] for key in row["factors"]} for side in (a, b)]
    for key in [k for k in dict.fromkeys((*a.factors, *b.factors)) if k in used[0] | used[1]]:
        before = a.factors.get(key) if key in used[0] else None
        after = b.factors.get(key) if key in used[1] else None
        if before != after:
            yield {
                "key": key,
                "cause": _cause_of(key, before, after, (a, b)),
                "before": before,
                "after": after,
            }


def _cause_of(key: str, before: Row | None, after: Row | None, sides: tuple[Side, Side]) -> str:
    resting = [row for side in sides for row in side.book["items"] if key in row["factors"]]
    if all(row["phase"] in EMBODIED for row in resting):
        return "method" if reversioned(before, after) else "hardware"
    if (before is None or after is None) and not _at_both(resting, sides):
        return "placement"
    if any(row["pue"] == key for row in resting):
        return "pue"
    if reversioned(before, after):
        return "method"
    return "intensity" if any(row["intensity"] == key for row in resting) else "energy"


def _at_both(rows: list[Row], sides: tuple[Side, Side]) -> bool:
    """Whether a component of these items works on both sides in the same phase."""
    places = [{(row["component"], row["phase"]) for row in side.book["items"]} for side in sides]
    return any((row["component"], row["phase"]) in places[0] & places[1] for row in rows)


def _cause(cause: str, parts: list[tuple[str, str, float]], rows: list[dict[str, Any]]) -> dict[str, Any]:
    phases = {phase for phase, found, _ in parts if found == cause}
    return {
        "cause": cause,
        "carbon_g": math.fsum(grams for _, found, grams in parts if found == cause),
        "by_phase": {
            phase: math.fsum(grams for p, found, grams in parts if p == phase and found == cause)
            for phase in PHASES
            if phase in phases
        },
        "factors": [row["key"] for row in rows if row["cause"] == cause],
    }


def _boundaries(a: Row, b: Row, books: tuple[Row, Row]) -> Iterator[str]:
    before, after = books
    if before["functional_unit"] != after["functional_unit"]:
        yield f"The functional unit changed from {before['functional_unit']!r} to {after['functional_unit']!r}."
    if before["boundary"] != after["boundary"]:
        yield f"The boundary changed from {before['boundary']!r} to {after['boundary']!r}."
    for what in dict.fromkeys((*before["not_included"], *after["not_included"])):
        if (what in before["not_included"]) != (what in after["not_included"]):
            yield f"Not included in only one of the two: {what}."
    for name in dict.fromkeys((*a["methods"], *b["methods"])):
        if a["methods"].get(name) != b["methods"].get(name):
            yield f"The method of {name!r} changed."
    if a.get("gramwise") != b.get("gramwise"):
        yield f"Written by gramwise {a.get('gramwise')} and {b.get('gramwise')}."
