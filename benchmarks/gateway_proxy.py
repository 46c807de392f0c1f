"""CPU that a bare pass-through of the gateway's HTTP server and client adds to a request, beside nginx as a proxy.

Both stand in front of the same backend and are loaded by the same wrk with 16 connections, in turns in one run; CPU is
that of the proxy's process and of all below it, also of those that have ended, divided by the requests that it carried.
Resident memory is the sum over the same processes, so pages that two of them share count twice. nginx runs three times:
as it comes, with a new connection to the backend for every request; with kept connections; and streaming as well, where
it does not collect a long body in a file before it passes it on. The last two are what a person who tunes nginx gets.
Needs nginx and wrk.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from record import finish, row

CONNECTIONS = 16
SECONDS = 2
ROUNDS = 5
SIZES = {"64 B": 64, "602 KB": 602_112}
GOALS = {"64 B": 1.5, "602 KB": 2.0}
PEERS = {"64 B": "nginx plain", "602 KB": "nginx kept, streaming"}
"""Against which nginx the goal is set."""
LONG_MB = 120
REPLY_BYTES = {"64 B": 64, "602 KB": 4096}

NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log crit;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_max_body_size 0; keepalive_requests 100000000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream backend {{ server 127.0.0.1:{backend}; {upstream} }}
  server {{ listen 127.0.0.1:{port} backlog=1024; location / {{ proxy_pass http://backend; {location} }} }}
}}
"""

KEPT = (
    "keepalive 64; keepalive_requests 100000000;",
    'proxy_http_version 1.1; proxy_set_header Connection "";',
)
VARIANTS = {
    "nginx plain": ("", ""),
    "nginx kept": KEPT,
    "nginx kept, streaming": (KEPT[0], KEPT[1] + " proxy_request_buffering off;"),
}
"""What stands in the upstream and in the location block."""

WRK = """
local file = io.open("{body}", "rb")
wrk.method, wrk.body = "POST", file:read("*a")
wrk.headers["Inference-Header-Content-Length"] = "{head}"
"""


def main() -> int:
    """Measure and print."""
    absent = [tool for tool in ("nginx", "wrk") if shutil.which(tool) is None]
    absent += [package for package in ("httptools", "uvloop") if find_spec(package) is None]
    if absent:
        finish(
            "gateway_proxy", [row("CPU a request against nginx", "<= 1.5 x", f"no {absent[0]} here", None)]
        )
        return 0
    rows: list[dict[str, Any]] = []
    details: dict[str, Any] = {}
    for label, nbytes in SIZES.items():
        with tempfile.TemporaryDirectory() as folder:
            figures = measure(Path(folder), nbytes, REPLY_BYTES[label])
        details[label] = figures
        rows += judged(label, figures)
    finish("gateway_proxy", rows, connections=CONNECTIONS, rounds=ROUNDS, seconds=SECONDS, figures=details)
    return 0


