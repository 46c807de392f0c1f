"""Where a meter can be read, a node's price of a CPU second comes from it instead of from a device's figures.

Once a second meter, the kernel's count of everybody's CPU seconds and the process' own clock are read together.
`gramwise.power.attribution` makes a price of the last windows; requests are told it times their CPU seconds, because a
request of 10 ms is too short for any counter. Until the windows tell a price, and from the moment that the meter fails,
the node's price is the one that it would have without a meter.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gramwise.core import plugins
from gramwise.core.errors import GramwiseError, MeterAbsent, MeterError
from gramwise.core.protocols import Meter
from gramwise.core.quantity import Method, Quantity, weakest
from gramwise.power.attribution import Marginal, Window, marginal

from .settings import Settings
from .tariff import Tariff

_log = logging.getLogger("gramwise.gateway.node")

WINDOW_S = 1.0
"""Between two readings: a hundred of the kernel's ticks, so that a count of them is good to some percent."""

REMEMBERED = 300
"""Windows that make a price: five minutes, in which the load of most nodes changes."""

RENEWED_EVERY = 5
"""Windows between two prices: working one out takes half a millisecond, and it moves slowly."""

STILL_S = 30.0
"""A counter that has not moved for so long counts no more. Power is never 0, and meters move more often."""

LONGEST_S = 60.0
"""A longer window may hide that a counter went round twice; it is left out."""

SLEPT_S = 0.1
"""Of sleep in a window, from which it is left out: some counters start anew when their machine sleeps."""

HALF = 0.5
"""From this part of the change of load on it was mostly the node that was metered; below, a price is modelled."""

_NOT_PROCESSOR = frozenset({"nvml"})
"""Meters of what runs of models do not use here: onnxruntime works on the CPU."""

State = Literal["watching", "metered", "stopped"]


@dataclass(frozen=True, slots=True)
class Look:
    """What was read at one moment: monotonic seconds, joules, CPU seconds of all and of this process, seconds slept."""

    at_s: float
    energy_j: float
    busy_s: float
    own_s: float
    slept_s: float


