"""What a passage of text can vouch for: digits, words, clock times, units behind numbers, and what it cannot."""

from __future__ import annotations

import re
import time

import pytest

from gramwise.optimize.typed.stated import mentioned, stated, within
from gramwise.optimize.typed.stated_tables import cells
from gramwise.optimize.typed.stated_words import word_numbers
from gramwise.optimize.typed.units import parse_unit
from gramwise.optimize.typed.vouch import Verdict, clean_factor, vouches


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
        ("a minute and a half", 1.5, "min"),
        ("two hours and a quarter", 2.25, "h"),
        ("20 Wh per 100 MB", 0.2, "Wh/MB"),
        ("3 J for every ten requests", 0.3, "J/request"),
        ("until four in the afternoon", 16, "h"),
        ("at ten at night", 22, "h"),
        ("at two at night", 2, "h"),
        ("2 h, 180 min and 3600 s", 10800, "s"),
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
        ("20 Wh per 100 MB", 0.2, "Wh/GB", "unit"),
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


PIECES = (
    "1 000 ",
    "two and ",
    "1,",
    "- ",
    "9" * 30 + " ",
    "per ",
    "a ",
    "a,1,\n",
    "| 1 ",
    "|-",
    "2 h ",
    "1 W per ",
    "a and ",
    " ",
)


@pytest.mark.parametrize("piece", PIECES)
def test_long_texts_take_linear_time(piece: str) -> None:
    # 32 times the text takes 32 times as long where reading is linear and 1000 times where it is quadratic. CPU time is
    # never too short by noise, and one quiet repeat in eight is enough.
    short = min(cpu_s(piece * 150) for _ in range(8))
    assert any(cpu_s(piece * 4800) < 180 * short for _ in range(8))


def cpu_s(text: str) -> float:
    """CPU seconds of reading a text afresh."""
    stated.cache_clear()
    begun = time.process_time()
    stated(text)
    return time.process_time() - begun


def test_the_rest_of_a_unit_is_that_of_its_neighbour() -> None:
    text = "The mill's grid has 0.06 kg CO2 per kilowatt-hour, the barn's 310 grams."
    number = next(n for n in stated(text) if 310.0 in n.values)
    assert vouches(number, 310.0, parse_unit("gCO2e/kWh"), mentioned(text)) == "holds"
    assert vouches(number, 311.0, parse_unit("gCO2e/kWh"), mentioned(text)) != "holds"
    assert vouches(number, 0.31, parse_unit("gCO2e/kWh"), mentioned(text)) != "holds"


@pytest.mark.parametrize(
    ("text", "number", "value", "unit"),
    [
        ("job,power (W),time (min)\na,40,60\nb,55,90", "40", 40, "W"),
        ("job,power (W),time (min)\na,40,60\nb,55,90", "60", 3600, "s"),
        ("sites:\n  - id: lyon\n    energy_wh_per_run: 2.5  # measured\n    runs: 40", "2.5", 2.5, "Wh"),
        ("Sending costs the camera 0.9 µJ per transferred bit.", "0.9", 0.9e-6, "J/bit"),
        (
            "region,grid_g_per_kwh,pue,max_share_percent\nlulea,20,1.1,25\nlinz,90,1.3,45",
            "90",
            90,
            "gCO2e/kWh",
        ),
        ("region,grid_g_per_kwh,pue,max_share_percent\nlulea,20,1.1,25\nlinz,90,1.3,45", "1.1", 1.1, "1"),
        ("region,grid_g_per_kwh,pue,max_share_percent\nlulea,20,1.1,25\nlinz,90,1.3,45", "45", 0.45, "1"),
        ("model,energy_J_per_frame,power_w\nnano,0.9,8\nsmall,2.1,14", "0.9", 0.9, "J/frame"),
        ("model,energy_J_per_frame,power_w\nnano,0.9,8\nsmall,2.1,14", "14", 14, "W"),
        ("| site | CI gCO2e/kWh | energy |\n|---|---|---|\n| a | 300 | 7 kJ |", "300", 300, "gCO2e/kWh"),
        ("| site | CI gCO2e/kWh | energy |\n|---|---|---|\n| a | 300 | 7 kJ |", "7", 7000, "J"),
        ("hour;0;1;2\nCI [g/kWh];310;280;90", "280", 280, "gCO2e/kWh"),
        ("quantity\tunit\ta\tb\nenergy\tkWh\t3\t5", "5", 5, "kWh"),
    ],
)
def test_headings_of_tables_say_the_unit(text: str, number: str, value: float, unit: str) -> None:
    start = re.search(rf"\b{re.escape(number)}\b", text)
    assert start is not None
    numbers = within(text, *start.span())
    assert {vouches(n, value, parse_unit(unit), mentioned(text)) for n in numbers} == {"holds"}
    symbol = {"gCO2e/kWh": "gCO2e/J", "kWh": "Wh", "J": "kJ", "W": "kW", "s": "h", "J/frame": "kJ/frame"}.get(
        unit
    )
    if symbol is not None:
        wrong = {vouches(n, value, parse_unit(symbol), mentioned(text)) for n in numbers}
        assert not wrong & {"holds", "factor"}


@pytest.mark.parametrize(
    "text",
    [
        "300 grams in the first year, 250 in the second, and\n150 in the fourth, counting both, so",
        "- Leeds: 25 minutes at 60 W, 4,000 receipts\n- York: 40 minutes at 45 W, 5,500 receipts",
        "- demand: 1.5 kWh, 3 kWh, 3 kWh\n- carbon: 0.15, 0.38, 0.42 kg CO2 per kWh",
    ],
)
def test_prose_with_commas_is_no_table(text: str) -> None:
    assert list(cells(text)) == []


def test_a_rest_that_is_left_out_is_a_unit_that_the_text_names() -> None:
    text = "A kilowatt-hour makes 350 grams of CO2 here and 90 there."
    number = next(n for n in stated(text) if 350.0 in n.values)
    verdicts = [vouches(number, 350.0, parse_unit(u), mentioned(text)) for u in ("gCO2e/kWh", "gCO2e/kJ")]
    assert verdicts == ["holds", "unit"]
