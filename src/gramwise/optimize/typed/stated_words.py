"""Number words of English in a text: "twenty-five", "two hundred and fifty", "half a dozen", "one and a half", "no"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_UNITS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen"""
_ONES = {word: float(n) for n, word in enumerate(_UNITS.split())}
_TENS = dict(
    zip(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"],
        range(20, 100, 10),
        strict=True,
    )
)
_SCALES = {"hundred": 1e2, "dozen": 12.0, "thousand": 1e3, "million": 1e6, "billion": 1e9}
_PARTS = {"half": 0.5, "halves": 0.5, "quarter": 0.25, "quarters": 0.25, "third": 1 / 3, "thirds": 1 / 3}
_PARTS |= {"fifth": 0.2, "fifths": 0.2, "tenth": 0.1, "tenths": 0.1}
_ALONE = {
    "twice": 2.0,
    "double": 2.0,
    "doubles": 2.0,
    "triple": 3.0,
    "couple": 2.0,
    "pair": 2.0,
    "both": 2.0,
    "once": 1.0,
}
_WEAK = {"a": 1.0, "an": 1.0, "single": 1.0, "each": 1.0, "every": 1.0, "per": 1.0}
_WEAK |= {"hourly": 1.0, "daily": 1.0, "hour": 1.0, "day": 1.0, "minute": 1.0, "second": 1.0, "week": 1.0}
_WEAK |= dict.fromkeys(("no", "none", "nothing", "nil", "free", "without", "never", "empty", "not"), 0.0)
_WEAK |= {"full": 1.0, "all": 1.0, "midnight": 0.0, "noon": 12.0, "midday": 12.0}
_SPANS = {
    "hourly": "h",
    "hour": "h",
    "daily": "d",
    "day": "d",
    "minute": "min",
    "second": "s",
    "week": "week",
}
_SPOKEN = {**_ONES, **{k: float(v) for k, v in _TENS.items()}}
_WORD = re.compile(r"[A-Za-z]+")
_JOIN = re.compile(r"[\s-]{1,3}(?:and\s{1,3})?(?:an?\s{1,3})?(?:of\s{1,3}an?\s{1,3})?$")


@dataclass(frozen=True, slots=True)
class WordNumber:
    """Characters and what they may mean; weak ones are small words that often mean no number at all."""

    start: int
    end: int
    values: tuple[float, ...]
    weak: bool = False
    unit: str = ""


def word_numbers(text: str) -> Iterator[WordNumber]:
    """Every number written in letters."""
    words = [(m.group().lower(), m.start(), m.end()) for m in _WORD.finditer(text)]
    at = 0
    while at < len(words):
        word, start, end = words[at]
        if word in _SPOKEN or word in _PARTS or word in _SCALES:
            run = _run(text, words, at)
            last = words[run - 1][2]
            yield WordNumber(start, last, tuple(sorted(_spoken([w for w, _, _ in words[at:run]]))))
            at = run
            continue
        if word in _ALONE:
            yield WordNumber(start, end, (_ALONE[word],))
        elif word in _WEAK:
            values = (_WEAK[word], 24.0) if word == "midnight" else (_WEAK[word],)
            yield WordNumber(start, end, values, weak=True, unit=_SPANS.get(word, ""))
        at += 1


def _run(text: str, words: list[tuple[str, int, int]], at: int) -> int:
    """Where the words that belong to one number end; ten at most."""
    run = at + 1
    while run < min(len(words), at + 10):
        step = 1
        if words[run][0] in ("and", "a", "an", "of"):
            while (
                run + step < len(words) and step < 3 and words[run + step - 1][0] in ("and", "a", "an", "of")
            ):
                step += 1
        word, begin, _ = words[run + step - 1]
        known = word in _SPOKEN or word in _PARTS or word in _SCALES
        if not known or not _JOIN.match(text[words[run - 1][2] : begin]):
            break
        run += step
    return run


def _spoken(words: list[str]) -> set[float]:
    """What a run of words may mean: as one number, and each plain word for itself."""
    total, part, parts = 0.0, 0.0, 0.0
    seen = added = False
    for word in words:
        if word == "and":
            added = True
        elif word in _SPOKEN:
            part, seen = part + _SPOKEN[word], True
        elif word in _SCALES:
            scale = _SCALES[word]
            part = (part or parts or 1.0) * scale
            parts = 0.0
            if scale >= 1000:
                total, part = total + part, 0.0
            seen = True
        elif word in _PARTS:
            # "three quarters" multiplies, "one and a half" adds.
            if seen and added:
                parts += _PARTS[word]
            elif seen:
                part *= _PARTS[word]
            else:
                parts = _PARTS[word]
    single = {_SPOKEN[w] for w in words if w in _SPOKEN} if len(words) > 1 else set()
    return {total + part + parts} | single
