"""A change between two receipts is put to its causes, whose parts sum to it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from receipt_bills import INPUTS, receipt, recompute

from gramwise.core.errors import ConfigError
from gramwise.core.footprint import Factor
from gramwise.core.receipt import Document, account, item, point, receipt_of_footprint, versioned
from gramwise.core.receipt import receipt as made_receipt
from gramwise.footprint.bill import Line, bill
from gramwise.report.receipt import diff

BEFORE = receipt()


def causes(document: dict[str, Any]) -> dict[str, float]:
    return {cause["cause"]: cause["carbon_g"] for cause in document["causes"] if cause["carbon_g"]}


def rows(document: dict[str, Any], cause: str) -> list[str]:
    return next(list(c["factors"]) for c in document["causes"] if c["cause"] == cause)


def test_nothing_changed_is_no_cause() -> None:
    found = diff(BEFORE, BEFORE)
    assert found["change_g"] == 0.0
    assert causes(found) == {}
    assert found["factors"] == found["notes"] == []


@pytest.mark.parametrize(
    ("change", "cause", "grams", "keys"),
    [
        (
            {"grid.DE": [150.0, 120.0, 170.0, "annual mean of the zone, table A"]},
            "intensity",
            0.294,
            ["grid.DE"],
        ),
        ({"grid.DE": [150.0, 120.0, 170.0, "live feed"]}, "method", 0.294, ["grid.DE"]),
        ({"site.pue": [1.2, 1.2, 1.2, "declared"]}, "pue", 0.2 * 6.006, ["site.pue"]),
        (
            {"nodes": {"node-a": {"kwh": 0.012, "made_g": 1.9}, "node-b": {"kwh": 0.03, "made_g": 2.1}}},
            "hardware",
            1.0,
            ["node-a.made"],
        ),
        (
            {"nodes": {"node-a": {"kwh": 0.024, "made_g": 0.9}, "node-b": {"kwh": 0.06, "made_g": 2.1}}},
            "energy",
            6.006,
            ["node-a.kwh", "node-b.kwh"],
        ),
        ({"training_kwh": 1.0}, "method", 143.0, []),
    ],
)
def test_one_change_has_one_cause(change: dict[str, Any], cause: str, grams: float, keys: list[str]) -> None:
    found = diff(BEFORE, receipt(**change))
    assert causes(found) == {cause: pytest.approx(grams, rel=1e-9)}
    assert found["change_g"] == pytest.approx(grams, rel=1e-9)
    if keys:
        assert rows(found, cause) == keys
        (first,) = [row for row in found["factors"] if row["key"] == keys[0]]
        assert first["before"]["value"] != first["after"]["value"]


def test_a_new_source_for_a_die_is_method_and_not_hardware() -> None:
    changed = receipt(die_source="die table, 2026")
    found = diff(BEFORE, changed)
    assert found["change_g"] == 0.0
    assert rows(found, "method") == ["node-a.made", "node-b.made"]


def test_a_phase_that_only_one_counts_is_said_to_be_a_boundary() -> None:
    notes = diff(BEFORE, receipt(training_kwh=1.0))["notes"]
    assert any("Only the second account counts the phase 'training'" in note for note in notes)


def test_two_changes_share_what_they_do_together() -> None:
    # 0.042 kWh x 143 g/kWh to 0.084 kWh x 286 g/kWh: each alone adds 6.006 g, both 18.018 g, so each gets half.
    changed = receipt(
        **{"grid.DE": [286.0, 200.0, 300.0, "annual mean of the zone, table A"]},
        nodes={"node-a": {"kwh": 0.024, "made_g": 0.9}, "node-b": {"kwh": 0.06, "made_g": 2.1}},
    )
    assert causes(diff(BEFORE, changed)) == {
        "energy": pytest.approx(9.009, rel=1e-9),
        "intensity": pytest.approx(9.009, rel=1e-9),
    }


def test_with_formulas_new_factors_and_new_inputs_are_told_apart() -> None:
    def dearer_dies(inputs: Any) -> Any:
        nodes = {name: {**node, "made_g": 2 * node["made_g"]} for name, node in inputs["nodes"].items()}
        return recompute({**inputs, "nodes": nodes, "die_source": "die table, 2026"})

    # Since the first receipt dies have doubled on paper (3 g to 6 g) and a third node, 1 g on the old paper, has come.
    three = {**INPUTS["nodes"], "node-c": {"kwh": 0.01, "made_g": 1.0}}
    inputs = {**INPUTS, "nodes": three}
    after = receipt_of_footprint(dearer_dies(inputs), inputs)
    found = diff(BEFORE, after, recompute=dearer_dies)
    assert causes(found) == {
        "method": pytest.approx(3.0),
        "hardware": pytest.approx(2.0),
        "energy": pytest.approx(1.43),
    }
    assert {"node-a.made", "node-b.made"} <= set(rows(found, "method"))
    assert rows(found, "hardware") == ["node-c.made"]


_KWH = st.floats(1e-6, 1e3)
_GRAMS = st.floats(0.0, 1e4)


@settings(max_examples=40, deadline=None)
@given(_KWH, _KWH, _GRAMS, st.floats(1.0, 3.0), st.floats(1.0, 900.0), st.sampled_from([None, 0.5, 20.0]))
def test_causes_sum_to_the_change(
    a_kwh: float, b_kwh: float, made_g: float, pue: float, intensity: float, training: float | None
) -> None:
    changed = receipt(
        **{"grid.DE": [intensity, intensity, intensity, "other"], "site.pue": [pue, pue, pue, "declared"]},
        nodes={"node-a": {"kwh": a_kwh, "made_g": made_g}, "node-c": {"kwh": b_kwh, "made_g": 1.0}},
        training_kwh=training,
    )
    found = diff(BEFORE, changed)
    total = math.fsum(cause["carbon_g"] for cause in found["causes"])
    assert total == pytest.approx(found["change_g"], rel=1e-9, abs=1e-9)
    for cause in found["causes"]:
        assert cause["carbon_g"] == pytest.approx(math.fsum(cause["by_phase"].values()), abs=1e-12)
    back = {cause["cause"]: cause["carbon_g"] for cause in diff(changed, BEFORE)["causes"]}
    scale = max(abs(found["change_g"]), 1.0)
    for cause in found["causes"]:  # the way back has the same causes with the other sign
        assert back[cause["cause"]] == pytest.approx(-cause["carbon_g"], rel=1e-9, abs=1e-9 * scale)


def test_grams_of_a_unit_leave_out_how_many_there_were() -> None:
    doubled = receipt(
        requests=284_000,
        nodes={"node-a": {"kwh": 0.024, "made_g": 1.8}, "node-b": {"kwh": 0.06, "made_g": 4.2}},
    )
    found = diff(BEFORE, doubled, per="unit")
    assert found["unit"] == "g/request"
    assert found["change_g"] == pytest.approx(0.0, abs=1e-18)
    assert diff(BEFORE, doubled)["change_frac"] == pytest.approx(1.0)


# --- accounts of one run ---


def _served(name: str, kwh: dict[str, float], measured: str = "measured") -> Document:
    items = [
        item(
            f"{node}, serving",
            "inference",
            point(energy * {"essen": 400.0, "lyon": 50.0}[node], "g", "modelled", "x"),
            energy_j=point(energy * 3.6e6, "J", measured, "meter"),
            factors=[f"intensity.{node}"],
            rule="electricity",
            intensity=f"intensity.{node}",
            units=10.0,
        )
        for node, energy in kwh.items()
    ]
    return account(name, items, functional_unit="inference", units=10, boundary="b", not_included=[])


def _run(*books: Document) -> Document:
    factors = {
        f"intensity.{node}": versioned({**point(value, "g/kWh", "modelled", "t"), "zone": zone})
        for node, value, zone in (("essen", 400.0, "DE"), ("lyon", 50.0, "FR"))
    }
    return made_receipt("run", inputs={}, methods={}, factors=factors, accounts=list(books))


def test_moving_work_is_placement() -> None:
    run = _run(_served("here", {"essen": 1.0}), _served("there", {"lyon": 1.0}))
    found = diff(run, run, account="here", other="there")
    assert causes(found) == {"placement": pytest.approx(-350.0)}
    assert rows(found, "placement") == ["intensity.essen", "intensity.lyon"]


def test_sharing_work_otherwise_is_placement_too() -> None:
    run = _run(_served("a", {"essen": 0.8, "lyon": 0.2}), _served("b", {"essen": 0.2, "lyon": 0.8}))
    assert causes(diff(run, run, account="a", other="b")) == {"placement": pytest.approx(-210.0)}


def test_joules_known_in_another_way_are_a_change_of_method() -> None:
    run = _run(_served("a", {"essen": 1.0}, "modelled"), _served("b", {"essen": 65.0}, "measured"))
    assert causes(diff(run, run, account="a", other="b")) == {"method": pytest.approx(64 * 400.0)}


@pytest.mark.parametrize(
    ("account_name", "other", "said"),
    [(None, None, "several accounts"), ("c", None, "no account 'c'"), ("a", "z", "no account 'z'")],
)
def test_which_accounts_must_be_clear(account_name: str | None, other: str | None, said: str) -> None:
    run = _run(_served("a", {"essen": 1.0}), _served("b", {"lyon": 1.0}))
    with pytest.raises(ConfigError, match=said):
        diff(run, run, account=account_name, other=other)


def test_unknown_grams_have_no_change() -> None:
    lost = account(
        "a",
        [item("x, serving", "inference", None)],
        functional_unit="i",
        units=1,
        boundary="b",
        not_included=[],
    )
    with pytest.raises(ConfigError, match="unknown"):
        diff(_run(lost), _run(lost))


def test_a_diff_is_json(tmp_path: Path) -> None:
    found = diff(BEFORE, receipt(training_kwh=2.0))
    assert json.loads(json.dumps(found, allow_nan=False))["schema"] == "gramwise.receipt-diff/1"
    assert INPUTS["training_kwh"] is None


def test_a_pue_is_told_apart_even_where_the_intensity_is_hourly() -> None:
    def hourly(pue: float) -> Document:
        """One kWh over two hours at 100 and 300 g/kWh: no single intensity gives its grams."""
        declared = Factor(
            key="site.pue",
            value=pue,
            low=pue,
            high=pue,
            unit="1",
            method="assumed",
            source="declared",
            spread="exact",
        )
        line = Line(
            name="lab, training",
            phase="training",
            factors=("site.pue",),
            carbon_g=lambda v: v["site.pue"] * (0.5 * 100 + 0.5 * 300),
            energy_j=lambda v: 3.6e6 + 0.0 * v["site.pue"],
        )
        return receipt_of_footprint(bill([line], [declared], functional_unit="u", units=1, boundary="b"), {})

    before, after = hourly(1.0), hourly(1.5)
    assert before["accounts"][0]["items"][0]["rule"] == "bill"
    assert causes(diff(before, after)) == {"pue": pytest.approx(100.0)}
