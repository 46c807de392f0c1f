"""Electricity Maps against recorded shapes of its versions 3 and 4, over a real connection."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from loopback import Answer, Loopback, Question

from gramwise.core import plugins
from gramwise.core.clock import ManualClock
from gramwise.core.errors import BadReply, ConfigError, DataGap, GramwiseError, MixedKinds, SourceUnavailable
from gramwise.grid.http import KeyRefused, QuotaExceeded
from gramwise.grid.sources.electricity_maps import ElectricityMaps
from gramwise.testing import check_intensity

NOW = datetime(2026, 11, 21, 18, 20, tzinfo=UTC)
KEY = "em-key-0123456789"
H = 3600.0


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def at(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[misc, arg-type]


def row(moment: datetime, value: float | None, **more: Any) -> dict[str, Any]:
    return {
        "zone": "FR",
        "carbonIntensity": value,
        "datetime": stamp(moment),
        "updatedAt": "2026-11-21T18:10:00.000Z",
        "createdAt": "2026-11-18T18:00:00.000Z",
        "emissionFactorType": "lifecycle",
        "isEstimated": False,
        "estimationMethod": None,
    } | more


def last_day() -> list[dict[str, Any]]:
    newest = datetime(2026, 11, 21, 18, tzinfo=UTC)
    return [row(newest - timedelta(hours=23 - i), 40.0 + i, isEstimated=i >= 21) for i in range(24)]


def past_range(question: Question) -> Answer:
    """The service over any range: hour k since 1970 has the value k mod 100."""
    if question.params["zone"] != "FR":
        return Answer({"status": "error", "message": "No data for zone"}, 404)
    hour, end = (datetime.fromisoformat(question.params[key]) for key in ("start", "end"))
    rows = []
    while hour < end:
        rows.append(row(hour, hour.timestamp() // H % 100))
        hour += timedelta(hours=1)
    return Answer({"zone": "FR", "data": rows})


@pytest.fixture
def source(loopback: Loopback) -> Callable[..., ElectricityMaps]:
    def build(**more: Any) -> ElectricityMaps:
        settings = {
            "base_url": f"{loopback.url}/v3",
            "token": KEY,
            "clock": ManualClock(NOW.timestamp()),
        } | more
        found = plugins.create("intensity", "electricity-maps", **settings)
        assert isinstance(found, ElectricityMaps)
        return found

    return build


def test_the_last_day_comes_from_history(loopback: Loopback, source: Callable[..., ElectricityMaps]) -> None:
    loopback.always({"zone": "FR", "history": last_day()})
    series = source().history("FR", at(2026, 11, 21, 12), at(2026, 11, 21, 18))
    assert series.values == (57.0, 58.0, 59.0, 60.0, 61.0, 62.0)
    assert series.times_s[0] == at(2026, 11, 21, 12)
    assert series.end_s == at(2026, 11, 21, 18)
    assert (series.unit, series.signal, series.basis) == ("g/kWh", "average", "lifecycle")
    assert "3 of 24 steps estimated" in series.source
    (asked,) = loopback.asked
    assert asked.path == "/v3/carbon-intensity/history"
    assert asked.params == {
        "zone": "FR",
        "emissionFactorType": "lifecycle",
        "temporalGranularity": "hourly",
        "shouldUseFallbackCallerLookup": "false",
    }
    assert asked.headers["auth-token"] == KEY


@pytest.mark.parametrize("wrap", ["data", "history", "forecast", "flat"])
def test_every_shape_is_read(loopback: Loopback, source: Callable[..., ElectricityMaps], wrap: str) -> None:
    one = row(datetime(2026, 11, 21, 18, tzinfo=UTC), 42)
    loopback.always(one if wrap == "flat" else {"zone": "FR", wrap: [one]})
    series = source().history("FR", at(2026, 11, 21, 18), at(2026, 11, 21, 18, 20))
    assert series.at(at(2026, 11, 21, 18, 10)) == 42.0


def test_a_long_past_is_paged_by_ten_days_and_nothing_doubles(
    loopback: Loopback, source: Callable[..., ElectricityMaps]
) -> None:
    loopback.reply = past_range
    start_s, end_s = at(2026, 3, 20), at(2026, 4, 14)
    series = source().history("FR", start_s, end_s)
    asked = [(q.params["start"], q.params["end"]) for q in loopback.asked]
    assert asked == [
        ("2026-03-20T00:00:00Z", "2026-03-30T00:00:00Z"),
        ("2026-03-30T00:00:00Z", "2026-04-09T00:00:00Z"),
        ("2026-04-09T00:00:00Z", "2026-04-14T00:00:00Z"),
    ]
    assert all(q.path == "/v3/carbon-intensity/past-range" for q in loopback.asked)
    assert series.times_s == tuple(start_s + H * i for i in range(25 * 24))
    assert series.values == tuple(t // H % 100 for t in series.times_s)


@pytest.mark.parametrize(
    ("first", "last", "hours"),
    [((2026, 3, 28, 23), (2026, 3, 29, 22), 23), ((2026, 10, 24, 22), (2026, 10, 25, 23), 25)],
    ids=["spring forward: 23 hours", "fall back: 25 hours"],
)
def test_days_on_which_clocks_change_lose_and_double_no_hour(
    loopback: Loopback,
    source: Callable[..., ElectricityMaps],
    first: tuple[int, ...],
    last: tuple[int, ...],
    hours: int,
) -> None:
    """The service may write local offsets: the two hours called 02:00 in Paris are two hours."""

    def local(question: Question) -> Answer:
        page = past_range(question).body
        for one in page["data"]:
            moment = datetime.fromisoformat(one["datetime"])
            summer = at(2026, 3, 29, 1) <= moment.timestamp() < at(2026, 10, 25, 1)
            one["datetime"] = (moment + timedelta(hours=1 + summer)).strftime(
                f"%Y-%m-%dT%H:%M:%S+0{1 + summer}:00"
            )
        return Answer(page)

    loopback.reply = local
    series = source().history("FR", at(*first), at(*last))
    assert len(series.values) == hours
    assert series.times_s == tuple(at(*first) + H * i for i in range(hours))
    assert not any(math.isnan(value) for value in series.values)


def test_quarter_hours(loopback: Loopback, source: Callable[..., ElectricityMaps]) -> None:
    quarter = datetime(2026, 11, 21, 17, tzinfo=UTC)
    rows = [row(quarter + timedelta(minutes=15 * i), 10.0 * i) for i in range(4)]
    loopback.always({"zone": "FR", "history": rows})
    series = source(granularity="15_minutes").history("FR", at(2026, 11, 21, 17), at(2026, 11, 21, 18))
    assert loopback.asked[0].params["temporalGranularity"] == "15_minutes"
    assert series.values == (0.0, 10.0, 20.0, 30.0)
    assert series.end_s == at(2026, 11, 21, 18)


def test_nulls_missing_hours_and_the_time_to_come_are_gaps(
    loopback: Loopback, source: Callable[..., ElectricityMaps]
) -> None:
    rows = last_day()
    rows[21]["carbonIntensity"] = None
    del rows[20]
    loopback.always({"zone": "FR", "history": rows})
    series = source().history("FR", at(2026, 11, 21, 14), at(2026, 11, 21, 21))
    assert series.at(at(2026, 11, 21, 14)) == 59.0
    assert series.at(at(2026, 11, 21, 17)) == 62.0
    assert series.end_s == at(2026, 11, 21, 21)
    for hour in (15, 16, 19, 20):
        with pytest.raises(DataGap, match="missing"):
            series.at(at(2026, 11, 21, hour, 30))


def test_nothing_known_is_a_gap_and_no_series(
    loopback: Loopback, source: Callable[..., ElectricityMaps]
) -> None:
    loopback.always({"zone": "FR", "history": [row(datetime(2026, 11, 21, 17, tzinfo=UTC), None)]})
    with pytest.raises(DataGap, match="no value between"):
        source().history("FR", at(2026, 11, 21, 17), at(2026, 11, 21, 18))


def test_the_conformance_kit(loopback: Loopback, source: Callable[..., ElectricityMaps]) -> None:
    loopback.reply = past_range
    check_intensity(source(), "FR")
    check_intensity(source(), "FR", start_s=at(2022, 6, 1, 0, 20), end_s=at(2022, 6, 1, 5, 40))


def test_direct_factors_are_asked_for_and_labelled(
    loopback: Loopback, source: Callable[..., ElectricityMaps]
) -> None:
    rows = [one | {"emissionFactorType": "direct"} for one in last_day()]
    loopback.always({"zone": "FR", "history": rows})
    series = source(basis="direct").history("FR", at(2026, 11, 21, 12), at(2026, 11, 21, 13))
    assert loopback.asked[0].params["emissionFactorType"] == "direct"
    assert series.basis == "direct"


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (
            {"zone": "DE", "history": [row(NOW, 1) | {"zone": "DE"}]},
            BadReply,
            "asked for FR and answered for DE",
        ),
        ({"history": [{"datetime": stamp(NOW), "carbonIntensity": 1}]}, BadReply, "no zone that it names"),
        (
            {"zone": "FR", "history": [row(NOW, 1, emissionFactorType="direct")]},
            MixedKinds,
            "answered direct ones",
        ),
        ({"zone": "FR", "history": [row(NOW, -3)]}, BadReply, "-3 is no intensity"),
        ({"zone": "FR", "history": [row(NOW, True)]}, BadReply, "True is no intensity"),
        ({"zone": "FR", "history": [row(NOW, 1, carbonIntensity="42")]}, BadReply, "'42' is no intensity"),
        ({"zone": "FR", "history": [row(NOW, 1, datetime="2026-11-21 18:00")]}, BadReply, "offset from UTC"),
        ({"zone": "FR", "history": [row(NOW, 1, datetime=None)]}, BadReply, "offset from UTC"),
        ({"zone": "FR", "history": [row(NOW, 1), row(NOW, 2)]}, BadReply, "two values for"),
        ({"zone": "FR", "history": [{"datetime": stamp(NOW)}]}, BadReply, "without carbonIntensity"),
        ({"zone": "FR", "history": "soon"}, BadReply, "no list under 'history'"),
        ({"zone": "FR"}, BadReply, "no list under 'data'; the reply has zone"),
    ],
)
def test_replies_that_make_no_sense(
    loopback: Loopback,
    source: Callable[..., ElectricityMaps],
    reply: Any,
    error: type[GramwiseError],
    words: str,
) -> None:
    loopback.always(reply)
    with pytest.raises(error, match=words):
        source().history("FR", at(2026, 11, 21, 12), at(2026, 11, 21, 19))


def test_refusals(loopback: Loopback, source: Callable[..., ElectricityMaps]) -> None:
    def ask() -> None:
        source().history("FR", at(2026, 11, 21, 12), at(2026, 11, 21, 18))

    loopback.always({"message": f"Invalid auth-token {KEY}"}, 401)
    with pytest.raises(
        KeyRefused, match="Electricity Maps: refused the key in ELECTRICITY_MAPS_TOKEN"
    ) as caught:
        ask()
    assert KEY not in str(caught.value)
    loopback.always({"error": "Too many requests"}, 429, headers={"Retry-After": "60"})
    with pytest.raises(QuotaExceeded, match="Ask again in 60 s"):
        ask()
    loopback.always({"status": "error", "message": "Zone 'FR' does not exist."}, 404)
    with pytest.raises(ConfigError, match="Electricity Maps knows no zone 'FR'"):
        ask()
    loopback.always("<html>maintenance</html>")
    with pytest.raises(BadReply, match="Electricity Maps: answered a page"):
        ask()


def test_a_missing_key_names_the_variable_and_asks_nobody(
    loopback: Loopback, source: Callable[..., ElectricityMaps], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ELECTRICITY_MAPS_TOKEN", raising=False)
    keyless = source(token=None)
    with pytest.raises(SourceUnavailable, match="set the variable ELECTRICITY_MAPS_TOKEN"):
        keyless.history("FR", at(2026, 11, 21, 12), at(2026, 11, 21, 18))
    assert loopback.asked == []
    loopback.always({"zone": "FR", "history": last_day()})
    monkeypatch.setenv("ELECTRICITY_MAPS_TOKEN", "from-the-environment")
    keyless.history("FR", at(2026, 11, 21, 12), at(2026, 11, 21, 18))
    assert loopback.asked[0].headers["auth-token"] == "from-the-environment"


def foreseen(**more: Any) -> dict[str, Any]:
    hour = datetime(2026, 11, 21, 18, tzinfo=UTC)
    rows = [{"carbonIntensity": 45 + i, "datetime": stamp(hour + timedelta(hours=i))} for i in range(24)]
    return {"zone": "FR", "forecast": rows, "updatedAt": "2026-11-21T18:05:00.000Z"} | more


def test_a_forecast_has_the_issue_time_of_the_reply(
    loopback: Loopback, source: Callable[..., ElectricityMaps]
) -> None:
    loopback.always(foreseen(), headers={"X-RateLimit-Remaining": "11"})
    asking = source()
    forecast = asking.forecast("FR", NOW.timestamp(), NOW.timestamp() + 30 * H, NOW.timestamp())
    assert forecast.issued_s == at(2026, 11, 21, 18, 5)
    assert forecast.at(at(2026, 11, 21, 20, 30)) == 47.0
    assert forecast.series.times_s[0] == at(2026, 11, 21, 18)
    assert forecast.series.end_s == at(2026, 11, 22, 18)
    assert (forecast.series.signal, forecast.series.basis) == ("average", "lifecycle")
    assert forecast.interval(NOW.timestamp()) is None
    assert loopback.asked[0].path == "/v3/carbon-intensity/forecast"
    assert loopback.asked[0].params["horizonHours"] == "48"
    assert asking.quota is not None
    assert asking.quota.remaining == 11


def test_a_forecast_without_issue_time_is_refused(
    loopback: Loopback, source: Callable[..., ElectricityMaps]
) -> None:
    loopback.always(foreseen(updatedAt=None))
    with pytest.raises(BadReply, match="a forecast without issue time"):
        source().forecast("FR", NOW.timestamp(), NOW.timestamp() + H, NOW.timestamp())


def test_a_forecast_issued_later_is_no_answer_about_the_past(
    loopback: Loopback, source: Callable[..., ElectricityMaps]
) -> None:
    loopback.always(foreseen())
    with pytest.raises(SourceUnavailable, match="Ask the archive"):
        source().forecast("FR", NOW.timestamp(), NOW.timestamp() + H, at(2026, 11, 21, 18))


@pytest.mark.parametrize(("key", "value"), [("basis", "market"), ("granularity", "weekly")])
def test_options_that_do_not_exist(key: str, value: str) -> None:
    with pytest.raises(ConfigError, match=value):
        ElectricityMaps(**{key: value})  # type: ignore[arg-type]
