"""A footprint as a JSON-able document and back: what ``--json`` prints, pages draw and receipts keep.

Machine formats carry every digit; only tables for people are rounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from gramwise.core.errors import DataError
from gramwise.core.footprint import Factor, Footprint, Item, Share
from gramwise.core.quantity import Quantity

SCHEMA = "gramwise.footprint/1"


def as_document(footprint: Footprint) -> dict[str, Any]:
    """Every field of a footprint under its name; items, shares and factors as rows.

    ``phases`` is what its items sum to, for readers; it is worked out again when the document is read.
    """
    f = footprint
    return {
        "schema": SCHEMA,
        "functional_unit": f.functional_unit,
        "units": f.units,
        "boundary": f.boundary,
        "total": asdict(f.total),
        "per_unit": _known(f.per_unit),
        "operational": asdict(f.operational),
        "embodied": asdict(f.embodied),
        "phases": [{"phase": phase, "carbon_g": grams} for phase, grams in f.by_phase().items()],
        "items": [
            {
                "name": item.name,
                "phase": item.phase,
                "embodied": item.embodied,
                "carbon": asdict(item.carbon),
                "energy": _known(item.energy_j),
                "factors": list(item.factors),
            }
            for item in f.items
        ],
        "contributors": [asdict(share) for share in f.contributors],
        "not_included": list(f.not_included),
        "factors": [asdict(factor) for factor in f.factors.values()],
        "draws": f.draws,
        "seed": f.seed,
    }


def read_document(document: Mapping[str, Any], origin: str = "the document") -> Footprint:
    """The footprint that `as_document` wrote; what else stands in the document is passed over.

    Raises:
        DataError: another schema, a key missing or a value that is no such thing; names the place.
    """
    if document.get("schema") != SCHEMA:
        raise DataError(
            f"{origin}: schema is {document.get('schema')!r}, and this gramwise reads {SCHEMA!r}."
        )
    try:
        factors = [Factor(**row) for row in document["factors"]]
        return Footprint(
            functional_unit=document["functional_unit"],
            units=document["units"],
            items=tuple(_item(row) for row in document["items"]),
            total=Quantity(**document["total"]),
            per_unit=_quantity(document["per_unit"]),
            operational=Quantity(**document["operational"]),
            embodied=Quantity(**document["embodied"]),
            contributors=tuple(Share(**row) for row in document["contributors"]),
            not_included=tuple(document["not_included"]),
            draws=document["draws"],
            seed=document["seed"],
            boundary=document["boundary"],
            factors={factor.key: factor for factor in factors},
        )
    except KeyError as fault:
        raise DataError(f"{origin}: the key {fault.args[0]!r} is missing.") from fault
    except (TypeError, ValueError, AttributeError) as fault:
        raise DataError(f"{origin}: is no footprint: {fault}.") from fault


def _item(row: Mapping[str, Any]) -> Item:
    return Item(
        name=row["name"],
        phase=row["phase"],
        carbon=Quantity(**row["carbon"]),
        energy_j=_quantity(row["energy"]),
        factors=tuple(row["factors"]),
    )


def _known(quantity: Quantity | None) -> dict[str, Any] | None:
    return None if quantity is None else asdict(quantity)


def _quantity(row: Mapping[str, Any] | None) -> Quantity | None:
    return None if row is None else Quantity(**row)
