"""What is written down about a request, and what its answer tells: ledger row, metrics, quotas, response parameters.

The row is written before the answer's first byte leaves; an answer that cannot be written down does not leave.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gramwise.core.decision import Request
from gramwise.core.quantity import Quantity, Signal, weakest
from gramwise.core.quick import quick
from gramwise.core.units import carbon_g
from gramwise.gateway.access.quota import Admission
from gramwise.gateway.ledger.ledger import Ledger
from gramwise.gateway.ledger.rows import Row, Status
from gramwise.gateway.metrics import Metrics
from gramwise.gateway.oip.head import Scalar
from gramwise.gateway.oip.told import told
from gramwise.runtime.engine import Part, Served
from gramwise.runtime.world import Grid, World

JOINED = " > "
"""Between the nodes of a plan of several stages, and between their zones."""


@quick
@dataclass(frozen=True, slots=True)
class Asker:
    """Who asked, and how: for the row of a request.

    Attributes:
        tenant: empty where no keys are asked for.
        protocol: ``http`` or ``grpc``.
        admission: of its quota.
    """

    tenant: str
    protocol: str
    admission: Admission | None


TOGETHER = 256
"""Completed requests that are counted at once."""


class _Series:
    """Metrics of one model, variant and node, and what is still to be counted in them."""

    __slots__ = (
        *("_carbon", "_completed", "_joules", "_seconds", "grams", "inferences"),
        *("joules", "seconds", "told_inferences", "told_j"),
    )

    def __init__(self, metrics: Metrics, model: str, variant: str, node: str) -> None:
        self._completed = metrics["gramwise_model_requests_total"].of(model, variant, node, "completed")
        self._seconds = metrics["gramwise_model_request_duration_seconds"].of(model, variant, node, "whole")
        self._joules = metrics["gramwise_model_request_energy_joules"].of(model, variant, node)
        self._carbon = metrics["gramwise_model_request_carbon_grams"].of(model, variant, node)
        self.seconds: list[float] = []
        self.joules: list[float] = []
        self.grams: list[float] = []
        self.inferences = self.told_inferences = 0
        self.told_j = 0.0

    def settle(self) -> None:
        """Count."""
        if self.seconds:
            self._completed.inc(len(self.seconds))
            self._seconds.observe_all(self.seconds)
            self.seconds = []
        if self.joules:
            self._joules.observe_all(self.joules)
            self.told_j += sum(self.joules)
            self.told_inferences += self.inferences
            self.joules, self.inferences = [], 0
        if self.grams:
            self._carbon.observe_all(self.grams)
            self.grams = []


class Site(NamedTuple):
    """What the rows of requests on one node have in common, while its electricity stays as it is.

    Attributes:
        grid: it was worked out from.
        zone, pue: of the node.
        signal, basis: of the intensity; empty where it is not known.
        intensity_g_per_kwh, market_g_per_kwh: location-based, and by its contract; None where not known.
        g_per_j: location-based grams of a joule, and with both ends of the intensity; None where not known.
        market_g_per_j: market-based.
    """

    grid: Grid
    zone: str
    pue: float
    signal: Signal | None
    basis: str
    intensity_g_per_kwh: float | None
    g_per_j: tuple[float, float, float] | None
    market_g_per_kwh: float | None
    market_g_per_j: float | None


class Places:
    """The nodes of one world, and the electricity of each as it is known now.

    Args:
        world: of the nodes.
        contracts: market-based g/kWh, by node that has a contract.
    """

    __slots__ = ("_contracts", "_index", "_sites", "_world", "nodes")

    def __init__(self, world: World, contracts: Mapping[str, float] | None = None) -> None:
        self.nodes, self._contracts = {node.name: node for node in world.nodes}, contracts or {}
        self._world, self._index = world, {node.name: i for i, node in enumerate(world.nodes)}
        self._sites: dict[str, Site] = {}

    def grid(self, node: str) -> Grid | None:
        """Electricity of a node; None for one of another world."""
        i = self._index.get(node)
        return None if i is None else self._world.grids[i]

    def market(self, node: str) -> float | None:
        """g/kWh by the contract of a node; None where it has none: never the location-based figure."""
        return self._contracts.get(node)

    def site(self, node: str) -> Site | None:
        """What rows of a node have in common; None for a node of another world."""
        grid, known = self.grid(node), self._sites.get(node)
        if grid is None or (known is not None and known.grid is grid):
            return known if grid is not None else None
        pue, intensity, market = self.nodes[node].pue, grid.intensity, self.market(node)
        ends = (intensity.value, intensity.low, intensity.high) if intensity else None
        value, low, high = (carbon_g(1.0, end, pue) for end in ends or (0.0, 0.0, 0.0))
        found = self._sites[node] = Site(
            grid=grid,
            zone=self.nodes[node].zone,
            pue=pue,
            signal=grid.signal if intensity else None,
            basis=grid.basis if intensity else "",
            intensity_g_per_kwh=intensity.value if intensity else None,
            g_per_j=(value, low, high) if intensity else None,
            market_g_per_kwh=market,
            market_g_per_j=None if market is None else carbon_g(1.0, market, pue),
        )
        return found


class Books:
    """Accounts of one gateway.

    Args:
        ledger: None writes nothing down.
        metrics: None counts nothing.
        policy: name for the rows of requests that were not decided on.
        told: answers tell what they cost.
    """

    def __init__(
        self, ledger: Ledger | None, metrics: Metrics | None, policy: str, *, told: bool = True
    ) -> None:
        self.ledger, self.metrics, self.policy, self._told = ledger, metrics, policy, told
        self._run = os.urandom(6).hex()
        self._ids = itertools.count()
        self._series: dict[tuple[str, str, str], _Series] = {}

    def new_id(self) -> str:
        """Of a request; unique over all gateways, and no client's."""
        return f"{self._run}-{next(self._ids)}"

    @property
    def accepts(self) -> bool:
        """Whether another outcome could be written down."""
        return self.ledger is None or self.ledger.accepts

    def served(
        self, asker: Asker, request: Request, served: Served, places: Places, *, late: bool
    ) -> dict[str, Scalar]:
        """Write a completed request down.

        Args:
            asker: whose it is.
            request: as it was decided on.
            served: what the engine says.
            places: of the world that it was decided in.
            late: it came after the deadline that its client or the scenario set.

        Returns:
            The parameters that its answer carries.

        Raises:
            LedgerFull: it could not be written: the answer must not leave.
        """
        outcome, parts = served.outcome, served.parts
        if len(parts) == 1:
            energy, site, node = parts[0].energy, places.site(parts[0].node), outcome.node
            known = site is not None and site.g_per_j is not None and energy is not None
            grams = _priced(energy, site.g_per_j) if known else None  # type: ignore[arg-type, union-attr]
            zone = site.zone if site else ""
            per_j = site.market_g_per_j if site else None
            market_g = None if per_j is None or energy is None else per_j * energy.value
        else:
            energy, site, node = total_energy(parts), None, JOINED.join(part.node for part in parts)
            grams, market_g = (None, None) if energy is None else _sums(parts, places)
            zone = JOINED.join(_zone(part.node, places) for part in parts)
        cost = outcome.cost
        signal = _signal(parts, places) if site is None else site.signal
        value_g = low_g = high_g = value_j = low_j = high_j = None
        if energy is not None:
            value_j, low_j, high_j = energy.value, energy.low, energy.high
        if grams is not None:
            value_g, low_g, high_g = grams
        if self.ledger is not None:
            self.ledger.append(
                Row(
                    request_id=request.id,
                    arrival_s=request.arrival_s,
                    status="completed",
                    tenant=asker.tenant,
                    model=request.model,
                    variant=outcome.variant,
                    node=node,
                    zone=zone,
                    policy=outcome.policy,
                    protocol=asker.protocol,
                    attempts=outcome.attempts,
                    count=outcome.count,
                    late=late,
                    http_status=200,
                    start_s=outcome.start_s,
                    end_s=outcome.end_s,
                    latency_s=cost.latency_s,
                    deferred_s=outcome.deferred_s or None,
                    cpu_s=outcome.cpu_s,
                    energy_j=value_j,
                    energy_low_j=low_j,
                    energy_high_j=high_j,
                    energy_method=energy.method if energy else "",
                    carbon_g=value_g,
                    carbon_low_g=low_g,
                    carbon_high_g=high_g,
                    signal=signal or "",
                    basis=_basis(parts, places) if site is None else site.basis,
                    intensity_g_per_kwh=site.intensity_g_per_kwh if site else None,
                    pue=site.pue if site else None,
                    market_intensity_g_per_kwh=site.market_g_per_kwh if site else None,
                    carbon_market_g=market_g,
                )
            )
        if asker.admission is not None:
            asker.admission.done(value_j, value_g)
        if self.metrics is not None:
            key = request.model, outcome.variant, node
            self._count(key, outcome.count, cost.latency_s, value_j, value_g)
        if not self._told:
            return {}
        return told(node, outcome.variant, energy=energy, carbon_g=value_g, signal=signal)

    def unserved(
        self,
        asker: Asker,
        request: Request,
        status: Status,
        http_status: int | None,
        tried: Sequence[str],
        places: Places,
        answered_s: float,
    ) -> None:
        """Write a request down that got no answer of a model.

        Args:
            asker: whose it is.
            request: as it was decided on.
            status: refused, lost or failed.
            http_status: that the client is told; None for one that has gone.
            tried: nodes that had it.
            places: of the world in force.
            answered_s: now, Unix seconds.

        Raises:
            LedgerFull: it could not be written.
        """
        if asker.admission is not None:
            asker.admission.done(served=bool(tried))
        node = tried[-1] if tried else ""
        if self.metrics is not None:
            self.metrics["gramwise_model_requests_total"].of(request.model, "", node, status).inc()
        if self.ledger is not None:
            deadline_s = request.deadline_s
            self.ledger.append(
                Row(
                    request_id=request.id,
                    arrival_s=request.arrival_s,
                    status=status,
                    tenant=asker.tenant,
                    model=request.model,
                    node=node,
                    zone=_zone(node, places),
                    policy=self.policy,
                    protocol=asker.protocol,
                    attempts=len(tried),
                    count=request.count,
                    late=deadline_s is not None and answered_s - request.arrival_s > deadline_s,
                    http_status=http_status,
                    latency_s=answered_s - request.arrival_s,
                )
            )

    def _count(
        self,
        key: tuple[str, str, str],
        count: int,
        latency_s: float,
        energy_j: float | None,
        grams: float | None,
    ) -> None:
        series = self._series.get(key)
        if series is None:
            assert self.metrics is not None
            series = self._series[key] = _Series(self.metrics, *key)
        seconds = series.seconds
        seconds.append(latency_s)
        if energy_j is not None:
            series.joules.append(energy_j)
            series.inferences += count
        if grams is not None:
            series.grams.append(grams)
        if len(seconds) >= TOGETHER:
            series.settle()

    def settle(self) -> None:
        """Bring the metrics up to date: they are counted many at a time, which takes a fraction of the time."""
        for series in self._series.values():
            series.settle()

    def told_joules(self) -> dict[tuple[str, str, str], tuple[float, int]]:
        """Joules and inferences since this was last asked, by model, variant and node, where joules are known."""
        self.settle()
        found = {}
        for key, series in self._series.items():
            if series.told_inferences:
                found[key] = series.told_j, series.told_inferences
                series.told_j, series.told_inferences = 0.0, 0
        return found


