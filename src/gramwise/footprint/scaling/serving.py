"""What one inference carries of what made the model, and when serving has emitted more than making.

Per inference: ``(C_experiment + C_training) / N + C_inference + C_device``. All functions take scalars or arrays that
broadcast; *never* is infinity in arrays and None in documents.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from gramwise.core.errors import ConfigError
from gramwise.core.footprint import Phase
from gramwise.core.units import S_PER_YEAR
from gramwise.footprint.bill import DRAWS, HIGH_PERCENTILE, LOW_PERCENTILE, Line

from .account import Account, drawn, total_g, value_g
from .phases import Array, Value

DEVELOPMENT: tuple[Phase, ...] = ("data", "experimentation", "training", "tuning", "storage")
"""Phases that are paid before the first answer; the others recur with use."""


def per_inference_g(
    experiment_g: Value, training_g: Value, inferences: Value, inference_g: Value, device_g: Value
) -> Array:
    """Carbon of one inference with its part of development, g.

    Args:
        experiment_g, training_g: of the whole development, g.
        inferences: that the model answers in its life, above 0.
        inference_g, device_g: of one inference: its electricity, and its share of the device, g.
    """
    return np.asarray((np.asarray(experiment_g) + training_g) / inferences + inference_g + device_g)


def break_even_inferences(development_g: Value, running_g: Value) -> Array:
    """Inferences after which serving has emitted what development did: ``development_g / running_g``; inf for never."""
    with np.errstate(divide="ignore", invalid="ignore"):
        count = np.asarray(development_g, dtype=float) / np.asarray(running_g, dtype=float)
    return np.where(
        np.asarray(running_g) > 0.0, count, np.where(np.asarray(development_g) > 0.0, np.inf, 0.0)
    )


def overtaking_inferences(
    development_g: Value, running_g: Value, other_g: Value, other_running_g: Value
) -> Array:
    """Inferences from which on another design stays the lower one.

    Args:
        development_g, running_g: of the first design: once, and for one inference, g.
        other_g, other_running_g: of the other.

    Returns:
        ``(other - development) / (running - other_running)``; 0 where the other is never the higher; inf where it does
        not become the lower, or leads at first and loses later.
    """
    dearer = np.asarray(other_g, dtype=float) - development_g
    cheaper = np.asarray(running_g, dtype=float) - other_running_g
    with np.errstate(divide="ignore", invalid="ignore"):
        count = dearer / cheaper
    return np.where(
        dearer <= 0.0, np.where(cheaper >= 0.0, 0.0, np.inf), np.where(cheaper > 0.0, count, np.inf)
    )


def time_until_s(inferences: Value, rate_per_s: Value, growth_frac_per_year: Value = 0.0) -> Array:
    """How long it takes to answer so many inferences, s.

    Args:
        inferences: 0 or more; inf gives inf.
        rate_per_s: at the start, above 0.
        growth_frac_per_year: of the rate, above -1: 0.5 is half as much again after a year.

    Returns:
        ``ln(1 + g N / r) / g`` with ``g = ln(1 + growth)`` a year; ``N / r`` without growth; inf where a shrinking rate
        never gets there.
    """
    count, rate = np.asarray(inferences, dtype=float), np.asarray(rate_per_s, dtype=float)
    g = np.log1p(np.asarray(growth_frac_per_year, dtype=float)) / S_PER_YEAR
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = g * count / rate
        grown = np.where(inside > -1.0, np.log1p(np.maximum(inside, -1.0)) / g, np.inf)
        return np.where(g == 0.0, count / rate, np.where(np.isinf(count), np.inf, grown))


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """When serving overtakes development.

    Attributes:
        development_g: once, g.
        running_g: of one inference, g.
        inferences, low, high: break-even number with its interval; None for never.
        at, low_at, high_at: the moments at the given rate, ISO 8601 UTC; None for never or beyond the calendar.
    """

    development_g: float
    running_g: float
    inferences: float | None
    low: float | None
    high: float | None
    at: str | None
    low_at: str | None
    high_at: str | None


def crossing(
    account: Account,
    inferences: float,
    *,
    start_s: float,
    rate_per_s: float,
    growth_frac_per_year: float = 0.0,
    draws: int = DRAWS,
    seed: int = 0,
) -> Crossing:
    """At how many inferences, and on what date, serving has emitted more than development.

    Args:
        account: of the whole life; lines that serve a phase of `DEVELOPMENT` are paid once, the others by use.
        inferences: that the account's serving lines cover, above 0.
        start_s: of serving, Unix seconds.
        rate_per_s: inferences a second at the start, above 0.
        growth_frac_per_year: of the rate, above -1.
        draws, seed: of the interval.

    Raises:
        ConfigError: a number out of its range.
    """
    for key, value, least in (
        ("inferences", inferences, 0.0),
        ("rate_per_s", rate_per_s, 0.0),
        ("growth_frac_per_year", growth_frac_per_year, -1.0),
    ):
        if not (np.isfinite(value) and value > least):
            raise ConfigError(
                f"this must be above {least:g}, not {value}.", key=key, fix="Write a finite number."
            )
    once, by_use = _split(account)
    at_values, at_draws = drawn(account.factors, draws, seed)
    development_g, running_g = value_g(once, at_values), value_g(by_use, at_values) / inferences
    count = float(break_even_inferences(development_g, running_g))
    spread = break_even_inferences(
        total_g(once, at_draws, draws), total_g(by_use, at_draws, draws) / inferences
    )
    low, high = np.percentile(spread, (LOW_PERCENTILE, HIGH_PERCENTILE), method="inverted_cdf")
    three = np.array([count, min(float(low), count), max(float(high), count)])
    moments = [_date(start_s + t) for t in time_until_s(three, rate_per_s, growth_frac_per_year).tolist()]
    counts = [c if np.isfinite(c) else None for c in three.tolist()]
    return Crossing(
        development_g=development_g,
        running_g=running_g,
        inferences=counts[0],
        low=counts[1],
        high=counts[2],
        at=moments[0],
        low_at=moments[1],
        high_at=moments[2],
    )


def _split(account: Account) -> tuple[list[Line], list[Line]]:
    once = [line for line in account.lines if account.serves.get(line.name, line.phase) in DEVELOPMENT]
    return once, [line for line in account.lines if line not in once]


def _date(time_s: Any) -> str | None:
    try:
        return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return None
