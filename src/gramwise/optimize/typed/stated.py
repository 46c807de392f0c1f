"""Numbers that a text states, with their characters: what a source such as ``text:120-127`` can vouch for.

This reader serves the check and not the understanding, so it is generous: a number that can be read in two ways
(``2,500``) holds both. Digits, exponents, clock times, number words, fractions and dozens are read, and the unit behind
a number in symbols or words ("grams per kilowatt-hour"), inherited along an enumeration. What it cannot read it leaves
open, and `vouches` then compares the plain number.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Literal, TypeAlias

from .stated_units import read_units
from .stated_words import word_numbers
from .units import BASES, NONE, Dimension, Unit, alike, parse_unit

Verdict = Literal["holds", "factor", "unit", "no"]
Mentions: TypeAlias = Sequence[tuple[Unit, bool]]

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
_LIST = re.compile(r"\s*(?:,|;|/|-|to|and|or|vs\.?|versus|then|,\s*(?:and|then))\s*$")
_HALVES = {"½": 0.5, "¼": 0.25, "¾": 0.75, "⅓": 1 / 3, "⅔": 2 / 3}
_LETTERS = re.compile(r"(?<![A-Za-zµ])[A-Za-zµ%][A-Za-z0-9µ]{0,24}")
_PROSE = """second seconds minute minutes hour hours day days week weeks month months year years min a b d g h k m s t B
C E F G J K M N P T W bit bits step steps kilo kilos ton tons an"""
"""Words that name a unit in one place and something else in another: they excuse a number and never accuse it."""
_HALF = re.compile(r" ?([½¼¾⅓⅔])")
_FILLER = re.compile(r"(?: of)?(?: an?| the)?(?= )")
_KG, _CYCLE, _GRAMS = BASES.index("kg"), BASES.index("cycle"), BASES.index("gCO2e")
_SECOND = parse_unit("s")
_NEAR = 40
_FACTORS = (8.0, 24.0, 60.0, 100.0, 3600.0, 86400.0)


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
    found = [
        *_digits(plain),
        *(
            Stated(w.start, w.end, w.values, (parse_unit(w.unit),) if w.unit else (), word=True, weak=w.weak)
            for w in word_numbers(plain)
        ),
    ]
    found.sort(key=lambda s: (s.start, s.end))
    return tuple(_durations(plain, _with_units(plain, found)))


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


def vouches(number: Stated, value: float, unit: Unit, around: Mentions = ()) -> Verdict:
    """Whether a stated number is ``value`` in ``unit``.

    Args:
        number: of a text.
        value, unit: what is claimed.
        around: units that the text names elsewhere, for numbers that stand without one.

    Returns:
        ``holds``; ``factor`` where a well-known conversion factor lies between them and the stated unit was not
        understood; ``unit`` where it was understood and the numbers do not agree in it; ``no``.
    """
    readings = (*number.units, *number.prior) or (None,)
    verdicts = {
        _compare(n, read, value, unit, number, around if read is readings[0] else None)
        for n in _readings(number, unit)
        for read in readings
    }
    order: tuple[Verdict, ...] = ("holds", "factor", "unit", "no")
    return next(v for v in order if v in verdicts)


def clean_factor(ratio: float) -> float | None:
    """The conversion factor that a ratio is, or None: powers of 1000 and 1024, or those times 8, 24, 60, 3600 ..."""
    if not 0 < ratio < math.inf:
        return None
    ratio = max(ratio, 1 / ratio)
    if not math.isfinite(ratio):
        return None
    for base in (1.0, *_FACTORS):
        for step in (1000.0, 1024.0):
            power = math.log(ratio / base) / math.log(step)
            if (
                0 <= round(power) <= 9
                and (base, round(power)) != (1.0, 0)
                and _close(ratio, base * step ** round(power))
            ):
                return base * step ** round(power)
    return None


def _readings(number: Stated, unit: Unit) -> Sequence[float]:
    if number.clock and alike(unit.dims, NONE):
        # A place in a list of hours counts from 1, and an interval may end before the hour that is said.
        return [v + step for v in number.values for step in (-1.0, 0.0, 1.0)]
    return number.values


def _compare(
    n: float, read: Unit | None, value: float, unit: Unit, number: Stated, around: Mentions | None
) -> Verdict:
    base = unit.to_base(value)
    if read is None or (alike(read.dims, NONE) and read.factor == 1.0 and not read.log):
        elsewhere = _elsewhere(n, base, unit, around or ())
        if elsewhere is not None:
            return elsewhere
        if _close(n, value):
            return "holds"
        ratios = [value / n, base / n] if n and not unit.log else []
        return "factor" if any(clean_factor(abs(r)) for r in ratios) else "no"
    if read.log or unit.log:
        return "holds" if read.log == unit.log and _close(_level(n, read), _level(value, unit)) else "unit"
    dims, factor = _as_declared(read, unit.dims)
    if alike(dims, unit.dims):
        return "holds" if _close(n * factor, base) else "unit"
    if alike(unit.dims, NONE):
        return "holds" if _close(n, value) else "unit"
    if around is not None and _part_of(dims, unit.dims):
        if _with_its_rest(n * factor, base, unit, around):
            return "holds"
        elsewhere = _elsewhere(n, base, unit, around)
        if elsewhere is not None:
            return elsewhere
        if _close(n * factor, base) or _close(n, value):
            return "holds"
        return "factor" if n and clean_factor(abs(base / (n * factor))) else "unit"
    return "unit"


def _elsewhere(n: float, base: float, unit: Unit, around: Mentions) -> Verdict | None:
    """What the units that the text names elsewhere say of a number without one; None where they are of other kinds."""
    if unit.log or alike(unit.dims, NONE):
        return None
    same = [(_as_declared(u, unit.dims), sure) for u, sure in around]
    factors = [(factor, sure) for (dims, factor), sure in same if alike(dims, unit.dims)]
    if any(_close(n * factor, base) for factor, _ in factors):
        return "holds"
    return "unit" if any(sure for _, sure in factors) else None


def _with_its_rest(amount: float, base: float, unit: Unit, around: Mentions) -> bool:
    """ "0.06 kg CO2 per kWh here, 310 grams there": the second is per kilowatt-hour too, though in another prefix."""
    tops = {u.symbol: _as_declared(u, unit.dims)[1] for u, _ in around}
    for other, _ in around:
        above, stroke, _ = other.symbol.partition("/")
        dims, factor = _as_declared(other, unit.dims)
        if (
            stroke
            and above in tops
            and alike(dims, unit.dims)
            and _close(amount * factor / tops[above], base)
        ):
            return True
    return False


def _as_declared(read: Unit, wanted: Dimension) -> tuple[Dimension, float]:
    """A stated unit as the problem means it: grams of a grid are CO2e, a processor's hertz are cycles a second."""
    dims, factor = list(read.dims), read.factor
    if wanted[_GRAMS] and not dims[_GRAMS] and dims[_KG]:
        factor *= 1000.0 ** dims[_KG]
        dims[_GRAMS], dims[_KG] = dims[_KG], 0
    if wanted[_CYCLE] and not dims[_CYCLE] and dims[BASES.index("s")] == -wanted[_CYCLE]:
        dims[_CYCLE] = wanted[_CYCLE]
    return tuple(dims), factor


