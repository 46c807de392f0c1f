"""Where the node's CPU seconds and joules went since it was ready: into requests, round them, and idle.

Three clocks that know nothing of each other, as on a node of a bench: the threads' own clocks round the runs
(attributed), those of all threads of the process together (their difference is overhead), and the meter: the control
group's counter where the process has one of its own, else the process's. The gateway reads this on
``GET /v2/gramwise/usage`` and compares. Where prices are metered they change, so joules are summed at the price of
their time.

Joules of a board, a chip and a wall are never added. Where a price comes to include more or less than the one before
it, as with the first metered price of a machine that had a modelled one, a new window begins: every figure counts from
there, and whoever takes differences sees the window's seconds go back, as after a restart.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from gramwise.core.quantity import Method, Quantity, weakest
from gramwise.power.clocks import process_cpu_s

from .metering import Metering, State
from .tariff import Tariff

_THREADS = Path("/proc/self/task")
_THREAD_CLOCK = 6
"""A CPU clock id of Linux is the inverted thread id above three bits; 4 in them says thread, 2 scheduled time."""


class Energy(msgspec.Struct, frozen=True):
    """Joules with their interval; ``boundary`` says what they include: chip, board, wall or site."""

    value: float
    low: float
    high: float
    method: str
    boundary: str


class Metered(msgspec.Struct, frozen=True):
    """What the node's meter says.

    Attributes:
        name: of the meter.
        boundary: what its joules include: chip, board, wall or site.
        state: watching until its readings tell a price, metered from then on, stopped once it has failed.
        why: it failed; empty while it has not.
        energy_j: that it has counted of the whole machine since the node was ready, without what hid a reset.
        j_per_cpu_s: the last price that it told; null before the first.
        own_frac: part of the change of load behind that price that was this process' own.
        windows: readings behind that price.
        age_s: seconds since its newest reading; null before the first.
    """

    name: str
    boundary: str
    state: State
    why: str
    energy_j: float
    j_per_cpu_s: float | None
    own_frac: float | None
    windows: int
    age_s: float | None


class UsageReply(msgspec.Struct, frozen=True):
    """Answer to ``GET /v2/gramwise/usage``. What is not known is null.

    Attributes:
        node, device: names; the device's is empty when none was declared.
        window_s: seconds since the node was ready, or since its joules include what they include now.
        attributed_s: thread CPU seconds inside runs.
        overhead_s: CPU seconds of all threads less those; null where the system does not tell them apart.
        metered_s: of the process, by the system's own counter.
        energy: of ``attributed_s``; its method is the weakest of all that was summed.
        overhead_energy: of ``overhead_s``.
        idle_energy: of the device's idle power over the window.
        idle_w: that power now, watts.
        queued, running: requests that wait and that run.
        ready: whether new requests are taken.
        meter: what the machine's meter says; null where none can be read.
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
    meter: Metered | None = None


class _Sum:
    """Joules of an amount that grows from 0, each part at the price of its time; all prices have one boundary."""

    def __init__(self) -> None:
        self._value = self._low = self._high = self._priced = 0.0
        self._method: Method | None = None
        self._boundary = ""

    def settle(self, price: Quantity | None, amount: float | None) -> None:
        """What has come since costs this. Without a price it waits: the first one known prices it too."""
        if price is None or amount is None:
            return
        more = amount - self._priced
        if more < 0.0:
            return  # a thread that has ended took its clock along
        self._value += price.value * more
        self._low += price.low * more
        self._high += price.high * more
        self._priced = amount
        self._method = price.method if self._method is None else weakest(self._method, price.method)
        self._boundary = price.boundary

    def told(self, price: Quantity | None, amount: float | None) -> Energy | None:
        """All of it; None while the price of some is not known."""
        self.settle(price, amount)
        if self._method is None or amount is None or amount > self._priced:
            return None
        return Energy(self._value, self._low, self._high, self._method, self._boundary)


class _Clocks(NamedTuple):
    """Where all clocks stand: monotonic, of the threads together, of the process, and inside runs, seconds."""

    now_s: float
    threads_s: float | None
    process_s: float
    runs_s: float


