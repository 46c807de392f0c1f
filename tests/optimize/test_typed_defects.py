"""The three defects of a published model (generative planning, section 1.3): each is caught, the mended one passes."""

from __future__ import annotations

import math
from typing import Any

import pytest

from gramwise.optimize.typed.ranges import Ranges
from gramwise.optimize.typed.record import Problem
from gramwise.optimize.typed.validate import Report, validate

TEXT = (
    "Four users send tasks of 100, 150, 200 and 300 MB at 100 cycles per bit to an edge server on a drone. The mean "
    "loss is 83.1 dB, users send at 23 dBm over 20 MHz against noise of -100 dBm. Its 5 Gcycle/s are shared, the chip "
    "takes 1e-27 J*s^2/cycle^3, and the grid emits 377.3 g/kWh. The slot is 1 s; answers are due within 600 s."
)


def at(*pieces: str) -> list[str]:
    """Sources of pieces that follow each other in the text."""
    found, place = [], 0
    for piece in pieces:
        place = TEXT.index(piece, place)
        found.append(f"text:{place}-{place + len(piece)}")
    return found


def published(rate: str, *, deadline: bool, slot: str = "1 s") -> Problem:
    """The uplink and computing part of the printed model, its rate, deadline and slot as told."""
    params: list[dict[str, Any]] = [
        {
            "name": "D",
            "index": ["USER"],
            "unit": "MB",
            "values": [100, 150, 200, 300],
            "source": at("100", "150", "200", "300"),
        },
        {"name": "C", "unit": "cycle/bit", "values": 100, "source": at("100 cycles")[0]},
        {"name": "loss", "unit": "dB", "values": 83.1, "source": at("83.1 dB")[0]},
        {"name": "P", "unit": "dBm", "values": 23, "source": at("23 dBm")[0]},
        {"name": "B", "unit": "MHz", "values": 20, "source": at("20 MHz")[0]},
        {"name": "N", "unit": "dBm", "values": -100, "source": at("-100 dBm")[0]},
        {"name": "F", "unit": "Gcycle/s", "values": 5, "source": at("5 Gcycle/s")[0]},
        {"name": "eps", "unit": "J*s^2/cycle^3", "values": 1e-27, "source": at("1e-27")[0]},
        {"name": "CI", "unit": "gCO2e/kWh", "values": 377.3, "source": at("377.3 g/kWh")[0]},
        {
            "name": "slot",
            "text": "length of a slot",
            "unit": "s",
            "values": float(slot.split()[0]),
            "source": at(slot)[0],
        },
    ]
    constraints = [
        {"name": "share", "kind": "capacity", "lhs": "sum(u in USER) f[u]", "rel": "<=", "rhs": "F"},
        {"name": "positive", "kind": "other", "forall": "u in USER", "lhs": "f[u]", "rel": ">=", "rhs": "0"},
        {
            "name": "fits",
            "kind": "latency",
            "forall": "u in USER",
            "lhs": "D[u]/R",
            "rel": "<=",
            "rhs": "slot",
        },
    ]
    if deadline:
        params.append({"name": "L", "unit": "s", "values": 600, "source": at("600 s")[0]})
        constraints.append(
            {
                "name": "deadline",
                "kind": "latency",
                "forall": "u in USER",
                "lhs": "t[u]",
                "rel": "<=",
                "rhs": "L",
            }
        )
    return Problem.model_validate(
        {
            "meta": {"id": "published"},
            "sets": [{"name": "USER", "size": 4}],
            "params": params,
            "variables": [
                {
                    "name": "f",
                    "index": ["USER"],
                    "domain": "real",
                    "lower": 0,
                    "upper": "F",
                    "unit": "Gcycle/s",
                }
            ],
            "derived": [
                {"name": "R", "unit": "bit/s", "expr": rate},
                {"name": "t", "forall": "u in USER", "unit": "s", "expr": "D[u]*C/f[u]"},
                {
                    "name": "e",
                    "forall": "u in USER",
                    "unit": "J",
                    "expr": "eps*D[u]*C*f[u]^2 + db_to_linear(P)*D[u]/R",
                },
            ],
            "objective": {"expr": "sum(u in USER) e[u]*CI"},
            "constraints": constraints,
        }
    )


RIGHT = "B*log2(1 + db_to_linear(P - loss - N))"


def check(problem: Problem) -> Report:
    """The validator's report on the text."""
    return validate(problem, text=TEXT)


@pytest.mark.parametrize(
    "rate",
    [
        "B*log2(1 + P/(loss*N))",
        "B*log2(1 + db_to_linear(P)/(loss*db_to_linear(N)))",
        "B*log2(1 + P - loss - N)",
    ],
)
def test_decibels_as_a_factor_are_refused(rate: str) -> None:
    report = check(published(rate, deadline=True, slot="600 s"))
    assert [f.where for f in report.findings if f.code == "E302"] == ["derived R"]
    assert not report.ok


def test_a_clock_without_a_deadline_is_unopposed() -> None:
    report = check(published(RIGHT, deadline=False, slot="600 s"))
    assert [f.where for f in report.findings if f.blocks] == ["variable f"]
    assert [f.code for f in report.findings if f.blocks] == ["E701"]


def test_a_task_longer_than_its_slot_is_reported() -> None:
    report = check(published(RIGHT, deadline=True))
    told = {f.where: f.message for f in report.findings if f.code == "W603"}
    # 300 MB at 100 cycles a bit on the whole server: 2.4e11 cycles at 5e9 a second.
    assert told.keys() == {"derived t", "param L"}
    assert "48 s" in told["derived t"]


def test_all_three_at_once() -> None:
    report = check(published("B*log2(1 + P/(loss*N))", deadline=False))
    assert {"E302", "E701", "W603"} <= set(report.codes)


def test_the_mended_model_passes_and_its_rate_is_right() -> None:
    report = check(published(RIGHT, deadline=True, slot="600 s"))
    assert report.ok, report.findings
    assert "W603" not in report.codes
    assert report.bound is not None
    rate = Ranges(report.bound).derived("R")
    assert rate.lo == rate.hi == pytest.approx(20e6 * math.log2(1 + 10 ** ((23 - 83.1 + 100) / 10)))
    assert float(rate.lo) / 20e6 == pytest.approx(13.3, abs=0.05)  # the figure of section 1.3
