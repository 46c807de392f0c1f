"""The requests of a simulation, drawn before anything is served: every policy meets the very same ones.

A class of traffic brings independent arrivals whose rate follows its profile hour by hour (a Poisson process), or those
of a file. Each class has generators of its own, so that another class beside it changes nothing.
"""

from __future__ import annotations

import csv
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gramwise.core.decision import Request
from gramwise.core.errors import ConfigError, DataError
from gramwise.core.units import S_PER_HOUR
from gramwise.fleet.scenario import Scenario
from gramwise.fleet.traffic import TrafficTable
from gramwise.schedule.alias import chance as lot
from gramwise.sim.demand import hourly_requests

if TYPE_CHECKING:
    from gramwise.core.decision import Bools, Floats, Ints

_TIMES, _DRAWS, _PATIENCE, _STRETCH = range(4)
"""Generators of a class: one for each thing that is drawn."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Offered:
    """All requests of a simulation in the order in which they come, R of them, in columns.

    Attributes:
        rows: the classes.
        start_s, end_s: of the simulation, Unix seconds.
        time_s: seconds after the start, (R,), ascending.
        of: class of each, (R,).
        draw: uniform in [0, 1), (R,).
        can_wait: whether it is deferrable, (R,).
        stretch: factor on its service time, mean 1, (R,).
        requests: the same as records.
    """

    rows: tuple[TrafficTable, ...]
    start_s: float
    end_s: float
    time_s: Floats
    of: Ints
    draw: Floats
    can_wait: Bools
    stretch: Floats
    requests: tuple[Request, ...]

    def __len__(self) -> int:
        return len(self.requests)


def classes_of(scenario: Scenario) -> tuple[TrafficTable, ...]:
    """The classes of traffic: the scenario's, or its workload as the only one, served by the reference variant.

    Raises:
        ConfigError: there is no traffic, and the workload has no rate.
    """
    if scenario.traffic:
        return scenario.traffic
    workload = scenario.workload
    if workload.rate_per_s is None:
        raise ConfigError(
            "nobody said how many requests come in an hour.",
            file=scenario.path,
            key="workload.rate_per_s",
            fix="Write [[traffic]] with name, model and rate_per_s, or workload.rate_per_s.",
        )
    return (
        TrafficTable(
            name="workload",
            model=scenario.model,
            rate_per_s=workload.rate_per_s,
            count=workload.count,
        ),
    )


def offered(
    scenario: Scenario, rows: Sequence[TrafficTable], start_s: float, hours: float, scale: float = 1.0
) -> Offered:
    """Draw the requests of a simulation.

    Args:
        scenario: goals, noise and seed.
        rows: from `classes_of`.
        start_s: Unix seconds.
        hours: length; the last hour may be a part.
        scale: factor on all rates.

    Raises:
        ConfigError, DataError: a file of arrivals that is not there or makes no sense.
    """
    seed, length_s = scenario.simulation.seed, hours * S_PER_HOUR
    times = [_times(scenario, row, start_s, length_s, scale) for row in rows]
    drawn = [_of_class(scenario, row, times_s, seed) for row, times_s in zip(rows, times, strict=True)]
    time_s = np.concatenate(times)
    order = np.argsort(time_s, kind="stable")
    of = np.repeat(np.arange(len(rows)), [len(each) for each in times])[order]
    draw, can_wait, stretch = (np.concatenate(column)[order] for column in zip(*drawn, strict=True))
    columns = {"time_s": time_s[order], "of": of, "draw": draw, "can_wait": can_wait, "stretch": stretch}
    return offered_of(scenario, rows, start_s, start_s + length_s, columns)


def offered_of(
    scenario: Scenario, rows: Sequence[TrafficTable], start_s: float, end_s: float, columns: Mapping[str, Any]
) -> Offered:
    """The requests of columns that were drawn before.

    Args:
        scenario: goals.
        rows: the classes.
        start_s, end_s: of the simulation, Unix seconds.
        columns: ``time_s``, ``of``, ``draw``, ``can_wait`` and ``stretch`` as in `Offered`, (R,) each.
    """
    drawn = (columns[name] for name in ("time_s", "of", "draw", "can_wait"))
    return Offered(
        rows=tuple(rows),
        start_s=start_s,
        end_s=end_s,
        requests=tuple(_requests(scenario, rows, start_s, end_s, *drawn)),
        **columns,
    )


_LAST_HOURS = 1
"""Salt of the chance by which the last windows are cut."""


def _generator(seed: int, row: TrafficTable, what: int) -> np.random.Generator:
    """By name and not by position: a class keeps its requests when another one is added before it."""
    return np.random.default_rng((seed, zlib.crc32(row.name.encode()), 1 + what))


def _times(scenario: Scenario, row: TrafficTable, start_s: float, length_s: float, scale: float) -> Floats:
    """Seconds after the start, ascending, within the simulation."""
    if row.file is not None:
        times_s = read_arrivals(scenario.path.parent / row.file)
        return times_s[times_s < length_s]
    hours = math.ceil(length_s / S_PER_HOUR)
    _, expected = hourly_requests(row, start_s, hours, scenario.simulation.seed)
    rng = _generator(scenario.simulation.seed, row, _TIMES)
    counts = rng.poisson(expected * scale)
    # Given their number, the moments of a Poisson process are independent and uniform within the hour.
    begin_s = np.repeat(S_PER_HOUR * np.arange(hours), counts)
    times_s = np.sort(begin_s + S_PER_HOUR * rng.random(len(begin_s)))
    return times_s[times_s < length_s]


def _of_class(
    scenario: Scenario, row: TrafficTable, times_s: Floats, seed: int
) -> tuple[Floats, Bools, Floats]:
    """Draw, patience and stretch of each request of a class."""
    n, noise = len(times_s), scenario.simulation.service_noise_frac
    draw = _generator(seed, row, _DRAWS).random(n)
    can_wait = _generator(seed, row, _PATIENCE).random(n) < row.deferrable_frac
    sigma = math.sqrt(math.log1p(noise**2))
    normal = _generator(seed, row, _STRETCH).standard_normal(n)
    return draw, can_wait, np.exp(sigma * normal - sigma**2 / 2.0)


def _requests(
    scenario: Scenario,
    rows: Sequence[TrafficTable],
    start_s: float,
    end_s: float,
    time_s: Floats,
    of: Ints,
    draw: Floats,
    can_wait: Bools,
) -> Iterable[Request]:
    """Records. Work that can wait is due when the simulation ends, so that all policies do the same work; where its
    window would pass the end it gets a part of what is left, by chance, or all of it would be due at one moment."""
    bounds = [limits(scenario, row) for row in rows]
    columns = zip(time_s.tolist(), of.tolist(), draw.tolist(), can_wait.tolist(), strict=True)
    for seq, (after_s, k, chance, patient) in enumerate(columns):
        row, (deadline_s, zones) = rows[k], bounds[k]
        arrival_s = start_s + after_s
        yield Request(
            id=str(seq),
            seq=seq,
            draw=chance,
            model=row.model,
            arrival_s=arrival_s,
            deadline_s=deadline_s,
            count=row.count,
            accuracy_floor_frac=row.accuracy_floor_frac,
            allowed_zones=zones,
            deferrable_until_s=_until_s(arrival_s, row.deferrable_s, end_s, chance) if patient else None,
        )


def _until_s(arrival_s: float, window_s: float, end_s: float, draw: float) -> float:
    until_s = arrival_s + window_s
    if until_s <= end_s:
        return until_s
    return arrival_s + lot(draw, _LAST_HOURS) * (end_s - arrival_s)


def limits(scenario: Scenario, row: TrafficTable) -> tuple[float | None, frozenset[str] | None]:
    """Deadline and zones of a class: its own, else the goals'."""
    goals = scenario.goals
    zones = row.allowed_zones if row.allowed_zones is not None else goals.allowed_zones
    deadline_s = row.deadline_s if row.deadline_s is not None else goals.deadline_s
    return deadline_s, None if zones is None else frozenset(zones)


def read_arrivals(path: Path) -> Floats:
    """Moments from a CSV file with a column ``time_s``: seconds from the start, ascending, not negative.

    Raises:
        ConfigError: no such file.
        DataError: no such column, a cell that is no number, or a moment before the one above it; names the line.
    """
    if not path.is_file():
        raise ConfigError(
            "there is no file of arrivals.", file=path, fix="Write a CSV with the column time_s."
        )
    with path.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines)
        if "time_s" not in (reader.fieldnames or ()):
            raise DataError(f"{path} has no column time_s: its first line names the columns.")
        return np.array(list(_ascending(path, reader)), dtype=np.float64)


def _ascending(path: Path, rows: Iterable[Mapping[str, str | None]]) -> Iterable[float]:
    before = 0.0
    for line, row in enumerate(rows, 2):
        try:
            time_s = float(row["time_s"] or "")
        except ValueError as fault:
            raise DataError(f"{path}, line {line}: {row['time_s']!r} is no number of seconds.") from fault
        if not before <= time_s < math.inf:
            raise DataError(
                f"{path}, line {line}: {time_s:g} s comes after {before:g} s; moments ascend from 0."
            )
        before = time_s
        yield time_s
