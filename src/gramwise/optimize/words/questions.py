"""What must still be known, one typed question each: about a symbol, in a unit, for the members that are open."""

from __future__ import annotations

from collections.abc import Sequence

from gramwise.optimize.knowledge.entry import Group, Symbol
from gramwise.optimize.typed.record import Param, Question

from .assemble_arrays import Array, element
from .assemble_groups import Frame

_MOST_NAMED = 6


def ask_members(group: Group) -> Question:
    """Who or what the members of a set are."""
    noun = group.nouns[0]
    text = f"Which {_plural(noun)} are there? Name them, or say how many."
    return Question(id=f"q_{group.name}", about=group.name, text=text)


def ask(symbol: Symbol, frame: Frame, known: Array | None = None, why: str = "") -> Question:
    """What the value of ``symbol`` is; where some members have one, for which it is open."""
    unit = "" if symbol.unit == "1" else symbol.unit
    of = _open_elements(known, frame) if known is not None and known.figures else ""
    over = _over(symbol, frame) if not of else f", for {of}"
    tail = f" Please give it in {unit}." if unit else ""
    reason = f" {why}" if why else ""
    text = f"What is the {_lower(symbol.text)}{over}?{tail}{reason}"
    return Question(
        id=f"q_{symbol.name}",
        about=symbol.name,
        text=text,
        unit=unit,
        default_source=symbol.default_source if symbol.default is not None else "",
    )


def open_param(symbol: Symbol) -> Param:
    """The parameter that stands for what is not known yet."""
    return Param(
        name=symbol.name,
        text=symbol.text,
        index=symbol.index,
        unit=symbol.unit,
        kind="open",
        values=None,
        low=symbol.low,
        high=symbol.high,
    )


def _open_elements(known: Array, frame: Frame) -> str:
    names = [element(known, flat, frame) for flat in known.gaps[:_MOST_NAMED]]
    more = len(known.gaps) - len(names)
    return listing([*names, f"{more} more"] if more else names)


def _over(symbol: Symbol, frame: Frame) -> str:
    sets = [frame.members[g] for g in symbol.index if g in frame.members and frame.members[g].size > 1]
    parts = [
        listing(list(m.labels))
        if m.labels is not None and m.size <= _MOST_NAMED
        else f"the {m.size} {_plural(m.noun)}"
        for m in sets
    ]
    return f" (for {'; '.join(parts)})" if parts else ""


def listing(words: Sequence[str]) -> str:
    """``a, b and c``."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _plural(noun: str) -> str:
    if noun.endswith(("s", "x", "ch")):
        return noun + "es"
    return noun[:-1] + "ies" if noun.endswith("y") and noun[-2:-1] not in "aeiou" else noun + "s"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:] if text[1:2].islower() else text
