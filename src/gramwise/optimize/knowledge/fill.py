"""A family's skeleton filled with known numbers: the typed problem that its cards stand for.

Only terms whose needs are known stay; what formulas derive becomes a derived term. This is how worked problems are
made whole, and how every family is tested; the words of a user go through `words`, which also keeps their places.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gramwise.core.errors import ConfigError
from gramwise.optimize.typed.nodes import Ref, walk
from gramwise.optimize.typed.parse import parse_expression, parse_scope
from gramwise.optimize.typed.record import (
    Constraint,
    Derived,
    Meta,
    Objective,
    Param,
    Problem,
    SetDecl,
    Variable,
)

from .base import Base, shipped
from .closure import Closure, close_family
from .entry import Entry, Model, Symbol, Term, Worked

Given = float | Sequence[float] | Sequence[Sequence[float]]


def terms_in_force(terms: Sequence[Term], known: frozenset[str]) -> tuple[Term, ...]:
    """Terms whose needs are all known and none of whose ``unless`` is."""
    return tuple(t for t in terms if known.issuperset(t.needs) and known.isdisjoint(t.unless))


def worked_problem(entry: Entry, base: Base | None = None) -> Problem:
    """The whole typed problem of a worked card, every number with the card as its source.

    Raises:
        ConfigError: the card is no worked problem, or something that its family needs is missing.
    """
    if entry.worked is None:
        raise ConfigError(f"{entry.id} is no worked problem.")
    return fill(entry.worked, source=f"kb:{entry.id}", title=entry.title, base=base)


def fill(worked: Worked, *, source: str, title: str = "", base: Base | None = None) -> Problem:
    """The problem of a family with these members and numbers.

    Args:
        worked: family, members of its groups, numbers by symbol in the symbols' units.
        source: of every number.
        title: for people.
        base: cards; the shipped ones if None.

    Raises:
        ConfigError: the family is unknown, or a symbol is needed that is neither given nor derivable; names them.
    """
    cards = base or shipped()
    family = cards.family(worked.family)
    model = family.model
    assert model is not None
    closure = close_family(family, worked.values, base=cards)
    if closure.missing:
        names = ", ".join(m.symbol for m in closure.missing)
        raise ConfigError(f"{worked.family} needs {names}, which is neither given nor derivable.")
    known = known_symbols(closure, worked.values)
    derived = [_formula(e, cards.symbols[str(e.defines)]) for e in closure.derivations]
    derived += [_derived(t) for t in terms_in_force(model.derived, known)]
    variables = [_variable(t) for t in terms_in_force(model.variables, known)]
    constraints = [_constraint(t) for t in terms_in_force(model.constraints, known)]
    used = _used(model.objective, constraints, derived, variables)
    derived = [d for d in derived if d.name in used]
    params = [p for p in _params(worked, closure, cards, source) if p.name in used]
    return Problem(
        meta=Meta(
            id=source.partition(":")[2] or "filled", title=title, family=family.id, kb_version=cards.version
        ),
        sets=tuple(_set(model, name, members) for name, members in worked.groups.items()),
        params=tuple(params),
        variables=tuple(variables),
        derived=tuple(derived),
        objective=Objective(expr=model.objective, boundary=model.boundary, text=family.title),
        constraints=tuple(constraints),
    )


def known_symbols(closure: Closure, given: Mapping[str, object]) -> frozenset[str]:
    """Symbols that a model may use: given, derived or by default."""
    return frozenset(given) | {str(e.defines) for e in closure.derivations} | set(closure.defaulted)


def _used(
    objective: str,
    constraints: Sequence[Constraint],
    derived: Sequence[Derived],
    variables: Sequence[Variable],
) -> set[str]:
    """Names that the objective and the constraints rest on."""
    bodies = {d.name: f"{d.expr}" for d in derived}
    waiting = [objective] + [side for c in constraints for side in (c.lhs, c.rhs)]
    found: set[str] = {b for v in variables for b in (v.lower, v.upper) if isinstance(b, str)}
    for c in constraints:
        for condition in parse_scope(c.forall).where:
            for side in (condition.left, condition.right):
                found |= {n.name for n in walk(side) if isinstance(n, Ref)}
    waiting += [bodies[name] for name in found if name in bodies]
    while waiting:
        for node in walk(parse_expression(waiting.pop())):
            if isinstance(node, Ref) and node.name not in found:
                found.add(node.name)
                if node.name in bodies:
                    waiting.append(bodies[node.name])
    return found


def _params(worked: Worked, closure: Closure, cards: Base, source: str) -> list[Param]:
    params = [_param(cards.symbols[name], value, source) for name, value in worked.values.items()]
    for name in closure.defaulted:
        symbol = cards.symbols[name]
        params.append(_param(symbol, symbol.default or 0.0, f"kb:symbol.{name}", kind="kb_default"))
    flags = [s for s in cards.symbols.values() if s.flag == "absent" and s.name not in worked.values]
    params += [_param(s, 1.0, "structure") for s in flags]
    return params


def _param(symbol: Symbol, value: object, source: str, kind: str = "data") -> Param:
    return Param.model_validate(
        {
            "name": symbol.name,
            "text": symbol.text,
            "index": symbol.index,
            "unit": symbol.unit,
            "kind": kind,
            "values": value,
            "source": source,
        }
    )


def _set(model: Model, name: str, members: tuple[str, ...] | int) -> SetDecl:
    group = next((g for g in model.groups if g.name == name), None)
    if group is None:
        raise ConfigError(
            f"the family has no group {name!r}; it has {', '.join(g.name for g in model.groups)}."
        )
    if isinstance(members, int):
        return SetDecl(name=name, size=members, ordered=group.ordered)
    return SetDecl(name=name, labels=members, ordered=group.ordered)


def _formula(entry: Entry, symbol: Symbol) -> Derived:
    return Derived(
        name=symbol.name,
        text=symbol.text,
        forall=entry.forall,
        unit=symbol.unit,
        expr=str(entry.expr),
        source=f"kb:{entry.id}",
    )


def _derived(term: Term) -> Derived:
    return Derived(name=term.name, text=term.text, forall=term.forall, unit=term.unit, expr=term.expr)


def _variable(term: Term) -> Variable:
    keys = ("name", "text", "index", "domain", "lower", "upper", "unit")
    return Variable.model_validate({key: getattr(term, key) for key in keys})


def _constraint(term: Term) -> Constraint:
    keys = ("name", "kind", "forall", "lhs", "rel", "rhs", "text")
    return Constraint.model_validate({key: getattr(term, key) for key in keys})
