"""Formulas against numbers worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from gramwise.graph.operators import Call, Shape, flop, read_bytes


def count(op: str, inputs: list[Shape | None], output: Shape, **attributes: Any) -> float | None:
    return flop(op, Call(tuple(inputs), (output,), attributes))


IMAGE: Shape = (1, 8, 10, 10)


@pytest.mark.parametrize(
    ("op", "inputs", "output", "attributes", "expected"),
    [
        # 16 x 10 x 10 outputs, each 8 x 3 x 3 products; a bias changes nothing.
        ("Conv", [IMAGE, (16, 8, 3, 3), (16,)], (1, 16, 10, 10), {}, 2 * 1600 * 72),
        # Stride 2: a quarter of the outputs.
        ("Conv", [IMAGE, (16, 8, 3, 3)], (1, 16, 5, 5), {"strides": [2, 2]}, 2 * 400 * 72),
        # Depthwise: each output meets one channel.
        ("Conv", [IMAGE, (8, 1, 3, 3)], (1, 8, 10, 10), {"group": 8}, 2 * 800 * 9),
        # Two groups: half of the channels each.
        ("Conv", [IMAGE, (16, 4, 1, 1)], (1, 16, 10, 10), {"group": 2}, 2 * 1600 * 4),
        # One dimension, batch of 3.
        ("Conv", [(3, 4, 20), (6, 4, 5)], (3, 6, 16), {}, 2 * 3 * 6 * 16 * 20),
        # Transposed: every one of 8 x 100 inputs meets 4 x 2 x 2 weights.
        ("ConvTranspose", [IMAGE, (8, 4, 2, 2)], (1, 4, 20, 20), {}, 2 * 800 * 16),
        ("ConvInteger", [IMAGE, (16, 8, 3, 3)], (1, 16, 10, 10), {}, 2 * 1600 * 72),
        ("QLinearConv", [IMAGE, (), (), (16, 8, 3, 3), (), (), (), ()], (1, 16, 10, 10), {}, 2 * 1600 * 72),
        ("com.microsoft.FusedConv", [IMAGE, (16, 8, 3, 3)], (1, 16, 10, 10), {}, 2 * 1600 * 72),
        ("MatMul", [(4, 5), (5, 6)], (4, 6), {}, 2 * 4 * 5 * 6),
        ("MatMul", [(2, 3, 4, 5), (5, 6)], (2, 3, 4, 6), {}, 2 * 6 * 4 * 5 * 6),
        ("MatMul", [(5,), (5,)], (), {}, 2 * 5),
        ("Gemm", [(4, 5), (6, 5), (6,)], (4, 6), {"transB": 1}, 2 * 4 * 5 * 6),
        ("Gemm", [(5, 4), (5, 6)], (4, 6), {"transA": 1}, 2 * 4 * 5 * 6),
        ("com.microsoft.QGemm", [(4, 5), (), (), (5, 6)], (4, 6), {}, 2 * 4 * 5 * 6),
        ("com.microsoft.FusedMatMul", [(5, 4), (5, 6)], (4, 6), {"transA": 1}, 2 * 4 * 5 * 6),
        ("MatMulInteger", [(4, 5), (5, 6)], (4, 6), {}, 2 * 4 * 5 * 6),
        ("QLinearMatMul", [(4, 5), (), (), (5, 6)], (4, 6), {}, 2 * 4 * 5 * 6),
        ("Einsum", [(2, 4, 5), (2, 5, 6)], (2, 4, 6), {"equation": "bij,bjk->bik"}, 2 * 2 * 4 * 5 * 6),
        # 2 sequences, 8 heads of 64, 10 queries, 12 keys: scores and weighted sum.
        (
            "Attention",
            [(2, 8, 10, 64), (2, 8, 12, 64), (2, 8, 12, 64)],
            (2, 8, 10, 64),
            {},
            4 * 2 * 8 * 120 * 64,
        ),
        # The same with the heads in the last dimension, and grouped: 2 key heads for 8 query heads.
        (
            "Attention",
            [(2, 10, 512), (2, 12, 128), (2, 12, 128)],
            (2, 10, 512),
            {"q_num_heads": 8, "kv_num_heads": 2},
            4 * 2 * 8 * 120 * 64,
        ),
        # Five cached keys more.
        (
            "Attention",
            [(1, 4, 1, 16), (1, 4, 1, 16), (1, 4, 1, 16), None, (1, 4, 5, 16), (1, 4, 5, 16)],
            (1, 4, 1, 16),
            {},
            4 * 4 * 6 * 16,
        ),
        # Projection to 3 x 32 and attention over 10 positions.
        (
            "com.microsoft.Attention",
            [(2, 10, 32), (32, 96), (96,)],
            (2, 10, 32),
            {"num_heads": 4},
            2 * 2 * 10 * 32 * 96 + 4 * 2 * 100 * 32,
        ),
        (
            "com.microsoft.MultiHeadAttention",
            [(2, 10, 32), (2, 12, 32), (2, 12, 32)],
            (2, 10, 32),
            {"num_heads": 4},
            4 * 2 * 120 * 32,
        ),
        # 7 steps of 2 sequences, 4 gates, 5 inputs and 3 hidden values, both directions.
        ("LSTM", [(7, 2, 5), (2, 12, 5), (2, 12, 3)], (7, 2, 2, 3), {}, 2 * 7 * 2 * 2 * 4 * 3 * 8),
        ("GRU", [(7, 2, 5), (1, 9, 5), (1, 9, 3)], (7, 1, 2, 3), {}, 2 * 7 * 2 * 3 * 3 * 8),
        ("BatchNormalization", [IMAGE, (8,), (8,), (8,), (8,)], IMAGE, {}, 2 * 800),
        ("LayerNormalization", [(2, 3, 4), (4,), (4,)], (2, 3, 4), {}, 7 * 24),
        ("LayerNormalization", [(2, 3, 4), (4,)], (2, 3, 4), {}, 6 * 24),
        ("RMSNormalization", [(2, 3, 4), (4,)], (2, 3, 4), {}, 4 * 24),
        ("MaxPool", [IMAGE], (1, 8, 5, 5), {"kernel_shape": [3, 3]}, 200 * 9),
        ("GlobalAveragePool", [IMAGE], (1, 8, 1, 1), {}, 800),
        ("ReduceMean", [IMAGE, (2,)], (1, 8), {}, 800),
        ("Relu", [IMAGE], IMAGE, {}, 800),
        ("Clip", [IMAGE, (), ()], IMAGE, {}, 1600),
        ("Sum", [(4,), (4,), (4,)], (4,), {}, 8),
        ("Softmax", [(2, 10)], (2, 10), {}, 100),
        ("Reshape", [IMAGE, (2,)], (1, 800), {}, 0),
        ("Resize", [IMAGE], (1, 8, 20, 20), {"mode": "nearest"}, 0),
        # Two axes change, so four taps.
        ("Resize", [IMAGE], (1, 8, 20, 20), {"mode": "linear"}, 2 * 3200 * 4),
        ("QuantizeLinear", [IMAGE, (), ()], IMAGE, {}, 4000),
        ("DequantizeLinear", [IMAGE, (), ()], IMAGE, {}, 1600),
        ("com.microsoft.QLinearAdd", [IMAGE, (), (), IMAGE, (), (), (), ()], IMAGE, {}, 8000),
    ],
)
def test_hand_worked(
    op: str, inputs: list[Shape | None], output: Shape, attributes: dict[str, Any], expected: float
) -> None:
    assert count(op, inputs, output, **attributes) == expected


def test_fused_attention_counts_what_its_two_products_count() -> None:
    scores = count("MatMul", [(2, 8, 10, 64), (2, 8, 64, 12)], (2, 8, 10, 12))
    values = count("MatMul", [(2, 8, 10, 12), (2, 8, 12, 64)], (2, 8, 10, 64))
    fused = count("Attention", [(2, 8, 10, 64), (2, 8, 12, 64), (2, 8, 12, 64)], (2, 8, 10, 64))
    assert scores is not None
    assert values is not None
    assert fused == scores + values


def test_an_operator_without_a_formula_is_unknown_not_zero() -> None:
    assert count("example.Wavelet", [IMAGE], IMAGE) is None


def test_a_use_that_the_formula_does_not_cover_is_unknown_not_zero() -> None:
    assert count("Einsum", [(2, 3), (3, 4)], (2, 4), equation="...i,ij->...j") is None
    assert count("Attention", [(2, 10, 512), (2, 12, 128), (2, 12, 128)], (2, 10, 512)) is None


def test_a_table_look_up_reads_what_it_picks() -> None:
    table, indices, picked = 4_000_000, 80, 5_120
    assert read_bytes("Gather", (table, indices), (picked,)) == picked + indices
    assert read_bytes("Shape", (table,), (32,)) == 0
    assert read_bytes("MatMul", (table, indices), (picked,)) == table + indices
