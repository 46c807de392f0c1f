"""Names and numbers told crosswise: of whom each number is follows from the whole text, not from its neighbours."""

from __future__ import annotations

import pytest

from gramwise.optimize.words.crossed import rereadings
from gramwise.optimize.words.reading import read

LISTS = (
    "Three clips: the wedding, the hike and the concert. Each is done on his laptop or on my old tower. The laptop "
    "would use 1.1 kWh for the wedding, 0.9 kWh for the hike and 1.5 kWh for the concert; the tower needs 0.7, 0.8 "
    "and 0.6 kWh for the same clips. He has hydro power at 50 g CO2 per kWh, my flat gets 300 g CO2 per kWh."
)
LINES = (
    "Gesture tracking: 18 J on the headset, 7 J on the base station. Scene understanding: 30 J on the headset, 11 J "
    "at the base station. The headset is charged at 400 g CO2/kWh; the base station runs on 250 g CO2/kWh."
)
PAIRS = (
    "We compute the milk report, the weather model and the video check. The barn computer has 40 g CO2 per kWh. The "
    "city server has 380 g CO2 per kWh. The milk report takes 0.3 kWh in the barn and 0.2 kWh in the city, the "
    "weather model 0.5 and 0.45 kWh, the video check 0.9 and 0.4 kWh."
)


@pytest.mark.parametrize(
    ("text", "value", "words"),
    [
        (LISTS, 0.8, {"hike", "tower"}),
        (LISTS, 1.5, {"concert", "laptop"}),
        (LISTS, 50.0, {"laptop"}),
        (LISTS, 300.0, {"tower"}),
        (LINES, 11.0, {"scene", "station"}),
        (LINES, 18.0, {"gesture", "headset"}),
        (LINES, 250.0, {"station"}),
        (PAIRS, 0.2, {"milk", "city"}),
        (PAIRS, 0.9, {"video", "barn"}),
    ],
)
def test_every_pair_gets_its_number(text: str, value: float, words: set[str]) -> None:
    found = []
    for reading in rereadings(read(text)):
        figure = next(f for f in reading.figures if f.value == value and f.unit)
        found.append({w for label in figure.subjects for w in label.lower().split()})
    assert any(words <= said for said in found)


def test_no_hypothesis_where_numbers_and_names_do_not_fit() -> None:
    text = "The laptop takes 3 kWh for the hike. The tower takes 2 kWh. Cooling costs 5 kWh for both, 7 kWh at night."
    for other in rereadings(read(text)):
        told = [f.subjects for f in other.figures if f.unit == "kWh" and len(f.subjects) > 1]
        assert len(told) < 4


CELLS = """Times and energies:

| kernel | low (s / J) | high (s / J) |
|---|---|---|
| gather | 12 / 60 | 7 / 95 |
| reduce | 8 / 35 | 5 / 50 |
"""
LONG = """job,machine,power (W),duration (min)
intro,workstation,40,60
intro,cluster,300,10
credits,workstation,55,90
credits,cluster,280,20
"""


@pytest.mark.parametrize(
    ("text", "value", "unit", "subjects"),
    [
        (CELLS, 95.0, "J", {"gather", "high"}),
        (CELLS, 8.0, "s", {"reduce", "low"}),
        (LONG, 280.0, "W", {"credits", "cluster"}),
        (LONG, 60.0, "min", {"intro", "workstation"}),
    ],
)
def test_tables_with_two_numbers_in_a_cell_or_two_names_in_a_row(
    text: str, value: float, unit: str, subjects: set[str]
) -> None:
    figures = [f for f in read(text).figures if f.value == value and f.unit == unit]
    assert [set(f.subjects) for f in figures] == [subjects]
    assert figures[0].relation == "is"
