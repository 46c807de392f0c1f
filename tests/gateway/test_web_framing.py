"""Requests that two servers could read differently: every one is a 4xx in the protocol's shape, and the end."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

pytest.importorskip("httptools", reason="httptools is not installed")

from gramwise.gateway.web.exchange import Exchange
from gramwise.gateway.web.limits import Limits
from gramwise.gateway.web.server import HttpServer

POST = b"POST / HTTP/1.1\r\nHost: h\r\n"
GET = b"GET / HTTP/1.1\r\nHost: h\r\n"
EVIL = b"GET /evil HTTP/1.1\r\nHost: h\r\n\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

CASES: dict[str, tuple[bytes, int]] = {
    "a length and chunks": (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "chunks and a length": (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
    "two lengths": (POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
    "the same length twice": (POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
    "a length behind the end": (CHUNKED + b"5\r\nhello\r\n0\r\nContent-Length: 7\r\n\r\n", 400),
    "chunks over 1.0": (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "codings twice": (
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "bare LF": (b"GET / HTTP/1.1\nHost: h\n\n", 400),
    "bare LF behind a header": (b"GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n", 400),
    "bare LF at the end": (GET + b"\n", 400),
    "bare CR": (GET[:-2] + b"\rX: y\r\n\r\n", 400),
    "CR in a value": (GET + b"X: a\rb\r\n\r\n", 400),
    "NUL in a value": (GET + b"X: a\0b\r\n\r\n", 400),
    "space before the colon": (POST + b"Content-Length : 5\r\n\r\nhello", 400),
    "tab before the colon": (POST + b"Content-Length\t: 5\r\n\r\nhello", 400),
    "a folded header": (GET + b"X: a\r\n b\r\n\r\n", 400),
    "a folded coding": (POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400),
    "a header that begins with a space": (b"GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400),
    "a header without a name": (GET + b": b\r\n\r\n", 400),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": (GET + b"Host: g\r\n\r\n", 400),
    "two head sizes": (
        POST
        + b"Inference-Header-Content-Length: 2\r\ninference-header-content-length: 5\r\nContent-Length: 5\r\n\r\nhello",
        400,
    ),
    "two tokens": (GET + b"Authorization: a\r\nAuthorization: b\r\n\r\n", 400),
    "a long head": (GET + b"X: " + b"a" * 40_000 + b"\r\n\r\n", 431),
    "a head without an end": (GET + b"X: " + b"a" * 300_000, 431),
    "many headers": (GET + b"".join(b"x%d: 1\r\n" % i for i in range(200)) + b"\r\n", 431),
    "a header again and again": (GET + b"X: yyyyyyyy\r\n" * 10_000 + b"\r\n", 431),
    "a long target": (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414),
    "a long body": (POST + b"Content-Length: 1000001\r\n\r\n", 413),
    "a long body in chunks": (CHUNKED + b"f4241\r\n" + bytes(1_000_001) + b"\r\n0\r\n\r\n", 413),
    "many trailers": (CHUNKED + b"0\r\n" + b"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n" * 2000 + b"\r\n", 431),
    "a chunk with a long extension": (CHUNKED + b"5;" + b"a" * 100_000, 400),
    "chunk data beyond its size": (CHUNKED + b"5\r\nhelloX\r\n0\r\n\r\n", 400),
    "chunks with bare LF": (CHUNKED + b"5\nhello\n0\n\n", 400),
    "an unknown method": (b"FOO / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "a tunnel": (b"CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n", 405),
    "HTTP/2.0": (b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
    "HTTP/0.9": (b"GET /\r\n\r\n", 505),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "TLS": (bytes.fromhex("16030100c8010000c40303") + bytes(100), 400),
    "a control character in the target": (b"GET /a\x01b HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "a space in the target": (b"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "another expectation": (POST + b"Expect: tea\r\nContent-Length: 0\r\n\r\n", 417),
}
for value in (b"5, 5", b"+5", b"-1", b"0x5", b"5 5", b"", b"9" * 23, b"5;", b"\x0b5", b"5.0"):
    CASES[f"length {value!r}"] = (POST + b"Content-Length: " + value + b"\r\n\r\nhello", 400)
for value in (
    b"gzip",
    b"chunked, gzip",
    b"gzip, chunked",
    b"identity",
    b"xchunked",
    b"\x0bchunked",
    b"chunked;q=1",
):
    head = POST + b"Transfer-Encoding: " + value + b"\r\n\r\n"
    CASES[f"coding {value!r}"] = (head + b"5\r\nhello\r\n0\r\n\r\n", 400)
for value in (b"g", b"-1", b"", b"F" * 17, b"5 5", b"0x5", b"5\n", b"+5"):
    CASES[f"chunk size {value!r}"] = (CHUNKED + value + b"\r\nhello\r\n0\r\n\r\n", 400)


async def ask(data: bytes) -> tuple[bytes, list[bytes], int]:
    """Everything the server says until it closes, the paths that were handled, and how many requests are left over."""
    seen: list[bytes] = []

    async def handler(exchange: Exchange) -> None:
        await exchange.body.read(1 << 20)
        seen.append(exchange.path)
        exchange.reply(200)

    server = HttpServer(handler, Limits(body_bytes=1_000_000, linger_s=0.5))
    host, port = await server.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(data)
    answer = await asyncio.wait_for(reader.read(-1), 10)
    writer.close()
    in_flight = server.in_flight
    await server.drain(1.0)
    return answer, seen, in_flight


@pytest.mark.parametrize("name", CASES)
def test_a_request_in_doubt_is_refused_and_what_follows_it_is_never_read(name: str) -> None:
    data, status = CASES[name]
    answer, seen, in_flight = asyncio.run(ask(data + EVIL))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nconnection: close" in head
    assert b"\r\ncontent-length: %d\r\n" % len(body) in head
    assert list(msgspec.json.decode(body, type=dict[str, str])) == ["error"]
    assert (seen, in_flight) == ([], 0)


@pytest.mark.parametrize("name", ["a length and chunks", "bare LF", "many headers", "a long body"])
def test_the_requests_before_it_are_answered(name: str) -> None:
    answer, seen, _ = asyncio.run(ask(GET + b"\r\n" + GET + b"\r\n" + CASES[name][0] + EVIL))
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert answer.count(b"HTTP/1.1 %d " % CASES[name][1]) == 1
    assert seen == [b"/", b"/"]


def test_bytes_behind_a_last_request_are_never_read() -> None:
    answer, seen, _ = asyncio.run(ask(GET + b"Connection: close\r\n\r\n" + EVIL))
    assert (answer.count(b"HTTP/1.1 "), seen) == (1, [b"/"])


@pytest.mark.parametrize("body", [b"", b"hello"])
def test_an_upgrade_is_passed_over(body: bytes) -> None:
    """Java's own client offers HTTP/2 with every first request over plain HTTP."""
    first = POST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n"
    length = b"Content-Length: %d\r\n" % len(body) if body else b""
    last = b"GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    answer, seen, _ = asyncio.run(ask(first + length + b"\r\n" + body + last))
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert seen == [b"/", b"/last"]


