"""What the nodes of a scenario cost to make, bring and scrap, and the share of it that an account owes.

How a node's making is known, best first: ``[footprint.embodied.NODE]`` (a vendor's figure, a bill of materials, blocks,
or another device of the catalogue), the device's own ``embodied_kg`` in the scenario, the catalogue's rows. Else it is
named as left out. The share is the account's time over the machine's life.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gramwise.core.errors import ConfigError
from gramwise.core.footprint import Factor, Phase, factor_of
from gramwise.core.machines import Node
from gramwise.core.units import S_PER_YEAR
from gramwise.fleet.scenario import Scenario
from gramwise.footprint.bill import Line, Value, Values
from gramwise.footprint.embodied import hsl
from gramwise.footprint.embodied.bom import Bom
from gramwise.footprint.embodied.catalogue import embodied_of, what_to_write
from gramwise.footprint.embodied.device import DeviceEmbodied, of_blocks, of_bom, of_sheet
from gramwise.footprint.embodied.parts import Priced
from gramwise.footprint.factors import factor
from gramwise.footprint.reading import Table
from gramwise.footprint.scaling.account import Account
from gramwise.footprint.scaling.amortise import KINDS

WAYS = ("vendor_kg", "bom", "blocks", "device")
_KEYS = (*WAYS, "transport_kg", "end_of_life_kg", "truncation", "lifetime_years", "kind")
_NAMES: Mapping[Phase, str] = {"manufacture": "made", "transport": "brought", "end-of-life": "scrapped"}
_KIND_OF_CLASS = {"mcu": "sensor", "npu": "sensor", "sbc": "sensor", "edge_gpu": "sensor"}
"""Lifetimes by class where nobody says one: boards in the field as sensors, the rest as servers."""
G_PER_KG = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One node's hardware: what it cost, or in a sentence why that is unknown, and how long it serves."""

    node: str
    device: DeviceEmbodied | None
    why_unknown: str
    life: Factor


def made(scenario: Scenario, node: Node, boms: Mapping[str, Bom]) -> Made:
    """How a node's making is known.

    Args:
        scenario: with its ``[footprint]`` table.
        node: of it.
        boms: the bills of materials that the scenario names, by the name that it gives them.

    Raises:
        ConfigError: a table that cannot be; with file, key and what to write.
    """
    raw = scenario.footprint.embodied.get(node.name, {})
    table = Table(raw, f"footprint.embodied.{node.name}", _KEYS, scenario.path)
    ways = [way for way in WAYS if table.has(way)]
    if len(ways) > 1:
        raise table.fault(ways[1], f"{ways[0]} says the same.", "Keep one of the two.")
    device = _device(table, ways[0] if ways else "", node, boms)
    why = "" if device else f"making of {node.name}: {what_to_write(node.device.id)}"
    return Made(node=node.name, device=device, why_unknown=why, life=_life(table, node))


def _device(table: Table, way: str, node: Node, boms: Mapping[str, Bom]) -> DeviceEmbodied | None:
    for key in ("transport_kg", "end_of_life_kg"):
        if table.has(key) and way != "vendor_kg":
            raise table.fault(
                key, "it stands beside vendor_kg only.", "Write vendor_kg too, or leave it out."
            )
    if table.has("truncation"):
        if way != "bom":
            raise table.fault("truncation", "it stands beside bom only.", "Leave it out.")
        if not isinstance(table.raw["truncation"], bool):
            raise table.fault("truncation", "this is yes or no.", "Write true or false.")
    if way == "vendor_kg":
        parts = {"manufacture": "vendor_kg", "transport": "transport_kg", "end-of-life": "end_of_life_kg"}
        making, *others = (_sheet(table, node, phase, key) for phase, key in parts.items())  # type: ignore[arg-type]
        assert making is not None
        return of_sheet(node.name, making, transport=others[0], end_of_life=others[1])
    if way == "bom":
        name = table.text("bom")
        try:
            return of_bom(boms[name], truncation=table.raw.get("truncation", False))
        except ConfigError as fault:
            raise fault.inside(name, "") from fault
    if way == "blocks":
        return _blocks(table, node)
    if way == "device":
        found = embodied_of(table.text("device"))
        if found is None:
            raise table.fault(
                "device", what_to_write(table.text("device")), "Name another device, or vendor_kg."
            )
        return found
    return _own(node) or embodied_of(node.device.id)


