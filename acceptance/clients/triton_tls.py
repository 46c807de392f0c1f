"""tritonclient over TLS, HTTP and gRPC, with an authority of its own; without that authority it must not connect."""

from __future__ import annotations

import ssl
from pathlib import Path

import gevent.ssl
import tritonclient.grpc
import tritonclient.http
from checks import Checks, Target, near, target
from geventhttpclient.response import HTTPConnectionClosed
from tritonclient.utils import InferenceServerException as Refusal


def main() -> None:
    """Every check, then the exit code."""
    at, checks = target(), Checks("triton_tls")
    checks.run("HTTP", lambda: near(_http(at, at.ca), at.expected))
    checks.run("HTTP, unknown authority", lambda: _distrusted(lambda: _http(at, "")))
    checks.run("gRPC", lambda: near(_grpc(at, Path(at.ca).read_bytes()), at.expected))
    checks.run("gRPC, unknown authority", lambda: _distrusted(lambda: _grpc(at, None)))
    checks.run("plain HTTP is no way in", lambda: _distrusted(lambda: _plain(at)))
    checks.end()


def _http(at: Target, ca: str) -> object:
    def context(**_: object) -> ssl.SSLContext:
        return gevent.ssl.create_default_context(cafile=ca or None)

    client = tritonclient.http.InferenceServerClient(at.http, ssl=True, ssl_context_factory=context)
    return _infer(client, tritonclient.http, at, "Authorization")


def _plain(at: Target) -> object:
    client = tritonclient.http.InferenceServerClient(at.http, connection_timeout=5, network_timeout=5)
    return _infer(client, tritonclient.http, at, "Authorization")


def _grpc(at: Target, ca: bytes | None) -> object:
    credentials = tritonclient.grpc.InferenceServerClient(
        at.grpc, ssl=True, root_certificates=None if ca is None else at.ca
    )
    return _infer(credentials, tritonclient.grpc, at, "authorization", client_timeout=10)


def _infer(client: object, library: object, at: Target, header: str, **more: object) -> object:
    made = library.InferInput(at.input, list(at.given.shape), "FP32")
    made.set_data_from_numpy(at.given)
    found = client.infer(at.model, [made], headers={header: f"Bearer {at.token}"}, **more)
    return found.as_numpy(at.output)


def _distrusted(call: object) -> None:
    try:
        call()
    except (Refusal, OSError, HTTPConnectionClosed):
        return
    raise AssertionError("it was answered")


if __name__ == "__main__":
    main()
