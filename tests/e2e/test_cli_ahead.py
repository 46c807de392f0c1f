"""The verbs that look ahead, as a user types them: documents, tables, pages, and what is said of bad input."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SWEEP_KEYS = {"schema", "hours", "requests", "bounds", "policies", "seconds"}
POLICY_KEYS = {
    *("name", "carbon_g", "gap_b1_frac", "captured_frac"),
    *("slo_miss_frac", "deferred_frac", "accuracy_frac"),
}

Cli = Callable[..., Any]


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two years of made-up hours for the zones of week-ahead.toml; DE misses an hour of the second."""
    folder = tmp_path_factory.mktemp("traces")
    for zone, base, swing in (("DE", 450.0, 150.0), ("FR", 80.0, 20.0), ("ES", 180.0, 90.0)):
        for year in (2021, 2022):
            start = datetime(year, 1, 1, tzinfo=UTC)
            lines = ["time_utc,lifecycle_g_per_kwh"]
            for hour in range(8760):
                value = base - swing * math.sin(2 * math.pi * (hour - 6) / 24) + 30 * math.sin(hour / 37)
                missing = zone == "DE" and year == 2022 and hour == 5000
                moment = start + timedelta(hours=hour)
                lines.append(f"{moment:%Y-%m-%dT%H:%M:%SZ},{'' if missing else round(value, 2)}")
            (folder / f"{zone}_{year}.csv").write_text("\n".join(lines) + "\n", "utf-8")
    return folder


