"""Which number of the text is which symbol: offers (figures that belong together) against slots, at least cost.

An *offer* is a single figure, an enumeration, or the like figures of several members ("A draws 8 W, B 10 W"). Each
symbol of a family takes at most one offer, each offer goes to at most one symbol, and `scipy.optimize
.linear_sum_assignment` finds the cheapest such pairing. Another dimension is forbidden; cue words, limit words, the
plausible range and the members it is said of make the rest of the cost. Method: generative planning, section 7.4.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gramwise.core.errors import SourceUnavailable
from gramwise.optimize.knowledge.entry import Symbol
from gramwise.optimize.typed.units import parse_unit

from .assemble_cues import Lexicon, stem, stems
from .assemble_groups import ORDINALS, Frame
from .assemble_quantity import COUNTED, PER_PERIOD, into, unit_of
from .statement import Figure, Reading, Run

FORBIDDEN = 1e6
LEFT_OUT = 1.35
"""Cost of leaving an offer without a symbol: a pairing that costs more is not made."""


_HORIZON = {"next", "coming", "following", "horizon"}
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
    return _bundled([*offers, *singles], symbols, lexicon)


def _sizes(reading: Reading, frame: Frame) -> set[tuple[int, int]]:
    """Spans of figures that only count the members of a set: they are its size and no quantity."""
    spans = {s for named in reading.groups if named.count is not None for s in named.spans}
    sources = {m.source for m in frame.members.values()}
    spent = set()
    ordered = {m.size for m in frame.members.values() if m.ordered}
    for f in reading.figures:
        if f.unit in ("h", "hour") and f.value in ordered and _HORIZON & set(f.before[-3:]):
            spent.add((f.start, f.end))
        if f.unit or not f.noun:
            continue
        inside = any(a < f.end and f.start < b for a, b in spans)
        bound = any(s == f"text:{f.start}-{f.end}" for s in sources)
        counts = any(m.size == f.value and m.noun == f.noun for m in frame.members.values())
        if bound or counts or (inside and f.value in {m.size for m in frame.members.values()}):
            spent.add((f.start, f.end))
    return spent


def _members(figure: Figure, frame: Frame, more: Sequence[str] = ()) -> frozenset[tuple[str, int]]:
    if _ALL & set(figure.after[:4]):
        return frozenset()
    labels = [*figure.subjects, figure.row, figure.column, *more]
    found = {w for w in (frame.where(label) for label in labels if label) if w is not None}
    if not found and (ordinal := _ordinal(figure)):
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
        items = tuple(Item(f, _members(f, frame)) for f in run.figures)
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
        if near:
            b = bundles[near[-1]]  # the most recent: lists go on before they start anew
            bundles[near[-1]] = Offer((*b.items, *offer.items), b.head, b.row, b.over)
        else:
            bundles.append(offer)
    return bundles


def _several(offer: Offer, offers: Sequence[Offer]) -> bool:
    """Whether the members of an offer have other offers of the same kind."""
    places = {i.at for i in offer.items}
    unit = unit_of(offer.figure)
    return any(
        other is not offer
        and any(i.at in places for i in other.items)
        and unit is not None
        and (theirs := unit_of(other.figure)) is not None
        and theirs.same(unit)
        for other in offers
    )


def _may_join(a: Offer, b: Offer) -> bool:
    """Same dimension, same kind of limit, told of members of the same sets, and not twice of the same."""
    if not all(i.at for i in (*a.items, *b.items)) or (a.row != b.row):
        return False
    ua, ub = unit_of(a.figure), unit_of(b.figure)
    if ua is None or ub is None or not ua.same(ub) or (a.figure.relation != b.figure.relation):
        return False
    sets = {frozenset(g for g, _ in i.at) for i in (*a.items, *b.items)}
    places = {i.at for i in a.items}
    return len(sets) == 1 and not any(i.at in places for i in b.items)


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
) -> Pairing:
    """Offers and symbols paired at least cost; then like offers about other members join those already there.

    Args:
        offers: of `make_offers`.
        symbols: by name.
        frame: members of the sets.
        lexicon: cues of ``symbols``.
        reading: the text.
        weights: extra cost of symbols that only serve to derive others.

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
            cost[i, j] = FORBIDDEN if c is None else c + weights.get(name, 0.0)
    rows, columns = linear_sum_assignment(cost)
    for i, j in zip(rows, columns, strict=True):
        pairing.cost += float(cost[i, j])
        if j < len(names) and cost[i, j] < LEFT_OUT:
            pairing.taken[names[j]] = [offers[i]]
        else:
            pairing.left.append(offers[i])
    _join_left(pairing, cost, offers, names)
    return pairing


