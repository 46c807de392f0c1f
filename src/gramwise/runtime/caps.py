"""Limits on a node's CPU and memory: control groups where this user may make them, a declared virtual speed elsewhere.

The CFS period decides whether "0.4 CPU" means anything for one request: with the kernel's (and docker's) default of
100 ms a node that is not saturated answers a 10 ms request at full speed, so the default here is 10 ms.
Source: docs/method/caps.md, kernel documentation ``scheduler/sched-bwc`` and ``admin-guide/cgroup-v2``.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from gramwise.core.errors import ConfigError, ExecutionError

Kind = Literal["cgroup-v2", "cgroup-v1", "virtual"]

PERIOD_S = 0.01
"""Default CFS period: of the order of one inference, so that a cap binds on every request."""

_LEAST_QUOTA_S = 0.001
_LONGEST_PERIOD_S = 1.0
_REMOVE_TRIES = 100

_HOST_LEAF = "gramwise-host"
"""Group of version 2 into which our own processes move, since a group with children may hold none."""


@dataclass(frozen=True, slots=True)
class Group:
    """The limits of one node, made real.

    Attributes:
        kind: how.
        join: files into which a process writes its id to be limited; empty when virtual.
        counter: directory whose CPU counter covers the group; None when virtual.
        share: CPU cores.
        memory_bytes: cap.
        directories: what `remove` takes away again.
        events: file that counts out-of-memory kills, if any.
    """

    kind: Kind
    share: float
    memory_bytes: int
    join: tuple[Path, ...] = ()
    counter: Path | None = None
    directories: tuple[Path, ...] = ()
    events: Path | None = None

    def memory_kills(self) -> int:
        """How often a process of the group was killed for memory, as far as the kernel tells."""
        if self.events is None:
            return 0
        with contextlib.suppress(OSError, ValueError):
            for line in self.events.read_text(encoding="ascii").splitlines():
                key, _, value = line.partition(" ")
                if key == "oom_kill":
                    return int(value)
        return 0

    def remove(self) -> None:
        """Take the group away; its processes must have ended. A group that is still busy is tried for a second."""
        for directory in self.directories:
            for _ in range(_REMOVE_TRIES):
                try:
                    directory.rmdir()
                    break
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.01)


class Maker(Protocol):
    """Makes groups of one kind."""

    @property
    def kind(self) -> Kind:
        """How."""
        ...

    def make(self, name: str, share: float, memory_bytes: int) -> Group:
        """A fresh group with these limits."""
        ...


@dataclass(frozen=True, slots=True)
class Virtual:
    """No limit by the kernel: the node sleeps after each run so that its speed is ``share``; memory is not enforced."""

    kind: Kind = "virtual"

    def make(self, name: str, share: float, memory_bytes: int) -> Group:
        """See `Maker`."""
        return Group(kind="virtual", share=share, memory_bytes=memory_bytes)


@dataclass(frozen=True, slots=True)
class CgroupV1:
    """Groups in the ``cpu``, ``cpuacct`` and ``memory`` hierarchies of version 1."""

    root: Path
    period_s: float = PERIOD_S
    kind: Kind = "cgroup-v1"
    prefix: str = field(default_factory=lambda: f"gramwise-{os.getpid()}-{uuid.uuid4().hex[:6]}")

    def make(self, name: str, share: float, memory_bytes: int) -> Group:
        """See `Maker`."""
        quota_us, period_us = quota(name, share, self.period_s)
        leaf = f"{self.prefix}-{name}"
        cpu, account, memory = (self.root / part / leaf for part in ("cpu", "cpuacct", "memory"))
        group = Group(
            kind=self.kind,
            share=share,
            memory_bytes=memory_bytes,
            join=tuple(d / "cgroup.procs" for d in (cpu, account, memory)),
            counter=account,
            directories=(cpu, account, memory),
            events=memory / "memory.oom_control",
        )
        with _undone_on_fault(group):
            for directory in group.directories:
                directory.mkdir(exist_ok=True)
            _write(cpu / "cpu.cfs_period_us", period_us)
            _write(cpu / "cpu.cfs_quota_us", quota_us)
            _write(memory / "memory.limit_in_bytes", memory_bytes)
        return group


@dataclass(frozen=True, slots=True)
class CgroupV2:
    """Groups below a delegated directory of the unified hierarchy."""

    root: Path
    period_s: float = PERIOD_S
    kind: Kind = "cgroup-v2"
    prefix: str = field(default_factory=lambda: f"gramwise-{os.getpid()}-{uuid.uuid4().hex[:6]}")

    def make(self, name: str, share: float, memory_bytes: int) -> Group:
        """See `Maker`."""
        quota_us, period_us = quota(name, share, self.period_s)
        leaf = self.root / f"{self.prefix}-{name}"
        group = Group(
            kind=self.kind,
            share=share,
            memory_bytes=memory_bytes,
            join=(leaf / "cgroup.procs",),
            counter=leaf,
            directories=(leaf,),
            events=leaf / "memory.events",
        )
        with _undone_on_fault(group):
            leaf.mkdir(exist_ok=True)
            _write(leaf / "cpu.max", f"{quota_us} {period_us}")
            _write(leaf / "memory.max", memory_bytes)
        return group


def quota(node: str, share: float, period_s: float) -> tuple[int, int]:
    """CFS quota and period, in whole microseconds as the kernel takes them.

    Args:
        node: its name, for the error.
        share: CPU cores.
        period_s: wanted period; a share so small that its quota would be under the kernel's least gets a longer one.

    Raises:
        ConfigError: the share is below what the longest period can express.

    Source: kernel documentation ``scheduler/sched-bwc``: quota at least 1 ms, period 1 ms to 1 s.
    """
    if share < _LEAST_QUOTA_S / _LONGEST_PERIOD_S:
        raise ConfigError(
            f"the kernel takes CPU shares of at least 0.001, not {share:g}.",
            key=f"nodes.{node}.cpu_share",
            fix="Write 0.001 or more.",
        )
    period_us = round(max(period_s, _LEAST_QUOTA_S / share) * 1e6)
    return max(round(_LEAST_QUOTA_S * 1e6), round(period_us * share)), min(period_us, 1_000_000)


def find(
    wanted: str = "auto",
    period_s: float = PERIOD_S,
    *,
    sys_root: Path = Path("/sys/fs/cgroup"),
    proc: Path = Path("/proc/self"),
    touch: bool = True,
) -> Maker:
    """The strongest kind of cap that this user may set here, or the one that is asked for.

    Args:
        wanted: ``auto``, ``cgroup-v2``, ``cgroup-v1`` or ``virtual``.
        period_s: CFS period, 0.001 to 1 s (the kernel's limits).
        sys_root, proc: where the hierarchies and this process's groups are found; for tests.
        touch: make and remove a group to be sure, and take away what runs that were killed have left behind; False
            only looks.

    Raises:
        ConfigError: the kind that was asked for cannot be set here; says why and what to write.
    """
    if not 0.001 <= period_s <= 1.0:
        raise ConfigError(
            f"the kernel takes CFS periods of 0.001 to 1 s, not {period_s}.",
            key="executor.period_s",
            fix="Write 0.01.",
        )
    tried: list[str] = []
    for kind, look in (("cgroup-v2", _find_v2), ("cgroup-v1", _find_v1)):
        if wanted in ("auto", kind):
            maker, why = look(sys_root, proc, period_s, touch)
            if maker is not None:
                return maker
            tried.append(why)
    if wanted in ("auto", "virtual"):
        return Virtual()
    raise ConfigError(
        f"{wanted} caps cannot be set here: {'; '.join(tried)}.",
        key="executor.caps",
        fix='Write caps = "auto" (falls back to a declared virtual speed), or run as a user who may.',
    )


def _find_v1(sys_root: Path, proc: Path, period_s: float, touch: bool) -> tuple[Maker | None, str]:
    for part, file in (
        ("cpu", "cpu.cfs_quota_us"),
        ("cpuacct", "cpuacct.usage"),
        ("memory", "memory.limit_in_bytes"),
    ):
        home = sys_root / part
        if not (home / file).exists() and not (home / "cgroup.procs").exists():
            return None, f"no cgroup version 1 hierarchy {part!r} under {sys_root}"
        if not os.access(home, os.W_OK):
            return None, f"{home} may not be written by this user"
    maker = CgroupV1(sys_root, period_s)
    return _tried(maker, [sys_root / part for part in ("cpu", "cpuacct", "memory")]) if touch else (maker, "")


def _find_v2(sys_root: Path, proc: Path, period_s: float, touch: bool) -> tuple[Maker | None, str]:
    home = _own_unified_group(sys_root, proc)
    if home is None:
        return None, "no unified cgroup hierarchy (version 2) is mounted"
    missing = {"cpu", "memory"} - set(_words(home / "cgroup.controllers"))
    if missing:
        return None, f"controllers {', '.join(sorted(missing))} are not delegated to {home}"
    if not os.access(home, os.W_OK) or not os.access(home / "cgroup.subtree_control", os.W_OK):
        return None, f"{home} may not be written by this user"
    maker = CgroupV2(home, period_s)
    if not touch:
        return maker, ""
    try:
        _hand_down(home)
    except OSError as fault:
        return None, f"controllers cannot be handed down in {home}: {fault.strerror}"
    return _tried(maker, [home])


def _own_unified_group(sys_root: Path, proc: Path) -> Path | None:
    for mount in (sys_root, sys_root / "unified"):
        if (mount / "cgroup.controllers").exists():
            with contextlib.suppress(OSError):
                for line in (proc / "cgroup").read_text(encoding="ascii").splitlines():
                    if line.startswith("0::"):
                        own = mount / line[3:].strip().lstrip("/")
                        # An earlier run moved this shell into the leaf: the group to work in is the one above.
                        return own.parent if own.name == _HOST_LEAF else own
    return None


def _hand_down(home: Path) -> None:
    """Give the group's children the controllers. A group with children may hold no process, so ours move to a leaf."""
    control = home / "cgroup.subtree_control"
    if {"cpu", "memory"} <= set(_words(control)):
        return
    try:
        _write(control, "+cpu +memory")
    except OSError:
        leaf = home / _HOST_LEAF
        leaf.mkdir(exist_ok=True)
        for pid in _words(home / "cgroup.procs"):
            with contextlib.suppress(ProcessLookupError):
                _write(leaf / "cgroup.procs", pid)
        _write(control, "+cpu +memory")


def _tried(maker: Maker, homes: list[Path]) -> tuple[Maker | None, str]:
    """A maker that has made and removed one group: permission bits alone do not tell."""
    for home in homes:
        _sweep(home)
    try:
        maker.make("probe", 0.5, 64 * 2**20).remove()
    except (OSError, ExecutionError) as fault:
        return None, f"making a {maker.kind} group failed: {fault}"
    return maker, ""


def _sweep(home: Path) -> None:
    """Remove the groups of runs whose process is gone: one that was killed could not clean up."""
    for group in home.glob("gramwise-[0-9]*-*"):
        pid = group.name.split("-")[1]
        if pid.isdigit() and not Path("/proc", pid).exists():
            with contextlib.suppress(OSError):
                group.rmdir()


@contextlib.contextmanager
def _undone_on_fault(group: Group) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        group.remove()
        raise ExecutionError(
            f"the kernel refused a cap of {group.share} CPU and {group.memory_bytes} bytes: {fault}"
        ) from fault


def _write(file: Path, value: object) -> None:
    file.write_text(str(value), encoding="ascii")


def _words(file: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return file.read_text(encoding="ascii").split()
    return []


def join(files: tuple[Path, ...] | list[str]) -> None:
    """Put this process into a group; called by the node itself before it allocates anything.

    Raises:
        OSError: the kernel refuses.
    """
    for file in files:
        _write(Path(file), os.getpid())


def core_count() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else (os.cpu_count() or 1)


def examine() -> dict[str, object]:
    """What `doctor` says about caps: the kind that ``auto`` gives here, and why the stronger ones are not had."""
    refused = {}
    for kind in ("cgroup-v2", "cgroup-v1"):
        try:
            find(kind, touch=False)
        except ConfigError as fault:
            refused[kind] = fault.message
        else:
            return {"kind": kind, "refused": refused}
    return {"kind": "virtual", "refused": refused}
