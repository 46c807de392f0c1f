"""Keeping the engine's view of the grid current, off the request path: ask, store, hand the world new intensities.

Providers are asked, and the archive is read, in a worker thread; the world is changed on the loop. Whatever happens to
providers, archive or network, the task goes on: a value that is not known any more becomes unknown, never old.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass

from gramwise.core.ahead import Forecast
from gramwise.core.clock import Clock
from gramwise.core.errors import ConfigError, GramwiseError
from gramwise.core.series import Series
from gramwise.grid.feed import Feed, Known
from gramwise.runtime.world import Grid, World

RECENT_HOURS = 7 * 24.0
"""Of the past that snapshots carry: a week holds every kind of day."""

_log = logging.getLogger("gramwise.runtime.feeding")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    known: Mapping[str, Known]
    forecast: Mapping[str, Forecast]
    recent: Mapping[str, Series]


class Feeder:
    """An asyncio task that renews a world from a feed.

    Args:
        feed: where values come from; of the kind that the world's grids have.
        world: whose snapshots are to carry them.
        zones: of nodes that the feed serves; nodes elsewhere keep what they have, such as what a scenario declares.
        interval_s: pause between two refreshes.
        clock: that ages are told by.
        sleep: waits so many seconds; another one in tests.
        recent_hours: of observed past to hand on.

    Raises:
        ConfigError: a zone that no node of the world is in, or a node's grid of another kind.
    """

    def __init__(
        self,
        feed: Feed,
        world: World,
        zones: Collection[str],
        interval_s: float,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        *,
        recent_hours: float = RECENT_HOURS,
    ) -> None:
        self._feed, self._world, self._zones = feed, world, frozenset(zones)
        self._interval_s, self._clock, self._sleep = interval_s, clock, sleep
        self._recent_hours = recent_hours
        self._known_s = -math.inf
        unused = self._zones - {node.zone for node in world.nodes}
        if unused:
            raise ConfigError(
                f"no node is in {', '.join(sorted(unused))}.", fix="Feed zones that have a node."
            )
        for node, grid in zip(world.nodes, world.grids, strict=True):
            if node.zone not in self._zones and (grid.signal, grid.basis) != (feed.signal, feed.basis):
                raise ConfigError(
                    f"the feed has {feed.signal} {feed.basis} intensities and node {node.name} in {node.zone} keeps "
                    f"{grid.signal} {grid.basis}.",
                    fix="Feed that zone too, or use a feed of that kind.",
                )

    async def run(self) -> None:
        """Renew now and after every pause, until cancelled."""
        while True:
            await self.step()
            await self._sleep(self._interval_s)

    async def step(self) -> None:
        """Ask once and renew the world. A fault is logged; values that stay without an answer too long are unknown."""
        try:
            seen = await asyncio.to_thread(self._look)
        except Exception as fault:  # noqa: BLE001 a server goes on without its feed, whatever broke in it
            reason = str(fault) if isinstance(fault, GramwiseError) else f"{type(fault).__name__}: {fault}"
            _log.warning("the feed gave nothing: %s", reason)
            self._forget()
            return
        self._known_s = self._clock.now_s()
        grids = [
            self._grid(seen.known[node.zone]) if node.zone in self._zones else grid
            for node, grid in zip(self._world.nodes, self._world.grids, strict=True)
        ]
        self._world.renew(grids=grids, forecast=seen.forecast, recent=seen.recent)

    def _look(self) -> _Seen:
        """Everything that blocks, in a worker thread."""
        self._feed.refresh()
        forecast = {zone: self._feed.forecast(zone) for zone in self._zones}
        recent = {zone: self._feed.recent(zone, self._recent_hours) for zone in self._zones}
        return _Seen(
            known={zone: self._feed.now(zone) for zone in self._zones},
            forecast={zone: found for zone, found in forecast.items() if found is not None},
            recent={zone: found for zone, found in recent.items() if found is not None},
        )

    def _grid(self, known: Known) -> Grid:
        return Grid(intensity=known.value, age_s=known.age_s, signal=known.signal, basis=known.basis)

    def _forget(self) -> None:
        """What nobody has confirmed for as long as the feed lets a value live is unknown."""
        if self._clock.now_s() - self._known_s <= self._feed.max_age_s or self._known_s == -math.inf:
            return
        grids = [
            Grid(intensity=None, age_s=math.nan, signal=self._feed.signal, basis=self._feed.basis)
            if node.zone in self._zones
            else grid
            for node, grid in zip(self._world.nodes, self._world.grids, strict=True)
        ]
        self._world.renew(grids=grids, forecast={}, recent={})
