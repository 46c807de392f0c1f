"""The feed: the ladder of fallbacks with ages, kinds apart, budgets kept, faults survived and logged."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from loopback import Answer, Loopback, Question

from gramwise.core.ahead import Forecast
from gramwise.core.clock import ManualClock
from gramwise.core.errors import BadReply, ConfigError, DataGap, SourceUnavailable
from gramwise.core.quantity import Basis, Signal
from gramwise.core.series import Series
from gramwise.grid.archive import Archive
from gramwise.grid.feed import Feed, Supplier
from gramwise.grid.sources.uk_carbon_intensity import UkCarbonIntensity

H = 3600.0
NOW = datetime(2026, 11, 18, 12, 0, tzinfo=UTC).timestamp()  # a Wednesday
KIND: tuple[Signal, Basis] = ("average", "lifecycle")


class Quota(SourceUnavailable):
    """A provider that wants to be left alone for a while."""

    def __init__(self, retry_after_s: float | None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__("p: the quota is spent (429)")


class Forbidden(SourceUnavailable):
    """A key that does not cover what was asked."""

    status = 403


class Hourly:
    """An `IntensitySource` with a value for each hour until the clock's now; it counts what it is asked."""

    def __init__(self, clock: ManualClock, value: float = 100.0, kind: tuple[Signal, Basis] = KIND) -> None:
        self.clock, self.value, self.kind = clock, value, kind
        self.asked: list[tuple[str, float, float]] = []
        self.fault: Callable[[str], Exception | None] = lambda zone: None

    def history(self, zone: str, start_s: float, end_s: float) -> Series:
        self.asked.append((zone, start_s, end_s))
        fault = self.fault(zone)
        if fault is not None:
            raise fault
        first = start_s // H * H
        last = min(end_s, self.clock.now_s()) // H * H
        if last <= first:
            raise DataGap("p: nothing yet")
        return self._series(first, last)

    def _series(self, first: float, last: float) -> Series:
        times = [first + i * H for i in range(round((last - first) / H))]
        return Series(
            times_s=tuple(times),
            values=tuple(self.value + t // H % 24 for t in times),
            end_s=last,
            unit="g/kWh",
            signal=self.kind[0],
            basis=self.kind[1],
            source="made up for tests",
        )


class Foreseeing(Hourly):
    """The same with a `ForecastSource`, issued at the hour."""

    def __init__(self, clock: ManualClock, value: float = 100.0, kind: tuple[Signal, Basis] = KIND) -> None:
        super().__init__(clock, value, kind)
        self.foreseen: list[str] = []

    def forecast(self, zone: str, start_s: float, end_s: float, issued_s: float) -> Forecast:
        self.foreseen.append(zone)
        fault = self.fault(zone)
        if fault is not None:
            raise fault
        series = self._series(start_s // H * H, start_s // H * H + 24 * H)
        return Forecast(zone=zone, issued_s=issued_s // H * H, series=series)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive.sqlite")


def expected(base: float, time_s: float) -> float:
    return base + time_s // H % 24


def test_a_fresh_observation_wins(archive: Archive, clock: ManualClock) -> None:
    feed = Feed([Supplier(name="p", source=Hourly(clock))], archive, clock, zones=["DE"])
    assert feed.now("DE").step == "annual"  # nothing was asked yet: reading asks nobody
    done = feed.refresh()
    assert done.asked == (("p", "DE", "history"), ("p", "DE", "older"))
    assert done.stored == 28 * 24
    clock.advance(0.5 * H)
    known = feed.now("DE")
    assert known.value is not None
    assert (known.value.value, known.value.method) == (expected(100, NOW - H), "modelled")
    assert (known.step, known.provider, known.age_s, known.note) == ("provider", "p", 0.5 * H, "")
    assert (known.signal, known.basis) == KIND
    assert "without an interval" in known.value.source


def test_the_ladder_goes_down_step_by_step_with_ages_and_reasons(
    archive: Archive, clock: ManualClock
) -> None:
    source = Foreseeing(clock)
    feed = Feed([Supplier(name="p", source=source)], archive, clock, zones=["DE"], max_forecast_age_s=20 * H)
    feed.refresh()
    source.fault = lambda zone: SourceUnavailable("p: cannot be reached")

    clock.advance(2 * H)
    assert feed.now("DE").step == "provider"

    clock.advance(1.0)  # one second more than two hours old is too old
    known = feed.now("DE")
    assert (known.step, known.provider, known.age_s) == ("last forecast", "p", 2 * H + 1)
    assert known.value is not None
    assert known.value.value == expected(100, clock.now_s())
    assert "the last value of p is 2 h old" in known.note

    clock.advance(18 * H)  # covered by the forecast still, but issued too long ago
    known = feed.now("DE")
    assert (known.step, known.provider) == ("climatology", "gramwise")
    assert known.age_s == 20 * H + 1  # of the newest value behind it
    assert known.value is not None
    assert known.value.low == known.value.high == expected(100, clock.now_s())  # every day was the same
    assert "no forecast of the last 20 h covers now" in known.note

    clock.advance(4 * 31 * 24 * H)  # no such month is stored
    known = feed.now("DE")
    assert (known.step, known.provider) == ("annual", "annual")
    assert known.value is not None
    assert known.value.low < known.value.high
    assert known.age_s > 365 * 24 * H
    assert "too little is stored to know what is usual" in known.note


def test_the_second_provider_serves_when_the_first_is_stale(archive: Archive, clock: ManualClock) -> None:
    first, second = Hourly(clock, 100), Hourly(clock, 200)
    suppliers = [Supplier(name="one", source=first), Supplier(name="two", source=second)]
    feed = Feed(suppliers, archive, clock, zones=["DE"])
    feed.refresh()
    assert feed.now("DE").provider == "one"
    first.fault = lambda zone: BadReply("one: answered a page where JSON is due")
    clock.advance(3 * H)
    feed.refresh()
    known = feed.now("DE")
    assert (known.provider, known.age_s) == ("two", 0)
    assert known.note == "the last value of one is 3 h old"


def test_kinds_never_mix_and_the_refusal_is_said(archive: Archive, clock: ManualClock) -> None:
    source = Hourly(clock, kind=("average", "direct"))
    feed = Feed(
        [Supplier(name="p", source=source)], archive, clock, zones=["DE"], signal="marginal", basis="direct"
    )
    done = feed.refresh()
    assert "it gives average direct, which is not taken for marginal direct" in done.failed[0].reason
    known = feed.now("DE")
    assert (known.step, known.value, known.provider) == ("unknown", None, "")
    assert math.isnan(known.age_s)
    assert "average lifecycle for DE, which is not taken for marginal direct" in known.note
    assert feed.forecast("DE") is None
    assert feed.recent("DE", 24) is None
    # What was seen is kept, under its own kind.
    assert archive.history("DE", NOW - H, NOW, signal="average", basis="direct").values == (
        expected(100, NOW - H),
    )


def test_the_annual_table_is_taken_where_its_kind_fits(archive: Archive, clock: ManualClock) -> None:
    direct = Feed([], archive, clock, basis="direct")
    assert direct.now("US-TX").step == "annual"
    assert Feed([], archive, clock).now("US-TX").step == "unknown"
    unknown = Feed([], archive, clock).now("no-such-zone")
    assert unknown.value is None
    assert "there is no zone 'no-such-zone'" in unknown.note


def test_what_is_held_is_not_asked_again(archive: Archive, clock: ManualClock) -> None:
    source = Foreseeing(clock)
    feed = Feed([Supplier(name="p", source=source)], archive, clock, zones=["DE"])
    feed.refresh()
    assert source.asked[0][1:] == (NOW - 24 * H, NOW)
    assert source.asked[1][1:] == (NOW - 28 * 24 * H, NOW - 24 * H)
    assert feed.refresh().asked == ()
    again = Feed([Supplier(name="p", source=source)], archive, clock, zones=["DE"])  # after a restart
    assert again.refresh().asked == ()
    clock.advance(1.5 * H)
    feed.refresh()
    assert source.asked[2:] == [("DE", NOW, NOW + 1.5 * H)]
    assert source.foreseen == ["DE", "DE"]
    clock.advance(60)
    assert feed.refresh().asked == ()  # the running half-hour is lacking, but was asked for a minute ago


def test_a_budget_is_kept_and_spread_over_the_zones(archive: Archive, clock: ManualClock) -> None:
    source = Hourly(clock)
    zones = ["BE", "DE", "FR", "NL"]
    row = Supplier(name="p", source=source, requests=3, period_s=H)
    feed = Feed([row], archive, clock, zones=zones, history_s=24 * H)
    times: list[float] = []
    for _ in range(12 * 6):
        done = feed.refresh()
        times += [clock.now_s()] * len(done.asked)
        clock.advance(600)
    assert len(source.asked) == len(times)
    for start in times:
        assert sum(start <= t < start + H for t in times) <= 3
    per_zone = {zone: sum(asked[0] == zone for asked in source.asked) for zone in zones}
    assert len(source.asked) == 36
    assert per_zone == dict.fromkeys(zones, 9)


def test_a_spent_budget_is_told(archive: Archive, clock: ManualClock) -> None:
    row = Supplier(name="p", source=Hourly(clock), requests=1)
    feed = Feed([row], archive, clock, zones=["DE", "FR"])
    assert feed.refresh().spent == ("p",)


def test_a_quota_that_the_provider_tells_is_kept(archive: Archive, clock: ManualClock) -> None:
    class Left:
        remaining, reset_s, seen_s = 0, NOW + 7200.0, NOW

    source = Hourly(clock)
    source.quota = Left()  # type: ignore[attr-defined]
    feed = Feed([Supplier(name="p", source=source)], archive, clock, zones=["DE"])
    assert feed.refresh().asked == ()
    clock.advance(7200)
    assert feed.refresh().asked != ()


def test_a_429_leaves_the_whole_provider_alone_for_as_long_as_it_says(
    archive: Archive, clock: ManualClock
) -> None:
    source = Foreseeing(clock)
    source.fault = lambda zone: Quota(900.0)
    feed = Feed([Supplier(name="p", source=source)], archive, clock, zones=["DE", "FR"])
    done = feed.refresh()
    assert len(done.asked) == 1
    assert NOW + 900 <= done.failed[0].again_s <= NOW + 990
    clock.advance(899)
    assert feed.refresh().asked == ()
    clock.advance(100)
    source.fault = lambda zone: None
    assert len(feed.refresh().asked) == 6


def test_faults_back_off_twice_as_long_each_time_and_at_most_an_hour(
    archive: Archive, clock: ManualClock
) -> None:
    source = Hourly(clock)
    source.fault = lambda zone: SourceUnavailable("p: cannot be reached")
    feed = Feed(
        [Supplier(name="p", source=source)], archive, clock, zones=["DE"], every_s=0, history_s=24 * H
    )
    waits = []
    for _ in range(9):
        done = feed.refresh()
        waits.append(done.failed[0].again_s - clock.now_s())
        clock.advance(waits[-1] - 1)
        assert feed.refresh().asked == ()
        clock.advance(1)
    for i, wait in enumerate(waits):
        assert 0.75 <= wait / min(3600, 60 * 2**i) <= 1.25
    source.fault = lambda zone: None
    feed.refresh()
    source.fault = lambda zone: SourceUnavailable("p: cannot be reached")
    clock.advance(H)
    assert feed.refresh().failed[0].again_s - clock.now_s() <= 75  # an answer makes good for the past


def test_the_jitter_is_seeded(tmp_path: Path, clock: ManualClock) -> None:
    def wait(seed: int, name: str) -> float:
        source = Hourly(clock)
        source.fault = lambda zone: SourceUnavailable("p: cannot be reached")
        with Archive(tmp_path / name) as archive:
            feed = Feed([Supplier(name="p", source=source)], archive, clock, zones=["DE"], seed=seed)
            return feed.refresh().failed[0].again_s

    assert wait(1, "a") == wait(1, "b")
    assert wait(1, "c") != wait(2, "d")


@pytest.mark.parametrize(
    "fault", [DataGap("p: nothing of it"), ConfigError("p: no such zone"), Forbidden("p: not for you")]
)
def test_one_bad_zone_does_not_keep_the_others_waiting(
    archive: Archive, clock: ManualClock, fault: Exception
) -> None:
    source = Hourly(clock)
    source.fault = lambda zone: fault if zone == "XX" else None
    feed = Feed([Supplier(name="p", source=source)], archive, clock, zones=["XX", "DE"])
    done = feed.refresh()
    assert [failure.zone for failure in done.failed] == ["XX", "XX"]
    assert feed.now("DE").step == "provider"
    assert feed.now("XX").value is None


def test_a_plan_without_older_days_still_serves_now(archive: Archive, clock: ManualClock) -> None:
    source = Hourly(clock)
    answer = source.history

    def recent_only(zone: str, start_s: float, end_s: float) -> Series:
        if start_s < clock.now_s() - 25 * H:
            raise Forbidden("p: the plan has 24 hours only")
        return answer(zone, start_s, end_s)

    source.history = recent_only  # type: ignore[method-assign]
    feed = Feed([Supplier(name="p", source=source)], archive, clock, zones=["DE"])
    for _ in range(30):
        feed.refresh()
        assert feed.now("DE").step == "provider"
        clock.advance(H)


def test_every_failure_is_logged_with_what_serves_instead(
    archive: Archive, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    source = Hourly(clock)
    feed = Feed([Supplier(name="p", source=source)], archive, clock, zones=["DE"], history_s=24 * H)
    said = {
        "HTML": BadReply("p: answered a page where JSON is due: '<html>'."),
        "401": SourceUnavailable("p: refused the key in P_TOKEN (401)."),
        "429": Quota(None),
        "nothing": BadReply("p: answered nothing."),
        "bug": KeyError("carbonIntensity"),
    }
    with caplog.at_level(logging.WARNING, logger="gramwise.grid.feed"):
        for fault in said.values():
            source.fault = lambda zone, fault=fault: fault  # type: ignore[misc]
            assert len(feed.refresh().failed) == 1
            clock.advance(2 * H)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 5
    for line, fault in zip(lines, said.values(), strict=True):
        assert line.startswith("DE: p gave no history: ")
        assert str(fault).rstrip(".") in line
        assert "now served by annual (annual, " in line
    assert "KeyError" in lines[4]


@pytest.mark.parametrize("value", [-1.0, math.inf])
def test_impossible_values_are_not_stored(archive: Archive, clock: ManualClock, value: float) -> None:
    feed = Feed([Supplier(name="p", source=Hourly(clock, value))], archive, clock, zones=["DE"])
    done = feed.refresh()
    assert all("negative or infinite" in failure.reason for failure in done.failed)
    assert (len(done.failed), archive.zones()) == (2, [])


def test_a_provider_may_call_a_zone_otherwise(archive: Archive, clock: ManualClock) -> None:
    source = Foreseeing(clock)
    row = Supplier(name="p", source=source, zones={"US-CA": "CAISO_NORTH"})
    feed = Feed([row], archive, clock, zones=["US-CA", "DE"])
    feed.refresh()
    assert {zone for zone, _, _ in source.asked} == {"CAISO_NORTH"}
    assert feed.now("US-CA").step == "provider"
    found = feed.forecast("US-CA")
    assert found is not None
    assert found.zone == "US-CA"


def test_the_future_comes_from_the_provider_then_from_us_then_from_the_usual(
    archive: Archive, clock: ManualClock
) -> None:
    source, ours = Foreseeing(clock, 100), Foreseeing(clock, 500)
    rows = [Supplier(name="p", source=source)]
    feed = Feed(rows, archive, clock, zones=["DE"], own=ours)
    assert feed.forecast("DE").series.values[0] == expected(500, NOW)  # type: ignore[union-attr]
    feed.refresh()
    bought = feed.forecast("DE")
    assert bought is not None
    assert (bought.issued_s, bought.series.values[0]) == (NOW, expected(100, NOW))
    clock.advance(25 * H)
    assert feed.forecast("DE").series.values[0] == expected(500, NOW + 25 * H)  # type: ignore[union-attr]
    ours.fault = lambda zone: DataGap("too short a history")
    usual = feed.forecast("DE")
    assert usual is not None
    assert usual.coverage_frac == 0.8
    assert usual.series.values[:2] == (expected(100, NOW + 25 * H), expected(100, NOW + 26 * H))


def test_recent_hours_are_a_series_with_holes(archive: Archive, clock: ManualClock) -> None:
    feed = Feed([Supplier(name="p", source=Hourly(clock))], archive, clock, zones=["DE"])
    feed.refresh()
    clock.advance(0.5 * H)
    found = feed.recent("DE", 2)
    assert found is not None
    assert (found.times_s[0], found.end_s) == (NOW - 1.5 * H, NOW + 0.5 * H)
    assert math.isnan(found.values[-1])
    assert found.at(NOW - 1) == expected(100, NOW - H)


def test_a_feed_in_the_past_sees_nothing_of_its_future(archive: Archive, clock: ManualClock) -> None:
    feed = Feed([Supplier(name="p", source=Foreseeing(clock))], archive, clock, zones=["DE"])
    feed.refresh()
    before = Feed([Supplier(name="p", source=Foreseeing(clock))], archive, ManualClock(NOW - H), zones=["DE"])
    assert before.now("DE").step == "annual"
    assert before.forecast("DE") is None
    assert before.recent("DE", 24) is None


def test_two_providers_of_one_name_are_refused(archive: Archive, clock: ManualClock) -> None:
    rows = [Supplier(name="p", source=Hourly(clock)), Supplier(name="p", source=Hourly(clock))]
    with pytest.raises(ConfigError, match="one name"):
        Feed(rows, archive, clock)


def half_hours(question: Question) -> Answer:
    """What the British service answers: 48 h of forecast, or the half-hours asked for, known until `NOW`."""
    parts = question.path.split("/")
    first = datetime.fromisoformat(parts[2]).timestamp()
    last = first + 48 * H if parts[3] == "fw48h" else datetime.fromisoformat(parts[3]).timestamp()
    rows = []
    while first < last:
        ends = [datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%dT%H:%MZ") for t in (first, first + H / 2)]
        actual = 150 if first + H / 2 <= NOW else None
        rows.append({"from": ends[0], "to": ends[1], "intensity": {"forecast": 170, "actual": actual}})
        first += H / 2
    return Answer({"data": rows})


def test_from_the_wire_to_the_value_and_down_the_ladder(
    archive: Archive, clock: ManualClock, loopback: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    loopback.reply = half_hours
    source = UkCarbonIntensity(base_url=loopback.url, clock=clock, timeout_s=5.0)
    feed = Feed([Supplier(name="uk", source=source)], archive, clock, zones=["GB"], basis="direct")
    assert [what for _, _, what in feed.refresh().asked] == ["history", "forecast", "older"]
    known = feed.now("GB")
    assert known.value is not None
    assert (known.value.value, known.step, known.age_s) == (150, "provider", 0.0)
    forecast = feed.forecast("GB")
    assert forecast is not None
    assert (forecast.issued_s, forecast.at(NOW + 5 * H)) == (NOW, 170)

    clock.advance(900)  # the half-hour that is running has no actual yet: nothing new, and no lie
    loopback.asked.clear()
    feed.refresh()
    assert [question.path for question in loopback.asked] == [
        "/intensity/2026-11-18T12:00Z/2026-11-18T12:30Z"
    ]
    assert (feed.now("GB").step, feed.now("GB").age_s) == ("provider", 900)

    answers = [
        Answer("<html><body>Down for repairs</body></html>", 200),
        Answer({"error": {"code": "429", "message": "slow down"}}, 429, headers={"Retry-After": "1200"}),
        Answer(b"", 200),
        Answer({"error": "no"}, 401),
    ]
    said = ["a page where JSON is due", "the quota is spent (429)", "answered nothing", "refused to answer"]
    for answer, words in zip(answers, said, strict=True):
        clock.advance(2 * H + 1)
        loopback.always(answer.body, answer.status, headers=answer.headers)
        caplog.clear()
        done = feed.refresh()
        assert words in done.failed[0].reason
        assert any(
            words in record.getMessage() and "now served by last forecast (uk, " in record.getMessage()
            for record in caplog.records
        )
        assert feed.now("GB").value.value == 170  # type: ignore[union-attr]
    clock.advance(60 * H)
    assert feed.now("GB").step == "climatology"
