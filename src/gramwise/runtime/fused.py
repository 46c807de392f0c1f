"""The kernels that onnxruntime runs for a model, with the shape of every tensor, found without running it.

onnxruntime writes the graph as it is after all its rewriting for this processor (level ``all``, the one that nodes
use). Operators of its own layouts are replaced by standard ones of the same shape in a copy, and onnx's inference tells
the sizes there. docs/method/kernels.md
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from gramwise.core.errors import UnknownShape
from gramwise.graph.library import onnx_library
from gramwise.graph.shapes import Tensor, infer, tensor_of
from gramwise.power.kernels.kernel import Kernel
from gramwise.runtime.session import load_session

_NCHWC = "com.microsoft.nchwc"
_MICROSOFT = "com.microsoft"
_WINDOW = ("auto_pad", "dilations", "kernel_shape", "pads", "strides", "group", "ceil_mode")
_LAID_OUT = {
    "AveragePool": "AveragePool",
    "Conv": "Conv",
    "GlobalAveragePool": "GlobalAveragePool",
    "GlobalMaxPool": "GlobalMaxPool",
    "MaxPool": "MaxPool",
    "NhwcMaxPool": "MaxPool",
    "QLinearAveragePool": "AveragePool",
    "QLinearConv": "Conv",
    "QLinearGlobalAveragePool": "GlobalAveragePool",
}
"""Standard operators with the shapes of those in the runtime's own layouts."""

_NOT_ARITHMETIC = frozenset({"int64", "int32", "bool"})


def optimise(path: Path, target: Path) -> Any:
    """Let onnxruntime rewrite a model for this processor, give every node a name of its own, and keep it.

    Args:
        path: ONNX file.
        target: file to write; loaded with optimisation ``disabled``, it runs the same kernels.

    Returns:
        The ``onnx.ModelProto``.

    Raises:
        ModelError: missing, corrupt or unsupported file.
        SourceUnavailable: onnx is not installed.
    """
    onnx = onnx_library()
    load_session(str(path), "all", {}, optimised=str(target))
    model = onnx.load_model(str(target))
    for i, node in enumerate(model.graph.node):
        node.name = f"k{i}"
    onnx.save_model(model, str(target))
    return model


class Fused(NamedTuple):
    """How many tensors a model takes, and its kernels in run order."""

    inputs: int
    kernels: tuple[Kernel, ...]


def kernels_of(path: str | Path, *, batch: int = 1, dims: Mapping[str, int] | None = None) -> Fused:
    """The kernels of a model.

    Args:
        path: ONNX file.
        batch: for an open first dimension.
        dims: sizes of other open dimensions, by name.

    Raises:
        ModelError: missing, corrupt or unsupported file.
        UnknownShape: a tensor whose size cannot be told.
        SourceUnavailable: onnx is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="gramwise-kernels-") as folder:
        model = optimise(Path(path), Path(folder) / "optimised.onnx")
    return Fused(len(model.graph.input), read_kernels(model, Path(path), batch=batch, dims=dims))


def read_kernels(
    model: Any, file: Path, *, batch: int = 1, dims: Mapping[str, int] | None = None
) -> tuple[Kernel, ...]:
    """The kernels of a model that is optimised already; arguments and errors as `kernels_of`."""
    helper = onnx_library().helper
    inferred = infer(_standard(model), file, batch, dims or {})
    stored = {c.name: tensor_of(c.name, tuple(c.dims), c.data_type) for c in model.graph.initializer}
    given = {value.name for value in model.graph.input}
    reader = _Reader(file, {**inferred.tensors, **stored}, set(stored), given)
    found = [
        reader.kernel(node, {a.name: helper.get_attribute_value(a) for a in node.attribute})
        for node in model.graph.node
    ]
    network_bytes = reader.bytes_of(reader.seen)
    return tuple(msgspec.structs.replace(kernel, network_bytes=network_bytes) for kernel in found)


def origins_of(model: Any) -> list[int]:
    """For each node of a model whose parts do not touch, the number of the part, by the inputs that reach it.

    Args:
        model: optimised, of parts with inputs of their own; as racks of cells are.

    Returns:
        Position of the first input that reaches each node; -1 for a node that none reaches.
    """
    reached = {value.name: i for i, value in enumerate(model.graph.input)}
    found = []
    for node in model.graph.node:
        origin = min((reached[name] for name in node.input if name in reached), default=-1)
        found.append(origin)
        reached.update(dict.fromkeys(node.output, origin))
    return found


class _Reader:
    """Turns nodes into kernels; ``seen`` are the tensors of those it turned."""

    def __init__(self, file: Path, tensors: Mapping[str, Tensor], stored: set[str], given: set[str]) -> None:
        self._file, self._tensors, self._stored, self._given = file, tensors, stored, given
        self.seen: set[str] = set()
        self._masked: set[str] = set()

    def bytes_of(self, names: set[str] | list[str]) -> float:
        return float(sum(self._tensors[name].bytes for name in names))

    def kernel(self, node: Any, attributes: Mapping[str, Any]) -> Kernel:
        named = [name for name in (*node.input, *node.output) if name]
        for name in named:
            if name not in self._tensors:
                raise UnknownShape(
                    f"{self._file}: the size of tensor {name!r} at {node.op_type} cannot be told, so its time"
                    " cannot be predicted."
                )
        self.seen.update(named)
        computed = [name for name in node.input if name and name not in self._stored]
        stored = [name for name in node.input if name in self._stored]
        outputs = [name for name in node.output if name]
        kinds = [
            self._tensors[n].precision
            for n in [*computed, *stored, *outputs]
            if self._tensors[n].precision not in _NOT_ARITHMETIC
        ]
        prefix = f"{node.domain.rsplit('.', 1)[-1]}." if node.domain not in ("", "ai.onnx") else ""
        strides = attributes.get("strides") or [1]
        if node.op_type == "Where" or (node.op_type == "Add" and self._shapes(stored, least=2)):
            self._masked.add(node.output[0])
        return Kernel(
            op=f"{prefix}{node.op_type}",
            precision="int8" if "int8" in kinds else next(iter(kinds), "int64"),
            inputs=self._shapes(computed),
            stored=self._shapes(stored, least=1),
            outputs=self._shapes(outputs),
            read_bytes=self.bytes_of(computed),
            stored_bytes=self.bytes_of(stored),
            write_bytes=self.bytes_of(outputs),
            tensors=len(named),
            network_bytes=0.0,
            given=bool(self._given.intersection(computed)),
            window=math.prod(attributes.get("kernel_shape") or [1]),
            stride=math.prod(strides),
            groups=int(attributes.get("group", 1)),
            channels_last=bool(attributes.get("channels_last", 0)),
            axis=int(attributes.get("axis", -1)),
            trans=int(bool(attributes.get("transA", 0))) + 2 * int(bool(attributes.get("transB", 0))),
            variant="masked"
            if node.op_type == "Softmax" and node.input[0] in self._masked
            else _variant(node, attributes),
        )

    def _shapes(self, names: list[str], least: int = 0) -> tuple[tuple[int, ...], ...]:
        """Of each tensor; constants without dimensions (scales, zero points) are left out."""
        return tuple(s for s in (tuple(self._tensors[n].shape) for n in names) if len(s) >= least)


def _variant(node: Any, attributes: Mapping[str, Any]) -> str:
    if node.op_type == "Transpose" and "perm" in attributes:
        return "".join(str(axis) for axis in attributes["perm"])
    activation = attributes.get("activation", b"")
    text = activation.decode() if isinstance(activation, bytes) else str(activation)
    return "" if text == "Relu" else text


def _standard(model: Any) -> Any:
    """A copy for shape inference in which the runtime's own layouts are standard operators."""
    copy = type(model)()
    copy.CopyFrom(model)
    del copy.graph.node[:]
    ranks = {c.name: len(c.dims) for c in model.graph.initializer}
    for node in model.graph.node:
        copy.graph.node.extend(_replaced(node, ranks))
    return copy


