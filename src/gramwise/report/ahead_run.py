"""A run directory of ``gramwise simulate`` or ``gramwise sweep`` read back: what each policy spent, the bounds, and the
hours of each node for pictures.

Both write ``run.toml``, ``scenario.toml``, ``summary.json`` and ``hours.csv`` (a row a policy, node and hour; empty is
unknown and becomes NaN). Grams here are a policy's own: marginal ones, with those of work that a failure wasted.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from gramwise.core.errors import RunDirectoryError
from gramwise.core.units import S_PER_HOUR
from gramwise.report.load import SIMULATED, read_facts, read_summary, read_text

if TYPE_CHECKING:
    from gramwise.core.decision import Floats

WEEK_H = 168
FIGURES = (
    *("true_g_per_kwh", "known_g_per_kwh", "low_g_per_kwh", "high_g_per_kwh"),
    *("day_ahead_low_g_per_kwh", "day_ahead_high_g_per_kwh", "busy_frac"),
)
"""Columns of ``hours.csv`` that are read; the first and the last must be there, the others may be unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRow:
    """One policy of a simulation; None is unknown."""

    name: str
    carbon_g: float | None = None
    wasted_g: float | None = None
    idle_g: float | None = None
    gap_b1_frac: float | None = None
    captured_frac: float | None = None
    slo_miss_frac: float | None = None
    deferred_frac: float | None = None
    accuracy_frac: float | None = None
    requests: float | None = None
    refused: float | None = None
    lost: float | None = None

    @property
    def spent_g(self) -> float | None:
        """Grams of the work and of what failures wasted. A sweep knows no failures, and has no such key."""
        return None if self.carbon_g is None else self.carbon_g + (self.wasted_g or 0.0)

    @property
    def dropped_frac(self) -> float | None:
        """Share of requests that nobody answered. In a sweep every miss is one: there are no late answers."""
        if self.refused is None or self.lost is None:
            return self.slo_miss_frac
        return (self.refused + self.lost) / self.requests if self.requests else None

    @property
    def comparable(self) -> bool:
        """Whether its grams bought the same work as the bound's: nothing dropped, or no more than the bound had to."""
        return not self.dropped_frac or self.gap_b1_frac is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds, grams. ``b1_at_once_g`` is B1 without waiting; ``b2_g`` holds idle power too, unlike the others."""

    b0_g: float | None = None
    b1_g: float | None = None
    b1_at_once_g: float | None = None
    b2_g: float | None = None
    unserved_frac: float | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AheadSummary:
    """What both kinds of document have in common. ``cases`` are a sweep's other settings, as they stand."""

    schema: str
    scenario: str
    policies: tuple[PolicyRow, ...]
    hours: float | None = None
    requests: float | None = None
    baseline: str | None = None
    bounds: Limits = Limits()
    idle_g: float | None = None
    forecast: str | None = None
    model: str | None = None
    hours_left_out: int | None = None
    provenance: tuple[str, ...] = ()
    cases: tuple[dict[str, Any], ...] = ()

    def policy(self, name: str | None) -> PolicyRow | None:
        """The row of the policy called ``name``, or None."""
        return next((row for row in self.policies if row.name == name), None)

    @property
    def best(self) -> PolicyRow | None:
        """The fewest grams among policies that did the same work; None where nothing is known."""
        known = [row for row in self.policies if row.spent_g is not None and row.comparable]
        return min(known, key=lambda row: row.spent_g or 0.0, default=None)

    def idle_of(self, row: PolicyRow) -> float | None:
        """Grams of devices that are always on and do nothing, which no policy here changes."""
        return self.idle_g if row.idle_g is None else row.idle_g


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NodeHours:
    """One node under one policy, hour by hour.

    Attributes:
        node, zone: its names.
        start_s: Unix seconds of the first hour.
        figures: `FIGURES` by name, each (T,), NaN where unknown.
    """

    node: str
    zone: str
    start_s: float
    figures: Mapping[str, Floats] = field(repr=False)

    def __getitem__(self, name: str) -> Floats:
        return self.figures[name]

    def part(self, first: int, hours: int) -> NodeHours:
        """The hours from ``first`` on."""
        cut = {name: column[first : first + hours] for name, column in self.figures.items()}
        start_s = self.start_s + S_PER_HOUR * first
        return NodeHours(node=self.node, zone=self.zone, start_s=start_s, figures=cut)


