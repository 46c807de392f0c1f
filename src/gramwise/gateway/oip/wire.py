"""The few protobuf fields that an answer has, written by hand.

An answer is some names, a few numbers and raw tensors, and it is written while a client waits: the names are the same
every time, so that little is left to do once the first was written.

Source: Protocol Buffers, "Encoding" (keys, varints, length-delimited fields, maps, packed fields); numbers of the
fields: open_inference_grpc.proto, as `messages` has them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from functools import lru_cache

from .head import Scalar

_DOUBLE = struct.Struct("<d")
_LONG = 64
_PARAMETERS_KEY = b"\x22"
_BOOL, _INT64, _STRING, _DOUBLE_KEY, _UINT64 = b"\x08", b"\x10", b"\x1a", b"\x21", b"\x28"
"""Keys of the choices of InferParameter."""


def varint(value: int) -> bytes:
    """A number as a varint; negative ones by their two's complement of 64 bits.

    Raises:
        ValueError: beyond 64 bits.
    """
    if 0 <= value < 0x80:
        return _SMALL[value]
    if not -(1 << _LONG - 1) <= value < 1 << _LONG:
        raise ValueError(f"{value} is beyond 64 bits")
    value &= (1 << _LONG) - 1
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


_SMALL = [bytes((value,)) for value in range(0x80)]


def delimited(number: int, data: bytes) -> bytes:
    """A field of text, bytes or a message.

    Args:
        number: of the field, below 16.
        data: its content.
    """
    return b"%b%b%b" % (_SMALL[number << 3 | 2], varint(len(data)), data)


def text(number: int, value: str) -> bytes:
    """A field of text; nothing for an empty one, which is what its absence means."""
    return delimited(number, value.encode()) if value else b""


def tensor(number: int, name: str, datatype: str, shape: Iterable[int]) -> bytes:
    """A tensor's name, datatype and shape as a field (InferInputTensor and InferOutputTensor)."""
    sizes = b"".join(map(varint, shape))
    return delimited(number, text(1, name) + text(2, datatype) + (delimited(3, sizes) if sizes else b""))


def parameters(values: Mapping[str, Scalar]) -> bytes:
    """Parameters as fields of a request or an answer (number 4 in both).

    Args:
        values: numbers with a fraction go as ``double_param``, whole ones as ``int64_param`` (beyond its range as
            ``uint64_param``), text as ``string_param``, truth as ``bool_param``.

    Raises:
        ValueError: a whole number beyond 64 bits, or text that is not Unicode.
    """
    entries = list[bytes]()
    for name, value in values.items():
        if type(value) is float:  # most are; NumPy's own floats go the other way to the same end
            entries += _double_head(name), _DOUBLE.pack(value)
            continue
        entry = delimited(1, name.encode()) + delimited(2, _parameter(value))
        entries += _PARAMETERS_KEY, varint(len(entry)), entry
    return b"".join(entries)


@lru_cache(maxsize=256)
def _double_head(name: str) -> bytes:
    """Everything of a parameter that is a number with a fraction, but the number."""
    key = delimited(1, name.encode())
    size = 1 + _DOUBLE.size
    return b"%b%b%b\x12%b%b" % (_PARAMETERS_KEY, varint(len(key) + 2 + size), key, _SMALL[size], _DOUBLE_KEY)


def _parameter(value: Scalar) -> bytes:
    if isinstance(value, float):
        return _DOUBLE_KEY + _DOUBLE.pack(value)
    if isinstance(value, str):
        data = value.encode()
        return b"%b%b%b" % (_STRING, varint(len(data)), data)
    if isinstance(value, bool):
        return _BOOL + _SMALL[value]
    return (_INT64 if value < 1 << _LONG - 1 else _UINT64) + varint(value)
