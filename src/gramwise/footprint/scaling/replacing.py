"""The question of renewal as a table of a scenario: payback with interval, keep against replace as two bills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from gramwise.core.errors import ConfigError
from gramwise.core.footprint import Factor, Phase
from gramwise.core.quantity import Basis, Quantity, Signal, weakest
from gramwise.core.units import S_PER_YEAR
from gramwise.footprint.bill import DRAWS, HIGH_PERCENTILE, LOW_PERCENTILE, Formula, Line, Value, Values
from gramwise.footprint.reading import Table

from . import renewal
from .account import Account, drawn, total_g, value_g
from .intensity import G_PER_KWH, Intensity, of_zone

Choice = Literal["keep", "replace"]

_KEYS = (
    "name", "old_devices", "new_devices", "old_idle_w", "new_idle_w", "old_j_per_unit", "new_j_per_unit",
    "units_per_s", "making_g", "new_lifetime_years", "old_remaining_years", "zone", "intensity_g_per_kwh", "signal",
    "basis", "pue", "decline_frac_per_year",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """A renewal to decide.

    Attributes:
        name: for the bill.
        old_devices, new_devices: how many serve now, and how many would do the same work.
        old_idle_w, new_idle_w: of one machine, W.
        old_j_per_unit, new_j_per_unit: of one unit of work above idle, J.
        units_per_s: of work, all machines together.
        making_g: manufacture, transport and end of life of one new machine, g.
        new_lifetime_years: of a new machine.
        old_remaining_years: that the old machines would still serve; None where they outlast the horizon.
        intensity: now; one factor.
        pue: of the site.
        decline_frac_per_year: by which intensity falls each year; None for a grid that stays as it is.
    """

    name: str
    old_devices: float
    new_devices: float
    old_idle_w: Factor
    new_idle_w: Factor
    old_j_per_unit: Factor
    new_j_per_unit: Factor
    units_per_s: Factor
    making_g: Factor
    new_lifetime_years: Factor
    intensity: Intensity
    pue: Factor
    old_remaining_years: Factor | None = None
    decline_frac_per_year: Factor | None = None

    @classmethod
    def from_mapping(
        cls, raw: Mapping[str, Any], where: str = "footprint.renewal", file: str | Path | None = None
    ) -> Renewal:
        """Read a ``[[footprint.renewal]]`` table; docs/method/scaling.md lists its keys.

        Raises:
            ConfigError: a key that is unknown, missing, out of range or at odds with another.
        """
        t = Table(raw, where, _KEYS, file)
        name = t.text("name")

        def read(key: str, unit: str, zero: bool = True, least: float = 0.0, most: float = np.inf) -> Factor:
            return t.factor(key, f"renewal.{name}.{key}", unit, zero=zero, least=least, most=most)

        return cls(
            name=name,
            old_devices=t.exact("old_devices"),
            new_devices=t.exact("new_devices"),
            old_idle_w=read("old_idle_w", "W"),
            new_idle_w=read("new_idle_w", "W"),
            old_j_per_unit=read("old_j_per_unit", "J"),
            new_j_per_unit=read("new_j_per_unit", "J"),
            units_per_s=read("units_per_s", "1/s"),
            making_g=read("making_g", "g", zero=False),
            new_lifetime_years=read("new_lifetime_years", "year", zero=False),
            old_remaining_years=read("old_remaining_years", "year") if t.has("old_remaining_years") else None,
            intensity=_intensity(t, name),
            pue=read("pue", "1", least=1.0),
            decline_frac_per_year=read("decline_frac_per_year", "1", most=0.99)
            if t.has("decline_frac_per_year")
            else None,
        )

    def factors(self) -> list[Factor]:
        """All it rests on."""
        optional = (self.old_remaining_years, self.decline_frac_per_year)
        return [
            *(self.old_idle_w, self.new_idle_w, self.old_j_per_unit, self.new_j_per_unit, self.units_per_s),
            *(self.making_g, self.new_lifetime_years, self._rate(), self.pue),
            *(f for f in optional if f is not None),
        ]

    def _rate(self) -> Factor:
        if not isinstance(self.intensity.rate, Factor):
            raise ConfigError(
                "a renewal looks years ahead and takes one intensity, not a series.",
                key=f"{self.name}.intensity",
                fix="Give the mean of a year, and decline_frac_per_year.",
            )
        return self.intensity.rate

    def power_w(self, which: Literal["old", "new"], v: Values) -> Value:
        """Power of all old or all new machines at the given work, W."""
        if which == "old":
            devices, idle, each = self.old_devices, self.old_idle_w, self.old_j_per_unit
        else:
            devices, idle, each = self.new_devices, self.new_idle_w, self.new_j_per_unit
        return renewal.fleet_power_w(devices, v[idle.key], v[self.units_per_s.key], v[each.key])

    def grid(self, v: Values) -> dict[str, Value]:
        """Arguments that all formulas share."""
        return {
            "intensity_g_per_kwh": v[self._rate().key],
            "pue": v[self.pue.key],
            "decline": self._decline(v),
        }

    def _decline(self, v: Values) -> Value:
        return renewal.decline_per_s(v[self.decline_frac_per_year.key]) if self.decline_frac_per_year else 0.0

    def change_s(self, v: Values, horizon_s: float) -> Value:
        """When the old machines go if they are kept, s from now."""
        if self.old_remaining_years is None:
            return horizon_s
        return np.minimum(np.asarray(v[self.old_remaining_years.key]) * S_PER_YEAR, horizon_s)


def _intensity(t: Table, name: str) -> Intensity:
    if not t.has("intensity_g_per_kwh"):
        return of_zone(t.text("zone"))
    if t.has("zone"):
        raise t.fault("zone", "intensity_g_per_kwh says the same.", "Keep one of the two.")
    return Intensity(
        rate=t.factor("intensity_g_per_kwh", f"renewal.{name}.intensity", G_PER_KWH, zero=True),
        signal=cast(Signal, t.choice("signal", ("average", "marginal"))),
        basis=cast(Basis, t.choice("basis", ("lifecycle", "direct"))),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Payback:
    """When the making is repaid: value and interval in seconds, None for never, and how often the draws say never."""

    value_s: float | None
    low_s: float | None
    high_s: float | None
    never_frac: float


def payback(spec: Renewal, draws: int = DRAWS, seed: int = 0) -> Payback:
    """Time after which the new machines have saved what making them emitted, their life left out of account.

    Args:
        spec: the renewal.
        draws, seed: of the interval (5th to 95th percentile, nearest rank: a payback that never comes is among them).
    """

    def seconds(v: Values) -> npt.NDArray[np.float64]:
        saved_w = np.asarray(spec.power_w("old", v)) - spec.power_w("new", v)
        return renewal.payback_s(np.asarray(v[spec.making_g.key]) * spec.new_devices, saved_w, **spec.grid(v))

    middle, spread = drawn(spec.factors(), draws, seed)
    value, all_s = float(seconds(middle)), np.broadcast_to(seconds(spread), (draws,))
    low, high = np.percentile(all_s, (LOW_PERCENTILE, HIGH_PERCENTILE), method="inverted_cdf")
    ends = (value, min(float(low), value), max(float(high), value))
    shown = [s if np.isfinite(s) else None for s in ends]
    never = float(np.mean(np.isinf(all_s)))
    return Payback(value_s=shown[0], low_s=shown[1], high_s=shown[2], never_frac=never)


def renewal_lines(spec: Renewal, choice: Choice, horizon_s: float) -> Account:
    """One of the two choices as lines of a bill over a horizon.

    Args:
        spec: the renewal.
        choice: ``"keep"`` the old machines while they last, or ``"replace"`` them now.
        horizon_s: above 0, s.
    """
    if not (np.isfinite(horizon_s) and horizon_s > 0.0):
        raise ConfigError(f"a horizon is above 0 s, not {horizon_s}.", key="horizon_s", fix="Write seconds.")

    def change(v: Values) -> Value:
        return spec.change_s(v, horizon_s) if choice == "keep" else 0.0

    def made(v: Values) -> Value:
        life_s = np.asarray(v[spec.new_lifetime_years.key]) * S_PER_YEAR
        number = spec.new_devices * renewal.makings(horizon_s - np.asarray(change(v)), life_s)
        return number * v[spec.making_g.key]

    def old(v: Values) -> Value:
        grid = spec.grid(v)
        return renewal.running_g(spec.power_w("old", v), start_s=0.0, end_s=change(v), **grid)

    def new(v: Values) -> Value:
        grid = spec.grid(v)
        return renewal.running_g(spec.power_w("new", v), start_s=change(v), end_s=horizon_s, **grid)

    keeping = choice == "keep"
    rest = [spec.old_remaining_years] if keeping else []
    grid = [spec.units_per_s, spec._rate(), spec.pue, spec.decline_frac_per_year, *rest]
    lines = [
        _line(f"{spec.name}: new, running", "inference", [spec.new_idle_w, spec.new_j_per_unit, *grid], new),
        _line(
            f"{spec.name}: new, made", "manufacture", [spec.making_g, spec.new_lifetime_years, *rest], made
        ),
    ]
    if keeping:
        own = [spec.old_idle_w, spec.old_j_per_unit, *grid]
        lines.insert(0, _line(f"{spec.name}: old, running", "inference", own, old))
        if spec.old_remaining_years is None:
            lines = lines[:1]
    omitted = ["making of the old machines: paid, and the same in both choices"]
    return Account(lines, spec.factors(), omitted, {line.name: "inference" for line in lines})


def _line(name: str, phase: Phase, factors: Sequence[Factor | None], formula: Formula) -> Line:
    keys = dict.fromkeys(f.key for f in factors if f is not None)
    return Line(name=name, phase=phase, factors=tuple(keys), carbon_g=formula)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Keep against replace over a horizon.

    Attributes:
        keep, replace: grams.
        change: replace less keep, grams; its interval comes from the same draws.
        replace_lower_frac: share of the draws in which replacing emits less.
    """

    keep: Quantity
    replace: Quantity
    change: Quantity
    replace_lower_frac: float


