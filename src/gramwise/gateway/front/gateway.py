"""The gateway's life: read the scenario, ask the nodes, listen, read it again on SIGHUP, and end well on SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Protocol

from gramwise.core.clock import SystemClock
from gramwise.core.errors import ConfigError, GramwiseError
from gramwise.fleet.scenario import Scenario
from gramwise.gateway.access.door import Door
from gramwise.gateway.access.exposure import check_exposure
from gramwise.gateway.access.quota import Quotas
from gramwise.gateway.access.tls import TlsFiles
from gramwise.gateway.ledger.ledger import Ledger
from gramwise.gateway.rpc import RpcServer, RpcTls
from gramwise.gateway.web.client import Upstream
from gramwise.gateway.web.limits import Limits
from gramwise.gateway.web.server import HttpServer
from gramwise.runtime.planfile import read_plan

from .books import Books
from .desk import Desk
from .fleet import LiveFleet
from .grpc_face import GrpcFace
from .guiding import GUIDED, Guiding
from .http_face import HttpFace
from .joined import FILE
from .learning import Learning
from .membership import Membership
from .settings import Settings
from .stages import Staged
from .supply import Supply
from .upkeep import LiveMetrics, Upkeep

_LOG = logging.getLogger("gramwise.gateway.front")


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a gateway can be reached, as ``(host, port)``; None for what it does not serve."""

    http: tuple[str, int]
    grpc: tuple[str, int] | None
    control: tuple[str, int] | None = None


class Beside(Protocol):
    """A listener beside the data path: the control API."""

    async def start(self) -> tuple[str, int]:
        """Listen on loopback, or where it was told to; returns where."""
        ...

    async def stop(self, limit_s: float) -> None:
        """End."""
        ...


