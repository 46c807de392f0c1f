"""Least squares with coefficients that cannot be negative, for a handful of columns, exactly and without a solver.

The answer of non-negative least squares is the plain least-squares answer on the columns that it uses, so with few
columns every choice of columns can be tried (Lawson and Hanson, "Solving Least Squares Problems", 1974, chapter 23,
gives the conditions). Energy and power models here have two to eight columns.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt

from gramwise.core.errors import ConfigError

Floats = npt.NDArray[np.float64]

MOST_COLUMNS = 10


def nonnegative(matrix: npt.ArrayLike, wanted: npt.ArrayLike) -> Floats:
    """Coefficients ``x >= 0`` that minimise ``|matrix @ x - wanted|``.

    Args:
        matrix: shape (N, C), C at most `MOST_COLUMNS`. Columns may differ by many orders of magnitude.
        wanted: shape (N,).

    Returns:
        Shape (C,). Of equally good answers, the one that uses fewest columns.

    Raises:
        ConfigError: no rows, shapes that do not fit, too many columns, something that is not finite.
    """
    a, b = np.asarray(matrix, dtype=float), np.asarray(wanted, dtype=float)
    if a.ndim != 2 or b.shape != a.shape[:1] or not b.size or a.shape[1] > MOST_COLUMNS:
        raise ConfigError(f"cannot fit {a.shape} to {b.shape}.", fix=f"At most {MOST_COLUMNS} columns.")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ConfigError("cannot fit values that are not finite.", fix="Leave out what was not measured.")
    size = np.linalg.norm(a, axis=0)
    size[size == 0.0] = 1.0
    scaled = a / size
    best, least = np.zeros(a.shape[1]), float(b @ b)
    for count in range(1, a.shape[1] + 1):
        for chosen in combinations(range(a.shape[1]), count):
            part, *_ = np.linalg.lstsq(scaled[:, chosen], b, rcond=None)
            if (part < 0.0).any():
                continue
            miss = float(np.sum((scaled[:, chosen] @ part - b) ** 2))
            if miss < least * (1.0 - 1e-12):
                best, least = np.zeros(a.shape[1]), miss
                best[list(chosen)] = part
    answer: Floats = best / size
    return answer


def nonnegative_relative(matrix: npt.ArrayLike, wanted: npt.ArrayLike) -> Floats:
    """As `nonnegative`, for the least squared *relative* error: each row is divided by what is wanted of it.

    Args:
        matrix: shape (N, C).
        wanted: shape (N,), positive.

    Raises:
        ConfigError: a wanted value that is not positive.
    """
    a, b = np.asarray(matrix, dtype=float), np.asarray(wanted, dtype=float)
    if not (b > 0.0).all():
        raise ConfigError("a relative error needs positive values.", fix="Leave out what was not measured.")
    return nonnegative(a / b[:, None], np.ones_like(b))