def compare(spec: Renewal, horizon_s: float, draws: int = DRAWS, seed: int = 0) -> Comparison:
    """Both choices over a horizon, on the same draws.

    Args:
        spec: the renewal.
        horizon_s: s; machines made near its end are charged whole, so a multiple of the new life is the fair choice.
        draws, seed: of the intervals.
    """
    middle, spread = drawn(spec.factors(), draws, seed)
    kept, new = (renewal_lines(spec, choice, horizon_s).lines for choice in ("keep", "replace"))
    values = value_g(kept, middle), value_g(new, middle)
    arrays = total_g(kept, spread, draws), total_g(new, spread, draws)

    def quantity(value: float, array: npt.NDArray[np.float64]) -> Quantity:
        low, high = np.percentile(array, (LOW_PERCENTILE, HIGH_PERCENTILE))
        return Quantity(
            value=value,
            low=min(float(low), value),
            high=max(float(high), value),
            unit="g",
            method=weakest(*(f.method for f in spec.factors())),
            boundary="site",
            source="; ".join(dict.fromkeys(f.source for f in spec.factors())),
        )

    return Comparison(
        keep=quantity(values[0], arrays[0]),
        replace=quantity(values[1], arrays[1]),
        change=quantity(values[1] - values[0], arrays[1] - arrays[0]),
        replace_lower_frac=float(np.mean(arrays[1] < arrays[0])),
    )
