"""What clients of the control API may take of it: sizes and times. Every default can be set by the operator."""

from __future__ import annotations

from dataclasses import dataclass

WORDS_BYTES = 64_000
"""Of a description: `gramwise.runtime.words.MOST_BYTES`, which the gateway's process does without the rest of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """Limits of one listener.

    Attributes:
        connections: open at a time.
        head_within_s: seconds for a request's head to come, from connecting or from its first byte.
        head_bytes: of its headers.
        target_bytes: of its path with the query.
        body_within_s, body_bytes: of its body.
        idle_s: whole seconds between two requests on one connection.
    """

    connections: int = 256
    head_within_s: float = 10.0
    head_bytes: int = 32_768
    target_bytes: int = 8_000
    body_within_s: float = 20.0
    body_bytes: int = 1_000_000
    idle_s: int = 30
