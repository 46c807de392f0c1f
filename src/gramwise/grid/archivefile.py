"""The SQLite file under the archive: its tables, its transactions, and SQLite's faults in words.

Several processes may use one file: in WAL mode readers go on while one writer writes, and a writer waits for the other.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gramwise.core.errors import DataError

VERSION = 1
"""Of the tables; kept in the file as ``user_version``."""

_APPLICATION = 0x6772616D  # "gram": tells our files from other programs' SQLite files
_BUSY_S = 10.0

_TABLES = f"""
CREATE TABLE streams (
  id INTEGER PRIMARY KEY, provider TEXT NOT NULL, zone TEXT NOT NULL, signal TEXT NOT NULL, basis TEXT NOT NULL,
  UNIQUE (zone, signal, basis, provider)
);
CREATE TABLE sources (id INTEGER PRIMARY KEY, label TEXT NOT NULL UNIQUE);
CREATE TABLE observations (
  stream INTEGER NOT NULL REFERENCES streams, start_s REAL NOT NULL, end_s REAL NOT NULL, value REAL,
  seen_s REAL NOT NULL, source INTEGER NOT NULL REFERENCES sources, PRIMARY KEY (stream, start_s, seen_s)
) WITHOUT ROWID;
CREATE TABLE issues (
  id INTEGER PRIMARY KEY, stream INTEGER NOT NULL REFERENCES streams, issued_s REAL NOT NULL, coverage REAL,
  source INTEGER NOT NULL REFERENCES sources, UNIQUE (stream, issued_s)
);
CREATE TABLE steps (
  issue INTEGER NOT NULL REFERENCES issues ON DELETE CASCADE, start_s REAL NOT NULL, end_s REAL NOT NULL,
  value REAL, low REAL, high REAL, seen_s REAL NOT NULL, PRIMARY KEY (issue, start_s)
) WITHOUT ROWID;
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {VERSION};
"""


class ArchiveFile:
    """One open file with the archive's tables, which threads may share.

    Args:
        path: of the file; made when it does not exist. ``":memory:"`` keeps it in memory.

    Raises:
        DataError: the file cannot be opened, is damaged, or belongs to another program or to a newer gramwise.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._closed = False
        try:
            # Transactions are begun by hand, so that one is a writer's from its first statement on.
            self._db = sqlite3.connect(
                str(path), timeout=_BUSY_S, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as fault:
            raise DataError(_explain(self.path, fault)) from fault
        try:
            self._open()
        except sqlite3.Error as fault:
            self._db.close()
            raise DataError(_explain(self.path, fault)) from fault
        except DataError:
            self._db.close()
            raise

    def _open(self) -> None:
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.execute("BEGIN IMMEDIATE")  # of two processes that find no file, one makes the tables
        if not self._db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
            for statement in _TABLES.split(";"):
                self._db.execute(statement)
        application, version = (self._pragma(name) for name in ("application_id", "user_version"))
        self._db.execute("COMMIT")
        if application != _APPLICATION:
            raise DataError(f"{self.path}: belongs to another program. Name another file for the archive.")
        if version != VERSION:
            raise DataError(
                f"{self.path}: is an archive of version {version}, this gramwise reads version {VERSION}. "
                "Use the gramwise that wrote it, or name another file."
            )
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")

    def _pragma(self, name: str) -> int:
        return int(self._db.execute(f"PRAGMA {name}").fetchone()[0])

    def close(self) -> None:
        """Let go of the file, after whatever another thread is doing with it; a second time does nothing."""
        with self._lock:  # SQLite crashes when a connection is closed under a running statement
            self._closed = True
            self._db.close()

    @contextmanager
    def transaction(self, begin: str = "BEGIN") -> Iterator[sqlite3.Connection]:
        """One thread at a time, all or nothing; SQLite's faults become ours."""
        with self._lock:
            if self._closed:
                raise DataError(f"{self.path}: was closed. Open the archive again.")
            try:
                self._db.execute(begin)
                yield self._db
                self._db.execute("COMMIT")
            except sqlite3.Error as fault:
                raise DataError(_explain(self.path, fault)) from fault
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")


_FIXES = {
    sqlite3.SQLITE_NOTADB: "is no SQLite file, or a damaged one. Move it away and a new archive is begun",
    sqlite3.SQLITE_CORRUPT: "is damaged. Move it away and a new archive is begun, or put back a copy",
    sqlite3.SQLITE_READONLY: "cannot be written. Make the file and its folder writable, or name another file",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened. Make its folder, make both writable, or name another file",
    sqlite3.SQLITE_BUSY: f"is held by another process for more than {_BUSY_S:.0f} s. Try again, or end that process",
    sqlite3.SQLITE_FULL: "cannot grow: the disk is full. Make room, or prune the archive",
}


def _explain(path: Path, fault: sqlite3.Error) -> str:
    """A sentence with the file and what to do, by SQLite's primary result code."""
    code = getattr(fault, "sqlite_errorcode", 0) & 0xFF
    what = _FIXES.get(code, "cannot be used. Move it away and a new archive is begun")
    return f"{path}: {what} ({fault})."
