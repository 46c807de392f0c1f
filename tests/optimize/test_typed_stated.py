"""What a passage of text can vouch for: digits, words, clock times, units behind numbers, and what it cannot."""

from __future__ import annotations

import pytest

from gramwise.optimize.typed.stated import Verdict, clean_factor, mentioned, stated, vouches, within
from gramwise.optimize.typed.stated_words import word_numbers
from gramwise.optimize.typed.units import parse_unit


def verdict(text: str, value: float, unit: str) -> str:
    """The best that a text says of a number."""
    order: list[Verdict] = ["holds", "factor", "unit", "no"]
    found: set[Verdict] = {vouches(n, value, parse_unit(unit)) for n in stated(text)} or {"no"}
    return next(v for v in order if v in found)


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("450 g/kWh", 450, "gCO2e/kWh"),
        ("0.45 kg of CO2 per kilowatt-hour", 450, "gCO2e/kWh"),
        ("0.1 kilograms of CO2 per\nkilowatt-hour", 100, "gCO2e/kWh"),
        ("0.07 t/MWh", 70, "gCO2e/kWh"),
        ("450 grams a kilowatt hour", 450, "gCO2e/kWh"),
        ("250 g for Spain", 250, "gCO2e/kWh"),
        ("2,000 requests", 2000, "request"),
        ("2.000 requests", 2000, "request"),
        ("11 800 requests", 11800, "request"),
        ("4 thousand samples", 4000, "sample"),
        ("1.5e3 J", 1500, "J"),
        ("3 x 10^-27", 3e-27, "J*s^2/cycle^3"),
        ("10^6 samples", 1e6, "sample"),
        ("20 %", 0.2, "1"),
        ("20 per cent", 20, "percent"),
        ("six jobs", 6, "job"),
        ("half a dozen jobs", 6, "job"),
        ("a dozen jobs", 12, "job"),
        ("two hundred and fifty images", 250, "image"),
        ("twenty-five watts", 25, "W"),
        ("nine tenths of what goes in", 0.9, "1"),
        ("one and a half hours", 90, "min"),
        ("half an hour", 1800, "s"),
        ("2 ½ h", 2.5, "h"),
        ("three quarters of the load", 0.75, "1"),
        ("a third of it", 1 / 3, "1"),
        ("2 h 30 min", 2.5, "h"),
        ("an hour", 3600, "s"),
        ("the hourly forecast", 1, "h"),
        ("from 22:00 on", 22, "1"),
        ("from 22:00 on", 23, "1"),
        ("at 6 pm", 18, "1"),
        ("300, 280 and 120 g/kWh", 280, "gCO2e/kWh"),
        ("2.5 GHz", 2.5, "Gcycle/s"),
        ("100 Mbit per second", 100, "Mbit/s"),
        ("12 MB/s", 96, "Mbit/s"),
        ("-3 dB", -3, "dB"),
        ("23 dBm", 23, "dBm"),
        ("no idle power", 0, "W"),
        ("1,200 requests an hour", 1200, "request"),
        ("40 kWh", 144, "MJ"),
        ("3 hours", 3, "slot"),
        ("5 TOPS", 5e12, "flop/s"),
    ],
)
def test_holds(text: str, value: float, unit: str) -> None:
    assert verdict(text, value, unit) == "holds"


@pytest.mark.parametrize(
    ("text", "value", "unit", "expected"),
    [
        ("40 Wh", 40, "J", "unit"),
        ("40 kWh", 40, "Wh", "unit"),
        ("2 h", 2, "s", "unit"),
        ("2 h", 2, "W", "unit"),
        ("12 MB", 12, "Mbit", "unit"),
        ("450 g/kWh", 450, "gCO2e/J", "unit"),
        ("3 dB", 3, "1", "unit"),
        ("23 dBm", 23, "dB", "unit"),
        ("3 GHz", 3, "cycle/s", "unit"),
        ("0.45 in the table", 450, "gCO2e/kWh", "factor"),
        ("40 in the table", 41, "Wh", "no"),
        ("no number", 7, "1", "no"),
        ("", 1, "1", "no"),
        ("bs1 and CO2", 2, "1", "no"),
    ],
)
def test_does_not_hold(text: str, value: float, unit: str, expected: str) -> None:
    assert verdict(text, value, unit) == expected


def test_a_span_holds_what_begins_in_it() -> None:
    text = "The 1200 jobs need nine tenths of 40 Wh each."
    assert [n.values for n in within(text, 4, 8)] == [(1200.0,)]
    assert within(text, 4, 6) == []  # a part of the digits is another number
    assert 0.9 in within(text, 19, 23)[0].values
    assert [n.values for n in within(text, 34, 36)] == [(40.0,)]


@pytest.mark.parametrize(
    ("ratio", "factor"),
    [(3600, 3600), (1 / 3.6e6, 3.6e6), (1000, 1000), (8, 8), (1024, 1024), (7, None), (1, None), (0, None)],
)
def test_clean_factors(ratio: float, factor: float | None) -> None:
    found = clean_factor(ratio)
    assert found is None if factor is None else found == pytest.approx(factor)


def test_words() -> None:
    found = {
        text: next(iter(word_numbers(text))).values
        for text in ("seventeen", "three hundred", "two thousand and six")
    }
    assert found == {
        "seventeen": (17.0,),
        "three hundred": (3.0, 300.0),
        "two thousand and six": (2.0, 6.0, 2006.0),
    }


def test_long_texts_take_linear_time() -> None:
    import time

    def seconds(text: str) -> float:
        start = time.process_time()
        stated(text)
        return time.process_time() - start

    for piece in ("1 000 ", "two and ", "1,", "- ", "9" * 30 + " ", "per ", "a "):
        short = seconds(piece * 400)
        assert seconds(piece * 3200) < 40 * max(short, 2e-3), piece


def test_the_rest_of_a_unit_is_that_of_its_neighbour() -> None:
    text = "The mill's grid has 0.06 kg CO2 per kilowatt-hour, the barn's 310 grams."
    number = next(n for n in stated(text) if 310.0 in n.values)
    assert vouches(number, 310.0, parse_unit("gCO2e/kWh"), mentioned(text)) == "holds"
    assert vouches(number, 311.0, parse_unit("gCO2e/kWh"), mentioned(text)) != "holds"
    assert vouches(number, 0.31, parse_unit("gCO2e/kWh"), mentioned(text)) != "holds"
