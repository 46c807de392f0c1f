"""One family tried on one text: bind its sets, pair numbers with symbols, close over formulas, write the problem.

The attempt is total: it never fails, it only has gaps and clashes, and a score by which the best family is chosen.
A value is taken from the text or an answer, or derived by a formula card from such values, or it stays open.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from gramwise.optimize.knowledge.base import Base
from gramwise.optimize.knowledge.closure import Closure, close
from gramwise.optimize.knowledge.entry import Entry, Group, Model, Symbol, Term
from gramwise.optimize.typed.findings import Finding, Refused
from gramwise.optimize.typed.nodes import Ref, walk
from gramwise.optimize.typed.parse import parse_expression, parse_scope

from .answers import answered_array, answered_members, hear
from .assemble_arrays import Array, Clash, build, fill_where, limited, repeat
from .assemble_blend import Blend, find_blend
from .assemble_clock import Clock, clocked
from .assemble_cues import Lexicon
from .assemble_flags import read_flag
from .assemble_gaps import last_gap
from .assemble_groups import Frame, Members, bind_groups
from .assemble_implied import both_ways, implied_spread
from .assemble_nothing import fill, told_nothing
from .assemble_quantity import into, of_other_times
from .assemble_rest import counted_as_well, only_place, unsaid_horizon
from .formulator import Answer
from .slots import Offer, make_offers, pair
from .statement import Figure, Reading

_LIKELY = 0.5
_BOUNDLESS = re.compile(
    r"\b(?:no (?:such |upper |fixed |real |practical )?(?:limit|cap|ceiling|maximum|restriction|bound)s?"
    r"|unlimited|limitless|without (?:any )?(?:limit|cap|restriction)s?"
    r"|is (?:no|not a|never a) (?:problem|issue|concern)"
    r"|as (?:much|many) as (?:it|we|you|one|they|he|she) (?:like|want|wish|need|please)s?"
    r"|(?:could|can) (?:do|take|handle|host|absorb|run|serve) "
    r"(?:everything|anything|all of it|the lot|the whole|it all|the rest)"
    r"|plenty of (?:room|space|capacity))\b",
    re.IGNORECASE,
)
"""Words that say that something has no limit; a limit that others have leaves it free."""
_OPTIONAL_COST, _DEPTH_COST = 0.12, 0.05


@dataclass(slots=True)
class Attempt:
    """What came of trying a family.

    Attributes:
        family: its card.
        frame: its sets.
        arrays: values by symbol, gaps included.
        clocks: arrays that the text gives as times of day, and how.
        formulas: cards that derive what is not given, each after those that it needs.
        missing: symbols to ask for.
        open_groups: sets about which nothing is said.
        clashes: statements that exclude each other.
        left: figures of the text that found no place.
        spare: the same figures as they belong together.
        notes: answers that could not be used, and why.
        declined: symbols and sets of which the person said that they do not know.
        blends: arrays that are stated for some members and follow for the others, and how.
        boundless: whether the text says of some member that it has no limit.
        dropped: limits whose counterpart the text never mentions, left out.
        retrieval: how well the text fits the card, 0 to 1.
        pairing_cost: mean cost of the pairs that were made.
    """

    family: Entry
    frame: Frame
    arrays: dict[str, Array] = field(default_factory=dict)
    clocks: dict[str, Clock] = field(default_factory=dict)
    blends: dict[str, Blend] = field(default_factory=dict)
    formulas: tuple[Entry, ...] = ()
    missing: list[Symbol] = field(default_factory=list)
    open_groups: tuple[Group, ...] = ()
    clashes: list[Clash] = field(default_factory=list)
    left: list[Figure] = field(default_factory=list)
    spare: list[Offer] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    declined: set[str] = field(default_factory=set)
    dropped: set[str] = field(default_factory=set)
    boundless: bool = False
    retrieval: float = 0.0
    pairing_cost: float = 0.0

    @property
    def model(self) -> Model:
        """The family's skeleton."""
        assert self.family.model is not None
        return self.family.model

    @property
    def have(self) -> set[str]:
        """Symbols with a value or a formula."""
        given = {n for n, a in self.arrays.items() if not a.gaps}
        return (given | {f.defines for f in self.formulas if f.defines}) - self.dropped

    def used(self) -> set[str]:
        """Symbols that the chosen terms and formulas speak of, through all derivations."""
        seen: set[str] = set()
        formulas = {f.defines: f for f in self.formulas}
        names = [n for e in self._expressions() for n in names_in(e)]
        while names:
            name = names.pop()
            if name in seen:
                continue
            seen.add(name)
            if name in self.blends:
                names += names_in(self.blends[name].card.expr or "")
            if name in formulas and name not in self.arrays:
                names += names_in(formulas[name].expr or "")
        return seen

    def terms(self, terms: Iterable[Term]) -> list[Term]:
        """Those whose needs are met and that nothing makes superfluous."""
        have = self.have | {s.name for s in self.missing}
        return [t for t in terms if set(t.needs) <= have and not set(t.unless) & have]

    def _expressions(self) -> list[str]:
        model = self.model
        picked = [t.expr for t in self.terms(model.derived)]
        for c in self.terms(model.constraints):
            picked += [c.lhs, c.rhs, f"sum({c.forall}) 1" if c.forall else ""]
        bounds = [b for v in self.terms(model.variables) for b in (v.lower, v.upper) if isinstance(b, str)]
        return [model.objective, *bounds, *(p for p in picked if p)]


