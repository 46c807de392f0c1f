"""Faithful in form, small in size: the critic-trained diffusion optimiser for continuous decisions, and its rivals.

A learned critic Q(s, x) stands in for the objective, and an actor climbs it: ``gdm`` (x_0 prediction) and ``gdm-noise``
(noise prediction), a diffusion chain with gradients through all its steps; ``mlp``, a deterministic network; ``sac``, a
squashed Gaussian with learned entropy weight. ``ppo`` learns on-policy with a clipped ratio and a value as baseline.
They see the same features, the same decoder and the same number of scored decisions. Sources: GDMOPT form, generative
planning 2.2; SAC, Haarnoja et al., arXiv 1812.05905; PPO, Schulman et al., arXiv 1707.06347.

Deviations from the published codes are listed in `DEVIATIONS`. Own code throughout.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np

from gramwise.core.errors import ConfigError, did_you_mean

from . import autodiff
from .network import Array, Layers, forward, fresh
from .samplers import HIDDEN, Denoiser, Regressor
from .schedule import EMBEDDING_WIDTH, embedding, variance_preserving

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator

    from gramwise.optimize.offload.case import Case

Method: TypeAlias = Literal["gdm", "gdm-noise", "mlp", "sac", "ppo"]
METHODS: tuple[Method, ...] = get_args(Method)

RATE, DECAY, EXPLORE = 3e-4, 1e-4, 0.1
PPO_CLIP, PPO_EPOCHS, PPO_SHARE, PPO_LOG_STD = 0.2, 10, 8, -0.5
LOG_STD_LOW, LOG_STD_HIGH = -5.0, 1.0

DEVIATIONS = (
    "thousands of updates, where the published default is up to a million",
    "rate 3e-4 for actor and critic, where 1e-4 is published: fewer updates",
    "one-step episodes without a target critic: nothing is bootstrapped",
    "reward: grams below the mean of 16 random decisions, over their deviation, for each instance",
    "ReLU where Mish is published, and no network behind the step embedding",
    "exploration noise in training only; the published code adds it at test time and in the losses too",
    "the predicted x_0 is clipped outside the gradient's path",
)


@dataclass(slots=True, kw_only=True)
class Reproduced:
    """A critic-trained actor.

    Attributes:
        draw: (features, k, generator) to raw decisions (n, k, dim), in NumPy.
        method, seed, updates: what was trained.
        cpu_s: CPU-seconds, compiling included.
        scored: decisions whose true objective was asked for.
    """

    draw: Callable[[Array, int, Generator], Array]
    method: str
    seed: int
    updates: int
    cpu_s: float
    scored: int


class World:
    """Instances to practise on, with rewards of one scale."""

    def __init__(self, case: Case, size: int, rng: Generator) -> None:
        self.case, self.rng, self.instances = case, rng, case.sample(rng, size)
        raw = rng.uniform(-1, 1, (size, 16, case.dim)).astype(np.float32)
        grams = case.cost(case.decode(raw, self.instances), self.instances)
        self._mean, self._spread = grams.mean(axis=1), grams.std(axis=1) + 1e-12
        self.features, self.scored = case.features(self.instances), 16 * size

    def some(self, n: int) -> Any:
        """Rows of ``n`` random instances."""
        return self.rng.integers(0, len(self._mean), n)

    def reward(self, rows: Any, raw: Array) -> Array:
        """Of raw decisions (n, dim) for the instances ``rows``: (n,)."""
        chosen = self.instances.take(rows)
        grams = self.case.cost(self.case.decode(raw[:, None], chosen), chosen)[:, 0]
        self.scored += len(rows)
        return np.asarray((self._mean[rows] - grams) / self._spread[rows], dtype=np.float32)


def gaussian(
    layers: Layers, log_std: Array | None, dim: int, *, squash: bool
) -> Callable[[Array, int, Generator], Array]:
    """Draws from a Gaussian actor; the first of k is its mean. ``log_std`` is None where the network gives it too."""

    def draw(features: Array, k: int, rng: Generator) -> Array:
        out = forward(layers, features)
        mean, log = out[:, :dim], out[:, dim:] if log_std is None else log_std
        noise = rng.standard_normal((len(features), k, dim), dtype=np.float32)
        noise[:, 0] = 0
        std = np.exp(np.clip(log, LOG_STD_LOW, LOG_STD_HIGH))
        raw = mean[:, None] + noise * (std[:, None] if log_std is None else std)
        return np.asarray(np.tanh(raw) if squash else np.clip(raw, -1, 1), dtype=np.float32)

    return draw


def reproduce(
    case: Case,
    method: Method,
    *,
    updates: int = 4000,
    batch: int = 256,
    steps: int = 5,
    pool: int = 4000,
    seed: int = 0,
) -> Reproduced:
    """Train one of `METHODS` on a case.

    Args:
        case: family and size, with continuous raw decisions.
        method: which actor.
        updates: of the actor; as many batches of decisions are scored by the true objective.
        batch: decisions in each.
        steps: T of a diffusion actor.
        pool: instances to practise on.
        seed: of everything.

    Raises:
        ConfigError: no such method.
        SourceUnavailable: JAX is not installed.
    """
    if method not in METHODS:
        raise ConfigError(f"there is no critic-trained method {method!r}.", fix=did_you_mean(method, METHODS))
    begun = time.process_time()
    autodiff.library()
    world = World(case, pool, np.random.default_rng(seed))
    train = _on_policy if method == "ppo" else _off_policy
    draw = train(world, method, updates, batch, steps, seed)
    spent = time.process_time() - begun
    return Reproduced(draw=draw, method=method, seed=seed, updates=updates, cpu_s=spent, scored=world.scored)


def _off_policy(world: World, method: Method, updates: int, batch: int, steps: int, seed: int) -> Any:
    """Replay buffer, twin critics by squared error, actor up their minimum."""
    jax = autodiff.library()
    jnp, dim, width = jax.numpy, world.case.dim, world.features.shape[1]
    rng = world.rng
    act, first = _actor(jax, method, dim, width, steps, rng)
    actor = autodiff.start({"net": first, "log_alpha": np.float32(np.log(0.05))})
    critics = autodiff.start([fresh((width + dim, *HIDDEN, 1), rng) for _ in range(2)])

    def values(nets: Any, s: Any, x: Any) -> Any:
        return jnp.stack([autodiff.forward(net, jnp.concatenate([s, x], axis=1))[:, 0] for net in nets])

    @jax.jit  # type: ignore[untyped-decorator, unused-ignore]
    def update(actor: Any, critics: Any, key: Any, s: Any, x: Any, r: Any) -> Any:
        critics = autodiff.descend(critics, lambda nets: ((values(nets, s, x) - r) ** 2).mean(), RATE, DECAY)

        def loss(held: Any) -> Any:
            raw, log_p = act(held["net"], s, key)
            best = values(critics.values, s, raw).min(axis=0)
            if method != "sac":
                return -best.mean()
            alpha = jnp.exp(held["log_alpha"])
            still = jax.lax.stop_gradient
            return (still(alpha) * log_p - best).mean() - (alpha * still(log_p - dim)).mean()

        return autodiff.descend(actor, loss, RATE, DECAY), critics

    sample = jax.jit(lambda held, s, key: act(held["net"], s, key)[0])
    key = jax.random.key(seed)
    size = updates * batch
    held_x, held_r = np.empty((size, dim), np.float32), np.empty(size, np.float32)
    held_row = np.empty(size, np.int64)
    for done in range(updates):
        key, one, two = jax.random.split(key, 3)
        rows = world.some(batch)
        raw = np.array(sample(actor.values, world.features[rows], one))
        if method != "sac":
            raw += EXPLORE * rng.standard_normal(raw.shape, dtype=np.float32)
        raw = np.clip(raw, -1, 1)
        to = slice(done * batch, (done + 1) * batch)
        held_row[to], held_x[to], held_r[to] = rows, raw, world.reward(rows, raw)
        old = rng.integers(0, (done + 1) * batch, batch)
        actor, critics = update(actor, critics, two, world.features[held_row[old]], held_x[old], held_r[old])
    layers = autodiff.plain(actor.values["net"])
    if method == "sac":
        return gaussian(layers, None, dim, squash=True)
    if method == "mlp":
        return Regressor(world.case.blocks, layers, shake=0.0).draw
    return Denoiser(world.case.blocks, layers, steps, "start" if method == "gdm" else "noise").draw


def _actor(jax: Any, method: Method, dim: int, width: int, steps: int, rng: Generator) -> tuple[Any, Layers]:
    """A function (layers, features, key) to raw decisions and their log-density (0 where it has none), and weights."""
    jnp = jax.numpy
    if method == "mlp":
        return lambda p, s, key: (jnp.tanh(autodiff.forward(p, s)), 0.0), fresh((width, *HIDDEN, dim), rng)
    if method == "sac":

        def squashed(p: Any, s: Any, key: Any) -> Any:
            mean, log = jnp.split(autodiff.forward(p, s), 2, axis=1)
            log = jnp.clip(log, LOG_STD_LOW, LOG_STD_HIGH)
            z = jax.random.normal(key, mean.shape)
            u = mean + jnp.exp(log) * z
            # log(1 - tanh(u)^2) in a form that does not underflow.
            slope = 2 * (jnp.log(2.0) - u - jax.nn.softplus(-2 * u))
            return jnp.tanh(u), (-0.5 * z * z - log - 0.5 * jnp.log(2 * jnp.pi) - slope).sum(axis=1)

        return squashed, fresh((width, *HIDDEN, 2 * dim), rng)
    schedule, names = variance_preserving(steps), embedding(steps)
    form: Any = "start" if method == "gdm" else "noise"

    def walk(p: Any, s: Any, key: Any) -> Any:
        return autodiff.chain(p, s, key, schedule, names, form, dim, clip=True), 0.0

    return walk, fresh((dim + EMBEDDING_WIDTH + width, *HIDDEN, dim), rng)


def _on_policy(world: World, method: Method, updates: int, batch: int, steps: int, seed: int) -> Any:
    """PPO: as many scored decisions as the others, `PPO_EPOCHS` passes over each collected set."""
    del method, steps, seed
    jax = autodiff.library()
    jnp, dim, rng = jax.numpy, world.case.dim, world.rng
    width = world.features.shape[1]
    held = {
        "net": fresh((width, *HIDDEN, dim), rng),
        "log_std": np.full(dim, PPO_LOG_STD, np.float32),
        "value": fresh((width, *HIDDEN, 1), rng),
    }
    state = autodiff.start(held)

    def log_p(held: Any, s: Any, x: Any) -> Any:
        z = (x - autodiff.forward(held["net"], s)) * jnp.exp(-held["log_std"])
        return (-0.5 * z * z - held["log_std"]).sum(axis=1)

    @jax.jit  # type: ignore[untyped-decorator, unused-ignore]
    def update(state: Any, s: Any, x: Any, r: Any, gain: Any, before: Any) -> Any:
        def loss(held: Any) -> Any:
            ratio = jnp.exp(log_p(held, s, x) - before)
            kept = jnp.clip(ratio, 1 - PPO_CLIP, 1 + PPO_CLIP)
            off = autodiff.forward(held["value"], s)[:, 0] - r
            return -jnp.minimum(ratio * gain, kept * gain).mean() + 0.5 * (off * off).mean()

        return autodiff.descend(state, loss, RATE)

    before_of = jax.jit(log_p)
    value_of = jax.jit(lambda held, s: autodiff.forward(held["value"], s)[:, 0])
    mean_of = jax.jit(lambda held, s: autodiff.forward(held["net"], s))
    for _ in range(updates // PPO_SHARE):
        rows = world.some(batch * PPO_SHARE)
        s = world.features[rows]
        std = np.exp(np.asarray(state.values["log_std"]))
        x = np.asarray(mean_of(state.values, s)) + std * rng.standard_normal(
            (len(rows), dim), dtype=np.float32
        )
        r = world.reward(rows, np.clip(x, -1, 1))
        before = np.asarray(before_of(state.values, s, x))
        gain = r - np.asarray(value_of(state.values, s))
        gain = (gain - gain.mean()) / (gain.std() + 1e-8)
        for _ in range(PPO_EPOCHS):
            for part in np.split(rng.permutation(len(rows)), PPO_SHARE):
                state = update(state, s[part], x[part], r[part], gain[part], before[part])
    log_std = np.asarray(state.values["log_std"], dtype=np.float32)
    return gaussian(autodiff.plain(state.values["net"]), log_std, dim, squash=False)
