"""Embodied carbon of the catalogue's devices: rows of parts, blocks or sheets, each with its interval and source.

The rows lie in ``data/embodied_devices.csv``: one device is listed by dies, memories and board (tier ``bom``), by
functional blocks (``hsl``) or by a sheet (``vendor``); what its list leaves out is a row too. A device without rows is
unknown, and `embodied_of` answers None for it: it is never zero.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import cast

from gramwise.core.footprint import Factor, Phase
from gramwise.footprint.bill import Line
from gramwise.footprint.embodied import dies, hsl
from gramwise.footprint.embodied.device import DeviceEmbodied, Tier, assemble
from gramwise.footprint.embodied.memory import technology
from gramwise.footprint.embodied.parts import Priced, board, part_factor, priced

MM2_PER_CM2 = 100.0
_NAMES = {"die": "die", "dram": "memory", "board": "board", "package": "packages"}

Row = Mapping[str, str]


def embodied_of(device_id: str) -> DeviceEmbodied | None:
    """What a catalogue device cost before it was switched on.

    Args:
        device_id: as in ``data/devices.csv``: ``"pi4"``.

    Returns:
        Lines and factors for the bill, split into manufacture, transport and end of life where shares are known, with
        the tier and what is left out; None where nothing is known (see `what_to_write`).
    """
    rows = _rows().get(device_id)
    if rows is None:
        return None
    items: list[Priced] = []
    for number, row in enumerate(rows):
        if row["part"] != "missing":
            items += _items(device_id, number, row)
    return assemble(
        device_id,
        cast(Tier, rows[0]["tier"]),
        items,
        tuple(f"not included: {row['note']}" for row in rows if row["part"] == "missing"),
        note="; ".join(
            dict.fromkeys(row["note"] for row in rows if row["part"].startswith(("sheet", "block")))
        ),
    )


def known_devices() -> tuple[str, ...]:
    """Ids of the devices that have an embodied figure."""
    return tuple(_rows())


def what_to_write(device_id: str) -> str:
    """What a user writes where a device's embodied carbon is unknown."""
    return (
        f"The embodied carbon of {device_id!r} is unknown and not counted: give a vendor's figure in kg with its "
        "interval and source, a bill of materials, or functional blocks at HSL levels."
    )


@cache
def _rows() -> Mapping[str, tuple[Row, ...]]:
    text = (files("gramwise") / "data" / "embodied_devices.csv").read_text("utf-8")
    found: dict[str, list[Row]] = {}
    for row in csv.DictReader(text.splitlines()):
        found.setdefault(row["device"], []).append(row)
    return {device: tuple(rows) for device, rows in found.items()}


def _items(device_id: str, number: int, row: Row) -> list[Priced]:
    kind, _, what = row["part"].partition(":")
    amount = _amount(f"{device_id}.{number}.{row['part']}", row)
    name = f"{device_id}, {_NAMES.get(kind, kind)} {what}".strip()
    if kind == "block":
        type_, level = what.split(".")
        return hsl.lines([hsl.block(type_, level, amount.value)])
    if kind == "sheet":
        return [_sheet(f"{device_id}, by sheet", amount, cast(Phase, what))]
    if kind == "die":
        return [_die(name, amount, what)]
    if kind == "dram":
        return [_memory(name, amount, technology(kind, what))]
    if kind == "board":
        return [_board(name, amount, int(what))]
    return [priced(name, amount, part_factor("package.ic" if kind == "package" else what))]


def _amount(key: str, row: Row) -> Factor:
    low, value, high = float(row["low"]), float(row["quantity"]), float(row["high"])
    return Factor(
        key=key,
        value=value,
        low=low,
        high=high,
        unit=row["unit"],
        method="assumed" if "own judgement" in row["source"] else "modelled",
        source=row["source"],
        spread="exact" if low == high else "triangular",
    )


def _sheet(name: str, amount: Factor, phase: Phase) -> Priced:
    return Priced(
        line=Line(name=name, phase=phase, factors=(amount.key,), carbon_g=lambda f: f[amount.key] * 1000.0),
        factors=(amount,),
    )


def _die(name: str, area_mm2: Factor, process: str) -> Priced:
    made = dies.die(name, 1.0, process)
    per_cm2 = made.line.carbon_g
    return Priced(
        line=Line(
            name=name,
            phase="manufacture",
            factors=(*made.line.factors, area_mm2.key),
            carbon_g=lambda f: f[area_mm2.key] / MM2_PER_CM2 * per_cm2(f),
        ),
        factors=(*made.factors, area_mm2),
    )


def _memory(name: str, amount: Factor, price: Factor) -> Priced:
    good = dies.yield_factor(name, dies.Fab())
    return Priced(
        line=Line(
            name=name,
            phase="manufacture",
            factors=(amount.key, price.key, good.key),
            carbon_g=lambda f: f[amount.key] * f[price.key] * 1000.0 / f[good.key],
        ),
        factors=(amount, price, good),
    )


def _board(name: str, area_cm2: Factor, layers: int) -> Priced:
    made = board(name, 1.0, layers)
    per_cm2 = made.line.carbon_g
    return Priced(
        line=Line(
            name=name,
            phase="manufacture",
            factors=(*made.line.factors, area_cm2.key),
            carbon_g=lambda f: f[area_cm2.key] * per_cm2(f),
        ),
        factors=(*made.factors, area_cm2),
    )
