"""Units, dimensions and names: what is understood, what is refused, with which code."""

from __future__ import annotations

from typing import Any

import pytest

from gramwise.optimize.typed.bind import bind
from gramwise.optimize.typed.checks.schema import read_problem
from gramwise.optimize.typed.dimension import infer, kind_of
from gramwise.optimize.typed.findings import Refused
from gramwise.optimize.typed.parse import parse_expression, parse_scope
from gramwise.optimize.typed.record import Problem
from gramwise.optimize.typed.units import SYMBOLS, parse_unit, spell

UNITS = {
    "e": "Wh",
    "P": "W",
    "T": "h",
    "CI": "gCO2e/kWh",
    "m": "kg",
    "D": "MB",
    "B": "MHz",
    "W": "Gcycle",
    "f": "GHz",
    "kap": "J*s^2/cycle^3",
    "L": "dB",
    "level": "dBm",
    "n": "request",
    "share": "percent",
}


def bound_with(expr: str, unit: str = "1", objective: str = "e*CI") -> Any:
    """A problem with a scalar of each unit, one derived term, one variable."""
    problem = Problem.model_validate(
        {
            "meta": {"id": "t"},
            "sets": [{"name": "S", "size": 2}],
            "params": [{"name": n, "unit": u, "values": 1} for n, u in UNITS.items()],
            "variables": [{"name": "x", "index": ["S"], "domain": "binary", "lower": 0, "upper": 1}],
            "derived": [{"name": "d", "expr": expr, "unit": unit}],
            "objective": {"expr": objective},
        }
    )
    bound, findings = bind(problem)
    assert bound is not None, findings
    return bound


@pytest.mark.parametrize(
    ("unit", "factor", "dims"),
    [
        ("gCO2e/kWh", 1 / 3.6e6, "J^-1*gCO2e"),
        ("kgCO2e/MWh", 1e3 / 3.6e9, "J^-1*gCO2e"),
        ("J*s^2/cycle^3", 1.0, "J*s^2*cycle^-3"),
        ("Mbit/s", 1e6, "s^-1*bit"),
        ("MB", 8e6, "bit"),
        ("MiB", 8 * 2.0**20, "bit"),
        ("kWh/(request*d)", 3.6e6 / 86400, "J*s^-1*count^-1"),
        ("min", 60.0, "s"),
        ("TFLOPS/W", 1e12, "J^-1*flop"),
        ("μJ", 1e-6, "J"),
        ("%", 0.01, "1"),
    ],
)
def test_units(unit: str, factor: float, dims: str) -> None:
    read = parse_unit(unit)
    assert read.factor == pytest.approx(factor, rel=1e-12)
    assert spell(read.dims) == dims


