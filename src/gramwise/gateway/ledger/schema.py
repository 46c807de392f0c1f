"""The tables of the ledger and the rows in them, told to whichever SQLAlchemy is handed in."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

import msgspec

from .rows import ROW_COLUMNS, Row
from .tally import AMOUNTS, COUNTS, DIMENSIONS, NODE_AMOUNTS, NODE_DIMENSIONS, Key, NodeSums, Sums

OUTCOME_COLUMNS = (*ROW_COLUMNS, "run")


@dataclass(frozen=True, slots=True)
class Tables:
    """All of them, as SQLAlchemy has them."""

    metadata: Any
    outcomes: Any
    hours: Any
    node_hours: Any
    spools: Any
    state: Any


def tables(sa: Any) -> Tables:
    """The tables, described to the package SQLAlchemy."""
    metadata = sa.MetaData()

    def table(name: str, keys: Mapping[str, Any], others: Mapping[str, Any], *more: Any) -> Any:
        first = [sa.Column(n, kind, primary_key=True, autoincrement=False) for n, kind in keys.items()]
        rest = [sa.Column(n, kind, nullable=not n.endswith("_known")) for n, kind in others.items()]
        return sa.Table(f"gramwise_{name}", metadata, *first, *rest, *more)

    whole, real, text = sa.BigInteger, sa.Double, sa.Text
    kinds: list[tuple[Any, Any]] = [(bool, sa.Boolean), (float, real), (float | None, real)]
    kinds += [(int, whole), (int | None, whole)]
    types = get_type_hints(Row).items()
    fields = {name: next((kind for each, kind in kinds if each == of), text) for name, of in types}
    hour = {"hour_s": whole, "key": sa.String(32)}
    counts, amounts = dict.fromkeys(COUNTS, whole), dict.fromkeys(AMOUNTS, real)
    node_known = {f"{name}_known": whole for name in NODE_AMOUNTS}
    node = {"stretches": whole, "duration_s": real, **dict.fromkeys(NODE_AMOUNTS, real), **node_known}
    return Tables(
        metadata=metadata,
        outcomes=table(
            "outcomes",
            {"request_id": fields.pop("request_id")},
            {**fields, "run": text},
            sa.Index("gramwise_outcomes_by_arrival", "arrival_s"),
        ),
        hours=table(
            "hours",
            hour,
            {**dict.fromkeys(DIMENSIONS, text), **counts, **amounts, "latencies": sa.LargeBinary},
        ),
        node_hours=table("node_hours", hour, {**dict.fromkeys(NODE_DIMENSIONS, text), **node}),
        spools=table("spools", {"spool": text}, {"segment": whole, "offset_bytes": whole, "updated_s": real}),
        state=table("state", {"name": text}, {"value": real}),
    )


_decoded = msgspec.msgpack.Decoder(dict[int, int]).decode


def digest(key: Key) -> str:
    """The values of a key in 32 characters, since an index takes no text of any length."""
    return hashlib.blake2b(msgspec.msgpack.encode(key[1:]), digest_size=16).hexdigest()


def hour_row(key: Key, sums: Sums) -> Mapping[str, Any]:
    """A row of ``hours``."""
    named = dict(zip(DIMENSIONS, key[1:], strict=True))
    latencies = msgspec.msgpack.encode(dict(sums.latencies))
    return {
        "hour_s": key[0],
        "key": digest(key),
        **named,
        **sums.counts,
        **sums.amounts,
        "latencies": latencies,
    }


def node_row(key: Key, sums: NodeSums) -> Mapping[str, Any]:
    """A row of ``node_hours``."""
    named = dict(zip(NODE_DIMENSIONS, key[1:], strict=True))
    known = {f"{name}_known": count for name, count in sums.known.items()}
    row = {"hour_s": key[0], "key": digest(key), "stretches": sums.stretches, "duration_s": sums.duration_s}
    return {**row, **named, **sums.amounts, **known}


def hour_of_row(row: Mapping[str, Any]) -> tuple[Key, Sums]:
    """Key and sums that a row of ``hours`` holds."""
    sums = Sums(
        counts={name: row[name] for name in COUNTS},
        amounts={name: row[name] for name in AMOUNTS},
        latencies=Counter(_decoded(row["latencies"])),
    )
    return (row["hour_s"], *(row[name] for name in DIMENSIONS)), sums


def node_of_row(row: Mapping[str, Any]) -> tuple[Key, NodeSums]:
    """Key and sums that a row of ``node_hours`` holds."""
    sums = NodeSums(
        stretches=row["stretches"],
        duration_s=row["duration_s"],
        amounts={name: row[name] for name in NODE_AMOUNTS},
        known={name: row[f"{name}_known"] for name in NODE_AMOUNTS},
    )
    return (row["hour_s"], *(row[name] for name in NODE_DIMENSIONS)), sums
