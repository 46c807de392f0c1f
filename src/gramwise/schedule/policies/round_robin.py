"""Baseline: each eligible plan that is not split in turn, by the request's position in the stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gramwise.schedule.filters import ELIGIBLE, WHOLE
from gramwise.schedule.pipeline import TablePolicy

if TYPE_CHECKING:
    from gramwise.core.decision import Ints, Request, Snapshot


class RoundRobin(TablePolicy["list[int]"]):
    """Request number ``seq`` goes to plan ``seq mod n``; stateless, so a replay gives the same order."""

    name = "round-robin"
    filters = (WHOLE, *ELIGIBLE)

    def prepare(self, request: Request, snapshot: Snapshot, rows: Ints) -> list[int]:
        listed: list[int] = rows.tolist()
        return listed

    def choose(self, ready: list[int], request: Request, snapshot: Snapshot) -> int:
        return ready[request.seq % len(ready)] if ready else -1

    def scores(self, request: Request, snapshot: Snapshot, row: int) -> Mapping[str, float]:
        return {"row": float(row)}


PLUGIN = RoundRobin