def names_in(expression: str) -> set[str]:
    """Names that an expression refers to, those of conditions included."""
    if not expression:
        return set()
    try:
        return {n.name for n in walk(parse_expression(expression)) if isinstance(n, Ref)}
    except Refused:
        return set()


def in_scope(model: Model, family: Entry, base: Base) -> dict[str, int]:
    """Symbols that a text of this family may give, with how many formulas away they are."""
    groups = {g.name for g in model.groups}
    direct = [*model.requires, *model.optional, *(n for pulled in model.pulls.values() for n in pulled)]
    direct += [n for names in model.alternatives for n in names]
    direct += [
        n for t in (*model.variables, *model.derived, *model.constraints) for n in (*t.needs, *t.unless)
    ]
    depth = {n: 0 for n in direct if n in base.symbols and set(base.symbols[n].index) <= groups}
    waiting = list(depth)
    while waiting:
        name = waiting.pop(0)
        for card in formulas_for(name, model, family, base):
            for need in card.requires:
                symbol = base.symbols.get(need)
                if symbol is not None and need not in depth and set(symbol.index) <= groups:
                    depth[need] = depth[name] + 1
                    waiting.append(need)
    return depth


def formulas_for(name: str, model: Model, family: Entry, base: Base) -> list[Entry]:
    """Formula cards that define ``name`` and run over sets of this family."""
    groups = {g.name for g in model.groups}
    return [
        card
        for card in _defining(base).get(name, ())
        if (not card.applies_to or family.id in card.applies_to)
        and {b.set for b in parse_scope(card.forall).binders} <= groups
    ]


@lru_cache(maxsize=4)
def _defining(base: Base) -> dict[str, list[Entry]]:
    """Formula cards by the symbol that they define, in the order of their ids."""
    found: dict[str, list[Entry]] = {}
    for card in sorted(base.of("formula"), key=lambda c: c.id):
        if card.defines is not None:
            found.setdefault(card.defines, []).append(card)
    return found


