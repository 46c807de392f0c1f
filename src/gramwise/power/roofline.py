"""How long a piece of work takes on this host, predicted from two measured rates: the roofline.

    t = max(flop / R, bytes / B)

``R`` is the rate of dense arithmetic and ``B`` that of memory, each of one CPU and per CPU-second, so the answer is
thread CPU seconds: what a node on this host would be metered at. Source: Williams, Waterman and Patterson, "Roofline:
an insightful visual performance model for multicore architectures", CACM 52(4), 2009. It is a bound: no program is
faster on these rates, and most are slower (docs/method/profile.md says by how much).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gramwise.core.machines import Device
from gramwise.core.model import Work
from gramwise.core.quantity import Quantity

from .model import rate_of_host

if TYPE_CHECKING:
    import numpy.typing as npt

    from gramwise.core.decision import Floats

FALLBACK = "fp32"
"""Precision whose rate stands in for one that was not measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roof:
    """What one CPU of this host does at best.

    Attributes:
        flop_per_s: measured rate by precision, FLOP per CPU-second; `FALLBACK` is always there.
        bytes_per_s: bytes read and written per CPU-second.
    """

    flop_per_s: Mapping[str, Quantity]
    bytes_per_s: Quantity

    @property
    def source(self) -> str:
        """In words, for readers of what was predicted with it."""
        rates = ", ".join(f"{p} {q.value / 1e9:.3g} GFLOP/s" for p, q in self.flop_per_s.items())
        return f"roofline of one CPU of this host: {rates}, memory {self.bytes_per_s.value / 1e9:.3g} GB/s"


def roofline_s(
    flop: npt.ArrayLike,
    moved_bytes: npt.ArrayLike,
    flop_per_s: npt.ArrayLike,
    bytes_per_s: npt.ArrayLike,
) -> Floats:
    """Least seconds for work that computes and moves at the same time.

    Args:
        flop: floating or integer operations, >= 0; any shape.
        moved_bytes: bytes read and written, >= 0; a shape that fits.
        flop_per_s: rate of arithmetic, > 0; a shape that fits.
        bytes_per_s: rate of memory, > 0; a shape that fits.

    Returns:
        ``max(flop / flop_per_s, moved_bytes / bytes_per_s)``, the shape they make together; NaN where any is NaN.
        Source: Williams, Waterman and Patterson 2009.
    """
    arithmetic_s = np.asarray(flop, dtype=np.float64) / np.asarray(flop_per_s, dtype=np.float64)
    memory_s = np.asarray(moved_bytes, dtype=np.float64) / np.asarray(bytes_per_s, dtype=np.float64)
    longer: Floats = np.maximum(arithmetic_s, memory_s)
    return longer


def work_s(
    works: Sequence[Work], precisions: Sequence[str], roof: Roof, device: Device | None = None
) -> Floats:
    """CPU seconds of each piece of work on one CPU of this host.

    Args:
        works: n pieces.
        precisions: the type that each one's arithmetic runs in, n of them.
        roof: of this host.
        device: what the node stands for. Where the catalogue knows its peak both in a precision that was not measured
            here and in fp32, the host's fp32 rate is taken times their ratio; otherwise as it is.

    Returns:
        (n,) seconds.
    """
    rates = [_rate_flop_per_s(precision, roof, device) for precision in precisions]
    moved = [work.read_bytes + work.write_bytes for work in works]
    return roofline_s([work.flop for work in works], moved, rates, roof.bytes_per_s.value)


def stand_ins(precisions: Sequence[str], roof: Roof, device: Device | None = None) -> tuple[str, ...]:
    """How the rate of each precision that was not measured was obtained, one sentence each, sorted."""
    said = []
    for precision in sorted(set(precisions) - set(roof.flop_per_s)):
        ratio = _ratio(precision, device)
        how = f"as {FALLBACK}" if ratio is None else f"{ratio:.3g} x {FALLBACK}, by the peaks of its device"
        said.append(f"{precision} taken {how}")
    return tuple(said)


def _rate_flop_per_s(precision: str, roof: Roof, device: Device | None) -> float:
    if precision in roof.flop_per_s:
        return roof.flop_per_s[precision].value
    return roof.flop_per_s[FALLBACK].value * (_ratio(precision, device) or 1.0)


def _ratio(precision: str, device: Device | None) -> float | None:
    peaks = device.peak_flop_per_s if device else {}
    return peaks[precision] / peaks[FALLBACK] if precision in peaks and FALLBACK in peaks else None


def host_roof(seconds: float = 0.2) -> Roof:
    """Measure single and double precision products and copies on one CPU of this host.

    Args:
        seconds: CPU seconds to spend on each of the three, at least five repeats whatever it says.

    Raises:
        MeterError: a child process failed.
    """
    return Roof(
        flop_per_s={"fp32": rate_of_host("single", seconds), "fp64": rate_of_host("double", seconds)},
        bytes_per_s=host_bandwidth_bytes_per_s(seconds),
    )


def host_bandwidth_bytes_per_s(seconds: float = 0.2) -> Quantity:
    """Measure how many bytes one CPU-second of this host copies.

    A child process copies 64 MiB over and over and divides the bytes it read and wrote by its CPU seconds; a CPU that
    waits for memory counts as busy. What a smaller tensor finds in a cache is faster than this.

    Args:
        seconds: CPU seconds to spend, at least five repeats whatever it says.

    Returns:
        Median with least and greatest, unit "byte/s" (per CPU-second of one CPU), measured, boundary chip.

    Raises:
        MeterError: the child process failed.
    """
    return rate_of_host("copy", seconds)
