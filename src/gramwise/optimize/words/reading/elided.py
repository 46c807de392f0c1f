"""What a second name leaves out: "Toronto can take at most 900 answers a month, Frankfurt 1500 and Sydney 1200",
or only "6 mWh for each request in Oslo, 5 mWh in Lille".

A bare number of another member of the same kind, in the same sentence, measures what the number before it measures, is
the same kind of limit and counts the same things. Numbers that usually stand bare, such as a PUE, are left alone.
"""

from __future__ import annotations

from itertools import pairwise

from .clauses import Piece
from .members import Member
from .numbers import low
from .quantities import Quantity
from .tokens import Token

_PURE = frozenset(
    [
        "accuracy",
        "quality",
        "score",
        "pue",
        "factor",
        "efficiency",
        "top-1",
        "map",
        "f1",
        "precision",
        "recall",
        "number",
        "page",
    ]
)
_FARTHEST = 16
_PARTS = frozenset(("half", "third", "quarter", "fifth", "tenth", "thirds", "quarters", "fifths", "tenths"))


def repeat_kinds(tokens: list[Token], cuts: list[Piece], found: list[Quantity], people: list[Member]) -> None:
    """Gives bare quantities of a second member the unit, noun and limit of the one before; after attachment."""
    group = {member.label: member.group for member in people}
    _in_like_words(tokens, cuts, found, group)
    _like_the_others(found, group)
    for left, right in pairwise(found):
        rate = bool(right.unit) and not right.per and left.unit.startswith(right.unit + "/")
        rate = rate or bool(
            left.each and left.noun and left.unit and left.unit == right.unit and not right.noun
        )
        if not (right.bare or rate) or not (left.unit or left.noun) or left.clock:
            continue
        if cuts[left.clause].sentence != cuts[right.clause].sentence:
            continue
        mine, theirs = left.subjects[:1], right.subjects[:1]
        if not mine or not theirs or mine == theirs or group.get(mine[0]) != group.get(theirs[0], -1):
            continue
        between = [t.low for t in tokens[left.last + 1 : right.first]]
        if right.relation not in ("is", left.relation):
            continue
        if (
            len(between) > _FARTHEST
            or _PURE & set(between)
            or low(tokens, right.last + 1) in ("%", "percent")
        ):
            continue
        right.unit, right.noun, right.per, right.mass = left.unit, left.noun, left.per, left.mass
        right.each = right.each or left.each
        if right.relation == "is" and left.relation in ("at_most", "at_least"):
            right.relation = left.relation


def _like_the_others(found: list[Quantity], group: dict[str, int]) -> None:
    """ "Tiny needs 0.8 J per photo ..., Medium 2.1 J": what one of a kind is told per thing, the others are as well.

    Holds where each of the two has but one number of that measure, wherever it stands.
    """
    told: dict[tuple[str, str], list[Quantity]] = {}
    for quantity in found:
        if quantity.unit and len(quantity.subjects) == 1 and not quantity.clock:
            top = quantity.unit.partition("/")[0]
            told.setdefault((quantity.subjects[0], top), []).append(quantity)
    lone = [(owner, top, some[0]) for (owner, top), some in told.items() if len(some) == 1]
    for owner, top, full in lone:
        if not full.noun or not (full.unit.startswith(top + "/") or full.each):
            continue
        for other, kind, bare in lone:
            if kind != top or other == owner or group.get(other) != group.get(owner, -1):
                continue
            if bare.unit == top and not bare.noun and not bare.each and bare.first > full.first:
                bare.unit, bare.noun, bare.per, bare.each = full.unit, full.noun, full.per, full.each


def parts_as_shares(tokens: list[Token], cuts: list[Piece], found: list[Quantity]) -> None:
    """ "Lyon takes at most 35 %, Porto no more than half": a part in a sentence with percentages is one of them."""
    shares = {cuts[q.clause].sentence for q in found if q.unit == "percent"}
    for quantity in found:
        part = tokens[quantity.last].low in _PARTS and 0 < quantity.value < 1
        if part and not quantity.unit and cuts[quantity.clause].sentence in shares:
            quantity.unit, quantity.value, quantity.noun = "percent", 100 * quantity.value, ""


def _in_like_words(
    tokens: list[Token], cuts: list[Piece], found: list[Quantity], group: dict[str, int]
) -> None:
    """ "She can take on ten kilowatt-hours. ... he can take on fourteen": the same words in front of both."""
    for at, right in enumerate(found):
        words = _ahead(tokens, right)
        told = all(w.isalpha() for w in words) and words[1] not in ("and", "or", "but")
        if not right.bare or not right.subjects or not told or _PURE & set(words):
            continue
        for left in reversed(found[max(0, at - 8) : at]):
            apart = cuts[right.clause].sentence - cuts[left.clause].sentence
            if (
                apart > 3
                or _ahead(tokens, left) != words
                or not (left.unit or left.noun)
                or not left.subjects
            ):
                continue
            if left.subjects != right.subjects and group.get(left.subjects[0]) == group.get(
                right.subjects[0]
            ):
                right.unit, right.noun, right.per, right.mass = left.unit, left.noun, left.per, left.mass
                right.each, right.relation = right.each or left.each, left.relation
                break


def _ahead(tokens: list[Token], quantity: Quantity) -> tuple[str, str]:
    return low(tokens, quantity.first - 2), low(tokens, quantity.first - 1)
