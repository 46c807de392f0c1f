"""What is written down about a request, and what its answer tells: ledger row, metrics, quotas, response parameters.

The row is written before the answer's first byte leaves; an answer that cannot be written down does not leave.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from gramwise.core.decision import Outcome, Request
from gramwise.core.quantity import Quantity, weakest
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

_Series: TypeAlias = tuple[Any, Any, Any, Any]
"""Of one model, variant and node: requests, seconds, joules, grams."""


class Places:
    """The nodes of one world, and the electricity of each as it is known now."""

    __slots__ = ("_index", "_world", "nodes")

    def __init__(self, world: World) -> None:
        self.nodes = {node.name: node for node in world.nodes}
        self._world, self._index = world, {node.name: i for i, node in enumerate(world.nodes)}

    def grid(self, node: str) -> Grid | None:
        """Electricity of a node; None for one of another world."""
        i = self._index.get(node)
        return None if i is None else self._world.grids[i]


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
        self._seen: list[tuple[_Series, float, Quantity | None, tuple[float, float, float] | None]] = []

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
        energy = total_energy(parts)
        grams = _grams(parts, places) if energy is not None else None
        grid = places.grid(parts[0].node)
        one = len(parts) == 1
        signal = None if grid is None or grid.intensity is None else grid.signal
        node = outcome.node if one else JOINED.join(part.node for part in parts)
        if self.ledger is not None:
            site = places.nodes.get(parts[0].node)
            self.ledger.append(
                Row(
                    request_id=request.id,
                    arrival_s=request.arrival_s,
                    status="completed",
                    tenant=asker.tenant,
                    model=request.model,
                    variant=outcome.variant,
                    node=node,
                    zone=site.zone
                    if one and site
                    else JOINED.join(_zone(part.node, places) for part in parts),
                    policy=outcome.policy,
                    protocol=asker.protocol,
                    attempts=outcome.attempts,
                    count=outcome.count,
                    late=late,
                    http_status=200,
                    start_s=outcome.start_s,
                    end_s=outcome.end_s,
                    latency_s=outcome.cost.latency_s,
                    deferred_s=outcome.deferred_s or None,
                    cpu_s=outcome.cpu_s,
                    energy_j=energy.value if energy else None,
                    energy_low_j=energy.low if energy else None,
                    energy_high_j=energy.high if energy else None,
                    energy_method=energy.method if energy else "",
                    carbon_g=grams[0] if grams else None,
                    carbon_low_g=grams[1] if grams else None,
                    carbon_high_g=grams[2] if grams else None,
                    signal=signal or "",
                    basis=grid.basis if grid and signal else "",
                    intensity_g_per_kwh=grid.intensity.value if one and grid and grid.intensity else None,
                    pue=site.pue if one and site else None,
                )
            )
        if asker.admission is not None:
            asker.admission.done(energy.value if energy else None, grams[0] if grams else None)
        if self.metrics is not None:
            self._count(request.model, outcome, node, energy, grams)
        if not self._told:
            return {}
        return told(node, outcome.variant, energy=energy, carbon_g=grams[0] if grams else None, signal=signal)

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
        model: str,
        outcome: Outcome,
        node: str,
        energy: Quantity | None,
        grams: tuple[float, float, float] | None,
    ) -> None:
        key = (model, outcome.variant, node)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = self._bound(*key)
        seen = self._seen
        seen.append((series, outcome.cost.latency_s, energy, grams))
        if len(seen) >= TOGETHER:
            self.settle()

    def settle(self) -> None:
        """Bring the metrics up to date: they are counted many at a time, which takes a fraction of the time."""
        seen, self._seen = self._seen, []
        for (completed, seconds, joules, carbon), latency_s, energy, grams in seen:
            completed.inc()
            seconds.observe(latency_s)
            if energy is not None:
                joules.observe(energy.value)
            if grams is not None:
                carbon.observe(grams[0])

    def _bound(self, model: str, variant: str, node: str) -> _Series:
        """Series that a completed request of this kind counts in; models, variants and nodes are the operator's."""
        metrics: Any = self.metrics
        return (
            metrics["gramwise_model_requests_total"].of(model, variant, node, "completed"),
            metrics["gramwise_model_request_duration_seconds"].of(model, variant, node, "whole"),
            metrics["gramwise_model_request_energy_joules"].of(model, variant, node),
            metrics["gramwise_model_request_carbon_grams"].of(model, variant, node),
        )


def total_energy(parts: Sequence[Part]) -> Quantity | None:
    """Marginal joules over the stages of a request; None where those of any stage are not known.

    The interval adds ends to ends: nothing is known of how the stages' errors hang together.
    """
    if len(parts) == 1:
        return parts[0].energy
    known = [part.energy for part in parts if part.energy is not None]
    if len(known) < len(parts) or not known:
        return None
    return Quantity(
        value=sum(each.value for each in known),
        low=sum(each.low for each in known),
        high=sum(each.high for each in known),
        unit="J",
        method=weakest(*(each.method for each in known)),
        boundary="board",
        source="; ".join(dict.fromkeys(each.source for each in known)),
    )


def _grams(parts: Sequence[Part], places: Places) -> tuple[float, float, float] | None:
    """Marginal grams, with both ends of energy and intensity; None where an intensity is not known."""
    value = low = high = 0.0
    for part in parts:
        grid, node, energy = places.grid(part.node), places.nodes.get(part.node), part.energy
        if grid is None or grid.intensity is None or node is None or energy is None:
            return None
        intensity = grid.intensity
        value += carbon_g(energy.value, intensity.value, node.pue)
        low += carbon_g(energy.low, intensity.low, node.pue)
        high += carbon_g(energy.high, intensity.high, node.pue)
    return value, low, high


def _zone(node: str, places: Places) -> str:
    known = places.nodes.get(node)
    return known.zone if known is not None else ""
