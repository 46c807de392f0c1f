"""At an hour's edge another zone becomes the cleanest: with the default policy no herd runs there.

The gateway's own engine, world and planning, in virtual time, before three nodes that each serve two at a time.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import random
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

pytest.importorskip("httptools", reason="the gateway needs the serve extra")
pytest.importorskip("sqlalchemy", reason="the gateway needs the serve extra")
pytest.importorskip("prometheus_client", reason="the gateway needs the serve extra")
pytest.importorskip("scipy", reason="plans are solved with the plan extra")

from gramwise.core.ahead import Guidance
from gramwise.core.decision import PlanTable, Request, Snapshot, columns
from gramwise.core.machines import Device, Node
from gramwise.core.protocols import Held, Ran
from gramwise.core.quantity import Quantity
from gramwise.gateway.front.busyworld import BusyWorld
from gramwise.gateway.front.fleet import LiveFleet
from gramwise.gateway.front.guiding import GUIDED, Guiding
from gramwise.gateway.front.inforce import Unpriced
from gramwise.gateway.front.settings import Settings
from gramwise.runtime.engine import Engine
from gramwise.runtime.world import Grid
from gramwise.schedule import load_policy
from gramwise.sim.loop import VirtualClock, run_virtually

SLOTS, SERVICE_S, DEADLINE_S = 2, 0.05, 1.0
CAPACITY_PER_S = 3 * SLOTS / SERVICE_S
BEFORE, AFTER = (50.0, 300.0, 400.0), (400.0, 300.0, 50.0)
"""Intensities of the three zones, g/kWh, on both sides of the edge."""


@dataclass
class Seen:
    """What came of a stream of requests; grams are those of one joule each, in proportion."""

    latency_s: list[float] = field(default_factory=list)
    grams: list[float] = field(default_factory=list)
    late: int = 0
    longest: int = 0

    @property
    def late_frac(self) -> float:
        return self.late / len(self.latency_s)

    @property
    def mean_g(self) -> float:
        return sum(self.grams) / len(self.grams)


class Nodes:
    """An executor: each node serves in the order in which requests come, half as long or half as long again."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._free_s = {f"n{i}": [0.0] * SLOTS for i in range(3)}
        self._held = dict.fromkeys(self._free_s, 0)
        self.longest = 0

    def alive(self) -> Mapping[str, bool]:
        return dict.fromkeys(self._free_s, True)

    async def run(
        self, node: str, variant: str, inputs: Mapping[str, Any], hold: Collection[str] = ()
    ) -> Ran:
        now_s = asyncio.get_running_loop().time()
        self._held[node] += 1
        self.longest = max(self.longest, self._held[node])
        start_s = max(now_s, heapq.heappop(self._free_s[node]))
        end_s = start_s + SERVICE_S * self._rng.uniform(0.5, 1.5)
        heapq.heappush(self._free_s[node], end_s)
        await asyncio.sleep(end_s - now_s)
        self._held[node] -= 1
        return Ran(outputs={}, start_s=start_s, end_s=end_s, cpu_s=math.nan)

    def release(self, held: Iterable[Held]) -> None: ...

    async def usage(self, node: str) -> Any: ...

    async def close(self) -> None: ...


def grids(values: tuple[float, ...]) -> list[Grid]:
    known: dict[str, Any] = {"unit": "g/kWh", "method": "assumed", "boundary": "grid", "source": "test"}
    return [Grid(intensity=Quantity(value=v, low=v, high=v, **known), age_s=0.0) for v in values]


def a_world() -> BusyWorld:
    device = Device(id="d", name="d", device_class="sbc")
    nodes = [
        Node(name=f"n{i}", zone=f"Z{i}", device=device, cpu_share=1.0, memory_bytes=2**30, slots=SLOTS)
        for i in range(3)
    ]
    table = PlanTable(
        node=np.arange(3),
        model=("m",) * 3,
        variant=("v",) * 3,
        reference=np.ones(3, dtype=np.bool_),
        latency_s=columns([SERVICE_S] * 3),
        fixed_s=columns([0.0] * 3),
        energy_j=columns([1.0] * 3),
        accuracy_frac=columns([0.9] * 3),
        memory_bytes=columns([1.0] * 3),
    )
    return BusyWorld(nodes, grids(BEFORE), table)


