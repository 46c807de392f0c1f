"""Where the node's CPU seconds and joules went since it was ready: into requests, round them, and idle.

Three clocks that know nothing of each other, as on a node of a bench: the threads' own clocks round the runs
(attributed), those of all threads of the process together (their difference is overhead), and the meter: the control
group's counter where the process has one of its own, else the process's. The gateway reads this on
``GET /v2/gramwise/usage`` and compares.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from gramwise.core.quantity import Quantity
from gramwise.power.clocks import process_cpu_s

from .tariff import Tariff

_THREADS = Path("/proc/self/task")
_THREAD_CLOCK = 6
"""A CPU clock id of Linux is the inverted thread id above three bits; 4 in them says thread, 2 scheduled time."""


class Energy(msgspec.Struct, frozen=True):
    """Joules with their interval."""

    value: float
    low: float
    high: float
    method: str


class UsageReply(msgspec.Struct, frozen=True):
    """Answer to ``GET /v2/gramwise/usage``. What is not known is null.

    Attributes:
        node, device: names; the device's is empty when none was declared.
        window_s: seconds since the node was ready.
        attributed_s: thread CPU seconds inside runs.
        overhead_s: CPU seconds of all threads less those; null where the system does not tell them apart.
        metered_s: of the process, by the system's own counter.
        energy: of ``attributed_s``.
        overhead_energy: of ``overhead_s``.
        idle_energy: of the device's idle power over the window.
        idle_w: that power, watts.
        queued, running: requests that wait and that run.
        ready: whether new requests are taken.
    """

    node: str
    device: str
    window_s: float
    attributed_s: float
    overhead_s: float | None
    metered_s: float | None
    energy: Energy | None
    overhead_energy: Energy | None
    idle_energy: Energy | None
    idle_w: float | None
    queued: int
    running: int
    ready: bool


class Usage:
    """Counts from the moment that it is made: what loading cost belongs to no window.

    Args:
        node: its name.
        tariff: prices of CPU seconds and idle power.
        attributed_s: tells the thread CPU seconds inside runs, so far.
    """

    def __init__(self, node: str, tariff: Tariff, attributed_s: Callable[[], float]) -> None:
        self._node, self._tariff, self._attributed_s = node, tariff, attributed_s
        self._start_s = time.monotonic()
        self._threads_at_start_s = _threads_cpu_s()
        self._process_at_start_s = _process_cpu_s()
        self._attributed_at_start_s = attributed_s()

    @property
    def window_s(self) -> float:
        """Seconds since the node was ready."""
        return time.monotonic() - self._start_s

    @property
    def overhead_s(self) -> float | None:
        """CPU seconds of the node's own work; None where the system does not tell its threads apart."""
        threads_s = _threads_cpu_s()
        if threads_s is None or self._threads_at_start_s is None:
            return None
        inside_s = self._attributed_s() - self._attributed_at_start_s
        return max(0.0, threads_s - self._threads_at_start_s - inside_s)

    def read(self, *, queued: int, running: int, ready: bool) -> UsageReply:
        """Everything, now."""
        attributed_s = self._attributed_s() - self._attributed_at_start_s
        overhead_s, window_s, idle_w = self.overhead_s, self.window_s, self._tariff.idle_w
        price = self._tariff.j_per_cpu_s
        return UsageReply(
            node=self._node,
            device=self._tariff.device,
            window_s=window_s,
            attributed_s=attributed_s,
            overhead_s=overhead_s,
            metered_s=_process_cpu_s() - self._process_at_start_s,
            energy=_energy(price, attributed_s),
            overhead_energy=_energy(price, overhead_s),
            idle_energy=_energy(idle_w, window_s),
            idle_w=None if idle_w is None else idle_w.value,
            queued=queued,
            running=running,
            ready=ready,
        )


def _energy(price: Quantity | None, amount: float | None) -> Energy | None:
    if price is None or amount is None:
        return None
    return Energy(price.value * amount, price.low * amount, price.high * amount, price.method)


def _process_cpu_s() -> float:
    counted = process_cpu_s(os.getpid()) if sys.platform == "linux" else None
    return time.process_time() if counted is None else counted


def _threads_cpu_s() -> float | None:
    """CPU seconds of every living thread, each from its own clock; None where there is no such clock.

    Source: Linux, ``include/linux/posix-timers_types.h`` (CPUCLOCK_PERTHREAD_MASK, CPUCLOCK_SCHED).
    """
    if sys.platform != "linux":
        return None
    total_ns = 0
    for thread in _THREADS.iterdir():
        try:
            total_ns += time.clock_gettime_ns((~int(thread.name) << 3) | _THREAD_CLOCK)
        except OSError:
            continue  # it has ended since
    return total_ns * 1e-9
