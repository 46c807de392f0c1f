"""The HTTP server: order, streaming, limits, ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import msgspec
import pytest

from gramwise.gateway.oip.errors import BadRequest
from gramwise.gateway.web.body import Body
from gramwise.gateway.web.exchange import ClientGone, Exchange
from gramwise.gateway.web.limits import Limits
from gramwise.gateway.web.server import HttpServer

pytest.importorskip("httptools", reason="httptools is not installed")
uvloop = pytest.importorskip("uvloop", reason="uvloop is not installed")

T = TypeVar("T")
Run = Callable[[Coroutine[Any, Any, T]], T]
GET = b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n"
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


@contextlib.asynccontextmanager
async def serving(
    handler: Callable[[Exchange], Awaitable[None]], **limits: Any
) -> AsyncIterator[tuple[HttpServer, int]]:
    """A server on a free port."""
    server = HttpServer(handler, Limits(**limits))
    _, port = await server.start("127.0.0.1", 0)
    try:
        yield server, port
    finally:
        await server.drain(1.0)


async def talk(port: int, *pieces: bytes, eof: bool = False) -> bytes:
    """Send pieces one after the other, and read until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await asyncio.sleep(0.01 if len(pieces) > 1 else 0)
    if eof:
        writer.write_eof()
    answer = await reader.read(-1)
    writer.close()
    return answer


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that comes about on its own; the runner's patience bounds it."""
    while not condition():
        await asyncio.sleep(0.005)


async def echo(exchange: Exchange) -> None:
    """Answers with what it understood."""
    body = await exchange.body.read(1 << 24)
    exchange.reply(200, [(b"x-path", exchange.path), (b"x-query", exchange.query)], body)


def bodies(answer: bytes) -> list[bytes]:
    """The bodies of answers with a Content-Length, in their order."""
    found = []
    while answer:
        head, _, answer = answer.partition(b"\r\n\r\n")
        size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        found.append(answer[:size])
        answer = answer[size:]
    return found


def error(answer: bytes) -> str:
    """The sentence of an error in the protocol's shape."""
    (body,) = bodies(answer)
    (sentence,) = msgspec.json.decode(body, type=dict[str, str]).values()
    return sentence


@pytest.mark.parametrize(
    "pieces",
    [
        [b"POST /a?b=c HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"],
        [b"POST /a?b=c HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 5\r\n\r\n", b"he", b"llo"],
        [b"POST /a?b=c HTTP/1.1\r\nHo", b"st: h\r\nconnection: CLOSE\r\nContent-Length:5\r\n\r\nh", b"ello"],
        [b"POST http://h/a?b=c HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"],
        [b"POST /a?b=c HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello"],
        [
            b"POST /a?b=c HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"2\r\nhe\r\n",
            b"3;x=y\r\nl",
            b"lo\r\n0\r\nX-Trailer: t\r\n\r\n",
        ],
        [b"POST /a?b=c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked \r\nConnection: close\r\n\r\n"]
        + [bytes([each]) for each in b"5\r\nhello\r\n0\r\n\r\n"],
    ],
)
def test_a_request_arrives_however_it_is_cut(run: Run[bytes], pieces: list[bytes]) -> None:
    async def main() -> bytes:
        async with serving(echo) as (_, port):
            return await talk(port, *pieces)

    answer = run(main())
    assert answer.startswith(
        b"HTTP/1.1 200 OK\r\nx-path: /a\r\nx-query: b=c\r\ncontent-length: 5\r\nconnection: close"
    )
    assert bodies(answer) == [b"hello"]


def test_requests_sent_ahead_are_answered_in_order(run: Run[bytes]) -> None:
    async def slower_first(exchange: Exchange) -> None:
        body = await exchange.body.read(100)
        await asyncio.sleep(0.03 if exchange.path == b"/0" else 0)
        exchange.reply(200, [], exchange.path + body)

    async def main() -> bytes:
        ahead = [b"POST /%d HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n%d" % (i, i) for i in range(9)]
        async with serving(slower_first) as (_, port):
            return await talk(port, b"".join(ahead) + LAST)

    assert bodies(run(main())) == [b"/%d%d" % (i, i) for i in range(9)] + [b"/last"]


