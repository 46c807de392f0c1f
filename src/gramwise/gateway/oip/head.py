"""The JSON head of an inference request or answer, read with every check that bad input needs.

Only names, shapes, datatypes and parameters are looked at. Tensors stay the bytes that they are: behind the head in the
binary form, or as raw JSON inside it, so that a gateway reads a head and never a tensor.

Source: Open Inference Protocol REST; `binary_data_size`, `binary_data`, `binary_data_output` and the header
`Inference-Header-Content-Length` are Triton's binary tensor data extension.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TypeAlias, TypeVar, cast

import msgspec

from .datatypes import LONGEST_BYTES, datatype, tensor_bytes
from .errors import BadRequest

Scalar: TypeAlias = str | int | float | bool
"""What a parameter may be."""

JSON_SIZE_HEADER = b"inference-header-content-length"
"""Header that tells how many of the body's first bytes are the JSON head."""

LONGEST_HEAD = 1 << 20
"""Bytes of a JSON head that binary tensors follow."""

LONGEST_ID = 1024
MOST_TENSORS = 1024
MOST_PARAMETERS = 256


class TensorHead(msgspec.Struct):
    """An input of a request or an output of an answer, without its elements.

    Attributes:
        name, datatype, shape: as the protocol has them.
        parameters: of this tensor; ``binary_data_size`` tells how many bytes of it follow the head.
        data: the elements as raw JSON; empty when they are binary.
    """

    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Scalar] | None = None
    data: msgspec.Raw = msgspec.Raw(b"")

    @property
    def binary_bytes(self) -> int | None:
        """Bytes of this tensor behind the head; None when its elements are JSON."""
        size = self.parameters.get("binary_data_size") if self.parameters else None
        return size if type(size) is int else None


class _Left(threading.local):
    """Tensors that a large body may still name while it is decoded."""

    tensors = 0

    def take(self) -> None:
        """One is read."""
        self.tensors -= 1
        if self.tensors < 0:
            raise ValueError(f"more than {MOST_TENSORS} inputs or outputs")


_left = _Left()


class LargeHead(TensorHead):
    """An input of a large body: decoding ends where there are too many, not after the last of millions."""

    def __post_init__(self) -> None:
        _left.take()


class FlatHead(LargeHead):
    """A tensor whose elements were read along with the head, as numbers with a fraction."""

    data: list[float] = []  # type: ignore[assignment]


class OutputHead(msgspec.Struct):
    """An output that a request asks for."""

    name: str
    parameters: dict[str, Scalar] | None = None


class LargeOutputHead(OutputHead):
    """As `LargeHead`."""

    def __post_init__(self) -> None:
        _left.take()


class RequestHead(msgspec.Struct):
    """Head of a request that has passed every check.

    Attributes:
        inputs: at least one.
        id: the client's own; None when it gave none.
        parameters: of the request; None for none.
        outputs: what it asks for; None for all.
    """

    inputs: list[TensorHead]
    id: str | None = None
    parameters: dict[str, Scalar] | None = None
    outputs: list[OutputHead] | None = None

    @property
    def binary_bytes(self) -> int:
        """Bytes that must follow the head."""
        return sum(tensor.binary_bytes or 0 for tensor in self.inputs)

    def wants_binary(self, output: str) -> bool:
        """Whether this output is asked for in the binary form: the output's own word, else the request's, else no."""
        for asked in self.outputs or ():
            if asked.name == output and asked.parameters and "binary_data" in asked.parameters:
                return asked.parameters["binary_data"] is True
        return bool(self.parameters) and (self.parameters or {}).get("binary_data_output") is True

    def check_body(self, json_bytes: int, body_bytes: int) -> None:
        """Compare what the head says with what came.

        Args:
            json_bytes: size of the head.
            body_bytes: size of the whole body.

        Raises:
            BadRequest: 400, more or fewer bytes follow the head than its inputs say.
        """
        if json_bytes + self.binary_bytes != body_bytes:
            raise BadRequest(
                400,
                f"the inputs' binary_data_size add up to {self.binary_bytes} bytes, "
                f"and {body_bytes - json_bytes} bytes follow the JSON",
            )


class LargeRequestHead(RequestHead):
    """Head of a request whose JSON is large."""

    inputs: list[LargeHead]  # type: ignore[assignment]
    outputs: list[LargeOutputHead] | None = None  # type: ignore[assignment]


