"""Joules of one measured run on this machine: read from meters where there are any, else worked out from CPU seconds.

With meters, a run is charged with what the whole machine drew above its idle power (``tracking="machine"``), or with
its share of it by CPU time (``"process"``), which is a model. Without, `gramwise.runtime.machinepower`.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gramwise.core import plugins
from gramwise.core.errors import GramwiseError, MeterAbsent, MeterError
from gramwise.core.phase import MODELLED_CPU, PhasePart
from gramwise.core.protocols import Meter
from gramwise.core.quantity import Quantity, weakest
from gramwise.fleet.catalogue import half_width_frac
from gramwise.power.model import idle_energy_j
from gramwise.runtime.machinepower import Power

Tracking = Literal["machine", "process"]

_BOUNDARIES = ("chip", "board", "wall", "site")
_APART = frozenset({"rapl", "nvml"})
"""Meters that see different components, so their joules may be added; of others nobody knows."""

_PROCESSOR = "rapl"
"""The meter whose joules CPU time can share out."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Joules of a run so far: parts by component, idle energy apart, and what a reader should know."""

    parts: tuple[PhasePart, ...]
    idle: Quantity | None
    notes: tuple[str, ...]

    @property
    def energy(self) -> Quantity | None:
        """The sum of the parts; None when there is none."""
        return total([part.energy for part in self.parts])


def total(quantities: Sequence[Quantity]) -> Quantity | None:
    """Sum of joules; ends are added, since nothing is known of how the errors hang together. None of nothing."""
    if not quantities:
        return None
    return Quantity(
        value=math.fsum(q.value for q in quantities),
        low=math.fsum(q.low for q in quantities),
        high=math.fsum(q.high for q in quantities),
        unit="J",
        method=weakest(*(q.method for q in quantities)),
        boundary=min((q.boundary for q in quantities), key=_BOUNDARIES.index),  # the one that includes least
        source="; ".join(dict.fromkeys(q.source for q in quantities)),
    )


@dataclass(frozen=True, slots=True)
class Found:
    """Meters of a machine.

    Attributes:
        meters: opened; their joules may be added.
        unread: why some are here and not read, a sentence each: a reader should always know.
        absent: why some are not here; worth knowing where nothing else is read.
    """

    meters: tuple[Meter, ...] = ()
    unread: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


def meters_here() -> Found:
    """Open every meter of this machine whose joules may be added."""
    opened: list[Meter] = []
    unread: list[str] = []
    absent: list[str] = []
    for name in plugins.names("meter"):
        try:
            opened.append(plugins.create("meter", name))
        except MeterAbsent as fault:
            absent.append(f"no joules are read from {name}: {fault}")
        except (GramwiseError, ImportError) as fault:
            unread.append(f"no joules are read from {name}, though it is here: {fault}")
    kept = addable(opened)
    unread += [
        f"no joules are read from {m.name}: they would be counted twice, as {kept[0].name} may contain them."
        for m in opened
        if m not in kept
    ]
    return Found(tuple(kept), tuple(unread), tuple(absent))


def addable(meters: Sequence[Meter]) -> list[Meter]:
    """Meters known to see different things, or else the one that includes most: adding others would count twice."""
    if {meter.name for meter in meters} <= _APART:
        return list(meters)
    return [max(meters, key=lambda meter: _BOUNDARIES.index(meter.boundary))]


