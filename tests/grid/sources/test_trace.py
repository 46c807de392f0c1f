"""Hourly trace files: what is missing stays missing, and what is wrong is said with file and line."""

from __future__ import annotations

import math
import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from gramwise.core import plugins
from gramwise.core.errors import BadReply, ConfigError, DataGap, MixedKinds
from gramwise.grid.sources.trace import Trace
from gramwise.testing import check_intensity

TRACES = Path(os.environ.get("GRAMWISE_TRACES") or Path(__file__).parents[3] / "../shared/data/traces")
needs_traces = pytest.mark.skipif(not TRACES.is_dir(), reason=f"no traces in {TRACES}; set GRAMWISE_TRACES")
HEADER = "time_utc,lifecycle_g_per_kwh,direct_g_per_kwh,estimated\n"


def at(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[misc, arg-type]


def write(folder: Path, name: str, *rows: str, header: str = HEADER) -> Path:
    file = folder / name
    file.write_text(header + "".join(row + "\n" for row in rows), encoding="utf-8")
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(
        tmp_path,
        "DE_2022.csv",
        "2022-01-01T00:00:00Z,200.5,150,0",
        "2022-01-01T01:00:00Z,,,0",
        "2022-01-01T03:00:00Z,0,0,1",
        "2022-12-31T23:00:00Z,300,250,0",
    )
    write(tmp_path, "DE_2024.csv", "2024-02-29T12:00:00Z,1,2,0")
    write(tmp_path, "US-CISO_2022.csv", "2022-01-01T00:00:00Z,222.3", header="time_utc,direct_g_per_kwh\n")
    write(tmp_path, "SOURCES.md", "not a trace", header="")
    return tmp_path


def test_what_there_is(folder: Path) -> None:
    trace = plugins.create("intensity", "trace", folder)
    assert trace.zones() == ["DE", "US-CISO"]
    assert trace.years("DE") == [2022, 2024]


def test_empty_cells_and_missing_rows_are_nan_and_zero_is_zero(folder: Path) -> None:
    values = Trace(folder).hourly_values("DE", 2022)
    assert values.shape == (8760,)
    assert values.dtype == np.float64
    assert (values[0], values[3], values[-1]) == (200.5, 0.0, 300.0)
    assert np.isnan(values).sum() == 8760 - 3
    assert Trace(folder).hourly_values("DE", 2024).shape == (8784,)
    assert Trace(folder).hourly_values("DE", 2024)[(31 + 28) * 24 + 12] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        values[0] = 1.0


def test_a_year_as_a_series(folder: Path) -> None:
    series = Trace(folder, basis="direct").hourly("DE", 2022)
    assert len(series.times_s) == 8760
    assert (series.times_s[0], series.end_s) == (at(2022, 1, 1), at(2023, 1, 1))
    assert (series.unit, series.signal, series.basis) == ("g/kWh", "average", "direct")
    assert series.at(at(2022, 1, 1, 0, 59)) == 150.0
    with pytest.raises(DataGap, match="missing"):
        series.at(at(2022, 1, 1, 1))


def test_history_touches_whole_hours_and_crosses_new_year(tmp_path: Path) -> None:
    write(tmp_path, "FR_2022.csv", "2022-12-31T22:00:00Z,1,1,0", "2022-12-31T23:00:00Z,2,2,0")
    write(tmp_path, "FR_2023.csv", "2023-01-01T00:00:00Z,3,3,0")
    trace = Trace(tmp_path)
    series = trace.history("FR", at(2022, 12, 31, 22, 30), at(2023, 1, 1, 1, 10))
    assert series.times_s[0] == at(2022, 12, 31, 22)
    assert series.end_s == at(2023, 1, 1, 2)
    assert series.values[:3] == (1.0, 2.0, 3.0)
    assert math.isnan(series.values[3])
    until_new_year = trace.history("FR", at(2022, 12, 31, 23), at(2023, 1, 1))
    assert until_new_year.values == (2.0,)
    with pytest.raises(DataGap, match="not one hour"):
        trace.history("FR", at(2022, 6, 1), at(2022, 6, 2))


def test_what_is_not_there_is_answered_with_what_is(folder: Path, tmp_path: Path) -> None:
    trace = Trace(folder)
    with pytest.raises(ConfigError, match=r"no trace of zone 'de'\. Write one of: DE, US-CISO"):
        trace.history("de", at(2022, 1, 1), at(2022, 1, 2))
    with pytest.raises(ConfigError, match=r"no trace of DE in 2023\. Of DE there is 2022, 2024"):
        trace.history("DE", at(2023, 1, 1), at(2023, 1, 2))
    with pytest.raises(ConfigError, match="no such directory"):
        Trace(folder / "nowhere")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ConfigError, match=r"ZONE_YEAR\.csv"):
        Trace(empty)
    with pytest.raises(ConfigError, match="no basis 'marginal'"):
        Trace(folder, basis="marginal")  # type: ignore[arg-type]


