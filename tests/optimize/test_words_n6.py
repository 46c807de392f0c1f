"""Names that are pointed at, listed with remarks or told by their modifiers, and limits that no word sets."""

from __future__ import annotations

import pytest

from gramwise.optimize.words.crossed_lists import bracketed, modified
from gramwise.optimize.words.crossed_names import content, lexed
from gramwise.optimize.words.crossed_pointing import nearer, pointed
from gramwise.optimize.words.reading import read


@pytest.mark.parametrize(
    ("text", "labels", "place"),
    [
        ("We use my nephew's PC or our own notebook.", ("nephew's PC", "own notebook"), 1),
        ("Either the server or a rented machine does it.", ("server", "rented machine"), 0),
        ("Either the red box or the blue box does it.", ("red box", "blue box"), None),
    ],
)
def test_which_of_two_is_the_speakers(text: str, labels: tuple[str, str], place: int | None) -> None:
    assert nearer(text, labels) == place


def test_ours_and_theirs_point_apart() -> None:
    assert pointed(["our", "power", "is", "#", "theirs", "#"]) == {"our": True, "theirs": False}
    assert pointed(["we", "want", "little"]) == {}


def test_lists_with_remarks_and_modifiers() -> None:
    words = lexed(
        read("Hosts: gateway (at 400 g/kWh), cloudlet (250 g/kWh). The pest model and the milk model run.")
    )
    assert [[w.low for w in item] for item in bracketed(words)[0]] == [["gateway"], ["cloudlet"]]
    assert [[w.low for w in item] for item in modified(words, content)[-1]] == [["pest"], ["milk"]]


@pytest.mark.parametrize(
    "text",
    [
        "It emits:\n20:00 - 410 g CO2/kWh\n21:00 - 395\n22:00 - 300\n",
        "Expected grams of CO2 per kWh: 8 pm 410, 9 pm 395, 10 pm 300.",
    ],
)
def test_times_and_values_alternate(text: str) -> None:
    run = read(text).runs[0]
    assert (run.start, [f.value for f in run.figures]) == (20.0, [410.0, 395.0, 300.0])
    assert {f.unit for f in run.figures} == {"gCO2e/kWh"}