@dataclass(frozen=True, slots=True, kw_only=True)
class AheadRun:
    """One run directory.

    Attributes:
        path, id: the folder, and its name in reports.
        facts: ``run.toml`` with nested tables as dotted keys.
        scenario_text: ``scenario.toml`` as it stands; empty when the run has none.
        summary: the document.
        hours: nodes by policy; empty when the run has no ``hours.csv``.
    """

    path: Path
    id: str
    facts: Mapping[str, object]
    scenario_text: str
    summary: AheadSummary
    hours: Mapping[str, tuple[NodeHours, ...]]

    @property
    def shown(self) -> str | None:
        """The policy whose hours are drawn: the best one of those that have any."""
        best = self.summary.best
        if best is not None and best.name in self.hours:
            return best.name
        return next(iter(self.hours), None)


def load_ahead(path: str | Path) -> AheadRun:
    """Read a run directory of ``gramwise simulate`` or ``gramwise sweep``.

    Raises:
        RunDirectoryError: not such a run, stopped before its end, or a file that is broken; says which.
    """
    folder = Path(path)
    facts, document = read_facts(folder), read_summary(folder)
    if document is None:
        raise RunDirectoryError(
            f"{folder} has no summary.json: the simulation was stopped before its end; run it again."
        )
    scenario, hours = folder / "scenario.toml", folder / "hours.csv"
    return AheadRun(
        path=folder,
        id=str(facts.get("id") or folder.resolve().name),
        facts=facts,
        scenario_text=read_text(scenario) if scenario.is_file() else "",
        summary=parse_ahead(document, str(folder / "summary.json")),
        hours=_hours(hours) if hours.is_file() else {},
    )


def parse_ahead(document: Mapping[str, Any], origin: str = "the document") -> AheadSummary:
    """The typed form of a ``gramwise.simulate/1`` or ``gramwise.sweep/1`` document.

    Args:
        document: what ``json.load`` returned, or what is about to be printed.
        origin: file name for error messages.

    Raises:
        RunDirectoryError: another schema, a missing key or a value of the wrong type; names the place.
    """
    schema = document.get("schema")
    if schema not in SIMULATED:
        raise RunDirectoryError(
            f"{origin}: schema is {schema!r}, and this gramwise reads {' and '.join(SIMULATED)}; "
            "read it with the gramwise that wrote it."
        )
    known = {key: value for key, value in document.items() if value is not None}
    try:
        summary = msgspec.convert(known, AheadSummary)
    except msgspec.ValidationError as error:
        raise RunDirectoryError(
            f"{origin} is not a {schema} document: {error}; run the simulation again."
        ) from error
    if not summary.policies:
        raise RunDirectoryError(f"{origin}: policies is empty, so there is nothing to show.")
    return summary


def _hours(file: Path) -> dict[str, tuple[NodeHours, ...]]:
    reader = csv.reader(read_text(file).splitlines())
    heads = next(reader, [])
    missing = [
        name for name in ("policy", "node", "zone", "time_s", FIGURES[0], FIGURES[-1]) if name not in heads
    ]
    if missing:
        raise RunDirectoryError(f"{file} has no column {missing[0]!r}; run the simulation again.")
    keys = [heads.index(name) for name in ("policy", "node", "zone")]
    numbers = [heads.index(name) for name in ("time_s", *FIGURES) if name in heads]
    rows: dict[tuple[str, ...], list[list[float]]] = {}
    for cells in reader:
        try:
            values = [float(cells[i] or "nan") for i in numbers]
            rows.setdefault(tuple(cells[i] for i in keys), []).append(values)
        except (ValueError, IndexError) as error:
            raise RunDirectoryError(
                f"{file}, line {reader.line_num}: {error}; run the simulation again."
            ) from error
    return _by_policy(file, rows, [name for name in FIGURES if name in heads])


