"""The paired interval says 95 % and means it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from gramwise.runtime.stats import paired_interval, relative_change

Floats = npt.NDArray[np.float64]


def noisy(rng: np.random.Generator, blocks: int, size: int, ratio: float) -> tuple[Floats, Floats, list[Any]]:
    """Pairs whose true means have this ratio; a block shares most of its noise, as a noisy minute does."""
    block = np.repeat(np.arange(blocks), size)
    shared = rng.normal(1.0, 0.3, blocks)[block]
    ours = ratio * (1.0 + 0.3 * (shared - 1.0) + rng.normal(0, 0.05, blocks * size))
    theirs = 1.0 - 0.3 * (shared - 1.0) + rng.normal(0, 0.05, blocks * size)
    return ours, theirs, block.tolist()


def covered(cluster_matters: bool) -> float:
    rng = np.random.default_rng(7)
    hits = 0
    for _ in range(300):
        ours, theirs, block = noisy(rng, 20, 6, 0.8)
        interval = paired_interval(
            ours.tolist(),
            theirs.tolist(),
            block if cluster_matters else list(range(len(block))),
            relative_change,
        )
        assert interval is not None
        hits += interval[0] <= -0.2 <= interval[1]
    return hits / 300


def test_it_covers_the_truth_about_as_often_as_it_says() -> None:
    assert 0.90 <= covered(cluster_matters=True) <= 0.98


def test_drawing_single_pairs_from_noisy_blocks_would_not() -> None:
    assert covered(cluster_matters=False) < 0.80  # so the test above can fail


def test_pairing_removes_what_both_share() -> None:
    rng = np.random.default_rng(1)
    common = rng.normal(10.0, 3.0, 200)
    ours, theirs = 0.9 * common, common
    interval = paired_interval(ours.tolist(), theirs.tolist(), list(range(200)), relative_change)
    assert interval is not None
    assert list(interval) == pytest.approx([-0.1, -0.1])


def test_the_same_seed_gives_the_same_interval() -> None:
    ours, theirs, block = noisy(np.random.default_rng(3), 12, 5, 1.1)
    first, second = (
        paired_interval(ours.tolist(), theirs.tolist(), block, relative_change) for _ in range(2)
    )
    other = paired_interval(ours.tolist(), theirs.tolist(), block, relative_change, seed=1)
    assert first == second
    assert first != other


def test_a_wider_level_gives_a_wider_interval() -> None:
    ours, theirs, block = noisy(np.random.default_rng(3), 12, 5, 1.1)
    narrow = paired_interval(ours.tolist(), theirs.tolist(), block, relative_change, level=0.5)
    wide = paired_interval(ours.tolist(), theirs.tolist(), block, relative_change, level=0.99)
    assert narrow is not None
    assert wide is not None
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_fewer_than_two_pairs_tell_nothing() -> None:
    assert paired_interval([], [], [], relative_change) is None
    assert paired_interval([1.0], [2.0], [0], relative_change) is None
    assert paired_interval([1.0, 1.0], [2.0, 2.0], [0, 0], relative_change) == (-0.5, -0.5)


def test_few_clusters_draw_single_pairs() -> None:
    ours, theirs, block = noisy(np.random.default_rng(3), 2, 20, 1.0)
    single = paired_interval(ours.tolist(), theirs.tolist(), [f"{i:02}" for i in range(40)], relative_change)
    assert paired_interval(ours.tolist(), theirs.tolist(), block, relative_change) == single


def test_a_change_against_nothing_is_unknown() -> None:
    assert paired_interval([0.0, 0.0], [0.0, 0.0], [0, 1], relative_change) is None
    assert paired_interval([1.0, 2.0, 3.0], [0.0, 0.0, 1.0], [0, 1, 2], relative_change) is None