def test_an_upgrade_with_chunks_is_refused() -> None:
    answer, seen, _ = asyncio.run(
        ask(CHUNKED[:-2] + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n0\r\n\r\n" + EVIL)
    )
    assert answer.startswith(b"HTTP/1.1 501")
    assert seen == []


def test_random_bytes_never_break_the_server(caplog: pytest.LogCaptureFixture) -> None:
    import random

    draw = random.Random(7)
    good = CHUNKED + b"5\r\nhello\r\n0\r\n\r\n" + POST + b"Content-Length: 3\r\n\r\nabc"
    end = GET + b"Connection: close\r\n\r\n"

    async def main() -> list[bytes]:
        async def handler(exchange: Exchange) -> None:
            exchange.reply(200, [], await exchange.body.read(1 << 20))

        server = HttpServer(handler, Limits(head_s=0.2, stall_s=0.2, idle_s=0.2, linger_s=0.2))
        host, port = await server.start("127.0.0.1", 0)

        async def one(data: bytes) -> bytes:
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(data)
            try:
                return await reader.read(-1)
            except ConnectionError:
                return b""
            finally:
                writer.close()

        def spoiled() -> bytes:
            data = bytearray(good)
            for _ in range(draw.randint(1, 4)):
                data[draw.randrange(len(data))] = draw.choice(b"\r\n \0:;,0159afX\xff")
            return bytes(data)

        answers: list[Any] = await asyncio.gather(*(one(spoiled()) for _ in range(200)))
        assert (await one(end)).startswith(b"HTTP/1.1 200")
        assert server.in_flight == 0
        await server.drain(1.0)
        return answers

    for answer in asyncio.run(asyncio.wait_for(main(), 30)):
        assert b"HTTP/1.1 500" not in answer
    assert caplog.text == ""
