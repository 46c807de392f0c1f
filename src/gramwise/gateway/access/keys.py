"""The file of keys and tenants: JSON, mode 0600, with hashes in it and no secret; what ``gramwise keys`` works on.

Writers take turns by a lock beside the file and replace it whole, so a reader always sees one state or the next.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from gramwise.core.errors import ConfigError, did_you_mean

from .hashing import Hash, new_key

SCHEMA: Literal["gramwise.keys/1"] = "gramwise.keys/1"
EVERYONE = "*"
"""Stands for every tenant that has no limits of its own."""

Right: TypeAlias = Literal["infer", "read", "change"]
RIGHTS: tuple[Right, ...] = ("infer", "read", "change")
"""infer: send requests, have plans made, see one's own part of the ledger; read: the whole ledger, the fleet, metrics,
intensities; change: let nodes join and leave, put plans into effect."""

_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
_LONGEST_NOTE, _MOST_BYTES = 200, 8_000_000
_Above: TypeAlias = Annotated[float, msgspec.Meta(gt=0)]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What a tenant may use; None sets no limit.

    Attributes:
        requests_per_s: in the long run.
        burst: requests that may come at once after a pause; what a second allows, where left out.
        concurrent: requests under way.
        energy_j_per_day, carbon_g_per_day: of a UTC day, marginal joules and grams as the ledger counts them.
    """

    requests_per_s: _Above | None = None
    burst: Annotated[int, msgspec.Meta(ge=1)] | None = None
    concurrent: Annotated[int, msgspec.Meta(ge=1)] | None = None
    energy_j_per_day: _Above | None = None
    carbon_g_per_day: _Above | None = None


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One key; times in Unix seconds."""

    id: str
    tenant: str
    rights: tuple[Right, ...]
    hash: Hash
    made_unix_s: float
    note: str = ""
    expires_unix_s: float | None = None
    revoked_unix_s: float | None = None

    def in_force(self, now_s: float) -> bool:
        """Whether it may still be used."""
        return self.revoked_unix_s is None and (self.expires_unix_s is None or now_s < self.expires_unix_s)


class Book(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All that the file says."""

    schema: Literal["gramwise.keys/1"] = SCHEMA
    tenants: dict[str, Limits] = {}
    keys: tuple[Key, ...] = ()

    def limits(self, tenant: str) -> Limits:
        """Of a tenant: its own, else everyone's, else none."""
        return self.tenants.get(tenant) or self.tenants.get(EVERYONE) or Limits()


