"""From the ``Authorization`` header to who it is: microseconds for a key that was checked once, and no secret kept.

A key is checked by scrypt once; then its digest under a key of this process is remembered, so that neither the memory
nor the time of a look-up says anything about the secret. Guesses are bounded: an id that nobody has costs nothing, and
checks of wrong secrets are rationed, since each takes tens of milliseconds of a core.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gramwise.core.clock import Clock, SystemClock
from gramwise.core.errors import ConfigError

from .denied import Denied
from .hashing import SHAPE, matches
from .keys import RIGHTS, Book, Key, KeyFile, Limits, Right

_log = logging.getLogger("gramwise.gateway.access")

_LOOK_EVERY_S = 1.0
_CHECKS, _CHECKS_PER_S = 16.0, 4.0
"""Scrypt checks that may come at once, and in the long run: at most about a fifth of one core."""

_MOST_SPELLINGS = 16
"""Of one key's header (``bearer`` may be spelt in many ways) that are remembered."""

_ASK = (
    "Write the header 'Authorization: Bearer gw_ID_SECRET'; the operator makes keys with gramwise keys add."
)
_WRONG = Denied(401, f"this key is unknown, expired or revoked. {_ASK}")
_NONE = Denied(401, f"a key is needed. {_ASK}")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks: the key's id and the tenant (both empty where no keys are asked for), and what they may do."""

    key: str
    tenant: str
    rights: frozenset[Right]

    def require(self, right: Right) -> None:
        """Raises `Denied` (403) without the right."""
        if right not in self.rights:
            raise Denied(403, f"this key lacks the right {right!r}; the operator can make one that has it.")


ANYBODY = Identity("", "", frozenset(RIGHTS))
"""Whoever comes where no keys are asked for, which is allowed on loopback only (`exposure`)."""


class Door:
    """Checks keys against a file, which it watches.

    Args:
        path: of the file of keys; None asks for none and lets anybody in.
        clock: for expiry.
        check: compares a secret with its hash; only ever called in a thread, or by `check`.

    Raises:
        ConfigError: the file cannot be used.
    """

    def __init__(
        self, path: str | Path | None, clock: Clock | None = None, *, check: Callable[..., bool] = matches
    ) -> None:
        self._clock, self._check = clock or SystemClock(), check
        self._file = None if path is None else KeyFile(path)
        self._digest_key = secrets.token_bytes(32)
        self._book, self._keys = Book(), dict[str, Key]()
        self._known: dict[bytes, tuple[Key, Identity]] = {}
        self._asking: dict[bytes, asyncio.Future[bool]] = {}
        self._stamp: tuple[int, ...] = ()
        self._looked_s = self._ration_s = self._clock.now_s()
        self._checks_left = _CHECKS
        if self._file is not None:
            self._stamp = self._stamped()
            self._take(self._file.read())

    @property
    def asks(self) -> bool:
        """Whether a key is needed."""
        return self._file is not None

    def limits(self, tenant: str) -> Limits:
        """Of a tenant, as the file has them now."""
        return self._book.limits(tenant)

    def known(self, authorization: str | bytes | None) -> Identity | None:
        """Who it is, where this key was checked before; None where `identify` must be awaited.

        Raises:
            Denied: 401, checked before, and expired or revoked since.
        """
        if self._file is None:
            return ANYBODY
        now_s = self._clock.now_s()
        if now_s - self._looked_s >= _LOOK_EVERY_S:
            self._looked_s = now_s
            self.refresh()
        if authorization is None:
            raise _again(_NONE)
        found = self._known.get(self._digest(authorization))
        if found is None:
            return None
        if not found[0].in_force(now_s):
            raise _again(_WRONG)
        return found[1]

    async def identify(self, authorization: str | bytes | None) -> Identity:
        """Who it is.

        Args:
            authorization: the header's value, ``Bearer gw_...``; None where there was none.

        Raises:
            Denied: 401, no key or a wrong one; 429, too many wrong ones of late.
        """
        found = self.known(authorization)
        if found is not None or authorization is None:
            return found or ANYBODY
        key, secret = self._claimed(authorization)
        digest = self._digest(authorization)
        asking = self._asking.get(digest)
        if asking is None:  # many connections that open at once with one key wait for one check
            self._ration()
            asking = asyncio.ensure_future(asyncio.to_thread(self._check, secret, key.hash))
            self._asking[digest] = asking
            asking.add_done_callback(lambda _: self._asking.pop(digest, None))
        right = await asyncio.shield(asking)
        if not right or self._keys.get(key.id) != key:  # the file may have changed meanwhile
            raise _again(_WRONG)
        identity = Identity(key.id, key.tenant, frozenset(key.rights))
        if len(self._known) > _MOST_SPELLINGS * len(self._keys):
            self._known.clear()
        self._known[digest] = (key, identity)
        return identity

    def refresh(self) -> bool:
        """Read the file again if it changed; a file that became unusable changes nothing, and is logged.

        Returns:
            Whether there is a new state.
        """
        if self._file is None:
            return False
        try:
            stamp = self._stamped()
            if stamp == self._stamp:
                return False
            self._stamp = stamp
            self._take(self._file.read())
        except (ConfigError, OSError) as fault:
            _log.error("keys stay as they were: %s", fault)
            return False
        return True

    def _stamped(self) -> tuple[int, ...]:
        assert self._file is not None
        try:
            seen = self._file.path.stat()
        except OSError:
            return ()
        return (seen.st_mtime_ns, seen.st_ino, seen.st_size, seen.st_mode)

    def _take(self, book: Book) -> None:
        self._book, self._keys = book, {key.id: key for key in book.keys}
        self._known = {d: (k, who) for d, (k, who) in self._known.items() if self._keys.get(k.id) == k}

    def _digest(self, authorization: str | bytes) -> bytes:
        raw = (
            authorization.encode("utf-8", "surrogateescape")
            if isinstance(authorization, str)
            else authorization
        )
        return hashlib.blake2b(raw, digest_size=16, key=self._digest_key).digest()

    def _claimed(self, authorization: str | bytes) -> tuple[Key, str]:
        """The key that it says it is, and the secret; `Denied` where there is none in force."""
        text = authorization if isinstance(authorization, str) else authorization.decode("latin-1")
        scheme, _, presented = text.strip().partition(" ")
        shape = SHAPE.fullmatch(presented.strip())
        if scheme.lower() != "bearer" or shape is None:
            raise _again(_WRONG if scheme.lower() == "bearer" else _NONE)
        key = self._keys.get(shape[1])
        if key is None or not key.in_force(self._clock.now_s()):
            raise _again(_WRONG)
        return key, shape[2]

    def _ration(self) -> None:
        now_s = self._clock.now_s()
        left = self._checks_left + (now_s - self._ration_s) * _CHECKS_PER_S
        self._checks_left, self._ration_s = min(_CHECKS, left), now_s
        if self._checks_left < 1.0:
            raise Denied(
                429, "too many unknown keys were tried of late; try again in a moment.", retry_after_s=1.0
            )
        self._checks_left -= 1.0


def _again(denied: Denied) -> Denied:
    """A fresh copy: an exception that is raised twice would collect the traces of both."""
    return Denied(denied.status, denied.sentence, retry_after_s=denied.retry_after_s)
