"""The receipt of an account of grams: what went in, which factors, what came out, and a hash over all of it.

A receipt is a plain JSON document (``gramwise.receipt/1``), so that any language can check it. This module builds and
seals it and does no input or output; reading, verifying and comparing are `gramwise.report.receipt`. An account holds
items; an item's ``rule`` says how its grams follow from what the receipt itself records:

- ``electricity``: ``carbon_g = energy_j / 3.6e6 x factors[intensity] x factors[pue]`` (PUE 1 where none is named);
- ``bill``: a formula of the package over ``factors``, recomputed from ``inputs``;
- ``recorded``: copied from a run that does not keep the terms.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from .errors import DataError
from .footprint import EMBODIED, PHASES, Factor, Footprint, Item
from .quantity import Quantity
from .units import carbon_g

SCHEMA = "gramwise.receipt/1"
TOLERANCE = 1e-9
"""Relative; what a receipt says and what follows from it may differ by rounding only."""
_EXACT = 2**53
"""Whole numbers beyond this are not exact in the binary64 that JSON readers use."""

Document = dict[str, Any]


def canonical(value: object) -> bytes:
    """The one spelling of a JSON value: RFC 8785 (JSON Canonicalization Scheme).

    Keys sorted by their UTF-16 code units, no white space, UTF-8, shortest strings, numbers as ECMAScript prints them.

    Args:
        value: of dict with text keys, list, tuple, str, int, float, bool and None.

    Raises:
        DataError: something JSON has no word for: NaN, an infinity, a whole number beyond 2^53, a lone surrogate,
            another type.
    """
    try:
        return _spelt(value).encode("utf-8")
    except UnicodeEncodeError as fault:
        raise DataError(f"a receipt cannot hold the text {value!r:.60}: it is not Unicode.") from fault


def fingerprint(value: object) -> str:
    """``sha256:`` and the hex digest of a value's canonical form."""
    return "sha256:" + hashlib.sha256(canonical(value)).hexdigest()


def seal(document: Mapping[str, Any]) -> Document:
    """The document with its ``hash``: the fingerprint of everything but the hash itself."""
    body = {key: value for key, value in document.items() if key != "hash"}
    return {**body, "hash": fingerprint(body)}


def _spelt(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_spelt, value)) + "]"
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise DataError("a receipt's keys are text.")
        keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{_spelt(key)}:{_spelt(value[key])}" for key in keys) + "}"
    raise DataError(
        f"a receipt cannot hold a {type(value).__name__}; write text, a number, a list or a table."
    )


def _number(value: float) -> str:
    """ECMAScript's Number::toString: the shortest digits that read back, fixed from 1e-6 to below 1e21."""
    if isinstance(value, int) and abs(value) > _EXACT:
        raise DataError(f"a receipt cannot hold the whole number {value}: JSON readers round it.")
    value = float(value)
    if not math.isfinite(value):
        raise DataError("a receipt cannot hold NaN or an infinity; what is not known is null.")
    if value == 0.0:
        return "0"
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, part = mantissa.partition(".")
    point = len(whole) + int(exponent or 0)
    digits = whole + part
    point -= len(digits) - len(digits.lstrip("0"))
    digits = digits.strip("0")
    sign = "-" if value < 0 else ""
    if not -6 < point <= 21:
        tail = f".{digits[1:]}" if digits[1:] else ""
        return f"{sign}{digits[0]}{tail}e{point - 1:+d}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    fraction = f".{digits[point:]}" if digits[point:] else ""
    return f"{sign}{digits[:point].ljust(point, '0')}{fraction}"


def amount(quantity: Quantity) -> Document:
    """A quantity as a receipt writes it."""
    return asdict(quantity)


def point(value: float, unit: str, method: str, source: str, *, boundary: str | None = None) -> Document:
    """A number whose interval nobody recorded: its ends are null, not equal to it."""
    return {
        "value": value,
        "low": None,
        "high": None,
        "unit": unit,
        "method": method,
        "boundary": boundary,
        "source": source,
    }