def test_a_basis_that_a_file_has_not_is_not_replaced_by_the_other(folder: Path) -> None:
    with pytest.raises(
        MixedKinds, match=r"US-CISO_2022\.csv: it has direct intensities only.*basis='direct'"
    ):
        Trace(folder).hourly_values("US-CISO", 2022)
    assert Trace(folder, basis="direct").hourly_values("US-CISO", 2022)[0] == 222.3


@pytest.mark.parametrize(
    ("rows", "line", "words"),
    [
        (["2022-01-01T00:00:00Z,1,1,0", "2022-01-01T00:00:00Z,1,1,0"], 3, "does not come after"),
        (["2022-01-01T02:00:00Z,1,1,0", "2022-01-01T01:00:00Z,1,1,0"], 3, "does not come after"),
        (["2022-01-01T00:30:00Z,1,1,0"], 2, "no full hour"),
        (["2022-01-01T00:00:00.5Z,1,1,0"], 2, "no full hour"),
        (["2021-12-31T23:00:00Z,1,1,0"], 2, "no full hour of the file's year"),
        (["yesterday,1,1,0"], 2, "'yesterday' is no time"),
        (["2022-01-01T00:00:00Z,many,1,0"], 2, "'many' is no intensity"),
        (["2022-01-01T00:00:00Z,-1,1,0"], 2, "'-1' is no intensity"),
        (["2022-01-01T00:00:00Z,nan,1,0"], 2, "'nan' is no intensity"),
        (["2022-01-01T00:00:00Z,inf,1,0"], 2, "'inf' is no intensity"),
        (["2022-01-01T00:00:00Z"], 2, "1 cells"),
    ],
)
def test_wrong_rows_are_named_by_file_and_line(
    tmp_path: Path, rows: list[str], line: int, words: str
) -> None:
    file = write(tmp_path, "XX_2022.csv", *rows)
    with pytest.raises(BadReply) as caught:
        Trace(tmp_path).hourly_values("XX", 2022)
    assert words in str(caught.value)
    assert f"{file}, line {line}" in str(caught.value)


@pytest.mark.parametrize("header", ["time,lifecycle_g_per_kwh\n", "time_utc,g_per_kwh\n", ""])
def test_wrong_columns(tmp_path: Path, header: str) -> None:
    write(tmp_path, "XX_2022.csv", header=header)
    with pytest.raises(
        BadReply, match=r"line 1: wants the columns time_utc and lifecycle_g_per_kwh or direct"
    ):
        Trace(tmp_path).hourly_values("XX", 2022)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "XX_2022.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(BadReply, match="no CSV text"):
        Trace(tmp_path).hourly_values("XX", 2022)


@pytest.mark.parametrize(
    "spelling",
    ["2022-01-01T05:00:00+00:00", "2022-01-01 05:00:00", "2022-01-01T05:00Z", "2022-01-01T07:00:00+02:00"],
)
def test_other_spellings_of_the_same_hour(tmp_path: Path, spelling: str) -> None:
    write(tmp_path, "XX_2022.csv", f"{spelling},7,7,0", "2022-01-01T06:00:00Z, ,8,0", "")
    values = Trace(tmp_path).hourly_values("XX", 2022)
    assert values[5] == 7.0
    assert math.isnan(values[6])


def test_the_conformance_kit(tmp_path: Path) -> None:
    rows = [
        f"2022-{5 + day // 31:02d}-{day % 31 + 1:02d}T{h:02d}:00:00Z,{h},1,0"
        for day in range(34)
        for h in range(24)
    ]
    write(tmp_path, "DE_2022.csv", *rows)
    check_intensity(Trace(tmp_path), "DE")


@needs_traces
def test_thirteen_zone_years_are_read_whole() -> None:
    trace = Trace(TRACES)
    years = [trace.hourly_values(zone, 2022) for zone in trace.zones() if not zone.startswith("US-")]
    assert len(years) == 13
    assert all(year.shape == (8760,) and 0.0 < np.nanmean(year) < 1000.0 for year in years)


@needs_traces
@pytest.mark.parametrize(("zone", "basis"), [("DE", "lifecycle"), ("DE", "direct"), ("US-PJM", "direct")])
def test_real_traces_pass_the_conformance_kit(zone: str, basis: str) -> None:
    check_intensity(Trace(TRACES, basis=basis), zone)  # type: ignore[arg-type]


@needs_traces
def test_a_real_gap_is_a_gap() -> None:
    trace = Trace(TRACES, basis="direct")
    rows = (TRACES / "US-PJM_2022.csv").read_text("utf-8").splitlines()[1:]
    empty = [i for i, row in enumerate(rows) if row.endswith(",")]
    assert empty
    assert np.flatnonzero(np.isnan(trace.hourly_values("US-PJM", 2022))).tolist() == empty
