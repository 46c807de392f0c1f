"""Things told one after the other by the same kinds of numbers: "A takes 1.2 J and reaches 71 %, B 3.5 J and 78 %".

Whatever the words are, a text that repeats one sequence of kinds (energy, share, energy, share, ...) speaks of as many
things as there are repetitions, and the words that differ between the repetitions name them. This module reads such
blocks by that shape alone: each number is said of the thing of its repetition, and the numbers at one place of the
sequence belong together. It is a hypothesis beside the first reading; the formulator takes it only if the whole text
then finds its place.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from .assemble_cues import stem
from .assemble_quantity import unit_of
from .statement import Figure, Named, Reading, Run

_LONGEST, _MOST_BLOCKS = 6, 3
_STRONG, _WEAK = 3.0, 1.0
_WORD = re.compile(r"[A-Za-z0-9][\w'+-]*")
_CUT = re.compile(r"[:.;!?\n|](?=\s|$)|[(\n|]|\s[-*–—]\s|^\s*[-*]\s")
_PLAIN_WORDS = """
a an the and or but if of for with at on in to by from is are was does do it its this that these those which
each every per one uses use takes take needs need draws draw reaches reach gets get has have costs cost runs run
spends spend consumes consume then while whereas would will only about as well our your my her his their she he we
they i you
"""
_PLAIN = frozenset(_PLAIN_WORDS.split())
"""Words that name nothing by themselves."""


@dataclass(frozen=True, slots=True)
class _Block:
    """Repetitions of one sequence: the figures row by row, a label and its characters for each row."""

    rows: tuple[tuple[Figure, ...], ...]
    labels: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    noun: str
    worth: float

    @property
    def figures(self) -> tuple[Figure, ...]:
        return tuple(f for row in self.rows for f in row)


def recorded(reading: Reading) -> tuple[Reading, ...]:
    """Readings in which repeated sequences of numbers are things with the same quantities each.

    Args:
        reading: the text, read.

    Returns:
        at most two: all blocks that do not overlap, the best first; and the best alone if there are several.
    """
    prose = [f for f in reading.figures if not (f.row or f.column or f.clock)]
    chosen: list[_Block] = []
    for block in sorted(_blocks(prose, reading), key=lambda b: -b.worth):
        taken = {f for one in chosen for f in one.figures}
        same = {x for one in chosen for x in one.labels} & set(block.labels)
        if not taken & set(block.figures) and not same and len(chosen) < _MOST_BLOCKS:
            chosen.append(block)
    if not chosen:
        return ()
    made = [_rewritten(reading, chosen)]
    if len(chosen) > 1:
        made.append(_rewritten(reading, chosen[:1]))
    return tuple(made)


def all_told(reading: Reading, cited: Collection[str]) -> bool:
    """Whether every number in a column and every limit has its place; a hypothesis is taken on no less.

    Args:
        reading: the text, read in another way.
        cited: sources of what the problem uses.
    """
    columns = {f for r in reading.runs if len(r.over) == len(r.figures) for f in r.figures}
    limits = {f for f in reading.figures if f.relation in ("at_most", "at_least")}
    return all(f"text:{f.start}-{f.end}" in cited for f in columns | limits if f.value != 1 or f.unit)


def _blocks(figures: Sequence[Figure], reading: Reading) -> Iterator[_Block]:
    kinds = [_kind(f) for f in figures]
    for width in range(1, _LONGEST + 1):
        for first in range(len(figures) - 2 * width + 1):
            pattern = kinds[first : first + width]
            if None in pattern or (width > 1 and _periodic(pattern)):
                continue
            count = 1
            while _like(kinds[first + count * width : first + (count + 1) * width], pattern):
                count += 1
            for rows in range(count, 1, -1):
                block = _block(figures[first : first + rows * width], width, figures, first, reading)
                if block is not None:
                    yield block
                    break


def _kind(figure: Figure) -> str | None:
    """What a number measures; "" for a bare one, None for a count of things."""
    unit = unit_of(figure)
    if not figure.unit:
        return None if figure.noun else ""
    if unit is None:
        return figure.unit
    if figure.unit == "percent":
        return "percent"
    return str(unit.dims[:-1])


def _periodic(pattern: Sequence[str | None]) -> bool:
    return any(
        len(pattern) % n == 0 and list(pattern) == list(pattern[:n]) * (len(pattern) // n)
        for n in range(1, len(pattern))
    )


def _like(kinds: Sequence[str | None], pattern: Sequence[str | None]) -> bool:
    """Whether a row goes on: the same kinds, where a bare number may leave its unit out."""
    same = sum(a == b for a, b in zip(kinds, pattern, strict=False))
    bare = sum(a == "" != b for a, b in zip(kinds, pattern, strict=False))
    return len(kinds) == len(pattern) == same + bare and same > 0


def _block(
    some: Sequence[Figure], width: int, figures: Sequence[Figure], first: int, reading: Reading
) -> _Block | None:
    text = reading.text
    rows = tuple(tuple(some[k : k + width]) for k in range(0, len(some), width))
    before = figures[first - 1].end if first else 0
    spans = [(before, rows[0][0].start)]
    spans += [(a[-1].end, b[0].start) for a, b in pairwise(rows)]
    inside = [text[a.end : b.start] for row in rows for a, b in pairwise(row)]
    worth = _mean(_parting(text[a:b]) for a, b in spans[1:]) - _mean(map(_parting, inside))
    known = _known(spans, reading)
    if known is not None and len({x.lower() for x in known[0]}) < len(rows):
        return None  # the same thing again
    named = known or _labels(spans, text)
    if named is None or (width == 1 and not known) or worth + (1.0 if known else 0.0) <= 0:
        return None  # one number each and no names is too little to go by
    labels, places = named
    noun = _noun(labels, spans, text, reading)
    return _Block(rows, labels, places, noun, len(some) + 0.5 * width + 0.1 * worth)


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / max(1, len(listed))


def _parting(gap: str) -> float:
    """How much the characters between two numbers part them."""
    if re.search(r"[.;!?](\s|$)|\n", gap):
        return _STRONG
    if ")" in gap:
        return _STRONG - 0.5
    return _WEAK if re.search(r",|\band\b|\bor\b", gap) else 0.0


def _labels(
    spans: Sequence[tuple[int, int]], text: str
) -> tuple[tuple[str, ...], tuple[tuple[int, int], ...]] | None:
    """What is said in front of one row and of no other."""
    regions = [_region(text, a, b) for a, b in spans]
    common = [{stem(w[0]) for part in r[: 1 if k else 2] for w in part} for k, r in enumerate(regions)]
    found: list[tuple[str, tuple[int, int]]] = []
    for k, parts in enumerate(regions):
        others = set().union(*(c for j, c in enumerate(common) if j != k))
        own = [[w for w in p if stem(w[0]) not in others and w[0].lower() not in _PLAIN] for p in parts]
        at = next((i for i, words in enumerate(own) if words), None)
        if at is None:
            return None
        region, mine = parts[at], own[at]
        start = stop = region.index(mine[0])
        while stop + 1 < len(region) and region[stop + 1] in mine and stop - start < 2:
            stop += 1
        a, b = region[start][1], region[stop][2]
        found.append((text[a:b], (a, b)))
    labels = tuple(label for label, _ in found)
    return (
        (labels, tuple(span for _, span in found))
        if len({x.lower() for x in labels}) == len(labels)
        else None
    )


def _known(
    spans: Sequence[tuple[int, int]], reading: Reading
) -> tuple[tuple[str, ...], tuple[tuple[int, int], ...]] | None:
    """The reader's own names, where one of one kind stands in front of each row."""
    for group in reading.groups:
        if len(group.labels) < len(spans):
            continue
        hits = []
        for a, b in spans:
            region = reading.text[a:b].lower()
            at = {x: region.rfind(x.lower()) for x in group.labels}
            told = [
                x for x in group.labels if at[x] >= 0 and re.search(rf"\b{re.escape(x.lower())}\b", region)
            ]
            if not told:
                break
            label = max(told, key=lambda x: (at[x], len(x)))
            hits.append((label, (a + at[label], a + at[label] + len(label))))
        labels = tuple(x for x, _ in hits)
        if len(hits) == len(spans):
            return labels, tuple(s for _, s in hits)
    return None


