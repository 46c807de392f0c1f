"""ONNX file to `ModelGraph`: layers in order, with FLOP, bytes and precision, on no hardware yet."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gramwise.core.errors import ModelError
from gramwise.core.model import Layer, ModelGraph, Work

from . import operators, quantised, shapes
from .library import onnx_library

_CONTROL_FLOW = frozenset({"If", "Loop", "Scan"})
_NEVER_FOLDED = _CONTROL_FLOW | {
    "Bernoulli",
    "Multinomial",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
}
"""Operators that are layers even when all they read is constant."""

_KERNEL = {
    **dict.fromkeys(["QLinearConv", "QLinearMatMul", "com.microsoft.QGemm"], 3),
    **dict.fromkeys(["Conv", "ConvInteger", "ConvTranspose", "Gemm", "MatMul", "MatMulInteger"], 1),
    **dict.fromkeys(["com.microsoft.FusedConv", "com.microsoft.FusedGemm", "com.microsoft.FusedMatMul"], 1),
    **dict.fromkeys(["com.microsoft.DynamicQuantizeMatMul", "com.microsoft.MatMulIntegerToFloat"], 1),
}
"""Which input of an operator holds the weights that it multiplies with."""


def load_graph(path: str | Path, *, batch: int = 1, dims: Mapping[str, int] | None = None) -> ModelGraph:
    """Read what an ONNX model computes, moves and holds.

    A node whose inputs are all constant is worked out when the model is loaded, so it is no layer; what reads
    it reads a constant. A group of DequantizeLinear, operator and QuantizeLinear counts as the integer
    operator that a runtime makes of it. If, Loop and Scan are single layers without a FLOP count, whose
    inputs include what their bodies capture. Functions of the model are inlined first. Weights kept in other
    files are not read.

    Args:
        path: the file.
        batch: size of an open first dimension that is named like a batch.
        dims: size of every other open dimension, by its name, or by ``tensor:axis`` where it has none.

    Returns:
        The graph; FLOP and bytes are for the whole batch.

    Raises:
        ModelError: the file is missing, unreadable or not a valid ONNX graph; or ``dims`` names nothing in
            it.
        UnknownShape: a tensor without a size; says which one and what to pass.
        SourceUnavailable: onnx is not installed.
    """
    file = Path(path)
    model, digest = read_model(file)
    inferred = shapes.infer(model, file, batch, dims or {})
    return _Reader(file, model, inferred).graph(digest)


def read_model(path: str | Path) -> tuple[Any, str]:
    """A model as it stands in its file, with its functions inlined and without the weights of other files.

    Returns:
        The ``onnx.ModelProto``, and the file's SHA-256, hexadecimal.

    Raises:
        ModelError: the file is missing, unreadable or not an ONNX model with a graph.
        SourceUnavailable: onnx is not installed.
    """
    file = Path(path)
    content = _read(file)
    return _parse(file, content), hashlib.sha256(content).hexdigest()


def hidden_names(path: str | Path) -> dict[str, str]:
    """Why a name of a model's file is no activation of its graph, by name: constants, and what bodies hold.

    Raises:
        As `read_model`.
    """
    graph = read_model(path)[0].graph
    stored = [*(t.name for t in graph.initializer), *(s.values.name for s in graph.sparse_initializer)]
    constant = set(stored)
    hidden: dict[str, str] = {}
    for node in graph.node:
        if node.op_type not in _NEVER_FOLDED and constant.issuperset(reads(node)):
            constant.update(node.output)
        whole = f"it is inside {node.op_type} {node.name or node.output[0]!r}, which runs as a whole"
        hidden |= {name: whole for body in bodies(node) for name in _inside(body)}
    return hidden | {name: "it is a constant, which never travels" for name in constant if name}


def _inside(body: Any) -> Iterator[str]:
    """Names that a control-flow body defines, nested bodies included."""
    yield from (value.name for value in [*body.input, *body.initializer])
    for node in body.node:
        yield from node.output
        for nested in bodies(node):
            yield from _inside(nested)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{file}: there is no such model file.") from None
    except OSError as error:
        raise ModelError(f"{file}: the model file cannot be read ({error.strerror}).") from error


def _parse(file: Path, content: bytes) -> Any:
    onnx = onnx_library()
    try:
        model = onnx.load_model_from_string(content)
        if model.functions:
            model = onnx.inliner.inline_local_functions(model)
    except Exception as error:  # protobuf's decode error has no stable home
        raise ModelError(f"{file}: not an ONNX model, or a damaged one: export or copy it again.") from error
    if not model.graph.node or not model.graph.output:
        raise ModelError(f"{file}: not an ONNX model, or an empty one: it has no graph.")
    return model


class _Node(NamedTuple):
    """A node on its way to a layer: proto, full operator name, distinct inputs (captured ones last), outputs,
    bytes of the constants inside its bodies, the name under which those are stored."""

    proto: Any
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    inner_bytes: int

    @property
    def inner(self) -> str:
        """No tensor has this name: the output is another node's own, and names do not end in a bracket."""
        return f"{next(iter(self.outputs), self.op)} (inside {self.op})"


