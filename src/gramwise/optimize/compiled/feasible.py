"""Why nothing fits: the same matrix with a slack on every row of a named constraint, and the fewest slacks that help.

Two programs: first the least total slack, each as a share of its row's size, then among the constraints that it used,
those that can be kept after all are put back one by one, so that what is left is a smallest set by inclusion: keep all
others and it is missed by exactly these amounts at best. (Elastic filtering: Chinneck, Feasibility and Infeasibility in
Optimization, 2008, chapter 6.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..typed.findings import Finding
from ..typed.nodes import Node, Number, Ref
from . import highs
from .grid import Grids

if TYPE_CHECKING:
    from gramwise.core.decision import Floats, Ints

    from ..typed.bind import Bound, BoundConstraint
    from ..typed.units import Unit
    from .milp import Milp

_NOTHING = 1e-7
MOST_SHOWN = 6


@dataclass(frozen=True, slots=True, eq=False)
class Miss:
    """A row that cannot be kept together with the rest.

    Attributes:
        constraint: its name.
        element: labels of its scope, as ``j = job 3``; empty where it has none.
        amount: by how much it is missed at best, base units.
        text: the same in words, in the constraint's unit.
    """

    constraint: str
    element: str
    amount: float
    text: str


def misses(milp: Milp, *, time_limit_s: float = 10.0) -> tuple[Miss, ...] | None:
    """The smallest set of rows that are missed, or None where everything can be kept.

    Args:
        milp: any form; of a relaxation the answer still proves what it says, since the problem is tighter.
        time_limit_s: for all programs together.

    Raises:
        SourceUnavailable: SciPy is not installed.
        SolverError: HiGHS failed.
    """
    named = np.array([bool(name) for name in milp.constraint])
    reach = np.abs(milp.val) * np.minimum(np.maximum(np.abs(milp.lb), np.abs(milp.ub))[milp.col], 1e12)
    total = np.zeros(len(milp.row_lo))
    np.maximum.at(total, milp.row, reach)
    limits = np.maximum(_finite(milp.row_lo), _finite(milp.row_hi))
    size = np.where(np.maximum(total, limits) > 0, np.maximum(total, limits), 1.0)
    # People can move deadlines and capacities, not that a job runs somewhere: rows of logic give way last.
    logic = {c.record.name for c in milp.bound.constraints if c.record.kind == "logic"}
    soft = named & np.array([name not in logic for name in milp.constraint], dtype=np.bool_)
    slack = _slacks(milp, np.flatnonzero(soft), size, time_limit_s / 4)
    if slack is None:
        slack = _slacks(milp, np.flatnonzero(named), size, time_limit_s / 4)
    if slack is None or slack.max(initial=0.0) <= _NOTHING:
        return None
    suspects = np.flatnonzero(slack > _NOTHING)
    best = slack
    for row in sorted(suspects.tolist(), key=lambda r: slack[r])[:12]:
        fewer = np.array([r for r in np.flatnonzero(best > _NOTHING).tolist() if r != row], dtype=np.int64)
        if len(fewer) == 0:
            break
        again = _slacks(milp, fewer, size, time_limit_s / 12)
        if again is not None:
            best = again
    rows = np.flatnonzero(best > _NOTHING)
    return tuple(_miss(milp, int(row), float(best[row] * size[row])) for row in rows)


def _finite(values: Floats) -> Floats:
    return np.where(np.isfinite(values), np.abs(values), 0.0)


def _slacks(milp: Milp, rows: Ints, size: Floats, time_limit_s: float) -> Floats | None:
    """Least slacks on ``rows`` as shares of ``size``, (M,); None where not even they help, or time ran out."""
    n, k = len(milp.c), len(rows)
    below = rows[np.isfinite(milp.row_lo[rows])]
    above = rows[np.isfinite(milp.row_hi[rows])]
    touched = np.concatenate([below, above])
    sign = np.concatenate([np.ones(len(below)), -np.ones(len(above))])
    extra = len(touched)
    if not k or not extra:
        return None
    elastic = replace(
        milp,
        c=np.concatenate([np.zeros(n), np.ones(extra)]),
        offset=0.0,
        row=np.concatenate([milp.row, touched]),
        col=np.concatenate([milp.col, n + np.arange(extra)]),
        val=np.concatenate([milp.val, sign * size[touched]]),
        lb=np.concatenate([milp.lb, np.zeros(extra)]),
        ub=np.concatenate([milp.ub, np.full(extra, np.inf)]),
        integrality=np.concatenate([milp.integrality, np.zeros(extra, dtype=np.bool_)]),
    )
    answer = highs.solve(elastic, time_limit_s=time_limit_s)
    if answer.z is None:
        return None
    found = np.zeros(len(milp.row_lo))
    np.add.at(found, touched, np.maximum(answer.z[n:], 0.0))
    return found


def _miss(milp: Milp, row: int, amount: float) -> Miss:
    name = milp.constraint[row]
    first = milp.constraint.index(name)
    constraint = next(c for c in milp.bound.constraints if c.record.name == name)
    element = _element(milp.bound, constraint, row - first)
    unit = unit_of(milp.bound, constraint)
    shown = f"{amount / unit.factor:.3g} {unit.symbol}" if unit is not None else f"{amount:.3g} in base units"
    where = f" for {element}" if element else ""
    return Miss(name, element, amount, f"{name}{where} is missed by {shown.removesuffix(' 1')} at best")


def _element(bound: Bound, constraint: BoundConstraint, row: int) -> str:
    grid = Grids(bound).inner(constraint.scope)
    sets = {s.name: s for s in bound.problem.sets}
    return ", ".join(
        f"{b.name} = {sets[b.set].label(int(grid.at[b.name][row]))}" for b in constraint.scope.binders
    )


def unit_of(bound: Bound, constraint: BoundConstraint) -> Unit | None:
    """The unit that a person expects a constraint's figures in: that of the side which is one name or number."""
    for side in (constraint.rhs, constraint.lhs):
        found = _unit(bound, side)
        if found is not None:
            return found
    return None


def _unit(bound: Bound, node: Node) -> Unit | None:
    from ..typed.units import parse_unit

    if isinstance(node, Ref):
        held = bound.params.get(node.name) or bound.variables.get(node.name) or bound.derived.get(node.name)
        return held.unit if held is not None and not held.unit.log else None
    if isinstance(node, Number) and node.unit:
        return parse_unit(node.unit)
    return None


def infeasible_finding(missed: tuple[Miss, ...]) -> Finding:
    """E801 in words."""
    shown = "; ".join(m.text for m in missed[:MOST_SHOWN])
    more = f"; and {len(missed) - MOST_SHOWN} more" if len(missed) > MOST_SHOWN else ""
    names = list(dict.fromkeys(m.constraint for m in missed))
    return Finding(
        code="E801",
        where="constraint " + ", ".join(names),
        message=f"nothing keeps every constraint: {shown}{more}.",
        fix="Give that much more room, or leave one of the constraints that they compete with.",
        fragment=missed[0].constraint,
    )


__all__ = ["Miss", "infeasible_finding", "misses", "unit_of"]