def versioned(row: Mapping[str, Any]) -> Document:
    """A factor's row with its ``version``: 12 hex digits that change exactly when anything in the row does."""
    body = {key: value for key, value in row.items() if key != "version"}
    return {**body, "version": fingerprint(body).removeprefix("sha256:")[:12]}


def factor_row(factor: Factor) -> Document:
    """A factor as a receipt writes it, without its key."""
    return versioned({**amount(factor.quantity()), "spread": factor.spread})


def item(
    name: str,
    phase: str,
    carbon: Mapping[str, Any] | None,
    *,
    energy_j: Mapping[str, Any] | None = None,
    factors: Sequence[str] = (),
    rule: str = "recorded",
    intensity: str | None = None,
    pue: str | None = None,
    units: float | None = None,
) -> Document:
    """One row of an account. What stands before the name's last comma is its component: ``"essen, serving"``."""
    return {
        "name": name,
        "component": name.rpartition(", ")[0] or name,
        "phase": phase,
        "units": units,
        "carbon": carbon,
        "energy_j": energy_j,
        "rule": rule,
        "intensity": intensity,
        "pue": pue,
        "factors": list(factors),
    }


def electricity_g(row: Mapping[str, Any], factors: Mapping[str, Any], end: str = "value") -> float | None:
    """Grams of an item by the rule ``electricity``; None where an end is not known.

    Args:
        row: the item.
        factors: of the receipt, by key.
        end: ``"value"``, ``"low"`` or ``"high"``: taken of every factor.
    """
    pue = factors[row["pue"]] if row["pue"] else None
    terms = [row["energy_j"][end], factors[row["intensity"]][end], pue[end] if pue else 1.0]
    if any(term is None for term in terms):
        return None
    joules, intensity, overhead = terms
    return float(carbon_g(joules, intensity, overhead))


