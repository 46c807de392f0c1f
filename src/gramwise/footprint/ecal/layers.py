"""What one forward pass takes, from the shapes of the layers: MLP, CNN, KAN, transformer, or an ONNX file.

One multiply-add is two FLOP; a bias adds one per output, a ReLU one per element, an inference-time batch norm two.
These are counts of a network as it is described, with every width, unlike the closed forms of the eCAL authors' tools
(see ``docs/method/ecal.md``, defects M1 to M5).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field

from gramwise.core.errors import ConfigError
from gramwise.core.model import ModelGraph
from gramwise.core.units import FLOP_PER_MAC

from .reading import CONFIG, Count, Flag, Number

SILU_FLOP = 4.0
"""x times the logistic function of x: exponential, addition, division, multiplication."""
SOFTMAX_FLOP = 5.0
"""Per score: scale, subtract the maximum, exponential, sum, divide."""
LAYER_NORM_FLOP = 7.0
"""Per element: mean 1, variance 2, normalise 2, scale and shift 2."""

Counts2 = Annotated[tuple[Count, Count], Field(strict=False)]
Numbers2 = Annotated[tuple[Number, Number], Field(strict=False)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What one forward pass of one sample takes.

    Attributes:
        name: for people.
        flop: FLOP.
        parameters: trained numbers; what an optimiser updates.
        moved_bytes: weights, inputs and outputs of every layer, each once.
        not_counted: what ``flop`` leaves out, in words.
    """

    name: str
    flop: float
    parameters: float
    moved_bytes: float
    not_counted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One layer: FLOP, trained numbers, and values that it reads and writes besides its weights."""

    flop: float
    parameters: float
    values: float


def network_of(name: str, costs: Iterable[Cost], value_bytes: float) -> Network:
    """Sum layers into a network; ``value_bytes`` is the size of one weight or activation."""
    rows = list(costs)
    parameters = math.fsum(c.parameters for c in rows)
    return Network(
        name=name,
        flop=math.fsum(c.flop for c in rows),
        parameters=parameters,
        moved_bytes=value_bytes * (parameters + math.fsum(c.values for c in rows)),
    )


def dense(inputs: int, outputs: int, *, bias: bool = True, activation: bool = True, rows: int = 1) -> Cost:
    """A fully connected layer on ``rows`` vectors: ``rows (2 in out + out [bias] + out [activation])``."""
    return Cost(
        flop=rows * (FLOP_PER_MAC * inputs * outputs + outputs * (bias + activation)),
        parameters=inputs * outputs + outputs * bias,
        values=rows * (inputs + outputs),
    )


def mlp(widths: Sequence[int], *, bias: bool = True) -> list[Cost]:
    """A multi-layer perceptron.

    Args:
        widths: of the input, of every hidden layer and of the output, (L + 1,).
        bias: whether layers have one. Every layer but the last ends in a ReLU.
    """
    last = len(widths) - 2
    return [dense(a, b, bias=bias, activation=i < last) for i, (a, b) in enumerate(pairwise(widths))]


def kan(widths: Sequence[int], grid: int, order: int = 3) -> list[Cost]:
    """A Kolmogorov-Arnold network of B-splines: a layer takes ``d_in d_out M_B + 4 d_in`` FLOP.

    ``M_B = 9 K (G + 1.5 K) + 2 G - 2.5 K + 3`` per edge (arXiv 2411.14904, section 3, as the eCAL authors' code cites
    it); 4 is the SiLU of the base branch. An edge has G + K coefficients and two scales.

    Args:
        widths: of input, hidden layers and output, (L + 1,).
        grid: G, intervals of the grid.
        order: K of the splines.
    """
    edge_flop = 9.0 * order * (grid + 1.5 * order) + 2.0 * grid - 2.5 * order + 3.0
    return [
        Cost(flop=a * b * edge_flop + SILU_FLOP * a, parameters=a * b * (grid + order + 2), values=a + b)
        for a, b in pairwise(widths)
    ]


def transformer(
    context: int,
    embedding: int,
    heads: int,
    blocks: int,
    feed_forward: int,
    *,
    vocabulary: int = 0,
    head_tokens: int = 0,
) -> list[Cost]:
    """A transformer on one whole context: attention, feed-forward, norms, softmax, and the output head.

    A block: ``8 C E^2`` for queries, keys, values and output, ``4 C^2 E`` for scores and mixing, ``4 C E F``, biases,
    a ReLU, ``5 H C^2`` of softmax, two layer norms and two residual sums; then ``2 n E V`` for the head on n tokens.

    Args:
        context: C, tokens.
        embedding: E; a multiple of ``heads``.
        heads: H.
        blocks: how many.
        feed_forward: F.
        vocabulary: V; 0 for a network without embedding table and head.
        head_tokens: n, tokens that the head answers for; 0 for all of the context.

    Raises:
        ConfigError: heads do not divide the embedding; more head tokens than context.
    """
    if embedding % heads:
        raise ConfigError(
            f"{heads} heads do not divide an embedding of {embedding}.",
            key="heads",
            fix="Use a divisor; rounding down would lose width silently.",
        )
    if head_tokens > context:
        raise ConfigError(f"a context of {context} has no {head_tokens} tokens.", key="head_tokens")
    c, e, f = context, embedding, feed_forward
    block = Cost(
        flop=8.0 * c * e * e + 4.0 * c * c * e + 4.0 * c * e * f
        + c * (4.0 * e + f + e) + c * f  # biases, ReLU
        + SOFTMAX_FLOP * heads * c * c + 2.0 * LAYER_NORM_FLOP * c * e + 2.0 * c * e,
        parameters=4.0 * e * e + 4.0 * e + 2.0 * e * f + f + e + 4.0 * e,
        values=c * (12.0 * e + 2.0 * f) + 2.0 * heads * c * c,
    )  # fmt: skip
    costs = [block] * blocks
    if vocabulary:
        n = head_tokens or context
        costs.append(
            Cost(flop=c * e, parameters=vocabulary * e, values=2.0 * c * e)
        )  # look-up, positions added
        costs.append(dense(e, vocabulary, bias=False, activation=False, rows=n))
        costs.append(Cost(flop=SOFTMAX_FLOP * n * vocabulary, parameters=0.0, values=2.0 * n * vocabulary))
    return costs


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv:
    """A convolution with its bias, batch norm and ReLU."""

    __pydantic_config__ = CONFIG

    filters: Count
    kernel: Counts2
    stride: Counts2 = (1, 1)
    padding: Numbers2 = (0, 0)
    groups: Count = 1
    bias: Flag = True
    norm: Flag = False
    activation: Flag = True
    kind: Literal["conv"] = "conv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A pooling layer: one operation per element of every window. ``window`` None pools the whole picture."""

    __pydantic_config__ = CONFIG

    window: Counts2 | None = None
    stride: Counts2 | None = None
    padding: Numbers2 = (0, 0)
    kind: Literal["pool"] = "pool"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dense:
    """A fully connected layer on everything that is left of the picture."""

    __pydantic_config__ = CONFIG

    width: Count
    bias: Flag = True
    activation: Flag = False
    kind: Literal["dense"] = "dense"


