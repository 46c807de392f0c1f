"""Where a language model is asked, from the environment and from nowhere else: nothing is sent until it is set."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from gramwise.core.errors import ConfigError, SourceUnavailable

BASE_URL, MODEL, KEY, TIMEOUT, CACHE = (
    f"GRAMWISE_LLM_{name}" for name in ("BASE_URL", "MODEL", "API_KEY", "TIMEOUT_S", "CACHE")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A server and a model on it.

    Attributes:
        base_url: ``/chat/completions`` is appended.
        model: name that the server knows.
        key: sent as a bearer token; never shown, stored or logged.
        timeout_s: for a whole formulation, repairs and retries included.
        cache: directory of raw replies; None for none.
    """

    base_url: str
    model: str
    key: str = field(default="", repr=False)
    timeout_s: float = 120.0
    cache: Path | None = None

    @property
    def host(self) -> str:
        """Whom we speak to, for messages."""
        return urlsplit(self.base_url).netloc


def endpoint(environment: Mapping[str, str] | None = None) -> Endpoint:
    """The endpoint that the environment names.

    Raises:
        SourceUnavailable: none is configured; says what to set.
        ConfigError: an address, time or model that makes no sense, or a key that would travel in the clear.
    """
    values = os.environ if environment is None else environment
    base_url, model = values.get(BASE_URL, "").strip(), values.get(MODEL, "").strip()
    if not base_url:
        raise SourceUnavailable(
            f"no language model is configured: set {BASE_URL} (as https://host/v1) and {MODEL}, and {KEY} where the"
            " server wants one; or use --formulator offline, which needs none."
        )
    if not model:
        raise ConfigError(
            "which model shall be asked?", key=MODEL, fix="Set it to a name that the server knows."
        )
    key = values.get(KEY, "")
    _check_url(base_url, key)
    cache = values.get(CACHE, "")
    return Endpoint(
        base_url=base_url.rstrip("/"),
        model=model,
        key=_checked_key(key),
        timeout_s=_seconds(values.get(TIMEOUT, "120")),
        cache=Path(cache) if cache else None,
    )


def _check_url(base_url: str, key: str) -> None:
    try:
        parts = urlsplit(base_url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        raise ConfigError("this is no address.", key=BASE_URL, fix="Write it as https://host/v1.") from None
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise ConfigError("this is no address of a server.", key=BASE_URL, fix="Write it as https://host/v1.")
    if parts.username or parts.password:
        raise ConfigError(
            "an address holds no user and password.", key=BASE_URL, fix=f"Put the key into {KEY}."
        )
    if key and parts.scheme == "http" and not _loopback(host):
        raise ConfigError(
            f"a key is not sent in the clear to {host}.",
            key=BASE_URL,
            fix="Write https://, or unset the key.",
        )


def _checked_key(key: str) -> str:
    if not key.isascii() or any(c.isspace() or not c.isprintable() for c in key):
        raise ConfigError(
            "a key has no spaces, line ends or letters beyond ASCII.", key=KEY, fix="Copy it anew."
        )
    return key


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 3600:
        raise ConfigError(f"{text!r} are no seconds.", key=TIMEOUT, fix="Write a number from 1 to 3600.")
    return value
