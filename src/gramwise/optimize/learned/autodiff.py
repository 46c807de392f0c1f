"""The one place that knows JAX: gradients for the critic-trained reproductions. Nothing else in gramwise needs it.

Samplers are drawn from, and trained by self-imitation, in NumPy alone (`network`). JAX was chosen over torch by
measurement: faster updates, less than half the bytes, a quicker import (``benchmarks/autodiff_choice.py``). Layers are
the same lists of (weight, bias) on both sides, so that a trained actor is drawn from without JAX.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gramwise.core.errors import SourceUnavailable

from .network import BETA_1, BETA_2, TINY, Layers
from .schedule import Form, Schedule


def library() -> Any:
    """The module ``jax``, on the CPU.

    Raises:
        SourceUnavailable: it is not installed.
    """
    try:
        import jax
    except ImportError as error:
        raise SourceUnavailable(
            "training the critic-based forms needs JAX: pip install 'gramwise[learn]'"
        ) from error
    return jax


class State(NamedTuple):
    """Weights under training with Adam's two moments and the count of steps."""

    values: Any
    first: Any
    second: Any
    done: Any


def start(values: Any) -> State:
    """Weights (any nest of arrays) before the first step."""
    jax = library()
    held = jax.tree.map(jax.numpy.asarray, values)
    zero = jax.tree.map(jax.numpy.zeros_like, held)
    return State(held, zero, zero, jax.numpy.float32(0))


def descend(state: State, loss: Callable[[Any], Any], rate: float, decay: float = 0.0) -> State:
    """One step of AdamW (Loshchilov and Hutter, ICLR 2019) down the gradient of ``loss`` of the weights."""
    jax = library()
    grads = jax.grad(loss)(state.values)
    done = state.done + 1
    first = jax.tree.map(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, state.first, grads)
    second = jax.tree.map(lambda v, g: BETA_2 * v + (1 - BETA_2) * g * g, state.second, grads)
    scale = rate * jax.numpy.sqrt(1 - BETA_2**done) / (1 - BETA_1**done)
    values = jax.tree.map(
        lambda w, m, v: w - scale * m / (jax.numpy.sqrt(v) + TINY) - rate * decay * w,
        state.values,
        first,
        second,
    )
    return State(values, first, second, done)


def forward(layers: Any, x: Any) -> Any:
    """Outputs of a network; ReLU between layers, as in `network.forward`."""
    relu = library().nn.relu
    for weight, bias in layers[:-1]:
        x = relu(x @ weight + bias)
    return x @ layers[-1][0] + layers[-1][1]


def chain(
    layers: Any, features: Any, key: Any, schedule: Schedule, names: Any, form: Form, dim: int, *, clip: bool
) -> Any:
    """x_0 after all T denoising steps, (n, dim), differentiable by the layers.

    With ``clip`` the predicted x_0 is clipped to [-1, 1] outside the gradient's path: its value is clipped, its
    derivative is that of the unclipped one, so that answers at a bound can still move (section 2.5, pitfall 2).
    """
    jax = library()
    jnp, rows = jax.numpy, features.shape[0]
    keys = jax.random.split(key, schedule.steps + 1)
    x = jax.random.normal(keys[0], (rows, dim))
    for t in range(schedule.steps, 0, -1):
        named = jnp.broadcast_to(names[t - 1], (rows, names.shape[1]))
        output = jnp.tanh(forward(layers, jnp.concatenate([x, named, features], axis=1)))
        guess = schedule.start_of(x, output, t, form)
        if clip:
            guess = guess + jax.lax.stop_gradient(jnp.clip(guess, -1, 1) - guess)
        x = schedule.mean(x, guess, t)
        if t > 1:
            x = x + float(schedule.spread[t - 1]) * jax.random.normal(keys[t], (rows, dim))
    return x


def plain(layers: Any) -> Layers:
    """Layers as NumPy float32."""
    return [(np.asarray(w, dtype=np.float32), np.asarray(b, dtype=np.float32)) for w, b in layers]
