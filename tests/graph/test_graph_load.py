"""ONNX files to layers: published counts, quantised graphs, control flow, and what a person reads when it fails."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from gramwise.core.errors import ModelError, SourceUnavailable, UnknownShape
from gramwise.core.model import Layer
from gramwise.graph import zoo
from gramwise.graph.inspect import inspect_model, multiply_adds
from gramwise.graph.load import load_graph

Save = Callable[..., Path]
LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


def weights(*shape: int) -> Any:
    return np.ones(shape, dtype=np.float32)


@pytest.mark.parametrize(
    ("name", "published", "exact", "parameters"),
    [
        ("mobilenetv2-1.0-224", 300.8e6, 300_774_272, 3_487_816 + 2),  # two scalars: the bounds of ReLU6
        ("resnet50-v1.5-224", 4.089e9, 4_089_184_256, 25_530_472),
    ],
)
def test_published_multiply_adds(
    name: str, published: float, exact: int, parameters: int, tmp_path: Path
) -> None:
    graph = load_graph(zoo.path(name, tmp_path))
    assert multiply_adds(graph) == exact
    assert multiply_adds(graph) == pytest.approx(published, rel=0.01)
    assert graph.weight_bytes == 4 * parameters
    assert graph.uncounted_ops == ()
    assert multiply_adds(load_graph(zoo.path(name, tmp_path), batch=3)) == 3 * exact


@pytest.mark.parametrize(
    ("name", "giga_multiply_adds", "weight_mb"),
    [
        # torchvision's model pages: "GFLOPS" (multiply-adds there) and parameters x 4 bytes of SqueezeNet 1.1,
        # VGG-19 and ResNet-50.
        ("light_squeezenet", 0.35, 4.94),
        ("light_vgg19", 19.63, 574.67),
        ("light_resnet50", 4.09, 102.23),
    ],
)
def test_published_topologies(name: str, giga_multiply_adds: float, weight_mb: float) -> None:
    document = inspect_model(LIGHT / f"{name}.onnx")
    assert document["uncounted_ops"] == []
    assert document["multiply_adds"] / 1e9 == pytest.approx(giga_multiply_adds, rel=0.01)
    assert document["weight_bytes"] / 1e6 == pytest.approx(weight_mb, rel=0.01)


@pytest.mark.parametrize("file", sorted(LIGHT.glob("*.onnx")), ids=lambda file: file.stem)
def test_every_light_model_loads(file: Path) -> None:
    graph = load_graph(file)
    seen = set(graph.inputs)
    for layer in graph.layers:
        assert seen.issuperset(layer.inputs)
        seen.update(layer.outputs)
    assert set(graph.outputs) <= seen
    assert len({layer.name for layer in graph.layers}) == len(graph.layers)
    assert graph.work.flop > 0


def test_bytes_and_digest_of_one_convolution(save_model: Save) -> None:
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["y"], name="c", pads=[1, 1, 1, 1])]
    constants = {"w": weights(16, 8, 3, 3), "b": weights(16)}
    file = save_model(nodes, {"x": ["batch", 8, 10, 10]}, {"y": None}, constants)
    graph = load_graph(file, batch=2)
    (layer,) = graph.layers
    constant_bytes = 4 * (16 * 8 * 9 + 16)
    assert layer.work.flop == 2 * 2 * 16 * 100 * 72
    assert layer.work.read_bytes == 2 * 4 * 800 + constant_bytes
    assert layer.work.write_bytes == 2 * 4 * 1600
    assert layer.weight_bytes == graph.weight_bytes == constant_bytes
    assert (layer.inputs, layer.outputs, layer.precision) == (("x",), ("y",), "fp32")
    assert graph.tensor_bytes == {"x": 6400, "y": 12800}
    assert graph.digest == hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_shared_constant_counts_once_in_the_graph_and_in_each_layer(save_model: Save) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("MatMul", ["a", "w"], ["b"]),
        helper.make_node("Add", ["b", "b"], ["y"]),
    ]
    graph = load_graph(
        save_model(nodes, {"x": [1, 4]}, {"y": [1, 4]}, {"w": weights(4, 4), "unused": weights(99)})
    )
    assert graph.weight_bytes == 64
    assert [layer.weight_bytes for layer in graph.layers] == [64, 64, 0]
    assert graph.layers[2].work.read_bytes == 16


def test_what_is_constant_is_no_layer(save_model: Save) -> None:
    shape = helper.make_node("Constant", [], ["target"], value=numpy_helper.from_array(np.array([1, 8])))
    nodes = [
        shape,
        helper.make_node("Neg", ["w"], ["negative"]),
        helper.make_node("Reshape", ["x", "target"], ["flat"]),
        helper.make_node("MatMul", ["flat", "negative"], ["y"]),
    ]
    graph = load_graph(save_model(nodes, {"x": [2, 4]}, {"y": [1, 3]}, {"w": weights(8, 3)}))
    assert [layer.op for layer in graph.layers] == ["Reshape", "MatMul"]
    assert graph.weight_bytes == 2 * 8 + 8 * 3 * 4


def test_qdq_convolution_counts_as_the_integer_operator_it_becomes(save_model: Save) -> None:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"], name="in"),
        helper.make_node("DequantizeLinear", ["xq", "s", "z"], ["xd"]),
        helper.make_node("DequantizeLinear", ["wq", "s"], ["wd"]),
        helper.make_node("Conv", ["xd", "wd"], ["c"], name="conv"),
        helper.make_node("QuantizeLinear", ["c", "s", "z"], ["cq"]),
        helper.make_node("DequantizeLinear", ["cq", "s", "z"], ["y"], name="out"),
    ]
    constants = {"s": np.float32(0.1), "z": np.uint8(3), "wq": np.ones((4, 2, 1, 1), dtype=np.int8)}
    graph = load_graph(save_model(nodes, {"x": [1, 2, 5, 5]}, {"y": [1, 4, 5, 5]}, constants))
    layers = {layer.name: layer for layer in graph.layers}
    conv = layers["conv"]
    assert conv.precision == "int8"
    assert conv.work.flop == 2 * 100 * 2
    assert conv.work.read_bytes == 50 + 8 + 4  # one byte an activation, one a weight, and the scale
    assert conv.work.write_bytes == 100
    # The ends do their own work: they touch fp32 that really travels.
    assert layers["in"].work.flop == 5 * 50
    assert layers["in"].work.read_bytes == 200 + 5
    assert layers["out"].work.write_bytes == 400
    # What lies between is absorbed.
    absorbed = [layer for layer in graph.layers if layer.name not in ("in", "conv", "out")]
    assert [layer.work.flop for layer in absorbed] == [0, 0]
    assert graph.weight_bytes == 8 + 4 + 1


def test_a_convolution_whose_result_also_leaves_as_fp32_is_not_integer(save_model: Save) -> None:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "s"], ["xd"]),
        helper.make_node("Conv", ["xd", "w"], ["c"], name="conv"),
        helper.make_node("QuantizeLinear", ["c", "s"], ["cq"]),
        helper.make_node("DequantizeLinear", ["cq", "s"], ["y"]),
    ]
    constants = {"s": np.float32(0.1), "w": weights(4, 2, 1, 1)}
    graph = load_graph(
        save_model(nodes, {"x": [1, 2, 5, 5]}, {"y": [1, 4, 5, 5], "c": [1, 4, 5, 5]}, constants)
    )
    conv = next(layer for layer in graph.layers if layer.name == "conv")
    assert (conv.precision, conv.work.read_bytes, conv.work.write_bytes) == ("fp32", 200 + 32, 400)


def quantised_operators() -> tuple[list[Any], dict[str, Any]]:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
        helper.make_node("QLinearConv", ["xq", "s", "z", "w", "s", "wz", "s", "z"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node(
            "QLinearAdd", ["c", "s", "z", "c", "s", "z", "s", "z"], ["a"], domain="com.microsoft"
        ),
        helper.make_node(
            "QLinearGlobalAveragePool",
            ["a", "s", "z", "s", "z"],
            ["p"],
            domain="com.microsoft",
            channels_last=0,
        ),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node(
            "QGemm", ["f", "s", "z", "g", "s", "wz", "", "s", "z"], ["q"], domain="com.microsoft", transB=1
        ),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    constants = {
        "s": np.float32(0.1),
        "z": np.uint8(3),
        "wz": np.int8(0),
        "w": np.ones((4, 2, 3, 3), dtype=np.int8),
        "g": np.ones((10, 4), dtype=np.int8),
    }
    return nodes, constants


def test_quantised_operators(save_model: Save) -> None:
    nodes, constants = quantised_operators()
    graph = load_graph(save_model(nodes, {"x": ["N", 2, 5, 5]}, {"y": ["N", 10]}, constants), batch=2)
    rows = {layer.op: (layer.work.flop, layer.precision, layer.work.write_bytes) for layer in graph.layers}
    assert not graph.uncounted_ops
    expected = {
        "QLinearConv": (2.0 * 2 * 100 * 18, "int8", 200.0),
        "com.microsoft.QLinearAdd": (10.0 * 200, "int8", 200.0),
        "com.microsoft.QGemm": (2.0 * 2 * 10 * 4, "int8", 20.0),
    }
    assert {op: rows[op] for op in expected} == expected
    assert graph.tensor_bytes["y"] == 2 * 10 * 4
    assert multiply_adds(graph) == 2 * (100 * 18 + 40)


def test_onnxruntime_runs_the_same_quantised_operators(save_model: Save) -> None:
    """The graph of the test before is a real one, and its shapes are those that onnxruntime finds."""
    nodes, constants = quantised_operators()
    file = save_model(nodes, {"x": ["N", 2, 5, 5]}, {"y": ["N", 10], "c": None}, constants, opset=17)
    model = onnx.load(file)
    model.graph.output[1].type.tensor_type.elem_type = TensorProto.UINT8
    onnx.save(model, file)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    y, c = session.run(["y", "c"], {"x": weights(2, 2, 5, 5)})
    graph = load_graph(file, batch=2)
    assert (graph.tensor_bytes["y"], graph.tensor_bytes["c"]) == (y.nbytes, c.nbytes)


def test_an_unknown_operator_is_named_and_counted_in_bytes(save_model: Save) -> None:
    nodes = [
        helper.make_node("Wavelet", ["x", "w"], ["a"], domain="example", name="mystery"),
        helper.make_node("Relu", ["a"], ["y"]),
    ]
    file = save_model(nodes, {"x": [1, 6]}, {"y": [1, 3]}, {"w": weights(5)}, known={"a": [1, 3]})
    graph = load_graph(file)
    assert graph.uncounted_ops == ("example.Wavelet",)
    mystery = graph.layers[0]
    assert not mystery.counted
    assert (mystery.work.flop, mystery.work.read_bytes, mystery.work.write_bytes) == (0, 24 + 20, 12)
    assert graph.layers[1].counted


def branch(name: str, op: str, extra: str) -> Any:
    nodes = [helper.make_node(op, ["a", extra], [f"{name}_out"])]
    constants = [numpy_helper.from_array(weights(4), "inner")] if extra == "inner" else []
    output = helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, [1, 4])
    return helper.make_graph(nodes, name, [], [output], constants)


def test_control_flow_is_one_layer_that_reads_what_its_bodies_capture(save_model: Save) -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Neg", ["x"], ["b"]),
        helper.make_node("ReduceMax", ["x"], ["m"], keepdims=0),
        helper.make_node("Greater", ["m", "zero"], ["flag"]),
        helper.make_node(
            "If",
            ["flag"],
            ["y"],
            name="choice",
            then_branch=branch("then", "Add", "b"),
            else_branch=branch("else", "Mul", "inner"),
        ),
    ]
    graph = load_graph(save_model(nodes, {"x": [1, 4]}, {"y": [1, 4]}, {"zero": np.float32(0)}))
    choice = graph.layers[-1]
    assert choice.inputs == ("flag", "a", "b")
    assert not choice.counted
    assert choice.weight_bytes == 16
    assert choice.work.read_bytes == 1 + 16 + 16 + 16
    assert graph.uncounted_ops == ("If",)
    assert graph.weight_bytes == 4 + 16


def test_functions_are_inlined(save_model: Save) -> None:
    function = helper.make_function(
        "example",
        "Twice",
        ["u", "v"],
        ["out"],
        [
            helper.make_node("MatMul", ["u", "v"], ["once"]),
            helper.make_node("Add", ["once", "once"], ["out"]),
        ],
        [helper.make_opsetid("", 17)],
    )
    nodes = [helper.make_node("Twice", ["x", "w"], ["y"], domain="example")]
    file = save_model(nodes, {"x": [2, 4]}, {"y": [2, 3]}, {"w": weights(4, 3)}, functions=[function])
    graph = load_graph(file)
    assert [layer.op for layer in graph.layers] == ["MatMul", "Add"]
    assert multiply_adds(graph) == 2 * 4 * 3


def test_weights_in_another_file_are_not_needed(save_model: Save, tmp_path: Path) -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    model = onnx.load(save_model(nodes, {"x": [1, 64]}, {"y": [1, 64]}, {"w": weights(64, 64)}))
    file = tmp_path / "outside.onnx"
    onnx.save(model, file, save_as_external_data=True, location="weights.bin", size_threshold=0)
    (tmp_path / "weights.bin").unlink()
    graph = load_graph(file)
    assert graph.weight_bytes == 64 * 64 * 4
    assert multiply_adds(graph) == 64 * 64


def test_an_open_dimension_is_closed_by_name_or_by_place(save_model: Save) -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    named = save_model(nodes, {"x": ["batch", "tokens", 8]}, {"y": None}, {"w": weights(8, 8)})
    with pytest.raises(
        UnknownShape, match="dimension 'tokens' of tensor 'x' is open: pass --dim tokens=SIZE"
    ):
        load_graph(named)
    assert load_graph(named, batch=2, dims={"tokens": 5}).tensor_bytes["y"] == 2 * 5 * 8 * 4
    with pytest.raises(ModelError, match=r"no open dimension called 'token'\. Did you mean 'tokens'\?"):
        load_graph(named, dims={"tokens": 5, "token": 5})
    unnamed = save_model(nodes, {"x": ["batch", None, 8]}, {"y": None}, {"w": weights(8, 8)})
    with pytest.raises(UnknownShape, match="--dim x:1=SIZE"):
        load_graph(unnamed)
    assert load_graph(unnamed, dims={"x:1": 3}).tensor_bytes["y"] == 3 * 8 * 4


def test_a_size_that_depends_on_the_values_can_be_given(save_model: Save) -> None:
    nodes = [
        helper.make_node("NonZero", ["x"], ["places"]),
        helper.make_node("Cast", ["places"], ["y"], to=1),
    ]
    file = save_model(nodes, {"x": [1, 50]}, {"y": None})
    with pytest.raises(UnknownShape, match=r"tensor 'places' is open: pass --dim (\S+)=SIZE") as caught:
        load_graph(file)
    name = str(caught.value).rsplit("--dim ", 1)[1].split("=")[0]
    assert load_graph(file, dims={name: 7}).tensor_bytes["y"] == 2 * 7 * 4


def test_shapes_of_fused_operators_follow_their_standard_counterparts(save_model: Save) -> None:
    foreign = {"domain": "com.microsoft"}
    nodes = [
        helper.make_node("Attention", ["x", "w"], ["a"], num_heads=4, **foreign),
        helper.make_node("SkipLayerNormalization", ["a", "x", "g"], ["n", "", "", "sum"], **foreign),
        helper.make_node("Gelu", ["n"], ["o"], **foreign),
        helper.make_node("Add", ["o", "sum"], ["y"]),
    ]
    constants = {"w": weights(32, 96), "g": weights(32)}
    graph = load_graph(save_model(nodes, {"x": ["batch", 10, 32]}, {"y": None}, constants))
    assert {graph.tensor_bytes[name] for name in ("a", "n", "sum", "o", "y")} == {10 * 32 * 4}
    assert multiply_adds(graph) == 10 * 32 * 96 + 2 * 100 * 32
    assert not graph.uncounted_ops


def test_a_shape_worked_out_in_the_graph_is_followed(save_model: Save) -> None:
    """What torch's exporter writes for ``x.reshape(x.shape[0], -1)``."""
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["n"]),
        helper.make_node("Unsqueeze", ["n", "axis"], ["n1"]),
        helper.make_node("Concat", ["n1", "rest"], ["target"], axis=0),
        helper.make_node("Reshape", ["x", "target"], ["y"]),
    ]
    constants = {"zero": np.int64(0), "axis": np.array([0]), "rest": np.array([-1])}
    graph = load_graph(save_model(nodes, {"x": ["N", 4, 5]}, {"y": [None, 20]}, constants), batch=3)
    assert graph.tensor_bytes["y"] == 3 * 20 * 4
    assert graph.work.flop == 0


