"""Trees to sparse forms over whole blocks of rows, with a column of its own for each function of variables.

``x[j,s]*t[j,s]`` with t known is linear; ``x*f^2`` is a product of x and a column that stands for ``f^2``. Such a
column is an *atom*: what it is in other columns is kept beside it, so that any decision can be lifted to all columns
and `rewrite` can give it exact rows. Cost is that of the arrays: no tree is walked once per element.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..typed.dimension import reference_of
from ..typed.findings import Refused
from ..typed.nodes import Binary, Call, Node, Number, Power, Ref, Sum
from .forms import Form, product_interval
from .grid import ROOT, Grid, Grids, call, number, power, unary

if TYPE_CHECKING:
    from gramwise.core.decision import Bools, Floats, Ints

    from ..typed.bind import Bound

MOST_ENTRIES = 1_000_000
MOST_COLUMNS = 200_000


@dataclass(frozen=True, slots=True, eq=False)
class Atom:
    """``count`` columns from ``start`` that stand for a function of earlier ones.

    Attributes:
        kind: ``product`` of columns a and b, ``power``, a function's name, or ``pwl``.
        start, count: its columns.
        args: affine forms of ``count`` rows that it is a function of.
        exponent: of a power.
        a, b: factors of a product, (count,).
        xs, ys: corners of a ``pwl``.
    """

    kind: str
    start: int
    count: int
    args: tuple[Form, ...] = ()
    exponent: float = 1.0
    a: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    b: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    xs: Floats = field(default_factory=lambda: np.zeros(0))
    ys: Floats = field(default_factory=lambda: np.zeros(0))

    def of(self, z: Floats) -> Floats:
        """Its values (B, count) at the columns before it."""
        if self.kind == "product":
            return z[:, self.a] * z[:, self.b]
        return self.function([arg.at(z) for arg in self.args])

    def function(self, values: list[Floats]) -> Floats:
        """The function itself, element by element."""
        with np.errstate(all="ignore"):
            match self.kind:
                case "power":
                    return power(values[0], self.exponent)
                case "max":
                    return np.asarray(np.maximum.reduce(values))
                case "min":
                    return np.asarray(np.minimum.reduce(values))
                case "pwl":
                    return np.asarray(np.interp(values[0], self.xs, self.ys))
                case kind:
                    return unary(kind, values[0])


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """A named constraint as ``form rel 0``, one row for each element of its scope."""

    name: str
    rel: str
    form: Form


class Columns:
    """Bounds and kinds of all columns, and the atoms among them."""

    def __init__(self, bound: Bound) -> None:
        variables = bound.variables.values()
        self.width = bound.width
        self.lower: Floats = np.concatenate([v.lower.ravel() for v in variables] or [np.zeros(0)])
        self.upper: Floats = np.concatenate([v.upper.ravel() for v in variables] or [np.zeros(0)])
        self.whole: Bools = np.concatenate(
            [np.full(v.size, v.domain != "real") for v in variables] or [np.zeros(0, dtype=np.bool_)]
        )
        self.atoms: list[Atom] = []
        self._squares: dict[tuple[int, int], int] = {}

    @property
    def count(self) -> int:
        """Columns so far."""
        return len(self.lower)

    @property
    def binary(self) -> Bools:
        """Whole columns between 0 and 1, (count,)."""
        return self.whole & (self.lower >= 0) & (self.upper <= 1)

    def add(self, lower: Floats, upper: Floats, *, whole: bool | Bools = False) -> int:
        """New columns; the position of the first.

        Raises:
            Refused: E103.
        """
        start = self.count
        if start + len(lower) > MOST_COLUMNS:
            raise Refused("E103", f"the problem needs more than {MOST_COLUMNS} columns.")
        self.lower = np.concatenate([self.lower, lower])
        self.upper = np.concatenate([self.upper, upper])
        self.whole = np.concatenate([self.whole, np.broadcast_to(np.asarray(whole), lower.shape)])
        return start

    def product(self, a: Ints, b: Ints) -> Ints:
        """Columns that stand for ``z[a] * z[b]``: one for each pair, and a binary's own for its square."""
        a, b = np.minimum(a, b), np.maximum(a, b)
        pairs, place = np.unique(np.stack([a, b]), axis=1, return_inverse=True)
        place = place.reshape(-1)
        own = (pairs[0] == pairs[1]) & self.binary[pairs[0]]
        known = np.array([self._squares.get((i, j), -1) for i, j in pairs.T.tolist()], dtype=np.int64)
        found = np.where(own, pairs[0], known)
        new = np.flatnonzero(found < 0)
        if len(new):
            left, right = pairs[0, new], pairs[1, new]
            low, high = product_interval(self.lower, self.upper, left, right)
            start = self.add(low, high)
            self.atoms.append(Atom("product", start, len(new), a=left, b=right))
            found[new] = start + np.arange(len(new))
            for i, j, column in zip(left.tolist(), right.tolist(), found[new].tolist(), strict=True):
                self._squares[i, j] = column
        return np.asarray(found[place], dtype=np.int64)

    def function(
        self, kind: str, args: tuple[Form, ...], *, exponent: float = 1.0, corners: tuple[Floats, ...] = ()
    ) -> Form:
        """Columns that stand for a function of affine forms; where all of those are constant, its value."""
        fixed = np.ones(args[0].n, dtype=np.bool_)
        for arg in args:
            fixed[arg.row] = False
        if fixed.any() and not fixed.all():
            return self._partly(kind, args, np.flatnonzero(~fixed), exponent, corners)
        ends = [arg.interval(self.lower, self.upper) for arg in args]
        low, high = _image(kind, exponent, ends, corners)
        xs, ys = corners or (np.zeros(0), np.zeros(0))
        start = self.add(low, high)
        self.atoms.append(Atom(kind, start, len(low), args, exponent, xs=xs, ys=ys))
        rows = np.arange(len(low))
        return Form(np.zeros(len(low)), rows, start + rows, np.ones(len(low)))

    def _partly(
        self, kind: str, args: tuple[Form, ...], moving: Ints, exponent: float, corners: tuple[Floats, ...]
    ) -> Form:
        xs, ys = corners or (np.zeros(0), np.zeros(0))
        value = Atom(kind, 0, args[0].n, args, exponent, xs=xs, ys=ys).function([arg.const for arg in args])
        value[moving] = 0.0
        made = self.function(
            kind, tuple(arg.take(moving) for arg in args), exponent=exponent, corners=corners
        )
        return Form(value, moving[made.row], made.col, made.val)

    def flat(self, form: Form) -> Form:
        """The same with a column for each product."""
        if form.affine:
            return form
        column = self.product(form.qa, form.qb)
        linear = Form(form.const, form.row, form.col, form.val)
        return linear.plus(Form(np.zeros(form.n), form.qrow, column, form.qval)).tidy()

    def lift(self, decisions: Floats) -> Floats:
        """Decisions (B, width) with every atom's value behind them; columns that are no function of them stay NaN."""
        z = np.full((len(decisions), self.count), np.nan)
        z[:, : self.width] = decisions
        for atom in self.atoms:
            z[:, atom.start : atom.start + atom.count] = atom.of(z)
        return z


