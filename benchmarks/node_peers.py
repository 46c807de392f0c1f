"""The node beside KServe's and MLServer's own servers: MobileNetV2 1.0 at 224, one connection, both protocols.

All in one run. Each server runs in a process of its own, KServe and MLServer in environments of their own (versions
pinned under `acceptance/`), with the same file and one onnxruntime thread. The same clients ask all of them in rounds
that follow each other: a raw socket over HTTP, a ``grpc.aio`` channel with raw tensors. The figure is the minimum of
each over its whole run; it is told as a ratio to raw onnxruntime in this process, and as peer over node.

MLServer has no binary tensors over HTTP: it gets JSON there, and so do KServe and the node besides their binary form.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from node_overhead import MODEL, AioGrpc, Ask, RawHttp, measure, raw_session

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "acceptance"))
import jobs
import venvs
from servers import Servers

from gramwise.gateway import loop
from gramwise.graph import zoo
from record import finish, row

ROUNDS = 15
NETWORK = "mobilenetv2-1.0-224"


class Prepared(RawHttp):
    """The same socket and the same prepared bytes; answers are read by the standard library, since some are chunked."""

    def _ask(self) -> bytes:
        self._socket.sendall(self._request)
        answer = http.client.HTTPResponse(self._socket)
        answer.begin()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {body[:300]!r}")
        return body


async def run(servers: Servers, rounds: int) -> None:
    """Measure and print."""
    image = np.random.default_rng(0).standard_normal((1, 3, 224, 224), dtype=np.float32)
    session = raw_session()

    async def raw() -> Any:
        return session.run(None, {"input": image})[0]

    asks: dict[str, Ask] = {"raw": raw, **_node(servers, image)}
    for name in jobs.PROTOCOLS:
        asks |= _peer(servers, name, image)
    expected = (await raw())[0]
    for name, ask in asks.items():
        if name.endswith("gRPC"):
            np.testing.assert_allclose(await ask(), expected, rtol=1e-4, atol=1e-5, err_msg=name)
    took = await measure(asks, rounds)
    least = {name: min(all_s) for name, all_s in took.items()}
    rows = [
        row(f"{name} over raw onnxruntime, minimum", "", least[name] / least["raw"], None)
        for name in asks
        if name != "raw"
    ]
    for name in asks:
        if name == "raw" or name.startswith("node"):
            continue
        ratio = least[name] / least["node " + name.partition(" ")[2]]
        rows.append(row(f"{name} over node, the same form", "> 1", ratio, ratio > 1))
    finish(
        "node_peers",
        rows,
        rounds=rounds,
        least_s=least,
        median_s={name: statistics.median(all_s) for name, all_s in took.items()},
    )


def _node(servers: Servers, image: Any) -> dict[str, Ask]:
    file = servers.folder / "models" / MODEL / "1" / "model.onnx"
    file.parent.mkdir(parents=True)
    file.symlink_to(zoo.path(NETWORK))
    settings = {
        "repository": str(servers.folder / "models"),
        "listen": "127.0.0.1:0",
        "grpc": "127.0.0.1:0",
        "device": "n100",
    }
    at = servers.start("node", [sys.executable, str(venvs.HERE / "launch.py"), "node", json.dumps(settings)])
    web, grpc = at["http"][1], at["grpc"][1]
    return {
        "node HTTP": Prepared(web, image).ask,
        "node HTTP JSON": Prepared(web, image, binary=False).ask,
        "node gRPC": AioGrpc(grpc, image).ask,
    }


def _peer(servers: Servers, name: str, image: Any) -> dict[str, Ask]:
    at = jobs.peer(servers, name, str(zoo.path(NETWORK)), MODEL)
    web, grpc = at["http"][1], at["grpc"][1]
    asks: dict[str, Ask] = {
        f"{name} HTTP JSON": Prepared(web, image, binary=False).ask,
        f"{name} gRPC": AioGrpc(grpc, image).ask,
    }
    if "http-binary" in jobs.PROTOCOLS[name]:
        asks[f"{name} HTTP"] = Prepared(web, image).ask
    return asks


def main() -> None:
    """Start the servers, measure, stop them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="turns of 20 requests each")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Servers(Path(folder)) as servers:
        loop.run(run(servers, told.rounds))


if __name__ == "__main__":
    main()
