"""An event loop on which waiting costs nothing: when nothing is ready, time jumps to the next timer.

Whatever runs on it must wait by timers and futures alone. Threads, sockets, pipes and subprocesses live in the other
time, the wall's, and are refused with an error that names what was called; a loop with nothing left to wait for stops
with an error too, where a real one would hang.
"""

from __future__ import annotations

import asyncio
import math
import threading
from asyncio.base_events import BaseEventLoop
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, NoReturn, TypeVar, TypeVarTuple, Unpack

from gramwise.core.errors import ExecutionError

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

_RESOLUTION_S = 1e-9
"""Timers that are this near fire together."""

_REFUSED = (
    *("run_in_executor", "set_default_executor", "getaddrinfo", "getnameinfo"),
    *("create_connection", "create_server", "create_datagram_endpoint", "create_unix_connection"),
    *("create_unix_server", "connect_accepted_socket", "sock_recv", "sock_recv_into", "sock_recvfrom"),
    *("sock_recvfrom_into", "sock_sendall", "sock_sendto", "sock_connect", "sock_accept", "sock_sendfile"),
    *("sendfile", "start_tls", "add_reader", "remove_reader", "add_writer", "remove_writer"),
    *("connect_read_pipe", "connect_write_pipe", "subprocess_exec", "subprocess_shell"),
    *("add_signal_handler", "remove_signal_handler"),
)
"""Everything that an event loop offers besides timers, futures and tasks."""


class NotVirtual(ExecutionError):
    """Something in a simulation reached for the world outside, or waits for what can never come."""


class VirtualLoop(BaseEventLoop):
    """An asyncio event loop in virtual time; `time` starts at 0 and moves only by timers.

    It uses of `BaseEventLoop` what that asks of every loop: a selector with ``select`` and ``close``, and
    ``_process_events``. Timers fire in the order of their times.
    """

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 0.0
        self._clock_resolution = _RESOLUTION_S
        self._selector = _NextTimer(self)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now_s

    def advance(self, seconds: float | None) -> None:
        """Let time pass until the next timer.

        Args:
            seconds: how long that is; None when there is no timer.

        Raises:
            NotVirtual: there is no timer, so nothing can ever happen again.
        """
        if seconds is None:
            raise NotVirtual(
                "the simulation has come to a dead end: everything waits, and no timer is set. Something awaits a"
                " future that nobody will finish."
            )
        self._now_s += max(0.0, seconds)
        # A timer fires when it lies before now + resolution: that must be more than now, however large now has grown.
        self._clock_resolution = max(_RESOLUTION_S, 2.0 * math.ulp(self._now_s))

    def call_soon_threadsafe(
        self,
        callback: Callable[[Unpack[Arguments]], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """As `call_soon` in the loop's own thread; other threads are refused."""
        if getattr(self, "_thread_id", None) not in (None, threading.get_ident()):  # None: it does not run
            _refuse("call_soon_threadsafe from another thread")
        return self.call_soon(callback, *args, context=context)

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none: only timers."""

    def _write_to_self(self) -> None:
        """Nobody outside may wake this loop, so there is nothing to write to."""


class _NextTimer:
    """What the loop asks for input: none ever comes, so the time that it would have waited has passed."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        self._loop.advance(timeout)
        return []


def _refuse(what: str) -> NoReturn:
    raise NotVirtual(
        f"{what} does not work in virtual time: a simulation has no threads, sockets, pipes or subprocesses. Wait with"
        " asyncio.sleep and futures, or run it on a real event loop."
    )


def _refuser(name: str) -> Callable[..., NoReturn]:
    def refused(self: VirtualLoop, *args: Any, **kwargs: Any) -> NoReturn:
        _refuse(f"loop.{name}")

    refused.__name__, refused.__doc__ = name, "Refused with `NotVirtual`."
    return refused


for _name in _REFUSED:
    setattr(VirtualLoop, _name, _refuser(_name))


class VirtualClock:
    """A `gramwise.core.clock.Clock` that reads a loop's virtual time.

    Args:
        loop: whose time it is.
        start_s: Unix seconds at the loop's time 0.
    """

    __slots__ = ("_loop", "start_s")

    def __init__(self, loop: asyncio.AbstractEventLoop, start_s: float) -> None:
        self._loop, self.start_s = loop, start_s

    def now_s(self) -> float:
        """Seconds since 1970-01-01T00:00Z."""
        return self.start_s + self._loop.time()


def run_virtually(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end on a loop of its own, in virtual time.

    Raises:
        NotVirtual: it reached for a thread, a socket or a subprocess, or came to a dead end.
    """
    with asyncio.Runner(loop_factory=VirtualLoop, debug=False) as runner:
        return runner.run(main)
