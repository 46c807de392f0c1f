"""Who a text may be about, as hypotheses: things listed side by side, things quoted, and words that come back beside
like numbers. None of them is believed here; `crossed` keeps those that explain the numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from .crossed_lists import beside, bracketed, modified
from .reading.unitwords import singular
from .reading.vocabulary import words as vocabulary
from .statement import Figure, Reading

_WORD = re.compile(r"[A-Za-z]\w*(?:['’-]\w+)*|[.!?;:,()\n\"'“”‘’|]|&")
_STOP = vocabulary("crossed.stop")
_BREAKS = vocabulary("crossed.breaks")
_JOINTS = frozenset(("and", "or", "&", "versus", "vs", "nor"))
_MOST_WORDS, _MOST_MEMBERS = 5, 8
_SHORT = 60  # a line that ends earlier was ended on purpose
WHOSE = {
    word: owner
    for owner, said in (
        ("he", ("he", "his", "him")),
        ("she", ("she", "her", "hers")),
        ("i", ("i", "my", "mine")),
        ("we", ("we", "our", "ours")),
        ("you", ("you", "your")),
        ("they", ("their", "theirs")),
    )
    for word in said
}
"""Words that name an owner."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word or mark outside numbers, or a number: ``low`` is "#" then."""

    low: str
    text: str
    start: int
    end: int
    sentence: int


@dataclass(frozen=True, slots=True)
class Names:
    """Names that may be one set.

    Attributes:
        labels: what to call them.
        keys: for each, the words that mean it and none of the others.
        noun: what they are called together, empty where nobody says it.
        span: characters of the list, or of the first mention.
        whose: for each, the owner's pronoun ("my tower": "i"), empty where the owners do not tell them apart.
    """

    labels: tuple[str, ...]
    keys: tuple[frozenset[str], ...]
    span: tuple[int, int]
    noun: str = ""
    whose: tuple[str, ...] = ()


def lexed(reading: Reading) -> list[Word]:
    """The text as words, marks and numbers; ";" and line ends part sentences as full stops do."""
    text = reading.text
    spans = sorted((f.start, f.end) for f in reading.figures if f.unit or not f.noun)
    spans += [
        (f.start, f.start + len(_first_word(text, f.start))) for f in reading.figures if f.noun and not f.unit
    ]
    pieces = [(a, b, "#") for a, b in spans]
    inside = [False] * len(text)
    for a, b in spans:
        inside[a:b] = [True] * (b - a)
    pieces += [(m.start(), m.end(), m.group().lower()) for m in _WORD.finditer(text) if not inside[m.start()]]
    words: list[Word] = []
    sentence = 0
    for start, end, low in sorted(pieces):
        ends = low in ("!", "?", ";") or (low == "." and not text[end : end + 1].strip())
        ends = ends or (low == "\n" and not _wrapped(text, start))
        words.append(Word(low.removesuffix("'s").removesuffix("’s"), text[start:end], start, end, sentence))
        sentence += ends
    return words


def _first_word(text: str, at: int) -> str:
    return text[at:].split(maxsplit=1)[0]


def _wrapped(text: str, at: int) -> bool:
    """Whether a line end only wraps a sentence: a long line without a mark at its end, and no bullet behind it."""
    line = text[text.rfind("\n", 0, at) + 1 : at].rstrip()
    goes_on = not re.match(r"\s*([-*•|]|\d+[.)]\s|\n|$)", text[at + 1 :])
    return len(line) > _SHORT and line[-1:] not in ".:;!?|" and goes_on


def content(word: str) -> str:
    """The word as a key: singular; empty for words that name nothing."""
    return "" if word in _STOP or not word[:1].isalpha() else singular(word)


