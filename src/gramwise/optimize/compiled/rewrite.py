"""Atoms to rows of a mixed-integer linear program, exactly where that is possible, as a relaxation where it is not.

Which side of an atom needs rows follows from how it is used: one that only ever costs is pushed down by the optimum,
so that rows from below suffice (``z >= each argument`` is exact for such a max). Products of a binary with anything
bounded have McCormick's envelope, which is exact. Every rewrite says why it holds; every relaxation says that it is
one. Method: docs/method/solving.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from . import curves
from .forms import Form

if TYPE_CHECKING:
    from gramwise.core.decision import Bools, Floats, Ints

    from .affine import Atom, Columns, Row

TANGENTS = 12
PIECES = 16


@dataclass(eq=False)
class Rows:
    """Rows ``low <= A z <= high`` while they are gathered."""

    row: list[Ints] = field(default_factory=list)
    col: list[Ints] = field(default_factory=list)
    val: list[Floats] = field(default_factory=list)
    low: list[Floats] = field(default_factory=list)
    high: list[Floats] = field(default_factory=list)
    count: int = 0

    def add(self, form: Form, low: Floats | float, high: Floats | float) -> None:
        """``low <= form <= high`` for each row of an affine form."""
        self.row.append(form.row + self.count)
        self.col.append(form.col)
        self.val.append(form.val)
        self.low.append(low - form.const)
        self.high.append(high - form.const)
        self.count += form.n


@dataclass(frozen=True, eq=False)
class Curve:
    """A convex function that is pushed down (``sign`` 1) or a concave one that is pushed up (-1): tangents at will."""

    atom: Atom
    rows: Ints
    sign: float


@dataclass(eq=False)
class Rewriting:
    """Rows for atoms.

    Attributes:
        notes: what was rewritten and why that holds.
        relaxed: what could only be relaxed, and by how much where that is known.
        curves: where tangents can be added.
    """

    columns: Columns
    objective: Form
    named: tuple[Row, ...]
    rows: Rows = field(default_factory=Rows)
    notes: list[str] = field(default_factory=list)
    relaxed: list[str] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)

    def run(self) -> Rewriting:
        """Give every atom that is used its rows."""
        down, up = self._pressure()
        for atom in list(self.columns.atoms):
            here = slice(atom.start, atom.start + atom.count)
            used = np.flatnonzero(down[here] | up[here])
            if len(used):
                self._emit(atom, used, down[here][used], up[here][used])
        return self

    def _pressure(self) -> tuple[Bools, Bools]:
        """Columns that the optimum wants small, and large."""
        count = self.columns.count
        down, up = np.zeros(count, dtype=np.bool_), np.zeros(count, dtype=np.bool_)
        for form, rel in [(self.objective, "<="), *((r.form, r.rel) for r in self.named)]:
            rising, falling = form.col[form.val > 0], form.col[form.val < 0]
            if rel != ">=":
                down[rising], up[falling] = True, True
            if rel != "<=":
                up[rising], down[falling] = True, True
        for atom in reversed(self.columns.atoms):
            self._pass_on(atom, down, up)
        return down, up

    def _pass_on(self, atom: Atom, down: Bools, up: Bools) -> None:
        here = slice(atom.start, atom.start + atom.count)
        d, u = down[here], up[here]
        if atom.kind == "product":
            for factor, other in ((atom.a, atom.b), (atom.b, atom.a)):
                mixed = self.columns.lower[other] < 0
                np.logical_or.at(down, factor, d | (u & mixed))
                np.logical_or.at(up, factor, u | (d & mixed))
            return
        for arg in atom.args:
            low, high = arg.interval(self.columns.lower, self.columns.upper)
            way = curves.direction(atom, low, high)
            rising, value = (arg.val > 0) == (way >= 0), arg.row
            both = way == 0
            np.logical_or.at(down, arg.col, (d | (u & both))[value] & (rising | both) | (u[value] & ~rising))
            np.logical_or.at(up, arg.col, (u | (d & both))[value] & (rising | both) | (d[value] & ~rising))

    def _emit(self, atom: Atom, used: Ints, down: Bools, up: Bools) -> None:
        match atom.kind:
            case "product":
                self._products(atom, used, down, up)
            case "max" | "min" | "abs":
                self._largest(atom, used, down, up)
            case _:
                self._curve(atom, used, down, up)

    def _products(self, atom: Atom, used: Ints, down: Bools, up: Bools) -> None:
        columns = self.columns
        a, b, z = atom.a[used], atom.b[used], atom.start + used
        same = a == b
        if same.any():
            self._square(a[same], z[same], down[same], up[same])
        swap = columns.binary[b] & ~columns.binary[a]
        a, b = np.where(swap, b, a), np.where(swap, a, b)
        low_a, high_a, low_b, high_b = columns.lower[a], columns.upper[a], columns.lower[b], columns.upper[b]
        fine = ~same & np.isfinite(low_a) & np.isfinite(high_a) & np.isfinite(low_b) & np.isfinite(high_b)
        if (~fine & ~same).any():
            self.relaxed.append("a product with something that has no bound was left free.")
        for want, offset_a, offset_b, below in (
            (down, low_a, low_b, True),
            (down, high_a, high_b, True),
            (up, low_a, high_b, False),
            (up, high_a, low_b, False),
        ):
            pick = np.flatnonzero(want & fine)
            if len(pick):
                # (a - A)(b - B) >= 0 or <= 0 at a corner (A, B) of the box: McCormick's four rows
                form = _three(z[pick], a[pick], b[pick], offset_b[pick], offset_a[pick])
                limit = -offset_a[pick] * offset_b[pick]
                self.rows.add(form, limit if below else -np.inf, np.inf if below else limit)
        exact = columns.binary[a]
        if (fine & exact).any():
            self.notes.append(
                "binary times bounded: McCormick's envelope, exact because one factor is 0 or 1."
            )
        if (fine & ~exact).any():
            self.relaxed.append(
                "a product of two decisions that are no binaries has its McCormick envelope only."
            )

    def _square(self, a: Ints, z: Ints, down: Bools, up: Bools) -> None:
        from .affine import Atom

        rows = np.arange(len(a))
        arg = Form(np.zeros(len(a)), rows, a, np.ones(len(a)))
        square = Atom("power", int(z[0]), len(a), (arg,), 2.0)
        if (np.diff(z) == 1).all():
            self._curve(square, rows, down, up)
        else:
            for i in range(len(a)):
                one = Atom("power", int(z[i]), 1, (arg.take(np.array([i])),), 2.0)
                self._curve(one, np.zeros(1, dtype=np.int64), down[i : i + 1], up[i : i + 1])

    def _largest(self, atom: Atom, used: Ints, down: Bools, up: Bools) -> None:
        args = [arg.take(used) for arg in atom.args]
        if atom.kind == "abs":
            args = [args[0], args[0].scaled(-np.ones(len(used)))]
        sign = -1.0 if atom.kind == "min" else 1.0
        n, z = len(used), atom.start + used
        me = Form(np.zeros(n), np.arange(n), z, np.ones(n))
        for arg in args:
            gap = me.plus(arg, -1.0)
            self.rows.add(gap, *((0.0, np.inf) if sign > 0 else (-np.inf, 0.0)))
        hard = np.flatnonzero(up if sign > 0 else down)
        if not len(hard):
            self.notes.append(
                f"{atom.kind}: a row for each argument, exact because the optimum presses on it."
            )
            return
        self._choose(atom.kind, sign, me.take(hard), [arg.take(hard) for arg in args])

    def _choose(self, kind: str, sign: float, me: Form, args: list[Form]) -> None:
        """One binary for each argument: that one is reached."""
        n = me.n
        ends = [arg.interval(self.columns.lower, self.columns.upper) for arg in args]
        best = (
            np.maximum.reduce([e[1] for e in ends]) if sign > 0 else np.minimum.reduce([e[0] for e in ends])
        )
        start = self.columns.add(np.zeros(n * len(args)), np.ones(n * len(args)), whole=True)
        rows = np.arange(n)
        for i, (arg, (low, high)) in enumerate(zip(args, ends, strict=True)):
            far = np.abs(best - (low if sign > 0 else high))
            if not np.isfinite(far).all():
                self.relaxed.append(f"{kind} of something without bounds was left free on one side.")
                return
            # sign * (z - arg) <= far * (1 - chosen)
            switch = Form(np.zeros(n), rows, start + i * n + rows, far)
            form = me.plus(arg, -1.0).scaled(np.full(n, sign)).plus(switch)
            self.rows.add(form, -np.inf, far)
        chosen = Form(
            np.zeros(n), np.repeat(rows, len(args)),
            (start + rows[:, None] + n * np.arange(len(args))).ravel(), np.ones(n * len(args)),
        )  # fmt: skip
        self.rows.add(chosen, 1.0, 1.0)
        self.notes.append(f"{kind}: a binary says which argument it is, exact with limits from the bounds.")

    def _curve(self, atom: Atom, used: Ints, down: Bools, up: Bools) -> None:
        arg = atom.args[0].take(used)
        low, high = arg.interval(self.columns.lower, self.columns.upper)
        low, high = _domain(atom, low, high)
        bend = curves.bend(atom, low, high)
        easy = (
            (down & ~up) if bend == "convex" else (up & ~down) if bend == "concave" else down & ~(down | up)
        )
        finite = np.isfinite(low) & np.isfinite(high)
        smooth = np.flatnonzero(easy & finite)
        if len(smooth):
            self._tangents(atom, used[smooth], low[smooth], high[smooth], 1.0 if bend == "convex" else -1.0)
        rest = np.flatnonzero(~easy & finite)
        if len(rest) and bend == "mixed" and atom.kind == "power" and atom.exponent < 0:
            rest = rest[low[rest] > 0]
        if len(rest):
            self._pieces(atom, used[rest], low[rest], high[rest])
        if len(smooth) + len(rest) < len(used):
            self.relaxed.append(f"{_name(atom)} of something without bounds was left free.")

    def _tangents(self, atom: Atom, used: Ints, low: Floats, high: Floats, sign: float) -> None:
        reciprocal = atom.kind in ("ln", "log2") or (atom.kind == "power" and atom.exponent < 1)
        if atom.kind == "pwl":
            count = len(atom.xs) - 1
            points = np.broadcast_to((atom.xs[1:] + atom.xs[:-1]) / 2, (len(used), count))
        else:
            count = TANGENTS
            points = curves.tangent_points(low, high, count, reciprocal=reciprocal and bool((high > 0).all()))
        curve = Curve(atom, used, sign)
        for k in range(count):
            form, limit = tangents(curve, np.arange(len(used)), points[:, k])
            self.rows.add(form, limit, np.inf)
        if atom.kind == "pwl":
            self.notes.append("pwl: the line of each piece, exact because it bends with the objective.")
        else:
            self.curves.append(curve)
            self.notes.append(
                f"{_name(atom)}: tangents, which lie on the right side of it; more are added where the solution lies."
            )

    def _pieces(self, atom: Atom, used: Ints, low: Floats, high: Floats) -> None:
        """A binary for each piece; between two lines that enclose the curve there."""
        ends = curves.corners(atom, low, high, PIECES)
        steep, offset, above, below = curves.lines(atom, ends)
        n, p = steep.shape
        flat_low, flat_high = np.minimum(ends[:, :-1], 0.0).ravel(), np.maximum(ends[:, 1:], 0.0).ravel()
        part = self.columns.add(flat_low, flat_high)
        pick = self.columns.add(np.zeros(n * p), np.ones(n * p), whole=True)
        grid, row = np.arange(n * p), np.repeat(np.arange(n), p)
        one, none = np.ones(n * p), np.zeros(n * p)
        self.rows.add(Form(np.zeros(n), row, pick + grid, one), 1.0, 1.0)
        whole = Form(np.zeros(n), row, part + grid, one).plus(atom.args[0].take(used), -1.0)
        self.rows.add(whole, 0.0, 0.0)
        for limit, kept in ((ends[:, :-1].ravel(), (0.0, np.inf)), (ends[:, 1:].ravel(), (-np.inf, 0.0))):
            form = Form(none, grid, part + grid, one).plus(Form(none, grid, pick + grid, -limit))
            self.rows.add(form, *kept)
        me = Form(np.zeros(n), np.arange(n), atom.start + used, np.ones(n))
        line = Form(np.zeros(n), row, part + grid, steep.ravel())
        for shift, kept in ((-below, (0.0, np.inf)), (above, (-np.inf, 0.0))):
            level = Form(np.zeros(n), row, pick + grid, (offset + shift).ravel())
            self.rows.add(me.plus(line, -1.0).plus(level, -1.0), *kept)
        error = float((above + below).max(initial=0.0))
        size = float(np.abs(atom.function([ends])).max(initial=0.0)) or 1.0
        if atom.kind == "pwl":
            self.notes.append("pwl: a binary for each piece, exact.")
        else:
            self.relaxed.append(
                f"{_name(atom)}: {p} pieces between two lines each, off by at most {error / size:.2g} of its size."
            )


def tangents(curve: Curve, at: Ints, points: Floats) -> tuple[Form, Floats]:
    """Rows ``form >= limit`` that keep atoms ``curve.rows[at]`` on the right side of their tangents at ``points``."""
    atom, used = curve.atom, curve.rows[at]
    steep = curves.slope(atom, points)
    value = atom.function([points])
    n = len(used)
    me = Form(np.zeros(n), np.arange(n), atom.start + used, np.full(n, curve.sign))
    form = me.plus(atom.args[0].take(used).scaled(curve.sign * steep), -1.0)
    limit = curve.sign * (value - steep * points)
    proper = np.isfinite(steep) & np.isfinite(value)
    return form.scaled(np.where(proper, 1.0, 0.0)) if not proper.all() else form, np.where(
        proper, limit, -np.inf
    )


def _three(z: Ints, a: Ints, b: Ints, on_a: Floats, on_b: Floats) -> Form:
    """``z - on_a * a - on_b * b`` in each row."""
    n = len(z)
    row = np.repeat(np.arange(n), 3)
    col = np.stack([z, a, b], axis=1).ravel()
    val = np.stack([np.ones(n), -on_a, -on_b], axis=1).ravel()
    return Form(np.zeros(n), row, col, val).tidy()


def _domain(atom: Atom, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Where the function has a value."""
    if atom.kind in ("ln", "log2", "sqrt") or (atom.kind == "power" and atom.exponent % 1 != 0):
        return np.maximum(low, 0.0), high
    return low, high


def _name(atom: Atom) -> str:
    return f"the power {atom.exponent:g}" if atom.kind == "power" else atom.kind
