"""A device's day and life: inferences, sleep, radio, sensor, what supply and battery lose, and worn-out batteries.

    E_load  = N E_inf + P_sleep (86400 - N t_active) + N_tx (E_radio + bytes e_radio) + E_sensor        joules a day
    E_meter = E_load / (eta_regulator eta_supply) + 86400 P_no_load                                     on the mains
            = E_load / (eta_regulator eta_charger)                                                      rechargeable

times the intensity of the electricity: of the hours it runs in on the mains, of the hours it *charges* in from a
battery (see `charging`). A battery is worn out after ``capacity x cycles``; every one beyond the first is made for this
duty. A primary cell takes no electricity from the grid: only its making counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from gramwise.core.errors import ConfigError
from gramwise.core.footprint import Factor, Phase, factor_of
from gramwise.core.quantity import Quantity
from gramwise.core.units import J_PER_KWH, S_PER_DAY
from gramwise.footprint.bill import Line, Value, Values

Supply = Literal["mains", "rechargeable", "primary"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    """What is worn out.

    Attributes:
        capacity_j: usable energy of one charge, at its terminals.
        cycles: full charges until it is replaced; 1 for a primary cell.
        embodied_g: grams CO2e to make one.
    """

    capacity_j: Quantity
    cycles: float
    embodied_g: Quantity

    def __post_init__(self) -> None:
        _positive("battery.capacity_j", self.capacity_j.low)
        _positive("battery.cycles", self.cycles)
        _not_negative("battery.embodied_g", self.embodied_g.low)


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """What a device does all day. Optional parts left None are not in the bill; `not_included` names them.

    Attributes:
        name: of the device; prefix of its factors' keys.
        inferences_per_day: N.
        inference_j: joules of one, at the load.
        active_s: awake for one inference, radio included; N of them fit into a day.
        sleep_w: power asleep.
        supply: mains, rechargeable or primary.
        regulator_frac: efficiency from battery or supply to load.
        life_days: service life.
        intensity: grams a kWh of the electricity it takes, at the hours it takes it; None for a primary cell only.
        supply_frac: efficiency of the mains supply, or of charger and battery together; None for a primary cell only.
        no_load_w: what a mains supply draws by itself.
        transmissions_per_day, payload_bytes: messages and their size.
        radio_j: of one message, whatever its size (wake-up, join, receive window).
        radio_j_per_byte: on top of that.
        sensor_j_per_day: sensing that no inference counts.
        battery: needed unless on the mains.
    """

    name: str
    inferences_per_day: float
    inference_j: Quantity
    active_s: float
    sleep_w: Quantity
    supply: Supply
    regulator_frac: Quantity
    life_days: float
    intensity: Factor | None = None
    supply_frac: Quantity | None = None
    no_load_w: Quantity | None = None
    transmissions_per_day: float = 0.0
    payload_bytes: float = 0.0
    radio_j: Quantity | None = None
    radio_j_per_byte: Quantity | None = None
    sensor_j_per_day: Quantity | None = None
    battery: Battery | None = None

    def __post_init__(self) -> None:
        if self.supply not in get_args(Supply):
            raise ConfigError(
                f"unknown supply {self.supply!r}.", key="supply", fix=f"Write one of {get_args(Supply)}."
            )
        for key in ("inferences_per_day", "active_s", "transmissions_per_day", "payload_bytes"):
            _not_negative(key, getattr(self, key))
        for key in ("inference_j", "sleep_w", "no_load_w", "radio_j", "radio_j_per_byte", "sensor_j_per_day"):
            quantity = getattr(self, key)
            if quantity is not None:
                _not_negative(key, quantity.low)
        _positive("life_days", self.life_days)
        for key in ("regulator_frac", "supply_frac"):
            share = getattr(self, key)
            if share is not None and not 0.0 < share.low <= share.high <= 1.0:
                raise ConfigError(f"an efficiency lies in (0, 1], not {share}.", key=key)
        if self.inferences_per_day * self.active_s > S_PER_DAY:
            raise ConfigError(
                f"{self.inferences_per_day:g} inferences of {self.active_s:g} s do not fit into a day.",
                key="active_s",
            )
        self._whole()

    def _whole(self) -> None:
        """What one supply needs and another cannot have."""
        wired, fed = self.supply == "mains", self.supply != "primary"
        wanted = {"intensity": fed, "supply_frac": fed, "battery": not wired}
        if self.transmissions_per_day:
            wanted |= {"radio_j": True, "radio_j_per_byte": True}
        for key, needed in wanted.items():
            if needed and getattr(self, key) is None:
                raise ConfigError(f"is needed for a {self.supply} device that does this.", key=key)
        for key, allowed in (
            ("intensity", fed),
            ("supply_frac", fed),
            ("battery", not wired),
            ("no_load_w", wired),
        ):
            if not allowed and getattr(self, key) is not None:
                raise ConfigError(f"a {self.supply} device has none.", key=key, fix="Leave it out.")
        if self.intensity is not None and self.intensity.unit != "g/kWh":
            raise ConfigError(f"must be in g/kWh, not {self.intensity.unit}.", key="intensity")
        if self.supply == "primary" and self.battery is not None and self.battery.cycles != 1.0:
            raise ConfigError("a primary cell is used once.", key="battery.cycles", fix="Write 1.")


def lines(duty: Duty, span_days: float | None = None) -> tuple[list[Line], list[Factor]]:
    """Lines and factors of a duty, for `gramwise.footprint.bill.bill`.

    Args:
        duty: of one device.
        span_days: how much of its life the account covers; the whole of it for None, 1 for a day. Replaced batteries
            are spread evenly over the life.

    Returns:
        Lines inference, sleep, radio, sensor, no load and battery replacements, those that the duty has. Joules are at
        the meter. Batteries are whole ones, so their number in an interval moves in steps.
    """
    days = duty.life_days if span_days is None else span_days
    _positive("span_days", days)
    found = [_metered(duty, part, days) for part in _parts(duty)] if duty.supply != "primary" else []
    if duty.battery is not None:
        found.append(_replacements(duty, days))
    wanted = {key for line in found for key in line.factors}
    return found, [f for key, f in _factors(duty).items() if key in wanted]


def meter_j_per_day(duty: Duty) -> dict[str, float]:
    """Joules a day at the meter by part, at the best estimates; empty for a primary cell, which has no meter."""
    values = {key: f.value for key, f in _factors(duty).items()}
    metered, _ = lines(duty, 1.0)
    return {
        line.name.removeprefix(f"{duty.name}, "): float(line.energy_j(values))
        for line in metered
        if line.energy_j is not None
    }


def batteries(duty: Duty) -> int:
    """How many batteries the life takes, the first one included; 0 on the mains."""
    if duty.battery is None:
        return 0
    values = {key: f.value for key, f in _factors(duty).items()}
    return 1 + int(_worn_out(duty)(values))


def not_included(duty: Duty) -> tuple[str, ...]:
    """What the lines leave out, in words."""
    left_out = []
    if duty.sensor_j_per_day is None:
        left_out.append(f"{duty.name}: sensing that no inference counts, which is unknown.")
    if duty.supply == "mains" and duty.no_load_w is None:
        left_out.append(f"{duty.name}: what its mains supply draws by itself, which is unknown.")
    if duty.battery is not None:
        left_out.append(f"{duty.name}: its first battery, which belongs to making the device.")
    return tuple(left_out)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Joules a day at the load (at the meter for ``no_load``), as a formula of the duty's factors."""

    name: str
    phase: Phase
    keys: tuple[str, ...]
    load_j: Callable[[Values], Value]
    lossy: bool = True


