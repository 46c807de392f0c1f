"""Numbers over time, and lists whose unit stands in front of them.

"22:00 310, 23:00 280", "hours 0-23: 300, 290, ...", "first 0.30, second 0.21", "from 1 to 3 am 120, otherwise 400".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

from gramwise.optimize.typed.units import parse_unit

from .clauses import Piece
from .numbers import low
from .phrases import dimension
from .quantities import Quantity
from .tokens import Token
from .unitwords import EMITTING, as_carbon, singular, unit_at
from .vocabulary import words

STEPS = words("series.steps")
_ADVERBS = {
    "hourly": "hour",
    "daily": "day",
    "yearly": "year",
    "midnight": "hour",
    "monthly": "month",
    "weekly": "week",
}
_ORDINALS = words("series.ordinals")
_BETWEEN = words("series.between")
_REST = frozenset(["otherwise", "rest", "remaining", "other", "else", "elsewhere"])


@dataclass(slots=True)
class Series:
    """Quantities in the order of time; ``over`` is a noun of steps, ``start`` the clock or number of the first."""

    quantities: list[Quantity]
    over: str
    start: float | None = None


def units_ahead(tokens: list[Token], cuts: list[Piece], found: list[Quantity]) -> None:
    """ "Intensity (g/kWh), slots 1 to 6: 400, 350, ...": a unit in front of a list of bare numbers is theirs."""
    taken = {at for q in found for at in range(q.first, q.last + 1)}
    tried: set[tuple[int, int]] = set()
    for hour, value, later, bare in zip(found, found[1:], found[2:], found[3:], strict=False):
        if hour.clock and later.clock and not value.clock and value.unit and bare.bare:
            bare.unit, bare.mass = value.unit, value.mass  # "20:00: 410 g/kWh, 21:00: 395"
    for k, quantity in enumerate(found):
        if not quantity.bare or not (quantity.listed >= 0 or _clocked(tokens, found, k)):
            continue
        if k and found[k - 1].unit and not found[k - 1].clock and _same(cuts, found[k - 1], quantity):
            continue
        key = cuts[quantity.clause].sentence, quantity.listed
        if key in tried:
            continue
        tried.add(key)
        unit = _ahead(tokens, cuts, taken, quantity)
        if not unit:
            continue
        sentence = cuts[quantity.clause].sentence
        for other in found[k:]:
            if cuts[other.clause].sentence != sentence:
                break
            if other.bare:
                other.unit = unit


def _same(cuts: list[Piece], a: Quantity, b: Quantity) -> bool:
    return cuts[a.clause].sentence == cuts[b.clause].sentence


def _clocked(tokens: list[Token], found: list[Quantity], k: int) -> bool:
    """Whether times and numbers alternate here."""
    near = found[max(0, k - 1) : k + 4]
    return sum(q.clock for q in near) >= 2 and k > 0 and found[k - 1].clock


def _ahead(tokens: list[Token], cuts: list[Piece], taken: set[int], quantity: Quantity) -> str:
    """A unit without a number in the sentence before the list, or in the line above that ends with a colon."""
    piece = cuts[quantity.clause]
    first = piece.first
    if quantity.clause and low(tokens, _last(tokens, cuts[quantity.clause - 1])) in (":", ")"):
        first = cuts[quantity.clause - 1].first
    for at in range(quantity.first - 1, max(first, quantity.first - 60) - 1, -1):
        if at + 1 in taken:
            continue
        read = unit_at(tokens, at + 1)
        headed = read is not None and "/" in read.unit and low(tokens, read.stop) == ":"
        if low(tokens, at) not in ("(", "[", "in", ",") and not headed:
            continue
        if read is None or ("/" not in read.unit and low(tokens, at) not in ("(", "[")) or read.unit in STEPS:
            continue
        if read.scale != 1.0 or read.unit.startswith(("1/", "?")) or at + 1 >= quantity.first:
            continue
        carbon = read.mass and any(t.low in EMITTING for t in tokens[first : quantity.first])
        return as_carbon(read.unit) if carbon else read.unit
    return ""


def _last(tokens: list[Token], piece: Piece) -> int:
    at = piece.stop - 1
    while at > piece.first and tokens[at].kind == "newline":
        at -= 1
    return at


def series(tokens: list[Token], cuts: list[Piece], found: list[Quantity]) -> tuple[list[Series], set[int]]:
    """The series of a text, and the identities of quantities that only number their steps."""
    made, labels = _alternating(tokens, found)
    made.extend(_piecewise(tokens, cuts, found, labels))
    taken = {id(q) for s in made for q in s.quantities}
    lists: dict[int, list[Quantity]] = {}
    for quantity in found:
        if quantity.listed >= 0 and id(quantity) not in taken:
            lists.setdefault(quantity.listed, []).append(quantity)
    for members in lists.values():
        noun, start = _steps(tokens, cuts, found, members)
        if noun and len(members) > 1:
            made.append(Series(members, noun, start))
            taken.update(id(q) for q in members)
    made.extend(_ordinal(tokens, cuts, found, taken | labels))
    return made, labels


def _alternating(tokens: list[Token], found: list[Quantity]) -> tuple[list[Series], set[int]]:
    made: list[Series] = []
    labels: set[int] = set()
    k = 0
    while k + 3 < len(found):
        pairs: list[tuple[Quantity, Quantity]] = []
        at = k
        while at + 1 < len(found) and _labels(found[at]) and _value(tokens, found, at, pairs):
            pairs.append((found[at], found[at + 1]))
            at += 2
        if len(pairs) >= 3 or (len(pairs) == 2 and found[k].noun):
            noun = pairs[0][0].noun or "hour"
            made.append(Series([value for _, value in pairs], noun, pairs[0][0].value))
            labels.update(id(label) for label, _ in pairs)
            k = at
        else:
            k += 1
    return made, labels


def _labels(quantity: Quantity) -> bool:
    return quantity.clock or (quantity.noun in STEPS and not quantity.unit)


def _value(
    tokens: list[Token], found: list[Quantity], at: int, pairs: list[tuple[Quantity, Quantity]]
) -> bool:
    """Whether the quantity behind a label is its value: near, and of the unit of those before."""
    label, value = found[at], found[at + 1]
    if _labels(value) or value.noun or value.first - label.last > 6:
        return False
    if pairs and dimension(pairs[-1][1].unit) != dimension(value.unit):
        return False
    return not pairs or all(
        t.low in _BETWEEN or t.kind == "newline" for t in tokens[pairs[-1][1].last + 1 : label.first]
    )


def _steps(
    tokens: list[Token], cuts: list[Piece], found: list[Quantity], members: list[Quantity]
) -> tuple[str, float | None]:
    """What a list enumerates, if it is steps of time: the noun in front of or behind it, and where it starts."""
    first, last = members[0], members[-1]
    piece = cuts[first.clause]
    begin = piece.first
    if first.clause and low(tokens, _last(tokens, cuts[first.clause - 1])) == ":":
        begin = cuts[first.clause - 1].first
    for at in range(first.first - 1, max(begin - 1, first.first - 30), -1):
        word = low(tokens, at)
        noun = _ADVERBS.get(word) or (singular(word) if singular(word) in STEPS else "")
        if noun and not _unit_word(tokens, found, at):
            starts = [q.value for q in found if at < q.first < first.first and (q.clock or q.range == "low")]
            start = starts[0] if starts else 0.0 if word == "midnight" else None
            follows = low(tokens, at + 1)
            return noun, float(follows) if start is None and follows.isdigit() else start
    behind = [
        singular(low(tokens, last.last + k)) for k in range(1, 9) if last.last + k < cuts[last.clause].stop
    ]
    for noun in behind:
        if noun in STEPS and ("following" in behind or "over" in behind or "the" in behind):
            return noun, None
    return ("hour", None) if len(members) == 24 else ("", None)


def _unit_word(tokens: list[Token], found: list[Quantity], at: int) -> bool:
    """Whether "hour" belongs to a number or a rate ("5 hours", "per hour"), and so names no steps."""
    taken = any(q.first <= at <= q.last and q.unit and not q.clock for q in found)
    return taken or low(tokens, at - 1) in ("per", "/", "an", "a")


def _ordinal(tokens: list[Token], cuts: list[Piece], found: list[Quantity], taken: set[int]) -> list[Series]:
    """ "first 0.30 kg/kWh, second 210 g/kWh, third ..."."""
    made: list[Series] = []
    group: list[Quantity] = []
    for quantity in [*found, None]:
        if (
            quantity is not None
            and id(quantity) not in taken
            and quantity.unit
            and _counted(tokens, cuts, quantity, group)
        ):
            group.append(quantity)
            continue
        if len(group) > 2:
            made.append(Series(_even(group), _noun(tokens, cuts, group)))
        group = []
    return made


def _counted(tokens: list[Token], cuts: list[Piece], quantity: Quantity, group: list[Quantity]) -> bool:
    if group and (
        cuts[group[0].clause].sentence != cuts[quantity.clause].sentence
        or dimension(group[0].unit) != dimension(quantity.unit)
    ):
        return False
    near = [low(tokens, quantity.first - k) for k in range(1, 4)]
    behind = [low(tokens, quantity.last + k) for k in range(1, 4)]
    return any(word in _ORDINALS for word in near) or (
        behind[:1] == ["in"] and any(w in _ORDINALS for w in behind)
    )


def _noun(tokens: list[Token], cuts: list[Piece], group: list[Quantity]) -> str:
    piece = cuts[group[0].clause]
    for at in range(group[-1].last + 4, max(piece.first - 12, 0), -1):
        if singular(low(tokens, at)) in STEPS:
            return singular(low(tokens, at))
    return ""


def _even(group: list[Quantity]) -> list[Quantity]:
    """The same quantities in the unit of the first."""
    first = group[0]
    target = parse_unit(first.unit)
    return [
        q
        if q.unit == first.unit
        else replace(q, unit=first.unit, value=target.from_base(parse_unit(q.unit).to_base(q.value)))
        for q in group
    ]


def _piecewise(
    tokens: list[Token], cuts: list[Piece], found: list[Quantity], labels: set[int]
) -> list[Series]:
    """ "Between 1 and 3 am 120 g/kWh, otherwise 400": one value for each hour of a day."""
    made: list[Series] = []
    by_sentence: dict[int, list[Quantity]] = {}
    for quantity in found:
        if id(quantity) not in labels:
            by_sentence.setdefault(cuts[quantity.clause].sentence, []).append(quantity)
    for members in by_sentence.values():
        spans, rest = _spans(tokens, members)
        if (
            not spans
            or len({dimension(q.unit) for *_, q in spans} | ({dimension(rest.unit)} if rest else set())) > 1
        ):
            continue
        hours: list[Quantity | None] = [rest] * 24
        for begin, end, quantity in spans:
            at = int(begin) % 24
            while at != int(end) % 24:
                hours[at] = quantity
                at = (at + 1) % 24
        if all(q is not None for q in hours) and len({id(q) for q in hours}) > 1:
            made.append(Series(_even([q for q in hours if q is not None]), "hour", 0.0))
    if not made and (chain := _chain(_spans(tokens, [q for q in found if id(q) not in labels])[0])):
        made.append(chain)
    return made


def _chain(spans: list[tuple[float, float, Quantity]]) -> Series | None:
    """ "From 22:00 to 1:00 it is 400, from 1:00 to 4:00 220": spans that follow each other without a gap."""
    if len(spans) < 2 or any(a[1] % 24 != b[0] % 24 for a, b in pairwise(spans)):
        return None
    if (
        any(begin % 1 or end % 1 for begin, end, _ in spans)
        or len({dimension(q.unit) for *_, q in spans}) > 1
    ):
        return None
    values = [q for begin, end, q in spans for _ in range(int((end - begin) % 24) or 24)]
    return Series(_even(values), "hour", spans[0][0]) if len(values) <= 48 else None


def _spans(
    tokens: list[Token], members: list[Quantity]
) -> tuple[list[tuple[float, float, Quantity]], Quantity | None]:
    spans: list[tuple[float, float, Quantity]] = []
    rest: Quantity | None = None
    for k, quantity in enumerate(members):
        if quantity.clock or not quantity.unit or dimension(quantity.unit) not in _PER_ENERGY:
            continue
        near = [low(tokens, quantity.first - j) for j in range(1, 7)] + [
            low(tokens, quantity.last + j) for j in range(1, 7)
        ]
        before = members[k - 2 : k] if k >= 2 else []
        after = members[k + 1 : k + 3]
        ahead = len(before) == 2 and all(q.clock for q in before) and quantity.first - before[1].last <= 7
        behind = len(after) == 2 and all(q.clock for q in after) and after[0].first - quantity.last <= 4
        if ahead and not (spans and spans[-1][0:2] == (before[0].value, before[1].value)):
            spans.append((before[0].value, before[1].value, quantity))
        elif behind:
            spans.append((after[0].value, after[1].value, quantity))
        elif any(word in _REST for word in near):
            rest = quantity
    return spans, rest


_PER_ENERGY = frozenset(dimension(unit) for unit in ("gCO2e/kWh", "gCO2e/h"))