@dataclass(slots=True)
class Energy:
    """What meters and the model say of one run.

    Args:
        power: of this machine, for the model.
        found: the meters.
        tracking: how metered joules are charged.
        reserved_frac: share of the machine that is reserved for the run: it pays that share of idle energy.
        stat: the kernel's count of CPU time of the whole machine.
    """

    power: Power
    found: Found = field(default_factory=Found)
    tracking: Tracking = "machine"
    reserved_frac: float = 1.0
    stat: Path = Path("/proc/stat")
    _first: dict[str, dict[str, float]] = field(default_factory=dict)
    _now: dict[str, dict[str, float]] = field(default_factory=dict)
    _idle_w: dict[str, dict[str, float]] = field(default_factory=dict)
    _lost: dict[str, str] = field(default_factory=dict)
    _host_first_s: float | None = None

    def watch_idle(self, seconds: float) -> None:
        """Read the meters at rest, before the run: what they draw then is their idle power."""
        if seconds <= 0.0 or not self.found.meters:
            return
        self.start()
        start_s = time.monotonic()
        time.sleep(seconds)
        self.sample()
        passed_s = time.monotonic() - start_s
        for name, moved in self._moved().items():
            self._idle_w[name] = {domain: joules / passed_s for domain, joules in moved.items()}

    def start(self) -> None:
        """The run begins now."""
        self.sample()
        self._first = {name: dict(joules) for name, joules in self._now.items()}
        self._host_first_s = host_busy_s(self.stat)

    def sample(self) -> None:
        """Read the meters; to be done once a minute at least, so that no counter wraps twice unseen."""
        for meter in self.found.meters:
            if meter.name not in self._lost:
                try:
                    self._now[meter.name] = dict(meter.read().joules)
                except MeterError as fault:
                    self._lost[meter.name] = str(fault)

    def spent(self, wall_s: float, cpu_s: float | None) -> Spent:
        """Joules from the start to the last sample.

        Args:
            wall_s: seconds since the start.
            cpu_s: CPU seconds of the run, or None when unknown.
        """
        notes = [*self.found.unread, *(f"{name} stopped counting: {why}" for name, why in self._lost.items())]
        parts: list[PhasePart] = []
        idle: list[Quantity] = []
        share = self._share(cpu_s)
        for meter in self.found.meters:
            moved = self._moved().get(meter.name, {})
            if any(moved.values()):
                parts += self._metered(meter, moved, wall_s, share)
                idle += self._idle_of(meter, moved, wall_s)
                if meter.name not in self._idle_w:
                    notes.append(f"{meter.name}: its idle energy is unknown and contained in the run's.")
            elif meter.name not in self._lost:
                notes.append(f"{meter.name}: its counters stood still, so nothing is read from it.")
        counted = {part.component.partition(":")[0] for part in parts}
        if not counted - {"nvml"}:
            self._model(wall_s, cpu_s, parts, idle, notes)
        return Spent(tuple(parts), total(idle), tuple(notes))

    # --- from meters --------------------------------------------------------------------------------------------------

    def _moved(self) -> dict[str, dict[str, float]]:
        """Joules since the start by meter and domain, of the meters that still count."""
        return {
            name: {domain: joules - self._first[name].get(domain, 0.0) for domain, joules in now.items()}
            for name, now in self._now.items()
            if name in self._first and name not in self._lost
        }

    def _share(self, cpu_s: float | None) -> float | None:
        """The run's part of the CPU time that the whole machine spent; None when unknown."""
        now_s = host_busy_s(self.stat)
        if cpu_s is None or now_s is None or self._host_first_s is None or now_s <= self._host_first_s:
            return None
        return min(1.0, cpu_s / (now_s - self._host_first_s))

    def _metered(
        self, meter: Meter, moved: dict[str, float], wall_s: float, share: float | None
    ) -> Iterator[PhasePart]:
        at_wall = _BOUNDARIES.index(meter.boundary) >= _BOUNDARIES.index("wall")
        frac, rule = half_width_frac("measured_wall" if at_wall else "measured")
        by_share = self.tracking == "process" and meter.name == _PROCESSOR and share is not None
        model_frac, _ = half_width_frac("modelled")
        for domain, joules in moved.items():
            idle_w = self._idle_w.get(meter.name, {}).get(domain)
            above_j = joules if idle_w is None else max(0.0, joules - idle_energy_j(wall_s, idle_w))
            value, low_frac, high_frac = above_j, 1 - frac, 1 + frac
            if by_share and share is not None:
                value, low_frac, high_frac = above_j * share, 1 - model_frac, 1 + model_frac
            elif meter.name == _PROCESSOR and share is not None:
                low_frac *= share  # the rest may be other programs'
            said = "" if idle_w is None else ", above the idle power that it showed before"
            how = f", {share:.3f} of it by CPU time" if by_share else ""
            yield PhasePart(
                component=f"{meter.name}:{domain}",
                whole_machine=not by_share,
                energy=Quantity(
                    value=value,
                    low=value * low_frac,
                    high=value * high_frac,
                    unit="J",
                    method="modelled" if by_share else meter.method,
                    boundary=meter.boundary,
                    source=f"{meter.name} of this machine{said}{how} (interval: {rule})",
                ),
            )

    def _idle_of(self, meter: Meter, moved: dict[str, float], wall_s: float) -> Iterator[Quantity]:
        frac, rule = half_width_frac("measured")
        for domain, watts in self._idle_w.get(meter.name, {}).items():
            if domain in moved:
                joules = min(moved[domain], idle_energy_j(wall_s, watts)) * self.reserved_frac
                yield Quantity(
                    value=joules,
                    low=joules * (1 - frac),
                    high=joules * (1 + frac),
                    unit="J",
                    method="modelled",  # that it idled during the run as before is an assumption about it
                    boundary=meter.boundary,
                    source=f"{meter.name}: idle power before the run x time x share reserved (interval: {rule})",
                )

    # --- from CPU seconds ---------------------------------------------------------------------------------------------

    def _model(
        self,
        wall_s: float,
        cpu_s: float | None,
        parts: list[PhasePart],
        idle: list[Quantity],
        notes: list[str],
    ) -> None:
        notes += self.found.absent
        reserved_s = wall_s * self.reserved_frac
        idle += [self.power.idle_energy(reserved_s)] if self.power.idle_w is not None else []
        missing = self.power.missing
        if missing:
            notes.append(
                f"the energy of the CPU is unknown, since the {missing} of this machine is: name its device, or watts."
            )
        elif cpu_s is None:
            notes.append("the energy of the CPU is unknown, since its CPU seconds could not be counted.")
        else:
            parts.append(PhasePart(component=MODELLED_CPU, energy=self.power.marginal_energy(cpu_s, wall_s)))


def host_busy_s(stat: Path = Path("/proc/stat")) -> float | None:
    """CPU seconds that the whole machine has worked since it was started; None when the kernel does not tell.

    Source: proc_stat(5): user, nice, system, irq and softirq of the line ``cpu``; user contains guests.
    """
    try:
        fields = stat.read_text("ascii").split("\n", 1)[0].split()
        user, nice, system, _, _, irq, softirq = map(int, fields[1:8])
    except (OSError, ValueError):
        return None
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
