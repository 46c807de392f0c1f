"""ResNet-50 v1.5 with batch normalisation folded into the convolutions.

Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, table 1; v1.5 strides in the 3x3
convolution of a bottleneck instead of the first 1x1, as in torchvision: 25,557,032 parameters with batch
normalisation, 4.089 G multiply-adds at 224x224.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .emit import Emitter

if TYPE_CHECKING:
    from .emit import Layers, Weights

_STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
"""Bottleneck width, blocks, stride of the first block: table 1 of the paper."""

_EXPANSION = 4


def emit(net: Layers, *, classes: int) -> str:
    """Append the whole network to ``net``; returns the name of the logits, (batch, classes)."""
    x = net.max_pool(net.relu(net.conv("input", "stem", 64, 7, stride=2)), "pool", 3, 2)
    for stage, (width, count, stride) in enumerate(_STAGES, start=1):
        for index in range(count):
            x = _bottleneck(net, x, f"stage{stage}.block{index + 1}", width, stride if index == 0 else 1)
    return net.dense(net.mean(x), "classifier", classes)


def _bottleneck(net: Layers, x: str, name: str, width: int, stride: int) -> str:
    y = net.relu(net.conv(x, f"{name}.reduce", width, 1))
    y = net.relu(net.conv(y, f"{name}.middle", width, 3, stride=stride))
    y = net.conv(y, f"{name}.expand", width * _EXPANSION, 1)
    changes = stride != 1 or net.channels(x) != width * _EXPANSION
    skip = net.conv(x, f"{name}.skip", width * _EXPANSION, 1, stride=stride) if changes else x
    return net.relu(net.add(y, skip, f"{name}.add"))


class ResNet50:
    """ResNet-50 for timing: right shapes and costs, random weights, meaningless answers.

    Args:
        mode: one of `MODES`, ``<version>-<image size>``.
    """

    MODES = ("v1.5-224",)
    VERSION = 1

    def __init__(self, mode: str) -> None:
        self._name, self._size = f"resnet50-{mode}", int(mode.rsplit("-", 1)[1])

    def build(self, weights: Weights, metadata: dict[str, str]) -> Any:
        """The ONNX model, 3 channels in, 1000 logits out."""
        net = Emitter(self._name, channels=3, size=self._size, weights=weights)
        return net.finish(emit(net, classes=1000), metadata)


PLUGIN = ResNet50
