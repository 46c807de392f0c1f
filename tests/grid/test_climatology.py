"""The usual: by hour, kind of day and month; unknown where too little was seen; no look-ahead."""

from __future__ import annotations

import csv
import math
import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from gramwise.core.errors import DataGap
from gramwise.core.series import Series
from gramwise.core.units import S_PER_DAY, S_PER_HOUR
from gramwise.grid.archive import Archive
from gramwise.grid.climatology import MIN_SEEN, Climatology, usual

MONDAY = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
TRACES = Path(os.environ.get("GRAMWISE_TRACES") or Path(__file__).parents[2] / "../shared/data/traces")


def hours(days: float, start_s: float = MONDAY) -> npt.NDArray[np.float64]:
    return np.arange(round(days * 24), dtype=np.float64) * S_PER_HOUR + start_s


def test_each_cell_is_the_mean_of_its_own_hours() -> None:
    times = hours(28)
    day = (times - MONDAY) // S_PER_DAY
    values = (
        times % S_PER_DAY / S_PER_HOUR + np.where(day % 7 >= 5, 1000.0, 100.0) + np.where(day >= 14, 2.0, 0.0)
    )
    asked = MONDAY + 28 * S_PER_DAY + np.array([5 * S_PER_HOUR, 6 * S_PER_DAY + 7 * S_PER_HOUR])
    found = usual(times, values, asked)
    assert found.mean == pytest.approx([106.0, 1008.0])  # halfway between the first and the last fortnight


def test_half_hours_count_for_their_hour() -> None:
    times = MONDAY + np.arange(14 * 48) * S_PER_HOUR / 2
    values = np.where(np.arange(len(times)) % 2, 300.0, 100.0)
    assert usual(times, values, np.array([MONDAY + 14 * S_PER_DAY])).mean[0] == pytest.approx(200.0)


