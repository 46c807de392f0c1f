"""The node's life: load, listen, serve, look at the folder again on SIGHUP, and end well on SIGTERM."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from gramwise.core.errors import ConfigError, GramwiseError
from gramwise.gateway.access.tls import TlsFiles
from gramwise.gateway.access.tokens import read_token
from gramwise.gateway.loop import give_back_memory
from gramwise.gateway.rpc import RpcServer, RpcTls
from gramwise.gateway.web.limits import Limits
from gramwise.gateway.web.server import HttpServer

from .batching import Slots
from .grpc_face import GrpcFace
from .http_face import HttpFace
from .inference import Inference
from .measures import Measures
from .metering import Metering, open_meter
from .repository import Repository
from .settings import Address, Settings
from .tariff import tariff
from .usage import Usage

_log = logging.getLogger("gramwise.gateway.node")

_LOOK_S = 0.02
"""How often a draining node looks whether its last request has ended."""

_SPARE_CALLS = 64
"""gRPC calls beside those that wait and run, so that health can be asked however many do."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a node can be reached: addresses as ``(host, port)``, and the models that can infer."""

    http: tuple[str, int]
    grpc: tuple[str, int] | None
    models: tuple[str, ...]


async def run_node(settings: Settings, ready: Callable[[Listening], None] | None = None) -> None:
    """Serve a model repository until SIGTERM or SIGINT.

    Args:
        settings: see there; `Settings.of` checks them.
        ready: called once, when everything can be asked.

    Raises:
        ConfigError: a folder, file or address that cannot be used.
        MeterError: the rate of this host was needed for the energy and could not be measured.
        SourceUnavailable: an optional library is missing.
    """
    settings.check()
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    node = _Node(settings)
    async with AsyncExitStack() as ends:
        for number, act in (
            (signal.SIGTERM, stop.set),
            (signal.SIGINT, stop.set),
            (signal.SIGHUP, node.reload),
        ):
            loop.add_signal_handler(number, act)
            ends.callback(loop.remove_signal_handler, number)
        ends.callback(node.slots.close)
        await node.load()
        ends.push_async_callback(node.end)
        listening = await node.listen()
        gc.collect()
        gc.freeze()  # what is there now stays; looking through it again and again would only cost energy
        _log.info("listening: HTTP %s, gRPC %s", listening.http, listening.grpc or "off")
        if ready is not None:
            ready(listening)
        await stop.wait()


class _Node:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.token = None if settings.token_file is None else read_token(settings.token_file)
        self.repository = Repository(settings.repository, most_models=settings.most_models)
        self.slots = Slots(
            settings.slots,
            most_batch=settings.most_batch,
            batch_wait_s=settings.batch_wait_ms / 1e3,
            most_queued=settings.most_queued,
            virtual_share=settings.virtual_share,
        )
        self.http: HttpServer | None = None
        self.grpc: RpcServer | None = None
        self.reloading: asyncio.Task[None] | None = None
        self.metering: asyncio.Task[None] | None = None

    async def load(self) -> None:
        loop = asyncio.get_running_loop()
        prices = await loop.run_in_executor(None, tariff, self.settings)
        await loop.run_in_executor(None, self.repository.reload)
        give_back_memory()
        if not self.repository.names():
            _log.warning("no model of %s can infer; the node is not ready", self.settings.repository)
        measures = Measures(self.settings.node_name, prices)
        self.inference = Inference(
            self.repository,
            self.slots,
            prices,
            measures,
            most_tensors=self.settings.most_tensors,
            most_held_bytes=self.settings.most_held_bytes,
        )
        self.usage = Usage(self.settings.node_name, prices, lambda: self.slots.attributed_s)
        meter = await loop.run_in_executor(None, open_meter, self.settings)
        if meter is not None:
            self.usage.metering = Metering(meter, prices, self.usage.settle, stat=self.settings.stat)
            self.metering = asyncio.create_task(self.usage.metering.run())

    async def listen(self) -> Listening:
        settings, tls = self.settings, self.settings.tls
        face = HttpFace(
            self.inference, self.usage, self.token, settings.most_body_bytes, settings.most_json_bytes
        )
        limits = Limits(
            body_bytes=settings.most_body_bytes,
            connections=settings.most_connections,
            in_flight=settings.most_connections,  # so that health can be asked however many requests wait
        )
        ssl = None if tls is None else tls.server()
        self.http = HttpServer(face.answer, limits, ssl=ssl, place=face.place)
        http = await _listen(self.http, settings.http_address)
        grpc = settings.grpc_address and await self._listen_grpc(settings.grpc_address, tls)
        return Listening(http, grpc, tuple(self.repository.names()))

    async def _listen_grpc(self, address: Address, tls: TlsFiles | None) -> tuple[str, int]:
        face = GrpcFace(self.inference, self.token)
        self.grpc = RpcServer(
            face.answer,
            tls=None if tls is None else _pem(tls),
            most_message_bytes=self.settings.most_body_bytes,
            most_calls=self.settings.most_queued + self.settings.slots + _SPARE_CALLS,
        )
        return await self.grpc.start(*address)

    def reload(self) -> None:
        """Look at the folder again, beside the serving; a second signal meanwhile is covered by the first."""
        if self.reloading is None or self.reloading.done():
            self.reloading = asyncio.create_task(self._reload())

    async def _reload(self) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(None, self.repository.reload)
        except GramwiseError as fault:
            _log.error("the repository was not reloaded: %s", fault)
        else:
            give_back_memory()
            _log.info("the repository was reloaded: %s", ", ".join(self.repository.names()) or "no model")

    async def end(self) -> None:
        """Refuse what is new, let what runs end, and stop."""
        if self.metering is not None:
            self.metering.cancel()
        limit_s = self.settings.drain_limit_s
        self.inference.draining = True
        self.slots.hurry()
        until_s = time.monotonic() + limit_s
        while self.slots.queued + self.slots.running and time.monotonic() < until_s:
            await asyncio.sleep(_LOOK_S)
        left_s = max(0.1, until_s - time.monotonic())
        if self.grpc is not None:
            await self.grpc.drain(left_s)
        if self.http is not None:
            await self.http.drain(left_s)


async def _listen(server: HttpServer, address: Address) -> tuple[str, int]:
    try:
        return await server.start(*address)
    except OSError as fault:
        raise ConfigError(
            f"{address.host}:{address.port} cannot be listened on: {(fault.strerror or str(fault)).lower()}.",
            key="--listen",
            fix="Name an address of this machine with a free port.",
        ) from fault


def _pem(tls: TlsFiles) -> RpcTls:
    key, certificate, ca = tls.pem()
    assert key is not None
    assert certificate is not None
    return RpcTls(certificate, key, ca)
