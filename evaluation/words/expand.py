"""A typed problem written out row by row, apart from the package's compiler, and solved through SciPy.

The truths must not be judged by the compiler that they are to judge, so this is a second expansion of the language:
slow, small and naive. It takes what is affine in the variables; anything else is refused by `NotAffine`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from gramwise.optimize.typed.bind import Bound, BoundParam
from gramwise.optimize.typed.nodes import Binary, Call, Compare, Index, Node, Number, Power, Ref, Scope, Sum
from gramwise.optimize.typed.units import parse_unit

Array = NDArray[np.float64]
Places = dict[str, tuple[str, int]]
"""Binder to its set and 0-based place."""


class NotAffine(Exception):
    """The problem is not affine in its variables, or uses something that this expansion does not know."""


@dataclass(slots=True)
class Affine:
    """``constant + sum(weights[i] * x[i])``."""

    constant: float = 0.0
    weights: dict[int, float] = field(default_factory=dict)

    def plus(self, other: Affine, sign: float = 1.0) -> Affine:
        """The sum, or the difference with ``sign`` -1."""
        weights = dict(self.weights)
        for i, w in other.weights.items():
            weights[i] = weights.get(i, 0.0) + sign * w
        return Affine(self.constant + sign * other.constant, weights)

    def times(self, factor: float) -> Affine:
        """Scaled."""
        return Affine(self.constant * factor, {i: w * factor for i, w in self.weights.items()})


@dataclass(slots=True)
class Program:
    """Rows of a linear programme with whole variables.

    Attributes:
        cost: objective in grams.
        rows: constraint name, affine left minus right, relation.
        lower, upper, whole: by scalar variable.
    """

    cost: Affine
    rows: list[tuple[str, Affine, str]]
    lower: Array
    upper: Array
    whole: NDArray[np.int8]


def expand(bound: Bound) -> Program:
    """Every row of the problem, in base units.

    Raises:
        NotAffine: see there.
    """
    reader = _Reader(bound)
    rows = []
    for c in bound.constraints:
        for places in reader.places(c.scope, {}):
            left, right = reader.affine(c.lhs, places), reader.affine(c.rhs, places)
            rows.append((c.record.name, left.plus(right, -1.0), c.rel))
    lower, upper = np.zeros(bound.width), np.zeros(bound.width)
    whole = np.zeros(bound.width, dtype=np.int8)
    for record in bound.problem.variables:
        v = bound.variables[record.name]
        part = slice(v.start, v.start + v.size)
        lower[part] = v.lower.reshape(-1)
        upper[part] = v.upper.reshape(-1)
        whole[part] = v.domain != "real"
    return Program(reader.affine(bound.objective, {}), rows, lower, upper, whole)


def solve(program: Program) -> tuple[float, Array] | None:
    """Least grams and the decision; None where nothing is feasible.

    Raises:
        RuntimeError: the solver stopped for another reason.
    """
    width = len(program.lower)
    cost = np.zeros(width)
    for i, w in program.cost.weights.items():
        cost[i] = w
    # Rows and costs are scaled to about 1, so that grams per joule and bits do not meet the solver's tolerances.
    largest = float(np.max(np.abs(cost), initial=0.0)) or 1.0
    data, at_row, at_column, low, high = [], [], [], [], []
    for r, (_, row, rel) in enumerate(program.rows):
        size = max((abs(w) for w in row.weights.values()), default=0.0) or abs(row.constant) or 1.0
        for i, w in row.weights.items():
            data.append(w / size)
            at_row.append(r)
            at_column.append(i)
        side = -row.constant / size
        low.append(-np.inf if rel == "<=" else side)
        high.append(np.inf if rel == ">=" else side)
    matrix = sparse.csr_array((data, (at_row, at_column)), shape=(len(program.rows), width))
    span = np.where(program.whole == 0, np.maximum(program.upper, 1e-300), 1.0)
    span = np.where(np.isfinite(span), span, 1.0)
    scaled = sparse.csr_array(matrix @ sparse.diags_array(span))
    found = milp(
        cost * span / (float(np.max(np.abs(cost * span), initial=0.0)) or largest),
        constraints=[LinearConstraint(scaled, low, high)] if program.rows else None,
        bounds=Bounds(program.lower / span, program.upper / span),
        integrality=program.whole,
        options={"mip_rel_gap": 0.0},
    )
    if found.status == 2:
        return None
    if found.x is None or found.status != 0:
        raise RuntimeError(found.message)
    x = np.asarray(found.x, dtype=np.float64)
    x = np.where(program.whole > 0, np.round(x), x) * span
    return program.cost.constant + float(cost @ x), x


def violations(program: Program, x: Array, tolerance: float = 1e-6) -> list[str]:
    """Names of the constraints that ``x`` breaks by more than ``tolerance`` of the row's size."""
    broken = []
    for name, row, rel in program.rows:
        terms = [w * x[i] for i, w in row.weights.items()]
        gap = row.constant + sum(terms)
        scale = max([abs(row.constant), *(abs(t) for t in terms)]) or 1.0
        over = {"<=": gap, ">=": -gap, "==": abs(gap)}[rel]
        if over > tolerance * scale:
            broken.append(name)
    span = np.maximum(np.abs(program.upper), 1e-12)
    if np.any(x < program.lower - tolerance * span) or np.any(x > program.upper + tolerance * span):
        broken.append("bounds")
    return broken


