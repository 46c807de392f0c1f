"""Tensors over HTTP: both forms, there and back, and everything that does not fit."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from gramwise.gateway.oip.errors import BadRequest
from gramwise.gateway.oip.head import RequestHead, read_reply_head, read_request_head
from gramwise.gateway.oip.tensors import Array, from_raw, read_tensors, to_raw, write_reply, write_request

EXAMPLES: dict[str, Array] = {
    "BOOL": np.array([[True, False]]),
    "UINT8": np.array([0, 255], np.uint8),
    "UINT16": np.array([0, 65535], np.uint16),
    "UINT32": np.array([2**32 - 1], np.uint32),
    "UINT64": np.array([2**64 - 1], np.uint64),
    "INT8": np.array([-128, 127], np.int8),
    "INT16": np.array([-32768], np.int16),
    "INT32": np.array([[-(2**31)]], np.int32),
    "INT64": np.array([-(2**63), 2**63 - 1], np.int64),
    "FP16": np.array([1.5, -2.0], np.float16),
    "FP32": np.arange(6, dtype=np.float32).reshape(2, 3) / 7,
    "FP64": np.array([1e300, -0.0]),
    "BYTES": np.array([[b"a", b""], ["é".encode(), b"xyz"]], dtype=object),
}
"""An array of every datatype that a node serves, with the ends of its range."""


def head_of(json: bytes, tail: list[Any]) -> tuple[RequestHead, bytes]:
    """The checked head and the bytes behind it."""
    body = b"".join(tail)
    return read_request_head(json + body, len(json), len(json) + len(body)), body


@pytest.mark.parametrize("name", EXAMPLES)
def test_binary_there_and_back(name: str) -> None:
    head, body = head_of(*write_request({"x": EXAMPLES[name], "y": EXAMPLES[name]}, id="1"))
    assert [each.datatype for each in head.inputs] == [name, name]
    found = read_tensors(head, body)
    for array in found.values():
        assert array.dtype == EXAMPLES[name].dtype
        np.testing.assert_array_equal(array, EXAMPLES[name])


@pytest.mark.parametrize("name", EXAMPLES)
def test_json_there_and_back(name: str) -> None:
    json, tail = write_reply({"x": EXAMPLES[name]}, model="m", version="2")
    assert tail == []
    head = read_reply_head(json)
    assert (head.model_name, head.model_version) == ("m", "2")
    np.testing.assert_array_equal(read_tensors(head)["x"], EXAMPLES[name])


def test_byte_order_and_layout_do_not_show() -> None:
    big = np.arange(6, dtype=">f4").reshape(2, 3).T
    assert bytes(to_raw(big)) == np.ascontiguousarray(big, "<f4").tobytes()
    assert bytes(to_raw(np.array(1.0, np.float32))) == b"\x00\x00\x80\x3f"
    assert len(to_raw(np.zeros((0, 3), np.float32))) == 0


def test_binary_arrays_are_not_copied() -> None:
    data = bytes(range(16))
    array = from_raw(data, "UINT8", [16])
    assert np.shares_memory(array, np.frombuffer(data, np.uint8))


def request(shape: list[int], datatype: str, data: Any) -> RequestHead:
    """A request with JSON elements."""
    tensor = {"name": "x", "shape": shape, "datatype": datatype, "data": data}
    return read_request_head(msgspec.json.encode({"inputs": [tensor]}))


@pytest.mark.parametrize("data", [[1, 2, 3, 4], [[1, 2], [3, 4]], [[[1, 2]], [[3, 4]]]])
def test_json_elements_flat_or_nested_as_the_shape_is(data: Any) -> None:
    shape = list(np.shape(data)) if isinstance(data[0], list) else [2, 2]
    np.testing.assert_array_equal(
        read_tensors(request(shape, "FP32", data))["x"], np.array([1, 2, 3, 4.0]).reshape(shape)
    )


@pytest.mark.parametrize(
    ("shape", "datatype", "data", "says"),
    [
        ([2], "FP32", [1.0], "1 elements, and its shape makes 2"),
        ([2], "FP32", [1.0, None], "no FP32"),
        ([2], "FP32", [1.0, "2"], "no FP32"),
        ([2], "FP32", [1.0, True], "no FP32"),
        ([2], "INT32", [1.0, 2], "no INT32"),
        ([2], "INT32", [True, 2], "no INT32"),
        ([1], "INT8", [128], "INT8 cannot hold"),
        ([1], "UINT8", [-1], "UINT8 cannot hold"),
        ([1], "UINT64", [2**64], "UINT64 cannot hold"),
        ([1], "BOOL", [1], "no BOOL"),
        ([1], "BYTES", [1], "no BYTES"),
        ([1], "BF16", [1.0], "BF16 is not served"),
        ([4], "FP32", [[1, 2], [3, 4]], "nested in another way"),
        ([2, 2], "FP32", [[1, 2, 3], [4]], "nested in another way"),
        ([2, 2], "FP32", [[1, 2], 3, 4], "nested in another way"),
        ([2, 2], "INT32", [1, 2, [3, 4]], "no INT32"),
        ([3, 2], "FP32", [[1, 2], [3, 4]], "nested in another way"),
        ([1], "FP32", {"a": 1}, "not a list"),
        ([1], "FP32", 1.0, "not a list"),
    ],
)
def test_json_elements_that_do_not_fit_are_refused(
    shape: list[int], datatype: str, data: Any, says: str
) -> None:
    with pytest.raises(BadRequest, match=says) as caught:
        read_tensors(request(shape, datatype, data))
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\x01\x00\x00", "ends inside a length"),
        (b"\x05\x00\x00\x00abc", "longer than the tensor"),
        (b"\xff\xff\xff\xffabc", "longer than the tensor"),
        (b"\x01\x00\x00\x00a", "1 elements, and its shape makes 2"),
    ],
)
def test_text_elements_that_lie_are_refused(data: bytes, says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        from_raw(data, "BYTES", [2])


def test_binary_tensors_that_are_not_all_there_are_refused() -> None:
    json, tail = write_request({"x": np.zeros(4, np.float32), "y": np.zeros(2, np.float32)})
    head, body = head_of(json, tail)
    for part, says in ((body[:-1], "8 bytes are announced and 7 came"), (body + b"!", "1 bytes follow")):
        with pytest.raises(BadRequest, match=says):
            read_tensors(head, part)
    with pytest.raises(BadRequest, match="15 bytes"):
        from_raw(bytes(15), "FP32", [4])


def test_an_answer_takes_id_and_wanted_outputs_from_its_request() -> None:
    outputs = [{"name": "b", "parameters": {"binary_data": True}}, {"name": "a"}]
    tensor = {"name": "x", "shape": [1], "datatype": "BOOL", "data": [True]}
    asked = read_request_head(msgspec.json.encode({"id": "9", "inputs": [tensor], "outputs": outputs}))
    arrays: dict[str, Array] = {"a": np.ones(1, np.float32), "b": np.ones(2, np.float32), "c": np.ones(3)}
    json, tail = write_reply(arrays, model="m", request=asked, parameters={"energy_joules": 0.5})
    head = read_reply_head(json + b"".join(tail), len(json))
    assert (head.id, head.parameters, head.model_version) == ("9", {"energy_joules": 0.5}, None)
    assert [(each.name, each.binary_bytes) for each in head.outputs] == [("b", 8), ("a", None)]
    asked.outputs[0].name = "z"  # type: ignore[index]
    with pytest.raises(BadRequest, match="makes no output 'z'; it makes a, b, c"):
        write_reply(arrays, model="m", request=asked)


def test_json_says_null_where_it_has_no_number() -> None:
    json, _ = write_reply({"x": np.array([np.nan, np.inf, 1.0])}, model="m")
    assert b'"data":[null,null,1.0]' in json


def test_text_that_is_no_utf8_cannot_be_json() -> None:
    with pytest.raises(BadRequest, match="ask for binary data"):
        write_reply({"x": np.array([b"\xff"], dtype=object)}, model="m")
