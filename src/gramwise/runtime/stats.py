"""Paired comparison with an interval that respects how the run was made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

_DRAWS = 2000
_FEWEST_CLUSTERS = 8
"""With fewer clusters than this a cluster bootstrap has too few distinct samples; single pairs are drawn instead."""


def paired_interval(
    ours: Sequence[float],
    theirs: Sequence[float],
    cluster: Sequence[object],
    statistic: Callable[[npt.NDArray[np.float64], npt.NDArray[np.float64]], npt.NDArray[np.float64]],
    *,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float] | None:
    """Percentile bootstrap interval of a statistic of two paired means.

    Both policies served the same request, so pairs are drawn, and whole clusters of them (the block of requests that
    were served close in time), because a noisy moment of the machine touches neighbours alike.

    Args:
        ours, theirs: one value a pair, same length.
        cluster: the block that each pair belongs to.
        statistic: of arrays of means (draws,), (draws,) -> (draws,).
        seed: of the draws.
        level: of the interval.

    Returns:
        Low and high, or None with fewer than two pairs or where the statistic is undefined (a mean of 0 below a
        fraction). Source: Davison and Hinkley, Bootstrap Methods and their
        Application (1997), sections 2.4 and 5.3.
    """
    a, b = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    if len(a) < 2:
        return None
    _, group = np.unique([repr(c) for c in cluster], return_inverse=True)
    if group.max() + 1 < _FEWEST_CLUSTERS:
        group = np.arange(len(a))
    groups = int(group.max()) + 1
    weight = np.bincount(group).astype(np.float64)
    sum_a, sum_b = np.bincount(group, a), np.bincount(group, b)
    picks = np.random.default_rng(seed).integers(groups, size=(_DRAWS, groups))
    size = weight[picks].sum(axis=1)
    values = statistic(sum_a[picks].sum(axis=1) / size, sum_b[picks].sum(axis=1) / size)
    if not np.isfinite(values).all():
        return None
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(values, (tail, 1.0 - tail))
    return float(low), float(high)


def relative_change(
    ours: npt.NDArray[np.float64], theirs: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """``ours / theirs - 1``; NaN where ``theirs`` is 0."""
    return np.divide(ours, theirs, out=np.full_like(ours, np.nan), where=theirs != 0) - 1.0
