"""The planner: at each edge of a slot of time it solves the hours to come and puts the first step into the world.

It joins what only the runtime has in one place: plan table and nodes (from a snapshot), what is foreseen of intensity
and demand (callables, so that perfect, own and wrong foresight are the same code), and which requests wait. The
solver's answer becomes `Guidance`, which policies read from the snapshot. No threads and no wall clock: `run` sleeps
on whatever clock it is given. Method: docs/method/policies.md.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gramwise.core.ahead import ClassKey, Guidance, class_of
from gramwise.core.clock import Clock
from gramwise.core.decision import Request, Snapshot
from gramwise.core.errors import DataError, Infeasible, SolverError, SourceUnavailable
from gramwise.core.units import J_PER_KWH, S_PER_DAY, S_PER_HOUR
from gramwise.optimize.slots import SlotProblem, SlotSolution, due_of, solve_slots
from gramwise.runtime.world import World
from gramwise.schedule.filters import ACCOUNTABLE, WHOLE, surviving

if TYPE_CHECKING:
    from gramwise.core.decision import Floats

_log = logging.getLogger(__name__)

LEAN_FRAC = 0.95
"""Plans are made for this share of the demand that is foreseen. What comes beyond spills to the next best plan by
price, which costs little; a plan for demand that does not come sends work to dirty nodes while clean ones have room.
Chosen on the traces with 5 % noise on each hour's demand (docs/method/sweep.md)."""

CAUTION_FRAC_PER_HOUR = 0.002
"""How much dearer an hour further away is taken to be than foreseen: work waits for a saving that will hold, not for
one within the forecast's error. Chosen on the traces (docs/measurements/03-when.md)."""

SOONER_FRAC_PER_HOUR = 1e-6
"""The same where the hours to come are known: of two moments that cost the same, the sooner."""

_SHORTEST_SLEEP_S = 1e-3
"""A clock that wakes a little early is given this long: the difference of two Unix times may be too small to add."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Requests that are foreseen together.

    Attributes:
        key: what they ask for, see `class_of`.
        window_s: how long they can wait before they start; 0 for not at all.
        deadline_s: seconds to the answer; rows that take longer on an idle node are not planned for. None for none.
        count: inferences of a request.
    """

    key: ClassKey
    window_s: float = 0.0
    deadline_s: float | None = None
    count: int = 1


Foresee = Callable[[str, "Floats"], "Floats"]
"""(zone, starts of slots in Unix seconds (T,)) -> mean intensity of each slot, (T,) g/kWh; NaN where unknown."""

Demand = Callable[[int, "Floats"], "Floats"]
"""(number of the stream, starts of slots (T,)) -> inferences that arrive in each slot, (T,)."""


@dataclass(frozen=True, slots=True, eq=False)
class _Class:
    """A class as the solver sees it: requests of one key that can wait are apart from those that cannot."""

    key: ClassKey
    waits: bool
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Posed:
    """A problem with what is needed to read its answer."""

    starts_s: Floats
    problem: SlotProblem
    waiting: dict[ClassKey, list[Request]]
    fresh: Floats


