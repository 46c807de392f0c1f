"""ACT-style evaluation as two named methods, so that their published results come out to the digit.

``"act"`` is ACT v2 (Gupta et al., ISCA 2022; facebookresearch/ACT at abc9fbb7): places of 2022, 97 % abatement and
yield 0.875 unless written, 0.15 kg a package, boards by area at 0.041 to 0.091 g/cm2 (far below every other source).
``"microgreen"`` is Cornell Tech's fork (S4AI-CornellTech/EmbodiedCarbonModeling at ab8527a7), traps and all: places of
2023, no packages, dies of a world-average fab from a table without yield, boards by volume, and a metal part without
a quantity counted as none. These are points, not intervals; for grams to stand by use the own method in `device`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from gramwise.core.errors import ConfigError, did_you_mean
from gramwise.core.footprint import Factor
from gramwise.core.units import S_PER_HOUR, S_PER_YEAR
from gramwise.footprint.embodied import dies
from gramwise.footprint.embodied.bom import Bom, Group, Part
from gramwise.footprint.embodied.memory import technology
from gramwise.footprint.embodied.parts import GRAMS_PER_KG, TABLE, checked
from gramwise.footprint.factors import table

Method = Literal["act", "microgreen"]
METHODS: tuple[Method, ...] = ("act", "microgreen")
HOURS_PER_YEAR = S_PER_YEAR / S_PER_HOUR
"""The Julian year of both tools' unit library; 365 days would be 0.07 % less."""
_YEAR_OF_PLACES: Mapping[Method, str] = {"act": "2022", "microgreen": "2023"}
_KWH_PER_MJ = 1.0 / 3.6
_SPELT = {"tantalum": "tec", "alumnimum": "aluminium", "aluminum": "aluminium", "mlc": "mlcc"}
_METALS = ("enclosure", "frame", "tin", "bronze", "aluminum", "pb_free_solder")


class _Missing(Exception):
    """A factor that nobody gave; carries its key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What a named method answers, kg CO2e.

    Attributes:
        total_kg: sum of what is known.
        by_type_kg: by the tools' own types: FABRICATION, PACKAGING, OPERATION and so on.
        by_group_kg: by group of the bill of materials, operation left out.
        not_included: parts for which no factor is known, in words; they are not in the total.
    """

    total_kg: float
    by_type_kg: dict[str, float]
    by_group_kg: dict[Group, float]
    not_included: tuple[str, ...]


def cpa(
    process: str,
    fab_ci: str = "taiwan",
    abatement_pct: int = 97,
    fab_yield: float = 0.875,
    *,
    method: Method = "act",
) -> float:
    """Carbon per area of good dies, g/cm2, at a node that the tools list (they do not interpolate).

    Args:
        process: ``"7nm"`` and so on.
        fab_ci: place or energy source; ``"world"`` under ``"microgreen"`` reads its table, yield and gases ignored.
        abatement_pct: 95, 97 or 99.
        fab_yield: share of good dies.

    Raises:
        ConfigError: unknown process, place, abatement, yield or method; names the key.
    """
    _method(method)
    node = dies.node_nm(process, "process")
    rows = table(dies.TABLE)
    if f"die.{node:g}nm.epa" not in rows:
        known = [k.split(".")[1] for k in rows if k.endswith(".epa")]
        raise ConfigError(
            f"the tool lists no {process!r}.", key="process", fix=did_you_mean(process, known, 20)
        )
    wanted = dies.abatement(abatement_pct, "abatement_pct")
    good = dies.yield_of(fab_yield, "fab_yield")
    if method == "microgreen" and fab_ci.strip().lower() == "world":
        return rows[f"microgreen.world.{node:g}nm"].value
    gas = {end: rows[f"die.{node:g}nm.gpa{end}"].value for end in (95, 99)}
    return float(
        dies.cpa_g_per_cm2(
            rows[f"die.{node:g}nm.epa"].value,
            gas.get(wanted, 0.5 * (gas[95] + gas[99])),
            rows["die.mpa"].value,
            dies.fab_grid(fab_ci, _YEAR_OF_PLACES[method]).value,
            good,
        )
    )


