"""What the engine knows about its nodes, kept current by events, and handed out as immutable snapshots.

The upper block of a snapshot (plans, intensities, who is alive) is built once per version and shared by every snapshot
of that version; the lower block (queues, history) is copied for each decision. The gateway's world is the
exception: it brings one snapshot up to date instead (`gramwise.gateway.front.busyworld`).
"""

from __future__ import annotations

import itertools
import math
import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gramwise.core.ahead import Forecast, Guidance
from gramwise.core.decision import PlanTable, Snapshot, columns
from gramwise.core.machines import Node
from gramwise.core.quantity import Basis, Quantity, Signal
from gramwise.core.series import Series

if TYPE_CHECKING:
    pass

AGEING_STEP_S = 60.0
"""How often intensities grow older where an age limit is set; a step makes a new version."""

BUSY_MEMORY_S = 1.0
"""Time constant of ``busy_frac``, which only AMP4EC's score reads: our own choice, since no averaging is published."""

MEAN_OF, RECENT_OF = 100, 5
"""Execution times kept, and the newest of them that are called recent (windows of AMP4EC's public code)."""

_HANDED_ON = (
    *("_queued", "_assigned", "_free_at_s", "_busy_at_s", "_busy"),
    *("_recent_s", "_mean_s"),
)
"""Columns of the lower block."""

