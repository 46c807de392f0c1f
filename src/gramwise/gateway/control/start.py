"""Everything of the control API put together and listening: what ``gramwise serve`` starts beside its data path."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gramwise.core.clock import Clock
from gramwise.core.errors import SourceUnavailable
from gramwise.core.quantity import Basis, Signal
from gramwise.optimize.words.llm.settings import endpoint

from ..access.door import Door
from ..access.exposure import check_exposure
from ..access.quota import Quotas
from ..access.tls import TlsFiles
from .limits import HttpLimits
from .planner import Planner, PlannerSettings
from .views import FleetView, GridView, LedgerView

if TYPE_CHECKING:
    from ..ledger.ledger import Ledger
    from .listener import Listener


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlSettings:
    """What the operator says of the control API.

    Attributes:
        port: on loopback, where it always listens in plain HTTP; port 0 takes a free one.
        public: host and port of a second listener; None for none.
        tls: certificate and key of that one; None speaks plain HTTP, on loopback only.
        planner: of plans from words; whether a language model may be asked is read from the environment.
        signal, basis: kind of the fleet's intensities.
        limits: of requests and connections.
    """

    port: int = 0
    public: tuple[str, int] | None = None
    tls: TlsFiles | None = None
    planner: PlannerSettings
    signal: Signal = "average"
    basis: Basis = "lifecycle"
    limits: HttpLimits = field(default_factory=HttpLimits)


@dataclass(frozen=True, slots=True)
class Control:
    """A control API that listens: ``host`` and ``port`` on loopback, ``public`` where others come, if anywhere."""

    host: str
    port: int
    public: tuple[str, int] | None
    listeners: tuple[Listener, ...]
    planner: Planner

    async def stop(self, limit_s: float = 5.0) -> None:
        """Finish the requests under way, for at most so many seconds, and end the planner's process."""
        await asyncio.gather(*(listener.stop(limit_s) for listener in self.listeners))
        await self.planner.close()


async def start_control(
    settings: ControlSettings,
    *,
    fleet: FleetView,
    ledger: Ledger | None,
    door: Door,
    quotas: Quotas,
    grid: GridView,
    clock: Clock,
    metrics: Callable[[], bytes],
) -> Control:
    """Listen and answer, on the running loop, until stopped.

    Args:
        settings: what the operator says.
        fleet: the gateway's nodes.
        ledger: where outcomes are, and planning's own; None where nothing is accounted for.
        door, quotas: who may, and how much; the same objects as on the data path.
        grid: intensities for the routes of the Carbon Aware SDK, as `grids.SourcesGrid`.
        clock: for now.
        metrics: text of ``/metrics``.

    Raises:
        ConfigError: where others can come, keys or TLS are missing; or an address, file or folder cannot be used.
        SourceUnavailable: the ``serve`` extra is not installed.
    """
    if settings.public is not None:
        check_exposure(settings.public[0], auth=door.asks, tls=settings.tls is not None, key="--control")
    from .app import control_app
    from .desk import LedgerDesk, NoLedger
    from .listener import Listener

    desk: LedgerView = NoLedger()
    if ledger is not None:
        desk = LedgerDesk(ledger, signal=settings.signal, basis=settings.basis)
    planner = Planner(replace(settings.planner, llm=_llm_is_configured()), clock)
    app = control_app(
        fleet, desk, door, quotas, planner, grid, clock, metrics=metrics, limits=settings.limits
    )
    inner = Listener(app, auth=door.asks, limits=settings.limits)
    host, port = await inner.start("127.0.0.1", settings.port)
    control = Control(host, port, None, (inner,), planner)
    if settings.public is None:
        return control
    outer = Listener(app, auth=door.asks, tls=settings.tls, limits=settings.limits)
    try:
        public = await outer.start(*settings.public)
    except BaseException:
        await control.stop(0.0)
        raise
    return replace(control, public=public, listeners=(inner, outer))


def _llm_is_configured() -> bool:
    """Whether the environment names an endpoint; one that makes no sense is told now and not to a client later."""
    try:
        endpoint()
    except SourceUnavailable:
        return False
    return True