class Planner:
    """Solves the hours to come, slot by slot.

    Args:
        streams: what is asked for; a request of another class goes by prices alone.
        foresee: intensity, see `Foresee`.
        demand: inferences, see `Demand`.
        waiting: the requests that are put off at this moment, for instance ``engine.waiting.values``.
        slot_s: length of a slot, seconds; slots begin at whole multiples of it since 1970.
        horizon_slots: how many slots are planned where work can wait or a budget is kept; one otherwise.
        max_busy_frac: share of each node's time that plans may fill.
        budget_g_per_day: grams that a day (UTC) may cost, or None.
        spent_g: (now) -> grams of the present day so far; wanted with a budget.
        lean_frac, caution_frac_per_hour: see `LEAN_FRAC` and `CAUTION_FRAC_PER_HOUR`.

    Raises:
        ValueError: a slot, horizon or share that cannot be.
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        foresee: Foresee,
        demand: Demand,
        waiting: Callable[[], Iterable[Request]] = tuple,
        *,
        slot_s: float = 3600.0,
        horizon_slots: int = 24,
        max_busy_frac: float = 1.0,
        budget_g_per_day: float | None = None,
        spent_g: Callable[[float], float] | None = None,
        lean_frac: float = LEAN_FRAC,
        caution_frac_per_hour: float = CAUTION_FRAC_PER_HOUR,
    ) -> None:
        if not slot_s > 0.0 or horizon_slots < 1 or not 0.0 < max_busy_frac <= 1.0:
            raise ValueError("a slot is longer than 0 s, a horizon at least one slot, a share in (0, 1]")
        if budget_g_per_day is not None and spent_g is None:
            raise ValueError("a budget needs to know what was spent: give spent_g")
        self.streams, self.slot_s, self.horizon_slots = tuple(streams), slot_s, horizon_slots
        self._foresee, self._demand, self._waiting = foresee, demand, waiting
        self._max_busy_frac, self._budget_g, self._spent_g = max_busy_frac, budget_g_per_day, spent_g
        self._lean_frac, self._caution = lean_frac, max(caution_frac_per_hour, SOONER_FRAC_PER_HOUR)

    def solve(self, snapshot: Snapshot) -> Guidance:
        """Guidance for the slot in which ``snapshot`` was taken.

        Work that does not fit is given up by the solver rather than the plan: what it gives up goes by prices. Nodes
        of unknown intensity get no share. Rows that are split over several nodes get none either.

        Raises:
            Infeasible: a class has no permitted plan on any node.
            SolverError: the solver stopped without an answer.
            SourceUnavailable: SciPy is not installed.
        """
        posed, classes = self._pose(snapshot)
        if self._budget_g is None:
            return self._guide(posed, classes, solve_slots(posed.problem, shed=True))
        return self._solve_within(snapshot, posed, classes)

    def _guide(self, posed: _Posed, classes: Sequence[_Class], solution: SlotSolution) -> Guidance:
        # A plan for a part of the demand, at intensities made dearer on purpose, bounds nothing.
        proven = self._lean_frac == 1.0 and self._caution == SOONER_FRAC_PER_HOUR
        guidance = _guidance(self.slot_s, posed, classes, solution)
        return guidance if proven else replace(guidance, bound_g=None)

    def renew(self, world: World, now_s: float) -> Guidance | None:
        """Solve and put the guidance into the world; a failure is logged and policies go on without."""
        try:
            guidance = self.solve(world.snapshot(now_s))
        except (Infeasible, SolverError, SourceUnavailable, DataError) as fault:
            _log.warning("no plan for the slot at %.0f, policies go by grams: %s", now_s, fault)
            return None
        world.renew(guidance=guidance)
        return guidance

    async def run(
        self, world: World, clock: Clock, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """Renew now and at every edge of a slot until cancelled."""
        while True:
            now_s = clock.now_s()
            self.renew(world, now_s)
            edge_s = (math.floor(now_s / self.slot_s) + 1) * self.slot_s
            while (left_s := edge_s - clock.now_s()) > 0.0:
                await sleep(max(left_s, _SHORTEST_SLEEP_S))

    # --- posing ------------------------------------------------------------------------------------------------------

    def _pose(self, snapshot: Snapshot) -> tuple[_Posed, list[_Class]]:
        waiting: dict[ClassKey, list[Request]] = {}
        for request in sorted(self._waiting(), key=lambda r: (r.arrival_s, r.seq)):
            waiting.setdefault(class_of(request), []).append(request)
        classes = self._classes(waiting)
        coupled = self._budget_g is not None or any(each.waits for each in classes)
        ahead = self.horizon_slots if coupled else 1
        first_s = math.floor(snapshot.at_s / self.slot_s) * self.slot_s
        starts_s: Floats = first_s + self.slot_s * np.arange(ahead, dtype=np.float64)
        left_s = np.full(ahead, self.slot_s)
        left_s[0] = first_s + self.slot_s - snapshot.at_s
        arrivals, due = np.zeros((len(classes), ahead)), np.zeros((len(classes), ahead))
        for k, each in enumerate(classes):
            for i in each.members:
                come = np.asarray(self._demand(i, starts_s), dtype=np.float64) * (left_s / self.slot_s)
                # What can wait is planned for in full: too little of it would be released too late.
                come = come if each.waits else come * self._lean_frac
                window = min(int(self.streams[i].window_s // self.slot_s), ahead)
                arrivals[k] += come
                due[k] += due_of(come[None], np.array([window]))[0]
        fresh = arrivals[:, 0].copy()
        for k, each in enumerate(classes):
            for request in waiting.get(each.key, ()) if each.waits else ():
                arrivals[k, 0] += request.count
                due[k, self._due_slot(request, first_s, ahead)] += request.count
        energy_j, busy_s = self._permitted(snapshot, classes)
        capacity_s = np.outer(np.where(snapshot.alive, snapshot.slots, 0) * self._max_busy_frac, left_s)
        problem = SlotProblem(
            energy_j=energy_j,
            busy_s=busy_s,
            node=snapshot.plans.node,
            g_per_j=self._g_per_j(snapshot, starts_s),
            capacity_s=capacity_s,
            arrivals=arrivals,
            due=due,
        )
        return _Posed(starts_s, problem, waiting, fresh), classes

    def _classes(self, waiting: dict[ClassKey, list[Request]]) -> list[_Class]:
        found: dict[tuple[ClassKey, bool], list[int]] = {}
        for i, stream in enumerate(self.streams):
            found.setdefault((stream.key, stream.window_s > 0.0), []).append(i)
        for key in waiting:  # whoever waits is planned for, foreseen or not
            found.setdefault((key, True), [])
        return [_Class(key, waits, tuple(members)) for (key, waits), members in found.items()]

    def _due_slot(self, request: Request, first_s: float, ahead: int) -> int:
        limit_s = first_s if request.deferrable_until_s is None else request.deferrable_until_s
        # The last slot that begins before the limit: what may start until its edge is due in the slot before it.
        return min(max(0, math.ceil((limit_s - first_s) / self.slot_s) - 1), ahead - 1)

    def _g_per_j(self, snapshot: Snapshot, starts_s: Floats) -> Floats:
        """Grams of a joule, (N, T); a zone's last known value holds on where foresight ends, unknown stays unknown."""
        by_zone = {
            zone: _held(np.asarray(self._foresee(zone, starts_s), dtype=np.float64))
            for zone in dict.fromkeys(snapshot.zone)
        }
        intensity = np.array([by_zone[zone] for zone in snapshot.zone])
        caution = 1.0 + self._caution * (starts_s - starts_s[0]) / S_PER_HOUR
        g_per_j: Floats = intensity * snapshot.pue[:, None] / J_PER_KWH * caution
        return g_per_j

    def _permitted(self, snapshot: Snapshot, classes: Sequence[_Class]) -> tuple[Floats, Floats]:
        """Joules (inf where not permitted) and busy seconds of one inference of each class by each row, (K, P)."""
        table = snapshot.plans
        energy_j = np.full((len(classes), len(table)), np.inf)
        for k, each in enumerate(classes):
            rows = surviving((WHOLE, *ACCOUNTABLE), _example(each.key, snapshot.at_s), snapshot)
            # Members differ in deadlines: a row stays if it can be in time for any, and spilling sees to the rest.
            keep = np.zeros(len(rows), dtype=np.bool_)
            for stream in (self.streams[i] for i in each.members):
                service_s = table.fixed_s[rows] + table.latency_s[rows] * stream.count
                keep |= service_s <= (math.inf if stream.deadline_s is None else stream.deadline_s)
            rows = rows[keep] if each.members else rows
            energy_j[k, rows] = table.energy_j[rows]
        return energy_j, np.tile(table.latency_s, (len(classes), 1))

    # --- a budget ----------------------------------------------------------------------------------------------------

    def _solve_within(self, snapshot: Snapshot, posed: _Posed, classes: list[_Class]) -> Guidance:
        """The most accurate mix of two plans, each with an accuracy floor for all, that the budget allows.

        Grams of a mix are the mix of grams, so that the dearer plan's share is what is left of the budget over what it
        costs more. A mix of two floors is feasible and keeps to the budget in expectation; it is not always the most
        accurate of all plans that do.
        """
        budget_g, cheap = self._left_g(posed.starts_s, snapshot.at_s), None
        for problem in _with_floors(posed.problem, snapshot.plans.accuracy_frac):
            try:
                solution = solve_slots(problem, shed=cheap is None)
            except Infeasible:  # so accurate, the work would not fit
                break
            if cheap is not None and solution.carbon_g > budget_g:
                more_g = solution.carbon_g - cheap.carbon_g
                share = max(0.0, budget_g - cheap.carbon_g) / more_g if more_g > 0.0 else 0.0
                return self._guide(posed, classes, _mixed(cheap, solution, share))
            if cheap is None and solution.carbon_g > budget_g:
                _log.warning(
                    "the budget cannot be kept: %.3g g are left, %.3g g are needed",
                    budget_g,
                    solution.carbon_g,
                )
                return self._guide(posed, classes, solution)
            cheap = solution
        assert cheap is not None  # the first problem sheds what does not fit
        return self._guide(posed, classes, cheap)

    def _left_g(self, starts_s: Floats, at_s: float) -> float:
        """Grams for the slots that are planned: what is left of this day, and each further day's share."""
        assert self._budget_g is not None
        assert self._spent_g is not None
        midnight_s = (math.floor(at_s / S_PER_DAY) + 1) * S_PER_DAY
        end_s = float(starts_s[-1]) + self.slot_s
        left_g = max(0.0, self._budget_g - self._spent_g(at_s))
        if end_s < midnight_s:
            return left_g * (end_s - at_s) / (midnight_s - at_s)
        return left_g + self._budget_g * (end_s - midnight_s) / S_PER_DAY


