"""Tensors out of a request's body and into an answer's, over HTTP. For nodes: a gateway never calls this.

Source: Open Inference Protocol REST, "Tensor Data"; the binary layout (little-endian, row by row, each element of BYTES
behind its length in four bytes): Triton's binary tensor data extension.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from .datatypes import Datatype, datatype, elements, name_of
from .errors import BadRequest
from .head import FlatHead, ReplyHead, RequestHead, Scalar, TensorHead

Array = npt.NDArray[Any]

_LENGTH = struct.Struct("<I")
_FLAT_FLOATS = msgspec.json.Decoder(list[float])
_ANY = msgspec.json.Decoder()
_OF_KIND: dict[str, tuple[type, ...]] = {
    "b": (bool,),
    "i": (int,),
    "u": (int,),
    "f": (int, float),
    "O": (str,),
}


def read_tensors(
    head: RequestHead | ReplyHead, binary: bytes | bytearray | memoryview = b""
) -> dict[str, Array]:
    """The tensors of a request or an answer, by name.

    Args:
        head: checked by `read_request_head` or `read_reply_head`.
        binary: what follows the head, whole.

    Returns:
        Arrays that share the memory of ``binary`` where they can; those cannot be written to.

    Raises:
        BadRequest: 400, elements that do not fit the shape or the datatype.
    """
    tensors = head.inputs if isinstance(head, RequestHead) else head.outputs
    rest = memoryview(binary)
    found = {}
    for tensor in tensors:
        size = tensor.binary_bytes
        try:
            if size is None:
                found[tensor.name] = _from_json(tensor)
            elif size > len(rest):
                raise BadRequest(400, f"{size} bytes are announced and {len(rest)} came")
            else:
                found[tensor.name] = from_raw(rest[:size], tensor.datatype, tensor.shape)
                rest = rest[size:]
        except BadRequest as fault:
            raise BadRequest(400, f"tensor {tensor.name[:40]!r}: {fault.sentence}") from None
    if len(rest):
        raise BadRequest(400, f"{len(rest)} bytes follow the last tensor")
    return found


def from_raw(data: bytes | memoryview, kind_name: str, shape: Sequence[int]) -> Array:
    """An array from its binary form.

    Args:
        data: exactly the tensor's bytes.
        kind_name: datatype.
        shape: of the tensor.

    Raises:
        BadRequest: 400, the bytes do not fit.
    """
    dtype, nbytes = _layout(kind_name, tuple(shape))
    if nbytes is None:
        return _shaped(np.array(_split(memoryview(data)), dtype=object), shape)
    if len(data) != nbytes:
        raise BadRequest(400, f"{len(data)} bytes, and its shape makes {nbytes}")
    return np.frombuffer(data, dtype=dtype).reshape(shape)


@lru_cache(maxsize=256)
def _layout(kind_name: str, shape: tuple[int, ...]) -> tuple[str | None, int | None]:
    """NumPy type and bytes of a tensor; no bytes where its shape does not tell them."""
    kind = _servable(kind_name)
    return kind.numpy, None if kind.item_bytes is None else elements(shape) * kind.item_bytes


def to_raw(array: Array) -> bytes | memoryview:
    """The binary form of an array: its own memory where its layout allows, else a copy."""
    if array.dtype.kind in "OSU":
        parts = [_element(each) for each in array.reshape(-1)]
        return b"".join(chain.from_iterable((_LENGTH.pack(len(part)), part) for part in parts))
    straight = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return straight.reshape(-1).view(np.uint8).data


def write_reply(
    outputs: Mapping[str, Array],
    *,
    model: str,
    version: str = "",
    request: RequestHead | None = None,
    binary: bool | None = None,
    parameters: Mapping[str, Scalar] | None = None,
) -> tuple[bytes, list[bytes | memoryview]]:
    """An answer's JSON head and the binary tensors behind it.

    Args:
        outputs: arrays by name.
        model, version: as the head names them; an empty version is left out.
        request: whose answer it is: its id, and which outputs it wants, in which form; None for all.
        binary: the form of every output, whatever the request says; None does as it says (JSON unless it asks).
        parameters: of the answer.

    Returns:
        The head; and what follows it, to be sent in this order. An empty list means that all is JSON: then the head is
        the whole body and no ``Inference-Header-Content-Length`` is sent.

    Raises:
        BadRequest: 400, an output is asked for that the model does not make; or text that is not UTF-8 as JSON.
    """
    asked = request.outputs if request is not None else None
    wanted = [each.name for each in asked] if asked else list(outputs)
    heads, tail = [], []
    for name in wanted:
        if name not in outputs:
            raise BadRequest(400, f"the model makes no output {name[:40]!r}; it makes {', '.join(outputs)}")
        array = outputs[name]
        as_binary = binary if binary is not None else request is not None and request.wants_binary(name)
        raw = to_raw(array) if as_binary else None
        heads.append(_output_head(name, array, raw))
        if raw is not None:
            tail.append(raw)
    head: dict[str, Any] = {"model_name": model}
    if version:
        head["model_version"] = version
    if request is not None and request.id is not None:
        head["id"] = request.id
    if parameters:
        head["parameters"] = parameters
    head["outputs"] = heads
    return msgspec.json.encode(head), tail


def write_request(
    inputs: Mapping[str, Array],
    *,
    id: str | None = None,
    outputs: Iterable[str] = (),
    parameters: Mapping[str, Scalar] | None = None,
) -> tuple[bytes, list[bytes | memoryview]]:
    """A request in the binary form, answer in the binary form wanted: its JSON head and what follows.

    Args:
        inputs: arrays by name.
        id: of the request.
        outputs: names; none asks for all.
        parameters: of the request.
    """
    heads, tail = [], []
    for name, array in inputs.items():
        raw = to_raw(array)
        heads.append(_output_head(name, array, raw))
        tail.append(raw)
    head: dict[str, Any] = {"inputs": heads, "parameters": {**(parameters or {}), "binary_data_output": True}}
    if id is not None:
        head["id"] = id
    names = list(outputs)
    if names:
        head["outputs"] = [{"name": name, "parameters": {"binary_data": True}} for name in names]
    return msgspec.json.encode(head), tail


def _output_head(name: str, array: Array, raw: bytes | memoryview | None) -> dict[str, Any]:
    head: dict[str, Any] = {"name": name, "datatype": name_of(array.dtype), "shape": list(array.shape)}
    if raw is not None:
        head["parameters"] = {"binary_data_size": len(raw)}
    elif array.dtype.kind in "OSU":
        head["data"] = [_text(each) for each in array.reshape(-1)]
    else:
        # JSON has no NaN and no infinity: they become null, which no reader can take for a number.
        head["data"] = array.reshape(-1).tolist()
    return head


def _servable(name: str) -> Datatype:
    kind = datatype(name)
    if kind.numpy is None:
        raise BadRequest(400, f"{name} is not served here; send FP16 or FP32")
    return kind


def _from_json(tensor: TensorHead) -> Array:
    kind = _servable(tensor.datatype)
    shape = tensor.shape
    flat = _flat(tensor, kind, shape)
    if len(flat) != elements(shape):
        raise BadRequest(400, f"{len(flat)} elements, and its shape makes {elements(shape)}")
    assert kind.numpy is not None
    if kind.item_bytes is None:
        return _shaped(np.array([text.encode("utf-8", "replace") for text in flat], dtype=object), shape)
    try:
        with np.errstate(over="ignore"):
            array = np.fromiter(flat, kind.numpy, len(flat)).reshape(shape)  # in half of np.array's time
    except (OverflowError, ValueError, TypeError):
        raise BadRequest(400, f"an element that {kind.name} cannot hold") from None
    if array.dtype.kind == "f" and np.isinf(array).any():  # JSON has no infinity: it was too large a number
        raise BadRequest(400, f"an element that {kind.name} cannot hold")
    return array


def _flat(tensor: TensorHead, kind: Datatype, shape: Sequence[int]) -> list[Any]:
    """The elements in row order, from a flat list or from lists nested as the shape is."""
    assert kind.numpy is not None
    if isinstance(tensor, FlatHead):
        return tensor.data
    allowed = _OF_KIND[kind.numpy[1]]
    if float in allowed:
        try:
            return _FLAT_FLOATS.decode(tensor.data)
        except msgspec.ValidationError:
            pass
    try:
        level = _ANY.decode(tensor.data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadRequest(400, f"data is not JSON that can be read: {error}") from None
    if not isinstance(level, list):
        raise BadRequest(400, "data is not a list")
    depth = 0
    while level and isinstance(level[0], list):
        if depth >= len(shape) - 1 or (depth == 0 and len(level) != shape[0]):
            raise BadRequest(400, "data is nested in another way than its shape")
        depth += 1
        if any(type(each) is not list or len(each) != shape[depth] for each in level):
            raise BadRequest(400, "data is nested in another way than its shape")
        level = list(chain.from_iterable(level))
    if any(type(each) not in allowed for each in level):
        raise BadRequest(400, f"an element that is no {kind.name}")
    return level


def _shaped(array: Array, shape: Sequence[int]) -> Array:
    if array.size != elements(shape):
        raise BadRequest(400, f"{array.size} elements, and its shape makes {elements(shape)}")
    return array.reshape(shape)


def _split(data: memoryview) -> list[bytes]:
    """The elements of a BYTES tensor."""
    found = []
    at = 0
    while at < len(data):
        if at + 4 > len(data):
            raise BadRequest(400, "a BYTES tensor that ends inside a length")
        (size,) = _LENGTH.unpack_from(data, at)
        at += 4
        if at + size > len(data):
            raise BadRequest(400, "a BYTES tensor with an element longer than the tensor")
        found.append(bytes(data[at : at + size]))
        at += size
    return found


def _element(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


def _text(value: object) -> str:
    if not isinstance(value, bytes):
        return str(value)
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise BadRequest(400, "an output that is no text cannot be JSON; ask for binary data") from None
