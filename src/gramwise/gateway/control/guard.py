"""What stands before every route of the control API: keys, limits, security headers, and no fault without its shape.

Plain ASGI, so that nothing is read or worked out for somebody who may not. A key may not stand in the URL; a body has
the length and the time that it may have; an answer carries the security headers whoever made it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from ..access.denied import Denied
from ..access.door import Door, Identity
from ..access.headers import SECURITY_HEADERS, STRICT_TRANSPORT
from ..access.redaction import refuse_key_in_url
from .faults import Fault, answer_of
from .limits import HttpLimits

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

IDENTITY = "gramwise.identity"
"""Where in the scope the identity stands."""

_log = logging.getLogger("gramwise.gateway.control")


class Guard:
    """Wraps an ASGI application.

    Args:
        app: that answers those who may ask.
        door: who they are.
        limits: of requests.
    """

    def __init__(self, app: App, door: Door, limits: HttpLimits) -> None:
        self._app, self._door, self._limits = app, door, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return  # neither web sockets nor a lifespan: nothing is offered, so nothing is answered
        answer = _Answer(send, secure=scope.get("scheme") == "https")
        try:
            scope[IDENTITY] = await self._identity(scope)
            body = _Body(receive, self._limits)
            await body.read(scope)
            await self._app(scope, body, answer)
        except Exception as fault:
            status, headers, data = answer_of(fault, scope["path"])
            if status == 500:
                _log.exception("%s %s failed", scope["method"], scope["path"])
            if not answer.begun:
                await answer.whole(status, headers, data)
            elif not answer.ended:
                raise  # half an answer is ended by closing the connection

    async def _identity(self, scope: Scope) -> Identity:
        query = scope.get("query_string", b"")
        target = scope.get("raw_path") or scope["path"].encode()
        if len(target) + len(query) > self._limits.target_bytes:
            raise Fault(414, f"a path with its query has at most {self._limits.target_bytes} bytes.")
        refuse_key_in_url(target + b"?" + query if query else target)
        if sum(len(name) + len(value) for name, value in scope["headers"]) > self._limits.head_bytes:
            raise Fault(431, f"the headers have at most {self._limits.head_bytes} bytes.")
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(given) > 1:
            raise Denied(400, "there are two Authorization headers; send one.")
        return await self._door.identify(given[0] if given else None)


class _Answer:
    """Sends, with the security headers added."""

    def __init__(self, send: Send, *, secure: bool) -> None:
        told = (*SECURITY_HEADERS, *((STRICT_TRANSPORT,) if secure else ()))
        self._headers = [(name.lower().encode(), value.encode()) for name, value in told]
        self._send, self.begun, self.ended = send, False, False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            message["headers"] = [*message.get("headers", []), *self._headers]
        await self._send(message)
        self.ended = message["type"] == "http.response.body" and not message.get("more_body", False)

    async def whole(self, status: int, headers: list[tuple[str, str]], data: bytes) -> None:
        """Send all at once."""
        encoded = [(name.lower().encode(), value.encode()) for name, value in headers]
        await self({"type": "http.response.start", "status": status, "headers": encoded})
        await self({"type": "http.response.body", "body": data})


class _Body:
    """Reads a whole body within its limits, before anybody looks at it, and hands it on."""

    def __init__(self, receive: Receive, limits: HttpLimits) -> None:
        self._receive = receive
        self._most_bytes, self._within_s = limits.body_bytes, limits.body_within_s
        self._held: Message | None = None

    async def read(self, scope: Scope) -> None:
        """Take it in.

        Raises:
            Fault: 408 it did not come in time; 413 too long; 415 another media type than JSON.
        """
        headers = dict(scope["headers"])
        declared = headers.get(b"content-length", b"0")
        if int(declared) > self._most_bytes:
            raise self._too_long()
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if (declared != b"0" or b"transfer-encoding" in headers) and kind != b"application/json":
            raise Fault(415, "the body is JSON: write the header Content-Type: application/json.")
        try:
            async with asyncio.timeout(self._within_s):
                self._held = {"type": "http.request", "body": await self._all(), "more_body": False}
        except TimeoutError:
            raise Fault(408, f"the body did not come within {self._within_s:g} s.") from None

    async def _all(self) -> bytes:
        pieces, size_bytes, more = [], 0, True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Fault(400, "the client went away.")
            pieces.append(message.get("body", b""))
            size_bytes += len(pieces[-1])
            if size_bytes > self._most_bytes:
                raise self._too_long()
            more = message.get("more_body", False)
        return b"".join(pieces)

    async def __call__(self) -> Message:
        if self._held is None:
            return await self._receive()  # only to hear that the client is gone
        held, self._held = self._held, None
        return held

    def _too_long(self) -> Fault:
        return Fault(413, f"a body has at most {self._most_bytes} bytes.")
