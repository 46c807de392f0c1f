"""The node over gRPC: the protocol's six calls."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from gramwise.gateway.access.tokens import shows
from gramwise.gateway.oip.errors import BadRequest
from gramwise.gateway.oip.grpc_tensors import read_arrays, write_arrays
from gramwise.gateway.oip.head import LONGEST_ID, Scalar, check_parameters
from gramwise.gateway.oip.messages import decode, message
from gramwise.gateway.oip.paths import checked_name
from gramwise.gateway.oip.recent import LONGEST_BYTES, Recent
from gramwise.gateway.oip.scan import read_parameters
from gramwise.gateway.oip.tensors import Array, from_raw
from gramwise.gateway.oip.told import RECEIPT, receipt
from gramwise.gateway.rpc import RpcCall

from .http_face import SERVER
from .inference import Answer, Inference, Question
from .rawtail import SplitRequest, split
from .repository import NotLoaded

if TYPE_CHECKING:
    from pydantic import SecretStr

OPEN = frozenset({"ServerLive", "ServerReady"})
"""Calls that need no token."""


class GrpcFace:
    """Answers calls.

    Args:
        inference: the node's operation.
        token: that clients must show; None lets anybody in.

    Raises:
        SourceUnavailable: protobuf is not installed.
    """

    def __init__(self, inference: Inference, token: SecretStr | None) -> None:
        self._inference, self._token = inference, token
        self._calls: dict[str, Callable[[RpcCall, float], Awaitable[bytes]]] = {
            "ServerLive": self._live,
            "ServerReady": self._ready,
            "ModelReady": self._model_ready,
            "ServerMetadata": self._metadata,
            "ModelMetadata": self._model_metadata,
            "ModelInfer": self._infer,
        }
        self._forms: Recent[bytes, _Form] = Recent()
        self._responses = {name: message(f"{name}Response") for name in self._calls}

    async def answer(self, call: RpcCall) -> bytes:
        """Answer one call.

        Raises:
            BadRequest: what is wrong with it, or why it is not served now.
        """
        arrival_s = time.monotonic()
        if self._token is not None and call.method not in OPEN:
            _check(call, self._token)
        return await self._calls[call.method](call, arrival_s)

    async def _infer(self, call: RpcCall, arrival_s: float) -> bytes:
        with self._inference.room.held() as held:
            held.add(len(call.message))
            rest, raw = split(call.message)
            short = len(rest) <= LONGEST_BYTES
            form = self._forms.get(rest, lambda: _Form.of(rest)) if short else _Form.of(rest)
            return await self._inference.answer(_question(form, raw, call, arrival_s))

    async def _live(self, call: RpcCall, _: float) -> bytes:
        return self._write(call, live=True)

    async def _ready(self, call: RpcCall, _: float) -> bytes:
        return self._write(call, ready=self._inference.ready)

    async def _model_ready(self, call: RpcCall, _: float) -> bytes:
        request = decode(f"{call.method}Request", call.message)
        try:
            self._inference.repository.model(checked_name(request.name, "model"), request.version)
        except NotLoaded:
            return self._write(call, ready=False)
        return self._write(call, ready=not self._inference.draining)

    async def _metadata(self, call: RpcCall, _: float) -> bytes:
        return self._write(call, name=SERVER.name, version=SERVER.version, extensions=SERVER.extensions)

    async def _model_metadata(self, call: RpcCall, _: float) -> bytes:
        request = decode(f"{call.method}Request", call.message)
        name, repository = checked_name(request.name, "model"), self._inference.repository
        about = repository.model(name, request.version).metadata(repository.versions(name))
        tensor = message("ModelMetadataResponse.TensorMetadata")
        return self._write(
            call,
            name=about.name,
            versions=about.versions,
            platform=about.platform,
            inputs=[tensor(name=t.name, datatype=t.datatype, shape=t.shape) for t in about.inputs],
            outputs=[tensor(name=t.name, datatype=t.datatype, shape=t.shape) for t in about.outputs],
        )

    def _write(self, call: RpcCall, **fields: Any) -> bytes:
        return bytes(self._responses[call.method](**fields).SerializeToString())


def _check(call: RpcCall, token: SecretStr) -> None:
    if not shows(call.metadata.get("authorization"), token):
        raise BadRequest(401, "this node wants its token: send the metadata 'authorization: Bearer TOKEN'")


class _Form(NamedTuple):
    """What a request says besides its raw tensors; clients say the same again and again.

    Attributes:
        request: as decoded.
        model: its name, checked.
        tensors: datatype and shape by name.
        wanted: names of outputs.
        parameters: of the request.
        plain: whether nothing but raw tensors can follow: names that differ, and no typed contents.
    """

    request: Any
    model: str
    tensors: dict[str, tuple[str, tuple[int, ...]]]
    wanted: list[str]
    parameters: dict[str, Scalar]
    plain: bool

    @classmethod
    def of(cls, rest: bytes) -> _Form:
        """Raises BadRequest: 400, no message, or names and counts that cannot be."""
        request = decode("ModelInferRequest", rest)
        if len(request.id) > LONGEST_ID:
            raise BadRequest(400, f"an id of {len(request.id)} characters; at most {LONGEST_ID} are served")
        parameters = read_parameters(request.parameters)
        check_parameters(parameters, "request")
        tensors = {tensor.name: (tensor.datatype, tuple(tensor.shape)) for tensor in request.inputs}
        plain = 0 < len(tensors) == len(request.inputs) and "" not in tensors
        plain = plain and not any(tensor.contents.ListFields() for tensor in request.inputs)
        model, wanted = checked_name(request.model_name, "model"), [each.name for each in request.outputs]
        return cls(request, model, tensors, wanted, parameters, plain)

    def arrays(self, raw: list[memoryview]) -> dict[str, Array]:
        """The tensors, where ``raw`` are those behind it, or none.

        Raises:
            BadRequest: 400, they do not fit.
        """
        if self.plain and len(raw) == len(self.tensors):
            with contextlib.suppress(BadRequest):  # said in full below
                return {
                    name: from_raw(data, *about)
                    for (name, about), data in zip(self.tensors.items(), raw, strict=True)
                }
        return read_arrays(SplitRequest(self.request.inputs, raw) if raw else self.request)


def _question(form: _Form, raw: list[memoryview], call: RpcCall, arrival_s: float) -> Question[bytes]:
    return Question(
        model=form.model,
        version=form.request.model_version,
        tensors=form.tensors,
        wanted=form.wanted,
        parameters=form.parameters,
        arrival_s=arrival_s,
        decode=lambda: form.arrays(raw),
        write=lambda answer: _reply(answer, form.request.id),
        limit_s=call.left_s,
    )


def _reply(answer: Answer, request_id: str) -> bytes:
    told = answer.parameters
    if "energy_joules" in told:
        told = {**told, RECEIPT: receipt(told)}
    model = answer.model
    return write_arrays(
        answer.outputs, model=model.name, version=model.version, id=request_id, parameters=told
    )
