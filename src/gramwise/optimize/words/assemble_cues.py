"""How strongly the words around a number say that it is a given symbol: cue phrases, their distance, and their rarity.

A cue that many symbols share says little, one that only one symbol has says much; a near word counts more than a far
one. The evidence is a plain number between 0 and about 1.5, without any meaning of its own: it only ranks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from gramwise.optimize.knowledge.entry import Symbol
from gramwise.optimize.typed.units import parse_unit, spell

from .statement import Clause, Figure

_WORD = re.compile(r"[a-z0-9µληκ_]+")
FARTHEST = 16
"""Words farther than this from a number say nothing about it."""


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """A word without its commonest English endings; only ever compared with other stems."""
    w = word.lower().removesuffix("'s")
    for ending, instead in (("ies", "y"), ("sses", "ss"), ("ing", ""), ("ed", ""), ("es", "e"), ("s", "")):
        if w.endswith(ending) and len(w) - len(ending) >= 3 and not w.endswith("ss"):
            w = w[: len(w) - len(ending)] + instead
            break
    if len(w) > 3 and w[-1] == w[-2] and w[-1] not in "aeiousl":
        w = w[:-1]
    return w[:-1] if w.endswith("e") and len(w) > 3 else w


@lru_cache(maxsize=65536)
def stems(phrase: str) -> tuple[str, ...]:
    """Stems of the words of a phrase."""
    return tuple(stem(w) for w in _WORD.findall(phrase.lower().replace("-", " ")))


_LIMIT_WORDS = frozenset(
    stems(w)
    for w in (
        "at most",
        "at least",
        "no more than",
        "up to",
        "minimum",
        "maximum",
        "limit",
        "floor",
        "no later",
        "within",
        "by",
    )
)
"""What makes a limit is the figure's relation; as cues these words say little."""


_BEYOND = 3
"""Words that another number in between is worth."""
_TYING = frozenset(("on", "in", "at", "for", "by", "to"))


class Lexicon:
    """Cues of a set of symbols, weighed by how few of the symbols that measure the same share each.

    Args:
        symbols: those that compete for the numbers of one text.
    """

    def __init__(self, symbols: Iterable[Symbol]) -> None:
        self._cues: dict[str, dict[tuple[str, ...], float]] = {}
        self._avoid: dict[str, frozenset[tuple[str, ...]]] = {}
        sharing: dict[tuple[tuple[str, ...], str], int] = {}
        kinds = {}
        listed = list(symbols)
        for symbol in listed:
            phrases = {stems(c) for c in (*symbol.cues, symbol.text)} - {()}
            if len(symbol.name) > 1:
                phrases.add((stem(symbol.name),))
            self._cues[symbol.name] = dict.fromkeys(phrases, 1.0)
            self._avoid[symbol.name] = frozenset({stems(a) for a in symbol.avoid} - {()})
            kinds[symbol.name] = spell(parse_unit(symbol.unit).dims)
            for phrase in phrases:
                key = phrase, kinds[symbol.name]
                sharing[key] = sharing.get(key, 0) + 1
        for name, cues in self._cues.items():
            for phrase in cues:
                worth = 0.3 if phrase in _LIMIT_WORDS else min(1.6, 1 + 0.25 * (len(phrase) - 1))
                cues[phrase] = worth / sharing[phrase, kinds[name]] ** 0.75

    def evidence(
        self, name: str, figure: Figure, head: Sequence[str] = (), clause: Clause | None = None
    ) -> float:
        """How much the words near ``figure`` speak for the symbol ``name``; ``head`` are words of a whole run."""
        found = _matches(self._cues.get(name, {}), figure, head, clause)
        if not found:
            return 0.0
        return min(1.5, found[0] + 0.3 * sum(found[1:3]))

    def against(self, name: str, figure: Figure, head: Sequence[str] = ()) -> float:
        """How much the words near ``figure`` say that it is not ``name``."""
        own = replace(
            figure, before=_own(figure.before, figure.own_before), after=figure.after[: figure.own_after]
        )
        found = _matches(dict.fromkeys(self._avoid.get(name, frozenset()), 1.0), own, head, None)
        return found[0] if found else 0.0


def _own(before: tuple[str, ...], count: int) -> tuple[str, ...]:
    """The last words of those before a number: what is said before the number in front of it says nothing against."""
    return before[max(0, len(before) - count) :]


def _matches(
    cues: Mapping[tuple[str, ...], float], figure: Figure, head: Sequence[str], clause: Clause | None
) -> list[float]:
    """Strengths of the cues that were found, strongest first."""
    before = tuple(stem(w) for w in figure.before)
    after = tuple(stem(w) for w in figure.after)
    beside = [stems(t) for t in (figure.column, figure.row, " ".join(head), figure.noun) if t]
    title = stems(clause.heading) if clause is not None and clause.heading else ()
    found = []
    said = {*before, *after, *title, *(w for words in beside for w in words)}
    for phrase, weight in cues.items():
        if phrase[0] not in said:
            continue
        best = 0.0
        for far in _places(phrase, before[::-1], backwards=True):
            beyond = _BEYOND if far >= figure.own_before else 0
            best = max(best, weight / (1 + 0.14 * (far + beyond)))
        tied = bool(figure.after) and figure.after[0] in _TYING and figure.own_after > 1
        for far in _places(phrase, after, backwards=False):
            # words behind a number more often belong to the next one, but for "0.5 J on the device"
            beyond = _BEYOND if far >= figure.own_after else 0
            factor = 1.2 if tied and far < min(4, figure.own_after) else 0.93
            best = max(best, factor * weight / (1 + 0.14 * (far + beyond)))
        if any(_within(phrase, words) for words in beside):
            best = max(best, 1.05 * weight)
        if title and _within(phrase, title):
            best = max(best, 0.7 * weight)
        if best:
            found.append(best)
    return sorted(found, reverse=True)


def _places(phrase: tuple[str, ...], words: tuple[str, ...], *, backwards: bool) -> list[int]:
    """Distances of a phrase in words that are listed nearest first; one foreign word inside the phrase is let pass."""
    wanted = phrase[::-1] if backwards else phrase
    found = []
    for at, word in enumerate(words[:FARTHEST]):
        if word != wanted[0]:
            continue
        position, slack, ok = at + 1, 1, True
        for part in wanted[1:]:
            while position < len(words) and words[position] != part and slack:
                position, slack = position + 1, slack - 1
            if position >= len(words) or words[position] != part:
                ok = False
                break
            position += 1
        if ok:
            found.append(at)
    return found


def _within(phrase: tuple[str, ...], words: tuple[str, ...]) -> bool:
    n = len(phrase)
    return any(words[i : i + n] == phrase for i in range(len(words) - n + 1))
