"""What a CPU second of one process costs above idle, by a meter that sees the whole machine.

Over windows of a second or so the machine's power is held against the CPU seconds that were spent in them. The line
through these points, by least squares,

    P = P_idle + k x (CPU seconds of all processes per second)

splits what the meter counted: its height at rest is the idle share, which nobody's work has caused; its slope is what a
CPU second adds. So the joules of a window above idle are divided among processes by their CPU seconds. No idle power
has to be known before, but the machine must have been seen at different loads.

**Other processes.** The slope is found from the CPU seconds of all. With the process' own part f of their change
(the covariance of its own CPU seconds with all, over the variance of all), the slope of least squares is exactly
``f x k_own + (1 - f) x k_other``. Theirs may cost more or less than ours: the interval has both.

The line is a model of first order: power is a concave curve of load, so that the slope is that of the loads seen.
Sources: Rivoire, Ranganathan and Kozyrakis, "A Comparison of High-Level Full-System Power Models" (HotPower 2008), for
the line; Fan, Weber and Barroso, "Power provisioning for a warehouse-sized computer" (ISCA 2007), for the curve.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEAST_WINDOWS = 10
"""Fewer points make no line whose error could be told. A choice of this project, like the next two."""

MOST_ERROR_FRAC = 0.25
"""Twice the standard error of the slope may be this part of it; a less sure one is none."""

STANDARD_ERRORS = 2.0
"""Of either end of the interval: some 95 % where errors are normal."""


@dataclass(frozen=True, slots=True)
class Window:
    """What two readings of meter and clocks say about the time between them.

    Attributes:
        wall_s: its length, > 0.
        energy_j: that the meter counted, of the whole machine.
        busy_s: CPU seconds of all processes.
        own_s: CPU seconds of the process that is charged, at most ``busy_s``.
    """

    wall_s: float
    energy_j: float
    busy_s: float
    own_s: float


@dataclass(frozen=True, slots=True)
class Marginal:
    """What windows say together.

    Attributes:
        j_per_cpu_s, low, high: joules above idle of a CPU second of the process, with its interval.
        idle_w: power of the machine at rest, as the meter sees it, and the ends of its interval; None where the line
            comes down to 0 W or below before it is at rest: then its height there is no power.
        own_frac: part of the change of load that was the process' own, 0 to 1.
        windows: that were used.
    """

    j_per_cpu_s: float
    low: float
    high: float
    idle_w: tuple[float, float, float] | None
    own_frac: float
    windows: int


def marginal(windows: Sequence[Window], *, meter_frac: float, other_frac: float) -> Marginal | None:
    """The marginal joules of a CPU second, and the idle power, of a machine that was seen at several loads.

    Args:
        windows: of one machine and one process, in any order.
        meter_frac: half width of the meter's own interval, as a fraction.
        other_frac: by how much a CPU second of other processes may cost more or less, as a fraction.

    Returns:
        None where the windows do not tell: fewer than `LEAST_WINDOWS`, all at one load, or so scattered that the slope
        is not known to `MOST_ERROR_FRAC`.
    """
    if len(windows) < LEAST_WINDOWS:
        return None
    whole_s = math.fsum(w.wall_s for w in windows)
    load = math.fsum(w.busy_s for w in windows) / whole_s
    power_w = math.fsum(w.energy_j for w in windows) / whole_s
    own = math.fsum(w.own_s for w in windows) / whole_s
    # Of each window: how far its load, power and own load are from the mean ones, per second; long windows weigh more.
    apart = [
        (w.wall_s, w.busy_s / w.wall_s - load, w.energy_j / w.wall_s - power_w, w.own_s / w.wall_s - own)
        for w in windows
    ]
    spread = math.fsum(wall_s * x * x for wall_s, x, _, _ in apart)
    if not spread > 0.0:
        return None
    slope = math.fsum(wall_s * x * y for wall_s, x, y, _ in apart) / spread
    own_frac = min(1.0, max(0.0, math.fsum(wall_s * x * z for wall_s, x, _, z in apart) / spread))
    scatter = math.fsum(wall_s * (y - slope * x) ** 2 for wall_s, x, y, _ in apart) / (len(windows) - 2)
    slope_error = STANDARD_ERRORS * math.sqrt(scatter / spread)
    idle_error_w = STANDARD_ERRORS * math.sqrt(scatter * (1.0 / whole_s + load * load / spread))
    if not (slope > 0.0 and slope_error <= MOST_ERROR_FRAC * slope):
        return None
    idle_w = power_w - slope * load
    idle_low_w = max(0.0, idle_w - idle_error_w) * (1.0 - meter_frac)
    idle_high_w = (idle_w + idle_error_w) * (1.0 + meter_frac)
    dearer, cheaper = (own_frac + (1.0 - own_frac) * (1.0 + sign * other_frac) for sign in (1, -1))
    return Marginal(
        j_per_cpu_s=slope,
        low=(slope - slope_error) * (1.0 - meter_frac) / dearer,
        high=(slope + slope_error) * (1.0 + meter_frac) / cheaper,
        idle_w=(idle_w, idle_low_w, idle_high_w) if idle_w > 0.0 else None,
        own_frac=own_frac,
        windows=len(windows),
    )
