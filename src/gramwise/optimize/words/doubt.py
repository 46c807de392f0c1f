"""When a finding of the formulator is sure enough to be told as a fact, and what is asked where it is not.

A contradiction is told only where the text was understood: two values for one thing, both named and both measured, or a
limit beyond what there is, with no number left over that could explain it. Otherwise the text was perhaps misread, and
the honest answer is a question. So is a number that was meant and found no place: a problem without it is another one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from gramwise.optimize.typed.record import Question
from gramwise.optimize.typed.units import parse_unit

from .assemble_arrays import Clash
from .assemble_cues import stem, stems
from .assemble_groups import Frame
from .assemble_quantity import unit_of
from .formulator import Answer
from .questions import listing
from .statement import Figure, Named, Reading

_INTENSITY = parse_unit("gCO2e/J")
_WAIVED = re.compile(
    r"\b(ignore|irrelevant|leave (it )?out|does(n't| not) matter|no matter|nothing|not needed|skip|drop)\b",
    re.IGNORECASE,
)
_MOST_ASKED = 4
_TELLING = 4
_PLAIN_WORDS = "have need take with from each that this which energy power hour keep cost gram emit more less"
_PLAIN = frozenset(map(stem, _PLAIN_WORDS.split()))
"""Words that stand beside all sorts of numbers, and of letters so few that they tell nothing."""


def sure_clashes(
    clashes: Sequence[Clash], left: Sequence[Figure], reading: Reading, frame: Frame
) -> list[Clash]:
    """Those clashes that cannot be a misreading.

    Args:
        clashes: found in the text.
        left: figures that were meant and found no place.
        reading: the text, read.
        frame: members of the sets.
    """
    return [c for c in clashes if _is_sure(c, left, reading, frame)]


def _is_sure(clash: Clash, left: Sequence[Figure], reading: Reading, frame: Frame) -> bool:
    told = [f for f in reading.figures if (f.start, f.end) in clash.spans]
    others = [f for f in left if (f.start, f.end) not in clash.spans]
    if not clash.twice:
        crossed = {f.relation for f in told} == {"at_least", "at_most"} and len({f.unit for f in told}) == 1
        return not others or crossed
    if len(told) < len(clash.spans) or any(f.clock for f in told):
        return False
    if len({bool(f.unit) for f in told}) > 1 or (not told[0].unit and len({f.noun for f in told}) > 1):
        return False
    return _said_of_one(told, reading, frame) and (not others or _of_one_grid(told, frame))


def _said_of_one(told: Sequence[Figure], reading: Reading, frame: Frame) -> bool:
    """Whether each number stands right beside the name, or the word where no name is, that they have in common."""
    whom = {frozenset(label for label in f.subjects if frame.where(label) is not None) for f in told}
    if len(whom) > 1:
        return False
    labels = next(iter(whom), frozenset())
    if labels:
        return all(_beside(label, f) or _alone(label, f, reading, frame) for f in told for label in labels)
    if len({(frozenset(f.subjects), f.relation) for f in told}) > 1:
        return False
    words = [{w for w in _own(f) if len(w) >= _TELLING and w not in _PLAIN} for f in told]
    return bool(set.intersection(*words)) if words else False


def _own(figure: Figure) -> tuple[str, ...]:
    """Stems of the words on this side of the next numbers."""
    before = figure.before[-figure.own_before :] if figure.own_before else ()
    return tuple(stem(w) for w in (*before, *figure.after[: figure.own_after]))


def _alone(label: str, figure: Figure, reading: Reading, frame: Frame) -> bool:
    """Whether the clause names this member and no other of any set."""
    if figure.clause >= len(reading.clauses):
        return False
    clause = reading.clauses[figure.clause]
    said = reading.text[clause.start : clause.end].lower()
    names = [name for m in frame.members.values() for name in m.labels or () if name.lower() in said]
    return [name.lower() for name in names] == [label.lower()]


def _beside(label: str, figure: Figure) -> bool:
    own = {*_own(figure), *stems(figure.row), *stems(figure.column)}
    return set(stems(label)) <= own


def _of_one_grid(told: Sequence[Figure], frame: Frame) -> bool:
    """Whether all are the intensity of the same named members: a grid has but one."""
    units = [unit_of(f) for f in told]
    whom = {frozenset(label for label in f.subjects if frame.where(label) is not None) for f in told}
    return (
        len(whom) == 1
        and frozenset() not in whom
        and all(u is not None and u.same(_INTENSITY) for u in units)
    )


def ask_which(clashes: Iterable[Clash], reading: Reading) -> tuple[Question, ...]:
    """What is asked about statements that seem to exclude each other."""
    asked: dict[str, Question] = {}
    for clash in clashes:
        quoted = listing([repr(reading.text[a:b]) for a, b in clash.spans])
        about = clash.about or "limits"
        text = f"How is this meant? {clash.message}" + (f" The text says {quoted}." if quoted else "")
        asked.setdefault(about, Question(id=f"q_{about}", about=about, text=text))
    return tuple(asked.values())[:_MOST_ASKED]


def ask_meaning(left: Iterable[Figure], reading: Reading) -> tuple[Question, ...]:
    """What is asked about numbers that were meant and found no place, the first few of them."""
    return tuple(
        Question(
            id=f"q_text_{f.start}",
            about=_about(f),
            text=f"What is {reading.text[f.start : f.end].strip()!r} in {_around(f, reading)!r}? It found no place "
            "in the problem as it was understood. Please say it in other words, or 'ignore' if it does not matter.",
        )
        for f in list(left)[:_MOST_ASKED]
    )


def ask_sets(sets: Iterable[Named]) -> tuple[Question, ...]:
    """What is asked about things that were counted and are not decided about."""
    return tuple(
        Question(
            id=f"q_text_{n.spans[0][0]}",
            about=_about(n),
            text=f"What is decided for the {n.count} {n.noun}s? They are no part of the problem as it was understood. "
            "Please say it in other words, or 'ignore' if they do not matter.",
        )
        for n in list(sets)[:_MOST_ASKED]
    )


def waived(figure: Figure | Named, answers: Iterable[Answer]) -> bool:
    """Whether the person said that this number, or these things, do not matter."""
    return any(a.about == _about(figure) and _WAIVED.search(a.text) for a in answers)


def unknown_units(reading: Reading) -> list[Figure]:
    """Figures whose unit nobody knows."""
    return [f for f in reading.figures if f.unit and unit_of(f) is None and not f.unit.startswith("?°")]


def ask_units(figures: Iterable[Figure], reading: Reading) -> tuple[Question, ...]:
    """What is asked about units that nobody knows."""
    return tuple(
        Question(
            id=f"q_unit_{f.start}",
            about=_about(f),
            text=f"What is {reading.text[f.start : f.end].strip()!r}? The unit is not known here: please give the "
            "number in a usual unit, such as kWh, W, s, GB or g/kWh, or say 'ignore' if it does not matter.",
        )
        for f in list(figures)[:_MOST_ASKED]
    )


def _about(said: Figure | Named) -> str:
    start, end = said.spans[0] if isinstance(said, Named) else (said.start, said.end)
    return f"text:{start}-{end}"


def _around(figure: Figure, reading: Reading) -> str:
    """A few words on both sides of a figure, whole words only."""
    a, b = max(0, figure.start - 30), min(len(reading.text), figure.end + 20)
    piece = reading.text[a:b]
    piece = piece[piece.find(" ") + 1 :] if a else piece
    piece = piece[: piece.rfind(" ")] if b < len(reading.text) and " " in piece else piece
    return " ".join(piece.split())
