"""CPU seconds of other processes and of control groups, read from the kernel's own counters.

A node's energy is metered through these: they know nothing of requests, so they can check the sum over
requests. Both count nanoseconds or microseconds of scheduled time, unlike ``/proc/PID/stat``, whose tick of
10 ms is longer than an inference. Every value is monotonic while its process or group lives.

The kernel brings a counter up to date when a thread leaves its CPU and at each scheduler tick: read from
outside, a thread that is running at that moment shows its time up to the last tick (4 ms at 250 Hz, 1 to 10
ms elsewhere). Read them over windows of seconds, or when the node is at rest, where they are exact.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from pathlib import Path

from gramwise.core.errors import MeterAbsent, MeterDenied, MeterError

_S_PER_NS = 1e-9
_S_PER_US = 1e-6

_SCHEDULED_CLOCK = 2
"""A CPU clock id of Linux is the inverted pid above three bits; 2 in them asks for scheduled time."""

_GONE = frozenset({errno.ENOENT, errno.ENODEV, errno.ESRCH, errno.ENOTDIR})


def process_cpu_s(pid: int) -> float | None:
    """User and system CPU seconds of all threads of a process, dead threads included.

    A child that has ended keeps its clock until it is waited for, so its last value can still be read then.
    Afterwards
    the kernel may give the number to another process: stop asking once the child has been waited for.

    Args:
        pid: process id, > 0.

    Returns:
        Seconds since the process started, or None when there is no such process.

    Raises:
        ValueError: pid is not positive.
        MeterAbsent: not Linux.
        MeterError: the kernel refused for another reason.

    Source: Linux, ``include/linux/posix-timers_types.h`` (CPUCLOCK_SCHED); the inverse of
    clock_getcpuclockid(3).
    """
    if pid <= 0:
        raise ValueError(f"a process id is positive, not {pid}")
    if sys.platform != "linux":
        raise MeterAbsent(
            "the CPU clock of another process is read by a Linux clock id; this system is not Linux"
        )
    try:
        return time.clock_gettime_ns((~pid << 3) | _SCHEDULED_CLOCK) * _S_PER_NS
    except OSError as fault:
        if fault.errno in (errno.EINVAL, errno.ESRCH):
            return None
        raise MeterError(
            f"the kernel did not give the CPU clock of process {pid}: {fault.strerror}"
        ) from fault


def cgroup_cpu_s(path: str | Path) -> float | None:
    """CPU seconds of every process that is or ever was in a control group or in a group below it.

    Args:
        path: directory of the group: of version 2, or of a version 1 hierarchy with the ``cpuacct``
            controller.

    Returns:
        Seconds since the group was made (version 1: since it was last reset), or None when there is no such
        group.

    Raises:
        MeterAbsent: the directory is there and holds neither counter.
        MeterDenied: this user may not read it.
        MeterError: the counter does not read as a number.

    Source: kernel documentation, ``admin-guide/cgroup-v1/cpuacct`` (``cpuacct.usage``, nanoseconds) and
    ``admin-guide/cgroup-v2`` (``cpu.stat``, ``usage_usec``, microseconds).
    """
    group = Path(path)
    usage = _read(group / "cpuacct.usage")
    if usage is not None:
        return _number(usage, group / "cpuacct.usage") * _S_PER_NS
    stat = _read(group / "cpu.stat")
    for line in (stat or "").splitlines():
        key, _, value = line.partition(" ")
        if key == "usage_usec":
            return _number(value, group / "cpu.stat") * _S_PER_US
    if not group.is_dir():
        return None
    raise MeterAbsent(
        f"{group} holds neither cpuacct.usage nor a cpu.stat with usage_usec. Name a directory of the cpuacct"
        " hierarchy (cgroup version 1) or of the unified one (version 2)."
    )


def own_cgroup(proc: str | Path = "/proc/self") -> tuple[int, Path] | None:
    """The control group whose CPU counter covers this process.

    Args:
        proc: directory with the files ``cgroup`` and ``mountinfo`` of a process.

    Returns:
        Version (1 or 2) and directory, the ``cpuacct`` hierarchy first where both are mounted; None when
        neither is.

    Source: cgroups(7), section "/proc files"; proc_pid_mountinfo(5).
    """
    groups: dict[str, str] = {}
    for line in (_read(Path(proc) / "cgroup") or "").splitlines():
        _, controllers, path = line.split(":", 2)
        groups |= dict.fromkeys(controllers.split(","), path)
    mounts = _cgroup_mounts(Path(proc) / "mountinfo")
    for version, controller in ((1, "cpuacct"), (2, "")):
        if controller in groups and controller in mounts:
            top, mount_point = mounts[controller]
            # A container sees a hierarchy from its own group downwards: the mount's root is cut off the path.
            below = os.path.relpath(groups[controller], top)
            directory = Path(mount_point) if below.startswith("..") else Path(mount_point) / below
            return version, directory
    return None


def _cgroup_mounts(mountinfo: Path) -> dict[str, tuple[str, str]]:
    """Root and mount point by controller; the unified hierarchy under the empty name."""
    found: dict[str, tuple[str, str]] = {}
    for line in (_read(mountinfo) or "").splitlines():
        mount, _, filesystem = line.partition(" - ")
        root, mount_point = mount.split()[3:5]
        kind, _, options = filesystem.split(" ", 2)
        if kind == "cgroup":
            found |= dict.fromkeys(options.split(","), (root, mount_point))
        elif kind == "cgroup2":
            found[""] = (root, mount_point)
    return found


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except PermissionError as fault:
        raise MeterDenied(f"{file} may not be read by this user. Run: sudo chmod o+r {file}") from fault
    except OSError as fault:
        if fault.errno in _GONE:
            return None
        raise MeterError(f"{file} cannot be read: {fault.strerror}") from fault


def _number(text: str, file: Path) -> int:
    try:
        return int(text)
    except ValueError as fault:
        raise MeterError(f"{file} reads {text.strip()!r}, which is not a counter") from fault
