"""The gateway over HTTP: the protocol's calls; what else the control API serves is passed on to its listener."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

import gramwise
from gramwise.gateway.access.denied import Denied
from gramwise.gateway.access.redaction import refuse_key_in_url
from gramwise.gateway.oip.errors import BadRequest, error_body
from gramwise.gateway.oip.metadata import (
    EXTENSIONS,
    LIVE,
    ServerMetadata,
    metadata_body,
    model_ready_body,
    ready_body,
)
from gramwise.gateway.oip.paths import Route, route
from gramwise.gateway.oip.recent import Recent
from gramwise.gateway.web.client import Upstream
from gramwise.gateway.web.exchange import JSON, Exchange

from .answer import FLOWING_BYTES
from .asked import Heads, read_asked
from .desk import RETRY_S, Desk

SERVER = ServerMetadata("gramwise", gramwise.__version__, [*EXTENSIONS])
"""What the gateway says of itself."""

OPEN = frozenset({b"/v2/health/live", b"/v2/health/ready"})
"""Paths that need no key: probes have none, and nothing but the state is told."""

_CONTROL = (
    b"/v2/ledger",
    b"/v2/fleet",
    b"/v2/plans",
    b"/metrics",
    b"/openapi.json",
    b"/emissions",
    b"/locations",
)
"""Beginnings of the control API's paths."""

_CONTROL_S = 120.0
_ROUTES = 256
"""Infer paths that are remembered."""

_REQUEST_HEADERS = frozenset({b"authorization", b"content-type", b"accept"})


class HttpFace:
    """Answers exchanges.

    Args:
        desk: serves requests.
        limit_bytes: of a body that must be read whole.
        control: the control API's listener; None where there is none.
    """

    def __init__(self, desk: Desk, limit_bytes: int, control: Upstream | None = None) -> None:
        self._desk, self._limit_bytes, self.control = desk, limit_bytes, control
        self._infers: dict[bytes, Route] = {}
        self._heads: Heads = Recent()
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
        try:
            await self._answer(exchange)
        except Denied as denied:
            headers = [(name.lower().encode(), value.encode()) for name, value in denied.headers()]
            exchange.reply(denied.status, [JSON, *headers], error_body(denied.sentence))

    async def _answer(self, exchange: Exchange) -> None:
        path = exchange.path
        found = self._infers.get(path) if exchange.method == b"POST" else None
        if exchange.query or b"gw_" in path:
            refuse_key_in_url(path + b"?" + exchange.query)
        if found is None:
            if path.startswith(_CONTROL):
                await self._pass_on(exchange)
                return
            found = route(exchange.method, path)
            if (
                found.call == "infer"
                and len(self._infers) < _ROUTES
                and found.model in self._desk.fleet.models
            ):
                self._infers[path] = found
        if found.call == "infer":
            await self._infer(exchange, found)
            return
        if path not in OPEN:
            await self._desk.who(exchange.headers.get(b"authorization"))
        self._calls[found.call](exchange, found)

    async def _infer(self, exchange: Exchange, found: Route) -> None:
        desk = self._desk
        if desk.draining:
            raise BadRequest(503, "this gateway is stopping; try another", retry_after_s=RETRY_S)
        who = await desk.who(exchange.headers.get(b"authorization"))
        desk.model(found.model, found.version)
        asked = await read_asked(exchange, self._limit_bytes, self._heads)
        done = await desk.serve(asked, found.model, who, "http")
        await done.answer.send(exchange, found.model, done.values)

    def _server_ready(self, exchange: Exchange, _: Route) -> None:
        ready = self._desk.ready
        exchange.reply(200 if ready else 503, [JSON], ready_body(ready))

    def _model_metadata(self, exchange: Exchange, found: Route) -> None:
        about = msgspec.structs.replace(self._desk.model(found.model, found.version).metadata, versions=["1"])
        exchange.reply(200, [JSON], metadata_body(about))

    def _model_ready(self, exchange: Exchange, found: Route) -> None:
        self._desk.model(found.model, found.version)
        ready = self._desk.model_ready(found.model)
        exchange.reply(200 if ready else 503, [JSON], model_ready_body(found.model, ready))

    def _index(self, exchange: Exchange, _: Route) -> None:
        rows = [
            {
                "name": name,
                "version": "1",
                "state": "READY" if self._desk.model_ready(name) else "UNAVAILABLE",
            }
            for name in self._desk.fleet.models
        ]
        exchange.reply(200, [JSON], msgspec.json.encode(rows))

    async def _pass_on(self, exchange: Exchange) -> None:
        """To the control API, which asks for keys itself."""
        if self.control is None:
            raise BadRequest(404, "this gateway serves no control API")
        headers = [pair for pair in exchange.headers.items() if pair[0] in _REQUEST_HEADERS]
        path = exchange.path + (b"?" + exchange.query if exchange.query else b"")
        bare = exchange.method in (b"GET", b"HEAD", b"DELETE") and not exchange.body.nbytes
        reply = await self.control.send(
            exchange.method, path, headers, None if bare else exchange.body, timeout_s=_CONTROL_S
        )
        exchange.begin(reply.status, reply.headers.items(), reply.body.nbytes)
        written = 0
        async for chunk in reply.body:
            exchange.write(chunk)
            written += len(chunk)
            if written >= FLOWING_BYTES:
                written = 0
                await exchange.flowing()
        exchange.end()