def test_a_sequence_has_no_size(save_model: Save) -> None:
    nodes = [
        helper.make_node("SequenceConstruct", ["x"], ["parts"]),
        helper.make_node("ConcatFromSequence", ["parts"], ["y"], axis=0),
    ]
    with pytest.raises(UnknownShape, match=r"'parts' \(SequenceConstruct\) is no tensor"):
        load_graph(save_model(nodes, {"x": [1, 6]}, {"y": [1, 6]}))


def test_a_tensor_behind_an_unknown_operator_says_what_to_record(save_model: Save) -> None:
    nodes = [
        helper.make_node("Wavelet", ["x"], ["a"], domain="example"),
        helper.make_node("Relu", ["a"], ["y"]),
    ]
    with pytest.raises(UnknownShape, match=r"tensor 'a' \(example.Wavelet\) has no shape.*value_info"):
        load_graph(save_model(nodes, {"x": [1, 6]}, {"y": [1, 3]}))


def test_a_fixed_batch_is_not_silently_kept(save_model: Save) -> None:
    file = save_model([helper.make_node("Relu", ["x"], ["y"])], {"x": [1, 6]}, {"y": [1, 6]})
    with pytest.raises(ModelError, match="batch size is fixed, so batch 4 is not possible"):
        load_graph(file, batch=4)
    with pytest.raises(ModelError, match="must be 1 or more, not 0"):
        load_graph(file, batch=0)


