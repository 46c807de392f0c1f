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
from .crossed_names import Names, Word, candidates, content, lexed
from .statement import Figure, Named, Reading

MOST_OFFERED = 3
_MOST_SENTENCES, _MOST_CANDIDATES = 10, 40
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

    def __init__(self, names: Names, words: Sequence[Word]) -> None:
        self.names, self.words = names, words
        self.mentions: list[_Mention] = []
        for word in words:
            key = content(word.low)
            hit = next((k for k, keys in enumerate(names.keys) if key and key in keys), None)
            if hit is None and word.low in names.whose:
                continue
            if hit is not None:
                last = self.mentions[-1] if self.mentions else None
                if last is not None and last.member == hit and word.start - last.stop <= 2:
                    self.mentions[-1] = replace(last, stop=word.end)
                else:
                    self.mentions.append(_Mention(word.start, word.end, hit, word.sentence))
        self.order = tuple(dict.fromkeys(m.member for m in self.mentions))

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
        if not inside:
            carried = self._owner(sentence) or self._carried(chunk[0])
            if carried:
                found.append([carried] * len(chunk))
        unique: list[list[_Members]] = []
        for way in found:
            if all(way) and way not in unique:
                unique.append(way)
        return unique

    def _one_list(self, chunk: Sequence[Figure]) -> bool:
        """Whether nothing but commas and joints parts the numbers."""
        starts = [k for k, w in enumerate(self.words) if w.low == "#" and any(w.start == f.start for f in chunk)]
        between = self.words[starts[0] : starts[-1] + 1] if starts else []
        return all(w.low in ("#", ",", "and", "or", "&") for w in between)

    def _before(self, figure: Figure, inside: Sequence[_Mention]) -> _Members:
        left = [m for m in inside if m.at < figure.start]
        return self._block(left[::-1]) if left else frozenset()

    def _behind(self, figure: Figure, inside: Sequence[_Mention]) -> _Members:
        right = [m for m in inside if m.at >= figure.end]
        return self._block(right) if right else frozenset()

    def _block(self, outward: Sequence[_Mention]) -> _Members:
        """The nearest mention with those that "and" joins to it."""
        members = [outward[0]]
        for one in outward[1:]:
            a, b = sorted((members[-1], one), key=lambda m: m.at)
            between = [w.low for w in self.words if a.stop <= w.start < b.at]
            if "and" not in between and "," not in between or any(w not in ("and", ",", "the", "both", "my", "a") for w in between):
                break
            members.append(one)
        return frozenset(m.member for m in members)

    def _owner(self, sentence: int) -> _Members:
        """ "He has hydro power", after "his laptop or my tower"."""
        from .crossed_names import _WHOSE

        said = {_WHOSE.get(w.low) for w in self.words if w.sentence == sentence} & set(self.names.whose)
        return frozenset(self.names.whose.index(s) for s in said if s) if len(said) == 1 else frozenset()

    def _carried(self, figure: Figure) -> _Members:
        left = [m for m in self.mentions if m.at < figure.start]
        return frozenset((left[-1].member,)) if left else frozenset()


def regroupings(reading: Reading) -> tuple[Reading, ...]:
    """Readings of the same text with other sets of names, those first under which more numbers fall into place."""
    words = lexed(reading)
    kinds = _kinds(reading)
    found = candidates(reading, words, kinds)[:_MOST_CANDIDATES]
    axes = [a for a in (_Axis(names, words) for names in found) if len(a.order) == a.size]
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
    for _, _, chosen, placed in scored:
        new = _rewritten(reading, chosen, placed)
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
    for f in reading.figures:
        unit = unit_of(f)
        if f.row or f.column or f.clock or unit is None or not f.unit:
            continue
        kinds.setdefault((spell(unit.dims), f.relation in ("at_most", "at_least")), []).append(f)
    return [k for k in kinds.values() if len(k) > 1]


def _chunks(figures: Sequence[Figure], where: dict[int, int]) -> list[tuple[int, list[Figure]]]:
    return [
        (s, list(c)) for s, c in itertools.groupby(figures, key=lambda f: where.get(f.start, -1))
    ]


def _place(figures: Sequence[Figure], axes: Sequence[_Axis], where: dict[int, int]) -> _Placing:
    """Of whom the numbers of one kind are; empty where they do not fall into place."""
    chunks = _chunks(figures, where)
    if len(chunks) <= _MOST_SENTENCES:
        whole = _crossed(chunks, axes) if len(axes) == 2 else None
        whole = whole or next((p for a in axes if (p := _along(chunks, a))), None)
        if whole:
            return whole
    placed: _Placing = {}
    for sentence, chunk in chunks:
        placed |= _part(sentence, chunk, axes)
    return placed


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
    return None if found is None else {f: tuple(axis.names.labels[k] for k in sorted(c)) for f, c in found.items()}


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


def _rewritten(reading: Reading, axes: Sequence[_Axis], placed: _Placing) -> Reading:
    """The reading with these sets, and with the numbers said of their members."""
    ours = {label for a in axes for label in a.names.labels}
    keys = frozenset().union(*(k for a in axes for k in frozenset().union(*a.names.keys)) if False else [k for a in axes for k in a.names.keys])
    sizes = {(a.names.noun, a.size) for a in axes}
    new = {f: replace(f, subjects=placed[f] if f in placed else tuple(s for s in f.subjects if s in ours)) for f in reading.figures}
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
