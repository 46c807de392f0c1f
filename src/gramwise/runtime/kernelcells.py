"""What calibration measures: small cells of operators, their sizes drawn log-uniformly from what networks use.

A cell is a few operators that networks put one after the other, so that onnxruntime fuses and re-lays them as it does
in a network; several cells side by side make a rack, one model that is timed kernel by kernel. A cell is a kind and
numbers, so that another one can be drawn near it: where the prediction is worst, more is measured, as nn-Meter does
(Zhang et al., "nn-Meter", MobiSys 2021, section 4.3).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from gramwise.runtime.kernelgraphs import Sketch


@dataclass(frozen=True, slots=True)
class Cell:
    """A kind of cell and its numbers, by the names that `RANGES` gives them."""

    kind: str
    numbers: Mapping[str, int]


Range = tuple[int, int, int]
"""Least, greatest, and what it is mostly a multiple of."""

_IMAGE: dict[str, Range] = {"size": (4, 160, 1), "channels": (8, 1024, 8)}
_SEQUENCE: dict[str, Range] = {"length": (1, 256, 1), "width": (64, 1024, 32)}

RANGES: dict[str, dict[str, Range]] = {
    "stem": {
        "size": (24, 224, 4),
        "channels": (1, 4, 1),
        "out": (8, 96, 8),
        "kernel": (3, 11, 1),
        "stride": (1, 4, 1),
    },
    "patches": {"size": (4, 16, 1), "out": (64, 768, 32), "kernel": (8, 32, 8)},
    "point": {**_IMAGE, "out": (8, 1536, 8), "stride": (1, 2, 1)},
    "conv": {**_IMAGE, "out": (8, 640, 8), "kernel": (3, 5, 1), "stride": (1, 2, 1)},
    "depthwise": {**_IMAGE, "kernel": (3, 7, 1), "stride": (1, 2, 1)},
    "grouped": {**_IMAGE, "groups": (2, 32, 1), "stride": (1, 2, 1)},
    "residual": {**_IMAGE, "inner": (8, 512, 8), "kernel": (1, 3, 1)},
    "gate": {**_IMAGE, "inner": (4, 64, 4)},
    "pool": {**_IMAGE, "kernel": (2, 3, 1), "stride": (1, 2, 1)},
    "join": {**_IMAGE, "other": (8, 512, 8), "out": (8, 256, 8)},
    "upsample": {"size": (4, 64, 1), "channels": (8, 512, 8), "out": (8, 256, 8)},
    "head": {**_IMAGE, "out": (4, 2048, 1)},
    "dense": {"length": (1, 4, 1), "width": (32, 16384, 32), "out": (4, 4096, 4)},
    "linear": {**_SEQUENCE, "out": (8, 4096, 8)},
    "feed": {**_SEQUENCE, "inner": (64, 4096, 32)},
    "attention": {"length": (4, 256, 1), "heads": (1, 12, 1), "each": (16, 96, 16)},
    "norm": {**_SEQUENCE},
    "embed": {**_SEQUENCE, "vocabulary": (100, 10000, 1)},
}
"""Numbers of each kind of cell."""

_ACTS = ("relu", "relu6", "none", "silu", "hardswish", "gelu")
_MOST_FLOP = 8e8
_MOST_BYTES = 24e6
_MOST_WEIGHTS_BYTES = 80e6
_ROUND_SHARE = 0.75
"""How many sizes are multiples of what networks mostly round to, and how many of those of twice that; the others are
whatever comes."""


def draw(kind: str, rng: np.random.Generator, scale: float = 1.0) -> Cell:
    """A cell of ``kind`` with sizes drawn log-uniformly, none too large to be timed often.

    It is the larger of two draws: networks spend their time in large kernels, and sizes that are each drawn
    log-uniformly seldom are large together.

    Args:
        kind: key of `RANGES`.
        rng: source of chance.
        scale: share of the largest FLOP and bytes that is allowed, 0 to 1.
    """
    found: list[Cell] = []
    while len(found) < 2:
        numbers = {name: _pick(rng, *of) for name, of in RANGES[kind].items()}
        cell = Cell(kind, {**numbers, "act": int(rng.integers(0, 64))})
        if _fits(cell, scale):
            found.append(cell)
    return max(found, key=_cost)


def near(cell: Cell, rng: np.random.Generator) -> Cell:
    """A cell of the same kind, each size within a factor of 1.5."""
    for _ in range(100):
        numbers = {}
        for name, (least, most, step) in RANGES[cell.kind].items():
            value = cell.numbers[name] * math.exp(rng.uniform(-0.4, 0.4))
            numbers[name] = _rounded(rng, value, least, most, step)
        found = Cell(cell.kind, {**numbers, "act": int(rng.integers(0, 64))})
        if _fits(found, 1.0):
            return found
    return cell


def _pick(rng: np.random.Generator, least: int, most: int, step: int) -> int:
    return _rounded(rng, math.exp(rng.uniform(math.log(least), math.log(most + 0.5))), least, most, step)


def _rounded(rng: np.random.Generator, value: float, least: int, most: int, step: int) -> int:
    unit = 1
    if rng.random() < _ROUND_SHARE:
        unit = 2 * step if step > 1 and value >= 4 * step and rng.random() < _ROUND_SHARE else step
    return int(min(most, max(least, round(value / unit) * unit)))


def _fits(cell: Cell, scale: float) -> bool:
    flop, moved = _cost(cell)
    most_bytes = _MOST_WEIGHTS_BYTES if cell.kind == "dense" else _MOST_BYTES
    return flop <= _MOST_FLOP * scale and moved <= most_bytes * scale


def _cost(cell: Cell) -> tuple[float, float]:
    """FLOP and bytes of the largest operator, roughly: only to keep cells small enough."""
    n = {"size": 1, "length": 1, "width": 1, "channels": 1, "kernel": 1, "stride": 1, **cell.numbers}
    if cell.kind == "attention":
        width = n["heads"] * n["each"]
        return (
            2.0 * n["length"] * width * max(width, n["length"]),
            4.0 * (width * width * 4 + n["heads"] * n["length"] ** 2),
        )
    if cell.kind == "patches":
        n["channels"], n["stride"] = 3, 1
    if cell.kind == "embed":
        return 0.0, 4.0 * n["vocabulary"] * n["width"]
    deep = n["channels"] * n["width"]
    if cell.kind in ("depthwise", "pool"):
        deep, wide = 1, n["channels"]
    elif cell.kind == "grouped":
        # Rounded up to a multiple of the groups when it is written.
        deep, wide, n["kernel"] = math.ceil(n["channels"] / n["groups"]), n["channels"], 3
    else:
        wide = max(n.get("out", 1), n.get("inner", 1), n.get("other", 1))
    rows = n["length"] * (n["size"] / (n["stride"] if cell.kind != "stem" else 1)) ** 2
    if cell.kind == "upsample":
        rows *= 4 * 9
    if cell.kind == "join":
        rows *= 9
    weights = deep * wide * n["kernel"] ** 2
    acts = n["length"] * n["size"] ** 2 * max(n["channels"], n["width"], wide)
    if cell.kind == "patches":
        acts = 3 * (n["size"] * n["kernel"]) ** 2
    return 2.0 * rows * weights, 4.0 * (weights + acts)


def emit(cell: Cell, s: Sketch) -> None:
    """Write a cell into a sketch, with inputs of its own and one output of a single value."""
    y = _WRITERS[cell.kind](s, cell.numbers)
    # A single value out, so that the size of outputs, which leave the runtime, plays no part.
    s.output(s.op("ReduceMax", [y], (), keepdims=0))


def _act(s: Sketch, x: str, n: Mapping[str, int], kinds: tuple[str, ...] = _ACTS[:5]) -> str:
    return s.act(x, kinds[n["act"] % len(kinds)])


def _odd(kernel: int) -> int:
    return kernel | 1


def _image(s: Sketch, n: Mapping[str, int]) -> str:
    return s.input(1, n["channels"], n["size"], n["size"])


def _computed(s: Sketch, n: Mapping[str, int]) -> str:
    """An image that a convolution made, as tensors inside networks are: in the runtime's layout."""
    x = s.input(1, 8, n["size"], n["size"])
    return s.conv(x, n["channels"], 1)


