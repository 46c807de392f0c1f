"""Who trains and what is kept: general ways of telling numbers, each in the shortest text that shows it."""

from __future__ import annotations

import re

import pytest

from gramwise.optimize.words.offline import OfflineFormulator
from gramwise.optimize.words.reading import read

_ASK = " Which clients should take part in the round so that it emits the least CO2?"
_KEEP = " Which models should be kept so that the CO2 is least?"
_CLIENTS = (
    "A federated round may use these clients:\n"
    "- Ash: 0.4 kWh, 900 samples, done after 40 s, 300 g/kWh\n"
    "- Elm: 0.2 kWh, 700 samples, done after 90 s, 100 g/kWh\n"
    "- Oak: 0.5 kWh, 800 samples, done after 50 s, 200 g/kWh\n"
    "At least 1,500 samples are needed. "
)


def _arrays(text: str) -> dict[str, list[float]]:
    draft = OfflineFormulator().formulate(text)
    assert draft.status == "formulated", (draft.reason, [q.text for q in draft.questions])
    assert draft.problem is not None
    found = {}
    for p in draft.problem.params:
        values = p.values if isinstance(p.values, list | tuple) else [p.values]
        found[p.name] = [v for v in values if isinstance(v, (int, float))]
    return found


@pytest.mark.parametrize(
    "limit", ["The round closes after 60 s.", "Clients needing longer than 60 s are excluded."]
)
def test_a_time_without_a_use_finds_its_limit(limit: str) -> None:
    assert _arrays(_CLIENTS + limit + _ASK)["L_0"] == [60.0]


def test_exactly_bounds_a_choice_from_both_sides() -> None:
    found = _arrays(re.sub(r" done after \d+ s,", "", _CLIENTS) + "Exactly two clients are picked." + _ASK)
    assert found["k_min"] == [2.0]
    assert found["k_max"] == [2.0]


def test_later_rows_of_a_sentence_measure_what_the_first_says() -> None:
    text = "Oslo would spend 1.4 kWh on its 9,000 scans, Turin 1.1 kWh on 6,500 and Prague 0.9 kWh on 6,000."
    told = [(f.value, f.unit, f.noun, f.subjects) for f in read(text).figures if not f.unit]
    assert told == [
        (9000.0, "", "scan", ("Oslo",)),
        (6500.0, "", "scan", ("Turin",)),
        (6000.0, "", "scan", ("Prague",)),
    ]


def test_a_unit_told_once_holds_for_the_word_before_it() -> None:
    text = (
        "Clients: c1 energy 2.4 Wh, CI 500, 120 examples; c2 energy 3 Wh, CI 300, 200 examples. CI in g/kWh."
    )
    figures = read(text).figures
    assert [f.value for f in figures if f.unit == "gCO2e/kWh"] == [500.0, 300.0]
    assert [f.value for f in figures if f.noun == "example"] == [120.0, 200.0]


def test_text_behind_a_list_is_not_of_its_last_item() -> None:
    figures = read("Sites:\n- Leeds: 20 W\n- York: 30 W\nHead office wants at least 9,000 receipts.").figures
    assert figures[-1].subjects == ()


def test_counts_per_hour_are_taken_times_the_day_that_is_asked_about() -> None:
    text = (
        "An edge box has 500 MB for models. Model A takes 300 MB and is used 60 times an hour; model B takes 250 MB "
        "and is used 9 times an hour. Keeping a model draws 0.5 W for each model; fetching one for a single use takes "
        "90 J. The grid emits 365 g CO2/kWh." + _KEEP.replace("the CO2 is", "the CO2 of a day is")
    )
    found = _arrays(text)
    assert found["T_hor"] == [1.0]
    assert found["lam_j"] == [60.0, 9.0]


def test_a_lone_number_finds_the_one_optional_thing_that_it_can_be() -> None:
    text = (
        "Model cache with 1000 MB. A: 800 MB, 30 req/h, miss 0.9 Wh. B: 700 MB, 22 req/h, miss 1.1 Wh. Roadside grid "
        "510 g/kWh, misses are served at 120 g/kWh." + _KEEP
    )
    found = _arrays(text)
    assert found["CI_0"] == [510.0]
    assert found["CI_rem"] == [120.0]


def test_some_of_several_counts_the_same_things() -> None:
    figures = read("The tablet can store only three of five picture books.").figures
    assert [(f.value, f.noun, f.relation) for f in figures][:1] == [(3.0, "book", "at_most")]


def test_like_figures_go_with_the_same_word() -> None:
    text = (
        "RAM 900 MB, grid 475 g/kWh, fetched on each call when not loaded.\n"
        "A: 400 MB, 25 calls/day, fetch 12 kJ, standby 60 kJ\n"
        "B: 600 MB, 10 calls/day, fetch 9 kJ, standby 45 kJ\n" + _KEEP
    )
    found = _arrays(text)
    assert found["E_fetch"] == [12.0, 9.0]
    assert found["E_hold"] == [60.0, 45.0]
