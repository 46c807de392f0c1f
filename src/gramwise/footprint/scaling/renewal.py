"""Fleet renewal: when a newer, thriftier machine has repaid its making, and whether to keep or replace over a horizon.

All formulas take scalars or arrays that broadcast, so a table over work rates and intensities is one call. A grid that
gets cleaner every year is an exponential decline of its intensity. *Never* is infinity. The making of the old machine
is paid and stands in neither choice.
"""

from __future__ import annotations

import numpy as np

from gramwise.core.units import J_PER_KWH, S_PER_YEAR

from .phases import Array, Value


def fleet_power_w(devices: Value, idle_w: Value, units_per_s: Value, j_per_unit: Value) -> Array:
    """Mean power of machines that share a stream of work, W.

    Args:
        devices: how many are on.
        idle_w: of one, W.
        units_per_s: of work, all machines together.
        j_per_unit: energy of one unit above idle, J.

    Returns:
        ``devices x idle_w + units_per_s x j_per_unit``.
    """
    return np.asarray(np.asarray(devices) * idle_w + np.asarray(units_per_s) * j_per_unit)


def decline_per_s(decline_frac_per_year: Value) -> Array:
    """Continuous rate of a yearly decline: 0.05 means that intensity is 5 % lower after each year.

    Args:
        decline_frac_per_year: below 1; below 0 for a grid that gets dirtier.
    """
    return np.asarray(-np.log1p(-np.asarray(decline_frac_per_year, dtype=float)) / S_PER_YEAR)


def running_g(
    power_w: Value, intensity_g_per_kwh: Value, pue: Value, start_s: Value, end_s: Value, decline: Value = 0.0
) -> Array:
    """Grams of constant power from ``start_s`` to ``end_s`` under an intensity that declines from time 0.

    Args:
        power_w: W, before PUE.
        intensity_g_per_kwh: at time 0, g/kWh.
        pue: at least 1.
        start_s, end_s: seconds from now; nothing is drawn where the end is not after the start.
        decline: as `decline_per_s`.

    Returns:
        ``P PUE CI_0 (exp(-d start) - exp(-d end)) / d``, and ``P PUE CI_0 (end - start)`` for no decline, g.
    """
    start, end = np.asarray(start_s, dtype=float), np.maximum(end_s, start_s)
    d = np.asarray(decline, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        effective_s = np.where(d == 0.0, end - start, np.exp(-d * start) * -np.expm1(-d * (end - start)) / d)
    return np.asarray(np.asarray(power_w) * pue * intensity_g_per_kwh / J_PER_KWH * effective_s)


def payback_s(
    making_g: Value, saved_w: Value, intensity_g_per_kwh: Value, pue: Value, decline: Value = 0.0
) -> Array:
    """Seconds after which a new machine's savings equal its making.

    Args:
        making_g: manufacture, transport and end of life of all new machines, g.
        saved_w: power of the old less that of the new at the same work, W; may be below 0.
        intensity_g_per_kwh: now, g/kWh.
        pue: at least 1.
        decline: of the intensity, as `decline_per_s`.

    Returns:
        ``M / s`` with ``s = saved_w PUE CI / 3.6e6`` grams a second; under decline ``d``: ``-ln(1 - d M / s) / d``. Inf
        where nothing is saved, or where a grid that gets cleaner leaves too little to save.
    """
    making = np.asarray(making_g, dtype=float)
    per_s = np.asarray(saved_w, dtype=float) * pue * intensity_g_per_kwh / J_PER_KWH
    d = np.asarray(decline, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        flat = making / per_s
        left = -d * flat
        # log1p of what lies below -1 has no value: the whole future saves less than the making.
        declining = np.where(left > -1.0, -np.log1p(np.maximum(left, -1.0)) / d, np.inf)
        repaid = np.where(d == 0.0, flat, declining)
    return np.where(making == 0.0, 0.0, np.where(per_s > 0.0, repaid, np.inf))


def makings(span_s: Value, life_s: Value) -> Array:
    """Machines one after the other that a span needs, each made whole: ``ceil(span / life)``, 0 for no span.

    Args:
        span_s: 0 or more, s.
        life_s: above 0, s.
    """
    # A span of exactly n lives must not need one more for a rounding of the last bit.
    return np.asarray(np.ceil(np.maximum(span_s, 0.0) / np.asarray(life_s, dtype=float) - 1e-9).clip(min=0.0))


def keep_g(
    *,
    old_w: Value,
    new_w: Value,
    making_g: Value,
    new_life_s: Value,
    remaining_s: Value,
    intensity_g_per_kwh: Value,
    pue: Value,
    horizon_s: Value,
    decline: Value = 0.0,
) -> Array:
    """Grams over a horizon if the old machines run until they fail and the new follow, g.

    Args:
        old_w, new_w: power at the same work, W.
        making_g: of all new machines, g.
        new_life_s, remaining_s: life of a new machine, and what is left of the old one's, s; inf where it outlasts all.
        intensity_g_per_kwh, pue, decline: as in `payback_s`.
        horizon_s: s.
    """
    change_s = np.minimum(remaining_s, horizon_s)
    old = running_g(old_w, intensity_g_per_kwh, pue, 0.0, change_s, decline)
    new = running_g(new_w, intensity_g_per_kwh, pue, change_s, horizon_s, decline)
    return np.asarray(old + new + making_g * makings(horizon_s - change_s, new_life_s))


def replace_g(
    *,
    new_w: Value,
    making_g: Value,
    new_life_s: Value,
    intensity_g_per_kwh: Value,
    pue: Value,
    horizon_s: Value,
    decline: Value = 0.0,
) -> Array:
    """Grams over a horizon if the new machines come now; arguments as in `keep_g`."""
    run = running_g(new_w, intensity_g_per_kwh, pue, 0.0, horizon_s, decline)
    return np.asarray(run + making_g * makings(horizon_s, new_life_s))
