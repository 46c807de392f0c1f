"""CPU that the whole gateway adds to a request, with accounting and without, beside nginx as a plain proxy.

The same backend, the same wrk with 16 connections, in turns in one run; CPU and resident memory are those of the
gateway's process and of all below it, the one that moves the ledger too; CPU is over the requests that it carried. With
accounting, every request is decided on, priced, counted, and written to the ledger before its answer leaves, and the
answer carries what it cost. The same backend's answers tell joules, as nodes do. Needs nginx and wrk.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import gateway_proxy as bare
from record import finish, row

ROUNDS = 3
SECONDS = 3
NODES = 3
SIZES = {"64 B": 64, "602 KB": 602_112}
GOALS = {("64 B", "on"): 3.0, ("64 B", "off"): 2.0, ("602 KB", "on"): 2.0}
PEERS = {"64 B": "nginx plain", "602 KB": "nginx kept, streaming"}
ACCOUNTING_US = 60.0

SCENARIO = """
schema = 1
name = "bench"
baseline_node = "n0"
[models.m]
reference = "fp32"
[models.m.variants.fp32]
file = "package:digits-small.onnx"
{nodes}
[goals]
deadline_s = 5.0
"""
NODE = """
[nodes.n{i}]
device = "pi4"
zone = "{zone}"
cpu_share = 1.0
memory = "1 GiB"
slots = 16
address = "127.0.0.1:{port}"
"""
ZONES = ("FR", "DE", "NO")


def main() -> int:
    """Measure and print."""
    absent = [tool for tool in ("nginx", "wrk") if shutil.which(tool) is None]
    if absent:
        finish("gateway_serve", [row("CPU a request against nginx", "<= 3 x", f"no {absent[0]} here", None)])
        return 0
    rows: list[dict[str, Any]] = []
    details: dict[str, Any] = {}
    for label, nbytes in SIZES.items():
        with tempfile.TemporaryDirectory() as folder:
            figures = measure(Path(folder), nbytes, bare.REPLY_BYTES[label], PEERS[label])
        details[label] = figures
        rows += judged(label, figures)
    finish(
        "gateway_serve", rows, connections=bare.CONNECTIONS, rounds=ROUNDS, seconds=SECONDS, figures=details
    )
    return 0


def judged(label: str, figures: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines of the table for one size of request."""
    rows = []
    for name in ("on", "off"):
        pairs = zip(figures[name]["cpu_us"], figures["nginx"]["cpu_us"], strict=True)
        ratios = [ours / theirs for ours, theirs in pairs]
        ratio, goal = statistics.median(ratios), GOALS.get((label, name))
        rows.append(
            row(
                f"{label}: CPU a request against {PEERS[label]}, accounting {name}, median of {ROUNDS}",
                f"<= {goal} x" if goal else "",
                ratio,
                ratio <= goal if goal else None,
            )
        )
        rows.append(row(f"{label}: range of that ratio", "", (min(ratios), max(ratios)), None))
    extra_us = statistics.median(
        on - off for on, off in zip(figures["on"]["cpu_us"], figures["off"]["cpu_us"], strict=True)
    )
    if label == "64 B":
        rows.append(
            row("CPU us of accounting a request", f"<= {ACCOUNTING_US}", extra_us, extra_us <= ACCOUNTING_US)
        )
    failed = sum(each["failed"] for each in figures.values())
    memory = figures["on"]["rss_mb"]
    return [
        *rows,
        *(
            row(f"{label}: {name}, CPU us a request", "", statistics.median(each["cpu_us"]), None)
            for name, each in figures.items()
        ),
        row(f"{label}: failed requests", "0", failed, failed == 0),
        row(f"{label}: resident MB of the gateway before, after", "", (memory[0], memory[-1]), None),
    ]


