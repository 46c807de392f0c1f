"""The typed problem from an attempt: only the sets, numbers, terms and rules that it really uses."""

from __future__ import annotations

import hashlib

from gramwise.optimize.knowledge.base import Base
from gramwise.optimize.knowledge.entry import Entry, Term
from gramwise.optimize.typed.parse import parse_scope
from gramwise.optimize.typed.record import (
    Assumption,
    Constraint,
    Derived,
    Formulator,
    Meta,
    Objective,
    Param,
    Problem,
    Question,
    SetDecl,
    Variable,
)

from .assemble import Attempt, names_in
from .assemble_arrays import as_param, element, mask_param
from .assemble_blend import blend_records
from .assemble_clock import clock_records
from .assemble_groups import Members
from .questions import ask, ask_members, listing, open_param


def write_problem(tried: Attempt, text: str, base: Base, formulator: Formulator) -> Problem | None:
    """The problem of ``tried``, open parameters included; None where a set has no members yet.

    Args:
        tried: the attempt.
        text: the description.
        base: all cards.
        formulator: who writes it.
    """
    if tried.open_groups and _groups_in_use(tried) & {g.name for g in tried.open_groups}:
        return None
    used = tried.used()
    named = _params_in_order(tried, used)
    timed = [clock_records(tried.arrays[n], tried.clocks[n], tried.frame) for n in named if n in tried.clocks]
    timed += [
        blend_records(tried.arrays[n], tried.blends[n], tried.frame) for n in named if n in tried.blends
    ]
    params = [_param(tried, n, base) for n in named if n not in tried.clocks and n not in tried.blends]
    params += [p for records, _ in timed for p in records]
    params += [mask_param(a, tried.frame) for n, a in tried.arrays.items() if a.masked and n in used]
    derived = [d for _, d in timed]
    derived += [_formula(card, base) for card in tried.formulas if card.defines in used]
    derived += [_derived(t) for t in tried.terms(tried.model.derived) if t.name in used]
    variables = [_variable(t) for t in tried.terms(tried.model.variables)]
    digest = hashlib.sha256(text.encode()).hexdigest()
    constraints = [_constraint(t, tried) for t in tried.terms(tried.model.constraints)]
    return Problem(
        meta=Meta(
            id=f"words-{digest[:12]}",
            title=tried.family.title,
            family=tried.family.id,
            description_hash=digest,
            formulator=formulator,
            kb_version=base.version,
        ),
        sets=tuple(_set(m) for n, m in tried.frame.members.items() if n in _groups_in_use(tried)),
        params=tuple(params),
        variables=tuple(variables),
        derived=tuple(derived),
        objective=Objective(
            expr=tried.model.objective, boundary=tried.model.boundary, text=tried.family.title
        ),
        constraints=tuple(constraints),
        assumptions=_assumptions(tried),
        open_questions=questions_of(tried, base),
    )


def questions_of(tried: Attempt, base: Base) -> tuple[Question, ...]:
    """What must be known: sets first, then symbols, in the order of the card."""
    use = _groups_in_use(tried)
    asked = [ask_members(g) for g in tried.open_groups if g.name in use]
    return (*asked, *(ask(s, tried.frame, tried.arrays.get(s.name)) for s in tried.missing))


def used_sources(problem: Problem) -> set[str]:
    """Every source that the problem cites."""
    cited: set[str] = {s.source for s in problem.sets} | {c.source for c in problem.constraints}
    for p in problem.params:
        cited |= {p.source} if isinstance(p.source, str) else set(p.source)
    return cited


def _groups_in_use(tried: Attempt) -> set[str]:
    model = tried.model
    use = {g for v in tried.terms(model.variables) for g in v.index}
    for t in (*tried.terms(model.derived), *tried.terms(model.constraints)):
        use |= {b.set for b in parse_scope(t.forall).binders}
    return (
        use
        | {g for s in tried.missing for g in s.index}
        | {g for n, a in tried.arrays.items() if n in tried.used() for g in a.symbol.index}
    )


def _params_in_order(tried: Attempt, used: set[str]) -> list[str]:
    missing = {s.name for s in tried.missing}
    derived = {c.defines for c in tried.formulas}
    known = [n for n in tried.arrays if n in used and n not in missing and n not in derived]
    return [*known, *(s.name for s in tried.missing)]


