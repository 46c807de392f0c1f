"""Raw tensors found where they lie: the same as protobuf reads them, for every layout of a message."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("google.protobuf", reason="the serve extra is not installed")

from gramwise.gateway.node.rawtail import split
from gramwise.gateway.oip.errors import BadRequest
from gramwise.gateway.oip.messages import decode, message
from gramwise.gateway.oip.scan import parameters_bytes


def request(raw: list[bytes]) -> Any:
    made = message("ModelInferRequest")(model_name="tiny", id="7")
    made.inputs.add(name="input", datatype="FP32", shape=[1, 2])
    made.raw_input_contents.extend(raw)
    return made


@given(st.lists(st.binary(max_size=300), max_size=4))
def test_the_tail_of_a_librarys_message_is_its_raw_tensors(raw: list[bytes]) -> None:
    whole = request(raw).SerializeToString()
    rest, found = split(whole)
    if any(raw):
        assert [bytes(view) for view in found] == raw
        assert decode("ModelInferRequest", rest) == request([])
    else:
        assert (rest, found) == (whole, [])


@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=3))
def test_a_message_with_fields_behind_is_read_as_a_whole(raw: list[bytes]) -> None:
    whole = request(raw).SerializeToString() + parameters_bytes({"deadline_ms": 5.0})
    rest, found = split(whole)
    assert rest == whole
    assert found == []


def read(whole: bytes) -> Any:
    """The message as protobuf reads it; None for bytes that are none."""
    try:
        return decode("ModelInferRequest", whole)
    except BadRequest:
        return None


@given(
    st.binary(max_size=40),
    st.lists(st.binary(max_size=200), max_size=2),
    st.integers(0, 400),
    st.binary(max_size=3),
)
def test_bytes_that_a_client_made_up_are_read_alike_or_refused(
    before: bytes, raw: list[bytes], at: int, instead: bytes
) -> None:
    made = before + request(raw).SerializeToString()
    whole = made[:at] + instead + made[at + len(instead) :]
    try:
        rest, found = split(whole)
    except BadRequest:
        assert read(whole) is None
        return
    if not found:
        assert rest == whole
        return
    expected, got = read(whole), read(rest)
    assert (expected is None) == (got is None)
    if expected is not None:
        assert [bytes(view) for view in found] == list(expected.raw_input_contents)
        expected.ClearField("raw_input_contents")
        assert got == expected
