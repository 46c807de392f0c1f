"""A real `gramwise node` in a child process, for tests: started with settings, asked over real sockets, stopped."""

from __future__ import annotations

import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gramwise.gateway.oip.head import read_reply_head
from gramwise.gateway.oip.tensors import read_tensors, write_request

Array = npt.NDArray[Any]

_CHILD = """
import json, logging, sys
logging.basicConfig(level="INFO")
from gramwise.gateway import loop
from gramwise.gateway.node import Settings, run_node
def ready(at):
    print(json.dumps({"http": at.http, "grpc": at.grpc, "models": at.models}), flush=True)
loop.run(run_node(Settings.of(**json.loads(sys.argv[1])), ready))
"""


class Reply(NamedTuple):
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def tensors(self) -> dict[str, Array]:
        size = self.headers.get("inference-header-content-length")
        head = read_reply_head(self.body, None if size is None else int(size))
        return read_tensors(head, b"" if size is None else self.body[int(size) :])


class RunningNode:
    """A node that runs, as a context."""

    def __init__(self, repository: Path, log: Path, **settings: Any) -> None:
        self._settings = {"repository": str(repository), "listen": "127.0.0.1:0", **settings}
        self._log = log
        self.headers: dict[str, str] = {}
        self.tls: ssl.SSLContext | None = None

    def __enter__(self) -> RunningNode:
        with self._log.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _CHILD, json.dumps(self._settings)],
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.log()
        self.at = json.loads(line)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process.stdout is not None
        self.process.stdout.close()
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def log(self) -> str:
        return self._log.read_text("utf-8")

    def connect(self) -> http.client.HTTPConnection:
        host, port = self.at["http"]
        if self.tls is not None:
            return http.client.HTTPSConnection("localhost", port, timeout=20, context=self.tls)
        return http.client.HTTPConnection(host, port, timeout=20)

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        connection = self.connect()
        try:
            connection.request(method, path, body, {**self.headers, **(headers or {})})
            answer = connection.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, named, answer.read())
        finally:
            connection.close()

    def get(self, path: str) -> Reply:
        return self.ask("GET", path)

    def post_json(self, path: str, document: object) -> Reply:
        return self.ask("POST", path, json.dumps(document).encode())

    def infer(self, model: str, inputs: Mapping[str, Array], **parameters: Any) -> Reply:
        """Infer in the binary form."""
        head, tensors = write_request(inputs, id="7", parameters=parameters)
        size = {"Inference-Header-Content-Length": str(len(head))}
        return self.ask("POST", f"/v2/models/{model}/infer", head + b"".join(tensors), size)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def until(self, path: str, status: int, limit_s: float = 10.0) -> Reply:
        """Ask until the answer has this status."""
        end_s = time.monotonic() + limit_s
        while True:
            reply = self.get(path)
            if reply.status == status or time.monotonic() > end_s:
                assert reply.status == status, (reply, self.log())
                return reply
            time.sleep(0.02)


def put(repository: Path, name: str, version: int, model: Path | bytes) -> Path:
    """Place a model's file into a repository; returns where."""
    file = repository / name / str(version) / "model.onnx"
    file.parent.mkdir(parents=True, exist_ok=True)
    staged = file.with_suffix(".staged")
    staged.write_bytes(model if isinstance(model, bytes) else model.read_bytes())
    staged.replace(file)
    return file


def images(n: int, seed: int = 0) -> Array:
    """Random images for the tiny network."""
    return np.random.default_rng(seed).random((n, 1, 8, 8), np.float32)
