"""Records for the tests of the runtime, and an executor without processes whose nodes die when told."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gramwise.core.decision import PlanTable, Request, columns
from gramwise.core.errors import NodeLost
from gramwise.core.machines import Device, Link, Node
from gramwise.core.protocols import Held, NodeUsage, Ran
from gramwise.core.quantity import Method, Quantity
from gramwise.runtime.world import Grid, World

MODEL = "tiny"
Array = npt.NDArray[Any]


def quantity(value: float, unit: str) -> Quantity:
    return Quantity(
        value=value,
        low=value * 0.9,
        high=value * 1.1,
        unit=unit,
        method="assumed",
        boundary="board",
        source="made up for tests",
    )


def box(idle_w: float | None = 2.0, busy_w: float | None = 12.0, rate: float | None = None) -> Device:
    figures = {"idle_w": (idle_w, "W"), "busy_w": (busy_w, "W"), "sustained_flop_per_s": (rate, "FLOP/s")}
    facts = {key: quantity(value, unit) for key, (value, unit) in figures.items() if value is not None}
    return Device(id="box", name="A box", device_class="declared", idle_w=idle_w, busy_w=busy_w, facts=facts)


def node(
    name: str,
    *,
    share: float = 1.0,
    memory_bytes: int = 512 * 2**20,
    slots: int = 1,
    device: Device | None = None,
    link: Link | None = None,
) -> Node:
    return Node(
        name=name,
        zone=name.upper(),
        device=device or box(),
        cpu_share=share,
        memory_bytes=memory_bytes,
        slots=slots,
        speed_factor=1.0,
        link=link or Link(),
    )


def plans(nodes: int, latency_s: float = 0.01, accuracy: Sequence[float] = (0.9,)) -> PlanTable:
    """A row for each node and each accuracy; the first variant of a node is the reference, later ones cost less."""
    variants = len(accuracy)
    rows = [(i, v) for i in range(nodes) for v in range(variants)]
    return PlanTable(
        node=np.array([i for i, _ in rows]),
        model=(MODEL,) * len(rows),
        variant=tuple(f"v{v}" for _, v in rows),
        reference=np.array([v == 0 for _, v in rows]),
        latency_s=columns([latency_s / (v + 1) for _, v in rows]),
        fixed_s=columns([0.0] * len(rows)),
        energy_j=columns([0.1 / (v + 1) for _, v in rows]),
        accuracy_frac=columns([accuracy[v] for _, v in rows]),
        memory_bytes=columns([1e6] * len(rows)),
    )


def world(nodes: Sequence[Node], table: PlanTable | None = None, **options: Any) -> World:
    """A world whose first node has the cleanest grid, the second the next ..."""
    grids = [
        Grid(intensity=quantity(100.0 * (i + 1), "g/kWh"), age_s=60.0 * (i + 1)) for i in range(len(nodes))
    ]
    return World(
        nodes,
        grids,
        plans(len(nodes)) if table is None else table,
        baseline=nodes[-1].name,
        max_intensity_age_s=None,
        **options,
    )


def request(seq: int = 0, **changes: Any) -> Request:
    given: dict[str, Any] = {"id": f"r{seq}", "seq": seq, "draw": 0.5, "model": MODEL, "arrival_s": 0.0}
    return Request(**{**given, **changes})


class Prices:
    """Ten joules a CPU second, everywhere."""

    def method(self, node: str) -> Method:
        return "modelled"

    def energy_j(self, node: str, cpu_s: float) -> float:
        return 10.0 * cpu_s


class Mortal:
    """An executor that answers after a while, with nodes that die as soon as they are asked, once they are doomed."""

    caps = "virtual"

    def __init__(self, names: Sequence[str], cpu_s: float = 0.004) -> None:
        self.state = dict.fromkeys(names, True)
        self.doomed: set[str] = set()
        self.asked: list[str] = []
        self.given: list[dict[str, Array | Held]] = []
        self.kept: list[Held] = []
        self.holding: set[int] = set()
        self.cpu_s = cpu_s

    def alive(self) -> Mapping[str, bool]:
        return dict(self.state)

    async def run(
        self, node: str, variant: str, inputs: Mapping[str, Array | Held], hold: Collection[str] = ()
    ) -> Ran:
        self.asked.append(node)
        await asyncio.sleep(0.001)
        if node in self.doomed:
            self.state[node] = False
            raise NodeLost(f"node {node} died")
        arrays = {name: value for name, value in inputs.items() if not isinstance(value, Held)}
        held = {
            name: Held(name=name, dtype="<f4", shape=(1,), nbytes=4000, place=(node, variant))
            for name in hold
        }
        self.given.append(dict(inputs))
        self.holding |= {id(each) for each in held.values()}
        self.kept += held.values()
        return Ran(outputs=arrays, start_s=1.0, end_s=1.002, cpu_s=self.cpu_s, held=held)

    def release(self, held: Iterable[Held]) -> None:
        self.holding -= {id(each) for each in held}

    async def usage(self, node: str) -> NodeUsage:
        return NodeUsage(attributed_s=0.0, overhead_s=0.0, metered_s=None)

    async def close(self) -> None:
        return None
