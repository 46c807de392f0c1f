"""Where a thing stands is another name for it: "the laptop in the visitor centre ... the centre has 120 g per kWh".

Holds where a machine is said to be in a place, that place is said of no other member, and the text comes back to the
place by itself. Then what is told of the place is told of the machine.
"""

from __future__ import annotations

from .members import KINDS, Member
from .numbers import low
from .phrases import QUANTITY_NOUNS, Phrases, Span
from .unitwords import singular
from .vocabulary import words

_WHERE = frozenset(("in", "at"))
_TIMES = words("whereabouts.times")


def whereabouts(found: Phrases) -> None:
    """Give each member the further mentions of the place that it alone stands in.

    Args:
        found: the noun phrases of the text, the members known so far in its book.
    """
    places: dict[str, list[tuple[Member, Span]]] = {}
    for member in list(found.book.values()):
        for _, stop in member.mentions:
            span = _place(found, stop)
            if span is not None:
                places.setdefault(_words(found, span), []).append((member, span))
    hosts = [m.label for told in places.values() for m, _ in told]
    for name, told in places.items():
        members = {id(m): m for m, _ in told}
        member = told[0][0]
        if len(members) > 1 or len(set(map(str, _places_of(member, places)))) > 1 or not hosts:
            continue
        if not _machine(member):
            continue
        again = [s for s in _mentions(found, name) if s not in [span for _, span in told]]
        other = found.book.get(name)
        if not again and other is None:
            continue
        if other is not None and other is not member:
            if other.label in hosts or other.axis >= 0:
                continue
            del found.book[name]
        taken = {k for m in found.book.values() for a, b in m.mentions for k in range(a, b)}
        member.mentions += [s for s in again if not taken & set(range(*s))]


def _places_of(member: Member, places: dict[str, list[tuple[Member, Span]]]) -> list[str]:
    return [name for name, told in places.items() if any(m is member for m, _ in told)]


def _machine(member: Member) -> bool:
    """Whether a member is something that stands somewhere, and no place or piece of work itself."""
    last = singular(member.label.lower().split()[-1])
    return member.noun in ("device", "server", "computer", "machine") or last in KINDS["device"]


def _place(found: Phrases, at: int) -> Span | None:
    """The place behind a name: "in the visitor centre", "in Oslo"."""
    if low(found.tokens, at) not in _WHERE:
        return None
    span = found.phrase(at + 1, min(at + 6, len(found.tokens)))
    if span is None or span[1] - span[0] > 3 or any(k in found.heads for k in range(*span)):
        return None
    head = singular(low(found.tokens, span[1] - 1))
    return None if head in _TIMES or head in QUANTITY_NOUNS else span


def _words(found: Phrases, span: Span) -> str:
    return " ".join(t.low.removesuffix("'s") for t in found.tokens[span[0] : span[1]])


def _mentions(found: Phrases, name: str) -> list[Span]:
    words = name.split()
    n = len(words)
    return [
        (at, at + n)
        for at in range(len(found.tokens) - n + 1)
        if [t.low.removesuffix("'s") for t in found.tokens[at : at + n]] == words
    ]