def candidates(reading: Reading, words: Sequence[Word], like: Iterable[Sequence[Figure]]) -> list[Names]:
    """All sets of names that the text may be about, each once.

    Args:
        reading: the text.
        words: of `lexed`.
        like: numbers that measure the same thing, in the order of the text.
    """
    found = [*_known(reading), *_listed(words), *_quoted(reading, words)]
    for figures in like:
        found += [*_recurring(words, figures), *_in_turn(words, figures)]
    phrased = (
        bracketed(words)
        + modified(words, content)
        + [items for figures in like for items in beside(words, figures, content)]
    )
    found += [names for items in phrased if (names := named(items)) is not None]
    unique: dict[tuple[frozenset[str], ...], Names] = {}
    for names in found:
        if 2 <= len(names.labels) <= _MOST_MEMBERS and all(names.keys):
            unique.setdefault(names.keys, names)
    counted = [g for g in reading.groups if g.count and not g.labels and g.spans]
    made = []
    for names in unique.values():
        near = [g for g in counted if g.count == len(names.labels) and g.spans[0][0] <= names.span[0]]
        noun = names.noun or (near[-1].noun if near else "")
        made.append(replace(names, noun=noun))
    return made


def named(items: Sequence[Sequence[Word]], noun: str = "") -> Names | None:
    """The set of these phrases; None where one of them has no word of its own."""
    held = [
        {k for w in item for part in (w.low, *w.low.split("-")) if (k := content(part))} for item in items
    ]
    keys = []
    for i, own in enumerate(held):
        others = set().union(*(h for j, h in enumerate(held) if j != i))
        keys.append(frozenset(own - others - ({noun} if noun else set())))
    if not all(keys):
        return None
    whose = [{WHOSE[w.low] for w in item if w.low in WHOSE} for item in items]
    own_by = tuple(next(iter(w)) for w in whose if len(w) == 1)
    labels = []
    for item in items:
        rest = list(item)
        while len(rest) > 1 and not content(rest[0].low):
            rest = rest[1:]
        while len(rest) > 1 and not content(rest[-1].low):
            rest = rest[:-1]
        labels.append(" ".join(w.text for w in rest))
    told_apart = len(set(own_by)) == len(items)
    return Names(
        tuple(labels), tuple(keys), (items[0][0].start, items[-1][-1].end), noun, own_by if told_apart else ()
    )


def _known(reading: Reading) -> list[Names]:
    found = []
    for group in reading.groups:
        if len(group.labels) >= 2:
            at = [reading.text.lower().find(x.lower()) for x in group.labels]
            items = [
                [Word(w.lower(), w, max(a, 0), max(a, 0) + 1, 0) for w in re.findall(r"[\w'-]+", x)]
                for a, x in zip(at, group.labels, strict=True)
            ]
            names = named(items) if all(items) else None
            if names is not None:
                found.append(replace(names, labels=group.labels, noun=group.noun))
    return found


def _listed(words: Sequence[Word]) -> list[Names]:
    """Phrases that commas and a joint hold together: "the wedding, the hike and the concert", "his PC or my tower"."""
    found: list[Names] = []
    for at, word in enumerate(words):
        if word.low not in _JOINTS:
            continue
        last = _forward(words, at + 1)
        items = [last] if last else []
        here = at - 1
        while items and len(items) < _MOST_MEMBERS:
            if here >= 0 and words[here].low in (",",) and len(items) == 1:
                here -= 1
            item, here = _backward(words, here)
            if not item:
                break
            items.insert(0, item)
            if here < 0 or words[here].low != ",":
                break
            here -= 1
        for first in range(len(items) - 1):
            for short in (False, True):
                rest = [list(i) for i in items[first:]]
                longest = max(len(i) for i in rest[1:])
                rest[0] = rest[0][-1:] if short else rest[0][-longest:]
                rest[-1] = _headed(rest[-1], rest[:-1])
                names = named(rest)
                if names is not None:
                    found.append(names)
    return found


def _headed(item: list[Word], others: Sequence[Sequence[Word]]) -> list[Word]:
    """The last phrase without what follows it behind a preposition that no other phrase has."""
    said = {w.low for other in others for w in other}
    for k, word in enumerate(item):
        if (
            k
            and word.low in ("in", "on", "at", "for", "to", "with", "from", "as", "by", "of")
            and word.low not in said
        ):
            return item[:k]
    return item


def _forward(words: Sequence[Word], at: int) -> list[Word]:
    item: list[Word] = []
    while at < len(words) and len(item) <= _MOST_WORDS:
        word = words[at]
        if not word.low[:1].isalpha() or word.low in _BREAKS or word.low in _JOINTS:
            break
        item.append(word)
        at += 1
    return item if any(content(w.low) for w in item) else []


