"""Sums over outcomes that can be added to each other: counts, joules, grams, and a sketch of the latencies.

The same sums are made of the rows when they reach the database and of single rows when a span cuts an hour, so that
both say the same. A figure that is not known is counted as such and adds nothing. Latencies are counted in buckets
whose borders grow by a constant ratio, so that a quantile is within 1 % of a true one and sketches of hours and
machines add (C. Masson, J. E. Rim, H. K. Lee, "DDSketch", VLDB 2019, section 2: with the relative accuracy a,
gamma = (1 + a)/(1 - a), bucket ceil(log_gamma x), answer 2 gamma^i/(gamma + 1)).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter
from typing import Any, TypeAlias

from gramwise.core.units import S_PER_HOUR

from .rows import NODE_COLUMNS, ROW_COLUMNS, Cells

DIMENSIONS = (
    "run",
    "tenant",
    "model",
    "variant",
    "node",
    "zone",
    "policy",
    "protocol",
    "status",
    "energy_method",
    "signal",
    "basis",
)
"""What a group of outcomes has in common, beside the hour. ``run`` is one life of a gateway."""

_ROWS_AT_A_TIME = 5_000
RELATIVE_ACCURACY = 0.01
_GAMMA = (1.0 + RELATIVE_ACCURACY) / (1.0 - RELATIVE_ACCURACY)
_PER_LOG = 1.0 / math.log(_GAMMA)
_LEAST_S = 1e-9

Key: TypeAlias = tuple[Any, ...]
"""Start of the hour (Unix seconds) and the values of `DIMENSIONS`."""

COUNTS = (
    "requests",
    "inferences",
    "attempts",
    "retried",
    "late",
    "energy_known",
    "energy_bounded",
    "carbon_known",
    "carbon_bounded",
    "market_known",
)
AMOUNTS = (
    "latency_s",
    "energy_j",
    "energy_low_j",
    "energy_high_j",
    "carbon_g",
    "carbon_low_g",
    "carbon_high_g",
    "carbon_market_g",
)


@dataclass(slots=True)
class Sums:
    """What adds up. The ends of an interval are summed over the requests that have one (``*_bounded``).

    Attributes:
        counts: by name of `COUNTS`.
        amounts: by name of `AMOUNTS`.
        latencies: how many completed requests, by bucket.
    """

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    amounts: dict[str, float] = field(default_factory=lambda: dict.fromkeys(AMOUNTS, 0.0))
    latencies: Counter[int] = field(default_factory=Counter)


def bucket(latency_s: float) -> int:
    """The latency's place in the sketch; what is under a nanosecond counts as one."""
    return math.ceil(math.log(max(latency_s, _LEAST_S)) * _PER_LOG)


def quantile(latencies: Mapping[int, int], frac: float) -> float | None:
    """The latency in seconds below which a share of the requests stayed, within 1 %; None without any."""
    rank = max(math.ceil(frac * sum(latencies.values())), 1)
    for place in sorted(latencies):
        rank -= latencies[place]
        if rank <= 0:
            return 2.0 * _GAMMA**place / (_GAMMA + 1.0)
    return None


def added(parts: Iterable[Sums]) -> Sums:
    """All of them as one; amounts are summed without rounding in between."""
    whole, amounts = Sums(), defaultdict(list)
    for part in parts:
        for name, count in part.counts.items():
            whole.counts[name] += count
        for name, amount in part.amounts.items():
            amounts[name].append(amount)
        whole.latencies.update(part.latencies)
    for name, values in amounts.items():
        whole.amounts[name] = math.fsum(values)
    return whole


_AT = {name: place for place, name in enumerate(ROW_COLUMNS)}
_ARRIVAL = _AT["arrival_s"]
_values = itemgetter(*(_AT[name] for name in DIMENSIONS[1:]))


