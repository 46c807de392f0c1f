"""Guidance and memories of prices for the example fleets, invented and reproducible."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from gramwise.core.ahead import Guidance, class_of
from gramwise.core.decision import Request, Snapshot
from gramwise.core.series import Series

SLOT_S = 3600.0
AHEAD = [
    *("shadow-price", "fractions", "predictive", "budget", "two-choices"),
    *("lyapunov", "threshold", "k-search", "double-threshold"),
]
WAITING = ["predictive", "lyapunov", "threshold", "k-search", "double-threshold"]


def guide(snapshot: Snapshot, requests: list[Request], seed: int = 0, **changes: Any) -> Guidance:
    """Fractions, prices, shares and release moments by chance for the slot in which the snapshot was taken."""
    rng = np.random.default_rng([seed, 7])
    start_s = snapshot.at_s - SLOT_S * float(rng.uniform(0.0, 0.9))
    fractions, fresh, release = {}, {}, {}
    for key in dict.fromkeys(class_of(r) for r in requests):
        share = rng.random(len(snapshot.plans)) * (rng.random(len(snapshot.plans)) < 0.5)
        share[0] += 1e-3  # never nothing at all
        fractions[key] = share / share.sum()
        fresh[key] = float(rng.random())
        release[key] = start_s - 3.0 * SLOT_S * float(rng.random())
    usual: dict[str, Any] = {
        "start_s": start_s,
        "end_s": start_s + SLOT_S,
        "price_g_per_s": rng.random(len(snapshot.nodes)) * 0.02,
        "fractions": fractions,
        "fresh_frac": fresh,
        "release_before_s": release,
    }
    return Guidance(**usual | changes)


def series(values: list[float], end_s: float, step_s: float = SLOT_S) -> Series:
    """Hourly values, the last of which ends at ``end_s``."""
    return Series(
        times_s=tuple(end_s - step_s * (len(values) - i) for i in range(len(values))),
        values=tuple(values),
        end_s=end_s,
        unit="g/kWh",
        signal="average",
        basis="lifecycle",
        source="made up for tests",
    )


def remember(snapshot: Snapshot, seed: int = 0, hours: int = 48, swing: float = 0.5) -> dict[str, Series]:
    """The last hours of each zone around the present intensity, the present hour included."""
    rng = np.random.default_rng([seed, 8])
    by_zone: Mapping[str, float] = dict(
        zip(snapshot.zone, snapshot.intensity_g_per_kwh.tolist(), strict=True)
    )
    return {
        zone: series((now * rng.uniform(1 - swing, 1 + swing, hours)).tolist(), snapshot.at_s + 600.0)
        for zone, now in by_zone.items()
    }


def scaled(snapshot: Snapshot, factor: float) -> Snapshot:
    """Every intensity times a factor: now, remembered, and in the solver's prices."""
    changed: dict[str, Any] = {
        "intensity_g_per_kwh": snapshot.intensity_g_per_kwh * factor,
        "recent": {
            zone: dataclasses.replace(each, values=tuple(v * factor for v in each.values))
            for zone, each in snapshot.recent.items()
        },
    }
    if snapshot.guidance is not None:
        prices = snapshot.guidance.price_g_per_s * factor
        changed["guidance"] = dataclasses.replace(snapshot.guidance, price_g_per_s=prices)
    return dataclasses.replace(snapshot, **changed)
