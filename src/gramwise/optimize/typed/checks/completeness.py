"""Pass 5: what is modelled is counted, what the family needs is there, and nothing is declared for nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from ..bind import Bound, BoundConstraint
from ..findings import Finding
from ..known import Known
from ..nodes import Node, Ref, walk
from ..units import Unit, alike, parse_unit

_ENERGY, _POWER = parse_unit("J").dims, parse_unit("W").dims


def check_completeness(bound: Bound, knowledge: Mapping[str, Known] | None = None) -> list[Finding]:
    """E501 (energy modelled and not counted), E502 (a constraint that the family needs), W503 and W504 (unused).

    A derived energy or power that the objective does not reach is a fault unless it only limits: it may stand in an
    equation, on the side that gives room, or beside a variable that is itself an energy, as a battery's charge does.
    """
    uses = _Uses(bound)
    return [*_uncounted(bound, uses), *_missing(bound, knowledge or {}), *_unused(bound, uses)]


class _Uses:
    """Which names each expression needs, derived terms followed."""

    def __init__(self, bound: Bound) -> None:
        self._within: dict[str, frozenset[str]] = {}
        for name, term in bound.derived.items():  # each after those that it uses
            self._within[name] = self.of([term.body])
        self.objective = self.of([bound.objective])
        self.sides = [(self.of([c.lhs]), self.of([c.rhs])) for c in bound.constraints]
        self.constraints = [
            left | right | self.of(_conditions(c))
            for c, (left, right) in zip(bound.constraints, self.sides, strict=True)
        ]
        bounds = {b for v in bound.problem.variables for b in (v.lower, v.upper) if isinstance(b, str)}
        self.anywhere = self.objective.union(bounds, *self.constraints)

    def of(self, trees: Iterable[Node]) -> frozenset[str]:
        names = {n.name for tree in trees for n in walk(tree) if isinstance(n, Ref)}
        return frozenset(names.union(*(self._within.get(n, ()) for n in names)))


def _conditions(c: BoundConstraint) -> list[Node]:
    return [side for test in c.scope.where for side in (test.left, test.right)]


def _energetic(unit: Unit) -> bool:
    return not unit.log and (alike(unit.dims, _ENERGY) or alike(unit.dims, _POWER))


def _uncounted(bound: Bound, uses: _Uses) -> list[Finding]:
    found = []
    open_terms = {t for t in bound.derived if t not in uses.objective and _energetic(bound.derived[t].unit)}
    restated = {t for t in open_terms if _restates(t, bound, uses)}
    told = {t for t in open_terms - restated if not _only_limits(t, bound, uses)}
    for name in bound.derived:
        if name in told:
            message = f"{name} is an energy or a power that the objective leaves out."
            found.append(_e501(f"derived {name}", message))
    explained = frozenset().union(*(uses.of([bound.derived[t].body]) for t in told | restated))
    for name, param in bound.params.items():
        if _energetic(param.unit) and name not in uses.anywhere | explained:
            found.append(_e501(f"param {name}", f"{name} is an energy or a power that is not used."))
    return found


def _e501(where: str, message: str) -> Finding:
    return Finding(
        code="E501", where=where, message=message, fix="Count it in the objective, or take it out."
    )


def _restates(name: str, bound: Bound, uses: _Uses) -> bool:
    """Whether a term that nothing uses only says otherwise what is counted, as power does what energy over time says.

    It is made of an energy or a power that the objective counts, and of no figure that the objective does not.
    """
    names = uses.of([bound.derived[name].body])
    counted = any(
        t in uses.objective and _energetic(bound.derived[t].unit) for t in names & bound.derived.keys()
    )
    own = _figures(names, bound) - _figures(uses.objective, bound)
    return counted and not own and name not in uses.anywhere


def _figures(names: frozenset[str], bound: Bound) -> set[str]:
    """The passages and cards that the parameters among some names were taken from."""
    found: set[str] = set()
    for param in bound.problem.params:
        if param.name in names:
            found.update((param.source,) if isinstance(param.source, str) else param.source)
    return found - {"structure"}


def _only_limits(name: str, bound: Bound, uses: _Uses) -> bool:
    """Whether a constraint needs the term and it is not plain consumption there."""
    limits = False
    for c, (left, right), names in zip(bound.constraints, uses.sides, uses.constraints, strict=True):
        if name not in names:
            continue
        beside = any(v in names and _energetic(bound.variables[v].unit) for v in bound.variables)
        heavy = left if c.rel == "<=" else right
        if beside or c.rel == "==" or name not in heavy:
            limits = True
        else:
            return False
    return limits


def _missing(bound: Bound, knowledge: Mapping[str, Known]) -> list[Finding]:
    family = bound.problem.meta.family
    entry = knowledge.get(family) or knowledge.get(f"family.{family}")
    if entry is None:
        return []
    there = bound.problem.constraints
    names, shapes = {c.name for c in there}, {(c.kind, c.rel) for c in there}
    wanted = {r.name for r in entry.constraints}, {(r.kind, r.rel) for r in entry.constraints}
    # What one author calls logic another calls capacity: a rule that nothing else stands for may stand for one.
    spare: Counter[str] = Counter(
        c.rel for c in there if c.name not in wanted[0] and (c.kind, c.rel) not in wanted[1]
    )
    found = []
    for r in entry.constraints:
        if r.name in names or (r.kind, r.rel) in shapes:
            continue
        if spare[r.rel]:
            spare[r.rel] -= 1
            continue
        message = f"a problem of this family needs the constraint {r.name!r}."
        found.append(Finding(code="E502", where="constraints", message=message, fragment=r.name))
    return found


def _unused(bound: Bound, uses: _Uses) -> list[Finding]:
    found = [
        Finding(code="W503", where=f"variable {v}", message=f"{v} is decided and has no effect.")
        for v in bound.variables
        if v not in uses.anywhere
    ]
    named = [(f"param {p}", p, b.unit) for p, b in bound.params.items()]
    named += [(f"derived {d}", d, b.unit) for d, b in bound.derived.items()]
    for where, name, unit in named:
        if name not in uses.anywhere and not _energetic(unit):
            found.append(Finding(code="W504", where=where, message=f"{name} is not used."))
    return found
