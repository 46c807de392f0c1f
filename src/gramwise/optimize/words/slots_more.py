"""Two more costs of taking a number for a symbol: told for each thing, and told twice of the same thing.

"20 J plus 2 J per request" has a number for the batch and one for each request, whatever the words around them; and six
times of three spots at two drones are no time of a drone, which would have three values.
"""

from __future__ import annotations

from collections.abc import Iterable

from gramwise.optimize.knowledge.entry import Symbol

from .assemble_quantity import COUNTED, into, per_words
from .statement import Figure

_COUNTS = COUNTED | {"call", "inference", "batch", "pull", "prompt", "letter", "picture", "photo"}
_DATA = frozenset(("B", "kB", "MB", "GB", "bit", "kbit", "Mbit", "Gbit"))
_ENERGIES = frozenset(("J", "Wh", "kWh", "mJ"))


def each_cost(figure: Figure, symbol: Symbol) -> float:
    """Less where an energy told for each thing meets a symbol for each thing, more where it meets a whole one."""
    top, _, below = symbol.unit.partition("/")
    if figure.unit in _ENERGIES and any(d.partition("/")[2] in _DATA for d in per_words(figure)):
        return -0.3 if below in ("bit", "B") else 0.7 if top == "J" else 0.0
    mine = figure.unit.partition("/")[2] in _COUNTS or (figure.each and bool(figure.noun))
    if not mine or top not in _ENERGIES:
        return 0.0
    return -0.25 if below in COUNTED else 0.15


def clash_cost(told: Iterable[tuple[Figure, frozenset[tuple[str, int]]]], symbol: Symbol) -> float:
    """Much where the numbers would contradict each other under this symbol, because it does not vary with all that
    they are told of.

    Args:
        told: figures with the (set, position) of their members.
        symbol: what they are tried as.
    """
    held: dict[frozenset[tuple[str, int]], float] = {}
    for figure, at in told:
        own = frozenset(w for w in at if w[0] in symbol.index)
        value = into(figure, symbol.unit)
        if value is not None and own != at and held.setdefault(own, value) != value:
            return 0.9
    return 0.0
