"""Numbers out of tokens: digits, words, fractions, scales; and which digits are names rather than quantities."""

from __future__ import annotations

from dataclasses import dataclass

from .tokens import NUMBER_WORDS, SCALES, Token
from .vocabulary import words

_SUFFIX = {"k": 1e3, "m": 1e6, "bn": 1e9, "mn": 1e6, "tn": 1e12}
_MARKS = words("numbers.marks")
_NAMED_BY_NUMBER = words("numbers.named_by_number")
_PRONOUN_BEFORE = words("numbers.pronoun_before")
_PRONOUN_AFTER = words("numbers.pronoun_after")


@dataclass(frozen=True, slots=True)
class Number:
    """A number and the tokens that it spans, ``first`` to ``last`` inclusive.

    ``clock`` is a time of day in hours since midnight. ``word`` says that it was written in letters.
    """

    value: float
    first: int
    last: int
    clock: bool = False
    word: bool = False


def numbers(tokens: list[Token]) -> list[Number]:
    """Every number of the tokens, in order, without names such as "Pi 4", "phase 2", "5G" or list markers."""
    found: list[Number] = []
    at = 0
    while at < len(tokens):
        number = _at(tokens, at)
        if number is None:
            at += 1
            continue
        if not _is_name(tokens, number):
            found.append(number)
        at = number.last + 1
    return found


def _at(tokens: list[Token], at: int) -> Number | None:
    token = tokens[at]
    if token.kind == "clock":
        return Number(token.value, at, at, clock=True)
    if token.kind == "num":
        return _digits(tokens, at)
    if token.kind != "word":
        return None
    if token.low in ("noon", "midday", "midnight"):
        return Number(0.0 if token.low == "midnight" else 12.0, at, at, clock=True, word=True)
    return _words(tokens, at)


_SMALL = frozenset(
    ("the", "all", "our", "my", "these", "those", "only", "at", "with", "in", "of", "for", "than")
)


def low(tokens: list[Token], at: int) -> str:
    """The word at a place in lower case; empty beyond the ends."""
    return tokens[at].low if 0 <= at < len(tokens) else ""


def _digits(tokens: list[Token], at: int) -> Number:
    value, last = tokens[at].value, at
    after = tokens[at + 1] if at + 1 < len(tokens) else None
    if after is not None and after.kind == "num" and after.text in "½¼¾⅓⅔":
        value, last = value + after.value, at + 1
    elif after is not None and after.glued and after.kind == "word" and after.low in _SUFFIX:
        follows = low(tokens, at + 2)
        is_metre = after.text == "m"
        if not is_metre and follows not in ("/", "·", "^"):
            value, last = value * _SUFFIX[after.low], at + 1
    while low(tokens, last + 1) in SCALES and low(tokens, last + 1) != "mn":
        value, last = value * SCALES[low(tokens, last + 1)], last + 1
    return _and_a_half(tokens, Number(value, at, last))


def _and_a_half(tokens: list[Token], number: Number) -> Number:
    at = number.last
    if low(tokens, at + 1) != "and":
        return number
    if low(tokens, at + 2) == "a" and low(tokens, at + 3) in ("half", "quarter"):
        part = 0.5 if low(tokens, at + 3) == "half" else 0.25
        return Number(number.value + part, number.first, at + 3, word=number.word)
    if low(tokens, at + 2) == "three" and low(tokens, at + 3) in ("quarter", "quarters"):
        return Number(number.value + 0.75, number.first, at + 3, word=number.word)
    return number


def _words(tokens: list[Token], at: int) -> Number | None:
    special = _special(tokens, at)
    if special is not None:
        return special
    first, total, part, last = at, 0.0, 0.0, -1
    if low(tokens, at) in ("a", "an") and low(tokens, at + 1) in SCALES:
        part, at = 1.0, at + 1
    elif low(tokens, at) not in NUMBER_WORDS or _numbers_a_name(tokens, at):
        return None
    while at < len(tokens):
        word = low(tokens, at)
        if word in NUMBER_WORDS and not (last == at - 1 and part and not _joins(part, NUMBER_WORDS[word])):
            part, last = part + NUMBER_WORDS[word], at
        elif word in SCALES and (part or last >= 0):
            scale = SCALES[word]
            if scale in (100.0, 12.0):
                part *= scale
            else:
                total, part = total + part * scale, 0.0
            last = at
        elif word == "point" and last == at - 1 and low(tokens, at + 1) in NUMBER_WORDS:
            digits = ""
            while low(tokens, at + 1) in NUMBER_WORDS and NUMBER_WORDS[low(tokens, at + 1)] < 10:
                at += 1
                digits += str(int(NUMBER_WORDS[low(tokens, at)]))
            part, last = part + (float("0." + digits) if digits else 0.0), max(at, last)
            at += 1
            break
        elif word in ("-", "and") and last == at - 1 and _goes_on(tokens, at, part, total):
            at += 1
            continue
        else:
            break
        at += 1
    if last < 0:
        return None
    return _and_a_half(tokens, Number(total + part, first, last, word=True))


