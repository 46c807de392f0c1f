"""Machines and locations as factors of a bill: rates, powers, PUE, intensity."""

from __future__ import annotations

import math

from gramwise.core.errors import ConfigError
from gramwise.core.footprint import Factor
from gramwise.core.series import Series

from .case import Location, Machine


def machine_factors(name: str, machine: Machine) -> dict[str, Factor]:
    """What is known of a machine, by key ``machine.NAME.FIELD``; what was left out has no factor."""
    given = {
        "peak_flop_per_s": (machine.peak_flop_per_s, "FLOP/s"),
        "utilisation_frac": (machine.utilisation_frac, "1"),
        "busy_w": (machine.busy_w, "W"),
        "idle_w": (machine.idle_w, "W"),
        "bytes_per_s": (machine.bytes_per_s, "byte/s"),
    }
    factors = (a.factor(f"machine.{name}.{k}", unit) for k, (a, unit) in given.items() if a is not None)
    return {factor.key: factor for factor in factors}


def location_factors(name: str, place: Location) -> dict[str, Factor]:
    """PUE and intensity of a location, by key.

    Raises:
        DataGap: a series does not cover its window.
        ConfigError: a series in another unit, or an endless one without a window.
    """
    return {
        pue_key(name): place.pue.factor(pue_key(name), "1"),
        intensity_key(name): _intensity(name, place),
    }


def pue_key(location: str) -> str:
    """Key of a location's PUE."""
    return f"location.{location}.pue"


def intensity_key(location: str) -> str:
    """Key of a location's intensity."""
    return f"location.{location}.intensity_g_per_kwh"


def _intensity(name: str, place: Location) -> Factor:
    given = place.intensity_g_per_kwh
    if not isinstance(given, Series):
        return given.factor(intensity_key(name), "g/kWh")
    start_s, end_s = place.window_s or (given.times_s[0], given.end_s)
    endless = not math.isfinite(end_s - start_s)
    if given.unit != "g/kWh" or (endless and len(given.values) > 1):
        raise ConfigError(
            f"the series is in {given.unit}, from {start_s:g} to {end_s:g}.",
            key=f"locations.{name}",
            fix="Use one in g/kWh, and window_s where it has no beginning or end.",
        )
    # a constant series reaches from minus to plus infinity, where a mean is the value itself
    mean = given.mean(start_s, end_s) if not endless else given.values[0]
    return Factor(
        key=intensity_key(name),
        value=mean,
        low=mean,
        high=mean,
        unit="g/kWh",
        method="modelled",
        source=f"{given.source}, mean over the window",
        spread="exact",
    )
