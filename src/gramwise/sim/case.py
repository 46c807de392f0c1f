"""One case of the fluid model in arrays: classes, candidate plans, nodes, and every hour's traffic and electricity.

A scenario, a folder of traces and a year make it. All policies and all bounds of a sweep see the same case, so that
what differs between them is what they decided.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gramwise.core.errors import ConfigError, DataGap, MixedKinds
from gramwise.core.units import J_PER_KWH, S_PER_HOUR
from gramwise.fleet.scenario import Scenario
from gramwise.fleet.traffic import TrafficTable
from gramwise.grid.sources.trace import Trace, common_basis
from gramwise.optimize.slots import SlotProblem, due_of
from gramwise.runtime.assembly import grids_of
from gramwise.runtime.modelled import modelled_table
from gramwise.sim.costs import load_scale, refuse_hopeless, request_costs
from gramwise.sim.demand import hourly_requests
from gramwise.sim.foresight import carried, foresee

if TYPE_CHECKING:
    from gramwise.core.decision import Bools, Floats, Ints

_NO_YEAR = 2022
"""Which year's calendar holds where intensities are the same in all of them."""

MOST_MISSING_FRAC = 0.1
"""Share of a year's hours that may lack a value; above it a sweep is refused, since the rest would mislead."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """K classes, P plans, N nodes, T hours.

    Attributes:
        classes: names, length K.
        nodes, zones: names, length N.
        variants: of each plan, length P.
        energy_j: marginal joules of one request of class k by plan p, (K, P); inf where not permitted.
        busy_s: seconds that it holds a slot of its node, (K, P).
        latency_s: from being sent to being answered where nobody waits, (K, P).
        accuracy_frac: of each plan, (P,); NaN when unknown.
        node: of each plan, (P,).
        capacity_s: slot seconds that each node may give in each hour, (N, T); 0 in hours that are left out.
        g_per_j: true grams of a joule, intensity x PUE / 3.6e6, (N, T).
        known_g_per_j: the same as foreseen at the start of hour t for hour t + h, (N, T, H).
        fixed, waiting: requests that come in each hour, those that cannot wait and those that can, (K, T).
        fixed_foreseen, waiting_foreseen: as the operator's profile foresees them, (K, T).
        window: hours that the latter can wait, (K,).
        start_s: start of the first hour, Unix seconds.
        missing: hours in which some zone's intensity is unknown, (T,): left out for everybody.
        forecast: how what is known of hours to come was obtained.
        provenance: sentences for reports.
        idle_g: grams of all machines doing nothing all the time, None where the power of one is unknown.
        pue: of each node's site, length N.
        budget_g_per_day: what a day may cost, if there is such a goal.
    """

    classes: tuple[str, ...]
    nodes: tuple[str, ...]
    zones: tuple[str, ...]
    variants: tuple[str, ...]
    energy_j: Floats
    busy_s: Floats
    latency_s: Floats
    accuracy_frac: Floats
    node: Ints
    capacity_s: Floats
    g_per_j: Floats
    known_g_per_j: Floats
    fixed: Floats
    waiting: Floats
    fixed_foreseen: Floats
    waiting_foreseen: Floats
    window: Ints
    start_s: float
    missing: Bools
    forecast: str
    provenance: tuple[str, ...]
    idle_g: float | None
    pue: tuple[float, ...]
    budget_g_per_day: float | None = None
    idle_w: Floats | None = None

    @property
    def hours(self) -> int:
        """Length of the case."""
        return int(self.fixed.shape[1])

    @property
    def requests(self) -> float:
        """All requests that count."""
        return float(self.fixed.sum() + self.waiting.sum())

    def until_open(self) -> Ints:
        """Hours from each hour to the next that counts, (T,): more than any window where none comes.

        Work that waits must start while what it would still be waiting for is inside its window.
        """
        index: Ints = np.arange(self.hours)
        never = 2 * self.hours + int(self.window.max(initial=0)) + 1
        after = np.append(np.where(self.missing, never, index)[1:], never)
        coming: Ints = np.minimum.accumulate(after[::-1])[::-1]
        return coming - index

    def known_perfectly(self) -> Case:
        """The same with intensity and demand of hours to come known as they came true.

        In a gap the intensity is the value before: nobody runs there, and plans need a number.
        """
        hours, ahead = self.known_g_per_j.shape[1:]
        at = np.minimum(np.arange(hours)[:, None] + np.arange(ahead)[None], hours - 1)
        truth = np.array([carried(row) for row in self.g_per_j])
        return replace(
            self,
            known_g_per_j=truth[:, at],
            fixed_foreseen=self.fixed,
            waiting_foreseen=self.waiting,
            forecast="perfect",
        )

    def narrowed(self, rows: Ints) -> Case:
        """The same with these plans only."""
        return replace(
            self,
            variants=tuple(self.variants[p] for p in rows.tolist()),
            energy_j=self.energy_j[:, rows],
            busy_s=self.busy_s[:, rows],
            latency_s=self.latency_s[:, rows],
            accuracy_frac=self.accuracy_frac[rows],
            node=self.node[rows],
        )

    def of_classes(self, rows: Ints) -> Case:
        """The same with these classes only, one of them perhaps several times."""
        columns = (
            "energy_j",
            "busy_s",
            "latency_s",
            "fixed",
            "waiting",
            "fixed_foreseen",
            "waiting_foreseen",
        )
        return replace(
            self,
            classes=tuple(self.classes[k] for k in rows.tolist()),
            window=self.window[rows],
            **{name: getattr(self, name)[rows] for name in columns},
        )

    def problem(self, *, waits: bool = True) -> SlotProblem:
        """The program whose optimum is B1: truth known, work that can wait free to run in its window.

        Args:
            waits: False makes all work run in the hour in which it comes.
        """
        if not waits or not (self.window.any() and self.waiting.any()):
            total = self.fixed + self.waiting
            return self._problem(self.energy_j, self.busy_s, total, total)
        arrivals = np.concatenate([self.fixed, self.waiting])
        due = np.concatenate([self.fixed, self._due()])
        twice = (np.concatenate([self.energy_j] * 2), np.concatenate([self.busy_s] * 2))
        return self._problem(*twice, arrivals, due)

    def _problem(self, energy_j: Floats, busy_s: Floats, arrivals: Floats, due: Floats) -> SlotProblem:
        return SlotProblem(
            energy_j=energy_j,
            busy_s=busy_s,
            node=self.node,
            g_per_j=np.where(self.missing[None], np.nan, self.g_per_j),
            capacity_s=self.capacity_s,
            arrivals=arrivals,
            due=due,
        )

    def _due(self) -> Floats:
        """Nothing can be due in an hour that is left out: it is due in the last one before."""
        due = due_of(self.waiting, self.window)
        if self.missing.any():
            open_hour = np.maximum.accumulate(np.where(self.missing, -1, np.arange(self.hours)))
            moved = np.zeros_like(due)
            for k in range(len(due)):
                np.add.at(moved[k], np.maximum(open_hour, 0), due[k])
            due = moved
        return due


def trace_year(trace: Trace, zones: Sequence[str], year: int | None) -> int:
    """The year that all zones have: the one asked for, or the newest.

    Raises:
        ConfigError: a zone lacks it, or the zones have no year in common.
    """
    years = {zone: set(trace.years(zone)) for zone in dict.fromkeys(zones)}
    if year is not None:
        lacking = [zone for zone, has in years.items() if year not in has]
        if lacking:
            has = ", ".join(map(str, sorted(years[lacking[0]])))
            raise ConfigError(
                f"zone {lacking[0]} has no trace of {year}, only of {has}.",
                file=trace.directory,
                key="--year",
                fix="Name a year that every zone of the scenario has.",
            )
        return year
    common = set.intersection(*years.values())
    if not common:
        told = "; ".join(f"{zone}: {', '.join(map(str, sorted(has)))}" for zone, has in years.items())
        raise ConfigError(
            f"the zones' traces are of different years ({told}).",
            file=trace.directory,
            fix="Put files of one year for every zone of the scenario there.",
        )
    return max(common)


def case_of(
    scenario: Scenario,
    *,
    traces: Path | None = None,
    year: int | None = None,
    forecast: str | None = None,
    tell: Callable[[str, float], None] = lambda _text, _done: None,
) -> Case:
    """The case of a scenario.

    Args:
        scenario: with traffic, nodes and ``[simulation]``.
        traces: folder of ``ZONE_YEAR.csv``; None takes ``simulation.traces``, and without that annual means.
        year: of the traces; by default the newest that all zones have.
        forecast: what policies know of hours to come; by default ``simulation.forecast``.
        tell: hears what is going on.

    Raises:
        ConfigError, DataError, Infeasible, ModelError: with file and key for what the user can mend.
    """
    tell("modelling the machines", 0.0)
    table = modelled_table(scenario)
    rows = traffic_of(scenario)
    energy_j, busy_s, latency_s = request_costs(scenario, table, rows)
    refuse_hopeless(scenario, table, rows, energy_j)
    tell("reading the traces", 0.05)
    intensity, start_s, said = _intensity(scenario, traces, year)
    hours = intensity.shape[1]
    missing: Bools = np.logical_or.reduce(np.isnan(intensity), axis=0)
    _refuse_holes(missing, intensity, scenario, start_s)
    pue = np.array([node.pue for node in table.nodes])
    to_g = (pue / J_PER_KWH)[:, None]
    tell("forecasting", 0.1)
    how = forecast or scenario.simulation.forecast
    known = foresee(intensity, start_s, how, scenario.simulation, scenario.simulation.horizon_hours)
    per_node = np.array([n.slots * (1.0 - scenario.nodes[n.name].taken_frac) for n in table.nodes])
    capacity = np.repeat((per_node * S_PER_HOUR * scenario.goals.max_busy_frac)[:, None], hours, axis=1)
    node = np.asarray(table.plans.node)
    demand = [hourly_requests(row, start_s, hours, scenario.simulation.seed) for row in rows]
    factor = load_scale(scenario, table, rows)
    share = np.array([row.deferrable_frac for row in rows])[:, None]
    foreseen = factor * np.array([each[0] for each in demand])
    realised = factor * np.array([each[1] for each in demand])
    open_hours = ~missing
    capacity, realised = capacity * open_hours, realised * open_hours
    true = intensity * to_g
    idle_w = [n.device.idle_w for n in table.nodes]
    known_idle = all(w is not None for w in idle_w)
    return Case(
        classes=tuple(row.name for row in rows),
        nodes=tuple(n.name for n in table.nodes),
        zones=tuple(n.zone for n in table.nodes),
        variants=table.plans.variant,
        energy_j=energy_j,
        busy_s=busy_s,
        latency_s=latency_s,
        accuracy_frac=np.asarray(table.plans.accuracy_frac),
        node=node,
        capacity_s=capacity,
        g_per_j=true,
        known_g_per_j=known * to_g[:, :, None],
        fixed=realised * (1.0 - share),
        waiting=realised * share,
        fixed_foreseen=foreseen * (1.0 - share),
        waiting_foreseen=foreseen * share,
        window=np.array([int(row.deferrable_s // S_PER_HOUR) if row.deferrable_frac else 0 for row in rows]),
        start_s=start_s,
        missing=missing,
        forecast=how,
        provenance=(
            *(f"Times and joules are {sentence}." for sentence in table.provenance),
            *said,
            *_blurred(scenario.simulation.forecast_error_frac),
        ),
        # Of the hours that count, as all else is.
        idle_g=float((np.array(idle_w, dtype=float)[:, None] * S_PER_HOUR * true)[:, open_hours].sum())
        if known_idle
        else None,
        pue=tuple(pue.tolist()),
        budget_g_per_day=scenario.goals.carbon_budget_g_per_day,
        idle_w=np.array(idle_w, dtype=np.float64) if known_idle else None,
    )


def traffic_of(scenario: Scenario) -> tuple[TrafficTable, ...]:
    """The classes of traffic: as written, or the workload as the only one.

    Raises:
        ConfigError: neither says how many requests there are, or a class comes from a file.
    """
    if scenario.traffic:
        for i, row in enumerate(scenario.traffic):
            if row.file is not None:
                raise ConfigError(
                    f"class {row.name!r} comes from a file of arrivals, which the fluid model cannot use.",
                    file=scenario.path,
                    key=f"traffic.{i}.file",
                    fix="Write rate_per_s, or use gramwise simulate.",
                )
        return scenario.traffic
    w = scenario.workload
    if w.rate_per_s is None:
        raise ConfigError(
            "nothing says how many requests come.",
            file=scenario.path,
            key="traffic",
            fix="Write a [[traffic]] table with name, model and rate_per_s.",
        )
    return (TrafficTable(name="workload", model=scenario.model, rate_per_s=w.rate_per_s, count=w.count),)


def _intensity(
    scenario: Scenario, traces: Path | None, year: int | None
) -> tuple[Floats, float, tuple[str, ...]]:
    """True intensity of each node's grid in each hour, g/kWh (N, T), the first hour, and where it comes from."""
    simulation = scenario.simulation
    if traces is None and simulation.traces is not None:
        traces = scenario.path.parent / simulation.traces
    declared = [row.intensity_g_per_kwh for row in scenario.nodes.values()]
    zones = [row.zone for row in scenario.nodes.values()]
    if traces is None:
        grids = grids_of(scenario, math.inf)
        year = _NO_YEAR if year is None else year
        start_s, hours = _year(year)
        values = [math.nan if g.intensity is None else g.intensity.value for g in grids]
        said = (
            "Intensities are annual means, the same in every hour: pass --traces for hours that differ.",
            *sorted({g.intensity.source for g in grids if g.intensity}),
        )
        return np.repeat(np.array(values)[:, None], hours, axis=1), start_s, said
    wanted = [zone for zone, own in zip(zones, declared, strict=True) if own is None]
    basis = simulation.basis or common_basis(traces, wanted)
    trace = Trace(traces, basis=basis)
    year = trace_year(trace, wanted, year) if wanted else _NO_YEAR if year is None else year
    start_s, hours = _year(year)
    read = {zone: trace.hourly_values(zone, year) for zone in dict.fromkeys(wanted)}
    for zone, got in read.items():
        if len(got) != hours:
            raise MixedKinds(f"{traces}: zone {zone} has {len(got)} hours of {year}, which has {hours}.")
    rows = [
        read[zone] if own is None else np.full(hours, own) for zone, own in zip(zones, declared, strict=True)
    ]
    said = (f"Hourly average intensities ({basis}) of {year}, from {Path(traces).name}/.",)
    return np.array(rows), start_s, said


