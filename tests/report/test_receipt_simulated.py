"""Receipts of simulations: the intensity that work met is read from hours.csv and checks grams; sweeps are copied."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from report_runs import write_csv

from gramwise.core.errors import RunDirectoryError
from gramwise.report.receipt import receipt_of_run, verify, write_receipt
from gramwise.report.receipt.simulations import met_g_per_kwh

START_S = 1654473600.0
HOURS = {"essen": [400.0, 100.0], "lyon": [50.0, 60.0]}
PUE = {"essen": 1.5, "lyon": 1.0}
_SCENARIO = """\
[nodes.essen]
zone = "DE"
pue = 1.5
[nodes.lyon]
zone = "FR"
[models.digits.variants.small]
file = "package:digits-small.onnx"
[models.digits.variants.other]
file = "other.onnx"
"""

# node, from and to in seconds after the start, joules, mean g/kWh while it ran (by hand)
_REQUESTS = (
    ("essen", 0.0, 1800.0, 3.6e6, 400.0),
    ("essen", 2700.0, 4500.0, 7.2e6, 250.0),
    ("lyon", 3600.0, 3700.0, 3.6e6, 60.0),
    ("lyon", 7000.0, 9000.0, 3.6e6, 60.0),
)


def _run(folder: Path, schema: str, *, scale: float = 1.0) -> Path:
    folder.mkdir()
    facts = '[run]\nscenario = "s"\ngramwise = "0.1.0"\nsimulated = true\nhours = 2\nfinished = true\n'
    (folder / "run.toml").write_text(f"schema = 1\n{facts}")
    (folder / "scenario.toml").write_text(_SCENARIO)
    rows = [_row(*request, scale) for request in _REQUESTS]
    hours = [
        {"policy": "p", "node": n, "time_s": START_S + 3600.0 * h, "true_g_per_kwh": g}
        for n, values in HOURS.items()
        for h, g in enumerate(values)
    ]
    windows = [{"policy": "p", "node": n, "window_s": 5400.0, "idle_j": 5400.0 * 4} for n in HOURS]
    for name, table in (("outcomes", rows), ("hours", hours), ("nodes", windows)):
        write_csv(folder / f"{name}.csv", table)
    total = sum(row["carbon_g"] for row in rows)
    policy = {"name": "p", "carbon_g": total, "wasted_g": 2.5, "wasted_j": 100.0}
    summary: dict[str, Any] = {"schema": schema, "policies": [policy], "start_s": START_S}
    (folder / "summary.json").write_text(json.dumps({**summary, "requests": 12.0, "idle_g": 9.0}))
    return folder


def _row(node: str, start: float, end: float, energy_j: float, met: float, scale: float) -> dict[str, Any]:
    return {
        "policy": "p",
        "node": node,
        "status": "completed",
        "count": 10,
        "start_s": START_S + start,
        "end_s": START_S + end,
        "energy_j": energy_j,
        "carbon_g": scale * energy_j / 3.6e6 * met * PUE[node],
    }


def test_a_simulation_is_checked_by_its_hours(tmp_path: Path) -> None:
    run = _run(tmp_path / "r", "gramwise.simulate/1")
    document = receipt_of_run(run)
    (book,) = document["accounts"]
    assert {row["component"]: row["carbon"]["value"] for row in book["items"]} == {
        "essen": pytest.approx(600.0 + 750.0),
        "lyon": pytest.approx(120.0),
    }
    assert document["factors"]["intensity.essen.p"]["value"] == pytest.approx((400 + 2 * 250) / 3)
    assert document["factors"]["intensity.essen.p"]["zone"] == "DE"
    assert book["period"] == {"start": "2022-06-06T00:00:00.000+00:00", "duration_s": 7200.0}
    write_receipt(run)
    assert [f.text for f in verify(run) if f.kind == "wrong"] == []


def test_idle_and_waste_stand_apart(tmp_path: Path) -> None:
    (book,) = receipt_of_run(_run(tmp_path / "r", "gramwise.simulate/1"))["accounts"]
    apart = {row["name"]: row["carbon"]["value"] for row in book["apart"]}
    # One hour and a half of 4 W at 400 and 100 g/kWh with PUE 1.5, and at 50 and 60.
    assert apart == {
        "essen, idle": pytest.approx(0.004 * (400 + 50) * 1.5),
        "lyon, idle": pytest.approx(0.004 * (50 + 30)),
        "all nodes, wasted": 2.5,
    }
    assert book["results"]["total"]["value"] == pytest.approx(1470.0)


def test_grams_that_the_hours_do_not_give_are_wrong(tmp_path: Path) -> None:
    run = _run(tmp_path / "r", "gramwise.simulate/1", scale=1.001)
    write_receipt(run)
    assert any("joules x intensity x PUE" in f.text for f in verify(run) if f.kind == "wrong")


def test_a_sweep_is_copied_and_says_so(tmp_path: Path) -> None:
    run = _run(tmp_path / "r", "gramwise.sweep/1")
    write_receipt(run)
    findings = verify(run)
    assert {f.kind for f in findings} == {"unchecked"}
    assert "no joules by node" in findings[0].text
    (book,) = receipt_of_run(run)["accounts"]
    assert book["units"] == 12.0
    assert book["items"][0]["energy_j"] is None


def test_models_are_digested_where_they_are_at_hand(tmp_path: Path) -> None:
    run = _run(tmp_path / "r", "gramwise.simulate/1")
    (tmp_path / "other.onnx").write_bytes(b"a model")
    small, other = receipt_of_run(run, home=tmp_path)["inputs"]["models"]
    assert small["digest"].startswith("sha256:")
    assert other["digest"] == "sha256:" + hashlib.sha256(b"a model").hexdigest()
    assert receipt_of_run(run)["inputs"]["models"][1]["digest"] is None
    write_receipt(run, home=tmp_path)
    assert [f.kind for f in verify(run) if f.place == "inputs.models.other"] == ["unchecked"]
    assert [f for f in verify(run, home=tmp_path) if "models" in f.place] == []
    (tmp_path / "other.onnx").write_bytes(b"another model")
    assert any("models" in f.place for f in verify(run, home=tmp_path) if f.kind == "wrong")


def test_a_run_of_another_kind_has_no_receipt(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="no receipt can be made"):
        receipt_of_run(_run(tmp_path / "r", "gramwise.when/1"))


@pytest.mark.parametrize(
    ("start", "end", "mean"),
    [
        (0.0, 10.0, 400.0),
        (1800.0, 5400.0, 250.0),
        (3600.0, 7200.0, 100.0),
        (3599.0, 3601.0, 250.0),
        (7100.0, 9999.0, 100.0),
        (0.0, 10800.0, 200.0),
    ],
)
def test_the_mean_that_work_met(start: float, end: float, mean: float) -> None:
    assert met_g_per_kwh([400.0, 100.0], START_S, START_S + start, START_S + end) == pytest.approx(mean)