def _join_left(
    pairing: Pairing,
    cost: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    offers: Sequence[Offer],
    names: Sequence[str],
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
        if all(item.at and item.at not in places for item in offer.items) or (
            not any(item.at for item in offer.items) and not offer.row and frozenset() not in places
        ):
            mine.append(offer)
            pairing.left.remove(offer)


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
    values = [into(item.figure, symbol.unit) for item in offer.items]
    if any(v is None for v in values) or place(offer, symbol.index, frame) is None:
        return None
    clauses = reading.clauses
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
    counting = symbol.unit in COUNTED and not bare and bool(PER_PERIOD.search(offer.figure.unit))
    if counting and evidence < 0.3:
        if not offer.figure.noun:
            return None
        evidence = 0.6  # "10 000 questions a day": the noun is counted, whatever it is
    cost = 1.0 - 0.8 * min(evidence, 1.25)
    if evidence == 0.0:
        cost += 0.6 if bare else (-0.25 if alone else 0.25 if required else 0.45)
    if len(offer.items) > 1 and _covers(offer, symbol, frame):
        cost -= 0.2
    cost += 0.8 * against
    cost += _relation_cost(offer, symbol)
    cost += _range_cost([v for v in values if v is not None], symbol)
    return cost + _subject_cost(offer, symbol, frame)


def _covers(offer: Offer, symbol: Symbol, frame: Frame) -> bool:
    """Whether the offer has one figure for each element: its shape alone speaks for the symbol then."""
    total = math.prod(frame.members[g].size for g in symbol.index)
    return bool(symbol.index) and total == len(offer.items)


def _relation_cost(offer: Offer, symbol: Symbol) -> float:
    figure = offer.figure
    limit = figure.relation in ("at_most", "at_least")
    if figure.relation == "is" and _LIMITING & set(offer.head):
        return -0.3 if symbol.relation == "at_most" else 0.3
    if symbol.relation == "any":
        return 0.3 if limit else 0.0
    if figure.relation == symbol.relation:
        return -0.3
    return 1.5 if limit else 0.25


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
    return 0.0 if offer.row or offer.figure.each else 0.03


def place(offer: Offer, index: Sequence[str], frame: Frame) -> list[tuple[Item, dict[str, int]]] | None:
    """Each item with its fixed positions over ``index``; None where an enumeration fits no set of it.

    A set that an item says nothing about is meant as a whole: the figure holds for all of it.
    """
    if not offer.row:
        return [(item, {g: p for g, p in item.at if g in index}) for item in offer.items]
    n = len(offer.items)
    fixed = {g for g, _ in offer.items[0].at}
    axes = [g for g in index if g not in fixed and g in frame.members and frame.members[g].size == n]
    if not axes:
        return None
    axis = next((g for g in axes if _named_by(offer, frame, g)), axes[0])
    return [
        (item, {g: p for g, p in item.at if g in index} | {axis: k}) for k, item in enumerate(offer.items)
    ]


def _named_by(offer: Offer, frame: Frame, group: str) -> bool:
    noun = frame.members[group].noun
    words = (*offer.head, offer.over, *offer.figure.before)
    return bool(noun) and any(w.rstrip("s") == noun.rstrip("s") for w in words)
