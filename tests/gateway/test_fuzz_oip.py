"""Whatever comes, the protocol's readers answer with what it says or with a refusal, and never with anything else."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Callable, Collection
from typing import Any, TypeVar

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gramwise.gateway.oip.ask import read_ask
from gramwise.gateway.oip.datatypes import DATATYPES
from gramwise.gateway.oip.errors import BadRequest
from gramwise.gateway.oip.grpc_tensors import read_arrays
from gramwise.gateway.oip.head import read_json_size, read_reply_head, read_request_head
from gramwise.gateway.oip.messages import decode, message
from gramwise.gateway.oip.paths import infer_path, route
from gramwise.gateway.oip.scan import RAW_INPUTS, parameters_bytes, read_parameters, scan_request, without_raw
from gramwise.gateway.oip.tensors import from_raw, read_tensors, write_request
from gramwise.gateway.oip.told import put_parameters
from gramwise.gateway.web.body import Body
from gramwise.gateway.web.parsing import Messages, declared_bytes

pytest.importorskip("google.protobuf", reason="protobuf is not installed")
pytest.importorskip("httptools", reason="httptools is not installed")

T = TypeVar("T")
often = settings(max_examples=100, deadline=None, derandomize=True)

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
)
json = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
)
parameters = st.dictionaries(
    st.sampled_from(["binary_data_size", "binary_data", "deadline_ms", "accuracy_floor_frac", "x"]),
    scalars,
    max_size=3,
)
tensors = st.fixed_dictionaries(
    {"name": st.text(max_size=3) | json, "datatype": st.sampled_from([*DATATYPES, "FP8", ""]) | json},
    optional={
        "shape": st.lists(st.integers(-1, 3) | st.integers(2**62, 2**65), max_size=4) | json,
        "parameters": parameters | json,
        "data": st.lists(st.integers(0, 9) | st.floats(0, 1) | st.text(max_size=2), max_size=9) | json,
    },
)
requests = st.fixed_dictionaries(
    {"inputs": st.lists(tensors, max_size=3)},
    optional={
        "id": st.text(max_size=4) | json,
        "parameters": parameters | json,
        "outputs": json,
        "more": json,
    },
)
values = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    max_size=5,
)


def allowed(call: Callable[..., T], *arguments: Any, statuses: Collection[int] = (400,)) -> T | None:
    """What a call returns; None for a refusal with one of these statuses, and nothing else will do."""
    try:
        return call(*arguments)
    except BadRequest as fault:
        if fault.status not in statuses:
            raise
        return None


@often
@given(requests, st.binary(max_size=40), st.booleans(), st.integers(-3, 3))
def test_requests_in_json(request: dict[str, Any], tail: bytes, binary: bool, off: int) -> None:
    try:
        body = msgspec.json.encode(request)
    except UnicodeEncodeError:
        return
    size = max(0, len(body) + off) if binary else None
    total = len(body) + len(tail) if binary else None
    head = allowed(read_request_head, body + tail if binary else body, size, total)
    if head is None:
        return
    allowed(read_ask, head.parameters)
    arrays = allowed(read_tensors, head, tail if binary else b"")
    if arrays is None:
        return
    for tensor in head.inputs:
        assert list(arrays[tensor.name].shape) == tensor.shape
        assert arrays[tensor.name].dtype == np.dtype(DATATYPES[tensor.datatype].numpy)


@often
@given(st.binary(max_size=200), st.none() | st.integers(-5, 210))
def test_any_bytes_as_heads(data: bytes, size: int | None) -> None:
    for read, statuses in ((read_request_head, range(400, 500)), (read_reply_head, (502,))):
        with pytest.raises(BadRequest) as caught:
            read(data, size)
        assert caught.value.status in statuses
    with pytest.raises(BadRequest):
        put_parameters(data, {"a": 1})


@often
@given(st.binary(max_size=30))
def test_any_bytes_as_a_size(value: bytes) -> None:
    try:
        size = read_json_size(value)
    except BadRequest:
        return
    assert size == int(value) >= 0


@often
@given(requests, values)
def test_parameters_put_into_any_head(request: dict[str, Any], added: dict[str, Any]) -> None:
    try:
        head = msgspec.json.encode(request)
        after = msgspec.json.decode(put_parameters(head, added))
    except (BadRequest, UnicodeEncodeError):
        return
    finite = {name: value for name, value in added.items() if value not in (math.inf, -math.inf)}
    assert finite.items() <= after["parameters"].items()
    assert None not in after["parameters"].values()
    before = msgspec.json.decode(head)
    for each in (before, after):
        each.pop("parameters", None)
    assert before == after


@often
@given(parameters)
def test_any_parameters_as_wishes(given_: dict[str, Any]) -> None:
    try:
        asked = read_ask(given_)
    except BadRequest:
        return
    if asked.deadline_s is not None:
        assert math.isfinite(asked.deadline_s)
        assert asked.deadline_s > 0


@often
@given(
    st.sampled_from([b"GET", b"POST", b"PUT"]), st.binary(max_size=40) | st.text(max_size=20).map(str.encode)
)
def test_any_path(method: bytes, path: bytes) -> None:
    for whole in (path, b"/v2/models/" + path, b"/v2/models/m/" + path, b"/v2/models/" + path + b"/infer"):
        found = allowed(route, method, whole, statuses=(400, 404, 405))
        if found is not None:
            assert "/" not in found.model
            if found.call == "infer":
                assert route(b"POST", infer_path(found.model, found.version)) == found


@often
@given(st.sampled_from(list(DATATYPES)), st.lists(st.integers(-1, 4), max_size=3), st.binary(max_size=64))
def test_any_bytes_as_a_tensor(datatype: str, shape: list[int], data: bytes) -> None:
    try:
        array = from_raw(data, datatype, shape)
    except BadRequest:
        return
    assert list(array.shape) == shape
    head, tail = write_request({"x": array})
    assert b"".join(tail) == data
    assert read_request_head(head, len(head)).inputs[0].shape == shape


grpc_requests = st.builds(
    lambda name, inputs, raw, extra: (
        message("ModelInferRequest")(
            model_name=name, inputs=inputs, raw_input_contents=raw
        ).SerializeToString()
        + parameters_bytes(extra)
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    st.lists(
        st.builds(
            lambda name, datatype, shape, floats: message("ModelInferRequest.InferInputTensor")(
                name=name,
                datatype=datatype,
                shape=shape,
                contents={"fp32_contents": floats} if floats else None,
            ),
            st.sampled_from(["x", "y", ""]),
            st.sampled_from([*DATATYPES, "FP8"]),
            st.lists(st.integers(-1, 3) | st.integers(2**61, 2**63 - 1), max_size=3),
            st.lists(st.floats(width=32), max_size=4),
        ),
        max_size=3,
    ),
    st.lists(st.binary(max_size=20), max_size=3),
    values,
)


@often
@given(grpc_requests)
def test_requests_in_protobuf(serialised: bytes) -> None:
    whole = decode("ModelInferRequest", serialised)
    shapes = [tuple(each.shape) for each in whole.inputs]
    scanned = allowed(scan_request, serialised)
    if scanned is not None:
        assert (scanned.model, scanned.parameters) == (whole.model_name, read_parameters(whole.parameters))
        assert scanned.raw_bytes == sum(map(len, whole.raw_input_contents))
        assert [shape for _, _, shape in scanned.inputs] == shapes
    arrays = allowed(read_arrays, whole)
    if arrays is not None:
        assert [array.shape for array in arrays.values()] == shapes


@often
@given(grpc_requests, st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=4), st.integers(0, 8))
def test_spoiled_protobuf(serialised: bytes, changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(serialised)
    for at, byte in changes:
        if data:
            data[at % len(data)] = byte
    spoiled = bytes(data[: len(data) - cut])
    allowed(scan_request, spoiled)
    try:
        whole = decode("ModelInferRequest", spoiled)
        rest, raw_bytes = without_raw(spoiled, RAW_INPUTS)
    except BadRequest:
        return
    if raw_bytes == sum(map(len, whole.raw_input_contents)):
        whole.ClearField("raw_input_contents")
        assert decode("ModelInferRequest", rest) == whole or "nan" in str(whole)


class Heard(Messages):
    """Keeps what it hears."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__("HttpRequestParser", loop, 4096, 20)
        self.bodies: list[Body] = []
        self.ended = 0
        self.faults: list[BadRequest] = []

    def head_complete(self) -> Body:
        length = self.headers.get(b"content-length")
        nbytes = None if b"transfer-encoding" in self.headers else declared_bytes(length or b"0")
        self.bodies.append(Body(nbytes, self, 1 << 20))
        return self.bodies[-1]

    def message_complete(self) -> None:
        self.ended += 1

    def malformed(self, fault: BadRequest) -> None:
        self.faults.append(fault)

    def hold_body(self) -> None: ...

    def resume_body(self) -> None: ...

    def want_body(self) -> None: ...


