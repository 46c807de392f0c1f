"""Every table of factors that the package ships: well-formed rows, ends round the value, and a source in each."""

from __future__ import annotations

import csv
from importlib.resources import files
from pathlib import Path
from typing import get_args

import pytest

from gramwise.core.footprint import Spread
from gramwise.core.quantity import Method

DATA = Path(str(files("gramwise.data")))
NEEDED = ("key", "value", "low", "high", "unit", "method", "year", "source", "licence")


def _rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.reader(lines))


TABLES = [path for path in sorted(DATA.glob("*.csv")) if tuple(_rows(path)[0][: len(NEEDED)]) == NEEDED]


def test_the_tables_are_found() -> None:
    assert {"embodied_fab", "operational", "link_energy", "ecal_stack"} <= {path.stem for path in TABLES}


@pytest.mark.parametrize("path", sorted(DATA.glob("*.csv")), ids=lambda path: path.stem)
def test_no_comma_cuts_a_row(path: Path) -> None:
    head, *rows = _rows(path)
    assert [row[0] for row in rows if len(row) != len(head)] == []


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_rows_say_where_they_come_from_and_how_far_they_reach(path: Path) -> None:
    head, *cells = _rows(path)
    rows = [dict(zip(head, row, strict=True)) for row in cells]
    assert len({row["key"] for row in rows}) == len(rows)
    for row in rows:
        assert all(row[name].strip() for name in NEEDED), row["key"]
        assert float(row["low"]) <= float(row["value"]) <= float(row["high"]), row["key"]
        assert row["method"] in get_args(Method), row["key"]
        assert row.get("spread", "") in {"", *get_args(Spread)}, row["key"]


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_no_source_is_one_whose_licence_keeps_it_out(path: Path) -> None:
    head, *cells = _rows(path)
    for row in (dict(zip(head, row, strict=True)) for row in cells):
        origin = f"{row['source']} {row['licence']}".lower()
        assert not any(name in origin for name in ("ecoinvent", "ademe", "base empreinte", "negaoctet")), row[
            "key"
        ]
