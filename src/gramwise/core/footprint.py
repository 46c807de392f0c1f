"""The bill: grams with their story. A footprint is a list of items whose values sum to its total.

`Factor` is one number that a bill rests on, with its interval and source; `Item` is one row of the bill; `Footprint` is
the whole. How items are computed from factors is `gramwise.footprint.bill`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

from .quantity import Boundary, Method, Quantity

Phase = Literal[
    "data", "experimentation", "training", "tuning", "inference", "idle", "client", "network", "storage",
    "manufacture", "datacentre", "transport", "end-of-life",
]  # fmt: skip
"""Parts of a model's life. The last four are embodied: paid when hardware is made, brought and scrapped."""

EMBODIED: frozenset[str] = frozenset({"manufacture", "datacentre", "transport", "end-of-life"})
PHASES: tuple[Phase, ...] = get_args(Phase)

Spread = Literal["triangular", "uniform", "lognormal", "exact"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """One number that a footprint rests on: a rate, a price in grams, a duration.

    Attributes:
        key: its name, dotted, for instance ``"grid.DE"`` or ``"die.7nm.epa_kwh_per_cm2"``. Items that name the same key
            share its draw, so what is common to them stays common.
        value, low, high: best estimate and interval, in ``unit``. ``low`` and ``high`` are the ends of a triangular or
            uniform spread; of a lognormal one they are the 5th and 95th percentile.
        unit: for instance ``"g/kWh"``.
        method, boundary, source: as in `Quantity`.
        spread: how it is drawn.

    Raises:
        ValueError: not a quantity (see there); a lognormal spread with an end that is not positive.
    """

    key: str
    value: float
    low: float
    high: float
    unit: str
    method: Method
    source: str
    boundary: Boundary = "site"
    spread: Spread = "triangular"

    def __post_init__(self) -> None:
        self.quantity()
        if self.spread == "lognormal" and self.low <= 0.0:
            raise ValueError(f"{self.key}: a lognormal spread needs positive ends, not {self.low}")

    def quantity(self) -> Quantity:
        """The factor as a quantity."""
        return Quantity(
            value=self.value,
            low=self.low,
            high=self.high,
            unit=self.unit,
            method=self.method,
            boundary=self.boundary,
            source=self.source,
        )


def factor_of(key: str, quantity: Quantity, spread: Spread | None = None) -> Factor:
    """A quantity under a key; triangular unless told, exact where its interval is a point."""
    return Factor(
        key=key,
        value=quantity.value,
        low=quantity.low,
        high=quantity.high,
        unit=quantity.unit,
        method=quantity.method,
        source=quantity.source,
        boundary=quantity.boundary,
        spread=spread or ("exact" if quantity.low == quantity.high else "triangular"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One row of a bill.

    Attributes:
        name: what it is, for a reader: ``"essen, serving"``.
        phase: the part of the life that it belongs to.
        carbon: grams CO2e over the account's whole span.
        energy_j: of electricity behind it, at the meter (PUE is in the grams and not in these); None where there is
            none or it is not known, as for what was made.
        factors: keys of the factors that it rests on.
    """

    name: str
    phase: Phase
    carbon: Quantity
    energy_j: Quantity | None = None
    factors: tuple[str, ...] = ()

    @property
    def embodied(self) -> bool:
        """Whether it was paid by making, bringing or scrapping hardware."""
        return self.phase in EMBODIED


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one factor contributes to the uncertainty of a total: its own variance over the sum of all such."""

    key: str
    share_frac: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """A whole bill.

    Attributes:
        functional_unit: what one unit of ``units`` is: ``"inference"``.
        units: how many of them the account covers; zero where it covers none (``per_unit`` is then None).
        items: the rows.
        total: grams CO2e; its value is `math.fsum` of the items', its interval comes from the same draws as theirs.
        per_unit: ``total / units``, grams.
        operational, embodied: the two halves of ``total``, grams.
        contributors: factors by what they add to the total's uncertainty, largest first.
        not_included: what the account leaves out, in words.
        factors: everything the items rest on, by key.
        draws, seed: of the intervals; ends are the 5th and 95th percentile of the draws.
        boundary: the account's own boundary in words.
    """

    functional_unit: str
    units: float
    items: tuple[Item, ...]
    total: Quantity
    per_unit: Quantity | None
    operational: Quantity
    embodied: Quantity
    contributors: tuple[Share, ...]
    not_included: tuple[str, ...]
    draws: int
    seed: int
    boundary: str
    factors: dict[str, Factor] = field(default_factory=dict)

    def by_phase(self) -> dict[Phase, float]:
        """Grams of each phase that has an item, in the order of `PHASES`; they sum to the total."""
        return {
            phase: math.fsum(i.carbon.value for i in self.items if i.phase == phase)
            for phase in PHASES
            if any(i.phase == phase for i in self.items)
        }
