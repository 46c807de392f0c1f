"""Names that are told the same numbers in turn: "Oslo spends 1.4 kWh on its 9,000 scans, Turin 1.1 kWh on 6,500".

Such a sentence is a table in prose. Its first row says what each number measures; the bare numbers of the later rows
measure the same, place by place, and the names are of one kind.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from .clauses import Piece
from .members import Member
from .phrases import dimension
from .quantities import Quantity
from .tokens import Token

_LEAST = 3
_FAR = 7
"""Words that may stand between two numbers of one row."""


@dataclass(slots=True)
class _Row:
    member: Member
    stop: int
    cells: list[Quantity] = field(default_factory=list)


def told_in_turn(
    tokens: list[Token], cuts: list[Piece], found: list[Quantity], people: list[Member]
) -> list[tuple[Member, Member]]:
    """Pairs of names that are told the same in turn; bare numbers of their rows get unit and noun of the first row.

    Args:
        tokens: of the text.
        cuts: its clauses.
        found: its quantities, changed in place.
        people: all members, not yet grouped.
    """
    pairs: list[tuple[Member, Member]] = []
    for chain in _chains(_rows(tokens, cuts, found, people)):
        first, *others = chain
        for row in others:
            for told, cell in zip(first.cells, row.cells, strict=True):
                if cell.bare and not told.bare:
                    cell.unit, cell.mass, cell.per = told.unit, told.mass, told.per
                    cell.noun, cell.each, cell.listed = told.noun, told.each, -1
                    told.listed = -1
        pairs += [(a.member, b.member) for a, b in pairwise(chain)]
    return pairs


def _rows(
    tokens: list[Token], cuts: list[Piece], found: list[Quantity], people: list[Member]
) -> list[list[_Row]]:
    """Rows of each sentence: a name and the numbers behind it, up to the next name."""
    marks = sorted(
        [(a, b, m) for m in people for a, b in m.mentions if m.label[:1].isupper()], key=lambda mark: mark[0]
    )
    sentences: dict[int, list[_Row]] = {}
    at = 0
    last: _Row | None = None
    for quantity in found:
        sentence = cuts[quantity.clause].sentence
        begin = next(c.first for c in cuts if c.sentence == sentence)
        while at < len(marks) and marks[at][1] <= quantity.first:
            last = _Row(marks[at][2], marks[at][1])
            if last.stop > begin:
                sentences.setdefault(sentence, []).append(last)
            at += 1
        if last is None or last.stop <= begin:
            continue
        near = quantity.first - (last.cells[-1].last if last.cells else last.stop)
        if near <= _FAR and not quantity.clock:
            last.cells.append(quantity)
    return list(sentences.values())


def _chains(sentences: list[list[_Row]]) -> list[list[_Row]]:
    """Longest stretches of like rows: other names, equally many numbers, of the kinds of the first row."""
    chains = []
    for rows in sentences:
        chain: list[_Row] = []
        for row in rows:
            if chain and _like(chain, row):
                chain.append(row)
                continue
            if len(chain) >= _LEAST:
                chains.append(chain)
            chain = [row] if row.cells else []
        if len(chain) >= _LEAST:
            chains.append(chain)
    return [c for c in chains if any(cell.bare for row in c[1:] for cell in row.cells)]


def _like(chain: list[_Row], row: _Row) -> bool:
    first = chain[0]
    if len(first.cells) != len(row.cells) or any(row.member is r.member for r in chain):
        return False
    return all(
        b.bare or (dimension(a.unit) == dimension(b.unit) and (a.noun == b.noun or not b.noun))
        for a, b in zip(first.cells, row.cells, strict=True)
    )
