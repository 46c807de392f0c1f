"""The HTTP client: kept connections, streams, deadlines, and what breaks."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from gramwise.core.errors import TimedOut
from gramwise.gateway.web.body import Body
from gramwise.gateway.web.client import Broken, ConnectFailed, Upstream
from gramwise.gateway.web.exchange import Exchange
from gramwise.gateway.web.limits import UpstreamLimits
from gramwise.gateway.web.server import HttpServer

pytest.importorskip("httptools", reason="httptools is not installed")
uvloop = pytest.importorskip("uvloop", reason="uvloop is not installed")

T = TypeVar("T")
Run = Callable[[Coroutine[Any, Any, T]], T]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run[Any]:
    """Runs a coroutine on either loop, and fails when it hangs."""
    factory = asyncio.new_event_loop if request.param == "asyncio" else uvloop.new_event_loop

    def runner(coroutine: Coroutine[Any, Any, T]) -> T:
        with asyncio.Runner(loop_factory=factory) as loop:
            return loop.run(asyncio.wait_for(coroutine, 10.0))

    return runner


class Script:
    """A server that says what it is told: for every request it reads, the next of its lines.

    A line of None closes the connection without an answer; a line that ends in None is sent and then closed on.

    Attributes:
        heads: what came, up to the empty line.
        connections: how many came.
    """

    def __init__(self, *lines: bytes | None) -> None:
        self.lines, self.heads, self.connections = list(lines), list[bytes](), 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                line = self.lines.pop(0) if self.lines else None
                if line is None:
                    break
                writer.write(line)
                if b"until the end" in line:
                    break
        writer.close()


@contextlib.asynccontextmanager
async def scripted(*lines: bytes | None, **limits: Any) -> AsyncIterator[tuple[Script, Upstream]]:
    """A scripted server and a client of it."""
    script = Script(*lines)
    server = await asyncio.start_server(script, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    upstream = Upstream(
        "127.0.0.1", port, headers=[(b"authorization", b"t")], limits=UpstreamLimits(**limits)
    )
    try:
        yield script, upstream
    finally:
        await upstream.close()
        server.close()


@contextlib.asynccontextmanager
async def serving(handler: Callable[[Exchange], Awaitable[None]]) -> AsyncIterator[tuple[HttpServer, int]]:
    """A server on a free port."""
    server = HttpServer(handler)
    _, port = await server.start("127.0.0.1", 0)
    try:
        yield server, port
    finally:
        await server.drain(0.2)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that comes about on its own; the runner's patience bounds it."""
    while not condition():
        await asyncio.sleep(0.005)


async def get(upstream: Upstream, timeout_s: float = 5.0) -> tuple[int, bytes]:
    """Status and body."""
    reply = await upstream.send(b"GET", b"/x", timeout_s=timeout_s)
    return reply.status, await reply.body.read(1 << 26)


def test_a_connection_serves_request_after_request(run: Run[None]) -> None:
    async def main() -> None:
        async with scripted(OK, OK, OK) as (script, upstream):
            for _ in range(3):
                assert await get(upstream) == (200, b"hello")
            assert (script.connections, upstream.open, upstream.in_flight) == (1, 1, 0)
            assert script.heads[0].startswith(b"GET /x HTTP/1.1\r\nhost: 127.0.0.1:")
            assert b"authorization: t\r\n" in script.heads[0]

    run(main())


def test_a_connection_that_lies_idle_too_long_goes_while_another_is_busy(run: Run[None]) -> None:
    async def main() -> None:
        never_whole = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
        async with scripted(OK, never_whole, idle_s=0.05) as (_, upstream):
            answers = await asyncio.gather(get(upstream), get(upstream, 0.5), return_exceptions=True)
            assert sorted(isinstance(a, TimedOut) for a in answers) == [False, True]  # it hung here once
            await until(lambda: upstream.open == 0)

    run(main())


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
            (200, b"hello"),
        ),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", (200, b"until the end")),
        (b"HTTP/1.0 404 No\r\nContent-Length: 0\r\n\r\n", (404, b"")),
        (b"HTTP/1.1 204 No\r\n\r\n", (204, b"")),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" + OK, (200, b"hello")),
        (b"HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno", (503, b"no")),
    ],
)
def test_every_framing_of_an_answer_is_read(run: Run[None], line: bytes, expected: tuple[int, bytes]) -> None:
    async def main() -> None:
        async with scripted(line, OK) as (_, upstream):
            assert await get(upstream) == expected
            assert await get(upstream) in ((200, b"hello"), expected)

    run(main())


