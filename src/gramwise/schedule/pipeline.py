"""The shape that every policy shares: candidates, filters, score, choice, and the explanation after the fact.

A policy names its static filters, prepares once per (snapshot version, request class) whatever depends on the upper
block of the snapshot, and chooses per request touching only load. The memo holds the snapshot it was made from and is
used only while the very same columns come in again, so it can change no answer.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Generic, NamedTuple, TypeVar

import numpy as np

from gramwise.core.decision import Decision, Request, Snapshot, Verdict, nodes_of, place_of

from .filters import ACCOUNTABLE, DEADLINE, ELIGIBLE, Filter, finish_s, of_model, surviving
from .split import grams, wait_of

if TYPE_CHECKING:
    from gramwise.core.decision import Floats, Ints

Prepared = TypeVar("Prepared")

_NEVER = float("inf")

_FIRST_RUN, _RUN_GROWTH = 64, 8
"""Rows that are tested at once after the first few, and how the next run grows: 10,000 rows are four runs."""

_MEMO_CLASSES = 64
"""Request classes kept at a time; a fleet has a handful, so a full memo means that the classes have changed."""


def _upper(s: Snapshot) -> tuple[object, ...]:
    """The columns of the upper block that policies read, as they are: compared by identity, not by value."""
    return (
        *(s.plans, s.intensity_g_per_kwh, s.intensity_age_s, s.alive, s.memory_bytes, s.pue, s.zone),
        *(s.busy_w, s.cpu_share, s.nodes, s.guidance, s.forecast, s.recent),
    )


def _same_upper(mark: tuple[object, ...], s: Snapshot) -> bool:
    """Whether a snapshot has the very columns of ``mark``. Spelled out: it runs for every decision."""
    plans, intensity, age, alive, memory, pue, zone, busy_w, share, nodes, guidance, forecast, recent = mark
    return (
        s.plans is plans
        and s.intensity_g_per_kwh is intensity
        and s.intensity_age_s is age
        and s.alive is alive
        and s.memory_bytes is memory
        and s.pue is pue
        and s.zone is zone
        and s.busy_w is busy_w
        and s.cpu_share is share
        and s.nodes is nodes
        and s.guidance is guidance
        # Where nobody gives these, each snapshot has an empty mapping of its own: equal, if not the same.
        and (s.forecast is forecast or s.forecast == forecast)
        and (s.recent is recent or s.recent == recent)
    )


@dataclass(slots=True)
class _Memo(Generic[Prepared]):
    """What was prepared, for which snapshot."""

    snapshot: Snapshot
    upper: tuple[object, ...]
    ready: Prepared

    def fits(self, s: Snapshot) -> bool:
        seen = self.snapshot
        return s is seen or (
            s.version == seen.version
            and _same_upper(self.upper, s)
            and s.max_intensity_age_s == seen.max_intensity_age_s
            and s.baseline == seen.baseline
        )


class TablePolicy(Generic[Prepared]):
    """A policy over the plan table. Subclasses give ``name``, ``filters``, `prepare`, `choose` and `scores`."""

    name: str
    filters: tuple[Filter, ...] = ELIGIBLE
    load_filters: tuple[Filter, ...] = ()

    def __init__(self) -> None:
        self._memo: dict[Hashable, _Memo[Prepared]] = {}

    def prepare(self, request: Request, snapshot: Snapshot, rows: Ints) -> Prepared:
        """Whatever depends on the upper block only, for the rows that the static filters keep."""
        raise NotImplementedError

    def choose(self, ready: Prepared, request: Request, snapshot: Snapshot) -> int:
        """The chosen row, or -1."""
        raise NotImplementedError

    def scores(self, request: Request, snapshot: Snapshot, row: int) -> Mapping[str, float]:
        """The terms that ranked this row, by name with unit."""
        raise NotImplementedError

    def decide(self, request: Request, snapshot: Snapshot) -> Decision:
        """Choose; see `gramwise.core.protocols.Policy`."""
        return Decision(
            request, snapshot, self, self.choose(self.prepared(request, snapshot), request, snapshot)
        )

    def prepared(self, request: Request, snapshot: Snapshot) -> Prepared:
        """What `prepare` gives, from the memo while the upper block is the same."""
        key = (request.model, request.accuracy_floor_frac, request.allowed_zones)
        memo = self._memo.get(key)
        if memo is None or not memo.fits(snapshot):
            memo = self._remember(key, request, snapshot)
        return memo.ready

    def verdicts(self, request: Request, snapshot: Snapshot) -> list[Verdict]:
        """One verdict for every candidate of the request's model, in the table's order."""
        chosen = self.decide(request, snapshot).row
        return list(self._judge(chosen, request, snapshot))

    def _remember(self, key: Hashable, request: Request, snapshot: Snapshot) -> _Memo[Prepared]:
        if len(self._memo) >= _MEMO_CLASSES:
            self._memo.clear()
        ready = self.prepare(request, snapshot, surviving(self.filters, request, snapshot))
        memo = self._memo[key] = _Memo(snapshot, _upper(snapshot), ready)
        return memo

    def _judge(self, chosen: int, request: Request, snapshot: Snapshot) -> Iterator[Verdict]:
        table = snapshot.plans
        masks = [(f, f.keep(request, snapshot)) for f in (*self.filters, *self.load_filters)]
        for row in of_model(request, snapshot).tolist():
            by = next((f for f, keep in masks if not keep[row]), None)
            yield Verdict(
                node=place_of(snapshot, row),
                variant=table.variant[row],
                rejected_by=by.name if by else "",
                reason=by.reason(request, snapshot, row) if by else "",
                scores={} if by else self.scores(request, snapshot, row),
                chosen=row == chosen,
            )


class Ranking(NamedTuple):
    """Rows from best to worst by a score that load does not touch, with what the deadline test needs.

    ``head`` serves the usual case, where one of the first rows is free: (row, node, fixed_s, latency_s) up to the first
    run of equal scores or the first split row. The arrays serve the rest; ``last[i]`` is where the run of equal scores
    that holds ``i`` ends, ``split`` holds the nodes of split rows by position in the ranking.
    """

    head: list[tuple[int, int, float, float]]
    rows: Ints
    nodes: Ints
    fixed_s: Floats
    latency_s: Floats
    last: Ints
    split: Mapping[int, tuple[int, ...]]


def _finish_of(ready: Ranking, run: slice, request: Request, snapshot: Snapshot) -> Floats:
    wait = snapshot.backlog_s[ready.nodes[run]]
    for i, nodes in ready.split.items():
        if run.start <= i < run.stop:
            wait[i - run.start] = max(snapshot.backlog_s.item(node) for node in nodes)
    return finish_s(request, wait, ready.fixed_s[run], ready.latency_s[run])


class RankedPolicy(TablePolicy[Ranking]):
    """The least static score among the plans that meet the deadline; ties go to the node that would answer soonest."""

    filters: tuple[Filter, ...] = ACCOUNTABLE
    load_filters = (DEADLINE,)

    probes: ClassVar[int] = 8
    """Rows tried one by one before the rest is tested at once: a probe costs 0.2 us, the array test 5 us and more."""

    def static_score(self, snapshot: Snapshot, rows: Ints) -> Floats:
        """The score of each row, lower is better, from the upper block only."""
        raise NotImplementedError

    def prepare(self, request: Request, snapshot: Snapshot, rows: Ints) -> Ranking:
        table = snapshot.plans
        score = self.static_score(snapshot, rows)
        order = np.argsort(score, kind="stable")
        rows, score = rows[order], score[order]
        last = np.searchsorted(score, score, side="right")
        columns = (rows, table.node[rows], table.fixed_s[rows], table.latency_s[rows])
        tied = np.flatnonzero(last[: self.probes] > np.arange(1, min(len(rows), self.probes) + 1))
        split = {}
        if table.stages:
            split = {i: nodes_of(snapshot, r) for i, r in enumerate(rows.tolist()) if r in table.stages}
        alone = min([int(tied[0]) if len(tied) else self.probes, *split])
        head = list(zip(*(column[:alone].tolist() for column in columns), strict=True))
        return Ranking(head, *columns, last, split)

    def choose(self, ready: Ranking, request: Request, snapshot: Snapshot) -> int:
        limit_s, count, backlog_s = request.deadline_s, request.count, snapshot.backlog_s
        if limit_s is None:
            limit_s = _NEVER
        for row, node, fixed_s, latency_s in ready.head:
            if backlog_s.item(node) + fixed_s + latency_s * count <= limit_s:
                return row
        return self._among_the_rest(ready, request, snapshot, limit_s)

    def _among_the_rest(self, ready: Ranking, request: Request, snapshot: Snapshot, limit_s: float) -> int:
        """Test ever larger runs of rows at once: the first that is in time is usually near, and may be far."""
        start, size = len(ready.head), _FIRST_RUN
        while start < len(ready.rows):
            run = slice(start, start + size)
            done_s = _finish_of(ready, run, request, snapshot)
            first = int((done_s <= limit_s).argmax())
            if done_s.item(first) <= limit_s:
                return self._soonest_equal(ready, start + first, request, snapshot)
            start, size = start + size, size * _RUN_GROWTH
        return -1

    @staticmethod
    def _soonest_equal(ready: Ranking, i: int, request: Request, snapshot: Snapshot) -> int:
        last = ready.last.item(i)
        if last == i + 1:
            return ready.rows.item(i)
        return ready.rows.item(i + int(_finish_of(ready, slice(i, last), request, snapshot).argmin()))

    def scores(self, request: Request, snapshot: Snapshot, row: int) -> Mapping[str, float]:
        return predicted(request, snapshot, row)


def predicted(request: Request, snapshot: Snapshot, row: int) -> dict[str, float]:
    """What a row would cost this request: grams, joules, the intensity behind them, and seconds to the answer."""
    table = snapshot.plans
    energy_j = float(table.energy_j[row])
    carbon_g = float(grams(snapshot, np.array([row]))[0])
    return {
        "carbon_g": carbon_g * request.count,
        "energy_j": energy_j * request.count,
        "intensity_g_per_kwh": _intensity(snapshot, row, energy_j),
        "finish_s": wait_of(snapshot, row)
        + float(table.fixed_s[row])
        + float(table.latency_s[row]) * request.count,
    }


def _intensity(snapshot: Snapshot, row: int, energy_j: float) -> float:
    """Of the row's node; of a split row the mean over its stages, weighted with their joules."""
    nodes, stages = nodes_of(snapshot, row), snapshot.plans.stages.get(row)
    intensity = [float(snapshot.intensity_g_per_kwh[node]) for node in nodes]
    if stages is None or not energy_j:
        return intensity[0]
    return sum(s.energy_j * i for s, i in zip(stages, intensity, strict=True)) / energy_j
