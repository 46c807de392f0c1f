"""The energy model used where nothing can be metered, and the balance that checks it.

A node stands for a device of the catalogue. Its dynamic energy is taken as proportional to the work done, and
the work is known by the CPU seconds it took on the host that runs the node:

    E_marginal = t_cpu x s x (P_busy - P_idle),    s = r_host / R_device

``s`` is the time that the *whole* device at full load needs for the work of one CPU-second of the host. The
whole device's dynamic power is charged for exactly that time. Idle power is a matter of time, not of work: it
is ``P_idle x window`` and stays a field of its own. A linear model of utilisation is the standard baseline:
Fan, Weber and Barroso, "Power provisioning for a warehouse-sized computer", ISCA 2007, section 3.2. See
docs/method/power.md.
"""

from __future__ import annotations

import math
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from gramwise.core.errors import MeterError
from gramwise.core.quantity import Quantity, weakest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

FloatOrArray = TypeVar("FloatOrArray", float, "npt.NDArray[np.float64]")

_ONE_BLAS_THREAD = dict.fromkeys(
    (
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "BLIS_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "OMP_NUM_THREADS",
    ),
    "1",
)


def marginal_energy_j(
    cpu_s: FloatOrArray,
    speed_factor: FloatOrArray | float,
    idle_w: FloatOrArray | float,
    busy_w: FloatOrArray | float,
) -> FloatOrArray:
    """Dynamic energy of a piece of work: what would not have been spent without it.

    Args:
        cpu_s: CPU seconds that the work took on the host, >= 0; scalar or array.
        speed_factor: seconds of the whole device per CPU-second of the host (see `speed_factor`); scalar or
            like cpu_s.
        idle_w: power of the whole device doing nothing, watts.
        busy_w: power of the whole device at full load, watts, >= idle_w.

    Returns:
        Joules, shape of cpu_s; NaN wherever a factor is NaN (unknown stays unknown).

    Equation: ``E = t_cpu x s x (P_busy - P_idle)``: Fan, Weber and Barroso 2007 (linear in utilisation),
    integrated over time.
    """
    return cpu_s * speed_factor * (busy_w - idle_w)


def idle_energy_j(window_s: FloatOrArray, idle_w: FloatOrArray | float) -> FloatOrArray:
    """Energy that a device spends over a window whatever it is asked.

    Args:
        window_s: length of the window, seconds; scalar or array.
        idle_w: power of the whole device doing nothing, watts.

    Returns:
        Joules, shape of window_s: ``P_idle x t``.
    """
    return window_s * idle_w


def speed_factor(host_flop_per_s: FloatOrArray, device_flop_per_s: FloatOrArray | float) -> FloatOrArray:
    """Seconds that the whole device at full load needs for the work of one CPU-second of the host.

    The host's rate is that of one CPU (FLOP per CPU-second), the device's that of all its cores at once; so
    ``cpu_s x speed_factor`` is the time for which the whole device's dynamic power, ``busy_w - idle_w``, is
    spent. Two
    assumptions stand behind it: dynamic power is proportional to work, and inference scales between the two
        machines
    as the measured dense arithmetic does. A network bound by memory, or an integer unit on one side only,
    breaks the second; a scenario may then declare the factor.

    Args:
        host_flop_per_s: double-precision FLOP per CPU-second of the host, > 0.
        device_flop_per_s: sustained double-precision FLOP/s of the whole device, > 0, measured in a like way.

    Returns:
        ``r_host / R_device``, a ratio; shape of host_flop_per_s.
    """
    return host_flop_per_s / device_flop_per_s


def speed_factor_quantity(host: Quantity, device: Quantity) -> Quantity:
    """`speed_factor` with its interval: least with the slowest host and the fastest device.

    Args:
        host: FLOP/s of one CPU of the host, see `host_rate_flop_per_s`.
        device: ``facts["sustained_flop_per_s"]`` of the device.

    Returns:
        A ratio (unit "1"), with the boundary of the device and "modelled", or "assumed" if either rate is.
    """
    return Quantity(
        value=speed_factor(host.value, device.value),
        low=speed_factor(host.low, device.high),
        high=speed_factor(host.high, device.low),
        unit="1",
        method=weakest("modelled", host.method, device.method),
        boundary=device.boundary,
        source=f"host rate ({host.source}) / device rate ({device.source})",
    )


def host_rate_flop_per_s(seconds: float = 0.3) -> Quantity:
    """Measure how much double-precision arithmetic one CPU-second of this host does.

    A child process with one BLAS thread multiplies square matrices over and over (``dgemm``) and divides the
    FLOP by its CPU seconds. One thread, because BLAS threads that wait for a busy neighbour spin, and
    spinning is CPU time without arithmetic; CPU time, so that a neighbour who takes the CPU away does not
    count. The device rates of the catalogue are HPL (LINPACK), of which dgemm is the core: on one machine HPL
    reaches some fraction of the rate of dgemm, so this rate errs upwards against theirs. The interval is the
    least and the greatest of the repeats and does not cover that difference.

    Args:
        seconds: CPU seconds to spend, at least five repeats whatever it says; starting the child adds to
            them.

    Returns:
        Median with least and greatest, unit "FLOP/s" (per CPU-second of one CPU), measured, boundary chip.

    Raises:
        MeterError: the child process failed.
    """
    return rate_of_host("double", seconds)


_KINDS = {
    "double": ("FLOP/s", "dgemm"),
    "single": ("FLOP/s", "sgemm"),
    "copy": ("byte/s", "copies of 64 MiB, read and written,"),
}


