"""Intervals from a forecast's own past errors: how far off it was, at that lead and hour of day, in the weeks before.

The errors are divided by their usual size at the same lead and hour of day (the sun makes noon harder than midnight),
and the quantiles of these quotients over the last weeks are multiplied back. Only errors that had come true when the
day began are used, so the interval is out of sample like the forecast itself (split conformal prediction on a moving
window: Vovk et al. 2005, Lei et al. 2018; no guarantee beyond the window, hence the measured coverage).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .past import DAY
from .regression import days_to_truth

if TYPE_CHECKING:
    from gramwise.core.decision import Floats

WINDOW_DAYS, LEAST_DAYS = 42, 7
RENEW_DAYS = 3
"""Six weeks of errors look the same two days later; their usual size is renewed every day."""
SIZE_HALF_LIFE_DAYS = 15.0


def ends(mean: Floats, truth: Floats, coverage_frac: float) -> tuple[Floats, Floats]:
    """Low and high end of each forecast.

    Args:
        mean: what was foreseen, (T, horizon), g/kWh.
        truth: what came true, (T, horizon), NaN where that is not known.
        coverage_frac: share of outcomes that the interval is meant to hold, in (0, 1).

    Returns:
        Two arrays (T, horizon); NaN until a week of errors is known. ``low <= mean <= high`` everywhere else.
    """
    if not 0 < coverage_frac < 1:
        raise ValueError(f"coverage_frac is a share between 0 and 1, not {coverage_frac}")
    error = _by_day(truth - mean)
    low, high = np.full_like(error, np.nan), np.full_like(error, np.nan)
    days, horizon = len(error), error.shape[-1]
    quotient = np.full((horizon, days, DAY), np.nan)  # leads first: a window of one lead is one run of memory
    sizes = _sizes(error)
    delay, tail = days_to_truth(horizon), (1 - coverage_frac) / 2
    below: Floats | None = None
    above: Floats | None = None
    for day in range(delay, days):
        learnt = day - delay
        usual = sizes[day] if np.isnan(sizes[learnt]).any() else sizes[learnt]
        quotient[:, learnt] = (error[learnt] / usual).T
        if learnt + 1 >= LEAST_DAYS and (below is None or day % RENEW_DAYS == 0):
            window = quotient[:, max(0, learnt + 1 - WINDOW_DAYS) : learnt + 1].reshape(horizon, -1)
            below, above = _quantiles(window, tail)
        if below is not None and above is not None:
            low[day], high[day] = np.minimum(below * sizes[day], 0), np.maximum(above * sizes[day], 0)
    hours = len(mean)
    flat_low, flat_high = (end.reshape(-1, end.shape[-1])[:hours] for end in (low, high))
    return mean + flat_low, mean + flat_high


def _by_day(rows: Floats) -> Floats:
    """(T, H) as (days, 24, H), the last day filled up with NaN."""
    days = -(-len(rows) // DAY)
    full = np.full((days * DAY, rows.shape[1]), np.nan)
    full[: len(rows)] = rows
    return full.reshape(days, DAY, rows.shape[1])


def _sizes(error: Floats) -> Floats:
    """Usual size of the error by day, hour of origin and lead, from what had come true when the day began.

    Args:
        error: (days, 24, horizon), NaN where unknown.

    Returns:
        The same shape; NaN for days before the first error was known.
    """
    sizes = np.full_like(error, np.nan)
    delay, keep = days_to_truth(error.shape[-1]), 0.5 ** (1 / SIZE_HALF_LIFE_DAYS)
    total, weight = np.zeros(error.shape[1:]), np.zeros(error.shape[1:])
    for day in range(delay, len(error)):
        seen = ~np.isnan(error[day - delay])
        total, weight = keep * total + np.abs(np.nan_to_num(error[day - delay])), keep * weight + seen
        if weight.sum(axis=0).min() > 0:
            # An hour of the day that is never known is as hard as the others, for all anybody can tell.
            mean = np.broadcast_to(total.sum(axis=0) / weight.sum(axis=0), total.shape)
            sizes[day] = _smooth(np.divide(total, weight, out=mean.copy(), where=weight > 0))
    return sizes


def _smooth(size: Floats) -> Floats:
    """Half the cell and its neighbouring hours, half the mean over the day: one error a day is a noisy witness."""
    near = (np.roll(size, 1, axis=0) + size + np.roll(size, -1, axis=0)) / 3
    mixed: Floats = 0.5 * near + 0.5 * size.mean(axis=0) + 1e-12
    return mixed


def _quantiles(window: Floats, tail: float) -> tuple[Floats, Floats]:
    """Lower and upper quantile of each row of (horizon, N): order statistics, one further out, as conformal ones are.

    NaN are left out; with less than half of ``LEAST_DAYS`` known the answer is NaN.
    """
    counts = np.count_nonzero(~np.isnan(window), axis=1)
    if counts.min() < LEAST_DAYS * DAY // 2:
        unknown = np.full(len(window), np.nan)
        return unknown, unknown
    if counts.min() != counts.max():  # leads differ in what is known: the slow way
        low, high = np.nanquantile(window, [tail, 1 - tail], axis=1)
        return low, high
    count = int(counts[0])
    rank = max(0, int(np.floor(tail * (count + 1))) - 1)
    ranked = np.partition(window, [rank, count - 1 - rank], axis=1)  # NaN go to the end
    return ranked[:, rank], ranked[:, count - 1 - rank]