class _Reader:
    """Turns one parsed model into a `ModelGraph`."""

    def __init__(self, file: Path, model: Any, inferred: shapes.Inferred) -> None:
        self._file, self._graph, self._inferred = file, model.graph, inferred
        self._own: dict[str, shapes.Tensor] = {}
        self._stored = dict(self._stored_constants(model.graph))
        # What each constant tensor is read as: itself, or the quantised values that stand for it.
        self._constants = {name: frozenset({name}) for name in self._stored}
        self._leaving = {value.name for value in model.graph.output}
        self._read = self._leaving | {name for proto in model.graph.node for name in reads(proto)}

    def graph(self, digest: str) -> ModelGraph:
        nodes = list(self._nodes())
        outputs = tuple(value.name for value in self._graph.output)
        fusion = quantised.fuse(
            [quantised.Step(n.op, self._activations(n.inputs), n.outputs) for n in nodes], outputs
        )
        labels = _unique(node.proto.name or f"{node.op}_{i}" for i, node in enumerate(nodes))
        layers = tuple(
            self._layer(i, node, name, fusion)
            for i, (node, name) in enumerate(zip(nodes, labels, strict=True))
        )
        constants = {
            root: self._stored[root] for root in self._roots(n for node in nodes for n in node.inputs)
        }
        constants |= {node.inner: node.inner_bytes for node in nodes if node.inner_bytes}
        inputs = tuple(v.name for v in self._graph.input if v.name not in self._constants)
        names = [*inputs, *(name for layer in layers for name in layer.outputs)]
        return ModelGraph(
            name=self._file.stem,
            layers=layers,
            tensor_bytes={name: self._tensor(name, "graph").bytes for name in names},
            inputs=inputs,
            outputs=outputs,
            weight_bytes=sum(constants.values()),
            digest=digest,
            uncounted_ops=tuple(sorted({layer.op for layer in layers if not layer.counted})),
            constant_bytes=constants,
        )

    def _stored_constants(self, graph: Any) -> Iterator[tuple[str, int]]:
        """Initialisers of a graph, by name, with their bytes."""
        for constant in graph.initializer:
            tensor = shapes.tensor_of(constant.name, tuple(constant.dims), constant.data_type)
            self._own[constant.name] = tensor
            yield constant.name, tensor.bytes
        for sparse in graph.sparse_initializer:
            values = shapes.tensor_of(sparse.values.name, tuple(sparse.values.dims), sparse.values.data_type)
            indices = shapes.tensor_of("indices", tuple(sparse.indices.dims), sparse.indices.data_type)
            self._own[sparse.values.name] = values._replace(shape=tuple(sparse.dims))
            yield sparse.values.name, values.bytes + indices.bytes

    def _roots(self, names: Iterable[str]) -> tuple[str, ...]:
        """What is stored for the constants among the names, shared ones once."""
        return tuple(dict.fromkeys(r for name in names for r in sorted(self._constants.get(name, ()))))

    def _size_of(self, names: Iterable[str]) -> int:
        """Bytes of the constants among the names, shared ones once."""
        return sum(self._stored[root] for root in self._roots(names))

    def _nodes(self) -> Iterator[_Node]:
        """The nodes that are layers, in order; constants are set aside on the way."""
        known = {value.name for value in self._graph.input} | set(self._constants)
        for proto in self._graph.node:
            node = self._node(proto)
            for name in node.inputs:
                if name not in known:
                    raise ModelError(
                        f"{self._file}: not a valid ONNX graph: {proto.op_type} {proto.name!r} reads "
                        f"{name!r}, which nothing before it writes."
                    )
            known.update(node.outputs)
            if not self._folds(node):
                yield node

    def _node(self, proto: Any) -> _Node:
        domain = "" if proto.domain in ("", "ai.onnx") else f"{proto.domain}."
        inputs = dict.fromkeys(reads(proto))
        # An output that nobody reads, such as a Dropout's mask, may stay without a size.
        outputs = tuple(n for n in proto.output if n in self._read or (n and n in self._inferred.tensors))
        return _Node(
            proto, domain + proto.op_type, tuple(inputs), outputs, sum(map(self._body_bytes, bodies(proto)))
        )

    def _folds(self, node: _Node) -> bool:
        """Set a node's outputs aside as constants, if they are."""
        if node.op in _NEVER_FOLDED or self._leaving.intersection(node.outputs) or not node.outputs:
            return False
        if any(name not in self._constants for name in node.inputs):
            return False
        for name in node.outputs:
            if node.op in quantised.DEQUANTISE:  # the quantised weights are what is stored and read
                self._constants[name] = frozenset().union(*(self._constants[n] for n in node.inputs))
            else:
                self._stored[name] = self._tensor(name, node.op).bytes
                self._constants[name] = frozenset({name})
        return True

    def _body_bytes(self, body: Any) -> int:
        """Bytes of the constants inside a control-flow body, nested bodies included."""
        total = 0
        for constant in body.initializer:
            total += shapes.tensor_of(constant.name, tuple(constant.dims), constant.data_type).bytes
        for node in body.node:
            for attribute in node.attribute:
                if node.op_type == "Constant" and attribute.name == "value":
                    value = attribute.t
                    total += shapes.tensor_of(node.output[0], tuple(value.dims), value.data_type).bytes
            total += sum(map(self._body_bytes, bodies(node)))
        return total

    def _activations(self, names: Iterable[str]) -> tuple[str, ...]:
        return tuple(name for name in names if name not in self._constants)

    def _tensor(self, name: str, op: str) -> shapes.Tensor:
        found = self._own.get(name) or self._inferred.tensors.get(name)
        if found is None:
            raise shapes.missing(self._file, self._inferred, name, op)
        return found

    def _layer(self, position: int, node: _Node, name: str, fusion: quantised.Fusion) -> Layer:
        call = self._call(node)
        flop = None if node.op in _CONTROL_FLOW else operators.flop(node.op, call)
        work = Work()
        if position not in fusion.absorbed:
            written = tuple(self._traffic_bytes(n, node.op, fusion) for n in node.outputs)
            read = tuple(self._traffic_bytes(n, node.op, fusion) for n in node.inputs)
            work = Work(
                flop=flop or 0.0,
                read_bytes=float(operators.read_bytes(node.op, read, written) + node.inner_bytes),
                write_bytes=float(sum(written)),
            )
        return Layer(
            name=name,
            op=node.op,
            work=work,
            weight_bytes=self._size_of(node.inputs) + node.inner_bytes,
            inputs=self._activations(node.inputs),
            outputs=node.outputs,
            precision=self._precision(position, node, fusion),
            counted=flop is not None,
            constants=(*self._roots(node.inputs), *([node.inner] if node.inner_bytes else ())),
            kernel=self._kernel(node, call),
            groups=call.number("group", 1),
        )

    def _kernel(self, node: _Node, call: operators.Call) -> operators.Shape:
        place = _KERNEL.get(node.op)
        if place is None or place >= len(node.proto.input) or node.proto.input[place] not in self._constants:
            return ()
        return call.shape(place)

    def _traffic_bytes(self, name: str, op: str, fusion: quantised.Fusion) -> int:
        if name in self._constants:
            return self._size_of([name])
        return self._tensor(fusion.carried.get(name, name), op).bytes

    def _precision(self, position: int, node: _Node, fusion: quantised.Fusion) -> str:
        """The type of what feeds the arithmetic: the first input, or the output where nothing is read."""
        if position in fusion.integer:
            return self._tensor(fusion.integer[position], node.op).precision
        first = next(iter(node.inputs), None) or next(iter(node.outputs))
        precision = self._tensor(first, node.op).precision
        return self._tensor(node.outputs[0], node.op).precision if precision == "bool" else precision

    def _call(self, node: _Node) -> operators.Call:
        needed = {*node.inputs, *node.outputs}

        def shape(name: str) -> operators.Shape | None:
            return self._tensor(name, node.op).shape if name in needed else None

        return operators.Call(
            inputs=tuple(shape(name) for name in node.proto.input),
            outputs=tuple(shape(name) for name in node.proto.output),
            attributes=dict(_attributes(node.proto)),
        )


