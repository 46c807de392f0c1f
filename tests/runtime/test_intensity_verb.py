"""``gramwise intensity``: the document for now, a moment, a span and a forecast, from each sort of source."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from gramwise.core.clock import ManualClock
from gramwise.core.errors import ConfigError, DataGap, MixedKinds
from gramwise.grid.archive import Archive
from gramwise.grid.sources.annual import Annual
from gramwise.runtime.intensity import intensity_document, parse_time

H = 3600.0
NOW = datetime(2026, 11, 18, 12, 10, tzinfo=UTC).timestamp()
ON_THE_HOUR = NOW - 600


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    """DE with both kinds and a gap on 2 January 2022 at 5, XX with direct values only."""
    folder = tmp_path / "traces"
    folder.mkdir()
    both, direct = ["time_utc,lifecycle_g_per_kwh,direct_g_per_kwh"], ["time_utc,direct_g_per_kwh"]
    start_s = datetime(2022, 1, 1, tzinfo=UTC).timestamp()
    for hour in range(24 * 40):
        time = datetime.fromtimestamp(start_s + hour * H, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        value = "" if hour == 29 else f"{300 + hour % 24}"
        both.append(f"{time},{value},{hour % 24 + 200}")
        direct.append(f"{time},{hour % 24 + 100}")
    (folder / "DE_2022.csv").write_text("\n".join(both) + "\n")
    (folder / "XX_2022.csv").write_text("\n".join(direct) + "\n")
    return folder


class Service:
    """The British service on this machine: 150 g/kWh in half-hours that are over, 170 in those to come."""

    def __init__(self) -> None:
        self.status, self.foresees, self.asked = 200, True, list[str]()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.asked.append(self.path)
                body = service.answer(self.path)
                self.send_response(service.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Keep the output of the tests clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    @property
    def options(self) -> dict[str, Any]:
        return {"base_url": f"http://127.0.0.1:{self.server.server_port}"}

    def answer(self, path: str) -> bytes:
        if self.status != 200:
            return b'{"error": {"message": "no"}}'
        _, _, begin, end = path.split("/")
        if end == "fw48h" and not self.foresees:
            return b'{"data": []}'
        first = datetime.fromisoformat(begin).timestamp()
        last = first + 48 * H if end == "fw48h" else datetime.fromisoformat(end).timestamp()
        rows = []
        while first < last:
            ends = [
                datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%dT%H:%MZ") for t in (first, first + H / 2)
            ]
            value = {"forecast": 170, "actual": 150 if first + H / 2 <= NOW else None}
            rows.append({"from": ends[0], "to": ends[1], "intensity": value})
            first += H / 2
        return json.dumps({"data": rows}).encode()


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running = Service()
    yield running
    running.server.shutdown()
    running.thread.join()
    running.server.server_close()


def test_without_a_provider_the_annual_table_answers_and_says_so(clock: ManualClock) -> None:
    found, annual = intensity_document("FR", clock=clock), Annual().intensity("FR")
    assert found["schema"] == "gramwise.intensity/1"
    assert (found["step"], found["provider"], found["unit"]) == ("annual", "annual", "g/kWh")
    assert (found["signal"], found["basis"]) == ("average", "lifecycle")
    assert found["g_per_kwh"] == annual.quantity.value
    assert (found["low_g_per_kwh"], found["high_g_per_kwh"]) == (annual.quantity.low, annual.quantity.high)
    assert found["age_s"] == annual.age_s(NOW)
    assert str(annual.year) in found["source"]
    assert (found["asked"], found["at"]) == ("2026-11-18T12:10:00Z",) * 2
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_the_annual_table_knows_years_and_no_hours(clock: ManualClock) -> None:
    found = intensity_document("DE", at_s=parse_time("2020-07-01T00:00Z"), clock=clock)
    assert (found["g_per_kwh"], found["low_g_per_kwh"], found["step"]) == (355.7, None, "annual")
    span: dict[str, Any] = {
        "from_s": parse_time("2019-06-01T00:00Z"),
        "to_s": parse_time("2021-01-01T00:00Z"),
    }
    rows = intensity_document("DE", **span, clock=clock)["rows"]
    assert [(row["start"], row["end"]) for row in rows] == [
        ("2019-06-01T00:00:00Z", "2020-01-01T00:00:00Z"),
        ("2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"),
    ]
    with pytest.raises(ConfigError, match="foresees none"):
        intensity_document("DE", forecast=True, clock=clock)
    with pytest.raises(DataGap, match="no annual intensity for 2031"):
        intensity_document("DE", at_s=parse_time("2031-01-01T00:00Z"), clock=clock)
    with pytest.raises(ConfigError, match="Did you mean 'FR'"):
        intensity_document("Frnace", clock=clock)


def test_another_kind_than_the_asked_one_is_refused(
    clock: ManualClock, traces: Path, service: Service
) -> None:
    with pytest.raises(MixedKinds, match="annual has average direct for US-TX, not average lifecycle"):
        intensity_document("US-TX", basis="lifecycle", clock=clock)
    assert intensity_document("US-TX", clock=clock)["basis"] == "direct"
    at_s = parse_time("2022-01-05T00:00Z")
    assert intensity_document("XX", at_s=at_s, traces=traces, clock=clock)["basis"] == "direct"
    with pytest.raises(MixedKinds):
        intensity_document("XX", at_s=at_s, traces=traces, basis="lifecycle", clock=clock)
    with pytest.raises(MixedKinds, match="marginal"):
        intensity_document("XX", at_s=at_s, traces=traces, signal="marginal", clock=clock)
    with pytest.raises(MixedKinds):
        intensity_document("GB", provider="uk-carbon-intensity", basis="lifecycle", clock=clock)
    assert service.asked == []


def test_a_trace_tells_a_moment_and_a_right_open_span(clock: ManualClock, traces: Path) -> None:
    at = intensity_document("DE", at_s=parse_time("2022-01-01T07:59:59Z"), traces=traces, clock=clock)
    assert (at["g_per_kwh"], at["provider"], at["step"]) == (307, "trace", "provider")
    assert at["age_s"] == NOW - parse_time("2022-01-01T08:00Z")
    assert at["low_g_per_kwh"] is None  # no interval is stated, and none is made up
    direct = intensity_document(
        "DE", at_s=parse_time("2022-01-01T07:00Z"), traces=traces, basis="direct", clock=clock
    )
    assert (direct["g_per_kwh"], direct["basis"]) == (207, "direct")

    span: dict[str, Any] = {
        "from_s": parse_time("2022-01-02T04:30+01:00"),
        "to_s": parse_time("2022-01-02T06:00Z"),
    }
    found = intensity_document("DE", **span, traces=traces, clock=clock)
    assert [(row["start"], row["end"], row["g_per_kwh"]) for row in found["rows"]] == [
        ("2022-01-02T03:30:00Z", "2022-01-02T04:00:00Z", 303),
        ("2022-01-02T04:00:00Z", "2022-01-02T05:00:00Z", 304),
        ("2022-01-02T05:00:00Z", "2022-01-02T06:00:00Z", None),
    ]
    assert (found["from"], found["to"], found["missing_s"]) == (
        "2022-01-02T03:30:00Z",
        "2022-01-02T06:00:00Z",
        H,
    )
    with pytest.raises(DataGap):
        intensity_document("DE", at_s=parse_time("2022-01-02T05:30Z"), traces=traces, clock=clock)
    with pytest.raises(ConfigError, match="2026"):
        intensity_document("DE", traces=traces, clock=clock)


def test_where_nobody_foresees_we_do_and_it_is_flagged(clock: ManualClock, traces: Path) -> None:
    at_s = parse_time("2022-02-01T12:00Z")
    found = intensity_document("DE", at_s=at_s, forecast=True, traces=traces, clock=clock)
    assert (found["step"], found["issued"]) == ("ours", "2022-02-01T12:00:00Z")
    assert found["rows"][0]["start"] == "2022-02-01T12:00:00Z"
    assert found["rows"][5]["g_per_kwh"] == pytest.approx(317, abs=2)  # every day of this trace is the same
    assert found["coverage_frac"] == 0.8
    cut: dict[str, Any] = {"from_s": at_s + 2 * H, "to_s": at_s + 4 * H}
    rows = intensity_document("DE", at_s=at_s, **cut, forecast=True, traces=traces, clock=clock)["rows"]
    assert [row["start"] for row in rows] == ["2022-02-01T14:00:00Z", "2022-02-01T15:00:00Z"]


def test_a_live_provider_tells_now_and_what_it_foresees(
    clock: ManualClock, service: Service, tmp_path: Path
) -> None:
    more: dict[str, Any] = {
        "provider": "uk-carbon-intensity",
        "options": {**service.options, "clock": clock},
        "archive_path": tmp_path / "archive.sqlite",
        "clock": clock,
    }
    now = intensity_document("GB", **more)
    assert (now["g_per_kwh"], now["step"], now["provider"]) == (150, "provider", "uk-carbon-intensity")
    assert (now["signal"], now["basis"], now["age_s"], now["failed"]) == ("average", "direct", 600, [])
    asked = len(service.asked)
    ahead = intensity_document("GB", forecast=True, **more)
    assert (ahead["step"], ahead["issued"], ahead["coverage_frac"]) == (
        "provider",
        "2026-11-18T12:10:00Z",
        None,
    )
    assert {row["g_per_kwh"] for row in ahead["rows"]} == {170}
    assert sum("fw48h" in path for path in service.asked) == 1  # the archive had it, as issued
    assert len(service.asked) == asked + 1  # only the half-hour that is running was asked for again

    past = intensity_document("GB", at_s=ON_THE_HOUR - 3 * H, **more)
    assert past["g_per_kwh"] == 150
    assert len(service.asked) == asked + 1  # held
    clock.advance(H)
    then = intensity_document("GB", at_s=NOW + 600, forecast=True, **more)
    assert (then["step"], then["issued"]) == ("provider", "2026-11-18T12:10:00Z")
    with Archive(tmp_path / "archive.sqlite") as archive:
        assert len(list(archive.forecasts("GB", 0, 1e11, basis="direct"))) == 1


def test_a_refused_provider_is_replaced_and_flagged(clock: ManualClock, service: Service) -> None:
    service.status = 401
    more: dict[str, Any] = {"provider": "uk-carbon-intensity", "options": {**service.options, "clock": clock}}
    found = intensity_document("GB", clock=clock, **more)
    assert (found["step"], found["g_per_kwh"], found["age_s"]) == ("unknown", None, None)
    assert (
        "which is not taken for average direct" in found["note"]
    )  # the annual figure of GB is of another kind
    assert "401" in found["failed"][0]
    assert json.dumps(found, allow_nan=False)
    with pytest.raises(DataGap, match=r"nobody foresees GB: .*401"):
        intensity_document("GB", forecast=True, clock=clock, **more)


def test_where_the_provider_foresees_nothing_we_do(clock: ManualClock, service: Service) -> None:
    service.foresees = False
    more: dict[str, Any] = {"provider": "uk-carbon-intensity", "options": {**service.options, "clock": clock}}
    found = intensity_document("GB", forecast=True, clock=clock, **more)
    assert (found["step"], found["provider"], found["basis"]) == ("ours", "uk-carbon-intensity", "direct")
    assert found["rows"][0]["g_per_kwh"] == pytest.approx(150)
    assert "own forecast" in found["source"]
    assert len(found["failed"]) == 1
    then = intensity_document("GB", at_s=NOW - 5 * H, forecast=True, clock=clock, **more)
    assert (then["step"], then["issued"]) == ("ours", "2026-11-18T07:10:00Z")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-11-18T12:10Z", NOW),
        ("2026-11-18T12:10:00.000Z", NOW),
        ("2026-11-18T13:10+01:00", NOW),
        (" 2026-11-18 07:10:00-05:00 ", NOW),
    ],
)
def test_times_carry_their_offset(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize(
    "text", ["2026-11-18T12:10", "2026-11-18", "12:10", "yesterday", "", "2026-13-01T00:00Z"]
)
def test_local_and_impossible_times_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--from: .*Write for instance 2026-11-21T18:00Z"):
        parse_time(text, "--from")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"from_s": 0.0}, "both --from and --to"),
        ({"to_s": 0.0}, "both --from and --to"),
        ({"from_s": 10.0, "to_s": 10.0}, "--to: a span ends after it begins"),
        ({"from_s": 0.0, "to_s": 10.0, "at_s": 5.0}, "either --at, or --from and --to"),
        ({"provider": "trace"}, "Add --traces DIR"),
        ({"provider": "uk-carbon-intensty"}, "Did you mean 'uk-carbon-intensity'"),
    ],
)
def test_questions_without_sense_are_refused(clock: ManualClock, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        intensity_document("GB", clock=clock, **asked)
