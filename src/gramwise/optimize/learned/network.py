"""A small multilayer perceptron with its gradient written out, and Adam: what training without a critic needs.

Self-imitation is plain regression, so that it takes no autodiff library; a sampler trains wherever NumPy runs. Measured
against JAX and torch in ``benchmarks/autodiff_choice.py``. Source of Adam: D. P. Kingma and J. Ba, ICLR 2015,
algorithm 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float32]
Layers: TypeAlias = list[tuple[Array, Array]]
Slope: TypeAlias = Callable[[Array], tuple[float, Array]]
"""From a network's outputs (n, out) to the loss and its derivative by each output."""

BETA_1, BETA_2, TINY = 0.9, 0.999, 1e-8


def fresh(widths: Sequence[int], rng: Generator) -> Layers:
    """Random weights for layers of the given widths, inputs first: variance 2 / inputs (He et al., ICCV 2015).

    The last layer has deviation 0.1 / sqrt(inputs), so that first outputs are near zero and undecided.
    """
    layers = []
    for at, (n_in, n_out) in enumerate(pairwise(widths)):
        scale = 0.1 / n_in**0.5 if at == len(widths) - 2 else (2 / n_in) ** 0.5
        weight = (scale * rng.standard_normal((n_in, n_out))).astype(np.float32)
        layers.append((weight, np.zeros(n_out, np.float32)))
    return layers


def forward(layers: Layers, x: Array) -> Array:
    """Outputs (n, out) of inputs (n, in); ReLU between layers."""
    for weight, bias in layers[:-1]:
        x = x @ weight
        x += bias
        np.maximum(x, 0, out=x)
    return np.asarray(x @ layers[-1][0] + layers[-1][1], dtype=np.float32)


def gradient(layers: Layers, x: Array, slope: Slope) -> tuple[float, Layers]:
    """Loss at inputs (n, in), and its derivative by every weight and bias."""
    inputs = [x]
    for weight, bias in layers[:-1]:
        h = inputs[-1] @ weight
        h += bias
        np.maximum(h, 0, out=h)
        inputs.append(h)
    loss, delta = slope(inputs[-1] @ layers[-1][0] + layers[-1][1])
    found: Layers = []
    for at in range(len(layers) - 1, -1, -1):
        found.append((inputs[at].T @ delta, delta.sum(axis=0)))
        if at:
            delta = delta @ layers[at][0].T
            delta *= inputs[at] > 0
    return loss, found[::-1]


class Learner:
    """Adam over one network's layers, which it changes in place."""

    def __init__(self, layers: Layers, rate: float) -> None:
        self.layers, self.rate, self._done = layers, rate, 0
        self._moments: list[Any] = [[np.zeros_like(a) for a in pair] for pair in layers]
        self._squares: list[Any] = [[np.zeros_like(a) for a in pair] for pair in layers]

    def update(self, x: Array, slope: Slope, *, rate: float | None = None) -> float:
        """One step downhill on a batch; returns the loss before it."""
        loss, found = gradient(self.layers, x, slope)
        self._done += 1
        scale = (rate or self.rate) * (1 - BETA_2**self._done) ** 0.5 / (1 - BETA_1**self._done)
        for pair, grads, first, second in zip(self.layers, found, self._moments, self._squares, strict=True):
            for values, grad, m, v in zip(pair, grads, first, second, strict=True):
                m *= BETA_1
                m += (1 - BETA_1) * grad
                v *= BETA_2
                v += (1 - BETA_2) * grad * grad
                values -= np.float32(scale) * m / (np.sqrt(v) + TINY)
        return loss
