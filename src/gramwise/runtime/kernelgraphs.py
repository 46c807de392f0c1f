"""Writing small networks as ONNX for measuring kernels: a sketch pad of operators with seeded random weights.

`gramwise.graph.zoo.emit` writes feed-forward image networks; kernels need more operators (attention, normalisation,
gates, re-sampling) and tensors of any rank, and no names that mean anything.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gramwise.graph.library import onnx_library
from gramwise.graph.zoo.emit import IR_VERSION, OPSET

if TYPE_CHECKING:
    import numpy.typing as npt


class Sketch:
    """A network under construction; every method takes and returns tensor names and knows the shapes.

    Args:
        seed: of the random weights.
        name: of the graph.

    Attributes:
        shapes: of every tensor, by name; all dimensions are fixed.
        feeds: random values of every input, by name.
    """

    def __init__(self, seed: int = 0, name: str = "sketch") -> None:
        self._onnx = onnx_library()
        self._rng = np.random.default_rng(seed)
        self._name = name
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[str] = []
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.feeds: dict[str, npt.NDArray[Any]] = {}

    def input(self, *shape: int) -> str:
        """A float32 input of normal values."""
        return self._input(self._rng.standard_normal(shape, dtype=np.float32), "FLOAT")

    def words(self, *shape: int, vocabulary: int) -> str:
        """An int64 input of numbers below ``vocabulary``."""
        return self._input(self._rng.integers(0, vocabulary, shape, dtype=np.int64), "INT64")

    def _input(self, value: npt.NDArray[Any], kind: str) -> str:
        name = f"x{len(self._inputs)}"
        proto = getattr(self._onnx.TensorProto, kind)
        self._inputs.append(self._onnx.helper.make_tensor_value_info(name, proto, value.shape))
        self.feeds[name], self.shapes[name] = value, value.shape
        return name

    def constant(self, value: npt.ArrayLike, kind: type[np.generic] = np.float32) -> str:
        """A stored tensor."""
        array = np.asarray(value, dtype=kind, order="C")
        name = f"c{len(self._constants)}"
        self._constants.append(self._onnx.numpy_helper.from_array(array, name))
        self.shapes[name] = array.shape
        return name

    def weight(self, *shape: int, fan_in: int) -> str:
        """Stored normal values of variance ``2 / fan_in`` (He et al., ICCV 2015, eq. 10)."""
        values = self._rng.standard_normal(shape, dtype=np.float32)
        return self.constant(values * np.float32(math.sqrt(2.0 / fan_in)))

    def op(self, kind: str, inputs: Sequence[str], shape: Sequence[int], **attributes: Any) -> str:
        """One operator with one output of the given shape."""
        return self.ops(kind, inputs, [shape], **attributes)[0]

    def ops(
        self, kind: str, inputs: Sequence[str], shapes: Sequence[Sequence[int]], **attributes: Any
    ) -> list[str]:
        """One operator with an output for each shape."""
        stem = f"n{len(self._nodes)}"
        names = [f"{stem}o{i}" for i in range(len(shapes))]
        self._nodes.append(self._onnx.helper.make_node(kind, list(inputs), names, name=stem, **attributes))
        self.shapes.update({name: tuple(shape) for name, shape in zip(names, shapes, strict=True)})
        return names

    def same(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """An operator by element; dimensions of size 1 spread."""
        shape = np.broadcast_shapes(*(self.shapes[name] for name in inputs))
        return self.op(kind, inputs, shape, **attributes)

    def conv(self, x: str, out: int, kernel: int, *, stride: int = 1, groups: int = 1) -> str:
        """A square convolution with bias, padded by ``(kernel - 1) // 2`` on every side."""
        batch, channels, height, width = self.shapes[x]
        pad = (kernel - 1) // 2
        fan_in = channels // groups * kernel * kernel
        weight = self.weight(out, channels // groups, kernel, kernel, fan_in=fan_in)
        size = [(d + 2 * pad - kernel) // stride + 1 for d in (height, width)]
        return self.op(
            "Conv",
            [x, weight, self.constant(np.zeros(out))],
            (batch, out, *size),
            kernel_shape=[kernel] * 2,
            strides=[stride] * 2,
            pads=[pad] * 4,
            group=groups,
        )

    def act(self, x: str, kind: str) -> str:
        """An activation as exporters write it: ``none relu relu6 silu hardswish sigmoid tanh gelu``."""
        if kind == "none":
            return x
        if kind == "relu6":
            return self.op("Clip", [x, self.constant(0.0), self.constant(6.0)], self.shapes[x])
        if kind == "silu":
            return self.same("Mul", x, self.same("Sigmoid", x))
        if kind == "hardswish":
            return self.same("HardSwish", x)
        if kind == "gelu":
            inner = self.same("Erf", self.same("Div", x, self.constant(math.sqrt(2.0))))
            gate = self.same("Mul", x, self.same("Add", inner, self.constant(1.0)))
            return self.same("Mul", gate, self.constant(0.5))
        return self.same({"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh"}[kind], x)

    def pool(self, x: str, kind: str, kernel: int, stride: int) -> str:
        """``MaxPool`` or ``AveragePool``, padded as `conv`."""
        batch, channels, height, width = self.shapes[x]
        pad = (kernel - 1) // 2
        size = [(d + 2 * pad - kernel) // stride + 1 for d in (height, width)]
        return self.op(
            kind,
            [x],
            (batch, channels, *size),
            kernel_shape=[kernel] * 2,
            strides=[stride] * 2,
            pads=[pad] * 4,
        )

    def mean(self, x: str) -> str:
        """Mean over height and width, which stay as ones."""
        return self.op("GlobalAveragePool", [x], (*self.shapes[x][:2], 1, 1))

    def gate(self, x: str, inner: int, last: str = "sigmoid") -> str:
        """Squeeze and excitation (Hu et al., CVPR 2018): channels weighed by their means."""
        squeezed = self.act(self.conv(self.mean(x), inner, 1), "relu")
        return self.same("Mul", x, self.act(self.conv(squeezed, self.shapes[x][1], 1), last))

    def flatten(self, x: str) -> str:
        """All but the first dimension made one."""
        shape = self.shapes[x]
        return self.op("Flatten", [x], (shape[0], math.prod(shape[1:])), axis=1)

    def gemm(self, x: str, out: int) -> str:
        """A fully connected layer on a matrix, with bias."""
        rows, width = self.shapes[x]
        inputs = [x, self.weight(out, width, fan_in=width), self.constant(np.zeros(out))]
        return self.op("Gemm", inputs, (rows, out), transB=1)

    def linear(self, x: str, out: int, *, bias: bool = True) -> str:
        """A product with a stored matrix over the last dimension, and a bias."""
        *rows, width = self.shapes[x]
        y = self.op("MatMul", [x, self.weight(width, out, fan_in=2 * width)], (*rows, out))
        return self.same("Add", y, self.constant(np.zeros(out))) if bias else y

    def matmul(self, a: str, b: str) -> str:
        """A product of two computed tensors."""
        return self.op("MatMul", [a, b], (*self.shapes[a][:-1], self.shapes[b][-1]))

    def norm(self, x: str) -> str:
        """Layer normalisation over the last dimension."""
        width = self.shapes[x][-1]
        scale, bias = self.constant(np.ones(width)), self.constant(np.zeros(width))
        return self.op("LayerNormalization", [x, scale, bias], self.shapes[x], axis=-1)

    def softmax(self, x: str) -> str:
        """Over the last dimension."""
        return self.same("Softmax", x, axis=-1)

    def reshape(self, x: str, *shape: int) -> str:
        """The same values in another shape."""
        return self.op("Reshape", [x, self.constant(shape, np.int64)], shape)

    def transpose(self, x: str, *order: int) -> str:
        """Dimensions in another order."""
        return self.op("Transpose", [x], [self.shapes[x][i] for i in order], perm=list(order))

    def concat(self, xs: Sequence[str], axis: int) -> str:
        """Tensors one after the other along ``axis``."""
        shape = list(self.shapes[xs[0]])
        shape[axis] = sum(self.shapes[x][axis] for x in xs)
        return self.op("Concat", xs, shape, axis=axis)

    def split(self, x: str, parts: int, axis: int) -> list[str]:
        """``parts`` equal parts along ``axis``."""
        shape = list(self.shapes[x])
        shape[axis] //= parts
        sizes = self.constant([shape[axis]] * parts, np.int64)
        return self.ops("Split", [x, sizes], [shape] * parts, axis=axis)

    def upsample(self, x: str) -> str:
        """Height and width doubled, nearest."""
        batch, channels, height, width = self.shapes[x]
        scales = self.constant([1.0, 1.0, 2.0, 2.0])
        return self.op(
            "Resize",
            [x, "", scales],
            (batch, channels, 2 * height, 2 * width),
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )

    def attention(self, x: str, heads: int, *, causal: bool = False) -> str:
        """Scaled dot-product self-attention with its four projections (Vaswani et al., 2017), batch 1."""
        batch, length, width = self.shapes[x]
        size = width // heads

        def head(order: Sequence[int]) -> str:
            wide = self.reshape(self.linear(x, width), batch, length, heads, size)
            return self.transpose(wide, *order)

        q, k, v = head((0, 2, 1, 3)), head((0, 2, 3, 1)), head((0, 2, 1, 3))
        scores = self.same("Div", self.matmul(q, k), self.constant(math.sqrt(size)))
        if causal:
            scores = self.same("Add", scores, self.constant(np.triu(np.full((length, length), -1e4), 1)))
        seen = self.transpose(self.matmul(self.softmax(scores), v), 0, 2, 1, 3)
        return self.linear(self.reshape(seen, batch, length, width), width)

    def output(self, x: str) -> None:
        """Make ``x`` an output of the network."""
        self._outputs.append(x)

    def model(self) -> Any:
        """The network as an ``onnx.ModelProto``."""
        helper, kind = self._onnx.helper, self._onnx.TensorProto.FLOAT
        outputs = [helper.make_tensor_value_info(x, kind, self.shapes[x]) for x in self._outputs]
        graph = helper.make_graph(self._nodes, self._name, self._inputs, outputs, self._constants)
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="gramwise",
        )
