"""A Software Carbon Intensity report (ISO/IEC 21031:2024): score, software boundary, and the method of each component.

``SCI = (O + M) / R``, with ``O = E x I``. E holds PUE. Beside the score over all that the account counts stand the two
of SCI for AI (Green Software Foundation, 2025): provider (data, experimentation, training, tuning) and consumer (the
other operational phases).
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from typing import Any

from gramwise.core.footprint import EMBODIED, PHASES
from gramwise.report.exports.parts import Part, Row, parts

SCHEMA = "gramwise.sci/1"
_PROVIDER = frozenset({"data", "experimentation", "training", "tuning"})
_CONSUMER = frozenset(PHASES) - _PROVIDER - EMBODIED


def report(document: Row, book: Row) -> str:
    """The report as JSON; a score without functional units is null."""
    total = book["results"]["total"]
    found = parts(document, book)
    return (
        json.dumps(
            {
                "schema": SCHEMA,
                "score": book["results"]["per_unit"],
                "functional_unit": {"name": book["functional_unit"], "count": book["units"]},
                "software_boundary": {"included": _phases(book), "text": book["boundary"]},
                "not_included": book["not_included"],
                "carbon": total,
                "components": [_component(part, document, book) for part in found],
                "sci_for_ai": {
                    "provider": _half(book, _PROVIDER, None),
                    "consumer": _half(book, _CONSUMER, book["units"]),
                    "embodied_g": _embodied(book),
                    "note": "Embodied grams of hardware that both halves share are stated apart and are in neither.",
                },
                "receipt": document["hash"],
                "gramwise": document["gramwise"],
            },
            indent=1,
            ensure_ascii=False,
            allow_nan=False,
        )
        + "\n"
    )


def _component(part: Part, document: Row, book: Row) -> dict[str, Any]:
    rows = [row for row in book["items"] if row["component"] == part.name]
    keys = dict.fromkeys(key for row in rows for key in row["factors"])
    return {
        "name": part.name,
        "e_kwh": part.site_kwh,
        "i_g_per_kwh": part.g_per_kwh,
        "pue": part.pue,
        "o_g": part.operational_g,
        "m_g": part.embodied_g,
        "zone": part.zone,
        "method": {row["name"]: [row["carbon"]["method"], row["carbon"]["source"]] for row in rows},
        "signal": sorted({s for key in keys if (s := document["factors"][key].get("signal"))}) or None,
    }


def _phases(book: Row) -> list[str]:
    return [phase for phase in PHASES if phase in book["results"]["by_phase"]]


def _half(book: Row, phases: Collection[str], units: float | None) -> dict[str, Any]:
    """Operational grams of some phases, and per unit where there is one; null where none of them is counted."""
    grams = [g for phase, g in book["results"]["by_phase"].items() if phase in phases]
    total = math.fsum(grams) if grams and all(g is not None for g in grams) else None
    return {
        "operational_g": total,
        "phases": [phase for phase in _phases(book) if phase in phases],
        "functional_unit": book["functional_unit"] if units else None,
        "g_per_unit": total / units if total is not None and units else None,
    }


def _embodied(book: Row) -> float | None:
    made = book["results"]["embodied"]
    return None if made is None else made["value"]


PLUGIN = report
