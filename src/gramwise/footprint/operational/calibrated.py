"""A device with some kernels measured: roofline per family and precision, a learned residual, energy on top.

    t_roof = max(ops / rate, bytes / bandwidth) + t_launch          see `roofs`
    t      = t_roof exp(r(features))                                see `residual`
    E      = P_static t + e_op[precision] ops + e_byte bytes        coefficients >= 0, least relative error

The physical base extrapolates; the residual only corrects, and is kept only where it wins on models left out whole
(docs/method/operational.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gramwise.core.errors import ConfigError, DataError

from .kernels import Kernel
from .nonneg import Floats, nonnegative_relative
from .residual import Residual, fit_residual
from .roofs import Roof, Roofs, fit_roof


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A kernel that was measured.

    Attributes:
        kernel: what ran.
        time_s: mean over repeats, idle and warm-up left out.
        energy_j: likewise; None where only time was measured.
        model: which network it came from: models are held out whole. Empty for a kernel measured by itself.
    """

    kernel: Kernel
    time_s: float
    energy_j: float | None = None
    model: str = ""

    def __post_init__(self) -> None:
        for name in ("time_s", "energy_j"):
            value = getattr(self, name)
            if value is not None and not (value > 0.0 and np.isfinite(value)):
                raise ConfigError(f"must be positive, not {value}.", key=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyFit:
    """Joules: static power while it runs, per operation by precision, per byte moved."""

    static_w: float
    j_per_flop: Mapping[str, float]
    j_per_byte: float

    def energy_j(self, kernels: Sequence[Kernel], time_s: Floats) -> Floats:
        """Joules of kernels that take ``time_s`` (N,)."""
        ops, moved = _sizes(kernels)
        per_flop = np.array([_known(self.j_per_flop, k.precision, "energy") for k in kernels])
        return np.asarray(self.static_w * time_s + per_flop * ops + self.j_per_byte * moved)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFit:
    """Everything learned about one unit of a device.

    Attributes:
        roofs: by (family, precision).
        residuals: by family; a family without one is predicted by its roofs alone.
        energy: None where no sample had energy.
        time_error_frac, energy_error_frac: 90th percentile of the relative error over groups held out whole (models
            where samples name at least three, else fifths of the samples); None where that could not be tried.
        unseen: whether that error is of whole models left out.
    """

    roofs: Roofs
    residuals: Mapping[str, Residual]
    energy: EnergyFit | None
    time_error_frac: float | None = None
    energy_error_frac: float | None = None
    unseen: bool = False

    def time_s(self, kernels: Sequence[Kernel]) -> Floats:
        """Seconds of each kernel, shape (N,).

        Raises:
            DataError: a family at a precision that was never measured on this device; names it.
        """
        times = np.empty(len(kernels))
        for i, k in enumerate(kernels):
            roof = self.roofs.get((k.family, k.precision))
            if roof is None:
                known = ", ".join(f"{f} {p}" for f, p in sorted(self.roofs))
                raise DataError(f"no {k.family} kernel was measured at {k.precision}; only {known}.")
            times[i] = roof.time_s(np.array(k.ops_flop), np.array(k.moved_bytes))
            if k.family in self.residuals:
                times[i] *= float(np.exp(self.residuals[k.family]([k], self.roofs)[0]))
        return times

    def energy_j(self, kernels: Sequence[Kernel]) -> Floats:
        """Joules of each kernel, shape (N,).

        Raises:
            DataError: as `time_s`, or no energy was measured on this device.
        """
        if self.energy is None:
            raise DataError("no energy was measured on this device: its fit gives time only.")
        return self.energy.energy_j(kernels, self.time_s(kernels))


def fit_device(samples: Iterable[Sample]) -> DeviceFit:
    """Fit a unit of a device from measured kernels, and try the fit on groups that it did not see.

    Args:
        samples: at least three of each family and precision; 20 or more of a family, sizes spread log-uniformly, are
            needed for the residual to be worth having.

    Raises:
        ConfigError: too few samples of a family at a precision.
    """
    rows = list(samples)
    metered = [s for s in rows if s.energy_j is not None]
    fitted = _fit(rows)
    return DeviceFit(
        roofs=fitted.roofs,
        residuals=fitted.residuals,
        energy=fitted.energy,
        time_error_frac=_held_out(rows, lambda s: s.time_s, DeviceFit.time_s),
        energy_error_frac=_held_out(metered, lambda s: s.energy_j or np.nan, DeviceFit.energy_j),
        unseen=_folds(rows)[1] and (not metered or _folds(metered)[1]),
    )


def _fit(rows: Sequence[Sample]) -> DeviceFit:
    roofs: dict[tuple[str, str], Roof] = {}
    for key in dict.fromkeys((s.kernel.family, s.kernel.precision) for s in rows):
        part = [s for s in rows if (s.kernel.family, s.kernel.precision) == key]
        if len(part) < 3:
            raise ConfigError(
                f"{len(part)} samples of {key[0]} at {key[1]} are too few.", fix="Measure three or more."
            )
        ops, moved = _sizes([s.kernel for s in part])
        roofs[key] = fit_roof(ops, moved, np.array([s.time_s for s in part]))
    base = DeviceFit(roofs=roofs, residuals={}, energy=_fit_energy(rows))
    residuals = {}
    for family in dict.fromkeys(s.kernel.family for s in rows):
        part = [s for s in rows if s.kernel.family == family]
        kernels, folds = [s.kernel for s in part], _folds(part)[0]
        found = fit_residual(kernels, np.array([s.time_s for s in part]), base.time_s(kernels), roofs, folds)
        if found is not None:
            residuals[family] = found
    return DeviceFit(roofs=roofs, residuals=residuals, energy=base.energy)


def _fit_energy(rows: Sequence[Sample]) -> EnergyFit | None:
    metered = [s for s in rows if s.energy_j is not None]
    if len(metered) < 3:
        return None
    kernels = [s.kernel for s in metered]
    ops, moved = _sizes(kernels)
    precisions = list(dict.fromkeys(k.precision for k in kernels))
    by_precision = [ops * np.array([k.precision == p for k in kernels]) for p in precisions]
    columns = np.column_stack([[s.time_s for s in metered], moved, *by_precision])
    found = nonnegative_relative(columns, np.array([s.energy_j for s in metered], dtype=float))
    return EnergyFit(
        static_w=float(found[0]),
        j_per_byte=float(found[1]),
        j_per_flop=dict(zip(precisions, found[2:].tolist(), strict=True)),
    )


def _sizes(kernels: Sequence[Kernel]) -> tuple[Floats, Floats]:
    return np.array([k.ops_flop for k in kernels]), np.array([k.moved_bytes for k in kernels])


def _known(values: Mapping[str, float], precision: str, what: str) -> float:
    if precision not in values:
        raise DataError(f"no {what} was measured at {precision}; only at {', '.join(values)}.")
    return values[precision]


def _folds(rows: Sequence[Sample]) -> tuple[list[str], bool]:
    """A group for each sample, and whether groups are whole models."""
    models = {s.model for s in rows}
    if len(models) >= 3 and "" not in models:
        return [s.model for s in rows], True
    return [str(i % 5) for i in range(len(rows))], False


def _held_out(
    rows: Sequence[Sample],
    measured: Callable[[Sample], float],
    predicted: Callable[[DeviceFit, Sequence[Kernel]], Floats],
) -> float | None:
    """90th percentile of the relative error of group totals; None where a group cannot be predicted from the rest."""
    folds, _ = _folds(rows)
    errors = []
    for group in dict.fromkeys(folds):
        inside = [s for s, f in zip(rows, folds, strict=True) if f == group]
        outside = [s for s, f in zip(rows, folds, strict=True) if f != group]
        try:
            guess = predicted(_fit(outside), [s.kernel for s in inside])
        except (ConfigError, DataError):
            return None
        errors.append(abs(float(guess.sum()) / sum(measured(s) for s in inside) - 1.0))
    return float(np.percentile(errors, 90)) if errors else None
