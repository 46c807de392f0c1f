"""Pass 3: like is added to like, decibels are no factors, the objective is carbon, and no conversion is written out."""

from __future__ import annotations

import math

from ..bind import Bound
from ..dimension import infer
from ..findings import Finding
from ..nodes import Node, Number, walk

_CONVERSIONS = (3600.0, 3.6e6, 86400.0, 60.0, 1000.0, 1e6, 1e9, 1024.0, 8.0)


def check_units(bound: Bound) -> list[Finding]:
    """E301, E302, E303 by inference through the trees, and W304 for bare conversion factors.

    Units convert by themselves, so that a bare 3600 or 1000 converts a second time or stands for a number that has a
    unit. The size of a set is no conversion factor.
    """
    return [*infer(bound).findings, *_written_factors(bound)]


def _written_factors(bound: Bound) -> list[Finding]:
    sizes = {float(n) for n in bound.sizes.values()}
    found = []
    for where, trees in declarations(bound):
        for value in {n.value for tree in trees for n in walk(tree) if isinstance(n, Number) and not n.unit}:
            if value and value not in sizes and _conversion(value):
                found.append(
                    Finding(
                        code="W304",
                        where=where,
                        message=f"{value:g} looks like a conversion of units.",
                        fix="Units convert by themselves: declare them and leave the factor out.",
                        fragment=f"{value:g}",
                    )
                )
    return found


def _conversion(value: float) -> bool:
    return any(math.isclose(abs(value), c) or math.isclose(1.0, c * abs(value)) for c in _CONVERSIONS)


def declarations(bound: Bound) -> list[tuple[str, list[Node]]]:
    """Every declaration that holds expressions, as it is called in findings, with its trees."""
    found: list[tuple[str, list[Node]]] = [(f"derived {name}", [d.body]) for name, d in bound.derived.items()]
    found.append(("objective", [bound.objective]))
    for c in bound.constraints:
        conditions = [side for test in c.scope.where for side in (test.left, test.right)]
        found.append((f"constraint {c.record.name}", [c.lhs, c.rhs, *conditions]))
    return found