def test_a_long_body_sent_ahead_waits_its_turn(run: Run[bytes]) -> None:
    body = bytes(range(256)) * 8192

    async def main() -> bytes:
        async with serving(echo, buffer_bytes=65_536) as (_, port):
            post = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(body)
            return await talk(port, GET + post + body + LAST)

    assert bodies(run(main())) == [b"", body, b""]


def test_too_many_sent_ahead_are_refused_after_the_others_were_answered(run: Run[bytes]) -> None:
    async def main() -> bytes:
        async with serving(echo, pipelined=3) as (_, port):
            return await talk(port, GET * 9)

    answer = run(main())
    assert answer.count(b"HTTP/1.1 200 OK") == 4
    assert answer.count(b"HTTP/1.1 429") == 1
    assert b"retry-after: 1\r\n" in answer


def test_a_connection_is_kept_and_http_1_0_is_told_so(run: Run[bytes]) -> None:
    old = b"GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"

    async def main() -> bytes:
        async with serving(echo) as (_, port):
            return await talk(port, GET, old, b"GET / HTTP/1.0\r\n\r\n")

    answer = run(main())
    assert answer.count(b"HTTP/1.1 200") == 3
    assert answer.count(b"connection: keep-alive") == 1
    assert answer.count(b"connection: close") == 1


def test_a_client_that_asks_first_is_told_to_go_on_only_when_its_body_is_wanted(run: Run[bytes]) -> None:
    async def picky(exchange: Exchange) -> None:
        if exchange.path == b"/no":
            raise BadRequest(413, "too much")
        exchange.reply(200, [], await exchange.body.read(9))

    head = b"POST %b HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"

    async def main() -> bytes:
        async with serving(picky) as (_, port):
            refused = await talk(port, head % b"/no")
            assert refused.startswith(b"HTTP/1.1 413")
            return await talk(port, head % b"/yes", b"hello")

    answer = run(main())
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")
    assert answer.endswith(b"hello")


def test_an_answer_of_unknown_length_is_chunked_or_ends_with_the_connection(
    run: Run[tuple[bytes, bytes]],
) -> None:
    async def streaming(exchange: Exchange) -> None:
        exchange.begin(200, [(b"content-length", b"999"), (b"Connection", b"x"), (b"x-a", b"b")])
        for piece in (b"hello ", b"", b"world"):
            exchange.write(piece)
            await exchange.flowing()
        exchange.end()

    async def main() -> tuple[bytes, bytes]:
        async with serving(streaming) as (_, port):
            return await talk(port, LAST), await talk(port, b"GET / HTTP/1.0\r\n\r\n")

    new, old = run(main())
    assert new.endswith(b"\r\n\r\n6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n")
    assert b"transfer-encoding: chunked\r\n" in new
    assert old.endswith(b"\r\n\r\nhello world")
    assert b"999" not in new + old


def test_head_requests_and_statuses_without_a_body(run: Run[bytes]) -> None:
    async def empty(exchange: Exchange) -> None:
        exchange.reply(204 if exchange.path == b"/204" else 200, [], b"hello")

    async def main() -> bytes:
        async with serving(empty) as (_, port):
            return await talk(port, GET.replace(b"GET", b"HEAD"), LAST.replace(b"/last", b"/204"))

    first, second, rest = run(main()).split(b"\r\n\r\n")
    assert b"content-length: 5" in first
    assert b"content-length" not in second
    assert rest == b""


@pytest.mark.parametrize("nbytes", [3, 9])
def test_an_answer_of_another_length_than_announced_is_cut_off(run: Run[bytes], nbytes: int) -> None:
    async def wrong(exchange: Exchange) -> None:
        exchange.begin(200, [], nbytes)
        exchange.write(b"hello")
        exchange.end()

    async def main() -> bytes:
        async with serving(wrong) as (_, port):
            with contextlib.suppress(ConnectionError):
                return await talk(port, GET)
        return b""

    assert len(run(main()).partition(b"\r\n\r\n")[2]) < nbytes


