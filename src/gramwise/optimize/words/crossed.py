"""Other ways to say of whom the numbers are, judged by the whole text: one number for each member, or for each pair.

The reader attaches numbers to names by local patterns. Where that leaves gaps, this module takes sets of names
(`crossed_names`) as hypotheses and asks for each one or two of them whether all numbers of a kind fall into place:
n times m numbers, one for each pair; n numbers, one for each member. A hypothesis under which numbers overlap or leave
a member without one is not offered for that kind. What the formulator makes of it is judged as any other reading is.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gramwise.optimize.typed.units import spell

from .assemble_quantity import unit_of
from .crossed_names import WHOSE, Names, Word, candidates, content, lexed
from .crossed_pointing import nearer, pointed
from .statement import Figure, Named, Reading

MOST_OFFERED = 3
_MOST_SENTENCES, _MOST_CANDIDATES = 10, 40
_NEAR = 40  # characters between a number and one that goes on from it
_Members = frozenset[int]
_Placing = dict[Figure, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Mention:
    at: int
    stop: int
    member: int
    sentence: int


class _Axis:
    """One set of names, and whom of it each number may be said of."""

    def __init__(self, names: Names, words: Sequence[Word], text: str = "") -> None:
        self.names, self.words = names, words
        parts = [frozenset(w.lower() for w in label.split()) for label in names.labels]
        self.mentions: list[_Mention] = []
        for word in words:
            last = self.mentions[-1] if self.mentions else None
            key = content(word.low)
            hit = next((k for k, keys in enumerate(names.keys) if key and key in keys), None)
            near = last is not None and word.start - last.stop <= 2 and word.sentence == last.sentence
            if (
                last is not None
                and near
                and (hit == last.member or (hit is None and word.low in parts[last.member]))
            ):
                self.mentions[-1] = replace(last, stop=word.end)
            elif hit is not None:
                self.mentions.append(_Mention(word.start, word.end, hit, word.sentence))
        self.order = tuple(dict.fromkeys(m.member for m in self.mentions))
        self._owners()
        self._pointed(text)

    def _owners(self) -> None:
        """ "He has hydro power, my flat gets 300", after "his laptop or my tower": where no name stands, its owner."""
        told = {m.sentence for m in self.mentions}
        for word in self.words:
            owner = WHOSE.get(word.low, "")
            if owner and owner in self.names.whose and word.sentence not in told:
                k = self.names.whose.index(owner)
                self.mentions.append(_Mention(word.start, word.end, k, word.sentence))
        self.mentions.sort(key=lambda m: m.at)

    def _pointed(self, text: str) -> None:
        """ "80 g up there and 260 g down here", where no name stands and one of two things is the speaker's."""
        near = nearer(text, self.names.labels)
        if near is None:
            return
        told = {m.sentence for m in self.mentions}
        for s in {w.sentence for w in self.words} - told:
            line = [w for w in self.words if w.sentence == s]
            points = pointed([w.low for w in line])
            for word in line:
                if word.low in points:
                    k = near if points[word.low] else 1 - near
                    self.mentions.append(_Mention(word.start, word.end, k, s))
        self.mentions.sort(key=lambda m: m.at)

    @property
    def size(self) -> int:
        return len(self.names.labels)

    def ways(self, chunk: Sequence[Figure], sentence: int) -> list[list[_Members]]:
        """Every way to say of which members the numbers of one sentence are; empty sets are no way."""
        inside = [m for m in self.mentions if m.sentence == sentence]
        found: list[list[_Members]] = []
        if inside:
            whom = {m.member for m in inside}
            found.append([self._before(f, inside) for f in chunk])
            found.append([self._behind(f, inside) for f in chunk])
            if len(whom) == 1:
                found.append([frozenset(whom)] * len(chunk))
        if len(chunk) == self.size and self._one_list(chunk):
            near = tuple(dict.fromkeys(m.member for m in inside))
            order = near if len(near) == self.size else self.order
            if len(order) == self.size and len({m.member for m in inside}) in (0, self.size):
                found.append([frozenset((k,)) for k in order])
        if (
            len(chunk) > self.size and len(chunk) % self.size == 0
        ):  # "A 5 J in the barn, 6 J in town; B 7 and 8 J"
            near = tuple(dict.fromkeys(m.member for m in inside))
            order = near if len(near) == self.size else self.order
            found.append([frozenset((order[k % self.size],)) for k in range(len(chunk))])
        if not inside:
            carried = self._carried(chunk[0])
            if carried:
                found.append([carried] * len(chunk))
            if len(chunk) > self.size and len(chunk) % self.size == 0 and len(self.order) == self.size:
                found.append([frozenset((self.order[k % self.size],)) for k in range(len(chunk))])
        unique: list[list[_Members]] = []
        for way in found:
            if all(way) and way not in unique:
                unique.append(way)
        return unique

    def _one_list(self, chunk: Sequence[Figure]) -> bool:
        """Whether nothing but commas and joints parts the numbers."""
        starts = [
            k for k, w in enumerate(self.words) if w.low == "#" and any(w.start == f.start for f in chunk)
        ]
        between = self.words[starts[0] : starts[-1] + 1] if starts else []
        return all(w.low in ("#", ",", "and", "or", "&") for w in between)

    def _before(self, figure: Figure, inside: Sequence[_Mention]) -> _Members:
        left = [m for m in inside if m.at < figure.start]
        return self._block(left[::-1]) if left else frozenset()

    def nearest(self, figure: Figure, inside: Sequence[_Mention]) -> frozenset[int]:
        """The members that stand in front of a number, with those that "and" joins to the nearest."""
        return self._before(figure, inside)

    def _behind(self, figure: Figure, inside: Sequence[_Mention]) -> _Members:
        right = [m for m in inside if m.at >= figure.end]
        return self._block(right) if right else frozenset()

    def _block(self, outward: Sequence[_Mention]) -> _Members:
        """The nearest mention with those that "and" joins to it."""
        members = [outward[0]]
        for one in outward[1:]:
            a, b = sorted((members[-1], one), key=lambda m: m.at)
            between = [w.low for w in self.words if a.stop <= w.start < b.at]
            if ("and" not in between and "," not in between) or any(
                w not in ("and", ",", "the", "both", "my", "a") for w in between
            ):
                break
            members.append(one)
        return frozenset(m.member for m in members)

    def _carried(self, figure: Figure) -> _Members:
        left = [m for m in self.mentions if m.at < figure.start]
        return frozenset((left[-1].member,)) if left else frozenset()


