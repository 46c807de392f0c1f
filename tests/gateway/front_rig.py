"""Gateways over nodes that compute nothing, for tests: real sockets, one loop, and nodes that fail as they are told."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from gramwise.gateway.front.gateway import Gateway
from gramwise.gateway.front.settings import Settings
from gramwise.gateway.oip.metadata import ModelMetadata, ServerMetadata, TensorMetadata, metadata_body
from gramwise.gateway.oip.paths import route
from gramwise.gateway.web.client import Upstream
from gramwise.gateway.web.exchange import JSON, Exchange
from gramwise.gateway.web.server import HttpServer

ZONES = ("FR", "DE", "NO", "NL")
SIZE = b"inference-header-content-length"
VARIANTS = {"full": 0.99, "half": 0.90}
"""Accuracies; full is the reference."""


class FakeNode:
    """A v2 server whose models add nothing: an answer holds the input again, and tells joules.

    Attributes:
        mode: ok; or a fault: ``garbage``, ``cut``, ``status 503`` ...
        joules: told for each inference of the full variant, half of it for the half one; None tells none.
        busy_s: an answer takes so long.
        binary: it speaks the binary extension.
        asked: heads of the requests that it had, as JSON objects, in order.
        models: names that they asked for.
        pieces: by name, the input and the output of a piece of a model.
    """

    def __init__(
        self, joules: float | None = 1.0, *, binary: bool = True, names: str = "{model}.{variant}"
    ) -> None:
        self.joules, self.binary, self.names = joules, binary, names
        self.mode, self.busy_s = "ok", 0.0
        self.asked: list[dict[str, Any]] = []
        self.models: list[str] = []
        self.pieces: dict[str, tuple[str, str]] = {}
        self.server = HttpServer(self.answer)
        self.address = ""

    async def start(self, port: int = 0) -> None:
        self.server = HttpServer(self.answer)
        host, bound = await self.server.start("127.0.0.1", port)
        self.address = f"{host}:{bound}"

    async def stop(self) -> None:
        """At once: whoever is being answered is not."""
        await self.server.drain(0.0)

    async def answer(self, exchange: Exchange) -> None:
        found = route(exchange.method, exchange.path)
        if found.call == "server_metadata":
            extensions = ["binary_tensor_data"] if self.binary else []
            exchange.reply(200, [JSON], metadata_body(ServerMetadata("fake", "1", extensions)))
        elif found.call == "server_ready":
            exchange.reply(503 if self.mode == "not ready" else 200, [JSON], b"{}")
        elif (
            found.model
            not in {self.names.format(model="m", variant=v) for v in VARIANTS} | self.pieces.keys()
        ):
            exchange.reply(404, [JSON], b'{"error":"no such model"}')
        elif found.call == "infer":
            self.models.append(found.model)
            await self._infer(exchange, found.model)
        else:
            ends = self.pieces.get(found.model, ("x", "y"))
            inputs, outputs = ([TensorMetadata(end, "FP32", [-1, 2])] for end in ends)
            exchange.reply(
                200, [JSON], metadata_body(ModelMetadata(found.model, "onnx_onnxv1", inputs, outputs))
            )

    async def _infer(self, exchange: Exchange, model: str) -> None:
        body = await exchange.body.read(1 << 26)
        size = int(exchange.headers.get(SIZE, len(body)))
        head = json.loads(body[:size])
        self.asked.append(head)
        if self.busy_s:
            await asyncio.sleep(self.busy_s)
        if self.mode.startswith("status"):
            status = int(self.mode.split()[1])
            exchange.reply(status, [JSON, *_retry(self.mode)], b'{"error":"the node says so"}')
            return
        count, factor = head["inputs"][0]["shape"][0], 0.5 if "half" in model else 1.0
        parameters = {} if self.joules is None else {"energy_joules": self.joules * factor * count}
        out: dict[str, Any] = {**head["inputs"][0], "name": self.pieces.get(model, ("x", "y"))[1]}
        told = {"model_name": "whatever", "model_version": "1", "parameters": parameters, "outputs": [out]}
        if head.get("id"):
            told["id"] = head["id"]
        data = msgspec.json.encode(told)
        if self.mode == "garbage":
            exchange.reply(200, [JSON], b"{nonsense")
        elif self.mode == "cut":
            exchange.begin(200, [JSON], 1000)
            exchange.write(b'{"outputs"')
            exchange.abort()
        elif size < len(body):
            exchange.reply(200, [(SIZE, b"%d" % len(data))], data + body[size:])
        else:
            exchange.reply(200, [JSON], data)


def _retry(mode: str) -> Sequence[tuple[bytes, bytes]]:
    return [(b"retry-after", b"0")] if mode.endswith("retry") else []


def scenario_text(
    addresses: Mapping[str, str], *, goals: str = "deadline_s = 2.0", declared: bool = True
) -> str:
    """Nodes on ever dirtier grids, in their order."""
    grids = {name: 100.0 * (i + 1) for i, name in enumerate(addresses)}
    zones = dict(zip(addresses, ZONES, strict=False))
    own = 'intensity_g_per_kwh = {}\nintensity_source = "chosen for the test"'
    nodes = "\n".join(
        f"""[nodes.{name}]