def _attributes(proto: Any) -> Iterator[tuple[str, object]]:
    """Numbers, lists of numbers and strings of a node; tensors and graphs are left out."""
    for attribute in proto.attribute:
        kind = attribute.type
        if kind == attribute.INT:
            yield attribute.name, int(attribute.i)
        elif kind == attribute.FLOAT:
            yield attribute.name, float(attribute.f)
        elif kind == attribute.STRING:
            yield attribute.name, attribute.s.decode("utf-8", errors="replace")
        elif kind == attribute.INTS:
            yield attribute.name, [int(value) for value in attribute.ints]


def bodies(proto: Any) -> Iterator[Any]:
    """The graphs inside a control-flow node."""
    for attribute in proto.attribute:
        if attribute.type == attribute.GRAPH:
            yield attribute.g
        elif attribute.type == attribute.GRAPHS:
            yield from attribute.graphs


def reads(proto: Any) -> list[str]:
    """Names that a node reads: its inputs, then what its bodies capture."""
    within = [name for body in bodies(proto) for name in sorted(_captured(body))]
    return [name for name in [*proto.input, *within] if name]


def _captured(body: Any) -> set[str]:
    """Names that a body, or a body inside it, reads from the graph around it."""
    inside = {value.name for value in [*body.input, *body.initializer]}
    inside |= {sparse.values.name for sparse in body.sparse_initializer}
    outside: set[str] = set()
    for node in body.node:
        outside |= set(reads(node)) - inside
        inside.update(node.output)
    return outside | ({value.name for value in body.output} - inside)


def _unique(labels: Iterable[str]) -> list[str]:
    """The labels, with ``#2``, ``#3`` ... behind one that was there before."""
    seen: set[str] = set()
    result: list[str] = []
    for label in labels:
        name, count = label, 1
        while name in seen:
            count += 1
            name = f"{label}#{count}"
        seen.add(name)
        result.append(name)
    return result
