"""Bodies read from the socket into the place where they are wanted, for servers that need them whole.

A body that comes in chunks is copied out of each and once more to join them. Here the first bytes of a request are read
into a small buffer, as its head must be seen first; once the server has named a place for the body, the socket is read
straight into that.
"""

from __future__ import annotations

import asyncio

from .connection import Connection

_SCRATCH_BYTES = 16_384
"""Read before a place is known."""

WIDE_BYTES = 128 << 10
"""Read at a time of a body that has no place."""


class IntoPlace(asyncio.BufferedProtocol):
    """The transport's side of a connection; everything but the reading is the connection's own.

    Args:
        connection: whose server names places for bodies.
        wide: of `WIDE_BYTES`, for bodies without a place. All connections of a loop may share it: between `get_buffer`
            and `buffer_updated` transports only read.
    """

    def __init__(self, connection: Connection, wide: memoryview) -> None:
        self._scratch = self._narrow = memoryview(bytearray(_SCRATCH_BYTES))
        self._wide, self._connection = wide, connection
        self._straight = False
        self.connection_made = connection.connection_made  # type: ignore[method-assign]
        self.connection_lost = connection.connection_lost  # type: ignore[method-assign]
        self.eof_received = connection.eof_received  # type: ignore[method-assign]
        self.pause_writing = connection.pause_writing  # type: ignore[method-assign]
        self.resume_writing = connection.resume_writing  # type: ignore[method-assign]

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go."""
        connection = self._connection
        place = connection.place()
        self._straight = place is not None
        if place is not None:
            return place
        self._scratch = self._narrow if connection.body is None else self._wide
        return self._scratch

    def buffer_updated(self, nbytes: int) -> None:
        """They are there."""
        if self._straight:
            self._connection.placed(nbytes)
        else:
            self._connection.data_received(bytes(self._scratch[:nbytes]))
