"""Quantities: order, source, finiteness, and intervals that come from evaluating one function."""

from __future__ import annotations

import dataclasses
import math

import pytest

from gramwise.core.quantity import Boundary, Method, Quantity, evaluate, weakest
from gramwise.core.units import carbon_g


def quantity(
    value: float, low: float, high: float, method: Method = "measured", source: str = "a test"
) -> Quantity:
    boundary: Boundary = "board"
    return Quantity(
        value=value, low=low, high=high, unit="J", method=method, boundary=boundary, source=source
    )


def test_value_lies_inside_its_interval() -> None:
    assert quantity(2.0, 1.0, 4.0).value == 2.0
    assert quantity(2.0, 2.0, 2.0).low == 2.0


@pytest.mark.parametrize(("value", "low", "high"), [(2.0, 3.0, 4.0), (2.0, 1.0, 1.5), (2.0, 4.0, 1.0)])
def test_an_interval_out_of_order_is_refused(value: float, low: float, high: float) -> None:
    with pytest.raises(ValueError, match="out of order"):
        quantity(value, low, high)


@pytest.mark.parametrize("source", ["", "  \n"])
def test_no_source_no_quantity(source: str) -> None:
    with pytest.raises(ValueError, match="without a source"):
        quantity(1.0, 1.0, 1.0, source=source)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_quantity_is_finite(bad: float) -> None:
    with pytest.raises(ValueError):
        quantity(bad, bad, bad)
    with pytest.raises(ValueError):
        quantity(1.0, 1.0, math.inf)


def test_the_method_is_one_of_three() -> None:
    with pytest.raises(ValueError, match="measured, modelled or assumed"):
        quantity(1.0, 1.0, 1.0, method="guessed")  # type: ignore[arg-type]


def test_a_quantity_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        quantity(1.0, 1.0, 1.0).value = 2.0  # type: ignore[misc]


def test_its_text_names_interval_and_method() -> None:
    assert str(quantity(2.0, 1.0, 4.0, "modelled")) == "2 J [1 to 4] modelled"


def test_the_least_sure_factor_decides() -> None:
    assert weakest("measured", "modelled") == "modelled"
    assert weakest("measured", "assumed", "modelled") == "assumed"
    assert weakest("measured", "measured") == "measured"


def test_evaluate_takes_the_function_at_values_lows_and_highs() -> None:
    energy, intensity = quantity(3.6e6, 1.8e6, 7.2e6), quantity(500.0, 400.0, 600.0, "assumed")
    grams = evaluate(
        lambda energy_j, intensity_g_per_kwh: carbon_g(energy_j, intensity_g_per_kwh),
        unit="g",
        boundary="site",
        source="a test",
        energy_j=energy,
        intensity_g_per_kwh=intensity,
    )
    assert (grams.value, grams.low, grams.high) == pytest.approx((500.0, 200.0, 1200.0))
    assert (grams.unit, grams.method, grams.boundary) == ("g", "assumed", "site")


def test_plain_numbers_are_exact_factors() -> None:
    doubled = evaluate(
        lambda x, times: x * times,
        unit="J",
        boundary="board",
        source="a test",
        x=quantity(2.0, 1.0, 4.0),
        times=2.0,
    )
    assert (doubled.low, doubled.value, doubled.high, doubled.method) == (2.0, 4.0, 8.0, "measured")


def test_without_any_quantity_a_result_is_assumed() -> None:
    assert evaluate(lambda x: x, unit="J", boundary="board", source="a test", x=1.0).method == "assumed"


def test_a_function_that_decreases_is_found_out_by_its_interval() -> None:
    with pytest.raises(ValueError, match="out of order"):
        evaluate(lambda x: -x, unit="J", boundary="board", source="a test", x=quantity(2.0, 1.0, 4.0))
