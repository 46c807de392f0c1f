"""What `grams` saves against round robin on `gramwise fleet up`, beside the saving that the LP bound allows.

Two gateways stand before the same nodes, one with each policy. The same Poisson arrivals go through one and then the
other, block by block, and which is first alternates. Grams are the ledger's. The bound is B1 of
`gramwise.optimize.bounds`: the fewest grams for a block's requests where each node has as many seconds as the block of
`grams` took, with the grams and the seconds of a request that this very block showed on each node (round robin's, where
it sent none there): so nothing can be below it. It forgets queues and chance.

A request's seconds are those that it keeps a node from the next one: from one answer of the node to the next where the
second request lay in the node's own queue. Requests that waited nowhere count with the node's run, as its metrics tell.
A bound with runs alone is reported as well: it forgets that a node's process, held to its share, needs a moment between
two runs, which no policy can give away. The load is half of what a closed loop through the gateway reaches, which is
more than the cleanest node can serve. Takes ``2 x blocks x seconds`` and a minute.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

import fleet_load as load
from fleet_load import Answer
from gramwise.gateway import loop
from gramwise.optimize.bounds import CapacityBound, capacity_bound
from gramwise.runtime.stats import paired_interval
from record import finish, row

if TYPE_CHECKING:
    from gramwise.gateway.web.client import Upstream

LOAD = 0.5
REACH = 0.95
OURS, THEIRS = "grams", "round-robin"
QUEUED_S = 0.005
"""From so long in a node's queue on, a request has waited for the one before it, and not for a thread to wake up."""

REST_S = 1.0
"""Between blocks, so that nodes are idle at the start of each."""


@dataclass(slots=True)
class Block:
    """One policy's part of a pair of blocks: its time, and by node the seconds and the number of runs."""

    begin_s: float
    end_s: float
    failed: int
    late: int
    runs: dict[str, tuple[float, float]]
    answers: list[Answer]
    rows: list[dict[str, Any]] = field(default_factory=list)

    def of(self, node: str) -> list[float]:
        """Grams of the requests on a node."""
        return [r["carbon_g"] for r in self.rows if r["node"] == node]

    def spaced_s(self, node: str) -> list[float]:
        """Seconds from one answer of a node to the next, where the second had lain in its queue."""
        pairs = [(a, r) for a, r in load.matched(self.answers, self.rows) if r["node"] == node]
        pairs.sort(key=lambda pair: pair[1]["end_s"])
        return [
            after["end_s"] - before["end_s"]
            for (_, before), (answer, after) in pairwise(pairs)
            if answer.told["gramwise_queue_ms"] >= 1e3 * QUEUED_S
        ]

    @property
    def carbon_g(self) -> float:
        """Of a request, mean."""
        return fmean(r["carbon_g"] for r in self.rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="length of a block")
    parser.add_argument("--blocks", type=int, default=6, help="of each policy")
    parser.add_argument("--calibrate", type=float, default=20.0, help="seconds of the closed loop before")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        urls = {policy: f"sqlite:///{folder / policy}.db" for policy in (OURS, THEIRS)}
        (folder / "fleet.toml").write_text(load.scenario(), "utf-8")
        words = _words(folder, OURS, urls)
        with load.gateway("fleet", "up", str(folder / "fleet.toml"), "--no-auth", *words) as (_, said):
            places = {n["name"]: f'address = "{n["http"]}"' for n in said["nodes"]}
            (folder / "nodes.toml").write_text(load.scenario(places), "utf-8")
            words = ("--listen", "127.0.0.1:0", *_words(folder, THEIRS, urls))
            with load.gateway("serve", str(folder / "nodes.toml"), *words) as (_, other):
                where = {OURS: said["http"], THEIRS: other["http"]}
                capacity_per_s, pairs = loop.run(measure(where, said["nodes"], chosen))
        for pair in pairs:
            for policy, block in pair.items():
                block.rows = load.ledger_rows(urls[policy], block.begin_s, block.end_s)
    report(capacity_per_s, pairs, chosen.seconds)


def _words(folder: Path, policy: str, urls: dict[str, str]) -> tuple[str, ...]:
    return ("--policy", policy, "--ledger", urls[policy], "--state", str(folder / f"{policy}-state"))


async def measure(
    where: dict[str, str], nodes: list[dict[str, Any]], chosen: argparse.Namespace
) -> tuple[float, list[dict[str, Block]]]:
    """Capacity, and the blocks by pair and policy."""
    clients = {policy: load.client_of(place) for policy, place in where.items()}
    capacity_per_s = await load.capacity_per_s(clients[OURS], chosen.calibrate)
    pairs = []
    for i in range(chosen.blocks):
        times_s = load.poisson_s(LOAD * capacity_per_s, chosen.seconds, seed=1 + i).tolist()
        order = (OURS, THEIRS) if i % 2 == 0 else (THEIRS, OURS)
        pairs.append({policy: await block(clients[policy], nodes, times_s) for policy in order})
    for client in clients.values():
        await client.close()
    return capacity_per_s, pairs


