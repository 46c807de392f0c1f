"""The database of the ledger, SQLite or PostgreSQL, by the same statements; the only module that imports SQLAlchemy.

A batch of the spool goes in by one transaction, with the position in the spool up to which it reads: whatever is
killed in between, nothing is lost and nothing is counted twice. The primary key is the request's id, and a row whose id
is known is left out of the sums too. Hours keep their sums when their rows are pruned.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any, TypeAlias

from gramwise.core.errors import ConfigError, SourceUnavailable
from gramwise.core.units import S_PER_HOUR

from .book import PRUNED, Book
from .inserts import Inserts
from .rows import Cells
from .schema import digest, hour_of_row, hour_row, node_of_row, node_row, tables
from .segments import START, Position
from .tally import Key, NodeSums, Sums, added, grouped, hour_of, node_added, node_rolled, summed

_TRIES = 5
_BUSY_S = 30
_CACHE_KIB = 16_384
_ROWS_AT_A_TIME = 2_000
_ROWS_A_STATEMENT = 200
"""Times the columns stays under SQLite's limit of 32,766 and PostgreSQL's of 65,535 parameters."""
_SERVER: Mapping[str, Any] = {
    "pool_pre_ping": True,
    "connect_args": {"connect_timeout": 5, "tcp_user_timeout": 10_000},
}

Link: TypeAlias = Any
"""A connection of SQLAlchemy."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What was read of the spool at once.

    Attributes:
        spool, run: who wrote it.
        next: position up to which it reads.
        rows, nodes: cells of outcomes and of nodes' times.
    """

    spool: str
    run: str
    next: Position
    rows: Sequence[Cells]
    nodes: Sequence[Cells]


def _of_many(insert: str, rows: int) -> str:
    """An insertion of one row as one of many: a statement costs, and SQLite gives the interpreter away at each."""
    head, _, rest = insert.partition(" VALUES ")
    one, close, tail = rest.partition(")")
    return f"{head} VALUES {', '.join([one + close] * rows)}{tail}"


class Database:
    """Where the outcomes end up.

    Args:
        url: ``sqlite:///file``, ``postgresql://user@host/name``, or the path of an SQLite file.

    Raises:
        ConfigError: the URL is none, or of another kind of database.
        SourceUnavailable: SQLAlchemy or the driver is not installed.
    """

    def __init__(self, url: str) -> None:
        sa = _sqlalchemy()
        self._sa, self._url = sa, _parsed(sa, url)
        self.shown = self._url.render_as_string(hide_password=True)
        self._lite = self._url.get_backend_name() == "sqlite"
        self._tables = tables(sa)
        style = "qmark" if self._lite else "format"
        try:
            self._engine = sa.create_engine(self._url, paramstyle=style, **({} if self._lite else _SERVER))
        except ModuleNotFoundError as fault:
            raise SourceUnavailable(
                "a ledger in PostgreSQL needs psycopg; install it by: pip install 'gramwise[serve,postgres]'"
            ) from fault
        if self._lite:
            sa.event.listen(self._engine, "connect", _connected)
            sa.event.listen(self._engine, "begin", lambda link: link.exec_driver_sql("BEGIN"))
        insert = self._insertion(self._tables.outcomes).on_conflict_do_nothing()
        self._insert_one = str(insert.compile(dialect=self._engine.dialect))
        self._insert_many = _of_many(self._insert_one, _ROWS_A_STATEMENT)
        self._inserts = Inserts(self._tables.outcomes.name)
        kept = (self._tables.hours, self._tables.node_hours, self._tables.spools, self._tables.state)
        self._upserts = {table.name: self._upserting(table) for table in kept}

    @property
    def url(self) -> str:
        """With its password: only for another process of ours, by a pipe; `shown` is for everybody."""
        return str(self._url.render_as_string(hide_password=False))

    @property
    def local(self) -> bool:
        """An SQLite file, and not a server that may be away."""
        return bool(self._lite)

    def _insertion(self, table: Any) -> Any:
        """An insertion that can say what to do about a key that is there."""
        if self._lite:
            from sqlalchemy.dialects.sqlite import insert

            return insert(table)
        from sqlalchemy.dialects.postgresql import insert as insert_there

        return insert_there(table)

    def _upserting(self, table: Any) -> tuple[str, Callable[[Mapping[str, Any]], Any]]:
        """Statement that replaces what a table holds of a key, and what it takes of a row."""
        keys = [column.name for column in table.primary_key]
        statement = self._insertion(table)
        others = {c.name: statement.excluded[c.name] for c in table.columns if c.name not in keys}
        done = statement.on_conflict_do_update(index_elements=keys, set_=others)
        compiled = done.compile(dialect=self._engine.dialect)
        return str(compiled), itemgetter(*compiled.positiontup)

    def _upsert(self, link: Link, table: Any, rows: Iterable[Mapping[str, Any]]) -> None:
        statement, cells = self._upserts[table.name]
        if some := list(map(cells, rows)):
            link.exec_driver_sql(statement, some)

    @contextlib.contextmanager
    def _link(self) -> Iterator[Link]:
        """A transaction, with foreign faults told as ours."""
        try:
            with self._engine.begin() as link:
                yield link
        except (self._sa.exc.SQLAlchemyError, sqlite3.Error) as fault:
            said = str(getattr(fault, "orig", None) or fault).strip().splitlines()
            raise SourceUnavailable(
                f"the ledger's database {self.shown} failed: {said[0] if said else 'it says nothing'}"
            ) from fault

    def prepare(self) -> None:
        """Make the tables that are not there.

        Raises:
            SourceUnavailable: the database cannot be reached or written.
        """
        make, index = self._sa.schema.CreateTable, self._sa.schema.CreateIndex
        with self._link() as link:
            for table in self._tables.metadata.sorted_tables:
                link.execute(make(table, if_not_exists=True))
                for each in table.indexes:
                    link.execute(index(each, if_not_exists=True))

    def position(self, spool: str) -> Position:
        """Up to where a spool has been moved; its start where it is not known."""
        table = self._tables.spools
        with self._link() as link:
            found = link.execute(self._sa.select(table).where(table.c.spool == spool)).mappings().first()
        return START if found is None else Position(found["segment"], found["offset_bytes"])

    def put(self, batches: Iterable[Batch]) -> int:
        """Take some batches, all of them or none, and with them the position in the spool.

        Args:
            batches: one after the other; each is taken before the next one is asked for, so that little is held and
                what is worked on is still in the processor's cache.

        Returns:
            How many outcomes were new.

        Raises:
            SourceUnavailable: the database failed; it holds what it held before.
        """
        new, hours, nodes = 0, defaultdict[Key, list[Sums]](list), defaultdict[Key, list[NodeSums]](list)
        with self._link() as link:
            for batch in batches:
                # First, since a transaction of SQLite that begins by writing waits for others instead of failing.
                self._reached(link, batch)
                groups = self._added(link, batch.run, batch.rows)
                for key, members in groups.items():
                    hours[key].append(summed(members))
                    new += len(members)
                for key, sums in node_rolled(batch.run, batch.nodes).items():
                    nodes[key].append(sums)
            self._roll(link, hours)
            self._roll_nodes(link, nodes)
        return new

    def _added(self, link: Link, run: str, rows: Sequence[Cells]) -> Mapping[Key, Sequence[Cells]]:
        """Put into the table what it does not hold yet: that, by hour and dimensions."""
        for _ in range(_TRIES):
            groups = grouped(run, rows)
            link.exec_driver_sql("SAVEPOINT part")
            new = self._add(link, run, groups.values())
            if new == len(rows):
                link.exec_driver_sql("RELEASE SAVEPOINT part")
                return groups
            link.exec_driver_sql("ROLLBACK TO SAVEPOINT part")
            rows = self._unknown(link, rows)
        raise SourceUnavailable(f"the ledger's database {self.shown} takes and refuses the same rows.")

    def _add(self, link: Link, run: str, groups: Iterable[Sequence[Cells]]) -> int:
        """How many of the rows were new."""
        if self._lite:
            return self._inserts.add(link.connection.driver_connection, run, groups)
        rows = list(chain.from_iterable(groups))
        many, own, new = _ROWS_A_STATEMENT, (run,), 0
        whole = len(rows) // many * many
        for at in range(0, whole, many):
            cells = chain.from_iterable((row, own) for row in rows[at : at + many])
            new += link.exec_driver_sql(self._insert_many, tuple(chain.from_iterable(cells))).rowcount
        if rows[whole:]:
            new += link.exec_driver_sql(self._insert_one, [row + own for row in rows[whole:]]).rowcount
        return new

    def _unknown(self, link: Link, rows: Sequence[Cells]) -> Sequence[Cells]:
        """The rows whose ids the table does not hold, each once: the first."""
        column = self._tables.outcomes.c.request_id
        once = {row[0]: row for row in reversed(rows)}
        ids, known = list(once), set[str]()
        for at in range(0, len(ids), _ROWS_AT_A_TIME):
            some = column.in_(ids[at : at + _ROWS_AT_A_TIME])
            known |= set(link.execute(self._sa.select(column).where(some)).scalars())
        return [row for key, row in reversed(once.items()) if key not in known]

    def _roll(self, link: Link, fresh: Mapping[Key, list[Sums]]) -> None:
        table = self._tables.hours
        for key, sums in map(hour_of_row, self._held(link, table, fresh)):
            if key in fresh:
                fresh[key].append(sums)
        self._upsert(link, table, [hour_row(key, added(parts)) for key, parts in fresh.items()])

    def _roll_nodes(self, link: Link, fresh: Mapping[Key, list[NodeSums]]) -> None:
        table = self._tables.node_hours
        for key, sums in map(node_of_row, self._held(link, table, fresh)):
            if key in fresh:
                fresh[key].append(sums)
        self._upsert(link, table, [node_row(key, node_added(parts)) for key, parts in fresh.items()])

    def _held(self, link: Link, table: Any, keys: Collection[Key]) -> Iterator[Mapping[str, Any]]:
        """The rows of these keys that the table holds, and perhaps of others."""
        if not keys:
            return iter(())
        hours, digests = {key[0] for key in keys}, [digest(key) for key in keys]
        mark = "?" if self._lite else "%s"
        some, these = (", ".join([mark] * len(each)) for each in (hours, digests))
        asked = f"SELECT * FROM {table.name} WHERE hour_s IN ({some}) AND key IN ({these})"
        return iter(link.exec_driver_sql(asked, (*hours, *digests)).mappings())

    def _reached(self, link: Link, batch: Batch) -> None:
        row = {"spool": batch.spool, "segment": batch.next.segment, "offset_bytes": batch.next.offset_bytes}
        self._upsert(link, self._tables.spools, [{**row, "updated_s": time.time()}])

    @contextlib.contextmanager
    def reading(self) -> Iterator[Book]:
        """The ledger as it is at this moment, whatever is written meanwhile.

        Raises:
            SourceUnavailable: the database failed.
        """
        with self._link() as link:
            if not self._lite:
                link.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield Book(self._sa, self._tables, link, None if self._lite else "C")

    def prune(self, before_s: float) -> int:
        """Delete the rows of the hours before the one that a moment is in; their sums stay.

        Returns:
            How many rows were deleted.

        Raises:
            SourceUnavailable: the database failed; what was deleted before is deleted.
        """
        sa, outcomes, limit_s, gone = self._sa, self._tables.outcomes, hour_of(before_s), 0
        while True:
            with self._link() as link:
                oldest_s = link.execute(sa.select(sa.func.min(outcomes.c.arrival_s))).scalar()
                if oldest_s is None or oldest_s >= limit_s:
                    return gone
                until_s = hour_of(oldest_s) + S_PER_HOUR
                known = Book(sa, self._tables, link, None).pruned_before_s
                self._upsert(
                    link, self._tables.state, [{"name": PRUNED, "value": max(until_s, known or until_s)}]
                )
                gone += link.execute(sa.delete(outcomes).where(outcomes.c.arrival_s < until_s)).rowcount

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()


def _sqlalchemy() -> Any:
    try:
        import sqlalchemy
    except ModuleNotFoundError as fault:
        raise SourceUnavailable(
            "the ledger needs SQLAlchemy; install it by: pip install 'gramwise[serve]'"
        ) from fault
    return sqlalchemy


def _parsed(sa: Any, url: str) -> Any:
    fix = "Write sqlite:///FILE, postgresql://USER@HOST/NAME or the path of a file."
    if "://" not in url:
        return sa.engine.URL.create("sqlite", database=url)
    try:
        parsed = sa.engine.make_url(url)
    except (sa.exc.ArgumentError, ValueError) as fault:
        raise ConfigError("the ledger's database URL cannot be read.", key="ledger.url", fix=fix) from fault
    drivers = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
    kind = parsed.drivername.partition("+")[0]
    if kind not in drivers or parsed.database in (None, "", ":memory:"):
        raise ConfigError(f"{kind} with this name is no database for a ledger.", key="ledger.url", fix=fix)
    return parsed.set(drivername=drivers[kind])


def _connected(link: Any, _record: Any) -> None:
    """Of SQLite: BEGIN is said by us, and a commit that has returned survives a power failure."""
    link.isolation_level = None
    for pragma in (
        f"busy_timeout = {_BUSY_S * 1000}",
        "journal_mode = WAL",
        "synchronous = FULL",
        f"cache_size = -{_CACHE_KIB}",
    ):
        link.execute(f"PRAGMA {pragma}")
