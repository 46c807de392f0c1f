"""The size of every tensor, by onnx's own shape inference on a copy of the graph that carries no large
constants.

Open dimensions are closed first: the batch, and those the caller names. Quantised and fused operators of
``com.microsoft``, which onnx's inference does not know, are replaced in the copy by standard operators of the
same shape; the copy serves nothing but this.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gramwise.core.errors import ModelError, UnknownShape, did_you_mean

from .library import onnx_library

_SMALL = 1024
"""Constants of up to this many values stay in the copy: they may be shapes, axes or sizes."""

_BATCH_NAME = re.compile(r"(.*batch.*|n|b|bs|none|\?|unk_.*|)", re.IGNORECASE)
"""What exporters call an open batch dimension."""

_BITS = {
    "FLOAT": ("fp32", 32),
    "FLOAT16": ("fp16", 16),
    "BFLOAT16": ("bf16", 16),
    "DOUBLE": ("fp64", 64),
    "UINT8": ("int8", 8),
    "INT8": ("int8", 8),
    "UINT16": ("int16", 16),
    "INT16": ("int16", 16),
    "UINT32": ("int32", 32),
    "INT32": ("int32", 32),
    "UINT64": ("int64", 64),
    "INT64": ("int64", 64),
    "UINT4": ("int4", 4),
    "INT4": ("int4", 4),
    "UINT2": ("int2", 2),
    "INT2": ("int2", 2),
    "BOOL": ("bool", 8),
    "COMPLEX64": ("complex64", 64),
    "COMPLEX128": ("complex128", 128),
    "FLOAT8E4M3FN": ("fp8", 8),
    "FLOAT8E4M3FNUZ": ("fp8", 8),
    "FLOAT8E5M2": ("fp8", 8),
    "FLOAT8E5M2FNUZ": ("fp8", 8),
    "FLOAT8E8M0": ("fp8", 8),
    "FLOAT4E2M1": ("fp4", 4),
}
"""Precision and bits of ONNX's element types. Source: onnx.proto3, TensorProto.DataType."""