def _opens_list(tokens: list[Token], last: int) -> bool:
    """ "The milk model 30, 25 and 20 Wh": a number with two others behind it, and a word behind the last."""
    at, more = last + 1, 0
    while low(tokens, at) in (",", "and", "or") and at + 1 < len(tokens):
        at += 1
        if tokens[at].kind == "num":
            at, more = at + 1, more + 1
    return more >= 2 and tokens[at - 1].kind == "num" and low(tokens, at).isalpha()


def _numbers_a_name(tokens: list[Token], at: int) -> bool:
    """ "Hall Two", "Plant One": a number word with a capital behind a noun with a capital is part of a name."""
    before = tokens[at - 1] if at else None
    return (
        before is not None
        and tokens[at].text.istitle()
        and before.kind == "word"
        and before.text[0].isupper()
        and before.low not in _SMALL
    )


def _joins(part: float, value: float) -> bool:
    """Whether a smaller number word may follow: twenty five, hundred ten."""
    return (part % 100 == 0 and value < 100) or (part % 100 >= 20 and part % 10 == 0 and 0 < value < 10)


def _goes_on(tokens: list[Token], at: int, part: float, total: float) -> bool:
    following = NUMBER_WORDS.get(low(tokens, at + 1))
    if following is None:
        return False
    if low(tokens, at) == "-":
        return _joins(part, following) and part % 100 != 0
    last = low(tokens, at - 1)
    return last in ("hundred", "thousand", "million") and following < 100


_PART_WORDS = {
    word: 1 / count
    for count, word in {
        2: "half",
        3: "third",
        4: "quarter",
        5: "fifth",
        6: "sixth",
        8: "eighth",
        10: "tenth",
    }.items()
}
_BOUNDING = frozenset(
    [
        "least",
        "most",
        "than",
        "exceed",
        "over",
        "above",
        "below",
        "under",
        "beyond",
        "to",
        "minimum",
        "maximum",
    ]
)


def _special(tokens: list[Token], at: int) -> Number | None:
    """Halves, quarters, couples: "half an", "a quarter of an", "three quarters of", "a couple of", "twice"."""
    words = [low(tokens, at + step) for step in range(5)]
    again = words[0] == low(tokens, at - 2) == "half" and low(tokens, at - 1) == "and"
    if again or words[:3] == ["half", "and", "half"]:
        return None  # "never half and half": a way of doing, and no amount
    shift = 1 if words[0] in ("a", "an", "one") else 0
    head = words[shift]
    rest = words[shift + 1 :]
    if (head in ("half", "quarter", "third") and (shift or head == "half")) or (
        shift and rest[:1] == ["of"] and head in ("fifth", "sixth", "eighth", "tenth")
    ):
        value = {
            "half": 1 / 2,
            "quarter": 1 / 4,
            "third": 1 / 3,
            "fifth": 1 / 5,
            "sixth": 1 / 6,
            "eighth": 1 / 8,
        }.get(head, 0.1)
        steps = shift
        if rest[:1] == ["of"] and rest[1:2] and rest[1] in ("a", "an"):
            steps += 2
        elif rest[:1] == ["of"]:
            steps += 0
        elif rest[:1] and rest[0] in ("a", "an"):
            steps += 1
            if rest[1:2] == ["dozen"]:
                return Number(6.0, at, at + steps + 1, word=True)
        elif rest[:1] == ["-"] and head != "third":
            steps += 1
        elif head == "third" or (head == "quarter" and shift == 0):
            return None
        return Number(value, at, at + steps, word=True)
    if shift and head in _PART_WORDS and low(tokens, at - 1) in _BOUNDING:
        return Number(_PART_WORDS[head], at, at + 1, word=True)  # "at least a tenth", "no more than a third"
    if words[0] in NUMBER_WORDS and words[1] in ("quarters", "thirds", "fifths", "tenths"):
        value = NUMBER_WORDS[words[0]] / {"quarters": 4, "thirds": 3, "fifths": 5, "tenths": 10}[words[1]]
        steps = 3 if words[2] == "of" and words[3] in ("a", "an") else 1
        return Number(value, at, at + steps, word=True)
    if head in ("couple", "pair") and shift and rest[:1] == ["of"]:
        return Number(2.0, at, at + shift + 1, word=True)
    if words[0] in ("once", "twice", "thrice") and words[1] in ("a", "an", "per", "every", "each"):
        return Number({"once": 1.0, "twice": 2.0, "thrice": 3.0}[words[0]], at, at, word=True)
    return None