def attempt(
    family: Entry,
    reading: Reading,
    base: Base,
    answers: Sequence[Answer] = (),
    retrieval: float = 0.0,
    given: Sequence[Members] = (),
    barred: frozenset[tuple[str, int]] = frozenset(),
) -> Attempt:
    """Try ``family`` on a text.

    Args:
        family: a card with a model.
        reading: the text, read.
        base: all cards.
        answers: what the person said so far, in order.
        retrieval: how well the text fits the card, 0 to 1.
        given: members of sets, as a hypothesis; an answer goes before.
        barred: pairs of a symbol and where its number starts that are not made, as a hypothesis (`rethink`).
    """
    model = family.model
    assert model is not None
    depth = in_scope(model, family, base)
    numbers = {n: base.symbols[n] for n in depth if not base.symbols[n].flag}
    lexicon = Lexicon(numbers.values())
    frame = bind_groups(model, reading, numbers, lexicon, [*given, *_settled(model, answers)])
    tried = Attempt(family, frame, retrieval=retrieval, boundless=bool(_BOUNDLESS.search(reading.text)))
    tried.open_groups = frame.unbound
    _give_numbers(tried, reading, numbers, depth, lexicon, barred)
    for name in depth:
        if base.symbols[name].flag:
            flag = read_flag(base.symbols[name], frame, reading)
            if flag is not None:
                tried.arrays[name] = flag
    for name, array in tried.arrays.items():
        clock = clocked(array, reading) if len(array.symbol.index) < 2 else None
        if clock is not None:
            tried.clocks[name] = clock
    _give_answers(tried, base, answers)
    for array in tried.arrays.values():
        if array.symbol.only_where:
            fill_where(array, tried.arrays.get(array.symbol.only_where), frame)
    _blend(tried, base)
    if (count := counted_as_well(tried.arrays, numbers)) is not None:
        tried.arrays["n_0"] = count
    for name, array in both_ways(tried.arrays, numbers):
        del tried.arrays[name]
        tried.arrays[array.symbol.name] = array
    if (spread := implied_spread(model, tried.arrays, base.symbols, reading)) is not None:
        tried.arrays[spread.symbol.name] = spread
    _close(tried, base)
    silent = told_nothing(tried.missing, tried.arrays, frame, lexicon, reading)
    for name, position, span in silent:
        fill(tried.arrays[name], position, span)
    if silent:
        _close(tried, base)
    while True:
        wanted = [*tried.missing, *unsaid_horizon(tried.arrays, base.symbols)]
        rest = wanted, tried.spare, tried.arrays, frame, lexicon
        taken = only_place(*rest) or last_gap(*rest)
        if taken is None:
            break
        name, offer, array = taken
        tried.arrays[name] = array
        tried.arrays.pop("T_acc" if name == "T_hor" else "", None)
        tried.clashes += array.clashes
        tried.spare.remove(offer)
        tried.left = [f for f in tried.left if all(i.figure is not f for i in offer.items)]
        tried.dropped = {p.symbol.name.removeprefix("part_") for b in tried.blends.values() for p in b.parts}
        _close(tried, base)
    return tried


def settle(tried: Attempt, base: Base) -> None:
    """Derive anew what follows, after a number has found its place."""
    tried.dropped = {p.symbol.name.removeprefix("part_") for b in tried.blends.values() for p in b.parts}
    _close(tried, base)


def _blend(tried: Attempt, base: Base) -> None:
    """Quantities that are told of some members and follow from other figures for the rest."""
    defaulted = {n for n, s in base.symbols.items() if s.default is not None and not s.index}
    for name in [*tried.model.requires, *tried.model.optional]:
        array = tried.arrays.get(name)
        if array is None or name in tried.clocks:
            continue
        blend = find_blend(
            array, formulas_for(name, tried.model, tried.family, base), tried.arrays, defaulted
        )
        if blend is not None:
            tried.blends[name] = blend
            repeat(array, array.gaps)
            tried.dropped |= {p.symbol.name.removeprefix("part_") for p in blend.parts}


def _settled(model: Model, answers: Sequence[Answer]) -> list[Members]:
    groups = {g.name: g for g in model.groups}
    found = [answered_members(groups[a.about], a, i + 1) for i, a in enumerate(answers) if a.about in groups]
    return [m for m in found if m is not None]


def _give_numbers(
    tried: Attempt,
    reading: Reading,
    symbols: Mapping[str, Symbol],
    depth: Mapping[str, int],
    lexicon: Lexicon,
    barred: frozenset[tuple[str, int]],
) -> None:
    core = {*tried.model.requires, *(n for names in tried.model.alternatives for n in names)}
    weights = {n: depth[n] * _DEPTH_COST + (0.0 if n in core else _OPTIONAL_COST) for n in symbols}
    offers = make_offers(reading, symbols, tried.frame, lexicon)
    placeable = {n: s for n, s in symbols.items() if all(g in tried.frame.members for g in s.index)}
    pairing = pair(offers, placeable, tried.frame, lexicon, reading, weights, barred)
    for name, taken in pairing.taken.items():
        array = build(symbols[name], taken, tried.frame)
        if array is not None:
            tried.arrays[name] = array
            tried.clashes += array.clashes
    tried.left = [item.figure for offer in pairing.left for item in offer.items]
    tried.spare = list(pairing.left)
    for array in tried.arrays.values():
        if _doubtful(array, tried, lexicon):
            array.values = [math.nan] * len(array.values)
    tried.pairing_cost = pairing.cost / max(1, len(offers))


