"""Secrets: made at random, and kept as a salted scrypt hash (RFC 7914) with the parameters that made it."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import NamedTuple

import msgspec

SHAPE = re.compile(r"gw_([0-9a-f]{8})_([0-9a-f]{48})", re.ASCII)
"""Of an API key: ``gw_``, the id, which is no secret, and 192 random bits."""


class Hash(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is kept of a secret; ``n``, ``r`` and ``p`` are scrypt's cost, block size and parallelism (RFC 7914).

    The defaults take 16 MiB and some tens of milliseconds, once for each key and start of a server.
    """

    salt: str
    scrypt: str
    n: int = 2**14
    r: int = 8
    p: int = 1


class Made(NamedTuple):
    """A new key. ``text`` is shown once and kept nowhere."""

    id: str
    text: str
    hash: Hash


def new_key() -> Made:
    """An id, a secret, and the hash of the secret under a salt of its own."""
    name, secret = secrets.token_hex(4), secrets.token_hex(24)
    return Made(name, f"gw_{name}_{secret}", hashed(secret))


def hashed(secret: str) -> Hash:
    """The hash of a secret under a new salt."""
    blank = Hash(salt=secrets.token_hex(16), scrypt="")
    return msgspec.structs.replace(blank, scrypt=_scrypt(secret, blank).hex())


def matches(secret: str, kept: Hash) -> bool:
    """Whether this is the secret, in a time that does not tell how nearly. Takes tens of milliseconds: use a thread."""
    return hmac.compare_digest(_scrypt(secret, kept), bytes.fromhex(kept.scrypt))


def _scrypt(secret: str, kept: Hash) -> bytes:
    return hashlib.scrypt(
        secret.encode(),
        salt=bytes.fromhex(kept.salt),
        n=kept.n,
        r=kept.r,
        p=kept.p,
        maxmem=256 * kept.n * kept.r,
        dklen=32,
    )
