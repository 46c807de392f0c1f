"""Floating-point operations of a forward pass, as the eCAL tools count them: closed forms, no framework.

Two families: the analytic formulas of the tools (which ignore much of what they are given, see
`docs/method/ecal-compat.md`), and what calflops 0.3.2 counts for the two toy networks of the tool of May 2025. All take
Python integers or float64 arrays of whole numbers and answer the same bits for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from gramwise.core.errors import ConfigError

from .stack import Value, whole


def mlp(*, num_layers: Value, din: Value) -> Value:
    """Multilayer perceptron: ``(L - 1) (2 d^2 + 2 d)``.

    Args:
        num_layers: L, at least 1.
        din: d, width of the input and, here, of every layer.

    Source: PyPI ecal-energy 0.1.0; the same in cfortuna/eCAL @ 71073b0.
    """
    return (num_layers - 1) * (2 * din * din + 2 * din)


def kan(*, num_layers: Value, grid_size: Value, din: Value, k: Value = 3) -> Value:
    """Kolmogorov-Arnold network: ``(L - 1) (2 d + d^2 M)``, truncated once.

    ``M = 9 K (G + 1.5 K) + 2 G - 2.5 K + 3`` are the operations of one B-spline edge.

    Args:
        num_layers: L, at least 1.
        grid_size: G, intervals of a spline.
        din: d, width of every layer.
        k: K, order of the splines.

    Source: the authors' tools; the spline's count from arXiv 2411.14904, section 3, as named there.
    """
    return whole((num_layers - 1) * (2 * din + din * din * spline(grid_size, k)))


def spline(grid_size: Value, k: Value = 3) -> Value:
    """Operations of one B-spline edge: ``9 K (G + 1.5 K) + 2 G - 2.5 K + 3``.

    Summed as a line in G: halves are exact in floats, so the order changes no bit of any grid below 2^47.
    """
    return (9 * k + 2) * grid_size + (13.5 * k * k - 2.5 * k + 3)


def historical_kan(
    *, num_layers: Value, grid_size: Value, din: Value, dout: Value, values: Value, classes: Value
) -> Value:
    """The KAN of the tool of February 2025: ``2 T + T W M + (L-2)(2 W + W^2 M) + 2 W + W C M``, ``W = d_in d_out``.

    Args:
        num_layers: L.
        grid_size: G of M, see `spline`.
        din, dout: whose product is taken for the width W of a layer.
        values: T, values a sample.
        classes: C.

    Source: cfortuna/eCAL @ f1902b2.
    """
    edge, width = spline(grid_size), din * dout
    inner = (num_layers - 2) * (2 * width + width * width * edge)
    return whole(2 * values + values * width * edge + inner + 2 * width + width * classes * edge)


def transformer(
    *,
    context_length: Value,
    embedding_size: Value,
    num_heads: Value,
    num_decoder_blocks: Value,
    feed_forward_size: Value,
) -> Value:
    """Decoder stack: ``B (2 (3 C E^2 + C^2 E + H C^2 floor(E/H) + C E^2) + 4 C E F)``.

    Args:
        context_length: C, tokens.
        embedding_size: E.
        num_heads: H; where it does not divide E the width of a head is rounded down and width is lost in silence.
        num_decoder_blocks: B.
        feed_forward_size: F.

    Source: the authors' tools, all versions.
    """
    c, e = context_length, embedding_size
    attention = 3 * c * e * e + c * c * e + num_heads * c * c * (e // num_heads) + c * e * e
    return num_decoder_blocks * (2 * attention + 4 * c * e * feed_forward_size)


def cnn(
    *,
    num_cnv_layers: Value,
    num_pool_layers: Value,
    i_r: Value,
    i_c: Value,
    k_r: Value,
    k_c: Value,
    c_in: Value,
    s_r: Value = 1,
    s_c: Value = 1,
    n_f: Value = 3,
) -> Value:
    """Convolutional network, as the tools count it: one convolution too few, growing in space instead of channels.

    Layer c of ``num_cnv_layers - 1`` has ``O = (H - k + 2 p)/s + 1`` by real division with ``p = (k_r - 1, k_c)`` and
    costs ``O_r O_c (c_in k_r k_c + 1) N_f``; the next one sees ``H = i 2^c``. Each pooling repeats O on the last H and
    costs ``O_r O_c c_in``; the head costs ``2 O_r O_c + 2 O_r``. Truncated once.

    Args:
        num_cnv_layers, num_pool_layers: at least 0.
        i_r, i_c: rows and columns of the input.
        k_r, k_c: of the kernel, poolings included.
        c_in: channels of the input of every layer.
        s_r, s_c: strides.
        n_f: filters of every layer.

    Source: PyPI ecal-energy 0.1.0; the same in cfortuna/eCAL @ 71073b0.
    """
    # Everything is per configuration, so numbers of layers that differ are handled by masks.
    rows, columns, total = i_r, i_c, 0
    out_r: Value = 0
    out_c: Value = 0

    def windows(rows: Value, columns: Value) -> tuple[Value, Value]:
        return (rows - k_r + 2 * (k_r - 1)) / s_r + 1, (columns - k_c + 2 * k_c) / s_c + 1

    for layer in range(_most(num_cnv_layers) - 1):
        runs = layer < num_cnv_layers - 1
        next_r, next_c = windows(rows, columns)
        out_r, out_c = _where(runs, next_r, out_r), _where(runs, next_c, out_c)
        rows = _where(runs, i_r * 2**layer, rows)
        columns = _where(runs, i_c * 2**layer, columns)
        total = total + _where(runs, out_r * out_c * (c_in * k_r * k_c + 1) * n_f, 0)
    if (pools := _most(num_pool_layers)) > 0:
        next_r, next_c = windows(rows, columns)  # the same for every pooling
        out_r, out_c = _where(num_pool_layers > 0, next_r, out_r), _where(num_pool_layers > 0, next_c, out_c)
        pooling = out_r * out_c * c_in
        for layer in range(pools):
            total = total + _where(layer < num_pool_layers, pooling, 0)
    return whole(total + (2 * out_r * out_c + 2 * out_r))


def _most(numbers: Value) -> int:
    return int(numbers.max()) if isinstance(numbers, np.ndarray) else int(numbers)


def _where(condition: Value, yes: Value, no: Value) -> Value:
    if isinstance(condition, np.ndarray):
        return np.where(condition, yes, no)
    return yes if condition else no


def simple_mlp(
    rows: Value,
    *,
    input_size: Value = 10,
    hidden_size: Value = 10,
    output_size: Value = 2,
    num_layers: Value = 3,
) -> Value:
    """The toy perceptron by calflops' rules: ``2 i h + h + (L - 1)(2 h^2 + h) + 2 h o`` a row.

    Args:
        rows: input rows, the batch.
        input_size, hidden_size, output_size: i, h, o.
        num_layers: L, hidden layers, each followed by a rectifier.
    """
    i, h, o = input_size, hidden_size, output_size
    return rows * (2 * i * h + h + (num_layers - 1) * (2 * h * h + h) + 2 * h * o)


def simple_cnn(
    rows: int,
    length: int,
    *,
    input_channels: int = 1,
    hidden_channels: int = 10,
    output_size: int = 2,
    num_layers: int = 3,
) -> int:
    """The toy one-dimensional convolutional network by calflops' rules.

    A block of kernel 3 costs ``T out (6 in + 1)``, its batch normalisation 2 and its rectifier 1 an element; the
    average over the length is one operation an input where there is anything to average, the head ``2 in out``.

    Args:
        rows: the batch.
        length: T.
        input_channels: of the input.
        hidden_channels: of the first block; later ones have twice as many.
        output_size: classes.
        num_layers: blocks.
    """
    total, channels = 0, input_channels
    for block in range(num_layers):
        out = hidden_channels if block == 0 else 2 * hidden_channels
        total += length * out * (6 * channels + 1) + 3 * out * length
        channels = out
    total += channels * length if length > 1 else 0
    return rows * (total + 2 * channels * output_size)


def toy_mlp(shape: Sequence[int]) -> int:
    """`simple_mlp` with the only sizes that the tool ever builds.

    Args:
        shape: of the input, (batch, ..., 10); the batch multiplies the count of "one" sample (the tool's defect M6).

    Raises:
        ConfigError: another last size, on which the tool crashes.
    """
    if shape[-1] != 10:
        raise ConfigError(
            f"SimpleMLP reads 10 values, not {shape[-1]}.",
            key="INPUT_SIZE",
            fix="End it with 10, as in [1, 10].",
        )
    return int(simple_mlp(prod(shape[:-1])))


def toy_cnn(shape: Sequence[int]) -> int:
    """`simple_cnn` with the only sizes that the tool ever builds.

    Args:
        shape: of the input, (batch, 1, length).

    Raises:
        ConfigError: another rank or number of channels, on which the tool crashes.
    """
    if len(shape) != 3 or shape[1] != 1:
        raise ConfigError(
            f"SimpleCNN reads (batch, 1, length), not {list(shape)}; the authors' tool stops here with an empty "
            "assertion.",
            key="INPUT_SIZE",
            fix="Write [1, 1, 10].",
        )
    return simple_cnn(shape[0], shape[2])