def rereadings(reading: Reading) -> tuple[Reading, ...]:
    """Readings of the same text with other sets of names, those first under which more numbers fall into place."""
    words = lexed(reading)
    kinds = _kinds(reading)
    found = candidates(reading, words, kinds)[:_MOST_CANDIDATES]
    axes = [a for a in (_Axis(names, words, reading.text) for names in found) if len(a.order) == a.size]
    where = {w.start: w.sentence for w in words if w.low == "#"}
    scored: list[tuple[float, int, tuple[_Axis, ...], _Placing]] = []
    pairs = [p for p in itertools.combinations(axes, 2) if not _overlap(*p)]
    for k, chosen in enumerate([*pairs, *((a,) for a in axes)]):
        placed: _Placing = {}
        for figures in kinds:
            placed |= _place(figures, chosen, where)
        if placed:
            crossed = sum(len(s) > 1 for s in placed.values())
            words_used = sum(len(key) for a in chosen for key in a.names.keys)
            scored.append((-(len(placed) + 0.1 * crossed) + 0.01 * words_used, k, chosen, placed))
    scored.sort(key=lambda s: s[:2])
    made: list[Reading] = []
    seen: list[frozenset[frozenset[str]]] = []
    for _, _, chosen, placed in scored:
        sets = [frozenset(a.names.keys) for a in chosen]
        if any(own < other for own in sets for other in seen):
            continue  # some of the names only: the others would be forgotten
        seen += sets
        new = _rewritten(reading, chosen, placed, where)
        if all(new.figures != old.figures for old in made):
            made.append(new)
        if len(made) == MOST_OFFERED:
            break
    return tuple(made)


def _overlap(a: _Axis, b: _Axis) -> bool:
    return bool(frozenset().union(*a.names.keys) & frozenset().union(*b.names.keys))


