"""Node tokens: the one secret that a gateway shows to a node, kept in a file that only its user may open."""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from pathlib import Path

from pydantic import SecretStr

from gramwise.core.errors import ConfigError

from .redaction import hide

_SHORTEST, _LONGEST = 16, 512


def new_token() -> SecretStr:
    """192 random bits; from now on hidden in logs."""
    return _hidden(secrets.token_hex(24))


def read_token(path: str | Path) -> SecretStr:
    """The token in a file: one line of 16 to 512 printable characters; from now on hidden in logs.

    Raises:
        ConfigError: no such file, readable for others, or no token in it.
    """
    file = Path(path)
    fix = f"Make one: (umask 077; openssl rand -hex 24 > {file})"
    try:
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            raw = opened.read(_LONGEST + 2)
    except FileNotFoundError:
        raise ConfigError("there is no such file with a token.", file=file, fix=fix) from None
    except OSError as fault:
        raise ConfigError(f"cannot be read: {fault.strerror}.", file=file) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(
            "others on this machine may open this token.", file=file, fix=f"Write: chmod 600 {file}"
        )
    text = raw.decode("ascii", "replace").strip()
    if not _SHORTEST <= len(text) <= _LONGEST or not text.isascii() or not text.isprintable() or " " in text:
        raise ConfigError("a token is one line of 16 to 512 printable characters.", file=file, fix=fix)
    return _hidden(text)


def write_token(path: str | Path, token: SecretStr) -> None:
    """Write a token for its user only.

    Raises:
        ConfigError: there is such a file, or it cannot be written.
    """
    try:
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as fault:
        raise ConfigError(f"cannot be written: {fault.strerror}.", file=path) from None
    with os.fdopen(made, "w", encoding="ascii") as file:
        file.write(token.get_secret_value() + "\n")


def bearer(token: SecretStr) -> str:
    """The value of the ``Authorization`` header that shows a token."""
    return f"Bearer {token.get_secret_value()}"


def shows(authorization: str | bytes | None, token: SecretStr) -> bool:
    """Whether a header's value shows this token, in a time that does not tell how nearly."""
    if authorization is None:
        return False
    given = (
        authorization.encode("utf-8", "surrogateescape") if isinstance(authorization, str) else authorization
    )
    scheme, _, presented = given.strip().partition(b" ")
    right = hmac.compare_digest(presented.strip(), token.get_secret_value().encode())
    return right and scheme.lower() == b"bearer"


def _hidden(text: str) -> SecretStr:
    hide(text)
    return SecretStr(text)
