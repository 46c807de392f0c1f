"""A fleet of three nodes on this machine and an open-loop client before it: what the fleet's benchmarks share.

Nodes are held to CPU shares that sum to one core, so that two cores hold them, the gateway and the client. A request
has more images than a node puts into one run, so each runs alone and a node is a queue with one server. The client
sends at moments that were drawn before, whatever becomes of the answers; latency counts from those moments.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gateway_proxy import cpu_ns, rss_mb, tree

if TYPE_CHECKING:
    import numpy.typing as npt

    from gramwise.gateway.web.client import Upstream

COUNT = 24
"""Images a request; a node puts at most eight into a run that requests share."""

PATH = b"/v2/models/digits/infer"
NODE_PATH = b"/v2/models/digits.fp32/infer"
HEAD_BYTES = b"inference-header-content-length"
NODES = {"lyon": ("pi4", "FR", 0.4), "madrid": ("pi5", "ES", 0.3), "essen": ("n100", "DE", 0.3)}
"""Device, zone and CPU share of each."""

DEADLINE_S = 0.5
SCENARIO = """schema = 1
name = "fleet-load"
baseline_node = "essen"
[models.digits]
reference = "fp32"
[models.digits.variants.fp32]
file = "package:digits-fp32.onnx"
[goals]
deadline_s = {deadline_s}
[workload]
count = {count}
"""
NODE = """[nodes.{name}]
device = "{device}"
zone = "{zone}"
cpu_share = {share}
memory = "512 MiB"
speed_factor = 1.0
{more}
"""


def scenario(more: dict[str, str] | None = None) -> str:
    """The fleet as a scenario; ``more`` has further lines by node."""
    nodes = (
        NODE.format(name=name, device=device, zone=zone, share=share, more=(more or {}).get(name, ""))
        for name, (device, zone, share) in NODES.items()
    )
    return SCENARIO.format(deadline_s=DEADLINE_S, count=COUNT) + "".join(nodes)


@contextmanager
def gateway(*words: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """``gramwise fleet up`` or ``gramwise serve`` until the end, and what it says once it is ready."""
    command = [sys.executable, "-m", "gramwise", *words, "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise SystemExit(f"gramwise {' '.join(words)} ended with {process.wait()}")
        yield process, json.loads(line)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@dataclass(slots=True)
class Answer:
    """One request as its client saw it: moments in Unix seconds, lag of the client itself, status, what it was told."""

    meant_s: float
    lag_s: float
    latency_s: float
    status: int
    told: dict[str, Any]


def request() -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Body and headers of a request with binary tensors."""
    from gramwise.gateway.oip.tensors import write_request

    images = np.random.default_rng(0).random((COUNT, 1, 96, 96), dtype=np.float32)
    head, tail = write_request({"input": images})
    return b"".join((head, *tail)), [(HEAD_BYTES, b"%d" % len(head))]


def client_of(where: str, connections: int = 512) -> Upstream:
    """A client with kept connections."""
    from gramwise.gateway.web.client import Upstream
    from gramwise.gateway.web.limits import UpstreamLimits

    host, port = where.split(":")
    return Upstream(host, int(port), limits=UpstreamLimits(connections=connections))


async def ask(
    client: Upstream, body: bytes, headers: list[tuple[bytes, bytes]], path: bytes = PATH
) -> tuple[int, bytes]:
    """Status and JSON head of one answer; a broken connection is status 0."""
    try:
        reply = await client.send(b"POST", path, headers, body, timeout_s=60.0)
        data = await reply.body.read(1 << 20)
    except Exception as fault:  # noqa: BLE001 - whatever it was, the request failed
        return 0, repr(fault).encode()
    return reply.status, data[: int(reply.headers.get(HEAD_BYTES, len(data)))]


def poisson_s(rate_per_s: float, length_s: float, seed: int) -> npt.NDArray[np.float64]:
    """Moments of a Poisson process, seconds from its start."""
    rng = np.random.default_rng(seed)
    return np.sort(rng.random(rng.poisson(rate_per_s * length_s)) * length_s)


async def open_loop(client: Upstream, times_s: Sequence[float]) -> list[Answer]:
    """Send a request at each moment, from now on, and wait for the last answer."""
    loop, (body, headers) = asyncio.get_running_loop(), request()
    begin_s, offset_s = loop.time() + 0.1, time.time() - loop.time()
    found: list[tuple[float, float, float, int, bytes]] = []

    async def one(meant_s: float) -> None:
        lag_s = loop.time() - meant_s
        status, head = await ask(client, body, headers)
        found.append((meant_s, lag_s, loop.time() - meant_s, status, head))

    tasks = set()
    for time_s in times_s:
        wait_s = begin_s + time_s - loop.time()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        task = loop.create_task(one(begin_s + time_s))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    while tasks:
        await asyncio.sleep(0.01)
    return [
        Answer(meant_s + offset_s, lag_s, latency_s, status, _told(head))
        for meant_s, lag_s, latency_s, status, head in sorted(found)
    ]