@pytest.mark.parametrize(
    "text", ["kwh", "J/", "/J", "J J", "(J", "J)", "J^", "°C", "dB/s", "W*dBm", "MWh^99", "nJ^99", "J" * 61]
)
def test_units_that_are_refused(text: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_unit(text)
    assert refused.value.code in ("E301", "E302")


def test_carbon_is_no_mass() -> None:
    assert not parse_unit("gCO2e").same(parse_unit("g"))


def test_every_symbol_parses_to_itself() -> None:
    for symbol, unit in SYMBOLS.items():
        assert parse_unit(symbol).factor == unit.factor, symbol


@pytest.mark.parametrize(
    ("expr", "unit"),
    [
        ("P*T", "kWh"),
        ("e + P*T + 0", "J"),
        ("D/(B*log2(1 + db_to_linear(L)))", "s"),
        ("B*log2(1 + 2)", "bit/s"),
        ("B*log2(1 + 2)", "Hz"),
        ("W/f", "s"),
        ("kap*W*f^2", "J"),
        ("db_to_linear(level + L - 3 [dB])", "W"),
        ("db_to_linear(level - level)", "1"),
        ("sqrt(P*P)", "W"),
        ("max(P, 2 [kW], 0)", "W"),
        ("e/n", "J/request"),
        ("exp(0 - T/(2 [h]))", "1"),
        ("sum(s in S) x[s]*P", "W"),
        ("share*e^2/e", "Wh"),
        ("n + 2", "job"),
    ],
)
def test_dimensions_that_hold(expr: str, unit: str) -> None:
    assert infer(bound_with(expr, unit)).findings == []


@pytest.mark.parametrize(
    ("expr", "unit", "code"),
    [
        ("P + e", "J", "E301"),
        ("P*T", "W", "E301"),
        ("W/B*T", "s", "E301"),
        ("B*log2(1 + 2)^2", "byte^4/s", "E301"),
        ("exp(T)", "1", "E301"),
        ("ln(P)", "1", "E301"),
        ("max(P, T)", "W", "E301"),
        ("m*1", "gCO2e", "E301"),
        ("P + 1", "W", "E301"),
        ("L*e", "J", "E302"),
        ("P/L", "W", "E302"),
        ("P + L", "W", "E302"),
        ("level + level", "dBm", "E302"),
        ("log2(L)", "1", "E302"),
        ("L^2", "1", "E302"),
        ("db_to_linear(P)", "W", "E302"),
        ("max(level, level)", "dBm", "E302"),
        ("sum(s in S where L > 1) x[s]", "1", "E302"),
        ("1e300 [TWh] * 2", "J", "E103"),
    ],
)
def test_dimensions_that_do_not(expr: str, unit: str, code: str) -> None:
    assert [f.code for f in infer(bound_with(expr, unit)).findings] == [code]


def test_an_objective_is_carbon() -> None:
    assert [f.code for f in infer(bound_with("1", objective="e")).findings] == ["E303"]
    assert [f.code for f in infer(bound_with("1", objective="e*CI + m")).findings] == ["E301"]
    assert infer(bound_with("1", objective="e*CI*n")).findings == []


def test_kind_of_a_tree() -> None:
    bound = bound_with("1")
    assert str(kind_of(parse_expression("P*T*CI"), bound, {})) == "gCO2e"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"objective": {"expr": "e*"}}, "E201"),
        ({"objective": {"expr": "sum(j in NO) e"}}, "E202"),
        ({"objective": {"expr": "ee*CI"}}, "E202"),
        ({"objective": {"expr": "x[1]*e[1]"}}, "E204"),
        ({"objective": {"expr": "x[3]*e"}}, "E204"),
        ({"objective": {"expr": "sum(s in S) x[s-1]*e"}}, "E204"),
        ({"objective": {"expr": "pwl(x[1], e, CI)"}}, "E204"),
        ({"objective": {"expr": "e*(2 [furlong])"}}, "E301"),
        ({"derived": [{"name": "a", "expr": "b"}, {"name": "b", "expr": "a"}]}, "E203"),
        ({"sets": [{"name": "S", "size": 2, "labels": ["a", "b"]}]}, "E101"),
        ({"sets": [{"name": "S", "size": 20_000}]}, "E103"),
        (
            {
                "sets": [{"name": "S", "size": 10_000}],
                "params": [{"name": "e", "index": ["S"] * 5, "values": 1}],
            },
            "E103",
        ),
        ({"params": [{"name": "e", "unit": "TWh", "values": 1e300}]}, "E103"),
        ({"params": [{"name": "e", "values": [1, 2, 3], "index": ["S"]}]}, "E204"),
        ({"variables": [{"name": "x", "domain": "binary", "lower": 0}]}, "E102"),
        ({"variables": [{"name": "x", "domain": "binary", "lower": 0, "upper": 2}]}, "E102"),
        ({"variables": [{"name": "x", "domain": "real", "lower": 0, "upper": "no"}]}, "E202"),
        ({"variables": [{"name": "x", "index": ["NO"], "domain": "binary", "lower": 0, "upper": 1}]}, "E202"),
        ({"extra": 1}, "E101"),
        ({"params": [{"name": "e", "values": [[[[1]]]]}]}, "E101"),
        ({"params": [{"name": "e", "values": 10**400}]}, "E101"),
    ],
)
def test_faults_of_a_document(change: dict[str, Any], code: str) -> None:
    document = {
        "meta": {"id": "t"},
        "sets": [{"name": "S", "size": 2}],
        "params": [{"name": "e", "unit": "J", "values": 1}, {"name": "CI", "unit": "gCO2e/J", "values": 1}],
        "variables": [{"name": "x", "index": ["S"], "domain": "binary", "lower": 0, "upper": 1}],
        "objective": {"expr": "x[1]*e*CI"},
    }
    problem, findings = read_problem({**document, **change})
    if problem is not None:
        bound, findings = bind(problem)
        assert bound is None
    assert code in [f.code for f in findings], findings


def test_a_broken_text_is_no_document() -> None:
    for text in ("", "{", "[" * 10_000, "\x00", "<html>", '{"meta": ' + "9" * 5000 + "}"):
        problem, findings = read_problem(text)
        assert problem is None
        assert {f.code for f in findings} <= {"E101", "E103"}


@pytest.mark.parametrize(
    "text",
    [
        "(" * 17 + "x" + ")" * 17,
        "-" * 65 + "x",
        "x + " * 400 + "x",
        "9" * 41,
        "1e999",
        "x^9",
        "x^y",
        "f(x)",
        "x.y",
        "a b",
        "x[",
        "1 [s",
    ],
)
def test_expressions_that_are_refused(text: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_expression(text)
    assert refused.value.code == "E201"


def test_scopes_have_an_end() -> None:
    with pytest.raises(Refused):
        parse_scope(", ".join(f"b{i} in S" for i in range(9)))
    assert parse_scope("  ").binders == ()


def test_thousands_of_faults_are_told_in_time() -> None:
    document = {
        "meta": {"id": "t"},
        "params": [{"name": f"p{i}", "unit": f"q{i}", "values": 1} for i in range(1900)],
        "objective": {"expr": "1"},
    }
    bound, findings = bind(Problem.model_validate(document))
    assert bound is None
    assert len(findings) == 100