def grams(program: Program, x: Array) -> float:
    """The objective at ``x``."""
    return program.cost.constant + float(sum(w * x[i] for i, w in program.cost.weights.items()))


class _Reader:
    def __init__(self, bound: Bound) -> None:
        self.bound = bound
        self.known: dict[tuple[str, tuple[int, ...]], Affine] = {}

    def places(self, scope: Scope, outer: Places) -> Iterator[Places]:
        ranges = [range(self.bound.sizes[b.set]) for b in scope.binders]
        for picked in itertools.product(*ranges):
            inner = {**outer, **{b.name: (b.set, at) for b, at in zip(scope.binders, picked, strict=True)}}
            if all(self._holds(c, inner) for c in scope.where):
                yield inner

    def _holds(self, c: Compare, places: Places) -> bool:
        left, right = (self.affine(side, places, where=True).constant for side in (c.left, c.right))
        tests: dict[str, Callable[[float, float], bool]] = {
            "<=": lambda a, b: a <= b + 1e-9,
            ">=": lambda a, b: a >= b - 1e-9,
            "<": lambda a, b: a < b - 1e-9,
            ">": lambda a, b: a > b + 1e-9,
            "==": lambda a, b: abs(a - b) <= 1e-9,
            "!=": lambda a, b: abs(a - b) > 1e-9,
        }
        return tests[c.op](left, right)

    def affine(self, node: Node, places: Places, *, where: bool = False) -> Affine:
        match node:
            case Number():
                return Affine(parse_unit(node.unit).to_base(node.value))
            case Ref():
                return self._ref(node, places, where=where)
            case Sum():
                total = Affine()
                for inner in self.places(node.scope, places):
                    part = self.affine(node.body, inner)
                    total.constant += part.constant
                    for i, w in part.weights.items():
                        total.weights[i] = total.weights.get(i, 0.0) + w
                return total
            case Binary():
                return self._binary(node, places, where=where)
            case Power():
                return Affine(float(self._number(node.base, places) ** node.exponent))
            case Call():
                return Affine(self._call(node, places))
        raise NotAffine(str(node))

    def _number(self, node: Node, places: Places) -> float:
        value = self.affine(node, places)
        if any(value.weights.values()):
            raise NotAffine("a variable stands where only a number may")
        return value.constant

    def _binary(self, node: Binary, places: Places, *, where: bool) -> Affine:
        left = self.affine(node.left, places, where=where)
        right = self.affine(node.right, places, where=where)
        if node.op in "+-":
            return left.plus(right, 1.0 if node.op == "+" else -1.0)
        if node.op == "/":
            if right.weights:
                raise NotAffine("a variable below the line")
            if right.constant == 0:
                raise NotAffine("a division by zero")
            return left.times(1.0 / right.constant)
        if left.weights and right.weights:
            raise NotAffine("two variables are multiplied")
        return right.times(left.constant) if right.weights else left.times(right.constant)

    def _ref(self, ref: Ref, places: Places, *, where: bool) -> Affine:
        if where and ref.name in places and not ref.indices:
            return Affine(float(places[ref.name][1] + 1))
        if ref.name in self.bound.params:
            param = self.bound.params[ref.name]
            at = self._at(ref.indices, param.index, places)
            return Affine(float(self._values(ref.name, param)[at]))
        if ref.name in self.bound.variables:
            v = self.bound.variables[ref.name]
            at = self._at(ref.indices, v.index, places)
            place = v.start + (int(np.ravel_multi_index(at, v.shape)) if at else 0)
            return Affine(0.0, {place: 1.0})
        term = self.bound.derived[ref.name]
        at = self._at(ref.indices, term.index, places)
        if (ref.name, at) not in self.known:
            inner = {b.name: (b.set, i) for b, i in zip(term.scope.binders, at, strict=True)}
            self.known[ref.name, at] = self.affine(term.body, inner)
        return self.known[ref.name, at]

    def _values(self, name: str, param: BoundParam) -> Array:
        if param.values is None:
            raise NotAffine(f"{name} is open")
        return param.values

    def _at(self, indices: Sequence[Index], sets: Sequence[str], places: Places) -> tuple[int, ...]:
        picked = []
        for index, name in zip(indices, sets, strict=True):
            if index.position is None and index.label is None and index.name in places:
                at = places[index.name][1] + index.shift
            else:
                fixed = self.bound.position(name, index)
                at = -1 if fixed is None else fixed
            if not 0 <= at < self.bound.sizes[name]:
                raise NotAffine(f"{name} has no place {at + 1}")
            picked.append(at)
        return tuple(picked)

    def _call(self, node: Call, places: Places) -> float:
        if node.name == "pwl":
            raise NotAffine("pwl")
        values = [self._number(a, places) for a in node.args]
        if node.name == "db_to_linear":
            arg = node.args[0]
            unit = (
                self.bound.params[arg.name].unit.factor
                if isinstance(arg, Ref) and arg.name in self.bound.params
                else 1.0
            )
            return float(unit * 10.0 ** (values[0] / 10))
        plain: dict[str, Callable[..., float]] = {
            "log2": math.log2,
            "ln": math.log,
            "exp": math.exp,
            "sqrt": math.sqrt,
            "abs": abs,
            "min": min,
            "max": max,
        }
        return float(plain[node.name](*values))
