"""What rejects a plan, and why: small pure functions on the plan table.

A filter answers for the whole table at once with an array of shape (P,), True where the plan may stay, and explains
one row in a sentence. Static filters read the upper block of the snapshot only, so that a policy may memoise them;
load filters read queues as well and are asked for every decision.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gramwise.core.decision import Request, Snapshot, nodes_of, place_of

from .split import everywhere, fits, wait_of, wait_s, whole

if TYPE_CHECKING:
    from gramwise.core.decision import Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class Filter:
    """A named reason to reject plans.

    Attributes:
        name: what rejected, in verdicts and tables.
        keep: (request, snapshot) -> (P,) booleans.
        reason: (request, snapshot, row) -> one sentence about a rejected row.
    """

    name: str
    keep: Callable[[Request, Snapshot], Bools]
    reason: Callable[[Request, Snapshot, int], str]


def _first(snapshot: Snapshot, row: int, good: Bools) -> int:
    """The first node of a row for which something does not hold, given for which it does."""
    return next(node for node in nodes_of(snapshot, row) if not good[node])


def _right_variant(request: Request, snapshot: Snapshot) -> Bools:
    table = snapshot.plans
    if request.accuracy_floor_frac is None:
        return table.reference
    # NaN compares false: a variant whose accuracy nobody measured never passes a floor.
    keep: Bools = table.accuracy_frac >= request.accuracy_floor_frac
    return keep


def _why_not_variant(request: Request, snapshot: Snapshot, row: int) -> str:
    table = snapshot.plans
    if request.accuracy_floor_frac is None:
        return f"variant {table.variant[row]} is not the reference and the request permits no other"
    accuracy = float(table.accuracy_frac[row])
    known = "unknown" if accuracy != accuracy else f"{accuracy:.2%}"
    return f"accuracy {known}, below the floor of {request.accuracy_floor_frac:.2%}"


def _zone_allowed(request: Request, snapshot: Snapshot) -> Bools:
    if request.allowed_zones is None:
        return np.ones(len(snapshot.plans), dtype=np.bool_)
    by_node = np.array([zone in request.allowed_zones for zone in snapshot.zone], dtype=np.bool_)
    return everywhere(snapshot, by_node)


def _fresh(request: Request, snapshot: Snapshot) -> Bools:
    if snapshot.max_intensity_age_s is None:
        return np.ones(len(snapshot.plans), dtype=np.bool_)
    return everywhere(snapshot, snapshot.intensity_age_s <= snapshot.max_intensity_age_s)


def _why_too_large(request: Request, snapshot: Snapshot, row: int) -> str:
    table = snapshot.plans
    needs: list[float] = [s.memory_bytes for s in table.stages.get(row, ())] or [
        float(table.memory_bytes[row])
    ]
    has = [float(snapshot.memory_bytes[node]) for node in nodes_of(snapshot, row)]
    need, room = next((n, h) for n, h in zip(needs, has, strict=True) if n > h)
    return f"needs {need / 2**20:.0f} MiB of {room / 2**20:.0f} MiB"


def _why_not_there(request: Request, snapshot: Snapshot, row: int) -> str:
    zones = [snapshot.zone[node] for node in nodes_of(snapshot, row)]
    zone = next(zone for zone in zones if zone not in (request.allowed_zones or ()))
    return f"zone {zone} is not among the allowed ones"


def _why_stale(request: Request, snapshot: Snapshot, row: int) -> str:
    limit_s = snapshot.max_intensity_age_s or 0.0
    node = _first(snapshot, row, snapshot.intensity_age_s <= limit_s)
    return f"its intensity is {_age(float(snapshot.intensity_age_s[node]))}, the limit is {limit_s:.0f} s"


def _age(seconds: float) -> str:
    return "of unknown age" if seconds != seconds else f"{seconds:.0f} s old"


ALIVE = Filter(
    "alive",
    lambda request, s: everywhere(s, s.alive),
    lambda request, s, row: f"node {s.nodes[_first(s, row, s.alive)]} is lost",
)
VARIANT = Filter("accuracy", _right_variant, _why_not_variant)
MEMORY = Filter("memory", lambda request, s: fits(s), _why_too_large)
ZONE = Filter("zone", _zone_allowed, _why_not_there)
KNOWN = Filter(
    "unknown",
    # Comparing with itself finds NaN: what is unknown is never the best score.
    lambda request, s: (
        everywhere(s, s.intensity_g_per_kwh == s.intensity_g_per_kwh) & (s.plans.energy_j == s.plans.energy_j)
    ),
    lambda request, s, row: (
        f"its {'energy' if s.plans.energy_j[row] != s.plans.energy_j[row] else 'grid intensity'} is unknown"
    ),
)
FRESH = Filter("freshness", _fresh, _why_stale)
WHOLE = Filter(
    "whole",
    lambda request, s: whole(s),
    lambda request, s, row: f"it is split over {place_of(s, row)}, and this policy runs whole models only",
)


def finish_s(request: Request, backlog_s: Floats, fixed_s: Floats, latency_s: Floats) -> Floats:
    """Predicted seconds from now to the answer: wait, hand-over, service. Arrays of one shape, or scalars."""
    return backlog_s + fixed_s + latency_s * request.count


def _in_time(request: Request, snapshot: Snapshot) -> Bools:
    table = snapshot.plans
    if request.deadline_s is None:
        return np.ones(len(table), dtype=np.bool_)
    keep: Bools = finish_s(request, wait_s(snapshot), table.fixed_s, table.latency_s) <= request.deadline_s
    return keep


def _why_late(request: Request, snapshot: Snapshot, row: int) -> str:
    table = snapshot.plans
    wait = wait_of(snapshot, row)
    total = wait + float(table.fixed_s[row]) + float(table.latency_s[row]) * request.count
    return (
        f"would answer after {total * 1e3:.1f} ms (of which {wait * 1e3:.1f} ms waiting),"
        f" deadline {(request.deadline_s or 0.0) * 1e3:.1f} ms"
    )


DEADLINE = Filter("latency", _in_time, _why_late)

ELIGIBLE = (ALIVE, VARIANT, MEMORY, ZONE)
"""What every policy of ours respects."""

ACCOUNTABLE = (*ELIGIBLE, KNOWN, FRESH)
"""What a policy that counts grams respects as well."""


def of_model(request: Request, snapshot: Snapshot) -> Ints:
    """Rows of the request's model, ascending: the candidates."""
    table = snapshot.plans
    first = table.model[0] if len(table) else ""
    if first == request.model and table.model.count(first) == len(table.model):
        return np.arange(len(table))
    return np.array([i for i, model in enumerate(table.model) if model == request.model], dtype=np.int64)


def surviving(filters: tuple[Filter, ...], request: Request, snapshot: Snapshot) -> Ints:
    """Rows of the request's model that every filter keeps, ascending."""
    rows = of_model(request, snapshot)
    for each in filters:
        rows = rows[each.keep(request, snapshot)[rows]]
    return rows
