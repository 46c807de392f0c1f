"""A BoAmps report (Boavizta, format 1.1.0): task, measures and infrastructure of an account's electricity.

``powerConsumption`` is in kWh, at the meter, without PUE. What the format requires and no receipt knows is said to be
``other`` or ``unknown``; optional fields that are not known are left out.
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any

from gramwise.core.errors import DataError
from gramwise.report.exports.parts import Part, Row, country_of, parts, run_inputs, start, whole

FORMAT = "1.1.0"
_SPECIFICATION = "https://github.com/Boavizta/BoAmps/tree/main/model"
_STAGES = {"data": "datacreation", "tuning": "finetuning"}
"""Our phases in their words, where they differ."""
_MAKES_REQUESTS = ("inference", "request")
_QUALITY = ((0.10, "high"), (0.25, "medium"), (0.50, "low"))
"""Half width of the interval over the value, and their word for it."""
_STAMP = "%Y-%m-%d %H:%M:%S"


def report(document: Row, book: Row) -> str:
    """The report as JSON.

    Raises:
        DataError: no component's joules are known.
    """
    found = [part for part in parts(document, book) if part.energy_kwh is not None]
    if not found:
        raise DataError(
            f"the account {book['name']!r} has no known joules, and a BoAmps report is of energy."
        )
    facts = run_inputs(document, "run")
    content: dict[str, Any] = {
        "header": _header(document, book),
        "task": _task(document, book, facts),
        "measures": [_measure(part, document, book) for part in found],
        **({"system": {"os": str(facts["host"]).split()[0]}} if facts.get("host") else {}),
        "software": {"language": "python", **_known(version=facts.get("python"))},
        "infrastructure": {"infraType": "other", "components": [_machine(part, document) for part in found]},
        **_known(environment=_environment(found), quality=_quality(book)),
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _header(document: Row, book: Row) -> dict[str, Any]:
    return {
        "formatVersion": FORMAT,
        "formatVersionSpecificationUri": _SPECIFICATION,
        "reportId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{document['hash']}#{book['name']}")),
        "reportDatetime": datetime.now(UTC).strftime(_STAMP),
        "reportStatus": "draft",
    }


def _task(document: Row, book: Row, facts: Row) -> dict[str, Any]:
    phases = dict.fromkeys(row["phase"] for row in book["items"] if row["energy_j"] is not None)
    counted = book["units"] if book["functional_unit"] in _MAKES_REQUESTS and "inference" in phases else None
    return {
        "taskStage": "+".join(_STAGES.get(phase, phase) for phase in phases),
        "taskFamily": "unknown",
        **_known(nbRequest=counted),
        "algorithms": _algorithms(document, facts) or [{"algorithmType": "neural network"}],
        "dataset": [{"dataUsage": "input", "dataType": "other"}],
        "taskDescription": f"{book['name']}: {book['boundary']}. Receipt {document['hash']}.",
    }


def _algorithms(document: Row, facts: Row) -> list[dict[str, Any]]:
    """Every variant that the scenario offers; which of them served is not part of an account."""
    models = run_inputs(document, "scenario").get("models") or {}
    framework = (
        {"framework": "onnxruntime", "frameworkVersion": facts["onnxruntime"]}
        if "onnxruntime" in facts
        else {}
    )
    return [
        {
            "algorithmType": "neural network",
            "algorithmName": f"{model}/{name}",
            **_known(quantization=row.get("precision")),
            **framework,
        }
        for model, table in models.items()
        for name, row in (table.get("variants") or {}).items()
    ]


def _measure(part: Part, document: Row, book: Row) -> dict[str, Any]:
    began = start(book)
    return {
        "measurementMethod": f"gramwise: {part.name}, {' and '.join(part.methods)}",
        "version": document["gramwise"],
        "powerConsumption": part.energy_kwh,
        **_known(
            measurementDuration=book["period"]["duration_s"],
            measurementDateTime=None if began is None else began.astimezone(UTC).strftime(_STAMP),
        ),
    }


def _machine(part: Part, document: Row) -> dict[str, Any]:
    node = (run_inputs(document, "scenario").get("nodes") or {}).get(part.name) or {}
    device, share = node.get("device"), node.get("cpu_share")
    return {
        "componentName": f"{part.name} ({device})" if device else part.name,
        "componentType": "machine",
        "nbComponent": 1,
        **_known(share=share if share is not None and share <= 1.0 else None),
    }


def _environment(found: list[Part]) -> dict[str, Any] | None:
    """Country and intensity, where all components share one zone; a report has room for one."""
    zones = {part.zone for part in found}
    zone = zones.pop() if len(zones) == 1 else None
    if zone is None:
        return None
    electric_g = whole(part.electric_g for part in found if part.electric_g is not None)
    site_kwh = whole(part.site_kwh for part in found if part.site_kwh is not None)
    met = electric_g / site_kwh if electric_g is not None and site_kwh else None
    return {
        "country": country_of(zone.split("-")[0])[1] or zone,
        **_known(location=zone, powerSourceCarbonIntensity=met),
    }


def _quality(book: Row) -> str | None:
    total = book["results"]["total"]
    if total is None or total["low"] is None or total["high"] is None or not total["value"]:
        return None
    half = max(total["high"] - total["value"], total["value"] - total["low"]) / total["value"]
    return next((word for limit, word in _QUALITY if half <= limit), None)


def _known(**fields: Any) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}


PLUGIN = report
