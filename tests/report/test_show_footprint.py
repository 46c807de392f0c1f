"""Terminal views of bills and receipts: nothing is cut in narrow terminals, signs and rounding noise are told apart."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

from rich.console import Console, RenderableType
from test_footprint_page import document

from gramwise.show_footprint import difference_view, figures_view, findings_view, footprint_view


def shown(parts: Iterable[RenderableType], width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    for part in parts:
        console.print(part, highlight=False, markup=False)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def change(**causes: tuple[float, list[str]]) -> dict[str, Any]:
    return {
        "change_g": 35_200.0,
        "change_frac": 0.229,
        "unit": "g",
        "a": {"carbon_g": 150_000.0},
        "b": {"carbon_g": 185_200.0},
        "causes": [{"cause": name, "carbon_g": g, "factors": keys} for name, (g, keys) in causes.items()],
        "notes": ["One note."],
    }


def test_long_names_are_folded_and_not_cut() -> None:
    bill = document()
    bill["items"][0]["name"] = "x" * 90
    for width in (60, 80, 130):
        text = shown(footprint_view(bill), width)
        assert "…" not in text
        assert text.count("x") >= 90
        assert max(map(len, text.splitlines())) <= width


def test_a_change_names_cause_factors_and_notes() -> None:
    causes = change(energy=(35_300.0, ["a.kwh", "a.kwh"]), pue=(-100.0, ["a.pue"]), placement=(4e-14, []))
    text = shown(difference_view(causes))
    assert text.startswith("+35.2 kg (+22.9 %)")
    assert "-100 g" in text
    assert text.count("a.kwh") == 1
    assert "placement" not in text  # rounding, not a cause
    assert "One note." in text


def test_no_change_is_said() -> None:
    same = change() | {"change_g": 0.0, "change_frac": 0.0}
    text = shown(difference_view(same))
    assert text.startswith("0 g")
    assert "No cause" in text


def test_findings_name_their_place_where_they_have_one() -> None:
    found = [
        {"kind": "wrong", "place": "", "text": "it is torn."},
        {"kind": "wrong", "place": "hash", "text": "no."},
    ]
    lines = shown(findings_view({"findings": found, "holds": False})).splitlines()
    assert lines == ["wrong: it is torn.", "wrong: hash: no.", "The receipt does not hold."]


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert "\x1b" not in shown(figures_view({"total\x1b[2J": 1.5, "name": "\x1b[31m"}))