class Tensor(NamedTuple):
    """A tensor's shape and element type (``"fp32"``, ``"int8"`` ...) and the bits of an element."""

    shape: tuple[int, ...]
    precision: str
    bits: int

    @property
    def bytes(self) -> int:
        """Size; packed types are rounded up to whole bytes."""
        return -(-math.prod(self.shape) * self.bits // 8)


class Inferred(NamedTuple):
    """What inference found.

    Attributes:
        tensors: by name, every tensor whose size is known.
        open: by name of a tensor whose size is not known, the first dimension to pass, by its own name or
            ``tensor:axis``; absent where not even the number of dimensions is known.
    """

    tensors: Mapping[str, Tensor]
    open: Mapping[str, str]


def tensor_of(name: str, shape: tuple[int, ...], element: int) -> Tensor:
    """A tensor of ONNX element type ``element``.

    Raises:
        UnknownShape: a type whose elements have no fixed size, such as a string.
    """
    kind = onnx_library().TensorProto.DataType.Name(element)
    if kind not in _BITS:
        raise UnknownShape(
            f"tensor {name!r} holds {kind} values, whose size is not fixed: cut it off the model."
        )
    return Tensor(shape, *_BITS[kind])


def infer(model: Any, file: Path, batch: int, dims: Mapping[str, int]) -> Inferred:
    """Shape and type of every tensor that onnx's inference can tell.

    Args:
        model: an ``onnx.ModelProto`` without local functions; it is not changed.
        file: for messages.
        batch: for open first dimensions whose name is that of a batch.
        dims: size by dimension name, or by ``tensor:axis`` where the dimension has no name.

    Returns:
        Tensors by name, and what stays open.

    Raises:
        ModelError: a size that is not positive, a name in ``dims`` that is no open dimension of the model, or
            a batch other than 1 for a model with a fixed one.
        UnknownShape: an open dimension of a graph input, or a tensor type without a size.
    """
    for name, size in {"batch": batch, **dims}.items():
        if size < 1:
            raise ModelError(f"{file}: dimension {name!r} must be 1 or more, not {size}.")
    copy = _skeleton(model)
    known = dict(dims)
    given = {value.name for value in model.graph.input} - {c.name for c in model.graph.initializer}
    met = _close_inputs([v for v in copy.graph.input if v.name in given], file, batch, known)
    onnx = onnx_library()
    while True:
        try:
            copy = onnx.shape_inference.infer_shapes(copy, data_prop=True)
        except Exception as error:  # onnx raises several unrelated types here
            raise ModelError(f"{file}: onnx cannot infer its shapes ({_one_line(error)}).") from error
        before = len(met)
        _close(copy.graph.value_info, known, met)
        _close(copy.graph.output, known, met)
        if len(met) == before:
            break
    _refuse_unused(file, dims, met, copy)
    return _collect(copy)


def declared(model: Any, file: Path, *, name_all: bool = False) -> dict[str, Any]:
    """What can be said of every tensor while its open dimensions stay open.

    Args:
        model: an ``onnx.ModelProto`` without local functions; it is not changed.
        file: for messages.
        name_all: call the open dimensions of inputs that have no name ``tensor:axis``, and follow them.

    Returns:
        ``ValueInfoProto`` by tensor name, the graph's inputs and outputs included; the sizes of a shape are numbers,
        names of open dimensions, names that onnx invents for sizes it cannot tell, or nothing.

    Raises:
        ModelError: onnx finds the shapes inconsistent.
    """
    onnx = onnx_library()
    copy = _skeleton(model)
    if name_all:
        for dim, key in [open_dim for value in copy.graph.input for open_dim in _open_dims(value)]:
            dim.dim_param = key
    try:
        graph = onnx.shape_inference.infer_shapes(copy, data_prop=True).graph
    except Exception as error:  # onnx raises several unrelated types here
        raise ModelError(f"{file}: onnx cannot infer its shapes ({_one_line(error)}).") from error
    return {value.name: value for value in [*graph.input, *graph.value_info, *graph.output]}


def missing(file: Path, inferred: Inferred, name: str, op: str) -> UnknownShape:
    """The error for tensor ``name`` next to operator ``op``, whose size nobody could tell."""
    if name in inferred.open:
        return _unknown(file, name, inferred.open[name])
    if "Sequence" in op or "Optional" in op:
        return UnknownShape(
            f"{file}: {name!r} ({op}) is no tensor, so its size is not fixed: cut it off the model."
        )
    return UnknownShape(
        f"{file}: tensor {name!r} ({op}) has no shape, and onnx cannot infer one: "
        "record it in the model (value_info), or close the open dimensions before it with --dim NAME=SIZE."
    )


def _unknown(file: Path, name: str, key: str) -> UnknownShape:
    return UnknownShape(f"{file}: dimension {key!r} of tensor {name!r} is open: pass --dim {key}=SIZE.")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _skeleton(model: Any) -> Any:
    """A copy whose large constants are only declared, and whose foreign operators have standard stand-ins."""
    onnx = onnx_library()
    copy = type(model)()
    copy.ir_version = max(4, model.ir_version)  # constants that are not inputs exist since IR 4
    copy.opset_import.extend(model.opset_import)
    graph, target = model.graph, copy.graph
    target.name = graph.name or "graph"
    constants = {constant.name: constant.data_type for constant in graph.initializer}
    target.input.extend(value for value in graph.input if value.name not in constants)
    for constant in graph.initializer:
        external = constant.data_location == onnx.TensorProto.EXTERNAL
        if external or math.prod(constant.dims) > _SMALL:
            info = onnx.helper.make_tensor_value_info(constant.name, constant.data_type, list(constant.dims))
            target.input.append(info)
        else:
            target.initializer.append(constant)
    for sparse in graph.sparse_initializer:
        values = sparse.values
        info = onnx.helper.make_tensor_value_info(values.name, values.data_type, list(sparse.dims))
        target.input.append(info)
    for node in graph.node:
        target.node.extend(_stand_ins(node, constants))
    target.output.extend(graph.output)
    target.value_info.extend(graph.value_info)
    return copy


class _StandIn(NamedTuple):
    """A standard operator with the output shape of a foreign one.

    Attributes:
        op: the standard operator.
        picks: which inputs of the foreign node it takes.
        keeps: which attributes.
        types: inputs of the foreign node; the first that is there and constant has the output's element type.
    """

    op: str
    picks: slice
    keeps: tuple[str, ...] = ()
    types: tuple[int, ...] = ()


_FIRST, _FIRST_TWO, _FIRST_AND_FOURTH = slice(0, 1), slice(0, 2), slice(0, 4, 3)
_WINDOW = ("auto_pad", "dilations", "kernel_shape", "pads", "strides")
_LIKE_FIRST_INPUT = """
    Attention BiasGelu FastGelu Gelu QLinearLeakyRelu QLinearSigmoid QLinearSoftmax QuickGelu RotaryEmbedding
    SimplifiedLayerNormalization SkipLayerNormalization SkipSimplifiedLayerNormalization
"""
_STAND_INS = {
    **dict.fromkeys(_LIKE_FIRST_INPUT.split(), _StandIn("Identity", _FIRST)),
    "DequantizeLinear": _StandIn("DequantizeLinear", slice(0, 3), ("axis",)),
    "QuantizeLinear": _StandIn("QuantizeLinear", slice(0, 3), ("axis",)),
    "QLinearAdd": _StandIn("Add", _FIRST_AND_FOURTH),
    "QLinearMul": _StandIn("Mul", _FIRST_AND_FOURTH),
    "QLinearConcat": _StandIn("Concat", slice(2, None, 3), ("axis",)),
    "QLinearAveragePool": _StandIn("AveragePool", _FIRST, (*_WINDOW, "ceil_mode", "count_include_pad")),
    "QLinearGlobalAveragePool": _StandIn("GlobalAveragePool", _FIRST),
    "QGemm": _StandIn("Gemm", _FIRST_AND_FOURTH, ("transA", "transB"), (8, 1)),
    "FusedConv": _StandIn("Conv", _FIRST_TWO, (*_WINDOW, "group")),
    "FusedGemm": _StandIn("Gemm", _FIRST_TWO, ("transA", "transB")),
    "MatMulIntegerToFloat": _StandIn("MatMul", _FIRST_TWO, (), (2,)),
    "DynamicQuantizeMatMul": _StandIn("MatMul", _FIRST_TWO),
}


def _stand_ins(node: Any, constants: Mapping[str, int]) -> list[Any]:
    """Standard nodes whose outputs have the shapes of a foreign node's; else the node itself."""
    attributes = {a.name: a for a in node.attribute}
    foreign = node.domain == "com.microsoft" or node.op_type == "SimplifiedLayerNormalization"
    # Other layouts and widths change the shape: better no answer than a wrong one.
    odd = "qkv_hidden_sizes" in attributes or (
        "channels_last" in attributes and attributes["channels_last"].i
    )
    if not foreign or odd or node.op_type not in _STAND_INS:
        return [node]
    helper = onnx_library().helper
    stand_in = _STAND_INS[node.op_type]
    out = node.output[0]
    kept = {k: helper.get_attribute_value(a) for k, a in attributes.items() if k in stand_in.keeps}
    types = [node.input[i] for i in stand_in.types if i < len(node.input) and node.input[i] in constants]
    raw = f"{out}/raw" if types else out
    made = [helper.make_node(stand_in.op, list(node.input)[stand_in.picks], [raw], **kept)]
    if types:
        made.append(helper.make_node("Cast", [raw], [out], to=constants[types[0]]))
    if len(node.output) > 3 and node.output[3]:  # the sum that a Skip...LayerNormalization passes on
        made.append(helper.make_node("Identity", [node.input[0]], [node.output[3]]))
    return made


def named_dims(model: Any) -> set[str]:
    """Names of the open dimensions that a model's file declares, ``tensor:axis`` where they have none."""
    declared_here = [*model.graph.input, *model.graph.value_info, *model.graph.output]
    return {key for value in declared_here for _, key in _open_dims(value)}


def _open_dims(value: Any) -> Iterator[tuple[Any, str]]:
    """Every dimension without a size, with its name, or ``tensor:axis`` when it has none."""
    for axis, dim in enumerate(value.type.tensor_type.shape.dim):
        if not dim.HasField("dim_value") or dim.dim_value < 0:
            yield dim, dim.dim_param or f"{value.name}:{axis}"


def _close(values: Any, known: Mapping[str, int], met: set[str]) -> None:
    for value in values:
        for dim, key in list(_open_dims(value)):
            if key in known:
                dim.dim_value = known[key]
                met.add(key)


def _close_inputs(inputs: Sequence[Any], file: Path, batch: int, known: dict[str, int]) -> set[str]:
    """Close every open dimension of the graph's inputs; returns the names that were met."""
    met: set[str] = set()
    batched = False
    for value in inputs:
        if not value.type.HasField("tensor_type") or not value.type.tensor_type.HasField("shape"):
            raise UnknownShape(f"{file}: input {value.name!r} has no shape: record one in the model.")
        dims = value.type.tensor_type.shape.dim
        if dims and not dims[0].HasField("dim_value"):
            key = dims[0].dim_param or f"{value.name}:0"
            if key not in known and _BATCH_NAME.fullmatch(dims[0].dim_param):
                known[key] = batch
                batched = True
        elif dims and dims[0].dim_value == batch:
            batched = True
    if batch != 1 and not batched:
        raise ModelError(
            f"{file}: its batch size is fixed, so batch {batch} is not possible: use 1, or export it anew."
        )
    _close(inputs, known, met)
    for value in inputs:
        for _, key in _open_dims(value):
            raise _unknown(file, value.name, key)
    return met


def _refuse_unused(file: Path, dims: Mapping[str, int], met: set[str], copy: Any) -> None:
    for name in dims:
        if name not in met:
            still = {key for v in [*copy.graph.value_info, *copy.graph.output] for _, key in _open_dims(v)}
            hint = did_you_mean(name, met | still) or "It has none: leave --dim away."
            raise ModelError(f"{file}: the model has no open dimension called {name!r}. {hint}")


def _collect(copy: Any) -> Inferred:
    tensors: dict[str, Tensor] = {}
    still_open: dict[str, str] = {}
    for value in [*copy.graph.input, *copy.graph.value_info, *copy.graph.output]:
        kind = value.type.tensor_type
        if not value.type.HasField("tensor_type") or not kind.HasField("shape") or not kind.elem_type:
            continue
        first = next((key for _, key in _open_dims(value)), None)
        if first is None:
            shape = tuple(int(d.dim_value) for d in kind.shape.dim)
            tensors[value.name] = tensor_of(value.name, shape, kind.elem_type)
        else:
            still_open[value.name] = first
    return Inferred(tensors, still_open)
