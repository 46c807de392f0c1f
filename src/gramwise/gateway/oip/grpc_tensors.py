"""Tensors out of a gRPC request and into a gRPC answer. For nodes: a gateway never calls this.

Source: Open Inference Protocol gRPC: either every tensor in ``raw_..._contents``, or each in its typed ``contents``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from . import wire
from .datatypes import datatype, elements, name_of
from .errors import BadRequest
from .head import MOST_TENSORS, Scalar
from .scan import RAW_OUTPUTS
from .tensors import Array, from_raw, to_raw

CONTENTS = {
    "BOOL": "bool_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""Field of InferTensorContents that holds a datatype; FP16 and BF16 exist raw only."""

_RAW_KEY = bytes((RAW_OUTPUTS << 3 | 2,))


def read_arrays(request: Any) -> dict[str, Array]:
    """The tensors of a ModelInferRequest (or, from its outputs, of a ModelInferResponse), by name.

    Args:
        request: a message of `messages.message`, or of any library's copy of the definition.

    Raises:
        BadRequest: 400, elements that do not fit the shape or the datatype.
    """
    is_request = hasattr(request, "raw_input_contents")
    tensors = request.inputs if is_request else request.outputs
    raw = request.raw_input_contents if is_request else request.raw_output_contents
    if is_request and not tensors:
        raise BadRequest(400, "the request has no inputs")
    if len(tensors) > MOST_TENSORS:
        raise BadRequest(400, f"{len(tensors)} tensors; at most {MOST_TENSORS} are served")
    if raw and len(raw) != len(tensors):
        raise BadRequest(400, f"{len(raw)} raw contents for {len(tensors)} tensors; send one for each")
    found: dict[str, Array] = {}
    for index, tensor in enumerate(tensors):
        if not tensor.name or tensor.name in found:
            raise BadRequest(400, "a tensor without a name, or two of the same")
        try:
            if raw and tensor.contents.ListFields():  # MLServer sends empty contents beside the raw ones
                raise BadRequest(400, "both contents and raw contents")
            shape = tuple(tensor.shape)
            found[tensor.name] = (
                from_raw(raw[index], tensor.datatype, shape) if raw else _from_contents(tensor, shape)
            )
        except BadRequest as fault:
            raise BadRequest(400, f"tensor {tensor.name[:40]!r}: {fault.sentence}") from None
    return found


def write_arrays(
    outputs: Mapping[str, Array],
    *,
    model: str,
    version: str = "",
    id: str = "",
    wanted: tuple[str, ...] = (),
    parameters: Mapping[str, Scalar] | None = None,
) -> bytes:
    """A serialised ModelInferResponse with raw contents.

    Args:
        outputs: arrays by name.
        model, version, id: as the message names them.
        wanted: names, in their order; empty for all.
        parameters: of the answer.

    Raises:
        BadRequest: 400, an output is asked for that the model does not make.
    """
    heads, tail = [wire.text(1, model), wire.text(2, version), wire.text(3, id)], list[bytes | memoryview]()
    for name in wanted or tuple(outputs):
        if name not in outputs:
            raise BadRequest(400, f"the model makes no output {name[:40]!r}; it makes {', '.join(outputs)}")
        array = outputs[name]
        head, straight = _output(name, array.dtype, array.shape)
        heads.append(head)
        raw = array.data if straight and array.flags.c_contiguous else to_raw(array)
        tail += _RAW_KEY, wire.varint(raw.nbytes if isinstance(raw, memoryview) else len(raw)), raw
    if parameters:
        tail.append(wire.parameters(parameters))
    return b"".join((*heads, *tail))


@lru_cache(maxsize=256)
def _output(name: str, dtype: np.dtype[np.generic], shape: tuple[int, ...]) -> tuple[bytes, bool]:
    """The field of an output, and whether the array's memory is its binary form where it lies row by row."""
    kind = name_of(dtype)
    return wire.tensor(5, name, kind, shape), kind != "BYTES" and dtype.str[0] in "<|"


def _from_contents(tensor: Any, shape: tuple[int, ...]) -> Array:
    kind = datatype(tensor.datatype)
    field = CONTENTS.get(kind.name)
    if field is None or kind.numpy is None:
        raise BadRequest(400, f"{kind.name} has no typed contents; send it raw")
    for other, _ in tensor.contents.ListFields():
        if other.name != field:
            raise BadRequest(400, f"{other.name} given for {kind.name}; its elements go into {field}")
    given = getattr(tensor.contents, field)
    if len(given) != elements(shape):
        raise BadRequest(400, f"{len(given)} elements, and its shape makes {elements(shape)}")
    try:
        # From a list: NumPy wraps numbers round when it reads protobuf's own containers.
        return np.array(list(given), dtype="O" if kind.item_bytes is None else kind.numpy).reshape(shape)
    except OverflowError:
        raise BadRequest(400, f"an element that {kind.name} cannot hold") from None
