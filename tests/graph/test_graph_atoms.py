"""Layers merged into atoms: what onnxruntime runs as one kernel, and nothing lost on the way."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from gramwise.core.model import Layer, ModelGraph, Work
from gramwise.graph import zoo
from gramwise.graph.atoms import merge
from gramwise.graph.load import load_graph
from gramwise.runtime.session import optimised_outputs

Save = Callable[..., Path]
LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
SHIPPED = Path(str(files("gramwise.data"))) / "models"


def sound(atoms: ModelGraph, graph: ModelGraph) -> None:
    """In order, complete, and with the same weights and FLOP."""
    seen = set(graph.inputs)
    for layer in atoms.layers:
        assert seen.issuperset(layer.inputs)
        assert not seen.intersection(layer.outputs)
        seen.update(layer.outputs)
    assert seen == set(atoms.tensor_bytes)
    assert set(graph.outputs) <= seen
    assert {m for layer in atoms.layers for m in layer.members} == {layer.name for layer in graph.layers}
    assert len({layer.name for layer in atoms.layers}) == len(atoms.layers)
    assert (atoms.digest, atoms.inputs, atoms.outputs) == (graph.digest, graph.inputs, graph.outputs)
    assert atoms.work.flop == pytest.approx(graph.work.flop, rel=1e-12)
    assert sum(atoms.constant_bytes.values()) == graph.weight_bytes
    assert atoms.work.read_bytes <= graph.work.read_bytes
    assert atoms.work.write_bytes <= graph.work.write_bytes


def named(graph: ModelGraph) -> dict[str, Layer]:
    return {layer.name: layer for layer in graph.layers}


@pytest.mark.parametrize(
    ("file", "atoms"),
    [
        ("zoo:mobilenetv2-1.0-224", 65),  # 100 layers, 35 of them bounded activations behind a convolution
        ("digits-fp32.onnx", 65),
        ("digits-int8.onnx", 67),  # the same and a conversion at each end
        ("light_bvlc_alexnet.onnx", 15),
        ("light_squeezenet.onnx", 39),
        ("light_shufflenet.onnx", 137),
    ],
)
def test_an_atom_is_what_onnxruntime_runs(file: str, atoms: int, tmp_path: Path) -> None:
    path = (
        zoo.path(file[4:], tmp_path)
        if file.startswith("zoo:")
        else next(d / file for d in (SHIPPED, LIGHT) if (d / file).is_file())
    )
    graph, kept = load_graph(path), optimised_outputs(path)
    merged = merge(graph, kept)
    assert len(merged.layers) == atoms == len(kept)
    sound(merged, graph)
    sound(merge(graph), graph)


def test_a_convolution_takes_its_activation_in(tmp_path: Path) -> None:
    file = zoo.path("mobilenetv2-1.0-224", tmp_path)
    graph = load_graph(file)
    layers, atoms = named(graph), named(merge(graph, optimised_outputs(file)))
    stem = atoms["stem.relu6"]
    assert (stem.op, stem.members) == ("Conv+Clip", ("stem", "stem.relu6"))
    assert stem.kernel == (32, 3, 3, 3)
    assert set(stem.constants) == {"stem.weight", "stem.bias", "zero", "six"}
    conv, clip = layers["stem"], layers["stem.relu6"]
    assert stem.work.flop == conv.work.flop + clip.work.flop
    # The convolution's own output is neither written nor read.
    assert stem.work.read_bytes == 3 * 224 * 224 * 4 + stem.weight_bytes
    assert stem.work.write_bytes == 32 * 112 * 112 * 4
    assert atoms["block02.depthwise.relu6"].groups == 96


def test_a_quantised_operator_takes_the_conversions_in() -> None:
    file = SHIPPED / "digits-int8.onnx"
    atoms = merge(load_graph(file), optimised_outputs(file))
    residual = next(layer for layer in atoms.layers if layer.name == "block03.add_QuantizeLinear")
    assert residual.op.count("DequantizeLinear") == 2
    assert residual.op.endswith("Add+QuantizeLinear")
    assert residual.inputs == (
        "block02.project_QuantizeLinear_Output",
        "block03.project_QuantizeLinear_Output",
    )
    # The skip's DequantizeLinear is read by two fused operators, and each has it.
    skip = [layer for layer in atoms.layers if "block02.project_DequantizeLinear" in layer.members]
    assert len(skip) == 2
    assert all(
        name.startswith("input") or "Linear_Output" in name or name == "logits" for name in atoms.tensor_bytes
    )
    assert {layer.op for layer in merge(load_graph(file)).layers} == {layer.op for layer in atoms.layers}


def test_the_fixed_rule_finds_chains_behind_products(save_model: Save) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv"),
        helper.make_node("BatchNormalization", ["c", "s", "b", "m", "v"], ["n"], name="norm"),
        helper.make_node("Relu", ["n"], ["r"], name="relu"),
        helper.make_node("Relu", ["r"], ["r2"], name="again"),
        helper.make_node("Conv", ["r2", "w"], ["d"], name="open"),
        helper.make_node("Relu", ["d"], ["e"], name="beside"),
        helper.make_node("Add", ["d", "e"], ["y"], name="join"),
    ]
    one = np.ones(2, np.float32)
    constants = {"w": np.ones((2, 2, 1, 1), np.float32), "s": one, "b": one, "m": one, "v": one}
    file = save_model(nodes, {"x": [1, 2, 4, 4]}, {"y": [1, 2, 4, 4]}, constants)
    graph = load_graph(file)
    atoms = merge(graph)
    # A second activation, and a product with two readers, stay by themselves.
    assert [layer.members for layer in atoms.layers] == [
        ("conv", "norm", "relu"),
        ("again",),
        ("open",),
        ("beside",),
        ("join",),
    ]
    sound(atoms, graph)


def test_names_that_mean_nothing_are_passed_over_and_dead_layers_left_out(save_model: Save) -> None:
    nodes = [
        helper.make_node("Neg", ["x"], ["a"], name="first"),
        helper.make_node("Abs", ["a"], ["unread"], name="dead"),
        helper.make_node("Relu", ["a"], ["y"], name="last"),
    ]
    graph = load_graph(save_model(nodes, {"x": [1, 2]}, {"y": [1, 2]}, known={"unread": [1, 2]}))
    atoms = merge(graph, [("made_up_by_the_optimiser",), ("unread",)])
    assert [layer.members for layer in atoms.layers] == [("first", "last")]
    assert atoms.layers[0].work == Work(flop=4.0, read_bytes=8.0, write_bytes=8.0)


def test_what_is_dear_is_not_done_twice(save_model: Save) -> None:
    """A product whose result onnxruntime does not name, read by two atoms, becomes an atom of its own."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["p"], name="product"),
        helper.make_node("Relu", ["p"], ["a"], name="one"),
        helper.make_node("Neg", ["p"], ["b"], name="two"),
        helper.make_node("Transpose", ["p"], ["t"], name="moved", perm=[1, 0]),
        helper.make_node("Abs", ["t"], ["c"], name="three"),
        helper.make_node("Exp", ["t"], ["d"], name="four"),
        helper.make_node("Sum", ["a", "b"], ["y"], name="join"),
        helper.make_node("Sum", ["c", "d"], ["z"], name="join2"),
    ]
    file = save_model(nodes, {"x": [3, 4]}, {"y": [3, 3], "z": [3, 3]}, {"w": np.ones((4, 3), np.float32)})
    atoms = merge(load_graph(file), [("a",), ("b",), ("c",), ("d",), ("y",), ("z",)])
    assert [layer.members for layer in atoms.layers] == [
        ("product",),
        ("one",),
        ("two",),
        ("moved", "three"),
        ("moved", "four"),
        ("join",),
        ("join2",),
    ]


