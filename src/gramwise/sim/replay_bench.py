"""A bench run as a simulation's scene: the recorded requests at their recorded moments, on the recorded plan table.

A bench measures; its replay is modelled: an inference takes the seconds and joules that the plan table foretold. Grids
are as the decisions knew them, and by these the bench billed, so that nothing better is known to be true.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gramwise.core.decision import PlanTable, Request, Snapshot
from gramwise.core.units import S_PER_HOUR
from gramwise.fleet.traffic import FailureTable, TrafficTable
from gramwise.runtime.chain import OUTSIDE
from gramwise.runtime.planfile import network_of
from gramwise.runtime.rundir import read_decisions, rebuild
from gramwise.sim.ahead import Counting
from gramwise.sim.arrivals import Offered
from gramwise.sim.replay_scene import recorded_grid, recorded_machines
from gramwise.sim.signals import RECENT_HOURS, Signals
from gramwise.sim.trial import Scene, scene_of

if TYPE_CHECKING:
    from gramwise.core.decision import Floats
    from gramwise.core.machines import Node
    from gramwise.fleet.scenario import Scenario


@dataclass(slots=True)
class Recorded:
    """What one policy's decisions left: its requests by id as first asked, and what it knew of the nodes when.

    Attributes:
        first: the first decision with the snapshot's upper block that it saw.
        requests: by id.
        seen: (Unix seconds, upper block), one for each version in its order.
    """

    first: tuple[dict[str, Any], dict[str, Any]]
    requests: dict[str, Request] = field(default_factory=dict)
    seen: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    @property
    def snapshot(self) -> Snapshot:
        """What the first decision saw."""
        snapshot: Snapshot = rebuild(*self.first)[1]
        return snapshot


def read_bench(run: Path) -> dict[str, Recorded]:
    """By policy as bench names it, in the order in which they came, what was recorded.

    Raises:
        RunDirectoryError: no decisions.jsonl, or a line that cannot be read.
    """
    found: dict[str, Recorded] = {}
    for record, upper in read_decisions(run):
        asked = dict(record["request"])
        # A decision carries its policy's plain name, an id that of its line in the bench: grams and grams+variants.
        mine = found.setdefault(asked["id"].rsplit("-", 2)[0], Recorded((record, upper)))
        if not mine.seen or mine.seen[-1][1] is not upper:
            mine.seen.append((record["at_s"], upper))
        if asked["id"] not in mine.requests:
            zones = asked.pop("allowed_zones")
            mine.requests[asked["id"]] = Request(
                **asked, allowed_zones=None if zones is None else frozenset(zones)
            )
    return found


def bench_scene(scenario: Scenario, recorded: Recorded, answered: set[str]) -> Scene:
    """The scene in which a policy's requests come again.

    Args:
        scenario: the run's.
        recorded: of the policy.
        answered: ids of the requests that have an outcome; the others were under way when the run stopped.
    """
    requests = sorted(
        (r for r in recorded.requests.values() if r.id in answered), key=lambda r: (r.arrival_s, r.seq)
    )
    snapshot = recorded.snapshot
    links = network_of(scenario).links
    nodes = tuple(_reached(node, links) for node in scenario.node_records())
    plans = unsplit(snapshot.plans)
    # The time of a transfer is in the table's latency and no longer told apart: it holds the slot here.
    table = recorded_machines(nodes, plans, plans.latency_s, {})
    start_s = math.floor(requests[0].arrival_s / S_PER_HOUR) * S_PER_HOUR
    hours = math.floor((requests[-1].arrival_s - start_s) / S_PER_HOUR) + 1
    away = _failures(recorded.seen, snapshot.nodes, start_s)
    return scene_of(
        scenario.model_copy(update={"failures": tuple(away)}),
        table,
        _signals(scenario, recorded.seen, snapshot, start_s, hours),
        _offered(requests, start_s, start_s + S_PER_HOUR * hours),
    )


def _reached(node: Node, links: Mapping[tuple[str, str], Any]) -> Node:
    return replace(node, link=replace(links[OUTSIDE, node.name], bytes_per_s=None))


def unsplit(plans: PlanTable) -> PlanTable:
    """The rows that run on one node: split plans are not simulated."""
    keep = [row for row in range(len(plans)) if row not in plans.stages]
    if len(keep) == len(plans):
        return plans
    arrays = ("node", "reference", "latency_s", "fixed_s", "energy_j", "accuracy_frac", "memory_bytes")
    return PlanTable(
        model=tuple(plans.model[row] for row in keep),
        variant=tuple(plans.variant[row] for row in keep),
        planned=keep.index(plans.planned) if plans.planned in keep else -1,
        **{name: getattr(plans, name)[keep] for name in arrays},
    )


def _failures(
    seen: Sequence[tuple[float, Mapping[str, Any]]], nodes: Sequence[str], start_s: float
) -> Iterator[FailureTable]:
    """A node is away from the first decision that knew of its loss to the first that knew of its return."""
    for i, node in enumerate(nodes):
        gone_s: float | None = None
        for at_s, upper in seen:
            alive = upper["alive"][i]
            if not alive and gone_s is None:
                gone_s = at_s
            elif alive and gone_s is not None:
                if at_s > gone_s:
                    yield FailureTable(node=node, at_s=gone_s - start_s, for_s=at_s - gone_s)
                gone_s = None
        if gone_s is not None:
            yield FailureTable(node=node, at_s=gone_s - start_s)


def _signals(
    scenario: Scenario,
    seen: Sequence[tuple[float, Mapping[str, Any]]],
    snapshot: Snapshot,
    start_s: float,
    hours: int,
) -> Signals:
    """Each node's intensity in each hour as last known when the hour ended; the same where it never changed."""
    values = np.empty((len(snapshot.nodes), hours + 1))
    for hour in range(hours + 1):
        end_s = start_s + S_PER_HOUR * (hour + 1)
        upper = next((u for at_s, u in reversed(seen) if at_s < end_s), seen[0][1])
        values[:, hour] = [_number(value) for value in upper["intensity_g_per_kwh"]]
    constant = bool(np.array_equal(values, np.repeat(values[:, :1], hours + 1, axis=1), equal_nan=True))
    horizon = scenario.simulation.horizon_hours
    known = np.repeat(values[:, :hours, None], horizon, axis=2)
    unknown = np.full_like(known, np.nan)
    ages = snapshot.intensity_age_s.tolist()
    grids = [
        recorded_grid(value, age_s, snapshot.basis)
        for value, age_s in zip(values[:, 0].tolist(), ages, strict=True)
    ]
    return Signals(
        grids=snapshot.nodes,
        zones=snapshot.zone,
        of=np.arange(len(snapshot.nodes)),
        start_s=start_s,
        truth=values,
        known=known,
        low=unknown,
        high=unknown,
        past=np.repeat(values[:, :1], RECENT_HOURS, axis=1),
        basis=snapshot.basis,
        sources=("as the run recorded it",) * len(snapshot.nodes),
        forecast="as the run knew it, held for the hours to come",
        fixed=tuple(grids) if constant else (),
    )


