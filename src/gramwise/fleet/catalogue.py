"""The device catalogue: rows of data with a source on every figure, turned into `Device` records.

The rows lie in ``data/devices.csv`` (names), ``data/device_facts.csv`` (figures) and ``data/sources.csv``;
new hardware is a new row. They are read once, when first asked for. How they were made: docs/method/data.md.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, cast

from gramwise.core.errors import ConfigError, did_you_mean
from gramwise.core.machines import Device
from gramwise.core.quantity import Boundary, Method, Quantity

_PEAK = "peak_flop_per_s."


def device(device_id: str) -> Device:
    """The catalogue's device of that id.

    Args:
        device_id: key of a row, for instance ``"pi4"``.

    Returns:
        The device; its ``facts`` hold a `Quantity` for each known figure, by field name (peak rates as
        ``peak_flop_per_s.<precision>``). A figure nobody published is None and has no fact.

    Raises:
        ConfigError: no such id; names the nearest.
    """
    found = _catalogue().get(device_id)
    if found is None:
        raise ConfigError(
            f"the catalogue has no device {device_id!r}.", fix=did_you_mean(device_id, _catalogue(), limit=50)
        )
    return found


def devices() -> list[Device]:
    """Every device of the catalogue, in its order."""
    return list(_catalogue().values())


def device_of_facts(device_id: str, name: str, device_class: str, facts: Mapping[str, Quantity]) -> Device:
    """A device whose plain figures are the values of its facts, so that the two cannot disagree.

    Args:
        device_id, name, device_class: as in `Device`.
        facts: by field name; peak rates as ``peak_flop_per_s.<precision>``, in units of the field.

    Returns:
        The device; a field without a fact is None.
    """
    peaks = {key.removeprefix(_PEAK): q.value for key, q in facts.items() if key.startswith(_PEAK)}
    figures: dict[str, Any] = {k: q.value for k, q in facts.items() if not k.startswith(_PEAK)}
    if "memory_bytes" in figures:
        figures["memory_bytes"] = int(figures["memory_bytes"])
    return Device(
        id=device_id,
        name=name,
        device_class=device_class,
        peak_flop_per_s=peaks,
        facts=dict(facts),
        **figures,
    )


@cache
def half_width_frac(rule: str) -> tuple[float, str]:
    """Half width of the interval that a rule gives, as a fraction of the value, and the rule's source.

    The rules are rows of ``data/interval_rules.csv``.
    """
    row = next(row for row in _rows("interval_rules") if row["rule"] == rule)
    return float(row["half_width_frac"]), row["source"]


@cache
def _catalogue() -> dict[str, Device]:
    sources = {row["id"]: f"{row['name']} [{row['id']}]" for row in _rows("sources")}
    facts: dict[str, dict[str, Quantity]] = {}
    for row in _rows("device_facts"):
        facts.setdefault(row["device"], {})[row["figure"]] = _quantity(row, sources[row["source"]])
    return {
        row["id"]: device_of_facts(row["id"], row["name"], row["class"], facts[row["id"]])
        for row in _rows("devices")
    }


def _quantity(row: Mapping[str, str], source: str) -> Quantity:
    return Quantity(
        value=float(row["value"]),
        low=float(row["low"]),
        high=float(row["high"]),
        unit=row["unit"],
        method=cast(Method, row["method"]),
        boundary=cast(Boundary, row["boundary"]),
        source=source,
    )


def _rows(table: str) -> list[dict[str, str]]:
    text = (files("gramwise") / "data" / f"{table}.csv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))
