"""The surest rung: a latency that somebody measured, times a power learned from other runs, plus a fixed energy.

    E = P_active t + E_fixed

Active power of one chip hardly moves between networks, so it is learned from the other workloads of the same system,
each first freed of what that workload usually does to power on *other* systems (median polish: Tukey, "Exploratory Data
Analysis", 1977, chapter 11; logarithms, medians, because a single bad log must not tilt the rest). ``E_fixed`` is paid
once per inference whatever the network: wake-up, sensor read, printing. How well this does is in
docs/method/operational.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gramwise.core.errors import ConfigError, DataError
from gramwise.footprint.factors import factor

from .nonneg import Floats, nonnegative

Profile = Mapping[str, float]
"""One number per workload of one system, each positive: watts or joules."""

TABLE = "operational"


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerFit:
    """What turns seconds of one device into joules.

    Attributes:
        active_w: power while it infers, above nothing: ``P_active``.
        fixed_j: energy of an inference that takes no time: ``E_fixed``.
        runs: how many measured runs stand behind it.
    """

    active_w: float
    fixed_j: float
    runs: int

    def energy_j(self, latency_s: npt.ArrayLike) -> Floats:
        """Joules of inferences, shape of ``latency_s`` (seconds)."""
        return np.asarray(self.active_w * np.asarray(latency_s, dtype=float) + self.fixed_j)


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedTime:
    """``E_fixed / P_active`` of boards like the one asked about: seconds, and how much they differ between boards."""

    time_s: float
    spread_s: float


def active_power_w(known: Profile, others: Sequence[Profile], workload: str) -> float:
    """Active power of a system on a workload that it was not measured on.

    ``ln P = median_w(ln P_w - b_w) + b_workload`` over the known workloads ``w``; ``b`` is the median deviation of a
    workload from its system's median power over the ``n`` other systems, times ``n / (n + n0)``.

    Args:
        known: watts by workload, of the system; ``workload`` itself is not looked at.
        others: watts by workload of other systems; those without ``workload`` still teach what the rest do.
        workload: asked about.

    Returns:
        Watts.

    Raises:
        DataError: no other workload is known.
        ConfigError: a power that is not positive.
    """
    logs = {w: _log(w, p) for w, p in known.items() if w != workload}
    if not logs:
        raise DataError(f"no power is known but that of {workload!r}: nothing to learn it from.")
    effects = workload_effects(others)
    settled = [value - effects.get(w, 0.0) for w, value in logs.items()]
    return float(np.exp(np.median(settled) + effects.get(workload, 0.0)))


def workload_effects(systems: Sequence[Profile]) -> dict[str, float]:
    """What each workload does to the logarithm of power, learned from systems with at least two workloads.

    Returns:
        By workload: the median over systems of (ln P - the system's median ln P), shrunk by ``n / (n + n0)``; ``n0``
        (row ``effects.trust_systems``) keeps what few systems say from being believed.
    """
    deviations: dict[str, list[float]] = {}
    for system in systems:
        if len(system) < 2:
            continue
        logs = {w: _log(w, p) for w, p in system.items()}
        middle = float(np.median(list(logs.values())))
        for w, value in logs.items():
            deviations.setdefault(w, []).append(value - middle)
    slow = factor(TABLE, "effects.trust_systems").value
    return {w: float(np.median(d)) * len(d) / (len(d) + slow) for w, d in deviations.items()}


def fit_power(latency_s: npt.ArrayLike, energy_j: npt.ArrayLike, prior: FixedTime | None = None) -> PowerFit:
    """Fit ``E = P t + E_fixed`` with ``P, E_fixed >= 0`` on relative error.

    Args:
        latency_s: shape (N,), positive.
        energy_j: shape (N,), positive.
        prior: what boards of the same kind have for ``E_fixed / P``; held against the runs with weights of one over
            squared error (runs: row ``fixed.noise_frac``; the prior: its spread). Without it, the runs alone speak,
            and a single run gives no ``E_fixed``.

    Raises:
        ConfigError: values that are not positive, lengths that differ, no run.
    """
    t, e = np.asarray(latency_s, dtype=float), np.asarray(energy_j, dtype=float)
    if t.shape != e.shape or t.ndim != 1 or not t.size:
        raise ConfigError(f"needs a latency for each energy, not {t.shape} for {e.shape}.", key="latency_s")
    for name, values in (("latency_s", t), ("energy_j", e)):
        if not (np.isfinite(values).all() and (values > 0.0).all()):
            raise ConfigError("must be positive.", key=name, fix="Leave out runs that were not measured.")
    if prior is None:
        columns = [t, np.ones_like(t)] if t.size > 1 else [t]
        found = nonnegative(np.column_stack(columns) / e[:, None], np.ones_like(e))
        return PowerFit(active_w=float(found[0]), fixed_j=float(found[1:].sum()), runs=t.size)
    noise_frac = factor(TABLE, "fixed.noise_frac").value
    runs = np.column_stack([t, np.ones_like(t)]) / e[:, None] / noise_frac
    watts = float(np.median(e / (t + prior.time_s)))
    for _ in range(5):  # the prior is on a ratio; its scale in joules needs the power, which settles at once
        held = np.array([-prior.time_s, 1.0]) / (watts * prior.spread_s)
        wanted = np.append(np.full(t.size, 1.0 / noise_frac), 0.0)
        power, fixed = (float(x) for x in nonnegative(np.vstack([runs, held]), wanted))
        watts = power or watts
    return PowerFit(active_w=power, fixed_j=fixed, runs=t.size)


def fixed_time(fits: Sequence[PowerFit]) -> FixedTime | None:
    """The prior that boards of one kind give for another of that kind; None from fewer than two that draw power.

    The spread is the standard deviation over boards, at least the row ``fixed.spread_frac`` of their median: two or
    three boards that agree by luck are not proof.
    """
    times = np.array([f.fixed_j / f.active_w for f in fits if f.active_w > 0.0])
    if times.size < 2 or not np.median(times) > 0.0:
        return None
    middle = float(np.median(times))
    least = factor(TABLE, "fixed.spread_frac").value * middle
    return FixedTime(time_s=middle, spread_s=max(float(times.std(ddof=1)), least))


def _log(workload: str, watts: float) -> float:
    if not (watts > 0.0 and np.isfinite(watts)):
        raise ConfigError(f"must be positive, not {watts}.", key=workload)
    return float(np.log(watts))