def _backward(words: Sequence[Word], at: int) -> tuple[list[Word], int]:
    item: list[Word] = []
    while at >= 0:
        word = words[at]
        if not word.low[:1].isalpha() or word.low in _BREAKS:
            break
        item.insert(0, word)
        at -= 1
    return (item if any(content(w.low) for w in item) else []), at


def _quoted(reading: Reading, words: Sequence[Word]) -> list[Names]:
    """Names in quotation marks."""
    spans = [m.span(1) for m in re.finditer(r"(?<!\w)[\"'“‘]([^\"'“”‘’\n]{1,30})[\"'”’](?!\w)", reading.text)]
    items: dict[str, list[Word]] = {}
    for a, b in spans:
        item = [w for w in words if a <= w.start and w.end <= b and w.low[:1].isalpha()]
        if item:
            items.setdefault(reading.text[a:b].lower(), item)
    names = named(list(items.values())) if len(items) > 1 else None
    return [names] if names is not None else []


def _recurring(words: Sequence[Word], figures: Sequence[Figure]) -> list[Names]:
    """Words that come back in each sentence beside like numbers, and what opens these sentences."""
    where = {w.start: w.sentence for w in words if w.low == "#"}
    told: dict[int, int] = {}
    for f in figures:
        if f.start in where:
            told[where[f.start]] = told.get(where[f.start], 0) + 1
    found: list[Names] = []
    for m in set(told.values()):
        lines = [s for s, n in told.items() if n == m]
        if len(lines) < 2:
            continue
        inside = [[w for w in words if w.sentence == s] for s in lines]
        leads = [_lead(line) for line in inside]
        if all(leads):
            names = named(leads)
            found += [names] if names is not None else []
        if m < 2:
            continue
        spared = [[x for x in inside if x is not y] for y in inside] if len(inside) > 2 else []
        for told_alike in (inside, *spared):  # one line may leave the words to the order of the others
            found += _common(told_alike, m)
    return found


def _common(lines: Sequence[Sequence[Word]], m: int) -> list[Names]:
    """Sets of m phrases of words that every line has."""
    common = set.intersection(*({content(w.low) for w in line} - {""} for line in lines))
    phrases = _phrases([w for w in lines[0] if content(w.low) in common], lines[0])
    if not m <= len(phrases) <= 8:
        return []
    return [names for some in combinations(phrases, m) if (names := named(some)) is not None]


def _in_turn(words: Sequence[Word], figures: Sequence[Figure]) -> list[Names]:
    """Phrases in front of the numbers of one sentence: "the bank sends 2000, the museum 500 and the agency 800"."""
    starts = {f.start for f in figures}
    found: list[Names] = []
    for sentence in dict.fromkeys(w.sentence for w in words if w.start in starts and w.low == "#"):
        line = [w for w in words if w.sentence == sentence]
        numbers = [k for k, w in enumerate(line) if w.low == "#"]
        leads = []
        for before, at in zip([-1, *numbers], numbers, strict=False):
            piece = line[before + 1 : at]
            cut = max((k for k, w in enumerate(piece) if w.low in (",", "and", "but", "while")), default=-1)
            leads.append(_lead(piece[cut + 1 :]))
        names = named(leads) if len(leads) > 1 and all(leads) else None
        found += [names] if names is not None else []
    return found


def _phrases(kept: Sequence[Word], line: Sequence[Word]) -> list[list[Word]]:
    """Neighbouring words as one phrase, each phrase once."""
    phrases: list[list[Word]] = []
    for word in kept:
        before = line[line.index(word) - 1] if line.index(word) else None
        if phrases and before is not None and phrases[-1][-1] is before:
            phrases[-1].append(word)
        else:
            phrases.append([word])
    unique = {" ".join(w.low for w in p): p for p in reversed(phrases)}
    return list(reversed(list(unique.values())))


def _lead(line: Sequence[Word]) -> list[Word]:
    """The phrase that opens a line: up to a mark, a number or a verb."""
    lead: list[Word] = []
    for word in line:
        if not word.low[:1].isalpha() or word.low in _BREAKS:
            if lead:
                break
            continue
        if not lead and not content(word.low):
            continue
        if lead and word.low in ("in", "on", "at", "for", "with", "from"):
            break
        lead.append(word)
    return lead[:_MOST_WORDS]
