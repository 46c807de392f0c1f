"""Settings that are named by a number: resolutions as "360p", "1080p" and "4K" are names and no quantities."""

from __future__ import annotations

import re

from .members import Member, add
from .tokens import Token

_LINES = re.compile(r"\d{3,4}[pi]", re.IGNORECASE)
_WIDE = re.compile(r"[248]K")


def resolutions(tokens: list[Token], book: dict[str, Member]) -> None:
    """Adds the resolutions of a text to the members, where at least two are told apart."""
    lines = [at for at, t in enumerate(tokens) if t.kind == "word" and _LINES.fullmatch(t.text)]
    wide = [at for at, t in enumerate(tokens) if t.kind == "word" and _WIDE.fullmatch(t.text)]
    found = [*lines, *(wide if lines else [])]
    if len({tokens[at].low for at in found}) > 1:
        for at in sorted(found):
            add(book, tokens[at].text, "resolution", at, at + 1)
