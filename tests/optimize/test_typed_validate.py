"""The passes on a small problem that is right, and on the same with one thing wrong."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from gramwise.optimize.knowledge.entry import Entry, Model, Symbol, Term
from gramwise.optimize.typed.known import Known, Required, known_from
from gramwise.optimize.typed.record import Problem
from gramwise.optimize.typed.validate import Report, validate

TEXT = (
    "Six camera jobs run at home or in the cloud. The radio draws 1.2 W, the jobs send 8, 6, 5, 4, 3 and 2 Mbit at "
    "20 Mbit/s, and computing takes 900, 700, 650, 500, 400 and 300 J at home and half of it in the cloud. The grids "
    "emit 450 and 120 g/kWh. Each answers within 2 s; the cloud takes at most 4 jobs. We have 3 cats."
)
Change = Callable[[dict[str, Any]], object]


def at(piece: str) -> str:
    """The source of a piece of the text."""
    return f"text:{TEXT.index(piece)}-{TEXT.index(piece) + len(piece)}"


DOCUMENT: dict[str, Any] = {
    "meta": {"id": "t", "family": "family.assignment"},
    "sets": [
        {"name": "JOB", "size": 6, "source": at("Six camera jobs")},
        {"name": "SITE", "labels": ["home", "cloud"]},
    ],
    "params": [
        {"name": "P", "unit": "W", "values": 1.2, "source": at("1.2 W")},
        {
            "name": "D",
            "index": ["JOB"],
            "unit": "Mbit",
            "values": [8, 6, 5, 4, 3, 2],
            "source": at("8, 6, 5, 4, 3 and 2 Mbit"),
        },
        {"name": "rate", "unit": "Mbit/s", "values": 20, "source": at("20 Mbit/s")},
        {
            "name": "E",
            "index": ["JOB"],
            "unit": "J",
            "values": [900, 700, 650, 500, 400, 300],
            "source": at("900, 700, 650, 500, 400 and 300 J"),
        },
        {"name": "part", "index": ["SITE"], "values": [1, 0.5], "source": ["structure", at("half")]},
        {
            "name": "CI",
            "index": ["SITE"],
            "unit": "gCO2e/kWh",
            "values": [450, 120],
            "source": at("450 and 120 g/kWh"),
        },
        {"name": "L", "unit": "s", "values": 2, "source": at("2 s")},
        {"name": "cap", "unit": "job", "values": 4, "source": at("4 jobs")},
        {"name": "remote", "index": ["SITE"], "values": [0, 1], "source": "structure"},
    ],
    "variables": [{"name": "x", "index": ["JOB", "SITE"], "domain": "binary", "lower": 0, "upper": 1}],
    "derived": [
        {"name": "t_tx", "forall": "j in JOB, s in SITE", "unit": "s", "expr": "remote[s]*D[j]/rate"},
        {"name": "e", "forall": "j in JOB, s in SITE", "unit": "J", "expr": "P*t_tx[j,s] + part[s]*E[j]"},
    ],
    "objective": {"expr": "sum(j in JOB, s in SITE) x[j,s]*e[j,s]*CI[s]"},
    "constraints": [
        {
            "name": "one_site",
            "kind": "logic",
            "forall": "j in JOB",
            "lhs": "sum(s in SITE) x[j,s]",
            "rel": "==",
            "rhs": "1",
        },
        {
            "name": "deadline",
            "kind": "latency",
            "forall": "j in JOB",
            "lhs": "sum(s in SITE) x[j,s]*t_tx[j,s]",
            "rel": "<=",
            "rhs": "L",
        },
        {"name": "room", "kind": "capacity", "lhs": "sum(j in JOB) x[j,'cloud']", "rel": "<=", "rhs": "cap"},
    ],
}


def changed(*changes: Change) -> Problem:
    """The problem after changes."""
    document = copy.deepcopy(DOCUMENT)
    for change in changes:
        change(document)
    return Problem.model_validate(document)


def check(*changes: Change, **more: Any) -> Report:
    """The report on the changed problem and its text."""
    return validate(changed(*changes), text=TEXT, **more)


def param(name: str, **fields: Any) -> Change:
    """Replace fields of a parameter."""
    return lambda d: next(p for p in d["params"] if p["name"] == name).update(fields)


def add(kind: str, record: dict[str, Any]) -> Change:
    """Append a declaration."""
    return lambda d: d[kind].append(record)


def without(name: str) -> Change:
    """Drop a constraint."""
    return lambda d: d.update(constraints=[c for c in d["constraints"] if c["name"] != name])


def put(kind: str, place: int, **fields: Any) -> Change:
    """Replace fields of the declaration at a place; of the objective at place -1."""
    return lambda d: (d["objective"] if place < 0 else d[kind][place]).update(fields)


def test_the_right_one_passes() -> None:
    report = check()
    assert report.ok
    assert report.codes == ("W402",)
    assert [f.fragment for f in report.findings] == ["3"]  # the cats


def test_without_its_text_only_forms_are_checked() -> None:
    assert validate(changed()).codes == ()


CASES: list[tuple[str, str, Change]] = [
    ("E202", "objective", put("", -1, expr="sum(j in JOB) x[j,'home']*ee[j]*CI['home']")),
    ("E301", "constraint deadline", put("constraints", 1, rhs="rate")),
    ("E301", "derived e", put("derived", 1, expr="P + part[s]*E[j]")),
    ("E303", "objective", put("", -1, expr="sum(j in JOB, s in SITE) x[j,s]*e[j,s]")),
    ("W304", "derived e", put("derived", 1, expr="P*t_tx[j,s]*8 + part[s]*E[j]")),
    ("E401", "derived e", put("derived", 1, expr="P*t_tx[j,s]*1.7 + part[s]*E[j]")),
    ("E401", "param P", param("P", source="")),
    ("E401", "param P", param("P", source="structure")),
    ("E401", "param P", param("P", source="text:5-5")),
    ("E401", "param P", param("P", source="text:0-9999")),
    ("E401", "param P", param("P", values=1.3)),
    ("E401", "param P", param("P", unit="mW")),
    ("E401", "param E", param("E", unit="Wh")),
    ("E401", "param CI", param("CI", unit="gCO2e/J")),
    ("E401", "param CI", param("CI", values=[450, 130])),
    ("E401", "param D", param("D", source=[at("8, 6")] * 5)),
    ("E401", "param L", param("L", unit="h")),
    ("E401", "param cap", param("cap", kind="assumed", values=7, source="structure")),
    ("E401", "set CAT", add("sets", {"name": "CAT", "size": 7, "source": at("3 cats")})),
    ("E401", "variable x", put("variables", 0, domain="real", upper=17)),
    ("E404", "param cap", param("cap", kind="open", values=None, source="")),
    ("E501", "derived spare", add("derived", {"name": "spare", "unit": "J", "expr": "P*L"})),
    (
        "E501",
        "param idle",
        add("params", {"name": "idle", "unit": "W", "values": 1.2, "source": at("1.2 W")}),
    ),
    ("E501", "derived e", put("", -1, expr="sum(j in JOB, s in SITE) x[j,s]*E[j]*CI[s]")),
    ("W503", "variable y", add("variables", {"name": "y", "domain": "binary", "lower": 0, "upper": 1})),
    ("W504", "param spare", add("params", {"name": "spare", "values": 1, "source": "structure"})),
    ("E601", "variable y", add("variables", {"name": "y", "domain": "real", "lower": "cap", "upper": 1})),
    ("E605", "constraint deadline", put("constraints", 1, lhs="sum(s in SITE) x[j,s]*t_tx[j,s]/remote[s]")),
    ("W603", "derived t_tx", add("params", {"name": "slot", "unit": "ms", "values": 8, "source": "kb:slot"})),
    ("W604", "param P", param("P", low=2, high=5)),
    ("E701", "variable x", without("one_site")),
    ("E701", "variable x", put("constraints", 0, rel="<=")),
]


@pytest.mark.parametrize(("code", "where", "change"), CASES)
def test_one_thing_wrong(code: str, where: str, change: Change) -> None:
    report = check(change)
    assert (code, where) in [(f.code, f.where) for f in report.findings], report.findings
    assert report.ok == code.startswith("W")


def test_a_stated_unit_left_behind_is_told_as_a_factor() -> None:
    problem = changed(param("P", values=1200, source="text:7-10"))

    def codes(text: str) -> list[str]:
        return [f.code for f in validate(problem, text=text).findings if f.where == "param P"]

    assert codes("Power: 1.2 (see the heading)") == ["W304"]
    assert codes("Power: 1.2 (all in kilowatts)") == []
    assert codes("Power: 1.2 (all in watts)") == ["E401"]


def test_spans_in_a_table_of_no_units() -> None:
    problem = changed(param("P", source="text:6-9"))
    assert not [f for f in validate(problem, text="| P | 1.2 |").findings if f.where == "param P"]


def test_the_knowledge_base_vouches_for_its_figures_only() -> None:
    knowledge = {"symbol.P": Known(figures=((1200.0, "mW"),), low=0.1, high=1.0, unit="W")}
    told = {
        f.code
        for f in check(param("P", kind="kb_default", source="kb:symbol.P"), knowledge=knowledge).findings
    }
    assert told == {"W402", "W403", "W604"}
    missing = check(param("P", source="kb:symbol.Q"), knowledge=knowledge)
    other = check(param("P", values=1.3, source="kb:symbol.P"), knowledge=knowledge)
    assert "E401" in missing.codes
    assert "E401" in other.codes


def test_answers_vouch_for_what_was_said() -> None:
    good = check(param("P", source="answer:1"), answers=["about 1200 milliwatts"])
    assert not [f for f in good.findings if f.where == "param P"]
    assert "E401" in check(param("P", source="answer:1"), answers=["I don't know"]).codes
    assert "E401" in check(param("P", source="answer:2"), answers=["1.2 W"]).codes


def test_a_family_needs_its_constraints() -> None:
    knowledge = {"family.assignment": Known(constraints=(Required(name="one", kind="logic", rel="=="),))}
    assert "E502" not in check(knowledge=knowledge).codes  # another name, the same kind of rule
    assert "E502" in check(without("one_site"), knowledge=knowledge).codes

    def called(d: dict[str, Any]) -> None:
        d["constraints"][0]["kind"] = "capacity"

    assert (
        "E502" not in check(called, knowledge=knowledge).codes
    )  # what one calls logic another calls capacity
    both = (Required(name="one", kind="logic", rel="=="), Required(name="two", kind="energy", rel="=="))
    assert "E502" in check(called, knowledge={"family.assignment": Known(constraints=both)}).codes


def test_cards_become_known() -> None:
    model = Model(
        groups=(),
        requires=(),
        variables=(),
        objective="1",
        constraints=(
            Term(name="one_site", kind="logic", rel="=="),
            Term(name="deadline", kind="latency", rel="<=", needs=("L",)),
        ),
    )
    family = Entry(
        id="family.f", kind="family", title="f", text="f", model=model, source="written for this test"
    )
    formula = Entry(
        id="formula.g", kind="formula", title="g", text="g", expr="0.5*a*v^3", source="written for this test"
    )
    symbol = Symbol(name="PUE", text="overhead", default=1.0, low=1.0, high=3.0)
    known = known_from([family, formula], [symbol], {"zone.FR": (56.0, "gCO2e/kWh")})
    assert [r.name for r in known["family.f"].constraints] == ["one_site"]
    assert known["formula.g"].figures == ((0.5, ""),)
    assert (known["symbol.PUE"].figures, known["symbol.PUE"].high) == (((1.0, "1"),), 3.0)
    assert known["zone.FR"].figures == ((56.0, "gCO2e/kWh"),)


def test_what_only_limits_need_not_be_counted() -> None:
    budget = {
        "name": "budget",
        "kind": "energy",
        "lhs": "sum(j in JOB) x[j,'home']*E[j]",
        "rel": "<=",
        "rhs": "most",
    }
    term = {"name": "most", "unit": "J", "expr": "P*L*100*0 + E[1]"}
    report = check(add("constraints", budget), add("derived", term), put("derived", 1, source="structure"))
    assert "E501" not in report.codes


def test_another_way_to_say_what_is_counted_need_not_be_counted_too() -> None:
    term = {"name": "mean", "forall": "j in JOB", "unit": "W", "expr": "e[j,2]/t_tx[j,2]"}
    assert "E501" not in check(add("derived", term)).codes
    term["expr"] = "e[j,2]/L"  # a figure that the objective does not hold
    assert "E501" in check(add("derived", term)).codes


def test_consumption_under_a_budget_must_be_counted_too() -> None:
    term = {"name": "radio", "forall": "j in JOB", "unit": "J", "expr": "P*D[j]/rate"}
    budget = {
        "name": "budget",
        "kind": "energy",
        "lhs": "sum(j in JOB) radio[j]*x[j,'cloud']",
        "rel": "<=",
        "rhs": "E[1]",
    }
    report = check(add("derived", term), add("constraints", budget))
    assert ("E501", "derived radio") in [(f.code, f.where) for f in report.findings]


BATTERY: dict[str, Any] = {
    "meta": {"id": "battery"},
    "sets": [{"name": "HOUR", "size": 3, "ordered": True}],
    "params": [
        {"name": "load", "index": ["HOUR"], "unit": "kWh", "values": [1, 2, 3], "source": "kb:a"},
        {"name": "CI", "index": ["HOUR"], "unit": "gCO2e/kWh", "values": [100, 300, 500], "source": "kb:b"},
        {"name": "most", "unit": "kWh", "values": 2, "source": "kb:c"},
        {"name": "eta", "values": 0.9, "source": "kb:d"},
    ],
    "variables": [
        {"name": n, "index": ["HOUR"], "domain": "real", "lower": 0, "upper": "most", "unit": "kWh"}
        for n in ("charge", "discharge", "level")
    ]
    + [{"name": "grid", "index": ["HOUR"], "domain": "real", "lower": 0, "upper": "top", "unit": "kWh"}],
    "objective": {"expr": "sum(h in HOUR) grid[h]*CI[h]"},
    "constraints": [
        {
            "name": "balance",
            "kind": "energy",
            "forall": "h in HOUR",
            "lhs": "grid[h] + discharge[h]",
            "rel": ">=",
            "rhs": "load[h] + charge[h]",
        },
        {
            "name": "start",
            "kind": "energy",
            "lhs": "level[1]",
            "rel": "==",
            "rhs": "eta*charge[1] - discharge[1]",
        },
        {
            "name": "next",
            "kind": "energy",
            "forall": "h in HOUR where h > 1",
            "lhs": "level[h]",
            "rel": "==",
            "rhs": "level[h-1] + eta*charge[h] - discharge[h]",
        },
    ],
}
BATTERY["params"].append({"name": "top", "unit": "kWh", "values": 5, "source": "kb:e"})


def test_a_battery_is_opposed_and_its_limits_are_no_losses() -> None:
    report = validate(Problem.model_validate(BATTERY))
    assert report.ok, report.findings


def test_a_battery_without_demand_does_nothing() -> None:
    document = copy.deepcopy(BATTERY)
    del document["constraints"][0]
    report = validate(Problem.model_validate(document))
    assert ("E701", "variable grid") in [(f.code, f.where) for f in report.findings]


def test_a_shift_out_of_its_set_has_no_value() -> None:
    document = copy.deepcopy(BATTERY)
    document["constraints"][2]["forall"] = "h in HOUR"
    report = validate(Problem.model_validate(document))
    assert ("E605", "constraint next") in [(f.code, f.where) for f in report.findings]


@pytest.mark.parametrize(
    ("lower", "upper", "expr", "codes"),
    [
        (0, "top", "v*CI[1]", {"E701"}),
        ("most", "top", "v*CI[1]", set()),  # a floor that somebody asked for
        (0, "top", "(top - v)*CI[1]", set()),  # a ceiling that somebody gave
        (0, 1e12, "(most - v)*CI[1]", {"E702"}),
        (0, "top", "(v*v - v*most)*CI[1]/most", set()),  # pulled both ways
    ],
)
def test_one_variable_and_its_bounds(
    lower: float | str, upper: float | str, expr: str, codes: set[str]
) -> None:
    document = copy.deepcopy(BATTERY)
    document["variables"] = [{"name": "v", "domain": "real", "lower": lower, "upper": upper, "unit": "kWh"}]
    document["constraints"] = []
    document["objective"] = {"expr": expr}
    report = validate(Problem.model_validate(document))
    assert {f.code for f in report.findings if f.code[1] == "7"} == codes
