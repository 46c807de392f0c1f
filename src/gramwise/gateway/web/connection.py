"""One client's connection: requests read, answered in their order, and bounded in bytes, counts and seconds."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any, cast

from gramwise.gateway.oip.errors import BadRequest, error_body

from .body import Body
from .exchange import JSON, STATUS_LINES, ClientGone, Exchange
from .parsing import Messages, declared_bytes

if TYPE_CHECKING:
    from .server import HttpServer

_logger = logging.getLogger(__name__)


class Connection(Messages):
    """One client's connection."""

    def __init__(self, server: HttpServer, loop: asyncio.AbstractEventLoop) -> None:
        limits = server.limits
        super().__init__("HttpRequestParser", loop, limits.head_bytes, limits.headers)
        self.server, self.limits = server, limits
        self.peer = ""
        self.transport: asyncio.Transport
        self._target = b""
        self._current: Exchange | None = None
        self._queue: deque[Exchange] = deque()
        self._task: asyncio.Task[None] | None = None
        self._idle: asyncio.Future[None] | None = None
        self._fault: BadRequest | None = None
        self._expects = False
        self._held = 0
        self._blocked: asyncio.Event | None = None
        self._blocked_since_s = self._moved_s = 0.0
        self._unsent_bytes = 0
        self._gone = False
        self._closing_s: float | None = None
        self._head_since_s = self.since_s

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's transports are no subclasses
        server = self.server
        before = len(server.connections)
        server.connections.add(self)
        if before >= 2 * self.limits.connections:  # even those that are told so are too many
            self.abort()
            return
        name = transport.get_extra_info("peername")
        self.peer = f"{name[0]}:{name[1]}" if isinstance(name, tuple) else str(name or "")
        if before >= self.limits.connections or server.draining:
            self._deaf = True
            self.malformed(
                BadRequest(503, "too many connections; try again", retry_after_s=self.limits.retry_after_s)
            )

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended, whoever ended it."""
        self._gone = self._deaf = True
        for exchange in (self._current, *self._queue):
            if exchange is not None:
                exchange.gone = True
                exchange.body.fail(ClientGone("the client closed the connection"))
        self._queue.clear()
        if self._blocked is not None:
            self._blocked.set()
        self._parser = self.body = None
        self._wake()
        self.server.forget(self)

    def eof_received(self) -> bool:
        """The client sends no more; it may still wait for its answer."""
        self._deaf = True
        if self.body is not None:
            self.body.fail(ClientGone("the client stopped in the middle of a body"))
        last = self._queue[-1] if self._queue else self._current
        if last is None:
            return False
        last.keep_alive = False
        return self.transport.get_extra_info("sslcontext") is None  # TLS has no half-closed connections

    def pause_writing(self) -> None:
        """The client takes bytes more slowly than they come."""
        self._blocked = asyncio.Event()
        self._blocked_since_s = self._moved_s = self.loop.time()
        self._unsent_bytes = self.transport.get_write_buffer_size()

    def resume_writing(self) -> None:
        """It takes bytes again."""
        if self._blocked is not None:
            self._blocked.set()
            self._blocked = None

    # What the parser calls.

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._head_since_s = self.since_s

    def on_url(self, url: bytes) -> None:
        """A part of the request line."""
        self._target = url if not self._target else self._target + url
        if len(self._target) > self.limits.head_bytes // 2:
            raise BadRequest(414, f"a request line of more than {self.limits.head_bytes // 2} bytes")

    def head_complete(self) -> Body:
        """A request's head: look at everything that framing rests on, and start its exchange."""
        target, self._target = self._target, b""
        headers, parser, limits, server = self.headers, self._parser, self.limits, self.server
        method, version = parser.get_method(), parser.get_http_version()
        http10 = version == "1.0"
        nbytes = _framing(headers, method, version)
        if nbytes is not None and nbytes > limits.body_bytes:
            raise BadRequest(413, f"a body of {nbytes} bytes; at most {limits.body_bytes} are served")
        self._expects = b"expect" in headers and not http10
        if self._expects and headers[b"expect"].strip().lower() != b"100-continue":
            raise BadRequest(417, "the only expectation that is met is 100-continue")
        if len(self._queue) >= limits.pipelined:
            raise BadRequest(
                429, "too many requests sent ahead on one connection", retry_after_s=limits.retry_after_s
            )
        body = Body(nbytes, self, limits.buffer_bytes)
        stays = parser.should_keep_alive() and not server.draining
        exchange = Exchange(self, method, target, headers, self.peer, body, self.since_s, http10, stays)
        server.requests += 1
        if self._current is None:
            if nbytes and server.place is not None:
                place = server.place(exchange)
                if place is not None:
                    body.put_into(place)
            self._start(exchange)
        else:
            self._queue.append(exchange)
            self._hold(2)
        return body

    def on_body(self, data: bytes) -> None:
        """A part of a body of either framing."""
        body = self.body
        if body is not None:
            body.feed(data)
            if body.received_bytes > self.limits.body_bytes:
                raise BadRequest(413, f"a body of more than {self.limits.body_bytes} bytes")

    def message_complete(self) -> None:
        """A request has been read to its end."""

    def malformed(self, fault: BadRequest) -> None:
        """Answer and close, once the requests before are answered."""
        self.server.refused += 1
        if self.body is not None:
            self.body.fail(fault)
            self.body = None
        if self._current is None:
            self._answer(fault)
        else:
            self._fault = fault

    # What a body asks of its source.

    def hold_body(self) -> None:
        """Nobody reads: take nothing more from the client."""
        self._hold(1)

    def resume_body(self) -> None:
        """Take bytes again."""
        self._unhold(1)

    def want_body(self) -> None:
        """A handler waits: a client that asked first is told to go on (RFC 9110 10.1.1)."""
        if self._expects and self._current is not None and not self._current.status:
            self._expects = False
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    # What an exchange asks of its wire.

    @property
    def constant_headers(self) -> bytes:
        """Sent with every answer."""
        return self.server.constant_headers

    def send(self, data: bytes) -> None:
        """Bytes to the client."""
        if not self._gone:
            self.transport.write(data)

    def abort(self) -> None:
        """Drop the connection."""
        self._deaf = True
        self.transport.abort()

    async def flowing(self) -> None:
        """Wait until the client takes bytes."""
        while self._blocked is not None and not self._gone:
            await self._blocked.wait()
        if self._gone:
            raise ClientGone("the client closed the connection")

    def extra(self, name: str) -> Any:
        """What the transport knows."""
        return self.transport.get_extra_info(name)

    # The order of exchanges.

    @property
    def busy(self) -> bool:
        """Whether a request is being answered."""
        return self._current is not None

    def _start(self, exchange: Exchange) -> None:
        self._current = exchange
        self.server.in_flight += 1
        if self._task is None:
            self._task = self.loop.create_task(self._work())
        else:
            self._wake()

    def _wake(self) -> None:
        idle, self._idle = self._idle, None
        if idle is not None and not idle.done():
            idle.set_result(None)

    async def _work(self) -> None:
        """Answer the connection's exchanges, one after the other. One task a connection: one a request costs more."""
        try:
            while not self._gone:
                exchange = self._current
                if exchange is not None:
                    await self._serve(exchange)
                    self._done(exchange)
                else:
                    self._idle = self.loop.create_future()
                    await self._idle
        finally:
            if self._current is not None:
                self.server.in_flight -= 1
                self._current = None
            if not self._gone:  # cancelled: nobody would answer what comes next
                self.abort()

    async def _serve(self, exchange: Exchange) -> None:
        server = self.server
        try:
            if server.in_flight > self.limits.in_flight:
                server.refused += 1
                raise BadRequest(
                    429, "too many requests at a time; try again", retry_after_s=self.limits.retry_after_s
                )
            await server.handler(exchange)
            if not exchange.ended:
                raise RuntimeError("the handler left its request without a whole answer")
        except BadRequest as fault:
            exchange.refuse(fault)
        except ClientGone:
            exchange.abort()
        except Exception:
            _logger.exception("a request failed inside the server")
            exchange.refuse(BadRequest(500, "the server failed; its log says why"))

    def _done(self, exchange: Exchange) -> None:
        self._current = None
        self.server.in_flight -= 1
        self.since_s = self.loop.time()
        if self._gone:
            return
        if not exchange.keep_alive or not exchange.body.complete:
            self._close(lingering=not exchange.body.complete or bool(self._queue))
        elif self._queue:
            self._start(self._queue.popleft())
            if not self._queue:
                self._unhold(2)
        elif self._fault is not None:
            self._answer(self._fault)
        elif self.server.draining and not self.in_head:
            self._close()

    def _answer(self, fault: BadRequest) -> None:
        body = error_body(fault.sentence)
        head = [STATUS_LINES[fault.status], b"%b: %b\r\n" % JSON, b"content-length: %d\r\n" % len(body)]
        if fault.retry_after_s is not None:
            head.append(b"retry-after: %d\r\n" % max(1, round(fault.retry_after_s)))
        self.send(b"".join((*head, b"connection: close\r\n", self.constant_headers, b"\r\n", body)))
        self._close(lingering=True)

    # Ends and limits.

    def retire(self) -> None:
        """The server drains: go when nothing runs, else after the answer."""
        if self._current is not None:
            self._current.keep_alive = self._current.keep_alive and bool(self._current.status)
        elif not self.in_head:
            self._close()

    def kill(self) -> None:
        """The server's patience has ended: drop the connection and what runs for it."""
        self.abort()
        if self._task is not None:
            self._task.cancel()

    def watch(self, now_s: float) -> None:
        """Close what has been silent for too long."""
        silent_s = now_s - self.since_s
        limits = self.limits
        if self._closing_s is not None:
            if now_s - self._closing_s > limits.linger_s:
                self.abort()
        elif self._blocked is not None:
            self._watch_taking(now_s)
        elif self.body is not None:
            if self._held:
                return
            if silent_s > limits.stall_s:
                self.refuse(BadRequest(408, f"no byte of the body came for {limits.stall_s:g} s"))
            elif now_s - self._head_since_s > limits.body_s:
                self.refuse(BadRequest(408, f"the body took longer than {limits.body_s:g} s"))
        elif self.in_head:
            if now_s - self._head_since_s > limits.head_s:
                self.refuse(BadRequest(408, f"the head took longer than {limits.head_s:g} s"))
        elif self._current is None and silent_s > limits.idle_s:
            self._close()

    def _watch_taking(self, now_s: float) -> None:
        """Drop a client that takes nothing of its answer, or takes it for ever."""
        unsent_bytes = self.transport.get_write_buffer_size()
        if unsent_bytes != self._unsent_bytes:
            self._unsent_bytes, self._moved_s = unsent_bytes, now_s
        if now_s - self._moved_s > self.limits.stall_s or now_s - self._blocked_since_s > self.limits.body_s:
            self.abort()

    def _close(self, *, lingering: bool = False) -> None:
        """Close; lingering when unread bytes may be on their way: they would destroy the answer at the client."""
        self._deaf = True
        self._queue.clear()
        if self._gone or self._closing_s is not None:
            return
        if not lingering:
            self.transport.close()
            return
        self._closing_s = self.loop.time()
        self._held = 0
        self.transport.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def _hold(self, why: int) -> None:
        if not self._held and self._closing_s is None:
            self.transport.pause_reading()
        self._held |= why

    def _unhold(self, why: int) -> None:
        if self._held:
            self._held &= ~why
            if not self._held and not self._gone:
                self.since_s = self.loop.time()
                self.transport.resume_reading()


def _framing(headers: dict[bytes, bytes], method: bytes, version: str) -> int | None:
    """Length of a request's body, or None when it is chunked."""
    if version == "1.1":
        if b"host" not in headers:
            raise BadRequest(400, "an HTTP/1.1 request without the header Host")
    elif version != "1.0":
        raise BadRequest(505, "HTTP/1.1 and HTTP/1.0 are served")
    if method == b"CONNECT":
        raise BadRequest(405, "no tunnels here")
    length, coding = headers.get(b"content-length"), headers.get(b"transfer-encoding")
    if coding is None:
        return 0 if length is None else declared_bytes(length)
    if version == "1.0" or length is not None or coding.strip().lower() != b"chunked":
        raise BadRequest(
            400, "the body's length is in doubt: send one Content-Length, or chunks over HTTP/1.1"
        )
    return None
