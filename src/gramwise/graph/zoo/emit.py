"""Writing a feed-forward network as ONNX, layer after layer.

An architecture says what follows what; an `Emitter` turns that into nodes and asks a `Weights` function for
the numbers. So one description serves random weights (for timing) and trained ones (for answers). Batch
normalisation
is folded: each convolution has a bias.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from gramwise.graph.library import onnx_library

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[np.float32]
    Weights: TypeAlias = Callable[[str, tuple[int, ...], bool], tuple[Array, Array]]
    """``(layer, shape, input was rectified) -> (weight, bias)``; shape (out, in / groups, ...)."""

OPSET = 17
IR_VERSION = 8
"""What ONNX 1.12 wrote for opset 17: the oldest pair that every supported onnxruntime reads."""

BATCH = "batch"
"""Name of the open first dimension of every emitted model."""


def random_weights(seed: int) -> Weights:
    """Seeded normal weights whose activations neither vanish nor overflow; biases are 0.

    The variance is ``2 / fan_in`` behind a rectifier, which passes half of the second moment, and ``1 /
    fan_in`` behind a linear layer. Source: He et al., "Delving Deep into Rectifiers", ICCV 2015, eq. 10 and
    8.
    """
    generator = np.random.default_rng(seed)

    def draw(layer: str, shape: tuple[int, ...], rectified: bool) -> tuple[Array, Array]:
        scale = np.float32(((2.0 if rectified else 1.0) / np.prod(shape[1:])) ** 0.5)
        weight = generator.standard_normal(shape, dtype=np.float32) * scale
        return weight, np.zeros(shape[0], dtype=np.float32)

    return draw


class Layers(Protocol):
    """What an architecture is written in: each method takes tensor names and returns the name of its output.

    `Emitter` turns the calls into ONNX; the training script turns the same calls into a trainable network, so
    an architecture is described once.
    """

    def channels(self, x: str) -> int:
        """Channels (or features) of tensor ``x``."""
        ...

    def conv(self, x: str, name: str, out: int, kernel: int, *, stride: int = 1, groups: int = 1) -> str:
        """A square convolution with bias, padded by ``(kernel - 1) // 2`` on every side."""
        ...

    def relu(self, x: str) -> str:
        """max(x, 0)."""
        ...

    def relu6(self, x: str) -> str:
        """min(max(x, 0), 6)."""
        ...

    def add(self, a: str, b: str, name: str) -> str:
        """a + b, element by element."""
        ...

    def max_pool(self, x: str, name: str, kernel: int, stride: int) -> str:
        """A square maximum pooling, padded by ``(kernel - 1) // 2`` on every side."""
        ...

    def mean(self, x: str) -> str:
        """Mean over height and width, flattened to (batch, channels)."""
        ...

    def flatten(self, x: str, features: int) -> str:
        """All but the first dimension made one, of ``features`` values."""
        ...

    def dense(self, x: str, name: str, out: int) -> str:
        """A fully connected layer with bias."""
        ...


class Emitter:
    """A network under construction: `Layers` as ONNX nodes.

    Args:
        name: of the graph.
        channels: of the input image.
        size: height and width of the input image, pixels.
        weights: where the numbers come from.

    The input is called ``input`` and has shape (batch, channels, size, size), float32.
    """

    def __init__(self, name: str, *, channels: int, size: int, weights: Weights) -> None:
        self._onnx = onnx_library()
        self._name, self._weights = name, weights
        self._shape: list[str | int] = [BATCH, channels, size, size]
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._channels = {"input": channels}
        self._rectified: set[str] = set()

    def channels(self, x: str) -> int:
        return self._channels[x]

    def conv(self, x: str, name: str, out: int, kernel: int, *, stride: int = 1, groups: int = 1) -> str:
        pad = (kernel - 1) // 2
        shape = (out, self._channels[x] // groups, kernel, kernel)
        constants = self._parameters(name, shape, x)
        return self._add(
            "Conv",
            [x, *constants],
            name,
            out,
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[pad] * 4,
            group=groups,
        )

    def relu(self, x: str) -> str:
        y = self._add("Relu", [x], f"{x}.relu", self._channels[x])
        self._rectified.add(y)
        return y

    def relu6(self, x: str) -> str:
        for name, value in (("zero", 0.0), ("six", 6.0)):
            if name not in self._channels:
                self._constant(name, np.array(value, dtype=np.float32))
                self._channels[name] = 0
        y = self._add("Clip", [x, "zero", "six"], f"{x}.relu6", self._channels[x])
        self._rectified.add(y)
        return y

    def add(self, a: str, b: str, name: str) -> str:
        return self._add("Add", [a, b], name, self._channels[a])

    def max_pool(self, x: str, name: str, kernel: int, stride: int) -> str:
        pad = (kernel - 1) // 2
        attributes = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4}
        y = self._add("MaxPool", [x], name, self._channels[x], **attributes)
        self._rectified.update({y} if x in self._rectified else ())
        return y

    def mean(self, x: str) -> str:
        pooled = self._add("GlobalAveragePool", [x], f"{x}.mean", self._channels[x])
        return self.flatten(pooled, self._channels[x])

    def flatten(self, x: str, features: int) -> str:
        return self._add("Flatten", [x], f"{x}.flat", features, axis=1)

    def dense(self, x: str, name: str, out: int) -> str:
        constants = self._parameters(name, (out, self._channels[x]), x)
        return self._add("Gemm", [x, *constants], name, out, transB=1)

    def finish(self, x: str, metadata: Mapping[str, str]) -> Any:
        """The ONNX model whose output, ``logits``, is ``x``; checked by onnx's own checker."""
        helper, proto = self._onnx.helper, self._onnx.TensorProto
        for node in self._nodes:
            node.output[:] = ["logits" if name == x else name for name in node.output]
        graph = helper.make_graph(
            self._nodes,
            self._name,
            [helper.make_tensor_value_info("input", proto.FLOAT, self._shape)],
            [helper.make_tensor_value_info("logits", proto.FLOAT, [BATCH, self._channels[x]])],
            self._constants,
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="gramwise",
        )
        helper.set_model_props(model, dict(metadata))
        self._onnx.checker.check_model(model)
        return model

    def _parameters(self, name: str, shape: tuple[int, ...], x: str) -> tuple[str, str]:
        weight, bias = self._weights(name, shape, x in self._rectified)
        if weight.shape != shape or bias.shape != shape[:1]:
            raise ValueError(f"{name}: weights of shape {weight.shape} and {bias.shape}, wanted {shape}")
        return self._constant(f"{name}.weight", weight), self._constant(f"{name}.bias", bias)

    def _constant(self, name: str, value: Array) -> str:
        self._constants.append(self._onnx.numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def _add(self, op: str, inputs: list[str], output: str, channels: int, **attributes: Any) -> str:
        self._nodes.append(self._onnx.helper.make_node(op, inputs, [output], name=output, **attributes))
        self._channels[output] = channels
        return output
