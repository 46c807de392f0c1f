"""Forecasts of our own, where none can be bought: a method a file, found by name, scored by rolling origin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .own import OwnForecast, Record, hourly
from .rolling import Method, Rolling, Score, find, rolling_forecast, score

if TYPE_CHECKING:
    from gramwise.core.protocols import IntensitySource


def create(name: str, source: IntensitySource, *, horizon_h: int = 24) -> OwnForecast:
    """The `ForecastSource` that foresees with the method ``name`` from the history of ``source``.

    Args:
        name: ``"regression"``, ``"seasonal-naive"``, ``"persistence"`` or a registered one.
        source: any `IntensitySource`.
        horizon_h: hours to foresee.

    Raises:
        ConfigError: no such method; names the nearest.
    """
    return OwnForecast(source, name, horizon_h=horizon_h)


__all__ = [
    "Method",
    "OwnForecast",
    "Record",
    "Rolling",
    "Score",
    "create",
    "find",
    "hourly",
    "rolling_forecast",
    "score",
]