def _year(year: int) -> tuple[float, int]:
    if not 1970 <= year <= 9998:
        raise ConfigError(f"there is no year {year} to sweep.", key="--year", fix="Write for instance 2022.")
    start, end = (datetime(y, 1, 1, tzinfo=UTC).timestamp() for y in (year, year + 1))
    return start, round((end - start) / S_PER_HOUR)


def _blurred(error_frac: float) -> tuple[str, ...]:
    if not error_frac:
        return ()
    return (
        f"A random factor with a standard deviation of {error_frac:.0%} is on what is foreseen of intensity.",
    )


def _refuse_holes(missing: Bools, intensity: Floats, scenario: Scenario, start_s: float) -> None:
    if missing.mean() <= MOST_MISSING_FRAC:
        return
    zones = [row.zone for row in scenario.nodes.values()]
    worst = int(np.isnan(intensity).sum(axis=1).argmax())
    first = datetime.fromtimestamp(start_s + S_PER_HOUR * int(np.isnan(intensity[worst]).argmax()), UTC)
    raise DataGap(
        f"{int(missing.sum())} of {len(missing)} hours lack the intensity of some zone, most of them of "
        f"{zones[worst]} ({int(np.isnan(intensity[worst]).sum())}, the first at {first:%Y-%m-%dT%H:%MZ}). "
        "A sweep leaves such hours out for everybody, and this would leave out too many."
    )
