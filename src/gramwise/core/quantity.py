"""A number that knows where it comes from: what gramwise reports is made of these."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from .quick import quick

Method = Literal["measured", "modelled", "assumed"]
Boundary = Literal["chip", "board", "wall", "site"]
Signal = Literal["average", "marginal"]
Basis = Literal["lifecycle", "direct"]

_SURENESS: dict[str, int] = {"measured": 2, "modelled": 1, "assumed": 0}


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """One reported value with its interval and provenance.

    It is not an arithmetic type on purpose: an interval comes from evaluating the same pure function on the low, the
    high or drawn factors (see `evaluate`), not from rules for adding intervals.

    Attributes:
        value: best estimate, in ``unit``.
        low, high: the interval, in ``unit``; ``low <= value <= high``.
        unit: for instance ``"J"``, ``"g"``, ``"g/kWh"``, ``"W"``.
        method: measured, modelled or assumed.
        boundary: what the number includes: chip, board, wall or site.
        source: where it comes from; never empty.

    Raises:
        ValueError: interval out of order, or an empty source.
    """

    value: float
    low: float
    high: float
    unit: str
    method: Method
    boundary: Boundary
    source: str

    def __post_init__(self) -> None:
        ordered = -math.inf < self.low <= self.value <= self.high < math.inf
        if (
            ordered and self.method in _SURENESS and " " < self.source[:1] < "\x7f"
        ):  # as a rule; what is wrong is told below
            return
        if not self.source.strip():
            raise ValueError("a quantity without a source is not a quantity")
        if self.method not in _SURENESS:
            raise ValueError(f"method must be measured, modelled or assumed, not {self.method!r}")
        if not (self.low <= self.value <= self.high):
            raise ValueError(f"interval out of order: {self.low} <= {self.value} <= {self.high}")
        if not all(math.isfinite(x) for x in (self.low, self.value, self.high)):
            raise ValueError("a quantity is finite; what is not known is None, not NaN and not infinity")

    def __str__(self) -> str:
        return f"{self.value:.4g} {self.unit} [{self.low:.4g} to {self.high:.4g}] {self.method}"


def weakest(*methods: Method) -> Method:
    """The provenance of a result is that of its least sure factor."""
    return min(methods, key=lambda m: _SURENESS[m])


def evaluate(
    function: Callable[..., float], *, unit: str, boundary: Boundary, source: str, **factors: Quantity | float
) -> Quantity:
    """Apply a function that does not decrease in any factor to quantities, and keep value, interval and provenance.

    Args:
        function: pure, monotone non-decreasing in each keyword argument (products and sums of non-negative factors).
        factors: quantities, or plain numbers that are exact by definition.

    Returns:
        ``function`` at the values, at all lows and at all highs. This is the widest interval (the factors' errors
        are taken as fully dependent), which is the honest choice where nothing is known about their correlation.
    """
    known = {k: v for k, v in factors.items() if isinstance(v, Quantity)}

    def pick(end: str) -> float:
        return function(**{k: getattr(v, end) if isinstance(v, Quantity) else v for k, v in factors.items()})

    methods = [q.method for q in known.values()]
    return Quantity(
        value=pick("value"),
        low=pick("low"),
        high=pick("high"),
        unit=unit,
        method=weakest(*methods) if methods else "assumed",
        boundary=boundary,
        source=source,
    )
