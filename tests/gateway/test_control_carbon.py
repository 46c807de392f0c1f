"""The routes of the Carbon Aware SDK: its names and fields to the letter, the added ones, and its kind of fault."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("fastapi", reason="the control API needs the serve extra")
pytest.importorskip("sqlalchemy", reason="the ledger needs the serve extra")

from control_rig import HOUR_S, T0_S, Recorded, Rig, rig

from gramwise.core.ahead import Forecast
from gramwise.core.clock import ManualClock
from gramwise.core.errors import DataGap, SourceUnavailable
from gramwise.gateway.control.carbonaware import iso, span
from gramwise.gateway.control.faults import Fault
from gramwise.gateway.control.grids import Named, SourcesGrid

ADDED = {"signal", "unit", "provider", "estimated"}
NOW_S = T0_S + 10 * HOUR_S + 600.0


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rig(tmp_path_factory.mktemp("carbon"), clock=ManualClock(NOW_S)) as served:
        yield served


def at(hours: float) -> str:
    return iso(T0_S + hours * HOUR_S).replace("+00:00", "Z")


def test_emissions_of_a_span_are_its_steps_in_the_sdks_shape(api: Rig) -> None:
    rows = api.ask("GET", f"/emissions/bylocation?location=FR&time={at(1)}&toTime={at(3)}").json()
    assert rows == [
        {
            "location": "FR",
            "time": "2025-10-09T10:00:00+00:00",
            "rating": 110.0,
            "duration": "01:00:00",
            "signal": "average",
            "unit": "g/kWh",
            "provider": "recorded",
            "estimated": None,
        },
        {**rows[1], "time": "2025-10-09T11:00:00+00:00", "rating": 120.0},
    ]


def test_without_times_the_step_in_force_is_told_and_a_naive_time_is_utc(api: Rig) -> None:
    (row,) = api.ask("GET", "/emissions/bylocation?location=fr").json()
    assert (row["location"], row["rating"]) == ("FR", 200.0)
    (row,) = api.ask("GET", f"/emissions/bylocation?location=FR&time={at(2)[:-1]}").json()
    assert row["rating"] == 120.0
    (row,) = api.ask("GET", "/emissions/bylocation?location=FR&time=2025-10-09T13:00:00%2B02:00").json()
    assert row["time"] == "2025-10-09T11:00:00+00:00"


def test_an_hour_that_nobody_recorded_is_the_annual_mean_and_said_to_be_estimated(api: Rig) -> None:
    (row,) = api.ask("GET", "/emissions/bylocation?location=FR&time=2023-06-01T10:20:00Z").json()
    assert (row["provider"], row["estimated"], row["unit"]) == ("annual", True, "g/kWh")
    assert (row["time"], row["duration"]) == ("2023-06-01T10:00:00+00:00", "01:00:00")
    assert row["rating"] > 0
    later = api.ask("GET", "/emissions/bylocation?location=FR&time=2027-06-01T10:20:00Z")
    assert (later.status_code, later.content) == (204, b"")


def test_several_locations_and_the_best_of_them(api: Rig) -> None:
    two = f"location=FR&location=DE&time={at(5)}&toTime={at(7)}"
    rows = api.ask("GET", f"/emissions/bylocations?{two}").json()
    assert [(r["location"], r["rating"]) for r in rows] == [
        ("FR", 150.0),
        ("FR", 160.0),
        ("DE", 150.0),
        ("DE", 160.0),
    ]
    best = api.ask("GET", f"/emissions/bylocations/best?{two}").json()
    assert [(r["location"], r["rating"]) for r in best] == [("FR", 150.0), ("DE", 150.0)]


def test_the_current_forecast_has_means_over_windows_and_the_lowest(api: Rig) -> None:
    path = f"/emissions/forecasts/current?location=FR&dataStartAt={at(12)}&dataEndAt={at(16)}&windowSize=90"
    (told,) = api.ask("GET", path).json()
    assert set(told) == ADDED | {
        "generatedAt",
        "requestedAt",
        "location",
        "dataStartAt",
        "dataEndAt",
        "windowSize",
        "optimalDataPoints",
        "forecastData",
    }
    assert told["requestedAt"] == told["generatedAt"] == iso(NOW_S)
    assert (told["dataStartAt"], told["dataEndAt"], told["windowSize"]) == (
        iso(T0_S + 12 * HOUR_S),
        iso(T0_S + 16 * HOUR_S),
        90,
    )
    # 90 minutes from each full hour: (220 + 230/2) / 1.5, and 10 more each hour
    assert [p["value"] for p in told["forecastData"]] == pytest.approx([670 / 3, 700 / 3, 730 / 3])
    first = told["forecastData"][0]
    assert set(first) == ADDED | {"location", "timestamp", "duration", "value"}
    assert (first["timestamp"], first["duration"], first["estimated"]) == (iso(T0_S + 12 * HOUR_S), 90, True)
    assert told["optimalDataPoints"] == [first]
    (cut,) = api.ask("GET", path.replace(at(16), at(14.9)).replace("=90", "=60")).json()
    assert [p["value"] for p in cut["forecastData"]] == [220.0, 230.0], "a window ends within the data"


def test_left_out_times_take_the_whole_forecast_in_its_own_steps(api: Rig) -> None:
    (told,) = api.ask("GET", "/emissions/forecasts/current?location=FR").json()
    assert told["windowSize"] == 60
    assert told["dataEndAt"] == iso(T0_S + 48 * HOUR_S)
    assert told["dataStartAt"] == iso(NOW_S)
    empty = api.ask(
        "GET",
        f"/emissions/forecasts/current?location=FR&dataStartAt={at(12)}&dataEndAt={at(13)}&windowSize=61",
    )
    assert empty.json()[0]["forecastData"] == empty.json()[0]["optimalDataPoints"] == []


def test_a_batch_tells_what_was_foreseen_at_moments_of_the_past(api: Rig) -> None:
    asked = {
        "requestedAt": at(3),
        "location": "DE",
        "dataStartAt": at(4),
        "dataEndAt": at(6),
        "windowSize": 60,
    }
    told = api.ask(
        "POST", "/emissions/forecasts/batch", json=[asked, {"requestedAt": at(1), "location": "FR"}]
    ).json()
    assert [t["requestedAt"] for t in told] == [iso(T0_S + 3 * HOUR_S), iso(T0_S + HOUR_S)]
    assert [p["value"] for p in told[0]["forecastData"]] == [140.0, 150.0]


def test_means_are_weighted_by_time_and_a_gap_is_no_mean(api: Rig) -> None:
    path = "/emissions/average-carbon-intensity"
    half = "2025-10-09T10:30:00Z"
    told = api.ask("GET", f"{path}?location=FR&startTime={at(0)}&endTime={half}").json()
    assert told["carbonIntensity"] == pytest.approx((100 + 110 / 2) / 1.5)
    assert (told["startTime"], told["endTime"]) == (iso(T0_S), "2025-10-09T10:30:00+00:00")
    assert set(told) == ADDED | {"location", "startTime", "endTime", "carbonIntensity"}
    batch = [{"location": "FR", "startTime": at(i), "endTime": at(i + 1)} for i in range(2)]
    assert [m["carbonIntensity"] for m in api.ask("POST", f"{path}/batch", json=batch).json()] == [
        100.0,
        110.0,
    ]
    gap = api.ask("GET", f"{path}?location=FR&startTime={at(47)}&endTime={at(49)}")
    assert gap.status_code == 404


def test_locations_are_those_of_the_fleet(api: Rig) -> None:
    assert set(api.ask("GET", "/locations").json()) == {"DE", "FR"}


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/emissions/bylocation", 400, "location"),
        ("/emissions/bylocation?location=Fr%00", 400, "location"),
        ("/emissions/bylocation?location=GB", 400, "not known"),
        ("/emissions/bylocation?location=FR&time=yesterday", 400, "time"),
        ("/emissions/bylocation?location=FR&time=1600-01-01T00:00:00Z", 400, "1600"),
        (f"/emissions/bylocation?location=FR&time={at(3)}&toTime={at(1)}", 400, "ends after it begins"),
        (f"/emissions/bylocation?location=FR&time={at(0)}&toTime={at(24 * 33)}", 400, "32 days"),
        ("/emissions/bylocation?location=FR&colour=green", 400, "colour"),
        ("/emissions/bylocations?" + "&".join(["location=FR"] * 51), 400, "location"),
        ("/emissions/forecasts/current?location=FR&windowSize=0", 400, "windowSize"),
        (f"/emissions/forecasts/current?location=FR&dataStartAt={at(60)}", 404, "nobody foresees FR"),
        ("/locations?x=1", 400, "query.x"),
        ("/emissions/nowhere", 404, "nothing here"),
    ],
)
def test_faults_are_problem_details(api: Rig, path: str, status: int, said: str) -> None:
    answer = api.ask("GET", path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert (told["type"], told["status"]) == ("about:blank", status)
    assert told["title"]
    assert said in told["detail"]


def test_keys_and_moments_to_come_are_problems_in_the_same_shape(api: Rig) -> None:
    without = api.ask("GET", "/locations", key=None)
    assert (without.status_code, without.headers["content-type"]) == (401, "application/problem+json")
    ahead = api.ask("POST", "/emissions/forecasts/batch", json=[{"requestedAt": at(20), "location": "FR"}])
    assert "has not come yet" in ahead.json()["detail"]
    many = api.ask(
        "POST", "/emissions/forecasts/batch", json=[{"requestedAt": at(1), "location": "FR"}] * 101
    )
    assert many.status_code == 400


def test_spans_of_time_are_written_as_dotnet_does() -> None:
    assert [span(s) for s in (0.0, 1800.0, 3661.0, 108_000.0)] == [
        "00:00:00",
        "00:30:00",
        "01:01:01",
        "1.06:00:00",
    ]


class Never:
    """Foresees nothing."""

    def forecast(self, zone: str, start_s: float, end_s: float, issued_s: float) -> Forecast:
        raise SourceUnavailable("asked for a key.")


def test_who_cannot_foresee_is_passed_over_and_nobody_at_all_is_501() -> None:
    def grid(*forecasts: Named) -> SourcesGrid:
        clock = ManualClock(NOW_S)
        return SourcesGrid(lambda: ["FR"], provider="p", history=None, forecasts=forecasts, clock=clock)

    span_s = (NOW_S, NOW_S + HOUR_S, NOW_S)
    assert grid(Named("never", Never()), Named("ours", Recorded())).forecast("FR", *span_s).provider == "ours"
    with pytest.raises(DataGap, match="nobody foresees FR"):
        grid(Named("never", Never())).forecast("FR", *span_s)
    with pytest.raises(Fault) as caught:
        grid().forecast("FR", *span_s)
    assert caught.value.status == 501


def test_the_annual_table_stands_in_for_its_own_kind_only() -> None:
    clock = ManualClock(NOW_S)
    marginal = SourcesGrid(
        lambda: ["FR"], provider="p", history=None, forecasts=(), clock=clock, signal="marginal"
    )
    with pytest.raises(DataGap, match="no marginal lifecycle intensity"):
        marginal.history("FR", NOW_S, NOW_S + 1.0)
