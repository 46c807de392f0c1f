"""The device catalogue: every figure sourced and in order, nothing from a source that may not be shipped."""

from __future__ import annotations

import csv
import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from gramwise.core.errors import ConfigError
from gramwise.fleet.catalogue import device, devices, half_width_frac

ROOT = Path(__file__).parents[2]
DATA = ROOT / "src" / "gramwise" / "data"
SHARED = ROOT.parent / "shared" / "data" / "devices.json"


def rows(table: str) -> list[dict[str, str]]:
    with (DATA / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


FACTS = rows("device_facts")
SOURCES = {row["id"]: row for row in rows("sources")}


@pytest.mark.parametrize("row", FACTS, ids=lambda row: f"{row['device']}-{row['figure']}")
def test_every_figure_is_sourced_and_inside_its_interval(row: dict[str, str]) -> None:
    low, value, high = (float(row[key]) for key in ("low", "value", "high"))
    assert 0 < low <= value <= high
    assert row["source"] in SOURCES
    assert row["method"] in ("measured", "modelled", "assumed")
    assert row["boundary"] in ("chip", "board", "wall", "site")
    if row["interval"] != "range of the source":
        half = half_width_frac(row["interval"])[0]
        assert high - value == pytest.approx(half * value, rel=1e-6)


def test_every_source_and_rule_is_complete() -> None:
    for table in ("sources", "interval_rules"):
        for row in rows(table):
            assert all(cell.strip() for cell in row.values()), row


def test_ids_are_unique_and_every_device_has_a_figure() -> None:
    ids = [row["id"] for row in rows("devices")]
    assert len(set(ids)) == len(ids)
    assert set(ids) == {row["device"] for row in FACTS}


def test_what_may_not_be_shipped_is_not() -> None:
    assert "co2m" not in SOURCES
    assert not [row["id"] for row in SOURCES.values() if "do not ship" in row["licence"]]
    assert device("rk3588").memory_bytes_per_s is None
    assert device("rk3588").busy_w == 11.5


def test_a_device_carries_its_figures_and_their_story() -> None:
    board = device("pi5")
    assert (board.idle_w, board.busy_w) == (2.6, 12.7)
    assert board.sustained_flop_per_s == pytest.approx(35.169e9)
    assert board.peak_flop_per_s["fp32"] == pytest.approx(153.6e9)
    busy = board.facts["busy_w"]
    assert (busy.value, busy.unit, busy.method, busy.boundary) == (12.7, "W", "measured", "wall")
    assert "top500" in busy.source
    assert board.facts["idle_w"].high == 3.4
    assert "peak_flop_per_s.fp32" in board.facts


def test_unknown_is_none_and_has_no_fact() -> None:
    board = device("pi_zero2w")
    assert board.idle_w is None
    assert "idle_w" not in board.facts
    assert device("pi4").memory_bytes is None  # sold with 1 to 8 GB
    assert device("pi3bp").memory_bytes == 1024**3


def test_a_nominal_peak_is_never_called_measured() -> None:
    assert {row["method"] for row in FACTS if row["figure"].startswith("peak")} == {"assumed"}
    assert {row["method"] for row in FACTS if row["figure"].startswith("sustained")} == {"measured"}


def test_an_unknown_device_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no device 'pi44'\. Did you mean 'pi4'\?"):
        device("pi44")


def test_devices_lists_the_table_in_its_order() -> None:
    assert [entry.id for entry in devices()] == [row["id"] for row in rows("devices")]


def test_a_device_travels_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(device("pi4"))) == device("pi4")


def test_importing_the_catalogue_reads_no_table() -> None:
    script = (
        "import gramwise.fleet.catalogue as c; print(c._catalogue.cache_info().currsize);"
        "c.device('pi4'); print(c._catalogue.cache_info().currsize)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "1"]


def test_the_table_restates_the_shared_facts() -> None:
    if not SHARED.is_file():
        pytest.skip("the shared data folder lies beside a checkout of the project, not in it")
    shared = json.loads(SHARED.read_text("utf-8"))
    ours = {entry.id: entry for entry in devices()}
    assert {row["id"] for row in shared["devices"]} - set(ours) == {"orin_llm", "h200x8"}
    for row in shared["devices"]:
        if row["id"] in ours:
            entry = ours[row["id"]]
            assert (entry.idle_w, entry.busy_w) == (row["idle_w"], row["max_w"])
            measured = row["peak_gops"].get("fp64_measured")
            assert entry.sustained_flop_per_s == (measured and pytest.approx(measured * 1e9))