def heard(stream: bytes, cuts: list[int]) -> Heard:
    """What is heard of a stream that arrives in pieces."""
    loop = asyncio.new_event_loop()
    try:
        found = Heard(loop)
        edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
        for start, end in itertools.pairwise(edges):
            if end > start:
                found.data_received(stream[start:end])
        return found
    finally:
        loop.close()


@often
@given(
    st.lists(st.tuples(st.binary(max_size=50), st.booleans()), max_size=5),
    st.lists(st.integers(0), max_size=12),
)
def test_a_stream_means_the_same_however_it_is_cut(sent: list[tuple[bytes, bool]], cuts: list[int]) -> None:
    parts = []
    for data, chunked in sent:
        head = b"POST / HTTP/1.1\r\nHost: h\r\n"
        if chunked:
            framed = b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data) if data else b"0\r\n\r\n"
            parts.append(head + b"Transfer-Encoding: chunked\r\n\r\n" + framed)
        else:
            parts.append(head + b"Content-Length: %d\r\n\r\n%b" % (len(data), data))
    found = heard(b"".join(parts), cuts)
    assert (found.ended, found.faults) == (len(sent), [])
    for body, (data, _) in zip(found.bodies, sent, strict=True):
        assert b"".join(body.whole() or ()) == data


@often
@given(st.binary(max_size=120), st.lists(st.integers(0), max_size=5))
def test_any_bytes_as_a_stream(noise: bytes, cuts: list[int]) -> None:
    found = heard(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody" + noise, cuts)
    assert b"".join(found.bodies[0].whole() or ()) == b"body"
    assert len(found.faults) <= 1
    for fault in found.faults:
        assert 400 <= fault.status <= 501
