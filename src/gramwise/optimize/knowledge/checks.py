"""What a set of cards must satisfy before anyone relies on it: names that exist, expressions that parse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gramwise.optimize.typed.findings import Refused
from gramwise.optimize.typed.nodes import Ref, Scope, Sum, walk
from gramwise.optimize.typed.parse import parse_expression, parse_scope
from gramwise.optimize.typed.units import parse_unit

from .entry import Entry, Model, Symbol, Term


def faults(symbols: Mapping[str, Symbol], entries: Mapping[str, Entry]) -> Iterator[tuple[str, str]]:
    """Every fault as (id of the card or name of the symbol, what is wrong and what to write)."""
    for symbol in symbols.values():
        for text in _of_symbol(symbol, symbols):
            yield symbol.name, text
    for entry in entries.values():
        for text in _of_entry(entry, symbols, entries):
            yield entry.id, text


def _of_symbol(symbol: Symbol, symbols: Mapping[str, Symbol]) -> Iterator[str]:
    try:
        parse_unit(symbol.unit)
    except Refused as refused:
        yield str(refused.at(symbol.name).message)
    if symbol.default is not None and not symbol.default_source:
        yield "a default needs its source in default_source."
    if symbol.only_where and symbol.only_where not in symbols:
        yield f"only_where names {symbol.only_where!r}, which is no symbol."


def _of_entry(entry: Entry, symbols: Mapping[str, Symbol], entries: Mapping[str, Entry]) -> Iterator[str]:
    for name in entry.symbols:
        if name not in symbols:
            yield f"symbols names {name!r}, which symbols.toml does not have."
    for name in entry.applies_to + entry.traps + entry.excludes:
        if name not in entries:
            yield f"there is no card {name!r}."
    if entry.kind == "family" and entry.model is None:
        yield "a family needs a model."
    if entry.kind == "formula":
        yield from _of_formula(entry, symbols)
    elif entry.kind in ("constraint", "decoder", "worked"):
        for name in entry.requires:
            if name not in entries and name not in symbols:
                yield f"requires names {name!r}, which is neither a card nor a symbol."
    if entry.model is not None:
        yield from _of_model(entry.model, symbols)
        formulas = {str(e.defines) for e in entries.values() if e.kind == "formula"}
        for term in entry.model.derived + entry.model.constraints:
            for name in sorted(_in_conditions(term) & formulas):
                yield f"{term.name} uses {name} in a condition, where a formula's result cannot stand."


def _of_formula(entry: Entry, symbols: Mapping[str, Symbol]) -> Iterator[str]:
    if entry.defines is None or entry.expr is None:
        yield "a formula needs defines and expr."
        return
    for name in (entry.defines, *entry.requires):
        if name not in symbols:
            yield f"{name!r} is not in symbols.toml."
            return
    try:
        scope, tree = parse_scope(entry.forall), parse_expression(entry.expr)
    except Refused as refused:
        yield str(refused)
        return
    if tuple(b.set for b in scope.binders) != symbols[entry.defines].index:
        yield f"forall runs over other groups than the index of {entry.defines}."
    used = {n.name for n in walk(tree) if isinstance(n, Ref)} - _binders(scope)
    if used != set(entry.requires):
        yield f"requires should list what expr uses: {', '.join(sorted(used))}."


def _of_model(model: Model, symbols: Mapping[str, Symbol]) -> Iterator[str]:
    groups = {g.name for g in model.groups}
    own = {t.name for t in model.variables + model.derived}
    speaks = {
        *model.requires,
        *model.optional,
        *model.seldom,
        *model.pulls,
        *(s for p in model.pulls.values() for s in p),
    }
    speaks |= {s for a in model.alternatives for s in a} | {s for g in model.groups for s in g.when}
    terms = model.variables + model.derived + model.constraints
    speaks |= {s for t in terms for s in t.needs + t.unless}
    for name in sorted(speaks):
        if name not in symbols:
            yield f"{name!r} is not in symbols.toml."
        elif not set(symbols[name].index) <= groups:
            yield f"{name} varies over {symbols[name].index}, and the model lacks one of these groups."
    clash = own & symbols.keys()
    if clash:
        yield f"{min(clash)} is both a term of the model and a shared symbol: rename the term."
    for text in [model.objective, *_texts(terms)]:
        try:
            tree = parse_expression(text)
        except Refused as refused:
            yield f"{text}: {refused}"
            continue
        unknown = {n.name for n in walk(tree) if isinstance(n, Ref) and n.indices} - own - symbols.keys()
        if unknown:
            yield f"{text}: {min(unknown)} is neither a term nor a symbol."


def _texts(terms: tuple[Term, ...]) -> Iterator[str]:
    for term in terms:
        yield from (text for text in (term.expr, term.lhs, term.rhs) if text)


def _in_conditions(term: Term) -> set[str]:
    """Symbols in the ``where`` of a term's scope or of its sums."""
    conditions = list(parse_scope(term.forall).where)
    for text in _texts((term,)):
        conditions += [c for n in walk(parse_expression(text)) if isinstance(n, Sum) for c in n.scope.where]
    sides = [side for c in conditions for side in (c.left, c.right)]
    return {n.name for side in sides for n in walk(side) if isinstance(n, Ref)}


def _binders(scope: Scope) -> set[str]:
    return {b.name for b in scope.binders}
