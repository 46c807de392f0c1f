"""The node over HTTP: the protocol's calls, the model repository extension, metrics and usage."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import msgspec

import gramwise
from gramwise.gateway.access.tokens import shows
from gramwise.gateway.metrics import CONTENT_TYPE
from gramwise.gateway.oip.errors import BadRequest, error_body
from gramwise.gateway.oip.head import JSON_SIZE_HEADER, RequestHead, read_json_size, read_request_head
from gramwise.gateway.oip.metadata import (
    EXTENSIONS,
    LIVE,
    ServerMetadata,
    metadata_body,
    model_ready_body,
    ready_body,
)
from gramwise.gateway.oip.paths import Route, route, wrong_method
from gramwise.gateway.oip.recent import LONGEST_BYTES, Recent
from gramwise.gateway.oip.tensors import read_tensors, write_reply
from gramwise.gateway.web.exchange import JSON, Exchange

from .inference import Answer, Inference, Question
from .repository import NotLoaded
from .usage import Usage

if TYPE_CHECKING:
    from pydantic import SecretStr

HttpReply: TypeAlias = tuple[bytes, list[bytes | memoryview]]
"""Head of an answer and the binary tensors behind it."""

SERVER = ServerMetadata("gramwise", gramwise.__version__, [*EXTENSIONS, "model_repository"])
"""What the node says of itself."""

OPEN = frozenset({b"/v2/health/live", b"/v2/health/ready"})
"""Paths that need no token: probes have none, and nothing but the state is told."""

_MODELS = b"/v2/repository/models/"
_TEXT = (b"content-type", CONTENT_TYPE)
_BINARY = (b"content-type", b"application/octet-stream")

_MOST_PLACED_BYTES = 8 << 20
"""Longer bodies are taken in chunks, which the connection can hold back."""

_DIGITS = 9
"""Of the size of a head that is believed before it is checked."""

_HEAVY_BYTES = 65_536
"""JSON tensors from this size on are read in a thread, so that the others' requests go on."""


