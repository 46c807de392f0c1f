"""Pictures of eCAL and of bills: labels that can be read, whatever the numbers are."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from itertools import combinations
from operator import itemgetter
from typing import Any

import pytest
from test_footprint_page import document, grams

from gramwise.core.footprint import PHASES, Footprint, Phase
from gramwise.footprint.bill import Line, bill
from gramwise.footprint.document import read_document
from gramwise.footprint.ecal.compat.published import figure_data
from gramwise.report.drawing import Drawing
from gramwise.report.ecal_charts import curve_drawing, figure_drawing
from gramwise.report.footprint_charts import drawings

SVG = "{http://www.w3.org/2000/svg}"
EM = 0.5
"""Of the font's size, that a letter of DejaVu Sans is wide, on the small side."""
STARTS = {"start": 0.0, "middle": -0.5, "end": -1.0}


def boxes(drawing: Drawing) -> list[tuple[str, float, float, float, float]]:
    """Every upright label with its left, top, right and bottom in points."""
    found = []
    for node in ElementTree.fromstring(drawing.file("svg")).iter(f"{SVG}text"):
        style, moved = node.get("style") or "", node.get("transform") or ""
        text = "".join(node.itertext())
        size = float(re.findall(r"([\d.]+)px", style)[0])
        turned = re.search(r"rotate\((-?[\d.]+)", moved)
        if not text.strip() or (turned and abs(float(turned[1])) > 1.0):
            continue
        at = re.search(r"translate\((-?[\d.]+)[ ,]+(-?[\d.]+)\)", moved)
        x, y = (at[1], at[2]) if at else (node.get("x") or "0", node.get("y") or "0")
        anchor = re.search(r"text-anchor: ?(\w+)", style)
        width = EM * size * len(text)
        left = float(x) + STARTS[anchor[1] if anchor else "start"] * width
        found.append((text, left, float(y) - size, left + width, float(y)))
    return found


def assert_readable(drawing: Drawing) -> None:
    labels = boxes(drawing)
    assert labels
    for (one, *a), (two, *b) in combinations(labels, 2):
        wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
        assert wide <= 1.0 or high <= 1.0, f"{one!r} lies on {two!r} in {drawing.key}"


def footprint(weights: list[tuple[Phase, float]]) -> Footprint:
    factors = [grams(f"{phase}.{i}", value, value, 1.5 * value) for i, (phase, value) in enumerate(weights)]
    lines = [
        Line(name=f"an item of a long name {i}", phase=phase, factors=(f.key,), carbon_g=itemgetter(f.key))
        for i, ((phase, _), f) in enumerate(zip(weights, factors, strict=True))
    ]
    return bill(
        lines, factors, functional_unit="inference", units=1.0, boundary="", not_included=[], draws=100
    )


BILLS: dict[str, list[tuple[Phase, float]]] = {
    "all alike": [(phase, 100.0) for phase in PHASES],
    "one": [("inference", 5.0)],
    "one large, others just drawn": [("inference", 1e6), *((phase, 15_000.0) for phase in PHASES)],
    "one large, others too small": [("inference", 1e6), *((phase, 1.0) for phase in PHASES)],
    "many": [(phase, 100.0 * i) for i, phase in enumerate(PHASES, 1) for _ in range(3)],
}


@pytest.mark.parametrize("name", BILLS)
def test_no_label_of_a_bill_lies_on_another(name: str) -> None:
    for drawing in drawings(footprint(BILLS[name])):
        assert_readable(drawing)


def test_labels_of_the_flow_carry_the_digits_of_the_table() -> None:
    flow = next(d for d in drawings(read_document(document())) if d.key == "flow")
    assert any("144.3 kg" in text for text, *_ in boxes(flow))


def found(**changes: Any) -> dict[str, Any]:
    at = [10.0**power for power in range(10)]
    return {
        "inferences": 5.8e8,
        "j_per_bit": 1.5e-7,
        "break_even_inferences": {"value": 2.8e4, "low": 1e4, "high": 6e4},
        "curve": {
            "inferences": at,
            "j_per_bit": [1e-7 + 1e-3 / n for n in at],
            "j_per_inference": [1e-2 + 900.0 / n for n in at],
        },
        **changes,
    }


@pytest.mark.parametrize("changes", [{}, {"break_even_inferences": None}, {"inferences": 0.0}])
def test_the_curve_is_drawn_with_and_without_its_marks(changes: dict[str, Any]) -> None:
    drawing = curve_drawing(found(**changes))
    assert_readable(drawing)
    texts = [text for text, *_ in boxes(drawing)]
    assert texts.count("break-even") == (0 if "break_even_inferences" in changes else 2)
    assert texts.count("this case") == (0 if "inferences" in changes else 2)
    assert "10⁶" in texts


def test_the_published_figure_names_every_model() -> None:
    data = figure_data().document()
    drawing = figure_drawing(data)
    assert_readable(drawing)
    texts = {text for text, *_ in boxes(drawing)}
    assert {point["model"] for point in data["points"]} <= texts
