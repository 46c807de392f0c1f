"""A body that is still arriving: read in chunks, once, or again from the start when it was kept."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from gramwise.gateway.oip.errors import BadRequest


class Source(Protocol):
    """Where a body comes from: the connection, which can be held back."""

    def hold_body(self) -> None:
        """Read nothing more from the peer for now."""
        ...

    def resume_body(self) -> None:
        """Read again."""
        ...

    def want_body(self) -> None:
        """Someone waits for the body's bytes; called before each wait."""
        ...


class Body:
    """Bytes that arrive, as an asynchronous iterator of chunks; the connection is held back while nobody reads.

    Chunks are handed on as they came from the network, never joined or copied. A body that has a place (`put_into`)
    is one chunk, which comes when it is complete.

    Attributes:
        nbytes: declared length; None for a chunked body.
        received_bytes: how many have arrived.
        complete: whether all have.
    """

    __slots__ = (
        "_buffer_bytes",
        "_fault",
        "_held",
        "_kept",
        "_past",
        "_place",
        "_source",
        "_started",
        "_unread_bytes",
        "_waiter",
        "_waiting",
        "complete",
        "nbytes",
        "received_bytes",
    )

    def __init__(self, nbytes: int | None, source: Source, buffer_bytes: int) -> None:
        self.nbytes = nbytes
        self.received_bytes = 0
        self.complete = False
        self._waiting: deque[bytes] = deque()
        self._past: list[bytes] = []
        self._place: memoryview | None = None
        self._kept = self._held = self._started = False
        self._unread_bytes = 0
        self._fault: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._source = source
        self._buffer_bytes = buffer_bytes

    def whole(self) -> deque[bytes] | None:
        """The chunks, when all have arrived and none has been read: look, do not change. Otherwise None."""
        return self._waiting if self.complete and not self._started else None

    def put_into(self, place: memoryview) -> None:
        """Gather the body in one piece of memory. The connection's side, before the first byte.

        Args:
            place: of the declared length.
        """
        self._place = place

    def left(self) -> memoryview | None:
        """What is still to be filled of the body's place; None where it has none."""
        return None if self._place is None else self._place[self.received_bytes :]

    def keep(self) -> None:
        """From now on chunks that were read stay, for `rewind`. To be called before the first is read.

        Raises:
            RuntimeError: some have been read and are gone.
        """
        if self._started and not self._kept:
            raise RuntimeError("the first chunks of this body are gone")
        self._kept = True

    def rewind(self) -> None:
        """Read again from the first chunk, bytes that are still to come included.

        Raises:
            RuntimeError: chunks were read and not kept.
        """
        if self._started and not self._kept:
            raise RuntimeError("this body was not kept")
        self._waiting.extendleft(reversed(self._past))
        self._unread_bytes += sum(map(len, self._past))
        self._past.clear()

    def release(self) -> None:
        """Forget the chunks that were kept: nobody reads again from the start."""
        self._kept = False
        self._past.clear()

    @property
    def replayable(self) -> bool:
        """Whether the body can be read from its first byte."""
        return self._kept or not self._started

    def __aiter__(self) -> Body:
        return self

    async def __anext__(self) -> bytes:
        while not self._waiting:
            if self._fault is not None:
                raise self._fault
            if self.complete:
                raise StopAsyncIteration
            await self._arrival()
        self._started = True
        chunk = self._waiting.popleft()
        if self._kept:
            self._past.append(chunk)
        self._unread_bytes -= len(chunk)
        if self._held and self._unread_bytes <= self._buffer_bytes // 2:
            self._held = False
            self._source.resume_body()
        return chunk

    async def read(self, limit: int) -> bytes:
        """All of it at once.

        Args:
            limit: bytes that the caller is ready to hold.

        Raises:
            BadRequest: 413, longer than ``limit``; the peer's faults, as they come.
        """
        if self.nbytes is not None and self.nbytes > limit:
            raise BadRequest(413, f"a body of {self.nbytes} bytes; at most {limit} are served here")
        chunks = []
        total = 0
        async for chunk in self:
            total += len(chunk)
            if total > limit:
                raise BadRequest(413, f"a body of more than {limit} bytes; no more are served here")
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def feed(self, chunk: bytes) -> None:
        """The connection's side: bytes came."""
        size = len(chunk)
        if self._place is not None:
            self._place[self.received_bytes : self.received_bytes + size] = chunk
            self.received_bytes += size
            return
        self._waiting.append(chunk)
        self.received_bytes += size
        self._unread_bytes += size
        if self._unread_bytes > self._buffer_bytes and not self._held:
            self._held = True
            self._source.hold_body()
        if self._waiter is not None:
            self._wake()

    def finish(self) -> None:
        """The connection's side: that was all. What the connection brings next is no longer this body's concern."""
        self.complete = True
        if self._place is not None:
            self._waiting.append(self._place)  # type: ignore[arg-type] # read like bytes
            self._unread_bytes += self.received_bytes
        if self._held:
            self._held = False
            self._source.resume_body()
        if self._waiter is not None:
            self._wake()

    def fail(self, fault: Exception) -> None:
        """The connection's side: no more will come; whoever reads gets ``fault`` after what has arrived."""
        if not self.complete and self._fault is None:
            self._fault = fault
            if self._waiter is not None:
                self._wake()

    async def _arrival(self) -> None:
        if self._waiter is not None:
            raise RuntimeError("two readers of one body")
        self._source.want_body()
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