def _doubtful(array: Array, tried: Attempt, lexicon: Lexicon) -> bool:
    """Whether one figure was spread over all members while another of its kind found none: then it is asked for."""
    if len(array.values) < 2 or len(array.figures) != 1 or array.figures[0].subjects:
        return False
    name, unit = array.symbol.name, array.symbol.unit
    return any(
        f.unit
        and into(f, unit) is not None
        and lexicon.evidence(name, f) >= _LIKELY
        and not of_other_times(f)
        for f in tried.left
    )


def _give_answers(tried: Attempt, base: Base, answers: Sequence[Answer]) -> None:
    groups = {g.name for g in tried.model.groups}
    for number, answer in enumerate(answers, start=1):
        symbol = base.symbols.get(answer.about)
        if answer.about in groups:
            if answer.about in {g.name for g in tried.open_groups}:
                tried.declined.add(answer.about)
            continue
        if symbol is None:
            continue
        heard = hear(answer, symbol.unit)
        if heard.unknown:
            tried.declined.add(symbol.name)
        elif heard.wants_default:
            _take_default(tried, symbol)
        elif heard.note:
            tried.notes.append(_unusable(number, symbol, heard.note))
        else:
            array = answered_array(symbol, tried.frame, heard, number, tried.arrays.get(symbol.name))
            if array is None:
                tried.notes.append(
                    _unusable(number, symbol, "it has another number of values than were asked for.")
                )
            else:
                tried.arrays[symbol.name] = array


def _unusable(number: int, symbol: Symbol, why: str) -> Finding:
    return Finding(code="W405", where=f"param {symbol.name}", message=f"Answer {number} was not used: {why}")


def _take_default(tried: Attempt, symbol: Symbol) -> None:
    """The sourced default of a card, only where the person asked for it or the card calls it neutral."""
    if symbol.default is None or any(g not in tried.frame.members for g in symbol.index):
        return
    n = math.prod(tried.frame.members[g].size for g in symbol.index)
    tried.arrays[symbol.name] = Array(symbol, [symbol.default] * n, [f"kb:symbol.{symbol.name}"] * n)


def _close(tried: Attempt, base: Base) -> None:
    """Derive what is required, what is optional and can be derived, and what these pull in; the rest is missing."""
    model = tried.model
    needed = [*model.requires, *_alternative(tried, base)]
    for name in dict.fromkeys((*model.optional, *_needed_by_terms(model))):
        if name in needed or name in tried.dropped or name not in base.symbols or base.symbols[name].flag:
            continue
        way = _way(tried, [name], base)
        if (way.complete and way.used) or _half_told(name, way, tried):
            needed.append(name)
    for name, pulled in model.pulls.items():
        if name in needed and not _ruled_without(tried, name, pulled):
            if _way(tried, pulled, base).complete or _insisted(tried, name):
                needed += pulled
            else:
                needed.remove(name)
                tried.dropped.add(name)
    whole = _way(tried, needed, base)
    for name in whole.defaulted:
        _take_default(tried, base.symbols[name])
    _unlimited(tried, whole.used)
    _idle(tried, whole.derivations)
    given = {n for n, a in tried.arrays.items() if not a.gaps}
    tried.formulas = tuple(c for c in whole.derivations if c.defines not in given)
    tried.missing = [base.symbols[m.symbol] for m in whole.missing]
    asked = {m.symbol for m in whole.missing}
    tried.missing += [
        tried.arrays[n].symbol
        for n in whole.used
        if n in tried.arrays and tried.arrays[n].gaps and n not in asked
    ]


def _unlimited(tried: Attempt, used: Iterable[str]) -> None:
    """A limit that is stated as one for some members leaves the others free: they are masked, not asked for."""
    for name in used:
        array = tried.arrays.get(name)
        free = array is not None and array.symbol.relation == "at_most" and tried.boundless
        if array is None or not array.gaps or not (_insisted(tried, name) or free):
            continue
        ruled = [t for t in tried.model.constraints if name in {*names_in(t.lhs), *names_in(t.rhs)}]
        if ruled and all(_binds(t, array) for t in ruled):
            array.masked = tuple(
                1.0 if flat not in set(array.gaps) else 0.0 for flat in range(len(array.values))
            )
            repeat(array, array.gaps)


