"""Time as a value that is handed in, so that the same engine runs on the wall clock and on a virtual one."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Unix seconds, UTC, that never run backwards."""

    def now_s(self) -> float:
        """Seconds since 1970-01-01T00:00Z."""
        ...


class SystemClock:
    """The wall clock at construction, carried forward by the monotonic clock: no adjustment bends a duration."""

    __slots__ = ("_offset_s",)

    def __init__(self) -> None:
        self._offset_s = time.time() - time.perf_counter()

    def now_s(self) -> float:
        """Seconds since 1970-01-01T00:00Z."""
        return self._offset_s + time.perf_counter()


class ManualClock:
    """A clock that stands still until told: for tests and replays."""

    __slots__ = ("_now_s",)

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_s = start_s

    def now_s(self) -> float:
        """Seconds since 1970-01-01T00:00Z."""
        return self._now_s

    def advance(self, seconds: float) -> None:
        """Move forward; a negative step is refused."""
        if seconds < 0:
            raise ValueError("time does not run backwards")
        self._now_s += seconds
