"""The ledger under several writers, torn lines and foreign hands; and which of its runs are billed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gramwise.core.errors import ConfigError, DataError, MixedKinds
from gramwise.core.phase import MODELLED_CPU, PhasePart, PhaseRun
from gramwise.core.quantity import Quantity
from gramwise.footprint.bill import bill
from gramwise.footprint.phaselines import ledger_lines, left_out
from gramwise.runtime.phaseledger import append, document, read_ledger

SOURCE = Path(__file__).parents[2] / "src"


def joules(value: float, low: float = 0.8, high: float = 1.3) -> Quantity:
    return Quantity(
        value=value,
        low=value * low,
        high=value * high,
        unit="J",
        method="modelled",
        boundary="board",
        source="test",
    )


def intensity(value: float) -> Quantity:
    return Quantity(
        value=value,
        low=value * 0.9,
        high=value * 1.1,
        unit="g/kWh",
        method="modelled",
        boundary="site",
        source="test",
    )


def run(id_: str, **changes: Any) -> PhaseRun:
    """A run of 3.6 MJ at 100 g/kWh, which is 100 g, and 10 g of idling."""
    energy = changes.pop("energy", joules(3.6e6))
    plain: dict[str, Any] = {
        "id": id_,
        "phase": "training",
        "name": "job",
        "started_s": 1000.0,
        "seen_s": 1100.0,
        "ended_s": 1100.0,
        "status": "done",
        "wall_s": 100.0,
        "cpu_s": 90.0,
        "energy": energy,
        "parts": (PhasePart(component=MODELLED_CPU, energy=energy),) if energy else (),
        "idle": joules(3.6e5),
        "zone": "DE",
        "intensity": intensity(100.0),
        "signal": "average",
        "basis": "lifecycle",
        "host": {"id": "here"},
    }
    return PhaseRun(**{**plain, **changes})


def grams(*runs: PhaseRun) -> float:
    return bill(*ledger_lines(runs), functional_unit="model", units=1.0, boundary="runs").total.value


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "ledger.jsonl"


def test_what_is_written_is_read(ledger: Path) -> None:
    runs = [run("a", notes=("seen",), parent="b", pue=1.2), run("b", energy=None, idle=None, started_s=900.0)]
    for each in runs:
        append(ledger, each)
    assert read_ledger(ledger) == [runs[1], runs[0]]


def test_the_last_line_of_a_run_counts_and_nothing_comes_after_its_end(ledger: Path) -> None:
    begun = run("a", status="unknown", ended_s=None, energy=None, seen_s=1000.0)
    for each in (begun, replace(begun, seen_s=1050.0), run("a")):
        append(ledger, each)
    assert read_ledger(ledger) == [run("a")]
    append(ledger, begun)
    with pytest.raises(DataError, match=r"ledger\.jsonl:4: id: the run a has already ended"):
        read_ledger(ledger)


def test_several_processes_write_whole_lines(ledger: Path) -> None:
    append(ledger, run("first"))
    code = (
        "import sys; from dataclasses import replace; from gramwise.runtime.phaseledger import append, read_ledger\n"
        "one = read_ledger(sys.argv[1])[0]\n"
        "for i in range(40): append(sys.argv[1], replace(one, id=f'{sys.argv[2]}-{i}', name='x' * 3000))\n"
    )
    env = {**os.environ, "PYTHONPATH": str(SOURCE)}
    writers = [subprocess.Popen([sys.executable, "-c", code, str(ledger), str(n)], env=env) for n in range(4)]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    assert {each.id for each in read_ledger(ledger)} == {
        "first",
        *(f"{n}-{i}" for n in range(4) for i in range(40)),
    }


def test_a_torn_last_line_is_passed_over_with_a_warning_and_closed_by_the_next_writer(
    ledger: Path, caplog: pytest.LogCaptureFixture
) -> None:
    append(ledger, run("a"))
    append(ledger, run("b"))
    os.truncate(ledger, ledger.stat().st_size - 40)
    assert read_ledger(ledger) == [run("a")]
    assert "ledger.jsonl:2: the last line is torn" in caplog.text

    append(ledger, run("c"))
    append(ledger, run("d"))
    caplog.clear()
    assert [each.id for each in read_ledger(ledger)] == ["a", "c", "d"]
    assert "ledger.jsonl:2: a torn line is passed over" in caplog.text


def test_a_line_that_lacks_only_its_end_is_whole(ledger: Path) -> None:
    append(ledger, run("a"))
    os.truncate(ledger, ledger.stat().st_size - 1)
    assert read_ledger(ledger) == [run("a")]
    append(ledger, run("b"))
    assert read_ledger(ledger) == [run("a"), run("b")]


def test_any_other_broken_line_is_an_error_with_file_and_line(ledger: Path) -> None:
    append(ledger, run("a"))
    with ledger.open("a") as file:
        file.write("{broken\n")
    with pytest.raises(DataError, match=r"ledger\.jsonl:2: this is no line of JSON"):
        read_ledger(ledger)
    append(ledger, run("b"))
    with pytest.raises(DataError, match=r"ledger\.jsonl:2"):
        read_ledger(ledger)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": "gramwise.phase/2"}, "schema: this reads 'gramwise.phase/1'"),
        ({"phaze": "training"}, "phaze: there is no such key. Did you mean 'phase'"),
        ({"phase": "manufacture"}, "phase: 'manufacture' cannot be measured"),
        ({"status": "well"}, "status"),
        ({"wall_s": "long"}, "wall_s: this is a number"),
        ({"wall_s": True}, "wall_s: this is a number"),
        ({"pue": 0.5}, "pue"),
        ({"seen_s": 1.0}, "seen_s"),
        ({"ended_s": None}, "ended_s"),
        ({"signal": "mean"}, "signal: 'mean' is none of"),
        ({"signal": None}, "signal"),
        ({"energy": 5.0}, "energy: this is a quantity"),
        ({"energy": {"value": 1}}, "energy"),
        ({"intensity": {**document(run("x"))["idle"]}}, "intensity: its unit is g/kWh"),
        ({"idle": {**document(run("x"))["idle"], "low": -1.0}}, "idle: nothing here is below 0"),
        ({"parts": []}, "parts"),
        ({"parts": [{"component": "cpu"}]}, "parts"),
        ({"parts": document(run("x", energy=joules(5.0)))["parts"]}, "parts: they sum to 5.0 J"),
        ({"host": ["x"]}, "host"),
        ({"notes": "x"}, "notes: this is a list"),
        ({"id": ""}, "id"),
    ],
)
def test_records_of_foreign_hands_are_refused_by_key(
    ledger: Path, change: dict[str, Any], words: str
) -> None:
    append(ledger, run("a"))
    with ledger.open("a") as file:
        file.write(json.dumps({**document(run("b")), **change}) + "\n")
    with pytest.raises(DataError, match=rf"ledger\.jsonl:2: {words}"):
        read_ledger(ledger)


def test_a_missing_key_is_not_taken_as_unknown(ledger: Path) -> None:
    ledger.parent.mkdir()
    ledger.write_text(json.dumps({k: v for k, v in document(run("a")).items() if k != "energy"}) + "\n")
    with pytest.raises(DataError, match="energy: the key is missing"):
        read_ledger(ledger)


def test_no_ledger_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such ledger"):
        read_ledger(tmp_path / "none.jsonl")


# --- which runs are billed --------------------------------------------------------------------------------------------


def test_grams_idle_apart_and_pue_once() -> None:
    assert grams(run("a")) == pytest.approx(110.0)
    assert grams(run("a", pue=1.5)) == pytest.approx(165.0)
    lines, _ = ledger_lines([run("a")])
    assert [(line.phase, line.name) for line in lines] == [("training", "job (a)"), ("idle", "job (a), idle")]


@pytest.mark.parametrize("status", ["done", "failed", "killed"])
def test_failed_and_killed_runs_count(status: str) -> None:
    assert grams(run("a", status=status)) == pytest.approx(110.0)


def test_runs_of_one_zone_share_its_intensity_and_others_do_not() -> None:
    _, factors = ledger_lines([run("a"), run("b"), run("c", intensity=intensity(50.0)), run("d", zone="FR")])
    assert [f.key for f in factors if f.unit == "g/kWh"] == [
        "ledger.grid.DE",
        "ledger.grid.DE.2",
        "ledger.grid.FR",
    ]


def test_a_run_inside_another_is_summed_once_at_any_depth_and_in_any_order() -> None:
    runs = [run("c", parent="b"), run("b", parent="a"), run("a")]
    assert grams(*runs) == grams(*reversed(runs)) == pytest.approx(110.0)


def test_a_run_whose_parent_is_in_another_ledger_is_billed_there() -> None:
    assert ledger_lines([run("b", parent="a")]) == ([], [])


def test_a_parent_that_had_ended_or_knows_nothing_contains_nothing() -> None:
    before = run("a", started_s=10.0, seen_s=20.0, ended_s=20.0)
    assert grams(before, run("b", parent="a")) == pytest.approx(220.0)
    begun = run("a", status="unknown", ended_s=None, energy=None, idle=None)
    assert grams(begun, run("b", parent="a")) == pytest.approx(110.0)
    assert "its energy is unknown" in left_out([begun, run("b", parent="a")])[0]


def test_runs_inside_each_other_are_refused() -> None:
    with pytest.raises(DataError, match="inside itself"):
        ledger_lines([run("a", parent="b"), run("b", parent="a")])


def whole(id_: str, **changes: Any) -> PhaseRun:
    part = PhasePart(component="rapl:package-0", energy=joules(3.6e6), whole_machine=True)
    return run(id_, parts=(part,), **changes)


def test_one_machine_is_charged_once_at_a_time() -> None:
    with pytest.raises(DataError, match=r"job \(a\) and job \(b\) ran on one machine at the same time"):
        ledger_lines([whole("a"), whole("b", started_s=1050.0)])
    later = whole("b", started_s=1100.0, seen_s=1200.0, ended_s=1200.0)
    assert grams(whole("a"), later) == pytest.approx(220.0)
    assert grams(whole("a"), whole("b", host={"id": "there"})) == pytest.approx(220.0)
    assert grams(whole("a"), whole("b", parent="a")) == pytest.approx(110.0)
    assert grams(whole("a"), run("b")) == pytest.approx(220.0)


def test_kinds_are_not_mixed() -> None:
    with pytest.raises(MixedKinds, match=r"average lifecycle .* marginal direct"):
        ledger_lines([run("a"), run("b", signal="marginal", basis="direct")])


def test_what_is_not_known_is_named() -> None:
    unknown = run("c", intensity=None, signal=None, basis=None)
    alive = run("d", status="unknown", ended_s=None)
    said = left_out([run("a"), run("b", idle=None), unknown, alive, whole("e", idle=None)])
    assert [sentence.split(":")[0] for sentence in said] == ["job (b)", "job (c)", "job (d)"]
    assert "idle energy, which is unknown" in said[0]


def test_one_id_twice_is_refused() -> None:
    with pytest.raises(DataError, match="given twice"):
        ledger_lines([run("a"), run("a")])
