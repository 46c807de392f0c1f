"""What the ledger records: an outcome of a request, and a stretch of a node's metered time.

Both are written as arrays in the order of their fields, so that the bytes of the spool become rows of the database
without an object in between. What is not known is None; NaN and infinities are read as None, and never as 0.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Annotated, Any, Literal, TypeAlias, get_type_hints

import msgspec

LONGEST_TEXT = 256
"""Characters of a text that are kept; a longer request id is not cut but refused."""

Status: TypeAlias = Literal["completed", "refused", "lost", "failed"]
STATUSES: tuple[Status, ...] = ("completed", "refused", "lost", "failed")

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
"""Up to what any database and any reader of JSON takes."""

_Text: TypeAlias = Annotated[str, msgspec.Meta(max_length=LONGEST_TEXT)]
_Real: TypeAlias = Annotated[float, msgspec.Meta(ge=-sys.float_info.max, le=sys.float_info.max)]
_CLEAN: Mapping[Any, Any] = {str: _Text, float: _Real, float | None: _Real | None}
"""Types that let nothing pass that needs cleaning, but for NUL in a text."""

Cells: TypeAlias = tuple[Any, ...]
"""The fields of a record in their order."""


class Row(msgspec.Struct, array_like=True, frozen=True, kw_only=True, gc=False):
    """What became of one request.

    Attributes:
        request_id: unique in the ledger, given by the gateway and never by the client; at most 256 characters.
        arrival_s: when it arrived, Unix seconds; it says which hour the request is counted in.
        status: completed; refused (before any node had it, or by one for the request's own fault, 4xx); lost (its nodes
            died); failed (a node answered an error).
        tenant, model, variant, node, zone, policy, protocol: empty where there is none, or where a client asked for
            what is not there: every new name makes a sum of its own in every hour. The nodes of a split plan are
            joined by `` > ``, and so are their zones.
        attempts: nodes that were tried.
        count: inferences in the request.
        late: the answer came after the deadline.
        http_status: what the client was told (over gRPC: the same fault's HTTP status); None where nobody was.
        start_s, end_s: of the work on the node, Unix seconds.
        latency_s: from arrival to the answer.
        deferred_s: of waiting on purpose, not in ``latency_s``.
        cpu_s: thread CPU seconds on the node.
        energy_j, energy_low_j, energy_high_j: marginal joules, with their interval.
        energy_method: measured, modelled or assumed; empty where the energy is not known.
        carbon_g, carbon_low_g, carbon_high_g: grams by the grid's intensity: scope 2, location-based.
        signal, basis: kind of the intensity: average or marginal; lifecycle or direct.
        intensity_g_per_kwh: that the grams were worked out with; None for a plan over several zones.
        pue: of the node's site, taken once; None where the energy was metered at the site's wall.
        market_intensity_g_per_kwh, carbon_market_g: scope 2, market-based: by the contract's factor, apart.
    """

    request_id: str
    arrival_s: float
    status: Status
    tenant: str = ""
    model: str = ""
    variant: str = ""
    node: str = ""
    zone: str = ""
    policy: str = ""
    protocol: str = ""
    attempts: Count = 0
    count: Count = 1
    late: bool = False
    http_status: Count | None = None
    start_s: float | None = None
    end_s: float | None = None
    latency_s: float | None = None
    deferred_s: float | None = None
    cpu_s: float | None = None
    energy_j: float | None = None
    energy_low_j: float | None = None
    energy_high_j: float | None = None
    energy_method: str = ""
    carbon_g: float | None = None
    carbon_low_g: float | None = None
    carbon_high_g: float | None = None
    signal: str = ""
    basis: str = ""
    intensity_g_per_kwh: float | None = None
    pue: float | None = None
    market_intensity_g_per_kwh: float | None = None
    carbon_market_g: float | None = None


class NodeTime(msgspec.Struct, array_like=True, frozen=True, kw_only=True, gc=False):
    """The joules of a node over a stretch of time, requests or not: ``requests + idle + overhead = metered``.

    Attributes:
        node, zone: names.
        start_s, end_s: of the stretch, Unix seconds; it is counted in the hour of its start, so keep it short.
        method: how the joules are known: measured, modelled or assumed.
        metered_j: of the whole node; None without a meter.
        requests_j: that the node attributed to requests.
        idle_j, overhead_j: of being on; of the node's own work around requests.
        carbon_unattributed_g: grams of idle and overhead, location-based.
        signal: kind of the intensity that the grams were worked out with.
    """

    node: str
    start_s: float
    end_s: float
    zone: str = ""
    method: str = ""
    metered_j: float | None = None
    requests_j: float | None = None
    idle_j: float | None = None
    overhead_j: float | None = None
    carbon_unattributed_g: float | None = None
    signal: str = ""


ROW_COLUMNS: tuple[str, ...] = Row.__struct_fields__
NODE_COLUMNS: tuple[str, ...] = NodeTime.__struct_fields__

Body: TypeAlias = bytes | memoryview
Kind: TypeAlias = type[Row] | type[NodeTime]


class Reader:
    """Bytes of records to the cells of today's columns, also where an older version wrote them.

    Args:
        kind: of the records.
        written: names of the columns in the order in which they were written.
    """

    def __init__(self, kind: Kind, written: Sequence[str]) -> None:
        fields, plain = msgspec.structs.fields(kind), list(get_type_hints(kind).values())
        types = {field.name: field.type for field in fields}
        loose = tuple(types.get(name, Any) for name in written)
        self._decode = msgspec.msgpack.Decoder(tuple[loose]).decode  # type: ignore[valid-type]
        strict = tuple(_CLEAN.get(each, each) for each in loose)
        self._decode_clean = msgspec.msgpack.Decoder(tuple[strict]).decode  # type: ignore[valid-type]
        self._same = tuple(written) == kind.__struct_fields__
        self._from = [(written.index(f.name) if f.name in written else -1, f.default) for f in fields]
        self._texts = [n for n, of in enumerate(plain) if of is str]
        self._floats = [n for n, of in enumerate(plain) if of == float | None]
        self._needed = [n for n, of in enumerate(plain) if of is float]
        self._names = itemgetter(*self._texts[1:])

    def read(self, bodies: Sequence[Body]) -> tuple[list[Cells], list[Body]]:
        """The cells of records, clean enough for any database; and the records that are none."""
        try:
            rows = self._today(list(map(self._decode_clean, bodies)))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return self._read_each(bodies)
        return (rows, []) if self._sound(rows) else self._read_each(bodies)

    def _sound(self, rows: Sequence[Cells]) -> bool:
        """Whether no text has a NUL. Names are few, whatever the rows."""
        texts = chain([row[0] for row in rows], *set(map(self._names, rows)))
        return "\0" not in "".join(texts)

    def _today(self, rows: list[Cells]) -> list[Cells]:
        """The rows with today's columns."""
        if self._same:
            return rows
        return [tuple(default if n < 0 else row[n] for n, default in self._from) for row in rows]

    def _read_each(self, bodies: Sequence[Body]) -> tuple[list[Cells], list[Body]]:
        """One by one, since some need cleaning or are no records."""
        rows: list[Cells] = []
        wrong: list[Body] = []
        for body in bodies:
            try:
                cells = self._cleaned(self._today([self._decode(body)])[0])
            except (msgspec.MsgspecError, UnicodeDecodeError):
                cells = None
            if cells is None:
                wrong.append(body)
            else:
                rows.append(cells)
        return rows, wrong

    def _cleaned(self, cells: Cells) -> Cells | None:
        """What is not known as None, texts of a length and of characters that fit; None for what is beyond that."""
        row = list(cells)
        if len(row[0]) > LONGEST_TEXT or not all(math.isfinite(row[n]) for n in self._needed):
            return None
        for n in self._floats:
            if row[n] is not None and not math.isfinite(row[n]):
                row[n] = None
        for n in self._texts:
            row[n] = row[n][:LONGEST_TEXT].replace("\0", "\ufffd")
        return tuple(row)


def spelt(record: Row | NodeTime) -> Row | NodeTime:
    """The record with its lone surrogates replaced, which have no bytes in UTF-8."""
    fixed = {
        name: value.encode("utf-8", "replace").decode("utf-8")
        for name in record.__struct_fields__
        if isinstance(value := getattr(record, name), str)
    }
    return msgspec.structs.replace(record, **fixed)


def as_document(columns: Sequence[str], cells: Cells) -> Mapping[str, Any]:
    """A row as JSON has it."""
    return dict(zip(columns, cells, strict=True))
