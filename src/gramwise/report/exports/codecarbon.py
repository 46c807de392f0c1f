"""Rows of ``emissions.csv`` as CodeCarbon 3.3 writes them, one a component, so that they add up to the account.

Units are theirs: kg, kWh, W, s; energies hold PUE, as theirs do. Emissions are operational only, which is what theirs
are. ``codecarbon_version`` says plainly that CodeCarbon measured nothing here. What is not known is empty.
"""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

from gramwise.core.errors import DataError
from gramwise.report.exports.parts import Part, Row, country_of, parts, run_inputs, start

COLUMNS = (
    *("timestamp", "project_name", "run_id", "experiment_id", "duration", "emissions", "emissions_rate"),
    *("cpu_power", "gpu_power", "ram_power", "cpu_energy", "gpu_energy", "ram_energy", "energy_consumed"),
    *("water_consumed", "country_name", "country_iso_code", "region", "cloud_provider", "cloud_region"),
    *("os", "python_version", "codecarbon_version", "cpu_count", "cpu_model", "gpu_count", "gpu_model"),
    *("longitude", "latitude", "ram_total_size", "tracking_mode", "cpu_utilization_percent"),
    *("gpu_utilization_percent", "ram_utilization_percent", "ram_used_gb", "on_cloud", "pue", "wue"),
)
"""Names and order of CodeCarbon 3.3.2's own file."""
_MARK = "compat-3.3"
_G_PER_KG = 1000.0


def emissions(document: Row, book: Row) -> str:
    """The file's text, with its header.

    Raises:
        DataError: the account has no operational item.
    """
    found = [part for part in parts(document, book) if part.operational_g is not None]
    if not found:
        raise DataError(
            f"the account {book['name']!r} has no operational grams, and emissions.csv holds no others."
        )
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {key: "" if v is None else v for key, v in _row(part, document, book).items()} for part in found
    )
    return text.getvalue()


def _row(part: Part, document: Row, book: Row) -> dict[str, Any]:
    facts = run_inputs(document, "run")
    code, name = country_of(part.zone)
    duration_s, kg = book["period"]["duration_s"], _kg(part.operational_g)
    return {
        "timestamp": _end(book),
        "project_name": facts.get("scenario") or book["name"],
        "run_id": document["hash"],
        "experiment_id": f"{book['name']}/{part.name}",
        "duration": duration_s,
        "emissions": kg,
        "emissions_rate": kg / duration_s if kg is not None and duration_s else None,
        "energy_consumed": part.site_kwh,
        "country_name": name,
        "country_iso_code": code,
        "region": part.zone if name is None else None,
        "python_version": facts.get("python"),
        "codecarbon_version": f"{_MARK} (gramwise {document['gramwise']})",
        "pue": part.pue,
    }


def _kg(grams: float | None) -> float | None:
    return None if grams is None else grams / _G_PER_KG


def _end(book: Row) -> str | None:
    """CodeCarbon stamps the end of what it watched, without a zone; ours is UTC."""
    began, duration_s = start(book), book["period"]["duration_s"]
    if began is None or duration_s is None:
        return None
    return (began + timedelta(seconds=duration_s)).replace(tzinfo=None).isoformat(timespec="seconds")


PLUGIN = emissions
