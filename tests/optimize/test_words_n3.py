"""General mechanisms behind region shares and replica counts: names in like places, limits, parts, other pairings."""

from __future__ import annotations

import pytest

from gramwise.optimize.words.offline import OfflineFormulator
from gramwise.optimize.words.reading import read


@pytest.fixture(scope="module")
def formulator() -> OfflineFormulator:
    return OfflineFormulator()


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("Up to 4 copies fit in the main building and up to 5 in the annex.", {"main building", "annex"}),
        ("Three zones: north (45 g/kWh), east (410 g/kWh) and west (230 g/kWh).", {"north", "east", "west"}),
    ],
)
def test_names_in_like_places_are_one_set(text: str, labels: set[str]) -> None:
    assert any(labels == set(group.labels) for group in read(text).groups)


@pytest.mark.parametrize(
    ("text", "relation"),
    [
        ("We refuse any zone with a round trip above 90 ms.", "at_most"),
        ("The team rejects every model below 80 % accuracy.", "at_least"),
        ("A round trip above 90 ms is welcome.", "at_least"),
    ],
)
def test_what_lies_beyond_is_refused(text: str, relation: str) -> None:
    assert read(text).figures[0].relation == relation


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("Lyon takes at most 35 % of the calls and Porto no more than half.", 50.0, "percent"),
        ("Each site must take at least a tenth of the load.", 0.1, ""),
    ],
)
def test_parts_are_numbers(text: str, value: float, unit: str) -> None:
    figure = read(text).figures[-1]
    assert figure.value == pytest.approx(value)
    assert figure.unit == unit


def test_what_opens_a_line_holds_to_its_end() -> None:
    text = "- Lyon: 3 kWh a day. Six copies at most.\n- Porto: 4 kWh a day. Five copies at most.\n"
    assert [f.subjects for f in read(text).figures] == [("Lyon",), ("Lyon",), ("Porto",), ("Porto",)]


def test_a_limit_beside_a_name_numbers_no_member() -> None:
    assert [f.value for f in read("Servers stand in Madrid (max 3) and Milan (max 4).").figures] == [3.0, 4.0]


def test_another_pairing_is_found_where_the_first_leaves_gaps(formulator: OfflineFormulator) -> None:
    draft = formulator.formulate(
        "A service must serve 18,000 requests in the coming hour. Pods may run in zone A and zone B. A pod in zone A "
        "handles 2,500 requests an hour, a pod in zone B 4,000. An idle pod uses 60 Wh per hour in A and 90 Wh in B; "
        "each request adds 40 J in A and 25 J in B. Carbon intensity is 300 g/kWh in A and 520 g/kWh in B. There is "
        "quota for six pods in A and five in B. How many pods should be up in each zone for the fewest emissions?"
    )
    assert draft.status == "formulated"
    assert draft.problem is not None
    values = {p.name: p.values for p in draft.problem.params}
    assert values["n_0"] == 18000.0
    assert (2500.0, 4000.0) in values.values()


def test_an_energy_of_a_day_is_none_of_a_question(formulator: OfflineFormulator) -> None:
    draft = formulator.formulate(
        "Tomorrow we expect 900 questions. Up to 4 copies fit in the main building and up to 5 in the annex. A "
        "copy in the main building answers 200 questions a day and eats 1.5 kWh a day, on top 2 Wh for every "
        "question. A copy in the annex answers 150 questions, eats 0.8 kWh a day and 3 Wh per question. Both have 180 "
        "g of CO2 per kWh. How many copies in each building give the fewest emissions?"
    )
    assert draft.status == "formulated"
    assert draft.problem is not None
    assert {p.name: p.values for p in draft.problem.params}["e_s"] == (2.0, 3.0)
