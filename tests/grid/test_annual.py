"""The shipped annual intensities: what the table may hold, how zones are found, what no figure does."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gramwise.core.errors import ConfigError, DataGap
from gramwise.core.plugins import create
from gramwise.grid.sources.annual import Annual

ROOT = Path(__file__).parents[2]
DATA = ROOT / "src" / "gramwise" / "data"
SHARED = ROOT.parent / "shared" / "data" / "grid_intensity.json"


def rows(table: str) -> list[dict[str, str]]:
    with (DATA / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def at(year: int, month: int = 1) -> float:
    return datetime(year, month, 1, tzinfo=UTC).timestamp()


ZONES = rows("annual_intensity")
SOURCES = {row["id"] for row in rows("sources")}


def test_the_table_has_every_country_once() -> None:
    countries = [row for row in ZONES if row["kind"] == "country"]
    assert len(countries) == 213
    assert len({row["zone"] for row in ZONES}) == len(ZONES)
    assert all(len(row["zone"]) == 2 and len(row["iso3"]) == 3 for row in countries)


@pytest.mark.parametrize("row", ZONES, ids=lambda row: row["zone"])
def test_every_zone_is_sourced_typed_and_in_order(row: dict[str, str]) -> None:
    assert row["source"] in SOURCES
    assert row["basis"] in ("lifecycle", "direct")
    assert row["signal"] == "average"
    assert 2005 < int(row["year"]) < 2030
    if row["g_per_kwh"]:
        low, value, high = (float(row[key]) for key in ("low", "g_per_kwh", "high"))
        assert 0 < low < value < high
    if row["second_g_per_kwh"]:
        assert float(row["low"]) <= float(row["second_g_per_kwh"]) <= float(row["high"])
        assert row["second_source"] in SOURCES


def test_a_source_without_a_figure_above_zero_is_unknown_and_never_the_greenest_zone() -> None:
    assert [row["zone"] for row in ZONES if not row["g_per_kwh"]] == ["CF"]
    with pytest.raises(DataGap, match=r"Central African Republic.*intensity_g_per_kwh"):
        Annual().intensity("CF")
    with pytest.raises(ConfigError, match="no annual intensity is known"):
        Annual().check("CF")


def test_history_ends_at_the_newest_year_of_its_zone() -> None:
    newest = {row["zone"]: (row["year"], row["g_per_kwh"]) for row in ZONES}
    last = {row["zone"]: (row["year"], row["g_per_kwh"]) for row in rows("annual_history")}
    assert last == newest


@pytest.mark.parametrize(
    ("spelling", "zone"),
    [
        ("FR", "FR"),
        ("fr", "FR"),
        ("FRA", "FR"),
        ("france", "FR"),
        ("Deutschland", None),
        ("UK", "GB"),
        ("Kosovo", "XK"),
        ("XKX", "XK"),
        ("us-al", "US-AL"),
        ("SE3", "SE-SE3"),
        ("EIA-CISO", "US-CAL-CISO"),
        ("Georgia", "GE"),
        ("EU", "EU-EMBER"),
    ],
)
def test_zones_are_found_by_code_alias_and_name(spelling: str, zone: str | None) -> None:
    if zone is None:
        with pytest.raises(ConfigError, match=f"there is no zone '{spelling}'"):
            Annual().intensity(spelling)
    else:
        assert Annual().intensity(spelling).zone == zone


def test_a_spelling_means_one_zone_or_the_country_has_it() -> None:
    kinds = {row["zone"]: row["kind"] for row in ZONES}
    meant: dict[str, set[str]] = {}
    for row in ZONES:
        for alias in {row["zone"], row["iso3"], row["name"], *row["aliases"].split(";")} - {""}:
            meant.setdefault(alias.casefold(), set()).add(row["zone"])
    shared = {alias: zones for alias, zones in meant.items() if len(zones) > 1}
    assert shared == {"georgia": {"GE", "US-GA"}}
    for alias in shared:
        assert kinds[Annual().intensity(alias).zone] == "country"


def test_an_unknown_zone_names_the_nearest_and_never_the_world() -> None:
    with pytest.raises(ConfigError, match=r"there is no zone 'Frnace'\. Did you mean 'FR' \(France\)"):
        Annual().intensity("Frnace")
    with pytest.raises(ConfigError, match="intensity_g_per_kwh and intensity_source"):
        Annual().check("nowhere at all")


def test_the_interval_holds_the_second_copy() -> None:
    salvador = Annual().intensity("SV").quantity
    assert (salvador.value, salvador.high) == (101.6, 271.5)
    assert salvador.unit == "g/kWh"
    assert "2024" in salvador.source


def test_kinds_are_told() -> None:
    texas, france, quebec = (Annual().intensity(zone) for zone in ("US-TX", "FR", "CA-QC"))
    assert (texas.basis, france.basis, quebec.basis) == ("direct", "lifecycle", "lifecycle")
    assert (france.accounting, quebec.accounting) == ("production", "consumption")
    assert {item.signal for item in (texas, france, quebec)} == {"average"}


def test_history_steps_by_year() -> None:
    series = Annual().history("DE", at(2019, 3), at(2021))
    assert series.times_s == (at(2019), at(2020))
    assert series.end_s == at(2021)
    assert series.at(at(2020, 7)) == 355.7
    assert (series.unit, series.signal, series.basis) == ("g/kWh", "average", "lifecycle")


@pytest.mark.parametrize(
    ("zone", "start", "end", "year"),
    [
        ("DE", 2017, 2019, "2017"),
        ("DE", 2024, 2026, "2025"),
        ("EH", 2018, 2019, "2018"),
        ("CF", 2020, 2021, "2020"),
    ],
)
def test_history_outside_its_years_is_a_gap(zone: str, start: int, end: int, year: str) -> None:
    with pytest.raises(DataGap, match=f"no annual intensity for {year}"):
        Annual().history(zone, at(start), at(end))


def test_age_counts_from_the_end_of_the_year() -> None:
    year = Annual().intensity("FR").year
    assert Annual().age_s("FR", at(year + 1) + 60) == 60
    assert Annual().age_s("FR", at(year, 6)) == 0


def test_the_source_is_found_by_name_and_lists_its_zones() -> None:
    source = create("intensity", "annual")
    assert isinstance(source, Annual)
    assert source.zones() == [row["zone"] for row in ZONES]


def test_the_table_restates_the_shared_facts() -> None:
    if not SHARED.is_file():
        pytest.skip("the shared data folder lies beside a checkout of the project, not in it")
    shared = json.loads(SHARED.read_text("utf-8"))
    shipped = {row["iso3"]: row for row in ZONES if row["iso3"]}
    for country in shared["countries"]:
        row = shipped[country["iso3"]]
        assert float(row["g_per_kwh"] or 0) == country["value"]
        assert int(row["year"]) == country["year"]
    parts = {row["zone"]: row for row in ZONES if row["kind"] == "subnational"}
    for part in shared["subnational"]:
        if part["source"] in ("codecarbon_us", "codecarbon_cn") and part["zone"] != "US-usa":
            assert float(parts[part["zone"]]["g_per_kwh"]) == part["value"]
    assert len([row for row in ZONES if row["kind"] == "aggregate"]) == len(shared["aggregates"]) - 1