def _blocks(table: Table, node: Node) -> DeviceEmbodied:
    written = table.raw["blocks"]
    if not isinstance(written, list | tuple) or not all(isinstance(row, Mapping) for row in written):
        raise table.fault(
            "blocks", "this must be a list of tables.", "Write [{ type = ..., hsl_level = ... }]."
        )
    for i, row in enumerate(written):
        if isinstance(row.get("units", 1), bool) or not isinstance(row.get("units", 1), int | float):
            raise table.fault(f"blocks[{i}].units", "this must be a number.", "Write digits, unquoted.")
    try:
        return of_blocks(node.name, hsl.read_blocks(written))
    except ConfigError as fault:
        raise fault.inside(table.file or "", f"{table.where}.blocks") from fault


def _sheet(table: Table, node: Node, phase: Phase, key: str) -> Priced | None:
    if not table.has(key):
        return None
    known = table.factor(key, f"made.{node.name}.{key}", "kg")

    def grams(v: Values) -> Value:
        return v[known.key] * G_PER_KG

    line = Line(name=f"{node.name}, {_NAMES[phase]}", phase=phase, factors=(known.key,), carbon_g=grams)
    return Priced(line=line, factors=(known,))


def _own(node: Node) -> DeviceEmbodied | None:
    """The figure that a device of the scenario brings with it."""
    known = node.device.facts.get("embodied_g")
    if known is None:
        return None
    cost = factor_of(f"device.{node.device.id}.embodied_g", known)
    line = Line(
        name=f"{node.name}, made", phase="manufacture", factors=(cost.key,), carbon_g=lambda v: v[cost.key]
    )
    return of_sheet(node.name, Priced(line=line, factors=(cost,)))


def _life(table: Table, node: Node) -> Factor:
    if table.has("lifetime_years"):
        if table.has("kind"):
            raise table.fault("kind", "lifetime_years says the same.", "Keep one of the two.")
        return table.factor("lifetime_years", f"made.{node.name}.lifetime_years", "year")
    known = node.device.facts.get("lifetime_s")
    if known is not None and not table.has("kind"):
        return Factor(
            key=f"device.{node.device.id}.lifetime_years",
            value=known.value / S_PER_YEAR,
            low=known.low / S_PER_YEAR,
            high=known.high / S_PER_YEAR,
            unit="year",
            method=known.method,
            source=known.source,
        )
    kind = (
        table.choice("kind", KINDS)
        if table.has("kind")
        else _KIND_OF_CLASS.get(node.device.device_class, "server")
    )
    return factor("scaling_factors", f"lifetime.{kind}_years")


def made_lines(each: Made, years: float, reserved_frac: float) -> Account:
    """What the account owes for a node: a line a phase, all parts of it together.

    Args:
        each: from `made`.
        years: of the account. Longer than a life, more than one machine is used up.
        reserved_frac: share of the node's time that belongs to the model.

    Returns:
        ``sum over parts x years reserved / lifetime``; an account that says what is missing where nothing is known.
    """
    if each.device is None:
        return Account([], [], [each.why_unknown], {})
    phases = [phase for phase in _NAMES if any(line.phase == phase for line in each.device.lines)]
    lines = [_line(each, phase, years * reserved_frac) for phase in phases]
    missing = [
        f"{each.node}: {sentence.removeprefix('not included: ')}" for sentence in each.device.not_included
    ]
    return Account(
        lines, [*each.device.factors, each.life], missing, {line.name: "inference" for line in lines}
    )


def _line(each: Made, phase: Phase, owed_years: float) -> Line:
    assert each.device is not None
    parts = [line for line in each.device.lines if line.phase == phase]
    life = each.life.key

    def grams(v: Values) -> Value:
        return sum(part.carbon_g(v) for part in parts) * (owed_years / v[life])

    return Line(
        name=f"{each.node}, {_NAMES[phase]}",
        phase=phase,
        factors=tuple(dict.fromkeys([*(key for part in parts for key in part.factors), life])),
        carbon_g=grams,
    )
