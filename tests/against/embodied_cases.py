"""Other people's embodied-carbon cases put to ours: one function, which knows the form of a case and no case by name.

Files that the project may not carry (bills of materials, factors derived from ecoinvent, ADEME averages) are read
where they lie, beside the repository or under ``GRAMWISE_CASES``; `Absent` says what is missing.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from gramwise.core.errors import ConfigError
from gramwise.core.footprint import Factor
from gramwise.footprint.embodied import act, boavizta
from gramwise.footprint.embodied.bom import Bom, load, parse

CASES = Path(os.environ.get("GRAMWISE_CASES", Path(__file__).resolve().parents[2] / "../shared/cases"))

_METHODS: Mapping[str, act.Method] = {"ACT": "act", "EmbodiedCarbonModeling": "microgreen"}
_NAMES = {
    "passive.capacitor_ceramic.{}": "capacitor.{}",
    "passive.resistor.{}": "resistor.{}",
    "passive.inductor.{}": "inductor.{}",
}
_RENAMED = {
    "passive.inductor_by_mass.mass_based": ("inductor.weight_based", "other.inductor_multilayer"),
    "passive.diode_glass_smd.mass_based": ("diode.glass_smd",),
    "passive.led.mass_based": ("diode.led",),
    "passive.transistor_smd.mass_based": ("active.transistor_mosfet",),
    "passive.active_generic.mass_based": ("active.active_generic",),
    "passive.passive_generic_switch_crystal.mass_based": ("switch.generic", "other.passive_generic"),
    "passive.connector_pci.mass_based": ("connector.generic",),
    "passive.connector_peripheral.mass_based": ("connector.peripheral",),
    "material.aluminium_primary_china.primary": ("aluminum.aluminum",),
    "material.tin.primary": ("tin.tin",),
    "material.bronze.primary": ("bronze.bronze",),
    "material.sac_solder.primary": ("pb_free_solder.pb_free_solder",),
    "pcb.volume_coefficient.area_x_layers_x_thickness": ("pcb.volume",),
    "device_generic.laptop_pro.average": ("device.laptop",),
    "device_generic.tablet.average": ("device.tablet",),
    "device_generic.smartphone.average": ("device.smartphone",),
    "device_generic.desktop.average": ("device.desktop",),
    "device_generic.monitor.average": ("device.monitor",),
    "device_generic.television_pro.average": ("device.television",),
    "device_generic.external_hdd.average": ("device.external_hdd",),
    "device_generic.external_ssd.average": ("device.external_ssd",),
    "device_generic.usb_stick.average": ("device.usb_stick",),
    "device_generic.internet_box.average": ("device.box",),
}
_SIZES = {"area": "cm2", "capacity": "GB", "weight": "g", "thickness": "mm"}


class Absent(Exception):
    """A file that the case needs is not there; the message names it."""


def run_case(tool: str, kind: str, input: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of our method of that name, under the output names of the case.

    Args:
        tool: ``"ACT"``, ``"EmbodiedCarbonModeling"`` or ``"boaviztapi"``.
        kind: of the case: ``"bom"``, ``"cpa"``, a component, ``"iot_device"`` and so on.
        input: as recorded.

    Raises:
        Absent: a file that the case names, or factors that it needs, are not there.
        GramwiseError: the input makes no sense, or no method here covers it.
    """
    return _boavizta(kind, input) if tool == "boaviztapi" else _act(_METHODS[tool], tool, kind, input)


def _act(method: act.Method, tool: str, kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    if kind == "cpa":
        return {
            "g_per_cm2": act.cpa(
                given["process"],
                given.get("fab_ci", "taiwan"),
                given.get("abatement_pct", given.get("gpa", 97)),
                given.get("fab_yield", 0.875),
                method=method,
            )
        }
    bom = _bom(tool, given["bom"]) if "bom" in given else parse(_document(kind, given))
    found = act.evaluate(
        bom,
        method=method,
        extra=extra_factors(),
        op_power_w=given.get("op_power_W", 0.0),
        op_ci=given.get("op_ci", "usa"),
        duty_cycle=given.get("duty_cycle", 1.0),
        lifetime_years=given.get("lifetime_years", 1.0),
    )
    return {
        "total_kgco2e": found.total_kg,
        "by_type_kg": found.by_type_kg,
        "by_group_kg": found.by_group_kg,
        "not_included": list(found.not_included),
    }


def _bom(tool: str, written: str) -> Bom:
    path = CASES / "boms" / tool / Path(written).name
    try:
        return load(path)
    except ConfigError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise Absent(f"{error.file} is not there") from error
        raise


def _document(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """A bill of materials of one part: keys like ``capacity_GB`` become ``capacity: "16 GB"``."""
    body: dict[str, Any] = {}
    for key, value in given.items():
        found = re.fullmatch(r"(area|capacity|weight|thickness)(?:_([A-Za-z]+\d?))?", key)
        name = {"abatement_pct": "gpa", "chemistry": "type", "energy_Wh": "capacity"}.get(key, key)
        if found and not isinstance(value, str):
            body[found[1]] = f"{value} {found[2] or _SIZES[found[1]]}"
        elif key in {"op_power_W", "op_ci", "duty_cycle", "lifetime_years"}:
            continue
        else:
            body[name] = value
    if kind in {"logic", "dram", "flash", "nand", "ssd", "hdd"}:
        return {"silicon": {kind: {"model": kind, **body}}}
    group = (
        "passives"
        if kind in {"capacitor", "resistor", "inductor", "diode", "connector", "switch"}
        else "materials"
    )
    return {group: {kind: {"category": kind, **body}}}


def _boavizta(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    body, params = given.get("body") or {}, given.get("params") or {}
    if kind in boavizta.COMPONENTS:
        found = boavizta.component(kind, body, as_answered=True)
    elif kind == "iot_device":
        archetype = None if given.get("body") else params.get("archetype")
        found = boavizta.connected_object(body.get("functional_blocks"), archetype, as_answered=True)
    elif kind == "server":
        found = boavizta.server(body)
    else:
        found = boavizta.generic(str(given["endpoint"]).rstrip("/").rsplit("/", 1)[-1], extra_factors())
    return {"embedded_kgco2e": {"value": found.value_kg, "min": found.low_kg, "max": found.high_kg}}


@cache
def extra_factors() -> dict[str, Factor]:
    """Rows of ``data/embodied_factors.json`` beside the cases whose licences keep them out of the package."""
    path = CASES / "../data/embodied_factors.json"
    if not path.exists():
        return {}
    made = {}
    for row in json.loads(path.read_text("utf-8"))["factors"]:
        for key in _keys(row["id"]):
            unit = row["unit"].replace("CO2e", "").replace("/unit", "/piece").replace(" per layer", "")
            made[key] = _factor(key, row["value"], unit, f"{path.name}, {row['id']}")
    return made


def _keys(row_id: str) -> tuple[str, ...]:
    for old, new in _NAMES.items():
        found = re.fullmatch(old.replace(".", r"\.").replace("{}", r"(\d{4})"), row_id)
        if found:
            return (new.format(found[1]),)
    return _RENAMED.get(row_id, ())


def _factor(key: str, value: float, unit: str, source: str) -> Factor:
    return Factor(
        key=key,
        value=value,
        low=value,
        high=value,
        unit=unit,
        method="modelled",
        source=source,
        spread="exact",
    )


def as_document(found: act.Evaluation) -> dict[str, Any]:
    """An evaluation as a JSON-able document."""
    return asdict(found)
