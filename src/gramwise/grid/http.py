"""How gramwise asks a provider over HTTP: one patient, distrustful client, and the only module that imports httpx2.

It retries what may pass (5xx, a cut or refused connection), never for long, and tells everything else apart: a refused
key, a spent quota, an unknown zone, a page where JSON is due, nothing at all, too much. It follows no redirect, so a
credential goes to the host it was meant for and nowhere else, and no message or log of it holds one.
"""

from __future__ import annotations

import json
import logging
import math
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import cache
from types import ModuleType
from typing import Any

from gramwise.core.clock import Clock, SystemClock
from gramwise.core.errors import BadReply, ConfigError, SourceUnavailable

TIMEOUT_S = 20.0
MAX_REPLY_BYTES = 16 * 1024 * 1024
"""A month of five-minute values is about 1 MB of JSON: more than this is not an answer to our question."""

_ATTEMPTS = 3
_LONGEST_WAIT_S = 4.0
_QUOTED = 60
_EPOCH_FROM_S = 1e9
"""A reset stamp above this is a Unix time; below, seconds from now. Providers use either."""

_log = logging.getLogger(__name__)


class QuotaExceeded(SourceUnavailable):
    """A provider has had enough of us. ``retry_after_s``: seconds to wait as it says, None where it does not."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class KeyRefused(SourceUnavailable):
    """A provider does not accept the key, or the key does not cover what was asked. ``status`` is 401 or 403."""

    def __init__(self, message: str, *, status: int) -> None:
        self.status = status
        super().__init__(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What a provider last said about its limits.

    Attributes:
        remaining: calls left; None where it does not say.
        reset_s: when the count starts anew, Unix seconds; None where it does not say.
        seen_s: when it said so, Unix seconds.
    """

    remaining: int | None
    reset_s: float | None
    seen_s: float


class NotAccepted(BadReply):
    """A provider refuses what was asked. ``status`` is 3xx or 4xx; ``said`` its own words, without secrets."""

    def __init__(self, message: str, *, status: int, said: str = "") -> None:
        self.status, self.said = status, said
        super().__init__(message)


class _Passing(Exception):
    """Worth another try."""


