"""Which members belong together: of one noun, listed side by side, or carrying numbers of one unit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise

from .clauses import Piece
from .itemised import divided, itemised
from .likeplaces import in_like_places
from .members import GENERIC, IN_PLACE, KINDS, Member, again, named, short_names
from .numbers import low
from .phrases import Phrases, dimension
from .placed import placed
from .quantities import Quantity
from .tokens import Token
from .unitwords import COUNTED, as_carbon, singular
from .vocabulary import words
from .whereabouts import whereabouts

_LINKS = frozenset((",", "and", "or", "/", "&", "+"))
_COPULA = words("groups.copula")
_GRAMS = ("gCO2e", "kgCO2e", "mgCO2e", "tCO2e")
_MASSES = ("g", "kg")
_FILLERS = words("groups.fillers")
_COMPARED = 12
_COUNTED_OF = 3
"""Numbers of one noun from which on they are told of several names: 300, 450 and 500 photos."""
_LIKENESS = 0.4
"""Share of the kinds of numbers of two members that both must have to be of one kind."""
_ENDING = words("groups.ending")
_PURE = words("groups.pure")
"""What is told by a number without a unit: "2.4 J, accuracy 0.81" is no 0.81 J."""


def members(
    tokens: list[Token], cuts: list[Piece], found: list[Quantity], seeds: list[Member]
) -> list[Member]:
    """All members in the order of first mention with every mention, not yet grouped."""
    book = named(tokens, found, seeds)
    phrases = Phrases(tokens, cuts, found, book)
    phrases.collect()
    itemised(phrases)
    divided(phrases)
    whereabouts(phrases)
    placed(phrases)
    _merge(book)
    again(tokens, book, {at for q in found for at in range(q.first, q.last + 1) if q.unit})
    for member in book.values():
        member.mentions.sort()
    kept = sorted(
        (m for m in book.values() if m.mentions or m.place),
        key=lambda m: m.place[0] if m.place else tokens[m.mentions[0][0]].start,
    )
    taken = {at for q in found for at in range(q.first, q.last + 1) if q.unit}
    short_names(tokens, kept, taken)
    return kept


def _size(kept: list[Member], root: Callable[[int], int], k: int) -> int:
    return sum(root(other) == root(k) for other in range(len(kept)))


def _merge(book: dict[str, Member]) -> None:
    """ "workstation" is "borrowed workstation" where only one member ends so; "big servers" are "a big server"."""
    for key in list(book):
        words = key.split()
        one = " ".join((*words[:-1], singular(words[-1])))
        others = [k for k in book if k != key and k.split()[:-1] == words[:-1]]
        alike = [k for k in others if singular(k.split()[-1]) in GENERIC]
        short = alike if book[key].label.endswith(" one") else []
        other = one if one != key and one in book else short[0] if len(short) == 1 else ""
        if other and len(words) > 1 and book[key].axis < 0 and book[key].place is None:
            book[other].mentions.extend(book.pop(key).mentions)
    for key in [k for k in book if " " not in k]:
        label = book[key].label
        longer = [
            other
            for name, other in book.items()
            if name != key
            and not IN_PLACE & set(name.split())
            and (name.split()[-1] == key or other.label.split()[0] == label)
        ]
        if len(longer) == 1:
            longer[0].mentions.extend(book.pop(key).mentions)


def elide(tokens: list[Token], cuts: list[Piece], found: list[Quantity], kept: list[Member]) -> None:
    """ "A at 100, B at 200 and C at 300 g/kWh": a bare number takes the unit of its neighbour beyond a name."""
    named_at = {k for m in kept for a, b in m.mentions for k in range(a, b)}
    pairs = list(pairwise(found))
    for order in (pairs, [(right, left) for left, right in reversed(pairs)]):
        for source, target in order:
            if not source.unit or not target.bare or source.clock or source.unit.startswith("1/"):
                continue
            if low(tokens, target.first - 1) in _PURE or low(tokens, target.first - 2) in _PURE:
                continue
            if 0 < target.value < 1 and all(t.kind == "word" for t in tokens[target.first : target.last + 1]):
                continue  # "one tenth": a share of what was told before
            if cuts[source.clause].sentence != cuts[target.clause].sentence:
                continue
            left, right = sorted((source, target), key=lambda q: q.first)
            gap = range(left.last + 1, right.first)
            others = [tokens[k].low for k in gap if k not in named_at and tokens[k].kind != "newline"]
            if (
                len(others) < len(gap)
                and len(others) <= 6
                and sum(w not in _LINKS | _FILLERS | _COPULA for w in others)
                <= (1 if len(others) < 4 or others[-1] == "at" else 0)
            ):
                for quantity in found if target.listed >= 0 else [target]:
                    if quantity is target or (quantity.listed == target.listed and quantity.bare):
                        quantity.unit, quantity.mass, quantity.per = source.unit, source.mass, source.per
                        quantity.noun = source.noun
                        quantity.each = source.each


def per_energy(tokens: list[Token], cuts: list[Piece], found: list[Quantity]) -> None:
    """ "Each kilowatt-hour stands for 420 grams of CO2"; "... 480 g a kWh; the neighbour gets by with 50"."""
    last: Quantity | None = None
    for quantity in found:
        piece = cuts[quantity.clause]
        top, stroke, _ = quantity.unit.partition("/")
        if last is not None and cuts[last.clause].sentence != piece.sentence:
            last = None
        if top in _GRAMS and not stroke and _of_each(tokens, piece, quantity):
            quantity.unit = top + "/kWh"
        elif last is not None and quantity.bare and quantity.listed < 0 and _ends_with(tokens, quantity):
            quantity.unit, quantity.mass = last.unit, last.mass
        if quantity.unit.startswith(_GRAMS) and quantity.unit.endswith(("/kWh", "/MWh", "/Wh")):
            last = quantity


def _of_each(tokens: list[Token], piece: Piece, quantity: Quantity) -> bool:
    for at in range(piece.first, quantity.first - 1):
        words = low(tokens, at + 1) in ("kilowatt-hour", "kwh") or (
            low(tokens, at + 1) == "kilowatt" and low(tokens, at + 2).startswith("hour")
        )
        if words and low(tokens, at) in ("each", "every", "per", "a", "one"):
            return True
    return False


def _ends_with(tokens: list[Token], quantity: Quantity) -> bool:
    """Whether a bare number ends its clause behind a word such as "is" or "with"."""
    follows = low(tokens, quantity.last + 1)
    ahead = low(tokens, quantity.first - 1)
    return follows in ("", ".", ";", ",", ")", "\n") and ahead in _ENDING


def shorten(tokens: list[Token], cuts: list[Piece], found: list[Quantity]) -> None:
    """ "15 grams of CO2 per kilowatt-hour ... 240 grams": grams said again are grams per the same thing.

    Holds within three sentences of a full figure, for plain values that are no total, and only for grams; and in
    lines of one shape ("X to Y: 40 Wh per GB" and below "Y to Z: 90 Wh") for any unit.
    """
    full: Quantity | None = None
    for quantity in found:
        top, stroke, below = quantity.unit.partition("/")
        if stroke and quantity.unit.startswith(_GRAMS) and below in ("kWh", "MWh", "Wh", "J", "MJ", "kJ"):
            full = quantity
        elif full is not None and top in _GRAMS + _MASSES and not stroke:
            near = cuts[quantity.clause].sentence - cuts[full.clause].sentence <= 3
            if near and quantity.relation in ("is", "about"):
                quantity.unit, quantity.mass = (
                    as_carbon(quantity.unit) + "/" + full.unit.partition("/")[2],
                    False,
                )
                full = quantity
    after: Quantity | None = None
    for quantity in reversed(found):
        top, stroke, below = quantity.unit.partition("/")
        if stroke and below == "kWh" and top in _GRAMS:
            after = quantity
        elif (
            after is not None
            and top in _GRAMS + _MASSES
            and not stroke
            and quantity.relation in ("is", "about")
        ) and cuts[quantity.clause].sentence == cuts[after.clause].sentence:
            quantity.unit, quantity.mass = as_carbon(quantity.unit) + "/kWh", False
    rates: dict[str, tuple[int, str]] = {}
    for quantity in found:
        top, stroke, _ = quantity.unit.partition("/")
        sentence = cuts[quantity.clause].sentence
        if stroke:
            rates[top] = sentence, quantity.unit
        elif top in rates and sentence - rates[top][0] <= 6 and low(tokens, quantity.first - 1) == ":":
            quantity.unit = rates[top][1]


def group(
    tokens: list[Token],
    cuts: list[Piece],
    found: list[Quantity],
    kept: list[Member],
    turns: Iterable[tuple[Member, Member]] = (),
) -> None:
    """Number the group of each member, and drop names that are of none; ``turns`` are pairs known to be of one."""
    parent = list(range(len(kept)))

    def root(k: int) -> int:
        while parent[k] != k:
            parent[k] = parent[parent[k]]
            k = parent[k]
        return k

    def join(a: int, b: int) -> None:
        parent[max(root(a), root(b))] = min(root(a), root(b))

    for member in kept:
        member.noun = member.noun or _heading(tokens, cuts, member)
    nouns: dict[str, int] = {}
    for k, member in enumerate(kept):
        if member.noun:
            join(k, nouns.setdefault(member.noun, k))
    axes: dict[int, int] = {}
    for k, member in enumerate(kept):
        if member.axis >= 0:
            join(k, axes.setdefault(member.axis, k))
    titles: dict[str, int] = {}
    for k, member in enumerate(kept):
        title = member.label.split()[0]
        if (
            " " in member.label
            and title[0].isupper()
            and "'" not in title
            and not member.noun
            and member.axis < 0
        ):
            join(k, titles.setdefault(title, k))
    # An enumeration joins things of unlike nouns ("at home, at a base station or in the cloud"), unless both are kinds.
    single = {noun for noun in nouns if sum(member.noun == noun for member in kept) == 1}
    for left, right in _adjacent(tokens, kept):
        if _may_join(kept[left], kept[right]) or {kept[left].noun, kept[right].noun} & single:
            join(left, right)
    places = {id(member): k for k, member in enumerate(kept)}
    for a, b in turns:
        if _may_join(a, b):
            join(places[id(a)], places[id(b)])
    apart = _apart(tokens, cuts, found, kept)
    for left, right in in_like_places(tokens, kept):
        if (min(left, right), max(left, right)) not in apart and _may_join(kept[left], kept[right]):
            join(left, right)
    for left, right in _same_unit(tokens, cuts, found, kept):
        if _may_join(kept[left], kept[right]) and kept[left].axis == kept[right].axis:
            if (
                _size(kept, root, left) > 1
                and _size(kept, root, right) > 1
                and not (kept[left].noun and kept[right].noun)
            ):
                continue
            ours = {k for k in range(len(kept)) if root(k) == root(left)}
            theirs = {k for k in range(len(kept)) if root(k) == root(right)}
            if not any((min(a, b), max(a, b)) in apart for a in ours for b in theirs):
                join(left, right)
    for k, member in enumerate(kept):
        member.group = root(k)
    kept[:] = [m for k, m in enumerate(kept) if m.noun or m.axis >= 0 or _size(kept, root, k) > 1]


def _heading(tokens: list[Token], cuts: list[Piece], member: Member) -> str:
    """The plural noun of the heading that a bullet stands under: "Sites:"."""
    if not member.mentions:
        return ""
    first = member.mentions[0][0]
    piece = next((p for p in cuts if p.first <= first < p.stop), None)
    if piece is not None and (noun := _opening(tokens, piece, first)):
        return noun
    if piece is None or not piece.bullet or not piece.heading or first > piece.first + 2:
        return ""
    last = piece.heading.split()[-1].lower()
    return singular(last) if singular(last) in GENERIC else ""


def _opening(tokens: list[Token], piece: Piece, first: int) -> str:
    """The plural noun that opens a line and is followed by a colon: "Servers: A (...), B (...)"."""
    at = piece.first
    while at < first and (tokens[at].kind == "newline" or tokens[at].text in "-*+"):
        at += 1
    for stop in (at + 1, at + 2):
        noun = singular(low(tokens, stop - 1))
        if stop < first and low(tokens, stop) == ":" and noun in GENERIC and noun != low(tokens, stop - 1):
            return noun
    return ""


_PLACING = frozenset(["on", "in", "at", "with", "by", "from", "to"])


def _may_join(a: Member, b: Member) -> bool:
    """Things of two nouns stay apart, but for places and machines, which are both where work runs."""
    where = frozenset(KINDS) | {"", "base station", "server", "gateway", "node", "datacentre"}
    return not a.noun or not b.noun or a.noun == b.noun or (a.noun in where and b.noun in where)


def _adjacent(tokens: list[Token], kept: list[Member]) -> Iterable[tuple[int, int]]:
    """Pairs of members that stand side by side in an enumeration."""
    spans = sorted((a, b, k) for k, member in enumerate(kept) for a, b in member.mentions)
    for (_, stop, left), (first, _, right) in pairwise(spans):
        between = [t.low for t in tokens[stop:first] if t.kind != "newline"]
        links = [word for word in between if word in _LINKS]
        if (
            links and len(between) <= 4 and left != right and all(w in _LINKS | _FILLERS for w in between)
        ) or (left != right and len(between) <= 9 and links and _parallel(tokens, spans, stop, first, left)):
            yield left, right


def _parallel(
    tokens: list[Token], spans: list[tuple[int, int, int]], stop: int, first: int, left: int
) -> bool:
    """ "On the workstation in the office or on the rented machine": the link and the same preposition before both."""
    begin = next((a for a, b, k in spans if b == stop and k == left), stop)
    for back in (1, 2):
        preposition = low(tokens, first - back)
        if preposition in _PLACING and low(tokens, first - back - 1) in ("or", "and"):
            return preposition in (low(tokens, begin - 1), low(tokens, begin - 2))
    return False


def _same_unit(
    tokens: list[Token], cuts: list[Piece], found: list[Quantity], kept: list[Member]
) -> Iterable[tuple[int, int]]:
    """Pairs of members that are the nearest to numbers of one unit."""
    told: dict[int, set[str]] = {}
    pairs: list[tuple[int, int]] = []
    owners: dict[tuple[str, int], list[int]] = {}
    for owner, kind in _owned(tokens, cuts, found, kept):
        told.setdefault(owner, set()).add(kind)
        others = owners.setdefault((kind, kept[owner].axis), [])
        if kind and owner not in others:
            pairs += [(other, owner) for other in others[:_COMPARED]]
            others.append(owner)
    for left, right in pairs:
        if len(told[left] & told[right]) >= _LIKENESS * len(told[left] | told[right]):
            yield left, right


def _owned(
    tokens: list[Token], cuts: list[Piece], found: list[Quantity], kept: list[Member]
) -> Iterable[tuple[int, str]]:
    """Each number's nearest member, and what it measures; a bare number or so many a day measures nothing."""
    spans = sorted((a, b, k) for k, member in enumerate(kept) for a, b in member.mentions)
    rated = any(q.unit.startswith(_GRAMS) and q.unit.endswith("/kWh") for q in found)
    said = Counter(q.noun for q in found if q.noun and not q.unit and q.relation == "is")
    at = 0
    for quantity in found:
        counts = bool(not quantity.unit and quantity.noun)
        if quantity.clock or (counts and said[quantity.noun] < _COUNTED_OF):
            continue
        piece = cuts[quantity.clause]
        while at + 1 < len(spans) and spans[at + 1][0] < quantity.first:
            at += 1
        if not spans:
            return
        owner = spans[at][2]
        if not piece.first <= spans[at][0] < quantity.first or _leads(
            tokens, quantity, spans[at + 1 : at + 2]
        ):
            following = [s for s in spans[at : at + 2] if quantity.last < s[0] < piece.stop][:1]
            if not _leads(tokens, quantity, following):
                continue
            owner = following[0][2]
        plain = not quantity.unit or quantity.unit.startswith("1/")
        # "6 mWh for each request in Oslo, 5 mWh in Lille": what is counted is often left out for the second
        top, _, below = quantity.unit.partition("/")
        unit = top if below in COUNTED.values() else quantity.unit
        if unit in _GRAMS + _MASSES and rated:
            unit = "gCO2e/kWh"  # "25 g per kWh" of one, and "90 g" of the next
        yield owner, "#" + quantity.noun if counts else "" if plain else dimension(unit)


