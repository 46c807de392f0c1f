"""Which rows no other row beats: dominance between vectors of figures that are all to be small, in NumPy.

A row dominates another of its group when none of its figures is larger. One figure needs a sort, two a sort and a
running minimum, three a sort and a merge from halves (Kung, Luccio and Preparata 1975), level by level so that every
level is a handful of array operations; more are compared in blocks. Of rows that are equal the first is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gramwise.core.decision import Bools, Floats, Ints

_SMALL = 48
"""Largest group whose rows are compared at fixed distances, all groups at once."""

_BLOCK = 256
"""Rows that are compared at a time."""


def nondominated(values: Floats, group: Ints | None = None) -> Ints:
    """Rows that no other row of the same group dominates.

    Args:
        values: N rows of R figures to be small, (N, R), finite.
        group: which rows compete, (N,); None for all with all.

    Returns:
        Positions of the rows that stay, ordered by group, then by the figures from the first to the last. Of equal
        rows the one with the lowest position stays.
    """
    group = np.zeros(len(values), dtype=np.int64) if group is None else group
    # A figure that is the same in all rows decides nothing.
    values = values[:, values.min(axis=0) < values.max(axis=0)] if len(values) else values
    order = np.lexsort((*values.T[::-1], group))
    values, group = values[order], group[order]
    fresh = np.ones(len(order), dtype=np.bool_)
    fresh[1:] = group[1:] != group[:-1]
    if values.shape[1] > 1:
        fresh[1:] |= (values[1:] != values[:-1]).any(axis=1)
        order, values, group = order[fresh], values[fresh], group[fresh]
    judge = {0: _first, 1: _first, 2: _staircase, 3: _merge}.get(values.shape[1], _compare)
    kept: Ints = order[judge(values, group)]
    return kept


def dominated_by(points: Floats, values: Floats) -> Bools:
    """Whether some point is nowhere larger than a row.

    Args:
        points: P points, (P, R).
        values: N rows, (N, R).

    Returns:
        One answer a row, (N,).
    """
    beaten = np.zeros(len(values), dtype=np.bool_)
    for begin in range(0, len(points), _BLOCK):
        left = np.flatnonzero(~beaten)
        block = points[begin : begin + _BLOCK, None, :]
        under = block[..., 0] <= values[left, 0]
        for column in range(1, values.shape[1]):
            under &= block[..., column] <= values[left, column]
        beaten[left] = under.any(axis=0)
    return beaten


# Each judge below is given rows sorted by group, then by the figures in turn: whatever dominates a row is before it.


def _first(values: Floats, group: Ints) -> Bools:
    keep = np.ones(len(group), dtype=np.bool_)
    keep[1:] = group[1:] != group[:-1]
    return keep


def _staircase(values: Floats, group: Ints) -> Bools:
    step = _falling(values[:, 1], group)
    keep = np.ones(len(group), dtype=np.bool_)
    keep[1:] = step[1:] < np.minimum.accumulate(step)[:-1]
    return keep


def _falling(figure: Floats, group: Ints) -> Ints:
    """Ranks of a figure, shifted so that every rank of a group is above all ranks of the groups after it."""
    rank = np.unique(figure, return_inverse=True)[1].astype(np.int64)
    falling: Ints = rank - np.cumsum(np.diff(group, prepend=group[:1]) != 0) * (len(figure) + 1)
    return falling


def _merge(values: Floats, group: Ints) -> Bools:
    """Blocks of 1, 2, 4 .. rows: what the left half of a pair of blocks dominates in its right half goes."""
    count = len(group)
    keep = np.ones(count, dtype=np.bool_)
    group = np.cumsum(np.diff(group, prepend=group[:1]) != 0)
    third = np.unique(values[:, 2], return_inverse=True)[1].astype(np.int64)
    by_second = np.argsort(values[:, 1], kind="stable")
    size = 1
    while size < count:
        pair = by_second // (2 * size) * count + group[by_second]
        in_pairs = np.argsort(pair, kind="stable")
        rows, pair = by_second[in_pairs], pair[in_pairs]
        left = (rows // size) % 2 == 0
        shift = np.cumsum(np.diff(pair, prepend=pair[:1]) != 0) * (count + 1)
        least = np.minimum.accumulate(np.where(left, third[rows] - shift, count))
        beaten = ~left & (least <= third[rows] - shift)
        keep[rows[beaten]] = False
        by_second = by_second[keep[by_second]]
        size *= 2
    return keep


def _compare(values: Floats, group: Ints) -> Bools:
    starts = np.flatnonzero(_first(values, group))
    sizes = np.diff(starts, append=len(group))
    keep = np.ones(len(group), dtype=np.bool_)
    small = np.repeat(sizes <= _SMALL, sizes)
    rows = np.flatnonzero(small)
    for distance in range(1, int(sizes[sizes <= _SMALL].max(initial=0))):
        pairs = rows[distance:]
        pairs = pairs[(group[pairs] == group[pairs - distance]) & small[pairs - distance]]
        keep[pairs[(values[pairs - distance] <= values[pairs]).all(axis=1)]] = False
    for start, size in zip(starts[sizes > _SMALL], sizes[sizes > _SMALL], strict=True):
        keep[start : start + size] = _blocks(values[start : start + size])
    return keep


def _blocks(values: Floats) -> Bools:
    """One large group: every block against what is kept of the blocks before it, then against itself."""
    keep = np.zeros(len(values), dtype=np.bool_)
    for begin in range(0, len(values), _BLOCK):
        block = values[begin : begin + _BLOCK]
        rows = np.flatnonzero(~dominated_by(values[:begin][keep[:begin]], block))
        block = block[rows]
        beats = (block[:, None, :] <= block[None, :, :]).all(axis=2)
        keep[begin + rows[~np.triu(beats, 1).any(axis=0)]] = True
    return keep
