"""Boavizta-style evaluation of components and connected objects as a named method, from the published figures.

The component figures are those of "Green Cloud Computing" (UBA Texte 94/2021) as Boavizta's documentation restates
them; the blocks of connected objects are Pirson and Bol's levels (see `hsl`). Formulas, in kg CO2e for one piece::

    CPU  = die_mm2 x 0.0197 + 9.14                  (die = cores x die per core where only that is known)
    RAM  = capacity / density x 2.20 + 5.22         SSD = capacity / density x 2.20 + 6.34
    HDD  = 31.11       supply = kg x 24.3           mainboard = 66.1       assembly = 6.68
    case = 150 (rack)  or 30.9 + 880 / 16 (blade)

Written from these formulas and checked against answers of version 2.5.0; its code was not read. With
``as_answered`` its two habits are kept: it multiplies a case by its units twice, and it leaves a block's units out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gramwise.core.errors import ConfigError, did_you_mean
from gramwise.core.footprint import Factor
from gramwise.footprint.embodied import hsl
from gramwise.footprint.embodied.parts import TABLE, checked
from gramwise.footprint.factors import table

BLADES_PER_ENCLOSURE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Kilograms CO2e of making, with the ends where a density had to be guessed (else all three are equal)."""

    value_kg: float
    low_kg: float
    high_kg: float

    def __add__(self, other: Answer) -> Answer:
        return Answer(
            value_kg=self.value_kg + other.value_kg,
            low_kg=self.low_kg + other.low_kg,
            high_kg=self.high_kg + other.high_kg,
        )

    def times(self, units: float) -> Answer:
        """That many of it."""
        return Answer(
            value_kg=units * self.value_kg, low_kg=units * self.low_kg, high_kg=units * self.high_kg
        )


def _point(kg: float) -> Answer:
    return Answer(value_kg=kg, low_kg=kg, high_kg=kg)


def _row(key: str) -> float:
    return table(TABLE)[key].value


def cpu(body: Mapping[str, Any]) -> Answer:
    """A processor by ``die_size`` (mm2), or ``die_size_per_core`` times ``core_units``."""
    if body.get("die_size") is not None:
        die_mm2 = _positive(body, "die_size")
    elif body.get("die_size_per_core") is not None and body.get("core_units") is not None:
        die_mm2 = _positive(body, "die_size_per_core") * _positive(body, "core_units")
    else:
        raise ConfigError(
            "the die's size is not known.",
            key="die_size",
            fix="Write die_size in mm2, or die_size_per_core with core_units.",
        )
    return _point(die_mm2 * _row("server.cpu_die") + _row("server.cpu_base"))


def ram(body: Mapping[str, Any]) -> Answer:
    """A memory module by ``capacity`` (GB) and ``density`` (GB/cm2), or by ``manufacturer`` and ``process`` (nm)."""
    return _stacked(body, _density(body, "dram"), "server.ram_base")


def ssd(body: Mapping[str, Any]) -> Answer:
    """A solid-state drive by ``capacity`` (GB) and ``density`` (GB/cm2)."""
    return _stacked(body, _density(body, "nand"), "server.ssd_base")


def _stacked(body: Mapping[str, Any], density: tuple[float, float, float], base: str) -> Answer:
    capacity = _positive(body, "capacity")
    middle, least, most = (capacity / d * _row("server.memory_die") + _row(base) for d in density)
    return Answer(value_kg=middle, low_kg=most, high_kg=least)


def _density(body: Mapping[str, Any], memory: str) -> tuple[float, float, float]:
    """Value, least and greatest density, GB/cm2."""
    if body.get("density") is not None:
        written = _positive(body, "density")
        return written, written, written
    if memory == "nand":
        guess = table(TABLE)["density.nand.any"]
        return guess.value, guess.low, guess.high
    maker, process = body.get("manufacturer"), body.get("process")
    rows = [
        f.value
        for key, f in table(TABLE).items()
        if key.startswith("density.dram.") and _matches(key.split(".")[2:], maker, process)
    ]
    if not rows:
        raise ConfigError(
            f"no density is known for {maker or 'any maker'} at {process or 'any'} nm.",
            key="process" if process is not None else "manufacturer",
            fix="Write density in GB/cm2.",
        )
    return math.fsum(rows) / len(rows), min(rows), max(rows)


def _matches(row: Sequence[str], maker: Any, process: Any) -> bool:
    """Whether a row of maker and node is what was asked for; None asks for any."""
    made = maker is None or "_".join(str(maker).lower().split()) == row[0]
    return made and (process is None or float(process) == float(row[1]))


def hdd(body: Mapping[str, Any]) -> Answer:
    """A hard drive, whatever it holds."""
    return _point(_row("hdd.drive"))


def power_supply(body: Mapping[str, Any]) -> Answer:
    """A power supply by ``unit_weight`` (kg); where none is written, 2.99 kg from 1 to 5."""
    if body.get("unit_weight") is None:
        mass, price = table(TABLE)["server.supply_mass"], _row("server.supply")
        return Answer(value_kg=mass.value * price, low_kg=mass.low * price, high_kg=mass.high * price)
    return _point(_positive(body, "unit_weight") * _row("server.supply"))


