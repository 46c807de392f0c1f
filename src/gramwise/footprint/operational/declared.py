"""A duty from what a person wrote: a mapping with the field names of `Duty`, strict about every key.

An uncertain figure is a number, which gets the interval of a declared figure, or a table with ``value``, ``low``,
``high`` and, if wanted, ``method`` and ``source``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, cast, get_args

from gramwise.core.footprint import Factor
from gramwise.core.quantity import Quantity
from gramwise.footprint.reading import Table

from .duty import Battery, Duty, Supply

_UNITS: Mapping[str, str] = {
    "inference_j": "J",
    "sleep_w": "W",
    "no_load_w": "W",
    "radio_j": "J",
    "radio_j_per_byte": "J/byte",
    "sensor_j_per_day": "J",
    "regulator_frac": "1",
    "supply_frac": "1",
    "capacity_j": "J",
    "embodied_g": "g",
}
_OWN = ("name", "supply", "intensity", "battery")
"""Keys of a duty that are neither figures nor exact numbers."""
_ABOVE_ZERO = ("regulator_frac", "supply_frac", "capacity_j", "life_days", "cycles")


def duty_from_mapping(written: Mapping[str, Any], file: str | None = None) -> Duty:
    """Read a duty.

    Args:
        written: keys as the fields of `Duty`; ``battery`` holds those of `Battery`; ``intensity`` is a figure in g/kWh,
            or a factor that others share.
        file: it came from, for messages and sources.

    Raises:
        ConfigError: an unknown or missing key, a value of the wrong kind or out of range, and whatever `Duty` refuses;
            names the key.
    """
    table = Table(written, "", [f.name for f in fields(Duty)], file)
    for field in fields(Duty):
        if field.default is MISSING:
            table.need(field.name, "A duty cannot do without it.")
    name = table.text("name")
    given: dict[str, Any] = {key: _read(table, key) for key in written if key not in _OWN}
    if table.has("intensity"):
        given["intensity"] = _intensity(table, name)
    if table.has("battery"):
        given["battery"] = _battery(table)
    return Duty(name=name, supply=cast(Supply, table.choice("supply", get_args(Supply))), **given)


def _read(table: Table, key: str) -> Quantity | float:
    """An uncertain figure, or a number that is exact."""
    zero = key not in _ABOVE_ZERO
    if key not in _UNITS:
        return table.exact(key, zero=zero)
    most = 1.0 if key.endswith("_frac") else math.inf
    return table.quantity(key, _UNITS[key], most=most, zero=zero, sourced=False, boundary="board")


def _intensity(table: Table, name: str) -> Factor:
    known = table.raw["intensity"]
    if isinstance(known, Factor):
        return known
    return table.factor("intensity", f"{name}.intensity", "g/kWh", zero=True, sourced=False)


def _battery(table: Table) -> Battery:
    keys = [field.name for field in fields(Battery)]
    battery = Table(table.raw["battery"], table.path("battery"), keys, table.file)
    for key in keys:
        battery.need(key, "A battery cannot do without it.")
    return Battery(**{key: cast(Any, _read(battery, key)) for key in keys})
