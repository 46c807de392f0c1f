"""A duty from what a person wrote: a mapping with the field names of `Duty`, strict about every key.

An uncertain figure is a number, which gets the interval of a declared figure, or a table with ``value``, ``low``,
``high`` and, if wanted, ``method`` and ``source``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, cast

from gramwise.core.errors import ConfigError, did_you_mean
from gramwise.core.footprint import Factor
from gramwise.core.quantity import Method, Quantity
from gramwise.fleet.catalogue import half_width_frac

from .duty import Battery, Duty

UNITS: Mapping[str, str] = {
    "inference_j": "J",
    "sleep_w": "W",
    "no_load_w": "W",
    "radio_j": "J",
    "radio_j_per_byte": "J/B",
    "sensor_j_per_day": "J",
    "regulator_frac": "1",
    "supply_frac": "1",
    "capacity_j": "J",
    "embodied_g": "g",
    "intensity": "g/kWh",
}
"""Keys whose figures are uncertain, and their units."""

FIGURE_KEYS = ("value", "low", "high", "method", "source")


def duty_from_mapping(written: Mapping[str, Any], file: str | None = None) -> Duty:
    """Read a duty.

    Args:
        written: keys as the fields of `Duty`; ``battery`` holds those of `Battery`; ``intensity`` is a figure in g/kWh.
        file: it came from, for messages and sources.

    Raises:
        ConfigError: an unknown or missing key, a value of the wrong kind, and whatever `Duty` refuses; names the key.
    """
    known = {f.name for f in fields(Duty)}
    _only(written, known, file, "")
    required = {f.name for f in fields(Duty) if f.default is MISSING}
    _all(written, required, file, "")
    given: dict[str, Any] = {}
    for key, value in written.items():
        if key == "battery":
            given[key] = _battery(value, file)
        elif key == "intensity":
            given[key] = _intensity(value, str(written["name"]), file)
        elif key in UNITS:
            given[key] = figure(key, value, file)
        elif key in ("name", "supply"):
            given[key] = _text(key, value, file)
        else:
            given[key] = _number(key, value, file)
    return Duty(**given)


def figure(key: str, written: object, file: str | None = None, path: str = "") -> Quantity:
    """An uncertain figure: a number, or a table of `FIGURE_KEYS`.

    Raises:
        ConfigError: as `duty_from_mapping`.
    """
    where, said = path + key, f"declared in {file}" if file else "declared"
    if not isinstance(written, Mapping):
        value = _number(where, written, file)
        half, rule = half_width_frac("declared")
        high = value * (1.0 + half)
        return Quantity(
            value=value,
            low=min(value * (1.0 - half), value),
            high=max(min(high, 1.0), value) if key.endswith("_frac") else max(high, value),
            unit=UNITS[key],
            method="assumed",
            boundary="board",
            source=f"{said} without an interval, taken as {half:.0%} ({rule})",
        )
    _only(written, set(FIGURE_KEYS), file, f"{where}.")
    _all(written, {"value", "low", "high"}, file, f"{where}.")
    low, value, high = (_number(f"{where}.{end}", written[end], file) for end in ("low", "value", "high"))
    try:
        return Quantity(
            value=value,
            low=low,
            high=high,
            unit=UNITS[key],
            method=cast(Method, written.get("method", "assumed")),
            boundary="board",
            source=str(written.get("source", said)),
        )
    except ValueError as fault:
        raise ConfigError(f"{fault}.", file=file, key=where) from fault


def _battery(written: object, file: str | None) -> Battery:
    if not isinstance(written, Mapping):
        raise ConfigError("must be a table.", file=file, key="battery")
    keys = {f.name for f in fields(Battery)}
    _only(written, keys, file, "battery.")
    _all(written, keys, file, "battery.")
    return Battery(
        capacity_j=figure("capacity_j", written["capacity_j"], file, "battery."),
        cycles=_number("battery.cycles", written["cycles"], file),
        embodied_g=figure("embodied_g", written["embodied_g"], file, "battery."),
    )


def _intensity(written: object, name: str, file: str | None) -> Factor:
    if isinstance(written, Factor):
        return written
    read = figure("intensity", written, file)
    return Factor(
        key=f"{name}.intensity",
        value=read.value,
        low=read.low,
        high=read.high,
        unit=read.unit,
        method=read.method,
        source=read.source,
    )


def _only(written: Mapping[str, Any], known: set[str], file: str | None, path: str) -> None:
    for key in written:
        if key not in known:
            raise ConfigError(
                "unknown key.", file=file, key=f"{path}{key}", fix=did_you_mean(str(key), known, limit=20)
            )


def _all(written: Mapping[str, Any], required: set[str], file: str | None, path: str) -> None:
    for key in sorted(required - set(written)):
        raise ConfigError("is missing.", file=file, key=f"{path}{key}")


def _number(key: str, written: object, file: str | None) -> float:
    if isinstance(written, bool) or not isinstance(written, int | float):
        raise ConfigError(f"must be a number, not {written!r}.", file=file, key=key)
    return float(written)


def _text(key: str, written: object, file: str | None) -> str:
    if not isinstance(written, str) or not written.strip():
        raise ConfigError(f"must be a word, not {written!r}.", file=file, key=key)
    return written