def _example(key: ClassKey, at_s: float) -> Request:
    model, floor_frac, zones = key
    anyone = Request(id="planned", seq=0, draw=0.0, model=model, arrival_s=at_s)
    return replace(anyone, accuracy_floor_frac=floor_frac, allowed_zones=zones)


def _held(values: Floats) -> Floats:
    """Each missing value as the last known one before it; missing stays what has none before it."""
    known = np.where(np.isnan(values), 0, np.arange(len(values)))
    held: Floats = values[np.maximum.accumulate(known)]
    return held


def _with_floors(problem: SlotProblem, accuracy_frac: Floats) -> Iterable[SlotProblem]:
    """The problem as it is, then with ever higher accuracy floors; an unknown accuracy meets none of them."""
    permitted = np.isfinite(problem.energy_j)
    known = np.where(np.isnan(accuracy_frac), -np.inf, accuracy_frac)
    best = np.where(permitted, known, -np.inf).max(axis=1, keepdims=True)
    yield problem
    for floor_frac in np.unique(known[permitted.any(axis=0)])[1:].tolist():
        # A class whose best is below the floor keeps its best.
        keep = known >= np.minimum(best, floor_frac)
        yield replace(problem, energy_j=np.where(keep, problem.energy_j, np.inf))


def _mixed(one: SlotSolution, other: SlotSolution, share: float) -> SlotSolution:
    return SlotSolution(
        carbon_g=one.carbon_g + share * (other.carbon_g - one.carbon_g),
        served=(1.0 - share) * one.served + share * other.served,
        price_g_per_s=(1.0 - share) * one.price_g_per_s + share * other.price_g_per_s,
        unserved=(1.0 - share) * one.unserved + share * other.unserved,
    )


