"""The spool: records in files, written by one system call each before the answer leaves.

A written record survives the process, whatever kills it, since the kernel has it; `Spool.sync` bounds what a power
failure takes. Files are numbered segments, each with a header, and a process never appends to one that another wrote.
Another process reads them (`gramwise.gateway.ledger.segments`) and deletes what has been moved.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from gramwise.core.errors import ConfigError, Rejected
from gramwise.core.units import BYTES_PER_MIB

from .records import HEADER, Header, framed, header_of
from .segments import Position, end_of, file_of, sizes_of


class LedgerFull(Rejected):
    """The outcome could not be written down: the spool has reached its limit, or the disk is full."""


class Spool:
    """A folder of segments that this process alone writes.

    Attributes:
        folder: where they are.
        id: under which the database knows the spool, whichever process writes it.
        run: name of this process's life.
        before: number of the last segment that was there already.
        appended, refused: records since start.

    Args:
        folder: made where it is missing.
        columns: names of the columns of each kind, for readers of another version.
        limit_bytes: of all segments together, after which `append` raises.
        segment_bytes: after which a new segment is begun.

    Raises:
        ConfigError: the folder cannot be made or written, another process has it, or the limit is under four segments.
    """

    def __init__(
        self,
        folder: Path,
        columns: Mapping[str, Sequence[str]],
        *,
        limit_bytes: int = 1024 * BYTES_PER_MIB,
        segment_bytes: int = 8 * BYTES_PER_MIB,
    ) -> None:
        if limit_bytes < 4 * segment_bytes:
            fix = f"Write at least {4 * segment_bytes}, which is four segments."
            raise ConfigError(
                f"a limit of {limit_bytes} bytes is too small.", key="ledger.spool_limit", fix=fix
            )
        self.folder, self._limit, self._segment_bytes = folder, limit_bytes, segment_bytes
        self._held = _taken(folder)
        self._sizes = sizes_of(folder)
        self.id = _known_id(folder, list(self._sizes)) or secrets.token_hex(8)
        self.run = f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}-{secrets.token_hex(4)}"
        header = Header(spool=self.id, run=self.run, columns={k: list(v) for k, v in columns.items()})
        self._header = framed(HEADER, msgspec.msgpack.encode(header))
        self._lock = threading.Lock()
        self._fd = -1
        self._left: list[int] = []
        self.before = self._current = max(self._sizes, default=0)
        self._end = 0
        self._end_before = end_of(self._sizes)
        self._bytes = sum(self._sizes.values())
        self._unsynced_since_s: float | None = None
        self._syncing_since_s: float | None = None
        self._closed = False
        self.appended = self.refused = 0

    @property
    def held_bytes(self) -> int:
        """Of all segments."""
        return self._bytes

    @property
    def limit_bytes(self) -> int:
        """Of all segments together, after which `append` raises."""
        return self._limit

    @property
    def end(self) -> Position:
        """Behind the last record that was written whole."""
        with self._lock:
            return Position(self._current, self._end) if self._end else self._end_before

    @property
    def unsynced_s(self) -> float:
        """For how long the oldest record that a power failure would take has been there; 0 without one."""
        since = self._syncing_since_s or self._unsynced_since_s
        return 0.0 if since is None else time.monotonic() - since

    def append(self, record: bytes) -> None:
        """Write a framed record, all of it or nothing of it.

        Args:
            record: from `framed`.

        Raises:
            LedgerFull: the spool has reached its limit, the disk is full, or the spool is closed.
        """
        with self._lock:
            self.refused += 1
            if self._closed:
                raise LedgerFull("the ledger is closed.")
            if self._fd < 0 or self._end + len(record) > self._segment_bytes:
                self._begin()
            data = record if self._end else self._header + record
            if self._bytes + len(data) > self._limit:
                raise self._full()
            self._write(data)
            self.refused -= 1
            self.appended += 1
            if self._unsynced_since_s is None:
                self._unsynced_since_s = time.monotonic()

    def _begin(self) -> None:
        """The next segment, still empty; the file of the last is left to `sync`, which may take its time."""
        number = self._current + 1
        file = file_of(self.folder, number)
        try:
            fd = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as fault:
            raise LedgerFull(f"the ledger cannot write {file}: {fault.strerror}.") from fault
        if self._fd >= 0:
            self._left.append(self._fd)
        if self._end:
            self._end_before = Position(self._current, self._end)
        self._fd, self._current, self._end, self._sizes[number] = fd, number, 0, 0

    def _write(self, data: bytes) -> None:
        try:
            written = os.write(self._fd, data)
        except OSError as fault:
            raise LedgerFull(f"the ledger cannot be written: {fault.strerror} ({self.folder}).") from fault
        if written != len(data):
            self._undo(written)
            raise LedgerFull(f"the ledger cannot be written: no space for a whole record ({self.folder}).")
        self._end += written
        self._bytes += written
        self._sizes[self._current] = self._end

    def _undo(self, written: int) -> None:
        """Take back part of a record; where even that fails, leave the segment to the reader, who skips it."""
        try:
            os.ftruncate(self._fd, self._end)
        except OSError:
            self._left.append(self._fd)
            self._fd = -1
            self._sizes[self._current] += written
            self._bytes += written

    def _full(self) -> LedgerFull:
        return LedgerFull(
            f"the ledger's spool {self.folder} holds {self._bytes} bytes of its {self._limit} and the database "
            "has not taken them; nothing is dropped, so no more is served until it does."
        )

    def sync(self) -> None:
        """Make everything that was appended before this call survive a power failure.

        Raises:
            OSError: the disk failed.
        """
        with self._lock:
            left, self._left = self._left, []
            files = [*left, self._fd] if self._fd >= 0 else left
            since, self._unsynced_since_s = self._unsynced_since_s, None
            self._syncing_since_s = since
        try:
            if since is not None:
                for file in files:
                    os.fdatasync(file)
                os.fsync(self._held)
            self._syncing_since_s = None
        finally:
            for file in left:
                os.close(file)

    def release(self, position: Position) -> None:
        """Count no more what has been deleted: the segments before a position."""
        with self._lock:
            for number in [n for n in self._sizes if n < position.segment]:
                self._bytes -= self._sizes.pop(number)

    def close(self) -> None:
        """Sync, and let another process have the folder."""
        with contextlib.suppress(OSError):
            self.sync()
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
            self._fd, self._closed = -1, True
        os.close(self._held)


def _taken(folder: Path) -> int:
    """The open, locked folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as fault:
        raise ConfigError(
            f"the ledger's spool folder cannot be used: {fault.strerror}.", file=folder, fix="Name another."
        ) from fault
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as fault:
        os.close(held)
        raise ConfigError(
            "another gateway writes this spool.", file=folder, fix="Give each gateway a folder of its own."
        ) from fault
    return held


def _known_id(folder: Path, numbers: Sequence[int]) -> str | None:
    """The name under which the database knows this spool; None for a new one."""
    for number in sorted(numbers, reverse=True):
        try:
            with file_of(folder, number).open("rb") as file:
                header, _ = header_of(file.read(BYTES_PER_MIB))
        except FileNotFoundError:  # The mover of the process before this one is still at work.
            continue
        if header is not None:
            return header.spool
    return None
