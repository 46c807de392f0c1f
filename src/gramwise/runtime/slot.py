"""One process of a node as the engine sees it, and the tensors that it holds for the next node of a plan."""

from __future__ import annotations

import asyncio
import contextlib
import math
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import IO

import msgspec

from gramwise.core.errors import NodeLost, Rejected
from gramwise.core.protocols import Held, Ran
from gramwise.runtime import wire

STOP_LIMIT_S = 5.0
"""A process that has not ended by then, once it was told to, is killed."""


@dataclass(slots=True)
class Slot:
    """One process of a node; ``store`` is the number of the store that it holds tensors in."""

    process: subprocess.Popen[bytes]
    memory: wire.SharedMemory
    store: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    errors: IO[bytes]
    ready: wire.Ready | None = None
    clocks_at_start_s: float = 0.0
    lost: bool = False
    freed: list[int] = field(default_factory=list)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def alive(self) -> bool:
        return not self.lost and self.process.poll() is None

    async def ask(self, question: wire.Question) -> wire.Answer:
        """Send and await the answer; one question at a time, since answers carry no number.

        Raises:
            NodeLost: the process ended before it answered.
        """
        async with self.turn:
            try:
                self.writer.write(wire.frame(question))
                return await self.listen()
            except (asyncio.IncompleteReadError, ConnectionError, OSError) as fault:
                self.lost = True
                raise NodeLost("the process ended before it answered") from fault
            except asyncio.CancelledError:
                # The answer is still to come and would be taken for the next one's: this process is of no more use.
                self.lost = True
                self.process.kill()
                raise

    async def listen(self) -> wire.Answer:
        header = await self.reader.readexactly(wire.HEADER.size)
        answer: wire.Answer = wire.read_answer(await self.reader.readexactly(wire.HEADER.unpack(header)[0]))
        return answer

    async def hang_up(self) -> None:
        """Close our end of the socket, which tells the process to end. In the loop: transports are not for threads."""
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    def end(self) -> None:
        """Wait for the process, and kill it when it does not end by itself."""
        self.lost = True
        try:
            self.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.memory.close()
        self.errors.close()


@dataclass(slots=True, eq=False)
class Place:
    """A tensor in a slot's store. Its room is free once it was released and whoever was reading it has done so."""

    slot: Slot
    tensor: wire.Tensor
    readers: int = 0
    released: bool = False

    def release(self) -> None:
        """Nobody will ask for it any more."""
        if not self.released:
            self.released = True
            self._maybe_free()

    def done(self) -> None:
        """One reader is done."""
        self.readers -= 1
        self._maybe_free()

    def _maybe_free(self) -> None:
        if self.released and not self.readers:
            self.slot.freed.append(self.tensor.offset)


def reading(inputs: Mapping[str, object]) -> list[Place]:
    """The places of held inputs, each of which now has one reader more.

    Raises:
        ValueError: one was released, so that something else may lie there: a fault of the caller.
    """
    places = [v.place for v in inputs.values() if isinstance(v, Held) and isinstance(v.place, Place)]
    for place in places:
        if place.released:
            raise ValueError(f"tensor {place.tensor.name!r} was released, so it may lie there no more")
    for place in places:
        place.readers += 1
    return places


def there(inputs: Mapping[str, object]) -> list[wire.Tensor]:
    """Where held inputs lie, under the names that the reader has for them.

    Raises:
        Rejected: one is held by nodes of another kind.
    """
    found = []
    for name, value in inputs.items():
        if isinstance(value, Held):
            if not isinstance(value.place, Place):
                raise Rejected(f"tensor {name!r} is not held by a node of this executor")
            found.append(msgspec.structs.replace(value.place.tensor, name=name))
    return found


def held(slot: Slot, tensor: wire.Tensor) -> Held:
    """What a node says it holds, as callers know it."""
    nbytes = math.prod(tensor.shape) * _item_bytes(tensor.dtype)
    return Held(
        name=tensor.name,
        dtype=tensor.dtype,
        shape=tensor.shape,
        nbytes=nbytes,
        place=Place(slot, tensor),
    )


def _item_bytes(dtype: str) -> int:
    import numpy as np

    return np.dtype(dtype).itemsize


def nobody_waits(exchange: asyncio.Task[Ran]) -> None:
    """The caller has given up: what the node holds for it is read by nobody."""
    if not exchange.cancelled() and exchange.exception() is None:
        release(exchange.result().held.values())


def release(held: Iterable[Held]) -> None:
    """See `gramwise.core.protocols.Executor.release`."""
    for each in held:
        if isinstance(each.place, Place):
            each.place.release()
