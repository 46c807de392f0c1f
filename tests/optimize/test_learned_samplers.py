"""The noise schedule against published check values, gradients against differences, samplers against exact families."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gramwise.core.errors import ConfigError
from gramwise.optimize.learned.imitate import Pool, Recipe, imitate
from gramwise.optimize.learned.measure import at_random, health, interval, measure
from gramwise.optimize.learned.network import Learner, forward, fresh, gradient
from gramwise.optimize.learned.samplers import KINDS, Denoiser, load, new, save
from gramwise.optimize.learned.schedule import embedding, variance_preserving
from gramwise.optimize.offload.assignment import Assignment
from gramwise.optimize.offload.case import Block
from gramwise.optimize.offload.powers import Powers

MIXED = (Block("choice", 0, 3), Block("switch", 3, 1), Block("real", 4, 1))


@pytest.mark.parametrize(
    ("steps", "beta"),
    [(3, (0.4420, 0.8142, 0.9382)), (5, (0.1959, 0.4588, 0.6358, 0.7549, 0.8350))],
)
def test_schedule_has_the_published_values(steps: int, beta: tuple[float, ...]) -> None:
    schedule = variance_preserving(steps)
    assert schedule.beta == pytest.approx(beta, abs=5e-5)
    assert float(schedule.kept[-1]) == pytest.approx(math.exp(-5.05), rel=1e-5)


@pytest.mark.parametrize("steps", [1, 3, 6])
def test_true_start_leads_back_to_it(steps: int) -> None:
    """The last step keeps nothing of the noise, and every mean has the moments of the forward process."""
    schedule = variance_preserving(steps)
    assert schedule.spread[0] == 0
    assert schedule.pull[0] == pytest.approx(1, rel=1e-6)
    assert schedule.hold[0] == pytest.approx(0, abs=1e-6)
    before = np.concatenate([[1.0], schedule.kept[:-1]])
    # E x_{t-1} = sqrt(A_{t-1}) x_0 and Var x_{t-1} = 1 - A_{t-1} must follow from those of x_t.
    assert schedule.pull + schedule.hold * np.sqrt(schedule.kept) == pytest.approx(np.sqrt(before), rel=1e-5)
    spread = schedule.hold**2 * (1 - schedule.kept) + schedule.spread**2
    assert spread == pytest.approx(1 - before, abs=1e-6)


def test_noise_and_start_say_the_same() -> None:
    schedule, rng = variance_preserving(5), np.random.default_rng(0)
    start, noise = rng.uniform(-1, 1, (7, 4)), rng.standard_normal((7, 4))
    for t in range(1, 6):
        noisy = schedule.noisy(start, noise, np.full(7, t))
        assert schedule.start_of(noisy, noise, t, "noise") == pytest.approx(start, abs=1e-4)


def test_steps_have_different_names() -> None:
    names = embedding(6)
    assert min(np.abs(a - b).max() for a, b in itertools.combinations(names, 2)) > 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_is_that_of_the_loss(kind: Any) -> None:
    rng = np.random.default_rng(1)
    sampler = new(kind, MIXED, 4, rng, hidden=(9, 8))
    layers = [(w.astype(np.float64) * 3, b.astype(np.float64) + 0.1) for w, b in sampler.layers]
    target = np.array([[1, -1, -1, 1, 0.3], [-1, 1, -1, -1, -0.9]], dtype=np.float32)
    x, slope = sampler.lesson(rng.random((2, 4), dtype=np.float32), target, rng)
    x = x.astype(np.float64)
    _, found = gradient(layers, x, slope)  # type: ignore[arg-type]
    for at, part, place in [(0, 0, (3, 2)), (1, 0, (4, 4)), (1, 1, (3,)), (2, 0, (5, 1)), (2, 1, (0,))]:
        both = []
        for sign in (1, -1):
            moved = [[a.copy() for a in pair] for pair in layers]
            moved[at][part][place] += sign * 1e-5
            both.append(gradient(moved, x, slope)[0])  # type: ignore[arg-type]
        assert found[at][part][place] == pytest.approx((both[0] - both[1]) / 2e-5, rel=1e-4, abs=1e-8)


def test_adam_fits_a_line() -> None:
    rng = np.random.default_rng(2)
    x = rng.random((200, 2), dtype=np.float32)
    wanted = (x @ np.array([[1.0], [-0.5]], np.float32)) * 0.5
    learner = Learner(fresh((2, 16, 1), rng), 1e-2)
    losses = [
        learner.update(
            x, lambda y: (float(((y - wanted) ** 2).mean()), np.float32(2 / y.size) * (y - wanted))
        )
        for _ in range(300)
    ]
    assert losses[-1] < 1e-3 * losses[0]
    assert np.abs(forward(learner.layers, x) - wanted).max() < 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_draws_are_raw_decisions_of_the_asked_shape(kind: Any) -> None:
    sampler = new(kind, MIXED, 3, np.random.default_rng(0), hidden=(8, 8))
    features = np.random.default_rng(1).random((5, 3), dtype=np.float32)
    raw = sampler.draw(features, 7, np.random.default_rng(2))
    assert raw.shape == (5, 7, 5)
    assert raw.dtype == np.float32
    assert np.abs(raw).max() <= 1
    assert np.array_equal(raw, sampler.draw(features, 7, np.random.default_rng(2)))
    if kind != "regressor":
        assert (np.diff(raw, axis=1) != 0).any()


def test_marginals_draw_by_their_probabilities() -> None:
    """A net without inputs whose logits are log 1, 2, 5 draws these shares; the switch is on three times in four."""
    sampler = new("marginals", MIXED[:2], 1, np.random.default_rng(0), hidden=(4,))
    weight, bias = sampler.layers[-1]
    weight[:] = 0
    bias[:] = np.log([1, 2, 5, 1, 3])
    raw = sampler.draw(np.zeros((1, 1), np.float32), 20_000, np.random.default_rng(0))[0]
    shares = np.bincount(raw[:, :3].argmax(axis=1)) / 20_000
    assert shares == pytest.approx([1 / 8, 2 / 8, 5 / 8], abs=0.015)
    assert (raw[:, 3] > 0).mean() == pytest.approx(0.75, abs=0.015)


def test_diffusion_learns_two_answers_to_one_question() -> None:
    """Two modes, (1, 1) and (-1, -1): a product of marginals must mix them, a diffusion sampler must not."""
    blocks = (Block("switch", 0, 1), Block("switch", 1, 1))
    rng = np.random.default_rng(3)
    mixed = {}
    for kind in KINDS:
        sampler = new(kind, blocks, 1, rng, hidden=(32, 32))
        learner = Learner(sampler.layers, 3e-3)
        for _ in range(600):
            sign = rng.choice([-1.0, 1.0], (64, 1)).astype(np.float32)
            learner.update(*sampler.lesson(np.ones((64, 1), np.float32), np.repeat(sign, 2, axis=1), rng))
        raw = sampler.draw(np.ones((1, 1), np.float32), 1000, rng)[0]
        mixed[kind] = float((np.sign(raw[:, 0]) != np.sign(raw[:, 1])).mean())
        if kind == "diffusion":
            assert 0.3 < (raw[:, 0] > 0).mean() < 0.7
    assert mixed["diffusion"] < 0.05
    assert 0.4 < mixed["marginals"] < 0.6


@pytest.mark.parametrize("kind", KINDS)
def test_saved_sampler_draws_the_same(kind: Any, tmp_path: Path) -> None:
    sampler = new(kind, MIXED, 3, np.random.default_rng(0), hidden=(8, 8))
    file = tmp_path / "sampler.npz"
    digest = save(sampler, file, case="mixed", seed=0)
    again, about = load(file, MIXED)
    assert (about["case"], about["sha256"]) == ("mixed", digest)
    features = np.ones((2, 3), np.float32)
    assert np.array_equal(
        sampler.draw(features, 4, np.random.default_rng(5)), again.draw(features, 4, np.random.default_rng(5))
    )


def test_sampler_of_other_decisions_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "sampler.npz"
    save(new("diffusion", MIXED, 3, np.random.default_rng(0), hidden=(8,)), file)
    with pytest.raises(ConfigError, match="5 entries, not 3"):
        load(file, MIXED[:1])


def test_file_that_is_no_sampler_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "sampler.npz"
    file.write_bytes(b"PK\x03\x04 no")
    with pytest.raises(ConfigError, match="not a saved sampler"):
        load(file, MIXED)


def test_changed_weights_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "sampler.npz"
    save(new("marginals", MIXED, 3, np.random.default_rng(0), hidden=(8,)), file)
    with np.load(file) as held:
        arrays = dict(held)
    arrays["w0"] = arrays["w0"] + 1
    np.savez_compressed(file, **arrays)
    with pytest.raises(ConfigError, match="weights are not those"):
        load(file, MIXED)


def test_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="diffusion"):
        new("difusion", MIXED, 3, np.random.default_rng(0))  # type: ignore[arg-type]


def test_pool_only_ever_improves() -> None:
    case, rng = Assignment(4, 3), np.random.default_rng(0)
    pool = Pool(case, 50, 4, rng)
    before = pool.grams.copy()
    raw = rng.uniform(-1, 1, (50, 8, case.dim))
    share = pool.improve(case.decode(raw, pool.instances), 0)
    assert (pool.grams <= before).all()
    assert share == pytest.approx((pool.grams < before).mean())
    assert case.cost(pool.decisions, pool.instances)[:, 0] == pytest.approx(pool.grams)


def test_self_imitation_reaches_the_stated_gap() -> None:
    """Family A at 6x4, three steps, ten rounds: best of 16 within 15 % of the optimum, and half of chance."""
    case = Assignment(6, 4)
    trained = imitate(case, recipe=Recipe(pool=1000, rounds=10, updates=40, batch=128), seed=0, steps=3)
    instances = case.sample(np.random.default_rng(1000), 60)
    reference = case.reference(instances)
    got = measure(case, trained.sampler.draw, instances, reference, k=16)
    chance = measure(case, at_random(case.dim), instances, reference, k=16)
    assert got["violation_frac"] == 0
    assert got["gap_mean_frac"] < 0.15
    assert got["gap_mean_frac"] < 0.5 * chance["gap_mean_frac"]
    assert got["gap_single_frac"] < 0.7 * chance["gap_single_frac"]
    spread = health(case, trained.sampler.draw, instances, reference)
    assert spread["best_over_first"] < 0.8
    assert spread["distance"] > 0.1


def test_same_seed_same_sampler_and_a_cpu_limit_stops() -> None:
    case, recipe = Powers(3), Recipe(pool=64, opening=2, rounds=3, updates=2, batch=16)
    first, second = (imitate(case, "marginals", recipe=recipe, seed=4, hidden=(8,)) for _ in range(2))
    assert all(
        np.array_equal(a, b)
        for p, q in zip(first.sampler.layers, second.sampler.layers, strict=True)
        for a, b in zip(p, q, strict=True)
    )
    assert first.rounds == len(first.history) == 3
    assert imitate(case, recipe=recipe, cpu_limit_s=0.0, hidden=(8,)).rounds < 3


def test_collapse_is_seen() -> None:
    case = Powers(3)
    instances = case.sample(np.random.default_rng(0), 20)
    reference = case.reference(instances)

    def same(features: Any, k: int, rng: Any) -> Any:
        return np.full((len(features), k, 3), 0.9, np.float32)

    assert health(case, same, instances, reference) == {"best_over_first": 1.0, "distance": 0.0}
    assert health(case, at_random(3), instances, reference)["best_over_first"] < 0.9


def test_interval_holds_the_mean_and_narrows() -> None:
    values = np.random.default_rng(0).normal(3, 1, 400)
    few, many = interval(values[:20]), interval(values)
    assert few[0] < values[:20].mean() < few[1]
    assert many[1] - many[0] < few[1] - few[0]


def test_start_form_is_bounded_whatever_the_weights() -> None:
    layers = [
        (100 * w, b) for w, b in new("diffusion", MIXED, 2, np.random.default_rng(0), hidden=(8,)).layers
    ]
    raw = Denoiser(MIXED, layers, 4, "noise").draw(np.ones((3, 2), np.float32), 5, np.random.default_rng(0))
    assert np.isfinite(raw).all()
    assert np.abs(raw).max() <= 1