def _stem(s: Sketch, n: Mapping[str, int]) -> str:
    return _act(s, s.conv(_image(s, n), n["out"], _odd(n["kernel"]), stride=n["stride"]), n)


def _patches(s: Sketch, n: Mapping[str, int]) -> str:
    side, out, k = n["size"], n["out"], n["kernel"]
    image = s.input(1, 3, side * k, side * k)
    weight = s.weight(out, 3, k, k, fan_in=3 * k * k)
    x = s.op("Conv", [image, weight], (1, out, side, side), kernel_shape=[k] * 2, strides=[k] * 2)
    return s.transpose(s.reshape(x, 1, out, side * side), 0, 2, 1)


def _point(s: Sketch, n: Mapping[str, int]) -> str:
    return _act(s, s.conv(_image(s, n), n["out"], 1, stride=n["stride"]), n)


def _conv(s: Sketch, n: Mapping[str, int]) -> str:
    return _act(s, s.conv(_image(s, n), n["out"], _odd(n["kernel"]), stride=n["stride"]), n)


def _depthwise(s: Sketch, n: Mapping[str, int]) -> str:
    c = n["channels"]
    return _act(s, s.conv(_image(s, n), c, _odd(n["kernel"]), stride=n["stride"], groups=c), n)


def _grouped(s: Sketch, n: Mapping[str, int]) -> str:
    groups = n["groups"]
    channels = math.ceil(n["channels"] / groups) * groups
    x = s.input(1, channels, n["size"], n["size"])
    return _act(s, s.conv(x, channels, 3, stride=n["stride"], groups=groups), n)


