"""The alias table holds the very shares it was given, and the second chance is as good as independent."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gramwise.schedule.alias import alias_table, chance

WEIGHTS = st.lists(st.floats(0.0, 1e6), min_size=1, max_size=60).filter(any)


@settings(max_examples=200, deadline=None)
@given(WEIGHTS)
def test_the_table_holds_the_shares_exactly(weights: list[float]) -> None:
    shares = alias_table(weights).shares()
    total = math.fsum(weights)
    assert shares == pytest.approx([w / total for w in weights], abs=1e-12)
    assert math.fsum(shares) == pytest.approx(1.0, abs=1e-12)


def test_a_thousand_shares_hold_exactly() -> None:
    weights = np.random.default_rng(0).pareto(0.7, 1000)
    weights[::3] = 0.0
    shares = np.array(alias_table(weights.tolist()).shares())
    assert np.abs(shares - weights / weights.sum()).max() < 1e-12


@settings(max_examples=100, deadline=None)
@given(WEIGHTS, st.floats(0.0, 1.0, exclude_max=True))
def test_what_has_no_share_is_never_picked(weights: list[float], draw: float) -> None:
    table = alias_table(weights)
    picked = table.pick(draw)
    # Column for column, so that no draw is left to luck.
    reachable = {i for i, cut in enumerate(table.cut) if cut > 0.0}
    reachable |= {other for cut, other in zip(table.cut, table.other, strict=True) if cut < 1.0}
    assert weights[picked] > 0.0
    assert all(weights[i] > 0.0 for i in reachable)


def test_draws_follow_the_shares() -> None:
    weights = [0.0, 1.0, 2.0, 5.0, 0.5]
    table = alias_table(weights)
    grid = (np.arange(100_000) + 0.5) / 100_000
    counts = np.bincount([table.pick(u) for u in grid.tolist()], minlength=5) / 100_000
    assert counts == pytest.approx(np.array(weights) / 8.5, abs=1e-4)


def test_tiny_and_huge_weights() -> None:
    assert alias_table([5e-324, 5e-324]).shares() == pytest.approx([0.5, 0.5])
    assert alias_table([1e308, 1e308, 1e308]).shares() == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize("weights", [[], [0.0, 0.0], [1.0, -0.1], [math.nan], [math.inf, 1.0]])
def test_what_is_no_share_is_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="none negative and at least one above 0"):
        alias_table(weights)


def test_the_second_chance_is_uniform_and_independent_of_the_draw() -> None:
    draws = np.random.default_rng(1).random(50_000)
    for salt in (0, 1, 1_750_000_000, 1_750_003_600):
        second = np.array([chance(u, salt) for u in draws.tolist()])
        assert ((second >= 0.0) & (second < 1.0)).all()
        assert second.mean() == pytest.approx(0.5, abs=0.006)
        # 10 x 10 cells, 500 expected in each: 99 degrees of freedom, the 99.9 % point of chi square is 149.
        cells, _, _ = np.histogram2d(draws, second, bins=10, range=[[0, 1], [0, 1]])
        assert ((cells - 500.0) ** 2 / 500.0).sum() < 149.0


def test_other_salts_give_other_chances_even_to_round_draws() -> None:
    assert len({chance(0.5, salt) for salt in range(1000)}) == 1000
    assert chance(0.25, 3) == chance(0.25, 3)


def test_the_largest_draw_stays_inside_every_table() -> None:
    largest = 1.0 - 2.0**-53
    for n in range(1, 300):
        assert 0 <= alias_table([1.0] * n).pick(largest) < n
    assert chance(largest, 0) < 1.0