Block = Annotated[Conv | Pool | Dense, Field(discriminator="kind")]


def cnn(channels: int, height: int, width: int, blocks: Sequence[Conv | Pool | Dense]) -> list[Cost]:
    """A convolutional network: each layer sees what the one before it leaves.

    Args:
        channels, height, width: of the input; a series of length T is 1 x T.
        blocks: layers in order. A convolution takes ``2 MAC + bias + 2 [norm] + 1 [ReLU]`` per output element.

    Raises:
        ConfigError: a kernel larger than its padded input, groups that do not divide the channels, a convolution or
            pool behind a dense layer; names the layer.
    """
    c, h, w = channels, height, width
    costs: list[Cost] = []
    flat = False
    for i, block in enumerate(blocks):
        key = f"layers.{i}"
        if isinstance(block, Dense):
            costs.append(dense(c * h * w, block.width, bias=block.bias, activation=block.activation))
            c, h, w, flat = block.width, 1, 1, True
            continue
        if flat:
            raise ConfigError("a picture cannot follow a dense layer.", key=key)
        if isinstance(block, Pool):
            window = block.window or (h, w)
            oh, ow = _out((h, w), window, block.stride or window, block.padding, key)
            costs.append(
                Cost(flop=oh * ow * c * math.prod(window), parameters=0.0, values=c * (h * w + oh * ow))
            )
            h, w = oh, ow
            continue
        oh, ow = _out((h, w), block.kernel, block.stride, block.padding, key)
        costs.append(_conv(block, c, h * w, oh * ow, key))
        c, h, w = block.filters, oh, ow
    return costs


def _conv(block: Conv, channels: int, inputs: int, outputs: int, key: str) -> Cost:
    if channels % block.groups or block.filters % block.groups:
        raise ConfigError(
            f"{block.groups} groups do not divide {channels} channels and {block.filters} filters.",
            key=f"{key}.groups",
        )
    weights = block.filters * (channels // block.groups) * math.prod(block.kernel)
    each = block.bias + 2 * block.norm + block.activation
    return Cost(
        flop=outputs * (FLOP_PER_MAC * weights + block.filters * each),
        parameters=weights + block.filters * (block.bias + 2 * block.norm),
        values=channels * inputs + block.filters * outputs,
    )


def _out(
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    key: str,
) -> tuple[int, int]:
    out = tuple((n + 2 * p - k) // s + 1 for n, k, s, p in zip(size, kernel, stride, padding, strict=True))
    if min(out) < 1 or any(k > n + 2 * p for n, k, p in zip(size, kernel, padding, strict=True)):
        raise ConfigError(f"a window of {kernel} does not fit {size} with padding {padding}.", key=key)
    return out[0], out[1]


def from_graph(graph: ModelGraph) -> Network:
    """A network read from an ONNX file by `gramwise.graph.load.load_graph`, with batch 1.

    Bytes are the graph's own; parameters are counted as if each weight had four bytes.
    """
    total = graph.work
    return Network(
        name=graph.name,
        flop=total.flop,
        parameters=graph.weight_bytes / 4.0,
        moved_bytes=total.read_bytes + total.write_bytes,
        not_counted=tuple(f"FLOP of operator {op}" for op in graph.uncounted_ops),
    )
