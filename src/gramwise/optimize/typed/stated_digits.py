"""Numbers in digits: separators of thousands, decimal commas, exponents, fractions, scale words, clock times."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

_NUMBER = re.compile(
    r"(?<![A-Za-z_0-9.])(?P<sign>-?)"
    r"(?:(?P<clock>[0-2]?[0-9]:[0-5][0-9])(?![0-9:])"
    r"|(?P<group>[0-9]{1,3}(?:[ ,.'][0-9]{3}){1,6})(?![0-9])(?P<tail>[.,][0-9]{1,12})?"
    r"|(?P<digits>[0-9]{1,30}(?:[.,][0-9]{1,30})?|\.[0-9]{1,30}))"
    r"(?P<power>[eE][+-]?[0-9]{1,3}(?![0-9])| ?[x*] ?10 ?\^ ?[+-]?[0-9]{1,3}|\^[+-]?[0-9]{1,3})?"
)
_SCALE = re.compile(r" ?(?:(k|M|bn|million|thousand|billion|hundred|dozen)\b)")
_SCALES = {
    "k": 1e3,
    "M": 1e6,
    "bn": 1e9,
    "million": 1e6,
    "thousand": 1e3,
    "billion": 1e9,
    "hundred": 100.0,
    "dozen": 12.0,
}
_NOON = re.compile(r" ?([ap])\.?m\b")
_FRACTION = re.compile(r" ?/ ?([0-9]{1,4})(?![0-9.])")
_HALVES = {"½": 0.5, "¼": 0.25, "¾": 0.75, "⅓": 1 / 3, "⅔": 2 / 3}
_HALF = re.compile(r" ?([½¼¾⅓⅔])")


@dataclass(frozen=True, slots=True)
class DigitNumber:
    """Characters and what they may mean; a ``clock`` is a time of day in hours."""

    start: int
    end: int
    values: tuple[float, ...]
    clock: bool = False


def digit_numbers(text: str) -> Iterator[DigitNumber]:
    """Every number written in digits, in each way that it can be read."""
    for found in _NUMBER.finditer(text):
        if found["clock"]:
            hours, minutes = found["clock"].split(":")
            yield DigitNumber(
                found.start("clock"), found.end(), (int(hours) + int(minutes) / 60,), clock=True
            )
            continue
        yield from _one(text, found)
    for at, mark in enumerate(text):
        if mark in _HALVES:
            yield DigitNumber(at, at + 1, (_HALVES[mark],))


def noon(hours: tuple[float, ...], after: bool) -> tuple[float, ...]:
    """Hours of the day from hours of a clock face, before noon or after."""
    return tuple(h % 12 + (12 if after else 0) for h in hours)


def _one(text: str, found: re.Match[str]) -> Iterator[DigitNumber]:
    start, end = found.span()
    values = set(_values(found))
    if found["group"]:
        # "300,280,120" may be one number or three.
        at = found.start("group")
        for piece in re.finditer(r"[0-9]+", found["group"]):
            yield DigitNumber(at + piece.start(), at + piece.end(), (float(piece.group()),))
    if found["sign"]:
        values |= {-v for v in values}
    half = _HALF.match(text, end)
    if half:
        values, end = {v + _HALVES[half[1]] for v in values}, half.end()
    each = tuple(sorted(values))
    if scale := _SCALE.match(text, end):
        yield DigitNumber(start, scale.end(), tuple(v * _SCALES[scale[1]] for v in each))
    fraction = _FRACTION.match(text, end)
    if fraction and int(fraction[1]):
        yield DigitNumber(start, fraction.end(), tuple(v / int(fraction[1]) for v in each))
    day = _NOON.match(text, end)
    if day and all(v <= 12 for v in each):
        yield DigitNumber(start, end, noon(each, day[1] == "p"), clock=True)
    yield DigitNumber(start + len(found["sign"]), end, each)


def _values(found: re.Match[str]) -> Iterator[float]:
    power = _power(found["power"] or "")
    if found["group"]:
        tail = (found["tail"] or "").replace(",", ".")
        yield float(re.sub(r"[ ,.']", "", found["group"]) + tail) * power
        if len(re.findall(r"[,.]", found["group"])) == 1 and not tail:
            yield float(found["group"].replace(",", ".").replace(" ", "").replace("'", "")) * power
        return
    number = float(found["digits"].replace(",", "."))
    if (found["power"] or "").startswith("^"):
        yield _raised(number, int(found["power"][1:]))
    else:
        yield number * power


def _power(text: str) -> float:
    if not text or text[0] == "^":
        return 1.0
    digits = text[1:] if text[0] in "eE" else text.split("^")[1]
    return _raised(10.0, int(digits))


def _raised(base: float, exponent: int) -> float:
    try:
        return base**exponent
    except (OverflowError, ZeroDivisionError):
        return math.nan
