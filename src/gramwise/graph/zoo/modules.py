"""What PyTorch calls the layers of MobileNetV2: the leaf modules that published partitioners count and cut between.

The network is the zoo's own description, replayed as torchvision lays it out: each convolution without bias is followed
by a BatchNorm2d, which our files fold, and a Dropout stands before the classifier. Sums, means and reshapes are calls
there, not modules. Sources: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018,
table 2; torchvision's ``torchvision/models/mobilenetv2.py`` (order of modules: expansion, depthwise, projection).
"""

from __future__ import annotations

from typing import NamedTuple

from . import mobilenetv2


class Module(NamedTuple):
    """A leaf module.

    Attributes:
        name: of the zoo's layer that it belongs to, followed by ``.bn`` or ``.relu6`` where it is not the layer itself.
        kind: PyTorch's class.
        kernel: stored weights, (out, in / groups, height, width) or (out, in); empty without any.
        groups: of a convolution.
        parameters: learned numbers.
        mac: multiply-accumulates of one image; 0 for all but convolutions and linear layers.
    """

    name: str
    kind: str
    kernel: tuple[int, ...]
    groups: int
    parameters: int
    mac: int


def mobilenetv2_modules(*, width: float = 1.0, size: int = 224, classes: int = 1000) -> tuple[Module, ...]:
    """The leaf modules of torchvision's MobileNetV2 in the order of ``named_modules``; 141 of them at any width.

    Args:
        width: multiplier of the channels.
        size: height and width of the image, pixels.
        classes: outputs of the classifier.
    """
    replay = _Replay(size)
    mobilenetv2.emit(replay, width=width, classes=classes)
    return tuple(replay.modules)


class _Replay:
    """`Layers` that notes modules instead of writing a network; tensors are known by the module that makes them."""

    def __init__(self, size: int) -> None:
        self.modules: list[Module] = []
        self._shape = {"input": (3, size)}

    def channels(self, x: str) -> int:
        return self._shape[x][0]

    def conv(self, x: str, name: str, out: int, kernel: int, *, stride: int = 1, groups: int = 1) -> str:
        channels, size = self._shape[x]
        shape = (out, channels // groups, kernel, kernel)
        size = (size + 2 * ((kernel - 1) // 2) - kernel) // stride + 1
        weights = out * channels // groups * kernel * kernel
        self._note(name, "Conv2d", (out, size), shape, groups, weights, weights * size * size)
        return self._note(f"{name}.bn", "BatchNorm2d", (out, size), parameters=2 * out)

    def relu(self, x: str) -> str:
        return self._note(f"{x}.relu", "ReLU", self._shape[x])

    def relu6(self, x: str) -> str:
        return self._note(f"{x.removesuffix('.bn')}.relu6", "ReLU6", self._shape[x])

    def add(self, a: str, b: str, name: str) -> str:
        return self._call(name, self._shape[a])

    def max_pool(self, x: str, name: str, kernel: int, stride: int) -> str:
        channels, size = self._shape[x]
        size = (size + 2 * ((kernel - 1) // 2) - kernel) // stride + 1
        return self._note(name, "MaxPool2d", (channels, size))

    def mean(self, x: str) -> str:
        return self._call(f"{x}.mean", (self._shape[x][0], 1))

    def flatten(self, x: str, features: int) -> str:
        return self._call(f"{x}.flat", (features, 1))

    def dense(self, x: str, name: str, out: int) -> str:
        features = self._shape[x][0]
        self._note(f"{name}.dropout", "Dropout", self._shape[x])
        weights = out * features
        return self._note(name, "Linear", (out, 1), (out, features), 1, weights + out, weights)

    def _note(
        self,
        name: str,
        kind: str,
        shape: tuple[int, int],
        kernel: tuple[int, ...] = (),
        groups: int = 1,
        parameters: int = 0,
        mac: int = 0,
    ) -> str:
        self.modules.append(Module(name, kind, kernel, groups, parameters, mac))
        return self._call(name, shape)

    def _call(self, name: str, shape: tuple[int, int]) -> str:
        self._shape[name] = shape
        return name
