"""What a network is before any hardware: work, layers, graph, deliverable variants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Three numbers that add. One multiply-accumulate is two FLOP.

    Attributes:
        flop: floating (or integer) operations.
        read_bytes: bytes read, weights and inputs, each tensor once.
        write_bytes: bytes written.
    """

    flop: float = 0.0
    read_bytes: float = 0.0
    write_bytes: float = 0.0

    def __add__(self, other: Work) -> Work:
        return Work(
            flop=self.flop + other.flop,
            read_bytes=self.read_bytes + other.read_bytes,
            write_bytes=self.write_bytes + other.write_bytes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One operator of a graph.

    Attributes:
        name: unique in the graph.
        op: operator type, with its domain when that is not ONNX's own.
        work: FLOP and bytes for the graph's batch size.
        weight_bytes: bytes of the constants it reads.
        inputs, outputs: names of the activation tensors it reads and writes (constants are not listed).
        precision: ``"fp32"``, ``"fp16"``, ``"int8"`` ...: the type its arithmetic runs in.
        counted: False when no formula is known for the operator, so that ``work`` holds bytes only.
        constants: names of the stored constants it reads, see `ModelGraph.constant_bytes`.
        kernel: shape of the weights it multiplies with, as stored ((out, in / groups, height, width) for a
            convolution, (in, out) for a matrix); empty without any.
        groups: of a convolution.
        members: names of the layers that were merged into this one, in order; empty for a layer of its own.
    """

    name: str
    op: str
    work: Work
    weight_bytes: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    precision: str
    counted: bool = True
    constants: tuple[str, ...] = ()
    kernel: tuple[int, ...] = ()
    groups: int = 1
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelGraph:
    """A network as a list of layers in topological order.

    Attributes:
        name: for people.
        layers: topological order.
        tensor_bytes: size of every activation tensor, graph inputs and outputs included.
        inputs, outputs: names of the graph's tensors.
        weight_bytes: bytes of all constants, shared ones once.
        digest: SHA-256 of the model file, hexadecimal.
        uncounted_ops: operator types without a formula, sorted; their layers count in bytes only.
        constant_bytes: size of every stored constant that a layer reads, by name.
    """

    name: str
    layers: tuple[Layer, ...]
    tensor_bytes: Mapping[str, int]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    weight_bytes: int
    digest: str
    uncounted_ops: tuple[str, ...] = ()
    constant_bytes: Mapping[str, int] = field(default_factory=dict)

    @property
    def work(self) -> Work:
        """Sum over the layers."""
        total = Work()
        for layer in self.layers:
            total = total + layer.work
        return total


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One deliverable form of a model.

    Attributes:
        name: for instance ``"fp32"``.
        model: the model it is a form of.
        path: file, or a ``zoo:`` name.
        precision: of its weights.
        accuracy_frac: measured on a held-out set, 0 to 1; None when nobody measured it.
        accuracy_source: how ``accuracy_frac`` was obtained.
        memory_bytes: weights plus peak activations plus the runtime, what a node must hold to run it.
        weight_bytes: size of its constants.
    """

    name: str
    model: str
    path: str
    precision: str = "fp32"
    accuracy_frac: float | None = None
    accuracy_source: str = ""
    memory_bytes: int = 0
    weight_bytes: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)
