"""Numbers and names that take turns: "150 Wh (Oslo), 140 Wh (Lille) or 160 Wh (Brno)", "Oslo 30, Lille 60, Brno 480".

Where the numbers of one kind and the names of one group alternate strictly through a sentence, equally many of both,
each number belongs to the name of its own turn, whatever stands between. That is stronger than nearness: it uses the
whole sentence, so that a name close to the next number does not steal it.
"""

from __future__ import annotations

from gramwise.optimize.typed.findings import Refused
from gramwise.optimize.typed.units import parse_unit

from .clauses import Piece
from .members import Member
from .quantities import Quantity
from .tokens import Token

_Event = tuple[int, Quantity | None, int]


def take_turns(tokens: list[Token], cuts: list[Piece], found: list[Quantity], people: list[Member]) -> None:
    """Sets ``subjects`` of quantities that alternate with names; others keep theirs."""
    groups: dict[int, list[int]] = {}
    for k, member in enumerate(people):
        groups.setdefault(member.group, []).append(k)
    sentences: dict[int, list[Quantity]] = {}
    for quantity in found:
        if not quantity.clock:
            sentences.setdefault(cuts[quantity.clause].sentence, []).append(quantity)
    for sentence, quantities in sentences.items():
        first = min(piece.first for piece in cuts if piece.sentence == sentence)
        stop = max(piece.stop for piece in cuts if piece.sentence == sentence)
        for group in groups.values():
            if len(group) > 1:
                _sentence(tokens, quantities, [people[k] for k in group], first, stop)


def _sentence(
    tokens: list[Token], quantities: list[Quantity], group: list[Member], first: int, stop: int
) -> None:
    mentions: list[_Event] = [
        (at, None, k) for k, member in enumerate(group) for at, _ in member.mentions if first <= at < stop
    ]
    # A unit that stands with another number was lent to this one, maybe wrongly.
    lent = {id(q) for q in quantities if q.unit and tokens[q.last].kind == "num"}
    if _tuples(quantities, sorted(mentions, key=lambda event: event[0]), group, lent):
        return
    kinds: dict[str, list[_Event]] = {}
    latest, said = "", ""
    for quantity in quantities:
        # "900 answers in Oslo, 1500 in Lille": a number without a noun is of the kind of the one before it.
        goes_on = quantity.bare and latest and quantity.relation in ("is", said)
        latest, said = latest if goes_on else _kind(quantity), quantity.relation
        kinds.setdefault(latest, []).append((quantity.first, quantity, -1))
    for events in kinds.values():
        for turns in _stretches(sorted([*mentions, *events], key=lambda event: event[0])):
            names = {k for _, quantity, k in turns if quantity is None}
            if len(turns) % 2 == 0 and len(turns) >= 4 and len(names) > 1:
                for left, right in zip(turns[::2], turns[1::2], strict=True):
                    _say(left, right, group)
                _inherit([quantity for _, quantity, _ in turns if quantity is not None])


def _tuples(quantities: list[Quantity], mentions: list[_Event], group: list[Member], lent: set[int]) -> bool:
    """ "A has 300 pictures and needs 0.5 kWh, B 400 and 0.9": the first name says what the places are."""
    rows: list[list[Quantity]] = [[] for _ in mentions]
    for quantity in quantities:
        before = [i for i, (at, _, _) in enumerate(mentions) if at < quantity.first]
        if not before:
            return False
        rows[before[-1]].append(quantity)
    names = {k for _, _, k in mentions}
    if len(names) < max(2, len(mentions)) or len(rows[0]) < 2 or any(len(r) != len(rows[0]) for r in rows):
        return False
    first = rows[0]
    places = [(q, said) for row in rows[1:] for q, said in zip(row, first, strict=True)]
    open_ = [q for q, _ in places if q.bare or id(q) in lent]
    fits = all(q.bare or id(q) in lent or _kind(q) == _kind(said) for q, said in places)
    if any(q.bare or id(q) in lent for q in first) or not fits or not open_:
        return False
    for event, row in zip(mentions, rows, strict=True):
        for quantity in row:
            _say(event, (quantity.first, quantity, -1), group)
            quantity.listed = -1
    for quantity, said in places:
        if id(quantity) in lent:
            quantity.unit = ""
        _inherit([said, quantity])
    return True


def _stretches(events: list[_Event]) -> list[list[_Event]]:
    """Cut between two names or two numbers that follow each other: within each piece they take turns."""
    stretches: list[list[_Event]] = []
    for event in events:
        if stretches and (stretches[-1][-1][1] is None) != (event[1] is None):
            stretches[-1].append(event)
        else:
            stretches.append([event])
    return stretches


def _say(left: _Event, right: _Event, group: list[Member]) -> None:
    quantity, owner = (left[1], right[2]) if left[1] is not None else (right[1], left[2])
    assert quantity is not None
    others = {member.label for member in group}
    quantity.subjects[:] = [s for s in quantity.subjects if s not in others] + [group[owner].label]


def _inherit(quantities: list[Quantity]) -> None:
    """ "At most 900 answers a day in Oslo, 1500 in Lille": what is left out is what was said before."""
    said = quantities[0]
    for quantity in quantities[1:]:
        if quantity.bare and not said.bare:
            quantity.unit, quantity.noun, quantity.per, quantity.each = (
                said.unit,
                said.noun,
                said.per,
                said.each,
            )
            quantity.mass = said.mass
        if quantity.relation == "is" and not quantity.negated:
            quantity.relation = said.relation
        said = quantity


def _kind(quantity: Quantity) -> str:
    """What the number measures, but for what is counted: 6 mWh a request and 5 mWh are of one kind."""
    if not quantity.unit or quantity.unit.startswith("?"):
        return f"count {quantity.unit or quantity.noun}"
    try:
        return str(parse_unit(quantity.unit).dims[:-1])
    except Refused:
        return quantity.unit
