"""What a measurement may be told, checked before anything runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from gramwise.core.errors import ConfigError, did_you_mean
from gramwise.core.footprint import Phase
from gramwise.core.phase import OPERATIONAL
from gramwise.core.protocols import Meter
from gramwise.core.quantity import Basis, Signal
from gramwise.runtime.machinepower import power_of
from gramwise.runtime.phaseenergy import Energy, Found, Tracking, meters_here
from gramwise.runtime.phasegrid import PhaseGrid


class Options(TypedDict, total=False):
    """What a measurement may be told besides its phase; see `Terms`."""

    name: str | None
    zone: str | None
    ledger: str | Path | None
    device: str | None
    idle_w: float | None
    busy_w: float | None
    cpus: int | None
    reserved_frac: float
    pue: float
    tracking: Tracking
    watch_idle_s: float
    provider: str | None
    traces: str | Path | None
    archive: str | Path | None
    signal: Signal | None
    basis: Basis | None
    meters: Sequence[Meter] | None
    group: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How a run is measured.

    Attributes:
        phase: one of `gramwise.core.phase.OPERATIONAL`.
        name: for people; the command's name when None.
        zone: of the grid; None leaves the carbon unknown.
        ledger: file; None takes that of the measured run around this one, else ``.gramwise/ledger.jsonl``.
        device: row of the catalogue that this machine is; its power stands for that of this machine.
        idle_w, busy_w: power of the whole machine doing nothing and at full load, watts, instead of the catalogue's.
        cpus: CPUs of the machine that these watts are of; None takes those that this system shows. In a virtual machine
            they are fewer than those of the host.
        reserved_frac: share of the machine that is reserved for the run: it pays that share of idle energy.
        pue: of the site.
        tracking: ``"machine"`` charges the run with all that meters read above idle; ``"process"`` with the run's share
            of it by CPU time.
        watch_idle_s: how long the meters are watched before the run, to know what they read at rest.
        provider, traces, archive, signal, basis: who is asked about the zone; see `PhaseGrid`.
        meters: to read instead of those of this machine; none for the model.
        group: count CPU time by a control group where one can be made; not for a block of code.

    Raises:
        ConfigError: anything that makes no sense; names the key.
    """

    phase: Phase
    name: str | None = None
    zone: str | None = None
    ledger: str | Path | None = None
    device: str | None = None
    idle_w: float | None = None
    busy_w: float | None = None
    cpus: int | None = None
    reserved_frac: float = 1.0
    pue: float = 1.0
    tracking: Tracking = "machine"
    watch_idle_s: float = 0.0
    provider: str | None = None
    traces: str | Path | None = None
    archive: str | Path | None = None
    signal: Signal | None = None
    basis: Basis | None = None
    meters: Sequence[Meter] | None = None
    group: bool = True

    def __post_init__(self) -> None:
        if self.phase not in OPERATIONAL:
            raise ConfigError(
                f"{self.phase!r} is no phase that can be measured.",
                key="phase",
                fix=did_you_mean(str(self.phase), OPERATIONAL),
            )
        if not 0.0 < self.reserved_frac <= 1.0:
            raise ConfigError(
                f"{self.reserved_frac} is no share.", key="reserved_frac", fix="Write above 0, to 1."
            )
        if not 1.0 <= self.pue < math.inf:
            raise ConfigError(
                f"a site draws at least what its machines do, so {self.pue} is no PUE.", key="pue"
            )
        if self.tracking not in ("machine", "process"):
            raise ConfigError(
                f"there is no tracking {self.tracking!r}.", key="tracking", fix="Write machine or process."
            )
        if not 0.0 <= self.watch_idle_s < math.inf:
            raise ConfigError(
                f"{self.watch_idle_s} is no length of time.", key="watch_idle_s", fix="Write seconds."
            )
        self.grid.check()
        power_of(self.device, self.idle_w, self.busy_w, self.cpus)

    @property
    def grid(self) -> PhaseGrid:
        """Who is asked about the zone."""
        return PhaseGrid(
            zone=self.zone,
            provider=self.provider,
            traces=None if self.traces is None else Path(self.traces),
            archive=None if self.archive is None else Path(self.archive),
            signal=self.signal,
            basis=self.basis,
        )

    def energy(self) -> Energy:
        """Meters opened, power looked up."""
        found = meters_here() if self.meters is None else Found(tuple(self.meters))
        site = [meter.name for meter in found.meters if meter.boundary == "site"]
        if site and self.pue != 1.0:
            raise ConfigError(
                f"{site[0]} reads at the site, where a PUE of {self.pue} would be counted twice.",
                key="pue",
                fix="Write 1.",
            )
        return Energy(
            power=power_of(self.device, self.idle_w, self.busy_w, self.cpus),
            found=found,
            tracking=self.tracking,
            reserved_frac=self.reserved_frac,
        )
