"""Accounts of ``gramwise bench``: joules of each answered request x the recorded intensity of its node x its PUE.

Requests of a node are grouped by the recorded intensity that gives their grams. Requests that ran on several nodes are
accounted node by node from ``nodes.csv``, where that gives the same grams. What neither explains (a reading that no
decision saw) is copied and marked ``recorded``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gramwise.core.receipt import TOLERANCE, Document, account, electricity_g, item, point, versioned
from gramwise.core.units import carbon_g
from gramwise.report.receipt.rows import (
    Books,
    added,
    grams,
    joules,
    least_sure,
    number,
    pue_of,
    pue_row,
    rows,
    zone_of,
)
from gramwise.runtime.engine import NODES_JOINED
from gramwise.runtime.rundir import read_decisions

_METHODS = {
    "carbon": "joules of each answered request x intensity of its node's zone x PUE of its site (marginal energy)",
    "energy": "thread CPU seconds x energy model of the node's device",
    "interval": "all factors at their low, and all at their high end",
}
_BOUNDARY = "marginal electricity of answered requests; idle power stands apart"
_NOT_INCLUDED = (
    "embodied carbon of the hardware",
    "training and data",
    "tensors moved between machines",
    "the process that decides",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    """What the run knows of a node: the summary's row, its intensities by factor key, its PUE and that factor's key."""

    row: Mapping[str, Any]
    intensities: Mapping[str, float]
    pue: float
    pue_key: str


def bench_accounts(
    folder: Path, facts: Mapping[str, object], scenario: Mapping[str, Any], summary: Mapping[str, Any]
) -> Books:
    """An account a policy.

    Raises:
        RunDirectoryError: a broken file.
    """
    outcomes = rows(
        folder / "outcomes.csv", "policy", "node", "status", "count", "energy_j", "carbon_g", "start_s"
    )
    windows = rows(folder / "nodes.csv", "policy", "node", "window_s", "attributed_j", "idle_j")
    factors: dict[str, Document] = {}
    seen = _seen(folder)
    nodes = {
        row["name"]: _node(row, scenario, seen.get(row["name"], ()), factors) for row in summary["nodes"]
    }
    books = [
        _account(
            policy,
            [row for row in outcomes if row["policy"] == policy["name"]],
            [row for row in windows if row["policy"] == policy["name"]],
            nodes,
            factors,
        )
        for policy in summary["policies"]
    ]
    used = {key for book in books for row in (*book["items"], *book["apart"]) for key in row["factors"]}
    return Books(
        accounts=books, factors={k: v for k, v in factors.items() if k in used}, methods=dict(_METHODS)
    )


def _seen(folder: Path) -> dict[str, list[float]]:
    """Every intensity of each node that a decision of the run saw, in order."""
    found: dict[str, dict[float, None]] = {}
    last = None
    for _, upper in read_decisions(folder) if (folder / "decisions.jsonl").is_file() else ():
        if upper is not last:  # one block serves many decisions
            last = upper
            for node, value in zip(upper["nodes"], upper["intensity_g_per_kwh"], strict=True):
                if value is not None:
                    found.setdefault(node, {})[float(value)] = None
    return {node: list(values) for node, values in found.items()}


def _node(
    row: Mapping[str, Any], scenario: Mapping[str, Any], seen: Sequence[float], factors: dict[str, Document]
) -> _Node:
    name, intensities = row["name"], {}
    kind = {
        "signal": row.get("intensity_signal"),
        "basis": row.get("intensity_basis"),
        "zone": row.get("zone") or zone_of(scenario, name),
    }
    if row.get("intensity") is not None:
        key = f"intensity.{name}"
        factors[key] = versioned({**row["intensity"], **kind})
        intensities[key] = float(row["intensity"]["value"])
    for value in seen:
        if value not in intensities.values():
            key = f"intensity.{name}.{value!r}"
            source = "as its feed had it when a decision of this run was made (decisions.jsonl)"
            factors[key] = versioned({**point(value, "g/kWh", "modelled", source, boundary="site"), **kind})
            intensities[key] = value
    pue_key = f"pue.{name}"
    pue = float(row["pue"]) if row.get("pue") is not None else pue_of(scenario, name)
    factors[pue_key] = pue_row(pue)
    return _Node(row=row, intensities=intensities, pue=pue, pue_key=pue_key)


def _account(
    policy: Mapping[str, Any],
    outcomes: Sequence[Mapping[str, str]],
    windows: Sequence[Mapping[str, str]],
    nodes: Mapping[str, _Node],
    factors: Mapping[str, Document],
) -> Document:
    done = [row for row in outcomes if row["status"] == "completed"]
    inferences = sum(int(row["count"]) for row in done)
    per_inference = policy.get("carbon_g_per_inference")
    return account(
        policy["name"],
        _items(done, windows, nodes, factors),
        functional_unit="inference",
        units=inferences,
        boundary=_BOUNDARY,
        not_included=_NOT_INCLUDED,
        apart=list(_idle(windows, nodes, factors)),
        period=_period(outcomes, windows),
        facts={"carbon_g": None if per_inference is None else per_inference * inferences},
    )


def _items(
    done: Sequence[Mapping[str, str]],
    windows: Sequence[Mapping[str, str]],
    nodes: Mapping[str, _Node],
    factors: Mapping[str, Document],
) -> list[Document]:
    if any(NODES_JOINED in row["node"] for row in done):
        total_g = added(number(row["carbon_g"]) for row in done)
        found = list(_attributed(done, windows, nodes, factors))
        parts_g = [row["carbon"]["value"] for row in found]
        if total_g is not None and math.isclose(math.fsum(parts_g), total_g, rel_tol=TOLERANCE):
            return found
    return list(_served(done, nodes, factors))


def _attributed(
    done: Sequence[Mapping[str, str]],
    windows: Sequence[Mapping[str, str]],
    nodes: Mapping[str, _Node],
    factors: Mapping[str, Document],
) -> Iterator[Document]:
    """Of each node: the joules that its counters gave to requests, at the intensity of the summary."""
    method = least_sure(*(row["method"] for row in done))
    for name, node in nodes.items():
        key = f"intensity.{name}"
        energy_j = added(number(row["attributed_j"]) for row in windows if row["node"] == name)
        if energy_j and key in node.intensities:
            total_g = carbon_g(energy_j, node.intensities[key], node.pue)
            yield _electric(name, f"{name}, serving", key, node, energy_j, total_g, method, None, factors)


def _served(
    done: Sequence[Mapping[str, str]], nodes: Mapping[str, _Node], factors: Mapping[str, Document]
) -> Iterator[Document]:
    groups: dict[tuple[str, str | None], list[Mapping[str, str]]] = {}
    for row in done:
        groups.setdefault((row["node"], _matching(row, nodes.get(row["node"]))), []).append(row)
    for (place, key), members in groups.items():
        energy_j = added(number(row["energy_j"]) for row in members)
        total_g = added(number(row["carbon_g"]) for row in members)
        method = least_sure(*(row["method"] for row in members))
        units = float(sum(int(row["count"]) for row in members))
        several = sum(other == place for other, _ in groups) > 1
        name = f"{place}, serving" + (f" at {factors[key]['value']:g} g/kWh" if several and key else "")
        node = nodes.get(place)
        if key is None or node is None or energy_j is None or total_g is None:
            source = "copied from outcomes.csv: no recorded intensity of one node gives these grams"
            energy = joules(energy_j, method, "sum of energy_j of outcomes.csv")
            yield item(
                f"{place}, serving", "inference", grams(total_g, source, method), energy_j=energy, units=units
            )
            continue
        yield _electric(place, name, key, node, energy_j, total_g, method, units, factors)


def _electric(
    place: str,
    name: str,
    key: str,
    node: _Node,
    energy_j: float,
    total_g: float,
    method: str,
    units: float | None,
    factors: Mapping[str, Document],
) -> Document:
    row = item(
        name,
        "inference",
        None,
        energy_j=_energy(energy_j, node, method),
        factors=[key, node.pue_key],
        rule="electricity",
        intensity=key,
        pue=node.pue_key,
        units=units,
    )
    return {**row, "component": place, "carbon": _carbon(row, factors, total_g, method)}


def _matching(row: Mapping[str, str], node: _Node | None) -> str | None:
    """The factor key of the recorded intensity that gives a request's grams."""
    energy_j, total_g = number(row["energy_j"]), number(row["carbon_g"])
    if node is None or math.isnan(energy_j) or math.isnan(total_g):
        return None
    return next(
        (
            key
            for key, intensity in node.intensities.items()
            if math.isclose(carbon_g(energy_j, intensity, node.pue), total_g, rel_tol=TOLERANCE)
        ),
        None,
    )