def total_energy(parts: Sequence[Part]) -> Quantity | None:
    """Marginal joules over the stages of a request; None where any are not known, or their boundaries differ.

    The interval adds ends to ends: nothing is known of how the stages' errors hang together.
    """
    if len(parts) == 1:
        return parts[0].energy
    known = [part.energy for part in parts if part.energy is not None]
    if len(known) < len(parts) or len({part.boundary for part in known}) != 1:  # unlike figures have no sum
        return None
    return Quantity(
        value=sum(each.value for each in known),
        low=sum(each.low for each in known),
        high=sum(each.high for each in known),
        unit="J",
        method=weakest(*(each.method for each in known)),
        boundary=known[0].boundary,
        source="; ".join(dict.fromkeys(each.source for each in known)),
    )


def _priced(energy: Quantity, g_per_j: tuple[float, float, float]) -> tuple[float, float, float]:
    """Marginal grams, with both ends of energy and intensity."""
    value, low, high = g_per_j
    return energy.value * value, energy.low * low, energy.high * high


def _sums(parts: Sequence[Part], places: Places) -> tuple[tuple[float, float, float] | None, float | None]:
    """Marginal grams over the stages of a request, location-based and market-based; None where any is not known."""
    total: list[float] | None = [0.0, 0.0, 0.0]
    market_g: float | None = 0.0
    for part in parts:
        site, energy = places.site(part.node), part.energy
        if site is None or energy is None:
            return None, None
        if total is not None:
            total = (
                [a + b for a, b in zip(total, _priced(energy, site.g_per_j), strict=True)]
                if site.g_per_j
                else None
            )
        if market_g is not None:
            market_g = None if site.market_g_per_j is None else market_g + energy.value * site.market_g_per_j
    return (None if total is None else (total[0], total[1], total[2])), market_g


def _signal(parts: Sequence[Part], places: Places) -> Signal | None:
    """Of a plan of several stages: all nodes of one world are told the same kind of intensity."""
    site = places.site(parts[0].node)
    return site.signal if site else None


def _basis(parts: Sequence[Part], places: Places) -> str:
    site = places.site(parts[0].node)
    return site.basis if site else ""


def _zone(node: str, places: Places) -> str:
    known = places.nodes.get(node)
    return known.zone if known is not None else ""
