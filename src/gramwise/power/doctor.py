"""What can tell energy on this machine: each source looked for, what it gives, why it is missing, the repair.

Two kinds of source. *Meters* read joules. *CPU clocks* read CPU seconds, from which `gramwise.power.model`
works out joules where there is no meter. Each meter is tried by opening it, as a run would, and watched for a
moment, because some hypervisors show counters that stand still. A meter that cannot be opened says why, and
ends its sentence with ``Run: COMMAND`` where a command helps; that is how the command gets into the report,
for meters from outside too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, TypeAlias

from gramwise.core import plugins
from gramwise.core.errors import GramwiseError, MeterDenied, MeterError
from gramwise.core.protocols import Meter
from gramwise.core.quantity import Method

from . import clocks

SCHEMA = "gramwise.doctor/1"
State: TypeAlias = Literal["found", "missing", "denied"]

_COMPONENTS = {
    "rapl": "processor packages and their memory",
    "nvml": "NVIDIA graphics cards",
}
_UNSEEN = "Losses of the power supply, disks, fans and network are in no source listed here."
_COARSEST_STEP_S = 1e-3
"""A thread clock that moves in longer steps cannot tell the requests of a small model apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One source of energy or CPU time that was looked for.

    Attributes:
        name: of the meter, or of the clock.
        kind: "energy" for meters (joules), "cpu" for clocks (CPU seconds).
        component: what it covers.
        method: measured for joules that were read, modelled for joules worked out from CPU seconds.
        boundary: what the joules include (chip, board, wall); empty for clocks and for meters that are not
            there.
        state: found, missing, or denied to this user.
        why: what was found, or why it is missing or denied.
        command: what to run to repair it; empty when nothing needs it or no command can.
    """

    name: str
    kind: Literal["energy", "cpu"]
    component: str
    method: Method
    boundary: str
    state: State
    why: str
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The sources of this machine, meters first."""

    sources: tuple[Source, ...]

    @property
    def measured(self) -> bool:
        """Whether any meter reads joules here."""
        return any(self._meters())

    @property
    def coverage(self) -> str:
        """What is measured, what is modelled and what is in neither, in two or three sentences."""
        meters = [f"{meter.component} ({meter.name})" for meter in self._meters()]
        if meters:
            said = f"Measured: {', '.join(meters)}. Everything else is modelled or unknown."
        elif any(source.kind == "cpu" and source.state == "found" for source in self.sources):
            said = (
                "Nothing here measures energy: every joule is modelled from CPU seconds and a device's power."
            )
        else:
            said = "Nothing here tells energy, neither a meter nor a CPU clock."
        return f"{said} {_UNSEEN}"

    def _meters(self) -> list[Source]:
        return [
            s for s in self.sources if s.kind == "energy" and s.method == "measured" and s.state == "found"
        ]

    def to_document(self) -> dict[str, Any]:
        """The report as plain values for JSON."""
        return {
            "schema": SCHEMA,
            "measured": self.measured,
            "coverage": self.coverage,
            "sources": [asdict(source) for source in self.sources],
        }


def examine(
    powercap: str | Path = "/sys/class/powercap",
    root: str | Path = "/",
    watch_s: float = 0.25,
) -> Report:
    """Look for every source of energy and of CPU time on this machine.

    Args:
        powercap: where RAPL counters are looked for.
        root: top of the file tree that holds ``proc`` and ``dev``.
        watch_s: for how long a meter that does not move is watched; RAPL moves every millisecond or so, NVML
            every 20 to 100 ms.

    Returns:
        The report; nothing is raised for a source that is missing, denied or broken.
    """
    proc = Path(root) / "proc"
    options: dict[str, dict[str, Any]] = {
        "rapl": {"root": powercap, "cpuinfo": proc / "cpuinfo"},
        "nvml": {"root": root},
    }
    meters = [_meter(name, options.get(name, {}), watch_s) for name in plugins.names("meter")]
    return Report(sources=(*meters, _thread_clock(), _process_clock(), _cgroup_counter(proc / "self")))


