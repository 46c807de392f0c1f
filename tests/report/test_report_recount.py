"""Means and their intervals from outcome rows, against a textbook special case and a simulation."""

from __future__ import annotations

import dataclasses
import math
import random
import statistics
from collections.abc import Sequence

import pytest
from report_runs import Make

from gramwise.report.load import load_run
from gramwise.report.recount import OutcomeRow, balance_of, mean_carbon_interval, total


@pytest.fixture
def row(make_run: Make) -> OutcomeRow:
    return load_run(make_run()).outcomes[0]


def rows(row: OutcomeRow, pairs: Sequence[tuple[float | None, int]]) -> list[OutcomeRow]:
    return [dataclasses.replace(row, policy="p", carbon_g=grams, count=count) for grams, count in pairs]


def test_equal_requests_give_the_interval_of_a_plain_mean(row: OutcomeRow) -> None:
    grams = [1.0 + 0.1 * (k % 7) for k in range(50)]
    interval = mean_carbon_interval(rows(row, [(g, 4) for g in grams]), "p")
    half = 1.959964 * statistics.stdev(grams) / math.sqrt(50) / 4
    mean = statistics.mean(grams) / 4
    assert interval == pytest.approx((mean - half, mean + half), rel=1e-6)


def test_requests_that_differ_only_in_size_leave_no_doubt(row: OutcomeRow) -> None:
    interval = mean_carbon_interval(rows(row, [(0.5 * n, n) for n in range(1, 41)]), "p")
    assert interval == pytest.approx((0.5, 0.5))


def test_the_interval_holds_the_true_mean_about_as_often_as_it_says(row: OutcomeRow) -> None:
    draw = random.Random(5)
    hits = 0
    for _ in range(400):
        counts = [draw.randint(1, 9) for _ in range(60)]
        low, high = mean_carbon_interval(rows(row, [(n * draw.gauss(2.0, 0.6), n) for n in counts]), "p") or (
            0,
            0,
        )
        hits += low <= 2.0 <= high
    assert 0.91 <= hits / 400 <= 0.98


def test_too_few_or_unknown_requests_give_no_interval(row: OutcomeRow) -> None:
    assert mean_carbon_interval(rows(row, [(1.0, 1)] * 29), "p") is None
    assert mean_carbon_interval(rows(row, [(1.0, 1)] * 40 + [(None, 1)]), "p") is None


def test_a_sum_with_an_unknown_term_is_unknown() -> None:
    assert total([1.0, None]) is None
    assert total([]) is None
    assert total([0.0, 2.0]) == 2.0


def test_a_lost_node_makes_the_metered_energy_unknown(make_run: Make) -> None:
    windows = load_run(make_run()).windows
    assert balance_of(windows).closure_frac == pytest.approx(7.0 / 7.02)
    lost = [*windows[1:], dataclasses.replace(windows[0], metered_j=None)]
    assert balance_of(lost).metered_j is None
    assert balance_of(lost).closure_frac is None
    assert balance_of(lost).attributed_j is not None


def test_dropped_requests_enter_no_mean(make_run: Make) -> None:
    folder = make_run(summary=None, finished=False)
    file = folder / "outcomes.csv"
    lines = file.read_text(encoding="utf-8").splitlines()
    head = lines[0].split(",")
    cells = dict(zip(head, lines[1].split(","), strict=True))
    cells.update(
        status="lost",
        node="",
        variant="",
        correct="",
        latency_s="",
        energy_j="",
        carbon_g="",
        end_s="",
        start_s="",
    )
    lines[1] = ",".join(cells[name] for name in head)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    lost = load_run(folder).summary.policy("monolithic")
    assert lost is not None
    assert (lost.requests, lost.completed) == (60, 59)
    assert lost.node_share == {"essen": 1.0}
    assert lost.carbon_g_per_inference is not None
