"""The variance-preserving noise schedule of few-step diffusion, and the reverse step of a decision.

A decision x_0 in [-1, 1]^d is drowned in noise over T steps; the sampler walks back from t = T to 1. Steps are few
(3 to 6), so the schedule is coarse and its last value keeps only exp(-5.05) of the signal. Source: generative planning,
section 2.1 (bmin 0.1, bmax 10, as in the published codes of the two diffusion optimisers that we reproduce).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Form: TypeAlias = Literal["start", "noise"]
"""What the network predicts: the clean decision x_0 through tanh, or the noise through tanh."""

BETA_LOW, BETA_HIGH = 0.1, 10.0
EMBEDDING_WIDTH = 16


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """The numbers of every step; entry ``t - 1`` belongs to step ``t``.

    Attributes:
        beta: share of variance replaced by noise, (T,).
        kept: A_t, product of 1 - beta, (T,).
        pull: weight of the predicted x_0 in the mean of x_{t-1}, (T,).
        hold: weight of x_t in it, (T,).
        spread: deviation of the noise added on the way to x_{t-1}; 0 at t = 1, (T,).
    """

    beta: NDArray[np.float32]
    kept: NDArray[np.float32]
    pull: NDArray[np.float32]
    hold: NDArray[np.float32]
    spread: NDArray[np.float32]

    @property
    def steps(self) -> int:
        """T."""
        return len(self.beta)

    def noisy(self, start: Any, noise: Any, step: Any) -> Any:
        """x_t = sqrt(A_t) x_0 + sqrt(1 - A_t) e for steps ``t`` of shape (n,); start and noise are (n, d)."""
        kept = self.kept[step - 1][:, None]
        return np.sqrt(kept) * start + np.sqrt(1 - kept) * noise

    def start_of(self, noisy: Any, output: Any, step: int, form: Form) -> Any:
        """The x_0 that a network's squashed ``output`` stands for at step ``t``; not clipped.

        With ``noise`` the division by sqrt(A_t) amplifies errors, twelvefold at t = T: see `Form`.
        """
        if form == "start":
            return output
        kept = float(self.kept[step - 1])
        return (noisy - (1 - kept) ** 0.5 * output) / kept**0.5

    def mean(self, noisy: Any, start: Any, step: int) -> Any:
        """Mean of x_{t-1} given x_t and (a clipped guess of) x_0."""
        return float(self.pull[step - 1]) * start + float(self.hold[step - 1]) * noisy


def variance_preserving(steps: int) -> Schedule:
    """The schedule of ``steps`` steps.

    beta_t = 1 - exp(-bmin/T - (2t - 1)(bmax - bmin)/(2 T^2)); pull, hold and spread are those of the Gaussian
    posterior q(x_{t-1} | x_t, x_0).

    Args:
        steps: T, at least 1.
    """
    t = np.arange(1, steps + 1, dtype=np.float64)
    beta = -np.expm1(-BETA_LOW / steps - (2 * t - 1) * (BETA_HIGH - BETA_LOW) / (2 * steps**2))
    kept = np.cumprod(1 - beta)
    before = np.concatenate([[1.0], kept[:-1]])
    parts = (
        beta,
        kept,
        beta * np.sqrt(before) / (1 - kept),
        np.sqrt(1 - beta) * (1 - before) / (1 - kept),
        np.sqrt(beta * (1 - before) / (1 - kept)),
    )
    return Schedule(*(part.astype(np.float32) for part in parts))


def embedding(steps: int) -> NDArray[np.float32]:
    """Sines and cosines that name each step, (T, 16). For T up to 16 a linear layer can give every step its own offset,
    so that the small network that published codes put behind it is left out."""
    half = EMBEDDING_WIDTH // 2
    rates = np.exp(-np.log(10_000.0) * np.arange(half) / (half - 1))
    angles = np.arange(1, steps + 1)[:, None] * rates
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)
