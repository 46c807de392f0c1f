"""Numbers, units, limits and what is no number: one table of sentences, each with its figures."""

from __future__ import annotations

import pytest

from gramwise.optimize.typed.units import parse_unit
from gramwise.optimize.words.reading import read

# sentence | value unit, value unit, ...   ("-" for a bare number)
NUMBERS = """
CI of 450 gCO2e/kWh, kappa = 1e-27 J s^2/cycle^3 | 450 gCO2e/kWh, 1e-27 J*s^2/cycle^3
the Frankfurt rack emits 350 grams per kilowatt hour | 350 gCO2e/kWh
each invoice scan takes 0.8 kWh | 0.8 kWh
the tablet sips three watts for twenty minutes | 3 W, 20 min
2,000 W and 2 000 W and 1.5e3 J | 2000 W, 2000 W, 1500 J
3.2×10^9 cycles | 3.2e9 cycle
10⁹ cycles/s | 1e9 cycle/s
half a kWh | 0.5 kWh
1/2 kWh | 0.5 kWh
twenty-five W | 25 W
two and a half hours | 2.5 h
two hundred and fifty g/kWh | 250 gCO2e/kWh
a quarter of an hour | 0.25 h
20 % of it | 20 percent
3 percentage points | 3 percent
450 grams of CO2 per kilowatt-hour | 450 gCO2e/kWh
450 g of CO₂ per kWh | 450 gCO2e/kWh
3 kg CO2e | 3 kgCO2e
0.12 t CO2e/MWh | 0.12 tCO2e/MWh
0.3 kilograms of carbon dioxide equivalent per kWh | 0.3 kgCO2e/kWh
40 grams of sugar | 40 g
3 million cycles | 3e6 cycle
a speed of 5 Mcycles/s | 5 Mcycle/s
it needs 4 GFLOPs per inference | 4 GFLOP/inference
it needs 4 GFLOPS per inference | 4 GFLOP/inference
the board delivers 500 GFLOPS | 500 GFLOPS
40 TOPS | 40 TOPS
10 Mbit/s and 3 megabytes per second | 10 Mbit/s, 3 MB/s
24 megabits | 24 Mbit
0.2 mJ/image | 0.2 mJ/image
5 J per inference | 5 J/inference
2 g of CO2 per 1,000 requests | 0.002 gCO2e/request
30 requests a second | 30 request/s
12 times a day | 12 1/day
3 kWh a day | 3 kWh/day
€0.30 per kWh | 0.3 EUR/kWh
noise of -100 dBm | -100 dBm
a clock of 1.5 GHz | 1.5 GHz
900 g for every kilowatt-hour | 900 gCO2e/kWh
0,8 kWh | 0.8 kWh
a 10-minute job | 10 min
at 5 foo/s | 5 ?foo/s
it draws 12 blorps | 12 ?blorps
Transfer costs 12 furlongs per GB | 12 ?furlong/GB
23 degrees | 23 ?°C
120, 300 and 450 g/kWh | 120 gCO2e/kWh, 300 gCO2e/kWh, 450 gCO2e/kWh
3 and 5 watts respectively | 3 W, 5 W
10 to 20 W | 10 W, 20 W
between 3 and 5 s | 3 s, 5 s
power (30 W / 8 W) | 30 W, 8 W
a PUE of 1.3 | 1.3 -
"""


def rows(table: str) -> list[tuple[str, list[tuple[float, str]]]]:
    """Sentence and expected figures of each line."""
    made = []
    for line in table.strip().splitlines():
        sentence, _, expected = line.rpartition(" | ")
        pairs = [item.strip().split(" ") for item in expected.split(",")]
        made.append((sentence, [(float(value), "" if unit == "-" else unit) for value, unit in pairs]))
    return made


@pytest.mark.parametrize(
    ("sentence", "expected"), rows(NUMBERS), ids=lambda x: x[:40] if isinstance(x, str) else ""
)
def test_number_and_unit(sentence: str, expected: list[tuple[float, str]]) -> None:
    figures = read(sentence).figures
    assert [f.unit for f in figures] == [unit for _, unit in expected]
    assert [f.value for f in figures] == pytest.approx([value for value, _ in expected], rel=1e-12)
    for figure in figures:
        assert figure.end > figure.start
        if not figure.unit.startswith("?"):
            parse_unit(figure.unit)


