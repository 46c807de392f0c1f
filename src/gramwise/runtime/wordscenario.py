"""A plan from words as a scenario that runs: each thing that was decided becomes a class of requests, pinned.

A description speaks of jobs, sites and hours and brings no network. So every job is a model of its own, for which the
shipped digits network stands in; what a job takes at a site, which the plan knows, is declared in ``[[costs]]``; the
decision is kept by `allowed_zones` (where) and by files of arrivals (when). Places that the text names have no grid
zone, so they get codes that ISO 3166-1 leaves to users (XA to XZ). ``gramwise simulate`` comes to the plan's grams.

Grams are laid at the decision's entries by what each takes away when it is set to 0. Where these parts do not add up
to the whole (the objective is not linear, or has parts that no entry causes), one class carries it all.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gramwise.core.errors import ConfigError
from gramwise.core.units import J_PER_KWH
from gramwise.optimize.compiled.evaluate import Evaluator
from gramwise.optimize.typed.bind import Bound, BoundVariable
from gramwise.optimize.typed.units import alike, parse_unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

MARK = "# Written by gramwise plan --words"
_START = "2025-01-01T00:00:00Z"
_YEAR = 2025
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MOST_CLASSES, _MOST_MOVES = 200, 20_000
_TINY = 1e-9
_NAME = re.compile(r"[^A-Za-z0-9_-]+")
_HEADER = "time_utc,lifecycle_g_per_kwh,direct_g_per_kwh,estimated"


@dataclass(frozen=True, slots=True)
class Part:
    """What one item causes where and when it was put; positions are 0-based, 0 where there is no such set.

    ``carbon_g`` is what it would cause at each place, (places,): at ``site`` it is a part of the plan's grams.
    """

    item: str
    site: int
    hour: int
    carbon_g: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Class:
    """A part as a class of one request: its name in the scenario, where, when, and joules at each place."""

    name: str
    site: int
    hour: int
    energy_j: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Stage:
    """Which sets of a problem are places and hours, and how dirty they are.

    Attributes:
        sites: name of the set of places; empty for one unnamed place.
        hours: name of the ordered set of hours; empty for none.
        labels: names of the places.
        g_per_j: (places, hours), at least 1 x 1.
    """

    sites: str
    hours: str
    labels: tuple[str, ...]
    g_per_j: NDArray[np.float64]


def stage_of(bound: Bound) -> Stage | None:
    """Places and hours of a problem, by what its carbon intensities are over; None where it knows no intensity."""
    wanted = parse_unit("gCO2e/J").dims
    grids = {
        name: p for name, p in bound.params.items() if p.values is not None and alike(p.unit.dims, wanted)
    }
    if not grids:
        return None
    ordered = {s.name for s in bound.problem.sets if s.ordered}
    best = max(grids.values(), key=lambda p: (len(p.index), p.values.size if p.values is not None else 0))
    assert best.values is not None
    hours = next((s for s in best.index if s in ordered), "")
    sites = next((s for s in best.index if s not in ordered), "")
    if len(best.index) > (bool(hours) + bool(sites)):
        return None
    values = best.values.reshape(1, -1) if sites == "" else best.values.reshape(bound.sizes[sites], -1)
    if best.index and best.index[0] == hours and sites:
        values = best.values.T
    return Stage(sites, hours, _labels(bound, sites), values)


def _labels(bound: Bound, sites: str) -> tuple[str, ...]:
    declared = next((s for s in bound.problem.sets if s.name == sites), None)
    return tuple(declared.label(i) for i in range(declared.count)) if declared else ("here",)


def parts_of(bound: Bound, stage: Stage, decision: NDArray[np.float64], whole_g: float) -> list[Part] | None:
    """What each entry of a decision causes, or None where the entries do not add up to the whole."""
    entries = np.flatnonzero(np.abs(decision) > _TINY)
    if not 0 < len(entries) * len(stage.labels) <= _MOST_MOVES:
        return None
    caused = _caused(bound, stage, decision, entries)
    places = [_place(bound, stage, int(entry)) for entry in entries]
    here = np.array([caused[i, site] for i, (_, site, _) in enumerate(places)])
    if not np.all(np.isfinite(caused)) or abs(here.sum() - whole_g) > 1e-6 * abs(whole_g):
        return None
    parts: dict[tuple[str, int, int], NDArray[np.float64]] = {}
    for row, key, grams in zip(caused, places, here, strict=True):
        if abs(grams) > _TINY * abs(whole_g):
            parts[key] = parts[key] + row if key in parts else row
    if len(parts) > _MOST_CLASSES or any(np.any(row < 0) for row in parts.values()):
        return None
    return [Part(item, site, hour, tuple(row.tolist())) for (item, site, hour), row in parts.items()]


def _caused(
    bound: Bound, stage: Stage, decision: NDArray[np.float64], entries: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Grams of each entry at each place: with it there, less without it; (entries, places)."""
    evaluator, count = Evaluator(bound), len(stage.labels)
    without = np.repeat(decision[None, :], len(entries), axis=0)
    without[np.arange(len(entries)), entries] = 0.0
    moved = np.repeat(without, count, axis=0)
    for i, entry in enumerate(entries):
        for site in range(count):
            moved[i * count + site, _elsewhere(bound, stage, int(entry), site)] += decision[entry]
    return evaluator(moved).grams.reshape(-1, count) - evaluator(without).grams[:, None]