def _part_of(dims: Dimension, wanted: Dimension) -> bool:
    """Whether only the first part of a unit was read: J of J/bit, grams of grams per kilowatt-hour."""
    return all(d == 0 or d == w for d, w in zip(dims[:-1], wanted[:-1], strict=True))


def _level(value: float, unit: Unit) -> float:
    return value + 10.0 * math.log10(unit.factor)


def _close(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=2e-4, abs_tol=1e-300)


def _digits(text: str) -> Iterator[Stated]:
    for found in _NUMBER.finditer(text):
        if found["clock"]:
            hours, minutes = found["clock"].split(":")
            yield Stated(found.start("clock"), found.end(), (int(hours) + int(minutes) / 60,), clock=True)
            continue
        yield from _one(text, found)
    for at, mark in enumerate(text):
        if mark in _HALVES:
            yield Stated(at, at + 1, (_HALVES[mark],))


def _one(text: str, found: re.Match[str]) -> Iterator[Stated]:
    start, end = found.span()
    values = set(_values(found))
    if found["group"]:
        # "300,280,120" may be one number or three.
        yield from (
            Stated(
                piece.start() + found.start("group"),
                piece.end() + found.start("group"),
                (float(piece.group()),),
            )
            for piece in re.finditer(r"[0-9]+", found["group"])
        )
    if found["sign"]:
        values |= {-v for v in values}
    half = _HALF.match(text, end)
    if half:
        values, end = {v + _HALVES[half[1]] for v in values}, half.end()
    scale = _SCALE.match(text, end)
    noon = _NOON.match(text, end)
    if scale:
        scaled = {v * _SCALES[scale[1]] for v in values}
        yield Stated(start, scale.end(), tuple(sorted(scaled)))
    fraction = re.compile(r" ?/ ?([0-9]{1,4})(?![0-9.])").match(text, end)
    if fraction and int(fraction[1]):
        yield Stated(start, fraction.end(), tuple(v / int(fraction[1]) for v in sorted(values)))
    if noon and all(v <= 12 for v in values):
        hours = tuple(v % 12 + (12 if noon[1] == "p" else 0) for v in sorted(values))
        yield Stated(start, end, hours, clock=True)
    yield Stated(start + len(found["sign"]), end, tuple(sorted(values)))


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


def _durations(text: str, found: list[Stated]) -> Iterator[Stated]:
    """The numbers, and "2 h 30 min" as one in seconds."""
    before: Stated | None = None
    for number in found:
        yield number
        if before is not None and _time(before) and _time(number) and 0 < number.start - before.end <= 16:
            large, small = before.units[-1], number.units[-1]
            if large.factor > small.factor:
                total = before.values[0] * large.factor + number.values[0] * small.factor
                yield Stated(before.start, number.end, (total,), (_SECOND,))
        before = number


def _time(number: Stated) -> bool:
    return bool(number.units) and number.units[-1].dims == _SECOND.dims and not number.clock