def test_what_a_handler_raises_is_answered_for_it(
    run: Run[list[bytes]], caplog: pytest.LogCaptureFixture
) -> None:
    async def failing(exchange: Exchange) -> None:
        if exchange.path == b"/silent":
            return
        if exchange.path == b"/bad":
            raise BadRequest(429, "later", retry_after_s=7.2)
        raise ValueError("secret")

    async def main() -> list[bytes]:
        async with serving(failing) as (server, port):
            answers = [await talk(port, LAST.replace(b"last", path)) for path in (b"bad", b"boom", b"silent")]
            assert server.in_flight == 0
            return answers

    bad, boom, silent = run(main())
    assert (error(bad), b"retry-after: 7\r\n" in bad) == ("later", True)
    for answer in (boom, silent):
        assert answer.startswith(b"HTTP/1.1 500")
        assert error(answer) == "the server failed; its log says why"
    assert "ValueError: secret" in caplog.text
    assert "without a whole answer" in caplog.text


def test_a_handler_that_is_cancelled_ends_its_connection(run: Run[bytes]) -> None:
    async def cancelled(exchange: Exchange) -> None:
        raise asyncio.CancelledError

    async def main() -> bytes:
        async with serving(cancelled) as (server, port):
            with contextlib.suppress(ConnectionError):
                assert await talk(port, GET + GET) == b""
            await until(lambda: not server.connections)
            assert server.in_flight == 0
        return b"ended"

    assert run(main()) == b"ended"


def test_a_handler_answers_once_and_without_line_breaks(run: Run[list[str]]) -> None:
    async def main() -> list[str]:
        said: list[str] = []

        async def twice(exchange: Exchange) -> None:
            attempts: list[Callable[[], None]] = [
                lambda: exchange.reply(200, [(b"x", b"a\r\nSet-Cookie: b")]),
                lambda: exchange.reply(200, [(b"x\ny", b"a")]),
                lambda: exchange.write(b"early"),
                lambda: exchange.reply(200, [], [b"he", b"llo"]),
                lambda: exchange.reply(200, [], b"again"),
                lambda: exchange.write(b"late"),
            ]
            for attempt in attempts:
                try:
                    attempt()
                    said.append("done")
                except (ValueError, RuntimeError) as fault:
                    said.append(type(fault).__name__)

        async with serving(twice) as (_, port):
            assert bodies(await talk(port, LAST)) == [b"hello"]
        return said

    assert run(main()) == ["ValueError", "ValueError", "RuntimeError", "done", "RuntimeError", "RuntimeError"]


