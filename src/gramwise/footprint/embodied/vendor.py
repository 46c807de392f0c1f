"""Vendor sheets: a marginal model for storage within a family, and a law of mass across devices.

::

    manufacturing(family, GB) = a(family) + b(family) x GB         least squares over the family's sheets
    manufacturing(mass)       = 36.05 kg x (mass / kg)^0.547       20 connected devices of one vendor, MAPE 28 %

A leave-one-out error says how well a sheet that is not there could be had from its sisters. It is small here because a
vendor's totals are near linear in storage and one manufacturing share goes with a family: agreement with a vendor's
own model, not with the truth (two experts' assessments of one phone differed by 32 %, Andrae and Vaija 2014).
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from gramwise.core.errors import ConfigError, DataError
from gramwise.core.footprint import Factor
from gramwise.fleet.catalogue import half_width_frac
from gramwise.footprint.embodied.parts import Priced, checked, part_factor, priced


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One vendor sheet: making of one variant of a family.

    Attributes:
        family: what shares all but its storage.
        storage_gb: of the variant.
        manufacturing_kg: kg CO2e.
        source: where it can be read.
    """

    family: str
    storage_gb: float
    manufacturing_kg: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Marginal:
    """A family's line: ``base_kg + kg_per_gb x GB``; ``n`` sheets; ``worst_kg`` the greatest residual, absolute."""

    family: str
    base_kg: float
    kg_per_gb: float
    n: int
    worst_kg: float

    def at(self, storage_gb: float) -> float:
        """Manufacturing of a variant, kg."""
        return self.base_kg + self.kg_per_gb * storage_gb


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """One sheet, predicted from its sisters; ``error_frac`` is relative and signed."""

    sheet: Sheet
    predicted_kg: float
    error_frac: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """Leave-one-out errors: every prediction, their mean absolute size and the worst, as fractions."""

    predictions: tuple[LeftOut, ...]
    mape_frac: float
    worst_frac: float


def sheets() -> tuple[Sheet, ...]:
    """The shipped series: five phone families in three or four sizes (``data/vendor_storage.csv``)."""
    text = (files("gramwise") / "data" / "vendor_storage.csv").read_text("utf-8")
    return tuple(
        Sheet(
            family=row["family"],
            storage_gb=float(row["storage_gb"]),
            manufacturing_kg=float(row["total_kg"]) * float(row["manufacturing_share"]),
            source=row["source"],
        )
        for row in csv.DictReader(text.splitlines())
    )


def fit(rows: Iterable[Sheet]) -> dict[str, Marginal]:
    """The marginal model of each family, by least squares.

    Args:
        rows: sheets; of each family at least two sizes.

    Raises:
        DataError: a family with fewer than two different sizes, or a figure that makes no sense; names the family.
    """
    families: dict[str, list[Sheet]] = {}
    for row in rows:
        if not (row.storage_gb > 0.0 and row.manufacturing_kg > 0.0):
            raise DataError(f"{row.family}: storage and manufacturing have to be more than zero.")
        families.setdefault(row.family, []).append(row)
    return {family: _line(family, members) for family, members in families.items()}


def _line(family: str, members: Sequence[Sheet]) -> Marginal:
    size = np.array([m.storage_gb for m in members])
    made = np.array([m.manufacturing_kg for m in members])
    if len(set(size.tolist())) < 2:
        raise DataError(f"{family}: a slope needs at least two sizes of storage, and there is one.")
    slope = float(np.sum((size - size.mean()) * (made - made.mean())) / np.sum((size - size.mean()) ** 2))
    base = float(made.mean() - slope * size.mean())
    return Marginal(
        family=family,
        base_kg=base,
        kg_per_gb=slope,
        n=len(members),
        worst_kg=float(np.max(np.abs(made - base - slope * size))),
    )


def leave_one_out(rows: Sequence[Sheet] | None = None) -> Validation:
    """Predict every sheet from the others of its family.

    Args:
        rows: sheets, at least three of each family; None for the shipped series.

    Raises:
        DataError: too few of a family.
    """
    series = tuple(rows) if rows is not None else sheets()
    made = []
    for number, left in enumerate(series):
        sisters = [s for i, s in enumerate(series) if i != number and s.family == left.family]
        predicted = _line(left.family, sisters).at(left.storage_gb) if sisters else math.nan
        if math.isnan(predicted):
            raise DataError(f"{left.family}: one sheet alone has no sisters to be predicted from.")
        error = predicted / left.manufacturing_kg - 1.0
        made.append(LeftOut(sheet=left, predicted_kg=predicted, error_frac=error))
    if not made:
        raise DataError("there are no sheets to leave out.")
    sizes = [abs(p.error_frac) for p in made]
    return Validation(predictions=tuple(made), mape_frac=math.fsum(sizes) / len(sizes), worst_frac=max(sizes))


def variant(family: str, storage_gb: float, rows: Sequence[Sheet] | None = None) -> Priced:
    """The line of a variant that has no sheet: the family's marginal model, with its leave-one-out band.

    Two sheets alone leave nothing to validate on: the band is then the rule ``secondary`` of
    ``data/interval_rules.csv``.

    Args:
        family: of the series.
        storage_gb: of the variant.
        rows: sheets; None for the shipped series.

    Raises:
        ConfigError: no such family.
    """
    series = tuple(rows) if rows is not None else sheets()
    members = [s for s in series if s.family == family]
    if not members:
        known = ", ".join(dict.fromkeys(s.family for s in series))
        raise ConfigError(f"no sheets of {family!r}.", key="family", fix=f"Write one of: {known}.")
    made = _line(family, members).at(checked(storage_gb, "storage_gb", zero=False))
    worst = leave_one_out(members).worst_frac if len(members) > 2 else half_width_frac("secondary")[0]
    return sheet_line(
        f"{family} {storage_gb:g} GB",
        made,
        made * (1.0 - worst),
        made * (1.0 + worst),
        f"a + b x GB over {len(members)} sheets: {members[0].source}",
    )


def by_mass(name: str, mass_kg: float) -> Priced:
    """The line of a connected device by its mass alone: the crudest law here, interval half to twice."""
    mass = checked(mass_kg, f"{name}.mass_kg", zero=False)
    return priced(name, mass ** part_factor("mass_law.exponent").value, part_factor("mass_law.one_kg"))


def sheet_line(name: str, value_kg: float, low_kg: float, high_kg: float, source: str) -> Priced:
    """A line that is one figure of a vendor's sheet, or made from such: kg CO2e with its interval."""
    slug = "_".join(name.lower().replace(".", " ").split())
    figure = Factor(
        key=f"sheet.{slug}",
        value=value_kg,
        low=low_kg,
        high=high_kg,
        unit="kg/piece",
        method="modelled",
        source=source,
    )
    return priced(name, 1.0, figure)
