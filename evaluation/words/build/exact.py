"""A linear programme by the simplex method in rational numbers: no shared line of code with the solvers under test."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

Row = tuple[Sequence[float], str, float]


def simplex(cost: Sequence[float], rows: Sequence[Row]) -> float | None:
    """Least ``cost . x`` with ``x >= 0`` and every row ``coefficients rel right``; None where nothing is feasible.

    Two phases with Bland's rule, exact: the floats are taken as the decimal numbers that they print as.

    Raises:
        ArithmeticError: unbounded.
    """
    width = len(cost)
    table: list[list[Fraction]] = []
    basis: list[int] = []
    extra = sum(rel != "==" for _, rel, _ in rows)
    total = width + extra + len(rows)
    slack = 0
    for place, (coefficients, rel, right) in enumerate(rows):
        line = [Fraction(0)] * (total + 1)
        for i, c in enumerate(coefficients):
            line[i] = _exact(c)
        line[-1] = _exact(right)
        if rel != "==":
            line[width + slack] = Fraction(1 if rel == "<=" else -1)
            slack += 1
        if line[-1] < 0:
            line = [-v for v in line]
        line[width + extra + place] = Fraction(1)
        table.append(line)
        basis.append(width + extra + place)
    first = [Fraction(0)] * (width + extra) + [Fraction(1)] * len(rows)
    if _run(table, basis, first, total) > 0:
        return None
    real = width + extra
    for place, column in enumerate(basis):
        if column >= real:
            entering = next((c for c in range(real) if table[place][c] != 0), None)
            if entering is not None:
                _pivot(table, basis, place, entering)
    second = [_exact(c) for c in cost] + [Fraction(0)] * (total - width)
    return float(_run(table, basis, second, real))


def _exact(number: float) -> Fraction:
    return Fraction(repr(float(number)))


def _run(table: list[list[Fraction]], basis: list[int], cost: list[Fraction], allowed: int) -> Fraction:
    while True:
        prices = [cost[b] for b in basis]
        entering = None
        for column in range(allowed):
            if column not in basis:
                gain = cost[column] - sum(
                    p * line[column] for p, line in zip(prices, table, strict=True) if p and line[column]
                )
                if gain < 0:
                    entering = column
                    break
        if entering is None:
            return Fraction(sum(p * line[-1] for p, line in zip(prices, table, strict=True)))
        ratios = [
            (line[-1] / line[entering], basis[i], i) for i, line in enumerate(table) if line[entering] > 0
        ]
        if not ratios:
            raise ArithmeticError("unbounded")
        _pivot(table, basis, min(ratios)[2], entering)


def _pivot(table: list[list[Fraction]], basis: list[int], row: int, column: int) -> None:
    pivot = table[row][column]
    table[row] = [v / pivot for v in table[row]]
    for i, line in enumerate(table):
        if i != row and line[column]:
            factor = line[column]
            table[i] = [v - factor * w if w else v for v, w in zip(line, table[row], strict=True)]
    basis[row] = column