def test_nobody_reads_so_nothing_more_is_taken(run: Run[None]) -> None:
    """Back-pressure: what waits in the server is bounded, whatever the client would send."""

    async def main() -> None:
        begun, go = asyncio.Event(), asyncio.Event()
        seen: list[int] = []

        async def waiting(exchange: Exchange) -> None:
            begun.set()
            await go.wait()
            seen.append(exchange.body.received_bytes)
            exchange.reply(200, [], b"%d" % len(await exchange.body.read(1 << 26)))

        total = 1 << 25
        async with serving(waiting, buffer_bytes=65_536) as (_, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(
                b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % total
            )
            writer.write(bytes(total))
            await begun.wait()
            await asyncio.sleep(0.1)
            go.set()
            answer = await reader.read(-1)
            writer.close()
        assert bodies(answer) == [b"%d" % total]
        assert seen[0] < 2 << 20

    run(main())


class Held:
    """A source that notes what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def hold_body(self) -> None:
        self.said.append("hold")

    def resume_body(self) -> None:
        self.said.append("resume")

    def want_body(self) -> None:
        self.said.append("want")


def test_a_body_that_is_complete_holds_nothing_back() -> None:
    """Its last bytes may pass the bound; who only looks at it, and reads nothing, must not stop the connection."""
    source = Held()
    body = Body(None, source, 10)
    body.feed(bytes(10))
    assert source.said == []
    body.feed(b"!")
    body.feed(b"!")
    assert source.said == ["hold"]
    body.finish()
    assert source.said == ["hold", "resume"]
    assert body.whole() is not None


def test_a_body_is_held_back_until_half_of_it_is_read(run: Run[None]) -> None:
    async def main() -> None:
        source = Held()
        body = Body(None, source, 10)
        for _ in range(4):
            body.feed(bytes(4))
        for expected in (["hold"], ["hold"], ["hold", "resume"], ["hold", "resume"]):
            await anext(body)
            assert source.said == expected

    run(main())


def test_a_kept_body_is_read_again(run: Run[None]) -> None:
    async def main() -> None:
        async def twice(exchange: Exchange) -> None:
            body = exchange.body
            assert body.whole() is None
            body.keep()
            first = await anext(body)
            body.rewind()
            assert b"".join([chunk async for chunk in body]).startswith(first)
            body.rewind()
            again = await body.read(100)
            body.release()
            with pytest.raises(RuntimeError):
                body.rewind()
            exchange.reply(200, [], again)

        async with serving(twice) as (_, port):
            head = b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 9\r\n\r\n"
            assert bodies(await talk(port, head, b"abc", b"def", b"ghi")) == [b"abcdefghi"]

    run(main())


def test_a_body_that_was_read_and_not_kept_is_gone(run: Run[None]) -> None:
    async def main() -> None:
        async def once(exchange: Exchange) -> None:
            whole = exchange.body.whole()
            assert whole is not None
            assert b"".join(whole) == b"hello"
            with pytest.raises(BadRequest, match="at most 4"):
                await exchange.body.read(4)
            data = await exchange.body.read(5)
            for call in (exchange.body.keep, exchange.body.rewind):
                with pytest.raises(RuntimeError):
                    call()
            assert (exchange.body.whole(), exchange.body.replayable) == (None, False)
            exchange.reply(200, [], data)

        async with serving(once) as (_, port):
            post = LAST.replace(b"GET", b"POST").replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\nhello")
            assert bodies(await talk(port, post)) == [b"hello"]

    run(main())


def test_a_client_that_takes_slowly_is_served(run: Run[int]) -> None:
    """It takes longer than a stall in all, and never stalls."""

    async def main() -> int:
        async def much(exchange: Exchange) -> None:
            exchange.reply(200, [], bytes(6_000_000))

        async with serving(much, stall_s=0.8) as (_, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4096)
            got = 0
            writer.write(LAST)
            while data := await reader.read(65_536):
                got += len(data)
                await asyncio.sleep(0.015)
            writer.close()
            return got

    assert run(main()) > 6_000_000


def test_a_client_that_goes_is_noticed_and_its_connection_forgotten(run: Run[None]) -> None:
    async def main() -> None:
        outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def reading(exchange: Exchange) -> None:
            try:
                await exchange.body.read(100)
            except ClientGone:
                outcome.set_result("gone")
                raise

        async with serving(reading) as (server, port):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhe")
            await until(lambda: server.in_flight == 1)
            writer.close()
            assert await outcome == "gone"
            await until(lambda: not server.in_flight and not server.connections)

    run(main())


def test_a_client_that_has_said_all_still_gets_its_answer(run: Run[bytes]) -> None:
    async def later(exchange: Exchange) -> None:
        await asyncio.sleep(0.05)
        exchange.reply(200, [], b"late")

    async def main() -> bytes:
        async with serving(later) as (_, port):
            return await talk(port, GET * 3, eof=True)

    assert bodies(run(main())) == [b"late"] * 3


@pytest.mark.parametrize(
    ("limits", "takes"), [({"stall_s": 0.1}, False), ({"stall_s": 5.0, "body_s": 0.2}, True)]
)
def test_a_client_that_takes_nothing_or_takes_for_ever_is_dropped(
    run: Run[str], limits: dict[str, float], takes: bool
) -> None:
    async def main() -> str:
        outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def much(exchange: Exchange) -> None:
            exchange.begin(200, [], 1 << 30)
            try:
                while True:
                    exchange.write(bytes(1 << 20))
                    await exchange.flowing()
            except ClientGone:
                outcome.set_result("dropped")

        async with serving(much, **limits) as (_, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(GET)
            with contextlib.suppress(ConnectionError):
                while takes and not outcome.done():
                    await reader.read(1000)
                    await asyncio.sleep(0.005)
            said = await outcome
            writer.close()
            return said

    assert run(main()) == "dropped"


@pytest.mark.parametrize(
    ("sent", "limits", "says"),
    [
        (b"GET / HT", {"head_s": 0.1}, "head took longer"),
        (
            b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc",
            {"stall_s": 0.1},
            "no byte of the body",
        ),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc", {"body_s": 0.1}, "body took longer"),
    ],
)
def test_slow_clients_are_told_and_closed(
    run: Run[bytes], sent: bytes, limits: dict[str, float], says: str
) -> None:
    async def main() -> bytes:
        async with serving(echo, **limits) as (_, port):
            return await talk(port, sent)

    answer = run(main())
    assert answer.startswith(b"HTTP/1.1 408")
    assert says in error(answer)


def test_silent_connections_are_closed(run: Run[bytes]) -> None:
    async def main() -> bytes:
        async with serving(echo, idle_s=0.1) as (_, port):
            return await talk(port, GET)

    assert len(bodies(run(main()))) == 1


def test_who_goes_on_sending_after_a_refusal_is_dropped(run: Run[bytes]) -> None:
    async def main() -> bytes:
        async with serving(echo, linger_s=0.1, body_bytes=10) as (server, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n")
            answer = await reader.readuntil(b'served"}')
            while server.connections:
                writer.write(b"more")
                await asyncio.sleep(0.005)
            writer.close()
            return answer

    assert run(main()).startswith(b"HTTP/1.1 413")


def test_no_more_connections_and_requests_than_allowed(run: Run[None]) -> None:
    async def main() -> None:
        go = asyncio.Event()

        async def waiting(exchange: Exchange) -> None:
            await go.wait()
            exchange.reply(200)

        async with serving(waiting, connections=3, in_flight=2, linger_s=0.5) as (server, port):
            running = [asyncio.ensure_future(talk(port, LAST)) for _ in range(2)]
            await until(lambda: server.in_flight == 2)
            third = await talk(port, LAST)
            assert third.startswith(b"HTTP/1.1 429")
            assert b"retry-after: 1\r\n" in third
            assert "requests at a time" in error(third)
            idle = [await asyncio.open_connection("127.0.0.1", port)]
            await until(lambda: len(server.connections) == 3)
            fourth = await talk(port)
            assert fourth.startswith(b"HTTP/1.1 503")
            assert "connections" in error(fourth)
            assert server.refused == 2
            go.set()
            assert all(answer.startswith(b"HTTP/1.1 200") for answer in await asyncio.gather(*running))
            idle[0][1].close()

    run(main())


def test_a_flood_of_connections_is_not_even_told(run: Run[None]) -> None:
    async def main() -> None:
        async with serving(echo, connections=2) as (server, port):
            pairs = [await asyncio.open_connection("127.0.0.1", port) for _ in range(9)]
            answers = [await reader.read(12) for reader, _ in pairs[2:4]]
            assert answers == [b"HTTP/1.1 503"] * 2
            for reader, _ in pairs[4:]:
                with contextlib.suppress(ConnectionError):
                    assert await reader.read(12) == b""
            assert len(server.connections) <= 4
            for _, writer in pairs:
                writer.close()

    run(main())


def test_a_drain_finishes_what_runs_and_takes_nothing_new(run: Run[None]) -> None:
    async def main() -> None:
        async def slow(exchange: Exchange) -> None:
            await asyncio.sleep(0.1)
            exchange.reply(200, [], b"done")

        server = HttpServer(slow)
        _, port = await server.start("127.0.0.1", 0)
        idle, idle_writer = await asyncio.open_connection("127.0.0.1", port)
        running = asyncio.ensure_future(talk(port, GET))
        await until(lambda: server.in_flight == 1)
        assert await server.drain(5.0) == 0
        answer = await running
        assert bodies(answer) == [b"done"]
        assert b"connection: close" in answer
        assert await idle.read(-1) == b""
        idle_writer.close()
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", port)

    run(main())


def test_a_drain_has_an_end(run: Run[None]) -> None:
    async def main() -> None:
        cancelled = asyncio.Event()

        async def forever(exchange: Exchange) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        server = HttpServer(forever)
        _, port = await server.start("127.0.0.1", 0)
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        await until(lambda: server.in_flight == 1)
        assert await server.drain(0.05) == 1
        await cancelled.wait()
        writer.close()

    run(main())