def _parts(duty: Duty) -> list[_Part]:
    at, n = f"{duty.name}.", duty.inferences_per_day
    asleep_s = S_PER_DAY - n * duty.active_s
    parts = [
        _Part(
            name="inference",
            phase="inference",
            keys=(at + "inference_j",),
            load_j=lambda v: n * v[at + "inference_j"],
        ),
        _Part(
            name="sleep", phase="idle", keys=(at + "sleep_w",), load_j=lambda v: asleep_s * v[at + "sleep_w"]
        ),
    ]
    if duty.transmissions_per_day:
        sent, size = duty.transmissions_per_day, duty.payload_bytes
        parts.append(
            _Part(
                name="radio",
                phase="network",
                keys=(at + "radio_j", at + "radio_j_per_byte"),
                load_j=lambda v: sent * (v[at + "radio_j"] + size * v[at + "radio_j_per_byte"]),
            )
        )
    if duty.sensor_j_per_day is not None:
        key = at + "sensor_j_per_day"
        parts.append(_Part(name="sensor", phase="data", keys=(key,), load_j=lambda v: v[key]))
    if duty.no_load_w is not None:
        key_w = at + "no_load_w"
        parts.append(
            _Part(
                name="no load",
                phase="idle",
                keys=(key_w,),
                load_j=lambda v: S_PER_DAY * v[key_w],
                lossy=False,
            )
        )
    return parts


