"""The intensity that a battery is charged at: that of the hours it is filled in, not of those it serves."""

from __future__ import annotations

import math

import numpy as np

from gramwise.core.errors import ConfigError, DataGap, MixedKinds
from gramwise.core.footprint import Factor
from gramwise.core.series import Series
from gramwise.core.units import S_PER_DAY, S_PER_HOUR
from gramwise.footprint.bill import HIGH_PERCENTILE, LOW_PERCENTILE


def charging_intensity(
    series: Series, start_hour: float, hours: float, key: str = "charging.intensity"
) -> Factor:
    """Mean intensity of the hours in which a battery charges, every day of a series.

    Args:
        series: grams a kWh.
        start_hour: of the day in UTC, 0 to 24.
        hours: how long it charges, up to 24.
        key: of the factor.

    Returns:
        Mean over days; the interval is the 5th to 95th percentile of the days' means. Days with a gap are left out.

    Raises:
        MixedKinds: the series is not in g/kWh.
        DataGap: no day is whole.
    """
    if series.unit != "g/kWh":
        raise MixedKinds(f"{series.source}: an intensity is in g/kWh, not {series.unit}.")
    if not (0.0 <= start_hour < 24.0 and 0.0 < hours <= 24.0):
        raise ConfigError("charging starts within a day and takes up to 24 hours.", key="start_hour")
    means = []
    first = math.floor(series.times_s[0] / S_PER_DAY)
    for day in range(first, math.ceil(series.end_s / S_PER_DAY)):
        start_s = day * S_PER_DAY + start_hour * S_PER_HOUR
        try:
            means.append(series.mean(start_s, start_s + hours * S_PER_HOUR))
        except DataGap:
            continue
    if not means:
        raise DataGap(f"{series.source}: no day with all of the {hours:g} hours from {start_hour:g}:00 UTC.")
    middle = math.fsum(means) / len(means)
    low, high = np.percentile(means, (LOW_PERCENTILE, HIGH_PERCENTILE))
    told = f"{series.signal} {series.basis}, {hours:g} h from {start_hour:g}:00 UTC on {len(means)} days"
    return Factor(
        key=key,
        value=middle,
        low=min(float(low), middle),
        high=max(float(high), middle),
        unit="g/kWh",
        method="modelled",
        source=f"{series.source}, {told}",
    )
