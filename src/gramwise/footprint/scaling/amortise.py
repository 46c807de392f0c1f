"""The share of a machine's making, bringing and scrapping that a job owes: its hours over those the machine will serve.

``C_job = (C_manufacture + C_transport + C_end-of-life) device_hours / (lifetime_h utilisation)``. A second life counts
by a longer lifetime and in no other way: there are no credits, and nothing below zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from gramwise.core.footprint import Factor, Phase
from gramwise.core.units import S_PER_HOUR, S_PER_YEAR
from gramwise.footprint.bill import Formula, Line, Values
from gramwise.footprint.factors import factor
from gramwise.footprint.reading import Table

from .account import Account, merge
from .phases import OPERATIONAL, Array, Value

HOURS_PER_YEAR = S_PER_YEAR / S_PER_HOUR
KINDS = ("server", "phone", "sensor")

_ENDS = ("end_of_life_g", "end_of_life_share_frac", "mass_kg")
_KEYS = (
    "name", "serves", "devices", "hours", "kind", "lifetime_years", "second_life_years", "utilisation_frac",
    "manufacture_g", "transport_g", *_ENDS,
)  # fmt: skip


def owed_frac(device_hours: Value, lifetime_h: Value, utilisation_frac: Value) -> Array:
    """Share of one machine's embodied carbon that a job owes: ``device_hours / (lifetime_h x utilisation)``.

    Args:
        device_hours: reserved by the job, h.
        lifetime_h: of the machine, second life included, h.
        utilisation_frac: share of its life that anybody reserves it, above 0 to 1. Scalars or arrays that broadcast.

    Returns:
        Machines' worth; above 1 where several machines are used up.
    """
    return np.asarray(device_hours / (np.asarray(lifetime_h) * utilisation_frac))


def end_of_life_g(made_g: Value, share_frac: Value) -> Array:
    """End of life as a share of the embodied whole, g: ``s / (1 - s) x made_g``.

    Args:
        made_g: manufacture and transport, g.
        share_frac: end of life over manufacture, transport and end of life together, 0 to below 1.

    Returns:
        Grams. A sheet's share is often of the life cycle with its use; then this is a lower bound.
    """
    return np.asarray(np.asarray(made_g) * share_frac / (1.0 - np.asarray(share_frac)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """Machines that a job reserved.

    Attributes:
        name: for the bill; unique.
        serves: operational phase that they were reserved for.
        devices, hours: how many, and hours reserved of each.
        lifetime_years, second_life_years: years in service, and years after that in other hands.
        utilisation_frac: share of its life that anybody reserves a machine. Not the load while it is reserved.
        manufacture_g, transport_g, end_of_life_g: of one machine, g; None where not known, but for manufacture.
        end_of_life_share_frac: see `end_of_life_g`.
        mass_kg: of one machine's cards, with the published grams per kilogram.
    """

    name: str
    serves: Phase
    devices: float
    hours: float
    lifetime_years: Factor
    utilisation_frac: Factor
    manufacture_g: Factor
    transport_g: Factor | None = None
    end_of_life_g: Factor | None = None
    end_of_life_share_frac: Factor | None = None
    mass_kg: Factor | None = None
    second_life_years: Factor | None = None

    @classmethod
    def from_mapping(
        cls, raw: Mapping[str, Any], where: str = "footprint.hardware", file: str | Path | None = None
    ) -> Hardware:
        """Read a ``[[footprint.hardware]]`` table; docs/method/scaling.md lists its keys.

        Raises:
            ConfigError: a key that is unknown, missing, out of range or at odds with another; more hours
                than a life has.
        """
        t = Table(raw, where, _KEYS, file)
        name = t.text("name")
        kind = t.choice("kind", KINDS) if t.has("kind") else None
        ends = [key for key in _ENDS if t.has(key)]
        if len(ends) > 1:
            raise t.fault(ends[1], f"{ends[0]} says the same.", "Keep one of the two.")
        t.need(
            "utilisation_frac", "Write the share of its life that anybody reserves the machine, above 0 to 1."
        )

        def optional(key: str, unit: str, most: float = np.inf) -> Factor | None:
            return t.factor(key, f"hardware.{name}.{key}", unit, most=most, zero=True) if t.has(key) else None

        share = optional("end_of_life_share_frac", "1", 0.99)
        if kind and not ends:
            share = factor("scaling_factors", f"end_of_life.{kind}_share")
        made = cls(
            name=name,
            serves=cast(Phase, t.choice("serves", OPERATIONAL)),
            devices=t.exact("devices"),
            hours=t.exact("hours"),
            lifetime_years=_lifetime(t, name, kind),
            second_life_years=optional("second_life_years", "year"),
            utilisation_frac=t.factor("utilisation_frac", f"hardware.{name}.utilisation_frac", "1", most=1.0),
            manufacture_g=t.factor("manufacture_g", f"hardware.{name}.manufacture_g", "g"),
            transport_g=optional("transport_g", "g"),
            end_of_life_g=optional("end_of_life_g", "g"),
            end_of_life_share_frac=share,
            mass_kg=optional("mass_kg", "kg"),
        )
        if made.hours > made.life_h() * made.utilisation_frac.value:
            raise t.fault(
                "hours",
                f"{made.hours:g} h of one machine are more than it serves in its life "
                f"({made.life_h() * made.utilisation_frac.value:.0f} h).",
                "Write more devices, a longer life or a higher utilisation_frac.",
            )
        return made

    def life_h(self) -> float:
        """Hours of the whole life, second life included."""
        second = self.second_life_years.value if self.second_life_years else 0.0
        return (self.lifetime_years.value + second) * HOURS_PER_YEAR


def _lifetime(t: Table, name: str, kind: str | None) -> Factor:
    if t.has("lifetime_years"):
        return t.factor("lifetime_years", f"hardware.{name}.lifetime_years", "year")
    if kind is None:
        raise t.fault(
            "lifetime_years", "this is required.", f"Write it, or kind = one of {', '.join(KINDS)}."
        )
    return factor("scaling_factors", f"lifetime.{kind}_years")


def hardware_lines(hardware: Sequence[Hardware]) -> Account:
    """What jobs owe for their machines, as lines of manufacture, transport and end of life.

    Args:
        hardware: with names that differ.

    Raises:
        ConfigError: two of one name.
    """
    return merge(_account(h) for h in hardware)


def _account(h: Hardware) -> Account:
    life = [f for f in (h.lifetime_years, h.second_life_years, h.utilisation_frac) if f is not None]
    rows: list[tuple[str, Phase, list[Factor], Formula]] = [
        (f"{h.name}, made", "manufacture", [h.manufacture_g], _read(h.manufacture_g))
    ]
    if h.transport_g:
        rows.append((f"{h.name}, brought", "transport", [h.transport_g], _read(h.transport_g)))
    end = _end(h)
    if end:
        rows.append((f"{h.name}, scrapped", "end-of-life", *end))
    lines = [
        Line(
            name=name,
            phase=phase,
            factors=tuple(dict.fromkeys(f.key for f in (*own, *life))),
            carbon_g=_owed(whole, h),
        )
        for name, phase, own, whole in rows
    ]
    omitted = [] if h.transport_g else [f"{h.name}: transport (transport_g)"]
    omitted += [] if end else [f"{h.name}: end of life (one of {', '.join(_ENDS)})"]
    factors = [f for _, _, own, _ in rows for f in own] + life
    return Account(lines, factors, omitted, dict.fromkeys((line.name for line in lines), h.serves))


def _end(h: Hardware) -> tuple[list[Factor], Formula] | None:
    if h.end_of_life_g:
        return [h.end_of_life_g], _read(h.end_of_life_g)
    if h.mass_kg:
        mass, rate = h.mass_kg, factor("scaling_factors", "end_of_life.card_g_per_kg")
        return [mass, rate], lambda v: v[mass.key] * v[rate.key]
    if h.end_of_life_share_frac:
        share, made = h.end_of_life_share_frac, [f for f in (h.manufacture_g, h.transport_g) if f]
        return [share, *made], lambda v: end_of_life_g(
            sum((np.asarray(v[f.key]) for f in made), np.zeros(())), v[share.key]
        )
    return None


def _read(one: Factor) -> Formula:
    return lambda v: v[one.key]


def _owed(whole: Formula, h: Hardware) -> Formula:
    device_hours = h.devices * h.hours

    def grams(v: Values) -> Value:
        years = v[h.lifetime_years.key] + (v[h.second_life_years.key] if h.second_life_years else 0.0)
        used = v[h.utilisation_frac.key]
        return whole(v) * owed_frac(device_hours, np.asarray(years) * HOURS_PER_YEAR, used)

    return grams
