"""Priced parts: a quantity times a factor is a line of the bill, in grams.

Every part whose footprint is proportional to something countable (a package, cm2 of board, GB of memory, kWh of
battery, kg of steel, tonne-kilometres) is made here. A quantity may be a plain number, exact by definition, or a factor
with an interval of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from gramwise.core.errors import ConfigError, did_you_mean
from gramwise.core.footprint import Factor, Phase
from gramwise.footprint.bill import Line
from gramwise.footprint.factors import table

TABLE = "embodied_parts"
GRAMS_PER_KG = 1000.0
_GRAMS = {"kg": GRAMS_PER_KG, "g": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """A line of a bill together with the factors that it reads."""

    line: Line
    factors: tuple[Factor, ...]


def part_factor(key: str, extra: Mapping[str, Factor] | None = None) -> Factor:
    """A factor by key: the caller's own first, then the shipped table.

    Args:
        key: for instance ``"package.ic"``; the shipped ones are the rows of ``data/embodied_parts.csv``.
        extra: the caller's own factors by key (passives, for instance, which are not shipped).

    Raises:
        ConfigError: neither knows the key; names the nearest.
    """
    found = (extra or {}).get(key) or table(TABLE).get(key)
    if found is None:
        known = [*(extra or {}), *table(TABLE)]
        raise ConfigError(f"there is no factor {key!r}.", key=key, fix=did_you_mean(key, known))
    return found


def priced(
    name: str, quantity: float | Factor, price: Factor, *, phase: Phase = "manufacture", scale: float = 1.0
) -> Priced:
    """``quantity x scale x price`` as one line, in grams.

    Args:
        name: of the line.
        quantity: how much, in the unit that the price is per; not negative.
        price: in kg or g CO2e per that unit (unit ``"kg/..."`` or ``"g/..."``).
        phase: of the line.
        scale: exact multiplier, for instance a conversion of units.

    Raises:
        ConfigError: a negative quantity, or a price that is not in grams or kilograms.
    """
    mass, slash, _ = price.unit.partition("/")
    if not slash or mass not in _GRAMS:
        raise ConfigError(
            f"a price must be in kg or g per something, not in {price.unit!r}.",
            key=price.key,
            fix="Write kg/piece.",
        )
    grams = _GRAMS[mass] * scale
    if isinstance(quantity, Factor):
        amount = quantity
        return Priced(
            line=Line(
                name=name,
                phase=phase,
                factors=(amount.key, price.key),
                carbon_g=lambda f: f[amount.key] * f[price.key] * grams,
            ),
            factors=(amount, price),
        )
    count = checked(quantity, f"{name}.quantity")
    line = Line(name=name, phase=phase, factors=(price.key,), carbon_g=lambda f: count * f[price.key] * grams)
    return Priced(line=line, factors=(price,))


def checked(value: float, key: str, *, zero: bool = True) -> float:
    """The value, if it is finite and not negative (nor zero, unless ``zero``).

    Raises:
        ConfigError: it is not; names the key.
    """
    if not math.isfinite(value) or value < 0.0 or (value == 0.0 and not zero):
        raise ConfigError(
            f"{value} makes no sense here.",
            key=key,
            fix=f"Write {'zero or more' if zero else 'more than zero'}.",
        )
    return value


def board(name: str, area_cm2: float, layers: int) -> Priced:
    """A printed circuit board: area times grams per cm2, linear in the layers between 4 and 8.

    Up to four layers the price is that of four, and above eight it grows on at the same slope; both are extrapolations.
    Source: block over typical area in Pirson and Bol 2021.

    Args:
        area_cm2: of the board, more than zero.
        layers: at least one.
    """
    area = checked(area_cm2, f"{name}.area", zero=False)
    if layers < 1:
        raise ConfigError(f"{layers} layers make no board.", key=f"{name}.layers", fix="Write at least 1.")
    four, eight = part_factor("pcb.4_layers"), part_factor("pcb.8_layers")
    share = max(0.0, (layers - 4) / 4.0)
    if share == 0.0:
        return priced(name, area, four)
    return Priced(
        line=Line(
            name=name,
            phase="manufacture",
            factors=(four.key, eight.key),
            carbon_g=lambda f: area * ((1.0 - share) * f[four.key] + share * f[eight.key]),
        ),
        factors=(four, eight),
    )


def shipped(name: str, mass_kg: float, legs_km: Mapping[str, float]) -> list[Priced]:
    """Transport: mass times distance times grams per kg and km, a line for each leg.

    Args:
        name: of what is shipped.
        mass_kg: packed.
        legs_km: kilometres by ``"truck"``, ``"boat"`` or ``"plane"``.

    Raises:
        ConfigError: another means of transport.
    """
    mass = checked(mass_kg, f"{name}.mass_kg")
    return [
        priced(
            f"{name}, {means}",
            mass,
            part_factor(f"transport.{means}"),
            phase="transport",
            scale=checked(km, f"{name}.{means}"),
        )
        for means, km in legs_km.items()
    ]


def truncated(items: list[Priced]) -> list[Priced]:
    """The same lines times the truncation multiplier: what a bottom-up list leaves out.

    Pirson and Bol (2021) found that bottom-up totals were about half of vendor reports. Optional, and an upper account.
    """
    factor = part_factor("truncation")
    return [multiplied(item, factor) for item in items]


def multiplied(item: Priced, factor: Factor) -> Priced:
    """The same line times one more factor, whose draw it shares with every other line that has it."""
    plain = item.line.carbon_g
    line = replace(
        item.line,
        factors=(*item.line.factors, factor.key),
        carbon_g=lambda f: plain(f) * f[factor.key],
    )
    return Priced(line=line, factors=(*item.factors, factor))