def _idle(tried: Attempt, formulas: Iterable[Entry]) -> None:
    """Values that only limits look at are not asked for where these limits are not set: they are never used there."""
    masked = {n: a for n, a in tried.arrays.items() if a.masked}
    for name, array in tried.arrays.items():
        if not masked or not array.gaps or array.masked:
            continue
        have = tried.have | {name}
        terms = (*tried.model.derived, *tried.model.constraints)
        active = [t for t in terms if set(t.needs) <= have and not set(t.unless) & have]
        rules = [t for t in active if name in {*names_in(t.lhs), *names_in(t.rhs)}]
        elsewhere = [n for t in active for n in names_in(t.expr)]
        elsewhere += [n for f in formulas for n in names_in(f.expr or "")]
        limits = [next((m for m in masked if m in t.needs), "") for t in rules]
        if not rules or name in elsewhere or not all(limits):
            continue
        used: set[int] = set()
        for limit in limits:
            mask = masked[limit]
            if not set(mask.symbol.index) <= set(array.symbol.index):
                break
            used |= set(limited(array, mask, tried.frame))
        else:
            repeat(array, [g for g in array.gaps if g not in used])


def _binds(term: Term, array: Array) -> bool:
    """Whether the rule stands for each element of the array by itself."""
    return set(array.symbol.index) <= {b.set for b in parse_scope(term.forall).binders}


def _way(tried: Attempt, needed: Iterable[str], base: Base) -> Closure:
    """Closure from the complete arrays; if that asks for something, from those with gaps too, whichever asks less."""
    groups = [g.name for g in tried.model.groups]
    whole = {n for n, a in tried.arrays.items() if not a.gaps}
    partly = {n for n, a in tried.arrays.items() if a.gaps and a.figures}
    names = list(dict.fromkeys(needed))
    first = close(names, whole, groups=groups, base=base)
    if first.complete or not partly:
        return first
    second = close(names, whole | partly, groups=groups, base=base)
    gaps = len(partly & set(second.used))
    return second if len(second.missing) + gaps <= len(first.missing) else first


def _alternative(tried: Attempt, base: Base) -> tuple[str, ...]:
    """The alternative that the text tells best; symbols of the others only are put aside."""
    sets = tried.model.alternatives
    if not sets:
        return ()
    ways = [_way(tried, names, base) for names in sets]
    unsaid = [  # the closure takes flags for given: here one has to be said
        sum(n in base.symbols and base.symbols[n].flag == "present" and n not in tried.arrays for n in names)
        for names in sets
    ]
    order = [(len(way.missing) + unsaid[i], -len(way.used), i) for i, way in enumerate(ways)]
    best = min(order)[2] if any(w.used for w in ways) else 0
    tried.dropped -= {n for names in sets for n in names}  # another way was best before more was known
    apart = [names for names in sets if not set(names) & set(sets[best])]
    rest = {n for names in apart for n in names} - set(sets[best]) - set(ways[best].used)
    tried.dropped |= rest - {c.defines for c in ways[best].derivations}
    return sets[best]


def _ruled_without(tried: Attempt, name: str, pulled: Iterable[str]) -> bool:
    """Whether some rule takes the limit ``name`` as it stands, without what it usually pulls in."""
    given = {n for n, a in tried.arrays.items() if not a.gaps}
    return any(
        name in t.needs
        and not set(pulled) & set(t.needs)
        and set(t.needs) <= given
        and not set(t.unless) & given
        for t in tried.model.constraints
    )


def _needed_by_terms(model: Model) -> list[str]:
    return [n for t in (*model.variables, *model.derived, *model.constraints) for n in t.needs]


def _half_told(name: str, way: Closure, tried: Attempt) -> bool:
    """Whether the text tells so much of an optional symbol that leaving it out would be against its meaning."""
    if name in tried.arrays and tried.arrays[name].figures:
        return True
    told = [n for n in way.used if n in tried.arrays and tried.arrays[n].symbol.default is None]
    return len(way.missing) == 1 and len(told) >= 2


def _insisted(tried: Attempt, name: str) -> bool:
    """Whether the text states the limit ``name`` as one: "at most", "within", "at least"."""
    array = tried.arrays.get(name)
    wanted = {"at_most": "at_most", "at_least": "at_least"}.get(array.symbol.relation) if array else None
    return array is not None and any(f.relation == wanted for f in array.figures)
