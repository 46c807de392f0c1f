"""Which symbols a family can take from a text: those it speaks of, and those from which formulas derive them."""

from __future__ import annotations

from functools import lru_cache

from .base import Base, shipped
from .entry import Entry, Symbol


def reach(family: Entry, base: Base | None = None) -> tuple[Symbol, ...]:
    """Symbols that a family can use, its own first, then those of formulas that lead to them.

    Args:
        family: a family card.
        base: cards; the shipped ones if None.

    Raises:
        ValueError: the card is no family.
    """
    return _reach(family.id, base or shipped())


@lru_cache(maxsize=256)
def _reach(family_id: str, base: Base) -> tuple[Symbol, ...]:
    model = base.entries[family_id].model
    if model is None:
        raise ValueError(f"{family_id} is no family")
    groups = {g.name for g in model.groups}
    names = [*model.requires, *model.optional, *(s for a in model.alternatives for s in a)]
    names += [s for pulled in model.pulls.values() for s in pulled]
    found: dict[str, None] = {}
    formulas = base.of("formula")
    while names:
        name = names.pop(0)
        if name in found or not set(base.symbols[name].index) <= groups:
            continue
        found[name] = None
        parts = [part for e in formulas if e.defines == name for part in e.requires]
        names += [
            part for part in parts if base.symbols[part].cues
        ]  # without cues no text tells it by itself
    return tuple(base.symbols[name] for name in found)
