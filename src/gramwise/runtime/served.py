"""What an inference takes and where inferences are served, for a bill: from a recorded run, else from the scenario.

A run says the joules of each node's completed inferences, the share of them that each node served, and with what
intensity they were billed. Without a run, joules are declared costs or a roofline of the catalogue's figures, and
shares are the scenario's, by default the baseline node alone.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from gramwise.core.errors import ConfigError, GramwiseError, RunDirectoryError
from gramwise.core.footprint import Factor, factor_of
from gramwise.core.machines import Node
from gramwise.core.quantity import Method, weakest
from gramwise.core.units import J_PER_KWH
from gramwise.fleet.catalogue import half_width_frac
from gramwise.fleet.scenario import Scenario
from gramwise.runtime.assembly import resolve_variants
from gramwise.runtime.modelled import modelled_cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A place that serves.

    Attributes:
        place: a node, or nodes of a split plan joined by ``>``.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """All places, and in a sentence where the figures come from."""

    places: tuple[Served, ...]
    said: str


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
    summary = _summary(folder)
    rows = _completed(folder)
    chosen = policy or _fewest(summary, rows)
    rows = [row for row in rows if row["policy"] == chosen]
    if not rows:
        raise ConfigError(
            f"the run has no answered request of the policy {chosen!r}.",
            file=scenario.path,
            key="footprint.policy",
            fix="Write one that the run has.",
        )
    total = math.fsum(float(row["count"]) for row in rows)
    places = []
    for place in dict.fromkeys(row["node"] for row in rows):
        own = [row for row in rows if row["node"] == place]
        places.append(_place(place, own, total, summary, folder))
    kind = "simulated" if summary.get("simulated") else "run"
    said = f"Joules, shares and grid hours come from the {kind} {folder.name}, policy {chosen}."
    return Serving(places=tuple(places), said=said)


def _place(
    place: str, rows: Sequence[Mapping[str, str]], total: float, summary: Mapping[str, Any], folder: Path
) -> Served:
    count = math.fsum(float(row["count"]) for row in rows)
    joules = _sum(rows, "energy_j")
    share = count / total
    if joules is None:
        why = f"inference on {place}: the run {folder.name} does not know its joules."
        return Served(place=place, share_frac=share, energy=None, why_unknown=why)
    value = joules / count
    low, high = _relative(place, summary)
    methods = cast("list[Method]", [row["method"] for row in rows if row["method"]])
    grams = _sum(rows, "carbon_g")
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
        g_per_kwh=None if grams is None or joules <= 0.0 else grams / joules * J_PER_KWH,
    )


def _relative(place: str, summary: Mapping[str, Any]) -> tuple[float, float]:
    """Ends of the interval over its value: the run's own for that node, else the rule for what is modelled."""
    for node in summary.get("nodes") or ():
        known = node.get("energy_j_per_inference") if node.get("name") == place else None
        if known and known["value"] > 0.0:
            return known["low"] / known["value"], known["high"] / known["value"]
    half, _ = half_width_frac("modelled")
    return 1.0 - half, 1.0 + half


def _summary(folder: Path) -> Mapping[str, Any]:
    file = folder / "summary.json"
    try:
        document = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as fault:
        raise RunDirectoryError(f"{file} cannot be read: {fault}; name a run that was finished.") from fault
    if not isinstance(document, dict):
        raise RunDirectoryError(f"{file} is no summary; name a run that bench or simulate made.")
    return document


def _completed(folder: Path) -> list[dict[str, str]]:
    file = folder / "outcomes.csv"
    try:
        with file.open(encoding="utf-8", newline="") as text:
            rows = [row for row in csv.DictReader(text) if row.get("status") == "completed"]
    except OSError as fault:
        raise RunDirectoryError(
            f"{file} cannot be read: {fault.strerror or fault}; name a run of bench or simulate."
        ) from fault
    if not rows:
        raise RunDirectoryError(
            f"{folder} holds no answered request (a sweep keeps none): name a run of bench or simulate."
        )
    return rows


def _fewest(summary: Mapping[str, Any], rows: Sequence[Mapping[str, str]]) -> str:
    """The policy with the fewest grams an inference."""
    grams: dict[str, float] = {}
    for policy in dict.fromkeys(row["policy"] for row in rows):
        own = [row for row in rows if row["policy"] == policy]
        spent = _sum(own, "carbon_g")
        if spent is not None:
            grams[policy] = spent / math.fsum(float(row["count"]) for row in own)
    if not grams:
        raise GramwiseError(f"no policy of {summary.get('scenario')} has known grams.")
    return min(grams, key=lambda name: grams[name])


def _sum(rows: Sequence[Mapping[str, str]], column: str) -> float | None:
    """Of a column; None where a cell is unknown."""
    cells = [row.get(column) or "nan" for row in rows]
    total = math.fsum(float(cell) for cell in cells)
    return total if math.isfinite(total) else None
