"""Arithmetic and bytes of kernels, precisions, language models, and fall-back to the host."""

from __future__ import annotations

import pytest

from gramwise.core.errors import ConfigError
from gramwise.core.model import Layer, Work
from gramwise.footprint.operational.kernels import (
    Kernel,
    LanguageModel,
    decode,
    family_of,
    kernel,
    of_layer,
    place,
    prefill,
)


def _layer(op: str, shape: tuple[int, ...] = (), groups: int = 1) -> Layer:
    return Layer(
        name="l",
        op=op,
        work=Work(flop=2000.0, read_bytes=400.0 + 40.0, write_bytes=80.0),
        weight_bytes=400,
        inputs=("x",),
        outputs=("y",),
        precision="fp32",
        kernel=shape,
        groups=groups,
    )


@pytest.mark.parametrize(
    ("precision", "moved"),
    [("fp32", 4 * 160.0), ("fp16", 2 * 160.0), ("int8", 160.0), ("int4", 50.0 + 2 * 60.0)],
)
def test_bytes_follow_the_bits(precision: str, moved: float) -> None:
    k = kernel("conv", precision, mac=1000.0, weights=100.0, inputs=40.0, outputs=20.0)
    assert k.ops_flop == 2000.0
    assert k.moved_bytes == moved


def test_a_layer_keeps_its_bytes_or_changes_precision() -> None:
    layer = _layer("Conv", (10, 10, 3, 3))
    same, quarter = of_layer(layer), of_layer(layer, "int8")
    assert (same.moved_bytes, same.input_bytes, same.output_bytes) == (520.0, 40.0, 80.0)
    assert (quarter.moved_bytes, quarter.input_bytes, quarter.ops_flop) == (130.0, 10.0, 2000.0)


@pytest.mark.parametrize(
    ("op", "shape", "groups", "family"),
    [
        ("Conv", (10, 10, 3, 3), 1, "conv"),
        ("QLinearConv", (10, 10, 1, 1), 1, "pointwise"),
        ("Conv", (10, 1, 3, 3), 10, "depthwise"),
        ("Gemm", (10, 10), 1, "dense"),
        ("com.microsoft.MatMulNBits", (10, 10), 1, "dense"),
        ("com.microsoft.MultiHeadAttention", (), 1, "attention"),
        ("GlobalAveragePool", (), 1, "pool"),
        ("Relu", (), 1, "elementwise"),
    ],
)
def test_families(op: str, shape: tuple[int, ...], groups: int, family: str) -> None:
    assert family_of(_layer(op, shape, groups)) == family


LM = LanguageModel(parameters=1e9, layers=16, width=2048, heads=32, cache_width=512)


def test_decode_reads_weights_for_every_token_and_prefill_once() -> None:
    one, ten = decode(LM, 100, 1, "fp16"), decode(LM, 100, 10, "fp16")
    assert ten.moved_bytes == pytest.approx(10 * one.moved_bytes, rel=0.01)
    assert prefill(LM, 100, "fp16").moved_bytes == pytest.approx(one.moved_bytes, rel=0.01)
    assert prefill(LM, 100, "fp16").ops_flop == pytest.approx(100 * one.ops_flop, rel=0.01)


def test_language_model_counts_by_hand() -> None:
    tiny = LanguageModel(parameters=1000.0, layers=2, width=8, heads=2)
    # contexts 4 and 5; 2 MAC x 2 layers x 8 wide each; a token's cache is 2 x 2 x 8 values of 2 bytes
    written = decode(tiny, 3, 2, "fp16")
    assert written.ops_flop == 2.0 * (2000.0 + 2.0 * 2 * 8 * 9)
    assert written.moved_bytes == 2 * 2000.0 + (9 + 2) * 64.0
    # contexts 1, 2, 3
    read = prefill(tiny, 3, "fp16", batch=2)
    assert read.ops_flop == 2.0 * 2 * (3000.0 + 2.0 * 2 * 8 * 6)
    assert read.moved_bytes == 2000.0 + 2 * 3 * 64.0


def test_batching_shares_the_weights() -> None:
    assert decode(LM, 10, 1, "fp16", batch=8).moved_bytes < 1.01 * decode(LM, 10, 1, "fp16").moved_bytes


def test_four_bit_weights_quarter_what_decode_moves() -> None:
    assert decode(LM, 1, 1, "int4").moved_bytes == pytest.approx(
        decode(LM, 1, 1, "fp16").moved_bytes / 4, rel=0.01
    )


def _chain(*families: str) -> list[Kernel]:
    return [
        Kernel(family=f, precision="int8", ops_flop=1.0, moved_bytes=3.0, input_bytes=10.0, output_bytes=1.0)
        for f in families
    ]


def test_all_on_the_unit_crosses_in_and_out() -> None:
    placed = place(_chain("conv", "conv"), {"conv"})
    assert [p.unit for p in placed] == ["npu", "npu"]
    assert [p.crossing_bytes for p in placed] == [10.0, 1.0]


def test_a_kernel_in_the_middle_costs_two_more_crossings() -> None:
    placed = place(_chain("conv", "attention", "conv"), {"conv"})
    assert [p.unit for p in placed] == ["npu", "cpu", "npu"]
    assert [p.crossing_bytes for p in placed] == [10.0, 10.0, 11.0]


def test_nothing_supported_never_crosses() -> None:
    assert [p.crossing_bytes for p in place(_chain("conv", "pool"), set())] == [0.0, 0.0]
    assert place([], {"conv"}) == ()


@pytest.mark.parametrize(
    ("bad", "key"),
    [
        ({"precision": "int7"}, "precision"),
        ({"ops_flop": -1.0}, "ops_flop"),
        ({"moved_bytes": float("nan")}, "moved_bytes"),
        ({"ops_flop": 0.0, "moved_bytes": 0.0}, "ops_flop"),
    ],
)
def test_kernel_refuses(bad: dict[str, object], key: str) -> None:
    good: dict[str, object] = {"family": "conv", "precision": "int8", "ops_flop": 1.0, "moved_bytes": 1.0}
    with pytest.raises(ConfigError, match=f"^{key}"):
        Kernel(**{**good, **bad})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("bad", "key"), [({"heads": 3}, "width"), ({"layers": 0}, "layers"), ({"cache_width": 9}, "cache_width")]
)
def test_language_model_refuses(bad: dict[str, int], key: str) -> None:
    with pytest.raises(ConfigError, match=f"^{key}"):
        LanguageModel(**{"parameters": 10, "layers": 1, "width": 8, "heads": 2, **bad})
    with pytest.raises(ConfigError, match=r"^generated"):
        decode(LM, 1, 0, "fp16")
