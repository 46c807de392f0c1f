# ruff: noqa: E501
"""Time, batteries and sampling in plain words: what lies along the hours, what is told twice, what is left."""

from __future__ import annotations

import pytest

from gramwise.optimize.words.assemble_axis import with_windows
from gramwise.optimize.words.formulator import Draft
from gramwise.optimize.words.offline import OfflineFormulator
from gramwise.optimize.words.reading import read

FORMULATOR = OfflineFormulator()

SERIES = [
    (
        "From 22:00 to 1:00 it is 400 g CO2/kWh, from 1:00 to 3:00 it is 220 g CO2/kWh.",
        [400, 400, 400, 220, 220],
        22,
    ),
    ("CI by hour (gCO2e/kWh): 0: 300; 1: 120; 2: 150; 3: 500", [300, 120, 150, 500], 0),
    ("Grid: hour 1 90 g/kWh, hour 2 240 g/kWh, hour 3 310 g/kWh.", [90, 240, 310], 1),
]


@pytest.mark.parametrize(("text", "values", "start"), SERIES)
def test_series_of_hours(text: str, values: list[float], start: float) -> None:
    runs = [r for r in read(text).runs if len(r.figures) == len(values)]
    assert [([f.value for f in r.figures], r.start) for r in runs] == [(values, start)]


def test_a_window_is_a_lower_and_an_upper_limit() -> None:
    reading = with_windows(read("Job A runs within slots 1 to 4; job B runs within slots 2 to 6."))
    assert [(f.value, f.relation) for f in reading.figures] == [
        (1, "at_least"), (4, "at_most"), (2, "at_least"), (6, "at_most"),
    ]  # fmt: skip


def _values(draft: Draft, name: str) -> object:
    assert draft.problem is not None
    return next(p.values for p in draft.problem.params if p.name == name)


def test_hours_that_measure_out_the_series_are_no_duration() -> None:
    draft = FORMULATOR.formulate(
        "An edge server consumes a constant 2 kW during four hours in which the grid has a carbon intensity of 500, 100, "
        "100 and 600 gCO2e/kWh. A battery with a capacity of 3 kWh, empty at first, can be charged with up to 2 kW and "
        "discharged with up to 1 kW, without losses. Determine the charging with the least emissions."
    )
    assert draft.status == "formulated"
    assert draft.family == "family.battery"
    assert (_values(draft, "bat_cap"), _values(draft, "P_ch"), _values(draft, "P_dis")) == (3.0, 2.0, 1.0)
    assert _values(draft, "dt") == 1.0


def test_one_quantity_told_in_two_ways() -> None:
    draft = FORMULATOR.formulate(
        "Two simulations wait. Grid intensity over five hours: 350, 280, 120, 160, 400 gCO2e/kWh. Simulation 1 uses 2 kWh "
        "and lasts one hour. Simulation 2 draws 500 W for two hours in a single block. Choose start times with minimal "
        "emissions."
    )
    assert draft.status == "formulated"
    assert draft.problem is not None
    assert "E_job" in {d.name for d in draft.problem.derived}
    assert _values(draft, "stated_E_job") == (1.0, 0.0)


def test_counts_per_hour_and_in_all() -> None:
    draft = FORMULATOR.formulate(
        "A sensor node decides how many samples to take in each of three hours. A sample costs 2 J. Harvested energy is 100, "
        "50 and 0 J in the hours and cannot be stored; the rest is drawn from mains with 420, 380 and 450 gCO2e/kWh. At "
        "least 20 samples are needed in every hour and at least 120 in total; more than 60 samples an hour are impossible. "
        "Minimise the emissions."
    )
    assert draft.status == "formulated"
    assert (_values(draft, "n_lo"), _values(draft, "n_min"), _values(draft, "n_hi")) == (20, 120, 60)


def test_the_only_number_left_is_the_one_that_is_missing() -> None:
    text = (
        "A job runs two hours without interruption at a steady rate of 1.5 kW. Carbon intensity for hours 0 to 4: 310, 280, "
        "190, 160, 220 gCO2e/kWh. It must be finished by the end of hour 3. Pick the start hour with the least CO2e."
    )
    assert _values(FORMULATOR.formulate(text), "P_job") == 1.5
    asked = FORMULATOR.formulate(text.replace(" at a steady rate of 1.5 kW", ""))
    assert asked.status == "needs_input"
    assert asked.questions


def test_a_window_too_short_is_a_contradiction() -> None:
    draft = FORMULATOR.formulate(
        "A training run lasts 3 hours without interruption and uses 2 kW. It cannot start before hour 3 and must be finished "
        "by the end of hour 4. The grid has 300, 250, 200, 180, 220, 260 gCO2e/kWh in hours 0 to 5. Minimise emissions."
    )
    assert draft.status == "contradiction"
