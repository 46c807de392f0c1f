"""Units, percentages and the sentences of a report."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gramwise.report.document import Balance, parse_summary
from gramwise.report.wording import (
    balance_sentence,
    bounds_sentence,
    caps_sentence,
    percent,
    printable,
    quantity,
    scale,
    shares,
)

# Down to a few pico and up to a few hundred giga: beyond that the prefixes end.
SIZES = st.floats(min_value=2e-12, max_value=9e11)


@given(SIZES)
def test_a_number_alone_is_shown_to_three_digits(value: float) -> None:
    fit = scale([value], "J")
    shown = fit.show(value)
    assert shown is not None
    assert float(shown) * 10.0**fit.power == pytest.approx(value, rel=0.0051)
    assert 0.999 <= float(shown) <= 1000


@given(st.lists(SIZES, min_size=1, max_size=8))
def test_one_scale_serves_a_column_and_keeps_its_order(values: list[float]) -> None:
    fit = scale(values, "g")
    shown = [float(fit.show(value) or "nan") for value in sorted(values)]
    assert shown == sorted(shown)
    assert all(text >= 0 for text in shown)


def test_unknown_is_said_and_zero_is_zero() -> None:
    assert quantity(None, "J") == "unknown"
    assert quantity(0.0, "J") == "0 J"
    assert quantity(8e-7, "g") == "800 ng"
    assert scale([None, 0.5], "s").show(None) is None
    assert percent(None) is None


def test_percent_rounds_without_a_minus_zero() -> None:
    assert percent(-0.0001, signed=True) == "0.0"
    assert percent(0.28, signed=True) == "+28.0"
    assert percent(-12.34) == "-1234"


def test_names_cannot_steer_a_terminal() -> None:
    assert "\x1b" not in printable("a\x1b[31mb\n")


def test_the_balance_adds_up_in_words() -> None:
    balance = Balance(attributed_j=12.3, idle_j=40.1, overhead_j=0.9, metered_j=53.2)
    assert balance_sentence(balance, None, 0.996) == (
        "Energy: attributed 12.3 J + idle 40.1 J + overhead 0.9 J = 53.3 J against metered 53.2 J "
        "(closes to 100.2 %; without idle 99.6 %)"
    )
    unknown = balance_sentence(
        Balance(attributed_j=12.3, idle_j=None, overhead_j=0.9, metered_j=53.2), None, None
    )
    assert unknown == (
        "Energy: attributed 12.3 J + idle unknown + overhead 0.9 J = unknown against metered 53.2 J (closure unknown)"
    )


def test_bounds_share_a_unit_and_say_what_is_unknown(document: dict[str, Any]) -> None:
    document["bounds"] = {"b0_g_per_inference": 7.9e-7, "b0_variants_g_per_inference": 2e-7}
    assert bounds_sentence(parse_summary(document)) == (
        "Limit per inference: B0 790 ng (each request at its own best node), B1 unknown (LP, with the nodes' "
        "capacity); with other variants of the model allowed, B0 200 ng, B1 unknown."
    )


def test_virtual_caps_are_said() -> None:
    assert "not enforced" in caps_sentence("virtual")
    assert "enforced by the kernel (cgroup-v2)" in caps_sentence("cgroup-v2")
    assert "unknown" in caps_sentence(None)


def test_many_shares_are_shortened_and_still_add_up() -> None:
    assert shares({"b": 0.25, "a": 0.75, "c": 0.0}, ["a", "b"]) == "a 75, b 25"
    assert shares({"a": 0.1, "b": 0.4, "c": 0.3, "d": 0.15, "e": 0.05}) == "b 40, c 30, d 15, 2 others 15"
    assert shares(None) is None
