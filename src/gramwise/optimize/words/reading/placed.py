"""Names that stand in like places beside like numbers: "north (45 g/kWh, 130 ms), east (410 g/kWh, 20 ms)", and
"up to 4 copies in the main building and up to 5 in the annex".

No list of words could hold what people call their places. Two or more different phrases, each in front of a bracket
that opens with a number of one kind, or each tied by "in" or "at" to a number of one kind in one sentence, are of one
set, whatever the words are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .members import Member, add
from .numbers import low
from .phrases import QUANTITY_NOUNS, Phrases, Span, dimension
from .quantities import Quantity
from .unitwords import singular
from .vocabulary import words

_TYING = frozenset(("in", "at", "on"))
_AXIS = 3_000_000
_TIMES = words("whereabouts.times") | words("members.hours")
_NO_PLACE = words("itemised.no_names")


def placed(found: Phrases) -> None:
    """Add such names to the book, those of one set on one axis.

    Args:
        found: the noun phrases of the text, the members known so far in its book.
    """
    for axis, told in enumerate((*_sets(found, _in_front), *_sets(found, _behind))):
        _join(found, told, _AXIS + axis)


def _sets(found: Phrases, where: Callable[[Phrases, Quantity], Span | None]) -> Iterable[list[Span]]:
    """Spans of the names beside numbers of one kind in one sentence, where they differ."""
    kinds: dict[tuple[int, str], list[Span]] = {}
    last = ("", -1)
    for quantity in found.found:
        sentence = found.cuts[quantity.clause].sentence
        kind = dimension(quantity.unit) if quantity.unit else f"#{quantity.noun}" if quantity.noun else ""
        if not kind and quantity.bare and last[1] == sentence:
            kind = last[0]
        last = kind, sentence
        span = where(found, quantity) if kind and not quantity.clock else None
        if span is not None:
            kinds.setdefault((sentence, kind), []).append(span)
    for spans in kinds.values():
        if len(spans) > 1 and len({_said(found, s) for s in spans}) == len(spans):
            yield spans


def _in_front(found: Phrases, quantity: Quantity) -> Span | None:
    """The phrase in front of the bracket that the number opens."""
    if low(found.tokens, quantity.first - 1) != "(":
        return None
    stop = quantity.first - 1
    for first in range(max(0, stop - 3), stop):
        ahead = low(found.tokens, first - 1)
        span = found.phrase(first, stop)
        if (
            span is not None
            and span[1] == stop
            and (not ahead.isalpha() or ahead in ("and", "or", "the", "our", "my"))
        ):
            return span if _names(found, span) else None
    return None


def _behind(found: Phrases, quantity: Quantity) -> Span | None:
    """The phrase that "in" or "at" ties to the number, the counted noun in between."""
    at = quantity.last + 1
    if quantity.noun and singular(low(found.tokens, at)) == quantity.noun:
        at += 1
    if low(found.tokens, at + 1) in _TYING and low(found.tokens, at).isalpha():
        at += 1  # "4 copies fit in the annex"
    if low(found.tokens, at) not in _TYING:
        return None
    span = found.phrase(at + 1, min(at + 6, len(found.tokens)))
    return span if span is not None and _names(found, span) else None


def _names(found: Phrases, span: Span) -> bool:
    """Whether a phrase can name a place or thing, rather than a time, a quantity or a pronoun."""
    own = [singular(t.low.removesuffix("'s")) for t in found.tokens[span[0] : span[1]]]
    heads = set(own[-1:]) | set(own[:1])
    return span[1] - span[0] <= 3 and not heads & (_TIMES | QUANTITY_NOUNS | _NO_PLACE)


def _said(found: Phrases, span: Span) -> str:
    return " ".join(t.low.removesuffix("'s") for t in found.tokens[span[0] : span[1]])


def _join(found: Phrases, spans: list[Span], axis: int) -> None:
    """One set of these names; nothing where all are known, or where a known name covers one only in part."""
    owners = [_known(found, span) for span in spans]
    if (
        any(len(own) > 1 for own in owners)
        or _agree(owners)
        or any(own and own[0].axis >= 0 for own in owners)
    ):
        return
    for own, span in zip(owners, spans, strict=True):
        if own and own[0].label.lower() != _said(found, span):
            return
    members: list[Member] = []
    for own, span in zip(owners, spans, strict=True):
        if not own:
            add(
                found.book, " ".join(t.text for t in found.tokens[slice(*span)]).removesuffix("'s"), "", *span
            )
            own = [found.book[_said(found, span)]]
        members.append(own[0])
    nouns = {m.noun for m in members if m.noun}
    noun = nouns.pop() if len(nouns) == 1 else ""
    for member in members:
        member.axis, member.noun = axis, noun


def _agree(owners: list[list[Member]]) -> bool:
    """Whether all are known already, and as things of one noun."""
    return all(owners) and len({own[0].noun for own in owners}) == 1


def _known(found: Phrases, span: Span) -> list[Member]:
    return [m for m in found.book.values() if any(a < span[1] and span[0] < b for a, b in m.mentions)]
