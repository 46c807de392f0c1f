"""A provider on this machine: a real HTTP server that answers what a test wrote and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Question:
    """What a client asked: path, its parameters and its headers by lower-case name."""

    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """What the server sends back. ``body`` is sent as JSON unless it is text or bytes. ``cut`` hangs up half way."""

    body: Any = field(default_factory=dict)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    wait: threading.Event | None = None

    def encoded(self) -> bytes:
        """The body as it goes over the wire."""
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


Reply = Callable[[Question], Answer]


class Loopback:
    """Answers with ``reply``; keeps every question in ``asked``."""

    def __init__(self) -> None:
        self.asked: list[Question] = []
        self.reply: Reply = lambda question: Answer({"error": "the test wrote no answer"}, 404)
        handler = type("Handler", (_Handler,), {"loopback": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def always(self, body: Any = None, status: int = 200, **more: Any) -> None:
        """Answer every question alike."""
        self.reply = lambda question: Answer({} if body is None else body, status, **more)

    def close(self) -> None:
        """Stop, and wait until it has."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    loopback: Loopback

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        params = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        question = Question(parts.path, params, {k.lower(): v for k, v in self.headers.items()})
        self.loopback.asked.append(question)
        answer = self.loopback.reply(question)
        if answer.wait is not None:
            answer.wait.wait(30.0)
        body = answer.encoded()
        self.send_response(answer.status)
        for name, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if answer.cut else body)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the test's output clean."""
