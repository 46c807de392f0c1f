"""Whole devices in three tiers of certainty: functional blocks, a bill of materials, a vendor's sheet.

Every tier ends as lines and factors for the bill, with an interval, and says what it leaves out. `of_bom` is the own
method over a bill of materials: dies by area and node with the account factor, memories by technology, packages, board,
battery; `of_blocks` and `of_sheet` are the tiers below and above it. Catalogue devices are in `catalogue`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from gramwise.core.errors import ConfigError
from gramwise.core.footprint import Factor, Footprint, Phase
from gramwise.footprint.bill import DRAWS, Line, bill
from gramwise.footprint.embodied import dies, hsl
from gramwise.footprint.embodied.bom import Bom, Part
from gramwise.footprint.embodied.memory import memory, packages
from gramwise.footprint.embodied.parts import TABLE, Priced, board, part_factor, priced, shipped, truncated
from gramwise.footprint.factors import table

Tier = Literal["hsl", "bom", "vendor"]
_MISSING_PHASES: Mapping[Phase, str] = {
    "transport": "not included: transport from the factory",
    "end-of-life": "not included: end of life",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceEmbodied:
    """What one device cost before it was switched on.

    Attributes:
        name: of the device.
        tier: how it was found: ``"hsl"`` (least certain), ``"bom"``, ``"vendor"``.
        lines, factors: for `gramwise.footprint.bill.bill`; phases manufacture, transport, end-of-life.
        not_included: in words.
        note: on what the figure rests, one sentence.
    """

    name: str
    tier: Tier
    lines: tuple[Line, ...]
    factors: tuple[Factor, ...]
    not_included: tuple[str, ...]
    note: str = ""

    def footprint(self, *, draws: int = DRAWS, seed: int = 0) -> Footprint:
        """The device's bill: grams for one device, cradle to gate plus what phases are known."""
        return bill(
            self.lines,
            self.factors,
            functional_unit="device",
            units=1.0,
            boundary=f"embodied carbon of one device, tier {self.tier}",
            not_included=self.not_included,
            draws=draws,
            seed=seed,
        )


def assemble(
    name: str, tier: Tier, items: Sequence[Priced], not_included: Sequence[str] = (), note: str = ""
) -> DeviceEmbodied:
    """A device from priced lines; phases that no line has are named as not included.

    Raises:
        ConfigError: no line at all: nothing is known, and nothing is not zero.
    """
    if not items:
        raise ConfigError(
            f"{name}: nothing of it has a figure.", key=name, fix="Give a factor for its parts."
        )
    phases = {item.line.phase for item in items}
    absent = [text for phase, text in _MISSING_PHASES.items() if phase not in phases]
    factors = {f.key: f for item in items for f in item.factors}
    return DeviceEmbodied(
        name=name,
        tier=tier,
        lines=tuple(item.line for item in items),
        factors=tuple(factors.values()),
        not_included=(*not_included, *absent),
        note=note,
    )


def of_blocks(name: str, blocks: Sequence[hsl.Block], note: str = "") -> DeviceEmbodied:
    """Tier 1: a device by functional blocks and levels (see `hsl`)."""
    return assemble(name, "hsl", hsl.lines(blocks), note=note)


def of_sheet(
    name: str,
    making: Priced,
    *,
    transport: Priced | None = None,
    end_of_life: Priced | None = None,
    note: str = "",
) -> DeviceEmbodied:
    """Tier 3: a device by a vendor's sheet, with the phases that the sheet states."""
    items = [item for item in (making, transport, end_of_life) if item is not None]
    return assemble(name, "vendor", items, note=note)


def representative(kind: str) -> DeviceEmbodied:
    """A whole terminal of which nothing but its kind is known, at one published figure.

    Args:
        kind: ``"laptop"``, ``"smartphone"``, ``"tablet"`` or ``"box"`` (customer premises equipment).

    Raises:
        ConfigError: no free figure is known for it (televisions, monitors: ADEME averages are not ours to ship).
    """
    making = priced(kind, 1.0, part_factor(f"whole.{kind}"))
    return of_sheet(kind, making, note="a representative device, not this one")


