"""What stands beside a bill in words: counts that can be read, what never comes, and that unknown stays unknown."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from gramwise.core.quantity import Quantity
from gramwise.report.footprint_answers import answers, cells, whole

GRAMS = asdict(
    Quantity(
        value=200.0, low=100.0, high=400.0, unit="g", method="modelled", boundary="site", source="made up"
    )
)
EVEN = {
    "inferences": 57_754_321.0,
    "low": 4.1e7,
    "high": None,
    "at": "2026-05-20T00:00:00+00:00",
    "low_at": "2026-04-11T00:00:00+00:00",
    "high_at": None,
    "development_g": 13_800.0,
    "running_g": 2.39e-4,
}


@pytest.mark.parametrize(
    ("count", "text"),
    [(0.0, "0"), (12.5, "12.5"), (9999.0, "9999"), (57_754_321.0, "57 750 000"), (99_999.0, "100 000")],
)
def test_counts_are_read_in_groups_of_three(count: float, text: str) -> None:
    assert whole(count).replace("\N{NO-BREAK SPACE}", " ") == text


def test_counts_without_end_are_powers_of_ten() -> None:
    assert whole(3.2e17) == "3.2×10¹⁷"


def test_a_break_even_that_may_never_come_says_so() -> None:
    (answer,) = answers({"break_even": EVEN, "functional_unit": "inference"})
    rows = {row[0]: row[1] for row in answer.rows}
    assert rows["making the model, once"] == "13.8 kg"
    assert str(rows["inferences until then"]).endswith(" to never]")
    assert rows["on"] == "2026-05-20 [2026-04-11 to never]"
    never = EVEN | {"inferences": None, "at": None}
    (answer,) = answers({"break_even": never, "functional_unit": "inference"})
    assert {row[0]: row[1] for row in answer.rows}["on"] == "never"


def test_a_renewal_shows_both_ways_and_how_sure_it_is() -> None:
    year = 365.25 * 86400.0
    each = {
        "name": "a newer box",
        "horizon_s": 4 * year,
        "payback": {"value_s": None, "low_s": None, "high_s": None, "never_frac": 0.97},
        "comparison": {"keep": GRAMS, "replace": GRAMS, "replace_lower_frac": 0.03},
    }
    (answer,) = answers({"renewal": [each]})
    assert answer.rows[0][:3] == ("a newer box", "never", "97.0 %")
    assert answer.rows[0][3] == "200.0 g [100.0 to 400.0]"
    assert "keep, 4 years" in answer.columns


def test_nothing_asked_gives_no_answer_and_unknown_is_no_number() -> None:
    assert list(answers({"scores": [], "break_even": None, "renewal": [], "ecal": None})) == []
    assert list(cells(("x", None))) == ["x", "unknown"]
