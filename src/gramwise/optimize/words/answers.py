"""What a person answers when asked: a number with its unit, several of them, names, or "I don't know"."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gramwise.optimize.knowledge.entry import Group, Symbol
from gramwise.optimize.typed.units import parse_unit

from .assemble_arrays import Array, build, sizes
from .assemble_groups import Frame, Members
from .assemble_quantity import into, unit_of
from .formulator import Answer
from .reading import read
from .slots import Item, Offer
from .statement import Figure, Reading

_UNKNOWN = re.compile(
    r"\b(don'?t know|do not know|no idea|not sure|unknown|can'?t say|cannot say|dunno|unsure|no clue|n/?a)\b"
    r"|^\s*\??\s*$",
    re.IGNORECASE,
)
_DEFAULT = re.compile(
    r"\b(default|usual value|typical value|standard value|you choose|your figure)\b", re.IGNORECASE
)
_NAMES = re.compile(r"\s*(?:,|;|\band\b|\bor\b|\n)\s*", re.IGNORECASE)
_COUNT = parse_unit("request")


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer, understood.

    Attributes:
        unknown: the person does not know.
        wants_default: they accept the sourced figure that was offered.
        figures: numbers with units.
        note: why the answer cannot be used; empty where it can.
    """

    unknown: bool = False
    wants_default: bool = False
    figures: tuple[Figure, ...] = ()
    note: str = ""


def hear(answer: Answer, unit: str) -> Heard:
    """What ``answer`` says to a question that expects ``unit``.

    A bare number is taken in the unit that the question named, since the person has just read it.
    """
    if _UNKNOWN.search(answer.text):
        return Heard(unknown=True)
    if _DEFAULT.search(answer.text):
        return Heard(wants_default=True)
    figures = tuple(read(answer.text).figures)
    if not figures:
        return Heard(note=f"{answer.text.strip()[:60]!r} holds no number.")
    strange = next(
        (f.noun for f in figures if unit and not f.unit and f.noun and not parse_unit(unit).same(_COUNT)), ""
    )
    if strange:
        return Heard(note=f"{strange!r} is no unit that is known here; the answer is expected in {unit}.")
    if unit and all(not f.unit for f in figures):
        figures = tuple(_in_unit(f, unit) for f in figures)
    for figure in figures:
        if into(figure, unit or "1") is None:
            named = figure.unit.lstrip("?") or "a bare number"
            known = "is no unit that is known here" if unit_of(figure) is None else "measures something else"
            return Heard(note=f"{named!r} {known}; the answer is expected in {unit or 'a plain number'}.")
    return Heard(figures=figures)


def _in_unit(figure: Figure, unit: str) -> Figure:
    return replace(figure, unit=unit)


def answered_array(
    symbol: Symbol, frame: Frame, heard: Heard, number: int, known: Array | None
) -> Array | None:
    """The symbol's array with the gaps of ``known`` filled from the answer; None where the counts do not fit.

    One figure holds for everything that was asked; several stand for the open elements in their order, or for all.
    """
    source = f"answer:{number}"
    items = tuple(Item(f) for f in heard.figures)
    if len(items) == 1 or not symbol.index:
        fresh = build(symbol, [Offer(items[:1])], frame, source)
    else:
        fresh = _in_order(symbol, frame, heard, source, known)
    if fresh is None or known is None:
        return fresh
    gaps = set(known.gaps)
    for flat, (value, said) in enumerate(zip(known.values, known.sources, strict=True)):
        if flat not in gaps:
            fresh.values[flat], fresh.sources[flat], fresh.units[flat] = value, said, known.units[flat]
    fresh.figures = [*known.figures]
    return fresh


def _in_order(symbol: Symbol, frame: Frame, heard: Heard, source: str, known: Array | None) -> Array | None:
    if any(g not in frame.members for g in symbol.index):
        return None
    total = math.prod(sizes(symbol.index, frame))
    places: Sequence[int] = known.gaps if known is not None else range(total)
    if len(heard.figures) == total:
        places = range(total)
    if len(places) != len(heard.figures):
        row = build(symbol, [Offer(tuple(Item(f) for f in heard.figures), row=True)], frame, source)
        return row if row is not None and row.figures else None
    array = Array(symbol, [math.nan] * total, [""] * total, units=[""] * total)
    for flat, figure in zip(places, heard.figures, strict=True):
        value = into(figure, symbol.unit)
        if value is not None:
            array.values[flat], array.sources[flat], array.units[flat] = value, source, figure.unit
    return array


def answered_members(group: Group, answer: Answer, number: int) -> Members | None:
    """Members of a set from an answer: "home, the gateway and the cloud", or just how many."""
    if _UNKNOWN.search(answer.text):
        return None
    reading: Reading = read(answer.text)
    counts = [int(f.value) for f in reading.figures if not f.unit and f.value >= 1]
    names = tuple(n for n in (_bare(part) for part in _NAMES.split(answer.text)) if n)
    source = f"answer:{number}"
    if counts and len(names) == 1:
        return Members(group.name, None, counts[0], source, group.nouns[0], group.ordered)
    if names:
        labels = tuple(dict.fromkeys(names))
        return Members(group.name, labels, len(labels), source, group.nouns[0], group.ordered)
    return None


def _bare(name: str) -> str:
    return re.sub(r"^(the|a|an|our|my)\s+", "", name.strip().strip(".").strip(), flags=re.IGNORECASE)
