"""Which number of the text is which symbol: offers (figures that belong together) against slots, at least cost.

An *offer* is a single figure, an enumeration, or the like figures of several members ("A draws 8 W, B 10 W"). Each
symbol of a family takes at most one offer, each offer goes to at most one symbol, and `scipy.optimize
.linear_sum_assignment` finds the cheapest such pairing. Another dimension is forbidden; cue words, limit words, the
plausible range and the members it is said of make the rest of the cost. Method: generative planning, section 7.4.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gramwise.core.errors import SourceUnavailable
from gramwise.optimize.knowledge.entry import Symbol
from gramwise.optimize.typed.units import parse_unit

from .assemble_axis import horizon_figures, numbers_a_step, stepped
from .assemble_counts import (
    count_others,
    counted_cost,
    is_load,
    of_load_cost,
    over_period,
    per_others,
    told_per_thing,
)
from .assemble_cues import Lexicon, stem, stems
from .assemble_groups import ORDINALS, Frame
from .assemble_quantity import COUNTED, PER_PERIOD, into, unit_of
from .slots_more import clash_cost, each_cost
from .statement import Figure, Reading, Run

FORBIDDEN = 1e6
LEFT_OUT = 1.35
"""Cost of leaving an offer without a symbol: a pairing that costs more is not made."""


_LIMITING = {"max", "maximum", "limit", "most", "capacity", "cap"}
_ALL = {"either", "everywhere", "anywhere", "wherever", "whichever", "regardless", "alike"}
"""Behind a number they say that it holds for all members."""


@dataclass(frozen=True, slots=True)
class Item:
    """A figure and the members that it is said of, as (set, 0-based position)."""

    figure: Figure
    at: frozenset[tuple[str, int]] = frozenset()


@dataclass(frozen=True, slots=True)
class Offer:
    """Figures that belong together.

    Attributes:
        items: in the order of the text.
        head: words that name the whole.
        row: a bare enumeration, whose members are told by position only.
    """

    items: tuple[Item, ...]
    head: tuple[str, ...] = ()
    row: bool = False
    over: str = ""

    @property
    def figure(self) -> Figure:
        """The first one."""
        return self.items[0].figure

    @property
    def key(self) -> tuple[int, int]:
        """Where it starts and ends in the text."""
        return self.items[0].figure.start, self.items[-1].figure.end


@dataclass(slots=True)
class Pairing:
    """Offers by symbol, what was left over, and what it cost."""

    taken: dict[str, list[Offer]] = field(default_factory=dict)
    left: list[Offer] = field(default_factory=list)
    cost: float = 0.0


def make_offers(
    reading: Reading, symbols: Mapping[str, Symbol], frame: Frame, lexicon: Lexicon
) -> list[Offer]:
    """All figures of the text as offers: enumerations first, then like figures of different members together."""
    spent = _sizes(reading, frame)
    singles: list[Offer] = []
    offers: list[Offer] = []
    in_runs: set[tuple[int, int]] = set()
    for run in reading.runs:
        spans = {(f.start, f.end) for f in run.figures}
        if len(run.figures) < 2 or spans & in_runs:
            continue
        in_runs |= spans
        offers.append(_from_run(run, frame))
    for figure in reading.figures:
        if (figure.start, figure.end) not in in_runs | spent:
            singles.append(Offer((Item(figure, _members(figure, frame)),)))
    return _bundled([*offers, *_in_order(singles, frame, reading)], symbols, lexicon)


def _in_order(singles: Sequence[Offer], frame: Frame, reading: Reading) -> list[Offer]:
    """Like figures of one sentence about no member, as many as a set has members: one for each, in their order."""
    sizes = {m.size for m in frame.members.values() if m.size > 2}
    chains: list[list[Offer]] = []
    for offer in singles:
        last = chains[-1][-1] if chains else None
        goes_on = last is not None and _follows_on(last, offer, reading)
        if goes_on:
            chains[-1].append(offer)
        else:
            chains.append([offer])
    made: list[Offer] = []
    for chain in chains:
        if len(chain) in sizes and len({o.figure.value for o in chain}) > 1:
            made.append(Offer(tuple(o.items[0] for o in chain), chain[0].figure.before[-4:], row=True))
        else:
            made += chain
    return made


def _follows_on(a: Offer, b: Offer, reading: Reading) -> bool:
    """Whether two single figures of no member measure the same thing in one sentence, nothing else in between."""
    ua, ub = unit_of(a.figure), unit_of(b.figure)
    told = any(i.at for i in (*a.items, *b.items)) or not (a.figure.unit and b.figure.unit)
    if told or ua is None or ub is None or not ua.same(ub):
        return False
    limits = {a.figure.relation, b.figure.relation} != {"is"} or a.figure.clock or b.figure.clock
    between = reading.text[a.figure.end : b.figure.start]
    return not limits and not re.search(r"[.!?]\s|\n\s*\n", between)


def _sizes(reading: Reading, frame: Frame) -> set[tuple[int, int]]:
    """Spans of figures that only count the members of a set: they are its size and no quantity."""
    spans = {s for named in reading.groups if named.count is not None for s in named.spans}
    sources = {m.source for m in frame.members.values()}
    spent = set()
    ordered = {m.size for m in frame.members.values() if m.ordered}
    spent |= horizon_figures(reading, ordered)
    for f in reading.figures:
        if f.unit or not f.noun:
            continue
        inside = any(a < f.end and f.start < b for a, b in spans)
        bound = any(s == f"text:{f.start}-{f.end}" for s in sources)
        counts = any(m.size == f.value and m.noun == f.noun for m in frame.members.values())
        sized = any(m.size == f.value for m in frame.members.values()) and not f.subjects
        if bound or counts or (inside and sized):
            spent.add((f.start, f.end))
    return spent


def _members(
    figure: Figure, frame: Frame, more: Sequence[str] = (), *, ordinals: bool = True
) -> frozenset[tuple[str, int]]:
    labels = [*figure.subjects, figure.row, figure.column, *more]
    if _ALL & set(figure.after[:4]):
        own = {stem(w) for w in figure.before[-figure.own_before :]} if figure.own_before else set()
        labels = [label for label in labels if label and set(stems(label)) <= own]
    found = {w for w in (frame.where(label) for label in labels if label) if w is not None}
    if figure.each and not figure.row:  # "in each period": of all, whatever was named before
        found = {w for w in found if not frame.members[w[0]].ordered}
    if not found and ordinals and (ordinal := _ordinal(figure)):
        named = [w for w in (frame.where(ordinal),) if w is not None]
        found = set(named)
    return frozenset(found)


def _ordinal(figure: Figure) -> str:
    """ "the second task", "the third": which of the members the nearest ordinal word before the number picks."""
    near = figure.before[-5:]
    for i in range(len(near) - 1, -1, -1):
        if near[i] in ORDINALS:
            return near[i] if i + 1 >= len(near) else f"{near[i]} {near[i + 1]}"
    return ""


def _from_run(run: Run, frame: Frame) -> Offer:
    n = len(run.figures)
    if len(run.over) == n:
        items = tuple(Item(f, _members(f, frame, (o,))) for f, o in zip(run.figures, run.over, strict=True))
    else:
        items = tuple(Item(f, _members(f, frame, ordinals=False)) for f in run.figures)
    if run.over and stepped(run, frame):
        items = tuple(
            Item(i.figure, frozenset(w for w in i.at if not frame.members[w[0]].ordered)) for i in items
        )
    told = len({i.at for i in items}) == n
    if told and (more := _heading(run.head, frame) - {g for i in items for g, _ in i.at}):
        placed = {w for g in more for w in _headed(run.head, frame) if w[0] == g}
        items = tuple(Item(i.figure, i.at | placed) for i in items)
    over = run.over[0] if len(run.over) == 1 else ""
    if not told:
        common = frozenset.intersection(*(i.at for i in items))
        items = tuple(Item(i.figure, common) for i in items)
    return Offer(items, run.head, row=not told, over=over)


def _headed(head: Sequence[str], frame: Frame) -> set[tuple[str, int]]:
    """Members that the heading of a column names, where it names one of their set."""
    words = tuple(stem(w) for w in head)
    found: set[tuple[str, int]] = set()
    for name, members in frame.members.items():
        if members.labels is None:
            continue
        own = [stems(label) for label in members.labels]
        hits = [
            p
            for p, label in enumerate(own)
            if any(words[i : i + len(label)] == label for i in range(len(words)))
        ]
        if len(hits) == 1:
            found.add((name, hits[0]))
    return found


def _heading(head: Sequence[str], frame: Frame) -> set[str]:
    return {g for g, _ in _headed(head, frame)}


def _bundled(offers: Sequence[Offer], symbols: Mapping[str, Symbol], lexicon: Lexicon) -> list[Offer]:
    """Like offers about different members become one.

    Where each member has but one figure of a kind they belong together whatever the words; where some have several,
    the words around them decide which goes with which.
    """
    bundles: list[Offer] = []
    for offer in sorted(offers, key=lambda o: o.key):
        near = [i for i, b in enumerate(bundles) if _may_join(b, offer)]
        if len(near) > 1 or (near and _several(offer, offers)):
            near = [i for i in near if _alike(bundles[i], offer, symbols, lexicon)]
        near = [
            i for i in near if not _mixed(bundles[i], offer) or _alike(bundles[i], offer, symbols, lexicon)
        ]
        if near:
            chosen = max(
                near, key=lambda i: (_likeness(bundles[i], offer), i)
            )  # the most recent: lists go on
            b = bundles[chosen]
            bundles[chosen] = Offer((*b.items, *offer.items), b.head, b.row, b.over)
        else:
            bundles.append(offer)
    return bundles


def _likeness(bundle: Offer, offer: Offer) -> int:
    """How many of the words right beside a figure stand right beside those of a bundle too."""
    mine = _beside(offer.figure)
    return max(len(mine & _beside(i.figure)) for i in bundle.items)


def _beside(figure: Figure) -> set[tuple[str, str]]:
    before = figure.before[-min(2, figure.own_before) :] if figure.own_before else ()
    after = figure.after[: min(2, figure.own_after)]
    return {("before", stem(w)) for w in before} | {("after", stem(w)) for w in after}


def _several(offer: Offer, offers: Sequence[Offer]) -> bool:
    """Whether the members of an offer have other offers of the same kind."""
    places = {i.at for i in offer.items}
    unit = unit_of(offer.figure)
    return any(
        other is not offer
        and not per_others(offer.figure, other.figure)
        and not count_others(offer.figure, other.figure)
        and any(i.at in places for i in other.items)
        and unit is not None
        and (theirs := unit_of(other.figure)) is not None
        and theirs.same(unit)
        for other in offers
    )


def _may_join(a: Offer, b: Offer) -> bool:
    """Same dimension, same kind of limit, told of members of the same sets, and not twice of the same."""
    if not all(i.at for i in (*a.items, *b.items)) or a.row != b.row or a.figure.clock != b.figure.clock:
        return False
    ua, ub = unit_of(a.figure), unit_of(b.figure)
    if ua is None or ub is None or not (ua.same(ub) or _counts_alike(a.figure, b.figure)):
        return False
    if not _like_limits(a, b) or count_others(a.figure, b.figure):
        return False
    if per_others(a.figure, b.figure):
        return False
    sets = {frozenset(g for g, _ in i.at) for i in (*a.items, *b.items)}
    places = {i.at for i in a.items}
    return len(sets) == 1 and not any(i.at in places for i in b.items)


def _counts_alike(a: Figure, b: Figure) -> bool:
    """Whether both count the same things, one of them for a period: "200 questions a day", "150 questions"."""
    periods = sorted((bool(PER_PERIOD.search(a.unit)), bool(PER_PERIOD.search(b.unit))))
    plain = all(f.unit.partition("/")[0] in ("", "1") for f in (a, b))
    return plain and periods == [False, True] and bool(a.noun) and stem(a.noun) == stem(b.noun)


def _like_limits(a: Offer, b: Offer) -> bool:
    """Whether both are the same kind of limit; "room for 200 kWh" and "up to 1 MWh" are, if the words say the same."""
    said = {i.figure.relation for i in (*a.items, *b.items)}
    return len(said) == 1 or said <= {"is", "at_most"} or said <= {"is", "about"}


def _mixed(a: Offer, b: Offer) -> bool:
    return len({i.figure.relation for i in (*a.items, *b.items)} - {"about"}) > 1


def _alike(a: Offer, b: Offer, symbols: Mapping[str, Symbol], lexicon: Lexicon) -> bool:
    """Whether the words around both point to the same symbol, or around one of them to none."""
    best_a, best_b = (_favourite(o, symbols, lexicon) for o in (a, b))
    if a.figure.column and b.figure.column and not (a.figure.row or b.figure.row):
        return a.figure.column == b.figure.column
    return best_a == best_b or not best_a or not best_b


def _favourite(offer: Offer, symbols: Mapping[str, Symbol], lexicon: Lexicon) -> str:
    scored = [
        (max(lexicon.evidence(name, i.figure, offer.head) for i in offer.items), name)
        for name, symbol in symbols.items()
        if into(offer.figure, symbol.unit) is not None
    ]
    best = max(scored, default=(0.0, ""))
    return best[1] if best[0] > 0 else ""


def pair(
    offers: Sequence[Offer],
    symbols: Mapping[str, Symbol],
    frame: Frame,
    lexicon: Lexicon,
    reading: Reading,
    weights: Mapping[str, float],
    barred: frozenset[tuple[str, int]] = frozenset(),
) -> Pairing:
    """Offers and symbols paired at least cost; then like offers about other members join those already there.

    Args:
        offers: of `make_offers`.
        symbols: by name.
        frame: members of the sets.
        lexicon: cues of ``symbols``.
        reading: the text.
        weights: extra cost of symbols that only serve to derive others.
        barred: pairs of a symbol and where a number starts that are not made; -1 forbids the symbol to all.

    Raises:
        SourceUnavailable: scipy is not installed.
    """
    try:
        from scipy.optimize import linear_sum_assignment
    except ImportError:
        raise SourceUnavailable(
            "formulating a problem needs the scipy package: pip install 'gramwise[plan]'"
        ) from None
    names = list(symbols)
    pairing = Pairing()
    if not offers or not names:
        pairing.left = list(offers)
        return pairing
    rivals = _rivals(offers, symbols)
    cost = np.full((len(offers), len(names) + len(offers)), LEFT_OUT)
    for i, offer in enumerate(offers):
        for j, name in enumerate(names):
            c = fit(
                offer,
                symbols[name],
                frame,
                lexicon,
                reading,
                alone=rivals[name] == 1,
                required=not weights.get(name),
            )
            lone = 0.4 if symbols[name].index and _beside_a_list(offer, offers, frame) else 0.0
            no = c is None or _is_barred(name, offer, barred)
            cost[i, j] = FORBIDDEN if c is None or no else c + weights.get(name, 0.0) + lone
    rows, columns = linear_sum_assignment(cost)
    for i, j in zip(rows, columns, strict=True):
        pairing.cost += float(cost[i, j])
        if j < len(names) and cost[i, j] < LEFT_OUT:
            pairing.taken[names[j]] = [offers[i]]
        else:
            pairing.left.append(offers[i])
    sizes = {n: math.prod(frame.members[g].size for g in symbols[n].index) for n in names}
    _join_left(pairing, cost, offers, names, symbols, sizes)
    return pairing


def _is_barred(name: str, offer: Offer, barred: frozenset[tuple[str, int]]) -> bool:
    return bool(barred) and (
        (name, -1) in barred or any((name, i.figure.start) in barred for i in offer.items)
    )


def _beside_a_list(offer: Offer, offers: Sequence[Offer], frame: Frame) -> bool:
    """Whether a lone figure of nobody stands beside like figures of every member: then it is none of theirs."""
    figure = offer.figure
    if offer.row or len(offer.items) > 1 or offer.items[0].at or figure.each or not figure.unit:
        return False
    unit = unit_of(figure)
    return any(
        len(other.items) > 1
        and unit is not None
        and (theirs := unit_of(other.figure)) is not None
        and theirs.same(unit)
        and not per_others(figure, other.figure)
        and len(other.items) in {m.size for m in frame.members.values()}
        for other in offers
    )


def _join_left(
    pairing: Pairing,
    cost: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    offers: Sequence[Offer],
    names: Sequence[str],
    symbols: Mapping[str, Symbol],
    sizes: Mapping[str, int],
) -> None:
    """Left-over offers that speak of other members than the chosen one complete it: "job 2, however, needs 500"."""
    for offer in list(pairing.left):
        i = offers.index(offer)
        order = np.argsort(cost[i, : len(names)], kind="stable")
        j = int(order[0])
        mine = pairing.taken.get(names[j])
        if cost[i, j] >= LEFT_OUT or mine is None:
            continue
        places = {item.at for o in mine for item in o.items}
        if _sets(offer) and _sets(offer) < set().union(*map(_sets, mine)):
            continue  # of fewer sets: "2.5 hours in all", beside hours of each job
        if not symbols[names[j]].index:
            continue  # one number is one number: a second completes nothing
        if places and frozenset() not in places and len(places) == sizes[names[j]]:
            continue  # every member has its number: one of nobody says something else
        if all(item.at and item.at not in places for item in offer.items) or (
            not any(item.at for item in offer.items) and not offer.row and frozenset() not in places
        ):
            mine.append(offer)
            pairing.left.remove(offer)


def _sets(offer: Offer) -> set[str]:
    return {g for item in offer.items for g, _ in item.at}


def _rivals(offers: Sequence[Offer], symbols: Mapping[str, Symbol]) -> dict[str, int]:
    """How many symbols could take a number of the same dimension."""
    return {
        name: sum(parse_unit(other.unit).same(parse_unit(symbol.unit)) for other in symbols.values())
        for name, symbol in symbols.items()
    }


def fit(
    offer: Offer,
    symbol: Symbol,
    frame: Frame,
    lexicon: Lexicon,
    reading: Reading,
    *,
    alone: bool,
    required: bool,
) -> float | None:
    """Cost of taking ``offer`` for ``symbol``; None where the dimension or the shape forbids it."""
    if symbol.unit == "1" and any(item.figure.clock for item in offer.items):
        return None
    if not symbol.clock and any(numbers_a_step(item.figure) for item in offer.items):
        return None
    if any(over_period(item.figure, symbol) for item in offer.items):
        return None
    values = [into(item.figure, symbol.unit) for item in offer.items]
    if any(v is None for v in values) or place(offer, symbol.index, frame) is None:
        return None
    clauses = reading.clauses
    plain_one = symbol.unit in COUNTED and not offer.figure.unit and values == [1.0]
    if plain_one and symbol.relation == "any":
        return None  # "for one picture" is what everything else is told of
    if symbol.unit in COUNTED and values == [1.0] and _exactly(offer.figure):
        return None  # "exactly one server" is a rule and no number of anything
    evidence = max(
        lexicon.evidence(
            symbol.name,
            item.figure,
            offer.head,
            clauses[item.figure.clause] if item.figure.clause < len(clauses) else None,
        )
        for item in offer.items
    )
    against = max(lexicon.against(symbol.name, item.figure, offer.head) for item in offer.items)
    bare = not offer.figure.unit
    if bare and values[0] == 1.0 and symbol.relation != "any" and offer.figure.relation == "is":
        return None  # "one sample costs", "one job": a determiner
    if (
        bare
        and not offer.figure.noun
        and offer.figure.before[-1:] == ("the",)
        and values[0] == int(values[0] or 0)
    ):
        return None  # "shared between the two": they were named before, and it is no amount
    if symbol.clock and evidence <= 0.0 and any(f.clock and f.relation == "is" for f in (offer.figure,)):
        return None
    if (
        symbol.clock
        and symbol.unit == "s"
        and any(
            not i.figure.clock and v is not None and v <= 3600.0
            for i, v in zip(offer.items, values, strict=True)
        )
    ):
        return None  # "each is done within one hour" says how long it takes, not by when
    if symbol.default is not None and evidence <= 0.0:
        return None  # what usually goes without saying is only taken where it is named
    if symbol.shy and evidence <= 0.0 and not told_per_thing(offer.figure, symbol):
        return None
    share = symbol.unit == "1" and symbol.high is not None and symbol.high <= 1.0
    if bare and share and (offer.figure.noun or values[0] == 1.0):
        return None  # "one period" counts, it is no share
    if bare and symbol.unit in COUNTED and is_load(offer.figure, reading):
        evidence = max(evidence, 0.6)  # "1200 GPU-hours", where a GPU-hour takes 0.4 kWh
    if (
        bare
        and symbol.unit in COUNTED
        and symbol.relation == "any"
        and _done_at_a_rate(offer.figure, reading)
    ):
        evidence = max(evidence, 0.6)  # "1500 pages", where a printer does 400 pages an hour
    counting = symbol.unit in COUNTED and not bare and bool(PER_PERIOD.search(offer.figure.unit))
    if counting and evidence < 0.3:
        if not offer.figure.noun and not (len(offer.items) > 1 and _covers(offer, symbol, frame)):
            return None
        evidence = 0.6  # "10 000 questions a day": the noun is counted, whatever it is
    cost = 1.0 - 0.8 * min(evidence, 1.25)
    if evidence == 0.0:
        told = len(offer.items) > 1 and _covers(offer, symbol, frame)  # one for each: the shape speaks
        counts = told and bare and bool(offer.figure.noun) and symbol.unit in COUNTED
        cost += (
            0.1
            if counts
            else 0.6
            if bare
            else (-0.25 if alone else 0.1 if told else 0.25 if required else 0.45)
        )
    if len(offer.items) > 1 and _covers(offer, symbol, frame):
        cost -= 0.2
    cost += 0.8 * against
    cost += _period_cost(offer, symbol, frame) + of_load_cost(offer.figure, symbol, reading)
    if symbol.unit == "request/s" and re.search(r"/(d|day|week|month|year)$", offer.figure.unit):
        cost += 0.4  # so many a month are a volume rather than a rate
    cost += _relation_cost(offer, symbol)
    cost += 0.0 if _done_at_a_rate(offer.figure, reading) else counted_cost(offer.figure, symbol, frame)
    cost += _range_cost([v for v in values if v is not None], symbol) + each_cost(offer.figure, symbol)
    if not offer.row:
        cost += clash_cost(((item.figure, item.at) for item in offer.items), symbol)
    return cost + _subject_cost(offer, symbol, frame)


def _done_at_a_rate(figure: Figure, reading: Reading) -> bool:
    """Whether another number says how many of the same things are done in an hour."""
    return bool(figure.noun) and any(
        f.noun == figure.noun and f is not figure and PER_PERIOD.search(f.unit) for f in reading.figures
    )


def _exactly(figure: Figure) -> bool:
    return figure.relation == "is" and figure.before[-1:] == ("exactly",)


def _covers(offer: Offer, symbol: Symbol, frame: Frame) -> bool:
    """Whether the offer has one figure for each element: its shape alone speaks for the symbol then."""
    total = math.prod(frame.members[g].size for g in symbol.index)
    return bool(symbol.index) and total == len(offer.items)


def _relation_cost(offer: Offer, symbol: Symbol) -> float:
    figure = next(
        (i.figure for i in offer.items if i.figure.relation in ("at_most", "at_least")), offer.figure
    )
    limit = figure.relation in ("at_most", "at_least")
    if figure.relation == "is" and _LIMITING & set(offer.head):
        return -0.3 if symbol.relation == "at_most" else 0.3
    if symbol.bounded and figure.relation == "at_most":
        return -0.2
    if symbol.relation == "any":
        if figure.relation == "at_most" and symbol.unit.partition("/")[0] == "J":
            return 0.9  # what may be used at most is not what is used
        return 0.3 if limit else 0.0
    if figure.relation == symbol.relation:
        return -0.3
    return 1.5 if limit else 0.25


def _period_cost(offer: Offer, symbol: Symbol, frame: Frame) -> float:
    """So many per hour are told of the hours one by one, where a family has hours; a plain count rather of them all."""
    if symbol.unit not in (*COUNTED, "J") or not any(m.ordered for m in frame.members.values()):
        return 0.0
    ordered = any(frame.members[g].ordered for g in symbol.index)
    hourly = ordered or any(
        w in cue for cue in (symbol.text, *symbol.cues) for w in ("hour", "period", "step")
    )
    if (
        symbol.unit == "J"
        and not ordered
        and offer.figure.unit.endswith("Wh/h")
        and "hour" not in symbol.text
    ):
        return 0.9  # "0.9 kWh per hour" is a power
    if PER_PERIOD.search(offer.figure.unit):
        return -0.3 if ordered else 0.0 if hourly and symbol.unit == "J" else 0.4
    bare = symbol.unit in COUNTED and ordered and not offer.figure.each and len(offer.items) == 1
    return 0.25 if bare else 0.0


def _range_cost(values: Iterable[float], symbol: Symbol) -> float:
    worst = 0.0
    for value in values:
        for bound, beyond in (
            (symbol.low, symbol.low is not None and value < symbol.low),
            (symbol.high, symbol.high is not None and value > symbol.high),
        ):
            if beyond and bound is not None:
                far = abs(math.log10(abs(value) / abs(bound))) if value and bound else 2.0
                worst = max(worst, min(1.6, 0.5 + 0.4 * far))
    return worst


def _subject_cost(offer: Offer, symbol: Symbol, frame: Frame) -> float:
    sets = {g for item in offer.items for g, _ in item.at}
    strangers = sets - set(symbol.index)
    if strangers:
        return 0.5
    if sets or not symbol.index:
        return -0.05 if sets else 0.0
    return 0.0 if offer.row or offer.figure.each else 0.03 if offer.figure.unit else 0.15


def place(offer: Offer, index: Sequence[str], frame: Frame) -> list[tuple[Item, dict[str, int]]] | None:
    """Each item with its fixed positions over ``index``; None where an enumeration fits no set of it.

    A set that an item says nothing about is meant as a whole: the figure holds for all of it.
    """
    if not offer.row:
        return [(item, fixed) for item in offer.items for fixed in _positions(item, index)]
    rows = [tuple(row) for _, row in itertools.groupby(offer.items, key=lambda item: item.at)]
    if len(rows) > 1:  # "at home 1, 2 and 3, in the cloud 4, 5 and 6": a row for each place
        placed = [place(replace(offer, items=row), index, frame) for row in rows]
        return None if any(p is None for p in placed) else [one for p in placed for one in p or ()]
    n = len(offer.items)
    fixed = {g for g, _ in offer.items[0].at}
    axes = [g for g in index if g not in fixed and g in frame.members and frame.members[g].size == n]
    if not axes:
        return None
    axis = next((g for g in axes if _named_by(offer, frame, g)), axes[0])
    return [
        (item, {g: p for g, p in item.at if g in index} | {axis: k}) for k, item in enumerate(offer.items)
    ]


def _positions(item: Item, index: Sequence[str]) -> list[dict[str, int]]:
    """Every combination of the members that a figure is told of: "3 each at A and B" is told of both."""
    places = {
        g: sorted(p for at, p in item.at if at == g) for g in index if any(at == g for at, _ in item.at)
    }
    return [dict(zip(places, chosen, strict=True)) for chosen in itertools.product(*places.values())]


def _named_by(offer: Offer, frame: Frame, group: str) -> bool:
    noun = frame.members[group].noun
    words = (*offer.head, offer.over, *offer.figure.before)
    return bool(noun) and any(w.rstrip("s") == noun.rstrip("s") for w in words)