def _metered(duty: Duty, part: _Part, days: float) -> Line:
    assert duty.intensity is not None  # checked when the duty was made
    grams_key = duty.intensity.key
    losses = (f"{duty.name}.regulator_frac", f"{duty.name}.supply_frac") if part.lossy else ()

    def energy_j(v: Values) -> Value:
        joules = days * part.load_j(v)
        for key in losses:
            joules = joules / v[key]
        return joules

    return Line(
        name=f"{duty.name}, {part.name}",
        phase=part.phase,
        factors=(*part.keys, *losses, grams_key),
        carbon_g=lambda v: energy_j(v) * v[grams_key] / J_PER_KWH,
        energy_j=energy_j,
        boundary="wall",
    )


def _worn_out(duty: Duty) -> Callable[[Values], Value]:
    """Batteries beyond the first over the whole life."""
    assert duty.battery is not None
    at, life, cycles = f"{duty.name}.", duty.life_days, duty.battery.cycles
    parts = [part for part in _parts(duty) if part.lossy]

    def formula(v: Values) -> Value:
        drawn_j: Value = 0.0
        for part in parts:
            drawn_j = drawn_j + part.load_j(v)
        needed = life * drawn_j / v[at + "regulator_frac"] / (cycles * v[at + "battery_j"])
        return np.asarray(np.maximum(np.ceil(needed) - 1.0, 0.0), dtype=float)

    return formula


def _replacements(duty: Duty, days: float) -> Line:
    count, at = _worn_out(duty), f"{duty.name}."
    keys = [key for part in _parts(duty) if part.lossy for key in part.keys]
    return Line(
        name=f"{duty.name}, battery replacements",
        phase="manufacture",
        factors=(*keys, at + "regulator_frac", at + "battery_j", at + "battery_g"),
        carbon_g=lambda v: count(v) * v[at + "battery_g"] * (days / duty.life_days),
    )


def _factors(duty: Duty) -> dict[str, Factor]:
    known = {
        key: getattr(duty, key)
        for key in (
            *("inference_j", "sleep_w", "regulator_frac", "supply_frac"),
            *("no_load_w", "radio_j", "radio_j_per_byte", "sensor_j_per_day"),
        )
    }
    if duty.battery is not None:
        known |= {"battery_j": duty.battery.capacity_j, "battery_g": duty.battery.embodied_g}
    found = [factor_of(f"{duty.name}.{key}", q, "triangular") for key, q in known.items() if q is not None]
    if duty.intensity is not None:
        found.append(duty.intensity)
    return {f.key: f for f in found}


def _positive(key: str, number: float) -> None:
    if not 0.0 < number < math.inf:
        raise ConfigError(f"must be positive, not {number}.", key=key)


def _not_negative(key: str, number: float) -> None:
    if not 0.0 <= number < math.inf:
        raise ConfigError(f"must be zero or more, not {number}.", key=key)