@dataclass(frozen=True, slots=True, eq=False)
class Grounded:
    """A problem as forms: objective (one row) and named rows over shared columns, and the grids they came from."""

    bound: Bound
    columns: Columns
    objective: Form
    rows: tuple[Row, ...]
    grids: Grids


def ground(bound: Bound) -> Grounded:
    """Walk every tree once.

    Raises:
        Refused: E103 too many columns or entries, E404 an open parameter, E704 a coefficient that is no number (a
            division by nothing, or a shifted subscript outside its set).
    """
    walk = _Grounder(bound)
    objective = _proper("objective", walk.form(bound.objective, ROOT).tidy())
    rows, entries = [], 0
    for c in bound.constraints:
        grid = walk.grids.inner(c.scope)
        form = walk.form(c.lhs, grid).plus(walk.form(c.rhs, grid), -1.0).tidy()
        entries += len(form.row) + len(form.qrow)
        if entries > MOST_ENTRIES:
            raise Refused("E103", f"the constraints have more than {MOST_ENTRIES} terms.")
        rows.append(Row(c.record.name, c.rel, _proper(f"constraint {c.record.name}", form)))
    return Grounded(bound, walk.columns, objective, tuple(rows), walk.grids)


def _proper(where: str, form: Form) -> Form:
    for values in (form.const, form.val, form.qval):
        if not np.isfinite(values).all():
            raise Refused(
                "E704",
                f"{where} has a term that is no finite number.",
                fix="Look for a division by 0, or add a condition such as `where t > 1` to a shifted subscript.",
                fragment=where,
            )
    return form


