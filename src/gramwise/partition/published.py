"""The published partitioner (AMP4EC, arXiv 2504.00407), kept as it is: its layer cost and its fill.

The cost of a layer is its Equation 5, as CarbonEdge (arXiv 2603.27420) repeats it and as the public code has it
(github.com/cloudNativeAiops/adaptive-edge-computing-framework, commit 572ab1c): ``kh kw Cin Cout`` of a convolution,
``Nin Nout`` of a linear layer, the parameter count of anything else. Groups and the size of the output do not occur in
it, which is what it gets wrong: docs/method/partition-baselines.md. These formulas exist to be compared with, not to be
built upon.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gramwise.core.model import Layer, ModelGraph

if TYPE_CHECKING:
    from gramwise.core.decision import Floats

_CONVOLUTIONS = frozenset({"Conv", "ConvInteger", "QLinearConv"})
"""What PyTorch's Conv2d becomes."""

_LINEAR = frozenset({"Gemm", "MatMul", "MatMulInteger", "QLinearMatMul"})
"""What PyTorch's Linear becomes."""

_LEARNED_FRAC: Mapping[str, float] = {
    "BatchNormalization": 0.5,  # scale and shift; mean and variance are buffers in PyTorch, not parameters
    "Conv": 1.0,
    "ConvTranspose": 1.0,
    "GRU": 1.0,
    "Gather": 1.0,
    "GroupNormalization": 1.0,
    "InstanceNormalization": 1.0,
    "LSTM": 1.0,
    "LayerNormalization": 1.0,
    "PRelu": 1.0,
    "RNN": 1.0,
}
"""Share of an operator's constants that are parameters of a PyTorch module. Other constants, such as the limits of a
Clip or the shape of a Reshape, are arguments of a call and count as nothing there."""


def equation_5(kernel: Sequence[int], groups: int, parameters: float) -> float:
    """The published cost of a module, without a unit.

    Args:
        kernel: stored weights: (out, in / groups, height, width) of a two-dimensional convolution, two numbers for a
            linear layer, empty for anything else.
        groups: of a convolution. They take no part: a depthwise one is charged as if every channel met every other.
        parameters: learned numbers, the cost of anything else.
    """
    if len(kernel) == 4:
        out, per_group, height, width = kernel
        return float(height * width * per_group * groups * out)
    return float(math.prod(kernel)) if len(kernel) == 2 else float(parameters)


def layer_cost(layer: Layer, constant_bytes: Mapping[str, int]) -> float:
    """Equation 5 of one layer; of a merged one, that of the member that has the kernel.

    A merged layer keeps only that kernel. In networks for images the others are activations and additions, which have
    no parameters, or a BatchNormalization, whose 2 C parameters are 1 in 4320 beside the 9 C C of a depthwise
    convolution of 960 channels. Of a block with several products that a runtime makes one operator of, such as
    attention, only the largest counts.

    Args:
        layer: with ``kernel``, ``groups`` and ``constants``.
        constant_bytes: size of each constant.
    """
    ops = layer.op.split("+")
    formula = {4: _CONVOLUTIONS, 2: _LINEAR}.get(len(layer.kernel), frozenset[str]())
    learned_frac = max((_LEARNED_FRAC.get(op, 0.0) for op in ops), default=0.0)
    stored = sum(constant_bytes[name] for name in layer.constants) / _element_bytes(layer.precision)
    return equation_5(layer.kernel if formula.intersection(ops) else (), layer.groups, learned_frac * stored)


def layer_costs(graph: ModelGraph) -> Floats:
    """Equation 5 of every layer of a graph, (n,)."""
    return np.array([layer_cost(layer, graph.constant_bytes) for layer in graph.layers], dtype=np.float64)


def fill(costs: Iterable[float], parts: int) -> tuple[int, ...]:
    """The published fill: layers from left to right, a part closed as soon as it has total / parts.

    Nothing balances what is left, so the last part is whatever remains, and there may be fewer parts than asked for.
    The public code opens one part too many where nothing but free layers remains after the last; here they join it.

    Args:
        costs: of each layer in order.
        parts: how many are asked for, at least 1.

    Returns:
        Number of layers of each part.
    """
    costs = tuple(costs)
    target = math.fsum(costs) / parts
    sizes, part, cost = [0] * parts, 0, 0.0
    for each in costs:
        sizes[part] += 1
        cost += each
        if cost >= target and part < parts - 1:
            part, cost = part + 1, 0.0
    return tuple(size for size in sizes if size)


def contiguous(sizes: Sequence[int]) -> tuple[int, ...]:
    """Placement of runs of layers: the first run on node 0, the next on node 1, and so on.

    Args:
        sizes: number of layers of each run.

    Returns:
        Node of each layer.
    """
    return tuple(node for node, size in enumerate(sizes) for _ in range(size))


def _element_bytes(precision: str) -> float:
    """Bytes of an element: the digits of a precision's name are its bits (``fp32``, ``bf16``, ``int8``)."""
    bits = "".join(filter(str.isdigit, precision))
    return int(bits) / 8 if bits else 1.0
