"""Simulated machines: an executor that computes nothing and sets timers as long as the plan table says.

A node serves in the order in which requests come, as many at a time as it has slots. With that and the length of each
request known, start and end of a request are known when it comes, so one timer a request is enough. Where a real
fleet was measured, its own service times can stand in for the table's.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from gramwise.core.errors import NodeLost, Rejected
from gramwise.core.machines import Node
from gramwise.core.protocols import Held, NodeUsage, Ran
from gramwise.core.quantity import Method, weakest
from gramwise.runtime.engine import variant_key
from gramwise.runtime.modelled import Modelled

if TYPE_CHECKING:
    import numpy.typing as npt

TENSOR = "request"
"""Name of the only tensor of a simulated request."""

Measured: TypeAlias = Mapping[tuple[str, str], Sequence[float]]
"""By node and ``model/variant``, seconds that whole requests held a slot, in the order in which they were served."""


def simulated_input(count: int, size_bytes: int, stretch: float) -> npt.NDArray[np.generic]:
    """A request's tensor as a simulated node takes it: as large as a real one, in no memory.

    Args:
        count: inferences, the first dimension.
        size_bytes: of one inference's inputs.
        stretch: factor on the service time of this request, the value of every cell.

    Returns:
        (count, size) zero-stride; its ``nbytes`` is ``count x size_bytes``, rounded up to eight a row.
    """
    return np.broadcast_to(np.float64(stretch), (count, max(1, math.ceil(size_bytes / 8))))


class Rate(NamedTuple):
    """One inference on a node: seconds in a slot, and CPU seconds that stand for its joules at the node's price."""

    service_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedPower:
    """Prices for the engine, chosen so that a row of the plan table costs the joules it says.

    The engine pays a node's CPU seconds at one price. A simulated node has none, so a request is given the seconds that
    its device at full load would need for the same joules: ``cpu_s = energy_j / (busy_w - idle_w)``, at the price
    ``busy_w - idle_w``; 1 W where the device's power is not known.
    """

    watts: Mapping[str, float]
    methods: Mapping[str, Method]

    @classmethod
    def of(cls, table: Modelled) -> SimulatedPower:
        """Prices of the nodes of a table."""
        methods: dict[str, list[Method]] = {node.name: [] for node in table.nodes}
        for i, method in zip(table.plans.node.tolist(), table.methods, strict=True):
            methods[table.nodes[i].name].append(method)
        return cls(
            watts={node.name: _swing_w(node) for node in table.nodes},
            methods={name: weakest(*found) for name, found in methods.items()},
        )

    def method(self, node: str) -> Method:
        """Provenance of the joules of ``node``."""
        return self.methods[node]

    def energy_j(self, node: str, cpu_s: float) -> float:
        """Joules of ``cpu_s`` on ``node``."""
        return cpu_s * self.watts[node]


def _swing_w(node: Node) -> float:
    idle_w, busy_w = node.device.idle_w, node.device.busy_w
    return busy_w - idle_w if idle_w is not None and busy_w is not None and busy_w > idle_w else 1.0


class Wasted(NamedTuple):
    """Work that a node's death undid: when it ran and the joules it had taken by then."""

    node: str
    start_s: float
    end_s: float
    energy_j: float


@dataclass(slots=True)
class _Place:
    """One node: when each of its slots is free, and who is in it or waits for it."""

    node: Node
    free_s: list[float]
    alive: bool = True
    running: dict[asyncio.Future[None], tuple[float, float, float]] = field(default_factory=dict)
    cpu_s: list[float] = field(default_factory=list)
    wasted: list[Wasted] = field(default_factory=list)


