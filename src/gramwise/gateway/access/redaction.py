"""No secret in a log, a URL or a run directory: keys are recognised by their form, tokens because they were named.

`guard_logs` filters what handlers write, tracebacks too; `redact` is for a text and `redact_tree` for a document.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from .denied import Denied

HIDDEN = "[hidden]"
_SHORTEST = 8

_NAMES = r"authorization|auth[-_]?token|access[-_]?token|api[-_]?key|x-api-key|token|secret|password|passwd"
_FORMS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\bgw_([0-9a-f]{8})_[0-9A-Za-z]{8,}"), rf"gw_\1_{HIDDEN}"),
    (re.compile(r"(?i)\b(bearer|basic)(\s+)[A-Za-z0-9._~+/=-]{8,}"), rf"\1\2{HIDDEN}"),
    (re.compile(r"(://)[^\s/@:]*:[^\s/@]+@"), rf"\1{HIDDEN}@"),
    (
        re.compile(rf"(?i)\b({_NAMES})\b([\"']?\s*[:=]\s*[\"']?)(?!(?:bearer|basic)\s)([^\s\"',;&}})]+)"),
        rf"\1\2{HIDDEN}",
    ),
    (
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S),
        HIDDEN,
    ),
)
_NAMED = re.compile(rf"(?i)(?:^|[-_.])(?:{_NAMES})$")
_KEY_IN_URL = re.compile(rb"(?i)gw_[0-9a-f]{8}_")
_NAMED_IN_URL = re.compile(rb"(?i)(?:^|[&;])(?:authorization|access[-_]?token|api[-_]?key|token|key)=")

_hidden: set[str] = set()


def hide(secret: str) -> None:
    """From now on this text is cut out of everything that is redacted; what is shorter than 8 characters is not."""
    if len(secret) >= _SHORTEST:
        _hidden.add(secret)


def redact(text: str) -> str:
    """The text without secrets: API keys but for their ids, credentials, tokens, passwords in URLs, private keys."""
    for secret in _hidden:
        if secret in text:
            text = text.replace(secret, HIDDEN)
    for form, instead in _FORMS:
        text = form.sub(instead, text)
    return text


def redact_tree(value: Any) -> Any:
    """A document without secrets: texts redacted, and what stands under a key such as ``token`` left out."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {k: HIDDEN if _secretive(k, v) else redact_tree(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [redact_tree(v) for v in value]
    return value


def _secretive(name: object, value: object) -> bool:
    return isinstance(name, str) and isinstance(value, str) and _NAMED.search(name) is not None


class Redacting(logging.Filter):
    """Takes secrets out of a record: its message with its arguments, its traceback, its stack."""

    _format = logging.Formatter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Always lets the record pass, redacted."""
        record.msg, record.args = redact(record.getMessage()), ()
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = redact(self._format.formatException(record.exc_info))
            record.exc_info = None
        elif record.exc_text:
            record.exc_text = redact(record.exc_text)
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        return True


def guard_logs(handlers: Iterable[logging.Handler] | None = None) -> None:
    """Put the filter on handlers: the root logger's by default. Call it once the handlers are there.

    Filters of a logger do not see what its children log, so that only handlers will do.
    """
    for handler in logging.getLogger().handlers if handlers is None else handlers:
        if not any(isinstance(held, Redacting) for held in handler.filters):
            handler.addFilter(Redacting())


def refuse_key_in_url(target: bytes) -> None:
    """A key belongs in a header: proxies, histories and logs keep URLs.

    Args:
        target: path and query as they came.

    Raises:
        Denied: 400, something in it looks like a key, or a parameter is named like one. The target is not repeated.
    """
    if b"?" in target or b"gw_" in target or b"%" in target:
        plain = unquote_to_bytes(target)
        if _KEY_IN_URL.search(plain) or _NAMED_IN_URL.search(plain.partition(b"?")[2]):
            raise Denied(
                400,
                "a key stands in the URL, where others can read it: send it in the header 'Authorization: Bearer', "
                "and have the operator revoke this one.",
            )
