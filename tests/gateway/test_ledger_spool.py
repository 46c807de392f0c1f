"""The spool gives back, in order, every record that was written whole, whatever became of the others."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gramwise.core.errors import ConfigError
from gramwise.gateway.ledger.records import framed, parsed
from gramwise.gateway.ledger.segments import START, Position, Segments
from gramwise.gateway.ledger.spool import LedgerFull, Spool

COLUMNS = {"1": ["request_id"]}


def spool(folder: Path, limit_bytes: int = 400_000, segment_bytes: int = 100_000) -> Spool:
    return Spool(folder, COLUMNS, limit_bytes=limit_bytes, segment_bytes=segment_bytes)


def seen(source: Spool) -> Segments:
    """The spool's files as another process sees them now."""
    segments = Segments(source.folder, source.before)
    segments.look()
    return segments


def forget(source: Spool, position: Position) -> None:
    seen(source).forget(position)
    source.release(position)


def drain(
    source: Spool, position: Position = START, most_bytes: int = 1_000
) -> tuple[list[bytes], Position, int]:
    bodies, skipped = [], 0
    segments = seen(source)
    while (piece := segments.read(position, most_bytes)) is not None:
        bodies += [bytes(body) for kind, body in piece.records if kind == 1]
        position, skipped = piece.next, skipped + piece.skipped_bytes
    return bodies, position, skipped


def test_what_is_appended_is_read_in_order_across_segments(tmp_path: Path) -> None:
    one = spool(tmp_path, segment_bytes=2_000)
    written = [f"record {n}".encode() * (n % 7 + 1) for n in range(200)]
    for body in written[:120]:
        one.append(framed(1, body))
    first, position, skipped = drain(one)
    for body in written[120:]:
        one.append(framed(1, body))
    second, _, more = drain(one, position)
    assert first + second == written
    assert (skipped, more) == (0, 0)
    assert len(list(tmp_path.glob("spool-*.log"))) > 3
    one.close()


def test_a_process_after_this_one_goes_on_in_a_segment_of_its_own_under_the_same_id(tmp_path: Path) -> None:
    one = spool(tmp_path)
    one.append(framed(1, b"before"))
    _, position, _ = drain(one)
    forget(one, position)
    one.close()
    two = spool(tmp_path)
    two.append(framed(1, b"after"))
    assert (two.id, two.run == one.run) == (one.id, False)
    assert drain(two, position)[0] == [b"after"]
    two.close()


def test_a_spool_belongs_to_one_process(tmp_path: Path) -> None:
    one = spool(tmp_path)
    with pytest.raises(ConfigError, match=r"another gateway writes this spool\. Give each gateway a folder"):
        spool(tmp_path)
    one.close()
    spool(tmp_path).close()


@pytest.mark.parametrize("lost", [1, 5, 12, 13, 20])
def test_a_record_that_was_cut_short_is_dropped_and_counted(tmp_path: Path, lost: int) -> None:
    one = spool(tmp_path)
    one.append(framed(1, b"whole"))
    one.append(framed(1, b"cut short"))
    one.close()
    (file,) = tmp_path.glob("spool-*.log")
    os.truncate(file, file.stat().st_size - lost)
    two = spool(tmp_path)
    two.append(framed(1, b"later"))
    bodies, _, skipped = drain(two)
    assert bodies == [b"whole", b"later"]
    assert skipped == len(framed(1, b"cut short")) - lost
    two.close()


def test_a_segment_whose_head_is_spoilt_is_skipped_and_counted(tmp_path: Path) -> None:
    one = spool(tmp_path)
    one.append(framed(1, b"lost with its header"))
    one.close()
    (file,) = tmp_path.glob("spool-*.log")
    size = file.stat().st_size
    file.write_bytes(b"\0" * size)
    two = spool(tmp_path)
    two.append(framed(1, b"later"))
    bodies, _, skipped = drain(two)
    assert (bodies, skipped, two.id == one.id) == ([b"later"], size, False)
    two.close()


bodies = st.lists(st.binary(max_size=40), min_size=1, max_size=20)


