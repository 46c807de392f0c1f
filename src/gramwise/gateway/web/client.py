"""The HTTP/1.1 client of the data path: one server, kept connections, bodies that stream both ways.

A connection that the other side closed while it lay idle is noticed only when it is used. A request that meets one is
sent again on a new connection, once, if its body can still be read from the start: nothing of an answer has come, so
nothing is answered twice. Deadlines are watched together, every hundredth of a second while requests run.
"""

from __future__ import annotations

import asyncio
import ssl as tls
from collections import deque

from gramwise.core.errors import TimedOut

from .body import Body
from .exchange import NOT_PASSED, Headers
from .limits import UpstreamLimits
from .link import Broken, ConnectFailed, Link, Reply, Sent
from .parsing import tools

__all__ = ["Broken", "ConnectFailed", "Reply", "Sent", "TimedOut", "Upstream"]

WATCH_S = 0.01
"""How often deadlines are looked at: they are kept to this."""


class Upstream:
    """A server that requests are sent to.

    Args:
        host, port: its address.
        ssl: context for TLS; None speaks plain HTTP.
        headers: sent with every request, for instance a token.
        limits: what the server is granted.

    Attributes:
        name: ``host:port``.
        open: connections, the idle ones included.
        in_flight: requests whose answers are not complete.
    """

    def __init__(
        self,
        host: str,
        port: int,
        ssl: tls.SSLContext | None = None,
        headers: Headers = (),
        limits: UpstreamLimits | None = None,
    ) -> None:
        tools()
        self.host, self.port, self.limits = host, port, limits or UpstreamLimits()
        self.open = 0
        self.closed = False
        self._ssl = ssl
        self._links: set[Link] = set()
        self._idle: list[Link] = []
        self._busy: set[Link] = set()
        self._waiting: deque[asyncio.Future[Link | None]] = deque()
        name = f"[{host}]" if ":" in host else host
        fixed = b"".join(b"%b: %b\r\n" % pair for pair in headers)
        self.name = f"{name}:{port}"
        self._constant = f" HTTP/1.1\r\nhost: {self.name}\r\n".encode() + fixed
        self._constant_lines = self._constant.count(b"\n") + 2
        self._watching = False

    @property
    def in_flight(self) -> int:
        """Requests whose answers are not complete."""
        return len(self._busy)

    async def send(
        self, method: bytes, path: bytes, headers: Headers = (), body: Sent = None, *, timeout_s: float
    ) -> Reply:
        """Send a request and wait for the head of its answer.

        Args:
            method, path: of the request line; the path percent-encoded.
            headers: without those of the connection, which are dropped.
            body: None for none. A `Body` streams; `Body.keep` it before, to be able to send it again elsewhere.
            timeout_s: seconds for all of it: connection, request and the whole answer.

        Returns:
            The answer; its body may still be arriving, and fails with `TimedOut` at the same deadline.

        Raises:
            ConnectFailed: nothing was sent.
            Broken: something was sent and no head came back.
            TimedOut: not in ``timeout_s``.
            ValueError: a line break or a space where none may be.
        """
        head = self._head(method, path, headers, body)
        loop = asyncio.get_running_loop()
        until_s = loop.time() + timeout_s
        idle = self._idle
        if idle and until_s - timeout_s - idle[-1].idle_since_s < self.limits.idle_s:
            link = idle.pop()
        else:
            link = await self._link(loop, until_s)
        while True:
            fresh = link.fresh
            try:
                return await link.request(head, body, until_s, bare=method == b"HEAD")
            except Broken:
                if fresh or link.answered or not _replayable(body):
                    raise
                if isinstance(body, Body):
                    body.rewind()
            link = await self._link(loop, until_s, new=True)

    async def close(self) -> None:
        """Close every connection; requests that run fail with `Broken`."""
        self.closed = True
        for link in list(self._links):
            link.drop(Broken("the client was closed"))
        await asyncio.sleep(0)

    def freed(self, link: Link) -> None:
        """A connection's answer is complete: the next request may have it."""
        self._busy.discard(link)
        link.idle_since_s = link.loop.time()
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(link)
                return
        self._idle.append(link)

    def lost(self, link: Link) -> None:
        """A connection has ended."""
        self._links.discard(link)
        self._busy.discard(link)
        if link in self._idle:
            self._idle.remove(link)
        self.open -= 1
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def started(self, link: Link) -> None:
        """A connection carries a request: watch its deadline."""
        self._busy.add(link)
        if not self._watching:
            self._watching = True
            link.loop.call_later(WATCH_S, self._watch, link.loop)

    def _head(self, method: bytes, path: bytes, headers: Headers, body: Sent) -> bytes:
        if b" " in path or b" " in method:
            raise ValueError("a request line with a space")
        parts = [b"%b: %b\r\n" % pair for pair in headers if pair[0].lower() not in NOT_PASSED]
        lines = len(parts) + self._constant_lines
        size = _size(body)
        if size is None:
            framing = b"transfer-encoding: chunked\r\n"
        elif body is not None or method in (b"POST", b"PUT"):
            framing = b"content-length: %d\r\n" % size
        else:
            framing, lines = b"", lines - 1
        head = b"%b %b%b%b%b\r\n" % (method, path, self._constant, b"".join(parts), framing)
        if head.count(b"\n") != lines:
            raise ValueError("a header with a line break")
        return head

    async def _link(self, loop: asyncio.AbstractEventLoop, until_s: float, *, new: bool = False) -> Link:
        while self._idle and not new:
            link = self._idle.pop()
            if loop.time() - link.idle_since_s <= self.limits.idle_s:
                return link
            link.drop(Broken("idle for too long"))
        while self.open >= self.limits.connections:
            handed = await self._turn(loop, until_s)
            if handed is not None and not handed.ended and not new:
                return handed
            if handed is not None:
                handed.drop(Broken("replaced by a new connection"))
        return await self._connect(loop, until_s)

    async def _turn(self, loop: asyncio.AbstractEventLoop, until_s: float) -> Link | None:
        """Wait until a connection is free (that one) or has ended (None)."""
        waiter: asyncio.Future[Link | None] = loop.create_future()
        self._waiting.append(waiter)
        timer = loop.call_at(until_s, _expire, waiter, f"{self.name}: no connection was free in time")
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and not waiter.exception():
                link = waiter.result()
                if link is not None and not link.ended:
                    self.freed(link)
            raise
        finally:
            timer.cancel()

    async def _connect(self, loop: asyncio.AbstractEventLoop, until_s: float) -> Link:
        if self.closed:
            raise ConnectFailed("this client is closed")
        self.open += 1
        try:
            async with asyncio.timeout_at(min(until_s, loop.time() + self.limits.connect_s)):
                _, link = await loop.create_connection(
                    lambda: Link(self, loop), self.host, self.port, ssl=self._ssl
                )
        except OSError as error:
            self.open -= 1
            why = "no connection in time" if isinstance(error, TimeoutError) else error.strerror or error
            raise ConnectFailed(f"{self.name}: {why}") from error
        except BaseException:
            self.open -= 1
            raise
        self._links.add(link)
        return link

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        now_s = loop.time()
        for link in [link for link in self._busy if now_s > link.until_s]:
            link.drop(TimedOut(f"no answer from {self.name} in time"))
        while self._idle and now_s - self._idle[0].idle_since_s > self.limits.idle_s:
            self._idle.pop(0).drop(Broken("idle"))  # aborting takes effect later: it must leave the list now
        if self._busy:
            loop.call_later(WATCH_S, self._watch, loop)
        else:
            self._watching = False


def _size(body: Sent) -> int | None:
    """Length of a body; None when it is not known."""
    if isinstance(body, Body):
        return body.nbytes
    return len(body) if isinstance(body, bytes) else sum(map(len, body or ()))


def _replayable(body: Sent) -> bool:
    return body.replayable if isinstance(body, Body) else True


def _expire(waiter: asyncio.Future[Link | None], why: str) -> None:
    if not waiter.done():
        waiter.set_exception(ConnectFailed(why))
