"""The plan that would answer soonest, split ones included: it serves where a policy finds none within its limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gramwise.schedule.filters import ELIGIBLE, finish_s
from gramwise.schedule.pipeline import TablePolicy
from gramwise.schedule.split import wait_of, wait_s

if TYPE_CHECKING:
    from gramwise.core.decision import Ints, Request, Snapshot


class Soonest(TablePolicy["Ints"]):
    """Least wait + hand-over + service over all rows; `fastest` is the baseline that splits nothing."""

    name = "soonest"
    filters = ELIGIBLE

    def prepare(self, request: Request, snapshot: Snapshot, rows: Ints) -> Ints:
        return rows

    def choose(self, ready: Ints, request: Request, snapshot: Snapshot) -> int:
        if not len(ready):
            return -1
        table = snapshot.plans
        done_s = finish_s(request, wait_s(snapshot)[ready], table.fixed_s[ready], table.latency_s[ready])
        return ready.item(int(done_s.argmin()))

    def scores(self, request: Request, snapshot: Snapshot, row: int) -> Mapping[str, float]:
        table = snapshot.plans
        done_s = wait_of(snapshot, row) + table.fixed_s[row] + table.latency_s[row] * request.count
        return {"finish_s": float(done_s)}


PLUGIN = Soonest
