"""An account by component, as formats that know machines but not items want it."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

from gramwise.core.errors import DataError
from gramwise.core.footprint import EMBODIED
from gramwise.core.units import J_PER_KWH

Row = Mapping[str, Any]
_GRID = "grid."
"""How keys of zone intensities begin in bills: ``grid.DE``."""
_ZONE = re.compile(r"[A-Z]{2}[0-9]*(-[A-Z0-9]+)*")
"""A zone's code: ``DE``, ``SE3``, ``US-CAL-CISO``; ``grid.declared`` is of none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One component of an account. None is unknown, or that there is none.

    Attributes:
        name: of the component.
        energy_kwh: at the meter, without PUE.
        site_kwh: the same with PUE.
        electric_g: grams of that electricity.
        g_per_kwh: the intensity that it met: the recorded one where its items share one, else grams over ``site_kwh``.
        other_g: operational grams without known joules.
        embodied_g: grams of making, bringing and scrapping.
        units: how many functional units it served.
        zone: of the grid, where its items share one.
        pue: the recorded one where its items share one, else energy-weighted.
        methods: how its joules are known, sorted.
    """

    name: str
    energy_kwh: float | None
    site_kwh: float | None
    electric_g: float | None
    g_per_kwh: float | None
    other_g: float | None
    embodied_g: float | None
    units: float | None
    zone: str | None
    pue: float | None
    methods: tuple[str, ...]

    @property
    def operational_g(self) -> float | None:
        """Grams of running it."""
        return whole(g for g in (self.electric_g, self.other_g) if g is not None)


def parts(document: Row, book: Row) -> list[Part]:
    """The components of an account in the order of its items; their grams sum to its total.

    Raises:
        DataError: grams of an item are unknown.
    """
    by_name: dict[str, list[Row]] = {}
    for row in book["items"]:
        if row["carbon"] is None:
            raise DataError(f"the grams of {row['name']!r} are unknown, so this account cannot be exported.")
        by_name.setdefault(row["component"], []).append(row)
    return [_part(name, rows, document["factors"]) for name, rows in by_name.items()]


def _part(name: str, rows: list[Row], factors: Row) -> Part:
    electric = [row for row in rows if row["energy_j"] is not None and row["phase"] not in EMBODIED]
    other = [row for row in rows if row["energy_j"] is None and row["phase"] not in EMBODIED]
    embodied = [row for row in rows if row["phase"] in EMBODIED]
    energy = [(row["energy_j"]["value"], _pue(row, factors)) for row in electric]
    energy_kwh = whole(joules / J_PER_KWH for joules, _ in energy)
    site_kwh = whole(joules * pue / J_PER_KWH for joules, pue in energy)
    zones = {zone_of(row, factors) for row in electric}
    return Part(
        name=name,
        energy_kwh=energy_kwh,
        site_kwh=site_kwh,
        electric_g=_grams(electric),
        g_per_kwh=_met(electric, site_kwh, factors),
        other_g=_grams(other),
        embodied_g=_grams(embodied),
        units=whole(row["units"] for row in rows if row["units"] is not None),
        zone=zones.pop() if len(zones) == 1 else None,
        pue=_overhead(electric, site_kwh, energy_kwh, factors),
        methods=tuple(sorted({row["energy_j"]["method"] for row in electric})),
    )


def whole(values: Iterable[float]) -> float | None:
    """The sum; None of nothing."""
    found = list(values)
    return math.fsum(found) if found else None


def start(book: Row) -> datetime | None:
    """When the account's period began."""
    text = book["period"]["start"]
    return None if text is None else datetime.fromisoformat(text.replace("Z", "+00:00"))


def country_of(zone: str | None) -> tuple[str, str] | tuple[None, None]:
    """Three-letter code and name of the country that a zone is; two None where it is none, or a part of one."""
    row = _table().get(zone or "")
    return (row["iso3"], row["name"]) if row and row["kind"] == "country" else (None, None)


@cache
def _table() -> Mapping[str, Mapping[str, str]]:
    """The shipped table of zones, by zone."""
    text = (files("gramwise") / "data" / "annual_intensity.csv").read_text("utf-8")
    return {row["zone"]: row for row in csv.DictReader(text.splitlines())}


def run_inputs(document: Row, key: str) -> Row:
    """A table of a run's inputs; empty for a bill, whose inputs are the user's own and may mean something else."""
    found = document["inputs"].get(key) if document["kind"] == "run" else None
    return found if isinstance(found, Mapping) else {}


def zone_of(row: Row, factors: Row) -> str | None:
    """The grid zone of an item: its intensity's row says it, or a factor's key does (``grid.DE``)."""
    if row["intensity"] and factors[row["intensity"]].get("zone"):
        return str(factors[row["intensity"]]["zone"])
    named = {key.split(".")[1] for key in row["factors"] if key.startswith(_GRID)}
    zones = {zone for zone in named if _ZONE.fullmatch(zone)}
    return zones.pop() if len(zones) == 1 else None


def _met(electric: list[Row], site_kwh: float | None, factors: Row) -> float | None:
    values = {factors[row["intensity"]]["value"] for row in electric if row["intensity"]}
    if len(values) == 1 and all(row["intensity"] for row in electric):
        return float(values.pop())
    grams = _grams(electric)
    return grams / site_kwh if grams is not None and site_kwh else None


def _overhead(
    electric: list[Row], site_kwh: float | None, energy_kwh: float | None, factors: Row
) -> float | None:
    values = {_pue(row, factors) for row in electric}
    if len(values) == 1:
        return values.pop()
    return site_kwh / energy_kwh if site_kwh is not None and energy_kwh else None


def _grams(rows: list[Row]) -> float | None:
    return whole(row["carbon"]["value"] for row in rows)


def _pue(row: Row, factors: Row) -> float:
    return float(factors[row["pue"]]["value"]) if row["pue"] else 1.0
