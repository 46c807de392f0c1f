"""One measured run from the line of its beginning to that of its end: clocks, meters, grid, and the ledger.

A thread reads the meters often enough that no counter wraps unseen, and writes a line whenever a fifth of the run so
far has passed: what a kill hides is at most that, or five minutes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import math
import os
import platform
import re
import threading
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from gramwise.core.clock import SystemClock
from gramwise.core.errors import DataError
from gramwise.core.phase import PhaseRun, Status
from gramwise.core.quantity import Quantity, evaluate
from gramwise.core.units import carbon_g
from gramwise.runtime.phaseenergy import Spent
from gramwise.runtime.phaseledger import LEDGER, append
from gramwise.runtime.phaseterms import Terms

PARENT = "GRAMWISE_MEASURED_BY"
"""Environment variable of everything inside a measured run: its id, a colon, and its ledger."""

_PARENT = re.compile(r"(?P<id>[0-9a-f]{32}):(?P<ledger>.+)", re.DOTALL)
_FIRST_BEAT_S, _LAST_BEAT_S, _BEAT_FRAC = 1.0, 300.0, 0.2
_SAMPLE_S = 30.0
"""Between readings of the meters: twice in the minute within which no counter wraps twice."""

_log = logging.getLogger(__name__)


class Measurement:
    """One run from its first line to its last.

    Args:
        terms: how it is measured.
        name: for people.
        argv: of the command, of which a digest is kept.
    """

    def __init__(self, terms: Terms, name: str, argv: Sequence[str]) -> None:
        self.id = uuid.uuid4().hex
        self._terms, self._grid, self._name, self._digest = terms, terms.grid, name, _digest(argv)
        around = outer()
        self._parent = around[0] if around else None
        self.ledger = Path(terms.ledger or (around[1] if around else LEDGER)).absolute()
        self._energy = terms.energy()
        self._host = host_facts()
        self._clock = SystemClock()
        self._cpu_s: Callable[[], float | None] = lambda: 0.0
        self._cpu_method = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beats, name="gramwise-measure", daemon=True)
        self._started_s = math.nan

    @property
    def mark(self) -> str:
        """What the environment of everything inside holds."""
        return f"{self.id}:{self.ledger}"

    def begin(self) -> None:
        """Watch the meters at rest, then write the first line.

        Raises:
            DataError: the ledger cannot be written.
        """
        self._energy.watch_idle(self._terms.watch_idle_s)
        self._energy.start()
        self._started_s = self._clock.now_s()
        append(self.ledger, self._record("unknown", Spent((), None, ()), None, self._started_s, ended=False))

    def follow(self, cpu_s: Callable[[], float | None], method: str) -> None:
        """Write a line now and then, with the CPU seconds of this clock."""
        self._cpu_s, self._cpu_method = cpu_s, method
        self._thread.start()

    def end(self, status: Status, notes: Sequence[str] = ()) -> PhaseRun:
        """Write the last line. A ledger that cannot be written loses the line and not the result: it is logged."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        run = self._now(status, ended=True, notes=notes)
        try:
            append(self.ledger, run)
        except DataError as fault:
            _log.error("the end of run %s is not in the ledger: %s", self.id, fault)
        return run

    def _beats(self) -> None:
        wait_s, written_s = _FIRST_BEAT_S, 0.0
        while not self._stop.wait(wait_s):
            passed_s = self._clock.now_s() - self._started_s
            gap_s = min(_LAST_BEAT_S, max(_FIRST_BEAT_S, passed_s * _BEAT_FRAC))
            wait_s = min(gap_s, _SAMPLE_S)
            if passed_s - written_s < gap_s:
                self._energy.sample()
                continue
            written_s = passed_s
            try:
                append(self.ledger, self._now("unknown", ended=False))
            except DataError as fault:
                _log.warning("run %s goes on without a line in the ledger: %s", self.id, fault)

    def _now(self, status: Status, *, ended: bool, notes: Sequence[str] = ()) -> PhaseRun:
        self._energy.sample()
        cpu_s, now_s = self._cpu_s(), self._clock.now_s()
        spent = self._energy.spent(now_s - self._started_s, cpu_s)
        return self._record(status, spent, cpu_s, now_s, ended=ended, notes=notes)

    def _record(
        self,
        status: Status,
        spent: Spent,
        cpu_s: float | None,
        now_s: float,
        *,
        ended: bool,
        notes: Sequence[str] = (),
    ) -> PhaseRun:
        known = self._grid.over(self._started_s, now_s, ask=ended)
        return PhaseRun(
            id=self.id,
            phase=self._terms.phase,
            name=self._name,
            started_s=self._started_s,
            seen_s=now_s,
            ended_s=now_s if ended else None,
            status=status,
            wall_s=now_s - self._started_s,
            cpu_s=cpu_s,
            cpu_method=self._cpu_method,
            energy=spent.energy,
            idle=spent.idle,
            parts=spent.parts,
            zone=self._terms.zone,
            intensity=known.intensity,
            signal=known.signal,
            basis=known.basis,
            pue=self._terms.pue,
            carbon=_grams(spent.energy, known.intensity, self._terms.pue),
            idle_carbon=_grams(spent.idle, known.intensity, self._terms.pue),
            host=self._host,
            command_digest=self._digest,
            parent=self._parent,
            notes=(*spent.notes, *((known.note,) if known.note else ()), *notes),
        )


def outer() -> tuple[str, str] | None:
    """Id and ledger of the measured run that this is inside of; None outside of any."""
    match = _PARENT.fullmatch(os.environ.get(PARENT, ""))
    return (match["id"], match["ledger"]) if match else None


def _grams(energy: Quantity | None, intensity: Quantity | None, pue: float) -> Quantity | None:
    if energy is None or intensity is None:
        return None
    return evaluate(
        lambda energy_j, intensity_g_per_kwh: carbon_g(energy_j, intensity_g_per_kwh, pue),
        unit="g",
        boundary=energy.boundary if pue == 1.0 else "site",
        source=f"energy x intensity ({intensity.source}) x PUE {pue:g}",
        energy_j=energy,
        intensity_g_per_kwh=intensity,
    )


def _digest(argv: Sequence[str]) -> str:
    return "sha256:" + hashlib.sha256(json.dumps(list(argv)).encode("utf-8", "surrogateescape")).hexdigest()


def host_facts() -> dict[str, str]:
    """What tells this machine apart and what explains its figures; its name is not kept, only a digest."""
    identity = platform.node()
    with contextlib.suppress(OSError):
        identity = Path("/etc/machine-id").read_text("ascii").strip() or identity
    return {
        "id": hashlib.sha256(f"gramwise {identity}".encode()).hexdigest()[:16],
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "cpu": _cpu_name(),
        "cpus": str(os.cpu_count() or "unknown"),
        "python": platform.python_version(),
    }


def _cpu_name() -> str:
    with contextlib.suppress(OSError):
        match = re.search(
            r"^(?:model name|Model)\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.M
        )
        if match:
            return match[1].strip()
    return platform.processor() or "unknown"