def test_tensors_that_cannot_be_made_together_are_made_apart(save_model: Save) -> None:
    nodes = [
        helper.make_node("Neg", ["x"], ["a"], name="first"),
        helper.make_node("Abs", ["a"], ["b"], name="second"),
        helper.make_node("Relu", ["b"], ["y"], name="third"),
    ]
    graph = load_graph(save_model(nodes, {"x": [1, 2]}, {"y": [1, 2]}))
    atoms = merge(graph, [("a", "y"), ("b",)])
    assert [layer.members for layer in atoms.layers] == [("first",), ("second",), ("third",)]


def test_layers_say_which_constants_they_read_and_the_shape_of_their_weights(save_model: Save) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w", "bias"], ["a"], name="conv", group=2, pads=[1, 1, 1, 1]),
        helper.make_node("Flatten", ["a"], ["f"], name="flat"),
        helper.make_node("DequantizeLinear", ["q", "s"], ["dense"]),
        helper.make_node("MatMul", ["f", "dense"], ["y"], name="product"),
        helper.make_node("MatMul", ["f", "dense"], ["z"], name="shared"),
    ]
    constants = {
        "w": np.ones((4, 1, 3, 3), np.float32),
        "bias": np.ones(4, np.float32),
        "q": np.ones((100, 7), np.int8),
        "s": np.float32(0.5),
    }
    file = save_model(nodes, {"x": [1, 2, 5, 5]}, {"y": [1, 7], "z": [1, 7]}, constants)
    graph = load_graph(file)
    layers = named(graph)
    assert (layers["conv"].kernel, layers["conv"].groups) == ((4, 1, 3, 3), 2)
    assert layers["conv"].constants == ("w", "bias")
    assert (layers["flat"].kernel, layers["flat"].constants) == ((), ())
    # What is stored counts, not what it is turned into.
    assert layers["product"].kernel == (100, 7)
    assert layers["product"].constants == layers["shared"].constants == ("q", "s")
    assert graph.constant_bytes == {"w": 144, "bias": 16, "q": 700, "s": 4}
    assert graph.weight_bytes == 864
    assert all(
        sum(graph.constant_bytes[c] for c in layer.constants) == layer.weight_bytes for layer in graph.layers
    )


def test_constants_inside_bodies_are_among_a_layers_constants(save_model: Save) -> None:
    def body(name: str, value: float) -> onnx.GraphProto:
        constant = helper.make_tensor(f"{name}_c", 1, [3], [value] * 3)
        out = helper.make_tensor_value_info(f"{name}_y", 1, [3])
        return helper.make_graph(
            [helper.make_node("Add", ["x", f"{name}_c"], [f"{name}_y"])], name, [], [out], [constant]
        )

    nodes = [
        helper.make_node("ReduceMax", ["x"], ["m"], keepdims=0, name="most"),
        helper.make_node("Greater", ["m", "zero"], ["flag"], name="test"),
        helper.make_node(
            "If", ["flag"], ["y"], name="choice", then_branch=body("a", 1), else_branch=body("b", 2)
        ),
    ]
    graph = load_graph(save_model(nodes, {"x": [3]}, {"y": [3]}, {"zero": np.float32(0)}))
    choice = named(graph)["choice"]
    assert choice.weight_bytes == 24
    assert sum(graph.constant_bytes[c] for c in choice.constants) == 24
    assert sum(graph.constant_bytes.values()) == graph.weight_bytes == 28
