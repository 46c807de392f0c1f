"""Service times of real requests in the place of the table's: taken in turn, while decisions go by the table."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest
from sim_kit import case, cost, node, simulation

from gramwise.core.errors import DataError
from gramwise.fleet.scenario import Scenario
from gramwise.sim.simulate import simulate

KEY = ("a", "digits/fp32")


def arrivals(folder: Path, *times_s: float, deadline_s: float = 100.0) -> Scenario:
    """``a`` is clean and slow, ``b`` dirty and quick; requests come at these moments."""
    (folder / "arrivals.csv").write_text("time_s\n" + "".join(f"{t}\n" for t in times_s), encoding="utf-8")
    return case(
        folder,
        node("a", "FR", 50.0),
        node("b", "PL", 800.0),
        cost("a", latency_s=2.0),
        cost("b", latency_s=1.0),
        cost("a", "small"),
        cost("b", "small"),
        f'[[traffic]]\nname = "live"\nmodel = "digits"\nfile = "arrivals.csv"\ncount = 2\ndeadline_s = {deadline_s}\n',
        simulation(hours=1.0),
    )


def latencies(folder: Path, scenario: Scenario, measured: dict[tuple[str, str], list[float]]) -> list[float]:
    document = simulate(scenario, policies=["grams"], measured=measured, out=folder / "runs")
    file = Path(document["run_dir"]) / "outcomes.csv"
    with file.open(encoding="utf-8", newline="") as rows:
        return [float(row["latency_s"]) for row in csv.DictReader(rows)]


def test_requests_take_the_measured_times_in_turn_and_then_from_the_first(tmp_path: Path) -> None:
    scenario = arrivals(tmp_path, 0.0, 100.0, 200.0, 300.0)
    assert latencies(tmp_path, scenario, {KEY: [3.0, 5.0, 7.0]}) == pytest.approx([3.0, 5.0, 7.0, 3.0])


def test_one_server_makes_the_next_wait_for_a_measured_time(tmp_path: Path) -> None:
    scenario = arrivals(tmp_path, 0.0, 1.0)
    assert latencies(tmp_path, scenario, {KEY: [6.0, 2.5]}) == pytest.approx([6.0, 7.5])


def test_decisions_go_by_the_table_and_not_by_what_is_measured(tmp_path: Path) -> None:
    """The table says four seconds a request: behind the first, a second would be late by it, though it is not."""
    scenario = arrivals(tmp_path, 0.0, 1.1, deadline_s=5.0)
    document = simulate(scenario, policies=["grams"], measured={KEY: [1.0]})
    (row,) = document["policies"]
    assert row["node_share_frac"] == {"a": 1.0, "b": 0.0}
    scenario = arrivals(tmp_path, 0.0, 0.5, deadline_s=5.0)
    (row,) = simulate(scenario, policies=["grams"], measured={KEY: [1.0]})["policies"]
    assert row["node_share_frac"] == {"a": 0.5, "b": 0.5}


def test_the_report_says_whose_times_they_are(tmp_path: Path) -> None:
    said = simulate(arrivals(tmp_path, 0.0), policies=["grams"], measured={KEY: [1.0, 2.0]})["provenance"]
    assert "Service times of digits/fp32 on a are those of 2 real requests, in turn." in said
    assert not any("nothing was measured" in sentence for sentence in said)


@pytest.mark.parametrize("times_s", [[], [0.0], [1.0, math.nan], [math.inf], [-1.0]])
def test_times_that_are_none_are_refused(tmp_path: Path, times_s: list[float]) -> None:
    with pytest.raises(DataError, match="digits/fp32 on a must be seconds above 0"):
        simulate(arrivals(tmp_path, 0.0), policies=["grams"], measured={KEY: times_s})


def test_times_of_nobody_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="on c, which does not hold it"):
        simulate(arrivals(tmp_path, 0.0), policies=["grams"], measured={("c", "digits/fp32"): [1.0]})


def test_what_a_replay_would_lack_is_not_recorded(tmp_path: Path) -> None:
    scenario = arrivals(tmp_path, 0.0)
    with pytest.raises(DataError, match="cannot be recorded"):
        simulate(scenario, policies=["grams"], measured={KEY: [1.0]}, out=tmp_path, record=True)
