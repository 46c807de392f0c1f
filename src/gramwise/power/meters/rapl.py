"""RAPL: the energy counters of x86 processors, through the powercap directory of Linux.

Read are the zones of the control type ``intel-rapl`` (AMD processors appear under that name too):

* the root zones, one a package or die: cores, caches, memory controller and integrated graphics;
* ``dram`` below them: the memory modules. The tree shows them as a part of the package, but the package
  counter does not contain their energy, so it is added (Khan et al., "RAPL in Action", ACM TOMPECS 3(2),
  2018).

Left out are ``core`` and ``uncore``, which are parts of the package; ``psys``, the whole platform, which
contains the packages; and the control type ``intel-rapl-mmio``, a second door to the package counter. All
other parts of a machine (disks, network, fans, losses of the power supply) are unseen: the boundary is the
chip.

A counter starts again at 0 after ``max_energy_range_uj``. One such wrap between two reads is undone; a
second one cannot be seen, nor can a reset be told from a wrap (some machines reset when they sleep). So read
at least once every ``max_energy_range_uj / power``. The range is 2^32 energy units: 262 kJ on most Intel
packages, 65.5 kJ (164 s at 400 W) where the unit is 15.3 microjoules, as for memory of servers and on AMD.
Once a minute is safe.

Sources: kernel documentation, ``power/powercap``; kernel source ``drivers/powercap/intel_rapl_common.c``.
"""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from gramwise.core.clock import Clock, SystemClock
from gramwise.core.errors import MeterAbsent, MeterDenied, MeterError
from gramwise.core.protocols import Reading
from gramwise.core.quantity import Boundary, Method

_J_PER_UJ = 1e-6
_ZONE = re.compile(r"intel-rapl:\d+(?P<below>:\d+)?")
_RULE = 'SUBSYSTEM=="powercap", KERNEL=="intel-rapl:*", RUN+="/bin/chmod o+r /sys%p/energy_uj"'
_RULE_FILE = "/etc/udev/rules.d/70-powercap-energy.rules"


@dataclass(slots=True)
class _Domain:
    """One counter and the joules that it has moved since it was first read."""

    counter: Path
    range_uj: int
    last_uj: int
    moved_uj: int = field(default=0)

    def advance(self, now_uj: int) -> None:
        step_uj = now_uj - self.last_uj
        self.moved_uj += step_uj if step_uj >= 0 else step_uj + self.range_uj
        self.last_uj = now_uj


class Rapl:
    """Joules of the processor packages and their memory since it was opened.

    Args:
        root: the powercap directory.
        cpuinfo: where the kernel describes the processor; asked why there are no counters.
        clock: stamps the readings.

    Raises:
        MeterAbsent: no counters; why.
        MeterDenied: counters that this user may not read: the file, and the command that opens it.
    """

    name = "rapl"
    method: ClassVar[Method] = "measured"
    boundary: ClassVar[Boundary] = "chip"

    def __init__(
        self,
        root: str | Path = "/sys/class/powercap",
        cpuinfo: str | Path = "/proc/cpuinfo",
        clock: Clock | None = None,
    ) -> None:
        self._root = Path(root)
        self._clock = clock or SystemClock()
        self._domains = {
            name: _Domain(
                counter=zone / "energy_uj",
                range_uj=self._number(zone / "max_energy_range_uj"),
                last_uj=self._number(zone / "energy_uj"),
            )
            for name, zone in self._zones().items()
        }
        if not self._domains:
            raise MeterAbsent(_why_absent(self._root, Path(cpuinfo)))

    def read(self) -> Reading:
        """Joules since the meter was opened, by domain: ``package-0``, ``package-0/dram`` ...

        Raises:
            MeterDenied: the permission was withdrawn meanwhile.
            MeterError: a counter has gone or cannot be read.
        """
        for domain in self._domains.values():
            domain.advance(self._number(domain.counter))
        return Reading(
            at_s=self._clock.now_s(),
            joules={name: domain.moved_uj * _J_PER_UJ for name, domain in self._domains.items()},
        )

    def longest_interval_s(self, power_w: float) -> float:
        """Seconds between two reads, at most, so that no wrap goes unseen when a domain draws ``power_w``."""
        return min(domain.range_uj for domain in self._domains.values()) * _J_PER_UJ / power_w

    def _zones(self) -> dict[str, Path]:
        """Directory by name of every zone whose energy is in no other one of them."""
        zones: dict[str, Path] = {}
        for zone in sorted(self._root.glob("intel-rapl:*")):
            match = _ZONE.fullmatch(zone.name)
            name_file = zone / "name"
            if match is None or not name_file.exists():
                continue
            name = self._text(name_file)
            if match["below"] is None and not name.startswith("psys"):
                key = name
            elif match["below"] is not None and name == "dram":
                key = f"{self._text(self._root / zone.name.rpartition(':')[0] / 'name')}/dram"
            else:
                continue
            zones[key if key not in zones else f"{key} ({zone.name})"] = zone
        return zones

    def _number(self, file: Path) -> int:
        text = self._text(file)
        try:
            return int(text)
        except ValueError as fault:
            raise MeterError(f"{file} reads {text!r}, which is not a counter") from fault

    def _text(self, file: Path) -> str:
        try:
            return file.read_text(encoding="utf-8", errors="replace").strip()
        except PermissionError as fault:
            raise MeterDenied(
                f"{file} may not be read by this user; kernels since 5.10 keep it for root (CVE-2020-8694)."
                f" Run: {_unlock(self._root)}"
            ) from fault
        except OSError as fault:
            raise MeterError(f"{file} cannot be read: {fault.strerror}") from fault


def _unlock(root: Path) -> str:
    """The command that lets every user read the counters, now and after each start of the machine."""
    now = f"sudo chmod o+r {root}/intel-rapl:*/energy_uj"
    return f"{now} && echo '{_RULE}' | sudo tee {_RULE_FILE}"


def _why_absent(root: Path, cpuinfo: Path) -> str:
    if any(zone.is_symlink() and not zone.exists() for zone in root.glob("intel-rapl:*")):
        return (
            f"{root} names RAPL zones whose directories are hidden, as containers do. Start the container"
            " with --security-opt systempaths=unconfined (Docker), or run gramwise outside it."
        )
    machine = platform.machine()
    if machine not in ("x86_64", "AMD64", "i686", "i386"):
        return f"RAPL is a counter of x86 processors and this one is {machine}."
    nothing = f"{root} has no RAPL package zone"
    if any(root.glob("intel-rapl:*")):
        return f"{nothing}, only zones that contain or are parts of one."
    if _is_virtual(cpuinfo):
        return f"{nothing}: this machine is virtual, and its host does not pass the counters on."
    return f"{nothing}: the kernel module is not loaded. Run: sudo modprobe intel_rapl_msr"


def _is_virtual(cpuinfo: Path) -> bool:
    """x86 processors under a hypervisor carry the flag of that name."""
    try:
        flags = re.search(r"^flags\s*:(.*)$", cpuinfo.read_text(errors="replace"), re.MULTILINE)
    except OSError:
        return False
    return flags is not None and "hypervisor" in flags[1].split()


PLUGIN = Rapl
