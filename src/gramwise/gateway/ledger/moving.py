"""The process that takes a spool into the database: one beside each gateway, so that requests do not wait for it.

In the gateway's own process the interpreter's hand-overs between this work and the event loop cost more than the work.
What the gateway says comes on standard input: what to move, by one line of JSON, as the database's URL may hold a
password that no command line and no environment may; then a line whenever somebody waits. Its end means that the
gateway has ended, however it did: what it has written down is taken in, and this process ends too. On standard output
goes a line of JSON whenever something has come of it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from gramwise.core.errors import SourceUnavailable
from gramwise.core.units import S_PER_DAY, S_PER_HOUR

from .records import HEADER, Header
from .rows import NODE_COLUMNS, ROW_COLUMNS, Body, Cells, Kind, NodeTime, Reader, Row
from .segments import Piece, Position, Segments
from .tables import Batch, Database

ROW, NODE_TIME = 1, 2
_KINDS: Mapping[int, Kind] = {ROW: Row, NODE_TIME: NodeTime}
COLUMNS: Mapping[str, Sequence[str]] = {str(ROW): ROW_COLUMNS, str(NODE_TIME): NODE_COLUMNS}
_MOVE_EVERY_S = 1.0
"""A transaction costs as much as some hundred rows, so few and large ones; whoever reads says so and waits for none."""
_ROWS_A_TRANSACTION = 5_000
RETRY_AT_LEAST_S, RETRY_AT_MOST_S = 0.25, 10.0
_LAST_S, _KILLED_AFTER_S = 5.0, 10
"""For how long what an ended gateway left is moved; and after which a database that hangs does not keep us."""
_NICENESS = 5
_LOCKED_EVERY_S, _LOCKED_FAULT_S = 0.05, 5.0
_LINE_BYTES = 65_536


class Task(msgspec.Struct, frozen=True):
    """What is to be moved.

    Attributes:
        url: of the database, with its password.
        folder, spool, before: of the spool.
        parent: process that writes the spool.
        retention_days: after which rows are deleted; None keeps them.
    """

    url: str
    folder: str
    spool: str
    before: int
    parent: int
    retention_days: float | None


class Progress(msgspec.Struct, frozen=True):
    """What has come of it since the last time.

    Attributes:
        position: up to where the database has the spool, and older segments are deleted; None as long as that is
            not known.
        moved, doubled, unreadable: records.
        skipped_bytes: that were no record.
        fault: why nothing moves.
    """

    position: Position | None = None
    moved: int = 0
    doubled: int = 0
    unreadable: int = 0
    skipped_bytes: int = 0
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class _Taken:
    """A piece of the spool, once it is in the database: where it ended, and what it was."""

    next: Position
    rows: int
    unreadable: Sequence[tuple[int, Body]]
    skipped_bytes: int


class Mover:
    """Takes a spool into the database, batch by batch.

    Args:
        spool: its id.
        segments: its files.
        database: where to.
        tell: what has come of it.
    """

    def __init__(
        self, spool: str, segments: Segments, database: Database, tell: Callable[[Progress], None]
    ) -> None:
        self._spool, self._segments, self._database, self._tell = spool, segments, database, tell
        self._position: Position | None = None
        self._readers: tuple[Header | None, dict[int, Reader]] = (None, {})

    def move(self, enough: Callable[[], bool]) -> None:
        """Everything that is there now, or until it is enough, which is asked between two transactions.

        Raises:
            SourceUnavailable: the database failed.
            OSError: the spool cannot be read, or what is unreadable cannot be set aside.
        """
        # Not on and on: a transaction costs, so what comes meanwhile waits for the next round.
        end = self._segments.look()
        if self._position is None:
            self._database.prepare()
            position = self._database.position(self._spool)
            self._reach(position, Progress(position))
        while self._position is not None and self._position < end and not enough():
            if not self._take(self._position, end):
                break

    def failed(self, fault: Exception) -> None:
        """Tell why, and ask the database anew where it stands: what was under way may have got in or not."""
        self._position = None
        self._tell(Progress(fault=str(fault) or type(fault).__name__))

    def _take(self, position: Position, end: Position) -> bool:
        """One transaction's worth from a position on; False where there is nothing."""
        taken: list[_Taken] = []
        new = self._database.put(self._batches(position, end, taken))
        if not taken:
            return False
        for each in taken:
            for kind, body in each.unreadable:
                self._segments.set_aside(kind, body)
        reached = taken[-1].next
        done = Progress(
            reached,
            moved=new,
            doubled=sum(each.rows for each in taken) - new,
            unreadable=sum(len(each.unreadable) for each in taken),
            skipped_bytes=sum(each.skipped_bytes for each in taken),
        )
        self._reach(reached, done)
        return True

    def _reach(self, position: Position, done: Progress) -> None:
        self._position = position
        self._segments.forget(position)
        self._tell(done)

    def _batches(self, position: Position, end: Position, taken: list[_Taken]) -> Iterator[Batch]:
        """What stands from a position on, piece by piece; of each it is noted what it was."""
        while position < end and sum(each.rows for each in taken) < _ROWS_A_TRANSACTION:
            piece = self._segments.read(position)
            if piece is None:
                return
            run = piece.header.run if piece.header else ""
            position = piece.next
            cells, unreadable = self._cells(piece)
            taken.append(_Taken(position, len(cells[ROW]), unreadable, piece.skipped_bytes))
            yield Batch(self._spool, run, position, cells[ROW], cells[NODE_TIME])

    def _cells(self, piece: Piece) -> tuple[Mapping[int, list[Cells]], list[tuple[int, Body]]]:
        """What the database takes of a piece, by kind; and the records that make no sense."""
        bodies: defaultdict[int, list[Body]] = defaultdict(list)
        for kind, body in piece.records:
            bodies[kind].append(body)
        bodies.pop(HEADER, None)
        readers = self._readers_of(piece.header)
        cells: dict[int, list[Cells]] = {ROW: [], NODE_TIME: []}
        unreadable: list[tuple[int, Body]] = []
        for kind, some in bodies.items():
            cells[kind], wrong = readers[kind].read(some) if kind in readers else ([], some)
            unreadable += ((kind, body) for body in wrong)
        return cells, unreadable

    def _readers_of(self, header: Header | None) -> Mapping[int, Reader]:
        if header is not self._readers[0] and header != self._readers[0]:
            written = header.columns if header else {}
            readers = {n: Reader(_KINDS[n], written[str(n)]) for n in _KINDS if str(n) in written}
            self._readers = header, readers
        return self._readers[1]


