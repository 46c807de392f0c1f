"""From what went wrong to what HTTP says: one table of statuses, and the two shapes that an error has.

The Open Inference Protocol's ``{"error": "sentence"}`` everywhere, and RFC 9457's problem details on the routes of the
Carbon Aware SDK, whose clients expect those.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from gramwise.core.errors import (
    BadReply,
    ConfigError,
    DataGap,
    GramwiseError,
    Infeasible,
    MixedKinds,
    NodeLost,
    Rejected,
    SourceUnavailable,
    TimedOut,
)

from ..access.denied import Denied
from ..access.redaction import redact
from ..ledger.spool import LedgerFull

PROBLEM_PATHS = ("/emissions", "/locations")
_STATUSES: tuple[tuple[type[GramwiseError], int], ...] = (
    (ConfigError, 400),
    (DataGap, 404),
    (BadReply, 502),
    (MixedKinds, 409),
    (SourceUnavailable, 503),
    (Infeasible, 409),
    (LedgerFull, 503),
    (Rejected, 409),
    (NodeLost, 502),
    (TimedOut, 504),
)


class Fault(GramwiseError):
    """An answer other than success that this API decided on.

    Args:
        status: HTTP status.
        sentence: for the client.
        retry_after_s: as for `Denied`.
        more: further members of the answer.
    """

    def __init__(
        self,
        status: int,
        sentence: str,
        *,
        retry_after_s: float | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        self.status, self.sentence, self.retry_after_s, self.more = (
            status,
            sentence,
            retry_after_s,
            more or {},
        )
        super().__init__(sentence)


def answer_of(fault: BaseException, path: str) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, headers and body for a fault on a path. What nobody foresaw is 500 and tells nothing of the inside."""
    if isinstance(fault, Denied | Fault):
        headers = Denied(fault.status, "", retry_after_s=fault.retry_after_s).headers()
        more = fault.more if isinstance(fault, Fault) else {}
        return fault.status, *shaped(fault.status, fault.sentence, path, headers, more)
    for kind, status in _STATUSES:
        if isinstance(fault, kind):
            return status, *shaped(status, _told(fault), path)
    return 500, *shaped(500, "the gateway failed on this request; its log says how.", path)


def shaped(
    status: int,
    sentence: str,
    path: str,
    headers: Iterable[tuple[str, str]] = (),
    more: Mapping[str, Any] | None = None,
) -> tuple[list[tuple[str, str]], bytes]:
    """Headers and body in the shape that the path has."""
    document: dict[str, Any]
    if path.startswith(PROBLEM_PATHS):
        kind = "application/problem+json"
        title = HTTPStatus(status).phrase
        document = {
            "type": "about:blank",
            "title": title,
            "status": status,
            "detail": sentence,
            **(more or {}),
        }
    else:
        kind, document = "application/json", {"error": sentence, **(more or {})}
    body = json.dumps(document, ensure_ascii=True).encode()
    return [*headers, ("Content-Type", kind), ("Content-Length", str(len(body)))], body


def _told(fault: GramwiseError) -> str:
    """The sentence without the file that a configuration fault names: a client has no business with paths here."""
    if isinstance(fault, ConfigError):
        key = f"{fault.key}: " if fault.key else ""
        return redact(f"{key}{fault.message}" + (f" {fault.fix}" if fault.fix else ""))
    return redact(str(fault))
