"""What an optimiser emits itself, and after how many solves that is paid back.

g = CPU-seconds x W per core x gCO2e/kWh / 3.6e6
break-even = training g / (g saved per solve against a named baseline - g of one answer)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gramwise.core.quantity import Quantity
from gramwise.core.units import J_PER_KWH
from gramwise.footprint.factors import factor


def emitted_g(cpu_s: float, intensity_g_per_kwh: float | None = None) -> Quantity:
    """Grams of computing.

    Args:
        cpu_s: CPU-seconds of all threads.
        intensity_g_per_kwh: of the grid; by default the row ``own.intensity_g_per_kwh``, whose interval is wide.

    Returns:
        gCO2e with the interval of watts per core and of the grid; modelled, never measured: time was, power was not.

    Raises:
        ValueError: negative seconds.
    """
    if cpu_s < 0:
        raise ValueError("CPU-seconds are not negative")
    watt = factor("offload", "own.core_w")
    grid = factor("offload", "own.intensity_g_per_kwh")
    ends = (grid.low, grid.value, grid.high) if intensity_g_per_kwh is None else (intensity_g_per_kwh,) * 3
    low, mid, high = (
        cpu_s * w * i / J_PER_KWH for w, i in zip((watt.low, watt.value, watt.high), ends, strict=True)
    )
    where = grid.source if intensity_g_per_kwh is None else "the intensity given"
    return Quantity(
        value=mid,
        low=low,
        high=high,
        unit="g",
        method="assumed",
        boundary="wall",
        source=f"CPU-seconds measured; {watt.source}; {where}",
    )


@dataclass(frozen=True, slots=True)
class BreakEven:
    """Solves after which training is paid back: 0 where there was none, infinite where it never is; and in words."""

    solves: float
    words: str


def break_even(train_g: float, saved_g: float, answer_g: float, baseline: str) -> BreakEven:
    """How many solves pay for the training.

    Args:
        train_g: of training, gCO2e.
        saved_g: mean saving of a solve against the baseline, gCO2e; negative where the baseline is better.
        answer_g: what an answer emits more than one of the baseline, gCO2e.
        baseline: its name.
    """
    net = saved_g - answer_g
    if not math.isfinite(net) or not math.isfinite(train_g):
        return BreakEven(math.nan, "unknown")
    if net <= 0:
        why = "saves nothing" if saved_g <= 0 else "saves less than it emits"
        return BreakEven(math.inf, f"never: against {baseline} it {why}")
    if train_g == 0:
        return BreakEven(0.0, f"at once: no training, and it saves against {baseline}")
    solves = math.ceil(train_g / net * (1 - 1e-12))
    return BreakEven(float(solves), f"after {solves} solves against {baseline}")
