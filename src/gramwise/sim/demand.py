"""How many requests an hour brings, by class: the profile that the operator knows, and what then comes.

Used by the event simulation and the fluid sweep alike, so that both speak of the same traffic.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gramwise.core.units import S_PER_DAY, S_PER_HOUR

if TYPE_CHECKING:
    from gramwise.core.decision import Floats
    from gramwise.fleet.traffic import TrafficTable

_THURSDAY = 3
"""Day of the week, from Monday 0, of 1 January 1970."""

_SATURDAY = 5


def profile_per_s(row: TrafficTable, times_s: Floats) -> Floats:
    """The rate that is expected at each moment, as its mean over all days is ``rate_per_s``.

    Args:
        row: a class with a rate.
        times_s: Unix seconds, any shape.

    Returns:
        Requests per second, same shape: ``rate x (1 + swing cos(2 pi (hour - peak) / 24)) x weekend``, over the mean of
        the last factor in a week.

    Raises:
        ValueError: the class has a file instead of a rate.
    """
    if row.rate_per_s is None:
        raise ValueError(f"traffic {row.name!r} comes from a file, which has no profile")
    hour = (times_s % S_PER_DAY) / S_PER_HOUR
    swing = 1.0 + row.swing_frac * np.cos(2.0 * math.pi * (hour - row.peak_hour_utc) / 24.0)
    weekday = (np.floor(times_s / S_PER_DAY) + _THURSDAY) % 7
    weekend = np.where(weekday >= _SATURDAY, row.weekend_frac, 1.0)
    per_s: Floats = row.rate_per_s * swing * weekend / ((5.0 + 2.0 * row.weekend_frac) / 7.0)
    return per_s


def hour_noise(row: TrafficTable, hours: Sequence[int], seed: int) -> Floats:
    """The random factor on the rate of each hour, mean 1: the same for an hour whatever else is asked for.

    Args:
        row: the class; its name seeds as well.
        hours: whole hours since 1970.
        seed: of the scenario.

    Returns:
        (len(hours),) log-normal factors with standard deviation ``noise_frac``; ones where that is 0.
    """
    if not row.noise_frac or not len(hours):
        return np.ones(len(hours))
    sigma = math.sqrt(math.log1p(row.noise_frac**2))
    # A generator a day, so that any stretch of hours can be had without those before it.
    days = sorted({hour // 24 for hour in hours})
    drawn = {
        day: np.random.default_rng((seed, zlib.crc32(row.name.encode()), day)).standard_normal(24)
        for day in days
    }
    normal = np.array([drawn[hour // 24][hour % 24] for hour in hours])
    factor: Floats = np.exp(sigma * normal - sigma**2 / 2.0)
    return factor


def hourly_requests(row: TrafficTable, start_s: float, hours: int, seed: int) -> tuple[Floats, Floats]:
    """Requests in each hour: as foreseen, and as they come.

    Args:
        row: a class with a rate.
        start_s: start of the first hour, Unix seconds.
        hours: how many.
        seed: of the noise.

    Returns:
        Foreseen and realised, (hours,) each. The rate of an hour is the profile's at its middle.
    """
    times_s = start_s + S_PER_HOUR * np.arange(hours, dtype=np.float64)
    foreseen = profile_per_s(row, times_s + S_PER_HOUR / 2.0) * S_PER_HOUR
    first = int(start_s // S_PER_HOUR)
    return foreseen, foreseen * hour_noise(row, range(first, first + hours), seed)
