"""The matrix form: a mixed-integer linear program over all columns, rows named after the constraints they come from.

It is kept in base units; `highs` scales it. Where every rewrite was exact its optimum is the problem's; otherwise its
optimum is a true lower bound, ``relaxed`` says why, and `refined` brings tangents closer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from .affine import Columns, Grounded, Row, ground
from .eliminate import Eliminated, eliminate
from .forms import Form
from .grid import Grids
from .rewrite import Curve, Rewriting, Rows, tangents

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gramwise.core.decision import Bools, Floats, Ints

    from ..typed.bind import Bound


@dataclass(frozen=True, slots=True, eq=False)
class Milp:
    """Minimise ``c @ z + offset`` with ``row_lo <= A z <= row_hi`` and ``lb <= z <= ub``.

    Attributes:
        c: grams for one base unit of each column, (N,).
        row, col, val: A in coordinate form; `A` is the SciPy matrix.
        row_lo, row_hi: (M,).
        lb, ub: (N,); the first ``width`` columns are the problem's scalars in their order.
        integrality: which columns are whole, (N,).
        names: of the columns that are the problem's, as ``x[job 1,bs1]``; the rest belong to rewrites.
        constraint: name of the constraint of each row; empty for rows of rewrites.
        offset: grams.
        notes: rewrites and why they hold.
        relaxed: why the optimum is a bound only; empty where the form is exact.
        curves: where tangents may be added.
        columns, eliminated: how decisions become columns, and back.
        grids: what was built to read the expressions; an `Evaluator` can use them.
    """

    c: Floats
    row: Ints
    col: Ints
    val: Floats
    row_lo: Floats
    row_hi: Floats
    lb: Floats
    ub: Floats
    integrality: Bools
    constraint: tuple[str, ...]
    offset: float
    bound: Bound
    notes: tuple[str, ...]
    relaxed: tuple[str, ...]
    curves: tuple[Curve, ...]
    columns: Columns
    eliminated: Eliminated
    grids: Grids

    @property
    def exact(self) -> bool:
        """Whether an optimum of this form is one of the problem; curves are, once their tangents are close."""
        return not self.relaxed

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the problem's columns."""
        return column_names(self.bound)

    @property
    def linear(self) -> bool:
        """Whether nothing had to be rewritten: the problem's own scalars are all the columns."""
        return len(self.c) == self.bound.width

    def lift(self, decisions: Floats) -> Floats:
        """Columns (B, N) of decisions (B, width); those that rewrites choose freely are 0."""
        z = np.zeros((len(decisions), len(self.c)))
        lifted = self.columns.lift(np.asarray(decisions, dtype=np.float64))
        z[:, : lifted.shape[1]] = np.nan_to_num(lifted, nan=0.0)
        return z

    def grams(self, decisions: Floats) -> Floats:
        """The objective of decisions, (B,)."""
        return self.lift(decisions) @ self.c + self.offset

    def violations(self, decisions: Floats) -> Mapping[str, Floats]:
        """By how much each named constraint is missed, (B,), base units."""
        z = self.lift(decisions)
        names = np.array(self.constraint)
        named = np.flatnonzero(names != "")
        form = Form(np.zeros(len(names)), *_ordered(self.row, self.col, self.val)).take(named)
        value = form.at(z)
        missed = np.maximum(np.maximum(self.row_lo[named] - value, value - self.row_hi[named]), 0.0)
        return {
            c.record.name: missed[:, names[named] == c.record.name].max(axis=1, initial=0.0)
            for c in self.bound.constraints
        }

    def decision(self, z: Floats) -> Floats:
        """The problem's scalars from columns (N,): whole ones rounded, all within bounds, eliminated ones restored."""
        x = z[: self.bound.width].copy()
        whole = self.integrality[: self.bound.width]
        x[whole] = np.round(x[whole])
        x = np.clip(x, self.lb[: len(x)], self.ub[: len(x)])
        return self.eliminated.restore(x)

    def refined(self, z: Floats, tolerance: float = 1e-8) -> Milp | None:
        """The same with tangents where ``z`` lies beyond a curve by more than ``tolerance`` of it; None if nowhere."""
        rows = Rows()
        for curve in self.curves:
            atom = curve.atom
            point = atom.args[0].take(curve.rows).at(z[None])[0]
            truth = atom.function([point])
            short = curve.sign * (truth - z[atom.start + curve.rows])
            at = np.flatnonzero(short > tolerance * np.maximum(np.abs(truth), 1e-300))
            if len(at):
                form, limit = tangents(curve, at, point[at])
                rows.add(form, limit, np.inf)
        if not rows.count:
            return None
        row, col, val, low, high = _stacked(rows)
        return replace(
            self,
            row=np.concatenate([self.row, row + len(self.row_lo)]),
            col=np.concatenate([self.col, col]),
            val=np.concatenate([self.val, val]),
            row_lo=np.concatenate([self.row_lo, low]),
            row_hi=np.concatenate([self.row_hi, high]),
            constraint=(*self.constraint, *[""] * rows.count),
        )


