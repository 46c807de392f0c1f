"""One of three nodes is killed under open-loop load, with requests in it: what becomes of them, and for how long.

A fleet of real processes a round (`gramwise fleet up`, default policy). A third of its capacity is asked for, so
that two nodes can take it all; after half the time the node that has served most is killed with SIGKILL. Requests have
no deadline of their own, so every one has time left. Recovery counts from the kill to the last answer of a request that
had to be tried elsewhere, by the ledger.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import fleet_load as load
from gramwise.gateway import loop
from record import finish, row

LOAD = 0.33
RECOVERY_S = 2.0


@dataclass(frozen=True, slots=True)
class Round:
    """What one fleet did: answers, ledger rows, who was killed and when (Unix seconds)."""

    answers: list[load.Answer]
    rows: list[dict[str, Any]]
    victim: str
    killed_s: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=12.0, help="length of a round's load")
    chosen = parser.parse_args()
    rounds = [one(chosen.seconds, seed) for seed in range(chosen.rounds)]
    answers = [answer for each in rounds for answer in each.answers]
    failed = Counter(f"{a.status}: {a.told.get('error')}" for a in answers if a.status != 200)
    retried = [[r for r in each.rows if r["attempts"] > 1] for each in rounds]
    recovery_s = [
        max((r["end_s"] - each.killed_s for r in some), default=0.0)
        for each, some in zip(rounds, retried, strict=True)
    ]
    after = sum(
        r["node"] == each.victim and r["start_s"] > each.killed_s for each in rounds for r in each.rows
    )
    latencies_s = np.array([a.latency_s for a in answers])
    finish(
        "fleet_kill",
        [
            row("failed requests, which all had time left", "0", failed.total(), not failed),
            row("requests sent, answered by the ledger", "equal", (len(answers), sum(len(r.rows) for r in rounds)),
                len(answers) == sum(r["status"] == "completed" for each in rounds for r in each.rows)),
            row("requests tried elsewhere, by round", ">= 1", tuple(map(len, retried)), all(retried)),
            row("answers of the dead node after its death", "0", after, after == 0),
            row("recovery (s), by round", f"<= {RECOVERY_S}", tuple(recovery_s), max(recovery_s) <= RECOVERY_S),
            row("latency p50, p99, slowest (s)", "", tuple(np.quantile(latencies_s, (0.5, 0.99, 1.0)).tolist()), None),
        ],
        rounds=chosen.rounds,
        seconds=chosen.seconds,
        killed=[each.victim for each in rounds],
        failures=failed,
    )  # fmt: skip


def one(length_s: float, seed: int) -> Round:
    """One round with a fleet of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "fleet.toml").write_text(load.scenario(), "utf-8")
        url = f"sqlite:///{folder / 'ledger.db'}"
        words = ("--no-auth", "--ledger", url, "--state", str(folder / "state"))
        with load.gateway("fleet", "up", str(folder / "fleet.toml"), *words) as (_, said):
            answers, victim, killed_s, begin_s = loop.run(measure(said, length_s, seed))
        return Round(answers, load.ledger_rows(url, begin_s), victim, killed_s)


async def measure(
    said: dict[str, Any], length_s: float, seed: int
) -> tuple[list[load.Answer], str, float, float]:
    """Calibrate, send the load, and kill."""
    client = load.client_of(said["http"])
    times_s = load.poisson_s(LOAD * await load.capacity_per_s(client, 6.0), length_s, seed)
    before = {n["name"]: (await load.run_sums(n["http"]))[1] for n in said["nodes"]}
    begin_s = time.time()
    answering = asyncio.create_task(load.open_loop(client, times_s.tolist()))
    await asyncio.sleep(length_s / 2)
    served = {n["name"]: (await load.run_sums(n["http"]))[1] - before[n["name"]] for n in said["nodes"]}
    victim = max(served, key=lambda name: served[name])
    node = next(n for n in said["nodes"] if n["name"] == victim)
    await _busy(node["http"])
    os.kill(node["pid"], signal.SIGKILL)
    killed_s = time.time()
    answers = await answering
    await client.close()
    return answers, victim, killed_s, begin_s


async def _busy(where: str) -> None:
    """Wait until a node has a request in it: it is killed in the middle of one."""
    client = load.client_of(where, 1)
    for _ in range(2000):
        reply = await client.send(b"GET", b"/v2/gramwise/usage", timeout_s=10.0)
        if b'"running":0' not in (await reply.body.read(1 << 20)).replace(b" ", b""):
            break
        await asyncio.sleep(0.002)
    await client.close()


if __name__ == "__main__":
    main()