def _residual(s: Sketch, n: Mapping[str, int]) -> str:
    x = _computed(s, n)
    y = s.act(s.conv(x, n["inner"], 1), "relu")
    y = s.conv(y, n["channels"], _odd(n["kernel"]))
    y = s.same("Add", x, y)
    return _act(s, y, n, ("relu", "none"))


def _gate(s: Sketch, n: Mapping[str, int]) -> str:
    kinds = ("relu", "relu6", "silu", "hardswish")
    x = _act(s, _computed(s, n), n, kinds)
    return s.conv(s.gate(x, n["inner"]), 8, 1)


def _pool(s: Sketch, n: Mapping[str, int]) -> str:
    kind = ("MaxPool", "AveragePool")[n["act"] % 2]
    y = s.pool(_act(s, _computed(s, n), n, ("relu", "none")), kind, n["kernel"], n["stride"])
    return s.conv(y, 8, 1) if n["act"] % 3 else y


def _join(s: Sketch, n: Mapping[str, int]) -> str:
    a = s.act(_computed(s, n), "relu")
    b = s.act(s.conv(s.input(1, 8, n["size"], n["size"]), n["other"], 1), "relu")
    return s.act(s.conv(s.concat([a, b], 1), n["out"], _odd(n["act"] % 4)), "relu")


def _upsample(s: Sketch, n: Mapping[str, int]) -> str:
    return s.act(s.conv(s.upsample(s.act(_computed(s, n), "relu")), n["out"], 3), "relu")


def _head(s: Sketch, n: Mapping[str, int]) -> str:
    x = s.flatten(s.mean(s.act(_computed(s, n), "relu")))
    return s.gemm(x, n["out"])


def _dense(s: Sketch, n: Mapping[str, int]) -> str:
    return _act(s, s.gemm(s.input(n["length"], n["width"]), n["out"]), n, ("none", "relu"))


def _linear(s: Sketch, n: Mapping[str, int]) -> str:
    return s.linear(s.input(1, n["length"], n["width"]), n["out"], bias=bool(n["act"] % 4))


def _feed(s: Sketch, n: Mapping[str, int]) -> str:
    x = s.input(1, n["length"], n["width"])
    kind = _ACTS[n["act"] % 2 * 5]  # relu or gelu
    y = s.linear(s.act(s.linear(x, n["inner"]), kind), n["width"])
    return s.norm(s.same("Add", y, x))


def _attention(s: Sketch, n: Mapping[str, int]) -> str:
    x = s.input(1, n["length"], n["heads"] * n["each"])
    y = s.attention(x, n["heads"], causal=bool(n["act"] % 2))
    return s.norm(s.same("Add", y, x)) if n["act"] % 4 < 2 else s.same("Add", y, x)


def _norm(s: Sketch, n: Mapping[str, int]) -> str:
    x = s.norm(s.input(1, n["length"], n["width"]))
    y = s.same("Add", x, s.weight(1, n["length"], n["width"], fan_in=2))
    return s.same("Add", y, s.norm(y))


def _embed(s: Sketch, n: Mapping[str, int]) -> str:
    words = s.words(1, n["length"], vocabulary=n["vocabulary"])
    table = s.weight(n["vocabulary"], n["width"], fan_in=2)
    x = s.op("Gather", [table, words], (1, n["length"], n["width"]), axis=0)
    return s.same("Add", x, s.weight(1, n["length"], n["width"], fan_in=2))


_WRITERS: dict[str, Callable[[Sketch, Mapping[str, int]], str]] = {
    "stem": _stem,
    "patches": _patches,
    "point": _point,
    "conv": _conv,
    "depthwise": _depthwise,
    "grouped": _grouped,
    "residual": _residual,
    "gate": _gate,
    "pool": _pool,
    "join": _join,
    "upsample": _upsample,
    "head": _head,
    "dense": _dense,
    "linear": _linear,
    "feed": _feed,
    "attention": _attention,
    "norm": _norm,
    "embed": _embed,
}
