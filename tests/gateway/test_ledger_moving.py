"""The process that moves the ledger: whoever is killed, every row is there once; and no secret is shown."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from ledger_kit import KINDS, database_url, row

from gramwise.gateway.ledger import Database, Ledger, summary
from gramwise.gateway.ledger import ledger as parent_side

CHILD = Path(__file__).with_name("ledger_child.py")


def until(true: Callable[[], object], what: str, limit_s: float = 30.0) -> None:
    end_s = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < end_s, f"not within {limit_s:g} s: {what}"
        time.sleep(0.01)


def mover_of(ledger: Ledger) -> int:
    """The process that moves, once it is at work."""
    assert ledger.settle(30.0), ledger.status()
    pid = ledger.status()["mover_pid"]
    assert isinstance(pid, int)
    return pid


def is_another(ledger: Ledger, mover: int) -> bool:
    return ledger.status()["mover_pid"] not in (None, mover)


def children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(each) for file in listed for each in file.read_text("ascii").split()]


def state(pid: int) -> str:
    """As Linux tells it by a letter; X where there is no such process any more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def alive(pid: int) -> bool:
    return state(pid) not in "ZX"


def is_stopped(pid: int) -> bool:
    return state(pid) == "T"


def ids_of(url: str) -> list[str]:
    """Of all rows that are in the database, without anything that would move more."""
    database = Database(url)
    with database.reading() as book:
        kept = [cells[0] for cells in book.rows(0.0, 1e11, {})]
        assert summary(book)["requests"] == len(kept)
    database.close()
    return kept


@pytest.mark.parametrize("kind", KINDS)
def test_a_mover_that_is_killed_is_started_again_and_every_row_is_there_once(
    kind: str, tmp_path: Path
) -> None:
    ledger = Ledger.open(database_url(kind, tmp_path), tmp_path / "spool", segment_bytes=100_000)
    number, movers = 0, set()
    for _ in range(3):
        mover = mover_of(ledger)
        movers.add(mover)
        os.kill(mover, signal.SIGSTOP)
        until(partial(is_stopped, mover), "it stops")
        for _ in range(2_000):
            ledger.append(row(number))
            number += 1
        assert not ledger.settle(0.0), "it has been told to move, and stands still"
        os.kill(mover, signal.SIGCONT)
        time.sleep(0.02 * len(movers))
        os.kill(mover, signal.SIGKILL)
        until(partial(is_another, ledger, mover), "there is another one")
    with ledger.reading(60.0) as book:
        assert summary(book)["requests"] == number
        assert len({cells[0] for cells in book.rows(0.0, 1e11, {})}) == number
    until(lambda: ledger.status()["database_fault"] is None, "it is at work again")
    status = ledger.status()
    assert len(movers) == 3
    assert (status["database_fault"], status["doubled"], status["database_away_s"]) == (None, 0, 0.0)
    assert status["spool_bytes"] == sum(
        file.stat().st_size for file in (tmp_path / "spool").glob("spool-*.log")
    )
    assert ledger.close()


def test_that_it_was_killed_is_told(tmp_path: Path) -> None:
    ledger = Ledger.open(database_url("sqlite", tmp_path), tmp_path / "spool")
    os.kill(mover_of(ledger), signal.SIGKILL)
    until(lambda: ledger.status()["database_fault"], "the fault is told")
    assert ledger.status()["database_fault"] == "the process that moves the ledger ended: SIGKILL"
    ledger.append(row(0))
    assert ledger.settle(30.0)
    assert ledger.status()["database_fault"] is None
    ledger.close()


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_killed_gateway_wrote_is_brought_in_and_its_mover_ends(kind: str, tmp_path: Path) -> None:
    url = database_url(kind, tmp_path)
    gateway = subprocess.Popen([sys.executable, CHILD, url, tmp_path / "spool", "x"], stdout=subprocess.PIPE)
    assert gateway.stdout is not None
    told = [gateway.stdout.readline() for _ in range(2_000)]
    until(lambda: ids_of(url), "the mover is at work") if kind == "sqlite" else time.sleep(1.5)
    (mover,) = children(gateway.pid)
    gateway.kill()
    told += [line for line in gateway.stdout.read().splitlines(keepends=True) if line.endswith(b"\n")]
    gateway.stdout.close()
    gateway.wait()
    until(lambda: not alive(mover), "the mover ends")
    kept = ids_of(url)
    assert len(set(kept)) == len(kept)
    assert {line.decode().strip() for line in told} <= set(kept)
    assert len(kept) - len(told) <= 1