def test_local_time_moves_the_hours_and_the_weekend() -> None:
    times = hours(28)
    local = times + 9 * S_PER_HOUR
    values = local % S_PER_DAY / S_PER_HOUR + np.where((local - MONDAY) // S_PER_DAY % 7 >= 5, 100.0, 0.0)
    saturday = (
        MONDAY + (28 + 4) * S_PER_DAY + 20 * S_PER_HOUR
    )  # Friday 20:00 UTC is Saturday 05:00 nine hours east
    assert usual(times, values, np.array([saturday]), tz_offset_hours=9).mean[0] == pytest.approx(105.0)
    assert usual(times, values, np.array([saturday])).mean[0] < 50


def test_too_little_is_unknown() -> None:
    asked = MONDAY + 28 * S_PER_DAY + np.array([0.0, 6 * S_PER_DAY])
    enough = hours(7 * MIN_SEEN)
    values = np.full(len(enough), 7.0)
    values[: 4 * 24] = math.nan  # a gap does not count
    assert usual(enough, values, asked).mean == pytest.approx([7.0, 7.0])
    few = enough[: 10 * 24]  # eight working days, and two days of weekend
    found = usual(few, np.full(len(few), 7.0), asked)
    assert found.mean[0] == pytest.approx(7.0)
    assert math.isnan(found.mean[1])
    assert math.isnan(found.low[1])
    assert math.isnan(usual(np.array([]), np.array([]), asked).mean[0])


def test_only_the_months_beside_it_count() -> None:
    times = hours(60)  # June and July
    values = np.full(len(times), 10.0)
    for month, known in ((5, True), (8, True), (9, False), (4, False)):
        at = np.array([datetime(2027, month, 12, tzinfo=UTC).timestamp()])
        assert math.isfinite(usual(times, values, at).mean[0]) is known
    january, december = (datetime(2026, m, 5, tzinfo=UTC).timestamp() for m in (1, 12))
    winter = usual(hours(20, january), np.full(480, 10.0), np.array([december]))
    assert winter.mean[0] == 10.0


def test_the_interval_holds_what_is_like_the_past() -> None:
    rng = np.random.default_rng(3)
    times = hours(60)
    day = 200.0 + 50.0 * np.sin(times / S_PER_DAY * 2 * math.pi)
    values = day + rng.normal(0.0, 20.0, len(times))
    asked = hours(30, MONDAY + 60 * S_PER_DAY)
    found = usual(times, values, asked)
    truth = 200.0 + 50.0 * np.sin(asked / S_PER_DAY * 2 * math.pi) + rng.normal(0.0, 20.0, len(asked))
    assert 0.75 <= np.mean((found.low <= truth) & (truth <= found.high)) <= 0.87
    wider = usual(times, values, asked, coverage_frac=0.95)
    assert np.all(wider.high - wider.low > found.high - found.low)


def test_no_end_is_below_zero_or_on_the_wrong_side() -> None:
    times = hours(28)
    values = np.where(np.arange(len(times)) // 24 % 2, 0.0, 90.0)
    found = usual(times, values, hours(7, MONDAY + 28 * S_PER_DAY))
    assert np.all((found.low >= 0) & (found.low <= found.mean) & (found.mean <= found.high))


def fill(archive: Archive, days: int) -> None:
    times = hours(days)
    archive.put_history(
        "p",
        "DE",
        Series(
            times_s=tuple(times.tolist()),
            values=tuple((times % S_PER_DAY / S_PER_HOUR + 100.0).tolist()),
            end_s=float(times[-1] + S_PER_HOUR),
            unit="g/kWh",
            signal="average",
            basis="lifecycle",
            source="made up for tests",
        ),
        seen_s=MONDAY + days * S_PER_DAY,
    )


def test_it_foresees_from_an_archive_without_look_ahead(tmp_path: Path) -> None:
    with Archive(tmp_path / "archive.sqlite") as archive:
        fill(archive, 28)
        now_s = MONDAY + 28 * S_PER_DAY + 1800.0
        found = Climatology(archive).forecast("DE", now_s, now_s + 3 * S_PER_HOUR, now_s)
        assert found.series.times_s == (now_s, now_s + 1800, now_s + 5400, now_s + 9000)
        assert found.series.values == pytest.approx((100, 101, 102, 103))
        assert (found.issued_s, found.coverage_frac, found.series.end_s) == (now_s, 0.8, now_s + 10800)
        assert "made up for tests" in found.series.source
        early = Climatology(archive).forecast("DE", now_s, now_s + 60, MONDAY + 14 * S_PER_DAY)
        assert early.at(now_s) == pytest.approx(100)
        with pytest.raises(DataGap, match="too little is stored"):
            Climatology(archive).forecast("DE", now_s, now_s + 60, MONDAY + 2 * S_PER_DAY)


def test_means_of_days_and_years_are_no_hours() -> None:
    class Yearly:
        def history(self, zone: str, start_s: float, end_s: float) -> Series:
            return Series(
                times_s=(start_s,),
                values=(400.0,),
                end_s=end_s,
                unit="g/kWh",
                signal="average",
                basis="lifecycle",
                source="made up for tests",
            )

    with pytest.raises(DataGap, match="too little"):
        Climatology(Yearly()).forecast("DE", MONDAY, MONDAY + 60, MONDAY)


@pytest.mark.skipif(not TRACES.is_dir(), reason=f"the hourly traces are not at {TRACES}; set GRAMWISE_TRACES")
@pytest.mark.parametrize("zone", ["DE", "FR", "ES"])
def test_on_a_real_year_it_beats_the_mean_of_the_past(zone: str) -> None:
    with (TRACES / f"{zone}_2022.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    times = np.array([datetime.fromisoformat(row["time_utc"]).timestamp() for row in rows])
    values = np.array([float(row["lifecycle_g_per_kwh"] or "nan") for row in rows])
    mine, plain, inside = [], [], []
    for day in range(60, 364, 3):
        known, ahead = slice(0, day * 24), slice(day * 24, day * 24 + 24)
        found = usual(times[known], values[known], times[ahead])
        mine.append(np.abs(found.mean - values[ahead]))
        plain.append(np.abs(np.nanmean(values[known]) - values[ahead]))
        inside.append((found.low <= values[ahead]) & (values[ahead] <= found.high))
    assert np.nanmean(mine) < np.nanmean(plain)
    assert 0.6 <= np.mean(inside) <= 0.85  # the past of a first year is short: see `usual`