def test_an_answer_to_head_has_no_body(run: Run[None]) -> None:
    async def main() -> None:
        async with scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", OK) as (_, upstream):
            reply = await upstream.send(b"HEAD", b"/", timeout_s=5)
            assert (reply.headers[b"content-length"], await reply.body.read(9)) == (b"5", b"")
            assert await get(upstream) == (200, b"hello")

    run(main())


@pytest.mark.parametrize(
    "line",
    [
        None,
        b"until the end",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"x%d: 1\r\n" % i for i in range(300)) + b"\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"a" * 100_000 + b"\r\n\r\n",
    ],
)
def test_what_is_no_answer_is_broken(run: Run[None], line: bytes | None) -> None:
    async def main() -> None:
        async with scripted(line) as (script, upstream):
            with pytest.raises(Broken):
                await get(upstream)
            assert len(script.heads) == 1
            await until(lambda: (upstream.open, upstream.in_flight) == (0, 0))

    run(main())


def test_nobody_listens(run: Run[None]) -> None:
    async def main() -> None:
        async with scripted() as (_, upstream):
            port = upstream.port
        dead = Upstream("127.0.0.1", port)
        with pytest.raises(ConnectFailed, match=f"127.0.0.1:{port}: "):
            await get(dead)
        assert dead.open == 0
        with pytest.raises(ConnectFailed, match="closed"):
            await get(upstream)

    run(main())


def test_a_kept_connection_that_was_closed_meanwhile_costs_nothing(run: Run[None]) -> None:
    async def main() -> None:
        async with scripted(OK, None, OK) as (script, upstream):
            assert await get(upstream) == (200, b"hello")
            reply = await upstream.send(b"POST", b"/", (), [b"ab", b"c"], timeout_s=5)
            assert await reply.body.read(9) == b"hello"
            assert (len(script.heads), script.connections) == (3, 2)

    run(main())


def test_a_request_is_sent_again_only_once(run: Run[None]) -> None:
    async def main() -> None:
        async with scripted(OK, None, None, OK) as (script, upstream):
            await get(upstream)
            with pytest.raises(Broken):
                await get(upstream)
            assert len(script.heads) == 3

    run(main())


def test_an_answer_that_has_begun_is_never_asked_for_again(run: Run[None]) -> None:
    async def main() -> None:
        async with scripted(OK, b"HTTP/1.1 200 until the end", OK) as (script, upstream):
            await get(upstream)
            with pytest.raises(Broken):
                await get(upstream)
            assert len(script.heads) == 2

    run(main())


def test_an_answer_that_ends_early_fails_its_reader(run: Run[None]) -> None:
    async def main() -> None:
        async with scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nuntil the end") as (_, upstream):
            reply = await upstream.send(b"GET", b"/", timeout_s=5)
            with pytest.raises(Broken):
                await reply.body.read(99)

    run(main())


def test_bytes_that_nobody_asked_for_are_not_taken_for_an_answer(run: Run[None]) -> None:
    async def main() -> None:
        stray = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
        async with scripted(OK + stray, OK + stray[:20], OK) as (script, upstream):
            for _ in range(3):
                assert await get(upstream) == (200, b"hello")
            assert script.connections == 3

    run(main())