class Metering:
    """Renews a tariff from a meter.

    Args:
        meter: opened.
        tariff: that is renewed; as it is now, it is what counts without the meter.
        settle: called before each change of price: what was spent until then costs the old one.
        stat: the kernel's count of CPU time of the whole machine.
        own_cpu_s, now_s, slept_s: clocks: of the process' CPU time, monotonic, and of the time that the machine slept.

    Attributes:
        state: watching until the first price, metered from then on, stopped once the meter has failed.
        why: the meter failed; empty while it has not.
        known: what the last windows that told anything say; None before.
        energy_j: that the meter has counted in the windows since the start, of the whole machine.
    """

    def __init__(
        self,
        meter: Meter,
        tariff: Tariff,
        settle: Callable[[], None],
        *,
        stat: Path = Path("/proc/stat"),
        own_cpu_s: Callable[[], float] = time.process_time,
        now_s: Callable[[], float] = time.monotonic,
        slept_s: Callable[[], float] | None = None,
    ) -> None:
        from gramwise.fleet.catalogue import half_width_frac

        self.meter, self._tariff, self._settle, self._stat = meter, tariff, settle, stat
        self._own_cpu_s, self._now_s, self._slept_s = own_cpu_s, now_s, slept_s or _slept_s
        self._without = (tariff.j_per_cpu_s, tariff.idle_w, tariff.source)
        at_wall = meter.boundary in ("wall", "site")
        self._meter_frac, self._rule = half_width_frac("measured_wall" if at_wall else "measured")
        self._other_frac, _ = half_width_frac("modelled")
        self._windows: deque[Window] = deque(maxlen=REMEMBERED)
        self._seen = 0
        self._last: Look | None = None
        self.state: State = "watching"
        self.why = ""
        self.known: Marginal | None = None
        self.energy_j = 0.0

    @property
    def age_s(self) -> float:
        """Seconds since the newest reading; infinite before the first."""
        return math.inf if self._last is None else self._now_s() - self._last.at_s

    async def run(self) -> None:
        """Read every second until the meter fails, or until cancelled."""
        loop, pause_s = asyncio.get_running_loop(), 0.0
        while self.state != "stopped":
            await asyncio.sleep(pause_s)
            pause_s = WINDOW_S
            try:
                self.learn(await loop.run_in_executor(None, self.look))
            except Exception as fault:  # noqa: BLE001 - whatever a meter raises ends the metering, and only that
                self._stop(f"{type(fault).__name__}: {fault}")

    def look(self) -> Look | MeterError:
        """Read everything. May wait for the meter, so not on the loop."""
        from gramwise.runtime.phaseenergy import host_busy_s

        try:
            energy_j = math.fsum(self.meter.read().joules.values())
        except MeterError as fault:
            return fault
        except OSError as fault:
            return MeterError(str(fault))
        if not math.isfinite(energy_j):
            return MeterError(f"it says {energy_j} J")
        busy_s = host_busy_s(self._stat)
        if busy_s is None:
            return MeterError(f"{self._stat} does not tell the CPU seconds of the machine")
        return Look(self._now_s(), energy_j, busy_s, self._own_cpu_s(), self._slept_s())

    def learn(self, look: Look | MeterError) -> None:
        """Take a reading in, and renew the price."""
        if isinstance(look, MeterError):
            self._stop(str(look))
            return
        last = self._last
        if last is None:
            self._last = look
            return
        wall_s, energy_j = look.at_s - last.at_s, look.energy_j - last.energy_j
        if energy_j <= 0.0:
            # A meter that is slower than the windows: this one goes on.
            if wall_s >= STILL_S:
                self._stop(f"its counters have stood still for {wall_s:.0f} s")
            return
        self._last = look
        if wall_s > LONGEST_S or look.slept_s - last.slept_s > SLEPT_S:
            return
        own_s = max(0.0, look.own_s - last.own_s)
        self.energy_j += energy_j
        self._windows.append(Window(wall_s, energy_j, max(own_s, look.busy_s - last.busy_s), own_s))
        self._seen += 1
        if self._seen % RENEWED_EVERY:
            return
        known = marginal(self._windows, meter_frac=self._meter_frac, other_frac=self._other_frac)
        if known is not None:
            self._renew(known)

    def _renew(self, known: Marginal) -> None:
        self._settle()
        self.known = known
        ours: Method = "measured" if known.own_frac >= HALF else "modelled"
        self._tariff.j_per_cpu_s = self._quantity(
            (known.j_per_cpu_s, known.low, known.high), "J", ours, "joules above idle over CPU seconds"
        )
        idle = known.idle_w
        self._tariff.idle_w = None if idle is None else self._quantity(idle, "W", "measured", "power at rest")
        self._tariff.source = self.meter.name
        if self.state == "watching":
            self.state = "metered"
            _log.info("energy is metered by %s: %.3g J a CPU second", self.meter.name, known.j_per_cpu_s)

    def _quantity(self, ends: tuple[float, float, float], unit: str, method: Method, what: str) -> Quantity:
        assert self.known is not None
        return Quantity(
            value=ends[0],
            low=ends[1],
            high=ends[2],
            unit=unit,
            method=weakest(method, self.meter.method),
            boundary=self.meter.boundary,
            source=f"{self.meter.name}: {what}, {self.known.windows} windows (interval: {self._rule})",
        )

    def _stop(self, why: str) -> None:
        """Back to what is known without the meter, for good."""
        self.state, self.why = "stopped", why
        try:
            self._settle()
        finally:
            self._tariff.j_per_cpu_s, self._tariff.idle_w, self._tariff.source = self._without
        left = "is unknown" if self._tariff.j_per_cpu_s is None else "is modelled"
        _log.warning("energy is no longer metered by %s and %s: %s", self.meter.name, left, why)


def open_meter(settings: Settings) -> Meter | None:
    """The meter of this machine that sees its processor; None where there is none that may be read.

    One that is there and refuses is named in the log, with what opens it. A process that stands for another node
    (``as_node``) has none: what its own machine takes is not what that node would take.
    """
    if settings.as_node is not None:
        return None
    opened: list[Meter] = []
    for name in plugins.names("meter"):
        if name in _NOT_PROCESSOR:
            continue
        try:
            opened.append(plugins.create("meter", name, *([settings.powercap] if name == "rapl" else [])))
        except MeterAbsent as fault:
            _log.info("no joules are read from %s: %s", name, fault)
        except (GramwiseError, ImportError) as fault:
            _log.warning("no joules are read from %s, though it is here: %s", name, fault)
    if len(opened) > 1:
        from gramwise.runtime.phaseenergy import addable

        opened = addable(opened)
    return opened[0] if opened else None


def _slept_s() -> float:
    """Seconds for which the machine has slept since it was started; 0 where the system does not tell.

    Source: clock_gettime(2): CLOCK_BOOTTIME runs on while the system is suspended, CLOCK_MONOTONIC does not.
    """
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return 0.0 if boot is None else time.clock_gettime(boot) - time.clock_gettime(time.CLOCK_MONOTONIC)
