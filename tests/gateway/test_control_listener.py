"""The control API's listener against clients that mean harm: slow, many, smuggling, without TLS where it is needed."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the control API needs the serve extra")
pytest.importorskip("sqlalchemy", reason="the ledger needs the serve extra")

from control_rig import Rig, rig

from gramwise.core.errors import ConfigError
from gramwise.gateway.access.tls import TlsFiles
from gramwise.gateway.control.limits import HttpLimits
from gramwise.gateway.control.listener import Listener


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A control API whose patience is short."""
    short = HttpLimits(head_within_s=0.3, body_within_s=0.3, body_bytes=1000, idle_s=1)
    with rig(tmp_path_factory.mktemp("hasty"), settings={"limits": short}) as served:
        yield served


def spoken(place: tuple[str, int], *pieces: bytes) -> bytes:
    """What comes back until the other end closes."""
    with socket.create_connection(place, timeout=10) as connection:
        for piece in pieces:
            connection.sendall(piece)
        got = b""
        while piece := connection.recv(65536):
            got += piece
        return got


def head(served: Rig, *lines: str, method: str = "POST", path: str = "/v2/plans") -> bytes:
    all_lines = (
        f"{method} {path} HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {served.keys['all']}",
        *lines,
    )
    return "\r\n".join((*all_lines, "", "")).encode()


def test_a_client_that_never_finishes_its_head_is_let_go(hasty: Rig) -> None:
    assert spoken(hasty.place) == b""
    assert spoken(hasty.place, b"GET /v2/fleet HTTP/1.1\r\nHost: x\r\nX-Slow: ") == b""
    first = head(hasty, method="GET", path="/v2/fleet")
    answer = spoken(hasty.place, first + b"GET /v2/fl")
    assert answer.count(b"HTTP/1.1 200 OK") == 1


def test_a_body_that_comes_too_slowly_or_never_ends_is_refused(hasty: Rig) -> None:
    kind = "Content-Type: application/json"
    slow = spoken(hasty.place, head(hasty, kind, "Content-Length: 50", "Connection: close") + b'{"words":')
    assert b" 408 " in slow.split(b"\r\n")[0]
    assert b"did not come within 0.3 s" in slow
    chunk = b"3e8\r\n" + b" " * 1000 + b"\r\n"
    long = spoken(
        hasty.place, head(hasty, kind, "Transfer-Encoding: chunked", "Connection: close") + 2 * chunk
    )
    assert b" 413 " in long.split(b"\r\n")[0]
    declared = spoken(hasty.place, head(hasty, kind, "Content-Length: 1001", "Connection: close"))
    assert b" 413 " in declared.split(b"\r\n")[0]


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: -1",),
        ("Content-Length: 5, 6",),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
        ("Transfer-Encoding: xchunked",),
        ("X: a\nY: b\x00",),
        ("Bad Header: 1",),
    ],
)
def test_heads_that_could_be_read_in_two_ways_are_refused_and_the_connection_closed(
    hasty: Rig, lines: tuple[str, ...]
) -> None:
    answer = spoken(
        hasty.place, head(hasty, "Content-Type: application/json", *lines) + b"0\r\n\r\n" + head(hasty)
    )
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"HTTP/1.1 4" in answer or b"HTTP/1.1 501" in answer


def test_long_heads_are_refused_in_one_piece_and_in_many(hasty: Rig) -> None:
    long = head(hasty, "Connection: close", "X: " + "a" * 40_000, method="GET", path="/v2/fleet")
    assert b" 431 " in spoken(hasty.place, long).split(b"\r\n")[0]
    assert b"HTTP/1.1 4" in spoken(hasty.place, *[long[i : i + 8_000] for i in range(0, 40_000, 8_000)])


def test_two_keys_in_one_request_are_refused(hasty: Rig) -> None:
    twice = head(hasty, "Authorization: Bearer other", "Connection: close", method="GET", path="/v2/fleet")
    assert b"two Authorization headers" in spoken(hasty.place, twice)


def test_elsewhere_than_on_loopback_it_listens_with_keys_and_tls_only() -> None:
    for auth, tls, said in ((True, None, "TLS"), (False, None, "keys")):
        with pytest.raises(ConfigError, match=said):
            asyncio.run(Listener(None, auth=auth, tls=tls).start("0.0.0.0", 0))


def test_an_address_that_is_taken_is_named(hasty: Rig) -> None:
    with pytest.raises(ConfigError, match="cannot listen on"):
        asyncio.run(Listener(None, auth=True).start(*hasty.place))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_over_tls_every_answer_says_so_and_plain_http_gets_none(tmp_path: Path) -> None:
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ),
            *("-days", "2", "-subj", "/CN=x", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", "k.pem", "-out", "c.pem"),
        ],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    (tmp_path / "k.pem").chmod(0o600)
    with rig(tmp_path, tls=TlsFiles(cert=tmp_path / "c.pem", key=tmp_path / "k.pem")) as served:
        answer = served.ask("GET", "/v2/fleet")
        assert answer.status_code == 200
        assert answer.headers["strict-transport-security"].startswith("max-age=")
        assert b"HTTP/1.1 200" not in spoken(served.place, head(served, method="GET", path="/v2/fleet"))
        with (
            socket.create_connection(served.place) as plain,
            pytest.raises(ssl.SSLError),
            ssl.create_default_context().wrap_socket(plain, server_hostname="127.0.0.1"),
        ):
            pass