def _by_policy(
    file: Path, rows: Mapping[tuple[str, ...], list[list[float]]], names: Sequence[str]
) -> dict[str, tuple[NodeHours, ...]]:
    """All nodes on one grid of hours, so that a row that is missing is a gap and not a shift."""
    tables = {key: np.array(values) for key, values in rows.items()}
    times = [table[:, 0] for table in tables.values()]
    if not all(np.isfinite(column).all() for column in times):
        raise RunDirectoryError(f"{file}: a row has no time_s; run the simulation again.")
    start_s = min((float(column.min()) for column in times), default=0.0)
    end_s = max((float(column.max()) for column in times), default=0.0)
    hours = round((end_s - start_s) / S_PER_HOUR) + 1
    found: dict[str, list[NodeHours]] = {}
    for (policy, node, zone), table in tables.items():
        at = np.rint((table[:, 0] - start_s) / S_PER_HOUR).astype(int)
        figures = {name: np.full(hours, math.nan) for name in FIGURES}
        for column, name in enumerate(names, 1):
            figures[name][at] = table[:, column]
        found.setdefault(policy, []).append(NodeHours(node=node, zone=zone, start_s=start_s, figures=figures))
    return {policy: tuple(nodes) for policy, nodes in found.items()}


# --- what to show ---


def chosen_week(nodes: Sequence[NodeHours], week: int | None = None) -> tuple[NodeHours, ...]:
    """The hours that pictures show.

    Args:
        nodes: of one policy.
        week: counted from 0 at the first hour; None takes the week in which the nodes' loads swing most (the sum over
            nodes of the highest less the lowest hour), the first of equals.

    Returns:
        The nodes with up to 168 hours each; all hours where there is no whole week.

    Raises:
        RunDirectoryError: there is no such week.
    """
    hours = max((len(node[FIGURES[0]]) for node in nodes), default=0)
    weeks = max(hours // WEEK_H, 1)
    if week is None:
        week = int(np.argmax([_swing(node.part(WEEK_H * k, WEEK_H) for node in nodes) for k in range(weeks)]))
    if not 0 <= week < weeks:
        raise RunDirectoryError(f"there is no week {week}: the run has weeks 0 to {weeks - 1}.")
    return tuple(node.part(WEEK_H * week, WEEK_H) for node in nodes)


def _swing(nodes: Iterable[NodeHours]) -> float:
    loads = (node["busy_frac"][np.isfinite(node["busy_frac"])] for node in nodes)
    return math.fsum(float(np.ptp(load)) for load in loads if len(load))


def by_load(nodes: Sequence[NodeHours]) -> list[NodeHours]:
    """The nodes with most load first."""
    return sorted(nodes, key=lambda node: -(mean(node["busy_frac"]) or 0.0))


def by_intensity(nodes: Sequence[NodeHours]) -> list[NodeHours]:
    """The nodes on the cleanest grids first, those on an unknown one last."""
    means = {node.node: mean(node["true_g_per_kwh"]) for node in nodes}
    return sorted(nodes, key=lambda node: (means[node.node] is None, means[node.node] or 0.0))


def mean(column: Floats) -> float | None:
    """Mean of the hours that are known; None where none is."""
    known = column[np.isfinite(column)]
    return float(known.mean()) if len(known) else None


def inside_frac(node: NodeHours, low: str, high: str) -> float | None:
    """Share of the hours with an interval whose true intensity lay in it; None where no hour has a real one."""
    truth, below, above = node["true_g_per_kwh"], node[low], node[high]
    # Equal ends come from annual means: they claim nothing that could hold or fail.
    told = np.isfinite(truth) & (below < above)
    return mean(((below <= truth) & (truth <= above))[told].astype(float)) if told.any() else None


def met_g_per_kwh(node: NodeHours) -> float | None:
    """Mean intensity weighted by load: what the work met. Against the plain mean it says how well it was placed."""
    truth, load = node["true_g_per_kwh"], node["busy_frac"]
    known = np.isfinite(truth) & np.isfinite(load)
    total = float(load[known].sum())
    return float((truth[known] * load[known]).sum() / total) if total > 0 else None


def other_cases(summary: AheadSummary) -> Iterator[tuple[str, AheadSummary]]:
    """Each case of a sweep with several settings: the settings in words, and its results."""
    for case in summary.cases:
        settings = case.get("parameters") or {}
        words = ", ".join(f"{key} = {value}" for key, value in settings.items()) or "as the file says"
        yield words, parse_ahead({"schema": summary.schema, **case}, "a case of the sweep")
