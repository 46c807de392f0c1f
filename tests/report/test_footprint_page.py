"""The page and the pictures of a bill: what is printed sums, says what is unknown, and stays the same."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from gramwise.core.errors import ConfigError, DataError, RunDirectoryError
from gramwise.core.footprint import Factor
from gramwise.footprint.bill import Line, bill
from gramwise.footprint.document import as_document, read_document
from gramwise.report.footprint_page import headline, page, write_figures, write_page
from gramwise.report.footprint_table import bill_table


def grams(key: str, value: float, low: float, high: float) -> Factor:
    return Factor(
        key=key, value=value, low=low, high=high, unit="g", method="modelled", source=f"made up: {key}"
    )


def document(values: dict[str, float] | None = None) -> dict[str, Any]:
    values = (
        {"training": 1234.0, "inference": 98_765.4, "idle": 0.02, "manufacture": 44_321.0}
        if values is None
        else values
    )
    factors = [grams(name, value, value * 0.8, value * 1.5) for name, value in values.items()]
    lines = [
        Line(name=f"{name} <b>", phase=name, factors=(name,), carbon_g=lambda f, name=name: f[name])  # type: ignore[arg-type, misc]
        for name in values
    ]
    made = bill(lines, factors, functional_unit="inference", units=1e6, boundary="cradle to grave", draws=500,
                not_included=["clients: nobody says who asks"])  # fmt: skip
    return as_document(made) | {"scenario": "a <script>", "years": 4.0, "assumptions": ["everything"]}


def test_what_is_printed_sums_to_what_is_printed() -> None:
    table = bill_table(read_document(document()))
    shown = [float(row.grams.lstrip("<")) for row in table.rows if not row.grams.startswith("<")]
    assert sum(shown) == pytest.approx(float(table.total), abs=1e-9)
    assert sum(float(row.share) for row in table.rows) == pytest.approx(100.0)
    assert table.rows[2].grams.startswith("<"), "two hundredths of a gram are not nothing"


def test_the_page_escapes_names_and_says_what_is_left_out() -> None:
    text = page(document())
    assert "<script>" not in text
    assert "<b>" not in text
    assert "clients: nobody says who asks" in text
    assert "made up: training" in text
    assert text == page(document())


def test_the_headline_names_interval_share_and_contributor() -> None:
    said = headline(read_document(document()))
    assert re.search(r"144\.3 kg \[\d", said)
    assert "per inference" in said
    assert "30.7 % of it is embodied" in said
    assert "is inference" in said


def test_pictures_are_svg_and_png(tmp_path: Path) -> None:
    files = write_figures(document(), tmp_path)
    assert {file.name for file in files} == {
        f"{k}.{e}" for k in ("phases", "flow", "contributors") for e in ("svg", "png")
    }
    for file in files:
        if file.suffix == ".svg":
            ElementTree.fromstring(file.read_bytes())
        else:
            assert file.read_bytes().startswith(b"\x89PNG")


def test_an_empty_bill_has_a_page_too() -> None:
    assert "total" in page(document({}))


def test_bad_documents_and_places_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="schema"):
        page({"schema": "gramwise.bench/1"})
    with pytest.raises(ConfigError, match="svg or png"):
        write_figures(document(), tmp_path, ["gif"])
    (tmp_path / "file").write_text("")
    with pytest.raises(RunDirectoryError):
        write_page(document(), tmp_path / "file" / "page.html")