class FlatRequestHead(LargeRequestHead):
    """Head of a request that was read with its elements."""

    inputs: list[FlatHead]  # type: ignore[assignment]


class ReplyHead(msgspec.Struct):
    """Head of an answer."""

    outputs: list[TensorHead]
    model_name: str = ""
    model_version: str | None = None
    id: str | None = None
    parameters: dict[str, Scalar] | None = None


_Head = TypeVar("_Head", RequestHead, ReplyHead)
_REQUEST = msgspec.json.Decoder(RequestHead)
_LARGE = cast("msgspec.json.Decoder[RequestHead]", msgspec.json.Decoder(LargeRequestHead))
_FLAT = msgspec.json.Decoder(FlatRequestHead)
_REPLY = msgspec.json.Decoder(ReplyHead)

_LARGE_BYTES = 65_536
_ENDS_BYTES = 512
"""Where a large JSON body names its datatype, if it has one tensor: before its elements or after them."""


def read_json_size(value: bytes | None) -> int | None:
    """The header ``Inference-Header-Content-Length`` as a number; None when there is none.

    Raises:
        BadRequest: 400, not a plain decimal number, or longer than any head that is served.
    """
    if value is None:
        return None
    if not value.isdigit() or len(value) > 18:
        raise BadRequest(400, "Inference-Header-Content-Length is not a number of bytes")
    if int(value) > LONGEST_HEAD:
        raise BadRequest(413, f"a JSON head of {int(value)} bytes; at most {LONGEST_HEAD} are served")
    return int(value)


def read_request_head(
    data: bytes | bytearray | memoryview,
    json_size: int | None = None,
    body_bytes: int | None = None,
    *,
    elements: bool = False,
) -> RequestHead:
    """Read and check the head of a request.

    Args:
        data: the body, or its beginning with at least ``json_size`` bytes.
        json_size: bytes of the head, from `read_json_size`; None when the whole of ``data`` is JSON.
        body_bytes: size of the whole body; None when it is not known yet (a chunked body): then call
            `RequestHead.check_body` once it is.
        elements: whether its elements will be asked for: then a large body of floats is gone through once, not twice.

    Raises:
        BadRequest: 400 with a sentence for the client.
    """
    head = _flat(data) if elements and json_size is None else None
    if head is None:
        decoder = _REQUEST
        if (len(data) if json_size is None else json_size) > _LARGE_BYTES:
            decoder, _left.tensors = _LARGE, MOST_TENSORS
        head = _decode(decoder, data, json_size, "request", 400)
    if head.id is not None and len(head.id) > LONGEST_ID:
        raise BadRequest(400, f"an id of {len(head.id)} characters; at most {LONGEST_ID} are served")
    check_parameters(head.parameters, "request")
    check_names(head.inputs, "input")
    for tensor in head.inputs:
        _check_tensor(tensor, binary=json_size is not None, status=400)
    if head.outputs:
        check_names(head.outputs, "output")
        for asked in head.outputs:
            check_parameters(asked.parameters, f"output {asked.name[:40]!r}")
    if json_size is not None and body_bytes is not None:
        head.check_body(json_size, body_bytes)
    return head


def read_reply_head(data: bytes | bytearray | memoryview, json_size: int | None = None) -> ReplyHead:
    """Read and check the head of a node's answer.

    Args:
        data: the body, or its beginning with at least ``json_size`` bytes.
        json_size: bytes of the head; None when the whole of ``data`` is JSON.

    Raises:
        BadRequest: 502, the node answered something else.
    """
    head = _decode(_REPLY, data, json_size, "node's answer", 502)
    for tensor in head.outputs:
        _check_tensor(tensor, binary=json_size is not None, status=502)
    return head


def check_parameters(parameters: Mapping[str, Scalar] | None, what: str) -> None:
    """Bound what a client may hang onto a request.

    Args:
        parameters: as read; strings, numbers and booleans by name.
        what: whose they are, for the sentence.

    Raises:
        BadRequest: 400, too many, or a whole number beyond 64 bits.
    """
    if not parameters:
        return
    if len(parameters) > MOST_PARAMETERS:
        raise BadRequest(400, f"{what}: {len(parameters)} parameters; at most {MOST_PARAMETERS} are served")
    for name, value in parameters.items():
        if type(value) is int and not -(2**63) <= value <= 2**64 - 1:
            raise BadRequest(400, f"{what}: parameter {name[:40]!r} is a number beyond 64 bits")


