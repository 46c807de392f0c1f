"""Baseline of every comparison: all requests on the scenario's named baseline node, in the reference variant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from gramwise.schedule.filters import ELIGIBLE, WHOLE, Filter
from gramwise.schedule.pipeline import TablePolicy

if TYPE_CHECKING:
    from gramwise.core.decision import Bools, Ints, Request, Snapshot


def _on_baseline(request: Request, snapshot: Snapshot) -> Bools:
    here = np.array([name == snapshot.baseline for name in snapshot.nodes], dtype=np.bool_)
    keep: Bools = here[snapshot.plans.node]
    return keep


BASELINE = Filter(
    "baseline",
    _on_baseline,
    lambda request, s, row: f"only {s.baseline} serves under this policy",
)


class Monolithic(TablePolicy[int]):
    """The reference variant on the baseline node; where a floor permits several variants, still the reference."""

    name = "monolithic"
    filters = (WHOLE, BASELINE, *ELIGIBLE)

    def prepare(self, request: Request, snapshot: Snapshot, rows: Ints) -> int:
        if not len(rows):
            return -1
        reference = rows[snapshot.plans.reference[rows]]
        return int((reference if len(reference) else rows)[0])

    def choose(self, ready: int, request: Request, snapshot: Snapshot) -> int:
        return ready

    def scores(self, request: Request, snapshot: Snapshot, row: int) -> Mapping[str, float]:
        return {"baseline": 1.0}


PLUGIN = Monolithic