def _meter(name: str, options: Mapping[str, Any], watch_s: float) -> Source:
    try:
        meter: Meter = plugins.create("meter", name, **options)
        moved = _moved_j(meter, watch_s)
    except GramwiseError as fault:
        state: State = "denied" if isinstance(fault, MeterDenied) else "missing"
        why, _, command = str(fault).partition(" Run: ")
        return _energy(name, "measured", "", state, why, command)
    except ImportError as fault:
        return _energy(name, "measured", "", "missing", f"the plug-in cannot be loaded: {fault}.", "")
    domains = ", ".join(sorted(moved))
    if not any(moved.values()):
        why = f"the counters of {domains} are there and stand still, as under some hypervisors."
        return _energy(name, meter.method, meter.boundary, "missing", why, "")
    return _energy(name, meter.method, meter.boundary, "found", f"counts {domains}.", "")


def _energy(name: str, method: Method, boundary: str, state: State, why: str, command: str) -> Source:
    return Source(
        name=name,
        kind="energy",
        component=_COMPONENTS.get(name, "what the plug-in reads"),
        method=method,
        boundary=boundary,
        state=state,
        why=why,
        command=command,
    )


def _moved_j(meter: Meter, watch_s: float) -> dict[str, float]:
    """Joules by domain that pass while the meter is watched; returns as soon as any domain has moved."""
    first = meter.read().joules
    end_s = time.monotonic() + watch_s
    while True:
        moved = {name: joules - first[name] for name, joules in meter.read().joules.items()}
        if any(moved.values()) or time.monotonic() >= end_s:
            return moved
        time.sleep(watch_s / 50)


def _thread_clock() -> Source:
    name, component = "thread-cpu-clock", "CPU seconds of each inference"
    try:
        step_s = _smallest_step_s()
    except (OSError, ValueError, AttributeError):
        return _clock(name, component, "missing", "this system has no CPU clock for threads.")
    said = f"moves in steps of {step_s:.1e} s"
    if step_s > _COARSEST_STEP_S:
        return _clock(name, component, "missing", f"{said}, too coarse for one inference.")
    return _clock(name, component, "found", f"{said}.")


def _smallest_step_s() -> float:
    """Least difference between two readings that differ: the clock's step, or the cost of reading it."""
    readings_ns = [time.thread_time_ns() for _ in range(2000)]
    steps_ns = [b - a for a, b in pairwise(readings_ns) if b > a]
    resolution_s = time.get_clock_info("thread_time").resolution
    return max(resolution_s, min(steps_ns) * 1e-9) if steps_ns else float("inf")


def _process_clock() -> Source:
    name, component = "process-cpu-clock", "CPU seconds of each local node that is a process"
    try:
        seconds = clocks.process_cpu_s(os.getpid())
    except MeterError as fault:
        return _clock(name, component, "missing", f"{fault}.")
    if seconds is None:
        return _clock(name, component, "missing", "the kernel does not find this very process by its number.")
    return _clock(name, component, "found", "the CPU clocks of other processes can be read.")


def _cgroup_counter(own: Path) -> Source:
    name, component = "cgroup-cpu-counter", "CPU seconds of each local node that is a control group"
    try:
        place = clocks.own_cgroup(own)
        seconds = clocks.cgroup_cpu_s(place[1]) if place else None
    except MeterError as fault:
        why, _, command = str(fault).partition(" Run: ")
        state: State = "denied" if isinstance(fault, MeterDenied) else "missing"
        return _clock(name, component, state, why, command)
    if place is None or seconds is None:
        return _clock(
            name, component, "missing", "no control group hierarchy counts this process's CPU time."
        )
    return _clock(name, component, "found", f"version {place[0]}, {place[1]}.")


def _clock(name: str, component: str, state: State, why: str, command: str = "") -> Source:
    return Source(
        name=name,
        kind="cpu",
        component=component,
        method="modelled",
        boundary="",
        state=state,
        why=why,
        command=command,
    )
