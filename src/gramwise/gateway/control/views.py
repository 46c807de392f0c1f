"""What the control API needs of the gateway, as small protocols: it knows no engine, and the engine knows no HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import SecretStr

from gramwise.core.ahead import Forecast
from gramwise.core.series import Series

Shares = Mapping[str, Mapping[str, float]]
"""By thing that was planned (a job, a model; ``""`` for all), the share of each node; each sums to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeState:
    """One node as the gateway sees it now; what is not known is None.

    Attributes:
        name: in the scenario.
        address: where it is spoken to, ``http://HOST:PORT``.
        zone: of the grid.
        state: ``ready``, ``lost`` (not reached, or not ready), or ``leaving`` (gets nothing new).
        why: it is not ready; empty while it is.
        server: what its metadata says that it is.
        models: that it serves.
        slots: requests that it runs at a time.
        queued: requests of this gateway that it holds.
        intensity_g_per_kwh, signal, intensity_age_s: of its grid, as decisions use it.
    """

    name: str
    address: str
    zone: str
    state: str
    why: str = ""
    server: str | None = None
    models: tuple[str, ...] = ()
    slots: int | None = None
    queued: int | None = None
    intensity_g_per_kwh: float | None = None
    signal: str | None = None
    intensity_age_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """A node that shall join.

    Attributes:
        name: not yet in the fleet.
        address: ``http://HOST:PORT`` or ``https://HOST:PORT``.
        zone: of the grid.
        device: id of a device of the scenario or the catalogue.
        cpu_share: CPU cores that it may use.
        memory_bytes: that it may use.
        slots: requests at a time.
        pue: of the site.
        grpc: ``HOST:PORT`` of its gRPC face; None for none.
        token: that the node asks for; None where it asks for none.
    """

    name: str
    address: str
    zone: str
    device: str
    cpu_share: float
    memory_bytes: int
    slots: int = 1
    pue: float = 1.0
    grpc: str | None = None
    token: SecretStr | None = None


class FleetView(Protocol):
    """The nodes of a running gateway. Called on its event loop."""

    def version(self) -> int:
        """Of the snapshot in force."""
        ...

    def nodes(self) -> Sequence[NodeState]:
        """All of them, in the order of the scenario and then of joining."""
        ...

    async def join(self, node: Join) -> NodeState:
        """Ask the node what it serves, and give it work from the next snapshot on.

        Raises:
            ConfigError: no such device or zone, or an address that may not be spoken to in the clear.
            NodeLost: it does not answer.
            Rejected: it answers what makes no sense, or serves no model of this gateway.
        """
        ...

    async def leave(self, name: str, drain_s: float) -> None:
        """Give a node nothing new, wait at most ``drain_s`` seconds for what it holds, and forget it.

        Raises:
            Rejected: it is the last node.
        """
        ...

    def apply_shares(self, shares: Shares) -> int:
        """Put the shares of a plan into the next snapshot.

        Args:
            shares: over names of nodes of this fleet. A thing that is no model of the gateway counts for all models.

        Returns:
            The version of that snapshot.
        """
        ...


class LedgerView(Protocol):
    """What is asked of the ledger; documents are JSON as they stand. Called in a thread, since databases wait.

    ``where`` names equalities over ``model``, ``node``, ``zone``, ``tenant`` and so on.
    """

    def summary(
        self, from_s: float | None, to_s: float | None, where: Mapping[str, str]
    ) -> Mapping[str, Any]:
        """Counts, joules and grams: since this gateway started where no span is given."""
        ...

    def by(
        self, axis: str, from_s: float | None, to_s: float | None, where: Mapping[str, str]
    ) -> Mapping[str, Any]:
        """The same for each value of an axis."""
        ...

    def rows(
        self, from_s: float | None, to_s: float | None, where: Mapping[str, str], limit: int
    ) -> Mapping[str, Any]:
        """Single outcomes, oldest first, ``limit`` at most."""
        ...

    def receipt(self, from_s: float, to_s: float, where: Mapping[str, str]) -> Mapping[str, Any]:
        """A document of a span that can be verified by its hash."""
        ...

    def planned(self, spent: Spent) -> None:
        """Write down what planning took."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What one plan from words took, for the ledger.

    Attributes:
        id: of the run, unique.
        tenant: who asked; empty where no keys are asked for.
        began_s, ended_s: Unix seconds.
        status: HTTP status of the answer.
        own: ``own`` of the ``gramwise.words/1`` document; None where what it took is not known.
        zone: where the planner stands; empty where nobody said.
    """

    id: str
    tenant: str
    began_s: float
    ended_s: float
    status: int
    own: Mapping[str, Any] | None
    zone: str


class GridView(Protocol):
    """Intensities, as the routes of the Carbon Aware SDK need them. Called in a thread, since archives and
    providers wait. Every source of `gramwise.grid` does what ``history`` and ``forecast`` say."""

    def locations(self) -> Sequence[str]:
        """Zones that may be asked about."""
        ...

    def history(self, zone: str, start_s: float, end_s: float) -> Observed:
        """What was observed over a span. Raises as `IntensitySource`."""
        ...

    def forecast(self, zone: str, start_s: float, end_s: float, issued_s: float) -> Foreseen:
        """What was foreseen at a moment. Raises as `ForecastSource`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """A history with who says so; ``estimated`` is None where the provider does not tell."""

    series: Series
    provider: str
    estimated: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """A forecast with who says so."""

    forecast: Forecast
    provider: str
