"""A variable that costs the more the larger it is and that only deadlines hold up takes the least value they permit.

The pattern is the clock of a processor: ``sum(s) x[j,s]*(t[j,s] + W/f[j,s]) <= L`` with one site for each job, and
energy ``x*kappa*W*f^2``. Where x is 1 every other site of that job is 0, so the row reads ``t + W/f <= L`` and the
least f that keeps it is best for everything else; where x is 0 it does not matter. What is left has no f. This is
proved from the compiled rows, not recognised by name: each occurrence of f must be multiplied by one binary x, must
get dearer with f in the objective and tighter with f in every row but those that f alone can meet.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from . import curves
from .affine import Row
from .forms import Form

if TYPE_CHECKING:
    from gramwise.core.decision import Bools, Floats, Ints

    from .affine import Atom, Columns

_NONE: Ints = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Eliminated:
    """Scalars that were worked out.

    Attributes:
        column, value: what each is where its binary is 1 (or always, where it has none).
        notes: why that holds.
    """

    column: Ints = field(default_factory=lambda: _NONE)
    value: Floats = field(default_factory=lambda: np.zeros(0))
    notes: tuple[str, ...] = ()

    def restore(self, x: Floats) -> Floats:
        """Decisions (..., width) with the eliminated scalars filled in, in place."""
        x[..., self.column] = self.value
        return x


@dataclass(slots=True)
class _Use:
    """One column in which a candidate appears: a function of it alone, times a binary."""

    column: int
    atom: Atom | None
    place: int

    def at(self, f: float) -> float:
        """Value without the binary."""
        if self.atom is None:
            return f
        arg = self.atom.args[0]
        entry = int(np.searchsorted(arg.row, self.place))
        inner = arg.const[self.place] + arg.val[entry] * f
        return float(self.atom.function([np.array([inner])])[0])

    def reaching(self, target: float) -> float | None:
        """The scalar at which the function is ``target``, where that has a closed form."""
        if self.atom is None:
            return target
        with np.errstate(all="ignore"):
            match self.atom.kind:
                case "power":
                    inner = np.float64(target) ** (1.0 / self.atom.exponent)
                case "exp":
                    inner = np.log(target)
                case "ln":
                    inner = np.exp(target)
                case "log2":
                    inner = np.exp2(target)
                case _:
                    return None
        arg = self.atom.args[0]
        entry = int(np.searchsorted(arg.row, self.place))
        value = float((inner - arg.const[self.place]) / arg.val[entry])
        return value if np.isfinite(value) else None


def eliminate(
    columns: Columns, objective: Form, named: tuple[Row, ...]
) -> tuple[Eliminated, Form, tuple[Row, ...]]:
    """Take out every real variable for which the pattern can be proved; the rest is left as it was."""
    found = _Search(columns, objective, named)
    done = found.run()
    if not done:
        return Eliminated(), objective, named
    place = np.arange(columns.count)
    factor = np.ones(columns.count)
    for use, value, x in found.replaced:
        place[use], factor[use] = x, value

    def without(form: Form) -> Form:
        return Form(form.const, form.row, place[form.col], form.val * factor[form.col]).tidy()

    taken = np.array(list(done.values()))
    note = (
        f"{len(done)} scalars take the least value that their deadline permits, exact because everything else gets "
        "dearer or tighter with them."
    )
    rows = tuple(Row(r.name, r.rel, without(r.form)) for r in named)
    return Eliminated(np.array(list(done)), taken, (note,)), without(objective), rows


class _Search:
    def __init__(self, columns: Columns, objective: Form, named: tuple[Row, ...]) -> None:
        self.columns, self.objective, self.named = columns, objective, named
        self.replaced: list[tuple[int, float, int]] = []
        self.real: Bools = ~columns.whole[: columns.width]
        self.products = {
            a.start + i: (int(a.a[i]), int(a.b[i]))
            for a in columns.atoms
            if a.kind == "product"
            for i in range(a.count)
        }
        self.inner: dict[int, tuple[int, Atom, int]] = {}
        self.tangled: set[int] = set()
        self._read_functions()
        self.where: dict[int, list[tuple[int, int, float]]] = defaultdict(list)
        for r, form in enumerate([objective, *(row.form for row in named)]):
            for row, col, val in zip(form.row.tolist(), form.col.tolist(), form.val.tolist(), strict=True):
                self.where[col].append((r, row, val))
        self.slices = [self._slices(row.form) for row in named]
        self.rivals = self._groups()

    def _read_functions(self) -> None:
        """Functions of one scalar; scalars that stand in anything else are out of the question."""
        for atom in self.columns.atoms:
            if atom.kind == "product":
                continue
            for arg in atom.args:
                single = np.bincount(arg.row, minlength=arg.n) == 1
                for row, col in zip(arg.row.tolist(), arg.col.tolist(), strict=True):
                    if single[row] and len(atom.args) == 1 and col < self.columns.width:
                        self.inner[atom.start + row] = (col, atom, row)
                    else:
                        self.tangled.add(col)
        self.tangled |= {
            factor for pair in self.products.values() for factor in pair if factor in self.products
        }
        waiting = list(self.tangled)
        while waiting:  # whatever stands inside something tangled is tangled too
            col = waiting.pop()
            inside = {self.inner[col][0]} if col in self.inner else set(self.products.get(col, ()))
            waiting += inside - self.tangled
            self.tangled |= inside

    def _groups(self) -> dict[int, set[int]]:
        """For each binary, those that are 0 where it is 1, by rows ``sum == 1`` or ``sum <= 1``."""
        rivals: dict[int, set[int]] = defaultdict(set)
        binary = self.columns.binary
        for r in self.named:
            if r.rel == ">=" or not len(r.form.row):
                continue
            ones = (r.form.val == 1) & binary[r.form.col]
            for i, here in enumerate(self._slices(r.form)):
                if r.form.const[i] == -1 and here.stop > here.start and ones[here].all():
                    group = set(r.form.col[here].tolist())
                    for col in group:
                        rivals[col] |= group - {col}
        return rivals

    @staticmethod
    def _slices(form: Form) -> list[slice]:
        """Entries of each row."""
        ends = np.searchsorted(form.row, np.arange(form.n + 1)).tolist()
        return [slice(a, b) for a, b in pairwise(ends)]

    def run(self) -> dict[int, float]:
        uses: dict[int, list[_Use]] = defaultdict(list)
        partner: dict[int, set[int]] = defaultdict(set)
        for column, pair in self.products.items():
            for one, other in (pair, pair[::-1]):
                scalar, atom, row = self.inner.get(other, (other, None, 0))
                if scalar < self.columns.width and self.real[scalar]:
                    if self.columns.binary[one]:
                        uses[scalar].append(_Use(column, atom, row))
                        partner[scalar].add(one)
                    else:
                        self.tangled.add(scalar)
        within: dict[int, list[int]] = defaultdict(list)
        for column, (inside, _, _) in self.inner.items():
            within[inside].append(column)
        done: dict[int, float] = {}
        for scalar, seen in uses.items():
            bare = any(self.where.get(column) for column in (scalar, *within[scalar]))
            if scalar in self.tangled or len(partner[scalar]) != 1 or bare:
                continue
            x = next(iter(partner[scalar]))
            value = self._least(scalar, x, seen)
            if value is not None:
                done[scalar] = value
                self.replaced += [(use.column, use.at(value), x) for use in seen]
        return done

    def _least(self, scalar: int, x: int, seen: list[_Use]) -> float | None:
        """The value to take, or None where the pattern does not hold. Forbids x where no value is large enough."""
        low, high = float(self.columns.lower[scalar]), float(self.columns.upper[scalar])
        if not np.isfinite([low, high]).all() or low < 0:
            return None
        deadlines: dict[tuple[int, int], list[tuple[_Use, float]]] = defaultdict(list)
        for use in seen:
            way = 1 if use.atom is None else self._way(use, low, high)
            for r, row, val in self.where.get(use.column, ()):
                rel = "<=" if r == 0 else self.named[r - 1].rel
                if way == 0 or rel == "==":
                    return None
                tightens = way * val * (1 if rel == "<=" else -1) > 0
                if not tightens:
                    if r == 0:
                        return None
                    deadlines[r, row].append((use, val))
        value = low
        for (r, row), terms in deadlines.items():
            need = self._need(r, row, x, terms, low, high, seen)
            if need is None:
                return None
            value = max(value, need)
        if value > high:
            self.columns.upper[x] = 0.0
            return high
        return value

    def _way(self, use: _Use, low: float, high: float) -> int:
        assert use.atom is not None
        arg = use.atom.args[0]
        entry = int(np.searchsorted(arg.row, use.place))
        ends = sorted(arg.const[use.place] + arg.val[entry] * f for f in (low, high))
        way = curves.direction(use.atom, np.array([ends[0]]), np.array([ends[1]]))
        return way if arg.val[entry] > 0 else -way

    def _need(
        self,
        r: int,
        row: int,
        x: int,
        terms: list[tuple[_Use, float]],
        low: float,
        high: float,
        seen: list[_Use],
    ) -> float | None:
        """The least value that keeps a row while x is 1; above ``high`` where none does, None where others share it."""
        named = self.named[r - 1]
        sign = -1.0 if named.rel == ">=" else 1.0
        here = self.slices[r - 1][row]
        cols = named.form.col[here].tolist()
        mine = {use.column for use, _ in terms}
        if any(use.column not in mine and use.column in cols for use in seen):
            return None
        rest = sign * float(named.form.const[row])
        for col, val in zip(cols, named.form.val[here].tolist(), strict=True):
            if col in mine:
                continue
            if col == x:
                rest += sign * val
            elif col not in self.rivals[x] and not set(self.products.get(col, ())) & self.rivals[x]:
                return None

        def over(f: float) -> float:
            total = rest + sum(sign * val * use.at(f) for use, val in terms)
            return total if total == total else np.inf

        if over(high) > 0:
            return np.inf
        if over(low) <= 0:
            return low
        if len(terms) == 1:
            use, val = terms[0]
            value = use.reaching(-rest / (sign * val))
            for _ in range(4):  # rounding may leave it a hair short
                if value is not None and low <= value <= high and over(value) <= 0:
                    return value
                value = None if value is None else float(np.nextafter(value, np.inf))
        while True:  # until neighbours among the floats: the upper one keeps the row
            middle = (low + high) / 2
            if not low < middle < high:
                return high
            if over(middle) <= 0:
                high = middle
            else:
                low = middle
