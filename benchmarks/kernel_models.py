"""Networks of benchmarks/kernel_prediction.py: a development set, for choices of design, and a set left out whole.

Random weights, the layer shapes of the published architectures, batch 1. Nothing here is read by the calibration, whose
shapes are drawn (gramwise.runtime.kernelcells).
"""

from __future__ import annotations

from collections.abc import Callable

from gramwise.runtime.kernelgraphs import Sketch

Build = Callable[[Sketch], str]


def _classes(s: Sketch, x: str, out: int = 1000) -> str:
    return s.gemm(s.flatten(s.mean(x)), out)


def _conv(
    s: Sketch, x: str, out: int, kernel: int, stride: int = 1, act: str = "relu", groups: int = 1
) -> str:
    return s.act(s.conv(x, out, kernel, stride=stride, groups=groups), act)


def _inverted(
    s: Sketch, x: str, out: int, expand: int, kernel: int, stride: int, act: str, gate: float = 0.0
) -> str:
    """Expand, depthwise, project: Sandler et al., CVPR 2018; with a gate as in Tan and Le, ICML 2019."""
    width = s.shapes[x][1]
    y = _conv(s, x, width * expand, 1, act=act) if expand > 1 else x
    y = _conv(s, y, width * expand, kernel, stride, act, groups=width * expand)
    if gate:
        y = s.gate(y, max(8, int(width * gate)))
    y = s.conv(y, out, 1)
    return s.same("Add", x, y) if stride == 1 and width == out else y


def mobilenetv2(s: Sketch) -> str:
    """MobileNetV2 1.0 at 224: Sandler et al., CVPR 2018, table 2."""
    x = _conv(s, s.input(1, 3, 224, 224), 32, 3, 2, "relu6")
    table = (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    )
    for expand, out, count, stride in table:
        for i in range(count):
            x = _inverted(s, x, out, expand, 3, stride if i == 0 else 1, "relu6")
    return _classes(s, _conv(s, x, 1280, 1, act="relu6"))


def efficientnet_b0(s: Sketch) -> str:
    """EfficientNet-B0 at 224: Tan and Le, ICML 2019, table 1."""
    x = _conv(s, s.input(1, 3, 224, 224), 32, 3, 2, "silu")
    table = (
        (1, 16, 1, 1, 3),
        (6, 24, 2, 2, 3),
        (6, 40, 2, 2, 5),
        (6, 80, 3, 2, 3),
        (6, 112, 3, 1, 5),
        (6, 192, 4, 2, 5),
        (6, 320, 1, 1, 3),
    )
    for expand, out, count, stride, kernel in table:
        for i in range(count):
            x = _inverted(s, x, out, expand, kernel, stride if i == 0 else 1, "silu", 0.25)
    return _classes(s, _conv(s, x, 1280, 1, act="silu"))


def _basic(s: Sketch, x: str, out: int, stride: int) -> str:
    y = s.conv(_conv(s, x, out, 3, stride), out, 3)
    skip = x if stride == 1 and s.shapes[x][1] == out else s.conv(x, out, 1, stride=stride)
    return s.act(s.same("Add", y, skip), "relu")


def _bottleneck(s: Sketch, x: str, width: int, out: int, stride: int, groups: int = 1) -> str:
    y = _conv(s, _conv(s, x, width, 1), width, 3, stride, groups=groups)
    y = s.conv(y, out, 1)
    skip = x if stride == 1 and s.shapes[x][1] == out else s.conv(x, out, 1, stride=stride)
    return s.act(s.same("Add", y, skip), "relu")


def _stem(s: Sketch, size: int) -> str:
    return s.pool(_conv(s, s.input(1, 3, size, size), 64, 7, 2), "MaxPool", 3, 2)


def resnet18(s: Sketch) -> str:
    """ResNet-18 at 224: He et al., CVPR 2016, table 1."""
    x = _stem(s, 224)
    for stage, out in enumerate((64, 128, 256, 512)):
        for i in range(2):
            x = _basic(s, x, out, 2 if stage and i == 0 else 1)
    return _classes(s, x)


def resnet50(s: Sketch) -> str:
    """ResNet-50 v1.5 at 224: He et al., CVPR 2016, table 1."""
    x = _stem(s, 224)
    for stage, count in enumerate((3, 4, 6, 3)):
        for i in range(count):
            x = _bottleneck(s, x, 64 << stage, 256 << stage, 2 if stage and i == 0 else 1)
    return _classes(s, x)


