"""One run of a phase of a model's life, as it was measured: a training, a tuning trial, a collection of data.

Failed and killed runs are runs too: their grams were spent. What was not learnt of a run is None, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from .footprint import EMBODIED, PHASES, Phase
from .quantity import Basis, Quantity, Signal

Status = Literal["done", "failed", "killed", "unknown"]
"""How a run ended. ``unknown``: no end was written, so it still runs or whoever measured it was killed."""

STATUSES: tuple[Status, ...] = get_args(Status)
OPERATIONAL: tuple[Phase, ...] = tuple(phase for phase in PHASES if phase not in EMBODIED)
"""Phases in which electricity is spent, which are those that can be measured."""


MODELLED_CPU = "cpu"
"""Component of joules that were worked out from CPU seconds, which contain no idle energy; a meter's may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhasePart:
    """Energy of one component over a run; the parts of a run sum to its energy.

    Attributes:
        component: `MODELLED_CPU`, or meter and domain: ``"rapl:package-0"``, ``"nvml:gpu-0"``.
        energy: joules.
        whole_machine: everything that ran on the machine meanwhile is in it, and so would be in that of another run.
    """

    component: str
    energy: Quantity
    whole_machine: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseRun:
    """What one measured run spent.

    Attributes:
        id: unique.
        phase: one of `OPERATIONAL`.
        name: for people; runs may share one.
        started_s: Unix seconds.
        seen_s: until when the figures below reach: the end, or the last sign of life of a run whose end is unknown.
        ended_s: Unix seconds; None when the end is unknown.
        status: how it ended.
        wall_s: seconds from its start to ``seen_s``.
        cpu_s: CPU seconds of all its processes; None where they could not be counted.
        cpu_method: how they were counted, in words.
        energy: joules on top of ``idle``; where ``idle`` is None, a metered energy contains it. None when unknown.
        idle: joules of being switched on over the reserved time, apart; None when unknown.
        parts: of ``energy``, by component.
        zone: of the grid; None when none was named.
        intensity: g/kWh over the run; None when unknown.
        signal, basis: its kind; None without an intensity.
        pue: of the site, not in the joules.
        carbon, idle_carbon: grams of ``energy`` and of ``idle``; None when a factor is unknown.
        host: facts of the machine; ``"id"`` tells machines apart.
        command_digest: SHA-256 of the command; the command itself may hold secrets and is not kept.
        parent: id of the measured run inside which it ran, which contains it; None for none.
        notes: what a reader should know, a sentence each.

    Raises:
        ValueError: a phase that is embodied, a status that there is not, times out of order, parts that do not sum.
    """

    id: str
    phase: Phase
    name: str
    started_s: float
    seen_s: float
    ended_s: float | None
    status: Status
    wall_s: float
    cpu_s: float | None = None
    cpu_method: str = ""
    energy: Quantity | None = None
    idle: Quantity | None = None
    parts: tuple[PhasePart, ...] = ()
    zone: str | None = None
    intensity: Quantity | None = None
    signal: Signal | None = None
    basis: Basis | None = None
    pue: float = 1.0
    carbon: Quantity | None = None
    idle_carbon: Quantity | None = None
    host: Mapping[str, str] = field(default_factory=dict)
    command_digest: str | None = None
    parent: str | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.id:
            raise ValueError("id: a run has an id")
        if self.phase not in OPERATIONAL:
            raise ValueError(
                f"phase: {self.phase!r} cannot be measured. Write one of: {', '.join(OPERATIONAL)}"
            )
        if self.status not in STATUSES:
            raise ValueError(f"status: {self.status!r} is none of: {', '.join(STATUSES)}")
        if (self.ended_s is None) != (self.status == "unknown"):
            raise ValueError("ended_s: exactly the runs whose status is unknown have no end")
        if not (self.started_s <= self.seen_s and self.wall_s >= 0.0):
            raise ValueError("seen_s: a run was last seen before it began")
        if self.pue < 1.0:
            raise ValueError(f"pue: a site draws at least what its machines draw, so {self.pue} is below 1")
        if (self.intensity is None) != (self.signal is None) or (self.signal is None) != (self.basis is None):
            raise ValueError("signal: an intensity has a signal and a basis, and they have an intensity")
        self._check_parts()

    def _check_parts(self) -> None:
        if (self.energy is None) != (not self.parts):
            raise ValueError("parts: a known energy has parts, an unknown one has none")
        if self.energy is not None:
            whole_j = math.fsum(part.energy.value for part in self.parts)
            if not math.isclose(whole_j, self.energy.value, rel_tol=1e-9, abs_tol=1e-12):
                raise ValueError(f"parts: they sum to {whole_j} J and the energy is {self.energy.value} J")
