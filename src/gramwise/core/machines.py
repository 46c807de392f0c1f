"""What machines and links are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .quantity import Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A kind of hardware, a row of the catalogue. What is not known is None.

    Attributes:
        id: catalogue key.
        name: for people.
        device_class: mcu, sbc, edge_gpu, mini_pc, server_cpu, gpu, npu ...
        peak_flop_per_s: vendor or nominal peak by precision (multiply and add counted separately).
        sustained_flop_per_s: measured whole-device double-precision rate (HPL), or None.
        memory_bytes_per_s: memory bandwidth.
        memory_bytes: size of its memory.
        idle_w: power of the whole device doing nothing, watts.
        busy_w: power of the whole device at full load, watts.
        embodied_g: grams CO2e to make it.
        lifetime_s: expected service life.
        facts: for every figure above that is known, its `Quantity` (interval, method, boundary, source), by field name.
    """

    id: str
    name: str
    device_class: str
    peak_flop_per_s: Mapping[str, float] = field(default_factory=dict)
    sustained_flop_per_s: float | None = None
    memory_bytes_per_s: float | None = None
    memory_bytes: int | None = None
    idle_w: float | None = None
    busy_w: float | None = None
    embodied_g: float | None = None
    lifetime_s: float | None = None
    facts: Mapping[str, Quantity] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """How tensors reach a node.

    Attributes:
        bytes_per_s: bandwidth; None means not declared.
        rtt_s: round-trip time, seconds.
        energy_j_per_byte: marginal energy of sending one byte; None means not known (never taken as 0 in a report).
        receive_j_per_byte: marginal energy of receiving one byte, spent on the receiver's grid; None where
            ``energy_j_per_byte`` already counts both ends.
        source: of the energy figure.
    """

    bytes_per_s: float | None = None
    rtt_s: float = 0.0
    energy_j_per_byte: float | None = None
    receive_j_per_byte: float | None = None
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A machine that serves.

    Attributes:
        name: unique in the scenario.
        zone: grid zone.
        device: what it is.
        cpu_share: CPU cores of the host that it may use (0.4 is 40 % of one core).
        memory_bytes: cap.
        slots: requests it runs at a time.
        pue: power usage effectiveness of its site; 1.0 at the edge.
        speed_factor: seconds that the whole device at full load needs for the work of one CPU-second of the host
            that runs it (see `gramwise.power.model`); None means that it is worked out from the device's measured rate.
        link: how it is reached.
        address: where, for nodes on other machines.
    """

    name: str
    zone: str
    device: Device
    cpu_share: float
    memory_bytes: int
    slots: int = 1
    pue: float = 1.0
    speed_factor: float | None = None
    link: Link = field(default_factory=Link)
    address: str = ""
