"""Units that are told once for many numbers: "CI in g/kWh", "(energies in Wh, sizes in MB)", "times are in minutes".

A bare number right behind the word for which the text gives a unit has that unit, wherever in the text it stands.
"""

from __future__ import annotations

from .clauses import Piece
from .numbers import low
from .quantities import Quantity
from .tokens import Token
from .unitwords import EMITTING, as_carbon, singular, unit_at
from .vocabulary import words

_STOP = words("quantities.stop")
_FAR = 4
"""Words before "in" that may name the quantity."""
_BETWEEN = frozenset((":", "=", "is", "of", "are"))
_BEFORE_UNIT = frozenset(("in", "as"))
_VERBS = frozenset(
    ("is", "are", "given", "stated", "measured", "all", "always", "listed", "both", "the", "values")
)
_STEPS = frozenset(("h", "hour", "day", "d", "week", "month", "year"))


def explained_units(tokens: list[Token], cuts: list[Piece], found: list[Quantity]) -> None:
    """Give bare numbers the unit that the text tells for the word before them.

    Args:
        tokens: of the text.
        cuts: its clauses.
        found: its quantities, changed in place.
    """
    if not any(_open(q) for q in found):
        return
    told = _told(tokens, found)
    for quantity in found:
        if not told or not _open(quantity):
            continue
        at = quantity.first - 1
        while at > 0 and low(tokens, at) in _BETWEEN:
            at -= 1
        unit = told.get(singular(low(tokens, at)))
        if unit is not None and at >= cuts[quantity.clause].first:
            quantity.unit, quantity.listed = unit, -1
    for listed in {q.listed for q in found if q.listed >= 0}:
        mates = [q for q in found if q.listed == listed]
        if len(mates) == 1:
            mates[0].listed = -1


def _open(quantity: Quantity) -> bool:
    return not (quantity.unit or quantity.clock or quantity.per or quantity.noun)


def _told(tokens: list[Token], found: list[Quantity]) -> dict[str, str]:
    """Units by the word for which they are told."""
    numbers = {at for q in found for at in range(q.first, q.last + 1)}
    told: dict[str, str] = {}
    for at in range(1, len(tokens) - 1):
        opens = low(tokens, at) in _BEFORE_UNIT
        if not opens or at + 1 in numbers:
            continue
        read = unit_at(tokens, at + 1)
        if read is None or read.scale != 1.0 or read.unit.startswith(("1/", "?")) or read.unit in _STEPS:
            continue
        if (
            read.stop < len(tokens)
            and tokens[read.stop].kind not in ("punct", "newline")
            and low(tokens, read.stop) != "and"
        ):
            continue
        names = _names(tokens, at - 1)
        carbon = read.mass and any(
            t.low in EMITTING or t.low in ("ci", "intensity") for t in tokens[max(0, at - 6) : read.stop + 2]
        )
        for name in names:
            told.setdefault(name, as_carbon(read.unit) if carbon or "/kWh" in read.unit else read.unit)
    return told


def _names(tokens: list[Token], at: int) -> set[str]:
    """Content words right before "in"."""
    names: set[str] = set()
    for back in range(at, max(-1, at - _FAR), -1):
        word = low(tokens, back)
        if tokens[back].kind != "word":
            break
        if word not in _VERBS and word not in _STOP:
            names.add(singular(word))
    return names
