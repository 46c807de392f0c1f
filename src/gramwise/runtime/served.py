"""What an inference takes and where inferences are served, for a bill: from a recorded run, else from the scenario.

A run says the joules of each node's completed inferences, the share of them that each node served, and with what
intensity they were billed. It must have been of this scenario's machines. Without a run, joules are declared costs or
what the catalogue's figures let one estimate. Shares that the scenario writes go before those of the run; where neither
says any, the baseline node serves all.
"""

from __future__ import annotations

import csv
import json
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, cast, get_args

from gramwise.core.errors import ConfigError, RunDirectoryError, did_you_mean
from gramwise.core.footprint import Factor, factor_of
from gramwise.core.machines import Node
from gramwise.core.quantity import Method, weakest
from gramwise.core.units import J_PER_KWH
from gramwise.fleet.catalogue import half_width_frac
from gramwise.fleet.scenario import Scenario
from gramwise.runtime.assembly import resolve_variants
from gramwise.runtime.modelled import modelled_cost
from gramwise.runtime.rundir import read_decisions

SPLIT = " > "
"""Between the nodes of a split plan, in the order in which they compute."""
_TOLD = re.compile(r"Intensity of .*?: (?:trace .*, (lifecycle|direct)\.$)?")
"""How a simulation says its intensities, which are averages: from a trace with its basis, else an annual mean."""
_MACHINE: Mapping[str, object] = {"zone": None, "device": None, "pue": 1.0, "intensity_g_per_kwh": None}
"""Keys of a node that a run's joules and grams hold for, with what they are where nobody wrote them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A place that serves.

    Attributes:
        place: a node, or nodes of a split plan joined by `SPLIT`.
        share_frac: of all inferences.
        energy: joules of an inference there, marginal; None where nothing is known of them.
        g_per_kwh: mean intensity that the run billed its joules at, PUE included; None without a run.
        why_unknown: where ``energy`` is None: what to write.
    """

    place: str
    share_frac: float
    energy: Factor | None
    g_per_kwh: float | None = None
    why_unknown: str = ""

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes that it stands for."""
        return tuple(self.place.split(SPLIT))


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """All places, in a sentence where the figures come from, and of which kind the intensities of the run were.

    ``kind`` is ``"average/lifecycle"`` or the like; None where no intensity of a run is used.
    """

    places: tuple[Served, ...]
    said: str
    kind: str | None = None


class _Row(NamedTuple):
    """An answered request; NaN where the run knows no figure."""

    request: str
    policy: str
    place: str
    inferences: float
    energy_j: float
    carbon_g: float
    method: str


def serving(scenario: Scenario) -> Serving:
    """Where inferences are served and what one takes.

    Raises:
        ConfigError: the run or its policy is not there.
        RunDirectoryError: the run cannot be read or holds no answered request.
    """
    table = scenario.footprint
    if table.run is not None:
        return _of_run(scenario, scenario.path.parent / table.run, table.policy)
    shares = table.shares or {scenario.baseline_node: 1.0}
    nodes = {node.name: node for node in scenario.node_records()}
    places = tuple(_modelled(scenario, nodes[name], share) for name, share in shares.items() if share > 0.0)
    named = ", ".join(f"{place.place} {place.share_frac:.0%}" for place in places)
    by = (
        "as footprint.shares says"
        if table.shares
        else "the baseline node, since no run and no shares are given"
    )
    return Serving(places=places, said=f"Served by {named}: {by}. Joules are modelled, not measured.")


def _modelled(scenario: Scenario, node: Node, share: float) -> Served:
    key = f"serve.{node.name}.j_per_inference"
    variant = next(v for v in resolve_variants(scenario) if v.model == scenario.model)
    try:
        energy = modelled_cost(scenario, node, variant)
    except ConfigError as fault:
        why = f"inference on {node.name}: {fault.message} {fault.fix or ''}".strip()
        return Served(place=node.name, share_frac=share, energy=None, why_unknown=why)
    return Served(place=node.name, share_frac=share, energy=factor_of(key, energy))


def _of_run(scenario: Scenario, folder: Path, policy: str | None) -> Serving:
    if not folder.is_dir():
        raise ConfigError(
            f"there is no folder {folder}.",
            file=scenario.path,
            key="footprint.run",
            fix="Write the run directory that bench or simulate made, relative to the scenario file.",
        )
    summary, ran = _summary(folder), _scenario_of(folder)
    rows = _of_model(scenario, ran, folder, _answered(folder))
    chosen = policy or _fewest(scenario, rows)
    rows_of = [row for row in rows if row.policy == chosen]
    if not rows_of:
        raise ConfigError(
            f"the run has no answered request of the policy {chosen!r}.",
            file=scenario.path,
            key="footprint.policy",
            fix=did_you_mean(chosen, {row.policy for row in rows}),
        )
    kind = _kind(folder, summary)
    places = _places(rows_of, summary, folder, hours=kind is not None)
    for place in places:
        _same_machines(scenario, ran, place)
    shared = _shared(scenario, places)
    what = "simulated run" if summary.get("simulated") else "run"
    by = "Joules" if scenario.footprint.shares else "Joules and shares"
    hours = any(place.g_per_kwh is not None for place in shared)
    grid = (
        "that of the hours of the run" if hours else "the annual mean, since those of the run are not known"
    )
    said = (
        f"{by} come from the {what} {folder.name}, policy {chosen}; the intensity of an inference is {grid}."
    )
    if scenario.footprint.shares:
        said += " Shares are as footprint.shares says."
    return Serving(places=shared, said=said, kind=kind if hours else None)


def _shared(scenario: Scenario, places: Sequence[Served]) -> tuple[Served, ...]:
    """The run's places, or those that the scenario gives shares, each with the run's joules or modelled ones."""
    shares = scenario.footprint.shares
    if not shares:
        return tuple(places)
    known = {place.place: place for place in places}
    nodes = {node.name: node for node in scenario.node_records()}
    return tuple(
        replace(known[name], share_frac=share) if name in known else _modelled(scenario, nodes[name], share)
        for name, share in shares.items()
        if share > 0.0
    )


def _same_machines(scenario: Scenario, ran: Mapping[str, Any], place: Served) -> None:
    """Refuse a run of other machines: neither its joules nor its grams hold for these."""
    for name in place.nodes:
        node, then = scenario.nodes.get(name), ran.get("nodes", {}).get(name, {})
        message = f"the run was served by {name!r}, which is no node of this scenario."
        if node is not None:
            pairs = {k: (then.get(k, usual), getattr(node, k)) for k, usual in _MACHINE.items()}
            odd = next((key for key, (was, now) in pairs.items() if was != now), None)
            if odd is None:
                continue
            message = f"{odd} of {name} was {pairs[odd][0]!r} in the run and is {pairs[odd][1]!r} now."
        raise ConfigError(
            message, file=scenario.path, key="footprint.run", fix="Name a run of this scenario's machines."
        )


def _of_model(
    scenario: Scenario, ran: Mapping[str, Any], folder: Path, rows: Sequence[_Row]
) -> Sequence[_Row]:
    """The rows of the model that is billed; what a run of several models asked for stands with its decisions."""
    if len(ran.get("models", {})) < 2:
        return rows
    asked = {told["request"]["id"]: told["request"]["model"] for told, _ in read_decisions(folder)}
    unknown = next((row.request for row in rows if row.request not in asked), None)
    if unknown is not None:
        raise RunDirectoryError(
            f"{folder} serves several models and does not say which the request {unknown} asked for; name a run of "
            f"{scenario.model} alone."
        )
    own = [row for row in rows if asked[row.request] == scenario.model]
    if not own:
        raise ConfigError(
            f"the run answered no request for {scenario.model}.",
            file=scenario.path,
            key="footprint.run",
            fix="Name a run of this model.",
        )
    return own


def _places(rows: Sequence[_Row], summary: Mapping[str, Any], folder: Path, *, hours: bool) -> list[Served]:
    total = math.fsum(row.inferences for row in rows)
    places = []
    for name in dict.fromkeys(row.place for row in rows):
        own = [row for row in rows if row.place == name]
        place = _place(name, own, total, summary, folder)
        places.append(place if hours else replace(place, g_per_kwh=None))
    return places


def _place(
    place: str, rows: Sequence[_Row], total: float, summary: Mapping[str, Any], folder: Path
) -> Served:
    count, joules = (
        math.fsum(column) for column in zip(*((r.inferences, r.energy_j) for r in rows), strict=True)
    )
    share = count / total
    if math.isnan(joules):
        dark = math.fsum(row.inferences for row in rows if math.isnan(row.energy_j))
        why = (
            f"inference on {place}: the run {folder.name} does not know the joules of {dark:.0f} of its "
            f"{count:.0f} inferences."
        )
        return Served(place=place, share_frac=share, energy=None, why_unknown=why)
    value = joules / count
    low, high = _relative(place, summary)
    methods = cast("list[Method]", [row.method for row in rows if row.method in get_args(Method)])
    grams = math.fsum(row.carbon_g for row in rows)
    return Served(
        place=place,
        share_frac=share,
        energy=Factor(
            key=f"serve.{place}.j_per_inference",
            value=value,
            low=value * low,
            high=value * high,
            unit="J",
            method=weakest(*methods) if methods else "assumed",
            boundary="board",
            source=f"run {folder.name}: {count:.0f} inferences answered by {place}",
        ),
        g_per_kwh=None if math.isnan(grams) or joules <= 0.0 else grams / joules * J_PER_KWH,
    )


def _relative(place: str, summary: Mapping[str, Any]) -> tuple[float, float]:
    """Ends of the interval over its value: the run's own for that node, else the rule for what is modelled."""
    for node in summary.get("nodes") or ():
        known = node.get("energy_j_per_inference") if node.get("name") == place else None
        if known and known["value"] > 0.0:
            return known["low"] / known["value"], known["high"] / known["value"]
    half, _ = half_width_frac("modelled")
    return 1.0 - half, 1.0 + half


