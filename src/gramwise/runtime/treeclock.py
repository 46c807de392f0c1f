"""CPU seconds of a whole tree of processes: a command with all that it starts, or this process with its children.

Three ways, in order of preference:

* a control group of its own (``cpuacct`` of version 1, or the unified hierarchy), where this user may make one: the
  kernel counts every process that is or ever was in it, also one whose parent has gone;
* the command's own resource usage at its end (``wait4``), which contains the descendants that were waited for, and
  meanwhile, or for descendants that outlive it, ``/proc``;
* for a block of code, this process's clock, the usage of its children that were waited for, and ``/proc`` for those
  that live.

The second and third miss a descendant that outlives its parent without being waited for, and that one's children.
``/proc/PID/stat`` counts in ticks of 10 ms. Sources: cgroup documentation of Linux (``cpuacct``, ``cgroup-v2``);
getrusage(2); proc_pid_stat(5), fields 14 to 17.
"""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gramwise.core.errors import GramwiseError
from gramwise.power.clocks import cgroup_cpu_s, own_cgroup

_PROC = Path("/proc")
_REMOVE_TRIES = 50


class GroupClock:
    """A control group that counts and does not limit.

    Args:
        home: directory of the group below which it is made.
        version: of the hierarchy, 1 or 2.

    Raises:
        OSError: this user may not make one.
    """

    def __init__(self, home: Path, version: int) -> None:
        self.method = f"control group, version {version}"
        self._home = home
        # The name is that of bench's groups: who finds one whose process is gone takes it away.
        self._group = home / f"gramwise-{os.getpid()}-{uuid.uuid4().hex[:6]}-measure"
        self._group.mkdir()

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Be in the group for as long as it takes to start a child, which stays there: no moment of it is missed."""
        _write_pid(self._group)
        try:
            yield
        finally:
            _write_pid(self._home)

    def cpu_s(self) -> float | None:
        """CPU seconds so far; None when the counter cannot be read."""
        try:
            return cgroup_cpu_s(self._group)
        except GramwiseError:
            return None

    def processes(self) -> int:
        """How many processes of it live."""
        with contextlib.suppress(OSError):
            return len((self._group / "cgroup.procs").read_text("ascii").split())
        return 0

    def close(self) -> None:
        """Take the group away; while processes of it live it stays, and the next measurement takes it away."""
        for _ in range(_REMOVE_TRIES):
            try:
                self._group.rmdir()
                return
            except FileNotFoundError:
                return
            except OSError:
                if self.processes():
                    return
                time.sleep(0.01)


def group_clock(home: tuple[int, Path] | None = None) -> GroupClock | None:
    """A control group for one command, or None where this user may not make one.

    Args:
        home: version and directory of the group below which to make it; None finds that of this process.
    """
    try:
        place = home or own_cgroup()
        if place is None:
            return None
        _sweep(place[1])
        clock = GroupClock(place[1], place[0])
    except (OSError, GramwiseError):
        return None
    try:
        with clock.inside():
            pass
        usable = clock.cpu_s() is not None
    except OSError:
        usable = False
    if not usable:
        clock.close()
        return None
    return clock


class Command:
    """A running command and the clock of its tree.

    Args:
        argv: what to run.
        environment: of it.
        group: control group to start it in; None counts by resource usage.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str], group: GroupClock | None) -> None:
        self._group = group
        self.method = group.method if group else "resource usage at the end of the command, /proc meanwhile"
        self._ended_cpu_s: float | None = None
        with group.inside() if group else contextlib.nullcontext():
            self._process = subprocess.Popen(list(argv), env=dict(environment))
        self.pid = self._process.pid

    def wait(self) -> int:
        """Wait for the end; the exit code, or minus the signal that killed it."""
        while True:
            try:
                _, status, usage = os.wait4(self.pid, 0)
            except InterruptedError:
                continue
            break
        self._ended_cpu_s = usage.ru_utime + usage.ru_stime
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return self._process.returncode

    def send(self, number: int) -> None:
        """Pass a signal on to the command."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def cpu_s(self) -> float | None:
        """CPU seconds of the tree so far.

        At the end the greater of the two counts: the group misses what moved to another one, resource usage misses what
        nobody waited for, and neither counts anything that is not the command's.
        """
        counted_s = self._group.cpu_s() if self._group else None
        if self._ended_cpu_s is not None:
            return max(counted_s or 0.0, self._ended_cpu_s)
        return tree_cpu_s(self.pid) if self._group is None else counted_s

    def left_behind(self) -> int:
        """Processes of the command that live on, as far as they can be told."""
        return self._group.processes() if self._group else 0


class OwnClock:
    """CPU seconds of this process, all its threads and its children, since it was made."""

    method = "process clock, usage of children that were waited for, /proc for those that live"

    def __init__(self) -> None:
        self._first_s = self._now_s()

    def cpu_s(self) -> float | None:
        """CPU seconds so far; never falls below zero when a child was not waited for."""
        return max(0.0, self._now_s() - self._first_s)

    @staticmethod
    def _now_s() -> float:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        parents, own = _parents(), os.getpid()
        living_s = sum(tree_cpu_s(pid, parents) or 0.0 for pid, parent in parents.items() if parent == own)
        return time.process_time() + children.ru_utime + children.ru_stime + living_s


def tree_cpu_s(pid: int, parents: Mapping[int, int] | None = None) -> float | None:
    """CPU seconds of a process, its living descendants, and those that any of them waited for.

    Args:
        pid: root of the tree.
        parents: parent by process id; read from ``/proc`` when None.

    Returns:
        Seconds, in ticks of 10 ms; None when there is no such process.
    """
    root_s = _stat_cpu_s(pid)
    if root_s is None:
        return None
    known = _parents() if parents is None else parents
    below = [child for child, parent in known.items() if parent == pid]
    return root_s + sum(tree_cpu_s(child, known) or 0.0 for child in below)


def _parents() -> dict[int, int]:
    found = {}
    for entry in _PROC.glob("[0-9]*/stat"):
        fields = _fields(entry)
        if fields is not None:
            found[int(entry.parent.name)] = int(fields[1])
    return found


def _stat_cpu_s(pid: int) -> float | None:
    fields = _fields(_PROC / str(pid) / "stat")
    return None if fields is None else sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _fields(stat: Path) -> list[str] | None:
    """Fields from the third on: the second is a name in brackets that may hold anything."""
    try:
        return stat.read_text("utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None


def _write_pid(group: Path) -> None:
    (group / "cgroup.procs").write_text(str(os.getpid()), "ascii")


def _sweep(home: Path) -> None:
    """Take away the groups of measurements whose process is gone."""
    for group in home.glob("gramwise-[0-9]*-measure"):
        if not (_PROC / group.name.split("-")[1]).exists():
            with contextlib.suppress(OSError):
                group.rmdir()
