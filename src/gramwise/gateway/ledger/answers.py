"""What the ledger answers, as JSON documents: totals of a span, totals by what requests have in common, nodes.

Whole hours come from the kept sums, the cut hours at the ends of a span from their rows. A total of figures of which
some are not known says how many; neither average and marginal carbon nor location-based and market-based carbon are
ever added.
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TextIO, TypeAlias, cast, get_args

from gramwise.core.errors import ConfigError, DataError, DataGap, did_you_mean
from gramwise.core.quantity import Method, weakest
from gramwise.core.units import S_PER_HOUR

from .book import Book
from .rows import STATUSES, Cells, as_document
from .schema import OUTCOME_COLUMNS
from .tally import (
    DIMENSIONS,
    NODE_AMOUNTS,
    NODE_DIMENSIONS,
    Key,
    NodeSums,
    Sums,
    added,
    hour_of,
    node_added,
    quantile,
    rolled_all,
)

SCHEMA = "gramwise.ledger/1"
LOCATION = "scope 2, location-based"
MARKET = "scope 2, market-based"
BY = ("hour", *DIMENSIONS)
"""What totals can be grouped by."""

Document: TypeAlias = dict[str, Any]


def summary(
    book: Book,
    *,
    from_s: float | None = None,
    to_s: float | None = None,
    where: Mapping[str, str] | None = None,
) -> Document:
    """Totals of a span: counts, joules, grams, latencies.

    Args:
        book: the ledger, as it is now.
        from_s, to_s: the requests that arrived from here to before there, Unix seconds; None for all there are.
        where: value asked for, by name of `DIMENSIONS`; ``{"run": ...}`` asks for one life of a gateway.

    Returns:
        ``gramwise.ledger/1``: what was asked, and the totals as `totals` writes them.

    Raises:
        ConfigError: no such name in ``where``, or a span that is none.
        DataGap: an end of the span cuts an hour whose rows are gone.
    """
    where = checked(where)
    groups = list(_gathered(book, from_s, to_s, where))
    return {**_asked(from_s, to_s, where), **totals(groups)}


def by(
    book: Book,
    dimension: str,
    *,
    from_s: float | None = None,
    to_s: float | None = None,
    where: Mapping[str, str] | None = None,
) -> Document:
    """Totals of a span, one group for each value of a dimension.

    Args:
        dimension: of `BY`.
        book, from_s, to_s, where: as in `summary`.

    Returns:
        As `summary`, with ``groups``, in the order of their values; an hour is told by its start, Unix seconds.

    Raises:
        ConfigError: no such dimension, or as in `summary`.
        DataGap: as in `summary`.
    """
    if dimension not in BY:
        raise ConfigError(f"the ledger has no {dimension!r}.", key="by", fix=did_you_mean(dimension, BY))
    where, place = checked(where), BY.index(dimension)
    groups: defaultdict[Any, list[tuple[Key, Sums]]] = defaultdict(list)
    for key, sums in _gathered(book, from_s, to_s, where):
        groups[key[place]].append((key, sums))
    told = [{dimension: value, **totals(groups[value])} for value in sorted(groups)]
    everything = [group for some in groups.values() for group in some]
    return {**_asked(from_s, to_s, where), "by": dimension, **totals(everything), "groups": told}


def totals(groups: Iterable[tuple[Key, Sums]]) -> Document:
    """Groups of outcomes as one document.

    ``failed`` counts every request that had a node and got no answer, ``lost`` those of them whose nodes died.
    """
    groups = list(groups)
    whole = added(sums for _, sums in groups)
    status: dict[str, int] = dict.fromkeys(STATUSES, 0)
    for key, sums in groups:
        status[_of(key, "status")] += sums.counts["requests"]
    served = whole.counts["requests"] - status["refused"]
    return {
        "requests": whole.counts["requests"],
        "completed": status["completed"],
        "failed": status["failed"] + status["lost"],
        "lost": status["lost"],
        "refused": status["refused"],
        "retried": whole.counts["retried"],
        "late": whole.counts["late"],
        "inferences": whole.counts["inferences"],
        "energy_j": {
            **_amount(whole, "energy", "j", served),
            "method": _method(groups),
        },
        "carbon_g": _carbon(groups, whole, served),
        "carbon_market_g": _market(whole, served),
        "latency_s": _latency(whole),
    }


def _of(key: Key, dimension: str) -> Any:
    return key[BY.index(dimension)]


def _amount(sums: Sums, what: str, unit: str, served: int) -> Document:
    """A sum with its interval, where every part has one, and of how many requests it is not known."""
    known, bounded = sums.counts[f"{what}_known"], sums.counts[f"{what}_bounded"]
    whole = 0 < known == bounded
    return {
        "value": sums.amounts[f"{what}_{unit}"] if known else None,
        "low": sums.amounts[f"{what}_low_{unit}"] if whole else None,
        "high": sums.amounts[f"{what}_high_{unit}"] if whole else None,
        "unit": unit.upper() if unit == "j" else unit,
        "known": known,
        "unknown": max(served - known, 0),
    }


def _method(groups: Iterable[tuple[Key, Sums]]) -> str | None:
    return _weakest(_of(key, "energy_method") for key, sums in groups if sums.counts["energy_known"])


def _weakest(methods: Iterable[str]) -> str | None:
    """The least sure of some methods; None where there are none, or one that does not exist."""
    used = set(methods) - {""}
    return weakest(*cast("set[Method]", used)) if used and used <= set(get_args(Method)) else None


def _carbon(groups: Iterable[tuple[Key, Sums]], whole: Sums, served: int) -> Document:
    kinds = {(_of(key, "signal"), _of(key, "basis")) for key, sums in groups if sums.counts["carbon_known"]}
    told = {**_amount(whole, "carbon", "g", served), "scope": LOCATION}
    if len(kinds) < 2:
        signal, basis = next(iter(kinds), ("", ""))
        return {**told, "signal": signal or None, "basis": basis or None}
    mixed = sorted("/".join(kind) for kind in kinds)
    return {**told, "value": None, "low": None, "high": None, "signal": None, "basis": None, "mixed": mixed}


def _market(whole: Sums, served: int) -> Document:
    known = whole.counts["market_known"]
    value = whole.amounts["carbon_market_g"] if known else None
    unknown = max(served - known, 0)
    return {"value": value, "unit": "g", "known": known, "unknown": unknown, "scope": MARKET}


def _latency(whole: Sums) -> Document:
    counted = whole.latencies.total()
    return {
        "mean": whole.amounts["latency_s"] / counted if counted else None,
        "p50": quantile(whole.latencies, 0.50),
        "p99": quantile(whole.latencies, 0.99),
        "requests": counted,
    }


def energy(
    book: Book,
    *,
    from_s: float | None = None,
    to_s: float | None = None,
    where: Mapping[str, str] | None = None,
) -> Document:
    """What the nodes took, requests or not: requests + idle + overhead against what was metered.

    Args:
        book, from_s, to_s: as in `summary`; nodes' joules are kept by the hour, so the span is widened to whole hours.
        where: value asked for, by name of `NODE_DIMENSIONS`.

    Returns:
        ``gramwise.ledger/1`` with ``nodes``. A sum is None unless it is known of every stretch. ``unexplained_j`` is
        metered less the three parts, ``closure_frac`` the parts over metered.

    Raises:
        ConfigError: as in `summary`.
    """
    where = checked(where, NODE_DIMENSIONS)
    first_s, last_s = _ends(book, from_s, to_s)
    first, last = hour_of(first_s), hour_of(math.ceil(last_s / S_PER_HOUR) * S_PER_HOUR)
    groups: defaultdict[tuple[str, str], list[tuple[Key, NodeSums]]] = defaultdict(list)
    for key, sums in book.node_hours(first, last, where):
        groups[(key[2], key[3])].append((key, sums))
    nodes = [{"node": node, "zone": zone, **_node(groups[node, zone])} for node, zone in sorted(groups)]
    asked = _asked(first if groups else from_s, last if groups else to_s, where)
    return {**asked, "nodes": nodes}


def _node(groups: Iterable[tuple[Key, NodeSums]]) -> Document:
    groups = list(groups)
    sums = node_added(each for _, each in groups)
    known = {
        name: sums.amounts[name] if sums.known[name] == sums.stretches else None for name in NODE_AMOUNTS
    }
    parts = [known["requests_j"], known["idle_j"], known["overhead_j"]]
    metered_j = known["metered_j"]
    told = None if None in parts else math.fsum(cast("list[float]", parts))
    signals = {key[5] for key, _ in groups} - {""}
    if len(signals) > 1:
        known["carbon_unattributed_g"] = None
    return {
        **known,
        "unexplained_j": None if metered_j is None or told is None else metered_j - told,
        "closure_frac": told / metered_j if metered_j and told is not None else None,
        "duration_s": sums.duration_s,
        "method": _weakest(key[4] for key, _ in groups),
        "signal": next(iter(signals)) if len(signals) == 1 else None,
    }


def outcome(book: Book, request_id: str) -> Document | None:
    """One request's row; None where the ledger holds no such row, or no longer."""
    cells = book.find(request_id) if _storable(request_id) else None
    return None if cells is None else dict(as_document(OUTCOME_COLUMNS, cells))


