"""Functions of one variable by straight lines that are known to lie on one side of them.

Where a function bends one way, a tangent lies below a convex one and a chord above it, and the other way round for a
concave one. Lines on the right side make a relaxation, so that an optimum over them is a true bound; how far they can
lie from the curve is worked out and told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from gramwise.core.decision import Floats

    from .affine import Atom

Bend: TypeAlias = Literal["convex", "concave", "mixed"]


def bend(atom: Atom, low: Floats, high: Floats) -> Bend:
    """How a function of one argument bends while that lies between ``low`` and ``high`` (any shape)."""
    match atom.kind:
        case "exp" | "abs":
            return "convex"
        case "ln" | "log2" | "sqrt":
            return "concave"
        case "pwl":
            slopes = np.diff(atom.ys) / np.diff(atom.xs)
            inside = (low >= atom.xs[0]).all() and (high <= atom.xs[-1]).all()
            if inside and (np.diff(slopes) >= 0).all():
                return "convex"
            return "concave" if inside and (np.diff(slopes) <= 0).all() else "mixed"
        case "power":
            return _bend_of_power(atom.exponent, low, high)
        case _:
            return "mixed"


def _bend_of_power(exponent: float, low: Floats, high: Floats) -> Bend:
    if exponent > 0 and exponent % 2 == 0:
        return "convex"
    if (low >= 0).all():
        return "concave" if 0 < exponent < 1 else "convex"
    if (high <= 0).all() and exponent > 0 and exponent % 2 == 1:
        return "concave"
    return "mixed"


def slope(atom: Atom, x: Floats) -> Floats:
    """Derivative of the function at ``x``."""
    with np.errstate(all="ignore"):
        match atom.kind:
            case "exp":
                found = np.exp(x)
            case "ln":
                found = 1.0 / x
            case "log2":
                found = 1.0 / (x * np.log(2.0))
            case "sqrt":
                found = 0.5 / np.sqrt(x)
            case "power":
                found = atom.exponent * x ** (atom.exponent - 1.0)
            case "pwl":
                slopes = np.diff(atom.ys) / np.diff(atom.xs)
                found = slopes[np.clip(np.searchsorted(atom.xs, x, side="right") - 1, 0, len(slopes) - 1)]
            case _:
                found = np.sign(x)
    return np.asarray(found)


def direction(atom: Atom, low: Floats, high: Floats) -> int:
    """1 where the function rises with its argument throughout, -1 where it falls, 0 where neither is sure."""
    match atom.kind:
        case "exp" | "ln" | "log2" | "sqrt" | "max" | "min":
            return 1
        case "pwl":
            steps = np.diff(atom.ys)
            return 1 if (steps >= 0).all() else -1 if (steps <= 0).all() else 0
        case "abs":
            return 1 if (low >= 0).all() else -1 if (high <= 0).all() else 0
        case "power":
            if atom.exponent > 0 and (atom.exponent % 2 == 1 or (low >= 0).all()):
                return 1
            return -1 if atom.exponent < 0 and (low >= 0).all() else 0
        case _:
            return 0


def corners(atom: Atom, low: Floats, high: Floats, pieces: int) -> Floats:
    """Ends of pieces on which the function bends one way, (n, p + 1): 0 and the corners of a ``pwl`` are among them."""
    if atom.kind == "pwl":
        inner = np.broadcast_to(atom.xs, (len(low), len(atom.xs)))
        ends = np.concatenate(
            [low[:, None], np.clip(inner, low[:, None], high[:, None]), high[:, None]], axis=1
        )
        return np.sort(ends, axis=1)
    if atom.kind == "power" and atom.exponent < 0 and (low > 0).all():
        # even steps of the logarithm: the curve bends most where the argument is small
        return np.exp(np.linspace(np.log(low), np.log(high), pieces + 1, axis=1))
    ends = np.linspace(low, high, pieces + 1, axis=1)
    crossing = (low < 0) & (high > 0)
    nearest = np.abs(ends).argmin(axis=1)
    inner_nearest = np.clip(nearest, 1, pieces - 1)
    ends[crossing, inner_nearest[crossing]] = 0.0
    return np.sort(ends, axis=1)


def lines(atom: Atom, ends: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """For each piece (n, p): slope, offset of the chord, and how far the curve lies above it and below it at most.

    The gap to the chord is largest where the derivative equals the chord's slope; for these functions that lies inside
    the piece and is found by bisection of the derivative, which is monotone there.
    """
    left, right = ends[:, :-1], ends[:, 1:]
    width = right - left
    f_left, f_right = atom.function([left]), atom.function([right])
    steep = np.divide(f_right - f_left, width, out=np.zeros_like(width), where=width > 0)
    offset = f_left - steep * left
    if atom.kind == "pwl":
        return steep, offset, np.zeros_like(width), np.zeros_like(width)
    low, high = left.copy(), right.copy()
    rising = slope(atom, right) >= slope(atom, left)
    for _ in range(60):
        middle = (low + high) / 2
        beyond = (slope(atom, middle) > steep) == rising
        high, low = np.where(beyond, middle, high), np.where(beyond, low, middle)
    point = (low + high) / 2
    gap = atom.function([point]) - (steep * point + offset)
    gap = np.where(np.isfinite(gap), gap, 0.0)
    # A hair more than found, so that rounding of the point leaves the line on its side.
    room = 1e-12 * (np.abs(f_left) + np.abs(f_right))
    return steep, offset, np.maximum(gap, 0.0) + room, np.maximum(-gap, 0.0) + room


def tangent_points(low: Floats, high: Floats, count: int, *, reciprocal: bool) -> Floats:
    """Where to put the first tangents, (n, count): evenly, or evenly in the logarithm towards a pole at 0."""
    if reciprocal:
        least = np.maximum(low, 1e-3 * high)
        return np.asarray(np.exp(np.linspace(np.log(least), np.log(high), count, axis=1)))
    return np.asarray(np.linspace(low, high, count, axis=1))
