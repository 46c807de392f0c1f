"""The ``gramwise.words/1`` document for the terminal: what was understood, how it was judged, plan and price."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from gramwise.show import new_table, right

_STATUS = {
    "needs_input": "Not solved: something must be known first.",
    "contradiction": "Not solved: the description contradicts itself.",
    "out_of_scope": "Not solved: this is not a problem for gramwise.",
    "infeasible": "Understood, but nothing satisfies it.",
}


def words_view(document: dict[str, Any]) -> Iterator[RenderableType]:
    """Everything a person needs to believe the plan, or to mend the description."""
    d = document
    if d["status"] != "solved":
        yield Text(_STATUS[d["status"]])
    if d["reason"]:
        yield Text(d["reason"])
    if d["family"]:
        yield Text(f"{d['family_title']} ({d['family']}), formulated by {d['formulator']['name']}")
    for sentence in d["understood"]:
        yield Text(f"  {sentence}")
    if d["findings"]:
        yield Text("Validator:")
        for finding in d["findings"]:
            yield Text(f"  {finding['code']} {finding['where']}: {finding['message']}")
    elif d["problem"] is not None:
        yield Text("Validator: nothing to remark.")
    for i, question in enumerate(d["questions"], 1):
        unit = f" [{question['unit']}]" if question["unit"] not in ("", "1") else ""
        yield Text(f"  {i}. {question['text']}{unit}")
    if d["questions"]:
        yield Text("Answer them with --ask, or write the answers into the description.")
    if d["solution"] is not None:
        yield from _solution(d)


def _solution(d: dict[str, Any]) -> Iterator[RenderableType]:
    s = d["solution"]
    proven = "" if s["bound_g"] is None else f", bound {s['bound_g']:.6g} g, gap {_percent(s['gap_frac'])}"
    yield Text(f"Plan: {s['objective_g']:.6g} gCO2e{proven} ({s['solver']}: {s['why']})")
    for line in s["decision_text"]:
        yield Text(f"  {line}")
    for note in s["rewrites"]:
        yield Text(f"  Rewritten: {note}")
    if s["prices"]:
        table = new_table("limit", *right("saves g"), "by")
        for price in s["prices"]:
            saved = "-" if price["saved_g"] is None else f"{price['saved_g']:.4g}"
            table.add_row(price["constraint"], saved, price["room"])
        yield table
    own = s["solver_g"]
    if own is None:
        yield Text(f"Planning itself: unknown grams ({d['own']['reason']}).")
    else:
        yield Text(
            f"Planning itself: {own:.3g} g ({d['own']['low_g']:.3g} to {d['own']['high_g']:.3g}; modelled from"
            f" {d['own']['cpu_s']:.3g} CPU s). {d['own']['verdict']}"
        )
    if d["scenario_note"]:
        yield Text(d["scenario_note"])


def _percent(fraction: float | None) -> str:
    return "unknown" if fraction is None else f"{fraction * 100:.2g} %"
