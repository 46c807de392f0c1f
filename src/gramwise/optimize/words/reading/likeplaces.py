"""Names that stand in the same places of their sentences are of one kind: "the Lyon office ... the Leeds office".

Figures cannot always tell it, since a second name leaves out what the first said ("5,000 documents, one in Leeds
4,000"). The words beside a name do: two proper names, each said at least twice, that share the noun behind them or
two of the words in front of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from .members import Member
from .numbers import low
from .quantities import _STOP
from .tokens import Token

_LEAST = 2
_AHEAD = frozenset(("in", "at", "from", "for", "to", "on", "near", "a", "the", "each", "one", "every"))


def in_like_places(tokens: list[Token], kept: list[Member]) -> Iterator[tuple[int, int]]:
    """Pairs of proper names without a noun or table that are told in the same frames.

    Args:
        tokens: of the text.
        kept: members with their mentions.
    """
    frames = {
        k: _frames(tokens, member)
        for k, member in enumerate(kept)
        if member.axis < 0 and member.label[:1].isupper() and len(member.mentions) >= _LEAST
    }
    for left, right in combinations(frames, 2):
        shared = frames[left] & frames[right]
        if any(place == "behind" for place, _ in shared) or len(shared) >= _LEAST:
            yield left, right


def _frames(tokens: list[Token], member: Member) -> set[tuple[str, str]]:
    """The noun right behind the name, and the preposition or article in front of it."""
    found: set[tuple[str, str]] = set()
    for first, stop in member.mentions:
        behind, ahead = low(tokens, stop), low(tokens, first - 1)
        if behind.isalpha() and behind not in _STOP and not behind.endswith(("ly", "ing")):
            found.add(("behind", behind))
        if ahead in _AHEAD:
            found.add(("ahead", ahead))
    return found
