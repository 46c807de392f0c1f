"""Sizes as people write them in bills of materials: ``"46.4 mm2"``, ``"2 TB"``, ``"0.6 g"``, ``"5000 mWh"``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from gramwise.core.errors import ConfigError
from gramwise.core.units import J_PER_KWH

AREA_CM2: Mapping[str, float] = {"mm2": 0.01, "cm2": 1.0, "m2": 10_000.0, "um2": 1e-8}
CAPACITY_GB: Mapping[str, float] = {"KB": 1e-6, "MB": 1e-3, "GB": 1.0, "TB": 1000.0}
ENERGY_KWH: Mapping[str, float] = {
    "mWh": 1e-6,
    "Wh": 1e-3,
    "kWh": 1.0,
    "J": 1.0 / J_PER_KWH,
    "kJ": 1e3 / J_PER_KWH,
}
MASS_KG: Mapping[str, float] = {"ug": 1e-9, "mg": 1e-6, "g": 1e-3, "kg": 1.0, "t": 1000.0}
DISTANCE_KM: Mapping[str, float] = {"m": 1e-3, "km": 1.0}
LENGTH_CM: Mapping[str, float] = {"um": 1e-4, "mm": 0.1, "cm": 1.0, "m": 100.0}

_WRITTEN = re.compile(r"([+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)\s*([A-Za-z]+\d?(?:\^\d)?|mm²|cm²|m²)")


def size(value: object, units: Mapping[str, float], key: str, file: str | None = None) -> float:
    """A number with its unit, in the base unit of ``units`` (the one that counts 1).

    Args:
        value: what was written.
        units: by symbol, their size in the base unit; case matters unless nothing else fits.
        key, file: to name in an error.

    Raises:
        ConfigError: no number, no unit or an unknown one, not finite, negative or zero.
    """
    choices = ", ".join(units)
    example = f"Write a number and one of: {choices}."
    found = _WRITTEN.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ConfigError(f"{value!r} is not a size with its unit.", file=file, key=key, fix=example)
    symbol = found[2].replace("²", "2").replace("^", "")
    scale = units.get(symbol)
    if scale is None:
        scale = {k.lower(): v for k, v in units.items()}.get(symbol.lower())
    if scale is None:
        raise ConfigError(f"{symbol!r} is not a unit of this.", file=file, key=key, fix=example)
    number = float(found[1])
    if not math.isfinite(number) or number <= 0.0:
        raise ConfigError(f"{value!r} makes no sense here.", file=file, key=key, fix="Write more than zero.")
    return number * scale
