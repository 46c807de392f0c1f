"""Rolling origin: the forecast that would have been issued at the start of every hour of a record, and its score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from gramwise.core import plugins

from .intervals import ends
from .past import Past
from .seasonal_naive import SeasonalNaive

if TYPE_CHECKING:
    from gramwise.core.decision import Bools, Floats


@runtime_checkable
class Method(Protocol):
    """A way to foresee: one file here that ends in ``PLUGIN``, or an entry point in ``gramwise.forecaster``."""

    name: str

    def means(self, past: Past, horizon: int) -> Floats:
        """Expected values, (T, horizon): row t is made of hours before t only, column h is hour t+h; NaN is unknown."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rolling:
    """Forecasts issued at the start of each hour t of a record of T hours; column h is hour t+h.

    Hour t itself is not yet known at its start, so column 0 is one hour ahead of the newest known value and column 23
    is 24 hours ahead.

    Attributes:
        mean, low, high: (T, horizon), g/kWh. NaN in ``mean`` where nothing is known yet (the first row at least), in
            the ends until a week of past errors is known.
        filled: (T,) hours of the record that were gaps and were filled with earlier values for the forecasts after.
        method: its name.
        start_s: begin of hour 0, Unix seconds.
        coverage_frac: share of outcomes that the interval is meant to hold.
    """

    mean: Floats
    low: Floats
    high: Floats
    filled: Bools
    method: str
    start_s: float
    coverage_frac: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How good forecasts were at one lead, or over all of them.

    Attributes:
        count: outcomes that were compared.
        mae_g_per_kwh: mean absolute error.
        bias_g_per_kwh: mean of forecast minus outcome.
        coverage_frac: share of outcomes inside the interval, of those that had one; None where none had.
        skill_frac: 1 minus mean absolute error over that of seasonal naive at the same hours; None where that is 0.
    """

    count: int
    mae_g_per_kwh: float
    bias_g_per_kwh: float
    coverage_frac: float | None
    skill_frac: float | None


def find(name: str) -> Method:
    """The method of that name.

    Raises:
        ConfigError: no such method; names the nearest.
    """
    found: Method = plugins.create("forecaster", name)
    return found


def rolling_forecast(
    values: Floats,
    start_s: float,
    *,
    method: str | Method = "regression",
    horizon: int = 24,
    coverage_frac: float = 0.8,
    tz_offset_hours: float = 0.0,
) -> Rolling:
    """Foresee the next hours from the start of every hour of a record, never looking ahead.

    Args:
        values: one an hour, (T,), g/kWh; NaN is a gap.
        start_s: begin of the first hour, Unix seconds.
        method: a name (``"persistence"``, ``"seasonal-naive"``, ``"regression"``) or an object of one's own.
        horizon: hours to foresee, at least 1.
        coverage_frac: share of outcomes that the intervals shall hold.
        tz_offset_hours: of local time against UTC, so that a weekend begins when people's does.

    Raises:
        ConfigError: no such method.
        ValueError: no values, a horizon below 1, a coverage outside (0, 1).
    """
    if horizon < 1:
        raise ValueError(f"a forecast reaches at least one hour, not {horizon}")
    way = find(method) if isinstance(method, str) else method
    past = Past.of(values, start_s, tz_offset_hours)
    mean = way.means(past, horizon)
    low, high = ends(mean, past.to_come(horizon), coverage_frac)
    floor = np.minimum(0.0, np.fmin.accumulate(past.lag(1)))[:, None]
    return Rolling(
        mean=mean,
        low=np.minimum(np.maximum(low, floor), mean),
        high=high,
        filled=past.filled,
        method=way.name,
        start_s=start_s,
        coverage_frac=coverage_frac,
    )


def score(values: Floats, rolling: Rolling, lead: int | None = None, skip_hours: int = 28 * 24) -> Score:
    """Compare forecasts with what came true, by rolling origin.

    Args:
        values: the record that ``rolling`` was made of, (T,), g/kWh; gaps are left out.
        rolling: the forecasts.
        lead: hours ahead of the newest known value, 1 to the horizon; None for all leads together.
        skip_hours: of the beginning that are not scored: methods and intervals need to learn first.

    Raises:
        ValueError: no such lead, or nothing to compare.
    """
    horizon = rolling.mean.shape[1]
    if lead is not None and not 1 <= lead <= horizon:
        raise ValueError(f"lead is 1 to {horizon} hours, not {lead}")
    past = Past.of(values, rolling.start_s)
    columns = slice(None) if lead is None else slice(lead - 1, lead)
    truth, naive = past.to_come(horizon), SeasonalNaive().means(past, horizon)
    picked = [part[skip_hours:, columns] for part in (rolling.mean, rolling.low, rolling.high, truth, naive)]
    mean, low, high, truth, naive = picked
    there = ~np.isnan(truth) & ~np.isnan(mean)
    if not there.any():
        raise ValueError("there is no outcome to compare a forecast with")
    error, naive_mae = (mean - truth)[there], float(np.abs(naive - truth)[there].mean())
    bounded = there & ~np.isnan(low)
    inside = (low <= truth) & (truth <= high)
    mae = float(np.abs(error).mean())
    return Score(
        count=int(there.sum()),
        mae_g_per_kwh=mae,
        bias_g_per_kwh=float(error.mean()),
        coverage_frac=float(inside[bounded].mean()) if bounded.any() else None,
        skill_frac=1 - mae / naive_mae if naive_mae else None,
    )