class _Gateway:
    """The other end of standard input and output."""

    def __init__(self) -> None:
        self._ended = self._waited_for = False
        self._parent = 0

    def task(self) -> Task | None:
        """What is to be moved; None where the gateway has ended before it could say so."""
        line = b""
        while not line.endswith(b"\n"):
            # Byte by byte up to the line's end would be slow, and what follows says no more than that somebody waits.
            more = os.read(sys.stdin.fileno(), _LINE_BYTES)
            if not more:
                return None
            line += more
        task = msgspec.json.decode(line.partition(b"\n")[0], type=Task)
        self._parent = task.parent
        return task

    def ended(self) -> bool:
        """Whether it has; by another process, too, that was forked of it and holds the pipe."""
        self._hear(0.0)
        return self._ended

    def wait(self, most_s: float) -> None:
        """Until somebody waits for what is moved, the gateway ends, or the time is over."""
        self._hear(0.0 if self._waited_for else most_s)
        self._waited_for = False

    def _hear(self, most_s: float) -> None:
        if not self._ended and select.select([sys.stdin], [], [], most_s)[0]:
            self._waited_for = True
            self._ended = not os.read(sys.stdin.fileno(), _LINE_BYTES)
        self._ended = self._ended or os.getppid() != self._parent

    def tell(self, progress: Progress) -> None:
        """By one write, of a line that is short enough to arrive whole."""
        with contextlib.suppress(BrokenPipeError):
            os.write(sys.stdout.fileno(), msgspec.json.encode(progress) + b"\n")


@contextlib.contextmanager
def _alone(folder: Path, gateway: _Gateway) -> Iterator[bool]:
    """Whether no other process moves this spool any more: that of a gateway that was killed may still be at work."""
    begun_s = time.monotonic()
    told = locked = False
    held = os.open(folder / "moving.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while not locked:
            waited_s = time.monotonic() - begun_s
            if waited_s > _LAST_S and gateway.ended():
                break
            if waited_s > _LOCKED_FAULT_S and not told:
                gateway.tell(Progress(fault="the process of an ended gateway still moves this spool"))
                told = True
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                locked = True
            except BlockingIOError:
                time.sleep(_LOCKED_EVERY_S)
        yield locked
    finally:
        os.close(held)


def _keep_moving(mover: Mover, database: Database, gateway: _Gateway, retention_days: float | None) -> None:
    """Until the gateway ends, and once more."""
    retry_s, pruned_s = RETRY_AT_LEAST_S, -S_PER_HOUR
    while not gateway.ended():
        begun_s = time.monotonic()
        try:
            mover.move(gateway.ended)
            if retention_days is not None and time.monotonic() - pruned_s >= S_PER_HOUR:
                database.prune(time.time() - retention_days * S_PER_DAY)
                pruned_s = time.monotonic()
            # From beginning to beginning, so that what needs all the time there is gets it.
            retry_s, pause_s = RETRY_AT_LEAST_S, max(begun_s + _MOVE_EVERY_S - time.monotonic(), 0.0)
        except Exception as fault:  # noqa: BLE001 - whatever it is, the next attempt may do
            mover.failed(fault)
            pause_s = retry_s = min(2.0 * retry_s, RETRY_AT_MOST_S)
        gateway.wait(pause_s)
    # Nothing is lost if this is cut short: it is as when any process is killed.
    signal.alarm(_KILLED_AFTER_S)
    until_s = time.monotonic() + _LAST_S
    with contextlib.suppress(SourceUnavailable, OSError):
        mover.move(lambda: time.monotonic() > until_s)


def main() -> None:
    """Move what standard input says."""
    # Ctrl-C and a service manager's signal go to the whole group: the gateway has requests to finish, and then says so.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.nice(_NICENESS)
    gateway = _Gateway()
    task = gateway.task()
    if task is None:
        return
    folder, database = Path(task.folder), Database(task.url)
    with _alone(folder, gateway) as alone:
        if alone:
            mover = Mover(task.spool, Segments(folder, task.before), database, gateway.tell)
            _keep_moving(mover, database, gateway, task.retention_days)
            database.close()
