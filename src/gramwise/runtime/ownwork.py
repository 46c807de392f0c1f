"""What planning itself emits: CPU seconds of this process, watts of a core, the grid it stands on. All modelled."""

from __future__ import annotations

import math
from typing import Any

from gramwise.core.units import J_PER_KWH
from gramwise.footprint.factors import factor
from gramwise.grid.sources.annual import Annual


def own_work(cpu_s: float, zone: str | None, plan_g: float | None) -> dict[str, Any]:
    """Grams of ``cpu_s`` CPU seconds, with their interval, and what they are beside the plan's.

    Args:
        cpu_s: seconds of one core.
        zone: where this machine stands; None for the world's mean, with the range that grids have as interval.
        plan_g: grams of the plan; None where there is none.

    Raises:
        ConfigError: no such zone.
        DataGap: a zone without a figure.
    """
    watts = factor("offload", "own.core_w")
    grid = Annual().intensity(zone or "WORLD")
    low, high = grid.quantity.low, grid.quantity.high
    if zone is None:
        anywhere = factor("offload", "own.intensity_g_per_kwh")
        low, high = anywhere.low, anywhere.high
    grams = cpu_s * watts.value * grid.quantity.value / J_PER_KWH
    return {
        "cpu_s": cpu_s,
        "energy_j": cpu_s * watts.value,
        "carbon_g": grams,
        "low_g": cpu_s * watts.low * low / J_PER_KWH,
        "high_g": cpu_s * watts.high * high / J_PER_KWH,
        "method": "modelled",
        "watts_source": watts.source,
        "intensity_source": grid.quantity.source
        if zone
        else f"{grid.quantity.source}; where this machine is, is unknown",
        "verdict": _verdict(grams, plan_g),
    }


def _verdict(own_g: float, plan_g: float | None) -> str:
    if plan_g is None or not math.isfinite(plan_g) or plan_g <= 0:
        return ""
    share = own_g / plan_g
    if share >= 1:
        return "That is more than the plan emits: worth it only if the plan is used many times."
    return f"That is {share * 100:.2g} % of the plan."
