"""Sizes as functions of open dimensions, against the sizes that come out when they are closed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from gramwise.core.errors import UnknownShape
from gramwise.graph.inspect import inspect_model
from gramwise.graph.load import load_graph
from gramwise.graph.symbols import Formula, size_formulas, text_of

Save = Callable[..., Path]


def token_model(save_model: Save) -> Path:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["wide"]),
        helper.make_node("Reshape", ["wide", "split"], ["heads"]),
        helper.make_node("Transpose", ["heads"], ["turned"], perm=[0, 2, 1, 3]),
        helper.make_node("Cast", ["turned"], ["half"], to=TensorProto.FLOAT16),
        helper.make_node("Cast", ["half"], ["y"], to=TensorProto.FLOAT),
    ]
    constants = {"w": np.ones((8, 768), np.float32), "split": np.array([0, 0, 12, 64])}
    return save_model(nodes, {"x": ["batch", "sequence", 8]}, {"y": None}, constants)


def test_formulas_agree_with_the_sizes_that_closing_gives(save_model: Save) -> None:
    file = token_model(save_model)
    formulas = size_formulas(file)
    assert str(formulas["wide"]) == "4 x batch x sequence x 768"
    assert str(formulas["half"]) == "2 x batch x 12 x sequence x 64"
    for batch, sequence in ((1, 1), (3, 17)):
        closed = load_graph(file, batch=batch, dims={"sequence": sequence}).tensor_bytes
        for name, size in closed.items():
            formula = formulas[name]
            assert formula is not None
            assert formula.bytes({"batch": batch, "sequence": sequence}) == size


def test_a_dimension_without_a_name_is_called_by_its_place(save_model: Save) -> None:
    file = save_model([helper.make_node("Relu", ["x"], ["y"])], {"x": [None, None, 8]}, {"y": None})
    formula = size_formulas(file)["y"]
    assert str(formula) == "4 x x:0 x x:1 x 8"
    assert load_graph(file, dims={"x:0": 2, "x:1": 3}).tensor_bytes["y"] == 4 * 2 * 3 * 8


def test_a_size_that_depends_on_values_is_unknown(save_model: Save) -> None:
    nodes = [
        helper.make_node("NonZero", ["x"], ["places"]),
        helper.make_node("Cast", ["places"], ["y"], to=1),
    ]
    formulas = size_formulas(save_model(nodes, {"x": [1, 50]}, {"y": None}))
    assert formulas["x"] == Formula((1, 50), 32)
    assert formulas["places"] is None
    assert text_of([formulas["x"], formulas["places"]]) is None


def test_an_open_dimension_must_be_given() -> None:
    formula = Formula(("batch", "sequence", 768), 32)
    assert formula.symbols == {"batch", "sequence"}
    with pytest.raises(UnknownShape, match=r"dimension 'sequence' is open: say how large it is"):
        formula.bytes({"batch": 1})


def test_packed_types_are_rounded_up() -> None:
    assert (Formula(("n", 3), 4).bytes({"n": 3}), str(Formula(("n", 3), 4))) == (5, "4/8 x n x 3")


def test_inspect_shows_formulas_where_dimensions_are_open(save_model: Save) -> None:
    file = token_model(save_model)
    cuts = inspect_model(file, dims={"sequence": 5})["cuts"]
    assert [cut["formula"] for cut in cuts[:2]] == ["4 x batch x sequence x 8", "4 x batch x sequence x 768"]
    closed = save_model([helper.make_node("Relu", ["x"], ["y"])], {"x": [1, 6]}, {"y": [1, 6]})
    assert all("formula" not in cut for cut in inspect_model(closed)["cuts"])