async def block(client: Upstream, nodes: list[dict[str, Any]], times_s: list[float]) -> Block:
    """Send one block's arrivals and wait for the last answer."""
    await asyncio.sleep(REST_S)
    before = {n["name"]: await load.run_sums(n["http"]) for n in nodes}
    begin_s = time.time()
    answers = await load.open_loop(client, times_s)
    end_s = time.time()
    after = {n["name"]: await load.run_sums(n["http"]) for n in nodes}
    return Block(
        begin_s=begin_s,
        end_s=end_s,
        failed=sum(a.status != 200 for a in answers),
        late=sum(a.latency_s > load.DEADLINE_S for a in answers),
        answers=answers,
        runs={
            name: (after[name][0] - ran_s, after[name][1] - runs) for name, (ran_s, runs) in before.items()
        },
    )


@dataclass(frozen=True, slots=True)
class Compared:
    """A pair of blocks.

    Attributes:
        saving: of `grams`, as a share of round robin's grams.
        possible, by_runs: the saving that the bound allows, and the one that it allows by runs alone.
        share, bound_share: of requests by node, of `grams` and of the bound.
        busy_frac: share of the block that each node spent in runs with `grams`.
        service_s, run_s: of a request by node.
        carbon_g: of a request by node.
    """

    saving: float
    possible: float
    by_runs: float
    share: dict[str, float]
    bound_share: dict[str, float]
    busy_frac: dict[str, float]
    service_s: dict[str, float]
    run_s: dict[str, float]
    carbon_g: dict[str, float]


def compared(pair: dict[str, Block]) -> Compared:
    """One pair against its bounds."""
    ours, theirs, names = pair[OURS], pair[THEIRS], list(load.NODES)
    carbon_g, run_s, service_s = {}, {}, {}
    for n in names:
        of = ours if ours.of(n) else theirs
        ran_s, runs = of.runs[n]
        spaced_s = of.spaced_s(n)
        carbon_g[n], run_s[n] = fmean(of.of(n)), ran_s / runs
        service_s[n] = (sum(spaced_s) + (runs - len(spaced_s)) * run_s[n]) / runs
    window_s, requests = ours.end_s - ours.begin_s, len(ours.rows)

    def bound(busy_s: dict[str, float]) -> CapacityBound:
        return capacity_bound(
            np.array([[carbon_g[n] for n in names]]),
            np.array([float(requests)]),
            np.array([[busy_s[n] for n in names]]),
            np.arange(len(names)),
            np.full(len(names), window_s),
        )

    best = bound(service_s)
    each_g = theirs.carbon_g * requests
    return Compared(
        saving=1.0 - ours.carbon_g / theirs.carbon_g,
        possible=1.0 - best.carbon_g / each_g,
        by_runs=1.0 - bound(run_s).carbon_g / each_g,
        share={n: len(ours.of(n)) / requests for n in names},
        bound_share={n: float(x) / requests for n, x in zip(names, best.served[0], strict=True)},
        busy_frac={n: ours.runs[n][0] / window_s for n in names},
        service_s=service_s,
        run_s=run_s,
        carbon_g=carbon_g,
    )


def report(capacity_per_s: float, pairs: list[dict[str, Block]], length_s: float) -> None:
    """Rows and details."""
    each = [compared(pair) for pair in pairs]
    savings, possible = [c.saving for c in each], [c.possible for c in each]
    ratio = fmean(savings) / fmean(possible)
    interval = paired_interval(savings, possible, range(len(each)), lambda a, b: a / b)
    failed = sum(b.failed for pair in pairs for b in pair.values())
    sent = {policy: [len(pair[policy].rows) for pair in pairs] for policy in (OURS, THEIRS)}
    mean: dict[str, dict[str, float]] = {
        key: {n: fmean(getattr(c, key)[n] for c in each) for n in load.NODES}
        for key in ("share", "bound_share", "busy_frac", "service_s", "run_s", "carbon_g")
    }
    rows = [
        row("failed requests", "0", failed, failed == 0),
        row("the same requests with both policies", "equal", sent[OURS] == sent[THEIRS], sent[OURS] == sent[THEIRS]),
        row(f"saving of {OURS} against {THEIRS}, of {len(each)} pairs", "", fmean(savings), None),
        row("saving that the LP bound allows", "", fmean(possible), None),
        row("share of it that was saved", f">= {REACH}", ratio, ratio >= REACH),
        row("its interval over blocks, 95 %", "", interval, None),
        row("share of what a bound by runs alone allows", "", fmean(savings) / fmean(c.by_runs for c in each), None),
        row("requests late with either policy, share", "", tuple(
            sum(pair[p].late for pair in pairs) / sum(sent[p]) for p in (OURS, THEIRS)), None),
        *(
            row(f"{name}: share of requests, the bound's, time in runs", "",
                (mean["share"][name], mean["bound_share"][name], mean["busy_frac"][name]), None)
            for name in load.NODES
        ),
    ]  # fmt: skip
    finish(
        "fleet_saving",
        rows,
        seconds=length_s,
        blocks=len(each),
        capacity_per_s=capacity_per_s,
        rate_per_s=LOAD * capacity_per_s,
        deadline_s=load.DEADLINE_S,
        requests=sent,
        service_s=mean["service_s"],
        run_s=mean["run_s"],
        grams_per_request=mean["carbon_g"],
        pairs=[
            {"saving": c.saving, "possible": c.possible, "by_runs": c.by_runs, "share": c.share} for c in each
        ],
    )


if __name__ == "__main__":
    main()
