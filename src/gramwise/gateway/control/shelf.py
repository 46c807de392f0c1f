"""Plans that were made, kept for a day in a folder that only the gateway's user may open, by tenant and id.

The id is a hash of what was asked: who asks the same again within the day gets the same answer, and no second solve.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gramwise.core.clock import Clock
from gramwise.core.errors import ConfigError
from gramwise.core.units import S_PER_DAY

KEEP_S = S_PER_DAY
MOST_PLANS = 2_000
MOST_BYTES = 500_000_000


def plan_id(asked: Mapping[str, Any], version: str) -> str:
    """``p`` and 24 hexadecimal digits: of everything that the answer depends on."""
    text = json.dumps({"asked": asked, "version": version}, sort_keys=True, ensure_ascii=True)
    return f"p{hashlib.sha256(text.encode()).hexdigest()[:24]}"


class Shelf:
    """Plans in a folder.

    Args:
        folder: made with mode 0700 where it is not there.
        clock: for their age.
        keep_s: how long they are kept.

    Raises:
        ConfigError: it cannot be made.
    """

    def __init__(self, folder: Path, clock: Clock, *, keep_s: float = KEEP_S) -> None:
        self._folder, self._clock, self._keep_s = folder, clock, keep_s
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as fault:
            raise ConfigError(f"plans cannot be kept here: {fault.strerror}.", file=folder) from None

    def get(self, tenant: str, plan: str) -> tuple[dict[str, Any], bytes] | None:
        """Head and document that this tenant has under this id; None where there is nothing, or no longer."""
        path = self._path(tenant, plan)
        try:
            if self._clock.now_s() - path.stat().st_mtime > self._keep_s:
                return None
            head, _, document = path.read_bytes().partition(b"\n")
            return json.loads(head), document
        except (OSError, ValueError):
            return None

    def put(self, tenant: str, plan: str, head: Mapping[str, Any], document: bytes) -> None:
        """Keep a reply. A disk that is full keeps nothing, and the answer goes out all the same."""
        path, now_s = self._path(tenant, plan), self._clock.now_s()
        new = path.with_suffix(".new")
        try:
            file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(file, "wb") as out:
                out.write(json.dumps(head).encode() + b"\n" + document)
            os.utime(new, (now_s, now_s))
            new.replace(path)
            self._make_room(now_s)
        except OSError:
            new.unlink(missing_ok=True)

    def _make_room(self, now_s: float) -> None:
        """What is too old goes, then the oldest until the rest is few and small enough."""
        held = sorted(((p.stat(), p) for p in self._folder.glob("*.plan")), key=lambda each: each[0].st_mtime)
        count, size_bytes = len(held), sum(seen.st_size for seen, _ in held)
        for seen, path in held:
            if now_s - seen.st_mtime <= self._keep_s and count <= MOST_PLANS and size_bytes <= MOST_BYTES:
                return
            path.unlink(missing_ok=True)
            count, size_bytes = count - 1, size_bytes - seen.st_size

    def _path(self, tenant: str, plan: str) -> Path:
        """Names of files are made of hashes, so that nobody can name another file."""
        owner = hashlib.sha256(tenant.encode()).hexdigest()[:16]
        return self._folder / f"{owner}-{hashlib.sha256(plan.encode()).hexdigest()[:24]}.plan"
