"""Bytes from a socket into HTTP/1.1 messages: what server and client share. The only module that imports httptools.

The parser (llhttp, strict) reads heads and chunked bodies. Bodies of a declared length never pass through it: once the
head is read, what arrives is the body, byte for byte, and is handed on without a copy.

Source: RFC 9112 (HTTP/1.1), sections 6.3 (message body length) and 11.2 (request smuggling).
"""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any

from gramwise.core.errors import SourceUnavailable
from gramwise.gateway.oip.errors import BadRequest

from .body import Body

ONCE = frozenset(
    {
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"expect",
        b"host",
        b"inference-header-content-length",
        b"transfer-encoding",
    }
)
"""Headers that two parties may read differently when they come twice."""


@cache
def tools() -> Any:
    """The parser's package.

    Raises:
        SourceUnavailable: httptools is missing.
    """
    try:
        import httptools
    except ImportError as error:
        raise SourceUnavailable("serving needs httptools: pip install 'gramwise[serve]'") from error
    return httptools


class Messages(asyncio.Protocol):
    """The receiving half of a connection.

    A subclass says what a head and an end mean (`head_complete`, `message_complete`), and what to do about bytes that
    are no HTTP (`malformed`), after which nothing more of the connection is read.
    """

    def __init__(self, kind: str, loop: asyncio.AbstractEventLoop, head_bytes: int, headers: int) -> None:
        """Args:
        kind: class of the parser, by its name in httptools.
        loop: that the connection runs on.
        head_bytes, headers: the most that is read of a head.
        """
        package = tools()
        self.loop = loop
        self.since_s = loop.time()
        self._make: Any = getattr(package, kind)
        self._parser: Any = self._make(self)
        self._errors, self._at_upgrade = package.HttpParserError, package.HttpParserUpgrade
        self._most_head_bytes, self._most_headers = head_bytes, headers
        self.in_head = False
        self.headers: dict[bytes, bytes] = {}
        self.body: Body | None = None
        self._head_bytes = 0
        self._fed_bytes = self._now_bytes = 0
        self._past_parser_bytes = 0
        self._deaf = False
        self._upgrade = False

    def head_complete(self) -> Body | None:
        """A head was read: `headers` hold it. Returns the body to fill; None for a head to pass over."""
        raise NotImplementedError

    def message_complete(self) -> None:
        """The body of the last head has been read to its end."""
        raise NotImplementedError

    def malformed(self, fault: BadRequest) -> None:
        """What came is no HTTP, or more than is read."""
        raise NotImplementedError

    def data_received(self, data: bytes) -> None:
        """Bytes from the peer, any number of them."""
        self.since_s = self.loop.time()
        if self._past_parser_bytes:
            data = self._read_past_parser(data)
            if not data:
                return
        if self._deaf:
            return
        self._now_bytes = len(data)
        if self.in_head:
            self._fed_bytes += self._now_bytes
        try:
            self._parser.feed_data(data)
        except self._at_upgrade as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])
            return
        except self._errors as error:
            cause = error.__context__
            self.refuse(
                cause if isinstance(cause, BadRequest) else BadRequest(400, f"malformed HTTP: {error}")
            )
            return
        if self.in_head:
            if self._fed_bytes > self._most_head_bytes:
                self.refuse(BadRequest(431, f"a head of more than {self._most_head_bytes} bytes"))
        elif self.body is not None:
            if self.body.nbytes is not None:
                self._past_parser_bytes = self.body.nbytes - self.body.received_bytes
                if not self._past_parser_bytes:  # an answer to HEAD, of which the parser expects a body
                    self.on_message_complete()
            else:
                self._watch_framing(len(data), self.body.received_bytes)

    def _read_past_parser(self, data: bytes) -> bytes:
        """Take the bytes of a body of declared length; returns what follows it."""
        body, rest = self.body, self._past_parser_bytes
        if body is None or self._deaf:
            return b""
        if len(data) < rest:
            self._past_parser_bytes = rest - len(data)
            body.feed(data)
            return b""
        more = data[rest:]
        body.feed(data if not more else data[:rest])
        self._parser = self._make(self)
        self.on_message_complete()
        return more

    def place(self) -> memoryview | None:
        """Where the next bytes belong, if they are a body's that has a place (`Body.put_into`)."""
        body = self.body
        if body is None or self._deaf or not self._past_parser_bytes:
            return None
        return body.left()

    def placed(self, nbytes: int) -> None:
        """Bytes from the peer were written to where `place` said."""
        self.since_s = self.loop.time()
        if self.body is not None:
            self.body.received_bytes += nbytes
            self._past_parser_bytes -= nbytes
            if not self._past_parser_bytes:
                self._parser = self._make(self)
                self.on_message_complete()

    def _watch_framing(self, fed_bytes: int, body_bytes: int) -> None:
        """A chunk of one byte takes six; far more framing than that is padding that no limit on bodies would see."""
        self._fed_bytes += fed_bytes
        if self._fed_bytes > 8 * body_bytes + 2 * self._most_head_bytes:
            self.refuse(BadRequest(400, "chunks with more framing than body"))

    def refuse(self, fault: BadRequest) -> None:
        """Read nothing more of this connection and say why."""
        if not self._deaf:
            self._deaf = True
            self.malformed(fault)

    def _ignore_upgrade(self, rest: bytes) -> None:
        """RFC 9110 7.8: a server may ignore an Upgrade. The parser stops at one, so the body is read past it."""
        self._upgrade = False
        self._parser = self._make(self)
        if self.body is None:
            return
        if self.body.nbytes is None:
            self.refuse(
                BadRequest(501, "a chunked body with an Upgrade is not served; leave the Upgrade out")
            )
            return
        self._past_parser_bytes = self.body.nbytes
        if not self.body.nbytes:
            self.on_message_complete()
        if rest:
            self.data_received(rest)

    def on_message_begin(self) -> None:
        """The parser saw the first byte of a head."""
        self.in_head = True
        self.headers = {}
        self._head_bytes = self._fed_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """The parser read a header, or a trailer behind a chunked body: those are counted and dropped."""
        if not self.in_head:
            self._count(len(name) + len(value))
            return
        name = name.lower()
        headers = self.headers
        if name not in headers:
            headers[name] = value
            return
        if name in ONCE:
            raise BadRequest(400, f"the header {name.decode('ascii', 'replace')} came twice")
        headers[name] += b", " + value
        self._count(len(headers[name]))

    def on_headers_complete(self) -> None:
        """The parser read the empty line behind the headers."""
        headers = self.headers
        if len(headers) > self._most_headers:
            raise BadRequest(431, f"{len(headers)} headers; at most {self._most_headers} are read")
        if self._fed_bytes + self._now_bytes > self._most_head_bytes:  # else no head in there can be too long
            self._count(sum(map(len, headers)) + sum(map(len, headers.values())) + 4 * len(headers))
        self.in_head = False
        self._head_bytes = 0
        self._upgrade = b"upgrade" in headers and self._parser.should_upgrade()
        self.body = self.head_complete()

    def _count(self, nbytes: int) -> None:
        """Bound what a head or its trailers take, and the work of joining a header that comes again and again."""
        self._head_bytes += nbytes
        if self._head_bytes > self._most_head_bytes:
            raise BadRequest(431, f"headers of more than {self._most_head_bytes} bytes")

    def on_body(self, data: bytes) -> None:
        """The parser read bytes of a body."""
        if self.body is not None:
            self.body.feed(data)

    def on_message_complete(self) -> None:
        """A body ended; at an Upgrade the parser says so too early, and is not believed."""
        body = self.body
        if body is None or self._upgrade:
            return
        self._past_parser_bytes = 0
        self.body = None
        body.finish()
        self.message_complete()


def declared_bytes(length: bytes) -> int:
    """A Content-Length as a number.

    Raises:
        BadRequest: 400, not a plain decimal number.
    """
    if not length.isdigit() or len(length) > 18:
        raise BadRequest(400, "a Content-Length that is no number of bytes")
    return int(length)
