"""What is wrong with a request, as the protocol says it: an HTTP status and one sentence in ``{"error": ...}``."""

from __future__ import annotations

import msgspec

from gramwise.core.errors import GramwiseError


class BadRequest(GramwiseError):
    """A client sent something that cannot be served.

    Args:
        status: HTTP status, 400 to 599.
        sentence: what is wrong and what to send instead; it goes to the client as it stands, so it names nothing of
            the machine.
        retry_after_s: seconds after which another try makes sense; None says nothing about it.
        allow: the methods that a path has, for the header that a 405 must carry (RFC 9110, 15.5.6); empty for none.
    """

    def __init__(
        self, status: int, sentence: str, *, retry_after_s: float | None = None, allow: str = ""
    ) -> None:
        self.status, self.sentence = status, sentence
        self.retry_after_s, self.allow = retry_after_s, allow
        super().__init__(sentence)


def error_body(sentence: str) -> bytes:
    """The protocol's error object, in JSON."""
    return msgspec.json.encode({"error": sentence.encode("utf-8", "replace").decode()})


GRPC_CODES = {
    400: 3,  # INVALID_ARGUMENT
    401: 16,  # UNAUTHENTICATED
    403: 7,  # PERMISSION_DENIED
    404: 5,  # NOT_FOUND
    405: 12,  # UNIMPLEMENTED
    408: 4,  # DEADLINE_EXCEEDED
    409: 10,  # ABORTED
    411: 3,
    413: 8,  # RESOURCE_EXHAUSTED
    414: 3,
    415: 3,
    429: 8,
    431: 8,
    501: 12,
    503: 14,  # UNAVAILABLE
    504: 4,
}
"""Number of the gRPC status that says the same as an HTTP status (grpc.StatusCode.*.value[0])."""


def grpc_code(status: int) -> int:
    """Number of the gRPC status for an HTTP status; of those not listed, INVALID_ARGUMENT for 4xx, INTERNAL for 5xx."""
    return GRPC_CODES.get(status, 3 if status < 500 else 13)