def _energy(energy_j: float, node: _Node, method: str) -> Document:
    """Joules with the interval of the node's price of a CPU second, to which they are proportional."""
    price = node.row.get("energy_j_per_inference")
    if not price or not price["value"]:
        return point(energy_j, "J", method, "sum of energy_j of outcomes.csv")
    ends = {end: energy_j * (price[end] / price["value"]) for end in ("low", "high")}
    return {**price, **ends, "value": energy_j, "unit": "J", "method": method}


def _carbon(row: Mapping[str, Any], factors: Mapping[str, Document], total_g: float, method: str) -> Document:
    """Grams with joules and intensity at one end; a declared PUE has no interval, and stays."""
    energy, known, pue = row["energy_j"], factors[row["intensity"]], factors[row["pue"]]["value"]
    ends: dict[str, float | None] = dict.fromkeys(("low", "high"))
    if all(part[end] is not None for part in (energy, known) for end in ends):
        # Rounding may leave an end without width beside the sum of the rows.
        ends["low"] = min(carbon_g(energy["low"], known["low"], pue), total_g)
        ends["high"] = max(carbon_g(energy["high"], known["high"], pue), total_g)
    weakest = least_sure(method, known["method"], "modelled")
    source = f"joules x intensity ({known['source']}) x PUE"
    return {**point(total_g, "g", weakest, source, boundary=energy["boundary"]), **ends}