@pytest.mark.parametrize("line", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"])
def test_a_deadline_covers_head_and_body(run: Run[None], line: bytes) -> None:
    async def main() -> None:
        async with scripted(line) as (_, upstream):
            with pytest.raises(TimedOut):
                await get(upstream, timeout_s=0.3)
            await until(lambda: (upstream.open, upstream.in_flight) == (0, 0))

    run(main())


def test_requests_wait_for_a_connection_when_all_are_taken(run: Run[None]) -> None:
    async def main() -> None:
        async with scripted(*[OK] * 8, connections=2) as (script, upstream):
            answers = await asyncio.gather(*(get(upstream) for _ in range(8)))
            assert answers == [(200, b"hello")] * 8
            assert script.connections == 2

    run(main())


def test_waiting_for_a_connection_has_an_end(run: Run[None]) -> None:
    async def main() -> None:
        async with scripted(b"", connections=1) as (script, upstream):
            first = asyncio.ensure_future(get(upstream, timeout_s=5))
            await until(lambda: upstream.in_flight == 1)
            with pytest.raises(ConnectFailed, match="no connection was free"):
                await get(upstream, timeout_s=0.05)
            waiting = asyncio.ensure_future(get(upstream, timeout_s=5))
            await asyncio.sleep(0)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            script.lines.append(OK)
            assert await waiting == (200, b"hello")

    run(main())


def test_who_gives_up_leaves_the_others_their_connections(run: Run[None]) -> None:
    async def main() -> None:
        async def slow(exchange: Exchange) -> None:
            await asyncio.sleep(0.001)
            exchange.reply(200, [], b"hello")

        async with serving(slow) as (_, port):
            upstream = Upstream("127.0.0.1", port, limits=UpstreamLimits(connections=3))
            tasks = [asyncio.ensure_future(get(upstream)) for _ in range(60)]
            for index, task in enumerate(tasks):
                if index % 3 == 0:
                    await asyncio.sleep(0.0007)
                    task.cancel()
            answers = await asyncio.gather(*tasks, return_exceptions=True)
            for answer in answers:
                assert isinstance(answer, asyncio.CancelledError) or answer == (200, b"hello")
            assert await get(upstream) == (200, b"hello")
            assert upstream.in_flight == 0
            assert upstream.open <= 3
            await upstream.close()

    run(main())


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_streams_through(run: Run[None], chunked: bool) -> None:
    data = bytes(range(256)) * 12_000

    async def main() -> None:
        async def back(exchange: Exchange) -> None:
            body = await exchange.body.read(1 << 24)
            exchange.begin(200, [], None if chunked else len(body))
            for at in range(0, len(body), 100_000):
                exchange.write(body[at : at + 100_000])
                await exchange.flowing()
            exchange.end()

        async def through(exchange: Exchange) -> None:
            reply = await behind.send(b"POST", exchange.path, (), exchange.body, timeout_s=5)
            exchange.begin(reply.status, [], reply.body.nbytes)
            async for chunk in reply.body:
                exchange.write(chunk)
                await exchange.flowing()
            exchange.end()

        async with serving(back) as (_, back_port), serving(through) as (_, port):
            behind = Upstream("127.0.0.1", back_port)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(data)
            writer.write(b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" + framing + b"\r\n\r\n")
            for at in range(0, len(data), 70_000):
                piece = data[at : at + 70_000]
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                await asyncio.sleep(0)
            writer.write(b"0\r\n\r\n" if chunked else b"")
            answer = await reader.read(-1)
            writer.close()
            await behind.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        if chunked:
            joined = b""
            while body:
                size, _, rest = body.partition(b"\r\n")
                joined, body = joined + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
            body = joined
        assert body == data

    run(main())


def test_a_server_that_answers_before_it_has_all_is_heard(run: Run[None]) -> None:
    async def main() -> None:
        async def picky(exchange: Exchange) -> None:
            exchange.reply(413, [], b"too much")

        class Endless:
            def hold_body(self) -> None: ...
            def resume_body(self) -> None: ...
            def want_body(self) -> None: ...

        async with serving(picky) as (_, port):
            upstream = Upstream("127.0.0.1", port)
            body = Body(1 << 26, Endless(), 1 << 20)
            body.feed(bytes(1000))
            feeding = asyncio.ensure_future(_feed(body))
            reply = await upstream.send(b"POST", b"/", (), body, timeout_s=5)
            assert (reply.status, await reply.body.read(99)) == (413, b"too much")
            feeding.cancel()
            await until(lambda: upstream.in_flight == 0)
            await upstream.close()

    run(main())


async def _feed(body: Body) -> None:
    while True:
        body.feed(bytes(65_536))
        await asyncio.sleep(0.001)


def test_a_request_can_be_sent_elsewhere_when_its_body_was_kept(run: Run[None]) -> None:
    data = bytes(range(256)) * 2000

    async def main() -> None:
        async def front(exchange: Exchange) -> None:
            assert exchange.body.whole() is None
            exchange.body.keep()
            with pytest.raises(Broken):
                await dying.send(b"POST", b"/", (), exchange.body, timeout_s=5)
            exchange.body.rewind()
            reply = await healthy.send(b"POST", b"/", (), exchange.body, timeout_s=5)
            exchange.body.release()
            exchange.reply(200, [], await reply.body.read(1 << 24))

        async def echo(exchange: Exchange) -> None:
            exchange.reply(200, [], await exchange.body.read(1 << 24))

        async with (
            serving(echo) as (_, healthy_port),
            scripted(None) as (_, dying),
            serving(front) as (server, port),
        ):
            healthy = Upstream("127.0.0.1", healthy_port)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(
                b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(data)
            )
            writer.write(data[:1000])
            await until(lambda: server.in_flight == 1)
            writer.write(data[1000:])
            answer = await reader.read(-1)
            writer.close()
            await healthy.close()
        assert answer.partition(b"\r\n\r\n")[2] == data

    run(main())


def test_a_slow_reader_holds_the_server_back(run: Run[None]) -> None:
    async def main() -> None:
        async def much(exchange: Exchange) -> None:
            exchange.begin(200, [], 1 << 26)
            for _ in range(64):
                exchange.write(bytes(1 << 20))
                await exchange.flowing()
            exchange.end()

        async with serving(much) as (_, port):
            upstream = Upstream("127.0.0.1", port, limits=UpstreamLimits(buffer_bytes=100_000))
            reply = await upstream.send(b"GET", b"/", timeout_s=5)
            await asyncio.sleep(0.1)
            assert reply.body.received_bytes < 2 << 20
            assert len(await reply.body.read(1 << 26)) == 1 << 26
            await upstream.close()

    run(main())


def test_an_answer_may_be_given_up(run: Run[None]) -> None:
    async def main() -> None:
        async with scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", OK) as (script, upstream):
            reply = await upstream.send(b"GET", b"/", timeout_s=5)
            reply.abandon()
            with pytest.raises(Broken):
                await reply.body.read(99)
            assert await get(upstream) == (200, b"hello")
            assert script.connections == 2

    run(main())


def test_closing_fails_what_runs(run: Run[None]) -> None:
    async def main() -> None:
        async with scripted(b"") as (_, upstream):
            running = asyncio.ensure_future(get(upstream))
            await until(lambda: upstream.in_flight == 1)
            await upstream.close()
            with pytest.raises(Broken):
                await running

    run(main())


def test_the_same_over_tls(run: Run[None], tmp_path: Path) -> None:
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"]
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed, which makes the certificate")
    subprocess.run([*command.split(), *names], cwd=tmp_path, check=True, capture_output=True)
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    ours = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))

    async def main() -> None:
        async def echo(exchange: Exchange) -> None:
            if exchange.path == b"/no":
                exchange.reply(413, [], b"no")
            else:
                exchange.reply(200, [], await exchange.body.read(1 << 24))

        server = HttpServer(echo, ssl=theirs)
        _, port = await server.start("localhost", 0)
        upstream = Upstream("localhost", port, ssl=ours)
        for size in (0, 5, 3_000_000):
            reply = await upstream.send(b"POST", b"/", (), bytes(size), timeout_s=5)
            assert len(await reply.body.read(1 << 24)) == size
        assert len(server.connections) == 1
        reply = await upstream.send(b"POST", b"/no", (), bytes(3_000_000), timeout_s=5)
        assert (reply.status, await reply.body.read(9)) == (413, b"no")
        with pytest.raises(ConnectFailed):
            await Upstream("localhost", port, ssl=ssl.create_default_context()).send(
                b"GET", b"/", timeout_s=5
            )
        await upstream.close()
        assert await server.drain(2.0) == 0

    run(main())


@pytest.mark.parametrize(
    ("path", "headers"),
    [(b"/a b", ()), (b"/a\r\nx: y", ()), (b"/", [(b"x", b"a\r\nb: c")]), (b"/", [(b"x\n", b"a")])],
)
def test_nothing_can_be_smuggled_into_a_head(run: Run[None], path: bytes, headers: Any) -> None:
    async def main() -> None:
        async with scripted(OK) as (script, upstream):
            with pytest.raises(ValueError):
                await upstream.send(b"GET", path, headers, timeout_s=5)
            assert script.connections == 0

    run(main())


def test_headers_of_the_connection_are_not_passed_on(run: Run[None]) -> None:
    async def main() -> None:
        async with scripted(OK) as (script, upstream):
            passed = [
                (b"Transfer-Encoding", b"chunked"),
                (b"Connection", b"close"),
                (b"Expect", b"x"),
                (b"x-a", b"b"),
            ]
            reply = await upstream.send(b"POST", b"/", passed, b"", timeout_s=5)
            await reply.body.read(9)
            lines = script.heads[0].lower().split(b"\r\n")[2:-2]
            assert lines == [b"authorization: t", b"x-a: b", b"content-length: 0"]

    run(main())
