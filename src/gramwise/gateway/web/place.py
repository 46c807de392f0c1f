"""Bodies read from the socket into the place where they are wanted, for servers that need them whole.

A body that comes in chunks is copied out of each and once more to join them. Here the first bytes of a request are read
into a small buffer, as its head must be seen first; once the server has named a place for the body, the socket is read
straight into that.
"""

from __future__ import annotations

import asyncio

from .connection import Connection

_SCRATCH_BYTES = 16_384
"""Read before a place is known, and at a time where there is none."""


class IntoPlace(asyncio.BufferedProtocol):
    """The transport's side of a connection; everything but the reading is the connection's own.

    Args:
        connection: whose server names places for bodies.
    """

    def __init__(self, connection: Connection) -> None:
        self._scratch = memoryview(bytearray(_SCRATCH_BYTES))
        self._connection = connection
        self._straight = False
        self.connection_made = connection.connection_made  # type: ignore[method-assign]
        self.connection_lost = connection.connection_lost  # type: ignore[method-assign]
        self.eof_received = connection.eof_received  # type: ignore[method-assign]
        self.pause_writing = connection.pause_writing  # type: ignore[method-assign]
        self.resume_writing = connection.resume_writing  # type: ignore[method-assign]

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go."""
        place = self._connection.place()
        self._straight = place is not None
        return self._scratch if place is None else place

    def buffer_updated(self, nbytes: int) -> None:
        """They are there."""
        if self._straight:
            self._connection.placed(nbytes)
        else:
            self._connection.data_received(bytes(self._scratch[:nbytes]))
