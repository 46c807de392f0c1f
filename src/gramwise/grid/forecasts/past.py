"""What every method may look at: an hourly record in which row t sees only the hours before t, gaps filled and flagged.

Each accessor returns one value (or one row of values) per hour t, made of ``values[..t-1]`` alone. A method that is
built from these accessors cannot look ahead.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from gramwise.core.units import S_PER_DAY, S_PER_HOUR

if TYPE_CHECKING:
    from gramwise.core.decision import Bools, Floats, Ints

DAY = 24
_PAD = 28 * DAY
"""Hours before the record that are made up (its first day, repeated) so that every lag exists; methods that need k
hours of the past do not speak before hour k, so what is made up is never reported."""
_MONDAY = 3
"""1970-01-01 was a Thursday, three days after a Monday."""


@dataclass(frozen=True, eq=False)
class Past:
    """An hourly record and the views of it that do not look ahead.

    Attributes:
        known: T hourly values in g/kWh as they came; NaN is a gap.
        values: the same with gaps filled by what was known: the same hour of the day before, else the hour before.
        filled: which hours were filled. Hours before the first known value stay NaN in ``values`` and count as filled.
        start_s: begin of hour 0, Unix seconds, on a whole hour.
        tz_offset_hours: of local time against UTC, for the weekend.
    """

    known: Floats
    values: Floats
    filled: Bools
    start_s: float
    tz_offset_hours: float = 0.0

    @classmethod
    def of(cls, values: Floats, start_s: float, tz_offset_hours: float = 0.0) -> Past:
        """From values with NaN for gaps, shape (T,)."""
        known = np.array(values, dtype=np.float64)
        if known.ndim != 1 or not len(known):
            raise ValueError("a record is one value an hour, at least one")
        return cls(known, _fill(known), np.isnan(known), start_s, tz_offset_hours)

    def __len__(self) -> int:
        return len(self.known)

    @property
    def first(self) -> int:
        """The first hour with a known value; T where there is none."""
        there = np.flatnonzero(~self.filled)
        return int(there[0]) if len(there) else len(self)

    def lag(self, hours: int) -> Floats:
        """The value ``hours`` before each hour, (T,)."""
        return self._padded[self._index - hours]

    def mean(self, hours: int) -> Floats:
        """Mean of the last ``hours`` hours, (T,)."""
        return (self._sums[self._index] - self._sums[self._index - hours]) / hours

    def same_hour(self, horizon: int, days: int = 1) -> Floats:
        """For each hour t and lead h, the value at the hour of day of t+h, ``days`` known days back: (T, horizon)."""
        lead = np.arange(horizon)
        back = lead - DAY * (lead // DAY + days)
        return self._padded[self._index[:, None] + back[None, :]]

    def last(self, horizon: int) -> Floats:
        """The newest known value, for every lead: (T, horizon)."""
        return np.repeat(self.lag(1)[:, None], horizon, axis=1)

    def spread(self, hours: int) -> Floats:
        """Standard deviation over the last ``hours`` hours, or as many as there are, never 0: (T,)."""
        centred = self._padded - self._padded[0]  # small numbers: squares of large ones lose the difference
        sums, squares = _running(centred), _running(centred**2)
        count = np.clip(np.arange(len(self)), DAY, hours)
        first = self._index - count
        mean = (sums[self._index] - sums[first]) / count
        variance = (squares[self._index] - squares[first]) / count - mean**2
        floor = 1e-3 * np.abs(self.mean(hours)) + 1e-9
        spread: Floats = np.maximum(np.sqrt(np.maximum(variance, 0.0)), floor)
        return spread

    def to_come(self, horizon: int) -> Floats:
        """What came true: known value of hour t+h, NaN past the end and in gaps, (T, horizon). For learning only."""
        ahead = np.full(len(self) + horizon, np.nan)
        ahead[: len(self)] = self.known
        windows: Floats = np.lib.stride_tricks.sliding_window_view(ahead, horizon)[: len(self)]
        return windows

    def hours(self, ahead: int = 0) -> Floats:
        """Local hours since 1970 of hour t+ahead, (T,)."""
        return (
            np.arange(len(self), dtype=np.float64) + ahead + self.start_s / S_PER_HOUR + self.tz_offset_hours
        )

    def weekend(self, ahead: int = 0) -> Floats:
        """1 where the local hour t+ahead is on a Saturday or Sunday, else 0, (T,)."""
        day = np.floor(self.hours(ahead) * S_PER_HOUR / S_PER_DAY) + _MONDAY
        return np.where(day % 7 >= 5, 1.0, 0.0)

    @cached_property
    def _index(self) -> Ints:
        return np.arange(len(self)) + _PAD

    @cached_property
    def _padded(self) -> Floats:
        body = self.values[self.first :]
        if not len(body):
            return np.full(_PAD + len(self), np.nan)
        lead_in = np.resize(body[: min(DAY, len(body))], _PAD + self.first)
        return np.concatenate([lead_in, body])

    @cached_property
    def _sums(self) -> Floats:
        return _running(self._padded)


def _running(values: Floats) -> Floats:
    return np.concatenate([[0.0], np.cumsum(values)])


def _fill(known: Floats) -> Floats:
    """Each gap from the same hour of the day before (itself maybe filled), else from the hour before."""
    values = known.copy()
    for hour in np.flatnonzero(np.isnan(known)):
        for back in (DAY, 1):
            if hour >= back and not np.isnan(values[hour - back]):
                values[hour] = values[hour - back]
                break
    return values
