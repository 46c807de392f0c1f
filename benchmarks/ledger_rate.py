"""The ledger: outcomes a second on their way into the database, CPU an outcome, and kill -9 at random moments.

The load is open-loop: outcomes are due at fixed times whatever the ledger does, so a ledger that cannot keep up shows a
backlog that grows. ``--url`` measures another database than a new SQLite file; ``--kills 0`` leaves the kills out. CPU
is that of this process and of the one beside it that moves the ledger, whose start (about half a second) is left out.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from gateway_proxy import tree_cpu_ns
from gramwise.gateway.ledger import Ledger, Row, summary
from record import finish, row

CHILD = Path(__file__).resolve().parents[1] / "tests" / "gateway" / "ledger_child.py"
GOAL_PER_S = 20_000
RATE_PER_S = 22_000
"""A little above the goal, since the time until the last outcome is in the database counts."""
BURST = 20
STEADY_PER_S = 4_000
STEADY_S = 8.0
SAMPLE_EVERY_S = 0.5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default=None, help="a database without a ledger in it")
    parser.add_argument("--seconds", type=float, default=25.0)
    parser.add_argument("--rate", type=int, default=RATE_PER_S, help="outcomes a second")
    parser.add_argument("--kills", type=int, default=100)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = asked.url or f"{folder}/rate.db"
        rows, details = sustained(url, Path(folder) / "rate", asked.rate, asked.seconds)
    with tempfile.TemporaryDirectory() as folder:
        # Not --url, which has a ledger in it by now.
        rows.append(background(f"{folder}/steady.db", Path(folder) / "steady"))
    if asked.kills:
        with tempfile.TemporaryDirectory() as folder:
            more = killed(f"{folder}/kill.db", Path(folder) / "kill", asked.kills)
        rows.append(more.pop("row"))
        details |= more
    finish("ledger_rate", rows, database=(asked.url or "sqlite").partition(":")[0], **details)


def sustained(
    url: str, spool: Path, rate: int, seconds: float
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Outcomes at a fixed rate; the backlog is what has been appended and is not in the database yet."""
    ledger = started(url, spool)
    total, append_cpu_s = int(rate * seconds) // BURST * BURST, 0.0
    backlog: list[int] = []
    pauses_us: list[float] = []
    gc.collect()
    start_s, cpu_s, sample_s = time.perf_counter(), used_s(), 0.0
    for first in range(0, total, BURST):
        due_s = start_s + first / rate
        while (wait_s := due_s - time.perf_counter()) > 0:
            time.sleep(wait_s)
        batch = [outcome(number) for number in range(first, first + BURST)]
        before_s = time.thread_time()
        for each in batch:
            begin_s = time.perf_counter()
            ledger.append(each)
            pauses_us.append((time.perf_counter() - begin_s) * 1e6)
        append_cpu_s += time.thread_time() - before_s
        if due_s - start_s >= sample_s:
            backlog.append(first + BURST - ledger.status()["moved"])
            sample_s += SAMPLE_EVERY_S
    took_s = time.perf_counter() - start_s
    settled = ledger.settle(120.0)
    drained_s = time.perf_counter() - start_s
    cpu_s = used_s() - cpu_s
    with ledger.reading() as book:
        kept = summary(book)["requests"]
    ledger.close()
    pauses_us.sort()
    middle, end = backlog[len(backlog) // 4 : len(backlog) // 2], backlog[-len(backlog) // 4 :]
    steady = statistics.median(end) <= 1.5 * statistics.median(middle) + rate * 0.5
    reached = total / drained_s
    rows = [
        row(
            f"outcomes/s over {seconds:.0f} s, the last one in the database",
            ">= 20000",
            reached,
            reached >= GOAL_PER_S and settled and kept == total and steady,
        ),
        row("seconds from the last append to an empty backlog", "", drained_s - took_s, None),
        row("CPU of an append (us)", "", append_cpu_s / total * 1e6, None),
        row(
            "CPU of an outcome, from making it to the database (us)",
            "<= 60",
            cpu_s / total * 1e6,
            cpu_s / total < 60e-6,
        ),
        row(
            "append p50 / p99 / p99.9 (us)", "", [pauses_us[int(total * q)] for q in (0.5, 0.99, 0.999)], None
        ),
    ]
    return rows, {"outcomes": total, "kept": kept, "backlog_outcomes": backlog, "append_s": took_s}


def started(url: str, spool: Path) -> Ledger:
    """A ledger whose mover is at work."""
    ledger = Ledger.open(url, spool)
    if not ledger.settle(60.0):
        raise SystemExit(f"the ledger does not start: {ledger.status()['database_fault']}")
    return ledger


def used_s() -> float:
    """CPU of this process and of all below it, so far."""
    return tree_cpu_ns(os.getpid()) / 1e9


def background(url: str, spool: Path) -> dict[str, Any]:
    """CPU of all that happens behind `Ledger.append`: that of both processes less that of the thread that appends."""
    ledger = started(url, spool)
    total = int(STEADY_PER_S * STEADY_S) // BURST * BURST
    gc.collect()
    start_s, cpu_s, own_s = time.perf_counter(), used_s(), time.thread_time()
    for first in range(0, total, BURST):
        while (wait_s := start_s + first / STEADY_PER_S - time.perf_counter()) > 0:
            time.sleep(wait_s)
        for number in range(first, first + BURST):
            ledger.append(outcome(number))
    settled = ledger.settle(120.0)
    behind_s = used_s() - cpu_s - (time.thread_time() - own_s)
    moved = ledger.status()["moved"]
    ledger.close()
    name = f"CPU of an outcome in the background at {STEADY_PER_S:,}/s, SQLite (us)"
    return row(name, "", behind_s / total * 1e6, None if settled and moved == total else False)


def outcome(number: int) -> Row:
    """A completed request as the gateway writes it down."""
    now_s = time.time()
    return Row(
        request_id=f"{number:024x}",
        arrival_s=now_s,
        status="completed",
        tenant="acme",
        model="digits",
        variant="int8",
        node=f"node-{number % 3}",
        zone="FR",
        policy="grams",
        protocol="http",
        attempts=1,
        http_status=200,
        start_s=now_s,
        end_s=now_s + 0.01,
        latency_s=0.01 + 1e-4 * (number % 97),
        deferred_s=0.0,
        cpu_s=0.009,
        energy_j=0.1,
        energy_low_j=0.08,
        energy_high_j=0.12,
        energy_method="modelled",
        carbon_g=1.2e-6,
        carbon_low_g=0.9e-6,
        carbon_high_g=1.5e-6,
        signal="average",
        basis="lifecycle",
        intensity_g_per_kwh=40.0,
        pue=1.08,
    )


def killed(url: str, spool: Path, kills: int) -> dict[str, Any]:
    """Lives of a gateway that end by kill -9; every id that was told must be there, and no id twice."""
    draw, told, told_at_end = random.Random(11), [], 0
    for life in range(kills):
        child = subprocess.Popen([sys.executable, CHILD, url, spool, str(life)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        lines = [child.stdout.readline()]
        time.sleep(draw.uniform(0.0, 0.5))
        child.kill()
        lines += child.stdout.read().splitlines(keepends=True)
        child.stdout.close()
        child.wait()
        ids = [line.decode().strip() for line in lines if line.endswith(b"\n")]
        told += ids
        told_at_end += bool(ids)
    ledger = Ledger.open(url, spool)
    with ledger.reading(300.0) as book:
        kept = [cells[0] for cells in book.rows(0.0, 1e11, {})]
        counted = summary(book)["requests"]
    skipped = ledger.status()["skipped_bytes"]
    ledger.close()
    lost, doubled = len(set(told) - set(kept)), len(kept) - len(set(kept)) + abs(counted - len(kept))
    return {
        "row": row(
            f"kill -9 x {kills}: told outcomes lost / counted twice",
            "0 / 0",
            [lost, doubled],
            not lost and not doubled,
        ),
        "kills": kills,
        "told": len(told),
        "kept_of_kills": len(kept),
        "lives_that_told_something": told_at_end,
        "skipped_bytes_of_last_life": skipped,
    }


if __name__ == "__main__":
    main()
