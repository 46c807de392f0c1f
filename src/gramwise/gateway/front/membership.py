"""Who is there: looks at every node's readiness, with hysteresis, so that a node that flaps is out and stays out.

A node that is in service is put out by its first broken request, or by two bad looks in a row; then what it still holds
is broken off and tried elsewhere. One that is out comes back after two good looks in a row, or after one where it had
only asked to be left alone for a moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from gramwise.core.errors import GramwiseError, NodeLost

from .fleet import LiveFleet
from .negotiate import get
from .peers import Peer

_LOG = logging.getLogger("gramwise.gateway.front")

BAD_LOOKS, GOOD_LOOKS = 2, 2
"""In a row, to put a node out and to take it back. Choices of this project."""

_READY = b"/v2/health/ready"


class Membership:
    """Watches the nodes of a fleet.

    Args:
        fleet: whose peers; they may change.
        poll_s: pause between two looks at a node.
        timeout_s: a look that takes longer is a bad one.
    """

    def __init__(self, fleet: LiveFleet, poll_s: float, timeout_s: float) -> None:
        self._fleet, self._poll_s, self._timeout_s = fleet, poll_s, timeout_s
        self._watches: dict[Peer, asyncio.Task[None]] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """End."""
        tasks = [*self._watches.values(), *([self._task] if self._task else [])]
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._watches.clear()

    async def _keep(self) -> None:
        """One watch for each peer in force."""
        while True:
            peers = set(self._fleet.peers.values())
            for peer in [peer for peer in self._watches if peer not in peers]:
                self._watches.pop(peer).cancel()
            for peer in peers - self._watches.keys():
                self._watches[peer] = asyncio.create_task(self._watch(peer))
            await asyncio.sleep(self._poll_s)

    async def _watch(self, peer: Peer) -> None:
        woken = asyncio.Event()
        peer.on_out = lambda _: woken.set()
        good = bad = 0
        while True:
            pause_s = self._poll_s if peer.up else self._poll_s / 2
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(woken.wait(), pause_s)
            if woken.is_set():
                good = bad = 0
                woken.clear()
            try:
                good, bad = await self._look(peer, good, bad)
            except Exception as fault:  # noqa: BLE001 a watch that ends would leave its node out for ever
                _LOG.error("looking at node %s failed: %s: %s", peer.name, type(fault).__name__, fault)

    async def _look(self, peer: Peer, good: int, bad: int) -> tuple[int, int]:
        """Look once; returns how many good and bad looks there were in a row."""
        now_s = asyncio.get_running_loop().time()
        if now_s < peer.rest_until_s:
            await asyncio.sleep(peer.rest_until_s - now_s)
        why = await self._why_not_ready(peer)
        if why:
            good, bad = 0, bad + 1
            if peer.up and bad >= BAD_LOOKS:
                peer.out(why)
                self._fleet.now.world.lost(peer.name)
                await peer.hang_up()
            return good, bad
        good, bad = good + 1, 0
        if not peer.up and good >= (1 if peer.rest_until_s else GOOD_LOOKS):
            await self._take_back(peer)
        return good, bad

    async def _take_back(self, peer: Peer) -> None:
        # A node that was away may have come back as another: ask it anew, unless it only wanted a rest.
        if not peer.rest_until_s and not await self._fleet.meet(peer):
            return
        peer.rest_until_s = 0.0
        self._fleet.found(peer)

    async def _why_not_ready(self, peer: Peer) -> str:
        """Empty for a node that is ready."""
        loop = asyncio.get_running_loop()
        begin_s, asked_s = loop.time(), self._fleet.clock.now_s()
        try:
            status, _ = await get(peer.http, _READY, self._timeout_s)
            peer.way_s = min(peer.way_s, loop.time() - begin_s)
        except NodeLost as fault:
            # A node whose CPU is capped may be too busy to answer a look, and answers requests meanwhile. To put it out
            # would send what it holds to others, which then are too busy as well.
            return "" if peer.heard_s > asked_s else str(fault)
        except GramwiseError as fault:
            return f"its readiness cannot be read: {fault}"
        return "" if status == 200 else f"it says that it is not ready ({status})"
