"""A family's time as a physical base times a learned residual: least squares of work, then a Gaussian process.

    t = (c0 + c1 flop + c2 read + c3 stored + c4 written) * exp(r(features)),    c >= 0

The base extrapolates as arithmetic and memory do; the residual is an interpolation among what was measured, and fades
to its mean away from it. The process has a Matern kernel of smoothness 5/2 with a length for every feature. Source of
both: Rasmussen and Williams, "Gaussian Processes for Machine Learning", MIT Press 2006, equations 2.23 to 2.26, 4.17
and 5.9. Base and residual on a log scale: footprint method, sections 1.4 and 1.5.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from gramwise.core.decision import Floats

STEPS = 40
_RATE = 0.12
_MOST_FOR_LENGTHS = 100
"""Lengths are sought on at most so many samples: each step costs their cube."""

_ROOT5 = math.sqrt(5.0)


def fit_base(work: Floats, seconds: Floats, doubt_s: float = 0.0) -> Floats:
    """Non-negative coefficients of the base, by least squares of the relative error.

    Args:
        work: (n, m) amounts; the first column is 1, for what every call costs.
        seconds: (n,) measured, > 0.
        doubt_s: of each of them, >= 0: what is shorter counts less.

    Returns:
        (m,) coefficients >= 0, seconds per amount.
    """
    weight = 1.0 / (seconds + doubt_s)
    return non_negative(work * weight[:, None], seconds * weight)


def non_negative(rows: Floats, target: Floats) -> Floats:
    """Least squares with no coefficient below 0: the best of all subsets of few columns.

    Args:
        rows: (n, m), m small.
        target: (n,).

    Returns:
        (m,) coefficients >= 0 that minimise ``|rows c - target|``.
    """
    scale = np.maximum(np.abs(rows).max(axis=0), 1e-300)
    rows = rows / scale
    best, found = float((target**2).sum()), np.zeros(rows.shape[1])
    columns = range(rows.shape[1])
    for size in range(1, rows.shape[1] + 1):
        for used in map(list, itertools.combinations(columns, size)):
            part = np.linalg.lstsq(rows[:, used], target, rcond=None)[0]
            error = float(((rows[:, used] @ part - target) ** 2).sum())
            if (part >= 0).all() and error < best * (1 - 1e-9):
                best, found = error, np.zeros(rows.shape[1])
                found[used] = part / scale[used]
    return found


def matern(a: Floats, b: Floats, lengths: Floats) -> Floats:
    """Correlation of points, Matern of smoothness 5/2.

    Args:
        a, b: (n, d) and (m, d) points.
        lengths: (d,) > 0.

    Returns:
        (n, m), 1 where points coincide. Source: Rasmussen and Williams 2006, equation 4.17.
    """
    distance = _ROOT5 * np.sqrt(_squares(a / lengths, b / lengths))
    found: Floats = (1.0 + distance + distance**2 / 3.0) * np.exp(-distance)
    return found


def _squares(a: Floats, b: Floats) -> Floats:
    found: Floats = np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1)[None, :] - 2.0 * a @ b.T, 0.0)
    return found


class Process:
    """A Gaussian process through measured residuals.

    Args:
        points: (n, d) features, scaled.
        values: (n,) residuals.
        own_noise: (n,) standard deviations that are known of each value.
        hyper: (d + 2,) logarithms of the lengths, of the signal's and of the noise's deviation; sought when None.

    Attributes:
        hyper: as used.
        mean: of the values, to which the answer fades far from all points.
    """

    def __init__(
        self, points: Floats, values: Floats, own_noise: Floats, hyper: Floats | None = None
    ) -> None:
        self._points = points
        self.mean = float(np.median(values))
        rest = values - self.mean
        if hyper is None:
            hyper = _seek(points, rest, own_noise)
        self.hyper = hyper
        lengths, signal, noise = _unpack(hyper)
        spread = signal**2 * matern(points, points, lengths)
        spread[np.diag_indices(len(points))] += noise**2 + own_noise**2
        self._factor = np.linalg.cholesky(spread)
        self._weights = _solve(self._factor, rest)
        inverse = _solve(self._factor, np.eye(len(points)))
        self.left_out = self._weights / np.diag(inverse)
        """(n,) error at each point when it is left out: equation 5.12."""

    def at(self, points: Floats) -> Floats:
        """(m,) residuals at (m, d) points: equation 2.25."""
        lengths, signal, _ = _unpack(self.hyper)
        found: Floats = self.mean + signal**2 * matern(points, self._points, lengths) @ self._weights
        return found

    def deviation(self, points: Floats) -> Floats:
        """(m,) standard deviations at (m, d) points, noise not counted: equation 2.26."""
        lengths, signal, _ = _unpack(self.hyper)
        across = signal**2 * matern(self._points, points, lengths)
        half = np.linalg.solve(self._factor, across)
        found: Floats = np.sqrt(np.maximum(signal**2 - (half**2).sum(axis=0), 0.0))
        return found


def _unpack(hyper: Floats) -> tuple[Floats, float, float]:
    return np.exp(hyper[:-2]), float(np.exp(hyper[-2])), float(np.exp(hyper[-1]))


def _solve(factor: npt.NDArray[Any], right: Floats) -> Floats:
    found: Floats = np.linalg.solve(factor.T, np.linalg.solve(factor, right))
    return found


def _seek(points: Floats, rest: Floats, own_noise: Floats) -> Floats:
    """Most probable lengths, signal and noise, by Adam on the log posterior (equation 5.9 and a log-normal prior)."""
    count, d = points.shape
    if count > _MOST_FOR_LENGTHS:
        some = np.random.default_rng(0).permutation(count)[:_MOST_FOR_LENGTHS]
        points, rest, own_noise = points[some], rest[some], own_noise[some]
    usual = np.concatenate(
        [np.full(d, math.log(2.0 * math.sqrt(max(d, 1)))), [math.log(0.3), math.log(0.06)]]
    )
    width = np.concatenate([np.full(d, 1.0), [0.7, 0.7]])
    gaps = (points[:, None, :] - points[None, :, :]) ** 2
    hyper, first, second = usual.copy(), np.zeros(d + 2), np.zeros(d + 2)
    for step in range(1, STEPS + 1):
        slope = _slope(gaps, rest, own_noise, hyper) - (hyper - usual) / width**2
        first = 0.9 * first + 0.1 * slope
        second = 0.99 * second + 0.01 * slope**2
        move = first / (1 - 0.9**step) / (np.sqrt(second / (1 - 0.99**step)) + 1e-9)
        hyper = hyper + _RATE * move
    return hyper


def _slope(gaps: Floats, rest: Floats, own_noise: Floats, hyper: Floats) -> Floats:
    """Gradient of the log marginal likelihood: equation 5.9."""
    lengths, signal, noise = _unpack(hyper)
    scaled = gaps / lengths**2
    distance = _ROOT5 * np.sqrt(np.maximum(scaled.sum(axis=2), 0.0))
    fading = np.exp(-distance)
    spread = signal**2 * (1.0 + distance + distance**2 / 3.0) * fading
    whole = spread.copy()
    whole[np.diag_indices(len(rest))] += noise**2 + own_noise**2
    inverse = np.linalg.inv(whole)
    weights = inverse @ rest
    pull = np.outer(weights, weights) - inverse
    # d k / d log length = signal^2 * 5/3 * (1 + distance) * exp(-distance) * gap / length^2
    by_length = pull * (signal**2 * (5.0 / 3.0) * (1.0 + distance) * fading)
    slopes = 0.5 * np.einsum("ij,ijd->d", by_length, scaled)
    return np.concatenate([slopes, [float((pull * spread).sum()), float(noise**2 * np.trace(pull))]])


def scaled(features: Sequence[Sequence[float]]) -> tuple[Floats, Floats, Floats]:
    """Points with mean 0 and deviation 1 in every feature; the means; the deviations (1 where nothing varies)."""
    points = np.array(features, dtype=np.float64)
    middle, width = points.mean(axis=0), points.std(axis=0)
    width = np.where(width > 1e-6, width, 1.0)
    return (points - middle) / width, middle, width
