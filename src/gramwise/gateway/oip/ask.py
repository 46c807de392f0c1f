"""What a client asks of the gateway in a request's parameters: a deadline, an accuracy floor, a window to wait in.

A number may come as text: clients made from older copies of the gRPC definition cannot send a fraction otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from .errors import BadRequest
from .head import Scalar

LONGEST_DEADLINE_MS = 86_400_000.0
"""A day: who can wait longer says so by ``defer_until_unix_s``."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What one request asks.

    Attributes:
        deadline_s: seconds after arrival by which the answer is wanted; None for none.
        accuracy_floor_frac: least measured accuracy that will do, 0 to 1; None asks for the model itself.
        defer_until_unix_s: latest start, Unix seconds; None for now.
    """

    deadline_s: float | None = None
    accuracy_floor_frac: float | None = None
    defer_until_unix_s: float | None = None


NOTHING = Ask()
"""Asked by a request without these parameters."""


def read_ask(parameters: Mapping[str, Scalar] | None) -> Ask:
    """What a request's parameters ask; other parameters are the model's own business.

    Args:
        parameters: ``deadline_ms`` (from arrival), ``accuracy_floor_frac`` (0 to 1), ``defer_until_unix_s``.

    Raises:
        BadRequest: 400, not a finite number, or out of range.
    """
    if not parameters:
        return NOTHING
    deadline_ms = _number(parameters, "deadline_ms", "milliseconds above 0", 0.0, LONGEST_DEADLINE_MS)
    if deadline_ms == 0.0:
        raise BadRequest(400, "deadline_ms is 0; write milliseconds above 0, or leave it out")
    floor_frac = _number(parameters, "accuracy_floor_frac", "a fraction from 0 to 1", 0.0, 1.0)
    until_s = _number(parameters, "defer_until_unix_s", "Unix seconds", 0.0, 1e11)
    if deadline_ms is None and floor_frac is None and until_s is None:
        return NOTHING
    return Ask(None if deadline_ms is None else deadline_ms / 1e3, floor_frac, until_s)


def _number(
    parameters: Mapping[str, Scalar], name: str, meaning: str, low: float, high: float
) -> float | None:
    given = parameters.get(name)
    if given is None:
        return None
    try:
        if isinstance(given, bool) or (isinstance(given, str) and len(given) > 40):
            raise ValueError
        value = float(given)
    except (ValueError, OverflowError):
        raise BadRequest(400, f"{name} is {str(given)[:40]!r}; write {meaning}") from None
    if not math.isfinite(value) or not low <= value <= high:
        raise BadRequest(400, f"{name} is {value}; write {meaning}, at most {high:g}")
    return value
