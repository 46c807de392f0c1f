"""Devices like this one: the energy of a workload from the energies of others on the same device, no latency known.

Two views of the same measurements, averaged as logarithms. *Neighbours*: every other device, shifted to the level of
this one, weighted by how alike the two rise and fall over the workloads both have; the weighted median that minimises
expected relative error. *Kriging*: a Gaussian process over the same distances with a linear trend, settings averaged by
marginal likelihood (Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, chapters 2 and 5). The
first is hard to fool, the second follows trends; together they did better than each (docs/method/operational.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from gramwise.core.errors import ConfigError, DataError
from gramwise.footprint.factors import factor

from .measured import TABLE, Profile
from .nonneg import Floats

LENGTHS = (0.1, 0.2, 0.4, 0.8)
AMPLITUDES = (0.1, 0.2, 0.4)
NOISES = (0.02, 0.05, 0.1)
TRENDS = (0.0, 0.5)
"""Settings of the process that are averaged over, all on the logarithm of energy: 0.1 is about ten per cent."""

LEVEL = 0.5
"""Prior standard deviation of the common level of ``ln E`` differences."""

KINSHIPS = (0.0, 0.1, 0.2)
"""Standard deviation of what devices under one runtime have in common, likewise averaged over."""

FEWEST_TO_KRIGE = 4
POLISH_ROUNDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A device that was measured.

    Attributes:
        energy_j: joules per inference by workload.
        runtime: the software it ran, coarse to fine, for instance ``("vendor compiler", "v8.0")``. Two devices are kin
            by the share of leading labels that are equal: compilers leave their mark on all chips they serve. Empty
            where it is not known.
    """

    energy_j: Profile
    runtime: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """An energy guessed from like devices.

    Attributes:
        energy_j: best guess.
        log_sd: standard deviation of its logarithm; None where there are too few devices to say.
        devices: how many stand behind it.
    """

    energy_j: float
    log_sd: float | None
    devices: int


def similar(known: Reference, pool: Sequence[Reference], workload: str) -> Estimate:
    """Energy of ``workload`` on a device with other workloads measured.

    Args:
        known: the device; its own figure for ``workload``, if any, is not looked at.
        pool: other devices. Repeats of one set of measurements count once.
        workload: asked about.

    Returns:
        The estimate, joules.

    Raises:
        DataError: nothing in common with any device that has ``workload``.
        ConfigError: an energy that is not positive.
    """
    with_it = [other for other in pool if workload in other.energy_j]
    names = [w for w in known.energy_j if w != workload and any(w in other.energy_j for other in with_it)]
    here = _logs(known.energy_j, names)
    table, runtimes = _comparable(names, with_it, workload)
    if not names or not len(table):
        raise DataError(f"no device that was measured on {workload!r} shares another workload with this one.")
    shared = np.isfinite(table[:, :-1]).any(axis=0)
    here, rows, there = here[shared], table[:, :-1][:, shared], table[:, -1]
    near = _neighbours(here, rows, there)
    if len(rows) < FEWEST_TO_KRIGE:
        return Estimate(energy_j=float(np.exp(near)), log_sd=None, devices=len(rows))
    middle, variance = _kriged(here, rows, there, _kin([*runtimes, known.runtime]))
    # Of a log-normal guess, exp(mean - variance) has the least expected |guess / truth - 1|.
    log_j = 0.5 * (near + middle - variance)
    return Estimate(energy_j=float(np.exp(log_j)), log_sd=float(np.sqrt(variance)), devices=len(rows))


def _logs(profile: Profile, names: Sequence[str]) -> Floats:
    for name, joules in profile.items():
        if not (joules > 0.0 and np.isfinite(joules)):
            raise ConfigError(f"must be positive, not {joules}.", key=name)
    return np.asarray(np.log([profile.get(name, np.nan) for name in names]), dtype=float)


def _comparable(
    names: Sequence[str], pool: Sequence[Reference], workload: str
) -> tuple[Floats, list[tuple[str, ...]]]:
    """ln J of devices that can be compared, shape (N, W + 1) with the asked workload last, and their runtimes."""
    needed = min(2, len(names))
    found: dict[tuple[float, ...], tuple[str, ...]] = {}
    for other in pool:
        row = _logs(other.energy_j, [*names, workload])
        if np.isfinite(row[-1]) and np.isfinite(row[:-1]).sum() >= needed:
            found.setdefault(tuple(np.nan_to_num(row, nan=np.inf)), other.runtime)
    table = np.array(list(found)).reshape(len(found), len(names) + 1)
    table[np.isinf(table)] = np.nan
    return table, list(found.values())


def _kin(runtimes: Sequence[tuple[str, ...]]) -> Floats:
    """How much of their runtime two devices share, shape (N, N): 1 on the diagonal."""
    shares = [
        [float(i == j) or _common(a, b) for j, b in enumerate(runtimes)] for i, a in enumerate(runtimes)
    ]
    return np.asarray(shares, dtype=float)


