"""What requests carry: shipped digits, files, random tensors; and every file that cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gramwise.core.errors import ConfigError
from gramwise.runtime.inputs import Inputs, digits_as_input, load_inputs

SPEC = {"input": ((None, 1, 8, 8), "float32")}
Load = Callable[..., Inputs]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(what: str, count: int = 4, spec: Any = SPEC, seed: int = 0) -> Inputs:
        return load_inputs(what, count, seed, spec, tmp_path, "tiny.toml")

    return load


def test_the_shipped_digits_fit_the_shipped_models(load: Load) -> None:
    inputs = load("package:digits", 32, {"input": ((None, 1, 96, 96), "float32")})
    assert inputs.labels is not None
    assert set(inputs.labels.tolist()) == set(range(10))
    images = inputs.request(0)["input"]
    assert images.shape == (32, 1, 96, 96)
    assert images.dtype == np.float32
    assert images.min() == 0.0
    assert images.max() == 1.0
    assert "UCI" in inputs.description


def test_a_digit_is_enlarged_twelve_times() -> None:
    small = np.arange(64).reshape(1, 8, 8) % 17
    large = digits_as_input(small)
    assert large.shape == (1, 1, 96, 96)
    np.testing.assert_allclose(large[0, 0, ::12, ::12], small[0] / 16.0)
    assert (large[0, 0, :12, 12:24] == 1 / 16.0).all()


def test_requests_take_the_images_in_turn_and_know_the_answers(load: Load, tmp_path: Path) -> None:
    images = np.arange(10, dtype=np.float32)[:, None, None, None] * np.ones((1, 1, 8, 8), np.float32)
    np.savez(tmp_path / "ten.npz", images=images, labels=np.arange(10))
    inputs = load("ten.npz", 4)
    taken = [inputs.request(seq)["input"][:, 0, 0, 0].astype(int).tolist() for seq in range(4)]
    assert taken == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1], [2, 3, 4, 5]]
    scores = np.eye(10)[[8, 9, 0, 7]]
    assert inputs.correct(2, {"logits": scores}) == 3
    assert inputs.correct(2, {"logits": scores.reshape(4, 10, 1, 1)}) == 3
    assert inputs.correct(2, None) is None


def test_random_tensors_are_seeded_and_have_no_labels(load: Load) -> None:
    first, again, other = load("random"), load("random"), load("random", seed=1)
    np.testing.assert_array_equal(first.images, again.images)
    assert (first.images != other.images).any()
    assert first.request(0)["input"].shape == (4, 1, 8, 8)
    assert first.labels is None
    assert first.correct(0, {"logits": np.zeros((4, 4))}) is None
    assert load("random", spec={"x": ((None, 3), "float16")}).request(1)["x"].dtype == np.float16


def test_images_without_labels_give_no_accuracy(load: Load, tmp_path: Path) -> None:
    np.savez(tmp_path / "plain.npz", images=np.zeros((3, 1, 8, 8), np.uint8))
    inputs = load("plain.npz")
    assert inputs.request(0)["input"].dtype == np.float32
    assert inputs.correct(0, {"logits": np.zeros((4, 4))}) is None


def test_a_fixed_batch_must_be_the_count(load: Load) -> None:
    fixed = {"input": ((4, 1, 8, 8), "float32")}
    assert load("random", 4, fixed).request(0)["input"].shape == (4, 1, 8, 8)
    with pytest.raises(
        ConfigError, match=r"tiny\.toml: workload\.count: 5 inferences .* exactly 4 .*Write count = 4"
    ):
        load("random", 5, fixed)


def test_a_model_of_two_inputs_is_not_fed(load: Load) -> None:
    with pytest.raises(ConfigError, match=r"workload\.inputs: the model takes 2 inputs \(a, b\)"):
        load("random", spec={"a": ((None, 3), "float32"), "b": ((None,), "int64")})


def not_a_zip(file: Path) -> None:
    file.write_bytes(b"nonsense")


def cut_short(file: Path) -> None:
    np.savez(file, images=np.zeros((30, 1, 8, 8), np.float32))
    file.write_bytes(file.read_bytes()[:700])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def one_array(file: Path) -> None:
    with file.open("wb") as out:
        np.save(out, np.zeros((3, 1, 8, 8)))


def no_images(file: Path) -> None:
    np.savez(file, pictures=np.zeros((3, 1, 8, 8)))


def pickled(file: Path) -> None:
    np.savez(file, images=np.array([{"a": 1}], dtype=object))


def words(file: Path) -> None:
    np.savez(file, images=np.array(["one", "two"]))


def bad_labels(file: Path) -> None:
    np.savez(file, images=np.zeros((3, 1, 8, 8)), labels=np.array(["a", "b", "c"]))


def few_labels(file: Path) -> None:
    np.savez(file, images=np.zeros((3, 1, 8, 8)), labels=np.arange(2))


def wrong_shape(file: Path) -> None:
    np.savez(file, images=np.zeros((3, 8, 8)))


def wrong_size(file: Path) -> None:
    np.savez(file, images=np.zeros((3, 1, 8, 9)))


def none_at_all(file: Path) -> None:
    np.savez(file, images=np.zeros((0, 1, 8, 8)))


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (not_a_zip, "not an .npz with an array 'images'"),
        (cut_short, "not an .npz with an array 'images'"),
        (empty, "not an .npz with an array 'images'"),
        (one_array, "not an .npz with an array 'images'"),
        (no_images, "not an .npz with an array 'images'"),
        (pickled, "not an .npz with an array 'images'"),
        (words, "one label an image"),
        (bad_labels, "not an .npz with an array 'images'"),
        (few_labels, "labels of shape (2,)"),
        (wrong_shape, "images of shape (3, 8, 8) do not fit a model that takes ('n', 1, 8, 8)"),
        (wrong_size, "images of shape (3, 1, 8, 9) do not fit"),
        (none_at_all, "Give at least one image"),
    ],
)
def test_a_file_that_cannot_be_used_says_why_and_what_to_write(
    load: Load, tmp_path: Path, write: Callable[[Path], None], said: str
) -> None:
    write(tmp_path / "bad.npz")
    with pytest.raises(ConfigError) as caught:
        load("bad.npz")
    text = str(caught.value)
    assert said in text
    assert text.startswith("tiny.toml: workload.inputs: ")
    assert "\n" not in text
    assert caught.value.fix


def test_a_missing_file_is_named(load: Load, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'no file .*absent\.npz.*"package:digits", "random"'):
        load("absent.npz")