def _kinds(reading: Reading) -> list[list[Figure]]:
    """Numbers of prose by what they measure and whether they are limits."""
    kinds: dict[tuple[str, bool], list[Figure]] = {}
    latest: Figure | None = None
    for f in reading.figures:
        unit = unit_of(f)
        if latest is not None and _goes_on(latest, f):
            kinds[_kind(latest), latest.relation in ("at_most", "at_least")].append(f)
            continue
        whole = not f.unit and (f.noun or f.value == int(f.value))  # a count; "PUE 1.2" is none
        if f.row or f.column or f.clock or unit is None or whole:
            continue
        kinds.setdefault((_kind(f), f.relation in ("at_most", "at_least")), []).append(f)
        latest = f
    return [k for k in kinds.values() if len(k) > 1]


def _kind(figure: Figure) -> str:
    unit = unit_of(figure)
    return spell(unit.dims) if unit is not None else ""


def _goes_on(latest: Figure, figure: Figure) -> bool:
    """Whether a bare number counts on: "the bank sends 2000 questions a day, the museum 500"."""
    near = figure.clause == latest.clause or figure.start - latest.end < _NEAR
    bare = not figure.unit and not figure.noun and figure.value == int(figure.value) and not figure.row
    return bare and near and latest.unit.startswith("1/") and figure.relation == latest.relation


def _chunks(figures: Sequence[Figure], where: dict[int, int]) -> list[tuple[int, list[Figure]]]:
    return [(s, list(c)) for s, c in itertools.groupby(figures, key=lambda f: where.get(f.start, -1))]


def _place(figures: Sequence[Figure], axes: Sequence[_Axis], where: dict[int, int]) -> _Placing:
    """Of whom the numbers of one kind are; empty where they do not fall into place."""
    best: _Placing = {}
    parts: _Placing = {}
    for sentence, chunk in _chunks(figures, where):
        parts |= _part(sentence, chunk, axes)
    if len(set(parts.values())) == len(parts):
        best = parts
    for k, some in enumerate(_shares(figures, axes, where)):
        chunks = _chunks(some, where)
        if (len(some) <= len(best) and k) or len(chunks) > _MOST_SENTENCES:
            continue
        whole = _crossed(chunks, axes) if len(axes) == 2 else None
        whole = whole or next((p for a in axes if (p := _along(chunks, a))), None)
        if whole and (len(whole) > len(best) or (not k and len(chunks) > 1)):
            best = whole
    return best


def _shares(figures: Sequence[Figure], axes: Sequence[_Axis], where: dict[int, int]) -> list[list[Figure]]:
    """All numbers, those of sentences that name a member, and all but one of them."""
    named = {m.sentence for a in axes for m in a.mentions}
    told = [f for f in figures if where.get(f.start) in named]
    shares = [list(figures), told]
    shares += [[f for f in figures if f is not one] for one in reversed(figures)]
    return [s for k, s in enumerate(shares) if len(s) > 1 and s not in shares[:k]]


def _part(sentence: int, chunk: list[Figure], axes: Sequence[_Axis]) -> _Placing:
    """One sentence by itself, without a number at its end or its beginning if need be."""
    for cut in (slice(None), slice(None, -1), slice(1, None)):
        some = chunk[cut]
        if len(some) < 2:
            break
        for axis in axes:
            if not (alone := _along([(sentence, some)], axis)):
                continue
            if len(axes) == 2:
                other = axes[1] if axis is axes[0] else axes[0]
                inside = {m.member for m in other.mentions if m.sentence == sentence}
                if len(inside) == 1:
                    label = other.names.labels[inside.pop()]
                    return {f: (*s, label) for f, s in alone.items()}
            return alone
    return {}


