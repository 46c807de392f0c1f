"""The node over raw onnxruntime: MobileNetV2 1.0 at 224, one thread, one connection, over both protocols.

The same tensor goes through a session of this process, through a node by a raw socket (HTTP, binary tensors) and
through the same node by a ``grpc.aio`` client, in short turns that follow each other: a noisy second touches all, and
the processor's clock, which drifts by a third on some machines, is the same for neighbours.
The figure is the minimum of each over its whole run, as a ratio to raw onnxruntime's. Beside it stand the median over
the rounds of the same ratio within a round (which no single lucky call decides), the node's CPU seconds a request, and
its resident memory.

``--peer NAME=HTTP_PORT,GRPC_PORT`` puts another server of the protocol that serves the model under the name
``mobilenetv2`` into the same rounds; an empty port leaves a protocol out, ``PORT:json`` sends JSON tensors there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # as gramwise sets it: both sides run the same library
import onnxruntime as ort

from gramwise.gateway import loop
from gramwise.gateway.oip.messages import message
from gramwise.gateway.oip.tensors import write_request
from gramwise.gateway.rpc import RpcUpstream
from gramwise.graph import zoo
from gramwise.power.clocks import process_cpu_s
from record import finish, row

ROUNDS = 120
A_ROUND = 5
FOR_CPU = 20
MODEL = "mobilenetv2"
NODE = """
import json, sys
from gramwise.gateway import loop
from gramwise.gateway.node import Settings, run_node
settings = Settings.of(repository=sys.argv[1], listen="127.0.0.1:0", grpc="127.0.0.1:0", device="n100")
loop.run(run_node(settings, lambda at: print(json.dumps([at.http[1], at.grpc[1]]), flush=True)))
"""

Ask = Callable[[], Awaitable[Any]]


class RawHttp:
    """One keep-alive connection that sends one prepared request over and over: nothing but a socket."""

    def __init__(self, port: int, image: np.ndarray, *, binary: bool = True) -> None:
        self._port = port
        self._connect()
        kind = "content-type: application/json\r\n"
        if binary:
            head, tensors = write_request({"input": image})
            body = head + b"".join(tensors)
            kind = (
                f"content-type: application/octet-stream\r\ninference-header-content-length: {len(head)}\r\n"
            )
        else:
            tensor = {
                "name": "input",
                "shape": list(image.shape),
                "datatype": "FP32",
                "data": image.reshape(-1).tolist(),
            }
            body = json.dumps({"inputs": [tensor]}).encode()
        lines = f"POST /v2/models/{MODEL}/infer HTTP/1.1\r\nhost: node\r\n{kind}content-length: {len(body)}\r\n\r\n"
        self._request = lines.encode() + body

    def _connect(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self._port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def ask(self) -> bytes:
        """The body of one answer; no other task runs meanwhile."""
        try:
            return self._ask()
        except ConnectionError:  # some servers close a connection that was idle for five seconds
            self._connect()
            return self._ask()

    def _ask(self) -> bytes:
        self._socket.sendall(self._request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        head, _, body = data.partition(b"\r\n\r\n")
        sizes = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        size = int(sizes[0].partition(b":")[2])
        while len(body) < size:
            body += self._more()
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise RuntimeError(f"{head[:40]!r}: {body[:300]!r}")
        return body

    def _more(self) -> bytes:
        received = self._socket.recv(1 << 20)
        if not received:
            raise ConnectionError("the server closed the connection")
        return received


class AioGrpc:
    """One ``grpc.aio`` channel that sends one prepared message over and over, as `RawHttp` does."""

    def __init__(self, port: int, image: np.ndarray) -> None:
        self._upstream = RpcUpstream("127.0.0.1", port)
        request = message("ModelInferRequest")(model_name=MODEL)
        request.inputs.add(name="input", datatype="FP32", shape=image.shape)
        request.raw_input_contents.append(image.tobytes())
        self._request = request.SerializeToString()

    async def ask(self) -> np.ndarray:
        """The logits."""
        answer = await self._upstream.call("ModelInfer", self._request)
        return np.frombuffer(
            message("ModelInferResponse").FromString(answer).raw_output_contents[0], np.float32
        )


def raw_session() -> ort.InferenceSession:
    """The model in this process, one thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(
        str(zoo.path("mobilenetv2-1.0-224")), options, providers=["CPUExecutionProvider"]
    )


async def measure(asks: dict[str, Ask], rounds: int) -> dict[str, list[float]]:
    """Seconds of every call, by name; the first of each turn does not count."""
    took: dict[str, list[float]] = {name: [] for name in asks}
    for _ in range(rounds):
        for name, ask in asks.items():
            await ask()  # what the last one left in the caches is not this one's
            for _ in range(A_ROUND):
                start_s = time.perf_counter()
                await ask()
                took[name].append(time.perf_counter() - start_s)
    return took


