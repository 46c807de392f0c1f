"""The Carbon Intensity API of Great Britain against recorded shapes: half-hours, nulls, regions, its two traps."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from loopback import Answer, Loopback, Question

from gramwise.core import plugins
from gramwise.core.clock import ManualClock
from gramwise.core.errors import BadReply, ConfigError, DataGap, GramwiseError, SourceUnavailable
from gramwise.grid.http import QuotaExceeded
from gramwise.grid.sources.uk_carbon_intensity import UkCarbonIntensity
from gramwise.testing import check_intensity

NOW_S = datetime(2026, 11, 21, 18, 7, tzinfo=UTC).timestamp()
HALF = timedelta(minutes=30)


def at(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[misc, arg-type]


def row(start: datetime, *, actual: float | None = None, regional: bool = False) -> dict[str, Any]:
    """Half-hour k since 1970 was foreseen as k mod 300; the estimate afterwards is what the test says."""
    figures: dict[str, Any] = {"forecast": start.timestamp() // 1800 % 300, "index": "moderate"}
    if not regional:
        figures["actual"] = actual
    return {"from": f"{start:%Y-%m-%dT%H:%MZ}", "to": f"{start + HALF:%Y-%m-%dT%H:%MZ}", "intensity": figures}


def half_hours(start: datetime, count: int, **more: Any) -> list[dict[str, Any]]:
    return [row(start + HALF * i, **more) for i in range(count)]


def service(question: Question) -> Answer:
    """As the service does it: the half-hour before the interval comes with it."""
    parts = question.path.strip("/").split("/")
    if parts[0] == "regional":
        start = datetime.fromisoformat(parts[2])
        rows = half_hours(start, 96, regional=True)
        region = {
            "regionid": int(parts[5]),
            "dnoregion": "x",
            "shortname": "y",
            "postcode": "z",
            "data": rows,
        }
        return Answer({"data": region})
    start = datetime.fromisoformat(parts[1])
    if parts[2] == "fw48h":
        return Answer({"data": half_hours(start - HALF, 97)})
    end = datetime.fromisoformat(parts[2])
    if end - start > timedelta(days=14):
        return Answer({"error": {"code": "400 Bad Request", "message": "limited to 14 days"}}, 400)
    count = int((end - start) / HALF)
    return Answer({"data": [row(start + HALF * i, actual=100.0 + i) for i in range(-1, count)]})


@pytest.fixture
def source(loopback: Loopback) -> Callable[[], UkCarbonIntensity]:
    loopback.reply = service

    def build() -> UkCarbonIntensity:
        found = plugins.create(
            "intensity", "uk-carbon-intensity", base_url=loopback.url, clock=ManualClock(NOW_S)
        )
        assert isinstance(found, UkCarbonIntensity)
        return found

    return build


def test_half_hours_without_the_one_before(
    loopback: Loopback, source: Callable[[], UkCarbonIntensity]
) -> None:
    series = source().history("GB", at(2026, 11, 20, 6), at(2026, 11, 20, 8))
    assert loopback.asked[0].path == "/intensity/2026-11-20T06:00Z/2026-11-20T08:00Z"
    assert series.times_s == tuple(at(2026, 11, 20, 6) + 1800 * i for i in range(4))
    assert series.values == (100.0, 101.0, 102.0, 103.0)
    assert series.end_s == at(2026, 11, 20, 8)
    assert (series.unit, series.signal, series.basis) == ("g/kWh", "average", "direct")


def test_the_conformance_kit(source: Callable[[], UkCarbonIntensity]) -> None:
    check_intensity(source(), "GB")
    check_intensity(source(), "GB", start_s=at(2022, 6, 1, 0, 10), end_s=at(2022, 6, 1, 0, 50))


def test_a_null_estimate_is_a_gap_although_a_forecast_stands_beside_it(
    loopback: Loopback, source: Callable[[], UkCarbonIntensity]
) -> None:
    rows = half_hours(datetime(2026, 11, 21, 17, tzinfo=UTC), 4, actual=129.0)
    rows[1]["intensity"]["actual"] = None
    loopback.always({"data": rows})
    series = source().history("GB", at(2026, 11, 21, 17), at(2026, 11, 21, 19))
    assert series.at(at(2026, 11, 21, 17)) == 129.0
    with pytest.raises(DataGap, match="missing"):
        series.at(at(2026, 11, 21, 17, 45))
    loopback.always({"data": half_hours(datetime(2026, 11, 21, 17, tzinfo=UTC), 4)})
    with pytest.raises(DataGap, match="no value between"):
        source().history("GB", at(2026, 11, 21, 17), at(2026, 11, 21, 19))


@pytest.mark.parametrize(
    ("first", "last", "hours"),
    [((2026, 3, 29), (2026, 3, 29, 23), 23), ((2026, 10, 24, 23), (2026, 10, 26), 25)],
    ids=["British day of 23 hours", "British day of 25 hours"],
)
def test_days_on_which_clocks_change(
    source: Callable[[], UkCarbonIntensity], first: tuple[int, ...], last: tuple[int, ...], hours: int
) -> None:
    series = source().history("GB", at(*first), at(*last))
    assert series.times_s == tuple(at(*first) + 1800 * i for i in range(2 * hours))
    assert series.values == tuple(100.0 + i for i in range(2 * hours))


def test_a_long_past_is_paged_by_fourteen_days(
    loopback: Loopback, source: Callable[[], UkCarbonIntensity]
) -> None:
    start_s, end_s = at(2026, 1, 1), at(2026, 2, 1)

    def constant(question: Question) -> Answer:
        answer = service(question)
        for one in answer.body["data"]:
            one["intensity"]["actual"] = 7.0
        return answer

    loopback.reply = constant
    series = source().history("GB", start_s, end_s)
    assert [asked.path.split("/")[2] for asked in loopback.asked] == [
        "2026-01-01T00:00Z",
        "2026-01-15T00:00Z",
        "2026-01-29T00:00Z",
    ]
    assert series.times_s == tuple(start_s + 1800 * i for i in range(31 * 48))
    assert set(series.values) == {7.0}


def test_a_forecast_is_issued_when_it_is_asked_for(
    loopback: Loopback, source: Callable[[], UkCarbonIntensity]
) -> None:
    forecast = source().forecast("GB", NOW_S, NOW_S + 24 * 3600, NOW_S)
    assert loopback.asked[0].path == "/intensity/2026-11-21T18:00Z/fw48h"
    assert forecast.issued_s == NOW_S
    assert forecast.series.times_s[0] == at(2026, 11, 21, 18)
    assert forecast.at(NOW_S) == at(2026, 11, 21, 18) // 1800 % 300
    assert forecast.series.end_s == at(2026, 11, 22, 18, 30)
    assert source().forecast("GB", NOW_S, NOW_S + 3600, NOW_S + 900).issued_s == NOW_S
    assert source().forecast("GB", NOW_S, NOW_S + 3600, NOW_S - 5).issued_s == NOW_S - 5


def test_a_forecast_of_the_past_is_the_archives(
    loopback: Loopback, source: Callable[[], UkCarbonIntensity]
) -> None:
    with pytest.raises(SourceUnavailable, match=r"answers for now only; .* archive"):
        source().forecast("GB", NOW_S, NOW_S + 3600, NOW_S - 120)
    assert loopback.asked == []


@pytest.mark.parametrize("as_list", [False, True])
def test_regions_have_forecasts(
    loopback: Loopback, source: Callable[[], UkCarbonIntensity], as_list: bool
) -> None:
    def either(question: Question) -> Answer:
        answer = service(question)
        return Answer({"data": [answer.body["data"]]}) if as_list else answer

    loopback.reply = either
    forecast = source().forecast("GB-3", NOW_S, NOW_S + 3600, NOW_S)
    assert loopback.asked[0].path == "/regional/intensity/2026-11-21T18:00Z/fw48h/regionid/3"
    assert forecast.zone == "GB-3"
    assert forecast.at(NOW_S) == at(2026, 11, 21, 18) // 1800 % 300


def test_regions_have_no_history(source: Callable[[], UkCarbonIntensity]) -> None:
    with pytest.raises(DataGap, match="forecasts only"):
        source().history("GB-3", at(2026, 11, 20), at(2026, 11, 21))


def test_an_answer_for_another_region(loopback: Loopback, source: Callable[[], UkCarbonIntensity]) -> None:
    loopback.always({"data": {"regionid": 4, "data": half_hours(datetime(2026, 11, 21, 18, tzinfo=UTC), 2)}})
    with pytest.raises(BadReply, match="asked for region 3 and answered for 4"):
        source().forecast("GB-3", NOW_S, NOW_S + 3600, NOW_S)


@pytest.mark.parametrize("zone", ["FR", "GB-0", "GB-18", "GB-x", "gb", "GB-", "GB-²"])
def test_zones_that_do_not_exist(
    loopback: Loopback, source: Callable[[], UkCarbonIntensity], zone: str
) -> None:
    with pytest.raises(ConfigError, match="Write 'GB', or 'GB-1' to 'GB-17'"):
        source().forecast(zone, NOW_S, NOW_S + 3600, NOW_S)
    assert loopback.asked == []


def odd(**change: Any) -> dict[str, Any]:
    return {"data": [row(datetime(2026, 11, 20, 6, tzinfo=UTC), actual=1.0) | change]}


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (Answer(odd(to="2026-11-20T07:00Z")), BadReply, "no half-hour"),
        (Answer(odd(intensity=None)), BadReply, "no half-hour with an intensity"),
        (Answer(odd(**{"from": "yesterday"})), BadReply, "'yesterday' is no time"),
        (Answer(odd(intensity={"actual": "12"})), BadReply, "'12' is no intensity"),
        (Answer({"data": {}}), BadReply, "no list under 'data'"),
        (
            Answer({"error": {"code": "400 Bad Request", "message": "start > end"}}, 400),
            BadReply,
            "start > end",
        ),
        (Answer({}, 429, {"Retry-After": "5"}), QuotaExceeded, "Ask again in 5 s"),
        (Answer("<html>"), BadReply, "UK Carbon Intensity: answered a page"),
        (Answer(""), BadReply, "answered nothing"),
    ],
)
def test_answers_that_make_no_sense(
    loopback: Loopback,
    source: Callable[[], UkCarbonIntensity],
    answer: Answer,
    error: type[GramwiseError],
    words: str,
) -> None:
    loopback.reply = lambda question: answer
    with pytest.raises(error, match=words):
        source().history("GB", at(2026, 11, 20, 6), at(2026, 11, 20, 7))
