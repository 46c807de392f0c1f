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


def repeat_kinds(tokens: list[Token], cuts: list[Piece], found: list[Quantity], people: list[Member]) -> None:
    """Gives bare quantities of a second member the unit, noun and limit of the one before; after attachment."""
    group = {member.label: member.group for member in people}
    _in_like_words(tokens, cuts, found, group)
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
