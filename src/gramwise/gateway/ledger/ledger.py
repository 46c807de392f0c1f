"""The ledger as the gateway has it: outcomes in, at a few microseconds each, and on to the database behind its back.

Two threads stand behind `Ledger.append`: one syncs the spool to the disk twice a second, one moves it into the
database. So a database that is slow or away delays neither an answer nor the sync.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from gramwise.core.errors import SourceUnavailable
from gramwise.core.units import BYTES_PER_MIB, S_PER_DAY, S_PER_HOUR

from .book import Book
from .records import HEADER, Header, framed
from .rows import NODE_COLUMNS, ROW_COLUMNS, Body, Cells, Kind, NodeTime, Reader, Row, spelt
from .spool import Piece, Position, Spool
from .tables import Batch, Database

_ROW, _NODE_TIME = 1, 2
_KINDS: Mapping[int, Kind] = {_ROW: Row, _NODE_TIME: NodeTime}
_COLUMNS = {str(_ROW): ROW_COLUMNS, str(_NODE_TIME): NODE_COLUMNS}
_SYNC_EVERY_S = 0.5
_MOVE_EVERY_S = 0.25
_RETRY_AT_MOST_S = 10.0
_RESERVE_FRAC = 0.02


class Ledger:
    """Durable outcomes of one gateway.

    An appended record survives the process however it ends; of a power failure it survives what happened up to half a
    second before. The database may be away as long as the spool has room.

    Args:
        database: where outcomes end up.
        spool_dir: this gateway's own folder.
        limit_bytes: of the spool, on disk.
        segment_bytes: of one of its files.
        retention_days: after which rows go and only the sums of their hours stay; None keeps them.

    Raises:
        ConfigError: the folder or the limit cannot be used.
    """

    def __init__(
        self,
        database: Database,
        spool_dir: Path,
        *,
        limit_bytes: int = 1024 * BYTES_PER_MIB,
        segment_bytes: int = 8 * BYTES_PER_MIB,
        retention_days: float | None = None,
    ) -> None:
        self.database = database
        self._spool = Spool(spool_dir, _COLUMNS, limit_bytes=limit_bytes, segment_bytes=segment_bytes)
        self._retention_days = retention_days
        self._encode = msgspec.msgpack.Encoder().encode
        self._mover = _Mover(self._spool, database)
        self._sync_fault: str | None = None
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._keep_synced, name="ledger-sync", daemon=True),
            threading.Thread(target=self._keep_moved, name="ledger-move", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @classmethod
    def open(cls, url: str, spool_dir: Path | str, **settings: Any) -> Ledger:
        """A ledger with its tables made.

        Args:
            url: of the database, as in `Database`.
            spool_dir: as in the constructor, as are the settings.

        Raises:
            ConfigError: the URL, the folder or a setting cannot be used.
            SourceUnavailable: a library is missing, or an SQLite file cannot be made. A server that is away is no
                fault: the spool waits for it.
        """
        database = Database(url)
        if database.local:
            database.prepare()
        return cls(database, Path(spool_dir), **settings)

    @property
    def run(self) -> str:
        """Name of this life of the gateway, under which its outcomes are kept."""
        return self._spool.run

    @property
    def accepts(self) -> bool:
        """False shortly before the spool is full, so that requests are refused before they cost anything."""
        return self._spool.held_bytes < (1.0 - _RESERVE_FRAC) * self._spool.limit_bytes

    def append(self, row: Row) -> None:
        """Write an outcome down; call it before the answer leaves. From any thread.

        Raises:
            LedgerFull: it could not be written; nothing of it was, and the answer must not leave.
        """
        self._append(_ROW, row)

    def append_node_time(self, stretch: NodeTime) -> None:
        """Write down what a node took over a stretch of time.

        Raises:
            LedgerFull: it could not be written; nothing of it was.
        """
        self._append(_NODE_TIME, stretch)

    def _append(self, kind: int, record: Row | NodeTime) -> None:
        try:
            body = self._encode(record)
        except UnicodeEncodeError:
            body = self._encode(spelt(record))
        self._spool.append(framed(kind, body))

    def settle(self, limit_s: float = 5.0) -> bool:
        """Wait until all that was appended before is in the database; not from an event loop, which it would hold.

        Args:
            limit_s: how long to wait.

        Returns:
            Whether it is.
        """
        return self._mover.settled(self._spool.end, limit_s)

    @contextmanager
    def reading(self, limit_s: float = 5.0) -> Iterator[Book]:
        """The ledger with all that was appended before; not from an event loop, which it would hold.

        Raises:
            SourceUnavailable: the database is away, or has not caught up in time.
        """
        if not self.settle(limit_s):
            why = self._mover.fault or f"it has not caught up within {limit_s:g} s"
            raise SourceUnavailable(f"the ledger's database is behind: {why}")
        with self.database.reading() as book:
            yield book

    def status(self) -> Mapping[str, Any]:
        """How it does, for metrics: counts since start, the spool, the database."""
        return {
            "run": self.run,
            "appended": self._spool.appended,
            "refused": self._spool.refused,
            **self._mover.counts,
            "accepts": self.accepts,
            "spool_bytes": self._spool.held_bytes,
            "spool_limit_bytes": self._spool.limit_bytes,
            "unsynced_s": self._spool.unsynced_s,
            "sync_fault": self._sync_fault,
            "database": self.database.shown,
            "database_fault": self._mover.fault,
            "database_away_s": self._mover.away_s,
        }

    def close(self, limit_s: float = 10.0) -> bool:
        """Sync, move what can be moved in time, and let go; what cannot is moved by the next gateway on this spool.

        Returns:
            Whether everything is in the database.
        """
        settled = self.settle(limit_s)
        self._stopping.set()
        self._mover.wake.set()
        for thread in self._threads:
            thread.join(limit_s)
        self._spool.close()
        self.database.close()
        return settled

    def _keep_synced(self) -> None:
        while not self._stopping.wait(_SYNC_EVERY_S):
            try:
                self._spool.sync()
                self._sync_fault = None
            except OSError as fault:
                self._sync_fault = f"the spool cannot be synced: {fault.strerror}"

    def _keep_moved(self) -> None:
        pause_s, pruned_s = _MOVE_EVERY_S, -S_PER_HOUR
        while not self._stopping.is_set():
            try:
                self._mover.move(self._stopping)
                if time.monotonic() - pruned_s >= S_PER_HOUR:
                    self._prune()
                    pruned_s = time.monotonic()
                pause_s = _MOVE_EVERY_S
            except Exception as fault:  # noqa: BLE001 - a thread that ended would fill the spool in silence
                self._mover.failed(fault)
                pause_s = min(2.0 * pause_s, _RETRY_AT_MOST_S)
            self._mover.wake.wait(pause_s)
            self._mover.wake.clear()

    def _prune(self) -> None:
        if self._retention_days is not None:
            self.database.prune(time.time() - self._retention_days * S_PER_DAY)


class _Mover:
    """Takes the spool into the database, batch by batch; used by one thread, asked by others."""

    def __init__(self, spool: Spool, database: Database) -> None:
        self._spool, self._database = spool, database
        self._position: Position | None = None
        self._readers: tuple[Header | None, dict[int, Reader]] = (None, {})
        self._moved = threading.Condition()
        self._failed_since_s: float | None = None
        self.wake = threading.Event()
        self.fault: str | None = None
        self.counts = {"moved": 0, "doubled": 0, "unreadable": 0, "skipped_bytes": 0}

    @property
    def away_s(self) -> float:
        """For how long the database has failed."""
        return 0.0 if self._failed_since_s is None else time.monotonic() - self._failed_since_s

    def settled(self, end: Position, limit_s: float) -> bool:
        """Whether the database has everything up to a position, or has it in time."""
        self.wake.set()
        with self._moved:
            return self._moved.wait_for(lambda: self._position is not None and self._position >= end, limit_s)

    def move(self, stopping: threading.Event) -> None:
        """Everything that is there now, unless it is time to stop.

        Raises:
            SourceUnavailable: the database failed.
            OSError: the spool cannot be read, or what is unreadable cannot be set aside.
        """
        if self._position is None:
            self._database.prepare()
            self._reach(self._database.position(self._spool.id))
        # Not on and on: a transaction costs, so what comes meanwhile waits for the next round.
        end = self._spool.end
        while self._position is not None and self._position < end and not stopping.is_set():
            piece = self._spool.read(self._position)
            if piece is None:
                break
            self._take(piece)

    def failed(self, fault: Exception) -> None:
        """Tell why, and ask the database anew where it stands: what was under way may have got in or not."""
        self.fault = str(fault) or type(fault).__name__
        self._failed_since_s = self._failed_since_s or time.monotonic()
        self._position = None

    def _take(self, piece: Piece) -> None:
        bodies: dict[int, list[Body]] = {_ROW: [], _NODE_TIME: []}
        for kind, body in piece.records:
            bodies.setdefault(kind, []).append(body)
        bodies.pop(HEADER, None)
        cells: dict[int, list[Cells]] = {_ROW: [], _NODE_TIME: []}
        unreadable: dict[int, list[Body]] = {}
        readers = self._readers_of(piece.header)
        for kind, some in bodies.items():
            cells[kind], unreadable[kind] = readers[kind].read(some) if kind in readers else ([], some)
        rows, nodes = cells[_ROW], cells[_NODE_TIME]
        run = piece.header.run if piece.header else ""
        new = self._database.put(
            Batch(spool=self._spool.id, run=run, next=piece.next, rows=rows, nodes=nodes)
        )
        self.counts["moved"] += new
        self.counts["doubled"] += len(rows) - new
        for kind, some in unreadable.items():
            self.counts["unreadable"] += len(some)
            for each in some:
                self._spool.set_aside(kind, each)
        self.counts["skipped_bytes"] += piece.skipped_bytes
        self._reach(piece.next)
        self._spool.forget(piece.next)

    def _readers_of(self, header: Header | None) -> Mapping[int, Reader]:
        if header is not self._readers[0] and header != self._readers[0]:
            written = header.columns if header else {}
            readers = {n: Reader(_KINDS[n], written[str(n)]) for n in _KINDS if str(n) in written}
            self._readers = header, readers
        return self._readers[1]

    def _reach(self, position: Position) -> None:
        with self._moved:
            self.fault, self._failed_since_s = None, None
            self._position = position
            self._moved.notify_all()