class Gateway:
    """A gateway that can be started and ended; `run_gateway` does so until a signal comes.

    Args:
        settings: see there.

    Attributes:
        fleet: the nodes, once started.
        ledger: None without accounting.
        metrics: likewise.
        door, quotas: who may.
        supply: of intensities.
        learning: of what requests take; with accounting only.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings, self.clock = settings, SystemClock()
        self.door = Door(settings.keys, self.clock)
        self.quotas = Quotas(self.door.limits, self.clock)
        self.fleet: LiveFleet
        self.supply: Supply
        self.ledger: Ledger | None = None
        self.metrics: LiveMetrics | None = None
        self.learning: Learning
        self._http: HttpServer
        self._grpc: RpcServer | None = None
        self._face: HttpFace
        self._desk: Desk
        self._ends = AsyncExitStack()
        self._tls = self._tls_files()

    async def start(self, beside: Callable[[Gateway], Beside] | None = None) -> Listening:
        """Read, ask, listen.

        Args:
            beside: makes the control API's listener, once the rest is there.

        Returns:
            Where it listens.

        Raises:
            GramwiseError: it cannot; nothing is left running.
        """
        try:
            return await self._start(beside)
        except BaseException:
            await self._ends.aclose()
            raise

    async def _start(self, beside: Callable[[Gateway], Beside] | None) -> Listening:
        settings = self.settings
        for option in ("listen", "grpc"):
            if getattr(settings, option) is not None:
                host, _ = settings.address(option)
                check_exposure(host, auth=self.door.asks, tls=self._tls is not None, key=f"--{option}")
        await self._open_books()
        scenario = self.supply.read(settings.scenario)
        kept = settings.state_dir(settings.scenario.stem) / FILE
        self.fleet = LiveFleet(settings, self.supply, self.clock, self._staged(scenario), kept)
        self._ends.push_async_callback(self.fleet.close)
        await self.fleet.begin(scenario)
        membership = Membership(self.fleet, settings.poll_s, settings.poll_timeout_s)
        membership.start()
        self._ends.push_async_callback(membership.stop)
        if self.metrics is not None:
            self.metrics.fleet, self.metrics.provider = self.fleet, self.supply.provider
        if self.ledger is not None:
            asking = asyncio.create_task(Upkeep(self.fleet, self.ledger, self.clock.now_s).run())
            self._ends.callback(asking.cancel)
        books = Books(self.ledger, self.metrics, self.fleet.policy, told=settings.accounting)
        if self.metrics is not None:
            self.metrics.settle = books.settle
        self._desk = Desk(self.fleet, books, self.door, self.quotas, self.clock)
        if settings.accounting:
            self.learning = Learning(self.fleet, books.told_joules)
            learning = asyncio.create_task(self.learning.run())
            self._ends.callback(learning.cancel)
        if self.fleet.policy in GUIDED:
            guiding = Guiding(self.fleet, self.clock)
            await asyncio.to_thread(guiding.ready)
            self._desk.demand = guiding.demand
            planning = asyncio.create_task(guiding.run())
            self._ends.callback(planning.cancel)
        http = await self._listen()
        grpc = await self._listen_grpc()
        control = None
        if beside is not None:
            companion = beside(self)
            control = await companion.start()
            self._ends.push_async_callback(companion.stop, 2.0)
            self._face.control = Upstream(*control)
            self._ends.push_async_callback(self._face.control.close)
        return Listening(http, grpc, control)

    async def _open_books(self) -> None:
        settings = self.settings
        folder = settings.state_dir(settings.scenario.stem)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise ConfigError(
                f"cannot be made: {fault.strerror}.", file=folder, key="--state", fix="Name another folder."
            ) from fault
        if settings.accounting:
            url = settings.ledger or f"sqlite:///{(folder / 'ledger.sqlite').resolve()}"
            self.ledger = await asyncio.to_thread(
                Ledger.open, url, folder / "spool", retention_days=settings.retention_days
            )
            self._ends.push_async_callback(asyncio.to_thread, self.ledger.close)
            self.metrics = LiveMetrics()
        self.supply = Supply(settings, folder, self.clock)
        self._ends.callback(self.supply.close)

    def _staged(self, scenario: Scenario) -> Staged | None:
        return None if self.settings.plan is None else Staged(read_plan(self.settings.plan), scenario)

    async def _listen(self) -> tuple[str, int]:
        settings = self.settings
        limits = Limits(
            body_bytes=settings.most_body_bytes,
            in_flight=settings.most_in_flight,
            connections=settings.most_connections,
        )
        self._face = HttpFace(self._desk, min(settings.most_json_bytes, settings.most_body_bytes))
        context = None if self._tls is None else self._tls.server()
        self._http = HttpServer(self._face.answer, limits, context)
        host, port = settings.address("listen")
        try:
            return await self._http.start(host, port)
        except OSError as fault:
            raise ConfigError(
                f"cannot listen on {settings.listen}: {fault.strerror or fault}.",
                key="--listen",
                fix="Name an address of this machine with a free port.",
            ) from fault

    async def _listen_grpc(self) -> tuple[str, int] | None:
        settings = self.settings
        if settings.grpc is None:
            return None
        tls = None
        if self._tls is not None:
            key, certificate, ca = self._tls.pem()
            assert key is not None
            assert certificate is not None
            tls = RpcTls(certificate, key, ca)
        face = GrpcFace(self._desk)
        self._grpc = RpcServer(
            face.answer,
            tls=tls,
            most_message_bytes=settings.most_body_bytes,
            most_calls=settings.most_in_flight,
        )
        return await self._grpc.start(*settings.address("grpc"))

    def _tls_files(self) -> TlsFiles | None:
        settings = self.settings
        if settings.tls_cert is None:
            return None
        return TlsFiles(cert=settings.tls_cert, key=settings.tls_key, ca=settings.client_ca)

    async def reload(self) -> None:
        """Read the scenario again; one that cannot be used changes nothing, and is logged."""
        try:
            await self.fleet.reload(await asyncio.to_thread(self.supply.read, self.settings.scenario))
        except (GramwiseError, OSError) as fault:
            _LOG.error("the scenario stays as it was: %s", fault)
        else:
            _LOG.info("the scenario was read anew: %s", self.settings.scenario)

    async def end(self) -> None:
        """Take nothing new, let what is under way end, write everything down, and hang up."""
        self._desk.draining = True
        limit_s = self.settings.drain_s
        drains: list[Awaitable[object]] = [self._http.drain(limit_s)]
        if self._grpc is not None:
            drains.append(self._grpc.drain(limit_s))
        await asyncio.gather(*drains)
        await self._ends.aclose()


async def run_gateway(
    settings: Settings,
    ready: Callable[[Listening, Gateway], None] | None = None,
    beside: Callable[[Gateway], Beside] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        settings: `Settings.of` checks them.
        ready: called once, when everything can be asked.
        beside: makes the control API's listener.

    Raises:
        ConfigError: a file, folder or address that cannot be used.
        SourceUnavailable: an optional library is missing.
    """
    gateway = Gateway(settings)
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    reloading: set[asyncio.Task[None]] = set()

    def reload() -> None:
        task = loop.create_task(gateway.reload())
        reloading.add(task)
        task.add_done_callback(reloading.discard)

    listening = await gateway.start(beside)
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, reload)
        if ready is not None:
            ready(listening, gateway)
        await stop.wait()
    finally:
        for task in list(reloading):
            task.cancel()
        await gateway.end()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(number)
