"""A problem whose names are resolved: sizes, parameters as arrays in base units, trees instead of text.

Everything downstream (validator, compiler, evaluator) starts here, so that names, subscripts and cycles are judged
once. Faults come out as findings of passes 1 and 2, all of them rather than the first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from .findings import Finding, Refused
from .nodes import Binary, Call, Index, Node, Number, Power, Ref, Scope, Sum, walk
from .parse import parse_expression, parse_scope
from .record import Constraint, Param, Problem, Variable
from .units import Unit, parse_unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_VARIABLES = 200_000
MOST_ELEMENTS = 1_000_000  # of one array
MOST_DECLARATIONS = 2_000  # of one kind
MOST_PARTS = 20_000  # nodes of all expressions together
MOST_BINDERS = 12  # of a scope and the sums inside it
MOST_INDICES = 8
MOST_FINDINGS = 100  # a problem with more faults than this is not read to its end
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, eq=False)
class BoundParam:
    """Values over ``index`` in base units (decibels stay decibels); None where the parameter is open."""

    index: tuple[str, ...]
    unit: Unit
    values: NDArray[np.float64] | None


@dataclass(frozen=True, slots=True, eq=False)
class BoundVariable:
    """Scalar variables ``start .. start + size`` in row order; bounds in base units, of shape ``shape``."""

    index: tuple[str, ...]
    unit: Unit
    domain: str
    shape: tuple[int, ...]
    start: int
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]

    @property
    def size(self) -> int:
        """How many scalars."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class BoundDerived:
    """A named tree over ``scope``; ``index`` are the sets of its binders."""

    scope: Scope
    index: tuple[str, ...]
    unit: Unit
    body: Node


@dataclass(frozen=True, slots=True)
class BoundConstraint:
    """``lhs rel rhs`` over ``scope``."""

    record: Constraint
    scope: Scope
    lhs: Node
    rel: str
    rhs: Node


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """A problem with every name resolved.

    Attributes:
        problem: the record.
        sizes: elements of each set.
        params, variables, derived: by name; derived in an order in which each comes after those that it uses.
        objective: tree of the objective.
        constraints: in the order of the record.
        width: scalar variables in all.
    """

    problem: Problem
    sizes: Mapping[str, int]
    params: Mapping[str, BoundParam]
    variables: Mapping[str, BoundVariable]
    derived: Mapping[str, BoundDerived]
    objective: Node
    constraints: tuple[BoundConstraint, ...]
    width: int

    def position(self, set_name: str, index: Index) -> int | None:
        """0-based place of a label or a written position in a set; None where ``index`` is a binder."""
        if index.position is not None:
            return index.position - 1
        declared = next(s for s in self.problem.sets if s.name == set_name)
        label = index.label if index.label is not None else index.name
        if declared.labels is not None and label in declared.labels:
            return declared.labels.index(label)
        return None


def bind(problem: Problem) -> tuple[Bound | None, list[Finding]]:
    """The bound problem, or None and everything that is wrong with names, syntax, sizes and subscripts (E1xx, E2xx)."""
    return _Binder(problem).run()


class _Enough(Exception):
    """So many faults that reading on helps nobody."""


