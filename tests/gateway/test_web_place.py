"""Bodies that are read into a place of the server's choice: whole, once, and never beyond it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from itertools import pairwise
from typing import Any, TypeVar

import pytest

from gramwise.gateway.web.exchange import ClientGone, Exchange
from gramwise.gateway.web.limits import Limits
from gramwise.gateway.web.server import HttpServer

pytest.importorskip("httptools", reason="httptools is not installed")
uvloop = pytest.importorskip("uvloop", reason="uvloop is not installed")

T = TypeVar("T")
Run = Callable[[Coroutine[Any, Any, T]], T]
LAST = b"GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
PATIENCE_S = 10.0


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run[Any]:
    """Runs a coroutine on either loop, and fails when it hangs."""
    factory = asyncio.new_event_loop if request.param == "asyncio" else uvloop.new_event_loop

    def runner(coroutine: Coroutine[Any, Any, T]) -> T:
        with asyncio.Runner(loop_factory=factory) as loop:
            return loop.run(asyncio.wait_for(coroutine, PATIENCE_S))

    return runner


def post(body: bytes, *, path: bytes = b"/x") -> bytes:
    """A request with a body of declared length."""
    return b"POST %b HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%b" % (path, len(body), body)


class Served:
    """A server that places the bodies of every path but ``/chunks`` and keeps what its handler read."""

    def __init__(self, **limits: Any) -> None:
        self.places: list[memoryview] = []
        self.chunks: list[list[bytes]] = []
        self.faults: list[Exception] = []
        self.server = HttpServer(self.answer, Limits(**limits), place=self.place)

    def place(self, exchange: Exchange) -> memoryview | None:
        if exchange.path == b"/chunks":
            return None
        assert exchange.body.nbytes
        whole = memoryview(
            bytearray(b"\xee" * (exchange.body.nbytes + 64))
        )  # to see what is written past the end
        self.places.append(whole)
        return whole[: exchange.body.nbytes]

    async def answer(self, exchange: Exchange) -> None:
        try:
            self.chunks.append([chunk async for chunk in exchange.body])
        except ClientGone as gone:
            self.faults.append(gone)
            raise
        exchange.reply(200, (), b"%d" % sum(map(len, self.chunks[-1])))

    async def talk(self, *pieces: bytes) -> bytes:
        """Send pieces one after the other; everything that is answered."""
        _, port = await self.server.start("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.02 if len(pieces) > 1 else 0)
        writer.write_eof()
        answer = await reader.read(-1)
        writer.close()
        await self.server.drain(1.0)
        return answer


@pytest.mark.parametrize("size", [1, 100, 16_384, 16_385, 700_001])
def test_a_body_lies_in_its_place_and_is_one_chunk(run: Run[Any], size: int) -> None:
    body = bytes(range(251)) * (size // 251 + 1)
    body = body[:size]

    async def go() -> Served:
        served = Served()
        answer = await served.talk(post(body) + LAST)
        assert answer.count(b"HTTP/1.1 200") == 2
        return served

    served = run(go())
    assert len(served.chunks[0]) == 1
    assert served.chunks == [[body], []]
    assert bytes(served.places[0]) == body + b"\xee" * 64


def test_pieces_and_requests_behind_one_another(run: Run[Any]) -> None:
    first, second = bytes(40_000), b"\x01" * 90_000
    wire = post(first) + post(second) + LAST

    async def go() -> Served:
        served = Served()
        cuts = [0, 30, 20_000, 40_050, 40_100, 120_000, len(wire)]
        answer = await served.talk(*(wire[a:b] for a, b in pairwise(cuts)))
        assert answer.count(b"HTTP/1.1 200") == 3
        return served

    assert [b"".join(chunks) for chunks in run(go()).chunks] == [first, second, b""]


def test_a_body_without_a_place_comes_in_chunks(run: Run[Any]) -> None:
    body = b"ab" * 50_000

    async def go() -> Served:
        served = Served(buffer_bytes=20_000)  # the connection is held back meanwhile
        await served.talk(post(body, path=b"/chunks") + LAST)
        return served

    served = run(go())
    assert len(served.chunks[0]) > 1
    assert b"".join(served.chunks[0]) == body
    assert served.places == []


def test_bodies_without_a_place_are_read_in_large_pieces_and_never_mixed(run: Run[Any]) -> None:
    bodies = [bytes([n]) * 700_000 for n in range(1, 5)]

    async def go() -> Served:
        served = Served()
        _, port = await served.server.start("127.0.0.1", 0)
        clients = [await asyncio.open_connection("127.0.0.1", port) for _ in bodies]
        for (_, writer), body in zip(clients, bodies, strict=True):
            writer.write(post(body, path=b"/chunks"))
        for reader, writer in clients:
            writer.write_eof()
            assert (await reader.read(-1)).startswith(b"HTTP/1.1 200")
            writer.close()
        await served.server.drain(1.0)
        return served

    served = run(go())
    assert sorted(b"".join(chunks) for chunks in served.chunks) == bodies
    assert max(len(chunk) for chunks in served.chunks for chunk in chunks) > 65_536


def test_a_chunked_body_has_no_place(run: Run[Any]) -> None:
    async def go() -> Served:
        served = Served()
        await served.talk(
            b"POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + LAST
        )
        return served

    served = run(go())
    assert (served.places, served.chunks) == ([], [[b"abc"], []])


def test_who_stops_in_the_middle_is_told_of(run: Run[Any]) -> None:
    async def go() -> Served:
        served = Served()
        await served.talk(post(bytes(50_000))[:30_000])
        return served

    served = run(go())
    assert (len(served.faults), served.chunks) == (1, [])


def test_a_silent_client_is_told_so(run: Run[Any]) -> None:
    async def go() -> bytes:
        served = Served(stall_s=0.1)
        _, port = await served.server.start("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post(bytes(50_000))[:30_000])
        answer = await reader.read(-1)
        writer.close()
        await served.server.drain(1.0)
        return answer

    assert run(go()).startswith(b"HTTP/1.1 408")
