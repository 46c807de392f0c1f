"""WattTime version 3 against recorded shapes, over a real connection: login, units, pages, forecasts as issued."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from loopback import Answer, Loopback, Question

from gramwise.core import plugins
from gramwise.core.clock import ManualClock
from gramwise.core.errors import BadReply, ConfigError, DataGap, GramwiseError, MixedKinds, SourceUnavailable
from gramwise.core.series import Series
from gramwise.grid.http import KeyRefused, QuotaExceeded
from gramwise.grid.sources.watttime import WattTime
from gramwise.testing import check_intensity

NOW = datetime(2026, 11, 21, 18, 2, tzinfo=UTC)
NOW_S = NOW.timestamp()
ZONE = "CAISO_NORTH"
PASSWORD = "correct-horse-battery"
STEP_S = 300.0


def at(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[misc, arg-type]


def iso(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).isoformat()


def meta(**more: Any) -> dict[str, Any]:
    return {
        "region": ZONE,
        "signal_type": "co2_moer",
        "model": {"date": "2026-03-01"},
        "units": "lbs_co2_per_mwh",
        "data_point_period_seconds": 300,
        "warnings": [],
    } | more


def points(start_s: float, end_s: float) -> list[dict[str, Any]]:
    """Step k since 1970 has k mod 1000 pounds."""
    first = -(-start_s // STEP_S)
    count = int(-(-end_s // STEP_S) - first)
    return [{"point_time": iso((first + i) * STEP_S), "value": (first + i) % 1000} for i in range(count)]


class Service:
    """The parts of WattTime that are asked, with tokens that can be revoked."""

    def __init__(self) -> None:
        self.logins = 0
        self.valid = ""
        self.meta = meta()
        self.runs: list[dict[str, Any]] = []
        self.generated_at: str | None = "2026-11-21T18:00:00+00:00"

    def __call__(self, question: Question) -> Answer:
        if question.path == "/login":
            return self.login(question)
        if question.headers.get("authorization") != f"Bearer {self.valid}":
            return Answer({"message": "token expired"}, 401)
        if question.params["region"] != ZONE:
            return Answer({"error": "Invalid region", "message": "region does not exist"}, 400)
        if question.path == "/v3/forecast":
            hours = int(question.params["horizon_hours"])
            found = points(at(2026, 11, 21, 18), at(2026, 11, 21, 18) + 3600.0 * hours)
            return Answer({"data": found, "meta": self.meta | {"generated_at": self.generated_at}})
        if question.path == "/v3/forecast/historical":
            return Answer({"data": self.runs, "meta": self.meta})
        ends = (datetime.fromisoformat(question.params[key]).timestamp() for key in ("start", "end"))
        return Answer({"data": points(*ends), "meta": self.meta})

    def login(self, question: Question) -> Answer:
        sent = base64.b64decode(question.headers["authorization"].removeprefix("Basic ")).decode()
        if sent != f"ada:{PASSWORD}":
            return Answer({"message": f"unknown {sent}"}, 403)
        self.logins += 1
        self.valid = f"token-{self.logins}"
        return Answer({"token": self.valid})


@pytest.fixture
def service(loopback: Loopback) -> Service:
    loopback.reply = answering = Service()
    return answering


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW_S)


@pytest.fixture
def source(loopback: Loopback, clock: ManualClock) -> Callable[..., WattTime]:
    def build(**more: Any) -> WattTime:
        settings = {"base_url": loopback.url, "user": "ada", "password": PASSWORD, "clock": clock} | more
        found = plugins.create("intensity", "watttime", **settings)
        assert isinstance(found, WattTime)
        return found

    return build


def hour(source: WattTime, zone: str = ZONE) -> Series:
    return source.history(zone, at(2026, 11, 20, 6), at(2026, 11, 20, 7))


def test_pounds_per_megawatt_hour_become_grams_per_kilowatt_hour(
    loopback: Loopback, service: Service, source: Callable[..., WattTime]
) -> None:
    series = hour(source())
    assert len(series.values) == 12
    pounds = at(2026, 11, 20, 6) // STEP_S % 1000
    assert series.values[0] == pytest.approx(pounds * 453.59237 / 1000, rel=1e-12)
    assert (series.unit, series.signal, series.basis) == ("g/kWh", "marginal", "direct")
    assert "CO2 only" in series.source
    login, asked = loopback.asked
    assert login.path == "/login"
    assert asked.path == "/v3/historical"
    assert asked.params == {
        "region": ZONE,
        "signal_type": "co2_moer",
        "start": "2026-11-20T06:00:00Z",
        "end": "2026-11-20T07:00:00Z",
    }
    assert asked.headers["authorization"] == "Bearer token-1"


def test_the_conformance_kit(service: Service, source: Callable[..., WattTime]) -> None:
    check_intensity(source(), ZONE)
    check_intensity(source(), ZONE, start_s=at(2022, 6, 1, 0, 2), end_s=at(2022, 6, 1, 0, 58))


def test_a_long_past_is_paged_by_32_days_across_a_change_of_clocks(
    loopback: Loopback, service: Service, source: Callable[..., WattTime]
) -> None:
    """California turns its clocks on 8 March 2026: its local day has 23 hours, the series has every step."""
    start_s, end_s = at(2026, 2, 20), at(2026, 4, 1)
    series = source().history(ZONE, start_s, end_s)
    asked = [(q.params["start"], q.params["end"]) for q in loopback.asked[1:]]
    assert asked == [
        ("2026-02-20T00:00:00Z", "2026-03-24T00:00:00Z"),
        ("2026-03-24T00:00:00Z", "2026-04-01T00:00:00Z"),
    ]
    assert series.times_s == tuple(start_s + STEP_S * i for i in range(40 * 288))
    assert all(value == value for value in series.values)


def test_a_token_is_kept_for_half_an_hour(
    service: Service, source: Callable[..., WattTime], clock: ManualClock
) -> None:
    asking = source()
    hour(asking)
    clock.advance(1799.0)
    hour(asking)
    assert service.logins == 1
    clock.advance(1.0)
    hour(asking)
    assert service.logins == 2


def test_a_token_refused_before_its_time_is_renewed_once(
    loopback: Loopback, service: Service, source: Callable[..., WattTime]
) -> None:
    asking = source()
    hour(asking)
    service.valid = "revoked"
    hour(asking)
    assert service.logins == 2

    def stubborn(question: Question) -> Answer:
        return service.login(question) if question.path == "/login" else Answer({"message": "no"}, 401)

    loopback.reply = stubborn
    loopback.asked.clear()
    with pytest.raises(KeyRefused, match="WATTTIME_USER and WATTTIME_PASSWORD"):
        hour(asking)
    assert [asked.path for asked in loopback.asked] == ["/v3/historical", "/login", "/v3/historical"]


def test_a_wrong_password_is_not_repeated_in_the_error(
    service: Service, source: Callable[..., WattTime]
) -> None:
    with pytest.raises(KeyRefused, match="refused the key in WATTTIME_USER and WATTTIME_PASSWORD") as caught:
        hour(source(password="wrong-horse"))
    assert "wrong-horse" not in str(caught.value)


def test_a_missing_account_names_both_variables(
    loopback: Loopback, source: Callable[..., WattTime], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATTTIME_USER", "ada")
    monkeypatch.delenv("WATTTIME_PASSWORD", raising=False)
    with pytest.raises(SourceUnavailable, match="set the variables WATTTIME_USER and WATTTIME_PASSWORD"):
        hour(source(user=None, password=None))
    assert loopback.asked == []


def test_the_account_of_the_environment(
    service: Service, source: Callable[..., WattTime], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATTTIME_USER", "ada")
    monkeypatch.setenv("WATTTIME_PASSWORD", PASSWORD)
    hour(source(user=None, password=None))
    assert service.logins == 1


def test_an_unknown_region(service: Service, source: Callable[..., WattTime]) -> None:
    with pytest.raises(ConfigError, match="WattTime knows no zone 'ATLANTIS'"):
        hour(source(), "ATLANTIS")


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"units": "kg_co2_per_mwh"}, BadReply, "unit 'kg_co2_per_mwh' is not known"),
        ({"units": None}, BadReply, "unit None is not known"),
        ({"region": "CAISO_SOUTH"}, BadReply, "answered for 'CAISO_SOUTH'"),
        ({"signal_type": "co2_aoer"}, MixedKinds, "answered 'co2_aoer'"),
        ({"data_point_period_seconds": None}, BadReply, "how long a point holds"),
        ({"data_point_period_seconds": 0}, BadReply, "how long a point holds"),
    ],
)
def test_an_answer_that_is_not_what_was_asked_for(
    service: Service,
    source: Callable[..., WattTime],
    change: dict[str, Any],
    error: type[GramwiseError],
    words: str,
) -> None:
    service.meta = meta(**change)
    with pytest.raises(error, match=words):
        hour(source())


def test_the_average_signal_is_typed_so_and_has_no_forecast(
    service: Service, source: Callable[..., WattTime]
) -> None:
    service.meta = meta(signal_type="co2_aoer")
    average = source(signal_type="co2_aoer")
    assert (hour(average).signal, hour(average).basis) == ("average", "direct")
    with pytest.raises(SourceUnavailable, match="forecasts co2_moer only"):
        average.forecast(ZONE, NOW_S, NOW_S + 3600, NOW_S)
    with pytest.raises(ConfigError, match="health_damage"):
        source(signal_type="health_damage")


def test_nulls_and_missing_steps_are_gaps(
    loopback: Loopback, service: Service, source: Callable[..., WattTime]
) -> None:
    def holed(question: Question) -> Answer:
        answer = service(question)
        if "data" in answer.body:
            answer.body["data"][1]["value"] = None
            del answer.body["data"][5:8]
        return answer

    loopback.reply = holed
    series = hour(source())
    start_s = at(2026, 11, 20, 6)
    assert series.at(start_s) > 0.0
    for step in (1, 5, 6, 7):
        with pytest.raises(DataGap):
            series.at(start_s + STEP_S * step + 1)
    assert series.at(start_s + STEP_S * 8) > 0.0


def test_todays_forecast(loopback: Loopback, service: Service, source: Callable[..., WattTime]) -> None:
    forecast = source().forecast(ZONE, NOW_S, NOW_S + 6 * 3600, NOW_S)
    assert forecast.issued_s == at(2026, 11, 21, 18)
    assert loopback.asked[-1].path == "/v3/forecast"
    assert loopback.asked[-1].params["horizon_hours"] == "6"
    assert forecast.at(NOW_S) == pytest.approx(0.45359237 * (at(2026, 11, 21, 18) // STEP_S % 1000))
    assert (forecast.series.signal, forecast.series.basis) == ("marginal", "direct")
    assert forecast.series.end_s == at(2026, 11, 22)


def test_a_past_forecast_is_the_newest_issued_by_then(
    loopback: Loopback, service: Service, source: Callable[..., WattTime]
) -> None:
    asked_s = at(2026, 9, 1, 12, 3)
    service.runs = [
        {"generated_at": iso(made_s), "forecast": [{"point_time": iso(asked_s // 300 * 300), "value": value}]}
        for made_s, value in [
            (at(2026, 9, 1, 11, 55), 100),
            (at(2026, 9, 1, 12), 200),
            (at(2026, 9, 1, 12, 5), 300),
        ]
    ]
    forecast = source().forecast(ZONE, asked_s, asked_s + 3600, asked_s)
    assert forecast.issued_s == at(2026, 9, 1, 12)
    assert forecast.at(asked_s) == pytest.approx(200 * 0.45359237)
    assert loopback.asked[-1].path == "/v3/forecast/historical"
    assert loopback.asked[-1].params["end"] == "2026-09-01T12:03:00Z"
    assert "/v3/forecast" not in [asked.path for asked in loopback.asked]


def test_no_forecast_of_later_is_passed_off_as_one_of_then(
    service: Service, source: Callable[..., WattTime]
) -> None:
    service.generated_at = "2026-11-21T18:01:00+00:00"
    service.runs = [{"generated_at": "2026-11-21T18:01:00+00:00", "forecast": points(NOW_S, NOW_S + 600)}]
    with pytest.raises(SourceUnavailable, match="issued no forecast between"):
        source().forecast(ZONE, NOW_S, NOW_S + 3600, at(2026, 11, 21, 18))


def test_a_forecast_without_issue_time(service: Service, source: Callable[..., WattTime]) -> None:
    service.generated_at = None
    with pytest.raises(BadReply, match="without issue time"):
        source().forecast(ZONE, NOW_S, NOW_S + 3600, NOW_S)
    service.runs = [{"forecast": []}]
    with pytest.raises(BadReply, match="without issue time"):
        source().forecast(ZONE, NOW_S, NOW_S + 3600, at(2026, 9, 1))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer("<html>"), BadReply),
        (Answer(""), BadReply),
        (Answer({}, 429, {"Retry-After": "9"}), QuotaExceeded),
    ],
)
def test_trouble_after_the_login(
    loopback: Loopback,
    service: Service,
    source: Callable[..., WattTime],
    answer: Answer,
    error: type[GramwiseError],
) -> None:
    loopback.reply = lambda question: service(question) if question.path == "/login" else answer
    with pytest.raises(error, match="WattTime"):
        hour(source())


def test_a_login_without_token(loopback: Loopback, source: Callable[..., WattTime]) -> None:
    loopback.always({"ok": True})
    with pytest.raises(BadReply, match="gave no token"):
        hour(source())