def _param(tried: Attempt, name: str, base: Base) -> Param:
    array = tried.arrays.get(name)
    if array is None or array.gaps:
        return open_param(base.symbols[name])
    kind = "kb_default" if all(s.startswith("kb:") for s in array.sources) else "data"
    return as_param(array, tried.frame, kind)


def _set(members: Members) -> SetDecl:
    labels = None if members.labels is None else tuple(label[:80] for label in members.labels)
    size = None if labels is not None else members.size
    return SetDecl(
        name=members.group, labels=labels, size=size, ordered=members.ordered, source=members.source
    )


def _formula(card: Entry, base: Base) -> Derived:
    assert card.defines is not None
    symbol = base.symbols[card.defines]
    return Derived(
        name=symbol.name,
        text=symbol.text,
        forall=card.forall,
        unit=symbol.unit,
        expr=card.expr or "",
        source=f"kb:{card.id}",
    )


def _derived(term: Term) -> Derived:
    return Derived(name=term.name, text=term.text, forall=term.forall, unit=term.unit, expr=term.expr)


def _variable(term: Term) -> Variable:
    return Variable.model_validate(
        {
            "name": term.name,
            "text": term.text,
            "index": term.index,
            "domain": term.domain,
            "lower": term.lower,
            "upper": term.upper,
            "unit": term.unit,
        }
    )


def _constraint(term: Term, tried: Attempt) -> Constraint:
    return Constraint.model_validate(
        {
            "name": term.name,
            "kind": term.kind or "other",
            "forall": _masked(term, tried),
            "lhs": term.lhs,
            "rel": term.rel,
            "rhs": term.rhs,
            "text": term.text,
        }
    )


def _masked(term: Term, tried: Attempt) -> str:
    """The scope of a rule, narrowed to the elements for which its limit is stated."""
    scope = term.forall
    binder = {b.set: b.name for b in parse_scope(scope).binders}
    for name in sorted(names_in(term.lhs) | names_in(term.rhs)):
        array = tried.arrays.get(name)
        if array is not None and array.masked:
            at = ", ".join(binder[g] for g in array.symbol.index)
            scope += f"{' and' if ' where ' in scope else ' where'} stated_{name}[{at}] == 1"
    return scope


def stated_limits(tried: Attempt) -> dict[str, tuple[tuple[int, int], ...]]:
    """The rules that state a limit, by name, with the characters that state it.

    A requirement of a whole amount (``==``) is none: it says what is to be done, not how far one may go.
    """
    found = {}
    for term in tried.terms(tried.model.constraints):
        if not term.needs or (term.rel == "==" and term.rhs.strip().split(" ")[0] != "0"):
            continue
        arrays = [tried.arrays[n] for need in term.needs for n in _given_for(need, tried)]
        limits = [a for a in arrays if a.symbol.relation != "any" or a.symbol.flag] or arrays
        spans = [s for a in limits for s in (a.spots or [(f.start, f.end) for f in a.figures])]
        found[term.name] = tuple(dict.fromkeys(spans))
    return found


def _given_for(name: str, tried: Attempt) -> list[str]:
    """The given symbols that ``name`` rests on, itself where it is given."""
    card = next((c for c in tried.formulas if c.defines == name), None)
    if card is None:
        return [name] if name in tried.arrays else []
    return [n for need in card.requires for n in _given_for(need, tried)]


def _assumptions(tried: Attempt) -> tuple[Assumption, ...]:
    taken = [
        Assumption(
            text=f"{a.symbol.text}: {a.symbol.default:g} {a.symbol.unit}. {a.symbol.default_source}", source=s
        )
        for a in tried.arrays.values()
        for s in a.sources[:1]
        if s.startswith("kb:symbol.") and a.symbol.default is not None
    ]
    taken += [
        Assumption(
            text=f"{tried.arrays[n].symbol.text} was not made a rule: the text does not say what it limits."
        )
        for n in sorted(tried.dropped)
        if n in tried.arrays
    ]
    for array in tried.arrays.values():
        if array.masked:
            free = [element(array, i, tried.frame) for i, m in enumerate(array.masked) if not m]
            taken.append(
                Assumption(
                    text=f"No limit is set for {listing(free[:6])}: the text states none ({array.symbol.text})."
                )
            )
    return tuple(taken)