def _elsewhere(bound: Bound, stage: Stage, entry: int, site: int) -> int:
    """The same entry at another place; itself where its variable is not over places."""
    _, variable = _variable(bound, entry)
    if stage.sites not in variable.index:
        return entry
    at = list(_unravel(variable, entry))
    at[variable.index.index(stage.sites)] = site
    return variable.start + int(np.ravel_multi_index(at, variable.shape))


def _variable(bound: Bound, entry: int) -> tuple[str, BoundVariable]:
    return next((n, v) for n, v in bound.variables.items() if v.start <= entry < v.start + v.size)


def _place(bound: Bound, stage: Stage, entry: int) -> tuple[str, int, int]:
    name, variable = _variable(bound, entry)
    at = dict(zip(variable.index, _unravel(variable, entry), strict=True))
    site, hour = at.pop(stage.sites, 0), at.pop(stage.hours, 0)
    declared = {s.name: s for s in bound.problem.sets}
    labels = [
        f"{s.lower()}-{declared[s].label(i)}" if declared[s].labels is None else declared[s].label(i)
        for s, i in at.items()
    ]
    return ("-".join(labels) or name), site, hour


def _unravel(variable: BoundVariable, entry: int) -> tuple[int, ...]:
    return (
        tuple(int(i) for i in np.unravel_index(entry - variable.start, variable.shape))
        if variable.shape
        else ()
    )


def _classes(stage: Stage, parts: list[Part]) -> list[Class]:
    names: dict[str, int] = {}
    classes = []
    for part in parts:
        where = f"-at-{_slug(stage.labels[part.site])}" if stage.sites else ""
        when = f"-hour-{part.hour + 1}" if stage.hours else ""
        name = f"{_slug(part.item)}{where}{when}"
        names[name] = names.get(name, 0) + 1
        unique = name if names[name] == 1 else f"{name}-{names[name]}"
        classes.append(Class(unique, part.site, part.hour, _joules(part, stage)))
    return classes


def _joules(part: Part, stage: Stage) -> tuple[float, ...]:
    rates = stage.g_per_j[:, part.hour]
    return tuple(g / float(r) if r > 0 else 0.0 for g, r in zip(part.carbon_g, rates, strict=True))


def check_place(out: Path) -> None:
    """Refuse a path that holds something else than a scenario of ours, or that cannot be written.

    Raises:
        ConfigError: names the path.
    """
    if out.suffix != ".toml":
        raise ConfigError("a scenario's name ends in .toml.", file=out, fix="Write --out plan.toml.")
    if not out.parent.is_dir():
        raise ConfigError(
            "there is no such folder.", file=out.parent, fix="Make it, or name another with --out."
        )
    if out.exists() and (
        out.is_dir() or not out.read_text(encoding="utf-8", errors="replace").startswith(MARK)
    ):
        raise ConfigError(
            "this is not a plan from words and is not replaced.", file=out, fix="Name another --out."
        )


def write_scenario(
    bound: Bound, decision: NDArray[np.float64], whole_g: float, *, title: str, baseline: str = "", out: Path
) -> str:
    """Write the scenario and the files that it reads.

    Args:
        bound: the problem.
        decision: (width,), base units.
        whole_g: grams of the plan.
        title: one line for people.
        baseline: label of the place that is the baseline; the first by default.
        out: the scenario; files go into the folder ``<stem>-files`` beside it.

    Returns:
        What it is good for, in one or two sentences; empty where nothing was written because the problem has no
        intensity or nothing is spent.
    """
    stage = stage_of(bound)
    if stage is None or not whole_g > 0 or not np.any(stage.g_per_j > 0) or len(stage.labels) > 40:
        return ""
    parts = parts_of(bound, stage, decision, whole_g)
    exact = parts is not None and all(stage.g_per_j[p.site, p.hour] > 0 for p in parts)
    if parts is None or not exact:
        site, hour = np.unravel_index(
            int(np.argmin(np.where(stage.g_per_j > 0, stage.g_per_j, np.inf))), stage.g_per_j.shape
        )
        parts = [Part("everything", int(site), int(hour), (whole_g,) * len(stage.labels))]
    classes = _classes(stage, parts)
    files = out.with_name(f"{out.stem}-files")
    text = "\n".join(_lines(bound, stage, classes, title, baseline, files.name))
    files.mkdir(exist_ok=True)
    for name, content in _files(stage, classes):
        (files / name).write_text(content, encoding="utf-8")
    out.write_text(text + "\n", encoding="utf-8")
    if exact:
        return "The scenario pins every decision; gramwise simulate comes to the plan's grams."
    return (
        "The plan's grams do not belong to single decisions, so the scenario carries them as one class of requests"
        " at the cleanest place and hour: its total is the plan's, its places are not."
    )