def case(body: Mapping[str, Any]) -> Answer:
    """A server's case by ``case_type``: ``"rack"`` (also towers) or ``"blade"``, with its share of the enclosure."""
    kind = str(body.get("case_type") or "rack").lower()
    if kind == "blade":
        return _point(_row("server.case_blade") + _row("server.blade_enclosure") / BLADES_PER_ENCLOSURE)
    if kind not in {"rack", "tower"}:
        raise ConfigError(
            f"no case {kind!r}.", key="case_type", fix=did_you_mean(kind, ["rack", "tower", "blade"])
        )
    return _point(_row("server.case_rack"))


def motherboard(body: Mapping[str, Any]) -> Answer:
    """A server's mainboard."""
    return _point(_row("server.motherboard"))


def assembly(body: Mapping[str, Any]) -> Answer:
    """Assembling a server."""
    return _point(_row("server.assembly"))


COMPONENTS: Mapping[str, Callable[[Mapping[str, Any]], Answer]] = {
    "cpu": cpu,
    "ram": ram,
    "ssd": ssd,
    "hdd": hdd,
    "power_supply": power_supply,
    "case": case,
    "motherboard": motherboard,
    "assembly": assembly,
}


def component(kind: str, body: Mapping[str, Any] | None = None, *, as_answered: bool = False) -> Answer:
    """A component, times its ``units``.

    Args:
        kind: one of `COMPONENTS`.
        body: its figures, as in Boavizta's requests.
        as_answered: keep the habits of version 2.5.0 (see the module).

    Raises:
        ConfigError: unknown kind; a figure that is missing or makes no sense; names the key.
    """
    if kind not in COMPONENTS:
        raise ConfigError(f"no component {kind!r}.", key="kind", fix=did_you_mean(kind, COMPONENTS))
    given = body or {}
    units = checked(float(given.get("units", 1)), "units", zero=False)
    twice = as_answered and kind == "case"
    return COMPONENTS[kind](given).times(units * units if twice else units)


def server(body: Mapping[str, Any]) -> Answer:
    """A server whose parts are written out: processors, memory, drives, supplies, case, one mainboard, assembly.

    Args:
        body: ``model.type`` (case) and ``configuration`` with ``cpu``, ``ram``, ``disk`` and ``power_supply``.

    Raises:
        ConfigError: a part is not written out; names it.
    """
    parts = body.get("configuration") or {}
    for key in ("cpu", "ram", "disk", "power_supply"):
        if not parts.get(key):
            raise ConfigError(
                "is not written out.", key=f"configuration.{key}", fix="Write the parts of the server."
            )
    drives = [component(str(d.get("type", "ssd")).lower(), d) for d in _listed(parts["disk"])]
    fixed = [component(k) for k in ("motherboard", "assembly")]
    shell = component("case", {"case_type": (body.get("model") or {}).get("type", "rack")})
    total = component("cpu", parts["cpu"]) + component("power_supply", parts["power_supply"]) + shell
    for answer in [*(component("ram", r) for r in _listed(parts["ram"])), *drives, *fixed]:
        total = total + answer
    return total


def _listed(written: Any) -> list[Mapping[str, Any]]:
    """One table or several, as a list."""
    return [written] if isinstance(written, Mapping) else list(written)


def connected_object(
    blocks: Sequence[Mapping[str, Any]] | None = None,
    archetype: str | None = None,
    *,
    as_answered: bool = False,
) -> Answer:
    """A connected object by its functional blocks, or by the name of a published use case: making and end of life.

    Args:
        blocks: each with ``type``, ``hsl_level`` and maybe ``units``.
        archetype: one of `hsl.archetypes`, where no blocks are given.
        as_answered: leave units out, as version 2.5.0 does. (It answers nothing at all where a block has a level that
            stands for nothing; here such a block adds nothing.)

    Raises:
        ConfigError: an unknown type, level or archetype; neither or both given.
    """
    if (blocks is None) == (archetype is None):
        raise ConfigError("needs blocks or an archetype, and not both.", key="functional_blocks")
    chosen = hsl.archetype(archetype) if archetype is not None else hsl.read_blocks(blocks or [])
    total = _point(0.0)
    for block in chosen:
        units = 1.0 if as_answered else block.units
        total = total + _point(math.fsum(f.value for f in hsl.published(block))).times(units)
    return total


def generic(kind: str, extra: Mapping[str, Factor]) -> Answer:
    """A whole device at the figure that the caller brings (``"device.<kind>"``, kg/piece): none is shipped.

    Boavizta's terminals are ADEME averages whose terms do not let a package pass them on.

    Raises:
        ConfigError: the caller brought none.
    """
    found = extra.get(f"device.{kind}")
    if found is None:
        raise ConfigError(
            f"no figure for {kind!r} is shipped (ADEME's terms).",
            key=f"device.{kind}",
            fix="Give one as an extra factor in kg/piece.",
        )
    return Answer(value_kg=found.value, low_kg=found.low, high_kg=found.high)


def _positive(body: Mapping[str, Any], key: str) -> float:
    value = body.get(key)
    if value is None or isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{value!r} is not a number.", key=key, fix="Write a number more than zero.")
    return checked(float(value), key, zero=False)