def typical_ratio(took: dict[str, list[float]], name: str) -> float:
    """Least seconds of a turn over those of raw onnxruntime's turn in the same round: the median of all rounds."""
    mine, raw = (np.array(took[each]).reshape(-1, A_ROUND).min(axis=1) for each in (name, "raw"))
    return float(np.median(mine / raw))


async def cpu_a_request(pid: int, ask: Ask) -> float:
    """CPU seconds of the node a request, over some."""
    before_s = process_cpu_s(pid)
    for _ in range(FOR_CPU):
        await ask()
    await asyncio.sleep(0.05)  # the kernel counts up to the last tick
    after_s = process_cpu_s(pid)
    assert before_s is not None
    assert after_s is not None
    return (after_s - before_s) / FOR_CPU


def peers(given: list[str], image: np.ndarray) -> tuple[dict[str, Ask], dict[str, str]]:
    """What asks other servers, and by the same names what asks ours in the same way."""
    asks: dict[str, Ask] = {}
    ways: dict[str, str] = {}
    for text in given:
        name, _, ports = text.partition("=")
        http, _, grpc = ports.partition(",")
        port, _, form = http.partition(":")
        if form not in ("", "json"):
            raise SystemExit(f"--peer {text}: write PORT, or PORT:json where it takes JSON tensors")
        if port:
            way = "HTTP json" if form else "HTTP"
            asks[f"{name} {way}"] = RawHttp(int(port), image, binary=not form).ask
            ways[f"{name} {way}"] = f"node {way}"
        if grpc:
            asks[f"{name} gRPC"] = AioGrpc(int(grpc), image).ask
            ways[f"{name} gRPC"] = "node gRPC"
    return asks, ways


async def run(given: list[str], rounds: int, pid: int, http: int, grpc: int) -> None:
    """Measure and print."""
    image = np.random.default_rng(0).standard_normal((1, 3, 224, 224), dtype=np.float32)
    session = raw_session()

    async def raw() -> np.ndarray:
        return session.run(None, {"input": image})[0]

    ours = {"node HTTP": RawHttp(http, image).ask, "node gRPC": AioGrpc(grpc, image).ask}
    others, ways = peers(given, image)
    if "node HTTP json" in ways.values():
        ours["node HTTP json"] = RawHttp(http, image, binary=False).ask
    expected = await raw()
    np.testing.assert_allclose(await ours["node gRPC"](), expected[0], rtol=1e-4, atol=1e-5)
    body = await ours["node HTTP"]()
    np.testing.assert_allclose(np.frombuffer(body[-4000:], np.float32), expected[0], rtol=1e-4, atol=1e-5)
    took = await measure({"raw": raw, **ours, **others}, rounds)
    least = {name: min(all_s) for name, all_s in took.items()}
    ratio = {name: least[name] / least["raw"] for name in least}
    rows = [
        row(
            "node over raw onnxruntime, raw-socket HTTP client",
            "<= 1.15",
            ratio["node HTTP"],
            ratio["node HTTP"] <= 1.15,
        ),
        row(
            "node over raw onnxruntime, grpc.aio client",
            "<= 1.25",
            ratio["node gRPC"],
            ratio["node gRPC"] <= 1.25,
        ),
    ]
    for name, mine in ways.items():
        rows.append(row(f"node over {name}", "< 1", least[mine] / least[name], least[mine] < least[name]))
    for name in ("node HTTP", "node gRPC"):
        rows.append(
            row(f"{name} over raw onnxruntime, median of rounds", "", typical_ratio(took, name), None)
        )
    rss_mb = _rss_mb(pid)
    rows.append(row("resident memory of the node, MB", "<= 150", rss_mb, rss_mb <= 150))
    cpu_s = {name: await cpu_a_request(pid, ask) for name, ask in ours.items()}
    rows += [row(f"CPU ms a request, {name}", "", cpu * 1e3, None) for name, cpu in cpu_s.items()]
    finish("node_overhead", rows, least_s=least, median_s={n: float(np.median(s)) for n, s in took.items()})


def _rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024 / 1e6


def main() -> None:
    """Start a node, measure, stop it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", action="append", default=[], help="NAME=HTTP_PORT,GRPC_PORT")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"turns of {A_ROUND} requests each")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        version = Path(folder) / MODEL / "1"
        version.mkdir(parents=True)
        (version / "model.onnx").symlink_to(zoo.path("mobilenetv2-1.0-224"))
        node = subprocess.Popen([sys.executable, "-c", NODE, folder], stdout=subprocess.PIPE, text=True)
        try:
            assert node.stdout is not None
            loop.run(run(given.peer, given.rounds, node.pid, *json.loads(node.stdout.readline())))
        finally:
            node.send_signal(signal.SIGTERM)
            node.wait()


if __name__ == "__main__":
    main()