def _is_name(tokens: list[Token], number: Number) -> bool:
    """Whether the digits are a name, a marker or a pronoun rather than a quantity."""
    if number.clock:
        return False
    first, last = tokens[number.first], number.last
    before, after = low(tokens, number.first - 1), low(tokens, last + 1)
    if before == "^":
        return True  # the exponent of a formula
    if number.word:
        if (
            first.low == "half"
            and last == number.first
            and after in ("takes", "costs", "uses", "needs", "is")
        ):
            return True  # "doing half takes 2 s"
        if before in ("first", "last", "other") and low(tokens, number.first - 2) in ("the", "all"):
            return not singular_unit(after)
        if number.value == 1 and first.low == "one" and low(tokens, number.first - 2) in ("the", "our", "my"):
            return before.isalpha() and before not in ("only", "exactly", "just", "at")  # "the quick one"
        if number.value == 1 and first.low == "one" and last == number.first:
            if before == "for" and low(tokens, number.first - 2) in ("room", "space", "time", "place"):
                return False  # "has room for one"
            return before in _PRONOUN_BEFORE or after in _PRONOUN_AFTER or not after.isalpha()
        return False
    glued = last + 1 < len(tokens) and tokens[last + 1].glued
    if glued and first.text.lower() + after in _MARKS:
        following = low(tokens, last + 2)
        if following not in ("/", "·", "^", "co2", "co2e", "of", "per") and (
            after != "g" or number.value <= 6
        ):
            return True
    if (
        glued
        and tokens[last + 1].text == "B"
        and low(tokens, last + 2).startswith(("model", "param", "llm", "-"))
    ):
        return True
    if first.glued and low(tokens, number.first - 1) in ("_", "#", "@", "~#"):
        return True
    if _is_marker(tokens, number):
        return True
    named = before in _NAMED_BY_NUMBER and number.value == int(number.value)
    if before == "#" or (named and not _opens_list(tokens, last)):
        return True
    if before == "." and low(tokens, number.first - 2) in ("no", "fig", "nr", "sec"):
        return True
    return bool(
        1900 <= number.value <= 2100
        and number.first == last
        and first.text.isdigit()
        and (
            before
            in ("in", "since", "year", "until", "of", "from", "by", "(", "before", "after", "early", "late")
        )
        and not (after.isalpha() and len(after) < 4 and after not in _AFTER_YEARS)
        and after not in ("%", "/", "cycles", "watts", "requests", "jobs", "joules", "mcycles")
    )


_AFTER_YEARS = words("numbers.after_years")
"""Short words behind a year that are no units."""


def singular_unit(word: str) -> bool:
    """Whether "the first two hours" counts hours rather than members."""
    return word.removesuffix("s") in (
        "hour",
        "day",
        "minute",
        "second",
        "year",
        "week",
        "month",
        "slot",
        "step",
    )


def _is_marker(tokens: list[Token], number: Number) -> bool:
    """List markers: "1." or "2)" where a line begins, "(3)" anywhere."""
    at, last = number.first, number.last
    if at != last or not tokens[at].text.isdigit() or number.value > 99:
        return False
    after = low(tokens, last + 1)
    begins = at == 0 or tokens[at - 1].kind == "newline"
    if begins and after in (".", ")", ":") and last + 2 < len(tokens):
        return after == ")" or (tokens[last + 2].kind == "word" and tokens[last + 1].glued and after == ".")
    return (
        low(tokens, at - 1) == "("
        and after == ")"
        and last + 2 < len(tokens)
        and tokens[last + 2].kind == "word"
    )
