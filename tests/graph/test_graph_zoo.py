"""The zoo: right shapes, sane numbers, one file a network and seed."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from gramwise.core.errors import ConfigError
from gramwise.graph import zoo


def parameters(name: str) -> int:
    return sum(math.prod(c.dims) for c in zoo.build(name).graph.initializer if len(c.dims) > 0)


def test_parameters_are_torchvisions_less_one_folded_pair_a_channel() -> None:
    # Batch normalisation has scale and shift a channel, the folded convolution a bias.
    assert parameters("mobilenetv2-1.0-224") == 3_504_872 - 17_056
    assert parameters("resnet50-v1.5-224") == 25_557_032 - 26_560


@pytest.mark.parametrize("name", zoo.names())
def test_interface_and_metadata(name: str) -> None:
    model = zoo.build(name)
    (image,), (logits,) = model.graph.input, model.graph.output
    dims = [d.dim_param or d.dim_value for d in image.type.tensor_type.shape.dim]
    assert (image.name, dims) == ("input", ["batch", 3, 224, 224])
    assert (logits.name, logits.type.tensor_type.shape.dim[1].dim_value) == ("logits", 1000)
    assert model.opset_import[0].version == 17
    said = {entry.key: entry.value for entry in model.metadata_props}
    assert said["gramwise.zoo"] == name
    assert "random" in said["gramwise.weights"]


@pytest.mark.parametrize("name", zoo.names())
def test_any_batch_runs_and_activations_stay_sane(name: str, tmp_path: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        zoo.path(name, tmp_path), options, providers=["CPUExecutionProvider"]
    )
    images = np.random.default_rng(0).standard_normal((2, 3, 224, 224), dtype=np.float32)
    (both,) = session.run(None, {"input": images})
    (first,) = session.run(None, {"input": images[:1]})
    assert both.shape == (2, 1000)
    assert 1e-3 < both.std() < 1e4
    assert np.abs(both[0] - both[1]).max() > 0.01 * both.std()
    np.testing.assert_allclose(first[0], both[0], rtol=1e-3, atol=1e-4 * float(both.std()))


def test_file_is_written_once_and_named_by_seed(tmp_path: Path) -> None:
    first = zoo.path("mobilenetv2-1.0-224", tmp_path)
    written = first.stat().st_mtime_ns
    assert zoo.path("mobilenetv2-1.0-224", tmp_path) == first
    assert first.stat().st_mtime_ns == written
    other = zoo.path("mobilenetv2-1.0-224", tmp_path, seed=1)
    assert other.name == "mobilenetv2-1.0-224-seed1-v1.onnx"
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([first.name, other.name])
    assert first.read_bytes() != other.read_bytes()
    onnx.checker.check_model(onnx.load(first), full_check=True)


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    one = zoo.path("mobilenetv2-1.0-224", tmp_path / "a").read_bytes()
    assert zoo.path("mobilenetv2-1.0-224", tmp_path / "b").read_bytes() == one


def test_default_place_follows_xdg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert zoo.path("mobilenetv2-1.0-224").parent == tmp_path / "gramwise" / "zoo"


def test_unknown_network_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"called 'mobilenet-v2'\. Did you mean 'mobilenetv2-1\.0-224'\?"):
        zoo.build("mobilenet-v2")


def test_unwritable_cache_says_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match="Set XDG_CACHE_HOME"):
        zoo.path("mobilenetv2-1.0-224", tmp_path / "file")
