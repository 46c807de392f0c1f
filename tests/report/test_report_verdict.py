"""Which policy is called the best, and how that is said."""

from __future__ import annotations

from typing import Any

import pytest

from gramwise.report.document import Summary, parse_summary
from gramwise.report.verdict import best_at_equal_work, headline, near_best


def edited(document: dict[str, Any], name: str, **changes: Any) -> Summary:
    next(row for row in document["policies"] if row["name"] == name).update(changes)
    return parse_summary(document)


def test_the_headline_names_change_interval_baseline_and_ties(document: dict[str, Any]) -> None:
    assert headline(parse_summary(document)) == (
        "greenest-zone emitted 45.1 % less CO2e per inference than monolithic on essen "
        "(95 % interval 43.1 to 47.1 % less), at equal work, and captured 100.0 % of the saving that the LP bound "
        "B1 allows. Not told apart from it (95 % intervals overlap): carbonedge-green-corrected, grams."
    )


def best(summary: Summary) -> str | None:
    row = best_at_equal_work(summary)
    return row.name if row else None


@pytest.mark.parametrize(
    "lesser",
    [{"completed": 59}, {"late": 1}, {"accuracy_frac": 0.974}, {"accuracy_frac": None}, {"late": None}],
)
def test_less_work_is_no_saving(document: dict[str, Any], lesser: dict[str, Any]) -> None:
    assert best(edited(document, "greenest-zone", **lesser)) == "carbonedge-green-corrected"


def test_one_point_of_accuracy_is_equal_work(document: dict[str, Any]) -> None:
    assert best(edited(document, "grams", accuracy_frac=0.976, carbon_g_per_inference=1e-8)) == "grams"


def test_unknown_carbon_is_never_the_best(document: dict[str, Any]) -> None:
    for row in document["policies"]:
        row["carbon_g_per_inference"] = None
    summary = parse_summary(document)
    assert best(summary) is None
    assert near_best(summary) == ()
    assert "none can be called the best" in headline(summary)


def test_an_interval_that_holds_zero_is_said(document: dict[str, Any]) -> None:
    changes = {
        "carbon_g_per_inference": 1e-8,
        "change_frac": -0.01,
        "change_low_frac": -0.03,
        "change_high_frac": 0.01,
    }
    said = headline(edited(document, "grams", **changes))
    assert "95 % interval 3.0 % less to 1.0 % more, which does not exclude no change" in said


def test_no_saving_is_said_plainly(document: dict[str, Any]) -> None:
    document["policies"] = [row for row in document["policies"] if row["name"] in ("monolithic", "fastest")]
    assert headline(parse_summary(document)).startswith("No policy emitted less than monolithic on essen")


def test_a_baseline_that_was_not_run_is_unknown(document: dict[str, Any]) -> None:
    document["baseline"] = None
    document["policies"] = [dict(row, change_frac=None) for row in document["policies"][1:]]
    assert "the change against the baseline is unknown" in headline(parse_summary(document))


def test_a_smaller_model_is_not_taken_for_better_scheduling(document: dict[str, Any]) -> None:
    with_variants = {
        **document["policies"][-1],
        "name": "grams+variants",
        "variant_share": {"int8": 1.0},
        "carbon_g_per_inference": 2e-7,
        "change_frac": -0.82,
        "change_low_frac": -0.83,
        "change_high_frac": -0.81,
    }
    document["policies"].append(with_variants)
    said = headline(parse_summary(document))
    assert said.startswith("grams+variants emitted 82.0 % less CO2e per inference than monolithic on essen")
    assert " With fp32 alone: greenest-zone emitted 45.1 % less CO2e per inference" in said


def test_where_only_the_smaller_model_saves_that_is_said(document: dict[str, Any]) -> None:
    small = {**document["policies"][-1], "variant_share": {"int8": 1.0}}
    document["policies"] = [document["policies"][0], small]
    assert headline(parse_summary(document)).endswith(
        "With fp32 alone, no policy emitted less than the baseline."
    )