def _common(a: tuple[str, ...], b: tuple[str, ...]) -> float:
    equal = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        equal += 1
    return equal / max(len(a), len(b), 1)


def _apart(first: Floats, second: Floats, scale: float) -> tuple[float, float]:
    """Squared distance of two devices over the workloads both have, and how far the first lies above the second.

    The distance is of the shapes, plus a little for the level: a device of another league is less alike.
    """
    shared = np.isfinite(first) & np.isfinite(second)
    if not shared.any():
        return np.inf, 0.0
    difference = first[shared] - second[shared]
    above = float(difference.mean())
    shape = float(((difference - above) ** 2).sum()) / max(int(shared.sum()) - 1, 1)
    return shape + (scale * above) ** 2, above


def _neighbours(here: Floats, rows: Floats, there: Floats) -> float:
    scale, floor = (factor(TABLE, f"similar.{key}").value for key in ("level_weight", "floor"))
    apart = np.array([_apart(here, row, scale) for row in rows])
    guesses = there + apart[:, 1]
    # Relative error punishes a guess by how small the truth is, hence the second weight.
    weights = np.exp(guesses.mean() - guesses) / (apart[:, 0] + floor**2)
    order = np.argsort(guesses)
    reached = np.cumsum(weights[order])
    return float(guesses[order][np.searchsorted(reached, 0.5 * reached[-1])])


def _kriged(here: Floats, rows: Floats, there: Floats, kin: Floats) -> tuple[float, float]:
    """Mean and variance of ``ln E``."""
    scale = factor(TABLE, "similar.level_weight").value
    usual = _usual(rows, there)
    settled = np.vstack([rows, here]) - usual[:-1]
    level = np.nanmean(settled, axis=1)
    shape = np.nan_to_num(settled - level[:, None])  # a workload that was not measured is taken as usual
    features = np.column_stack([shape, scale * level])
    features = features - features[:-1].mean(axis=0)
    apart2 = np.array([[_apart(a, b, scale)[0] for b in settled] for a in settled])
    apart2[~np.isfinite(apart2)] = apart2[np.isfinite(apart2)].max()
    alike = {length: _matern(apart2, length) for length in LENGTHS}
    settings = list(product(LENGTHS, AMPLITUDES, NOISES, TRENDS, KINSHIPS))
    covariances = np.array(
        [
            amplitude**2 * alike[length] + trend**2 * features @ features.T + kinship**2 * kin + LEVEL**2
            for length, amplitude, _, trend, kinship in settings
        ]
    )
    noises = np.array([noise for _, _, noise, *_ in settings])
    evidence, means, variances = _posterior(covariances, there - usual[-1] - level[:-1], noises)
    weight = np.exp(evidence - evidence.max())
    weight /= weight.sum()
    mean = float(weight @ means)
    variance = float(weight @ (variances + means**2)) - mean**2
    return mean + float(level[-1] + usual[-1]), max(variance, 0.0)


def _usual(rows: Floats, there: Floats) -> Floats:
    """What each workload usually costs beside the others of its device, the asked one last, shape (W + 1,).

    The two-way fit ``ln E = level of the device + usual of the workload``, by turns, because devices have gaps.
    """
    table = np.column_stack([rows, there])
    usual = np.zeros(table.shape[1])
    for _ in range(POLISH_ROUNDS):
        level = np.nanmean(table - usual, axis=1, keepdims=True)
        usual = np.nanmedian(table - level, axis=0)
    return usual


def _matern(apart2: Floats, length: float) -> Floats:
    """Matern covariance of order 3/2, made positive semi-definite.

    Distances over unlike sets of workloads need not come from points in one space, so negative eigenvalues can occur.
    """
    r = np.sqrt(3.0 * apart2) / length
    values, vectors = np.linalg.eigh((1.0 + r) * np.exp(-r))
    kept: Floats = (vectors * np.clip(values, 1e-9, None)) @ vectors.T
    return kept


def _posterior(covariances: Floats, values: Floats, noises: Floats) -> tuple[Floats, Floats, Floats]:
    """Log evidence, mean and variance at the last point, each (S,), for S settings.

    Args:
        covariances: shape (S, N + 1, N + 1).
        values: at the first N points.
        noises: standard deviation of one measurement, (S,).
    """
    noise2 = noises[:, None, None] ** 2
    among = covariances[:, :-1, :-1] + noise2 * np.eye(len(values))
    lower = np.linalg.cholesky(among)
    white = np.linalg.solve(lower, np.broadcast_to(values[:, None], (len(noises), len(values), 1)))[..., 0]
    seen = np.linalg.solve(lower, covariances[:, :-1, -1:])[..., 0]
    half_log_det = np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(axis=1)
    evidence = -0.5 * (white**2).sum(axis=1) - half_log_det
    return evidence, (seen * white).sum(axis=1), covariances[:, -1, -1] + noises**2 - (seen**2).sum(axis=1)