def judged(label: str, figures: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines of the table for one size of request."""
    rows = []
    for name in VARIANTS:
        ratios = [a / b for a, b in zip(figures["gramwise"]["cpu_us"], figures[name]["cpu_us"], strict=True)]
        ratio, goal = statistics.median(ratios), GOALS[label] if name == PEERS[label] else None
        rows += [
            row(
                f"{label}: CPU a request against {name}, median of {ROUNDS}",
                f"<= {goal} x" if goal else "",
                ratio,
                ratio <= goal if goal else None,
            ),
            row(f"{label}: range of that ratio over the rounds", "", (min(ratios), max(ratios)), None),
        ]
    ours = figures["gramwise"]
    failed = sum(each["failed"] for each in figures.values())
    return [
        *rows,
        *(
            row(f"{label}: {name}, CPU us a request", "", statistics.median(each["cpu_us"]), None)
            for name, each in figures.items()
        ),
        *(
            row(f"{label}: {name}, requests per second", "", statistics.median(each["per_s"]), None)
            for name, each in figures.items()
        ),
        row(f"{label}: failed requests of any proxy", "0", failed, failed == 0),
        row(f"{label}: resident MB, first and last round", "", (ours["rss_mb"][0], ours["rss_mb"][-1]), None),
        row(f"{label}: its peak, with a body of {LONG_MB} MB as well", "", ours["peak_mb"], None),
    ]


def measure(folder: Path, nbytes: int, reply_bytes: int) -> dict[str, dict[str, Any]]:
    """CPU us a request of every proxy, a value a round."""
    body = request_body(nbytes)
    (folder / "body.bin").write_bytes(body)
    script = folder / "post.lua"
    script.write_text(WRK.format(body=folder / "body.bin", head=len(body) - nbytes), encoding="utf-8")
    backend_port = free_port()
    running = [serve("backend", backend_port, reply_bytes)]
    try:
        await_port(backend_port)
        ports = {"gramwise": free_port()}
        running.append(serve("proxy", ports["gramwise"], backend_port))
        for name, (upstream, location) in VARIANTS.items():
            ports[name] = free_port()
            place = folder / str(len(ports))
            running.append(nginx(place, ports[name], backend_port, upstream, location))
        for port in ports.values():
            await_port(port)
        pids = dict(zip(ports, (each.pid for each in running[1:]), strict=True))
        figures: dict[str, dict[str, Any]] = {
            name: {"cpu_us": [], "per_s": [], "rss_mb": [], "failed": 0} for name in ports
        }
        for round_ in range(-1, ROUNDS):
            for name, port in ports.items():
                one = load(port, script, pids[name], 1 if round_ < 0 else SECONDS)
                if round_ >= 0:
                    note(figures[name], one)
        stream(ports["gramwise"])
        figures["gramwise"]["peak_mb"] = peak_mb(pids["gramwise"])
        return figures
    finally:
        for each in running:
            each.terminate()
        for each in running:
            each.wait()


def note(figures: dict[str, Any], one: dict[str, float]) -> None:
    """Add a round."""
    figures["failed"] += int(one.pop("failed"))
    for name, value in one.items():
        figures[name].append(value)


def load(port: int, script: Path, pid: int, seconds: int) -> dict[str, float]:
    """One round of wrk against one proxy."""
    before_ns = tree_cpu_ns(pid)
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(script)]
    path = "/v2/models/m/infer"
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True
    )
    used_ns = tree_cpu_ns(pid) - before_ns
    words = done.stdout.split()
    requests = int(words[words.index("requests") - 1])
    failed = sum(
        int(word.rstrip(",")) for line in done.stdout.splitlines() if "errors" in line or "Non-2xx" in line
        for word in line.replace(":", " ").split() if word.rstrip(",").isdigit()
    )  # fmt: skip
    return {
        "cpu_us": used_ns / requests / 1e3,
        "per_s": requests / seconds,
        "rss_mb": tree_rss_mb(pid),
        "failed": failed,
    }


def stream(port: int) -> None:
    """Send one long body through a proxy."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        head = b"POST /v2/models/m/infer HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n"
        client.sendall(head % (LONG_MB * 1_000_000))
        for _ in range(LONG_MB):
            client.sendall(bytes(1_000_000))
        if not client.recv(65_536).startswith(b"HTTP/1.1 200"):
            raise SystemExit("the long body did not get through")


def peak_mb(pid: int) -> float:
    """The most resident memory that a process ever had."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise SystemExit("this system tells no peak of resident memory")


def request_body(nbytes: int) -> bytes:
    """A request in the binary form with one FP32 tensor of this size."""
    head = (
        b'{"inputs":[{"name":"input","datatype":"FP32","shape":[1,%d],"parameters":{"binary_data_size":%d}}],'
        b'"parameters":{"binary_data_output":true}}'
    )
    return head % (nbytes // 4, nbytes) + bytes(nbytes)


def cpu_ns(pid: int) -> int:
    """CPU clock of another process, to the nanosecond (Linux)."""
    return time.clock_gettime_ns((~pid << 3) | 2)


def rss_mb(pid: int) -> float:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def tree(pid: int) -> list[int]:
    """A process and all below it (Linux)."""
    found = [pid]
    for each in found:
        for listed in Path(f"/proc/{each}/task").glob("*/children"):
            try:
                found += map(int, listed.read_text("ascii").split())
            except (FileNotFoundError, ProcessLookupError):  # A thread, or all of it, has ended since.
                continue
    return found


def tree_cpu_ns(pid: int) -> int:
    """CPU of a process and of all below it; of those that have ended it is known to the clock's tick, mostly 10 ms."""
    for _ in range(100):
        try:
            ended_ns = sum(map(_ended_ns, tree(pid)))
            own_ns = sum(map(cpu_ns, tree(pid)))
            if ended_ns == sum(map(_ended_ns, tree(pid))):
                return own_ns + ended_ns
        except OSError:  # One has ended meanwhile, and counts with its parent now.
            continue
    raise SystemExit(f"the processes below {pid} come and go too fast to be counted")


def _ended_ns(pid: int) -> int:
    """CPU of a process's children that have ended and were waited for."""
    cells = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(cells[13]) + int(cells[14])) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def tree_rss_mb(pid: int) -> float:
    """Resident memory of a process and of all below it; what two of them share counts twice."""
    total_mb = 0.0
    for each in tree(pid):
        try:
            total_mb += rss_mb(each)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total_mb


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_port(port: int) -> None:
    """Wait until something listens."""
    for _ in range(800):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")


