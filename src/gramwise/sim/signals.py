"""The electricity of a simulation: what it truly was, hour by hour, and what was known of it when it mattered.

Decisions see the known values, bills use the true ones. At the start of an hour the known ones rest on hours before it
alone, the running hour included: nobody has measured it yet.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gramwise.core import plugins
from gramwise.core.ahead import Forecast
from gramwise.core.errors import ConfigError, DataGap
from gramwise.core.quantity import Basis, Quantity
from gramwise.core.series import Series
from gramwise.core.units import S_PER_DAY, S_PER_HOUR
from gramwise.fleet.scenario import Scenario
from gramwise.grid.forecasts import rolling_forecast
from gramwise.grid.sources.trace import Trace, common_basis
from gramwise.runtime.assembly import grids_of
from gramwise.runtime.world import Grid
from gramwise.sim.foresight import OWN, foresee

if TYPE_CHECKING:
    from gramwise.core.decision import Floats, Ints

PAST_DAYS = 60
"""Days before the start that forecasts may learn from, as far as the traces go back."""

RECENT_HOURS = 168
"""Past hours that snapshots carry."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Signals:
    """Z grids over T hours; a grid is a zone, or a node with an intensity of its own.

    Attributes:
        grids: names.
        zones: zone of each grid.
        of: grid of each node, (N,).
        start_s: of the first hour, Unix seconds.
        truth: g/kWh, (Z, T + 1): the hour after the last is for work that ends then.
        known: mean expected at the start of hour t for hour t + h, (Z, T, H).
        low, high: ends of its 80 % interval, (Z, T, H); NaN where none is known.
        past: true values of the hours before the start, (Z, B); NaN where unknown.
        basis: lifecycle or direct; all are average intensities.
        sources: of each grid's values.
        fixed: the electricity of each node where every value is an annual mean or declared, the same for all hours.
        forecast: how ``known`` was obtained.
    """

    grids: tuple[str, ...]
    zones: tuple[str, ...]
    of: Ints
    start_s: float
    truth: Floats
    known: Floats
    low: Floats
    high: Floats
    past: Floats
    basis: Basis
    sources: tuple[str, ...]
    forecast: str
    fixed: tuple[Grid, ...] = ()

    @property
    def hours(self) -> int:
        """Length."""
        return int(self.known.shape[1])

    def hour_of(self, time_s: float) -> int:
        """The hour that holds a moment; the first or last one outside."""
        return min(max(0, int((time_s - self.start_s) // S_PER_HOUR)), self.hours - 1)

    def nodes_grids(self, hour: int) -> tuple[Grid, ...]:
        """The electricity of each node as known at the start of an hour, for that hour."""
        if self.fixed:
            return self.fixed
        made = [self._grid(z, hour) for z in range(len(self.grids))]
        return tuple(made[z] for z in self.of.tolist())

    def _grid(self, z: int, hour: int) -> Grid:
        value = float(self.known[z, hour, 0])
        if value != value:
            return Grid(intensity=None, age_s=math.nan, basis=self.basis)
        low, high = float(self.low[z, hour, 0]), float(self.high[z, hour, 0])
        return Grid(
            intensity=Quantity(
                value=value,
                low=min(value, low) if low == low else value,
                high=max(value, high) if high == high else value,
                unit="g/kWh",
                method="modelled",
                boundary="site",
                source=f"{self.sources[z]}, {self.forecast}",
            ),
            age_s=0.0,
            basis=self.basis,
        )

    def foreseen(self, z: int, issued: int, times_s: Floats) -> Floats:
        """What was expected at the start of hour ``issued``; beyond the horizon as one day before."""
        ahead = np.maximum(0, ((times_s - self.start_s) // S_PER_HOUR).astype(int) - issued)
        horizon = self.known.shape[2]
        beyond = ahead >= horizon
        ahead[beyond] = np.minimum(horizon - 1, max(0, horizon - 24) + ahead[beyond] % min(24, horizon))
        values: Floats = self.known[z, issued, ahead]
        return values

    def forecasts(self, hour: int) -> Mapping[str, Forecast]:
        """By zone, what was foreseen at the start of an hour."""
        begin_s = self.start_s + S_PER_HOUR * hour
        times = tuple(begin_s + S_PER_HOUR * h for h in range(self.known.shape[2]))
        found: dict[str, Forecast] = {}
        for z, name in self._by_zone():
            low, high = self.low[z, hour], self.high[z, hour]
            whole = not (np.isnan(low).any() or np.isnan(high).any())
            found[name] = Forecast(
                zone=name,
                issued_s=begin_s,
                series=self._series(times, self.known[z, hour], f"{self.sources[z]}, {self.forecast}"),
                low=tuple(low.tolist()) if whole else None,
                high=tuple(high.tolist()) if whole else None,
                coverage_frac=0.8 if whole else None,
            )
        return found

    def recent(self, hour: int) -> Mapping[str, Series]:
        """By zone, the true values of the hours before; nothing where there are none."""
        seen = np.concatenate([self.past, self.truth[:, :hour]], axis=1)[:, -RECENT_HOURS:]
        if not seen.shape[1]:
            return {}
        end_s = self.start_s + S_PER_HOUR * hour
        times = tuple(end_s + S_PER_HOUR * h for h in range(-seen.shape[1], 0))
        return {name: self._series(times, seen[z], self.sources[z]) for z, name in self._by_zone()}

    def _by_zone(self) -> list[tuple[int, str]]:
        """Grids by zone: a zone's own before those that a node of it declares."""
        order = sorted(range(len(self.grids)), key=lambda z: self.grids[z] != self.zones[z])
        found: dict[str, int] = {}
        for z in order:
            found.setdefault(self.zones[z], z)
        return [(z, zone) for zone, z in found.items()]

    def _series(self, times: tuple[float, ...], values: Floats, source: str) -> Series:
        return Series(
            times_s=times,
            values=tuple(values.tolist()),
            end_s=times[-1] + S_PER_HOUR,
            unit="g/kWh",
            signal="average",
            basis=self.basis,
            source=source,
        )

    def mean_truth(self, nodes: Ints, start_s: Floats, end_s: Floats) -> Floats:
        """True intensity over intervals, g/kWh, weighted by time.

        Args:
            nodes: node of each interval, (R,).
            start_s, end_s: Unix seconds, (R,); what lies after the last hour counts at that hour's value.
        """
        grid, last = self.of[nodes], self.truth.shape[1] - 1
        at = [(edge - self.start_s) / S_PER_HOUR for edge in (start_s, end_s)]
        first, final = (np.clip(np.floor(hours).astype(int), 0, last) for hours in at)
        mean: Floats = self.truth[grid, first].copy()
        for i in np.flatnonzero(final > first).tolist():  # few intervals cross the edge of an hour
            edges = np.clip(np.arange(first[i], final[i] + 2, dtype=float), at[0][i], at[1][i])
            edges[-1] = at[1][i]
            weights = np.diff(edges)
            mean[i] = np.average(self.truth[grid[i], first[i] : final[i] + 1], weights=weights)
        return mean


def signals_of(
    scenario: Scenario,
    traces: Path | None,
    year: int | None,
    start_s: float,
    hours: int,
) -> Signals:
    """Read or look up the intensities of a simulation, and forecast them as its table asks.

    Args:
        scenario: with ``[simulation]``.
        traces: folder of ``ZONE_YEAR.csv``; None for annual means.
        year: for errors only: the year that was asked for.
        start_s: of the first hour, Unix seconds, a whole hour.
        hours: how many.

    Raises:
        ConfigError, DataError: a zone without a trace or with another year, a gap; with what to do.
    """
    rows = list(scenario.nodes.items())
    names = [row.zone if row.intensity_g_per_kwh is None else name for name, row in rows]
    grids = tuple(dict.fromkeys(names))
    of = np.array([grids.index(name) for name in names])
    zones = tuple(rows[names.index(grid)][1].zone for grid in grids)
    simulation = scenario.simulation
    if traces is None:
        if simulation.basis == "direct":
            raise ConfigError(
                "annual means are of lifecycle emissions.",
                file=scenario.path,
                key="simulation.basis",
                fix='Write basis = "lifecycle", or pass --traces with a folder of direct intensities.',
            )
        return _constant(scenario, grids, zones, of, start_s, hours)
    own = {name: row.intensity_g_per_kwh for name, row in rows if row.intensity_g_per_kwh is not None}
    read = [grid for grid in grids if grid not in own]
    basis = simulation.basis or common_basis(traces, read)
    trace = Trace(traces, basis=basis)
    span = _span(trace, read, start_s, hours, year)
    values = np.array([np.full(span.length, own[g]) if g in own else span.read(trace, g) for g in grids])
    begin = span.before
    _refuse_gaps(values[:, begin : begin + hours], grids, start_s, Path(traces))
    how, horizon = simulation.forecast, simulation.horizon_hours
    known = foresee(values, span.start_s, how, simulation, horizon)[:, begin : begin + hours]
    low, high = _bands(values, span.start_s, how, horizon, begin, hours, known)
    annual = plugins.create("intensity", "annual")
    if basis == "lifecycle":
        _fill_unknown(known, grids, annual)
    truth = values[:, begin : begin + hours + 1]
    if truth.shape[1] == hours:  # the traces end with the simulation
        truth = np.concatenate([truth, truth[:, -1:]], axis=1)
    return Signals(
        grids=grids,
        zones=zones,
        of=of,
        start_s=start_s,
        truth=truth,
        known=known,
        low=low,
        high=high,
        past=values[:, :begin],
        basis=basis,
        sources=tuple(
            f"declared for {g}" if g in own else f"trace {Path(traces).name}, {g}, {basis}" for g in grids
        ),
        forecast={"own": "own forecast", "perfect": "the truth"}.get(how, how),
    )


@dataclass(frozen=True, slots=True)
class _Span:
    """Which hours of the traces are read: from ``start_s``, ``before`` of them ahead of the simulation."""

    start_s: float
    before: int
    length: int

    def read(self, trace: Trace, zone: str) -> Floats:
        series = trace.history(zone, self.start_s, self.start_s + S_PER_HOUR * self.length)
        return np.array(series.values, dtype=np.float64)


def _span(trace: Trace, zones: Sequence[str], start_s: float, hours: int, year: int | None) -> _Span:
    """As far back as is useful and there for every zone, and an hour beyond the end where there is one.

    Raises:
        ConfigError: the simulation itself is not covered.
    """
    covered = [set(trace.years(zone)) for zone in zones]
    end_s = start_s + S_PER_HOUR * hours
    for zone, has in zip(zones, covered, strict=True):
        lacking = [y for y in range(_year(start_s), _year(end_s - 1.0) + 1) if y not in has]
        if lacking:
            there = ", ".join(map(str, sorted(has)))
            raise ConfigError(
                f"zone {zone} has no trace of {lacking[0]}, only of {there}.",
                key="--year" if year is not None else "simulation.start",
                fix="Simulate hours of a year that every zone of the scenario has.",
            )
    common = set.intersection(*covered) if covered else set(range(_year(start_s) - 1, _year(end_s) + 2))
    wanted_s = start_s - PAST_DAYS * S_PER_DAY
    first_s = wanted_s if _year(wanted_s) in common else max(wanted_s, _year_start_s(_year(start_s)))
    tail = 1 if _year(end_s) in common else 0
    before = round((start_s - first_s) / S_PER_HOUR)
    return _Span(first_s, before, before + hours + tail)


def _bands(
    values: Floats, start_s: float, how: str, horizon: int, begin: int, hours: int, known: Floats
) -> tuple[Floats, Floats]:
    """Ends of the intervals around ``known``; NaN where the truth is known, or where errors were added to it."""
    if how == "perfect":
        return np.full_like(known, np.nan), np.full_like(known, np.nan)
    method = OWN if how == "own" else how
    made = [rolling_forecast(row, start_s, method=method, horizon=horizon) for row in values]
    ends = []
    for end in ("low", "high"):
        width = np.array([getattr(each, end) - each.mean for each in made])[:, begin : begin + hours]
        ends.append(np.maximum(known + width, 0.0))
    return ends[0], ends[1]


def _fill_unknown(known: Floats, grids: Sequence[str], annual: object) -> None:
    """Before there is a past, the annual mean is what anybody knows."""
    for z, zone in enumerate(grids):
        gaps = np.isnan(known[z])
        if gaps.any():
            try:
                known[z][gaps] = annual.intensity(zone).quantity.value  # type: ignore[attr-defined]
            except ConfigError:
                continue  # then it stays unknown


def _refuse_gaps(truth: Floats, grids: Sequence[str], start_s: float, traces: Path) -> None:
    holes = np.argwhere(np.isnan(truth))
    if len(holes):
        z, hour = holes[0].tolist()
        when = datetime.fromtimestamp(start_s + S_PER_HOUR * hour, UTC)
        raise DataGap(
            f"{traces}: zone {grids[z]} has no value for {when:%Y-%m-%dT%H:%MZ} ({len(holes)} hours of the simulation"
            " lack one). What is missing cannot be billed: simulate other hours with simulation.start."
        )


def _constant(
    scenario: Scenario, grids: tuple[str, ...], zones: tuple[str, ...], of: Ints, start_s: float, hours: int
) -> Signals:
    found = grids_of(scenario, start_s)
    first = [of.tolist().index(z) for z in range(len(grids))]
    quantities = [found[i].intensity for i in first]
    values = np.array([math.nan if q is None else q.value for q in quantities])
    unknown = np.full((len(grids), hours, scenario.simulation.horizon_hours), np.nan)
    return Signals(
        grids=grids,
        zones=zones,
        of=of,
        start_s=start_s,
        truth=np.repeat(values[:, None], hours + 1, axis=1),
        known=np.broadcast_to(values[:, None, None], unknown.shape),
        low=unknown,
        high=unknown,
        past=np.repeat(values[:, None], RECENT_HOURS, axis=1),
        basis=found[0].basis,
        sources=tuple("unknown" if q is None else q.source for q in quantities),
        forecast="the same for every hour",
        fixed=found,
    )


def _year(time_s: float) -> int:
    return datetime.fromtimestamp(time_s, UTC).year


def _year_start_s(year: int) -> float:
    return datetime(year, 1, 1, tzinfo=UTC).timestamp()
