"""What policies know of the hours to come: our own forecasts from past hours only, or the truth for comparison."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gramwise.grid.forecasts import rolling_forecast

if TYPE_CHECKING:
    from gramwise.core.decision import Floats
    from gramwise.fleet.traffic import SimulationTable

OWN = "regression"


def foresee(intensity: Floats, start_s: float, how: str, table: SimulationTable, horizon: int) -> Floats:
    """Intensity as known at the start of each hour for that hour and those after it.

    Args:
        intensity: true values, g/kWh, (N, T); NaN where unknown.
        start_s: start of the first hour, Unix seconds.
        how: ``own``, ``perfect``, ``persistence`` or ``seasonal-naive``.
        table: of the scenario: error on top, and seed.
        horizon: hours H that are foreseen, the running one included.

    Returns:
        (N, T, H) g/kWh; row t rests on values before t alone, unless ``how`` is ``perfect``.
    """
    rows = {bytes(row.tobytes()): i for i, row in reversed(list(enumerate(intensity)))}
    made = {key: _zone(intensity[i], start_s, how, horizon) for key, i in rows.items()}
    known = np.array([made[bytes(row.tobytes())] for row in intensity])
    if table.forecast_error_frac:
        sigma = math.sqrt(math.log1p(table.forecast_error_frac**2))
        rng = np.random.default_rng((table.seed, 1))
        # Nodes of one zone share its error: it is the zone that is foreseen wrongly.
        draws = {key: rng.standard_normal(known.shape[1:]) for key in rows}
        for n, row in enumerate(intensity):
            known[n] *= np.exp(sigma * draws[bytes(row.tobytes())] - sigma**2 / 2.0)
    return known


def _zone(values: Floats, start_s: float, how: str, horizon: int) -> Floats:
    if how == "perfect" or np.all(values == values[0]):
        ahead = np.minimum(np.arange(len(values))[:, None] + np.arange(horizon)[None], len(values) - 1)
        filled = carried(values)
        truth: Floats = filled[ahead]
        return truth
    return rolling_forecast(values, start_s, method=OWN if how == "own" else how, horizon=horizon).mean


def carried(values: Floats) -> Floats:
    """Gaps filled with the value before: nobody runs in those hours, and plans need a number."""
    known = ~np.isnan(values)
    last = np.maximum.accumulate(np.where(known, np.arange(len(values)), -1))
    first = int(known.argmax())
    filled: Floats = values[np.where(last < 0, first, last)]
    return filled
