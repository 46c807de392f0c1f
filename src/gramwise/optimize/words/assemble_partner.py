"""Numbers that a stated number is made for: "training takes 42 s" and "the round closes after 60 s" need each other.

A text seldom states a time, a size or a power for nothing. Where a stated quantity goes unused only because its rule or
its formula lacks one more symbol, that symbol is looked for among the numbers without a place. So is the place of a
number that can be one optional thing and nothing else. "Exactly two" bounds a choice from both sides, and powers beside
counts "per hour" are accounted for over that hour.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from gramwise.optimize.knowledge.base import Base
from gramwise.optimize.knowledge.entry import Entry, Symbol
from gramwise.optimize.typed.units import parse_unit

from .assemble import Attempt, formulas_for, in_scope, settle
from .assemble import attempt as first_attempt
from .assemble_arrays import Array, build
from .assemble_cues import Lexicon
from .assemble_groups import Members
from .assemble_quantity import COUNTED, into, unit_of
from .assemble_rest import may_be, only_place
from .formulator import Answer
from .slots import Offer
from .statement import Figure, Reading

_HEART = tuple(parse_unit(u) for u in ("J", "W", "gCO2e/J", "J/request", "J/sample", "J/B"))
_TAKEN_FOR = 0.25
"""Evidence from which the words beside a number say that it is what another number has been taken for already."""
_LONG = {"hour": 3600.0, "hourly": 3600.0, "day": 86400.0, "daily": 86400.0}
_PERIOD = re.compile(r"\b(?:(?:per|an?|each|every|one|of the)\s+|)(hourly|daily|hour|day)\b", re.IGNORECASE)
_SPOKEN = re.compile(
    r"(?:\b(?:per|an?|each|every|one)\s+|_per_|/\s?)(hour|day)\b|\b(hourly|daily)\b", re.IGNORECASE
)
_EMITTED = r"(?:co2e?|gco2e?|carbon|emissions?|grams?|grammes|footprint)"
_WISHED = re.compile(
    rf"\b{_EMITTED}\b(?:\W+(?!\d)\w+){{0,2}}?\W+(?:(?:per|an?|each|every|one)\s+)(hour|day)\b|"
    rf"\b(daily|hourly|day's|hour's)\s+(?:\w+\s+)?{_EMITTED}\b",
    re.IGNORECASE,
)
_BOTH_SIDES = (("k_min", "k_max"),)


def attempt(
    family: Entry,
    reading: Reading,
    base: Base,
    answers: Sequence[Answer] = (),
    retrieval: float = 0.0,
    given: Sequence[Members] = (),
    barred: frozenset[tuple[str, int]] = frozenset(),
) -> Attempt:
    """`assemble.attempt`, and then the places of numbers that are made for each other. Same arguments."""
    tried = first_attempt(family, reading, base, answers, retrieval, given, barred)
    numbers = {n: base.symbols[n] for n in in_scope(tried.model, family, base) if not base.symbols[n].flag}
    lexicon = Lexicon(numbers.values())
    for array in both_sides(tried.arrays, numbers, reading):
        tried.arrays[array.symbol.name] = array
        settle(tried, base)
    while _one_more(tried, numbers, lexicon, reading, base):
        pass
    _of_another_period(tried, numbers, reading, base)
    return tried


def _of_another_period(tried: Attempt, numbers: Mapping[str, Symbol], reading: Reading, base: Base) -> None:
    """Counts told per hour are a rate where the account is of a day: they are taken times its length."""
    counts = tried.arrays.get("n_req")
    if (
        counts is None
        or not counts.complete
        or "lam_j" not in numbers
        or len(counts.figures) != len(counts.values)
    ):
        return
    periods = {_period_of(f) for f in counts.figures}
    account = tried.arrays.get("T_hor") or _wished_period(numbers.get("T_hor"), reading)
    if len(periods) != 1 or "" in periods or account is None or not account.complete:
        return
    span_s = _LONG[periods.pop()]
    if math.isclose(account.values[0], span_s):
        return
    unit = {3600.0: "request/h", 86400.0: "request/d"}[span_s]
    rates = [v / span_s for v in counts.values]
    tried.arrays["lam_j"] = Array(
        numbers["lam_j"], rates, [*counts.sources], [*counts.figures], units=[unit] * len(rates)
    )
    tried.arrays["T_hor"] = account
    del tried.arrays["n_req"]
    settle(tried, base)


def _wished_period(horizon: Symbol | None, reading: Reading) -> Array | None:
    """The hour or the day over which emissions are to be least: "grams per hour", "the CO2 of a day"."""
    found = _WISHED.search(reading.text)
    if horizon is None or found is None:
        return None
    group = 1 if found.group(1) else 2
    period = _plain(found.group(group).lower())
    source = f"text:{found.start(group)}-{found.end(group)}"
    return Array(horizon, [_LONG[period]], [source], units=[{"hour": "h", "day": "d"}[period]])


def _one_more(
    tried: Attempt, numbers: Mapping[str, Symbol], lexicon: Lexicon, reading: Reading, base: Base
) -> bool:
    """Give one more number its place; whether there was one that helped."""
    wanted = partners(tried, base)
    period = counted_period([*tried.missing, *wanted], tried.arrays, reading)
    taken = only_place(wanted, tried.spare, tried.arrays, tried.frame, lexicon) or only_use(
        tried, numbers, lexicon
    )
    if period is not None:
        if "lam_j" in numbers and "n_req" in tried.arrays:
            period = _wished_period(numbers.get("T_hor"), reading) or period
        return _kept("T_hor", period, None, tried, base)
    return taken is not None and _kept(taken[0], taken[2], taken[1], tried, base)


def _kept(name: str, array: Array, offer: Offer | None, tried: Attempt, base: Base) -> bool:
    """Take an array if the problem then speaks of it and lacks nothing more than before; else leave all as it was."""
    before = len(tried.missing)
    tried.arrays[name] = array
    settle(tried, base)
    if name not in tried.used() or len(tried.missing) > before:
        del tried.arrays[name]
        settle(tried, base)
        return False
    if offer is not None:
        tried.spare.remove(offer)
        tried.left = [f for f in tried.left if all(i.figure is not f for i in offer.items)]
    return True


def partners(tried: Attempt, base: Base) -> list[Symbol]:
    """Symbols without which some stated quantity goes unused, each the only one that its rule or formula lacks."""
    have, used = tried.have, tried.used()
    told = {n for n, a in tried.arrays.items() if a.figures and n not in used}
    found: dict[str, Symbol] = {}
    for needs in _wants(tried, base):
        lacking = [n for n in needs if n not in have and n not in tried.arrays]
        if len(lacking) == 1 and told & set(needs) and lacking[0] in base.symbols:
            found[lacking[0]] = base.symbols[lacking[0]]
    return [s for s in found.values() if not s.flag]


def _wants(tried: Attempt, base: Base) -> Iterator[tuple[str, ...]]:
    """What each rule, term and formula of the family takes."""
    model, have = tried.model, tried.have
    for term in (*model.constraints, *model.derived):
        if not set(term.unless) & have:
            yield term.needs
    for name in (*model.requires, *model.optional):
        if name not in have:
            for card in formulas_for(name, model, tried.family, base):
                yield tuple(card.requires)
    for name, pulled in model.pulls.items():
        yield (name, *pulled)


def only_use(
    tried: Attempt, symbols: Mapping[str, Symbol], lexicon: Lexicon
) -> tuple[str, Offer, Array] | None:
    """A number without a place, the one optional symbol that it can be, and the array; None where there is none.

    Args:
        tried: the attempt, its spare offers included.
        symbols: that the family can take.
        lexicon: their cues.
    """
    direct = {
        *tried.model.requires,
        *tried.model.optional,
        *(n for t in (*tried.model.derived, *tried.model.constraints) for n in t.needs),
    }
    for offer in tried.spare:
        unit = unit_of(offer.figure)
        if unit is None or not offer.figure.unit or not any(unit.same(kind) for kind in _HEART):
            continue
        fitting = [
            s for s in symbols.values() if s.name not in tried.arrays and _fits(offer, s, tried, lexicon)
        ]
        if len(fitting) != 1 or fitting[0].name not in direct or fitting[0].default is not None:
            continue
        if _said_already(offer, tried, lexicon):
            continue
        array = build(fitting[0], [offer], tried.frame)
        if array is not None and array.complete:
            return fitting[0].name, offer, array
    return None


def _fits(offer: Offer, symbol: Symbol, tried: Attempt, lexicon: Lexicon) -> bool:
    inside = all(g in tried.frame.members for g in symbol.index)
    return (
        inside
        and not symbol.flag
        and symbol.name not in tried.have
        and may_be(offer, symbol, tried.frame, lexicon)
    )


def _said_already(offer: Offer, tried: Attempt, lexicon: Lexicon) -> bool:
    """Whether the words say that it is what a number elsewhere is: then it is said twice, and is nothing else."""
    figure = offer.figure
    own = replace(
        figure,
        before=figure.before[-figure.own_before :] if figure.own_before else (),
        after=figure.after[: figure.own_after],
    )
    return any(
        a.figures and into(figure, a.symbol.unit) is not None and lexicon.evidence(n, own) >= _TAKEN_FOR
        for n, a in tried.arrays.items()
    )


def both_sides(given: Mapping[str, Array], symbols: Mapping[str, Symbol], reading: Reading) -> list[Array]:
    """Upper limits that "exactly two" states beside the lower ones."""
    found = []
    for low, high in _BOTH_SIDES:
        array = given.get(low)
        if array is None or high in given or high not in symbols or len(array.figures) != 1:
            continue
        figure = array.figures[0]
        if re.search(r"\b(exactly|precisely)\s*$", reading.text[: figure.start], re.IGNORECASE):
            found.append(
                Array(symbols[high], [*array.values], [*array.sources], [figure], units=[*array.units])
            )
    return found


def counted_period(wanted: Sequence[Symbol], given: Mapping[str, Array], reading: Reading) -> Array | None:
    """The length of the account where counts are told per hour or per day and nothing else is; None where it is not.

    Args:
        wanted: symbols that are missing or would give a stated number its use.
        given: arrays so far.
        reading: the text.
    """
    horizon = next((s for s in wanted if s.name == "T_hor"), None)
    if horizon is None or "T_hor" in given:
        return None
    counts = [f for a in given.values() if a.symbol.unit in COUNTED and a.symbol.index for f in a.figures]
    own = {_period_of(f) for f in counts} - {""}
    spoken = [(m.group(1) or m.group(2)).lower() for m in _SPOKEN.finditer(reading.text)]
    kinds = own or {_plain(word) for word in spoken}
    if not counts or len(kinds) != 1:
        return None
    period = kinds.pop()
    for m in _PERIOD.finditer(reading.text.replace("_", " ")):
        if _plain(m.group(1).lower()) == period:
            source = f"text:{m.start(1)}-{m.end(1)}"
            return Array(horizon, [_LONG[period]], [source], units=[{"hour": "h", "day": "d"}[period]])
    return None


def _plain(word: str) -> str:
    return {"hourly": "hour", "daily": "day", "day's": "day", "hour's": "hour"}.get(word, word)


def _period_of(figure: Figure) -> str:
    below = figure.unit.partition("/")[2]
    if below:
        return {"h": "hour", "hour": "hour", "d": "day", "day": "day"}.get(below, "")
    near = " ".join((figure.column.replace("_", " "), *figure.after[: min(4, figure.own_after)]))
    told = _SPOKEN.search(near)
    return _plain((told.group(1) or told.group(2)).lower()) if told else ""
