"""``gramwise intensity``: how dirty a zone's electricity is, was, or is expected to be, and who says so.

Without a provider the shipped annual table answers, and its answer is flagged as annual. A live provider that fails is
replaced as in a server: by its last forecast, by what is usual, by the annual table, each flagged with its age.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gramwise.core import plugins
from gramwise.core.ahead import Forecast
from gramwise.core.clock import Clock, SystemClock
from gramwise.core.errors import ConfigError, DataGap, GramwiseError, MixedKinds
from gramwise.core.quantity import Basis, Signal
from gramwise.core.series import Series
from gramwise.core.units import S_PER_DAY
from gramwise.grid.archive import Archive
from gramwise.grid.feed import Feed, Supplier
from gramwise.grid.forecasts.own import OwnForecast
from gramwise.grid.replies import iso
from gramwise.grid.sources.annual import Annual
from gramwise.grid.steps import clip

SCHEMA = "gramwise.intensity/1"

ANNUAL, TRACE = "annual", "trace"

_KINDS: Mapping[str, tuple[Signal, Basis]] = {
    "uk-carbon-intensity": ("average", "direct"),
    "watttime": ("marginal", "direct"),
}
"""What a provider gives when it is told nothing; average and life-cycle where not named."""

_TAKE_BASIS = ("electricity-maps", "entsoe", TRACE)
_HORIZON_S = S_PER_DAY
_LEARNT_FROM_S = 28 * S_PER_DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """What is asked, checked: a zone, and a moment or a span; the kind where the asker cares."""

    zone: str
    provider: str
    now_s: float
    at_s: float | None
    span_s: tuple[float, float] | None
    signal: Signal | None
    basis: Basis | None

    def check(self, signal: Signal, basis: Basis) -> None:
        """Refuse an answer of another kind than the asked one."""
        if self.signal not in (None, signal) or self.basis not in (None, basis):
            asked = f"{self.signal or signal} {self.basis or basis}"
            raise MixedKinds(f"{self.provider} has {signal} {basis} for {self.zone}, not {asked}.")


def intensity_document(
    zone: str,
    *,
    at_s: float | None = None,
    from_s: float | None = None,
    to_s: float | None = None,
    forecast: bool = False,
    provider: str | None = None,
    traces: str | Path | None = None,
    archive_path: str | Path | None = None,
    signal: Signal | None = None,
    basis: Basis | None = None,
    options: Mapping[str, Any] | None = None,
    clock: Clock | None = None,
) -> dict[str, Any]:
    """The intensity of a zone now, at a moment, over a span, or as foreseen, as a document that can be written as JSON.

    Args:
        zone: as the provider writes it.
        at_s: a moment, Unix seconds; with ``forecast``, what was foreseen then.
        from_s, to_s: a span, right-open, Unix seconds; with ``forecast``, the part of the forecast that is wanted.
        forecast: the hours to come, by the provider, or by ours (``"ours"``) where it foresees nothing.
        provider: name of a source; None for ``trace`` where ``traces`` is given, else ``annual``.
        traces: directory of hourly files, for the provider ``trace``.
        archive_path: file where answers are kept and looked up; None keeps nothing.
        signal, basis: the kind that is wanted; None takes what the provider gives.
        options: more arguments for the provider's class, such as ``base_url``.
        clock: for now.

    Returns:
        ``schema``, ``zone``, ``unit``, ``signal``, ``basis``, ``provider``, ``source`` and ``step`` (provider, last
        forecast, climatology, annual, unknown, or ours); for a moment ``g_per_kwh`` with ``low_g_per_kwh``,
        ``high_g_per_kwh`` and ``age_s``; for a span or a forecast ``rows``; for a forecast ``issued`` and
        ``coverage_frac``. What is missing is None.

    Raises:
        ConfigError: a question that makes no sense; no such zone or provider.
        DataGap, SourceUnavailable, BadReply, MixedKinds: nobody can answer, or only in another kind.
    """
    name = provider or (TRACE if traces is not None else ANNUAL)
    question = _Question(
        zone=zone,
        provider=name,
        now_s=(clock := clock or SystemClock()).now_s(),
        at_s=at_s,
        span_s=_span(at_s, from_s, to_s, forecast),
        signal=signal,
        basis=basis,
    )
    if name == ANNUAL:
        answer = _annual(question, forecast)
    elif name == TRACE:
        answer = _from_trace(question, forecast, traces)
    else:
        with Archive(archive_path if archive_path is not None else ":memory:") as archive:
            answer = _Live.of(question, archive, clock, options or {}).answer(forecast)
    return {"schema": SCHEMA, "zone": zone, "asked": iso(question.now_s), "unit": "g/kWh", **answer}


def parse_time(text: str, key: str = "--at") -> float:
    """Unix seconds of an ISO 8601 time with ``Z`` or an offset.

    Args:
        text: for instance ``2026-11-21T18:00Z`` or ``2026-11-21T19:00+01:00``.
        key: option it was given for, for the error.

    Raises:
        ConfigError: no such time, or one without its offset: a time of day means another moment in each place.
    """
    example = "Write for instance 2026-11-21T18:00Z, or 2026-11-21T19:00+01:00."
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ConfigError(f"{text!r} is not a time.", key=key, fix=example) from None
    if moment.tzinfo is None:
        raise ConfigError(f"{text!r} does not say in which offset from UTC it is.", key=key, fix=example)
    return moment.timestamp()


def _span(
    at_s: float | None, from_s: float | None, to_s: float | None, forecast: bool
) -> tuple[float, float] | None:
    if from_s is None and to_s is None:
        return None
    if from_s is None or to_s is None:
        raise ConfigError("a span has a begin and an end.", fix="Write both --from and --to.")
    if not from_s < to_s:
        raise ConfigError(
            "a span ends after it begins.", key="--to", fix=f"Write a time after {iso(from_s)}."
        )
    if at_s is not None and not forecast:
        raise ConfigError(
            "a moment and a span are two questions.", fix="Write either --at, or --from and --to."
        )
    return from_s, to_s


# --- who answers ------------------------------------------------------------------------------------------------------


def _annual(question: _Question, forecast: bool) -> dict[str, Any]:
    if forecast:
        raise ConfigError(
            "the annual table has no hours and foresees none.",
            fix="Name a provider, or a directory of traces.",
        )
    source = Annual()
    newest = source.intensity(question.zone)
    question.check(newest.signal, newest.basis)
    if question.span_s is not None:
        return _spanned(source.history(question.zone, *question.span_s), question, ANNUAL)
    head = _head(newest.signal, newest.basis, ANNUAL, ANNUAL, newest.quantity.source)
    at_s = question.now_s if question.at_s is None else question.at_s
    if at_s <= question.now_s and (question.at_s is None or _year(at_s) == newest.year):
        value = newest.quantity
        return {
            **head,
            **_value(value.value, value.low, value.high),
            "age_s": newest.age_s(at_s),
            "at": iso(at_s),
        }
    return _moment(source.history(question.zone, at_s, at_s + 1.0), at_s, question, ANNUAL)


def _from_trace(question: _Question, forecast: bool, traces: str | Path | None) -> dict[str, Any]:
    """From recorded hours. The basis is life-cycle where the trace has it, and what is there where none was asked."""
    if traces is None:
        raise ConfigError("a trace lies in a directory.", key="--provider trace", fix="Add --traces DIR.")
    try:
        return _recorded(question, forecast, traces, question.basis or "lifecycle")
    except MixedKinds:
        if question.basis is not None:
            raise
        return _recorded(question, forecast, traces, "direct")


def _recorded(question: _Question, forecast: bool, traces: str | Path, basis: Basis) -> dict[str, Any]:
    source = plugins.create("intensity", TRACE, traces, basis=basis)
    at_s = question.now_s if question.at_s is None else question.at_s
    if forecast:
        start_s, end_s = question.span_s or (at_s, at_s + _HORIZON_S)
        return _foreseen(
            OwnForecast(source).forecast(question.zone, start_s, end_s, at_s), question, TRACE, "ours"
        )
    if question.span_s is not None:
        return _spanned(source.history(question.zone, *question.span_s), question, TRACE)
    return _moment(source.history(question.zone, at_s, at_s + 1.0), at_s, question, TRACE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Live:
    """A provider that is asked over a network, with the archive of what it said before."""

    question: _Question
    archive: Archive
    clock: Clock
    source: Any
    signal: Signal
    basis: Basis

    @classmethod
    def of(cls, question: _Question, archive: Archive, clock: Clock, options: Mapping[str, Any]) -> _Live:
        """The provider that the question names, told the basis where it can be told."""
        name = question.provider
        told = question.basis if name in _TAKE_BASIS else None
        source = plugins.create("intensity", name, **({"basis": told} if told else {}), **options)
        signal, basis = _KINDS.get(name, ("average", told or "lifecycle"))
        question.check(signal, basis)
        return cls(question=question, archive=archive, clock=clock, source=source, signal=signal, basis=basis)

    def answer(self, forecast: bool) -> dict[str, Any]:
        """To the question: of the past, or of now and what comes."""
        asked = self.question
        if forecast and asked.at_s is not None:
            return self._foreseen_at(asked.at_s)
        if forecast:
            return self._foreseen_now()
        if asked.span_s is not None:
            return _spanned(self._history(*asked.span_s), asked, asked.provider)
        if asked.at_s is not None:
            return _moment(self._history(asked.at_s, asked.at_s + 1.0), asked.at_s, asked, asked.provider)
        return self._now()

    def _feed(self, history_s: float) -> tuple[Feed, list[str]]:
        """A feed that was refreshed once, and what failed."""
        name = self.question.provider
        feed = Feed(
            [Supplier(name=name, source=self.source)],
            self.archive,
            self.clock,
            zones=[self.question.zone],
            signal=self.signal,
            basis=self.basis,
            own=OwnForecast(self.archive.only(provider=name, signal=self.signal, basis=self.basis)),
            history_s=history_s,
        )
        return feed, [failure.reason for failure in feed.refresh().failed]

    def _now(self) -> dict[str, Any]:
        feed, failed = self._feed(S_PER_DAY)
        known = feed.now(self.question.zone)
        value = known.value
        return {
            **_head(
                known.signal, known.basis, known.provider or None, known.step, value.source if value else None
            ),
            **(_value(value.value, value.low, value.high) if value else _value(math.nan)),
            "age_s": _or_none(known.age_s),
            "at": iso(self.question.now_s),
            "note": known.note,
            "failed": failed,
        }

    def _foreseen_now(self) -> dict[str, Any]:
        """Ours learn from weeks that are only fetched where the provider foresees nothing."""
        zone = self.question.zone
        feed, failed = self._feed(S_PER_DAY if hasattr(self.source, "forecast") else _LEARNT_FROM_S)
        found = feed.foreseen(zone)
        if found is None:
            raise DataGap(f"nobody foresees {zone}: {'; '.join(failed) or 'too little is stored'}.")
        who, forecast = found
        step = "provider" if who == self.question.provider else who
        return {**_foreseen(forecast, self.question, self.question.provider, step), "failed": failed}

    def _foreseen_at(self, at_s: float) -> dict[str, Any]:
        """What was foreseen at a moment: stored then, or still told by the provider, or ours from the past before."""
        asked = self.question
        start_s, end_s = asked.span_s or (at_s, at_s + _HORIZON_S)
        shelf = self.archive.only(provider=asked.provider, signal=self.signal, basis=self.basis)
        told = [shelf, self.source] if hasattr(self.source, "forecast") else [shelf]
        failed = []
        for source, step in [*((source, "provider") for source in told), (OwnForecast(self.source), "ours")]:
            try:
                found: Forecast = source.forecast(asked.zone, start_s, end_s, at_s)
            except GramwiseError as fault:
                failed.append(str(fault))
                continue
            if source is self.source:
                self.archive.put_forecast(asked.provider, found, self.clock.now_s())
            return {**_foreseen(found, asked, asked.provider, step), "failed": failed}
        raise DataGap(f"nobody says what was foreseen for {asked.zone} at {iso(at_s)}: {' '.join(failed)}")

    def _history(self, start_s: float, end_s: float) -> Series:
        """From the archive where it holds all of it, else from the provider, and then it is kept."""
        name, zone = self.question.provider, self.question.zone
        if not self.archive.gaps(name, zone, start_s, end_s, self.signal, self.basis):
            return self.archive.history(
                zone, start_s, end_s, provider=name, signal=self.signal, basis=self.basis
            )
        series: Series = self.source.history(zone, start_s, end_s)
        self.archive.put_history(name, zone, series, self.clock.now_s())
        return series


# --- the document -----------------------------------------------------------------------------------------------------


def _head(
    signal: Signal, basis: Basis, provider: str | None, step: str, source: str | None
) -> dict[str, Any]:
    return {"signal": signal, "basis": basis, "provider": provider, "step": step, "source": source}


def _value(value: float, low: float = math.nan, high: float = math.nan) -> dict[str, Any]:
    """A source that states no interval has none: equal ends are no claim of exactness."""
    stated = low < high
    return {
        "g_per_kwh": _or_none(value),
        "low_g_per_kwh": low if stated else None,
        "high_g_per_kwh": high if stated else None,
    }


def _moment(series: Series, at_s: float, question: _Question, provider: str) -> dict[str, Any]:
    """The step in force at ``at_s``; its age counts from its end to now."""
    question.check(series.signal, series.basis)
    value = series.at(at_s)
    ends = (*series.times_s[1:], series.end_s)
    end_s = next(end for begin, end in zip(series.times_s, ends, strict=True) if begin <= at_s < end)
    return {
        **_head(series.signal, series.basis, provider, _step(provider), series.source),
        **_value(value),
        "age_s": max(0.0, question.now_s - end_s),
        "at": iso(at_s),
    }


def _spanned(series: Series, question: _Question, provider: str) -> dict[str, Any]:
    question.check(series.signal, series.basis)
    start_s, end_s = question.span_s or (series.times_s[0], series.end_s)
    rows = _rows(series, start_s, end_s)
    return {
        **_head(series.signal, series.basis, provider, _step(provider), series.source),
        "from": iso(start_s),
        "to": iso(end_s),
        "missing_s": _missing_s(series, start_s, end_s),
        "rows": rows,
    }


def _foreseen(forecast: Forecast, question: _Question, provider: str, step: str) -> dict[str, Any]:
    if question.span_s is not None:
        forecast = clip(forecast, *question.span_s)
    series = forecast.series
    question.check(series.signal, series.basis)
    return {
        **_head(series.signal, series.basis, provider, step, series.source),
        "issued": iso(forecast.issued_s),
        "age_s": max(0.0, question.now_s - forecast.issued_s),
        "coverage_frac": forecast.coverage_frac,
        "rows": _rows(series, series.times_s[0], series.end_s, forecast.low, forecast.high),
    }


def _rows(
    series: Series,
    start_s: float,
    end_s: float,
    low: tuple[float, ...] | None = None,
    high: tuple[float, ...] | None = None,
) -> list[dict[str, Any]]:
    """Right-open steps, cut to the span; None where a value is missing."""
    none = (math.nan,) * len(series.values)
    ends = (*series.times_s[1:], series.end_s)
    steps = zip(series.times_s, ends, series.values, low or none, high or none, strict=True)
    return [
        {"start": iso(max(begin, start_s)), "end": iso(min(end, end_s)), **_value(value, below, above)}
        for begin, end, value, below, above in steps
        if begin < end_s and end > start_s
    ]


def _missing_s(series: Series, start_s: float, end_s: float) -> float:
    """Seconds of the span without a value."""
    ends = (*series.times_s[1:], series.end_s)
    known_s = sum(
        max(0.0, min(end, end_s) - max(begin, start_s))
        for begin, end, value in zip(series.times_s, ends, series.values, strict=True)
        if value == value
    )
    return end_s - start_s - known_s


def _step(provider: str) -> str:
    return ANNUAL if provider == ANNUAL else "provider"


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _year(time_s: float) -> int:
    return datetime.fromtimestamp(time_s, UTC).year
