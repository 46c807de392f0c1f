"""Arithmetic on ranges: from where to where a value may go, and in which direction it moves with each variable.

A `Range` holds one interval for each row, and for each variable whether raising some element of it may raise or lower
the value. Directions are all that monotonicity needs, so no derivative is ever computed: the product rule on signs is.
Everything errs towards "may". A row for which no number exists (a division by 0, a logarithm of nothing, a subscript
outside its set) is marked ``gone``. Source: interval arithmetic, R. E. Moore, Interval Analysis, Prentice-Hall, 1966.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gramwise.core.decision import Bools, Floats

NEVER: Bools = np.zeros((), dtype=np.bool_)


@dataclass(frozen=True, slots=True, eq=False)
class Range:
    """Intervals of one expression.

    Attributes:
        lo, hi: ends, arrays of one shape (or broadcastable); infinite where nothing is known.
        up, down: by variable, whether raising it may raise or may lower the value.
        gone: rows without a number.
    """

    lo: Floats
    hi: Floats
    up: Mapping[str, Bools] = field(default_factory=dict)
    down: Mapping[str, Bools] = field(default_factory=dict)
    gone: Bools = field(default_factory=lambda: NEVER)

    @property
    def fixed(self) -> bool:
        """Whether no variable moves it."""
        return not self.up


def exactly(value: float) -> Range:
    """A number."""
    point = np.asarray(value, dtype=np.float64)
    return Range(point, point)


def added(a: Range, b: Range) -> Range:
    """``a + b``."""
    return _made(a.lo + b.lo, a.hi + b.hi, _either(a.up, b.up), _either(a.down, b.down), a.gone | b.gone)


def negated(a: Range) -> Range:
    """``-a``."""
    return Range(-a.hi, -a.lo, a.down, a.up, a.gone)


def multiplied(a: Range, b: Range) -> Range:
    """``a * b``; a certain 0 times anything is 0."""
    lo, hi = _product(a, b)
    if a.fixed and b.fixed:
        return _made(lo, hi, {}, {}, a.gone | b.gone)
    up_a, down_a = _scaled(a, b.hi > 0, b.lo < 0)
    up_b, down_b = _scaled(b, a.hi > 0, a.lo < 0)
    return _made(lo, hi, _either(up_a, up_b), _either(down_a, down_b), a.gone | b.gone)


def divided(a: Range, b: Range) -> Range:
    """``a / b``; gone where b is 0 for certain."""
    return multiplied(a, _inverse(b))


def raised(a: Range, exponent: float) -> Range:
    """``a ^ exponent``; an exponent that is no whole number takes the part of ``a`` that is not negative."""
    if exponent < 0:
        return _inverse(raised(a, -exponent))
    if exponent == 0:
        return exactly(1.0)
    whole = exponent == int(exponent)
    if not whole:
        a = Range(np.maximum(a.lo, 0.0), np.maximum(a.hi, 0.0), a.up, a.down, a.gone | (a.hi < 0))
    low, high = a.lo**exponent, a.hi**exponent
    if whole and int(exponent) % 2 == 0:
        least = np.where((a.lo <= 0) & (a.hi >= 0), 0.0, np.minimum(low, high))
        up, down = _scaled(a, a.hi > 0, a.lo < 0)
        return _made(least, np.maximum(low, high), up, down, a.gone)
    return _made(low, high, a.up, a.down, a.gone)


def increasing(a: Range, name: str) -> Range:
    """``log2 ln exp sqrt db_to_linear`` (the last without its reference) of a range."""
    gone = a.gone
    if name in ("log2", "ln"):
        gone = gone | (a.hi <= 0)
    elif name == "sqrt":
        gone = gone | (a.hi < 0)
    return _made(_of(name, a.lo), _of(name, a.hi), a.up, a.down, gone)


def absolute(a: Range) -> Range:
    """``|a|``."""
    low = np.where((a.lo <= 0) & (a.hi >= 0), 0.0, np.minimum(np.abs(a.lo), np.abs(a.hi)))
    up, down = _scaled(a, a.hi > 0, a.lo < 0)
    return _made(low, np.maximum(np.abs(a.lo), np.abs(a.hi)), up, down, a.gone)


def smallest(a: Range, b: Range) -> Range:
    """``min(a, b)``."""
    return _made(
        np.minimum(a.lo, b.lo),
        np.minimum(a.hi, b.hi),
        _either(a.up, b.up),
        _either(a.down, b.down),
        a.gone | b.gone,
    )


def largest(a: Range, b: Range) -> Range:
    """``max(a, b)``."""
    return negated(smallest(negated(a), negated(b)))


def through(a: Range, xs: Floats, ys: Floats) -> Range:
    """The broken line through corners (xs, ys), flat beyond its ends, at ``a``."""
    at_ends = np.interp(a.lo, xs, ys), np.interp(a.hi, xs, ys)
    point = a.lo == a.hi
    low = np.where(point, at_ends[0], ys.min())
    high = np.where(point, at_ends[0], ys.max())
    steps = np.diff(ys)
    up, down = _scaled(a, np.asarray((steps > 0).any()), np.asarray((steps < 0).any()))
    return _made(low, high, up, down, a.gone)


def scaled(a: Range, factor: float) -> Range:
    """``factor * a`` for a factor that is not negative."""
    return _made(a.lo * factor, a.hi * factor, a.up, a.down, a.gone)


def _product(a: Range, b: Range) -> tuple[Floats, Floats]:
    corners = [x * y for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
    # 0 times infinity: the infinite end is never reached, so that the product is 0 there.
    filled = [np.where(np.isnan(c), 0.0, c) for c in corners]
    low = np.minimum(np.minimum(filled[0], filled[1]), np.minimum(filled[2], filled[3]))
    return low, np.maximum(np.maximum(filled[0], filled[1]), np.maximum(filled[2], filled[3]))


def _inverse(b: Range) -> Range:
    lo, hi = b.lo + 0.0, b.hi + 0.0  # -0.0 becomes 0.0
    straddles = (lo < 0) & (hi > 0)
    low = np.where(straddles | ((hi == 0) & (lo < 0)), -np.inf, 1.0 / hi)
    high = np.where(straddles | ((lo == 0) & (hi > 0)), np.inf, 1.0 / lo)
    up, down = b.down, b.up
    if straddles.any():
        up = down = _either(b.up, b.down)
    return _made(low, high, up, down, b.gone | ((lo == 0) & (hi == 0)))


def _scaled(a: Range, positive: Bools, negative: Bools) -> tuple[Mapping[str, Bools], Mapping[str, Bools]]:
    """Directions of ``a`` times something that may be positive or may be negative."""
    up = _either(_where(a.up, positive), _where(a.down, negative))
    return up, _either(_where(a.down, positive), _where(a.up, negative))


def _where(directions: Mapping[str, Bools], rows: Bools) -> Mapping[str, Bools]:
    return {name: may & rows for name, may in directions.items()}


def _either(a: Mapping[str, Bools], b: Mapping[str, Bools]) -> Mapping[str, Bools]:
    if not a or not b:
        return a or b
    return {name: a.get(name, NEVER) | b.get(name, NEVER) for name in a.keys() | b.keys()}


def _of(name: str, x: Floats) -> Floats:
    if name == "exp":
        return np.asarray(np.exp(x))
    if name == "db_to_linear":
        return np.asarray(10.0 ** (x / 10.0))
    positive = np.maximum(x, 0.0)
    if name == "sqrt":
        return np.asarray(np.sqrt(positive))
    return np.asarray(np.log2(positive) if name == "log2" else np.log(positive))


def _made(lo: Floats, hi: Floats, up: Mapping[str, Bools], down: Mapping[str, Bools], gone: Bools) -> Range:
    # Infinity minus infinity and the like: nothing is known there.
    # Infinity for certain is no number either: a product beyond the range, or one over nothing.
    lost = (lo == hi) & np.isinf(lo)
    return Range(
        np.where(np.isnan(lo), -np.inf, lo),
        np.where(np.isnan(hi), np.inf, hi),
        up,
        down,
        np.asarray(gone | lost),
    )
