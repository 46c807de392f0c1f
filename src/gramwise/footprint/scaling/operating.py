"""Operational phases as lines of a bill: work, idling while reserved, and a part of what nobody reserved."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import numpy as np

from gramwise.core.errors import ConfigError
from gramwise.core.footprint import Factor
from gramwise.core.series import Series
from gramwise.core.units import J_PER_KWH, S_PER_HOUR
from gramwise.footprint.bill import Formula, Line, Values

from .account import Account, merge
from .intensity import Intensity, find, one_kind, series_error
from .phases import PhaseSpec, it_energy_j

Row = tuple[str, tuple[str, ...], Formula, bool]


def phase_lines(
    phases: Sequence[PhaseSpec], zones: Mapping[str, Intensity | Series] | None = None
) -> Account:
    """Phases as lines of a bill.

    Args:
        phases: with names that differ.
        zones: intensity by zone; a zone that is not in it has the shipped annual mean, as the factor ``grid.ZONE``.

    Returns:
        A line for the work of each phase, one for idling while reserved, and where ``pool_reserved_frac`` is known one
        for its part of the pool's unreserved time. Idle is charged to the phase that reserved the machine.

    Raises:
        ConfigError: two phases of one name; a series without ``start``.
        MixedKinds: phases with intensities of different kinds.
        DataGap: a series that does not cover its phase.
    """
    found = [(p, p.intensity or find(p.zone or "", zones or {})) for p in phases]
    one_kind((p.name, intensity) for p, intensity in found)
    return merge(_account(p, intensity) for p, intensity in found)


@dataclass(frozen=True, slots=True)
class _Grid:
    """Intensity over a phase: factor times a constant for flat load, and times another for load that follows u(t)."""

    factor: Factor
    flat: float
    shaped: float


def _grid(p: PhaseSpec, intensity: Intensity) -> _Grid:
    shape = np.asarray(p.utilisation) if isinstance(p.utilisation, tuple) else np.ones(1)
    if isinstance(intensity.rate, Factor):
        return _Grid(intensity.rate, 1.0, float(np.mean(shape)))
    if p.start_s is None or p.hours is None:
        raise ConfigError(
            "an intensity that changes with time needs to know when the phase ran.",
            key=f"{p.name}.{'hours' if p.hours is None else 'start'}",
            fix='Write start = "2026-01-31T06:00+00:00" and hours.',
        )
    edges = p.start_s + np.linspace(0.0, p.hours * S_PER_HOUR, len(shape) + 1)
    rates = np.array([intensity.rate.mean(a, b) for a, b in pairwise(edges)])
    error = series_error(p.zone or p.name, intensity.rate)
    return _Grid(error, float(np.mean(rates)), float(np.mean(shape * rates)))


def _account(p: PhaseSpec, intensity: Intensity) -> Account:
    grid = _grid(p, intensity)
    rows = _rows(p)
    lines = [
        Line(
            name=name,
            phase=p.phase,
            factors=tuple(dict.fromkeys((*keys, p.pue.key, grid.factor.key))),
            carbon_g=_grams(energy, p.pue.key, grid.factor.key, grid.shaped if shaped else grid.flat),
            energy_j=_joules(energy, _mean_shape(p) if shaped else 1.0),
        )
        for name, keys, energy, shaped in rows
    ]
    own = (p.idle_w, p.max_w, p.average_w, p.energy_kwh, p.pool_reserved_frac)
    factors = [f for f in (*own, p.pue, grid.factor) if f is not None]
    if isinstance(p.utilisation, Factor):
        factors.append(p.utilisation)
    omitted = []
    if p.max_w is not None and p.pool_reserved_frac is None:
        omitted.append(f"{p.name}: idle time of the pool that nobody reserved (pool_reserved_frac)")
    return Account(lines, factors, omitted, dict.fromkeys((line.name for line in lines), p.phase))


def _rows(p: PhaseSpec) -> list[Row]:
    """Name, keys, joules before PUE at u = 1 or at the mean, and whether the load follows the parts of u."""
    if p.energy_kwh is not None:
        return [(p.name, (p.energy_kwh.key,), _times(J_PER_KWH, p.energy_kwh.key), False)]
    seconds = float(it_energy_j(cast(float, p.devices), cast(float, p.hours), 1.0))
    if p.average_w is not None:
        return [(p.name, (p.average_w.key,), _times(seconds, p.average_w.key), False)]
    idle, most = cast(Factor, p.idle_w).key, cast(Factor, p.max_w).key
    used = p.utilisation.key if isinstance(p.utilisation, Factor) else None

    def work(v: Values) -> Any:
        # The ends of two intervals may cross where the best estimates do not; nothing gives energy back.
        over = np.maximum(v[most] - v[idle], 0.0)
        return seconds * over * (v[used] if used else 1.0)

    keys: tuple[str, ...] = (idle, most, used) if used else (idle, most)
    rows: list[Row] = [
        (p.name, keys, work, used is None),
        (f"{p.name}, idle while reserved", (idle,), _times(seconds, idle), False),
    ]
    if p.pool_reserved_frac is not None:
        reserved = p.pool_reserved_frac.key
        rows.append(
            (
                f"{p.name}, idle of the pool",
                (idle, reserved),
                lambda v: seconds * v[idle] * (1.0 / v[reserved] - 1.0),
                False,
            )
        )
    return rows


def _mean_shape(p: PhaseSpec) -> float:
    return math.fsum(p.utilisation) / len(p.utilisation) if isinstance(p.utilisation, tuple) else 1.0


def _times(by: float, key: str) -> Formula:
    return lambda v: by * v[key]


def _joules(energy: Formula, by: float) -> Formula:
    return lambda v: by * energy(v)


def _grams(energy: Formula, pue: str, grid: str, weight: float) -> Formula:
    return lambda v: energy(v) * v[pue] * v[grid] * (weight / J_PER_KWH)
