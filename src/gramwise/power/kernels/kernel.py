"""A kernel as the predictor sees it: the family it belongs to, its work, and the sizes that its speed depends on.

A kernel is one node of the graph that a runtime runs, after it fused and re-laid what it could. Kernels of one family
run the same code on the same type of numbers; within a family, time is a smooth function of the logarithms of sizes.
The features follow DeepEn2023 (height and width, channels in and out, kernel, stride) with what matters on a CPU
besides: the length of a row, the last dimension, and the bytes that the whole network touches. docs/method/kernels.md
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

Shape = tuple[int, ...]


class Kernel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One node of an optimised graph.

    Attributes:
        op: operator, with the last part of its domain before a dot when that is not ONNX's own.
        precision: type of its arithmetic, ``"fp32"``, ``"int8"`` ...
        inputs: shapes of the tensors it reads that were computed, in the order of the node.
        stored: shapes of the tensors it reads that are constants, in the order of the node.
        outputs: shapes of what it writes.
        read_bytes, stored_bytes, write_bytes: of those three.
        tensors: how many it reads and writes, constants without dimensions among them.
        network_bytes: bytes of all constants and all computed tensors of the network it runs in.
        given: it reads an input of the network, which no kernel has just written: it lies far from the processor.
        window: size of a window in values (9 for 3x3); 1 without one.
        stride: product over the axes.
        groups: of a convolution.
        channels_last: layout of images.
        axis: first axis of a contiguous stretch, for operators that join, cut or reduce; -1 the last.
        trans: which of two factors are transposed, 0 to 3 (first 1, second 2).
        variant: what else tells code apart: activation that was fused in, order of a transposition, ``"masked"`` for
            a softmax behind a mask (it meets exponentials too small for normal numbers, which are slow).
    """

    op: str
    precision: str
    inputs: tuple[Shape, ...]
    stored: tuple[Shape, ...]
    outputs: tuple[Shape, ...]
    read_bytes: float
    stored_bytes: float
    write_bytes: float
    tensors: int
    network_bytes: float
    given: bool = False
    window: int = 1
    stride: int = 1
    groups: int = 1
    channels_last: bool = False
    axis: int = -1
    trans: int = 0
    variant: str = ""


class Described(msgspec.Struct, frozen=True):
    """What `describe` says of a kernel.

    Attributes:
        family: kernels that run the same code: operator, what kind of it, precision.
        flop: floating or integer operations; one multiply-add is two.
        read_bytes, stored_bytes, write_bytes: as the kernel has them.
        features: by name, natural logarithms of sizes, and flags of 0 or 1.
    """

    family: str
    flop: float
    read_bytes: float
    stored_bytes: float
    write_bytes: float
    features: Mapping[str, float]


_CONVOLUTIONS = frozenset({"Conv", "FusedConv", "QLinearConv", "ConvInteger", "NhwcFusedConv"})
_PRODUCTS = frozenset(
    {
        "DynamicQuantizeMatMul",
        "FusedGemm",
        "FusedMatMul",
        "Gemm",
        "MatMul",
        "MatMulInteger",
        "MatMulIntegerToFloat",
        "QGemm",
        "QLinearMatMul",
    }
)
_WINDOWS = frozenset({"AveragePool", "MaxPool", "NhwcMaxPool", "QLinearAveragePool"})
_BLOCK = 16
"""Channels below which a convolution of the runtime's blocked layout reads plain images: a vector of fp32 values."""

_DEAR_ACTIVATIONS = ("Sigmoid", "Tanh", "HardSigmoid")


def describe(kernel: Kernel) -> Described:
    """Family, work and features of a kernel.

    Args:
        kernel: with at least one output.
    """
    bare = kernel.op.rsplit(".", 1)[-1]
    if bare in _CONVOLUTIONS and kernel.stored and len(kernel.outputs[0]) > 2:
        kind, flop, features = _convolution(kernel)
    elif bare in _PRODUCTS and (matrices := _matrices(kernel)) is not None:
        kind, flop, features = _product(kernel, *matrices)
    elif bare in _WINDOWS:
        kind, flop, features = _window(kernel)
    else:
        kind, flop, features = _other(kernel)
    features["network"] = _log(kernel.network_bytes)
    features["given"] = float(kernel.given)
    return Described(
        family=f"{kernel.op}/{kind}/{kernel.precision}",
        flop=flop,
        read_bytes=kernel.read_bytes,
        stored_bytes=kernel.stored_bytes,
        write_bytes=kernel.write_bytes,
        features=features,
    )


