"""Spans of hours without a word that says so: "300 from midnight to 1, 140 from 1 to 2, 150 from 2 to 3".

Small whole numbers in pairs, each pair going on where the last one ended, with one other number beside each pair, are
times of day, and the other numbers are what holds in between, all in the unit that one of them has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .quantities import Quantity
    from .tokens import Token

_TO = (["to"], ["-"], ["until"], ["till"], ["and"], ["through"])
_LEAST_PAIRS = 3
_NEAR = 4
_WHEN = ("by", "before", "until", "till", "after")
_THEN = (
    ".",
    ",",
    ";",
    "!",
    "?",
    ")",
    "sharp",
    "at",
    "or",
    "and",
    "but",
    "in",
    "on",
    "the",
    "so",
    "tomorrow",
    "\n",
)


def hour_spans(tokens: list[Token], found: list[Quantity]) -> None:
    """Sets unit and clock of the times, and the unit of the bare numbers that they belong to."""
    k = 0
    while k + 1 < len(found):
        chain = [k] if _pair(tokens, found, k) else []
        while chain and _goes_on(tokens, found, chain[-1]):
            chain.append(chain[-1] + 3)
        if len(chain) >= _LEAST_PAIRS:
            _settle(found, chain)
            k = chain[-1] + 2
        else:
            k += 1
    if any(q.clock for q in found):
        _bare_times(tokens, found)


def _bare_times(tokens: list[Token], found: list[Quantity]) -> None:
    """ "Out by 6 sharp", "not before 3": where the text tells times of day, a bare small number there is one."""
    for k in range(len(found) - 1):
        ahead = tokens[found[k].first - 1].low if found[k].first else ""
        if (
            ahead in ("between", "from")
            and _pair(tokens, found, k)
            and found[k + 1].bare
            and _ends(tokens, found[k + 1])
        ):
            for quantity in found[k : k + 2]:
                quantity.unit, quantity.clock = "h", True
    for quantity in found:
        words = [t.low for t in tokens[max(0, quantity.first - 2) : quantity.first]]
        after = tokens[quantity.last + 1].low if quantity.last + 1 < len(tokens) else "."
        dated = bool(words) and words[-1] in _WHEN
        if quantity.bare and _hour(quantity) and (after == "sharp" or (dated and after in _THEN)):
            quantity.unit, quantity.clock = "h", True


def _ends(tokens: list[Token], quantity: Quantity) -> bool:
    """Whether nothing that could be counted follows."""
    return quantity.last + 1 >= len(tokens) or tokens[quantity.last + 1].low in _THEN


def _goes_on(tokens: list[Token], found: list[Quantity], k: int) -> bool:
    """Whether the pair after the next number begins where this one ends."""
    if k + 4 >= len(found) or not _pair(tokens, found, k + 3) or found[k + 2].clock:
        return False
    near = found[k + 3].first - found[k + 1].last < 4 * _NEAR
    return near and found[k + 1].value % 24 == found[k + 3].value % 24


def _pair(tokens: list[Token], found: list[Quantity], k: int) -> bool:
    a, b = found[k], found[k + 1]
    between = [t.low for t in tokens[a.last + 1 : b.first]]
    return between in _TO and _hour(a) and _hour(b) and (b.value - a.value) % 24 <= 12 and a.value != b.value


def _hour(quantity: Quantity) -> bool:
    return (quantity.bare or quantity.clock) and quantity.value in range(25)


def _settle(found: list[Quantity], chain: list[int]) -> None:
    first = chain[0]
    ahead = first > 0 and found[first].first - found[first - 1].last <= _NEAR and not found[first - 1].clock
    places = [first - 1, *(k + 2 for k in chain[:-1])] if ahead else [k + 2 for k in chain]
    values = [found[at] for at in places if at < len(found)]
    model = next((q for q in values if "/" in q.unit), None)
    if model is None or len(values) < len(chain) or any(not q.bare and q.unit != model.unit for q in values):
        return
    for k in chain:
        for quantity in (found[k], found[k + 1]):
            quantity.unit, quantity.clock = "h", True
    for quantity in values:
        quantity.unit, quantity.per, quantity.mass = model.unit, model.per, model.mass