def test_bad_files_are_named_in_one_sentence(tmp_path: Path, save_model: Save) -> None:
    whole = save_model([helper.make_node("Relu", ["x"], ["y"])], {"x": [1, 6]}, {"y": [1, 6]}).read_bytes()
    broken = {
        "cut.onnx": whole[: len(whole) // 2],
        "text.onnx": b"hello, I am not a model",
        "empty.onnx": b"",
    }
    for name, content in broken.items():
        file = tmp_path / name
        file.write_bytes(content)
        with pytest.raises(ModelError) as caught:
            load_graph(file)
        assert str(file) in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="there is no such model file"):
        load_graph(tmp_path / "absent.onnx")
    with pytest.raises(ModelError, match="cannot be read"):
        load_graph(tmp_path)


def test_a_node_that_reads_nothing_known_is_refused(save_model: Save) -> None:
    file = save_model([helper.make_node("Relu", ["ghost"], ["y"], name="r")], {"x": [1, 6]}, {"y": [1, 6]})
    with pytest.raises(ModelError, match="Relu 'r' reads 'ghost', which nothing before it writes"):
        load_graph(file)


def test_without_onnx_the_install_command_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "any.onnx").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(SourceUnavailable, match=r"pip install 'gramwise\[plan\]'"):
        load_graph(tmp_path / "any.onnx")


