"""More names that a text may be about: those of lists with remarks in brackets, and those beside like numbers.

"gateway (grid at 400 g/kWh), cloudlet (0.25 kg/kWh), region (45 kg/MWh)" lists three hosts without a joint word;
"Lulea takes at most 4,000 an hour, Ghent 5,000 and Gdansk 6,000" names three halls, each in front of its number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from .statement import Figure

if TYPE_CHECKING:
    from .crossed_names import Word

_APART = frozenset((",", "and", "or", "&", ";", "while", "whereas", "but"))


def bracketed(words: Sequence[Word]) -> list[list[list[Word]]]:
    """Lists whose members stand in front of brackets, each as the phrases of its members.

    Args:
        words: of the text.
    """
    found: list[list[list[Word]]] = []
    items: list[list[Word]] = []
    phrase: list[Word] = []
    depth, sentence = 0, -1
    for word in words:
        if word.sentence != sentence:
            sentence, phrase, depth = word.sentence, [], 0
            if len(items) > 1:
                found.append(items)
            items = []
        if word.low == "(":
            depth += 1
            if depth == 1 and phrase:
                items.append(phrase)
                phrase = []
        elif word.low == ")":
            depth = max(0, depth - 1)
        elif depth == 0:
            phrase = [*phrase, word] if word.low[:1].isalpha() and word.low not in _APART else []
    if len(items) > 1:
        found.append(items)
    return found


def beside(
    words: Sequence[Word], figures: Sequence[Figure], content: Callable[[str], str]
) -> list[list[list[Word]]]:
    """For each sentence with several like numbers the phrases in front of them, as long as the shortest of the later.

    Args:
        words: of the text.
        figures: numbers that measure the same thing.
        content: the key of a word, empty for words that name nothing.
    """
    starts = {f.start for f in figures}
    found: list[list[list[Word]]] = []
    for sentence in sorted({w.sentence for w in words if w.start in starts}):
        line = [w for w in words if w.sentence == sentence]
        at = [k for k, w in enumerate(line) if w.low == "#" and w.start in starts]
        if len(at) < 2:
            continue
        heads = [_names(line[: at[0]], content)]
        heads += [_names(line[a + 1 : b], content) for a, b in pairwise(at)]
        if not all(heads):
            continue
        longest = max(map(len, heads[1:]))
        found.append([heads[0][:longest], *heads[1:]])
    return found


def modified(words: Sequence[Word], content: Callable[[str], str]) -> list[list[list[Word]]]:
    """Words that stand in front of one noun that comes back: "the weather model", "the pest model".

    Args:
        words: of the text.
        content: the key of a word, empty for words that name nothing.
    """
    told: dict[str, dict[str, Word]] = {}
    for before, noun in pairwise(words):
        key, own = content(noun.low), content(before.low)
        if key and own and before.sentence == noun.sentence and key != own:
            told.setdefault(key, {}).setdefault(own, before)
    return [[[w] for w in some.values()] for some in told.values() if len(some) > 1]


def _names(between: Sequence[Word], content: Callable[[str], str]) -> list[Word]:
    """The words in front of a number that name something, from the last mark on."""
    marks = [k for k, w in enumerate(between) if w.low in _APART or not w.low[:1].isalpha()]
    own = between[marks[-1] + 1 :] if marks else between
    return [w for w in own if content(w.low)]
