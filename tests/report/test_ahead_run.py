"""Simulations read back: both documents, what cannot be compared, gaps, weeks, and broken files."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from ahead_runs import START_S, document, write_ahead, write_hours

from gramwise.core.errors import RunDirectoryError
from gramwise.report.ahead_run import (
    by_intensity,
    by_load,
    chosen_week,
    inside_frac,
    load_ahead,
    mean,
    met_g_per_kwh,
    parse_ahead,
)
from gramwise.report.load import is_simulation, load_run

Write = Any


@pytest.mark.parametrize("schema", ["gramwise.simulate/1", "gramwise.sweep/1"])
def test_the_best_is_the_fewest_grams_for_the_same_work(schema: str) -> None:
    s = parse_ahead(document(schema))
    lazy = s.policy("lazy")
    assert lazy is not None
    assert lazy.spent_g == 0.5  # the fewest of all, since it left work undone
    assert lazy.dropped_frac == pytest.approx(0.25)
    assert not lazy.comparable
    assert s.best is s.policy("smart")


def test_wasted_grams_are_spent(tmp_path: Write) -> None:
    row = parse_ahead(document("gramwise.simulate/1", wasted_g=0.5)).policy("smart")
    assert row is not None
    assert row.spent_g == pytest.approx(2.6)


def test_a_late_answer_is_not_a_dropped_one() -> None:
    made = document("gramwise.simulate/1")
    made["policies"][1] |= {"slo_miss_frac": 0.5, "late": 500}
    row = parse_ahead(made).policy("smart")
    assert row is not None
    assert row.dropped_frac == 0
    assert row.comparable


def test_unknown_grams_are_no_best() -> None:
    made = document("gramwise.simulate/1")
    for policy in made["policies"]:
        policy["carbon_g"] = None
    assert parse_ahead(made).best is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schema": "gramwise.bench/1"}, "gramwise.bench/1"),
        ({"policies": []}, "policies is empty"),
        ({"hours": "many"}, "hours"),
    ],
)
def test_another_document_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(RunDirectoryError, match=says):
        parse_ahead({**document("gramwise.simulate/1"), **change})


def test_missing_cells_and_missing_rows_are_gaps(tmp_path: Write) -> None:
    folder = write_ahead(tmp_path / "r", hours=48)
    lines = (folder / "hours.csv").read_text().splitlines(keepends=True)
    gone = next(
        i
        for i, line in enumerate(lines)
        if line.startswith("smart,clean") and f",{START_S + 5 * 3600!r}," in line
    )
    (folder / "hours.csv").write_text("".join(lines[:gone] + lines[gone + 1 :]))
    clean = next(n for n in load_ahead(folder).hours["smart"] if n.node == "clean")
    truth = clean["true_g_per_kwh"]
    assert len(truth) == 48
    assert math.isnan(truth[5])
    assert math.isfinite(truth[4])
    assert math.isfinite(truth[6])
    assert math.isnan(clean["day_ahead_low_g_per_kwh"][0])  # nothing was foreseen before the start
    assert clean["day_ahead_low_g_per_kwh"][30] < clean["day_ahead_high_g_per_kwh"][30]


def test_the_week_with_the_largest_swing_is_chosen(tmp_path: Write) -> None:
    run = load_ahead(write_ahead(tmp_path / "r", hours=3 * 168, busy_week=1))
    nodes = run.hours["smart"]
    assert chosen_week(nodes)[0].start_s == START_S + 168 * 3600
    assert chosen_week(nodes, 2)[0].start_s == START_S + 2 * 168 * 3600
    with pytest.raises(RunDirectoryError, match="weeks 0 to 2"):
        chosen_week(nodes, 3)


def test_less_than_a_week_is_shown_whole(tmp_path: Write) -> None:
    nodes = load_ahead(write_ahead(tmp_path / "r", hours=30)).hours["smart"]
    assert len(chosen_week(nodes)[0]["busy_frac"]) == 30


def test_orders_and_means(tmp_path: Write) -> None:
    nodes = load_ahead(write_ahead(tmp_path / "r")).hours["smart"]
    assert [n.node for n in by_intensity(nodes)] == ["clean", "middle", "dirty"]
    assert by_load(nodes)[0].node == "clean"
    clean, idle = (next(n for n in nodes if n.node == name) for name in ("clean", "dirty"))
    truth, load = clean["true_g_per_kwh"], clean["busy_frac"]
    known = np.isfinite(truth)
    wanted = float((truth[known] * load[known]).sum() / load[known].sum())
    assert met_g_per_kwh(clean) == pytest.approx(wanted)
    assert met_g_per_kwh(idle) is None  # no load met nothing
    assert mean(np.array([math.nan, 2.0, 4.0])) == 3.0
    assert mean(np.array([math.nan])) is None


def test_coverage_counts_only_real_intervals(tmp_path: Write) -> None:
    nodes = load_ahead(write_ahead(tmp_path / "r")).hours["smart"]
    assert inside_frac(nodes[0], "low_g_per_kwh", "high_g_per_kwh") == 1.0
    flat = load_ahead(write_ahead(tmp_path / "flat", band=0.0)).hours["smart"]
    assert inside_frac(flat[0], "low_g_per_kwh", "high_g_per_kwh") is None


def test_the_drawn_policy_has_hours(tmp_path: Write) -> None:
    run = load_ahead(write_ahead(tmp_path / "r"))
    assert run.shown == "smart"
    write_hours(run.path, policies=("plain",))
    assert load_ahead(run.path).shown == "plain"
    (run.path / "hours.csv").unlink()
    assert load_ahead(run.path).shown is None


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [("busy_frac", "load", "no column 'busy_frac'"), (",clean,AA,", ",clean,AA,oops", "line")],
)
def test_a_broken_table_says_where(tmp_path: Write, old: str, new: str, says: str) -> None:
    folder = write_ahead(tmp_path / "r")
    file = folder / "hours.csv"
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(RunDirectoryError, match=says):
        load_ahead(folder)


def test_a_stopped_simulation_is_not_taken_for_a_bench(tmp_path: Write) -> None:
    folder = write_ahead(tmp_path / "r")
    assert is_simulation(folder)
    with pytest.raises(RunDirectoryError, match="show it alone"):
        load_run(folder)
    (folder / "summary.json").unlink()
    assert is_simulation(folder)
    with pytest.raises(RunDirectoryError, match="stopped before its end"):
        load_ahead(folder)
