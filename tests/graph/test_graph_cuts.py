"""What is alive at each place where a network can be cut."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from gramwise.core.errors import ModelError
from gramwise.core.model import ModelGraph
from gramwise.graph import zoo
from gramwise.graph.atoms import merge
from gramwise.graph.cuts import Part, cut_at, legal_cuts, names_in, refuse_rounding, single_tensor
from gramwise.graph.load import hidden_names, load_graph
from gramwise.runtime.session import optimised_outputs

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


def names(graph: ModelGraph, part: Part) -> list[str]:
    return [graph.layers[position].name for position in part.layers]


@pytest.fixture
def branches(save_model: Save) -> ModelGraph:
    """x -> stem -> (left | right | short) -> join -> tail, with an output of its own at the stem."""
    nodes = [
        helper.make_node("Relu", ["x"], ["s"], name="stem"),
        helper.make_node("Neg", ["s"], ["l"], name="left"),
        helper.make_node("Abs", ["s"], ["r"], name="right"),
        helper.make_node("Exp", ["r"], ["r2"], name="right2"),
        helper.make_node("Sum", ["l", "r2", "s"], ["j"], name="join"),
        helper.make_node("Mul", ["j", "late"], ["y"], name="tail"),
    ]
    ends = {"x": [1, 6], "late": [1, 6]}, {"y": [1, 6], "s": [1, 6]}
    return load_graph(save_model(nodes, *ends))


def test_tensors_in_a_row_are_cuts_in_a_row(branches: ModelGraph) -> None:
    parts, borders = cut_at(branches, ["j", "s"])
    assert [names(branches, part) for part in parts] == [
        ["stem"],
        ["left", "right", "right2", "join"],
        ["tail"],
    ]
    assert [(part.inputs, part.outputs) for part in parts] == [
        (("x",), ("s",)),
        (("s",), ("j",)),
        (("j", "late"), ("y",)),  # an input of the network goes to whoever needs it
    ]
    assert [tuple(border) for border in borders] == [(("s",), 24), (("j",), 24)]


def test_branches_beside_each_other_are_one_cut(branches: ModelGraph) -> None:
    parts, borders = cut_at(branches, ["l", "r", "s"])
    assert [names(branches, part) for part in parts] == [
        ["stem", "left", "right"],
        ["right2", "join", "tail"],
    ]
    assert [tuple(border) for border in borders] == [(("s", "l", "r"), 72)]
    assert parts[0].outputs == ("s", "l", "r")


def test_a_skip_must_be_cut_too(branches: ModelGraph) -> None:
    with pytest.raises(
        ModelError,
        match=r"cutting at 'r2' does not separate the network: 's' crosses there too\. "
        r"Cut at r2,s together, or at 'j', where one tensor is enough\.",
    ):
        cut_at(branches, ["r2"])
    parts, borders = cut_at(branches, ["r2", "s"])
    assert len(parts) == 2
    assert borders[0].tensors == ("s", "r2")


def test_a_tensor_that_passes_two_borders_is_paid_at_both(branches: ModelGraph) -> None:
    parts, borders = cut_at(branches, ["s", "l", "r", "r2"])
    # s and r alone lie within (s, l, r2) or (s, l, r): the parts are stem..right | right2 | the rest.
    assert [set(border.tensors) for border in borders] == [{"s", "l", "r"}, {"s", "l", "r2"}]
    assert [names(branches, part) for part in parts] == [
        ["stem", "left", "right"],
        ["right2"],
        ["join", "tail"],
    ]
    assert parts[1].inputs == ("r",)


def test_the_parts_of_a_residual_block(mobilenet: ModelGraph) -> None:
    parts, borders = cut_at(mobilenet, ["block15.depthwise", "block14.project"])
    assert [border.bytes for border in borders] == [(960 + 160) * 7 * 7 * 4]
    assert len(parts) == 2
    assert sorted(p for part in parts for p in part.layers) == list(range(len(mobilenet.layers)))
    with pytest.raises(ModelError, match=r"'block14\.project' crosses there too"):
        cut_at(mobilenet, ["block15.depthwise"])


def test_names_that_cannot_be_cut_say_why(branches: ModelGraph) -> None:
    for name, reason in (
        ("x", "'x' is an input of the network"),
        ("y", "'y' is an output of the network"),
        ("stem", "there is no tensor 'stem'"),
    ):
        with pytest.raises(ModelError, match=reason):
            cut_at(branches, [name])


def test_a_misspelt_tensor_is_recognised(mobilenet: ModelGraph) -> None:
    with pytest.raises(ModelError, match=r"there is no tensor 'blok03\.add'\. Did you mean 'block03\.add'\?"):
        cut_at(mobilenet, ["blok03.add"])


def test_an_unread_tensor_is_no_cut(save_model: Save) -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Neg", ["a"], ["nobody"]),
        helper.make_node("Abs", ["a"], ["y"]),
    ]
    graph = load_graph(save_model(nodes, {"x": [1, 2]}, {"y": [1, 2]}, known={"nobody": [1, 2]}))
    with pytest.raises(ModelError, match="'nobody' is needed by no output"):
        cut_at(graph, ["nobody"])
    assert [part.layers for part in cut_at(graph, ["a"]).parts] == [(0,), (2,)]


def test_constants_and_bodies_say_so(save_model: Save) -> None:
    def body(name: str, op: str) -> onnx.GraphProto:
        out = helper.make_tensor_value_info(f"{name}_y", 1, [3])
        nodes = [
            helper.make_node(op, ["a"], [f"{name}_1"]),
            helper.make_node("Neg", [f"{name}_1"], [f"{name}_y"]),
        ]
        return helper.make_graph(nodes, name, [], [out])

    nodes = [
        helper.make_node("Mul", ["x", "twice"], ["a"]),
        helper.make_node("ReduceMax", ["a"], ["m"], keepdims=0),
        helper.make_node("Greater", ["m", "zero"], ["flag"]),
        helper.make_node(
            "If", ["flag"], ["c"], name="choice", then_branch=body("t", "Exp"), else_branch=body("e", "Abs")
        ),
        helper.make_node("Abs", ["c"], ["y"]),
        helper.make_node("Neg", ["zero"], ["folded"]),
        helper.make_node("Sub", ["c", "folded"], ["z"]),
    ]
    constants = {"zero": np.float32(0), "twice": np.float32(2)}
    file = save_model(nodes, {"x": [3]}, {"y": [3], "z": [3]}, constants)
    graph, hidden = load_graph(file), hidden_names(file)
    for name in ("zero", "folded"):
        with pytest.raises(ModelError, match="it is a constant, which never travels"):
            cut_at(graph, [name], hidden=hidden)
    with pytest.raises(ModelError, match="it is inside If 'choice', which runs as a whole"):
        cut_at(graph, ["t_1"], hidden=hidden)
    # What the bodies capture is alive in front of the operator.
    with pytest.raises(ModelError, match="'a' crosses there too"):
        cut_at(graph, ["flag"], hidden=hidden)
    assert cut_at(graph, ["flag", "a"], hidden=hidden).borders[0].tensors == ("a", "flag")


DIGITS_INT8 = Path(str(files("gramwise.data"))) / "models" / "digits-int8.onnx"


def test_a_cut_that_would_change_rounding_is_refused_and_the_next_one_named() -> None:
    graph, groups = load_graph(DIGITS_INT8), optimised_outputs(DIGITS_INT8)
    kept, atoms = {name for group in groups for name in group}, merge(graph, groups)
    ends = {*graph.inputs, *graph.outputs}
    singles = [c.tensors[0] for c in single_tensor(legal_cuts(graph)) if c.tensors[0] not in ends]
    legal = {c.tensors[0] for c in single_tensor(legal_cuts(atoms))} & kept
    refused = 0
    for name in singles:
        if name in kept:
            refuse_rounding(graph, atoms, kept, [name])
            continue
        with pytest.raises(ModelError, match="would change how int8 values are rounded") as caught:
            refuse_rounding(graph, atoms, kept, [name])
        refused += 1
        named = str(caught.value).split("Cut at '")[1].split("'")[0]
        assert named in legal
        assert named.endswith("_QuantizeLinear_Output")
    assert refused > 50


def test_the_nearest_legal_cut_is_behind_the_quantizelinear() -> None:
    graph, groups = load_graph(DIGITS_INT8), optimised_outputs(DIGITS_INT8)
    kept, atoms = {name for group in groups for name in group}, merge(graph, groups)
    for name, nearest in (
        ("block09.add", "block09.add_QuantizeLinear_Output"),  # what goes into it
        ("block09.add_DequantizeLinear_Output", "block09.add_QuantizeLinear_Output"),  # what it came from
    ):
        with pytest.raises(
            ModelError, match=f"Cut at '{nearest}', behind the QuantizeLinear, where int8 travels"
        ):
            refuse_rounding(graph, atoms, kept, [name])


def test_between_atoms_a_shared_conversion_does_not_bind_both_sides() -> None:
    """As written, one DequantizeLinear feeds a block and the skip around it; each fused operator has its own."""
    graph = load_graph(DIGITS_INT8)
    atoms = merge(graph, optimised_outputs(DIGITS_INT8))
    inside = ["block03.depthwise.relu6_QuantizeLinear_Output", "block02.project_QuantizeLinear_Output"]
    with pytest.raises(ModelError, match="does not separate"):
        cut_at(graph, inside)
    (border,) = cut_at(atoms, inside).borders
    assert border.bytes == 8 * 24 * 24 + 48 * 24 * 24


def test_an_answer_that_is_a_constant_is_merged_but_not_cut(save_model: Save) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["a"]), helper.make_node("Add", ["a", "w"], ["y"])]
    weights = {"w": np.ones((1, 6), np.float32)}
    graph = load_graph(save_model(nodes, {"x": [1, 6]}, {"y": [1, 6], "w": [1, 6]}, weights))
    for kept in (None, (("a",), ("y",))):
        atoms = merge(graph, kept)
        assert [layer.outputs for layer in atoms.layers] == [("a",), ("y",)]
        with pytest.raises(
            ModelError, match="output 'w' of the network is a constant, which no piece can make"
        ):
            cut_at(atoms, ["a"])


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a,c", ["a", "c"]),
        (" a , c,", ["a", "c"]),
        ("a,b", ["a,b"]),
        ("c,a,b,a", ["c", "a,b", "a"]),
        ("a, b", ["a", "b"]),
        ("/m/c:0, d e", ["/m/c:0", "d e"]),
        (" , ", []),
    ],
)
def test_names_between_commas(text: str, names: list[str]) -> None:
    assert names_in(text, {"a", "c", "a,b", "d e"}) == names