def measure(folder: Path, nbytes: int, reply_bytes: int, peer: str) -> dict[str, dict[str, Any]]:
    """CPU us a request of every proxy, a value a round."""
    body = bare.request_body(nbytes)
    (folder / "body.bin").write_bytes(body)
    script = folder / "post.lua"
    script.write_text(bare.WRK.format(body=folder / "body.bin", head=len(body) - nbytes), encoding="utf-8")
    backend = bare.free_port()
    nodes = "".join(NODE.format(i=i, zone=ZONES[i], port=backend) for i in range(NODES))
    (folder / "bench.toml").write_text(SCENARIO.format(nodes=nodes), "utf-8")
    running = [_start("backend", backend, reply_bytes)]
    try:
        bare.await_port(backend)
        ports = {name: bare.free_port() for name in ("on", "off", "nginx")}
        for name in ("on", "off"):
            running.append(_start(name, ports[name], folder))
        running.append(bare.nginx(folder / "nginx", ports["nginx"], backend, *bare.VARIANTS[peer]))
        for port in ports.values():
            bare.await_port(port)
        pids = dict(zip(ports, (each.pid for each in running[1:]), strict=True))
        figures: dict[str, dict[str, Any]] = {
            name: {"cpu_us": [], "per_s": [], "rss_mb": [], "failed": 0} for name in ports
        }
        for round_ in range(-1, ROUNDS):
            for name, port in ports.items():
                one = bare.load(port, script, pids[name], 1 if round_ < 0 else SECONDS)
                if round_ >= 0:
                    bare.note(figures[name], one)
        return figures
    finally:
        for each in running:
            each.terminate()
        for each in running:
            each.wait()


def _start(*arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, __file__, *map(str, arguments)])


async def backend(port: int, reply_bytes: int) -> None:
    """A node that computes nothing: the protocol's calls, and an answer that tells joules."""
    from gramwise.gateway.oip.metadata import ModelMetadata, ServerMetadata, TensorMetadata, metadata_body
    from gramwise.gateway.web.exchange import Exchange
    from gramwise.gateway.web.server import HttpServer

    head = (
        b'{"model_name":"m","model_version":"1","parameters":{"energy_joules":0.031,"energy_joules_low":0.025,'
        b'"energy_joules_high":0.04,"energy_method":"modelled","gramwise_cpu_seconds":0.0015},"outputs":[{"name":"o",'
        b'"datatype":"FP32","shape":[1,%d],"parameters":{"binary_data_size":%d}}]}'
        % (reply_bytes // 4, reply_bytes)
    )
    headers = [(b"inference-header-content-length", b"%d" % len(head))]
    answer = head + bytes(reply_bytes)
    model = ModelMetadata(
        "m",
        "onnx_onnxv1",
        [TensorMetadata("input", "FP32", [-1, 16])],
        [TensorMetadata("o", "FP32", [-1, 16])],
    )

    async def handler(exchange: Exchange) -> None:
        if exchange.method == b"GET":
            told = ServerMetadata("bench", "1", ["binary_tensor_data"]) if exchange.path == b"/v2" else model
            exchange.reply(200, [], metadata_body(told))
            return
        async for _ in exchange.body:
            pass
        exchange.reply(200, headers, answer)

    await HttpServer(handler).start("127.0.0.1", port)
    await asyncio.Event().wait()


async def gateway(port: int, folder: Path, *, accounting: bool) -> None:
    """The gateway, without the control API."""
    from gramwise.gateway.front.gateway import run_gateway
    from gramwise.gateway.front.settings import Settings

    await run_gateway(
        Settings.of(
            scenario=folder / "bench.toml",
            listen=f"127.0.0.1:{port}",
            state=folder / f"state-{port}",
            accounting=accounting,
        )
    )


if __name__ == "__main__":
    if len(sys.argv) == 4:
        from gramwise.gateway import loop

        kind, first, second = sys.argv[1:]
        if kind == "backend":
            loop.run(backend(int(first), int(second)))
        else:
            loop.run(gateway(int(first), Path(second), accounting=kind == "on"))
        sys.exit()
    sys.exit(main())