def _crossed(chunks: Sequence[tuple[int, list[Figure]]], axes: Sequence[_Axis]) -> _Placing | None:
    a, b = axes
    if sum(len(c) for _, c in chunks) != a.size * b.size:
        return None

    def cells(sentence: int, chunk: list[Figure]) -> list[list[_Members]]:
        return [
            [frozenset(i * b.size + j for i in x for j in y) for x, y in zip(xs, ys, strict=True)]
            for xs in a.ways(chunk, sentence)
            for ys in b.ways(chunk, sentence)
        ]

    found = _cover(chunks, cells, a.size * b.size)
    if found is None:
        return None
    return {f: (a.names.labels[c // b.size], b.names.labels[c % b.size]) for f, (c,) in found.items()}


def _along(chunks: Sequence[tuple[int, list[Figure]]], axis: _Axis) -> _Placing | None:
    found = _cover(chunks, lambda sentence, chunk: axis.ways(chunk, sentence), axis.size)
    return (
        None
        if found is None
        else {f: tuple(axis.names.labels[k] for k in sorted(c)) for f, c in found.items()}
    )


def _cover(
    chunks: Sequence[tuple[int, list[Figure]]],
    ways: Callable[[int, list[Figure]], list[list[_Members]]],
    size: int,
) -> dict[Figure, _Members] | None:
    """A way for each sentence under which every place is taken exactly once; None where there is none."""
    options = [ways(sentence, chunk) for sentence, chunk in chunks]

    def search(k: int, taken: _Members) -> list[list[_Members]] | None:
        if k == len(options):
            return [] if len(taken) == size else None
        for way in options[k]:
            own = frozenset().union(*way)
            if len(own) == sum(map(len, way)) and not own & taken:
                rest = search(k + 1, taken | own)
                if rest is not None:
                    return [way, *rest]
        return None

    chosen = search(0, frozenset())
    if chosen is None:
        return None
    figures = [f for _, chunk in chunks for f in chunk]
    return dict(zip(figures, (m for way in chosen for m in way), strict=True))


def _rewritten(reading: Reading, axes: Sequence[_Axis], placed: _Placing, where: dict[int, int]) -> Reading:
    """The reading with these sets, and with the numbers said of their members."""
    keys = frozenset(w for a in axes for own in a.names.keys for w in own)
    sizes = {(a.names.noun, a.size) for a in axes}
    counted: dict[Figure, Figure] = {}
    for before, f in itertools.pairwise(reading.figures):
        latest = counted.get(before, before)
        if f in placed and _goes_on(replace(latest, clause=before.clause, end=before.end), f):
            counted[f] = replace(f, unit=latest.unit, noun=latest.noun)
    new = {
        f: replace(counted.get(f, f), subjects=placed.get(f) or _unplaced(f, axes, where))
        for f in reading.figures
    }
    groups = [
        Named(noun=a.names.noun, labels=a.names.labels, count=a.size, spans=(a.names.span,) * a.size)
        for a in axes
    ]
    for group in reading.groups:
        own = {content(w.lower()) for x in group.labels for w in x.split()}
        if not (own & keys) and (group.noun, group.count) not in sizes:
            groups.append(group)
    runs = tuple(
        replace(r, figures=tuple(new[f] for f in r.figures))
        for r in reading.runs
        if not any(f in placed for f in r.figures) and all(f in new for f in r.figures)
    )
    return replace(reading, figures=tuple(new[f] for f in reading.figures), runs=runs, groups=tuple(groups))


def _unplaced(figure: Figure, axes: Sequence[_Axis], where: dict[int, int]) -> tuple[str, ...]:
    """The members of which a number is that fell into no place; a count keeps those that it was read with."""
    if figure.unit:
        return _alone(figure, axes, where)
    known = {label for axis in axes for label in axis.names.labels}
    kept = tuple(label for label in figure.subjects if label in known)
    if kept or figure.relation == "is":
        return kept
    inside = [[m for m in a.mentions if m.sentence == where.get(figure.start, -1)] for a in axes]
    told = [(axis, some) for axis, some in zip(axes, inside, strict=True) if some]
    if len(told) != 1:
        return ()
    axis, some = told[0]
    return tuple(axis.names.labels[k] for k in sorted(axis.nearest(figure, some)))


def _alone(figure: Figure, axes: Sequence[_Axis], where: dict[int, int]) -> tuple[str, ...]:
    """The members of which a number is that fell into no place: those that its sentence, or its part of it, names."""
    sentence = where.get(figure.start, -1)
    found = []
    for axis in axes:
        inside = [m for m in axis.mentions if m.sentence == sentence]
        marks = [w.end for w in axis.words if w.low == "," and w.end <= figure.start]
        near = [m for m in inside if (marks[-1] if marks else 0) <= m.at < figure.start]
        whom = (
            {m.member for m in inside} if len({m.member for m in inside}) == 1 else {m.member for m in near}
        )
        if len(whom) == 1:
            found.append(axis.names.labels[whom.pop()])
    if found:
        return tuple(found)
    old = {content(w) for label in figure.subjects for w in label.lower().split()}
    kept = [
        label for a in axes for label, keys in zip(a.names.labels, a.names.keys, strict=True) if keys & old
    ]
    return tuple(kept) if len(kept) == 1 else ()
