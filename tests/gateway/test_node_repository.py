"""The model repository: Triton's layout, broken models beside good ones, versions, reloads."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from node_rig import put
from onnx import TensorProto, helper, save

from gramwise.core.errors import ConfigError, ModelError
from gramwise.gateway.node.model import Model
from gramwise.gateway.node.repository import Repository
from gramwise.gateway.oip.errors import BadRequest

Load = Callable[[Path], Repository]


@pytest.fixture
def loads() -> list[str]:
    """What was loaded, in order."""
    return []


@pytest.fixture
def opened(tmp_path: Path, loads: list[str]) -> Callable[[], Repository]:
    """A repository over ``tmp_path / "models"`` that notes what it loads."""

    def load(name: str, version: str, file: Path) -> Model:
        loads.append(f"{name}/{version}")
        return Model(name, version, file)

    def make() -> Repository:
        (tmp_path / "models").mkdir(exist_ok=True)
        repository = Repository(tmp_path / "models", load=load)
        repository.reload()
        return repository

    return make


def test_the_newest_version_serves_unless_another_is_named(tmp_path: Path, model: Path, opened: Any) -> None:
    for version in (2, 10, 9):
        put(tmp_path / "models", "tiny", version, model)
    repository = opened()
    assert repository.model("tiny").version == "10"
    assert repository.model("tiny", "9").version == "9"
    assert repository.versions("tiny") == ["2", "9", "10"]


def test_a_broken_model_is_named_and_the_others_serve(
    tmp_path: Path, model: Path, opened: Any, caplog: pytest.LogCaptureFixture
) -> None:
    models = tmp_path / "models"
    put(models, "good", 1, model)
    put(models, "broken", 1, b"this is no model")
    (models / "hollow").mkdir(parents=True)
    (models / "empty" / "1").mkdir(parents=True)
    with caplog.at_level(logging.WARNING):
        repository = opened()
    assert repository.names() == ["good"]
    assert all(name in caplog.text for name in ("broken", "hollow", "empty"))
    for name, why in (("broken", "onnxruntime"), ("hollow", "VERSION"), ("empty", "missing")):
        with pytest.raises(BadRequest) as refused:
            repository.model(name)
        assert refused.value.status == 404
        assert name in refused.value.sentence
        assert why in refused.value.sentence
        assert str(tmp_path) not in refused.value.sentence
    states = {(row["name"], row["state"]) for row in repository.index()}
    assert states == {
        ("good", "READY"),
        ("broken", "UNAVAILABLE"),
        ("hollow", "UNAVAILABLE"),
        ("empty", "UNAVAILABLE"),
    }


def test_a_broken_newest_version_leaves_the_older_to_serve(tmp_path: Path, model: Path, opened: Any) -> None:
    put(tmp_path / "models", "tiny", 1, model)
    put(tmp_path / "models", "tiny", 2, b"")
    repository = opened()
    assert repository.model("tiny").version == "1"
    with pytest.raises(BadRequest, match="version 2 is not ready"):
        repository.model("tiny", "2")


@pytest.mark.parametrize(
    ("name", "version"),
    [("tiny", "3"), ("tiny", "x"), ("tiny", "-1"), ("tiny", "9" * 40), ("tony", ""), ("..", "")],
)
def test_what_is_not_there_is_not_found(
    tmp_path: Path, model: Path, opened: Any, name: str, version: str
) -> None:
    put(tmp_path / "models", "tiny", 1, model)
    with pytest.raises(BadRequest) as refused:
        opened().model(name, version)
    assert refused.value.status == 404


def test_folders_that_are_no_versions_are_passed_over(tmp_path: Path, model: Path, opened: Any) -> None:
    file = put(tmp_path / "models", "tiny", 1, model)
    for name in ("0", "01", "draft", "1.5"):
        (file.parent.parent / name).mkdir()
    (file.parent.parent / "config.pbtxt").write_text('backend: "onnxruntime"', "utf-8")
    (tmp_path / "models" / ".hidden").mkdir()
    (tmp_path / "models" / "README").write_text("no folder", "utf-8")
    repository = opened()
    assert [(row["name"], row["version"]) for row in repository.index()] == [("tiny", "1")]


def test_config_pbtxt_is_remarked(
    tmp_path: Path, model: Path, opened: Any, caplog: pytest.LogCaptureFixture
) -> None:
    file = put(tmp_path / "models", "tiny", 1, model)
    (file.parent.parent / "config.pbtxt").write_text("", "utf-8")
    with caplog.at_level(logging.INFO):
        opened()
    assert "config.pbtxt is not read" in caplog.text


def test_a_reload_loads_only_what_changed(
    tmp_path: Path, model: Path, opened: Any, loads: list[str], save_tiny: Any
) -> None:
    models = tmp_path / "models"
    for name in ("same", "changed", "gone"):
        put(models, name, 1, model)
    repository = opened()
    before = repository.model("same")
    put(models, "changed", 1, save_tiny(tmp_path / "other.onnx", channels=2))
    put(models, "new", 1, model)
    (models / "gone" / "1" / "model.onnx").unlink()
    (models / "gone" / "1").rmdir()
    (models / "gone").rmdir()
    loads.clear()
    repository.reload()
    assert sorted(loads) == ["changed/1", "new/1"]
    assert repository.names() == ["changed", "new", "same"]
    assert repository.model("same") is before


def test_a_change_that_cannot_be_loaded_leaves_what_was_there(
    tmp_path: Path, model: Path, opened: Any
) -> None:
    put(tmp_path / "models", "tiny", 1, model)
    repository = opened()
    before = repository.model("tiny")
    put(tmp_path / "models", "tiny", 1, b"broken")
    repository.reload()
    assert repository.model("tiny") is before


def test_a_model_is_unloaded_and_loaded(tmp_path: Path, model: Path, opened: Any) -> None:
    put(tmp_path / "models", "tiny", 1, model)
    repository = opened()
    repository.unload("tiny")
    with pytest.raises(BadRequest, match="unloaded"):
        repository.model("tiny")
    repository.load("tiny")
    assert repository.model("tiny").version == "1"
    for change in (repository.load, repository.unload):
        with pytest.raises(BadRequest) as refused:
            change("tony")
        assert refused.value.status == 404


def test_loading_what_is_broken_says_so(tmp_path: Path, opened: Any) -> None:
    repository = opened()
    put(tmp_path / "models", "tiny", 1, b"broken")
    with pytest.raises(BadRequest) as refused:
        repository.load("tiny")
    assert refused.value.status == 503


def test_no_folder_is_a_mistake_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="REPOSITORY"):
        Repository(tmp_path / "nowhere")


def test_a_model_says_what_it_takes_and_gives(model: Path) -> None:
    about = Model("tiny", "1", model).metadata(["1"])
    assert [(t.name, t.datatype, t.shape) for t in about.inputs] == [("input", "FP32", [-1, 1, 8, 8])]
    assert [(t.name, t.datatype, t.shape) for t in about.outputs] == [("logits", "FP32", [-1, 4])]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "missing"),
        ({"image": ("FP32", [1, 1, 8, 8])}, "no input 'image'"),
        ({"input": ("FP64", [1, 1, 8, 8])}, "takes FP32"),
        ({"input": ("FP32", [1, 1, 8])}, "takes [-1, 1, 8, 8]"),
        ({"input": ("FP32", [1, 2, 8, 8])}, "takes [-1, 1, 8, 8]"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(model: Path, given: Any, says: str) -> None:
    with pytest.raises(BadRequest) as refused:
        Model("tiny", "1", model).check(given)
    assert refused.value.status == 400
    assert says in refused.value.sentence


def test_text_goes_in_and_comes_out(tmp_path: Path) -> None:
    ends = [helper.make_tensor_value_info(name, TensorProto.STRING, ["n"]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "text", [ends[0]], [ends[1]])
    save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10),
        tmp_path / "t.onnx",
    )
    text = Model("text", "1", tmp_path / "t.onnx")
    given = np.array([b"g", "Grüße".encode()], dtype=object)
    assert list(text.run({"x": given}, ("y",)).outputs[0]) == ["g", "Grüße"]
    with pytest.raises(BadRequest, match="UTF-8"):
        text.run({"x": np.array([b"\xff"], dtype=object)}, ("y",))


def test_a_type_that_the_protocol_has_not_is_refused_when_loaded(tmp_path: Path) -> None:
    ends = [helper.make_tensor_value_info(name, TensorProto.BFLOAT16, ["n"]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [ends[0]], [ends[1]])
    save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10),
        tmp_path / "b.onnx",
    )
    with pytest.raises(ModelError, match="bfloat16"):
        Model("b", "1", tmp_path / "b.onnx")