def _kind(folder: Path, summary: Mapping[str, Any]) -> str | None:
    """Signal and basis of the intensities that the run was billed at; None where it does not say."""
    for _, upper in read_decisions(folder):
        return f"{upper['signal']}/{upper['basis']}"
    for node in summary.get("nodes") or ():
        if node.get("intensity_signal") and node.get("intensity_basis"):
            return f"{node['intensity_signal']}/{node['intensity_basis']}"
    told = [found for text in summary.get("provenance") or () if (found := _TOLD.match(str(text)))]
    if not summary.get("simulated") or not told:
        return None
    return f"average/{next((found[1] for found in told if found[1]), 'lifecycle')}"


def _summary(folder: Path) -> Mapping[str, Any]:
    file = folder / "summary.json"
    try:
        document = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as fault:
        raise RunDirectoryError(f"{file} cannot be read: {fault}; name a run that was finished.") from fault
    if not isinstance(document, dict):
        raise RunDirectoryError(f"{file} is no summary; name a run that bench or simulate made.")
    return document


def _scenario_of(folder: Path) -> Mapping[str, Any]:
    file = folder / "scenario.toml"
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as fault:
        raise RunDirectoryError(
            f"{file} cannot be read: {fault}; without it nobody knows which machines ran."
        ) from fault


