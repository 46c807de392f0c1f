"""kill -9 at random moments: no outcome that was told is lost, and none is there twice."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ledger_kit import KINDS, database_url

from gramwise.gateway.ledger import Ledger, energy, summary

CHILD = Path(__file__).with_name("ledger_child.py")
KILLS = {"sqlite": 5, "postgresql": 2}


@pytest.mark.parametrize("kind", KINDS)
def test_kill_9_loses_nothing_that_was_told(kind: str, tmp_path: Path) -> None:
    url, spool, draw = database_url(kind, tmp_path), tmp_path / "spool", random.Random(7)
    told: list[str] = []
    for life in range(KILLS[kind]):
        child = subprocess.Popen([sys.executable, CHILD, url, spool, str(life)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        lines = [child.stdout.readline()]
        time.sleep(draw.uniform(0.0, 0.25))
        child.kill()
        lines += child.stdout.read().splitlines(keepends=True)
        child.stdout.close()
        child.wait()
        told += [line.decode().strip() for line in lines if line.endswith(b"\n")]
    ledger = Ledger.open(url, spool)
    with ledger.reading(30.0) as book:
        kept = [cells[0] for cells in book.rows(0.0, 1e11, {})]
        counted = summary(book)
        (node,) = energy(book)["nodes"]
    assert ledger.status()["unreadable"] == 0
    ledger.close()
    assert len(told) > 10 * KILLS[kind]
    assert len(set(kept)) == len(kept)
    assert set(told) <= set(kept)
    assert len(kept) - len(told) <= KILLS[kind], (
        "a life writes down at most one outcome that it cannot tell any more"
    )
    assert (counted["requests"], counted["energy_j"]["value"]) == (len(kept), float(len(kept)))
    assert 0 <= node["idle_j"] - len(kept) <= KILLS[kind], (
        "of nodes' times, too, none is lost and none counted twice"
    )
