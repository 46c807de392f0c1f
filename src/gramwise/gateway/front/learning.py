"""What requests really take on each node, learned while they are served, so that plans rest on today's machine.

A node is timed when it joins, with a few requests, perhaps in a bad moment; its clock, its neighbours and its cap then
make it faster or slower. A plan table that stays wrong sends it more than it can take, or less than it could. So the
times of a node are scaled by how long it was busy beside how long it was predicted to be, and the joules of a variant
follow what the node tells of them.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from gramwise.runtime.engine import variant_key

from .fleet import LiveFleet
from .profiling import Taken

_LOG = logging.getLogger("gramwise.gateway.front")

EVERY_S = 2.0
LEAST = 50
"""Requests that are looked at together: fewer say too little. Of times that scatter by a third, their mean is within
5 % twice in three times."""

GAIN = 0.5
"""How far a table follows what was seen: half the way, so that one bad window leads nowhere."""

WORTH = 0.05
"""Relative change of a table below which it stays as it is (times are then less than 10 % off, joules 5 %): a new one
makes every policy prepare anew."""

STEEPEST = 4.0
"""At most so many times longer or shorter at once."""

_LOUD = 1.5
"""A node that is so many times slower or faster than it was timed at is told of in the log."""

Told = Mapping[tuple[str, str, str], tuple[float, int]]
"""Joules and inferences since the last look, by model, variant and node."""


class Learning:
    """Keeps a fleet's plan table true.

    Args:
        fleet: whose.
        told: what its nodes told of their joules since it was last asked.
    """

    def __init__(self, fleet: LiveFleet, told: Callable[[], Told]) -> None:
        self._fleet, self._told = fleet, told
        self._joules: dict[tuple[str, str], tuple[float, int]] = {}
        self._scale: dict[str, float] = {}

    async def run(self) -> None:
        """Every two seconds, until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                self.step()
            except Exception:  # noqa: BLE001 - learning that ended would leave a table to grow wrong in silence
                _LOG.exception("what requests take could not be learned; the times of before stay in force")

    def step(self) -> bool:
        """Look once; whether there is a new table. Not while the nodes themselves change."""
        if self._fleet.changing:
            return False
        taken = dict(self._fleet.taken)
        changed = {**self._timed(taken), **self._priced(taken)}
        if changed:
            self._fleet.relearn({key: taken[key] for key in changed})
        return bool(changed)

    def _timed(self, taken: dict[tuple[str, str], Taken]) -> dict[tuple[str, str], None]:
        """Scale the times of nodes that took longer or shorter than predicted, in place."""
        changed: dict[tuple[str, str], None] = {}
        world, peers = self._fleet.now.world, self._fleet.peers
        for node, drift in zip(world.nodes, world.drift, strict=True):
            way_s = peers[node.name].way_s if node.name in peers else math.inf
            if way_s < math.inf:
                drift.way_s = way_s
            if drift.count < LEAST or drift.predicted_s <= 0.0:
                continue
            seen = min(max(drift.took_s / drift.predicted_s, 1.0 / STEEPEST), STEEPEST)
            drift.forget()
            factor = 1.0 + GAIN * (seen - 1.0)
            if abs(factor - 1.0) < WORTH:
                continue
            for key, known in taken.items():
                if key[0] == node.name:
                    busy_s = max(0.0, known.fixed_s - drift.way_s)
                    fixed_s = known.fixed_s + busy_s * (factor - 1.0)
                    taken[key] = replace(known, fixed_s=fixed_s, latency_s=known.latency_s * factor)
                    changed[key] = None
            self._tell(node.name, factor)
        return changed

    def _priced(self, taken: dict[tuple[str, str], Taken]) -> dict[tuple[str, str], None]:
        """Joules as the nodes tell them of late, in place."""
        changed: dict[tuple[str, str], None] = {}
        for (model, variant, node), (joules, inferences) in self._told().items():
            key = node, variant_key(model, variant)
            known = taken.get(key)
            sum_j, count = self._joules.pop(key, (0.0, 0))
            sum_j, count = sum_j + joules, count + inferences
            if known is None:
                continue
            if count < LEAST:
                self._joules[key] = sum_j, count
                continue
            each_j = sum_j / count
            if not abs(each_j - known.energy_j) <= WORTH * known.energy_j:  # NaN: nobody knew
                taken[key] = replace(known, energy_j=each_j)
                changed[key] = None
        return changed

    def _tell(self, node: str, factor: float) -> None:
        scale = self._scale.get(node, 1.0) * factor
        if not 1.0 / _LOUD < scale < _LOUD:
            _LOG.info("node %s takes %.2g times as long as when it was last told of", node, scale)
            scale = 1.0
        self._scale[node] = scale
