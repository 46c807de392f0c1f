"""The protocol's datatypes: their element sizes and their NumPy types.

Source: Open Inference Protocol, "Tensor Data Types"; BF16 and the little-endian layout of binary tensors: Triton's
binary tensor data extension.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import BadRequest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

LONGEST_BYTES = 2**63 - 1
"""No tensor holds more than a signed 64-bit size can say."""

_WIDEST_BYTES = 8
"""Size of the largest element that an array here has; one of BYTES is a pointer."""

MOST_DIMENSIONS = 32
"""What every release of NumPy can hold; no published model comes near it."""


@dataclass(frozen=True, slots=True)
class Datatype:
    """One datatype.

    Attributes:
        name: as the protocol spells it.
        item_bytes: size of an element; None for BYTES, whose elements have sizes of their own.
        numpy: NumPy type, little-endian; None for BF16, which NumPy does not have.
    """

    name: str
    item_bytes: int | None
    numpy: str | None


DATATYPES = {
    each.name: each
    for each in (
        Datatype("BOOL", 1, "|b1"),
        Datatype("UINT8", 1, "|u1"),
        Datatype("UINT16", 2, "<u2"),
        Datatype("UINT32", 4, "<u4"),
        Datatype("UINT64", 8, "<u8"),
        Datatype("INT8", 1, "|i1"),
        Datatype("INT16", 2, "<i2"),
        Datatype("INT32", 4, "<i4"),
        Datatype("INT64", 8, "<i8"),
        Datatype("FP16", 2, "<f2"),
        Datatype("FP32", 4, "<f4"),
        Datatype("FP64", 8, "<f8"),
        Datatype("BF16", 2, None),
        Datatype("BYTES", None, "|O"),
    )
}
"""Every datatype by its name."""

_BY_NUMPY = {each.numpy: each.name for each in DATATYPES.values() if each.numpy}


def datatype(name: str) -> Datatype:
    """The datatype of this name.

    Raises:
        BadRequest: 400, no such datatype.
    """
    known = DATATYPES.get(name)
    if known is None:
        raise BadRequest(400, f"unknown datatype {name[:40]!r}; use one of {', '.join(DATATYPES)}")
    return known


def elements(shape: Sequence[int]) -> int:
    """How many elements a shape has.

    Raises:
        BadRequest: 400, a negative dimension, too many dimensions, or more elements than 64 bits count.
    """
    if len(shape) > MOST_DIMENSIONS:
        raise BadRequest(400, f"a shape of {len(shape)} dimensions; at most {MOST_DIMENSIONS} are served")
    total = 1
    for size in shape:
        if size < 0:
            raise BadRequest(400, f"a dimension of {size}; sizes in a request are 0 or more")
        total *= size or 1
        if total > LONGEST_BYTES:
            raise BadRequest(400, "a shape with more elements than 64 bits can count")
    if 0 not in shape:
        return total
    if (
        total * _WIDEST_BYTES > LONGEST_BYTES
    ):  # NumPy makes no array, not even an empty one, of such dimensions
        raise BadRequest(400, "an empty tensor whose other dimensions are larger than 64 bits can say")
    return 0


def tensor_bytes(kind: Datatype, shape: Sequence[int]) -> int | None:
    """Size of a tensor in the binary form; None for BYTES, whose size the shape does not tell.

    Raises:
        BadRequest: 400, the shape cannot be (see `elements`) or the tensor is larger than 64 bits can say.
    """
    count = elements(shape)
    if kind.item_bytes is None:
        return None
    if count * kind.item_bytes > LONGEST_BYTES:
        raise BadRequest(400, "a tensor larger than 64 bits can say")
    return count * kind.item_bytes


def name_of(dtype: npt.DTypeLike) -> str:
    """The datatype that a NumPy type is sent as; text and objects are BYTES.

    Args:
        dtype: any NumPy type, of either byte order.

    Raises:
        ValueError: the protocol has no such type, for instance complex numbers.
    """
    import numpy as np

    kind: np.dtype[np.generic] = np.dtype(dtype)
    if kind.kind in "SUO":
        return "BYTES"
    name = _BY_NUMPY.get(kind.newbyteorder("<").str)
    if name is None:
        raise ValueError(f"the Open Inference Protocol has no datatype for {kind}")
    return name
