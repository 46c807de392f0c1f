"""Annual mean intensity of each zone, shipped with gramwise: no network, no account, and old by nature.

The figures lie in ``data/annual_intensity.csv`` (newest year) and ``data/annual_history.csv`` (all years),
each with year and source; how they were made stands in docs/method/data.md. A zone without a figure is an
error: there is no world average to fall back on.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import cast

from gramwise.core.errors import ConfigError, DataGap, nearest
from gramwise.core.quantity import Basis, Quantity, Signal
from gramwise.core.series import Series

_DECLARE = "Or write intensity_g_per_kwh and intensity_source for the node."


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnualIntensity:
    """A year's mean intensity of one zone.

    Attributes:
        zone: as in ISO 3166 or Electricity Maps, ``"FR"``, ``"US-CA"``.
        name: for people.
        quantity: g/kWh with its interval, per kWh that the site draws (PUE is not in it).
        year: that the mean is of.
        signal, basis: its kind.
        accounting: ``"production"`` of the zone, or ``"consumption"`` with imports traced.
        source: name and licence of the table it comes from.
    """

    zone: str
    name: str
    quantity: Quantity
    year: int
    signal: Signal
    basis: Basis
    accounting: str
    source: str

    def age_s(self, now_s: float) -> float:
        """Seconds from the end of its year to ``now_s`` (Unix seconds), never below 0."""
        return max(0.0, now_s - _year_start_s(self.year + 1))


class Annual:
    """The `IntensitySource` of the shipped annual means."""

    name = "annual"

    def zones(self) -> list[str]:
        """Every zone of the table, in its order; those whose figure is unknown included."""
        return list(_table())

    def intensity(self, zone: str) -> AnnualIntensity:
        """The newest annual mean.

        Args:
            zone: its code; also the three letters of ISO 3166 or the English name, in any case.

        Raises:
            ConfigError: no such zone; names the nearest.
            DataGap: the zone exists and its source gives no figure.
        """
        row = _row(zone)
        if not row["g_per_kwh"]:
            raise DataGap(
                f"{row['zone']} ({row['name']}): no annual intensity is known, the source has none above 0. "
                + _DECLARE
            )
        source = _source(row["source"])
        return AnnualIntensity(
            zone=row["zone"],
            name=row["name"],
            quantity=Quantity(
                value=float(row["g_per_kwh"]),
                low=float(row["low"]),
                high=float(row["high"]),
                unit="g/kWh",
                method="modelled",
                boundary="site",
                source=f"{source}, {row['year']}",
            ),
            year=int(row["year"]),
            signal=cast(Signal, row["signal"]),
            basis=cast(Basis, row["basis"]),
            accounting=row["accounting"],
            source=source,
        )

    def history(self, zone: str, start_s: float, end_s: float) -> Series:
        """The annual means in force over ``[start_s, end_s)``, a step a year.

        Args:
            zone: as for `intensity`.
            start_s, end_s: Unix seconds.

        Raises:
            ConfigError: no such zone.
            DataGap: a year of the interval has no figure; names the years there are.
        """
        row = _row(zone)
        known = _history().get(row["zone"], {})
        last = _year(end_s)
        # A right-open interval that ends on New Year does not reach into that year.
        last -= _year_start_s(last) == end_s > start_s
        years = range(_year(start_s), last + 1)
        missing = [year for year in years if year not in known]
        if missing:
            raise DataGap(
                f"{row['zone']} ({row['name']}): no annual intensity for {missing[0]}, only for "
                f"{', '.join(map(str, known)) or 'no year'}."
            )
        return Series(
            times_s=tuple(_year_start_s(year) for year in years),
            values=tuple(known[year] for year in years),
            end_s=_year_start_s(years[-1] + 1),
            unit="g/kWh",
            signal=cast(Signal, row["signal"]),
            basis=cast(Basis, row["basis"]),
            source=_source(row["source"]),
        )

    def age_s(self, zone: str, now_s: float) -> float:
        """Seconds from the end of the year of ``zone``'s newest figure to ``now_s``, never below 0."""
        return self.intensity(zone).age_s(now_s)

    def check(self, zone: str) -> None:
        """Accept a zone that `intensity` can answer; what a scenario is checked with.

        Raises:
            ConfigError: unknown, or known and without a figure.
        """
        try:
            self.intensity(zone)
        except DataGap as gap:
            raise ConfigError(str(gap)) from gap


def _row(zone: str) -> Mapping[str, str]:
    code = _aliases().get(zone.casefold().strip())
    if code is None:
        raise ConfigError(f"there is no zone {zone!r}.", fix=f"{_suggest(zone)} {_DECLARE}")
    return _table()[code]


def _suggest(zone: str) -> str:
    near = nearest(zone.casefold().strip(), _aliases())
    if near is None:
        return "Write two letters as in ISO 3166, for instance 'FR', or a part of a country as in 'US-CA'."
    code = _aliases()[near]
    return f"Did you mean {code!r} ({_table()[code]['name']})?"


@cache
def _table() -> dict[str, dict[str, str]]:
    return {row["zone"]: row for row in _rows("annual_intensity")}


@cache
def _aliases() -> dict[str, str]:
    """Zone by every spelling, folded. Where a name means two zones, the country or group has it."""
    found: dict[str, str] = {}
    for zone, row in _table().items():
        for alias in (zone, row["iso3"], *row["aliases"].split(";"), row["name"]):
            if alias:
                found.setdefault(alias.casefold(), zone)
    return found


@cache
def _history() -> dict[str, dict[int, float]]:
    found: dict[str, dict[int, float]] = {}
    for row in _rows("annual_history"):
        if row["g_per_kwh"]:
            found.setdefault(row["zone"], {})[int(row["year"])] = float(row["g_per_kwh"])
    return found


@cache
def _source(source_id: str) -> str:
    row = next(row for row in _rows("sources") if row["id"] == source_id)
    return f"{row['name']} [{row['licence']}]"


def _rows(table: str) -> Iterable[dict[str, str]]:
    text = (files("gramwise") / "data" / f"{table}.csv").read_text("utf-8")
    return csv.DictReader(text.splitlines())


def _year(time_s: float) -> int:
    return datetime.fromtimestamp(time_s, UTC).year


def _year_start_s(year: int) -> float:
    return datetime(year, 1, 1, tzinfo=UTC).timestamp()


PLUGIN = Annual