def export_csv(
    book: Book,
    out: TextIO,
    *,
    from_s: float | None = None,
    to_s: float | None = None,
    where: Mapping[str, str] | None = None,
) -> int:
    """Write the rows of a span as CSV with a header; what is not known is an empty cell.

    Args:
        out: a text file that was opened with ``newline=""``.
        book, from_s, to_s, where: as in `summary`.

    Returns:
        How many rows were written.

    Raises:
        ConfigError: as in `summary`.
        DataGap: rows of the span are gone.
    """
    writer, written = csv.writer(out), 0
    writer.writerow(OUTCOME_COLUMNS)
    for row in rows_of(book, *_ends(book, from_s, to_s), checked(where)):
        writer.writerow(row)
        written += 1
    return written


def rows_of(book: Book, from_s: float, to_s: float, where: Mapping[str, str]) -> Iterator[Cells]:
    """The rows of a span, all of them or none.

    Raises:
        DataGap: some are gone.
    """
    pruned_s = book.pruned_before_s
    if pruned_s is not None and from_s < pruned_s:
        gone_s = min(pruned_s, to_s)
        if next(book.hours(hour_of(from_s), gone_s, {}), None) is not None:
            raise DataGap(
                f"the rows of requests before {pruned_s:.0f} (Unix seconds) are gone, by the ledger's retention; only "
                "the sums of whole hours are left. Ask for whole hours, or for a later span."
            )
    rows: Iterator[Cells] = book.rows(from_s, to_s, where)
    return rows