def compile_milp(bound: Bound, *, simplify: bool = True) -> Milp:
    """The matrix form of a problem.

    Args:
        bound: the problem.
        simplify: eliminate variables in closed form where that is provably exact.

    Raises:
        Refused: E103, E404, E704 (see `affine.ground`).
    """
    return of_grounded(ground(bound), simplify=simplify)


def of_grounded(grounded: Grounded, *, simplify: bool = True) -> Milp:
    """The matrix form of a grounded problem, which it uses up."""
    columns = grounded.columns
    objective = columns.flat(grounded.objective).tidy()
    named = tuple(Row(r.name, r.rel, columns.flat(r.form).tidy()) for r in grounded.rows)
    eliminated = Eliminated()
    if simplify and columns.atoms:
        eliminated, objective, named = eliminate(columns, objective, named)
    rewriting = Rewriting(columns, objective, named).run()
    rows, constraint = Rows(), []
    for r in named:
        rows.add(r.form, -np.inf if r.rel == "<=" else 0.0, np.inf if r.rel == ">=" else 0.0)
        constraint += [r.name] * r.form.n
    named_count = rows.count
    for part in ("row", "col", "val", "low", "high"):
        extra = getattr(rewriting.rows, part)
        getattr(rows, part).extend([e + named_count for e in extra] if part == "row" else extra)
    constraint += [""] * rewriting.rows.count
    row, col, val, low, high = _stacked(rows)
    c = np.zeros(columns.count)
    np.add.at(c, objective.col, objective.val)
    return Milp(
        c=c, row=row, col=col, val=val, row_lo=low, row_hi=high,
        lb=columns.lower, ub=columns.upper, integrality=columns.whole,
        constraint=tuple(constraint), offset=float(objective.const[0]), bound=grounded.bound,
        notes=tuple(dict.fromkeys([*eliminated.notes, *rewriting.notes])),
        relaxed=tuple(dict.fromkeys(rewriting.relaxed)), curves=tuple(rewriting.curves),
        columns=columns, eliminated=eliminated, grids=grounded.grids,
    )  # fmt: skip


def column_names(bound: Bound) -> tuple[str, ...]:
    """Names of scalars, as ``x[job1,bs1]``."""
    labels = {s.name: [s.label(i) for i in range(s.count)] for s in bound.problem.sets}
    found = []
    for name, variable in bound.variables.items():
        for place in np.ndindex(*variable.shape):
            inside = ",".join(labels[s][i] for s, i in zip(variable.index, place, strict=True))
            found.append(f"{name}[{inside}]" if inside else name)
    return tuple(found)


def _stacked(rows: Rows) -> tuple[Ints, Ints, Floats, Floats, Floats]:
    none: Ints = np.zeros(0, dtype=np.int64)
    return (
        np.concatenate([none, *rows.row]),
        np.concatenate([none, *rows.col]),
        np.concatenate([np.zeros(0), *rows.val]),
        np.concatenate([np.zeros(0), *rows.low]),
        np.concatenate([np.zeros(0), *rows.high]),
    )


def _ordered(row: Ints, col: Ints, val: Floats) -> tuple[Ints, Ints, Floats]:
    order = np.argsort(row, kind="stable")
    return row[order], col[order], val[order]
