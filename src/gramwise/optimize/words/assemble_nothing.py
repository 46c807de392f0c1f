"""Zeros that are told in words: "11 joules in the doorbell and nothing else", "cut C: device 3 J, nothing sent".

"Nothing" is a number where others of its kind are told for the other members. It counts for the symbol that the words
around it speak of; "nothing else" counts for all that is open of that member. The word itself is the source.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from gramwise.optimize.knowledge.entry import Symbol

from .assemble_arrays import Array
from .assemble_cues import Lexicon
from .assemble_groups import Frame
from .statement import Clause, Figure, Reading

_NOTHING = re.compile(r"\b(nothing (?:else|more|further)|nothing|none|no(?= [a-z]+))\b", re.IGNORECASE)
_NOT_SO = re.compile(
    r"^no (problem|issue|constraint|upper|cap|ceiling|worry|restriction|bound|maximum|obstacle|difference"
    r"|more|less|later|fewer|one|site|other|matter|need|longer|limit|battery|job|model)\b",
    re.I,
)
_WORD = re.compile(r"[a-z0-9'-]+")
_KINDS = frozenset(("J", "bit", "s", "W", "kWh"))


def told_nothing(
    missing: Sequence[Symbol], given: Mapping[str, Array], frame: Frame, lexicon: Lexicon, reading: Reading
) -> list[tuple[str, int, tuple[int, int]]]:
    """Gaps that the text fills with a word for zero: symbol, flattened position and the characters of the word.

    Args:
        missing: symbols that would be asked for.
        given: arrays, those with gaps included.
        frame: members of the sets.
        lexicon: cues of the symbols.
        reading: the text, read.
    """
    arrays = [given[s.name] for s in missing if s.name in given]
    arrays = [a for a in arrays if len(a.symbol.index) == 1 and a.symbol.unit in _KINDS and a.figures]
    found: list[tuple[str, int, tuple[int, int]]] = []
    for clause, start, end in _said(reading):
        whole = reading.text[start:end].lower().split()[1:] in (["else"], ["more"], ["further"])
        figure = _as_figure(reading.text, clause, start, end)
        open_ = [
            (a, p) for a in arrays for p in a.gaps if _speaks_of(frame, a, p, reading.text, clause, start)
        ]
        told = [(lexicon.evidence(a.symbol.name, figure), a, p) for a, p in open_]
        best = max((e for e, _, _ in told), default=0.0)
        for evidence, array, position in told:
            taken = (array.symbol.name, position) in {(n, p) for n, p, _ in found}
            if not taken and (whole or evidence == best > 0 or len(told) == 1):
                found.append((array.symbol.name, position, (start, end)))
    return found


def fill(array: Array, position: int, span: tuple[int, int]) -> None:
    """Write a zero that is told in words into a gap."""
    array.values[position], array.sources[position] = 0.0, f"text:{span[0]}-{span[1]}"
    array.units[position] = array.symbol.unit


def _said(reading: Reading) -> Iterator[tuple[Clause, int, int]]:
    for clause in reading.clauses:
        text = reading.text[clause.start : clause.end]
        for match in _NOTHING.finditer(text):
            if not _NOT_SO.match(text[match.start() :]):
                yield clause, clause.start + match.start(), clause.start + match.end()


def _as_figure(text: str, clause: Clause, start: int, end: int) -> Figure:
    before = _WORD.findall(text[clause.start : start].lower())
    after = _WORD.findall(text[end : clause.end].lower())
    return Figure(
        value=0.0, unit="", start=start, end=end, before=tuple(before[-12:]), after=tuple(after[:12])
    )


def _speaks_of(frame: Frame, array: Array, position: int, text: str, clause: Clause, at: int) -> bool:
    """Whether the member is the one named last before the word in its clause, or directly behind it."""
    members = frame.members[array.symbol.index[0]]
    behind = re.match(r"(?:\w+ )?(?:for|at|on|with) (?:the )?([\w -]+)", text[at + 7 : clause.end])
    if behind:
        here = [p for p in range(members.size) if _begins(behind[1], members.name(p))]
        if here:
            return here == [position]
    places = {p: text[clause.start : at].lower().rfind(members.name(p).lower()) for p in range(members.size)}
    last = max(places, key=lambda p: places[p])
    return places[last] >= 0 and last == position


def _begins(words: str, label: str) -> bool:
    words, label = words.lower(), label.lower()
    return any(re.match(rf"{re.escape(name)}\b", words) for name in (label, label.split()[-1]))