class HttpFace:
    """Answers exchanges.

    Args:
        inference: the node's operation.
        usage: where its CPU seconds went.
        token: that clients must show; None lets anybody in.
        most_body_bytes, most_json_bytes: of a request; the second where its tensors are JSON, which take many times
            their size in memory.
    """

    def __init__(
        self,
        inference: Inference,
        usage: Usage,
        token: SecretStr | None,
        most_body_bytes: int,
        most_json_bytes: int,
    ) -> None:
        self._inference, self._usage, self._token = inference, usage, token
        self._most_body_bytes, self._most_json_bytes = most_body_bytes, most_json_bytes
        self._forms: Recent[tuple[bytes, int], _Form] = Recent()
        self._plain: dict[bytes, Callable[[Exchange], None]] = {
            b"/metrics": self._metrics,
            b"/v2/gramwise/usage": self._tell_usage,
        }
        self._calls: dict[str, Callable[[Exchange, Route], None]] = {
            "server_metadata": lambda exchange, _: exchange.reply(200, [JSON], metadata_body(SERVER)),
            "server_live": lambda exchange, _: exchange.reply(200, [JSON], LIVE),
            "server_ready": self._server_ready,
            "model_metadata": self._model_metadata,
            "model_ready": self._model_ready,
            "repository_index": self._index,
        }

    async def answer(self, exchange: Exchange) -> None:
        """Answer one exchange. What it raises as `BadRequest`, the server answers in the protocol's shape."""
        arrival_s = time.monotonic()
        path = exchange.path
        if not self._may(exchange):
            sentence = "this node wants its token: send the header 'Authorization: Bearer TOKEN'"
            exchange.reply(401, [JSON, (b"www-authenticate", b"Bearer")], error_body(sentence))
            return
        plain = self._plain.get(path)
        if plain is not None:
            _method(exchange, b"GET")
            plain(exchange)
        elif path.startswith(_MODELS):
            await self._change(exchange, path[len(_MODELS) :])
        else:
            found = route(exchange.method, path)
            if found.call == "infer":
                await self._infer(exchange, found, arrival_s)
            else:
                self._calls[found.call](exchange, found)

    def place(self, exchange: Exchange) -> memoryview | None:
        """Memory that a request's body is to be read into, its tensors aligned; None where chunks will do.

        Only for those who may ask and only while there is room, as the body comes before the request is looked at.
        """
        nbytes = exchange.body.nbytes
        size = exchange.headers.get(JSON_SIZE_HEADER, b"")
        if nbytes is None or nbytes > _MOST_PLACED_BYTES:
            return None
        if not size.isdigit() or len(size) > _DIGITS or not exchange.path.endswith(b"/infer"):
            return None
        return self._inference.room.place(nbytes, int(size)) if self._may(exchange) else None

    def _may(self, exchange: Exchange) -> bool:
        return (
            self._token is None
            or exchange.path in OPEN
            or shows(exchange.headers.get(b"authorization"), self._token)
        )

    async def _infer(self, exchange: Exchange, found: Route, arrival_s: float) -> None:
        if exchange.headers.get(b"content-encoding", b"identity").lower() not in (b"identity", b""):
            raise BadRequest(415, "compressed bodies are not served; send the body as it is")
        json_size = read_json_size(exchange.headers.get(JSON_SIZE_HEADER))
        most_bytes = self._most_body_bytes if json_size is not None else self._most_json_bytes
        with self._inference.room.held() as held:
            body = await held.read(exchange.body, most_bytes, json_size)
            if json_size is not None and 0 < json_size <= min(LONGEST_BYTES, len(body)):
                # Of the copy: what is remembered must not keep the body that it came with.
                head = bytes(body[:json_size])
                form = self._forms.get((head, len(body)), lambda: _Form.of(head, json_size, len(body)))
            else:
                form = _Form.of(body, json_size, len(body))
            question = _question(exchange, found, form, body, json_size, arrival_s)
            reply, tensors = await self._inference.answer(question)
        if tensors:
            size = (JSON_SIZE_HEADER, b"%d" % len(reply))
            exchange.reply(200, [_BINARY, size], [reply, *map(bytes, tensors)])
        else:
            exchange.reply(200, [JSON], reply)

    def _server_ready(self, exchange: Exchange, _: Route) -> None:
        ready = self._inference.ready
        exchange.reply(200 if ready else 503, [JSON], ready_body(ready))

    def _model_ready(self, exchange: Exchange, found: Route) -> None:
        try:
            self._inference.repository.model(found.model, found.version)
        except NotLoaded as fault:
            raise BadRequest(503, fault.sentence) from fault
        ready = not self._inference.draining
        exchange.reply(200 if ready else 503, [JSON], model_ready_body(found.model, ready))

    def _model_metadata(self, exchange: Exchange, found: Route) -> None:
        repository = self._inference.repository
        model = repository.model(found.model, found.version)
        exchange.reply(200, [JSON], metadata_body(model.metadata(repository.versions(found.model))))

    def _index(self, exchange: Exchange, _: Route) -> None:
        exchange.reply(200, [JSON], msgspec.json.encode(list(self._inference.repository.index())))

    async def _change(self, exchange: Exchange, rest: bytes) -> None:
        """``{model}/load`` and ``{model}/unload`` of the repository extension."""
        _method(exchange, b"POST")
        name, _, what = rest.partition(b"/")
        repository = self._inference.repository
        change = {b"load": repository.load, b"unload": repository.unload}.get(what)
        if change is None:
            raise BadRequest(404, "no such path below /v2/repository/models; use NAME/load or NAME/unload")
        await exchange.body.read(self._most_json_bytes)
        # The path of the model itself, so that names are read and checked in one place.
        model = route(b"GET", b"/v2/models/" + name).model
        await asyncio.get_running_loop().run_in_executor(None, change, model)
        exchange.reply(200, [JSON], b"{}")

    def _metrics(self, exchange: Exchange) -> None:
        text = self._inference.measures.text(self._usage, self._inference.slots)
        exchange.reply(200, [_TEXT], text)

    def _tell_usage(self, exchange: Exchange) -> None:
        slots = self._inference.slots
        told = self._usage.read(queued=slots.queued, running=slots.running, ready=self._inference.ready)
        exchange.reply(200, [JSON], msgspec.json.encode(told))


class _Form(NamedTuple):
    """What a request's head says, with datatype and shape of its tensors and the names of wanted outputs drawn out."""

    head: RequestHead
    tensors: dict[str, tuple[str, list[int]]]
    wanted: list[str]

    @classmethod
    def of(cls, data: bytes | memoryview, json_size: int | None, body_bytes: int) -> _Form:
        """As `read_request_head`, and raises what it does."""
        head = read_request_head(data, json_size, body_bytes, elements=True)
        tensors = {tensor.name: (tensor.datatype, tensor.shape) for tensor in head.inputs}
        return cls(head, tensors, [output.name for output in head.outputs or ()])


def _question(
    exchange: Exchange,
    found: Route,
    form: _Form,
    body: bytes | memoryview,
    json_size: int | None,
    arrival_s: float,
) -> Question[HttpReply]:
    head = form.head
    binary = b"" if json_size is None else memoryview(body)[json_size:]
    return Question(
        model=found.model,
        version=found.version,
        tensors=form.tensors,
        wanted=form.wanted,
        parameters=head.parameters,
        arrival_s=arrival_s,
        decode=lambda: read_tensors(head, binary),
        write=lambda answer: _reply(answer, head),
        heavy=len(body) - len(binary) >= _HEAVY_BYTES,
        gone=lambda: exchange.gone,
    )


def _reply(answer: Answer, head: RequestHead) -> HttpReply:
    model = answer.model
    return write_reply(
        answer.outputs, model=model.name, version=model.version, request=head, parameters=answer.parameters
    )


def _method(exchange: Exchange, wanted: bytes) -> None:
    if exchange.method != wanted and not (wanted == b"GET" and exchange.method == b"HEAD"):
        raise wrong_method(wanted)
