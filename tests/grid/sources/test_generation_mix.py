"""Generation times factors: the sourced table, the weighted mean with its interval, and files that are wrong."""

from __future__ import annotations

import csv
import math
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gramwise.core import plugins
from gramwise.core.errors import BadReply, ConfigError, DataGap, MixedKinds
from gramwise.grid.sources.generation_mix import (
    UNATTRIBUTED,
    Factor,
    GenerationMix,
    Mix,
    factors,
    read_mix,
    weigh,
)
from gramwise.testing import check_intensity

LIFECYCLE = factors("lifecycle")
HOUR_S = 3600.0


def at(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[misc, arg-type]


def write(folder: Path, *rows: str, header: str = "time_utc,coal,wind", zone: str = "XX") -> Path:
    file = folder / f"{zone}.csv"
    file.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
    return file


def test_every_factor_has_its_interval_unit_year_and_source() -> None:
    text = (files("gramwise") / "data" / "generation_factors.csv").read_text("utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert len({(row["fuel"], row["basis"]) for row in rows}) == len(rows)
    for row in rows:
        assert row["unit"] == "g/kWh"
        assert row["source"].startswith("IPCC ")
        assert row["year"] in row["source"]
        assert 0.0 <= float(row["low"]) <= float(row["value"]) <= float(row["high"])


@pytest.mark.parametrize(
    ("fuel", "low", "value", "high"),
    [
        ("coal", 740, 820, 910),
        ("gas", 410, 490, 650),
        ("biomass", 130, 230, 420),
        ("geothermal", 6.0, 38, 79),
        ("hydro", 1.0, 24, 2200),
        ("nuclear", 3.7, 12, 110),
        ("solar", 18, 48, 180),
        ("solar-rooftop", 26, 41, 60),
        ("wind", 7.0, 11, 56),
        ("wind-offshore", 8.0, 12, 35),
    ],
)
def test_the_published_figures_of_annex_three(fuel: str, low: float, value: float, high: float) -> None:
    """IPCC AR5 WG3 Annex III, Table A.III.2, life-cycle emissions: minimum, median, maximum."""
    factor = LIFECYCLE[fuel]
    assert (factor.low, factor.value, factor.high) == (low, value, high)


def test_direct_factors_are_those_that_annex_three_gives() -> None:
    direct = factors("direct")
    assert (direct["coal"].low, direct["coal"].value, direct["coal"].high) == (670, 760, 870)
    assert (direct["gas"].low, direct["gas"].value, direct["gas"].high) == (350, 370, 490)
    assert direct["wind"].value == 0.0
    assert "biomass" not in direct
    with pytest.raises(ConfigError, match="no factors of basis 'marginal'"):
        factors("marginal")  # type: ignore[arg-type]


def test_a_mix_by_hand() -> None:
    weighed = weigh({"coal": [100.0, 0.0], "wind": [300.0, 50.0]}, LIFECYCLE)
    assert weighed.value.tolist() == [(100 * 820 + 300 * 11) / 400, 11.0]
    assert weighed.low.tolist() == [(100 * 740 + 300 * 7) / 400, 7.0]
    assert weighed.high.tolist() == [(100 * 910 + 300 * 56) / 400, 56.0]


def test_power_of_unknown_origin_widens_the_interval_and_too_much_of_it_is_a_gap() -> None:
    weighed = weigh({"coal": [95.0, 90.0], UNATTRIBUTED: [5.0, 10.0]}, LIFECYCLE)
    assert weighed.value[0] == 820.0
    assert weighed.low[0] == pytest.approx((95 * 740 + 5 * 1.0) / 100)
    assert weighed.high[0] == pytest.approx((95 * 910 + 5 * 2200) / 100)
    assert np.isnan([weighed.value[1], weighed.low[1], weighed.high[1]]).all()


def test_missing_power_is_not_no_power() -> None:
    weighed = weigh({"coal": [math.nan, 10.0, 0.0], "wind": [5.0, math.nan, 0.0]}, LIFECYCLE)
    assert np.isnan(weighed.value).all()


@given(
    st.lists(st.tuples(*[st.floats(0.0, 1e5)] * 3), min_size=1, max_size=5).filter(
        lambda rows: all(sum(row) > 1e-3 for row in rows)
    ),
    st.floats(0.01, 100.0),
)
def test_the_mean_lies_among_its_factors_and_knows_no_unit_of_power(
    rows: list[tuple[float, float, float]], scale: float
) -> None:
    fuels = ("coal", "gas", "hydro")
    mw = dict(zip(fuels, zip(*rows, strict=True), strict=True))
    weighed = weigh(mw, LIFECYCLE)
    assert (weighed.low <= weighed.value * (1 + 1e-12)).all()
    assert (weighed.value <= weighed.high * (1 + 1e-12)).all()
    assert (weighed.value >= 24 * (1 - 1e-12)).all()
    assert (weighed.value <= 820 * (1 + 1e-12)).all()
    scaled = weigh({fuel: [scale * power for power in column] for fuel, column in mw.items()}, LIFECYCLE)
    np.testing.assert_allclose(scaled.value, weighed.value, rtol=1e-9)


def test_an_unknown_fuel_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"no factor for the fuel 'colas'.*'coal'"):
        weigh({"colas": [1.0]}, LIFECYCLE)
    with pytest.raises(ConfigError, match=r"biomass, .*nuclear.*wind"):
        weigh({"zzz": [1.0]}, LIFECYCLE)


@pytest.mark.parametrize("mw", [{"coal": [-1.0]}, {"coal": [math.inf]}, {"coal": [1.0], "gas": []}, {}])
def test_power_that_makes_no_sense(mw: dict[str, list[float]]) -> None:
    with pytest.raises(BadReply):
        weigh(mw, LIFECYCLE)


def test_a_directory_of_mixes(tmp_path: Path) -> None:
    write(
        tmp_path,
        "2022-06-01T00:00Z,100,300",
        "2022-06-01T01:00Z,,300",
        "2022-06-01T03:00Z,0,10",
    )
    source = plugins.create("intensity", "generation-mix", tmp_path)
    assert source.zones() == ["XX"]
    series = source.history("XX", at(2022, 6, 1), at(2022, 6, 1, 5))
    assert series.at(at(2022, 6, 1, 0, 30)) == 213.25
    assert series.at(at(2022, 6, 1, 3)) == 11.0
    assert (series.signal, series.basis, series.unit) == ("average", "lifecycle", "g/kWh")
    assert "production based" in series.source
    for hour in (1, 2, 4):
        with pytest.raises(DataGap):
            series.at(at(2022, 6, 1, hour))
    low, high = source.interval("XX", at(2022, 6, 1), at(2022, 6, 1, 1))
    assert (low.values, high.values) == (((100 * 740 + 300 * 7) / 400,), ((100 * 910 + 300 * 56) / 400,))


def test_the_conformance_kit() -> None:
    hours = [at(2022, 6, 1) + HOUR_S * i for i in range(24)]
    mix = Mix(
        times_s=hours, period_s=HOUR_S, mw={"gas": [50.0] * 24, "nuclear": [float(i) for i in range(24)]}
    )
    check_intensity(GenerationMix({"XX": mix}), "XX")


def test_quarter_hours_and_days_on_which_clocks_change(tmp_path: Path) -> None:
    """Local times with their offset: 02:00 comes twice on 30 October 2022 in Germany, and both are kept."""
    rows = [
        f"2022-10-30T02:{minute:02d}:00+0{offset}:00,{offset},0"
        for offset in (2, 1)
        for minute in (0, 15, 30, 45)
    ]
    mix = read_mix(write(tmp_path, *rows))
    assert mix.times_s == [at(2022, 10, 30) + 900.0 * i for i in range(8)]
    assert mix.period_s == 900.0
    assert mix.mw["coal"] == (2.0,) * 4 + (1.0,) * 4


def test_direct_where_a_fuel_has_only_a_lifecycle_factor(tmp_path: Path) -> None:
    write(tmp_path, "2022-06-01T00:00Z,100,300", header="time_utc,coal,biomass")
    with pytest.raises(MixedKinds, match="biomass has a lifecycle factor and no direct one"):
        GenerationMix(tmp_path, basis="direct").history("XX", at(2022, 6, 1), at(2022, 6, 1, 1))
    own = dict(factors("direct")) | {
        "biomass": Factor(value=40.0, low=30.0, high=50.0, year=2024, source="my plant")
    }
    series = GenerationMix(tmp_path, basis="direct", factors_by_fuel=own).history(
        "XX", at(2022, 6, 1), at(2022, 6, 1, 1)
    )
    assert series.values == ((100 * 760 + 300 * 40) / 400,)


@pytest.mark.parametrize(
    ("rows", "header", "words"),
    [
        (["2022-06-01T00:00Z,1,many"], "time_utc,coal,wind", "line 2: 'many' is no power of wind"),
        (["2022-06-01T00:00Z,-1,1"], "time_utc,coal,wind", "line 2: '-1' is no power of coal"),
        (["2022-06-01T00:00Z,nan,1"], "time_utc,coal,wind", "line 2: 'nan' is no power of coal"),
        (["2022-06-01T00:00,1,1"], "time_utc,coal,wind", "line 2: .* offset from UTC"),
        (
            ["2022-06-01T01:00Z,1,1", "2022-06-01T00:00Z,1,1"],
            "time_utc,coal,wind",
            "line 3: .* does not come after",
        ),
        (["2022-06-01T00:00Z,1,1,1"], "time_utc,coal,wind", "line 2: more cells"),
        ([], "hour,coal", "line 1: the first column is time_utc"),
        ([], "time_utc", "line 1: the first column is time_utc"),
    ],
)
def test_files_that_are_wrong(tmp_path: Path, rows: list[str], header: str, words: str) -> None:
    write(tmp_path, *rows, header=header)
    with pytest.raises(BadReply, match=words):
        GenerationMix(tmp_path).history("XX", at(2022, 6, 1), at(2022, 6, 1, 5))


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such directory"):
        GenerationMix(tmp_path / "nowhere")
    write(tmp_path, "2022-06-01T00:00Z,1,1", zone="DE")
    with pytest.raises(ConfigError, match=r"no mix of zone 'DK'.*'DE'"):
        GenerationMix(tmp_path).history("DK", at(2022, 6, 1), at(2022, 6, 2))
    with pytest.raises(DataGap, match="no value between"):
        GenerationMix(tmp_path).history("DE", at(2023, 6, 1), at(2023, 6, 2))
    write(tmp_path, zone="EE")
    with pytest.raises(DataGap, match="it has no rows"):
        GenerationMix(tmp_path).history("EE", at(2022, 6, 1), at(2022, 6, 2))
