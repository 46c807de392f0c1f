"""Sentences and lines: where one piece of the text ends, what its words are, and which heading it stands under."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .tokens import Token
from .unitwords import singular
from .vocabulary import words

_SHORT = words("clauses.short")
_BREAKS = frozenset(("while", "whereas", "but", "whilst"))


_LISTED = re.compile(r"[ \t]*(?:[-*+•–]|(?:[1-9]|1\d)[.)])[ \t]")
_LABEL = re.compile(r"[ \t*-]*[^:,\n]{1,50}:[ \t]")


@dataclass(slots=True)
class Piece:
    """A clause: tokens ``first`` to ``stop`` (exclusive), the sentence and the line's heading that it belongs to."""

    first: int
    stop: int
    sentence: int
    heading: str = ""
    bullet: bool = False


def unwrapped(tokens: list[Token], text: str) -> list[Token]:
    """The tokens without the newlines at which prose is merely wrapped."""
    kept = []
    for at, token in enumerate(tokens):
        if token.kind != "newline" or _line_ends(tokens, at, text):
            kept.append(token)
    return kept


def pieces(tokens: list[Token], text: str) -> list[Piece]:
    """The clauses of the tokens: sentences, bullets, lines, and parts behind a semicolon or ", while"."""
    found: list[Piece] = []
    heading, first, sentence, bullet = "", 0, 0, _bullet(tokens, 0)
    for at, token in enumerate(tokens):
        end, new = _ends(tokens, at, text, first)
        if not end:
            continue
        stop = at if token.low in _BREAKS else at + 1
        if stop <= first:
            continue
        content = [t for t in tokens[first:stop] if t.kind != "newline"]
        title = _title(tokens, first, at) if token.kind == "newline" or at + 1 == len(tokens) else None
        if title is not None:
            heading = title
        elif _blank(tokens, at) and not bullet and not _bullet(tokens, at + 1):
            pass
        if content:
            found.append(Piece(first, stop, sentence, heading, bullet))
        first = stop
        if new:
            sentence += 1
            bullet = _bullet(tokens, stop)
            if _blank(tokens, at) and not bullet and title is None:
                heading = ""
    if first < len(tokens):
        found.append(Piece(first, len(tokens), sentence, heading, bullet))
    return found


def _ends(tokens: list[Token], at: int, text: str, first: int) -> tuple[bool, bool]:
    """Whether a clause ends at a token, and whether the sentence ends with it."""
    token = tokens[at]
    if token.kind == "newline":
        return True, True
    if token.text in "!?":
        return True, True
    if token.text == ".":
        if at + 1 < len(tokens) and tokens[at + 1].glued and tokens[at + 1].kind != "newline":
            return False, False
        before = tokens[at - 1].low if at else ""
        latin = at > 2 and tokens[at - 2].text == "." and before in ("g", "e", "m")
        if (before in _SHORT or latin) and at + 1 < len(tokens) and tokens[at + 1].kind != "newline":
            return False, False
        return True, True
    if token.text == ";":
        return True, False
    if token.low in _BREAKS and at > first and tokens[at - 1].text in (",", ")", ";"):
        return True, False
    return False, False


def _line_ends(tokens: list[Token], at: int, text: str) -> bool:
    if (
        at == 0
        or at + 1 >= len(tokens)
        or tokens[at + 1].kind == "newline"
        or tokens[at - 1].kind == "newline"
    ):
        return True
    before, after = tokens[at - 1], tokens[at + 1]
    if before.text in ".:;!?|" or (_bullet(tokens, at + 1) and after.kind != "num") or after.text in "#|":
        return True
    if _LABEL.match(text, text.rfind("\n", 0, before.end) + 1) and _LABEL.match(text, after.start):
        return True
    begin = text.rfind("\n", 0, before.end) + 1
    indented = text[after.start - 1 : after.start] in (" ", "\t")
    if _LISTED.match(text, begin) and not indented and after.text[:1].isupper():
        return True  # what goes on is indented; this is the text behind the list
    short = before.end - begin < 55 and text[begin : before.end].count(" ") < 9
    return short and (after.text[:1].isupper() or after.kind == "num") and before.text != ","


def _blank(tokens: list[Token], at: int) -> bool:
    return tokens[at].kind == "newline" and at + 1 < len(tokens) and tokens[at + 1].kind == "newline"


def _bullet(tokens: list[Token], at: int) -> bool:
    """Whether a line begins with a bullet or a list number."""
    while at < len(tokens) and tokens[at].kind == "newline":
        at += 1
    if at + 1 >= len(tokens):
        return False
    token = tokens[at]
    if token.text in ("-", "*", "+", "o") and not tokens[at + 1].glued:
        return True
    return token.kind == "num" and tokens[at + 1].text in (".", ")") and tokens[at + 1].glued


def _title(tokens: list[Token], first: int, at: int) -> str | None:
    """The words of a line that is a heading: "## Sites", "The cloud:"."""
    content = [t for t in tokens[first : at + 1] if t.kind != "newline"]
    if not content or len(content) > 9:
        return None
    if content[0].text == "#":
        return " ".join(t.text for t in content if t.kind != "punct")
    if content[-1].text == ":" and not any(t.kind in ("num", "clock") for t in content):
        return " ".join(t.text for t in content if t.kind != "punct")
    return None


def said(tokens: list[Token]) -> tuple[str, ...]:
    """Words in lower case, singular where that is safe."""
    return tuple(singular(t.low) for t in tokens if t.kind == "word")