def _replaced(node: Any, ranks: Mapping[str, int]) -> list[Any]:
    helper = onnx_library().helper
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    x, y, op = node.input[0] if node.input else "", node.output[0], node.op_type
    last = bool(attributes.get("channels_last", 0)) or op == "NhwcMaxPool"
    if node.domain == _NCHWC and op == "ReorderInput":
        order = [0, 3, 1, 2] if last else [0, 1, 2, 3]
        return [helper.make_node("Transpose", [x], [y], perm=order)]
    if node.domain == _NCHWC and op == "ReorderOutput":
        return _cut_channels(node.name, x, y, int(attributes["channels"]), last)
    if node.domain == _NCHWC and op == "Upsample":
        scales = helper.make_tensor(f"{y}/scales", 1, [4], [float(s) for s in attributes["scales"]])
        constant = helper.make_node("Constant", [], [f"{y}/scales"], value=scales)
        return [constant, helper.make_node("Resize", [x, "", f"{y}/scales"], [y])]
    if node.domain == _MICROSOFT and op == "FusedMatMul":
        left = "...ji" if attributes.get("transA") else "...ij"
        right = "...kj" if attributes.get("transB") else "...jk"
        return [helper.make_node("Einsum", node.input[:2], [y], equation=f"{left},{right}->...ik")]
    if op not in _LAID_OUT or not (node.domain == _NCHWC or last):
        return [node]
    kept = {name: value for name, value in attributes.items() if name in _WINDOW}
    weight = [node.input[3 if op == "QLinearConv" else 1]] if _LAID_OUT[op] == "Conv" else []
    if not last:
        return [helper.make_node(_LAID_OUT[op], [x, *weight], [y], **kept)]
    rank = 2 + len(attributes.get("kernel_shape", (0, 0)))
    first = helper.make_node("Transpose", [x], [f"{y}/first"], perm=[0, rank - 1, *range(1, rank - 1)])
    made = helper.make_node(_LAID_OUT[op], [f"{y}/first", *weight], [f"{y}/made"], **kept)
    back = helper.make_node("Transpose", [f"{y}/made"], [y], perm=[0, *range(2, rank), 1])
    return [first, made, back]


def _cut_channels(name: str, x: str, y: str, channels: int, last: bool) -> list[Any]:
    """What ReorderOutput does to a shape: channels that only filled up a block go."""
    helper = onnx_library().helper
    made = []
    for part, value in (("starts", 0), ("ends", channels), ("axes", 1)):
        tensor = helper.make_tensor(f"{y}/{part}", 7, [1], [value])
        made.append(helper.make_node("Constant", [], [f"{y}/{part}"], value=tensor))
    cut = f"{y}/cut" if last else y
    made.append(helper.make_node("Slice", [x, f"{y}/starts", f"{y}/ends", f"{y}/axes"], [cut]))
    if last:
        made.append(helper.make_node("Transpose", [cut], [y], perm=[0, 2, 3, 1]))
    return made
