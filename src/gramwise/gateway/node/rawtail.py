"""The raw tensors of a gRPC request where they lie, so that a node copies none of them out of the message.

Protobuf writes fields in the order of their numbers, and that of the raw tensors is the request's highest: in every
message that a client's library makes, they are its tail. A message that is laid out in another way is read as a whole.

Source: Protocol Buffers, "Encoding"; field number: open_inference_grpc.proto.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from gramwise.gateway.oip.scan import RAW_INPUTS, without_raw

_TAG = RAW_INPUTS << 3 | 2
_LONGEST_VARINT = 10


class SplitRequest(NamedTuple):
    """What `gramwise.gateway.oip.grpc_tensors.read_arrays` reads of a request."""

    inputs: Any
    raw_input_contents: list[memoryview]


def split(message: bytes) -> tuple[bytes, list[memoryview]]:
    """A serialised ModelInferRequest without its raw tensors, and these.

    Args:
        message: serialised.

    Returns:
        The rest and the tensors' bytes in their order; the whole message and none, where they are not its tail.

    Raises:
        BadRequest: 400, bytes that are no message.
    """
    rest, raw_bytes = without_raw(message, RAW_INPUTS)
    if not raw_bytes or not message.startswith(rest):
        return message, []
    found, at, view = [], len(rest), memoryview(message)
    while at < len(message):
        size, begin = _size(message, at)
        found.append(view[begin : begin + size])
        at = begin + size
    return (rest, found) if sum(map(len, found)) == raw_bytes else (message, [])


def _size(message: bytes, at: int) -> tuple[int, int]:
    """Length and beginning of the raw tensor whose field begins here; for another field nothing, at the end."""
    value = 0
    if message[at] == _TAG:
        for count, byte in enumerate(message[at + 1 : at + 1 + _LONGEST_VARINT]):
            value |= (byte & 0x7F) << 7 * count
            if byte < 0x80:
                return value, at + count + 2
    return 0, len(message)