class _Spent(NamedTuple):
    """What has passed between two looks at the clocks."""

    window_s: float
    attributed_s: float
    overhead_s: float | None
    metered_s: float

    @classmethod
    def between(cls, start: _Clocks, end: _Clocks) -> _Spent:
        """From the first look to the second."""
        runs_s, overhead_s = end.runs_s - start.runs_s, None
        if start.threads_s is not None and end.threads_s is not None:
            overhead_s = max(0.0, end.threads_s - start.threads_s - runs_s)
        return cls(end.now_s - start.now_s, runs_s, overhead_s, end.process_s - start.process_s)


class Usage:
    """Counts from the moment that it is made: what loading cost belongs to no window.

    Args:
        node: its name.
        tariff: prices of CPU seconds and idle power.
        attributed_s: tells the thread CPU seconds inside runs, so far.

    Attributes:
        metering: that renews the tariff; None without a meter.
        windows: that have begun; a new one does where the boundary of a price changes.
    """

    def __init__(self, node: str, tariff: Tariff, attributed_s: Callable[[], float]) -> None:
        self._node, self._tariff, self._attributed_s = node, tariff, attributed_s
        self._settled = self._look()
        self.windows = 0
        self._begin()
        self.metering: Metering | None = None

    def settle(self) -> None:
        """What was spent until now costs the prices of now: to be called before they change."""
        self._follow()
        self._settled = self._look()
        spent, price = _Spent.between(self._start, self._settled), self._tariff.j_per_cpu_s
        self._requests.settle(price, spent.attributed_s)
        self._overhead.settle(price, spent.overhead_s)
        self._idle.settle(self._tariff.idle_w, spent.window_s)

    def read(self, *, queued: int, running: int, ready: bool) -> UsageReply:
        """Everything, now."""
        self._follow()
        spent = _Spent.between(self._start, self._look())
        price, idle_w = self._tariff.j_per_cpu_s, self._tariff.idle_w
        return UsageReply(
            node=self._node,
            device=self._tariff.device,
            window_s=spent.window_s,
            attributed_s=spent.attributed_s,
            overhead_s=spent.overhead_s,
            metered_s=spent.metered_s,
            energy=self._requests.told(price, spent.attributed_s),
            overhead_energy=self._overhead.told(price, spent.overhead_s),
            idle_energy=self._idle.told(idle_w, spent.window_s),
            idle_w=None if idle_w is None else idle_w.value,
            queued=queued,
            running=running,
            ready=ready,
            meter=_metered(self.metering),
        )

    def _look(self) -> _Clocks:
        return _Clocks(time.monotonic(), _threads_cpu_s(), _process_cpu_s(), self._attributed_s())

    def _begin(self) -> None:
        """A new window, from the moment at which prices last changed."""
        self.windows += 1
        self._start = self._settled
        self._requests, self._overhead, self._idle = _Sum(), _Sum(), _Sum()
        self._boundaries = ["", ""]

    def _follow(self) -> None:
        """Begin anew where a price that is known now includes something else than the one before it."""
        prices = (self._tariff.j_per_cpu_s, self._tariff.idle_w)
        known = ["" if price is None else price.boundary for price in prices]
        if any(old and new and old != new for old, new in zip(self._boundaries, known, strict=True)):
            self._begin()
        self._boundaries = [new or old for old, new in zip(self._boundaries, known, strict=True)]


def _metered(metering: Metering | None) -> Metered | None:
    if metering is None:
        return None
    known, age_s = metering.known, metering.age_s
    return Metered(
        name=metering.meter.name,
        boundary=metering.meter.boundary,
        state=metering.state,
        why=metering.why,
        energy_j=metering.energy_j,
        j_per_cpu_s=None if known is None else known.j_per_cpu_s,
        own_frac=None if known is None else known.own_frac,
        windows=0 if known is None else known.windows,
        age_s=age_s if math.isfinite(age_s) else None,
    )


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
