"""Heads of requests and answers: what is read, and that nothing that lies gets through."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gramwise.gateway.oip.ask import LONGEST_DEADLINE_MS, NOTHING, Ask, read_ask
from gramwise.gateway.oip.datatypes import DATATYPES, datatype, elements, name_of, tensor_bytes
from gramwise.gateway.oip.errors import BadRequest, error_body, grpc_code
from gramwise.gateway.oip.head import LONGEST_HEAD, read_json_size, read_reply_head, read_request_head


def request(**changes: Any) -> bytes:
    """A request of one FP32 input in JSON, with keys changed."""
    tensor = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1.0, 2.0]}
    return msgspec.json.encode({"id": "7", "inputs": [tensor], **changes})


def binary(size: Any = 8, **changes: Any) -> bytes:
    """A head of one FP32 input whose elements follow, with keys of the tensor changed."""
    tensor = {"name": "x", "shape": [1, 2], "datatype": "FP32", "parameters": {"binary_data_size": size}}
    return msgspec.json.encode({"inputs": [{**tensor, **changes}]})


def test_a_json_request_is_read_without_its_elements() -> None:
    head = read_request_head(request(parameters={"deadline_ms": 200}, outputs=[{"name": "y"}]))
    assert (head.id, head.parameters, head.inputs[0].shape) == ("7", {"deadline_ms": 200}, [1, 2])
    assert bytes(head.inputs[0].data) == b"[1.0,2.0]"
    assert head.binary_bytes == 0
    assert [each.name for each in head.outputs or ()] == ["y"]


@pytest.mark.parametrize("elements", [False, True])
@pytest.mark.parametrize("binary_size", [0, 36_864])
def test_a_large_head_is_not_read_to_its_end_where_it_names_too_many(
    elements: bool, binary_size: int
) -> None:
    """Each takes a microsecond and more: a body of millions would keep everybody else waiting for seconds."""
    tensor = {"name": "x", "shape": [1], "datatype": "FP32", "data": [1.0]}
    more = {"inputs": [tensor], "outputs": [{"name": str(i)} for i in range(5000)]}
    for told in ({"inputs": [tensor] * 5000}, more):
        json = msgspec.json.encode(told)
        assert len(json) > 65_536
        with pytest.raises(
            BadRequest, match=r"more than 1024 inputs or outputs - at `\$\.(in|out)puts\[102[34]\]`"
        ):
            read_request_head(
                json + b" " * binary_size, len(json) if binary_size else None, elements=elements
            )
    few = {"inputs": [{**tensor, "name": str(i), "data": [1.0] * 100} for i in range(1000)]}
    few["inputs"][0]["shape"] = [1] * 3
    json = msgspec.json.encode(few)
    for _ in range(3):
        assert len(read_request_head(json, elements=elements).inputs) == 1000


def test_a_binary_request_is_read_from_its_first_bytes() -> None:
    json = binary()
    head = read_request_head(memoryview(json + b"abc"), len(json), len(json) + 8)
    assert head.binary_bytes == 8
    assert head.inputs[0].binary_bytes == 8


def test_absent_things_may_be_null() -> None:
    head = read_request_head(request(id=None, parameters=None, outputs=None))
    assert (head.id, head.parameters, head.outputs) == (None, None, None)


def test_binary_outputs_are_asked_for_by_request_or_by_output() -> None:
    outputs = [{"name": "a", "parameters": {"binary_data": False}}, {"name": "b"}]
    head = read_request_head(request(parameters={"binary_data_output": True}, outputs=outputs))
    assert (head.wants_binary("a"), head.wants_binary("b")) == (False, True)
    assert read_request_head(request()).wants_binary("a") is False


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not the protocol's JSON"),
        (b"[]", "not the protocol's JSON"),
        (b"{", "not the protocol's JSON"),
        (b'{"inputs":NaN}', "not the protocol's JSON"),
        (b'{"id":"\xff","inputs":[]}', "not the protocol's JSON"),
        (b'{"inputs":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not the protocol's JSON"),
        (b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b"{}", "inputs"),
        (request(inputs=[]), "no inputs"),
        (request(id=5), "id"),
        (request(id="x" * 1025), "id of 1025"),
        (request(parameters={"a": [1]}), "parameters"),
        (request(parameters={"a": 2**64}), "beyond 64 bits"),
        (request(parameters={str(i): 0 for i in range(257)}), "257 parameters"),
        (request(outputs=[{"name": "y"}, {"name": "y"}]), "same name"),
        (request(outputs=[{"name": ""}, {"name": "y"}]), "no name"),
    ],
)
def test_a_body_that_is_no_request_is_refused(body: bytes, says: str) -> None:
    with pytest.raises(BadRequest, match=says) as caught:
        read_request_head(body)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"shape": [-1, 2]}, "dimension of -1"),
        ({"shape": [2**62, 2**62]}, "64 bits"),
        ({"shape": [2**64]}, "64 bits"),
        ({"shape": [0, 2**64]}, "64 bits"),
        ({"shape": [2**61]}, "larger than 64 bits"),
        ({"shape": [1] * 33}, "33 dimensions"),
        ({"shape": [1.5]}, "shape"),
        ({"shape": "1"}, "shape"),
        ({"datatype": "FP33"}, "unknown datatype 'FP33'"),
        ({"datatype": "fp32"}, "unknown datatype"),
        ({"datatype": None}, "datatype"),
        ({"name": ""}, "no name"),
        ({"parameters": {"shared_memory_region": "r"}}, "shared memory"),
        ({"parameters": {}}, "neither data nor binary_data_size"),
        ({"parameters": {"binary_data_size": -8}}, "not a number of bytes"),
        ({"parameters": {"binary_data_size": 8.0}}, "not a number of bytes"),
        ({"parameters": {"binary_data_size": True}}, "not a number of bytes"),
        ({"parameters": {"binary_data_size": "8"}}, "not a number of bytes"),
        ({"parameters": {"binary_data_size": 9}}, "make 8 bytes"),
        ({"data": [1.0, 2.0]}, "both data and binary_data_size"),
    ],
)
def test_a_tensor_that_lies_is_refused(changes: dict[str, Any], says: str) -> None:
    json = binary(**changes)
    with pytest.raises(BadRequest, match=says) as caught:
        read_request_head(json, len(json))
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("json_size", "says"),
    [(0, "is 0"), (10_000, "is 10000"), (5, "not the protocol's JSON"), (None, "not the protocol's JSON")],
)
def test_a_head_size_that_lies_is_refused(json_size: int | None, says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        read_request_head(binary() + bytes(8), json_size)


def test_a_binary_size_needs_the_header() -> None:
    with pytest.raises(BadRequest, match="without the header Inference-Header-Content-Length"):
        read_request_head(binary())


@pytest.mark.parametrize("follow", [0, 7, 9])
def test_bytes_behind_the_head_must_be_those_announced(follow: int) -> None:
    json = binary()
    with pytest.raises(BadRequest, match=f"add up to 8 bytes, and {follow} bytes follow"):
        read_request_head(json, len(json), len(json) + follow)


def test_the_sum_of_many_sizes_is_what_must_follow() -> None:
    two = [
        {"name": name, "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": size}}
        for name, size in (("a", 2**62), ("b", 2**62))
    ]
    json = request(inputs=two)
    with pytest.raises(BadRequest, match=str(2**63)):
        read_request_head(json, len(json), len(json) + 10)


@pytest.mark.parametrize("value", [b"-1", b"+1", b" 1", b"1.0", b"", b"0x1", "１".encode(), b"1" * 19])
def test_the_head_size_header_is_a_plain_number(value: bytes) -> None:
    with pytest.raises(BadRequest):
        read_json_size(value)


def test_the_head_size_header_is_bounded() -> None:
    assert read_json_size(None) is None
    assert read_json_size(b"%d" % LONGEST_HEAD) == LONGEST_HEAD
    with pytest.raises(BadRequest) as caught:
        read_json_size(b"%d" % (LONGEST_HEAD + 1))
    assert caught.value.status == 413


def test_a_node_that_answers_nonsense_is_a_bad_gateway() -> None:
    for body in (b"<html>", b'{"outputs":[{"name":"y","shape":[-1],"datatype":"FP32","data":[]}]}'):
        with pytest.raises(BadRequest) as caught:
            read_reply_head(body)
        assert caught.value.status == 502


def test_what_a_request_asks() -> None:
    asked = read_ask(
        {"deadline_ms": 200, "accuracy_floor_frac": "0.9", "defer_until_unix_s": 1.9e9, "own": 1}
    )
    assert asked == Ask(deadline_s=0.2, accuracy_floor_frac=0.9, defer_until_unix_s=1.9e9)
    assert read_ask(None) is NOTHING
    assert read_ask({"own": 1}) is NOTHING


@pytest.mark.parametrize("name", ["deadline_ms", "accuracy_floor_frac", "defer_until_unix_s"])
@pytest.mark.parametrize(
    "value",
    ["nan", "inf", "-inf", float("nan"), float("inf"), -1, -0.001, True, "soon", "", 10**400, "1" * 99],
)
def test_a_wish_that_is_no_number_in_range_is_refused(name: str, value: Any) -> None:
    with pytest.raises(BadRequest, match=name) as caught:
        read_ask({name: value})
    assert caught.value.status == 400


def test_a_deadline_is_above_zero_and_at_most_a_day() -> None:
    assert read_ask({"deadline_ms": LONGEST_DEADLINE_MS}).deadline_s == 86_400
    for value in (0, LONGEST_DEADLINE_MS + 1):
        with pytest.raises(BadRequest):
            read_ask({"deadline_ms": value})


@pytest.mark.parametrize("name", [name for name, kind in DATATYPES.items() if kind.numpy])
def test_every_datatype_and_its_numpy_type_agree(name: str) -> None:
    import numpy as np

    kind = datatype(name)
    assert kind.numpy is not None
    assert name_of(np.dtype(kind.numpy)) == name
    if kind.item_bytes is not None:
        assert np.dtype(kind.numpy).itemsize == kind.item_bytes
        assert name_of(np.dtype(kind.numpy).newbyteorder(">")) == name


def test_types_that_the_protocol_lacks_are_named() -> None:
    with pytest.raises(ValueError, match="complex128"):
        name_of("complex128")


def test_sizes() -> None:
    assert elements([]) == 1
    assert elements([3, 0, 5]) == 0
    assert tensor_bytes(datatype("FP64"), [2, 3]) == 48
    assert tensor_bytes(datatype("BYTES"), [2, 3]) is None


def test_errors_in_both_dialects() -> None:
    assert error_body('say "x" \ud800') == b'{"error":"say \\"x\\" ?"}'
    grpc = pytest.importorskip("grpc", reason="grpcio is not installed")
    names = {400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}
    names |= {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 504: "DEADLINE_EXCEEDED"}
    names |= {500: "INTERNAL", 502: "INTERNAL", 418: "INVALID_ARGUMENT", 501: "UNIMPLEMENTED"}
    for status, name in names.items():
        assert grpc_code(status) == getattr(grpc.StatusCode, name).value[0]