def serve(*arguments: object) -> subprocess.Popen[bytes]:
    """This file as a server of one kind, in its own process."""
    return subprocess.Popen([sys.executable, __file__, *map(str, arguments)])


def nginx(folder: Path, port: int, backend: int, upstream: str, location: str) -> subprocess.Popen[bytes]:
    """nginx as a proxy, one process."""
    folder.mkdir()
    conf = folder / "nginx.conf"
    conf.write_text(
        NGINX.format(folder=folder, port=port, backend=backend, upstream=upstream, location=location), "utf-8"
    )
    quiet = subprocess.DEVNULL
    return subprocess.Popen(["nginx", "-p", str(folder), "-c", str(conf)], stderr=quiet)


async def backend(port: int, reply_bytes: int) -> None:
    """Read the body, answer with a v2 answer of one tensor."""
    from gramwise.gateway.web.exchange import Exchange
    from gramwise.gateway.web.server import HttpServer

    head = (
        b'{"model_name":"m","outputs":[{"name":"o","datatype":"FP32","shape":[1,%d],'
        b'"parameters":{"binary_data_size":%d}}]}' % (reply_bytes // 4, reply_bytes)
    )
    headers = [(b"inference-header-content-length", b"%d" % len(head))]
    answer = head + bytes(reply_bytes)

    async def handler(exchange: Exchange) -> None:
        async for _ in exchange.body:
            pass
        exchange.reply(200, headers, answer)

    await HttpServer(handler).start("127.0.0.1", port)
    await asyncio.Event().wait()


async def proxy(port: int, backend_port: int) -> None:
    """Pass every request on and every answer back."""
    from gramwise.gateway.web.client import Upstream
    from gramwise.gateway.web.exchange import Exchange
    from gramwise.gateway.web.server import HttpServer

    upstream = Upstream("127.0.0.1", backend_port)
    passed = (b"inference-header-content-length", b"content-type")

    def some(headers: dict[bytes, bytes]) -> list[tuple[bytes, bytes]]:
        return [(name, headers[name]) for name in passed if name in headers]

    async def handler(exchange: Exchange) -> None:
        reply = await upstream.send(
            exchange.method, exchange.path, some(exchange.headers), exchange.body, timeout_s=30.0
        )
        whole = reply.body.whole()
        if whole is not None:
            exchange.reply(reply.status, some(reply.headers), whole)
            return
        exchange.begin(reply.status, some(reply.headers), reply.body.nbytes)
        async for chunk in reply.body:
            exchange.write(chunk)
            await exchange.flowing()
        exchange.end()

    await HttpServer(handler).start("127.0.0.1", port)
    await asyncio.Event().wait()


if __name__ == "__main__":
    if len(sys.argv) == 4:
        import uvloop

        kind, first, second = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
        uvloop.run({"backend": backend, "proxy": proxy}[kind](first, second))
    sys.exit(main())
