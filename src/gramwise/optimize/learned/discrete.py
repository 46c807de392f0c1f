"""The discrete diffusion actor-critic as published and in two repaired forms, beside the same with a plain network.

Tasks of family A arrive one by one; the state is the task, what is left of the sites, and what the waiting tasks would
like; the action is a site. The actor's diffusion chain ends in one logit a site, the critic gives one value a site, so
that the actor's gradient needs no sampling: loss = -(sum_a pi_a min Q_a + alpha H(pi)). Four actors on one loop:

    mlp             a network gives the logits: discrete SAC
    published       noise prediction through tanh, nothing clipped: the start noise is amplified twelvefold, so that
                    answers stay partly random
    clipped         the same with the predicted x_0 clipped to [-1, 1] and logits times 4
    start           x_0 prediction, clipped, logits times 4

Source: generative planning, 2.3 (arXiv 2303.13052 and its code, read, not copied). Deviations: a task-by-task problem
of our own instead of the published service selection (so the published rewards are not comparable), thousands of
updates instead of a million environment steps, ReLU for Mish, no network behind the step embedding, no discount within
an episode of known length. The entropy weight is the published one: with a tenth of it every actor settled on a poor
rule within 200 updates, before its critic knew better.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np

from gramwise.core.errors import ConfigError, did_you_mean
from gramwise.optimize.offload.packing import TINY as SLACK

from . import autodiff
from .network import Array, fresh
from .samplers import HIDDEN
from .schedule import EMBEDDING_WIDTH, embedding, variance_preserving

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from gramwise.optimize.offload.assignment import Assignment
    from gramwise.optimize.offload.packing import Packing

Actor: TypeAlias = Literal["mlp", "published", "clipped", "start"]
ACTORS: tuple[Actor, ...] = get_args(Actor)
ACTOR_RATE, CRITIC_RATE, ALPHA, TAU, AHEAD, TEMPERATURE = 1e-4, 1e-3, 0.05, 0.005, 3, 4.0

Policy: TypeAlias = "Callable[[Array], NDArray[Any]]"
"""From states (r, S) to probabilities of sites (r, M)."""


@dataclass(slots=True, kw_only=True)
class Dispatcher:
    """A trained actor.

    Attributes:
        decide: (instances, k, generator) to decisions (n, k, N); the first takes the likeliest site, the others draw.
        actor, seed, updates: what was trained.
        cpu_s: CPU-seconds, compiling included.
        scored: tasks placed during training.
    """

    decide: Callable[[Any, int, Any], NDArray[np.int64]]
    actor: Actor
    seed: int
    updates: int
    cpu_s: float
    scored: int


def states(packing: Packing, task: int, room: Any, shelf: Any) -> tuple[Array, NDArray[np.bool_]]:
    """What is seen when ``task`` comes, (r, S), and where it fits, (r, M).

    Costs are relative to the task's cheapest open site; of the waiting tasks, their mean cost there and their claim on
    what is left. A site without limit counts as wholly free.
    """
    grams, allowed = packing.grams, packing.allowed
    least = np.where(allowed, grams, np.inf).min(axis=2)
    dear = np.clip(np.log(np.maximum(grams, 1e-30) / least[..., None]) / 3, -1, 1)
    fits = (packing.load[:, task] <= room * (1 + SLACK)) & (
        packing.memory[:, task, None] <= shelf * (1 + SLACK)
    )
    fits &= allowed[:, task]
    waiting = packing.load[:, task:].sum(axis=1)
    heavy = packing.memory[:, task:].sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        parts = [
            dear[:, task],
            fits,
            dear[:, task:].mean(axis=1),
            allowed[:, task:].mean(axis=1),
            np.minimum(np.nan_to_num(room / waiting, posinf=2.0), 2.0) / 2,
            np.minimum(np.nan_to_num(shelf / heavy, posinf=2.0), 2.0) / 2,
            packing.load[:, task] / waiting,
            (least[:, task] / least.sum(axis=1))[:, None],
        ]
    at = np.full((len(grams), 1), task / grams.shape[1])
    return np.concatenate([*parts, at], axis=1).astype(np.float32), fits


def run(
    packing: Packing, policy: Policy, rng: Any, greedy: Any
) -> tuple[Array, NDArray[np.int64], NDArray[np.int64], Array]:
    """One episode a row: states (r, N, S), actions asked for (r, N), sites taken (r, N), rewards (r, N).

    A site that is full or barred is replaced by the last, which is open to all. The reward is minus the excess over
    the task's cheapest allowed site, by the sum of those over all tasks; an episode's sum is minus the relative excess
    over a cheap bound. ``greedy`` (r,) marks rows that take the likeliest site instead of drawing.
    """
    r, n, _ = packing.grams.shape
    row, room, shelf = np.arange(r), packing.room.copy(), packing.shelf.copy()
    least = np.where(packing.allowed, packing.grams, np.inf).min(axis=2)
    seen, asked, taken, rewards = [], np.empty((r, n), np.int64), np.empty((r, n), np.int64), np.empty((r, n))
    for task in range(n):
        state, fits = states(packing, task, room, shelf)
        chances = policy(state)
        drawn = (chances.cumsum(axis=1) > rng.random((r, 1)) * chances.sum(axis=1, keepdims=True)).argmax(
            axis=1
        )
        asked[:, task] = np.where(greedy, chances.argmax(axis=1), drawn)
        site = np.where(fits[row, asked[:, task]], asked[:, task], packing.grams.shape[2] - 1)
        room[row, site] -= packing.load[row, task, site]
        shelf[row, site] -= packing.memory[:, task]
        taken[:, task], rewards[:, task] = site, least[:, task] - packing.grams[row, task, site]
        seen.append(state)
    return (
        np.stack(seen, axis=1),
        asked,
        taken,
        (rewards / least.sum(axis=1, keepdims=True)).astype(np.float32),
    )


def train(
    case: Assignment,
    actor: Actor,
    *,
    updates: int = 2000,
    batch: int = 512,
    steps: int = 5,
    pool: int = 4000,
    rate: float = ACTOR_RATE,
    seed: int = 0,
) -> Dispatcher:
    """Train one of `ACTORS` on family A, a task at a time.

    Args:
        case: family and size.
        actor: which.
        updates: of actor and critic; ``batch / N`` new episodes are run for every second.
        batch: transitions in each.
        steps: T of a diffusion actor.
        pool: instances to practise on.
        rate: of the actor's steps; the published one needs thousands of updates to be seen.
        seed: of everything.

    Raises:
        ConfigError: no such actor.
        SourceUnavailable: JAX is not installed.
    """
    if actor not in ACTORS:
        raise ConfigError(f"there is no discrete actor {actor!r}.", fix=did_you_mean(actor, ACTORS))
    begun = time.process_time()
    jax = autodiff.library()
    rng = np.random.default_rng(seed)
    practice = case.packing(case.sample(rng, pool))
    width = states(practice, 0, practice.room, practice.shelf)[0].shape[1]
    logits, first = _actor(jax, actor, width, case.sites, steps, rng)
    held = autodiff.start(first)
    critics = autodiff.start([fresh((width, *HIDDEN, case.sites), rng) for _ in range(2)])
    target, update = critics.values, _update(jax, logits, rate)
    chances = jax.jit(lambda p, s, key: jax.nn.softmax(logits(p, s, key)))
    key, episodes = jax.random.key(seed), max(batch // case.tasks, 1)
    memory: list[tuple[Any, ...]] = []
    for done in range(0, updates, 2):
        key, draw_key = jax.random.split(key)
        rows = practice.rows(rng.integers(0, pool, episodes))
        policy = _policy(jax, chances, held.values, draw_key)
        seen, asked, _, rewards = run(rows, policy, rng, np.zeros(episodes, bool))
        memory.append(_transitions(seen, asked, rewards))
        for _ in range(min(2, updates - done)):
            key, step_key = jax.random.split(key)
            picked = [memory[i] for i in rng.integers(0, len(memory), 8)]
            every = [np.concatenate(column) for column in zip(*picked, strict=True)]
            some = rng.integers(0, len(every[0]), batch)
            held, critics, target = update(
                held, critics, target, step_key, *(column[some] for column in every)
            )
    spent = time.process_time() - begun
    values = held.values

    def decide(instances: Any, k: int, rng: Any) -> NDArray[np.int64]:
        n = len(instances)
        packing = case.packing(instances).rows(np.repeat(np.arange(n), k))
        policy = _policy(jax, chances, values, jax.random.key(int(rng.integers(1 << 31))))
        return run(packing, policy, rng, np.arange(n * k) % k == 0)[2].reshape(n, k, case.tasks)

    return Dispatcher(
        decide=decide,
        actor=actor,
        seed=seed,
        updates=updates,
        cpu_s=spent,
        scored=episodes * case.tasks * len(memory),
    )


def _policy(jax: Any, chances: Any, values: Any, key: Any) -> Policy:
    """The actor as a plain function; every call has noise of its own."""
    calls = 0

    def policy(state: Array) -> NDArray[Any]:
        nonlocal calls
        calls += 1
        return np.asarray(chances(values, state, jax.random.fold_in(key, calls)))

    return policy


def _transitions(seen: Array, asked: NDArray[np.int64], rewards: Array) -> tuple[Any, ...]:
    """State, action, sum of the next `AHEAD` rewards, the state after them, and whether the episode goes on there."""
    r, n, width = seen.shape
    sums, later, on = np.zeros_like(rewards), np.zeros_like(seen), np.zeros((r, n), np.float32)
    for t in range(n):
        sums[:, t] = rewards[:, t : t + AHEAD].sum(axis=1)
        if t + AHEAD < n:
            later[:, t], on[:, t] = seen[:, t + AHEAD], 1
    return (
        seen.reshape(-1, width),
        asked.reshape(-1),
        sums.reshape(-1),
        later.reshape(-1, width),
        on.reshape(-1),
    )


def _actor(jax: Any, actor: Actor, width: int, sites: int, steps: int, rng: Any) -> tuple[Any, Any]:
    """A function (layers, states, key) to logits, and weights."""
    if actor == "mlp":
        return lambda p, s, key: autodiff.forward(p, s), fresh((width, *HIDDEN, sites), rng)
    schedule, names = variance_preserving(steps), embedding(steps)
    clip, form = actor != "published", "start" if actor == "start" else "noise"
    sharper = TEMPERATURE if clip else 1.0

    def logits(p: Any, s: Any, key: Any) -> Any:
        return sharper * autodiff.chain(p, s, key, schedule, names, form, sites, clip=clip)  # type: ignore[arg-type]

    return logits, fresh((sites + EMBEDDING_WIDTH + width, *HIDDEN, sites), rng)


def _update(jax: Any, logits: Any, rate: float) -> Any:
    """One compiled update of twin critics, actor and the slow copies of the critics."""
    jnp = jax.numpy

    def worst(nets: Any, s: Any) -> Any:
        return jnp.minimum(autodiff.forward(nets[0], s), autodiff.forward(nets[1], s))

    def soft(p: Any, s: Any, key: Any) -> tuple[Any, Any]:
        log = jax.nn.log_softmax(logits(p, s, key))
        return jnp.exp(log), -(jnp.exp(log) * log).sum(axis=1)

    @jax.jit  # type: ignore[untyped-decorator, unused-ignore]
    def update(
        held: Any, critics: Any, target: Any, key: Any, s: Any, a: Any, r: Any, later: Any, on: Any
    ) -> Any:
        one, two = jax.random.split(key)
        chance, entropy = soft(held.values, later, one)
        goal = r + on * ((chance * worst(target, later)).sum(axis=1) + ALPHA * entropy)

        def miss(nets: Any) -> Any:
            rows = jnp.arange(len(a))
            return sum(((autodiff.forward(net, s)[rows, a] - goal) ** 2).mean() for net in nets)

        critics = autodiff.descend(critics, miss, CRITIC_RATE)
        value = worst(critics.values, s)

        def loss(p: Any) -> Any:
            chance, entropy = soft(p, s, two)
            return -((chance * value).sum(axis=1) + ALPHA * entropy).mean()

        held = autodiff.descend(held, loss, rate)
        target = jax.tree.map(lambda slow, new: (1 - TAU) * slow + TAU * new, target, critics.values)
        return held, critics, target

    return update