@dataclass(slots=True)
class HttpClient:
    """Asks one provider for JSON.

    Attributes:
        provider: its name for people; stands in every error.
        base_url: paths are appended to it.
        key_names: environment variables that hold the key, for the message when it is refused.
        timeout_s: for connecting, for each silence, and for the whole reply.
        retry_wait_s: before the second try; doubled before the third.
        clock: what a ``Retry-After`` date is compared with.
        max_bytes: longest reply that is read.
        quota: what the newest reply said of limits; None before the first that did.
    """

    provider: str
    base_url: str
    key_names: tuple[str, ...] = ()
    timeout_s: float = TIMEOUT_S
    retry_wait_s: float = 0.5
    clock: Clock = field(default_factory=SystemClock)
    max_bytes: int = MAX_REPLY_BYTES
    quota: Quota | None = None

    def get_json(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        zone: str | None = None,
    ) -> dict[str, Any]:
        """GET one JSON object.

        Args:
            path: below ``base_url``, with the leading slash.
            params: of the query; never a credential.
            headers: more of them; their values are kept out of every message.
            auth: user and password for HTTP Basic, kept out of every message.
            zone: that is asked for, for the error when the provider does not know it.

        Returns:
            The object.

        Raises:
            ConfigError: the provider does not know ``zone``.
            BadReply: not JSON, no object, empty, too long, a redirect, or a refusal of another kind.
            QuotaExceeded: 429, with the time to wait where it was said.
            KeyRefused: 401 or 403.
            SourceUnavailable: not reached, too slow, cut off, broken on its side, or httpx2 is missing.
        """
        return self._asked("GET", path, params=params, headers=headers, auth=auth, zone=zone)

    def post_json(
        self, path: str, body: Mapping[str, Any], *, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """POST one JSON object and read one; the same retries, refusals and silence about secrets as `get_json`.

        Raises:
            NotAccepted, BadReply, QuotaExceeded, KeyRefused, SourceUnavailable: as there.
        """
        return self._asked("POST", path, body=body, headers=headers)

    def _asked(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        zone: str | None = None,
    ) -> dict[str, Any]:
        secrets = [*(headers or {}).values(), *(auth or ())]
        httpx, tenacity = _libraries(self.provider)

        def once() -> tuple[int, Mapping[str, str], bytes]:
            return self._once(
                httpx, method, path, {"params": params, "json": body, "headers": headers, "auth": auth}
            )

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Passing),
            stop=tenacity.stop_after_attempt(_ATTEMPTS),
            wait=tenacity.wait_exponential(multiplier=self.retry_wait_s, max=_LONGEST_WAIT_S)
            + tenacity.wait_random(0.0, self.retry_wait_s / 2),
            before_sleep=lambda state: _log.info("%s: %s; trying again", self.provider, _reason(state)),
            reraise=True,
        )
        try:
            status, answered, content = retrying(once)
        except _Passing as last:
            raise SourceUnavailable(f"{self.provider}: {last}, {_ATTEMPTS} times in a row.") from None
        self._note_quota(answered)

        def redact(text: str) -> str:
            return _without(text, secrets)

        if status != 200:
            raise self._refusal(status, answered, content, zone, redact)
        return self._object(content, redact)

    def _once(
        self,
        httpx: ModuleType,
        method: str,
        path: str,
        sent: Mapping[str, Any],
    ) -> tuple[int, Mapping[str, str], bytes]:
        """One attempt: status, headers and body. Errors are rebuilt from their kind alone: no address, no key."""
        deadline_s = time.monotonic() + self.timeout_s
        try:
            with (
                httpx.Client(timeout=self.timeout_s, follow_redirects=False, verify=_tls()) as client,
                client.stream(method, self.base_url.rstrip("/") + path, **sent) as reply,
            ):
                if reply.status_code >= 500:
                    raise _Passing(f"it answered {reply.status_code}")
                return reply.status_code, dict(reply.headers), self._body(reply, deadline_s)
        except httpx.TimeoutException:
            raise SourceUnavailable(
                f"{self.provider}: no whole answer within {self.timeout_s:g} s."
            ) from None
        except httpx.ConnectError as error:
            raise _Passing(f"it cannot be reached ({str(error)[:_QUOTED] or 'no reason given'})") from None
        except httpx.TransportError:
            raise _Passing("the connection was cut before the whole answer came") from None
        except (httpx.InvalidURL, httpx.HTTPError) as error:
            raise BadReply(f"{self.provider}: the answer cannot be read ({type(error).__name__}).") from None

    def _body(self, reply: Any, deadline_s: float) -> bytes:
        body = bytearray()
        for chunk in reply.iter_bytes():
            body += chunk
            if len(body) > self.max_bytes:
                raise BadReply(f"{self.provider}: the answer is longer than {self.max_bytes} bytes.")
            if time.monotonic() > deadline_s:
                raise SourceUnavailable(f"{self.provider}: no whole answer within {self.timeout_s:g} s.")
        return bytes(body)

    def _object(self, body: bytes, redact: Callable[[str], str]) -> dict[str, Any]:
        text = body.decode("utf-8", "replace").strip().removeprefix("\ufeff")
        if not text:
            raise BadReply(f"{self.provider}: answered nothing.")
        shown = repr(redact(text)[:_QUOTED])
        if text.startswith("<"):
            raise BadReply(f"{self.provider}: answered a page where JSON is due: {shown}.")
        try:
            document = json.loads(text, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise BadReply(f"{self.provider}: answered what is not JSON: {shown}.") from None
        if not isinstance(document, dict):
            raise BadReply(f"{self.provider}: answered no JSON object: {shown}.")
        return document

    def _refusal(
        self,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        zone: str | None,
        redact: Callable[[str], str],
    ) -> Exception:
        said = redact(_said(body))
        because = f" It says: {said!r}." if said else ""
        if status == 429:
            wait_s = self._retry_after_s(headers.get("retry-after"))
            when = "" if wait_s is None else f" Ask again in {wait_s:.0f} s."
            return QuotaExceeded(
                f"{self.provider}: the quota is spent (429).{when}{because}", retry_after_s=wait_s
            )
        if status in (401, 403):
            keys = " and ".join(self.key_names)
            what = f"the key in {keys}" if keys else "to answer, though it asks for no key"
            return KeyRefused(f"{self.provider}: refused {what} ({status}).{because}", status=status)
        if zone is not None and (status == 404 or (status in (400, 422) and _blames_zone(said))):
            return ConfigError(f"{self.provider} knows no zone {zone!r} ({status}).{because}")
        if 300 <= status < 400:
            return NotAccepted(
                f"{self.provider}: answered a redirect ({status}), which is not followed; set base_url.",
                status=status,
            )
        return NotAccepted(
            f"{self.provider}: refused the question ({status}).{because}", status=status, said=said
        )

    def _retry_after_s(self, text: str | None) -> float | None:
        """Seconds to wait, from a number or an HTTP date; None where neither can be read (RFC 9110, 10.2.3)."""
        if text is None:
            return None
        seconds = _finite(text)
        if seconds is not None:
            return max(0.0, seconds)
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, moment.timestamp() - self.clock.now_s())

    def _note_quota(self, headers: Mapping[str, str]) -> None:
        remaining = _finite(headers.get("x-ratelimit-remaining", headers.get("ratelimit-remaining", "")))
        reset = _finite(headers.get("x-ratelimit-reset", headers.get("ratelimit-reset", "")))
        if remaining is None and reset is None:
            return
        now_s = self.clock.now_s()
        self.quota = Quota(
            remaining=None if remaining is None else int(remaining),
            reset_s=reset if reset is None or reset > _EPOCH_FROM_S else now_s + reset,
            seen_s=now_s,
        )