def _region(text: str, start: int, stop: int) -> list[list[tuple[str, int, int]]]:
    """Words in front of a row with their characters, in the parts that strong marks make, the last part first."""
    piece = text[start:stop]
    edges = [0, *(m.end() for m in _CUT.finditer(piece)), len(piece)]
    parts = [
        [(m[0], start + m.start(), start + m.end()) for m in _WORD.finditer(piece, a, b)]
        for a, b in pairwise(edges)
    ]
    return [p[-8:] for p in reversed(parts) if p][:3]


def _noun(labels: Sequence[str], spans: Sequence[tuple[int, int]], text: str, reading: Reading) -> str:
    """The noun of the names: the reader's, what is counted so many times, or what stands in front of the list."""
    for group in reading.groups:
        if group.noun and set(group.labels) >= set(labels):
            return group.noun
    for group in reading.groups:
        if group.noun and group.count == len(labels):
            return group.noun
    return ""


def _rewritten(reading: Reading, blocks: Sequence[_Block]) -> Reading:
    """The reading with these things as groups and their numbers said of them and in columns."""
    new: dict[Figure, Figure] = {}
    runs: list[Run] = []
    for block in blocks:
        columns = [[row[k] for row in block.rows] for k in range(len(block.rows[0]))]
        for column in columns:
            model = next((f for f in column if f.unit), column[0])
            for figure, label in zip(column, block.labels, strict=True):
                whole = replace(figure, unit=figure.unit or model.unit, subjects=(label,))
                new[figure] = whole
            if len(columns) > 1:
                head = tuple(w for w in column[0].before[-column[0].own_before :] if column[0].own_before)
                runs.append(Run(figures=tuple(new[f] for f in column), over=block.labels, head=head))
    words = {stem(w) for b in blocks for x in b.labels for w in _WORD.findall(x)}
    names = {x for b in blocks for x in b.labels}
    kept = [
        g
        for g in reading.groups
        if not g.labels
        or not any(x in names or {stem(w) for w in _WORD.findall(x)} & words for x in g.labels)
    ]
    gone = {x for g in reading.groups if g not in kept for x in g.labels} - names
    for f in reading.figures:
        if f not in new:
            new[f] = replace(f, subjects=tuple(s for s in f.subjects if s not in gone))
    sizes = {(b.noun, len(b.labels)) for b in blocks}
    groups = [
        *(Named(noun=b.noun, labels=b.labels, count=len(b.labels), spans=b.spans) for b in blocks),
        *(g for g in kept if g.labels or (g.noun, g.count) not in sizes),
    ]
    used = {f for b in blocks for f in b.figures}
    runs += [
        replace(r, figures=tuple(new[f] for f in r.figures))
        for r in reading.runs
        if not used & set(r.figures) and all(f in new for f in r.figures)
    ]
    runs.sort(key=lambda r: r.figures[0].start)
    return replace(
        reading, figures=tuple(new[f] for f in reading.figures), runs=tuple(runs), groups=tuple(groups)
    )
