"""Baseline: the plan that would answer soonest, queue included; carbon is not looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gramwise.schedule.filters import ELIGIBLE, WHOLE, finish_s
from gramwise.schedule.pipeline import TablePolicy

if TYPE_CHECKING:
    from gramwise.core.decision import Floats, Ints, Request, Snapshot

_LOOP = 8
"""Up to this many rows a Python loop is quicker than three NumPy calls (docs/measurements/01-first-light.md)."""


class Fastest(TablePolicy["tuple[Ints, Ints, Floats, Floats, list[tuple[int, int, float, float]]]"]):
    """Least wait + hand-over + service."""

    name = "fastest"
    filters = (WHOLE, *ELIGIBLE)

    def prepare(
        self, request: Request, snapshot: Snapshot, rows: Ints
    ) -> tuple[Ints, Ints, Floats, Floats, list[tuple[int, int, float, float]]]:
        table = snapshot.plans
        columns = (rows, table.node[rows], table.fixed_s[rows], table.latency_s[rows])
        few = list(zip(*(c.tolist() for c in columns), strict=True)) if len(rows) <= _LOOP else []
        return (*columns, few)

    def choose(
        self,
        ready: tuple[Ints, Ints, Floats, Floats, list[tuple[int, int, float, float]]],
        request: Request,
        snapshot: Snapshot,
    ) -> int:
        rows, nodes, fixed_s, latency_s, few = ready
        if few:
            wait_s, count = snapshot.backlog_s.item, request.count
            return min(few, key=lambda r: wait_s(r[1]) + r[2] + r[3] * count)[0]
        if not len(rows):
            return -1
        return int(rows[finish_s(request, snapshot.backlog_s[nodes], fixed_s, latency_s).argmin()])

    def scores(self, request: Request, snapshot: Snapshot, row: int) -> Mapping[str, float]:
        table = snapshot.plans
        wait = snapshot.backlog_s[int(table.node[row])]
        return {"finish_s": float(finish_s(request, wait, table.fixed_s[row], table.latency_s[row]))}


PLUGIN = Fastest