device = "pi4"
zone = "{zones[name]}"
{own.format(grids[name]) if declared else ""}
cpu_share = 1.0
memory = "1 GiB"
slots = 4
address = "{address}"
"""
        for name, address in addresses.items()
    )
    variants = "\n".join(
        f"""[models.m.variants.{name}]
file = "absent-{name}.onnx"
accuracy_frac = {frac}
accuracy_source = "chosen for the test"
"""
        for name, frac in VARIANTS.items()
    )
    first = next(iter(addresses))
    return f"""
schema = 1
name = "test"
baseline_node = "{first}"
[models.m]
reference = "full"
{variants}
{nodes}
[goals]
{goals}
"""


@asynccontextmanager
async def running(
    folder: Path, nodes: Mapping[str, FakeNode], **settings: Any
) -> AsyncIterator[tuple[Gateway, Upstream, Any]]:
    """A gateway over nodes; gives the gateway, a client of it, and where it listens."""
    text = {key: settings.pop(key) for key in ("goals", "declared") if key in settings}
    for node in nodes.values():
        if not node.address:
            await node.start()
    file = folder / "scenario.toml"
    file.write_text(scenario_text({name: node.address for name, node in nodes.items()}, **text), "utf-8")
    defaults = {
        "listen": "127.0.0.1:0",
        "profile_runs": 1,
        "poll_s": 0.05,
        "poll_timeout_s": 0.3,
        "drain_s": 2.0,
    }
    gateway = Gateway(Settings.of(scenario=file, state=folder / "state", **(defaults | settings)))
    try:
        listening = await gateway.start()
    except BaseException:
        for node in nodes.values():
            await node.stop()
        raise
    client = Upstream(*listening.http)
    for node in nodes.values():
        node.asked.clear()
        node.models.clear()
    try:
        yield gateway, client, listening
    finally:
        await client.close()
        await gateway.end()
        for node in nodes.values():
            await node.stop()


def rows_of(gateway: Gateway) -> list[dict[str, Any]]:
    """The ledger's rows, oldest first."""
    from gramwise.gateway.control.desk import LedgerDesk

    assert gateway.ledger is not None
    return list(LedgerDesk(gateway.ledger).rows(None, None, {}, 1000)["rows"])


def binary(count: int = 1, **parameters: Any) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Headers and body of a request with one tensor of ``count`` rows, in the binary form."""
    raw = struct.pack(f"<{2 * count}f", *range(2 * count))
    tensor = {
        "name": "x",
        "datatype": "FP32",
        "shape": [count, 2],
        "parameters": {"binary_data_size": len(raw)},
    }
    head = json.dumps(
        {"id": "mine", "inputs": [tensor], "parameters": {"binary_data_output": True, **parameters}}
    ).encode()
    return [(SIZE, b"%d" % len(head))], head + raw


def as_json(count: int = 1, **parameters: Any) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """The same with its elements as JSON."""
    tensor = {
        "name": "x",
        "datatype": "FP32",
        "shape": [count, 2],
        "data": [float(i) for i in range(2 * count)],
    }
    return [], json.dumps({"id": "mine", "inputs": [tensor], "parameters": parameters}).encode()


async def ask(
    client: Upstream, request: tuple[list[tuple[bytes, bytes]], bytes], path: str = "/v2/models/m/infer"
) -> tuple[int, dict[str, Any], bytes, dict[bytes, bytes]]:
    """Status, head, what follows it, and headers of an answer."""
    reply = await client.send(b"POST", path.encode(), *request, timeout_s=10.0)
    body = await reply.body.read(1 << 26)
    size = int(reply.headers.get(SIZE, len(body)))
    return reply.status, json.loads(body[:size]), body[size:], reply.headers


def run(test: Callable[[], Awaitable[None]]) -> None:
    """A test on a loop of its own."""

    async def main() -> None:
        await test()

    asyncio.run(main())
