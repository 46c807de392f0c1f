"""What a gRPC request asks, and what an answer is told, without decoding a tensor.

A message is a row of fields, each a key (number and wire type) and a value. The raw tensors are stepped over by hand;
the few fields that are left are small and decoded by protobuf, from definitions without tensors. To change a message,
fields are appended: a later value of a single field replaces the earlier, and a later entry of a map replaces the entry
of the same key, so that no byte before has to move.

Source: Protocol Buffers, "Encoding" (wire types, "Last One Wins", maps).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from . import wire
from .datatypes import MOST_DIMENSIONS
from .errors import BadRequest
from .head import LONGEST_ID, MOST_PARAMETERS, MOST_TENSORS, Scalar
from .messages import decode
from .paths import checked_name

RAW_INPUTS = 7
RAW_OUTPUTS = 6
"""Fields of the raw tensors in ModelInferRequest and in ModelInferResponse."""

_TRUNCATED = "not a protobuf message: it ends inside a field"


MOST_FIELDS = 4 * MOST_TENSORS
"""Of a message, its inputs, outputs, parameters and raw tensors counted one by one: each is stepped over here, and a
message of two-byte fields would keep everybody else waiting for a minute."""


class Scanned(NamedTuple):
    """What a gateway reads of a ModelInferRequest.

    Attributes:
        model, version: as named by the client; the version may be empty.
        id: empty for none.
        parameters: of the request.
        inputs: name, datatype and shape of each input.
        raw_bytes: of the tensors in ``raw_input_contents``.
    """

    model: str
    version: str
    id: str
    parameters: dict[str, Scalar]
    inputs: list[tuple[str, str, tuple[int, ...]]]
    raw_bytes: int


def scan_request(request: bytes) -> Scanned:
    """Read what a serialised ModelInferRequest asks.

    Args:
        request: as it came.

    Raises:
        BadRequest: 400, not such a message, or names and counts that cannot be.
    """
    rest, raw_bytes = without_raw(request, RAW_INPUTS)
    head = decode("RequestHead", rest)
    if len(head.id) > LONGEST_ID:
        raise BadRequest(400, f"an id of {len(head.id)} characters; at most {LONGEST_ID} are served")
    if len(head.parameters) > MOST_PARAMETERS:
        raise BadRequest(400, f"more than {MOST_PARAMETERS} parameters")
    if not 0 < len(head.inputs) <= MOST_TENSORS:
        raise BadRequest(400, f"{len(head.inputs)} inputs; 1 to {MOST_TENSORS} are served")
    return Scanned(
        checked_name(head.model_name, "model"),
        checked_name(head.model_version, "version") if head.model_version else "",
        head.id,
        read_parameters(head.parameters),
        [(each.name, each.datatype, _shape(each.shape)) for each in head.inputs],
        raw_bytes,
    )


def scan_reply(reply: bytes) -> dict[str, Scalar]:
    """The parameters of a serialised ModelInferResponse.

    Raises:
        BadRequest: 502, the node answered something else.
    """
    try:
        rest, _ = without_raw(reply, RAW_OUTPUTS)
        return read_parameters(decode("Parameters", rest).parameters)
    except BadRequest as fault:
        raise BadRequest(502, f"the node's answer is {fault.sentence}") from None


def read_parameters(parameters: Mapping[str, Any]) -> dict[str, Scalar]:
    """The values of a map of InferParameter; those without a value are left out."""
    return {
        name: getattr(value, chosen)
        for name, value in parameters.items()
        if (chosen := value.WhichOneof("parameter_choice")) is not None
    }


def parameters_bytes(values: Mapping[str, Scalar]) -> bytes:
    """Parameters as fields to append to a serialised request or answer (field 4 in both).

    Args:
        values: numbers with a fraction go as ``double_param``, whole ones as ``int64_param`` (beyond its range as
            ``uint64_param``), text as ``string_param``, truth as ``bool_param``.

    Raises:
        ValueError: a whole number beyond 64 bits.
    """
    return wire.parameters(values)


def model_bytes(model: str, version: str = "") -> bytes:
    """A model's name and version as fields to append to a serialised request, in the place of those in it."""
    return wire.delimited(1, model.encode()) + wire.delimited(2, version.encode())


def without_raw(whole: bytes, field: int) -> tuple[bytes, int]:
    """A message without its raw tensors, and how many bytes those have.

    Args:
        whole: serialised.
        field: number of the raw tensors' field.

    Raises:
        BadRequest: 400, bytes that are no message, or one of more fields than any request has.
    """
    kept = []
    at = start = raw_bytes = 0
    end = len(whole)
    left = MOST_FIELDS
    while at < end:
        left -= 1
        if left < 0:
            raise BadRequest(400, f"a message of more than {MOST_FIELDS} fields")
        begin = at
        key, at = _varint(whole, at)
        wire = key & 7
        if wire == 2:
            size, at = _varint(whole, at)
            if key >> 3 == field:
                kept.append(whole[start:begin])
                start = at + size
                raw_bytes += size
        elif wire == 0:
            size, (_, at) = 0, _varint(whole, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise BadRequest(400, f"not a protobuf message of this protocol: wire type {wire}")
        at += size
        if at > end:
            raise BadRequest(400, _TRUNCATED)
    kept.append(whole[start:])
    return b"".join(kept) if len(kept) > 1 else kept[0], raw_bytes


def _varint(whole: bytes, at: int) -> tuple[int, int]:
    try:
        value = whole[at]
        if value < 0x80:
            return value, at + 1
        value &= 0x7F
        for count in range(1, 10):
            byte = whole[at + count]
            value |= (byte & 0x7F) << 7 * count
            if byte < 0x80:
                return value, at + count + 1
    except IndexError:
        raise BadRequest(400, _TRUNCATED) from None
    raise BadRequest(400, "not a protobuf message: a number of more than ten bytes")


def _shape(sizes: Any) -> tuple[int, ...]:
    if len(sizes) > MOST_DIMENSIONS:
        raise BadRequest(400, f"a shape of more than {MOST_DIMENSIONS} dimensions")
    return tuple(sizes)