class _Binder:
    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.findings: list[Finding] = []
        self.sets = {s.name: s for s in problem.sets}
        self.sizes = {s.name: s.count for s in problem.sets}
        self.labels = {s.name: frozenset(s.labels or ()) for s in problem.sets}
        self.indices: dict[str, tuple[str, ...]] = {}
        self.param_names = {p.name for p in problem.params}
        self.parts = 0

    def run(self) -> tuple[Bound | None, list[Finding]]:
        try:
            return self._run()
        except _Enough:
            return None, self.findings

    def _run(self) -> tuple[Bound | None, list[Finding]]:
        self._check_counts()
        self._check_sets()
        self._check_distinct()
        params: dict[str, BoundParam] = {}
        for p in self.problem.params:
            read = self._try(f"param {p.name}", partial(self._param, p))
            if read is not None:
                params[p.name] = read
        self.indices |= {p.name: p.index for p in self.problem.params}
        self.indices |= {v.name: v.index for v in self.problem.variables}
        if self.findings:
            return None, self.findings
        variables = self._variables(params)
        derived = self._derived()
        objective = self._tree("objective", self.problem.objective.expr, Scope())
        constraints = [self._constraint(c) for c in self.problem.constraints]
        if self.findings or objective is None:
            return None, self.findings
        width = sum(v.size for v in variables.values())
        kept = tuple(c for c in constraints if c is not None)
        return Bound(self.problem, self.sizes, params, variables, derived, objective, kept, width), []

    def _try(self, where: str, make: Callable[[], _T]) -> _T | None:
        try:
            return make()
        except Refused as refused:
            self._add(refused.at(where))
            return None

    def _say(self, code: str, where: str, message: str, fix: str = "") -> None:
        self._add(Finding(code=code, where=where, message=message, fix=fix))

    def _add(self, finding: Finding) -> None:
        self.findings.append(finding)
        if len(self.findings) >= MOST_FINDINGS:
            raise _Enough

    def _check_counts(self) -> None:
        p = self.problem
        for kind, many in (
            ("sets", p.sets),
            ("params", p.params),
            ("variables", p.variables),
            ("derived", p.derived),
            ("constraints", p.constraints),
        ):
            if len(many) > MOST_DECLARATIONS:
                self._say("E103", kind, f"at most {MOST_DECLARATIONS} of a kind, not {len(many)}.")
                raise _Enough

    def _check_sets(self) -> None:
        for s in self.problem.sets:
            where = f"set {s.name}"
            if (s.labels is None) == (s.size is None):
                self._say("E101", where, "a set has either labels or a size.")
            elif not 1 <= s.count <= 10_000:
                self._say("E103", where, f"a set has 1 to 10 000 elements, not {s.count}.")
            elif s.labels is not None and len(set(s.labels)) < len(s.labels):
                self._say("E101", where, "each label stands once.")

    def _check_distinct(self) -> None:
        seen: set[str] = set()
        p = self.problem
        for kind, names in (
            ("set", p.sets),
            ("param", p.params),
            ("variable", p.variables),
            ("derived", p.derived),
        ):
            for record in names:
                if record.name in seen:
                    self._say("E101", f"{kind} {record.name}", "another declaration has this name.")
                seen.add(record.name)
        constraints: set[str] = set()
        for c in p.constraints:
            if c.name in constraints:
                self._say("E101", f"constraint {c.name}", "another constraint has this name.")
            constraints.add(c.name)

    def _shape(self, index: tuple[str, ...]) -> tuple[int, ...]:
        if len(index) > MOST_INDICES:
            raise Refused("E103", f"at most {MOST_INDICES} subscripts, not {len(index)}.")
        for name in index:
            if name not in self.sizes:
                raise Refused("E202", f"there is no set {name!r}.", fragment=name)
        return tuple(self.sizes[name] for name in index)

    def _param(self, param: Param) -> BoundParam:
        unit = parse_unit(param.unit)
        shape = self._shape(param.index)
        if param.values is None:
            if param.kind != "open":
                raise Refused("E404", "a parameter without values is of kind open.")
            return BoundParam(param.index, unit, None)
        if math.prod(shape) > MOST_ELEMENTS:
            raise Refused("E103", "an array has at most a million elements.")
        try:
            given = np.asarray(param.values, dtype=np.float64)
        except ValueError:
            raise Refused("E204", "rows have unequal lengths.") from None
        if given.ndim and given.shape != shape:
            raise Refused("E204", f"values have shape {given.shape}, the index {param.index} has {shape}.")
        with np.errstate(over="ignore"):
            base = given if unit.log else given * unit.factor
        if not np.isfinite(base).all():
            raise Refused("E103", f"a value in {unit.symbol} leaves the range of numbers.")
        base.setflags(write=False)
        return BoundParam(param.index, unit, np.broadcast_to(base, shape))

    def _variables(self, params: Mapping[str, BoundParam]) -> dict[str, BoundVariable]:
        bound: dict[str, BoundVariable] = {}
        start = 0
        for v in self.problem.variables:
            made = self._try(f"variable {v.name}", partial(self._variable, v, params, start))
            if made is not None:
                bound[v.name] = made
                start += made.size
        if start > MOST_VARIABLES:
            self._say("E103", "variables", f"at most {MOST_VARIABLES} scalar variables, not {start}.")
        return bound

    def _variable(self, v: Variable, params: Mapping[str, BoundParam], start: int) -> BoundVariable:
        unit = parse_unit(v.unit)
        if unit.log:
            raise Refused("E302", "a variable is not in decibels.")
        shape = self._shape(v.index)
        if math.prod(shape) > MOST_VARIABLES:
            raise Refused("E103", f"at most {MOST_VARIABLES} scalar variables.")
        lower, upper = (self._limit(b, v, unit, shape, params) for b in (v.lower, v.upper))
        if v.domain == "binary" and (v.lower, v.upper) != (0.0, 1.0) and (v.lower, v.upper) != (0, 1):
            raise Refused("E102", "a binary variable lies between 0 and 1.")
        return BoundVariable(v.index, unit, v.domain, shape, start, lower, upper)

    def _limit(
        self,
        given: float | str,
        v: Variable,
        unit: Unit,
        shape: tuple[int, ...],
        params: Mapping[str, BoundParam],
    ) -> NDArray[np.float64]:
        if not isinstance(given, str):
            if not math.isfinite(unit.to_base(given)):
                raise Refused("E103", f"the bound {given:g} {unit.symbol} leaves the range of numbers.")
            return np.full(shape, unit.to_base(given))
        param = params.get(given)
        if param is None:
            raise Refused("E202", f"there is no parameter {given!r} for a bound.", fragment=given)
        if param.values is None:
            raise Refused("E404", f"the bound {given!r} is open.", fragment=given)
        if not param.unit.same(unit):
            raise Refused(
                "E301", f"the bound {given!r} is in {param.unit.symbol}, the variable in {unit.symbol}."
            )
        if [s for s in v.index if s in param.index] != list(param.index):
            raise Refused("E204", f"the bound {given!r} is over {param.index}, the variable over {v.index}.")
        spread = tuple(n if s in param.index else 1 for s, n in zip(v.index, shape, strict=True))
        return np.broadcast_to(param.values.reshape(spread), shape).copy()

    def _derived(self) -> dict[str, BoundDerived]:
        drafts: dict[str, BoundDerived] = {}
        for d in self.problem.derived:
            scope = self._scope(f"derived {d.name}", d.forall)
            if scope is not None:
                if scope.where:
                    self._say(
                        "E201",
                        f"derived {d.name}",
                        "a derived term stands for all elements: put the condition where it is used.",
                    )
                self.indices[d.name] = tuple(b.set for b in scope.binders)
        for d in self.problem.derived:
            if d.name not in self.indices:
                continue
            scope = parse_scope(d.forall)
            body = self._tree(f"derived {d.name}", d.expr, scope)
            unit = self._try(f"derived {d.name}", partial(parse_unit, d.unit))
            if body is not None and unit is not None:
                drafts[d.name] = BoundDerived(scope, self.indices[d.name], unit, body)
        return self._sorted(drafts)

    def _sorted(self, drafts: dict[str, BoundDerived]) -> dict[str, BoundDerived]:
        ordered: dict[str, BoundDerived] = {}
        waiting = {
            n: {r.name for r in walk(d.body) if isinstance(r, Ref)} & drafts.keys() for n, d in drafts.items()
        }
        while waiting:
            ready = [name for name, needs in waiting.items() if needs <= ordered.keys()]
            if not ready:
                self._say(
                    "E203",
                    f"derived {min(waiting)}",
                    f"these terms use each other: {', '.join(sorted(waiting))}.",
                )
                return {}
            for name in ready:
                ordered[name] = drafts[name]
                del waiting[name]
        return ordered

    def _constraint(self, c: Constraint) -> BoundConstraint | None:
        where = f"constraint {c.name}"
        scope = self._scope(where, c.forall)
        if scope is None:
            return None
        lhs, rhs = self._tree(where, c.lhs, scope), self._tree(where, c.rhs, scope)
        return None if lhs is None or rhs is None else BoundConstraint(c, scope, lhs, c.rel, rhs)

    def _scope(self, where: str, text: str) -> Scope | None:
        scope = self._try(where, lambda: parse_scope(text))
        if scope is not None and self._try(where, lambda: self._check_scope(scope, {})) is None:
            return None
        return scope

    def _tree(self, where: str, text: str, scope: Scope) -> Node | None:
        node = self._try(where, lambda: parse_expression(text))
        binders = {b.name: b.set for b in scope.binders}
        if node is None or self._try(where, lambda: self._check(node, binders, inside_where=False)) is None:
            return None
        return node

    def _check_scope(self, scope: Scope, binders: dict[str, str]) -> dict[str, str]:
        inner = dict(binders)
        for b in scope.binders:
            if b.set not in self.sizes:
                raise Refused("E202", f"there is no set {b.set!r}.", fragment=b.set)
            if b.name in inner or b.name in self.indices or b.name in self.sizes:
                raise Refused("E204", f"the binder {b.name!r} hides another name.", fragment=b.name)
            inner[b.name] = b.set
        if len(inner) > MOST_BINDERS:
            raise Refused("E103", f"at most {MOST_BINDERS} binders stand inside each other.")
        for condition in scope.where:
            for side in (condition.left, condition.right):
                self._check(side, inner, inside_where=True)
        return inner

    def _check(self, node: Node, binders: dict[str, str], *, inside_where: bool) -> bool:
        self.parts += 1
        if self.parts > MOST_PARTS:
            self._say("E103", "problem", f"all expressions together have at most {MOST_PARTS} parts.")
            raise _Enough
        match node:
            case Number():
                parse_unit(node.unit)
            case Ref():
                self._check_ref(node, binders, inside_where=inside_where)
            case Sum():
                if inside_where:
                    raise Refused("E201", "a condition holds no sum.")
                self._check(node.body, self._check_scope(node.scope, binders), inside_where=False)
            case Call("pwl"):
                self._check(node.args[0], binders, inside_where=inside_where)
                self._check_corners(node)
            case _:
                for child in _children(node):
                    self._check(child, binders, inside_where=inside_where)
        return True

    def _check_corners(self, call: Call) -> None:
        over = {
            self.indices.get(a.name)
            if isinstance(a, Ref) and not a.indices and a.name in self.param_names
            else None
            for a in call.args[1:]
        }
        if len(over) != 1 or None in over or len(next(iter(over)) or ()) != 1:
            raise Refused(
                "E204",
                "pwl(x, xs, ys) takes the names of two parameters over one and the same set.",
                fragment="pwl",
            )

    def _check_ref(self, ref: Ref, binders: dict[str, str], *, inside_where: bool) -> None:
        if ref.name in binders and not ref.indices:
            if not inside_where:
                raise Refused(
                    "E204",
                    f"{ref.name!r} is a binder; its position counts only in conditions.",
                    fragment=ref.name,
                )
            return
        index = self.indices.get(ref.name)
        if index is None:
            raise self._unknown(ref.name)
        if inside_where and ref.name not in self.param_names:
            raise Refused(
                "E204", f"a condition may use parameters only, not {ref.name!r}.", fragment=ref.name
            )
        if len(ref.indices) != len(index):
            raise Refused(
                "E204", f"{ref.name} has {len(index)} subscripts, not {len(ref.indices)}.", fragment=ref.name
            )
        for given, wanted in zip(ref.indices, index, strict=True):
            self._check_index(ref.name, given, wanted, binders)

    def _check_index(self, name: str, given: Index, wanted: str, binders: dict[str, str]) -> None:
        declared = self.sets.get(wanted)
        if declared is None:
            return  # told where the array is declared
        if given.position is not None:
            if not 1 <= given.position <= declared.count:
                raise Refused(
                    "E204", f"{wanted} has no element {given.position}.", fragment=f"{name}[{given.position}]"
                )
        elif given.label is None and given.name in binders:
            if binders[given.name] != wanted:
                raise Refused(
                    "E204",
                    f"{name} is over {wanted}, and {given.name} runs over {binders[given.name]}.",
                    fragment=name,
                )
            if given.shift and not declared.ordered:
                raise Refused(
                    "E204", f"{wanted} is not ordered, so {given.name} cannot be shifted.", fragment=name
                )
        else:
            label = given.label if given.label is not None else given.name
            if given.shift or declared.labels is None or label not in self.labels[wanted]:
                raise Refused(
                    "E202",
                    f"{wanted} has no element {label!r}, and no binder has that name.",
                    fragment=f"{name}[{label}]",
                )

    def _unknown(self, name: str) -> Refused:
        from difflib import get_close_matches

        # Names of the same first letter only, so that thousands of wrong names are refused in no time.
        alike = [n for n in self.indices if n[0] == name[0]][:200]
        near = get_close_matches(name, alike, n=1)
        return Refused(
            "E202", f"there is no {name!r}.", fix=f"Did you mean {near[0]}?" if near else "", fragment=name
        )


def _children(node: Node) -> tuple[Node, ...]:
    match node:
        case Binary():
            return (node.left, node.right)
        case Power():
            return (node.base,)
        case Call():
            return node.args
        case _:
            return ()
