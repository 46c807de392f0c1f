"""A roofline fitted to measured kernels: the physical base that extrapolates.

    t_roof = max(ops / rate, bytes / bandwidth) + t_launch

The fitted rates hold their efficiencies, so nominal peaks are not needed. Source: Williams, Waterman and Patterson,
"Roofline: an insightful visual performance model for multicore architectures", CACM 52(4), 2009.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .kernels import Kernel
from .nonneg import Floats, nonnegative_relative

ROUNDS = 50

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Roof:
    """Fitted roofline of one family at one precision: seconds per operation, per byte and per launch."""

    s_per_flop: float
    s_per_byte: float
    launch_s: float

    def time_s(self, ops_flop: Floats, moved_bytes: Floats) -> Floats:
        """Seconds, shape of the arguments."""
        return np.maximum(ops_flop * self.s_per_flop, moved_bytes * self.s_per_byte) + self.launch_s

    def shares(self, kernel: Kernel) -> tuple[float, float]:
        """How far a kernel is bound by arithmetic rather than memory, and how much of its time is launch; 0 to 1."""
        arithmetic_s, memory_s = kernel.ops_flop * self.s_per_flop, kernel.moved_bytes * self.s_per_byte
        longer_s, both_s = max(arithmetic_s, memory_s), arithmetic_s + memory_s
        whole_s = longer_s + self.launch_s
        return (arithmetic_s / both_s if both_s else 0.5, self.launch_s / whole_s if whole_s else 0.0)


Roofs = Mapping[tuple[str, str], Roof]
"""By family and precision."""


def fit_roof(ops_flop: Floats, moved_bytes: Floats, time_s: Floats) -> Roof:
    """Rates and launch time with least relative error, each kernel assigned to the bound that holds it.

    Args:
        ops_flop, moved_bytes, time_s: shape (N,); N at least three.

    The maximum makes the problem non-convex: from three starts (all bound by arithmetic, all by memory, split at the
    median intensity), kernels are re-assigned until nothing moves, and the best end is kept.
    """
    intensity = ops_flop / np.maximum(moved_bytes, 1e-300)
    starts: list[Flags] = [
        np.ones(len(time_s), bool),
        np.zeros(len(time_s), bool),
        intensity > np.median(intensity),
    ]
    ends = [_settle(ops_flop, moved_bytes, time_s, bound) for bound in starts]
    return min(ends, key=lambda roof: float(np.sum((roof.time_s(ops_flop, moved_bytes) / time_s - 1.0) ** 2)))


def _settle(ops: Floats, moved: Floats, time_s: Floats, computing: Flags) -> Roof:
    roof = Roof(s_per_flop=0.0, s_per_byte=0.0, launch_s=0.0)
    for _ in range(ROUNDS):
        columns = np.column_stack([ops * computing, moved * ~computing, np.ones_like(time_s)])
        found = nonnegative_relative(columns, time_s)
        roof = Roof(s_per_flop=float(found[0]), s_per_byte=float(found[1]), launch_s=float(found[2]))
        if not (found[0] and found[1]):  # one bound holds all: nothing to re-assign
            return roof
        now: Flags = ops * roof.s_per_flop >= moved * roof.s_per_byte
        if (now == computing).all():
            return roof
        computing = now
    return roof
