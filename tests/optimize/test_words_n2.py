"""Other groupings, spans of hours, series that begin beside a time, and facts that only the numbers tell."""

from __future__ import annotations

import pytest

from gramwise.optimize.words.offline import OfflineFormulator
from gramwise.optimize.words.reading import read
from gramwise.runtime.words import plan_from_words


@pytest.fixture(scope="module")
def formulator() -> OfflineFormulator:
    return OfflineFormulator()


SOLVED = {
    "a forecast is no job": (
        (
            "Our nightly job runs for two hours in one go and the server pulls 3.5 kW. It may begin from "
            "22:00 but has to be finished by 04:00. The grid forecast for the six hours starting at 22:00 "
            "is 412, 388, 301, 264, 270 and 355 gCO2/kWh. When should we start it for the smallest "
            "emissions?"
        ),
        1869.0,
    ),
    "energy above the limit of an hour is spread": (
        (
            "The batch of scans needs 9000 Wh of compute. The cluster can take up to 2.5 kWh in any "
            "single hour. We have six one-hour slots; their carbon intensities are 0.22, 0.18, 0.15, "
            "0.175, 0.26 and 0.34 kg CO2 per kWh. How do I place the energy for the lowest footprint?"
        ),
        1592.5,
    ),
    "values before spans of hours": (
        (
            "The oven's controller needs three consecutive hours at 2 kW and cannot be interrupted. Power "
            "is at 300 grams per kilowatt-hour from midnight to 1, 140 from 1 to 2, 150 from 2 to 3, 280 "
            "from 3 to 4, 120 from 4 to 5 and 400 from 5 to 6. It must be done by 6 sharp. Find the "
            "greenest time to switch it on."
        ),
        1100,
    ),
    "a battery that is full at both ends": (
        (
            "A base station draws 1 kW. Battery: 2 kWh, full at the start and full again at the end. It "
            "charges or discharges at most 2 kW, without losses. Grid carbon intensity per hour: 500, "
            "100, 100 g/kWh. Nothing is fed back. Lowest carbon?"
        ),
        300.0,
    ),
}


@pytest.mark.parametrize("name", SOLVED)
def test_the_whole_text_finds_its_place(name: str, formulator: OfflineFormulator) -> None:
    text, grams = SOLVED[name]
    document = plan_from_words(text, formulator=formulator)
    assert document["status"] == "solved", document["reason"]
    assert document["solution"]["objective_g"] == pytest.approx(grams, rel=1e-6)


def test_bare_pairs_in_a_chain_are_times_of_day() -> None:
    reading = read("It is 0.3 kg CO2/kWh between 6 and 7, 0.2 between 7 and 8, 0.4 between 8 and 9.")
    assert [f.value for f in reading.figures if f.clock] == [6, 7, 7, 8, 8, 9]
    assert {f.unit for f in reading.figures if not f.clock} == {"kgCO2e/kWh"}


def test_pairs_without_a_chain_stay_numbers() -> None:
    reading = read("Between 3 and 5 servers run, and 7 to 9 cameras.")
    assert not any(f.clock for f in reading.figures)


def test_a_full_cup_is_half_full() -> None:
    draft = OfflineFormulator().formulate(
        "A server draws 1 kW. Its battery of 2 kWh is half full at the start. It charges or discharges at most 2 kW. "
        "Grid intensity per hour: 500, 100, 100 g/kWh. Nothing is fed back. Lowest carbon?"
    )
    assert draft.problem is None or "full at the start" not in " ".join(
        d.text for d in draft.problem.derived if d.name == "stored"
    )
