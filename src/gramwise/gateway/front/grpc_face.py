"""The gateway over gRPC: the protocol's six calls. Requests and answers pass through as bytes, with fields appended.

What a request asks is read by a scan that steps over its tensors; what an answer tells besides goes behind it, since a
later entry of a map adds to the earlier ones.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from gramwise.gateway.access.denied import Denied
from gramwise.gateway.oip.errors import BadRequest
from gramwise.gateway.oip.messages import decode, message
from gramwise.gateway.oip.paths import checked_name
from gramwise.gateway.oip.scan import model_bytes, parameters_bytes
from gramwise.gateway.oip.told import RECEIPT, receipt
from gramwise.gateway.rpc import RpcCall

from .answer import Answer
from .asked import read_message
from .desk import RETRY_S, Desk
from .http_face import SERVER

OPEN = frozenset({"ServerLive", "ServerReady"})
"""Calls that need no key."""


class GrpcFace:
    """Answers calls.

    Args:
        desk: serves requests.

    Raises:
        SourceUnavailable: protobuf is not installed.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._calls: dict[str, Callable[[RpcCall], Awaitable[bytes]]] = {
            "ServerLive": self._live,
            "ServerReady": self._ready,
            "ModelReady": self._model_ready,
            "ServerMetadata": self._metadata,
            "ModelMetadata": self._model_metadata,
            "ModelInfer": self._infer,
        }
        message("ModelInferRequest")  # a missing library is told at the start

    async def answer(self, call: RpcCall) -> bytes:
        """Answer one call.

        Raises:
            BadRequest: what is wrong with it, or why it is not served now.
        """
        try:
            return await self._calls[call.method](call)
        except Denied as denied:
            raise BadRequest(denied.status, denied.sentence, retry_after_s=denied.retry_after_s) from denied

    async def _infer(self, call: RpcCall) -> bytes:
        desk = self._desk
        if desk.draining:
            raise BadRequest(503, "this gateway is stopping; try another", retry_after_s=RETRY_S)
        who = await desk.who(call.metadata.get("authorization"))
        asked, told = read_message(call.message)
        desk.model(told.model, told.version)
        if asked.ask.deadline_s is None and call.left_s is not None:
            asked.ask = replace(asked.ask, deadline_s=call.left_s)
        done = await desk.serve(asked, told.model, who, "grpc")
        return self._reply(done.answer, told.model, done.values)

    def _reply(self, answer: Answer, model: str, values: dict[str, str | int | float | bool]) -> bytes:
        if "energy_joules" in values:
            values = {**values, RECEIPT: receipt(values)}
        return answer.message + model_bytes(model) + parameters_bytes(values)

    async def _live(self, call: RpcCall) -> bytes:
        return _written(call, live=True)

    async def _ready(self, call: RpcCall) -> bytes:
        return _written(call, ready=self._desk.ready)

    async def _model_ready(self, call: RpcCall) -> bytes:
        await self._desk.who(call.metadata.get("authorization"))
        asked = decode("ModelReadyRequest", call.message)
        name = checked_name(asked.name, "model")
        self._desk.model(name, asked.version)
        return _written(call, ready=self._desk.model_ready(name))

    async def _metadata(self, call: RpcCall) -> bytes:
        await self._desk.who(call.metadata.get("authorization"))
        return _written(call, name=SERVER.name, version=SERVER.version, extensions=SERVER.extensions)

    async def _model_metadata(self, call: RpcCall) -> bytes:
        await self._desk.who(call.metadata.get("authorization"))
        asked = decode("ModelMetadataRequest", call.message)
        name = checked_name(asked.name, "model")
        about = self._desk.model(name, asked.version).metadata
        tensor = message("ModelMetadataResponse.TensorMetadata")
        return _written(
            call,
            name=name,
            versions=["1"],
            platform=about.platform,
            inputs=[tensor(name=t.name, datatype=t.datatype, shape=t.shape) for t in about.inputs],
            outputs=[tensor(name=t.name, datatype=t.datatype, shape=t.shape) for t in about.outputs],
        )


def _written(call: RpcCall, **values: object) -> bytes:
    serialised: bytes = message(f"{call.method}Response")(**values).SerializeToString()
    return serialised