def test_sweep_prints_the_document_of_its_interface(cli: Cli, traces: Path) -> None:
    done = cli(
        "sweep", EXAMPLES / "week-ahead.toml", "--traces", traces,
        "--policy", "fastest", "--policy", "grams", "--policy", "fractions", "--policy", "predictive", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert document["schema"] == "gramwise.sweep/1"
    assert document.keys() >= SWEEP_KEYS
    assert document["hours"] == 8760
    assert document["hours_left_out"] == 1  # missing is missing, for everybody
    assert document["bounds"]["b1_g"] >= document["bounds"]["b0_g"] * (1 - 1e-9) > 0
    policies = {row["name"]: row for row in document["policies"]}
    assert list(policies) == ["fastest", "grams", "fractions", "predictive"]
    for row in policies.values():
        assert row.keys() >= POLICY_KEYS
        assert row["gap_b1_frac"] is None or row["gap_b1_frac"] >= -1e-9
    assert policies["predictive"]["deferred_frac"] > 0
    assert (
        policies["predictive"]["carbon_g"]
        < policies["fractions"]["carbon_g"]
        < policies["fastest"]["carbon_g"]
    )
    assert policies["fastest"]["captured_frac"] == 0.0
    older = cli(
        "sweep",
        EXAMPLES / "week-ahead.toml",
        "--traces",
        traces,
        "--year",
        "2021",
        "--policy",
        "grams",
        "--json",
    )
    assert json.loads(older.out)["hours_left_out"] == 0


def test_sweep_of_several_cases_and_a_page(cli: Cli, traces: Path, tmp_path: Path) -> None:
    done = cli(
        "sweep", EXAMPLES / "week-ahead.toml", "--traces", traces, "--policy", "grams", "--out", tmp_path / "runs",
        "--set", "simulation.load_frac=0.2,0.4", "--set", "traffic.*.deferrable_frac=0",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "simulated" in done.out.lower()
    assert "grams" in done.out
    page = next((tmp_path / "runs").glob("*/report.html")).read_text("utf-8")
    assert "simulated" in page.lower()


def test_simulate_is_the_same_twice_and_can_be_explained_and_replayed(
    cli: Cli, traces: Path, tmp_path: Path
) -> None:
    ask = (
        "simulate",
        EXAMPLES / "week-ahead.toml",
        "--traces",
        traces,
        "--policy",
        "grams",
        "--policy",
        "predictive",
    )
    one, two = (cli(*ask, "--no-timing", "--json") for _ in range(2))
    assert one.code == 0, one.err
    assert one.out == two.out
    document = json.loads(one.out)
    assert document["schema"] == "gramwise.simulate/1"
    assert document["simulated"] is True
    kept = cli(*ask, "--out", tmp_path / "runs", "--record")
    assert kept.code == 0, kept.err
    assert "Page:" in kept.out
    (run,) = (tmp_path / "runs").iterdir()
    request = (run / "outcomes.csv").read_text().splitlines()[1].split(",")[0]
    told = cli("explain", run, request, "--json")
    assert told.code == 0, told.err
    assert all(each["agrees"] for each in json.loads(told.out)["decisions"])
    again = cli("replay", run, "--policy", "fastest", "--recorded", "grams", "--json")
    assert again.code == 0, again.err
    replayed = json.loads(again.out)
    assert replayed["schema"] == "gramwise.replay/1"
    assert replayed["recorded"]["carbon_g"] == pytest.approx(replayed["recorded_again"]["carbon_g"], rel=1e-9)
    assert replayed["regret_g"] < 0  # fastest would have been worse
    shown = cli("report", run)
    assert shown.code == 0, shown.err


def test_when_and_intensity_answer_in_words(cli: Cli, traces: Path) -> None:
    later = cli(
        "when",
        "--zone",
        "DE",
        "--hours",
        "3",
        "--within",
        "24",
        "--traces",
        traces,
        "--at",
        "2022-06-15T18:00Z",
    )
    assert later.code == 0, later.err
    assert "Wait until" in later.out
    flat = cli("when", "--zone", "DE", "--hours", "3")
    assert "Not worth it" in flat.out
    value = cli("intensity", "DE", "--traces", traces, "--at", "2022-06-15T18:00Z", "--json")
    assert json.loads(value.out)["g_per_kwh"] == pytest.approx(450 + 30 * math.sin(3978 / 37), abs=151)
    rows = cli(
        "intensity",
        "DE",
        "--traces",
        traces,
        "--from",
        "2022-06-15T18:00Z",
        "--to",
        "2022-06-16T18:00Z",
        "--json",
    )
    assert len(json.loads(rows.out)["rows"]) == 24
    ahead = cli("intensity", "DE", "--traces", traces, "--at", "2022-06-15T18:00Z", "--forecast", "--json")
    first = json.loads(ahead.out)["rows"][0]
    assert first["low_g_per_kwh"] <= first["g_per_kwh"] <= first["high_g_per_kwh"]


def test_a_provider_without_its_key_is_said_and_the_flagged_fallback_answers(cli: Cli) -> None:
    done = cli("intensity", "DE", "--provider", "electricity-maps", "--json", ELECTRICITY_MAPS_TOKEN="")
    assert done.code == 0
    assert json.loads(done.out)["step"] == "annual"
    assert "set the variable ELECTRICITY_MAPS_TOKEN" in done.err
    assert "served by annual" in done.err
    other = cli("intensity", "DE", "--provider", "electricity-maps", "--signal", "marginal", "--json")
    assert other.code == 3  # nobody here has that kind, and no other is taken for it
    assert "has average lifecycle for DE, not marginal" in other.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("sweep", "{year}", "--traces", "nowhere"), 2, "no such directory"),
        (("sweep", "{year}", "--traces", "{traces}"), 2, "there is no trace of zone 'BE'"),
        (("sweep", "{week}", "--traces", "{traces}", "--year", "1999"), 2, "no trace of 1999, only of 2021, 2022"),
        (("sweep", "{week}", "--policy", "gram"), 2, "Did you mean 'grams'"),
        (("sweep", "{week}", "--set", "load"), 2, "--set: 'load' sets nothing"),
        (("sweep", "{week}", "--set", "simulation.lode=1"), 2, "simulation.lode"),
        (("sweep", "missing.toml"), 2, "there is no such file"),
        (("simulate", "{week}", "--traces", "{holes}"), 3, "DE"),
        (("sweep", "{week}", "--traces", "{holes}"), 3, "lack the intensity"),
        (("sweep", "{week}", "--traces", "{years}"), 2, "of different years"),
        (("sweep", "{week}", "--traces", "{html}"), 3, "time_utc"),
        (("when", "--zone", "DE", "--hours", "30", "--within", "24"), 2, "24"),
        (("when", "--zone", "DE", "--hours", "3", "--traces", "{traces}"), 2, "--at"),
        (("intensity", "XX"), 2, "no zone 'XX'"),
        (("intensity", "DE", "--at", "2022-06-15T18:00"), 2, "offset"),
        (("intensity", "DE", "--provider", "electricitymap"), 2, "Did you mean 'electricity-maps'"),
        (("replay", "{traces}", "--policy", "grams"), 3, "not a run directory"),
    ],
)  # fmt: skip
def test_bad_input_is_told_in_a_sentence(
    cli: Cli, traces: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    holes, years, html = (tmp_path / name for name in ("holes", "years", "html"))
    for folder in (holes, years, html):
        shutil.copytree(traces, folder)
    text = (holes / "DE_2022.csv").read_text().splitlines()
    (holes / "DE_2022.csv").write_text("\n".join([*text[:3000], *text[5000:]]) + "\n")
    (years / "DE_2022.csv").unlink()
    (years / "FR_2021.csv").unlink()
    (html / "DE_2022.csv").write_text("<html><body>404</body></html>\n")
    places = {
        "week": EXAMPLES / "week-ahead.toml",
        "year": EXAMPLES / "year.toml",
        "traces": traces,
        "holes": holes,
        "years": years,
        "html": html,
    }
    done = cli(*(each.format(**places) for each in arguments), ELECTRICITY_MAPS_TOKEN="")
    assert done.code == code, done.err
    assert said in done.err
    assert "Traceback" not in done.err
    assert len(done.err.strip().splitlines()) == 1
