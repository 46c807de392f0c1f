"""YAML in block style, of plain values: a subset that YAML 1.1 and 1.2 readers take alike.

Texts are always quoted as JSON quotes them, and numbers with an exponent always have a point, since a YAML 1.1 reader
takes ``1e-07`` for text and ``no`` for false.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from gramwise.core.errors import DataError

_PLAIN_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_/-]*")
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""Not printable, or a line break, in YAML 1.1 and 1.2 (YAML 1.2.2, section 5.1 and 5.4)."""
_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


def yaml(value: Any) -> str:
    """A table as a YAML document.

    Args:
        value: dict, list, text, numbers, booleans and None, nested; keys are text.

    Raises:
        DataError: NaN, an infinity, or another type.
    """
    return "\n".join(_lines(value, "")) + "\n"


def _lines(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _entry(f"{indent}{_key(key)}:", item, indent)
    elif isinstance(value, list | tuple) and value:
        for item in value:
            if isinstance(item, Mapping | list | tuple) and item:
                first, *rest = _lines(item, indent + "  ")
                yield f"{indent}- {first.lstrip()}"
                yield from rest
            else:
                yield f"{indent}- {_scalar(item)}"
    else:
        yield indent + _scalar(value)


def _entry(head: str, item: Any, indent: str) -> Iterator[str]:
    if isinstance(item, Mapping | list | tuple) and item:
        yield head
        yield from _lines(item, indent + "  ")
    else:
        yield f"{head} {_scalar(item)}"


def _key(key: str) -> str:
    return key if _PLAIN_KEY.fullmatch(key) and key.lower() not in _WORDS else _quoted(key)


def _quoted(text: str) -> str:
    """Double-quoted; JSON's escapes are YAML's, which wants a few more characters escaped."""
    plain = json.dumps(text, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", plain)


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return _real(repr(value))
    if isinstance(value, Mapping | list | tuple) and not value:
        return "{}" if isinstance(value, Mapping) else "[]"
    raise DataError(f"YAML cannot hold {value!r} here; what is not known is left out.")


def _real(text: str) -> str:
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}{e}{exponent}"
