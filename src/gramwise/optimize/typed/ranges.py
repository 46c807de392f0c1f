"""Ranges of a bound problem: every tree walked over the elements that it stands for, parameters exact, variables wide.

Rows are the elements of the binders, one array axis each. Where that would be too many cells, an axis is folded to one
row that covers all of its elements: wider, never wrong. Nothing here knows an optimiser; see `intervals`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from . import intervals
from .bind import Bound, BoundConstraint
from .dimension import reference_of
from .intervals import NEVER, Range
from .nodes import Binary, Call, Compare, Node, Number, Power, Ref, Scope, Sum, walk
from .units import parse_unit

if TYPE_CHECKING:
    from gramwise.core.decision import Bools, Floats, Ints

_MOST_CELLS = 4096
_WORK = 400_000  # cells times parts of a problem
_TESTS = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}


@dataclass(frozen=True, slots=True, eq=False)
class _Axis:
    """A binder: its axis, its set, and whether its elements are folded into one row."""

    place: int
    set: str
    folded: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """The binders in force."""

    axes: Mapping[str, _Axis]
    cells: int

    @property
    def depth(self) -> int:
        return len(self.axes)


_TOP = _Rows({}, 1)


class Ranges:
    """Ranges of the expressions of one problem.

    Args:
        bound: the problem.
        pins: variables held at one of their bounds: ``lower`` or ``upper``.
        signs: take of each parameter and bound only whether it is positive, negative or 0.
    """

    def __init__(self, bound: Bound, pins: Mapping[str, str] | None = None, *, signs: bool = False) -> None:
        self.bound = bound
        self._signs = signs
        self._pins = pins or {}
        self._most = max(1, min(_MOST_CELLS, _WORK // max(1, parts(bound))))
        self._derived: dict[str, Range] = {}
        self._variables: dict[str, Range] = {}

    def objective(self) -> Range:
        """Range of the objective, in gCO2e."""
        with np.errstate(all="ignore"):
            return self._of(self.bound.objective, _TOP)

    def derived(self, name: str) -> Range:
        """Range of a derived term over its binders; folded axes have length 1."""
        if name not in self._derived:
            term = self.bound.derived[name]
            with np.errstate(all="ignore"):
                rows = self._under(_TOP, term.scope)
                self._derived[name] = _spread(self._of(term.body, rows), self._shape(rows))
        return self._derived[name]

    def excess(self, constraint: BoundConstraint) -> tuple[Range, Bools]:
        """``lhs - rhs`` over the rows of a constraint, and which rows its conditions keep."""
        with np.errstate(all="ignore"):
            rows = self._under(_TOP, constraint.scope)
            keep = self._kept(constraint.scope, rows)
            left, right = self._of(constraint.lhs, rows), self._of(constraint.rhs, rows)
            apart = _spread(intervals.added(left, intervals.negated(right)), self._shape(rows))
        return apart, np.broadcast_to(keep, self._shape(rows))

    def sides(self, constraint: BoundConstraint) -> tuple[Range, Range]:
        """Ranges of both sides of a constraint."""
        with np.errstate(all="ignore"):
            rows = self._under(_TOP, constraint.scope)
            return self._of(constraint.lhs, rows), self._of(constraint.rhs, rows)

    def _of(self, node: Node, rows: _Rows) -> Range:
        match node:
            case Number():
                return intervals.exactly(parse_unit(node.unit).to_base(node.value))
            case Ref():
                return self._named(node, rows)
            case Binary():
                left, right = self._of(node.left, rows), self._of(node.right, rows)
                return _combined(node.op, left, right)
            case Power():
                return intervals.raised(self._of(node.base, rows), node.exponent)
            case Sum():
                return self._summed(node, rows)
            case Call("pwl"):
                return self._line(node, self._of(node.args[0], rows))
            case Call():
                return self._called(node, [self._of(a, rows) for a in node.args])

    def _named(self, ref: Ref, rows: _Rows) -> Range:
        axis = rows.axes.get(ref.name)
        if axis is not None and not ref.indices:
            return self._position(axis, rows)
        if ref.name in self.bound.derived:
            return self._picked(self.derived(ref.name), self.bound.derived[ref.name].index, ref, rows)
        if ref.name in self.bound.variables:
            return self._picked(self._variable(ref.name), self.bound.variables[ref.name].index, ref, rows)
        param = self.bound.params[ref.name]
        if param.values is None:
            return Range(np.asarray(-np.inf), np.asarray(np.inf))
        return self._picked(self._known(param.values), param.index, ref, rows)

    def _known(self, values: Floats) -> Range:
        if not self._signs:
            return Range(values, values)
        return Range(np.where(values < 0, -np.inf, 0.0), np.where(values > 0, np.inf, 0.0))

    def _variable(self, name: str) -> Range:
        if name not in self._variables:
            v = self.bound.variables[name]
            lo = v.upper if self._pins.get(name) == "upper" else v.lower
            hi = v.lower if self._pins.get(name) == "lower" else v.upper
            moved = {name: np.ones((), dtype=np.bool_)}
            if self._signs and v.domain != "binary":
                lo, hi = self._known(lo).lo, self._known(hi).hi
            self._variables[name] = Range(lo, np.maximum(lo, hi), moved, {name: NEVER})
        return self._variables[name]

    def _position(self, axis: _Axis, rows: _Rows) -> Range:
        size = self.bound.sizes[axis.set]
        if axis.folded:
            return Range(np.asarray(1.0), np.asarray(float(size)))
        places = _along(np.arange(1, size + 1), axis.place, rows.depth).astype(np.float64)
        return Range(places, places)

    def _picked(self, whole: Range, index: tuple[str, ...], ref: Ref, rows: _Rows) -> Range:
        """Elements of an array at each row; where a shift leaves the set, the row is gone."""
        places: list[Ints] = []
        outside: Bools = NEVER
        folded: set[int] = set()
        for given, name, length in zip(ref.indices, index, whole.lo.shape, strict=True):
            size = self.bound.sizes[name]
            axis = rows.axes.get(given.name) if given.position is None and given.label is None else None
            if axis is None:
                place = np.asarray(self.bound.position(name, given) or 0)
            else:
                place = _along(np.arange(size) + given.shift, axis.place, rows.depth)
                if axis.folded:
                    folded.add(axis.place)
                else:
                    outside = outside | (place < 0) | (place >= size)
                place = np.clip(place, 0, size - 1)
            places.append(place if length == size else np.zeros_like(place))
        if not places:
            return whole
        at = tuple(places)
        picked = Range(
            whole.lo[at],
            whole.hi[at],
            {n: _at(may, at) for n, may in whole.up.items()},
            {n: _at(may, at) for n, may in whole.down.items()},
            _at(whole.gone, at) | outside,
        )
        return _folded(picked, tuple(folded)) if folded else picked

    def _summed(self, node: Sum, rows: _Rows) -> Range:
        inner = self._under(rows, node.scope)
        keep = self._kept(node.scope, inner)
        shape = self._shape(inner)
        body = _spread(self._of(node.body, inner), shape)
        new = [inner.axes[b.name] for b in node.scope.binders]
        over = tuple(a.place for a in new)
        times = math.prod(self.bound.sizes[a.set] for a in new if a.folded)
        kept = np.broadcast_to(keep, shape)
        lo, hi = np.where(kept, body.lo, 0.0), np.where(kept, body.hi, 0.0)
        lo, hi = lo * times, hi * times
        if times > 1 and node.scope.where:
            # A folded row stands for many elements, of which the conditions may keep none.
            lo, hi = np.minimum(lo, 0.0), np.maximum(hi, 0.0)
        return Range(
            np.asarray(lo.sum(axis=over)),
            np.asarray(hi.sum(axis=over)),
            {n: _some(may & kept, over) for n, may in body.up.items()},
            {n: _some(may & kept, over) for n, may in body.down.items()},
            _some(body.gone & kept, over),
        )

    def _line(self, node: Call, at: Range) -> Range:
        corners = [self.bound.params[a.name].values for a in node.args[1:] if isinstance(a, Ref)]
        if len(corners) != 2 or corners[0] is None or corners[1] is None:
            return Range(np.asarray(-np.inf), np.asarray(np.inf), at.up, at.up, at.gone)
        return intervals.through(at, corners[0].reshape(-1), corners[1].reshape(-1))

    def _called(self, node: Call, args: list[Range]) -> Range:
        first = args[0]
        if node.name in ("min", "max"):
            pick = intervals.smallest if node.name == "min" else intervals.largest
            for other in args[1:]:
                first = pick(first, other)
            return first
        if node.name == "abs":
            return intervals.absolute(first)
        made = intervals.increasing(first, node.name)
        if node.name == "db_to_linear":
            return intervals.scaled(made, reference_of(node.args[0], self.bound))
        return made

    def _under(self, rows: _Rows, scope: Scope) -> _Rows:
        axes, cells = dict(rows.axes), rows.cells
        for binder in scope.binders:
            size = self.bound.sizes[binder.set]
            folded = cells * size > self._most
            cells *= 1 if folded else size
            axes[binder.name] = _Axis(len(axes), binder.set, folded)
        return _Rows(axes, cells)

    def _shape(self, rows: _Rows) -> tuple[int, ...]:
        return tuple(1 if a.folded else self.bound.sizes[a.set] for a in rows.axes.values())

    def _kept(self, scope: Scope, rows: _Rows) -> Bools:
        """Rows that the conditions may keep."""
        keep: Bools = np.ones((1,) * rows.depth, dtype=np.bool_)
        for condition in scope.where:
            keep = keep & self._may_hold(condition, rows)
        return keep

    def _may_hold(self, condition: Compare, rows: _Rows) -> Bools:
        left, right = self._of(condition.left, rows), self._of(condition.right, rows)
        sure = (left.lo == left.hi) & (right.lo == right.hi)
        holds: Bools = _TESTS[condition.op](left.lo, right.lo)
        return np.asarray(holds | ~sure)


def parts(bound: Bound) -> int:
    """Nodes of all expressions of a problem."""
    trees = [bound.objective, *(d.body for d in bound.derived.values())]
    trees += [side for c in bound.constraints for side in (c.lhs, c.rhs)]
    return sum(1 for tree in trees for _ in walk(tree))


def _combined(op: str, left: Range, right: Range) -> Range:
    match op:
        case "+":
            return intervals.added(left, right)
        case "-":
            return intervals.added(left, intervals.negated(right))
        case "*":
            return intervals.multiplied(left, right)
        case _:
            return intervals.divided(left, right)


def _some(rows: Bools, over: tuple[int, ...]) -> Bools:
    return np.asarray(rows.any(axis=over))


def _along(values: Ints, place: int, depth: int) -> Ints:
    return values.reshape([len(values) if i == place else 1 for i in range(depth)])


def _at(may: Bools, at: tuple[Ints, ...]) -> Bools:
    return may if may.ndim == 0 else may[at]


def _spread(a: Range, shape: tuple[int, ...]) -> Range:
    """Every part of a range in the shape of its rows."""

    def full(x: Bools) -> Bools:
        return np.broadcast_to(x, shape)

    return Range(
        np.broadcast_to(a.lo, shape),
        np.broadcast_to(a.hi, shape),
        {n: full(may) for n, may in a.up.items()},
        {n: full(may) for n, may in a.down.items()},
        full(a.gone),
    )


def _folded(a: Range, over: tuple[int, ...]) -> Range:
    """One row for all elements of some axes."""

    def some(x: Bools) -> Bools:
        return x if x.ndim == 0 else np.asarray(x.any(axis=over, keepdims=True))

    gone = a.gone if a.gone.ndim == 0 else np.asarray(a.gone.all(axis=over, keepdims=True))
    return Range(
        a.lo.min(axis=over, keepdims=True),
        a.hi.max(axis=over, keepdims=True),
        {n: some(may) for n, may in a.up.items()},
        {n: some(may) for n, may in a.down.items()},
        gone,
    )
