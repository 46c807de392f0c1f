"""Room for the bytes of requests: bounded for all clients together, laid out so that a run can read them in place."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator, Sequence

import numpy as np

from gramwise.gateway.oip.errors import BadRequest
from gramwise.gateway.web.body import Body

RETRY_S = 1.0
"""What a client is told to wait when there is no room."""

ALIGNMENT_BYTES = 16
"""At least that of every datatype; the C library's allocator gives it."""

_EMPTY_FRAC = 0.25
"""Of the room, for bodies that have a place and have not all arrived: else lengths that are only declared fill it."""


class Room:
    """Bytes of requests that the node may hold at a time, all clients together.

    Args:
        most_bytes: further ones are refused.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes, self._taken_bytes = most_bytes, 0
        self._empty: dict[int, tuple[int, weakref.ref[object]]] = {}

    def place(self, nbytes: int, at: int) -> memoryview | None:
        """Memory for a body, as `place` makes it; whoever reads the body says when it is `filled`.

        Until then all of it counts as empty, however much has come: what is half full fills no sooner.

        Args:
            nbytes: of the body.
            at: its byte that is aligned.

        Returns:
            None where there is no room, or where too much of it is empty already: take the body as it arrives.
        """
        empty_bytes = sum(each for each, _ in self._empty.values())
        most_empty_bytes = self._most_bytes * _EMPTY_FRAC - empty_bytes
        if nbytes > min(self._most_bytes - self._taken_bytes, most_empty_bytes):
            return None
        whole = place(nbytes, at)
        key, empty = id(whole.obj), self._empty
        # A body that nobody reads, or that breaks off, goes with its memory.
        empty[key] = nbytes, weakref.ref(whole.obj, lambda _: empty.pop(key, None))
        return whole

    def filled(self, whole: bytes | memoryview) -> None:
        """All of a body is there; one that has no place here is passed over."""
        if isinstance(whole, memoryview):
            self._empty.pop(id(whole.obj), None)

    @contextlib.contextmanager
    def held(self) -> Iterator[Held]:
        """The bytes of one request, given back at the end."""
        held = Held(self)
        try:
            yield held
        finally:
            self._taken_bytes -= held.nbytes

    def take(self, nbytes: int) -> None:
        """Hold more bytes.

        Raises:
            BadRequest: 429, there is no room for them.
        """
        if self._taken_bytes + nbytes > self._most_bytes:
            raise BadRequest(429, "the requests at hand fill the node's memory", retry_after_s=RETRY_S)
        self._taken_bytes += nbytes


class Held:
    """Bytes of one request in a `Room`."""

    def __init__(self, room: Room) -> None:
        self._room, self.nbytes = room, 0

    def add(self, nbytes: int) -> None:
        """Hold more; raises what `Room.take` does."""
        self._room.take(nbytes)
        self.nbytes += nbytes

    async def read(self, body: Body, limit_bytes: int, head_bytes: int | None = None) -> bytes | memoryview:
        """A body in one piece.

        Args:
            body: that is still arriving.
            limit_bytes: most that it may have.
            head_bytes: of the JSON head where binary tensors follow: the first of them is then aligned in memory.

        Raises:
            BadRequest: 413, longer than ``limit_bytes``; 429, no room.
        """
        nbytes = body.nbytes
        if nbytes is not None and nbytes > limit_bytes:
            raise BadRequest(413, f"a body of {nbytes} bytes; at most {limit_bytes} are served here")
        if nbytes is not None and body.left() is not None:
            self.add(nbytes)
            async for whole in body:
                self._room.filled(whole)
                return whole
        chunks = []
        async for chunk in body:
            self.add(len(chunk))
            if self.nbytes > limit_bytes:
                raise BadRequest(413, f"a body of more than {limit_bytes} bytes; no more are served here")
            chunks.append(chunk)
        return b"".join(chunks) if head_bytes is None else _aligned(chunks, self.nbytes, head_bytes)


def place(nbytes: int, at: int) -> memoryview:
    """Memory for a body whose byte ``at`` is aligned."""
    spare = -at % ALIGNMENT_BYTES
    return np.empty(spare + nbytes, np.uint8).data[spare:]


def _aligned(chunks: Sequence[bytes], nbytes: int, at: int) -> memoryview:
    """The chunks in one piece whose byte ``at`` is aligned."""
    whole = place(nbytes, at)
    begin = 0
    for chunk in chunks:
        end = begin + len(chunk)
        whole[begin:end] = chunk
        begin = end
    return whole