def evaluate(
    bom: Bom,
    *,
    method: Method = "act",
    extra: Mapping[str, Factor] | None = None,
    op_power_w: float = 0.0,
    op_ci: str = "usa",
    duty_cycle: float = 1.0,
    lifetime_years: float = 1.0,
) -> Evaluation:
    """Evaluate a bill of materials as the named tool does.

    Args:
        bom: as read by `gramwise.footprint.embodied.bom.load`.
        method: ``"act"`` or ``"microgreen"``.
        extra: the caller's own factors by ``"<category>.<type>"`` (``"resistor.0402"`` in kg/piece, ``"diode.led"`` in
            kg/kg, ``"tin.tin"``, ``"pcb.volume"`` in g/cm3 per layer). Passives and most metals are not shipped.
        op_power_w, op_ci, duty_cycle, lifetime_years: of the use phase: average power while on, W; place or source of
            the electricity; share of the time that it is on; years of 365.25 days.

    Raises:
        ConfigError: a part that cannot be evaluated, or a figure that makes no sense; names the key.
    """
    _method(method)
    by_type: dict[str, float] = {
        "OPERATION": operation_kg(op_power_w, op_ci, duty_cycle, lifetime_years, method)
    }
    by_group: dict[Group, float] = {"silicon": 0.0, "materials": 0.0, "passives": 0.0}
    missing: list[str] = []
    for part in bom.parts:
        if part.group not in by_group:
            missing.append(
                f"not included: {part.name} ({part.kind} {part.type or ''}): the tool has no such part"
            )
            continue
        try:
            found = part_kg(part, method=method, extra=extra)
        except _Missing as absent:
            missing.append(f"not included: {part.name} ({part.kind} {part.type or ''}): no factor {absent}")
            continue
        for kind, kg in found.items():
            by_type[kind] = by_type.get(kind, 0.0) + kg
            by_group[part.group] += kg
    return Evaluation(
        total_kg=math.fsum(by_type.values()),
        by_type_kg=by_type,
        by_group_kg=by_group,
        not_included=tuple(missing),
    )


def operation_kg(
    op_power_w: float, op_ci: str, duty_cycle: float, lifetime_years: float, method: Method = "act"
) -> float:
    """Use phase of the tools: power x duty x years x intensity, kg."""
    power = checked(op_power_w, "op_power_W")
    years = checked(lifetime_years, "lifetime_years", zero=False)
    if not 0.0 <= duty_cycle <= 1.0:
        raise ConfigError(
            f"{duty_cycle} is not a share.", key="duty_cycle", fix="Write a number from 0 to 1."
        )
    intensity = dies.fab_grid(op_ci, _YEAR_OF_PLACES[_method(method)], "op_ci").value
    return power / 1000.0 * duty_cycle * years * HOURS_PER_YEAR * intensity / GRAMS_PER_KG


def part_kg(
    part: Part, *, method: Method = "act", extra: Mapping[str, Factor] | None = None
) -> dict[str, float]:
    """Kilograms of one part by the tool's types."""
    if part.group == "silicon":
        return _silicon(part, method)
    if part.kind in _METALS:
        return {"ENCLOSURE": _metal(part, method, extra or {})}
    if part.kind == "battery":
        price = table(TABLE).get(f"battery.{part.type or 'nmc'}")
        if price is None:
            raise ConfigError(f"no battery {part.type!r}.", key=f"{part.name}.type", fix="Write nmc or lfp.")
        return {"FABRICATION": part.needs("capacity_kwh", "capacity") * price.value}
    if part.kind == "pcb":
        return {"FABRICATION" if method == "act" else "PCB": _PCB[method](part, extra or {})}
    return {"PASSIVES" if method == "act" else part.kind.upper(): _passive(part, method, extra or {})}


