"""Sparse quadratic forms over rows, and their algebra: what an expression is in the variables, block by block.

A form of n rows is ``const + sum(val * z[col]) + sum(qval * z[qa] * z[qb])`` in each row, entries in coordinate form,
rows ascending. Functions of variables, and products of more than two, never stand in a form: `affine` gives them
columns of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .grid import add_up

if TYPE_CHECKING:
    from gramwise.core.decision import Bools, Floats, Ints

_NO_PLACES: Ints = np.zeros(0, dtype=np.int64)
_NO_VALUES: Floats = np.zeros(0)


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """Rows of a quadratic form.

    Attributes:
        const: (n,).
        row, col, val: linear entries.
        qrow, qa, qb, qval: quadratic entries, ``qa <= qb``.
    """

    const: Floats
    row: Ints = field(default_factory=lambda: _NO_PLACES)
    col: Ints = field(default_factory=lambda: _NO_PLACES)
    val: Floats = field(default_factory=lambda: _NO_VALUES)
    qrow: Ints = field(default_factory=lambda: _NO_PLACES)
    qa: Ints = field(default_factory=lambda: _NO_PLACES)
    qb: Ints = field(default_factory=lambda: _NO_PLACES)
    qval: Floats = field(default_factory=lambda: _NO_VALUES)

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.const)

    @property
    def constant(self) -> bool:
        """Whether no variable is in it."""
        return not len(self.row) and not len(self.qrow)

    @property
    def affine(self) -> bool:
        """Whether it has no products."""
        return not len(self.qrow)

    def plus(self, other: Form, sign: float = 1.0) -> Form:
        """``self + sign * other``."""
        const = self.const + sign * other.const
        linear = _merged((self.row, self.col, self.val), (other.row, other.col, sign * other.val))
        if self.affine and other.affine:
            return Form(const, *linear)
        ours, theirs = (self.qrow, self.qa, self.qb, self.qval), (other.qrow, other.qa, other.qb)
        return Form(const, *linear, *_merged(ours, (*theirs, sign * other.qval)))

    def scaled(self, by: Floats) -> Form:
        """Each row times a number; entries that become 0 go."""
        with np.errstate(invalid="ignore"):
            const = self.const * by
        linear = _present(self.row, self.col, self.val * by[self.row]) if len(self.row) else ()
        if self.affine:
            return Form(const, *linear)
        linear = linear or (self.row, self.col, self.val)
        return Form(const, *linear, *_present(self.qrow, self.qa, self.qb, self.qval * by[self.qrow]))

    def times(self, other: Form) -> Form:
        """Product of two affine forms, row by row."""
        straight = Form(np.zeros(self.n), self.row, self.col, self.val)
        mirror = Form(np.zeros(self.n), other.row, other.col, other.val)
        total = straight.scaled(other.const).plus(mirror.scaled(self.const))
        left, right = _pairs(self.row, other.row, self.n)
        a, b = self.col[left], other.col[right]
        value = self.val[left] * other.val[right]
        return Form(
            self.const * other.const,
            total.row,
            total.col,
            total.val,
            self.row[left],
            np.minimum(a, b),
            np.maximum(a, b),
            value,
        )

    def pairs(self, other: Form) -> int:
        """How many terms a product with ``other`` has."""
        ours, theirs = np.bincount(self.row, minlength=self.n), np.bincount(other.row, minlength=other.n)
        return int((ours * theirs).sum())

    def take(self, rows: Ints) -> Form:
        """Row ``rows[i]`` as row i."""
        if self.constant:
            return Form(self.const[rows])
        row, entry = _gathered(self.row, self.n, rows)
        linear = row, self.col[entry], self.val[entry]
        if self.affine:
            return Form(self.const[rows], *linear)
        qrow, entry = _gathered(self.qrow, self.n, rows)
        return Form(self.const[rows], *linear, qrow, self.qa[entry], self.qb[entry], self.qval[entry])

    def added(self, owner: Ints, rows: int) -> Form:
        """Sums of rows that belong together; ``owner`` ascends."""
        const = add_up(self.const, owner, rows)
        return Form(const, owner[self.row], self.col, self.val, owner[self.qrow], self.qa, self.qb, self.qval)

    def tidy(self) -> Form:
        """Entries of one place added up; what comes to nothing goes."""
        if self.constant:
            return self
        row, (col,), val = _unique(self.row, (self.col,), self.val)
        qrow, (qa, qb), qval = _unique(self.qrow, (self.qa, self.qb), self.qval)
        return Form(self.const, row, col, val, qrow, qa, qb, qval)

    def at(self, z: Floats) -> Floats:
        """Values (B, n) at columns (B, N)."""
        total = np.broadcast_to(self.const, (len(z), self.n)).copy()
        if len(self.row):
            total += add_up(z[:, self.col] * self.val, self.row, self.n)
        if len(self.qrow):
            total += add_up(z[:, self.qa] * z[:, self.qb] * self.qval, self.qrow, self.n)
        return total

    def interval(self, lower: Floats, upper: Floats) -> tuple[Floats, Floats]:
        """Least and most that each row can be with columns between ``lower`` and ``upper``, (n,) each."""
        low, high = self.const.copy(), self.const.copy()
        with np.errstate(invalid="ignore"):
            ends = np.stack([self.val * lower[self.col], self.val * upper[self.col]])
            low += add_up(_bare(ends.min(axis=0), -np.inf), self.row, self.n)
            high += add_up(_bare(ends.max(axis=0), np.inf), self.row, self.n)
            if len(self.qrow):
                least, most = product_interval(lower, upper, self.qa, self.qb)
                ends = np.stack([self.qval * least, self.qval * most])
                low += add_up(_bare(ends.min(axis=0), -np.inf), self.qrow, self.n)
                high += add_up(_bare(ends.max(axis=0), np.inf), self.qrow, self.n)
        return _bare(low, -np.inf), _bare(high, np.inf)


def product_interval(lower: Floats, upper: Floats, a: Ints, b: Ints) -> tuple[Floats, Floats]:
    """Least and most of z[a] * z[b]; a square is never below 0."""
    with np.errstate(invalid="ignore"):
        corners = np.stack(
            [lower[a] * lower[b], lower[a] * upper[b], upper[a] * lower[b], upper[a] * upper[b]]
        )
    corners = np.where(np.isnan(corners), 0.0, corners)  # 0 * inf: the factor that is 0 decides
    least, most = corners.min(axis=0), corners.max(axis=0)
    crosses = (a == b) & (lower[a] < 0) & (upper[a] > 0)
    least = np.where(crosses, 0.0, np.where(a == b, np.maximum(least, 0.0), least))
    return least, most


def _present(*columns: np.ndarray) -> tuple[np.ndarray, ...]:
    """Entries whose value, the last column, is not 0."""
    kept = columns[-1] != 0
    return columns if kept.all() else tuple(column[kept] for column in columns)


def _bare(values: Floats, instead: float) -> Floats:
    return np.where(np.isnan(values), instead, values)


def _merged(*parts: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    """Entries of several forms, rows ascending."""
    if not len(parts[1][0]):
        return parts[0]
    if not len(parts[0][0]):
        return parts[1]
    joined = tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.argsort(joined[0], kind="stable")
    return tuple(column[order] for column in joined)


def _starts(row: Ints, n: int) -> Ints:
    return np.searchsorted(row, np.arange(n + 1))


def _gathered(row: Ints, n: int, rows: Ints) -> tuple[Ints, Ints]:
    """For gathered rows: the new row of each entry and the entry that it comes from."""
    start = _starts(row, n)
    count = start[rows + 1] - start[rows]
    new = np.repeat(np.arange(len(rows)), count)
    first = np.repeat(start[rows] - np.concatenate([[0], np.cumsum(count)[:-1]]), count)
    return new, first + np.arange(len(new))


def _pairs(left: Ints, right: Ints, n: int) -> tuple[Ints, Ints]:
    """Every entry of the left with every entry of the right in the same row."""
    start = _starts(right, n)
    count = (start[1:] - start[:-1])[left]
    first = np.repeat(np.arange(len(left)), count)
    offset = np.arange(len(first)) - np.repeat(np.cumsum(count) - count, count)
    return first, start[left][first] + offset


def _unique(row: Ints, columns: tuple[Ints, ...], val: Floats) -> tuple[Ints, tuple[Ints, ...], Floats]:
    if not len(row):
        return row, columns, val
    keys = row, *columns
    if not _ascending(keys):
        order = np.lexsort(keys[::-1])
        val, keys = val[order], tuple(key[order] for key in keys)
        new = np.ones(len(val), dtype=np.bool_)
        new[1:] = np.logical_or.reduce([key[1:] != key[:-1] for key in keys])
        first = new.nonzero()[0]
        val, keys = np.add.reduceat(val, first), tuple(key[first] for key in keys)
    row, *rest, val = _present(*keys, val)
    return row, tuple(rest), val


def _ascending(keys: tuple[Ints, ...]) -> bool:
    """Whether entries are in order by all keys, and each place has one."""
    above: Bools = np.zeros(len(keys[0]) - 1, dtype=np.bool_)
    for key in reversed(keys):
        above = (key[1:] > key[:-1]) | ((key[1:] == key[:-1]) & above)
    return bool(above.all())
