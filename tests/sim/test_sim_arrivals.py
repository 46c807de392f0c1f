"""The requests of a simulation: as many as the profile says, the same for the same seed, whatever else is there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sim_kit import case, costs, node, simulation, traffic

from gramwise.core.errors import ConfigError, DataError
from gramwise.fleet.scenario import Scenario
from gramwise.fleet.traffic import unix_s
from gramwise.sim.arrivals import Offered, classes_of, offered, read_arrivals


def draw(scenario: Scenario, scale: float = 1.0) -> Offered:
    table = scenario.simulation
    return offered(scenario, classes_of(scenario), unix_s(table.start), table.hours, scale)


def small(folder: Path, *rows: str, hours: float = 24.0, **more: object) -> Scenario:
    return case(folder, node("a", "FR"), costs("a"), *rows, simulation(hours, **more))


def test_counts_are_poisson_around_the_profile(tmp_path: Path) -> None:
    counts = [
        len(draw(small(tmp_path, traffic(rate_per_s=0.01), hours=48.0, seed=seed))) for seed in range(40)
    ]
    expected = 0.01 * 48 * 3600  # Monday and Tuesday, no weekend factor
    assert np.mean(counts) == pytest.approx(expected, abs=4 * np.sqrt(expected / 40))
    assert (
        0.4 * expected < np.var(counts, ddof=1) < 2.0 * expected
    )  # a Poisson count varies as much as its mean


def test_the_rate_follows_day_and_weekend(tmp_path: Path) -> None:
    row = traffic(rate_per_s=0.5, swing_frac=0.8, peak_hour_utc=14.0, weekend_frac=0.5)
    scenario = small(tmp_path, row, hours=168.0)
    hour = draw(scenario).time_s // 3600
    per_hour = np.bincount((hour % 24).astype(int), minlength=24)
    assert int(per_hour.argmax()) in range(11, 18)
    assert per_hour[14] / per_hour[2] == pytest.approx(1.8 / 0.2, rel=0.15)
    monday, sunday = (int(((hour // 24) == day).sum()) for day in (0, 6))
    assert sunday / monday == pytest.approx(0.5, rel=0.05)


def test_arrivals_ascend_within_the_simulation_and_number_themselves(tmp_path: Path) -> None:
    got = draw(small(tmp_path, traffic(rate_per_s=0.05), traffic("other", 0.02), hours=2.5))
    assert (np.diff(got.time_s) >= 0).all()
    assert got.time_s[0] >= 0.0
    assert got.time_s[-1] < 2.5 * 3600
    assert [request.seq for request in got.requests] == list(range(len(got)))
    assert len({request.id for request in got.requests}) == len(got)
    assert got.requests[5].arrival_s == got.start_s + got.time_s[5]


def test_the_seed_fixes_everything_and_another_class_changes_nothing(tmp_path: Path) -> None:
    row = traffic(rate_per_s=0.05, deferrable_frac=0.5, deferrable_s=3600.0)
    one, again = (draw(small(tmp_path, row, service_noise_frac=0.3)) for _ in range(2))
    assert one.requests == again.requests
    assert (one.stretch == again.stretch).all()
    beside = draw(small(tmp_path, traffic("first", 0.2), row, service_noise_frac=0.3))
    mine = beside.of == 1
    assert (beside.time_s[mine] == one.time_s).all()
    assert (beside.draw[mine] == one.draw).all()
    assert (beside.can_wait[mine] == one.can_wait).all()
    assert (beside.stretch[mine] == one.stretch).all()
    other = draw(small(tmp_path, row, service_noise_frac=0.3, seed=1))
    assert len(other) != len(one) or (other.time_s != one.time_s).any()


def test_who_can_wait_and_until_when(tmp_path: Path) -> None:
    row = traffic(rate_per_s=0.2, deferrable_frac=0.3, deferrable_s=7200.0)
    got = draw(small(tmp_path, row, hours=12.0))
    cut: list[float] = []
    assert got.can_wait.mean() == pytest.approx(0.3, abs=0.03)
    for request, can in zip(got.requests, got.can_wait.tolist(), strict=True):
        if can:
            assert request.deferrable_until_s is not None
            if request.arrival_s + 7200.0 <= got.end_s:
                assert request.deferrable_until_s == request.arrival_s + 7200.0
            else:
                assert request.arrival_s <= request.deferrable_until_s <= got.end_s
                cut.append(request.deferrable_until_s)
        else:
            assert request.deferrable_until_s is None
    # Work that the end cuts short is not all due at one moment.
    assert len(set(cut)) == len(cut) > 50
    assert sum(until_s > got.end_s - 600.0 for until_s in cut) < len(cut) / 2


def test_stretch_has_mean_one_and_the_asked_spread(tmp_path: Path) -> None:
    got = draw(small(tmp_path, traffic(rate_per_s=0.5), service_noise_frac=0.2))
    assert got.stretch.mean() == pytest.approx(1.0, abs=0.01)
    assert got.stretch.std() == pytest.approx(0.2, abs=0.01)
    assert (draw(small(tmp_path, traffic(rate_per_s=0.01))).stretch == 1.0).all()


def test_goals_hold_where_a_class_says_nothing(tmp_path: Path) -> None:
    goals = '[goals]\ndeadline_s = 2.0\nallowed_zones = ["FR"]\n'
    rows = (traffic(rate_per_s=0.05), traffic("strict", 0.05, deadline_s=0.5))
    got = draw(case(tmp_path, goals, node("a", "FR"), costs("a"), *rows, simulation(2.0)))
    deadlines = {got.rows[k].name: r.deadline_s for k, r in zip(got.of.tolist(), got.requests, strict=True)}
    assert deadlines == {"live": 2.0, "strict": 0.5}
    assert {request.allowed_zones for request in got.requests} == {frozenset({"FR"})}


def test_scale_multiplies_the_rate(tmp_path: Path) -> None:
    scenario = small(tmp_path, traffic(rate_per_s=0.1))
    assert len(draw(scenario, 3.0)) == pytest.approx(3 * len(draw(scenario)), rel=0.1)


def test_without_traffic_the_workload_is_the_class_and_without_a_rate_that_is_said(tmp_path: Path) -> None:
    text = '[workload]\nrate_per_s = 0.1\narrivals = "poisson"\ncount = 3\n'
    (row,) = classes_of(case(tmp_path, node("a", "FR"), costs("a"), text))
    assert (row.rate_per_s, row.count, row.model) == (0.1, 3, "digits")
    with pytest.raises(ConfigError, match=r"workload\.rate_per_s.*\[\[traffic\]\]"):
        classes_of(case(tmp_path, node("a", "FR"), costs("a")))


def test_arrivals_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "come.csv").write_text("time_s\n0.5\n7\n7\n3599.75\n3600\n", encoding="utf-8")
    row = '[[traffic]]\nname = "filed"\nmodel = "digits"\nfile = "come.csv"\n'
    assert draw(small(tmp_path, row, hours=1.0)).time_s.tolist() == [0.5, 7.0, 7.0, 3599.75]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seconds\n1\n", "no column time_s"),
        ("time_s\n1\nsoon\n", "line 3: 'soon' is no number"),
        ("time_s\n2\n1\n", "line 3: 1 s comes after 2 s"),
        ("time_s\n-1\n", "line 2"),
        ("time_s\nnan\n", "line 2"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "come.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=said):
        read_arrivals(file)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.csv"):
        read_arrivals(tmp_path / "nowhere.csv")
