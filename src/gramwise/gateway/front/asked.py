"""A request on its way to a node: its head is read, its tensors are bytes that nobody looks into.

What the engine carries as the only input of a request is an `Asked`. It can be sent again from its first byte until an
answer has come, so that a node that dies in the middle costs one try elsewhere.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from gramwise.gateway.oip.ask import NOTHING, Ask, read_ask
from gramwise.gateway.oip.errors import BadRequest
from gramwise.gateway.oip.head import (
    JSON_SIZE_HEADER,
    RequestHead,
    read_json_size,
    read_request_head,
)
from gramwise.gateway.oip.recent import LONGEST_BYTES, Recent
from gramwise.gateway.oip.scan import Scanned, scan_request
from gramwise.gateway.oip.told import put_parameters
from gramwise.gateway.web.body import Body
from gramwise.gateway.web.client import Sent
from gramwise.gateway.web.exchange import JSON, Exchange

JOINED_BYTES = 65_536
"""A body that is here and no larger is sent in one piece; a larger one streams."""

OCTETS = (b"content-type", b"application/octet-stream")


class Parcel(NamedTuple):
    """What is sent to a node: headers and body."""

    headers: tuple[tuple[bytes, bytes], ...]
    body: Sent


class Asked:
    """The body of one request, as it came over HTTP or gRPC.

    Attributes:
        ask: what its parameters ask of the gateway.
        head: over HTTP; None over gRPC.
        json: the head's own bytes, over HTTP.
        binary: binary tensors follow the head.
        whole: all of the body, where it is here; None while it streams.
        body: the rest of what streams.
        message: the encoded request, over gRPC.
        nbytes: of the body; 0 where a chunked body does not say.
        count: inferences: the first dimension of its first input; 1 where the model has no free one.
        until_s: the client's own deadline, Unix seconds; None where it has none, or it may wait before it starts.
        tried: nodes that it was sent to.
        declined: what a node said that had no time for it; empty where none did.
    """

    __slots__ = (
        "ask",
        "binary",
        "body",
        "count",
        "declined",
        "head",
        "json",
        "message",
        "nbytes",
        "shape",
        "tried",
        "until_s",
        "whole",
    )

    def __init__(
        self,
        ask: Ask = NOTHING,
        *,
        head: RequestHead | None = None,
        json: bytes = b"",
        binary: bool = False,
        whole: bytes | None = None,
        body: Body | None = None,
        message: bytes = b"",
        nbytes: int = 0,
        shape: Sequence[int] = (),
    ) -> None:
        self.ask, self.head, self.json, self.binary = ask, head, json, binary
        self.whole, self.body, self.message, self.nbytes = whole, body, message, nbytes
        self.tried: list[str] = []
        self.declined = ""
        self.count, self.shape = 1, shape
        self.until_s: float | None = None

    def start(self, arrival_s: float, *, batched: bool) -> None:
        """What the gateway knows besides: when it came, and whether its first dimension counts inferences."""
        self.count = max(1, self.shape[0]) if batched and self.shape else 1
        if self.ask.deadline_s is not None and self.ask.defer_until_unix_s is None:
            self.until_s = arrival_s + self.ask.deadline_s

    def left_s(self, now_s: float) -> float | None:
        """Seconds until the client's own deadline; of work that was put off, whose deadline counts from its start,
        all of them; None where it has none.
        """
        return self.ask.deadline_s if self.until_s is None else self.until_s - now_s

    @property
    def wants_binary(self) -> bool:
        """Whether it sends binary tensors, or asks for binary outputs."""
        head = self.head
        if self.binary or head is None:
            return self.binary
        return bool(head.parameters and head.parameters.get("binary_data_output")) or any(
            out.parameters and out.parameters.get("binary_data") for out in head.outputs or ()
        )

    async def all(self, limit_bytes: int) -> bytes:
        """The whole body, for those who must look into it; it can still be sent.

        Raises:
            BadRequest: 413, longer than ``limit_bytes``; 400, not the bytes that its head tells of.
        """
        if self.whole is None:
            assert self.body is not None
            self.body.rewind()
            self.whole, self.body = await self.body.read(limit_bytes), None
            self.nbytes = len(self.whole)
            if self.head is not None:
                self.head.check_body(len(self.json), self.nbytes)
        return self.whole

    def parcel(self, left_s: float | None) -> Parcel:
        """What to send, from its first byte.

        Args:
            left_s: seconds that are left of the client's own deadline; None where it has none.
        """
        json = self.json
        if left_s is not None:
            json = put_parameters(json, {"deadline_ms": max(0.001, 1e3 * left_s)})
        headers = (OCTETS, (JSON_SIZE_HEADER, b"%d" % len(json))) if self.binary else (JSON,)
        if self.whole is not None:
            if json is self.json:
                return Parcel(headers, self.whole)
            return Parcel(headers, (json, self.whole[len(self.json) :]) if self.binary else json)
        assert self.body is not None
        self.body.rewind()
        if json is self.json:
            return Parcel(headers, self.body)
        return Parcel(headers, Reheaded(self.body, len(self.json), json))

    def release(self) -> None:
        """An answer has come: the bytes are not needed again."""
        if self.body is not None:
            self.body.release()


class Reheaded(Body):
    """A body with another JSON head before the same tensors.

    Args:
        body: kept, to be read from its first byte.
        old_bytes: length of its head.
        head: the new one.
    """

    __slots__ = ("_head", "_inner", "_old_bytes", "_skipped")

    def __init__(self, body: Body, old_bytes: int, head: bytes) -> None:
        self._inner, self._old_bytes, self._head, self._skipped = body, old_bytes, head, False
        self.nbytes = None if body.nbytes is None else body.nbytes - old_bytes + len(head)

    def whole(self) -> deque[bytes] | None:
        """Never at once: what is whole is not streamed."""
        return None

    def rewind(self) -> None:
        """Read again from the new head's first byte."""
        self._inner.rewind()
        self._skipped = False

    @property
    def replayable(self) -> bool:
        """As the body that it stands for."""
        return self._inner.replayable

    async def __anext__(self) -> bytes:
        if self._skipped:
            return await self._inner.__anext__()
        self._skipped = True
        chunks, got = [], 0
        while got < self._old_bytes:
            chunks.append(await self._inner.__anext__())
            got += len(chunks[-1])
        return self._head + b"".join(chunks)[self._old_bytes :]