class SimulatedNodes:
    """An `gramwise.core.protocols.Executor` in virtual time.

    Args:
        table: nodes, and what each variant takes on them.
        power: prices that turn joules into the seconds that the engine pays.
        start_s: Unix seconds at the loop's time 0.
        measured: where given, the n-th request that comes to a node takes the n-th time, whatever its size and
            stretch; after the last comes the first again.
    """

    caps = "simulated"

    def __init__(
        self, table: Modelled, power: SimulatedPower, start_s: float, measured: Measured | None = None
    ) -> None:
        self._power, self._start_s = power, start_s
        self._measured = {key: itertools.cycle(times_s) for key, times_s in (measured or {}).items()}
        self._places = {node.name: _Place(node, [0.0] * node.slots) for node in table.nodes}
        self._rates: dict[tuple[str, str], Rate] = {}
        plans = table.plans
        for row, i in enumerate(plans.node.tolist()):
            node, service_s = table.nodes[i].name, float(table.service_s[row])
            if math.isfinite(service_s):
                cpu_s = float(plans.energy_j[row]) / power.watts[node]
                self._rates[node, variant_key(plans.model[row], plans.variant[row])] = Rate(service_s, cpu_s)

    def alive(self) -> Mapping[str, bool]:
        """Which nodes can take work."""
        return {name: place.alive for name, place in self._places.items()}

    async def run(
        self,
        node: str,
        variant: str,
        inputs: Mapping[str, npt.NDArray[np.generic] | Held],
        hold: Collection[str] = (),
    ) -> Ran:
        """Wait for a slot and as long as the table says; see `gramwise.core.protocols.Executor.run`.

        Args:
            node: its name.
            variant: by the engine's name.
            inputs: one tensor from `simulated_input`.
            hold: must be empty: split plans are not simulated.

        Raises:
            NodeLost: the node is away, or died meanwhile.
            Rejected: it does not hold the variant.
        """
        place, rate = self._places[node], self._rates.get((node, variant))
        tensor = inputs[TENSOR]
        if rate is None or hold or isinstance(tensor, Held):
            raise Rejected(f"{node} does not hold {variant} as a simulated variant.")
        if not place.alive:
            raise NodeLost(f"{node} is away.")
        loop, count = asyncio.get_running_loop(), tensor.shape[0]
        start_s = max(loop.time(), heapq.heappop(place.free_s))
        times_s = self._measured.get((node, variant))
        end_s = start_s + (next(times_s) if times_s else rate.service_s * count * float(tensor.item(0)))
        heapq.heappush(place.free_s, end_s)
        done: asyncio.Future[None] = loop.create_future()
        place.running[done] = (start_s, end_s, rate.cpu_s * count)
        timer = loop.call_at(end_s, _finish, done)
        try:
            await done
        finally:
            timer.cancel()
            del place.running[done]
        place.cpu_s.append(rate.cpu_s * count)
        return Ran(
            outputs={},
            start_s=self._start_s + start_s,
            end_s=self._start_s + end_s,
            cpu_s=rate.cpu_s * count,
        )

    def die(self, node: str) -> None:
        """A node goes away: what it runs and what waits for it is lost."""
        place, now_s = self._places[node], asyncio.get_running_loop().time()
        place.alive = False
        for done, (start_s, end_s, cpu_s) in place.running.items():
            if done.done():
                continue
            if start_s < now_s:
                share = (now_s - start_s) / (end_s - start_s)
                energy_j = self._power.energy_j(node, cpu_s * share)
                place.wasted.append(Wasted(node, self._start_s + start_s, self._start_s + now_s, energy_j))
            done.set_exception(NodeLost(f"{node} died."))

    def come_back(self, node: str) -> None:
        """It takes work again, with empty slots."""
        place, now_s = self._places[node], asyncio.get_running_loop().time()
        place.alive, place.free_s = True, [now_s] * place.node.slots

    def wasted(self) -> Sequence[Wasted]:
        """Work that was undone, node by node."""
        return [each for place in self._places.values() for each in place.wasted]

    def release(self, held: Iterable[Held]) -> None:
        """Nothing is ever held."""

    async def usage(self, node: str) -> NodeUsage:
        """CPU seconds of finished requests; as metered, with those of undone ones."""
        place = self._places[node]
        attributed_s = math.fsum(place.cpu_s)
        wasted_s = math.fsum(w.energy_j for w in place.wasted) / self._power.watts[node]
        return NodeUsage(attributed_s=attributed_s, overhead_s=None, metered_s=attributed_s + wasted_s)

    async def close(self) -> None:
        """Nothing was taken."""


def _finish(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
