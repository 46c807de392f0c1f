"""What a binder list ranges over, as arrays: one row for every combination that its conditions permit.

Both readings of an expression, its value (`evaluate`) and its form in the variables (`affine`), walk the same grids, so
that a sum means one thing. A row whose shifted subscript leaves its set (``t-1`` at the first slot) has no value: it
becomes NaN, and whoever uses it is told so; a condition such as ``where t > 1`` leaves it out.
"""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..typed.dimension import reference_of
from ..typed.findings import Refused
from ..typed.nodes import Binary, Call, Node, Number, Power, Ref, Scope
from ..typed.units import parse_unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gramwise.core.decision import Bools, Floats, Ints

    from ..typed.bind import Bound

MOST_ROWS = 4_000_000
_OPERATIONS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
_COMPARISONS = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Rows of a scope.

    Attributes:
        n: rows.
        at: 0-based position of each binder in its set, (n,).
        owner: row of the outer grid that each row belongs to, ascending, (n,).
    """

    n: int
    at: Mapping[str, Ints]
    owner: Ints


ROOT = Grid(1, {}, np.zeros(1, dtype=np.int64))
"""The grid without binders: one row."""


class Grids:
    """Grids and subscripts of one bound problem, worked out once each."""

    def __init__(self, bound: Bound) -> None:
        self.bound = bound
        self._grids: dict[tuple[int, int], tuple[Scope, Grid, Grid]] = {}
        self._flat: dict[tuple[int, int], tuple[Ref, Grid, Ints, Bools | None]] = {}
        self._tables: dict[str, Grid] = {}

    @property
    def largest(self) -> int:
        """Rows of the largest grid so far."""
        return max((grid.n for _, _, grid in self._grids.values()), default=1)

    def inner(self, scope: Scope, outer: Grid = ROOT) -> Grid:
        """Rows of ``scope`` under each row of ``outer``.

        Raises:
            Refused: E103 where there are too many.
        """
        key = (id(scope), id(outer))
        if key not in self._grids:
            self._grids[key] = (scope, outer, self._expand(scope, outer))
        return self._grids[key][2]

    def table(self, name: str) -> Grid:
        """Every element of a derived term, in row order."""
        if name not in self._tables:
            self._tables[name] = self.inner(self.bound.derived[name].scope)
        return self._tables[name]

    def flat(self, ref: Ref, index: tuple[str, ...], grid: Grid) -> tuple[Ints, Bools | None]:
        """Where each row's element lies in an array over ``index``, and whether it lies inside; None for all."""
        key = (id(ref), id(grid))
        if key not in self._flat:
            self._flat[key] = (ref, grid, *self._place(ref, index, grid))
        return self._flat[key][2:]

    def _expand(self, scope: Scope, outer: Grid) -> Grid:
        sizes = [self.bound.sizes[b.set] for b in scope.binders]
        each = math.prod(sizes)
        if outer.n * each > MOST_ROWS:
            raise Refused("E103", f"an expression stands for more than {MOST_ROWS} terms.")
        places = np.indices(sizes).reshape(len(sizes), each) if sizes else np.zeros((0, 1), dtype=np.int64)
        owner = np.repeat(np.arange(outer.n), each)
        at = {name: column[owner] for name, column in outer.at.items()}
        for binder, place in zip(scope.binders, places, strict=True):
            at[binder.name] = place if outer.n == 1 else np.tile(place, outer.n)
        grid = Grid(len(owner), at, owner)
        if not scope.where:
            return grid
        keep = np.ones(grid.n, dtype=np.bool_)
        for condition in scope.where:
            left, right = (self.constant(side, grid) for side in (condition.left, condition.right))
            keep &= _COMPARISONS[condition.op](left, right)
        return Grid(int(keep.sum()), {k: v[keep] for k, v in at.items()}, owner[keep])

    def _place(self, ref: Ref, index: tuple[str, ...], grid: Grid) -> tuple[Ints, Bools | None]:
        flat = np.zeros(grid.n, dtype=np.int64)
        inside: Bools | None = None
        for given, name in zip(ref.indices, index, strict=True):
            size = self.bound.sizes[name]
            if given.position is None and given.label is None and given.name in grid.at:
                place = grid.at[given.name] + given.shift
                if given.shift:
                    within = (place >= 0) & (place < size)
                    inside = within if inside is None else inside & within
                    place = np.clip(place, 0, size - 1)
                flat = flat * size + place
            else:
                fixed = self.bound.position(name, given)
                if fixed is None:
                    raise Refused("E202", f"{name} has no element {given.name!r}.", fragment=ref.name)
                flat = flat * size + fixed
        return flat, inside

    def parameter(self, ref: Ref, grid: Grid) -> Floats:
        """Values of a parameter at each row, NaN outside its set.

        Raises:
            Refused: E404 where it is open.
        """
        param = self.bound.params[ref.name]
        if param.values is None:
            raise Refused("E404", f"{ref.name} has no value yet.", fragment=ref.name)
        flat, inside = self.flat(ref, param.index, grid)
        values: Floats = param.values.reshape(-1)[flat]
        return values if inside is None else np.where(inside, values, np.nan)

    def constant(self, node: Node, grid: Grid) -> Floats:
        """A tree of numbers, parameters and binders' positions (from 1), as conditions are made of, (n,)."""
        match node:
            case Number():
                return np.full(grid.n, number(node))
            case Ref() if node.name in grid.at and not node.indices:
                return grid.at[node.name].astype(np.float64) + 1.0
            case Ref():
                return self.parameter(node, grid)
            case Binary():
                left, right = self.constant(node.left, grid), self.constant(node.right, grid)
                return arithmetic(node.op, left, right)
            case Power():
                return power(self.constant(node.base, grid), node.exponent)
            case Call():
                return call(node, [self.constant(a, grid) for a in node.args], self)
            case _:
                raise Refused("E201", "a condition holds no sum.")

    def points(self, node: Call) -> tuple[Floats, Floats]:
        """Corners of a ``pwl(x, xs, ys)``.

        Raises:
            Refused: E204 where xs does not ascend or the two differ in length.
        """
        xs, ys = (self._whole(a) for a in node.args[1:])
        if len(xs) != len(ys) or len(xs) < 2 or (np.diff(xs) <= 0).any():
            raise Refused("E204", "pwl takes two parameters of one index, the first ascending.")
        return xs, ys

    def _whole(self, node: Node) -> Floats:
        values = self.bound.params[node.name].values if isinstance(node, Ref) else None
        if values is None:
            raise Refused("E204", "pwl takes two parameters of one index that have values.")
        return values.reshape(-1)


