"""One consistent view of the ledger's database: what the answers are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gramwise.core.units import S_PER_HOUR

from .rows import Cells
from .schema import Tables, hour_of_row, node_of_row
from .tally import Key, NodeSums, Sums

PRUNED = "pruned_before_s"
"""Under which name the database keeps up to when its rows may be gone."""
_STREAMED: Mapping[str, Any] = {"yield_per": 2_000}


class Book:
    """What a ledger holds, seen within one transaction.

    Every ``where`` maps names of `gramwise.gateway.ledger.tally.DIMENSIONS` to the value asked for.

    Args:
        sa: the package SQLAlchemy.
        tables: of the ledger.
        link: an open connection.
        by_bytes: name of the collation that compares text byte by byte; None where the database does so anyway.
    """

    def __init__(self, sa: Any, tables: Tables, link: Any, by_bytes: str | None) -> None:
        self._sa, self._tables, self._link, self._by_bytes = sa, tables, link, by_bytes

    @property
    def pruned_before_s(self) -> float | None:
        """Rows that arrived before this moment may be gone; None where none are."""
        table = self._tables.state
        value = self._link.execute(self._sa.select(table.c.value).where(table.c.name == PRUNED)).scalar()
        return None if value is None else float(value)

    def ends_s(self) -> tuple[int, int] | None:
        """Start of the first hour and end of the last one that hold anything."""
        found: list[int] = []
        for table in (self._tables.hours, self._tables.node_hours):
            column = table.c.hour_s
            ends = self._sa.select(self._sa.func.min(column), self._sa.func.max(column))
            found += (hour for hour in self._link.execute(ends).one() if hour is not None)
        return (min(found), max(found) + int(S_PER_HOUR)) if found else None

    def hours(self, from_s: float, to_s: float, where: Mapping[str, str]) -> Iterator[tuple[Key, Sums]]:
        """Sums of the hours that begin in a span."""
        table = self._tables.hours
        return map(hour_of_row, self._all(table, self._which(table, table.c.hour_s, from_s, to_s, where)))

    def node_hours(
        self, from_s: float, to_s: float, where: Mapping[str, str]
    ) -> Iterator[tuple[Key, NodeSums]]:
        """Sums of nodes' times over the hours that begin in a span; ``where`` of `NODE_DIMENSIONS`."""
        table = self._tables.node_hours
        return map(node_of_row, self._all(table, self._which(table, table.c.hour_s, from_s, to_s, where)))

    def rows(self, from_s: float, to_s: float, where: Mapping[str, str]) -> Iterator[Cells]:
        """Cells of `OUTCOME_COLUMNS` of the requests that arrived in a span, by arrival, then id."""
        table = self._tables.outcomes
        which = self._which(table, table.c.arrival_s, from_s, to_s, where)
        # The ids are compared byte by byte everywhere, or a receipt of one database would not hold in another.
        by_id = table.c.request_id.collate(self._by_bytes) if self._by_bytes else table.c.request_id
        ordered = self._sa.select(table).where(which).order_by(table.c.arrival_s, by_id)
        for some in self._link.execute(ordered, execution_options=_STREAMED).partitions():
            yield from map(tuple, some)

    def find(self, request_id: str) -> Cells | None:
        """Cells of `OUTCOME_COLUMNS` of one request; None where there is no such row."""
        table = self._tables.outcomes
        found = self._link.execute(self._sa.select(table).where(table.c.request_id == request_id)).first()
        return None if found is None else tuple(found)

    def _all(self, table: Any, which: Any) -> Iterator[Mapping[str, Any]]:
        return iter(self._link.execute(self._sa.select(table).where(which)).mappings())

    def _which(self, table: Any, moment: Any, from_s: float, to_s: float, where: Mapping[str, str]) -> Any:
        wanted = [table.c[name] == value for name, value in where.items()]
        return self._sa.and_(moment >= from_s, moment < to_s, *wanted)