def _libraries(provider: str) -> tuple[ModuleType, ModuleType]:
    try:
        import httpx2
        import tenacity
    except ImportError as missing:
        library = "tenacity" if missing.name == "tenacity" else "httpx2"
        raise SourceUnavailable(f"asking {provider} needs {library}: pip install 'gramwise[grid]'") from None
    return httpx2, tenacity


@cache
def _tls() -> ssl.SSLContext:
    """Made once: reading the certificates takes longer than all the rest of a call."""
    import httpx2

    return httpx2.create_ssl_context()


def _reason(state: Any) -> str:
    return str(state.outcome.exception()) if state.outcome is not None else "no outcome"


def _without(text: str, secrets: list[str]) -> str:
    """``text`` without any secret, nor the bare token of ``Bearer TOKEN``: some providers send the key back."""
    words = {word for secret in secrets for word in (secret, *secret.split()) if len(word) > 3}
    for word in sorted(words - {"Bearer", "Basic"}, key=len, reverse=True):
        text = text.replace(word, "***")
    return text


def _said(body: bytes) -> str:
    """The provider's own words about an error, short: usual keys of JSON, or the first characters of anything else."""
    text = body[:4096].decode("utf-8", "replace").strip()
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return " ".join(text.split())[:_QUOTED]
    words = document
    for key in ("error", "message", "detail"):
        if isinstance(words, dict) and words.get(key):
            words = words[key]
    return words[:200] if isinstance(words, str) else text[:_QUOTED]


def _blames_zone(said: str) -> bool:
    return any(word in said.casefold() for word in ("zone", "region"))


def _no_constant(word: str) -> float:
    raise ValueError(f"{word} is not JSON")


def _finite(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


__all__ = ["HttpClient", "KeyRefused", "NotAccepted", "Quota", "QuotaExceeded"]
