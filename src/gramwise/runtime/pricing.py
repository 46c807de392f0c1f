"""What a CPU second costs on each node, in joules, with its interval and story."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gramwise.core.errors import ConfigError
from gramwise.core.machines import Node
from gramwise.core.quantity import Method, Quantity
from gramwise.power.model import energy_quantity, speed_factor_quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuPrice:
    """Joules of one CPU second by node, and idle watts.

    Attributes:
        j_per_cpu_s: marginal joules per CPU second, by node; None when the device's power is unknown.
        idle_w: by node; None when unknown.
    """

    j_per_cpu_s: Mapping[str, Quantity | None]
    idle_w: Mapping[str, Quantity | None]

    def method(self, node: str) -> Method:
        """How the energies of ``node`` are known."""
        price = self.j_per_cpu_s[node]
        return "assumed" if price is None else price.method

    def energy_j(self, node: str, cpu_s: float) -> float:
        """Joules of ``cpu_s`` CPU seconds on ``node``; NaN when its power is unknown."""
        price = self.j_per_cpu_s[node]
        return math.nan if price is None else cpu_s * price.value


def cpu_price(nodes: Sequence[Node], host_flop_per_s: Quantity | None) -> CpuPrice:
    """Price the CPU seconds of each node by its device.

    Args:
        nodes: with devices from the catalogue or the scenario.
        host_flop_per_s: measured rate of this host, for nodes that declare no speed factor; None when all do.

    Raises:
        ConfigError: a node needs a speed factor that cannot be worked out.
    """
    return CpuPrice(
        j_per_cpu_s={node.name: _price(node, host_flop_per_s) for node in nodes},
        idle_w={node.name: node.device.facts.get("idle_w") for node in nodes},
    )


def _price(node: Node, host_flop_per_s: Quantity | None) -> Quantity | None:
    idle_w, busy_w = (node.device.facts.get(field) for field in ("idle_w", "busy_w"))
    if idle_w is None or busy_w is None:
        return None
    return energy_quantity(1.0, speed=_speed(node, host_flop_per_s), idle_w=idle_w, busy_w=busy_w)


def _speed(node: Node, host_flop_per_s: Quantity | None) -> Quantity:
    if node.speed_factor is not None:
        return Quantity(
            value=node.speed_factor,
            low=node.speed_factor,
            high=node.speed_factor,
            unit="1",
            method="assumed",
            boundary="board",
            source=f"declared in the scenario for {node.name}, without an interval",
        )
    rate = node.device.facts.get("sustained_flop_per_s")
    if rate is None or host_flop_per_s is None:
        raise ConfigError(
            f"device {node.device.id!r} has no measured rate, so its speed against this host is unknown.",
            key=f"nodes.{node.name}.speed_factor",
            fix="Write the seconds that the whole device needs for one CPU-second of this host's work.",
        )
    return speed_factor_quantity(host_flop_per_s, rate)


def needs_host_rate(nodes: Sequence[Node]) -> bool:
    """Whether any node leaves its speed factor to be worked out."""
    return any(node.speed_factor is None for node in nodes)
