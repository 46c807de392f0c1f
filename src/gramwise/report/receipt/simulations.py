"""Accounts of ``gramwise simulate`` and ``gramwise sweep``.

A simulated request's grams are its joules x the true intensity of its node, averaged over the time it ran, x PUE. The
receipt holds, for each policy and node, the joules and the mean intensity that they met (weighted by joules). That mean
is worked out from ``hours.csv`` and not from the grams, so that it checks them. A sweep keeps no joules by node; its
grams are copied.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gramwise.core.receipt import Document, account, electricity_g, item, point, versioned
from gramwise.core.units import S_PER_HOUR
from gramwise.report.receipt.rows import (
    Books,
    added,
    grams,
    joules,
    number,
    pue_of,
    pue_row,
    rows,
    zone_of,
)

_SIMULATED = "simulated: nodes are timers or flows, nothing was measured"
_BOUNDARY = "marginal electricity of answered requests; idle power and wasted work stand apart"
_NOT_INCLUDED = ("embodied carbon of the hardware", "training and data", "networks", "choosing plans")
_METHODS = {
    "carbon": "joules x true intensity of the node's zone while the work ran x PUE of its site",
    "energy": "modelled: service time x (busy - idle power) of the node's device",
    "interval": "none: the run states no interval",
    "kind": _SIMULATED,
}
Hours = Mapping[tuple[str, str], Sequence[float]]
"""True g/kWh by policy and node, one value an hour."""


def simulate_accounts(
    folder: Path, facts: Mapping[str, object], scenario: Mapping[str, Any], summary: Mapping[str, Any]
) -> Books:
    """An account a policy.

    Raises:
        RunDirectoryError: a broken file.
    """
    outcomes = rows(
        folder / "outcomes.csv",
        "policy",
        "node",
        "status",
        "count",
        "start_s",
        "end_s",
        "energy_j",
        "carbon_g",
    )
    windows = rows(folder / "nodes.csv", "policy", "node", "window_s", "idle_j")
    table = rows(folder / "hours.csv", "policy", "node", "time_s", "true_g_per_kwh")
    start_s = min((number(row["time_s"]) for row in table), default=math.nan)
    truth: dict[tuple[str, str], list[float]] = {}
    for row in table:
        truth.setdefault((row["policy"], row["node"]), []).append(number(row["true_g_per_kwh"]))
    factors: dict[str, Document] = {}
    books = []
    for policy in summary["policies"]:
        name = policy["name"]
        done = [row for row in outcomes if row["policy"] == name and row["status"] == "completed"]
        idle = [row for row in windows if row["policy"] == name]
        books.append(
            account(
                name,
                list(_served(name, done, truth, start_s, scenario, factors)),
                functional_unit="inference",
                units=sum(int(row["count"]) for row in done),
                boundary=_BOUNDARY,
                not_included=_NOT_INCLUDED,
                apart=[*_idle(name, idle, truth, scenario, factors), *_wasted(policy)],
                period=_period(facts, start_s),
                facts={"carbon_g": policy.get("carbon_g")},
            )
        )
    return Books(accounts=books, factors=factors, methods=dict(_METHODS))


def sweep_accounts(
    folder: Path, facts: Mapping[str, object], scenario: Mapping[str, Any], summary: Mapping[str, Any]
) -> Books:
    """An account a policy, of one item that is copied from the summary."""
    source = "copied from summary.json: a sweep keeps no joules by node"
    books = [
        account(
            policy["name"],
            [item("all nodes, serving", "inference", grams(policy.get("carbon_g"), source))],
            functional_unit="request",
            units=summary.get("requests"),
            boundary=_BOUNDARY,
            not_included=_NOT_INCLUDED,
            apart=[item("all nodes, idle", "idle", grams(summary.get("idle_g"), source))],
            period=_period(facts, float(summary.get("start_s", math.nan))),
            facts={"carbon_g": policy.get("carbon_g")},
        )
        for policy in summary["policies"]
    ]
    return Books(accounts=books, factors={}, methods=dict(_METHODS))


def met_g_per_kwh(hours: Sequence[float], first_s: float, start_s: float, end_s: float) -> float:
    """Mean intensity over an interval, weighted by time.

    Args:
        hours: g/kWh, one value an hour, (T,).
        first_s: start of the first hour, Unix seconds.
        start_s, end_s: of the interval; what lies after the last hour counts at that hour's value.
    """
    last = len(hours) - 1
    begin, end = (start_s - first_s) / S_PER_HOUR, (end_s - first_s) / S_PER_HOUR
    first, final = (min(max(math.floor(edge), 0), last) for edge in (begin, end))
    if final <= first:
        return hours[first]
    edges = [min(max(float(edge), begin), end) for edge in range(first, final + 1)] + [end]
    widths = [b - a for a, b in itertools.pairwise(edges)]
    return math.fsum(w * hours[first + k] for k, w in enumerate(widths)) / math.fsum(widths)


def _served(
    policy: str,
    done: Sequence[Mapping[str, str]],
    truth: Hours,
    first_s: float,
    scenario: Mapping[str, Any],
    factors: dict[str, Document],
) -> Iterator[Document]:
    by_node: dict[str, list[Mapping[str, str]]] = {}
    for row in done:
        by_node.setdefault(row["node"], []).append(row)
    for node, members in by_node.items():
        each_j = [number(row["energy_j"]) for row in members]
        energy_j, total_g = added(each_j), added(number(row["carbon_g"]) for row in members)
        name, units = f"{node}, serving", float(sum(int(row["count"]) for row in members))
        hours = truth.get((policy, node))
        if not energy_j or total_g is None or hours is None:
            source = "copied from outcomes.csv"
            energy = joules(energy_j, "modelled", source)
            yield item(name, "inference", grams(total_g, source), energy_j=energy, units=units)
            continue
        met = math.fsum(
            j * met_g_per_kwh(hours, first_s, number(row["start_s"]), number(row["end_s"]))
            for j, row in zip(each_j, members, strict=True)
        )
        key = f"intensity.{node}.{policy}"
        source = "mean that this policy's requests met, weighted by joules; hourly values of hours.csv"
        factors[key] = _intensity(met / energy_j, source, node, scenario)
        energy = point(energy_j, "J", "modelled", "sum of energy_j of outcomes.csv")
        yield _electric(
            name, "inference", grams(total_g, source), energy, key, node, scenario, factors, units
        )


def _idle(
    policy: str,
    windows: Sequence[Mapping[str, str]],
    truth: Hours,
    scenario: Mapping[str, Any],
    factors: dict[str, Document],
) -> Iterator[Document]:
    """Of each node: always on over the whole span, at the plain mean of its hours."""
    for row in windows:
        node, energy_j, hours = row["node"], number(row["idle_j"]), truth.get((policy, row["node"]))
        if math.isnan(energy_j) or not hours:
            yield item(f"{node}, idle", "idle", None)
            continue
        length = number(row["window_s"]) / S_PER_HOUR
        weights = [min(max(length - hour, 0.0), 1.0) for hour in range(len(hours))]
        key = f"intensity.{node}"
        mean = math.fsum(w * h for w, h in zip(weights, hours, strict=True)) / math.fsum(weights)
        factors[key] = _intensity(
            mean, "mean over the whole span; hourly values of hours.csv", node, scenario
        )
        energy = point(energy_j, "J", "modelled", "idle power of the device x the span (nodes.csv)")
        bare = _electric(f"{node}, idle", "idle", None, energy, key, node, scenario, factors, None)
        source = "idle power x time x mean intensity x PUE"
        yield {**bare, "carbon": grams(electricity_g(bare, factors), source)}


def _wasted(policy: Mapping[str, Any]) -> Iterator[Document]:
    if policy.get("wasted_g"):
        source = "copied from summary.json: work that a node's death undid"
        energy = joules(policy.get("wasted_j"), "modelled", source)
        yield item("all nodes, wasted", "inference", grams(policy["wasted_g"], source), energy_j=energy)


def _electric(
    name: str,
    phase: str,
    carbon: Document | None,
    energy: Document,
    key: str,
    node: str,
    scenario: Mapping[str, Any],
    factors: dict[str, Document],
    units: float | None,
) -> Document:
    pue_key = f"pue.{node}"
    factors[pue_key] = pue_row(pue_of(scenario, node))
    return item(
        name,
        phase,
        carbon,
        energy_j=energy,
        factors=[key, pue_key],
        rule="electricity",
        intensity=key,
        pue=pue_key,
        units=units,
    )


def _intensity(value: float, source: str, node: str, scenario: Mapping[str, Any]) -> Document:
    row = point(value, "g/kWh", "modelled", source, boundary="site")
    return versioned({**row, "zone": zone_of(scenario, node)})


def _period(facts: Mapping[str, object], start_s: float) -> Document:
    hours = facts.get("hours")
    start = (
        datetime.fromtimestamp(start_s, UTC).isoformat(timespec="milliseconds")
        if math.isfinite(start_s)
        else None
    )
    return {"start": start, "duration_s": float(str(hours)) * S_PER_HOUR if hours is not None else None}