_versions = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The electricity of one node, as known now. ``intensity`` is None when unknown."""

    intensity: Quantity | None
    age_s: float
    signal: Signal = "average"
    basis: Basis = "lifecycle"


class World:
    """Node states of one engine (one policy's view: each policy of a bench has its own history).

    Args:
        nodes: the machines.
        grids: electricity of each, same order.
        plans: candidates.
        baseline: node of ``monolithic``.
        max_intensity_age_s: see `Snapshot`.
        history: execution times seen before, by node name: what warming up showed.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        grids: Sequence[Grid],
        plans: PlanTable,
        *,
        baseline: str = "",
        max_intensity_age_s: float | None = None,
        history: dict[str, list[float]] | None = None,
    ) -> None:
        self.nodes = tuple(nodes)
        self._index = {node.name: i for i, node in enumerate(nodes)}
        self._grids = tuple(grids)
        self._plans, self._baseline, self._max_age_s = plans, baseline, max_intensity_age_s
        self._guidance: Guidance | None = None
        self._forecast: Mapping[str, Forecast] = {}
        self._recent: Mapping[str, Series] = {}
        self._lock = threading.Lock()  # synchronous callers come from several threads
        self._alive = [True] * len(nodes)
        self._start_s: float | None = None
        self._aged_s = 0.0
        self._heir: World | None = None
        n = len(nodes)
        self._inflight: list[dict[str, float]] = [{} for _ in nodes]
        self._sum_s = [0.0] * n
        self._times_s: list[deque[float]] = [deque(maxlen=MEAN_OF) for _ in nodes]
        self._queued, self._assigned = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        self._none = columns([0.0] * n)
        self._free_at_s, self._busy_at_s, self._busy = np.zeros(n), np.zeros(n), np.zeros(n)
        self._recent_s, self._mean_s = np.full(n, math.nan), np.full(n, math.nan)
        for name, times in (history or {}).items():
            self._took(self._index[name], times)
        self._refresh()

    def _refresh(self) -> None:
        """Build the upper block anew under the next version."""
        self.version = next(_versions)
        self._names = tuple(node.name for node in self.nodes)
        self._zones = tuple(node.zone for node in self.nodes)
        self._intensity = columns([g.intensity.value if g.intensity else math.nan for g in self._grids])
        self._age = columns([g.age_s + self._aged_s for g in self._grids])
        self._pue = columns([n.pue for n in self.nodes])
        self._share = columns([n.cpu_share for n in self.nodes])
        self._memory = columns([n.memory_bytes for n in self.nodes])
        self._busy_w = columns([_or_nan(n.device.busy_w) for n in self.nodes])
        self._idle_w = columns([_or_nan(n.device.idle_w) for n in self.nodes])
        self._slots = np.array([n.slots for n in self.nodes])
        self._alive_column = np.array(self._alive, dtype=np.bool_)

    def renew(
        self,
        plans: PlanTable | None = None,
        grids: Sequence[Grid] | None = None,
        *,
        guidance: Guidance | None = None,
        forecast: Mapping[str, Forecast] | None = None,
        recent: Mapping[str, Series] | None = None,
    ) -> None:
        """New plans, intensities or guidance: the next snapshot has the next version; what is left out stays.

        ``forecast`` and ``recent`` are by zone, and replace all that there were. Guidance speaks of rows of the plan
        table, so that new plans without guidance of their own have none.
        """
        with self._lock:
            if plans is not None:
                self._plans, self._guidance = plans, None
            self._guidance = guidance or self._guidance
            self._forecast = forecast if forecast is not None else self._forecast
            self._recent = recent if recent is not None else self._recent
            if grids is not None:
                self._grids, self._start_s, self._aged_s = tuple(grids), None, 0.0
            self._refresh()

    def lost(self, node: str) -> None:
        """A node is gone."""
        if self._alive[self._index[node]]:
            self._alive[self._index[node]] = False
            self._refresh()

    def found(self, node: str) -> None:
        """A node that was gone takes work again."""
        if not self._alive[self._index[node]]:
            self._alive[self._index[node]] = True
            self._refresh()

    def begin(self, node: str, request: str, predicted_s: float, now_s: float) -> None:
        """A request is on its way to a node."""
        i = self._index[node]
        with self._lock:
            self._settle(i, now_s)
            self._inflight[i][request] = predicted_s
            self._queued[i] += 1
            self._assigned[i] += 1
            self._free_at_s[i] = max(now_s, self._free_at_s.item(i)) + predicted_s / self.nodes[i].slots
        if self._heir is not None:
            self._tell_heir(node, request, predicted_s, now_s)

    def end(self, node: str, request: str, now_s: float, took_s: float | None) -> None:
        """It is done (``took_s`` seconds of execution) or gone (None)."""
        i = self._index[node]
        with self._lock:
            self._settle(i, now_s)
            del self._inflight[i][request]
            self._queued[i] -= 1
            self._free_at_s[i] = now_s + sum(self._inflight[i].values()) / self.nodes[i].slots
            if took_s is not None:
                self._took(i, [took_s])
        if self._heir is not None:
            self._tell_heir_of_end(node, request, now_s, took_s)

    def _tell_heir(self, node: str, request: str, predicted_s: float, now_s: float) -> None:
        heir = self._heir
        if heir is not None and node in heir._index:
            heir.begin(node, request, predicted_s, now_s)

    def _tell_heir_of_end(self, node: str, request: str, now_s: float, took_s: float | None) -> None:
        heir = self._heir
        if heir is not None and node in heir._index and request in heir._inflight[heir._index[node]]:
            heir.end(node, request, now_s, took_s)

    def inherit(self, old: World, nodes: Iterable[str]) -> None:
        """Take over what an older world knows of nodes: who is under way there, and the times that were seen.

        What began in the older world ends there, and this one hears of it. Call it once, before anything begins here.

        Args:
            old: whose place this one takes.
            nodes: names that stand for the same machine in both.
        """
        with old._lock:
            for node in nodes:
                i, was = self._index[node], old._index[node]
                self._inflight[i] = dict(old._inflight[was])
                self._times_s[i], self._sum_s[i] = old._times_s[was].copy(), old._sum_s[was]
                for column in _HANDED_ON:
                    getattr(self, column)[i] = getattr(old, column)[was]
            old._heir = self

    def _settle(self, i: int, now_s: float) -> None:
        """Carry one node's ``busy_frac`` forward to now: an exponential mean of the share of slots in use."""
        keep = math.exp(-max(0.0, now_s - self._busy_at_s.item(i)) / BUSY_MEMORY_S)
        in_use = min(1.0, len(self._inflight[i]) / self.nodes[i].slots)
        self._busy[i] = self._busy.item(i) * keep + in_use * (1.0 - keep)
        self._busy_at_s[i] = now_s

    def _took(self, i: int, times_s: Sequence[float]) -> None:
        """Add execution times to a node's history; the means are kept, since decisions outnumber completions."""
        history, total_s = self._times_s[i], self._sum_s[i]
        for time_s in times_s:
            total_s += time_s - (history[0] if len(history) == MEAN_OF else 0.0)
            history.append(time_s)
        if history:
            count = len(history)
            self._recent_s[i] = sum(itertools.islice(reversed(history), RECENT_OF)) / min(RECENT_OF, count)
            self._mean_s[i] = total_s / count
        self._sum_s[i] = total_s

    def intensity(self, node: str) -> Quantity | None:
        """Grid intensity of a node, as it is in force now."""
        return self._grids[self._index[node]].intensity

    @property
    def grids(self) -> tuple[Grid, ...]:
        """The electricity of each node as last given, in the order of the nodes."""
        return self._grids

    def snapshot(self, now_s: float) -> Snapshot:
        """Everything a decision may know at this moment."""
        with self._lock:
            self._grow_older(now_s)
            return self._snapshot(now_s)

    def _grow_older(self, now_s: float) -> None:
        """Ages were right when the grids were given; where a limit rests on them, carry them forward."""
        if self._start_s is None:
            self._start_s = now_s
        if self._max_age_s is not None and now_s - self._start_s - self._aged_s >= AGEING_STEP_S:
            self._aged_s = now_s - self._start_s
            self._refresh()

    def _snapshot(self, now_s: float) -> Snapshot:
        keep = np.exp((self._busy_at_s - now_s) / BUSY_MEMORY_S)
        busy_frac = self._busy * keep
        backlog_s = self._none
        if any(self._inflight):  # an idle fleet, the usual embedded case, is spared this
            in_use = np.minimum(1.0, self._queued / self._slots)
            busy_frac += in_use * (1.0 - keep)
            full = self._queued >= self._slots
            backlog_s = np.where(full, np.maximum(self._free_at_s - now_s, 0.0), 0.0)
        first = self._grids[0]
        return Snapshot(
            version=self.version,
            at_s=now_s,
            plans=self._plans,
            nodes=self._names,
            zone=self._zones,
            intensity_g_per_kwh=self._intensity,
            intensity_age_s=self._age,
            signal=first.signal,
            basis=first.basis,
            pue=self._pue,
            alive=self._alive_column,
            cpu_share=self._share,
            memory_bytes=self._memory,
            slots=self._slots,
            busy_w=self._busy_w,
            idle_w=self._idle_w,
            baseline=self._baseline,
            max_intensity_age_s=self._max_age_s,
            queued=self._queued.copy(),
            backlog_s=backlog_s,
            busy_frac=busy_frac,
            assigned=self._assigned.copy(),
            recent_s=self._recent_s.copy(),
            mean_s=self._mean_s.copy(),
            forecast=self._forecast,
            recent=self._recent,
            guidance=self._guidance,
        )


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