async def here(solve: Callable[[Snapshot], Guidance], snapshot: Snapshot) -> Guidance:
    """Virtual time has no threads."""
    return solve(snapshot)


async def served(policy: str, load_frac: float, edge_s: float = 30.0, after_s: float = 40.0) -> Seen:
    """Poisson requests for a share of what all nodes can do, and what came of those from the edge on."""
    loop, rng = asyncio.get_running_loop(), random.Random(1)
    clock = VirtualClock(loop, 3.6e6 - edge_s)
    world, nodes, seen = a_world(), Nodes(rng), Seen()
    engine = Engine(load_policy(policy), world, nodes, Unpriced(), clock, soonest=load_policy("fastest"))
    goals = SimpleNamespace(max_busy_frac=1.0)
    fleet = SimpleNamespace(
        now=SimpleNamespace(world=world), scenario=SimpleNamespace(goals=goals), peers={}, told_until_s=0.0
    )
    guiding = Guiding(cast("LiveFleet", fleet), clock, here)

    async def one(seq: int) -> None:
        now_s = clock.now_s()
        request = Request(
            id=str(seq), seq=seq, draw=rng.random(), model="m", arrival_s=now_s, deadline_s=DEADLINE_S
        )
        guiding.demand.came(request)
        outcome = (await engine.serve(request, {"": cast("Any", SimpleNamespace(nbytes=0))})).outcome
        assert outcome.status == "completed"
        intensity = world.intensity(outcome.node)
        assert intensity is not None
        if now_s >= clock.start_s + edge_s:
            seen.latency_s.append(outcome.cost.latency_s)
            seen.grams.append(intensity.value)
            seen.late += outcome.late

    planning = asyncio.ensure_future(guiding.run()) if policy in GUIDED else None
    jobs: list[asyncio.Future[None]] = []
    for until_s, values in ((edge_s, BEFORE), (edge_s + after_s, AFTER)):
        world.renew(grids=grids(values))
        nodes.longest = 0
        while loop.time() < until_s:
            await asyncio.sleep(rng.expovariate(load_frac * CAPACITY_PER_S))
            jobs.append(asyncio.ensure_future(one(len(jobs))))
    await asyncio.gather(*jobs)
    if planning is not None:
        planning.cancel()
    seen.longest = nodes.longest
    return seen


def test_no_herd_forms_at_an_hours_edge_by_default(tmp_path: Path) -> None:
    default = Settings.of(scenario=tmp_path / "any.toml").deciding
    plain, ours = run_virtually(served("grams", 0.6)), run_virtually(served(default, 0.6))
    full = SLOTS * DEADLINE_S / SERVICE_S
    assert plain.longest >= full, "grams alone fills the cleanest node until the deadline stops it"
    assert plain.late_frac > 0.05, "and then chance decides who is late"
    assert ours.longest < full
    assert ours.late_frac == 0.0
    assert np.median(ours.latency_s) < 0.25 * np.median(plain.latency_s)


def test_where_the_cleanest_node_has_room_for_all_the_default_costs_no_grams(tmp_path: Path) -> None:
    default = Settings.of(scenario=tmp_path / "any.toml").deciding
    plain, ours = run_virtually(served("grams", 0.2)), run_virtually(served(default, 0.2))
    assert plain.mean_g == pytest.approx(AFTER[2])
    stale = 0.5 / 40.0 * AFTER[0] / AFTER[2]  # the edge's own half second of forty; an hour has one edge
    assert ours.mean_g <= plain.mean_g * (1.0 + stale)


def test_a_plan_over_several_nodes_is_no_share_and_goes_by_grams(tmp_path: Path) -> None:
    settings = Settings.of(scenario=tmp_path / "any.toml", plan=tmp_path / "plan.json")
    assert settings.deciding == "grams"
    assert Settings.of(scenario=tmp_path / "any.toml", policy="grams+variants").deciding == "grams+variants"