def check_names(tensors: Sequence[TensorHead | OutputHead], what: str) -> None:
    """Every tensor has a name, once.

    Raises:
        BadRequest: 400, none, twice the same, or too many tensors.
    """
    if len(tensors) == 1 and tensors[0].name:
        return
    if what == "input" and not tensors:
        raise BadRequest(400, "the request has no inputs")
    if len(tensors) > MOST_TENSORS:
        raise BadRequest(400, f"{len(tensors)} {what}s; at most {MOST_TENSORS} are served")
    names = {tensor.name for tensor in tensors}
    if "" in names:
        raise BadRequest(400, f"an {what} has no name")
    if len(names) < len(tensors):
        raise BadRequest(400, f"two {what}s have the same name")


def _decode(
    decoder: msgspec.json.Decoder[_Head],
    data: bytes | bytearray | memoryview,
    json_size: int | None,
    what: str,
    status: int,
) -> _Head:
    if json_size is not None:
        if not 0 < json_size <= len(data):
            raise BadRequest(
                status,
                f"Inference-Header-Content-Length is {json_size}, and the body has {len(data)} bytes",
            )
        data = memoryview(data)[:json_size]
    try:
        _check_text(data)
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise BadRequest(status, f"the {what} is not the protocol's JSON: {error}") from None
    except RecursionError:
        raise BadRequest(status, f"the {what}'s JSON is nested too deeply") from None


def _flat(data: bytes | bytearray | memoryview) -> RequestHead | None:
    """A request whose tensors are flat lists of floats; None where it is small or another, and must be read as any."""
    if len(data) < _LARGE_BYTES:
        return None
    if b'"FP' not in bytes(data[:_ENDS_BYTES]) and b'"FP' not in bytes(data[-_ENDS_BYTES:]):
        return None
    try:
        _check_text(data)
        _left.tensors = MOST_TENSORS
        head = _FLAT.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    floats = all(each.datatype in ("FP16", "FP32", "FP64") and each.data for each in head.inputs)
    return head if floats else None


def _check_text(data: bytes | bytearray | memoryview) -> None:
    """All of it is UTF-8: what the decoder steps over it does not look into, and who reads it next would.

    Raises:
        UnicodeDecodeError: it is not.
    """
    if not (isinstance(data, bytes) and data.isascii()):
        str(data, "utf-8")


def _has_data(tensor: TensorHead) -> bool:
    return bool(tensor.data) if isinstance(tensor, FlatHead) else bool(len(memoryview(tensor.data)))


def _check_tensor(tensor: TensorHead, *, binary: bool, status: int) -> None:
    try:
        expected = tensor_bytes(datatype(tensor.datatype), tensor.shape)
        parameters = tensor.parameters
        size: Scalar | None = None
        if parameters:
            check_parameters(parameters, "tensor")
            size = parameters.get("binary_data_size")
        if size is None:
            _check_json(tensor)
        else:
            _check_size(size, expected, binary=binary, inline=_has_data(tensor))
    except BadRequest as error:
        raise BadRequest(status, f"tensor {tensor.name[:40]!r}: {error.sentence}") from None


def _check_json(tensor: TensorHead) -> None:
    if _has_data(tensor):
        return
    if tensor.parameters and "shared_memory_region" in tensor.parameters:
        raise BadRequest(400, "shared memory belongs to one machine; send the elements as binary data")
    raise BadRequest(400, "neither data nor binary_data_size")


def _check_size(size: Scalar, expected: int | None, *, binary: bool, inline: bool) -> None:
    if type(size) is not int or not 0 <= size <= LONGEST_BYTES:
        raise BadRequest(400, "binary_data_size is not a number of bytes")
    if inline:
        raise BadRequest(400, "both data and binary_data_size")
    if not binary:
        raise BadRequest(400, "binary_data_size without the header Inference-Header-Content-Length")
    if expected is not None and size != expected:
        raise BadRequest(400, f"binary_data_size is {size}, and shape and datatype make {expected} bytes")