def _apart(
    tokens: list[Token], cuts: list[Piece], found: list[Quantity], kept: list[Member]
) -> set[tuple[int, int]]:
    """Pairs that one number is said of at once ("North's footage takes the laptop 20 minutes"): never of one group."""
    spans = sorted((a, b, k) for k, member in enumerate(kept) for a, b in member.mentions)
    pairs: set[tuple[int, int]] = set()
    behind = 0
    for quantity in found:
        first = max(behind, cuts[quantity.clause].first)
        # a name in brackets belongs to the number in front of it: "150 Wh (Oslo), 140 Wh (Lille)"
        here = [s for s in spans if first <= s[0] < quantity.first and low(tokens, s[0] - 1) != "("]
        behind = quantity.last + 1
        following = [s for s in spans if s[0] > quantity.last][:1]
        if _leads(tokens, quantity, following):
            here.extend(following)
        for (_, stop, left), (start, _, right) in pairwise(here):
            between = [t.low for t in tokens[stop:start]]
            if left != right and not any(w in _LINKS | {";", ":"} for w in between):
                pairs.add((min(left, right), max(left, right)))
    return pairs


def _leads(tokens: list[Token], quantity: Quantity, following: list[tuple[int, int, int]]) -> bool:
    """Whether the number stands before its name: "100 g/kWh at A"."""
    if not following:
        return False
    between = [t.low for t in tokens[quantity.last + 1 : following[0][0]]]
    if between == ["("]:
        return True
    return len(between) <= 3 and bool(between) and between[0] in ("at", "in", "for", "on", "from", "of")
