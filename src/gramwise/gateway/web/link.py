"""One connection to a server: a request out, its answer in, streamed both ways."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias, cast

from gramwise.core.errors import NodeLost
from gramwise.gateway.oip.errors import BadRequest

from .body import Body
from .parsing import Messages, declared_bytes

if TYPE_CHECKING:
    from .client import Upstream

Sent: TypeAlias = bytes | Sequence[bytes] | Body | None
"""A body to send: one piece, several, or one that is still arriving."""

JOINED_BYTES = 65_536
"""Up to here pieces are copied together and sent at once; longer ones go one after the other."""


class ConnectFailed(NodeLost):
    """No connection could be had; nothing was sent."""


class Broken(NodeLost):
    """Something was sent and no whole answer came: the connection broke, or what came is no HTTP."""


class Reply:
    """An answer whose head has come.

    Attributes:
        status: HTTP status.
        headers: by lower-case name.
        body: to be read to its end, or given up by `abandon`; only then is the connection free.
    """

    __slots__ = ("_link", "body", "headers", "status")

    def __init__(self, link: Link, status: int, headers: dict[bytes, bytes], body: Body) -> None:
        self._link, self.status, self.headers, self.body = link, status, headers, body

    def abandon(self) -> None:
        """Give up what is left of the body: its connection is closed. Nothing when it is complete."""
        if not self.body.complete:
            self._link.drop(Broken("the answer was given up"))


class Link(Messages):
    """One connection to the server.

    Attributes:
        fresh: whether it has carried no request yet.
        answered: whether a byte of the last request's answer came.
        ended: whether it has been closed.
        until_s: deadline of the request that it carries, on the loop's clock.
    """

    def __init__(self, upstream: Upstream, loop: asyncio.AbstractEventLoop) -> None:
        limits = upstream.limits
        super().__init__("HttpResponseParser", loop, limits.head_bytes, limits.headers)
        self.upstream = upstream
        self.fresh, self.answered, self.ended = True, False, False
        self.until_s = self.idle_since_s = 0.0
        self.transport: asyncio.Transport
        self._waiter: asyncio.Future[Reply] | None = None
        self._blocked: asyncio.Event | None = None
        self._bare = self._sending = self._ends_by_closing = False
        self._reusable = True

    async def request(self, head: bytes, body: Sent, until_s: float, *, bare: bool) -> Reply:
        """Send a request; see `Upstream.send`.

        Args:
            head: request line and headers.
            body: as for `Upstream.send`.
            until_s: on the loop's clock.
            bare: the answer has no body whatever its head says: the request's method is HEAD.
        """
        self.fresh = self.answered = False
        self._bare, self.until_s = bare, until_s
        waiter: asyncio.Future[Reply] = self.loop.create_future()
        self._waiter = waiter
        self.upstream.started(self)
        try:
            await self._write(head, body, waiter)
            return await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                waiter.result().abandon()
            else:
                waiter.cancel()
                self.drop(Broken("given up"))
            raise

    def drop(self, fault: Exception) -> None:
        """Close the connection; whoever waits for it gets ``fault``."""
        if self.ended:
            return
        self.ended = self._deaf = True
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(fault)
        if self.body is not None:
            self.body.fail(fault)
            self.body = None
        if self._blocked is not None:
            self._blocked.set()
        self.transport.abort()

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's transports are no subclasses

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended, whoever ended it."""
        if self.body is not None and self._ends_by_closing and exc is None:
            self.body.finish()
            self.body = None
        self.drop(Broken(f"{self.upstream.name} broke the connection" + (f": {exc}" if exc else "")))
        self._parser = None
        if self._blocked is not None:
            self._blocked.set()
        self.upstream.lost(self)

    def pause_writing(self) -> None:
        """The server takes bytes more slowly than they come."""
        self._blocked = asyncio.Event()

    def resume_writing(self) -> None:
        """It takes bytes again."""
        if self._blocked is not None:
            self._blocked.set()
            self._blocked = None

    def data_received(self, data: bytes) -> None:
        """Bytes of an answer; without a request they mean that the two sides no longer agree."""
        self.answered = True
        if self._waiter is None and self.body is None:
            self.drop(Broken(f"{self.upstream.name} sent bytes that nobody asked for"))
        else:
            super().data_received(data)

    # What the parser calls.

    def head_complete(self) -> Body | None:
        """The head of an answer, or of an interim one (1xx), which is passed over."""
        status = self._parser.get_status_code()
        if status < 200 and status != 101:
            return None
        headers, waiter = self.headers, self._waiter
        if waiter is None or waiter.done() or status == 101:
            raise BadRequest(502, "an answer that nobody asked for")
        length = headers.get(b"content-length")
        chunked = b"transfer-encoding" in headers
        if chunked and length is not None:
            raise BadRequest(502, "an answer with two lengths")
        nbytes = None if length is None else declared_bytes(length)
        if self._bare or status in (204, 304):
            nbytes = 0
        self._ends_by_closing = nbytes is None and not chunked
        self._reusable = self._parser.should_keep_alive() and not self._bare
        body = Body(nbytes, self, self.upstream.limits.buffer_bytes)
        self._waiter = None
        waiter.set_result(Reply(self, status, headers, body))
        if self._blocked is not None:
            self._blocked.set()
        return body

    def message_complete(self) -> None:
        """The answer is complete: the connection is free, if both sides have said all."""
        if self._reusable and not self._sending:
            self.upstream.freed(self)
        else:
            self.ended = self._deaf = True
            self.transport.close()

    def malformed(self, fault: BadRequest) -> None:
        """No HTTP."""
        self.drop(Broken(f"{self.upstream.name} answered no HTTP: {fault.sentence}"))

    # What a body asks of its source.

    def hold_body(self) -> None:
        """Nobody reads the answer: take nothing more from the server."""
        if not self.ended:
            self.transport.pause_reading()

    def resume_body(self) -> None:
        """Take bytes again."""
        if not self.ended:
            self.transport.resume_reading()

    def want_body(self) -> None:
        """Nothing to do: the server sends without being asked."""

    async def _write(self, head: bytes, body: Sent, waiter: asyncio.Future[Reply]) -> None:
        transport = self.transport
        if self.ended or self.in_head:
            raise Broken(f"{self.upstream.name} has closed the connection, or speaks unasked")
        pieces = (
            body.whole() if isinstance(body, Body) else (body,) if isinstance(body, bytes) else body or ()
        )
        if pieces is None:
            assert isinstance(body, Body)
            self._sending = True
            transport.write(head)
            await self._stream(body, waiter)
        elif sum(map(len, pieces)) <= JOINED_BYTES:
            transport.write(b"".join((head, *pieces)))
        else:
            transport.writelines((head, *pieces))

    async def _stream(self, body: Body, waiter: asyncio.Future[Reply]) -> None:
        """Hand chunks on as they come, until all are sent or the server has answered already (an error, as a rule)."""
        transport, chunked = self.transport, body.nbytes is None
        async for chunk in body:
            if waiter.done():
                return
            transport.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
            while self._blocked is not None and not self.ended and not waiter.done():
                await self._blocked.wait()
        if chunked and not self.ended:
            transport.write(b"0\r\n\r\n")
        self._sending = False