def squeezenet(s: Sketch) -> str:
    """SqueezeNet 1.1 at 224: Iandola et al., arXiv 1602.07360, and its authors' repository."""
    x = s.pool(_conv(s, s.input(1, 3, 224, 224), 64, 3, 2), "MaxPool", 3, 2)
    for i, (squeeze, out) in enumerate(
        ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
    ):
        if i in (2, 4):
            x = s.pool(x, "MaxPool", 3, 2)
        y = _conv(s, x, squeeze, 1)
        x = s.concat([_conv(s, y, out, 1), _conv(s, y, out, 3)], 1)
    return s.flatten(s.mean(_conv(s, x, 1000, 1)))


def vgg_small(s: Sketch) -> str:
    """A VGG of eight convolutions at 64: Simonyan and Zisserman, ICLR 2015, narrower."""
    x = s.input(1, 3, 64, 64)
    for out, count in ((32, 1), (64, 1), (128, 2), (256, 2), (256, 2)):
        for _ in range(count):
            x = _conv(s, x, out, 3)
        x = s.pool(x, "MaxPool", 2, 2)
    x = s.act(s.gemm(s.flatten(x), 1024), "relu")
    return s.gemm(s.act(s.gemm(x, 1024), "relu"), 200)


def ds_cnn(s: Sketch) -> str:
    """Keyword spotting by depthwise separable convolutions, 64 wide: Zhang et al., arXiv 1711.07128."""
    x = _conv(s, s.input(1, 1, 49, 10), 64, 5, 2)
    for _ in range(4):
        x = _conv(s, _conv(s, x, 64, 3, groups=64), 64, 1)
    return _classes(s, x, 12)


def unet(s: Sketch) -> str:
    """A U-Net of four levels, 24 wide at 128: Ronneberger et al., MICCAI 2015, up-sampling by nearest."""
    x, skips = s.input(1, 3, 128, 128), []
    for level in range(4):
        x = _conv(s, _conv(s, x, 24 << level, 3), 24 << level, 3)
        if level < 3:
            skips.append(x)
            x = s.pool(x, "MaxPool", 2, 2)
    for level in (2, 1, 0):
        x = s.concat([skips[level], _conv(s, s.upsample(x), 24 << level, 3)], 1)
        x = _conv(s, _conv(s, x, 24 << level, 3), 24 << level, 3)
    return s.conv(x, 4, 1)


def _layer(s: Sketch, x: str, heads: int, inner: int, *, first: bool, causal: bool = False) -> str:
    """A transformer layer; ``first``: normalisation before each half (as GPT-2, ViT), else behind (as BERT)."""
    width = s.shapes[x][-1]
    if first:
        x = s.same("Add", x, s.attention(s.norm(x), heads, causal=causal))
        return s.same("Add", x, s.linear(s.act(s.linear(s.norm(x), inner), "gelu"), width))
    x = s.norm(s.same("Add", s.attention(x, heads), x))
    return s.norm(s.same("Add", s.linear(s.act(s.linear(x, inner), "gelu"), width), x))


def _encoder(layers: int, width: int, heads: int, length: int) -> Build:
    def build(s: Sketch) -> str:
        words = s.words(1, length, vocabulary=2000)
        table = s.weight(2000, width, fan_in=2)
        x = s.op("Gather", [table, words], (1, length, width), axis=0)
        x = s.norm(s.same("Add", x, s.weight(1, length, width, fan_in=2)))
        for _ in range(layers):
            x = _layer(s, x, heads, 4 * width, first=False)
        return s.linear(x, 8)

    return build


def _vit(layers: int, width: int, heads: int, patch: int) -> Build:
    """A vision transformer: Dosovitskiy et al., ICLR 2021."""

    def build(s: Sketch) -> str:
        side = 224 // patch
        image = s.input(1, 3, 224, 224)
        weight = s.weight(width, 3, patch, patch, fan_in=3 * patch * patch)
        x = s.op(
            "Conv", [image, weight], (1, width, side, side), kernel_shape=[patch] * 2, strides=[patch] * 2
        )
        x = s.transpose(s.reshape(x, 1, width, side * side), 0, 2, 1)
        x = s.same("Add", x, s.weight(1, side * side, width, fan_in=2))
        for _ in range(layers):
            x = _layer(s, x, heads, 4 * width, first=True)
        return s.linear(s.norm(x), 100)

    return build


def _decoder(layers: int, width: int, heads: int, length: int) -> Build:
    def build(s: Sketch) -> str:
        words = s.words(1, length, vocabulary=4000)
        x = s.op("Gather", [s.weight(4000, width, fan_in=2), words], (1, length, width), axis=0)
        for _ in range(layers):
            x = _layer(s, x, heads, 4 * width, first=True, causal=True)
        return s.linear(s.norm(x), 4000, bias=False)

    return build


