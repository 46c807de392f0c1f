"""The critic-trained reproductions: they run, they learn, they collapse as was found, and their absence is told."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from gramwise.core.errors import ConfigError
from gramwise.optimize.learned import autodiff, critic, discrete
from gramwise.optimize.learned.measure import at_random, health, measure
from gramwise.optimize.learned.network import forward, fresh, gradient
from gramwise.optimize.learned.samplers import Denoiser, squared_error
from gramwise.optimize.learned.schedule import EMBEDDING_WIDTH, embedding, variance_preserving
from gramwise.optimize.offload.assignment import Assignment
from gramwise.optimize.offload.case import Block
from gramwise.optimize.offload.powers import Powers

ABSENT, OWN = importlib.util.find_spec("jax") is None, "GRAMWISE_TEST_OWN_PROCESS"
needs_jax = pytest.mark.skipif(
    ABSENT or OWN not in os.environ,
    reason="JAX is absent: pip install 'gramwise[learn]'"
    if ABSENT
    else "run by test_in_a_process_of_its_own",
)


@pytest.mark.skipif(ABSENT or OWN in os.environ, reason="JAX is absent, or this is the process of its own")
def test_in_a_process_of_its_own() -> None:
    """JAX starts threads and warns at every fork from then on: tests that fork must not share its process."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(command, env={**os.environ, OWN: "1"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout


def test_absence_of_jax_names_the_install_command() -> None:
    """In a process of its own, where the import is barred."""
    code = (
        "import sys; sys.modules['jax'] = None\n"
        "from gramwise.core.errors import SourceUnavailable\n"
        "from gramwise.optimize.learned.critic import reproduce\n"
        "from gramwise.optimize.offload.powers import Powers\n"
        "try:\n    reproduce(Powers(3), 'mlp', updates=1, pool=4)\n"
        "except SourceUnavailable as fault:\n    print(fault)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'gramwise[learn]'" in done.stdout


def test_drawing_and_imitating_never_load_an_autodiff_library() -> None:
    code = (
        "import sys\n"
        "from gramwise.optimize.learned.imitate import Recipe, imitate\n"
        "from gramwise.optimize.offload.powers import Powers\n"
        "imitate(Powers(3), recipe=Recipe(pool=8, rounds=2, updates=1, batch=4))\n"
        "import gramwise.optimize.learned.critic, gramwise.optimize.learned.discrete\n"
        "print(sorted({'jax', 'torch'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_unknown_methods_are_named() -> None:
    with pytest.raises(ConfigError, match="gdm"):
        critic.reproduce(Powers(3), "gmd")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="published"):
        discrete.train(Assignment(3, 3), "publishd")  # type: ignore[arg-type]


def test_task_by_task_keeps_every_constraint_and_counts_the_excess() -> None:
    case = Assignment(5, 4)
    rng = np.random.default_rng(0)
    instances = case.sample(rng, 40)
    packing = case.packing(instances)

    def even(state: Any) -> Any:
        return np.full((len(state), 4), 0.25)

    seen, asked, taken, rewards = discrete.run(packing, even, rng, np.zeros(40, bool))
    assert seen.shape[:2] == asked.shape == taken.shape == rewards.shape == (40, 5)
    assert (case.violations(taken[:, None], instances) == 0).all()
    least = np.where(packing.allowed, packing.grams, np.inf).min(axis=2).sum(axis=1)
    grams = case.cost(taken[:, None], instances)[:, 0]
    assert rewards.sum(axis=1) == pytest.approx(-(grams - least) / least, rel=1e-4, abs=1e-6)


def test_transitions_look_three_rewards_ahead() -> None:
    seen = np.arange(10, dtype=np.float32).reshape(1, 5, 2)
    rewards = np.array([[1, 2, 4, 8, 16]], np.float32)
    states, _, sums, later, on = discrete._transitions(seen, np.zeros((1, 5), np.int64), rewards)
    assert sums.tolist() == [7, 14, 28, 24, 16]
    assert on.tolist() == [1, 1, 0, 0, 0]
    assert later[:2].tolist() == states[3:].tolist()


@needs_jax
def test_both_forwards_and_both_gradients_agree() -> None:
    jax = autodiff.library()
    rng = np.random.default_rng(0)
    layers, x = fresh((5, 16, 3), rng), rng.random((8, 5), dtype=np.float32)
    target = rng.uniform(-1, 1, (8, 3)).astype(np.float32)
    assert np.asarray(autodiff.forward(layers, x)) == pytest.approx(forward(layers, x), abs=1e-5)
    _, mine = gradient(layers, x, squared_error(target))
    theirs = jax.grad(lambda p: ((jax.numpy.tanh(autodiff.forward(p, x)) - target) ** 2).mean())(layers)
    for ours, other in zip(mine, theirs, strict=True):
        for a, b in zip(ours, other, strict=True):
            assert np.asarray(b) == pytest.approx(a, abs=1e-6)


@needs_jax
@pytest.mark.parametrize("form", ["start", "noise"])
def test_chain_and_sampler_have_the_same_law(form: Any) -> None:
    """One chain in JAX with gradients, one in NumPy: equal means and deviations of many draws."""
    jax, dim = autodiff.library(), 2
    layers = [
        (3 * w, b + 0.2) for w, b in fresh((dim + EMBEDDING_WIDTH + 1, 16, dim), np.random.default_rng(1))
    ]
    blocks = tuple(Block("choice", i, 1) for i in range(dim))
    features = np.ones((20_000, 1), np.float32)
    ours = Denoiser(blocks, layers, 4, form).draw(features[:1], 20_000, np.random.default_rng(0))[0]
    chain = autodiff.chain(
        layers, features, jax.random.key(0), variance_preserving(4), embedding(4), form, dim, clip=True
    )
    theirs = np.clip(np.asarray(chain), -1, 1)
    assert theirs.mean(axis=0) == pytest.approx(ours.mean(axis=0), abs=0.02)
    assert theirs.std(axis=0) == pytest.approx(ours.std(axis=0), abs=0.02)


@needs_jax
@pytest.mark.slow
@pytest.mark.parametrize("method", critic.METHODS)
def test_critic_trained_actors_beat_chance(method: Any) -> None:
    case = Assignment(4, 3)
    instances = case.sample(np.random.default_rng(50), 100)
    reference = case.reference(instances)
    actor = critic.reproduce(case, method, updates=240, batch=128, pool=500, seed=0)
    chance = measure(case, at_random(case.dim), instances, reference, k=1)
    got = measure(case, actor.draw, instances, reference, k=1)
    assert got["gap_mean_frac"] < chance["gap_mean_frac"]
    assert actor.cpu_s > 0
    assert actor.scored >= 240 * 128
    if method == "mlp":
        assert health(case, actor.draw, instances, reference)["distance"] == 0


@needs_jax
@pytest.mark.slow
@pytest.mark.parametrize("actor", ["mlp", "start"])
def test_discrete_actors_beat_the_untrained(actor: Any) -> None:
    """At three times the published rate, so that hundreds of updates can be seen to help."""
    case = Assignment(5, 4)
    instances = case.sample(np.random.default_rng(60), 60)
    grams = {}
    for updates in (2, 200):
        trained = discrete.train(case, actor, updates=updates, batch=128, pool=500, rate=3e-4, seed=0)
        decisions = trained.decide(instances, 4, np.random.default_rng(0))
        assert (case.violations(decisions, instances) == 0).all()
        grams[updates] = case.cost(decisions[:, :1], instances).mean()
    assert grams[200] < grams[2]


@needs_jax
@pytest.mark.slow
def test_discrete_diffusion_actor_answers_feasibly_and_not_always_the_same() -> None:
    case = Assignment(4, 3)
    instances = case.sample(np.random.default_rng(60), 20)
    trained = discrete.train(case, "published", updates=4, batch=32, pool=50, seed=0)
    decisions = trained.decide(instances, 6, np.random.default_rng(0))
    assert (case.violations(decisions, instances) == 0).all()
    assert (decisions != decisions[:, :1]).any()