def number(node: Number) -> float:
    """A literal in base units."""
    return parse_unit(node.unit).to_base(node.value) if node.unit else node.value


def arithmetic(op: str, left: Floats, right: Floats) -> Floats:
    """``left op right``; division by nothing gives inf or NaN, which is judged where it is used."""
    with np.errstate(all="ignore"):
        value: Floats = _OPERATIONS[op](left, right)
    return value


def power(base: Floats, exponent: float) -> Floats:
    """``base ^ exponent``."""
    with np.errstate(all="ignore"):
        value: Floats = np.asarray(base**exponent if exponent != -1.0 else 1.0 / base)
    return value


def call(node: Call, args: list[Floats], grids: Grids) -> Floats:
    """A function of the closed list, element by element."""
    with np.errstate(all="ignore"):
        return _call(node, args, grids)


def _call(node: Call, args: list[Floats], grids: Grids) -> Floats:
    match node.name:
        case "min":
            return np.asarray(np.minimum.reduce(np.broadcast_arrays(*args)))
        case "max":
            return np.asarray(np.maximum.reduce(np.broadcast_arrays(*args)))
        case "pwl":
            return np.asarray(np.interp(args[0], *grids.points(node)))
        case "db_to_linear":
            return np.asarray(reference_of(node.args[0], grids.bound) * 10.0 ** (args[0] / 10.0))
        case name:
            return unary(name, args[0])


def unary(name: str, x: Floats) -> Floats:
    """``log2 ln exp sqrt abs`` of an array."""
    made: Floats = {"log2": np.log2, "ln": np.log, "exp": np.exp, "sqrt": np.sqrt, "abs": np.abs}[name](x)
    return made


def add_up(values: Floats, owner: Ints, rows: int) -> Floats:
    """Sums of (..., n) values over rows that belong together; ``owner`` ascends."""
    total = np.zeros((*values.shape[:-1], rows))
    if len(owner):
        new = np.ones(len(owner), dtype=np.bool_)
        np.not_equal(owner[1:], owner[:-1], out=new[1:])
        first = new.nonzero()[0]
        total[..., owner[first]] = np.add.reduceat(values, first, axis=-1)
    return total