def _told(head: bytes) -> dict[str, Any]:
    try:
        said = json.loads(head)
    except ValueError:
        return {"error": head[:200].decode("utf-8", "replace")}
    told: dict[str, Any] = said.get("parameters", said)
    return told


async def capacity_per_s(client: Upstream, length_s: float, connections: int = 64) -> float:
    """Requests a second that the fleet answers when each of many connections asks as soon as it was answered.

    The first quarter of the time is left out.
    """
    loop, (body, headers) = asyncio.get_running_loop(), request()
    begin_s, ended = loop.time(), list[float]()

    async def one() -> None:
        while loop.time() < begin_s + length_s:
            status, head = await ask(client, body, headers)
            if status != 200:
                raise SystemExit(f"a request failed while the capacity was measured: {status} {head[:200]!r}")
            ended.append(loop.time() - begin_s)

    await asyncio.gather(*(one() for _ in range(connections)))
    counted = [at for at in ended if length_s / 4 <= at < length_s]
    return len(counted) / (0.75 * length_s)


async def alone_s(where: str, runs: int = 4) -> float:
    """Median seconds of requests to an idle node, one after the other, the first left out: as a gateway times it."""
    client, (body, headers) = client_of(where, 1), request()
    took = []
    for _ in range(runs + 1):
        begin_s = time.perf_counter()
        status, head = await ask(client, body, headers, NODE_PATH)
        if status != 200:
            raise SystemExit(f"a node does not answer: {status} {head[:200]!r}")
        took.append(time.perf_counter() - begin_s)
    await client.close()
    return statistics.median(took[1:])


async def run_sums(where: str) -> tuple[float, float]:
    """Seconds of all runs of a node until now, and how many there were, as its metrics tell."""
    client = client_of(where, 1)
    reply = await client.send(b"GET", b"/metrics", timeout_s=10.0)
    text = (await reply.body.read(1 << 20)).decode()
    await client.close()
    sums = dict.fromkeys(("sum", "count"), 0.0)
    for line in text.splitlines():
        name, _, value = line.rpartition(" ")
        for kind in sums:
            if name.startswith(f"gramwise_model_request_duration_seconds_{kind}") and 'stage="run"' in name:
                sums[kind] += float(value)
    return sums["sum"], sums["count"]


def ledger_rows(url: str, from_s: float = 0.0, to_s: float = 1e11) -> list[dict[str, Any]]:
    """Rows of the requests that arrived in a span, by arrival. The gateway must have ended, or had a second's rest."""
    from gramwise.gateway.ledger import Database
    from gramwise.gateway.ledger.schema import OUTCOME_COLUMNS

    with Database(url).reading() as book:
        return [dict(zip(OUTCOME_COLUMNS, cells, strict=True)) for cells in book.rows(from_s, to_s, {})]


def matched(answers: Sequence[Answer], rows: Sequence[dict[str, Any]]) -> list[tuple[Answer, dict[str, Any]]]:
    """Each answer with its row: by node and CPU seconds, which both tell to the nanosecond; then in order."""
    by_key: dict[tuple[str, float], list[dict[str, Any]]] = defaultdict(list)
    for row in reversed(rows):
        by_key[row["node"], row["cpu_s"]].append(row)
    pairs = []
    for answer in answers:
        if answer.status == 200:
            key = (answer.told["gramwise_node"], answer.told["gramwise_cpu_seconds"])
            pairs.append((answer, by_key[key].pop()))
    return pairs


class Watch:
    """CPU seconds and resident memory over a stretch of time, of processes with those below them that are not named.

    Args:
        pids: by name.
    """

    def __init__(self, pids: dict[str, int]) -> None:
        self._pids = {**pids, "client": os.getpid()}
        self.rss_mb: dict[str, list[float]] = {name: [] for name in self._pids}
        self._begin = self._cpu_s()

    def _own(self, name: str) -> list[int]:
        """A process and those below it that are not counted elsewhere: nodes are below the gateway, it is below us."""
        if name == "client":
            return [self._pids[name]]
        below = tree(self._pids[name])
        others = [pid for other, pid in self._pids.items() if other != name and pid in below]
        elsewhere = {each for pid in others for each in tree(pid)}
        return [each for each in below if each not in elsewhere]

    def look(self) -> None:
        """Note the memory of now."""
        for name in self._pids:
            self.rss_mb[name].append(sum(rss_mb(pid) for pid in self._own(name)))

    def cpu_frac(self, length_s: float) -> dict[str, float]:
        """Cores that each used since the start."""
        now = self._cpu_s()
        return {name: (now[name] - self._begin[name]) / length_s for name in self._pids}

    def _cpu_s(self) -> dict[str, float]:
        return {name: sum(map(cpu_ns, self._own(name))) / 1e9 for name in self._pids}


def stolen_s() -> float:
    """CPU seconds that the host has kept from this machine since it started, over all its CPUs."""
    cells = Path("/proc/stat").read_text("ascii").splitlines()[0].split()
    return int(cells[8]) / os.sysconf("SC_CLK_TCK")
