"""Any real vector to a decision that keeps its rows: one block of scores for each choice, the surest choice first.

A group ``sum == 1`` of binaries is one choice among its members; any other binary is a choice between itself and
nothing. Choices are made in the order of their confidence, best score less second best. An option is masked when a row
could then no longer be kept whatever the open choices and the other variables do: for each row the least that they can
add is kept ready. Where rows compete, masking is necessary and not sufficient, so that a decision may still miss a
row; it is then replaced by a known feasible one, if there is one, or reported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gramwise.core.decision import Bools, Floats, Ints

    from .milp import Milp


class Decoder:
    """Scores (B, width) to decisions (B, width), base units.

    Args:
        milp: form whose named rows are kept; those with columns of rewrites are left to the evaluator.

    Attributes:
        options: columns of each choice, padded with -1 for "none of them", (G, m).
        valid: which options there are, (G, m).
    """

    def __init__(self, milp: Milp) -> None:
        self.width = milp.bound.width
        self.lower, self.upper = milp.lb[: self.width], milp.ub[: self.width]
        self.whole = milp.integrality[: self.width]
        self.binary = self.whole & (self.lower >= 0) & (self.upper <= 1)
        self._rows(milp)
        self.options, self.valid = self._choices(milp)
        self.others = np.flatnonzero(~self.binary)
        self._reach()

    def _rows(self, milp: Milp) -> None:
        """Dense ``use @ x <= limit`` of the named rows in the problem's own columns, scaled to sizes near one."""
        count = len(milp.row_lo)
        named = np.array([bool(name) for name in milp.constraint], dtype=np.bool_)
        foreign = np.zeros(count, dtype=np.bool_)
        foreign[milp.row[milp.col >= self.width]] = True
        kept = named & ~foreign
        dense = np.zeros((count, self.width))
        inside = milp.col < self.width
        np.add.at(dense, (milp.row[inside], milp.col[inside]), milp.val[inside])
        above, below = kept & np.isfinite(milp.row_hi), kept & np.isfinite(milp.row_lo)
        use = np.concatenate([dense[above], -dense[below]])
        limit = np.concatenate([milp.row_hi[above], -milp.row_lo[below]])
        span = np.maximum(np.abs(self.lower), np.abs(self.upper))
        size = np.abs(use) @ np.where(np.isfinite(span), span, 1.0) + np.abs(limit)
        size = np.where(size > 0, size, 1.0)
        self.use, self.limit = use / size[:, None], limit / size

    def _choices(self, milp: Milp) -> tuple[Ints, Bools]:
        groups, taken = [], np.zeros(self.width, dtype=np.bool_)
        equal = (milp.row_lo == 1.0) & (milp.row_hi == 1.0)
        order = np.argsort(milp.row, kind="stable")
        ends = np.searchsorted(milp.row[order], np.arange(len(equal) + 1))
        for r in np.flatnonzero(equal).tolist():
            here = order[ends[r] : ends[r + 1]]
            cols = milp.col[here]
            fits = len(cols) and (cols < self.width).all() and (milp.val[here] == 1).all()
            if fits and self.binary[cols].all() and not taken[cols].any():
                groups.append(cols.tolist())
                taken[cols] = True
        groups += [[c, -1] for c in np.flatnonzero(self.binary & ~taken).tolist()]
        m = max((len(g) for g in groups), default=1)
        options = np.full((len(groups), m), -1, dtype=np.int64)
        valid = np.zeros((len(groups), m), dtype=np.bool_)
        for i, group in enumerate(groups):
            options[i, : len(group)] = group
            valid[i, : len(group)] = True
        shut = (options >= 0) & (self.upper[np.maximum(options, 0)] < 1)
        return options, valid & ~shut

    def _reach(self) -> None:
        """What each option adds to each row, and the least that a choice, or a variable, must add."""
        padded = np.concatenate([self.use, np.zeros((len(self.use), 1))], axis=1)
        self.adds = np.moveaxis(padded[:, self.options], 0, -1)  # (G, m, R)
        least = np.where(self.valid[:, :, None], self.adds, np.inf).min(axis=1, initial=np.inf)
        self.least = np.where(np.isfinite(least), least, 0.0)
        low, high = self.lower[self.others], self.upper[self.others]
        with np.errstate(invalid="ignore"):
            ends = np.stack([self.use[:, self.others] * low, self.use[:, self.others] * high])
        ends = np.where(np.isnan(ends), 0.0, ends)
        self.base = self.least.sum(axis=0) + ends.min(axis=0).sum(axis=1)

    def __call__(self, raw: Floats) -> Floats:
        """Decisions of scores; other variables by an affine map of [-1, 1] to their bounds, pulled to keep rows."""
        batch = np.atleast_2d(np.asarray(raw, dtype=np.float64))
        batch = np.nan_to_num(batch, nan=0.0, posinf=1e9, neginf=-1e9)
        points = np.zeros((len(batch), self.width))
        used = self._choose(batch, points) if len(self.options) else np.tile(self.base, (len(batch), 1))
        self._scale(batch, points, used)
        return points

    def _choose(self, batch: Floats, points: Floats) -> Floats:
        count, rows = len(batch), np.arange(len(batch))
        scores = np.where(self.options >= 0, batch[:, np.maximum(self.options, 0)], 0.0)
        scores = np.where(self.valid, scores, -np.inf)
        used = np.tile(self.base, (count, 1))
        for group in self._order(scores).T:
            added = self.adds[group] - self.least[group][:, None, :]
            over = np.maximum(used[:, None, :] + added - self.limit - 1e-12, 0.0).max(axis=2, initial=0.0)
            mine = np.where(self.valid[group], scores[rows, group], -np.inf)
            fits = (over <= 0) & self.valid[group]
            best = np.where(fits, mine, -np.inf).argmax(axis=1)
            none = ~fits.any(axis=1)
            if none.any():
                best[none] = np.where(self.valid[group[none]], over[none], np.inf).argmin(axis=1)
            used += added[rows, best]
            column = self.options[group, best]
            some = column >= 0
            points[rows[some], column[some]] = 1.0
        return used

    def _order(self, scores: Floats) -> Ints:
        """Choices by confidence, the surest first, (B, G)."""
        if scores.shape[2] < 2:
            return np.tile(np.arange(scores.shape[1]), (len(scores), 1))
        top = np.partition(scores, -2, axis=2)
        with np.errstate(invalid="ignore"):
            lead = top[:, :, -1] - top[:, :, -2]
        return np.argsort(-np.nan_to_num(lead, nan=0.0, posinf=1e30), axis=1, kind="stable")

    def _scale(self, batch: Floats, points: Floats, used: Floats) -> None:
        """Reals and whole numbers, one after the other: as asked, or as near to that as its rows permit."""
        for column in self.others.tolist():
            low, high = float(self.lower[column]), float(self.upper[column])
            low_end, high_end = max(low, -1e9), min(high, 1e9)
            asked = low_end + (np.clip(batch[:, column], -1.0, 1.0) + 1.0) / 2.0 * (high_end - low_end)
            use = self.use[:, column]
            touched = np.flatnonzero(use)
            with np.errstate(invalid="ignore", divide="ignore"):
                ends = np.where(use[touched] > 0, low_end, high_end)
                room = self.limit[touched] - used[:, touched]
                far = ends + room / use[touched]
            most = np.where(use[touched] > 0, far, np.inf).min(axis=1, initial=np.inf)
            least = np.where(use[touched] < 0, far, -np.inf).max(axis=1, initial=-np.inf)
            value = np.clip(np.maximum(np.minimum(asked, most), least), low_end, high_end)
            if self.whole[column]:
                rounded = np.round(value)
                rounded = np.where(rounded > most + 1e-9, np.floor(value), rounded)
                value = np.clip(np.where(rounded < least - 1e-9, np.ceil(value), rounded), low, high)
            points[:, column] = value
            used[:, touched] += use[touched] * (value[:, None] - ends)
