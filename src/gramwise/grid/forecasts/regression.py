"""A ridge regression per lead on calendar and recent hours, pulled towards the seasonal naive forecast.

The model foresees what a simple blend misses: the blend is half the day before and half the mean of the last seven
days at the hour asked, moved by the error that the same blend makes now, fading with the lead. What is left over is
regressed on recent hours, recent means, the hour of the day, the weekend at the hours asked, and on how the newest
hour and day act at different hours of the day. All of it is measured in deviations from the mean of the last week, in
units of the spread of the last four weeks, so one set of constants serves a clean grid and a dirty one.

The features of an hour are the same for all leads, so the normal equations are summed once a day, forgotten
exponentially, and one eigendecomposition gives every lead with its own penalty. The last step is a line per lead
between seasonal naive (0) and this regression (1), at the point that would have had the least squared error so far:
where the past does not repeat itself, the forecast falls back to the naive one by itself.

Ridge: Hoerl and Kennard 1970. Forgetting: recursive least squares with a forgetting factor. The constants below were
chosen on the traces of 2022; their choice is told in docs/method/forecasts.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .past import DAY
from .seasonal_naive import SeasonalNaive

if TYPE_CHECKING:
    from gramwise.core.decision import Floats

    from .past import Past

WEEK, MONTH = 7 * DAY, 28 * DAY
LAGS = (1, 2, 3, 4, 6, 8, 12, 16, 20, 24)
HALF_LIFE_DAYS = 200.0
"""Of the normal equations: what a day teaches counts half after this time."""
REFIT_DAYS = 7
BLEND_HALF_LIFE_DAYS = 60.0
FADE_PER_H = 0.85
"""How much of the error of now is left after each hour of lead."""
PENALTY_FIRST, PENALTY_PER_LEAD = 30.0, 38.0
CLIP_FEATURE, CLIP_TARGET = 4.0, 2.0
"""In spreads. A few freak hours must not own the coefficients."""
LEARN_FROM_H, SPEAK_FROM_H = 9 * DAY, 14 * DAY
"""A blend needs seven whole days and its own error; the regression speaks after five days of examples."""


class Regression:
    """The regression; for the first fourteen days of a record seasonal naive moved by its last error, and persistence
    for the first day."""

    name = "regression"

    def means(self, past: Past, horizon: int) -> Floats:
        """One row an hour, shape (T, horizon), g/kWh; NaN while nothing is known."""
        naive = SeasonalNaive().means(past, horizon)
        spread = past.spread(MONTH)[:, None]
        blend = _blend(past, horizon)
        truth = past.to_come(horizon)
        missed = np.clip((truth - blend) / spread, -CLIP_TARGET, CLIP_TARGET)
        # A gap teaches that the blend was right: it pulls towards the naive forecast, never away from it.
        foreseen = _ridge(_features(past, horizon), np.nan_to_num(missed), past.first)
        ours = _between(naive, blend + foreseen * spread, truth, past.first)
        # Where an hour is best told by the one before it, as on a flat grid, the next ones go back to that.
        ours = _between(past.last(horizon), ours, truth, past.first, doubtful=1.0)
        newborn, young = past.first + DAY + 1, past.first + SPEAK_FROM_H
        ours[:newborn] = naive[:newborn]
        ours[newborn:young] = _moved(past, naive)[newborn:young]
        # Nothing known was below 0 and so is nothing foreseen; a signal that does go below 0 keeps its way.
        floor = np.minimum(0.0, np.fmin.accumulate(past.lag(1)))[:, None]
        return np.maximum(ours, floor)


def days_to_truth(horizon: int) -> int:
    """How many days after its first hour a day of forecasts has come true for every lead."""
    return -(-(horizon + DAY - 1) // DAY)


def _blend(past: Past, horizon: int) -> Floats:
    """Day before and weekly profile, moved by its error in the newest hour; (T, horizon)."""
    days = range(1, 8)
    target = sum(past.same_hour(horizon, day) for day in days) / 7 + past.same_hour(horizon)
    now = sum(past.lag(1 + DAY * day) for day in days) / 7 + past.lag(1 + DAY)
    fade = FADE_PER_H ** np.arange(1, horizon + 1)
    blend: Floats = target / 2 + (past.lag(1) - now / 2)[:, None] * fade
    return blend


def _moved(past: Past, naive: Floats) -> Floats:
    """Seasonal naive, moved by its error in the newest hour: the next hour is most like the last one, (T, horizon)."""
    fade = FADE_PER_H ** np.arange(1, naive.shape[1] + 1)
    moved: Floats = naive + (past.lag(1) - past.lag(1 + DAY))[:, None] * fade
    return moved


def _features(past: Past, horizon: int) -> Floats:
    """What is known at each hour, (T, F); the same for every lead."""
    centre, spread = past.mean(WEEK), past.spread(MONTH)

    def deviation(values: Floats) -> Floats:
        scaled: Floats = np.clip((values - centre) / spread, -CLIP_FEATURE, CLIP_FEATURE)
        return scaled

    recent = [deviation(past.lag(k)) for k in LAGS]
    recent += [deviation(past.mean(k)) for k in (DAY, 2 * DAY, MONTH)]
    angle = 2 * np.pi * past.hours() / DAY
    clock = [wave(k * angle) for k in (1, 2, 3, 4) for wave in (np.sin, np.cos)]
    constant = [np.ones(len(past))]
    # Twice the size is a quarter of the penalty: a weekend is a plain fact, it need not prove itself as much.
    weekend = [2 * (past.weekend(k) - 2 / 7) for k in (*_spread_over(horizon), -DAY, horizon - 1 - DAY)]
    weekend_clock = [2 * (past.weekend(k) - 2 / 7) * wave for k in (0, horizon - 1) for wave in clock[:4]]
    acting = [0.5 * wave * each for each in (recent[0], deviation(past.mean(DAY))) for wave in clock[:4]]
    return np.stack([*recent, *clock, *constant, *weekend, *weekend_clock, *acting], axis=1)


def _spread_over(horizon: int) -> tuple[int, ...]:
    """Up to four leads over the horizon at which to ask whether it is the weekend."""
    return tuple(sorted({0, horizon // 3, 2 * horizon // 3, horizon - 1}))


def _ridge(features: Floats, target: Floats, first: int) -> Floats:
    """Each day's forecasts by the coefficients of the days whose truth was known when it began; (T, horizon)."""
    hours, width = features.shape
    horizon = target.shape[1]
    penalty = PENALTY_FIRST + PENALTY_PER_LEAD * np.arange(horizon)
    keep, delay = 0.5 ** (1 / HALF_LIFE_DAYS), days_to_truth(horizon)
    gram, moment = np.zeros((width, width)), np.zeros((width, horizon))
    foreseen = np.zeros_like(target)
    coefficients: Floats | None = None
    for begin in range(0, hours, DAY):
        learnt = slice(begin - delay * DAY, begin - (delay - 1) * DAY)
        if learnt.start < first + LEARN_FROM_H:
            continue
        rows = features[learnt]
        gram = keep * gram + rows.T @ rows
        moment = keep * moment + rows.T @ target[learnt]
        if coefficients is None or begin // DAY % REFIT_DAYS == 0:
            size, axes = np.linalg.eigh(gram)
            coefficients = axes @ ((axes.T @ moment) / (np.maximum(size, 0.0)[:, None] + penalty))
        today = slice(begin, begin + DAY)
        foreseen[today] = features[today] @ coefficients
    return foreseen