def rate_of_host(kind: str, seconds: float) -> Quantity:
    """Measure one rate of one CPU of this host, in a child process with one BLAS thread (``dgemm.py``).

    Args:
        kind: ``"double"`` or ``"single"`` precision products, or ``"copy"``.
        seconds: CPU seconds to spend, at least five repeats whatever it says.

    Returns:
        Median with least and greatest, FLOP/s (byte/s of copies) per CPU-second, measured, boundary chip.

    Raises:
        MeterError: the child process failed.
    """
    unit, what = _KINDS[kind]
    rates = _rates_of_child(kind, seconds)
    return Quantity(
        value=statistics.median(rates),
        low=min(rates),
        high=max(rates),
        unit=unit,
        method="measured",
        boundary="chip",
        source=f"{what} on one CPU of this host, {len(rates)} repeats, per CPU-second",
    )


def _rates_of_child(kind: str, seconds: float) -> list[float]:
    program = Path(__file__).with_name("dgemm.py")
    try:
        child = subprocess.run(
            [sys.executable, "-P", str(program), kind, str(seconds)],
            env={**os.environ, **_ONE_BLAS_THREAD},
            capture_output=True,
            text=True,
            check=True,
        )
        return [float(line) for line in child.stdout.split()]
    except subprocess.CalledProcessError as fault:
        last = (fault.stderr.strip().splitlines() or ["no message"])[-1]
        raise MeterError(
            f"the rate of this host could not be measured: {program.name} ended with {last}"
        ) from fault
    except (OSError, ValueError) as fault:
        raise MeterError(f"the rate of this host could not be measured: {fault}") from fault


def energy_quantity(cpu_s: float, *, speed: Quantity | float, idle_w: Quantity, busy_w: Quantity) -> Quantity:
    """`marginal_energy_j` with its interval and provenance.

    The energy falls as idle power rises, so the low end takes idle at its highest. Where the intervals of
    idle and busy power overlap, the low end is 0: dynamic power cannot be negative.

    Args:
        cpu_s: CPU seconds on the host, by its clock.
        speed: speed factor; a plain number is one that the scenario declares.
        idle_w, busy_w: of the whole device, watts; normally ``device.facts["idle_w"]`` and ``["busy_w"]``.

    Returns:
        Joules, with the boundary of busy_w; "modelled", or "assumed" if a factor is only assumed. Where
        idle_w was taken at another boundary, the source says so.

    Raises:
        ValueError: the best estimate of busy_w is below that of idle_w.
    """
    if busy_w.value < idle_w.value:
        raise ValueError(f"busy power of {busy_w.value} W is below idle power of {idle_w.value} W")
    slow, usual, fast = (speed.low, speed.value, speed.high) if isinstance(speed, Quantity) else (speed,) * 3
    methods = [speed.method] if isinstance(speed, Quantity) else []
    return Quantity(
        value=marginal_energy_j(cpu_s, usual, idle_w.value, busy_w.value),
        low=max(0.0, marginal_energy_j(cpu_s, slow, idle_w.high, busy_w.low)),
        high=marginal_energy_j(cpu_s, fast, idle_w.low, busy_w.high),
        unit="J",
        method=weakest("modelled", idle_w.method, busy_w.method, *methods),
        boundary=busy_w.boundary,
        source=_energy_source(speed, idle_w, busy_w),
    )


def _energy_source(speed: Quantity | float, idle_w: Quantity, busy_w: Quantity) -> str:
    factor = speed.source if isinstance(speed, Quantity) else f"declared, {speed:g}"
    other = f", taken at the {idle_w.boundary}" if idle_w.boundary != busy_w.boundary else ""
    powers = f"busy power ({busy_w.source}) - idle power ({idle_w.source}{other})"
    return f"CPU seconds x speed factor ({factor}) x ({powers})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """Parts of the energy of one node (or of several, added) over one window, beside what the meter says.

    Attributes:
        attributed_j: marginal energy of the requests, summed.
        idle_j: idle energy of the window.
        overhead_j: marginal energy of the node's own work, by its own clocks, never as the remainder.
        metered_j: total of the meter or of the counter through the same model, idle included; None when
            unknown.
    """

    attributed_j: float
    idle_j: float
    overhead_j: float
    metered_j: float | None

    def __add__(self, other: Balance) -> Balance:
        known = self.metered_j is not None and other.metered_j is not None
        return Balance(
            attributed_j=self.attributed_j + other.attributed_j,
            idle_j=self.idle_j + other.idle_j,
            overhead_j=self.overhead_j + other.overhead_j,
            metered_j=(self.metered_j or 0.0) + (other.metered_j or 0.0) if known else None,
        )

    @property
    def closure_frac(self) -> float | None:
        """``(attributed + idle + overhead) / metered``; 1 is perfect, None unknown."""
        return _ratio(self.attributed_j + self.idle_j + self.overhead_j, self.metered_j)

    @property
    def dynamic_closure_frac(self) -> float | None:
        """``(attributed + overhead) / (metered - idle)``: the stricter one, idle being on both sides."""
        dynamic_j = None if self.metered_j is None else self.metered_j - self.idle_j
        return _ratio(self.attributed_j + self.overhead_j, dynamic_j)


def _ratio(part_j: float, whole_j: float | None) -> float | None:
    """None when the whole is unknown or not positive, or when any part is NaN."""
    if whole_j is None or not whole_j > 0:
        return None
    ratio = part_j / whole_j
    return ratio if math.isfinite(ratio) else None
