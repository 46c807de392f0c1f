"""Yes-or-no facts that words state rather than numbers: "may not leave the site", "in one go", "locally".

A flag that no word touches keeps its structural value; of one that words do touch, their characters are kept.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

from gramwise.optimize.knowledge.entry import Symbol

from .assemble_arrays import Array, sizes
from .assemble_cues import stem, stems
from .assemble_groups import Frame
from .statement import Clause, Reading

_GAP = 6
_NEAR = 8
"""Words farther than this from a cue are not what it speaks of."""
_ONLY = ("only", "exclusively", "nowhere else")


def read_flag(symbol: Symbol, frame: Frame, reading: Reading) -> Array | None:
    """The 0/1 array of a flag; None where the text does not give it.

    A ``present`` flag is 1 where its cue is said: of the members that share the clause, or at all where it has no set.
    An ``absent`` one is 0 there and 1 elsewhere, and always given. A negation or an "avoid" word before it undoes it.
    """
    shape = sizes(symbol.index, frame) if all(g in frame.members for g in symbol.index) else None
    if shape is None:
        return None
    usual = 1.0 if symbol.flag == "absent" else 0.0
    array = Array(symbol, [usual] * math.prod(shape), ["structure"] * math.prod(shape))
    touched = False
    for clause, at in _cued(symbol, reading):
        if not symbol.index:
            array.values[0] = 1.0
            array.spots.append((clause.start, clause.end))
            touched = True
            continue
        cells = _cells(symbol, frame, reading, clause, at)
        for flat in cells:
            array.values[flat] = 1.0 - usual
            array.spots.append((clause.start, clause.end))
        touched = touched or bool(cells)
    return array if touched or symbol.flag == "absent" else None


def _cued(symbol: Symbol, reading: Reading) -> Iterator[tuple[Clause, int]]:
    """Clauses in which a cue of the flag stands, not turned round by a word of its ``avoid``; and where in it."""
    cues = [_parts(c) for c in symbol.cues]
    avoid = {stem(a) for a in symbol.avoid}
    undoing = [n.lower() for n in symbol.negations]
    for clause in reading.clauses:
        said = reading.text[clause.start : clause.end].lower()
        for phrase in symbol.cues:  # "need not be contiguous" is no negation, though it holds one
            said = said.replace(phrase.lower(), " ") if any(n in phrase.lower() for n in undoing) else said
        if any(n in said for n in undoing):
            continue
        words = [stem(w) for w in re.findall(r"[a-z0-9'µ]+", reading.text[clause.start : clause.end].lower())]
        for cue in cues:
            at = _found(cue, words)
            if at is not None and not avoid & set(words[max(0, at - 5) : at]):
                yield clause, at
                break


def _parts(cue: str) -> tuple[tuple[str, ...], ...]:
    """Stems of a cue; dots between its parts stand for a few other words: "spread ... over"."""
    return tuple(stems(part) for part in cue.split("...") if part.strip())


def _found(cue: tuple[tuple[str, ...], ...], words: Sequence[str]) -> int | None:
    """Where the parts of a cue stand in their order, each a few words behind the one before; None where they do not."""
    first, *rest = cue
    for start in range(len(words)):
        if tuple(words[start : start + len(first)]) != first:
            continue
        at = start + len(first)
        for part in rest:
            near = range(at, min(at + _GAP, len(words)) + 1)
            at = next((k + len(part) for k in near if tuple(words[k : k + len(part)]) == part), -1)
            if at < 0:
                break
        if at >= 0:
            return start
    return None


def _cells(symbol: Symbol, frame: Frame, reading: Reading, clause: Clause, at: int) -> list[int]:
    """Elements that the clause speaks of: members named in it; all of a set of which it names none.

    "may only run at A" speaks of all the others.
    """
    text = reading.text[clause.start : clause.end].lower()
    words = list(re.finditer(r"[a-z0-9'µ]+", text))
    near = text[words[max(0, at - _NEAR)].start() : words[min(len(words) - 1, at + _NEAR)].end()]
    named = {g: _named(frame, g, near) for g in symbol.index}
    if not any(named.values()) and symbol.name == "barred_s":
        whole = _named(frame, symbol.index[0], text)
        named[symbol.index[0]] = whole if len(whole) == 1 else []
    if not any(named.values()) or (
        len(symbol.index) > 1 and not all(named.values()) and _vague(words[at].group())
    ):
        return []
    if all(len(named[g]) in (0, frame.members[g].size) for g in symbol.index):
        return []  # all of everything: the words are about something else
    if symbol.name.startswith("barred") and any(word in text for word in _ONLY):
        last = symbol.index[-1]
        named[last] = [p for p in range(frame.members[last].size) if p not in named[last]]
    shape = sizes(symbol.index, frame)
    flats = [0]
    for g, n in zip(symbol.index, shape, strict=True):
        flats = [f * n + p for f in flats for p in (named[g] or range(n))]
    return flats


def _vague(word: str) -> bool:
    """Cues so common that they need the names of both sides beside them."""
    return word in ("never", "except", "not")


def _named(frame: Frame, group: str, text: str) -> list[int]:
    members = frame.members[group]
    found = []
    for p in range(members.size):
        label = members.name(p).lower()
        if re.search(rf"(?<![a-z0-9]){re.escape(label)}(?![a-z0-9])", text):
            found.append(p)
    return found
