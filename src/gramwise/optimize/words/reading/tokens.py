"""Text to tokens, each with its characters: words, numbers in digits, clock times, and what only looks like a number.

Characters that are written in several ways (dashes, quotes, the small two of CO2) are first replaced one for one, so
that every offset still points into the text as it was given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["word", "num", "clock", "skip", "newline", "punct"]

_SAME = str.maketrans(
    {
        "–": "-",
        "—": "-",
        "−": "-",
        "‐": "-",
        "‑": "-",
        "’": "'",
        "‘": "'",
        "“": '"',
        "”": '"',
        "„": '"',
        "«": '"',
        "»": '"',
        "₂": "2",
        "\u00a0": " ",
        "\u202f": " ",
        "\u2009": " ",
        "\t": "\t",
        "\r": " ",
        "\u2028": "\n",
        "μ": "µ",
        "∕": "/",
        "⁄": "/",
        "•": "*",
        "◦": "*",
        "‣": "*",
    }
)

NUMBER_WORDS: dict[str, float] = {
    word: float(value)
    for value, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ]
    )
} | {
    word: 10.0 * (place + 2)
    for place, word in enumerate(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
    )
}
SCALES = {
    "hundred": 1e2,
    "thousand": 1e3,
    "million": 1e6,
    "billion": 1e9,
    "trillion": 1e12,
    "thousands": 1e3,
    "millions": 1e6,
    "billions": 1e9,
    "mn": 1e6,
    "bn": 1e9,
    "dozen": 12.0,
}
_SUPER = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_FRACTIONS = {"½": 0.5, "¼": 0.25, "¾": 0.75, "⅓": 1 / 3, "⅔": 2 / 3}

_TOKEN = re.compile(
    r"""
    (?P<url>(?:https?://|www\.)[^\s<>]{1,2000})
  | (?P<mail>[\w.+-]{1,64}@[\w-]{1,64}\.[\w.-]{2,64})
  | (?P<date>\b\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2})?Z?)?\b
        | \b\d{1,2}[./]\d{1,2}[./]\d{4}\b
        | \b\d{1,2}\ (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}(?:\ \d{4})?\b
        | \b(?:January|February|March|April|May|June|July|August|September|October|November|December)\ \d{1,2}
          (?:st|nd|rd|th)?(?:,?\ \d{4})?\b(?!\ ?\w*/))
  | (?P<version>\bv?\d+\.\d+\.\d+[\w.]{0,20})
  | (?P<around>24/7)
  | (?P<time>\b\d{1,2}:\d{2}(?::\d{2})?(?!\d)\s?(?P<half1>[aApP]\.?[mM]\b\.?)?(?:\s?h\b)?)
  | (?P<hour>\b\d{1,2}(?:\.\d\d)?\s?(?:(?P<half2>[aApP]\.?[mM]\b\.?)|o'clock\b))
  | (?P<ordinal>\b\d+(?:st|nd|rd|th)\b)
  | (?P<power>(?:\d+(?:\.\d+)?\ ?[×x*·]\ ?)?\b10(?:\ ?\^\ ?\(?[-+]?\d{1,2}\)?|[⁻⁰¹²³⁴-⁹]{1,4}))
  | (?P<fraction>(?<![\d/.,])\d{1,2}/\d{1,2}(?![\d/.]|\ ?[A-Za-z]{1,3}/))
  | (?P<grouped>(?<![\d.])(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?:\ 000)+|[1-9]\d?(?:\ \d{3})+|\d{1,3}(?:'\d{3})+)
        (?![\d]|[.,]\d|\ \d))
  | (?P<comma>(?<![\d,.])\d+,\d{1,2}(?![\d,]|\.\d))
  | (?P<resolution>\b(?:\d{3,4}[pi]|[248]K)\b)
  | (?P<number>\d+(?:\.\d+)?(?:[eE][-+]?\d{1,3}(?![\d]))?|(?<![\d.])\.\d+)
  | (?P<vulgar>[½¼¾⅓⅔])
  | (?P<word>[^\W\d_](?:\w|[-'](?=\w)|\.(?=\d))*)
  | (?P<newline>\n)
  | (?P<punct>\S)
    """,
    re.VERBOSE,
)


_NUMBERED = frozenset(
    (
        "hour",
        "slot",
        "period",
        "step",
        "interval",
        "job",
        "task",
        "site",
        "server",
        "node",
        "device",
        "camera",
        "client",
        "region",
        "zone",
        "user",
        "day",
    )
)
"""Nouns whose members are numbered: digits behind them are a name, and no thousands follow."""


@dataclass(slots=True)
class Token:
    """One token.

    Attributes:
        kind: ``skip`` is a date, version, ordinal, address: digits that are no quantity.
        text, low: as written and in lower case.
        start, end: its characters.
        value: of a number (already multiplied out) or a clock time in hours since midnight.
        glued: nothing stands between it and the token before.
    """

    kind: Kind
    text: str
    low: str
    start: int
    end: int
    value: float = 0.0
    glued: bool = False


def plain(text: str) -> str:
    """The text with look-alike characters replaced one for one; every offset stays."""
    return text.translate(_SAME)


def tokens(text: str, base: int = 0) -> list[Token]:
    """Tokens of ``text`` (already `plain`), their characters counted from ``base``; linear in its length."""
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.search(text, at)
        if match is None:
            break
        token = _made(match)
        if token.kind == "num" and " " in token.text and found and found[-1].low in _NUMBERED:
            token = _first_group(token)  # "hour 2 240 g/kWh": the first digits number the hour
        token.glued = bool(found) and found[-1].end == token.start + base
        at = token.end
        token.start += base
        token.end += base
        _signed(found, token, text, base)
        found.append(token)
    return found


def _first_group(token: Token) -> Token:
    first = token.text.split(" ")[0]
    return Token("num", first, first, token.start, token.start + len(first), _float(first))


def _signed(found: list[Token], token: Token, text: str, base: int) -> None:
    """A minus that touches a number and follows a space, bracket or sign of equality belongs to it."""
    if token.kind != "num" or not token.glued or found[-1].text != "-":
        return
    before = text[found[-1].start - base - 1 : found[-1].start - base]
    if before == "" or before in " (=:,[|\t":
        token.start, token.value = found[-1].start, -token.value
        token.text = "-" + token.text
        token.glued = False
        found.pop()


def _made(match: re.Match[str]) -> Token:
    group, text = match.lastgroup or "punct", match.group()
    if group in ("half1", "half2"):
        group = "time" if match["time"] else "hour"
    start, end = match.span()
    make = {"time": _time, "hour": _time, "word": _word, "resolution": _word}.get(group)
    if make is not None:
        return make(match, start, end)
    if group in ("url", "mail", "date", "version", "ordinal", "around"):
        return Token("skip", text, text.lower(), start, end)
    if group in ("newline", "punct"):
        return Token("newline" if group == "newline" else "punct", text, text, start, end)
    value = _value(group, text)
    if value is None:  # 50/50, 120,300,450: no fraction and no thousands
        first = re.match(r"\d+", text)
        assert first is not None
        return Token("num", first.group(), first.group(), start, start + first.end(), _float(first.group()))
    return Token("num", text, text, start, end, value)


def _value(group: str, text: str) -> float | None:
    if group == "number":
        return _float(text)
    if group == "vulgar":
        return _FRACTIONS[text]
    if group == "comma":
        return _float(text.replace(",", "."))
    if group == "grouped":
        parts = re.split(r"[, ']", text.split(".")[0])
        if len(parts) > 2 and len(parts[0]) == 3 and "000" not in parts:
            return None
        return _float(re.sub(r"[, ']", "", text))
    if group == "fraction":
        above, below = (float(part) for part in text.split("/"))
        return above / below if 0 < above < below <= 16 else None
    factor, _, exponent = text.rpartition("10")
    lead = re.match(r"[\d.]+", factor)
    digits = re.sub(r"[^\d+-]", "", exponent.translate(_SUPER)) or "1"
    try:
        return _float((lead.group() if lead else "1") + "e" + str(int(digits)))
    except ValueError:
        return None


def _float(text: str) -> float:
    """Finite, also for absurd digits: 1e999 is taken as the largest number rather than as infinity."""
    return min(float(text), 1.7e308)


def _time(match: re.Match[str], start: int, end: int) -> Token:
    text = match.group()
    digits = [int(part) for part in re.findall(r"\d+", text)]
    half = (match["half1"] or match["half2"] or "").lower().replace(".", "")
    hour = digits[0] + (digits[1] / 60 if len(digits) > 1 else 0.0)
    if half and digits[0] <= 12:
        hour = hour % 12 + (12 if half == "pm" else 0)
    if digits[0] > 24 or (len(digits) > 1 and digits[1] > 59):
        return Token("skip", text, text.lower(), start, end)
    return Token("clock", text, text.lower(), start, end, hour)


def _word(match: re.Match[str], start: int, end: int) -> Token:
    text = match.group()
    low = text.lower()
    head, dash, _ = low.partition("-")
    if dash and (head in NUMBER_WORDS or head in SCALES or head in ("half", "quarter")):
        text, low, end = text[: len(head)], head, start + len(head)
    return Token("word", text, low, start, end)
