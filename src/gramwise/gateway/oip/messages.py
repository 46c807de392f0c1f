"""The protocol's gRPC messages as classes, in a descriptor pool of their own. The only module that imports protobuf.

Other libraries register the same names (``inference.ServerLiveRequest`` ...) in protobuf's shared pool, where a second
registration ends the process with a duplicate symbol. In a pool of our own the two live side by side.

Source of names, numbers and types: open_inference_grpc.proto of the Open Inference Protocol; the repository index is
Triton's, of which only what a client of the index reads is stated.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from gramwise.core.errors import SourceUnavailable

from .errors import BadRequest

SERVICE = "inference.GRPCInferenceService"
"""Full name of the gRPC service."""

CALLS = ("ServerLive", "ServerReady", "ModelReady", "ServerMetadata", "ModelMetadata", "ModelInfer")
"""Its calls; ``X`` takes an ``XRequest`` and answers with an ``XResponse``."""

_TENSOR = "name:1 datatype:2 shape:3*int64 parameters:4%InferParameter contents:5=InferTensorContents"

_MESSAGES = {
    "ServerLiveRequest": "",
    "ServerLiveResponse": "live:1=bool",
    "ServerReadyRequest": "",
    "ServerReadyResponse": "ready:1=bool",
    "ModelReadyRequest": "name:1 version:2",
    "ModelReadyResponse": "ready:1=bool",
    "ServerMetadataRequest": "",
    "ServerMetadataResponse": "name:1 version:2 extensions:3*string",
    "ModelMetadataRequest": "name:1 version:2",
    "ModelMetadataResponse.TensorMetadata": "name:1 datatype:2 shape:3*int64",
    "ModelMetadataResponse": (
        "name:1 versions:2*string platform:3"
        " inputs:4*ModelMetadataResponse.TensorMetadata outputs:5*ModelMetadataResponse.TensorMetadata"
    ),
    "ModelInferRequest.InferInputTensor": _TENSOR,
    "ModelInferRequest.InferRequestedOutputTensor": "name:1 parameters:2%InferParameter",
    "ModelInferRequest": (
        "model_name:1 model_version:2 id:3 parameters:4%InferParameter"
        " inputs:5*ModelInferRequest.InferInputTensor"
        " outputs:6*ModelInferRequest.InferRequestedOutputTensor raw_input_contents:7*bytes"
    ),
    "ModelInferResponse.InferOutputTensor": _TENSOR,
    "ModelInferResponse": (
        "model_name:1 model_version:2 id:3 parameters:4%InferParameter"
        " outputs:5*ModelInferResponse.InferOutputTensor raw_output_contents:6*bytes"
    ),
    "InferParameter": (
        "bool_param:1|bool int64_param:2|int64 string_param:3|string double_param:4|double uint64_param:5|uint64"
    ),
    "InferTensorContents": (
        "bool_contents:1*bool int_contents:2*int32 int64_contents:3*int64 uint_contents:4*uint32"
        " uint64_contents:5*uint64 fp32_contents:6*float fp64_contents:7*double bytes_contents:8*bytes"
    ),
    "RequestHead.Input": "name:1 datatype:2 shape:3*int64",
    "RequestHead": (
        "model_name:1 model_version:2 id:3 parameters:4%InferParameter inputs:5*RequestHead.Input"
    ),
    "Parameters": "parameters:4%InferParameter",
}
"""Fields by message: ``name:number``, then ``=`` one, ``*`` many, ``|`` one of the choice, ``%`` a map from text;
string where no type follows. A dot in a message's name nests it. The last three are ours: parts of those above."""


def message(name: str) -> Any:
    """The class of a message.

    Args:
        name: without the package, for instance ``ModelInferRequest``.

    Raises:
        SourceUnavailable: protobuf is not installed.
    """
    return _classes()[name]


def decode(name: str, data: bytes) -> Any:
    """A message from its bytes.

    Args:
        name: as for `message`.
        data: serialised.

    Raises:
        BadRequest: 400, not such a message.
    """
    try:
        return _classes()[name].FromString(data)
    except _decode_error():
        raise BadRequest(400, "not a protobuf message of this protocol") from None


@cache
def _decode_error() -> Any:
    from google.protobuf.message import DecodeError

    return DecodeError


@cache
def _classes() -> dict[str, Any]:
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    except ImportError as error:
        raise SourceUnavailable("gRPC needs protobuf: pip install 'gramwise[serve]'") from error
    file = descriptor_pb2.FileDescriptorProto(
        name="gramwise/open_inference_grpc.proto", package="inference", syntax="proto3"
    )
    made: dict[str, Any] = {}
    for name in sorted(_MESSAGES, key=lambda each: each.count(".")):
        outer, _, inner = name.rpartition(".")
        made[name] = made[outer].nested_type.add(name=inner) if outer else file.message_type.add(name=name)
        for text in _MESSAGES[name].split():
            _add_field(made[name], name, text)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = {name: pool.FindMessageTypeByName(f"inference.{name}") for name in _MESSAGES}
    return {name: message_factory.GetMessageClass(each) for name, each in found.items()}


def _add_field(owner: Any, owner_name: str, text: str) -> None:
    name, _, rest = text.partition(":")
    digits = len(rest) - len(rest.lstrip("0123456789"))
    mark, kind = rest[digits : digits + 1] or "=", rest[digits + 1 :] or "string"
    field = owner.field.add(name=name, number=int(rest[:digits]))
    field.label = field.LABEL_REPEATED if mark in "*%" else field.LABEL_OPTIONAL
    if mark == "%":
        _add_map(owner, owner_name, field, name, kind)
        return
    if mark == "|":
        if not owner.oneof_decl:
            owner.oneof_decl.add(name="parameter_choice")
        field.oneof_index = 0
    _type(field, kind)


def _add_map(owner: Any, owner_name: str, field: Any, name: str, kind: str) -> None:
    """A map is a repeated message of a key and a value, marked as a map's entry."""
    entry = owner.nested_type.add(name=f"{name.capitalize()}Entry")
    entry.options.map_entry = True
    for part, number, of in (("key", 1, "string"), ("value", 2, kind)):
        added = entry.field.add(name=part, number=number, label=field.LABEL_OPTIONAL)
        _type(added, of)
    _type(field, f"{owner_name}.{entry.name}")


def _type(field: Any, kind: str) -> None:
    if kind[0].isupper():
        field.type, field.type_name = field.TYPE_MESSAGE, f".inference.{kind}"
    else:
        field.type = getattr(field, f"TYPE_{kind.upper()}")