def _log(value: float) -> float:
    return math.log(max(value, 1.0))


def _image(shape: Shape, last: bool) -> tuple[int, int, int]:
    """Channels, places (with the batch), and length of a row."""
    if len(shape) < 3:
        return shape[-1], math.prod(shape[:-1]), 1
    channels = shape[-1] if last else shape[1]
    row = shape[-2] if last else shape[-1]
    return channels, math.prod(shape) // max(channels, 1), row


def _convolution(kernel: Kernel) -> tuple[str, float, dict[str, float]]:
    out, places, row = _image(kernel.outputs[0], kernel.channels_last)
    weight = kernel.stored[0]
    each = weight[1]
    channels = each * kernel.groups
    flop = 2.0 * places * out * each * kernel.window
    features = {
        "places": _log(places),
        "row": _log(row),
        "window": _log(kernel.window),
        "stride": _log(kernel.stride),
        "sum": float(len(kernel.inputs) > 1),
        "dear": float(kernel.variant in _DEAR_ACTIVATIONS),
        "bounded": float(bool(kernel.variant)),
        "out": _log(out),
    }
    # Whole blocks of channels and the rest are different code.
    ragged = "" if out % _BLOCK == 0 else "-narrow" if out < _BLOCK else "-ragged"
    features |= _evenness(out)
    if kernel.groups > 1 and each == 1:
        return f"depthwise{ragged}", flop, features
    features["channels"] = _log(each)
    features["uneven"] = float(each % 4 != 0)
    if kernel.groups > 1:
        return "grouped", flop, {**features, "groups": _log(kernel.groups)}
    kind = "point" if kernel.window == 1 else "spatial"
    return f"{'plain-' if channels < _BLOCK else ''}{kind}{ragged}", flop, features


def _evenness(columns: int) -> dict[str, float]:
    """How results fit vectors: rest columns are done one by one, or by fours."""
    return {"by_8": float(columns % 8 == 0), "by_4": float(columns % 4 == 0)}


def _matrices(kernel: Kernel) -> tuple[Shape, Shape] | None:
    """The two factors; None where they cannot be told."""
    tensors = [shape for shape in (*kernel.inputs, *kernel.stored) if len(shape) > 1]
    return (tensors[0], tensors[1]) if len(tensors) > 1 else None


def _product(kernel: Kernel, left: Shape, right: Shape) -> tuple[str, float, dict[str, float]]:
    deep = left[-2] if kernel.trans & 1 else left[-1]
    out = kernel.outputs[0]
    wide = out[-1]
    rows = out[-2] if len(out) > 1 else 1
    times = math.prod(out[:-2]) if len(out) > 2 else 1
    stored = len(kernel.inputs) == 1
    if stored and len(right) == 2:  # one product over all rows
        rows, times = rows * times, 1
    features = {
        "rows": _log(rows),
        "wide": _log(wide),
        "deep": _log(deep),
        "times": _log(times),
        "transposed": float(kernel.trans > 1),
        "dear": float(kernel.variant in _DEAR_ACTIVATIONS),
        "single": float(rows == 1),
        "ragged": float(wide % _BLOCK != 0),
        **_evenness(wide),
    }
    return ("stored" if stored else "computed"), 2.0 * times * rows * wide * deep, features


def _window(kernel: Kernel) -> tuple[str, float, dict[str, float]]:
    channels, places, row = _image(kernel.outputs[0], kernel.channels_last)
    features = {
        "places": _log(places),
        "row": _log(row),
        "channels": _log(channels),
        "window": _log(kernel.window),
        "stride": _log(kernel.stride),
    }
    return (
        ("window-last" if kernel.channels_last else "window"),
        float(places * channels * kernel.window),
        features,
    )


def _other(kernel: Kernel) -> tuple[str, float, dict[str, float]]:
    out = kernel.outputs[0]
    read = max(kernel.inputs, key=math.prod, default=())
    least = min((math.prod(shape) for shape in kernel.inputs), default=1)
    features = {
        "written": _log(math.prod(out)),
        "read": _log(math.prod(read)),
        "stretch": _log(math.prod(read[kernel.axis :]) if read else 1),
        "last": _log(out[-1] if out else 1),
        "inputs": _log(len(kernel.inputs)),
        "spread": float(len(kernel.inputs) > 1 and least < math.prod(read)),
    }
    layout = "-last" if kernel.channels_last else ""
    return f"{kernel.variant or 'any'}{layout}", float(math.prod(read)), features
