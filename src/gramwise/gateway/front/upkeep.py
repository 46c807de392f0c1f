"""What nodes take besides requests, into the ledger; and how everything is, into the metrics.

Our own nodes tell their idle and overhead joules since they were ready (``GET /v2/gramwise/usage``); the ledger keeps
the differences, minute by minute, apart from what requests took. Other servers tell nothing, and nothing is written.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import msgspec

import gramwise
from gramwise.core.errors import GramwiseError
from gramwise.core.units import carbon_g
from gramwise.gateway.ledger.ledger import Ledger
from gramwise.gateway.ledger.rows import NodeTime
from gramwise.gateway.metrics import Metrics

from .fleet import LiveFleet
from .negotiate import get
from .peers import Peer

_LOG = logging.getLogger("gramwise.gateway.front")

EVERY_S = 60.0
"""How often nodes are asked: a stretch is counted in the hour in which it begins."""

_USAGE = b"/v2/gramwise/usage"
_ASK_S = 5.0


class _Joules(msgspec.Struct):
    """As a node tells them."""

    value: float
    method: str
    boundary: str = ""


class _Usage(msgspec.Struct):
    """What is read of a node's answer."""

    window_s: float
    energy: _Joules | None = None
    overhead_energy: _Joules | None = None
    idle_energy: _Joules | None = None


class Upkeep:
    """Asks the nodes of a fleet.

    Args:
        fleet: whose.
        ledger: where it goes.
        now_s: Unix seconds.
    """

    def __init__(self, fleet: LiveFleet, ledger: Ledger, now_s: Callable[[], float]) -> None:
        self._fleet, self._ledger, self._now_s = fleet, ledger, now_s
        self._last: dict[str, tuple[float, _Usage]] = {}
        self._silent: set[Peer] = set()

    async def run(self) -> None:
        """Now and every minute, until cancelled."""
        while True:
            await self.step()
            await asyncio.sleep(EVERY_S)

    async def step(self) -> None:
        """Ask every node once."""
        for peer in list(self._fleet.peers.values()):
            if peer.up and peer not in self._silent:
                try:
                    await self._ask(peer)
                except (GramwiseError, OSError) as fault:
                    _LOG.info("node %s does not tell its usage: %s", peer.name, fault)

    async def _ask(self, peer: Peer) -> None:
        status, body = await get(peer.http, _USAGE, _ASK_S)
        if status != 200:
            self._silent.add(peer)
            return
        try:
            told = msgspec.json.decode(body, type=_Usage)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self._silent.add(peer)
            return
        now_s = self._now_s()
        before = self._last.get(peer.name)
        self._last[peer.name] = now_s, told
        if before is not None and told.window_s > before[1].window_s:  # else it was started anew meanwhile
            self._ledger.append_node_time(self._stretch(peer, before, (now_s, told)))

    def _stretch(self, peer: Peer, before: tuple[float, _Usage], after: tuple[float, _Usage]) -> NodeTime:
        (start_s, old), (end_s, new) = before, after
        requests_j = _more(old.energy, new.energy)
        idle_j = _more(old.idle_energy, new.idle_energy)
        overhead_j = _more(old.overhead_energy, new.overhead_energy)
        grid = self._fleet.now.places.grid(peer.name)
        grams = None
        if grid is not None and grid.intensity is not None and idle_j is not None and overhead_j is not None:
            grams = carbon_g(idle_j + overhead_j, grid.intensity.value, peer.node.pue)
        return NodeTime(
            node=peer.name,
            zone=peer.node.zone,
            start_s=start_s,
            end_s=end_s,
            method=new.idle_energy.method if new.idle_energy else "",
            requests_j=requests_j,
            idle_j=idle_j,
            overhead_j=overhead_j,
            carbon_unattributed_g=grams,
            signal=grid.signal if grams is not None and grid is not None else "",
        )


def _more(old: _Joules | None, new: _Joules | None) -> float | None:
    if old is None or new is None or old.boundary != new.boundary:  # unlike figures have no difference
        return None
    return max(0.0, new.value - old.value)


class LiveMetrics(Metrics):
    """Metrics of a gateway, with gauges that are read when they are asked for.

    Attributes:
        fleet: whose nodes; None until there is one.
        settle: brings counts up to date.
        provider: of intensities.
    """

    fleet: LiveFleet | None = None
    settle: Callable[[], None] = staticmethod(lambda: None)
    provider: str = ""

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        self.settle()
        for peer in () if self.fleet is None else tuple(self.fleet.peers.values()):
            self._tell(peer, self.fleet)
        self["gramwise_build_info"].of(gramwise.__version__, "").set(1.0)
        return super().text()

    def _tell(self, peer: Peer, fleet: LiveFleet | None) -> None:
        zone = peer.node.zone
        self["gramwise_node_up"].of(peer.name, zone).set(1.0 if peer.up else 0.0)
        self["gramwise_running_requests"].of(peer.name).set(peer.http.in_flight)
        grid = None if fleet is None else fleet.now.places.grid(peer.name)
        if grid is not None and grid.intensity is not None:
            family = self["gramwise_grid_carbon_intensity_grams_per_kwh"]
            estimated = "true" if self.provider == "annual" else "false"
            family.of(zone, grid.signal, self.provider, estimated).set(grid.intensity.value)