Heads: TypeAlias = Recent[tuple[bytes, int], tuple[RequestHead, Ask]]
"""Heads that were read of late, by their bytes and the length of the body that they must fit."""


async def read_asked(exchange: Exchange, limit_bytes: int, heads: Heads) -> Asked:
    """Read the head of a request that came over HTTP, and as much of its body as that takes.

    Args:
        exchange: whose body nobody has read.
        limit_bytes: of a body without binary tensors, which must be read whole.
        heads: that were read before.

    Raises:
        BadRequest: 4xx with a sentence for the client.
    """
    headers, body = exchange.headers, exchange.body
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise BadRequest(415, "send the body without content-encoding: its head is read on the way")
    size = read_json_size(headers.get(JSON_SIZE_HEADER))
    chunks = body.whole()
    if size is None:
        data = chunks[0] if chunks and len(chunks) == 1 else await body.read(limit_bytes)
        return _known(data, None, heads)
    if chunks is not None and sum(map(len, chunks)) <= JOINED_BYTES:
        return _known(b"".join(chunks), size, heads)
    body.keep()
    beginning = b""
    async for chunk in body:
        beginning = chunk if not beginning else beginning + chunk
        if len(beginning) >= size:
            break
    head = read_request_head(beginning, size, body.nbytes)
    return Asked(
        read_ask(head.parameters),
        head=head,
        json=beginning[:size],
        binary=True,
        body=body,
        nbytes=body.nbytes or 0,
        shape=head.inputs[0].shape,
    )


def _known(data: bytes, size: int | None, heads: Heads) -> Asked:
    """Of a body that is here."""
    nbytes = len(data)
    if size is not None and size <= min(LONGEST_BYTES, nbytes):
        json = data[:size]
        # Of its own bytes: what is remembered must not keep the whole body.
        head, ask = heads.get((json, nbytes), lambda: _read(json, size, nbytes))
    else:
        json = data if size is None else data[:size]
        head, ask = _read(data, size, nbytes)
    return Asked(
        ask,
        head=head,
        json=json,
        binary=size is not None,
        whole=data,
        nbytes=nbytes,
        shape=head.inputs[0].shape,
    )


def _read(data: bytes, size: int | None, nbytes: int) -> tuple[RequestHead, Ask]:
    head = read_request_head(data, size, nbytes)
    return head, read_ask(head.parameters)


def read_message(message: bytes) -> tuple[Asked, Scanned]:
    """A request that came over gRPC, and what it says of itself.

    Raises:
        BadRequest: 4xx with a sentence for the client.
    """
    told = scan_request(message)
    shape = told.inputs[0][2] if told.inputs else ()
    asked = Asked(read_ask(told.parameters), message=message, nbytes=len(message), shape=shape)
    return asked, told