def account(
    name: str,
    items: Sequence[Mapping[str, Any]],
    *,
    functional_unit: str,
    units: float | None,
    boundary: str,
    not_included: Sequence[str],
    apart: Sequence[Mapping[str, Any]] = (),
    period: Mapping[str, Any] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Document:
    """Items with their sums. Ends add up, which takes the errors of all items as fully dependent.

    Args:
        name: of the account: a policy, or ``"footprint"``.
        items: from `item`; a sum with one unknown term is null, and so is ``embodied`` where no item is.
        functional_unit, units, boundary, not_included: as in `gramwise.core.footprint.Footprint`.
        apart: items that are reported beside the total and are not in it.
        period: ``{"start": ISO 8601 text or None, "duration_s": number or None}``.
        facts: what the run itself said of this account, for comparison: ``{"carbon_g": ...}``.
    """
    total = _sum(items)
    by_phase = {
        phase: part["value"] if (part := _sum([i for i in items if i["phase"] == phase])) else None
        for phase in PHASES
        if any(i["phase"] == phase for i in items)
    }
    return {
        "name": name,
        "functional_unit": functional_unit,
        "units": units,
        "boundary": boundary,
        "not_included": list(not_included),
        "period": dict(period or {"start": None, "duration_s": None}),
        "items": list(items),
        "apart": list(apart),
        "facts": dict(facts or {}),
        "results": {
            "total": total,
            "per_unit": _divided(total, units, functional_unit),
            "operational": _sum([i for i in items if i["phase"] not in EMBODIED]),
            "embodied": _sum(made) if (made := [i for i in items if i["phase"] in EMBODIED]) else None,
            "by_phase": by_phase,
            "contributors": [],
            "draws": None,
            "seed": None,
        },
    }


def _sum(items: Sequence[Mapping[str, Any]]) -> Document | None:
    parts = [i["carbon"] for i in items]
    if any(part is None for part in parts):
        return None
    ends = {end: _total([part[end] for part in parts]) for end in ("value", "low", "high")}
    return {**ends, "unit": "g", "method": _least_sure(parts), "boundary": None, "source": "sum of the items"}


def _total(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) if len(known) == len(values) else None


def _least_sure(parts: Sequence[Mapping[str, Any]]) -> str | None:
    found = {part["method"] for part in parts}
    return next((method for method in ("assumed", "modelled", "measured") if method in found), None)


def _divided(total: Mapping[str, Any] | None, units: float | None, name: str) -> Document | None:
    if total is None or not units:
        return None
    ends = {end: None if total[end] is None else total[end] / units for end in ("value", "low", "high")}
    return {**total, **ends, "unit": f"g/{name}", "source": "total over units"}


def receipt(
    kind: str,
    *,
    inputs: Mapping[str, Any],
    methods: Mapping[str, str],
    factors: Mapping[str, Mapping[str, Any]],
    accounts: Sequence[Mapping[str, Any]],
) -> Document:
    """A sealed receipt.

    Args:
        kind: ``"run"`` or ``"footprint"``.
        inputs: everything the numbers were worked out from; their own digests are added.
        methods: name of the method by what it answers: ``{"carbon": ...}``.
        factors: rows from `factor_row` or `versioned`, by key.
        accounts: from `account`; names differ.

    Raises:
        DataError: something in it has no place in JSON, or ``inputs`` have a ``digest`` of their own.
    """
    if "digest" in inputs:
        raise DataError("inputs.digest: a receipt writes that key itself; give the input another name.")
    return seal(
        {
            "schema": SCHEMA,
            "kind": kind,
            "gramwise": version("gramwise"),
            "inputs": {**inputs, "digest": fingerprint(inputs)},
            "methods": dict(methods),
            "factors": {key: dict(row) for key, row in factors.items()},
            "accounts": list(accounts),
        }
    )


def receipt_of_footprint(
    footprint: Footprint,
    inputs: Mapping[str, Any],
    *,
    name: str = "footprint",
    methods: Mapping[str, str] | None = None,
    period: Mapping[str, Any] | None = None,
) -> Document:
    """The receipt of a bill.

    Args:
        footprint: the bill.
        inputs: the raw inputs from which it can be evaluated again, as JSON has them.
        name: of its account.
        methods: named methods that were chosen, beside the bill's own.
        period: as in `account`.

    Returns:
        The document; the same bill of the same inputs gives the same one, byte for byte.

    Raises:
        DataError: ``inputs`` hold something JSON has no word for.
    """
    factors = {key: factor_row(factor) for key, factor in footprint.factors.items()}
    f = footprint
    book = account(
        name,
        [_billed(row, factors) for row in f.items],
        functional_unit=f.functional_unit,
        units=f.units,
        boundary=f.boundary,
        not_included=f.not_included,
        period=period,
    )
    book["results"] |= {
        "total": amount(f.total),
        "per_unit": amount(f.per_unit) if f.per_unit else None,
        "operational": amount(f.operational),
        "embodied": amount(f.embodied),
        "by_phase": dict(f.by_phase()),
        "contributors": [asdict(share) for share in f.contributors],
        "draws": f.draws,
        "seed": f.seed,
    }
    named = {
        "carbon": "every item a formula of factors; the total their sum",
        "interval": "5th and 95th percentile of drawn factor sets",
        **(methods or {}),
    }
    return receipt("footprint", inputs=inputs, methods=named, factors=factors, accounts=[book])


def _billed(row: Item, factors: Mapping[str, Mapping[str, Any]]) -> Document:
    """An item of a bill; of the rule ``electricity`` where its own numbers say that this is what it is."""
    made = item(
        row.name,
        row.phase,
        amount(row.carbon),
        energy_j=amount(row.energy_j) if row.energy_j else None,
        factors=row.factors,
        rule="bill",
    )
    intensities = [key for key in row.factors if factors[key]["unit"] == "g/kWh"]
    pues = [key for key in row.factors if "pue" in key.lower().replace("_", ".").split(".")]
    if row.energy_j is None or len(pues) > 1:
        return made
    made["pue"] = pues[0] if pues else None
    if len(intensities) != 1:
        return made
    plain = {**made, "rule": "electricity", "intensity": intensities[0]}
    grams = electricity_g(plain, factors)
    return plain if grams is not None and math.isclose(grams, row.carbon.value, rel_tol=TOLERANCE) else made