def test_a_gateway_that_follows_a_killed_one_at_once_has_its_rows_and_its_own(tmp_path: Path) -> None:
    url, spool = database_url("sqlite", tmp_path), tmp_path / "spool"
    told: list[str] = []
    for life in range(3):
        gateway = subprocess.Popen([sys.executable, CHILD, url, spool, str(life)], stdout=subprocess.PIPE)
        assert gateway.stdout is not None
        told += [gateway.stdout.readline().decode().strip() for _ in range(1_500)]
        gateway.kill()
        gateway.wait()
        gateway.stdout.close()
    ledger = Ledger.open(url, spool)
    ledger.append(row(0))
    with ledger.reading(30.0) as book:
        kept = [cells[0] for cells in book.rows(0.0, 1e11, {})]
        assert summary(book)["requests"] == len(kept)
    assert len(set(kept)) == len(kept)
    assert {*told, row(0).request_id} <= set(kept)
    assert (ledger.status()["doubled"], ledger.status()["database_fault"]) == (0, None)
    ledger.close()


def test_as_long_as_another_process_moves_the_spool_this_one_waits_and_says_so(tmp_path: Path) -> None:
    with (tmp_path / "moving.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        ledger = Ledger.open(database_url("sqlite", tmp_path), tmp_path)
        ledger.append(row(0))
        until(lambda: ledger.status()["database_fault"], "the fault is told")
        assert ledger.status()["database_fault"] == "the process of an ended gateway still moves this spool"
        assert (ledger.settle(0.0), ledger.status()["moved"]) == (False, 0)
    assert ledger.settle(30.0)
    assert (ledger.status()["moved"], ledger.status()["database_fault"]) == (1, None)
    ledger.close()


def test_the_password_is_in_no_command_line_and_no_environment(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    url = f"postgresql://user:s3cr%20t@/name?host={tmp_path}"
    ledger = Ledger.open(url, tmp_path / "spool")
    until(lambda: ledger.status()["database_fault"], "the fault is told")
    pid = ledger.status()["mover_pid"]
    shown = [Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
    assert b"gramwise.gateway.ledger.moving" in shown[0]
    assert b"PATH=" in shown[1]
    assert b"s3cr" not in b"".join(shown)
    assert "s3cr" not in str(ledger.status())
    ledger.append(row(0))
    assert not ledger.close(0.1)
    assert not alive(pid)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_sent_to_the_whole_group_ends_the_gateway_first(number: int, tmp_path: Path) -> None:
    ledger = Ledger.open(database_url("sqlite", tmp_path), tmp_path / "spool")
    pid = mover_of(ledger)
    os.kill(pid, number)
    ledger.append(row(0))
    assert ledger.settle(30.0)
    assert ledger.status()["mover_pid"] == pid
    ledger.close()
    assert not alive(pid)


def test_where_it_cannot_be_started_the_spool_takes_outcomes_and_the_status_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    url = database_url("sqlite", tmp_path)
    ledger = Ledger.open(url, tmp_path / "spool")
    ledger.append(row(0))
    until(lambda: ledger.status()["database_fault"], "the fault is told")
    fault = ledger.status()["database_fault"]
    assert fault.startswith("the process that moves the ledger cannot be started: ")
    assert (ledger.accepts, ledger.settle(0.0), ledger.close(0.1)) == (True, False, False)
    monkeypatch.undo()
    after = Ledger.open(url, tmp_path / "spool")
    assert after.settle(30.0)
    assert ids_of(url) == [row(0).request_id]
    after.close()


def test_a_mover_that_breaks_says_on_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parent_side, "_PROGRAM", "raise MemoryError('none is left')")
    ledger = Ledger.open(database_url("sqlite", tmp_path), tmp_path / "spool")
    until(lambda: ledger.status()["database_fault"], "the fault is told")
    told = "the process that moves the ledger ended: exit status 1, MemoryError: none is left"
    assert ledger.status()["database_fault"] == told
    ledger.close(0.1)
