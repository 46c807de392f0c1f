"""Numbers joined with their units, units spread over lists and ranges, and the noun that a bare number counts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

from gramwise.optimize.typed.findings import Refused
from gramwise.optimize.typed.units import parse_unit
from gramwise.optimize.words.statement import Relation

from .hourspans import hour_spans
from .numbers import Number, low, numbers
from .tokens import SCALES, Token
from .unitwords import COUNTED, UnitRead, singular, unit_at
from .vocabulary import words

_STOP = words("quantities.stop")
_LINKS = words("quantities.links")
_INDEXED = words("quantities.indexed")
_FILLERS = words("quantities.fillers")
_ENERGIES = frozenset(("J", "kJ", "mJ", "uJ", "Wh", "mWh", "kWh"))
_SPENDS = frozenset(
    ["takes", "needs", "costs", "uses", "consumes", "requires", "burns", "draws", "eats", "adds"]
)
_HEDGES = frozenset(["about", "around", "only", "just", "roughly", "some", "nearly", "another"])
_PURE = frozenset(("pue", "accuracy", "factor", "efficiency", "f1", "precision", "recall"))
_TELLING = frozenset(
    [
        "=",
        "equals",
        "takes",
        "needs",
        "costs",
        "uses",
        "consumes",
        "requires",
        "serves",
        "handles",
        "draws",
        "manages",
        "answers",
        "processes",
        "burns",
        "is",
    ]
)
_OF_HOURS = frozenset(
    [
        "coming",
        "next",
        "one",
        "an",
        "per",
        "each",
        "every",
        "last",
        "following",
        "same",
        "busiest",
        "peak",
        "rush",
        "first",
        "whole",
    ]
)
"""Before "hour" they make it a span of time, so that a number behind it is none of an hour."""


_TOLD_AFTER = frozenset(
    [
        "fit",
        "fits",
        "apply",
        "exist",
        "remain",
        "suffice",
        "available",
        "allowed",
        "possible",
        "permitted",
        "free",
        "max",
        "maximum",
        "min",
        "minimum",
        "tops",
        "altogether",
        "overall",
        "respectively",
    ]
)
"""What is said of a number's things without naming them: "up to 4 fit", "5 available"."""
_NO_NOUNS = frozenset(("more", "less", "fewer", "needed", "required", "taken", "made", "wanted", "necessary"))


