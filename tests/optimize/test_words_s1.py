"""How members, whereabouts, roles, ratios and zeros are read, and what assignment, split and variant make of them."""

from __future__ import annotations

import pytest

from gramwise.optimize.typed.record import Param, Problem
from gramwise.optimize.words.offline import OfflineFormulator
from gramwise.optimize.words.reading import read

MEMBERS = [
    ("Variants: XL (4 J, accuracy 88 %), M (1.5 J, accuracy 83 %) and XS (0.4 J, 70 %).", ("XL", "M", "XS")),
    (
        "There are 2 request classes: safety with 900 requests and a floor of 0.8, and catalogue with 5 requests.",
        ("safety", "catalogue"),
    ),
    (
        (
            "Homework questions, 300 a day, at least 90 %; quiz questions, 900 a day, at least 80 %; and "
            "small talk, "
            "1500 a day, at least 50 %."
        ),
        ("Homework questions", "quiz questions", "small talk"),
    ),
    ("Servers: A (1 GHz, 400 g/kWh), B (2 GHz, 300 g/kWh).", ("A", "B")),
    (
        "Cut it at cut point p1, p2 or p3. At p1 it sends 8 Mbit, at p2 2 Mbit, at p3 0.1 Mbit.",
        ("p1", "p2", "p3"),
    ),
]


@pytest.mark.parametrize(("text", "labels"), MEMBERS)
def test_names_behind_a_colon_or_in_parts_of_a_sentence_are_members(
    text: str, labels: tuple[str, ...]
) -> None:
    assert labels in [g.labels for g in read(text).groups]


FIGURES = [
    ("It is right 95 times out of 100.", 95.0, "percent"),
    ("The lazy one takes a fifth of a watt-hour.", 0.2, "Wh"),
    ("Each kilowatt-hour at our school stands for 420 grams of CO2.", 420.0, "gCO2e/kWh"),
    ("Ours has 480 g of CO2 per kWh; the neighbour has panels and gets by with 50.", 50.0, "gCO2e/kWh"),
    ("Large needs 2.4 J per request, accuracy 0.81, tiny 0.3 J per request.", 0.81, ""),
]


@pytest.mark.parametrize(("text", "value", "unit"), FIGURES)
def test_everyday_ways_of_giving_a_number(text: str, value: float, unit: str) -> None:
    assert (value, unit) in [(round(f.value, 9), f.unit) for f in read(text).figures]


def test_lists_keep_together_over_units_of_one_kind() -> None:
    runs = read("The uploads are 2.4 MB, 1 MB, 200 kB and 50 kB.").runs
    assert [(f.value, f.unit) for f in runs[0].figures] == [
        (2.4, "MB"),
        (1.0, "MB"),
        (200.0, "kB"),
        (50.0, "kB"),
    ]


def test_what_is_told_of_a_place_is_told_of_the_machine_in_it() -> None:
    text = (
        "A scan runs on the old laptop in the visitor centre or on the borrowed workstation at the "
        "university. The "
        "laptop needs 0.3 kWh, the workstation 0.2 kWh. The visitor centre has 120 g of CO2 per kWh and the "
        "university has 150 g of CO2 per kWh."
    )
    told = {f.value: f.subjects for f in read(text).figures if f.unit == "gCO2e/kWh"}
    assert told == {120.0: ("old laptop",), 150.0: ("borrowed workstation",)}


def _problem(text: str) -> Problem:
    draft = OfflineFormulator().formulate(text)
    assert draft.status == "formulated", draft.reason
    assert draft.problem is not None
    return draft.problem


def _param(problem: Problem, name: str) -> Param:
    return next(p for p in problem.params if p.name == name)


def test_roles_of_a_cut_and_zeros_told_in_words() -> None:
    text = (
        "Choose the cut of the network with the least carbon per answer. Cut A: 0.5 J on the camera, 3 "
        "J on the server. "
        "Cut B: 2 J on the camera, 1 J on the server. Cut C: 5 J on the camera and nothing on the "
        "server. The camera "
        "has 400 g CO2/kWh, the server 100 g CO2/kWh."
    )
    problem = _problem(text)
    assert _param(problem, "E_dev").values == (0.5, 2.0, 5.0)
    remote = _param(problem, "E_rem")
    assert remote.values == (3.0, 1.0, 0.0)
    start, end = remote.source[2].removeprefix("text:").split("-")
    assert text[int(start) : int(end)] == "nothing"
    assert (_param(problem, "CI_dev").values, _param(problem, "CI_rem").values) == (400.0, 100.0)


def test_the_last_site_takes_the_figure_that_is_left() -> None:
    text = (
        "Every night five scans have to be cleaned up; each clean-up can run on the old PC in the back "
        "office or on the "
        "rented box in Oslo. The old PC needs 0.3 kWh a scan, the rented box 0.25 kWh. Power at my "
        "place comes with 60 g "
        "of CO2 per kWh, in Oslo it's 30 g. The rented box can do only three scans a night. Which scans "
        "should go where "
        "so that we emit as little carbon as possible?"
    )
    problem = _problem(text)
    assert _param(problem, "CI").values == (60.0, 30.0)
    assert {s.name: len(s.labels) if s.labels else s.size for s in problem.sets} == {"JOB": 5, "SITE": 2}
    assert _param(problem, "E").values == ((0.3, 0.25),) * 5


def test_three_each_holds_for_both_and_exactly_one_is_no_capacity() -> None:
    text = (
        "Place 4 jobs on three servers with the least CO2. Energy per job: 0.5 kWh on edge-1, 0.4 kWh "
        "on edge-2, 0.7 kWh "
        "on core. Carbon intensity: edge-1 420 g/kWh, edge-2 510 g/kWh, core 180 g/kWh. Capacity: core "
        "takes at most 2 "
        "jobs, edge-1 and edge-2 at most 3 each. Each job must go to exactly one server."
    )
    assert _param(_problem(text), "cap_jobs").values == (3.0, 3.0, 2.0)
