"""Which operators of a quantised graph run in integers.

A graph in QDQ form writes an int8 convolution as DequantizeLinear, Conv, QuantizeLinear. A runtime fuses the
three: int8 values travel, integers are multiplied, and no fp32 tensor is ever written. This module finds such
groups, so that their arithmetic counts as int8, their traffic as int8 bytes and the absorbed operators as
nothing. Source: ONNX operator documentation, QuantizeLinear; onnxruntime documentation, "Quantize ONNX
models", tensor-oriented format.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

QUANTISE = frozenset({"QuantizeLinear", "com.microsoft.QuantizeLinear"})
DEQUANTISE = frozenset({"DequantizeLinear", "com.microsoft.DequantizeLinear"})
CONVERSIONS = QUANTISE | DEQUANTISE
_RECTIFIERS = frozenset({"Relu", "Clip"})


class Step(NamedTuple):
    """A node as this module sees it: operator, activations it reads, tensors it writes."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class Fusion(NamedTuple):
    """What the runtime will fuse.

    Attributes:
        integer: positions of operators whose arithmetic is integer, with the quantised tensor that feeds
            each.
        absorbed: positions of Quantize- and DequantizeLinear that cost nothing of their own.
        carried: fp32 tensors that are never written, each with the quantised tensor that travels instead.
    """

    integer: Mapping[int, str]
    absorbed: frozenset[int]
    carried: Mapping[str, str]


def fuse(steps: Sequence[Step], graph_outputs: Sequence[str]) -> Fusion:
    """Find the operators between DequantizeLinear and QuantizeLinear.

    Args:
        steps: the graph's nodes in order, constants left out.
        graph_outputs: tensors that leave the graph, which must therefore exist as they are.

    Returns:
        The operators that become integer ones: all their activations come out of DequantizeLinear, and their
            only
        output goes into one QuantizeLinear and nowhere else. One Relu or Clip before that QuantizeLinear
        keeps the arithmetic integer, but its fp32 tensors are counted as written.
    """
    producer = {name: i for i, step in enumerate(steps) for name in step.outputs}
    readers: dict[str, list[int]] = {name: [] for name in producer}
    for i, step in enumerate(steps):
        for name in step.inputs:
            readers.setdefault(name, []).append(i)
    leaving = frozenset(graph_outputs)

    def only_reader(i: int) -> int | None:
        outputs = steps[i].outputs
        if len(outputs) != 1 or outputs[0] in leaving or len(readers[outputs[0]]) != 1:
            return None
        return readers[outputs[0]][0]

    integer: dict[int, str] = {}
    absorbed: set[int] = set()
    carried: dict[str, str] = {}
    for i, step in enumerate(steps):
        sources = [producer.get(name) for name in step.inputs]
        if (
            not sources
            or step.op in QUANTISE
            or any(s is None or steps[s].op not in DEQUANTISE for s in sources)
        ):
            continue
        after = only_reader(i)
        behind = steps[sources[0] or 0].inputs
        if after is None or not behind:
            continue
        if steps[after].op in QUANTISE:
            integer[i] = behind[0]
            absorbed.add(after)
            carried[step.outputs[0]] = steps[after].outputs[0]
        elif steps[after].op in _RECTIFIERS:
            last = only_reader(after)
            if last is not None and steps[last].op in QUANTISE:
                integer[i] = behind[0]
    for i, step in enumerate(steps):
        used = readers.get(step.outputs[0], []) if step.outputs else []
        if step.op not in DEQUANTISE or not step.inputs or leaving.intersection(step.outputs):
            continue
        if used and all(reader in integer for reader in used):
            absorbed.add(i)
            carried[step.outputs[0]] = step.inputs[0]
    return Fusion(integer, frozenset(absorbed), carried)
