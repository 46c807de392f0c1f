"""Protobuf written by hand: protobuf reads it back."""

from __future__ import annotations

import numpy as np
import pytest

from gramwise.gateway.oip import wire
from gramwise.gateway.oip.grpc_tensors import read_arrays, write_arrays
from gramwise.gateway.oip.messages import decode
from gramwise.gateway.oip.scan import read_parameters

pytest.importorskip("google.protobuf", reason="protobuf is not installed")

VALUES: dict[str, str | int | float | bool] = {
    "zero": 0,
    "one": 1,
    "minus": -1,
    "least": -(2**63),
    "most": 2**63 - 1,
    "beyond": 2**64 - 1,
    "half": 0.5,
    "tiny": 5e-324,
    "true": True,
    "false": False,
    "text": "grün " * 60,
    "": "",
    "n" * 300: 1.5,
}


def test_parameters_are_read_back_with_their_types() -> None:
    for _ in range(2):  # the second time from what was remembered of the first
        found = read_parameters(decode("Parameters", wire.parameters(VALUES)).parameters)
        assert found == VALUES
        assert {name: type(value) for name, value in found.items()} == {
            name: type(value) for name, value in VALUES.items()
        }


def test_numbers_of_numpy_are_numbers() -> None:
    found = read_parameters(decode("Parameters", wire.parameters({"x": np.float64(2.5)})).parameters)
    assert found == {"x": 2.5}


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1])
def test_more_than_64_bits_are_refused(value: int) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        wire.varint(value)


@pytest.mark.parametrize(
    "array",
    [
        np.float32(3.5).reshape(()),
        np.zeros((0, 3), np.int64),
        np.arange(12, dtype=np.int16).reshape(3, 4).T,
        np.arange(300, dtype=np.float16),
        np.array([True, False]),
        np.arange(4, dtype=">i4"),
        np.array([b"ab", b"c"]),
        np.array(["a", "grün"]),
    ],
    ids=["no dimension", "empty", "turned", "half", "truth", "big-endian", "bytes", "text"],
)
def test_arrays_of_any_layout_are_read_back(array: np.ndarray) -> None:
    for _ in range(2):
        reply = decode("ModelInferResponse", write_arrays({"y": array}, model="m", version="3", id="i"))
        assert (reply.model_name, reply.model_version, reply.id) == ("m", "3", "i")
        assert tuple(reply.outputs[0].shape) == array.shape
        found = read_arrays(reply)["y"]
        wanted = (
            array
            if array.dtype.kind not in "SU"
            else np.char.encode(array.astype(str), "utf-8").astype(object)
        )
        np.testing.assert_array_equal(found, wanted)
