"""Tensors that stay at the node that made them, until the next node of a split plan has read them.

Each node process has a store: an anonymous memory file that was made before the first process and that all of them
inherit. It alone writes there and decides where; every other process reads. So a tensor goes from node to node without
a copy in between and never through the engine, and a process that hangs or dies can spoil nothing but its own store.
The engine says when nobody reads a tensor any more (`gramwise.runtime.wire.Run.freed`).
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from gramwise.runtime import wire

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Rooms:
    """Which parts of a store are taken: first fit, on boundaries of 64 bytes."""

    def __init__(self) -> None:
        self._taken: list[tuple[int, int]] = []

    def take(self, size: int) -> int:
        """The first offset with room for ``size`` bytes, which is taken from now on."""
        end = 0
        for begin, after in self._taken:
            if begin - end >= size:
                break
            end = after
        # An empty tensor takes room as well, so that no two share an offset.
        insort(self._taken, (end, end + wire.aligned(max(1, size))))
        return end

    def free(self, offset: int) -> None:
        """Give room back; what is not taken is free already."""
        self._taken = [room for room in self._taken if room[0] != offset]

    @property
    def taken(self) -> int:
        """Number of tensors that are held."""
        return len(self._taken)


class Stores:
    """All stores as one process sees them: it writes in its own and reads in any.

    Args:
        memories: of every process, by number.
        own: number of this process.
    """

    def __init__(self, memories: Sequence[wire.SharedMemory], own: int) -> None:
        self._memories, self._own, self._rooms = memories, own, Rooms()

    def read(
        self, tensors: Sequence[wire.Tensor], given: wire.SharedMemory
    ) -> dict[str, npt.NDArray[np.generic]]:
        """Views of tensors in stores, and of those in ``given``."""
        return {t.name: (given if t.store is None else self._memories[t.store]).view(t) for t in tensors}

    def hold(self, outputs: Mapping[str, npt.NDArray[np.generic]]) -> list[wire.Tensor]:
        """Copy outputs into the own store.

        Raises:
            Rejected: a tensor of Python objects (text); nothing is held then.
        """
        for name, value in outputs.items():
            wire.plain(name, value)
        held = []
        for name, value in outputs.items():
            offset = self._rooms.take(value.nbytes)
            tensor = self._memories[self._own].put(name, value, offset)
            held.append(wire.Tensor(tensor.name, tensor.dtype, tensor.shape, offset, self._own))
        return held

    def free(self, offsets: Sequence[int]) -> None:
        """Give back the room of tensors that nobody reads any more."""
        for offset in offsets:
            self._rooms.free(offset)
