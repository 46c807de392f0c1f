"""Numbers joined with their units, units spread over lists and ranges, and the noun that a bare number counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from gramwise.optimize.words.statement import Relation

from .numbers import Number, low, numbers
from .tokens import SCALES, Token
from .unitwords import COUNTED, UnitRead, singular, unit_at
from .vocabulary import words

_STOP = words("quantities.stop")
_LINKS = words("quantities.links")
_INDEXED = words("quantities.indexed")
_FILLERS = words("quantities.fillers")


@dataclass(slots=True)
class Quantity:
    """A number with its unit while it is being read; becomes a `Figure`.

    ``first`` and ``last`` are tokens. ``per`` is the noun behind "per". ``listed`` numbers the enumeration that it
    belongs to (-1 for none); ``range`` is "low" or "high" in "10 to 20".
    """

    value: float
    unit: str
    first: int
    last: int
    start: int
    end: int
    clock: bool = False
    per: str = ""
    noun: str = ""
    listed: int = -1
    range: str = ""
    tolerance: bool = False
    mass: bool = False
    relation: Relation = "is"
    each: bool = False
    negated: bool = False
    clause: int = 0
    subjects: list[str] = field(default_factory=list)

    @property
    def bare(self) -> bool:
        """A number without unit, noun or clock: its unit may stand further on."""
        return not self.unit and not self.noun and not self.clock and not self.per


def quantities(tokens: list[Token]) -> list[Quantity]:
    """Every quantity of the tokens, in order."""
    found: list[Quantity] = []
    behind = -1
    for number in numbers(tokens):
        if number.first <= behind:
            continue
        quantity = _made(tokens, number)
        if quantity is None:
            continue
        behind = quantity.last
        found.append(quantity)
    found = _articles(tokens, found)
    _enumerate(tokens, found)
    _nouns(tokens, found)
    return found


def _made(tokens: list[Token], number: Number) -> Quantity | None:
    start, last = tokens[number.first].start, number.last
    value, unit, per, mass, noun = number.value, "", "", False, ""
    clock = number.clock
    if clock:
        unit = "h"
    else:
        read = unit_at(tokens, last + 1)
        if read is not None and _plausible(tokens, number, read):
            value, unit, last, per, mass = value * read.scale, read.unit, read.stop - 1, read.per, read.mass
            noun = read.noun
            if (
                low(tokens, last + 1) == "and"
                and low(tokens, last + 2) == "a"
                and low(tokens, last + 3) == "half"
            ):
                value, last = value + 0.5 * read.scale, last + 3
        money = {"€": "EUR", "$": "USD", "£": "?GBP", "eur": "EUR", "usd": "USD"}.get(
            low(tokens, number.first - 1)
        )
        if money and not unit.startswith(("EUR", "USD")):
            unit = money + (unit.removeprefix("1") if unit.startswith("1/") else "")
            start = tokens[number.first - 1].start
        if (
            not unit
            and low(tokens, number.first - 1) in ("hour", "hours")
            and value == int(value)
            and not number.word
        ):
            unit, clock = "h", True
        elif (
            not unit and low(tokens, number.first - 1) in _INDEXED and value == int(value) and not number.word
        ):
            noun = singular(low(tokens, number.first - 1))
    if not -1e300 < value < 1e300:
        return None
    return Quantity(
        value, unit, number.first, last, start, tokens[last].end, clock=clock, per=per, mass=mass, noun=noun
    )


def _plausible(tokens: list[Token], number: Number, read: UnitRead) -> bool:
    """Not "5 m" of "5 million" nor "1 in 5"; "2 a day" is a rate, "2 s" may be the plural of nothing else."""
    return not (read.unit.startswith("1/") and low(tokens, number.last + 1) in ("the", "to"))


def _articles(tokens: list[Token], found: list[Quantity]) -> list[Quantity]:
    """ "takes an hour", "within a minute", "lasts a day": one of it; "emits a kilogram of CO2"."""
    taken = {at for q in found for at in range(q.first, q.last + 1)}
    verbs = frozenset(
        [
            "takes",
            "take",
            "for",
            "within",
            "lasts",
            "last",
            "needs",
            "need",
            "under",
            "about",
            "than",
            "only",
            "is",
            "in",
            "emits",
            "emit",
            "of",
            "uses",
            "use",
            "costs",
            "cost",
        ]
    )
    extra = []
    for at, token in enumerate(tokens):
        if token.low not in ("a", "an") or at in taken or at + 1 in taken or low(tokens, at - 1) not in verbs:
            continue
        if low(tokens, at - 1) in ("in", "for", "of") and at - 2 in taken:
            continue  # "400 kWh in a year"
        read = unit_at(tokens, at + 1)
        if read is None or read.unit.startswith(("?", "1/")) or read.unit in ("percent", "EUR", "USD"):
            continue
        if tokens[at + 1].low == "second" or (len(tokens[at + 1].text) < 3 and "/" not in read.unit):
            continue
        if read.unit.split("/")[0] in COUNTED.values():
            continue
        follows = low(tokens, read.stop)
        if (
            read.unit in ("day", "week", "month", "year", "h", "min")
            and follows.isalpha()
            and follows not in _STOP
        ):
            continue  # "a day trip", "an hour glass"
        last = read.stop - 1
        value = read.scale
        if follows == "and" and low(tokens, read.stop + 1) == "a" and low(tokens, read.stop + 2) == "half":
            value, last = value * 1.5, read.stop + 2
        extra.append(
            Quantity(value, read.unit, at, last, token.start, tokens[last].end, per=read.per, mass=read.mass)
        )
    return sorted([*found, *extra], key=lambda q: q.first) if extra else found


def _enumerate(tokens: list[Token], found: list[Quantity]) -> None:
    """Ranges and lists: the unit of one member holds for its bare neighbours."""
    listed = 0
    for left, right in pairwise(found):
        between = [t.low for t in tokens[left.last + 1 : right.first]]
        if _range(tokens, left, right, between):
            left.range, right.range = "low", "high"
            _share(left, right)
        elif between in (["±"], ["+", "/", "-"], ["+", "-"], ["+/-"]):
            right.tolerance = True
            _share(left, right)
        elif _link(tokens, left, right, between):
            if left.unit and right.unit and left.unit != right.unit:
                continue
            if left.clock != right.clock and (left.unit or right.unit):
                continue
            if left.listed < 0:
                listed += 1
                left.listed = listed
            right.listed = left.listed
    _spread(tokens, found)


def _link(tokens: list[Token], left: Quantity, right: Quantity, between: list[str]) -> bool:
    """Whether two numbers are listed side by side."""
    if not between:
        digits = tokens[left.last].kind == tokens[right.first].kind == "num"
        return digits and left.bare and not right.per
    if (
        len(between) <= 3
        and between[0] in _LINKS
        and all(word in _LINKS | {"at", "last", "finally"} for word in between)
    ):
        return True
    told = between[0] in ("in", "at", "for") and between[-1] == "," and len(between) <= 5
    return told and bool({"first", "1st"} & set(between)) and not right.unit


def _range(tokens: list[Token], left: Quantity, right: Quantity, between: list[str]) -> bool:
    if left.unit and right.unit and left.unit != right.unit and not (left.clock or right.clock):
        return False
    if left.value > right.value and not left.clock and not (right.clock and not left.unit):
        return False
    start = low(tokens, left.first - 1)
    if between in (["to"], ["until"], ["till"], ["up", "to"], ["through"]):
        if right.clock and not left.unit:
            left.unit, left.clock = "h", True
        return True
    if between in (["-"], ["-", "-"], ["."]):
        return between != ["."] and (not (left.noun or right.noun) or low_index(left.noun))
    if start == "between" and between == ["and"]:
        if right.clock and not left.unit:
            if right.value >= 12 > left.value and low(tokens, right.first - 1) == "and":
                left.value += 12 if left.value + 12 < right.value else 0
            left.unit, left.clock = "h", True
        return True
    return False


def _share(left: Quantity, right: Quantity) -> None:
    right.noun = right.noun or (left.noun if low_index(left.noun) else "")
    if right.unit and not left.unit:
        left.unit, left.mass, left.per, left.clock = right.unit, right.mass, right.per, right.clock
    elif left.unit and not right.unit:
        right.unit, right.mass, right.per, right.clock = left.unit, left.mass, left.per, left.clock


def low_index(noun: str) -> bool:
    """Whether a noun numbers steps of time ("slots 1 to 4")."""
    return noun in _INDEXED


def _spread(tokens: list[Token], found: list[Quantity]) -> None:
    """ "120, 300 and 450 g/kWh": backwards first, then forwards ("300 g/kWh, 280, 120")."""
    lists: dict[int, list[Quantity]] = {}
    for quantity in found:
        if quantity.listed >= 0:
            lists.setdefault(quantity.listed, []).append(quantity)
    for members in lists.values():
        if len({q.unit for q in members if q.unit}) > 1:
            _separate(members)
            continue
        for left, right in reversed(list(pairwise(members))):
            if not left.unit and right.unit and not _counts(tokens, left):
                _copy(right, left)
        for left, right in pairwise(members):
            if left.unit and not right.unit and not _counts(tokens, right):
                _copy(left, right)
        _separate(members)
    for left, right in pairwise(found):
        if left.range == "low":
            _share(left, right)


def _copy(source: Quantity, target: Quantity) -> None:
    target.unit, target.per, target.mass, target.clock = source.unit, source.per, source.mass, source.clock


def _separate(members: list[Quantity]) -> None:
    """A list whose members ended up in several units is several lists."""
    if len({q.unit for q in members}) > 1:
        for quantity in members:
            quantity.listed = -1


def _counts(tokens: list[Token], quantity: Quantity) -> bool:
    """Whether a word that could be counted follows: "6 jobs, 2 s" shares nothing."""
    follows = low(tokens, quantity.last + 1)
    return follows.isalpha() and follows not in _STOP and follows not in _LINKS


def _nouns(tokens: list[Token], found: list[Quantity]) -> None:
    heads = {q.first for q in found}
    for quantity in found:
        if quantity.unit == "" and not quantity.clock and not quantity.noun:
            quantity.noun = noun_after(tokens, quantity.last + 1, heads)
        elif quantity.per and not quantity.noun:
            quantity.noun = quantity.per
            quantity.each = True


def noun_after(tokens: list[Token], at: int, heads: set[int]) -> str:
    """The head of what is counted: of "6 small camera jobs arrive" it is ``job``; empty where nothing is."""
    if low(tokens, at) in ("x", "×", "*") or (
        low(tokens, at) in ("of",) and low(tokens, at + 1) in ("the", "our", "its")
    ):
        return ""
    words: list[str] = []
    while at < len(tokens) and len(words) < 5 and at not in heads:
        token = tokens[at]
        if token.low == "runs" and words and singular(words[-1]) == words[-1]:
            return "run"
        if (
            token.kind != "word"
            or (token.low in _STOP and token.low not in ("other", "more"))
            or token.low in SCALES
        ):
            break
        words.append(token.low)
        if token.low != singular(token.low) and not token.low.endswith("'s"):
            after = low(tokens, at + 1)
            if not (after.isalpha() and after != singular(after) and after not in _STOP) or after.endswith(
                "s"
            ):
                break
        at += 1
    if not words or (words[0] in _FILLERS and len(words) == 1):
        return ""
    plural = [word for word in words if singular(word) != word]
    if plural:
        return singular(plural[0])
    return words[-1] if len(words) == 1 else words[0] if words[0] in COUNTED else words[-1]
