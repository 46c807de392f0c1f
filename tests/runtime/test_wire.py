"""Tensors and messages that cross to a node come back as they were."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gramwise.core.errors import Rejected
from gramwise.runtime import wire

Array = npt.NDArray[Any]

ODD = {
    "bool": np.array([[True, False]]),
    "int8": np.array([-128, 127], np.int8),
    "uint64": np.array([2**64 - 1], np.uint64),
    "float16": np.array([[1.5, np.nan], [np.inf, -0.0]], np.float16),
    "complex": np.array([1 + 2j]),
    "text": np.array(["é", "long text"]),
    "big_endian": np.array([1.0, 2.0], ">f4"),
    "empty": np.zeros((0, 3, 96, 96), np.float32),
    "scalar": np.array(3.25),
    "empty_text": np.array([], "<U7"),
    "last_empty": np.zeros((5, 0), np.int64),
}


def same(a: Array, b: Array) -> None:
    assert a.dtype == b.dtype
    assert a.shape == b.shape
    assert a.tobytes() == b.tobytes()


def test_shared_memory_carries_odd_types_and_shapes_to_the_other_side() -> None:
    here = wire.SharedMemory()
    there = wire.SharedMemory(os.dup(here.descriptor))
    placed = here.write(ODD)
    there.remap(here.size)
    read = there.read(placed)
    assert list(read) == list(ODD)
    for name, value in ODD.items():
        same(read[name], value)
    assert all(t.offset % 64 == 0 for t in placed)
    here.close()
    there.close()


def test_shared_memory_grows_under_the_reader() -> None:
    here = wire.SharedMemory()
    there = wire.SharedMemory(os.dup(here.descriptor))
    rng = np.random.default_rng(0)
    sizes = []
    for n in (1, 5000, 100, 400_000, 3):
        value = rng.random(n)
        placed = here.write({"x": value})
        there.remap(here.size)
        same(there.read(placed)["x"], value)
        sizes.append(here.size)
    assert sizes == sorted(sizes)
    assert sizes[-1] >= 400_000 * 8
    here.close()
    there.close()


def test_nothing_but_empty_tensors_needs_no_memory() -> None:
    memory = wire.SharedMemory()
    assert memory.read(memory.write({})) == {}
    empty = np.zeros((0, 4), np.float32)
    same(memory.read(memory.write({"x": empty}))["x"], empty)
    assert memory.size == 0
    memory.close()


def test_a_slice_that_is_not_contiguous_arrives_whole() -> None:
    memory = wire.SharedMemory()
    value = np.arange(60).reshape(3, 4, 5)[:, ::2, ::-1]
    np.testing.assert_array_equal(memory.read(memory.write({"x": value}))["x"], value)
    memory.close()


def test_python_objects_do_not_cross() -> None:
    memory = wire.SharedMemory()
    memory.write({"x": np.full(8, 1e300)})  # bytes that must never be taken for pointers
    with pytest.raises(Rejected, match="'x' holds Python objects"):
        memory.write({"x": np.array(["a", None], dtype=object)})
    with pytest.raises(Rejected, match="'y' holds Python objects"):
        wire.pack({"y": np.array([None])})
    memory.close()


def test_closing_twice_does_not_close_a_strangers_descriptor() -> None:
    memory = wire.SharedMemory()
    memory.close()
    stranger = os.memfd_create("stranger")
    memory.close()
    os.fstat(stranger)
    os.close(stranger)


@given(
    hnp.arrays(
        st.sampled_from([np.dtype(t) for t in ("f4", "f8", "i2", "u1", "?")]),
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
    )
)
def test_outputs_survive_packing(value: Array) -> None:
    outputs = {"a": value, "b": np.arange(3)}
    back = wire.unpack(*wire.pack(outputs))
    assert list(back) == ["a", "b"]
    for name in outputs:
        same(back[name], outputs[name])


@pytest.mark.parametrize("value", ODD.values(), ids=ODD.keys())
def test_odd_outputs_survive_packing(value: Array) -> None:
    same(wire.unpack(*wire.pack({"x": value}))["x"], value)


@pytest.mark.parametrize(
    "message",
    [
        wire.Run("m/full", [wire.Tensor("x", "<f4", (2, 3), 0)]),
        wire.Run("piece", [wire.Tensor("x", "<f4", (2, 3), 64, 0)], ["y"], [128, 0]),
        wire.Usage(),
        wire.Load("piece", "piece-0.onnx"),
        wire.Drop("piece"),
    ],
)
def test_questions_come_back_as_they_were(message: wire.Question) -> None:
    framed = wire.frame(message)
    (size,) = wire.HEADER.unpack(framed[: wire.HEADER.size])
    assert size == len(framed) - wire.HEADER.size
    assert wire.read_question(framed[wire.HEADER.size :]) == message


@pytest.mark.parametrize(
    "message",
    [
        wire.Ready({"m/full": {"x": ((None, 3), "float32")}}, 7),
        wire.Done([wire.Tensor("y", "<f4", (), 0)], b"\0\0\0\0", 1.5, 2.5, 0.25),
        wire.Done([], b"", 1.5, 2.5, 0.25, [wire.Tensor("z", "|i1", (3,), 64, 2)]),
        wire.Clocks(1.0, 0.5, 1.6),
        wire.Fault("rejected", "Größe"),
    ],
)
def test_answers_come_back_as_they_were(message: wire.Answer) -> None:
    assert wire.read_answer(wire.frame(message)[wire.HEADER.size :]) == message
