"""gRPC messages in a pool of their own, scanned, changed by appending, and turned into arrays."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

pytest.importorskip("google.protobuf", reason="protobuf is not installed")

from gramwise.gateway.oip.datatypes import DATATYPES
from gramwise.gateway.oip.errors import BadRequest
from gramwise.gateway.oip.grpc_tensors import CONTENTS, read_arrays, write_arrays
from gramwise.gateway.oip.messages import CALLS, decode, message
from gramwise.gateway.oip.scan import (
    RAW_INPUTS,
    model_bytes,
    parameters_bytes,
    read_parameters,
    scan_reply,
    scan_request,
    without_raw,
)

VALUES: dict[str, Any] = {
    "deadline_ms": 200.5,
    "negative": -5,
    "least": -(2**63),
    "largest": 2**64 - 1,
    "yes": True,
    "no": False,
    "text": "é",
    "zero": 0,
}

PUBLISHED = {
    # Numbers and types as open_inference_grpc.proto has them: (number, protobuf's type number, repeated).
    ("ModelInferRequest", "raw_input_contents"): (7, 12, True),
    ("ModelInferRequest", "parameters"): (4, 11, True),
    ("ModelInferResponse", "raw_output_contents"): (6, 12, True),
    ("ModelInferResponse", "parameters"): (4, 11, True),
    ("InferParameter", "bool_param"): (1, 8, False),
    ("InferParameter", "int64_param"): (2, 3, False),
    ("InferParameter", "string_param"): (3, 9, False),
    ("InferParameter", "double_param"): (4, 1, False),
    ("InferParameter", "uint64_param"): (5, 4, False),
    ("InferTensorContents", "int_contents"): (2, 5, True),
    ("InferTensorContents", "uint_contents"): (4, 13, True),
    ("InferTensorContents", "fp32_contents"): (6, 2, True),
    ("InferTensorContents", "bytes_contents"): (8, 12, True),
    ("ModelMetadataResponse", "platform"): (3, 9, False),
}


def request(**changes: Any) -> Any:
    """A request of one raw FP32 input."""
    made = message("ModelInferRequest")(model_name="m", model_version="1", id="42", **changes)
    made.inputs.add(name="x", datatype="FP32", shape=[1, 16])
    made.raw_input_contents.append(bytes(range(64)))
    return made


@pytest.mark.parametrize(("where", "expected"), PUBLISHED.items(), ids=map(".".join, PUBLISHED))
def test_numbers_and_types_are_the_published_ones(
    where: tuple[str, str], expected: tuple[int, int, bool]
) -> None:
    field = message(where[0]).DESCRIPTOR.fields_by_name[where[1]]
    repeated = getattr(field, "is_repeated", None)
    assert (field.number, field.type, field.label == 3 if repeated is None else repeated) == expected


def test_every_call_has_its_two_messages() -> None:
    for call in CALLS:
        assert message(f"{call}Request").DESCRIPTOR.full_name == f"inference.{call}Request"
        assert message(f"{call}Response").DESCRIPTOR.file.package == "inference"


def test_another_library_may_register_the_same_names() -> None:
    code = (
        "from google.protobuf import descriptor_pb2, descriptor_pool\n"
        "from gramwise.gateway.oip.messages import message\n"
        "message('ServerLiveRequest')()\n"
        "file = descriptor_pb2.FileDescriptorProto(name='grpc_service.proto', package='inference')\n"
        "file.message_type.add(name='ServerLiveRequest').field.add(name='other', number=9, label=1, type=9)\n"
        "descriptor_pool.Default().AddSerializedFile(file.SerializeToString())\n"
        "found = descriptor_pool.Default().FindMessageTypeByName('inference.ServerLiveRequest')\n"
        "assert 'other' in found.fields_by_name and not message('ServerLiveRequest').DESCRIPTOR.fields\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_scan_reads_what_routing_needs_and_no_tensor() -> None:
    made = request()
    made.MergeFromString(parameters_bytes(VALUES))
    scanned = scan_request(made.SerializeToString())
    assert scanned == ("m", "1", "42", VALUES, [("x", "FP32", (1, 16))], 64)
    rest, raw_bytes = without_raw(made.SerializeToString(), RAW_INPUTS)
    assert raw_bytes == 64
    assert bytes(range(64)) not in rest
    made.ClearField("raw_input_contents")
    assert decode("ModelInferRequest", rest) == made


def test_fields_may_come_in_any_order_and_between_tensors() -> None:
    made = request()
    split = [b"\x3a\x02ab", parameters_bytes({"a": 1}), b"\x3a\x80\x01" + bytes(128), b"\x0a\x01n"]
    scanned = scan_request(made.SerializeToString() + b"".join(split))
    assert (scanned.model, scanned.parameters, scanned.raw_bytes) == ("n", {"a": 1}, 64 + 2 + 128)


def test_what_is_appended_replaces_and_the_tensors_stay() -> None:
    before = request()
    before.parameters["deadline_ms"].int64_param = 500
    before.parameters["own"].string_param = "kept"
    changed = before.SerializeToString() + model_bytes("m.int8") + parameters_bytes({"deadline_ms": 41.5})
    after = decode("ModelInferRequest", changed)
    assert (after.model_name, after.model_version) == ("m.int8", "")
    assert read_parameters(after.parameters) == {"deadline_ms": 41.5, "own": "kept"}
    assert list(after.raw_input_contents) == list(before.raw_input_contents)


def test_long_names_are_appended_whole() -> None:
    name = "n" * 200
    assert decode("ModelInferRequest", model_bytes(name, "7")).model_name == name


def test_an_answer_is_told_by_appending() -> None:
    reply = write_arrays({"y": np.ones(3, np.float32)}, model="m", id="42", parameters={"own": 1})
    told = reply + parameters_bytes({"energy_joules": 0.5, "gramwise_node": "a"})
    assert scan_reply(told) == {"own": 1, "energy_joules": 0.5, "gramwise_node": "a"}
    np.testing.assert_array_equal(read_arrays(decode("ModelInferResponse", told))["y"], np.ones(3))


def test_numbers_beyond_64_bits_are_refused() -> None:
    for value in (2**64, -(2**63) - 1):
        with pytest.raises(ValueError):
            parameters_bytes({"a": value})


@pytest.mark.parametrize(
    "wrong",
    [
        b"\xff",
        b"\x80" * 11,
        b"\x3a\x05ab",
        b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x0b\x0c",
        b"\x09\x01",
        b"\x0d\x01",
        b"\x0a\x02\xff\xfe",
        b"\x00\x01",
        b"GET / HTTP/1.1",
    ],
)
def test_bytes_that_are_no_message_are_refused(wrong: bytes) -> None:
    for whole in (wrong, request().SerializeToString() + wrong):
        with pytest.raises(BadRequest) as caught:
            scan_request(whole)
        assert caught.value.status == 400


def test_a_node_that_answers_nonsense_is_a_bad_gateway() -> None:
    with pytest.raises(BadRequest) as caught:
        scan_reply(b"\xff")
    assert caught.value.status == 502


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model_name": ""}, "0 characters"),
        ({"model_name": "a/b"}, "characters that no model"),
        ({"model_version": ".."}, "characters that no version"),
        ({"id": "x" * 1025}, "id of 1025"),
        ({"inputs": []}, "0 inputs"),
        ({"inputs": [{"name": "x", "shape": [1] * 33}]}, "33|32 dimensions"),
    ],
)
def test_requests_that_cannot_be_are_refused(changes: dict[str, Any], says: str) -> None:
    whole = {"model_name": "m", "inputs": [{"name": "x"}], **changes}
    with pytest.raises(BadRequest, match=says):
        scan_request(message("ModelInferRequest")(**whole).SerializeToString())


ARRAYS = {
    "BOOL": np.array([True, False]),
    "UINT8": np.array([0, 255], np.uint8),
    "UINT16": np.array([65535], np.uint16),
    "UINT32": np.array([2**32 - 1], np.uint32),
    "UINT64": np.array([2**64 - 1], np.uint64),
    "INT8": np.array([-128], np.int8),
    "INT16": np.array([-32768], np.int16),
    "INT32": np.array([[-(2**31)]], np.int32),
    "INT64": np.array([-(2**63)], np.int64),
    "FP16": np.array([1.5], np.float16),
    "FP32": np.array([[0.1, 0.2]], np.float32),
    "FP64": np.array([1e300]),
    "BYTES": np.array([b"a", b""], dtype=object),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_raw_tensors_there_and_back(name: str) -> None:
    reply = decode("ModelInferResponse", write_arrays({"y": ARRAYS[name]}, model="m"))
    found = read_arrays(reply)["y"]
    assert (found.dtype, reply.outputs[0].datatype) == (ARRAYS[name].dtype, name)
    np.testing.assert_array_equal(found, ARRAYS[name])


@pytest.mark.parametrize("name", CONTENTS)
def test_typed_contents_are_read(name: str) -> None:
    made = message("ModelInferRequest")(model_name="m")
    tensor = made.inputs.add(name="x", datatype=name, shape=ARRAYS[name].shape)
    getattr(tensor.contents, CONTENTS[name]).extend(ARRAYS[name].reshape(-1).tolist())
    found = read_arrays(made)["x"]
    assert found.dtype == ARRAYS[name].dtype
    np.testing.assert_array_equal(found, ARRAYS[name])


def test_every_datatype_but_the_half_floats_has_contents() -> None:
    assert set(DATATYPES) - set(CONTENTS) == {"FP16", "BF16"}


def spoiled(datatype: str, shape: list[int], contents: dict[str, Any], raw: list[bytes]) -> Any:
    """A request whose only tensor does not fit."""
    made = message("ModelInferRequest")(model_name="m", raw_input_contents=raw)
    made.inputs.add(name="x", datatype=datatype, shape=shape, contents=contents or None)
    return made


@pytest.mark.parametrize(
    ("datatype", "shape", "contents", "raw", "says"),
    [
        ("FP32", [2], {"fp32_contents": [1.0]}, [], "1 elements, and its shape makes 2"),
        ("FP32", [1], {"fp64_contents": [1.0]}, [], "fp64_contents given for FP32"),
        ("FP32", [1], {"fp32_contents": [1.0], "int_contents": [1]}, [], "int_contents given for FP32"),
        ("INT8", [1], {"int_contents": [128]}, [], "INT8 cannot hold"),
        ("FP16", [1], {"fp32_contents": [1.0]}, [], "FP16 has no typed contents"),
        ("BF16", [1], {}, [b"ab"], "BF16 is not served"),
        ("FP33", [1], {}, [b"abcd"], "unknown datatype"),
        ("FP32", [-1], {}, [b"abcd"], "dimension of -1"),
        ("FP32", [2**62, 2**62], {}, [b"abcd"], "64 bits"),
        ("FP32", [2], {}, [b"abcd"], "4 bytes, and its shape makes 8"),
        ("FP32", [1], {}, [b"abcd", b""], "2 raw contents for 1 tensors"),
        ("FP32", [1], {"fp32_contents": [1.0]}, [b"abcd"], "both contents and raw contents"),
        ("FP32", [1], {}, [], "0 elements"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(
    datatype: str, shape: list[int], contents: dict[str, Any], raw: list[bytes], says: str
) -> None:
    with pytest.raises(BadRequest, match=says) as caught:
        read_arrays(spoiled(datatype, shape, contents, raw))
    assert caught.value.status == 400


def test_requests_without_inputs_or_names_are_refused() -> None:
    made = message("ModelInferRequest")(model_name="m")
    with pytest.raises(BadRequest, match="no inputs"):
        read_arrays(made)
    made.inputs.add(datatype="FP32")
    with pytest.raises(BadRequest, match="without a name"):
        read_arrays(made)


def test_an_output_that_the_model_does_not_make() -> None:
    with pytest.raises(BadRequest, match="makes no output 'z'; it makes y"):
        write_arrays({"y": ARRAYS["FP32"]}, model="m", wanted=("z",))


@pytest.mark.parametrize("field", [b"\x2a\x00", b"\x32\x00", b"\x22\x00", b"\x3a\x00", b"\x78\x01"])
def test_a_message_is_not_stepped_through_field_by_field_for_ever(field: bytes) -> None:
    with pytest.raises(BadRequest, match="more than 4096 fields"):
        scan_request(b"\x0a\x01m" + field * 5000)