def _gathered(
    book: Book, from_s: float | None, to_s: float | None, where: Mapping[str, str]
) -> Iterator[tuple[Key, Sums]]:
    """Sums of the whole hours of a span, and of the rows at its ends that cut an hour."""
    begin_s, end_s = _ends(book, from_s, to_s)
    first_s, last_s = math.ceil(begin_s / S_PER_HOUR) * S_PER_HOUR, float(hour_of(end_s))
    if first_s > last_s:
        yield from _cut(book, begin_s, end_s, where)
        return
    yield from _cut(book, begin_s, first_s, where)
    yield from book.hours(first_s, last_s, where)
    yield from _cut(book, last_s, end_s, where)


def _cut(book: Book, from_s: float, to_s: float, where: Mapping[str, str]) -> Iterator[tuple[Key, Sums]]:
    if from_s >= to_s:
        return
    yield from rolled_all(rows_of(book, from_s, to_s, where))


def _ends(book: Book, from_s: float | None, to_s: float | None) -> tuple[float, float]:
    """The span in seconds; what is open ends where the ledger does."""
    first, last = book.ends_s() or (0, 0)
    begin_s, end_s = first if from_s is None else from_s, last if to_s is None else to_s
    if not (math.isfinite(begin_s) and math.isfinite(end_s)):
        raise DataError("a span of the ledger has finite ends.")
    if from_s is not None and to_s is not None and from_s > to_s:
        raise ConfigError(f"the span from {from_s:.0f} to {to_s:.0f} ends before it begins.", key="from")
    return begin_s, max(begin_s, end_s)


def checked(where: Mapping[str, str] | None, names: Iterable[str] = DIMENSIONS) -> dict[str, str]:
    """A filter that the ledger can follow.

    Raises:
        ConfigError: a name that it does not have, or a value that is no text of a database.
    """
    names = tuple(names)
    for name, value in (where or {}).items():
        if name not in names:
            raise ConfigError(f"the ledger has no {name!r}.", key="where", fix=did_you_mean(name, names))
        if not _storable(value):
            raise ConfigError(f"{value!r:.60} is no text that a ledger holds.", key=f"where.{name}")
    return dict(where or {})


def _storable(text: object) -> bool:
    """Text without NUL and lone surrogates, which no database holds."""
    return (
        isinstance(text, str) and "\0" not in text and not any("\ud800" <= mark <= "\udfff" for mark in text)
    )


def _asked(from_s: float | None, to_s: float | None, where: Mapping[str, str]) -> Document:
    return {"schema": SCHEMA, "span": {"from_s": from_s, "to_s": to_s}, "where": dict(where)}
