"""Regions, replicas and federated rounds in words: the optimum found is the one worked out by hand in the table."""

from __future__ import annotations

import pytest

from gramwise.optimize.words.reading import read
from gramwise.runtime.words import formulator_of, plan_from_words

SOLVED = [
    (  # the heading multiplies and the relation of a limit may change from sentence to sentence
        (
            "Daily traffic of our vision API is 2 million requests and every request costs 0.3 Wh at the server.\n\n"
            "| data centre | carbon intensity (gCO2e/kWh) | PUE | capacity (million requests per day) |\n"
            "|---|---|---|---|\n| Lyon | 60 | 1.4 | 1.5 |\n| Leeds | 180 | 1.15 | 2.5 |\n\n"
            "Traffic may be divided freely. Find the split with the lowest emissions for one day."
        ),
        1.5e6 * 0.0003 * 60 * 1.4 + 0.5e6 * 0.0003 * 180 * 1.15,
    ),
    (  # work counted in a unit of its own
        (
            "Task: place 1200 GPU-hours of retraining, divisible, across regions. 1 GPU-hour = 0.4 kWh.\n"
            "eu-north: 30 gCO2e/kWh, max 300 GPU-hours\nus-west: 210 gCO2e/kWh, max 2000 GPU-hours\nGoal: min CO2e"
        ),
        300 * 0.4 * 30 + 900 * 0.4 * 210,
    ),
    (  # a replica that draws the same whatever it serves, and labels that are no members
        (
            "- service: chatbot, needs 90 requests/s around the clock (24 h)\n"
            "- Tromso: one replica serves 40 requests/s, draws 90 W, grid 20 g/kWh, room for 2 replicas\n"
            "- Krakow: one replica serves 25 requests/s, draws 40 W, grid 400 g/kWh, room for 10 replicas\n"
            "- question: how many replicas where, for the fewest grams of CO2e over the day?"
        ),
        2 * 0.09 * 24 * 20 + 1 * 0.04 * 24 * 400,
    ),
    (  # what is counted tells clients from samples
        (
            "Pick at least two of the three clinics Aalen, Bremen and Chemnitz for each training round of federated "
            "learning. Joining costs them 0.3, 0.8 and 0.4 kWh, and their electricity comes at 500, 90 and 220 gCO2e/kWh, "  # noqa: E501
            "in the same order. Which ones give the lowest emissions per round?"
        ),
        0.8 * 90 + 0.4 * 220,
    ),
    (  # an energy per sample is none per round
        (
            "client;samples;training energy per sample;carbon intensity\ntablet;500;2 J;450 g/kWh\n"
            "van;1200;3.5 J;80 g/kWh\nkiosk;900;1 J;0.6 kg/kWh\n\nIn the next federated round every selected client "
            "trains once on all its samples. We want 1,700 samples or more. Least CO2e, please."
        ),
        (500 * 2 * 450 + 1200 * 3.5 * 80) / 3.6e6,
    ),
]


@pytest.mark.parametrize(("text", "optimum_g"), SOLVED)
def test_the_optimum_is_the_one_worked_out_by_hand(text: str, optimum_g: float) -> None:
    document = plan_from_words(text, formulator=formulator_of("offline"))
    assert document["status"] == "solved", document.get("reason")
    assert document["solution"]["objective_g"] == pytest.approx(optimum_g, rel=1e-6)


def test_idle_power_alone_asks_for_the_energy_of_a_request() -> None:
    text = (
        "A service gets 90 requests per second for one hour. At north a replica idles at 90 W, serves 40 requests per "
        "second, the grid emits 20 g/kWh and at most 3 replicas fit. At south a replica idles at 40 W, serves 25 "
        "requests per second, the grid emits 400 g/kWh and at most 9 replicas fit. How many replicas should run where "
        "for the least carbon?"
    )
    assert plan_from_words(text, formulator=formulator_of("offline"))["status"] == "needs_input"


READ = [
    ("Share it over the three sites.", [(3, "", "is")]),
    ("We want 1,700 samples or more.", [(1700, "", "at_least")]),
    ("In the coming hour 10,000 requests arrive.", [(10000, "", "is")]),
    ("Oslo can take at most 900 kWh, Lille 1500 and Brno 1200.", [(900, "kWh", "at_most"), (1500, "kWh", "at_most"), (1200, "kWh", "at_most")]),  # noqa: E501
    ("Oslo has 40 g/kWh and a PUE of 1.2, Lille 60 g/kWh and a PUE of 1.1.", [(40, "gCO2e/kWh", "is"), (1.2, "", "is"), (60, "gCO2e/kWh", "is"), (1.1, "", "is")]),  # noqa: E501
]  # fmt: skip


@pytest.mark.parametrize(("text", "figures"), READ)
def test_numbers_keep_their_kind_and_their_limit(text: str, figures: list[tuple[float, str, str]]) -> None:
    assert [(f.value, f.unit, f.relation) for f in read(text).figures] == figures
