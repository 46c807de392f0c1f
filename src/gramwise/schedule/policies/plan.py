"""The plan that a plan file asked for, and no other: what ``gramwise bench --plan`` sets beside the policies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from gramwise.schedule.filters import ELIGIBLE, Filter
from gramwise.schedule.pipeline import TablePolicy
from gramwise.schedule.split import grams, wait_of

if TYPE_CHECKING:
    from gramwise.core.decision import Bools, Ints, Request, Snapshot


def _planned(request: Request, snapshot: Snapshot) -> Bools:
    keep: Bools = np.arange(len(snapshot.plans)) == snapshot.plans.planned
    return keep


PLANNED = Filter(
    "plan",
    _planned,
    lambda request, s, row: (
        "the plan asks for another" if s.plans.planned >= 0 else "no plan was given (bench --plan)"
    ),
)


class Planned(TablePolicy[int]):
    """The planned row where its nodes are alive and it may serve the request."""

    name = "plan"
    filters = (PLANNED, *ELIGIBLE)

    def prepare(self, request: Request, snapshot: Snapshot, rows: Ints) -> int:
        return rows.item(0) if len(rows) else -1

    def choose(self, ready: int, request: Request, snapshot: Snapshot) -> int:
        return ready

    def scores(self, request: Request, snapshot: Snapshot, row: int) -> Mapping[str, float]:
        table = snapshot.plans
        return {
            "carbon_g": float(grams(snapshot, np.array([row]))[0]) * request.count,
            "energy_j": float(table.energy_j[row]) * request.count,
            "finish_s": wait_of(snapshot, row)
            + float(table.fixed_s[row])
            + float(table.latency_s[row]) * request.count,
        }


PLUGIN = Planned
