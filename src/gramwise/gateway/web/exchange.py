"""One request and its answer, as a handler sees them."""

from __future__ import annotations

import http
from collections.abc import Iterable
from typing import Any, Protocol

from gramwise.core.errors import ExecutionError
from gramwise.gateway.oip.errors import BadRequest, error_body

from .body import Body

Headers = Iterable[tuple[bytes, bytes]]
"""Names in any case and values, in the order in which they are sent."""

_BODYLESS = (204, 304)

JSON = (b"content-type", b"application/json")

STATUS_LINES = {
    each.value: f"HTTP/1.1 {each.value} {each.phrase}\r\n".encode("ascii") for each in http.HTTPStatus
}

NOT_PASSED = frozenset(
    {
        b"connection",
        b"content-length",
        b"date",
        b"expect",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Headers that belong to one connection or one server: each side sets its own (RFC 9110 7.6.1)."""


class ClientGone(ExecutionError):
    """The client closed the connection before it had sent or taken everything."""


class Wire(Protocol):
    """What an exchange needs of its connection."""

    @property
    def constant_headers(self) -> bytes:
        """Sent with every answer, each with its line end."""
        ...

    def send(self, data: bytes) -> None:
        """Write bytes; nothing when the client is gone."""
        ...

    def abort(self) -> None:
        """Drop the connection, so that the client sees that the answer is not whole."""
        ...

    async def flowing(self) -> None:
        """Wait until the client takes bytes again."""
        ...

    def extra(self, name: str) -> Any:
        """What the transport knows under this name."""
        ...


class Exchange:
    """A request and the means to answer it. A handler answers once: `reply`, or `begin`, `write` ..., `end`.

    Attributes:
        method: ``b"POST"``.
        path: as the request line has it, percent-encoded, without the query.
        query: what follows the ``?``, percent-encoded; empty for none.
        headers: by lower-case name; values of a name that came again are joined by a comma.
        peer: address of the client, for people.
        body: what the client sends.
        arrival_s: when the head was complete, on the loop's clock.
        keep_alive: whether the connection stays; set it to False before the answer to close it.
        status: of the answer; 0 before it has begun.
        ended: whether the answer is complete.
        gone: whether the client has gone: what is written then is dropped.
    """

    __slots__ = (
        "_chunked",
        "_left_bytes",
        "_wire",
        "arrival_s",
        "body",
        "ended",
        "gone",
        "headers",
        "http10",
        "keep_alive",
        "method",
        "path",
        "peer",
        "query",
        "status",
    )

    def __init__(
        self,
        wire: Wire,
        method: bytes,
        target: bytes,
        headers: dict[bytes, bytes],
        peer: str,
        body: Body,
        arrival_s: float,
        http10: bool,
        keep_alive: bool,
    ) -> None:
        self._wire = wire
        self.method = method
        if not target.startswith(b"/"):
            target = _origin_form(target)
        self.path, _, self.query = target.partition(b"?")
        self.headers = headers
        self.peer = peer
        self.body = body
        self.arrival_s = arrival_s
        self.http10 = http10
        self.keep_alive = keep_alive
        self.status = 0
        self.ended = self.gone = self._chunked = False
        self._left_bytes: int | None = None

    def reply(self, status: int, headers: Headers = (), data: bytes | Iterable[bytes] = b"") -> None:
        """Send the whole answer.

        Args:
            status: HTTP status.
            headers: without those of the connection (`NOT_PASSED`), which are dropped.
            data: the body, in one piece or several.

        Raises:
            RuntimeError: an answer has begun already.
            ValueError: a header with a line break.
        """
        body = data if isinstance(data, bytes) else b"".join(data)
        head = self._head(status, headers, len(body))
        self.ended = True
        silent = self.method == b"HEAD" or status in _BODYLESS
        self._wire.send(head if silent else head + body)

    def refuse(self, fault: BadRequest) -> None:
        """Send an error in the protocol's shape; when an answer has begun already, drop the connection."""
        if self.status:
            self.abort()
            return
        headers = [JSON]
        if fault.retry_after_s is not None:
            headers.append((b"retry-after", b"%d" % max(1, round(fault.retry_after_s))))
        if fault.allow:
            headers.append((b"allow", fault.allow.encode()))
        self.reply(fault.status, headers, error_body(fault.sentence))

    def begin(self, status: int, headers: Headers = (), nbytes: int | None = None) -> None:
        """Send the head of an answer whose body follows in pieces.

        Args:
            status: HTTP status.
            headers: as for `reply`.
            nbytes: length of the body; None when it is not known, which makes it chunked.

        Raises:
            RuntimeError: an answer has begun already.
            ValueError: a header with a line break.
        """
        if nbytes is None and self.http10:
            self.keep_alive = False
        head = self._head(status, headers, nbytes)
        self._left_bytes = nbytes
        self._chunked = nbytes is None and not self.http10
        self._wire.send(head)

    def write(self, data: bytes) -> None:
        """Send a piece of the body; await `flowing` now and then when there are many.

        Raises:
            RuntimeError: before `begin`, after `end`, or beyond the length that was announced.
        """
        if not self.status or self.ended:
            raise RuntimeError("write comes between begin and end")
        if not data or self.method == b"HEAD":
            return
        if self._left_bytes is not None:
            self._left_bytes -= len(data)
            if self._left_bytes < 0:
                self.abort()
                raise RuntimeError("more bytes than were announced")
        if self._chunked:
            self._wire.send(b"%x\r\n%b\r\n" % (len(data), data))
        else:
            self._wire.send(data)

    async def flowing(self) -> None:
        """Wait while the client takes nothing.

        Raises:
            ClientGone: it has gone.
        """
        await self._wire.flowing()

    def end(self) -> None:
        """The body is complete; fewer bytes than were announced drop the connection."""
        if self.ended:
            return
        self.ended = True
        if self._chunked and self.method != b"HEAD":
            self._wire.send(b"0\r\n\r\n")
        elif self._left_bytes and self.method != b"HEAD":
            self.abort()

    def abort(self) -> None:
        """Drop the connection in the middle of the answer, so that nobody takes the part for the whole."""
        self.ended = True
        self.keep_alive = False
        self._wire.abort()

    def extra(self, name: str) -> Any:
        """What the transport knows, by the names of `asyncio.BaseTransport.get_extra_info`: ``peercert`` ..."""
        return self._wire.extra(name)

    def _head(self, status: int, headers: Headers, nbytes: int | None) -> bytes:
        if self.status:
            raise RuntimeError("an exchange is answered once")
        if not self.body.complete:
            self.keep_alive = False
        lines = [b"%b: %b\r\n" % pair for pair in headers if pair[0].lower() not in NOT_PASSED]
        given = b"".join(lines)
        if given.count(b"\n") != len(lines) or given.count(b"\r") != len(lines):
            raise ValueError("a header with a line break")
        self.status = status
        if status in _BODYLESS:
            framing = b""
        elif nbytes is not None:
            framing = b"content-length: %d\r\n" % nbytes
        else:
            framing = b"" if self.http10 else b"transfer-encoding: chunked\r\n"
        if not self.keep_alive:
            framing += b"connection: close\r\n"
        elif self.http10:
            framing += b"connection: keep-alive\r\n"
        line = STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
        return b"%b%b%b%b\r\n" % (line, given, framing, self._wire.constant_headers)


def _origin_form(target: bytes) -> bytes:
    """The path of an absolute address, which every server has to take (RFC 9112 3.2.2)."""
    scheme, found, rest = target.partition(b"://")
    if not found or scheme.lower() not in (b"http", b"https"):
        return target
    _, slash, path = rest.partition(b"/")
    return slash + path if slash else b"/"
