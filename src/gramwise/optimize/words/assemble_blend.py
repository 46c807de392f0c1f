"""One quantity told in several ways: "run 1 uses 2 kWh, run 2 draws 500 W for two hours".

What is stated of some members and follows by a formula for the others becomes one derived term: the stated figure where
there is one, the formula elsewhere. A 0/1 mask from the structure tells them apart; where a part is not stated it
repeats a figure that the mask multiplies away, so no number is invented.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from gramwise.optimize.knowledge.entry import Entry
from gramwise.optimize.typed.parse import parse_scope
from gramwise.optimize.typed.record import Derived, Param

from .assemble_arrays import Array, as_param, repeat
from .assemble_groups import Frame


@dataclass(frozen=True, slots=True)
class Blend:
    """How an array is put together.

    Attributes:
        card: the formula for members of which the quantity itself is not stated.
        told: 1 for members of which it is, by position.
        parts: arrays of the formula that are told of the other members only, filled up.
    """

    card: Entry
    told: tuple[float, ...]
    parts: tuple[Array, ...]


def find_blend(
    array: Array, cards: Sequence[Entry], arrays: Mapping[str, Array], defaulted: Collection[str]
) -> Blend | None:
    """The formula that gives what ``array`` lacks, from figures that are told of just those members; None if none does.

    Args:
        array: told of some members of one set.
        cards: formulas that define its symbol.
        arrays: all that is told.
        defaulted: symbols that stand for themselves where nothing is said.
    """
    gaps = set(array.gaps)
    if len(array.symbol.index) != 1 or not gaps or not array.figures or array.clashes:
        return None
    for card in cards:
        if {b.set for b in parse_scope(card.forall).binders} != set(array.symbol.index):
            continue
        needed = [n for n in card.requires if n not in defaulted]
        if not all(n in arrays and arrays[n].symbol.index == array.symbol.index for n in needed):
            continue
        lacking = [arrays[n] for n in needed if arrays[n].gaps]
        if any(set(a.gaps) & gaps or a.clashes for a in lacking) or not any(
            arrays[n].figures for n in needed
        ):
            continue
        told = tuple(0.0 if flat in gaps else 1.0 for flat in range(len(array.values)))
        return Blend(card, told, tuple(_filled(a, f"part_{a.symbol.name}") for a in lacking))
    return None


def _filled(array: Array, name: str) -> Array:
    """A copy under another name whose gaps repeat its first figure."""
    symbol = array.symbol.model_copy(update={"name": name})
    copy = replace(
        array, symbol=symbol, values=[*array.values], sources=[*array.sources], units=[*array.units]
    )
    repeat(copy, copy.gaps)
    return copy


def blend_records(array: Array, blend: Blend, frame: Frame) -> tuple[list[Param], Derived]:
    """Parameters for what is stated and the derived term that joins it with the formula; ``array`` is filled up."""
    symbol = array.symbol
    binder = parse_scope(blend.card.forall).binders[0].name
    stated = _filled(array, f"told_{symbol.name}")
    mask = Param(
        name=f"stated_{symbol.name}",
        text=f"whether the text states the {symbol.text} itself",
        index=symbol.index,
        values=blend.told,
        source="structure",
    )
    rule = blend.card.expr or ""
    for part in blend.parts:
        plain = part.symbol.name.removeprefix("part_")
        rule = re.sub(rf"\b{re.escape(plain)}\[", f"{part.symbol.name}[", rule)
    at = f"[{binder}]"
    expr = f"stated_{symbol.name}{at}*told_{symbol.name}{at} + (1 - stated_{symbol.name}{at})*({rule})"
    params = [as_param(stated, frame), mask, *(as_param(part, frame) for part in blend.parts)]
    return params, Derived(
        name=symbol.name,
        text=symbol.text,
        forall=blend.card.forall,
        unit=symbol.unit,
        expr=expr,
        source=f"kb:{blend.card.id}",
    )