def test_names_are_made_unique(save_model: Save) -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], name="same"),
        helper.make_node("Relu", ["a"], ["b"], name="same"),
        helper.make_node("Relu", ["b"], ["y"]),
    ]
    layers: tuple[Layer, ...] = load_graph(save_model(nodes, {"x": [1, 6]}, {"y": [1, 6]})).layers
    assert [layer.name for layer in layers] == ["same", "same#2", "Relu_2"]


def test_depthwise_convolutions_hold_seven_percent_of_mobilenet(tmp_path: Path) -> None:
    """The published layer cost that ignores groups and output size gives them 92 %."""
    graph = load_graph(zoo.path("mobilenetv2-1.0-224", tmp_path))
    depthwise = sum(layer.work.flop for layer in graph.layers if layer.name.endswith(".depthwise"))
    assert depthwise / 2 / multiply_adds(graph) == pytest.approx(0.069, abs=5e-4)


def test_sparse_constants_have_shapes(tmp_path: Path) -> None:
    values = helper.make_tensor("w", TensorProto.FLOAT, [2], [1.0, 2.0])
    sparse = helper.make_sparse_tensor(
        values, helper.make_tensor("at", TensorProto.INT64, [2], [0, 7]), [8, 4]
    )
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["a"]), helper.make_node("Relu", ["a"], ["y"])],
        "sparse",
        [helper.make_tensor_value_info("x", 1, [3, 8])],
        [helper.make_tensor_value_info("y", 1, [3, 4])],
        sparse_initializer=[sparse],
    )
    onnx.save(helper.make_model(graph, ir_version=8), tmp_path / "s.onnx")
    loaded = load_graph(tmp_path / "s.onnx")
    assert loaded.tensor_bytes == {"x": 96, "a": 48, "y": 48}
    assert loaded.weight_bytes == 2 * (4 + 8)


def test_a_constant_of_as_many_rows_is_no_batch(save_model: Save) -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    file = save_model(nodes, {"x": [2, 64]}, {"y": [2, 64]}, {"w": weights(64, 64)})
    with pytest.raises(ModelError, match="its batch size is fixed, so batch 64 is not possible"):
        load_graph(file, batch=64)
