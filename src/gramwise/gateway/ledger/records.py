"""A record among bytes: how it is written, and how it is found again when what stands around it is spoilt.

A record is 12 bytes of head (two marks, kind, length, CRC-32) and a body. One that is cut short or spoilt is recognised
by its length and CRC; reading goes on at the next marks that begin a record which is whole.
"""

from __future__ import annotations

import struct
import zlib

import msgspec

_HEAD = struct.Struct("<2sHII")
_MARK = b"\xa7\x57"
HEADER = 0
"""Kind of a segment's first record: which spool and run, and the columns of every other kind."""


class Header(msgspec.Struct, frozen=True):
    """What a segment says of itself."""

    spool: str
    run: str
    columns: dict[str, list[str]]


def framed(kind: int, body: bytes) -> bytes:
    """A record: head and body."""
    return _HEAD.pack(_MARK, kind, len(body), zlib.crc32(body, kind)) + body


def parsed(data: bytes, *, last: bool) -> tuple[list[tuple[int, bytes]], int, int]:
    """The records in some bytes.

    Args:
        data: that begin at a record, or within one that was spoilt.
        last: no more will follow, so that what is incomplete at the end is spoilt and not early.

    Returns:
        Kind and body of each; how many bytes are dealt with; how many of those were no record.
    """
    size, at, skipped = len(data), 0, 0
    records: list[tuple[int, bytes]] = []
    head, crc32, width, found_whole = _HEAD.unpack_from, zlib.crc32, _HEAD.size, records.append
    while size - at >= width:
        mark, kind, length, crc = head(data, at)
        begin = at + width
        end = begin + length
        body = data[begin:end]
        if crc32(body, kind) == crc and mark == _MARK and end <= size:
            found_whole((kind, body))
            at = end
            continue
        if mark == _MARK and len(body) < length and not last:
            break
        found = data.find(_MARK, at + 1)
        step = (size if last else size - width) if found < 0 else found
        step = max(step, at + 1)
        skipped += step - at
        at = step
    if last and at < size:
        skipped += size - at
        at = size
    return records, at, skipped


def header_of(data: bytes) -> tuple[Header | None, int]:
    """The header that a segment begins with, and where it ends; None where it is spoilt."""
    if len(data) < _HEAD.size:
        return None, 0
    mark, kind, length, crc = _HEAD.unpack_from(data)
    body = data[_HEAD.size : _HEAD.size + length]
    if (mark, kind, len(body), zlib.crc32(body, kind)) != (_MARK, HEADER, length, crc):
        return None, 0
    try:
        return msgspec.msgpack.decode(body, type=Header), _HEAD.size + length
    except msgspec.MsgspecError:
        return None, 0
