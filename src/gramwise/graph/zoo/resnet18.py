"""ResNet-18 with batch normalisation folded into the convolutions.

Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, table 1, with projections where the shape
changes (option B), as in torchvision: 11,689,512 parameters with batch normalisation, 1.814 G multiply-adds at 224x224.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .emit import Emitter

if TYPE_CHECKING:
    from .emit import Layers, Weights

_STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))
"""Width and stride of the first block: table 1 of the paper."""

_BLOCKS = 2


def emit(net: Layers, *, classes: int) -> str:
    """Append the whole network to ``net``; returns the name of the logits, (batch, classes)."""
    x = net.max_pool(net.relu(net.conv("input", "stem", 64, 7, stride=2)), "pool", 3, 2)
    for stage, (width, stride) in enumerate(_STAGES, start=1):
        for index in range(_BLOCKS):
            x = _block(net, x, f"stage{stage}.block{index + 1}", width, stride if index == 0 else 1)
    return net.dense(net.mean(x), "classifier", classes)


def _block(net: Layers, x: str, name: str, width: int, stride: int) -> str:
    y = net.relu(net.conv(x, f"{name}.first", width, 3, stride=stride))
    y = net.conv(y, f"{name}.second", width, 3)
    changes = stride != 1 or net.channels(x) != width
    skip = net.conv(x, f"{name}.skip", width, 1, stride=stride) if changes else x
    return net.relu(net.add(y, skip, f"{name}.add"))


class ResNet18:
    """ResNet-18 for timing: right shapes and costs, random weights, meaningless answers.

    Args:
        mode: one of `MODES`, the image size.
    """

    MODES = ("224",)
    VERSION = 1

    def __init__(self, mode: str) -> None:
        self._name, self._size = f"resnet18-{mode}", int(mode)

    def build(self, weights: Weights, metadata: dict[str, str]) -> Any:
        """The ONNX model, 3 channels in, 1000 logits out."""
        net = Emitter(self._name, channels=3, size=self._size, weights=weights)
        return net.finish(emit(net, classes=1000), metadata)


PLUGIN = ResNet18