@given(bodies=bodies, where=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_a_spoilt_byte_costs_its_own_record_alone(bodies: list[bytes], where: float, flip: int) -> None:
    records = [framed(1, body) for body in bodies]
    data = bytearray(b"".join(records))
    at = int(where * len(data))
    data[at] ^= flip
    ends = [sum(map(len, records[: n + 1])) for n in range(len(records))]
    hit = next(n for n, end in enumerate(ends) if at < end)
    found, used, skipped = parsed(bytes(data), last=True)
    assert [bytes(body) for _, body in found] == bodies[:hit] + bodies[hit + 1 :]
    assert (used, skipped) == (len(data), len(records[hit]))


@given(bodies=bodies, cut=st.floats(0, 1))
def test_reading_in_parts_loses_nothing(bodies: list[bytes], cut: float) -> None:
    data = b"".join(framed(1, body) for body in bodies)
    first, used, skipped = parsed(data[: int(cut * len(data))], last=False)
    rest, _, more = parsed(data[used:], last=True)
    assert [bytes(body) for _, body in first + rest] == bodies
    assert skipped + more == 0


def test_a_record_that_is_just_being_written_is_waited_for_and_one_that_never_was_is_skipped(
    tmp_path: Path,
) -> None:
    one = spool(tmp_path)
    one.append(framed(1, b"first"))
    (file,) = tmp_path.glob("spool-*.log")
    whole = file.read_bytes()
    for kept in range(1, len(whole)):
        file.write_bytes(whole[:kept])
        assert drain(one) == ([], START, 0), "not even its header is whole, or the record is not"
    file.write_bytes(whole + framed(1, b"second")[:-1])
    bodies, position, _ = drain(one)
    assert (bodies, position) == ([b"first"], one.end)
    one.close()
    two = spool(tmp_path)
    assert drain(two, position) == ([], two.end, len(framed(1, b"second")) - 1)
    two.close()


def test_a_segment_with_nothing_but_its_header_holds_nothing_up(tmp_path: Path) -> None:
    one = spool(tmp_path)
    one.append(framed(1, b"never whole"))
    one.close()
    (file,) = tmp_path.glob("spool-*.log")
    os.truncate(file, file.stat().st_size - len(framed(1, b"never whole")))
    two = spool(tmp_path)
    assert drain(two) == ([], two.end, 0)
    two.append(framed(1, b"later"))
    assert drain(two) == ([b"later"], two.end, 0)
    two.close()


def test_at_its_limit_it_says_so_and_drops_nothing_and_goes_on_once_there_is_room(tmp_path: Path) -> None:
    one = spool(tmp_path, limit_bytes=8_000, segment_bytes=2_000)
    written = 0
    with contextlib.suppress(LedgerFull):
        while True:
            one.append(framed(1, b"%04d" % written))
            written += 1
    assert 7_900 < one.held_bytes <= 8_000
    with pytest.raises(LedgerFull, match="8000 and the database has not taken them; nothing is dropped"):
        one.append(framed(1, b"no"))
    assert (one.appended, one.refused) == (written, 2)
    bodies, position, _ = drain(one)
    assert bodies == [b"%04d" % n for n in range(written)]
    forget(one, position)
    one.append(framed(1, b"room"))
    assert drain(one, position)[0] == [b"room"]
    assert one.held_bytes == sum(file.stat().st_size for file in tmp_path.glob("spool-*.log"))
    one.close()


def test_a_limit_under_four_segments_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"ledger\.spool_limit: a limit of 7999 bytes is too small\. Write at least 8000"
    ):
        spool(tmp_path, limit_bytes=7_999, segment_bytes=2_000)


def test_syncing_says_for_how_long_a_power_failure_would_take_something(tmp_path: Path) -> None:
    one = spool(tmp_path)
    assert one.unsynced_s == 0.0
    one.append(framed(1, b"x"))
    assert one.unsynced_s > 0.0
    one.sync()
    assert one.unsynced_s == 0.0
    one.close()


FULL_DISK = """
import resource, sys
from pathlib import Path
from gramwise.gateway.ledger.records import framed
from gramwise.gateway.ledger.segments import START, Segments
from gramwise.gateway.ledger.spool import LedgerFull, Spool
one = Spool(Path(sys.argv[1]), {"1": ["request_id"]})
kept = 0
def fill():
    global kept
    try:
        while True:
            one.append(framed(1, b"%05d" % kept))
            kept += 1
    except LedgerFull as fault:
        print(fault)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
for limit in (5_001, 9_999):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    fill()
segments = Segments(one.folder, one.before)
end = segments.look()
assert end == one.end
piece = segments.read(START)
assert piece.next == end
assert [bytes(body) for kind, body in piece.records if kind == 1] == [b"%05d" % n for n in range(kept)]
assert piece.skipped_bytes == 0
print(kept)
"""


def test_a_full_disk_is_said_and_takes_nothing_that_was_written(tmp_path: Path) -> None:
    assert signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN, (
        "Python ignores it, so that a write fails instead"
    )
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, tmp_path], check=True, capture_output=True, text=True, timeout=60
    )
    first, second, kept = done.stdout.splitlines()
    assert first.startswith("the ledger cannot be written: ")
    assert second.startswith("the ledger cannot be written: ")
    record = len(framed(1, b"00000"))
    header = next(tmp_path.glob("spool-*.log")).stat().st_size - int(kept) * record
    assert int(kept) == (9_999 - header) // record
