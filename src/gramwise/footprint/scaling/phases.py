"""Operational carbon of the phases of a model's life: what machines draw while reserved, times PUE, times intensity.

The model is that of Wu et al., "Beyond Efficiency: Scaling AI Sustainably" (IEEE Micro 44(5), 2024, arXiv 2406.05303)
as restated in docs/method/scaling.md: ``C = sum_t E_IT(t) PUE CI(zone, t)`` with
``E_IT = devices hours (P_idle + u (P_max - P_idle))``. A phase may also be told by its mean power, or by its energy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from gramwise.core.errors import ConfigError
from gramwise.core.footprint import EMBODIED, PHASES, Factor, Phase
from gramwise.core.quantity import Basis, Signal
from gramwise.core.units import J_PER_KWH, S_PER_HOUR
from gramwise.footprint.reading import Table

from .intensity import G_PER_KWH, Intensity

Array = npt.NDArray[np.float64]
Value = float | Array

OPERATIONAL: tuple[Phase, ...] = tuple(p for p in PHASES if p not in EMBODIED)

_POWER = ("idle_w", "max_w", "utilisation_frac")
_KEYS = (
    "name", "phase", "zone", "intensity_g_per_kwh", "signal", "basis", "pue", "devices", "hours", *_POWER,
    "average_w", "energy_kwh", "method", "pool_reserved_frac", "start",
)  # fmt: skip


def mean_power_w(idle_w: Value, max_w: Value, utilisation_frac: Value) -> Array:
    """Mean power of one machine that is busy a share of the time, W.

    Args:
        idle_w, max_w: power at rest and at full load, W.
        utilisation_frac: 0 to 1. Scalars or arrays that broadcast.

    Returns:
        ``P_idle + u (P_max - P_idle)``: linear between the two, as in Barroso and Hoelzle, "The Case for
        Energy-Proportional Computing", IEEE Computer 40(12), 2007.
    """
    return np.asarray(idle_w + np.asarray(utilisation_frac) * (np.asarray(max_w) - idle_w))


def it_energy_j(devices: Value, hours: Value, power_w: Value) -> Array:
    """Energy of machines over the hours they are reserved, before PUE, J: ``devices x hours x 3600 x power_w``."""
    return np.asarray(np.asarray(devices) * hours * S_PER_HOUR * power_w)


def operational_g(energy_j: Array, intensity_g_per_kwh: Array, pue: Array | float) -> Array:
    """Carbon of energy that was drawn over steps of time: ``sum_t E(t) PUE CI(t)``, g.

    Args:
        energy_j: before PUE, shape (..., T), J.
        intensity_g_per_kwh: shape (..., T), of one kind, g/kWh.
        pue: scalar or shape (..., T), at least 1.

    Returns:
        Shape (...).
    """
    return np.asarray(np.sum(energy_j * pue * intensity_g_per_kwh, axis=-1) / J_PER_KWH)


def idle_owed_j(idle_j: float, reserved_h: Array) -> Array:
    """Split the idle energy of a pool among those who reserved it, in proportion to reserved time.

    Args:
        idle_j: idle energy of the whole pool, J.
        reserved_h: hours by owner, shape (N,), at least one above 0.

    Returns:
        Shape (N,), J; sums to ``idle_j``.

    Raises:
        ConfigError: nobody reserved anything, or somebody less than nothing.
    """
    hours = np.asarray(reserved_h, dtype=float)
    whole = float(hours.sum())
    if whole <= 0.0 or bool(np.any(hours < 0.0)):
        raise ConfigError(
            "idle time needs an owner.", key="reserved_h", fix="Give hours of 0 or more, one above 0."
        )
    return np.asarray(idle_j * hours / whole)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseSpec:
    """One operational phase. Exactly one of three says what was drawn: power and utilisation, mean power, or energy.

    Attributes:
        name: for the bill; unique.
        phase: one of `OPERATIONAL`.
        zone: whose intensity holds; or
        intensity: the intensity itself.
        pue: of the site, at least 1; exactly 1 where ``energy_kwh`` was read at the site's own meter.
        devices, hours: how many machines were reserved and for how long each; None where ``energy_kwh`` is given.
        idle_w, max_w: of one machine, W.
        utilisation: mean, 0 to 1; or one value for each of T equal parts of ``hours``.
        average_w: mean power of one machine over ``hours``, W.
        energy_kwh: of the whole phase before PUE, kWh.
        pool_reserved_frac: share of the pool's hours that anybody reserved: its unreserved idle hours are owed too.
        start_s: Unix seconds; needed where the intensity is a series.
    """

    name: str
    phase: Phase
    pue: Factor
    zone: str | None = None
    intensity: Intensity | None = None
    devices: float | None = None
    hours: float | None = None
    idle_w: Factor | None = None
    max_w: Factor | None = None
    utilisation: Factor | tuple[float, ...] | None = None
    average_w: Factor | None = None
    energy_kwh: Factor | None = None
    pool_reserved_frac: Factor | None = None
    start_s: float | None = None

    @classmethod
    def from_mapping(
        cls, raw: Mapping[str, Any], where: str = "footprint.phases", file: str | Path | None = None
    ) -> PhaseSpec:
        """Read a ``[[footprint.phases]]`` table; docs/method/scaling.md lists its keys.

        Args:
            raw: keys and values.
            where, file: for errors.

        Raises:
            ConfigError: a key that is unknown, missing, out of range or at odds with another.
        """
        t = Table(raw, where, _KEYS, file)
        name = t.text("name")
        phase = cast(Phase, t.choice("phase", OPERATIONAL))
        forms = [form for form in ("energy_kwh", "average_w", "max_w") if t.has(form)]
        if len(forms) > 1:
            raise t.fault(forms[1], f"{forms[0]} says the same.", "Keep one of the two.")
        common: dict[str, Any] = {
            "name": name,
            "phase": phase,
            "pue": t.factor("pue", f"phase.{name}.pue", "1", least=1.0),
            "zone": None if t.has("intensity_g_per_kwh") else t.text("zone"),
            "intensity": _declared_intensity(t, name),
            "start_s": t.moment_s("start"),
        }
        if forms == ["energy_kwh"]:
            _refuse(t, ("idle_w", "utilisation_frac", "devices", "pool_reserved_frac"), "energy_kwh")
            energy = t.factor("energy_kwh", f"phase.{name}.energy_kwh", "kWh", rule=_rule(t))
            return cls(energy_kwh=energy, hours=t.exact("hours") if t.has("hours") else None, **common)
        common |= {"devices": t.exact("devices"), "hours": t.exact("hours")}
        if forms == ["average_w"]:
            _refuse(t, ("idle_w", "utilisation_frac", "pool_reserved_frac"), "average_w")
            return cls(
                average_w=t.factor("average_w", f"phase.{name}.average_w", "W", rule=_rule(t)), **common
            )
        _refuse(t, ("method",), "idle_w and max_w")
        t.need("utilisation_frac", "Utilisation is never guessed: write the share of full load, 0 to 1.")
        spec = cls(
            idle_w=t.factor("idle_w", f"phase.{name}.idle_w", "W", zero=True),
            max_w=t.factor("max_w", f"phase.{name}.max_w", "W"),
            utilisation=_utilisation(t, name),
            pool_reserved_frac=t.factor(
                "pool_reserved_frac", f"phase.{name}.pool_reserved_frac", "1", most=1.0
            )
            if t.has("pool_reserved_frac")
            else None,
            **common,
        )
        if spec.idle_w and spec.max_w and spec.idle_w.value > spec.max_w.value:
            raise t.fault(
                "idle_w", "a machine at rest draws more than at full load.", "Swap idle_w and max_w."
            )
        return spec


def _refuse(t: Table, keys: Sequence[str], beside: str) -> None:
    for key in keys:
        if t.has(key):
            raise t.fault(key, f"it has no meaning beside {beside}.", f"Leave out {key} or {beside}.")


def _rule(t: Table) -> str:
    """Rule of the interval of a plain number, by how it was come by."""
    return t.choice("method", ("measured", "modelled", "declared")) if t.has("method") else "declared"


def _declared_intensity(t: Table, name: str) -> Intensity | None:
    if not t.has("intensity_g_per_kwh"):
        for key in ("signal", "basis"):
            if t.has(key):
                raise t.fault(key, "the zone's intensity brings its own kind.", f"Leave out {key}.")
        return None
    if t.has("zone"):
        raise t.fault("zone", "intensity_g_per_kwh says the same.", "Keep one of the two.")
    signal = cast(Signal, t.choice("signal", ("average", "marginal")))
    basis = cast(Basis, t.choice("basis", ("lifecycle", "direct")))
    rate = t.factor("intensity_g_per_kwh", f"phase.{name}.intensity", G_PER_KWH, zero=True)
    return Intensity(rate=rate, signal=signal, basis=basis)


def _utilisation(t: Table, name: str) -> Factor | tuple[float, ...]:
    raw = t.raw["utilisation_frac"]
    if not isinstance(raw, list | tuple):
        return t.factor("utilisation_frac", f"phase.{name}.utilisation_frac", "1", most=1.0, zero=True)
    inside = all(isinstance(u, int | float) and not isinstance(u, bool) and 0.0 <= u <= 1.0 for u in raw)
    if not raw or not inside:
        raise t.fault("utilisation_frac", "each part must be from 0 to 1.", "Write at least one such number.")
    return tuple(float(u) for u in raw)
