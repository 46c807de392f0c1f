"""Asking providers for what the archive lacks: within their budgets, never twice for what is held.

Who does not answer is left alone for a while, and what exactly is left alone depends on the fault: the whole provider
when its quota is spent, one zone when only that is refused, else its histories or its forecasts.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from gramwise.core.ahead import Forecast
from gramwise.core.clock import Clock
from gramwise.core.errors import BadReply, ConfigError, DataGap, GramwiseError, MixedKinds
from gramwise.core.quantity import Basis, Signal
from gramwise.core.series import Series
from gramwise.core.units import S_PER_DAY, S_PER_HOUR
from gramwise.grid.archive import Archive

What: TypeAlias = Literal["history", "forecast", "older"]
"""What a provider is asked for: the last day, the hours to come, or holes in the days before."""

FIRST_WAIT_S, LONGEST_WAIT_S = 60.0, 3600.0
"""After a fault a provider is left alone for the first; doubled each time, up to the second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplier:
    """A provider and how it may be asked.

    Attributes:
        name: under which the archive keeps its answers.
        source: an `IntensitySource`, a `ForecastSource`, or both.
        zones: its name for each zone that it is asked about; None asks about every zone under the name it has here.
        requests: asked at most so often in each ``period_s``; None where only its refusals tell. A question about many
            days counts as one, though a provider may answer it in pages.
        period_s: of the budget.
    """

    name: str
    source: object
    zones: Mapping[str, str] | None = None
    requests: int | None = None
    period_s: float = S_PER_HOUR

    def name_of(self, zone: str) -> str | None:
        """What it calls a zone; None for one that it is not asked about."""
        return zone if self.zones is None else self.zones.get(zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A question that a provider did not answer: which, why, and when it is asked again (Unix seconds)."""

    provider: str
    zone: str
    what: What
    reason: str
    again_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed:
    """What one refresh did.

    Attributes:
        asked: provider, zone and what, in order.
        stored: rows that were new.
        failed: what was not answered.
        spent: providers whose budget is used up for now.
    """

    asked: tuple[tuple[str, str, What], ...]
    stored: int
    failed: tuple[Failure, ...]
    spent: tuple[str, ...]


@dataclass(slots=True)
class _Wait:
    faults: int = 0
    until_s: float = -math.inf


@dataclass(slots=True)
class _State:
    """What is remembered of one supplier between refreshes: when it was asked, and what is left alone until when."""

    asked_s: deque[float] = field(default_factory=deque)
    last_s: dict[tuple[What, str], float] = field(default_factory=dict)
    waits: dict[tuple[str, ...], _Wait] = field(default_factory=dict)

    def waiting(self, what: What, zone: str, now_s: float) -> bool:
        return any(key in self.waits and self.waits[key].until_s > now_s for key in _keys(what, zone))


def _keys(what: What, zone: str) -> tuple[tuple[str, ...], ...]:
    """What a question depends on: the provider, its service of that sort, and that for the zone."""
    return (), (what,), (what, zone)


class Asker:
    """Fills an archive from its suppliers; remembers whom it asked what, and whom to leave alone until when.

    Args:
        suppliers: best first.
        archive: where answers are kept.
        clock: for now.
        zones: asked about.
        signal, basis: the kind that is wanted; other kinds are stored too, and told as failures.
        every_s: the same question is not asked more often.
        forecast_every_s: nor is a forecast, once one is held.
        history_s: how far back the archive is filled.
        horizon_s: how far forecasts should reach.
        seed: of the jitter that keeps many feeds from asking at the same moment.

    Raises:
        ConfigError: two suppliers of one name.
    """

    def __init__(
        self,
        suppliers: Sequence[Supplier],
        archive: Archive,
        clock: Clock,
        *,
        zones: Sequence[str],
        signal: Signal,
        basis: Basis,
        every_s: float,
        forecast_every_s: float,
        history_s: float,
        horizon_s: float,
        seed: int,
    ) -> None:
        names = [supplier.name for supplier in suppliers]
        if len(set(names)) < len(names):
            raise ConfigError(f"two providers of a feed have one name: {', '.join(names)}.")
        self.signal, self.basis, self.zones = signal, basis, tuple(zones)
        self._suppliers, self._archive, self._clock = tuple(suppliers), archive, clock
        self._every_s, self._forecast_every_s = every_s, forecast_every_s
        self._history_s, self._horizon_s = history_s, horizon_s
        self._states = {name: _State() for name in names}
        self._rng = random.Random(seed)

    def ask(self) -> Refreshed:
        """Ask each provider for what the archive lacks, as far as its budget goes. Blocks: run it in a thread.

        The question that was asked longest ago comes first, so that a small budget serves every zone in turn. A fault
        of a provider is told in what is returned, and never raised.

        Raises:
            DataError: the archive cannot be read or written.
        """
        asked: list[tuple[str, str, What]] = []
        failed: list[Failure] = []
        spent: list[str] = []
        stored = 0
        for supplier in self._suppliers:
            state = self._states[supplier.name]
            for what, zone in self._due(supplier):
                if state.waiting(what, zone, self._clock.now_s()):
                    continue
                if self._is_spent(supplier):
                    spent.append(supplier.name)
                    break
                asked.append((supplier.name, zone, what))
                answer = self._ask(supplier, what, zone)
                if isinstance(answer, Failure):
                    failed.append(answer)
                else:
                    stored += answer
        return Refreshed(asked=tuple(asked), stored=stored, failed=tuple(failed), spent=tuple(spent))

    def _due(self, supplier: Supplier) -> list[tuple[What, str]]:
        """What should be asked of a supplier now, longest not asked first."""
        now_s, state = self._clock.now_s(), self._states[supplier.name]
        rank: dict[What, int] = {"history": 0, "forecast": 1, "older": 2}
        found = [
            question
            for zone in self.zones
            if supplier.name_of(zone) is not None
            for question in self._lacking(supplier, zone, now_s)
        ]
        turn = {question: i for i, question in enumerate(state.last_s)}
        return sorted(found, key=lambda question: (turn.get(question, -1), rank[question[0]]))

    def _lacking(self, supplier: Supplier, zone: str, now_s: float) -> Iterator[tuple[What, str]]:
        last_s = self._states[supplier.name].last_s

        def rested(what: What, pause_s: float) -> bool:
            return now_s - last_s.get((what, zone), -math.inf) >= pause_s

        if hasattr(supplier.source, "history"):
            if rested("history", self._every_s) and self._holes(supplier, zone, "history", now_s):
                yield "history", zone
            if rested("older", S_PER_DAY) and self._holes(supplier, zone, "older", now_s):
                yield "older", zone
        if hasattr(supplier.source, "forecast") and rested("forecast", self._every_s):
            held_s = self._archive.last_seen_s(supplier.name, zone, self.signal, self.basis)
            if held_s is None or now_s - held_s >= self._forecast_every_s:
                yield "forecast", zone

    def _holes(self, supplier: Supplier, zone: str, what: What, now_s: float) -> list[tuple[float, float]]:
        """What the archive lacks of the last day, or of the days before it."""
        day_ago_s = (now_s - S_PER_DAY) // S_PER_HOUR * S_PER_HOUR
        span = (day_ago_s, now_s) if what == "history" else (now_s - self._history_s, day_ago_s)
        if span[0] >= span[1]:
            return []
        return self._archive.gaps(supplier.name, zone, *span, self.signal, self.basis)

    def _is_spent(self, supplier: Supplier) -> bool:
        """Whether the budget of the row, or the one that the provider itself last told, is used up."""
        now_s, asked_s = self._clock.now_s(), self._states[supplier.name].asked_s
        while asked_s and now_s - asked_s[0] >= supplier.period_s:
            asked_s.popleft()
        if supplier.requests is not None and len(asked_s) >= supplier.requests:
            return True
        told: Any = getattr(supplier.source, "quota", None)
        if getattr(told, "remaining", None) != 0:
            return False
        until_s = told.reset_s if told.reset_s is not None else told.seen_s + supplier.period_s
        return bool(now_s < until_s)

    def _ask(self, supplier: Supplier, what: What, zone: str) -> int | Failure:
        """Rows stored, or why there are none."""
        now_s, state = self._clock.now_s(), self._states[supplier.name]
        state.asked_s.append(now_s)
        state.last_s.pop((what, zone), None)  # the newest comes last: times alone would leave ties
        state.last_s[what, zone] = now_s
        try:
            answer = self._answer(supplier, what, zone, now_s)
        except Exception as fault:  # noqa: BLE001 a provider may be anybody's code: none of its faults stops the feed
            return self._failed(supplier, what, zone, fault)
        if answer is None:
            return 0
        series, seen_s = answer.series if isinstance(answer, Forecast) else answer, self._clock.now_s()
        # Stored before its kind is looked at: the archive keeps kinds apart, and what was seen is seen.
        if isinstance(answer, Forecast):
            stored = self._archive.put_forecast(supplier.name, answer, seen_s)
        else:
            stored = self._archive.put_history(supplier.name, zone, answer, seen_s)
        try:
            check_kind(series, self.signal, self.basis)
        except MixedKinds as fault:
            return self._failed(supplier, what, zone, fault)
        for key in _keys(what, zone):
            state.waits.pop(key, None)
        return stored

    def _answer(self, supplier: Supplier, what: What, zone: str, now_s: float) -> Series | Forecast | None:
        name, source = supplier.name_of(zone), supplier.source
        if what == "forecast":
            found: Forecast = source.forecast(name, now_s, now_s + self._horizon_s, now_s)  # type: ignore[attr-defined]
            _check_series(found.series)
            return replace(found, zone=zone)
        holes = self._holes(supplier, zone, what, now_s)
        if not holes:  # another process has filled them since
            return None
        # Steps are whole hours or parts of one: from the hour on, no provider has to cut one in two.
        start_s, end_s = holes[0][0] // S_PER_HOUR * S_PER_HOUR, holes[-1][1]
        series: Series = source.history(name, start_s, end_s)  # type: ignore[attr-defined]
        _check_series(series)
        return series

    def _failed(self, supplier: Supplier, what: What, zone: str, fault: Exception) -> Failure:
        """Leave alone what is at fault: the provider when its quota is spent, the zone when only that is refused."""
        now_s, state = self._clock.now_s(), self._states[supplier.name]
        key: tuple[str, ...] = (what,)
        of_zone = isinstance(fault, ConfigError | DataGap | MixedKinds) or what == "older"
        if hasattr(fault, "retry_after_s"):
            key = ()
        elif of_zone or getattr(fault, "status", None) == 403:  # forbidden: the key holds, but not for this
            key = (what, zone)
        wait = state.waits.setdefault(key, _Wait())
        wait.faults += 1
        pause_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(wait.faults - 1, 30))
        told_s = getattr(fault, "retry_after_s", None)
        # Told to wait, never come earlier; else spread around the pause.
        pause_s = told_s * self._rng.uniform(1.0, 1.1) if told_s else pause_s * self._rng.uniform(0.75, 1.25)
        wait.until_s = now_s + pause_s
        reason = str(fault) if isinstance(fault, GramwiseError) else f"{type(fault).__name__}: {fault}"
        return Failure(provider=supplier.name, zone=zone, what=what, reason=reason, again_s=wait.until_s)


def check_kind(series: Series, signal: Signal, basis: Basis) -> None:
    """Raise `MixedKinds` for a series of another kind than the one that is wanted."""
    if (series.signal, series.basis) != (signal, basis):
        raise MixedKinds(f"it gives {series.signal} {series.basis}, which is not taken for {signal} {basis}")


def _check_series(series: Series) -> None:
    """Refuse what the archive could not keep, as a fault of the provider."""
    if series.unit != "g/kWh":
        raise MixedKinds(f"it gives {series.unit}, not g/kWh")
    if not (math.isfinite(series.times_s[0]) and math.isfinite(series.end_s)):
        raise BadReply("its series has no begin or no end")
    if any(value < 0 or math.isinf(value) for value in series.values):
        raise BadReply("it gives an intensity that is negative or infinite")
