"""From a scenario and a folder of traces to a case: units, gaps, years, and what is refused."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from sim_kit import case as scenario_of
from sim_kit import cost, costs, node, simulation, traffic

from gramwise.core.errors import BadReply, ConfigError, DataGap, Infeasible, MixedKinds
from gramwise.fleet.scenario import load_scenario
from gramwise.optimize.slots import closed_form_slots, solve_slots
from gramwise.sim.case import Case, case_of

TWO = (
    node("a", "FR"),
    node("b", "DE", slots=2),
    costs("a", energy_j=5.0),
    costs("b", latency_s=0.5, energy_j=2.0),
)


def year_of(
    folder: Path,
    zone: str,
    value: Callable[[int], float | None] = lambda hour: 100.0,
    year: int = 2022,
    column: str = "lifecycle_g_per_kwh",
) -> Path:
    """A whole year; hours of None are left out."""
    folder.mkdir(exist_ok=True)
    first, after = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    lines = [f"time_utc,{column}"]
    for hour in range(round((after - first).total_seconds() / 3600)):
        if (g := value(hour)) is not None:
            lines.append(f"{first + timedelta(hours=hour):%Y-%m-%dT%H:%M:%SZ},{g}")
    (folder / f"{zone}_{year}.csv").write_text("\n".join(lines) + "\n", "utf-8")
    return folder


def made(tmp_path: Path, *parts: str, traces: Path | None = None, year: int | None = None) -> Case:
    return case_of(scenario_of(tmp_path, *parts), traces=traces, year=year)


def test_units_of_everything(tmp_path: Path) -> None:
    traces = year_of(year_of(tmp_path / "t", "FR", lambda h: 50.0 + h % 24), "DE", lambda h: 400.0)
    case = made(
        tmp_path,
        *TWO,
        "[goals]\nmax_busy_frac = 0.5",
        traffic("live", 0.1, count=3, deadline_s=9.0),
        simulation(),
        traces=traces,
    )
    assert (case.nodes, case.zones, case.classes) == (("a", "b"), ("FR", "DE"), ("live",))
    assert case.hours == 8760
    assert case.start_s == datetime(2022, 1, 1, tzinfo=UTC).timestamp()
    assert case.capacity_s[:, 0].tolist() == [1800.0, 3600.0]
    # Three inferences a request; the small variant is not asked for.
    assert case.energy_j.tolist() == [[15.0, math.inf, 6.0, math.inf]]
    assert case.busy_s[0, [0, 2]] == pytest.approx([3.0, 1.5])
    assert case.latency_s[0, 0] >= 3.0
    # 5 J x 3 at 55 g/kWh: 15 / 3.6e6 x 55 g.
    assert case.energy_j[0, 0] * case.g_per_j[0, 5] == pytest.approx(15.0 / 3.6e6 * 55.0)
    assert case.fixed == pytest.approx(360.0)
    assert case.requests == pytest.approx(0.1 * 365 * 86400)


def test_pue_and_other_work_on_a_node(tmp_path: Path) -> None:
    busy = node("a", "FR", 100.0) + "pue = 1.5\ntaken_frac = 0.25\n"
    case = made(
        tmp_path, busy, costs("a"), "[split]\nrate_per_s = 1.0", traffic(rate_per_s=0.01), simulation()
    )
    assert case.capacity_s[0, 0] == pytest.approx(2700.0)
    assert case.g_per_j[0, 0] == pytest.approx(150.0 / 3.6e6)


def test_variants_within_the_floor_the_deadline_and_the_zones(tmp_path: Path) -> None:
    case = made(
        tmp_path, *TWO,
        traffic("any", 0.01, accuracy_floor_frac=0.5),
        traffic("quick", 0.01, accuracy_floor_frac=0.5, deadline_s=0.9),
        traffic("home", 0.01, accuracy_floor_frac=0.5, allowed_zones='["FR"]'.replace('"', "'")),
        simulation(), year=2022,
    )  # fmt: skip
    assert np.isfinite(case.energy_j).tolist() == [
        [True] * 4,
        [False, True, True, True],
        [True, True, False, False],
    ]


def test_load_is_a_share_of_what_the_fleet_can_serve(tmp_path: Path) -> None:
    case = made(tmp_path, *TWO, traffic("live", 7.0), simulation(load_frac=0.4))
    # Node a gives one request a second, node b two slots of two each.
    assert case.fixed.mean() == pytest.approx(0.4 * (1 + 4) * 3600.0)


def test_work_that_can_wait_is_set_apart(tmp_path: Path) -> None:
    late = {"deferrable_frac": 0.25, "deferrable_s": 9000.0}
    case = made(tmp_path, *TWO, traffic("live", 0.1), traffic("late", 0.2, **late), simulation())
    assert case.window.tolist() == [0, 2], "whole hours"
    assert case.waiting[:, 0] == pytest.approx([0.0, 180.0])
    assert case.fixed[:, 0] == pytest.approx([360.0, 540.0])


def test_a_leap_year(tmp_path: Path) -> None:
    traces = year_of(year_of(tmp_path / "t", "FR", year=2024), "DE", year=2024)
    case = made(tmp_path, *TWO, traffic(), simulation(), traces=traces)
    assert case.hours == 8784
    assert not case.missing.any()
    assert made(tmp_path, *TWO, traffic(), simulation(), year=2024).hours == 8784


def test_the_newest_year_that_all_zones_have(tmp_path: Path) -> None:
    traces = tmp_path / "t"
    for zone, year in (("FR", 2021), ("FR", 2022), ("FR", 2023), ("DE", 2021), ("DE", 2022)):
        year_of(traces, zone, lambda h, g=float(year): g, year)  # type: ignore[misc]
    case = made(tmp_path, *TWO, traffic(), simulation(), traces=traces)
    assert case.g_per_j[:, 0] == pytest.approx(2022.0 / 3.6e6)
    assert made(tmp_path, *TWO, traffic(), simulation(), traces=traces, year=2021).g_per_j[
        1, 9
    ] == pytest.approx(2021 / 3.6e6)
    with pytest.raises(ConfigError, match=r"--year: zone DE has no trace of 2023, only of 2021, 2022"):
        made(tmp_path, *TWO, traffic(), simulation(), traces=traces, year=2023)


def test_zones_of_different_years(tmp_path: Path) -> None:
    traces = year_of(year_of(tmp_path / "t", "FR", year=2021), "DE", year=2022)
    with pytest.raises(ConfigError, match=r"different years \(FR: 2021; DE: 2022\)"):
        made(tmp_path, *TWO, traffic(), simulation(), traces=traces)


@pytest.mark.parametrize("year", [-1, 0, 1969, 9999, 10000])
def test_a_year_that_is_none(tmp_path: Path, year: int) -> None:
    with pytest.raises(ConfigError, match="--year"):
        made(tmp_path, *TWO, traffic(), simulation(), year=year)


def test_some_gaps_are_left_out_for_everybody(tmp_path: Path) -> None:
    gap = range(1000, 1000 + 788)  # 9 % of the year
    traces = year_of(
        year_of(tmp_path / "t", "FR", lambda h: None if h in gap else 90.0), "DE", lambda h: 300.0 + h % 5
    )
    late = {"deferrable_frac": 0.5, "deferrable_s": 7200.0}
    case = made(tmp_path, *TWO, traffic("late", 0.1, **late), simulation(), traces=traces)
    assert case.missing.sum() == 788
    assert not case.capacity_s[:, case.missing].any()
    assert not case.fixed[:, case.missing].any()
    assert not case.waiting[:, case.missing].any()
    assert case.requests == pytest.approx(360.0 * (8760 - 788))
    truth = case.known_perfectly().known_g_per_j
    assert not np.isnan(truth).any()
    # Nothing in those hours is free: the bound without capacity is that of the hours there are.
    problem = case.problem()
    cheapest = (
        np.where(np.isfinite(case.energy_j), case.energy_j, np.inf)[0][:, None] * case.g_per_j[case.node]
    )
    assert closed_form_slots(problem) >= case.requests * np.nanmin(cheapest) * (1 - 1e-9)
    assert solve_slots(problem).carbon_g >= closed_form_slots(problem) * (1 - 1e-9)
    assert case.idle_g is None or case.idle_g > 0
    step = case.until_open()
    assert step[998] == 1
    assert step[999] == 789
    assert step[case.hours - 1] > case.window.max()


def test_too_many_gaps_are_refused_and_named(tmp_path: Path) -> None:
    gap = range(1000, 1000 + 1752)  # 20 %
    traces = year_of(year_of(tmp_path / "t", "FR"), "DE", lambda h: None if h in gap else 90.0)
    with pytest.raises(DataGap, match=r"1752 of 8760 hours .* DE \(1752, the first at 2022-02-11T16:00Z\)"):
        made(tmp_path, *TWO, traffic(), simulation(), traces=traces)


def test_idle_grams_are_those_of_the_hours_that_count(tmp_path: Path) -> None:
    whole = year_of(year_of(tmp_path / "t", "FR"), "DE")
    holes = year_of(year_of(tmp_path / "h", "FR", lambda h: None if h < 700 else 100.0), "DE")
    all_hours = made(tmp_path, *TWO, traffic(), simulation(), traces=whole).idle_g
    some_hours = made(tmp_path, *TWO, traffic(), simulation(), traces=holes).idle_g
    assert all_hours is not None
    assert some_hours is not None
    assert some_hours == pytest.approx(all_hours * (8760 - 700) / 8760)


def test_files_that_are_half_baked(tmp_path: Path) -> None:
    def refused(kind: type[Exception], text: str, match: str) -> None:
        traces = year_of(tmp_path / "t", "DE")
        (traces / "FR_2022.csv").write_text(text, "utf-8")
        with pytest.raises(kind, match=match):
            made(tmp_path, *TWO, traffic(), simulation(), traces=traces)

    refused(BadReply, "", "FR_2022.csv, line 1")
    refused(BadReply, "time,value\n1,2\n", "FR_2022.csv, line 1: wants the columns")
    refused(DataGap, "time_utc,lifecycle_g_per_kwh\n", "8760 of 8760 hours")
    refused(BadReply, "time_utc,lifecycle_g_per_kwh\n2022-01-01T00:00:00Z,much\n", "line 2: 'much'")
    refused(BadReply, "time_utc,lifecycle_g_per_kwh\n2022-01-01T00:00:00Z,-3\n", "line 2")
    refused(BadReply, "time_utc,lifecycle_g_per_kwh\n2021-01-01T00:00:00Z,3\n", "line 2")
    refused(MixedKinds, "time_utc,direct_g_per_kwh\n2022-01-01T00:00:00Z,3\n", "direct intensities only")


def test_a_folder_without_the_zone_and_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no trace of zone 'FR'"):
        made(tmp_path, *TWO, traffic(), simulation(), traces=year_of(tmp_path / "t", "DE"))
    with pytest.raises(ConfigError, match="no such directory"):
        made(tmp_path, *TWO, traffic(), simulation(), traces=tmp_path / "nowhere")


def test_a_node_with_an_intensity_of_its_own_needs_no_trace(tmp_path: Path) -> None:
    traces = year_of(tmp_path / "t", "DE", lambda h: 1.0 + h)
    case = made(tmp_path, node("a", "FR", 77.0), TWO[1], *TWO[2:], traffic(), simulation(), traces=traces)
    assert case.g_per_j[0] == pytest.approx(77.0 / 3.6e6)
    assert case.g_per_j[1, -1] == pytest.approx(8760.0 / 3.6e6)


def test_a_deadline_that_nobody_keeps_says_what_is_left(tmp_path: Path) -> None:
    with pytest.raises(
        Infeasible, match=r"'live': of 4 plans of digits, 2 are accurate enough and 0 .*0\.1 s"
    ):
        made(tmp_path, *TWO, traffic("live", 0.1, deadline_s=0.1), simulation())


def test_traffic_of_a_file_is_for_simulate(tmp_path: Path) -> None:
    row = '[[traffic]]\nname = "x"\nmodel = "digits"\nfile = "arrivals.csv"\n'
    (tmp_path / "arrivals.csv").write_text("time_s\n1.0\n", "utf-8")
    with pytest.raises(ConfigError, match=r"traffic\.0\.file: .*gramwise simulate"):
        made(tmp_path, *TWO, row, simulation())


def test_nothing_says_how_many_requests_come(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[\[traffic\]\]"):
        made(tmp_path, *TWO, simulation())
    case = made(tmp_path, *TWO, "[workload]\nrate_per_s = 0.5", simulation())
    assert case.classes == ("workload",)
    assert case.fixed[0] == pytest.approx(1800.0)


def test_noise_is_the_seeds_and_foreseen_without(tmp_path: Path) -> None:
    one, same = (made(tmp_path, *TWO, traffic(noise_frac=0.2), simulation(seed=5)) for _ in range(2))
    other = made(tmp_path, *TWO, traffic(noise_frac=0.2), simulation(seed=6))
    assert one.fixed.tolist() == same.fixed.tolist()
    assert one.fixed.tolist() != other.fixed.tolist()
    assert one.fixed_foreseen.tolist() == other.fixed_foreseen.tolist()


def test_error_on_top_of_a_forecast_is_said_and_shared_within_a_zone(tmp_path: Path) -> None:
    twins = (node("a", "FR"), node("b", "FR"), node("c", "DE"), costs("a", "b", "c"))
    case = made(tmp_path, *twins, traffic(), simulation(forecast="perfect", forecast_error_frac=0.2))
    off = case.known_g_per_j[:, :, 0] / case.g_per_j
    assert off[0].tolist() == off[1].tolist()
    assert off[0].tolist() != off[2].tolist()
    assert off[0].std() == pytest.approx(0.2, rel=0.1)
    assert any("20%" in said for said in case.provenance)


def test_the_shipped_year_on_the_shared_traces() -> None:
    root = Path(__file__).parents[2]
    traces = Path(os.environ.get("GRAMWISE_TRACES") or root / "../shared/data/traces")
    if not traces.is_dir():
        pytest.skip("no traces: set GRAMWISE_TRACES to a folder of ZONE_YEAR.csv")
    case = case_of(load_scenario(root / "examples" / "year.toml"), traces=traces, year=2022)
    assert (len(case.nodes), len(case.classes), case.hours) == (13, 3, 8760)
    assert np.isfinite(case.energy_j).any(axis=1).all()
    assert case.missing.mean() < 0.01


def test_unknown_cost_is_not_free(tmp_path: Path) -> None:
    only_one = (node("a", "FR"), node("b", "DE"), cost("a"))
    case = made(tmp_path, *only_one, traffic(), simulation())
    assert (case.energy_j[np.isfinite(case.energy_j)] > 0).all()
    assert (case.busy_s > 0).all()