class _Grounder:
    def __init__(self, bound: Bound) -> None:
        self.bound, self.grids, self.columns = bound, Grids(bound), Columns(bound)
        self._tables: dict[str, Form] = {}

    def form(self, node: Node, grid: Grid) -> Form:
        match node:
            case Number():
                return Form(np.full(grid.n, number(node)))
            case Ref():
                return self._ref(node, grid)
            case Sum():
                inner = self.grids.inner(node.scope, grid)
                return self.form(node.body, inner).added(inner.owner, grid.n)
            case Power():
                return self._power(self.form(node.base, grid), node.exponent)
            case Call():
                return self._call(node, grid)
            case Binary():
                return self._binary(node, grid)

    def _binary(self, node: Binary, grid: Grid) -> Form:
        left, right = self.form(node.left, grid), self.form(node.right, grid)
        match node.op:
            case "+":
                return left.plus(right)
            case "-":
                return left.plus(right, -1.0)
            case "*":
                return self._times(left, right)
            case _:
                return self._times(left, self._power(right, -1.0))

    def _times(self, left: Form, right: Form) -> Form:
        if right.constant:
            return left.scaled(right.const)
        if left.constant:
            return right.scaled(left.const)
        left, right = self.columns.flat(left), self.columns.flat(right)
        if left.pairs(right) > MOST_ENTRIES:
            raise Refused("E103", f"a product of sums has more than {MOST_ENTRIES} terms.")
        return left.times(right)

    def _power(self, base: Form, exponent: float) -> Form:
        if base.constant:
            return Form(power(base.const, exponent))
        if exponent == 1.0:
            return base
        if exponent == 0.0:
            return Form(np.ones(base.n))
        return self.columns.function("power", (self.columns.flat(base).tidy(),), exponent=exponent)

    def _call(self, node: Call, grid: Grid) -> Form:
        forms = [self.form(a, grid) for a in (node.args[:1] if node.name == "pwl" else node.args)]
        if all(f.constant for f in forms):
            return Form(call(node, [f.const for f in forms], self.grids))
        args = tuple(self.columns.flat(f).tidy() for f in forms)
        if node.name == "db_to_linear":
            # 10^(x/10) is exp of x * ln 10 / 10
            scale = np.full(grid.n, np.log(10.0) / 10.0)
            made = self.columns.function("exp", (args[0].scaled(scale),))
            return made.scaled(np.full(grid.n, reference_of(node.args[0], self.bound)))
        corners = self.grids.points(node) if node.name == "pwl" else ()
        return self.columns.function(node.name, args, corners=corners)

    def _ref(self, ref: Ref, grid: Grid) -> Form:
        if ref.name in self.bound.params:
            return Form(self.grids.parameter(ref, grid))
        variable = self.bound.variables.get(ref.name)
        if variable is not None:
            flat, inside = self.grids.flat(ref, variable.index, grid)
            form = Form(np.zeros(grid.n), np.arange(grid.n), variable.start + flat, np.ones(grid.n))
        else:
            flat, inside = self.grids.flat(ref, self.bound.derived[ref.name].index, grid)
            form = self._table(ref.name).take(flat)
        if inside is None:
            return form
        # What lies outside its set has no value: NaN stays in the row until someone asks for it.
        return form.plus(Form(np.where(inside, 0.0, np.nan)))

    def _table(self, name: str) -> Form:
        if name not in self._tables:
            made = self.form(self.bound.derived[name].body, self.grids.table(name))
            self._tables[name] = made.tidy()
        return self._tables[name]


def _image(
    kind: str, exponent: float, ends: list[tuple[Floats, Floats]], corners: tuple[Floats, ...]
) -> tuple[Floats, Floats]:
    """Least and most of a function where its arguments lie between their ends; infinite where that is unknown."""
    low, high = ends[0]
    with np.errstate(all="ignore"):
        match kind:
            case "max" | "min":
                pick = np.maximum if kind == "max" else np.minimum
                return pick.reduce([e[0] for e in ends]), pick.reduce([e[1] for e in ends])
            case "abs":
                most = np.maximum(np.abs(low), np.abs(high))
                least = np.where((low <= 0) & (high >= 0), 0.0, np.minimum(np.abs(low), np.abs(high)))
                return least, most
            case "pwl":
                least, most = np.full(len(low), corners[1].min()), np.full(len(low), corners[1].max())
                return least, most
            case "power":
                return _power_image(exponent, low, high)
            case _:
                first, last = unary(kind, low), unary(kind, high)
                return np.where(np.isnan(first), -np.inf, first), np.where(np.isnan(last), np.inf, last)


def _power_image(exponent: float, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    ends = np.stack([power(low, exponent), power(high, exponent)])
    least, most = ends.min(axis=0), ends.max(axis=0)
    even = exponent % 2 == 0
    crosses = (low < 0) & (high > 0)
    if exponent > 0 and even:
        least = np.where(crosses, 0.0, least)
    unclear = (low <= 0) & (high >= 0) if exponent < 0 else (low < 0) & (exponent % 1 != 0)
    touches = exponent < 0 and not even
    if touches or exponent < 0:
        # 1/x over (0, high]: from 1/high to infinity
        positive = (low == 0) & (high > 0)
        least = np.where(positive, power(high, exponent), np.where(unclear, -np.inf, least))
        most = np.where(positive | unclear, np.inf, most)
    else:
        least, most = np.where(unclear, -np.inf, least), np.where(unclear, np.inf, most)
    return np.where(np.isnan(least), -np.inf, least), np.where(np.isnan(most), np.inf, most)