def _idle(
    windows: Sequence[Mapping[str, str]], nodes: Mapping[str, _Node], factors: Mapping[str, Document]
) -> Iterator[Document]:
    """Of each node: its idle power over the policy's windows, at the intensity of the summary."""
    for name, node in nodes.items():
        key = f"intensity.{name}"
        energy_j = added(number(row["idle_j"]) for row in windows if row["node"] == name)
        if energy_j is None or key not in node.intensities:
            yield item(f"{name}, idle", "idle", None, energy_j=joules(energy_j, "assumed", "nodes.csv"))
            continue
        known = node.row.get("idle_w") or {}
        row = item(
            f"{name}, idle",
            "idle",
            None,
            energy_j=point(energy_j, "J", known.get("method", "assumed"), known.get("source", "nodes.csv")),
            factors=[key, node.pue_key],
            rule="electricity",
            intensity=key,
            pue=node.pue_key,
        )
        method = least_sure(row["energy_j"]["method"], factors[key]["method"], "modelled")
        source = "idle power x time x intensity x PUE"
        yield {**row, "carbon": grams(electricity_g(row, factors), source, method)}


def _period(outcomes: Sequence[Mapping[str, str]], windows: Sequence[Mapping[str, str]]) -> Document:
    """From the first request's start; as long as the policy's blocks took together."""
    starts = [start for row in outcomes if math.isfinite(start := number(row["start_s"]))]
    by_node: dict[str, list[float]] = {}
    for row in windows:
        by_node.setdefault(row["node"], []).append(number(row["window_s"]))
    first = datetime.fromtimestamp(min(starts), UTC).isoformat(timespec="milliseconds") if starts else None
    return {
        "start": first,
        "duration_s": max((t for each in by_node.values() if (t := added(each)) is not None), default=None),
    }
