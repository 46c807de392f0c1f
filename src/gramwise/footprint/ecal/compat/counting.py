"""Counting a network by calflops' rules, from a description or from a file, without PyTorch.

The rules that matter, found by counting with calflops 0.3.2: a linear layer is 2 in out and its bias is free; a
convolution is two FLOP a multiply-add and one an output for its bias; batch normalisation is 2 an element, a rectifier
1; a pooling is 1 an *input* element, whatever its window; a sum written as ``+`` and a
ReLU6 are not seen. They differ from
`gramwise.graph`'s own, which count products only there, and from each other in spirit: this is for compat mode.

The zoo's networks fold batch normalisation into the convolution before it. ``folded`` counts them as torchvision lays
them out: a convolution without bias, followed by a normalisation.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from gramwise.core.errors import ConfigError, UnknownOperator
from gramwise.core.model import Layer, ModelGraph
from gramwise.graph.zoo import mobilenetv2, resnet18, resnet50
from gramwise.graph.zoo.emit import Layers

_ELEMENT_BYTES = {"fp64": 8, "fp32": 4, "fp16": 2, "int8": 1}
_FREE = frozenset({"Add", "Clip", "Flatten", "Reshape", "Identity", "Dropout", "Squeeze", "Unsqueeze"})
_POOLS = frozenset({"MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"})


def count(graph: ModelGraph, *, folded: bool = False) -> int:
    """FLOP of a network's forward pass by calflops' rules.

    Args:
        graph: from `gramwise.graph.load.load_graph`, at the batch that is asked for.
        folded: its convolutions hold a batch normalisation each, see above.

    Raises:
        UnknownOperator: an operator for which no rule was checked against calflops; names the layer.
    """
    return sum(_layer(graph, layer, folded) for layer in graph.layers)


def _layer(graph: ModelGraph, layer: Layer, folded: bool) -> int:
    def elements(name: str) -> int:
        return graph.tensor_bytes[name] // _ELEMENT_BYTES[layer.precision]

    if layer.op in ("Gemm", "MatMul"):
        return round(layer.work.flop)
    if layer.op == "Conv":
        extra = 2 if folded else len(layer.constants) - 1
        return round(layer.work.flop) + extra * elements(layer.outputs[0])
    if layer.op == "BatchNormalization":
        return 2 * elements(layer.inputs[0])
    if layer.op == "Relu":
        return elements(layer.outputs[0])
    if layer.op in _POOLS:
        return elements(layer.inputs[0])
    if layer.op in _FREE:
        return 0
    raise UnknownOperator(f"{layer.name}: no rule for {layer.op} was checked against calflops.")


_NETWORKS: dict[str, Callable[[Layers], str]] = {
    "resnet18": lambda net: resnet18.emit(net, classes=1000),
    "resnet50": lambda net: resnet50.emit(net, classes=1000),
    "mobilenet_v2": lambda net: mobilenetv2.emit(net, width=1.0, classes=1000),
}


def torchvision_flop(name: str, shape: tuple[int, ...]) -> int:
    """FLOP of a torchvision network by calflops' rules, from the zoo's own description: nothing is built.

    Args:
        name: ``resnet18``, ``resnet50`` or ``mobilenet_v2``.
        shape: of the input, (batch, 3, height, width), at least 32 by 32; the batch multiplies the count.

    Raises:
        ConfigError: another shape.
    """
    if len(shape) != 4 or shape[1] != 3 or min(shape[2:]) < 32:
        raise ConfigError(
            f"{name} reads (batch, 3, height, width) from 32 pixels on, not {list(shape)}.",
            key="INPUT_SIZE",
            fix="Write [1, 3, 224, 224].",
        )
    tally = _Tally(shape[2], shape[3])
    _NETWORKS[name](tally)
    return shape[0] * tally.flop


class _Tally:
    """`Layers` that sums FLOP instead of writing a network."""

    def __init__(self, height: int, width: int) -> None:
        self.flop = 0
        self._shape = {"input": (3, height, width)}

    def channels(self, x: str) -> int:
        return self._shape[x][0]

    def conv(self, x: str, name: str, out: int, kernel: int, *, stride: int = 1, groups: int = 1) -> str:
        channels = self.channels(x)
        self._window(x, name, kernel, stride, out)
        products = channels // groups * kernel * kernel
        self.flop += (2 * products + 2) * self._elements(name)  # the normalisation is two an element
        return name

    def relu(self, x: str) -> str:
        self.flop += self._elements(x)
        return x

    def relu6(self, x: str) -> str:
        return x

    def add(self, a: str, b: str, name: str) -> str:
        self._shape[name] = self._shape[a]
        return name

    def max_pool(self, x: str, name: str, kernel: int, stride: int) -> str:
        self.flop += self._elements(x)
        return self._window(x, name, kernel, stride, self.channels(x))

    def mean(self, x: str) -> str:
        self.flop += self._elements(x)
        self._shape[f"{x}.mean"] = (self.channels(x), 1, 1)
        return f"{x}.mean"

    def flatten(self, x: str, features: int) -> str:
        self._shape[f"{x}.flat"] = (features, 1, 1)
        return f"{x}.flat"

    def dense(self, x: str, name: str, out: int) -> str:
        self.flop += 2 * self.channels(x) * out
        self._shape[name] = (out, 1, 1)
        return name

    def _window(self, x: str, name: str, kernel: int, stride: int, out: int) -> str:
        _, height, width = self._shape[x]
        pad = (kernel - 1) // 2
        self._shape[name] = (
            out,
            (height + 2 * pad - kernel) // stride + 1,
            (width + 2 * pad - kernel) // stride + 1,
        )
        return name

    def _elements(self, x: str) -> int:
        return math.prod(self._shape[x])
