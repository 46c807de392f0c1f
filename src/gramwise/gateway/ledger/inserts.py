"""Outcomes into the table by SQLite's own driver: a value that many rows share is handed over once for all of them.

Half of what an insertion cost was handing 33 cells a row to SQLite, one by one. The rows of one sum have their
twelve dimensions in common, and nearly always a few figures besides, so a statement of many rows takes those once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

from .rows import ROW_COLUMNS, Cells
from .schema import OUTCOME_COLUMNS
from .tally import DIMENSIONS

STEADY = (
    "attempts",
    "count",
    "late",
    "http_status",
    "deferred_s",
    "intensity_g_per_kwh",
    "pue",
    "market_intensity_g_per_kwh",
    "carbon_market_g",
)
"""Figures that seldom differ between the rows of one sum; where they do, each row brings its own."""
_SIZES = (200, 50, 10)
"""Rows of a statement. SQLite gives the interpreter away at each, so not one by one."""
_MIXED = (20, 4, 1)
"""Of rows that are too few to be taken with those like them."""


class Statement:
    """An insertion of so many rows, which leaves out those whose ids are known.

    Args:
        table: its name.
        rows: how many.
        shared: columns of which all rows have the same value.
    """

    def __init__(self, table: str, rows: int, shared: Iterable[str]) -> None:
        common = [name for name in OUTCOME_COLUMNS if name in set(shared)]
        own = [name for name in ROW_COLUMNS if name not in common]
        self._shared = [ROW_COLUMNS.index(name) for name in common if name != "run"]
        self._own = itemgetter(*map(ROW_COLUMNS.index, own))
        marks = {name: f"?{n}" for n, name in enumerate(common, start=1)}
        free = iter(range(len(common) + 1, len(common) + 1 + rows * len(own)))
        values = (
            ", ".join(marks.get(name) or f"?{next(free)}" for name in OUTCOME_COLUMNS) for _ in range(rows)
        )
        names = ", ".join(f'"{name}"' for name in OUTCOME_COLUMNS)
        body = "), (".join(values)
        self._sql = f"INSERT INTO {table} ({names}) VALUES ({body}) ON CONFLICT DO NOTHING"

    def run(self, link: sqlite3.Connection, run: str, rows: Sequence[Cells]) -> int:
        """How many of the rows were new."""
        first = rows[0]
        cells = [*(first[n] for n in self._shared), run, *chain.from_iterable(map(self._own, rows))]
        return link.execute(self._sql, cells).rowcount


class Inserts:
    """Insertions into the table of outcomes.

    Args:
        table: its name.
    """

    def __init__(self, table: str) -> None:
        common = {"run", *DIMENSIONS}
        self._alike = [Statement(table, n, {*common, *STEADY}) for n in _SIZES]
        self._apart = [Statement(table, n, common) for n in _SIZES]
        self._mixed = [Statement(table, n, {"run"}) for n in _MIXED]
        self._steady = itemgetter(*map(ROW_COLUMNS.index, STEADY))

    def add(self, link: sqlite3.Connection, run: str, groups: Iterable[Sequence[Cells]]) -> int:
        """Put rows into the table.

        Args:
            link: an open connection, within a transaction.
            run: of all rows.
            groups: rows whose dimensions are the same.

        Returns:
            How many were new.
        """
        new, rest = 0, list[Cells]()
        for group in groups:
            for size, some in _cut(group, _SIZES):
                if size is None:
                    rest += some
                    continue
                alike = len(set(map(self._steady, some))) == 1
                new += (self._alike if alike else self._apart)[size].run(link, run, some)
        for size, some in _cut(rest, _MIXED):
            new += self._mixed[size or 0].run(link, run, some)
        return new


def _cut(rows: Sequence[Any], sizes: Sequence[int]) -> Iterator[tuple[int | None, Sequence[Any]]]:
    """The rows in parts of these sizes, and the place of the size; None for those that are too few for any."""
    at = 0
    for place, size in enumerate(sizes):
        while len(rows) - at >= size:
            yield place, rows[at : at + size]
            at += size
    if at < len(rows):
        yield None, rows[at:]
