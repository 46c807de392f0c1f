"""A chat-completions server that says what a test scripted. It tests plumbing and is no language model."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TEXT = (
    "Two jobs, the scan and the report, run each either in Lyon or in Essen. The scan uses 2 kWh, the report 3 kWh,"
    " wherever it runs. The grid emits 50 g/kWh in Lyon and 400 g/kWh in Essen."
    " Lyon can take one job at most. Least CO2, please."
)
OPTIMUM_G = 3 * 50 + 2 * 400


def reply_object(**changes: Any) -> dict[str, Any]:
    """A right answer for `TEXT`, with some fields replaced."""
    good: dict[str, Any] = {
        "status": "formulated",
        "reason": "",
        "family": "family.assignment",
        "title": "two jobs, two towns",
        "sets": [members("JOB", "scan", "report"), members("SITE", "Lyon", "Essen")],
        "params": [
            param("E", ["JOB"], "kWh", [2, 3], ["2 kWh", "3 kWh"]),
            param("CI", ["SITE"], "gCO2e/kWh", [50, 400], ["50 g/kWh", "400 g/kWh"]),
            param("cap", [], "1", [1], ["one job"]),
        ],
        "variables": [
            {
                "name": "x",
                "text": "job at site",
                "index": ["JOB", "SITE"],
                "domain": "binary",
                "lower": 0,
                "lower_param": None,
                "upper": 1,
                "upper_param": None,
                "unit": "1",
                "quote": "",
            }
        ],
        "derived": [],
        "objective": "sum(j in JOB, s in SITE) x[j,s]*E[j]*CI[s]",
        "constraints": [
            row("one_site", "logic", "j in JOB", "sum(s in SITE) x[j,s]", "==", "1", "run each either"),
            row("lyon", "capacity", "", "sum(j in JOB) x[j,Lyon]", "<=", "cap", "one job at most"),
        ],
        "assumptions": [],
        "questions": [],
    }
    return good | changes


def members(name: str, *labels: str) -> dict[str, Any]:
    """A set on the wire."""
    return {"name": name, "labels": list(labels), "size": None, "ordered": False, "quote": labels[0]}


def param(
    name: str, index: list[str], unit: str, values: list[float] | None, quotes: list[str]
) -> dict[str, Any]:
    """A parameter on the wire."""
    return {"name": name, "text": name, "index": index, "unit": unit, "values": values, "quotes": quotes}


def row(name: str, kind: str, forall: str, lhs: str, rel: str, rhs: str, quote: str) -> dict[str, Any]:
    """A constraint on the wire."""
    return {
        "name": name,
        "kind": kind,
        "forall": forall,
        "lhs": lhs,
        "rel": rel,
        "rhs": rhs,
        "text": "",
        "quote": quote,
    }


@dataclass(frozen=True)
class Scripted:
    """One answer. ``content`` goes into a chat completion; ``body`` replaces the whole of it."""

    content: Any = None
    body: str | None = None
    status: int = 200
    finish: str = "stop"
    refusal: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    wait_s: float = 0.0
    reset: bool = False
    chunked: bool = False

    def encoded(self) -> bytes:
        """What goes over the wire."""
        if self.body is not None:
            return self.body.encode()
        content = self.content if isinstance(self.content, str | None) else json.dumps(self.content)
        message = {"role": "assistant", "content": content, "refusal": self.refusal}
        choice = {"index": 0, "message": message, "finish_reason": self.finish}
        return json.dumps(
            {"object": "chat.completion", "choices": [choice], "usage": {"total_tokens": 100}}
        ).encode()


Script = Callable[[dict[str, Any], int], Scripted]


class LlmServer:
    """Answers POST /v1/chat/completions; keeps every request's body and headers in ``asked``."""

    def __init__(self) -> None:
        self.asked: list[tuple[dict[str, Any], dict[str, str]]] = []
        self.script: Script = lambda body, n: Scripted(reply_object())
        handler = type("Handler", (_Handler,), {"served": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self) -> str:
        """Base address of the API."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def say(self, *answers: Scripted) -> None:
        """Answer in this order; the last one again and again."""
        self.script = lambda body, n: answers[min(n, len(answers) - 1)]

    def environment(self, **more: str) -> dict[str, str]:
        """Settings that point here."""
        return {"GRAMWISE_LLM_BASE_URL": self.url, "GRAMWISE_LLM_MODEL": "scripted"} | more

    def close(self) -> None:
        """Stop, and wait until it has."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    served: LlmServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        number = len(self.served.asked)
        self.served.asked.append((body, {k.lower(): v for k, v in self.headers.items()}))
        answer = self.served.script(body, number)
        if self.path != "/v1/chat/completions":
            answer = Scripted(body="{}", status=404)
        time.sleep(answer.wait_s)
        if answer.reset:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        try:
            self._send(answer)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client has given up, as some tests want it to

    def _send(self, answer: Scripted) -> None:
        content = answer.encoded()
        self.send_response(answer.status)
        for name, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        if answer.chunked:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in _pieces(content):
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")
            return
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        return


def _pieces(content: bytes) -> Sequence[bytes]:
    return [content[i : i + 7] for i in range(0, len(content), 7)]