def mobilenetv1(s: Sketch) -> str:
    """MobileNet 0.75 at 160: Howard et al., arXiv 1704.04861."""
    x = _conv(s, s.input(1, 3, 160, 160), 24, 3, 2)
    for out, stride in (
        (48, 1),
        (96, 2),
        (96, 1),
        (192, 2),
        (192, 1),
        (384, 2),
        *([(384, 1)] * 5),
        (768, 2),
        (768, 1),
    ):
        width = s.shapes[x][1]
        x = _conv(s, _conv(s, x, width, 3, stride, groups=width), out, 1)
    return _classes(s, x)


def mobilenetv3(s: Sketch) -> str:
    """Like MobileNetV3-small at 192: Howard et al., ICCV 2019."""
    x = _conv(s, s.input(1, 3, 192, 192), 16, 3, 2, "hardswish")
    for out, expand, kernel, stride, act in (
        (16, 1, 3, 2, "relu"),
        (24, 4, 3, 2, "relu"),
        (24, 4, 3, 1, "relu"),
        (40, 4, 5, 2, "hardswish"),
        (40, 6, 5, 1, "hardswish"),
        (48, 3, 5, 1, "hardswish"),
        (96, 6, 5, 2, "hardswish"),
        (96, 6, 5, 1, "hardswish"),
    ):
        x = _inverted(s, x, out, expand, kernel, stride, act, 0.25)
    return _classes(s, _conv(s, x, 576, 1, act="hardswish"))


def resnext(s: Sketch) -> str:
    """A short ResNeXt at 160, 16 groups: Xie et al., CVPR 2017."""
    x = _stem(s, 160)
    for stage, count in enumerate((2, 2, 2)):
        for i in range(count):
            x = _bottleneck(s, x, 96 << stage, 192 << stage, 2 if stage and i == 0 else 1, groups=16)
    return _classes(s, x)


def densenet(s: Sketch) -> str:
    """A short DenseNet at 128, growth 24, normalisation folded: Huang et al., CVPR 2017."""
    x = _conv(s, s.input(1, 3, 128, 128), 48, 3, 2)
    for count in (4, 6, 8):
        for _ in range(count):
            x = s.concat([x, _conv(s, _conv(s, x, 96, 1), 24, 3)], 1)
        x = s.pool(_conv(s, x, s.shapes[x][1] // 2, 1), "AveragePool", 2, 2)
    return _classes(s, x)


def alexnet(s: Sketch) -> str:
    """Like AlexNet at 224, one tower: Krizhevsky, arXiv 1404.5997."""
    x = s.pool(_conv(s, s.input(1, 3, 224, 224), 64, 11, 4), "MaxPool", 3, 2)
    x = s.pool(_conv(s, x, 192, 5), "MaxPool", 3, 2)
    x = _conv(s, _conv(s, _conv(s, x, 384, 3), 256, 3), 256, 3)
    x = s.flatten(s.pool(x, "MaxPool", 3, 2))
    return s.gemm(s.act(s.gemm(x, 1024), "relu"), 1000)


DEVELOPMENT: dict[str, Build] = {
    "mobilenetv1-0.75-160": mobilenetv1,
    "mobilenetv3-like-192": mobilenetv3,
    "resnext-like-160": resnext,
    "densenet-like-128": densenet,
    "alexnet-like-224": alexnet,
    "encoder-3x320-96": _encoder(3, 320, 5, 96),
    "vit-like-2x256-p32": _vit(2, 256, 8, 32),
    "decoder-2x448-40": _decoder(2, 448, 7, 40),
}
"""Looked at while the method was made."""

HELD_OUT: dict[str, Build] = {
    "mobilenetv2-1.0-224": mobilenetv2,
    "efficientnet-b0-224": efficientnet_b0,
    "resnet18-224": resnet18,
    "resnet50-224": resnet50,
    "squeezenet1.1-224": squeezenet,
    "vgg-small-64": vgg_small,
    "ds-cnn-49x10": ds_cnn,
    "unet-24-128": unet,
    "encoder-4x256-64": _encoder(4, 256, 4, 64),
    "encoder-4x768-128": _encoder(4, 768, 12, 128),
    "vit-6x192-p16": _vit(6, 192, 3, 16),
    "decoder-4x512-128": _decoder(4, 512, 8, 128),
}
"""What the figure is about; docs/method/kernels.md says how often it was measured and what was changed in between."""
