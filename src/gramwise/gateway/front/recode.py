"""Tensors read and written anew: only where a node does not speak as the client does, and between stages of a plan.

Arrays share the memory of the bytes that came wherever the binary form is used on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gramwise.gateway.oip.datatypes import name_of
from gramwise.gateway.oip.errors import BadRequest
from gramwise.gateway.oip.grpc_tensors import read_arrays, write_arrays
from gramwise.gateway.oip.head import RequestHead, Scalar, read_reply_head
from gramwise.gateway.oip.messages import decode, message
from gramwise.gateway.oip.scan import parameters_bytes, scan_request
from gramwise.gateway.oip.tensors import Array, read_tensors, to_raw, write_reply, write_request

from .answer import Answer, parsed
from .asked import Asked

_OURS = frozenset({"binary_data_output", "deadline_ms", "accuracy_floor_frac", "defer_until_unix_s"})
"""Parameters that are said anew, or were meant for the gateway."""


async def inputs_of(asked: Asked, limit_bytes: int) -> dict[str, Array]:
    """The tensors of a request.

    Args:
        asked: as it came.
        limit_bytes: of a body that streams.

    Raises:
        BadRequest: 4xx, they are not what the head says.
    """
    if asked.message:
        return read_arrays(decode("ModelInferRequest", asked.message))
    assert asked.head is not None
    whole = await asked.all(limit_bytes)
    return read_tensors(asked.head, memoryview(whole)[len(asked.json) :] if asked.binary else b"")


def for_http(asked: Asked | None, inputs: Mapping[str, Array], *, binary: bool) -> Asked:
    """The request for a node that is spoken to over HTTP.

    Args:
        asked: as it came; None for a stage of a plan.
        inputs: its tensors.
        binary: the form that the node takes.
    """
    parameters = _parameters(asked)
    names = _wanted(asked)
    if binary:
        json, tail = write_request(inputs, outputs=names, parameters=parameters)
        new = Asked(json=json, binary=True, whole=b"".join((json, *tail)))
    else:
        told: dict[str, Any] = {"inputs": [_as_json(name, array) for name, array in inputs.items()]}
        if parameters:
            told["parameters"] = parameters
        if names:
            told["outputs"] = [{"name": name} for name in names]
        json = msgspec.json.encode(told)
        new = Asked(json=json, whole=json)
    if asked is not None:
        new.ask, new.count, new.until_s = asked.ask, asked.count, asked.until_s
    return new


def for_grpc(asked: Asked, inputs: Mapping[str, Array]) -> bytes:
    """The request for a node that is spoken to over gRPC; its model's name is appended later."""
    request = message("ModelInferRequest")()
    for name, array in inputs.items():
        request.inputs.add(name=name, datatype=name_of(array.dtype), shape=array.shape)
        request.raw_input_contents.append(bytes(to_raw(array)))
    for name in _wanted(asked):
        request.outputs.add(name=name)
    serialised: bytes = request.SerializeToString()
    parameters = _parameters(asked)
    return serialised + parameters_bytes(parameters) if parameters else serialised


async def outputs_of(answer: Answer, limit_bytes: int) -> dict[str, Array]:
    """The tensors of a node's answer.

    Raises:
        BadRequest: 502, they are not what its head says.
        NodeLost, TimedOut: the rest of it did not come.
    """
    try:
        if answer.message:
            return read_arrays(decode("ModelInferResponse", answer.message))
        rest = answer.rest
        if answer.reply is not None:
            rest += await answer.reply.body.read(limit_bytes)
            answer.reply = None
        head = read_reply_head(answer.json, len(answer.json) if answer.binary else None)
        return read_tensors(head, rest)
    except BadRequest as fault:
        raise BadRequest(502, fault.sentence) from None


def as_asked(asked: Asked, outputs: Mapping[str, Array], parameters: Mapping[str, Scalar]) -> Answer:
    """An answer in the form that the client takes.

    Args:
        asked: what it sent.
        outputs: tensors.
        parameters: that the node told.

    Raises:
        BadRequest: 400, it asks for an output that there is none of.
    """
    if asked.message:
        request = decode("ModelInferRequest", asked.message)
        wanted = tuple(each.name for each in request.outputs)
        reply = write_arrays(
            outputs, model=request.model_name, id=request.id, wanted=wanted, parameters=parameters
        )
        return Answer(message=reply, parameters=parameters)
    json, tail = write_reply(outputs, model="", request=asked.head, parameters=parameters)
    return parsed(json + b"".join(tail), len(json) if tail else None, None)


def _parameters(asked: Asked | None) -> dict[str, Scalar]:
    given: Mapping[str, Scalar] = {}
    if asked is not None and asked.head is not None:
        given = asked.head.parameters or {}
    elif asked is not None and asked.message:
        given = scan_request(asked.message).parameters
    return {name: value for name, value in given.items() if name not in _OURS}


def _wanted(asked: Asked | None) -> Sequence[str]:
    """Names of the outputs that are asked for; none for all."""
    if asked is None:
        return ()
    if asked.message:
        return [each.name for each in decode("ModelInferRequest", asked.message).outputs]
    head: RequestHead | None = asked.head
    return [each.name for each in (head.outputs if head else None) or ()]


def _as_json(name: str, array: Array) -> dict[str, Any]:
    flat = array.reshape(-1).tolist()
    if array.dtype.kind == "O":
        flat = [each.decode("utf-8", "replace") if isinstance(each, bytes) else str(each) for each in flat]
    return {"name": name, "datatype": name_of(array.dtype), "shape": list(array.shape), "data": flat}