# --- reading the answer ---------------------------------------------------------------------------------------------


def _guidance(slot_s: float, posed: _Posed, classes: Sequence[_Class], solution: SlotSolution) -> Guidance:
    now = np.maximum(solution.served[:, :, 0], 0.0)  # solvers leave dust below 0
    by_key: dict[ClassKey, Floats] = {}
    fresh_frac: dict[ClassKey, float] = {}
    release_before_s: dict[ClassKey, float] = {}
    for k, each in enumerate(classes):
        by_key[each.key] = by_key.get(each.key, 0.0) + now[k]
        if each.waits:
            queue, amount = posed.waiting.get(each.key, []), float(now[k].sum() + solution.unserved[k, 0])
            fresh_frac[each.key], release_before_s[each.key] = released(queue, float(posed.fresh[k]), amount)
    start_s = float(posed.starts_s[0])
    return Guidance(
        start_s=start_s,
        end_s=start_s + slot_s,
        price_g_per_s=solution.price_g_per_s[:, 0].copy(),
        fractions={key: row / row.sum() for key, row in by_key.items() if row.sum() > 0.0},
        fresh_frac=fresh_frac,
        release_before_s=release_before_s,
        bound_g=None if solution.unserved.any() else solution.carbon_g,
    )


def released(queue: Sequence[Request], fresh: float, amount: float) -> tuple[float, float]:
    """Turn an amount of work into who starts in this slot: those who have waited longest, then those who come.

    Args:
        queue: waiting requests of one class, by arrival.
        fresh: inferences of the class foreseen to arrive in this slot.
        amount: inferences that the plan serves in it.

    Returns:
        ``fresh_frac`` and ``release_before_s`` of `Guidance`; a request is released where at least half of it fits.
    """
    for request in queue:
        if amount < 0.5 * request.count:
            return 0.0, request.arrival_s
        amount -= request.count
    return (min(1.0, max(0.0, amount / fresh)) if fresh > 0.0 else 1.0), math.inf
