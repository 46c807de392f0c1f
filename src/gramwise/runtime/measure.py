"""Measuring a phase: ``gramwise measure --phase training -- COMMAND`` and ``with gramwise.measure("training"):``.

A run leaves a line in the ledger when it begins, while it lives, and when it ends, however it ends. What it spent is
read from meters or worked out from the CPU seconds of its whole tree of processes, never from wall time, so a busy
neighbour does not make it dearer. A run inside another names it as its parent, through the environment, and is a
part of it: sums count it once.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, ParamSpec, Self, TypeVar, Unpack, cast

from gramwise.core.errors import ConfigError
from gramwise.core.footprint import Phase
from gramwise.core.phase import PhaseRun
from gramwise.runtime.phaseledger import document
from gramwise.runtime.phasemeasurement import PARENT, Measurement
from gramwise.runtime.phaseterms import Options, Terms
from gramwise.runtime.treeclock import Command, GroupClock, OwnClock, group_clock

_lock = threading.Lock()
_active: list[str] = []
"""Values of `PARENT` of the blocks that are open in this process, innermost last."""

P = ParamSpec("P")
T = TypeVar("T")


def measure_command(argv: Sequence[str], *, phase: Phase, **options: Unpack[Options]) -> dict[str, Any]:
    """Run a command and account for it.

    Signals that ask this process to end are passed on to the command, whose end is then recorded. Its streams are its
    own: nothing is written to them here.

    Args:
        argv: the command and its arguments.
        phase: what it is a part of.
        options: see `Terms`.

    Returns:
        The run as a document of schema ``gramwise.phase/1``, with ``exit_code`` (of the command; 128 and the signal's
        number for one that was killed) and ``ledger``.

    Raises:
        ConfigError: no command, or one that cannot be started; anything that `Terms` refuses.
        DataError: the ledger cannot be written.
    """
    if not argv:
        raise ConfigError(
            "there is no command to measure.", fix="Write it after --: gramwise measure -- python train.py"
        )
    if shutil.which(argv[0]) is None:
        raise ConfigError(
            f"there is no command {argv[0]!r} that can be run.", fix="Check its name and its permissions."
        )
    terms = Terms(phase=phase, **options)
    measurement = Measurement(terms, terms.name or Path(argv[0]).name, argv)
    group = group_clock() if terms.group else None
    try:
        return _run_command(measurement, argv, group)
    finally:
        if group is not None:
            group.close()


def _run_command(measurement: Measurement, argv: Sequence[str], group: GroupClock | None) -> dict[str, Any]:
    measurement.begin()
    with _signals() as passed_on:
        try:
            command = Command(argv, {**os.environ, PARENT: measurement.mark}, group)
        except OSError as fault:
            measurement.end("failed", [f"the command could not be started: {fault.strerror}."])
            raise ConfigError(f"{argv[0]!r} cannot be started: {fault.strerror}.") from fault
        passed_on.to(command.send)
        measurement.follow(command.cpu_s, command.method)
        code = command.wait()
    left = command.left_behind()
    notes = (
        [f"{left} processes of the command live on; what they spend from now on is not in it."]
        if left
        else []
    )
    run = measurement.end("killed" if code < 0 else "failed" if code else "done", notes)
    exit_code = 128 - code if code < 0 else code
    return {**document(run), "exit_code": exit_code, "ledger": str(measurement.ledger)}


class measure:  # noqa: N801 - it is used like a function: with gramwise.measure("training"):
    """Account for a block of code, or for each call of a function that it decorates.

    Counted is the CPU time of this whole process and of its children over the block, all threads included. Blocks that
    overlap in one process see each other's work, so the later one is recorded as part of the earlier.

    Args:
        phase: what it is a part of.
        options: see `Terms`.

    Attributes:
        run: what it spent, once it has ended.

    Raises:
        ConfigError: anything that `Terms` refuses.
        DataError: the ledger cannot be written when the block begins.

    Example::

        with gramwise.measure("training", zone="DE", device="pi5"):
            train()
    """

    run: PhaseRun | None = None

    def __init__(self, phase: Phase, **options: Unpack[Options]) -> None:
        self._phase, self._options = phase, options
        self._terms = Terms(phase=phase, **options)
        self._measurement: Measurement | None = None

    def __enter__(self) -> Self:
        if self._measurement is not None:
            raise ConfigError("a measurement is entered once.", fix="Write measure(...) at each block.")
        script = Path(sys.argv[0]).name if sys.argv and sys.argv[0] else "python"
        self._measurement = Measurement(self._terms, self._terms.name or script, sys.argv)
        self._pid = os.getpid()
        self._measurement.begin()
        _push(self._measurement.mark)
        clock = OwnClock()
        self._measurement.follow(clock.cpu_s, clock.method)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A copy of this process made by fork leaves the block too, and its time is its parent's to tell.
        if self._measurement is None or os.getpid() != self._pid:
            return
        _pop(self._measurement.mark)
        done = fault is None or (isinstance(fault, SystemExit) and fault.code in (None, 0))
        self.run = self._measurement.end("done" if done else "failed")

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        """Measure every call of ``function``, each as a run of its own; its name where none was given."""
        options = cast(Options, {"name": getattr(function, "__name__", None), **self._options})

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def measured_async(*args: P.args, **kwargs: P.kwargs) -> Any:
                with measure(self._phase, **options):
                    return await function(*args, **kwargs)

            return cast(Callable[P, T], measured_async)

        @functools.wraps(function)
        def measured(*args: P.args, **kwargs: P.kwargs) -> T:
            with measure(self._phase, **options):
                return function(*args, **kwargs)

        return measured


# --- who is inside whom -----------------------------------------------------------------------------------------------


_inherited: str | None = None


def _push(mark: str) -> None:
    global _inherited
    with _lock:
        if not _active:
            _inherited = os.environ.get(PARENT)
        _active.append(mark)
        os.environ[PARENT] = mark


def _pop(mark: str) -> None:
    """Blocks of several threads may end in any order: the innermost of those that are open stays in force."""
    with _lock:
        _active.remove(mark)
        now = _active[-1] if _active else _inherited
        if now is None:
            os.environ.pop(PARENT, None)
        else:
            os.environ[PARENT] = now


class _PassedOn:
    """Signals on their way to a command. Those that come while it is being started reach it once it is."""

    def __init__(self) -> None:
        self._send: Callable[[int], None] | None = None
        self._early: list[int] = []

    def came(self, number: int) -> None:
        """A signal is here."""
        if self._send is None:
            self._early.append(number)
        else:
            self._send(number)

    def to(self, send: Callable[[int], None]) -> None:
        """From now on there is somebody."""
        self._send = send
        while self._early:
            send(self._early.pop(0))


@contextlib.contextmanager
def _signals() -> Iterator[_PassedOn]:
    """Pass on signals that ask for an end, once it is known to whom.

    Ctrl-C reaches the command by itself, being sent to the whole group of a terminal, and is not passed on twice.
    """
    receivers = _PassedOn()
    if threading.current_thread() is not threading.main_thread():
        yield receivers  # only the main thread may; signals then reach the caller as before
        return

    def pass_on(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and _from_terminal():
            return
        receivers.came(number)

    wanted: Mapping[signal.Signals, Any] = {
        signal.SIGINT: pass_on,
        signal.SIGTERM: pass_on,
        signal.SIGHUP: pass_on,
        signal.SIGCHLD: signal.SIG_DFL,  # ignored, as some daemons leave it, it would hide how the command ended
    }
    before = {number: signal.getsignal(number) for number in wanted}
    for number, handler in wanted.items():
        if before[number] is not signal.SIG_IGN or number == signal.SIGCHLD:
            signal.signal(number, handler)
    try:
        yield receivers
    finally:
        for number, was in before.items():
            signal.signal(number, was if was is not None else signal.SIG_DFL)


def _from_terminal() -> bool:
    """Whether this process is in the foreground of a terminal, so that Ctrl-C goes to the command too."""
    try:
        with Path("/dev/tty").open("rb", buffering=0) as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False
