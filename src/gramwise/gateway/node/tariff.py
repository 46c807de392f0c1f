"""What a CPU second of this node costs in joules, and what the node costs while it does nothing.

Where the machine has a meter, `gramwise.gateway.node.metering` renews it. Without, there are two ways to know it: the
machine *is* a device of the catalogue (a CPU second occupies one of its CPUs), or the process *stands for* a node of a
scenario (a CPU second of this host takes so many seconds of that device). Both are models:
`gramwise.runtime.machinepower` and `gramwise.runtime.pricing` hold their equations. Without either nothing is known,
and nothing is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gramwise.core.errors import ConfigError, did_you_mean
from gramwise.core.machines import Node
from gramwise.core.quantity import Quantity
from gramwise.gateway.oip.head import Scalar

from .settings import Settings

CPU_TIME = "cpu-time"
"""Where prices come from without a meter: CPU seconds, and the power of a device."""


@dataclass(slots=True)
class Tariff:
    """Prices of a node. They change only on the event loop; a price is read once for each answer.

    Attributes:
        j_per_cpu_s: marginal joules of a CPU second; None when nobody knows.
        idle_w: watts of the device doing nothing; None when nobody knows.
        device: its id in the catalogue or the scenario; empty for none.
        source: how it is known: `CPU_TIME`, or the name of the meter.
    """

    j_per_cpu_s: Quantity | None = None
    idle_w: Quantity | None = None
    device: str = ""
    source: str = CPU_TIME

    def told(self, cpu_s: float) -> dict[str, Scalar]:
        """Response parameters for the energy of ``cpu_s`` CPU seconds; none when their price is unknown."""
        price = self.j_per_cpu_s
        if price is None:
            return {}
        return {
            "energy_joules": cpu_s * price.value,
            "energy_joules_low": cpu_s * price.low,
            "energy_joules_high": cpu_s * price.high,
            "energy_method": price.method,
            "energy_boundary": price.boundary,
        }

    def energy_j(self, cpu_s: float) -> float | None:
        """Joules of ``cpu_s`` CPU seconds; None when their price is unknown."""
        price = self.j_per_cpu_s
        return None if price is None else cpu_s * price.value


def tariff(settings: Settings) -> Tariff:
    """The prices of the node that these settings describe. Measuring the host's rate may take a second.

    Raises:
        ConfigError: no such device or node, or a scenario that cannot be used.
        MeterError: the rate of this host was needed and could not be measured.
    """
    if settings.scenario is not None and settings.as_node is not None:
        return _of_node(_node(settings.scenario, settings.as_node))
    if settings.device is not None:
        return _of_machine(settings.device)
    return Tariff()


def _of_machine(device_id: str) -> Tariff:
    from gramwise.runtime.machinepower import power_of

    power = power_of(device_id, None, None, None)
    # Over no time at all the load is unknown: the interval then covers every load.
    price = None if power.missing else power.marginal_energy(1.0, 0.0)
    return Tariff(price, power.idle_w, device_id)


def _of_node(node: Node) -> Tariff:
    from gramwise.power.model import host_rate_flop_per_s
    from gramwise.runtime.pricing import cpu_price, needs_host_rate

    host = host_rate_flop_per_s() if needs_host_rate([node]) else None
    prices = cpu_price([node], host)
    return Tariff(prices.j_per_cpu_s[node.name], prices.idle_w[node.name], node.device.id)


def _node(file: Path, name: str) -> Node:
    from gramwise.fleet.scenario import load_scenario

    nodes = {node.name: node for node in load_scenario(file).node_records()}
    if name not in nodes:
        raise ConfigError(f"it has no node {name!r}.", file=file, key="nodes", fix=did_you_mean(name, nodes))
    return nodes[name]
