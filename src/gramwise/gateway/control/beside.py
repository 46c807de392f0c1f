"""The control API of a running gateway: what `front.gateway.run_gateway` takes as ``beside``.

It listens on loopback, where the gateway's own port passes its paths on to it, and where it was told to besides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from gramwise.core.errors import ConfigError
from gramwise.core.units import S_PER_DAY
from gramwise.fleet.rows import NodeTable
from gramwise.grid.forecasts.own import OwnForecast

from ..access.redaction import hide
from ..access.tls import TlsFiles
from .grids import Named, SourcesGrid
from .limits import HttpLimits
from .planner import PlannerSettings
from .start import Control, ControlSettings, start_control
from .views import Join, NodeState, Shares

if TYPE_CHECKING:
    from ..front.fleet import LiveFleet
    from ..front.gateway import Gateway
    from ..front.peers import Peer


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the operator says of the control API beyond what the gateway knows.

    Attributes:
        address: host and port of a listener of its own; None leaves it on loopback and behind the gateway's port.
        zone: where the gateway stands, for the grams of planning; None takes the world's mean.
        limits: of requests and connections.
    """

    address: tuple[str, int] | None = None
    zone: str | None = None
    limits: HttpLimits | None = None


def beside(wanted: Wanted | None = None) -> Callable[[Gateway], Companion]:
    """For `run_gateway`: makes the control API once the gateway is there."""
    return lambda gateway: Companion(gateway, wanted or Wanted())


class Companion:
    """The control API of one gateway."""

    def __init__(self, gateway: Gateway, wanted: Wanted) -> None:
        self._gateway, self._wanted = gateway, wanted
        self._control: Control | None = None

    async def start(self) -> tuple[str, int]:
        """Listen on loopback, and where the operator wants.

        Returns:
            Host and port on loopback.

        Raises:
            ConfigError, SourceUnavailable: as `start_control`.
        """
        gateway, wanted, supply = self._gateway, self._wanted, self._gateway.supply
        gate = gateway.settings
        tls = None
        if gate.tls_cert is not None:
            tls = TlsFiles(cert=gate.tls_cert, key=gate.tls_key, ca=gate.client_ca)
        settings = ControlSettings(
            public=wanted.address,
            tls=tls,
            planner=PlannerSettings(folder=gate.state_dir(gate.scenario.stem) / "plans", zone=wanted.zone),
            signal=supply.signal,
            basis=supply.basis,
            limits=wanted.limits or HttpLimits(),
        )
        self._control = await start_control(
            settings,
            fleet=GatewayFleet(gateway.fleet),
            ledger=gateway.ledger,
            door=gateway.door,
            quotas=gateway.quotas,
            grid=_grid(gateway),
            clock=gateway.clock,
            metrics=gateway.metrics.text if gateway.metrics is not None else bytes,
        )
        await self._seed()
        return self._control.host, self._control.port

    async def stop(self, limit_s: float) -> None:
        """End."""
        if self._control is not None:
            await self._control.stop(limit_s)

    async def _seed(self) -> None:
        """Budgets of the day start with what the ledger says was spent: a restart forgives nothing."""
        gateway = self._gateway
        if gateway.ledger is None or not gateway.door.asks:
            return
        from .desk import spent_by_tenant

        today_s = gateway.clock.now_s() // S_PER_DAY * S_PER_DAY
        for tenant, energy_j, carbon_g in await asyncio.to_thread(spent_by_tenant, gateway.ledger, today_s):
            gateway.quotas.seed(tenant, energy_j, carbon_g)


class GatewayFleet:
    """A `FleetView` of a `LiveFleet`."""

    def __init__(self, fleet: LiveFleet) -> None:
        self._fleet = fleet

    def version(self) -> int:
        """See `FleetView`."""
        return self._fleet.now.world.version

    def nodes(self) -> Sequence[NodeState]:
        """See `FleetView`."""
        return [self._state(peer) for peer in self._fleet.peers.values()]

    async def join(self, node: Join) -> NodeState:
        """See `FleetView`."""
        if node.token is not None:
            hide(node.token.get_secret_value())
        try:
            table = NodeTable.model_validate(
                {
                    "device": node.device,
                    "zone": node.zone,
                    "cpu_share": node.cpu_share,
                    "memory": node.memory_bytes,
                    "slots": node.slots,
                    "pue": node.pue,
                    "address": node.address,
                    "server": {"grpc": node.grpc},
                }
            )
        except ValidationError as fault:
            first = fault.errors(include_url=False, include_input=False)[0]
            raise ConfigError(f"{first['msg']}.", key=".".join(str(part) for part in first["loc"])) from None
        return self._state(await self._fleet.join(node.name, table, node.token))

    async def leave(self, name: str, drain_s: float) -> None:
        """See `FleetView`."""
        await self._fleet.leave(name, drain_s)

    def apply_shares(self, shares: Shares) -> int:
        """See `FleetView`."""
        return self._fleet.guide(shares)

    def _state(self, peer: Peer) -> NodeState:
        node, world = peer.node, self._fleet.now.world
        state = "leaving" if peer.leaving else "ready" if peer.up else "lost"
        seen = world.snapshot(self._fleet.clock.now_s())
        at = seen.nodes.index(node.name) if node.name in seen.nodes else None
        return NodeState(
            name=node.name,
            address=node.address,
            zone=node.zone,
            state=state,
            why=peer.why,
            server=peer.said or None,
            models=tuple(sorted(peer.names)),
            slots=node.slots,
            queued=None if at is None else int(seen.queued[at]),
            intensity_g_per_kwh=None if at is None else _known(float(seen.intensity_g_per_kwh[at])),
            intensity_age_s=None if at is None else _known(float(seen.intensity_age_s[at])),
            signal=seen.signal,
        )


def _known(value: float) -> float | None:
    return value if value == value else None


def _grid(gateway: Gateway) -> SourcesGrid:
    """The provider's history and forecasts as the archive has them, then our own forecast."""
    supply, shelf = gateway.supply, gateway.supply.shelf
    own = () if shelf is None else (Named(supply.provider, shelf), Named("ours", OwnForecast(shelf)))
    return SourcesGrid(
        lambda: sorted({row.zone for row in gateway.fleet.scenario.nodes.values()}),
        provider=supply.provider,
        history=shelf,
        forecasts=own,
        clock=gateway.clock,
        signal=supply.signal,
        basis=supply.basis,
    )
