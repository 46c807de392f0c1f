"""What servers and models say of themselves over HTTP: live, ready, metadata.

The two published descriptions of the ready answer differ (``ready`` in one, ``live`` in the other), and clients read
either; so ours carries both.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from .errors import BadRequest

LIVE = b'{"live":true}'
"""Answer to the live call; a server that can answer is live."""

_Metadata = TypeVar("_Metadata", "ModelMetadata", "ServerMetadata")

EXTENSIONS = ("binary_tensor_data",)
"""Name of Triton's extension that our own faces speak."""


class TensorMetadata(msgspec.Struct, frozen=True):
    """Name, datatype and shape of an input or output; -1 is a free dimension."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(msgspec.Struct, frozen=True):
    """What a model is: its versions, platform (``onnx_onnxv1`` for ours), inputs and outputs."""

    name: str
    platform: str = ""
    inputs: list[TensorMetadata] = []
    outputs: list[TensorMetadata] = []
    versions: list[str] | None = None


class ServerMetadata(msgspec.Struct, frozen=True):
    """Name and version of a server, and the extensions that it names."""

    name: str
    version: str = ""
    extensions: list[str] = []


def ready_body(ready: bool) -> bytes:
    """Answer to the server's ready call; a server that is not ready is live all the same. Send False with a 503."""
    return b'{"ready":true,"live":true}' if ready else b'{"ready":false,"live":true}'


def model_ready_body(model: str, ready: bool) -> bytes:
    """Answer to a model's ready call."""
    return msgspec.json.encode({"name": model, "ready": ready})


def metadata_body(metadata: ModelMetadata | ServerMetadata) -> bytes:
    """Answer to a metadata call."""
    return msgspec.json.encode(metadata)


def read_server_metadata(body: bytes) -> ServerMetadata:
    """What another server says of itself; keys that are not known are passed over.

    Raises:
        BadRequest: 502, not the protocol's object.
    """
    return _read(body, ServerMetadata)


def read_model_metadata(body: bytes) -> ModelMetadata:
    """What another server says of a model.

    Raises:
        BadRequest: 502, not the protocol's object.
    """
    return _read(body, ModelMetadata)


def _read(body: bytes, kind: type[_Metadata]) -> _Metadata:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(502, f"the node's metadata cannot be read: {error}") from error
