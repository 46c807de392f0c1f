"""The ledger as the gateway has it: outcomes in, at a few microseconds each, and on to the database behind its back.

A thread behind `Ledger.append` syncs the spool to the disk twice a second; a process of its own moves the spool into
the database (`gramwise.gateway.ledger.moving`). So a database that is slow or away delays neither an answer nor the
sync, and what moving takes is not taken from the interpreter that requests run in.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

import gramwise
from gramwise.core.errors import SourceUnavailable
from gramwise.core.units import BYTES_PER_MIB

from .book import Book
from .moving import COLUMNS, NODE_TIME, RETRY_AT_LEAST_S, RETRY_AT_MOST_S, ROW, Progress, Task
from .records import framed
from .rows import NodeTime, Row, spelt
from .segments import Position
from .spool import Spool
from .tables import Database

_SYNC_EVERY_S = 0.5
_RESERVE_FRAC = 0.02
_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); import gramwise; del sys.path[0]; "
    "from gramwise.gateway.ledger.moving import main; main()"
)
"""The same gramwise as here, and by ``-P`` nothing that only lies in the working folder."""


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
        self._spool = Spool(spool_dir, COLUMNS, limit_bytes=limit_bytes, segment_bytes=segment_bytes)
        self._encode = msgspec.msgpack.Encoder().encode
        self._mover = _Mover(self._spool, database, retention_days)
        self._sync_fault: str | None = None
        self._stopping = threading.Event()
        self._syncing = threading.Thread(target=self._keep_synced, name="ledger-sync", daemon=True)
        self._syncing.start()

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
        self._append(ROW, row)

    def append_node_time(self, stretch: NodeTime) -> None:
        """Write down what a node took over a stretch of time.

        Raises:
            LedgerFull: it could not be written; nothing of it was.
        """
        self._append(NODE_TIME, stretch)

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
            "mover_pid": self._mover.pid,
        }

    def close(self, limit_s: float = 10.0) -> bool:
        """Sync, move what can be moved in time, and let go; what cannot is moved by the next gateway on this spool.

        Returns:
            Whether everything is in the database.
        """
        settled = self.settle(limit_s)
        self._stopping.set()
        self._mover.close(limit_s)
        self._syncing.join(limit_s)
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


class _Mover:
    """The process that moves a spool, kept alive and asked."""

    def __init__(self, spool: Spool, database: Database, retention_days: float | None) -> None:
        self._spool, self._folder = spool, Path.cwd()
        task = Task(
            url=database.url,
            folder=str(spool.folder),
            spool=spool.id,
            before=spool.before,
            parent=os.getpid(),
            retention_days=retention_days,
        )
        self._task = msgspec.json.encode(task) + b"\n"
        self._decode = msgspec.json.Decoder(Progress).decode
        self._child: subprocess.Popen[bytes] | None = None
        self._starting = threading.Lock()
        self._stopping = threading.Event()
        self._position: Position | None = None
        self._moved = threading.Condition()
        self._failed_since_s: float | None = None
        self.fault: str | None = None
        self.counts = {"moved": 0, "doubled": 0, "unreadable": 0, "skipped_bytes": 0}
        # A thread, so that nobody waits for the start; then it sleeps in a read.
        self._thread = threading.Thread(target=self._keep, name="ledger-move", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        child = self._child
        return None if child is None else child.pid

    @property
    def away_s(self) -> float:
        """For how long nothing could be moved."""
        since_s = self._failed_since_s
        return 0.0 if since_s is None else time.monotonic() - since_s

    def settled(self, end: Position, limit_s: float) -> bool:
        """Whether the database has everything up to a position, or has it in time."""
        if self._position is None or self._position < end:
            self._wake()
        with self._moved:
            return self._moved.wait_for(lambda: self._position is not None and self._position >= end, limit_s)

    def close(self, limit_s: float) -> None:
        """Let the process end, which it does once it has moved what it can."""
        self._stopping.set()
        with self._starting:
            child = self._child
            if child is not None and child.stdin is not None:
                child.stdin.close()
        self._thread.join(limit_s)
        if self._thread.is_alive() and child is not None:
            child.kill()
            self._thread.join(limit_s)

    def _wake(self) -> None:
        with self._starting:
            self._say(b"\n")

    def _say(self, line: bytes) -> None:
        """Nothing, where the process has ended or has more than enough to read."""
        with contextlib.suppress(OSError, ValueError):
            if self._child is not None and self._child.stdin is not None:
                os.write(self._child.stdin.fileno(), line)

    def _keep(self) -> None:
        """Start the process, and hear it until it ends; and again, unless that was meant."""
        pause_s = RETRY_AT_LEAST_S
        while not self._stopping.is_set():
            before = self._position
            try:
                why = self._live()
            except Exception as fault:  # noqa: BLE001 - a thread that ended would fill the spool in silence
                why = f"the process that moves the ledger cannot be started: {fault}"
            if not self._stopping.is_set():
                self._failed(why)
                came_on = self._position != before
                pause_s = RETRY_AT_LEAST_S if came_on else min(2.0 * pause_s, RETRY_AT_MOST_S)
                self._stopping.wait(pause_s)

    def _live(self) -> str:
        """One life of the process; why it ended."""
        root = Path(gramwise.__file__).parents[1]
        with self._starting:
            if self._stopping.is_set():
                return ""
            # In a session of its own, since what a terminal sends is for the gateway, which ends in order.
            child = self._child = subprocess.Popen(
                [sys.executable, "-P", "-c", _PROGRAM, str(root)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                start_new_session=True,
            )
            assert child.stdin is not None
            self._say(self._task)
            os.set_blocking(child.stdin.fileno(), False)
        with child:
            said = self._follow(child)
            with self._starting:
                self._child = None
        code = child.returncode
        how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return f"the process that moves the ledger ended: {how}{said and ', '}{said}"

    def _follow(self, child: subprocess.Popen[bytes]) -> str:
        """Hear a process to its end; the last that it said and did not mean for us."""
        assert child.stdout is not None
        said = ""
        for line in child.stdout:
            try:
                self._hear(self._decode(line))
            except msgspec.MsgspecError:
                said = line.decode("utf-8", "replace").strip() or said
        return said

    def _hear(self, told: Progress) -> None:
        if told.position is None:
            self._failed(told.fault or "it does not say why")
            return
        self._spool.release(told.position)
        with self._moved:
            for name in self.counts:
                self.counts[name] += getattr(told, name)
            self.fault = self._failed_since_s = None
            self._position = told.position
            self._moved.notify_all()

    def _failed(self, why: str) -> None:
        self.fault = why
        self._failed_since_s = self._failed_since_s or time.monotonic()
