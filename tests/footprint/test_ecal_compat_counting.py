"""Networks counted by calflops' rules: from our description, and from ONNX files read by our own graph."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save

from gramwise.core.errors import ConfigError, UnknownOperator
from gramwise.footprint.ecal import compat
from gramwise.footprint.ecal.compat import flops
from gramwise.footprint.ecal.compat.counting import count, torchvision_flop
from gramwise.graph import zoo
from gramwise.graph.load import load_graph


def write(file: Path, nodes: list[Any], shape: list[int], constants: dict[str, tuple[int, ...]]) -> Path:
    """A small network with constants of ones."""
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("x0", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.ones(dims, np.float32), name) for name, dims in constants.items()],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    return file


def perceptron(file: Path, rows: int, sizes: list[int]) -> Path:
    """Linear layers with a rectifier between them."""
    nodes: list[Any] = []
    constants: dict[str, tuple[int, ...]] = {}
    x = "x0"
    for index, (wide, out) in enumerate(pairwise(sizes)):
        constants |= {f"w{index}": (wide, out), f"b{index}": (out,)}
        nodes.append(helper.make_node("Gemm", [x, f"w{index}", f"b{index}"], [f"y{index}"]))
        x = f"y{index}"
        if index < len(sizes) - 2:
            nodes.append(helper.make_node("Relu", [x], [f"z{index}"]))
            x = f"z{index}"
    return write(file, nodes, [rows, sizes[0]], constants)


def convolutions(file: Path, length: int, channels: list[int], classes: int) -> Path:
    """Blocks of convolution, normalisation and rectifier on a line, an average, a linear layer."""
    nodes: list[Any] = []
    constants: dict[str, tuple[int, ...]] = {}
    x = "x0"
    for index, (wide, out) in enumerate(pairwise(channels)):
        constants |= {f"w{index}": (out, wide, 3), f"b{index}": (out,)}
        constants |= {f"{part}{index}": (out,) for part in ("scale", "shift", "mean", "var")}
        nodes += [
            helper.make_node("Conv", [x, f"w{index}", f"b{index}"], [f"c{index}"], pads=[1, 1]),
            helper.make_node(
                "BatchNormalization",
                [f"c{index}", *(f"{p}{index}" for p in ("scale", "shift", "mean", "var"))],
                [f"n{index}"],
            ),
            helper.make_node("Relu", [f"n{index}"], [f"r{index}"]),
        ]
        x = f"r{index}"
    constants |= {"head": (channels[-1], classes), "bias": (classes,)}
    nodes += [
        helper.make_node("GlobalAveragePool", [x], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "head", "bias"], ["logits"]),
    ]
    return write(file, nodes, [1, channels[0], length], constants)


@pytest.mark.parametrize(("rows", "hidden", "layers"), [(1, 10, 3), (4, 10, 3), (1, 16, 1), (2, 7, 5)])
def test_toy_perceptron(tmp_path: Path, rows: int, hidden: int, layers: int) -> None:
    file = perceptron(tmp_path / "mlp.onnx", rows, [10, *[hidden] * layers, 2])
    expected = flops.simple_mlp(rows, hidden_size=hidden, num_layers=layers)
    assert count(load_graph(file)) == expected


@pytest.mark.parametrize(("length", "channels"), [(10, [1, 10, 20, 20]), (33, [3, 4, 8]), (50, [1, 1, 2, 2])])
def test_toy_convolutions(tmp_path: Path, length: int, channels: list[int]) -> None:
    file = convolutions(tmp_path / "cnn.onnx", length, channels, 2)
    expected = flops.simple_cnn(
        1, length, input_channels=channels[0], hidden_channels=channels[1], num_layers=len(channels) - 1
    )
    assert count(load_graph(file)) == expected


def test_the_published_case_study_networks(tmp_path: Path) -> None:
    assert count(load_graph(perceptron(tmp_path / "a.onnx", 1, [10, 10, 10, 10, 2]))) == 670
    assert count(load_graph(convolutions(tmp_path / "b.onnx", 10, [1, 10, 20, 20], 2))) == 38_880


@pytest.mark.parametrize(
    ("name", "shape", "flop"),
    [
        # What calflops 0.3.2 answered for torchvision 0.20.1.
        ("resnet18", (1, 3, 224, 224), 3_636_250_112),
        ("resnet18", (2, 3, 97, 64), 1_020_518_400),
        ("resnet50", (1, 3, 224, 224), 8_211_108_352),
        ("mobilenet_v2", (1, 3, 224, 224), 614_967_488),
        ("mobilenet_v2", (1, 3, 131, 160), 283_263_040),
    ],
)
def test_torchvision_networks_to_the_integer(name: str, shape: tuple[int, ...], flop: int) -> None:
    assert torchvision_flop(name, shape) == flop


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("resnet18-224", "resnet18"), ("mobilenetv2-1.0-224", "mobilenet_v2")],
)
def test_the_file_and_its_description_agree(tmp_path: Path, ours: str, theirs: str) -> None:
    graph = load_graph(zoo.path(ours, tmp_path))
    assert count(graph, folded=True) == torchvision_flop(theirs, (1, 3, 224, 224))


def test_the_batch_multiplies_the_count_of_one_sample() -> None:
    def trained(batch: int) -> float:
        document = {"MODEL_NAME": "resnet18", "INPUT_SIZE": [batch, 3, 64, 64]}
        return compat.run("legacy", document)["training_J"]

    assert trained(3) == pytest.approx(3 * trained(1), rel=1e-15)


def test_what_has_no_checked_rule_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "s.onnx", [helper.make_node("Softmax", ["x0"], ["y"])], [1, 4], {})
    with pytest.raises(UnknownOperator, match="Softmax"):
        count(load_graph(file))
    with pytest.raises(ConfigError, match="INPUT_SIZE"):
        torchvision_flop("resnet18", (1, 1, 224, 224))
