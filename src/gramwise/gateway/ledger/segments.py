"""The files of a spool, as whoever moves them sees them: by their names and sizes, while another process appends.

A segment is a numbered file with a header and records. Each record is appended by one write, so a file's size ends
behind a whole record, or within one that is just being written or that was cut short. Which of the two is known once
nobody writes there any more: a later segment has begun, or an earlier process wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from gramwise.core.units import BYTES_PER_MIB

from .records import Header, framed, header_of, parsed

_NAME = re.compile(r"spool-(\d{12})\.log")
_READ_BYTES = BYTES_PER_MIB // 4
"""About a thousand records: what is made of them stays in the processor's cache until it is in the database."""


class Position(NamedTuple):
    """A place between records: of which segment, and how many bytes into it."""

    segment: int
    offset_bytes: int


START = Position(0, 0)


def file_of(folder: Path, number: int) -> Path:
    """The file of a segment."""
    return folder / f"spool-{number:012d}.log"


def sizes_of(folder: Path) -> dict[int, int]:
    """Size of each segment in bytes, in their order.

    Sizes are asked for after the names, so that only the last one can be of a segment that still grows.
    """
    numbers = sorted(int(m[1]) for file in folder.iterdir() if (m := _NAME.fullmatch(file.name)))
    sizes = {}
    for number in numbers:
        try:
            sizes[number] = file_of(folder, number).stat().st_size
        except FileNotFoundError:  # It has been moved meanwhile.
            continue
    return sizes


def end_of(sizes: dict[int, int]) -> Position:
    """Where the last segment with anything in it ends."""
    return max((Position(n, size) for n, size in sizes.items() if size), default=START)


@dataclass(frozen=True, slots=True)
class Piece:
    """Records that were read at once, all of one segment.

    Attributes:
        header: of their segment; None where it is spoilt, and then there are no records.
        records: kind and body of each.
        next: where reading goes on.
        skipped_bytes: that were no record.
    """

    header: Header | None
    records: Sequence[tuple[int, bytes]]
    next: Position
    skipped_bytes: int


class Segments:
    """The segments of a folder, to be read in order and deleted.

    Args:
        folder: of the spool.
        before: number of the last segment that was there before its present writer, who appends to later ones alone.
    """

    def __init__(self, folder: Path, before: int) -> None:
        self._folder, self._before = folder, before
        self._sizes: dict[int, int] = {}
        self._headers: dict[int, tuple[Header, int]] = {}

    def look(self) -> Position:
        """See what is there now; `read` goes no further than that.

        Raises:
            OSError: the folder cannot be read.
        """
        self._sizes = sizes_of(self._folder)
        return end_of(self._sizes)

    def read(self, position: Position, most_bytes: int = _READ_BYTES) -> Piece | None:
        """The records from a position on, at most about so many bytes of them; None where there are none yet.

        Raises:
            OSError: a segment cannot be read.
        """
        last = max(self._sizes, default=0)
        for number, end in self._sizes.items():
            start = position.offset_bytes if number == position.segment else 0
            if number >= position.segment and start < end:
                whole = number <= self._before or number < last
                return self._read(number, start, end, most_bytes, whole=whole)
        return None

    def _read(self, number: int, start: int, end: int, most_bytes: int, *, whole: bool) -> Piece | None:
        """``whole``: nobody writes there any more, so what is incomplete stays so."""
        with file_of(self._folder, number).open("rb") as file:
            if number not in self._headers:
                header, after = header_of(file.read(BYTES_PER_MIB))
                if header is None:
                    return Piece(None, (), Position(number, end), end - start) if whole else None
                self._headers = {number: (header, after)}
            header, after = self._headers[number]
            begin = max(start, after)
            file.seek(begin)
            data = file.read(min(most_bytes, max(end - begin, 0)))
        records, used, skipped = parsed(data, last=whole and begin + len(data) >= end)
        if not used and len(data) == most_bytes and begin + len(data) < end:
            return self._read(number, start, end, 2 * most_bytes, whole=whole)
        if not used:  # Whole, and nothing behind its header: a process that was killed between the two.
            return Piece(header, (), Position(number, end), 0) if whole and begin >= end else None
        return Piece(header, records, Position(number, begin + used), skipped)

    def forget(self, position: Position) -> None:
        """Delete the segments before a position; its own stays, so that numbers are never used again.

        Raises:
            OSError: one cannot be deleted.
        """
        for number in [n for n in self._sizes if n < position.segment]:
            file_of(self._folder, number).unlink(missing_ok=True)
            del self._sizes[number]

    def set_aside(self, kind: int, body: bytes | memoryview) -> None:
        """Keep a whole record that makes no sense in ``unreadable.log``, so that nothing that was written is lost.

        Raises:
            OSError: the disk failed.
        """
        with (self._folder / "unreadable.log").open("ab") as file:
            file.write(framed(kind, bytes(body)))
