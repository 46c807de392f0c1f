"""What the engine and a node process say to each other: small framed messages, tensors in shared memory beside them.

A frame is a four-byte little-endian length and a msgpack body. Tensors lie in an anonymous memory file that both sides
map, so that a tensor crosses in the time of a copy (figures: docs/measurements/01-first-light.md).
"""

from __future__ import annotations

import mmap
import os
import struct
import tempfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from gramwise.core.errors import Rejected

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

HEADER = struct.Struct("<I")
_ALIGN = 64


class Tensor(msgspec.Struct, frozen=True):
    """Where a tensor lies: in the memory between engine and node, or in the store of the process that made it."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    store: int | None = None


class Run(msgspec.Struct, tag="run", frozen=True):
    """Run a variant on the tensors.

    Outputs named in ``hold`` stay in the node's store; ``freed`` are offsets of what it holds and nobody reads.
    """

    variant: str
    tensors: list[Tensor]
    hold: list[str] = []
    freed: list[int] = []


class Usage(msgspec.Struct, tag="usage", frozen=True):
    """Ask for the node's clocks."""


class Load(msgspec.Struct, tag="load", frozen=True):
    """Load a model file under this name, in place of what had the name."""

    variant: str
    path: str


class Drop(msgspec.Struct, tag="drop", frozen=True):
    """Forget a variant; one that is not there is forgotten already."""

    variant: str


class Ready(msgspec.Struct, tag="ready", frozen=True):
    """What the node holds, at its start and after each load or drop.

    ``inputs`` holds shape and type by input name, by variant; ``rss_bytes`` is its peak resident memory so far.
    """

    inputs: dict[str, dict[str, tuple[tuple[int | None, ...], str]]]
    rss_bytes: int


class Done(msgspec.Struct, tag="done", frozen=True):
    """Answer to a run; ``data`` are the outputs' bytes, one after the other; ``held`` lie in the node's store."""

    tensors: list[Tensor]
    data: bytes
    start_s: float
    end_s: float
    cpu_s: float
    held: list[Tensor] = []


class Clocks(msgspec.Struct, tag="clocks", frozen=True):
    """Answer to usage: CPU seconds since the start; see `gramwise.core.protocols.NodeUsage`."""

    attributed_s: float
    overhead_s: float
    process_s: float


class Fault(msgspec.Struct, tag="fault", frozen=True):
    """The node could not do it: kind is ``model`` or ``rejected``."""

    kind: str
    message: str


Question = Run | Usage | Load | Drop
Answer = Ready | Done | Clocks | Fault

_encoder = msgspec.msgpack.Encoder()
read_question = msgspec.msgpack.Decoder(Question).decode
read_answer = msgspec.msgpack.Decoder(Answer).decode


def frame(message: Question | Answer) -> bytes:
    """A message with its length in front."""
    body = _encoder.encode(message)
    return HEADER.pack(len(body)) + body


class SharedMemory:
    """An anonymous memory file, mapped here and by every process that inherits its descriptor; gone with the last."""

    def __init__(self, descriptor: int | None = None, size: int = 0) -> None:
        self.descriptor = _anonymous_file() if descriptor is None else descriptor
        self._map: mmap.mmap | None = None
        if size:
            self.grow(size)

    @property
    def size(self) -> int:
        """Bytes mapped."""
        return len(self._map) if self._map is not None else 0

    def grow(self, size: int) -> None:
        """Make the file at least ``size`` bytes and map it."""
        if os.fstat(self.descriptor).st_size < size:
            os.ftruncate(self.descriptor, size)
        self.remap(size)

    def remap(self, size: int) -> None:
        """Map the file anew where the other side has grown it."""
        if self.size != size:
            self._map = mmap.mmap(self.descriptor, size)

    def view(self, tensor: Tensor) -> npt.NDArray[Any]:
        """A tensor that another process put here, mapping anew what that process has added since."""
        size = os.fstat(self.descriptor).st_size
        if self.size < size:
            self.remap(size)
        return self._view(tensor)

    def put(self, name: str, value: npt.NDArray[np.generic], offset: int) -> Tensor:
        """Copy one tensor to a place; grows as needed.

        Raises:
            Rejected: a tensor of Python objects (text).
        """
        import numpy as np

        plain(name, value)
        tensor = Tensor(name, value.dtype.str, value.shape, offset)
        if offset + value.nbytes > self.size:
            self.grow(max(offset + value.nbytes, 2 * self.size, mmap.PAGESIZE))
        np.copyto(self._view(tensor), value)
        return tensor

    def write(self, tensors: Mapping[str, npt.NDArray[np.generic]]) -> list[Tensor]:
        """Copy tensors in from the start; grows as needed.

        Raises:
            Rejected: a tensor of Python objects (text), whose pointers mean nothing in another process.
        """
        import numpy as np

        placed, offset = [], 0
        for name, value in tensors.items():
            plain(name, value)
            placed.append(Tensor(name, value.dtype.str, value.shape, offset))
            offset += aligned(value.nbytes)
        if offset > self.size:
            self.grow(max(offset, 2 * self.size, mmap.PAGESIZE))
        for tensor, value in zip(placed, tensors.values(), strict=True):
            np.copyto(self._view(tensor), value)
        return placed

    def read(self, tensors: list[Tensor]) -> dict[str, npt.NDArray[np.generic]]:
        """Views into the memory, valid until the next write."""
        return {t.name: self._view(t) for t in tensors}

    def _view(self, tensor: Tensor) -> npt.NDArray[Any]:
        import numpy as np

        if self._map is None:
            return np.empty(tensor.shape, tensor.dtype)
        return np.ndarray(tensor.shape, tensor.dtype, buffer=self._map, offset=tensor.offset)

    def close(self) -> None:
        """Give the descriptor back, once; views that still exist keep the mapping alive."""
        self._map = None
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self.descriptor = -1


def aligned(size: int) -> int:
    """Bytes that a tensor of ``size`` bytes takes, with what keeps the next one on a boundary of 64."""
    return -(-size // _ALIGN) * _ALIGN


def _anonymous_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("gramwise")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def pack(outputs: Mapping[str, npt.NDArray[np.generic]]) -> tuple[list[Tensor], bytes]:
    """Outputs as descriptions and one run of bytes.

    Raises:
        Rejected: a tensor of Python objects (text).
    """
    tensors, parts, offset = [], [], 0
    for name, value in outputs.items():
        plain(name, value)
        data = value.tobytes()
        tensors.append(Tensor(name, value.dtype.str, value.shape, offset))
        parts.append(data)
        offset += len(data)
    return tensors, b"".join(parts)


def plain(name: str, value: npt.NDArray[np.generic]) -> None:
    """Refuse a tensor whose values are pointers.

    Raises:
        Rejected: it holds Python objects (text).
    """
    if value.dtype.hasobject:
        raise Rejected(
            f"tensor {name!r} holds Python objects (text), which cannot cross to a node in another process; "
            'use the executor "in-process".'
        )


def unpack(tensors: list[Tensor], data: bytes) -> dict[str, npt.NDArray[np.generic]]:
    """Inverse of `pack`; the arrays are read-only views of ``data``."""
    import numpy as np

    return {t.name: np.ndarray(t.shape, t.dtype, buffer=data, offset=t.offset) for t in tensors}
