"""The feeder: snapshots carry what the feed knows, and no fault of a day stops it."""

from __future__ import annotations

import asyncio
import logging
import math
import sqlite3
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from runtime_kit import node, plans, quantity, world

from gramwise.core.ahead import Forecast
from gramwise.core.clock import ManualClock
from gramwise.core.errors import ConfigError, SourceUnavailable
from gramwise.core.series import Series
from gramwise.grid.archive import Archive
from gramwise.grid.feed import Feed, Supplier
from gramwise.runtime.feeding import Feeder
from gramwise.runtime.world import Grid, World

H = 3600.0
NOW = datetime(2026, 11, 18, 12, 0, tzinfo=UTC).timestamp()


class Provider:
    """Hours of 50 g/kWh until now and for a day to come; broken while ``fault`` is set."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock, self.threads = clock, set[int]()
        self.fault: Exception | None = None

    def history(self, zone: str, start_s: float, end_s: float) -> Series:
        return self._series(start_s // H * H, math.ceil(end_s / H) * H)

    def forecast(self, zone: str, start_s: float, end_s: float, issued_s: float) -> Forecast:
        first = start_s // H * H
        return Forecast(zone=zone, issued_s=issued_s, series=self._series(first, first + 24 * H))

    def _series(self, first: float, last: float) -> Series:
        self.threads.add(threading.get_ident())
        if self.fault is not None:
            raise self.fault
        times = tuple(first + i * H for i in range(round((last - first) / H)))
        return Series(
            times_s=times,
            values=(50.0,) * len(times),
            end_s=last,
            unit="g/kWh",
            signal="average",
            basis="lifecycle",
            source="made up for tests",
        )


class Sleep:
    """Virtual: moves the clock and gives the loop a turn; stops the feeder after so many naps."""

    def __init__(self, clock: ManualClock, naps: int) -> None:
        self.clock, self.left = clock, naps

    async def __call__(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.left -= 1
        if not self.left:
            raise asyncio.CancelledError
        await asyncio.sleep(0)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive.sqlite")


def run(feeder: Feeder) -> None:
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(feeder.run())


def test_snapshots_carry_intensity_forecast_and_the_recent_past(archive: Archive, clock: ManualClock) -> None:
    w, provider = world([node("a"), node("b")]), Provider(clock)
    feed = Feed([Supplier(name="p", source=provider)], archive, clock, zones=["A"])
    before = w.snapshot(NOW)
    assert (dict(before.forecast), dict(before.recent)) == ({}, {})
    run(Feeder(feed, w, ["A"], 60.0, clock, Sleep(clock, 1)))
    after = w.snapshot(clock.now_s())
    assert after.version > before.version
    assert after.intensity_g_per_kwh.tolist() == [50.0, 200.0]  # b is in a zone that nobody feeds
    assert after.intensity_age_s[0] == 0.0
    assert list(after.forecast) == list(after.recent) == ["A"]
    assert after.forecast["A"].issued_s <= after.at_s
    assert after.forecast["A"].at(NOW + 5 * H) == 50.0
    assert (after.recent["A"].times_s[0], after.recent["A"].end_s) == (NOW - 7 * 24 * H, NOW)
    assert before.intensity_g_per_kwh.tolist() == [100.0, 200.0]  # what was handed out stays as it was
    assert threading.get_ident() not in provider.threads


def test_a_day_of_faults_does_not_stop_it_and_old_values_become_unknown(
    archive: Archive, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    w, provider = world([node("a")]), Provider(clock)
    feed = Feed([Supplier(name="p", source=provider)], archive, clock, zones=["A"], history_s=24 * H)
    run(Feeder(feed, w, ["A"], 900.0, clock, Sleep(clock, 1)))
    assert w.snapshot(clock.now_s()).intensity_g_per_kwh[0] == 50.0

    provider.fault = SourceUnavailable("p: cannot be reached")
    with caplog.at_level(logging.WARNING, logger="gramwise"):
        run(Feeder(feed, w, ["A"], 900.0, clock, Sleep(clock, 4 * 8)))
    eight = w.snapshot(clock.now_s())
    assert eight.intensity_g_per_kwh[0] == 50.0  # from the forecast, whose age is told
    assert eight.intensity_age_s[0] == pytest.approx(8 * H)
    run(Feeder(feed, w, ["A"], 900.0, clock, Sleep(clock, 4 * 24)))
    later = w.snapshot(clock.now_s())
    assert math.isnan(
        later.intensity_g_per_kwh[0]
    )  # one day is too little to know what is usual, and A is no country
    assert w.intensity("a") is None
    assert "A" not in later.forecast
    assert any("now served by last forecast (p, " in record.getMessage() for record in caplog.records)

    provider.fault = None
    run(Feeder(feed, w, ["A"], 900.0, clock, Sleep(clock, 6)))
    assert w.snapshot(clock.now_s()).intensity_g_per_kwh[0] == 50.0


def test_a_broken_archive_stops_nothing_and_is_forgotten_in_time(
    archive: Archive, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    w = world([node("a"), node("b")])
    feed = Feed([Supplier(name="p", source=Provider(clock))], archive, clock, zones=["A"])
    feeder = Feeder(feed, w, ["A"], 600.0, clock, Sleep(clock, 1))
    run(feeder)
    with sqlite3.connect(archive.path) as db:
        db.execute("DROP TABLE observations")
    db.close()
    feeder._sleep = Sleep(clock, 6)
    run(feeder)
    assert w.snapshot(clock.now_s()).intensity_g_per_kwh.tolist() == [50.0, 200.0]
    feeder._sleep = Sleep(clock, 9)
    run(feeder)
    assert math.isnan(w.snapshot(clock.now_s()).intensity_g_per_kwh[0])
    assert w.snapshot(clock.now_s()).intensity_g_per_kwh[1] == 200.0
    assert "archive.sqlite" in caplog.records[-1].getMessage()


def test_a_zone_without_a_node_and_a_mixture_of_kinds_are_refused(
    archive: Archive, clock: ManualClock
) -> None:
    feed = Feed([], archive, clock)
    with pytest.raises(ConfigError, match="no node is in Z"):
        Feeder(feed, world([node("a")]), ["Z"], 60.0, clock)
    grids = [Grid(intensity=quantity(1.0, "g/kWh"), age_s=0.0, basis="direct")]
    mixed = World([node("a")], grids, plans(1))
    with pytest.raises(
        ConfigError, match="average lifecycle intensities and node a in A keeps average direct"
    ):
        Feeder(feed, mixed, [], 60.0, clock)
    Feeder(feed, mixed, ["A"], 60.0, clock)


def test_the_loop_goes_on_while_a_provider_is_slow(archive: Archive, clock: ManualClock) -> None:
    gate, turns = threading.Event(), 0

    class Slow(Provider):
        def history(self, zone: str, start_s: float, end_s: float) -> Series:
            assert gate.wait(10.0)
            return super().history(zone, start_s, end_s)

    w = world([node("a")])
    feed = Feed([Supplier(name="p", source=Slow(clock))], archive, clock, zones=["A"])

    async def both() -> None:
        nonlocal turns
        task = asyncio.create_task(Feeder(feed, w, ["A"], 60.0, clock).step())
        for _ in range(20):
            await asyncio.sleep(0.001)
            turns += 1
        assert not task.done()
        assert w.snapshot(NOW).intensity_g_per_kwh[0] == 100.0
        gate.set()
        await task

    asyncio.run(both())
    assert turns == 20
    assert w.snapshot(NOW).intensity_g_per_kwh[0] == 50.0
