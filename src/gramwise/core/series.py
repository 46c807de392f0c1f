"""A step function of time: grid intensity, power, anything that holds until the next value."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from .errors import DataGap
from .quantity import Basis, Signal


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Right-open steps: ``values[i]`` holds on ``[times_s[i], times_s[i+1])`` and the last one until ``end_s``.

    Attributes:
        times_s: Unix seconds UTC, strictly increasing, at least one.
        values: one per time, in ``unit``; NaN marks a gap in the source (missing is not zero).
        end_s: end of the last step.
        unit: for instance ``"g/kWh"``.
        signal: average or marginal.
        basis: lifecycle or direct.
        source: where it comes from; never empty.
    """

    times_s: tuple[float, ...]
    values: tuple[float, ...]
    end_s: float
    unit: str
    signal: Signal
    basis: Basis
    source: str

    def __post_init__(self) -> None:
        if not self.times_s or len(self.times_s) != len(self.values):
            raise ValueError("a series needs as many values as times, at least one")
        if not all(a < b for a, b in zip(self.times_s, self.times_s[1:], strict=False)):
            raise ValueError("times of a series increase strictly")
        if not self.times_s[-1] < self.end_s:  # a time that is not a number fails here too
            raise ValueError("a series ends after its last step begins")
        if not self.source.strip():
            raise ValueError("a series without a source is not a series")

    def at(self, time_s: float) -> float:
        """The value in force at ``time_s``.

        Raises:
            DataGap: outside the span, or in a step whose value is missing.
        """
        if not (self.times_s[0] <= time_s < self.end_s):
            raise DataGap(
                f"{self.source}: no value at {time_s:.0f}, only from {self.times_s[0]:.0f} to {self.end_s:.0f}"
            )
        value = self.values[bisect_right(self.times_s, time_s) - 1]
        if value != value:
            raise DataGap(f"{self.source}: the value at {time_s:.0f} is missing")
        return value

    def mean(self, start_s: float, end_s: float) -> float:
        """Time-weighted mean over ``[start_s, end_s)``; for an empty interval, the value at ``start_s``.

        Raises:
            DataGap: any part of the interval is outside the span or missing.
        """
        if end_s <= start_s:
            return self.at(start_s)
        if end_s > self.end_s:
            raise DataGap(f"{self.source}: no value after {self.end_s:.0f}")
        total, t = 0.0, start_s
        while t < end_s:
            value = self.at(t)
            i = bisect_right(self.times_s, t)
            step_end = min(self.times_s[i] if i < len(self.times_s) else self.end_s, end_s)
            total += value * (step_end - t)
            t = step_end
        return total / (end_s - start_s)

    @classmethod
    def constant(
        cls, value: float, *, unit: str, source: str, signal: Signal = "average", basis: Basis = "lifecycle"
    ) -> Series:
        """One value for all time."""
        return cls(
            times_s=(float("-inf"),),
            values=(value,),
            end_s=float("inf"),
            unit=unit,
            signal=signal,
            basis=basis,
            source=source,
        )


def percentile(values: Sequence[float], frac: float) -> float | None:
    """The smallest value with at least ``frac`` of the values at or below it (nearest rank), or None for none.

    Nearest rank never invents a latency that no request had.
    """
    if not values:
        return None
    ordered = sorted(values)
    # 100 x 0.07 is a little above 7 in binary: a product that is whole but for rounding is whole.
    rank = max(1, math.ceil(len(ordered) * frac - 1e-9))
    return ordered[min(len(ordered), rank) - 1]
