"""Receipts of benches whose intensities moved while they ran, and of requests that ran on several nodes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from report_runs import quantity, run_toml, write_csv

from gramwise.core.receipt import Document
from gramwise.report.receipt import receipt_of_run, verify, write_receipt

KWH = 3.6e6
PUE = 1.25


def _row(node: str, joules: float, grams: float, count: int = 4) -> dict[str, Any]:
    return {
        "policy": "p",
        "node": node,
        "status": "completed",
        "count": count,
        "start_s": 1000.0,
        "energy_j": joules,
        "carbon_g": grams,
        "method": "modelled",
    }


def _run(
    folder: Path, outcomes: list[dict[str, Any]], attributed_j: dict[str, float], seen: list[list[float]]
) -> Path:
    folder.mkdir()
    (folder / "run.toml").write_text(run_toml("s", "cgroup-v1", True))
    (folder / "scenario.toml").write_text('name = "s"\n')
    write_csv(folder / "outcomes.csv", outcomes)
    windows = [
        {"policy": "p", "node": n, "window_s": 2.0, "attributed_j": j, "idle_j": 8.0}
        for n, j in attributed_j.items()
    ]
    write_csv(folder / "nodes.csv", windows)
    lines = []
    for version, values in enumerate(seen):
        block = {"type": "snapshot", "version": version, "nodes": ["a", "b"], "intensity_g_per_kwh": values}
        lines += [json.dumps(block), json.dumps({"type": "decision", "version": version})]
    (folder / "decisions.jsonl").write_text("".join(line + "\n" for line in lines))
    done = sum(row["count"] for row in outcomes if row["status"] == "completed")
    grams = sum(row["carbon_g"] for row in outcomes if row["status"] == "completed")
    nodes = [
        {
            "name": name,
            "zone": zone,
            "pue": PUE,
            "intensity": quantity(value, "g/kWh", "modelled", "feed"),
            "intensity_signal": "average",
            "intensity_basis": "lifecycle",
            "energy_j_per_inference": quantity(3.0, "J", "modelled", "CPU seconds x price"),
            "idle_w": quantity(4.0, "W", "assumed", "catalogue"),
        }
        for name, zone, value in (("a", "DE", 300.0), ("b", "FR", 50.0))
    ]
    policies = [{"name": "p", "carbon_g_per_inference": grams / done}]
    summary = {"schema": "gramwise.bench/1", "policies": policies, "nodes": nodes}
    (folder / "summary.json").write_text(json.dumps(summary))
    return folder


def _items(run: Path) -> dict[str, Document]:
    document = receipt_of_run(run)
    write_receipt(run)
    assert [str(f) for f in verify(run) if f.kind == "wrong"] == []
    return {row["name"]: row for row in document["accounts"][0]["items"]}


def test_each_recorded_intensity_has_an_item(tmp_path: Path) -> None:
    outcomes = [
        _row("a", KWH, 300 * PUE),
        _row("a", 2 * KWH, 2 * 280 * PUE, count=6),
        _row("b", KWH, 50 * PUE),
    ]
    items = _items(_run(tmp_path / "r", outcomes, {"a": 3 * KWH, "b": KWH}, [[300.0, 50.0], [280.0, 50.0]]))
    assert {name: (row["carbon"]["value"], row["units"]) for name, row in items.items()} == {
        "a, serving at 300 g/kWh": (pytest.approx(375.0), 4.0),
        "a, serving at 280 g/kWh": (pytest.approx(700.0), 6.0),
        "b, serving": (pytest.approx(62.5), 4.0),
    }
    moved = items["a, serving at 280 g/kWh"]
    assert moved["component"] == "a"
    assert (moved["carbon"]["low"], moved["carbon"]["high"]) == (None, None)  # the feed gave no interval
    sure = items["b, serving"]["carbon"]
    assert (sure["low"], sure["high"]) == (pytest.approx(62.5 * 0.64), pytest.approx(62.5 * 1.44))


def test_split_requests_are_accounted_node_by_node(tmp_path: Path) -> None:
    split = _row("a>b", 3 * KWH, (300 + 2 * 50) * PUE)
    items = _items(_run(tmp_path / "r", [split], {"a": KWH, "b": 2 * KWH}, [[300.0, 50.0]]))
    assert {name: row["carbon"]["value"] for name, row in items.items()} == {
        "a, serving": pytest.approx(375.0),
        "b, serving": pytest.approx(125.0),
    }
    assert {row["rule"] for row in items.values()} == {"electricity"}
    assert {row["units"] for row in items.values()} == {None}


def test_split_requests_that_the_counters_do_not_explain_are_copied(tmp_path: Path) -> None:
    split = _row("a>b", 3 * KWH, (300 + 2 * 50) * PUE)
    items = _items(_run(tmp_path / "r", [split], {"a": KWH, "b": 3 * KWH}, [[300.0, 50.0]]))
    (row,) = items.values()
    assert (row["name"], row["rule"]) == ("a>b, serving", "recorded")


def test_a_request_that_failed_is_in_no_item(tmp_path: Path) -> None:
    failed = {**_row("b", KWH, 50 * PUE), "status": "lost"}
    items = _items(
        _run(tmp_path / "r", [_row("a", KWH, 300 * PUE), failed], {"a": KWH, "b": KWH}, [[300.0, 50.0]])
    )
    assert list(items) == ["a, serving"]


def test_idle_power_stands_apart_with_its_own_provenance(tmp_path: Path) -> None:
    run = _run(tmp_path / "r", [_row("a", KWH, 300 * PUE)], {"a": KWH, "b": 0.0}, [[300.0, 50.0]])
    (book,) = receipt_of_run(run)["accounts"]
    a, b = book["apart"]
    assert a["carbon"]["value"] == pytest.approx(8.0 / KWH * 300 * PUE)
    assert (a["energy_j"]["method"], a["carbon"]["method"]) == ("assumed", "assumed")
    assert b["carbon"]["value"] == pytest.approx(8.0 / KWH * 50 * PUE)
    assert book["period"] == {"start": "1970-01-01T00:16:40.000+00:00", "duration_s": 2.0}
