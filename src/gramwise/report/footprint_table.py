"""A bill as rows of text for terminal and page: rounded so that what is printed sums to the printed total."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gramwise.core.footprint import Footprint
from gramwise.core.quantity import Quantity
from gramwise.report.rounding import largest_remainder
from gramwise.report.wording import Scale, printable, scale

DIGITS = 4
"""Significant digits of the printed total."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BillRow:
    """One printed row; every figure is text in the bill's unit.

    Attributes:
        name, phase: as in the item.
        grams, low, high: text.
        share: of the total, percent.
        method, source: of the item.
        embodied: whether it belongs to that half.
    """

    name: str
    phase: str
    grams: str
    low: str
    high: str
    share: str
    method: str
    source: str
    embodied: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BillTable:
    """What terminal and page print.

    Attributes:
        unit: of every figure, for instance ``"kg"``.
        rows: items in the order of the phases.
        total, low, high: text; ``rows`` sum to ``total`` as printed.
    """

    unit: str
    rows: tuple[BillRow, ...]
    total: str
    low: str
    high: str


def bill_table(footprint: Footprint) -> BillTable:
    """Round a bill for people: one unit, one number of decimals, items that sum to the total."""
    total = footprint.total.value
    fit = scale([total], "g")
    power = fit.power
    digits = math.floor(math.log10(abs(total) / 10.0**power) + 1e-9) if total else 0
    decimals = max(DIGITS - 1 - digits, 0)
    fit = Scale(fit.unit, power, decimals)
    step = 10.0 ** (power - decimals)
    shares, _ = largest_remainder(
        [100.0 * item.carbon.value / (total or 1.0) for item in footprint.items], 0.1
    )
    parts, whole = largest_remainder([item.carbon.value for item in footprint.items], step)
    return BillTable(
        unit=fit.unit,
        rows=tuple(
            BillRow(
                name=printable(item.name),
                phase=item.phase,
                grams=_shown(fit, part, item.carbon.value),
                low=_shown(fit, item.carbon.low, item.carbon.low),
                high=_shown(fit, item.carbon.high, item.carbon.high),
                share=f"{share:.1f}",
                method=item.carbon.method,
                source=printable(item.carbon.source),
                embodied=item.embodied,
            )
            for item, part, share in zip(footprint.items, parts, shares, strict=True)
        ),
        total=fit.show(whole) or "",
        low=fit.show(footprint.total.low) or "",
        high=fit.show(footprint.total.high) or "",
    )


def _shown(fit: Scale, rounded: float, value: float) -> str:
    """The figure; what is there and too small for the last place is said to be so, and never 0."""
    text = fit.show(rounded) or ""
    return f"<{10.0**-fit.decimals:.{fit.decimals}f}" if value > 0.0 and float(text) == 0.0 else text


def interval(quantity: Quantity, unit: str) -> str:
    """``1.2 kg [0.9 to 1.6]``: a value and its interval in one unit.

    Args:
        quantity: in ``unit`` or ``unit`` per something.
        unit: base unit that takes a prefix, ``"g"`` or ``"J"``.
    """
    fit = scale([quantity.value], unit)
    fit = Scale(fit.unit, fit.power, max(fit.decimals, 1))
    return f"{fit.show(quantity.value)} {fit.unit} [{fit.show(quantity.low)} to {fit.show(quantity.high)}]"