def _lines(
    bound: Bound, stage: Stage, classes: list[Class], title: str, baseline: str, files: str
) -> Iterator[str]:
    nodes = [_slug(label) for label in stage.labels]
    yield f"{MARK}: {' '.join(title.split())[:90]}"
    yield "#\n#   gramwise simulate FILE     comes to the grams of the plan\n#"
    yield "# The digits network stands in for every job: the description names no network. Joules are the plan's. The"
    yield "# second that each job takes is a stand-in too: grams do not depend on it. Idle power is left out."
    yield f'schema = 1\nname = "{_slug(bound.problem.meta.id)[:40]}"'
    yield f'baseline_node = "{_slug(baseline) if _slug(baseline) in nodes else nodes[0]}"'
    for made in classes:
        yield f'\n[models.{made.name}]\nreference = "stand-in"'
        yield f'\n[models.{made.name}.variants.stand-in]\nfile = "package:digits-fp32.onnx"'
    for i, (label, node) in enumerate(zip(stage.labels, nodes, strict=True)):
        yield f'\n[nodes.{node}]\ndevice = "place-{node}"'
        yield f'zone = "{_zone(i)}" # a code for users in ISO 3166-1: no real zone'
        yield f'cpu_share = 0.5\nmemory = "512 MiB"\nspeed_factor = 1.0\nslots = {len(classes)}'
        if not stage.hours:
            yield f"intensity_g_per_kwh = {float(stage.g_per_j[i, 0] * J_PER_KWH)!r}"
            yield 'intensity_source = "the description that was planned"'
        busy_w = max(c.energy_j[i] for c in classes) or 1.0
        yield f"\n[devices.place-{node}]\nname = {json.dumps(label)}\nidle_w = 0.0\nbusy_w = {busy_w!r}"
        if any(c.energy_j[i] for c in classes):
            yield 'source = "the plan: power above idle while its dearest job runs for its stand-in second"'
        else:
            yield 'source = "made up: the plan knows no joules here"'
    for made in classes:
        for node, joules in zip(nodes, made.energy_j, strict=True):
            yield f'\n[[costs]]\nmodel = "{made.name}"\nvariant = "stand-in"\nnode = "{node}"'
            yield f'latency_s = 1.0\nenergy_j = {joules!r}\nsource = "the plan"'
        yield f'\n[[traffic]]\nname = "{made.name}"\nmodel = "{made.name}"'
        yield f'file = "{files}/{made.name}.csv"\nallowed_zones = ["{_zone(made.site)}"]'
    yield f'\n[workload]\nmodel = "{classes[0].name}"\nrequests = 1\nrepeats = 1'
    yield '\n[bench]\npolicies = ["monolithic", "grams"]'
    hours = 24.0 * math.ceil(stage.g_per_j.shape[1] / 24)
    yield f'\n[simulation]\nstart = "{_START}"\nhours = {hours}\npolicies = ["fastest", "grams"]'
    if stage.hours:
        yield f'traces = "{files}"'


def _files(stage: Stage, classes: list[Class]) -> Iterator[tuple[str, str]]:
    for made in classes:
        yield f"{made.name}.csv", f"time_s\n{3600.0 * made.hour + 60.0}\n"
    if not stage.hours:
        return
    for i, row in enumerate(stage.g_per_j):
        # Hours that the description does not reach hold the last value: nothing is served in them.
        padded = [*row, *itertools.repeat(row[-1], -len(row) % 24)]
        lines = (
            f"{_YEAR}-01-{1 + h // 24:02d}T{h % 24:02d}:00:00Z,{float(g) * J_PER_KWH!r},,1"
            for h, g in enumerate(padded)
        )
        yield f"{_zone(i)}_{_YEAR}.csv", "\n".join([_HEADER, *lines]) + "\n"


def _zone(i: int) -> str:
    """XA to XZ, then QM to QZ: the two-letter codes that ISO 3166-1 leaves to users."""
    return f"X{_LETTERS[i]}" if i < 26 else f"Q{_LETTERS[12 + i - 26]}"


def _slug(text: str) -> str:
    return _NAME.sub("-", text.strip()).strip("-").lower() or "x"
