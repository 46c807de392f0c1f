"""Whom "here" and "there", "ours" and "theirs", "he" mean where two places were named and a sentence names neither.

"My nephew's PC or my own notebook ... 80 g up there and 260 g down here": one of two things is the speaker's, and the
other is not. Where the words beside the two names do not tell which, nothing is pointed at.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_NEAR_WORDS = """
own home house flat desk office cellar basement attic kitchen garage in-house local on-premise on-site shed garden loft
workshop backroom here
"""
_FAR_WORDS = """
rented rent hired remote cloud hosted hoster provider data-centre datacentre datacenter colocation web online leased
external borrowed friend neighbour neighbor brother sister cousin nephew niece uncle aunt colleague partner supplier
contractor overseas abroad
"""
_NEAR, _FAR = frozenset(_NEAR_WORDS.split()), frozenset(_FAR_WORDS.split())
_MINE = frozenset(("my", "our", "own"))
_HERE, _THERE = frozenset(("here", "ours", "mine")), frozenset(("there", "he", "she", "his", "hers", "him"))
_HERE_BESIDE = frozenset(("our", "my", "we", "us", "home"))
_THERE_BESIDE = frozenset(("their", "theirs", "they", "them", "her"))
_BEFORE = 24


def nearer(text: str, labels: Sequence[str]) -> int | None:
    """Which of two things is the speaker's: its place, None where the words do not tell.

    Args:
        text: of the description.
        labels: two names as they stand in it.
    """
    if len(labels) != 2:
        return None
    scores = [_score(text, label) for label in labels]
    return None if scores[0] == scores[1] else scores.index(max(scores))


def _score(text: str, label: str) -> int:
    at = text.lower().find(label.lower())
    if at < 0:
        return 0
    before = re.split(r"[,.;:!?()]|\b(?:or|and)\b", text[max(0, at - _BEFORE) : at].lower())[-1]
    said = re.findall(r"[a-z]+(?:-[a-z]+)*", f"{before} {label.lower()}")
    if _FAR & set(said):
        return -1
    return 1 if (_NEAR | _MINE) & set(said) else 0


def pointed(sentence: Sequence[str]) -> dict[str, bool]:
    """The words of a sentence that point at one of two things: True for the speaker's, False for the other.

    Args:
        sentence: its words, lower case.
    """
    said = set(sentence)
    near, far = said & _HERE, said & _THERE
    if far or said & _THERE_BESIDE:
        near = near | (said & _HERE_BESIDE)
    if near:
        far = far | (said & _THERE_BESIDE)
    return dict.fromkeys(near, True) | dict.fromkeys(far, False)