def _silicon(part: Part, method: Method) -> dict[str, float]:
    good = 0.875 if part.fab_yield is None else part.fab_yield
    if part.kind == "logic":
        per_cm2 = cpa(part.needs("process"), part.fab_ci or "taiwan", part.gpa_pct or 97, good, method=method)
        kg = part.needs("area_cm2", "area") * per_cm2 / GRAMS_PER_KG
    else:
        price = technology(part.kind, part.needs("process"), f"{part.name}.process").value
        kg = part.needs("capacity_gb", "capacity") * price / good
    if method == "microgreen":
        return {"FABRICATION": kg}
    return {"FABRICATION": kg, "PACKAGING": (part.n_ics or 0) * table(TABLE)["package.ic"].value}


def _metal(part: Part, method: Method, extra: Mapping[str, Factor]) -> float:
    # The fork takes a missing quantity for none, so its Raspberry Pi's solder and aluminium weigh nothing.
    count = part.quantity if part.quantity is not None else (1.0 if method == "act" else 0.0)
    if count == 0.0:
        return 0.0
    name = part.type or part.kind
    return (
        count
        * float(part.needs("mass_kg", "weight"))
        * _price(extra, f"{part.kind}.{name}", f"material.{name}")
    )


def _passive(part: Part, method: Method, extra: Mapping[str, Factor]) -> float:
    kind = part.type or "generic"
    kind = _SPELT.get(kind, kind)
    count = 1.0 if part.quantity is None else part.quantity
    if part.kind == "capacitor" and f"capacitor.{kind}" in table(TABLE):
        kwh = part.needs("mass_kg", "weight") * table(TABLE)[f"capacitor.{kind}"].value * _KWH_PER_MJ
        return float(count * kwh * dies.fab_grid("japan", _YEAR_OF_PLACES[method]).value / GRAMS_PER_KG)
    factor = extra.get(f"{part.kind}.{kind}")
    if factor is None:
        raise _Missing(f"{part.kind}.{kind}")
    if factor.unit == "kg/piece":
        return count * factor.value
    return float(count * part.needs("mass_kg", "weight") * _price(extra, factor.key))


def _price(extra: Mapping[str, Factor], *keys: str) -> float:
    """Kilograms per kilogram under the first key that is known."""
    for key in [*keys, *(f"material.{_SPELT.get(k.rsplit('.', 1)[1], '')}" for k in keys)]:
        found = extra.get(key) or table(TABLE).get(key)
        if found is not None:
            if found.unit != "kg/kg":
                raise ConfigError(f"a price by mass is in kg/kg, not {found.unit!r}.", key=found.key)
            return found.value
    raise _Missing(keys[0])


def _board_by_area(part: Part, extra: Mapping[str, Factor]) -> float:
    layers = _layers(part)
    row = table(TABLE).get(f"act.pcb.{layers}_layers")
    per_cm2 = row.value if row else layers * table(TABLE)["act.pcb.per_layer"].value
    return float(part.needs("area_cm2", "area") * per_cm2 / GRAMS_PER_KG)


def _board_by_volume(part: Part, extra: Mapping[str, Factor]) -> float:
    volume = part.needs("area_cm2", "area") * part.needs("thickness_cm", "thickness") * _layers(part)
    if "pcb.volume" not in extra:
        raise _Missing("pcb.volume")
    return float(volume * extra["pcb.volume"].value / GRAMS_PER_KG)


def _layers(part: Part) -> int:
    layers = int(part.needs("layers"))
    if layers < 1:
        raise ConfigError(
            f"{layers} layers make no board.", key=f"{part.name}.layers", fix="Write at least 1."
        )
    return layers


_PCB: Mapping[Method, Callable[[Part, Mapping[str, Factor]], float]] = {
    "act": _board_by_area,
    "microgreen": _board_by_volume,
}


def _method(method: str) -> Method:
    if method not in METHODS:
        raise ConfigError(f"no method {method!r}.", key="method", fix=did_you_mean(method, METHODS))
    return method
