"""Numbers that a text states, with their characters: what a source such as ``text:120-127`` can vouch for.

This reader serves the check and not the understanding, so it is generous: a number that can be read in two ways
(``2,500``) holds both. Digits, exponents, clock times, number words, fractions and dozens are read, and the unit behind
a number in symbols or words ("grams per kilowatt-hour"), inherited along an enumeration or from the headings of a
table. What it cannot read it leaves open, and `vouch.vouches` then compares the plain number.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

from .stated_digits import digit_numbers, noon
from .stated_tables import cells
from .stated_units import joined, read_units
from .stated_words import word_numbers
from .units import Dimension, Unit, parse_unit

MOST_TEXT = 200_000
_PLAIN = str.maketrans(
    {
        "−": "-",
        "–": "-",
        "\u00a0": " ",
        "\u202f": " ",
        "\u2009": " ",
        "×": "x",
        "\n": " ",
        "\t": " ",
        "μ": "µ",
    }
)
_LIST = re.compile(r"\s*(?:,|;|/|-|to|and|or|vs\.?|versus|then|,\s*(?:and|then))\s*$")
_LETTERS = re.compile(r"(?<![A-Za-zµ])[A-Za-zµ%][A-Za-z0-9µ]{0,24}")
_PROSE = """second seconds minute minutes hour hours day days week weeks month months year years min a b d g h k m s t B
C E F G J K M N P T W bit bits step steps kilo kilos ton tons an"""
"""Words that name a unit in one place and something else in another: they excuse a number and never accuse it."""
_FILLER = re.compile(r"(?: of)?(?: an?| the)?(?= )")
_AND_PART = re.compile(r"(?<= )[A-Za-z]{1,24}(?:[ -]hours?)? and (?:an? |one )?(half|quarter|third)\b")
_PARTS = {"half": 0.5, "quarter": 0.25, "third": 1 / 3}
_EACH = re.compile(r" ?[^\s,;.]{1,16}(?:[ -]hours?)? (?:per|for|for every|for each|every|each) $")
_DAYTIME = re.compile(r"(?: o'clock)?(?: in the (morning|afternoon|evening)| at (night))\b")
_SECOND = parse_unit("s")
_NEAR = 40


@dataclass(frozen=True, slots=True)
class Stated:
    """A number in a text.

    Attributes:
        start, end: its characters, without the unit.
        values: what it may be; more than one where its writing is ambiguous.
        units: readings of the unit behind it, the longest first; empty where none was understood.
        clock: a time of day, in hours.
        word: written in letters; ``weak`` ones ("an", "no") count only inside a source.
        weak: see above.
        prior: where the unit stands with a later number, that of the number before: "0.9 J, the van 3.1, and 40 kB".
    """

    start: int
    end: int
    values: tuple[float, ...]
    units: tuple[Unit, ...] = ()
    clock: bool = False
    word: bool = False
    weak: bool = False
    prior: tuple[Unit, ...] = ()


@lru_cache(maxsize=16)
def stated(text: str) -> tuple[Stated, ...]:
    """Every number of a text (of its first 200 000 characters), by its place."""
    plain = text[:MOST_TEXT].translate(_PLAIN)
    found = [Stated(d.start, d.end, d.values, clock=d.clock) for d in digit_numbers(plain)]
    found += [
        Stated(w.start, w.end, w.values, (parse_unit(w.unit),) if w.unit else (), word=True, weak=w.weak)
        for w in word_numbers(plain)
    ]
    found = _in_order([*found, *_daytimes(plain, found), *_and_a_part(plain, found)])
    found = _with_units(plain, found)
    made = [*found, *_durations(found), *_rates(plain, found)]
    return tuple(_in_order(_with_headings(text[:MOST_TEXT], plain, made)))


def _in_order(found: Iterable[Stated]) -> list[Stated]:
    return sorted(found, key=lambda s: (s.start, s.end))


def within(text: str, start: int, end: int) -> list[Stated]:
    """The numbers that begin in ``text[start:end]`` and lie in it as a whole, or run on behind a blank or hyphen."""
    numbers = stated(text)
    first = bisect_left(numbers, start, key=lambda s: s.start)
    inside = []
    for number in numbers[first:]:
        if number.start >= end:
            break
        if number.end <= end or text[end : end + 1] in (" ", "-", "\n"):
            inside.append(number)
    return inside


@lru_cache(maxsize=16)
def mentioned(text: str) -> tuple[tuple[Unit, bool], ...]:
    """Units that a text names anywhere, as the heads of its tables do, and whether each is surely a unit."""
    plain = text[:MOST_TEXT].translate(_PLAIN)
    doubtful = set(_PROSE.split())
    found: dict[tuple[float, Dimension], tuple[Unit, bool]] = {}
    for word in _LETTERS.finditer(plain):
        for unit in read_units(plain, word.start()):
            key = unit.factor, unit.dims
            # "g CO2e per kWh" is a unit, though "g" alone may be a letter.
            sure = word.group() not in doubtful or "/" in unit.symbol or (key in found and found[key][1])
            found[key] = (unit, sure)
    return tuple(found.values())


def _with_units(text: str, found: list[Stated]) -> list[Stated]:
    """Each number with the unit behind it; in an enumeration, that of the number behind."""
    done: list[Stated] = []
    behind: Stated | None = None
    lent: set[int] = set()
    for number in reversed(found):
        units = number.units or read_units(text, _behind(text, number))
        if not units and behind is not None and _enumerated(text, number, behind):
            units = behind.units
            lent.add(number.start)
        made = replace(number, units=units)
        done.append(made)
        behind = made if not number.weak else behind
    done.reverse()
    for at, (before, number) in enumerate(pairwise(done), 1):
        if number.start in lent and before.start not in lent and number.start - before.end <= _NEAR:
            done[at] = replace(number, prior=before.units)
    return done


def _behind(text: str, number: Stated) -> int:
    """Where a unit may begin: "half an hour", "a quarter of a kilowatt-hour"."""
    filler = _FILLER.match(text, number.end) if number.word else None
    return filler.end() if filler else number.end


def _enumerated(text: str, number: Stated, behind: Stated) -> bool:
    between = text[number.end : behind.start]
    return bool(behind.units) and len(between) <= 12 and _LIST.match(between) is not None


def _durations(found: list[Stated]) -> Iterator[Stated]:
    """ "2 h 30 min" as one number in seconds."""
    for before, number in pairwise(found):
        if _time(before) and _time(number) and 0 < number.start - before.end <= 16:
            large, small = before.units[-1], number.units[-1]
            rest = number.values[0] * small.factor
            if rest < large.factor:
                yield Stated(before.start, number.end, (before.values[0] * large.factor + rest,), (_SECOND,))


def _time(number: Stated) -> bool:
    return bool(number.units) and number.units[-1].dims == _SECOND.dims and not number.clock


def _rates(text: str, found: list[Stated]) -> Iterator[Stated]:
    """ "20 Wh per 100 MB" as one number in Wh/MB."""
    for before, number in pairwise(n for n in found if not n.weak):
        between = text[before.end : number.start]
        if before.units and len(between) <= _NEAR and _EACH.match(between) and number.values[0]:
            values = tuple(v / number.values[0] for v in before.values)
            below = number.units[-1:]
            unit = joined(before.units[-1], below[0], -1) if below else before.units[-1]
            yield Stated(before.start, number.end, values, (unit,))


def _and_a_part(text: str, found: list[Stated]) -> Iterator[Stated]:
    """ "a minute and a half" as one and a half."""
    ending = {number.end: number for number in found}
    for more in _AND_PART.finditer(text):
        number = ending.get(more.start() - 1)
        units = read_units(text, more.start())
        if number is not None and units:
            values = tuple(v + _PARTS[more[1]] for v in number.values)
            yield Stated(number.start, more.end(), values, units, word=number.word)


def _daytimes(text: str, found: list[Stated]) -> Iterator[Stated]:
    """ "four in the afternoon" as 16 o'clock; at night may be before midnight or after."""
    for number in found:
        when = _DAYTIME.match(text, number.end)
        if when and not number.weak and all(0 <= v <= 12 for v in number.values):
            sides = (False, True) if when[2] else (when[1] != "morning",)
            hours = tuple(h for after in sides for h in noon(number.values, after))
            yield replace(number, end=when.end(), values=hours, clock=True)


def _with_headings(text: str, plain: str, found: list[Stated]) -> Iterator[Stated]:
    """The numbers, those in the cells of a table with the units of their headings in place of their neighbours'."""
    taken: set[int] = set()
    for cell in cells(text):
        inside = plain[cell.start : cell.end]
        for digits in digit_numbers(inside):
            start, own = cell.start + digits.start, read_units(inside, digits.end)
            if cell.units and not own:
                taken.add(start)
            yield Stated(start, cell.start + digits.end, digits.values, own or cell.units, clock=digits.clock)
    yield from (number for number in found if number.start not in taken)
