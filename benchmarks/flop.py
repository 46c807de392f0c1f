"""Multiply-adds that gramwise counts, against the published figures of well-known networks.

Two networks of the zoo and three that come with the onnx package. Run: ``python benchmarks/flop.py``; a table goes to
standard error, one JSON document to standard output.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import onnx

from gramwise.graph import zoo
from gramwise.graph.inspect import inspect_model
from record import finish
from record import row as judged

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
TORCHVISION = "torchvision model page; its GFLOPS are multiply-adds"


class Published(NamedTuple):
    """A network, the multiply-adds somebody published for it, and where."""

    name: str
    file: Path
    multiply_adds: float
    source: str


def published(folder: Path) -> list[Published]:
    """The networks of the comparison; zoo files are written to ``folder``."""

    def built(name: str) -> Path:
        return zoo.path(name, folder)

    return [
        Published(
            "MobileNetV2 1.0, 224x224",
            built("mobilenetv2-1.0-224"),
            300.8e6,
            "torchvision's MobileNetV2 layer by layer; Sandler et al. 2018 round it to 300 M",
        ),
        Published("ResNet-50 v1.5, 224x224", built("resnet50-v1.5-224"), 4.089e9, TORCHVISION),
        Published("ResNet-50 (onnx package)", LIGHT / "light_resnet50.onnx", 4.089e9, TORCHVISION),
        Published("VGG-19 (onnx package)", LIGHT / "light_vgg19.onnx", 19.63e9, TORCHVISION),
        Published("SqueezeNet 1.1 (onnx package)", LIGHT / "light_squeezenet.onnx", 0.35e9, TORCHVISION),
    ]


def row(network: Published) -> dict[str, Any]:
    """One comparison."""
    document = inspect_model(network.file)
    return {
        "name": network.name,
        "multiply_adds": document["multiply_adds"],
        "published_multiply_adds": network.multiply_adds,
        "ratio": document["multiply_adds"] / network.multiply_adds,
        "flop": document["flop"],
        "uncounted_ops": document["uncounted_ops"],
        "source": network.source,
    }


def main() -> None:
    """Print the table and the document."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [row(network) for network in published(Path(folder))]
    lines = [
        judged(
            f"multiply-adds, {e['name']}, over published",
            "within 1 %",
            e["ratio"],
            abs(e["ratio"] - 1) <= 0.01,
        )
        for e in rows
    ]
    finish("flop", lines, networks=rows)


if __name__ == "__main__":
    main()
