"""ResNet-18 of the zoo: torchvision's parameters and multiply-adds."""

from __future__ import annotations

import math

from gramwise.graph import zoo
from gramwise.graph.load import load_graph


def test_parameters_are_torchvisions_less_one_folded_pair_a_channel() -> None:
    constants = zoo.build("resnet18-224").graph.initializer
    # Batch normalisation has scale and shift a channel, the folded convolution a bias: 4,800 channels are convolved.
    assert sum(math.prod(c.dims) for c in constants if len(c.dims) > 0) == 11_689_512 - 4_800


def test_multiply_adds_are_torchvisions() -> None:
    graph = load_graph(zoo.path("resnet18-224"))
    products = sum(layer.work.flop for layer in graph.layers if layer.op in ("Conv", "Gemm"))
    assert products == 2 * 1_814_073_344
    assert graph.uncounted_ops == ()
