"""The HTTP/1.1 server of the data path: an address, its connections, and a clean end.

A handler runs once a request, from the moment its head is read; bodies stream. Requests that a client sends ahead on a
connection (pipelining) are answered in their order. Time limits are watched once a second for all connections together,
so that a request pays for no timer.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl as tls
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import TypeAlias

from .connection import Connection
from .exchange import Exchange, Headers
from .limits import Limits
from .parsing import tools
from .place import WIDE_BYTES, IntoPlace

Handler: TypeAlias = Callable[[Exchange], Awaitable[None]]
"""Answers one exchange. What it raises is answered for it: `BadRequest` as it says, anything else as 500."""

WATCH_S = 1.0
"""How often connections are looked at for time limits, unless a limit is shorter."""


class HttpServer:
    """Serves one address.

    Args:
        handler: see `Handler`.
        limits: what clients are granted.
        ssl: context for TLS; None serves plain HTTP.
        headers: sent with every answer.
        place: names the memory that a request's body is to be read into; called when its head is read and its body's
            length is declared. None, or a place of None, hands on chunks as they come.

    Attributes:
        in_flight: requests in handlers now.
        connections: open now.
        requests: heads read since the start.
        refused: answers that the server gave itself, because of limits or malformed bytes.
    """

    def __init__(
        self,
        handler: Handler,
        limits: Limits | None = None,
        ssl: tls.SSLContext | None = None,
        headers: Headers = (),
        place: Callable[[Exchange], memoryview | None] | None = None,
    ) -> None:
        self.handler, self.limits, self.place = handler, limits or Limits(), place
        self.in_flight = self.requests = self.refused = 0
        self.connections: set[Connection] = set()
        self.draining = False
        self.constant_headers = b""
        self._headers = b"".join(b"%b: %b\r\n" % pair for pair in headers)
        bounds = self.limits
        self._watch_s = min(
            WATCH_S, bounds.head_s, bounds.body_s, bounds.stall_s, bounds.idle_s, bounds.linger_s
        )
        self._ssl = ssl
        self._server: asyncio.AbstractServer | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._empty = asyncio.Event()

    async def start(self, host: str, port: int, *, reuse_port: bool = False) -> tuple[str, int]:
        """Listen.

        Args:
            host: address to listen on.
            port: 0 for one that is free.
            reuse_port: several processes share the address.

        Returns:
            The address and port that were taken.

        Raises:
            OSError: the address cannot be had.
            SourceUnavailable: httptools is not installed.
        """
        tools()
        loop = asyncio.get_running_loop()
        wide = memoryview(b"" if self.place is None else bytearray(WIDE_BYTES))
        self._server = await loop.create_server(
            lambda: Connection(self, loop) if self.place is None else IntoPlace(Connection(self, loop), wide),
            host,
            port,
            ssl=self._ssl,
            backlog=1024,
            reuse_port=reuse_port or None,
        )
        self._look(loop)
        name = self._server.sockets[0].getsockname()
        return name[0], name[1]

    async def drain(self, limit_s: float) -> int:
        """Stop: take no new connection, finish what runs, and end.

        Args:
            limit_s: seconds that running requests are given.

        Returns:
            How many connections had to be dropped in the middle of a request.
        """
        self.draining = True
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.retire()
        self._empty.clear()
        if self.connections:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), limit_s)
        left = list(self.connections)
        busy = sum(connection.busy for connection in left)
        for connection in left:
            connection.kill()
        if self._watch is not None:
            self._watch.cancel()
        await asyncio.sleep(0)
        return busy

    def forget(self, connection: Connection) -> None:
        """A connection has ended."""
        self.connections.discard(connection)
        if not self.connections:
            self._empty.set()

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        date = formatdate(time.time(), usegmt=True).encode("ascii")
        self.constant_headers = self._headers + b"date: %b\r\n" % date
        now_s = loop.time()
        for connection in list(self.connections):
            connection.watch(now_s)
        self._watch = loop.call_later(self._watch_s, self._look, loop)
