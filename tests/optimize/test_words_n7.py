"""Fractions, comparatives, zeros in lists and names in like places, read from wordings that strangers would use."""

from __future__ import annotations

import pytest

from gramwise.optimize.words.reading.read import read


def _told(text: str, value: float) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(f.unit, f.relation, f.subjects) for f in read(text).figures if f.value == value]


@pytest.mark.parametrize(
    ("text", "value", "unit", "relation"),
    [
        ("It is charged with no faster than 2 kW; that is all.", 2.0, "kW", "at_most"),
        ("The accuracy must be not lower than 82 %.", 82.0, "percent", "at_least"),
        ("It loads with at most 2 kW; one tenth of what goes in is lost.", 0.1, "", "is"),
        (
            "When the hours are over at least 1 kWh must be left. The inverter cannot give more.",
            1.0,
            "kWh",
            "at_least",
        ),
        ("They ask between 5 and 10 in the evening.", 22.0, "h", "between"),
    ],
)
def test_a_number_keeps_its_measure_and_its_limit(text: str, value: float, unit: str, relation: str) -> None:
    assert [(u, r) for u, r, _ in _told(text, value)] == [(unit, relation)]


def test_nothing_in_a_list_of_measures_is_zero_and_elsewhere_no_number() -> None:
    assert [u for u, _, _ in _told("The roof gives 0.8 kWh, 2 kWh, 0.3 kWh, nothing.", 0.0)] == ["kWh"]
    assert _told("It takes 2 kWh and nothing is lost.", 0.0) == []


def test_what_one_is_told_per_thing_the_others_are_as_well() -> None:
    text = (
        "Three networks are available: Tiny needs 0.8 J per photo and gets 71 % right, "
        "Medium needs 2.1 J and gets 80 % right, Large needs 6.5 J and gets 88 % right."
    )
    assert [f.unit for f in read(text).figures if f.value in (0.8, 2.1, 6.5)] == ["J/image"] * 3


_OFFICES = """
The Lyon office can host up to three engines, the Leeds office up to five. One engine in Lyon gets through 5,000
documents a night, one in Leeds 4,000. Merely being on costs 1.1 kWh for a Lyon engine and 0.8 kWh for a Leeds engine.
"""
_COPIES = """
A copy in Lyon can answer 20000 requests, a copy in Leeds 25000. It takes 150 Wh even when nobody asks (Lyon) or 140 Wh
(Leeds), and 6 mWh for each request in Lyon, 5 mWh in Leeds. Lyon 30, Leeds 60 g CO2e per kWh.
"""


@pytest.mark.parametrize("text", [_OFFICES, _COPIES])
def test_names_in_like_places_are_one_group(text: str) -> None:
    assert ("Lyon", "Leeds") in [g.labels for g in read(text).groups]