def _number(value: float | str | None) -> float:
    return math.nan if value is None else float(value)


def _offered(requests: Sequence[Request], start_s: float, end_s: float) -> Offered:
    """Requests that ask for the same are a class."""
    kinds: dict[tuple[Any, ...], list[int]] = {}
    for i, r in enumerate(requests):
        key = (r.model, r.count, r.accuracy_floor_frac, r.deadline_s, r.allowed_zones)
        kinds.setdefault(key, []).append(i)
    of = np.empty(len(requests), dtype=np.int64)
    for k, members in enumerate(kinds.values()):
        of[members] = k
    waits_s = [0.0 if r.deferrable_until_s is None else r.deferrable_until_s - r.arrival_s for r in requests]
    rows = tuple(
        _class(f"recorded-{k}", key, [waits_s[i] for i in members], end_s - start_s)
        for k, (key, members) in enumerate(kinds.items())
    )
    return Offered(
        rows=rows,
        start_s=start_s,
        end_s=end_s,
        time_s=np.array([r.arrival_s - start_s for r in requests]),
        of=of,
        draw=np.array([r.draw for r in requests]),
        can_wait=np.array([wait_s > 0.0 for wait_s in waits_s]),
        stretch=np.ones(len(requests)),
        requests=tuple(requests),
    )


def _class(name: str, key: tuple[Any, ...], waits_s: Sequence[float], length_s: float) -> TrafficTable:
    model, count, floor_frac, deadline_s, zones = key
    return TrafficTable(
        name=name,
        model=model,
        rate_per_s=len(waits_s) / length_s,
        count=count,
        accuracy_floor_frac=floor_frac,
        deadline_s=deadline_s,
        allowed_zones=None if zones is None else tuple(sorted(zones)),
        deferrable_frac=sum(wait_s > 0.0 for wait_s in waits_s) / len(waits_s),
        deferrable_s=max(waits_s),
    )


def _arrivals(offered: Offered) -> Callable[[int, bool], tuple[Floats, Floats]]:
    """By class and whether it can wait, its `_history`, worked out once."""
    return cache(lambda k, waits: _history(offered, k, waits))


def _history(offered: Offered, k: int, waits: bool) -> tuple[Floats, Floats]:
    """Moments of a class's requests, Unix seconds (M,), and inferences that came before each and in all (M + 1,)."""
    mine = np.flatnonzero((offered.of == k) & (offered.can_wait == waits))
    counts = np.array([offered.requests[i].count for i in mine.tolist()], dtype=np.float64)
    return offered.start_s + offered.time_s[mine], np.concatenate([[0.0], np.cumsum(counts)])


def true_counts(offered: Offered, slot_s: float) -> Counting:
    """Foresight that knows every request: what comes in each slot, at its pace of a whole one where it has begun."""
    arrivals = _arrivals(offered)

    def counting(k: int, waits: bool, now_s: float, starts_s: Floats) -> Floats:
        times_s, before = arrivals(k, waits)
        edges_s = np.maximum(np.append(starts_s, starts_s[-1] + slot_s), now_s)
        come: Floats = np.diff(before[np.searchsorted(times_s, edges_s)])
        # The planner takes the part of the first slot that is left.
        come[0] *= slot_s / (float(edges_s[1]) - now_s) if len(edges_s) > 1 else 1.0
        return come

    return counting


def last_hours_rate(offered: Offered, slot_s: float) -> Counting:
    """Foresight that knows the past: every slot to come as the hour before now, or as what there was of it."""
    first_s, arrivals = offered.start_s + float(offered.time_s[0]), _arrivals(offered)

    def counting(k: int, waits: bool, now_s: float, starts_s: Floats) -> Floats:
        times_s, before = arrivals(k, waits)
        since_s = max(first_s, now_s - S_PER_HOUR)
        came = (
            float(np.diff(before[np.searchsorted(times_s, [since_s, now_s])])[0]) if now_s > since_s else 0.0
        )
        return np.full(len(starts_s), came / (now_s - since_s) * slot_s if came else 0.0)

    return counting
