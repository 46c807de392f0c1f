"""What a fitted roofline leaves over, learned by ridge regression on a logarithmic scale.

It only corrects: outside what was seen it stays at the ends of what was seen, and it is kept only where it wins on
kernels held out by group (Hoerl and Kennard, "Ridge regression", Technometrics 12(1), 1970). Trees were not tried: they
hold an end value beyond what was seen, as the clip here does, and a few dozen kernels make few leaves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .kernels import Kernel
from .nonneg import Floats
from .roofs import Roofs

PENALTIES = (0.1, 1.0, 10.0, 100.0)
"""Ridge penalties that are tried on standardised features, beside no residual at all."""

OWN_FEATURES = ("ops", "bytes", "arithmetic share", "launch share")


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """``r = weights . (z, z^2 - 1) + offset`` with ``z = (x - mean) / scale``, clipped to what was seen in fitting.

    Squares because devices bend away from a roofline at both ends; the clip because squares run off beyond them.
    """

    names: tuple[str, ...]
    mean: Floats
    scale: Floats
    weights: Floats
    offset: float
    least: float
    most: float

    def __call__(self, kernels: Sequence[Kernel], roofs: Roofs) -> Floats:
        """ln(t / t_roof) of kernels, shape (N,)."""
        z = (_features(kernels, self.names, roofs) - self.mean) / self.scale
        return np.clip(_curved(z) @ self.weights + self.offset, self.least, self.most)


def fit_residual(
    kernels: Sequence[Kernel], time_s: Floats, roofs_s: Floats, roofs: Roofs, folds: Sequence[str]
) -> Residual | None:
    """The ridge that wins on held-out groups, or None where no residual does or there is too little to try it on.

    Args:
        kernels: of one family, N of them.
        time_s, roofs_s: measured and by the roofline alone, shape (N,).
        roofs: that gave ``roofs_s``.
        folds: group of each kernel; groups are held out whole.
    """
    names = _names(kernels)
    groups = np.array(folds)
    if len(kernels) < 2 * (2 * len(names) + 1) or len(set(folds)) < 3:
        return None
    if not (roofs_s > 0.0).all():  # a kernel without the work that its family's time was fitted on
        return None
    wanted = np.log(time_s) - np.log(roofs_s)

    def missed(penalty: float) -> float:
        total = 0.0
        for group in dict.fromkeys(folds):
            out = groups == group
            inside, outside = (
                [k for k, o in zip(kernels, out, strict=True) if o == flag] for flag in (True, False)
            )
            ridge = _ridge(outside, wanted[~out], names, penalty, roofs)
            total += float(np.abs(ridge(inside, roofs) - wanted[out]).sum())
        return total

    best = min(PENALTIES, key=missed)
    if missed(best) >= float(np.abs(wanted).sum()):
        return None
    return _ridge(kernels, wanted, names, best, roofs)


def _ridge(
    kernels: Sequence[Kernel], wanted: Floats, names: tuple[str, ...], penalty: float, roofs: Roofs
) -> Residual:
    x = _features(kernels, names, roofs)
    mean, scale = x.mean(axis=0), x.std(axis=0)
    scale[scale == 0.0] = 1.0
    z, offset = _curved((x - mean) / scale), float(wanted.mean())
    weights: Floats = np.asarray(
        np.linalg.solve(z.T @ z + penalty * np.eye(z.shape[1]), z.T @ (wanted - offset)), dtype=float
    )
    return Residual(
        names=names,
        mean=mean,
        scale=scale,
        weights=weights,
        offset=offset,
        least=float(wanted.min()),
        most=float(wanted.max()),
    )


def _curved(z: Floats) -> Floats:
    return np.hstack([z, z**2 - 1.0])


def _names(kernels: Sequence[Kernel]) -> tuple[str, ...]:
    return (*OWN_FEATURES, *dict.fromkeys(name for k in kernels for name in k.features))


def _features(kernels: Sequence[Kernel], names: tuple[str, ...], roofs: Roofs) -> Floats:
    """ln(1 + value), shape (N, F), but for the shares; a feature that a kernel does not have counts as zero."""
    others = names[len(OWN_FEATURES) :]
    rows = [
        [*np.log1p([k.ops_flop, k.moved_bytes]), *roofs[k.family, k.precision].shares(k)]
        + [math.log1p(k.features.get(n, 0.0)) for n in others]
        for k in kernels
    ]
    return np.array(rows, dtype=float).reshape(len(rows), len(names))
