"""Closure: every symbol that is needed is given, derived from given ones by formula cards, or asked for.

Among the ways to know a symbol the best has, in this order, the fewest numbers to ask for, the fewest defaults, the
most given numbers that it rests on (so that a static power that the text states is not passed over, and a given
running time makes us ask for the power rather than for the energy), the fewest formulas, and the first names. A symbol
that is given is never derived, and no way goes through the symbol that it leads to, so that nothing is cyclic and the
same text closes the same way each time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .base import Base, shipped
from .entry import Entry, Model

DEEPEST = 6


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to a symbol: what it asks for, defaults and given symbols it takes, formulas in order."""

    missing: frozenset[str] = frozenset()
    defaults: frozenset[str] = frozenset()
    used: frozenset[str] = frozenset()
    cards: tuple[Entry, ...] = ()

    @property
    def rank(self) -> tuple[int, int, int, int, tuple[str, ...]]:
        """Smaller is better."""
        ids = tuple(c.id for c in self.cards)
        return len(self.missing), len(self.defaults), -len(self.used), len(self.cards), ids

    def with_(self, other: _Way) -> _Way:
        """Both together; formulas keep their order."""
        cards = tuple(dict.fromkeys((*self.cards, *other.cards)))
        return _Way(
            self.missing | other.missing, self.defaults | other.defaults, self.used | other.used, cards
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A symbol that must be asked for.

    Attributes:
        symbol: its name.
        question: for a person.
        unit: canonical.
        alternatives: formulas that would give it, each as the symbols that it needs and that are not known.
    """

    symbol: str
    question: str
    unit: str
    alternatives: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure:
    """How the needed symbols come to be known.

    Attributes:
        derivations: formula cards, each behind those that it relies on; one for each derived symbol.
        missing: what must be asked, in the order of need.
        defaulted: symbols taken from a card's neutral default.
        used: given symbols that the needed ones rest on, themselves included.
    """

    derivations: tuple[Entry, ...] = ()
    missing: tuple[Missing, ...] = ()
    defaulted: tuple[str, ...] = ()
    used: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether nothing has to be asked."""
        return not self.missing


def close(
    needed: Iterable[str],
    given: Iterable[str],
    *,
    groups: Iterable[str] | None = None,
    base: Base | None = None,
) -> Closure:
    """Ways to know every needed symbol.

    Args:
        needed: names of symbols, the most important first.
        given: names of symbols that the text or an answer gives; flags of kind ``absent`` are given always.
        groups: sets that the problem has; formulas over other sets are left out. None: all.
        base: cards; the shipped ones if None.
    """
    return _Search(base or shipped(), frozenset(given), None if groups is None else frozenset(groups)).run(
        needed
    )


def close_family(family: str | Entry, given: Iterable[str], *, base: Base | None = None) -> Closure:
    """Closure of a family's required symbols, of the alternative that asks for least, of the optional symbols that are
    given or can be derived without a question, and of what these pull in.

    Args:
        family: card or its id.
        given: names of symbols that are known.
        base: cards; the shipped ones if None.

    Raises:
        ConfigError: there is no such family.
    """
    cards = base or shipped()
    entry = cards.family(family) if isinstance(family, str) else family
    model = entry.model
    assert model is not None, f"{entry.id} has no model, which loading checks"
    known = frozenset(given)
    search = _Search(cards, known, frozenset(g.name for g in model.groups))
    needed = [*model.requires]
    if model.alternatives:
        needed += min(model.alternatives, key=search.price)
    for symbol in model.optional:
        way = search.way(symbol)
        if not way.missing and way.used and symbol not in needed:
            needed.append(symbol)
    for symbol, pulled in model.pulls.items():
        if symbol in needed and not _ruled_without(symbol, pulled, model, known):
            needed += [p for p in pulled if p not in needed and _in_force(p, model, known, cards)]
    return search.run(needed)


def _ruled_without(symbol: str, pulled: Iterable[str], model: Model, known: frozenset[str]) -> bool:
    """Whether a rule takes the symbol with given ones, without something that it usually pulls in."""
    return any(
        symbol in t.needs and known.issuperset(t.needs) and not set(pulled) <= set(t.needs)
        for t in model.constraints
        if known.isdisjoint(t.unless)
    )


def _in_force(symbol: str, model: Model, known: frozenset[str], cards: Base) -> bool:
    """Whether the sets of a symbol are there: a set may be bound to symbols that bring it."""
    absent = {g.name for g in model.groups if g.when and known.isdisjoint(g.when)}
    return absent.isdisjoint(cards.symbols[symbol].index)


class _Search:
    def __init__(self, base: Base, given: frozenset[str], groups: frozenset[str] | None) -> None:
        self._symbols = base.symbols
        self._flags = frozenset(s.name for s in base.symbols.values() if s.flag == "absent")
        self._given = given
        self._asked: dict[str, None] = {}
        self._formulas: dict[str, list[Entry]] = {}
        for e in sorted(base.of("formula"), key=lambda e: e.id):
            if groups is None or all(set(self._symbols[n].index) <= groups for n in _names(e)):
                self._formulas.setdefault(str(e.defines), []).append(e)
        self._ways: dict[str, _Way] = {}

    def price(self, symbols: Iterable[str]) -> tuple[int, int, int]:
        """What knowing all these symbols would take: questions, defaults, and given numbers left unused."""
        whole = _Way()
        for symbol in symbols:
            whole = whole.with_(self.way(symbol))
        return len(whole.missing), len(whole.defaults), -len(whole.used)

    def run(self, needed: Iterable[str]) -> Closure:
        whole = _Way()
        missing: list[str] = []
        for name in dict.fromkeys(needed):
            way = self.way(name)
            # What was asked for once is known afterwards, so that shared numbers are not counted twice.
            fresh = sorted(way.missing - self._asked.keys())
            missing += fresh
            if fresh:
                self._asked |= dict.fromkeys(fresh)
                self._ways.clear()
            whole = whole.with_(way)
        return Closure(
            derivations=whole.cards,
            missing=tuple(self._missing(n) for n in missing if not self._symbols[n].flag),
            defaulted=tuple(sorted(whole.defaults)),
            used=tuple(sorted(whole.used)),
        )

    def way(self, name: str, path: tuple[str, ...] = ()) -> _Way:
        """The best way to a symbol; one that nothing leads to is its own question."""
        if name in self._given or name in self._flags:
            return _Way(used=frozenset({name}))
        if name in self._asked:
            return _Way()
        if name in self._ways:
            return self._ways[name]
        ways = [self._direct(name)]
        if len(path) < DEEPEST:
            for card in self._formulas.get(name, ()):
                if not {*path, name} & set(card.requires):
                    ways.append(self._through(card, (*path, name)))
        best = min(ways, key=lambda w: w.rank)
        if not path:
            self._ways[name] = best
        return best

    def _through(self, card: Entry, path: tuple[str, ...]) -> _Way:
        whole = _Way()
        for part in card.requires:
            whole = whole.with_(self.way(part, path))
        return whole.with_(_Way(cards=(card,)))

    def _direct(self, name: str) -> _Way:
        if self._symbols[name].default is not None:
            return _Way(defaults=frozenset({name}))
        return _Way(missing=frozenset({name}))

    def _missing(self, name: str) -> Missing:
        symbol = self._symbols[name]
        known = self._given | self._flags
        others = tuple(tuple(p for p in e.requires if p not in known) for e in self._formulas.get(name, ()))
        spread = ", for each where they differ" if symbol.index else ""
        unit = f", in {symbol.unit}" if symbol.unit != "1" else ""
        return Missing(
            symbol=name,
            question=f"What is the {symbol.text}{spread}{unit}?",
            unit=symbol.unit,
            alternatives=others,
        )


def _names(formula: Entry) -> tuple[str, ...]:
    return (str(formula.defines), *formula.requires)