def _between(naive: Floats, ours: Floats, truth: Floats, first: int, doubtful: float = 0.5) -> Floats:
    """The point between two forecasts that would have had the least squared error so far, a share per lead and day.

    ``doubtful`` is the share where there is no evidence yet.
    """
    step = np.where(np.isnan(truth), 0.0, ours - naive)
    gain, size = step * np.nan_to_num(truth - naive), step**2
    horizon = step.shape[1]
    keep, delay = 0.5 ** (1 / BLEND_HALF_LIFE_DAYS), days_to_truth(horizon)
    gained, sized = np.zeros(horizon), np.zeros(horizon)
    mixed = naive.copy()
    for begin in range(0, len(naive), DAY):
        learnt = slice(begin - delay * DAY, begin - (delay - 1) * DAY)
        if learnt.start >= first + LEARN_FROM_H:
            gained = keep * gained + gain[learnt].sum(axis=0)
            sized = keep * sized + size[learnt].sum(axis=0)
        doubt = 0.1 * sized.mean() + 1e-12  # counts a tenth of the evidence
        share = np.clip((gained + doubt * doubtful) / (sized + doubt), 0.0, 1.0)
        today = slice(begin, begin + DAY)
        mixed[today] += _smooth(share) * (ours[today] - naive[today])
    return mixed


def _smooth(share: Floats) -> Floats:
    """Mean over five neighbouring leads, which have little reason to differ."""
    return np.convolve(np.pad(share, 2, mode="edge"), np.full(5, 0.2), mode="valid")


PLUGIN = Regression