@dataclass(slots=True)
class Quantity:
    """A number with its unit while it is being read; becomes a `Figure`.

    ``first`` and ``last`` are tokens. ``per`` is the noun behind "per". ``listed`` numbers the enumeration that it
    belongs to (-1 for none); ``range`` is "low" or "high" in "10 to 20". ``pure`` numbers have no unit.
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
    pure: bool = False

    @property
    def bare(self) -> bool:
        """A number without unit, noun or clock: its unit may stand further on."""
        return not (self.unit or self.noun or self.clock or self.per or self.pure)


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
    found = _nothings(tokens, found)
    _shares(tokens, found)
    _numbered_hours(tokens, found)
    hour_spans(tokens, found)
    _enumerate(tokens, found)
    _nouns(tokens, found)
    _some_of(tokens, found)
    _each_one(tokens, found)
    return _apiece(tokens, found)


def _some_of(tokens: list[Token], found: list[Quantity]) -> None:
    """ "Three of five picture books": both count books."""
    for some, whole in pairwise(found):
        between = tuple(t.low for t in tokens[some.last + 1 : whole.first])
        if (
            some.bare
            and whole.noun
            and not whole.unit
            and between in (("of",), ("of", "the"), ("of", "our"), ("of", "these"))
        ):
            some.noun, some.listed = whole.noun, -1


def _each_one(tokens: list[Token], found: list[Quantity]) -> None:
    """ "An answer consumes 0.9 Wh in Toronto": told per answer, as if "per answer" stood behind it."""
    behind = 0
    for quantity in found:
        at, floor, behind = quantity.first - 1, behind, quantity.last + 1
        while at > floor and low(tokens, at) in _HEDGES:
            at -= 1
        verb = low(tokens, at)
        article = low(tokens, at - 2)
        if (
            quantity.unit in _ENERGIES
            and not quantity.noun
            and verb in _SPENDS
            and article in ("a", "an", "one")
        ):
            noun = low(tokens, at - 1)
            if at - 2 >= floor and noun.isalpha() and noun == singular(noun) and noun not in _STOP:
                quantity.noun, quantity.each = noun, True


def _nothings(tokens: list[Token], found: list[Quantity]) -> list[Quantity]:
    """ "0.8 kWh, 2 kWh, 0.3 kWh and nothing": in a list of measured figures "nothing" is one of them, zero."""
    last = {q.last: q for q in found if q.unit and not q.clock}
    first = {q.first: q for q in found if q.unit and not q.clock}
    extra: list[Quantity] = []
    for at, token in enumerate(tokens):
        if token.low not in ("nothing", "nil", "none", "zero") or any(q.first <= at <= q.last for q in found):
            continue
        back, on = at - 1, at + 1
        while back > 0 and low(tokens, back) in (",", "and", "then", "again"):
            back -= 1
        while low(tokens, on) in (",", "and", "then", "again"):
            on += 1
        beside = last.get(back) if back < at - 1 else None
        ahead = first.get(on) if on > at + 1 else None
        ends = low(tokens, at + 1) in ("", ".", ";", ")", "\n", "in", "for", "from", "after", "at")
        likeness = beside is not None and any(
            q.last == beside.first - 2 and q.unit == beside.unit for q in last.values()
        )
        if beside is not None and (ahead is not None or (ends and likeness)):
            zero = Quantity(
                0.0, beside.unit, at, at, token.start, token.end, per=beside.per, mass=beside.mass
            )
            extra.append(zero)
            last[at] = zero
    return sorted([*found, *extra], key=lambda q: q.first) if extra else found


def _shares(tokens: list[Token], found: list[Quantity]) -> None:
    """Marks numbers that stand without a unit for good: a PUE, an accuracy, "half of it"."""
    for quantity in found:
        ahead = {low(tokens, quantity.first - step) for step in (1, 2, 3)}
        spelt = all(t.kind == "word" for t in tokens[quantity.first : quantity.last + 1])
        part = 0 < quantity.value < 1 and spelt  # "half", "one tenth of what goes in"
        one = tokens[quantity.first].low == "one" and low(tokens, quantity.last + 1).isalpha()
        one = one and quantity.last == quantity.first and low(tokens, quantity.last + 1) not in _STOP
        quantity.pure = not quantity.unit and (part or one or bool(ahead & _PURE))


def _apiece(tokens: list[Token], found: list[Quantity]) -> list[Quantity]:
    """ "1 GPU-hour = 0.4 kWh", "one replica serves 40 a second": what follows is per thing; the one is no number."""
    kept = []
    for at, quantity in enumerate(found):
        after = found[at + 1] if at + 1 < len(found) else None
        if quantity.value != 1 or not (quantity.bare or quantity.noun) or quantity.unit or after is None:
            kept.append(quantity)
            continue
        words = [t.low for t in tokens[quantity.last + 1 : after.first]]
        verb = next((k for k, w in enumerate(words[:7]) if w in _TELLING), -1)
        where = next((k for k, w in enumerate(words[:verb]) if k and w in ("in", "at", "on")), verb)
        if verb < 1 or not all(w.isalpha() or "-" in w for w in words[:verb]) or _STOP & set(words[:where]):
            kept.append(quantity)
            continue
        if after.unit and not after.noun and not after.per and verb + 1 == len(words):
            after.noun, after.each = singular(words[where - 1]), True
    return kept


def _numbered_hours(tokens: list[Token], found: list[Quantity]) -> None:
    """ "CI by hour: 0: 300; 1: 120; 2: 150": whole numbers that go up by one, a colon behind each, number the hours
    where a noun of time stands in front.
    """
    chain: list[Quantity] = []
    for left, right in pairwise(found):
        between = {t.low for t in tokens[left.last + 1 : right.first]}
        if left.clock and right.bare and right.value == left.value + 1 and between <= {",", "and", "&", "or"}:
            right.unit, right.clock = "h", True  # "in hours 1, 2 and 3"
    for label, value in [*pairwise(found), (None, None)]:
        pair = (
            label is not None
            and value is not None
            and label.bare
            and label.value == int(label.value)
            and [t.low for t in tokens[label.last + 1 : value.first]] in ([":"], ["="])
        )
        if pair and label is not None and (not chain or label.value == chain[-1].value + 1):
            chain.append(label)
            continue
        if not pair and label is not None and chain and label.first - chain[-1].last < 8:
            continue  # the value between two labels
        if len(chain) >= 3 and _TIMED & {t.low for t in tokens[max(0, chain[0].first - 14) : chain[0].first]}:
            for hour in chain:
                hour.unit, hour.clock = "h", True
        chain = [label] if pair and label is not None else []


_PARTS_OF_DAY = {"morning": 0, "forenoon": 0, "afternoon": 12, "evening": 12, "night": 12}


def _part_of_day(tokens: list[Token], number: Number) -> float | None:
    """ "Five in the evening", "11 at night": the hour of the day; None where no part of the day follows."""
    follows = [low(tokens, number.last + k) for k in (1, 2, 3)]
    part = follows[2] if follows[:2] == ["in", "the"] else "night" if follows[:2] == ["at", "night"] else ""
    if follows[0] == "o'clock" and number.value == int(number.value) and 0 <= number.value <= 24:
        return number.value
    told = low(tokens, number.first - 1) in (
        "at",
        "by",
        "until",
        "till",
        "to",
        "and",
        "from",
        "before",
        "after",
        "-",
    )
    if (
        not told
        or part not in _PARTS_OF_DAY
        or number.value != int(number.value)
        or not 1 <= number.value <= 12
    ):
        return None
    return number.value % 12 + (0 if part == "night" and number.value < 6 else _PARTS_OF_DAY[part])


_TIMED = frozenset(
    ("hour", "hours", "hourly", "slot", "slots", "period", "periods", "h", "step", "steps", "time")
)


def _made(tokens: list[Token], number: Number) -> Quantity | None:
    start, last = tokens[number.first].start, number.last
    value, unit, per, mass, noun = number.value, "", "", False, ""
    clock = number.clock
    if clock:
        unit = "h"
    else:
        read = unit_at(tokens, last + 1) or _spell(tokens, last + 1) or _bracketed(tokens, last + 1)
        read = read or _tupled(tokens, last + 1)
        if read is not None and _plausible(tokens, number, read):
            value, unit, last, per, mass = value * read.scale, read.unit, read.stop - 1, read.per, read.mass
            noun = read.noun
            said = low(tokens, number.last + 1)
            if noun in _NO_NOUNS and said.isalpha() and said not in _STOP:
                noun = singular(said)  # "twenty pictures or more in each hour"
            if (
                low(tokens, last + 1) == "and"
                and low(tokens, last + 2) == "a"
                and low(tokens, last + 3) == "half"
            ):
                value, last = value + 0.5 * read.scale, last + 3
        if not unit and (out := _out_of(tokens, number)) is not None:
            value, unit, last = 100.0 * value / out[0], "percent", out[1]
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
            and value <= 8784
            and low(tokens, number.first - 2) not in _OF_HOURS
            and not _counting(tokens, last + 1)
            and not number.word
        ):
            unit, clock = "h", True
        elif not unit and not noun and (hour := _part_of_day(tokens, number)) is not None:
            value, unit, clock = hour, "h", True
        elif (
            not unit
            and low(tokens, number.first - 1) in _INDEXED
            and value == int(value)
            and not number.word
            and not _counting(tokens, last + 1)
        ):
            noun = singular(low(tokens, number.first - 1))
    if not -1e300 < value < 1e300:
        return None
    return Quantity(
        value, unit, number.first, last, start, tokens[last].end, clock=clock, per=per, mass=mass, noun=noun
    )


_KINDS_OF_TIME = words("quantities.kinds_of_time")


def _tupled(tokens: list[Token], at: int) -> UnitRead | None:
    """The unit behind a bracket that closes a list of numbers: "d = (1.0, 1.5, 2.0) kWh"."""
    if low(tokens, at) not in (")", "]", "}"):
        return None
    back = at - 1
    while back >= 0 and (tokens[back].kind == "num" or tokens[back].text in (",", ";", "-", "+")):
        back -= 1
    read = unit_at(tokens, at + 1) if back < at - 3 and low(tokens, back) in ("(", "[", "{") else None
    return None if read is None or read.unit.startswith(("?", "1/")) else replace(read, stop=at)


def _bracketed(tokens: list[Token], at: int) -> UnitRead | None:
    """ "1e-27 (J s^2/cycle^3)": nothing but a unit in brackets."""
    read = unit_at(tokens, at + 1) if low(tokens, at) == "(" else None
    return read if read is not None and low(tokens, read.stop) == ")" and read.scale == 1.0 else None


def _spell(tokens: list[Token], at: int) -> UnitRead | None:
    """ "12 opening hours" last 12 hours."""
    read = unit_at(tokens, at + 1) if low(tokens, at) in _KINDS_OF_TIME else None
    return read if read is not None and read.unit in ("h", "min", "day") else None


def _counting(tokens: list[Token], at: int) -> bool:
    """Whether things follow that a number counts: "on a normal day 12 people", "over the hour 9000 images"."""
    word = low(tokens, at)
    plural = word in ("people", "children") or singular(word) != word
    return word.isalpha() and word not in _STOP and plural and unit_at(tokens, at) is None


def _out_of(tokens: list[Token], number: Number) -> tuple[float, int] | None:
    """ "95 times out of 100", "9 out of 10": the whole, and the last token."""
    at = number.last + 1
    if low(tokens, at) in ("times", "answers", "cases"):
        at += 1
    if low(tokens, at) != "out" or low(tokens, at + 1) != "of" or at + 2 >= len(tokens):
        return None
    whole = next((n for n in numbers(tokens[at + 2 : at + 4]) if n.first == 0), None)
    follows = low(tokens, at + 3 + (whole.last if whole else 0))
    if whole is None or whole.value < number.value or whole.value not in (10.0, 20.0, 100.0, 1000.0):
        return None
    return (whole.value, at + 2 + whole.last) if not follows.endswith("sites") else None


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
        read = unit_at(tokens, at + 1)
        halved = read is not None and [low(tokens, read.stop + k) for k in range(3)] == ["and", "a", "half"]
        if low(tokens, at - 1) in ("in", "for", "of") and at - 2 in taken and not halved:
            continue  # "400 kWh in a year"
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
    inside = {at for q in extra for at in range(q.first, q.last + 1)}  # "a minute and a half" holds the half
    return (
        sorted([*(q for q in found if q.first not in inside), *extra], key=lambda q: q.first)
        if extra
        else found
    )


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
            trailing = _without_gas(right.unit).startswith(left.unit + "/")
            if left.unit and right.unit and not _alike(left.unit, right.unit) and not trailing:
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
    if between == [",", "and"] and left.listed < 0 and (left.unit or left.noun):
        return False  # "never above 50 %, and 25 % on average": two halves of a sentence
    if right.pure and left.unit:
        return False  # "at most 2 kW; one tenth of what goes in is lost"
    if (
        len(between) <= 3
        and between[0] in _LINKS
        and all(word in _LINKS | {"at", "last", "finally"} for word in between)
    ):
        return True
    told = between[0] in ("in", "at", "for") and "," in between[-2:] and len(between) <= 6
    return told and bool({"first", "1st"} & set(between)) and not right.unit


def _range(tokens: list[Token], left: Quantity, right: Quantity, between: list[str]) -> bool:
    if left.unit and right.unit and left.unit != right.unit and not (left.clock or right.clock):
        return False
    if left.value > right.value and not left.clock and not (right.clock and not left.unit):
        return False
    if left.clock and not right.clock and right.value > 24:
        return False  # "20:00 - 410 g/kWh"
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
        _trailing(members)
        stated = list(dict.fromkeys(q.unit for q in members if q.unit))
        if any(not _alike(stated[0], unit) for unit in stated[1:]):
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


def _trailing(members: list[Quantity]) -> None:
    """ "50 Wh, 80 Wh and 30 Wh per day": the period at the end is meant of all."""
    last = members[-1]
    if all(q.unit and _without_gas(last.unit).startswith(q.unit + "/") for q in members[:-1]):
        for quantity in members[:-1]:
            _copy(last, quantity)


def _without_gas(unit: str) -> str:
    """Grams of CO2 as grams: "0.5 kg, 0.1 kg and 0.6 kg CO2 per kWh" is one list."""
    return unit.replace("CO2e", "").replace("CO2", "")


def _alike(a: str, b: str) -> bool:
    """Whether two units measure the same: "2.4 MB, 1 MB and 200 kB" is one list."""
    if a == b:
        return True
    try:
        one, two = parse_unit(a), parse_unit(b)
    except Refused:
        return False
    return bool(a) and bool(b) and one.same(two) and one.log == two.log


def _copy(source: Quantity, target: Quantity) -> None:
    target.unit, target.per, target.mass, target.clock = source.unit, source.per, source.mass, source.clock


def _separate(members: list[Quantity]) -> None:
    """A list whose members ended up measuring several things is several lists."""
    if any(not _alike(members[0].unit, q.unit) for q in members[1:]):
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
            word, after = low(tokens, quantity.last + 1), low(tokens, quantity.last + 2)
            if word in _TOLD_AFTER:
                quantity.noun = ""
            elif quantity.value == 1 and quantity.noun == singular(after) != after and word == singular(word):
                quantity.noun = word  # "one container copes": the verb is no noun
        elif quantity.per and not quantity.noun:
            quantity.noun = quantity.per
            quantity.each = True


def noun_after(tokens: list[Token], at: int, heads: set[int]) -> str:
    """The head of what is counted: of "6 small camera jobs arrive" it is ``job``; empty where nothing is."""
    if low(tokens, at) in ("x", "×", "*"):
        return ""
    if low(tokens, at) == "or" and low(tokens, at + 1) in ("more", "fewer", "less"):
        at += 2  # "two or more factories"
    if low(tokens, at) == "of" and low(tokens, at + 1) in ("the", "our", "its", "these", "those", "my"):
        at += 2 + (at + 2 in heads)  # "three of the five clinics" counts clinics
        if at - 1 not in heads:
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
