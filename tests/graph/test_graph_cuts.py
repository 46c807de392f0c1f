"""What is alive at each place where a network can be cut."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from onnx import helper

from gramwise.core.model import ModelGraph
from gramwise.graph import zoo
from gramwise.graph.cuts import legal_cuts, single_tensor
from gramwise.graph.load import load_graph

Save = Callable[..., Path]


@pytest.fixture(scope="module")
def mobilenet(tmp_path_factory: pytest.TempPathFactory) -> ModelGraph:
    return load_graph(zoo.path("mobilenetv2-1.0-224", tmp_path_factory.mktemp("zoo")))


def test_ends_send_the_input_and_the_answer(mobilenet: ModelGraph) -> None:
    cuts = legal_cuts(mobilenet)
    assert len(cuts) == len(mobilenet.layers) + 1
    assert (cuts[0].tensors, cuts[0].bytes, cuts[0].after) == (("input",), 3 * 224 * 224 * 4, None)
    assert (cuts[-1].tensors, cuts[-1].bytes) == (("logits",), 1000 * 4)


def test_second_block_of_160_channels(mobilenet: ModelGraph) -> None:
    """The published greedy cut ships 184 KiB and the 31 KiB skip; half a block on, 31 KiB are enough."""
    cuts = {cut.after: cut for cut in legal_cuts(mobilenet)}
    inside = cuts["block15.depthwise"]
    assert inside.tensors == ("block14.project", "block15.depthwise")
    assert inside.bytes == (960 + 160) * 7 * 7 * 4
    border = cuts["block15.add"]
    assert border.tensors == ("block15.add",)
    assert border.bytes == 160 * 7 * 7 * 4


def test_single_tensor_cuts_are_those_outside_residual_branches(mobilenet: ModelGraph) -> None:
    names = {cut.after for cut in single_tensor(legal_cuts(mobilenet))}
    assert {None, "stem", "block02.expand", "block03.add", "head", "classifier"} <= names
    assert not {"block03.expand", "block03.depthwise", "block03.project"} & names


def test_a_residual_block_has_two_live_tensors_inside(save_model: Save) -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], name="first"),
        helper.make_node("Neg", ["a"], ["b"], name="branch"),
        helper.make_node("Add", ["a", "b"], ["y"], name="join"),
    ]
    cuts = legal_cuts(load_graph(save_model(nodes, {"x": [1, 6]}, {"y": [1, 6]})))
    assert [(cut.tensors, cut.bytes) for cut in cuts] == [
        (("x",), 24),
        (("a",), 24),
        (("a", "b"), 48),
        (("y",), 24),
    ]


def test_an_early_output_and_a_late_input_stay_alive(save_model: Save) -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["early"], name="one"),
        helper.make_node("Neg", ["early"], ["b"], name="two"),
        helper.make_node("Add", ["b", "late"], ["y"], name="three"),
    ]
    file = save_model(nodes, {"x": [1, 2], "late": [1, 2]}, {"early": [1, 2], "y": [1, 2]})
    assert [set(cut.tensors) for cut in legal_cuts(load_graph(file))] == [
        {"x", "late"},
        {"early", "late"},
        {"early", "b", "late"},
        {"early", "y"},
    ]


def test_bytes_agree_with_the_definition_on_a_graph_with_long_skips(save_model: Save) -> None:
    """Every layer reads all before it; compared with the live set worked out afresh at each position."""
    nodes = [helper.make_node("Sum", ["x", *[f"t{j}" for j in range(i)]], [f"t{i}"]) for i in range(12)]
    graph = load_graph(save_model(nodes, {"x": [1, 5]}, {"t11": [1, 5]}))
    for cut in legal_cuts(graph):
        before = {"x"} | {name for layer in graph.layers[: cut.position] for name in layer.outputs}
        after = {name for layer in graph.layers[cut.position :] for name in layer.inputs} | set(graph.outputs)
        assert set(cut.tensors) == before & after
        assert cut.bytes == 20 * len(before & after)


def test_batch_scales_the_bytes(tmp_path: Path) -> None:
    file = zoo.path("mobilenetv2-1.0-224", tmp_path)
    one, four = legal_cuts(load_graph(file)), legal_cuts(load_graph(file, batch=4))
    assert [4 * cut.bytes for cut in one] == [cut.bytes for cut in four]
