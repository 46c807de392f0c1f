"""MobileNetV2 with batch normalisation folded into the convolutions.

Source: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018, table 2; layout
and
rounding of channels as in torchvision: 3,504,872 parameters with batch normalisation, 300.8 M multiply-adds
at width 1.0 and 224x224.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from .emit import Emitter

if TYPE_CHECKING:
    from .emit import Layers, Weights

_TABLE = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, channels at width 1.0, repeats, stride of the first repeat: table 2 of the paper."""


class Block(NamedTuple):
    """An inverted residual: expand 1x1 (unless the factor is 1), depthwise 3x3, project 1x1."""

    name: str
    channels_in: int
    channels_out: int
    stride: int
    expansion: int

    @property
    def hidden(self) -> int:
        """Channels between the expansion and the projection."""
        return self.channels_in * self.expansion

    @property
    def residual(self) -> bool:
        """True when the block's input is added to its output."""
        return self.stride == 1 and self.channels_in == self.channels_out


def divisible(channels: float, by: int = 8) -> int:
    """The multiple of ``by`` nearest to ``channels``, at least ``by``, never over a tenth below it."""
    rounded = max(by, int(channels + by / 2) // by * by)
    return rounded + by if rounded < 0.9 * channels else rounded


def stem_channels(width: float) -> int:
    """Channels of the first convolution."""
    return divisible(32 * width)


def head_channels(width: float) -> int:
    """Channels of the last convolution, which does not shrink below 1280."""
    return divisible(1280 * max(1.0, width))


def blocks(width: float) -> Iterator[Block]:
    """The 17 inverted residuals in order."""
    channels, count = stem_channels(width), 0
    for expansion, base, repeats, first_stride in _TABLE:
        for repeat in range(repeats):
            count += 1
            out = divisible(base * width)
            yield Block(f"block{count:02d}", channels, out, first_stride if repeat == 0 else 1, expansion)
            channels = out


def emit(net: Layers, *, width: float, classes: int) -> str:
    """Append the whole network to ``net``; returns the name of the logits, (batch, classes)."""
    x = net.relu6(net.conv("input", "stem", stem_channels(width), 3, stride=2))
    for block in blocks(width):
        x = _inverted_residual(net, x, block)
    x = net.relu6(net.conv(x, "head", head_channels(width), 1))
    return net.dense(net.mean(x), "classifier", classes)


def _inverted_residual(net: Layers, x: str, block: Block) -> str:
    y = x
    if block.expansion != 1:
        y = net.relu6(net.conv(y, f"{block.name}.expand", block.hidden, 1))
    depthwise = net.conv(
        y, f"{block.name}.depthwise", block.hidden, 3, stride=block.stride, groups=block.hidden
    )
    y = net.conv(net.relu6(depthwise), f"{block.name}.project", block.channels_out, 1)
    return net.add(x, y, f"{block.name}.add") if block.residual else y


class MobileNetV2:
    """MobileNetV2 for timing: right shapes and costs, random weights, meaningless answers.

    Args:
        mode: one of `MODES`, ``<width>-<image size>``.
    """

    MODES = ("1.0-224",)
    VERSION = 1

    def __init__(self, mode: str) -> None:
        width, size = mode.split("-")
        self._name, self._width, self._size = f"mobilenetv2-{mode}", float(width), int(size)

    def build(self, weights: Weights, metadata: dict[str, str]) -> Any:
        """The ONNX model, 3 channels in, 1000 logits out."""
        net = Emitter(self._name, channels=3, size=self._size, weights=weights)
        return net.finish(emit(net, width=self._width, classes=1000), metadata)


PLUGIN = MobileNetV2