def _answered(folder: Path) -> list[_Row]:
    file = folder / "outcomes.csv"
    try:
        with file.open(encoding="utf-8", newline="") as text:
            rows = [_row(file, n, row) for n, row in enumerate(csv.DictReader(text), 2)]
    except OSError as fault:
        raise RunDirectoryError(
            f"{file} cannot be read: {fault.strerror or fault}; name a run of bench or simulate."
        ) from fault
    found = [row for row in rows if row is not None]
    if not found:
        raise RunDirectoryError(
            f"{folder} holds no answered request (a sweep and a footprint keep none): name a run of bench or simulate."
        )
    return found


def _row(file: Path, number: int, cells: Mapping[str, str | None]) -> _Row | None:
    """An answered request; None for one that was not."""
    if cells.get("status") != "completed":
        return None
    try:
        row = _Row(
            request=str(cells["request"]),
            policy=str(cells["policy"]),
            place=str(cells["node"]),
            inferences=float(cells["count"] or "nan"),
            energy_j=float(cells["energy_j"] or "nan"),
            carbon_g=float(cells["carbon_g"] or "nan"),
            method=cells["method"] or "",
        )
    except (KeyError, ValueError) as fault:
        raise RunDirectoryError(f"{file}:{number}: this is no row of outcomes ({fault}).") from fault
    sound = row.place and 0.0 < row.inferences < math.inf
    if not sound or any(figure < 0.0 or math.isinf(figure) for figure in (row.energy_j, row.carbon_g)):
        raise RunDirectoryError(f"{file}:{number}: a place, a count or a figure makes no sense.")
    return row


def _fewest(scenario: Scenario, rows: Sequence[_Row]) -> str:
    """The policy with the fewest grams an inference."""
    grams: dict[str, float] = {}
    for policy in dict.fromkeys(row.policy for row in rows):
        own = [row for row in rows if row.policy == policy]
        spent = math.fsum(row.carbon_g for row in own)
        if not math.isnan(spent):
            grams[policy] = spent / math.fsum(row.inferences for row in own)
    if not grams:
        raise ConfigError(
            "of no policy of the run all grams are known, so none has the fewest.",
            file=scenario.path,
            key="footprint.policy",
            fix=f"Write one of: {', '.join(sorted({row.policy for row in rows}))}.",
        )
    return min(grams, key=lambda name: grams[name])
