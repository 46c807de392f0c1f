"""Intensity from what was generated: megawatts by fuel and hour, times the sourced factor of each fuel.

::

    I = sum over fuels of P x f / sum over fuels of P

P in MW, f in g/kWh from ``data/generation_factors.csv`` (IPCC AR5 WG3 Annex III, Table A.III.2; for oil and lignite
IPCC SRREN Annex II). The result is production based: imports and exports are not in it. Its interval takes every
factor at its minimum, then every factor at its maximum of the literature, and is wide; hydro alone spans 1 to 2200.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gramwise.core.errors import BadReply, ConfigError, DataGap, MixedKinds, did_you_mean
from gramwise.core.quantity import Basis
from gramwise.core.series import Series
from gramwise.core.units import S_PER_HOUR
from gramwise.grid.replies import instant_s, iso, steps

Floats = npt.NDArray[np.float64]

UNATTRIBUTED = "unattributed"
"""Fuel name for power of unknown origin: no factor exists, so it only widens the interval (see `weigh`)."""

_SHARE_FRAC = 0.05
_LABEL = "generation mix x IPCC factors, production based, no imports"


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """Grams of CO2e for a kWh from one fuel: median, minimum and maximum of the literature, and where it stands."""

    value: float
    low: float
    high: float
    year: int
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """What a zone generated.

    Attributes:
        times_s: starts of the steps, Unix seconds, increasing, (T,).
        period_s: length of a step.
        mw: power by fuel, each (T,); NaN where unknown.
    """

    times_s: Sequence[float]
    period_s: float
    mw: Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weighed:
    """Intensity of a mix in g/kWh, (T,) each: best estimate and both ends; NaN where the mix is not known."""

    value: Floats
    low: Floats
    high: Floats


@cache
def factors(basis: Basis) -> Mapping[str, Factor]:
    """The shipped factors of one basis, by fuel.

    Raises:
        ConfigError: no such basis.
    """
    if basis not in ("lifecycle", "direct"):
        raise ConfigError(f"there are no factors of basis {basis!r}.", fix="Write 'lifecycle' or 'direct'.")
    text = (files("gramwise") / "data" / "generation_factors.csv").read_text("utf-8")
    return {
        row["fuel"]: Factor(
            value=float(row["value"]),
            low=float(row["low"]),
            high=float(row["high"]),
            year=int(row["year"]),
            source=row["source"],
        )
        for row in csv.DictReader(text.splitlines())
        if row["basis"] == basis
    }


def weigh(
    mw: Mapping[str, Sequence[float]],
    known: Mapping[str, Factor],
    *,
    unattributed_max_frac: float = _SHARE_FRAC,
) -> Weighed:
    """Power-weighted mean of the factors, step by step.

    Args:
        mw: power by fuel, each (T,), in MW (any one unit will do), not negative. `UNATTRIBUTED` is power whose fuel
            is not known or has no factor. It is in no mean: the value is that of the rest, and the interval takes it
            at the lowest and the highest of all factors.
        known: factor by fuel.
        unattributed_max_frac: a step with a larger share of it is unknown. 5 % is our own judgement.

    Returns:
        Intensity in g/kWh; NaN in a step where any fuel is NaN, nothing was generated, or too much is unattributed.

    Raises:
        ConfigError: a fuel without a factor; names those there are.
        BadReply: negative or infinite power, or columns of unlike length.
    """
    fuels = [fuel for fuel in mw if fuel != UNATTRIBUTED]
    for fuel in fuels:
        if fuel not in known:
            raise ConfigError(
                f"there is no factor for the fuel {fuel!r}.", fix=did_you_mean(fuel, known, limit=20)
            )
    if not fuels or len({len(column) for column in mw.values()}) != 1:
        raise BadReply("a mix needs at least one fuel, and as many values of each.")
    power = np.array([mw[fuel] for fuel in fuels], dtype=np.float64)
    other = np.asarray(mw.get(UNATTRIBUTED, np.zeros(power.shape[1])), dtype=np.float64)
    if (power < 0).any() or (other < 0).any() or np.isinf(power).any() or np.isinf(other).any():
        raise BadReply("power of a mix is finite and not negative.")
    attributed, total = power.sum(axis=0), power.sum(axis=0) + other
    with np.errstate(divide="ignore", invalid="ignore"):
        usable = (attributed > 0.0) & (other <= unattributed_max_frac * total)
        whole = np.where(usable, total, np.nan)
        mean = np.array([known[fuel].value for fuel in fuels]) @ power / np.where(usable, attributed, np.nan)
        least = np.array([known[fuel].low for fuel in fuels]) @ power
        most = np.array([known[fuel].high for fuel in fuels]) @ power
        least += other * min(factor.low for factor in known.values())
        most += other * max(factor.high for factor in known.values())
        return Weighed(value=mean, low=least / whole, high=most / whole)


class GenerationMix:
    """The `IntensitySource` of a recorded generation mix.

    Args:
        mix: `Mix` by zone; or a directory with a file ``ZONE.csv`` for each zone, with ``time_utc`` and one column
            for each fuel in MW, evenly spaced. Empty cells and missing rows are gaps.
        basis: ``"lifecycle"`` or ``"direct"``; fewer fuels have a direct factor.
        factors_by_fuel: instead of the shipped factors, for instance with one for a fuel of yours.

    Raises:
        ConfigError: no such directory or basis.
    """

    name = "generation-mix"

    def __init__(
        self,
        mix: Mapping[str, Mix] | str | Path,
        *,
        basis: Basis = "lifecycle",
        factors_by_fuel: Mapping[str, Factor] | None = None,
    ) -> None:
        self._known = factors(basis) if factors_by_fuel is None else factors_by_fuel
        self._basis = basis
        self._mix = mix if isinstance(mix, Mapping) else None
        self._directory = None if isinstance(mix, Mapping) else Path(mix)
        if self._directory is not None and not self._directory.is_dir():
            raise ConfigError("there is no such directory of generation mixes.", file=self._directory)

    def zones(self) -> list[str]:
        """Every zone there is, sorted."""
        if self._directory is not None:
            return sorted(file.stem for file in self._directory.glob("*.csv"))
        return sorted(self._mix or ())

    def history(self, zone: str, start_s: float, end_s: float) -> Series:
        """Intensity over ``[start_s, end_s)``.

        Args:
            zone: one of `zones`.
            start_s, end_s: Unix seconds.

        Raises:
            ConfigError: no such zone, or a fuel without a factor.
            BadReply: a file that makes no sense; names the line.
            DataGap: nothing known in the interval.
        """
        mix, weighed = self._weighed(zone)
        return series_of(mix, weighed.value, zone, start_s, end_s, basis=self._basis, source=_LABEL)

    def interval(self, zone: str, start_s: float, end_s: float) -> tuple[Series, Series]:
        """Both ends of the interval of `history`: every factor at its minimum, every factor at its maximum.

        Args and raises: as `history`.
        """
        mix, weighed = self._weighed(zone)
        low, high = (
            series_of(mix, end, zone, start_s, end_s, basis=self._basis, source=f"{_LABEL}, {name}")
            for name, end in (("lowest factors", weighed.low), ("highest factors", weighed.high))
        )
        return low, high

    def _weighed(self, zone: str) -> tuple[Mix, Weighed]:
        if zone not in self.zones():
            raise ConfigError(f"there is no mix of zone {zone!r}.", fix=did_you_mean(zone, self.zones()))
        if self._mix is not None:
            mix = self._mix[zone]
        else:
            assert self._directory is not None
            mix = read_mix(self._directory / f"{zone}.csv")
        try:
            return mix, weigh(mix.mw, self._known)
        except ConfigError as unknown:
            lacking = mix.mw.keys() - self._known.keys() - {UNATTRIBUTED}
            if self._basis == "direct" and lacking <= factors("lifecycle").keys():
                raise MixedKinds(
                    f"{zone}: {', '.join(sorted(lacking))} has a lifecycle factor and no direct one. "
                    "Ask with basis='lifecycle', or give factors_by_fuel."
                ) from None
            raise unknown


def series_of(
    mix: Mix, values: Floats, zone: str, start_s: float, end_s: float, *, basis: Basis, source: str
) -> Series:
    """One column of g/kWh over the steps of a mix as a `Series` that covers ``[start_s, end_s)``.

    Raises:
        DataGap: nothing known in the interval.
    """
    return steps(
        list(zip(mix.times_s, values.tolist(), strict=True)),
        period_s=mix.period_s,
        start_s=start_s,
        end_s=end_s,
        signal="average",
        basis=basis,
        source=f"{zone}, {source}",
        whole=True,
    )


def read_mix(file: Path) -> Mix:
    """A mix from a CSV file with ``time_utc`` and one column for each fuel in MW.

    Returns:
        The steps the file has; the period is the shortest distance between two rows, an hour for a single row.

    Raises:
        BadReply: bad time or number, rows out of order, no rows; names file and line.
    """
    with file.open(encoding="utf-8-sig", newline="") as lines:
        table = csv.DictReader(lines, restkey="surplus", restval="")
        if not table.fieldnames or table.fieldnames[0] != "time_utc" or len(table.fieldnames) < 2:
            raise BadReply(f"{file}, line 1: the first column is time_utc, then one for each fuel.")
        fuels = list(table.fieldnames[1:])
        found = list(_rows(table, fuels, file))
    if not found:
        raise DataGap(f"{file}: it has no rows.")
    times = [time_s for time_s, _ in found]
    gaps = [after_s - before_s for before_s, after_s in pairwise(times)]
    columns = zip(*(row for _, row in found), strict=True)
    return Mix(
        times_s=times,
        period_s=min(gaps, default=S_PER_HOUR),
        mw=dict(zip(fuels, columns, strict=True)),
    )


def _rows(table: csv.DictReader[str], fuels: list[str], file: Path) -> Iterator[tuple[float, list[float]]]:
    last_s = -math.inf
    for row in table:
        where = f"{file}, line {table.line_num}"
        time_s = instant_s(row["time_utc"], where)
        if time_s <= last_s:
            raise BadReply(f"{where}: {iso(time_s)} does not come after {iso(last_s)}.")
        if "surplus" in row:
            raise BadReply(f"{where}: more cells than columns.")
        yield time_s, [_mw(row[fuel], fuel, where) for fuel in fuels]
        last_s = time_s


def _mw(cell: str, fuel: str, where: str) -> float:
    if not cell.strip():
        return math.nan
    try:
        power = float(cell)
    except ValueError:
        power = math.nan
    if not 0.0 <= power < math.inf:
        raise BadReply(f"{where}: {cell!r} is no power of {fuel} in MW.")
    return power


PLUGIN = GenerationMix
