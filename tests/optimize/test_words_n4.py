"""Records: a repeated sequence of kinds of numbers tells of as many things, whatever the words are."""

from __future__ import annotations

import pytest

from gramwise.optimize.words.reading import read
from gramwise.optimize.words.records import all_told, recorded

TOLD = (
    (
        "Net One uses 1.2 J and reaches 71 %, Net Two uses 3.5 J and reaches 78 %, Net Six uses 9 J and reaches 84 %.",
        [[1.2, 3.5, 9.0], [71.0, 78.0, 84.0]],
    ),
    (
        "Far (eye 0 mJ, 1.2 MB, hub 5 J), after neck (eye 12 mJ, 0.25 MB, hub 4 J), near (eye 0.3 J, 0 MB, hub 0 J).",
        [[0.0, 12.0, 0.3], [1.2, 0.25, 0.0], [5.0, 4.0, 0.0]],
    ),
    (
        "Lean burns 4 Wh per page and misses 12 % of the words.\nRich burns 9 Wh per page and misses 3 % of the words.",
        [[4.0, 9.0], [12.0, 3.0]],
    ),
)


@pytest.mark.parametrize(("text", "columns"), TOLD)
def test_repeated_kinds_become_columns_of_named_things(text: str, columns: list[list[float]]) -> None:
    reading = recorded(read(text))[0]
    runs = [r for r in reading.runs if len(r.over) == len(columns[0])]
    assert [[f.value for f in r.figures] for r in runs] == columns
    labels = runs[0].over
    assert len(set(labels)) == len(labels)
    assert all(f.subjects == (label,) for r in runs for f, label in zip(r.figures, r.over, strict=True))
    assert any(g.labels == labels for g in reading.groups)


@pytest.mark.parametrize(
    "text",
    [
        "The server draws 80 W. The grid emits 300 g/kWh. We run it for 3 h.",
        "Hall One emits 140 g/kWh, Hall Two 260 g/kWh. Later in the mail: Hall One emits 190 g/kWh.",
        "A job takes 0.6 kWh in Bergen. It takes 0.5 kWh in Krakow.",
    ],
)
def test_no_things_are_made_of_single_numbers_or_of_one_thing_told_twice(text: str) -> None:
    for reading in recorded(read(text)):
        assert all(len(g.labels) == 2 and "Later" not in g.labels for g in reading.groups if g.labels)


def test_a_hypothesis_needs_a_place_for_every_number_of_its_columns() -> None:
    reading = recorded(read(TOLD[0][0]))[0]
    every = {f"text:{f.start}-{f.end}" for f in reading.figures}
    assert all_told(reading, every)
    lost = next(f for f in reading.figures if f.value == 78.0)
    assert not all_told(reading, every - {f"text:{lost.start}-{lost.end}"})
