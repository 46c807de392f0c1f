"""A refusal of somebody who may not, or not now: an HTTP status and one sentence, as the protocol has faults."""

from __future__ import annotations

import math

from gramwise.core.errors import GramwiseError


class Denied(GramwiseError):
    """This client may not do this, or not yet.

    Args:
        status: 400 (a key where none belongs), 401 (no key, or a wrong one), 403 (no such right), 429 (a quota).
        sentence: for the client as it stands; it names no secret and nothing of the machine.
        retry_after_s: seconds after which another try makes sense; None where it never does.
    """

    def __init__(self, status: int, sentence: str, *, retry_after_s: float | None = None) -> None:
        self.status, self.sentence, self.retry_after_s = status, sentence, retry_after_s
        super().__init__(sentence)

    def headers(self) -> list[tuple[str, str]]:
        """What the answer must carry beside its status: ``WWW-Authenticate`` or ``Retry-After``, in whole seconds."""
        found = []
        if self.status == 401:
            found.append(("WWW-Authenticate", 'Bearer realm="gramwise"'))
        if self.retry_after_s is not None:
            found.append(("Retry-After", str(max(1, math.ceil(self.retry_after_s)))))
        return found
