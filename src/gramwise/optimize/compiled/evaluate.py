"""The truth about decisions: grams, and by how much each named constraint is missed, from the trees themselves.

No solver's matrix is asked. Every solution of every solver is judged here, and the compiled forms are held to it.
Everything is in base units; (B, width) decisions are evaluated together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..typed.nodes import Binary, Call, Node, Number, Power, Ref, Sum
from .grid import ROOT, Grid, Grids, add_up, arithmetic, call, number, power

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gramwise.core.decision import Bools, Floats

    from ..typed.bind import Bound

TOLERANCE = 1e-6
"""A constraint is kept when it is missed by no more than this share of the size of its terms (HiGHS's own measure)."""
_AT_ONCE = 2_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """What B decisions come to.

    Attributes:
        grams: of the objective, (B,).
        violations: by constraint, the most by which any of its rows is missed, in base units, (B,); 0 where kept.
        shares: the same as a share of the size of that row's terms, (B,).
    """

    grams: Floats
    violations: Mapping[str, Floats]
    shares: Mapping[str, Floats]

    @property
    def kept(self) -> Bools:
        """Whether every constraint is kept to `TOLERANCE`, (B,)."""
        worst = np.zeros(len(self.grams))
        for share in self.shares.values():
            worst = np.maximum(worst, share)
        return np.isfinite(self.grams) & (worst <= TOLERANCE)

    @property
    def worst(self) -> Floats:
        """The largest share by which anything is missed, (B,)."""
        found = np.zeros(len(self.grams))
        for share in self.shares.values():
            found = np.maximum(found, share)
        return found


class Evaluator:
    """Evaluates decisions of one problem; keeps the grids that it has built.

    Args:
        bound: the problem.
        grids: those that somebody has built for it already.
    """

    def __init__(self, bound: Bound, grids: Grids | None = None) -> None:
        self.bound = bound
        self.grids = grids or Grids(bound)
        self._built = False

    def __call__(self, decisions: Floats) -> Values:
        """Grams and violations.

        Args:
            decisions: (B, width) or (width,), base units.

        Raises:
            Refused: E404 an open parameter, E103 too many terms.
        """
        batch = np.atleast_2d(np.asarray(decisions, dtype=np.float64))
        # The first decision goes alone: it builds the grids, whose size is not known before.
        alone = 0 if self._built else 1
        parts = [self._some(batch[:1])] * alone
        self._built = True
        each = max(1, _AT_ONCE // max(1, self.bound.width, self.grids.largest))
        parts += [self._some(batch[i : i + each]) for i in range(alone, len(batch), each)]
        names = [c.record.name for c in self.bound.constraints]
        return Values(
            np.concatenate([p.grams for p in parts]),
            {n: np.concatenate([p.violations[n] for p in parts]) for n in names},
            {n: np.concatenate([p.shares[n] for p in parts]) for n in names},
        )

    def derived(self, name: str, decision: Floats) -> Floats:
        """A derived term of one decision (width,), over its index, in base units."""
        term = self.bound.derived[name]
        walk = _Walk(self, np.atleast_2d(decision))
        rows = np.broadcast_to(walk.table(name), (1, self.grids.table(name).n))[0]
        return np.asarray(rows.reshape([self.bound.sizes[s] for s in term.index]))

    def sides(self, decision: Floats) -> dict[str, tuple[Floats, Floats]]:
        """Left and right of every constraint at one decision, (rows,) each, base units."""
        walk = _Walk(self, np.atleast_2d(decision))
        found = {}
        for c in self.bound.constraints:
            grid = self.grids.inner(c.scope)
            left, right = (np.broadcast_to(walk.value(s, grid), (1, grid.n))[0] for s in (c.lhs, c.rhs))
            found[c.record.name] = (left, right)
        return found

    def _some(self, batch: Floats) -> Values:
        walk, count = _Walk(self, batch), len(batch)
        grams = np.broadcast_to(walk.value(self.bound.objective, ROOT), (count, 1))[:, 0]
        missed: dict[str, Floats] = {}
        shares: dict[str, Floats] = {}
        for c in self.bound.constraints:
            grid = self.grids.inner(c.scope)
            over, size = np.zeros((count, grid.n)), np.zeros((count, grid.n))
            for sign, term in [*_terms(c.lhs, 1.0), *_terms(c.rhs, -1.0)]:
                value = walk.value(term, grid)
                over += sign * value
                size += np.abs(value)
            over = {"<=": over, ">=": -over, "==": np.abs(over)}[c.rel]
            over = np.where(np.isnan(over), np.inf, np.maximum(over, 0.0))
            with np.errstate(invalid="ignore"):
                share = np.divide(over, size, out=np.zeros_like(over), where=over > 0)
            share = np.where(np.isnan(share), np.inf, share)
            missed[c.record.name] = over.max(axis=1, initial=0.0)
            shares[c.record.name] = share.max(axis=1, initial=0.0)
        return Values(np.array(grams), missed, shares)


def evaluate(bound: Bound, decisions: Floats) -> Values:
    """Grams and violations of (B, width) decisions; see `Evaluator`, which is quicker when asked often."""
    return Evaluator(bound)(decisions)


def _terms(node: Node, sign: float) -> Iterator[tuple[float, Node]]:
    """What a side adds up, so that the size of a row is that of its terms and not of their difference."""
    if isinstance(node, Binary) and node.op in "+-":
        yield from _terms(node.left, sign)
        yield from _terms(node.right, sign if node.op == "+" else -sign)
    else:
        yield sign, node


class _Walk:
    """Values of trees for one batch; arrays are (n,) where no variable is in them and (B, n) otherwise."""

    def __init__(self, evaluator: Evaluator, batch: Floats) -> None:
        self.bound, self.grids, self.batch = evaluator.bound, evaluator.grids, batch
        self._tables: dict[str, Floats] = {}

    def table(self, name: str) -> Floats:
        if name not in self._tables:
            self._tables[name] = self.value(self.bound.derived[name].body, self.grids.table(name))
        return self._tables[name]

    def value(self, node: Node, grid: Grid) -> Floats:
        match node:
            case Number():
                return np.full(grid.n, number(node))
            case Ref():
                return self._ref(node, grid)
            case Binary():
                return arithmetic(node.op, self.value(node.left, grid), self.value(node.right, grid))
            case Power():
                return power(self.value(node.base, grid), node.exponent)
            case Call(name="pwl"):
                return call(node, [self.value(node.args[0], grid)], self.grids)
            case Call():
                return call(node, [self.value(a, grid) for a in node.args], self.grids)
            case Sum():
                inner = self.grids.inner(node.scope, grid)
                body = self.value(node.body, inner)
                return add_up(body, inner.owner, grid.n)

    def _ref(self, ref: Ref, grid: Grid) -> Floats:
        if ref.name in self.bound.params:
            return self.grids.parameter(ref, grid)
        variable = self.bound.variables.get(ref.name)
        if variable is not None:
            flat, inside = self.grids.flat(ref, variable.index, grid)
            values = self.batch[:, variable.start + flat]
        else:
            flat, inside = self.grids.flat(ref, self.bound.derived[ref.name].index, grid)
            values = self.table(ref.name)[..., flat]
        return values if inside is None else np.where(inside, values, np.nan)
