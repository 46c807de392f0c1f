"""Intensity of a zone as the scaling account reads it: one factor or an hourly series, always with its kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gramwise.core.errors import ConfigError, MixedKinds
from gramwise.core.footprint import Factor, factor_of
from gramwise.core.quantity import Basis, Signal
from gramwise.core.series import Series
from gramwise.fleet.catalogue import half_width_frac
from gramwise.grid.sources.annual import Annual

G_PER_KWH = "g/kWh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intensity:
    """Grams CO2e per kWh, and of which kind.

    Attributes:
        rate: one factor in g/kWh for all time, or steps in g/kWh.
        signal, basis: average or marginal, lifecycle or direct.

    Raises:
        ConfigError: another unit than g/kWh, or a rate below zero.
        MixedKinds: a series of another kind.
    """

    rate: Factor | Series
    signal: Signal
    basis: Basis

    def __post_init__(self) -> None:
        if self.rate.unit != G_PER_KWH:
            raise ConfigError(
                f"an intensity is in {G_PER_KWH}, not {self.rate.unit!r}.", fix="Convert it first."
            )
        if isinstance(self.rate, Factor):
            if self.rate.low < 0.0:
                raise ConfigError(
                    "an intensity is never below 0.", key=self.rate.key, fix="Correct its low end."
                )
        elif (self.rate.signal, self.rate.basis) != (self.signal, self.basis):
            raise MixedKinds(f"{self.rate.source} is {self.rate.signal}/{self.rate.basis}, not {self.kind}.")

    @property
    def kind(self) -> str:
        """Signal and basis in one word, for messages."""
        return f"{self.signal}/{self.basis}"


def typed(series: Series) -> Intensity:
    """A series as an intensity of its own kind."""
    return Intensity(rate=series, signal=series.signal, basis=series.basis)


def of_zone(zone: str) -> Intensity:
    """The shipped annual mean of a zone, as the factor ``grid.ZONE``.

    Raises:
        ConfigError: no such zone.
        DataGap: the zone has no figure.
    """
    found = Annual().intensity(zone)
    rate = factor_of(f"grid.{found.zone}", found.quantity, "triangular")
    return Intensity(rate=rate, signal=found.signal, basis=found.basis)


def find(zone: str, zones: Mapping[str, Intensity | Series]) -> Intensity:
    """The caller's intensity of ``zone``, or the shipped annual mean where the caller gives none."""
    given = zones.get(zone)
    if given is None:
        return of_zone(zone)
    return typed(given) if isinstance(given, Series) else given


def series_error(zone: str, series: Series) -> Factor:
    """What a series may be wrong by, as one factor around 1 that all lines in the zone share.

    A series says no interval. The rule ``national`` (how far second copies of annual means lie apart) stands for it.
    """
    half, origin = half_width_frac("national")
    return Factor(
        key=f"grid.{zone}.series_error",
        value=1.0,
        low=1.0 - half,
        high=1.0 + half,
        unit="1",
        method="modelled",
        source=f"{series.source}; interval by rule national, {origin}",
    )


def one_kind(intensities: Iterable[tuple[str, Intensity]]) -> None:
    """Refuse an account that mixes kinds.

    Args:
        intensities: pairs of who uses it and what.

    Raises:
        MixedKinds: names the first two that differ.
    """
    first: tuple[str, Intensity] | None = None
    for name, intensity in intensities:
        if first is None:
            first = (name, intensity)
        elif intensity.kind != first[1].kind:
            raise MixedKinds(
                f"{first[0]!r} uses an intensity of kind {first[1].kind} and {name!r} one of {intensity.kind}: "
                "grams of two kinds cannot be added. Give all phases the same kind."
            )
