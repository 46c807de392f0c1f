"""What is known or decided about the hours to come: forecasts, and what a solver put into the snapshot.

Solvers (`gramwise.optimize`) never see policies and policies never see solvers: they meet in these records, which the
runtime carries from one to the other.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from .series import Series

if TYPE_CHECKING:
    from .decision import Floats, Request

ClassKey: TypeAlias = "tuple[str, float | None, frozenset[str] | None]"
"""What makes requests alike for a solver: model, accuracy floor, allowed zones."""


def class_of(request: Request) -> ClassKey:
    """The class of a request."""
    return (request.model, request.accuracy_floor_frac, request.allowed_zones)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Intensity of a zone as somebody foresaw it at ``issued_s``.

    Attributes:
        zone: of the grid.
        issued_s: when it was made, Unix seconds: a decision at t may use only what was issued at or before t.
        series: the expected values, in g/kWh, with kind and source.
        low, high: ends of the interval of each step, in g/kWh; None where the source gives none.
        coverage_frac: share of outcomes that the interval is meant to hold; None without an interval.
    """

    zone: str
    issued_s: float
    series: Series
    low: tuple[float, ...] | None = None
    high: tuple[float, ...] | None = None
    coverage_frac: float | None = None

    def __post_init__(self) -> None:
        if self.issued_s != self.issued_s:
            raise ValueError("a forecast without the time of its issue is of no use: nobody could test it")
        for ends in (self.low, self.high):
            if ends is not None and len(ends) != len(self.series.values):
                raise ValueError("an interval has as many ends as the forecast has steps")
        if (self.low is None) != (self.high is None):
            raise ValueError("an interval has two ends")

    def at(self, time_s: float) -> float:
        """The expected value at ``time_s``; raises `DataGap` outside the span."""
        return self.series.at(time_s)

    def interval(self, time_s: float) -> tuple[float, float] | None:
        """Both ends at ``time_s``, or None where the source gives none; raises `DataGap` outside the span."""
        self.series.at(time_s)
        if self.low is None or self.high is None:
            return None
        step = bisect_right(self.series.times_s, time_s) - 1
        return self.low[step], self.high[step]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Guidance:
    """What a solver decided for the slot of time that is running; N nodes, P rows of the plan table.

    Attributes:
        start_s, end_s: the slot, Unix seconds; after ``end_s`` it is stale and policies fall back on grams.
        price_g_per_s: grams that one more second of each node would save, (N,): the shadow prices.
        fractions: share of a class's requests that each row should get, (P,), summing to 1 over the class's rows.
        fresh_frac: of deferrable requests that arrive in this slot, the share that starts at once; 1 where left out.
        release_before_s: deferrable requests already waiting that arrived before this moment start in this slot;
            all of them where left out.
        bound_g: least grams for the work planned over the solver's horizon, if it was proven.
    """

    start_s: float
    end_s: float
    price_g_per_s: Floats
    fractions: Mapping[ClassKey, Floats]
    fresh_frac: Mapping[ClassKey, float] = field(default_factory=dict)
    release_before_s: Mapping[ClassKey, float] = field(default_factory=dict)
    bound_g: float | None = None
