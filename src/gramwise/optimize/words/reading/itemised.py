"""Things listed behind a colon with their figures: "Variants: XL (4 J, 88 %), M (1.5 J, 83 %) and XS (0.4 J, 70 %)".

An item begins behind the colon or behind a comma or "and" outside brackets, and is a name only if figures follow it
at once. So "safety with 10000 requests and a floor of 0.8, and catalogue with 50000" names two classes, whatever the
words are.
"""

from __future__ import annotations

from .members import GENERIC, Member, add
from .numbers import low
from .phrases import QUANTITY_NOUNS, Phrases, Span
from .unitwords import singular
from .vocabulary import words

_LINKS = frozenset((",", ";", "and", "or", "&", "/"))
_LEADING = words("itemised.leading")
_NO_NAMES = words("itemised.no_names")


def itemised(found: Phrases) -> None:
    """Add the items of every such list to the book, all with the noun before the colon.

    Args:
        found: the noun phrases of the text, the members known so far in its book.
    """
    for at, token in enumerate(found.tokens):
        if token.text != ":":
            continue
        noun, measured = _governor(found, at), _measured(found, at)
        if not (noun or measured):
            continue
        spans = _items(found, at + 1, _stop(found, at))
        names = {" ".join(t.low for t in found.tokens[a:b]) for a, b in spans}
        nouns = {m.noun for span in spans for m in _known(found, span)}
        if len(spans) < 2 or len(names) < len(spans) or (measured and len(nouns) != 1):
            continue
        for span in spans:
            _name(found, span, noun or nouns.copy().pop())


def divided(found: Phrases) -> None:
    """Add what begins the parts of a sentence: "homework, 300 a day, ...; quizzes, 900 a day, ...; small talk, ...".

    Args:
        found: the noun phrases of the text, the members known so far in its book.
    """
    sentences: dict[int, list[tuple[int, int]]] = {}
    for piece in found.cuts:
        sentences.setdefault(piece.sentence, []).append((piece.first, piece.stop))
    for parts in sentences.values():
        if len(parts) < 2 or any(low(found.tokens, stop - 1) != ";" for _, stop in parts[:-1]):
            continue
        spans = [_opening(found, first, stop) for first, stop in parts]
        whole = [s for s in spans if s is not None]
        names = {" ".join(t.low for t in found.tokens[a:b]) for a, b in whole}
        if len(whole) == len(parts) == len(names) and not all(_known(found, s) for s in whole):
            for span in whole:
                _name(found, span, "")


def _opening(found: Phrases, first: int, stop: int) -> Span | None:
    """The phrase that opens a part and is parted from its figures by a comma."""
    while first < stop and (
        found.tokens[first].kind == "newline" or low(found.tokens, first) in ("and", "or")
    ):
        first += 1
    colon = next((k for k in range(first, min(first + 7, stop)) if low(found.tokens, k) == ":"), None)
    if colon is not None and not any(
        k in found.heads and found.tokens[k].kind == "num" for k in range(first, colon)
    ):
        first = colon + 1  # "there are four: weed spotting, called 200 times a day; ..."
    span = found.phrase(first, stop)
    if (
        span is None
        or low(found.tokens, span[1]) != ","
        or not any(k in found.heads for k in range(span[1], stop))
    ):
        return None
    head = singular(low(found.tokens, span[1] - 1))
    return None if head in QUANTITY_NOUNS - {"talk"} else span


def _name(found: Phrases, span: Span, noun: str) -> None:
    known = _known(found, span)
    if not known:
        add(found.book, " ".join(t.text for t in found.tokens[span[0] : span[1]]), noun, *span)
    elif len(known) == 1 and not known[0].noun:
        known[0].noun = noun


def _known(found: Phrases, span: Span) -> list[Member]:
    return [m for m in found.book.values() if any(a < span[1] and span[0] < b for a, b in m.mentions)]


def _measured(found: Phrases, colon: int) -> bool:
    """Whether a quantity stands before the colon: then the items are of one kind with one that is known."""
    return singular(low(found.tokens, colon - 1)) in QUANTITY_NOUNS


def _governor(found: Phrases, colon: int) -> str:
    """The plural that the list belongs to: "variants:", "two request classes:", "the jobs are:"."""
    at = colon - 1
    while at >= 0 and low(found.tokens, at) in ("are", "follows", "as", "namely", "available", "offered"):
        at -= 1
    word = low(found.tokens, at)
    noun = singular(word)
    if noun == word or noun in QUANTITY_NOUNS or found.tokens[at].kind != "word":
        return ""
    counted = any(q.noun == noun and not q.unit and q.last < at < q.last + 5 for q in found.found)
    return noun if noun in GENERIC or counted else ""


def _stop(found: Phrases, colon: int) -> int:
    """The end of the sentence that a colon stands in."""
    piece = next(p for p in found.cuts if p.first <= colon < p.stop)
    return max(p.stop for p in found.cuts if p.sentence == piece.sentence)


def _items(found: Phrases, at: int, stop: int) -> list[Span]:
    spans: list[Span] = []
    depth, opens = 0, True
    while at < stop:
        word = low(found.tokens, at)
        depth += (word == "(") - (word == ")")
        if not depth and opens and word not in _LINKS:
            span = found.phrase(at, stop)
            if span is not None and _told(found, span, stop):
                spans.append(span)
                at = span[1] - 1
            opens = False
        elif not depth and word in _LINKS:
            opens = True
        at += 1
    return spans


def _told(found: Phrases, span: Span, stop: int) -> bool:
    """Whether figures follow a phrase at once, and it is none of those that stand for others."""
    follows, head = low(found.tokens, span[1]), singular(low(found.tokens, span[1] - 1))
    if head in QUANTITY_NOUNS or _NO_NAMES & {t.low for t in found.tokens[span[0] : span[1]]}:
        return False
    if span[1] in found.heads:
        return True
    return follows in _LEADING and any(k in found.heads for k in range(span[1] + 1, min(span[1] + 5, stop)))
