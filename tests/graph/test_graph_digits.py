"""The shipped digits model: its files are those that were measured, and measuring again says the same."""

from __future__ import annotations

import hashlib
import json
import math
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from gramwise.graph.inspect import inspect_model
from gramwise.graph.load import load_graph

DATA = Path(str(files("gramwise.data")))
DIGITS: dict[str, Any] = json.loads((DATA / "models" / "digits.json").read_text(encoding="utf-8"))
ROWS: dict[str, dict[str, Any]] = {row["name"]: row for row in DIGITS["variants"]}


@pytest.fixture(scope="module")
def held_out() -> tuple[Any, Any]:
    with np.load(DATA / "digits" / "heldout.npz") as archive:
        return archive["images"], archive["labels"]


def inputs(images: Any) -> Any:
    """The documented preprocessing, written out."""
    rule = DIGITS["preprocess"]
    enlarged = images.repeat(rule["repeat"], axis=1).repeat(rule["repeat"], axis=2)
    return (enlarged.astype(np.float32) / rule["divide_by"])[:, None]


def session(name: str) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(file(name), options, providers=["CPUExecutionProvider"])


def file(name: str) -> Path:
    return DATA / "models" / str(ROWS[name]["file"])


def test_held_out_images_are_those_of_the_record(held_out: tuple[Any, Any]) -> None:
    images, labels = held_out
    split = DIGITS["split"]
    assert (images.shape, images.dtype) == ((split["held_out"], 8, 8), np.uint8)
    assert (labels.shape, labels.dtype) == ((split["held_out"],), np.uint8)
    assert images.max() == DIGITS["preprocess"]["divide_by"]
    assert hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest() == split["held_out_sha256"]
    # Stratified: each digit has its tenth, within rounding of the 1797 images' own shares (174 to 183 each).
    assert np.bincount(labels, minlength=10).tolist() == pytest.approx([split["held_out"] / 10] * 10, abs=3)
    assert "CC BY 4.0" in (DATA / "digits" / "ATTRIBUTION.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ROWS)
def test_file_is_the_measured_one(name: str) -> None:
    row = ROWS[name]
    assert hashlib.sha256(file(name).read_bytes()).hexdigest() == row["sha256"]
    assert file(name).stat().st_size < 2.5e6
    document = inspect_model(file(name))
    assert (document["multiply_adds"], document["weight_bytes"]) == (
        row["multiply_adds"],
        row["weight_bytes"],
    )
    assert document["uncounted_ops"] == []
    assert onnx.load(file(name)).opset_import[0].version == 17


@pytest.mark.parametrize("name", ROWS)
def test_accuracy_measured_again(name: str, held_out: tuple[Any, Any]) -> None:
    images, labels = held_out
    (logits,) = session(name).run(["logits"], {"input": inputs(images)})
    correct = int((logits.argmax(axis=1) == labels).sum())
    row = ROWS[name]
    assert (row["n"], row["accuracy_frac"]) == (len(labels), row["correct"] / len(labels))
    # Another processor may sum in another order: that can turn an image that is all but a tie, not more.
    assert abs(correct - row["correct"]) <= 1


@pytest.mark.parametrize("name", ROWS)
def test_interval_is_wilsons(name: str) -> None:
    row, z = ROWS[name], 1.959964
    # The ends of Wilson's interval are where the share is z standard errors, of the end itself, away.
    for end in (row["accuracy_low_frac"], row["accuracy_high_frac"]):
        distance = abs(row["accuracy_frac"] - end) / math.sqrt(end * (1 - end) / row["n"])
        assert distance == pytest.approx(z, rel=1e-3)
    assert row["accuracy_low_frac"] < row["accuracy_frac"] < row["accuracy_high_frac"]


def test_the_cheaper_variants_are_cheaper_and_nearly_as_good() -> None:
    fp32, int8, small = ROWS["fp32"], ROWS["int8"], ROWS["small"]
    assert DIGITS["reference"] == "fp32"
    assert fp32["accuracy_frac"] >= 0.98
    assert min(int8["accuracy_frac"], small["accuracy_frac"]) >= fp32["accuracy_frac"] - 0.01
    assert small["multiply_adds"] * 8 <= fp32["multiply_adds"]
    assert int8["multiply_adds"] == fp32["multiply_adds"]
    assert int8["weight_bytes"] * 3 < fp32["weight_bytes"]


@pytest.mark.parametrize("name", ROWS)
def test_any_batch_gives_the_same_answers(name: str, held_out: tuple[Any, Any]) -> None:
    images = inputs(held_out[0][:7])
    run = session(name)
    (together,) = run.run(None, {"input": images})
    alone = np.concatenate([run.run(None, {"input": image[None]})[0] for image in images])
    assert together.shape == (7, 10)
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-4)


def test_int8_runs_in_integers() -> None:
    graph = load_graph(file("int8"))
    fp32 = load_graph(file("fp32"))
    products = [layer for layer in graph.layers if layer.op in ("Conv", "Gemm")]
    assert len(products) == sum(layer.op in ("Conv", "Gemm") for layer in fp32.layers)
    assert {layer.precision for layer in products} == {"int8"}
    # A byte instead of four for weights and activations alike.
    assert graph.work.read_bytes < 0.3 * fp32.work.read_bytes
    assert graph.work.write_bytes < 0.3 * fp32.work.write_bytes
