"""A powercap directory as Linux lays it out, on disk, with counters that a test can move."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

RANGE_UJ = 262_143_328_850
"""``max_energy_range_uj`` of an Intel laptop package, as its owner published it."""

NOBODY = 65534

_AS_NOBODY = f"""
import json, os, sys
from gramwise.core.errors import MeterDenied
from gramwise.power.clocks import cgroup_cpu_s
from gramwise.power.doctor import examine
from gramwise.power.meters.rapl import Rapl
examine(watch_s=0.0)
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid({NOBODY})
    os.setuid({NOBODY})
"""


class Powercap:
    """The tree below ``/sys``: real directories in ``devices``, links to them in ``class``."""

    def __init__(self, sys: Path) -> None:
        self.root = sys / "class/powercap"
        self._devices = sys / "devices/virtual/powercap"
        self.root.mkdir(parents=True)
        self._devices.mkdir(parents=True)

    def zone(self, zone: str, name: str, energy_uj: int = 0, range_uj: int = RANGE_UJ) -> Path:
        """Add ``intel-rapl:0``, ``intel-rapl:0:2`` or ``intel-rapl-mmio:0``; returns its counter."""
        control, *numbers = zone.split(":")
        steps = [control, *(":".join([control, *numbers[: i + 1]]) for i in range(len(numbers)))]
        directory = self._devices.joinpath(*steps)
        directory.mkdir(parents=True)
        (directory / "name").write_text(f"{name}\n")
        (directory / "max_energy_range_uj").write_text(f"{range_uj}\n")
        (directory / "energy_uj").write_text(f"{energy_uj}\n")
        for link in (control, zone):
            if not (self.root / link).exists():
                target = Path("../../devices/virtual/powercap", *steps[: 1 if link == control else None])
                (self.root / link).symlink_to(target)
        return directory / "energy_uj"

    @contextmanager
    def running(self, counter: Path, step_uj: int = 5000) -> Iterator[None]:
        """Let a counter rise every millisecond, as the hardware does, while the block runs."""
        stop = threading.Event()
        new = counter.with_name("energy_uj.new")

        def count() -> None:
            energy_uj = int(counter.read_text())
            while not stop.wait(0.001):
                energy_uj += step_uj
                new.write_text(f"{energy_uj}\n")
                new.replace(counter)  # a reader sees the old number or the new one, never half of it

        thread = threading.Thread(target=count)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


@pytest.fixture
def powercap(tmp_path: Path) -> Powercap:
    return Powercap(tmp_path / "sys")


@pytest.fixture
def locked() -> Iterator[Powercap]:
    """A package whose counter nobody but root may read, in a place that everybody may enter."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        powercap = Powercap(Path(place) / "sys")
        powercap.zone("intel-rapl:0", "package-0").chmod(0)
        yield powercap


@pytest.fixture
def as_nobody() -> Callable[..., str]:
    """Runs Python code in a child process without the rights of root and returns what it prints."""

    def run(code: str, *arguments: str | Path) -> str:
        # Everything is loaded before the rights are dropped: nobody may not be allowed to read it.
        child = subprocess.run(
            [sys.executable, "-c", _AS_NOBODY + code, *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert child.returncode == 0, child.stderr
        return child.stdout

    return run


@pytest.fixture
def cpuinfo(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a ``cpuinfo`` with the given processor flags."""

    def write(flags: str) -> Path:
        file = tmp_path / "proc" / "cpuinfo"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"processor\t: 0\nflags\t\t: fpu sse2 {flags}\nbugs\t\t:\n")
        return file

    return write