@pytest.mark.parametrize(
    "sentence",
    [
        "YOLOv8 and ResNet-50 run on a Raspberry Pi 4 in int8 and fp16 over 5G with H.264.",
        "See phase 2 of version 3.1.4 in section 7.",
        "It was bought in 2019 and replaced on 2024-03-01.",
        "The review is due on 12 March 2025.",
        "1. Read the letters\n2. Write the answer",
        "One of them is green, and no one knows which one.",
        "Look at https://example.org/v2/450 for more.",
        "It is there 24/7.",
        "He finished 3rd.",
    ],
)
def test_names_markers_and_dates_are_no_quantities(sentence: str) -> None:
    assert read(sentence).figures == ()


@pytest.mark.parametrize(
    ("sentence", "relation"),
    [
        ("It takes at most 2 s.", "at_most"),
        ("It takes no more than 2 s.", "at_most"),
        ("An answer within 2 s.", "at_most"),
        ("The latency must not exceed 2 s.", "at_most"),
        ("No image may take longer than 2 s.", "at_most"),
        ("It stays under 2 s.", "at_most"),
        ("The deadline is 2 s.", "at_most"),
        ("It takes 2 s or less.", "at_most"),
        ("A maximum of 2 s.", "at_most"),
        ("It cannot be more than 2 s.", "at_most"),
        ("It takes at least 2 s.", "at_least"),
        ("It takes no less than 2 s.", "at_least"),
        ("It never falls below 2 s.", "at_least"),
        ("A minimum of 2 s.", "at_least"),
        ("It takes 2 s or more.", "at_least"),
        ("It takes about 2 s.", "about"),
        ("It takes 2 s.", "is"),
        ("It works over 2 days.", "is"),
        ("It must be done by 6 am.", "at_most"),
        ("It cannot start before 10 pm.", "at_least"),
        ("It may start from 22:00.", "at_least"),
        ("It must be finished by the end of hour 8.", "at_most"),
        ("It does only one job at a time.", "at_most"),
    ],
)
def test_limit_words(sentence: str, relation: str) -> None:
    assert [f.relation for f in read(sentence).figures] == [relation]


def test_times_of_day_are_hours_with_a_flag() -> None:
    figures = read("From 22:00 to 06:00, at 9 am or in hour 3; it lasts 2 hours.").figures
    assert [(f.value, f.unit, f.clock) for f in figures] == [
        (22, "h", True),
        (6, "h", True),
        (9, "h", True),
        (3, "h", True),
        (2, "h", False),
    ]


@pytest.mark.parametrize(
    ("sentence", "noun", "value"),
    [
        ("6 camera jobs run tonight.", "job", 6),
        ("We have a dozen jobs.", "job", 12),
        ("There are four identical cameras.", "camera", 4),
        ("It serves 5000 visitors.", "visitor", 5000),
        ("The three retraining runs start.", "run", 3),
    ],
)
def test_what_a_bare_number_counts(sentence: str, noun: str, value: float) -> None:
    (figure,) = read(sentence).figures
    assert (figure.noun, figure.value, figure.unit) == (noun, value, "")


def test_each_and_denial() -> None:
    figures = read("Each job needs 300 Mcycles. The second takes 5 W apiece. It does not use 7 W.").figures
    assert [f.each for f in figures] == [True, True, False]
    assert [f.negated for f in figures] == [False, False, True]


def test_span_holds_the_unit_and_points_into_the_text_as_given() -> None:
    text = "Das – “grid” – emits 450 g CO₂ per kWh."
    (figure,) = read(text).figures
    assert text[figure.start : figure.end] == "450 g CO₂ per kWh"


def test_grams_said_again_are_per_the_same_thing() -> None:
    figures = read("Berta's power makes 15 grams of CO2 per kilowatt-hour. Clara's makes 240 grams.").figures
    assert [f.unit for f in figures] == ["gCO2e/kWh", "gCO2e/kWh"]