def of_bom(
    bom: Bom,
    *,
    extra: Mapping[str, Factor] | None = None,
    fab: dies.Fab | None = None,
    truncation: bool = False,
) -> DeviceEmbodied:
    """Tier 2: the own method over a bill of materials.

    What a part says of its fab is taken; what it leaves out comes from ``fab``. Pieces for which no factor is known,
    shipped or given, are named as not included.

    Args:
        bom: as read by `gramwise.footprint.embodied.bom.load`.
        extra: the caller's own factors by ``"<category>.<type>"``, see `act.evaluate`.
        fab: of parts that do not name theirs; default Taiwan, 97 % abatement, yield 0.875 with its interval.
        truncation: whether to multiply by what bottom-up lists leave out (an upper account).

    Raises:
        ConfigError: a part that makes no sense (unknown node, technology, grid); names it.
    """
    items: list[Priced] = []
    missing: list[str] = []
    for part in bom.parts:
        found = _part(part, extra or {}, fab or dies.Fab())
        if found is None:
            missing.append(f"not included: {part.name} ({part.kind} {part.type or ''}): no factor for it")
        items += found or []
    return assemble(bom.name, "bom", truncated(items) if truncation else items, missing)


def _part(part: Part, extra: Mapping[str, Factor], fab: dies.Fab) -> list[Priced] | None:
    """The lines of one part; None where no factor is known."""
    if part.group == "silicon":
        return _silicon(part, fab)
    count = 1.0 if part.quantity is None else part.quantity
    if part.group == "transport":
        return shipped(part.name, part.needs("mass_kg"), {part.kind: count})
    if part.group == "parts":
        return [_by_factor(part.name, str(part.type), count, extra)]
    if part.kind == "pcb":
        return [board(part.name, part.needs("area_cm2", "area"), int(part.needs("layers")))]
    if part.kind == "battery":
        price = part_factor(f"battery.{part.type or 'nmc'}", extra)
        return [priced(part.name, count * part.needs("capacity_kwh", "capacity"), price)]
    if part.kind == "capacitor" and f"capacitor.{part.type}" in table(TABLE):
        return [_fired(part, count)]
    for key in (f"{part.kind}.{part.type}", f"material.{part.type}", f"material.{part.kind}"):
        price_found = extra.get(key) or table(TABLE).get(key.replace("aluminum", "aluminium"))
        if price_found is not None:
            per_piece = price_found.unit.endswith("/piece")
            amount = count if per_piece else count * part.needs("mass_kg", "weight")
            return [priced(part.name, amount, price_found)]
    return None


def _by_factor(name: str, key: str, amount: float, extra: Mapping[str, Factor]) -> Priced:
    """A part that is an amount of a factor; what is named ``eol.`` belongs to the end of life."""
    phase: Phase = "end-of-life" if key.startswith("eol.") else "manufacture"
    return priced(name, amount, part_factor(key, extra), phase=phase)


def _silicon(part: Part, fab: dies.Fab) -> list[Priced]:
    if part.kind == "logic":
        own = dies.Fab(
            grid=part.fab_ci or fab.grid,
            abatement_pct=part.gpa_pct or fab.abatement_pct,
            yield_model=fab.yield_model if part.fab_yield is None else "fixed",
            yield_frac=fab.yield_frac if part.fab_yield is None else part.fab_yield,
        )
        made = dies.die(part.name, part.needs("area_cm2", "area"), part.needs("process"), own)
    else:
        made = memory(
            part.name, part.kind, part.needs("process"), part.needs("capacity_gb", "capacity"), part.fab_yield
        )
    return [made, *([packages(f"{part.name}, packages", part.n_ics)] if part.n_ics else [])]


def _fired(part: Part, count: float) -> Priced:
    """A capacitor: energy of making per mass (Smith et al. 2018) times the grid of Japan, as ACT has it."""
    energy, grid = part_factor(f"capacitor.{part.type}"), dies.fab_grid("japan")
    mass = count * float(part.needs("mass_kg", "weight"))
    return Priced(
        line=Line(
            name=part.name,
            phase="manufacture",
            factors=(energy.key, grid.key),
            carbon_g=lambda f: mass / 3.6 * f[energy.key] * f[grid.key],
        ),
        factors=(energy, grid),
    )