def grouped(run: str, rows: Sequence[Cells]) -> dict[Key, list[Cells]]:
    """The rows of one run by hour and `DIMENSIONS`."""
    groups: defaultdict[Any, list[Cells]] = defaultdict(list)
    for values, row in zip(map(_values, rows), rows, strict=True):
        groups[row[_ARRIVAL] // S_PER_HOUR, values].append(row)
    return {(int(hour * S_PER_HOUR), run, *rest): members for (hour, rest), members in groups.items()}


def rolled(run: str, rows: Sequence[Cells]) -> dict[Key, Sums]:
    """The sums of rows of one run, by hour and `DIMENSIONS`."""
    return {key: summed(members) for key, members in grouped(run, rows).items()}


def rolled_all(rows: Iterable[Cells]) -> Iterator[tuple[Key, Sums]]:
    """The sums of rows that end in the name of their run, a few thousand at a time: a key may come more than once."""
    rows = iter(rows)
    while some := list(islice(rows, _ROWS_AT_A_TIME)):
        runs: defaultdict[str, list[Cells]] = defaultdict(list)
        for row in some:
            runs[row[-1]].append(row[:-1])
        for run, own in runs.items():
            yield from rolled(run, own).items()


def hour_of(at_s: float) -> int:
    """Start of the hour that a moment is in, Unix seconds."""
    return int(at_s // S_PER_HOUR * S_PER_HOUR)


def summed(rows: Sequence[Cells]) -> Sums:
    """The sums of some rows, at least one."""
    column: dict[str, Sequence[Any]] = dict(zip(ROW_COLUMNS, zip(*rows, strict=True), strict=True))
    sums = Sums()
    counts, amounts = sums.counts, sums.amounts
    counts["requests"] = len(rows)
    counts["inferences"] = sum(column["count"])
    counts["attempts"] = sum(column["attempts"])
    counts["retried"] = sum(n > 1 for n in column["attempts"])
    counts["late"] = sum(column["late"])
    for what, unit in (("energy", "j"), ("carbon", "g")):
        names = [f"{what}_{unit}", f"{what}_low_{unit}", f"{what}_high_{unit}"]
        known: Sequence[float]
        value, low, high = (column[name] for name in names)
        if None in value or None in low or None in high:
            known = [x for x in value if x is not None]
            ends = [(a, b) for x, a, b in zip(value, low, high, strict=True) if None not in (x, a, b)]
            low, high = [a for a, _ in ends], [b for _, b in ends]
        else:
            known = value
        counts[f"{what}_known"], counts[f"{what}_bounded"] = len(known), len(low)
        for name, numbers in zip(names, (known, low, high), strict=True):
            amounts[name] = math.fsum(numbers)
    market = [x for x in column["carbon_market_g"] if x is not None]
    counts["market_known"], amounts["carbon_market_g"] = len(market), math.fsum(market)
    done = zip(column["status"], column["latency_s"], strict=True)
    latencies = [s for status, s in done if status == "completed" and s is not None]
    amounts["latency_s"] = math.fsum(latencies)
    sums.latencies.update(
        [math.ceil(math.log(s if s > _LEAST_S else _LEAST_S) * _PER_LOG) for s in latencies]
    )
    return sums


NODE_DIMENSIONS = ("run", "node", "zone", "method", "signal")
NODE_AMOUNTS = ("metered_j", "requests_j", "idle_j", "overhead_j", "carbon_unattributed_g")


@dataclass(slots=True)
class NodeSums:
    """Joules and grams of nodes over time: how many stretches, how long, and of each amount how often it was known."""

    stretches: int = 0
    duration_s: float = 0.0
    amounts: dict[str, float] = field(default_factory=lambda: dict.fromkeys(NODE_AMOUNTS, 0.0))
    known: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NODE_AMOUNTS, 0))


_NODE_AT = {name: place for place, name in enumerate(NODE_COLUMNS)}
_node_values = itemgetter(*(_NODE_AT[name] for name in NODE_DIMENSIONS[1:]))


def node_rolled(run: str, rows: Iterable[Cells]) -> dict[Key, NodeSums]:
    """The sums of stretches of one run, by the hour of their start and `NODE_DIMENSIONS`."""
    groups: defaultdict[Key, NodeSums] = defaultdict(NodeSums)
    for row in rows:
        start_s = row[_NODE_AT["start_s"]]
        sums = groups[(hour_of(start_s), run, *_node_values(row))]
        sums.stretches += 1
        sums.duration_s += row[_NODE_AT["end_s"]] - start_s
        for name in NODE_AMOUNTS:
            value = row[_NODE_AT[name]]
            if value is not None:
                sums.amounts[name] += value
                sums.known[name] += 1
    return dict(groups)


def node_added(parts: Iterable[NodeSums]) -> NodeSums:
    """All of them as one."""
    whole = NodeSums()
    for part in parts:
        whole.stretches += part.stretches
        whole.duration_s += part.duration_s
        for name in NODE_AMOUNTS:
            whole.amounts[name] += part.amounts[name]
            whole.known[name] += part.known[name]
    return whole
