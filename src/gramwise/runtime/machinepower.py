"""Power of the machine that a measured run is on, and the joules that its CPU seconds stand for.

The model is that of `gramwise.power.model`, with this machine in place of a node's device: a CPU-second occupies one of
its N CPUs, so ``s = 1/N`` and

    E = t_cpu x (P_busy - P_idle) / N

Linear in load, it understates at part load (Fan, Weber and Barroso, "Power provisioning for a warehouse-sized
computer", ISCA 2007, fit a concave curve better); so the high end of the interval follows a measured curve.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from itertools import pairwise

from gramwise.core.errors import ConfigError
from gramwise.core.quantity import Quantity, weakest
from gramwise.fleet.catalogue import device, half_width_frac
from gramwise.footprint.factors import table
from gramwise.power.model import energy_quantity, idle_energy_j


@dataclass(frozen=True, slots=True)
class Power:
    """Power of this machine as a whole.

    Attributes:
        idle_w, busy_w: doing nothing and at full load, watts; None when unknown.
        cpus: CPUs that share the load, N.
    """

    idle_w: Quantity | None
    busy_w: Quantity | None
    cpus: int

    @property
    def missing(self) -> str:
        """What is unknown of idle and busy power, in words; empty when nothing is."""
        if self.idle_w is None:
            return "idle power" if self.busy_w is not None else "power"
        return "busy power" if self.busy_w is None else ""

    def marginal_energy(self, cpu_s: float, wall_s: float) -> Quantity:
        """Joules above idle of ``cpu_s`` CPU seconds spent over ``wall_s`` seconds; both powers are known."""
        assert self.idle_w is not None
        assert self.busy_w is not None
        usage_frac = min(1.0, cpu_s / (wall_s * self.cpus)) if wall_s > 0.0 else 0.0
        speed = Quantity(
            value=1.0 / self.cpus,
            low=1.0 / self.cpus,
            high=part_load_factor(usage_frac) / self.cpus,
            unit="1",
            method="modelled",
            boundary="chip",
            source=f"1 of {self.cpus} CPUs, high end by the load curve: {table('load_curve')['load.0'].source}",
        )
        return energy_quantity(cpu_s, speed=speed, idle_w=self.idle_w, busy_w=self.busy_w)

    def idle_energy(self, reserved_s: float) -> Quantity:
        """Joules of being switched on for ``reserved_s`` seconds; the idle power is known."""
        assert self.idle_w is not None
        return Quantity(
            value=idle_energy_j(reserved_s, self.idle_w.value),
            low=idle_energy_j(reserved_s, self.idle_w.low),
            high=idle_energy_j(reserved_s, self.idle_w.high),
            unit="J",
            method=weakest("modelled", self.idle_w.method),
            boundary=self.idle_w.boundary,
            source=f"reserved time x idle power ({self.idle_w.source})",
        )


def power_of(device_id: str | None, idle_w: float | None, busy_w: float | None, cpus: int | None) -> Power:
    """Power of this machine: as declared, else of the device of the catalogue that it is said to be.

    Args:
        device_id: row of the catalogue, or None.
        idle_w, busy_w: declared watts of the whole machine; None leaves that to the catalogue.
        cpus: of the whole machine; None takes those that this system shows.

    Raises:
        ConfigError: no such device; watts that are not positive, or busy below idle; no CPU.
    """
    facts = device(device_id).facts if device_id is not None else {}
    idle = facts.get("idle_w") if idle_w is None else _declared("idle_w", idle_w)
    busy = facts.get("busy_w") if busy_w is None else _declared("busy_w", busy_w)
    if idle is not None and busy is not None and busy.value < idle.value:
        raise ConfigError(
            f"busy power of {busy.value:g} W is below idle power of {idle.value:g} W.",
            key="busy_w",
            fix="Write the power of the whole machine at full load.",
        )
    if cpus is not None and cpus < 1:
        raise ConfigError(f"a machine has at least one CPU, and {cpus} was given.", key="cpus")
    return Power(idle, busy, cpus or os.cpu_count() or 1)


def _declared(key: str, watts: float) -> Quantity:
    if not 0.0 < watts < math.inf:
        raise ConfigError(f"a machine draws more than 0 W, and {watts} was given.", key=key)
    frac, rule = half_width_frac("declared")
    return Quantity(
        value=watts,
        low=watts * (1 - frac),
        high=watts * (1 + frac),
        unit="W",
        method="assumed",
        boundary="board",
        source=f"{key} declared for this machine (interval: {rule})",
    )


def part_load_factor(usage_frac: float) -> float:
    """How much more than linearly a processor's power above idle rises at part load.

    Args:
        usage_frac: mean share of all CPUs in use, 0 to 1.

    Returns:
        ``f(u) / u`` with ``f(u) = (L(u) - L(0)) / (L(1) - L(0))``, L linear between the points of
        ``data/load_curve.csv``; at u = 0 its limit. At least 1. Since the curve is concave, a load that varies in time
        draws no more than this at its mean.
    """
    curve = {int(key.partition(".")[2]) / 100: row.value for key, row in table("load_curve").items()}
    points = sorted(curve.items())
    span = points[-1][1] - points[0][1]
    usage = max(usage_frac, points[1][0] * 1e-6)
    for (begin, below), (end, above) in pairwise(points):
        if usage <= end:
            level = below + (above - below) * (usage - begin) / (end - begin)
            return max(1.0, (level - points[0][1]) / span / usage)
    return 1.0