class KeyFile:
    """The file at ``path``; a file that is not there is an empty book for writers and an error for readers."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def read(self) -> Book:
        """What it says now.

        Raises:
            ConfigError: no such file, readable for others, or not of this form.
        """
        try:
            with self.path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                raw = file.read(_MOST_BYTES + 1)
        except FileNotFoundError:
            raise ConfigError(
                "there is no such file of keys.", file=self.path, fix="Make one: gramwise keys add."
            ) from None
        except OSError as fault:
            raise ConfigError(f"cannot be read: {fault.strerror}.", file=self.path) from None
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigError(
                "others on this machine may open this file of keys.",
                file=self.path,
                fix=f"Write: chmod 600 {self.path}",
            )
        return _decode(raw, self.path)

    def add(
        self,
        tenant: str,
        rights: Sequence[str],
        *,
        now_s: float,
        note: str = "",
        lasts_s: float | None = None,
        limits: Limits | None = None,
    ) -> tuple[Key, str]:
        """A new key, and its text, which is kept nowhere: show it once.

        Args:
            tenant: who pays for what it does: letters, digits, ``.``, ``_`` and ``-``, at most 63.
            rights: of ``infer``, ``read`` and ``change``, at least one.
            now_s: Unix seconds.
            note: for people, at most 200 characters.
            lasts_s: seconds until it expires; None never.
            limits: the tenant's from now on; None leaves them.

        Raises:
            ConfigError: what makes no sense, or a file that cannot be read or written.
        """
        given = _rights(rights)
        _check(tenant, note, lasts_s)
        made = new_key()
        key = Key(
            id=made.id,
            tenant=tenant,
            rights=given,
            hash=made.hash,
            made_unix_s=now_s,
            note=note,
            expires_unix_s=None if lasts_s is None else now_s + lasts_s,
        )
        with self._changing() as book:
            tenants = book.tenants | ({tenant: limits} if limits is not None else {})
            self._write(Book(tenants=tenants, keys=(*book.keys, key)))
        return key, made.text

    def limit(self, tenant: str, limits: Limits) -> None:
        """Set the limits of a tenant, or of everyone without limits of their own (``*``).

        Raises:
            ConfigError: no such name can be a tenant's; or the file.
        """
        if tenant != EVERYONE:
            _check(tenant, "", None)
        with self._changing() as book:
            self._write(msgspec.structs.replace(book, tenants=book.tenants | {tenant: limits}))

    def revoke(self, key_id: str, *, now_s: float) -> Key:
        """Take a key out of force; servers that watch the file follow within about a second.

        Args:
            key_id: its id, eight characters; a whole key is taken too, and only its id is looked at.
            now_s: Unix seconds.

        Raises:
            ConfigError: no such key; or the file.
        """
        wanted = key_id.split("_")[1] if key_id.startswith("gw_") else key_id
        with self._changing() as book:
            found = next((k for k in book.keys if k.id == wanted), None)
            if found is None:
                fix = did_you_mean(wanted, [k.id for k in book.keys])
                raise ConfigError(f"there is no key {wanted[:40]!r}.", file=self.path, fix=fix)
            gone = found
            if found.revoked_unix_s is None:
                gone = msgspec.structs.replace(found, revoked_unix_s=now_s)
                keys = tuple(gone if k.id == wanted else k for k in book.keys)
                self._write(msgspec.structs.replace(book, keys=keys))
        return gone

    def listed(self, *, now_s: float) -> dict[str, Any]:
        """Keys and tenants as a document for people and programs, without salts and hashes."""
        book = self.read()
        keys = [
            {
                "id": k.id,
                "tenant": k.tenant,
                "rights": list(k.rights),
                "note": k.note,
                "made_unix_s": k.made_unix_s,
                "expires_unix_s": k.expires_unix_s,
                "revoked_unix_s": k.revoked_unix_s,
                "in_force": k.in_force(now_s),
            }
            for k in book.keys
        ]
        tenants: Mapping[str, Any] = {
            name: msgspec.structs.asdict(limits) for name, limits in book.tenants.items()
        }
        return {"schema": SCHEMA, "keys": keys, "tenants": dict(tenants)}

    @contextlib.contextmanager
    def _changing(self) -> Iterator[Book]:
        """The book as it is, while no other writer may touch it."""
        lock = self.path.with_name(f".{self.path.name}.lock")
        try:
            held = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as fault:
            raise ConfigError(f"cannot be written: {fault.strerror}.", file=self.path) from None
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield self.read() if self.path.exists() else Book()
        finally:
            os.close(held)

    def _write(self, book: Book) -> None:
        new = self.path.with_name(f".{self.path.name}.{os.getpid()}.new")
        try:
            new.unlink(missing_ok=True)
            file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(file, "wb") as out:
                out.write(msgspec.json.format(msgspec.json.encode(book), indent=2) + b"\n")
                out.flush()
                os.fsync(out.fileno())
            if self.path.exists():  # root may add a key to a file that the server's own user reads
                was = self.path.stat()
                if (was.st_uid, was.st_gid) != (os.geteuid(), os.getegid()):
                    os.chown(new, was.st_uid, was.st_gid)
            new.replace(self.path)
        except OSError as fault:
            new.unlink(missing_ok=True)
            raise ConfigError(f"cannot be written: {fault.strerror}.", file=self.path) from None


def _decode(raw: bytes, path: Path) -> Book:
    if len(raw) > _MOST_BYTES:
        raise ConfigError(f"a file of keys has at most {_MOST_BYTES} bytes.", file=path)
    try:
        book = msgspec.json.decode(raw, type=Book)
        for key in book.keys:
            bytes.fromhex(key.hash.salt), bytes.fromhex(key.hash.scrypt)
    except (msgspec.MsgspecError, ValueError, RecursionError) as fault:
        raise ConfigError(
            f"this is no file of keys: {fault}.", file=path, fix="Mend it, or make another."
        ) from None
    if len({key.id for key in book.keys}) != len(book.keys):
        raise ConfigError("two keys have one id.", file=path, key="keys", fix="Take one out.")
    return book


def _rights(given: Sequence[str]) -> tuple[Right, ...]:
    for right in given:
        if right not in RIGHTS:
            raise ConfigError(f"there is no right {right!r}.", key="--right", fix=did_you_mean(right, RIGHTS))
    if not given:
        raise ConfigError("a key has at least one right.", key="--right", fix=did_you_mean("", RIGHTS))
    return tuple(right for right in RIGHTS if right in given)


def _check(tenant: str, note: str, lasts_s: float | None) -> None:
    if not _TENANT.fullmatch(tenant):
        raise ConfigError(
            f"{tenant[:70]!r} cannot be a tenant's name.",
            key="--tenant",
            fix="Write letters, digits, '.', '_' and '-', at most 63 of them.",
        )
    if len(note) > _LONGEST_NOTE or not note.isprintable():
        raise ConfigError("a note is one line of at most 200 characters.", key="--note", fix="Write less.")
    if lasts_s is not None and not 0 < lasts_s < 1e10:
        raise ConfigError("a key lasts longer than 0 seconds.", key="--lasts", fix="Write for instance 90d.")
